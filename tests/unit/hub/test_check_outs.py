"""Copies of revisions take so much of the disk and no more."""

import os
import time
from datetime import timedelta
from pathlib import Path

import pytest

from viveiro.db import utc_now
from viveiro.hub import folders, jobs
from viveiro.hub.check_outs import is_checked_out, trim_check_outs
from viveiro.hub.types import AddLfsFile
from viveiro.settings import Settings

HOUR = 3600.0


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(data_dir=tmp_path, check_out_bytes=250)


def check_out(settings: Settings, name: str, *, hours_ago: float, size: int = 100) -> Path:
    folder = settings.cache_dir / name
    folder.mkdir(parents=True)
    (folder / "weights").write_bytes(bytes(size))
    os.utime(folder, (time.time() - hours_ago * HOUR,) * 2)
    return folder


def test_those_not_used_for_longest_go_until_the_others_fit(settings):
    oldest = check_out(settings, "models/a", hours_ago=9)
    older = check_out(settings, "revisions/key/b", hours_ago=8)
    newer = check_out(settings, "models/c", hours_ago=7)
    assert trim_check_outs(settings) == 1
    assert [folder.exists() for folder in (oldest, older, newer)] == [False, True, True]
    assert trim_check_outs(settings) == 0


def test_what_was_just_asked_for_stays_whatever_its_size(settings):
    folder = check_out(settings, "models/a", hours_ago=9, size=1000)
    assert is_checked_out(folder)
    assert trim_check_outs(settings) == 0
    assert folder.exists()


def test_links_to_stored_content_take_no_room_and_stay(settings, tmp_path):
    large = tmp_path / "large"
    large.write_bytes(bytes(1000))
    folder = check_out(settings, "models/a", hours_ago=9, size=0)
    (folder / "linked").hardlink_to(large)
    os.utime(folder, (0, 0))
    assert trim_check_outs(settings) == 0
    assert folder.exists()


def test_what_a_link_leads_to_stays_when_it_is_stored_in_another_form(house):
    repo = house.model()
    weights = house.store(b"\0weights", repo)
    house.commit(repo, AddLfsFile("model.safetensors", weights))
    sha = house.hub.resolve(repo, "main")
    folder = folders.check_out(house.hub, repo, sha, house.settings.models_dir / sha)
    assert jobs.pack_contents(house.hub, utc_now() + timedelta(days=1))["packed"] == 1
    assert house.blobs.plain.path(weights) is None
    assert folders.check_out(house.hub, repo, sha, folder) == folder
    assert (folder / "model.safetensors").read_bytes() == b"\0weights"


def test_those_of_deleted_repos_go_a_day_after_the_last_was_made(house):
    gone, kept = house.model("alice/gone"), house.model("alice/kept")
    laid_out = [check_out(house.settings, f"revisions/{repo.storage_key}/a", hours_ago=48) for repo in (gone, kept)]
    house.hub.delete_repo(house.alice, gone.ref)
    assert jobs.sweep_check_outs(house.hub) == 0
    for folder in laid_out:
        os.utime(folder.parent, (0, 0))
    assert jobs.sweep_check_outs(house.hub) == 1
    assert [folder.exists() for folder in laid_out] == [False, True]


def test_what_is_not_there_is_to_be_made(settings):
    assert not is_checked_out(settings.cache_dir / "models" / "a")
