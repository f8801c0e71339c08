"""A private repo is missing, not forbidden, to whoever may not see it: on every route, in every list, by every credential."""

import base64
import json
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from hashlib import sha256
from itertools import count
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi.routing import iter_route_contexts
from huggingface_hub import HfApi

from tests.live.conftest import MakeRepo
from tests.live.running_server import RunningServer
from viveiro.app import create_app
from viveiro.settings import Settings

KINDS = {"models": "model", "datasets": "dataset", "spaces": "space", "kernels": "kernel"}
TRIED: tuple[str, ...] = ("models", "datasets", "spaces")
"""Where an address takes any kind. Kernels differ from Spaces in nothing but the word."""
BIG = b"\0private"
OID = sha256(BIG).hexdigest()
COMMIT = "\n".join(
    json.dumps(line)
    for line in (
        {"key": "header", "value": {"summary": "Intrusion", "description": ""}},
        {"key": "file", "value": {"path": "x", "content": base64.b64encode(b"x").decode(), "encoding": "base64"}},
    )
)
BATCH = {"operation": "download", "transfers": ["basic"], "objects": [{"oid": OID, "size": len(BIG)}]}
PUSH = {"content": "0000", "headers": {"Content-Type": "application/x-git-receive-pack-request"}}
FETCH = {"content": "0000", "headers": {"Content-Type": "application/x-git-upload-pack-request"}}


@dataclass(frozen=True)
class Asked:
    """The repo that a request is about. `kind` is plural, as in addresses."""

    kind: str
    namespace: str
    name: str

    @property
    def repo_id(self) -> str:
        return f"{self.namespace}/{self.name}"

    @property
    def in_body(self) -> dict[str, str]:
        return {"name": self.name, "organization": self.namespace, "type": KINDS[self.kind]}

    def fill(self, template: str, rest: str) -> str:
        values = {"kind": self.kind, "namespace": self.namespace, "name": self.name, "rest": rest, "job_id": "0" * 24}
        values |= {"number": "1", "comment_id": f"{1:024x}", "status": "pending"}
        return template.format(**values)


Rest = str
Options = dict[str, Any]
Request = tuple[Rest, Options] | Callable[[Asked], Options]
"""What fills {rest}, and what else is sent; or a function, where the repo is named in the body."""

NOTHING: Request = ("", {})
ABOUT_A_REPO: dict[str, Request] = {
    "GET /api/{kind}/{namespace}/{name}": ("", {"params": {"blobs": "true"}}),
    "GET /api/{kind}/{namespace}/{name}/revision/{rest}": ("main", {}),
    "GET /api/{kind}/{namespace}/{name}/tree/{rest}": ("main", {"params": {"recursive": "true", "expand": "true"}}),
    "POST /api/{kind}/{namespace}/{name}/paths-info/{rest}": ("main", {"json": {"paths": ["big.bin"]}}),
    "GET /api/{kind}/{namespace}/{name}/commits/{rest}": ("main", {}),
    "GET /api/{kind}/{namespace}/{name}/refs": NOTHING,
    "GET /api/{kind}/{namespace}/{name}/auth-check": NOTHING,
    "GET /api/{kind}/{namespace}/{name}/auth-check/write": NOTHING,
    "GET /api/{kind}/{namespace}/{name}/likers": NOTHING,
    "POST /api/{kind}/{namespace}/{name}/like": NOTHING,
    "DELETE /api/{kind}/{namespace}/{name}/like": NOTHING,
    "PUT /api/{kind}/{namespace}/{name}/settings": ("", {"json": {"private": False}}),
    "GET /api/{kind}/{namespace}/{name}/user-access-request/{status}": NOTHING,
    "POST /api/{kind}/{namespace}/{name}/user-access-request/handle": ("", {"json": {"user": "bob", "status": "accepted"}}),
    "POST /api/{kind}/{namespace}/{name}/user-access-request/grant": ("", {"json": {"user": "bob"}}),
    "POST /api/{kind}/{namespace}/{name}/duplicate": ("", {"json": {"repository": "bob/copy"}}),
    "POST /api/{kind}/{namespace}/{name}/preupload/{rest}": ("main", {"json": {"files": [{"path": "big.bin", "size": 8}]}}),
    "POST /api/{kind}/{namespace}/{name}/commit/{rest}": ("main", {"content": COMMIT}),
    "POST /api/{kind}/{namespace}/{name}/branch/{rest}": ("new", {"json": {}}),
    "DELETE /api/{kind}/{namespace}/{name}/branch/{rest}": ("work", {}),
    "POST /api/{kind}/{namespace}/{name}/tag/{rest}": ("main", {"json": {"tag": "new"}}),
    "DELETE /api/{kind}/{namespace}/{name}/tag/{rest}": ("v1", {}),
    "POST /api/{kind}/{namespace}/{name}/super-squash/{rest}": ("main", {"json": {}}),
    "GET /api/{kind}/{namespace}/{name}/lfs-files": NOTHING,
    "POST /api/{kind}/{namespace}/{name}/lfs-files/duplicate": (
        "",
        {"json": {"target": {"type": "model", "name": "alice/elsewhere"}, "files": [{"sha256": OID}]}},
    ),
    "GET /api/{kind}/{namespace}/{name}/treesize/{rest}": ("main", {}),
    "GET /api/{kind}/{namespace}/{name}/compare/{rest}": ("main..main", {}),
    "GET /api/{kind}/{namespace}/{name}/safetensors-metadata/{rest}": ("model.safetensors.index.json", {}),
    "POST /api/{kind}/{namespace}/{name}/lfs-files/batch": ("", {"json": {"deletions": {"sha": [OID]}}}),
    "GET /api/{kind}/{namespace}/{name}/discussions": NOTHING,
    "POST /api/{kind}/{namespace}/{name}/discussions": ("", {"json": {"title": "Hello", "pullRequest": True}}),
    "GET /api/{kind}/{namespace}/{name}/discussions/{number}": ("", {"params": {"diff": "1"}}),
    "POST /api/{kind}/{namespace}/{name}/discussions/{number}/comment": ("", {"json": {"comment": "Hello"}}),
    "POST /api/{kind}/{namespace}/{name}/discussions/{number}/comment/{comment_id}/edit": ("", {"json": {"content": "Hello"}}),
    "POST /api/{kind}/{namespace}/{name}/discussions/{number}/comment/{comment_id}/hide": NOTHING,
    "POST /api/{kind}/{namespace}/{name}/discussions/{number}/title": ("", {"json": {"title": "Hello"}}),
    "POST /api/{kind}/{namespace}/{name}/discussions/{number}/status": ("", {"json": {"status": "closed"}}),
    "POST /api/{kind}/{namespace}/{name}/discussions/{number}/merge": NOTHING,
    "GET /api/{kind}/{namespace}/{name}/xet-read-token/{rest}": ("main", {}),
    "GET /api/{kind}/{namespace}/{name}/xet-write-token/{rest}": ("main", {}),
    "POST /models/{namespace}/{name}": ("", {"json": {"inputs": "text"}}),
    "GET /api/v1/endpoints/{namespace}/{name}": NOTHING,
    "DELETE /api/v1/endpoints/{namespace}/{name}": NOTHING,
    "POST /api/v1/datasets/{namespace}/{name}/check": ("", {"json": {}}),
    "POST /api/repos/create": lambda asked: {"json": asked.in_body},
    "POST /api/repos/move": lambda asked: {"json": {"fromRepo": asked.repo_id, "toRepo": f"{asked.repo_id}-2", "type": KINDS[asked.kind]}},
    "DELETE /api/repos/delete": lambda asked: {"json": asked.in_body},
    "POST /api/v1/endpoints": lambda asked: {"json": {"model": asked.repo_id}},
    "POST /api/v1/models/pull": lambda asked: {"json": {"repo_id": "any/thing", "name": asked.repo_id}},
    "POST /api/v1/datasets/import": lambda asked: {"params": {"name": asked.repo_id, "file_name": "a.csv"}, "content": "a,b\n1,2\n"},
    "POST /api/v1/runs": lambda asked: {"json": {"task": "text-classification", "data": asked.repo_id}},
    "POST /api/v1/runs/estimate": lambda asked: {"json": {"task": "text-classification", "data": asked.repo_id}},
    "POST /api/v1/runs/check": lambda asked: {"json": {"task": "text-classification", "data": "any/thing", "base": asked.repo_id}},
    "POST /api/v1/runs/reproduce": lambda asked: {"json": {"of": asked.repo_id}},
    "GET /{namespace}/{name}": NOTHING,
    "GET /datasets/{namespace}/{name}": NOTHING,
    "GET /spaces/{namespace}/{name}": NOTHING,
    "GET /kernels/{namespace}/{name}": NOTHING,
    "GET /datasets/{namespace}/{name}/statistics": NOTHING,
    "GET /datasets/{namespace}/{name}/cell": NOTHING,
    "POST /datasets/{namespace}/{name}/check": NOTHING,
    "GET /datasets/{namespace}/{name}/check/{job_id}": NOTHING,
    "GET /endpoints/{namespace}/{name}": NOTHING,
    "POST /endpoints/{namespace}/{name}/undeploy": NOTHING,
    "POST /endpoints": lambda asked: {"data": {"model": asked.repo_id}},
    "GET /collections/-/add/{kind}/{namespace}/{name}": NOTHING,
    "POST /collections/-/add/{kind}/{namespace}/{name}": ("", {"data": {"title": "Intrusion"}}),
    "POST /new": lambda asked: {"data": {"kind": KINDS[asked.kind], "namespace": asked.namespace, "name": asked.name}},
    "GET /runs/new": lambda asked: {"params": {"data": asked.repo_id}},
    "POST /runs/new": lambda asked: {"data": {"data": asked.repo_id}},
    "POST /runs/new/estimate": lambda asked: {"data": {"data": asked.repo_id}},
}  # fmt: skip
for _form in ("/{kind}/{namespace}/{name}", "/{namespace}/{name}"):
    ABOUT_A_REPO |= {
        f"GET {_form}/resolve/{{rest}}": ("main/big.bin", {}),
        f"HEAD {_form}/resolve/{{rest}}": ("main/big.bin", {}),
        f"GET {_form}/raw/{{rest}}": ("main/big.bin", {}),
        f"HEAD {_form}/raw/{{rest}}": ("main/big.bin", {}),
        f"POST {_form}/info/lfs/objects/batch": ("", {"json": BATCH}),
        f"GET {_form}/info/refs": ("", {"params": {"service": "git-upload-pack"}}),
        f"POST {_form}/git-upload-pack": ("", FETCH),
        f"POST {_form}/git-receive-pack": ("", PUSH),
        f"GET {_form}/tree/{{rest}}": ("main", {}),
        f"GET {_form}/blob/{{rest}}": ("main/big.bin", {}),
        f"GET {_form}/picture/{{rest}}": ("main/big.bin", {}),
        f"HEAD {_form}/picture/{{rest}}": ("main/big.bin", {}),
        f"GET {_form}/commits/{{rest}}": ("main", {}),
        f"GET {_form}/commit/{{rest}}": ("main", {}),
        f"GET {_form}/settings": NOTHING,
        f"POST {_form}/settings": ("", {"data": {"visibility": "public"}}),
        f"GET {_form}/ask-access": NOTHING,
        f"POST {_form}/ask-access": NOTHING,
        f"GET {_form}/settings/access": NOTHING,
        f"POST {_form}/settings/access": ("", {"data": {"request_id": "x", "decision": "accepted"}}),
        f"POST {_form}/settings/access/grant": ("", {"data": {"user": "bob"}}),
        f"GET {_form}/duplicate": NOTHING,
        f"POST {_form}/duplicate": ("", {"data": {"new_namespace": "bob", "new_name": "copy"}}),
        f"POST {_form}/settings/move": ("", {"data": {"new_namespace": "bob", "new_name": "taken", "old_name": "x"}}),
        f"POST {_form}/settings/delete": ("", {"data": {"typed": "x"}}),
        f"GET {_form}/discussions": NOTHING,
        f"GET {_form}/discussions/new": NOTHING,
        f"POST {_form}/discussions": ("", {"data": {"title": "Hello", "description": "Hello"}}),
        f"GET {_form}/discussions/{{number}}": NOTHING,
        f"POST {_form}/discussions/{{number}}/comment": ("", {"data": {"comment": "Hello", "status": "closed"}}),
        f"POST {_form}/discussions/{{number}}/title": ("", {"data": {"title": "Hello"}}),
        f"POST {_form}/discussions/{{number}}/merge": NOTHING,
        f"POST {_form}/discussions/{{number}}/comments/{{comment_id}}/edit": ("", {"data": {"content": "Hello"}}),
        f"POST {_form}/discussions/{{number}}/comments/{{comment_id}}/hide": NOTHING,
        f"POST {_form}/like": NOTHING,
        f"POST {_form}/unlike": NOTHING,
        **{
            f"{method} {_form}/{verb}/{{rest}}": (rest, {"data": {"title": "Intrusion"}} if method == "POST" else {})
            for method in ("GET", "POST")
            for verb, rest in {
                "edit": "main/notes.md",
                "delete": "main/big.bin",
                "new": "main",
                "upload": "main",
            }.items()
        },
    }

NAMES_NO_REPO = {
    *("GET /healthz", "GET /readyz", "GET /api/v1/openapi.json", "HEAD /api/v1/openapi.json"),
    *("POST /api/xet/{cache}/v1/telemetry", "POST /v1/telemetry"),
    *("GET /api/whoami-v2", "POST /api/validate-yaml", "HEAD /api/telemetry/{topic}", "GET /api/agent-harnesses"),
    *("POST /api/v1/session", "DELETE /api/v1/session", "GET /api/v1/audit"),
    *("GET /api/v1/users", "POST /api/v1/users", "GET /api/v1/users/{name}", "PATCH /api/v1/users/{name}"),
    *("DELETE /api/v1/users/{name}", "GET /api/v1/orgs", "POST /api/v1/orgs", "PATCH /api/v1/orgs/{name}"),
    *("DELETE /api/v1/orgs/{name}", "GET /api/v1/orgs/{name}/members", "PUT /api/v1/orgs/{name}/members/{user}"),
    *("DELETE /api/v1/orgs/{name}/members/{user}", "GET /api/v1/tokens", "POST /api/v1/tokens"),
    *("PATCH /api/v1/tokens/{name}", "DELETE /api/v1/tokens/{name}"),
    *(f"GET /api/{kind}/{{name}}/followers" for kind in ("users", "organizations")),
    *(f"POST /api/{kind}/{{name}}/{verb}" for kind in ("users", "organizations") for verb in ("follow", "unfollow")),
    *("GET /api/users/{name}/following", "GET /organizations/new", "POST /organizations/new", "GET /{name}/-/members"),
    *("POST /{name}/-/members", "POST /{name}/-/members/remove", "POST /{name}/-/fullname", "POST /{name}/-/delete"),
    *("POST /{name}/-/follow", "POST /{name}/-/unfollow"),
    *("GET /api/users/{name}/overview", "GET /api/organizations/{name}/overview", "GET /api/organizations/{name}/members"),
    "POST /uploads",
    *("GET /favicon.ico", "GET /static/{version}/{name}", "GET /-/design", "POST /-/preferences"),
    *("GET /login", "POST /login", "POST /logout", "GET /new", "POST /runs/new/data"),
    "GET /api/spaces/zero-gpu/quota",
    *("POST /oauth/device", "POST /oauth/token", "GET /-/device", "POST /-/device"),
    *("GET /-/welcome", "POST /-/welcome/password", "POST /-/welcome/token"),
    *("GET /settings", "GET /settings/profile", "POST /settings/profile", "POST /settings/password"),
    *("GET /api/settings/webhooks", "POST /api/settings/webhooks", "GET /api/settings/webhooks/{webhook_id}"),
    *("POST /api/settings/webhooks/{webhook_id}", "DELETE /api/settings/webhooks/{webhook_id}"),
    *("POST /api/settings/webhooks/{webhook_id}/enable", "POST /api/settings/webhooks/{webhook_id}/disable"),
    *("GET /settings/webhooks", "POST /settings/webhooks", "GET /settings/webhooks/{webhook_id}"),
    *("POST /settings/webhooks/{webhook_id}", "POST /settings/webhooks/{webhook_id}/switch"),
    *("POST /settings/webhooks/{webhook_id}/delete", "POST /settings/webhooks/{webhook_id}/deliveries/{delivery_id}/again"),
    *("GET /collections", "POST /collections", "POST /api/collections"),
    *("GET /settings/tokens", "POST /settings/tokens", "POST /settings/tokens/revoke"),
}  # fmt: skip
"""They are about accounts or the installation."""

COLLECTIONS = {
    *("GET /api/collections", "GET /api/collections/{namespace}/{slug}", "PATCH /api/collections/{namespace}/{slug}"),
    *("DELETE /api/collections/{namespace}/{slug}", "POST /api/collections/{namespace}/{slug}/items"),
    *("PATCH /api/collections/{namespace}/{slug}/items/{item_id}", "DELETE /api/collections/{namespace}/{slug}/items/{item_id}"),
    "POST /api/collections/{namespace}/{slug}/resource-group",
    *("GET /collections/{namespace}/{slug}", "POST /collections/{namespace}/{slug}", "POST /collections/{namespace}/{slug}/delete"),
    *("POST /collections/{namespace}/{slug}/items/{item_id}", "POST /collections/{namespace}/{slug}/items/{item_id}/remove"),
}  # fmt: skip
"""A private collection is missing, and so is a private repo in an open one: `test_collections.py`."""

LISTS = {
    "GET /api/{kind}",
    *("GET /api/models-tags-by-type", "GET /api/datasets-tags-by-type", "GET /api/tasks"),
    "GET /api/users/{name}/likes",
    "GET /api/v1/endpoints",
    *("GET /", "GET /{kind}", "GET /{kind}/-/facets", "GET /{name}", "GET /endpoints"),
}
"""They leave out what the viewer may not see: `TestLists` reads them."""

ADMINISTRATORS_ONLY = {
    *("GET /api/v1/backup", "POST /api/v1/hub/fsck", "POST /api/v1/hub/scan", "POST /api/v1/models/import-starter"),
    *("GET /api/v1/hub/gc", "POST /api/v1/hub/gc"),
    *("PUT /api/v1/accounts/{name}/quota", "DELETE /api/v1/accounts/{name}/quota"),
    *("GET /users", "POST /users", "GET /audit"),
    *("POST /users/{name}/delete", "POST /users/{name}/password", "POST /users/{name}/role"),
}

OF_ONES_NAMESPACES = {
    *("GET /api/v1/hub/usage", "GET /api/settings/repositories", "GET /api/organizations/{name}/settings/repositories"),
}
"""They tell of repos to those who may write in their namespace: `tests/live/test_quotas.py`."""

OWNERS_ONLY = {
    *("GET /api/v1/jobs", "GET /api/v1/jobs/{job_id}", "GET /api/v1/jobs/{job_id}/events"),
    *("GET /api/v1/jobs/{job_id}/logs", "POST /api/v1/jobs/{job_id}/cancel"),
    *(
        "GET /api/v1/runs",
        "GET /api/v1/runs/{run_id}",
        "GET /api/v1/runs/{run_id}/points",
        "GET /api/v1/runs/{run_id}/curves",
    ),
    "POST /api/v1/runs/{run_id}/cancel",
    *("GET /jobs", "GET /jobs/{job_id}", "POST /jobs/{job_id}/cancel"),
    *("GET /runs", "GET /runs/{run_id}", "GET /runs/{run_id}/progress", "GET /runs/{run_id}/log"),
    *("POST /runs/{run_id}/again", "POST /runs/{run_id}/cancel", "POST /runs/{run_id}/reproduce"),
    *("GET /runs/new/estimate/{job_id}", "GET /-/running"),
}
"""Jobs name repos, and only the one who started a job sees it: `TestJobs`."""

BY_SIGNED_LINK = {
    *("PUT /api/lfs/{oid}", "PUT /api/lfs/{oid}/parts/{number}", "HEAD /api/lfs/{oid}/parts/{number}"),
    *("POST /api/lfs/{oid}/parts", "POST /api/lfs/{oid}/verify", "GET /api/lfs/{oid}", "HEAD /api/lfs/{oid}"),
}
"""They know neither repo nor viewer but through a link that the batch route signed: `TestSignedLinks`."""

BY_SECRET_ADDRESS = {"GET /uploads/{attachment_id}", "HEAD /uploads/{attachment_id}"}
"""What was attached to a comment is found by whoever was shown its address, which nobody can guess: `test_discussions.py`."""
BY_XET_TOKEN = {
    *("POST /api/xet/{cache}/v1/xorbs/default/{hash}", "POST /api/xet/{cache}/v1/shards"),
    *("HEAD /api/xet/{cache}/v1/xorbs/default/{hash}", "POST /api/xet/{cache}/v2/shards"),
    *("GET /api/xet/{cache}/v1/reconstructions/{hash}", "GET /api/xet/{cache}/v2/reconstructions/{hash}"),
    *("GET /api/xet/{cache}/v1/chunks/default/{hash}", "GET /api/xet/{cache}/v1/chunks/default-merkledb/{hash}"),
    *("HEAD /api/xet/{cache}/v1/files/{hash}", "GET /api/xet/data/{hash}"),
}
"""They know neither repo nor viewer but through a token for one repo, or a link signed for one file: `tests/live/test_xet.py`."""

ANSWER_THE_SAME_FOR_ANY_REPO = {
    *(f"{method} /api/{{kind}}/{{rest}}" for method in ("DELETE", "GET", "HEAD", "PATCH", "POST", "PUT")),
    *(f"{method} /api/{{rest}}" for method in ("DELETE", "GET", "HEAD", "PATCH", "POST", "PUT")),
    *(f"{method} /{{name}}/resolve/{{rest}}" for method in ("GET", "HEAD")),
    *(
        f"{method} /{word}/{{rest}}"
        for method in ("DELETE", "GET", "HEAD", "PATCH", "POST", "PUT")
        for word in ("oauth", "buckets", "papers")
    ),
    *(f"{method} {form}/info/lfs/locks" for method in ("GET", "POST") for form in ("/{kind}/{namespace}/{name}", "/{namespace}/{name}")),
    *(f"POST {form}/info/lfs/locks/verify" for form in ("/{kind}/{namespace}/{name}", "/{namespace}/{name}")),
}  # fmt: skip
"""They say what this hub does not offer, and look nothing up."""

_numbers = count(1000)


def test_every_route_is_accounted_for(tmp_path: Path) -> None:
    """A new route has to be entered in one of the tables above before it can be merged."""
    app = create_app(Settings(data_dir=tmp_path, secret_key="x" * 32))
    routes = {f"{method} {route.path_format}" for route in iter_route_contexts(app.routes) for method in route.methods}
    known = (
        NAMES_NO_REPO
        | COLLECTIONS
        | LISTS
        | ADMINISTRATORS_ONLY
        | OWNERS_ONLY
        | BY_SIGNED_LINK
        | ANSWER_THE_SAME_FOR_ANY_REPO
    )
    known |= BY_SECRET_ADDRESS | BY_XET_TOKEN | OF_ONES_NAMESPACES
    assert routes == known | ABOUT_A_REPO.keys()


def _kinds_of(route: str) -> Iterable[str]:
    if "{kind}" in route:
        return TRIED
    if "/spaces/" in route:
        return ["spaces"]
    if "/kernels/" in route:
        return ["kernels"]
    about_data = "/datasets/" in route or route.endswith(("/runs", "/runs/estimate", "/runs/new", "/runs/new/estimate"))
    return ["datasets"] if about_data else ["models"]


class TestEveryRoute:
    @pytest.fixture(scope="class")
    @classmethod
    def outsiders(cls, server: RunningServer, alice: HfApi) -> dict[str, str | None]:
        """Credentials that do not reach Alice's private repos, one of them her own."""
        alice.create_repo("alice/elsewhere", exist_ok=True)
        narrow = {
            "name": "narrow",
            "role": "fineGrained",
            "grants": [{"resource": "alice/elsewhere", "actions": ["admin"]}],
        }
        with server.client("alice") as client:
            token = client.post("/api/v1/tokens", narrow)["secret"]
        return {"anonymous": None, "bob": server.token("bob"), "a token of Alice's for another repo": token}

    @pytest.mark.parametrize(("route", "kind"), [(route, kind) for route in ABOUT_A_REPO for kind in _kinds_of(route)])
    def test_hides_a_private_repo(
        self, server: RunningServer, alice: HfApi, outsiders: dict[str, str | None], route: str, kind: str
    ) -> None:
        """By its name, and by the one that it had before it moved."""
        number = next(_numbers)
        former, missing = Asked(kind, "alice", f"former-{number}"), Asked(kind, "alice", f"absent-{number}")
        private = Asked(kind, "alice", f"hidden-{number}")
        _make_private(alice, former)
        alice.move_repo(former.repo_id, private.repo_id, repo_type=KINDS[kind])
        for who, token in outsiders.items():
            absent = _ask(server, route, missing, token)
            for asked in (private, former):
                hidden = _ask(server, route, asked, token)
                assert _seen(hidden, asked) == _seen(absent, missing), who
                assert hidden.is_error, who
        its_owner = _ask(server, route, private, alice.token)
        assert its_owner.headers.get("X-Error-Code") != "RepoNotFound"


def _make_private(alice: HfApi, asked: Asked) -> None:
    kind = KINDS[asked.kind]
    sdk = "static" if kind == "space" else None
    alice.create_repo(asked.repo_id, repo_type=kind, private=True, space_sdk=sdk)
    alice.upload_file(path_or_fileobj=BIG, path_in_repo="big.bin", repo_id=asked.repo_id, repo_type=kind)
    alice.create_branch(asked.repo_id, branch="work", repo_type=kind)
    alice.create_tag(asked.repo_id, tag="v1", repo_type=kind)
    httpx.post(  # the client opens none at kernels
        f"{alice.endpoint}/api/{asked.kind}/{asked.repo_id}/discussions",
        json={"title": "Between us", "description": "", "pullRequest": True},
        headers={"Authorization": f"Bearer {alice.token}"},
    ).raise_for_status()


def _ask(server: RunningServer, route: str, asked: Asked, token: str | None) -> httpx.Response:
    method, template = route.split()
    request = ABOUT_A_REPO[route]
    rest, options = ("", request(asked)) if callable(request) else request
    headers = {**options.get("headers", {}), **({"Authorization": f"Bearer {token}"} if token else {})}
    url = server.url + asked.fill(template, rest)
    return httpx.request(method, url, **{**options, "headers": headers}, timeout=60)


AGE = re.compile(r"(<time datetime=[^>]*>)[^<]*")
"""What a page says of the moment in `datetime`: "2 seconds ago"."""


def _seen(answer: httpx.Response, asked: Asked) -> tuple[int, dict[str, str], str]:
    """All that an outsider could tell two answers apart by, names aside, and ages, which change while one waits."""
    neutral = {
        name: value.replace(asked.name, "NAME")
        for name, value in answer.headers.items()
        if name not in ("date", "x-request-id")
    }
    ageless = AGE.sub(r"\1", answer.text)
    if "content-length" in neutral:
        neutral["content-length"] = str(
            int(neutral["content-length"]) - len(answer.text.encode()) + len(ageless.encode())
        )
    return answer.status_code, neutral, ageless.replace(asked.name, "NAME")


class TestLists:
    @pytest.fixture(scope="class")
    @classmethod
    def private(cls, alice: HfApi) -> str:
        for kind in KINDS:
            asked = Asked(kind, "alice", "in-no-list")
            _make_private(alice, asked)
            card = b"---\ntags: [a-secret-tag]\nlicense: in-no-list\nlanguage: zz\nsdk: static\n---\n"
            alice.upload_file(
                path_or_fileobj=card, path_in_repo="README.md", repo_id=asked.repo_id, repo_type=KINDS[kind]
            )
            url, headers = (
                f"{alice.endpoint}/api/{kind}/{asked.repo_id}/like",
                {"Authorization": f"Bearer {alice.token}"},
            )
            httpx.post(url, headers=headers).raise_for_status()
        return "alice/in-no-list"

    @pytest.mark.parametrize("who", [None, "bob"])
    @pytest.mark.parametrize(
        "path",
        [
            *(f"/api/{kind}?{query}" for kind in KINDS for query in ("search=no-list", "filter=a-secret-tag", "author=alice&full=true")),
            *("/api/models-tags-by-type", "/api/datasets-tags-by-type", "/api/tasks", "/api/users/alice/likes", "/api/v1/endpoints"),
            *(f"/{kind}{rest}" for kind in KINDS for rest in ("?search=no-list", "?author=alice", "/-/facets")),
            *("/", "/alice", "/endpoints"),
        ],
    )  # fmt: skip
    def test_leave_a_private_repo_out(self, server: RunningServer, private: str, path: str, who: str | None) -> None:
        answer = self._list(server, path, who)
        assert "in-no-list" not in answer
        assert "a-secret-tag" not in answer

    @pytest.mark.parametrize(
        "path",
        [
            "/api/models?search=no-list",
            "/api/datasets?filter=a-secret-tag",
            "/api/users/alice/likes",
            "/models?search=in-no",
            "/alice",
        ],
    )
    def test_show_it_to_its_owner(self, server: RunningServer, private: str, path: str) -> None:
        assert "in-no-list" in self._list(server, path, "alice")

    def _list(self, server: RunningServer, path: str, who: str | None) -> str:
        headers = {"Authorization": f"Bearer {server.token(who)}"} if who else {}
        return httpx.get(server.url + path, headers=headers).raise_for_status().text


class TestAdministratorsOnly:
    @pytest.mark.parametrize("route", sorted(ADMINISTRATORS_ONLY))
    @pytest.mark.parametrize(("who", "status"), [(None, 401), ("alice", 403)])
    def test_nobody_else(self, server: RunningServer, route: str, who: str | None, status: int) -> None:
        method, path = route.split()
        headers = {"Authorization": f"Bearer {server.token(who)}"} if who else {}
        assert httpx.request(method, server.url + path, json={}, headers=headers).status_code == status


class TestJobs:
    @pytest.fixture(scope="class")
    @classmethod
    def job_id(cls, server: RunningServer, tmp_path_factory: pytest.TempPathFactory) -> str:
        table = tmp_path_factory.mktemp("table") / "secret.csv"
        table.write_text("text,label\n" + "belt is loose,belt\nmotor is hot,motor\n" * 20)
        with server.client("alice") as client:
            where = "/api/v1/datasets/import"
            started = client.put_file(
                where, table, method="POST", name="alice/secret-rows", file_name="s.csv", private="true"
            )
        return str(started["job_id"])

    @pytest.mark.parametrize("route", sorted(route for route in OWNERS_ONLY if "{" in route))
    @pytest.mark.parametrize("who", [None, "bob"])
    def test_a_job_of_someone_elses_is_missing(
        self, server: RunningServer, job_id: str, route: str, who: str | None
    ) -> None:
        method, template = route.split()
        headers = {"Authorization": f"Bearer {server.token(who)}"} if who else {}

        def ask(wanted: str) -> tuple[int, str]:
            answer = httpx.request(method, server.url + template.format(job_id=wanted, run_id=wanted), headers=headers)
            return answer.status_code, answer.text.replace(wanted, "ID")

        assert ask(job_id) == ask("0" * len(job_id))
        assert ask(job_id)[0] in (401, 404)

    @pytest.mark.parametrize("path", ["/api/v1/jobs", "/api/v1/runs"])
    def test_lists_leave_it_out(self, server: RunningServer, job_id: str, path: str) -> None:
        with server.client("bob") as client:
            assert job_id not in json.dumps(list(client.pages(path)))


class TestSignedLinks:
    """What Alice's client is told to fetch or send, in the hands of others."""

    @pytest.fixture
    def private(self, make_repo: MakeRepo, alice: HfApi) -> str:
        repo = make_repo(private=True)
        alice.upload_file(path_or_fileobj=BIG, path_in_repo="big.bin", repo_id=repo)
        return repo

    def test_a_link_that_was_changed_is_refused(self, server: RunningServer, private: str) -> None:
        link = self._link(server, private)
        other = "b" * 64
        for changed in (link.replace(OID, other), link[:-1] + ("A" if link[-1] != "A" else "B"), link.split("?")[0]):
            assert httpx.get(changed).status_code in range(400, 500)

    def test_a_link_to_read_does_not_write(self, server: RunningServer, private: str) -> None:
        assert httpx.put(self._link(server, private), content=BIG).status_code in range(400, 500)

    def test_a_link_dies_with_the_right_of_whom_it_was_made_for(
        self, server: RunningServer, alice: HfApi, bob: HfApi, make_repo: MakeRepo
    ) -> None:
        """Bob's link to a file of a public repo, after the repo has become private."""
        repo = make_repo()
        alice.upload_file(path_or_fileobj=BIG, path_in_repo="big.bin", repo_id=repo)
        link = self._link(server, repo, "bob")
        assert httpx.get(link).content == BIG
        alice.update_repo_settings(repo, private=True)
        assert httpx.get(link).status_code == 404

    def _link(self, server: RunningServer, repo: str, who: str = "alice") -> str:
        url, headers = (
            f"{server.url}/{repo}.git/info/lfs/objects/batch",
            {"Authorization": f"Bearer {server.token(who)}"},
        )
        answer = httpx.post(url, json=BATCH, headers=headers).raise_for_status().json()
        return str(answer["objects"][0]["actions"]["download"]["href"])
