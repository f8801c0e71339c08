"""Webhooks of whoever is signed in: list, make, change, and what was sent to them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, ClassVar, Final, Literal

from fastapi import APIRouter, Form, Request, Response

from viveiro.db import Database
from viveiro.errors import InvalidInput, ViveiroError
from viveiro.http.dependencies import DatabaseDep, InFullDep, SettingsDep
from viveiro.http.urls import public_url
from viveiro.hub.outbound import allowed_hosts
from viveiro.locale import Sentence
from viveiro.web import words
from viveiro.web.navigation import go_to
from viveiro.web.rendering import render
from viveiro.webhooks import service
from viveiro.webhooks.types import Delivery, Domain, Watched, WatchedKind, Webhook, Wish

router = APIRouter(prefix="/settings/webhooks")

DOMAINS: Final = {
    Domain.REPO: Sentence("Repositories: made, moved, deleted, pushed to, settings changed"),
    Domain.DISCUSSION: Sentence("Discussions and pull requests"),
}

Address = Annotated[str, Form(max_length=service.MAX_URL_CHARS)]
WatchedText = Annotated[str, Form(max_length=30_000)]
Secret = Annotated[str, Form(max_length=1000)]
Domains = Annotated[Sequence[Domain], Form()]


@dataclass(frozen=True, slots=True)
class WebhookForm:
    """`watched`: one a line, as it was typed."""

    url: str = ""
    watched: str = ""
    domains: tuple[Domain, ...] = tuple(Domain)
    secret: str = ""


@dataclass(frozen=True, slots=True)
class WebhooksPage:
    template: ClassVar[str] = "webhooks/list.html"
    webhooks: Sequence[Webhook]
    form: WebhookForm
    domain_words: Mapping[Domain, Sentence]
    problem: ViveiroError | None = None
    deleted: bool = False


@dataclass(frozen=True, slots=True)
class WebhookPage:
    template: ClassVar[str] = "webhooks/webhook.html"
    webhook: Webhook
    form: WebhookForm
    domain_words: Mapping[Domain, Sentence]
    deliveries: Sequence[Delivery]
    state_words: Mapping[str, Sentence]
    problem: ViveiroError | None = None
    saved: bool = False


@router.get("")
def list_page(
    request: Request, viewer: InFullDep, database: DatabaseDep, done: Literal["deleted"] | None = None
) -> Response:
    with database.read() as session:
        webhooks = service.list_webhooks(session, viewer)
    form = WebhookForm(watched=f"user {viewer.name}")
    return render(request, viewer, WebhooksPage(webhooks, form, DOMAINS, deleted=done == "deleted"))


@router.post("")
def create(
    request: Request,
    viewer: InFullDep,
    database: DatabaseDep,
    settings: SettingsDep,
    url: Address = "",
    watched: WatchedText = "",
    domains: Domains = (),
    secret: Secret = "",
) -> Response:
    form = WebhookForm(url.strip(), watched, tuple(domains), secret)
    try:
        wish = wish_of(form, public_url(request))
        with database.write() as session:
            webhook = service.create_webhook(session, viewer, wish, allowed_hosts(settings))
    except ViveiroError as error:
        with database.read() as session:
            webhooks = service.list_webhooks(session, viewer)
        return render(request, viewer, WebhooksPage(webhooks, form, DOMAINS, error), status=error.status)
    return go_to(request, f"/settings/webhooks/{webhook.id}?done=saved")


@router.get("/{webhook_id}")
def webhook_page(
    request: Request,
    webhook_id: str,
    viewer: InFullDep,
    database: DatabaseDep,
    done: Literal["saved"] | None = None,
) -> Response:
    return render(request, viewer, _page(database, viewer, webhook_id, saved=done == "saved"))


@router.post("/{webhook_id}")
def change(
    request: Request,
    webhook_id: str,
    viewer: InFullDep,
    database: DatabaseDep,
    settings: SettingsDep,
    url: Address = "",
    watched: WatchedText = "",
    domains: Domains = (),
    secret: Secret = "",
) -> Response:
    form = WebhookForm(url.strip(), watched, tuple(domains), secret)
    page = _page(database, viewer, webhook_id)
    try:
        wish = wish_of(form, public_url(request))
        with database.write() as session:
            service.update_webhook(session, viewer, webhook_id, wish, allowed_hosts(settings))
    except ViveiroError as error:
        refused = WebhookPage(page.webhook, form, DOMAINS, page.deliveries, words.DELIVERIES, error)
        return render(request, viewer, refused, status=error.status)
    return go_to(request, f"/settings/webhooks/{webhook_id}?done=saved")


@router.post("/{webhook_id}/switch")
def switch(
    request: Request,
    webhook_id: str,
    viewer: InFullDep,
    database: DatabaseDep,
    on: Annotated[bool, Form()],
) -> Response:
    with database.write() as session:
        service.switch(session, viewer, webhook_id, on=on)
    return go_to(request, f"/settings/webhooks/{webhook_id}")


@router.post("/{webhook_id}/delete")
def delete(request: Request, webhook_id: str, viewer: InFullDep, database: DatabaseDep) -> Response:
    with database.write() as session:
        service.delete_webhook(session, viewer, webhook_id)
    return go_to(request, "/settings/webhooks?done=deleted")


@router.post("/{webhook_id}/deliveries/{delivery_id}/again")
def send_again(
    request: Request, webhook_id: str, delivery_id: str, viewer: InFullDep, database: DatabaseDep
) -> Response:
    with database.write() as session:
        service.send_again(session, viewer, webhook_id, delivery_id)
    return go_to(request, f"/settings/webhooks/{webhook_id}#deliveries")


def wish_of(form: WebhookForm, base_url: str) -> Wish:
    """Raises InvalidInput for a line that names nothing to watch."""
    watched = tuple(_watched(line) for line in form.watched.splitlines() if line.strip())
    return Wish(form.url, watched, form.domains, form.secret or None, base_url)


def _watched(line: str) -> Watched:
    kind, _, name = line.strip().partition(" ")
    try:
        return Watched(WatchedKind(kind.lower()), name.strip())
    except ValueError as error:
        raise InvalidInput(
            "{line!r} names nothing to watch: write user, org, model, dataset or space, a space, and the name.",
            line=line.strip(),
        ) from error


def form_of(webhook: Webhook) -> WebhookForm:
    watched = "\n".join(f"{it.kind.value} {it.name}" for it in webhook.watched)
    return WebhookForm(webhook.url, watched, webhook.domains, webhook.secret or "")


def _page(database: Database, viewer: InFullDep, webhook_id: str, *, saved: bool = False) -> WebhookPage:
    with database.read() as session:
        webhook = service.get_webhook(session, viewer, webhook_id)
        deliveries = service.list_deliveries(session, viewer, webhook_id)
    return WebhookPage(webhook, form_of(webhook), DOMAINS, deliveries, words.DELIVERIES, saved=saved)
