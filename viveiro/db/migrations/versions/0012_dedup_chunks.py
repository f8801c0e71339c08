"""Chunks that Xet's clients ask about."""

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"


def upgrade() -> None:
    op.create_table(
        "dedup_chunks",
        sa.Column("chunk", sa.String(length=64), nullable=False),
        sa.Column("xorb", sa.String(length=64), nullable=False),
        sa.ForeignKeyConstraint(["xorb"], ["xorbs.hash"], name=op.f("fk_dedup_chunks_xorb_xorbs"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("chunk", "xorb", name=op.f("pk_dedup_chunks")),
    )
    op.create_index(op.f("ix_dedup_chunks_xorb"), "dedup_chunks", ["xorb"])
