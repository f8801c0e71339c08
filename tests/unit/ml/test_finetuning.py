import numpy as np
import pytest
import torch
from sklearn.metrics import f1_score

from tests.unit.ml.tiny import make_encoder, make_gpt2
from tests.unit.ml.training_rows import table
from viveiro.ml.artefact import Artefact, add_head, lay_out_encoder
from viveiro.ml.embedding import SentenceEncoder, padded
from viveiro.ml.finetuning import TOKEN_DROPOUT, TextLearner, macro_f1, row_weights, thinned, tokenised
from viveiro.ml.networks import open_network, save_network
from viveiro.ml.trainer import Recipe, Trainer

ROWS = table(8, 0)
TRUTH = np.arange(24) % 3
RECIPE = Recipe(learning_rate=1e-2, epochs=1, batch_size=8, seed=0)


@pytest.fixture
def classifier(encoder_folder, tmp_path):
    """A folder to train in: the encoder, and a head that knows nothing yet."""
    folder = tmp_path / "classifier"
    lay_out_encoder(encoder_folder, folder, 64)
    weight = np.random.default_rng(0).normal(size=(3, 32)).astype(np.float32)
    add_head(folder, weight, np.zeros(3, np.float32), Artefact("text-classification", ("a", "b", "c")))
    return folder


def learner(folder, precision="float32"):
    examples = tokenised(folder, ROWS["text"], TRUTH, 64)
    return TextLearner(
        folder, examples, examples.part(0, 6), device=torch.device("cpu"), precision=precision, class_weights="none"
    )


def trained(folder, precision="float32"):
    subject = learner(folder, precision)
    trainer = Trainer(subject, RECIPE, lambda fields: None)
    for start in (0, 8, 16):
        trainer.rehearse(np.arange(start, start + 8))
    return subject


class TestLayerWeights:
    """What the learning rate goes by: the matrices of the layers, whatever the network calls them."""

    def test_those_of_an_encoder_are_its_linear_maps(self, classifier):
        subject = learner(classifier)
        linear = [module for module in subject.network.trunk.modules() if isinstance(module, torch.nn.Linear)]
        assert subject.layer_weights == sum(module.weight.numel() for module in linear)

    def test_those_of_gpt2_count_too(self, tmp_path):
        lay_out_encoder(make_gpt2(tmp_path / "gpt2"), tmp_path / "classifier", 64)
        add_head(
            tmp_path / "classifier",
            np.zeros((3, 32), np.float32),
            np.zeros(3, np.float32),
            Artefact("text-classification", ("a", "b", "c")),
        )
        assert learner(tmp_path / "classifier").layer_weights == 2 * 12 * 32 * 32


class TestTheTrainedNetwork:
    """It goes back into its folder, whole, and the base it came from stays as it was."""

    def test_the_folder_answers_as_the_network_did(self, classifier):
        subject = trained(classifier)
        logits = subject.validation_logits(lambda fields: None)
        save_network(subject.finished_network(), classifier)
        encoder = SentenceEncoder(classifier, precision="float32")
        np.testing.assert_allclose(encoder.encode(ROWS["text"][:6]), logits, atol=1e-4)

    def test_the_base_is_untouched(self, classifier, encoder_folder):
        before = (encoder_folder / "model.safetensors").read_bytes()
        save_network(trained(classifier).finished_network(), classifier)
        assert (encoder_folder / "model.safetensors").read_bytes() == before
        assert (classifier / "model.safetensors").read_bytes() != before

    def test_every_layer_and_the_head_have_moved(self, classifier):
        before = {name: weight.clone() for name, weight in learner(classifier).network.named_parameters()}
        after = dict(trained(classifier).network.named_parameters())
        # The pooler is part of the base, but no text's vector goes through it.
        still = {name for name in before if torch.equal(before[name], after[name]) and "pooler" not in name}
        assert still == set()

    def test_embeddings_of_words_that_no_text_has_stay_as_they_are(self, classifier, encoder_folder):
        from safetensors.torch import load_file

        subject = trained(classifier)
        save_network(subject.finished_network(), classifier)
        name = "embeddings.word_embeddings.weight"
        before, after = (load_file(folder / "model.safetensors")[name] for folder in (encoder_folder, classifier))
        used = np.unique(np.concatenate(tokenised(classifier, ROWS["text"], TRUTH, 64).token_ids))
        unused = np.setdiff1d(np.arange(len(before)), used)
        assert torch.equal(before[unused], after[unused])
        assert not torch.equal(before[used], after[used])

    def test_bfloat16_products_leave_the_weights_in_float32(self, classifier):
        subject = trained(classifier, "bfloat16")
        assert {weight.dtype for weight in subject.network.parameters()} == {torch.float32}
        exact, rounded = learner(classifier), learner(classifier, "bfloat16")
        for each in (exact, rounded):
            each.network.eval()
        torch.testing.assert_close(rounded.loss(np.arange(8)), exact.loss(np.arange(8)), atol=0.2, rtol=0.05)

    def test_a_short_vocabulary_gives_the_gradients_of_the_whole_one(self, classifier):
        short = learner(classifier)
        short.network.eval()
        short.loss(np.arange(8)).backward()
        whole = open_network(classifier)
        token_ids = tokenised(classifier, ROWS["text"][:8], TRUTH[:8], 64).token_ids
        logits = whole(*padded(token_ids, 0))
        torch.nn.functional.cross_entropy(logits, torch.from_numpy(TRUTH[:8])).backward()
        expected = whole.trunk.encoder.layer[0].attention.self.query.weight.grad
        torch.testing.assert_close(short.network.trunk.encoder.layer[0].attention.self.query.weight.grad, expected)


class TestTokenDropout:
    """In each step a text is learnt from without some of its words; it is judged whole."""

    def test_a_share_of_the_tokens_is_left_out_in_their_order(self):
        torch.manual_seed(0)
        left = [thinned(np.arange(100)) for _ in range(200)]
        assert np.mean([len(ids) for ids in left]) == pytest.approx(2 + 98 * (1 - TOKEN_DROPOUT), abs=1)
        assert all(np.array_equal(ids, np.unique(ids)) for ids in left)
        assert len({tuple(ids) for ids in left}) == 200

    def test_the_ends_and_a_word_between_them_stay(self):
        torch.manual_seed(0)
        for length in (2, 3, 4, 5):
            left = [thinned(np.arange(length)) for _ in range(500)]
            assert {(ids[0], ids[-1]) for ids in left} == {(0, length - 1)}
            assert min(len(ids) for ids in left) == min(length, 3)

    def test_losses_differ_while_it_trains_and_are_one_when_it_is_judged(self, classifier):
        subject = learner(classifier)
        losses = {}
        for mode in (True, False):
            subject.network.train(mode)
            losses[mode] = {subject.loss(np.arange(8)).item() for _ in range(5)}
        assert (len(losses[True]), len(losses[False])) == (5, 1)


class TestValidation:
    def test_the_noise_of_a_score_is_that_of_so_many_rows(self, classifier):
        score = learner(classifier).validate(lambda fields: None)
        assert score.noise == pytest.approx((score.value * (1 - score.value) / 6) ** 0.5)


class TestRowWeights:
    """Balanced classes weigh the same in sum, and a row weighs 1 on average."""

    def test_rare_rows_weigh_more(self):
        weights = row_weights(np.array([0, 0, 0, 1]), 2, "balanced")
        assert weights[3] == pytest.approx(3 * weights[0])
        assert weights.mean() == pytest.approx(1)

    def test_each_label_of_many_is_balanced_by_itself(self):
        truth = np.array([[1, 0], [0, 0], [0, 0], [0, 1]], bool)
        weights = row_weights(truth, 2, "balanced")
        assert weights[0, 0] == pytest.approx(weights[1:, 0].sum())

    def test_without_balance_all_rows_are_equal(self):
        assert row_weights(np.array([0, 0, 1]), 2, "none").tolist() == [1, 1, 1]


class TestMacroF1:
    def test_it_is_scikit_learns(self):
        generator = np.random.default_rng(0)
        truth, predicted = generator.integers(0, 5, (2, 200))
        assert macro_f1(truth, predicted) == pytest.approx(f1_score(truth, predicted, average="macro"))

    def test_of_many_labels_too(self):
        truth, predicted = np.random.default_rng(0).random((2, 200, 4)) > 0.6
        assert macro_f1(truth, predicted) == pytest.approx(f1_score(truth, predicted, average="macro"))


class TestBases:
    def test_a_base_in_many_shards_is_written_as_one_file(self, tmp_path):
        from transformers import AutoModel

        base = make_encoder(tmp_path / "base", seed=3)
        AutoModel.from_pretrained(base).save_pretrained(base, max_shard_size="20KB")
        (base / "model.safetensors").unlink(missing_ok=True)
        folder = tmp_path / "classifier"
        lay_out_encoder(base, folder, 64)
        add_head(
            folder,
            np.zeros((3, 32), np.float32),
            np.zeros(3, np.float32),
            Artefact("text-classification", tuple("abc")),
        )
        save_network(trained(folder).finished_network(), folder)
        assert [path.name for path in folder.glob("*.safetensors*")] == ["model.safetensors"]
        assert SentenceEncoder(folder).encode(["the pump"]).shape == (1, 3)
