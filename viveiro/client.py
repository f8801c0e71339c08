"""The platform from Python, over HTTP. The command line is built on it and on nothing else.

with Client("http://127.0.0.1:7860", token="hf_…") as client:
    run = client.start_run("text-classification", "acai/tickets", params={"method": "full"})
    run = client.wait_run(run["run_id"])
    print(run["model"], run["metrics"]["f1_macro"])

`get_client()` is the client of this machine's own server. What has no method of its own: client.get("/api/v1/jobs").
"""

import contextlib
import fcntl
import itertools
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

import httpx

from viveiro.errors import NotAuthenticated, Unavailable, ViveiroError
from viveiro.locale import Sentence, current_language, recognised
from viveiro.settings import Settings

START_SECONDS: Final = 120
START_POLL_SECONDS: Final = 0.05
UPLOAD_CHUNK: Final = 2**20
POLL_SECONDS: Final = 0.3
ITEMS_AT_ONCE: Final = 1000
PATIENCE_SECONDS: Final = 60
"""How long the server may be gone while something is waited for: its supervisor restarts a web process that died."""
AWAY: Final = frozenset({502, 503, 504})
"""What a proxy says of a server that is away."""
ENDED: Final = ("succeeded", "failed", "cancelled")
"""Last states of jobs and runs."""


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


class RunFailed(ViveiroError):
    """A run that was waited for ended without a model. `run` says how."""

    def __init__(self, run: Mapping[str, Any]) -> None:
        self.run = run
        if run["state"] == "cancelled":
            super().__init__(
                "Run {run_id} was cancelled, and published nothing. To start it again: "
                "viveiro runs info {run_id} --yaml > run.yaml, then viveiro runs start --config run.yaml",
                run_id=run["run_id"],
            )
        else:
            super().__init__(
                "Run {run_id} failed: {error} What it printed: viveiro runs logs {run_id}",
                run_id=run["run_id"],
                error=run["error"] or Sentence("It did not say why."),
            )


@dataclass(frozen=True, slots=True)
class Predictions:
    """What a served model says of some texts.

    Attributes:
        answers: one for each text, in the format of the model's task.
        decision: how a classifier decides: softmax gives a text one label, sigmoid any number of them.
    """

    answers: list[Any]
    decision: str


class Client:
    """Each method answers the decoded JSON, and raises Refused or ServerUnreachable."""

    def __init__(
        self,
        url: str,
        token: str | None = None,
        *,
        server: subprocess.Popen[bytes] | None = None,
        data_dir: Path | None = None,
    ) -> None:
        self._server = server
        self._data_dir = data_dir
        headers = {"Accept-Language": current_language()}
        self._http = httpx.Client(
            headers=headers,
            timeout=httpx.Timeout(60, read=600),
            follow_redirects=True,  # a repo that has moved answers so by its old name
            trust_env=False,
        )
        self._meet(url, token)

    def _meet(self, url: str, token: str | None) -> None:
        self.url, self.token = url.rstrip("/"), token
        self._http.base_url = httpx.URL(self.url)
        if token:
            self._http.headers["Authorization"] = f"Bearer {token}"

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

    @property
    def owns_server(self) -> bool:
        """Whether the server was started for this client, and ends with it."""
        return self._server is not None

    # -- runs ----------------------------------------------------------------------------------------------------------

    def start_run(
        self,
        task: str,
        data: str,
        *,
        columns: Mapping[str, str] | None = None,
        base: str | None = None,
        params: Mapping[str, Any] | None = None,
        publish: str | None = None,
        visibility: str | None = None,
        budget_minutes: float | None = None,
    ) -> dict[str, Any]:
        """Start adapting a model; the run, with everything resolved. It goes on in the background.

        Args:
            task: such as text-classification.
            data: the dataset, ORG/NAME or ORG/NAME@revision.
            columns: role of the task → column. What is not named is guessed.
            base: the model to start from; the starter when not given.
            params: of the task, as in {"method": "full", "seed": 1}.
            publish: ORG/NAME to commit the model to; named after data and base when not given.
            visibility: public or private, of that repo if it has to be made.
            budget_minutes: training stops then, and keeps the best model until there.
        """
        description: dict[str, Any] = {"task": task, "data": data, "columns": columns, "base": base, "params": params}
        description |= {"publish": publish, "visibility": visibility, "budget_minutes": budget_minutes}
        run: dict[str, Any] = self.post("/api/v1/runs", json=_present(description))
        return run

    def wait_run(self, run_id: str) -> dict[str, Any]:
        """The run when it has succeeded. Raises RunFailed when it ends in any other way."""
        *_, run = self.changes(f"/api/v1/runs/{run_id}")
        if run["state"] != "succeeded":
            raise RunFailed(run)
        return run

    def changes(self, path: str) -> Iterator[dict[str, Any]]:
        """A job or a run, looked at again and again until it has ended. A server that restarts meanwhile is waited for."""
        reached = time.monotonic()
        while True:
            try:
                found: dict[str, Any] = self.get(path)
            except (ServerUnreachable, Refused) as error:
                if time.monotonic() > reached + PATIENCE_SECONDS or not self._may_pass(error):
                    raise
            else:
                reached = time.monotonic()
                yield found
                if found["state"] in ENDED:
                    return
            time.sleep(POLL_SECONDS)

    def _may_pass(self, error: ViveiroError) -> bool:
        """Whether to ask again. A server of this machine that was started anew has another token, and perhaps another port."""
        if isinstance(error, Refused) and error.http_status in AWAY:
            return True
        if isinstance(error, Refused) and error.http_status != NotAuthenticated.status:
            return False
        if self._data_dir is not None and (address := _address(self._data_dir)) is not None:
            self._meet(address["url"], address["token"])
            return True
        return isinstance(error, ServerUnreachable)

    # -- served models -------------------------------------------------------------------------------------------------

    def predict(self, model: str, texts: Sequence[str], *, top_k: int | None = None) -> Predictions:
        """Ask a deployed model. An access token that may infer is enough.

        Args:
            model: ORG/NAME.
            top_k: how many labels of each text, whatever their thresholds. Only classifiers know it.
        """
        request: dict[str, Any] = {"inputs": list(texts)}
        if top_k is not None:
            request["parameters"] = {"top_k": top_k}
        response = self._send("POST", f"/models/{model}", json=request)
        return Predictions(response.json(), response.headers.get("X-Viveiro-Decision", ""))

    # -- any address ---------------------------------------------------------------------------------------------------

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
        response = self._send("GET", path, params=params)
        yield from response.json()
        while (following := response.links.get("next", {}).get("url")) is not None:
            # Its query is all that is new. Its host is the one that the world knows, and none of this token's business.
            response = self._send("GET", f"{path}?{httpx.URL(following).query.decode()}")
            yield from response.json()

    def first(self, count: int, path: str, **params: Any) -> list[Any]:
        """So many items of a paginated list, or all where there are fewer."""
        return list(itertools.islice(self.pages(path, limit=min(count, ITEMS_AT_ONCE), **params), count))

    def items_after(self, path: str, seq: int = 0) -> Iterator[dict[str, Any]]:
        """What a list that grows (events of a job, points of a run) holds by now behind the item of this `seq`."""
        while True:
            items = self.get(path, after=seq, limit=ITEMS_AT_ONCE)
            yield from items
            if len(items) < ITEMS_AT_ONCE:
                return
            seq = items[-1]["seq"]

    def stream_lines(self, path: str, **params: Any) -> Iterator[str]:
        """Lines of an answer that goes on for as long as the work does (logs, server-sent events)."""
        with self._connected(), self._http.stream("GET", path, params=_query(params), timeout=None) as response:
            if response.is_error:
                response.read()
                raise Refused(response)
            yield from response.iter_lines()

    def download(self, path: str, file: Path, **params: Any) -> int:
        """Write an answer's body to a file, whole or not at all; its size in bytes."""
        partial = file.with_name(f"{file.name}.partial")
        with self._connected(), self._http.stream("GET", path, params=_query(params), timeout=None) as response:
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
            response = self._http.request(method, path, params=_query(params), **options)
        if response.is_error:
            raise Refused(response)
        return response

    @contextlib.contextmanager
    def _connected(self) -> Iterator[None]:
        try:
            yield
        except httpx.TransportError as error:
            raise ServerUnreachable(self.url, recognised(str(error)) or type(error).__name__) from error


def get_client() -> Client:
    """The server that this machine's settings mean.

    VIVEIRO_URL and VIVEIRO_TOKEN name one anywhere. Else it is the data folder's own: see `local_client`.
    """
    if url := os.environ.get("VIVEIRO_URL"):
        return Client(url, os.environ.get("VIVEIRO_TOKEN"))
    return local_client(Settings())


def local_client(settings: Settings) -> Client:
    """Of the server that holds the data folder. When none does, one is started, and ends with the client.

    Raises ServerDidNotStart, or NotAuthenticated where the server cannot be asked.
    """
    give_up = time.monotonic() + START_SECONDS
    while is_held(settings.data_dir):
        if (address := _address(settings.data_dir)) is not None:
            return Client(address["url"], address["token"], data_dir=settings.data_dir)
        if time.monotonic() > give_up:
            raise NotAuthenticated(
                "The server that holds {data_dir} wrote no readable server.json.", data_dir=settings.data_dir
            )
        time.sleep(START_POLL_SECONDS)
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


def _address(data_dir: Path) -> dict[str, Any] | None:
    """What the server wrote down when it could be asked: url, token and pid. A killed one leaves it behind."""
    try:
        address: dict[str, Any] = json.loads((data_dir / "server.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return address if {"url", "token", "pid"} <= address.keys() else None


def _start_server(settings: Settings) -> Client:
    for folder in (settings.data_dir, settings.logs_dir):
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    log = settings.logs_dir / "serve.log"
    with log.open("ab") as output:
        server = subprocess.Popen(
            [sys.executable, "-P", "-m", "viveiro", "serve", "--port", "0"],
            env={**os.environ, **settings.environment()},
            stdout=output,
            stderr=output,
            stdin=subprocess.DEVNULL,
        )
    give_up = time.monotonic() + START_SECONDS
    while server.poll() is None and time.monotonic() < give_up:
        address = _address(settings.data_dir)
        if address is not None and address["pid"] == server.pid:
            return Client(address["url"], address["token"], server=server, data_dir=settings.data_dir)
        time.sleep(START_POLL_SECONDS)
    server.terminate()
    server.wait()
    if is_held(settings.data_dir):  # by the server of another command, which was quicker
        return local_client(settings)
    raise ServerDidNotStart(settings.data_dir, log)


def _present(fields: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in fields.items() if value is not None}


def _query(params: dict[str, Any] | None) -> dict[str, Any] | None:
    """None where nothing is asked: given an empty mapping, httpx drops the query that the address itself has."""
    return _present(params or {}) or None


def _message(response: httpx.Response) -> str:
    with contextlib.suppress(ValueError):
        body = response.json()
        if isinstance(body, dict) and body.get("error"):
            return str(body["error"])
    return response.headers.get("X-Error-Message") or f"{response.status_code} {response.reason_phrase}"
