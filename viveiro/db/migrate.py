"""Bringing a database to this program's schema, and refusing one that a newer program has moved on."""

from pathlib import Path

from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, MetaData

from viveiro.db.engine import Database
from viveiro.errors import Conflict


class NewerDatabase(Conflict):
    def __init__(self, revision: str, newest: str) -> None:
        super().__init__(
            "The database is at schema {revision}, which this program does not know: its newest is {newest}. "
            "A newer Viveiro has been here. Install that version again: pip install --upgrade viveiro",
            revision=revision,
            newest=newest,
        )


def upgrade(database: Database) -> None:
    """Run what is missing, all in one transaction where the database can (SQLite and PostgreSQL both can)."""
    with database.engine.execution_options(viveiro_write=True).begin() as connection:
        config = _config(connection)
        _refuse_newer(connection, ScriptDirectory.from_config(config))
        command.upgrade(config, "head")


def current_revision(database: Database) -> str | None:
    with database.engine.connect() as connection:
        return MigrationContext.configure(connection).get_current_revision()


def difference(database: Database, metadata: MetaData) -> list[object]:
    """What autogenerate would still change: empty when migrations and tables agree."""
    with database.engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        return list(compare_metadata(context, metadata))


def write_migration(database: Database, metadata: MetaData, message: str, number: str) -> None:
    """For developers: a new file in `versions/` from the difference between the database and the tables."""
    with database.engine.begin() as connection:
        config = _config(connection)
        config.attributes["metadata"] = metadata
        command.revision(config, message=message, autogenerate=True, rev_id=number)


def _config(connection: Connection) -> Config:
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).with_name("migrations")))
    config.attributes["connection"] = connection
    return config


def _refuse_newer(connection: Connection, scripts: ScriptDirectory) -> None:
    revision = MigrationContext.configure(connection).get_current_revision()
    known = {script.revision for script in scripts.walk_revisions()}
    if revision is not None and revision not in known:
        raise NewerDatabase(revision, scripts.get_current_head() or "none")
