from viveiro import errors


def every_error(kind=errors.ViveiroError):
    for child in kind.__subclasses__():
        yield child
        yield from every_error(child)


def test_a_message_can_be_said_in_another_language():
    error = errors.RevisionNotFound("v1", "alice/x")
    portuguese = {error.template: "{repo_id} não tem a revisão {revision}."}
    assert error.translated(portuguese.__getitem__) == "alice/x não tem a revisão v1."


def test_the_codes_that_huggingface_hub_knows_are_these():
    codes = {kind.__name__ for kind in every_error()}
    assert {"RepoNotFound", "RevisionNotFound", "EntryNotFound", "GatedRepo"} <= codes


def test_what_a_caller_wrote_is_never_taken_for_a_template():
    assert "{oops}" in str(errors.EntryNotFound("{oops}", "alice/x", "main"))


def test_each_error_is_drawn_in_the_tree_or_lives_in_its_domain():
    ours = {kind.__name__ for kind in every_error() if kind.__module__ == "viveiro.errors"}
    assert sorted(name for name in ours if name not in (errors.__doc__ or "")) == []
