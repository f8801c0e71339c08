"""`hf auth login` without a token: the device shows a code, its owner allows it on a page, and the client has an access token."""

import re
import threading
from typing import Any

import httpx
import pytest
from huggingface_hub import HfApi
from huggingface_hub.utils._oauth_device import DeviceCodeError, poll_device_token, request_device_code

from tests.live.running_server import RunningServer


def begin() -> dict[str, Any]:
    begun: dict[str, Any] = dict(request_device_code())
    begun["interval"] = 0  # the client would wait 5 seconds between its questions
    return begun


def decide(server: RunningServer, code: str, decision: str, who: str | None = "alice") -> httpx.Response:
    headers = {"Authorization": f"Bearer {server.token(who)}"} if who else {}
    return httpx.post(f"{server.url}/-/device", data={"code": code, "decision": decision}, headers=headers)


class TestADevice:
    def test_that_is_allowed_acts_for_its_owner(self, server: RunningServer) -> None:
        begun = begin()
        page = httpx.get(begun["verification_uri_complete"], headers={"Authorization": f"Bearer {server.token('bob')}"})
        assert begun["user_code"] in page.text
        waiting = threading.Event()

        def allow() -> None:
            waiting.wait(60)
            decide(server, begun["user_code"].lower().replace("-", " "), "allow", "bob").raise_for_status()

        owner = threading.Thread(target=allow)
        owner.start()
        token = poll_device_token(begun, on_pending=waiting.set)
        owner.join()
        assert HfApi(endpoint=server.url, token=token["access_token"]).whoami()["name"] == "bob"

    def test_that_is_refused_has_nothing(self, server: RunningServer) -> None:
        begun = begin()
        decide(server, begun["user_code"], "deny").raise_for_status()
        with pytest.raises(DeviceCodeError, match="denied"):
            poll_device_token(begun)

    def test_is_given_its_token_once(self, server: RunningServer) -> None:
        begun = begin()
        decide(server, begun["user_code"], "allow").raise_for_status()
        poll_device_token(begun)
        with pytest.raises(DeviceCodeError, match="expired"):
            poll_device_token(begun)

    def test_is_listed_among_the_access_tokens_and_ends_with_its_own(self, server: RunningServer) -> None:
        begun = begin()
        decide(server, begun["user_code"], "allow").raise_for_status()
        secret = poll_device_token(begun)["access_token"]
        with server.client("alice") as client:
            client.delete(f"/api/v1/tokens/device%20{begun['user_code']}")
        answer = httpx.get(f"{server.url}/api/whoami-v2", headers={"Authorization": f"Bearer {secret}"})
        assert answer.status_code == 401


class TestACode:
    def test_is_decided_by_somebody_who_is_signed_in(self, server: RunningServer) -> None:
        assert decide(server, begin()["user_code"], "allow", who=None).status_code in (303, 401)

    def test_is_decided_once(self, server: RunningServer) -> None:
        code = begin()["user_code"]
        decide(server, code, "deny").raise_for_status()
        assert decide(server, code, "allow", "bob").status_code == 404

    @pytest.mark.parametrize("code", ["", "BCDF-GHJK", "<script>", "%00"])
    def test_that_nobody_waits_with_is_said_to_be_unknown(self, server: RunningServer, code: str) -> None:
        assert decide(server, code, "allow").status_code in (404, 422, 400)

    def test_is_easily_read_aloud(self) -> None:
        assert re.fullmatch("[BCDFGHJKLMNPQRSTVWXZ]{4}-[BCDFGHJKLMNPQRSTVWXZ]{4}", begin()["user_code"])


@pytest.mark.parametrize("grant", ["", "password", "refresh_token", "authorization_code"])
def test_no_other_grant_is_given(server: RunningServer, grant: str) -> None:
    answer = httpx.post(f"{server.url}/oauth/token", data={"grant_type": grant, "device_code": "x"})
    assert (answer.status_code, answer.json()["error"]) == (400, "unsupported_grant_type")
