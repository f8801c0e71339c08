"""All layers of an encoder with a head, trained on labelled texts: what `trainer` needs to know of them."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.attention import SDPBackend, sdpa_kernel

from viveiro.ml.bases import MORE_TOKENS, UnfitModel
from viveiro.ml.batching import length_sorted_batches
from viveiro.ml.device import Precision
from viveiro.ml.embedding import compact_token_ids, open_tokenizer, padded
from viveiro.ml.heads import ClassWeights
from viveiro.ml.networks import Dense, Network, open_network
from viveiro.ml.trainer import Report, Score

VALIDATION_TOKENS: Final = 4096
TOKEN_DROPOUT: Final = 0.15
"""Share of a text's tokens that a training step leaves out, so that no single word comes to decide; docs/decisions/0014."""
HEAD_SPEED: Final = 10.0
"""The head starts as the frozen encoder's best; it needs to move further in its own units than the encoder in its."""


@dataclass(frozen=True, slots=True)
class Examples:
    """Tokenised rows with what is true of them: int64 (rows,), or bool (rows, classes)."""

    token_ids: list[np.ndarray]
    truth: np.ndarray

    @property
    def lengths(self) -> np.ndarray:
        return np.array([len(ids) for ids in self.token_ids], dtype=np.int64)

    def part(self, start: int, stop: int) -> "Examples":
        return Examples(self.token_ids[start:stop], self.truth[start:stop])

    def joined(self, other: "Examples") -> "Examples":
        return Examples([*self.token_ids, *other.token_ids], np.concatenate([self.truth, other.truth]))


def tokenised(folder: Path, texts: Sequence[str], truth: np.ndarray, max_length: int) -> Examples:
    return Examples(compact_token_ids(open_tokenizer(folder), texts, max_length), truth)


class TextLearner:
    """A classifier folder (an encoder with its head) and the rows to train it on."""

    def __init__(
        self,
        folder: Path,
        train: Examples,
        validation: Examples,
        *,
        device: torch.device,
        precision: Precision,
        class_weights: ClassWeights = "none",
    ) -> None:
        self.network: Network = open_network(folder).to(device)
        self.network.autocast_trunk = precision == "bfloat16"
        self._attention = fastest_attention(device, precision)
        _leave_out_dropout(self.network)
        self._class_weights = class_weights
        self._validation = validation
        self._learn_from(train)
        self._device = device
        self._pad = open_tokenizer(folder).pad_token_id or 0
        self._vocabulary = Vocabulary(self.network.trunk, [*train.token_ids, *validation.token_ids], self._pad)

    def learn_from_all(self) -> None:
        """From the validation rows too, which then can judge no more."""
        self._learn_from(self._train.joined(self._validation))
        self._validation = self._validation.part(0, 0)

    def _learn_from(self, train: Examples) -> None:
        self.lengths = train.lengths
        self._train = train
        self._weights = row_weights(train.truth, self.network.dimension, self._class_weights)

    def parameter_groups(self, learning_rate: float) -> list[dict[str, Any]]:
        """Matrices decay; biases, scales of layer norms and embeddings do not. The head is faster."""
        head = set(self._head.parameters())
        trunk = [weight for weight in self.network.parameters() if weight not in head]
        embeddings = _embeddings(self.network)
        decaying = [weight for weight in trunk if weight.ndim > 1 and weight not in embeddings]
        steady = [weight for weight in trunk if weight.ndim <= 1 or weight in embeddings]
        return [
            {"params": decaying, "lr": learning_rate},
            {"params": steady, "lr": learning_rate, "weight_decay": 0.0},
            {"params": list(head), "lr": learning_rate * HEAD_SPEED, "weight_decay": 0.0},
        ]

    def loss(self, rows: np.ndarray) -> Tensor:
        token_ids = [self._train.token_ids[row] for row in rows]
        logits = self._logits([thinned(ids) for ids in token_ids] if self.network.training else token_ids)
        truth = torch.from_numpy(self._train.truth[rows]).to(self._device)
        weights = torch.from_numpy(self._weights[rows]).to(self._device)
        return (weights * _losses(logits, truth)).mean()

    def validate(self, report: Report) -> Score | None:
        if not len(self._validation.truth):
            return None
        logits = self.validation_logits(report)
        truth = self._validation.truth
        loss = float(_losses(torch.from_numpy(logits), torch.from_numpy(truth)).mean())
        value = macro_f1(truth, called(logits, truth))
        return Score("f1_macro", value, loss, noise=math.sqrt(value * (1 - value) / len(truth)))

    def validation_logits(self, report: Report) -> np.ndarray:
        """float32 (rows, classes), in the order of the rows."""
        self.network.eval()
        token_ids, outputs, done = self._validation.token_ids, [], 0
        batches, inverse = length_sorted_batches(self._validation.lengths.tolist(), VALIDATION_TOKENS)
        with torch.no_grad():
            for batch in batches:
                outputs.append(self._logits([token_ids[row] for row in batch]).cpu().numpy())
                done += len(batch)
                report({"stage": "validating", "done": done, "of": len(token_ids)})
        return np.concatenate(outputs)[inverse]

    def finished_network(self) -> Network:
        """On the CPU, with its whole vocabulary."""
        self._vocabulary.restore()
        return self.network.cpu()

    @property
    def layer_weights(self) -> int:
        """How many weights the encoder's layers have; embeddings are a matter of the language, not of depth and width."""
        embeddings = _embeddings(self.network.trunk)
        matrices = [
            weight for weight in self.network.trunk.parameters() if weight.ndim == 2 and weight not in embeddings
        ]
        return sum(weight.numel() for weight in matrices)

    @property
    def _head(self) -> Dense:
        head = self.network.stages[-1]
        assert isinstance(head, Dense)
        return head

    def _logits(self, token_ids: Sequence[np.ndarray]) -> Tensor:
        ids, mask = padded([self._vocabulary.compact(ids) for ids in token_ids], self._pad)
        with sdpa_kernel(self._attention):
            logits: Tensor = self.network(ids.to(self._device), mask.to(self._device))
        return logits


def _embeddings(network: nn.Module) -> set[nn.Parameter]:
    tables = [module for module in network.modules() if isinstance(module, nn.Embedding)]
    return {weight for table in tables for weight in table.parameters()}


def thinned(token_ids: np.ndarray) -> np.ndarray:
    """Without some of its tokens, but with the first, the last and one between them, drawn anew each time.

    Source: Iyyer et al. 2015, Deep unordered composition rivals syntactic methods for text classification, §3.1.
    """
    if len(token_ids) < 4:
        return token_ids
    kept = torch.rand(len(token_ids)).numpy() >= TOKEN_DROPOUT
    kept[[0, -1]] = True
    if kept.sum() == 2:
        kept[1] = True
    return token_ids[kept]


class Vocabulary:
    """While it trains, a network keeps only the embeddings of tokens that occur in its texts.

    The others have no gradient and would not move; but to an optimiser they are numbers like any other, and in a small
    encoder half of all numbers are embeddings. Raises UnfitModel.
    """

    def __init__(self, trunk: Any, token_ids: Sequence[np.ndarray], pad: int) -> None:
        self._trunk = trunk
        self._whole: Any = self._trunk.get_input_embeddings()
        size = self._whole.num_embeddings
        # Ids up to the padding's stay what they are: some networks count positions by looking for it.
        used = np.unique(np.concatenate([np.arange(pad + 1), *token_ids]))
        if used[-1] >= size:
            raise UnfitModel(MORE_TOKENS)
        self._used = torch.from_numpy(used.astype(np.int64)).to(self._whole.weight.device)
        self._compact_id = np.zeros(size, np.int64)
        self._compact_id[used] = np.arange(len(used))
        small = nn.Embedding(len(used), self._whole.embedding_dim, self._whole.padding_idx)
        small.weight = nn.Parameter(self._whole.weight.detach()[self._used].clone())
        self._trunk.set_input_embeddings(small)

    def compact(self, token_ids: np.ndarray) -> np.ndarray:
        return self._compact_id[token_ids]

    def restore(self) -> None:
        """Put the whole table back, with the trained rows in it."""
        with torch.no_grad():
            self._whole.weight[self._used] = self._trunk.get_input_embeddings().weight
        self._trunk.set_input_embeddings(self._whole)


def fastest_attention(device: torch.device, precision: Precision) -> list[SDPBackend]:
    """On a processor, torch's fused attention trains slower in bfloat16 than plain products do: 380 to 245 ms a step."""
    if device.type == "cpu" and precision == "bfloat16":
        return [SDPBackend.MATH]
    return [SDPBackend.FLASH_ATTENTION, SDPBackend.EFFICIENT_ATTENTION, SDPBackend.MATH]


def _leave_out_dropout(network: nn.Module) -> None:
    """It costs an eighth of each step, and from a good head on, banking77 ends at 0.917 without it and 0.918 with it."""
    for module in network.modules():
        if isinstance(module, nn.Dropout):
            module.p = 0.0


def row_weights(truth: np.ndarray, classes: int, class_weights: ClassWeights) -> np.ndarray:
    """What each row's loss counts, float32 in the shape of `truth`; 1 on average where classes are balanced."""
    if class_weights == "none":
        return np.ones(truth.shape, np.float32)
    if truth.ndim == 2:
        positives = truth.sum(0)
        shares = np.where(truth, positives, len(truth) - positives) / len(truth)
        return (1 / (2 * shares)).astype(np.float32)
    counts = np.bincount(truth, minlength=classes)
    return (len(truth) / (np.count_nonzero(counts) * counts[truth])).astype(np.float32)


def called(logits: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """What the outputs come down to, in the shape of `truth`."""
    return logits > 0 if truth.ndim == 2 else logits.argmax(1)


def macro_f1(truth: np.ndarray, predicted: np.ndarray) -> float:
    """Mean over the classes that occur in either."""
    classes = range(truth.shape[1]) if truth.ndim == 2 else np.union1d(truth, predicted)
    scores = []
    for number in classes:
        is_true, is_called = (each[:, number] if truth.ndim == 2 else each == number for each in (truth, predicted))
        if occurrences := int(is_true.sum() + is_called.sum()):
            scores.append(2 * int((is_true & is_called).sum()) / occurrences)
    return float(np.mean(scores)) if scores else 0.0


def _losses(logits: Tensor, truth: Tensor) -> Tensor:
    """In the shape of `truth`."""
    if truth.ndim == 2:
        return nn.functional.binary_cross_entropy_with_logits(logits, truth.to(logits.dtype), reduction="none")
    return nn.functional.cross_entropy(logits, truth, reduction="none")
