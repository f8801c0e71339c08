"""Alembic's entry point. The connection comes from `viveiro.db.migrate`, never from an .ini file."""

from typing import Any, Literal

from alembic import context
from alembic.autogenerate.api import AutogenContext
from sqlalchemy import JSON

from viveiro.db.tables import UtcDateTime


def render_type(kind: str, item: Any, _: AutogenContext) -> str | Literal[False]:
    """Our own column types by their own names, in the migrations that autogenerate writes."""
    if kind == "type" and isinstance(item, UtcDateTime):
        return "UtcDateTime()"
    if kind == "type" and isinstance(item, JSON):
        return f"json_column(none_as_null={item.none_as_null})"
    return False


context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=context.config.attributes.get("metadata"),
    render_as_batch=True,  # SQLite alters a table by copying it
    render_item=render_type,
    compare_type=True,
)
with context.begin_transaction():
    context.run_migrations()
