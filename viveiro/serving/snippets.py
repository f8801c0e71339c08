"""How to use a repo from a program or a shell, as texts that run as they stand. Pure.

No text holds a secret: each reads HF_TOKEN from the environment. Addresses, names of files and example texts come from
outside, so each is quoted for the language that it stands in.
"""

import json
import shlex
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Final, Literal, TypeAlias
from urllib.parse import quote

from viveiro.locale import Sentence, translate
from viveiro.types import RepoId, RepoKind, RepoRef

Language: TypeAlias = Literal["python", "bash", "javascript"]

READERS: Final = {
    ".parquet": "read_parquet({path})",
    ".csv": "read_csv({path})",
    ".jsonl": "read_json({path}, lines=True)",
}
"""What pandas reads from `hf://`."""
_EXAMPLE: Final = Sentence("the text to classify")
_READ_ONCE: Final = Sentence("before the import: it is read once")
_TOKEN_TOO: Final = Sentence("the access token is read from HF_TOKEN")
_ASK: Final = {
    "text-classification": "print(client.text_classification({text}))",
    "feature-extraction": "print(client.feature_extraction({text}).shape)",
}


@dataclass(frozen=True, slots=True)
class Snippet:
    """`name` is a program's or library's own, the same in every language of people."""

    name: str
    language: Language
    code: str


def model_snippets(
    server: str,
    repo_id: RepoId,
    *,
    task: str | None,
    library: str | None,
    private: bool,
    deployed: bool,
    text: str | None = None,
) -> list[Snippet]:
    """Requests to its endpoint first, where there is one; then ways to have the model itself.

    Args:
        server: this installation's address, without a final slash.
        task: its pipeline tag.
        library: transformers, sentence-transformers or another one, as its card or files say.
        private: or gated; its files take an access token.
        text: what to ask it.
    """
    text = text or translate(_EXAMPLE)
    ref = RepoRef(RepoKind.MODEL, repo_id)
    asking = [_ask_by_python, _ask_by_curl, _ask_by_javascript] if deployed and task in _ASK else []
    return [
        *(ask(f"{server}/models/{repo_id}", task or "", text) for ask in asking),
        *_loading(server, repo_id, task, library, text, private=private),
        *([_command_line(server, _predict(repo_id, text, deployed=deployed))] if task in _ASK else []),
        _hf_download(server, ref),
        _git_clone(server, ref, private=private),
    ]


def dataset_snippets(server: str, repo_id: RepoId, *, private: bool, file: str | None = None) -> list[Snippet]:
    """Like `model_snippets`. `file` is the path of a table in the repo."""
    ref = RepoRef(RepoKind.DATASET, repo_id)
    load = f"""from datasets import load_dataset

dataset = load_dataset({_literal(str(repo_id))})
print(dataset)
"""
    return [
        Snippet("datasets", "python", _from_hub(server, load, private=private)),
        *_pandas(server, ref, file, private=private),
        _command_line(server, f"viveiro datasets check {repo_id}\n"),
        _hf_download(server, ref),
        _git_clone(server, ref, private=private),
    ]


def _ask_by_python(endpoint: str, task: str, text: str) -> Snippet:
    code = f"""import os

from huggingface_hub import InferenceClient

client = InferenceClient(
    model={_literal(endpoint)},
    token=os.environ["HF_TOKEN"],
)
{_ASK[task].format(text=_literal(text))}
"""
    return Snippet("InferenceClient", "python", code)


def _ask_by_curl(endpoint: str, _task: str, text: str) -> Snippet:
    code = f"""curl {shlex.quote(endpoint)} \\
  -H "Authorization: Bearer $HF_TOKEN" \\
  -H "Content-Type: application/json" \\
  -d {shlex.quote(_literal({"inputs": text}))}
"""
    return Snippet("curl", "bash", code)


def _ask_by_javascript(endpoint: str, _task: str, text: str) -> Snippet:
    code = f"""const response = await fetch({_literal(endpoint)}, {{
  method: "POST",
  headers: {{ Authorization: `Bearer ${{process.env.HF_TOKEN}}`, "Content-Type": "application/json" }},
  body: JSON.stringify({{ inputs: {_literal(text)} }}),
}});
console.log(await response.json());
"""
    return Snippet("JavaScript", "javascript", code)


def _loading(
    server: str, repo_id: RepoId, task: str | None, library: str | None, text: str, *, private: bool
) -> list[Snippet]:
    write = _LOADERS.get((library, task))
    if write is None:
        return []
    return [
        Snippet(
            library or "", "python", _from_hub(server, write(_literal(str(repo_id)), _literal(text)), private=private)
        )
    ]


def _classify_by_transformers(model: str, text: str) -> str:
    return f"""from transformers import pipeline

classifier = pipeline("text-classification", model={model})
print(classifier({text}))
"""


def _embed_by_transformers(model: str, text: str) -> str:
    return f"""from transformers import AutoModel, AutoTokenizer

tokenizer, encoder = AutoTokenizer.from_pretrained({model}), AutoModel.from_pretrained({model})
print(encoder(**tokenizer({text}, return_tensors="pt")).last_hidden_state.shape)
"""


def _classify_by_sentence_transformers(model: str, text: str) -> str:
    return f"""from sentence_transformers import SentenceTransformer
from transformers import AutoConfig

labels = AutoConfig.from_pretrained({model}).id2label
logits = SentenceTransformer({model}).encode({text})
print(labels[int(logits.argmax())])
"""


def _embed_by_sentence_transformers(model: str, text: str) -> str:
    return f"""from sentence_transformers import SentenceTransformer

encoder = SentenceTransformer({model})
print(encoder.encode({text}).shape)
"""


_LOADERS: Final[dict[tuple[str | None, str | None], Callable[[str, str], str]]] = {
    ("transformers", "text-classification"): _classify_by_transformers,
    ("transformers", "feature-extraction"): _embed_by_transformers,
    ("sentence-transformers", "text-classification"): _classify_by_sentence_transformers,
    ("sentence-transformers", "feature-extraction"): _embed_by_sentence_transformers,
    ("sentence-transformers", "sentence-similarity"): _embed_by_sentence_transformers,
}


def _from_hub(server: str, code: str, *, private: bool) -> str:
    token = f"# {translate(_TOKEN_TOO)}\n" if private else ""
    address = f'os.environ["HF_ENDPOINT"] = {_literal(server)}  # {translate(_READ_ONCE)}'
    return f"import os\n\n{address}\n{token}\n{code}"


def _pandas(server: str, ref: RepoRef, file: str | None, *, private: bool) -> list[Snippet]:
    read = READERS.get(PurePosixPath(file or "").suffix)
    if file is None or read is None:
        return []
    path = _literal(f"hf://{ref.url_path}/{file}")
    code = f"import pandas as pd\n\ntable = pd.{read.format(path=path)}\nprint(table.head())\n"
    return [Snippet("pandas", "python", _from_hub(server, code, private=private))]


def _predict(repo_id: RepoId, text: str, *, deployed: bool) -> str:
    deploy = "" if deployed else f"viveiro endpoints deploy {repo_id}\n"
    return f"{deploy}viveiro predict {repo_id} {shlex.quote(text)}\n"


def _command_line(server: str, commands: str) -> Snippet:
    return Snippet("viveiro", "bash", f"export VIVEIRO_URL={shlex.quote(server)} VIVEIRO_TOKEN=$HF_TOKEN\n{commands}")


def _hf_download(server: str, ref: RepoRef) -> Snippet:
    kind = "" if ref.kind is RepoKind.MODEL else f" --repo-type {ref.kind}"
    return Snippet("hf", "bash", f"export HF_ENDPOINT={shlex.quote(server)}\nhf download {ref.repo_id}{kind}\n")


def _git_clone(server: str, ref: RepoRef, *, private: bool) -> Snippet:
    """By a header, as an address with a token in it would be written to the clone's `.git/config`."""
    token = ' -c http.extraHeader="Authorization: Bearer $HF_TOKEN"' if private else ""
    return Snippet("git", "bash", f"git{token} clone {shlex.quote(f'{server}/{quote(ref.url_path)}')}\n")


def _literal(value: object) -> str:
    """Of Python and of JavaScript, as JSON's are in both."""
    return json.dumps(value, ensure_ascii=False)
