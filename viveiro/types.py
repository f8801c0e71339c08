"""Words that every layer shares. No I/O."""

import re
import secrets
import time
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, Self, TypeAlias

from viveiro.errors import InvalidRepoId

LARGEST_SEED: Final = 2**32 - 1
"""As numpy's older generators, scikit-learn and transformers' `set_seed` have it."""
LONGEST_REPO_NAME: Final = 96
_PART: Final = re.compile(rf"(?![-.])(?!.*(?:--|\.\.))[A-Za-z0-9._-]{{1,{LONGEST_REPO_NAME}}}(?<![-.])")


class RepoKind(StrEnum):
    """What a repo holds. The value is what clients send as `type`."""

    MODEL = "model"
    DATASET = "dataset"
    SPACE = "space"
    KERNEL = "kernel"

    @property
    def plural(self) -> str:
        """As in `/api/models`."""
        return f"{self.value}s"

    @property
    def url_prefix(self) -> str:
        """Model pages have none, others `datasets/`, `spaces/`, `kernels/`."""
        return "" if self is RepoKind.MODEL else f"{self.value}s/"


class Visibility(StrEnum):
    PUBLIC = "public"
    PRIVATE = "private"


class Action(StrEnum):
    """What a viewer may do with a resource. Each includes the ones above it."""

    READ = "read"
    WRITE = "write"
    ADMIN = "admin"


@dataclass(frozen=True, slots=True)
class RepoId:
    """`namespace/name`. Holding one means it is valid: nothing below the API checks again."""

    namespace: str
    name: str

    @classmethod
    def parse(cls, text: str) -> Self:
        namespace, slash, name = text.partition("/")
        if not (slash and _PART.fullmatch(namespace) and _PART.fullmatch(name)) or name.endswith(".git"):
            raise InvalidRepoId(text)
        return cls(namespace, name)

    def __str__(self) -> str:
        return f"{self.namespace}/{self.name}"


@dataclass(frozen=True, slots=True)
class RepoRef:
    """A repo as callers name it: `datasets/acai/tickets` is (dataset, acai/tickets)."""

    kind: RepoKind
    repo_id: RepoId

    @property
    def url_path(self) -> str:
        return f"{self.kind.url_prefix}{self.repo_id}"

    def __str__(self) -> str:
        return self.url_path


@dataclass(frozen=True, slots=True)
class Resource:
    """What permission is asked for: whose it is, and who it is shown to.

    `name` is `namespace/name` for a repo and the bare namespace for anything else that a namespace owns.
    """

    owner_id: int
    name: str
    visibility: Visibility = Visibility.PRIVATE
    gated: bool = False
    let_in: bool = False
    """It is gated, and whoever asks was let in: looked up for them by who asks on their behalf."""


def is_name(text: str) -> bool:
    """Whether this can be the name of a user, an organisation or a repo."""
    return _PART.fullmatch(text) is not None


def new_id() -> str:
    """24 hex digits, sortable by time of creation, like the ids that the Hub's clients expect."""
    return f"{int(time.time()):08x}{secrets.token_hex(8)}"


Json: TypeAlias = bool | int | float | str | list["Json"] | Mapping[str, "Json"] | None


def size_text(count: int) -> str:
    """As in `3.2 GiB`."""
    size, unit = float(count), "B"
    for unit in ("B", "KiB", "MiB", "GiB", "TiB"):
        if size < 1024 or unit == "TiB":
            break
        size /= 1024
    return f"{size:.0f} {unit}" if unit == "B" else f"{size:.1f} {unit}"
