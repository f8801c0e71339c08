"""Reading: trees in pages, paths, history, and what a revision names."""

from datetime import UTC, datetime

import pytest

from tests.unit.hub.house import House, joined, run
from viveiro.errors import (
    AlreadyExists,
    Conflict,
    EntryNotFound,
    Forbidden,
    InvalidInput,
    InvalidName,
    RevisionNotFound,
)
from viveiro.hub.service import Hub
from viveiro.hub.types import AddFile, AddLfsFile, DeleteFile, Repo

pytestmark = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
"""Git is read here, not SQL."""

FILES = {
    "README.md": b"# Seeds",
    "a/b/deep.txt": b"1",
    "a/c.txt": b"22",
    "a-b.txt": b"333",  # git sorts it before the folder a
    "b.txt": b"4444",
}


@pytest.fixture
def repo(house: House) -> Repo:
    repo = house.model()
    house.commit(repo, *(AddFile(path, content) for path, content in FILES.items()), summary="files")
    return repo


def paths(house: House, repo: Repo, *arguments: str, **options: object) -> list[str]:
    sha = house.hub.resolve(repo, "main")
    return [entry.path for entry in house.hub.list_tree(repo, sha, *arguments, **options)]  # type: ignore[arg-type]


class TestAFolder:
    def test_lists_what_lies_in_it(self, house: House, repo: Repo) -> None:
        assert paths(house, repo) == [".gitattributes", "README.md", "a-b.txt", "a", "b.txt"]
        assert paths(house, repo, "a") == ["a/b", "a/c.txt"]
        assert paths(house, repo, "a/b/") == ["a/b/deep.txt"]

    def test_lists_all_below_it_each_folder_before_its_files(self, house: House, repo: Repo) -> None:
        everything = [".gitattributes", "README.md", "a-b.txt", "a", "a/b", "a/b/deep.txt", "a/c.txt", "b.txt"]
        assert paths(house, repo, recursive=True) == everything
        assert paths(house, repo, "a", recursive=True) == ["a/b", "a/b/deep.txt", "a/c.txt"]

    @pytest.mark.parametrize("limit", [1, 2, 3, 7])
    @pytest.mark.parametrize("folder", ["", "a"])
    @pytest.mark.parametrize("recursive", [True, False])
    def test_in_pages_is_the_same_list(
        self, house: House, repo: Repo, folder: str, recursive: bool, limit: int
    ) -> None:
        pages: list[str] = []
        after = None
        while page := paths(house, repo, folder, recursive=recursive, after=after, limit=limit):
            pages, after = [*pages, *page], page[-1]
        assert pages == paths(house, repo, folder, recursive=recursive)

    def test_goes_on_behind_an_entry_that_is_gone(self, house: House, repo: Repo) -> None:
        assert paths(house, repo, recursive=True, after="a/b/zzz.txt", limit=1) == ["a/c.txt"]
        assert paths(house, repo, recursive=True, after="a/zzz/deep.txt", limit=1) == ["b.txt"]
        assert paths(house, repo, after="zzz") == []

    def test_says_what_each_entry_is_and_how_large(self, house: House, repo: Repo) -> None:
        sha = house.hub.resolve(repo, "main")
        entries = {entry.path: entry for entry in house.hub.list_tree(repo, sha, recursive=True)}
        assert (entries["a"].type, entries["a"].size) == ("directory", 0)
        assert entries["a"].oid == house.git(repo, "rev-parse", "main:a").strip()
        assert (entries["b.txt"].type, entries["b.txt"].size) == ("file", 4)
        assert entries["b.txt"].oid == house.git(repo, "rev-parse", "main:b.txt").strip()

    @pytest.mark.parametrize("path", ["gone", "b.txt", "a/c.txt/d", "../etc", "a//b", "a\0b"])
    def test_that_does_not_exist_is_not_found(self, house: House, repo: Repo, path: str) -> None:
        with pytest.raises(EntryNotFound):
            house.hub.list_tree(repo, house.hub.resolve(repo, "main"), path)


class TestPaths:
    def test_that_exist_are_described_and_the_others_left_out(self, house: House, repo: Repo) -> None:
        sha = house.hub.resolve(repo, "main")
        found = house.hub.paths_info(repo, sha, ["b.txt", "gone", "a", "a/b/deep.txt", "b.txt", "", "a/b/"])
        assert [entry.path for entry in found] == ["b.txt", "a", "a/b/deep.txt", "a/b"]

    def test_name_one_file_or_none(self, house: House, repo: Repo) -> None:
        sha = house.hub.resolve(repo, "main")
        assert house.hub.entry(repo, sha, "a/c.txt").size == 2
        with pytest.raises(EntryNotFound):
            house.hub.entry(repo, sha, "a/gone.txt")

    def test_give_any_part_of_a_file(self, house: House, repo: Repo) -> None:
        oid = house.store(b"0123456789", repo)
        house.commit(repo, AddLfsFile("big.bin", oid), AddFile("small.txt", b"0123456789"))
        sha = house.hub.resolve(repo, "main")
        for path in ("big.bin", "small.txt"):
            entry = house.hub.entry(repo, sha, path)
            assert joined(house.hub.stream_file(repo, entry)) == b"0123456789"
            assert joined(house.hub.stream_file(repo, entry, 3, 7)) == b"3456"
            assert joined(house.hub.stream_file(repo, entry, 8)) == b"89"


class TestLastCommits:
    def test_name_the_commit_that_touched_each_entry(self, house: House, repo: Repo) -> None:
        house.commit(repo, AddFile("a/b/deep.txt", b"new"), summary="deeper")
        house.commit(repo, AddFile("z.txt", b"new"), DeleteFile("b.txt"), summary="last")
        assert titles(house, repo) == {
            ".gitattributes": "initial commit",
            "README.md": "files",
            "a-b.txt": "files",
            "a": "deeper",
            "a/b": "deeper",
            "a/b/deep.txt": "deeper",
            "a/c.txt": "files",
            "z.txt": "last",
        }

    def test_are_the_same_whether_remembered_or_not(self, house: House, repo: Repo) -> None:
        for number in range(12):
            house.write(repo, {f"{number % 3}.txt": b"%d" % number, f"a/{number}": b"1"})
            remembered = titles(house, repo)
        house.hub = Hub(house.database, house.settings, house.blobs)
        assert titles(house, repo) == remembered

    def test_follow_a_merge_to_the_side_that_made_the_change(self, house: House, repo: Repo) -> None:
        house.hub.create_branch(house.alice, repo, "side")
        house.commit(repo, AddFile("side.txt", b"1"), revision="side", summary="on the side")
        house.commit(repo, AddFile("main.txt", b"1"), summary="on main")
        identity = ("-c", "user.name=g", "-c", "user.email=g@example.org")
        tree = house.git(repo, "merge-tree", "--write-tree", "main", "side").strip()
        merge = house.git(repo, *identity, "commit-tree", tree, "-p", "main", "-p", "side", "-m", "merge").strip()
        house.git(repo, "update-ref", "refs/heads/main", merge)
        found = titles(house, repo)
        assert (found["side.txt"], found["main.txt"], found["a-b.txt"]) == ("on the side", "on main", "files")

    def test_of_paths_asked_one_by_one(self, house: House, repo: Repo) -> None:
        house.commit(repo, AddFile("a/c.txt", b"new"), summary="c")
        sha = house.hub.resolve(repo, "main")
        found = house.hub.paths_info(repo, sha, ["a/c.txt", "b.txt"], expand=True)
        assert [entry.last_commit and entry.last_commit.title for entry in found] == ["c", "files"]


def titles(house: House, repo: Repo) -> dict[str, str]:
    sha = house.hub.resolve(repo, "main")
    entries = house.hub.list_tree(repo, sha, recursive=True, expand=True)
    return {entry.path: entry.last_commit.title for entry in entries if entry.last_commit}


class TestHistory:
    def test_is_listed_newest_first_in_pages(self, house: House, repo: Repo) -> None:
        for number in range(5):
            house.commit(repo, AddFile("n", b"%d" % number), summary=f"{number}")
        sha = house.hub.resolve(repo, "main")
        everything = ["4", "3", "2", "1", "0", "files", "initial commit"]
        assert house.history(repo) == everything
        assert [commit.title for commit in house.hub.commits(repo, sha, skip=2, limit=3)] == everything[2:5]
        assert house.hub.commits(repo, sha, skip=99) == []
        assert house.hub.count_commits(repo, sha) == 7

    def test_carries_dates_and_parents(self, house: House, repo: Repo) -> None:
        newest, oldest = house.hub.commits(repo, house.hub.resolve(repo, "main"))
        assert newest.parents == (oldest.oid,)
        assert oldest.parents == ()
        assert abs((datetime.now(UTC) - newest.date).total_seconds()) < 300


class TestARevision:
    def test_is_a_branch_a_tag_a_ref_or_a_commit_id(self, house: House, repo: Repo) -> None:
        head = house.hub.resolve(repo, "main")
        house.hub.create_tag(house.alice, repo, "v1", "main")
        house.hub.create_tag(house.alice, repo, "v2", head[:7], "second")
        house.git(repo, "update-ref", "refs/pr/1", head)
        names = (
            "v1",
            "v2",
            "refs/heads/main",
            "refs/tags/v2",
            "refs/pr/1",
            "HEAD",
            head,
            head[:7],
            head[:12],
            head.upper(),
        )
        assert {name: house.hub.resolve(repo, name) for name in names} == dict.fromkeys(names, head)

    @pytest.mark.parametrize(
        "revision",
        ["", "gone", "0" * 40, "0" * 7, "a", "refs/heads/gone", "main~1", "main@{0}", "HEAD~1", "ma in", "main\0x"],
    )
    def test_that_names_nothing_is_not_found(self, house: House, repo: Repo, revision: str) -> None:
        with pytest.raises(RevisionNotFound, match="Invalid rev id"):
            house.hub.resolve(repo, revision)

    def test_is_no_file_or_folder_though_they_have_ids_too(self, house: House, repo: Repo) -> None:
        for what in ("main:a", "main:b.txt"):
            with pytest.raises(RevisionNotFound):
                house.hub.resolve(repo, house.git(repo, "rev-parse", what).strip())


class TestRefs:
    def test_are_listed_with_the_commits_they_lead_to(self, house: House, repo: Repo) -> None:
        head = house.hub.resolve(repo, "main")
        house.hub.create_branch(house.alice, repo, "release/1.0")
        house.hub.create_tag(house.alice, repo, "v1", "main", "annotated")
        for number in (1, 2, 10):
            house.git(repo, "update-ref", f"refs/pr/{number}", head)
        refs = house.hub.refs(repo)
        assert [(ref.name, ref.ref, ref.target) for ref in refs.branches] == [
            ("main", "refs/heads/main", head),
            ("release/1.0", "refs/heads/release/1.0", head),
        ]
        assert [(ref.name, ref.target) for ref in refs.tags] == [("v1", head)]
        assert [ref.name for ref in refs.pull_requests] == ["1", "2", "10"]

    def test_begin_where_they_are_told_to(self, house: House, repo: Repo) -> None:
        first = house.hub.commits(repo, house.hub.resolve(repo, "main"))[-1].oid
        house.hub.create_branch(house.alice, repo, "old", first[:8])
        assert house.hub.resolve(repo, "old") == first
        with pytest.raises(RevisionNotFound):
            house.hub.create_branch(house.alice, repo, "other", "gone")

    def test_exist_once_though_a_branch_may_share_a_tags_name(self, house: House, repo: Repo) -> None:
        house.hub.create_branch(house.alice, repo, "v1")
        house.hub.create_tag(house.alice, repo, "v1", "main")
        with pytest.raises(AlreadyExists, match="Reference refs/heads/v1 already exists"):
            house.hub.create_branch(house.alice, repo, "v1")
        with pytest.raises(AlreadyExists, match="Reference refs/tags/v1 already exists"):
            house.hub.create_tag(house.alice, repo, "v1", "main")

    def test_an_annotated_tag_is_one_to_git_too(self, house: House, repo: Repo) -> None:
        house.hub.create_tag(house.alice, repo, "v1", "main", "First\n\nrelease é")
        assert house.git(repo, "cat-file", "-t", "v1").strip() == "tag"
        assert house.git(repo, "tag", "-l", "--format=%(contents)", "v1").strip() == "First\n\nrelease é"
        assert house.git(repo, "fsck", "--strict") == ""

    @pytest.mark.parametrize(
        "name",
        [
            "",
            "a b",
            "a..b",
            "a~b",
            "-x",
            "refs/heads/x",
            "x.lock",
            "a//b",
            "0" * 40,
            "HEAD",
            "x" * 250,
            "a\\b",
            "é\udce9",
            "a\n",
        ],
    )
    def test_have_names_that_git_and_clients_can_tell_apart(self, house: House, repo: Repo, name: str) -> None:
        with pytest.raises(InvalidInput):
            house.hub.create_branch(house.alice, repo, name)
        with pytest.raises(InvalidName):
            house.hub.create_tag(house.alice, repo, name, "main")

    def test_cannot_be_file_and_folder_at_once(self, house: House, repo: Repo) -> None:
        house.hub.create_branch(house.alice, repo, "release")
        with pytest.raises(Conflict):
            house.hub.create_branch(house.alice, repo, "release/1.0")
        assert len(house.hub.refs(repo).branches) == 2

    def test_are_deleted_but_for_main(self, house: House, repo: Repo) -> None:
        house.hub.create_branch(house.alice, repo, "next")
        house.hub.create_tag(house.alice, repo, "v1", "main", "annotated")
        house.hub.delete_branch(house.alice, repo, "next")
        house.hub.delete_tag(house.alice, repo, "v1")
        for delete in (house.hub.delete_branch, house.hub.delete_tag):
            with pytest.raises(RevisionNotFound, match="Invalid rev id"):
                delete(house.alice, repo, "gone")
        with pytest.raises(Forbidden, match="Cannot delete refs/heads/main"):
            house.hub.delete_branch(house.alice, repo, "main")
        assert [ref.name for ref in (*house.hub.refs(repo).branches, *house.hub.refs(repo).tags)] == ["main"]

    def test_are_not_for_strangers_to_move(self, house: House, repo: Repo) -> None:
        house.hub.create_branch(house.alice, repo, "next")
        for attempt in (
            lambda: house.hub.create_branch(house.bob, repo, "mine"),
            lambda: house.hub.delete_branch(house.bob, repo, "next"),
            lambda: house.hub.create_tag(house.bob, repo, "v1", "main"),
            lambda: house.hub.delete_tag(house.bob, repo, "v1"),
        ):
            with pytest.raises(Forbidden):
                attempt()


class TestAFolderOfAHundredThousand:
    def test_is_read_page_by_page_and_written_to(self, house: House, repo: Repo) -> None:
        blob = house.hub.entry(repo, house.hub.resolve(repo, "main"), "b.txt").oid
        lines = "".join(f"100644 blob {blob}\t{number:06}.txt\n" for number in range(100_000))
        tree = run("git", "-C", str(house.hub.repo_path(repo)), "mktree", stdin=lines).strip()
        root = run("git", "-C", str(house.hub.repo_path(repo)), "mktree", stdin=f"040000 tree {tree}\tmany\n").strip()
        house.git(repo, "update-ref", "refs/heads/main", house.commit_tree(repo, root))
        house.write(repo, {"many/new.txt": b"1", "other.txt": b"2"})
        assert paths(house, repo, "many", after="many/099998.txt") == ["many/099999.txt", "many/new.txt"]
        assert paths(house, repo, recursive=True, limit=2) == ["many", "many/000000.txt"]
