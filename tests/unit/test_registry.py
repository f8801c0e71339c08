import pytest

from viveiro.errors import InvalidInput
from viveiro.registry import Registry


@pytest.fixture
def fruits():
    fruits = Registry("fruit")
    fruits.register("banana")(1)
    fruits.register("cherry")(2)
    return fruits


def test_entries_keep_their_order_and_are_found_by_name(fruits):
    assert list(fruits) == ["banana", "cherry"]
    assert fruits["cherry"] == 2
    assert "banana" in fruits
    assert len(fruits) == 2


def test_a_misspelt_name_is_answered_with_the_nearest(fruits):
    with pytest.raises(InvalidInput, match="Did you mean 'banana'"):
        fruits["bananna"]


def test_a_name_like_no_other_is_answered_with_all(fruits):
    with pytest.raises(InvalidInput, match="banana, cherry"):
        fruits["xyz"]


def test_a_name_is_claimed_once(fruits):
    with pytest.raises(ValueError, match="Two entries"):
        fruits.register("banana")(3)
