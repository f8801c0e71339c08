"""A file's hash of Xet depends on its chunks: it belongs to a layout, not to a content."""

import sqlalchemy as sa
from alembic import op

revision = "0014"
down_revision = "0013"


def upgrade() -> None:
    # As plain statements: to make `layouts` anew would delete what refers to it.
    op.add_column("layouts", sa.Column("xet_hash", sa.String(length=64), nullable=False, server_default=""))
    op.execute(
        "UPDATE layouts SET xet_hash = coalesce((SELECT xet_hash FROM blobs WHERE blobs.sha256 = layouts.sha256), '')"
    )
    op.create_index(op.f("ix_layouts_xet_hash"), "layouts", ["xet_hash"])
    op.drop_index(op.f("ix_blobs_xet_hash"), "blobs")
    op.drop_column("blobs", "xet_hash")
