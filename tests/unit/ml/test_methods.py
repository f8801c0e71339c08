import pytest

from viveiro.ml.methods import TrainingSettings, resolve_recipe

MINILM = 10_600_000
"""Weights in its layers."""


class TestPatience:
    """Epochs that nobody chose are trained to the end, where the learning rate is zero; so many as somebody wished are not."""

    @pytest.mark.parametrize("rows", [40, 400, 3_000, 40_000])
    def test_few_epochs_are_trained_to_the_end(self, rows):
        recipe = resolve_recipe(TrainingSettings(), rows, MINILM)
        assert recipe.patience == recipe.epochs

    def test_many_are_not(self):
        assert resolve_recipe(TrainingSettings(epochs=100), 400, MINILM).patience == 3

    @pytest.mark.parametrize("epochs", ["auto", 100])
    def test_who_says_how_long_is_obeyed(self, epochs):
        assert resolve_recipe(TrainingSettings(epochs=epochs, patience=1), 400, MINILM).patience == 1
