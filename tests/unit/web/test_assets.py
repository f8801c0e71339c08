import gzip
import re

import pytest

from viveiro.web.assets import FOLDER, assets


@pytest.fixture(scope="module")
def style_sheet(site):
    page = site.browser().get("/").text
    return re.search(r'rel="stylesheet" href="([^"]+)"', page)[1]


class TestAnAsset:
    def test_has_an_address_that_changes_with_the_content_of_all(self, style_sheet):
        assert style_sheet == f"/static/{assets().version}/viveiro.css"
        assert re.fullmatch(r"[0-9a-f]{12}", assets().version)

    def test_is_kept_for_ever(self, site, style_sheet):
        answer = site.browser().get(style_sheet)
        assert answer.headers["cache-control"] == "public, max-age=31536000, immutable"
        assert answer.headers["content-type"].startswith("text/css")

    def test_of_an_earlier_version_is_what_is_there_now_and_is_not_kept(self, site):
        answer = site.browser().get("/static/000000000000/viveiro.css")
        assert answer.content == (FOLDER / "viveiro.css").read_bytes()
        assert answer.headers["cache-control"] == "no-store"

    def test_travels_compressed_to_who_can_read_that(self, site, style_sheet):
        with site.browser().stream("GET", style_sheet) as answer:
            sent = b"".join(answer.iter_raw())
        assert answer.headers["content-encoding"] == "gzip"
        assert answer.headers["vary"] == "Accept-Encoding"
        assert gzip.decompress(sent) == (FOLDER / "viveiro.css").read_bytes()

    def test_travels_plain_to_who_cannot(self, site, style_sheet):
        answer = site.browser(**{"Accept-Encoding": "identity"}).get(style_sheet)
        assert "content-encoding" not in answer.headers
        assert answer.content == (FOLDER / "viveiro.css").read_bytes()

    @pytest.mark.parametrize(
        ("name", "content_type"),
        [("viveiro.js", "text/javascript"), ("mark.svg", "image/svg+xml"), ("vendor/fraunces.woff2", "font/woff2")],
    )
    def test_says_what_it_is_and_is_taken_for_nothing_else(self, site, name, content_type):
        answer = site.browser().get(assets().url(name))
        assert answer.headers["content-type"].partition(";")[0] == content_type
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["content-security-policy"] == "default-src 'none'"

    @pytest.mark.parametrize(
        "name", ["gone.css", "../assets.py", "..%2f..%2fassets.py", "%2e%2e/__init__.py", "vendor"]
    )
    def test_that_is_not_there_is_missing_whatever_lies_beside_the_folder(self, site, name):
        answer = site.browser().get(f"/static/{assets().version}/{name}")
        assert answer.status_code == 404
        assert "import" not in answer.text

    def test_with_a_typo_in_a_template_fails_where_it_is_written(self):
        with pytest.raises(KeyError):
            assets().url("viveiro.ccs")

    def test_the_icon_that_browsers_ask_for_by_themselves_is_the_mark(self, site):
        answer = site.browser().get("/favicon.ico")
        assert answer.content == (FOLDER / "mark.svg").read_bytes()
