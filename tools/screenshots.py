"""`make screenshots`: every page in both languages, both themes, on a phone and on a desk, as PNG files to look at.

python -m tools.screenshots [FOLDER] [WORD …]: only pages with one of the words in their name.
"""

import sys
import tempfile
from itertools import product
from pathlib import Path
from typing import Final

from playwright.sync_api import Browser

from tests.browser.chromium import PATIENCE_MS, chromium_program, running_chromium
from tests.browser.pages import PAGES, PageRow
from tests.browser.site import Site, running_site

FOLDER: Final = Path(".screenshots")
LANGUAGES: Final = ("en", "pt-BR")
THEMES: Final = ("light", "dark")
WIDTHS: Final = (390, 1280)


def main(folder: Path, words: list[str]) -> None:
    program = chromium_program()
    if program is None:
        raise SystemExit("Chromium is missing: apt-get install -y --no-install-recommends chromium")
    wanted = [row for row in PAGES if not words or any(word in row.name for word in words)]
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as data, running_site(Path(data)) as site, running_chromium(program) as browser:
        for row, language, theme, width in product(wanted, LANGUAGES, THEMES, WIDTHS):
            file = folder / f"{row.name}.{language}.{theme}.{width}.png"
            file.write_bytes(picture(browser, site, row, language, theme, width))
            sys.stdout.write(f"{file}\n")


def picture(browser: Browser, site: Site, row: PageRow, language: str, theme: str, width: int) -> bytes:
    context = browser.new_context(
        base_url=site.url,
        locale=language,
        color_scheme=theme,
        reduced_motion="reduce",
        viewport={"width": width, "height": 844 if width < 500 else 800},
    )
    context.set_default_timeout(PATIENCE_MS)
    if row.who is not None:
        context.add_cookies([site.session(row.who)])
    page = context.new_page()
    page.goto(row.path(site))
    page.evaluate("document.querySelectorAll('img[loading=lazy]').forEach((image) => { image.loading = 'eager'; })")
    page.wait_for_load_state("networkidle")  # parts that htmx asks for, charts, fonts, pictures far down
    drawn = page.screenshot(full_page=True)  # reduced motion ends all but what scrolling moves
    context.close()
    return drawn


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else FOLDER, sys.argv[2:])
