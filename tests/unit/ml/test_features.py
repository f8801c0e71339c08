import shutil

import numpy as np
import pytest

from tests.unit.ml.tiny import make_encoder
from viveiro.ml.embedding import SentenceEncoder
from viveiro.ml.features import SHARD_TEXTS, FeatureCache

TEXTS = [f"the pump lost {number} bar of pressure" for number in range(SHARD_TEXTS + 40)]


class Killed(Exception):
    pass


class TestFeatureCache:
    """What a frozen encoder says is computed once, and survives a kill."""

    def test_features_are_the_encoders_in_the_order_of_the_texts(self, encoder_folder, tmp_path):
        features = FeatureCache(tmp_path, encoder_folder).features([*TEXTS[:5], TEXTS[0]])
        np.testing.assert_allclose(features[:5], SentenceEncoder(encoder_folder).encode(TEXTS[:5]), atol=1e-2)
        assert np.array_equal(features[0], features[5])

    def test_a_killed_run_continues_and_ends_with_the_same_numbers(self, encoder_folder, tmp_path):
        def die(done, of):
            raise Killed

        undisturbed = FeatureCache(tmp_path / "undisturbed", encoder_folder).features(TEXTS)
        with pytest.raises(Killed):
            FeatureCache(tmp_path / "killed", encoder_folder).features(TEXTS, die)
        assert len(list((tmp_path / "killed").rglob("*.npy"))) == 1
        assert np.array_equal(FeatureCache(tmp_path / "killed", encoder_folder).features(TEXTS), undisturbed)

    def test_known_texts_need_no_encoder_at_all(self, encoder_folder, tmp_path):
        copy = shutil.copytree(encoder_folder, tmp_path / "model")
        cache = FeatureCache(tmp_path / "cache", copy)
        first = cache.features(TEXTS)
        fresh = FeatureCache(tmp_path / "cache", copy)
        (copy / "model.safetensors").unlink()
        assert np.array_equal(fresh.features(TEXTS), first)

    def test_a_shard_cut_short_by_a_full_disk_is_made_again(self, encoder_folder, tmp_path):
        first = FeatureCache(tmp_path, encoder_folder).features(TEXTS)
        shard = next(tmp_path.rglob("*.npy"))
        shard.write_bytes(shard.read_bytes()[:100])
        assert np.array_equal(FeatureCache(tmp_path, encoder_folder).features(TEXTS), first)

    def test_another_encoder_shares_nothing(self, encoder_folder, tmp_path):
        other = make_encoder(tmp_path / "other", seed=1)
        first = FeatureCache(tmp_path / "cache", encoder_folder).features(TEXTS[:3])
        assert not np.allclose(FeatureCache(tmp_path / "cache", other).features(TEXTS[:3]), first)
