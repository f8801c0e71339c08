"""What every blob store must do. A new store's test file subclasses `BlobStoreBattery` and offers a `store` fixture."""

import hashlib
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from itertools import count
from pathlib import Path

import pytest

from viveiro.errors import BlobNotFound, ChecksumMismatch, InvalidHash, MissingParts, SizeMismatch
from viveiro.storage import BlobStore, PartialUpload, StoredBlob

MiB = 2**20
CONTENT = bytes(range(256)) * 8192 + b"tail"
"""A little over 2 MiB, so that it spans several chunks."""


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def put(store: BlobStore, content: bytes) -> StoredBlob:
    with store.writer() as writer:
        writer.write(content)
        return writer.finish()


def put_part(store: BlobStore, upload: PartialUpload, number: int, content: bytes) -> str:
    with store.part_writer(upload, number) as writer:
        writer.write(content)
        return writer.finish()


def put_all_parts(store: BlobStore, upload: PartialUpload, content: bytes) -> None:
    for number in range(1, upload.part_count + 1):
        start = upload.offset(number)
        put_part(store, upload, number, content[start : start + upload.part_size(number)])


class BlobStoreBattery:
    class TestWriting:
        """A blob is there whole and verified, or not at all."""

        @pytest.mark.parametrize("content", [b"", b"x", CONTENT], ids=["zero bytes", "one byte", "two megabytes"])
        def test_what_was_written_is_read_back(self, store, content):
            blob = put(store, content)
            assert blob == StoredBlob(sha256(content), len(content))
            assert b"".join(store.read(blob.sha256)) == content
            assert store.size(blob.sha256) == len(content)

        def test_writes_of_any_length_are_one_content(self, store):
            with store.writer(sha256(CONTENT), len(CONTENT)) as writer:
                writer.write(b"")
                writer.write(bytearray(CONTENT[:7]))
                writer.write(memoryview(CONTENT)[7:])
                assert writer.finish().size == len(CONTENT)
            assert b"".join(store.read(sha256(CONTENT))) == CONTENT

        def test_nothing_is_seen_before_it_is_finished(self, store):
            with store.writer() as writer:
                writer.write(CONTENT)
                assert store.size(sha256(CONTENT)) is None
                writer.finish()

        def test_a_writer_left_without_finish_leaves_no_trace(self, store):
            with store.writer() as writer:
                writer.write(CONTENT)
            assert list(store.keys()) == []
            assert store.sweep(timedelta(0)) == 0

        def test_other_content_than_announced_is_refused(self, store):
            with pytest.raises(ChecksumMismatch), store.writer(sha256=sha256(b"promise")) as writer:
                writer.write(b"surprise")
                writer.finish()
            assert list(store.keys()) == []

        def test_less_than_announced_is_refused(self, store):
            with pytest.raises(SizeMismatch), store.writer(size=3) as writer:
                writer.write(b"ab")
                writer.finish()
            assert list(store.keys()) == []

        def test_more_than_announced_is_refused_as_soon_as_it_arrives(self, store):
            with store.writer(size=3) as writer, pytest.raises(SizeMismatch):
                writer.write(b"abcd")
            assert list(store.keys()) == []

        def test_the_same_content_twice_is_one_blob(self, store):
            assert put(store, CONTENT) == put(store, CONTENT)
            assert list(store.keys()) == [sha256(CONTENT)]

    class TestPutting:
        """Content under a key that somebody else verified. Whoever comes first stays."""

        KEY = sha256(b"what it unpacks to")

        @pytest.fixture
        def file(self, tmp_path):
            """A file of its own for each content."""
            names = count()

            def make(content: bytes) -> Path:
                made = tmp_path / f"content-{next(names)}"
                made.write_bytes(content)
                return made

            return make

        def test_it_is_read_back_under_its_key(self, store, file):
            assert store.put(self.KEY, file(CONTENT))
            assert b"".join(store.read(self.KEY)) == CONTENT
            assert b"".join(store.read(self.KEY, MiB - 1, MiB + 1)) == CONTENT[MiB - 1 : MiB + 1]
            assert store.size(self.KEY) == len(CONTENT)
            assert list(store.keys()) == [self.KEY]

        def test_it_stays_when_the_callers_file_goes(self, store, file):
            given = file(CONTENT)
            store.put(self.KEY, given)
            given.unlink()
            assert b"".join(store.read(self.KEY)) == CONTENT

        def test_a_key_that_is_held_keeps_what_it_has(self, store, file):
            assert store.put(self.KEY, file(b"packed one way"))
            assert not store.put(self.KEY, file(b"packed another way"))
            assert b"".join(store.read(self.KEY)) == b"packed one way"

        def test_of_many_at_once_one_stays_whole(self, store, file):
            contents = [bytes([number]) * MiB for number in range(8)]
            with ThreadPoolExecutor(4) as threads:
                kept = list(threads.map(lambda made: store.put(self.KEY, made), map(file, contents)))
            assert kept.count(True) == 1
            assert b"".join(store.read(self.KEY)) == contents[kept.index(True)]

        def test_after_deletion_the_key_is_free(self, store, file):
            store.put(self.KEY, file(b"old"))
            store.delete(self.KEY)
            assert store.put(self.KEY, file(b"new"))
            assert b"".join(store.read(self.KEY)) == b"new"

        def test_nothing_is_left_to_sweep(self, store, file):
            store.put(self.KEY, file(b"kept"))
            store.put(self.KEY, file(b"not kept"))
            assert store.sweep(timedelta(seconds=-1)) == 0

        @pytest.mark.parametrize("key", ["", "../../../etc/passwd", "A" * 64])
        def test_only_a_hash_can_be_a_key(self, store, file, key):
            with pytest.raises(InvalidHash):
                store.put(key, file(CONTENT))

    class TestReading:
        @pytest.mark.parametrize(
            ("start", "stop"),
            [(0, 1), (5, 5), (0, len(CONTENT)), (MiB - 1, MiB + 1), (len(CONTENT) - 4, None), (len(CONTENT), None)],
        )
        def test_a_range_is_those_bytes(self, store, start, stop):
            blob = put(store, CONTENT)
            assert b"".join(store.read(blob.sha256, start, stop)) == CONTENT[start:stop]

        def test_no_chunk_is_large(self, store):
            blob = put(store, CONTENT * 3)
            assert max(map(len, store.read(blob.sha256))) <= MiB

        def test_an_unknown_blob_is_missing_at_once(self, store):
            assert store.size(sha256(b"never seen")) is None
            assert store.path(sha256(b"never seen")) is None
            with pytest.raises(BlobNotFound):
                store.read(sha256(b"never seen"))

        @pytest.mark.parametrize("name", ["", "../../../etc/passwd", "A" * 64, "a" * 63, "a" * 65, "a" * 64 + "\n"])
        def test_only_a_hash_can_name_a_blob(self, store, name):
            with pytest.raises(InvalidHash):
                store.size(name)

    class TestDeleting:
        def test_a_deleted_blob_is_gone(self, store):
            blob = put(store, CONTENT)
            store.delete(blob.sha256)
            assert store.size(blob.sha256) is None
            assert list(store.keys()) == []

        def test_deleting_what_is_not_there_is_no_error(self, store):
            store.delete(sha256(b"never seen"))

    class TestKeys:
        def test_every_blob_is_listed_and_nothing_else(self, store):
            blobs = {put(store, bytes([byte])).sha256 for byte in range(20)}
            put_part(store, PartialUpload("unfinished", 1, 1), 1, b"p")
            assert set(store.keys()) == blobs

    class TestParts:
        """An upload in parts: any order, any number of connections and processes, verified as a whole."""

        UPLOAD = PartialUpload("a1b2c3", size=len(CONTENT), part_bytes=MiB)

        def test_parts_in_any_order_become_the_blob(self, store):
            put_part(store, self.UPLOAD, 3, CONTENT[2 * MiB :])
            put_part(store, self.UPLOAD, 1, CONTENT[:MiB])
            put_part(store, self.UPLOAD, 2, CONTENT[MiB : 2 * MiB])
            assert store.assemble(self.UPLOAD, sha256(CONTENT)) == StoredBlob(sha256(CONTENT), len(CONTENT))
            assert b"".join(store.read(sha256(CONTENT))) == CONTENT

        def test_parts_that_have_arrived_are_known_by_number_and_version(self, store):
            assert store.parts(self.UPLOAD.id) == {}
            first = put_part(store, self.UPLOAD, 1, CONTENT[:MiB])
            third = put_part(store, self.UPLOAD, 3, CONTENT[2 * MiB :])
            assert store.parts(self.UPLOAD.id) == {1: first, 3: third}

        def test_a_part_sent_again_replaces_the_earlier_one(self, store):
            put_all_parts(store, self.UPLOAD, CONTENT)
            before = store.parts(self.UPLOAD.id)
            put_part(store, self.UPLOAD, 1, bytes(MiB))
            put_part(store, self.UPLOAD, 1, CONTENT[:MiB])
            assert store.parts(self.UPLOAD.id)[1] != before[1]
            assert store.assemble(self.UPLOAD, sha256(CONTENT)).size == len(CONTENT)

        def test_a_part_cut_short_does_not_count(self, store):
            put_part(store, self.UPLOAD, 1, CONTENT[:MiB])
            with store.part_writer(self.UPLOAD, 1) as writer:
                writer.write(CONTENT[:100])
            with store.part_writer(self.UPLOAD, 2) as writer, pytest.raises(SizeMismatch):
                writer.write(CONTENT[:100])
                writer.finish()
            assert store.parts(self.UPLOAD.id) == {}

        def test_a_part_cannot_reach_into_the_next(self, store):
            with store.part_writer(self.UPLOAD, 3) as writer, pytest.raises(SizeMismatch):
                writer.write(bytes(5))
            with store.part_writer(self.UPLOAD, 1) as writer, pytest.raises(SizeMismatch):
                writer.write(bytes(MiB + 1))

        def test_what_is_missing_is_named_and_what_came_stays(self, store):
            put_part(store, self.UPLOAD, 2, CONTENT[MiB : 2 * MiB])
            with pytest.raises(MissingParts, match="1, 3"):
                store.assemble(self.UPLOAD, sha256(CONTENT))
            assert list(store.parts(self.UPLOAD.id)) == [2]

        def test_parts_that_add_up_to_something_else_are_thrown_away(self, store):
            put_all_parts(store, self.UPLOAD, CONTENT)
            with pytest.raises(ChecksumMismatch):
                store.assemble(self.UPLOAD, sha256(b"promise"))
            assert store.parts(self.UPLOAD.id) == {}
            assert list(store.keys()) == []

        def test_completing_twice_is_the_same_as_once(self, store):
            put_all_parts(store, self.UPLOAD, CONTENT)
            assert store.assemble(self.UPLOAD, sha256(CONTENT)) == store.assemble(self.UPLOAD, sha256(CONTENT))

        def test_an_upload_of_nothing_has_no_parts(self, store):
            nothing = PartialUpload("nothing", size=0, part_bytes=MiB)
            assert nothing.part_count == 0
            assert store.assemble(nothing, sha256(b"")) == StoredBlob(sha256(b""), 0)

        def test_discarding_forgets_the_parts_and_keeps_the_blob(self, store):
            put_all_parts(store, self.UPLOAD, CONTENT)
            store.assemble(self.UPLOAD, sha256(CONTENT))
            store.discard(self.UPLOAD.id)
            assert store.parts(self.UPLOAD.id) == {}
            assert store.size(sha256(CONTENT)) == len(CONTENT)
            with pytest.raises(MissingParts):
                store.assemble(self.UPLOAD, sha256(CONTENT))

    class TestSweeping:
        def test_an_upload_left_alone_for_long_is_swept_and_blobs_are_not(self, store):
            kept = put(store, b"kept")
            put_part(store, PartialUpload("abandoned", 2, 1), 1, b"p")
            assert store.sweep(timedelta(hours=1)) == 0
            assert store.sweep(timedelta(seconds=-1)) == 1
            assert store.parts("abandoned") == {}
            assert list(store.keys()) == [kept.sha256]
