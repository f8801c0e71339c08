"""The platform from Python, over HTTP. The command line is built on it and on nothing else.

client = Client("http://127.0.0.1:7860", token="hf_…")
client.get("/api/v1/jobs")
"""

import contextlib
import fcntl
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

import httpx

from viveiro.errors import NotAuthenticated, Unavailable, ViveiroError
from viveiro.settings import Settings

START_SECONDS: Final = 120
UPLOAD_CHUNK: Final = 2**20


class Refused(ViveiroError):
    """The server's answer was an error. `status` and `error_code` are the answer's, the message is the server's own."""

    def __init__(self, response: httpx.Response) -> None:
        super().__init__("{message}", message=_message(response))
        self.http_status = response.status_code
        self.error_code = response.headers.get("X-Error-Code", "")


class ServerUnreachable(Unavailable):
    def __init__(self, url: str, why: str) -> None:
        super().__init__(
            "No answer from {url}: {why}. Is the server running? To start it: viveiro serve", url=url, why=why
        )


class ServerDidNotStart(Unavailable):
    def __init__(self, data_dir: Path, log: Path) -> None:
        super().__init__("No server came up on {data_dir}. Its last words are in {log}.", data_dir=data_dir, log=log)


class Client:
    """Each method answers the decoded JSON, and raises Refused or ServerUnreachable."""

    def __init__(self, url: str, token: str | None = None, *, server: subprocess.Popen[bytes] | None = None) -> None:
        self.url = url.rstrip("/")
        self.token = token
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        self._http = httpx.Client(
            base_url=self.url, headers=headers, timeout=httpx.Timeout(60, read=600), trust_env=False
        )
        self._server = server

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Also ends the server, when this client had to start one."""
        self._http.close()
        if self._server is not None:
            self._server.terminate()
            self._server.wait()
            self._server = None

    def get(self, path: str, **params: Any) -> Any:
        return self.request("GET", path, params=params)

    def post(self, path: str, json: Any = None, **params: Any) -> Any:
        return self.request("POST", path, json=json, params=params)

    def put(self, path: str, json: Any = None, **params: Any) -> Any:
        return self.request("PUT", path, json=json, params=params)

    def patch(self, path: str, json: Any = None) -> Any:
        return self.request("PATCH", path, json=json)

    def delete(self, path: str, json: Any = None, **params: Any) -> Any:
        return self.request("DELETE", path, json=json, params=params)

    def put_file(self, path: str, file: Path, *, method: str = "PUT", **params: Any) -> Any:
        """Send a file as the request's body, in pieces: it may be larger than memory."""
        with file.open("rb") as opened:
            content = iter(lambda: opened.read(UPLOAD_CHUNK), b"")
            headers = {"Content-Length": str(file.stat().st_size), "Content-Type": "application/octet-stream"}
            return self.request(method, path, content=content, headers=headers, params=params)

    def get_text(self, path: str, **params: Any) -> str:
        return self._send("GET", path, params=params).text

    def request(self, method: str, path: str, **options: Any) -> Any:
        response = self._send(method, path, **options)
        return response.json() if response.content else None

    def pages(self, path: str, **params: Any) -> Iterator[Any]:
        """Every item of a paginated list: follows `Link: <…>; rel="next"`."""
        next_path: str | None = path
        while next_path is not None:
            response = self._send("GET", next_path, params=params)
            yield from response.json()
            next_path, params = response.links.get("next", {}).get("url"), {}

    def stream_lines(self, path: str, **params: Any) -> Iterator[str]:
        """Lines of an answer that goes on for as long as the work does (logs, server-sent events)."""
        with self._connected(), self._http.stream("GET", path, params=_present(params), timeout=None) as response:
            if response.is_error:
                response.read()
                raise Refused(response)
            yield from response.iter_lines()

    def download(self, path: str, file: Path, **params: Any) -> int:
        """Write an answer's body to a file, whole or not at all; its size in bytes."""
        partial = file.with_name(f"{file.name}.partial")
        with self._connected(), self._http.stream("GET", path, params=_present(params), timeout=None) as response:
            if response.is_error:
                response.read()
                raise Refused(response)
            with partial.open("wb") as opened:
                for chunk in response.iter_bytes(UPLOAD_CHUNK):
                    opened.write(chunk)
        partial.replace(file)
        return file.stat().st_size

    def _send(self, method: str, path: str, *, params: dict[str, Any] | None = None, **options: Any) -> httpx.Response:
        with self._connected():
            response = self._http.request(method, path, params=_present(params or {}), **options)
        if response.is_error:
            raise Refused(response)
        return response

    @contextlib.contextmanager
    def _connected(self) -> Iterator[None]:
        try:
            yield
        except httpx.TransportError as error:
            raise ServerUnreachable(self.url, str(error) or type(error).__name__) from error


def get_client() -> Client:
    """The server that this machine's settings mean.

    VIVEIRO_URL and VIVEIRO_TOKEN name one anywhere. Else it is the one that holds the data folder; when none does, one is
    started and ends with the client.
    """
    if url := os.environ.get("VIVEIRO_URL"):
        return Client(url, os.environ.get("VIVEIRO_TOKEN"))
    settings = Settings()
    if is_held(settings.data_dir):
        return _client_of(settings.data_dir)
    return _start_server(settings)


def is_held(data_dir: Path) -> bool:
    """Whether a server holds the folder's lock."""
    path = data_dir / "lock"
    if not path.exists():
        return False
    with path.open() as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False


def _client_of(data_dir: Path, server: subprocess.Popen[bytes] | None = None) -> Client:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline and (server is None or server.poll() is None):
        with contextlib.suppress(OSError, ValueError, KeyError):
            address = json.loads((data_dir / "server.json").read_text())
            return Client(address["url"], address["token"], server=server)
        time.sleep(0.05)
    raise NotAuthenticated("The server that holds {data_dir} wrote no readable server.json.", data_dir=data_dir)


def _start_server(settings: Settings) -> Client:
    for folder in (settings.data_dir, settings.logs_dir):
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    log = settings.logs_dir / "serve.log"
    with log.open("ab") as output:
        server = subprocess.Popen(
            [sys.executable, "-m", "viveiro", "serve", "--port", "0"],
            env={**os.environ, **settings.environment()},
            stdout=output,
            stderr=output,
            stdin=subprocess.DEVNULL,
        )
    try:
        return _client_of(settings.data_dir, server)
    except NotAuthenticated:
        server.terminate()
        raise ServerDidNotStart(settings.data_dir, log) from None


def _present(params: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in params.items() if value is not None}


def _message(response: httpx.Response) -> str:
    with contextlib.suppress(ValueError):
        body = response.json()
        if isinstance(body, dict) and body.get("error"):
            return str(body["error"])
    return response.headers.get("X-Error-Message") or f"{response.status_code} {response.reason_phrase}"
