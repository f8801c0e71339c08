"""The README.md of a model that a run made: metadata for machines, then what a careful reader wants to know."""

from collections.abc import Iterator, Mapping
from typing import Any, Final

import yaml

from viveiro.hub.cards import read_card
from viveiro.training.description import Revision

_METRIC_NAMES: Final = {
    "accuracy": "accuracy",
    "f1_macro": "F1 (macro)",
    "f1_weighted": "F1 (weighted)",
    "precision_macro": "precision (macro)",
    "recall_macro": "recall (macro)",
    "roc_auc": "ROC AUC",
    "log_loss": "log loss",
}
_METRIC_TYPES: Final = {
    "f1_macro": "f1",
    "f1_weighted": "f1",
    "precision_macro": "precision",
    "recall_macro": "recall",
}
"""Under which the hub's readers know them; the others have their own name."""
_SHOWN_IN_COMPARISON: Final = ("accuracy", "f1_macro", "f1_weighted")
_BASELINE_NAMES: Final = {"majority": "always the commonest class", "tfidf": "TF-IDF and a linear model"}
_FEW_TEST_ROWS: Final = 100
_INHERITED: Final = ("license", "license_name", "license_link", "language")


def model_card(record: Mapping[str, Any], base_card: bytes) -> str:
    """From what the run recorded; licence and language are the base's."""
    header = yaml.safe_dump(_metadata(record, read_card(base_card)), allow_unicode=True, sort_keys=False)
    return f"---\n{header}---\n\n" + "\n".join(_body(record))


def _metadata(record: Mapping[str, Any], base_card: Mapping[str, Any]) -> dict[str, Any]:
    description = record["description"]
    return {
        **{field: base_card[field] for field in _INHERITED if field in base_card},
        "library_name": "sentence-transformers",
        "pipeline_tag": description["task"],
        "base_model": str(Revision.parse(description["base"]).repo_id),
        "base_model_relation": "finetune",
        "datasets": [str(Revision.parse(description["data"]).repo_id)],
        "tags": ["viveiro"],
        "model-index": [{"name": description["publish"], "results": [_model_index_result(record)]}],
    }


def _model_index_result(record: Mapping[str, Any]) -> dict[str, Any]:
    description = record["description"]
    data = Revision.parse(description["data"])
    metrics = [
        {"type": _METRIC_TYPES.get(name, name), "name": _METRIC_NAMES[name], "value": score["value"]}
        for name, score in record["metrics"].items()
        if name in _METRIC_NAMES and score["value"] is not None
    ]
    dataset = {"type": str(data.repo_id), "name": str(data.repo_id), "split": "test", "revision": data.revision}
    return {"task": {"type": description["task"]}, "dataset": dataset, "metrics": metrics}


def _body(record: Mapping[str, Any]) -> Iterator[str]:
    description = record["description"]
    base, data = Revision.parse(description["base"]), Revision.parse(description["data"])
    yield f"# {description['publish']}"
    yield ""
    yield (
        f"[{base.repo_id}](/{base.repo_id}) adapted to {description['task']} on [{data.repo_id}](/datasets/{data.repo_id}) "
        f"by Viveiro: {len(record['labels'])} classes, {record['rows']['train']} rows to learn from and "
        f"{record['rows']['validation']} to choose settings by."
    )
    yield ""
    yield from _verdict(record)
    yield from _comparison_table(record)
    yield from _other_metrics(record)
    yield from _classes(record)
    yield from _limits(record)
    yield from _usage(description["publish"])
    yield from _reproduction(record, base, data)


def _verdict(record: Mapping[str, Any]) -> Iterator[str]:
    gain = record["gain"][record["best_baseline"]]
    rival = _BASELINE_NAMES[record["best_baseline"]]
    interval = f"{gain['value']:+.3f} {_METRIC_NAMES[record['primary']]}, 95 % interval {gain['low']:+.3f} to {gain['high']:+.3f}"
    if not record["beats_baselines"]:
        yield f"**This model does not beat a simple baseline: {rival} ({interval}). Use the baseline, or more data.**"
    elif gain["low"] <= 0:
        yield f"**On these test rows the model is ahead of {rival}, but not beyond doubt ({interval}).**"
    else:
        yield f"The model is better than {rival} ({interval})."
    yield ""


def _comparison_table(record: Mapping[str, Any]) -> Iterator[str]:
    yield f"## Evaluation on {record['rows']['test']} rows it never saw"
    yield ""
    yield "Value, and the 95 % interval by bootstrap over the test rows."
    yield ""
    yield "| | " + " | ".join(_METRIC_NAMES[name] for name in _SHOWN_IN_COMPARISON) + " |"
    yield "|---" * (len(_SHOWN_IN_COMPARISON) + 1) + "|"
    for title, metrics in [("**this model**", record["metrics"])] + [
        (_BASELINE_NAMES[name], metrics) for name, metrics in record["baselines"].items()
    ]:
        yield f"| {title} | " + " | ".join(_score(metrics[name]) for name in _SHOWN_IN_COMPARISON) + " |"
    yield ""


def _other_metrics(record: Mapping[str, Any]) -> Iterator[str]:
    for name, title in _METRIC_NAMES.items():
        if name in record["metrics"] and name not in _SHOWN_IN_COMPARISON:
            yield f"- {title}: {_score(record['metrics'][name])}"
    yield ""


def _classes(record: Mapping[str, Any]) -> Iterator[str]:
    yield "| class | precision | recall | F1 | test rows |"
    yield "|---|---|---|---|---|"
    for entry in record["per_class"]:
        name = entry["label"].replace("|", "\\|").replace("\n", " ")
        yield f"| {name} | {entry['precision']:.3f} | {entry['recall']:.3f} | {entry['f1']:.3f} | {entry['rows']} |"
    yield ""


def _limits(record: Mapping[str, Any]) -> Iterator[str]:
    yield "## Limits"
    yield ""
    yield "- It answers with one of its classes, whatever the text; it cannot say that none fits."
    yield "- It was tested on rows of the same source as its training rows. On texts of another kind expect less."
    if record["rows"]["test"] < _FEW_TEST_ROWS:
        yield f"- {record['rows']['test']} test rows are few: take the intervals seriously."
    untested = [entry["label"] for entry in record["per_class"] if not entry["rows"]]
    if untested:
        yield f"- Never tested, for want of rows: {', '.join(untested)}."
    if record["rows"]["left_out"]:
        yield f"- {record['rows']['left_out']} rows without text or label were left out."
    yield ""


def _usage(model: str) -> Iterator[str]:
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

Without a server, `SentenceTransformer("{model}").encode(texts)` gives one logit per class, in the order of `id2label`.
"""


def _reproduction(record: Mapping[str, Any], base: Revision, data: Revision) -> Iterator[str]:
    description = record["description"]
    yield "## How it was made"
    yield ""
    yield f"- run `{record['run_id']}`, {record['seconds']['train']:.1f} s of training"
    yield f"- base `{base.repo_id}` at `{base.revision}`"
    yield f"- data `{data.repo_id}` at `{data.revision}`"
    yield f"- columns: {', '.join(f'{role} = `{name}`' for role, name in description['columns'].items())}"
    yield f"- settings: {', '.join(f'{name} = {value}' for name, value in description['params'].items())}"
    yield ""


def _score(score: Mapping[str, Any]) -> str:
    if score["value"] is None:
        return "–"
    return f"{score['value']:.3f} ({score['low']:.3f}–{score['high']:.3f})"
