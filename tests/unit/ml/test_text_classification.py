import json
import os
import shutil
import signal
import subprocess
import sys

import numpy as np
import pytest
import torch

from tests.unit.ml.killed_run import FULL, STEP_OF_DEATH, train_here
from tests.unit.ml.training_rows import NO_ROWS, many_labels_table, table
from viveiro.ml.artefact import read_artefact
from viveiro.ml.bases import UnfitModel
from viveiro.ml.data import MissingValues, MixedLabels, NoLabels, OneClassOnly, TooFewRows, UnknownLabel
from viveiro.ml.embedding import SentenceEncoder
from viveiro.ml.tasks import Workplace, tasks
from viveiro.ml.tasks.text_classification import scores_of

TASK = tasks["text-classification"]

TRAIN, VALIDATION = table(30, 0), table(8, 1)
TEST = {
    "text": [
        "oil all over the floor under the press",
        "smoke from the switchboard",
        "your bill counts the same part two times",
    ],
    "label": ["hydraulics", "electrics", "billing"],
}


@pytest.fixture(scope="module")
def trained(starter, tmp_path_factory):
    folder = tmp_path_factory.mktemp("run")
    reports = []
    workplace = Workplace(
        starter, folder / "model", folder / "cache", reports.append, {"repo": "sentence-transformers/mini"}
    )
    return TASK.train(TRAIN, VALIDATION, TASK.Params(), workplace), reports


class TestTraining:
    """A frozen encoder and a linear head, from a table to an artefact."""

    def test_it_generalises_to_words_it_never_saw(self, trained):
        comparison = TASK.evaluate(trained[0].artefact, TRAIN, TEST)
        assert comparison.adapted.metrics["accuracy"].value == 1
        assert set(comparison.baselines) == set(comparison.gain) == {"majority", "tfidf"}
        assert [row["predicted"] for row in comparison.predictions] == TEST["label"]

    def test_every_auto_is_resolved(self, trained):
        assert trained[0].resolved["max_length"] == 256
        assert isinstance(trained[0].resolved["strength"], float)
        assert "auto" not in trained[0].resolved.values()

    def test_progress_is_told(self, trained):
        assert [report["stage"] for report in trained[1]] == ["features", "head"]

    def test_the_same_description_gives_the_same_model(self, trained, starter, tmp_path):
        again = TASK.train(TRAIN, VALIDATION, TASK.Params(), Workplace(starter, tmp_path / "model", tmp_path / "cache"))
        for name in ("9_Head/model.safetensors", "config.json", "modules.json"):
            assert (again.artefact / name).read_bytes() == (trained[0].artefact / name).read_bytes()

    def test_without_validation_rows_a_usual_penalty_is_taken(self, starter, tmp_path):
        result = TASK.train(TRAIN, NO_ROWS, TASK.Params(), Workplace(starter, tmp_path / "model", tmp_path / "cache"))
        assert result.resolved["strength"] == 0.1

    def test_an_artefact_can_be_the_base_of_another(self, trained, tmp_path):
        workplace = Workplace(trained[0].artefact, tmp_path / "model", tmp_path / "cache")
        result = TASK.train(TRAIN, VALIDATION, TASK.Params(strength=0.1, max_length=32), workplace)
        assert SentenceEncoder(result.artefact).encode(["a pump"]).shape == (1, 3)
        assert result.resolved["max_length"] == 32

    @pytest.mark.parametrize("method", ["frozen", "full"])
    def test_a_base_whose_tokenizer_knows_more_than_its_weights_is_refused(self, method, encoder_folder, tmp_path):
        from transformers import AutoTokenizer

        folder = shutil.copytree(encoder_folder, tmp_path / "base")
        tokenizer = AutoTokenizer.from_pretrained(folder)
        tokenizer.add_tokens(["press", "bill"])
        tokenizer.save_pretrained(folder)
        workplace = Workplace(folder, tmp_path / "model", tmp_path / "cache")
        with pytest.raises(UnfitModel, match="its weights know nothing of"):
            TASK.train(TRAIN, VALIDATION, TASK.Params(method=method), workplace)

    def test_a_plain_encoder_can_be_a_base(self, encoder_folder, tmp_path):
        workplace = Workplace(encoder_folder, tmp_path / "model", tmp_path / "cache")
        result = TASK.train(TRAIN, VALIDATION, TASK.Params(), workplace)
        assert SentenceEncoder(result.artefact).encode(TEST["text"]).shape == (3, 3)


class TestTheArtefact:
    """Usable without any code of ours, and nothing in it is a pickle."""

    def test_sentence_transformers_answers_with_the_same_logits(self, trained):
        from sentence_transformers import SentenceTransformer

        native = SentenceTransformer(str(trained[0].artefact), device="cpu", local_files_only=True).encode(TEST["text"])
        ours = SentenceEncoder(trained[0].artefact, precision="float32").encode(TEST["text"])
        np.testing.assert_allclose(native, ours, atol=1e-4)

    def test_a_lower_precision_moves_no_probability_by_more_than_a_hundredth(self, trained):
        exact = scores_of(SentenceEncoder(trained[0].artefact, precision="float32").encode(TEST["text"]), "softmax")
        served = scores_of(SentenceEncoder(trained[0].artefact).encode(TEST["text"]), "softmax")
        assert np.abs(exact - served).max() <= 0.01

    def test_config_names_the_labels_as_transformers_does(self, trained):
        config = json.loads((trained[0].artefact / "config.json").read_text())
        assert config["id2label"] == {"0": "billing", "1": "electrics", "2": "hydraulics"}
        assert config["architectures"] == ["BertModel"]

    def test_the_record_says_what_the_layout_cannot(self, trained):
        artefact = read_artefact(trained[0].artefact, TASK.name)
        assert (artefact.task, artefact.method, artefact.decision) == ("text-classification", "frozen", "softmax")
        assert artefact.origin == {"repo": "sentence-transformers/mini"}
        assert json.loads((trained[0].artefact / "viveiro.json").read_text())["versions"]["torch"]

    def test_it_holds_only_what_loading_needs(self, trained):
        suffixes = {path.suffix for path in trained[0].artefact.rglob("*") if path.is_file()}
        assert suffixes <= {".json", ".txt", ".safetensors"}

    def test_its_task_recognises_it(self, trained):
        folder = trained[0].artefact
        files = [path.relative_to(folder).as_posix() for path in folder.rglob("*")]
        assert TASK.recognises(json.loads((folder / "config.json").read_text()), files)


@pytest.fixture(scope="module")
def fully_trained(starter, tmp_path_factory):
    folder = tmp_path_factory.mktemp("full")
    reports = []
    workplace = Workplace(starter, folder / "model", folder / "cache", reports.append)
    return TASK.train(TRAIN, VALIDATION, TASK.Params(method="full", epochs=2), workplace), reports


class TestTrainingAllLayers:
    """The same artefact as a frozen encoder's, with other weights in it."""

    def test_it_generalises_to_words_it_never_saw(self, fully_trained):
        comparison = TASK.evaluate(fully_trained[0].artefact, TRAIN, TEST)
        assert comparison.adapted.metrics["accuracy"].value == 1

    def test_every_auto_is_resolved(self, fully_trained):
        resolved = fully_trained[0].resolved
        assert "auto" not in resolved.values()
        assert (resolved["epochs"], resolved["batch_size"]) == (2, 16)
        assert TASK.Params(**resolved).method == "full"

    def test_each_epoch_leaves_a_point_of_the_learning_curve(self, fully_trained):
        history = fully_trained[0].history
        assert [entry["epoch"] for entry in history] == [0, 1, 2]
        assert all({"validation_loss", "f1_macro"} <= set(entry) for entry in history)

    def test_progress_is_told(self, fully_trained):
        stages = [report["stage"] for report in fully_trained[1]]
        assert list(dict.fromkeys(stages)) == ["features", "head", "validating", "validated", "training"]

    def test_its_layout_is_that_of_a_frozen_one(self, fully_trained, trained):
        full, frozen = (
            {path.relative_to(result.artefact) for path in result.artefact.rglob("*")}
            for result in (fully_trained[0], trained[0])
        )
        assert full == frozen
        assert read_artefact(fully_trained[0].artefact, TASK.name).method == "full"

    def test_sentence_transformers_answers_with_the_same_logits(self, fully_trained):
        from sentence_transformers import SentenceTransformer

        folder = fully_trained[0].artefact
        native = SentenceTransformer(str(folder), device="cpu", local_files_only=True).encode(TEST["text"])
        np.testing.assert_allclose(native, SentenceEncoder(folder, precision="float32").encode(TEST["text"]), atol=1e-4)

    def test_without_validation_rows_it_trains_all_its_epochs(self, encoder_folder, tmp_path):
        workplace = Workplace(encoder_folder, tmp_path / "model", tmp_path / "cache")
        result = TASK.train(TRAIN, NO_ROWS, TASK.Params(method="full", epochs=3, patience=1), workplace)
        assert [sorted(entry) for entry in result.history] == [["epoch", "train_loss"]] * 3

    def test_the_base_is_not_written_to(self, encoder_folder, tmp_path):
        before = (encoder_folder / "model.safetensors").read_bytes()
        workplace = Workplace(encoder_folder, tmp_path / "model", tmp_path / "cache")
        TASK.train(TRAIN, VALIDATION, TASK.Params(method="full", epochs=1), workplace)
        assert (encoder_folder / "model.safetensors").read_bytes() == before


class TestAKilledRun:
    """It ends with the artefact, to the last bit, of a run that nobody disturbed."""

    def test_killed_in_the_middle_of_an_epoch_it_goes_on_from_its_checkpoint(self, encoder_folder, tmp_path):
        program = [sys.executable, "-m", "tests.unit.ml.killed_run", str(encoder_folder), str(tmp_path / "killed")]
        died = subprocess.run(program, env={**os.environ, "OMP_NUM_THREADS": "1"}, capture_output=True, text=True)
        assert died.returncode == -signal.SIGKILL, died.stderr
        assert not (tmp_path / "killed" / "model").exists()
        threads = torch.get_num_threads()
        torch.set_num_threads(1)
        resumed, steps = train_here(encoder_folder, tmp_path / "killed")
        undisturbed, _ = train_here(encoder_folder, tmp_path / "undisturbed")
        torch.set_num_threads(threads)
        assert steps[0] == STEP_OF_DEATH
        assert resumed.history == undisturbed.history
        for name in ("model.safetensors", "9_Head/model.safetensors", "viveiro.json"):
            assert (resumed.artefact / name).read_bytes() == (undisturbed.artefact / name).read_bytes()

    def test_another_learning_rate_starts_from_the_beginning(self, encoder_folder, tmp_path):
        train_here(encoder_folder, tmp_path)
        _, steps = train_here(encoder_folder, tmp_path, **{**FULL, "learning_rate": 1e-3})
        assert steps[0] == 1


@pytest.fixture(scope="module", params=["frozen", "full"])
def many_labels(request, starter, tmp_path_factory):
    folder = tmp_path_factory.mktemp("many")
    workplace = Workplace(starter, folder / "model", folder / "cache")
    params = TASK.Params(method=request.param, **({"epochs": 1} if request.param == "full" else {}))
    return TASK.train(many_labels_table(90, 0), many_labels_table(30, 1), params, workplace)


class TestManyLabels:
    """A text with any number of labels: one decision for each, from its own threshold."""

    def test_it_finds_none_one_and_two(self, many_labels):
        test = many_labels_table(30, 2)
        comparison = TASK.evaluate(many_labels.artefact, many_labels_table(120, 0), test)
        assert comparison.adapted.metrics["f1_macro"].value > 0.9
        assert comparison.predictions[1]["predicted"] == test["label"][1]

    def test_the_record_holds_a_threshold_for_each_label(self, many_labels):
        record = read_artefact(many_labels.artefact, TASK.name)
        assert record.decision == "sigmoid"
        assert len(record.thresholds) == len(record.labels) == 3
        assert (
            json.loads((many_labels.artefact / "config.json").read_text())["problem_type"]
            == "multi_label_classification"
        )

    def test_an_answer_holds_the_labels_that_reach_their_thresholds(self, many_labels):
        texts = ["nothing to report again", "the fuse blew and the price changed on line 3"]
        logits = SentenceEncoder(many_labels.artefact).encode(texts)
        answers = TASK.answers(logits, read_artefact(many_labels.artefact, TASK.name), {})
        assert [sorted(candidate["label"] for candidate in answer) for answer in answers] == [
            [],
            ["billing", "electrics"],
        ]

    def test_all_labels_can_be_asked_for(self, many_labels):
        logits = SentenceEncoder(many_labels.artefact).encode(["nothing to report again"])
        (answer,) = TASK.answers(logits, read_artefact(many_labels.artefact, TASK.name), {"top_k": 3})
        assert {candidate["label"] for candidate in answer} == set(many_labels.labels)

    def test_a_label_that_every_row_has_can_be_learnt_beside_others(self, encoder_folder, tmp_path):
        train = {"text": TRAIN["text"], "label": [["seen", *({label} - {"billing"})] for label in TRAIN["label"]]}
        workplace = Workplace(encoder_folder, tmp_path / "model", tmp_path / "cache")
        result = TASK.train(train, NO_ROWS, TASK.Params(), workplace)
        answers = SentenceEncoder(result.artefact).encode(["the pump"])
        assert scores_of(answers, "sigmoid")[0, result.labels.index("seen")] > 0.95


class TestThresholds:
    def test_two_classes_have_one_for_the_second(self, encoder_folder, tmp_path):
        two = [{role: values[:60] for role, values in TRAIN.items()}, {role: v[:16] for role, v in VALIDATION.items()}]
        workplace = Workplace(encoder_folder, tmp_path / "model", tmp_path / "cache")
        result = TASK.train(*two, TASK.Params(), workplace)
        (threshold,) = read_artefact(result.artefact, TASK.name).thresholds
        assert 0 <= threshold <= 1

    def test_more_classes_have_none(self, trained):
        assert read_artefact(trained[0].artefact, TASK.name).thresholds is None


class TestAnEstimate:
    """Before a run: what it will take, measured on a step of it."""

    @pytest.mark.parametrize("method", ["frozen", "full"])
    def test_it_names_time_memory_and_disk_and_leaves_nothing(self, method, encoder_folder, tmp_path):
        workplace = Workplace(encoder_folder, tmp_path / "model", tmp_path / "cache")
        estimate = TASK.estimate(TRAIN, VALIDATION, TASK.Params(method=method), workplace)
        assert estimate.seconds > 0
        assert estimate.memory_bytes > 50 * 2**20  # torch alone is more
        assert estimate.disk_bytes > (encoder_folder / "model.safetensors").stat().st_size
        assert list(tmp_path.iterdir()) == []

    def test_it_says_what_auto_will_mean(self, encoder_folder, tmp_path):
        workplace = Workplace(encoder_folder, tmp_path / "model", tmp_path / "cache")
        resolved = TASK.estimate(TRAIN, VALIDATION, TASK.Params(method="full"), workplace).resolved
        trained = TASK.train(TRAIN, VALIDATION, TASK.Params(method="full", strength=0.1), workplace).resolved
        assert "auto" not in trained.values()
        assert {**resolved, "strength": 0.1} == trained

    def test_long_texts_need_memory_for_the_baseline_that_counts_their_words(self, encoder_folder, tmp_path):
        workplace = Workplace(encoder_folder, tmp_path / "model", tmp_path / "cache")
        lengthened = {"text": [text + " pump" * 30_000 for text in TRAIN["text"]], "label": TRAIN["label"]}
        estimate = TASK.estimate(lengthened, NO_ROWS, TASK.Params(), workplace)
        assert estimate.memory_bytes > 100 * sum(map(len, lengthened["text"]))

    def test_more_epochs_take_longer(self, encoder_folder, tmp_path):
        workplace = Workplace(encoder_folder, tmp_path / "model", tmp_path / "cache")
        few, many = (
            TASK.estimate(TRAIN, VALIDATION, TASK.Params(method="full", epochs=epochs), workplace).seconds
            for epochs in (1, 1000)
        )
        assert many > few


class TestBadData:
    """Each a clear error, and no half-made artefact."""

    @pytest.mark.parametrize(
        ("train", "validation", "error"),
        [
            ({"text": ["a", "b", "c"], "label": ["x", "y", "x"]}, NO_ROWS, TooFewRows),
            ({**TRAIN, "label": ["x"] * len(TRAIN["text"])}, NO_ROWS, OneClassOnly),
            ({**TRAIN, "label": [["x"]] * len(TRAIN["text"])}, NO_ROWS, OneClassOnly),
            ({**TRAIN, "label": [[]] * len(TRAIN["text"])}, NO_ROWS, NoLabels),
            ({**TRAIN, "label": [["x"], *TRAIN["label"][1:]]}, NO_ROWS, MixedLabels),
            ({**TRAIN, "label": [None, *TRAIN["label"][1:]]}, NO_ROWS, MissingValues),
            ({**TRAIN, "label": [*TRAIN["label"][:-1], float("nan")]}, NO_ROWS, MissingValues),
            ({**TRAIN, "text": [" ", *TRAIN["text"][1:]]}, NO_ROWS, MissingValues),
            ({**TRAIN, "text": [None, *TRAIN["text"][1:]]}, NO_ROWS, MissingValues),
            (TRAIN, {"text": ["a"], "label": ["unheard of"]}, UnknownLabel),
        ],
    )
    @pytest.mark.parametrize("method", ["frozen", "full"])
    def test_unusable_tables_are_refused(self, method, train, validation, error, encoder_folder, tmp_path):
        workplace = Workplace(encoder_folder, tmp_path / "model", tmp_path / "cache")
        for verb in (TASK.estimate, TASK.train):
            with pytest.raises(error):
                verb(train, validation, TASK.Params(method=method), workplace)
        assert list(tmp_path.iterdir()) == []

    def test_a_row_with_a_fault_is_named_as_people_count(self, encoder_folder, tmp_path):
        train = {**TRAIN, "label": [*TRAIN["label"][:4], None, *TRAIN["label"][5:]]}
        with pytest.raises(MissingValues, match="1 rows have no usable label, the first of them row 5"):
            TASK.train(train, NO_ROWS, TASK.Params(), Workplace(encoder_folder, tmp_path / "m", tmp_path / "cache"))

    @pytest.mark.parametrize("method", ["frozen", "full"])
    def test_a_text_of_ten_megabytes_is_read_to_where_a_model_would(self, method, encoder_folder, tmp_path):
        train = {**TRAIN, "text": ["the pump " * 1_200_000, *TRAIN["text"][1:]]}
        workplace = Workplace(encoder_folder, tmp_path / "model", tmp_path / "cache")
        params = TASK.Params(method=method, strength=0.1, **({"epochs": 1} if method == "full" else {}))
        assert TASK.train(train, NO_ROWS, params, workplace).artefact.is_dir()

    def test_a_run_that_is_stopped_leaves_no_artefact(self, starter, tmp_path):
        class Stopped(Exception):
            pass

        def stop(fields):
            raise Stopped

        with pytest.raises(Stopped):
            TASK.train(
                TRAIN,
                VALIDATION,
                TASK.Params(),
                Workplace(starter, tmp_path / "out" / "model", tmp_path / "cache", stop),
            )
        assert list((tmp_path / "out").iterdir()) == []
