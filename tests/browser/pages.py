"""Every page of the application: what `test_pages.py` looks at and `make screenshots` draws.

A page is an address with fields of a `Site`, and who looks at it.
"""

from dataclasses import dataclass

from tests.browser.site import Site


@dataclass(frozen=True)
class PageRow:
    address: str
    who: str | None = "alice"
    status: int = 200

    def path(self, site: Site) -> str:
        return self.address.format(site=site)

    @property
    def name(self) -> str:
        """For test ids and files."""
        plain = self.address.replace("{site.", "").replace("}", "")
        return "-".join(part for part in plain.replace("?", "/").split("/") if part) or "home"


PAGES = (
    PageRow("/-/design"),
    PageRow("/"),
    PageRow("/not/a/page/at/all", status=404),
)

NOT_PAGES = {
    "/static/{version}/{name:path}": "what pages load",
    "/favicon.ico": "the mark",
}
"""GET routes of `viveiro.web` that answer no whole page, and what they answer."""
