"""The worker: claims jobs, has them run, and answers for each of them until it ended or was given back.

One thread, one loop. It never waits for a job: each turn looks at what its jobs said, at what others decided about them,
and at the queue. Processes are started from this thread only, and it must be the main one, because it handles signals.
"""

import signal
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from types import FrameType
from typing import Final

import structlog
from sqlalchemy.exc import DBAPIError

import viveiro.jobs.jobs  # noqa: F401 - registers the queue's own housekeeping
from viveiro.db import Database, utc_now
from viveiro.errors import LeaseLost
from viveiro.jobs import leases, logs, presence, queries, schedules
from viveiro.jobs.kinds import kinds
from viveiro.jobs.messages import coalesced
from viveiro.jobs.processes import ChildCommand, LocalProcessRunner
from viveiro.jobs.runner import JobRunner, RunningJob
from viveiro.jobs.slots import capacity, remaining
from viveiro.jobs.threads import ThreadRunner
from viveiro.jobs.types import Ending, Isolation, Job, Message, Outcome
from viveiro.locale import Sentence
from viveiro.settings import Settings

TURN_SECONDS: Final = 0.05
"""Between looks at running jobs. A look costs a few system calls and no SQL."""
REPORT_SECONDS: Final = 0.2
"""What a job says is written at most this often."""
LEAVE_SECONDS: Final = 15.0
"""Less than the supervisor's patience: jobs must be back in the queue before it kills the worker."""
ABANDON_SECONDS: Final = 1.0
DATABASE_PAUSE_SECONDS: Final = 1.0

log = structlog.get_logger()


def run_worker(settings: Settings, database: Database, child_command: ChildCommand) -> None:
    """Serve the queue until SIGTERM or SIGINT; then give back what is running, and return.

    Args:
        child_command: (job id, attempt) to the command line of a process that calls `run_child` with them.
    """
    name = presence.new_worker_name()
    with presence.present(settings, name) as lock:
        runners: dict[Isolation, JobRunner] = {
            Isolation.PROCESS: LocalProcessRunner(settings, child_command, lock),
            Isolation.THREAD: ThreadRunner(settings, database),
        }
        Worker(name, settings, database, runners).run()


@dataclass(slots=True)
class Charge:
    """A running job in this worker's care."""

    running: RunningJob
    unwritten: list[Message] = field(default_factory=list)
    written_at: float = 0.0
    kill_at: float | None = None
    """Set once it has been told to stop."""
    is_lost: bool = False
    """Another worker has the job, or it ended: nothing this attempt says counts any more."""

    @property
    def job(self) -> Job:
        return self.running.job

    def stop(self, patience: float) -> None:
        kill_at = time.monotonic() + patience
        if self.kill_at is None:
            self.running.terminate()
        self.kill_at = kill_at if self.kill_at is None else min(self.kill_at, kill_at)


class Rhythm:
    """True once an interval. The first time at once."""

    def __init__(self, every: timedelta) -> None:
        self._every = every.total_seconds()
        self._next = 0.0

    def is_due(self) -> bool:
        now = time.monotonic()
        if now < self._next:
            return False
        self._next = now + self._every
        return True


class Worker:
    def __init__(
        self, name: str, settings: Settings, database: Database, runners: Mapping[Isolation, JobRunner]
    ) -> None:
        self.name = name
        self._settings = settings
        self._database = database
        self._runners = runners
        self._total = capacity(settings)
        self._charges: dict[tuple[str, int], Charge] = {}
        self._beat = Rhythm(settings.job_heartbeat)
        self._poll = Rhythm(settings.job_poll)
        self._stops_asked = 0
        self._stops_obeyed = 0
        self._leave_by: float | None = None

    def run(self) -> None:
        signal.signal(signal.SIGTERM, self._on_signal)
        signal.signal(signal.SIGINT, self._on_signal)
        with self._database.write() as session:
            schedules.synchronize(session, utc_now())
        self._take_over_from_the_dead()
        log.info("worker_started", worker=self.name, slots=self._total)
        while not self._has_left():
            try:
                self._turn()
            except DBAPIError:
                # Jobs go on, and what they say is kept: a database that restarts must not cost a night of training.
                log.exception("database_failed", worker=self.name)
                time.sleep(DATABASE_PAUSE_SECONDS)
            time.sleep(TURN_SECONDS if self._charges else min(self._settings.job_poll.total_seconds(), 0.5))
        self._abandon()
        log.info("worker_stopped", worker=self.name)

    def _on_signal(self, _number: int, _frame: FrameType | None) -> None:
        self._stops_asked += 1

    def _has_left(self) -> bool:
        return self._leave_by is not None and (not self._charges or time.monotonic() > self._leave_by)

    def _turn(self) -> None:
        self._obey_signals()
        ended = [self._attend(charge) for charge in list(self._charges.values())]
        if self._beat.is_due():
            self._keep_house()
        if self._poll.is_due() or any(ended):
            self._heed_others()
            self._take_work()

    def _obey_signals(self) -> None:
        """The first asks jobs to stop, a second one makes an end."""
        if self._stops_obeyed == self._stops_asked:
            return
        patience = 0.0 if self._stops_obeyed else min(self._settings.job_kill_after.total_seconds(), LEAVE_SECONDS)
        self._stops_obeyed = self._stops_asked
        self._leave_by = time.monotonic() + patience + ABANDON_SECONDS
        for charge in self._charges.values():
            charge.stop(patience)

    def _attend(self, charge: Charge) -> bool:
        """Write down what it said, and its end. Whether its slots are free now."""
        outcome = charge.running.outcome()
        charge.unwritten += charge.running.messages()
        if charge.kill_at is not None and time.monotonic() >= charge.kill_at:
            charge.running.kill()
        try:
            if outcome is not None:
                self._finish(charge, outcome)
            else:
                self._report(charge)
        except LeaseLost:
            self._disown(charge)
        return outcome is not None

    def _report(self, charge: Charge) -> None:
        now = time.monotonic()
        if charge.is_lost or not charge.unwritten or now - charge.written_at < REPORT_SECONDS:
            return
        with self._database.write() as session:
            leases.report(session, charge.job.id, charge.job.attempt, coalesced(charge.unwritten))
        charge.unwritten.clear()
        charge.written_at = now

    def _finish(self, charge: Charge, outcome: Outcome) -> None:
        job_id, attempt = key = charge.job.id, charge.job.attempt
        if not charge.is_lost:
            with self._database.write() as session:
                leases.report(session, job_id, attempt, coalesced(charge.unwritten))
                ended = leases.finish(session, job_id, attempt, self._verdict(outcome), self._settings.job_retry_delay)
            log.info("job_attempt_ended", job_id=job_id, kind=ended.kind, attempt=attempt, state=ended.state.value)
        del self._charges[key]

    def _verdict(self, outcome: Outcome) -> Outcome:
        """Who stopped it decides what a stop means: this worker gives a job back, a stranger's signal makes it fail."""
        if outcome.ending is Ending.RETURNED:
            return outcome
        if self._leave_by is not None:
            return Outcome(Ending.RELEASED)
        if outcome.ending is Ending.RELEASED:
            return Outcome(
                Ending.FAILED, error=Sentence("Something other than its worker told the job to stop (SIGTERM).")
            )
        return outcome

    def _disown(self, charge: Charge) -> None:
        if not charge.is_lost:
            log.warning("job_lease_lost", job_id=charge.job.id, attempt=charge.job.attempt, worker=self.name)
            charge.is_lost = True
            charge.running.kill()

    def _keep_house(self) -> None:
        if self._charges:
            ids = [charge.job.id for charge in self._charges.values() if not charge.is_lost]
            with self._database.write() as session:
                leases.renew(session, self.name, ids, self._settings.job_lease)
            for job_id in ids:
                self._roll_log(job_id)
        with self._database.read() as session:
            has_lapsed, has_due = queries.has_lapsed(session, utc_now()), queries.has_due_schedule(session, utc_now())
        while has_lapsed:
            with self._database.write() as session:
                has_lapsed = leases.take_over(session) is not None
        if has_due:
            with self._database.write() as session:
                schedules.fire_due(session, utc_now())

    def _roll_log(self, job_id: str) -> None:
        try:
            logs.roll(self._settings, job_id)
        except OSError as error:  # such as a full disk: a log that stays long must not cost all jobs their attempts
            log.warning("job_log_not_rolled", job_id=job_id, reason=str(error))

    def _take_over_from_the_dead(self) -> None:
        """Where a worker of this machine is known to be gone, nobody waits for its leases."""
        for worker in presence.gone_workers(self._settings):
            with self._database.write() as session:
                taken = leases.take_over_from(session, worker)
            presence.forget(self._settings, worker)
            log.info("jobs_taken_over", worker=worker, jobs=taken)

    def _heed_others(self) -> None:
        """Someone may have cancelled a job, or taken it over from a worker that was silent for too long: this one."""
        if not self._charges:
            return
        with self._database.read() as session:
            held = {job_id: (attempt, stop) for job_id, attempt, stop in queries.held_by(session, self.name)}
        for charge in self._charges.values():
            attempt, cancel_requested = held.get(charge.job.id, (None, False))
            if attempt != charge.job.attempt:
                self._disown(charge)
            elif cancel_requested:
                charge.stop(self._settings.job_kill_after.total_seconds())

    def _take_work(self) -> None:
        while self._leave_by is None and (job := self._claim()) is not None:
            try:
                running = self._runners[kinds[job.kind].isolation].start(job)
            except OSError as error:
                outcome = Outcome(Ending.FAILED, error=Sentence("The job could not be started: {why}", why=str(error)))
                with self._database.write() as session:
                    leases.finish(session, job.id, job.attempt, outcome, self._settings.job_retry_delay)
                continue
            self._charges[job.id, job.attempt] = Charge(running)
            log.info("job_started", job_id=job.id, kind=job.kind, attempt=job.attempt)

    def _claim(self) -> Job | None:
        free = remaining(self._total, [charge.job.slots for charge in self._charges.values()])
        with self._database.read() as session:
            if not queries.has_due(session, utc_now(), kinds, within=free):
                return None
        with self._database.write() as session:
            return leases.claim(
                session, self.name, kinds=list(kinds), free=free, total=self._total, lease=self._settings.job_lease
            )

    def _abandon(self) -> None:
        """Threads that did not stop end with this process: others may start their jobs again."""
        for charge in list(self._charges.values()):
            try:
                self._finish(charge, Outcome(Ending.RELEASED))
            except LeaseLost:
                log.warning("job_lease_lost", job_id=charge.job.id, attempt=charge.job.attempt, worker=self.name)
