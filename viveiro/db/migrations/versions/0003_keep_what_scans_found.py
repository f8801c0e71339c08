"""Keep what scans for pickles found."""

import sqlalchemy as sa
from alembic import op

from viveiro.db.tables import UtcDateTime, json_column

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    op.create_table(
        "scans",
        sa.Column("content", sa.String(length=64), nullable=False),
        sa.Column("scanner", sa.Integer(), nullable=False),
        sa.Column("imports", json_column(none_as_null=False), nullable=False),
        sa.Column("trouble", sa.String(length=16), nullable=True),
        sa.Column("scanned_at", UtcDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("content", name=op.f("pk_scans")),
    )
