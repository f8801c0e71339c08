"""Every address of the Hub's wire is answered, or refused in words: a client never meets a bare 404 or a 500."""

import httpx
import pytest
from huggingface_hub import HfApi

from tests.live.running_server import RunningServer

OF_A_REPO = """
GET /revision/main
GET /auth-check
GET /auth-check/write
PUT /settings
POST /lfs-files/duplicate
POST /duplicate
POST /preupload/main
POST /commit/main
GET /lfs-files
POST /lfs-files/batch
POST /super-squash/main
GET /refs
POST /branch/new
DELETE /branch/new
POST /tag/main
DELETE /tag/v0
GET /tree/main
POST /paths-info/main
GET /commits/main
GET /compare/main..main
GET /treesize/main/
GET /xet-read-token/main
GET /xet-write-token/main
POST /like
DELETE /like
GET /likers
GET /discussions
GET /discussions/1
POST /discussions
POST /discussions/1/comment
POST /discussions/1/title
POST /discussions/1/status
POST /discussions/1/merge
POST /discussions/1/comment/0/edit
POST /discussions/1/comment/0/hide
GET /user-access-request/pending
POST /user-access-request/handle
POST /user-access-request/grant
GET /safetensors-metadata/model.safetensors.index.json
GET /leaderboard
GET /resource-group
POST /resource-group
GET /secrets
POST /secrets
DELETE /secrets
GET /variables
POST /variables
DELETE /variables
GET /runtime
POST /hardware
POST /sleeptime
POST /pause
POST /restart
POST /dev-mode
PUT /volumes
DELETE /volumes
GET /logs/run
GET /logs/build
"""
"""After `/api/models/{namespace}/{name}`, and after the same of datasets and Spaces."""

OTHERS = """
GET /api/whoami-v2
POST /oauth/device
POST /oauth/token
GET /oauth/authorize
GET /oauth/userinfo
GET /.well-known/openid-configuration
POST /api/repos/create
DELETE /api/repos/delete
POST /api/repos/move
GET /api/settings/repositories
POST /api/validate-yaml
GET /api/models
GET /api/datasets
GET /api/spaces
GET /api/kernels
GET /api/spaces/semantic-search?q=chat
GET /api/spaces/templates
GET /api/spaces/hardware
GET /api/spaces/zero-gpu/quota
GET /api/models-tags-by-type
GET /api/datasets-tags-by-type
GET /api/tasks
GET /api/users/alice/likes
GET /api/users/alice/overview
GET /api/organizations/acai/overview
GET /api/organizations/acai/members
GET /api/collections
POST /api/collections
GET /api/collections/alice/none-000000000000000000000000
PATCH /api/collections/alice/none-000000000000000000000000
DELETE /api/collections/alice/none-000000000000000000000000
POST /api/collections/alice/none-000000000000000000000000/items
PATCH /api/collections/alice/none-000000000000000000000000/items/1
DELETE /api/collections/alice/none-000000000000000000000000/items/1
POST /api/collections/alice/none-000000000000000000000000/resource-group
GET /api/settings/webhooks
POST /api/settings/webhooks
GET /api/settings/webhooks/0
POST /api/settings/webhooks/0
DELETE /api/settings/webhooks/0
POST /api/settings/webhooks/0/enable
POST /api/settings/webhooks/0/disable
GET /api/papers/search?q=a
GET /api/papers/1706.03762
GET /papers/1706.03762.md
GET /api/daily_papers
POST /api/jobs/alice
GET /api/jobs/alice
GET /api/jobs/hardware
GET /api/jobs/alice/0
POST /api/jobs/alice/0/cancel
POST /api/jobs/alice/0/duplicate
PUT /api/jobs/alice/0/expose
PUT /api/jobs/alice/0/labels
GET /api/jobs/alice/0/logs
GET /api/jobs/alice/0/metrics
POST /api/scheduled-jobs/alice
GET /api/scheduled-jobs/alice
GET /api/scheduled-jobs/alice/0
DELETE /api/scheduled-jobs/alice/0
POST /api/scheduled-jobs/alice/0/suspend
POST /api/scheduled-jobs/alice/0/resume
POST /api/scheduled-jobs/alice/0/schedule
POST /api/scheduled-jobs/alice/0/run
PUT /api/scheduled-jobs/alice/0/labels
POST /api/buckets/alice/logs
GET /api/buckets/alice
GET /api/buckets/alice/logs
DELETE /api/buckets/alice/logs
PUT /api/buckets/alice/logs/settings
GET /api/buckets/alice/logs/tree
POST /api/buckets/alice/logs/paths-info
POST /api/buckets/alice/logs/batch
HEAD /buckets/alice/logs/resolve/a.txt
GET /buckets/alice/logs/resolve/a.txt
GET /api/buckets/alice/logs/xet-read-token
GET /api/buckets/alice/logs/xet-write-token
GET /api/buckets/alice/logs/events
GET /api/resolve-cache/models/alice/any/main/README.md
GET /api/agent-harnesses
HEAD /api/telemetry/any
"""

KINDS = {"models": "model", "datasets": "dataset", "spaces": "space"}
ADDRESSES = [
    *(line.replace(" ", f" /api/{kind}/{{repo}}") for kind in KINDS for line in OF_A_REPO.strip().splitlines()),
    *OTHERS.strip().splitlines(),
]  # fmt: skip


@pytest.fixture(scope="module")
def repo(alice: HfApi) -> str:
    for kind in KINDS.values():
        alice.create_repo("alice/addressed", repo_type=kind, space_sdk="static" if kind == "space" else None)
    return "alice/addressed"


@pytest.mark.parametrize("address", ADDRESSES)
def test_is_answered_or_refused_in_words(server: RunningServer, alice: HfApi, repo: str, address: str) -> None:
    method, path = address.split(" ", 1)
    headers = {"Authorization": f"Bearer {alice.token}"}
    answer = httpx.request(method, server.url + path.format(repo=repo), headers=headers, timeout=60)
    assert answer.status_code != 405
    assert answer.status_code < 500 or answer.status_code == 501
    if not answer.is_success:
        assert answer.headers["X-Error-Message"]
        assert answer.headers.get("X-Error-Code") not in (None, "NotFound")
    if "{repo}" not in address and "acai" not in address and "alice" not in address:
        assert answer.headers.get("X-Error-Code") != "RepoNotFound"


@pytest.mark.parametrize("address", ["GET /api/nothing-of-the-kind", "GET /api/models/{repo}/nothing-of-the-kind"])
def test_what_no_hub_has_is_not_found(server: RunningServer, repo: str, address: str) -> None:
    method, path = address.split(" ", 1)
    assert httpx.request(method, server.url + path.format(repo=repo)).status_code == 404
