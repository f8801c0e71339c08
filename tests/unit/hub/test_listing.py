"""Lists: who sees what, what filters mean, and pages that neither repeat nor forget."""

import random
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy.orm import Session

from viveiro.accounts.permissions import may_see
from viveiro.accounts.tables import AccountRow
from viveiro.accounts.types import ANONYMOUS, Grant, Role, TokenRole, TokenScope, Viewer
from viveiro.db import Database
from viveiro.errors import InvalidInput
from viveiro.hub.listing import cursor_of, list_repos, parameter_range, position_at, tags_by_type
from viveiro.hub.queries import repos_by_pk
from viveiro.hub.tables import RepoRow, RepoTagRow
from viveiro.hub.types import Position, RepoQuery, RepoSort
from viveiro.types import Action, RepoKind, Visibility

MODELS = RepoQuery(RepoKind.MODEL)
DAY_ONE = datetime(2026, 1, 1, tzinfo=UTC)


class Shelf:
    """Puts repos straight into the index, as a push would."""

    def __init__(self, session: Session) -> None:
        self.session = session
        self.owners: dict[str, int] = {}
        self.made = 0

    def owner(self, name: str) -> int:
        if name not in self.owners:
            row = AccountRow(kind="user", name=name, folded_name=name.lower())
            self.session.add(row)
            self.session.flush()
            self.owners[name] = row.id
        return self.owners[name]

    def add(self, name: str, *tags: str, private: bool = False, kind: str = "model", **columns: Any) -> int:
        self.made += 1
        row = RepoRow(
            kind=kind,
            owner_id=self.owner(name.partition("/")[0]),
            name=name,
            folded_name=name.lower(),
            storage_key=f"{self.made:032x}",
            visibility=Visibility.PRIVATE if private else Visibility.PUBLIC,
            **columns,
        )
        self.session.add(row)
        self.session.flush()
        self.session.add_all(RepoTagRow(repo_id=row.id, tag=tag) for tag in tags)
        self.session.flush()
        return row.id

    def names(self, query: RepoQuery = MODELS, viewer: Viewer = ANONYMOUS) -> set[str]:
        return {repo.name for repo in list_repos(self.session, viewer, query).repos}


@pytest.fixture
def shelf(database: Database) -> Iterator[Shelf]:
    with database.write() as session:
        yield Shelf(session)


NO_RARE_TAG = {"listing._FEW": 0}
NO_WALK = {**NO_RARE_TAG, "listing._WINDOW": 0, "listing._ROOM": 0}
PLANS = {
    "from a rare tag": {},
    "near the top": NO_RARE_TAG,
    "anywhere": NO_WALK,
    "from what two tags share": {**NO_WALK, "queries._MANY": 0},
    "from the much that two tags share": {**NO_WALK, "queries._MANY": 0, "queries._LISTED": 0},
}


@pytest.fixture(params=PLANS)
def plan(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each way to find a page: they differ in speed, and must not in what they find."""
    for name, value in PLANS[request.param].items():
        monkeypatch.setattr(f"viveiro.hub.{name}", value)


@pytest.mark.usefixtures("plan")
class TestFilters:
    def test_tags_are_all_wanted(self, shelf):
        shelf.add("acai/both", "pytorch", "license:mit")
        shelf.add("acai/one", "pytorch")
        shelf.add("acai/none")
        assert shelf.names(replace(MODELS, tags=("pytorch", "license:mit"))) == {"acai/both"}
        assert shelf.names(replace(MODELS, tags=("pytorch",))) == {"acai/both", "acai/one"}
        assert shelf.names(replace(MODELS, tags=("pytorch", "nowhere"))) == set()

    def test_search_finds_parts_of_names_whatever_their_case(self, shelf):
        shelf.add("acai/BERT-tiny")
        shelf.add("bertha/other")
        shelf.add("acai/roberta")
        shelf.add("acai/gpt")
        assert shelf.names(replace(MODELS, search="bert")) == {"acai/BERT-tiny", "bertha/other", "acai/roberta"}
        assert shelf.names(replace(MODELS, search="BERT tiny")) == {"acai/BERT-tiny"}

    @pytest.mark.parametrize("letters", ["_", "%", "\\", "/x_"])
    def test_a_search_is_text_and_no_pattern(self, shelf, letters):
        shelf.add("acai/plain")
        assert shelf.names(replace(MODELS, search=letters)) == set()

    def test_an_author_is_found_whatever_the_case(self, shelf):
        shelf.add("Acai/one")
        shelf.add("acai2/two")
        assert shelf.names(replace(MODELS, author="aCAI")) == {"Acai/one"}
        assert shelf.names(replace(MODELS, author="nobody")) == set()

    def test_each_kind_has_its_own_list(self, shelf):
        shelf.add("acai/x", kind="dataset")
        shelf.add("acai/y")
        assert shelf.names(RepoQuery(RepoKind.DATASET)) == {"acai/x"}

    @pytest.mark.parametrize(
        ("narrowing", "expected"),
        [
            ({"pipeline_tag": "fill-mask"}, {"acai/mask"}),
            ({"library": "sklearn"}, {"acai/small"}),
            ({"gated": True}, {"acai/mask"}),
            ({"gated": False}, {"acai/small", "acai/large"}),
            ({"min_parameters": 1000}, {"acai/mask", "acai/large"}),
            ({"min_parameters": 1000, "max_parameters": 1000}, {"acai/mask"}),
            ({"max_parameters": 999}, {"acai/small"}),
        ],
    )
    def test_columns_narrow(self, shelf, narrowing, expected):
        shelf.add("acai/mask", pipeline_tag="fill-mask", gated="auto", parameters=1000)
        shelf.add("acai/small", library_name="sklearn", parameters=10)
        shelf.add("acai/large", parameters=7 * 10**9)
        assert shelf.names(replace(MODELS, **narrowing)) == expected


VIEWERS = {
    "anonymous": ANONYMOUS,
    "owner": Viewer(user_id=1, name="ana", roles={1: Role.ADMIN}),
    "member": Viewer(user_id=1, name="ana", roles={1: Role.ADMIN, 2: Role.READ}),
    "administrator": Viewer(user_id=3, name="root", is_admin=True, roles={3: Role.ADMIN}),
}
SCOPES = {
    "browser": None,
    "read": TokenScope(1, "t", TokenRole.READ),
    "inference": TokenScope(1, "t", TokenRole.INFERENCE),
    "own namespace": TokenScope(1, "t", TokenRole.FINE_GRAINED, (Grant("ANA", frozenset({Action.READ})),)),
    "one repo": TokenScope(1, "t", TokenRole.FINE_GRAINED, (Grant("bia/secret", frozenset({Action.WRITE})),)),
    "inference only": TokenScope(1, "t", TokenRole.FINE_GRAINED, (Grant("ana", frozenset(), inference=True),)),
}


class TestVisibility:
    """What SQL hides is what the permission rules hide: two wordings of one truth."""

    @pytest.mark.parametrize("viewer", VIEWERS.values(), ids=list(VIEWERS))
    @pytest.mark.parametrize("scope", SCOPES.values(), ids=list(SCOPES))
    def test_a_list_shows_exactly_what_may_be_seen(self, shelf, viewer, scope):
        assert [shelf.owner(name) for name in ("ana", "bia", "root")] == [1, 2, 3]
        pks = [
            shelf.add(f"{owner}/{name}", private=name != "open", gated="auto" if name == "open" else None)
            for owner in ("ana", "bia", "root")
            for name in ("open", "secret", "Secret2")
        ]
        viewer = replace(viewer, scope=scope)
        seen = {repo.name for repo in repos_by_pk(shelf.session, pks) if may_see(viewer, repo.resource)}
        assert shelf.names(viewer=viewer) == seen

    def test_tags_of_hidden_repos_are_hidden(self, shelf):
        shelf.add("acai/open", "license:mit", "demo")
        shelf.add("acai/secret", "dataset:acai/plans", private=True)
        assert tags_by_type(shelf.session, ANONYMOUS, RepoKind.MODEL) == {
            "license": [{"id": "license:mit", "label": "mit", "type": "license"}],
            "other": [{"id": "demo", "label": "demo", "type": "other"}],
        }


class TestPages:
    @pytest.mark.parametrize("sort", list(RepoSort))
    def test_pages_put_together_are_the_whole_list_in_order(self, shelf, sort):
        self._check(shelf, sort)

    @pytest.mark.usefixtures("plan")
    @pytest.mark.parametrize("sort", [RepoSort.DOWNLOADS, RepoSort.LAST_MODIFIED])
    def test_so_they_are_when_filtered(self, shelf, sort):
        self._check(shelf, sort, "common", "usual")

    def _check(self, shelf, sort, *tags):
        chance = random.Random(1)
        for number in range(57):
            shelf.add(
                f"acai/m{number}",
                *tags,
                private=number % 7 == 0,
                downloads=chance.randrange(5),
                likes=chance.randrange(3),
                trending_score=chance.choice([0.0, 0.1, 1 / 3]),
                created_at=DAY_ONE + timedelta(microseconds=chance.randrange(4)),
                last_modified=DAY_ONE + timedelta(days=chance.randrange(4)),
            )
        query = replace(MODELS, sort=sort, tags=tags, limit=10)
        pages = list(self._walk(shelf, query))
        names = [repo.name for page in pages for repo in page]
        assert [len(page) for page in pages] == [10, 10, 10, 10, 8]
        assert len(set(names)) == len(names)
        keys = [(self._key(repo, sort), repo.pk) for page in pages for repo in page]
        assert keys == sorted(keys, reverse=True)

    def _walk(self, shelf, query):
        while True:
            page = list_repos(shelf.session, ANONYMOUS, query)
            yield page.repos
            if page.next is None:
                return
            # As a client does: by the cursor's text.
            query = replace(query, after=position_at(cursor_of(page.next, query.sort), query.sort))

    def _key(self, repo, sort):
        names = {"lastModified": "last_modified", "trendingScore": "trending_score", "createdAt": "created_at"}
        return getattr(repo, names.get(sort.value, sort.value))

    def test_a_list_that_just_fills_a_page_has_no_next(self, shelf):
        for number in range(3):
            shelf.add(f"acai/m{number}", "t")
        page = list_repos(shelf.session, ANONYMOUS, replace(MODELS, tags=("t",), limit=3))
        assert (len(page.repos), page.next) == (3, None)

    def test_a_repo_carries_its_tags_in_order(self, shelf):
        shelf.add("acai/m", "zeta", "alpha")
        (repo,) = list_repos(shelf.session, ANONYMOUS, MODELS).repos
        assert repo.tags == ("alpha", "zeta")


class TestCursors:
    def test_a_cursor_serves_its_own_order_only(self):
        cursor = cursor_of(Position(7, 3), RepoSort.LIKES)
        with pytest.raises(InvalidInput, match="sorted by downloads"):
            position_at(cursor, RepoSort.DOWNLOADS)

    @pytest.mark.parametrize("cursor", ["", "x", "!!!", "WzFd", "WyJsaWtlcyIsICJ4IiwgMV0", "é"])
    def test_an_invented_cursor_is_refused(self, cursor):
        with pytest.raises(InvalidInput):
            position_at(cursor, RepoSort.LIKES)


class TestParameterRange:
    @pytest.mark.parametrize(
        ("text", "expected"),
        [
            ("min:6B,max:128B", (6 * 10**9, 128 * 10**9)),
            ("max:1.5m", (None, 1_500_000)),
            ("min:22000", (22_000, None)),
        ],
    )
    def test_counts_may_be_short(self, text, expected):
        assert parameter_range(text) == expected

    @pytest.mark.parametrize("text", ["", "6B", "min:many", "around:6B", "min:-1"])
    def test_anything_else_is_refused(self, text):
        with pytest.raises(InvalidInput, match="min:6B,max:128B"):
            parameter_range(text)
