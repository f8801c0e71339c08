"""`viveiro serve`: starts, watches and restarts the processes of one installation. No HTTP, no SQL, no tensors in here.

    supervisor ─┬─ web      accepts on a socket that the supervisor bound: a restart refuses no connection
                ├─ worker   runs jobs, each in a child process of its own
                └─ host …   one for each loaded model revision, asked for over the control socket

Everything is spawned from the main thread, because Linux ties the parent-death signal to the spawning thread. When the
supervisor dies, all die; the next start resumes.
"""

import contextlib
import fcntl
import json
import math
import os
import selectors
import signal
import socket
import stat
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any, Final

from viveiro.errors import Conflict, Unavailable
from viveiro.locale import Sentence, recognised, translate
from viveiro.settings import Settings

STOP_SECONDS: Final = 20.0
"""How long children may take to end before they are killed."""
CALM_SECONDS: Final = 10.0
"""A child that lived this long is restarted at once; a shorter life doubles the wait."""
LONGEST_WAIT_SECONDS: Final = 10.0
MOST_LOADS: Final = 3
"""A model host that died so often in a row while it loaded is not started again until somebody asks for it anew."""
PORT_PATIENCE_SECONDS: Final = 5.0
"""The web process of a server that was just killed holds its port until the kernel has cleared it away."""


class FolderInUse(Conflict):
    def __init__(self, data_dir: Path, server: dict[str, Any]) -> None:
        super().__init__(
            "A server already holds {data_dir} (process {pid}, {url}). Use that one, stop it, or name another folder with --data-dir.",
            data_dir=data_dir,
            pid=server.get("pid", "?"),
            url=server.get("url", Sentence("starting")),
        )


class PortTaken(Conflict):
    def __init__(self, host: str, port: int) -> None:
        super().__init__(
            "Port {port} of {host} is taken by another program. Choose one with --port, or --port 0 for any free one.",
            host=host,
            port=port,
        )


class FolderUnusable(Unavailable):
    def __init__(self, folder: Path, why: str) -> None:
        super().__init__("{folder} cannot be used: {why}. Name another folder with --data-dir.", folder=folder, why=why)


class PreparationFailed(Unavailable):
    def __init__(self) -> None:
        super().__init__("The data folder could not be prepared; the lines above say why. Nothing was started.")


@dataclass(slots=True)
class Child:
    """A process that should be running."""

    name: str
    command: list[str]
    pass_fds: tuple[int, ...] = ()
    environment: dict[str, str] = field(default_factory=dict)
    process: subprocess.Popen[bytes] | None = None
    started: float = 0.0
    wait_seconds: float = 0.0
    due: float = 0.0
    wanted: bool = True
    most_deaths: float = math.inf
    """In a row, none of them after it had settled."""
    deaths: int = 0
    settled: bool = False

    @property
    def given_up(self) -> bool:
        return self.deaths >= self.most_deaths


class Supervisor:
    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._children: dict[str, Child] = {}
        self._selector = selectors.DefaultSelector()
        self._stopping = False

    def run(self) -> int:
        """Serve until TERM or INT; the exit status."""
        _make_private(self._settings.data_dir)
        with _folder_lock(self._settings.data_dir), _bound_socket(self._settings) as listener, self._control_socket():
            self._prepare()
            url = _write_address(self._settings, listener)
            self._watch_signals()
            self._start_web(listener)
            self._add(Child("worker", _command("worker")))
            try:
                self._loop(url)
            finally:
                self._stop_all()
                server_file(self._settings.data_dir).unlink(missing_ok=True)
        return 0

    def _prepare(self) -> None:
        """Migrate and make the first administrator, in a process of its own: SQL would stay in memory here for ever."""
        if subprocess.run(_command("prepare"), env=self._environment(), check=False).returncode:
            raise PreparationFailed

    def _start_web(self, listener: socket.socket) -> None:
        ready, tell_ready = os.pipe()
        self._selector.register(ready, selectors.EVENT_READ, self._web_is_ready)
        os.set_inheritable(listener.fileno(), True)
        descriptors = (listener.fileno(), tell_ready)
        environment = {"VIVEIRO_LISTEN_FD": str(descriptors[0]), "VIVEIRO_READY_FD": str(descriptors[1])}
        self._add(Child("web", _command("web"), descriptors, environment))

    def _loop(self, url: str) -> None:
        self._url = url
        while not self._stopping:
            for key, _ in self._selector.select(timeout=self._seconds_to_next_start()):
                key.data(key.fileobj)
            self._reap()
            self._start_due()

    def _web_is_ready(self, pipe: int) -> None:
        os.read(pipe, 1)
        self._selector.unregister(pipe)
        ready = translate(
            "Viveiro is ready at {url}\nFor the Hugging Face clients: export HF_ENDPOINT={url}\n", url=self._url
        )
        sys.stdout.write(ready)
        sys.stdout.flush()

    # -- children ------------------------------------------------------------------------------------------------------

    def _add(self, child: Child) -> None:
        self._children[child.name] = child
        self._start(child)

    def _environment(self) -> dict[str, str]:
        # What our processes write, cards and logs of jobs among it, is UTF-8 in a locale that is not, too.
        ours = {"VIVEIRO_PARENT_PID": str(os.getpid()), "PYTHONUTF8": "1"}
        return {**os.environ, **self._settings.environment(), **ours}

    def _start(self, child: Child) -> None:
        child.started = time.monotonic()
        child.process = subprocess.Popen(
            child.command,
            env={**self._environment(), **child.environment},
            pass_fds=child.pass_fds,
            stdin=subprocess.DEVNULL,
            start_new_session=True,  # Ctrl-C reaches only the supervisor, which then stops the others in order
        )

    def _reap(self) -> None:
        for child in list(self._children.values()):
            if child.process is None or child.process.poll() is None:
                continue
            status, child.process = child.process.returncode, None
            if not child.wanted:
                del self._children[child.name]
                continue
            lived = time.monotonic() - child.started
            child.wait_seconds = (
                0.0 if lived > CALM_SECONDS else min(max(child.wait_seconds * 2, 0.1), LONGEST_WAIT_SECONDS)
            )
            child.due = time.monotonic() + child.wait_seconds
            child.deaths, child.settled = 0 if child.settled else child.deaths + 1, False
            then = "giving it up" if child.given_up else f"starting it again in {child.wait_seconds:.1f} s"
            _tell(f"{child.name} ended with status {status} after {lived:.1f} s; {then}")

    def _start_due(self) -> None:
        for child in self._children.values():
            if child.process is None and not child.given_up and child.due <= time.monotonic():
                self._start(child)

    def _seconds_to_next_start(self) -> float | None:
        waiting = [child.due for child in self._children.values() if child.process is None and not child.given_up]
        return max(0.0, min(waiting) - time.monotonic()) if waiting else None

    def _stop_all(self) -> None:
        running = [child.process for child in self._children.values() if child.process is not None]
        for process in running:
            process.terminate()
        deadline = time.monotonic() + STOP_SECONDS
        for process in running:
            try:
                process.wait(max(0.0, deadline - time.monotonic()))
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()

    # -- signals and the control socket --------------------------------------------------------------------------------

    def _watch_signals(self) -> None:
        """A byte on the wake-up pipe for each signal, so that the loop sleeps until something happens."""
        wake, notify = socket.socketpair()
        wake.setblocking(False)
        notify.setblocking(False)
        signal.set_wakeup_fd(notify.fileno(), warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._stop)
        if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:  # as `nohup` wants it
            signal.signal(signal.SIGHUP, self._stop)
        self._wake_up = (wake, notify)  # kept alive as long as the loop
        self._selector.register(wake, selectors.EVENT_READ, lambda _: wake.recv(4096))

    def _stop(self, *_: object) -> None:
        self._stopping = True

    @contextlib.contextmanager
    def _control_socket(self) -> Iterator[None]:
        make_own(self._settings.sockets_dir)
        path = self._settings.sockets_dir / "supervisor.sock"
        path.unlink(missing_ok=True)
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind(str(path))
            path.chmod(0o600)
            listener.listen(16)
            self._selector.register(listener, selectors.EVENT_READ, self._answer_control)
            yield
        path.unlink(missing_ok=True)
        with contextlib.suppress(OSError):  # a model host may still be removing its own
            self._settings.sockets_dir.rmdir()

    def _answer_control(self, listener: socket.socket) -> None:
        """One JSON line in, one out. Callers are our own processes, which send it whole; the time-out guards against any other."""
        connection, _ = listener.accept()
        with connection:
            connection.settimeout(1.0)
            try:
                request = json.loads(connection.makefile("rb").readline(65_536))
                answer = self._control(request)
            except (OSError, ValueError, KeyError, TypeError) as error:
                answer = {"ok": False, "error": str(error)}
            with contextlib.suppress(OSError):
                connection.sendall(json.dumps(answer).encode() + b"\n")

    def _control(self, request: dict[str, Any]) -> dict[str, Any]:
        match request["op"]:
            case "host.start":
                name = f"host {request['key']}"
                if name not in self._children or not self._children[name].wanted:
                    command = _command("host", request["key"], *request["args"])
                    self._add(Child(name, command, most_deaths=MOST_LOADS))
                return {"ok": True, "given_up": self._children[name].given_up}
            case "host.settled":
                child = self._children.get(f"host {request['key']}")
                if child is not None:
                    child.settled = True
                return {"ok": True}
            case "host.stop":
                child = self._children.get(f"host {request['key']}")
                if child is not None:
                    self._forget(child)
                return {"ok": True}
            case "status":
                return {
                    "ok": True,
                    "processes": {c.name: c.process.pid if c.process else None for c in self._children.values()},
                }
            case unknown:
                return {"ok": False, "error": f"unknown operation {unknown}"}

    def _forget(self, child: Child) -> None:
        child.wanted = False
        if child.process is None:
            del self._children[child.name]
        else:
            child.process.terminate()


def server_file(data_dir: Path) -> Path:
    """Where the running server says its address and the command line's access token. Mode 0600."""
    return data_dir / "server.json"


def _command(process: str, *arguments: str) -> list[str]:
    """-P: nothing in the folder where somebody started us is imported."""
    return [sys.executable, "-P", "-m", "viveiro.app", process, *arguments]


def _make_private(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    except OSError as error:
        raise FolderUnusable(folder, recognised(error.strerror or str(error))) from None


def make_own(folder: Path) -> None:
    """Private, and no other user's: in the folder for temporary files anybody may have made one of that name before us.

    Raises:
        FolderUnusable: it cannot be made, or is not ours.
    """
    _make_private(folder)
    found = folder.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid():
        raise FolderUnusable(folder, Sentence("it is for our sockets, and is a link or another user's"))
    folder.chmod(0o700)


@contextlib.contextmanager
def _folder_lock(data_dir: Path) -> Iterator[IO[str]]:
    """`flock`, so that a killed server leaves none behind."""
    with (data_dir / "lock").open("a+") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise FolderInUse(data_dir, _read_json(server_file(data_dir))) from None
        # At once, before anything may take its time: a killed server's address answers nobody.
        server_file(data_dir).unlink(missing_ok=True)
        yield lock


def _read_json(path: Path) -> dict[str, Any]:
    try:
        content: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return content


def _bound_socket(settings: Settings) -> socket.socket:
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    listener = socket.socket(family)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    give_up = time.monotonic() + PORT_PATIENCE_SECONDS
    while not _binds(listener, settings):
        if time.monotonic() > give_up:
            listener.close()
            raise PortTaken(settings.host, settings.port)
        time.sleep(0.1)
    listener.listen(2048)
    return listener


def _binds(listener: socket.socket, settings: Settings) -> bool:
    try:
        listener.bind((settings.host, settings.port))
    except OSError:
        return False
    return True


def _write_address(settings: Settings, listener: socket.socket) -> str:
    """Complete the file that `prepare` began with the access token."""
    host = "127.0.0.1" if settings.host in ("0.0.0.0", "::") else settings.host  # noqa: S104 - compared, not bound
    url = f"http://[{host}]" if ":" in host else f"http://{host}"
    url = f"{url}:{listener.getsockname()[1]}"
    path = server_file(settings.data_dir)
    content = {**_read_json(path), "url": url, "pid": os.getpid()}
    partial = path.with_suffix(".partial")
    with os.fdopen(os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
        json.dump(content, file)
    partial.replace(path)
    return url


def _tell(sentence: str) -> None:
    sys.stderr.write(f"viveiro: {sentence}\n")
    sys.stderr.flush()
