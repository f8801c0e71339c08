"""What is said while a request is answered, is said in its sender's language."""

from starlette.types import ASGIApp, Receive, Scope, Send

from viveiro.locale import ENGLISH, language_of_header, speaking


class LanguageMiddleware:
    """Pure ASGI. huggingface_hub sends no Accept-Language and gets the English sentences that it compares with."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        accepted = next((value for name, value in scope["headers"] if name == b"accept-language"), None)
        with speaking(ENGLISH if accepted is None else language_of_header(accepted.decode("latin-1"))):
            await self.app(scope, receive, send)
