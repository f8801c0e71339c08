import pytest

from viveiro.errors import InvalidRepoId
from viveiro.types import RepoId, RepoKind, RepoRef, is_name, new_id


class TestRepoId:
    """`namespace/name`, with the characters that the Hub allows."""

    @pytest.mark.parametrize(
        "text", ["alice/bert", "__DUMMY_HUB_USER__/a_b", "a/b.c-d", "A1/B2", f"{'n' * 96}/{'m' * 96}"]
    )
    def test_is_read_and_written_alike(self, text):
        assert str(RepoId.parse(text)) == text

    @pytest.mark.parametrize(
        "text",
        [
            *(
                "",
                "bert",
                "/bert",
                "alice/",
                "alice/bert/x",
                "../etc",
                "alice/..",
                "alice/.hidden",
                "alice/a--b",
                "alice/a..b",
                "alice/-a",
            ),
            *(
                "alice/a.git",
                "alice/a b",
                "alice/a\n",
                "alice/ä",
                "alice/\u0430",
                f"alice/{'m' * 97}",
                "alice/a\0",
                "alice\\bert",
            ),
        ],
    )
    def test_whatever_could_be_a_path_or_look_like_another_name_is_refused(self, text):
        with pytest.raises(InvalidRepoId):
            RepoId.parse(text)


def test_the_address_of_a_model_has_no_prefix():
    repo_id = RepoId("alice", "x")
    paths = [RepoRef(kind, repo_id).url_path for kind in RepoKind]
    assert paths == ["alice/x", "datasets/alice/x", "spaces/alice/x", "kernels/alice/x"]


def test_a_name_of_96_characters_is_the_longest():
    assert is_name("a" * 96)
    assert not is_name("a" * 97)


def test_ids_are_24_hex_digits_and_differ():
    ids = {new_id() for _ in range(1000)}
    assert len(ids) == 1000
    assert all(len(one) == 24 and int(one, 16) for one in ids)
