"""Remember the names of moved repos."""

import sqlalchemy as sa
from alembic import op

from viveiro.db.tables import UtcDateTime

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    op.create_table(
        "repo_aliases",
        sa.Column("kind", sa.String(length=8), nullable=False),
        sa.Column("folded_name", sa.String(length=193), nullable=False),
        sa.Column("name", sa.String(length=193), nullable=False),
        sa.Column("repo_id", sa.Integer(), nullable=False),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.ForeignKeyConstraint(
            ["repo_id"], ["repos.id"], name=op.f("fk_repo_aliases_repo_id_repos"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("kind", "folded_name", name=op.f("pk_repo_aliases")),
    )
    with op.batch_alter_table("repo_aliases") as batch_op:
        batch_op.create_index(batch_op.f("ix_repo_aliases_repo_id"), ["repo_id"], unique=False)
