"""Each block of the READMEs, run in order by one shell, as a reader would."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.live.running_server import RunningServer

ROOT = Path(__file__).resolve().parents[2]
BLOCK = re.compile(r"^```(bash|python)\n(.*?)^```", re.MULTILINE | re.DOTALL)
ELSEWHERE = {
    "make demo": "its recipe, `viveiro demo`, is what tests/live/test_loop.py runs",
    "viveiro serve": "the server that the other blocks talk to was started so",
}


def script(readme: str, server: RunningServer) -> str:
    lines = ["set -euo pipefail"]
    for language, block in BLOCK.findall(readme):
        if block.strip() in ELSEWHERE:
            continue
        lines.append(block if language == "bash" else f"python - <<'PYTHON'\n{block}PYTHON\n")
    text = "\n".join(lines).replace("http://127.0.0.1:7860", server.url)
    text = text.replace("hf_…", server.admin_token)
    return text.replace("git clone http://", f"git clone http://admin:{server.admin_token}@")


@pytest.mark.timeout(600)
@pytest.mark.parametrize("name", ["README.md", "README.pt-BR.md"])
def test_every_block_does_what_the_reader_expects(name, tmp_path):
    """The examples create what later blocks use, so one failure stops the script."""
    place = tmp_path / "checkout"
    place.mkdir()
    for needed in ("examples", "README.md", "README.pt-BR.md"):
        (place / needed).symlink_to(ROOT / needed)
    with RunningServer(tmp_path / "data") as server:
        environment = {
            **server.environment(),
            "HOME": str(tmp_path),
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
            "GIT_TERMINAL_PROMPT": "0",
        }
        commands = script((ROOT / name).read_text(), server)
        result = subprocess.run(
            ["bash", "-c", commands], cwd=place, env=environment, capture_output=True, text=True, check=False
        )
    assert result.returncode == 0, f"{result.stdout}\n{result.stderr}"
    assert "hydraulic" in result.stdout


def test_what_is_run_elsewhere_stands_there():
    makefile = (ROOT / "Makefile").read_text()
    assert re.search(r"^demo:.*\n\t.*viveiro demo --data-dir", makefile, re.MULTILINE)
    assert {block.strip() for _, block in BLOCK.findall((ROOT / "README.md").read_text())} >= set(ELSEWHERE)
