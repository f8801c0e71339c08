"""Collections as people make, fill and change them, and what strangers see of them."""

import pytest

from tests.unit.web.conftest import text_of
from viveiro.collections.types import id_in, slugified


class TestSlugs:
    @pytest.mark.parametrize(
        ("title", "slug"),
        [
            ("Seeds & Trees", "seeds-trees"),
            ("Ação já!", "acao-ja"),
            ("日本", "collection"),
            ("../../etc", "etc"),
            ("<b>", "b"),
        ],
    )
    def test_hold_the_words_of_the_title(self, title, slug):
        assert slugified(title) == slug

    @pytest.mark.parametrize(
        ("slug", "found"),
        [("any-words-" + "a" * 24, "a" * 24), ("b" * 24, "b" * 24), ("words", None), ("x" * 24, None), ("", None)],
    )
    def test_lead_to_what_their_end_names(self, slug, found):
        assert id_in(slug) == found


class TestTheirPages:
    def test_from_making_one_to_deleting_it(self, site):
        browser = site.browser("alice")
        ref = site.new_repo(files={"a.txt": "x"})
        made = browser.post("/collections", data={"title": "Seeds <b>", "namespace": "alice", "description": "Mine"})
        here = made.headers["location"]
        assert made.status_code == 303
        assert here.startswith("/collections/alice/seeds-b-")
        assert "Nothing in it yet" in text_of(browser.get(here).text)
        slug = here.removeprefix("/collections/")
        added = browser.post(f"/collections/-/add/models/{ref}", data={"collection": slug, "note": "A note"})
        assert added.headers["location"] == here
        page = text_of(site.browser().get(here).text)
        assert "Seeds <b>" in page
        assert str(ref) in page
        assert "A note" in page
        assert "Take out" not in page
        again = browser.post(f"/collections/-/add/models/{ref}", data={"collection": slug})
        assert again.status_code == 409
        assert "already" in text_of(again.text)
        renamed = browser.post(here, data={"title": "Trees", "description": "", "is_private": "true"})
        now = renamed.headers["location"]
        assert now.startswith("/collections/alice/trees-")
        assert site.browser().get(now).status_code == 404
        assert site.browser().post(now, data={"title": "x"}).status_code in (401, 403, 404)
        assert browser.post(f"{now}/delete").headers["location"] == "/alice"
        assert browser.get(now).status_code == 404

    def test_a_title_that_is_missing_is_said_in_the_form(self, site):
        answer = site.browser("alice").post("/collections", data={"title": " ", "description": "Kept as typed"})
        assert answer.status_code == 400
        assert "1 to 60 characters" in text_of(answer.text)
        assert "Kept as typed" in answer.text

    def test_a_repo_can_go_into_a_new_one(self, site):
        ref = site.new_repo(files={"a.txt": "x"})
        assert "Add to collection" in text_of(site.browser("alice").get(f"/collections/-/add/models/{ref}").text)
        made = site.browser("alice").post(f"/collections/-/add/models/{ref}", data={"title": "Made for it"})
        assert str(ref) in text_of(site.browser().get(made.headers["location"]).text)
        assert "Made for it" in text_of(site.browser().get("/alice").text)

    def test_the_list_goes_on(self, site):
        browser = site.browser("alice")
        for number in range(26):
            browser.post("/collections", data={"title": f"Many {number}"})
        page = site.browser().get("/collections").text
        assert 'rel="next"' in page
        following = page.split('rel="next" href="')[1].split('"')[0]
        assert "Many" in text_of(site.browser().get(following).text)
        assert site.browser().get("/collections?after=nonsense").status_code == 200
