"""Xorbs, and the layouts of files over them."""

import sqlalchemy as sa
from alembic import op

from viveiro.db.tables import UtcDateTime

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    op.create_table(
        "xorbs",
        sa.Column("hash", sa.String(length=64), nullable=False),
        sa.Column("packed_size", sa.Integer(), nullable=False),
        sa.Column("chunks", sa.LargeBinary(), nullable=False),
        sa.Column("registered_at", UtcDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("hash", name=op.f("pk_xorbs")),
    )
    op.create_index(op.f("ix_xorbs_registered_at"), "xorbs", ["registered_at"])
    op.create_table(
        "repo_xorbs",
        sa.Column("repo_id", sa.Integer(), nullable=False),
        sa.Column("xorb", sa.String(length=64), nullable=False),
        sa.ForeignKeyConstraint(
            ["repo_id"], ["repos.id"], name=op.f("fk_repo_xorbs_repo_id_repos"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(["xorb"], ["xorbs.hash"], name=op.f("fk_repo_xorbs_xorb_xorbs"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("repo_id", "xorb", name=op.f("pk_repo_xorbs")),
    )
    op.create_index(op.f("ix_repo_xorbs_xorb"), "repo_xorbs", ["xorb"])
    op.create_table(
        "xorb_senders",
        sa.Column("sender", sa.String(length=32), nullable=False),
        sa.Column("xorb", sa.String(length=64), nullable=False),
        sa.ForeignKeyConstraint(["xorb"], ["xorbs.hash"], name=op.f("fk_xorb_senders_xorb_xorbs"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("sender", "xorb", name=op.f("pk_xorb_senders")),
    )
    op.create_index(op.f("ix_xorb_senders_xorb"), "xorb_senders", ["xorb"])
    op.create_table(
        "layouts",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("sha256", sa.String(length=64), nullable=False),
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.Column("terms", sa.LargeBinary(), nullable=False),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.ForeignKeyConstraint(["sha256"], ["blobs.sha256"], name=op.f("fk_layouts_sha256_blobs")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_layouts")),
        sa.UniqueConstraint("digest", name=op.f("uq_layouts_digest")),
    )
    op.create_index(op.f("ix_layouts_sha256"), "layouts", ["sha256"])
    op.create_table(
        "layout_xorbs",
        sa.Column("layout_id", sa.Integer(), nullable=False),
        sa.Column("xorb", sa.String(length=64), nullable=False),
        sa.ForeignKeyConstraint(
            ["layout_id"], ["layouts.id"], name=op.f("fk_layout_xorbs_layout_id_layouts"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(["xorb"], ["xorbs.hash"], name=op.f("fk_layout_xorbs_xorb_xorbs")),
        sa.PrimaryKeyConstraint("layout_id", "xorb", name=op.f("pk_layout_xorbs")),
    )
    op.create_index(op.f("ix_layout_xorbs_xorb"), "layout_xorbs", ["xorb"])
    with op.batch_alter_table("repo_blobs") as batch_op:
        batch_op.add_column(sa.Column("layout_id", sa.Integer(), nullable=True))
        batch_op.create_foreign_key(op.f("fk_repo_blobs_layout_id_layouts"), "layouts", ["layout_id"], ["id"])
        batch_op.create_index(op.f("ix_repo_blobs_layout_id"), ["layout_id"])
