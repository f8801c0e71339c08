"""What the worker does for serving: sweeping what no endpoint wants any more."""

from datetime import timedelta

from viveiro.db import Database
from viveiro.hub.check_outs import delete_unwanted
from viveiro.jobs.context import JobContext
from viveiro.jobs.kinds import job_kind
from viveiro.jobs.schedules import schedule
from viveiro.jobs.types import Isolation
from viveiro.serving import service
from viveiro.settings import Settings


@job_kind("serving-sweep", isolation=Isolation.THREAD)
def sweep(job: JobContext) -> dict[str, int]:
    return sweep_models(job.database, job.settings)


schedule("serving-sweep", "serving-sweep", every=timedelta(days=1))


def sweep_models(database: Database, settings: Settings) -> dict[str, int]:
    """Delete the files of models that are served no more, in either form: their repos may be gone. How many folders."""
    wanted = service.wanted_endpoints(database)
    check_outs, converted = settings.models_dir.glob("*"), settings.engines_dir.glob("*")
    return {
        "check_outs": delete_unwanted(check_outs, {endpoint.sha for endpoint in wanted}),
        "converted": delete_unwanted(converted, {endpoint.key for endpoint in wanted}),
        "unfinished": delete_unwanted(settings.engines_dir.glob("*/*.partial"), ()),
    }
