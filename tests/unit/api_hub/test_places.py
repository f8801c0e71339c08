"""Addresses: clients quote revisions and paths whole, and what they quoted is one part."""

import pytest

from viveiro.api.hub.places import Place, split_place
from viveiro.errors import InvalidInput
from viveiro.types import RepoId, RepoKind, RepoRef


class TestSplitPlace:
    @pytest.mark.parametrize(
        ("rest", "expected"),
        [
            ([], ("main", "")),
            ([""], ("main", "")),
            (["main"], ("main", "")),
            (["refs%2Fpr%2F1"], ("refs/pr/1", "")),
            (["refs", "pr", "1"], ("refs/pr/1", "")),  # older clients did not quote
            (["refs", "pr", "1", "a", "b"], ("refs/pr/1", "a/b")),
            (["feature%2Fx", "dir%2Ffile.txt"], ("feature/x", "dir/file.txt")),
            (["main", "dir", "file.txt"], ("main", "dir/file.txt")),
            (["main", "50%25.txt"], ("main", "50%.txt")),
            (["main", "a%C3%A7a%C3%AD"], ("main", "açaí")),
            (["main", "folder", ""], ("main", "folder")),
        ],
    )
    def test_rule(self, rest, expected):
        assert split_place(rest) == expected

    def test_what_is_not_utf8_is_refused(self):
        with pytest.raises(InvalidInput, match="not UTF-8"):
            split_place(["main", "%ff"])

    def test_a_branch_may_hold_slashes_quoted_or_not(self):
        ref = RepoRef(RepoKind.MODEL, RepoId("acai", "m"))
        assert Place(ref, *split_place(["a", "b", "c"])).name == "a/b/c"
        assert Place(ref, *split_place(["a%2Fb"])).name == "a/b"
