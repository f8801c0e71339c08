"""The first page: what is here, what runs, what to do next."""

from dataclasses import dataclass
from typing import ClassVar

from fastapi import APIRouter, Request, Response

from viveiro.http.dependencies import ViewerDep
from viveiro.web.rendering import render

router = APIRouter()


@dataclass(frozen=True, slots=True)
class HomePage:
    template: ClassVar[str] = "home/home.html"


@router.get("/")
def home(request: Request, viewer: ViewerDep) -> Response:
    return render(request, viewer, HomePage())
