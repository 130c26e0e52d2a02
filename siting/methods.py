"""Two ways to make one number of many criteria, over the same raw matrix: weighted sum and TOPSIS.

The weighted sum is what recommendations rest on: its anchors are fixed, so that no candidate's score
depends on another. TOPSIS ranks candidates by how close they come to the best values among
themselves (Hwang and Yoon, 1981) and serves as a second opinion.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from gis.errors import UsageError
from gis.proximity import in_threads
from siting.scoring import score_of
from siting.types import Criterion

Floats = NDArray[np.float64]

Normalisation = Literal["vector", "max"]

_BLOCK_ROWS = 32_768


@dataclass(frozen=True, slots=True, eq=False)
class Preference:
    """What a method makes of n candidates."""

    score: Floats
    """0 (worst) to 1 (best), shape (n,); 0 where nothing was measured."""

    data_coverage: Floats
    """Share of weight measured, 0 to 1, shape (n,)."""


def weighted_sum(raw: Floats, criteria: tuple[Criterion, ...]) -> Preference:
    """Score by fixed anchors, as :func:`siting.scoring.score_of` does: one pass."""
    return Preference(*score_of(raw, criteria))


def topsis(raw: Floats, criteria: tuple[Criterion, ...], *, normalisation: Normalisation = "vector") -> Preference:
    """Score by relative closeness to the ideal candidate (TOPSIS, Euclidean).

    Two passes over the matrix: the scale and ends of each column, then the closeness of each row.
    Nothing of the size of the matrix is made. Sums go by fixed blocks of rows, so that the answer
    does not depend on the number of threads.

    Parameters
    ----------
    raw
        Candidates x criteria, shape (n, k). A criterion that was not measured (NaN) enters neither
        distance of its candidate. An infinite value counts as the last finite one of its column on
        that side, and takes no part in the scale.
    criteria
        One per column: the objective says whether more is better, the weight how much it matters.
        The anchors are not used.
    normalisation
        A column is divided by the root of its sum of squares ("vector") or by its greatest
        magnitude ("max").

    Raises
    ------
    UsageError
        The normalisation is unknown, or the columns are not as many as the criteria.
    """
    from siting._scoring_kernels import closeness

    values = np.ascontiguousarray(raw, dtype=np.float64)
    if normalisation not in ("vector", "max"):
        raise UsageError(f"unknown normalisation {normalisation!r}; use vector or max",
                         f"未知的归一化方法 {normalisation!r}；请用 vector 或 max")
    if values.ndim != 2 or values.shape[1] != len(criteria):
        raise UsageError(f"a matrix of shape {values.shape} does not fit {len(criteria)} criteria; give a column each",
                         f"形状为 {values.shape} 的矩阵与 {len(criteria)} 项准则不符；每项准则应有一列")
    squares, least, greatest = _ends(values)
    scale = np.sqrt(squares) if normalisation == "vector" else np.maximum(np.abs(least), np.abs(greatest))
    weights = np.array([c.weight for c in criteria], dtype=np.float64)
    factor = np.divide(weights, scale, out=np.zeros_like(weights), where=(least <= greatest) & (scale > 0.0))
    ideal = np.where([c.objective == "MAX" for c in criteria], greatest, least)
    score, coverage = np.empty(len(values)), np.empty(len(values))
    # From the end: what was read last is still in the cache.
    in_threads(lambda rows: closeness(values[rows], least, greatest, ideal, factor, weights, score[rows],
                                      coverage[rows]), _blocks(len(values))[::-1])
    return Preference(score, coverage)


def _blocks(n: int) -> list[slice]:
    """Return blocks of rows of one size, at least one."""
    return [slice(start, start + _BLOCK_ROWS) for start in range(0, max(n, 1), _BLOCK_ROWS)]


def _ends(values: Floats) -> tuple[Floats, Floats, Floats]:
    """Return sum of squares, least and greatest finite value of each column, shapes (k,)."""
    from siting._scoring_kernels import column_extremes

    def work(rows: slice) -> tuple[Floats, Floats, Floats]:
        found = np.zeros(values.shape[1]), np.full(values.shape[1], np.inf), np.full(values.shape[1], -np.inf)
        column_extremes(values[rows], *found)
        return found

    # In the order of the rows, by blocks of one size: a sum of rounded numbers depends on its order.
    blocks = in_threads(work, _blocks(len(values)))
    squares, least, greatest = (np.stack(ends) for ends in zip(*blocks, strict=True))
    return squares.sum(axis=0), least.min(axis=0), greatest.max(axis=0)
