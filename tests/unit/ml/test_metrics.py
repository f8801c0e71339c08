import numpy as np
import pytest
from sklearn.metrics import f1_score, log_loss, precision_score, recall_score, roc_auc_score

from viveiro.ml.baselines import majority, tfidf
from viveiro.ml.metrics import evaluate_classifier, paired_difference

LABELS = ["cnc", "press", "robot"]


@pytest.fixture(scope="module")
def answers():
    """300 rows of three classes, called right about three times in four."""
    generator = np.random.default_rng(0)
    truth = generator.choice(3, 300, p=[0.6, 0.3, 0.1])
    scores = generator.dirichlet([1, 1, 1], 300)
    scores[np.arange(300), truth] += 0.6
    scores /= scores.sum(1, keepdims=True)
    return truth, scores.argmax(1), scores


class TestEvaluation:
    """Every metric is what scikit-learn says, with an interval around it."""

    def test_counts_agree_with_scikit_learn(self, answers):
        truth, predicted, _ = answers
        metrics = evaluate_classifier(truth, predicted, LABELS).metrics
        for average in ("macro", "weighted"):
            for name, function in (("f1", f1_score), ("precision", precision_score), ("recall", recall_score)):
                assert metrics[f"{name}_{average}"].value == pytest.approx(function(truth, predicted, average=average))
        assert metrics["accuracy"].value == pytest.approx((truth == predicted).mean())

    def test_ranking_and_probabilities_agree_with_scikit_learn(self, answers):
        truth, predicted, scores = answers
        metrics = evaluate_classifier(truth, predicted, LABELS, scores=scores).metrics
        assert metrics["roc_auc"].value == pytest.approx(roc_auc_score(truth, scores, multi_class="ovr"))
        assert metrics["log_loss"].value == pytest.approx(log_loss(truth, scores), rel=1e-5)

    def test_ties_count_half(self):
        truth = np.array([0, 1, 0, 1])
        metrics = evaluate_classifier(truth, truth, ["a", "b"], scores=np.full((4, 2), 0.5)).metrics
        assert metrics["roc_auc"].value == 0.5

    def test_intervals_hold_the_value_and_have_the_width_that_theory_says(self, answers):
        truth, predicted, scores = answers
        metrics = evaluate_classifier(truth, predicted, LABELS, scores=scores).metrics
        assert all(interval.low <= interval.value <= interval.high for interval in metrics.values())
        accuracy = metrics["accuracy"]
        width = 2 * 1.96 * np.sqrt(accuracy.value * (1 - accuracy.value) / 300)
        assert accuracy.high - accuracy.low == pytest.approx(width, rel=0.15)

    def test_the_same_seed_gives_the_same_intervals(self, answers):
        truth, predicted, _ = answers
        first, second = (evaluate_classifier(truth, predicted, LABELS, seed=3).metrics for _ in range(2))
        assert first == second

    def test_confusion_has_truth_in_rows(self):
        evaluation = evaluate_classifier(np.array([0, 0, 1]), np.array([0, 1, 1]), ["a", "b"])
        assert evaluation.confusion == [[1, 1], [0, 1]]
        assert [entry["rows"] for entry in evaluation.per_class] == [2, 1]

    def test_a_perfect_answer_is_certain(self):
        truth = np.array([0, 1] * 20)
        assert evaluate_classifier(truth, truth, ["a", "b"]).metrics["f1_macro"].to_json() == {
            "value": 1,
            "low": 1,
            "high": 1,
        }


class TestPairedDifference:
    """Whether one classifier is better than another on the same rows."""

    def test_a_better_one_lies_above_zero(self, answers):
        truth, predicted, _ = answers
        assert paired_difference(truth, predicted, np.zeros_like(truth), 3).low > 0

    def test_a_classifier_is_not_better_than_itself(self, answers):
        truth, predicted, _ = answers
        assert paired_difference(truth, predicted, predicted, 3).to_json() == {"value": 0, "low": 0, "high": 0}


class TestBaselines:
    """What a model must beat."""

    def test_majority_calls_everything_by_the_commonest_name(self):
        evaluation = majority(np.array([0, 1, 1]), np.array([0, 1]), ["a", "b"])
        assert evaluation.confusion == [[0, 1], [0, 1]]
        assert evaluation.metrics["roc_auc"].value == 0.5

    @pytest.mark.parametrize("classes", [2, 3])
    def test_tfidf_learns_words(self, classes):
        words = ["pump pressure", "wrong invoice", "lost password"][:classes]
        texts = [f"{word} {number}" for number in range(20) for word in words]
        numbers = np.array([number for _ in range(20) for number in range(classes)])
        evaluation, predicted = tfidf(texts[:30], numbers[:30], texts[30:], numbers[30:], words)
        assert evaluation.metrics["accuracy"].value == 1
        assert predicted.tolist() == numbers[30:].tolist()
        assert "log_loss" not in evaluation.metrics  # margins are no probabilities
