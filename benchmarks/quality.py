"""How good a model is that was made with defaults alone: `python benchmarks/quality.py`, or `--only frozen` for minutes.

| claim, macro-F1 on a stratified 20 % test split, mean over split seeds 0 to 2 | at least |
| --- | --- |
| banking77, `frozen`, a run within 90 s | 0.885 |
| banking77, `full`, a run within 10 minutes | 0.90, and above `frozen` |
| sms_spam, `frozen` | 0.97 |
| sms_spam, `full` | 0.98 |

The file goes through the platform's own import, which drops duplicates and makes the splits; then the task trains and
evaluates as a run does, with an empty cache. The linear model on TF-IDF learns from the same rows (training and
validation) and answers the same test rows: it stands beside each figure, whoever wins. Base: the starter.
"""

import argparse
import statistics
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import pyarrow.parquet as pq

from tests.unit.ml.tiny import starter_folder
from viveiro.datasets.importing import ImportOptions, import_table
from viveiro.datasets.reading import OpenDataset
from viveiro.datasets.rows import read_rows
from viveiro.datasets.types import SPLITS, LabelledRows
from viveiro.ml.metrics import Evaluation
from viveiro.ml.tasks import TrainableTask, Workplace, tasks

SHARED = Path(__file__).resolve().parents[2] / "shared" / "data"
LEAST = {
    ("banking77", "frozen"): 0.885,
    ("banking77", "full"): 0.90,
    ("sms_spam", "frozen"): 0.97,
    ("sms_spam", "full"): 0.98,
}
METHODS = ("frozen", "full")


@dataclass(frozen=True)
class Result:
    macro_f1: float
    tfidf: float
    seconds: float


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("files", nargs="*", type=Path, help="CSV files with text and label; both sets by default")
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2])
    parser.add_argument("--only", choices=METHODS)
    chosen = parser.parse_args()
    files = chosen.files or [SHARED / name / "train.csv" for name in ("banking77", "sms_spam")]
    methods = [chosen.only] if chosen.only else METHODS
    print("| data | method | macro-F1, mean | by seed | TF-IDF, mean | by seed | seconds of training | claim |")
    print("|---|---|---|---|---|---|---|---|")
    for file in files:
        for method in methods:
            print(_row(file, method, [_measure(file, method, seed) for seed in chosen.seeds]), flush=True)


def _row(file: Path, method: str, results: list[Result]) -> str:
    mean = statistics.fmean(result.macro_f1 for result in results)
    tfidf = statistics.fmean(result.tfidf for result in results)
    least = LEAST.get((file.parent.name, method))
    claim = "" if least is None else f"≥ {least}: {'holds' if mean >= least else 'does not hold'}"
    each = " ".join(f"{result.macro_f1:.4f}" for result in results)
    theirs = " ".join(f"{result.tfidf:.4f}" for result in results)
    seconds = " ".join(f"{result.seconds:.0f}" for result in results)
    return f"| {file.parent.name} | {method} | {mean:.4f} | {each} | {tfidf:.4f} | {theirs} | {seconds} | {claim} |"


def _measure(file: Path, method: str, seed: int) -> Result:
    task = tasks["text-classification"]
    assert isinstance(task, TrainableTask)
    with tempfile.TemporaryDirectory(prefix="viveiro-bench-") as scratch:
        folder = Path(scratch)
        rows = imported_rows(file, seed, folder)
        workplace = Workplace(starter_folder(), folder / "model", folder / "cache", checkpoints=folder / "checkpoints")
        started = time.perf_counter()
        trained = task.train(rows.train, rows.validation, task.Params(method=method), workplace)
        seconds = time.perf_counter() - started
        comparison = task.evaluate(trained.artefact, rows.known, rows.test)
    return Result(_macro_f1(comparison.adapted), _macro_f1(comparison.baselines["tfidf"]), seconds)


def imported_rows(file: Path, seed: int, folder: Path) -> LabelledRows:
    """As a run reads what `viveiro datasets import FILE` made with this split seed."""
    work, data = folder / "work", folder / "dataset"
    work.mkdir(parents=True)
    options = ImportOptions(file.name, text_column="text", label_column="label", seed=seed)
    import_table(file, options, work, data, lambda *_fields: None)
    files = {split: [pq.ParquetFile(path) for path in sorted(data.glob(f"data/{split}-*.parquet"))] for split in SPLITS}
    return read_rows(OpenDataset(file.parent.name, "", files), {"text": "text", "label": "label"}, seed)


def _macro_f1(evaluation: Evaluation) -> float:
    return float(evaluation.metrics["f1_macro"].value)


if __name__ == "__main__":
    main()
