"""Texts to rows of floats: vectors from an encoder, logits from a classifier."""

import copy
import hashlib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final, Literal

import numpy as np
import torch

from viveiro.errors import InvalidInput
from viveiro.locale import Sentence
from viveiro.ml.bases import MORE_TOKENS, UnfitModel
from viveiro.ml.batching import length_sorted_batches
from viveiro.ml.device import Precision, has_bfloat16
from viveiro.ml.networks import open_network

TOKEN_BUDGET: Final = 2048
"""Tokens in one bulk batch: large enough to fill the cores, small enough for their caches."""
FAITHFUL_COSINE: Final = 0.999
"""A lower precision is used only while every probe's answer stays this near to float32's."""
FAITHFUL_PROBABILITY: Final = 0.01
"""And while no probability that the answers may stand for is further off: of large logits a cosine forgives too much."""
TOKENISED_AT_ONCE: Final = 1000
"""Texts: a tokenizer's own records of a text are many times larger than its ids."""
VOCABULARIES: Final = ("tokenizer.json", "vocab.txt", "vocab.json", "*.model")
PROBES: Final = (
    "A prensa hidráulica perdeu pressão durante o turno da noite.",
    "error E07, spindle will not start!!",
    "Please call me back as soon as you can, it is about the invoice from last month.",
    "ok",
    "The committee met on Tuesday to discuss the budget; after three hours, and much argument, nothing had been decided.",
)

Progress = Callable[[int, int], None]


class NoTokenizer(InvalidInput):
    def __init__(self, why: str) -> None:
        super().__init__(
            "The model's tokenizer could not be loaded: {why}. Its folder needs tokenizer.json or a vocabulary.",
            why=why,
        )


class SentenceEncoder:
    """A model folder in use. Not for several threads at once: the one that made it owns it.

    Args:
        folder: see `networks.open_network` for the layouts.
        max_length: tokens after which a text is cut; None for the model's own limit, which it may not pass.
        precision: "auto" takes bfloat16 where the processor computes in it and the model's answers stay the same.
    """

    def __init__(
        self, folder: Path, *, max_length: int | None = None, precision: Precision | Literal["auto"] = "auto"
    ) -> None:
        self._tokenizer = open_tokenizer(folder)
        self._network = open_network(folder)
        self.max_length = min(max_length or self._network.max_length, self._network.max_length)
        self.dimension = self._network.dimension
        if precision == "bfloat16":
            self._network.trunk.to(torch.bfloat16)
        self.precision: Precision = self._use_bfloat16_if_faithful() if precision == "auto" else precision

    def tokenize(self, texts: Sequence[str]) -> list[list[int]]:
        """Token ids, cut to `max_length` and never padded, whatever `tokenizer.json` says about both."""
        return token_ids_of(self._tokenizer, texts, self.max_length)

    def forward(self, token_ids: Sequence[Sequence[int] | np.ndarray]) -> np.ndarray:
        """One padded batch → float32 (len(token_ids), dimension). Raises UnfitModel."""
        ids, mask = padded(token_ids, self._tokenizer.pad_token_id or 0)
        try:
            with torch.inference_mode():
                result: np.ndarray = self._network(ids, mask).numpy()
        except IndexError as error:
            raise UnfitModel(MORE_TOKENS) from error
        return result

    def encode(self, texts: Sequence[str], progress: Progress | None = None) -> np.ndarray:
        """float32 (len(texts), dimension), in the order of `texts`. `progress(done, all)` is told after each batch."""
        if not texts:
            return np.zeros((0, self.dimension), np.float32)
        token_ids = compact_token_ids(self._tokenizer, texts, self.max_length)
        batches, inverse = length_sorted_batches([len(tokens) for tokens in token_ids], TOKEN_BUDGET)
        outputs, done = [], 0
        for batch in batches:
            outputs.append(self.forward([token_ids[index] for index in batch]))
            done += len(batch)
            if progress is not None:
                progress(done, len(texts))
        return np.concatenate(outputs)[inverse]

    def _use_bfloat16_if_faithful(self) -> Precision:
        if not has_bfloat16():
            return "float32"
        reference, trunk = self.encode(PROBES), self._network.trunk
        self._network.trunk = copy.deepcopy(trunk).to(torch.bfloat16)
        if is_faithful(reference, self.encode(PROBES)):
            return "bfloat16"
        self._network.trunk = trunk
        return "float32"


def token_ids_of(tokenizer: Any, texts: Sequence[str], max_length: int) -> list[list[int]]:
    """Token ids, cut to `max_length` and never padded, whatever `tokenizer.json` says about both."""
    encoded = tokenizer(list(texts), padding=False, truncation=True, max_length=max_length, return_attention_mask=False)
    ids: list[list[int]] = encoded["input_ids"]
    return ids


def compact_token_ids(tokenizer: Any, texts: Sequence[str], max_length: int) -> list[np.ndarray]:
    """The same for very many texts, each as int32 (tokens,)."""
    return [
        np.array(ids, dtype=np.int32)
        for start in range(0, len(texts), TOKENISED_AT_ONCE)
        for ids in token_ids_of(tokenizer, texts[start : start + TOKENISED_AT_ONCE], max_length)
    ]


def padded(token_ids: Sequence[Sequence[int] | np.ndarray], pad: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Ids and mask, both int64 (rows, length of the longest)."""
    longest = max(1, max(map(len, token_ids)))
    ids = np.full((len(token_ids), longest), pad, np.int64)
    mask = np.zeros((len(token_ids), longest), np.int64)
    for row, tokens in enumerate(token_ids):
        ids[row, : len(tokens)] = tokens
        mask[row, : len(tokens)] = 1
    return torch.from_numpy(ids), torch.from_numpy(mask)


def fingerprint(folder: Path) -> str:
    """Changes when anything does that decides a text's vector: weights, configuration, tokenizer."""
    digest = hashlib.sha256()
    for path in sorted(folder.rglob("*")):
        if path.is_file() and path.suffix in (".json", ".txt", ".model", ".safetensors"):
            with path.open("rb") as file:
                content = hashlib.file_digest(file, "sha256").digest()
            digest.update(path.relative_to(folder).as_posix().encode() + b"\0" + content)
    return digest.hexdigest()


def open_tokenizer(folder: Path) -> Any:
    """Raises NoTokenizer."""
    from transformers import AutoTokenizer

    if not any(path for pattern in VOCABULARIES for path in folder.glob(pattern)):
        # Asked all the same, transformers makes a tokenizer that knows no word, and says nothing.
        raise NoTokenizer(Sentence("no vocabulary is there"))
    try:
        return AutoTokenizer.from_pretrained(folder, local_files_only=True, trust_remote_code=False)
    except (OSError, ValueError, KeyError, ImportError) as error:
        raise NoTokenizer(str(error).splitlines()[0][:200]) from error


def is_faithful(reference: np.ndarray, answered: np.ndarray) -> bool:
    """Whether these vectors or logits may stand in for the reference: both (texts, dimension)."""
    if reference.shape != answered.shape or not np.isfinite(answered).all():
        return False
    norms = np.linalg.norm(reference, axis=1) * np.linalg.norm(answered, axis=1)
    cosines = (reference * answered).sum(1) / np.maximum(norms, 1e-12)
    difference = np.abs(_softmax(reference) - _softmax(answered))
    return bool(cosines.min() >= FAITHFUL_COSINE and difference.max() <= FAITHFUL_PROBABILITY)


def _softmax(logits: np.ndarray) -> np.ndarray:
    raised = np.exp(logits - logits.max(1, keepdims=True))
    return raised / raised.sum(1, keepdims=True)
