import json
import shutil

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from tests.unit.ml.tiny import CORPUS, make_classifier, make_t5
from viveiro.ml import embedding
from viveiro.ml.bases import UnfitModel
from viveiro.ml.embedding import PROBES, NoTokenizer, SentenceEncoder, fingerprint, is_faithful
from viveiro.ml.networks import DamagedWeights, NoWeights, Pooling, UnknownModule, UnsafeWeights, open_network

TEXTS = [*CORPUS, "ok", " ".join(CORPUS)]


def cosines(first, second):
    return (first * second).sum(1) / np.linalg.norm(first, axis=1) / np.linalg.norm(second, axis=1)


class TestSentenceEncoder:
    """A model folder turns texts into rows of floats, as the libraries it was made for would."""

    def test_vectors_are_those_of_sentence_transformers(self, starter):
        from sentence_transformers import SentenceTransformer

        expected = SentenceTransformer(str(starter), device="cpu", local_files_only=True).encode(TEXTS)
        vectors = SentenceEncoder(starter, precision="float32").encode(TEXTS)
        assert vectors.dtype == np.float32
        np.testing.assert_allclose(vectors, expected, atol=1e-5)

    def test_a_plain_encoder_is_averaged_over_its_real_tokens(self, encoder_folder):
        from transformers import AutoModel

        encoder = SentenceEncoder(encoder_folder, precision="float32")
        token_ids = torch.tensor(encoder.tokenize([TEXTS[0]]))
        with torch.inference_mode():
            expected = AutoModel.from_pretrained(encoder_folder)(token_ids)[0].mean(1)
        np.testing.assert_allclose(encoder.encode([TEXTS[0]]), expected, atol=1e-5)

    def test_a_text_has_the_same_vector_alone_and_in_company(self, encoder_folder):
        encoder = SentenceEncoder(encoder_folder)
        alone = np.concatenate([encoder.encode([text]) for text in TEXTS])
        assert cosines(alone, encoder.encode(TEXTS)).min() > 0.999

    def test_padding_and_truncation_of_tokenizer_json_are_overruled(self, encoder_folder):
        token_ids = SentenceEncoder(encoder_folder).tokenize(["ok", " ".join(CORPUS)])
        assert len(token_ids[0]) < 16 < len(token_ids[1])

    def test_a_text_is_cut_at_the_limit(self, encoder_folder):
        encoder = SentenceEncoder(encoder_folder, max_length=8)
        assert max(map(len, encoder.tokenize(TEXTS))) == encoder.max_length == 8

    def test_the_limit_is_never_above_the_models_own(self, encoder_folder):
        assert SentenceEncoder(encoder_folder, max_length=4096).max_length == 64

    def test_a_lower_precision_is_taken_only_while_the_answers_stay_the_same(self, starter):
        reference = SentenceEncoder(starter, precision="float32").encode(TEXTS)
        assert cosines(reference, SentenceEncoder(starter).encode(TEXTS)).min() > 0.999

    def test_it_is_not_taken_where_it_moves_a_probability(self, tmp_path):
        """All logits still point the way they did, and one of them stands for a probability some hundredths away."""
        folder = make_classifier(tmp_path, ["hydraulics", "billing"])
        weights = load_file(folder / "model.safetensors")
        weights["classifier.weight"] *= 20
        save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
        exact, rounded = (SentenceEncoder(folder, precision=it).encode(PROBES) for it in ("float32", "bfloat16"))
        assert cosines(exact, rounded).min() > 0.999
        assert not is_faithful(exact, rounded)
        assert SentenceEncoder(folder).precision == "float32"

    @pytest.mark.parametrize(
        ("answered", "faithful"),
        [
            ([[9.0, 8.0], [1.0, 0.0]], True),
            ([[9.0, 8.02], [1.0, 0.0]], True),
            ([[9.0, 8.1], [1.0, 0.0]], False),
            ([[9.0, 8.0], [0.99, 0.08]], False),
            ([[9.0, np.nan], [1.0, 0.0]], False),
            ([[9.0, 8.0]], False),
        ],
        ids=["the same", "a shade off", "a probability off", "another direction", "no number", "another shape"],
    )
    def test_answers_are_faithful_in_direction_and_in_probability(self, answered, faithful):
        assert is_faithful(np.array([[9.0, 8.0], [1.0, 0.0]]), np.array(answered)) is faithful

    def test_progress_is_told_after_each_batch(self, encoder_folder):
        heard = []
        SentenceEncoder(encoder_folder).encode(TEXTS * 40, lambda done, of: heard.append((done, of)))
        assert heard == sorted(heard)
        assert heard[-1] == (len(TEXTS) * 40, len(TEXTS) * 40)

    def test_many_texts_are_tokenised_in_parts_and_read_as_ever(self, encoder_folder, monkeypatch):
        encoder = SentenceEncoder(encoder_folder, precision="float32")
        at_once, expected = [], encoder.encode(TEXTS)
        tokenise = embedding.token_ids_of
        monkeypatch.setattr(embedding, "TOKENISED_AT_ONCE", 2)
        monkeypatch.setattr(
            embedding,
            "token_ids_of",
            lambda tokenizer, texts, most: at_once.append(len(texts)) or tokenise(tokenizer, texts, most),
        )
        np.testing.assert_array_equal(encoder.encode(TEXTS), expected)
        assert max(at_once) == 2

    def test_no_texts_have_no_vectors(self, encoder_folder):
        assert SentenceEncoder(encoder_folder).encode([]).shape == (0, 32)

    def test_a_sequence_classifier_answers_with_its_logits(self, tmp_path):
        from transformers import AutoModelForSequenceClassification, AutoTokenizer

        folder = make_classifier(tmp_path / "classifier", ["a", "b", "c"])
        inputs = AutoTokenizer.from_pretrained(folder)(TEXTS[0], return_tensors="pt")
        with torch.inference_mode():
            expected = AutoModelForSequenceClassification.from_pretrained(folder)(**inputs).logits
        np.testing.assert_allclose(SentenceEncoder(folder, precision="float32").encode([TEXTS[0]]), expected, atol=1e-5)


class TestWhatIsRefused:
    """Nothing that came with a model is ever run."""

    def test_pickled_weights_are_refused_with_the_way_out(self, encoder_folder, tmp_path):
        folder = shutil.copytree(encoder_folder, tmp_path / "pickled")
        torch.save(load_file(folder / "model.safetensors"), folder / "pytorch_model.bin")
        (folder / "model.safetensors").unlink()
        with pytest.raises(UnsafeWeights, match=r"pytorch_model\.bin.*save_pretrained"):
            open_network(folder)

    def test_a_folder_without_weights_is_no_model(self, tmp_path):
        with pytest.raises(NoWeights, match="safetensors"):
            open_network(tmp_path)

    @pytest.mark.parametrize("content", [b"", b"not safetensors at all", b"\xff" * 64])
    def test_damaged_weights_say_what_to_do_about_them(self, encoder_folder, tmp_path, content):
        folder = shutil.copytree(encoder_folder, tmp_path / "damaged")
        (folder / "model.safetensors").unlink()  # which may be a link to the original
        (folder / "model.safetensors").write_bytes(content)
        with pytest.raises(DamagedWeights, match="Upload them again"):
            open_network(folder)

    @pytest.mark.parametrize(
        ("changes", "said"),
        [
            ({"model_type": "foobar"}, "has model type `foobar` but Transformers does not recognize this architecture"),
            ({"hidden_size": 64}, "its weights have other sizes than its config.json says"),
        ],
    )
    def test_a_config_that_does_not_fit_is_told(self, changes, said, encoder_folder, tmp_path):
        folder = shutil.copytree(encoder_folder, tmp_path / "changed")
        config = json.loads((folder / "config.json").read_text())
        (folder / "config.json").write_text(json.dumps({**config, **changes}))
        with pytest.raises(UnfitModel, match=said):
            open_network(folder)

    def test_a_model_that_cannot_read_a_text_alone_is_found_when_it_is_opened(self, tmp_path):
        with pytest.raises(UnfitModel, match="To see models: viveiro models list"):
            open_network(make_t5(tmp_path / "t5"))

    def test_a_model_without_vectors_of_one_size_is_refused(self, tmp_path):
        from transformers import CLIPConfig, CLIPModel

        parts = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 16}
        vision = {**parts, "image_size": 16, "patch_size": 8}
        CLIPModel(CLIPConfig(text_config={**parts, "vocab_size": 8}, vision_config=vision)).save_pretrained(tmp_path)
        with pytest.raises(UnfitModel, match="no one size"):
            open_network(tmp_path)

    def test_a_module_cannot_lead_out_of_the_folder(self, encoder_folder, tmp_path):
        folder = shutil.copytree(encoder_folder, tmp_path / "escaping")
        modules = [{"idx": 0, "path": "../encoder", "type": "sentence_transformers.models.Transformer"}]
        (folder / "modules.json").write_text(json.dumps(modules))
        with pytest.raises(UnknownModule, match=r"\.\./encoder"):
            open_network(folder)

    def test_an_unknown_module_is_named(self, encoder_folder, tmp_path):
        folder = shutil.copytree(encoder_folder, tmp_path / "unknown")
        modules = [
            {"idx": 0, "path": "", "type": "sentence_transformers.models.Transformer"},
            {"idx": 1, "path": "", "type": "sentence_transformers.models.LSTM"},
        ]
        (folder / "modules.json").write_text(json.dumps(modules))
        with pytest.raises(UnknownModule, match="LSTM"):
            open_network(folder)

    def test_a_model_without_a_tokenizer_says_so(self, encoder_folder, tmp_path):
        folder = shutil.copytree(encoder_folder, tmp_path / "mute", ignore=shutil.ignore_patterns("token*", "vocab*"))
        with pytest.raises(NoTokenizer, match=r"tokenizer\.json"):
            SentenceEncoder(folder)


class TestPooling:
    """Token vectors to one, the padding left out."""

    ROWS = torch.tensor([[[1.0, -5.0], [3.0, -3.0], [99.0, 99.0]]])
    MASK = torch.tensor([[1, 1, 0]])

    @pytest.mark.parametrize(
        ("mode", "expected"),
        [
            ("cls", [1, -5]),
            ("max", [3, -3]),
            ("mean", [2, -4]),
            ("lasttoken", [3, -3]),
            ("mean_sqrt_len_tokens", [2 * 2**0.5, -4 * 2**0.5]),
        ],
    )
    def test_modes(self, mode, expected):
        assert Pooling((mode,))(self.ROWS, self.MASK).tolist()[0] == pytest.approx(expected)

    @pytest.mark.parametrize(
        "config",
        [{"pooling_mode": ["cls", "mean"]}, {"pooling_mode_cls_token": True, "pooling_mode_mean_tokens": True}],
    )
    def test_both_ways_to_write_several_modes_are_read(self, config):
        assert Pooling.from_config(config).modes == ("cls", "mean")


class TestFingerprint:
    """The identity of what decides a vector."""

    def test_it_changes_with_a_weight_and_not_with_the_card(self, encoder_folder, tmp_path):
        folder = shutil.copytree(encoder_folder, tmp_path / "copy")
        (folder / "README.md").write_text("Another card.")
        assert fingerprint(folder) == fingerprint(encoder_folder)
        weights = load_file(folder / "model.safetensors")
        weights["pooler.dense.bias"] = weights["pooler.dense.bias"] + 1
        save_file(weights, folder / "model.safetensors", {"format": "pt"})
        assert fingerprint(folder) != fingerprint(encoder_folder)
