"""What the libraries around the Hub push and load: by Xet, as they do unasked, and by LFS, as they do where it is switched off."""

from collections.abc import Iterator
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from huggingface_hub import HfApi, get_safetensors_metadata
from huggingface_hub.errors import RepositoryNotFoundError

from tests.live.xet import by_xet, came_by_xet

if TYPE_CHECKING:
    from transformers import BertForSequenceClassification, BertTokenizer

pytestmark = pytest.mark.usefixtures("way")


@pytest.fixture(scope="module", params=["xet", "lfs"])
def way(request: pytest.FixtureRequest) -> Iterator[str]:
    """How large files travel between this process and the hub."""
    with by_xet() if request.param == "xet" else nullcontext():
        yield request.param


Tiny = tuple["BertForSequenceClassification", "BertTokenizer"]


@pytest.fixture(scope="module")
def tiny(way: str) -> Tiny:
    """Weights and words of its own for each way: what is there already is not sent again."""
    from transformers import BertConfig, BertForSequenceClassification, BertTokenizer

    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "belt", "motor", "is", "loose", "hot", way]
    config = BertConfig(
        vocab_size=len(words),
        hidden_size=16,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=32,
        max_position_embeddings=32,
    )
    tokenizer = BertTokenizer(vocab={word: number for number, word in enumerate(words)})
    return BertForSequenceClassification(config).eval(), tokenizer


def answers_alike(one: tuple[Any, Any], other: tuple[Any, Any]) -> bool:
    """A model and its tokenizer each. Up to rounding: that changes with where in memory the weights lie."""
    import torch

    with torch.no_grad():
        first, second = (
            model.eval()(**tokenizer("the belt is loose", return_tensors="pt")).logits
            for model, tokenizer in (one, other)
        )
    return torch.allclose(first, second, atol=1e-6)


class TestTransformers:
    @pytest.fixture(scope="class")
    @classmethod
    def pushed(cls, way: str, tiny: Tiny, alice: HfApi) -> str:
        for part in tiny:
            part.push_to_hub(f"alice/bert-by-{way}", token=alice.token)
        return f"alice/bert-by-{way}"

    def test_a_pushed_model_answers_the_same(
        self, way: str, tiny: Tiny, pushed: str, alice: HfApi, tmp_path: Path
    ) -> None:
        from transformers import AutoModelForSequenceClassification, AutoTokenizer

        assert came_by_xet(alice, pushed) == {"model.safetensors": way == "xet"}
        model = AutoModelForSequenceClassification.from_pretrained(pushed, cache_dir=tmp_path)
        assert answers_alike((model, AutoTokenizer.from_pretrained(pushed, cache_dir=tmp_path)), tiny)

    def test_the_hub_read_what_was_pushed(self, alice: HfApi, pushed: str) -> None:
        info = alice.model_info(pushed)
        assert (info.library_name, info.config["model_type"]) == ("transformers", "bert")
        assert info.safetensors.total == get_safetensors_metadata(pushed).parameter_count["F32"]

    def test_a_private_model_needs_its_owners_token(
        self, way: str, tiny: Tiny, alice: HfApi, bob: HfApi, tmp_path: Path
    ) -> None:
        from transformers import AutoModelForSequenceClassification

        private = f"alice/private-by-{way}"
        tiny[0].push_to_hub(private, private=True, token=alice.token)
        load = AutoModelForSequenceClassification.from_pretrained
        loaded = load(private, token=alice.token, cache_dir=tmp_path / "alice")
        assert answers_alike((loaded, tiny[1]), tiny)
        with pytest.raises(OSError, match="is not a local folder and is not a valid model identifier"):
            load(private, token=bob.token, cache_dir=tmp_path / "bob")

    def test_an_optional_file_that_is_missing_is_no_error(self, pushed: str) -> None:
        from transformers.utils import cached_file

        assert cached_file(pushed, "missing.json", _raise_exceptions_for_missing_entries=False) is None

    @pytest.mark.filterwarnings("ignore:Cannot enable progress bars")  # which transformers tries to after any training
    def test_a_trainer_pushes_its_checkpoints_and_what_it_made(
        self, way: str, tiny: Tiny, alice: HfApi, as_alice: None, tmp_path: Path
    ) -> None:
        from copy import deepcopy

        from datasets import Dataset
        from transformers import AutoModelForSequenceClassification, AutoTokenizer, Trainer, TrainingArguments

        model, tokenizer = deepcopy(tiny[0]), tiny[1]
        rows = Dataset.from_dict({"text": ["belt is loose", "motor is hot"] * 4, "label": [0, 1] * 4})
        arguments = TrainingArguments(
            output_dir=str(tmp_path / "run"),
            push_to_hub=True,
            hub_model_id=f"alice/trained-by-{way}",
            hub_strategy="all_checkpoints",
            hub_always_push=True,
            max_steps=4,
            save_steps=2,
            learning_rate=0.01,
            report_to=[],
            use_cpu=True,
            disable_tqdm=True,
        )
        encoded = rows.map(lambda row: tokenizer(row["text"], padding="max_length", max_length=8))
        trainer = Trainer(model, arguments, train_dataset=encoded, processing_class=tokenizer)
        trainer.train()
        trainer.push_to_hub(dataset="belts", tags=["maintenance"])
        repo = f"alice/trained-by-{way}"
        came = came_by_xet(alice, repo)
        assert {
            "model.safetensors",
            "training_args.bin",
            "checkpoint-2/optimizer.pt",
            "checkpoint-4/model.safetensors",
        } <= {*came}
        assert set(came.values()) == {way == "xet"}
        card = alice.model_info(repo).card_data
        assert {"generated_from_trainer", "maintenance"} <= set(card.tags)
        loaded = AutoModelForSequenceClassification.from_pretrained(repo, cache_dir=tmp_path / "cache")
        loaded_tokenizer = AutoTokenizer.from_pretrained(repo, cache_dir=tmp_path / "cache")
        assert answers_alike((loaded, loaded_tokenizer), (model, tokenizer))
        assert not answers_alike((loaded, tokenizer), tiny)

    @pytest.mark.filterwarnings(
        "ignore:`is_gradient_checkpointing` is deprecated:FutureWarning"
    )  # peft 0.21.2 asks for it
    def test_an_adapter_is_pushed_without_its_base_and_loaded_with_it(
        self, way: str, tiny: Tiny, pushed: str, alice: HfApi, tmp_path: Path
    ) -> None:
        import torch
        from peft import AutoPeftModelForSequenceClassification, LoraConfig, get_peft_model
        from transformers import AutoModelForSequenceClassification

        base = AutoModelForSequenceClassification.from_pretrained(pushed, cache_dir=tmp_path / "base")
        adapted = get_peft_model(base, LoraConfig(task_type="SEQ_CLS", r=2, target_modules=["query", "value"]))
        with torch.no_grad():
            for name, weights in adapted.named_parameters():
                if "lora_B" in name:  # zeros at first, which change no answer
                    weights.normal_()
        repo = f"alice/adapter-by-{way}"
        adapted.push_to_hub(repo, token=alice.token)
        assert came_by_xet(alice, repo) == {"adapter_model.safetensors": way == "xet"}
        assert {"README.md", "adapter_config.json"} <= set(alice.list_repo_files(repo))
        loaded = AutoPeftModelForSequenceClassification.from_pretrained(repo, cache_dir=tmp_path / "cache")
        assert answers_alike((loaded, tiny[1]), (adapted, tiny[1]))
        assert not answers_alike((loaded, tiny[1]), tiny)

    def test_sentence_transformers_reads_and_pushes(self, way: str, pushed: str, alice: HfApi, tmp_path: Path) -> None:
        from sentence_transformers import SentenceTransformer

        encoder = SentenceTransformer(pushed, device="cpu", cache_folder=str(tmp_path / "base"))
        repo = f"alice/encoder-by-{way}"
        encoder.push_to_hub(repo, token=alice.token)
        assert came_by_xet(alice, repo) == {"model.safetensors": way == "xet"}
        assert alice.model_info(repo).library_name == "sentence-transformers"
        again = SentenceTransformer(repo, device="cpu", cache_folder=str(tmp_path / "cache"))
        assert again.encode("hot motor").tolist() == encoder.encode("hot motor").tolist()


class TestDiffusers:
    def test_a_pushed_pipeline_draws_the_same(self, way: str, alice: HfApi, tmp_path: Path) -> None:
        import torch
        from diffusers import DDPMPipeline, DDPMScheduler, DiffusionPipeline, UNet2DModel

        network = UNet2DModel(
            sample_size=8,
            block_out_channels=(8, 8),
            layers_per_block=1,
            norm_num_groups=4,
            down_block_types=("DownBlock2D", "AttnDownBlock2D"),
            up_block_types=("AttnUpBlock2D", "UpBlock2D"),
        )
        pipeline = DDPMPipeline(network, DDPMScheduler(num_train_timesteps=10))
        repo = f"alice/pictures-by-{way}"
        pipeline.push_to_hub(repo, token=alice.token)
        assert came_by_xet(alice, repo) == {"unet/diffusion_pytorch_model.safetensors": way == "xet"}
        info = alice.model_info(repo)
        assert (info.library_name, info.card_data.library_name) == ("diffusers", "diffusers")
        again = DiffusionPipeline.from_pretrained(repo, cache_dir=tmp_path)

        def drawn(by: Any) -> Any:
            by.set_progress_bar_config(disable=True)
            return by(num_inference_steps=2, generator=torch.Generator().manual_seed(0), output_type="np").images

        assert drawn(again) == pytest.approx(drawn(pipeline), abs=1e-5)


class TestDatasets:
    @pytest.fixture(scope="class")
    @classmethod
    def pushed(cls, way: str, alice: HfApi) -> str:
        from datasets import ClassLabel, Dataset, DatasetDict

        rows = {"text": ["belt is loose", "motor is hot", f"ação {way}"], "label": ["belt", "motor", "belt"]}
        table = Dataset.from_dict(rows).cast_column("label", ClassLabel(names=["belt", "motor"]))
        splits = DatasetDict(train=table, test=table.select([2]))
        splits.push_to_hub(f"alice/tickets-by-{way}", token=alice.token)
        return f"alice/tickets-by-{way}"

    def test_a_pushed_dataset_comes_back_with_its_splits_and_labels(
        self, way: str, pushed: str, alice: HfApi, tmp_path: Path
    ) -> None:
        from datasets import load_dataset

        came = came_by_xet(alice, pushed, "dataset")
        assert came == dict.fromkeys(
            ["data/test-00000-of-00001.parquet", "data/train-00000-of-00001.parquet"], way == "xet"
        )
        loaded = load_dataset(pushed, cache_dir=str(tmp_path))
        assert {name: len(split) for name, split in loaded.items()} == {"train": 3, "test": 1}
        assert loaded["train"].features["label"].names == ["belt", "motor"]
        assert loaded["train"]["text"][2] == f"ação {way}"

    def test_it_streams_without_being_downloaded(self, pushed: str) -> None:
        from datasets import load_dataset

        first = next(iter(load_dataset(pushed, split="train", streaming=True)))
        assert first == {"text": "belt is loose", "label": 0}

    def test_plain_files_are_a_dataset(self, way: str, alice: HfApi, tmp_path: Path) -> None:
        from datasets import load_dataset

        repo = f"alice/plain-by-{way}"
        alice.create_repo(repo, repo_type="dataset")
        alice.upload_file(
            path_or_fileobj=b"a,b\n1,x\n2,y\n", path_in_repo="train.csv", repo_id=repo, repo_type="dataset"
        )
        loaded = load_dataset(repo, split="train", cache_dir=str(tmp_path))
        assert loaded.to_list() == [{"a": 1, "b": "x"}, {"a": 2, "b": "y"}]

    def test_pushing_again_replaces_the_split(self, way: str, alice: HfApi, tmp_path: Path) -> None:
        from datasets import Dataset, load_dataset

        name = f"alice/again-by-{way}"
        for rows in (3, 2):
            Dataset.from_dict({way: list(range(rows))}).push_to_hub(name, token=alice.token)
        assert len(load_dataset(name, split="train", cache_dir=str(tmp_path))) == 2

    def test_the_card_tells_the_splits(self, pushed: str, alice: HfApi) -> None:
        assert alice.dataset_info(pushed).card_data["dataset_info"]["splits"][0]["name"] == "train"


class TestFiftyShards:
    """A dataset too large for one file, read as it comes."""

    SHARDS, ROWS = 50, 500

    @pytest.fixture(scope="class")
    @classmethod
    def rows(cls, way: str) -> list[dict[str, Any]]:
        return [{"number": number, "text": f"{way} {number}" * (number % 7)} for number in range(cls.ROWS)]

    @pytest.fixture(scope="class")
    @classmethod
    def pushed(cls, way: str, rows: list[dict[str, Any]], alice: HfApi) -> str:
        """Private, as most such datasets are."""
        from datasets import Dataset

        repo = f"alice/shards-by-{way}"
        Dataset.from_list(rows).push_to_hub(repo, num_shards=cls.SHARDS, private=True, token=alice.token)
        return repo

    @pytest.fixture
    def stream(self, pushed: str, alice: HfApi) -> Any:
        from datasets import load_dataset

        return load_dataset(pushed, split="train", streaming=True, token=alice.token)

    def test_each_is_a_large_file(self, way: str, pushed: str, alice: HfApi) -> None:
        names = [f"data/train-{number:05}-of-00050.parquet" for number in range(self.SHARDS)]
        assert came_by_xet(alice, pushed, "dataset") == dict.fromkeys(names, way == "xet")

    def test_all_are_read_in_order(self, stream: Any, rows: list[dict[str, Any]]) -> None:
        assert stream.num_shards == self.SHARDS
        assert list(stream) == rows

    def test_they_are_shuffled(self, stream: Any, rows: list[dict[str, Any]]) -> None:
        shuffled = list(stream.shuffle(seed=7, buffer_size=50))
        assert shuffled != rows
        assert sorted(shuffled, key=lambda row: row["number"]) == rows

    def test_some_are_skipped_and_some_taken(self, stream: Any, rows: list[dict[str, Any]]) -> None:
        assert list(stream.skip(self.ROWS - 15).take(10)) == rows[-15:-5]
        assert list(stream.filter(lambda row: row["number"] % 100 == 3)) == rows[3::100]

    def test_one_column_is_read_alone(self, pushed: str, rows: list[dict[str, Any]], alice: HfApi) -> None:
        from datasets import load_dataset

        numbers = load_dataset(pushed, split="train", streaming=True, token=alice.token, columns=["number"])
        assert list(numbers) == [{"number": row["number"]} for row in rows]

    def test_two_machines_share_them(self, stream: Any, rows: list[dict[str, Any]]) -> None:
        from datasets.distributed import split_dataset_by_node

        halves = [list(split_dataset_by_node(stream, rank=rank, world_size=2)) for rank in range(2)]
        assert [len(half) for half in halves] == [self.ROWS // 2] * 2
        assert sorted(halves[0] + halves[1], key=lambda row: row["number"]) == rows

    def test_a_stream_goes_on_where_it_was_left(self, stream: Any, rows: list[dict[str, Any]]) -> None:
        reader = iter(stream)
        before = [next(reader) for _ in range(137)]
        stream.load_state_dict(stream.state_dict())
        assert before + list(stream) == rows

    def test_a_stranger_reads_none(self, pushed: str, bob: HfApi) -> None:
        from datasets import load_dataset
        from datasets.exceptions import DatasetNotFoundError

        # The second when this machine's cache knows a commit of it, by those who may read it.
        with pytest.raises((DatasetNotFoundError, RepositoryNotFoundError)):
            load_dataset(pushed, split="train", streaming=True, token=bob.token)
