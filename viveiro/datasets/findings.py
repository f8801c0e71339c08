"""What the owner of a dataset should know, and what to do about it: errors, then warnings, then what is good to know. Pure."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Final

from viveiro.datasets.types import FEWEST_ROWS_PER_CLASS, CheckReport, DropReason, Finding
from viveiro.locale import Sentence

IMBALANCE: Final = 20
"""Times the rarest class fits into the commonest before it is worth a word."""
FEW_ROWS_PER_CLASS: Final = 5
LONG_SHARE: Final = 0.01
"""Of texts that the model would cut, before it is a warning."""
SHOWN: Final = 5
_LEFT_OUT: Final[Mapping[str, Sentence]] = {
    DropReason.MALFORMED: Sentence("they could not be read as rows. Mend them in the file, then import it again"),
    DropReason.EMPTY_TEXT: Sentence("they have no text. If that surprises you, name the column: --text-column …"),
    DropReason.EMPTY_LABEL: Sentence("they have no label. Label them, then import the file again"),
    DropReason.TOO_LONG: Sentence(
        "their text has over 1,000,000 characters. Cut it into parts that carry a label each"
    ),
    DropReason.DUPLICATE: Sentence("they repeat an earlier row. Nothing is lost by it"),
    DropReason.IN_ANOTHER_SPLIT: Sentence(
        "their text is also in a later split of the file, where it is kept. Nothing needs to be done"
    ),
}


def findings_of_import(report: Mapping[str, Any], name: str) -> Iterator[Finding]:
    """What became of a file, from the report that its import leaves in the repo."""
    replaced = report["encoding"].get("replaced", 0)
    if replaced:
        yield Finding(
            "warning",
            "encoding_replaced",
            "{count} characters of {name} cannot be read as {encoding} and became “\ufffd”. Save the file as UTF-8, then "
            "import it again.",
            count=replaced,
            name=name,
            encoding=report["encoding"]["name"],
        )
    for new, old in report["renamed_columns"].items():
        yield _renamed(new, old)
    if report["multi_label"] and report["label_separator"]:
        yield Finding(
            "info",
            "several_labels",
            "Column {column} holds several labels a row, with “{separator}” between them. To keep its cells whole, import "
            'again with --label-separator "".',
            column=report["label_column"],
            separator=report["label_separator"],
        )
    if report["splits_given"]:
        yield Finding(
            "info",
            "splits_given",
            "The splits are those of {name}. To have them dealt anew, import its rows as one file.",
            name=name,
        )
    yield from _about_files(report["ignored_files"])
    for reason, count in report["dropped"]["counts"].items():
        yield _left_out(reason, count, report["dropped"]["examples"])


def findings_of_check(report: CheckReport) -> Iterator[Finding]:
    yield from _about_columns(report)
    if report.label_column is not None:
        yield from _about_learning(report)
    yield from _about_cells(report)
    yield from _about_repetitions(report)
    yield from _about_classes(report)
    yield from _about_lengths(report)
    yield from _about_unused(report)


def _about_columns(report: CheckReport) -> Iterator[Finding]:
    if report.text_column is None:
        yield Finding("error", "no_text", "No column holds texts. Name one: --text-column …")
    if report.label_column is None:
        yield Finding("error", "no_label", "No column holds labels. Name one: --label-column …")


def _about_learning(report: CheckReport) -> Iterator[Finding]:
    totals = _totals(report.classes)
    if len(totals) < 2:
        yield Finding(
            "error",
            "one_class",
            "Column {column} holds {classes} class; a classifier needs 2. Name another column (--label-column …), or add "
            "rows of another class.",
            column=report.label_column,
            classes=len(totals),
        )
    elif sum(rows >= FEWEST_ROWS_PER_CLASS for rows in totals.values()) < 2:
        yield Finding(
            "error",
            "too_few_rows",
            "At least two classes need {fewest} rows each. Add rows.",
            fewest=FEWEST_ROWS_PER_CLASS,
        )
    unseen = [name for name, counts in report.classes.items() if not counts.get("train", 1)]
    if unseen:
        yield Finding(
            "error",
            "untrained_classes",
            "No training row has the class {classes}, and other splits do. Add training rows of it, or leave it out.",
            classes=_listed(unseen),
        )


def _about_cells(report: CheckReport) -> Iterator[Finding]:
    for column in report.columns:
        if column["empty"] and column["name"] in (report.text_column, report.label_column):
            yield Finding(
                "warning",
                "empty",
                "{rows} rows have no {column}; a run leaves them out. Fill them in, or import the table here, which drops "
                "them.",
                rows=column["empty"],
                column=column["name"],
            )


def _about_repetitions(report: CheckReport) -> Iterator[Finding]:
    if report.shared_across_splits:
        yield Finding(
            "warning",
            "leak",
            "{rows} rows of validation and test have a text that an earlier split has too ({where}): scores on them "
            "flatter. Import the rows as one file, and no text gets into two splits.",
            rows=report.shared_across_splits,
            where=_places(report.examples.get("leak", ())),
        )
    if report.contradictions:
        yield Finding(
            "warning",
            "contradictions",
            "{rows} rows have a text that is labelled otherwise elsewhere ({where}). Decide for one label each.",
            rows=report.contradictions,
            where=_places(report.examples.get("contradictions", ())),
        )
    yield from _about_near_duplicates(report)
    if report.duplicates:
        yield Finding(
            "info",
            "duplicates",
            "{rows} rows repeat an earlier row ({where}). Importing the table here drops them.",
            rows=report.duplicates,
            where=_places(report.examples.get("duplicates", ())),
        )


def _about_near_duplicates(report: CheckReport) -> Iterator[Finding]:
    near = report.near_duplicates
    if near is None:
        return
    if near.across_splits:
        yield Finding(
            "warning",
            "near_leak",
            "{rows} rows are almost the same as a row of an earlier split: scores on them flatter a little. Look at the "
            "examples; where only a number or a name differs, keep one of each.",
            rows=near.across_splits,
        )
    if near.rows:
        yield Finding(
            "info",
            "near_duplicates",
            "{rows} rows are almost the same as an earlier row (similarity {threshold} or more). Look at the examples: copies "
            "teach nothing new.",
            rows=near.rows,
            threshold=near.threshold,
        )
    if near.compared < near.distinct:
        yield Finding(
            "info",
            "near_duplicates_sampled",
            "Near-duplicates were sought among {compared} of {distinct} texts, drawn at random: there are more than were "
            "found. Their share among the compared ones is what counts.",
            compared=near.compared,
            distinct=near.distinct,
        )


def _about_classes(report: CheckReport) -> Iterator[Finding]:
    totals = _totals(report.classes)
    rare = [name for name, rows in totals.items() if rows < FEW_ROWS_PER_CLASS]
    if rare and len(totals) > 1:
        yield Finding(
            "warning",
            "rare_classes",
            "{count} classes have fewer than {fewest} rows, too few to learn or to test: {classes}. Add rows, or merge them "
            "with a class that is near.",
            count=len(rare),
            fewest=FEW_ROWS_PER_CLASS,
            classes=_listed(rare),
        )
    if len(totals) > 1:
        (commonest, most), (rarest, least) = totals.most_common()[0], totals.most_common()[-1]
        if most >= IMBALANCE * max(least, 1):
            yield Finding(
                "warning",
                "imbalance",
                "{commonest} has {most} rows and {rarest} {least}. To weigh rare classes more: --set class_weights=balanced",
                commonest=commonest,
                most=most,
                rarest=rarest,
                least=least,
            )
    for twins in _same_but_for_case(totals):
        yield Finding(
            "warning",
            "similar_classes",
            "These class names differ only in case or spacing: {classes}. If they mean the same, write them in one way.",
            classes=_listed(twins),
        )


def _about_lengths(report: CheckReport) -> Iterator[Finding]:
    lengths = report.token_lengths
    if lengths is None or not lengths.over:
        return
    yield Finding(
        "warning" if lengths.over > LONG_SHARE * lengths.counted else "info",
        "long_texts",
        "{over} of {counted} texts are longer than the {limit} tokens that {base} reads: the rest of each is cut off. Put "
        "what matters first, or choose a base that reads more: --base ORG/NAME",
        over=lengths.over,
        counted=lengths.counted,
        limit=lengths.limit,
        base=lengths.base,
    )


def _about_unused(report: CheckReport) -> Iterator[Finding]:
    used = (report.text_column, report.label_column)
    unused = [column["name"] for column in report.columns if column["name"] not in used]
    if unused:
        yield Finding(
            "info",
            "unused_columns",
            "Not learnt from: {columns}. To learn from another column: --text-column …",
            columns=_listed(unused),
        )


def _about_files(ignored: Mapping[str, Any]) -> Iterator[Finding]:
    if ignored["count"]:
        yield Finding(
            "info",
            "ignored_files",
            "{count} files of the folder hold no rows and were not read: {files}. Texts end in .txt and lie in the folder of "
            "their label.",
            count=ignored["count"],
            files=_listed(ignored["examples"]),
        )


def _renamed(new: str, old: str) -> Finding:
    if not old:
        return Finding("info", "column_named", "A column has no name in the header; it is called {new} here.", new=new)
    return Finding(
        "warning",
        "column_renamed",
        "Two columns are called {old}; the later one is called {new} here. Give each its own name.",
        old=old,
        new=new,
    )


def _left_out(reason: str, count: int, examples: Sequence[Mapping[str, Any]]) -> Finding:
    of_reason = [row for row in examples if row["reason"] == reason]
    more = " …" if count > min(len(of_reason), SHOWN) else ""
    return Finding(
        "info",
        f"dropped_{reason}",
        "{count} rows were left out: {why} (rows {rows}).",
        count=count,
        why=_LEFT_OUT[reason],
        rows=", ".join(map(_place_in_file, of_reason[:SHOWN])) + more,
    )


def _place_in_file(row: Mapping[str, Any]) -> str:
    detail = f" ({row['detail']})" if row["detail"] else ""
    return f"{row['file']}:{row['row']}{detail}" if row["file"] else f"{row['row']}{detail}"


def _places(examples: Sequence[Mapping[str, Any]]) -> str:
    return ", ".join(f"{row['split']}:{row['row']}" for row in examples[:SHOWN]) + (
        " …" if len(examples) > SHOWN else ""
    )


def _totals(classes: Mapping[str, Mapping[str, int]]) -> Counter[str]:
    return Counter({name: sum(counts.values()) for name, counts in classes.items()})


def _same_but_for_case(names: Iterable[str]) -> list[list[str]]:
    folded: dict[str, list[str]] = {}
    for name in sorted(names):
        folded.setdefault(" ".join(name.casefold().split()), []).append(name)
    return [twins for twins in folded.values() if len(twins) > 1]


def _listed(names: Sequence[str], most: int = 10) -> str:
    return ", ".join(names[:most]) + (" …" if len(names) > most else "")
