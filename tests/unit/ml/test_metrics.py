import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics as sklearn_metrics
from sklearn.metrics import f1_score, log_loss, precision_score, recall_score, roc_auc_score

from viveiro.ml.baselines import majority, tfidf
from viveiro.ml.metrics import (
    boldest_errors,
    choose_thresholds,
    evaluate_classifier,
    evaluate_multilabel,
    length_slices,
    paired_difference,
)

LABELS = ["cnc", "press", "robot"]
EXACTLY = {"rel": 1e-9, "abs": 1e-9}
AVERAGED = (("f1", f1_score), ("precision", precision_score), ("recall", recall_score))


def single_label(rows, classes, seed):
    """Truth and probabilities: rows called right more often than not, some scores equal."""
    generator = np.random.default_rng(seed)
    truth = np.r_[np.arange(classes), generator.integers(0, classes, rows - classes)]
    scores = generator.dirichlet(np.ones(classes), rows).round(2) + 0.01
    scores[np.arange(rows), truth] += 0.3
    return truth, scores / scores.sum(1, keepdims=True)


def multilabel(rows, classes, seed):
    generator = np.random.default_rng(seed)
    truth = generator.random((rows, classes)) < np.linspace(0.05, 0.5, classes)
    truth[0], truth[1] = True, False
    return truth, (0.4 * truth + 0.6 * generator.random((rows, classes))).round(2).clip(0.01, 0.99)


@pytest.fixture(scope="module")
def answers():
    """300 rows of three classes, called right about three times in four."""
    generator = np.random.default_rng(0)
    truth = generator.choice(3, 300, p=[0.6, 0.3, 0.1])
    scores = generator.dirichlet([1, 1, 1], 300)
    scores[np.arange(300), truth] += 0.6
    scores /= scores.sum(1, keepdims=True)
    return truth, scores.argmax(1), scores


class TestOneLabelEach:
    """Every score is what scikit-learn says."""

    @settings(max_examples=25, deadline=None)
    @given(rows=st.integers(12, 60), classes=st.integers(2, 6), seed=st.integers(0, 2**31))
    def test_on_any_answers(self, rows, classes, seed):
        truth, scores = single_label(rows, classes, seed)
        predicted = scores.argmax(1)
        found = evaluate_classifier(truth, predicted, [str(k) for k in range(classes)], scores=scores).metrics
        one_hot = truth[:, None] == np.arange(classes)
        for average in ("macro", "weighted"):
            for name, function in AVERAGED:
                expected = function(truth, predicted, average=average, zero_division=0)
                assert found[f"{name}_{average}"].value == pytest.approx(expected, **EXACTLY)
        assert found["accuracy"].value == pytest.approx((truth == predicted).mean(), **EXACTLY)
        assert found["roc_auc"].value == pytest.approx(roc_auc_score(one_hot, scores, average="macro"), **EXACTLY)
        precision = sklearn_metrics.average_precision_score(one_hot, scores, average="macro")
        assert found["average_precision"].value == pytest.approx(precision, **EXACTLY)
        assert found["log_loss"].value == pytest.approx(log_loss(truth, scores, labels=range(classes)), **EXACTLY)
        brier = ((scores - one_hot) ** 2).sum(1).mean() / (2 if classes == 2 else 1)
        assert found["brier"].value == pytest.approx(brier, **EXACTLY)

    def test_ties_count_half(self):
        truth = np.array([0, 1, 0, 1])
        metrics = evaluate_classifier(truth, truth, ["a", "b"], scores=np.full((4, 2), 0.5)).metrics
        assert metrics["roc_auc"].value == 0.5

    def test_each_class_has_its_own_scores(self, answers):
        truth, predicted, scores = answers
        evaluation = evaluate_classifier(truth, predicted, LABELS, scores=scores)
        for number, entry in enumerate(evaluation.per_class):
            assert entry["f1"] == pytest.approx(f1_score(truth == number, predicted == number), **EXACTLY)
            assert entry["f1_low"] <= entry["f1"] <= entry["f1_high"]
            assert entry["roc_auc"] == pytest.approx(roc_auc_score(truth == number, scores[:, number]), **EXACTLY)

    def test_confusion_has_truth_in_rows(self):
        evaluation = evaluate_classifier(np.array([0, 0, 1]), np.array([0, 1, 1]), ["a", "b"])
        assert evaluation.confusion == [[1, 1], [0, 1]]
        assert evaluation.confused == [{"label": "a", "predicted": "b", "rows": 1}]
        assert [entry["rows"] for entry in evaluation.per_class] == [2, 1]

    def test_of_very_many_classes_only_the_pairs_that_are_mixed_up_are_kept(self):
        truth = np.arange(101)
        predicted = np.where(truth == 7, 8, truth)
        evaluation = evaluate_classifier(truth, predicted, [f"c{number}" for number in truth])
        assert evaluation.confusion is None
        assert evaluation.confused == [{"label": "c7", "predicted": "c8", "rows": 1}]

    def test_a_class_without_test_rows_leaves_the_averages_defined(self):
        truth = np.array([0, 1] * 10)
        scores = np.tile([[0.6, 0.3, 0.1], [0.3, 0.6, 0.1]], (10, 1))
        evaluation = evaluate_classifier(truth, truth, LABELS, scores=scores)
        assert evaluation.metrics["f1_macro"].value == evaluation.metrics["roc_auc"].value == 1
        assert np.isnan(evaluation.per_class[2]["roc_auc"])


class TestManyLabelsEach:
    """Every score is what scikit-learn says of the same decisions."""

    @settings(max_examples=25, deadline=None)
    @given(rows=st.integers(10, 60), classes=st.integers(1, 6), seed=st.integers(0, 2**31))
    def test_on_any_answers(self, rows, classes, seed):
        truth, scores = multilabel(rows, classes, seed)
        thresholds = np.linspace(0.3, 0.6, classes).tolist()
        evaluation = evaluate_multilabel(truth, scores, [str(k) for k in range(classes)], thresholds)
        found, predicted = evaluation.metrics, scores >= np.array(thresholds)
        # scikit-learn takes a single column for the two classes of one question
        flat = (truth, predicted) if classes > 1 else (np.c_[truth, truth], np.c_[predicted, predicted])
        for average in ("macro", "micro", "weighted"):
            for name, function in AVERAGED:
                expected = function(*flat, average=average, zero_division=0)
                assert found[f"{name}_{average}"].value == pytest.approx(expected, **EXACTLY)
        assert found["accuracy"].value == pytest.approx((truth == predicted).all(1).mean(), **EXACTLY)
        assert found["hamming_loss"].value == pytest.approx((truth != predicted).mean(), **EXACTLY)
        assert found["roc_auc"].value == pytest.approx(roc_auc_score(truth, scores, average="macro"), **EXACTLY)
        precision = sklearn_metrics.average_precision_score(truth, scores, average="macro")
        assert found["average_precision"].value == pytest.approx(precision, **EXACTLY)
        losses = [log_loss(truth[:, k], scores[:, k], labels=[False, True]) for k in range(classes)]
        assert found["log_loss"].value == pytest.approx(np.mean(losses), **EXACTLY)
        assert found["brier"].value == pytest.approx(((scores - truth) ** 2).mean(), **EXACTLY)

    def test_each_label_has_its_scores_and_its_threshold(self):
        truth, scores = multilabel(80, 3, 0)
        evaluation = evaluate_multilabel(truth, scores, LABELS, [0.5, 0.4, 0.3])
        assert [entry["threshold"] for entry in evaluation.per_class] == [0.5, 0.4, 0.3]
        expected = [f1_score(truth[:, k], scores[:, k] >= (0.5, 0.4, 0.3)[k]) for k in range(3)]
        assert [entry["f1"] for entry in evaluation.per_class] == pytest.approx(expected, **EXACTLY)


class TestIntervals:
    """Each score has a 95 % interval by bootstrap over the test rows."""

    def test_they_have_the_width_that_theory_says(self, answers):
        truth, predicted, scores = answers
        accuracy = evaluate_classifier(truth, predicted, LABELS, scores=scores).metrics["accuracy"]
        width = 2 * 1.96 * np.sqrt(accuracy.value * (1 - accuracy.value) / 300)
        assert accuracy.high - accuracy.low == pytest.approx(width, rel=0.15)

    @settings(max_examples=15, deadline=None)
    @given(rows=st.integers(8, 40), classes=st.integers(2, 6), seed=st.integers(0, 2**31))
    def test_they_hold_the_value(self, rows, classes, seed):
        truth, scores = single_label(rows, classes, seed)
        labels = [str(k) for k in range(classes)]
        for evaluation in (
            evaluate_classifier(truth, scores.argmax(1), labels, scores=scores),
            evaluate_multilabel(*multilabel(rows, classes, seed), labels, [0.5] * classes),
        ):
            assert all(score.low <= score.value <= score.high for score in evaluation.metrics.values())

    def test_the_same_seed_gives_the_same_intervals(self, answers):
        truth, predicted, scores = answers
        first, second = (evaluate_classifier(truth, predicted, LABELS, scores=scores, seed=3) for _ in range(2))
        assert first == second

    def test_a_perfect_answer_is_certain(self):
        truth = np.array([0, 1] * 20)
        metrics = evaluate_classifier(truth, truth, ["a", "b"]).metrics
        assert metrics["f1_macro"].to_json() == {"value": 1, "low": 1, "high": 1}

    def test_a_calibrated_model_is_not_called_badly_calibrated_by_being_resampled(self):
        generator = np.random.default_rng(0)
        confidence = generator.uniform(0.5, 1, 2000)
        truth = (generator.random(2000) > confidence).astype(int)
        scores = np.c_[confidence, 1 - confidence]
        error = evaluate_classifier(truth, np.zeros(2000, int), ["a", "b"], scores=scores).metrics["ece"]
        assert error.low <= error.value < 0.03
        assert error.high < 0.05


class TestCalibration:
    def test_the_error_is_the_mean_gap_between_promised_and_kept(self):
        """Ten rows at 95 % of which nine are right, ten at 65 % of which five are."""
        confidence = np.r_[np.full(10, 0.95), np.full(10, 0.65)]
        truth = np.r_[np.zeros(9), 1, np.zeros(5), np.ones(5)].astype(int)
        evaluation = evaluate_classifier(truth, np.zeros(20, int), ["a", "b"], scores=np.c_[confidence, 1 - confidence])
        assert evaluation.metrics["ece"].value == pytest.approx(0.5 * 0.05 + 0.5 * 0.15)
        table = evaluation.curves["calibration"]
        assert [(entry["confidence"], entry["accuracy"], entry["rows"]) for entry in table] == [
            (pytest.approx(0.65), 0.5, 10),
            (pytest.approx(0.95), 0.9, 10),
        ]
        assert all(entry["low"] < entry["accuracy"] < entry["high"] for entry in table)


class TestCurves:
    """Few points, the right area under them, and the point at which the model works."""

    def test_of_two_classes_the_second_is_drawn(self):
        truth, scores = single_label(3000, 2, 0)
        evaluation = evaluate_classifier(truth, scores.argmax(1), ["ham", "spam"], scores=scores, threshold=0.7)
        roc, precision = evaluation.curves["roc"], evaluation.curves["pr"]
        x, y = np.array(roc["points"]).T
        assert len(x) <= 200
        assert (x[0], y[0], x[-1], y[-1]) == (0, 0, 1, 1)
        assert np.trapezoid(y, x) == pytest.approx(evaluation.metrics["roc_auc"].value, abs=1e-3)
        called = scores[:, 1] >= 0.7
        assert precision["chosen"] == pytest.approx(
            [recall_score(truth, called), precision_score(truth, called)], abs=1e-6
        )
        assert (evaluation.curves["of"], evaluation.curves["threshold"]) == ("spam", 0.7)

    def test_of_more_classes_all_are_pooled(self, answers):
        truth, predicted, scores = answers
        curves = evaluate_classifier(truth, predicted, LABELS, scores=scores).curves
        accuracy = (truth == predicted).mean()
        assert curves["pr"]["chosen"] == pytest.approx([accuracy, accuracy], abs=1e-6)
        assert max(len(curves[name]["points"]) for name in ("roc", "pr")) <= 200

    def test_without_scores_there_are_none(self, answers):
        truth, predicted, _ = answers
        assert evaluate_classifier(truth, predicted, LABELS).curves == {}


class TestThresholds:
    """For each label the score from which it is given."""

    def test_with_many_positives_no_other_threshold_has_a_better_f1(self):
        generator = np.random.default_rng(0)
        truth = generator.random((20_000, 1)) < 0.3
        scores = (0.3 * truth + 0.7 * generator.random(truth.shape)).round(3)
        chosen = f1_score(truth, scores >= choose_thresholds(truth, scores))
        assert chosen == pytest.approx(max(f1_score(truth, scores >= t) for t in np.linspace(0, 1, 101)), abs=2e-3)

    def test_a_label_of_few_positives_stays_near_what_suits_all(self):
        generator = np.random.default_rng(1)
        truth = generator.random((1000, 2)) < np.array([0.4, 0.0])
        truth[5, 1] = True
        scores = 0.5 * truth + 0.5 * generator.random(truth.shape)
        scores[5, 1] = 0.99
        common, rare = choose_thresholds(truth, scores)
        assert abs(rare - common) < 0.05

    def test_without_positives_it_is_even_odds(self):
        assert choose_thresholds(np.zeros((5, 2), bool), np.full((5, 2), 0.1)) == (0.5, 0.5)

    @settings(max_examples=50, deadline=None)
    @given(rows=st.integers(1, 30), classes=st.integers(1, 4), seed=st.integers(0, 2**31))
    def test_it_is_always_a_probability(self, rows, classes, seed):
        generator = np.random.default_rng(seed)
        truth, scores = generator.random((rows, classes)) < 0.3, generator.random((rows, classes))
        assert all(0 <= threshold <= 1 for threshold in choose_thresholds(truth, scores))


class TestPairedDifference:
    """Whether one classifier is better than another on the same rows."""

    def test_a_better_one_lies_above_zero(self, answers):
        truth, predicted, _ = answers
        assert paired_difference(truth, predicted, np.zeros_like(truth), 3).low > 0

    def test_a_classifier_is_not_better_than_itself(self, answers):
        truth, predicted, _ = answers
        assert paired_difference(truth, predicted, predicted, 3).to_json() == {"value": 0, "low": 0, "high": 0}

    def test_rows_may_have_many_labels(self):
        truth, scores = multilabel(200, 4, 0)
        better, worse = scores >= 0.4, np.zeros_like(truth)
        gain = paired_difference(truth, better, worse, 4)
        assert gain.value == pytest.approx(f1_score(truth, better, average="macro"))
        assert gain.low > 0


class TestSlices:
    """Where the model is worse than its average."""

    def test_quarters_by_length_have_their_own_accuracy(self):
        lengths = np.arange(1, 101)
        slices = length_slices(lengths, lengths <= 50)
        assert [(part["from"], part["to"], part["rows"]) for part in slices] == [
            (1, 25, 25),
            (26, 50, 25),
            (51, 75, 25),
            (76, 100, 25),
        ]
        assert [part["accuracy"]["value"] for part in slices] == [1, 1, 0, 0]

    def test_texts_of_one_length_are_one_slice(self):
        assert [part["rows"] for part in length_slices(np.full(50, 7), np.ones(50, bool))] == [50]

    def test_few_rows_are_not_sliced(self):
        assert length_slices(np.arange(20), np.ones(20, bool)) == []


class TestBoldestErrors:
    def test_the_surest_wrong_answers_come_first_and_no_texts_with_them(self):
        predictions = [
            {"label": "a", "predicted": "b", "score": 0.6},
            {"label": "a", "predicted": "a", "score": 0.99},
            {"label": "b", "predicted": "a", "score": 0.9},
        ]
        assert boldest_errors(predictions) == [
            {"row": 2, "label": "b", "predicted": "a", "score": 0.9},
            {"row": 0, "label": "a", "predicted": "b", "score": 0.6},
        ]


WORDS = ["pump pressure", "wrong invoice", "lost password"]


class TestBaselines:
    """What a model must beat, with the same scores."""

    def test_majority_calls_everything_by_the_commonest_name(self):
        evaluation, predicted = majority(np.array([0, 1, 1]), np.array([0, 1]), ["a", "b"])
        assert evaluation.confusion == [[0, 1], [0, 1]]
        assert predicted.tolist() == [1, 1]
        assert evaluation.metrics["roc_auc"].value == 0.5

    def test_majority_gives_every_row_the_commonest_set_of_labels(self):
        known = np.array([[1, 1, 0], [1, 1, 0], [0, 0, 1]], bool)
        evaluation, predicted = majority(known, known[[0, 2]], LABELS)
        assert predicted.tolist() == [[True, True, False]] * 2
        assert evaluation.metrics["accuracy"].value == 0.5

    @pytest.mark.parametrize("classes", [2, 3])
    def test_tfidf_learns_words(self, classes):
        words = WORDS[:classes]
        texts = [f"{word} {number}" for number in range(20) for word in words]
        numbers = np.array([number for _ in range(20) for number in range(classes)])
        evaluation, predicted = tfidf(texts[:30], numbers[:30], texts[30:], numbers[30:], words)
        assert evaluation.metrics["accuracy"].value == 1
        assert predicted.tolist() == numbers[30:].tolist()
        assert evaluation.metrics["log_loss"].value < 0.2

    def test_tfidf_learns_words_of_many_labels(self):
        generator = np.random.default_rng(0)
        truth = generator.random((90, 3)) < 0.4
        texts = [" and ".join(["a call", *np.array(WORDS)[row], str(n)]) for n, row in enumerate(truth)]
        evaluation, predicted = tfidf(texts[:60], truth[:60], texts[60:], truth[60:], WORDS)
        assert evaluation.metrics["f1_macro"].value > 0.9
        assert predicted.shape == (30, 3)

    @pytest.mark.parametrize("rare", [1, 2])
    def test_tfidf_survives_a_class_of_one_row_and_texts_without_a_word(self, rare):
        texts = ["!!! ??", ":-)", "?!"] * 4 + [";;;"] * rare
        numbers = np.array([0, 1, 0] * 4 + [2] * rare)
        evaluation, _ = tfidf(texts, numbers, texts, numbers, LABELS)
        assert np.isfinite(evaluation.metrics["log_loss"].value)
