"""`kill -9` while contents and xorbs are swept, or put into another form: nobody loses anything, and sending again works."""

from datetime import timedelta

import pytest

from tests.unit.hub.crash import SEEDS
from tests.unit.hub.house import House, joined
from tests.unit.hub.test_concurrency import die
from tests.unit.hub.xet.test_keeping import CONTENT, findings, send, send_xorb, sender, stored
from tests.xet import Packed, pack
from viveiro.db import utc_now
from viveiro.hub import jobs
from viveiro.hub.fsck import Finding
from viveiro.hub.types import AddLfsFile
from viveiro.hub.xet.hashing import hash_text
from viveiro.hub.xet.service import KEPT_FOR

pytestmark = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)

LARGE = b"\0" + CONTENT[:100_000]


@pytest.fixture(scope="module")
def kept() -> Packed:
    return pack(CONTENT)


@pytest.fixture(scope="module")
def doomed() -> Packed:
    return pack(CONTENT[::-1])


def problems(house: House) -> list[Finding]:
    return [found for found in findings(house, deep=True) if found.fault.is_problem]


SWEEPING = [
    "before:viveiro.hub.queries.delete_unused_blob",
    "after:viveiro.hub.queries.delete_unused_blob",
    "after:viveiro.hub.contents.Contents.delete",
    "after:viveiro.hub.jobs.sweep_contents",
    "after:viveiro.hub.xet.queries.delete_unneeded_layouts",
    "after:viveiro.hub.xet.queries.condemn_unneeded_xorbs",
    "after:viveiro.hub.xet.queries.delete_unneeded_xorb",
    "before:viveiro.hub.xet.service.Xet._forget",
    "after:viveiro.hub.xet.service.Xet.sweep",
    "after:viveiro.hub.contents.Contents.sweep_doubles",
]


class TestSweeping:
    @pytest.mark.parametrize("point", SWEEPING)
    def test_takes_nothing_that_is_needed_and_hides_nothing_from_who_sends_it_again(
        self, house: House, database_url: str, point: str, kept: Packed, doomed: Packed
    ) -> None:
        repo, gone = house.model(), house.model("alice/gone")
        send(house, kept, repo)
        send(house, doomed, gone)
        both, only = house.store(LARGE + b"both", repo, gone), house.store(LARGE + b"only", gone)
        house.commit(repo, AddLfsFile("plain.bin", both))
        house.hub.delete_repo(house.alice, gone.ref)

        die(house, database_url, point, "sweep")
        house.hub.reconcile()
        assert problems(house) == []
        assert house.read(repo, "model.bin") == CONTENT
        assert house.read(repo, "plain.bin") == LARGE + b"both"

        again = house.model("alice/again")
        send(house, doomed, again)
        house.commit(again, AddLfsFile("plain.bin", house.store(LARGE + b"only", again)))
        jobs.sweep_contents(house.hub, utc_now() + timedelta(days=2))
        house.hub.xet.sweep(utc_now() + KEPT_FOR + timedelta(minutes=1))
        assert findings(house, deep=True) == []
        assert house.read(again, "model.bin") == doomed.content
        assert joined(house.blobs.read(only)) == LARGE + b"only"

    def test_nobody_is_told_of_a_xorb_whose_file_is_gone_and_whose_row_is_not(
        self, house: House, database_url: str, doomed: Packed
    ) -> None:
        gone, again = house.model("alice/gone"), house.model("alice/again")
        send(house, doomed, gone)
        ((name, xorb),) = doomed.xorbs.items()
        me = sender(again, house.alice)
        first_chunk = hash_text(house.hub.xet._index(name).hashes[:32])
        assert house.hub.xet.known_chunks(me, first_chunk)
        house.hub.delete_repo(house.alice, gone.ref)
        die(house, database_url, "before:viveiro.hub.xet.service.Xet._forget", "sweep")
        assert stored(house) == []
        assert house.hub.xet.known_chunks(me, first_chunk) is None
        assert house.hub.xet.usable(me, [name]) == set()
        send_xorb(house, me, name, xorb)
        house.hub.xet.register(me, doomed.shard)
        assert problems(house) == []


PACKING = [
    "after:viveiro.hub.xet.service.pack",
    "after:viveiro.storage.local.LocalBlobStore.put",
    "after:viveiro.hub.xet.service.Xet.keep_xorb",
    "after:viveiro.hub.xet.queries.add_layout",
    "after:viveiro.hub.xet.queries.give_layout_to_all",
    "after:viveiro.hub.xet.service.Xet.take_in",
    "after:viveiro.storage.local.LocalBlobStore.delete",
]


class TestPuttingIntoXorbs:
    @pytest.mark.parametrize("point", PACKING)
    def test_leaves_the_content_in_one_form_or_the_other(
        self, house: House, database_url: str, point: str, kept: Packed
    ) -> None:
        repo = house.model(str(SEEDS.repo_id))
        house.commit(repo, AddLfsFile("model.bin", house.store(CONTENT, repo)))
        die(house, database_url, point, "pack")
        house.hub.reconcile()
        assert problems(house) == []
        assert house.read(repo, "model.bin") == CONTENT

        jobs.pack_contents(house.hub, utc_now() + timedelta(minutes=1))
        house.hub.blobs.sweep_doubles(utc_now() + timedelta(minutes=1))
        house.hub.blobs.sweep(timedelta(seconds=-1))
        assert list(house.blobs.keys()) == []
        assert list((house.settings.storage_dir / "incoming").rglob("*")) == []
        assert house.read(repo, "model.bin") == CONTENT
        assert findings(house, deep=True) == []
