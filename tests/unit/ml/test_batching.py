import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from viveiro.ml.batching import length_sorted_batches, near, near_equal_companions, near_lengths

lengths = st.lists(st.integers(1, 600), min_size=1, max_size=60)


class TestLengthSortedBatches:
    """Bulk work: near lengths together, within a budget of padded tokens, and back in the order it came."""

    @given(lengths, st.integers(1, 2048))
    def test_every_item_is_in_exactly_one_batch(self, lengths, budget):
        batches, _ = length_sorted_batches(lengths, budget)
        assert sorted(np.concatenate(batches)) == list(range(len(lengths)))

    @given(lengths, st.integers(1, 2048))
    def test_the_inverse_puts_outputs_back_in_order(self, lengths, budget):
        batches, inverse = length_sorted_batches(lengths, budget)
        assert list(np.concatenate(batches)[inverse]) == list(range(len(lengths)))

    @given(lengths, st.integers(1, 2048))
    def test_only_a_single_item_may_pass_the_budget(self, lengths, budget):
        batches, _ = length_sorted_batches(lengths, budget)
        assert all(len(batch) == 1 or max(lengths[i] for i in batch) * len(batch) <= budget for batch in batches)

    def test_the_longest_comes_first_so_that_memory_fails_at_once(self):
        batches, _ = length_sorted_batches([3, 500, 4], token_budget=512)
        assert batches[0].tolist() == [1]

    def test_nothing_makes_no_batches(self):
        batches, inverse = length_sorted_batches([], 512)
        assert (batches, len(inverse)) == ([], 0)


class TestNearEqualLengths:
    """Serving: only lengths within a fifth, or 2 tokens, share a forward pass, and only up to a budget."""

    @pytest.mark.parametrize(
        ("length", "other", "expected"), [(5, 7, True), (5, 8, False), (100, 125, True), (100, 127, False)]
    )
    def test_rule(self, length, other, expected):
        assert near(length, other) is expected
        assert near(other, length) is expected

    @pytest.mark.parametrize("length", [1, 5, 9, 10, 11, 100, 256])
    def test_all_that_are_near_a_length_are_known(self, length):
        assert list(near_lengths(length)) == [other for other in range(1000) if near(length, other)]

    def test_companions_keep_their_order_and_the_budget(self):
        assert near_equal_companions(60, [62, 200, 61, 59, 58, 60], token_budget=256) == [0, 2, 3]

    def test_a_lead_over_the_budget_goes_alone(self):
        assert near_equal_companions(300, [300, 301], token_budget=256) == []
