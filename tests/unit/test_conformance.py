"""What is left out of the official client's tests is little, and has its reason."""

from tests.conformance.__main__ import exclusions

MOST_EXCLUSIONS = 15


def test_few_tests_are_left_out_and_each_says_why() -> None:
    left_out = exclusions()
    assert 0 < len(left_out) <= MOST_EXCLUSIONS
    assert all(reason.strip().endswith(".") for reason in left_out.values())
