"""Organisations, as their members make and change them."""

import itertools

import httpx
import pytest

from tests.unit.web.conftest import Site, text_of
from viveiro.accounts.service import list_members

_numbers = itertools.count()


def went_to(answer: httpx.Response) -> str:
    assert answer.status_code == 303, text_of(answer.text)
    return answer.headers["location"]


def roles(site: Site, name: str) -> dict[str, str]:
    with site.database.read() as session:
        return {member.account.name: member.role.value for member in list_members(session, name)}


@pytest.fixture
def grove(site: Site) -> str:
    """A new organisation of Alice's."""
    name = f"grove-{next(_numbers)}"
    assert went_to(site.browser("alice").post("/organizations/new", data={"name": name})) == f"/{name}/-/members"
    return name


class TestANewOne:
    def test_is_its_makers(self, site: Site, grove: str) -> None:
        assert roles(site, grove) == {"alice": "admin"}

    @pytest.mark.parametrize("name", ["", "alice", "settings", "-", "a b", "../x", "é", "admin"])
    def test_needs_a_name_that_is_free(self, site: Site, name: str) -> None:
        answer = site.browser("alice").post("/organizations/new", data={"name": name, "fullname": "Kept"})
        assert answer.status_code in (400, 409)
        assert 'value="Kept"' in answer.text

    def test_takes_a_person(self, site: Site) -> None:
        assert site.browser().get("/organizations/new").headers["location"].startswith("/login")
        answer = site.browser("alice", Origin="http://evil.example").post("/organizations/new", data={"name": "evil"})
        assert answer.status_code == 403


class TestMembers:
    def test_come_get_another_role_and_go(self, site: Site, grove: str) -> None:
        alice = site.browser("alice")
        for role in ("read", "admin", "write"):
            went_to(alice.post(f"/{grove}/-/members", data={"user": "bob", "role": role}))
            assert roles(site, grove)["bob"] == role
        assert went_to(alice.post(f"/{grove}/-/members/remove", data={"user": "bob"})) == f"/{grove}/-/members"
        assert roles(site, grove) == {"alice": "admin"}

    def test_may_leave(self, site: Site, grove: str) -> None:
        site.browser("alice").post(f"/{grove}/-/members", data={"user": "bob", "role": "read"})
        bob = site.browser("bob")
        page = bob.get(f"/{grove}/-/members")
        assert "Add a member" not in page.text
        assert went_to(bob.post(f"/{grove}/-/members/remove", data={"user": "bob"})) == f"/{grove}"
        assert roles(site, grove) == {"alice": "admin"}

    def test_of_whom_one_administrates(self, site: Site, grove: str) -> None:
        alice = site.browser("alice")
        for path, data in (("members/remove", {"user": "alice"}), ("members", {"user": "alice", "role": "read"})):
            answer = alice.post(f"/{grove}/-/{path}", data=data)
            assert (answer.status_code, 'role="alert"' in answer.text) == (409, True)

    def test_are_not_changed_by_others(self, site: Site, grove: str) -> None:
        bob = site.browser("bob")
        for path, data in (
            ("members", {"user": "bob", "role": "admin"}),
            ("members/remove", {"user": "alice"}),
            ("fullname", {"fullname": "Bob's"}),
            ("delete", {"typed": grove}),
        ):
            assert bob.post(f"/{grove}/-/{path}", data=data).status_code == 403
        assert bob.get(f"/{grove}/-/members").status_code == 403
        assert roles(site, grove) == {"alice": "admin"}

    def test_who_only_writes_changes_no_members(self, site: Site, grove: str) -> None:
        site.browser("alice").post(f"/{grove}/-/members", data={"user": "bob", "role": "write"})
        assert site.browser("bob").post(f"/{grove}/-/members", data={"user": "bob", "role": "admin"}).status_code == 403
        assert roles(site, grove)["bob"] == "write"

    def test_are_people_who_exist(self, site: Site, grove: str) -> None:
        answer = site.browser("alice").post(f"/{grove}/-/members", data={"user": "nobody"})
        assert (answer.status_code, 'value="nobody"' in answer.text) == (404, True)


class TestItsEnd:
    def test_takes_its_name(self, site: Site, grove: str) -> None:
        alice = site.browser("alice")
        assert alice.post(f"/{grove}/-/delete", data={"typed": "yes"}).status_code == 400
        assert went_to(alice.post(f"/{grove}/-/delete", data={"typed": grove})) == "/"
        assert alice.get(f"/{grove}").status_code == 404

    def test_waits_for_what_it_owns(self, site: Site, grove: str) -> None:
        site.new_repo(namespace=grove)
        answer = site.browser("alice").post(f"/{grove}/-/delete", data={"typed": grove})
        assert (answer.status_code, 'role="alert"' in answer.text or "problem" in answer.text) == (409, True)


class TestTheProfile:
    def test_leads_members_to_its_management(self, site: Site, grove: str) -> None:
        assert f'href="/{grove}/-/members"' in site.browser("alice").get(f"/{grove}").text
        assert f'href="/{grove}/-/members"' not in site.browser("bob").get(f"/{grove}").text

    def test_is_followed_and_counts(self, site: Site, grove: str) -> None:
        bob = site.browser("bob")
        assert went_to(bob.post(f"/{grove}/-/follow")) == f"/{grove}"
        assert "1 follower" in text_of(bob.get(f"/{grove}").text)
        went_to(bob.post(f"/{grove}/-/unfollow"))
        assert "follower" not in text_of(bob.get(f"/{grove}").text)

    def test_has_the_name_that_people_read(self, site: Site, grove: str) -> None:
        alice = site.browser("alice")
        went_to(alice.post(f"/{grove}/-/fullname", data={"fullname": "The <b>Grove</b>"}))
        assert "The &lt;b&gt;Grove&lt;/b&gt;" in alice.get(f"/{grove}").text
