"""The bucket: the battery of every blob store against a real server, and what only a store across a network can suffer."""

import subprocess
import sys
import textwrap
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from pathlib import Path

import botocore.auth
import httpx
import pytest

from tests.live.bucket import LiveBucket, live_bucket
from tests.unit.storage.battery import CONTENT, BlobStoreBattery, MiB, put, put_all_parts, put_part, sha256
from viveiro.errors import Unavailable
from viveiro.storage import PartialUpload
from viveiro.storage.s3 import Bucket, S3BlobStore
from viveiro.storage.s3.bucket import UnusableObjectStore

LARGE = CONTENT * 12
"""25 MiB: a multipart upload of several requests."""


@pytest.fixture(scope="module")
def server() -> Iterator[LiveBucket]:
    with live_bucket() as running:
        yield running


@pytest.fixture
def bucket(server: LiveBucket) -> Iterator[LiveBucket]:
    yield server
    server.empty()


@pytest.fixture
def store(bucket: LiveBucket) -> S3BlobStore:
    return _store(bucket)


def _store(bucket: LiveBucket, **more: str) -> S3BlobStore:
    return S3BlobStore(Bucket.at("s3://content/team/a", bucket.environment), **more)


class TestS3BlobStore(BlobStoreBattery):
    pass


class TestLayout:
    def test_a_blob_has_the_name_that_it_would_have_in_a_folder(self, store, bucket):
        digest = put(store, CONTENT).sha256
        assert bucket.keys() == [f"team/a/sha256/{digest[:2]}/{digest[2:4]}/{digest}"]

    def test_namespaces_keep_apart(self, store, bucket):
        blob = put(store, CONTENT)
        assert list(_store(bucket, namespace="xorbs").keys()) == []
        assert list(store.keys()) == [blob.sha256]

    @pytest.mark.parametrize("announced", [sha256(LARGE), None], ids=["hash known", "hash not known"])
    def test_long_content_goes_in_several_requests_and_appears_at_once(self, store, bucket, announced):
        with store.writer(announced) as writer:
            for start in range(0, len(LARGE), MiB):
                writer.write(LARGE[start : start + MiB])
            assert store.size(sha256(LARGE)) is None
            writer.finish()
        assert b"".join(store.read(sha256(LARGE))) == LARGE
        assert len(bucket.keys()) == 1

    def test_long_content_that_is_not_what_was_announced_leaves_nothing_in_the_store(self, store, bucket):
        with pytest.raises(Exception, match="announced"), store.writer(sha256(b"promise")) as writer:
            writer.write(LARGE)
            writer.finish()
        assert bucket.keys() == bucket.open_uploads() == []

    def test_a_long_upload_left_without_finish_leaves_nothing_in_the_store(self, store, bucket):
        with store.writer() as writer:
            writer.write(LARGE)
        assert bucket.keys() == bucket.open_uploads() == []

    def test_other_parts_under_a_known_hash_are_refused_though_the_store_has_it(self, store):
        secret = put(store, CONTENT).sha256
        upload = PartialUpload("guess", len(CONTENT), MiB)
        put_all_parts(store, upload, bytes(len(CONTENT)))
        with pytest.raises(Exception, match="announced"):
            store.assemble(upload, secret)
        assert store.size(secret) == len(CONTENT)

    def test_parts_sent_twice_at_once_never_make_a_wrong_blob(self, store):
        upload = PartialUpload("raced", len(CONTENT), MiB)
        with ThreadPoolExecutor(4) as threads:
            list(threads.map(lambda _: put_all_parts(store, upload, CONTENT), range(8)))
        store.assemble(upload, sha256(CONTENT))
        assert b"".join(store.read(sha256(CONTENT))) == CONTENT


class TestAddress:
    """A blob can be fetched from the store itself, for a while."""

    def test_whoever_has_it_reads_the_blob_under_the_name_we_say(self, store):
        digest = put(store, CONTENT).sha256
        url = store.address(digest, timedelta(minutes=1), {"Content-Disposition": 'attachment; filename="a b.bin"'})
        answer = httpx.get(url, headers={"Range": "bytes=5-9"})
        assert answer.status_code == 206
        assert answer.content == CONTENT[5:10]
        assert answer.headers["content-disposition"] == 'attachment; filename="a b.bin"'

    def test_it_is_signed_as_amazons_own_program_signs(self, store, bucket, monkeypatch):
        signed = store.address(sha256(b"x"), timedelta(minutes=1), {"Content-Type": "text/plain; charset=utf-8"})
        key = f"team/a/sha256/{sha256(b'x')[:2]}/{sha256(b'x')[2:4]}/{sha256(b'x')}"
        wanted = {"Bucket": "content", "Key": key, "ResponseContentType": "text/plain; charset=utf-8"}
        theirs = _presigned_by_boto(bucket, wanted, at=httpx.URL(signed).params["X-Amz-Date"], monkeypatch=monkeypatch)
        assert httpx.URL(signed).params["X-Amz-Signature"] == httpx.URL(theirs).params["X-Amz-Signature"]

    def test_it_names_the_host_that_clients_know(self, bucket):
        store = _store(bucket, public_endpoint="https://files.example.org")
        address = store.address(sha256(b"x"), timedelta(minutes=1), {})
        assert address.startswith("https://files.example.org/content/team/a/sha256/")


def _presigned_by_boto(bucket: LiveBucket, wanted: dict, at: str, monkeypatch: pytest.MonkeyPatch) -> str:
    moment = datetime.strptime(at, "%Y%m%dT%H%M%SZ")
    monkeypatch.setattr(botocore.auth, "get_current_datetime", lambda remove_tzinfo=True: moment)
    return str(bucket.client.generate_presigned_url("get_object", Params=wanted, ExpiresIn=60))


class TestAWrongConfiguration:
    """Said at the start, with the variable to look at."""

    @pytest.mark.parametrize("address", ["content", "s3://", "https://content/team", "gs://content"])
    def test_an_address_that_is_none(self, address):
        with pytest.raises(UnusableObjectStore, match="s3://BUCKET"):
            Bucket.at(address, {})

    def test_a_store_that_can_be_used(self, store, bucket):
        store.check()
        assert bucket.keys() == []

    def test_a_bucket_that_is_not_there(self, bucket):
        with pytest.raises(UnusableObjectStore, match="There is no bucket elsewhere"):
            S3BlobStore(Bucket.at("s3://elsewhere", bucket.environment)).check()

    def test_a_server_that_does_not_answer(self, bucket):
        nobody = {**bucket.environment, "AWS_ENDPOINT_URL": "http://127.0.0.1:9"}
        with pytest.raises(Unavailable, match="does not answer"):
            S3BlobStore(Bucket.at("s3://content", nobody)).check()


class TestKilled:
    """`kill -9` at any point: nothing half done has a blob's name, and what was left is swept."""

    def test_killed_while_a_long_upload_streams(self, store, bucket):
        digest = sha256(LARGE * 2)
        _run_and_die(
            bucket,
            f"""
            context = store.writer({digest!r}, {2 * len(LARGE)}); writer = context.__enter__()
            for _ in range(45):
                writer.write(bytes(MiB))
            """,
        )
        assert list(store.keys()) == []
        assert bucket.open_uploads() == [f"team/a/sha256/{digest[:2]}/{digest[2:4]}/{digest}"]
        assert store.sweep(timedelta(hours=1)) == 1  # moto says of every open upload that it was begun in 2010
        assert bucket.open_uploads() == []

    def test_parts_survive_the_process_that_received_them(self, store, bucket):
        _run_and_die(bucket, "put_all_parts(store, upload, CONTENT[:MiB] + bytes(MiB) + b'tail')")
        upload = PartialUpload("survivor", len(CONTENT), MiB)
        assert list(store.parts("survivor")) == [1, 2, 3]
        put_part(store, upload, 2, CONTENT[MiB : 2 * MiB])
        assert store.assemble(upload, sha256(CONTENT)).size == len(CONTENT)

    def test_killed_after_the_blob_was_made_completing_again_succeeds(self, store, bucket):
        _run_and_die(bucket, "put_all_parts(store, upload, CONTENT); store.assemble(upload, sha256(CONTENT))")
        upload = PartialUpload("survivor", len(CONTENT), MiB)
        assert store.assemble(upload, sha256(CONTENT)).size == len(CONTENT)


def _run_and_die(bucket: LiveBucket, statements: str) -> None:
    """Run them in another process, which then kills itself as hard as a process can be killed."""
    script = textwrap.dedent(f"""
        import os, signal, time
        from tests.unit.storage.battery import *
        from viveiro.storage import PartialUpload
        from viveiro.storage.s3 import Bucket, S3BlobStore
        store = S3BlobStore(Bucket.at("s3://content/team/a", {dict(bucket.environment)!r}))
        upload = PartialUpload("survivor", len(CONTENT), MiB)
    """)
    script += textwrap.dedent(statements) + "\ntime.sleep(1)\nos.kill(os.getpid(), signal.SIGKILL)\n"
    ended = subprocess.run([sys.executable, "-c", script], cwd=Path(__file__).parents[2], timeout=120)
    assert ended.returncode == -9


class TestTheStoreStops:
    """Midway or before: said as such, nothing is damaged, and the same again works."""

    def test_while_a_long_upload_streams(self, store, bucket):
        with pytest.raises(Unavailable, match="does not answer"), store.writer(sha256(LARGE)) as writer:
            writer.write(LARGE[: 20 * MiB])
            bucket.stop()
            writer.write(LARGE[20 * MiB :])
            writer.finish()
        bucket.start_again()
        assert list(store.keys()) == []
        assert put(store, LARGE).sha256 == sha256(LARGE)

    def test_while_a_blob_is_read(self, store, bucket):
        digest = put(store, LARGE).sha256
        chunks = store.read(digest)
        next(chunks)
        bucket.stop()
        with pytest.raises(Unavailable):
            list(chunks)
        bucket.start_again()
        assert b"".join(store.read(digest)) == LARGE
