"""Counts beside a list: what they say is what the list would show, to this viewer, at this moment."""

import random
from dataclasses import replace
from itertools import product

import pytest

from tests.unit.hub.test_listing import SCOPES, VIEWERS, Shelf
from viveiro.accounts.types import ANONYMOUS
from viveiro.errors import InvalidInput
from viveiro.hub import queries
from viveiro.hub.facets import GROUPS, MOST_VALUES, Facets, narrowed
from viveiro.hub.listing import list_repos
from viveiro.hub.types import AddFile, RepoIndex, RepoQuery
from viveiro.types import RepoKind, Visibility

MODELS = RepoQuery(RepoKind.MODEL)
DATASETS = RepoQuery(RepoKind.DATASET)


@pytest.fixture
def stocked(database):
    """Sixty repos of three owners, a third of them private, whose traits are drawn by lot."""
    chance = random.Random(7)
    with database.write() as session:
        shelf = Shelf(session)
        assert [shelf.owner(name) for name in ("ana", "bia", "root")] == [1, 2, 3]
        for number in range(60):
            language = chance.sample(["en", "pt", "fr"], chance.randrange(3))
            architecture = chance.choice(["bert", "gpt2"])
            shelf.add(
                f"{chance.choice(['ana', 'bia', 'root'])}/{chance.choice(['Bert', 'gpt'])}-{number}",
                *{*language, architecture, f"license:{chance.choice(['mit', 'bsd'])}", f"x{number % 4}"},
                private=number % 3 == 0,
                gated=chance.choice([None, None, "auto"]),
                parameters=chance.choice([None, 10**6, 10**7, 7 * 10**9]),
                pipeline_tag=chance.choice([None, "fill-mask", "text-generation"]),
                library_name=chance.choice(["transformers", "peft"]),
                card={"language": language},
                config={"model_type": architecture},
            )
    return database


FILTERS = {
    "all": {},
    "a task": {"pipeline_tag": "fill-mask"},
    "a language": {"tags": ("pt",)},
    "two languages": {"tags": ("pt", "en")},
    "a tag of no group": {"tags": ("x1",)},
    "groups together": {"tags": ("en", "license:mit", "bert"), "library": "peft"},
    "words of the name": {"search": "BERT 1"},
    "an author": {"author": "ANA"},
    "nobody's": {"author": "carl"},
    "gated ones": {"gated": True},
    "open ones": {"gated": False},
    "a size": {"min_parameters": 10**7, "max_parameters": 10**9},
    "small ones": {"max_parameters": 10**7},
    "what no repo has": {"library": "jax"},
    "a tag that no repo has": {"tags": ("nowhere",)},
}


def shown(database, viewer, query):
    with database.read() as session:
        return [repo.pk for repo in list_repos(session, viewer, replace(query, limit=1000)).repos]


class TestCountsAndLists:
    @pytest.mark.parametrize("filters", FILTERS.values(), ids=list(FILTERS))
    def test_the_total_is_the_length_of_the_list(self, stocked, filters):
        query = replace(MODELS, **filters)
        facets = Facets(stocked)
        assert facets.count(ANONYMOUS, query).total == len(shown(stocked, ANONYMOUS, query))
        assert sorted(facets.matches(ANONYMOUS, query, 1000)) == sorted(shown(stocked, ANONYMOUS, query))

    def test_a_value_counts_what_choosing_it_would_show(self, stocked):
        counts = Facets(stocked).count(ANONYMOUS, replace(MODELS, search="bert"))
        said = {(group, value): count for group, values in counts.groups.items() for value, count in values}
        listed = {
            (group, value): len(shown(stocked, ANONYMOUS, narrowed(replace(MODELS, search="bert"), group, value)))
            for group, value in said
        }
        assert said == listed
        assert {group for group, _ in said} == set(GROUPS[RepoKind.MODEL])

    @pytest.mark.parametrize(
        ("chosen", "group"),
        [
            ({"pipeline_tag": "fill-mask"}, "pipeline_tag"),
            ({"library": "peft"}, "library"),
            ({"tags": ("pt",)}, "language"),
            ({"tags": ("license:mit",)}, "license"),
            ({"tags": ("gpt2",)}, "architecture"),
            ({"min_parameters": 10**9}, "num_parameters"),
        ],
    )
    def test_a_group_is_counted_without_its_own_filter_and_the_others_with_it(self, stocked, chosen, group):
        facets = Facets(stocked)
        free, narrow = facets.count(ANONYMOUS, MODELS), facets.count(ANONYMOUS, replace(MODELS, **chosen))
        assert narrow.groups[group] == free.groups[group]
        assert [name for name in free.groups if narrow.groups[name] != free.groups[name]] == [
            name for name in free.groups if name != group
        ]

    @pytest.mark.parametrize("filters", FILTERS.values(), ids=list(FILTERS))
    def test_a_list_that_starts_from_the_matches_is_the_same_list(self, stocked, filters):
        query = replace(MODELS, **filters, limit=7)
        among = Facets(stocked).matches(ANONYMOUS, query, 60)
        with stocked.read() as session:
            first = list_repos(session, ANONYMOUS, query)
            assert list_repos(session, ANONYMOUS, query, among) == first
            later = replace(query, after=first.next)
            assert list_repos(session, ANONYMOUS, later, among) == list_repos(session, ANONYMOUS, later)

    def test_a_list_shows_no_repo_for_being_named_a_match(self, database):
        with database.write() as session:
            shelf = Shelf(session)
            pks = [shelf.add("ana/secret", private=True), shelf.add("ana/open", "x"), shelf.add("ana/other")]
            page = list_repos(session, ANONYMOUS, replace(MODELS, tags=("x",)), pks)
        assert [repo.name for repo in page.repos] == ["ana/open"]

    def test_more_matches_than_asked_for_are_none(self, stocked):
        assert Facets(stocked).matches(ANONYMOUS, MODELS, 39) is None
        assert len(Facets(stocked).matches(ANONYMOUS, MODELS, 40)) == 40

    def test_datasets_have_groups_of_their_own(self, database):
        with database.write() as session:
            Shelf(session).add(
                "ana/tickets",
                *("task_categories:text-classification", "language:pt", "license:mit", "size_categories:n<1K"),
                kind="dataset",
            )
        assert Facets(database).count(ANONYMOUS, DATASETS).groups == {
            "task_categories": [("text-classification", 1)],
            "language": [("pt", 1)],
            "license": [("mit", 1)],
            "size_categories": [("n<1K", 1)],
        }
        assert shown(database, ANONYMOUS, narrowed(DATASETS, "language", "pt")) == [1]


class TestVisibility:
    """Third wording of one truth, beside `may_see` and the SQL of lists: the three must agree."""

    @pytest.mark.parametrize(("viewer", "scope"), list(product(VIEWERS, SCOPES)))
    def test_what_is_counted_is_what_is_listed(self, stocked, viewer, scope):
        viewer = replace(VIEWERS[viewer], scope=SCOPES[scope])
        assert sorted(Facets(stocked).matches(viewer, MODELS, 1000)) == sorted(shown(stocked, viewer, MODELS))

    def test_a_value_that_only_hidden_repos_carry_is_not_told(self, database):
        with database.write() as session:
            Shelf(session).add("ana/secret", "license:own", private=True)
        assert Facets(database).count(ANONYMOUS, MODELS).groups["license"] == []


class TestValues:
    def test_a_tag_is_a_language_where_most_that_carry_it_mean_that(self, database):
        with database.write() as session:
            shelf = Shelf(session)
            shelf.add("ana/chuvash", "cv", "pt", card={"language": ["cv", "pt"]})
            shelf.add("ana/brazil", "pt", "nlp", card={"language": "pt", "tags": ["nlp"]})
            shelf.add("ana/eyes", "cv", card={"tags": ["cv"]})
            shelf.add("ana/odd", card={"language": {"no": "list"}})
        assert Facets(database).count(ANONYMOUS, MODELS).groups["language"] == [("pt", 2)]

    def test_the_most_frequent_come_first_and_the_chosen_one_is_never_left_out(self, database):
        with database.write() as session:
            shelf = Shelf(session)
            shelf.add("ana/usual", "license:usual")
            shelf.add("ana/usual2", "license:usual")
            for number in range(MOST_VALUES + 5):
                shelf.add(f"ana/m{number}", f"license:l{number:02}")
        facets = Facets(database)
        top = facets.count(ANONYMOUS, MODELS).groups["license"]
        assert (top[0], len(top)) == (("usual", 2), MOST_VALUES)
        chosen = facets.count(ANONYMOUS, replace(MODELS, tags=("license:l34",))).groups["license"]
        assert chosen == [*top, ("l34", 1)]

    def test_ranges_come_by_size(self, database):
        with database.write() as session:
            shelf = Shelf(session)
            shelf.add("ana/huge", parameters=70 * 10**9)
            shelf.add("ana/tiny", parameters=4)
            shelf.add("ana/unknown")
        assert Facets(database).count(ANONYMOUS, MODELS).groups["num_parameters"] == [("max:10M", 1), ("min:40B", 1)]

    def test_a_range_that_is_none_is_refused(self):
        with pytest.raises(InvalidInput):
            narrowed(MODELS, "num_parameters", "large")


class TestChanges:
    """Nobody tells the counts that something changed: they ask, each time."""

    def test_a_repo_that_becomes_private_is_not_in_the_next_count(self, house):
        repo = house.model()
        facets = Facets(house.database)
        assert facets.count(ANONYMOUS, MODELS).total == 1
        house.hub.update_repo(house.alice, repo.ref, visibility=Visibility.PRIVATE)
        assert facets.count(ANONYMOUS, MODELS).total == 0
        assert facets.count(house.alice, MODELS).total == 1

    def test_new_deleted_and_gated_repos_are_followed(self, house):
        facets = Facets(house.database)
        assert facets.count(ANONYMOUS, MODELS).total == 0
        repo = house.model()
        assert facets.count(ANONYMOUS, MODELS).total == 1
        house.hub.update_repo(house.alice, repo.ref, gated="auto")
        assert facets.count(ANONYMOUS, replace(MODELS, gated=True)).total == 1
        house.hub.delete_repo(house.alice, repo.ref)
        assert facets.count(ANONYMOUS, MODELS).total == 0

    def test_a_push_changes_what_is_counted(self, house):
        repo = house.model()
        facets = Facets(house.database)
        assert facets.count(ANONYMOUS, MODELS).groups["license"] == []
        house.commit(repo, AddFile("README.md", b"---\nlicense: mit\nlanguage: pt\n---\n"))
        counts = facets.count(ANONYMOUS, MODELS).groups
        assert (counts["license"], counts["language"]) == ([("mit", 1)], [("pt", 1)])

    def test_downloads_and_likes_are_no_change(self, house):
        repo = house.model()
        with house.database.read() as session:
            before = queries.last_change(session)
        house.hub.like(house.bob, repo)
        house.hub.count_download(repo)
        house.hub.close()
        with house.database.read() as session:
            assert queries.last_change(session) == before

    def test_after_many_changes_the_counts_are_those_of_a_fresh_start(self, stocked):
        chance = random.Random(3)
        facets = Facets(stocked)
        facets.warm()
        for _ in range(30):
            with stocked.write() as session:
                for pk in chance.sample(range(1, 61), 5):
                    tags = (f"license:{chance.choice(['mit', 'gpl'])}", chance.choice(["pt", "en"]))
                    index = RepoIndex(None, {"language": [tags[1]]}, parameters=chance.randrange(10**10), tags=tags)
                    queries.write_index(session, pk, index, modified=None)
            assert facets.count(ANONYMOUS, MODELS) == Facets(stocked).count(ANONYMOUS, MODELS)
