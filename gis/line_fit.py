"""How far, and which way, a set of points must move to lie on a set of lines.

A trimmed, weighted iteration of nearest-point matching that moves without turning or scaling: what
is left is the shift between two drawings of the same outlines, however differently each of them
was simplified. Plain distances cannot tell it: two drawings of one border that are both good to
150 m are 100 m apart in the median whether or not one of them is shifted by 100 m along the border.

Everything here is in metres on a local plane.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import shapely
from numpy.typing import NDArray
from shapely.strtree import STRtree

Floats = NDArray[np.float64]

KEPT_SHARE = 0.75
"""Share of the points that a fit must explain; the others may have no counterpart."""

_MAX_STEPS = 25
_LONGEST_STEP_M = 500.0
_ENOUGH_M = 0.5
_SMALLEST_SCALE_M = 3.0


@dataclass(frozen=True, slots=True)
class Fit:
    """The best place found from one start."""

    shift_m: Floats
    """Shape (2,): eastward and northward."""

    cost_m: float
    """Mean distance of the points that fit best (the share ``KEPT_SHARE``) to their nearest line."""


class LineIndex:
    """Straight pieces of lines, to be asked for the nearest place.

    Parameters
    ----------
    starts, ends
        Shape (n, 2), metres.

    Raises
    ------
    ValueError
        There is not one piece.
    """

    def __init__(self, starts: Floats, ends: Floats) -> None:
        if len(starts) == 0:
            raise ValueError("no line to match with")
        self._starts, self._along = starts, ends - starts
        self._squared = np.maximum((self._along ** 2).sum(axis=1), 1e-12)
        self._tree = STRtree(np.atleast_1d(np.asarray(shapely.linestrings(np.stack([starts, ends], axis=1)))))
        self._low = np.minimum(starts, ends).min(axis=0)
        self._high = np.maximum(starts, ends).max(axis=0)

    def covers(self, points: Floats) -> NDArray[np.bool_]:
        """Tell which points, of shape (n, 2), lie in the rectangle around all lines."""
        return np.asarray(((points >= self._low) & (points <= self._high)).all(axis=1))

    def to_nearest(self, points: Floats) -> tuple[Floats, Floats]:
        """Return the way from each point to the nearest line, and the unit vector across that line.

        Parameters
        ----------
        points
            Shape (n, 2), metres.

        Returns
        -------
        tuple of numpy.ndarray
            Both of shape (n, 2). The unit vector points along the way where that is longer than a metre.
        """
        piece = np.asarray(self._tree.nearest(shapely.points(points)), dtype=np.intp)
        start, along, squared = self._starts[piece], self._along[piece], self._squared[piece]
        share = np.clip(((points - start) * along).sum(axis=1) / squared, 0.0, 1.0)
        way = start + share[:, None] * along - points
        length = np.hypot(way[:, 0], way[:, 1])
        across = np.column_stack([-along[:, 1], along[:, 0]]) / np.sqrt(squared)[:, None]
        is_long = length > 1.0
        across[is_long] = way[is_long] / length[is_long, None]
        return way, across


def cost_m(index: LineIndex, points: Floats) -> float:
    """Return the mean distance of the points that fit best to their nearest line.

    Parameters
    ----------
    index
        The lines.
    points
        Shape (n, 2), metres; n at least 1.
    """
    way, _ = index.to_nearest(points)
    return _trimmed_mean(np.hypot(way[:, 0], way[:, 1]))


def fit(index: LineIndex, points: Floats) -> Fit:
    """Find the shift near zero that puts the points on the lines best.

    Parameters
    ----------
    index
        The lines.
    points
        Shape (n, 2), metres; n at least 1.

    Returns
    -------
    Fit
        The best of all places that were tried, the start included. A local optimum: start it from
        every place that is possible. Along lines that all run one way the points stay where they are.
    """
    shift = np.zeros(2)
    best = Fit(shift, np.inf)
    for _ in range(_MAX_STEPS):
        way, across = index.to_nearest(points + shift)
        distance = np.hypot(way[:, 0], way[:, 1])
        cost = _trimmed_mean(distance)
        if cost < best.cost_m:
            best = Fit(shift.copy(), cost)
        step = _step(way, across, distance)
        if float(np.hypot(*step)) < _ENOUGH_M:
            break
        shift = shift + step
    return best


def _trimmed_mean(distance: Floats) -> float:
    n = max(1, int(np.ceil(KEPT_SHARE * len(distance))))
    return float(np.partition(distance, n - 1)[:n].mean())


def _step(way: Floats, across: Floats, distance: Floats) -> Floats:
    """Solve for the shift that brings the matched points onto their lines, in weighted least squares."""
    limit = np.quantile(distance, KEPT_SHARE)
    scale = max(float(np.median(distance)), _SMALLEST_SCALE_M)
    weight = np.where(distance <= limit, np.minimum(1.0, scale / np.maximum(distance, 1e-9)), 0.0)
    offset = (across * way).sum(axis=1)
    normal = (across * weight[:, None]).T @ across
    # A little of the unit matrix keeps the points still where the lines hold them in one direction only.
    normal += np.eye(2) * (0.01 * np.trace(normal) + 1e-9)
    step = np.linalg.solve(normal, (across * (weight * offset)[:, None]).sum(axis=0))
    length = float(np.hypot(*step))
    return step if length <= _LONGEST_STEP_M else step * (_LONGEST_STEP_M / length)
