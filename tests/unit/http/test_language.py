"""Whoever sends Accept-Language is answered in it; official clients send none and get the English they compare with."""

import pytest
from fastapi import FastAPI

from tests.unit.http.conftest import serve_in_thread
from viveiro.errors import InvalidCredentials, InvalidPath, NotFound, StaleParent, ViveiroError
from viveiro.http.errors import header_safe, install_error_handlers
from viveiro.http.language import LanguageMiddleware
from viveiro.locale import Sentence

PORTUGUESE = {"Accept-Language": "pt-BR,pt;q=0.9,en;q=0.8"}


@pytest.fixture(scope="module")
def url():
    app = FastAPI()

    @app.get("/error/{name}")
    def fail(name: str) -> None:
        raise ERRORS[name]

    @app.get("/number/{number}")
    def number(number: int) -> int:
        return number

    @app.get("/bug")
    async def bug() -> None:
        raise RuntimeError

    install_error_handlers(app)
    app.add_middleware(LanguageMiddleware)
    with serve_in_thread(app) as address:
        yield address


ERRORS: dict[str, ViveiroError] = {
    "part": NotFound("Part {number} of this upload has not arrived.", number=3),
    "path": InvalidPath("/x", Sentence("it starts with '/'")),
    "credentials": InvalidCredentials(),
    "parent": StaleParent(),
}


@pytest.fixture
def ask(url):
    import httpx

    with httpx.Client(base_url=url, trust_env=False) as client:
        yield lambda path, headers=None: client.get(path, headers=headers or {})


class TestErrors:
    def test_are_told_in_the_readers_language(self, ask):
        answer = ask("/error/part", PORTUGUESE)
        assert answer.json() == {"error": "A parte 3 deste envio não chegou."}
        assert answer.headers["X-Error-Code"] == "NotFound"
        assert (answer.headers["Content-Language"], answer.headers["Vary"]) == ("pt-BR", "Accept-Language")

    def test_are_told_in_it_to_their_last_word(self, ask):
        error = ask("/error/path", PORTUGUESE).json()["error"]
        assert error == "'/x' não pode ser um caminho em um repositório: começa com '/'."

    def test_keep_their_accents_in_the_header(self, ask):
        raw = dict(ask("/error/part", PORTUGUESE).headers.raw)[b"x-error-message"]
        assert raw.decode("latin-1") == "A parte 3 deste envio não chegou."

    def test_of_requests_name_place_and_problem(self, ask):
        error = ask("/number/x", PORTUGUESE).json()["error"]
        assert error == (
            "O pedido não é válido. number: O valor precisa ser um número inteiro, e o texto não pode ser lido assim"
        )

    @pytest.mark.parametrize(
        ("path", "said"),
        [
            ("/nowhere", "Não encontrado: GET /nowhere"),
            (
                "/bug",
                "O servidor falhou neste pedido e registrou o motivo. Informe o X-Request-Id a quem o opera.",
            ),
        ],
    )
    def test_of_the_framework_are_told_in_it_too(self, ask, path, said):
        assert ask(path, PORTUGUESE).json() == {"error": said}

    @pytest.mark.parametrize(
        ("name", "sentence"),
        [
            ("credentials", "Invalid credentials in Authorization header"),
            ("parent", "The branch was updated since you opened this page. Please refresh and try again."),
        ],
    )
    def test_are_english_to_clients_that_ask_for_nothing(self, ask, name, sentence, monkeypatch):
        monkeypatch.setenv("VIVEIRO_LANGUAGE", "pt-BR")  # the operator's own language is not the caller's
        answer = ask(f"/error/{name}")
        assert (answer.json()["error"], answer.headers["X-Error-Message"]) == (sentence, sentence)


def test_typography_has_a_place_in_headers():
    assert header_safe("“não” – e mais… → fim") == '"não" - e mais... -> fim'
