"""The work of a run, from rows and a base to a folder that is ready to publish. No SQL and no HTTP of its own."""

import json
import math
import shutil
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import orjson
from pydantic import BaseModel

from viveiro.datasets.service import LabelledRows, read_rows, trainable
from viveiro.ml.bases import UnfitModel
from viveiro.ml.tasks import Comparison, Estimate, Trained, Workplace
from viveiro.training.cards import model_card
from viveiro.training.description import RunDescription, parse_params
from viveiro.training.pictures import write_pictures
from viveiro.training.preflight import Room, check_room, environment
from viveiro.training.types import RECORD_FILE, UnfitBase

if TYPE_CHECKING:
    from viveiro.datasets.service import OpenDataset

Report = Callable[[Mapping[str, Any]], None]

LICENCE_FILES: Final = ("LICENSE", "LICENSE.txt", "LICENSE.md", "NOTICE")


@dataclass(frozen=True, slots=True)
class Ingredients:
    """What a run starts from, all of it on this machine."""

    run_id: str
    description: RunDescription
    dataset: "OpenDataset"
    base: Path
    work: Path
    """The run's own folder, kept between attempts."""
    cache: Path
    """Shared with other runs."""
    time_limit_seconds: float
    """Of every run here; a description may ask for less."""

    @property
    def budget_seconds(self) -> float:
        budget = self.description.budget_minutes
        return self.time_limit_seconds if budget is None else min(budget * 60, self.time_limit_seconds)


def adapt(given: Ingredients, report: Report) -> Path:
    """Train, evaluate, describe. What a killed attempt saved or cached is used again, and the result is the same."""
    rows, _ = _prepare(given, report)
    started = time.perf_counter()
    trained = _train(given, rows, report)
    trained_at = time.perf_counter()
    report({"stage": "evaluating", "of": rows.counts["test"]})
    comparison = _evaluate(given, trained, rows)
    seconds = {"train": trained_at - started, "evaluate": time.perf_counter() - trained_at}
    record = _record(given, trained, rows, comparison, seconds)
    _describe(given, trained.artefact, record)
    return trained.artefact


def weigh(given: Ingredients, report: Report) -> dict[str, Any]:
    """What a run would need and use, as adapt finds out before it begins. Refuses as it would."""
    rows, estimate = _prepare(given, report)
    return {**_needs(estimate), "resolved": dict(estimate.resolved), "rows": rows.counts}


def _prepare(given: Ingredients, report: Report) -> tuple[LabelledRows, Estimate]:
    """The rows, and what it takes to learn from them, which this machine has."""
    report({"stage": "reading"})
    rows = read_rows(given.dataset, given.description.columns, given.description.seed)
    report({"stage": "preflight"})
    task, params = trainable(given.description.task), _params(given)
    try:
        estimate = task.estimate(rows.train, rows.validation, params, _workplace(given, report))
    except UnfitModel as error:
        raise UnfitBase(given.description.base, task.name, error.why) from error
    report({"stage": "estimated", **_needs(estimate)})
    limited = given.description.budget_minutes is not None
    check_room(estimate, Room.of_machine(given.work, math.inf if limited else given.time_limit_seconds))
    return rows, estimate


def _needs(estimate: Estimate) -> dict[str, Any]:
    return {
        "seconds": estimate.seconds,
        "memory_bytes": estimate.memory_bytes,
        "disk_bytes": estimate.disk_bytes,
    }


def _params(given: Ingredients) -> BaseModel:
    return parse_params(trainable(given.description.task), given.description.params)


def _workplace(given: Ingredients, report: Report) -> Workplace:
    return Workplace(
        base=given.base,
        artefact=given.work / "model",
        cache=given.cache,
        report=report,
        origin={"base": given.description.base, "data": given.description.data},
        checkpoints=given.work / "checkpoints",
        budget_seconds=given.budget_seconds,
    )


def _train(given: Ingredients, rows: LabelledRows, report: Report) -> Trained:
    task = trainable(given.description.task)
    return task.train(rows.train, rows.validation, _params(given), _workplace(given, report))


def _evaluate(given: Ingredients, trained: Trained, rows: LabelledRows) -> Comparison:
    """Also the proof that the artefact works: it is loaded again from its files, and predicts."""
    task = trainable(given.description.task)
    return task.evaluate(trained.artefact, rows.known, rows.test, seed=given.description.seed)


def _record(
    given: Ingredients, trained: Trained, rows: LabelledRows, comparison: Comparison, seconds: Mapping[str, float]
) -> dict[str, Any]:
    """What the commit says of the run, and the run's row after it."""
    adapted = comparison.adapted.to_json()
    baselines = {name: evaluation.to_json()["metrics"] for name, evaluation in comparison.baselines.items()}
    return {
        "run_id": given.run_id,
        "description": given.description.model_copy(update={"params": trained.resolved}).model_dump(mode="json"),
        "labels": list(trained.labels),
        "rows": {**rows.counts, "left_out": rows.left_out},
        "balance": _balance(trained.labels, rows),
        "findings": [
            {"severity": finding["severity"], "message": finding["message"]}
            for finding in [
                *(each.to_json() for each in rows.findings),
                *given.dataset.import_report.get("findings", ()),
            ]
        ],
        **{name: adapted[name] for name in ("metrics", "per_class", "confusion", "confused", "curves")},
        "slices": list(comparison.slices),
        "errors": list(comparison.errors),
        "baselines": baselines,
        "gain": {name: interval.to_json() for name, interval in comparison.gain.items()},
        "primary": comparison.primary,
        "beats_baselines": comparison.beats_baselines,
        "best_baseline": comparison.best_baseline,
        "history": list(trained.history),
        "seconds": {name: round(value, 2) for name, value in seconds.items()},
        "environment": environment(),
    }


def _balance(labels: Sequence[str], rows: LabelledRows) -> dict[str, dict[str, int]]:
    """Rows of each class in each split. A row with many labels counts for each."""
    counted = {
        split: Counter(name for label in table["label"] for name in ([label] if isinstance(label, str) else label))
        for split, table in (("train", rows.train), ("validation", rows.validation), ("test", rows.test))
    }
    return {label: {split: count[label] for split, count in counted.items()} for label in labels}


def _describe(given: Ingredients, artefact: Path, record: Mapping[str, Any]) -> None:
    finite = orjson.loads(orjson.dumps(record, option=orjson.OPT_SERIALIZE_NUMPY))  # NaN becomes null
    (artefact / RECORD_FILE).write_text(json.dumps(finite, ensure_ascii=False, indent=2) + "\n", encoding="utf-8")
    base_card = (given.base / "README.md").read_bytes() if (given.base / "README.md").exists() else b""
    (artefact / "README.md").write_text(
        model_card(finite, base_card, write_pictures(artefact, finite)), encoding="utf-8"
    )
    for name in LICENCE_FILES:
        if (given.base / name).exists():
            shutil.copyfile(given.base / name, artefact / name)
