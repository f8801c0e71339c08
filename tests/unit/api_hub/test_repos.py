"""Repos over the wire: their life, what is told of them, and to whom."""

import re

import pytest

DATE = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")
CARD = "---\nlicense: mit\ntags:\n- demo\npipeline_tag: text-classification\n---\n# Hello\n"


class TestCreate:
    @pytest.mark.parametrize(("kind", "prefix"), [("model", ""), ("dataset", "datasets/"), ("space", "spaces/")])
    def test_the_answer_is_the_address_of_its_page(self, site, kind, prefix):
        name = site.new_repo(kind).rpartition("/")[2]
        answer = site.as_("alice").post("/api/repos/create", json={"name": name, "type": kind})
        assert answer.status_code == 409
        assert answer.json()["url"] == f"{site.url}/{prefix}alice/{name}"

    def test_a_new_repo_holds_one_commit(self, site):
        repo = site.new_repo()
        assert [commit["title"] for commit in site.as_().get(f"{repo}/commits/main").json()] == ["initial commit"]
        assert [entry["path"] for entry in site.as_().get(f"{repo}/tree/main").json()] == [".gitattributes"]

    @pytest.mark.parametrize("body", [{"private": True}, {"visibility": "private"}])
    def test_old_and_new_clients_say_private_in_their_own_way(self, site, body):
        assert site.as_("alice").get(site.new_repo(**body)).json()["private"] is True

    def test_an_organisation_is_a_namespace(self, site):
        answer = site.as_("alice").post("/api/repos/create", json={"name": "shared", "organization": "acai"})
        assert answer.json()["name"] == "acai/shared"
        refused = site.as_("bob").post("/api/repos/create", json={"name": "mine", "organization": "acai"})
        assert refused.status_code == 403

    @pytest.mark.parametrize(
        ("body", "status"),
        [
            ({"name": "a..b"}, 400),
            ({"name": "ok", "visibility": "protected"}, 400),
            ({"name": "ok", "type": "bucket"}, 400),
            ({"name": "ok", "type": "space", "hardware": "a10g"}, 501),
            ({"name": "ok", "resourceGroupId": "x"}, 501),
            ({}, 400),
        ],
    )
    def test_what_cannot_be_is_said(self, site, body, status):
        assert site.as_("alice").post("/api/repos/create", json=body).status_code == status

    def test_strangers_create_nothing(self, site):
        assert site.as_().post("/api/repos/create", json={"name": "x"}).status_code == 401


class TestSettings:
    def test_visibility_and_gates_change(self, site):
        repo = site.new_repo()
        answer = site.as_("alice").put(f"{repo}/settings", json={"visibility": "private", "gated": "auto"})
        assert answer.json() == {"visibility": "private", "private": True, "gated": "auto"}
        assert site.as_("alice").put(f"{repo}/settings", json={"gated": False}).json()["gated"] is False

    def test_nothing_to_change_is_a_mistake(self, site):
        assert site.as_("alice").put(f"{site.new_repo()}/settings", json={}).status_code == 400

    def test_a_gated_repo_is_seen_by_all_and_read_by_few(self, site):
        repo = site.new_repo()
        site.as_("alice").put(f"{repo}/settings", json={"gated": "manual"})
        assert site.as_("bob").get(repo).json()["gated"] == "manual"
        refused = site.as_("bob").get(f"{repo}/auth-check")
        assert (refused.status_code, refused.headers["X-Error-Code"]) == (403, "GatedRepo")
        assert site.as_("alice").get(f"{repo}/auth-check").status_code == 200


ROUTES = [
    ("GET", ""),
    ("GET", "/revision/main"),
    ("GET", "/auth-check"),
    ("GET", "/auth-check/write"),
    ("GET", "/refs"),
    ("GET", "/tree/main"),
    ("GET", "/tree/nowhere/x"),
    ("GET", "/commits/main"),
    ("GET", "/likers"),
    ("GET", "/xet-read-token/main"),
    ("GET", "/xet-write-token/main"),
    ("POST", "/paths-info/main"),
    ("POST", "/preupload/main"),
    ("POST", "/commit/main"),
    ("POST", "/branch/new"),
    ("DELETE", "/branch/main"),
    ("POST", "/tag/main"),
    ("DELETE", "/tag/v1"),
    ("POST", "/like"),
    ("DELETE", "/like"),
    ("PUT", "/settings"),
]
BODIES = {
    "/preupload/main": {"files": []},
    "/paths-info/main": {"paths": ["x"]},
    "/tag/main": {"tag": "v1"},
    "/settings": {"private": False},
}


class TestHiding:
    """A private repo is missing, not forbidden, to a stranger: in the same words as one that never was."""

    @pytest.mark.parametrize(("method", "route"), ROUTES)
    def test_no_route_tells_a_private_repo_from_a_missing_one(self, site, method, route):
        private = site.new_repo(private=True)
        missing = f"/api/models/alice/never-{private.rpartition('-')[2]}"
        answers = [
            site.as_("bob").request(method, f"{it}{route}", json=BODIES.get(route, {})) for it in (private, missing)
        ]
        assert [answer.status_code for answer in answers] == [404, 404]
        assert [answer.headers["X-Error-Code"] for answer in answers] == ["RepoNotFound", "RepoNotFound"]
        texts = [
            answer.text.replace(it.rpartition("/")[2], "NAME")
            for answer, it in zip(answers, (private, missing), strict=True)
        ]
        assert texts[0] == texts[1]

    def test_lists_and_likes_do_not_name_it_either(self, site):
        private = site.new_repo(private=True)
        name = private.removeprefix("/api/models/")
        site.as_("alice").post(f"{private}/like")
        for client, expected in ((site.as_("alice"), True), (site.as_("bob"), False), (site.as_(), False)):
            listed = client.get("/api/models", params={"search": name}).json()
            liked = client.get("/api/users/alice/likes").json()
            assert (name in [repo["id"] for repo in listed]) is expected
            assert (name in [like["repo"]["name"] for like in liked]) is expected

    def test_deleting_it_finds_nothing(self, site):
        private = site.new_repo(private=True)
        body = {"organization": "alice", "name": private.rpartition("/")[2]}
        assert (
            site.as_("bob").request("DELETE", "/api/repos/delete", json=body).headers["X-Error-Code"] == "RepoNotFound"
        )
        assert site.as_("alice").request("DELETE", "/api/repos/delete", json=body).status_code == 200
        assert site.as_("alice").get(private).status_code == 404


class TestInfo:
    def test_names_are_found_whatever_their_case(self, site):
        repo = site.new_repo()
        info = site.as_().get(repo.upper().replace("/API/MODELS", "/api/models")).json()
        assert info["id"] == repo.removeprefix("/api/models/")

    def test_it_says_what_the_card_says(self, site):
        repo = site.new_repo()
        sha = site.commit(repo, {"README.md": CARD})
        info = site.as_().get(repo).json()
        assert info["sha"] == sha
        assert info["author"] == "alice"
        assert info["cardData"]["license"] == "mit"
        assert info["pipeline_tag"] == "text-classification"
        assert {"demo", "license:mit"} <= set(info["tags"])
        assert DATE.fullmatch(info["createdAt"])
        assert DATE.fullmatch(info["lastModified"])
        assert info["siblings"] == [{"rfilename": ".gitattributes"}, {"rfilename": "README.md"}]

    def test_blobs_describe_the_files(self, site):
        repo = site.new_repo()
        site.commit(repo, {"a.txt": "hello"})
        (described,) = [
            it for it in site.as_().get(f"{repo}?blobs=true").json()["siblings"] if it["rfilename"] == "a.txt"
        ]
        assert described == {
            "rfilename": "a.txt",
            "size": 5,
            "blobId": "b6fc4c620b67d95f953a5c1c1230aaab5db5a1b0",
        }

    def test_a_revision_is_described_by_its_own_files(self, site):
        repo = site.new_repo()
        first = site.commit(repo, {"one": "1"})
        site.commit(repo, {"two": "2"})
        info = site.as_().get(f"{repo}/revision/{first}").json()
        assert info["sha"] == first
        assert [it["rfilename"] for it in info["siblings"]] == [".gitattributes", "one"]
        assert site.as_().get(f"{repo}/revision/nowhere").headers["X-Error-Code"] == "RevisionNotFound"

    def test_expand_answers_what_was_asked(self, site):
        repo = site.new_repo()
        for address in ("?expand=likes&expand=private", "?expand[]=likes&expand[]=private"):
            info = site.as_().get(repo + address).json()
            assert set(info) == {"_id", "id", "modelId", "likes", "private"}

    def test_what_no_hub_knows_cannot_be_expanded(self, site):
        refused = site.as_().get(f"{site.new_repo()}?expand=colour")
        assert refused.status_code == 400
        assert 'expected one of "author"|"baseModels"|"cardData"' in refused.json()["error"]

    @pytest.mark.parametrize("kind", ["model", "dataset", "space"])
    def test_everything_the_client_can_ask_for_has_an_answer(self, site, kind):
        from viveiro.api.hub.info import FACTS
        from viveiro.types import RepoKind

        repo = site.new_repo(kind)
        answer = site.as_().get(repo, params={"expand": list(FACTS[RepoKind(kind)])})
        assert answer.status_code == 200


class TestTree:
    @pytest.fixture
    def repo(self, site):
        repo = site.new_repo()
        site.commit(repo, {"a.txt": "a", "dir/b.txt": "b", "dir/deep/c 50%.txt": "c"})
        return repo

    def test_folders_are_entries(self, site, repo):
        entries = {entry["path"]: entry["type"] for entry in site.as_().get(f"{repo}/tree/main").json()}
        assert entries == {".gitattributes": "file", "a.txt": "file", "dir": "directory"}

    def test_recursive_lists_all_with_their_folders(self, site, repo):
        entries = site.as_().get(f"{repo}/tree/main?recursive=true").json()
        assert {entry["path"] for entry in entries} == {
            ".gitattributes", "a.txt", "dir", "dir/b.txt", "dir/deep", "dir/deep/c 50%.txt",
        }  # fmt: skip

    @pytest.mark.parametrize("address", ["main/dir%2Fdeep", "main/dir/deep", "refs%2Fheads%2Fmain/dir%2Fdeep"])
    def test_a_folder_may_be_quoted_whole_or_in_parts(self, site, repo, address):
        (entry,) = site.as_().get(f"{repo}/tree/{address}").json()
        assert entry["path"] == "dir/deep/c 50%.txt"

    @pytest.mark.parametrize("query", ["", "&recursive=true", "&recursive=true&expand=true"])
    def test_pages_put_together_are_the_whole_tree(self, site, repo, query):
        whole = site.as_().get(f"{repo}/tree/refs%2Fheads%2Fmain?limit=1000{query}").json()
        pages, url = [], f"{site.url}{repo}/tree/refs%2Fheads%2Fmain?limit=2{query}"
        while url:
            answer = site.as_().get(url)
            pages.append(answer.json())
            url = answer.links.get("next", {}).get("url")
        assert [entry for page in pages for entry in page] == whole
        assert {len(page) for page in pages[:-1]} <= {2}

    def test_expand_tells_the_last_commit(self, site, repo):
        sha = site.commit(repo, {"a.txt": "changed"})
        entries = {entry["path"]: entry for entry in site.as_().get(f"{repo}/tree/main?expand=true").json()}
        assert entries["a.txt"]["lastCommit"]["id"] == sha
        assert entries["dir"]["lastCommit"]["id"] != sha
        assert DATE.fullmatch(entries["dir"]["lastCommit"]["date"])

    def test_what_is_not_there_is_a_missing_entry(self, site, repo):
        assert site.as_().get(f"{repo}/tree/main/nowhere").headers["X-Error-Code"] == "EntryNotFound"

    @pytest.mark.parametrize(
        "body",
        [
            {"data": {"paths": ["dir", "a.txt", "nowhere"], "expand": "false"}},
            {"json": {"paths": ["dir", "a.txt", "nowhere"], "expand": False}},
        ],
    )
    def test_paths_are_asked_by_form_or_json(self, site, repo, body):
        entries = site.as_().post(f"{repo}/paths-info/main", **body).json()
        assert [(entry["path"], entry["type"]) for entry in entries] == [("dir", "directory"), ("a.txt", "file")]

    def test_too_many_paths_are_refused(self, site, repo):
        answer = site.as_().post(f"{repo}/paths-info/main", json={"paths": ["x"] * 5001})
        assert answer.status_code == 400

    def test_commits_are_counted_and_paged(self, site, repo):
        for number in range(4):
            site.commit(repo, {"a.txt": str(number)})
        answer = site.as_().get(f"{repo}/commits/main?limit=4&expand[]=formatted")
        assert answer.headers["X-Total-Count"] == "6"
        rest = site.as_().get(answer.links["next"]["url"])
        assert "next" not in rest.links
        titles = [commit["formatted"]["title"] for commit in (*answer.json(), *rest.json())]
        assert titles == ["files"] * 5 + ["initial commit"]


class TestRefs:
    def test_branches_and_tags_come_and_go(self, site):
        repo = site.new_repo()
        alice = site.as_("alice")
        assert alice.post(f"{repo}/branch/feature%2Fx", json={}).status_code == 200
        assert alice.post(f"{repo}/tag/feature%2Fx", json={"tag": "v1", "message": "first"}).status_code == 200
        refs = site.as_().get(f"{repo}/refs?include_prs=1").json()
        assert [ref["name"] for ref in refs["branches"]] == ["feature/x", "main"]
        assert [ref["ref"] for ref in refs["tags"]] == ["refs/tags/v1"]
        assert (refs["converts"], refs["pullRequests"]) == ([], [])
        assert alice.delete(f"{repo}/branch/feature%2Fx").status_code == 200
        assert alice.delete(f"{repo}/tag/v1").status_code == 200

    def test_what_exists_already_answers_409(self, site):
        repo = site.new_repo()
        alice = site.as_("alice")
        alice.post(f"{repo}/branch/b", json={})
        refused = alice.post(f"{repo}/branch/b", json={})
        assert refused.status_code == 409
        assert "Reference refs/heads/b already exists" in refused.json()["error"]
        alice.post(f"{repo}/tag/main", json={"tag": "b"})
        assert alice.post(f"{repo}/tag/main", json={"tag": "b"}).status_code == 409

    def test_main_stays(self, site):
        refused = site.as_("alice").delete(f"{site.new_repo()}/branch/main")
        assert refused.status_code == 403
        assert "Cannot delete refs/heads/main" in refused.json()["error"]

    def test_what_is_missing_is_an_invalid_revision(self, site):
        repo = site.new_repo()
        for route in ("/branch/nowhere", "/tag/nowhere"):
            refused = site.as_("alice").delete(repo + route)
            assert (refused.status_code, refused.headers["X-Error-Code"]) == (404, "RevisionNotFound")
            assert "Invalid rev id" in refused.json()["error"]

    def test_a_pull_request_is_no_branch(self, site):
        assert site.as_("alice").post(f"{site.new_repo()}/branch/refs%2Fpr%2F5", json={}).status_code == 400


class TestLists:
    def test_pages_are_linked_by_absolute_addresses(self, site):
        names = [site.new_repo("dataset").rpartition("/")[2] for _ in range(5)]
        seen, url = [], "/api/datasets?author=alice&limit=2&sort=createdAt&search=dataset-"
        while url:
            answer = site.as_().get(url)
            seen += [repo["id"] for repo in answer.json()]
            url = answer.links.get("next", {}).get("url")
            assert url is None or url.startswith(f"{site.url}/api/datasets?")
        assert seen[:5] == [f"alice/{name}" for name in reversed(names)]
        assert len(set(seen)) == len(seen)

    def test_filters_narrow_together(self, site):
        repo = site.new_repo()
        site.commit(repo, {"README.md": CARD.replace("demo", "very-own")})
        name = repo.removeprefix("/api/models/")
        for narrowing in (
            "filter=very-own&filter=license:mit",
            "filter=very-own,license:mit",
            "filter=very-own&pipeline_tag=text-classification",
        ):
            assert [item["id"] for item in site.as_().get(f"/api/models?{narrowing}").json()] == [name]
        assert site.as_().get("/api/models?filter=very-own&filter=license:gpl").json() == []

    def test_items_hold_what_was_asked(self, site):
        repo = site.new_repo()
        site.commit(repo, {"README.md": CARD})
        search = {"search": repo.rpartition("/")[2]}
        (short,) = site.as_().get("/api/models", params=search).json()
        assert "cardData" not in short
        assert DATE.fullmatch(short["createdAt"])
        (full,) = site.as_().get("/api/models", params={**search, "full": "true"}).json()
        assert full["cardData"]["license"] == "mit"
        assert {"rfilename": "README.md"} in full["siblings"]
        (expanded,) = site.as_().get("/api/models", params={**search, "expand": ["sha", "likes"]}).json()
        assert set(expanded) == {"_id", "id", "modelId", "sha", "likes"}

    @pytest.mark.parametrize(
        ("query", "status"),
        [
            ("sort=colour", 400),
            ("expand=colour", 400),
            ("limit=0", 400),
            ("num_parameters=many", 400),
            ("cursor=x", 400),
            ("inference=warm", 501),
            ("apps=ollama", 501),
        ],
    )
    def test_what_cannot_be_asked_is_said(self, site, query, status):
        assert site.as_().get(f"/api/models?{query}").status_code == status

    def test_tags_are_grouped_by_what_stands_before_the_colon(self, site):
        repo = site.new_repo()
        site.commit(repo, {"README.md": CARD})
        grouped = site.as_().get("/api/models-tags-by-type").json()
        assert {"id": "license:mit", "label": "mit", "type": "license"} in grouped["license"]


class TestPeople:
    def test_likes_are_counted_once(self, site):
        repo = site.new_repo()
        for _ in range(2):
            assert site.as_("bob").post(f"{repo}/like").status_code == 200
        assert site.as_().get(repo).json()["likes"] == 1
        assert [user["user"] for user in site.as_().get(f"{repo}/likers").json()] == ["bob"]
        liked = site.as_().get("/api/users/bob/likes").json()
        assert {"name": repo.removeprefix("/api/models/"), "type": "model"} in [like["repo"] for like in liked]
        site.as_("bob").delete(f"{repo}/like")
        assert site.as_().get(repo).json()["likes"] == 0

    def test_nobody_cannot_like(self, site):
        assert site.as_().post(f"{site.new_repo()}/like").status_code == 401

    def test_overviews_count_what_the_caller_may_see(self, site):
        site.new_repo(private=True)
        alice = site.as_("alice").get("/api/users/alice/overview").json()
        stranger = site.as_().get("/api/users/alice/overview").json()
        assert alice["numModels"] > stranger["numModels"]
        assert alice["orgs"][0]["name"] == "acai"
        organization = site.as_().get("/api/organizations/acai/overview").json()
        assert (organization["fullname"], organization["numUsers"]) == ("Açaí Ltda.", 1)
        assert [user["user"] for user in site.as_().get("/api/organizations/acai/members").json()] == ["alice"]
        assert site.as_().get("/api/users/nobody/overview").status_code == 404


class TestTheRest:
    def test_a_card_is_checked_before_it_is_committed(self, site):
        def check(content):
            return site.as_().post("/api/validate-yaml", json={"content": content, "repoType": "model"})

        assert (check(CARD).status_code, check(CARD).json()) == (200, {"errors": [], "warnings": []})
        assert check("# no metadata").json()["warnings"]
        broken = check("---\nlicense: [\n---\n")
        assert broken.status_code == 400
        assert broken.json()["errors"][0]["message"]

    @pytest.mark.parametrize(
        "route",
        [
            "GET /api/models/alice/m/leaderboard",
            "POST /api/spaces/alice/m/secrets",
            "GET /api/buckets/alice/b",
            "GET /api/jobs/alice",
            "GET /oauth/authorize",
        ],
    )
    def test_what_the_hub_has_and_this_one_does_not_is_said(self, site, route):
        refused = site.as_("alice").request(*route.split())
        assert (refused.status_code, refused.headers["X-Error-Code"]) == (501, "NotOffered")
        assert refused.headers["X-Error-Message"].startswith("This hub does not offer")

    @pytest.mark.parametrize(
        "route", ["/api/models/gpt2", "/api/models/gpt2/tree/main", "/api/datasets/squad/revision/x"]
    )
    def test_a_repo_without_namespace_is_a_missing_repo(self, site, route):
        assert site.as_().get(route).headers["X-Error-Code"] == "RepoNotFound"

    def test_an_unknown_address_is_json_all_the_same(self, site):
        missing = site.as_().get("/api/nothing/here")
        assert missing.status_code == 404
        assert "GET /api/nothing/here" in missing.json()["error"]

    def test_telemetry_and_harnesses_cost_nothing(self, site):
        assert site.as_().head("/api/telemetry/transformers/x").status_code == 204
        assert site.as_().get("/api/agent-harnesses").json() == {"standardEnvVars": [], "harnesses": {}}

    def test_a_bad_token_is_told_from_a_missing_repo(self, site):
        answer = site.as_().get(site.new_repo(), headers={"Authorization": "Bearer hf_invented"})
        assert answer.status_code == 401
        assert answer.headers["X-Error-Message"] == "Invalid credentials in Authorization header"
