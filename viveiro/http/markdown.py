"""Markdown that strangers wrote, as HTML that runs nothing and loads nothing from elsewhere. Pure.

Three steps: markdown-it makes HTML of CommonMark, tables and strikethrough; nh3 (the parser of a browser, then an allow-list)
takes out all else; and in nh3's own, regular output headings go down a level and pictures from elsewhere become links.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from html import unescape
from posixpath import normpath
from typing import Any, Final
from urllib.parse import quote, unquote, urlsplit

import nh3
from markdown_it import MarkdownIt
from markdown_it.renderer import RendererHTML
from markdown_it.rules_core import StateCore
from markdown_it.token import Token
from markdown_it.utils import OptionsDict
from markupsafe import Markup, escape

from viveiro.http.highlighting import highlight
from viveiro.hub.cards import body_of

MAX_CHARS: Final = 80_000
"""What is longer is cut: nobody reads it to the end, and everybody waits for it."""
MAX_CHARS_OF_COMMENTS: Final = 400_000
"""Of all comments of a page. Text that is made for it takes seconds to render, and anybody may write many comments of it."""
MAX_DEPTH: Final = 500
"""How many tags may be open at once. Time and stack of HTML parsers grow with the depth, of markup that shows nothing."""
ANCHOR: Final = "card-"
"""Before each heading's id, so that no card takes an id of the page."""
LINK_REL: Final = "nofollow noopener noreferrer ugc"

_TAGS: Final = frozenset(
    (
        *(f"h{level}" for level in range(1, 7)),
        *("p", "div", "span", "br", "hr", "blockquote", "pre", "details", "summary"),
        *("a", "abbr", "b", "code", "del", "em", "i", "img", "ins", "kbd", "q", "s", "samp", "small", "strong", "sub"),
        *("sup", "u", "var", "figure", "figcaption", "ul", "ol", "li", "dl", "dt", "dd"),
        *("table", "caption", "thead", "tbody", "tfoot", "tr", "th", "td"),
    )
)
_ATTRIBUTES: Final = {
    **{f"h{level}": {"id", "align"} for level in range(1, 7)},
    **{tag: {"align"} for tag in ("div", "p", "table", "tr")},
    **{tag: {"align", "class", "colspan", "rowspan"} for tag in ("td", "th")},
    "a": {"href", "title"},
    "abbr": {"title"},
    "details": {"open"},
    "img": {"src", "alt", "title", "width", "height"},
    "ol": {"start"},
    "span": {"class"},
}
_GONE_WITH_CONTENT: Final = frozenset(
    (
        *("script", "style", "svg", "math", "iframe", "object", "embed", "applet", "noscript", "template", "textarea"),
        *("title", "select"),
    )
)
_VALUES: Final = {
    "align": re.compile(r"left|right|center"),
    "class": re.compile(r"hl-(?:comment|keyword|string|number|name|figures)"),
    "id": re.compile(rf"{ANCHOR}[\w-]{{0,100}}"),
    **dict.fromkeys(("width", "height", "start", "colspan", "rowspan"), re.compile(r"[0-9]{1,4}(?:px|%)?")),
}
"""Attributes that are kept only when their value is one of these."""
_TAG: Final = re.compile(r"<(/?)(?!(?:area|br|col|hr|img|input|link|meta|source|wbr)[\s/>])[a-zA-Z]", re.IGNORECASE)
_SLUG: Final = re.compile(r"[^\w-]+")
_TASK: Final = re.compile(r"\[([ xX])\] ")
_FIGURES: Final = re.compile(r"(?=.*[ –-])(?=.*\d)[\d\s.,()+−–±×/%-]{1,60}")
"""Such as `0.82 (0.77–0.88)`: it is read in one go, so its line does not break."""
_BARE_ADDRESS: Final = re.compile(r'(?<!\w)https?://[^\s<>"]+', re.IGNORECASE)
_A_TAG: Final = re.compile(r"<(/?)a[\s>]", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class _Place:
    """Where the text lies, and so what its relative addresses mean."""

    base: str
    revision: str
    folder: str

    def link(self, address: str) -> str | None:
        parts = _split(address)
        if parts is None:
            return None
        scheme, host, path, fragment = parts
        if scheme:
            return address
        if host:
            return f"https:{address}"
        anchor = f"#{ANCHOR}{_slug(unquote(fragment))}" if fragment else ""
        if not path:
            return anchor or None
        return address if path.startswith("/") else self._below("blob", path) + anchor

    def picture(self, address: str) -> str | None:
        """Those from elsewhere stay as they are here, and become links in the end."""
        parts = _split(address)
        if parts is None:
            return None
        scheme, host, path, _ = parts
        if scheme or host:
            return f"https:{address}" if not scheme else address if scheme in ("http", "https") else None
        return address if path.startswith("/") else self._below("picture", path)

    def _below(self, verb: str, path: str) -> str:
        inside = normpath(f"/{self.folder}/{unquote(path)}").lstrip("/")
        verb = verb if inside else "tree"
        return "/".join([self.base, verb, quote(self.revision, safe=""), quote(inside)]).rstrip("/")


@lru_cache(maxsize=64)
def render_markdown(text: str, *, base: str, revision: str = "main", folder: str = "") -> Markup:
    """The cards of popular repos are rendered once.

    Args:
        base: the repo's address, such as `/datasets/acai/tickets`.
        revision: of the files that relative links lead to.
        folder: in which the text lies.
    """
    body = body_of(text[: MAX_CHARS * 2].encode("utf-8", "replace"))[:MAX_CHARS]
    return _sanitised(body, _Place(base, revision, folder), ids=True)


@lru_cache(maxsize=512)
def render_comment(text: str, *, base: str) -> Markup:
    """What somebody said about a repo. A page shows many, so their headings have no ids, which would not be unique."""
    return _sanitised(text[:MAX_CHARS], _Place(base, "main", ""), ids=False)


class Comments:
    """Those of one page, or one answer: rendered as long as they are not too many, and then as they were typed."""

    def __init__(self, base: str) -> None:
        self._base = base
        self._room = MAX_CHARS_OF_COMMENTS

    def html(self, text: str) -> Markup:
        self._room -= len(text)
        return render_comment(text, base=self._base) if self._room >= 0 else _as_typed(text)


def _as_typed(text: str) -> Markup:
    return Markup('<pre tabindex="0"><code>{}</code></pre>').format(text)


def _sanitised(body: str, place: _Place, *, ids: bool) -> Markup:
    html = _PARSER.render(body, {})
    if _deepest(html) > MAX_DEPTH:
        return _as_typed(body)
    clean = nh3.clean(
        html,
        tags=set(_TAGS),
        clean_content_tags=set(_GONE_WITH_CONTENT),
        attributes=_ATTRIBUTES,
        attribute_filter=lambda tag, name, value: _attribute(place, tag, name, value) if ids or name != "id" else None,
        url_schemes={"http", "https", "mailto"},
        link_rel=LINK_REL,
        strip_comments=True,
    )
    reachable = _usable_by_keys_and_ears(_one_level_down(clean))
    return Markup(_without_pictures_from_elsewhere(reachable))  # noqa: S704 - nh3's output, see below


def _deepest(html: str) -> int:
    """At most so many tags are open at once. Those that need no end count as well: honest lists have few hundred entries."""
    depth = deepest = 0
    for match in _TAG.finditer(html):
        depth = max(0, depth - 1) if match[1] else depth + 1
        deepest = max(deepest, depth)
    return deepest


def _attribute(place: _Place, tag: str, name: str, value: str) -> str | None:
    if name in _VALUES:
        return value if _VALUES[name].fullmatch(value) else None
    if name == "href":
        return place.link(value.strip())
    if name == "src":
        return place.picture(value.strip())
    return value


def _split(address: str) -> tuple[str, str, str, str] | None:
    """Scheme, host, path, fragment. Browsers take backslashes for slashes and skip control characters: nobody needs either."""
    if not address.isprintable() or "\\" in address:
        return None
    try:
        parts = urlsplit(address)
    except ValueError:
        return None
    return parts.scheme, parts.netloc, parts.path, parts.fragment


# nh3's output is regular: `<` opens tags and nothing else, values stand in double quotes and hold none. -----------------

_HEADING_TAG: Final = re.compile(r"<(/?)h([1-5])(?=[ >])")
_SCROLLS: Final = re.compile(r"<(pre|table)(?=[ >])")
_EMPTY_HEAD: Final = re.compile(r'<th((?: [a-z]+="[^"]*")*)>\s*</th>')
_LINK_OR_PICTURE: Final = re.compile(r'<(?P<tag>/?a|img)(?P<attributes>(?: [a-z]+(?:="[^"]*")?)*)>')
_ATTRIBUTE: Final = re.compile(r' ([a-z]+)="([^"]*)"')


def _one_level_down(html: str) -> str:
    """The page has a first heading of its own."""
    return _HEADING_TAG.sub(lambda match: f"<{match[1]}h{int(match[2]) + 1}", html)


def _usable_by_keys_and_ears(html: str) -> str:
    """Code and tables that scroll can be reached by keys; a table's empty corner is no heading of anything."""
    return _EMPTY_HEAD.sub(r"<td\1></td>", _SCROLLS.sub(r'<\1 tabindex="0"', html))


def _without_pictures_from_elsewhere(html: str) -> str:
    """The policy of pages would not load them; their text says what they show, and links to them outside of other links."""
    inside = False

    def replaced(match: re.Match[str]) -> str:
        nonlocal inside
        if match["tag"] != "img":
            inside = match["tag"] == "a"
            return match[0]
        attributes = {name: unescape(value) for name, value in _ATTRIBUTE.findall(match["attributes"])}
        address = attributes.get("src", "")
        if address.startswith("/"):
            return match[0]
        text = attributes.get("alt", "").strip() or address.rsplit("/", 1)[-1]
        if inside or not address:
            return str(escape(text))
        return Markup('<a href="{}" rel="{}">{}</a>').format(address, LINK_REL, text)

    return _LINK_OR_PICTURE.sub(replaced, html)


# What markdown-it makes of tokens -----------------------------------------------------------------------------------------


def _parser() -> MarkdownIt:
    parser = MarkdownIt("commonmark", {"html": True}).enable(["table", "strikethrough"])
    parser.core.ruler.push("viveiro", _annotate)
    parser.add_render_rule("fence", _fence)
    return parser


def _fence(renderer: RendererHTML, tokens: Sequence[Token], index: int, options: OptionsDict, env: Any) -> str:
    token = tokens[index]
    language = (token.info.split() or [""])[0]
    return Markup("<pre><code>{}</code></pre>\n").format(highlight(token.content, language))


def _annotate(state: StateCore) -> None:
    """Ids for headings, boxes for tasks, links for addresses, and alignment without styles."""
    ids = _Ids()
    for before, token, content in zip(
        ["", *_types(state.tokens)], state.tokens, [*state.tokens[1:], None], strict=False
    ):
        if token.type == "heading_open" and content is not None:
            token.attrSet("id", ids.new(_plain(content.children or [])))
        elif token.type in ("th_open", "td_open") and content is not None:
            if style := token.attrs.pop("style", None):
                token.attrSet("align", str(style).removeprefix("text-align:"))
            if _FIGURES.fullmatch(content.content):
                token.attrSet("class", "hl-figures")
        elif token.type == "paragraph_open" and before == "list_item_open" and content is not None:
            _draw_box(content.children or [])
        elif token.type == "inline":
            token.children = list(_with_links(state, token.children or []))


def _with_links(state: StateCore, tokens: Iterable[Token]) -> Iterator[Token]:
    """Addresses that stand in the text become links, except inside of links, Markdown's or HTML's."""
    inside = 0
    for token in tokens:
        tag = _A_TAG.match(token.content) if token.type == "html_inline" else None
        if token.type == "link_open" or (tag is not None and not tag[1]):
            inside += 1
        elif token.type == "link_close" or tag is not None:
            inside -= 1
        if token.type == "text" and inside <= 0:
            yield from _linked(state, token.content)
        else:
            yield token


def _linked(state: StateCore, text: str) -> Iterator[Token]:
    at = 0
    for match in _BARE_ADDRESS.finditer(text):
        address = _without_end_of_sentence(match[0])
        link = state.md.normalizeLink(address)
        if not state.md.validateLink(link):
            continue
        yield Token("text", "", 0, content=text[at : match.start()])
        yield Token("link_open", "a", 1, attrs={"href": link})
        yield Token("text", "", 0, content=address)
        yield Token("link_close", "a", -1)
        at = match.start() + len(address)
    yield Token("text", "", 0, content=text[at:])


def _without_end_of_sentence(address: str) -> str:
    """`(see https://example.org/a_(b).)` holds `https://example.org/a_(b)`."""
    surplus = address.count(")") - address.count("(")
    end = len(address)
    while address[end - 1] in ".,:;!?'*_~)":
        if address[end - 1] == ")":
            if surplus <= 0:
                break
            surplus -= 1
        end -= 1
    return address[:end]


def _types(tokens: Iterable[Token]) -> list[str]:
    return [token.type for token in tokens]


def _draw_box(children: Sequence[Token]) -> None:
    first = children[0] if children and children[0].type == "text" else None
    task = _TASK.match(first.content) if first is not None else None
    if first is not None and task is not None:
        first.content = ("☐ " if task[1] == " " else "☑ ") + first.content[task.end() :]


def _plain(children: Iterable[Token]) -> str:
    return "".join(child.content for child in children if child.type in ("text", "code_inline"))


def _slug(text: str) -> str:
    return _SLUG.sub("-", text.strip().lower().replace(" ", "-")).strip("-")[:80]


@dataclass(slots=True)
class _Ids:
    seen: dict[str, int] = field(default_factory=dict)

    def new(self, heading: str) -> str:
        slug = _slug(heading)
        count = self.seen[slug] = self.seen.get(slug, -1) + 1
        return f"{ANCHOR}{slug}-{count}" if count else f"{ANCHOR}{slug}"


_PARSER: Final = _parser()
