"""Which row goes to which split. Pure numpy."""

from collections.abc import Sequence
from typing import Any, TypeAlias

import numpy as np

Ints: TypeAlias = np.ndarray[Any, np.dtype[np.int64]]


def linked_groups(columns: Sequence[Ints]) -> Ints:
    """Rows that share a value in any column, directly or through others, get the same group number.

    Args:
        columns: one array per column, each of shape (rows,), of non-negative values; a negative value links nothing.

    Returns:
        Shape (rows,): the smallest row index of each row's group.
    """
    groups = np.arange(len(columns[0]), dtype=np.int64)
    links = [_inverse(column) for column in columns]
    while True:
        before = groups
        for link in links:
            groups = _smallest(groups, link)[link]
        groups = groups[groups]
        if np.array_equal(before, groups):
            return groups


def split_groups(labels: Ints, groups: Ints, fractions: Sequence[float], seed: int) -> Ints:
    """Deal groups of rows to splits so that each class is divided as `fractions` says, as nearly as whole groups allow.

    A group's class is that of its first row. A class of three groups or more appears in every split, one of two in the first
    and the last split, one of one in the first.

    Args:
        labels: class of each row, shape (rows,).
        groups: from `linked_groups`: no group is divided.
        fractions: shares that add up to 1.

    Returns:
        Shape (rows,): the split's position in `fractions`.
    """
    heads, members, sizes = np.unique(groups, return_inverse=True, return_counts=True)
    order = np.random.default_rng(seed).permutation(len(heads))
    split_of_group = np.zeros(len(heads), dtype=np.int64)
    classes = labels[heads]
    for label in np.unique(classes):
        chosen = order[classes[order] == label]
        split_of_group[chosen] = _deal(sizes[chosen], fractions)
    return split_of_group[members]


def _deal(sizes: Ints, fractions: Sequence[float]) -> Ints:
    """Splits for groups in the order given: the last splits are filled first, the first split takes the rest.

    Groups larger than a whole split are for the first one.
    """
    splits = np.zeros(len(sizes), dtype=np.int64)
    total, position = int(sizes.sum()), 0
    order = np.argsort(sizes > max(1, total * min(fractions)), kind="stable")
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


def _inverse(column: Ints) -> Ints:
    """Equal values get equal small numbers; each negative value gets one of its own."""
    linked = column >= 0
    inverse = np.empty(len(column), dtype=np.int64)
    values, inverse[linked] = np.unique(column[linked], return_inverse=True)
    inverse[~linked] = len(values) + np.arange(int((~linked).sum()))
    return inverse


def _smallest(values: Ints, link: Ints) -> Ints:
    smallest = np.full(int(link.max(initial=-1)) + 1, np.iinfo(np.int64).max, dtype=np.int64)
    np.minimum.at(smallest, link, values)
    return smallest
