"""Squashing history and deleting large files for ever, as the official client asks for it."""

from hashlib import sha256
from pathlib import Path

import httpx
import pytest
from huggingface_hub import HfApi
from huggingface_hub.errors import BadRequestError, HfHubHTTPError, RevisionNotFoundError

from tests.live.conftest import Git, MakeRepo


def test_a_squashed_branch_has_one_commit_and_the_others_their_history(alice: HfApi, repo: str) -> None:
    for number in range(3):
        alice.upload_file(path_or_fileobj=b"%d" % number, path_in_repo="file.txt", repo_id=repo)
    alice.create_branch(repo, branch="before")
    alice.super_squash_history(repo, commit_message="All in one")
    assert [commit.title for commit in alice.list_repo_commits(repo)] == ["All in one"]
    assert len(alice.list_repo_commits(repo, revision="before")) == 4


def test_a_tag_is_not_squashed(alice: HfApi, repo: str) -> None:
    alice.create_tag(repo, tag="v1")
    with pytest.raises(RevisionNotFoundError):
        alice.super_squash_history(repo, branch="v1")


def test_deleted_large_files_are_gone_from_every_commit(
    alice: HfApi, bob: HfApi, make_repo: MakeRepo, git: Git, tmp_path: Path
) -> None:
    repo = make_repo("dataset")
    upload = {"repo_id": repo, "repo_type": "dataset"}
    alice.upload_file(path_or_fileobj=b"\0old", path_in_repo="old.bin", **upload)
    alice.upload_file(path_or_fileobj=b"\0new", path_in_repo="folder/new.bin", **upload)
    alice.delete_file("old.bin", repo, repo_type="dataset")
    files = {file.filename: file for file in alice.list_lfs_files(repo, repo_type="dataset")}
    assert {name: (file.size, file.ref) for name, file in files.items()} == {
        "old.bin": (4, "refs/heads/main"),
        "folder/new.bin": (4, "refs/heads/main"),
    }
    with pytest.raises(HfHubHTTPError):
        list(bob.list_lfs_files(repo, repo_type="dataset"))
    alice.permanently_delete_lfs_files(repo, [files["old.bin"]], repo_type="dataset")
    assert [file.filename for file in alice.list_lfs_files(repo, repo_type="dataset")] == ["folder/new.bin"]
    titles = [commit.title for commit in alice.list_repo_commits(repo, repo_type="dataset")]
    assert [title.split()[0] for title in titles] == ["Delete", "Upload", "Upload", "initial"]
    clone = git.clone(f"datasets/{repo}", tmp_path / "clone")
    assert git("log", "--all", "--format=%h", "--", "old.bin", folder=clone) == ""


def test_history_is_not_left_with_holes(alice: HfApi, repo: str) -> None:
    alice.upload_file(path_or_fileobj=b"\0old", path_in_repo="old.bin", repo_id=repo)
    with pytest.raises(BadRequestError, match="rewriteHistory"):
        alice.permanently_delete_lfs_files(repo, alice.list_lfs_files(repo), rewrite_history=False)


class TestSharing:
    """`lfs-files/duplicate`, which clients ask before they commit a copy of another repo's file."""

    def ask(self, api: HfApi, source: str, target: str, *contents: bytes) -> httpx.Response:
        return httpx.post(
            f"{api.endpoint}/api/models/{source}/lfs-files/duplicate",
            json={
                "target": {"type": "model", "name": target},
                "files": [{"sha256": sha256(content).hexdigest(), "filename": "a.bin"} for content in contents],
            },
            headers={"Authorization": f"Bearer {api.token}"},
        )

    def test_the_target_may_commit_what_the_source_has(self, bob: HfApi, alice: HfApi, make_repo: MakeRepo) -> None:
        source, content = make_repo(), b"\0shared between two"
        alice.upload_file(path_or_fileobj=content, path_in_repo="a.bin", repo_id=source)
        bob.create_repo("bob/borrower")
        answer = self.ask(bob, source, "bob/borrower", content, b"\0nobody has this").raise_for_status().json()
        assert [failed["sha256"] for failed in answer["failed"]] == [sha256(b"\0nobody has this").hexdigest()]
        assert [file.oid for file in bob.list_lfs_files("bob/borrower")] == [sha256(content).hexdigest()]

    def test_content_of_others_is_not_to_be_had_through_a_repo_of_ones_own(
        self, bob: HfApi, alice: HfApi, make_repo: MakeRepo
    ) -> None:
        secret = make_repo(private=True)
        alice.upload_file(path_or_fileobj=b"\0a secret of alices", path_in_repo="a.bin", repo_id=secret)
        bob.create_repo("bob/curious")
        assert self.ask(bob, secret, "bob/curious", b"\0a secret of alices").status_code == 404
        answer = self.ask(bob, "bob/curious", "bob/curious", b"\0a secret of alices").json()
        assert len(answer["failed"]) == 1
        assert list(bob.list_lfs_files("bob/curious")) == []

    def test_the_target_is_ones_own(self, bob: HfApi, alice: HfApi, make_repo: MakeRepo) -> None:
        assert self.ask(bob, make_repo(), make_repo(), b"\0x").status_code == 403
