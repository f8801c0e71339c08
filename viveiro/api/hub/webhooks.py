"""Webhooks: addresses of others that are told what happens to repos."""

from typing import Any

from fastapi import APIRouter, Request, Response
from pydantic import Field

from viveiro.api.hub.answers import json_answer
from viveiro.api.hub.schemas import Schema
from viveiro.errors import NotOffered
from viveiro.http.dependencies import DatabaseDep, InFullDep, SettingsDep
from viveiro.http.urls import public_url
from viveiro.hub.outbound import allowed_hosts
from viveiro.locale import Sentence
from viveiro.webhooks import service
from viveiro.webhooks.types import Domain, Watched, WatchedKind, Webhook, Wish

router = APIRouter(prefix="/api/settings/webhooks", tags=["hub"])


class WatchedItem(Schema):
    kind: WatchedKind = Field(alias="type")
    name: str


class WebhookWish(Schema):
    """Of an update, what is missing stays as it is; clients send an empty `watched` for that."""

    url: str | None = None
    job: str | None = Field(None, alias="jobSourceId")
    watched: list[WatchedItem] = Field(default=[], max_length=1000)
    domains: list[Domain] | None = None
    secret: str | None = None


@router.get("")
def list_webhooks(viewer: InFullDep, database: DatabaseDep) -> Response:
    with database.read() as session:
        return json_answer([_told(webhook) for webhook in service.list_webhooks(session, viewer)])


@router.post("")
def create(
    request: Request, body: WebhookWish, viewer: InFullDep, database: DatabaseDep, settings: SettingsDep
) -> Response:
    wish = _wish(request, body, None)
    with database.write() as session:
        webhook = service.create_webhook(session, viewer, wish, allowed_hosts(settings))
    return _answer(webhook)


@router.get("/{webhook_id}")
def get(webhook_id: str, viewer: InFullDep, database: DatabaseDep) -> Response:
    with database.read() as session:
        return _answer(service.get_webhook(session, viewer, webhook_id))


@router.post("/{webhook_id}")
def update(
    request: Request,
    webhook_id: str,
    body: WebhookWish,
    viewer: InFullDep,
    database: DatabaseDep,
    settings: SettingsDep,
) -> Response:
    with database.write() as session:
        wish = _wish(request, body, service.get_webhook(session, viewer, webhook_id))
        return _answer(service.update_webhook(session, viewer, webhook_id, wish, allowed_hosts(settings)))


@router.post("/{webhook_id}/enable")
def enable(webhook_id: str, viewer: InFullDep, database: DatabaseDep) -> Response:
    with database.write() as session:
        return _answer(service.switch(session, viewer, webhook_id, on=True))


@router.post("/{webhook_id}/disable")
def disable(webhook_id: str, viewer: InFullDep, database: DatabaseDep) -> Response:
    with database.write() as session:
        return _answer(service.switch(session, viewer, webhook_id, on=False))


@router.delete("/{webhook_id}")
def delete(webhook_id: str, viewer: InFullDep, database: DatabaseDep) -> Response:
    with database.write() as session:
        service.delete_webhook(session, viewer, webhook_id)
    return json_answer({})


def _wish(request: Request, body: WebhookWish, before: Webhook | None) -> Wish:
    if body.job is not None:
        raise NotOffered(
            "This hub does not offer {what}.", what=Sentence("webhooks that start jobs; give an address, url=, instead")
        )
    watched = tuple(Watched(item.kind, item.name) for item in body.watched)
    domains = tuple(dict.fromkeys(body.domains)) if body.domains is not None else None
    return Wish(
        url=body.url if body.url is not None else before.url if before else "",
        watched=watched or (before.watched if before else ()),
        domains=domains if domains is not None else before.domains if before else tuple(Domain),
        secret=(body.secret or None) if body.secret is not None else before.secret if before else None,
        base_url=public_url(request),
    )


def _answer(webhook: Webhook) -> Response:
    return json_answer({"webhook": _told(webhook)})


def _told(webhook: Webhook) -> dict[str, Any]:
    return {
        "id": webhook.id,
        "url": webhook.url,
        "job": None,
        "watched": [{"type": it.kind.value, "name": it.name} for it in webhook.watched],
        "domains": [domain.value for domain in webhook.domains],
        "secret": webhook.secret,
        "disabled": webhook.disabled,
    }
