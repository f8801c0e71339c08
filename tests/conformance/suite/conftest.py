"""What the suite of huggingface_hub asks of its conftest, written anew: its own is not in the source distribution.

A copy of this file lies among the suite's tests while they run. What it knows of the server is an address and access
tokens, from the environment.
"""

import os
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from . import testing_constants

ENDPOINT = os.environ["HF_ENDPOINT"]
PUBLIC_ENDPOINT = os.environ["CONFORMANCE_PUBLIC_ENDPOINT"]
URL_TEMPLATE = "/{repo_id}/resolve/{revision}/{filename}"
# Before any module of the suite reads them.
testing_constants.ENDPOINT_STAGING = ENDPOINT
testing_constants.ENDPOINT_PRODUCTION = PUBLIC_ENDPOINT
testing_constants.ENDPOINT_PRODUCTION_URL_SCHEME = PUBLIC_ENDPOINT + URL_TEMPLATE
for name, value in os.environ.items():
    if name.startswith("SUITE_"):
        setattr(testing_constants, name.removeprefix("SUITE_"), value)

from huggingface_hub import HfApi, RepoUrl, constants  # noqa: E402
from huggingface_hub.utils import _detect_agent  # noqa: E402

from .testing_utils import repo_name  # noqa: E402

RepoFactory = Callable[..., RepoUrl]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What the suite skips for reasons of its own hub is run all the same."""
    for item in items:
        for node in item.listchain():
            node.own_markers = [mark for mark in node.own_markers if mark.name != "skip"]


@pytest.fixture(autouse=True)
def no_agent(monkeypatch: pytest.MonkeyPatch) -> None:
    """The client asks its hub once which environment variables betray an agent. That is no test's request."""
    monkeypatch.setattr(_detect_agent, "_registry", {"standardEnvVars": [], "harnesses": {}})


@pytest.fixture(autouse=True)
def public_hub(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Tests marked so read the public hub: here a second server, with a few repos of the same names."""
    if request.node.get_closest_marker("production"):
        monkeypatch.setattr(constants, "ENDPOINT", PUBLIC_ENDPOINT)
        monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", PUBLIC_ENDPOINT + URL_TEMPLATE)


@pytest.fixture(scope="session")
def api() -> HfApi:
    return HfApi(endpoint=ENDPOINT, token=testing_constants.TOKEN)


@pytest.fixture(scope="session")
def api_prod() -> HfApi:
    """A stranger: the suite reads public repos with it."""
    return HfApi(endpoint=PUBLIC_ENDPOINT, token=False)


@pytest.fixture
def repo_factory() -> Iterator[RepoFactory]:
    """Makes repos, of a name of their own unless told, and deletes them when the test ends."""
    made: list[tuple[HfApi, RepoUrl]] = []

    def make(
        repo_type: str = "model", *, repo_id: str | None = None, token: str = testing_constants.TOKEN, **more: Any
    ) -> RepoUrl:
        owner = HfApi(endpoint=ENDPOINT, token=token)
        repo = owner.create_repo(repo_id or repo_name(), repo_type=repo_type, **more)
        made.append((owner, repo))
        return repo

    yield make
    for owner, repo in made:
        owner.delete_repo(repo.repo_id, repo_type=repo.repo_type, missing_ok=True)


@pytest.fixture
def new_repo_id(api: HfApi) -> Iterator[str]:
    """An id that the test makes a repo of."""
    repo_id = f"{testing_constants.USER}/{repo_name()}"
    yield repo_id
    api.delete_repo(repo_id, missing_ok=True)
