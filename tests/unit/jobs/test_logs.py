"""What jobs print."""

import pytest

from viveiro.jobs.logs import last_lines, log_path, read_all, read_from, roll
from viveiro.settings import Settings


@pytest.fixture
def settings(tmp_path):
    settings = Settings(data_dir=tmp_path, job_log_bytes=10)
    log_path(settings, "j").parent.mkdir(parents=True)
    return settings


class TestRolling:
    def test_a_small_log_stays(self, settings):
        log_path(settings, "j").write_text("0123456789")
        assert not roll(settings, "j")

    def test_a_large_log_becomes_the_older_part_while_the_job_writes_on(self, settings):
        with log_path(settings, "j").open("ab", buffering=0) as opened_by_the_job:
            opened_by_the_job.write(b"first part\n")
            assert roll(settings, "j")
            opened_by_the_job.write(b"second\n")
        assert log_path(settings, "j").read_bytes() == b"second\n"
        assert read_all(settings, "j") == (b"first part\nsecond\n", len(b"second\n"))

    def test_a_job_without_a_log_has_an_empty_one(self, settings):
        assert not roll(settings, "none")
        assert read_all(settings, "none") == (b"", 0)


class TestReadingOn:
    def test_gives_what_came_after(self, settings):
        log_path(settings, "j").write_text("one\ntwo\n")
        assert read_from(settings, "j", 4) == (b"two\n", 8)
        assert read_from(settings, "j", 8) == (b"", 8)

    def test_begins_again_in_a_log_that_was_rolled_over(self, settings):
        log_path(settings, "j").write_text("new\n")
        assert read_from(settings, "j", 4000) == (b"new\n", 4)


class TestLastLines:
    def test_hold_nothing_of_an_earlier_attempt(self, settings):
        log_path(settings, "j").write_text("first attempt\nsecond attempt\n")
        assert last_lines(log_path(settings, "j"), since=14) == "second attempt"

    def test_of_a_deleted_log_are_none(self, settings):
        assert last_lines(log_path(settings, "j")) == ""

    def test_are_few(self, settings):
        log_path(settings, "j").write_text("".join(f"line {n}\n" for n in range(1000)))
        assert last_lines(log_path(settings, "j")).splitlines()[-1] == "line 999"
        assert len(last_lines(log_path(settings, "j")).splitlines()) == 15
