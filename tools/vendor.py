"""`make vendor`: fetch what pages and their tests load from other projects, checked against the sums below.

The result is committed: neither an installation nor a contributor needs npm. To renew a package, change its version, take
its sum from `npm view NAME@VERSION dist.integrity`, run this, and look at the pages.
"""

import base64
import hashlib
import subprocess
import tarfile
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parents[1]
PAGES: Final = ROOT / "viveiro" / "web" / "static" / "vendor"
TESTS: Final = ROOT / "tests" / "browser" / "axe"


@dataclass(frozen=True)
class Package:
    """`files`: from the name inside the package to ours."""

    version: str
    sha512: str
    licence: str
    files: Mapping[str, str]
    folder: Path = PAGES


PACKAGES: Final = {
    "htmx.org": Package(
        "4.0.1",
        "oF7JgXhDW9UXCy/k1ZYFUQgzu/rm19ORWPSPNL91vPluB2PB9+MV55tyQdH/w7o2EAbTYUG5SDW1R60mdkdqGg==",
        "0BSD",
        {"dist/htmx.min.js": "htmx.js"},
    ),
    "@alpinejs/csp": Package(
        "3.17.4",
        "SlRXmqO6kYhnxlg+99etmuzJtE9Lk4QbKjBHqerXzaMflJqoJXdz/SI3IvHJGZ/vRVyC3bR0SSBz40oY7goBeg==",
        "MIT",
        {"dist/cdn.min.js": "alpine.js"},
    ),
    "uplot": Package(
        "1.6.32",
        "KIMVnG68zvu5XXUbC4LQEPnhwOxBuLyW1AHtpm6IKTXImkbLgkMy+jabjLgSLMasNuGGzQm/ep3tOkyTxpiQIw==",
        "MIT",
        {"dist/uPlot.iife.min.js": "uplot.js", "dist/uPlot.min.css": "uplot.css"},
    ),
    "@fontsource-variable/fraunces": Package(
        "5.3.0",
        "9BYGySn4AHEJdgp9Z28tQ3X+laJMEOITXkQarZXeloWQZDq5oOvXJ3kDA8c7MGIfpogIaZfjrQBqmda8POOCKA==",
        "OFL-1.1",
        {"files/fraunces-latin-wght-normal.woff2": "fraunces.woff2"},
    ),
    "@fontsource-variable/instrument-sans": Package(
        "5.3.0",
        "u4gKbDBTNFGkg997tfQn3eHOhHuquWUFTRT/rwzuKtrxX5P2ekfs2x+LgBPP4P32+cC+vUwF1Cr+IdRoPQbrGw==",
        "OFL-1.1",
        {"files/instrument-sans-latin-wght-normal.woff2": "instrument-sans.woff2"},
    ),
    "axe-core": Package(
        "4.14.1",
        "FHfa+lmNjQZfJz1q8wKqIDwC6DExcHt/pkjNQb09a3NPjCKg2rhu5qb2S4r76ASyFNNtuFooJpZe37OgudVGtQ==",
        "MPL-2.0",
        {"axe.min.js": "axe.js"},
        TESTS,
    ),
}


def main() -> None:
    for folder in (PAGES, TESTS):
        folder.mkdir(parents=True, exist_ok=True)
        lines = [
            "What lies in this folder is other people's work, as they published it on npm. `make vendor` fetches it."
        ]
        for name, package in PACKAGES.items():
            if package.folder == folder:
                _unpack(name, package)
                lines.append(f"\n{name} {package.version}, {package.licence}: {', '.join(package.files.values())}")
        (folder / "LICENCES.txt").write_text("\n".join(lines) + "\n")


def _unpack(name: str, package: Package) -> None:
    with tempfile.TemporaryDirectory() as folder:
        packed = subprocess.run(
            ["npm", "pack", f"{name}@{package.version}", "--silent"],
            cwd=folder,
            check=True,
            capture_output=True,
            text=True,
        )
        archive = Path(folder) / packed.stdout.strip().splitlines()[-1]
        actual = base64.b64encode(hashlib.sha512(archive.read_bytes()).digest()).decode()
        if actual != package.sha512:
            raise SystemExit(f"{name} {package.version} is not what was reviewed: sha512 {actual}")
        with tarfile.open(archive) as tar:
            for inside, ours in package.files.items():
                member = tar.extractfile(f"package/{inside}")
                assert member is not None
                content = member.read()
                (package.folder / ours).write_bytes(content)
            _keep_licence(tar, package.folder / f"{name.rpartition('/')[2]}.LICENCE.txt")


def _keep_licence(tar: tarfile.TarFile, kept: Path) -> None:
    for member in tar.getmembers():
        if member.name.lower() in ("package/license", "package/license.md", "package/license.txt"):
            content = tar.extractfile(member)
            assert content is not None
            kept.write_bytes(content.read())


if __name__ == "__main__":
    main()
