"""uvicorn with our protocol, on a real socket: files sent by the kernel, and bodies delivered whole."""

import asyncio
import os
import socket
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest

from viveiro.http import sendfile
from viveiro.http.protocol import SENDFILE
from viveiro.http.server import make_server

MiB = 2**20
CONTENT = os.urandom(9 * MiB + 7)


class Application:
    """Sends what the query says of one file, and remembers the bodies it was sent."""

    def __init__(self, file: Path) -> None:
        self.file = file
        self.bodies: list[bytes] = []

    async def __call__(self, scope, receive, send):
        if scope["type"] == "lifespan":
            return
        if scope["method"] == "POST":
            await self.take(receive, send)
        else:
            start, stop, announced = map(int, scope["query_string"].split(b","))
            await self.give(send, start, stop, announced)

    async def give(self, send, start, stop, announced):
        headers = [(b"content-length", str(announced).encode())]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        with self.file.open("rb") as file:
            await send({"type": SENDFILE, "file": file.fileno(), "offset": start, "count": stop - start})
        await send({"type": "http.response.body", "body": b"", "more_body": False})

    async def take(self, receive, send):
        await asyncio.sleep(0.3)  # by now the sender has hung up
        body = b""
        while (message := await receive())["type"] == "http.request":
            body += message["body"]
            if not message["more_body"]:
                self.bodies.append(body)
                break
        assert (await receive())["type"] == "http.disconnect"


@pytest.fixture
def application(tmp_path: Path) -> Application:
    file = tmp_path / "content"
    file.write_bytes(CONTENT)
    return Application(file)


@pytest.fixture
def url(application: Application) -> Iterator[str]:
    listener = socket.create_server(("127.0.0.1", 0))
    started = threading.Event()
    server = make_server(application, on_ready=started.set)
    port = listener.getsockname()[1]
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
    thread.start()
    assert started.wait(10)
    yield f"http://127.0.0.1:{port}"
    server.should_exit = True
    thread.join()


def port_of(url: str) -> int:
    return int(url.rpartition(":")[2])


def get(url: str, start: int, stop: int) -> bytes:
    return httpx.get(f"{url}/?{start},{stop},{stop - start}").content


class TestSendfile:
    @pytest.mark.parametrize(
        ("start", "stop"), [(0, 1), (0, len(CONTENT)), (MiB - 1, MiB + 1), (len(CONTENT) - 1, len(CONTENT))]
    )
    def test_just_the_bytes_asked_for(self, url, start, stop):
        assert get(url, start, stop) == CONTENT[start:stop]

    def test_the_connection_serves_the_next_request(self, url):
        with httpx.Client(base_url=url, limits=httpx.Limits(max_connections=1)) as client:
            for size in (5, MiB, len(CONTENT), 1):
                assert client.get(f"/?0,{size},{size}").content == CONTENT[:size]

    def test_many_at_once(self, url):
        with ThreadPoolExecutor(50) as threads:
            answers = threads.map(lambda start: get(url, start, start + 3 * MiB), range(100))
            assert all(answer == CONTENT[start : start + 3 * MiB] for start, answer in enumerate(answers))

    def test_a_slow_client_gets_all_of_it(self, url):
        with socket.create_connection(("127.0.0.1", port_of(url))) as connection:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 128 * 1024)
            connection.sendall(f"GET /?0,{2 * MiB},{2 * MiB} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode())
            time.sleep(0.3)
            answer = b"".join(iter(lambda: connection.recv(65536), b""))
        assert answer.endswith(CONTENT[: 2 * MiB])

    def test_a_client_that_leaves_frees_its_file(self, url, application):
        for _ in range(10):
            with httpx.stream("GET", f"{url}/?0,{len(CONTENT)},{len(CONTENT)}") as answer:
                next(answer.iter_raw(1000))
        deadline = time.monotonic() + 10
        while _descriptors_of(application.file) and time.monotonic() < deadline:
            time.sleep(0.02)
        assert _descriptors_of(application.file) == 0
        assert get(url, 0, 5) == CONTENT[:5]

    def test_a_client_that_takes_nothing_is_cut_off(self, url, application, monkeypatch):
        monkeypatch.setattr(sendfile, "STALL_SECONDS", 0.2)
        with socket.create_connection(("127.0.0.1", port_of(url))) as connection:
            connection.sendall(f"GET /?0,{len(CONTENT)},{len(CONTENT)} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
            deadline = time.monotonic() + 10
            while not _descriptors_of(application.file) and time.monotonic() < deadline:
                time.sleep(0.02)
            while _descriptors_of(application.file) and time.monotonic() < deadline:
                time.sleep(0.02)
        assert _descriptors_of(application.file) == 0

    def test_a_file_that_became_shorter_breaks_the_answer_off(self, url, application):
        size = len(CONTENT) + 1
        with pytest.raises(httpx.RemoteProtocolError):
            httpx.get(f"{url}/?0,{size},{size}")
        assert get(url, 0, 5) == CONTENT[:5]

    def test_more_bytes_than_announced_are_an_error_not_an_answer(self, url):
        with pytest.raises(httpx.RemoteProtocolError):
            httpx.get(f"{url}/?0,10,5")
        assert get(url, 0, 5) == CONTENT[:5]


def _descriptors_of(file: Path) -> int:
    found = 0
    for link in Path("/proc/self/fd").iterdir():
        try:
            found += link.readlink() == file
        except FileNotFoundError:
            continue
    return found


class TestBodies:
    @pytest.mark.parametrize("body", [b"", b"short", CONTENT[:40_000]], ids=["empty", "short", "longer"])
    def test_what_arrived_whole_is_delivered_whole_though_its_sender_hung_up(self, url, application, body):
        with socket.create_connection(("127.0.0.1", port_of(url))) as connection:
            connection.sendall(f"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body)
        deadline = time.monotonic() + 10
        while not application.bodies and time.monotonic() < deadline:
            time.sleep(0.02)
        assert application.bodies == [body]

    def test_what_did_not_is_not(self, url, application):
        with socket.create_connection(("127.0.0.1", port_of(url))) as connection:
            connection.sendall(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\nhalf")
        time.sleep(0.6)
        assert application.bodies == []
