"""Commits of a repo, and what each changed."""

import re

import pytest

from tests.unit.web.conftest import text_of
from viveiro.hub.types import AddFile, DeleteFile
from viveiro.web.history import COMMITS

HOSTILE = "<script>alert(1)</script>"


@pytest.fixture(scope="module")
def repo(site):
    ref = site.new_repo(files={"a.txt": "one\ntwo\nthree\n", "gone.txt": "x\n", "w.bin": b"\0" * 10})
    site.commit(ref, {"a.txt": "one\n2 <b>\nthree\n", "w.bin": b"\1" * 20}, title=f"Fix {HOSTILE}")
    return ref


def commit(site, ref, title, body, *operations):
    alice = site.viewer("alice")
    builder = site.hub.begin_commit(alice, site.hub.get_repo(alice, ref), "main")
    for operation in operations:
        builder.add(operation)
    return builder.finish(title, body).oid


class TestTheList:
    def test_is_newest_first_with_who_and_what(self, site, repo):
        text = text_of(site.browser().get(f"/{repo}/commits/main").text)
        assert text.index("Fix") < text.index("Add files") < text.index("initial commit")
        assert "alice" in text

    def test_of_a_file_holds_what_touched_it(self, site, repo):
        text = text_of(site.browser().get(f"/{repo}/commits/main/gone.txt").text)
        assert "Add files" in text
        assert "Fix" not in text

    def test_goes_on_for_pages(self, site):
        ref = site.new_repo()
        for number in range(COMMITS):
            site.commit(ref, {"n.txt": str(number)}, title=f"Step {number}")
        stranger = site.browser()
        first = stranger.get(f"/{ref}/commits/main").text
        [older] = re.findall(r'rel="next" href="([^"]+)"', first)
        second = stranger.get(older).text
        assert "initial commit" not in text_of(first)
        assert "initial commit" in text_of(second)
        assert re.findall(r'rel="prev" href="([^"]+)"', second) == [f"/{ref}/commits/main"]

    def test_behind_its_end_says_so(self, site, repo):
        assert "No commit here" in site.browser().get(f"/{repo}/commits/main?p=9").text

    def test_shows_messages_and_never_runs_them(self, site, repo):
        html = site.browser().get(f"/{repo}/commits/main").text
        assert f"Fix {HOSTILE}" in text_of(html)
        assert "<script>alert" not in html


class TestACommit:
    def test_shows_its_lines_before_and_after(self, site, repo):
        html = site.browser().get(f"/{repo}/commit/main").text
        assert '<tr class="deleted"><td class="line">2</td><td class="line"></td>' in html
        assert '<tr class="added"><td class="line"></td><td class="line">2</td>' in html
        assert '<span class="origin">-</span>two' in html
        assert '<span class="origin">+</span>2 &lt;b&gt;' in html
        assert "<script>alert" not in html

    def test_shows_the_sizes_of_what_is_no_text(self, site, repo):
        assert "10 B → 20 B" in text_of(site.browser().get(f"/{repo}/commit/main").text)

    def test_is_found_by_its_short_name(self, site):
        ref = site.new_repo()
        sha = site.commit(ref, {"a": "a"}, title="Plant")
        assert "Plant" in text_of(site.browser().get(f"/{ref}/commit/{sha[:8]}").text)

    def test_shows_its_description_additions_and_deletions(self, site):
        ref = site.new_repo(files={"old.txt": "1\n2\n3\n4\n"})
        sha = commit(
            site, ref, "Move", f"Because {HOSTILE}", DeleteFile("old.txt"), AddFile("new.txt", b"1\n2\n3\n4\n")
        )
        html = site.browser().get(f"/{ref}/commit/{sha}").text
        assert "old.txt → new.txt" in text_of(html)
        assert f"Because {HOSTILE}" in text_of(html)
        assert "<script>alert" not in html

    def test_without_a_parent_is_all_new(self, site):
        ref = site.new_repo()
        text = text_of(site.browser().get(f"/{ref}/commit/main").text)
        assert "initial commit" in text
        assert ".gitattributes" in text

    @pytest.mark.parametrize("name", ["0" * 40, "gone", "main/a.txt/x"])
    def test_that_is_not_there_is_missing(self, site, repo, name):
        assert site.browser().get(f"/{repo}/commits/{name.replace('main/a.txt/x', 'gone/a.txt')}").status_code == 404

    def test_of_a_large_change_is_cut_and_says_so(self, site):
        ref = site.new_repo(files={f"{number}.txt": "x\n" for number in range(1100)})
        text = text_of(site.browser().get(f"/{ref}/commit/main").text)
        assert "1,100" in text
        assert "the first 1,000 are listed" in text
