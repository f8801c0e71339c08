"""Is this dataset fit to learn from? Everything is counted in two passes over its files, then put into findings."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final, Protocol

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from viveiro.datasets.findings import findings_of_check, in_order
from viveiro.datasets.fingerprints import fingerprints
from viveiro.datasets.labels import Codes, LabelCoder, Labels
from viveiro.datasets.near_duplicates import THRESHOLD, signatures, similar_pairs
from viveiro.datasets.profile import require_values, trimmed_text
from viveiro.datasets.reading import OpenDataset
from viveiro.datasets.rows import deal, shares_to_take
from viveiro.datasets.splits import Ints, Mask, Rows, first_of_equals
from viveiro.datasets.types import SPLITS, CheckReport, Finding, NearDuplicates, Progress, RunRows, TokenLengths

MOST_COMPARED: Final = 100_000
"""Distinct texts among which near-duplicates are sought."""
MOST_TOKENISED: Final = 20_000
EXAMPLES: Final = 20
SHOWN_CHARACTERS: Final = 160
_SEED: Final = 0
_BINS: Final = (8, 16, 32, 64, 128, 256, 512, 1024, 2048, 4096)


class TokenCounting(Protocol):
    limit: int
    """Tokens that the model reads."""

    def count(self, texts: Sequence[str]) -> Ints: ...


@dataclass(frozen=True, slots=True)
class Tokens:
    """The model whose tokens are counted."""

    base: str
    counter: TokenCounting


@dataclass(frozen=True, slots=True)
class _Index:
    """All rows of all splits, as small numbers. `splits`: position of the split; codes are -1 where there is no label."""

    names: tuple[str, ...]
    splits: Rows
    texts: Ints
    codes: Codes
    labels: Labels
    lengths: Rows

    @property
    def first_with_text(self) -> Rows:
        return first_of_equals(self.texts)

    def places(self, rows: Mask | Rows) -> list[dict[str, Any]]:
        """Split and number, counted from 1, of the first few rows."""
        numbers = np.flatnonzero(rows) if rows.dtype == bool else rows
        starts = np.searchsorted(self.splits, np.arange(len(self.names)))
        return [
            {"split": self.names[self.splits[row]], "row": int(row - starts[self.splits[row]]) + 1}
            for row in numbers[:EXAMPLES]
        ]


def check_dataset(
    dataset: OpenDataset, text: str | None, label: str | None, tokens: Tokens | None, progress: Progress
) -> CheckReport:
    """`tokens`: None where no model is there to count them."""
    index = _read(dataset, text, label, progress)
    first = index.first_with_text
    repeats = first != np.arange(len(first))
    agrees, contradicts = _compare_labels(index, first, repeats)
    leaks = repeats & (index.splits != index.splits[first])
    near, lengths = _look_at_texts(dataset, text, index, ~repeats & (index.texts >= 0), tokens, progress)
    report = CheckReport(
        dataset=dataset.name,
        revision=dataset.sha,
        rows={split: dataset.rows(split) for split in dataset.files},
        columns=[_describe_column(dataset, name) for name in dataset.columns],
        text_column=text,
        label_column=label,
        multi_label=index.labels.multi,
        classes=_classes_by_split(index),
        run=_rows_of_a_run(index) if text and label else None,
        text_lengths=_lengths(index),
        token_lengths=lengths,
        duplicates=int(agrees.sum()),
        contradictions=int(contradicts.sum()),
        shared_across_splits=int(leaks.sum()),
        near_duplicates=near,
        examples={
            "empty": index.places((index.texts < 0) if text else np.zeros(0, bool)),
            "duplicates": index.places(agrees),
            "contradictions": index.places(contradicts),
            "leak": index.places(leaks),
        },
        dropped=dict(dataset.import_report.get("dropped", {})),
        encoding=dict(dataset.import_report.get("encoding", {})),
        findings=[],
    )
    imported = [Finding.from_json(finding) for finding in dataset.import_report.get("findings", ())]
    return replace(report, findings=in_order([*findings_of_check(report), *imported]))


# First pass: a few numbers of each row --------------------------------------------------------------------------------


def _read(dataset: OpenDataset, text: str | None, label: str | None, progress: Progress) -> _Index:
    columns = [name for name in (text, label) if name is not None]
    coder = LabelCoder(dataset.plain_field(label) if label else None)
    if text is not None:
        require_values(dataset.plain_field(text))
    parts: list[tuple[Rows, Ints, Codes, Rows]] = [(_no(np.int8), _no(np.int64), _no(np.int32), _no(np.int32))]
    total, done = sum(map(dataset.rows, dataset.files)), 0
    for position, split in enumerate(dataset.files):
        for batch in dataset.batches(split, columns) if columns else ():
            texts = trimmed_text(batch.column(text)) if text else pa.nulls(len(batch), pa.string())
            lengths = pc.fill_null(pc.utf8_length(texts), 0).cast(pa.int32()).to_numpy(zero_copy_only=False)
            codes = coder.add(batch.column(label) if label else None, len(batch))
            parts.append((np.full(len(batch), position, np.int8), fingerprints(texts), codes, lengths))
            done += len(batch)
            progress({"stage": "checking", "done": done, "of": total})
    splits, prints, codes, lengths = (np.concatenate(column) for column in zip(*parts, strict=True))
    return _Index(tuple(dataset.files), splits, prints, codes, coder.finish(), lengths)


def _no(kind: Any) -> Any:
    return np.empty(0, kind)


def _compare_labels(index: _Index, first: Rows, repeats: Mask) -> tuple[Mask, Mask]:
    """Rows whose text and label an earlier row has, and rows whose text an earlier one has with another label."""
    labelled = index.codes >= 0
    if labelled.all():
        same = index.codes == index.codes[first]
        return repeats & same, repeats & ~same
    known = first_of_equals(np.where(labelled, index.texts, -1))
    again, same = known != np.arange(len(known)), index.codes == index.codes[known]
    return np.where(labelled, again & same, repeats & ~labelled[first]), again & ~same


def _rows_of_a_run(index: _Index) -> RunRows:
    """As `read_rows` finds them."""
    usable = (index.texts >= 0) & (index.codes >= 0)
    given = {name: np.flatnonzero(usable & (index.splits == split)) for split, name in enumerate(index.names)}
    rows = {name: numbers for name, numbers in given.items() if len(numbers)}
    if "train" not in rows:
        return RunRows({name: len(rows.get(name, ())) for name in SPLITS}, trained=0)
    for name, share in shares_to_take(rows):
        train = rows["train"]
        taken = deal(index.labels, index.codes[train], index.texts[train], share, _SEED)
        rows["train"], rows[name] = train[~taken], train[taken]
    trained = index.labels.rows_by_class(index.codes[rows["train"]]) > 0
    learnt = np.array([trained[list(members)].all() for members in index.labels.sets])
    counts = {name: int(learnt[index.codes[rows[name]]].sum()) for name in SPLITS}
    others = index.codes[np.concatenate([rows[name] for name in SPLITS[1:]])]
    untrained = (index.labels.rows_by_class(others) > 0) & ~trained
    return RunRows(
        counts=counts,
        trained=int(trained.sum()),
        taken=[name for name, numbers in given.items() if not len(numbers)],
        untrained=[index.labels.classes[number] for number in np.flatnonzero(untrained)],
        untrained_rows=int((~learnt[others]).sum()),
    )


def _classes_by_split(index: _Index) -> dict[str, dict[str, int]]:
    counts = np.stack(
        [index.labels.rows_by_class(index.codes[index.splits == split]) for split in range(len(index.names))], axis=1
    )
    order = np.argsort(-counts.sum(1), kind="stable")
    return {
        index.labels.classes[number]: dict(zip(index.names, counts[number].tolist(), strict=True)) for number in order
    }


def _lengths(index: _Index) -> dict[str, float]:
    filled = index.lengths[index.texts >= 0]
    if not len(filled):
        return {}
    return {"mean": round(float(filled.mean()), 1), "median": float(np.median(filled)), "longest": float(filled.max())}


def _describe_column(dataset: OpenDataset, name: str) -> dict[str, Any]:
    empty = 0
    for split in dataset.files:
        for batch in dataset.batches(split, [name]):
            values = batch.column(0)
            empty += values.null_count if not pa.types.is_string(values.type) else trimmed_text(values).null_count
    kind = str(dataset.schema.field(name).type)
    if name in dataset.classes:
        kind = "class labels" if pa.types.is_list(dataset.schema.field(name).type) else "class label"
    return {"name": name, "type": kind, "empty": empty}


# Second pass: the texts themselves, or a sample of them ---------------------------------------------------------------


def _look_at_texts(
    dataset: OpenDataset, text: str | None, index: _Index, distinct: Mask, tokens: Tokens | None, progress: Progress
) -> tuple[NearDuplicates | None, TokenLengths | None]:
    if text is None or not distinct.any():
        return None, None
    compared = _sample(np.flatnonzero(distinct), MOST_COMPARED)
    counted = np.isin(compared, _sample(compared, MOST_TOKENISED))
    marks, lengths, heads = [], [], list[str]()
    for texts, wanted in _sampled_texts(dataset, text, compared, counted):
        marks.append(signatures(texts))
        heads += [content[:SHOWN_CHARACTERS] for content in texts]
        if tokens is not None:
            lengths.append(
                tokens.counter.count([content for content, is_wanted in zip(texts, wanted, strict=True) if is_wanted])
            )
        progress({"stage": "near_duplicates", "done": len(heads), "of": len(compared)})
    near = _near_duplicates(index, compared, np.concatenate(marks), heads, int(distinct.sum()))
    return near, _token_lengths(tokens, np.concatenate(lengths)) if tokens is not None else None


def _sample(rows: Rows, most: int) -> Rows:
    if len(rows) <= most:
        return rows
    return np.sort(np.random.default_rng(_SEED).choice(rows, most, replace=False))


def _sampled_texts(
    dataset: OpenDataset, text: str, rows: Rows, marked: Mask
) -> Iterator[tuple[list[str], Sequence[bool]]]:
    """The texts of these rows, which are in ascending order, batch by batch, each with its mark."""
    start, position = 0, 0
    for split in dataset.files:
        for batch in dataset.batches(split, [text]):
            until = int(np.searchsorted(rows, start + len(batch)))
            here = slice(position, until)
            values = trimmed_text(batch.column(0)).take(pa.array(rows[here] - start))
            if len(values):
                yield values.to_pylist(), marked[here].tolist()
            start, position = start + len(batch), until


def _near_duplicates(index: _Index, rows: Rows, marks: Any, heads: Sequence[str], distinct: int) -> NearDuplicates:
    pairs, similarities = similar_pairs(marks)
    twins, first = np.unique(pairs[:, 1], return_index=True)  # of each later row, its earliest twin
    left, right = rows[pairs[first, 0]], rows[twins]
    across = index.splits[left] != index.splits[right]
    shown = np.argsort(~across, kind="stable")[: EXAMPLES // 2]
    return NearDuplicates(
        threshold=THRESHOLD,
        compared=len(rows),
        distinct=distinct,
        rows=len(twins),
        across_splits=int(across.sum()),
        examples=[
            {
                "similarity": round(float(similarities[first[number]]), 2),
                "earlier": {**index.places(left[number : number + 1])[0], "text": heads[pairs[first[number], 0]]},
                "later": {**index.places(right[number : number + 1])[0], "text": heads[twins[number]]},
            }
            for number in shown
        ],
    )


def _token_lengths(tokens: Tokens, lengths: Ints) -> TokenLengths:
    limit = tokens.counter.limit
    bounds = sorted({*(bound for bound in (*_BINS, limit) if bound < lengths.max()), int(lengths.max())})
    reached = np.searchsorted(np.sort(lengths), bounds, side="right")
    histogram = [
        {"up_to": bound, "texts": int(count)}
        for bound, count in zip(bounds, np.diff(reached, prepend=0).tolist(), strict=True)
    ]
    return TokenLengths(
        base=tokens.base,
        limit=limit,
        counted=len(lengths),
        mean=round(float(lengths.mean()), 1),
        median=float(np.median(lengths)),
        p95=float(np.percentile(lengths, 95)),
        longest=int(lengths.max()),
        over=int((lengths > limit).sum()),
        histogram=histogram,
    )
