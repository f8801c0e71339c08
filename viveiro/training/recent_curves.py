"""Curves of the runs that somebody looks at: a run's page and its chart ask every few seconds, of thousands of points."""

from collections import OrderedDict
from threading import Lock
from typing import Final

from sqlalchemy.orm import Session

from viveiro.training import queries
from viveiro.training.curves import Curves, curves_of_points

KEPT_RUNS: Final = 8
"""10,000 points take 1.4 MB."""


class RecentCurves:
    """Reads only points that it has not read yet. Threads may share it; a process has its own."""

    def __init__(self) -> None:
        self._known: OrderedDict[str, Curves] = OrderedDict()
        self._lock = Lock()

    def of(self, session: Session, job_id: str) -> Curves:
        with self._lock:
            before = self._known.get(job_id, Curves())
        curves = curves_of_points(queries.all_points(session, job_id, after=before.last_seq), before)
        with self._lock:
            known = self._known.get(job_id)
            if known is None or known.last_seq < curves.last_seq:
                self._known[job_id] = curves
            self._known.move_to_end(job_id)
            while len(self._known) > KEPT_RUNS:
                self._known.popitem(last=False)
        return curves
