"""Discussions and pull requests, as `huggingface_hub` and `hf` speak of them."""

import subprocess
import sys
from pathlib import Path

import httpx
import pytest
from huggingface_hub import CommitOperationAdd, CommitOperationDelete, HfApi
from huggingface_hub.errors import (
    BadRequestError,
    EntryNotFoundError,
    HfHubHTTPError,
    RepositoryNotFoundError,
    RevisionNotFoundError,
)

from tests.live.conftest import Git, MakeRepo
from tests.live.running_server import RunningServer

HF = str(Path(sys.executable).with_name("hf"))
BIG = b"\0" + bytes(range(256)) * 64


def read(api: HfApi, repo: str, path: str, revision: str = "main") -> bytes:
    url = f"{api.endpoint}/{repo}/resolve/{revision.replace('/', '%2F')}/{path}"
    headers = {"Authorization": f"Bearer {api.token}"} if api.token else {}
    return httpx.get(url, headers=headers).raise_for_status().content


class TestDiscussions:
    def test_one_number_counts_discussions_and_pull_requests(self, alice: HfApi, bob: HfApi, repo: str) -> None:
        said = bob.create_discussion(repo, title="  Which data?  ", description="Which data was it trained on?")
        pull_request = bob.create_pull_request(repo, title="A better card")
        assert (said.num, said.title, said.author, said.status) == (1, "Which data?", "bob", "open")
        assert (pull_request.num, pull_request.is_pull_request, pull_request.status) == (2, True, "draft")
        assert pull_request.git_reference == "refs/pr/2"
        assert pull_request.target_branch == "refs/heads/main"
        assert said.events[0].content == "Which data was it trained on?"
        assert alice.get_discussion_details(repo, 1) == said
        assert said.url == f"{alice.endpoint}/{repo}/discussions/1"

    def test_comments_are_written_edited_and_hidden(self, alice: HfApi, bob: HfApi, repo: str) -> None:
        bob.create_discussion(repo, title="A question")
        said = bob.comment_discussion(repo, 1, comment="It is **wrong**")
        edited = bob.edit_discussion_comment(repo, 1, said.id, new_content="It is *right*")
        assert (edited.edited, edited.number_of_edits, edited.content) == (True, 1, "It is *right*")
        assert edited.edit_history[0]["raw"] == "It is **wrong**"
        assert "<em>right</em>" in edited.rendered
        assert edited.last_edited_by == "bob"
        with pytest.warns(UserWarning, match="irreversible"):
            hidden = alice.hide_discussion_comment(repo, 1, said.id)
        assert (hidden.hidden, hidden.number_of_edits) == (True, 0)
        assert "right" not in httpx.get(f"{alice.endpoint}/api/models/{repo}/discussions/1").text

    def test_title_and_status_change(self, alice: HfApi, bob: HfApi, repo: str) -> None:
        bob.create_discussion(repo, title="Helo")
        renamed = bob.rename_discussion(repo, 1, new_title="Hello")
        closed = alice.change_discussion_status(repo, 1, "closed", comment="Answered")
        assert (renamed.old_title, renamed.new_title, closed.new_status) == ("Helo", "Hello", "closed")
        details = alice.get_discussion_details(repo, 1)
        assert [event.type for event in details.events] == ["comment", "title-change", "comment", "status-change"]
        assert alice.change_discussion_status(repo, 1, "open").new_status == "open"
        with pytest.raises(HfHubHTTPError, match="open already"):
            alice.change_discussion_status(repo, 1, "open")

    def test_lists_are_filtered_newest_first(self, alice: HfApi, bob: HfApi, repo: str) -> None:
        alice.create_discussion(repo, title="One")
        bob.create_pull_request(repo, title="Two")
        bob.create_discussion(repo, title="Three")
        alice.change_discussion_status(repo, 1, "closed")

        def numbers(**filters: str) -> list[int]:
            return [found.num for found in alice.get_repo_discussions(repo, **filters)]

        assert numbers() == [3, 2, 1]
        assert numbers(discussion_type="pull_request") == [2]
        assert numbers(discussion_type="discussion") == [3, 1]
        assert numbers(discussion_status="closed") == [1]
        assert numbers(discussion_status="open") == [3, 2]
        assert numbers(author="Bob", discussion_status="all") == [3, 2]
        assert numbers(author="nobody") == []

    def test_long_lists_come_in_pages(self, alice: HfApi, repo: str) -> None:
        for number in range(1, 53):
            alice.create_discussion(repo, title=f"Number {number}")
        assert [found.num for found in alice.get_repo_discussions(repo)] == list(range(52, 0, -1))

    @pytest.mark.parametrize("kind", ["model", "dataset", "space"])
    def test_repos_of_every_kind_have_them(self, alice: HfApi, make_repo: MakeRepo, kind: str) -> None:
        repo = make_repo(kind)
        made = alice.create_pull_request(repo, title="Mend it", repo_type=kind)
        assert (made.repo_type, made.repo_id) == (kind, repo)
        assert alice.repo_info(repo, repo_type=kind, revision="refs/pr/1").sha

    @pytest.mark.parametrize(("title", "comment"), [("", "words"), ("x" * 201, "words"), ("a title", "x" * 65_537)])
    def test_what_is_too_long_or_empty_is_refused(self, alice: HfApi, repo: str, title: str, comment: str) -> None:
        with pytest.raises(BadRequestError):
            alice.create_discussion(repo, title=title, description=comment)

    def test_one_that_is_not_there_is_missing(self, alice: HfApi, repo: str) -> None:
        with pytest.raises(HfHubHTTPError, match="no discussion or pull request 7"):
            alice.get_discussion_details(repo, 7)
        alice.create_discussion(repo, title="Only this")
        with pytest.raises(HfHubHTTPError, match="has no event ffffff"):
            alice.edit_discussion_comment(repo, 1, "f" * 24, new_content="x")

    def test_attachments_are_fetched_by_whoever_has_the_address(self, alice: HfApi, repo: str, tmp_path: Path) -> None:
        picture = tmp_path / "screen.png"
        picture.write_bytes(b"\x89PNG\r\n\x1a\n" + BIG)
        url = alice.upload_attachment(picture)
        assert url.startswith(f"{alice.endpoint}/uploads/")
        answer = httpx.get(url).raise_for_status()
        assert answer.content == picture.read_bytes()
        assert answer.headers["content-type"] == "image/png"
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert httpx.get(f"{alice.endpoint}/uploads/{'a' * 32}").status_code == 404
        with pytest.raises(HfHubHTTPError, match="401"):
            alice.upload_attachment(picture, token=False)


class TestPullRequests:
    def test_a_reader_proposes_and_the_owner_merges(self, alice: HfApi, bob: HfApi, repo: str) -> None:
        alice.upload_file(path_or_fileobj=b"one\ntwo\n", path_in_repo="notes.txt", repo_id=repo)
        made = bob.create_commit(
            repo,
            [CommitOperationAdd("notes.txt", b"one\nTWO\n"), CommitOperationAdd("more.txt", b"more\n")],
            commit_message="Say it louder",
            commit_description="It was too soft.",
            create_pr=True,
        )
        assert (made.pr_num, made.pr_revision) == (1, "refs/pr/1")
        assert made.pr_url == f"{bob.endpoint}/{repo}/discussions/1"
        assert read(alice, repo, "notes.txt") == b"one\ntwo\n"
        assert read(alice, repo, "notes.txt", "refs/pr/1") == b"one\nTWO\n"

        details = alice.get_discussion_details(repo, 1)
        assert (details.title, details.status, details.author) == ("Say it louder", "open", "bob")
        assert [event.type for event in details.events] == ["comment", "commit"]
        assert (details.events[1].summary, details.events[1].oid) == ("Say it louder", made.oid)
        assert "-two\n+TWO\n" in details.diff
        assert "+++ b/more.txt" in details.diff
        assert details.conflicting_files == []

        alice.merge_pull_request(repo, 1, comment="Thank you")
        merged = alice.get_discussion_details(repo, 1)
        assert (merged.status, merged.merge_commit_oid) == ("merged", alice.model_info(repo).sha)
        assert [event.type for event in merged.events] == ["comment", "commit", "status-change", "comment"]
        assert merged.diff == details.diff
        assert read(alice, repo, "notes.txt") == b"one\nTWO\n"
        assert alice.list_repo_commits(repo)[0].title == "Say it louder (#1)"
        assert alice.list_repo_commits(repo)[0].authors == ["bob"]

    def test_commits_go_to_the_pull_request_until_it_is_merged(self, alice: HfApi, bob: HfApi, repo: str) -> None:
        bob.create_pull_request(repo, title="Three files")
        for name in ("a", "b", "c"):
            bob.upload_file(
                path_or_fileobj=name.encode(), path_in_repo=f"{name}.txt", repo_id=repo, revision="refs/pr/1"
            )
        bob.create_commit(repo, [CommitOperationDelete("b.txt")], commit_message="Not b", revision="refs/pr/1")
        details = alice.get_discussion_details(repo, 1)
        assert [event.type for event in details.events] == ["comment", *["commit"] * 4]
        with pytest.raises(HfHubHTTPError, match="still a draft"):
            alice.merge_pull_request(repo, 1)
        bob.change_discussion_status(repo, 1, "open")
        alice.merge_pull_request(repo, 1)
        assert set(alice.list_repo_files(repo)) == {".gitattributes", "a.txt", "c.txt"}
        assert len(alice.list_repo_commits(repo)) == 2
        with pytest.raises(HfHubHTTPError, match="has been merged"):
            bob.upload_file(path_or_fileobj=b"d", path_in_repo="d.txt", repo_id=repo, revision="refs/pr/1")

    def test_a_folder_is_proposed(self, alice: HfApi, bob: HfApi, repo: str, tmp_path: Path) -> None:
        (tmp_path / "sub").mkdir()
        (tmp_path / "sub" / "a.txt").write_text("a")
        (tmp_path / "model.bin").write_bytes(BIG)
        made = bob.upload_folder(folder_path=tmp_path, repo_id=repo, create_pr=True, commit_message="My folder")
        assert made.pr_revision == "refs/pr/1"
        assert read(alice, repo, "model.bin", "refs/pr/1") == BIG
        alice.merge_pull_request(repo, 1)
        assert read(alice, repo, "model.bin") == BIG
        assert read(alice, repo, "sub/a.txt") == b"a"

    def test_big_files_of_strangers_arrive_too(self, alice: HfApi, bob: HfApi, repo: str) -> None:
        bob.upload_file(path_or_fileobj=BIG, path_in_repo="weights.bin", repo_id=repo, create_pr=True)
        assert read(alice, repo, "weights.bin", "refs/pr/1") == BIG
        alice.merge_pull_request(repo, 1)
        assert read(alice, repo, "weights.bin") == BIG

    def test_a_branch_can_be_its_base(self, alice: HfApi, bob: HfApi, repo: str) -> None:
        alice.create_branch(repo, branch="next")
        add = [CommitOperationAdd("a.txt", b"a")]
        bob.create_commit(repo, add, commit_message="For next", revision="next", create_pr=True)
        assert alice.get_discussion_details(repo, 1).target_branch == "refs/heads/next"
        alice.merge_pull_request(repo, 1)
        assert "a.txt" in alice.list_repo_files(repo, revision="next")
        assert "a.txt" not in alice.list_repo_files(repo)
        for base in (alice.model_info(repo).sha, "nowhere"):
            with pytest.raises(RevisionNotFoundError):
                bob.create_commit(
                    repo,
                    [CommitOperationAdd("b.txt", b"b")],
                    commit_message="For nothing",
                    revision=base,
                    create_pr=True,
                )

    def test_it_can_begin_at_an_older_commit(self, alice: HfApi, bob: HfApi, repo: str) -> None:
        first = alice.model_info(repo).sha
        alice.upload_file(path_or_fileobj=b"x", path_in_repo="x.txt", repo_id=repo)
        bob.create_commit(
            repo, [CommitOperationAdd("y.txt", b"y")], commit_message="Old", parent_commit=first, create_pr=True
        )
        assert "x.txt" not in bob.list_repo_files(repo, revision="refs/pr/1")
        alice.merge_pull_request(repo, 1)
        assert {"x.txt", "y.txt"} < set(alice.list_repo_files(repo))

    def test_conflicts_are_named_and_nothing_is_merged(self, alice: HfApi, bob: HfApi, repo: str) -> None:
        alice.upload_file(path_or_fileobj=b"one\ntwo\nthree\n", path_in_repo="notes.txt", repo_id=repo)
        alice.upload_file(path_or_fileobj=BIG, path_in_repo="model.bin", repo_id=repo)
        add = [CommitOperationAdd("notes.txt", b"one\n2\nthree\n"), CommitOperationAdd("model.bin", b"\0bob")]
        bob.create_commit(repo, add, commit_message="Mine", create_pr=True)
        add = [CommitOperationAdd("notes.txt", b"one\nII\nthree\n"), CommitOperationAdd("model.bin", b"\0alice")]
        head = alice.create_commit(repo, add, commit_message="Ours").oid
        assert alice.get_discussion_details(repo, 1).conflicting_files == ["model.bin", "notes.txt"]
        with pytest.raises(HfHubHTTPError, match=r"model\.bin, notes\.txt"):
            alice.merge_pull_request(repo, 1)
        assert alice.model_info(repo).sha == head
        assert alice.get_discussion_details(repo, 1).status == "open"
        bob.create_commit(
            repo,
            [CommitOperationAdd("notes.txt", b"one\nII\nthree\nfour\n"), CommitOperationAdd("model.bin", b"\0alice")],
            commit_message="As you like",
            revision="refs/pr/1",
        )
        alice.merge_pull_request(repo, 1)
        assert read(alice, repo, "notes.txt") == b"one\nII\nthree\nfour\n"

    def test_references_show_them_when_asked(self, alice: HfApi, bob: HfApi, repo: str) -> None:
        bob.create_pull_request(repo, title="One")
        refs = alice.list_repo_refs(repo, include_pull_requests=True)
        assert [(ref.name, ref.ref) for ref in refs.pull_requests] == [("1", "refs/pr/1")]
        assert not alice.list_repo_refs(repo).pull_requests
        alice.create_tag(repo, tag="v1", revision="refs/pr/1")
        assert alice.list_repo_commits(repo, revision="refs/pr/1")[0].title == "initial commit"

    def test_a_pull_request_may_change_nothing_yet_and_is_not_merged(self, alice: HfApi, repo: str) -> None:
        alice.create_pull_request(repo, title="Soon")
        alice.change_discussion_status(repo, 1, "open")
        with pytest.raises(HfHubHTTPError, match="changes nothing in main"):
            alice.merge_pull_request(repo, 1)

    def test_the_same_merge_asked_twice_counts_once(self, alice: HfApi, bob: HfApi, repo: str) -> None:
        bob.upload_file(path_or_fileobj=b"a", path_in_repo="a.txt", repo_id=repo, create_pr=True)
        alice.merge_pull_request(repo, 1)
        alice.merge_pull_request(repo, 1)
        assert len(alice.list_repo_commits(repo)) == 2
        assert [event.type for event in alice.get_discussion_details(repo, 1).events].count("status-change") == 1
        with pytest.raises(HfHubHTTPError, match="stays so"):
            alice.change_discussion_status(repo, 1, "closed")


class TestWhoMay:
    """Anyone who sees a repo may speak; authors and writers tidy up; writers merge."""

    def test_strangers_only_read(self, alice: HfApi, stranger: HfApi, repo: str) -> None:
        alice.create_discussion(repo, title="Public words")
        assert stranger.get_discussion_details(repo, 1).title == "Public words"
        with pytest.raises(HfHubHTTPError, match="401"):
            stranger.create_discussion(repo, title="Hello")
        with pytest.raises(HfHubHTTPError, match="401"):
            stranger.upload_file(path_or_fileobj=b"a", path_in_repo="a", repo_id=repo, create_pr=True)

    def test_readers_do_not_tidy_up_after_others(self, alice: HfApi, bob: HfApi, repo: str) -> None:
        made = alice.create_discussion(repo, title="Alice's")
        alice.upload_file(path_or_fileobj=b"a", path_in_repo="a.txt", repo_id=repo, create_pr=True)
        for refused in (
            lambda: bob.rename_discussion(repo, 1, new_title="Bob's"),
            lambda: bob.change_discussion_status(repo, 1, "closed"),
            lambda: bob.edit_discussion_comment(repo, 1, made.events[0].id, new_content="Bob was here"),
            lambda: bob._post_discussion_changes(
                repo_id=repo, repo_type="model", discussion_num=1, resource=f"comment/{made.events[0].id}/hide"
            ),
            lambda: bob.merge_pull_request(repo, 2),
            lambda: bob.upload_file(path_or_fileobj=b"b", path_in_repo="b", repo_id=repo, revision="refs/pr/2"),
            lambda: bob.upload_file(path_or_fileobj=b"b", path_in_repo="b", repo_id=repo),
        ):
            with pytest.raises(HfHubHTTPError) as error:
                refused()
            assert error.value.response.status_code == 403

    def test_not_even_the_owner_edits_the_words_of_others(self, alice: HfApi, bob: HfApi, repo: str) -> None:
        made = bob.create_discussion(repo, title="Bob's")
        with pytest.raises(HfHubHTTPError) as error:
            alice.edit_discussion_comment(repo, 1, made.events[0].id, new_content="I agree with all of it")
        assert error.value.response.status_code == 403

    def test_those_of_a_private_repo_are_missing(self, alice: HfApi, bob: HfApi, make_repo: MakeRepo) -> None:
        repo = make_repo(private=True)
        alice.create_discussion(repo, title="Between us")
        for attempt in (
            lambda: bob.get_discussion_details(repo, 1),
            lambda: list(bob.get_repo_discussions(repo)),
            lambda: bob.create_discussion(repo, title="Hello"),
            lambda: bob.comment_discussion(repo, 1, comment="Hello"),
            lambda: bob.upload_file(path_or_fileobj=b"a", path_in_repo="a", repo_id=repo, create_pr=True),
        ):
            with pytest.raises(RepositoryNotFoundError):
                attempt()

    def test_a_token_that_only_reads_says_nothing(self, server: RunningServer, bob: HfApi, repo: str) -> None:
        with server.client("bob") as client:
            secret = client.post("/api/v1/tokens", {"name": "mute", "role": "read"})["secret"]
        mute = HfApi(endpoint=server.url, token=secret)
        with pytest.raises(HfHubHTTPError, match="only reads"):
            mute.create_discussion(repo, title="Hello")
        bob.create_discussion(repo, title="Hello")


class TestGit:
    def test_pull_requests_are_fetched(self, bob: HfApi, repo: str, git: Git, tmp_path: Path) -> None:
        bob.upload_file(path_or_fileobj=b"a", path_in_repo="a.txt", repo_id=repo, create_pr=True)
        clone = git.clone(repo, tmp_path / "clone", user=None)
        assert not (clone / "a.txt").exists()
        git("fetch", "--quiet", "origin", "refs/pr/1:pr/1", folder=clone)
        git("checkout", "--quiet", "pr/1", folder=clone)
        assert (clone / "a.txt").read_text() == "a"

    def test_the_author_pushes_to_it_and_to_nothing_else(
        self, alice: HfApi, bob: HfApi, repo: str, git: Git, tmp_path: Path
    ) -> None:
        clone = git.clone(repo, tmp_path / "clone", user="bob")
        refused = git.attempt("push", "origin", "HEAD:refs/heads/bobs", folder=clone)
        assert refused.returncode != 0
        bob.create_pull_request(repo, title="Bob's")
        (clone / "b.txt").write_text("b")
        made = git.commit(clone, "By git")
        git("push", "--quiet", "origin", "HEAD:refs/pr/1", folder=clone)
        events = alice.get_discussion_details(repo, 1).events
        assert [(event.summary, event.oid) for event in events if event.type == "commit"] == [("By git", made)]
        for ref in ("refs/heads/main", "refs/heads/new", "refs/pr/2"):
            refused = git.attempt("push", "origin", f"HEAD:{ref}", folder=clone)
            assert refused.returncode != 0, ref
        assert git.attempt("push", "origin", ":refs/pr/1", folder=clone).returncode != 0
        assert len(alice.list_repo_commits(repo)) == 1

    def test_others_do_not_push_to_it(self, alice: HfApi, repo: str, git: Git, tmp_path: Path) -> None:
        alice.create_pull_request(repo, title="Alice's")
        clone = git.clone(repo, tmp_path / "clone", user="bob")
        (clone / "b.txt").write_text("b")
        git.commit(clone)
        assert git.attempt("push", "origin", "HEAD:refs/pr/1", folder=clone).returncode != 0


class TestTheCommandLine:
    def test_hf_discussions(self, server: RunningServer, alice: HfApi, repo: str) -> None:
        def hf(*arguments: str) -> str:
            command = [HF, *arguments, "--token", server.token("alice")]
            return subprocess.run(command, check=True, capture_output=True, text=True).stdout

        hf("discussions", "create", repo, "--title", "A pull request", "--body", "words", "--pull-request")
        alice.upload_file(path_or_fileobj=b"a\n", path_in_repo="a.txt", repo_id=repo, revision="refs/pr/1")
        hf("discussions", "comment", repo, "1", "--body", "A comment")
        hf("discussions", "rename", repo, "1", "Another title")
        assert "Another title" in hf("discussions", "list", repo, "--status", "draft")
        assert "+a" in hf("discussions", "diff", repo, "1")
        hf("discussions", "close", repo, "1", "--yes")
        hf("discussions", "reopen", repo, "1", "--yes")
        hf("discussions", "merge", repo, "1", "--yes")
        assert "a.txt" in alice.list_repo_files(repo)
        assert "merged" in hf("discussions", "info", repo, "1")

    def test_hf_upload_create_pr(self, server: RunningServer, alice: HfApi, repo: str, tmp_path: Path) -> None:
        (tmp_path / "a.txt").write_text("a")
        command = [HF, "upload", repo, str(tmp_path), ".", "--create-pr", "--token", server.token("bob")]
        subprocess.run(command, check=True, capture_output=True)
        assert alice.list_repo_files(repo, revision="refs/pr/1") == [".gitattributes", "a.txt"]
        with pytest.raises(EntryNotFoundError):
            alice.hf_hub_download(repo, "a.txt")
