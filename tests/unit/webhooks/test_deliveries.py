"""A delivery is tried again, given up, or dropped; a webhook that fails for days is switched off."""

import json
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import func, select, update

from tests.unit.datasets.working import claimed
from tests.unit.hub.house import House
from viveiro.accounts.service import delete_user
from viveiro.db import Database, utc_now
from viveiro.errors import TooLarge
from viveiro.events import RepoChanged
from viveiro.hub.moving import move_repo
from viveiro.jobs.kinds import kinds
from viveiro.jobs.tables import JobRow
from viveiro.types import RepoId, Visibility
from viveiro.webhooks import queries, service
from viveiro.webhooks.payloads import signature
from viveiro.webhooks.types import (
    PATIENCE,
    PAUSES,
    Delivery,
    Domain,
    Watched,
    WatchedKind,
    Webhook,
    WebhookNotFound,
    Wish,
    pause_after,
)

NOWHERE = "http://webhook.invalid/hook"


@pytest.fixture
def house(database: Database, tmp_path: Path) -> Iterator[House]:
    house = House(database, tmp_path / "data")
    yield house
    house.hub.close()


@pytest.fixture
def webhook(house: House) -> Webhook:
    """Bob's, who watches Alice."""
    wish = Wish(NOWHERE, (Watched(WatchedKind.USER, "alice"),), (Domain.REPO,), None, "http://here.example")
    with house.database.write() as session:
        return service.create_webhook(session, house.bob, wish, ())


def work(house: House, kind: str) -> Any:
    job, context = claimed(house, kind)
    return kinds[kind].handler(context, **job.arguments)


def latest(house: House, webhook: Webhook) -> Delivery:
    with house.database.read() as session:
        return service.list_deliveries(session, house.bob, webhook.id)[0]


def again(house: House, webhook: Webhook) -> Webhook:
    with house.database.read() as session:
        return service.get_webhook(session, house.bob, webhook.id)


class TestADelivery:
    def test_that_fails_is_tried_again_later(self, house: House, webhook: Webhook) -> None:
        house.model()
        assert work(house, "webhooks-of-repo") == 1
        assert work(house, "webhook-deliver")["state"] == "waiting"
        delivery = latest(house, webhook)
        assert (delivery.event, delivery.attempts) == ("create repo", 1)
        assert "cannot be resolved" in str(delivery.error)
        assert delivery.next_attempt_at is not None
        assert delivery.last_attempt_at is not None
        assert delivery.next_attempt_at - delivery.last_attempt_at == PAUSES[0]
        assert again(house, webhook).failing_since is not None

    def test_is_given_up_after_the_last_attempt(self, house: House, webhook: Webhook) -> None:
        house.model()
        work(house, "webhooks-of-repo")
        with house.database.write() as session:
            queries.update_delivery(session, latest(house, webhook).id, attempts=len(PAUSES))
        assert work(house, "webhook-deliver")["state"] == "failed"
        assert latest(house, webhook).next_attempt_at is None

    def test_can_be_sent_again_by_its_owner_alone(self, house: House, webhook: Webhook) -> None:
        house.model()
        work(house, "webhooks-of-repo")
        delivery = latest(house, webhook)
        with house.database.write() as session:
            queries.update_delivery(session, delivery.id, state="failed")
        with house.database.write() as session, pytest.raises(WebhookNotFound):
            service.send_again(session, house.alice, webhook.id, delivery.id)
        with house.database.write() as session:
            service.send_again(session, house.bob, webhook.id, delivery.id)
        assert latest(house, webhook).state == "waiting"

    def test_is_on_its_way_once_however_often_it_is_asked_for(self, house: House, webhook: Webhook) -> None:
        """Else who asks a thousand times has this server send a thousand requests to somebody else's."""
        house.model()
        work(house, "webhooks-of-repo")
        work(house, "webhook-deliver")
        with house.database.write() as session:
            delivery = queries.deliveries_of(session, webhook.id, 1)[0]
            queries.update_delivery(session, delivery.id, state="failed")
            jobs = select(func.count()).select_from(JobRow).where(JobRow.kind == "webhook-deliver")
            before = session.scalar(jobs) or 0
            for _ in range(3):
                service.send_again(session, house.bob, webhook.id, delivery.id)
            assert session.scalar(jobs) == before + 1

    def test_that_waits_for_its_next_attempt_can_be_sent_now(self, house: House, webhook: Webhook) -> None:
        """And the attempt that it waited for is then none too many."""
        house.model()
        work(house, "webhooks-of-repo")
        work(house, "webhook-deliver")
        delivery = latest(house, webhook)
        with house.database.write() as session:
            service.send_again(session, house.bob, webhook.id, delivery.id)
        assert work(house, "webhook-deliver")["state"] == "waiting"
        tried = latest(house, webhook)
        assert tried.last_attempt_at != delivery.last_attempt_at
        with house.database.write() as session:
            waiting = update(JobRow).where(JobRow.kind == "webhook-deliver", JobRow.state == "queued")
            session.execute(waiting.values(run_at=utc_now()))
        assert [work(house, "webhook-deliver") for _ in range(2)] == [None, None]
        assert latest(house, webhook) == tried

    def test_is_dropped_when_its_owner_may_not_know_any_more(self, house: House, webhook: Webhook) -> None:
        repo = house.model()
        work(house, "webhooks-of-repo")
        house.hub.update_repo(house.alice, repo.ref, visibility=Visibility.PRIVATE)
        assert work(house, "webhook-deliver") == {"state": "dropped"}
        assert latest(house, webhook).attempts == 0

    def test_is_made_once_however_often_the_event_is_heard(self, house: House, webhook: Webhook) -> None:
        repo = house.model()
        event = RepoChanged(repo.pk, "create", "model", repo.name, repo.owner_id, "public", None)
        _, context = claimed(house, "webhooks-of-repo")
        for _ in range(2):
            kinds["webhooks-of-repo"].handler(context, **event.to_json())
        with house.database.read() as session:
            assert len(service.list_deliveries(session, house.bob, webhook.id)) == 1


class TestAWebhook:
    def test_at_which_nothing_arrives_for_days_is_switched_off_with_the_reason(
        self, house: House, webhook: Webhook
    ) -> None:
        house.model()
        work(house, "webhooks-of-repo")
        with house.database.write() as session:
            since = utc_now() - PATIENCE - timedelta(minutes=1)
            queries.update_webhook(session, webhook.id, failing_since=since)
        assert work(house, "webhook-deliver")["state"] == "failed"
        off = again(house, webhook)
        assert off.disabled
        assert "cannot be resolved" in str(off.disabled_because)
        house.model("alice/later")
        assert work(house, "webhooks-of-repo") == 0
        with house.database.write() as session:
            on = service.switch(session, house.bob, webhook.id, on=True)
        assert (on.disabled, on.disabled_because, on.failing_since) == (False, None, None)

    @pytest.mark.parametrize(("private", "name"), [(False, "alice/sprouts"), (True, "alice/seeds")])
    def test_follows_a_repo_only_to_a_name_that_its_owner_may_know(
        self, house: House, private: bool, name: str
    ) -> None:
        repo = house.model()
        work(house, "webhooks-of-repo")
        watched = (Watched(WatchedKind.MODEL, "alice/seeds"),)
        with house.database.write() as session:
            wish = Wish(NOWHERE, watched, (Domain.REPO,), None, "http://here.example")
            webhook = service.create_webhook(session, house.bob, wish, ())
        if private:
            house.hub.update_repo(house.alice, repo.ref, visibility=Visibility.PRIVATE)
            work(house, "webhooks-of-repo")
        move_repo(house.hub, house.alice, repo.ref, RepoId("alice", "sprouts"))
        work(house, "webhooks-of-repo")
        assert [watch.name for watch in again(house, webhook).watched] == [name]

    def test_of_a_deleted_user_goes_with_them(self, house: House, webhook: Webhook) -> None:
        with house.database.write() as session:
            delete_user(session, "bob")
        with house.database.read() as session:
            assert queries.find(session, webhook.id) is None

    def test_is_not_one_of_too_many(self, house: House, webhook: Webhook) -> None:
        wish = Wish(NOWHERE, webhook.watched, webhook.domains, None, webhook.base_url)
        with house.database.write() as session:
            for _ in range(service.MOST_WEBHOOKS - 1):
                service.create_webhook(session, house.bob, wish, ())
        with house.database.write() as session, pytest.raises(TooLarge, match="50 webhooks already"):
            service.create_webhook(session, house.bob, wish, ())


class TestRules:
    def test_pauses_grow_and_end(self) -> None:
        pauses = [pause_after(attempts) for attempts in range(1, len(PAUSES) + 2)]
        assert pauses[:-1] == sorted(PAUSES)
        assert pauses[-1] is None

    def test_a_signature_covers_time_and_body(self) -> None:
        body = json.dumps({"a": 1}).encode()
        signatures = {signature(*it) for it in (("s", 1, body), ("s", 2, body), ("t", 1, body), ("s", 1, body + b" "))}
        assert len(signatures) == 4
