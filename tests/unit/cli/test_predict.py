"""What `viveiro predict` refuses by itself: no server is there to be asked."""

from collections.abc import Callable

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


class TestTheText:
    def test_in_another_encoding_than_the_terminals_it_is_refused(self, refused: Typed) -> None:
        assert "viveiro predict MODEL - < FILE" in refused("caf\udce9")
