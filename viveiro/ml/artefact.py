"""A model folder as this platform writes it, and what it knows of any other.

Weights are safetensors in sentence-transformers layout with the head as its last module, so that
`SentenceTransformer(folder).encode(texts)` returns the logits without any code of ours. `viveiro.json` adds what that
layout has no place for.
"""

import json
import os
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final, Literal

import numpy as np

from viveiro import __version__

Decision = Literal["softmax", "sigmoid", "none"]
"""How outputs become scores."""

RECORD_NAME: Final = "viveiro.json"
FORMAT: Final = 1
_KEPT_SUFFIXES: Final = (".json", ".txt", ".model", ".safetensors")
_PACKAGES: Final = ("torch", "transformers", "tokenizers", "scikit-learn", "numpy")


@dataclass(frozen=True, slots=True)
class Artefact:
    """What is needed to use a model besides its weights. `labels` is empty for a model whose outputs are vectors."""

    task: str
    labels: tuple[str, ...] = ()
    method: str | None = None
    max_length: int | None = None
    decision: Decision = "softmax"
    origin: Mapping[str, Any] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        return {
            "format": FORMAT,
            "task": self.task,
            "labels": list(self.labels),
            "method": self.method,
            "max_length": self.max_length,
            "decision": {"function": self.decision},
            "base": dict(self.origin),
            "versions": {"viveiro": __version__, **{package: version(package) for package in _PACKAGES}},
        }


def read_artefact(folder: Path, task: str) -> Artefact:
    """From our own record, else from config.json as transformers writes it, served for `task`."""
    if (folder / RECORD_NAME).exists():
        record = _read_json(folder / RECORD_NAME)
        return Artefact(
            task=record["task"],
            labels=tuple(record["labels"]),
            method=record["method"],
            max_length=record["max_length"],
            decision=record["decision"]["function"],
            origin=record["base"],
        )
    config = _read_json(folder / "config.json") if (folder / "config.json").exists() else {}
    labels = tuple(name for _, name in sorted((int(number), name) for number, name in (config.get("id2label") or {}).items()))
    return Artefact(task=task, labels=labels, decision=_usual_decision(config, labels))


def write_artefact(folder: Path, base: Path, head: tuple[np.ndarray, np.ndarray], artefact: Artefact) -> None:
    """The base's encoder with a linear head on it. The folder appears whole, or not at all.

    Args:
        head: weight (classes, dimension) and bias (classes,), float32.
    """
    folder.parent.mkdir(parents=True, exist_ok=True)
    partial = Path(tempfile.mkdtemp(dir=folder.parent, suffix=".partial"))
    try:
        _copy_base(base, partial)
        _write_modules(partial, head)
        _name_labels(partial / "config.json", artefact.labels)
        _limit_length(partial / "sentence_bert_config.json", artefact.max_length)
        _write_json(partial / RECORD_NAME, artefact.to_json())
        shutil.rmtree(folder, ignore_errors=True)
        partial.rename(folder)
    except BaseException:
        shutil.rmtree(partial, ignore_errors=True)
        raise


def _usual_decision(config: Mapping[str, Any], labels: Sequence[str]) -> Decision:
    """As `transformers` decides where a model does not say."""
    if config.get("problem_type") == "regression":
        return "none"
    return "sigmoid" if config.get("problem_type") == "multi_label_classification" or len(labels) == 1 else "softmax"


def _copy_base(base: Path, target: Path) -> None:
    """What loading needs: no card, no other formats of the same weights, never a pickle."""
    modules = [module["path"] for module in _read_json(base / "modules.json")] if (base / "modules.json").exists() else []
    for relative in {"", *modules}:
        for path in sorted((base / relative).glob("*")):
            if path.is_file() and path.suffix in _KEPT_SUFFIXES and path.name != RECORD_NAME:
                copy = target / relative / path.name
                copy.parent.mkdir(parents=True, exist_ok=True)
                _link_or_copy(path, copy) if path.suffix == ".safetensors" else shutil.copyfile(path, copy)


def _link_or_copy(source: Path, target: Path) -> None:
    try:
        os.link(source.resolve(), target)
    except OSError:  # another file system
        shutil.copyfile(source, target)


def _write_modules(folder: Path, head: tuple[np.ndarray, np.ndarray]) -> None:
    from safetensors.numpy import save_file

    path = folder / "modules.json"
    modules = _read_json(path) if path.exists() else _plain_modules(folder)
    number = max(module["idx"] for module in modules) + 1
    name = f"{number}_Dense"
    modules.append({"idx": number, "name": str(number), "path": name, "type": "sentence_transformers.models.Dense"})
    _write_json(path, modules)
    weight, bias = head
    (folder / name).mkdir()
    config = {"in_features": weight.shape[1], "out_features": weight.shape[0], "bias": True}
    _write_json(folder / name / "config.json", {**config, "activation_function": "torch.nn.modules.linear.Identity"})
    tensors = {"linear.weight": np.ascontiguousarray(weight), "linear.bias": np.ascontiguousarray(bias)}
    save_file(tensors, folder / name / "model.safetensors")


def _plain_modules(folder: Path) -> list[dict[str, Any]]:
    """The layout that `networks` assumes for an encoder without one: its token vectors averaged."""
    (folder / "1_Pooling").mkdir()
    dimension = _read_json(folder / "config.json")["hidden_size"]
    _write_json(
        folder / "1_Pooling" / "config.json", {"word_embedding_dimension": dimension, "pooling_mode_mean_tokens": True}
    )
    kinds = (("", "Transformer"), ("1_Pooling", "Pooling"))
    return [
        {"idx": number, "name": str(number), "path": path, "type": f"sentence_transformers.models.{kind}"}
        for number, (path, kind) in enumerate(kinds)
    ]


def _name_labels(path: Path, labels: Sequence[str]) -> None:
    config = _read_json(path)
    config["id2label"] = {str(number): label for number, label in enumerate(labels)}
    config["label2id"] = {label: number for number, label in enumerate(labels)}
    _write_json(path, config)


def _limit_length(path: Path, max_length: int | None) -> None:
    settings = _read_json(path) if path.exists() else {"do_lower_case": False}
    _write_json(path, {**settings, "max_seq_length": max_length})


def _read_json(path: Path) -> Any:
    return json.loads(path.read_text(encoding="utf-8"))


def _write_json(path: Path, content: Any) -> None:
    path.write_text(json.dumps(content, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
