"""What leaves this installation connects to the address that was looked at, and to no private one."""

import socket
import threading
from collections.abc import Callable
from contextlib import closing
from ipaddress import ip_address
from typing import Any

import httpx2
import pytest

from viveiro.errors import Forbidden, Unavailable
from viveiro.hub.outbound import guarded_client, is_public

PUBLIC = "93.184.216.34"
Resolve = Callable[..., None]


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def resolve(monkeypatch: pytest.MonkeyPatch) -> Resolve:
    """`resolve("a.example", ADDRESS, …)`: a name server that gives one address after the other."""
    genuine = socket.getaddrinfo

    def teach(name: str, *addresses: str) -> None:
        answers = list(addresses)

        def answer(host: Any, port: Any, *args: Any, **kwargs: Any) -> Any:
            wanted = answers.pop(0) if host == name else host
            return genuine(wanted, port, *args, **kwargs)

        monkeypatch.setattr(socket, "getaddrinfo", answer)

    return teach


class TestNames:
    @pytest.mark.parametrize("address", ["127.0.0.1", "10.0.0.8", "169.254.169.254", "::1"])
    def test_that_mean_a_private_address_are_refused(self, resolve: Resolve, address: str) -> None:
        resolve("inside.example", address)
        with guarded_client(()) as client, pytest.raises(Forbidden, match=r"inside\.example has the private address"):
            client.get("http://inside.example/")

    def test_that_change_their_meaning_are_connected_to_as_they_were_looked_at(
        self, resolve: Resolve, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        resolve("rebound.example", PUBLIC, "127.0.0.1")
        reached = []

        def connect(address: tuple[str, int], *_: Any, **__: Any) -> socket.socket:
            reached.append(address)
            raise ConnectionRefusedError

        monkeypatch.setattr(socket, "create_connection", connect)
        with guarded_client(()) as client, pytest.raises(httpx2.ConnectError):
            client.get("http://rebound.example:8080/")
        assert reached == [(PUBLIC, 8080)]

    def test_that_mean_nothing_are_unavailable(self) -> None:
        with guarded_client(()) as client, pytest.raises(Unavailable, match="cannot be resolved"):
            client.get("http://nowhere.invalid/")

    def test_that_are_no_names_are_unavailable(self) -> None:
        with guarded_client(()) as client, pytest.raises((Unavailable, httpx2.InvalidURL)):
            client.get(f"http://{'a' * 70}.example/")


class TestRedirects:
    @pytest.mark.parametrize("target", ["http://127.0.0.1:1/", "http://[::1]:1/", "http://localhost:1/"])
    def test_to_private_places_are_refused(self, target: str) -> None:
        with answering(f"HTTP/1.1 302 Found\r\nLocation: {target}\r\nContent-Length: 0\r\n\r\n".encode()) as port:
            # The first hop is allowed by its name; so the second is refused for its address alone.
            allowed = {"ip6-localhost", "127.0.0.2"}
            with guarded_client(allowed, follow_redirects=True) as client, pytest.raises(Forbidden):
                client.get(f"http://127.0.0.2:{port}/")


class TestTime:
    def test_a_server_that_drips_is_left(self) -> None:
        with (
            dripping() as port,
            guarded_client({"127.0.0.1"}, seconds=0.5, timeout=30) as client,
            pytest.raises(httpx2.TimeoutException),
        ):
            client.get(f"http://127.0.0.1:{port}/")


class answering:  # noqa: N801 - reads as a word
    """A server that answers each connection with the same bytes, `pause` seconds apart."""

    def __init__(self, answer: bytes, pause: float = 0) -> None:
        self._answer = answer
        self._pause = pause
        self._stop = threading.Event()

    def __enter__(self) -> int:
        self._listening = socket.create_server(("", 0))
        self._thread = threading.Thread(target=self._serve)
        self._thread.start()
        port: int = self._listening.getsockname()[1]
        return port

    def _serve(self) -> None:
        while not self._stop.is_set():
            try:
                connection, _ = self._listening.accept()
            except OSError:
                return
            with closing(connection):
                if self._stop.is_set():
                    return
                connection.recv(65536)
                for byte in self._parts():
                    try:
                        connection.sendall(byte)
                    except OSError:
                        break
                    if self._stop.wait(self._pause):
                        break

    def _parts(self) -> list[bytes]:
        return [self._answer[at : at + 1] for at in range(len(self._answer))] if self._pause else [self._answer]

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        with closing(socket.create_connection(self._listening.getsockname()[:2])):
            pass
        self._thread.join()
        self._listening.close()


def dripping() -> answering:
    return answering(b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 1000, pause=0.05)


@pytest.mark.parametrize(
    ("address", "public"),
    [
        (PUBLIC, True),
        ("2606:4700::1111", True),
        ("64:ff9b::5db8:d822", True),  # the first, where only IPv6 is spoken
        ("64:ff9b::a9fe:a9fe", False),  # 169.254.169.254 in all of these
        ("::ffff:a9fe:a9fe", False),
        ("::a9fe:a9fe", False),
        ("::ffff:0:a9fe:a9fe", False),
        ("2002:a9fe:a9fe::1", False),
        ("64:ff9b:1::a9fe:a9fe", False),
        ("fec0::1", False),
        ("fd00:ec2::254", False),
        ("ff02::1", False),
    ],
)
def test_an_address_counts_as_what_it_leads_to(address: str, public: bool) -> None:
    assert is_public(ip_address(address)) is public
