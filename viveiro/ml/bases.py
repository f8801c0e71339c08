"""Which models cannot stand behind a task on texts, as far as their config.json says. Pure."""

from collections.abc import Mapping
from typing import Any, Final

from viveiro.errors import InvalidInput
from viveiro.locale import Sentence

OTHER_SENSES: Final = ("vision_config", "audio_config", "image_size", "num_mel_bins", "num_feat_extract_layers")
"""Fields of transformers' configs that only models for images or sound have."""


MORE_TOKENS: Final = Sentence("its tokenizer makes tokens of texts that its weights know nothing of")


class UnfitModel(InvalidInput):
    """Known only when it is loaded and reads its first text."""

    def __init__(self, why: object) -> None:
        super().__init__(
            "The model cannot be used for texts: {why}. Choose an encoder in transformers' layout. To see models: "
            "viveiro models list",
            why=why,
        )

    @property
    def why(self) -> object:
        return self.fields["why"]


def is_for_other_senses(config: Mapping[str, Any]) -> bool:
    return any(field in config for field in OTHER_SENSES)


def is_sequence_classifier(config: Mapping[str, Any]) -> bool:
    names = config.get("architectures")
    return isinstance(names, list) and any(str(name).endswith("ForSequenceClassification") for name in names)


def why_unfit(config: Mapping[str, Any]) -> Sentence | None:
    """Why no classifier of texts can be made of it; None where nothing speaks against it."""
    if is_for_other_senses(config):
        return Sentence("it is made for images or sound")
    if config.get("is_encoder_decoder"):
        return Sentence("it has a decoder besides its encoder, to write texts with")
    return None
