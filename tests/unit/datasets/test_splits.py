"""Splits: every class everywhere, no text twice."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from viveiro.datasets.splits import commoner, linked_groups, split_groups
from viveiro.datasets.types import FRACTIONS

TRAIN, VALIDATION, TEST = 0, 1, 2
TABLES = st.integers(1, 120).flatmap(
    lambda rows: st.tuples(
        arrays(np.int64, rows, elements=st.integers(0, 4)), arrays(np.int64, rows, elements=st.integers(-1, 60))
    )
)


class TestSplitGroups:
    @settings(deadline=None)
    @given(table=TABLES, seed=st.integers(0, 5))
    def test_no_group_is_divided(self, table: tuple[np.ndarray, np.ndarray], seed: int) -> None:
        labels, texts = table
        groups = linked_groups([texts])
        splits = split_groups(labels, groups, FRACTIONS, seed)
        for group in np.unique(groups):
            assert len(np.unique(splits[groups == group])) == 1

    @settings(deadline=None)
    @given(table=TABLES, seed=st.integers(0, 5))
    def test_a_class_is_in_training_before_it_is_anywhere_else(
        self, table: tuple[np.ndarray, np.ndarray], seed: int
    ) -> None:
        labels, texts = table
        groups = linked_groups([texts])
        splits = split_groups(labels, groups, FRACTIONS, seed)
        heads = np.unique(groups)
        for label in np.unique(labels[heads]):
            members = heads[labels[heads] == label]
            assert TRAIN in splits[members]
            assert len(members) < 2 or TEST in splits[members]
            assert len(members) < 3 or VALIDATION in splits[members]

    @settings(deadline=None)
    @given(sizes=st.lists(st.integers(10, 200), min_size=1, max_size=5), seed=st.integers(0, 5))
    def test_each_class_is_divided_as_the_fractions_say(self, sizes: list[int], seed: int) -> None:
        labels = np.repeat(np.arange(len(sizes)), sizes)
        splits = split_groups(labels, np.arange(len(labels)), FRACTIONS, seed)
        for label, size in enumerate(sizes):
            counts = np.bincount(splits[labels == label], minlength=3)
            assert np.all(np.abs(counts - size * np.array(FRACTIONS)) <= 1)

    def test_the_same_seed_deals_the_same_and_another_deals_otherwise(self) -> None:
        labels, groups = np.zeros(200, np.int64), np.arange(200)
        first, again, other = (split_groups(labels, groups, FRACTIONS, seed) for seed in (0, 0, 1))
        assert np.array_equal(first, again)
        assert not np.array_equal(first, other)

    def test_a_group_larger_than_a_whole_split_is_for_training(self) -> None:
        groups = np.array([0] * 60 + list(range(60, 100)))
        splits = split_groups(np.zeros(100, np.int64), groups, FRACTIONS, 0)
        assert splits[0] == TRAIN

    @pytest.mark.parametrize("seed", range(5))
    def test_the_only_row_of_a_class_is_for_training_though_its_text_has_another_class_too(self, seed: int) -> None:
        labels, groups = np.array([0] * 20 + [1]), np.array([*range(20), 4])
        splits = split_groups(labels, groups, FRACTIONS, seed)
        assert splits[20] == TRAIN
        assert {*splits.tolist()} == {TRAIN, VALIDATION, TEST}


class TestLinkedGroups:
    def test_rows_that_share_a_text_in_either_column_are_together(self) -> None:
        groups = linked_groups([np.array([1, 1, 2, 3]), np.array([7, 8, 8, 9])])
        assert groups.tolist() == [0, 0, 0, 3]

    def test_empty_texts_link_nothing(self) -> None:
        assert linked_groups([np.array([-1, -1, 5, 5])]).tolist() == [0, 1, 2, 2]

    @settings(deadline=None)
    @given(arrays(np.int64, 40, elements=st.integers(-1, 12)), arrays(np.int64, 40, elements=st.integers(-1, 12)))
    def test_groups_are_the_connected_parts(self, first: np.ndarray, second: np.ndarray) -> None:
        groups = linked_groups([first, second])
        for column in (first, second):
            for value in np.unique(column[column >= 0]):
                assert len(np.unique(groups[column == value])) == 1
        assert all(groups[group] == group for group in np.unique(groups))


class TestCommoner:
    def test_rows_whose_value_more_rows_have(self) -> None:
        assert commoner(np.array([7, 5, 7, 7, -1, -1, -1, 5]), 2).nonzero()[0].tolist() == [0, 2, 3]
