"""Let devices sign in."""

import sqlalchemy as sa
from alembic import op

from viveiro.db.tables import UtcDateTime

revision = "0009"
down_revision = "0008"


def upgrade() -> None:
    op.create_table(
        "device_logins",
        sa.Column("device_sha256", sa.String(length=64), nullable=False),
        sa.Column("user_code", sa.String(length=9), nullable=False),
        sa.Column("address", sa.String(length=64), nullable=True),
        sa.Column("user_id", sa.Integer(), nullable=True),
        sa.Column("denied", sa.Boolean(), nullable=False),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.Column("expires_at", UtcDateTime(), nullable=False),
        sa.ForeignKeyConstraint(
            ["user_id"], ["accounts.id"], name=op.f("fk_device_logins_user_id_accounts"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("device_sha256", name=op.f("pk_device_logins")),
        sa.UniqueConstraint("user_code", name=op.f("uq_device_logins_user_code")),
    )
    with op.batch_alter_table("device_logins") as batch_op:
        for column in ("address", "expires_at", "user_id"):
            batch_op.create_index(batch_op.f(f"ix_device_logins_{column}"), [column], unique=False)
