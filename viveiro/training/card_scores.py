"""The part of a model's card that says how good the model is, and where it is not."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from viveiro.training.pictures import Picture
from viveiro.training.wording import (
    BASELINE_NAMES,
    COMPARED,
    LOWER_IS_BETTER,
    METRIC_NAMES,
    class_nouns,
    is_multilabel,
    plain,
    written,
)

MOST_CLASSES_UNFOLDED: Final = 20
WEAKEST_SHOWN: Final = 5
NOTED_LEANING: Final = 0.02

Pictures = Mapping[str, Picture]
"""By name."""


def verdict(record: Mapping[str, Any]) -> Iterator[str]:
    """The sentence to read if only one is read."""
    gain = record["gain"][record["best_baseline"]]
    rival = BASELINE_NAMES[record["best_baseline"]]
    interval = _signed(gain, f" {METRIC_NAMES[record['primary']]}")
    if not record["beats_baselines"]:
        yield f"**This model does not beat a simple baseline: {rival} ({interval}). Use the baseline, or more data.**"
    elif gain["low"] <= 0:
        yield f"**On these test rows the model is ahead of {rival}, but not beyond doubt ({interval}).**"
    else:
        yield f"The model is better than {rival} ({interval})."
    yield ""


def scores(record: Mapping[str, Any], pictures: Pictures) -> Iterator[str]:
    yield f"## Scores on {record['rows']['test']} rows it never saw"
    yield ""
    yield (
        "Each value with its 95 % interval by bootstrap over the test rows. The baselines learnt from the same rows and "
        "were tested on the same rows; the last column compares row by row."
    )
    if is_multilabel(record):
        yield "A row counts for the accuracy where all of its labels are right, and none is too many."
    yield ""
    gain = f"gain in {METRIC_NAMES[record['primary']]}"
    yield "| | " + " | ".join(METRIC_NAMES[name] for name in COMPARED) + f" | {gain} |"
    yield "|---" * (len(COMPARED) + 2) + "|"
    for title, metrics, own in _compared(record):
        difference = _gain(record["gain"][own]) if own else ""
        yield f"| {title} | " + " | ".join(written(metrics[name]) for name in COMPARED) + f" | {difference} |"
    yield ""
    yield from shown(pictures, "comparison")
    yield from _every_score(record)


def _compared(record: Mapping[str, Any]) -> list[tuple[str, Mapping[str, Any], str]]:
    rivals = [(BASELINE_NAMES[name], metrics, name) for name, metrics in record["baselines"].items()]
    return [("**this model**", record["metrics"], ""), *rivals]


def _every_score(record: Mapping[str, Any]) -> Iterator[str]:
    compared = _compared(record)
    yield from _fold("Every score")
    yield "| | " + " | ".join(title for title, _, _ in compared) + " |"
    yield "|---" * (len(compared) + 1) + "|"
    for name, title in METRIC_NAMES.items():
        if name in record["metrics"]:
            values = [written(metrics[name]) if name in metrics else "–" for _, metrics, _ in compared]
            better = " (lower is better)" if name in LOWER_IS_BETTER else ""
            yield f"| {title}{better} | " + " | ".join(values) + " |"
    yield from _unfold()


def classes(record: Mapping[str, Any], pictures: Pictures) -> Iterator[str]:
    """One line each; of many, the weakest first and the rest folded away."""
    entries = record["per_class"]
    yield f"## {class_nouns(record).capitalize()}"
    yield ""
    if len(entries) <= MOST_CLASSES_UNFOLDED:
        yield from _class_table(entries)
    else:
        tested = sorted((entry for entry in entries if entry["rows"]), key=lambda entry: float(entry["f1"]))
        yield f"The {WEAKEST_SHOWN} that it knows least:"
        yield ""
        yield from _class_table(tested[:WEAKEST_SHOWN])
        yield from _fold(f"All {len(entries)} {class_nouns(record)}")
        yield from _class_table(entries)
        yield from _unfold()
    yield from shown(pictures, "confusion")
    yield from _mistakes(record)


def _class_table(entries: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    by_threshold = any("threshold" in entry for entry in entries)
    yield "| | precision | recall | F1 | test rows |" + (" given from |" if by_threshold else "")
    yield "|---|---|---|---|---|" + ("---|" if by_threshold else "")
    for entry in entries:
        f1 = (
            written({"value": entry["f1"], "low": entry.get("f1_low"), "high": entry.get("f1_high")})
            if entry["rows"]
            else "–"
        )
        line = (
            f"| {plain(entry['label'])} | {entry['precision']:.3f} | {entry['recall']:.3f} | {f1} | {entry['rows']} |"
        )
        yield line + (f" {entry['threshold']:.2f} |" if by_threshold else "")
    yield ""


def _mistakes(record: Mapping[str, Any]) -> Iterator[str]:
    confused, boldest = record.get("confused") or [], record.get("errors") or []
    if confused:
        yield from _fold("The pairs it confuses most")
        yield "| | truth | called | test rows |"
        yield "|---|---|---|---|"
        for rank, pair in enumerate(confused, 1):
            yield f"| {rank} | {plain(pair['label'])} | {plain(pair['predicted'])} | {pair['rows']} |"
        yield from _unfold()
    if boldest:
        yield from _fold("The wrong answers it was surest of")
        yield "By their place in the test split, from 0. Their texts are in the dataset, for those who may read it."
        yield ""
        yield "| row | truth | called | score |"
        yield "|---|---|---|---|"
        for error in boldest:
            yield f"| {error['row']} | {_answer(error['label'])} | {_answer(error['predicted'])} | {error['score']:.3f} |"
        yield from _unfold()


def _answer(answer: str | list[str]) -> str:
    names = [answer] if isinstance(answer, str) else answer
    return ", ".join(plain(name) for name in names) or "none"


def trust(record: Mapping[str, Any], pictures: Pictures) -> Iterator[str]:
    """What its scores are worth as probabilities, and what other thresholds would give."""
    if "calibration" not in pictures:
        return
    yield "## What its scores are worth"
    yield ""
    yield f"Expected calibration error {written(record['metrics']['ece'])}: {_leaning(record)}"
    yield ""
    threshold = record["curves"].get("threshold")
    if threshold is not None:
        recall, precision = record["curves"]["pr"]["chosen"]
        yield (
            f"It answers with the likelier class. Calling {plain(record['curves']['of'])} from a score of {threshold:.2f}, "
            f"which was best for its F1 on the validation rows, gives a precision of {precision:.3f} and a recall of "
            f"{recall:.3f} on the test rows."
        )
        yield ""
    if is_multilabel(record):
        yield "Each label has its own threshold, chosen on the validation rows; the table above has it."
        yield ""
    yield from shown(pictures, "calibration", "roc", "precision_recall")


def _leaning(record: Mapping[str, Any]) -> str:
    bins = record["curves"]["calibration"]
    promised = sum(entry["confidence"] * entry["rows"] for entry in bins) / sum(entry["rows"] for entry in bins)
    kept = sum(entry["accuracy"] * entry["rows"] for entry in bins) / sum(entry["rows"] for entry in bins)
    what = "of the labels" if is_multilabel(record) else "right answers"
    told = f"its scores promise {promised:.1%} {what}, and {kept:.1%} came true"
    if abs(promised - kept) < NOTED_LEANING:
        return f"{told}."
    return f"{told}: it is {'surer' if promised > kept else 'less sure'} than it should be."


def shown(pictures: Pictures, *names: str) -> Iterator[str]:
    for picture in (pictures[name] for name in names if name in pictures):
        yield f"![{plain(picture.title + '. ' + picture.description)}]({picture.path})"
        yield ""


def _signed(score: Mapping[str, Any], unit: str = "") -> str:
    return f"{score['value']:+.3f}{unit}, 95 % interval {score['low']:+.3f} to {score['high']:+.3f}"


def _gain(score: Mapping[str, Any]) -> str:
    return f"{score['value']:+.3f} ({score['low']:+.3f} – {score['high']:+.3f})"


def _fold(title: str) -> Iterator[str]:
    yield from ("<details>", f"<summary>{title}</summary>", "")


def _unfold() -> Iterator[str]:
    yield from ("", "</details>", "")
