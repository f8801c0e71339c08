"""Libraries speak English only. What they really say is recognised, and told in the reader's language."""

import errno
import os
import socket
from datetime import datetime
from typing import Annotated, Literal

import httpx
import pytest
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError
from starlette.exceptions import HTTPException

from viveiro.locale import Sentence, problem, recognised, speaking, translate


class Body(BaseModel):
    model_config = ConfigDict(extra="forbid")

    name: str


def complaint(schema, value):
    with pytest.raises(ValidationError) as caught:
        TypeAdapter(schema).validate_python(value)
    return caught.value.errors()[0]["msg"]


@pytest.mark.parametrize(
    ("schema", "value", "portuguese"),
    [
        (Body, {}, "Campo obrigatório"),
        (Body, {"name": "x", "age": 1}, "Não são aceitos campos a mais"),
        (Body, [], "O valor precisa ser um dicionário ou um objeto do tipo Body"),
        (int, "x", "O valor precisa ser um número inteiro, e o texto não pode ser lido assim"),
        (int, 1.5, "O valor precisa ser um número inteiro, e não tem parte decimal"),
        (float, "x", "O valor precisa ser um número, e o texto não pode ser lido assim"),
        (str, 1, "O valor precisa ser um texto"),
        (bool, "x", "O valor precisa ser verdadeiro ou falso, e não foi possível interpretá-lo assim"),
        (list[str], "x", "O valor precisa ser uma lista"),
        (Annotated[int, Field(ge=1)], 0, "O valor precisa ser maior ou igual a 1"),
        (Annotated[int, Field(gt=1)], 1, "O valor precisa ser maior que 1"),
        (Annotated[int, Field(le=1)], 2, "O valor precisa ser menor ou igual a 1"),
        (Annotated[float, Field(lt=1)], 2, "O valor precisa ser menor que 1"),
        (Annotated[str, Field(min_length=1)], "", "O texto precisa ter pelo menos 1 caractere"),
        (Annotated[str, Field(min_length=2)], "", "O texto precisa ter pelo menos 2 caracteres"),
        (Annotated[str, Field(max_length=2)], "abc", "O texto pode ter no máximo 2 caracteres"),
        (Annotated[str, Field(pattern="^a$")], "b", "O texto precisa seguir o padrão '^a$'"),
        (Annotated[list[int], Field(max_length=1)], [1, 2], None),
        (Literal["auto", "off"], "x", "O valor precisa ser 'auto' ou 'off'"),
    ],
)
def test_what_pydantic_says(schema, value, portuguese):
    english = complaint(schema, value)
    with speaking("pt-BR"):
        assert translate(recognised(english)) == (portuguese or english)


def test_what_starlette_says():
    with speaking("pt-BR"):
        assert translate(recognised(HTTPException(404).detail)) == "Não encontrado"
        assert translate(recognised(HTTPException(405).detail)) == "Método não aceito"


def test_parts_are_recognised_too():
    english = "Invalid value for '--role': Value error, 'x' is not one of 'read', 'write'."
    with speaking("pt-BR"):
        assert translate(recognised(english)) == (
            "Valor inválido para '--role': 'x' não é uma das opções: 'read', 'write'."
        )


def test_what_nobody_knows_is_quoted():
    assert recognised("Segmentation fault") == "Segmentation fault"
    assert not isinstance(recognised("Segmentation fault"), Sentence)


def test_a_problem_names_its_place():
    with speaking("pt-BR"):
        assert translate(problem("grants[0].resource", "Field required")) == "grants[0].resource: Campo obrigatório"


def test_a_moment_that_cannot_be_read_keeps_the_librarys_reason():
    english = complaint(datetime, "yesterday")
    with speaking("pt-BR"):
        assert translate(recognised(english)).startswith("O valor precisa ser data e hora válidas")


@pytest.mark.parametrize(
    ("number", "portuguese"),
    [
        (errno.EACCES, "permissão negada"),
        (errno.ENOENT, "não existe"),
        (errno.ENOTDIR, "não é uma pasta"),
        (errno.EISDIR, "é uma pasta"),
        (errno.EEXIST, "o arquivo já existe"),
        (errno.EROFS, "o sistema de arquivos não permite gravação"),
        (errno.ENOSPC, "não há espaço no dispositivo"),
        (errno.ECONNREFUSED, "conexão recusada"),
        (errno.ECONNRESET, "a conexão foi cortada pelo outro lado"),
    ],
)
def test_what_the_system_says(number, portuguese):
    with speaking("pt-BR"):
        assert translate(recognised(os.strerror(number))) == portuguese
        assert translate(recognised(str(OSError(number, os.strerror(number))))) == f"{portuguese} (erro {number})"


def test_what_httpx_says_of_a_server_that_is_not_there(free_port):
    with pytest.raises(httpx.ConnectError) as caught, httpx.Client(trust_env=False) as client:
        client.get(f"http://127.0.0.1:{free_port}")
    with speaking("pt-BR"):
        assert translate(recognised(str(caught.value))).startswith("conexão recusada")


@pytest.fixture
def free_port():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return listener.getsockname()[1]
