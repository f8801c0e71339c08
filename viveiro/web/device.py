"""Where somebody allows a device that shows a code to act for them."""

from dataclasses import dataclass
from typing import Annotated, ClassVar, Literal

from fastapi import APIRouter, Form, Request, Response

from viveiro.accounts.device_logins import DeviceLogin, decide_device_login, find_device_login
from viveiro.db import utc_now
from viveiro.http.dependencies import DatabaseDep, InFullDep, SignedInDep
from viveiro.web.rendering import render

router = APIRouter(prefix="/-/device")

Outcome = Literal["allow", "deny", "unknown"]


@dataclass(frozen=True, slots=True)
class DevicePage:
    """`login` waits for a decision; `outcome` is the one just made, or that there is no such code."""

    template: ClassVar[str] = "accounts/device.html"
    code: str
    login: DeviceLogin | None = None
    outcome: Outcome | None = None


@router.get("")
def device_page(request: Request, viewer: SignedInDep, database: DatabaseDep, code: str = "") -> Response:
    code = code.strip()[:40]
    with database.read() as session:
        login = find_device_login(session, code, utc_now()) if code else None
    return render(request, viewer, DevicePage(code, login, "unknown" if code and login is None else None))


@router.post("")
def decide(
    request: Request,
    viewer: InFullDep,
    database: DatabaseDep,
    code: Annotated[str, Form(max_length=40)],
    decision: Annotated[Literal["allow", "deny"], Form()],
) -> Response:
    with database.write() as session:
        found = decide_device_login(session, viewer, code, utc_now(), allow=decision == "allow")
    return render(
        request, viewer, DevicePage(code, outcome=decision if found else "unknown"), status=200 if found else 404
    )
