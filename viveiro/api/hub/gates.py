"""Access to gated repos: who asked, and what became of it."""

from typing import Annotated, Any, Final

from fastapi import APIRouter, Query, Request, Response

from viveiro.api.hub.answers import date_text, json_answer, without_none
from viveiro.api.hub.places import REPO, PlaceDep
from viveiro.api.hub.schemas import AccessDecision, AccessGrant
from viveiro.errors import InvalidInput
from viveiro.http.dependencies import HubDep, ViewerDep
from viveiro.http.urls import next_page
from viveiro.hub.gates import decide_access, grant_access, list_access_requests
from viveiro.hub.types import AccessRequest, AccessStatus
from viveiro.types import Action

router = APIRouter(tags=["hub"])

REQUESTS: Final = REPO + "/user-access-request"
PER_PAGE: Final = 100


@router.post(REQUESTS + "/handle")
def handle(body: AccessDecision, place: PlaceDep, viewer: ViewerDep, hub: HubDep) -> Response:
    repo = hub.get_repo(viewer, place.ref, Action.WRITE)
    if (body.user is None) == (body.request_id is None):
        raise InvalidInput("Say whose request it is: send either user or requestId.")
    decided = decide_access(
        hub, viewer, repo, body.status, user=body.user, request_id=body.request_id, reason=body.reason
    )
    return json_answer(_described(decided))


@router.post(REQUESTS + "/grant")
def grant(body: AccessGrant, place: PlaceDep, viewer: ViewerDep, hub: HubDep) -> Response:
    repo = hub.get_repo(viewer, place.ref, Action.WRITE)
    return json_answer(_described(grant_access(hub, viewer, repo, body.user)))


@router.get(REQUESTS + "/{status}")
def list_requests(
    request: Request,
    status: AccessStatus,
    place: PlaceDep,
    viewer: ViewerDep,
    hub: HubDep,
    cursor: Annotated[str, Query(max_length=24)] = "",
) -> Response:
    repo = hub.get_repo(viewer, place.ref, Action.WRITE)
    found = list_access_requests(hub, repo, status, after=cursor, limit=PER_PAGE)
    headers = {"Link": next_page(request, cursor=found[-1].id)} if len(found) == PER_PAGE else {}
    return json_answer([_described(each) for each in found], headers=headers)


def _described(request: AccessRequest) -> dict[str, Any]:
    user = {"user": request.name, "fullname": request.fullname, "email": request.email, "type": "user"}
    return without_none(
        {
            "requestId": request.id,
            "user": {**without_none(user), "avatarUrl": "", "isPro": False},
            "status": request.status,
            "timestamp": date_text(request.created_at),
            "fields": request.fields or None,
            "rejectionReason": request.reason,
        }
    )
