"""The table at the end of a run."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

from viveiro.locale import Sentence, number, translate

if TYPE_CHECKING:
    from rich.table import Table

METRICS: Final = {"accuracy": Sentence("accuracy"), "f1_macro": Sentence("macro-F1")}
BASELINES: Final = {
    "majority": Sentence("always the commonest class"),
    "tfidf": Sentence("TF-IDF and a linear model"),
}


def result_table(run: Mapping[str, Any]) -> "Table":
    """The adapted model and its baselines on the same test rows, each value with its 95 % interval."""
    table = score_table(run)
    table.add_row(f"[bold]{run['model']}", *scores(run["metrics"]))
    add_baselines(table, run)
    return table


def score_table(run: Mapping[str, Any], *more_columns: str) -> "Table":
    """Without rows: a column of names, one for each metric, and what else there is."""
    from rich.table import Table

    rows = run["rows"]["test"]
    title = translate("{rows} test rows that nothing was fitted on; 95 % intervals", rows=rows)
    table = Table(title=title, title_justify="left")
    table.add_column("")
    for column in (*METRICS.values(), *more_columns):
        table.add_column(translate(column), justify="right")
    return table


def add_baselines(table: "Table", run: Mapping[str, Any]) -> None:
    for baseline, metrics in run["baselines"].items():
        table.add_row(translate(BASELINES.get(baseline, baseline)), *scores(metrics))


def scores(metrics: Mapping[str, Any]) -> list[str]:
    return [score(metrics[name]) for name in METRICS]


def score(metric: Mapping[str, float | None]) -> str:
    value, low, high = (metric[part] for part in ("value", "low", "high"))
    if value is None or low is None or high is None:
        return "–"
    return f"{number(value, 3)} ({number(low, 3)}–{number(high, 3)})"
