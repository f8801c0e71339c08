"""Which bytes are answered, and under which headers."""

import pytest

from viveiro.errors import RangeNotSatisfiable
from viveiro.http.files import Selection, file_headers, is_unchanged, safe_content_type, select_bytes

ETAG = '"v1"'


class TestSelectBytes:
    """RFC 9110, section 14. One range is answered as a part, anything else with the whole."""

    @pytest.mark.parametrize(
        ("asked", "start", "stop"),
        [
            ("bytes=0-0", 0, 1),
            ("bytes=0-9", 0, 10),
            ("bytes=3-", 3, 10),
            ("bytes=-4", 6, 10),
            ("bytes=-400", 0, 10),
            ("bytes=8-400", 8, 10),
            ("bytes= 2 - 3 ", 2, 4),
        ],
    )
    def test_one_range(self, asked, start, stop):
        assert select_bytes({"range": asked}, 10, ETAG) == Selection(start, stop, 10, is_part=True)

    @pytest.mark.parametrize(
        "asked",
        [
            "",
            "bytes",
            "bytes=",
            "bytes=-",
            "bytes=5-4",
            "bytes=0-1,3-4",
            "items=0-1",
            "bytes=a-b",
            f"bytes={'9' * 5000}-",
        ],
    )
    def test_what_is_not_one_range_is_the_whole(self, asked):
        assert select_bytes({"range": asked}, 10, ETAG) == Selection(0, 10, 10)

    @pytest.mark.parametrize(("asked", "size"), [("bytes=10-", 10), ("bytes=-0", 10), ("bytes=0-", 0), ("bytes=-1", 0)])
    def test_a_range_behind_the_end(self, asked, size):
        with pytest.raises(RangeNotSatisfiable):
            select_bytes({"range": asked}, size, ETAG)

    def test_the_rest_of_another_version_is_not_the_rest_of_this_one(self):
        assert select_bytes({"range": "bytes=5-", "if-range": ETAG}, 10, ETAG).is_part
        assert not select_bytes({"range": "bytes=5-", "if-range": '"v0"'}, 10, ETAG).is_part
        assert not select_bytes({"range": "bytes=5-", "if-range": f"W/{ETAG}"}, 10, ETAG).is_part


class TestIsUnchanged:
    @pytest.mark.parametrize("named", [ETAG, f"W/{ETAG}", f'"v0", {ETAG}', "*"])
    def test_this_version_is_known(self, named):
        assert is_unchanged({"if-none-match": named}, ETAG)

    @pytest.mark.parametrize("named", ["", '"v0"', "v1", '"v0", "v2"'])
    def test_this_version_is_not_known(self, named):
        assert not is_unchanged({"if-none-match": named}, ETAG)


class TestSafeContentType:
    @pytest.mark.parametrize(
        ("path", "expected"),
        [
            ("a.html", "text/plain; charset=utf-8"),
            ("a.svg", "text/plain; charset=utf-8"),
            ("a.js", "text/plain; charset=utf-8"),
            ("README.md", "text/plain; charset=utf-8"),
            ("data.csv", "text/plain; charset=utf-8"),
            ("config.json", "application/json"),
            ("cat.png", "image/png"),
            ("speech.wav", "audio/x-wav"),
            ("a.pdf", "application/octet-stream"),
            ("a.xhtml", "application/octet-stream"),
            ("data.csv.gz", "application/octet-stream"),
            ("weights.safetensors", "application/octet-stream"),
            ("LICENSE", "application/octet-stream"),
        ],
    )
    def test_what_could_run_is_shown_as_text_or_downloaded(self, path, expected):
        assert safe_content_type(path) == expected


class TestFileHeaders:
    @pytest.mark.parametrize(
        ("name", "plain"),
        [
            ("a.txt", "a.txt"),
            ('quo"te.txt', "quo_te.txt"),
            ("back\\slash.txt", "back_slash.txt"),
            ("a;b.txt", "a_b.txt"),
            ("line\r\nX-Evil: 1.txt", "line__X-Evil: 1.txt"),
            ("é.txt", "e_.txt"),
            ("日本.txt", "__.txt"),
        ],
    )
    def test_a_name_stays_inside_its_quotes(self, name, plain):
        assert f'filename="{plain}"; filename*=' in file_headers(f"folder/{name}")["Content-Disposition"]

    def test_no_header_holds_anything_but_ascii(self):
        for value in file_headers("f\x00o/\ud800日\u202e\n.html").values():
            assert value.isascii()
            assert value.isprintable()
