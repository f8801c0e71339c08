"""Addresses that a bucket's store answers without asking who calls. Pure.

`obstore` signs an object's bare address only. With a query, a browser is told the file's name, and multipart uploads that
nobody ends are found and ended.

Source: AWS Signature Version 4, "Authenticating Requests: Using Query Parameters".
"""

import hashlib
import hmac
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from functools import reduce
from typing import Final
from urllib.parse import quote, urlsplit

from viveiro.storage.s3.bucket import Bucket, Credentials

_ALGORITHM: Final = "AWS4-HMAC-SHA256"


def presign(
    method: str,
    bucket: Bucket,
    credentials: Credentials,
    key: str,
    query: Mapping[str, str],
    lifetime: timedelta,
    *,
    now: datetime,
    endpoint: str | None = None,
) -> str:
    """An address for one method on one object, or with an empty key on the bucket.

    Args:
        endpoint: where the caller reaches the store, if not where we do: the host is part of what is signed.
    """
    base = urlsplit(endpoint or bucket.endpoint)
    path = quote(f"{base.path.rstrip('/')}/{bucket.name}" + (f"/{key}" if key else ""))
    at = now.astimezone(UTC).strftime("%Y%m%dT%H%M%SZ")
    scope = f"{at[:8]}/{bucket.region}/s3/aws4_request"
    signed = {
        **query,
        "X-Amz-Algorithm": _ALGORITHM,
        "X-Amz-Credential": f"{credentials.access_key_id}/{scope}",
        "X-Amz-Date": at,
        "X-Amz-Expires": str(int(lifetime.total_seconds())),
        "X-Amz-SignedHeaders": "host",
    }
    if credentials.session_token:
        signed["X-Amz-Security-Token"] = credentials.session_token
    listed = "&".join(f"{quote(name, safe='')}={quote(value, safe='')}" for name, value in sorted(signed.items()))
    request = "\n".join([method, path, listed, f"host:{base.netloc}\n", "host", "UNSIGNED-PAYLOAD"])
    told = "\n".join([_ALGORITHM, at, scope, hashlib.sha256(request.encode()).hexdigest()])
    signature = _sign(_key(credentials, at, bucket.region), told).hex()
    return f"{base.scheme}://{base.netloc}{path}?{listed}&X-Amz-Signature={signature}"


def _key(credentials: Credentials, at: str, region: str) -> bytes:
    steps = (at[:8], region, "s3", "aws4_request")
    return reduce(_sign, steps, f"AWS4{credentials.secret_access_key}".encode())


def _sign(key: bytes, text: str) -> bytes:
    return hmac.new(key, text.encode(), hashlib.sha256).digest()
