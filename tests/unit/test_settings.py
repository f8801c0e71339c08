import os
from datetime import timedelta
from pathlib import Path

import pytest

from viveiro.settings import Settings


def test_every_setting_explains_itself():
    assert [name for name, field in Settings.model_fields.items() if not field.description] == []


def test_a_child_process_reads_the_very_settings_of_its_parent(monkeypatch, tmp_path):
    parent = Settings(
        data_dir=tmp_path, port=1234, job_lease=timedelta(seconds=1.5), log_json=True, secret_key="k" * 32
    )
    for name, value in parent.environment().items():
        monkeypatch.setenv(name, value)
    assert Settings() == parent


def test_variables_override_defaults(monkeypatch):
    monkeypatch.setenv("VIVEIRO_LFS_THRESHOLD_BYTES", "5")
    assert Settings().lfs_threshold_bytes == 5


def test_the_data_folder_is_absolute_and_may_start_at_home(monkeypatch):
    monkeypatch.setenv("HOME", "/somewhere")
    assert Settings(data_dir=Path("~/x")).data_dir == Path("/somewhere/x")


@pytest.mark.parametrize("length", [10, 300])
def test_a_socket_fits_whatever_the_data_folders_path(length):
    settings = Settings(data_dir=Path("/") / ("d" * min(length, 200)) / ("e" * max(1, length - 200)))
    assert len(os.fsencode(settings.sockets_dir / ("f" * 16 + ".sock"))) <= 107


def test_two_folders_with_long_paths_share_no_socket():
    one, other = (Settings(data_dir=Path("/") / ("d" * 200) / name) for name in "ab")
    assert one.sockets_dir != other.sockets_dir


def test_a_secret_does_not_show_in_what_is_printed():
    assert "hush" not in repr(Settings(secret_key="hush"))
