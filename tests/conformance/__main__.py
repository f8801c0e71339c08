"""Runs the tests of huggingface_hub itself against a server of ours: `make conformance`.

    python -m tests.conformance                       every module, then the table
    python -m tests.conformance test_lfs test_xet_upload

The suite is that of the installed client: its source distribution, kept in .conformance, with a conftest of ours. How
tests are counted: docs/conformance.md.
"""

import argparse
import json
import os
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
import venv
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from sysconfig import get_path
from typing import Any, Self

from huggingface_hub import HfApi

from tests.conformance import public_repos
from tests.live.running_server import RunningServer

Test = Mapping[str, Any]
"""As recorder.py writes it down."""
Results = Mapping[str, Sequence[Test]]
"""By module."""

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
CACHE = ROOT / ".conformance"
EXCLUSIONS = ROOT / "docs" / "conformance.md"
ITS_HUB = "https://hub-ci.huggingface.co"
SPELLS_OUT_ITS_HUB = ("test_hf_api", "test_kernels")
MODULE_SECONDS = 900
TEST_SECONDS = 120
REQUIRED_SHARE = 0.95


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("modules", nargs="*", help="as in test_lfs; all by default")
    parser.add_argument("-k", dest="only", default="", help="run only tests of matching names, as pytest reads it")
    parser.add_argument(
        "--own-hub", action="store_true", help="without the tests that are marked as reading the public hub: quicker"
    )
    parser.add_argument("--without-xet", action="store_true", help="large files travel by LFS")
    parser.add_argument(
        "--results", type=Path, default=CACHE / "results", help="folder of the results, one JSON a module"
    )
    parser.add_argument("--data-dir", type=Path, help="of the server; a temporary one by default")
    arguments = parser.parse_args()
    python = suite_python()
    arguments.results.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="viveiro-conformance-") as folder, ExitStack() as servers:
        suite = unpacked_suite(Path(folder))
        modules = arguments.modules or all_modules(suite)
        server = servers.enter_context(RunningServer(arguments.data_dir or Path(folder) / "server"))
        server.seed_from(HERE / "seed.yaml")
        write_address(suite, server.url)
        environment = suite_environment(server, Path(folder) / "home")
        if not arguments.own_hub:
            public = servers.enter_context(RunningServer(Path(folder) / "public"))
            environment |= public_hub(public)
        if arguments.without_xet:
            environment["HF_HUB_DISABLE_XET"] = "1"
        for module in modules:
            options = ("-k", arguments.only, *(("-m", "not production") if arguments.own_hub else ()))
            run_module(module, suite, python, environment, arguments.results, options)
    results = {module: json.loads((arguments.results / f"{module}.json").read_text()) for module in modules}
    return report(results, exclusions())


def all_modules(suite: Path) -> list[str]:
    """But those of buckets, which the hub does not offer: it says so with 501."""
    return sorted(path.stem for path in (suite / "tests").glob("test_*.py") if not path.stem.startswith("test_bucket"))


def unpacked_suite(folder: Path) -> Path:
    """A copy of the suite of this run's own, with our conftest and plugin in it."""
    release = f"huggingface_hub-{version('huggingface_hub')}"
    suite, archive = folder / release, CACHE / f"{release}.tar.gz"
    if not archive.exists():
        requirement = release.replace("-", "==")
        download = ["pip", "download", "--quiet", "--no-deps", "--no-binary", ":all:", "--dest", CACHE, requirement]
        subprocess.run([sys.executable, "-m", *download], check=True)
    with tarfile.open(archive) as source:
        source.extractall(folder, filter="data")
    (suite / "tests" / "__init__.py").touch()
    for file in (HERE / "suite").iterdir():
        shutil.copy(file, suite / "tests")
    return suite


def write_address(suite: Path, url: str) -> None:
    """Into the tests that spell out the address of the suite's own hub, instead of naming its constant."""
    for module in SPELLS_OUT_ITS_HUB:
        file = suite / "tests" / f"{module}.py"
        file.write_text(file.read_text().replace(ITS_HUB, url))


def suite_python() -> Path:
    """Our environment with what only the suite needs on top: kept apart, since its plugins would act on our tests."""
    folder = CACHE / "venv"
    python = folder / "bin" / "python"
    installed = folder / ".installed"
    requirements = HERE / "requirements.txt"
    if not installed.exists() or installed.stat().st_mtime < requirements.stat().st_mtime:
        venv.create(folder, with_pip=True, clear=True)
        packages = next(folder.glob("lib/python*/site-packages"))
        (packages / "ours.pth").write_text(get_path("purelib"))
        subprocess.run([python, "-m", "pip", "install", "--quiet", "-r", requirements], check=True)
        installed.touch()
    return python


def suite_environment(server: RunningServer, home: Path) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("HF_", "VIVEIRO_", "PYTHON"))}
    return {
        **kept,
        **{f"SUITE_{key}": secret for key, secret in server.tokens.items()},
        "HF_ENDPOINT": server.url,
        "CONFORMANCE_PUBLIC_ENDPOINT": server.url.replace("127.0.0.1", "localhost"),  # unless it has one of its own
        "HOME": str(home),
        "HF_HOME": str(home / "huggingface"),
        "HF_HUB_DISABLE_UPDATE_CHECK": "1",
        "RUN_GIT_LFS_TESTS": "1",
    }


def public_hub(server: RunningServer) -> dict[str, str]:
    """Fill it, and what the suite is to know of it."""
    server.seed_from(HERE / "seed.yaml")
    constants = public_repos.make(HfApi(endpoint=server.url, token=server.token("TOKEN")))
    return {"CONFORMANCE_PUBLIC_ENDPOINT": server.url, **{f"SUITE_{name}": value for name, value in constants.items()}}


def run_module(
    module: str, suite: Path, python: Path, environment: Mapping[str, str], results: Path, options: Sequence[str]
) -> None:
    """One process a module, so that none can hang or break another."""
    record = results / f"{module}.json"
    record.unlink(missing_ok=True)
    command = [
        *(python, "-m", "pytest", f"tests/{module}.py", "-p", "tests.recorder", "--record", record),
        *("-o", "addopts=", "-p", "no:cacheprovider", "--timeout", str(TEST_SECONDS), "-q", "--tb=short", *options),
    ]
    with (results / f"{module}.log").open("wb") as log:
        try:
            subprocess.run(
                command, cwd=suite, env=environment, stdout=log, stderr=log, timeout=MODULE_SECONDS, check=False
            )
        except subprocess.TimeoutExpired:
            log.write(f"\nended after {MODULE_SECONDS} s\n".encode())
    if not record.exists():
        record.write_text(json.dumps([{"test": module, "outcome": "failed", "why": "no result", "requests": ["?"]}]))


def exclusions() -> dict[str, str]:
    """Test → why it is left out, from the table in docs/conformance.md: the reasons live where people read them."""
    return dict(re.findall(r"^\| `(test_\S+)` \| (.+) \|$", EXCLUSIONS.read_text(), re.MULTILINE))


@dataclass(frozen=True)
class Row:
    """How the tests of one module ended."""

    passed: int = 0
    failed: int = 0
    excluded: int = 0

    @property
    def counted(self) -> int:
        return self.passed + self.failed

    def __add__(self, other: Self) -> Self:
        sums = (self.passed + other.passed, self.failed + other.failed, self.excluded + other.excluded)
        return type(self)(*sums)

    def __str__(self) -> str:
        return "".join(f"{figure:10}" for figure in (self.counted, self.passed, self.failed, self.excluded))


def report(results: Results, excluded: Mapping[str, str]) -> int:
    """Print the tables; the exit status."""
    written = print_table("tests that ask the suite's own hub", results, excluded, asks_its_own_hub)
    print_table("tests that only read its public hub", results, excluded, only_reads_the_public_hub)
    share = written.passed / max(written.counted, 1)
    print(f"{share:.1%} of the {written.counted} tests that ask the suite's own hub pass.")
    return 0 if share >= REQUIRED_SHARE else 1


def asks_its_own_hub(test: Test) -> bool:
    return any(not request.startswith("public ") for request in test["requests"])


def only_reads_the_public_hub(test: Test) -> bool:
    return bool(test["requests"]) and not asks_its_own_hub(test)


def print_table(title: str, results: Results, excluded: Mapping[str, str], counts: Callable[[Test], bool]) -> Row:
    print(f"\n{title:40}{'counted':>10}{'passed':>10}{'failed':>10}{'excluded':>10}")
    total, failures = Row(), []
    for module, tests in results.items():
        counted = [test for test in tests if counts(test)]
        judged = [test for test in counted if name_of(test) not in excluded]
        failed = [test for test in judged if test["outcome"] != "passed"]
        row = Row(len(judged) - len(failed), len(failed), len(counted) - len(judged))
        failures += failed
        total += row
        if counted:
            print(f"{module:40}{row}")
    print(f"{'all':40}{total}\n")
    for test in failures:
        print(f"{name_of(test)}\n    {' '.join(test['why'].split())[:250]}\n    {test['requests'][-1]}")
    return total


def name_of(test: Test) -> str:
    name: str = test["test"]
    return name.removeprefix("tests/")


if __name__ == "__main__":
    sys.exit(main())
