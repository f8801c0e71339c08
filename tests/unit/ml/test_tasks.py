import subprocess
import sys

import numpy as np
import pytest
from pydantic import ValidationError

from viveiro.errors import InvalidInput
from viveiro.ml.artefact import Artefact
from viveiro.ml.tasks import TrainableTask, tasks
from viveiro.ml.texts import LONGEST_TEXT, EmptyText, TextTooLong

TRAINABLE = [name for name in tasks if isinstance(tasks[name], TrainableTask)]


@pytest.mark.parametrize("name", list(tasks))
class TestEveryTask:
    """Whoever adds a task file gets these."""

    def test_it_is_named_by_its_pipeline_tag(self, name):
        assert tasks[name].name == name

    def test_it_introduces_itself_in_both_languages(self, name):
        assert set(tasks[name].title) == {"en", "pt-BR"}

    def test_every_field_of_a_request_explains_itself(self, name):
        fields = tasks[name].Request.model_fields
        assert [field for field in fields if not fields[field].description] == []

    def test_it_takes_one_text_and_several(self, name):
        task = tasks[name]
        for inputs, texts in (("a  pump\n", ["a pump"]), (["a", "b"], ["a", "b"])):
            assert task.inputs_of(task.Request.model_validate({"inputs": inputs}))[0] == texts

    @pytest.mark.parametrize("inputs", [None, 7, [1], {"text": "a"}, b"a"])
    def test_it_refuses_what_is_no_text(self, name, inputs):
        with pytest.raises(ValidationError):
            tasks[name].Request.model_validate({"inputs": inputs})

    @pytest.mark.parametrize("inputs", ["", " \n", [], ["a", " "]])
    def test_it_refuses_empty_texts(self, name, inputs):
        task = tasks[name]
        with pytest.raises(EmptyText):
            task.inputs_of(task.Request.model_validate({"inputs": inputs}))

    def test_it_refuses_endless_texts(self, name):
        task = tasks[name]
        with pytest.raises(TextTooLong, match="inputs\\[1\\]"):
            task.inputs_of(task.Request.model_validate({"inputs": ["a", "a" * (LONGEST_TEXT + 1)]}))

    @pytest.mark.parametrize("config", [{}, {"architectures": 5}])
    def test_it_recognises_no_folder_without_a_model(self, name, config):
        assert not tasks[name].recognises(config, ["README.md"])


@pytest.mark.parametrize("name", TRAINABLE)
class TestEveryTrainableTask:
    def test_it_starts_from_its_defaults_alone(self, name):
        tasks[name].Params()

    def test_every_parameter_explains_itself(self, name):
        fields = tasks[name].Params.model_fields
        assert [field for field in fields if not fields[field].description] == []

    def test_an_unknown_parameter_is_refused(self, name):
        with pytest.raises(ValidationError, match="lrr"):
            tasks[name].Params(lrr=1)

    def test_it_guesses_its_columns_by_their_usual_names(self, name):
        task = tasks[name]
        table = {column.usual_names[0].upper(): ["a", "b"] for column in task.columns}
        assert task.guess_columns(table) == {column.role: column.usual_names[0].upper() for column in task.columns}


class TestTheRegistry:
    def test_a_misspelt_task_is_met_with_the_nearest(self):
        with pytest.raises(InvalidInput, match="Did you mean 'text-classification'"):
            tasks["text-clasification"]

    def test_knowing_the_tasks_and_engines_imports_no_tensors(self):
        program = (
            "import sys, viveiro.ml.tasks, viveiro.ml.engines;"
            "print(sorted({'torch', 'transformers', 'sklearn', 'tokenizers'} & set(sys.modules)))"
        )
        result = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
        assert result.stdout.strip() == "[]"


class TestRecognition:
    """Which task serves a repo, from its config and the names of its files."""

    @pytest.mark.parametrize(
        ("config", "files", "expected"),
        [
            ({"model_type": "bert", "architectures": ["BertModel"]}, ["modules.json"], "feature-extraction"),
            ({"model_type": "bert", "architectures": ["BertForMaskedLM"]}, [], "feature-extraction"),
            ({"model_type": "bert", "architectures": 5}, [], "feature-extraction"),
            ({"model_type": "bert", "architectures": ["BertForSequenceClassification"]}, [], "text-classification"),
            (
                {"model_type": "bert", "id2label": {"0": "a", "1": "b"}},
                ["modules.json", "viveiro.json"],
                "text-classification",
            ),
        ],
    )
    def test_rule(self, config, files, expected):
        assert [name for name in tasks if tasks[name].recognises(config, files)] == [expected]

    @pytest.mark.parametrize(
        "config",
        [
            {"model_type": "vit", "image_size": 224},
            {"model_type": "clip", "text_config": {}, "vision_config": {}},
            {"model_type": "whisper", "num_mel_bins": 80, "is_encoder_decoder": True},
            {
                "model_type": "wav2vec2",
                "num_feat_extract_layers": 7,
                "architectures": ["HubertForSequenceClassification"],
            },
        ],
    )
    def test_models_for_images_and_sound_are_none_of_theirs(self, config):
        assert [name for name in tasks if tasks[name].recognises(config, [])] == []


class TestGuessingColumns:
    """Text classification finds its columns by values where the names say nothing."""

    def test_the_longest_strings_are_the_text_and_the_most_repetitive_the_label(self):
        table = {
            "id": [str(number) for number in range(20)],
            "relato": [f"the press number {number} stopped in the night" for number in range(20)],
            "setor": ["mechanics", "electrics"] * 10,
        }
        assert tasks["text-classification"].guess_columns(table) == {"text": "relato", "label": "setor"}

    def test_what_fits_no_role_is_not_guessed(self):
        assert tasks["text-classification"].guess_columns({"id": ["1", "2", "3"]}) == {}


class TestAnswers:
    """Model outputs in the Hugging Face task format."""

    ARTEFACT = Artefact("text-classification", ("a", "b", "c"))
    OUTPUTS = np.array([[0.0, 2.0, 1.0]], np.float32)

    def answer(self, **parameters):
        (answer,) = tasks["text-classification"].answers(self.OUTPUTS, self.ARTEFACT, parameters)
        return answer

    def test_all_labels_come_likeliest_first_and_add_up_to_one(self):
        assert [candidate["label"] for candidate in self.answer()] == ["b", "c", "a"]
        assert sum(candidate["score"] for candidate in self.answer()) == pytest.approx(1)

    @pytest.mark.parametrize("top_k", [0, 10**23, "9" * 23])
    def test_no_more_labels_are_asked_for_than_a_message_can_say(self, top_k):
        with pytest.raises(ValidationError, match="top_k"):
            tasks["text-classification"].Request.model_validate({"inputs": "a", "parameters": {"top_k": top_k}})

    def test_top_k_cuts_the_list(self):
        assert [candidate["label"] for candidate in self.answer(top_k=1)] == ["b"]

    @pytest.mark.parametrize(("function", "score"), [("none", 2.0), ("sigmoid", 1 / (1 + np.exp(-2)))])
    def test_the_function_can_be_chosen(self, function, score):
        assert self.answer(function_to_apply=function)[0]["score"] == pytest.approx(score)

    def test_vectors_can_be_normalised(self):
        (vector,) = tasks["feature-extraction"].answers(
            self.OUTPUTS, Artefact("feature-extraction"), {"normalize": True}
        )
        assert np.linalg.norm(vector) == pytest.approx(1)
