"""Each block of the guides, run in order by one shell, as a reader would."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.live.running_server import RunningServer
from tests.live.test_readme import BLOCK, ROOT, script

GUIDES = sorted(path for path in (ROOT / "docs" / "guides").glob("*.md") if ".pt-BR" not in path.name)


@pytest.mark.timeout(600)
@pytest.mark.parametrize("guide", GUIDES, ids=lambda guide: guide.name)
def test_every_block_does_what_the_reader_expects(guide: Path, tmp_path: Path) -> None:
    place = tmp_path / "checkout"
    place.mkdir()
    (place / "examples").symlink_to(ROOT / "examples")
    with RunningServer(tmp_path / "data") as server:
        environment = {
            **server.environment(),
            "HOME": str(tmp_path),
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        }
        commands = script(guide.read_text(), server)
        result = subprocess.run(
            ["bash", "-c", commands], cwd=place, env=environment, capture_output=True, text=True, check=False
        )
    assert result.returncode == 0, f"{result.stdout}\n{result.stderr}"


@pytest.mark.parametrize("guide", GUIDES, ids=lambda guide: guide.name)
def test_both_languages_show_the_same_blocks(guide: Path) -> None:
    translated = guide.with_suffix(".pt-BR.md")
    assert BLOCK.findall(translated.read_text()) == BLOCK.findall(guide.read_text())
