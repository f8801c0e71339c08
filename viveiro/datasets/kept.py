"""What was found out about a revision, kept in the cache folder: it never changes, and can be found out again."""

from datetime import datetime
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import Any

import orjson

from viveiro.datasets.types import Finding
from viveiro.db import utc_now
from viveiro.hub.types import Repo
from viveiro.settings import Settings


def statistics_dir(settings: Settings) -> Path:
    return settings.cache_dir / "statistics"


def checks_dir(settings: Settings) -> Path:
    return settings.cache_dir / "checks"


def statistics_path(settings: Settings, repo: Repo, sha: str, split: str) -> Path:
    # By the repo's storage key, so that nothing of a deleted repo turns up in another.
    return statistics_dir(settings) / repo.storage_key / f"{sha}-{split}.json"


def keep_check(settings: Settings, repo: Repo, sha: str, report: dict[str, Any]) -> None:
    """In place of what an earlier check of this revision said."""
    write_whole(_check_path(settings, repo, sha), orjson.dumps({**report, "checked_at": utc_now()}))


def kept_check(settings: Settings, repo: Repo, sha: str) -> dict[str, Any] | None:
    """The report with its findings as Finding and `checked_at` as a time; None before the first check."""
    try:
        report = orjson.loads(_check_path(settings, repo, sha).read_bytes())
    except FileNotFoundError:
        return None
    findings = [Finding.from_json(finding) for finding in report["findings"]]
    return {**report, "findings": findings, "checked_at": datetime.fromisoformat(report["checked_at"])}


def write_whole(path: Path, content: bytes) -> None:
    """Whoever reads meanwhile sees the old file or the new one."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with NamedTemporaryFile(dir=path.parent, suffix=".partial", delete=False) as partial:
        partial.write(content)
    Path(partial.name).replace(path)


def _check_path(settings: Settings, repo: Repo, sha: str) -> Path:
    return checks_dir(settings) / repo.storage_key / f"{sha}.json"
