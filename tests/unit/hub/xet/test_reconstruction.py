"""Any part of a file, from the fewest chunks."""

import os
from itertools import accumulate

import numpy as np
import pytest

from viveiro.hub.xet.hashing import hash_text
from viveiro.hub.xet.reconstruction import merged, reconstruct, wanted
from viveiro.hub.xet.types import Layout, Piece, Term, XorbIndex

A, B = hash_text(bytes([1] * 32)), hash_text(bytes([2] * 32))
SIZES = {A: [10, 20, 30, 40], B: [5, 5, 5]}
CHUNKS = {name: [os.urandom(size) for size in sizes] for name, sizes in SIZES.items()}
INDEXES = {
    name: XorbIndex(bytes(32 * len(sizes)), np.array(list(accumulate(size + 8 for size in sizes))), np.array(sizes))
    for name, sizes in SIZES.items()
}
LAYOUT = Layout((Term(A, 0, 3, 60), Term(B, 1, 3, 10), Term(A, 1, 4, 90), Term(B, 0, 1, 5)))
CONTENT = b"".join(b"".join(CHUNKS[term.xorb][term.start : term.stop]) for term in LAYOUT.terms)


class TestReconstruct:
    def test_the_whole_is_the_layout_itself(self):
        part = reconstruct(LAYOUT, 0, len(CONTENT), INDEXES)
        assert (part.skip, tuple(part.terms)) == (0, LAYOUT.terms)

    @pytest.mark.parametrize("start", [0, 1, 9, 10, 11, 29, 59, 60, 64, 65, 70, 71, 159, 160, 164])
    @pytest.mark.parametrize("length", [1, 2, 10, 50, 165])
    def test_every_part_can_be_cut_from_its_terms(self, start, length):
        stop = min(len(CONTENT), start + length)
        part = reconstruct(LAYOUT, start, stop, INDEXES)
        chunks = [chunk for term in part.terms for chunk in CHUNKS[term.xorb][term.start : term.stop]]
        assert b"".join(chunks)[part.skip : part.skip + stop - start] == CONTENT[start:stop]
        assert part.skip < len(chunks[0])
        assert all(term.size == sum(map(len, CHUNKS[term.xorb][term.start : term.stop])) for term in part.terms)
        assert wanted(LAYOUT, start, stop) == {term.xorb for term in part.terms}

    def test_what_two_terms_share_is_fetched_once(self):
        part = reconstruct(LAYOUT, 0, len(CONTENT), INDEXES)
        assert part.pieces == {A: [Piece(0, 4, 0, 132)], B: [Piece(0, 3, 0, 39)]}

    def test_runs_apart_stay_apart(self):
        assert merged([(5, 7), (0, 2), (2, 3), (6, 9)]) == [(0, 3), (5, 9)]
