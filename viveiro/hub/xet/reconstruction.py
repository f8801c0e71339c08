"""From the layout of a file to what has to be fetched for a part of it. Pure."""

from collections import defaultdict
from collections.abc import Iterator, Mapping

from viveiro.hub.xet.types import Layout, Piece, Reconstruction, Term, XorbIndex


def reconstruct(layout: Layout, start: int, stop: int, indexes: Mapping[str, XorbIndex]) -> Reconstruction:
    """What gives the bytes [start, stop) of the file, cut to whole chunks.

    Args:
        indexes: of each xorb that `wanted` names for the same range.
    """
    skip = 0
    terms = []
    for number, (term, first, last) in enumerate(_overlapping(layout, start, stop)):
        trimmed, skipped = _trim(term, first, last, indexes[term.xorb])
        terms.append(trimmed)
        skip = skip if number else first - skipped
    return Reconstruction(skip, terms, _pieces(terms, indexes))


def wanted(layout: Layout, start: int, stop: int) -> set[str]:
    """The xorbs that hold some of the bytes [start, stop)."""
    return {term.xorb for term, _, _ in _overlapping(layout, start, stop)}


def _overlapping(layout: Layout, start: int, stop: int) -> Iterator[tuple[Term, int, int]]:
    """The terms that hold some of it, each with the part wanted of its own bytes."""
    at = 0
    for term in layout.terms:
        if at >= stop:
            return
        if at + term.size > start:
            yield term, max(0, start - at), min(term.size, stop - at)
        at += term.size


def _trim(term: Term, first: int, last: int, index: XorbIndex) -> tuple[Term, int]:
    """Without the chunks before byte `first` and behind byte `last` of it. Also how many bytes the former have."""
    if first == 0 and last == term.size:
        return term, 0
    before = int(index.offsets[term.start])
    start = int(index.offsets.searchsorted(before + first, "right")) - 1
    stop = int(index.offsets.searchsorted(before + last, "left"))
    size = int(index.offsets[stop] - index.offsets[start])
    return Term(term.xorb, start, stop, size), int(index.offsets[start]) - before


def _pieces(terms: list[Term], indexes: Mapping[str, XorbIndex]) -> dict[str, list[Piece]]:
    runs: defaultdict[str, list[tuple[int, int]]] = defaultdict(list)
    for term in terms:
        runs[term.xorb].append((term.start, term.stop))
    return {
        xorb: [Piece(start, stop, *indexes[xorb].packed_range(start, stop)) for start, stop in merged(chunks)]
        for xorb, chunks in runs.items()
    }


def merged(runs: list[tuple[int, int]]) -> list[tuple[int, int]]:
    """The same numbers in as few runs as possible, in order."""
    together: list[tuple[int, int]] = []
    for start, stop in sorted(runs):
        if together and start <= together[-1][1]:
            together[-1] = (together[-1][0], max(stop, together[-1][1]))
        else:
            together.append((start, stop))
    return together
