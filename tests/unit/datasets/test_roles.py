"""Which column is what."""

import pytest

from viveiro.datasets.roles import choose_roles
from viveiro.datasets.types import ColumnProfile, ColumnRole, ColumnType, Roles
from viveiro.errors import UnknownColumn, UnusableData


def column(
    name: str, *, kind: ColumnType = ColumnType.STRING, distinct: int = 90, length: float = 40, dates: bool = False
) -> ColumnProfile:
    return ColumnProfile(name, kind, 100, 100, distinct, distinct / 100, length, 200, dates)


TICKETS = [
    column("ticket_id", length=7, distinct=100),
    column("date", length=10, dates=True),
    column("machine", distinct=20, length=20),
    column("text_pt", length=110),
    column("text_en", length=105),
    column("category", distinct=9, length=9),
]


class TestGuesses:
    def test_tickets(self) -> None:
        assert choose_roles(TICKETS) == Roles(("text_pt", "text_en"), "category")

    def test_without_telling_names_the_values_decide(self) -> None:
        columns = [column("a", length=80), column("b", distinct=3, length=6)]
        assert choose_roles(columns) == Roles(("a",), "b")

    def test_a_number_is_no_label_unless_it_is_called_one(self) -> None:
        stars = column("stars", kind=ColumnType.INTEGER, distinct=5, length=1)
        assert choose_roles([column("review"), stars]).label is None
        assert choose_roles([column("review"), stars], label="stars").label == "stars"

    def test_a_named_text_comes_first(self) -> None:
        assert choose_roles(TICKETS, text="text_en").texts == ("text_en", "text_pt")

    @pytest.mark.parametrize("name", ["content_type", "tipo_documento", "descricao_setor", "question_type"])
    def test_a_column_of_few_values_is_no_second_text_whatever_it_is_called(self, name: str) -> None:
        columns = [column("message"), column("category", distinct=4, length=6), column(name, distinct=3, length=6)]
        assert choose_roles(columns) == Roles(("message",), "category")
        assert choose_roles(columns, text="message") == Roles(("message",), "category")

    def test_a_code_whose_name_holds_the_word_comes_after_a_text_of_any_name(self) -> None:
        columns = [column("notes"), column("label", distinct=4, length=6), column("content_type", distinct=3, length=6)]
        assert choose_roles(columns).texts == ("notes",)

    def test_a_text_of_few_values_is_still_the_one_to_learn_from(self) -> None:
        columns = [column("text", distinct=20, length=8), column("uuid", distinct=100, length=36)]
        assert choose_roles(columns, label="uuid").texts == ("text",)

    def test_unlabelled_means_no_label_whatever_it_looks_like(self) -> None:
        assert choose_roles(TICKETS, unlabelled=True).label is None


class TestRefusals:
    def test_an_unknown_column_is_answered_with_the_nearest(self) -> None:
        with pytest.raises(UnknownColumn, match="Did you mean 'category'"):
            choose_roles(TICKETS, label="catgory")

    def test_a_label_has_no_thousands_of_values(self) -> None:
        with pytest.raises(UnusableData, match="is no label"):
            choose_roles([column("text"), column("words", distinct=1001)], label="words")


@pytest.mark.parametrize(
    ("name", "role"),
    [
        ("category", ColumnRole.LABEL),
        ("text_en", ColumnRole.TEXT),
        ("date", ColumnRole.DATE),
        ("ticket_id", ColumnRole.IDENTIFIER),
        ("machine", ColumnRole.OTHER),
    ],
)
def test_every_column_has_a_role(name: str, role: ColumnRole) -> None:
    profile = next(profile for profile in TICKETS if profile.name == name)
    assert choose_roles(TICKETS).of(profile) == role
