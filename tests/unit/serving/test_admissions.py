from datetime import UTC, datetime

import pytest

from viveiro.serving.admissions import MOST, SECONDS, Admissions
from viveiro.serving.types import Endpoint
from viveiro.types import Resource, Visibility

KEY = ("Bearer hf_alice", "alice/triage")


class Clock:
    def __init__(self):
        self.now = 100.0

    def __call__(self):
        return self.now


@pytest.fixture
def endpoint():
    resource = Resource(1, "alice/triage", Visibility.PRIVATE, gated=False)
    return Endpoint(1, resource, "main", "0" * 40, "text-classification", "auto", "alice", datetime.now(UTC))


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def admissions(clock, endpoint):
    admissions = Admissions(clock)
    admissions.remember(KEY, endpoint, admissions.now())
    return admissions


class TestAdmissions:
    """Who was let in is let in again for a second, so that a revoked access token opens nothing for longer than that."""

    def test_the_same_request_is_let_in_again(self, admissions, endpoint):
        assert admissions.find(KEY) == endpoint

    @pytest.mark.parametrize("key", [("Bearer hf_bob", KEY[1]), ("", KEY[1]), (KEY[0], "alice/other")])
    def test_another_credential_or_model_is_looked_up(self, admissions, key):
        assert admissions.find(key) is None

    def test_after_a_second_it_is_looked_up_again(self, admissions, clock):
        clock.now += SECONDS
        assert admissions.find(KEY) is None

    def test_the_second_begins_before_the_database_is_asked(self, admissions, clock, endpoint):
        asked = admissions.now()
        clock.now += SECONDS  # it was slow, and what it saw may be old by now
        admissions.remember(KEY, endpoint, asked)
        assert admissions.find(KEY) is None

    def test_a_deploy_makes_it_forget(self, admissions):
        admissions.forget_all()
        assert admissions.find(KEY) is None

    def test_it_does_not_grow_without_end(self, admissions, endpoint):
        for number in range(3 * MOST):
            admissions.remember((f"Bearer {number}", KEY[1]), endpoint, admissions.now())
        assert len(admissions) <= MOST
