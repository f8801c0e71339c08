"""Questions to a page that only its own document can answer, as JavaScript for `page.evaluate`."""

from pathlib import Path
from typing import Any

from playwright.sync_api import Page

AXE = (Path(__file__).parent / "axe" / "axe.js").read_text()

_PLAIN_TEXTS = r"""
() => {
  const plain = [];
  const isData = (element) => {
    if (element.closest("code, pre, style, script, noscript, textarea, time")) return true;
    return element.closest("[translate]")?.getAttribute("translate") === "no";
  };
  const wordsOf = (text, depth) => {
    let outside = "";
    for (const character of text) {
      if (character === "⟦") depth += 1;
      else if (character === "⟧") depth -= 1;
      else if (depth === 0) outside += character;
    }
    return { depth, outside };
  };
  const hasWords = (text) => /\p{L}{2}/u.test(text);

  // Data in the title is on the page too, where it is marked.
  const data = [...document.querySelectorAll("[translate=no]")].map((each) => each.textContent.trim());
  for (const part of wordsOf(document.title.replace(/ · Viveiro$/, ""), 0).outside.split(" · ")) {
    if (hasWords(part) && !data.includes(part)) plain.push(`title: ${part}`);
  }
  // A sentence with markup in it goes on through several text nodes, so its brackets are counted across them.
  let depth = 0;
  const texts = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (texts.nextNode()) {
    const node = texts.currentNode;
    if (isData(node.parentElement)) continue;
    const found = wordsOf(node.data, depth);
    depth = found.depth;
    if (hasWords(found.outside)) plain.push(`${node.parentElement.tagName}: ${found.outside.trim()}`);
  }
  if (depth !== 0) plain.push(`brackets that do not close: ${depth}`);
  for (const element of document.body.querySelectorAll("*")) {
    if (isData(element)) continue;
    const names = ["title", "placeholder", "aria-label", "aria-description", "aria-valuetext", "alt", "label"];
    names.push(...element.getAttributeNames().filter((name) => /^data-.*(copied|question|word|text|label|message)/.test(name)));
    if (element.matches("input[type=submit], input[type=button]")) names.push("value");
    for (const name of names) {
      const { outside } = wordsOf(element.getAttribute(name) ?? "", 0);
      if (hasWords(outside)) plain.push(`${element.tagName} ${name}: ${outside}`);
    }
  }
  return plain;
}
"""

_TOO_WIDE = """
() => {
  const width = document.documentElement.clientWidth;
  if (document.documentElement.scrollWidth <= width) return [];
  return [...document.body.querySelectorAll("*")].filter((each) => each.getBoundingClientRect().right > width + 1)
    .map((each) => `${each.tagName}.${each.className?.baseVal ?? each.className}: ${each.textContent.trim().slice(0, 60)}`);
}
"""

_HEADINGS = """
() => [...document.querySelectorAll("main h1, main h2, main h3")]
  .filter((each) => each.checkVisibility()).map((each) => each.textContent.trim())
"""


def plain_texts(page: Page) -> list[str]:
    """In the pseudo-language: words that did not come out of the catalogue, and are not marked as somebody's data.

    Dates and times come from Babel, which has every language: `<time>` is left out.
    """
    found: list[str] = page.evaluate(_PLAIN_TEXTS)
    return found


def too_wide(page: Page) -> list[str]:
    """What makes the page scroll sideways."""
    found: list[str] = page.evaluate(_TOO_WIDE)
    return found


def headings(page: Page) -> list[str]:
    """Those of the content that can be seen."""
    found: list[str] = page.evaluate(_HEADINGS)
    return found


def axe_violations(page: Page) -> list[str]:
    """Rule, element, and what is wrong with it. axe comes by `evaluate`: the policy would refuse a script of its own."""
    page.evaluate(AXE)
    result: dict[str, Any] = page.evaluate("() => axe.run(document, { resultTypes: ['violations'] })")
    return [
        f"{violation['id']}: {' '.join(map(str, node['target']))}: {node['failureSummary']}"
        for violation in result["violations"]
        for node in violation["nodes"]
    ]
