"""The program as people type it, each command in a process of its own."""

import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.live.running_server import RunningServer


@dataclass(frozen=True)
class CommandLine:
    server: RunningServer
    user: str = "alice"

    def __call__(self, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            self.line(*arguments), env=self.environment, capture_output=True, text=True, timeout=240, check=False
        )

    def begin(self, *arguments: str | Path) -> "subprocess.Popen[str]":
        """Without waiting for its end."""
        return subprocess.Popen(
            self.line(*arguments), env=self.environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )

    def printed(self, *arguments: str | Path) -> Any:
        """The one object on standard output of a command that must succeed."""
        result = self(*arguments, "--json")
        assert result.returncode == 0, result.stderr
        return json.loads(result.stdout)

    def line(self, *arguments: str | Path) -> list[str]:
        return [sys.executable, "-m", "viveiro", *map(str, arguments)]

    @property
    def environment(self) -> dict[str, str]:
        identity = {"VIVEIRO_URL": self.server.url, "VIVEIRO_TOKEN": self.server.token(self.user)}
        return {**self.server.environment(), **identity}
