"""`viveiro users|orgs|tokens`: data on stdout, talk on stderr, no password in sight of `ps`."""

import json

import pytest
from typer.testing import CliRunner

from tests.unit.http.conftest import PASSWORD
from viveiro.cli import orgs, tokens, users
from viveiro.client import Client, Refused
from viveiro.errors import InvalidInput


@pytest.fixture
def viveiro(url, tokens, monkeypatch):
    """`viveiro(users, "list")`: the command's result, run as `ada`, who administers."""
    monkeypatch.setenv("VIVEIRO_URL", url)
    monkeypatch.setenv("VIVEIRO_TOKEN", tokens["ada"])

    def run(noun, *arguments, stdin=None):
        result = CliRunner().invoke(noun.app, arguments, input=stdin)
        if result.exception is not None and not isinstance(result.exception, SystemExit):
            raise result.exception
        return result

    return run


def answer(result):
    return json.loads(result.stdout)


class TestUsers:
    def test_create_takes_the_password_from_standard_input(self, viveiro, url):
        created = viveiro(users, "create", "dora", "--password-stdin", "--json", stdin=f"{PASSWORD}\n")
        assert answer(created)["name"] == "dora"
        with Client(url) as client:
            assert client.post("/api/v1/session", json={"name": "dora", "password": PASSWORD})["name"] == "dora"

    def test_create_says_what_comes_next_on_stderr(self, viveiro):
        created = viveiro(users, "create", "dora")
        assert created.stdout == ""
        assert "viveiro tokens create --user dora" in created.stderr

    def test_an_empty_standard_input_is_no_password(self, viveiro):
        with pytest.raises(InvalidInput, match="standard input"):
            viveiro(users, "create", "dora", "--password-stdin", stdin="")

    def test_list_is_for_people_or_for_programs(self, viveiro):
        table = viveiro(users, "list").stdout.splitlines()
        assert table[0].split() == ["NAME", "FULLNAME", "EMAIL", "IS", "ADMIN", "CREATED", "AT"]
        assert [line.split()[0] for line in table[1:]] == ["ada", "alice", "bob"]
        assert [user["name"] for user in answer(viveiro(users, "list", "--json"))] == ["ada", "alice", "bob"]

    def test_update_changes_what_is_given(self, viveiro):
        changed = answer(viveiro(users, "update", "bob", "--fullname", "Bob", "--admin", "--json"))
        assert (changed["fullname"], changed["is_admin"]) == ("Bob", True)

    def test_update_sets_a_password(self, viveiro, url):
        viveiro(users, "update", "bob", "--password-stdin", stdin="bobs own horse")
        with Client(url) as client:
            assert client.post("/api/v1/session", json={"name": "bob", "password": "bobs own horse"})["name"] == "bob"

    def test_delete_asks_first(self, viveiro):
        assert viveiro(users, "delete", "bob", stdin="n\n").exit_code == 1
        assert answer(viveiro(users, "delete", "bob", "--yes", "--json")) == {"deleted": "bob"}

    def test_a_refusal_is_the_servers_own_sentence(self, viveiro):
        with pytest.raises(Refused, match="only administrator"):
            viveiro(users, "delete", "ada", "--yes")


class TestOrgs:
    def test_life_of_an_organisation(self, viveiro):
        assert answer(viveiro(orgs, "create", "cupuacu", "--fullname", "Cupuaçu", "--json"))["fullname"] == "Cupuaçu"
        assert answer(viveiro(orgs, "members", "add", "cupuacu", "bob", "--role", "read", "--json"))["role"] == "read"
        members = viveiro(orgs, "members", "list", "cupuacu").stdout.splitlines()
        assert [line.split()[0] for line in members] == ["NAME", "ada", "bob"]
        assert answer(viveiro(orgs, "members", "remove", "cupuacu", "bob", "--yes", "--json")) == {"removed": "bob"}
        assert answer(viveiro(orgs, "update", "cupuacu", "--fullname", "", "--json"))["fullname"] == "cupuacu"
        assert answer(viveiro(orgs, "delete", "cupuacu", "--yes", "--json")) == {"deleted": "cupuacu"}

    def test_list(self, viveiro):
        assert "acai" in viveiro(orgs, "list").stdout


class TestTokens:
    def test_create_prints_the_secret_and_nothing_else_on_stdout(self, viveiro, url):
        secret = viveiro(tokens, "create", "--name", "ci").stdout.strip()
        with Client(url, secret) as client:
            assert client.get("/api/whoami-v2")["auth"]["accessToken"]["role"] == "read"

    def test_grants_make_it_fine_grained(self, viveiro):
        options = (
            "--name",
            "ci",
            "--user",
            "alice",
            "--grant",
            "acai/tickets:read,write",
            "--grant",
            "alice:inference",
        )
        issued = answer(viveiro(tokens, "create", *options, "--expires-in-days", "7", "--json"))
        assert issued["access_token"]["role"] == "fineGrained"
        listed = viveiro(tokens, "list", "--user", "alice").stdout
        assert "acai/tickets:read+write,alice:inference" in listed
        assert issued["secret"] not in listed

    @pytest.mark.parametrize("line", ["acai", ":read", "acai:fly", "acai:"])
    def test_what_is_no_grant_is_explained(self, viveiro, line):
        with pytest.raises(InvalidInput, match="acai/tickets:read,write"):
            viveiro(tokens, "create", "--name", "ci", "--grant", line)

    def test_update_and_delete(self, viveiro):
        changed = answer(
            viveiro(tokens, "update", "alice-fine", "--user", "alice", "--name", "ci", "--grant", "acai:read", "--json")
        )
        assert (changed["name"], changed["grants"][0]["actions"]) == ("ci", ["read"])
        assert answer(viveiro(tokens, "delete", "ci", "--user", "alice", "--yes", "--json")) == {"revoked": "ci"}
