"""Fixtures of the ml tests."""

from pathlib import Path

import pytest

from tests.unit.ml.tiny import make_encoder, starter_folder


@pytest.fixture(scope="session")
def encoder_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_encoder(tmp_path_factory.mktemp("models") / "encoder")


@pytest.fixture(scope="session")
def starter() -> Path:
    return starter_folder()
