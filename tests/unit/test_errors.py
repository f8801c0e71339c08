from viveiro import errors
from viveiro.locale import speaking


def every_error(kind=errors.ViveiroError):
    for child in kind.__subclasses__():
        yield child
        yield from every_error(child)


def test_a_message_can_be_said_in_another_language():
    error = errors.InvalidHash("oi")
    with speaking("pt-BR"):
        assert error.translated() == "'oi' não é um sha256. Escreva 64 dígitos hexadecimais minúsculos."
    assert str(error) == "'oi' is not a sha256. Write 64 lower-case hexadecimal digits."


def test_the_codes_that_huggingface_hub_knows_are_these():
    codes = {kind.__name__ for kind in every_error()}
    assert {"RepoNotFound", "RevisionNotFound", "EntryNotFound", "GatedRepo"} <= codes


def test_what_a_caller_wrote_is_never_taken_for_a_template():
    assert "{oops}" in str(errors.EntryNotFound("{oops}", "alice/x", "main"))


def test_each_error_is_drawn_in_the_tree_or_lives_in_its_domain():
    ours = {kind.__name__ for kind in every_error() if kind.__module__ == "viveiro.errors"}
    assert sorted(name for name in ours if name not in (errors.__doc__ or "")) == []
