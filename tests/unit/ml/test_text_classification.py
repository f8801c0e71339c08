import json
import random

import numpy as np
import pytest

from viveiro.ml.artefact import read_artefact
from viveiro.ml.data import OneClassOnly, TooFewRows, UnknownLabel
from viveiro.ml.embedding import SentenceEncoder
from viveiro.ml.tasks import Workplace, tasks
from viveiro.ml.tasks.text_classification import scores_of

TASK = tasks["text-classification"]

SUBJECTS = {
    "hydraulics": [
        "the pump lost pressure",
        "oil drips below the cylinder",
        "the hose burst",
        "the valve sticks",
        "pressure falls overnight",
    ],
    "electrics": [
        "the fuse blew",
        "the cable is burnt",
        "no voltage at the motor",
        "the relay clicks and nothing starts",
        "a short circuit",
    ],
    "billing": [
        "the invoice is wrong",
        "I was charged twice",
        "the payment was refused",
        "please refund the amount",
        "the price changed",
    ],
}
PLACES = [
    "on line 3",
    "since this morning",
    "again",
    "in the old hall",
    "after the audit",
    "says the night shift",
    "at the customer's",
]


def table(rows, seed):
    generator = random.Random(seed)
    pairs = [
        (f"{generator.choice(SUBJECTS[label])} {generator.choice(PLACES)}", label)
        for label in SUBJECTS
        for _ in range(rows)
    ]
    return {"text": [text for text, _ in pairs], "label": [label for _, label in pairs]}


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
        nothing = {"text": [], "label": []}
        result = TASK.train(TRAIN, nothing, TASK.Params(), Workplace(starter, tmp_path / "model", tmp_path / "cache"))
        assert result.resolved["strength"] == 0.1

    def test_an_artefact_can_be_the_base_of_another(self, trained, tmp_path):
        workplace = Workplace(trained[0].artefact, tmp_path / "model", tmp_path / "cache")
        result = TASK.train(TRAIN, VALIDATION, TASK.Params(strength=0.1, max_length=32), workplace)
        assert SentenceEncoder(result.artefact).encode(["a pump"]).shape == (1, 3)
        assert result.resolved["max_length"] == 32

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


class TestBadData:
    """Each a clear error, and no half-made artefact."""

    @pytest.mark.parametrize(
        ("train", "validation", "error"),
        [
            ({"text": ["a", "b", "c"], "label": ["x", "y", "x"]}, {"text": [], "label": []}, TooFewRows),
            ({"text": TRAIN["text"], "label": ["x"] * len(TRAIN["text"])}, {"text": [], "label": []}, OneClassOnly),
            (TRAIN, {"text": ["a"], "label": ["unheard of"]}, UnknownLabel),
        ],
    )
    def test_unusable_tables_are_refused(self, train, validation, error, starter, tmp_path):
        with pytest.raises(error):
            TASK.train(train, validation, TASK.Params(), Workplace(starter, tmp_path / "model", tmp_path / "cache"))
        assert list(tmp_path.iterdir()) == []

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
