"""Where to ask instead, when an address has the name that a repo had before."""

import pytest

from viveiro.http.moved import moved_address

OLD, NEW = "alice/old", "acai/new.v2"


class TestMovedAddress:
    @pytest.mark.parametrize(
        ("path", "expected"),
        [
            ("/api/models/alice/old", "/api/models/acai/new.v2"),
            ("/api/models/Alice/OLD/tree/main", "/api/models/acai/new.v2/tree/main"),
            ("/api/datasets/alice/old/revision/refs%2Fpr%2F1", "/api/datasets/acai/new.v2/revision/refs%2Fpr%2F1"),
            ("/alice/old/resolve/main/alice/old/a%20b.txt", "/acai/new.v2/resolve/main/alice/old/a%20b.txt"),
            ("/datasets/alice/old/raw/main/x", "/datasets/acai/new.v2/raw/main/x"),
            ("/alice/old.git/info/refs", "/acai/new.v2.git/info/refs"),
            ("/api/v1/datasets/alice/old/check", "/api/v1/datasets/acai/new.v2/check"),
        ],
    )
    def test_has_the_new_name_in_the_place_of_the_old(self, path: str, expected: str) -> None:
        assert moved_address(path, "", OLD, NEW) == expected

    def test_keeps_the_query(self) -> None:
        assert moved_address("/alice/old/info/refs", "service=git-upload-pack", OLD, NEW) == (
            "/acai/new.v2/info/refs?service=git-upload-pack"
        )

    @pytest.mark.parametrize("path", ["/", "/runs/new", "/api/repos/move", "/alice/older", "/alice", "/bob/old/alice"])
    def test_is_none_where_the_address_names_something_else(self, path: str) -> None:
        assert moved_address(path, "data=alice/old", OLD, NEW) is None

    @pytest.mark.parametrize("path", ["//evil.example/alice/old", "///alice/old"])
    def test_never_leads_to_another_server(self, path: str) -> None:
        assert moved_address(path, "", OLD, NEW) is None

    def test_leaves_no_character_that_a_header_cannot_hold(self) -> None:
        address = moved_address("/alice/old/resolve/main/\xe9\r\nX: y", "", OLD, NEW)
        assert address is not None
        assert address.isascii()
        assert address.isprintable()
