"""Which texts share a forward pass. Pure: lengths in, indices out.

On a CPU padding costs what real tokens cost, and all that batching gains is reached at 256 to 512 tokens: a batch of
mixed lengths halves the throughput. So lengths are sorted for bulk work, and only near-equal ones meet when serving.
"""

from collections.abc import Sequence
from functools import cache
from typing import Final

import numpy as np

BUCKET_BATCHES: Final = 50
NEAR_SHARE: Final = 0.2
NEAR_TOKENS: Final = 2


def length_sorted_batches(lengths: Sequence[int], token_budget: int) -> tuple[list[np.ndarray], np.ndarray]:
    """Batches of near lengths, longest first: whoever runs out of memory does so at once and not after an hour.

    Args:
        lengths: tokens of each item.
        token_budget: most tokens, padding included, in one batch. An item longer than that gets a batch of its own.

    Returns:
        Batches of indices into `lengths`, and the inverse permutation: with the outputs of all batches concatenated in
        order, `outputs[inverse]` is in the order of `lengths`.
    """
    order = np.argsort(-np.asarray(lengths, dtype=np.int64), kind="stable")
    batches: list[np.ndarray] = []
    start = 0
    while start < len(order):
        longest = max(1, lengths[order[start]])
        stop = start + max(1, token_budget // longest)
        batches.append(order[start:stop])
        start = stop
    return batches, np.argsort(order, kind="stable")


def shuffled_batches(lengths: np.ndarray, batch_size: int, seed: int, epoch: int) -> list[np.ndarray]:
    """An epoch's batches of near lengths, a pure function of the seed and the epoch: to resume needs no memory of them.

    Items are shuffled, cut into buckets of BUCKET_BATCHES batches, sorted within each, and the batches shuffled again.
    The very first batch of a run is the one with most tokens: what does not fit in memory fails at once.

    Args:
        lengths: tokens of each item, shape (items,).
    """
    generator = np.random.default_rng((seed, epoch))
    order = generator.permutation(len(lengths))
    batches: list[np.ndarray] = []
    for start in range(0, len(order), batch_size * BUCKET_BATCHES):
        bucket = order[start : start + batch_size * BUCKET_BATCHES]
        bucket = bucket[np.argsort(-lengths[bucket], kind="stable")]
        batches += [bucket[cut : cut + batch_size] for cut in range(0, len(bucket), batch_size)]
    shuffled = [batches[position] for position in generator.permutation(len(batches))]
    if epoch == 0:
        shuffled.insert(0, shuffled.pop(heaviest_batch(lengths, shuffled)))
    return shuffled


def heaviest_batch(lengths: np.ndarray, batches: Sequence[np.ndarray]) -> int:
    """Position of the batch with most tokens, padding included."""
    return int(np.argmax([len(batch) * lengths[batch].max() for batch in batches]))


def near(length: int, other: int) -> bool:
    """Whether padding one to the other wastes little."""
    difference = abs(length - other)
    return difference <= max(NEAR_TOKENS, NEAR_SHARE * max(length, other))


@cache
def near_lengths(length: int) -> range:
    """Every length that `near` says is near."""
    found = [other for other in range(2 * length + NEAR_TOKENS) if near(length, other)]
    return range(found[0], found[-1] + 1)


def near_equal_companions(lead: int, lengths: Sequence[int], token_budget: int) -> list[int]:
    """Positions in `lengths` that may share a batch with an item of `lead` tokens, in their order there.

    The padded batch, lead included, stays within the budget; a lead over the budget goes alone.
    """
    companions: list[int] = []
    longest = lead
    for position, length in enumerate(lengths):
        if longest * (len(companions) + 2) > token_budget:
            break
        widest = max(longest, length)
        if near(lead, length) and widest * (len(companions) + 2) <= token_budget:
            companions.append(position)
            longest = widest
    return companions
