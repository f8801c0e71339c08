"""Language and colours of the pages, kept in the browser."""

from typing import Annotated, Final

from fastapi import APIRouter, Form, Request, Response

from viveiro.http.language import LANGUAGE_COOKIE
from viveiro.http.urls import public_url
from viveiro.locale import offered
from viveiro.web.navigation import go_to, own_address
from viveiro.web.rendering import THEME_COOKIE, THEMES

router = APIRouter()

ONE_YEAR: Final = 365 * 24 * 3600


@router.post("/-/preferences")
async def choose(
    request: Request,
    language: Annotated[str | None, Form()] = None,
    theme: Annotated[str | None, Form()] = None,
    back_to: Annotated[str | None, Form(alias="next")] = None,
) -> Response:
    """Anyone's browser may send this: it changes how this server looks in it, and nothing else."""
    response = go_to(request, own_address(back_to))
    if language is not None and (known := offered(language)) is not None:
        _keep(request, response, LANGUAGE_COOKIE, known)
    if theme in THEMES:
        _keep(request, response, THEME_COOKIE, theme)
    return response


def _keep(request: Request, response: Response, name: str, value: str) -> None:
    secure = public_url(request).startswith("https:")
    response.set_cookie(name, value, max_age=ONE_YEAR, path="/", secure=secure, httponly=True, samesite="lax")
