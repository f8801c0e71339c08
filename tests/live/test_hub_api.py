"""What `HfApi` asks beyond files and commits: lists, facts, people, gates, and the exact errors it raises."""

import re
from itertools import islice
from pathlib import Path
from typing import Any, get_args

import httpx
import pytest
from huggingface_hub import CommitOperationAdd, HfApi, hf_api
from huggingface_hub.errors import (
    BadRequestError,
    GatedRepoError,
    HfHubHTTPError,
    RemoteEntryNotFoundError,
    RepositoryNotFoundError,
    RevisionNotFoundError,
)

from tests.live.conftest import MakeRepo
from tests.live.running_server import RunningServer

CARD = """---
license: apache-2.0
language: pt
library_name: transformers
pipeline_tag: text-classification
base_model: acai/base
tags: [{tag}]
---
# A model
"""


@pytest.fixture
def carded(alice: HfApi, make_repo: MakeRepo) -> tuple[str, str]:
    """A model with a card, and a tag that only it carries."""
    name = make_repo()
    tag = name.replace("/", "-")
    alice.upload_file(path_or_fileobj=CARD.format(tag=tag).encode(), path_in_repo="README.md", repo_id=name)
    return name, tag


class TestNewRepos:
    """What hub.js and others may send with the wish for one."""

    def create(self, alice: HfApi, **said: Any) -> httpx.Response:
        headers = {"Authorization": f"Bearer {alice.token}"}
        return httpx.post(f"{alice.endpoint}/api/repos/create", json=said, headers=headers)

    def test_hold_the_files_that_came_with_them(self, alice: HfApi, tmp_path: Path) -> None:
        files = [
            {"path": "src/train.py", "content": "aW1wb3J0IHRvcmNo", "encoding": "base64"},
            {"path": "README.md", "content": "---\nlicense: mit\n---\n", "encoding": "utf-8"},
        ]
        self.create(alice, name="with-files", files=files).raise_for_status()
        assert alice.list_repo_files("alice/with-files") == [".gitattributes", "README.md", "src/train.py"]
        assert alice.model_info("alice/with-files").card_data.license == "mit"
        file = alice.hf_hub_download("alice/with-files", "src/train.py", cache_dir=tmp_path)
        assert Path(file).read_bytes() == b"import torch"

    def test_say_their_licence(self, alice: HfApi) -> None:
        self.create(alice, name="licensed", type="space", sdk="static", license="no: [yaml]").raise_for_status()
        card = alice.space_info("alice/licensed").card_data
        assert (card.license, card.title, card.sdk) == ("no: [yaml]", "licensed", "static")

    @pytest.mark.parametrize(
        ("said", "problem"),
        [
            ({"path": "a.bin", "content": "AAAA"}, "a.bin goes through LFS"),
            ({"path": "a", "content": "AAAA"}, "a goes through LFS"),
            ({"path": "../a", "content": "YQ=="}, r"\.\./a"),
            ({"path": "a.txt", "content": "?"}, "a.txt is not base64"),
            ({"path": "README.md", "content": "YQ=="}, "metadata"),
        ],
    )
    def test_with_files_that_cannot_be_are_not_made(self, alice: HfApi, said: dict[str, str], problem: str) -> None:
        answer = self.create(alice, name="not-made", license="mit", files=[said])
        assert 400 <= answer.status_code < 500
        assert re.search(problem, answer.json()["error"])
        assert not alice.repo_exists("alice/not-made")


class TestFacts:
    @pytest.mark.parametrize(
        ("repo_type", "names"),
        [
            ("model", get_args(hf_api.ExpandModelProperty_T)),
            ("dataset", get_args(hf_api.ExpandDatasetProperty_T)),
            ("space", get_args(hf_api.ExpandSpaceProperty_T)),
        ],
    )
    def test_every_property_of_the_client_can_be_asked_for(
        self, alice: HfApi, make_repo: MakeRepo, repo_type: str, names: tuple[str, ...]
    ) -> None:
        if repo_type == "space":
            name = alice.create_repo("alice/expanded-space", repo_type="space", space_sdk="static").repo_id
        else:
            name = make_repo(repo_type)
        assert alice.repo_info(name, repo_type=repo_type, expand=list(names)).id == name

    def test_the_card_is_known_at_once(self, stranger: HfApi, carded: tuple[str, str]) -> None:
        name, tag = carded
        info = stranger.model_info(name)
        assert (info.pipeline_tag, info.library_name, info.base_models) == (
            "text-classification",
            "transformers",
            ["acai/base"],
        )
        assert info.card_data is not None
        assert info.card_data.license == "apache-2.0"
        assert info.tags is not None
        assert {tag, "license:apache-2.0", "pt"} <= set(info.tags)
        assert info.transformers_info is not None
        assert info.transformers_info.auto_model == "AutoModelForSequenceClassification"

    def test_a_revision_has_facts_of_its_own(self, alice: HfApi, carded: tuple[str, str]) -> None:
        name, _ = carded
        (first,) = [commit for commit in alice.list_repo_commits(name) if commit.title == "initial commit"]
        info = alice.model_info(name, revision=first.commit_id)
        assert info.sha == first.commit_id
        assert [file.rfilename for file in info.siblings or ()] == [".gitattributes"]

    def test_security_status_may_be_asked(self, alice: HfApi, repo: str) -> None:
        """Of a repo without pickles there is nothing left to scan; tests of safety ask for others."""
        status = alice.model_info(repo, securityStatus=True).security_repo_status
        assert status == {"scansDone": True, "filesWithIssues": []}


class TestLists:
    def test_filters_narrow_together(self, stranger: HfApi, carded: tuple[str, str]) -> None:
        name, tag = carded

        def listed(**narrowing: object) -> list[str]:
            return [model.id for model in stranger.list_models(**narrowing)]

        assert listed(filter=tag) == [name]
        assert listed(filter=[tag, "license:apache-2.0"], pipeline_tag="text-classification", author="Alice") == [name]
        assert listed(filter=[tag, "license:mit"]) == []
        assert listed(filter=tag, gated=True) == []
        assert listed(filter=tag, num_parameters="min:1B") == []

    def test_datasets_are_found_by_their_kinds_of_tags(self, alice: HfApi, make_repo: MakeRepo) -> None:
        name = make_repo("dataset")
        card = "---\nlanguage: [pt]\ntask_categories: [text-classification]\nsize_categories: [n<1K]\n---\n"
        alice.upload_file(path_or_fileobj=card.encode(), path_in_repo="README.md", repo_id=name, repo_type="dataset")
        found = alice.list_datasets(
            language="pt", task_categories="text-classification", size_categories="n<1K", search=name
        )
        assert [dataset.id for dataset in found] == [name]

    @pytest.mark.parametrize("sort", get_args(hf_api.ModelSort_T))
    def test_every_order_of_the_client_is_one_of_ours(self, alice: HfApi, repo: str, sort: str) -> None:
        models = list(alice.list_models(author="alice", sort=sort))
        assert repo in [model.id for model in models]
        values = [getattr(model, sort) for model in alice.list_models(author="alice", sort=sort, expand=[_wire(sort)])]
        assert values == sorted(values, reverse=True)

    def test_a_list_goes_on_as_long_as_the_client_reads(self, alice: HfApi, make_repo: MakeRepo) -> None:
        names = [make_repo("dataset") for _ in range(3)]
        pages = alice.list_datasets(author="alice", sort="created_at")
        assert [dataset.id for dataset in islice(pages, 3)] == names[::-1]

    def test_our_own_client_follows_the_pages_and_keeps_what_was_asked(
        self, server: RunningServer, make_repo: MakeRepo
    ) -> None:
        names = [make_repo("dataset") for _ in range(3)]
        with server.client("alice") as client:
            pages = client.pages("/api/datasets", author="alice", sort="createdAt", limit=1)
            assert [dataset["id"] for dataset in islice(pages, 3)] == names[::-1]
            everything = client.pages("/api/datasets", author="bob", limit=1)
            assert "alice" not in {dataset["id"].partition("/")[0] for dataset in islice(everything, 50)}

    def test_full_lists_tell_files_and_cards(self, alice: HfApi, carded: tuple[str, str]) -> None:
        (model,) = alice.list_models(filter=carded[1], full=True, fetch_config=True)
        assert [file.rfilename for file in model.siblings or ()] == [".gitattributes", "README.md"]
        assert model.card_data is not None

    def test_tags_in_use_are_grouped(self, alice: HfApi, carded: tuple[str, str]) -> None:
        assert {"id": "license:apache-2.0", "label": "apache-2.0", "type": "license"} in alice.get_model_tags()[
            "license"
        ]


def _wire(sort: str) -> str:
    first, *rest = sort.split("_")
    return first + "".join(word.capitalize() for word in rest)


class TestTree:
    def test_a_large_folder_comes_in_pages_without_a_gap(self, alice: HfApi, repo: str) -> None:
        files = [CommitOperationAdd(f"data/{number:04}.txt", b"x") for number in range(1100)]
        alice.create_commit(repo, files, commit_message="Many")
        listed = [entry.path for entry in alice.list_repo_tree(repo, "data")]
        assert listed == [f"data/{number:04}.txt" for number in range(1100)]
        expanded = list(islice(alice.list_repo_tree(repo, "data", expand=True), 150))
        assert all(entry.last_commit is not None and entry.last_commit.title == "Many" for entry in expanded)

    def test_paths_may_hold_what_addresses_give_a_meaning(self, alice: HfApi, repo: str) -> None:
        path = "a folder/50% #1?&=+ação.txt"
        alice.upload_file(path_or_fileobj=b"x", path_in_repo=path, repo_id=repo, revision="main")
        alice.create_branch(repo, branch="feature/x")
        assert [entry.path for entry in alice.list_repo_tree(repo, "a folder", revision="feature/x")] == [path]
        assert [entry.path for entry in alice.get_paths_info(repo, [path, "nowhere"], revision="feature/x")] == [path]


class TestPeople:
    def test_a_like_can_be_taken_back(self, alice: HfApi, bob: HfApi, repo: str) -> None:
        answer = hf_api.get_session().post(f"{bob.endpoint}/api/models/{repo}/like", headers=bob._build_hf_headers())
        assert answer.status_code == 200
        assert [user.username for user in alice.list_repo_likers(repo)] == ["bob"]
        assert repo in bob.list_liked_repos().models
        assert alice.model_info(repo).likes == 1
        bob.unlike(repo)
        assert alice.model_info(repo).likes == 0

    def test_users_and_organizations_have_an_overview(self, alice: HfApi) -> None:
        user = alice.get_user_overview("alice")
        assert (user.username, user.user_type, [org.name for org in user.orgs]) == ("alice", "user", ["acai"])
        assert alice.get_organization_overview("acai").num_users == 1
        assert [member.username for member in alice.list_organization_members("acai")] == ["alice"]


class TestErrors:
    """The client raises by status and X-Error-Code: each case lands on its own exception."""

    def test_a_missing_repo(self, alice: HfApi) -> None:
        for ask in (alice.model_info, alice.list_repo_files, alice.list_repo_refs, alice.auth_check):
            with pytest.raises(RepositoryNotFoundError, match="viveiro repos create alice/gone"):
                ask("alice/gone")

    def test_a_repo_without_namespace(self, alice: HfApi) -> None:
        with pytest.raises(RepositoryNotFoundError):
            alice.model_info("bert-base-uncased")

    def test_a_missing_revision(self, alice: HfApi, repo: str) -> None:
        with pytest.raises(RevisionNotFoundError):
            alice.model_info(repo, revision="nowhere")
        with pytest.raises(RevisionNotFoundError):
            list(alice.list_repo_tree(repo, revision="refs/pr/9"))
        with pytest.raises(RevisionNotFoundError):
            alice.upload_file(path_or_fileobj=b"x", path_in_repo="x", repo_id=repo, revision="nowhere")

    def test_a_missing_folder(self, alice: HfApi, repo: str) -> None:
        with pytest.raises(RemoteEntryNotFoundError):
            list(alice.list_repo_tree(repo, "nowhere"))

    def test_a_gated_repo(self, alice: HfApi, bob: HfApi, repo: str) -> None:
        alice.update_repo_settings(repo, gated="manual")
        assert bob.model_info(repo).gated == "manual"
        with pytest.raises(GatedRepoError, match="you are not in the authorized list"):
            bob.auth_check(repo)
        alice.auth_check(repo, write=True)

    def test_writing_without_the_right(self, bob: HfApi, repo: str) -> None:
        with pytest.raises(HfHubHTTPError, match="403"):
            bob.upload_file(path_or_fileobj=b"x", path_in_repo="x", repo_id=repo)

    def test_a_branch_that_is_no_branch(self, alice: HfApi, repo: str) -> None:
        with pytest.raises(BadRequestError):
            alice.create_branch(repo, branch="refs/pr/5")

    def test_a_card_without_metadata_is_a_warning(self, alice: HfApi, repo: str) -> None:
        with pytest.warns(UserWarning, match="empty or missing yaml metadata"):
            alice.upload_file(path_or_fileobj=b"# Bare", path_in_repo="README.md", repo_id=repo)
