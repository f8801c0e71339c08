"""The work of a run, from rows and a base to a folder that is ready to publish. No SQL and no HTTP of its own."""

import json
import shutil
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import orjson

from viveiro.datasets.service import LabelledRows, OpenDataset, read_rows, trainable
from viveiro.ml.tasks import Comparison, Trained, Workplace
from viveiro.training.cards import model_card
from viveiro.training.description import RunDescription, parse_params

RECORD_FILE: Final = "viveiro_run.json"
LICENCE_FILES: Final = ("LICENSE", "LICENSE.txt", "LICENSE.md", "NOTICE")


@dataclass(frozen=True, slots=True)
class Ingredients:
    """What a run starts from, all of it on this machine."""

    run_id: str
    description: RunDescription
    dataset: OpenDataset
    base: Path
    work: Path
    """The run's own folder, kept between attempts."""
    cache: Path
    """Shared with other runs."""


def adapt(given: Ingredients, report: Callable[[Mapping[str, Any]], None]) -> Path:
    """Train, evaluate, describe. A killed attempt's cached work is used again, and the result is the same."""
    report({"stage": "reading"})
    rows = read_rows(given.dataset, given.description.columns, given.description.params.get("seed", 0))
    started = time.perf_counter()
    trained = _train(given, rows, report)
    trained_at = time.perf_counter()
    report({"stage": "evaluating", "of": rows.counts["test"]})
    comparison = _evaluate(given, trained, rows)
    seconds = {"train": trained_at - started, "evaluate": time.perf_counter() - trained_at}
    record = _record(given, trained, rows, comparison, seconds)
    _describe(given, trained.artefact, record)
    return trained.artefact


def _train(given: Ingredients, rows: LabelledRows, report: Callable[[Mapping[str, Any]], None]) -> Trained:
    task = trainable(given.description.task)
    workplace = Workplace(
        base=given.base,
        artefact=given.work / "model",
        cache=given.cache,
        report=report,
        origin={"base": given.description.base, "data": given.description.data},
    )
    return task.train(rows.train, rows.validation, parse_params(task, given.description.params), workplace)


def _evaluate(given: Ingredients, trained: Trained, rows: LabelledRows) -> Comparison:
    """Also the proof that the artefact works: it is loaded again from its files, and predicts."""
    task = trainable(given.description.task)
    seed = given.description.params.get("seed", 0)
    return task.evaluate(trained.artefact, rows.known, rows.test, seed=seed)


def _record(
    given: Ingredients, trained: Trained, rows: LabelledRows, comparison: Comparison, seconds: Mapping[str, float]
) -> dict[str, Any]:
    """What the commit says of the run, and the run's row after it."""
    baselines = {name: evaluation.to_json()["metrics"] for name, evaluation in comparison.baselines.items()}
    return {
        "run_id": given.run_id,
        "description": given.description.model_copy(update={"params": trained.resolved}).model_dump(mode="json"),
        "labels": list(trained.labels),
        "rows": {**rows.counts, "left_out": rows.left_out},
        "metrics": comparison.adapted.to_json()["metrics"],
        "per_class": comparison.adapted.to_json()["per_class"],
        "confusion": comparison.adapted.to_json()["confusion"],
        "baselines": baselines,
        "gain": {name: interval.to_json() for name, interval in comparison.gain.items()},
        "primary": comparison.primary,
        "beats_baselines": comparison.beats_baselines,
        "best_baseline": comparison.best_baseline,
        "seconds": {name: round(value, 2) for name, value in seconds.items()},
    }


def _describe(given: Ingredients, artefact: Path, record: Mapping[str, Any]) -> None:
    finite = orjson.loads(orjson.dumps(record, option=orjson.OPT_SERIALIZE_NUMPY))  # NaN becomes null
    (artefact / RECORD_FILE).write_text(json.dumps(finite, ensure_ascii=False, indent=2) + "\n")
    base_card = (given.base / "README.md").read_bytes() if (given.base / "README.md").exists() else b""
    (artefact / "README.md").write_text(model_card(finite, base_card))
    for name in LICENCE_FILES:
        if (given.base / name).exists():
            shutil.copyfile(given.base / name, artefact / name)
