"""The pre-receive hook, run as git runs it: it asks, waits, and without a clear yes it says no."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from viveiro.errors import Unavailable
from viveiro.hub import hooks
from viveiro.hub.types import RefUpdate

OLD, NEW, NOTHING = "a" * 40, "b" * 40, "0" * 40
PUSHED = f"{OLD} {NEW} refs/heads/main\n{NOTHING} {NEW} refs/heads/new\n{OLD} {NOTHING} refs/tags/gone\n"


class Hook:
    """The script, with the server's ends of its two pipes."""

    def __init__(self, folder: Path, pushed: str) -> None:
        self.question, question_end = os.pipe()
        verdict_end, self.verdict = os.pipe()
        variables = {**hooks.environment(question_end, verdict_end), "GIT_QUARANTINE_PATH": "/q"}
        self.process = subprocess.Popen(
            [folder / "pre-receive"],
            stdin=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env={**os.environ, **variables},
            pass_fds=(question_end, verdict_end),
        )
        os.close(question_end)
        os.close(verdict_end)
        assert self.process.stdin is not None
        with self.process.stdin as stdin:
            stdin.write(pushed.encode())

    def asked(self) -> hooks.PushQuestion:
        """Up to the empty line: the pipe's end comes only with the hook's own."""
        with os.fdopen(self.question) as question:
            lines = [question.readline().rstrip("\n") for _ in range(hooks.VALUES)]
            lines += iter(lambda: question.readline().rstrip("\n"), "")
        return hooks.parse_question(lines)

    def answered(self, verdict: bytes) -> tuple[int, str]:
        os.write(self.verdict, verdict)
        os.close(self.verdict)
        return self.ended()

    def ended(self) -> tuple[int, str]:
        assert self.process.stderr is not None
        with self.process.stderr as stderr:
            shown = stderr.read().decode()
        return self.process.wait(10), shown


@pytest.fixture
def hook(tmp_path: Path) -> Hook:
    return Hook(hooks.install(tmp_path / "hooks"), PUSHED)


class TestAsking:
    def test_the_server_learns_what_would_move_and_where_the_new_objects_lie(self, hook):
        question = hook.asked()
        hook.answered(hooks.format_verdict([]))
        assert question.updates == (
            RefUpdate("refs/heads/main", OLD, NEW),
            RefUpdate("refs/heads/new", None, NEW),
            RefUpdate("refs/tags/gone", OLD, None),
        )
        assert question.environment == {"GIT_QUARANTINE_PATH": "/q"}

    def test_no_problem_lets_the_push_through(self, hook):
        hook.asked()
        assert hook.answered(hooks.format_verdict([])) == (0, "")

    def test_problems_are_shown_and_stop_it(self, hook):
        hook.asked()
        assert hook.answered(hooks.format_verdict(["First.", "Second."])) == (1, "First.\nSecond.\n")

    def test_what_is_shown_cannot_steer_a_terminal(self, hook):
        hook.asked()
        _, shown = hook.answered(hooks.format_verdict(["a\x1b[2Jb\naccepted", "\ud800é"]))
        assert shown == "a?[2Jb?accepted\n?é\n"


class TestSilenceMeansNo:
    def test_a_server_that_dies_before_it_answers(self, hook):
        hook.asked()
        os.close(hook.verdict)
        assert hook.ended()[0] == 1

    def test_a_server_that_dies_before_it_reads(self, tmp_path):
        hook = Hook(hooks.install(tmp_path), PUSHED * 10_000)
        os.close(hook.question)
        os.close(hook.verdict)
        assert hook.ended()[0] != 0

    def test_no_server_at_all(self, tmp_path):
        folder = hooks.install(tmp_path)
        ended = subprocess.run([folder / "pre-receive"], input=PUSHED, text=True, capture_output=True)
        assert ended.returncode != 0

    @pytest.mark.parametrize("verdict", [b"", b"\n", b"accepted not\n", b" refused\n", b"ACCEPTED\n"])
    def test_anything_but_a_clear_yes(self, hook, verdict):
        hook.asked()
        assert hook.answered(verdict)[0] == 1


class TestInstalling:
    def test_a_changed_or_disabled_hook_is_put_right(self, tmp_path):
        hook = hooks.install(tmp_path) / "pre-receive"
        written = hook.read_text()
        hook.write_text("#!/bin/sh\nexit 0\n")
        hook.chmod(0o600)
        hooks.install(tmp_path)
        assert hook.read_text() == written
        assert os.access(hook, os.X_OK)

    def test_it_is_written_once(self, tmp_path):
        hook = hooks.install(tmp_path) / "pre-receive"
        before = hook.stat()
        hooks.install(tmp_path)
        assert hook.stat().st_ino == before.st_ino

    @pytest.mark.skipif(sys.platform != "linux" or os.geteuid() != 0, reason="mounting takes root on Linux")
    def test_a_folder_where_nothing_may_be_executed_is_refused(self, tmp_path):
        """git would skip the hook with a warning, and let every push through."""
        mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "noexec", "tmpfs", tmp_path], capture_output=True)
        if mounted.returncode != 0:
            pytest.skip("mounting is not allowed here")
        try:
            with pytest.raises(Unavailable, match="noexec"):
                hooks.install(tmp_path)
        finally:
            subprocess.run(["umount", tmp_path], check=True)
