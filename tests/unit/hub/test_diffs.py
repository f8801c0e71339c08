"""What a commit changed, as a page shows it, and which commits changed a path."""

import pytest

from tests.unit.hub.house import run
from viveiro.hub import diffs, history
from viveiro.hub.diffs import DiffLine
from viveiro.hub.types import AddFile, AddLfsFile, DeleteFile, DeleteFolder

TEXT = "".join(f"line {number}\n" for number in range(1, 21)).encode()


@pytest.fixture
def repo(house):
    repo = house.model()
    house.write(repo, {"notes.txt": TEXT, "data/raw.bin": b"\0\1\2"})
    return repo


def changed(house, repo, *operations):
    """The diff of one more commit."""
    return house.hub.commit_diff(repo, house.commit(repo, *operations).oid)


def only_file(diff):
    (file,) = diff.files
    return file


class TestText:
    def test_a_changed_line_stands_among_its_neighbours_with_both_numbers(self, house, repo):
        text = TEXT.replace(b"line 10\n", b"line ten\nand more\n")
        diff = changed(house, repo, AddFile("notes.txt", text))
        file = only_file(diff)
        (hunk,) = file.hunks
        assert (file.status, file.path, file.truncated) == ("modified", "notes.txt", False)
        assert (diff.additions, diff.deletions, diff.files_changed, diff.truncated) == (2, 1, 1, False)
        assert (hunk.old_start, hunk.new_start, len(hunk.lines)) == (7, 7, 9)
        assert hunk.lines[2:7] == (
            DiffLine(" ", 9, 9, "line 9"),
            DiffLine("-", 10, None, "line 10"),
            DiffLine("+", None, 10, "line ten"),
            DiffLine("+", None, 11, "and more"),
            DiffLine(" ", 11, 12, "line 11"),
        )

    def test_changes_far_apart_are_hunks_of_their_own(self, house, repo):
        text = TEXT.replace(b"line 2\n", b"").replace(b"line 19\n", b"")
        file = only_file(changed(house, repo, AddFile("notes.txt", text)))
        assert [(hunk.old_start, hunk.new_start) for hunk in file.hunks] == [(1, 1), (16, 15)]

    def test_the_first_commit_is_compared_with_nothing(self, house, repo):
        first = house.hub.commits(repo, house.hub.resolve(repo, "main"))[-1]
        diff = house.hub.commit_diff(repo, first.oid)
        file = only_file(diff)
        assert (file.status, file.path, file.old, first.parents) == ("added", ".gitattributes", None, ())
        assert diff.additions > 0
        assert diff.commit == house.hub.commit(repo, first.oid) == first

    def test_files_come_and_go(self, house, repo):
        diff = changed(house, repo, DeleteFolder("data"), AddFile("more.txt", b"one\ntwo"))
        assert [(file.status, file.path, file.additions) for file in diff.files] == [
            ("deleted", "data/raw.bin", None),
            ("added", "more.txt", 2),
        ]
        assert [line.text for line in diff.files[1].hunks[0].lines] == ["one", "two"]

    def test_a_file_moved_and_slightly_changed_is_one_file(self, house, repo):
        diff = changed(house, repo, DeleteFile("notes.txt"), AddFile("doc/notes.md", TEXT + b"last\n"))
        file = only_file(diff)
        assert (file.status, file.old.path, file.new.path) == ("renamed", "notes.txt", "doc/notes.md")
        assert (file.additions, file.deletions) == (1, 0)

    def test_what_is_not_utf_8_is_replaced(self, house, repo):
        file = only_file(changed(house, repo, AddFile("latin.txt", "ação\r\n".encode("latin-1"))))
        assert file.hunks[0].lines[0].text == "a\ufffd\ufffdo"

    def test_a_binary_file_has_sizes_and_no_lines(self, house, repo):
        file = only_file(changed(house, repo, AddFile("data/raw.bin", b"\0" * 10)))
        assert (file.is_binary, file.hunks, file.additions, file.truncated) == (True, (), None, False)
        assert (file.old.size, file.new.size) == (3, 10)

    def test_a_merge_shows_what_it_brought_to_its_first_parent(self, house, repo):
        main = house.hub.resolve(repo, "main")
        house.hub.create_branch(house.alice, repo, "side")
        side = house.write(repo, {"side.txt": b"x\n"}, revision="side").oid
        identity = ("-c", "user.name=gil", "-c", "user.email=gil@example.org")
        merge = run(
            *("git", "-C", str(house.hub.repo_path(repo)), *identity),
            *("commit-tree", f"{side}^{{tree}}", "-p", main, "-p", side, "-m", "merge"),
        ).strip()
        assert only_file(house.hub.commit_diff(repo, merge)).path == "side.txt"


class TestLfs:
    def test_the_sizes_and_hashes_of_the_content_changed_and_no_text(self, house, repo):
        small, large = house.store(b"a" * 70_000, repo), house.store(b"b" * 90_000, repo)
        house.commit(repo, AddLfsFile("model.bin", small))
        file = only_file(changed(house, repo, AddLfsFile("model.bin", large)))
        assert (file.is_lfs, file.status, file.hunks, file.truncated) == (True, "modified", (), False)
        assert [(side.size, side.lfs.oid) for side in (file.old, file.new)] == [(70_000, small), (90_000, large)]

    def test_content_moved_as_it_is_was_renamed(self, house, repo):
        content = house.store(b"a" * 70_000, repo)
        house.commit(repo, AddLfsFile("old.bin", content))
        file = only_file(changed(house, repo, DeleteFile("old.bin"), AddLfsFile("new.bin", content)))
        assert (file.status, file.old.path, file.new.path) == ("renamed", "old.bin", "new.bin")

    def test_different_content_elsewhere_was_not(self, house, repo):
        one, other = house.store(b"a" * 70_000, repo), house.store(b"b" * 70_000, repo)
        house.commit(repo, AddLfsFile("old.bin", one))
        diff = changed(house, repo, DeleteFile("old.bin"), AddLfsFile("new.bin", other))
        assert [file.status for file in diff.files] == ["added", "deleted"]


class TestBounds:
    def test_lines_past_a_files_bound_are_left_out_and_counted(self, house, repo):
        lines = diffs.MOST_LINES_PER_FILE + 1
        file = only_file(changed(house, repo, AddFile("long.txt", b"x\n" * lines)))
        assert (len(file.hunks[0].lines), file.additions, file.truncated) == (lines - 1, lines, True)

    def test_as_many_as_the_bound_are_whole(self, house, repo):
        file = only_file(changed(house, repo, AddFile("long.txt", b"x\n" * diffs.MOST_LINES_PER_FILE)))
        assert not file.truncated

    def test_a_long_line_is_cut(self, house, repo):
        file = only_file(changed(house, repo, AddFile("wide.txt", "é".encode() * 501 + b"\n" + b"y" * 500 + b"\n")))
        assert [(line.text, line.truncated) for line in file.hunks[0].lines] == [("é" * 500, True), ("y" * 500, False)]

    def test_a_large_file_is_not_compared(self, house, repo, monkeypatch):
        monkeypatch.setattr(diffs, "MOST_BYTES_COMPARED", 100)
        file = only_file(changed(house, repo, AddFile("notes.txt", TEXT + b"more\n")))
        assert (file.hunks, file.additions, file.truncated) == ((), None, True)

    def test_past_so_many_files_only_names_and_then_only_a_count(self, house, repo, monkeypatch):
        monkeypatch.setattr(diffs, "MOST_SHOWN", 2)
        monkeypatch.setattr(diffs, "MOST_FILES", 3)
        diff = changed(house, repo, *(AddFile(f"f{number}.txt", b"x\n") for number in range(5)))
        assert [(file.path, file.additions, file.truncated) for file in diff.files] == [
            ("f0.txt", 1, False),
            ("f1.txt", 1, False),
            ("f2.txt", None, True),
        ]
        assert (diff.files_changed, diff.truncated) == (5, True)

    def test_all_files_share_one_bound_of_lines(self, house, repo, monkeypatch):
        monkeypatch.setattr(diffs, "MOST_LINES", 3)
        diff = changed(house, repo, *(AddFile(f"f{number}.txt", b"x\ny\n") for number in range(3)))
        shown = [sum(len(hunk.lines) for hunk in file.hunks) for file in diff.files]
        assert (shown, [file.truncated for file in diff.files]) == ([2, 1, 0], [False, True, True])

    def test_among_many_files_renames_are_not_looked_for(self, house, repo, monkeypatch):
        monkeypatch.setattr(diffs, "MOST_RENAMES", 1)
        diff = changed(house, repo, DeleteFile("notes.txt"), AddFile("moved.txt", TEXT))
        assert [file.status for file in diff.files] == ["added", "deleted"]

    def test_among_large_files_only_unchanged_ones_were_renamed(self, house, repo, monkeypatch):
        monkeypatch.setattr(diffs, "MOST_BYTES_COMPARED", 100)
        diff = changed(
            house,
            repo,
            *(DeleteFile("notes.txt"), AddFile("changed.txt", TEXT + b"more\n")),
            *(DeleteFile("data/raw.bin"), AddFile("raw.bin", b"\0\1\2")),
        )
        assert [(file.status, file.path) for file in diff.files] == [
            ("added", "changed.txt"),
            ("deleted", "notes.txt"),
            ("renamed", "raw.bin"),
        ]


class TestHistoryOfAPath:
    def titles(self, house, repo, path, **page):
        sha = house.hub.resolve(repo, "main")
        return [commit.title for commit in house.hub.commits(repo, sha, path=path, **page)]

    @pytest.fixture
    def repo(self, house):
        repo = house.model()
        for summary, operation in {
            "add": AddFile("data/a.txt", b"1"),
            "elsewhere": AddFile("b.txt", b"1"),
            "change": AddFile("data/a.txt", b"2"),
            "delete": DeleteFile("data/a.txt"),
            "again": AddFile("data/a.txt", b"3"),
        }.items():
            house.commit(repo, operation, summary=summary)
        return repo

    def test_a_file_has_the_commits_that_touched_it_newest_first(self, house, repo):
        assert self.titles(house, repo, "data/a.txt") == ["again", "delete", "change", "add"]
        assert self.titles(house, repo, "b.txt") == ["elsewhere"]

    def test_a_folder_has_those_of_all_that_is_in_it(self, house, repo):
        assert self.titles(house, repo, "data/") == ["again", "delete", "change", "add"]

    def test_what_never_was_has_none(self, house, repo):
        assert self.titles(house, repo, "nowhere.txt") == []

    def test_pages(self, house, repo):
        assert self.titles(house, repo, "data/a.txt", skip=1, limit=2) == ["delete", "change"]

    def test_the_search_ends_somewhere(self, house, repo, monkeypatch):
        monkeypatch.setattr(history, "MOST_WALKED", 3)
        assert self.titles(house, repo, "data/a.txt") == ["again", "delete", "change"]
