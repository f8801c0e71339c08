"""The pictures of a model's card, drawn from the record of its run."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from viveiro.training.drawing import WIDTH, Canvas, Plot, number, shortened, ticks
from viveiro.training.wording import COMPARED, METRIC_NAMES, class_noun, class_nouns

FOLDER: Final = "pictures"
_SHORT_NAMES: Final = {"majority": "majority", "tfidf": "TF-IDF"}
_STYLES: Final = {"majority": "other", "tfidf": "rival"}
MOST_CELLS_WITH_NUMBERS: Final = 15
MOST_NAMED_CLASSES: Final = 40
MOST_BARS: Final = 30
MARKED_PAIRS: Final = 10
_LINE_HEIGHT: Final = 16
_TENTHS: Final = [0, 0.2, 0.4, 0.6, 0.8, 1]
_FAINTEST, _FAINTEST_OF_MANY = 0.12, 0.35
"""Opacity of a cell that is not empty: one row in a hundred must still be seen, and so must a cell of five pixels."""


@dataclass(frozen=True, slots=True)
class Picture:
    """`description` says in words what the picture shows."""

    name: str
    title: str
    description: str
    svg: str

    @property
    def path(self) -> str:
        return f"{FOLDER}/{self.name}.svg"


def write_pictures(folder: Path, record: Mapping[str, Any]) -> list[Picture]:
    """Those that the record has figures for, as `<folder>/pictures/*.svg`."""
    pictures = draw_pictures(record)
    (folder / FOLDER).mkdir(exist_ok=True)
    for picture in pictures:
        (folder / picture.path).write_text(picture.svg, encoding="utf-8")
    return pictures


def draw_pictures(record: Mapping[str, Any]) -> list[Picture]:
    drawn = []
    for name, draw in _PICTURES.items():
        if (canvas := draw(record)) is not None:
            drawn.append(Picture(name, canvas.title, canvas.description, canvas.svg()))
    return drawn


def _comparison(record: Mapping[str, Any]) -> Canvas:
    """A dot for each score and a whisker for its interval, the model above its baselines."""
    lines = [("this model", "model", record["metrics"])]
    lines += [(_SHORT_NAMES.get(n, n), _STYLES.get(n, "other"), m) for n, m in reversed(record["baselines"].items())]
    spoken = "; ".join(
        f"{METRIC_NAMES[metric]}: " + ", ".join(f"{name} {metrics[metric]['value']:.3f}" for name, _, metrics in lines)
        for metric in COMPARED
    )
    group = 24 * len(lines) + 40
    canvas = Canvas("Scores beside two baselines, with 95 % intervals", spoken + ".", 86 + group * len(COMPARED))
    plot = Plot(130, 52, 330, group * len(COMPARED) - 10)
    plot.grid(canvas, _TENTHS, [])
    for place, metric in enumerate(COMPARED):
        top = plot.top + place * group + 14
        canvas.text(24, top + 3, METRIC_NAMES[metric], "strong")
        for row, (name, style, metrics) in enumerate(lines):
            _whisker(canvas, plot, top + 24 * (row + 1), name, style, metrics[metric])
    return canvas


def _whisker(canvas: Canvas, plot: Plot, y: float, name: str, style: str, score: Mapping[str, float]) -> None:
    canvas.text(plot.left - 12, y + 4, name, "end" if style == "model" else "muted end")
    low, high = plot.x(score["low"]), plot.x(score["high"])
    canvas.line(low, y, high, y, f"{style}-line")
    for end in (low, high):
        canvas.line(end, y - 4, end, y + 4, f"{style}-line")
    canvas.dot(plot.x(score["value"]), y, 5.5, f"{style} ring")
    written = f"{score['value']:.3f} ({score['low']:.3f}–{score['high']:.3f})"
    canvas.text(WIDTH - 24, y + 4, written, "strong end" if style == "model" else "muted end")


def _confusion(record: Mapping[str, Any]) -> Canvas | None:
    matrix, labels = record.get("confusion"), record["labels"]
    if not matrix or len(matrix) < 2:
        return None
    classes = len(matrix)
    named = classes <= MOST_NAMED_CLASSES
    widest = max(len(shortened(label, 24)) for label in labels)
    left = 24 + (max(48, min(174, 12 + 7 * widest)) if named else 30)
    cell = min(52 if classes > 4 else 96, (WIDTH - 48 - left) / classes)
    foot = 16 + 7 * min(widest, 16) if named else 16
    right = sum(row[k] for k, row in enumerate(matrix))
    said = f"{right} of {sum(map(sum, matrix))} test rows of {classes} classes lie on the diagonal, called by their own name."
    canvas = Canvas("Confusion: what is called what", said, 84 + cell * classes + foot + 12)
    plot = Plot(left, 84, cell * classes, cell * classes)
    canvas.text(24, 56, _confusion_legend(classes), "muted")
    canvas.box(plot.left - 0.5, plot.top - 0.5, plot.width + 1, plot.height + 1, "other", opacity=0.1)
    for i, row in enumerate(matrix):
        _confusion_row(canvas, plot, cell, i, row, labels)
    if named:
        _class_names(canvas, plot, cell, labels)
    else:
        _marked_pairs(canvas, plot, cell, record)
    canvas.text(24, plot.top - 8, "truth ↓", "small muted")
    canvas.text(plot.right, plot.top - 8, "called →", "small muted end")
    return canvas


def _confusion_legend(classes: int) -> str:
    if classes > MOST_NAMED_CLASSES:
        return "Blue: right. Orange: wrong. Stronger: a larger share of its class. Numbers: pairs listed in the card."
    return "Blue: right. Orange: wrong. Stronger: a larger share of the class's rows."


def _confusion_row(canvas: Canvas, plot: Plot, cell: float, i: int, row: Sequence[int], labels: Sequence[str]) -> None:
    gap, faintest = (1, _FAINTEST) if len(row) <= MOST_NAMED_CLASSES else (0.25, _FAINTEST_OF_MANY)
    for j, rows in enumerate(row):
        if not rows:
            continue
        share = rows / sum(row)
        note = f"{labels[i]}: {rows} of {sum(row)} called {labels[j]}"
        x, y = plot.left + j * cell, plot.top + i * cell
        style = "model" if i == j else "rival"
        strength = faintest + (1 - faintest) * share
        canvas.box(x + gap, y + gap, cell - 2 * gap, cell - 2 * gap, style, opacity=strength, note=note)
        if len(row) <= MOST_CELLS_WITH_NUMBERS:
            canvas.text(x + cell / 2, y + cell / 2 + 4, str(rows), "middle inverse" if share > 0.55 else "middle")


def _class_names(canvas: Canvas, plot: Plot, cell: float, labels: Sequence[str]) -> None:
    size = "small" if cell > 14 else "tiny"
    for k, label in enumerate(labels):
        canvas.text(plot.left - 8, plot.top + (k + 0.5) * cell + 4, shortened(label, 24), f"{size} end")
        x = plot.left + (k + 0.5) * cell + 4
        canvas.text(x, plot.bottom + 8, shortened(label, 16), f"{size} end", turned=True)


def _marked_pairs(canvas: Canvas, plot: Plot, cell: float, record: Mapping[str, Any]) -> None:
    places = {label: k for k, label in enumerate(record["labels"])}
    for rank, pair in enumerate(record.get("confused", ())[:MARKED_PAIRS], 1):
        x = plot.left + (places[pair["predicted"]] + 0.5) * cell
        y = plot.top + (places[pair["label"]] + 0.5) * cell
        canvas.dot(x, y, cell * 0.9, "rival-line", note=f"{pair['label']} called {pair['predicted']}: {pair['rows']}")
        canvas.text(x + cell + 3, y + 4, str(rank), "small strong")


def _roc(record: Mapping[str, Any]) -> Canvas | None:
    drawn = (record.get("curves") or {}).get("roc")
    if not drawn:
        return None
    area = record["metrics"]["roc_auc"]
    canvas = Canvas(f"ROC: {_question(record)}", _roc_words(record, drawn, area), 500)
    plot = _curve(canvas, drawn, [(0, 0), (1, 1)], "other rows raised (false positives)", "found (true positives)")
    _beside(canvas, plot, ["ROC AUC", *_score_lines(area), *_averaged(record), "", *_roc_point(record, drawn)])
    return canvas


def _roc_words(record: Mapping[str, Any], drawn: Mapping[str, Any], area: Mapping[str, Any]) -> str:
    raised, found = drawn["chosen"]
    where = "" if area["value"] is None else f"Area under the curve {area['value']:.3f}, averaged over the classes. "
    return where + f"{_where(record)}, it finds {found:.1%} and raises {raised:.1%} of the others."


def _roc_point(record: Mapping[str, Any], drawn: Mapping[str, Any]) -> list[str]:
    raised, found = drawn["chosen"]
    return [_where(record), f"finds {found:.1%}", f"raises {raised:.1%} of others"]


def _precision_recall(record: Mapping[str, Any]) -> Canvas | None:
    drawn = (record.get("curves") or {}).get("pr")
    if not drawn:
        return None
    recall, precision = drawn["chosen"]
    words = f"{_where(record)}: precision {precision:.3f}, recall {recall:.3f}."
    canvas = Canvas(f"Precision and recall: {_question(record)}", words, 500)
    chance = [(0.0, drawn["prevalence"]), (1.0, drawn["prevalence"])]
    plot = _curve(canvas, drawn, chance, "recall: share that is found", "precision: share that is right")
    _beside(
        canvas,
        plot,
        [*_average_precision(record), "", _where(record), f"precision {precision:.3f}", f"recall {recall:.3f}"],
    )
    return canvas


def _average_precision(record: Mapping[str, Any]) -> list[str]:
    """Of what is drawn: one class's own where one class is."""
    of = record["curves"].get("of")
    if of is None:
        return ["Average precision", *_score_lines(record["metrics"]["average_precision"]), *_averaged(record)]
    own = next(entry["average_precision"] for entry in record["per_class"] if entry["label"] == of)
    return ["Average precision", "not defined" if own is None else f"{own:.3f}"]


def _where(record: Mapping[str, Any]) -> str:
    """On its curve the model works."""
    threshold = record["curves"].get("threshold")
    if threshold is not None:
        return f"At threshold {number(threshold)}"
    return "At its thresholds" if class_noun(record) == "label" else "As it answers"


def _averaged(record: Mapping[str, Any]) -> list[str]:
    return [] if len(record["labels"]) <= 2 else [f"mean over {class_nouns(record)}"]


def _question(record: Mapping[str, Any]) -> str:
    of = record["curves"].get("of")
    return (
        f"“{shortened(of, 30)}” against the rest"
        if of is not None
        else "all labels pooled"
        if class_noun(record) == "label"
        else "all classes pooled"
    )


def _curve(
    canvas: Canvas, drawn: Mapping[str, Any], guide: Sequence[tuple[float, float]], x_name: str, y_name: str
) -> Plot:
    plot = Plot(78, 56, 380, 380)
    plot.grid(canvas, _TENTHS, _TENTHS)
    plot.names(canvas, x_name, y_name)
    canvas.path([plot.place(x, y) for x, y in guide], "guide")
    line = [plot.place(x, y) for x, y in drawn["points"]]
    canvas.path([(line[0][0], plot.bottom), *line, (line[-1][0], plot.bottom)], "model", opacity=0.1)
    canvas.path(line, "model-line")
    canvas.dot(*plot.place(*drawn["chosen"]), 6.5, "rival ring")
    return plot


def _beside(canvas: Canvas, plot: Plot, lines: Sequence[str]) -> None:
    """Figures at the right of a curve, the last of them of the dot that is drawn on it."""
    bottom = _column(canvas, plot, lines)
    canvas.dot(plot.right + 30, bottom, 5, "rival ring")
    canvas.text(plot.right + 42, bottom + 4, "this point", "small muted")


def _column(canvas: Canvas, plot: Plot, lines: Sequence[str]) -> float:
    """Paragraphs, the first line of each strong. Returns where the next line would be."""
    for place, line in enumerate(lines):
        starts = place == 0 or lines[place - 1] == ""
        canvas.text(plot.right + 24, plot.top + 20 + 19 * place, line, "strong" if starts else "muted")
    return plot.top + 20 + 19 * len(lines)


def _score_lines(score: Mapping[str, Any]) -> list[str]:
    if score["value"] is None:
        return ["not defined"]
    return [f"{score['value']:.3f}", f"({score['low']:.3f}–{score['high']:.3f})"]


def _calibration(record: Mapping[str, Any]) -> Canvas | None:
    bins = (record.get("curves") or {}).get("calibration")
    if not bins:
        return None
    error = record["metrics"]["ece"]
    words = f"Expected calibration error {error['value']:.3f}. " + "; ".join(
        f"promised {entry['confidence']:.0%}, kept {entry['accuracy']:.0%} of {entry['rows']}" for entry in bins
    )
    canvas = Canvas("Calibration: is it as often right as it says?", words + ".", 560)
    plot = Plot(78, 56, 380, 380)
    plot.grid(canvas, [], _TENTHS)
    canvas.text(plot.left - 42, plot.top + plot.height / 2, "share that was right", "muted middle", turned=True)
    canvas.path([plot.place(0, 0), plot.place(1, 1)], "guide")
    canvas.path([plot.place(entry["confidence"], entry["accuracy"]) for entry in bins], "model-line")
    for entry in bins:
        x = plot.x(entry["confidence"])
        canvas.line(x, plot.y(entry["low"]), x, plot.y(entry["high"]), "model-line")
        canvas.dot(x, plot.y(entry["accuracy"]), 5.5, "model ring")
    _weights_of_bins(canvas, plot, bins)
    above, below = ["Above the dashes", "more often right", "than it says", ""], ["Below", "less often"]
    _column(canvas, plot, ["Calibration error", *_score_lines(error), "", *above, *below])
    return canvas


def _weights_of_bins(canvas: Canvas, plot: Plot, bins: Sequence[Mapping[str, Any]]) -> None:
    """How many answers each dot stands for."""
    strip = Plot(plot.left, plot.bottom + 12, plot.width, 52, y_range=(0, max(entry["rows"] for entry in bins)))
    for entry in bins:
        x = plot.x(min(int(entry["confidence"] * 10), 9) / 10) + 1
        note = f"{entry['rows']} answers"
        height = strip.bottom - strip.y(entry["rows"])
        canvas.box(x, strip.bottom - height, plot.width / 10 - 2, height, "model", opacity=0.45, note=note)
    strip.grid(canvas, _TENTHS, [])
    canvas.text(plot.left + plot.width / 2, strip.bottom + 36, "how sure it says it is", "muted middle")
    canvas.text(plot.right + 24, strip.bottom - 20, "how many answers", "small muted")


def _balance(record: Mapping[str, Any]) -> Canvas | None:
    balance = record.get("balance")
    if not balance:
        return None
    totals = {label: sum(counts.values()) for label, counts in balance.items()}
    ordered = sorted(totals, key=lambda label: -totals[label])
    words = f"{shortened(ordered[0], 40)} has {totals[ordered[0]]} rows, {shortened(ordered[-1], 40)} {totals[ordered[-1]]}."
    shown = ordered if len(ordered) <= MOST_BARS else [*ordered[: MOST_BARS // 2], *ordered[-MOST_BARS // 2 :]]
    hidden = len(ordered) - len(shown)
    canvas = Canvas(f"Rows of each {class_noun(record)}", words, 92 + 22 * (len(shown) + bool(hidden)))
    canvas.text(24, 56, "Darkest: to learn from. Then: to choose settings by. Lightest: to test on.", "muted")
    most = max(totals.values())
    for place, label in enumerate(shown):
        skipped = bool(hidden) and place >= MOST_BARS // 2
        _bar(canvas, 84 + 22 * (place + skipped), label, balance[label], most)
    if hidden:
        canvas.text(204, 84 + 22 * (MOST_BARS // 2), f"… {hidden} classes between …", "small muted end")
    return canvas


def _bar(canvas: Canvas, y: float, label: str, counts: Mapping[str, int], most: int) -> None:
    canvas.text(204, y, shortened(label, 26), "small end")
    left, scale = 212.0, (WIDTH - 212 - 84) / most
    for split, opacity in (("train", 1.0), ("validation", 0.55), ("test", 0.25)):
        rows = counts.get(split, 0)
        canvas.box(left, y - 12, rows * scale, 16, "model", opacity=opacity, note=f"{label}: {rows} rows, {split}")
        left += rows * scale
    canvas.text(left + 8, y, str(sum(counts.values())), "small muted")


def _learning(record: Mapping[str, Any]) -> Canvas | None:
    history = record.get("history") or []
    if len(history) < 2:
        return None
    epochs = (history[0]["epoch"], history[-1]["epoch"])
    scored = [entry for entry in history if entry.get("f1_macro") is not None]
    canvas = Canvas("Learning, epoch by epoch", _learning_words(history, scored), 520 if scored else 310)
    losses = [entry[name] for entry in history for name in ("train_loss", "validation_loss") if entry.get(name)]
    loss = Plot(78, 76, 400, 170, epochs, (0, max(losses, default=1) * 1.05))
    loss.grid(canvas, [] if scored else ticks(*epochs, 8), ticks(0, loss.y_range[1], 4))
    score = Plot(78, 286, 400, 170, epochs, (0, 1))
    if scored:
        best = loss.x(_best(scored)["epoch"])
        score.grid(canvas, ticks(*epochs, 8), _TENTHS)
        canvas.line(best, loss.top, best, score.bottom, "guide")
        canvas.text(best, 66, "best", "small strong middle")
        _series(canvas, score, history, "f1_macro", "model", "F1, validation")
    above = _series(canvas, loss, history, "validation_loss", "rival", "loss, validation")
    _series(canvas, loss, history, "train_loss", "other", "loss, training", beside=above)
    lowest = score if scored else loss
    canvas.text(lowest.left + lowest.width / 2, lowest.bottom + 38, "epoch", "muted middle")
    return canvas


def _learning_words(history: Sequence[Mapping[str, Any]], scored: Sequence[Mapping[str, Any]]) -> str:
    if not scored:
        return f"{len(history)} epochs; the last training loss is {history[-1]['train_loss']:.3f}."
    best = _best(scored)
    return (
        f"{len(history)} epochs; what was learnt by epoch {number(best['epoch'])} is kept, "
        f"with an F1 (macro) on validation rows of {best['f1_macro']:.3f}."
    )


def _best(scored: Sequence[Mapping[str, Any]]) -> Mapping[str, Any]:
    return next(entry for entry in reversed(scored) if entry["best"])


def _series(
    canvas: Canvas,
    plot: Plot,
    history: Sequence[Mapping[str, Any]],
    name: str,
    style: str,
    title: str,
    *,
    beside: float | None = None,
) -> float | None:
    """One line with its name at its end, kept clear of another name at the height `beside`. Returns its name's height."""
    known = [entry for entry in history if entry.get(name) is not None]
    if not known:
        return None
    line = [plot.place(entry["epoch"], entry[name]) for entry in known]
    canvas.path(line, f"{style}-line")
    for (x, y), entry in zip(line, known, strict=True):
        canvas.dot(x, y, 3.5, style, note=f"{title}, epoch {number(entry['epoch'])}: {entry[name]:.4f}")
    height = line[-1][1]
    if beside is not None and abs(height - beside) < _LINE_HEIGHT:
        height = beside + (_LINE_HEIGHT if height >= beside else -_LINE_HEIGHT)
    canvas.text(plot.right + 14, height + 4, title, "strong" if style == "model" else "")
    return height


_PICTURES: Final[Mapping[str, Callable[[Mapping[str, Any]], Canvas | None]]] = {
    "comparison": _comparison,
    "confusion": _confusion,
    "roc": _roc,
    "precision_recall": _precision_recall,
    "calibration": _calibration,
    "balance": _balance,
    "learning": _learning,
}
