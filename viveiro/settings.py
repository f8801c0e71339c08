"""What an operator can choose, by VIVEIRO_* variables or a `.env`-style file in the data folder."""

import os
from datetime import timedelta
from hashlib import sha256
from pathlib import Path
from tempfile import gettempdir
from typing import Any, Final, Literal

from pydantic import SecretStr, ValidationError, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from viveiro.locale import Sentence, problem

LONGEST_SOCKETS_DIR: Final = 70


class Settings(BaseSettings):
    """Read once, in `app.py`, from VIVEIRO_* variables; below it, values travel as arguments."""

    model_config = SettingsConfigDict(env_prefix="VIVEIRO_", frozen=True, use_attribute_docstrings=True, extra="ignore")

    data_dir: Path = Path("~/.viveiro")
    """Everything this installation knows lies here. One server at a time may hold it."""
    host: str = "127.0.0.1"
    """Address to listen on. The default answers this machine only; 0.0.0.0 answers the network."""
    port: int = 7860
    """Port to listen on. 0 takes a free one, which `server.json` in the data folder then names."""
    public_url: str | None = None
    """Address under which clients reach this server, as in https://models.example.org. Unset: taken from each request."""
    trusted_proxies: str = ""
    """Comma-separated addresses of reverse proxies whose X-Forwarded-* headers are believed."""
    database_url: str | None = None
    """SQLAlchemy address of a PostgreSQL database. Unset: SQLite, in one file of the data folder."""
    object_store: str | None = None
    """Where large files lie, as in s3://bucket/prefix; keys and address come from AWS_* variables. Unset: in the data folder."""
    object_store_public_url: str | None = None
    """Address under which clients reach the object store. Unset: AWS_ENDPOINT_URL, as this server does."""
    presigned_downloads: bool = True
    """Send who downloads a large file to the object store, by a short-lived link. False: it goes through this server."""
    presigned_lifetime: timedelta = timedelta(minutes=15)
    """How long such a link can be used to begin a download."""
    secret_key: SecretStr | None = None
    """Signs short-lived links. Unset: made on first start and kept in the data folder with mode 0600."""
    language: Literal["en", "pt-BR"] | None = None
    """Language in which the command line speaks. Unset: that of LC_ALL, LC_MESSAGES or LANG. Clients of the server ask for theirs."""
    log_level: str = "info"
    """debug, info, warning or error."""
    log_json: bool = False
    """Log lines as JSON, for a log collector, instead of for people."""
    lfs_threshold_bytes: int = 10 * 2**20
    """A file this large, or larger, goes through LFS and cannot be pushed to git directly."""
    lfs_part_bytes: int = 64 * 2**20
    """LFS objects larger than this are offered as multipart uploads with parts of this size, each resumable."""
    check_out_bytes: int = 50 * 2**30
    """How much copies of revisions may take that running models and runs read as files. Those not used for longest go."""
    storage_quota_bytes: int | None = None
    """How much the large files of one user or organisation may take, each content once. Unset: as much as there is room."""
    git_push_limit_bytes: int = 2 * 2**30
    """A push by git larger than this, not counting its LFS files, is refused."""
    rebuilt_cache_bytes: int = 20 * 2**30
    """Files that came by Xet and leave by plain HTTP are kept put together up to this size in all, the latest used. 0 keeps none."""
    upload_time_limit: timedelta = timedelta(hours=24)
    """Parts of an upload nobody has finished by then are swept away."""
    session_time_limit: timedelta = timedelta(days=30)
    """A browser session ends this long after sign-in."""
    login_attempts_per_minute: int = 10
    """More failed sign-ins than this for one name or address in a minute answer 429."""
    job_lease: timedelta = timedelta(seconds=30)
    """A running job whose worker has not been heard of for this long is taken over."""
    job_heartbeat: timedelta = timedelta(seconds=5)
    """How often a worker renews its leases."""
    job_poll: timedelta = timedelta(milliseconds=500)
    """How often a worker looks for new work."""
    job_kill_after: timedelta = timedelta(seconds=30)
    """A cancelled job that has not ended by then is killed with its whole process group."""
    job_retry_delay: timedelta = timedelta(seconds=5)
    """A failed job waits this long before its second attempt, and four times longer before each next one."""
    job_log_bytes: int = 8 * 2**20
    """A job's log larger than this is rolled over. One older part is kept."""
    job_retention: timedelta = timedelta(days=90)
    """Ended jobs, their events and logs are deleted after this."""
    worker_cpu_slots: int = 2
    """How many jobs of one CPU slot run at once on this machine."""
    run_time_limit: timedelta = timedelta(hours=12)
    """Training is ended after this, with the best model until then. A run that would need longer is refused, unless it has a budget."""
    model_idle_limit: timedelta = timedelta(minutes=30)
    """A model loaded on demand and not asked for this long is unloaded."""
    model_answer_limit: timedelta = timedelta(seconds=60)
    """A request that its model has not got through in this time answers 503, and what is left of it is not begun."""
    model_queue_tokens: int = 2**19
    """Texts that wait for one model may have this many tokens together. What does not fit answers 503."""
    engine: Literal["auto", "openvino", "torch"] = "auto"
    """What runs served models, unless an endpoint names its own: auto takes OpenVINO where it can, and torch elsewhere."""
    upstream_url: str = "https://huggingface.co"
    """Hub from which `viveiro models pull` takes repos: huggingface.co or another Viveiro."""
    upstream_token: SecretStr | None = None
    """Access token for the upstream hub."""
    allowed_private_hosts: str = ""
    """Comma-separated hosts with private addresses that outbound requests may reach, such as another Viveiro on the LAN."""

    @field_validator("data_dir")
    @classmethod
    def _absolute(cls, path: Path) -> Path:
        return path.expanduser().absolute()

    @property
    def sqlalchemy_url(self) -> str:
        return self.database_url or f"sqlite:///{self.data_dir / 'viveiro.sqlite3'}"

    @property
    def repos_dir(self) -> Path:
        return self.data_dir / "repos"

    @property
    def storage_dir(self) -> Path:
        return self.data_dir / "storage"

    @property
    def runs_dir(self) -> Path:
        return self.data_dir / "runs"

    @property
    def incoming_dir(self) -> Path:
        """Uploaded files that wait for the job that reads them."""
        return self.data_dir / "incoming"

    @property
    def cache_dir(self) -> Path:
        return self.data_dir / "cache"

    @property
    def revisions_dir(self) -> Path:
        """Revisions that runs and other jobs read, as files, by repo and commit: can be made again from the hub."""
        return self.cache_dir / "revisions"

    @property
    def models_dir(self) -> Path:
        """Revisions that model hosts load, as files, by commit: can be made again from the hub."""
        return self.cache_dir / "models"

    @property
    def engines_dir(self) -> Path:
        """Models in the form of the engine that runs them, by model host: can be made again from the hub."""
        return self.cache_dir / "engines"

    @property
    def logs_dir(self) -> Path:
        return self.data_dir / "logs"

    @property
    def sockets_dir(self) -> Path:
        """Unix sockets of the supervisor and the model hosts; elsewhere when the data folder's path is long.

        Linux refuses socket paths over 107 bytes.
        """
        folder = self.data_dir / "sockets"
        if len(os.fsencode(folder)) <= LONGEST_SOCKETS_DIR:
            return folder
        return Path(gettempdir()) / f"viveiro-{os.getuid()}-{sha256(os.fsencode(folder)).hexdigest()[:16]}"

    def environment(self) -> dict[str, str]:
        """These settings as VIVEIRO_* variables, for a child process."""
        return {
            f"VIVEIRO_{name.upper()}": _as_text(getattr(self, name))
            for name in type(self).model_fields
            if getattr(self, name) is not None
        }


def problems(error: ValidationError) -> list[Sentence]:
    """What is wrong with the settings, for the one who set them: `VIVEIRO_PORT: Input should be a valid integer`."""
    return [
        problem(f"VIVEIRO_{str(fault['loc'][0]).upper()}", fault["msg"]) for fault in error.errors() if fault["loc"]
    ]


def _as_text(value: Any) -> str:
    if isinstance(value, SecretStr):
        return value.get_secret_value()
    if isinstance(value, timedelta):
        return f"PT{value.total_seconds():f}S"
    return str(value)
