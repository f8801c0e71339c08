"""The table at the end of a run."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from rich.table import Table

METRICS: Final = {"accuracy": "accuracy", "f1_macro": "macro-F1"}
TITLES: Final = {"majority": "always the commonest class", "tfidf": "TF-IDF and a linear model"}


def result_table(run: Mapping[str, Any]) -> "Table":
    """The adapted model and its baselines on the same test rows, each value with its 95 % interval."""
    from rich.table import Table

    table = Table(
        title=f"{run['rows']['test']} test rows that nothing was fitted on; 95 % intervals", title_justify="left"
    )
    table.add_column("")
    for title in METRICS.values():
        table.add_column(title, justify="right")
    table.add_row(f"[bold]{run['model']}", *(score(run["metrics"][name]) for name in METRICS))
    for baseline, metrics in run["baselines"].items():
        table.add_row(TITLES.get(baseline, baseline), *(score(metrics[name]) for name in METRICS))
    return table


def score(metric: Mapping[str, float]) -> str:
    return f"{metric['value']:.3f} ({metric['low']:.3f}–{metric['high']:.3f})"
