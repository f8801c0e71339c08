import threading

import pytest
from sqlalchemy import Column, Integer, MetaData, Table, func, insert, select, update

from viveiro.db import Database, UtcDateTime, migrate, utc_now
from viveiro.db.migrate import NewerDatabase

COUNTERS = Table(
    "counters", MetaData(), Column("id", Integer, primary_key=True), Column("value", Integer), Column("at", UtcDateTime)
)


@pytest.fixture
def counters(database_url):
    database = Database(database_url)
    COUNTERS.create(database.engine)
    with database.write() as session:
        session.execute(insert(COUNTERS).values(id=1, value=0, at=utc_now()))
    yield database
    database.close()


class TestWrite:
    """One transaction: all of it or nothing."""

    def test_is_kept_when_the_block_ends(self, counters):
        with counters.write() as session:
            session.execute(update(COUNTERS).values(value=7))
        with counters.read() as session:
            assert session.scalar(select(COUNTERS.c.value)) == 7

    def test_is_undone_when_the_block_raises(self, counters):
        with pytest.raises(RuntimeError), counters.write() as session:
            session.execute(update(COUNTERS).values(value=7))
            raise RuntimeError
        with counters.read() as session:
            assert session.scalar(select(COUNTERS.c.value)) == 0

    def test_8_threads_that_read_and_then_write_lose_no_update(self, counters):
        def count():
            for _ in range(25):
                with counters.write() as session:
                    row = session.execute(select(COUNTERS.c.value).with_for_update()).scalar_one()
                    session.execute(update(COUNTERS).values(value=row + 1))

        threads = [threading.Thread(target=count) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        with counters.read() as session:
            assert session.scalar(select(COUNTERS.c.value)) == 200


class TestRead:
    def test_keeps_nothing(self, counters):
        with counters.read() as session:
            session.execute(update(COUNTERS).values(value=9))
        with counters.read() as session:
            assert session.scalar(select(COUNTERS.c.value)) == 0

    def test_is_not_blocked_by_a_writer(self, counters):
        with counters.write() as writing, counters.read() as reading:
            writing.execute(update(COUNTERS).values(value=9))
            assert reading.scalar(select(COUNTERS.c.value)) == 0


class TestUtcDateTime:
    def test_comes_back_aware_and_equal(self, counters):
        now = utc_now()
        with counters.write() as session:
            session.execute(update(COUNTERS).values(at=now))
        with counters.read() as session:
            assert session.scalar(select(COUNTERS.c.at)) == now

    def test_refuses_a_time_without_zone(self, counters):
        with pytest.raises(Exception, match="naive"), counters.write() as session:
            session.execute(update(COUNTERS).values(at=utc_now().replace(tzinfo=None)))


class TestMigrations:
    @pytest.fixture(params=["sqlite", "postgres"])
    def database_url(self, request, tmp_path):
        """Without tables: these make them."""
        if request.param == "postgres":
            return request.getfixturevalue("postgres_url")
        return f"sqlite:///{tmp_path / 'viveiro.sqlite3'}"

    def test_make_exactly_the_tables_that_the_code_declares(self, database_url):
        from viveiro.app import register_everything
        from viveiro.db import Base

        register_everything()
        database = Database(database_url)
        migrate.upgrade(database)
        assert migrate.difference(database, Base.metadata) == []
        database.close()

    def test_run_twice_change_nothing(self, database_url):
        database = Database(database_url)
        migrate.upgrade(database)
        revision = migrate.current_revision(database)
        migrate.upgrade(database)
        assert revision == migrate.current_revision(database) is not None
        database.close()

    def test_refuse_a_database_of_a_newer_program(self, database_url):
        database = Database(database_url)
        migrate.upgrade(database)
        version = Table("alembic_version", MetaData(), autoload_with=database.engine)
        with database.write() as session:
            session.execute(update(version).values(version_num="9999"))
        with pytest.raises(NewerDatabase, match="9999"):
            migrate.upgrade(database)
        with database.read() as session:
            assert session.scalar(select(func.count()).select_from(version)) == 1
        database.close()
