"""Weights on the way from where training began to where it ended: there a network often judges new texts better.

Source: Wortsman et al. 2022, Robust fine-tuning of zero-shot models, §3.
"""

from collections.abc import Mapping
from typing import Final, TypeAlias

import torch
from torch import Tensor, nn

from viveiro.ml.trainer import Learner, Report, Score

Weights: TypeAlias = Mapping[str, Tensor]

SHARES: Final = (1.0, 0.9, 0.8, 0.7, 0.6, 0.5)
"""Of the trained weights. Under a half, the start would have more say than what was learnt."""


def weights_of(network: nn.Module) -> Weights:
    """A copy of those that are trained."""
    return {name: weight.detach().clone() for name, weight in network.named_parameters() if weight.requires_grad}


def put_between(network: nn.Module, start: Weights, end: Weights, share: float) -> None:
    """Give the network `end` at a share of 1 and `start` at 0."""
    with torch.no_grad():
        for name, weight in network.named_parameters():
            if name in end:
                weight.copy_(torch.lerp(start[name], end[name], share))


def choose_share(learner: Learner, start: Weights, report: Report) -> float:
    """At which the validation rows are judged best, from `start` to the weights that the learner has, and keeps.

    1 without validation rows.
    """
    end = weights_of(learner.network)
    best: Score | None = None
    chosen = 1.0
    for share in SHARES:
        put_between(learner.network, start, end, share)
        score = learner.validate(report)
        if score is not None and score.beats(best):
            best, chosen = score, share
    put_between(learner.network, start, end, 1)
    return chosen
