"""Why a job failed is kept as a sentence with its fields, and told to each reader in their language."""

import json

import httpx
import pytest
from fastapi import FastAPI
from sqlalchemy import text

from tests.unit.http.conftest import serve_in_thread
from viveiro.accounts.access_tokens import create_token
from viveiro.accounts.service import create_user
from viveiro.accounts.types import TokenRole
from viveiro.api.v1 import jobs
from viveiro.errors import NotFound
from viveiro.http.errors import install_error_handlers
from viveiro.http.language import LanguageMiddleware
from viveiro.jobs import leases
from viveiro.jobs.context import describe
from viveiro.jobs.messages import storable
from viveiro.jobs.processes import judge
from viveiro.jobs.types import Ending, JobState, Outcome
from viveiro.locale import Sentence

ERROR = NotFound("Part {number} of this upload has not arrived.", number=3)
PORTUGUESE = "A parte 3 deste envio não chegou."


@pytest.fixture
def told(queue):
    """What the API says of a job's error to somebody who reads this language."""
    with queue.database.write() as session:
        root = create_user(session, "root", is_admin=True)
        credential = create_token(session, root.id, "cli", TokenRole.READ).secret
    app = FastAPI()
    app.state.settings, app.state.database = queue.settings, queue.database
    app.include_router(jobs.router)
    install_error_handlers(app)
    app.add_middleware(LanguageMiddleware)
    with serve_in_thread(app) as url, httpx.Client(base_url=url, trust_env=False) as client:
        client.headers["Authorization"] = f"Bearer {credential}"

        def error_of(job_id, language):
            return client.get(f"/api/v1/jobs/{job_id}", headers={"Accept-Language": language}).json()["error"]

        yield error_of


def fail(queue, error):
    job_id = queue.enqueue("greet")
    job = queue.claim()
    with queue.database.write() as session:
        outcome = Outcome(Ending.FAILED, error=error, may_retry=False)
        leases.finish(session, job.id, job.attempt, outcome, queue.settings.job_retry_delay)
    return job_id


class TestFailedJob:
    def test_says_why_in_each_readers_language(self, queue, told):
        job_id = fail(queue, describe(ERROR))
        assert told(job_id, "pt-BR") == PORTUGUESE
        assert told(job_id, "en") == str(ERROR)

    def test_quotes_what_is_no_sentence_of_ours(self, queue, told):
        assert told(fail(queue, describe(ValueError("oi"))), "pt-BR") == "ValueError: oi"

    def test_of_before_there_were_sentences_keeps_its_text(self, queue, told):
        job_id = fail(queue, describe(ERROR))
        with queue.database.write() as session:
            session.execute(text("UPDATE jobs SET error = 'Some text.' WHERE id = :id"), {"id": job_id})
        assert told(job_id, "pt-BR") == "Some text."

    def test_has_its_english_in_the_history(self, queue):
        job_id = fail(queue, describe(ERROR))
        assert queue.events(job_id)[-1].data["error"] == str(ERROR)


class TestOnItsWayFromTheProcess:
    def test_a_sentence_survives_the_pipe(self, queue):
        job_id = queue.enqueue("fail-hopelessly")
        queue.start_worker()
        job = queue.wait(job_id)
        assert job.state is JobState.FAILED
        assert isinstance(job.error, Sentence)

    def test_the_end_of_the_log_is_quoted(self):
        error = judge({"exit": {"status": 3}}, lambda: "Traceback …").error
        assert error == (
            "The job's process ended with status 3 and without a result. The last lines of its log:\nTraceback …"
        )
        assert isinstance(error, Sentence)

    def test_what_databases_refuse_is_taken_out_of_its_fields(self):
        clean = storable(Sentence("No {name}.", name="a\0b"))
        assert (clean, clean.template) == ("No ab.", "No {name}.")

    def test_programs_read_its_english(self):
        assert json.dumps({"error": describe(ERROR)}) == json.dumps({"error": str(ERROR)})
