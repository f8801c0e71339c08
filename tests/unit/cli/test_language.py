"""The command line speaks the language of whoever types, help and refusals included."""

import pytest

from viveiro.cli import app, run
from viveiro.cli.localisation import localised


@pytest.fixture
def portuguese(monkeypatch, tmp_path):
    monkeypatch.setenv("VIVEIRO_LANGUAGE", "pt-BR")
    monkeypatch.setenv("VIVEIRO_DATA_DIR", str(tmp_path))


@pytest.fixture
def typed(capsys, portuguese):
    """Status, standard output and standard error of a command line."""

    def run_line(*words):
        with pytest.raises(SystemExit) as ended:
            run(list(words))
        out, err = capsys.readouterr()
        return ended.value.code or 0, out, err

    return run_line


def explained(command, path="viveiro"):
    """Every help text, with its place."""
    yield path, command.help
    for parameter in command.params:
        if getattr(parameter, "help", None):
            yield f"{path} {parameter.name}", parameter.help
    for name, child in getattr(command, "commands", {}).items():
        yield from explained(child, f"{path} {name}")


class TestHelp:
    def test_is_portuguese_from_its_first_word(self, typed):
        status, out, _ = typed("tokens", "create", "--help")
        assert status == 0
        assert out.startswith("Uso: viveiro tokens create [OPÇÕES]")
        assert "Um novo token de acesso. O segredo é mostrado agora e nunca mais." in out
        assert "Mostra esta ajuda e sai." in out

    def test_lists_commands_in_portuguese(self, typed):
        assert "\nComandos:\n" in typed("tokens", "--help")[1]

    def test_leaves_no_english_behind_for_the_next_reader(self, typed, monkeypatch):
        typed("tokens", "--help")
        monkeypatch.setenv("VIVEIRO_LANGUAGE", "en")
        assert typed("tokens", "--help")[1].startswith("Usage: viveiro tokens [OPTIONS]")

    def test_is_portuguese_of_every_command_and_option(self, monkeypatch):
        monkeypatch.setenv("VIVEIRO_LANGUAGE", "en")
        english = dict(explained(localised(app)))
        monkeypatch.setenv("VIVEIRO_LANGUAGE", "pt-BR")
        portuguese = dict(explained(localised(app)))
        assert sorted(place for place, text in english.items() if portuguese[place] == text) == []


class TestRefusals:
    """Status 2 and a sentence that says what to do, on standard error."""

    @pytest.mark.parametrize(
        ("line", "sentence"),
        [
            (["nowhere"], "Erro: Não há o comando 'nowhere'."),
            (["tokens", "create", "--bla"], "Erro: Não há a opção --bla"),
            (["tokens", "create"], "Erro: Falta a opção '--name'."),
            (["tokens", "delete"], "Erro: Falta o argumento 'name'."),
            (["tokens", "list", "x"], "Erro: Argumentos a mais: x"),
            (["tokens", "create", "--name"], "Erro: A opção '--name' precisa de um valor."),
            (["tokens", "list", "--json=1"], "Erro: A opção '--json' não recebe valor."),
            (
                ["models", "list", "--limit", "x"],
                "Erro: Valor inválido para '--limit': "
                "O valor precisa ser um número inteiro, e o texto não pode ser lido assim",
            ),
            (
                ["models", "list", "--limit", "0"],
                "Erro: Valor inválido para '--limit': O valor precisa ser maior ou igual a 1",
            ),
            (
                ["tokens", "create", "--name", "x", "--role", "boss"],
                "Erro: Valor inválido para '--role': "
                "'boss' não é uma das opções: 'read', 'write', 'fineGrained', 'inference'.",
            ),
            (
                ["restore", "/nowhere.tar"],
                "Erro: Valor inválido para 'file': o arquivo '/nowhere.tar' não existe.",
            ),
        ],
    )
    def test_of_command_lines(self, typed, line, sentence):
        status, _, err = typed(*line)
        assert (status, err.splitlines()[-1]) == (2, sentence)

    def test_of_what_a_command_finds_wrong(self, typed):
        status, _, err = typed("models", "delete", "not-an-id")
        assert status == 1
        assert err.startswith("Erro: 'not-an-id' não é o id de um repositório.")

    def test_of_settings(self, typed, monkeypatch):
        monkeypatch.setenv("VIVEIRO_PORT", "x")
        status, _, err = typed("settings")
        assert status == 1
        assert err.strip() == (
            "Erro: VIVEIRO_PORT: O valor precisa ser um número inteiro, e o texto não pode ser lido assim. "
            "Para ver todas as configurações: viveiro settings"
        )


def test_settings_are_explained_in_portuguese(typed):
    status, out, _ = typed("settings")
    assert status == 0
    assert "VIVEIRO_PORT = 7860\n    Porta em que o servidor escuta." in out
