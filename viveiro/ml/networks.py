"""From a model folder to a network that turns token ids into one row of floats per text.

Three layouts are understood: sentence-transformers (`modules.json`: encoder, pooling, normalisation, dense layers),
transformers' sequence classifiers, and plain encoders, whose token vectors are averaged. Weights are safetensors only;
no code that came with a model is ever run.
"""

import json
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from viveiro.errors import InvalidInput, Unprocessable
from viveiro.locale import Sentence
from viveiro.ml.bases import UnfitModel, is_sequence_classifier
from viveiro.ml.weights import writing_weights

CONFIG_NAME: Final = "config.json"
MODULES_NAME: Final = "modules.json"
ONE_FILE: Final = "1TB"
_UNFIT: Final = (ValueError, TypeError, LookupError, AttributeError, RuntimeError, ImportError)
"""What transformers raises for a config that it does not know, and its models for inputs that are not theirs."""
PICKLES: Final = ("*.bin", "*.pt", "*.pth", "*.ckpt", "*.pkl")


class UnsafeWeights(Unprocessable):
    def __init__(self, names: list[str]) -> None:
        super().__init__(
            "The weights are pickle files ({names}), which can run code when they are opened. Only safetensors are loaded. "
            "To convert them: load the model with transformers on a machine you trust, then save_pretrained().",
            names=", ".join(names),
        )


class NoWeights(InvalidInput):
    def __init__(self) -> None:
        super().__init__(
            "The folder holds no config.json with safetensors beside it. Choose a model in transformers' layout."
        )


class DamagedWeights(Unprocessable):
    def __init__(self, why: str) -> None:
        super().__init__(
            "The model's safetensors cannot be read ({why}): they were cut off, or changed. Upload them again, or choose "
            "another model.",
            why=why,
        )


class UnknownModule(Unprocessable):
    def __init__(self, kind: str) -> None:
        super().__init__(
            "The model uses the module {kind}, which is not served. Known: Transformer, WeightedLayerPooling, Pooling, "
            "Normalize, Dense, Dropout.",
            kind=kind,
        )


class Network(nn.Module):
    """`network(token_ids, mask)`: both (batch, length) → float32 (batch, dimension).

    The trunk may be in a lower precision. What follows it stays in float32, where rounding would show.
    """

    def __init__(
        self,
        trunk: nn.Module,
        stages: nn.ModuleList,
        dimension: int,
        max_length: int,
        blend: "LayerBlend | None" = None,
    ) -> None:
        super().__init__()
        self.trunk = trunk
        self.blend = blend
        self.stages = stages
        self.dimension = dimension
        self.max_length = max_length
        self.autocast_trunk = False
        """Compute the trunk in bfloat16 from float32 weights: for training, whose small updates bfloat16 would swallow."""

    def forward(self, token_ids: Tensor, mask: Tensor) -> Tensor:
        with torch.autocast(token_ids.device.type, torch.bfloat16, enabled=self.autocast_trunk):
            output = self.trunk(input_ids=token_ids, attention_mask=mask, output_hidden_states=self.blend is not None)
        rows = output[0].float() if self.blend is None else self.blend(output.hidden_states)
        for stage in self.stages:
            rows = stage(rows, mask)
        return rows


class LayerBlend(nn.Module):
    """A weighted mean of the trunk's last layers: upper ones know the meaning, lower ones still know the words."""

    def __init__(self, weights: Tensor) -> None:
        super().__init__()
        self.register_buffer("weights", weights / weights.sum())

    @classmethod
    def from_folder(cls, folder: Path) -> "LayerBlend":
        refuse_pickles(folder)
        return cls(load_file(folder / "model.safetensors")["layer_weights"].float())

    def forward(self, layers: Sequence[Tensor]) -> Tensor:
        weights: Any = self.weights
        last = layers[-len(weights) :]
        return torch.stack([weight * layer.float() for weight, layer in zip(weights, last, strict=True) if weight]).sum(
            0
        )


class Pooling(nn.Module):
    """Token vectors to one vector. Several modes are concatenated in this order."""

    MODES: Final = ("cls", "max", "mean", "mean_sqrt_len_tokens", "lasttoken")

    def __init__(self, modes: tuple[str, ...]) -> None:
        super().__init__()
        self.modes = modes

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> "Pooling":
        """Reads both ways to write it: one list, and one flag per mode."""
        written = config.get("pooling_mode")
        if written is None:
            flags = {"cls": "cls_token", "max": "max_tokens", "mean": "mean_tokens", "lasttoken": "lasttoken"}
            written = [mode for mode in cls.MODES if config.get(f"pooling_mode_{flags.get(mode, mode)}")] or "mean"
        modes = (written,) if isinstance(written, str) else tuple(written)
        if unknown := set(modes) - set(cls.MODES):
            raise UnknownModule(f"Pooling({', '.join(sorted(unknown))})")
        return cls(modes)

    def forward(self, rows: Tensor, mask: Tensor) -> Tensor:
        real = mask.unsqueeze(-1).to(rows.dtype)
        return torch.cat([self._pool(mode, rows, real) for mode in self.modes], dim=-1)

    def _pool(self, mode: str, rows: Tensor, real: Tensor) -> Tensor:
        count = real.sum(1).clamp(min=1e-9)
        match mode:
            case "cls":
                return rows[:, 0]
            case "max":
                return rows.masked_fill(real == 0, float("-inf")).amax(1)
            case "mean":
                return (rows * real).sum(1) / count
            case "mean_sqrt_len_tokens":
                return (rows * real).sum(1) / count.sqrt()
            case _:
                last = (real.squeeze(-1).sum(1).long() - 1).clamp(min=0)
                return rows[torch.arange(len(rows)), last]


class Normalize(nn.Module):
    def forward(self, rows: Tensor, _mask: Tensor) -> Tensor:
        return nn.functional.normalize(rows, dim=-1)


class Dense(nn.Module):
    ACTIVATIONS: Final[dict[str, Callable[[], nn.Module]]] = {
        "torch.nn.modules.linear.Identity": nn.Identity,
        "torch.nn.modules.activation.Tanh": nn.Tanh,
        "torch.nn.modules.activation.ReLU": nn.ReLU,
        "torch.nn.modules.activation.GELU": nn.GELU,
    }

    def __init__(self, linear: nn.Linear, activation: nn.Module) -> None:
        super().__init__()
        self.linear = linear
        self.activation = activation

    @classmethod
    def from_folder(cls, folder: Path) -> "Dense":
        config = _read_json(folder / CONFIG_NAME)
        name = config.get("activation_function", "torch.nn.modules.activation.Tanh")
        if name not in cls.ACTIVATIONS or config.get("use_residual"):
            raise UnknownModule(f"Dense({name})")
        refuse_pickles(folder)
        linear = nn.Linear(config["in_features"], config["out_features"], bias=config.get("bias", True))
        weights = load_file(folder / "model.safetensors")
        linear.load_state_dict({name.removeprefix("linear."): tensor for name, tensor in weights.items()})
        return cls(linear, cls.ACTIVATIONS[name]())

    def forward(self, rows: Tensor, _mask: Tensor) -> Tensor:
        result: Tensor = self.activation(self.linear(rows))
        return result


def open_network(folder: Path) -> Network:
    """In evaluation mode, float32, on the CPU. Raises UnfitModel, and what else is defined here."""
    config = _read_json(folder / CONFIG_NAME) if (folder / CONFIG_NAME).exists() else {}
    if (folder / MODULES_NAME).exists():
        network = _sentence_network(folder)
    elif is_sequence_classifier(config):
        return _classifier_network(folder).eval()
    else:
        network = _encoder_network(folder, folder, nn.ModuleList([Pooling(("mean",))]))
    _try_out(network.eval())
    return network


def save_network(network: Network, folder: Path) -> None:
    """Replace the weights in the folder, which `open_network` read the network from, by the network's.

    Only names change hands: a folder's weights may be hard links to the base's, which must stay as they are.
    """
    first, *rest = _modules(folder)
    target = _inside(folder, first["path"])
    with tempfile.TemporaryDirectory(dir=folder, suffix=".partial") as scratch:
        trunk: Any = network.trunk
        with writing_weights():
            trunk.save_pretrained(scratch, max_shard_size=ONE_FILE)
        for old in [*target.glob("*.safetensors"), *target.glob("*.safetensors.index.json")]:
            old.unlink()
        for new in Path(scratch).glob("*.safetensors"):
            new.rename(target / new.name)
    kept = [module for module in rest if _kind(module) != "WeightedLayerPooling"]
    for stage, module in zip(network.stages, kept, strict=True):
        if isinstance(stage, Dense):
            path = _inside(folder, module["path"]) / "model.safetensors"
            path.unlink()
            weights = {f"linear.{name}": weight.contiguous() for name, weight in stage.linear.state_dict().items()}
            with writing_weights():
                save_file(weights, path)


def refuse_pickles(folder: Path) -> None:
    """Raises UnsafeWeights, or NoWeights, unless the folder holds safetensors."""
    if any(folder.glob("*.safetensors")):
        return
    if pickles := sorted(path.name for pattern in PICKLES for path in folder.glob(pattern)):
        raise UnsafeWeights(pickles)
    raise NoWeights


def longest_input(folder: Path) -> int:
    """Tokens that the model in the folder can read, from its configuration alone."""
    encoder_folder, written = folder, None
    if (folder / MODULES_NAME).exists():
        encoder_folder = _inside(folder, _modules(folder)[0]["path"])
        settings = encoder_folder / "sentence_bert_config.json"
        written = _read_json(settings).get("max_seq_length") if settings.exists() else None
    return _max_length(encoder_folder, written)


def _modules(folder: Path) -> list[dict[str, Any]]:
    modules: list[dict[str, Any]] = sorted(_read_json(folder / MODULES_NAME), key=lambda module: module["idx"])
    return modules


def _sentence_network(folder: Path) -> Network:
    first, *rest = _modules(folder)
    if _kind(first) != "Transformer":
        raise UnknownModule(str(first["type"]))
    blend = None
    if rest and _kind(rest[0]) == "WeightedLayerPooling":
        blend = LayerBlend.from_folder(_inside(folder, rest.pop(0)["path"]))
    stages = nn.ModuleList(_stage(_kind(module), _inside(folder, module["path"])) for module in rest)
    return _encoder_network(folder, _inside(folder, first["path"]), stages, blend)


def _encoder_network(
    folder: Path, encoder_folder: Path, stages: nn.ModuleList, blend: LayerBlend | None = None
) -> Network:
    from transformers import AutoModel

    trunk: Any = _load(AutoModel, encoder_folder)
    dimension = getattr(trunk.config, "hidden_size", None)
    if dimension is None:
        raise UnfitModel(Sentence("its vectors have no one size"))
    for stage in stages:
        if isinstance(stage, Pooling):
            dimension *= len(stage.modes)
        elif isinstance(stage, Dense):
            dimension = stage.linear.out_features
    return Network(trunk, stages, dimension, longest_input(folder), blend)


def _classifier_network(folder: Path) -> Network:
    from transformers import AutoModelForSequenceClassification

    trunk: Any = _load(AutoModelForSequenceClassification, folder)
    return Network(trunk, nn.ModuleList(), trunk.config.num_labels, longest_input(folder))


def _load(auto_class: Any, folder: Path) -> nn.Module:
    from transformers.utils import logging

    refuse_pickles(folder)
    logging.disable_progress_bar()  # type: ignore[no-untyped-call] # transformers ships half of its types
    try:
        trunk: nn.Module = auto_class.from_pretrained(
            folder,
            local_files_only=True,
            use_safetensors=True,
            trust_remote_code=False,
            dtype=torch.float32,
        )
    except SafetensorError as error:
        raise DamagedWeights(str(error)) from error
    except _UNFIT as error:
        raise UnfitModel(_reason(error)) from error
    return trunk


def _try_out(network: Network) -> None:
    """On two tokens: what reads something else than texts loads well, and fails only here."""
    token_ids = torch.zeros((1, 2), dtype=torch.int64)
    try:
        with torch.inference_mode():
            network(token_ids, torch.ones_like(token_ids))
    except _UNFIT as error:
        raise UnfitModel(_reason(error)) from error


def _reason(error: Exception) -> object:
    said = str(error) or type(error).__name__
    if "ignore_mismatched_sizes" in said:
        return Sentence("its weights have other sizes than its config.json says")
    return said.splitlines()[0].partition(". ")[0].rstrip(".")[:200]


def _stage(kind: str, folder: Path) -> nn.Module:
    match kind:
        case "Pooling":
            return Pooling.from_config(_read_json(folder / CONFIG_NAME))
        case "Normalize":
            return Normalize()
        case "Dense":
            return Dense.from_folder(folder)
        case "Dropout":
            return _Nothing()
        case unknown:
            raise UnknownModule(unknown)


class _Nothing(nn.Module):
    """What dropout does at inference."""

    def forward(self, rows: Tensor, _mask: Tensor) -> Tensor:
        return rows


def _kind(module: dict[str, Any]) -> str:
    """`sentence_transformers.models.Pooling` is Pooling, wherever a release keeps the class."""
    return str(module["type"]).rpartition(".")[2]


def _inside(folder: Path, relative: str) -> Path:
    """A module's folder. The path came with the model, so it may not lead out."""
    target = (folder / relative).resolve()
    if not target.is_relative_to(folder.resolve()):
        raise UnknownModule(relative)
    return folder / relative if relative else folder


def _max_length(folder: Path, written: int | None) -> int:
    """The fewest tokens that anything in the folder names as its limit; 512 where nothing does."""
    config = _read_json(folder / CONFIG_NAME) if (folder / CONFIG_NAME).exists() else {}
    positions = config.get("max_position_embeddings") or config.get("n_positions")
    if positions and config.get("model_type") in ("roberta", "xlm-roberta", "camembert"):
        positions -= 2  # these count positions from the padding index on
    tokenizer = folder / "tokenizer_config.json"
    tokenizer_limit = _read_json(tokenizer).get("model_max_length") if tokenizer.exists() else None
    limits = (positions, written) if written else (positions, tokenizer_limit, 512)
    return int(min(limit for limit in limits if limit))


def _read_json(path: Path) -> Any:
    return json.loads(path.read_text(encoding="utf-8"))
