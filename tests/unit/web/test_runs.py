"""The pages of runs: what goes on, how a run learns, what came of it."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.unit.training.conftest import Nursery
from tests.unit.web.conftest import HTMX, Site, nursery_of, text_of
from viveiro.jobs.service import cancel_job, enqueue
from viveiro.jobs.tables import JobRow
from viveiro.jobs.types import Ending, Job, Outcome
from viveiro.locale import Sentence
from viveiro.training.curves import Curves
from viveiro.training.service import Run, RunDescription, RunState, load_run, start_run
from viveiro.types import RepoId, RepoKind, RepoRef
from viveiro.web.run_progress import growth
from viveiro.web.runs import curve_table, settings_of


@pytest.fixture(scope="module")
def done(nursery: Nursery) -> Run:
    """A run that succeeded, for the tests that only look."""
    run = nursery.start(publish="alice/looked-at")
    nursery.work(run)
    return nursery.run(run)


@pytest.fixture
def waiting(nursery: Nursery) -> Iterator[Run]:
    """One that no worker has begun. It is gone afterwards, so that the next test's is the next one claimed."""
    run = nursery.start(publish="alice/waiting")
    yield run
    with nursery.database.write() as session:
        cancel_job(session, run.job_id)


def failed(nursery: Nursery, error: str) -> Run:
    run = nursery.start(publish="alice/failing")
    nursery.settle(nursery.claim(run), Outcome(Ending.FAILED, error=error, may_retry=False))
    return run


class TestList:
    def test_a_stranger_signs_in_first_and_comes_back(self, site: Site) -> None:
        answer = site.browser().get("/runs")
        assert (answer.status_code, answer.headers["location"]) == (303, "/login?next=%2Fruns")

    def test_without_runs_it_leads_to_the_first_one(self, fresh_site: Site) -> None:
        page = fresh_site.browser("alice").get("/runs")
        assert "No runs yet" in text_of(page.text)
        assert 'href="/runs/new"' in page.text

    def test_a_run_that_ended_says_what_it_reached(self, site: Site, done: Run) -> None:
        page = site.browser("alice").get("/runs")
        assert done.result is not None
        told = text_of(page.text)
        assert f'href="/runs/{done.id}"' in page.text
        assert "alice/looked-at succeeded alice/tickets alice/encoder" in told
        assert f"{done.result['metrics']['f1_macro']['value']:.3f}" in told

    def test_it_asks_again_only_while_something_runs(self, site: Site, done: Run, nursery: Nursery) -> None:
        browser = site.browser("alice")
        assert "hx-get" not in browser.get("/runs").text
        run = nursery.start(publish="alice/waits-in-the-list")
        assert 'hx-get="/runs"' in browser.get("/runs").text
        assert "Waiting for a worker" in text_of(browser.get("/runs").text)
        browser.post(f"/runs/{run.id}/cancel")
        assert "hx-get" not in browser.get("/runs").text

    def test_its_job_says_which_model_and_which_data(self, site: Site, done: Run) -> None:
        data = done.description.data_revision.repo_id
        assert f"{done.description.publish} · {data}" in text_of(site.browser("alice").get("/jobs").text)

    def test_the_refresh_is_the_list_alone(self, site: Site, done: Run) -> None:
        part = site.browser("alice").get("/runs", headers=HTMX).text
        assert "<html" not in part
        assert done.id in part

    def test_others_see_nothing_of_it_and_administrators_whose_it_is(self, site: Site, done: Run) -> None:
        assert done.id not in site.browser("bob").get("/runs").text
        assert "Owner" not in text_of(site.browser("alice").get("/runs").text)
        page = site.browser("ada").get("/runs").text
        assert done.id in page
        assert '<td data-label="Owner" translate="no">alice</td>' in page

    def test_older_ones_are_on_the_next_page(self, fresh_site: Site, grown: tuple[Path, Path]) -> None:
        nursery = nursery_of(fresh_site, grown)
        ids = sorted(nursery.start(publish=f"alice/one-of-many-{number}").id for number in range(27))
        browser = fresh_site.browser("alice")
        first = browser.get("/runs").text
        assert f'rel="next" href="/runs?cursor={ids[2]}"' in first
        second = browser.get(f"/runs?cursor={ids[2]}").text
        assert [f'href="/runs/{run_id}"' in second for run_id in ids[:3]] == [True, True, False]


class TestRunPage:
    def test_anothers_run_is_missing(self, site: Site, done: Run) -> None:
        for address in ("", "/progress", "/log"):
            answer = site.browser("bob").get(f"/runs/{done.id}{address}")
            assert answer.status_code == 404
            assert "or it is not yours" in text_of(answer.text)
        for action in ("cancel", "reproduce", "again"):
            assert site.browser("bob").post(f"/runs/{done.id}/{action}").status_code == 404

    def test_a_waiting_run_says_so_and_asks_again(self, site: Site, waiting: Run) -> None:
        page = site.browser("alice").get(f"/runs/{waiting.id}")
        assert "Waiting for a worker" in text_of(page.text)
        assert f'hx-get="/runs/{waiting.id}/progress" hx-trigger="every 2s"' in page.text
        assert "Cancel the run" in text_of(page.text)

    def test_a_running_run_says_what_it_does_and_how_long_it_takes(self, site: Site, nursery: Nursery) -> None:
        run = nursery.start(publish="alice/running")
        job = nursery.claim(run)
        stage = {"stage": "training", "done": 30, "of": 120, "epoch": 2.5, "samples_per_second": 41, "seconds_left": 70}
        note_progress(nursery, job, stage)
        part = text_of(site.browser("alice").get(f"/runs/{run.id}/progress", headers=HTMX).text)
        assert "Training 30 of 120 · epoch 2.5 · 41 texts/s · about 1 min 10 s left" in part
        nursery.settle(job, Outcome(Ending.FAILED, error="enough", may_retry=False))

    def test_when_it_has_ended_the_page_is_loaded_anew(self, site: Site, done: Run) -> None:
        answer = site.browser("alice").get(f"/runs/{done.id}/progress", headers=HTMX)
        assert (answer.status_code, answer.headers["hx-refresh"]) == (204, "true")
        assert "every 2s" not in site.browser("alice").get(f"/runs/{done.id}").text

    def test_a_failed_run_says_why_in_the_readers_language(self, site: Site, nursery: Nursery) -> None:
        error = Sentence("There is no column {name!r}. Columns: {columns}.", name="<i>text</i>", columns="a, b")
        run = failed(nursery, error)
        page = site.browser("alice", **{"Accept-Language": "pt-BR"}).get(f"/runs/{run.id}")
        assert "Não há coluna" in text_of(page.text)
        assert "<i>text</i>" not in page.text
        assert "Começar de novo" in text_of(page.text)

    def test_a_failed_run_can_be_started_again(self, site: Site, nursery: Nursery) -> None:
        run = failed(nursery, "the machine was switched off")
        answer = site.browser("alice").post(f"/runs/{run.id}/again")
        again = answer.headers["location"].removeprefix("/runs/")
        assert answer.status_code == 303
        with nursery.database.read() as session:
            found = load_run(session, again)
        assert found.id != run.id
        assert found.description == run.description
        site.browser("alice").post(f"/runs/{again}/cancel")

    def test_cancelling_ends_a_waiting_run(self, site: Site, nursery: Nursery) -> None:
        run = nursery.start(publish="alice/cancelled")
        browser = site.browser("alice")
        answer = browser.post(f"/runs/{run.id}/cancel")
        assert (answer.status_code, answer.headers["location"]) == (303, f"/runs/{run.id}")
        assert nursery.run(run).state is RunState.CANCELLED
        assert "It was cancelled and published nothing" in text_of(browser.get(f"/runs/{run.id}").text)

    def test_a_form_of_another_site_cancels_nothing(self, site: Site, waiting: Run, nursery: Nursery) -> None:
        answer = site.browser("alice", Origin="https://evil.example").post(f"/runs/{waiting.id}/cancel")
        assert answer.status_code == 403
        assert nursery.run(waiting).state is RunState.QUEUED

    def test_the_log_is_shown_as_text(self, site: Site, done: Run) -> None:
        path = site.settings.logs_dir / "jobs" / f"{done.job_id}.log"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("epoch 1\n<script>alert(1)</script>\n")
        page = site.browser("alice").get(f"/runs/{done.id}/log").text
        assert "&lt;script&gt;alert(1)" in page
        assert "<script>alert" not in page


class TestReport:
    def test_scores_stand_beside_the_baselines_with_a_plain_verdict(self, site: Site, done: Run) -> None:
        told = text_of(site.browser("alice").get(f"/runs/{done.id}").text)
        assert done.result is not None
        assert "How good it is" in told
        assert "always the commonest answer" in told
        assert "TF-IDF and a linear model" in told
        assert f"On {done.result['rows']['test']} test rows that nothing was fitted on" in told

    def test_it_says_plainly_when_a_baseline_wins(self, site: Site, done: Run) -> None:
        told = text_of(site.browser("alice").get(f"/runs/{done.id}").text)
        assert done.result is not None
        assert done.result["beats_baselines"] is False  # a random encoder against words that give the class away
        assert "This model does not beat a simple baseline" in told

    def test_names_of_classes_are_text(self, site: Site, done: Run) -> None:
        page = site.browser("alice").get(f"/runs/{done.id}").text
        assert "&lt;b&gt;invoice&lt;/b&gt;" in page
        assert "<b>invoice</b>" not in page

    def test_the_confusion_matrix_is_a_table(self, site: Site, done: Run) -> None:
        page = site.browser("alice").get(f"/runs/{done.id}").text
        assert done.result is not None
        cells = [rows for row in done.result["confusion"] for rows in row]
        assert page.count('class="heat-') == len(cells)

    def test_settings_show_what_auto_came_to(self, site: Site, done: Run) -> None:
        told = text_of(site.browser("alice").get(f"/runs/{done.id}").text)
        assert done.result is not None
        assert f"strength {done.result['description']['params']['strength']}" in told

    def test_pictures_come_from_the_published_commit(self, site: Site, done: Run) -> None:
        assert done.result is not None
        page = site.browser("alice").get(f"/runs/{done.id}").text
        assert f'src="/alice/looked-at/picture/{done.result["revision"]}/pictures/calibration.svg"' in page

    def test_a_deleted_model_is_not_linked(self, site: Site, nursery: Nursery) -> None:
        run = nursery.start(publish="alice/deleted")
        nursery.work(run)
        nursery.hub.delete_repo(nursery.alice, RepoRef(RepoKind.MODEL, RepoId("alice", "deleted")))
        page = site.browser("alice").get(f"/runs/{run.id}")
        assert page.status_code == 200
        assert 'href="/alice/deleted"' not in page.text
        assert "Deploy" not in text_of(page.text)

    def test_it_can_be_reproduced(self, site: Site, nursery: Nursery, done: Run) -> None:
        answer = site.browser("alice").post(f"/runs/{done.id}/reproduce", headers=HTMX)
        address = answer.headers["hx-redirect"]
        page = site.browser("alice").get(address)
        assert "alice/looked-at-reproduced" in text_of(page.text)
        site.browser("alice").post(f"{address}/cancel")

    def test_in_portuguese(self, site: Site, done: Run) -> None:
        told = text_of(site.browser("alice", **{"Accept-Language": "pt-BR"}).get(f"/runs/{done.id}").text)
        assert "Quão bom ele é" in told
        assert "Este modelo não supera uma referência simples" in told


class TestImporting:
    """From a file: the job that imports it and the run that follows share their address."""

    def test_the_import_is_shown_until_its_run_is_there(self, site: Site, nursery: Nursery) -> None:
        job = importing(nursery)
        page = site.browser("alice").get(f"/runs/{job}")
        assert "The data is being imported" in text_of(page.text)
        assert f'hx-get="/runs/{job}/progress?was=import"' in page.text
        assert site.browser("bob").get(f"/runs/{job}").status_code == 404
        part = site.browser("alice").get(f"/runs/{job}/progress?was=import", headers=HTMX)
        assert "Waiting for a worker" in text_of(part.text)
        description = nursery.start(publish="alice/from-a-file").description
        run = follow_up(nursery, job, description)
        part = site.browser("alice").get(f"/runs/{job}/progress?was=import", headers=HTMX)
        assert (part.status_code, part.headers["hx-refresh"]) == (204, "true")
        assert "alice/from-a-file" in site.browser("alice").get(f"/runs/{run.id}").text

    def test_it_can_be_cancelled_too(self, site: Site, nursery: Nursery) -> None:
        job = importing(nursery)
        assert site.browser("alice").post(f"/runs/{job}/cancel").status_code == 303
        assert "cancelled" in text_of(site.browser("alice").get(f"/runs/{job}").text)

    def test_the_list_shows_it_to_whoever_started_it_and_asks_again(self, site: Site, nursery: Nursery) -> None:
        job = importing(nursery)
        answer = site.browser("alice").get("/runs", headers=HTMX)
        assert "Importing alice/new" in text_of(answer.text)
        assert f"/runs/{job}" in answer.text
        assert 'hx-trigger="every 3s"' in answer.text
        assert job not in site.browser("bob").get("/runs").text

    def test_another_kind_of_job_is_no_run(self, site: Site, nursery: Nursery) -> None:
        with nursery.database.write() as session:
            job = enqueue(session, "dataset-check", {}, owner_id=nursery.alice.user_id)
        assert site.browser("alice").get(f"/runs/{job}").status_code == 404


def importing(nursery: Nursery) -> str:
    with nursery.database.write() as session:
        return enqueue(session, "import-and-run", {"repo_id": "alice/new"}, owner_id=nursery.alice.user_id)


def follow_up(nursery: Nursery, job: str, description: RunDescription) -> Run:
    return start_run(nursery.hub, nursery.alice, description, run_id=job)


def note_progress(nursery: Nursery, job: Job, stage: dict[str, Any]) -> None:
    with nursery.database.write() as session:
        session.get_one(JobRow, job.id).progress = stage


class TestGrowth:
    @pytest.mark.parametrize(
        ("state", "stage", "standings"),
        [
            (RunState.QUEUED, None, "ahead ahead ahead ahead ahead"),
            (RunState.PREFLIGHT, "reading", "now ahead ahead ahead ahead"),
            (RunState.RUNNING, "features", "done now ahead ahead ahead"),
            (RunState.RUNNING, "validating", "done done now ahead ahead"),
            (RunState.STOPPING, "publishing", "done done done done now"),
            (RunState.FAILED, "evaluating", "done done done failed ahead"),
            (RunState.FAILED, None, "ahead ahead ahead ahead ahead"),  # forgotten with its job
            (RunState.SUCCEEDED, None, "done done done done done"),
            (RunState.RUNNING, "a stage of tomorrow", "now ahead ahead ahead ahead"),
        ],
    )
    def test_how_the_steps_stand(self, state: RunState, stage: str | None, standings: str) -> None:
        assert [step.standing for step in growth(state, stage)] == standings.split()


class TestCurveTable:
    def test_a_row_for_each_evaluation_with_the_training_loss_of_that_moment(self) -> None:
        series = {
            "train_loss": {0.5: 0.9, 1.0: 0.7, 1.5: 0.6},
            "eval_loss": {1.0: 0.8, 2.0: 0.75},
            "eval_f1_macro": {1.0: 0.5},
        }
        table = curve_table(Curves(series))
        assert table is not None
        assert [name for name, _ in table.columns] == ["train_loss", "eval_loss", "eval_f1_macro"]
        assert table.rows == ((1.0, (0.7, 0.8, 0.5)), (2.0, (0.6, 0.75, 0.5)))

    def test_none_of_a_run_without_epochs(self) -> None:
        assert curve_table(Curves({"learning_rate": {1.0: 1e-4}})) is None


def test_settings_tell_what_was_chosen_from_what_it_came_to() -> None:
    found = settings_of({"epochs": 3}, {"epochs": 3, "strength": 0.1})
    assert [(setting.name, setting.value, setting.is_chosen) for setting in found] == [
        ("epochs", "3", True),
        ("strength", "0.1", False),
    ]
