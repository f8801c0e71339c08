from tests.unit.web.conftest import text_of
from viveiro.web.profiles import PER_PAGE


class TestAProfile:
    def test_shows_what_of_theirs_everyone_may_see(self, site):
        model, dataset = site.new_repo(), site.new_repo("dataset")
        page = site.browser().get("/alice")
        assert page.status_code == 200
        assert "Alice Açaí" in text_of(page.text)
        assert f'href="/{model.url_path}"' in page.text
        assert f'href="/{dataset.url_path}"' in site.browser().get("/alice?tab=datasets").text

    def test_hides_private_repos_and_their_number_from_strangers(self, fresh_site):
        private = fresh_site.new_repo(private=True)
        assert f'href="/{private.url_path}"' in fresh_site.browser("alice").get("/alice").text
        for stranger in (fresh_site.browser(), fresh_site.browser("bob")):
            page = stranger.get("/alice").text
            assert str(private.repo_id) not in page
            assert "Models 0" in text_of(page)

    def test_shows_an_organisations_private_repos_to_its_members(self, site):
        private = site.new_repo(private=True, namespace="acai")
        assert str(private.repo_id) in site.browser("alice").get("/acai").text
        assert str(private.repo_id) not in site.browser("bob").get("/acai").text

    def test_names_members_to_who_is_signed_in(self, site):
        assert 'href="/alice"' in site.browser("bob").get("/acai").text
        assert 'href="/alice"' not in site.browser().get("/acai").text

    def test_never_tells_an_address(self, site):
        assert "alice@example.org" not in site.browser("bob").get("/alice").text

    def test_is_found_whatever_the_case_of_the_letters(self, site):
        assert site.browser().get("/ALICE").status_code == 200

    def test_of_nobody_is_a_page_that_says_so(self, site):
        answer = site.browser().get("/nobody-here")
        assert answer.status_code == 404
        assert "nobody-here" in text_of(answer.text)

    def test_leads_its_owner_to_the_settings_and_nobody_else(self, site):
        assert 'class="button" href="/settings/profile"' in site.browser("alice").get("/alice").text
        assert 'class="button" href="/settings/profile"' not in site.browser("bob").get("/alice").text

    def test_goes_on_on_another_page(self, fresh_site):
        for _ in range(PER_PAGE + 1):
            fresh_site.new_repo(owner="bob")
        browser = fresh_site.browser()
        first = browser.get("/bob").text
        assert first.count('class="repo"') == PER_PAGE
        address = first.split('rel="next" href="')[1].split('"')[0].replace("&amp;", "&")
        second = browser.get(address).text
        assert second.count('class="repo"') == 1
        assert 'rel="next"' not in second

    def test_with_a_cursor_that_nobody_gave_is_an_error_page(self, site):
        assert site.browser().get("/alice?cursor=nonsense").status_code == 400


class TestLikes:
    def test_are_those_that_the_reader_may_see(self, site):
        public, private = site.new_repo("dataset"), site.new_repo(private=True)
        for ref in (public, private):
            viewer = site.viewer("alice")
            site.hub.like(viewer, site.hub.get_repo(viewer, ref))
        own = site.browser("alice").get("/alice?tab=likes").text
        assert str(public.repo_id) in own
        assert str(private.repo_id) in own
        strangers = site.browser().get("/alice?tab=likes").text
        assert str(public.repo_id) in strangers
        assert str(private.repo_id) not in strangers

    def test_may_be_none(self, site):
        assert "No likes yet" in text_of(site.browser().get("/bob?tab=likes").text)
