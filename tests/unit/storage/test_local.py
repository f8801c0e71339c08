"""The folder: the battery, and what only a folder can suffer."""

import os
import subprocess
import sys
import textwrap
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path

import pytest

from tests.conftest import missing
from tests.unit.storage.battery import (
    CONTENT,
    BlobStoreBattery,
    MiB,
    put,
    put_all_parts,
    put_part,
    sha256,
)
from viveiro.errors import StorageFull, Unavailable
from viveiro.storage import LocalBlobStore, PartialUpload, local


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "storage"


@pytest.fixture
def store(root: Path) -> LocalBlobStore:
    return LocalBlobStore(root)


class TestLocalBlobStore(BlobStoreBattery):
    pass


class TestLayout:
    def test_a_blob_lies_two_folders_deep_under_its_own_hash(self, store, root):
        blob = put(store, CONTENT)
        digest = blob.sha256
        assert store.path(digest) == root / "sha256" / digest[:2] / digest[2:4] / digest
        assert store.path(digest).read_bytes() == CONTENT

    def test_namespaces_keep_apart(self, store, root):
        blob = put(store, CONTENT)
        assert list(LocalBlobStore(root, namespace="xorbs").keys()) == []
        assert list(store.keys()) == [blob.sha256]

    def test_an_upload_in_parts_is_moved_not_copied(self, store, root):
        upload = PartialUpload("moved", len(CONTENT), MiB)
        put_all_parts(store, upload, CONTENT)
        inode = (root / "uploads" / "moved" / "content").stat().st_ino
        store.assemble(upload, sha256(CONTENT))
        assert store.path(sha256(CONTENT)).stat().st_ino == inode

    def test_a_partial_that_a_killed_server_left_is_swept_when_it_is_old(self, store, root):
        put(store, b"makes the folders")
        left = root / "incoming" / "left.partial"
        left.write_bytes(b"half")
        assert store.sweep(timedelta(hours=1)) == 0
        os.utime(left, (0, 0))
        assert store.sweep(timedelta(hours=1)) == 1
        assert not left.exists()


class TestVerifiedBytesStay:
    """Once hashed, content can no longer be changed by a part that is still arriving."""

    UPLOAD = PartialUpload("guarded", 4, 2)

    def test_completing_waits_for_no_writer_for_ever(self, store, monkeypatch):
        monkeypatch.setattr(local, "LOCK_PATIENCE_SECONDS", 0.1)
        put_all_parts(store, self.UPLOAD, b"good")
        with store.part_writer(PartialUpload("guarded", 6, 2), 3), pytest.raises(Unavailable):
            store.assemble(self.UPLOAD, sha256(b"good"))
        assert list(store.keys()) == []
        assert store.assemble(self.UPLOAD, sha256(b"good")).size == 4

    def test_a_writer_that_comes_late_writes_elsewhere(self, store):
        put_all_parts(store, self.UPLOAD, b"good")
        store.assemble(self.UPLOAD, sha256(b"good"))
        put_part(store, self.UPLOAD, 1, b"ev")
        assert store.path(sha256(b"good")).read_bytes() == b"good"

    def test_parts_sent_twice_at_once_never_make_a_wrong_blob(self, store):
        upload = PartialUpload("raced", len(CONTENT), MiB)
        with ThreadPoolExecutor(4) as threads:
            list(threads.map(lambda _: put_all_parts(store, upload, CONTENT), range(8)))
        store.assemble(upload, sha256(CONTENT))
        assert store.path(sha256(CONTENT)).read_bytes() == CONTENT


class TestKilled:
    """`kill -9` at any point: what was received stays usable, and nothing half done has a blob's name."""

    def test_parts_survive_the_process_that_received_them(self, store, root):
        _run_and_die(root, "put_all_parts(store, upload, CONTENT[:MiB] + bytes(MiB) + b'tail')")
        upload = PartialUpload("survivor", len(CONTENT), MiB)
        assert list(store.parts("survivor")) == [1, 2, 3]
        put_part(store, upload, 2, CONTENT[MiB : 2 * MiB])
        assert store.assemble(upload, sha256(CONTENT)).size == len(CONTENT)

    def test_killed_after_the_rename_completing_again_succeeds(self, store, root):
        _run_and_die(root, "put_all_parts(store, upload, CONTENT); store.assemble(upload, sha256(CONTENT))")
        upload = PartialUpload("survivor", len(CONTENT), MiB)
        assert store.assemble(upload, sha256(CONTENT)).size == len(CONTENT)

    def test_killed_while_writing_leaves_only_a_partial(self, store, root):
        _run_and_die(root, "context = store.writer(); writer = context.__enter__(); writer.write(CONTENT)")
        assert list(store.keys()) == []
        assert store.sweep(timedelta(seconds=-1)) == 1


def _run_and_die(root: Path, statements: str) -> None:
    """Run them in another process, which then kills itself as hard as a process can be killed."""
    script = textwrap.dedent(f"""
        import os, signal
        from pathlib import Path
        from tests.unit.storage.battery import *
        from viveiro.storage import LocalBlobStore
        store = LocalBlobStore(Path({str(root)!r}))
        upload = PartialUpload("survivor", len(CONTENT), MiB)
        {statements}
        os.kill(os.getpid(), signal.SIGKILL)
    """)
    ended = subprocess.run([sys.executable, "-c", script], cwd=Path(__file__).parents[3], timeout=60)
    assert ended.returncode == -9


class TestFullDisk:
    """Said as such, nothing half written is left, and there is room again for what fits."""

    @pytest.fixture
    def store(self, tmp_path):
        folder = tmp_path / "small-disk"
        folder.mkdir()
        mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", folder], capture_output=True)
        if mounted.returncode != 0:
            missing("small disk", "mounting a tmpfs needs root")
        yield LocalBlobStore(folder)
        subprocess.run(["umount", folder], check=True)

    def test_an_announced_size_that_cannot_fit_is_refused_before_a_byte_is_sent(self, store):
        with pytest.raises(StorageFull), store.writer(size=5 * MiB):
            pass
        with pytest.raises(StorageFull), store.part_writer(PartialUpload("big", 50 * MiB, 5 * MiB), 1):
            pass

    def test_a_disk_that_fills_up_while_writing(self, store):
        with store.writer() as writer, pytest.raises(StorageFull):
            for _ in range(5):
                writer.write(bytes(MiB))
        assert list(store.keys()) == []
        assert put(store, bytes(3 * MiB)).size == 3 * MiB

    def test_a_file_of_another_disk_that_does_not_fit_is_not_put(self, store, tmp_path):
        large, small = tmp_path / "large", tmp_path / "small"
        large.write_bytes(bytes(5 * MiB))
        small.write_bytes(bytes(MiB))
        with pytest.raises(StorageFull):
            store.put(sha256(b"large"), large)
        assert list(store.keys()) == []
        assert store.put(sha256(b"small"), small)
        assert store.sweep(timedelta(seconds=-1)) == 0

    def test_a_disk_that_fills_up_while_a_part_arrives(self, store):
        upload = PartialUpload("filling", 8 * MiB, 3 * MiB)
        put_part(store, upload, 1, bytes(3 * MiB))
        put(store, bytes(MiB // 2))
        with pytest.raises(StorageFull):
            put_part(store, upload, 2, bytes(3 * MiB))
        assert list(store.parts("filling")) == [1]
