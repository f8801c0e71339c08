"""The pure rules: paths, patterns, pointers, how a file travels."""

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from viveiro.errors import InvalidPath
from viveiro.hub.lfs import format_pointer, parse_pointer
from viveiro.hub.paths import check_path, folded
from viveiro.hub.patterns import (
    LFS_BY_DEFAULT,
    MEDIA,
    attributes_file,
    cover,
    goes_through_lfs,
    is_ignored,
    lfs_patterns,
)
from viveiro.hub.types import LfsPointer
from viveiro.hub.uploads import PendingFile, is_large, upload_mode

MiB = 2**20


class TestPaths:
    @pytest.mark.parametrize(
        "path",
        [
            *("README.md", "a/b/c.txt", ".gitattributes", ".gitignore", "..a", "a..b", "...", "a b", "a:b", "-rf"),
            *(
                "é.txt",
                "e\u0301.txt",
                "数据/训练.csv",
                "👩\u200d🔬.png",
                "می\u200cخواهم.txt",
                "git~2",
                "conx.txt",
                "auxiliary",
            ),
            *("x" * 255, "é" * 127, "/".join(["a"] * 100)),
        ],
    )
    def test_that_a_repo_may_hold(self, path: str) -> None:
        assert check_path(path) == path

    @pytest.mark.parametrize(
        ("path", "why"),
        [
            ("", "empty"),
            ("/etc/passwd", "starts with '/'"),
            ("a/", "empty part"),
            ("a//b", "empty part"),
            ("../a", "leave its folder"),
            ("a/../../b", "leave its folder"),
            ("./a", "leave its folder"),
            ("..\\a", "backslash"),
            ("a\0b", "control"),
            ("a\nb", "control"),
            ("a\x7fb", "control"),
            ("a\u2028b", "control"),
            ("a\u202egpj.exe", "invisible"),
            ("a\u200bb", "invisible"),
            ("\udce9", "UTF-8"),
            ("x" * 256, "255 bytes"),
            ("é" * 128, "255 bytes"),
            ("/".join(["x" * 200] * 6), "1024 bytes"),
            ("/".join(["a"] * 101), "100 folders"),
            (".git", "belongs to git"),
            ("a/.GIT/config", "belongs to git"),
            (".git ", "belongs to git"),
            (".git.", "belongs to git"),
            (".git::$INDEX_ALLOCATION/x", "belongs to git"),
            ("GIT~1", "belongs to git"),
            (".g\u200cit", "belongs to git"),
            ("nul", "Windows"),
            ("a/CON.txt", "Windows"),
            ("com1", "Windows"),
            ("lpt9.tar.gz", "Windows"),
        ],
    )
    def test_that_no_repo_may_hold(self, path: str, why: str) -> None:
        with pytest.raises(InvalidPath, match=why):
            check_path(path)

    @given(st.text())
    def test_are_accepted_or_refused_and_never_anything_else(self, path: str) -> None:
        with contextlib.suppress(InvalidPath):
            assert check_path(path) == path

    @pytest.mark.parametrize(
        ("one", "other"),
        [("README.md", "readme.MD"), ("é", "e\u0301"), ("É", "e\u0301"), ("straße", "STRASSE"), ("ﬁle", "FILE")],
    )
    def test_are_twins_where_case_or_unicode_form_is_all_that_differs(self, one: str, other: str) -> None:
        assert folded(one) == folded(other)

    @pytest.mark.parametrize(("one", "other"), [("a", "b"), ("a", "á"), ("о", "o"), ("1", "l")])
    def test_are_not_twins_where_letters_differ(self, one: str, other: str) -> None:
        assert folded(one) != folded(other)


class TestUploadMode:
    """A file goes through LFS when its repo says so, when it is large, or when it is binary."""

    @pytest.mark.parametrize(
        ("path", "size", "sample", "expected"),
        [
            ("model.safetensors", 12, b"", "lfs"),  # .gitattributes wins, whatever the size
            ("deep/down/model.safetensors", 12, b"", "lfs"),
            ("corpus.txt", 10 * MiB, b"text", "lfs"),  # the threshold itself is already LFS
            ("corpus.txt", 10 * MiB - 1, b"text", "regular"),
            ("logo", 12, b"\x89PNG\0", "lfs"),
            ("notes.txt", 12, "açaí".encode(), "regular"),
            ("model.safetensors", 0, b"", "regular"),  # clients send an empty file inside the commit, always
        ],
    )
    def test_rule(self, path: str, size: int, sample: bytes, expected: str) -> None:
        assert upload_mode(PendingFile(path, size, sample), ["*.safetensors"], threshold=10 * MiB) == expected

    def test_large_begins_at_the_threshold(self) -> None:
        assert [is_large(size, 10) for size in (9, 10, 11)] == [False, True, True]


class TestAttributes:
    def test_of_a_new_repo_send_weights_and_archives_through_lfs(self) -> None:
        patterns = lfs_patterns(attributes_file(LFS_BY_DEFAULT))
        for path in (
            "pytorch_model.bin",
            "a/model.safetensors",
            "x.gguf",
            "d.parquet",
            "t.tar.gz",
            "saved_model/a/b.txt",
        ):
            assert goes_through_lfs(path, patterns), path
        for path in ("README.md", "config.json", "train.csv", "binary.txt", "photo.png", "saved_model.txt"):
            assert not goes_through_lfs(path, patterns), path
        assert goes_through_lfs("photo.png", lfs_patterns(attributes_file(MEDIA)))

    @pytest.mark.parametrize(
        "path", ["a.txt", "a b/c d.txt", "*.txt", "[a]?.txt", "!a.txt", "#a.txt", "a\u00a0b.txt", "é.txt"]
    )
    def test_cover_a_big_file_by_its_own_name_and_no_other(self, path: str) -> None:
        covered = cover("*.bin filter=lfs", [path, "model.bin"])
        assert covered.count("filter=lfs") == 2
        patterns = lfs_patterns(covered)
        assert goes_through_lfs(path, patterns)
        assert not any(goes_through_lfs(other, patterns) for other in (f"x/{path}", f"{path}x", "b.txt", "ab/c d.txt"))
        assert cover(covered, [path]) == covered

    def test_are_obeyed_line_by_line_and_the_last_that_matches_wins(self) -> None:
        patterns = lfs_patterns(
            "# weights\n*.bin filter=lfs diff=lfs merge=lfs -text\n\nsmall/*.bin -filter\nsmall/big.bin filter=lfs\n"
            "*.txt text\n*.csv filter=other\n"
        )
        found = {
            path: goes_through_lfs(path, patterns)
            for path in ("a.bin", "small/a.bin", "small/big.bin", "a.txt", "a.csv")
        }
        assert found == {"a.bin": True, "small/a.bin": False, "small/big.bin": True, "a.txt": False, "a.csv": False}

    @pytest.mark.parametrize(
        ("pattern", "matching", "others"),
        [
            ("*.bin", ["a.bin", "a/b.bin", ".bin"], ["a.bin/c", "abin"]),
            ("data/*", ["data/a"], ["data/a/b", "x/data/a"]),
            ("/top.txt", ["top.txt"], ["a/top.txt"]),
            ("a/**/b", ["a/b", "a/x/b", "a/x/y/b"], ["ab", "a/xb"]),
            ("**/b", ["b", "x/b"], ["xb"]),
            ("a/**", ["a/x", "a/x/y"], ["a", "b/a/x"]),
            ("?.txt", ["a.txt"], ["ab.txt", "/.txt"]),
            ("[ab].txt", ["a.txt", "b.txt"], ["c.txt"]),
            ("[!ab].txt", ["c.txt"], ["a.txt", "/.txt"]),
            ("[a-c]\\*", ["a*", "c*"], ["ab"]),
            ("[z-a]", [], ["z", "-", "a"]),
            ("(a|b)+.txt", ["(a|b)+.txt"], ["a.txt"]),
        ],
    )
    def test_use_gits_wildcards(self, pattern: str, matching: list[str], others: list[str]) -> None:
        assert [path for path in matching + others if goes_through_lfs(path, [pattern])] == matching

    @given(st.text(max_size=30), st.text(max_size=30))
    def test_never_fail_whatever_is_written_there(self, attributes: str, path: str) -> None:
        assert goes_through_lfs(path, lfs_patterns(f"{attributes} filter=lfs")) in (True, False)


class TestGitignore:
    @pytest.mark.parametrize(
        ("path", "ignored"),
        [
            ("a.pyc", True),
            ("deep/a.pyc", True),
            ("keep.pyc", False),
            ("build/x/y.o", True),
            ("src/build/x.o", True),
            ("build", False),  # a file of that name: the rule is for folders
            ("docs/a.txt", True),
            ("docs/deep/a.txt", False),
            ("a.txt", False),
        ],
    )
    def test_leaves_out_what_it_names(self, path: str, ignored: bool) -> None:
        assert is_ignored(path, "# made\n*.pyc\n!keep.pyc\nbuild/\n/docs/*.txt\n\n") is ignored


class TestPointers:
    @given(st.binary(min_size=32, max_size=32), st.integers(0, 10**17))
    def test_read_back_as_written(self, digest: bytes, size: int) -> None:
        text = format_pointer(digest.hex(), size)
        assert parse_pointer(text) == LfsPointer(digest.hex(), size, len(text))

    @pytest.mark.parametrize(
        "text",
        [
            b"",
            b"version https://git-lfs.github.com/spec/v1\n",
            format_pointer("0" * 64, 5).replace(b"sha256", b"md5"),
            format_pointer("0" * 63 + "G", 5),
            format_pointer("0" * 64, 5).replace(b"size 5", b"size -5"),
            format_pointer("0" * 64, 5).replace(b"size 5", b"size 05"),
            format_pointer("0" * 64, 5).replace(b"spec/v1", b"spec/v2"),
            format_pointer("0" * 64, 5) + b"x" * 1024,  # content that only begins like one
            format_pointer("0" * 64, 5) + b"\xff\xff",
            b"\n" + format_pointer("0" * 64, 5),
        ],
    )
    def test_are_nothing_else(self, text: bytes) -> None:
        assert parse_pointer(text) is None

    def test_may_say_more_than_this_version_knows(self) -> None:
        text = format_pointer("0" * 64, 5).replace(b"oid", b"ext-0-foo sha256:" + b"1" * 64 + b"\noid")
        assert parse_pointer(text) == LfsPointer("0" * 64, 5, len(text))
