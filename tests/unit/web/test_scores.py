"""What a record says of its model, as pages show it; and what strangers may have put into one."""

from typing import Any

import pytest

from viveiro.locale import speaking, translate
from viveiro.web import scores


def score(value: float | None, low: float | None = None, high: float | None = None) -> dict[str, float | None]:
    return {"value": value, "low": low, "high": high}


def record(**fields: Any) -> dict[str, Any]:
    """Of a model that is a little better than its baselines."""
    metrics = {"accuracy": score(0.9, 0.8, 0.95), "f1_macro": score(0.88, 0.79, 0.93), "log_loss": score(0.3, 0.2, 0.4)}
    rival = {"accuracy": score(0.8, 0.7, 0.9), "f1_macro": score(0.7, 0.6, 0.8)}
    return {
        "description": {"task": "text-classification", "data": "alice/tickets"},
        "labels": ["pump", "invoice"],
        "rows": {"train": 40, "validation": 10, "test": 20},
        "metrics": metrics,
        "baselines": {"majority": {"accuracy": score(0.5), "f1_macro": score(0.3)}, "tfidf": rival},
        "gain": {"majority": score(0.58, 0.4, 0.7), "tfidf": score(0.18, 0.05, 0.3)},
        "primary": "f1_macro",
        "beats_baselines": True,
        "best_baseline": "tfidf",
        "confusion": [[9, 1], [0, 10]],
        "per_class": [],
        **fields,
    }


def read(**fields: Any) -> scores.Record:
    found = scores.read_record(record(**fields))
    assert found is not None
    return found


class TestReading:
    @pytest.mark.parametrize(
        "broken",
        [
            {},
            {"metrics": "many"},
            {**record(), "metrics": {}},
            {**record(), "gain": {}},
            {**record(), "best_baseline": "a friend"},
            {**record(), "metrics": {"f1_macro": {"value": float("nan")}}},
            {**record(), "labels": [["pump"]]},
            {**record(), "description": None},
        ],
    )
    def test_a_record_that_does_not_fit_is_none(self, broken: dict[str, Any]) -> None:
        assert scores.read_record(broken) is None

    def test_what_it_says_besides_is_not_looked_at(self) -> None:
        assert read(surprise={"deep": ["thing"]}).primary == "f1_macro"

    def test_answers_of_one_label_and_of_several_are_lists(self) -> None:
        errors = [{"row": 3, "label": "pump", "predicted": ["pump", "invoice"], "score": 0.9}]
        found = read(errors=errors).errors
        assert found is not None
        assert (found[0].label, found[0].predicted) == (["pump"], ["pump", "invoice"])


class TestVerdict:
    @pytest.mark.parametrize(
        ("fields", "kind", "words"),
        [
            ({}, "success", "better than every baseline"),
            ({"gain": {"tfidf": score(0.02, -0.03, 0.07)}}, "warning", "not beyond doubt"),
            ({"gain": {"tfidf": score(-0.1, -0.2, -0.02)}, "beats_baselines": False}, "error", "does not beat"),
        ],
    )
    def test_it_says_plainly_who_wins(self, fields: dict[str, Any], kind: str, words: str) -> None:
        found = scores.verdict(read(**fields))
        assert found.kind == kind
        assert words in found.sentence

    def test_in_the_readers_language_down_to_the_comma(self) -> None:
        with speaking("pt-BR"):
            told = translate(scores.verdict(read()).sentence)
        assert "+0,180 de macro-F1, intervalo de 95 % de +0,050 a +0,300" in told


class TestLines:
    def test_the_best_baseline_is_the_rival(self) -> None:
        assert [(line.score.value, line.rival) for line in scores.lines(read())] == [(0.9, 0.8), (0.88, 0.7)]

    def test_only_what_lies_between_0_and_1_is_drawn_as_a_bar(self) -> None:
        found = read()
        drawn = {str(line.name): line.is_unit for line in scores.lines(found, scores.every_metric(found))}
        assert drawn == {"accuracy": True, "macro-F1": True, "log loss": False}

    def test_a_score_is_told_with_its_interval_where_it_has_one(self) -> None:
        told = [str(scores.Score(**fields)) for fields in (score(0.5, 0.4, 0.6), score(0.5), score(None))]
        assert told == ["0.500 (0.400–0.600)", "0.500", "–"]

    def test_a_gain_has_its_sign(self) -> None:
        gains = {"majority": score(0.5, 0.4, 0.6), "tfidf": score(-0.02, -0.1, 0.06)}
        assert [(rival.gain_told, rival.gain_interval) for rival in scores.rivals(read(gain=gains))] == [
            ("+0.500", "+0.400 – +0.600"),
            ("−0.020", "−0.100 – +0.060"),
        ]


class TestConfusion:
    def test_shades_are_shares_of_the_row(self) -> None:
        matrix = scores.confusion(read())
        assert [label for label, _ in matrix] == ["pump", "invoice"]
        assert [[(cell.rows, cell.shade, cell.is_right) for cell in cells] for _, cells in matrix] == [
            [(9, 8, True), (1, 1, False)],
            [(0, 0, False), (10, 9, True)],
        ]

    def test_one_row_in_a_thousand_is_still_seen(self) -> None:
        assert scores.confusion(read(confusion=[[999, 1], [0, 1]]))[0][1][1].shade == 1

    @pytest.mark.parametrize("matrix", [None, [], [[1, 2, 3], [4, 5, 6]], [[1], [2]]])
    def test_none_of_what_is_no_matrix_of_the_classes(self, matrix: Any) -> None:
        assert scores.confusion(read(confusion=matrix)) == []

    def test_none_where_nobody_could_read_it(self) -> None:
        classes = scores.MOST_CLASSES_IN_MATRIX + 1
        labels, matrix = [f"class-{number}" for number in range(classes)], [[0] * classes] * classes
        assert scores.confusion(read(labels=labels, confusion=matrix)) == []


class TestClasses:
    @staticmethod
    def entry(number: int, rows: int = 5) -> dict[str, Any]:
        return {"label": f"class-{number}", "precision": 0.5, "recall": 0.5, "f1": number / 100, "rows": rows}

    def test_of_many_classes_the_weakest_stand_apart(self) -> None:
        entries = [self.entry(number) for number in range(30, 0, -1)]
        assert [entry.label for entry in scores.weakest(read(per_class=entries))] == [f"class-{n}" for n in range(1, 6)]

    def test_of_few_none_does(self) -> None:
        assert scores.weakest(read(per_class=[self.entry(number) for number in range(20)])) == []

    def test_a_class_without_test_rows_has_no_score(self) -> None:
        assert str(read(per_class=[self.entry(1, rows=0)]).per_class[0].score) == "–"


class TestThreshold:
    def test_of_two_classes_it_is_told(self) -> None:
        assert "Calling pump from a score of 0.37 on" in str(
            scores.threshold(read(curves={"threshold": 0.368, "of": "pump"}))
        )

    @pytest.mark.parametrize("curves", [{}, {"threshold": None, "of": "pump"}, {"threshold": "low", "of": "pump"}])
    def test_elsewhere_there_is_none(self, curves: dict[str, Any]) -> None:
        assert scores.threshold(read(curves=curves)) is None


class TestCards:
    def test_results_of_a_model_made_elsewhere(self) -> None:
        result = {
            "task": {"type": "text-classification"},
            "dataset": {"name": "GLUE", "split": "test"},
            "metrics": [{"type": "accuracy", "name": "Accuracy", "value": 0.91234}, {"type": "f1", "value": "90.1"}],
        }
        told = scores.scores_of_card({"model-index": [{"name": "m", "results": [result]}]})
        assert [(line.name, line.value, line.dataset, line.split) for line in told] == [
            ("Accuracy", "0.912", "GLUE", "test"),
            ("f1", "90.1", "GLUE", "test"),
        ]

    @pytest.mark.parametrize(
        "index",
        [
            None,
            "best",
            [1, "two"],
            [{"results": {}}],
            [{"results": [{"metrics": "high"}]}],
            [{"results": [{"metrics": [{}]}]}],
        ],
    )
    def test_what_has_another_form_is_left_out(self, index: Any) -> None:
        assert scores.scores_of_card({"model-index": index}) == []

    def test_examples_to_try(self) -> None:
        card = {"widget": [{"text": "the pump leaks"}, {"src": "cat.png"}, "text", {"text": 4}, {"text": "second"}]}
        assert scores.examples_of_card(card, 2) == ("the pump leaks", "second")
