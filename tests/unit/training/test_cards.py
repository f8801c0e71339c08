"""What stands in a model's card and its pictures: for machines, for readers, and against those who name things cunningly."""

import re
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import orjson
import pytest
from huggingface_hub import ModelCard
from markdown_it import MarkdownIt

from viveiro.ml.metrics import (
    Evaluation,
    boldest_errors,
    evaluate_classifier,
    evaluate_multilabel,
    length_slices,
    paired_difference,
)
from viveiro.training.cards import model_card
from viveiro.training.drawing import ticks
from viveiro.training.pictures import draw_pictures, write_pictures
from viveiro.training.wording import plain

HOSTILE = [
    "<script>alert(1)</script>",
    "a | b | c",
    "![x](javascript:alert(1))",
    "---\nlicense: evil",
    "`code` **bold** www.evil.example",
    '"><svg onload=alert(1)>\x00\x07\u202e',
]
HISTORY = [
    {"epoch": 1, "train_loss": 2.0, "validation_loss": 1.9, "f1_macro": 0.5, "best": True},
    {"epoch": 2, "train_loss": 1.0, "validation_loss": 1.2, "f1_macro": 0.8, "best": True},
    {"epoch": 3, "train_loss": 0.5, "validation_loss": 1.3, "f1_macro": 0.7, "best": False},
]
BASE_CARD = b"---\nlicense: cc-by-4.0\nlanguage: [pt, en]\ntags: [other]\n---\n# Base"
SVG = "{http://www.w3.org/2000/svg}"


def record_of(labels: list[str], *, rows: int = 200, skill: float = 2.5, **changes: Any) -> dict[str, Any]:
    """What a run writes of a model that is right more often than chance."""
    generator = np.random.default_rng(0)
    truth = np.r_[np.arange(len(labels)), generator.integers(0, len(labels), rows - len(labels))]
    ours, theirs = (scored(generator, truth, len(labels), gain) for gain in (skill, 1.5))
    predicted = ours.argmax(1)
    adapted = evaluate_classifier(truth, predicted, labels, scores=ours)
    baseline = evaluate_classifier(truth, theirs.argmax(1), labels, scores=theirs)
    gain = paired_difference(truth, predicted, theirs.argmax(1), len(labels))
    names = [
        {"label": labels[true], "predicted": labels[called], "score": float(row.max())}
        for true, called, row in zip(truth, predicted, ours, strict=True)
    ]
    slices = length_slices(np.arange(rows), predicted == truth)
    record = {**shared(adapted, baseline, labels), "gain": {"majority": gain.to_json(), "tfidf": gain.to_json()}}
    counts = Counter(truth.tolist())
    record |= {"errors": boldest_errors(names), "slices": slices, "confused": adapted.confused}
    record["balance"] = {label: {"train": 3 * counts[k], "test": counts[k]} for k, label in enumerate(labels)}
    return as_stored({**record, **changes})


def multilabel_record(labels: list[str]) -> dict[str, Any]:
    generator = np.random.default_rng(0)
    truth = generator.random((120, len(labels))) < 0.3
    scores = 0.5 * truth + 0.5 * generator.random(truth.shape)
    adapted = evaluate_multilabel(truth, scores, labels, [0.45] * len(labels))
    baseline = evaluate_multilabel(truth, scores / 2, labels, [0.3] * len(labels))
    gain = paired_difference(truth, scores >= 0.45, scores / 2 >= 0.3, len(labels)).to_json()
    return as_stored({**shared(adapted, baseline, labels), "gain": {"majority": gain, "tfidf": gain}})


def scored(generator: np.random.Generator, truth: np.ndarray, classes: int, skill: float) -> np.ndarray:
    logits = generator.normal(size=(len(truth), classes))
    logits[np.arange(len(truth)), truth] += skill
    raised: np.ndarray = np.exp(logits)
    return raised / raised.sum(1, keepdims=True)


def shared(adapted: Evaluation, baseline: Evaluation, labels: list[str]) -> dict[str, Any]:
    told = adapted.to_json()
    return {
        "run_id": "r1",
        "description": {
            "task": "text-classification",
            "data": "acai/tickets@" + "a" * 40,
            "base": "acai/encoder@" + "b" * 40,
            "columns": {"text": "what | happened", "label": "<b>kind</b>"},
            "params": {"method": "full", "learning_rate": 0.0002, "seed": 7},
            "publish": "acai/triage",
        },
        "labels": labels,
        "rows": {"train": 500, "validation": 60, "test": adapted.rows, "left_out": 4},
        **{name: told[name] for name in ("metrics", "per_class", "confusion", "curves")},
        "baselines": {"majority": baseline.to_json()["metrics"], "tfidf": baseline.to_json()["metrics"]},
        "primary": "f1_macro",
        "beats_baselines": True,
        "best_baseline": "tfidf",
        "history": HISTORY,
        "seconds": {"train": 12.5},
        "environment": {"viveiro": "0.1.0", "torch": "2.13.0"},
        "findings": [{"severity": "warning", "message": "3 rows of <x> were left out."}],
    }


def as_stored(record: Mapping[str, Any]) -> dict[str, Any]:
    """NaN has become null, as in the run's record."""
    stored: dict[str, Any] = orjson.loads(orjson.dumps(record, option=orjson.OPT_SERIALIZE_NUMPY))
    return stored


def card_of(record: Mapping[str, Any]) -> str:
    return model_card(record, BASE_CARD, draw_pictures(record))


def rendered(card: str) -> str:
    return MarkdownIt("commonmark").enable("table").render(card.split("\n---\n", 1)[1])


def parsed(svg: str) -> ElementTree.Element:
    return ElementTree.fromstring(svg)  # noqa: S314 - drawn by us a moment ago


FAULTS = ["hydraulics", "electrics", "spindle"]


class TestMetadata:
    """The official client reads it, and finds what the run measured."""

    def test_the_scores_survive_a_round_trip(self, tmp_path: Path) -> None:
        record = record_of(FAULTS)
        (tmp_path / "README.md").write_text(card_of(record))
        card = ModelCard.load(tmp_path / "README.md")
        found = {result.metric_name: result.metric_value for result in card.data.eval_results}
        assert found["F1 (macro)"] == record["metrics"]["f1_macro"]["value"]
        assert found["expected calibration error"] == record["metrics"]["ece"]["value"]
        assert {result.dataset_revision for result in card.data.eval_results} == {"a" * 40}
        assert card.data.model_name == "acai/triage"

    def test_it_says_where_the_model_comes_from(self) -> None:
        data = ModelCard(card_of(record_of(FAULTS))).data
        assert (data.base_model, data.datasets) == ("acai/encoder", ["acai/tickets"])
        assert (data.pipeline_tag, data.library_name) == ("text-classification", "sentence-transformers")
        assert (data.license, data.language, data.tags) == ("cc-by-4.0", ["pt", "en"], ["viveiro"])

    def test_of_a_base_without_a_card_nothing_is_inherited(self) -> None:
        data = ModelCard(model_card(record_of(FAULTS), b"")).data
        assert (data.license, data.language) == (None, None)

    def test_a_score_that_is_not_defined_is_left_out(self) -> None:
        record = record_of(FAULTS)
        record["metrics"]["roc_auc"] = {"value": None, "low": None, "high": None}
        names = [result.metric_name for result in ModelCard(card_of(record)).data.eval_results]
        assert "ROC AUC" not in names


class TestWhatItTells:
    def test_every_score_stands_beside_both_baselines_with_its_interval(self) -> None:
        record = record_of(FAULTS)
        card = card_of(record)
        score = record["metrics"]["accuracy"]
        assert f"| **this model** | {score['value']:.3f} ({score['low']:.3f}–{score['high']:.3f}) |" in card
        assert "| TF-IDF and a linear model |" in card
        assert f"{record['gain']['tfidf']['low']:+.3f} to" in card

    def test_where_a_baseline_wins_it_says_so_first(self) -> None:
        card = card_of(record_of(FAULTS, beats_baselines=False))
        assert card.index("**This model does not beat a simple baseline") < card.index("## ")

    def test_a_lead_within_chance_is_no_victory(self) -> None:
        gain = {"value": 0.01, "low": -0.02, "high": 0.04}
        card = card_of(record_of(FAULTS, gain={"majority": gain, "tfidf": gain}))
        assert "not beyond doubt (+0.010 F1 (macro), 95 % interval -0.020 to +0.040)" in card

    def test_each_setting_each_revision_and_each_version_is_there(self) -> None:
        card = card_of(record_of(FAULTS))
        for said in ("| learning\\_rate | 0\\.0002 |", "| seed | 7 |", "b" * 40, "a" * 40, "torch 2\\.13\\.0"):
            assert said in card

    def test_of_many_classes_the_weakest_come_first_and_the_rest_are_folded(self) -> None:
        record = record_of([f"class {number}" for number in range(30)], rows=400)
        card = card_of(record)
        weakest = min(record["per_class"], key=lambda entry: entry["f1"])["label"]
        assert card.index(f"| {weakest} |") < card.index("<summary>All 30 classes</summary>")

    def test_a_class_without_test_rows_has_no_score_and_is_named(self) -> None:
        record = record_of(FAULTS)
        record["per_class"][1] |= {"rows": 0, "f1": 0.0, "f1_low": None, "f1_high": None}
        card = card_of(record)
        assert "| electrics | " in card
        assert "Never tested, for want of rows: electrics." in card

    def test_a_length_at_which_it_is_worse_is_a_limit(self) -> None:
        part = {"by": "characters", "from": 200, "to": 900, "rows": 50}
        worse = {**part, "accuracy": {"value": 0.2, "low": 0.1, "high": 0.3}}
        assert "worse on texts of 200 to 900 characters" in card_of(record_of(FAULTS, slices=[worse]))

    def test_without_an_error_it_says_how_many_could_still_be(self) -> None:
        assert "leaves room for 3.0% of errors" in card_of(record_of(FAULTS, rows=100, skill=50))

    def test_with_many_labels_a_row_it_shows_their_thresholds(self) -> None:
        card = card_of(multilabel_record(FAULTS))
        assert "Gives each text any number of 3 labels" in card
        assert "given from |" in card
        assert "cannot say that none fits" not in card

    def test_it_says_how_to_use_the_model_and_how_to_make_it_again(self) -> None:
        card = card_of(record_of(FAULTS))
        for line in (
            "client.text_classification",
            "/models/acai/triage",
            'viveiro predict acai/triage "',
            "runs reproduce acai/triage",
        ):
            assert line in card


class TestHostileNames:
    """Labels and columns are written by strangers. In a card they are text, and nothing else."""

    def test_no_markup_of_theirs_is_rendered(self) -> None:
        html = rendered(card_of(record_of(HOSTILE)))
        for harm in ("<script", "<svg", "<b>kind", 'javascript:alert(1)"', "<strong>bold", "<code>code"):
            assert harm not in html
        assert "&lt;script&gt;alert(1)&lt;/script&gt;" in html

    def test_no_cell_of_a_table_is_split(self) -> None:
        html = rendered(card_of(record_of(HOSTILE)))
        rows = re.findall(r"<tr>.*?</tr>", html, re.DOTALL)
        named = [row for row in rows if "a | b | c" in row and "–" in row]
        assert [row.count("<td") for row in named] == [5]

    def test_the_metadata_stays_ours(self) -> None:
        assert ModelCard(card_of(record_of(HOSTILE))).data.license == "cc-by-4.0"

    @pytest.mark.parametrize(
        "text", ["- - -", "# x", "1. y", "a\r\n\r\n<div>", "\\", "&lt;", "http://evil.example", "~~x~~"]
    )
    def test_plain_text_is_rendered_as_it_is_written(self, text: str) -> None:
        html = MarkdownIt("commonmark").render(f"said {plain(text)} here")
        inside = html.removeprefix("<p>").removesuffix("</p>\n")
        assert "<" not in inside
        shown = inside.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")
        assert shown == f"said {' '.join(text.split())} here"


class TestPictures:
    """SVG by hand: valid whatever the names, told in words, in both themes."""

    @pytest.mark.parametrize("labels", [["ham", "spam"], HOSTILE, [f"intent {n}" for n in range(60)]])
    def test_each_is_well_formed_and_runs_nothing(self, labels: list[str]) -> None:
        pictures = draw_pictures(record_of(labels))
        assert [picture.name for picture in pictures] == [
            "comparison",
            "confusion",
            "roc",
            "precision_recall",
            "calibration",
            "balance",
            "learning",
        ]
        for picture in pictures:
            tags = {element.tag.removeprefix(SVG) for element in parsed(picture.svg).iter()}
            assert tags <= {"svg", "title", "desc", "style", "rect", "text", "line", "circle", "path"}
            assert " on" not in re.sub(r">[^<]*<", "><", picture.svg)

    def test_each_says_in_words_what_it_shows(self) -> None:
        for picture in draw_pictures(record_of(FAULTS)):
            root = parsed(picture.svg)
            assert root.findtext(f"{SVG}title") == picture.title
            assert root.findtext(f"{SVG}desc") == picture.description
            assert root.get("role") == "img"
            assert "prefers-color-scheme:dark" in picture.svg

    def test_the_card_shows_each_of_them(self, tmp_path: Path) -> None:
        record = record_of(FAULTS)
        pictures = write_pictures(tmp_path, record)
        shown = re.findall(r"\]\((pictures/\w+\.svg)\)", model_card(record, BASE_CARD, pictures))
        assert sorted(shown) == sorted(picture.path for picture in pictures)
        assert all((tmp_path / path).read_text().startswith("<svg") for path in shown)

    def test_nothing_is_drawn_that_was_not_measured(self) -> None:
        record = record_of(FAULTS, history=[], confusion=None, curves={}, balance={})
        assert [picture.name for picture in draw_pictures(record)] == ["comparison"]
        assert "pictures/roc" not in card_of(record)

    def test_with_many_labels_a_row_there_is_no_confusion(self) -> None:
        names = [picture.name for picture in draw_pictures(multilabel_record(FAULTS))]
        assert names == ["comparison", "roc", "precision_recall", "calibration", "learning"]

    def test_learning_without_validation_rows_shows_the_loss_alone(self) -> None:
        history = [{"epoch": n, "train_loss": 1 / n} for n in (1, 2, 3)]
        learning = draw_pictures(record_of(FAULTS, history=history))[-1]
        assert learning.description == "3 epochs; the last training loss is 0.333."

    def test_the_threshold_is_marked_where_it_was_chosen(self) -> None:
        record = record_of(["ham", "spam"])
        record["curves"]["threshold"] = 0.37
        drawn = {picture.name: picture for picture in draw_pictures(record)}
        assert "At threshold 0.37" in drawn["precision_recall"].svg

    @pytest.mark.parametrize(
        ("low", "high", "expected"),
        [
            (0, 1, [0, 0.2, 0.4, 0.6, 0.8, 1]),
            (1, 10, [2, 4, 6, 8, 10]),
            (0, 0.034, [0, 0.01, 0.02, 0.03]),
            (3, 3, [3]),
        ],
    )
    def test_axes_are_marked_at_round_values(self, low: float, high: float, expected: list[float]) -> None:
        assert ticks(low, high) == expected
