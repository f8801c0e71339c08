"""Text of a stream, which cannot be read twice."""

import io

import pytest

from viveiro.datasets.encodings import read_lines


def read(content: bytes, most: int = 100) -> list[list[str]]:
    return list(read_lines(io.BufferedReader(io.BytesIO(content)), most))


class TestReadLines:
    @pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "cp1252", "utf-16", "utf-32"])
    def test_in_the_encoding_that_their_bytes_tell(self, encoding: str) -> None:
        text = "pressão\n\num café\n"
        assert read(text.encode(encoding)) == [["pressão", "", "um café"]]
        assert read(text.replace("\n", "\r\n").encode(encoding)) == [["pressão", "", "um café"]]

    def test_so_many_at_once(self) -> None:
        assert read(b"a\nb\nc", most=2) == [["a", "b"], ["c"]]

    def test_an_accent_far_down_is_read_too(self) -> None:
        assert read(b"a\n" * 3 + "café".encode("cp1252"), most=2) == [["a", "a"], ["a", "café"]]

    def test_one_broken_byte_does_not_break_its_neighbours(self) -> None:
        assert read("pressão de água, ".encode() + b"\xff\n") == [["pressão de água, \ufffd"]]
