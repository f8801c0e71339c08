"""Number the changes of repos."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    op.create_table(
        "repo_changes",
        sa.Column("repo_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("number", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("repo_id", name=op.f("pk_repo_changes")),
    )
    with op.batch_alter_table("repo_changes") as batch_op:
        batch_op.create_index("ix_repo_changes_number", ["number"], unique=False)
