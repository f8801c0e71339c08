"""`viveiro repos`: data on stdout, talk on stderr."""

import json

import pytest
from typer.testing import CliRunner

from viveiro.cli import repos
from viveiro.client import Refused
from viveiro.errors import InvalidInput


@pytest.fixture
def viveiro(site, monkeypatch):
    """`viveiro("list")`: the result of `viveiro repos list`, run as Alice."""
    monkeypatch.setenv("VIVEIRO_URL", site.url)
    monkeypatch.setenv("VIVEIRO_TOKEN", site.tokens["alice"])

    def run(*arguments, stdin=None):
        result = CliRunner().invoke(repos.app, arguments, input=stdin)
        if result.exception is not None and not isinstance(result.exception, SystemExit):
            raise result.exception
        return result

    return run


@pytest.fixture
def name(site):
    return site.new_repo().removeprefix("/api/models/")


class TestRepos:
    def test_create_says_where_and_what_comes_next(self, viveiro, site):
        name = f"from-the-terminal-{next(site.numbers)}"
        created = viveiro("create", name, "--private", "--json")
        assert json.loads(created.stdout)["name"] == f"alice/{name}"
        assert f"hf upload alice/{name}" in created.stderr
        assert site.as_().get(f"/api/models/alice/{name}").status_code == 404

    def test_list_is_for_people_or_for_programs(self, viveiro, name):
        table = viveiro("list", "--search", name).stdout.splitlines()
        assert table[0].split() == ["ID", "PRIVATE", "LIKES", "DOWNLOADS", "LASTMODIFIED"]
        assert [line.split()[:2] for line in table[1:]] == [[name, "no"]]
        (repo,) = json.loads(viveiro("list", "--search", name, "--author", "alice", "--json").stdout)
        assert repo["id"] == name

    def test_list_filters_by_tags_and_stops_at_the_limit(self, viveiro, site):
        tagged = [site.new_repo("dataset") for _ in range(3)]
        for repo in tagged:
            site.commit(repo, {"README.md": "---\ntags: [terminal]\nlicense: mit\n---\n"})
        listed = viveiro(
            "list", "--type", "dataset", "--tag", "terminal", "--tag", "license:mit", "--limit", "2", "--json"
        )
        assert len(json.loads(listed.stdout)) == 2

    def test_info_shows_facts_and_files(self, viveiro, site, name):
        site.commit(f"/api/models/{name}", {"README.md": "---\nlicense: mit\n---\n", "a.txt": "hello"})
        shown = viveiro("info", name).stdout
        assert "license:mit" in shown
        assert ["a.txt", "5"] in [line.split() for line in shown.splitlines()]
        assert json.loads(viveiro("info", name, "--json").stdout)["id"] == name

    def test_update_changes_what_is_given(self, viveiro, site, name):
        viveiro("update", name, "--visibility", "private")
        assert site.as_().get(f"/api/models/{name}").status_code == 404
        assert json.loads(viveiro("update", name, "--gated", "manual", "--json").stdout)["gated"] == "manual"
        assert json.loads(viveiro("update", name, "--gated", "off", "--json").stdout)["gated"] is False
        with pytest.raises(InvalidInput, match="auto, manual or off"):
            viveiro("update", name, "--gated", "sometimes")

    def test_delete_asks_first(self, viveiro, site, name):
        refused = viveiro("delete", name, stdin="n\n")
        assert refused.exit_code == 1
        assert "cannot be undone" in refused.stderr
        assert site.as_().get(f"/api/models/{name}").status_code == 200
        assert json.loads(viveiro("delete", name, "--yes", "--json").stdout) == {"deleted": name, "type": "model"}
        assert site.as_().get(f"/api/models/{name}").status_code == 404

    def test_a_missing_repo_says_how_to_make_it(self, viveiro):
        with pytest.raises(Refused, match="viveiro repos create alice/gone --type dataset"):
            viveiro("info", "gone", "--type", "dataset")
