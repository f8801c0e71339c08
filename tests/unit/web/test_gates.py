"""The gate of a repo, as those before it and those behind it see it."""

import httpx
import pytest

from tests.unit.web.conftest import Site, text_of
from viveiro.hub.gates import access_request_of, ask_access
from viveiro.hub.types import AccessStatus
from viveiro.types import RepoRef

CARD = "---\nextra_gated_prompt: <b>Seeds</b> for growers.\nextra_gated_fields:\n  Purpose: text\n  I agree: checkbox\n---\n# A"


def gated(site: Site, gate: str = "manual", card: str | None = None) -> RepoRef:
    ref = site.new_repo(files={"README.md": card or "# The card"})
    site.hub.update_repo(site.viewer("alice"), ref, gated=gate)
    return ref


def status_of(site: Site, ref: RepoRef, who: str = "bob") -> AccessStatus | None:
    viewer = site.viewer(who)
    request = access_request_of(site.hub, viewer, site.hub.get_repo(viewer, ref))
    return None if request is None else request.status


def went_to(answer: httpx.Response) -> str:
    assert answer.status_code == 303, text_of(answer.text)
    return answer.headers["location"]


class TestBeforeTheGate:
    def test_a_stranger_is_led_to_sign_in_and_back(self, site: Site) -> None:
        ref = gated(site)
        assert f'href="/login?next=%2Falice%2F{ref.repo_id.name}%2Fask-access"' in site.browser().get(f"/{ref}").text
        assert site.browser().get(f"/{ref}/blob/main/README.md").headers["location"].startswith("/login?next=")

    def test_one_button_asks(self, site: Site) -> None:
        ref, bob = gated(site), site.browser("bob")
        assert f'action="/{ref}/ask-access"' in bob.get(f"/{ref}").text
        assert went_to(bob.post(f"/{ref}/ask-access")) == f"/{ref}"
        assert "Its owner has not answered yet" in text_of(bob.get(f"/{ref}").text)
        assert status_of(site, ref) is AccessStatus.PENDING

    def test_a_gate_that_opens_by_itself_shows_the_card_at_once(self, site: Site) -> None:
        ref, bob = gated(site, "auto"), site.browser("bob")
        assert "The card" not in bob.get(f"/{ref}").text
        bob.post(f"/{ref}/ask-access")
        assert "The card" in bob.get(f"/{ref}").text

    def test_questions_of_the_card_are_asked_and_answers_kept(self, site: Site) -> None:
        ref, bob = gated(site, card=CARD), site.browser("bob")
        assert f'href="/{ref}/ask-access"' in bob.get(f"/{ref}").text
        page = bob.get(f"/{ref}/ask-access")
        assert "&lt;b&gt;Seeds&lt;/b&gt; for growers." in page.text
        refused = bob.post(f"/{ref}/ask-access", data={"answer-0": "to sow"})
        assert (refused.status_code, 'value="to sow"' in refused.text) == (400, True)
        assert status_of(site, ref) is None
        assert went_to(bob.post(f"/{ref}/ask-access", data={"answer-0": "to sow", "answer-1": "yes"})) == f"/{ref}"
        assert "to sow" in text_of(site.browser("alice").get(f"/{ref}/settings/access").text)

    def test_why_it_was_declined_is_told(self, site: Site) -> None:
        ref, bob, alice = gated(site), site.browser("bob"), site.browser("alice")
        bob.post(f"/{ref}/ask-access")
        repo = site.hub.get_repo(site.viewer("bob"), ref)
        request = ask_access(site.hub, site.viewer("bob"), repo, {})
        data = {"request_id": request.id, "decision": "rejected", "reason": "<i>Too late</i>"}
        assert went_to(alice.post(f"/{ref}/settings/access", data=data)).endswith("?status=pending")
        assert "&lt;i&gt;Too late&lt;/i&gt;" in bob.get(f"/{ref}").text

    def test_is_not_asked_from_another_site(self, site: Site) -> None:
        ref = gated(site)
        answer = site.browser("bob", Origin="http://evil.example").post(f"/{ref}/ask-access")
        assert (answer.status_code, status_of(site, ref)) == (403, None)


class TestBehindTheGate:
    @pytest.fixture
    def asked(self, site: Site) -> RepoRef:
        ref = gated(site)
        site.browser("bob").post(f"/{ref}/ask-access")
        return ref

    def decide(self, site: Site, ref: RepoRef, decision: str, who: str = "alice") -> httpx.Response:
        viewer = site.viewer("bob")
        request = access_request_of(site.hub, viewer, site.hub.get_repo(viewer, ref))
        assert request is not None
        data = {"request_id": request.id, "decision": decision, "status": request.status}
        return site.browser(who).post(f"/{ref}/settings/access", data=data)

    def test_the_owner_lets_in_and_shuts_out(self, site: Site, asked: RepoRef) -> None:
        assert went_to(self.decide(site, asked, "accepted")) == f"/{asked}/settings/access?status=pending"
        assert "The card" in site.browser("bob").get(f"/{asked}").text
        assert "bob" in text_of(site.browser("alice").get(f"/{asked}/settings/access?status=accepted").text)
        went_to(self.decide(site, asked, "pending"))
        assert "The card" not in site.browser("bob").get(f"/{asked}").text

    def test_a_decision_that_was_made_already_is_said(self, site: Site, asked: RepoRef) -> None:
        answer = self.decide(site, asked, "pending")
        assert (answer.status_code, 'role="alert"' in answer.text) == (404, True)

    def test_others_see_and_decide_nothing(self, site: Site, asked: RepoRef) -> None:
        assert site.browser("bob").get(f"/{asked}/settings/access").status_code == 403
        assert self.decide(site, asked, "accepted", who="bob").status_code == 403
        assert site.browser("bob").post(f"/{asked}/settings/access/grant", data={"user": "bob"}).status_code == 403
        assert status_of(site, asked) is AccessStatus.PENDING

    def test_somebody_is_let_in_who_never_asked(self, site: Site) -> None:
        ref, alice = gated(site), site.browser("alice")
        refused = alice.post(f"/{ref}/settings/access/grant", data={"user": "nobody"})
        assert (refused.status_code, 'value="nobody"' in refused.text) == (404, True)
        assert went_to(alice.post(f"/{ref}/settings/access/grant", data={"user": "bob"})).endswith("?status=accepted")
        assert status_of(site, ref) is AccessStatus.ACCEPTED

    def test_how_many_wait_stands_in_the_head(self, site: Site, asked: RepoRef) -> None:
        assert "Access 1" in text_of(site.browser("alice").get(f"/{asked}").text)
        assert "Access 1" not in text_of(site.browser("bob").get(f"/{asked}").text)
