"""`python -m viveiro.ml.conversion FOLDER TARGET`: a model folder in OpenVINO's own form, checked against torch.

Ends with status 0 and a finished target, or with one line on standard error that says why it cannot.
"""

import os
import sys
import threading
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch

from viveiro.errors import ViveiroError
from viveiro.ml.artefact import making
from viveiro.ml.device import Precision, has_bfloat16
from viveiro.ml.embedding import PROBES, is_faithful, open_tokenizer
from viveiro.ml.engine import Item
from viveiro.ml.engines.openvino import (
    MODEL_NAME,
    TOKENIZER_NAME,
    Conversion,
    circumstances,
    compile_model,
    padded,
)
from viveiro.ml.networks import Network, open_network

LONG_PROBE: Final = " ".join(PROBES * 20)


class CannotConvert(Exception):
    pass


def convert(folder: Path, target: Path) -> None:
    """Raises CannotConvert, or ViveiroError for a folder that torch cannot load either."""
    tokenizer = open_tokenizer(folder)
    network = open_network(folder)
    with making(target) as partial:
        _save_tokenizer(tokenizer, partial)
        _save_network(network, partial / MODEL_NAME)
        pad = tokenizer.pad_token_id or 0
        probes = _probes(tokenizer, network.max_length)
        batches = [*([probe] for probe in probes), probes]
        precision = _faithful_precision(network, partial / MODEL_NAME, [padded(batch, pad) for batch in batches])
        Conversion(precision, network.dimension, network.max_length, pad, circumstances()).write(partial)


def _save_tokenizer(tokenizer: Any, folder: Path) -> None:
    """As transformers set it up: it mends more than `tokenizer.json` says."""
    backend = getattr(tokenizer, "backend_tokenizer", None)
    if backend is None:
        raise CannotConvert("its tokenizer is not one of the fast ones")
    backend.save(str(folder / TOKENIZER_NAME))


def _save_network(network: Network, path: Path) -> None:
    import openvino

    # Two rows of which one is padded: with a mask of ones alone, the tracer would see no use for it.
    example = (torch.ones((2, 8), dtype=torch.long), torch.tensor([[1] * 8, [1] * 5 + [0] * 3]))
    with torch.inference_mode(), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # what the tracer is unsure of, the probes will show
        model = openvino.convert_model(network, example_input=example)
    openvino.save_model(model, path, compress_to_fp16=False)


def _probes(tokenizer: Any, max_length: int) -> list[Item]:
    texts = [*PROBES, LONG_PROBE]
    encoded = tokenizer(texts, padding=False, truncation=True, max_length=max_length)
    return [Item(tuple(ids)) for ids in encoded["input_ids"]]


def _faithful_precision(network: Network, path: Path, batches: Sequence[Sequence[np.ndarray]]) -> Precision:
    """The fastest that answers as torch in float32 does."""
    with torch.inference_mode():
        expected = [network(*map(torch.from_numpy, batch)).numpy() for batch in batches]
    candidates: tuple[Precision, ...] = ("bfloat16", "float32") if has_bfloat16() else ("float32",)
    for precision in candidates:
        request = compile_model(path, precision, streams=1, threads=1).create_infer_request()
        answers = [request.infer(list(batch))[0].copy() for batch in batches]
        if all(map(is_faithful, expected, answers)):
            return precision
    raise CannotConvert("converted, it answers otherwise than in torch")


def _end_with_parent() -> None:
    """Its end of our standard input closes when it dies, however it dies."""
    os.read(sys.stdin.fileno(), 1)
    os._exit(1)


def main(folder: str, target: str) -> int:
    threading.Thread(target=_end_with_parent, daemon=True).start()
    torch.set_num_threads(1)
    try:
        convert(Path(folder), Path(target))
    except (CannotConvert, ViveiroError) as error:
        sys.stderr.write(f"{error}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
