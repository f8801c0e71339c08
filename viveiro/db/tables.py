"""The base of every table."""

import json
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import JSON, DateTime, Dialect, MetaData, Text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import DeclarativeBase
from sqlalchemy.types import TypeDecorator

from viveiro.locale import Sentence, restored, stored


class UtcDateTime(TypeDecorator[datetime]):
    """An aware datetime in UTC. SQLite forgets the zone, so it is put back on the way out."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is not None and value.tzinfo is None:
            raise ValueError("A naive datetime has no place in the database.")
        return value.astimezone(UTC) if value is not None else None

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


class SentenceText(TypeDecorator[str]):
    """A text for people. A Sentence is kept with its template, so that each reader is told it in their language.

    What is no Sentence is kept as it is: texts of other programs, and what was written before there were sentences.
    """

    impl = Text
    cache_ok = True
    _SIGN = '{"template": '

    def process_bind_param(self, value: str | None, dialect: Dialect) -> str | None:
        return json.dumps(stored(value), ensure_ascii=False) if isinstance(value, Sentence) else value

    def process_result_value(self, value: str | None, dialect: Dialect) -> str | None:
        return restored(json.loads(value)) if value is not None and value.startswith(self._SIGN) else value


def json_column(*, none_as_null: bool = False) -> JSON:
    """JSON as text on SQLite, as JSONB on PostgreSQL."""
    return JSON(none_as_null=none_as_null).with_variant(JSONB(none_as_null=none_as_null), "postgresql")


class Base(DeclarativeBase):
    """Column types by annotation: `datetime` is UTC, `dict` and `list` are JSON."""

    metadata = MetaData(
        naming_convention={
            "ix": "ix_%(column_0_N_label)s",
            "uq": "uq_%(table_name)s_%(column_0_N_name)s",
            "ck": "ck_%(table_name)s_%(constraint_name)s",
            "fk": "fk_%(table_name)s_%(column_0_name)s_%(referred_table_name)s",
            "pk": "pk_%(table_name)s",
        }
    )
    type_annotation_map = {  # noqa: RUF012 - SQLAlchemy reads it as declared
        datetime: UtcDateTime,
        dict[str, Any]: json_column(),
        list[Any]: json_column(),
    }


def utc_now() -> datetime:
    return datetime.now(UTC)
