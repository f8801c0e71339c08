"""From a page's dataclass to HTML.

    @dataclass(frozen=True, slots=True)
    class RunPage:
        template: ClassVar[str] = "runs/run.html"
        run: Run

    return render(request, viewer, RunPage(run))

Fields are the template's variables, beside `shell`, `_`, `rich`, and what `_environment` adds; a template that reads anything
else fails (StrictUndefined). `part` draws one of the page's partials instead: the answer to htmx.
"""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from datetime import datetime
from functools import cache
from typing import Any, ClassVar, Final, Protocol
from urllib.parse import quote, urlencode

from fastapi import Request
from jinja2 import Environment, FileSystemLoader, StrictUndefined, pass_context
from jinja2.runtime import Context
from markupsafe import Markup, escape
from starlette.responses import HTMLResponse

from viveiro import __version__
from viveiro.accounts.types import Viewer
from viveiro.db import utc_now
from viveiro.http.urls import public_url
from viveiro.locale import LANGUAGES, Sentence, current_language, language_name, moment, number, since, translate
from viveiro.web import words
from viveiro.web.assets import FOLDER, assets

TEMPLATES: Final = FOLDER.parent / "templates"
THEME_COOKIE: Final = "viveiro_theme"
THEMES: Final = ("auto", "light", "dark")

_POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; font-src 'self'; img-src 'self' data: blob:; media-src 'self' blob:; "
    "connect-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'; manifest-src 'self'"
)
HEADERS: Final = {
    "Content-Security-Policy": _POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=(self)",
    "Cache-Control": "private, no-cache",
    "Vary": "Accept, Accept-Language, Cookie, HX-Request",
}


class Page(Protocol):
    """A frozen dataclass. `template` lies in `templates/`."""

    template: ClassVar[str]
    __dataclass_fields__: ClassVar[dict[str, Any]]


@dataclass(frozen=True, slots=True)
class Shell:
    """What every page has around it.

    `path` is this page's own address, to come back to after signing in or choosing a language; `url` is the server's.
    """

    viewer: Viewer
    language: str
    languages: tuple[str, ...]
    theme: str
    path: str
    url: str
    version: str
    is_fragment: bool

    @property
    def signed_in(self) -> bool:
        return not self.viewer.is_anonymous


class Pages:
    """The templates of one application, compiled when they are first used."""

    def __init__(self) -> None:
        self.environment = _environment()

    def draw(self, shell: Shell, page: Page, template: str) -> str:
        values = {field.name: getattr(page, field.name) for field in fields(page)}
        return self.environment.get_template(template).render(shell=shell, **values)


def render(
    request: Request,
    viewer: Viewer,
    page: Page,
    *,
    part: str | None = None,
    status: int = 200,
    headers: Mapping[str, str] | None = None,
) -> HTMLResponse:
    """`part`: a template in place of the page's own, drawn from the same fields."""
    pages: Pages = request.app.state.pages
    shell = Shell(
        viewer=viewer,
        language=current_language(),
        languages=tuple(LANGUAGES.values()),
        theme=theme_of(request),
        path=own_path(request),
        url=public_url(request),
        version=__version__,
        is_fragment=is_fragment(request),
    )
    return HTMLResponse(pages.draw(shell, page, part or page.template), status, {**HEADERS, **(headers or {})})


def is_fragment(request: Request) -> bool:
    """Asked for by htmx, to be put into a page that is there already. Going back in history wants the whole page."""
    return "hx-request" in request.headers and "hx-history-restore-request" not in request.headers


def theme_of(request: Request) -> str:
    chosen = request.cookies.get(THEME_COOKIE)
    return chosen if chosen in THEMES else THEMES[0]


def own_path(request: Request) -> str:
    path = quote(request.url.path, safe="/@:+~,;=!$&'()*-._")
    return f"{path}?{request.url.query}" if request.url.query else path


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
    )
    environment.globals.update(
        _=translate,
        rich=rich,
        asset=lambda name: assets().url(name),
        now=utc_now,
        query=_query,
        zip=zip,
        min=min,
        max=max,
    )
    environment.filters.update(
        number=number,
        moment=moment,
        since=_since,
        size=readable_size,
        count=readable_count,
        said=_said,
        path=_path,
        language=_language,
        task=_task,
    )
    # The components, for every page without an import: first what the others are built of.
    for name in ("icons", "ui"):
        environment.globals[name] = environment.get_template(f"parts/{name}.html").module
    return environment


def rich(sentence: str, /, **values: object) -> Markup:
    """Like `_`, with fields that may be markup: `rich("Read {guide} first.", guide=link)`. All other text is escaped."""
    said = Markup(escape(translate(sentence)))  # noqa: S704 - escaped on the spot
    return said.format(**values) if values else said


def _said(sentence: object) -> str:
    """A Sentence that a domain made, in the reader's language. Other text as it is."""
    sentence = getattr(sentence, "sentence", sentence)
    if not isinstance(sentence, Sentence):
        return str(sentence)
    return translate(sentence).replace(" %", "\N{NO-BREAK SPACE}%")  # a percent sign begins no line


@pass_context  # or it would be worked out once, when a page is compiled, where a template writes the tag itself
def _task(_context: Context, tag: str) -> str:
    return translate(words.task(tag))


@pass_context
def _language(_context: Context, code: str) -> str:
    return language_name(code)


def _since(at: datetime) -> str:
    return since(at, utc_now())


def _path(text: object) -> str:
    """For a part of an address: `/` stays."""
    return quote(str(text), safe="/")


def _query(**values: object) -> str:
    """`?a=1&b=2`, without what is None or empty; lists repeat their name."""
    pairs = [(name, value) for name, value in values.items() if value not in (None, "", [], ())]
    encoded = urlencode(pairs, doseq=True)
    return f"?{encoded}" if encoded else ""


_UNITS: Final = ("B", "kB", "MB", "GB", "TB")


def readable_size(count: float) -> str:
    """Decimal units, as the Hub shows them: 1,500,000 is 1.5 MB."""
    unit = 0
    while count >= 1000 and unit < len(_UNITS) - 1:
        count, unit = count / 1000, unit + 1
    return f"{number(count, 0 if unit == 0 or count >= 100 else 1)} {_UNITS[unit]}"


def readable_count(count: float) -> str:
    """22,713,216 parameters are 22.7M."""
    for factor, suffix in ((1e12, "T"), (1e9, "B"), (1e6, "M"), (1e3, "k")):
        if count >= factor:
            return f"{number(count / factor, 1 if count < 100 * factor else 0)}{suffix}"
    return number(count)
