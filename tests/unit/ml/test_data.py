import pytest

from viveiro.ml.data import LabelSpace, OneClassOnly, UnknownLabel, text_key


@pytest.mark.parametrize("other", ["press  stops", " PRESS stops\n", "ｐｒｅｓｓ stops"])
def test_texts_that_differ_only_in_case_spacing_and_form_are_one_text(other):
    assert text_key(other) == text_key("press stops") != text_key("press stop")


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
