import pytest

from tests.unit.web.conftest import HTMX, text_of
from viveiro.accounts.service import create_token
from viveiro.accounts.types import TokenRole
from viveiro.db import utc_now
from viveiro.jobs import queries
from viveiro.jobs.service import cancel_job, enqueue
from viveiro.jobs.types import JobEventType
from viveiro.serving import service as serving
from viveiro.serving.types import Endpoint
from viveiro.web.home import MOST_STEPS, STAGES, Standing, next_steps, stages


def addresses(standing):
    return [step.address for step in next_steps(standing)]


class TestWhatToDoNext:
    """In the order of the loop: choose, prepare, adapt, evaluate, publish, serve, watch."""

    @pytest.mark.parametrize(
        ("standing", "expected"),
        [
            (Standing(), ["/runs/new", "/models"]),
            (Standing(base="b/encoder"), ["/runs/new"]),
            (Standing(is_set_up=False), ["/-/welcome", "/runs/new", "/models"]),
            (
                Standing(base="b/encoder", dataset="alice/tickets"),
                ["/runs/new?data=alice/tickets", "/datasets/alice/tickets"],
            ),
            (Standing(base="b/encoder", dataset="alice/tickets", active="r1"), ["/runs/r1"]),
            (
                Standing(base="b/encoder", dataset="alice/tickets", failed="r1"),
                ["/runs/r1", "/runs/new?data=alice/tickets", "/datasets/alice/tickets"],
            ),
            (
                Standing(base="b/encoder", dataset="alice/tickets", succeeded="r1", model="alice/m"),
                ["/runs/r1", "/alice/m", "/runs/new"],
            ),
            (
                Standing(base="b/encoder", dataset="alice/t", succeeded="r1", model="alice/m", served="alice/m"),
                ["/alice/m", "/endpoints", "/runs/new"],
            ),
            (
                Standing(base="b/encoder", dataset="alice/t", succeeded="r2", model="alice/new", served="alice/old"),
                ["/runs/r2", "/alice/new", "/alice/old"],
            ),
        ],
    )
    def test_follows_from_what_there_is(self, standing, expected):
        assert addresses(standing) == expected

    @pytest.mark.parametrize("served", [None, "alice/m"])
    @pytest.mark.parametrize("model", [None, "alice/m"])
    @pytest.mark.parametrize("run", [{}, {"active": "r"}, {"failed": "r"}, {"succeeded": "r"}])
    @pytest.mark.parametrize("dataset", [None, "alice/t"])
    @pytest.mark.parametrize("base", [None, "b/encoder"])
    def test_is_always_something_and_never_much(self, base, dataset, run, model, served):
        steps = next_steps(Standing(base, dataset, **run, model=model, served=served))
        assert 1 <= len(steps) <= MOST_STEPS


class TestHowFarSomebodyHasCome:
    @pytest.mark.parametrize(
        ("standing", "reached"),
        [
            (Standing(), "Choose"),
            (Standing(dataset="alice/t"), "Choose"),
            (Standing(base="b/e"), "Prepare"),
            (Standing(base="b/e", dataset="alice/t"), "Adapt"),
            (Standing(base="b/e", dataset="alice/t", active="r"), "Adapt"),
            (Standing(base="b/e", dataset="alice/t", succeeded="r"), "Publish"),
            (Standing(base="b/e", dataset="alice/t", succeeded="r", model="alice/m"), "Serve"),
            (Standing(base="b/e", dataset="alice/t", succeeded="r", model="alice/m", served="alice/m"), "Watch"),
        ],
    )
    def test_is_the_first_stage_that_is_not_done(self, standing, reached):
        positions = stages(standing)
        assert [str(stage) for stage, position in positions if position == "now"] == [reached]
        assert [stage for stage, _ in positions] == list(STAGES)


class TestAStranger:
    def test_learns_what_this_is_and_how_to_come_in(self, site):
        answer = site.browser().get("/")
        assert answer.status_code == 200
        assert "A nursery for your own models" in text_of(answer.text)
        assert 'href="/login"' in answer.text

    def test_sees_what_is_public_and_nothing_else(self, fresh_site):
        public, private = fresh_site.new_repo(), fresh_site.new_repo(private=True)
        public_data, private_data = fresh_site.new_repo("dataset"), fresh_site.new_repo("dataset", private=True)
        page = fresh_site.browser().get("/").text
        assert f'href="/{public.url_path}"' in page
        assert f'href="/{public_data.url_path}"' in page
        assert str(private.repo_id) not in page
        assert str(private_data.repo_id) not in page

    def test_is_told_when_nothing_is_here(self, fresh_site):
        assert "No public models yet" in text_of(fresh_site.browser().get("/").text)

    def test_does_not_learn_what_runs(self, site):
        assert site.browser().get("/-/running").status_code == 303


class TestHome:
    def test_begins_with_settling_in_for_who_has_no_token_yet(self, fresh_site):
        browser = fresh_site.browser("alice")
        assert 'href="/-/welcome"' in browser.get("/").text
        browser.post("/settings/tokens", data={"name": "laptop", "role": "write"})
        assert 'href="/-/welcome"' not in browser.get("/").text

    def test_shows_what_somebody_may_see(self, fresh_site):
        own, others = fresh_site.new_repo(private=True), fresh_site.new_repo(private=True, owner="bob")
        page = fresh_site.browser("alice").get("/").text
        assert str(own.repo_id) in page
        assert str(others.repo_id) not in page

    def test_goes_on_from_the_first_dataset(self, fresh_site):
        dataset = fresh_site.new_repo("dataset")
        page = fresh_site.browser("alice").get("/").text
        assert f'href="/runs/new?data={dataset.repo_id}"' in page
        assert f'href="/runs/new?data={dataset.repo_id}"' not in fresh_site.browser("bob").get("/").text

    def test_shows_endpoints_with_their_state(self, fresh_site):
        ref = fresh_site.new_repo()
        viewer = fresh_site.viewer("alice")
        repo = fresh_site.hub.get_repo(viewer, ref)
        endpoint = Endpoint(
            repo.pk, repo.resource, "main", repo.head_sha, "text-classification", "auto", "alice", utc_now()
        )
        serving.save(fresh_site.database, viewer, endpoint)
        page = fresh_site.browser("alice").get("/").text
        assert f'href="/endpoints/{ref.repo_id}"' in page
        assert "asleep" in text_of(page)
        assert f'href="/{ref.repo_id}"' in page

    def test_speaks_portuguese(self, site):
        page = text_of(site.browser("alice", **{"Accept-Language": "pt-BR"}).get("/").text)
        assert "O que fazer agora" in page
        assert "What to do next" not in page


class TestWhatRuns:
    def start(self, site, name="alice", **arguments):
        viewer = site.viewer(name)
        with site.database.write() as session:
            job_id = enqueue(
                session, "dataset-import", {"repo_id": f"{name}/tickets", **arguments}, owner_id=viewer.user_id
            )
            row = queries.lock(session, job_id)
            queries.record(session, row, JobEventType.STARTED, utc_now(), {})
            row.progress = {"stage": "reading", "done": 3, "of": 8}
        return job_id

    def test_is_shown_with_its_progress_and_asked_for_again(self, fresh_site):
        job_id = self.start(fresh_site)
        page = fresh_site.browser("alice").get("/").text
        assert f'href="/jobs/{job_id}"' in page
        assert '<progress value="3" max="8"' in page
        assert 'hx-get="/-/running"' in page

    def test_is_the_same_when_asked_for_again(self, fresh_site):
        self.start(fresh_site)
        browser = fresh_site.browser("alice")
        part = browser.get("/-/running", headers=HTMX).text
        assert "<html" not in part
        assert text_of(part) in text_of(browser.get("/").text)

    def test_is_asked_for_no_more_once_it_has_ended(self, fresh_site):
        job_id = self.start(fresh_site)
        with fresh_site.database.write() as session:
            queries.record(session, queries.lock(session, job_id), JobEventType.SUCCEEDED, utc_now(), {})
        part = fresh_site.browser("alice").get("/-/running", headers=HTMX).text
        assert job_id not in part
        assert "hx-get" not in part

    def test_of_others_is_not_shown_even_to_an_administrator(self, fresh_site):
        job_id = self.start(fresh_site)
        for other in ("bob", "ada"):
            assert job_id not in fresh_site.browser(other).get("/").text

    @pytest.mark.parametrize("role", [TokenRole.READ, TokenRole.WRITE, TokenRole.INFERENCE])
    def test_is_shown_to_the_access_tokens_that_may_list_it(self, role, fresh_site):
        job_id, viewer = self.start(fresh_site), fresh_site.viewer("alice")
        with fresh_site.database.write() as session:
            secret = create_token(session, viewer.user_id, "app", role).secret
        answer = fresh_site.browser(Authorization=f"Bearer {secret}").get("/-/running")
        assert (job_id in answer.text) == (role is not TokenRole.INFERENCE)

    def test_says_when_it_is_about_to_stop(self, fresh_site):
        job_id = self.start(fresh_site)
        with fresh_site.database.write() as session:
            cancel_job(session, job_id)
        assert "stopping" in text_of(fresh_site.browser("alice").get("/-/running").text)
