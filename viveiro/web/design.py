"""`/-/design`: each component as pages use it, so that a change of the style sheet can be looked at in one place."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import ClassVar, Final

from fastapi import APIRouter, Request, Response

from viveiro.db import utc_now
from viveiro.http.dependencies import ViewerDep
from viveiro.web.rendering import render

router = APIRouter()

COLOURS: Final = (
    *("paper", "surface", "sunken", "raised", "ink", "ink-soft", "ink-faint", "line", "line-strong"),
    *(
        "leaf",
        "leaf-strong",
        "leaf-tint",
        "on-leaf",
        "young",
        "clay",
        "clay-tint",
        "sun",
        "sun-tint",
        "sky",
        "sky-tint",
    ),
    *("danger", "danger-tint", "series-1", "series-2", "series-3", "series-4", "series-5"),
)


@dataclass(frozen=True, slots=True)
class Score:
    value: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class DesignPage:
    template: ClassVar[str] = "design/design.html"
    colours: tuple[str, ...]
    score: Score
    an_hour_ago: datetime


@router.get("/-/design")
def design(request: Request, viewer: ViewerDep) -> Response:
    return render(request, viewer, DesignPage(COLOURS, Score(0.87, 0.81, 0.92), utc_now() - timedelta(hours=1)))
