"""A real S3 server on loopback, with a bucket: moto's, over HTTP like any other."""

import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import boto3
import httpx
from botocore.config import Config
from moto.server import ThreadedMotoServer

KEYS = {"AWS_ACCESS_KEY_ID": "viveiro", "AWS_SECRET_ACCESS_KEY": "not so secret", "AWS_REGION": "us-east-1"}


@dataclass
class LiveBucket:
    """`client` looks at it as its operator would."""

    server: ThreadedMotoServer
    url: str
    name: str = "content"

    @cached_property
    def client(self) -> Any:
        session = boto3.Session(KEYS["AWS_ACCESS_KEY_ID"], KEYS["AWS_SECRET_ACCESS_KEY"], region_name="us-east-1")
        config = Config(signature_version="s3v4", s3={"addressing_style": "path"})
        return session.client("s3", endpoint_url=self.url, config=config)

    @property
    def environment(self) -> Mapping[str, str]:
        return {**KEYS, "AWS_ENDPOINT_URL": self.url}

    @property
    def settings(self) -> dict[str, str]:
        """What `viveiro serve` needs to keep its content here."""
        return {**self.environment, "VIVEIRO_OBJECT_STORE": f"s3://{self.name}/team/a"}

    def keys(self) -> list[str]:
        return [item["Key"] for item in self.client.list_objects_v2(Bucket=self.name).get("Contents", [])]

    def open_uploads(self) -> list[str]:
        """Multipart uploads that were begun and not completed."""
        return [item["Key"] for item in self.client.list_multipart_uploads(Bucket=self.name).get("Uploads", [])]

    def empty(self) -> None:
        for upload in self.client.list_multipart_uploads(Bucket=self.name).get("Uploads", []):
            self.client.abort_multipart_upload(Bucket=self.name, Key=upload["Key"], UploadId=upload["UploadId"])
        for key in self.keys():
            self.client.delete_object(Bucket=self.name, Key=key)

    def stop(self) -> None:
        self.server.stop()

    def start_again(self) -> None:
        """At the same address, with what it held: moto keeps it in this process."""
        port = int(self.url.rpartition(":")[2])
        self.server = ThreadedMotoServer("127.0.0.1", port, verbose=False)
        self.server.start()


@contextmanager
def live_bucket() -> Iterator[LiveBucket]:
    logging.getLogger("werkzeug").setLevel(logging.CRITICAL)
    server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    bucket = LiveBucket(server, f"http://{host}:{port}")
    # All of moto's servers in one process share what they hold, and leave it there when they stop.
    httpx.post(f"{bucket.url}/moto-api/reset").raise_for_status()
    bucket.client.create_bucket(Bucket=bucket.name)
    try:
        yield bucket
    finally:
        bucket.client.close()
        bucket.server.stop()
