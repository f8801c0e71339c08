import numpy as np
import pytest

from viveiro.ml.heads import STRENGTHS, LinearHead, choose_strength, fit_head


def blobs(classes, rows=300, *, scale=1.0, shift=0.0, seed=0):
    """Gaussian clouds that overlap a little."""
    generator = np.random.default_rng(seed)
    centres = np.random.default_rng(99).normal(size=(classes, 8)) * 1.5
    labels = np.arange(rows) % classes
    features = centres[labels] + generator.normal(size=(rows, 8))
    return (features * scale + shift).astype(np.float32), labels


def accuracy(head: LinearHead, features, labels):
    return (head.logits(features).argmax(1) == labels).mean()


class TestLinearHead:
    """Multinomial logistic regression that gives the same answer however the encoder scales its vectors."""

    @pytest.mark.parametrize("classes", [2, 5])
    def test_it_separates_clouds(self, classes):
        head = fit_head(*blobs(classes), classes, strength=1.0)
        assert head.weight.shape == (classes, 8)
        assert accuracy(head, *blobs(classes, seed=1)) > 0.9

    def test_a_scaled_and_shifted_encoder_gets_the_same_answers(self):
        plain = fit_head(*blobs(3), 3, strength=0.1).logits(blobs(3, seed=1)[0])
        moved = fit_head(*blobs(3, scale=50, shift=7), 3, strength=0.1).logits(blobs(3, scale=50, shift=7, seed=1)[0])
        np.testing.assert_allclose(plain, moved, atol=2e-2)

    def test_two_classes_have_probabilities_like_any_other_number(self):
        from sklearn.linear_model import LogisticRegression

        features, labels = blobs(2)
        centred = features - features.mean(0)
        reference = LogisticRegression(C=0.1, max_iter=1000).fit(centred / np.sqrt((centred**2).mean()), labels)
        logits = fit_head(features, labels, 2, strength=0.1).logits(features)
        expected = reference.predict_proba(centred / np.sqrt((centred**2).mean()))[:, 1]
        np.testing.assert_allclose(1 / (1 + np.exp(logits[:, 0] - logits[:, 1])), expected, atol=1e-3)

    def test_the_same_rows_give_the_same_weights_to_the_last_bit(self):
        assert np.array_equal(fit_head(*blobs(4), 4, 0.3).weight, fit_head(*blobs(4), 4, 0.3).weight)

    def test_balanced_weights_raise_the_recall_of_the_rare(self):
        features, labels = blobs(2, 600)
        keep = np.flatnonzero((labels == 0) | (np.arange(600) % 30 == 1))
        recall = {}
        for weights in ("none", "balanced"):
            head = fit_head(features[keep], labels[keep], 2, 0.01, weights)
            recall[weights] = (head.logits(features)[labels == 1].argmax(1) == 1).mean()
        assert recall["balanced"] > recall["none"]

    def test_the_penalty_is_chosen_among_those_tried(self):
        strength = choose_strength(*blobs(3, 60), blobs(3, seed=1), 3)
        assert strength in STRENGTHS
