"""`HfApi.duplicate_repo`: the same files at once, in a repo of one's own."""

from pathlib import Path

import pytest
from huggingface_hub import HfApi
from huggingface_hub.errors import GatedRepoError, HfHubHTTPError, RepositoryNotFoundError

from tests.live.command_line import CommandLine
from tests.live.conftest import MakeRepo
from tests.live.running_server import RunningServer

BIG = b"\0" * 1000 + b"to be shared"


@pytest.fixture(params=["model", "dataset", "space"])
def source(request: pytest.FixtureRequest, alice: HfApi, make_repo: MakeRepo) -> tuple[str, str]:
    """Kind and name of a public repo with a large file and a tag."""
    name = make_repo(request.param)
    alice.upload_file(path_or_fileobj=BIG, path_in_repo="big.bin", repo_id=name, repo_type=request.param)
    alice.create_tag(name, tag="v1", repo_type=request.param)
    return request.param, name


def test_has_files_and_refs_of_the_original(bob: HfApi, source: tuple[str, str], tmp_path: Path) -> None:
    kind, name = source
    url = bob.duplicate_repo(name, repo_type=kind)
    assert (url.repo_id, url.repo_type, url.files_copy_pending) == (name.replace("alice/", "bob/"), kind, False)
    assert Path(bob.hf_hub_download(url.repo_id, "big.bin", repo_type=kind, cache_dir=tmp_path)).read_bytes() == BIG
    assert bob.list_repo_refs(url.repo_id, repo_type=kind) == bob.list_repo_refs(name, repo_type=kind)
    assert not bob.repo_info(url.repo_id, repo_type=kind).private


def test_is_found_by_who_says_exist_ok(bob: HfApi, source: tuple[str, str]) -> None:
    kind, name = source
    made = bob.duplicate_repo(name, to_id="bob/twice", repo_type=kind, private=True)
    with pytest.raises(HfHubHTTPError, match="409"):
        bob.duplicate_repo(name, to_id="bob/twice", repo_type=kind)
    assert bob.duplicate_repo(name, to_id="bob/twice", repo_type=kind, exist_ok=True) == made
    assert bob.repo_info("bob/twice", repo_type=kind).private
    bob.delete_repo("bob/twice", repo_type=kind)


def test_takes_the_right_to_read_it(alice: HfApi, bob: HfApi, stranger: HfApi, make_repo: MakeRepo) -> None:
    private, gated = make_repo(private=True), make_repo()
    alice.update_repo_settings(gated, gated="manual")
    with pytest.raises(RepositoryNotFoundError):
        bob.duplicate_repo(private)
    with pytest.raises(GatedRepoError):
        bob.duplicate_repo(gated)
    with pytest.raises(HfHubHTTPError, match="401"):
        stranger.duplicate_repo(make_repo(), to_id="bob/never")


def test_by_the_command_line(server: RunningServer, alice: HfApi, repo: str) -> None:
    made = CommandLine(server).printed("repos", "duplicate", repo, "acai/by-line", "--visibility", "private")
    assert made["name"] == "acai/by-line"
    assert alice.model_info("acai/by-line").private
