"""How long xorbs are kept, what fsck says of them, and what else must not forget them."""

import hashlib
import os
import shutil
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import ClassVar

import pytest

from tests.unit.hub.house import House, joined
from tests.xet import MiB, Packed, floats, pack, shard_of_file, xorb_of
from viveiro.accounts.types import Viewer
from viveiro.backup import restore_backup, write_backup
from viveiro.db import Database, utc_now
from viveiro.errors import BlobNotFound
from viveiro.hub import jobs, queries
from viveiro.hub.fsck import Fault, Finding, check_hub
from viveiro.hub.service import Hub
from viveiro.hub.types import AddLfsFile, Repo
from viveiro.hub.xet.hashing import chunk_hash, hash_text
from viveiro.hub.xet.rebuilding import DamagedXorb
from viveiro.hub.xet.rebuilt import RebuiltFiles
from viveiro.hub.xet.service import KEPT_FOR, Sender
from viveiro.hub.xet.shards import InvalidShard
from viveiro.settings import Settings
from viveiro.storage import LocalBlobStore

CONTENT = os.urandom(400_000) + floats(100_000)


@pytest.fixture(scope="module")
def packed() -> Packed:
    return pack(CONTENT)


def sender(repo: Repo, viewer: Viewer) -> Sender:
    return Sender(viewer, f"user-{viewer.user_id}", repo)


def send_xorb(house: House, who: Sender, name: str, xorb: bytes) -> bool:
    with house.hub.xet.receiving() as incoming:
        incoming.write(bytearray(xorb))
        return incoming.finish(who, name)


def send(house: House, packed: Packed, repo: Repo, viewer: Viewer | None = None) -> None:
    """And commit."""
    who = sender(repo, viewer or house.alice)
    for name, xorb in packed.xorbs.items():
        send_xorb(house, who, name, xorb)
    house.hub.xet.register(who, packed.shard)
    house.commit(repo, AddLfsFile("model.bin", packed.sha256, len(packed.content)))


def findings(house: House, *, repair: bool = False, deep: bool = False) -> list[Finding]:
    return [found for found in check_hub(house.hub, repair=repair, deep=deep) if isinstance(found, Finding)]


def stored(house: House) -> list[str]:
    return list(house.hub.xet.xorbs.keys())


class TestReading:
    def test_everybody_reads_it_as_any_other_file(self, house: House, packed: Packed) -> None:
        repo = house.model()
        send(house, packed, repo)
        assert house.read(repo, "model.bin") == CONTENT
        assert house.blobs.size(packed.sha256) == len(CONTENT)
        assert joined(house.blobs.read(packed.sha256, 399_990, 400_010)) == CONTENT[399_990:400_010]

    def test_another_who_cuts_the_same_content_otherwise_changes_nothing_for_her(
        self, house: House, packed: Packed
    ) -> None:
        """Else her clients would be told a hash that her chunks do not have, and that somebody else has the content."""
        secret, other = house.model("alice/secret", private=True), house.model("alice/other")
        send(house, packed, secret)
        chunks = [CONTENT[at : at + 75_000] for at in range(0, len(CONTENT), 75_000)]
        name, xorb = xorb_of(*chunks)
        send_xorb(house, sender(other, house.bob), name, xorb)
        shard, bobs_hash = shard_of_file(name, chunks)
        house.hub.xet.register(sender(other, house.bob), shard)
        assert house.hub.xet.hashes(other, [packed.sha256]) == {packed.sha256: bobs_hash}
        assert house.hub.xet.hashes(secret, [packed.sha256]) == {packed.sha256: packed.xet_hash}
        assert house.hub.xet.file(secret, packed.xet_hash)

    def test_who_only_proposes_changes_nothing_for_those_who_read_it(self, house: House, packed: Packed) -> None:
        repo = house.model()
        send(house, packed, repo)
        chunks = [CONTENT[at : at + 75_000] for at in range(0, len(CONTENT), 75_000)]
        name, xorb = xorb_of(*chunks)
        bobs = Sender(house.bob, f"user-{house.bob.user_id}", repo, proposes=True)
        send_xorb(house, bobs, name, xorb)
        shard, _ = shard_of_file(name, chunks)
        house.hub.xet.register(bobs, shard)
        assert house.hub.xet.hashes(repo, [packed.sha256]) == {packed.sha256: packed.xet_hash}

    def test_what_nobody_sent_is_not_there(self, house: House, packed: Packed) -> None:
        assert house.blobs.size(packed.sha256) is None
        with pytest.raises(BlobNotFound):
            house.blobs.read(packed.sha256)


class TestSweeping:
    def test_keeps_what_a_client_may_still_remember(self, house: House, packed: Packed) -> None:
        repo = house.model()
        send(house, packed, repo)
        house.hub.delete_repo(house.alice, repo.ref)
        jobs.sweep_contents(house.hub, utc_now() + timedelta(days=2))
        assert house.blobs.size(packed.sha256) is None
        assert house.hub.xet.sweep(utc_now() + timedelta(weeks=4))["xorbs"] == 0
        again = house.model("alice/again")
        house.hub.xet.register(sender(again, house.alice), packed.shard)
        assert house.hub.granted_sizes(again, [packed.sha256])

    def test_takes_it_when_nobody_can_remember_it(self, house: House, packed: Packed) -> None:
        repo = house.model()
        send(house, packed, repo)
        house.hub.delete_repo(house.alice, repo.ref)
        jobs.sweep_contents(house.hub, utc_now() + timedelta(days=2))
        assert house.hub.xet.sweep(utc_now() + KEPT_FOR + timedelta(minutes=1)) == {"layouts": 0, "xorbs": 1}
        assert stored(house) == []
        assert findings(house) == []
        with pytest.raises(InvalidShard, match="has not been sent"):
            house.hub.xet.register(sender(house.model("alice/again"), house.alice), packed.shard)

    def test_never_takes_what_a_file_needs(self, house: House, packed: Packed) -> None:
        repo = house.model()
        send(house, packed, repo)
        assert house.hub.xet.sweep(utc_now() + timedelta(days=1000)) == {"layouts": 0, "xorbs": 0}
        assert house.read(repo, "model.bin") == CONTENT

    def test_takes_a_layout_that_no_repo_offers(self, house: House, packed: Packed) -> None:
        repo = house.model()
        send(house, packed, repo)
        with house.database.write() as session:
            queries.take_back(session, repo.pk, [packed.sha256])
        assert house.hub.xet.sweep(utc_now())["layouts"] == 1


class TestFsck:
    @pytest.fixture
    def repo(self, house: House, packed: Packed) -> Repo:
        repo = house.model()
        send(house, packed, repo)
        return repo

    def test_finds_nothing_where_nothing_is_wrong(self, house: House, repo: Repo) -> None:
        assert findings(house, deep=True) == []

    def test_names_the_files_of_a_lost_xorb(self, house: House, repo: Repo, packed: Packed) -> None:
        (name,) = stored(house)
        house.hub.xet.xorbs.delete(name)
        (found,) = findings(house)
        assert (found.fault, found.repo, found.oid) == (Fault.MISSING_CONTENT, repo.name, packed.sha256)

    def test_finds_damage_when_it_reads_all(self, house: House, repo: Repo) -> None:
        (name,) = stored(house)
        path = house.hub.xet.xorbs.path(name)
        assert path is not None
        damaged = bytearray(path.read_bytes())
        damaged[200_000] ^= 1
        path.write_bytes(damaged)
        assert findings(house) == []
        assert {found.fault for found in findings(house, deep=True)} == {Fault.DAMAGED_CONTENT}

    def test_what_was_cut_off_is_called_damaged(self, house: House, repo: Repo) -> None:
        (name,) = stored(house)
        path = house.hub.xet.xorbs.path(name)
        assert path is not None
        os.truncate(path, 1000)
        assert {found.fault for found in findings(house)} == {Fault.DAMAGED_CONTENT}
        with pytest.raises(DamagedXorb, match="hub fsck --deep"):
            house.read(repo, "model.bin")

    def test_a_lost_xorb_sent_again_mends_the_file(self, house: House, repo: Repo, packed: Packed) -> None:
        (name,) = stored(house)
        house.hub.xet.xorbs.delete(name)
        send_xorb(house, sender(repo, house.alice), name, packed.xorbs[name])
        assert findings(house, deep=True) == []
        assert house.read(repo, "model.bin") == CONTENT

    def test_a_xorb_whose_sender_was_killed_is_swept_in_time(self, house: House, tmp_path: Path) -> None:
        name, xorb = xorb_of(b"never registered")
        file = tmp_path / "xorb"
        file.write_bytes(xorb)
        house.hub.xet.xorbs.put(name, file)
        assert [found.fault for found in findings(house)] == [Fault.LEFTOVER_CONTENT]
        findings(house, repair=True)
        assert findings(house) == []
        assert house.hub.xet.sweep(utc_now() + KEPT_FOR + timedelta(minutes=1))["xorbs"] == 1


class TestBackup:
    def test_brings_back_what_came_by_xet(self, house: House, packed: Packed, tmp_path: Path) -> None:
        repo = house.model()
        send(house, packed, repo)
        tar = tmp_path / "backup.tar"
        with tar.open("wb") as out:
            write_backup(house.hub, out)
        settings = Settings(data_dir=tmp_path / "restored", secret_key="x" * 32)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("viveiro.backup._check_manifest", lambda *_: None)  # these tables were not made by migrations
            restore_backup(settings, tar)
        database = Database(settings.sqlalchemy_url)
        with Hub(database, settings, LocalBlobStore(settings.storage_dir)) as hub:
            assert joined(hub.blobs.read(packed.sha256)) == CONTENT
            assert [found for found in check_hub(hub, deep=True) if isinstance(found, Finding)] == []
        database.close()


class TestKnownChunks:
    """Clients ask about some chunks before they send what they hold."""

    def first_chunk(self, house: House, packed: Packed) -> str:
        (name,) = packed.xorbs
        return hash_text(house.hub.xet._index(name).hashes[:32])

    def test_the_first_chunk_of_a_file_is_known_to_those_who_may_read_it(self, house: House, packed: Packed) -> None:
        repo, bobs = house.model("alice/open"), house.model("alice/other")
        send(house, packed, repo)
        shard = house.hub.xet.known_chunks(Sender(house.bob, "user-bob", bobs), self.first_chunk(house, packed))
        assert shard is not None
        key = shard[-200:][72:104]
        assert key != bytes(32)
        assert chunk_hash(CONTENT) not in shard

    def test_and_to_nobody_else(self, house: House, packed: Packed) -> None:
        repo, bobs = house.model("alice/secret", private=True), house.model("alice/other")
        send(house, packed, repo)
        chunk = self.first_chunk(house, packed)
        assert house.hub.xet.known_chunks(Sender(house.bob, "user-bob", bobs), chunk) is None
        assert house.hub.xet.known_chunks(sender(bobs, house.alice), chunk) is not None
        assert house.hub.xet.known_chunks(sender(bobs, house.alice), "1" * 64) is None


class TestRebuiltFiles:
    """A cache: of what was read whole, the latest used, and no more than its limit."""

    SHA: ClassVar = [hashlib.sha256(bytes([number])).hexdigest() for number in range(4)]

    def fill(self, cache: RebuiltFiles, number: int, size: int = MiB) -> None:
        assert joined(cache.read(self.SHA[number], size, lambda start, stop: iter([bytes(stop - start)]))) == bytes(
            size
        )

    def test_keeps_what_was_read_to_its_end(self, tmp_path: Path) -> None:
        cache = RebuiltFiles(tmp_path / "rebuilt", 10 * MiB)
        assert cache.path(self.SHA[0]) is None
        self.fill(cache, 0)
        kept = cache.path(self.SHA[0])
        assert kept is not None
        assert kept.read_bytes() == bytes(MiB)

    def test_and_not_what_was_broken_off(self, tmp_path: Path) -> None:
        cache = RebuiltFiles(tmp_path / "rebuilt", 10 * MiB)
        reading = cache.read(self.SHA[0], 2, lambda _start, _stop: iter([b"a", b"b"]))
        next(reading)
        reading.close()
        assert cache.path(self.SHA[0]) is None
        assert list((tmp_path / "rebuilt").rglob("*.partial")) == []
        self.fill(cache, 0)
        assert cache.path(self.SHA[0])

    def test_who_comes_meanwhile_reads_along(self, tmp_path: Path) -> None:
        cache, content = RebuiltFiles(tmp_path / "rebuilt", 10 * MiB), os.urandom(4 * MiB)
        rebuilt: list[int] = []

        def rebuild(start: int, stop: int) -> Iterator[bytes]:
            for at in range(start, stop, MiB):
                rebuilt.append(at)
                yield content[at : min(stop, at + MiB)]

        first, at_once = (cache.read(self.SHA[0], len(content), rebuild) for _ in range(2))
        begun = [next(first), next(first)]
        others = [at_once, *(cache.read(self.SHA[0], len(content), rebuild) for _ in range(2))]
        assert [next(other) for other in others] == [content[: 2 * MiB]] * 3
        assert b"".join([*begun, *first]) == content
        assert [joined(other) for other in others] == [content[2 * MiB :]] * 3
        assert rebuilt == [0, MiB, 2 * MiB, 3 * MiB]

    @pytest.mark.parametrize("ends", [True, False])
    def test_and_waits_for_nobody(self, tmp_path: Path, ends: bool) -> None:
        """Neither for a slow client, nor for one that went away."""
        cache, content = RebuiltFiles(tmp_path / "rebuilt", 10 * MiB), os.urandom(4 * MiB)

        def rebuild(start: int, stop: int) -> Iterator[bytes]:
            return (content[at : min(stop, at + MiB)] for at in range(start, stop, MiB))

        first = cache.read(self.SHA[0], len(content), rebuild)
        next(first)
        other = cache.read(self.SHA[0], len(content), rebuild)
        begun = next(other)
        if ends:
            first.close()
        assert begun + joined(other) == content

    def test_the_one_not_used_for_longest_goes_first(self, tmp_path: Path) -> None:
        cache = RebuiltFiles(tmp_path / "rebuilt", 2 * MiB)
        for number in (0, 1):
            self.fill(cache, number)
            kept = cache.path(self.SHA[number])
            assert kept is not None
            os.utime(kept, (number, number))
        cache.path(self.SHA[0])
        self.fill(cache, 2)
        assert [number for number in range(3) if cache.path(self.SHA[number])] == [0, 2]

    def test_what_is_larger_than_all_of_it_is_only_passed_on(self, tmp_path: Path) -> None:
        cache = RebuiltFiles(tmp_path / "rebuilt", MiB)
        self.fill(cache, 0, 2 * MiB)
        assert cache.path(self.SHA[0]) is None

    def test_what_a_killed_server_left_of_one_is_swept(self, house: House, packed: Packed) -> None:
        repo = house.model()
        send(house, packed, repo)
        reading = house.blobs.read(packed.sha256)
        next(reading)
        (partial,) = house.hub.settings.cache_dir.rglob("*.partial")
        left = shutil.copy(partial, partial.with_name("left.partial"))
        joined(reading)
        assert house.blobs.sweep(timedelta(hours=1)) == 0
        assert house.blobs.sweep(timedelta(seconds=-1)) == 1
        assert not left.exists()

    def test_a_file_read_whole_is_sent_from_it_and_goes_with_the_file(self, house: House, packed: Packed) -> None:
        repo = house.model()
        send(house, packed, repo)
        assert house.blobs.path(packed.sha256) is None
        assert house.read(repo, "model.bin") == CONTENT
        path = house.blobs.path(packed.sha256)
        assert path is not None
        assert path.read_bytes() == CONTENT
        house.hub.delete_repo(house.alice, repo.ref)
        jobs.sweep_contents(house.hub, utc_now() + timedelta(days=2))
        assert house.blobs.path(packed.sha256) is None


class TestPacking:
    """What came by LFS is put into xorbs after a while, and then kept so only."""

    @pytest.fixture
    def repo(self, house: House) -> Repo:
        repo = house.model()
        house.commit(repo, AddLfsFile("model.bin", house.store(CONTENT, repo)))
        return repo

    def test_gives_the_same_bytes_and_deletes_the_plain_file(self, house: House, repo: Repo, packed: Packed) -> None:
        assert jobs.pack_contents(house.hub, utc_now() - timedelta(minutes=1)) == {"packed": 0, "failed": 0}
        assert jobs.pack_contents(house.hub, utc_now() + timedelta(minutes=1)) == {"packed": 1, "failed": 0}
        assert list(house.blobs.keys()) == []
        assert house.read(repo, "model.bin") == CONTENT
        assert house.hub.xet.hashes(repo, [packed.sha256]) == {packed.sha256: packed.xet_hash}
        assert findings(house, deep=True) == []
        assert jobs.pack_contents(house.hub, utc_now() + timedelta(minutes=1)) == {"packed": 0, "failed": 0}

    def test_follows_from_the_content_alone(self, house: House, repo: Repo, packed: Packed) -> None:
        """Bob, who has the file too, must not see from his xorbs that Alice sent hers in others."""
        secret = house.model("alice/secret", private=True)
        first, second = CONTENT[:150_000], CONTENT[150_000:]
        name, xorb = xorb_of(*(first[at : at + 75_000] for at in (0, 75_000)), second[:100_000])
        send_xorb(house, sender(secret, house.alice), name, xorb)
        send(house, packed, house.model("alice/other"))
        jobs.pack_contents(house.hub, utc_now() + timedelta(minutes=1))
        _, layout = house.hub.xet.file(repo, packed.xet_hash)
        assert layout.xorbs == packed.xorbs.keys()

    def test_a_crash_before_the_plain_file_is_deleted_leaves_it_twice_until_swept(
        self, house: House, repo: Repo, packed: Packed
    ) -> None:
        house.hub.xet.take_in(packed.sha256, house.blobs.read_as_stored(packed.sha256))
        assert list(house.blobs.keys()) == [packed.sha256]
        assert house.blobs.sweep_doubles(utc_now() - timedelta(minutes=1)) == 0
        assert house.blobs.sweep_doubles(utc_now() + timedelta(minutes=1)) == 1
        assert list(house.blobs.keys()) == []
        assert house.read(repo, "model.bin") == CONTENT

    def test_who_is_reading_it_meanwhile_reads_on(self, house: House, repo: Repo, packed: Packed) -> None:
        plain, reading = list(house.blobs.read(packed.sha256)), house.blobs.read(packed.sha256, 7)
        jobs.pack_contents(house.hub, utc_now() + timedelta(minutes=1))
        assert joined(reading) == joined(plain)[7:] == CONTENT[7:]

    def test_what_is_damaged_stays_as_it_is(self, house: House, repo: Repo, packed: Packed) -> None:
        path = house.blobs.path(packed.sha256)
        assert path is not None
        path.write_bytes(b"damaged")
        assert jobs.pack_contents(house.hub, utc_now() + timedelta(minutes=1)) == {"packed": 0, "failed": 1}
        assert path.read_bytes() == b"damaged"

    def test_nothing_is_swept_that_a_repo_still_needs_plain(self, house: House, repo: Repo) -> None:
        assert house.blobs.sweep_doubles(utc_now() + timedelta(minutes=1)) == 0
        assert house.read(repo, "model.bin") == CONTENT
