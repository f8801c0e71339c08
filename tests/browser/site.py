"""An installation with people and content in it, as the tests of pages and the screenshots find it."""

import contextlib
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import httpx

os.environ.setdefault("HF_HUB_DISABLE_XET", "1")  # huggingface_hub reads both when it is imported
os.environ.setdefault("HF_HUB_DISABLE_PROGRESS_BARS", "1")

from huggingface_hub import HfApi

from tests.live.running_server import RunningServer
from tests.live.waiting import wait_until
from viveiro.client import Client, Refused, RunFailed
from viveiro.http.sign_in import SESSION_COOKIE

ROOT = Path(__file__).parents[2]
TICKETS = ROOT / "examples" / "maintenance" / "tickets.csv"
PASSWORD = "seeds and saplings"
PEOPLE: dict[str, Any] = {
    "users": [
        {"name": "root", "password": PASSWORD, "is_admin": True, "fullname": "Root Gardener"},
        {"name": "alice", "password": PASSWORD, "fullname": "Alice Açaí", "email": "alice@example.org"},
        {"name": "bob", "password": PASSWORD},
    ],
    "organizations": [{"name": "acai", "members": {"alice": "admin"}, "fullname": "Açaí Ltda."}],
    "tokens": [
        {"key": "ROOT", "user": "root"},
        {"key": "ALICE", "user": "alice"},
        {"key": "BOB", "user": "bob"},
    ],
}


GATED_CARD = """---
license: apache-2.0
extra_gated_prompt: These seeds are for growers. What they become is yours to answer for.
extra_gated_fields:
  What will you grow?: text
  I will not sell the seeds: checkbox
---
# Seeds
"""


@dataclass
class Site:
    """`root` administers, `alice` owns the organisation acai, `bob` is another user. All have PASSWORD."""

    server: RunningServer
    _sessions: dict[str, str] = field(default_factory=dict)

    @property
    def url(self) -> str:
        return self.server.url

    def client(self, name: str) -> Client:
        return self.server.client(name)

    def session(self, name: str) -> dict[str, str]:
        """The cookie of a signed-in browser. One session each: hashing passwords takes its time."""
        if name not in self._sessions:
            answer = httpx.post(f"{self.url}/api/v1/session", json={"name": name, "password": PASSWORD}, timeout=120)
            self._sessions[name] = answer.raise_for_status().cookies[SESSION_COOKIE]
        return {"name": SESSION_COOKIE, "value": self._sessions[name], "url": self.url}

    def wait_for_job(self, client: Client, job_id: str) -> dict[str, Any]:
        *_, job = client.changes(f"/api/v1/jobs/{job_id}")
        assert job["state"] == "succeeded", job
        return job

    def hub(self, name: str) -> HfApi:
        return HfApi(endpoint=self.url, token=self.server.token(name))

    def import_table(self, name: str, file: Path, *, owner: str = "alice", **columns: str) -> str:
        """Make a dataset from a file of this machine. The id of the job."""
        with self.client(owner) as client:
            started = client.put_file(
                "/api/v1/datasets/import", file, method="POST", name=name, file_name=file.name, **columns
            )
            self.wait_for_job(client, started["job_id"])
        return str(started["job_id"])

    @cached_property
    def import_job(self) -> str:
        return self.import_table("acai/tickets", TICKETS, text_column="text_en", label_column="category")

    @cached_property
    def dataset(self) -> str:
        """The maintenance tickets."""
        assert self.import_job
        return "acai/tickets"

    @cached_property
    def check_job(self) -> str:
        with self.client("alice") as client:
            started = client.post(f"/api/v1/datasets/{self.dataset}/check", json={})
            self.wait_for_job(client, started["job_id"])
        return str(started["job_id"])

    def start_run(self, client: Client, publish: str, **description: Any) -> str:
        """Of the tickets, on frozen features: it takes seconds. The run's id."""
        run = client.start_run(
            "text-classification", self.dataset, params={"method": "frozen"}, publish=publish, **description
        )
        return str(run["run_id"])

    @cached_property
    def run(self) -> str:
        """One that succeeded and published acai/triage."""
        with self.client("alice") as client:
            run_id = self.start_run(client, "acai/triage")
            client.wait_run(run_id)
        return run_id

    def long_job(self, publish: str) -> str:
        """The job of a run of Alice's that trains all layers: for minutes, unless somebody ends it."""
        with self.client("alice") as client:
            run = client.start_run(
                "text-classification", self.dataset, params={"method": "full"}, publish=publish, base=self.starter
            )
        return str(run["job_id"])

    def deploy(self, name: str, model: str) -> None:
        """On a busy machine the server answers before the model is loaded, and says to ask again."""

        def is_deployed() -> bool:
            try:
                client.post("/api/v1/endpoints", json={"model": model})
            except Refused as error:
                if error.http_status != 503:
                    raise
                return False
            return True

        with self.client(name) as client:
            wait_until(is_deployed)

    @cached_property
    def failed_run(self) -> str:
        """Its base is damaged, which shows only when it is loaded."""
        hub = self.hub("alice")
        hub.create_repo("alice/withered")
        hub.snapshot_download(self.starter, local_dir=self.server.data_dir / "withered")
        (self.server.data_dir / "withered" / "model.safetensors").write_bytes(b"no tensors")
        hub.upload_folder(repo_id="alice/withered", folder_path=self.server.data_dir / "withered")
        with self.client("alice") as client:
            run_id = self.start_run(client, "acai/lost", base="alice/withered")
            with contextlib.suppress(RunFailed):
                client.wait_run(run_id)
        return run_id

    @cached_property
    def starter(self) -> str:
        """The run has brought it in."""
        assert self.run
        return "viveiro/all-MiniLM-L6-v2"

    @cached_property
    def model(self) -> str:
        """What the run published, with an endpoint."""
        assert self.run
        self.deploy("alice", "acai/triage")
        return "acai/triage"

    @cached_property
    def commit(self) -> str:
        """The model's newest."""
        return str(self.hub("alice").model_info(self.model).sha)

    @cached_property
    def dataset_commit(self) -> str:
        return str(self.hub("alice").dataset_info(self.dataset).sha)

    @cached_property
    def question(self) -> int:
        """The number of a discussion of the dataset's."""
        asked = self.hub("bob").create_discussion(
            self.dataset, title="Who wrote the tickets?", description="People, or *models*?", repo_type="dataset"
        )
        return asked.num

    @cached_property
    def discussed(self) -> str:
        """A model whose repo has a discussion (1), a pull request to be merged (2), one in conflict (3), a draft (4), merged (5)."""
        alice, bob = self.hub("alice"), self.hub("bob")
        repo = "acai/discussed"
        alice.create_repo(repo)
        card = "---\nlicense: mit\n---\n# Discussed\n\nWhat it is for.\n"
        alice.upload_file(path_or_fileobj=card.encode(), path_in_repo="README.md", repo_id=repo)
        alice.upload_file(path_or_fileobj=b"one\ntwo\nthree\n", path_in_repo="labels.txt", repo_id=repo)
        bob.create_discussion(
            repo,
            title="Which tickets was it trained on?",
            description="The card does not say.\n\n- **2024**?\n- `2025`?\n\n| year | rows |\n| --- | --- |\n| 2024 | 400 |",
        )
        said = alice.comment_discussion(repo, 1, comment="All of them. I will write it down.")
        alice.edit_discussion_comment(repo, 1, said.id, new_content="All of them; see pull request 2.")
        alice.rename_discussion(repo, 1, new_title="Which tickets was it trained on, and how many?")
        more = card.replace("What it is for.", "Trained on all tickets of 2024 and 2025.")
        self._propose("bob", repo, "README.md", more, "Say what it was trained on")
        self._propose("bob", repo, "labels.txt", "one\n2\nthree\n", "Write two as a digit")
        bob.create_pull_request(repo, title="More labels, soon", description="I am still counting.")
        self._propose("bob", repo, "notes.txt", "Notes.\n", "Add notes")
        alice.merge_pull_request(repo, 5, comment="Thank you!")
        alice.upload_file(path_or_fileobj=b"one\nII\nthree\n", path_in_repo="labels.txt", repo_id=repo)
        return repo

    def _propose(self, name: str, repo: str, path: str, content: str, title: str) -> None:
        self.hub(name).upload_file(
            path_or_fileobj=content.encode(), path_in_repo=path, repo_id=repo, commit_message=title, create_pr=True
        )

    @cached_property
    def space(self) -> str:
        self.hub("alice").create_repo("acai/board", repo_type="space", space_sdk="static")
        return "acai/board"

    @cached_property
    def device_code(self) -> str:
        """What a device shows that waits to be allowed."""
        return str(httpx.post(f"{self.url}/oauth/device").raise_for_status().json()["user_code"])

    @cached_property
    def kernel(self) -> str:
        self.hub("alice").create_repo("acai/relu", repo_type="kernel")
        return "acai/relu"

    @cached_property
    def pickles(self) -> str:
        """A model with a pickle that was found dangerous, a suspicious one and a harmless one."""
        hub = self.hub("alice")
        hub.create_repo("alice/pickles", exist_ok=True)
        files = {"evil.pkl": b"cos\nsystem\n.", "odd.pt": b"cmine.nets\nNet\n.", "fine.bin": b"cnumpy\ndtype\n."}
        for path, content in files.items():
            hub.upload_file(path_or_fileobj=content, path_in_repo=path, repo_id="alice/pickles")
        wait_until(lambda: hub.model_info("alice/pickles", securityStatus=True).security_repo_status["scansDone"])
        return "alice/pickles"

    @cached_property
    def collection(self) -> str:
        """Of Alice's organisation: a model with a note, and a dataset."""
        hub = self.hub("alice")
        hub.create_repo("acai/readings", repo_type="dataset", exist_ok=True)
        made = hub.create_collection(
            "Maintenance tickets", namespace="acai", description="A model and its data.", exists_ok=True
        )
        hub.add_collection_item(made.slug, self.pickles, "model", note="Not to be loaded.", exists_ok=True)
        hub.add_collection_item(made.slug, "acai/readings", "dataset", exists_ok=True)
        return made.slug

    @cached_property
    def webhook(self) -> str:
        """One that nothing arrives at: its address is nobody's."""
        hub = self.hub("alice")
        made = hub.create_webhook(
            url="http://webhook.invalid/hook", watched=[{"type": "model", "name": "alice/watched"}], secret="a secret"
        )
        hub.create_repo("alice/watched", exist_ok=True)

        def was_tried() -> bool:
            with self.client("alice") as client:
                return "cannot be resolved" in client.get_text(f"/settings/webhooks/{made.id}")

        wait_until(was_tried)
        return str(made.id)

    @cached_property
    def gated(self) -> str:
        """Its owner asks two things of whoever wants in. Bob has asked."""
        hub = self.hub("alice")
        hub.create_repo("acai/gated")
        hub.upload_file(path_or_fileobj=GATED_CARD.encode(), path_in_repo="README.md", repo_id="acai/gated")
        hub.update_repo_settings("acai/gated", gated="manual")
        answers = {"answer-0": "A nursery of our own", "answer-1": "yes"}
        headers = {"Authorization": f"Bearer {self.server.token('bob')}"}
        httpx.post(f"{self.url}/acai/gated/ask-access", data=answers, headers=headers)
        return "acai/gated"

    @cached_property
    def closed(self) -> str:
        """Nobody has asked for it yet."""
        hub = self.hub("alice")
        hub.create_repo("acai/closed", repo_type="dataset")
        hub.upload_file(
            path_or_fileobj=GATED_CARD.encode(), path_in_repo="README.md", repo_id="acai/closed", repo_type="dataset"
        )
        hub.update_repo_settings("acai/closed", gated="auto", repo_type="dataset")
        return "acai/closed"

    @cached_property
    def empty_model(self) -> str:
        """Without a card or a file."""
        self.hub("alice").create_repo("alice/seedling", private=True)
        return "alice/seedling"


@contextmanager
def running_site(folder: Path) -> Iterator[Site]:
    settings = {"VIVEIRO_LOGIN_ATTEMPTS_PER_MINUTE": "1000"}
    with RunningServer(folder, settings=settings) as server:
        yield Site(server.seed(PEOPLE))
