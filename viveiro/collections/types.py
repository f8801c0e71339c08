"""What a collection is, as values. No I/O."""

import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Final

from viveiro.errors import Conflict, NotFound
from viveiro.hub.types import Repo
from viveiro.types import RepoKind, Resource, Visibility

MAX_TITLE_CHARS: Final = 60
MAX_DESCRIPTION_CHARS: Final = 500
MAX_NOTE_CHARS: Final = 500
MOST_ITEMS: Final = 1000
THEMES: Final = ("orange", "blue", "green", "purple", "pink", "indigo")
_ID: Final = re.compile(r"(?:^|-)([0-9a-f]{24})$")


class ItemKind(StrEnum):
    """The value is what clients send as `type`."""

    MODEL = "model"
    DATASET = "dataset"
    SPACE = "space"
    COLLECTION = "collection"

    @property
    def repo_kind(self) -> RepoKind:
        return RepoKind(self.value)


@dataclass(frozen=True, slots=True)
class Item:
    """One thing in a collection, as somebody may see it: either a repo or another collection."""

    id: str
    kind: ItemKind
    position: int
    note: str | None
    repo: Repo | None = None
    collection: "Summary | None" = None

    @property
    def name(self) -> str:
        if self.repo is not None:
            return self.repo.name
        assert self.collection is not None
        return self.collection.slug


@dataclass(frozen=True, slots=True)
class Summary:
    """A collection without its items."""

    id: str
    owner_id: int
    owner: str
    title: str
    description: str | None
    is_private: bool
    theme: str
    position: int
    created_at: datetime
    last_updated: datetime

    @property
    def slug(self) -> str:
        """`owner/words-of-the-title-id`. What counts is the id: after a change of title the old one leads here too."""
        return f"{self.owner}/{slugified(self.title)}-{self.id}"

    @property
    def resource(self) -> Resource:
        return Resource(self.owner_id, self.owner, Visibility.PRIVATE if self.is_private else Visibility.PUBLIC)


@dataclass(frozen=True, slots=True)
class Collection:
    """`items` are those that the reader may see; `count` is of them, where only the first were read."""

    summary: Summary
    items: tuple[Item, ...]
    count: int


class CollectionNotFound(NotFound):
    def __init__(self, slug: str) -> None:
        super().__init__(
            "There is no collection {slug}, or it is private and you cannot see it. To see those that you can: /collections",
            slug=slug,
        )


class ItemNotFound(NotFound):
    def __init__(self, item_id: str, slug: str) -> None:
        super().__init__("The collection {slug} holds no item {item_id}.", item_id=item_id, slug=slug)


class CollectionExists(Conflict):
    """`slug` is read by clients that said exists_ok."""

    def __init__(self, slug: str) -> None:
        super().__init__("You already have this collection: {slug}. Choose another title.", slug=slug)
        self.slug = slug

    @property
    def told(self) -> Mapping[str, object]:
        return {"slug": self.slug}


class ItemExists(Conflict):
    def __init__(self, name: str, slug: str) -> None:
        super().__init__("{name} is in the collection {slug} already.", name=name, slug=slug)


def slugified(title: str) -> str:
    """The words of a title, fit for an address. Pure."""
    plain = unicodedata.normalize("NFKD", title).encode("ascii", "ignore").decode().lower()
    return re.sub(r"[^a-z0-9]+", "-", plain).strip("-") or "collection"


def id_in(slug: str) -> str | None:
    """The id that a slug ends with, whatever words stand before it. Pure."""
    found = _ID.search(slug)
    return found[1] if found else None
