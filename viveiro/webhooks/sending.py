"""One attempt at one delivery, over the network."""

from collections.abc import Collection
from dataclasses import dataclass
from typing import Final

from viveiro import __version__
from viveiro.errors import Forbidden, Unavailable
from viveiro.hub.outbound import guarded_client
from viveiro.locale import Sentence
from viveiro.webhooks.payloads import signature
from viveiro.webhooks.types import Webhook

SECONDS: Final = 15
"""For all of an attempt. Whoever needs longer answers first and works afterwards."""
TIMEOUT: Final = 10


@dataclass(frozen=True, slots=True)
class Attempt:
    """`status` None: nothing was answered. `error` None: it has arrived."""

    status: int | None
    error: Sentence | None

    @property
    def has_arrived(self) -> bool:
        return self.error is None


def send(webhook: Webhook, delivery_id: str, event: str, body: bytes, now: int, allowed: Collection[str]) -> Attempt:
    """Post the body. The answer's status says whether it arrived; what it says is not read. Redirects are not followed.

    Args:
        now: Unix time in seconds, which is signed with the body.
    """
    import httpx2

    headers = {
        "Content-Type": "application/json",
        "User-Agent": f"viveiro/{__version__}",
        "X-Viveiro-Delivery": delivery_id,
        "X-Viveiro-Event": event,
    }
    if webhook.secret:
        headers |= {"X-Webhook-Secret": webhook.secret, "X-Viveiro-Signature": signature(webhook.secret, now, body)}
    try:
        with (
            guarded_client(allowed, seconds=SECONDS, timeout=TIMEOUT) as client,
            client.stream("POST", webhook.url, content=body, headers=headers) as answer,
        ):
            return _judge(answer.status_code)
    except (Forbidden, Unavailable) as error:
        return Attempt(None, error.sentence)
    except httpx2.TimeoutException:
        return Attempt(None, Sentence("It took longer than {seconds} seconds to answer.", seconds=TIMEOUT))
    except (httpx2.HTTPError, httpx2.InvalidURL, OSError) as error:
        return Attempt(None, Sentence("It could not be reached: {why}.", why=str(error) or type(error).__name__))


def _judge(status: int) -> Attempt:
    if 200 <= status < 300:
        return Attempt(status, None)
    if 300 <= status < 400:
        return Attempt(
            status,
            Sentence(
                "It answered with a redirect, status {status}. Enter the address that it leads to.", status=status
            ),
        )
    return Attempt(status, Sentence("It answered with status {status}.", status=status))
