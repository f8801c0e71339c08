"""OpenVINO on the processor: bfloat16 where it multiplies that itself, more than twice as fast as torch in float32.

A model is converted once, in a process of its own (`viveiro.ml.conversion`), because that takes torch, which is slow to
import and large to keep, and because a converter that crashes must not take the model host with it. What comes out is
kept in the cache, and a later load needs neither torch nor transformers.
"""

import json
import subprocess
import sys
import tempfile
import threading
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from importlib import import_module
from importlib.metadata import version
from pathlib import Path
from time import perf_counter
from typing import Any, ClassVar, Final, Self

import numpy as np

from viveiro.locale import Sentence
from viveiro.ml.engine import Caps, EngineUnfit, Item, Stats, engines

# Importing openvino would report the fact to its makers, unless a file in the home folder says otherwise. Without this
# package it takes its own stub instead, which does nothing: the reporting code is not even read.
sys.modules["openvino_telemetry"] = None  # type: ignore[assignment]

NAME: Final = "openvino"
MODEL_NAME: Final = "model.xml"
TOKENIZER_NAME: Final = "tokenizer.json"
RECORD_NAME: Final = "conversion.json"
FORMAT: Final = 1
WIDE_TOKENS: Final = 96
"""A lone batch with fewer runs on one core: sharing it out gains little, and loses much beside a busy neighbour."""
CONVERSION_SECONDS: Final = 600.0


@dataclass(frozen=True, slots=True)
class Conversion:
    """What a converted model needs beside its weights, and what it was made with and for."""

    precision: str
    dimension: int
    max_length: int
    pad: int
    made: dict[str, Any]

    @classmethod
    def read(cls, folder: Path) -> Self | None:
        """None where there is none, or one made by other software or for another processor."""
        try:
            conversion = cls(**json.loads((folder / RECORD_NAME).read_text(encoding="utf-8")))
        except (OSError, ValueError, TypeError):
            return None
        return conversion if conversion.made == circumstances() else None

    def write(self, folder: Path) -> None:
        (folder / RECORD_NAME).write_text(json.dumps(asdict(self)), encoding="utf-8")


def circumstances() -> dict[str, Any]:
    """What a conversion depends on, besides the model."""
    from openvino import Core

    processor = Core().get_property("CPU", "FULL_DEVICE_NAME")
    return {"format": FORMAT, "openvino": version("openvino"), "processor": processor}


def compile_model(path: Path, precision: str, *, streams: int, threads: int) -> Any:
    """Ready to run `streams` batches at once on `threads` cores in all."""
    from openvino import Core

    core = Core()
    options = {
        "INFERENCE_PRECISION_HINT": "bf16" if precision == "bfloat16" else "f32",
        "NUM_STREAMS": streams,
        "INFERENCE_NUM_THREADS": threads,
        "ENABLE_CPU_PINNING": False,  # no faster here, and two hosts would choose the same core
    }
    return core.compile_model(core.read_model(path), "CPU", options)


def padded(batch: Sequence[Item], pad: int) -> list[np.ndarray]:
    """Token ids and mask, int64 (len(batch), longest)."""
    longest = max(1, max(len(item.token_ids) for item in batch))
    ids = np.full((len(batch), longest), pad, np.int64)
    mask = np.zeros((len(batch), longest), np.int64)
    for row, item in enumerate(batch):
        ids[row, : len(item.token_ids)] = item.token_ids
        mask[row, : len(item.token_ids)] = 1
    return [ids, mask]


@engines.register(NAME)
class OpenVinoEngine:
    """One core a worker. A long text that comes alone gets all of them."""

    caps: ClassVar[Caps] = Caps(devices=("cpu",), formats=("safetensors",), batch_invariant=True, quantised=False)

    def __init__(self) -> None:
        self.workers = 1
        self._conversion: Conversion | None = None
        self._narrow: Any = None
        self._wide: Any = None
        self._tokenizer: Any = None
        self._requests = threading.local()
        self._counting = threading.Lock()
        self._texts = self._batches = 0
        self._seconds = 0.0

    def load(self, folder: Path, *, max_length: int | None = None, cache: Path | None = None, workers: int = 1) -> None:
        with tempfile.TemporaryDirectory() as scratch:
            self._open(_converted(folder, (cache or Path(scratch)) / NAME), max_length, workers)
        self.run(self.items(["warm"]))

    def _open(self, converted: Path, max_length: int | None, workers: int) -> None:
        from tokenizers import Tokenizer

        conversion = Conversion.read(converted)
        assert conversion is not None, "it was converted just now"
        limit = min(max_length or conversion.max_length, conversion.max_length)
        self._tokenizer = Tokenizer.from_file(str(converted / TOKENIZER_NAME))
        self._tokenizer.no_padding()  # whatever the file says: every text would be padded to its longest
        self._tokenizer.enable_truncation(limit)
        model, precision = converted / MODEL_NAME, conversion.precision
        self._narrow = compile_model(model, precision, streams=workers, threads=workers)
        self._wide = compile_model(model, precision, streams=1, threads=workers) if workers > 1 else self._narrow
        self.workers = workers
        self._conversion = Conversion(precision, conversion.dimension, limit, conversion.pad, conversion.made)

    def items(self, texts: Sequence[str]) -> list[Item]:
        return [Item(tuple(encoded.ids)) for encoded in self._tokenizer.encode_batch_fast(list(texts))]

    def cost(self, item: Item) -> int:
        return max(1, len(item.token_ids))

    def run(self, batch: Sequence[Item], *, alone: bool = False) -> np.ndarray:
        started = perf_counter()
        inputs = padded(batch, self._loaded.pad)
        request = self._request("wide" if alone and inputs[0].size >= WIDE_TOKENS else "narrow")
        request.infer(inputs, share_inputs=True)
        outputs: np.ndarray = request.get_output_tensor(0).data.copy()
        with self._counting:
            self._seconds += perf_counter() - started
            self._texts += len(batch)
            self._batches += 1
        return outputs

    def _request(self, kind: str) -> Any:
        """This thread's own: a request holds the inputs and outputs of one batch."""
        request = getattr(self._requests, kind, None)
        if request is None:
            request = (self._wide if kind == "wide" else self._narrow).create_infer_request()
            setattr(self._requests, kind, request)
        return request

    def stats(self) -> Stats:
        loaded = self._loaded
        return Stats(loaded.precision, loaded.dimension, loaded.max_length, self._texts, self._batches, self._seconds)

    def close(self) -> None:
        self._requests = threading.local()
        self._narrow = self._wide = self._tokenizer = self._conversion = None

    @property
    def _loaded(self) -> Conversion:
        if self._conversion is None:
            raise RuntimeError("load() comes before any other call")
        return self._conversion


def _converted(folder: Path, target: Path) -> Path:
    """A folder with the model in OpenVINO's own form: `target`, or made there now."""
    try:
        import_module("openvino")
    except ImportError as error:
        why = Sentence("it is not installed; to install it: pip install 'viveiro[openvino]'")
        raise EngineUnfit(NAME, why) from error
    if Conversion.read(target) is None:
        _convert(folder, target)
    return target


def _convert(folder: Path, target: Path) -> None:
    command = [sys.executable, "-P", "-m", "viveiro.ml.conversion", str(folder), str(target)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        try:
            _, errors = _wait(process)
        except subprocess.TimeoutExpired:
            process.kill()
            raise EngineUnfit(NAME, Sentence("its conversion took too long")) from None
    if process.returncode:
        ended = Sentence("its conversion ended with status {status}", status=process.returncode)
        raise EngineUnfit(NAME, _last_line(errors) or ended)


def _wait(process: "subprocess.Popen[bytes]") -> tuple[bytes, bytes]:
    """Its output and errors. The pipe to it stays open, so that it ends when we do."""
    assert process.stdout is not None
    assert process.stderr is not None
    stdin, process.stdin = process.stdin, None
    try:
        return process.communicate(timeout=CONVERSION_SECONDS)
    finally:
        if stdin is not None:
            stdin.close()


def _last_line(errors: bytes) -> str:
    lines = errors.decode(errors="replace").strip().splitlines()
    return lines[-1][:300].rstrip(".") if lines else ""
