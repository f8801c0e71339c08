"""Discuss repos."""

import sqlalchemy as sa
from alembic import op

from viveiro.db.tables import UtcDateTime, json_column

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    op.create_table(
        "attachments",
        sa.Column("id", sa.String(length=43), nullable=False),
        sa.Column("sha256", sa.String(length=64), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("content_type", sa.String(length=32), nullable=False),
        sa.Column("uploader_id", sa.Integer(), nullable=True),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.ForeignKeyConstraint(["sha256"], ["blobs.sha256"], name=op.f("fk_attachments_sha256_blobs")),
        sa.ForeignKeyConstraint(
            ["uploader_id"], ["accounts.id"], name=op.f("fk_attachments_uploader_id_accounts"), ondelete="SET NULL"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_attachments")),
    )
    with op.batch_alter_table("attachments") as batch_op:
        batch_op.create_index(batch_op.f("ix_attachments_sha256"), ["sha256"], unique=False)
        batch_op.create_index(batch_op.f("ix_attachments_uploader_id"), ["uploader_id"], unique=False)

    op.create_table(
        "discussions",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("repo_id", sa.Integer(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("title", sa.String(length=200), nullable=False),
        sa.Column("folded_title", sa.String(length=400), nullable=False),
        sa.Column("status", sa.String(length=8), nullable=False),
        sa.Column("author_id", sa.Integer(), nullable=True),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.Column("updated_at", UtcDateTime(), nullable=False),
        sa.Column("comments", sa.Integer(), nullable=False),
        sa.Column("base_ref", sa.String(length=255), nullable=True),
        sa.Column("start_sha", sa.String(length=40), nullable=True),
        sa.Column("merge_sha", sa.String(length=40), nullable=True),
        sa.ForeignKeyConstraint(
            ["author_id"], ["accounts.id"], name=op.f("fk_discussions_author_id_accounts"), ondelete="SET NULL"
        ),
        sa.ForeignKeyConstraint(
            ["repo_id"], ["repos.id"], name=op.f("fk_discussions_repo_id_repos"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_discussions")),
        sa.UniqueConstraint("repo_id", "number", name=op.f("uq_discussions_repo_id_number")),
    )
    with op.batch_alter_table("discussions") as batch_op:
        batch_op.create_index(batch_op.f("ix_discussions_author_id"), ["author_id"], unique=False)
        batch_op.create_index("ix_discussions_repo_id_status", ["repo_id", "status"], unique=False)

    op.create_table(
        "discussion_events",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("discussion_id", sa.Integer(), nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("author_id", sa.Integer(), nullable=True),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.Column("data", json_column(), nullable=False),
        sa.Column("content", sa.Text(), nullable=True),
        sa.Column("written_at", UtcDateTime(), nullable=True),
        sa.Column("written_by_id", sa.Integer(), nullable=True),
        sa.ForeignKeyConstraint(
            ["author_id"], ["accounts.id"], name=op.f("fk_discussion_events_author_id_accounts"), ondelete="SET NULL"
        ),
        sa.ForeignKeyConstraint(
            ["discussion_id"],
            ["discussions.id"],
            name=op.f("fk_discussion_events_discussion_id_discussions"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["written_by_id"],
            ["accounts.id"],
            name=op.f("fk_discussion_events_written_by_id_accounts"),
            ondelete="SET NULL",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_discussion_events")),
    )
    with op.batch_alter_table("discussion_events") as batch_op:
        batch_op.create_index(batch_op.f("ix_discussion_events_author_id"), ["author_id"], unique=False)
        batch_op.create_index(batch_op.f("ix_discussion_events_discussion_id"), ["discussion_id"], unique=False)
        batch_op.create_index(batch_op.f("ix_discussion_events_written_by_id"), ["written_by_id"], unique=False)

    op.create_table(
        "pending_pull_requests",
        sa.Column("push_id", sa.Integer(), nullable=False),
        sa.Column("discussion_id", sa.Integer(), nullable=False),
        sa.Column("status", sa.String(length=8), nullable=False),
        sa.Column("comment", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(
            ["discussion_id"],
            ["discussions.id"],
            name=op.f("fk_pending_pull_requests_discussion_id_discussions"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["push_id"],
            ["pending_pushes.id"],
            name=op.f("fk_pending_pull_requests_push_id_pending_pushes"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("push_id", name=op.f("pk_pending_pull_requests")),
    )
    with op.batch_alter_table("pending_pull_requests") as batch_op:
        batch_op.create_index(batch_op.f("ix_pending_pull_requests_discussion_id"), ["discussion_id"], unique=False)

    op.create_table(
        "comment_versions",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("event_id", sa.Integer(), nullable=False),
        sa.Column("content", sa.Text(), nullable=False),
        sa.Column("author_id", sa.Integer(), nullable=True),
        sa.Column("written_at", UtcDateTime(), nullable=False),
        sa.ForeignKeyConstraint(
            ["author_id"], ["accounts.id"], name=op.f("fk_comment_versions_author_id_accounts"), ondelete="SET NULL"
        ),
        sa.ForeignKeyConstraint(
            ["event_id"],
            ["discussion_events.id"],
            name=op.f("fk_comment_versions_event_id_discussion_events"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_comment_versions")),
    )
    with op.batch_alter_table("comment_versions") as batch_op:
        batch_op.create_index(batch_op.f("ix_comment_versions_author_id"), ["author_id"], unique=False)
        batch_op.create_index(batch_op.f("ix_comment_versions_event_id"), ["event_id"], unique=False)
