"""The installation itself: how it starts, refuses to start, is killed, and is carried to another place."""

import contextlib
import json
import os
import signal
import socket
import sqlite3
import stat
import subprocess
import sys
import tarfile
import threading
import time
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path
from typing import Any

import httpx
import pytest
from huggingface_hub import HfApi
from sqlalchemy import create_engine, text

from tests.live.conftest import Git
from tests.live.running_server import TWO_USERS, RunningServer
from tests.live.uploading import descendants
from tests.live.waiting import PATIENCE_SECONDS, wait_until
from viveiro.client import _start_server
from viveiro.settings import Settings


def viveiro(*arguments: str | Path, data_dir: Path | None = None, **settings: str) -> subprocess.CompletedProcess[str]:
    """The program, as a person types it."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("VIVEIRO_")}
    place = ["--data-dir", str(data_dir)] if data_dir else []
    return subprocess.run(
        [sys.executable, "-m", "viveiro", *map(str, arguments), *place],
        env={**inherited, **settings},
        capture_output=True,
        text=True,
        timeout=180,
        check=False,
    )


@pytest.fixture(scope="module")
def spare(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    """A server that may be ill-treated. Each test finds it running and leaves it so."""
    with RunningServer(tmp_path_factory.mktemp("spare") / "data") as running:
        yield running.seed(TWO_USERS)


class TestFirstStart:
    @pytest.fixture(scope="class")
    @classmethod
    def started_twice(cls, tmp_path_factory: pytest.TempPathFactory) -> RunningServer:
        server = RunningServer(tmp_path_factory.mktemp("first") / "data")
        for _ in range(2):
            with server:
                pass
        return server

    def test_the_administrators_credentials_are_shown_once(self, started_twice: RunningServer) -> None:
        said = started_twice.log.read_text()
        assert said.count("Password:") == said.count("Access token:") == 1
        assert said.count("Viveiro is ready at http://127.0.0.1:") == 2

    def test_they_are_also_in_a_file_for_the_owner_only(self, started_twice: RunningServer) -> None:
        path = started_twice.data_dir / "first-sign-in.txt"
        assert path.read_text() in started_twice.log.read_text()
        assert stat.S_IMODE(path.stat().st_mode) == 0o600

    def test_what_is_secret_is_the_owners_only(self, started_twice: RunningServer) -> None:
        assert stat.S_IMODE((started_twice.data_dir / "secret.key").stat().st_mode) == 0o600

    def test_a_stopped_server_leaves_no_address(self, started_twice: RunningServer) -> None:
        assert not (started_twice.data_dir / "server.json").exists()


class TestRefusals:
    def test_a_second_server_on_the_folder_is_refused(self, server: RunningServer) -> None:
        refusal = viveiro("serve", "--port", "0", data_dir=server.data_dir)
        assert refusal.returncode == 1
        assert f"A server already holds {server.data_dir}" in refusal.stderr
        assert server.url in refusal.stderr
        assert httpx.get(f"{server.url}/readyz").is_success

    def test_a_taken_port_is_refused_with_the_way_out(self, server: RunningServer, tmp_path: Path) -> None:
        refusal = viveiro("serve", "--port", str(server.port), data_dir=tmp_path / "data")
        assert refusal.returncode == 1
        assert f"Port {server.port} of 127.0.0.1 is taken" in refusal.stderr
        assert "--port 0" in refusal.stderr

    def test_a_database_of_a_newer_program_is_refused_and_left_alone(self, tmp_path: Path) -> None:
        with RunningServer(tmp_path / "data") as server:
            pass
        with contextlib.closing(sqlite3.connect(server.data_dir / "viveiro.sqlite3")) as database:
            database.execute("UPDATE alembic_version SET version_num = '9999'")
            database.commit()
            before = database.execute("SELECT name, sql FROM sqlite_master ORDER BY name").fetchall()
        refusal = viveiro("serve", "--port", "0", data_dir=server.data_dir)
        assert refusal.returncode == 1
        assert "The database is at schema 9999, which this program does not know" in refusal.stderr
        assert "pip install --upgrade viveiro" in refusal.stderr
        with contextlib.closing(sqlite3.connect(server.data_dir / "viveiro.sqlite3")) as database:
            assert database.execute("SELECT name, sql FROM sqlite_master ORDER BY name").fetchall() == before

    def test_a_folder_that_cannot_be_made_is_refused_in_words(self, tmp_path: Path) -> None:
        (tmp_path / "file").write_text("not a folder")
        refusal = viveiro("serve", "--port", "0", data_dir=tmp_path / "file" / "data")
        assert refusal.returncode == 1
        assert "Traceback" not in refusal.stderr

    def test_a_setting_that_cannot_be_meant_is_refused_in_words(self, tmp_path: Path) -> None:
        refusal = viveiro("serve", "--port", "0", data_dir=tmp_path, VIVEIRO_JOB_LEASE="soon")
        assert refusal.returncode == 1
        assert "VIVEIRO_JOB_LEASE" in refusal.stderr
        assert "Traceback" not in refusal.stderr

    def test_a_folder_of_sockets_that_somebody_laid_a_link_to_is_refused(self, tmp_path: Path) -> None:
        data_dir = tmp_path / ("long" * 30)
        (tmp_path / "theirs").mkdir()
        (tmp_path / Settings(data_dir=data_dir).sockets_dir.name).symlink_to(tmp_path / "theirs")
        refusal = viveiro("serve", "--port", "0", data_dir=data_dir, TMPDIR=str(tmp_path))
        assert refusal.returncode == 1
        assert "is a link or another user's" in refusal.stderr


class TestTheProgram:
    @pytest.mark.parametrize("arguments", [["--help"], ["models", "--help"], ["runs", "start", "--help"], ["settings"]])
    def test_it_answers_without_importing_anything_heavy(self, arguments: list[str], tmp_path: Path) -> None:
        program = (
            "import sys\n"
            "from viveiro.cli import run\n"
            "try:\n"
            f"    run({arguments!r})\n"
            "except SystemExit:\n"
            "    pass\n"
            "heavy = {'torch', 'transformers', 'fastapi', 'sqlalchemy', 'numpy', 'sklearn', 'pyarrow'}\n"
            "print(sorted(heavy & set(sys.modules)), file=sys.stderr)\n"
        )
        environment = {**os.environ, "VIVEIRO_DATA_DIR": str(tmp_path)}
        result = subprocess.run(
            [sys.executable, "-c", program], capture_output=True, text=True, env=environment, check=True
        )
        assert result.stdout
        assert result.stderr.strip() == "[]"

    def test_settings_explain_themselves_and_hide_secrets(self, tmp_path: Path) -> None:
        shown = viveiro("settings", "--json", data_dir=tmp_path, VIVEIRO_SECRET_KEY="do-not-show", VIVEIRO_PORT="4321")
        values = json.loads(shown.stdout)
        assert (shown.returncode, values["port"], values["data_dir"]) == (0, 4321, str(tmp_path))
        assert "do-not-show" not in shown.stdout
        assert "VIVEIRO_LFS_THRESHOLD_BYTES = 10485760" in viveiro("settings", data_dir=tmp_path).stdout

    def test_doctor_finds_nothing_wrong_here(self, tmp_path: Path) -> None:
        healthy = viveiro("doctor", "--json", data_dir=tmp_path)
        findings = {finding["subject"]: finding for finding in json.loads(healthy.stdout)}
        assert healthy.returncode == 0, healthy.stdout
        assert findings["git"]["verdict"] == findings["Compute"]["verdict"] == "ok"

    def test_doctor_names_the_fault_and_the_mending_command(self, tmp_path: Path) -> None:
        ill = viveiro("doctor", data_dir=tmp_path, PATH="/nowhere")
        assert ill.returncode == 1
        assert "✗ git: not found" in ill.stdout
        assert "apt-get install -y git" in ill.stdout

    def test_a_command_without_a_server_starts_one_and_ends_it(self, tmp_path: Path) -> None:
        listed = viveiro("users", "list", "--json", data_dir=tmp_path / "data")
        assert listed.returncode == 0, listed.stderr
        assert "admin" in listed.stdout
        assert stat.S_IMODE((tmp_path / "data").stat().st_mode) == 0o700
        assert not (tmp_path / "data" / "server.json").exists()

    def test_the_address_that_a_killed_server_left_is_not_asked(self, tmp_path: Path) -> None:
        with RunningServer(tmp_path / "data") as killed:
            killed.kill()
        assert (tmp_path / "data" / "server.json").exists()
        listed = viveiro("users", "list", "--json", data_dir=tmp_path / "data")
        assert listed.returncode == 0, listed.stderr

    def test_the_server_of_another_command_that_was_quicker_is_asked(self, spare: RunningServer) -> None:
        """Two of them see that no server runs, and each starts one."""
        with _start_server(Settings(data_dir=spare.data_dir)) as client:
            assert (client.url, client.owns_server) == (spare.url, False)

    def test_letters_that_the_terminal_has_not_stop_nothing(self, tmp_path: Path) -> None:
        """In the locale C, where Python knows ASCII and no more. Files are UTF-8 all the same."""
        poor = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
        file = tmp_path / "chamados.csv"
        rows = [f"máquina {number}: {word},{word}" for number in range(30) for word in ("reclamação", "elogio → €")]
        file.write_text("\n".join(["texto,classe", *rows]), encoding="utf-8")
        with RunningServer(tmp_path / "data", poor) as server:
            imported = viveiro("datasets", "import", file, "--name", "admin/chamados", data_dir=server.data_dir, **poor)
            assert imported.returncode == 0, imported.stderr
            shown = viveiro("datasets", "check", "admin/chamados", data_dir=server.data_dir, **poor)
            printed = viveiro("datasets", "check", "admin/chamados", "--json", data_dir=server.data_dir, **poor)
        assert "reclama??o" in shown.stdout
        assert set(json.loads(printed.stdout)["classes"]) == {"reclamação", "elogio → €"}


class TestTheFolderWhereItIsStarted:
    """Whoever can write there must not run code as us, and a statistics.py of one's own is nothing rare."""

    @pytest.fixture
    def folder(self, tmp_path: Path) -> Path:
        for module in ("orjson", "statistics", "structlog", "typer"):
            (tmp_path / f"{module}.py").write_text("raise SystemExit('run as code')\n")
        return tmp_path

    def test_lends_no_module_to_the_server_and_its_jobs(self, folder: Path) -> None:
        with RunningServer(folder / "data", folder=folder) as server, server.client() as client:
            job_id = client.post("/api/v1/hub/scan", {})["job_id"]
            wait_until(lambda: client.get(f"/api/v1/jobs/{job_id}")["state"] == "succeeded")

    def test_lends_no_module_to_a_restore(self, folder: Path) -> None:
        (folder / "backup.tar").write_bytes(b"no backup")
        program = Path(sys.executable).with_name("viveiro")
        refusal = subprocess.run(
            [program, "restore", "backup.tar", "--data-dir", "new"],
            cwd=folder,
            capture_output=True,
            text=True,
            check=False,
        )
        assert "cannot be restored" in refusal.stderr


class TestDeath:
    def test_a_killed_web_process_refuses_no_connection(self, spare: RunningServer) -> None:
        """The supervisor holds the listening socket: who comes meanwhile waits a moment."""
        before = spare.pids()
        os.kill(before["web"], signal.SIGKILL)
        answers = [httpx.get(f"{spare.url}/readyz", timeout=PATIENCE_SECONDS).status_code for _ in range(20)]
        assert answers == [200] * 20
        after = spare.pids()
        assert after["web"] != before["web"]
        assert after["worker"] == before["worker"]

    def test_a_killed_worker_is_started_again(self, spare: RunningServer) -> None:
        before = spare.pids()
        os.kill(before["worker"], signal.SIGKILL)
        wait_until(lambda: spare.pids().get("worker") not in (None, before["worker"]))
        assert spare.pids()["web"] == before["web"]

    def test_a_killed_supervisor_leaves_no_orphan_and_no_lock(self, spare: RunningServer) -> None:
        assert spare.process is not None
        family = descendants(spare.process.pid)
        assert len(family) >= 3
        spare.kill()
        wait_until(lambda: not any(_is_alive(pid) for pid in family))
        spare.start()
        assert httpx.get(f"{spare.url}/readyz").is_success

    def test_a_stopped_server_ends_its_family_in_order(self, spare: RunningServer) -> None:
        assert spare.process is not None
        process, family = spare.process, descendants(spare.process.pid)
        spare.stop()
        assert process.returncode == 0
        assert not any(_is_alive(pid) for pid in family)
        spare.start()

    def test_the_end_of_its_terminal_stops_no_server_that_nohup_started(
        self, tmp_path: Path, request: pytest.FixtureRequest
    ) -> None:
        before = signal.signal(signal.SIGHUP, signal.SIG_IGN)  # which what is started inherits, as from nohup
        request.addfinalizer(lambda: signal.signal(signal.SIGHUP, before))
        with RunningServer(tmp_path / "data") as server:
            assert server.process is not None
            server.process.send_signal(signal.SIGHUP)
            for _ in range(3):  # one that stops may answer once more
                assert "web" in server.pids()

    def test_a_request_under_way_is_finished_before_the_end(self, spare: RunningServer) -> None:
        """TERM while a body is still arriving: the answer comes, and what it acknowledges is kept."""
        token = spare.token("alice")
        HfApi(endpoint=spare.url, token=token).create_repo("alice/last-words", exist_ok=True)
        sent_half, answers = threading.Event(), []

        def body() -> Iterator[bytes]:
            yield b'{"key":"header","value":{"summary":"Last words"}}\n'
            sent_half.set()
            time.sleep(1)
            yield b'{"key":"file","value":{"path":"last.txt","content":"bGFzdA==","encoding":"base64"}}\n'

        def commit() -> None:
            headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/x-ndjson"}
            url = f"{spare.url}/api/models/alice/last-words/commit/main"
            answers.append(httpx.post(url, content=body(), headers=headers, timeout=PATIENCE_SECONDS))

        client = threading.Thread(target=commit)
        client.start()
        sent_half.wait()
        time.sleep(0.3)
        spare.stop()
        client.join()
        spare.start()
        assert answers[0].status_code == 200
        assert "last.txt" in HfApi(endpoint=spare.url, token=token).list_repo_files("alice/last-words")


class TestCarriedElsewhere:
    """`viveiro backup` of a running server, restored into a new folder, is the same installation."""

    @pytest.mark.parametrize("database_name", ["sqlite", "postgres"])
    def test_a_restored_backup_equals_what_was_backed_up(
        self, database_name: str, git: Git, tmp_path: Path, request: pytest.FixtureRequest
    ) -> None:
        old_database, new_database = (self._database(database_name, request) for _ in range(2))
        with RunningServer(tmp_path / "old", old_database) as old:
            self._fill(old.seed(TWO_USERS), git, tmp_path)
            with _writing(old):
                written = viveiro("backup", tmp_path / "backup.tar", data_dir=old.data_dir)
            assert written.returncode == 0, written.stderr
            expected = _everything(old)
        restored = viveiro("restore", tmp_path / "backup.tar", data_dir=tmp_path / "new", **new_database)
        assert restored.returncode == 0, restored.stderr
        with RunningServer(tmp_path / "new", new_database, tokens=old.tokens) as new:
            assert _everything(new) == expected
            new_api = HfApi(endpoint=new.url, token=new.token("alice"))
            new_api.create_repo("alice/afterwards")
            new_api.upload_file(path_or_fileobj=b"\0more", path_in_repo="more.bin", repo_id="alice/kept")
            with new.client() as client:
                assert client.post("/api/v1/hub/fsck", {"repair": False})["findings"] == []

    def test_a_backup_is_not_restored_over_anything(self, spare: RunningServer, tmp_path: Path) -> None:
        assert viveiro("backup", tmp_path / "backup.tar", data_dir=spare.data_dir).returncode == 0
        (tmp_path / "new").mkdir()
        (tmp_path / "new" / "precious").write_text("mine")
        refusal = viveiro("restore", tmp_path / "backup.tar", data_dir=tmp_path / "new")
        assert refusal.returncode == 1
        assert "is not empty" in refusal.stderr
        assert [path.name for path in (tmp_path / "new").iterdir()] == ["precious"]

    @pytest.mark.parametrize("database_name", ["sqlite", "postgres"])
    def test_a_backup_that_was_cut_is_refused_and_leaves_room_for_the_whole(
        self, spare: RunningServer, tmp_path: Path, database_name: str, request: pytest.FixtureRequest
    ) -> None:
        whole, database = tmp_path / "backup.tar", self._database(database_name, request)
        assert viveiro("backup", whole, data_dir=spare.data_dir).returncode == 0
        with tarfile.open(whole) as tar:
            between_two_members = tar.getmembers()[-1].offset
        for end in (whole.stat().st_size // 2, between_two_members):
            (tmp_path / "cut.tar").write_bytes(whole.read_bytes()[:end])
            refusal = viveiro("restore", tmp_path / "cut.tar", data_dir=tmp_path / "new", **database)
            assert refusal.returncode == 1
            assert "cannot be restored" in refusal.stderr
            assert list((tmp_path / "new").iterdir()) == []
        assert viveiro("restore", whole, data_dir=tmp_path / "new", **database).returncode == 0

    def _database(self, name: str, request: pytest.FixtureRequest) -> dict[str, str]:
        if name == "sqlite":
            return {}
        postgres, name = request.getfixturevalue("postgres_server"), f"carried_{os.urandom(6).hex()}"
        engine = create_engine(f"{postgres}/postgres", isolation_level="AUTOCOMMIT")
        with engine.connect() as connection:
            connection.execute(text(f"CREATE DATABASE {name}"))
        engine.dispose()
        return {"VIVEIRO_DATABASE_URL": f"{postgres}/{name}"}

    def _fill(self, server: RunningServer, git: Git, folder: Path) -> None:
        api = HfApi(endpoint=server.url, token=server.token("alice"))
        api.create_repo("alice/kept")
        api.upload_file(path_or_fileobj=b"\0big" * 100_000, path_in_repo="big.bin", repo_id="alice/kept")
        card = b"---\nlicense: mit\ntags: [kept]\n---\n"
        api.upload_file(path_or_fileobj=card, path_in_repo="README.md", repo_id="alice/kept")
        api.create_branch("alice/kept", branch="work/one")
        api.create_tag("alice/kept", tag="v1", tag_message="First")
        api.create_repo("acai/hidden", repo_type="dataset", private=True)
        clone = git.at(server).clone("datasets/acai/hidden", folder / "clone")
        (clone / "rows.csv").write_text("a,b\n1,2\n")
        git.commit(clone)
        git.push(clone)
        api.create_repo("alice/empty")
        api.delete_file(".gitattributes", "alice/empty")


@contextlib.contextmanager
def _writing(server: RunningServer) -> Iterator[None]:
    """Somebody keeps committing to a repo of their own, so that the backup really is one of a running server."""
    api = HfApi(endpoint=server.url, token=server.token("bob"))
    api.create_repo("bob/busy")
    stop = threading.Event()

    def write() -> None:
        number = 0
        while not stop.is_set():
            api.upload_file(path_or_fileobj=b"\0%d" % number, path_in_repo=f"{number}.bin", repo_id="bob/busy")
            number += 1

    writer = threading.Thread(target=write)
    writer.start()
    try:
        yield
    finally:
        stop.set()
        writer.join()


def _everything(server: RunningServer) -> dict[str, Any]:
    """What Alice, and an administrator, can see of an installation: all but Bob's busy repo."""
    api = HfApi(endpoint=server.url, token=server.token("alice"))
    repos = [("model", info.id) for info in api.list_models()] + [("dataset", info.id) for info in api.list_datasets()]
    with server.client() as client:
        users = [user["name"] for user in client.pages("/api/v1/users")]
        organizations = [organization["name"] for organization in client.pages("/api/v1/orgs")]
    return {
        "me": api.whoami(),
        "users": sorted(users),
        "organizations": sorted(organizations),
        "repos": {f"{kind}s/{name}": _repo(api, kind, name) for kind, name in repos if name != "bob/busy"},
    }


def _repo(api: HfApi, kind: str, name: str) -> dict[str, Any]:
    info, refs = api.repo_info(name, repo_type=kind), api.list_repo_refs(name, repo_type=kind)
    contents = {}
    for path in api.list_repo_files(name, repo_type=kind):
        url = f"{api.endpoint}/{'datasets/' if kind == 'dataset' else ''}{name}/resolve/main/{path}"
        content = httpx.get(url, headers={"Authorization": f"Bearer {api.token}"}).raise_for_status().content
        contents[path] = sha256(content).hexdigest()
    return {
        "sha": info.sha,
        "private": info.private,
        "created": info.created_at,
        "modified": info.last_modified,
        "tags": info.tags,
        "refs": sorted((ref.ref, ref.target_commit) for ref in [*refs.branches, *refs.tags]),
        "commits": [(commit.commit_id, commit.title) for commit in api.list_repo_commits(name, repo_type=kind)],
        "contents": contents,
    }


class TestTheSeededServerScript:
    def test_it_prints_address_and_tokens_and_ends_clean(self, tmp_path: Path) -> None:
        seed = tmp_path / "seed.yaml"
        seed.write_text(
            "users: [{name: __DUMMY_HUB_USER__, fullname: Dummy}]\n"
            "organizations: [{name: valid_org, members: {__DUMMY_HUB_USER__: admin}}]\n"
            "tokens: [{key: DUMMY, user: __DUMMY_HUB_USER__}, {key: READ, user: __DUMMY_HUB_USER__, role: read}]\n"
        )
        script = Path(__file__).with_name("seeded_server")
        process = subprocess.Popen(
            [sys.executable, script, seed, "--data-dir", tmp_path / "data"], stdout=subprocess.PIPE, text=True
        )
        assert process.stdout is not None
        said = dict(process.stdout.readline().strip().split("=", 1) for _ in range(3))
        family = descendants(process.pid)
        me = HfApi(endpoint=said["ENDPOINT"], token=said["TOKEN_DUMMY"]).whoami()
        reader = HfApi(endpoint=said["ENDPOINT"], token=said["TOKEN_READ"]).whoami()
        process.terminate()
        process.communicate(timeout=PATIENCE_SECONDS)
        assert (me["name"], me["orgs"][0]["name"]) == ("__DUMMY_HUB_USER__", "valid_org")
        assert reader["auth"]["accessToken"]["role"] == "read"
        assert not any(_is_alive(pid) for pid in family)


def _is_alive(pid: int) -> bool:
    """Neither gone nor a zombie that its new parent has not yet buried."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def test_only_this_machine_is_answered(server: RunningServer) -> None:
    """Loopback is the default: nothing listens on the machine's other addresses."""
    with socket.socket() as probe:
        probe.settimeout(2)
        assert probe.connect_ex((_other_address(), server.port)) != 0


def _other_address() -> str:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.connect(("192.0.2.1", 9))  # sends nothing: only asks which of our addresses would be used
        address: str = probe.getsockname()[0]
        return address
