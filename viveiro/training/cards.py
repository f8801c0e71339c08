"""The README.md of a model that a run made: metadata for machines, then what a careful reader wants to know."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

import yaml

from viveiro.hub.cards import read_card
from viveiro.training import card_scores
from viveiro.training.card_scores import Pictures
from viveiro.training.description import Revision
from viveiro.training.pictures import Picture
from viveiro.training.wording import METRIC_NAMES, class_noun, class_nouns, is_multilabel, plain, written

_METRIC_TYPES: Final = {
    "f1_macro": "f1",
    "f1_weighted": "f1",
    "f1_micro": "f1",
    "precision_macro": "precision",
    "precision_weighted": "precision",
    "precision_micro": "precision",
    "recall_macro": "recall",
    "recall_weighted": "recall",
    "recall_micro": "recall",
    "brier": "brier_score",
    "ece": "expected_calibration_error",
}
"""Under which the hub's readers know them; the others have their own name."""
_FEW_TEST_ROWS: Final = 100
_FEW_ROWS_OF_A_CLASS: Final = 10
_SHOWN_CLASSES: Final = 12
_BADLY_CALIBRATED: Final = 0.05
_INHERITED: Final = ("license", "license_name", "license_link", "language")


def model_card(record: Mapping[str, Any], base_card: bytes, pictures: Sequence[Picture] = ()) -> str:
    """From what the run recorded; licence and language are the base's."""
    base = read_card(base_card)
    header = yaml.safe_dump(_metadata(record, base), allow_unicode=True, sort_keys=False)
    return f"---\n{header}---\n\n" + "\n".join(_body(record, base, {picture.name: picture for picture in pictures}))


def _metadata(record: Mapping[str, Any], base_card: Mapping[str, Any]) -> dict[str, Any]:
    description = record["description"]
    result = _model_index_result(record)
    return {
        **{field: base_card[field] for field in _INHERITED if field in base_card},
        "library_name": "sentence-transformers",
        "pipeline_tag": description["task"],
        "base_model": str(Revision.parse(description["base"]).repo_id),
        "base_model_relation": "finetune",
        "datasets": [str(Revision.parse(description["data"]).repo_id)],
        "tags": ["viveiro", "multi-label"] if is_multilabel(record) else ["viveiro"],
        "metrics": sorted({metric["type"] for metric in result["metrics"]}),
        "model-index": [{"name": description["publish"], "results": [result]}],
    }


def _model_index_result(record: Mapping[str, Any]) -> dict[str, Any]:
    description = record["description"]
    data = Revision.parse(description["data"])
    metrics = [
        {"type": _METRIC_TYPES.get(name, name), "name": METRIC_NAMES[name], "value": score["value"]}
        for name, score in record["metrics"].items()
        if name in METRIC_NAMES and score["value"] is not None
    ]
    dataset = {"type": str(data.repo_id), "name": str(data.repo_id), "split": "test", "revision": data.revision}
    return {"task": {"type": description["task"]}, "dataset": dataset, "metrics": metrics}


def _body(record: Mapping[str, Any], base_card: Mapping[str, Any], pictures: Pictures) -> Iterator[str]:
    description = record["description"]
    base, data = Revision.parse(description["base"]), Revision.parse(description["data"])
    yield from _introduction(record, base, data)
    yield from card_scores.verdict(record)
    yield from _usage(record)
    yield from card_scores.scores(record, pictures)
    yield from card_scores.classes(record, pictures)
    yield from card_scores.trust(record, pictures)
    yield from _data(record, data, pictures)
    yield from _making(record, base, pictures)
    yield from _limits(record, base_card)
    yield from _reproduction(record)


def _introduction(record: Mapping[str, Any], base: Revision, data: Revision) -> Iterator[str]:
    description, labels = record["description"], record["labels"]
    number = "any number" if is_multilabel(record) else "one"
    names = ", ".join(plain(label) for label in labels[:_SHOWN_CLASSES])
    more = f" and {len(labels) - _SHOWN_CLASSES} more" if len(labels) > _SHOWN_CLASSES else ""
    yield f"# {description['publish']}"
    yield ""
    yield f"Gives each text {number} of {len(labels)} {class_nouns(record)}: {names}{more}."
    yield ""
    yield (
        f"[{base.repo_id}](/{base.repo_id}) adapted to {description['task']} on "
        f"[{data.repo_id}](/datasets/{data.repo_id}) by Viveiro: {record['rows']['train']} rows to learn from and "
        f"{record['rows']['validation']} to choose settings by."
    )
    yield ""


def _usage(record: Mapping[str, Any]) -> Iterator[str]:
    model = record["description"]["publish"]
    decision = "each logit through a sigmoid is its score" if is_multilabel(record) else "their softmax is the scores"
    yield f"""## How to use

Deploy it (`viveiro endpoints deploy {model}`), then, with `HF_ENDPOINT` and `HF_TOKEN` set to your Viveiro:

```python
import os
from huggingface_hub import InferenceClient

client = InferenceClient(model=f"{{os.environ['HF_ENDPOINT']}}/models/{model}", token=os.environ["HF_TOKEN"])
client.text_classification("the text to classify")
```

```bash
curl "$HF_ENDPOINT/models/{model}" -H "Authorization: Bearer $HF_TOKEN" \\
  -H "Content-Type: application/json" -d '{{"inputs": "the text to classify"}}'
```

```bash
viveiro predict {model} "the text to classify"
viveiro predict {model} --file in.csv --out out.csv
```

Without a server, in Python with sentence-transformers: one logit a {class_noun(record)}, in the order of `id2label`; {decision}.

```python
from sentence_transformers import SentenceTransformer

logits = SentenceTransformer("{model}").encode(["the text to classify"])
```
"""


def _data(record: Mapping[str, Any], data: Revision, pictures: Pictures) -> Iterator[str]:
    rows = record["rows"]
    yield "## Data"
    yield ""
    yield f"- [{data.repo_id}](/datasets/{data.repo_id}) at `{data.revision}`"
    yield f"- columns: {', '.join(f'{role} = {plain(name)}' for role, name in record['description']['columns'].items())}"
    yield f"- rows: {rows['train']} to learn from, {rows['validation']} to choose settings by, {rows['test']} to test on"
    yield f"- left out, for want of text or label: {rows['left_out']}"
    for finding in record.get("findings") or ():
        yield f"- {plain(finding['severity'])}: {plain(finding['message'])}"
    yield ""
    yield from card_scores.shown(pictures, "balance")


def _making(record: Mapping[str, Any], base: Revision, pictures: Pictures) -> Iterator[str]:
    yield "## How it was made"
    yield ""
    yield f"- run `{record['run_id']}`, {record['seconds']['train']:.1f} s of training"
    yield f"- base [{base.repo_id}](/{base.repo_id}) at `{base.revision}`"
    yield ""
    yield "| setting | value |"
    yield "|---|---|"
    for name, value in record["description"]["params"].items():
        yield f"| {plain(name)} | {plain(str(value))} |"
    yield ""
    yield from card_scores.shown(pictures, "learning")
    if record.get("environment"):
        versions = ", ".join(f"{plain(str(name))} {plain(str(it))}" for name, it in record["environment"].items())
        yield f"Environment: {versions}."
        yield ""


def _limits(record: Mapping[str, Any], base_card: Mapping[str, Any]) -> Iterator[str]:
    yield "## Limits"
    yield ""
    if not is_multilabel(record):
        yield "- It answers with one of its classes, whatever the text; it cannot say that none fits."
    yield "- It was tested on rows of the same source as its training rows. On texts of another kind expect less."
    yield from _limits_of_the_test(record)
    yield from _limits_by_length(record)
    if languages := base_card.get("language"):
        known = ", ".join(map(str, languages)) if isinstance(languages, list) else str(languages)
        yield f"- Its base was made for texts in: {plain(known)}. Of other languages it knows what its training rows taught it."
    error = record["metrics"].get("ece")
    if error and error["value"] is not None and error["low"] > _BADLY_CALIBRATED:
        yield "- Its scores are no probabilities to calculate with: see the calibration above."
    yield ""


def _limits_of_the_test(record: Mapping[str, Any]) -> Iterator[str]:
    rows, entries = record["rows"]["test"], record["per_class"]
    if rows < _FEW_TEST_ROWS:
        yield f"- {rows} test rows are few: take the intervals seriously."
    if record["metrics"]["accuracy"]["value"] == 1:
        # Rule of three: with no error among n, up to 3 / n is within a 95 % interval, which a bootstrap cannot show.
        yield f"- All {rows} test rows were right, which still leaves room for {min(1, 3 / rows):.1%} of errors."
    untested = [plain(entry["label"]) for entry in entries if not entry["rows"]]
    if untested:
        yield f"- Never tested, for want of rows: {', '.join(untested)}."
    few = sum(0 < entry["rows"] < _FEW_ROWS_OF_A_CLASS for entry in entries)
    if few:
        yield f"- {few} {class_nouns(record)} have under {_FEW_ROWS_OF_A_CLASS} test rows: their own figures are rough."


def _limits_by_length(record: Mapping[str, Any]) -> Iterator[str]:
    overall = record["metrics"]["accuracy"]
    for part in record.get("slices") or ():
        if part["accuracy"]["high"] < overall["value"]:
            yield (
                f"- It is worse on texts of {part['from']} to {part['to']} characters: accuracy {written(part['accuracy'])} "
                f"against {overall['value']:.3f} over all."
            )


def _reproduction(record: Mapping[str, Any]) -> Iterator[str]:
    model = record["description"]["publish"]
    yield "## How to reproduce"
    yield ""
    yield f"`viveiro runs reproduce {model}` makes it again from the same revisions, settings and seed, and compares the scores."
    yield f"For an earlier commit of this repo: `viveiro runs reproduce {model}@REVISION`."
    yield ""
