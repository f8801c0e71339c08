"""One server, several readers: each is told what went wrong, and what to do next, in their own language."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from huggingface_hub import HfApi
from huggingface_hub.errors import HfHubHTTPError, RepositoryNotFoundError

from tests.live.conftest import Git, MakeRepo
from tests.live.running_server import RunningServer

Viveiro = Callable[..., subprocess.CompletedProcess[str]]
ONE_CLASS = "text,label\n" + "".join(f"chamado numero {number} da prensa,hidraulica\n" for number in range(9))


@pytest.fixture
def viveiro(server: RunningServer) -> Viveiro:
    """The program, as Alice types it on a machine of this language."""
    names = ("VIVEIRO_LANGUAGE", "LC_ALL", "LC_MESSAGES", "LANG", "LANGUAGE")
    environment = {name: value for name, value in server.environment().items() if name not in names}
    environment |= {"VIVEIRO_URL": server.url, "VIVEIRO_TOKEN": server.token("alice"), "PYTHONUTF8": "1"}

    def run(*arguments: str | Path, lang: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "viveiro", *map(str, arguments)],
            env={**environment, "LANG": lang},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=240,
            check=False,
        )

    return run


@pytest.fixture
def one_class(tmp_path: Path) -> Path:
    file = tmp_path / "one-class.csv"
    file.write_text(ONE_CLASS)
    return file


class TestTheCommandLine:
    @pytest.mark.parametrize(
        ("lang", "said"),
        [
            ("pt_BR.UTF-8", "Erro: Não há repositório alice/nada do tipo model, ou ele é privado"),
            ("en_US.UTF-8", "Error: No model repo alice/nada, or it is private"),
            ("C.UTF-8", "Error: No model repo alice/nada, or it is private"),
        ],
    )
    def test_passes_on_what_the_server_says_in_the_locales_language(
        self, viveiro: Viveiro, lang: str, said: str
    ) -> None:
        result = viveiro("models", "info", "alice/nada", lang=lang)
        assert (result.returncode, result.stdout) == (1, "")
        assert result.stderr.startswith(said)

    def test_tells_why_a_job_failed_to_each_reader_in_theirs(self, viveiro: Viveiro, one_class: Path) -> None:
        failed = viveiro("datasets", "import", one_class, "--name", "alice/one-class", lang="pt_BR.UTF-8")
        assert failed.stderr.splitlines()[-1].startswith(
            "Erro: A coluna 'label' de one-class.csv tem uma só classe ('hidraulica'). Um classificador precisa de duas."
        )
        job_id = failed.stderr.split()[-1]
        told = {lang: viveiro("jobs", "info", job_id, lang=lang).stdout for lang in ("pt_BR.UTF-8", "en_US.UTF-8")}
        assert "\nerro: A coluna 'label' de one-class.csv tem uma só classe ('hidraulica')." in told["pt_BR.UTF-8"]
        assert "\nerror: Column 'label' of one-class.csv has one class only ('hidraulica')." in told["en_US.UTF-8"]

    def test_asks_in_it_before_it_destroys(self, viveiro: Viveiro, repo: str) -> None:
        result = viveiro("repos", "delete", repo, lang="pt_BR.UTF-8")
        assert result.returncode == 1
        assert result.stderr.splitlines()[-1].endswith("Erro: Nada foi feito.")


class TestOfficialClients:
    """They compare with English sentences, on Portuguese machines too."""

    @pytest.fixture(autouse=True)
    def portuguese_machine(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("LANG", "pt_BR.UTF-8")
        monkeypatch.setenv("LANGUAGE", "pt_BR")

    def test_huggingface_hub_tells_a_missing_repo_from_a_bad_token(self, alice: HfApi, server: RunningServer) -> None:
        with pytest.raises(RepositoryNotFoundError, match="No model repo alice/nada"):
            alice.model_info("alice/nada")
        with pytest.raises(HfHubHTTPError, match="Invalid credentials in Authorization header"):
            HfApi(endpoint=server.url, token="hf_" + "x" * 34).model_info("alice/nada")

    def test_a_stale_parent_is_told_in_the_words_they_look_for(self, alice: HfApi, repo: str) -> None:
        old = alice.model_info(repo).sha
        alice.upload_file(path_or_fileobj=b"a", path_in_repo="a.txt", repo_id=repo)
        with pytest.raises(HfHubHTTPError, match="The branch was updated since you opened this page"):
            alice.upload_file(path_or_fileobj=b"b", path_in_repo="b.txt", repo_id=repo, parent_commit=old)


class TestGit:
    def test_a_refused_push_says_why_in_the_pushers_language(
        self, git: Git, make_repo: MakeRepo, tmp_path: Path
    ) -> None:
        folder = git.clone(make_repo(), tmp_path / "clone")
        (folder / "link").symlink_to("README.md")
        git.commit(folder)
        refused = git.attempt("push", "origin", "HEAD", folder=folder, LANGUAGE="pt_BR")
        assert refused.returncode != 0
        assert "link: links simbólicos não são guardados aqui. Faça o commit do próprio arquivo." in refused.stderr
