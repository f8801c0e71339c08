"""What states, kinds of jobs, stages, metrics, baselines and tasks are called, for people.

In templates as `{{ words_of_it|said }}`. A name that is not known here is shown as it is.
"""

from collections.abc import Mapping
from typing import Final

from viveiro.jobs.stages import STAGES
from viveiro.locale import Sentence

STATES: Final = {
    "queued": Sentence("queued"),
    "preflight": Sentence("getting ready"),
    "running": Sentence("running"),
    "stopping": Sentence("stopping"),
    "succeeded": Sentence("succeeded"),
    "failed": Sentence("failed"),
    "cancelled": Sentence("cancelled"),
}
"""Of runs and of jobs."""
ENDPOINT_STATES: Final = {
    "idle": Sentence("asleep"),
    "loading": Sentence("loading"),
    "ready": Sentence("ready"),
    "failed": Sentence("failed"),
}
JOB_KINDS: Final = {
    "train-run": Sentence("Adapt a model"),
    "import-and-run": Sentence("Import data, then adapt a model"),
    "run-estimate": Sentence("Estimate a run"),
    "dataset-import": Sentence("Import a dataset"),
    "dataset-check": Sentence("Check a dataset"),
    "dataset-statistics": Sentence("Measure a dataset"),
    "model-pull": Sentence("Fetch a model"),
    "import-starter": Sentence("Import the starter model"),
    "runs-settle": Sentence("Note how runs ended"),
    "features-sweep": Sentence("Delete old features"),
    "findings-sweep": Sentence("Delete old check reports"),
    "incoming-sweep": Sentence("Delete abandoned uploads"),
    "hub-count": Sentence("Count what the hub holds"),
    "hub-sweep": Sentence("Delete what the hub no longer needs"),
    "hub-pack": Sentence("Keep large files in chunks that others share"),
    "hub-find-pickles": Sentence("Look for pickles in a push"),
    "hub-scan": Sentence("Scan pickles"),
    "hub-repack": Sentence("Pack repositories anew"),
    "serving-sweep": Sentence("Delete files of models that are served no more"),
    "webhooks-of-push": Sentence("Tell webhooks of a push"),
    "webhooks-of-repo": Sentence("Tell webhooks of a repo"),
    "webhooks-of-discussion": Sentence("Tell webhooks of a discussion"),
    "webhook-deliver": Sentence("Deliver to a webhook"),
    "webhooks-sweep": Sentence("Forget old deliveries"),
    "jobs-retention": Sentence("Forget old jobs"),
}
DELIVERIES: Final = {
    "waiting": Sentence("on its way"),
    "delivered": Sentence("arrived"),
    "failed": Sentence("given up"),
    "dropped": Sentence("not sent"),
}
"""What became of an event that a webhook is told."""
SAFETY: Final = {
    "queued": Sentence("being scanned"),
    "suspicious": Sentence("suspicious"),
    "unsafe": Sentence("unsafe"),
    "safe": Sentence("safe"),
}
"""Of files."""
VERDICTS: Final = {
    "innocuous": Sentence("harmless"),
    "suspicious": Sentence("suspicious"),
    "dangerous": Sentence("dangerous"),
}
"""Of what a pickle imports."""
TROUBLES: Final = {
    "damaged": Sentence(
        "It breaks off, or holds something else between pickles: what follows that place was not followed."
    ),
    "too-long": Sentence("It takes too long to follow: only its beginning was looked at."),
    "archive": Sentence("It is, or holds, an archive that is damaged, encrypted or of a kind that is not looked into."),
}
"""Why a scan could not follow a file to its end."""
HEADER_FAULTS: Final = {
    "length": Sentence("it is shorter than the header that it announces, or announces one that is too long to read."),
    "json": Sentence("its header is not the JSON that it should be."),
    "tensor": Sentence("its header describes a tensor without type, shape or place."),
    "offsets": Sentence("its tensors overlap, leave holes, or do not take the room that their shapes need."),
}
"""What is wrong with a safetensors file."""
METRICS: Final = {
    "accuracy": Sentence("accuracy"),
    "f1_macro": Sentence("macro-F1"),
    "f1_weighted": Sentence("weighted F1"),
    "f1_micro": Sentence("micro-F1"),
    "precision_macro": Sentence("precision (macro)"),
    "precision_weighted": Sentence("precision (weighted)"),
    "precision_micro": Sentence("precision (micro)"),
    "recall_macro": Sentence("recall (macro)"),
    "recall_weighted": Sentence("recall (weighted)"),
    "recall_micro": Sentence("recall (micro)"),
    "roc_auc": Sentence("area under the ROC curve"),
    "average_precision": Sentence("average precision"),
    "hamming_loss": Sentence("Hamming loss"),
    "log_loss": Sentence("log loss"),
    "brier": Sentence("Brier score"),
    "ece": Sentence("expected calibration error"),
    "train_loss": Sentence("training loss"),
    "eval_loss": Sentence("validation loss"),
    "eval_f1_macro": Sentence("validation macro-F1"),
    "eval_accuracy": Sentence("validation accuracy"),
    "learning_rate": Sentence("learning rate"),
}
"""In the order in which pages show them."""
BASELINES: Final = {
    "majority": Sentence("always the commonest answer"),
    "tfidf": Sentence("TF-IDF and a linear model"),
}
METHODS: Final = {
    "frozen": Sentence("head on frozen features"),
    "full": Sentence("all layers"),
}
SPLITS: Final = {
    "train": Sentence("training rows"),
    "validation": Sentence("validation rows"),
    "test": Sentence("test rows"),
}
ROLES: Final = {"text": Sentence("text"), "label": Sentence("label")}
"""Of columns."""
TASKS: Final = {
    "text-classification": Sentence("Text classification"),
    "token-classification": Sentence("Token classification"),
    "zero-shot-classification": Sentence("Zero-shot classification"),
    "feature-extraction": Sentence("Feature extraction"),
    "sentence-similarity": Sentence("Sentence similarity"),
    "text-ranking": Sentence("Text ranking"),
    "fill-mask": Sentence("Fill in the blank"),
    "question-answering": Sentence("Question answering"),
    "table-question-answering": Sentence("Question answering on tables"),
    "summarization": Sentence("Summarization"),
    "translation": Sentence("Translation"),
    "text-generation": Sentence("Text generation"),
    "text2text-generation": Sentence("Text-to-text generation"),
    "image-classification": Sentence("Image classification"),
    "image-segmentation": Sentence("Image segmentation"),
    "object-detection": Sentence("Object detection"),
    "depth-estimation": Sentence("Depth estimation"),
    "image-feature-extraction": Sentence("Image feature extraction"),
    "zero-shot-image-classification": Sentence("Zero-shot image classification"),
    "image-to-text": Sentence("Image to text"),
    "image-text-to-text": Sentence("Image and text to text"),
    "text-to-image": Sentence("Text to image"),
    "image-to-image": Sentence("Image to image"),
    "text-to-video": Sentence("Text to video"),
    "visual-question-answering": Sentence("Questions about images"),
    "document-question-answering": Sentence("Questions about documents"),
    "automatic-speech-recognition": Sentence("Speech recognition"),
    "text-to-speech": Sentence("Text to speech"),
    "audio-classification": Sentence("Audio classification"),
    "tabular-classification": Sentence("Tabular classification"),
    "tabular-regression": Sentence("Tabular regression"),
    "time-series-forecasting": Sentence("Time series forecasting"),
    "reinforcement-learning": Sentence("Reinforcement learning"),
}
"""By pipeline tag."""


def state(name: str) -> str:
    return _named(STATES, name)


def endpoint_state(name: str) -> str:
    return _named(ENDPOINT_STATES, name)


def job_kind(name: str) -> str:
    return _named(JOB_KINDS, name)


def stage(name: str) -> str:
    return _named(STAGES, name)


def metric(name: str) -> str:
    return _named(METRICS, name)


def baseline(name: str) -> str:
    return _named(BASELINES, name)


def method(name: str) -> str:
    return _named(METHODS, name)


def role(name: str) -> str:
    return _named(ROLES, name)


def task(tag: str) -> str:
    return _named(TASKS, tag)


def duration(seconds: float) -> str:
    """In the two largest units that it has; both languages write them alike."""
    whole = max(0, round(seconds))
    if whole < 60:
        return f"{whole} s" if whole else "< 1 s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02} min"


def _named(words: Mapping[str, Sentence], name: str) -> str:
    return words.get(name, name)
