"""Off-policy evaluation: what another chooser would have earned on the menus that were logged.

By inverse propensity: a logged reward counts as often as the other chooser would have given that answer, over how often
the logging one did. Unbiased where every answer the other could give had a chance (Horvitz and Thompson 1952; Dudík,
Langford, Li 2011). It evaluates single decisions: a menu depends on what was held, so over a chain of decisions it says
what the other chooser does from the logged states, not where it would have led.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike


class OffPolicyError(ValueError):
    """Logs from which nothing can be concluded; the message says why."""


@dataclass(frozen=True, slots=True)
class Estimate:
    """The mean reward of a decision, its standard error, and how many decisions the evidence is worth."""

    value: float
    standard_error: float
    decisions: int
    effective: float  # (Σw)² / Σw²: few weights that carry all make it small


def inverse_propensity(
    rewards: ArrayLike, propensities: ArrayLike, targets: ArrayLike, *, normalised: bool = False
) -> Estimate:
    """The value of a chooser that gives the logged answers with probability `targets`; columns of equal length.

    `propensities` are those logged, above 0 and at most 1. `normalised` divides by the weights' own sum: a little
    biased, less at the mercy of a few rare draws. Errors: OffPolicyError.
    """
    reward, logged, wanted = (np.asarray(one, dtype=np.float64) for one in (rewards, propensities, targets))
    if not (reward.shape == logged.shape == wanted.shape and reward.ndim == 1 and len(reward) > 1):
        raise OffPolicyError("rewards, propensities and targets must be columns of one length, above 1")
    if not (np.isfinite(reward).all() and ((logged > 0) & (logged <= 1)).all()):
        raise OffPolicyError("a reward is no number, or a propensity is not above 0 and at most 1")
    if not ((wanted >= 0) & (wanted <= 1)).all():
        raise OffPolicyError("a target is no probability")
    weight = wanted / logged
    total, count = float(weight.sum()), len(reward)
    if total <= 0:
        raise OffPolicyError("the other chooser gives none of the logged answers: nothing can be said of it")
    effective = total * total / float((weight * weight).sum())
    if normalised:
        value = float((weight * reward).sum()) / total
        spread = float((weight * weight * (reward - value) ** 2).sum())
        return Estimate(value, math.sqrt(spread) / total, count, effective)
    terms = weight * reward
    return Estimate(float(terms.mean()), float(terms.std(ddof=1)) / math.sqrt(count), count, effective)
