"""How the end of a job's process is read."""

import pytest

from viveiro.jobs.processes import judge
from viveiro.jobs.types import Ending

RESULT = {"type": "result", "data": {"f1": 0.9}}
ERROR = {"type": "error", "ending": "failed", "data": "ValueError: no", "may_retry": False}


def exit_with(status):
    return {"type": "exit", "status": status}


class TestJudge:
    def test_a_result_stands_even_if_the_process_crashed_in_its_shutdown(self):
        outcome = judge({"result": RESULT, "exit": exit_with(-11)}, str)
        assert (outcome.ending, outcome.result) == (Ending.RETURNED, {"f1": 0.9})

    def test_an_error_is_the_jobs_own_word(self):
        outcome = judge({"error": ERROR, "exit": exit_with(1)}, str)
        assert (outcome.ending, outcome.error, outcome.may_retry) == (Ending.FAILED, "ValueError: no", False)

    @pytest.mark.parametrize(
        ("final", "words"),
        [
            ({"exit": exit_with(-11)}, "killed by SIGSEGV"),
            ({"exit": exit_with(-9)}, "killed by SIGKILL; the machine may be out of memory"),
            ({"exit": exit_with(-64)}, "killed by"),  # a real-time signal
            ({"exit": exit_with(3)}, "ended with status 3 and without a result"),
            ({"exit": exit_with(0)}, "ended with status 0 and without a result"),
            ({}, "killed by SIGKILL"),  # the leash was killed too
        ],
    )
    def test_without_a_word_it_failed_and_the_log_says_more(self, final, words):
        outcome = judge(final, lambda: "last line")
        assert outcome.ending is Ending.FAILED
        assert words in outcome.error
        assert outcome.error.endswith("last line")
