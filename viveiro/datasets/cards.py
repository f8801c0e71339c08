"""The README.md of an imported dataset: YAML that `datasets` obeys, then words for people."""

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.parquet as pq
import yaml

from viveiro.datasets.features import card_features
from viveiro.datasets.types import DropReason
from viveiro.hub.cards import MAX_CARD_BYTES, body_of, read_card

if TYPE_CHECKING:
    from viveiro.datasets.importing import ImportReport

_REASONS = {
    DropReason.MALFORMED: "could not be read as a row",
    DropReason.EMPTY_TEXT: "had no text",
    DropReason.EMPTY_LABEL: "had no label",
    DropReason.TOO_LONG: "had a text of over 1,000,000 characters",
    DropReason.DUPLICATE: "repeated an earlier row",
    DropReason.IN_ANOTHER_SPLIT: "had a text that is also in a later split",
}
_SPLITS_DEALT = "Splits are stratified by label."
_SPLITS_GIVEN = "Splits are those of the imported files."
_DATA_FIELDS = ("size_categories", "task_categories", "task_ids", "dataset_info", "configs")
_SIZES = ((10**3, "n<1K"), (10**4, "1K<n<10K"), (10**5, "10K<n<100K"), (10**6, "100K<n<1M"), (10**7, "1M<n<10M"))


def dataset_card(
    file_name: str, report: "ImportReport", schema: pa.Schema, classes: Mapping[str, tuple[str, ...]], data: Path
) -> str:
    header = yaml.safe_dump(_metadata(report, schema, classes, data), allow_unicode=True, sort_keys=False)
    return f"---\n{header}---\n\n{_body(file_name, report)}"


def renewed_card(card: bytes, made: bytes, digest: str | None) -> bytes:
    """The card of a repo whose data are replaced: `made` for the new data, with what the owner wrote in the one that is there.

    The owner's fields stay, but for those that describe the data. So does the text, unless it is still the one that the last
    import made, by its `digest`. A card whose metadata cannot be read stays as it is, for its owner to mend.
    """
    metadata, text = read_card(card), body_of(card)
    has_metadata = text.encode() != card
    if len(card) > MAX_CARD_BYTES or not card.endswith(text.encode()) or (has_metadata and not metadata):
        return card
    kept = {field: value for field, value in metadata.items() if field not in _DATA_FIELDS}
    header = yaml.safe_dump({**kept, **read_card(made)}, allow_unicode=True, sort_keys=False)
    if not text.strip() or text_digest(card) == digest:
        text = body_of(made)
    return b"---\n%b---\n\n%b" % (header.encode(), text.encode().lstrip(b"\r\n"))


def text_digest(card: bytes) -> str:
    """Of what is below the metadata."""
    return hashlib.sha256(body_of(card).strip().encode()).hexdigest()


def size_category(rows: int) -> str:
    return next((name for limit, name in _SIZES if rows < limit), "10M<n<100M")


def _metadata(
    report: "ImportReport", schema: pa.Schema, classes: Mapping[str, tuple[str, ...]], data: Path
) -> dict[str, Any]:
    files = {split: data / f"{split}-00000-of-00001.parquet" for split in report.rows}
    sizes = {split: _uncompressed_bytes(path) for split, path in files.items()}
    metadata: dict[str, Any] = {"size_categories": [size_category(sum(report.rows.values()))]}
    if report.roles.label is not None and report.roles.texts:
        metadata["task_categories"] = ["text-classification"]
        metadata["task_ids"] = ["multi-label-classification" if report.multi_label else "multi-class-classification"]
    metadata["dataset_info"] = {
        "features": card_features(schema, classes),
        "splits": [
            {"name": split, "num_bytes": sizes[split], "num_examples": rows} for split, rows in report.rows.items()
        ],
        "download_size": sum(path.stat().st_size for path in files.values()),
        "dataset_size": sum(sizes.values()),
    }
    metadata["configs"] = [
        {
            "config_name": "default",
            "data_files": [{"split": split, "path": f"data/{split}-*"} for split in report.rows],
        }
    ]
    return metadata


def _uncompressed_bytes(path: Path) -> int:
    metadata = pq.read_metadata(path)
    return sum(metadata.row_group(group).total_byte_size for group in range(metadata.num_row_groups))


def _body(file_name: str, report: "ImportReport") -> str:
    lines = [
        f"Imported from `{file_name}` by Viveiro{'' if report.splits_given else f', with seed {report.seed}'}.",
        "",
        "| split | rows |",
        "|---|---|",
        *(f"| {split} | {rows} |" for split, rows in report.rows.items()),
        "",
        "| column | type | role |",
        "|---|---|---|",
        *(f"| `{profile.name}` | {profile.type} | {report.roles.of(profile)} |" for profile in report.profiles),
        "",
        f"{_SPLITS_GIVEN if report.splits_given else _SPLITS_DEALT} No text appears in two of them.",
    ]
    if report.dropped.counts:
        lines += ["", "Rows of the file that are not here:", ""]
        lines += [f"- {count} {_REASONS[reason]}" for reason, count in sorted(report.dropped.counts.items())]
    return "\n".join(lines) + "\n"
