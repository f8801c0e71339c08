"""Downloads, counted in memory and written down together: a download must not wait for the database."""

from collections import Counter
from collections.abc import Callable
from datetime import date, datetime
from threading import Lock, Timer

import structlog

from viveiro.db import Database
from viveiro.hub import queries

log = structlog.get_logger()


class DownloadCounter:
    """A killed process loses the last few seconds' counts, and nothing else."""

    def __init__(self, database: Database, clock: Callable[[], datetime], *, flush_after_seconds: float = 5.0) -> None:
        self._database = database
        self._clock = clock
        self._flush_after_seconds = flush_after_seconds
        self._counts: Counter[tuple[int, date]] = Counter()
        self._lock = Lock()
        self._timer: Timer | None = None

    def count(self, repo_pk: int) -> None:
        with self._lock:
            self._counts[repo_pk, self._clock().date()] += 1
            if self._timer is None:
                self._timer = Timer(self._flush_after_seconds, self._flush_or_keep)
                self._timer.daemon = True
                self._timer.start()

    def flush(self) -> None:
        with self._lock:
            counts, self._counts = self._counts, Counter()
            timer, self._timer = self._timer, None
        if timer is not None:
            timer.cancel()
        if not counts:
            return
        try:
            with self._database.write() as session:
                queries.add_downloads(session, counts)
        except Exception:
            with self._lock:
                self._counts.update(counts)
            raise

    def _flush_or_keep(self) -> None:
        try:
            self.flush()
        except Exception:
            log.exception("downloads_not_counted")
