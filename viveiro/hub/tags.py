"""The tags that lists filter by, read off a card, a `config.json` and the names of the files. Pure."""

import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import Any, Final

from viveiro.types import RepoKind

MAX_TAG_CHARS: Final = 200
MAX_TAGS: Final = 500

_ARXIV: Final = re.compile(r"arxiv(?:\.org/(?:abs|pdf)/|:\s?)(\d{4}\.\d{4,5})", re.IGNORECASE)

_LIBRARY_BY_FILE: Final = {
    "config_setfit.json": "setfit",
    "modules.json": "sentence-transformers",
    "config_sentence_transformers.json": "sentence-transformers",
    "adapter_config.json": "peft",
    "model_index.json": "diffusers",
}
_LIBRARY_BY_SUFFIX: Final = {".gguf": "gguf", ".keras": "keras", ".skops": "sklearn", ".nemo": "nemo"}
_FORMAT_BY_SUFFIX: Final = {
    ".safetensors": "safetensors",
    ".onnx": "onnx",
    ".gguf": "gguf",
    ".tflite": "tflite",
    ".joblib": "joblib",
    ".mlmodel": "coreml",
    ".keras": "keras",
}
_FORMAT_BY_FILE: Final = {
    "pytorch_model.bin": "pytorch",
    "pytorch_model.bin.index.json": "pytorch",
    "tf_model.h5": "tf",
    "flax_model.msgpack": "jax",
    "openvino_model.xml": "openvino",
}
_PIPELINE_BY_LIBRARY: Final = {
    "sentence-transformers": "sentence-similarity",
    "setfit": "text-classification",
    "diffusers": "text-to-image",
}
_PIPELINE_BY_HEAD: Final = {
    "ForSequenceClassification": "text-classification",
    "ForTokenClassification": "token-classification",
    "ForQuestionAnswering": "question-answering",
    "ForMultipleChoice": "multiple-choice",
    "ForMaskedLM": "fill-mask",
    "ForCausalLM": "text-generation",
    "LMHeadModel": "text-generation",
    "ForImageClassification": "image-classification",
    "ForObjectDetection": "object-detection",
    "ForSemanticSegmentation": "image-segmentation",
    "ForDepthEstimation": "depth-estimation",
    "ForVideoClassification": "video-classification",
    "ForAudioClassification": "audio-classification",
    "ForCTC": "automatic-speech-recognition",
    "ForSpeechSeq2Seq": "automatic-speech-recognition",
    "ForTextToWaveform": "text-to-speech",
    "ForTableQuestionAnswering": "table-question-answering",
    "ForDocumentQuestionAnswering": "document-question-answering",
    "ForZeroShotImageClassification": "zero-shot-image-classification",
}
PIPELINE_TAGS: Final = frozenset(
    [
        *_PIPELINE_BY_HEAD.values(),
        *_PIPELINE_BY_LIBRARY.values(),
        *("any-to-any", "audio-to-audio", "feature-extraction", "image-feature-extraction", "image-text-to-text"),
        *("image-to-image", "image-to-text", "image-to-video", "mask-generation", "reinforcement-learning"),
        *("robotics", "summarization", "tabular-classification", "tabular-regression", "text-ranking", "text-to-video"),
        *("text2text-generation", "time-series-forecasting", "translation", "unconditional-image-generation"),
        *("video-text-to-text", "visual-question-answering", "voice-activity-detection", "zero-shot-classification"),
        *("zero-shot-object-detection", "audio-text-to-text", "text-to-3d", "image-to-3d", "graph-ml"),
    ]
)


def infer_library(card: Mapping[str, Any], config: Mapping[str, Any], files: Collection[str]) -> str | None:
    """The library a model is for: what its card says, else what its files look like."""
    if isinstance(card.get("library_name"), str):
        return _clean(card["library_name"])
    for file, library in _LIBRARY_BY_FILE.items():
        if file in files:
            return library
    if "pretrained_cfg" in config:
        return "timm"
    if "model_type" in config or "architectures" in config:
        return "transformers"
    return next(
        (name for suffix, name in _LIBRARY_BY_SUFFIX.items() if any(file.endswith(suffix) for file in files)), None
    )


def infer_pipeline_tag(card: Mapping[str, Any], config: Mapping[str, Any], library: str | None) -> str | None:
    """The task of a model: what its card says, else its tags, its library, the head of its architecture."""
    if isinstance(card.get("pipeline_tag"), str):
        return _clean(card["pipeline_tag"])
    for tag in _texts(card.get("tags")):
        if tag in PIPELINE_TAGS:
            return tag
    if library in _PIPELINE_BY_LIBRARY:
        return _PIPELINE_BY_LIBRARY[library]
    for architecture in _texts(config.get("architectures")):
        for head, task in _PIPELINE_BY_HEAD.items():
            if architecture.endswith(head):
                return task
    return None


def derive_tags(
    kind: RepoKind,
    *,
    card: Mapping[str, Any],
    config: Mapping[str, Any],
    files: Collection[str],
    body: str,
    library: str | None,
    pipeline_tag: str | None,
) -> tuple[str, ...]:
    """In the order of importance, each once."""
    match kind:
        case RepoKind.MODEL:
            found = _model_tags(card, config, files, library, pipeline_tag)
        case RepoKind.DATASET:
            found = _dataset_tags(card)
        case RepoKind.SPACE:
            found = _space_tags(card)
        case RepoKind.KERNEL:
            found = iter(())
    papers = (f"arxiv:{paper}" for paper in _ARXIV.findall(body))
    tags = (_clean(tag) for tag in (*found, *papers, *_shared_tags(card)))
    return tuple(dict.fromkeys(tag for tag in tags if tag))[:MAX_TAGS]


def _model_tags(
    card: Mapping[str, Any],
    config: Mapping[str, Any],
    files: Collection[str],
    library: str | None,
    pipeline_tag: str | None,
) -> Iterator[str]:
    yield from filter(None, [library])
    yield from _formats(files)
    yield from _texts(config.get("model_type"))
    yield from filter(None, [pipeline_tag])
    yield from _texts(card.get("tags"))
    yield from _texts(card.get("language"))
    yield from (f"dataset:{dataset}" for dataset in _texts(card.get("datasets")))
    relation = card.get("base_model_relation")
    for base in _texts(card.get("base_model")):
        yield f"base_model:{base}"
        if isinstance(relation, str):
            yield f"base_model:{relation}:{base}"
    if card.get("model-index"):
        yield "model-index"


def _dataset_tags(card: Mapping[str, Any]) -> Iterator[str]:
    for key in ("task_categories", "task_ids", "language", "multilinguality", "size_categories", "source_datasets"):
        yield from (f"{key}:{value}" for value in _texts(card.get(key)))
    yield from _texts(card.get("tags"))


def _space_tags(card: Mapping[str, Any]) -> Iterator[str]:
    yield from _texts(card.get("sdk"))
    yield from _texts(card.get("tags"))
    yield from (f"dataset:{dataset}" for dataset in _texts(card.get("datasets")))


def _shared_tags(card: Mapping[str, Any]) -> Iterator[str]:
    yield from (f"license:{licence}" for licence in _texts(card.get("license")))


def _formats(files: Collection[str]) -> Iterator[str]:
    for file in files:
        name = file.rpartition("/")[2]
        if name in _FORMAT_BY_FILE:
            yield _FORMAT_BY_FILE[name]
        yield from (name_of for suffix, name_of in _FORMAT_BY_SUFFIX.items() if name.endswith(suffix))


def _texts(value: Any) -> Iterable[str]:
    """A field that may be one text or a list of them. What is neither is left out."""
    values = value if isinstance(value, list) else [value]
    return [str(item) for item in values if isinstance(item, str | int | float) and not isinstance(item, bool)]


def _clean(tag: str) -> str:
    """Empty when nobody could filter by it."""
    tag = tag.strip()
    return tag if tag.isprintable() and len(tag) <= MAX_TAG_CHARS else ""
