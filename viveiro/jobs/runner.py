"""How a worker has jobs run. Local processes and threads now; a cluster would be one more class."""

from collections.abc import Sequence
from typing import Protocol

from viveiro.jobs.types import Job, Message, Outcome


class RunningJob(Protocol):
    """One attempt under way. No method waits."""

    @property
    def job(self) -> Job: ...

    def messages(self) -> Sequence[Message]:
        """Progress and metrics since the last call."""
        ...

    def outcome(self) -> Outcome | None:
        """None while it runs."""
        ...

    def terminate(self) -> None:
        """Ask it to stop. It may tidy up."""
        ...

    def kill(self) -> None:
        """End it now, with all that it started, where that is possible."""
        ...


class JobRunner(Protocol):
    def start(self, job: Job) -> RunningJob:
        """Called from the worker's main thread only."""
        ...
