"""Whatever names and texts it holds, a snippet is one program that says what it should, and no secret."""

import ast
import shlex

import pytest

from viveiro.serving.snippets import Snippet, dataset_snippets, model_snippets
from viveiro.types import RepoId

SERVER = "https://hub.example.org"
TRIAGE = RepoId("acai", "triage")
HOSTILE = "\"'`$(id)\\\n;print(1)#"


def offered(**options: object) -> dict[str, Snippet]:
    usual = {"task": "text-classification", "library": "transformers", "private": False, "deployed": True}
    snippets = model_snippets(SERVER, TRIAGE, **{**usual, **options})
    return {snippet.name: snippet for snippet in snippets}


class TestWhatIsOffered:
    @pytest.mark.parametrize(
        ("options", "names"),
        [
            ({}, ["InferenceClient", "curl", "JavaScript", "transformers", "viveiro", "hf", "git"]),
            ({"deployed": False}, ["transformers", "viveiro", "hf", "git"]),
            ({"library": None}, ["InferenceClient", "curl", "JavaScript", "viveiro", "hf", "git"]),
            ({"task": "fill-mask"}, ["hf", "git"]),
            ({"task": None, "library": None}, ["hf", "git"]),
        ],
    )
    def test_a_models_depend_on_task_library_and_endpoint(self, options: dict[str, object], names: list[str]) -> None:
        assert list(offered(**options)) == names

    @pytest.mark.parametrize(
        ("file", "call"),
        [
            ("data/train.parquet", "pd.read_parquet("),
            ("rows.csv", "pd.read_csv("),
            ("rows.jsonl", "lines=True"),
        ],
    )
    def test_pandas_reads_a_table_by_its_kind(self, file: str, call: str) -> None:
        code = {each.name: each.code for each in dataset_snippets(SERVER, TRIAGE, private=False, file=file)}["pandas"]
        assert call in code
        assert f'"hf://datasets/acai/triage/{file}"' in code

    @pytest.mark.parametrize("file", [None, "photo.jpg"])
    def test_without_a_table_there_is_nothing_for_pandas(self, file: str | None) -> None:
        assert "pandas" not in {each.name for each in dataset_snippets(SERVER, TRIAGE, private=False, file=file)}

    def test_only_a_private_repo_is_cloned_with_an_access_token(self) -> None:
        assert offered()["git"].code == "git clone https://hub.example.org/acai/triage\n"
        assert '-c http.extraHeader="Authorization: Bearer $HF_TOKEN"' in offered(private=True)["git"].code


class TestQuoting:
    def test_an_example_text_stays_a_text(self) -> None:
        found = offered(text=HOSTILE)
        assert HOSTILE in shlex.split(found["viveiro"].code)
        for name in ("InferenceClient", "transformers"):
            constants = {node.value for node in ast.walk(ast.parse(found[name].code)) if isinstance(node, ast.Constant)}
            assert HOSTILE in constants

    def test_a_hostile_file_name_stays_a_name(self) -> None:
        found = dataset_snippets(SERVER, TRIAGE, private=False, file=f"{HOSTILE}.csv")
        (code,) = [each.code for each in found if each.name == "pandas"]
        constants = {node.value for node in ast.walk(ast.parse(code)) if isinstance(node, ast.Constant)}
        assert f"hf://datasets/acai/triage/{HOSTILE}.csv" in constants
