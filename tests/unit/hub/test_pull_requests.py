"""Pull requests: what merging makes of a branch, what stands in the way, and what a killed server leaves."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from sqlalchemy import delete, select

from tests.unit.hub.crash import SEEDS
from tests.unit.hub.house import House
from tests.unit.hub.test_concurrency import die, heard_pushes
from viveiro.accounts.service import delete_user
from viveiro.accounts.types import Viewer
from viveiro.db import utc_now
from viveiro.errors import Conflict, InvalidInput, MergeConflict, RevisionNotFound, StaleParent, Unprocessable
from viveiro.events import DiscussionChanged
from viveiro.hub.discussions import queries
from viveiro.hub.discussions.service import Discussions, begin_proposal
from viveiro.hub.discussions.tables import DiscussionRow
from viveiro.hub.discussions.types import Discussion, DiscussionQuery, NewCommit, Status, StatusChange
from viveiro.hub.fsck import Fault, Finding, check_hub
from viveiro.hub.service import Hub
from viveiro.hub.types import AddFile, AddLfsFile, DeleteFile, Operation, RefUpdate, Repo
from viveiro.jobs.tables import JobRow

AROUND_THE_REF = [
    "after:viveiro.hub.discussions.queries.add_intent",
    "before:viveiro.hub.refs.compare_and_swap",
    "after:viveiro.hub.refs.compare_and_swap",
    "after:viveiro.hub.discussions.settling.settle",
]
POINTS = [
    *AROUND_THE_REF,
    "before:viveiro.hub.queries.delete_pending",
    "after:viveiro.hub.ledger.publish",
    "after:viveiro.hub.ledger.Ledger._settle",
]
on_sqlite = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)


def propose(
    house: House,
    repo: Repo,
    *operations: Operation,
    viewer: Viewer | None = None,
    base: str = "main",
    parent: str | None = None,
    summary: str = "A proposal",
) -> Discussion:
    builder, into = begin_proposal(house.hub, viewer or house.bob, repo, base)
    for operation in operations:
        builder.add(operation)
    builder.finish(summary, parent=parent)
    return into.opened[0]


def merge(house: House, repo: Repo, number: int = 1, comment: str | None = None) -> Discussion:
    discussions = Discussions(house.hub)
    return discussions.merge(house.alice, repo, discussions.get(repo, number), comment)


def told(house: House) -> list[DiscussionChanged]:
    """What reached the outbox, in order."""
    heard = select(JobRow).where(JobRow.kind == "test-heard-discussion").order_by(JobRow.created_at)
    with house.database.read() as session:
        return [DiscussionChanged(**row.arguments) for row in session.scalars(heard)]


def problems(house: House) -> list[Finding]:
    return [found for found in check_hub(house.hub) if isinstance(found, Finding)]


class TestMerging:
    def test_makes_one_commit_that_says_where_it_came_from(self, house: House) -> None:
        repo = house.model()
        made = propose(house, repo, AddFile("a.txt", b"a"), summary="Add a")
        house.hub.begin_commit(house.bob, repo, made.ref)
        builder = house.hub.begin_commit(house.alice, repo, made.ref)
        builder.add(AddFile("b.txt", b"b"))
        builder.finish("Add b")
        merged = merge(house, repo)
        assert house.paths(repo) == ["a.txt", "b.txt"]
        assert house.history(repo) == ["Add a (#1)", "initial commit"]
        message = house.git(repo, "log", "-1", "--format=%an|%cn|%B", "main")
        assert message.startswith("bob|alice|Add a (#1)\n\n- Add a (")
        assert "- Add b (" in message
        assert "Co-authored-by" not in message
        assert merged.merge_sha == house.hub.resolve(repo, "main")
        assert house.again(repo).head_sha == merged.merge_sha
        assert house.git(repo, "fsck", "--strict") == ""
        assert problems(house) == []

    @on_sqlite
    def test_credits_others_who_wrote_a_part(self, house: House) -> None:
        repo = house.model()
        made = propose(house, repo, AddFile("a.txt", b"a"))
        builder = house.hub.begin_commit(house.root, repo, made.ref)
        builder.add(AddFile("b.txt", b"b"))
        builder.finish("Add b")
        merge(house, repo)
        trailer = "Co-authored-by: root_ <root_@users.noreply.invalid>"
        assert trailer in house.git(repo, "log", "-1", "--format=%B", "main")

    @on_sqlite
    def test_joins_changes_of_both_sides_line_by_line(self, house: House) -> None:
        repo = house.model()
        house.write(repo, {"notes.txt": b"1\n2\n3\n4\n5\n6\n7\n", "gone.txt": b"x", "kept.txt": b"x"})
        propose(house, repo, AddFile("notes.txt", b"1\n2\n3\n4\n5\n6\nSEVEN\n"), DeleteFile("gone.txt"))
        house.write(repo, {"notes.txt": b"ONE\n2\n3\n4\n5\n6\n7\n", "other.txt": b"y"})
        merge(house, repo)
        assert house.read(repo, "notes.txt") == b"ONE\n2\n3\n4\n5\n6\nSEVEN\n"
        assert house.paths(repo) == ["kept.txt", "notes.txt", "other.txt"]

    @on_sqlite
    def test_keeps_its_commits_at_its_own_ref(self, house: House) -> None:
        repo = house.model()
        made = propose(house, repo, AddFile("a.txt", b"a"))
        before = house.hub.resolve(repo, made.ref)
        merge(house, repo)
        assert house.hub.resolve(repo, made.ref) == before

    @on_sqlite
    def test_lets_both_sides_name_big_files_of_new_kinds(self, house: House) -> None:
        """Each commit adds its own lines to .gitattributes: that is nothing to decide about."""
        repo = house.model()
        one, two = (house.store(content, repo) for content in (b"\0one", b"\0two"))
        propose(house, repo, AddLfsFile("one.mine", one))
        house.commit(repo, AddLfsFile("two.yours", two))
        merge(house, repo)
        assert house.paths(repo) == ["one.mine", "two.yours"]
        attributes = house.read(repo, ".gitattributes").decode()
        assert attributes.count("one.mine") == attributes.count("two.yours") == 1

    @on_sqlite
    @pytest.mark.parametrize(
        ("theirs", "ours", "conflicting"),
        [
            ([AddFile("a.txt", b"theirs\n")], [AddFile("a.txt", b"ours\n")], ("a.txt",)),
            ([DeleteFile("a.txt")], [AddFile("a.txt", b"ours\n")], ("a.txt",)),
            ([AddFile("new", b"theirs\n")], [AddFile("new", b"ours\n")], ("new",)),
            ([AddFile("New", b"theirs\n")], [AddFile("new", b"ours\n")], ("New", "new")),
            ([AddFile("d/Caf\u00e9", b"1")], [AddFile("d/cafe\u0301", b"2")], ("d/Caf\u00e9", "d/cafe\u0301")),
        ],
    )
    def test_is_refused_where_somebody_has_to_decide(
        self, house: House, theirs: list[Operation], ours: list[Operation], conflicting: tuple[str, ...]
    ) -> None:
        repo = house.model()
        house.write(repo, {"a.txt": b"one\n"})
        made = propose(house, repo, *theirs)
        head = house.commit(repo, *ours).oid
        assert Discussions(house.hub).conflicts(repo, made) == conflicting
        with pytest.raises(MergeConflict) as error:
            merge(house, repo)
        assert error.value.paths == conflicting
        assert house.hub.resolve(repo, "main") == head
        assert Discussions(house.hub).get(repo, 1).status is Status.OPEN

    @on_sqlite
    def test_of_a_file_onto_a_folder_is_refused(self, house: House) -> None:
        repo = house.model()
        propose(house, repo, AddFile("a", b"file"))
        house.write(repo, {"a/b": b"in a folder"})
        with pytest.raises(MergeConflict):
            merge(house, repo)

    @on_sqlite
    def test_works_after_its_branch_was_squashed(self, house: House) -> None:
        repo = house.model()
        house.write(repo, {"a.txt": b"1\n2\n3\n"})
        propose(house, repo, AddFile("b.txt", b"b"))
        tree = house.git(repo, "rev-parse", "main^{tree}").strip()
        identity = ("-c", "user.name=gil", "-c", "user.email=gil@example.org")
        squashed = house.git(repo, *identity, "commit-tree", tree, "-m", "All in one").strip()
        house.git(repo, "update-ref", "refs/heads/main", squashed)
        merge(house, repo)
        assert house.paths(repo) == ["a.txt", "b.txt"]
        assert house.history(repo) == ["A proposal (#1)", "All in one"]

    @on_sqlite
    def test_is_refused_of_drafts_and_of_what_is_closed_or_changes_nothing(self, house: House) -> None:
        repo, discussions = house.model(), Discussions(house.hub)
        draft = discussions.propose(house.bob, repo, "Soon", "")
        with pytest.raises(Conflict, match="still a draft"):
            merge(house, repo)
        discussions.change_status(house.bob, repo, draft, Status.OPEN)
        with pytest.raises(Unprocessable, match="changes nothing"):
            merge(house, repo)
        discussions.change_status(house.bob, repo, draft, Status.CLOSED)
        with pytest.raises(Conflict, match="is closed"):
            merge(house, repo)
        discussions.open(house.bob, repo, "Only words", "words")
        with pytest.raises(InvalidInput, match="nothing to merge"):
            merge(house, repo, 2)

    @on_sqlite
    def test_is_of_what_the_merger_has_seen(self, house: House) -> None:
        """Else its author could commit something else while it is being read."""
        repo, discussions = house.model(), Discussions(house.hub)
        made = propose(house, repo, AddFile("a.txt", b"good"))
        seen = discussions.head(repo, made)
        builder = house.hub.begin_commit(house.bob, repo, made.ref)
        builder.add(AddFile("a.txt", b"bad"))
        builder.finish("Something else")
        with pytest.raises(Conflict, match="has changed since"):
            discussions.merge(house.alice, repo, made, head=seen)
        discussions.merge(house.alice, repo, made, head=discussions.head(repo, made))

    @on_sqlite
    def test_into_a_branch_that_is_gone_is_refused(self, house: House) -> None:
        repo = house.model()
        house.hub.create_branch(house.alice, repo, "next")
        made = propose(house, repo, AddFile("a", b"a"), base="next")
        house.hub.delete_branch(house.alice, repo, "next")
        discussions = Discussions(house.hub)
        assert discussions.conflicts(repo, made) == ()
        assert [file.path for file in discussions.diff(repo, made).files] == ["a"]
        with pytest.raises(RevisionNotFound, match="next"):
            merge(house, repo)


@on_sqlite
class TestProposing:
    @pytest.mark.parametrize("base", ["0" * 40, "nowhere", "refs/pr/1", "v1"])
    def test_takes_a_branch(self, house: House, base: str) -> None:
        repo = house.model()
        house.hub.create_tag(house.alice, repo, "v1", "main")
        propose(house, repo, AddFile("a", b"a"))
        with pytest.raises(RevisionNotFound):
            begin_proposal(house.hub, house.bob, repo, base)

    def test_of_nothing_opens_nothing(self, house: House) -> None:
        repo = house.model()
        house.write(repo, {"a": b"1"})
        with pytest.raises(Unprocessable, match="change nothing"):
            propose(house, repo, AddFile("a", b"1"))
        assert Discussions(house.hub).page(repo, DiscussionQuery()) == ([], 0)
        assert propose(house, repo, AddFile("a", b"2")).number == 1

    def test_upon_a_commit_of_another_branch_is_refused(self, house: House) -> None:
        repo = house.model()
        house.hub.create_branch(house.alice, repo, "next")
        elsewhere = house.write(repo, {"b": b"1"}, revision="next").oid
        with pytest.raises(StaleParent):
            propose(house, repo, AddFile("a", b"1"), parent=elsewhere)

    def test_tells_its_commits_and_not_those_of_its_branch(self, house: House) -> None:
        repo = house.model()
        made = propose(house, repo, AddFile("a", b"1"))
        house.write(repo, {"b": b"1"})
        tree = house.git(repo, "rev-parse", f"{made.ref}^{{tree}}").strip()
        identity = ("-c", "user.name=gil", "-c", "user.email=gil@example.org")
        joined = house.git(
            repo, *identity, "commit-tree", tree, "-p", made.ref, "-p", "main", "-m", "Bring up to date"
        ).strip()
        old = house.hub.resolve(repo, made.ref)
        with house.hub.ledger.writing(repo) as git:
            house.hub.ledger.move(repo, git, RefUpdate(made.ref, old, joined), house.bob.user_id)
        subjects = [event.subject for event in commits_told(house, made)]
        assert subjects == ["A proposal", "Bring up to date"]
        assert [commit.title for commit in Discussions(house.hub).commits(repo, made)] == subjects


def commits_told(house: House, discussion: Discussion) -> list[NewCommit]:
    return [event for event in Discussions(house.hub).events(discussion) if isinstance(event, NewCommit)]


class TestNumbers:
    def test_many_at_once_get_one_each(self, house: House) -> None:
        repo, discussions = house.model(), Discussions(house.hub)

        def begin(number: int) -> int:
            begin_one = discussions.open if number % 2 else discussions.propose
            return begin_one(house.bob, repo, f"Number {number}", "words").number

        with ThreadPoolExecutor(8) as pool:
            assert sorted(pool.map(begin, range(24))) == list(range(1, 25))
        assert problems(house) == []

    def test_many_merges_at_once_are_one_after_the_other(self, house: House) -> None:
        repo = house.model()
        for number in range(6):
            propose(house, repo, AddFile(f"{number}.txt", b"1"))
        with ThreadPoolExecutor(8) as pool:
            list(pool.map(lambda number: merge(house, repo, number % 6 + 1), range(18)))
        assert len(house.paths(repo)) == 6
        assert len(house.history(repo)) == 7
        assert sum(event.change == "merged" for event in told(house)) == 6
        assert problems(house) == []


class TestAServerKilled:
    """At whatever step: the proposal or the merge is there or not, never half, and asking again works."""

    @pytest.mark.parametrize(
        ("point", "database_url"),
        [*((point, "sqlite") for point in POINTS), *((point, "postgres") for point in AROUND_THE_REF)],
        indirect=["database_url"],
    )
    def test_while_merging(self, house: House, database_url: str, point: str) -> None:
        repo = house.model()
        propose(house, repo, AddFile("a.txt", b"a"))
        die(house, database_url, point, "merge")
        house.hub.reconcile()
        assert not [found for found in problems(house) if found.fault.is_problem]
        merged = merge(house, repo, comment="Thank you")
        assert house.history(repo) == ["A proposal (#1)", "initial commit"]
        assert merged.merge_sha == house.hub.resolve(repo, "main") == heard_pushes(house)[-1][1]
        events = Discussions(house.hub).events(merged)
        assert [type(event).__name__ for event in events] == ["NewCommit", "StatusChange", "Comment"]
        assert [event.change for event in told(house)] == ["opened", "merged", "commented"]
        assert house.git(repo, "fsck", "--strict", "--no-dangling") == ""

    @pytest.mark.parametrize(
        ("point", "database_url"),
        [*((point, "sqlite") for point in POINTS), *((point, "postgres") for point in AROUND_THE_REF)],
        indirect=["database_url"],
    )
    def test_while_opening(self, house: House, database_url: str, point: str) -> None:
        repo = house.model()
        die(house, database_url, point, "propose")
        house.hub.reconcile()
        assert not [found for found in problems(house) if found.fault.is_problem]
        discussions = Discussions(house.hub)
        found, count = discussions.page(repo, DiscussionQuery())
        assert len([event for event in told(house) if event.change == "opened"]) == count == len(found)
        assert all(house.read(repo, "proposed.txt", each.ref) == b"new" for each in found)
        again = propose(house, repo, AddFile("proposed.txt", b"new"), viewer=house.alice)
        assert merge(house, repo, again.number).status is Status.MERGED

    @on_sqlite
    def test_what_never_happened_is_forgotten(self, house: House, database_url: str) -> None:
        repo = house.model()
        die(house, database_url, "after:viveiro.hub.discussions.queries.add_intent", "propose")
        with house.database.read() as session:
            assert session.scalars(select(DiscussionRow)).all() == []
        die(house, database_url, "before:viveiro.hub.refs.compare_and_swap", "propose")
        assert Discussions(house.hub).page(repo, DiscussionQuery()) == ([], 0)
        with Hub(house.database, house.settings, house.blobs, clock=lambda: utc_now() + timedelta(hours=1)) as hub:
            hub.settle_pushes()
        with house.database.read() as session:
            assert session.scalars(select(DiscussionRow)).all() == []


@on_sqlite
class TestFsck:
    def test_a_ref_that_is_gone_is_put_back(self, house: House) -> None:
        repo = house.model()
        made = propose(house, repo, AddFile("a", b"1"))
        head = house.hub.resolve(repo, made.ref)
        house.git(repo, "update-ref", "-d", made.ref)
        assert [(found.fault, found.ref) for found in problems(house)] == [(Fault.MISSING_PULL_REQUEST, "refs/pr/1")]
        assert [found.repaired for found in check_hub(house.hub, repair=True) if isinstance(found, Finding)] == [True]
        assert house.hub.resolve(repo, made.ref) == head

    def test_one_that_only_git_knows_is_made_known(self, house: House) -> None:
        repo = house.model()
        propose(house, repo, AddFile("a", b"1"), summary="Only git knows")
        with house.database.write() as session:
            session.execute(delete(DiscussionRow))
        assert [(found.fault, found.ref) for found in problems(house)] == [(Fault.UNKNOWN_PULL_REQUEST, "refs/pr/1")]
        assert Discussions(house.hub).open(house.bob, repo, "A new one", "words").number == 1
        assert [found.repaired for found in check_hub(house.hub, repair=True) if isinstance(found, Finding)] == [False]
        with house.database.write() as session:
            session.execute(delete(DiscussionRow))
        list(check_hub(house.hub, repair=True))
        found = Discussions(house.hub).get(repo, 1)
        assert (found.title, found.author.name, found.status) == ("Only git knows", None, Status.OPEN)
        assert propose(house, repo, AddFile("b", b"1")).number == 2
        merge(house, repo)
        assert house.paths(repo) == ["a"]

    def test_deleting_the_repo_deletes_what_was_said(self, house: House) -> None:
        repo, discussions = house.model(), Discussions(house.hub)
        made = propose(house, repo, AddFile("a", b"1"))
        said = discussions.comment(house.bob, repo, made, "words")
        discussions.edit(house.bob, repo, made, said.id, "other words")
        house.hub.delete_repo(house.alice, SEEDS)
        with house.database.read() as session:
            assert session.scalars(select(DiscussionRow)).all() == []
            assert queries.events(session, made.pk) == []

    def test_what_a_deleted_person_said_stays(self, house: House) -> None:
        repo, discussions = house.model(), Discussions(house.hub)
        made = propose(house, repo, AddFile("a", b"1"))
        discussions.comment(house.bob, repo, made, "words")
        with house.database.write() as session:
            delete_user(session, "bob", by=house.root)
        assert discussions.get(repo, 1).author.name is None
        assert {event.author.name for event in discussions.events(made)} == {None}
        merge(house, repo)
        assert house.git(repo, "log", "-1", "--format=%an", "main").strip() == "alice"
        assert isinstance(discussions.events(made)[-1], StatusChange)
