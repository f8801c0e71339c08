"""What the owner of a dataset should know, and what to do about it: errors, then warnings, then what is good to know. Pure.

Sentences are read on pages and in terminals: they say what to choose, and `cli/dataset_reports.py` by which option.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict
from typing import Any, Final

from viveiro.datasets.roles import is_header
from viveiro.datasets.types import (
    FEWEST_ROWS_PER_CLASS,
    MAX_CLASSES,
    CheckReport,
    Dropped,
    DropReason,
    Finding,
    InspectedColumn,
    Inspection,
    RunRows,
)
from viveiro.locale import Sentence
from viveiro.ml.tasks.text_classification import FEWEST_ROWS

IMBALANCE: Final = 20
"""Times the rarest class fits into the commonest before it is worth a word."""
FEW_ROWS_PER_CLASS: Final = 5
FEW_CLASSES: Final = 20
"""So many different values are no identifier, however few rows there are."""
FEW_ROWS: Final = 100
MUCH_EMPTY: Final = 0.05
"""Share of rows without text or label from which it is a warning."""
LONG_SHARE: Final = 0.01
"""Of texts that the model would cut, before it is a warning."""
SHOWN: Final = 5
SHOWN_CHARACTERS: Final = 40
"""Of a cell."""
_LEFT_OUT: Final[Mapping[str, Sentence]] = {
    DropReason.MALFORMED: Sentence("they could not be read as rows. Mend them in the file, then import it again"),
    DropReason.EMPTY_TEXT: Sentence("they have no text. If that surprises you, choose another column of texts"),
    DropReason.EMPTY_LABEL: Sentence("they have no label. Label them, then import the file again"),
    DropReason.TOO_LONG: Sentence(
        "their text has over 1,000,000 characters. Cut it into parts that carry a label each"
    ),
    DropReason.DUPLICATE: Sentence("they repeat an earlier row. Nothing is lost by it"),
    DropReason.IN_ANOTHER_SPLIT: Sentence(
        "their text is also in a later split of the file, where it is kept. Nothing needs to be done"
    ),
}


def in_order(findings: Iterable[Finding]) -> list[Finding]:
    """By gravity."""
    return sorted(findings, key=lambda finding: ("error", "warning", "info").index(finding.severity))


def findings_of_import(report: Mapping[str, Any], name: str) -> Iterator[Finding]:
    """What became of a file, from the report that its import leaves in the repo."""
    yield from _about_header(report["encoding"], report["renamed_columns"], name)
    if report["multi_label"] and report["label_separator"]:
        yield Finding(
            "info",
            "several_labels",
            "Column {column} holds several labels a row, with “{separator}” between them. Where its cells are whole labels, "
            "say so.",
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


def findings_of_upload(
    seen: Inspection,
    dropped: Dropped,
    encoding: Mapping[str, Any],
    renamed: Mapping[str, str],
    ignored: Sequence[str],
) -> Iterator[Finding]:
    """What a file looks like before it is imported, said to someone who has a page to choose columns on."""
    columns = {column.name: column for column in seen.columns}
    if seen.text_column is None:
        yield Finding("error", "no_text", "No column looks like texts. Choose the one to learn from.")
    if seen.label_column is None:
        yield Finding("error", "no_label", "No column looks like labels. Choose the one that tells what to predict.")
    else:
        yield from _about_label(seen, columns[seen.label_column])
    for role in (seen.text_column, seen.label_column):
        if role is not None and columns[role].empty_share:
            yield _partly_empty(columns[role])
    yield from _about_unreadable(dropped, seen.file_name)
    yield from _about_header(encoding, renamed, seen.file_name)
    yield from _about_files({"count": len(ignored), "examples": ignored})
    if seen.rows < FEW_ROWS:
        yield Finding(
            "warning",
            "few_rows",
            "There are only {rows} rows, so scores will be uncertain. With a few hundred they become firm.",
            rows=seen.rows,
        )


def findings_of_header(names: Sequence[str], label: str | None, classes: Sequence[str], name: str) -> Iterator[Finding]:
    """For a table whose first line is taken for its header because that form has no other."""
    if not is_header(names, label, classes):
        yield Finding(
            "warning",
            "no_header",
            "The first line of {name} looks like a row, and is taken for the names of the columns: {cells}. If it is a row, add "
            "a line above it that names them, such as text,label, then import the file again.",
            name=name,
            cells=_listed([cell[:SHOWN_CHARACTERS] for cell in names]),
        )


def findings_of_check(report: CheckReport) -> Iterator[Finding]:
    yield from _about_columns(report)
    if report.label_column is not None:
        yield from _about_learning(report)
    yield from _about_cells(report)
    yield from _about_repetitions(report)
    yield from _about_classes(report)
    yield from _about_lengths(report)
    yield from _about_unused(report)


def _about_header(encoding: Mapping[str, Any], renamed: Mapping[str, str], name: str) -> Iterator[Finding]:
    if encoding.get("replaced"):
        yield Finding(
            "warning",
            "encoding_replaced",
            "{count} characters of {name} cannot be read as {encoding} and became “\ufffd”. Save the file as UTF-8, then "
            "import it again.",
            count=encoding["replaced"],
            name=name,
            encoding=encoding["name"],
        )
    for new, old in renamed.items():
        yield _renamed(new, old)


def _about_label(seen: Inspection, label: InspectedColumn) -> Iterator[Finding]:
    is_whole = seen.counted == seen.rows
    totals = Counter({each.value: each.rows for each in seen.classes})
    if seen.separator is None and _looks_like_an_identifier(label, seen.counted):
        yield Finding(
            "error" if label.distinct > MAX_CLASSES else "warning",
            "label_is_identifier",
            "Column {column} has {distinct} or more different values in {rows} rows: it looks like an identifier or a text, "
            "not like a label. Choose another column.",
            column=label.name,
            distinct=label.distinct,
            rows=seen.counted,
        )
    elif seen.class_count < 2:
        yield Finding(
            "error",
            "one_class",
            "Column {column} holds {classes} class; a classifier needs 2. Choose another column, or add rows of another class.",
            column=label.name,
            classes=seen.class_count,
        )
    elif is_whole and sum(rows >= FEWEST_ROWS_PER_CLASS for rows in totals.values()) < 2:
        yield _too_few_rows()
    else:
        if is_whole and seen.class_count == len(totals):
            yield from _about_rare_classes(totals)
        yield from _about_imbalance(totals)
        yield from _about_similar_classes(totals)
    if seen.separator is not None:
        yield Finding(
            "info",
            "several_labels",
            "Column {column} holds several labels a row, with “{separator}” between them. Where its cells are whole labels, "
            "say so.",
            column=label.name,
            separator=seen.separator,
        )


def _looks_like_an_identifier(label: InspectedColumn, rows: int) -> bool:
    if label.distinct > MAX_CLASSES:
        return True
    return label.distinct > FEW_CLASSES and label.distinct > rows * (1 - label.empty_share) / 2


def _about_imbalance(totals: Counter[str]) -> Iterator[Finding]:
    (commonest, most), (rarest, least) = totals.most_common()[0], totals.most_common()[-1]
    if most >= IMBALANCE * max(least, 1):
        yield Finding(
            "warning",
            "imbalance",
            "{commonest} has {most} rows and {rarest} {least}. What is rare is learnt badly: add rows of it if you can.",
            commonest=commonest,
            most=most,
            rarest=rarest,
            least=least,
        )


def _partly_empty(column: InspectedColumn) -> Finding:
    return Finding(
        "warning" if column.empty_share >= MUCH_EMPTY else "info",
        "empty",
        "{share:.1%} of the rows have no {column}. They will be left out.",
        share=column.empty_share,
        column=column.name,
    )


def _about_unreadable(dropped: Dropped, name: str) -> Iterator[Finding]:
    count = dropped.counts[DropReason.MALFORMED]
    if count:
        yield Finding(
            "warning",
            "malformed",
            "{count} rows of {name} cannot be read and will be left out (rows {rows}). Mend them in the file to keep them.",
            count=count,
            name=name,
            rows=_places_in_file([asdict(row) for row in dropped.examples], count),
        )


def _about_columns(report: CheckReport) -> Iterator[Finding]:
    if report.text_column is None:
        yield Finding("error", "no_text", "No column looks like texts. Choose the one to learn from.")
    if report.label_column is None:
        yield Finding("error", "no_label", "No column looks like labels. Choose the one that tells what to predict.")


def _about_learning(report: CheckReport) -> Iterator[Finding]:
    totals = _totals(report.classes)
    if len(totals) < 2:
        yield Finding(
            "error",
            "one_class",
            "Column {column} holds {classes} class; a classifier needs 2. Choose another column, or add rows of another class.",
            column=report.label_column,
            classes=len(totals),
        )
    elif sum(rows >= FEWEST_ROWS_PER_CLASS for rows in totals.values()) < 2:
        yield _too_few_rows()
    elif report.run is not None:
        yield from _about_run(report.run, report.rows)


def _about_run(run: RunRows, rows: Mapping[str, int]) -> Iterator[Finding]:
    if "train" not in rows:
        yield Finding(
            "error",
            "no_train",
            "There are rows of {splits} and none to learn from. Add a training split (train.parquet), or import the rows as "
            "one file, which divides them.",
            splits=", ".join(rows),
        )
    elif not run.counts["train"]:
        yield Finding(
            "error",
            "no_train",
            "No row of the training split has both text and label. Fill them in, or choose other columns.",
        )
    elif run.trained < 2:
        yield Finding(
            "error",
            "one_trained_class",
            "The training rows hold {classes} class; a classifier needs 2. Add training rows of another class.",
            classes=run.trained,
        )
    elif not run.counts["test"] and run.untrained:
        yield Finding(
            "error",
            "no_test",
            "No row is left to test on: no training row has a class of the test split. Add training rows of its classes.",
        )
    elif not run.counts["test"]:
        yield Finding(
            "error",
            "no_test",
            "No row is left to test on: each class has one text only. Add rows of other texts, or a test split with labels.",
        )
    elif run.counts["train"] < FEWEST_ROWS:
        yield Finding(
            "error",
            "too_few_training_rows",
            "There are {rows} rows to learn from, and a run needs {fewest}. Add rows.",
            rows=run.counts["train"],
            fewest=FEWEST_ROWS,
        )
    for split in run.taken:
        yield split_taken(split)
    if run.untrained:
        yield untrained_classes(run.untrained_rows, run.untrained)


def split_taken(split: str) -> Finding:
    return Finding(
        "warning",
        "split_taken",
        "No row of the {split} split has both text and label: a run takes rows of the training split in its place. Fill them "
        "in to have it used.",
        split=split,
    )


def untrained_classes(rows: int, classes: Sequence[str]) -> Finding:
    return Finding(
        "warning",
        "untrained_classes",
        "{rows} rows of validation and test have a class that no training row has ({classes}): a run leaves them out. Add "
        "training rows of it.",
        rows=rows,
        classes=_listed(classes),
    )


def _too_few_rows() -> Finding:
    return Finding(
        "error",
        "too_few_rows",
        "At least two classes need {fewest} rows each. Add rows.",
        fewest=FEWEST_ROWS_PER_CLASS,
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
    if len(totals) > 1:
        yield from _about_rare_classes(totals)
        (commonest, most), (rarest, least) = totals.most_common()[0], totals.most_common()[-1]
        if most >= IMBALANCE * max(least, 1):
            yield Finding(
                "warning",
                "imbalance",
                "{commonest} has {most} rows and {rarest} {least}. Let a run weigh rare classes more, or add rows of them.",
                commonest=commonest,
                most=most,
                rarest=rarest,
                least=least,
            )
    yield from _about_similar_classes(totals)


def _about_rare_classes(totals: Counter[str]) -> Iterator[Finding]:
    rare = [name for name, rows in totals.items() if rows < FEW_ROWS_PER_CLASS]
    if rare:
        yield Finding(
            "warning",
            "rare_classes",
            "{count} classes have fewer than {fewest} rows, too few to learn or to test: {classes}. Add rows, or merge them "
            "with a class that is near.",
            count=len(rare),
            fewest=FEW_ROWS_PER_CLASS,
            classes=_listed(rare),
        )


def _about_similar_classes(totals: Counter[str]) -> Iterator[Finding]:
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
        "what matters first, or choose a base that reads more.",
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
            "Not learnt from: {columns}. A run can learn from another column: choose it where the run starts.",
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
    return Finding(
        "info",
        f"dropped_{reason}",
        "{count} rows were left out: {why} (rows {rows}).",
        count=count,
        why=_LEFT_OUT[reason],
        rows=_places_in_file([row for row in examples if row["reason"] == reason], count),
    )


def _places_in_file(examples: Sequence[Mapping[str, Any]], count: int) -> str:
    more = " …" if count > min(len(examples), SHOWN) else ""
    return ", ".join(map(_place_in_file, examples[:SHOWN])) + more


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
