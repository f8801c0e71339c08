"""Where the bucket is and who we are there, as operators tell AWS's own programs: by AWS_* variables. No I/O."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Self
from urllib.parse import urlsplit

from viveiro.errors import InvalidInput


class UnusableObjectStore(InvalidInput):
    """What VIVEIRO_OBJECT_STORE names cannot hold an installation's content."""


@dataclass(frozen=True, slots=True)
class Credentials:
    access_key_id: str
    secret_access_key: str = field(repr=False)
    session_token: str | None = field(default=None, repr=False)

    @classmethod
    def of(cls, environment: Mapping[str, str]) -> Self | None:
        access_key_id = environment.get("AWS_ACCESS_KEY_ID")
        secret_access_key = environment.get("AWS_SECRET_ACCESS_KEY")
        if not access_key_id or not secret_access_key:
            return None
        return cls(access_key_id, secret_access_key, environment.get("AWS_SESSION_TOKEN"))


@dataclass(frozen=True, slots=True)
class Bucket:
    name: str
    prefix: str
    endpoint: str
    region: str
    credentials: Credentials | None
    """None: those of an instance's or container's role, which only `obstore` knows how to ask for."""

    @classmethod
    def at(cls, address: str, environment: Mapping[str, str]) -> Self:
        """`s3://bucket/prefix`. Raises UnusableObjectStore."""
        parts = urlsplit(address)
        if parts.scheme != "s3" or not parts.netloc or parts.query or parts.fragment:
            raise UnusableObjectStore(
                "VIVEIRO_OBJECT_STORE is {address!r}. Write s3://BUCKET or s3://BUCKET/PREFIX, and into AWS_ENDPOINT_URL the "
                "address of the store where it is not Amazon's.",
                address=address,
            )
        region = environment.get("AWS_REGION") or environment.get("AWS_DEFAULT_REGION") or "us-east-1"
        endpoint = environment.get("AWS_ENDPOINT_URL_S3") or environment.get("AWS_ENDPOINT_URL")
        return cls(
            parts.netloc,
            parts.path.strip("/"),
            (endpoint or f"https://s3.{region}.amazonaws.com").rstrip("/"),
            region,
            Credentials.of(environment),
        )

    def __str__(self) -> str:
        return f"s3://{self.name}/{self.prefix}".rstrip("/")

    def key(self, path: str) -> str:
        """What the store calls an object of ours."""
        return f"{self.prefix}/{path}" if self.prefix else path
