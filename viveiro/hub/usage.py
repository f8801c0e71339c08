"""How much room repos take, by namespace."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy.orm import Session

from viveiro.accounts.service import names_of
from viveiro.hub import queries
from viveiro.hub.service import Hub
from viveiro.hub.types import Repo


@dataclass(frozen=True, slots=True)
class RepoUsage:
    """In bytes. `large` are the large files of all its history, each content once."""

    repo: str
    kind: str
    visibility: str
    git: int
    large: int


@dataclass(frozen=True, slots=True)
class NamespaceUsage:
    """In bytes. `large` counts what several of its repos share once, so it may be less than theirs together."""

    namespace: str
    git: int
    large: int
    limit: int | None
    repos: Sequence[RepoUsage]


def usage(hub: Hub, account_ids: Sequence[int] | None = None) -> Iterator[NamespaceUsage]:
    """Of these accounts, or of all that have repos."""
    with hub.database.read() as session:
        names = names_of(session, queries.owners(session) if account_ids is None else account_ids)
    for account_id, name in sorted(names.items(), key=lambda item: item[1].lower()):
        with hub.database.read() as session:
            repos = queries.repos_of(session, account_id)
            large = queries.bytes_by_repo(session, account_id)
            held = queries.held_bytes(session, account_id)
            limit = queries.quota_of(session, account_id, hub.settings.storage_quota_bytes)
        told = [_of_repo(hub, repo, large.get(repo.pk, 0)) for repo in repos]
        told.sort(key=lambda each: each.git + each.large, reverse=True)
        yield NamespaceUsage(name, sum(each.git for each in told), held, limit, told)


def repo_sizes(session: Session, account_id: int, *, after: int = 0, limit: int) -> list[tuple[Repo, int, float]]:
    """Repos in order of their keys, the bytes of their large files, and which part that is of all the account's."""
    large, held = queries.bytes_by_repo(session, account_id), queries.held_bytes(session, account_id)
    repos = queries.repos_of(session, account_id, after=after, limit=limit)
    return [(repo, large.get(repo.pk, 0), large.get(repo.pk, 0) / held if held else 0.0) for repo in repos]


def _of_repo(hub: Hub, repo: Repo, large: int) -> RepoUsage:
    return RepoUsage(repo.name, repo.kind.value, repo.visibility.value, _bytes_below(hub.repo_path(repo)), large)


def _bytes_below(folder: Path) -> int:
    """Of a folder whose files may vanish meanwhile."""
    total = 0
    for path in folder.rglob("*"):
        try:
            status = path.lstat()
        except FileNotFoundError:
            continue
        total += status.st_size
    return total
