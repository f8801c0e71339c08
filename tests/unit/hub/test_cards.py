"""What the hub reads off a repo's files: card, tags, task, library, number of parameters."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.hub.house import House
from viveiro.hub.cards import check_card, read_card
from viveiro.hub.tags import derive_tags, infer_library, infer_pipeline_tag
from viveiro.hub.types import AddFile, AddLfsFile
from viveiro.hub.weights import count_parameters
from viveiro.types import RepoKind

CARD = "---\nlicense: mit\nlanguage: [pt, en]\ntags: [seeds]\n---\n# Seeds"


def safetensors(header: Any, *, length: int | None = None) -> bytes:
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return (len(text) if length is None else length).to_bytes(8, "little") + text


def tensor(*shape: int, dtype: str = "F32") -> dict[str, Any]:
    return {"dtype": dtype, "shape": list(shape), "data_offsets": [0, 0]}


class TestACard:
    def test_is_the_yaml_between_two_lines_of_dashes(self) -> None:
        assert read_card(CARD.encode()) == {"license": "mit", "language": ["pt", "en"], "tags": ["seeds"]}

    @pytest.mark.parametrize(
        "text", ["", "# Seeds", "---\n---\n", "---\nlicense: mit\n", "text\n---\na: 1\n---\n", "---\n- a\n---\n"]
    )
    def test_may_be_missing(self, text: str) -> None:
        assert read_card(text.encode()) == {}

    def test_means_words_as_texts(self) -> None:
        card = read_card(
            b"---\nlanguage: no\ndate: 2024-05-01\ntime: 12:30\non: off\nyes: true\nn: 5\nf: 1.5e3\nx: .nan\n---\n"
        )
        assert card == {
            "language": "no",
            "date": "2024-05-01",
            "time": "12:30",
            "on": "off",
            "yes": True,
            "n": 5,
            "f": 1500.0,
            "x": None,
        }

    def test_survives_windows_line_ends_and_a_byte_order_mark(self) -> None:
        assert read_card("\ufeff---\r\nlicense: mit\r\n---\r\n# Seeds".encode()) == {"license": "mit"}


class TestAHostileCard:
    @pytest.mark.parametrize(
        "metadata",
        [
            "a: &a [x, x, x, x, x, x, x, x, x, x]\n"
            + "".join(
                f"{b}: &{b} [{', '.join([f'*{a}'] * 10)}]\n" for a, b in zip("abcdefgh", "bcdefghi", strict=True)
            ),
            "a: &a [*a]",
            "[" * 100_000,
            "{a: " * 100_000,
            "a: " + "1" * 10_000,
            "? [a]\n: b",
            "a: *unknown",
            "!!python/object/apply:os.system [ls]",
            "a: \x00",
            "a: " + "x" * 2_000_000,
            "- a",
            "text",
            "a: b: c",
        ],
        ids=range(13),
    )
    def test_is_an_error_in_a_sentence_and_no_card(self, metadata: str) -> None:
        text = f"---\n{metadata}\n---\n"
        assert read_card(text.encode()) == {}
        report = check_card(text, RepoKind.MODEL)
        assert len(report.errors) == 1
        assert len(report.errors[0]) < 500

    @given(st.text(max_size=200))
    def test_never_breaks_a_reader(self, metadata: str) -> None:
        card = read_card(f"---\n{metadata}\n---\n".encode("utf-8", "replace"))
        assert json.loads(json.dumps(card, allow_nan=False)) == card
        assert "\0" not in json.dumps(card, ensure_ascii=False)


class TestValidation:
    def test_a_card_without_metadata_is_warned_about(self) -> None:
        for text in ("# Seeds", "---\n---\n# Seeds", "---\n{}\n---\n"):
            report = check_card(text, RepoKind.MODEL)
            assert (report.errors, len(report.warnings)) == ((), 1)

    @pytest.mark.parametrize(
        "line",
        [
            "license: {a: 1}",
            "language: [1, 2]",
            "tags: seeds",
            "pipeline_tag: [a]",
            "model-index: x",
            "model-index: [{}]",
        ],
    )
    def test_a_field_of_the_wrong_shape_is_an_error(self, line: str) -> None:
        assert len(check_card(f"---\n{line}\n---\n", RepoKind.MODEL).errors) == 1

    def test_a_good_card_has_nothing_to_be_said(self) -> None:
        report = check_card(CARD, RepoKind.DATASET)
        assert (report.errors, report.warnings) == ((), ())


class TestTags:
    def test_of_a_model(self) -> None:
        card = {
            "language": ["pt", "en"],
            "license": "apache-2.0",
            "datasets": ["acai/tickets"],
            "base_model": "acai/base",
            "base_model_relation": "finetune",
            "tags": ["seeds", "seeds"],
            "model-index": [{"name": "x", "results": []}],
        }
        tags = derive_tags(
            RepoKind.MODEL,
            card=card,
            config={"model_type": "bert"},
            files=["model.safetensors", "onnx/model.onnx", "pytorch_model.bin", "README.md"],
            body="See https://arxiv.org/abs/1908.10084 and arXiv:2104.08663.",
            library="transformers",
            pipeline_tag="text-classification",
        )
        assert tags == (
            *("transformers", "safetensors", "onnx", "pytorch", "bert", "text-classification", "seeds", "pt", "en"),
            *("dataset:acai/tickets", "base_model:acai/base", "base_model:finetune:acai/base", "model-index"),
            *("arxiv:1908.10084", "arxiv:2104.08663", "license:apache-2.0"),
        )

    def test_of_a_dataset(self) -> None:
        card = {
            "language": "en",
            "license": ["mit", "other"],
            "task_categories": ["text-classification"],
            "size_categories": "n<1K",
            "tags": ["tickets"],
        }
        tags = derive_tags(RepoKind.DATASET, card=card, config={}, files=[], body="", library=None, pipeline_tag=None)
        assert tags == (
            *("task_categories:text-classification", "language:en", "size_categories:n<1K", "tickets"),
            *("license:mit", "license:other"),
        )

    def test_that_nobody_could_filter_by_are_left_out(self) -> None:
        card = {"tags": ["", "  ", "a\nb", "x" * 201, {"a": 1}, None, True, 5], "license": {"a": 1}}
        tags = derive_tags(RepoKind.MODEL, card=card, config={}, files=[], body="", library=None, pipeline_tag=None)
        assert tags == ("5",)

    @pytest.mark.parametrize(
        ("card", "config", "files", "library", "task"),
        [
            ({}, {}, ["README.md"], None, None),
            ({"library_name": "keras"}, {"model_type": "bert"}, [], "keras", None),
            ({}, {"architectures": ["BertForSequenceClassification"]}, [], "transformers", "text-classification"),
            ({}, {"architectures": ["LlamaForCausalLM"]}, [], "transformers", "text-generation"),
            ({}, {"model_type": "bert"}, ["modules.json"], "sentence-transformers", "sentence-similarity"),
            ({"tags": ["x", "fill-mask"]}, {"model_type": "bert"}, [], "transformers", "fill-mask"),
            ({"pipeline_tag": "summarization"}, {"model_type": "t5"}, [], "transformers", "summarization"),
            ({}, {}, ["model.gguf"], "gguf", None),
            ({}, {"architectures": "no list", "model_type": 5}, [], "transformers", None),
        ],
    )
    def test_library_and_task_are_said_or_inferred(
        self, card: dict[str, Any], config: dict[str, Any], files: list[str], library: str | None, task: str | None
    ) -> None:
        assert infer_library(card, config, files) == library
        assert infer_pipeline_tag(card, config, library) == task


class TestWeights:
    def test_are_counted_by_type(self) -> None:
        content = safetensors(
            {"__metadata__": {"format": "pt"}, "a": tensor(2, 3), "b": tensor(4), "c": tensor(5, dtype="I64")}
        )
        count = count_parameters(len(content), lambda start, stop: content[start:stop])
        assert count is not None
        assert count.to_json() == {"parameters": {"F32": 10, "I64": 5}, "total": 15}

    def test_of_no_dimension_are_one_number(self) -> None:
        content = safetensors({"a": tensor()})
        count = count_parameters(len(content), lambda start, stop: content[start:stop])
        assert count is not None
        assert count.total == 1

    @pytest.mark.parametrize(
        "content",
        [
            b"",
            b"short",
            safetensors({}, length=10**18),
            safetensors({"a": tensor(1)}, length=5),
            safetensors(b"[" * 100_000),
            safetensors(b"[]"),
            safetensors(b"{}"),
            safetensors(b'{"a": 5}'),
            safetensors({"a": {"dtype": "F32"}}),
            safetensors({"a": tensor(-1)}),
            safetensors({"a": tensor(2**62, 2**62)}),
            safetensors({"a": {**tensor(), "shape": [True]}}),
            safetensors({"a": {**tensor(), "shape": 5}}),
            safetensors({"a": {**tensor(1), "dtype": {"x": 1}}}),
            safetensors({"a": {**tensor(1), "dtype": "x" * 99}}),
        ],
    )
    def test_that_are_not_what_their_name_says_are_not_counted(self, content: bytes) -> None:
        assert count_parameters(len(content), lambda start, stop: content[start:stop]) is None


class TestTheIndexOfARepo:
    def test_follows_main(self, house: House) -> None:
        repo = house.model()
        weights = safetensors({"a": tensor(100, 3)})
        house.commit(
            repo,
            AddFile("README.md", CARD.encode()),
            AddFile("config.json", b'{"model_type": "bert", "architectures": ["BertForMaskedLM"], "hidden_size": 5}'),
            AddFile("tokenizer_config.json", b'{"mask_token": "[MASK]", "model_max_length": 512}'),
            AddLfsFile("model.safetensors", house.store(weights, repo)),
        )
        now = house.again(repo)
        assert now.card["license"] == "mit"
        assert now.config == {
            "architectures": ["BertForMaskedLM"],
            "model_type": "bert",
            "tokenizer_config": {"mask_token": "[MASK]"},
        }
        assert (now.library_name, now.pipeline_tag) == ("transformers", "fill-mask")
        assert now.safetensors == {"parameters": {"F32": 300}, "total": 300}
        assert {"license:mit", "pt", "en", "safetensors", "bert", "fill-mask", "seeds"} <= set(now.tags)
        assert now.last_modified > repo.last_modified

    def test_forgets_what_main_no_longer_says(self, house: House) -> None:
        repo = house.model()
        house.write(repo, {"README.md": CARD.encode(), "config.json": b'{"model_type": "bert"}'})
        house.write(repo, {"README.md": b"---\nlicense: gpl\n---\n", "config.json": b"{}"})
        now = house.again(repo)
        assert (now.card, now.config, now.tags, now.library_name) == ({"license": "gpl"}, {}, ("license:gpl",), None)

    def test_does_not_follow_other_branches(self, house: House) -> None:
        repo = house.model()
        house.hub.create_branch(house.alice, repo, "next")
        house.write(repo, {"README.md": CARD.encode()}, revision="next")
        assert house.again(repo).card == {}
        assert house.again(repo).last_modified == repo.last_modified

    def test_adds_up_the_shards_of_one_model(self, house: House) -> None:
        repo = house.model()
        index = {"weight_map": {"a": "part-1.safetensors", "b": "part-2.safetensors", "c": "part-2.safetensors"}}
        house.commit(
            repo,
            AddFile("model.safetensors.index.json", json.dumps(index).encode()),
            AddLfsFile("part-1.safetensors", house.store(safetensors({"a": tensor(2)}), repo)),
            AddLfsFile("part-2.safetensors", house.store(safetensors({"b": tensor(3), "c": tensor(4)}), repo)),
        )
        assert house.again(repo).safetensors == {"parameters": {"F32": 9}, "total": 9}

    @pytest.mark.parametrize(
        "files",
        [
            {"config.json": b"[" * 60_000},
            {
                "config.json": b'{"architectures": {"a": 1}, "model_type": [[5]], "quantization_config": '
                + b"[" * 500
                + b"]" * 500
                + b"}"
            },
            {"config.json": b"\xff\xfe", "README.md": b"\xff---\n"},
            {"README.md": b'---\nlicense: "a\\0b"\ntags: ["c\\0d"]\n---\n'},
            {"model.safetensors.index.json": b'{"weight_map": {"a": ["x"], "b": {"c": 1}, "d": "../../etc/passwd"}}'},
            {"model.safetensors.index.json": b'{"weight_map": 5}'},
            {"model.safetensors": b"tiny"},
            {"onnx": b"a file, not a folder", "openvino/deep/x.xml": b"1"},
            {"config.json/x": b"a folder, not a file"},
        ],
        ids=range(9),
    )
    def test_does_not_mind_files_that_are_not_what_their_names_say(self, house: House, files: dict[str, bytes]) -> None:
        repo = house.model()
        made = house.write(repo, files)
        assert house.again(repo).head_sha == made.oid
