import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from viveiro.ml.data import LabelSpace, OneClassOnly, UnknownLabel, stratified_split, text_key

ROWS = [(f"text number {number} about {label}", label) for label in ("press", "lathe") for number in range(100)]


def split(rows, **options):
    return stratified_split([text for text, _ in rows], [label for _, label in rows], **options)


class TestStratifiedSplit:
    """Train, validation and test: every class in proportion, no text in two of them."""

    def test_every_class_is_in_every_split_in_proportion(self):
        parts = split(ROWS, validation=0.1, test=0.2)
        for part, share in ((parts.train, 70), (parts.validation, 10), (parts.test, 20)):
            labels = [ROWS[row][1] for row in part]
            assert (labels.count("press"), labels.count("lathe")) == (share, share)

    def test_texts_that_differ_only_in_case_and_spacing_stay_together(self):
        rows = [variant for text, label in ROWS for variant in ((text, label), (f"  {text.upper()} ", label))]
        parts = split(rows)
        keys = [{text_key(rows[row][0]) for row in part} for part in (parts.train, parts.validation, parts.test)]
        assert len(set.union(*keys)) == sum(map(len, keys))

    def test_a_text_with_two_labels_stays_whole(self):
        parts = split([*ROWS, (ROWS[0][0], "lathe")])
        assert sum(0 in part for part in (parts.train, parts.validation, parts.test)) == 1
        assert [0 in part for part in (parts.train, parts.test)] == [200 in part for part in (parts.train, parts.test)]

    def test_a_lone_example_goes_where_it_can_teach(self):
        parts = split([*ROWS, ("the only one", "rare")])
        assert 200 in parts.train

    def test_a_small_class_is_tested_too(self):
        parts = split([*ROWS, ("one", "rare"), ("two", "rare"), ("three", "rare")])
        assert sum(row >= 200 for row in parts.test) == 1

    def test_the_same_seed_splits_the_same_way_and_another_does_not(self):
        assert np.array_equal(split(ROWS, seed=1).test, split(ROWS, seed=1).test)
        assert not np.array_equal(split(ROWS, seed=1).test, split(ROWS, seed=2).test)

    @settings(max_examples=30)
    @given(st.lists(st.tuples(st.text(max_size=4), st.sampled_from("abc")), min_size=1, max_size=60), st.integers(0, 3))
    def test_every_row_is_in_exactly_one_split(self, rows, seed):
        parts = split(rows, seed=seed)
        assert sorted(np.concatenate([parts.train, parts.validation, parts.test])) == list(range(len(rows)))


class TestLabelSpace:
    """Names of the classes, from the training split alone."""

    def test_the_order_does_not_depend_on_the_rows(self):
        assert LabelSpace.fit(["b", "a", "b"]).names == ("a", "b")

    def test_labels_become_numbers(self):
        assert LabelSpace.fit(["b", "a"]).encode(["a", "b", "a"]).tolist() == [0, 1, 0]

    def test_a_label_that_training_never_saw_is_refused_by_name(self):
        with pytest.raises(UnknownLabel, match="'c' does not occur"):
            LabelSpace.fit(["b", "a"]).encode(["c"])

    def test_one_class_is_nothing_to_learn(self):
        with pytest.raises(OneClassOnly, match="nothing to tell apart"):
            LabelSpace.fit(["a", "a"])
