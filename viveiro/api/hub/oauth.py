"""`hf auth login` without a token at hand: the device grant of OAuth, and nothing else of it."""

from typing import Annotated, Final

from fastapi import APIRouter, Form, Request, Response

from viveiro.accounts.device_logins import LIFETIME, LoginNotGranted, begin_device_login, finish_device_login
from viveiro.api.hub.answers import json_answer
from viveiro.db import utc_now
from viveiro.http.dependencies import DatabaseDep
from viveiro.http.errors import header_safe
from viveiro.http.urls import client_address, public_url
from viveiro.locale import Sentence, translate

router = APIRouter(tags=["hub"])

DEVICE_GRANT: Final = "urn:ietf:params:oauth:grant-type:device_code"
POLL_SECONDS: Final = 5
_ONCE: Final = {"Cache-Control": "no-store"}
_NO_SUCH_GRANT: Final = Sentence("This hub gives access tokens to devices only. To make one yourself: /settings/tokens")


@router.post("/oauth/device")
def begin(request: Request, database: DatabaseDep) -> Response:
    with database.write() as session:
        begun = begin_device_login(session, client_address(request), utc_now())
    page = f"{public_url(request)}/-/device"
    return json_answer(
        {
            "device_code": begun.device_code,
            "user_code": begun.user_code,
            "verification_uri": page,
            "verification_uri_complete": f"{page}?code={begun.user_code}",
            "expires_in": int(LIFETIME.total_seconds()),
            "interval": POLL_SECONDS,
        },
        headers=_ONCE,
    )


@router.post("/oauth/token")
def finish(
    database: DatabaseDep, grant_type: Annotated[str, Form()] = "", device_code: Annotated[str, Form()] = ""
) -> Response:
    """Refusals are in the form of RFC 6749, §5.2, which is what clients read."""
    if grant_type != DEVICE_GRANT:
        return _refusal("unsupported_grant_type", _NO_SUCH_GRANT)
    try:
        with database.write() as session:
            issued = finish_device_login(session, device_code, utc_now())
    except LoginNotGranted as error:
        return _refusal(error.reason, error.sentence)
    # Without expires_in: it is good until its owner revokes it.
    return json_answer({"access_token": issued.secret, "token_type": "bearer"}, headers=_ONCE)


def _refusal(reason: str, sentence: str) -> Response:
    message = translate(sentence)
    headers = {**_ONCE, "X-Error-Code": reason, "X-Error-Message": header_safe(message)}
    return json_answer({"error": reason, "error_description": message}, 400, headers)
