"""Endpoints as values, and what can go wrong with them. No I/O."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, Literal, TypeAlias

from viveiro.errors import InvalidInput, NotFound, TooLarge, Unavailable, Unprocessable
from viveiro.locale import Sentence
from viveiro.types import RepoId, Resource

KEY_LENGTH: Final = 16

EngineChoice: TypeAlias = Literal["auto", "openvino", "torch"]
"""auto: whatever the installation's settings say."""


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A model revision that should answer requests. That it is stored is what makes it wanted, after a restart too.

    Attributes:
        revision: as it was asked for; `sha` is the commit it meant then, and what is served until the next deploy.
        engine: as it was asked for; what `auto` came to is asked of its process.
        owner: who deployed it.
    """

    repo_pk: int
    resource: Resource
    revision: str
    sha: str
    task: str
    engine: str
    owner: str | None
    created_at: datetime

    @property
    def repo(self) -> str:
        """`namespace/name`."""
        return self.resource.name

    @property
    def key(self) -> str:
        """Names the model host: one for each revision and engine, whoever deploys it."""
        return self.sha[:KEY_LENGTH] if self.engine == "auto" else f"{self.sha[:KEY_LENGTH]}-{self.engine}"

    @property
    def path(self) -> str:
        """Below the server's address."""
        return f"/models/{self.repo}"

    def to_json(self) -> dict[str, Any]:
        return {
            "model": self.repo,
            "revision": self.revision,
            "sha": self.sha,
            "task": self.task,
            "engine": self.engine,
            "owner": self.owner,
            "created_at": self.created_at.isoformat(),
        }


@dataclass(frozen=True, slots=True)
class Answer:
    """What a model host says to one request.

    Attributes:
        body: the JSON, in the format of the model's task.
        decision: softmax, sigmoid or none: how the model's outputs become scores, unless the request said how.
    """

    body: bytes
    decision: str


class EndpointNotFound(NotFound):
    def __init__(self, repo_id: RepoId | str) -> None:
        super().__init__(
            "No endpoint serves {repo_id}. To deploy it: viveiro endpoints deploy {repo_id}", repo_id=repo_id
        )


class NotServable(Unprocessable):
    def __init__(self, repo_id: RepoId | str, why: str) -> None:
        super().__init__(
            "{repo_id} cannot be served: {why}. Served are encoders and text classifiers with config.json, a tokenizer "
            "and safetensors.",
            repo_id=repo_id,
            why=why,
        )


class ModelDoesNotLoad(Unprocessable):
    def __init__(self, repo_id: RepoId | str, why: str) -> None:
        super().__init__(
            "{repo_id} does not load: {why} Mend the repo, then: viveiro endpoints deploy {repo_id}",
            repo_id=repo_id,
            why=why,
        )


class ModelKeepsDying(Unavailable):
    def __init__(self, repo_id: RepoId | str) -> None:
        super().__init__(
            "The process that loads {repo_id} died several times in a row, as happens when memory runs out; the server's log "
            "has each death. Free memory, or stop serving another model (viveiro endpoints undeploy), then: "
            "viveiro endpoints deploy {repo_id}",
            repo_id=repo_id,
        )


class InvalidRequest(InvalidInput):
    def __init__(self, why: list[Sentence]) -> None:
        super().__init__(
            'The request does not fit the task: {why}. Send JSON such as {{"inputs": "a text"}} or {{"inputs": ["one", "two"]}}.',
            why=why,
        )


class ModelLoading(Unavailable):
    def __init__(self, repo_id: RepoId | str) -> None:
        super().__init__(
            "{repo_id} is still loading. Try again in a few seconds.", retry_after_seconds=5, repo_id=repo_id
        )


class NoSupervisor(Unavailable):
    def __init__(self) -> None:
        super().__init__(
            "Nothing here can start a model: the server runs without its supervisor. Start it with: viveiro serve"
        )


class QueueFull(Unavailable):
    def __init__(self) -> None:
        super().__init__(
            "The model has more work waiting than it can do in time. Try again shortly.", retry_after_seconds=2
        )


class TooManyTokens(TooLarge):
    """Of one request, whose texts no wait would find room for."""

    def __init__(self) -> None:
        super().__init__(
            "Your texts are longer together than all that may wait for this model at once (VIVEIRO_MODEL_QUEUE_TOKENS). "
            "Send fewer in one request."
        )


class TooLate(Unavailable):
    def __init__(self) -> None:
        super().__init__("The model did not get to this request in time. Try again shortly.", retry_after_seconds=5)


class ForwardFailed(Unavailable):
    def __init__(self) -> None:
        super().__init__("The model failed at this input, and the server has logged why. Try another input.")
