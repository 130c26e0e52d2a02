"""One weight at a time: how the list of the best changes when a criterion counts a little more or less.

After Chen, Yu and Khan (2010): every weight is moved by up to a fifth in steps of one per cent, and the others keep
their proportions. Nothing is scored anew from the matrix: a candidate's score is a ratio of two sums, and moving one
weight changes one term of each, so that a step costs one pass over the candidates and one sort.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

REACH, STEP = 0.2, 0.01
"""How far a weight is moved, as a share of itself, and in which steps."""


@dataclass(frozen=True, eq=False, slots=True, kw_only=True)
class OneAtATime:
    """What moving each weight by itself does to the list of the best."""

    steps: Floats
    """Changes of the weight as shares of itself, ascending; shape (s,)."""
    kept: Floats
    """Criteria x steps: share of the list that stays in it."""
    first_stays: NDArray[np.bool_]
    """Criteria x steps: the first of the list is still first."""
    shift: Floats
    """Criteria x steps: mean change of rank over the list, in places."""
    n_top: int
    """Length of the list."""

    @property
    def tolerance(self) -> Floats:
        """Per criterion, the smallest change that puts another candidate first, as a share; NaN for none in reach."""
        size = np.where(self.first_stays, np.inf, np.abs(self.steps)[None, :])
        least = size.min(axis=1)
        return np.where(np.isfinite(least), least, np.nan)


def one_at_a_time(normalised: Floats, weights: Floats, n_top: int, *, reach: float = REACH,
                  step: float = STEP) -> OneAtATime:
    """Move each weight by itself and watch the best ``n_top``.

    Cost: one pass and one sort of the candidates per criterion and step (640 for sixteen criteria).

    Parameters
    ----------
    normalised
        Eligible candidates x criteria, 0 to 1; NaN where not measured. Not empty.
    weights
        Per criterion; they sum to 1.
    n_top
        Length of the list.
    reach, step
        How far each weight is moved, and in which steps, as shares of itself.
    """
    n_steps = round(reach / step)
    steps = np.round(np.arange(-n_steps, n_steps + 1) * step, 10)
    known = ~np.isnan(normalised)
    values = np.where(known, normalised, 0.0)
    earned, measured = values @ weights, known @ weights
    base = _scores(earned, measured)
    best = np.argsort(-base, kind="stable")[:n_top]
    before = _ranks(base, best)
    shape = (normalised.shape[1], len(steps))
    kept, shift, first_stays = np.ones(shape), np.zeros(shape), np.ones(shape, dtype=np.bool_)
    for j, weight in enumerate(weights.tolist()):
        if not 0.0 < weight < 1.0:
            continue
        own, own_known = weight * values[:, j], weight * known[:, j]
        for s, change in enumerate(steps.tolist()):
            others = (1.0 - min(weight * (1.0 + change), 1.0)) / (1.0 - weight)
            score = _scores((1.0 + change) * own + others * (earned - own),
                            (1.0 + change) * own_known + others * (measured - own_known))
            after = _ranks(score, best)
            kept[j, s] = (after <= len(best)).mean()
            shift[j, s] = np.abs(after - before).mean()
            first_stays[j, s] = after[0] == 1
    return OneAtATime(steps=steps, kept=kept, first_stays=first_stays, shift=shift, n_top=len(best))


def _scores(earned: Floats, measured: Floats) -> Floats:
    """Divide what was earned by the weight that was measured; twelve digits, so that equal scores tie."""
    found = np.divide(earned, measured, out=np.zeros_like(earned), where=measured > 1e-12)
    return np.asarray(np.round(found, 12), dtype=np.float64)


def _ranks(score: Floats, rows: NDArray[np.int64]) -> NDArray[np.int64]:
    """Rank some candidates among all, 1 for the best; equal scores share the better rank."""
    ordered = np.sort(score)
    return np.asarray(len(score) - np.searchsorted(ordered, score[rows], side="right") + 1, dtype=np.int64)
