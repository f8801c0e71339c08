"""Addresses of files, and the small decisions on git's way through HTTP."""

import gzip
import zlib

import pytest

from viveiro.api.hub.git_process import UNPACKED_BYTES, protocol, unpacker
from viveiro.api.hub.resolve import RecentDownloads
from viveiro.http.repo_addresses import MAX_REVISION_PARTS, readings


class TestReadings:
    """`revision/path` can be read in several ways when the revision's slashes were not quoted."""

    def test_a_quoted_revision_is_the_first_reading(self):
        assert next(readings(["refs/pr/1", "a", "b.txt"])) == ("refs/pr/1", "a/b.txt")

    def test_longer_revisions_follow(self):
        assert list(readings(["a", "b", "c"])) == [("a", "b/c"), ("a/b", "c")]

    def test_a_path_there_must_be(self):
        assert list(readings(["main"])) == []

    def test_a_deep_path_is_not_asked_about_part_by_part(self):
        assert len(list(readings(["part"] * 1000))) == MAX_REVISION_PARTS


class TestRecentDownloads:
    def test_the_same_within_the_window_is_one(self):
        recent = RecentDownloads(window_seconds=60)
        assert [recent.is_new("repo", "alice"), recent.is_new("repo", "alice"), recent.is_new("repo", "bob")] == [
            True,
            False,
            True,
        ]

    def test_after_the_window_it_is_another(self):
        recent = RecentDownloads(window_seconds=0)
        assert recent.is_new("repo")
        assert recent.is_new("repo")

    def test_memory_is_bounded(self):
        recent = RecentDownloads(most=2)
        assert all(recent.is_new(name) for name in ("one", "two", "three", "one"))


class TestProtocol:
    @pytest.mark.parametrize("version", ["version=1", "version=2"])
    def test_a_version_is_passed_on(self, version):
        assert protocol({"git-protocol": version}) == {"GIT_PROTOCOL": version}

    @pytest.mark.parametrize("value", ["", "version=9", "version=2\n", "version=2:evil=`x`", "x"])
    def test_nothing_else_is(self, value):
        assert protocol({"git-protocol": value}) == {}


class TestUnpacker:
    def test_a_plain_body_passes_as_it_is(self):
        assert list(unpacker({})(b"0000")) == [b"0000"]

    def test_a_compressed_body_in_any_pieces(self):
        unpack = unpacker({"content-encoding": "gzip"})
        packed = gzip.compress(b"want " * 1000)
        unpacked = b"".join(piece for byte in packed for piece in unpack(bytes([byte])))
        assert unpacked == b"want " * 1000

    def test_a_bomb_goes_off_in_small_pieces(self):
        bomb = gzip.compress(bytes(64 * 2**20))
        sizes = [len(piece) for piece in unpacker({"content-encoding": "gzip"})(bomb)]
        assert max(sizes) <= UNPACKED_BYTES
        assert sum(sizes) == 64 * 2**20

    def test_what_is_not_gzip(self):
        with pytest.raises(zlib.error):
            list(unpacker({"content-encoding": "gzip"})(b"0000"))
