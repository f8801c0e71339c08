"""The server's side of the pre-receive hook: the question is read, the hub decides, the verdict is written."""

import asyncio
import os
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass

import structlog
from starlette.concurrency import run_in_threadpool

from viveiro.errors import ViveiroError
from viveiro.hub import hooks
from viveiro.locale import translate

log = structlog.get_logger()

Check = Callable[[hooks.PushQuestion], Sequence[str]]


@dataclass(frozen=True, slots=True)
class Push:
    """What has to happen around a push. Both are called in a thread."""

    check: Check
    """Before any ref moves. What it returns is shown to the pusher; nothing means yes."""
    finish: Callable[[], None]
    """When git has ended, however it did, and before the client hears of it."""


class HookPipes:
    """The two pipes of `hub/hooks.py`. The far ends are inherited by git, and through git by the hook."""

    def __init__(self) -> None:
        self._question, question_end = os.pipe()
        verdict_end, self._verdict = os.pipe()
        self.inherited = (question_end, verdict_end)
        self.environment = hooks.environment(question_end, verdict_end)
        self._open = {self._question, self._verdict, *self.inherited}

    async def answer(self, check: Check) -> None:
        lines = await self._read_question()
        if lines is None:
            return  # git ended before it came to ask
        problems = await run_in_threadpool(_checked, check, hooks.parse_question(lines))
        with suppress(BrokenPipeError):
            await run_in_threadpool(os.write, self._verdict, hooks.format_verdict(problems))
        self._close(self._verdict)

    async def _read_question(self) -> list[str] | None:
        reader = asyncio.StreamReader()
        pipe = os.fdopen(self._question, "rb", buffering=0)
        self._open.discard(self._question)
        transport, _ = await asyncio.get_running_loop().connect_read_pipe(
            lambda: asyncio.StreamReaderProtocol(reader), pipe
        )
        try:
            return await _lines_until_empty(reader)
        finally:
            transport.close()

    def close_inherited(self) -> None:
        for end in self.inherited:
            self._close(end)

    def close(self) -> None:
        for end in list(self._open):
            self._close(end)

    def _close(self, end: int) -> None:
        if end in self._open:
            self._open.discard(end)
            os.close(end)


async def _lines_until_empty(reader: asyncio.StreamReader) -> list[str] | None:
    """None when the pipe ends first. The first lines are values, which may be empty themselves."""
    lines: list[str] = []
    while line := await reader.readline():
        text = line.decode("utf-8", "surrogateescape").rstrip("\n")
        if not text and len(lines) >= hooks.VALUES:
            return lines
        lines.append(text)
    return None


def _checked(check: Check, question: hooks.PushQuestion) -> Sequence[str]:
    try:
        return [translate(problem) for problem in check(question)]
    except ViveiroError as error:
        return [error.translated()]
    except Exception:  # the hook waits for a verdict, so any failure has to become one
        log.exception("push_check_failed")
        return [translate("The server failed while it checked this push, and has logged why. Nothing was changed.")]
