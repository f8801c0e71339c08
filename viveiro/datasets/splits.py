"""Which row goes to which split. Pure numpy, in little memory: tables may have tens of millions of rows."""

from collections.abc import Iterator, Sequence
from typing import Any, Final, TypeAlias

import numpy as np

Ints: TypeAlias = np.ndarray[Any, np.dtype[np.int64]]
Rows: TypeAlias = np.ndarray[Any, np.dtype[np.integer[Any]]]
Mask: TypeAlias = np.ndarray[Any, np.dtype[np.bool_]]
PARTS: Final = 16
"""Sorting is done in so many parts, each of them small."""
CHUNK_ROWS: Final = 2**18
PLACE_BITS: Final = 40


def first_of_equals(values: Ints) -> Rows:
    """For each row the first one with the same value; itself where the value is negative. int32 or int64, (rows,)."""
    first: Rows = np.arange(len(values), dtype=np.int32 if len(values) < 2**31 else np.int64)
    for rows in _parts(values):
        _, position, inverse = np.unique(values[rows], return_index=True, return_inverse=True)
        first[rows] = rows[position][inverse]
    return first


def repeated(values: Ints) -> Mask:
    """Rows whose value an earlier row has."""
    result = np.zeros(len(values), dtype=bool)
    for rows in _parts(values):
        _, position = np.unique(values[rows], return_index=True)
        result[rows] = True
        result[rows[position]] = False
    return result


def commoner(values: Ints, most: int) -> Mask:
    """Rows whose value more than `most` rows have. A negative value is never common."""
    result = np.zeros(len(values), dtype=bool)
    for rows in _parts(values):
        _, inverse, counts = np.unique(values[rows], return_inverse=True, return_counts=True)
        result[rows] = counts[inverse] > most
    return result


def _parts(values: Ints) -> Iterator[Rows]:
    """Row numbers, so divided that equal values are together. Rows of negative values are in no part."""
    for part in range(PARTS):
        yield np.concatenate(
            [
                np.flatnonzero(
                    (values[start : start + CHUNK_ROWS] % PARTS == part) & (values[start : start + CHUNK_ROWS] >= 0)
                )
                + start
                for start in range(0, len(values), CHUNK_ROWS)
            ]
            or [np.empty(0, np.int64)]
        )


def linked_groups(columns: Sequence[Ints]) -> Rows:
    """Rows that share a value in any column, directly or through others, get the same group number.

    Args:
        columns: one array per column, each of shape (rows,), of non-negative values; a negative value links nothing.

    Returns:
        Shape (rows,): the smallest row index of each row's group.
    """
    links = [first_of_equals(column) for column in columns]
    groups = links[0]
    while len(links) > 1:
        before = groups
        for link in links:
            smallest = groups.copy()
            np.minimum.at(smallest, link, groups)
            groups = smallest[link]
        groups = groups[groups]
        if np.array_equal(before, groups):
            break
    return groups


def split_groups(labels: Rows, groups: Rows, fractions: Sequence[float], seed: int) -> Rows:
    """Deal groups of rows to splits so that each class is divided as `fractions` says, as nearly as whole groups allow.

    A group's class is that of its first row. A class of three groups or more appears in every split, one of two in the first
    and the last split, one of one in the first. A class that is no group's own, because its rows share their texts with
    other classes, is in the first one too, as far as the class of its group then still has one for the last.

    Args:
        labels: class of each row, shape (rows,).
        groups: from `linked_groups`: no group is divided.
        fractions: shares that add up to 1.

    Returns:
        int8 (rows,): the split's position in `fractions`.
    """
    sizes = np.zeros(len(groups), dtype=np.int32)
    np.add.at(sizes, groups, 1)
    splits = np.zeros(len(groups), dtype=np.int8)
    heads = np.flatnonzero(sizes).astype(groups.dtype)
    only = _only_homes(labels, groups, heads)
    for members in _by_class(labels, heads, seed):
        splits[members] = _deal(sizes[members], fractions, np.isin(members, only))
    return splits[groups]


def _only_homes(labels: Rows, groups: Rows, heads: Rows) -> Rows:
    """Of each class that is no group's own the first group that holds it."""
    is_own = np.zeros(int(labels.max(initial=0)) + 2, dtype=bool)  # unlabelled rows have -1, the last place
    is_own[labels[heads]] = is_own[-1] = True
    rows = np.flatnonzero(~is_own[labels])
    _, first = np.unique(labels[rows], return_index=True)
    return groups[rows[first]]


def _by_class(labels: Rows, heads: Rows, seed: int) -> Iterator[Rows]:
    """The groups of each class, shuffled. `heads` is shuffled where it stands."""
    np.random.default_rng(seed).shuffle(heads)
    # Class and place in one number, sorted without a copy: argsort would take three times the memory.
    keys = np.empty(len(heads), dtype=np.int64)
    for start in range(0, len(keys), CHUNK_ROWS):
        chunk = labels[heads[start : start + CHUNK_ROWS]].astype(np.int64) + 1  # unlabelled rows have -1
        keys[start : start + CHUNK_ROWS] = (chunk << PLACE_BITS) + np.arange(start, start + len(chunk))
    keys.sort()
    classes = np.arange(1, int(labels.max(initial=0)) + 2, dtype=np.int64)
    ends = np.searchsorted(keys, classes << PLACE_BITS)
    keys &= (1 << PLACE_BITS) - 1
    yield from (members for members in np.split(heads[keys], ends) if len(members))


def _deal(sizes: Rows, fractions: Sequence[float], first: Mask) -> Rows:
    """Splits for groups in the order given: the last splits are filled first, the first split takes the rest.

    Groups larger than a whole split are for the first one, and so are those in `first`, which are the last to be taken.
    """
    splits = np.zeros(len(sizes), dtype=np.int8)
    total, position = int(sizes.sum()), 0
    order = np.argsort(2 * first.view(np.int8) + (sizes > max(1, total * min(fractions))), kind="stable")
    for split in range(len(fractions) - 1, 0, -1):
        left = len(sizes) - position
        if left < 2:
            break  # the first split goes before any other
        wanted = max(round(total * fractions[split]), 1)
        reached = np.cumsum(sizes[order[position:]])
        enough = int(np.searchsorted(reached, wanted)) + 1
        taken = min(enough, max(1, left - split))  # leaves one group for each split that is still to come
        splits[order[position : position + taken]] = split
        position += taken
    return splits
