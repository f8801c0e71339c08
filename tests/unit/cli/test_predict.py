"""What `viveiro predict` refuses by itself: no server is there to be asked."""

from collections.abc import Callable
from pathlib import Path

import pytest

from viveiro.cli import run

Typed = Callable[..., str]


@pytest.fixture
def refused(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Typed:
    """Standard error of a command line that must fail."""
    monkeypatch.setenv("VIVEIRO_LANGUAGE", "en")
    monkeypatch.setenv("VIVEIRO_URL", "http://127.0.0.1:1")

    def refused(*words: object) -> str:
        with pytest.raises(SystemExit) as ended:
            run(["predict", "alice/triage", *map(str, words)])
        assert ended.value.code == 1
        return capsys.readouterr().err

    return refused


@pytest.fixture
def table(tmp_path: Path) -> Path:
    path = tmp_path / "in.csv"
    path.write_text("text\nthe pump\n")
    return path


class TestTheFileThatIsRead:
    """It may be the only copy of its rows, those that cannot be read included."""

    def test_is_not_overwritten(self, refused: Typed, table: Path) -> None:
        assert "would overwrite the file" in refused("--file", table, "--out", table)

    @pytest.mark.parametrize("link", [Path.symlink_to, Path.hardlink_to])
    def test_is_not_overwritten_by_another_name(
        self, refused: Typed, table: Path, tmp_path: Path, link: Callable[[Path, Path], None]
    ) -> None:
        link(tmp_path / "out.csv", table)
        assert "would overwrite the file" in refused("--file", table, "--out", tmp_path / "out.csv")

    def test_is_not_overwritten_on_the_way(self, refused: Typed, table: Path, tmp_path: Path) -> None:
        unfinished = table.rename(tmp_path / "out.csv.partial")
        assert "would overwrite the file" in refused("--file", unfinished, "--out", tmp_path / "out.csv")
        assert unfinished.read_text() == "text\nthe pump\n"

    @pytest.mark.skipif(not Path("/proc/self/mem").exists(), reason="a file that nobody can read is made by Linux")
    def test_must_be_readable(self, refused: Typed, tmp_path: Path) -> None:
        assert "/proc/self/mem cannot be read: " in refused("--file", "/proc/self/mem", "--out", tmp_path / "out.csv")


class TestWhereTheRowsGo:
    @pytest.mark.parametrize("out", [".", "..", "/", "/dev/null"])
    def test_a_folder_or_a_device_is_refused(self, refused: Typed, table: Path, out: str) -> None:
        assert "is a folder or a device" in refused("--file", table, "--out", out)

    def test_a_name_that_no_file_can_have_is_refused(self, refused: Typed, table: Path) -> None:
        assert "cannot be written: File name too long" in refused("--file", table, "--out", "a" * 300)


class TestTheText:
    def test_in_another_encoding_than_the_terminals_it_is_refused(self, refused: Typed) -> None:
        assert "viveiro predict MODEL - < FILE" in refused("caf\udce9")
