"""Measured values as small whole numbers that any weights can be scored from.

A column holds one raw quantity, such as the distance to a substation; the classes that measure the same share it,
whatever their anchors. Between the least and the greatest anchor the values are held in equal steps, ``STEPS`` of
them between the anchors of whoever asks most closely; outside, where every score is 0 or 1 all the same, ever
coarser ones keep them readable. Codes from low to high::

    0                      not measured
    1 .. n_below           below the least anchor, the last one nearest to it
    n_below + 1 ..         least + 0, 1, 2 ... steps
    the last n_above       above the greatest anchor; the very last one is infinite

The browser turns codes to values by a table, clamps them between the anchors and weighs them, as
``siting.scoring`` does. A normalised value is off by at most half a step, so that a score, which is a mean of them
under any weights, is off by at most :func:`score_error`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from siting.types import SiteScores

Floats = NDArray[np.float64]

FINE_STEPS, COARSE_STEPS = 50_000, 10_000
"""Steps between the anchors of a criterion: scores to 1e-5, or to 5e-5."""

FINE_UP_TO = 200_000
"""More candidates are packed in coarse steps."""

_MOST_CODES = 1 << 17
_FARTHEST = 1e9


@dataclass(frozen=True, slots=True)
class Scale:
    """How the codes of one column turn into values."""

    least: float
    """Value of the first equal step: the least anchor."""
    step: float
    """Between equal steps."""
    n_inside: int
    """Equal steps, both ends counted."""
    n_below: int
    """Codes below the least anchor."""
    n_above: int
    """Codes above the greatest anchor, at least one: the last is infinite."""
    n_per_fold: float
    """Codes outside per e-fold of the distance from the middle range: 1 over their relative error."""
    is_whole: bool
    """Every value is a whole number, such as a count."""


def score_error(n_candidates: int) -> float:
    """Return how far a score made from packed values can be from the exact one, under any weights."""
    return 0.5 / _steps(n_candidates)


def pack_values(all_scores: Sequence[SiteScores], order: NDArray[np.int64]
                ) -> tuple[list[list[int]], list[Scale | None], dict[str, NDArray[Any]]]:
    """Pack the raw matrices of all classes.

    Parameters
    ----------
    all_scores
        One per class; rows are the n candidates.
    order
        Rows as they are to follow one another, shape (n,).

    Returns
    -------
    column_of
        Per class and criterion, its column.
    scales
        Per column; None for one that was measured nowhere.
    arrays
        ``raw_c`` (n, codes) for each column c that has a scale.
    """
    steps = _steps(len(order))
    column_of: list[list[int]] = [[-1] * len(scores.criteria) for scores in all_scores]
    scales: list[Scale | None] = []
    arrays: dict[str, NDArray[Any]] = {}
    for members in _sharing(all_scores, steps):
        k, j = members[0]
        scale, codes = _coded(all_scores[k].raw[:, j], [_anchors(all_scores, member) for member in members], steps)
        for k, j in members:
            column_of[k][j] = len(scales)
        if scale is not None:
            arrays[f"raw_{len(scales)}"] = codes[order]
        scales.append(scale)
    return column_of, scales, arrays


def values_of(scale: Scale) -> Floats:
    """Return the value of every code: what ``panel/scores.js`` makes of a scale."""
    span = scale.step * (scale.n_inside - 1)
    below = scale.least - span * np.expm1(np.arange(scale.n_below, 0, -1) / scale.n_per_fold)
    inside = scale.least + scale.step * np.arange(scale.n_inside)
    above = scale.least + span + span * np.expm1(np.arange(1, scale.n_above) / scale.n_per_fold)
    values = np.concatenate([[np.nan], below, inside, above, [np.inf]])
    return np.rint(values) if scale.is_whole else values


def _steps(n_candidates: int) -> int:
    return FINE_STEPS if n_candidates <= FINE_UP_TO else COARSE_STEPS


def _anchors(all_scores: Sequence[SiteScores], member: tuple[int, int]) -> tuple[float, float]:
    criterion = all_scores[member[0]].criteria[member[1]]
    return criterion.worst, criterion.best


def _sharing(all_scores: Sequence[SiteScores], steps: int) -> list[list[tuple[int, int]]]:
    """Group criteria (class, criterion) of equal raw values whose anchors are not too far apart for one column."""
    groups: dict[tuple[Any, ...], list[tuple[int, int]]] = {}
    for k, scores in enumerate(all_scores):
        for j in range(len(scores.criteria)):
            values = np.ascontiguousarray(scores.raw[:, j], dtype=np.float64)
            groups.setdefault((hashlib.sha256(values.data).digest(),), []).append((k, j))
    apart: list[list[tuple[int, int]]] = []
    for members in groups.values():
        anchors = [_anchors(all_scores, member) for member in members]
        if _range(anchors)[2] * steps <= _MOST_CODES / 2 or len(set(anchors)) == 1:
            apart.append(members)
            continue
        by_anchors: dict[tuple[float, float], list[tuple[int, int]]] = {}
        for member, own in zip(members, anchors, strict=True):
            by_anchors.setdefault(own, []).append(member)
        apart.extend(by_anchors.values())
    return apart


def _range(anchors: Sequence[tuple[float, float]]) -> tuple[float, float, float]:
    """Return the least and the greatest anchor, and how many times the narrowest pair goes between them."""
    least, greatest = min(map(min, anchors)), max(map(max, anchors))
    return least, greatest, (greatest - least) / min(abs(worst - best) for worst, best in anchors)


def _coded(raw: Floats, anchors: Sequence[tuple[float, float]], steps: int) -> tuple[Scale | None, NDArray[Any]]:
    """Code one column."""
    measured = ~np.isnan(raw)
    least, greatest, times = _range(anchors)
    if not measured.any():
        return None, np.zeros(0, dtype=np.uint16)
    n_inside = int(np.ceil(times * steps)) + 1
    span = greatest - least
    step, n_per_fold = span / (n_inside - 1), steps / 100.0
    value = np.where(measured, raw, least)
    inside = np.rint((np.clip(value, least, greatest) - least) / step).astype(np.int64)
    below, above = (_outside(excess, span, n_per_fold) for excess in (least - value, value - greatest))
    is_infinite = np.isposinf(value)
    n_below, n_above = int(below.max(initial=0)), int(above[~is_infinite].max(initial=0)) + 1
    above[is_infinite] = n_above
    codes = np.where(measured, 1 + n_below + inside - below + above, 0)
    width = np.uint16 if n_below + n_inside + n_above < 1 << 16 else np.uint32
    is_whole = bool((value == np.rint(value)).all())
    return Scale(least, step, n_inside, n_below, n_above, n_per_fold, is_whole), codes.astype(width)


def _outside(excess: Floats, span: float, n_per_fold: float) -> NDArray[np.int64]:
    """Return how many codes beyond the anchor a value lies; 0 inside."""
    far = np.clip(excess, 0.0, _FARTHEST * span)
    return np.asarray(np.ceil(np.log1p(far / span) * n_per_fold), dtype=np.int64)
