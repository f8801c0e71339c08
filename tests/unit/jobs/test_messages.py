"""What attempts tell their worker."""

import math

import numpy as np
import pytest

from viveiro.jobs.messages import coalesced, decode, encode, storable


class TestStorable:
    """Whatever a handler says can be stored as JSON in both databases."""

    @pytest.mark.parametrize(
        ("value", "stored"),
        [
            ({"loss": math.nan, "f1": math.inf}, {"loss": None, "f1": None}),
            ("a\0b", "ab"),  # PostgreSQL refuses NUL
            ({"n\0": ["\0"]}, {"n": [""]}),
            (np.float32(0.5), 0.5),
            (np.float64("nan"), None),
            (np.array([3]), 3),
            ((1, True, None), [1, True, None]),
            ({1: 2}, {"1": 2}),
        ],
    )
    def test_rule(self, value, stored):
        assert storable(value) == stored

    def test_what_is_unknown_becomes_text(self):
        assert storable(ValueError("why")) == "why"


class TestLines:
    def test_come_back_as_they_were(self):
        message = {"type": "progress", "data": {"name": "açaí\nno mato"}}
        line = encode(message)
        assert line.count(b"\n") == 1
        assert decode(line) == message

    @pytest.mark.parametrize("line", [b"", b'{"type": "progr', b"[]", b'{"data": 1}', b"\xff"])
    def test_what_a_killed_process_left_is_no_message(self, line):
        assert decode(line) is None


class TestCoalesced:
    def test_keeps_all_metrics_and_the_latest_progress(self):
        said = [{"type": kind, "data": n} for n, kind in enumerate(["progress", "metrics", "progress", "metrics"])]
        assert coalesced(said) == said[1:]

    def test_nothing_said_is_nothing_kept(self):
        assert coalesced([]) == []
