"""Ways to make one number of many criteria, over the same raw matrix.

The weighted sum is what recommendations rest on: its anchors are fixed, so that no candidate's score
depends on another. Second opinions come from TOPSIS (how close to the best values among the candidates;
Hwang and Yoon, 1981), VIKOR (a compromise between the regret in all and the worst single regret; Opricovic
and Tzeng, 2004) and PROMETHEE II (what a candidate wins and loses against all others; Brans and Vincke,
1985). How far they agree is measured in :mod:`siting.agreement`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from gis.bilingual import Text
from gis.errors import UsageError
from gis.proximity import in_threads
from siting.pack import Criterion
from siting.scoring import score_of

Floats = NDArray[np.float64]

Normalisation = Literal["vector", "max"]

Lead = Literal["usual", "linear"]
"""How much a lead over another candidate counts: wholly however small, or by its share of a threshold."""

LINEAR_THRESHOLD = 0.25
"""A lead counts wholly from this share of the span between the anchors; at 1 the flow says what the weighted sum
says, and at 0 any lead counts."""

_COLUMNS_AT_A_TIME = 4

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
    _require_fitting(values, criteria)
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


def vikor(raw: Floats, criteria: tuple[Criterion, ...], *, compromise: float = 0.5) -> Preference:
    """Score by the compromise between the regret over all criteria and the worst single regret (VIKOR).

    Three passes: the ends of each column, the regrets of each row, and their place between the ends of all
    regrets. Nothing of the size of the matrix is made.

    Parameters
    ----------
    raw
        Candidates x criteria, shape (n, k). The weights of a row are raised over what was not measured (NaN);
        infinite values count as the last finite one of their column.
    criteria
        One per column; the anchors are not used.
    compromise
        Share of the regret over all, 0 to 1; the rest goes to the worst single regret.

    Returns
    -------
    ``1 - Q``, so that 1 is best; 0 where nothing was measured.

    Raises
    ------
    UsageError
        ``compromise`` is not between 0 and 1, or the columns are not as many as the criteria.
    """
    from siting._ranking_kernels import regrets

    if not 0.0 <= compromise <= 1.0:
        raise UsageError(f"the compromise of VIKOR is {compromise:g}; it must lie between 0 and 1",
                         f"VIKOR 的折中系数为 {compromise:g}；须在 0 至 1 之间")
    values = np.ascontiguousarray(raw, dtype=np.float64)
    _require_fitting(values, criteria)
    _, least, greatest = _ends(values)
    ideal = np.where([c.objective == "MAX" for c in criteria], greatest, least)
    weights = np.array([c.weight for c in criteria], dtype=np.float64)
    group, single, measured = (np.empty(len(values)) for _ in range(3))
    in_threads(lambda rows: regrets(values[rows], least, greatest, ideal, weights, group[rows], single[rows],
                                    measured[rows]), _blocks(len(values)))
    is_known = measured > 0.0
    score = 1.0 - compromise * _between_ends(group, is_known) - (1.0 - compromise) * _between_ends(single, is_known)
    total = float(sum(weights.tolist()))
    return Preference(np.where(is_known, score, 0.0), measured / total if total > 0.0 else measured)


def _between_ends(values: Floats, is_known: NDArray[np.bool_]) -> Floats:
    """Return where each value lies between the least and the greatest known one, 0 to 1; 0 where all are alike."""
    known = values[is_known]
    low, high = (float(known.min()), float(known.max())) if len(known) else (0.0, 0.0)
    return (values - low) / (high - low) if high > low else np.zeros(len(values))


def promethee(raw: Floats, criteria: tuple[Criterion, ...], *, lead: Lead = "usual",
              threshold: float = LINEAR_THRESHOLD) -> Preference:
    """Score by the net flow: what a candidate wins less what it loses against every other (PROMETHEE II).

    Each column is sorted once, and the flow follows from a candidate's place: O(n log n) per criterion instead
    of n squared comparisons. Four columns are held at a time.

    Parameters
    ----------
    raw
        Candidates x criteria, shape (n, k). A value that was not measured (NaN) is compared with none, and the
        weights of its row are raised over the others. An infinite value is worse or better than all finite ones;
        for linear leads it counts as the last finite one.
    criteria
        One per column.
    lead
        "usual": any lead counts wholly. "linear": by its share of the threshold.
    threshold
        Share of the span between a criterion's anchors from which a linear lead counts wholly.

    Returns
    -------
    ``(flow + 1) / 2``, so that 1 beats all others in everything; 0 where nothing was measured.

    Raises
    ------
    UsageError
        The kind of lead is unknown, the threshold is not positive, or the columns are not as many as the criteria.
    """
    values = np.asarray(raw, dtype=np.float64)
    _require_fitting(values, criteria)
    if lead not in ("usual", "linear") or not threshold > 0.0:
        raise UsageError(f"unknown lead {lead!r} or threshold {threshold:g}; use usual or linear, above 0",
                         f"优势函数 {lead!r} 或阈值 {threshold:g} 无效；请用 usual 或 linear，阈值须大于 0")
    net, measured = np.zeros(len(values)), np.zeros(len(values))
    places = list(range(len(criteria)))
    for start in range(0, len(places), _COLUMNS_AT_A_TIME):
        batch = places[start:start + _COLUMNS_AT_A_TIME]
        flows = in_threads(lambda j: _flow(values[:, j], criteria[j], lead, threshold), batch)
        # In the order of the columns, whichever thread was first.
        for j, flow in zip(batch, flows, strict=True):
            is_known = ~np.isnan(flow)
            net[is_known] += criteria[j].weight * flow[is_known]
            measured[is_known] += criteria[j].weight
    flow = np.divide(net, measured, out=np.full(len(net), -1.0), where=measured > 0.0)
    total = float(sum(c.weight for c in criteria))
    return Preference((flow + 1.0) / 2.0, measured / total if total > 0.0 else measured)


def _flow(column: Floats, criterion: Criterion, lead: Lead, threshold: float) -> Floats:
    """Return the net flow of one criterion, -1 to 1; NaN where not measured."""
    from siting._ranking_kernels import linear_flow, usual_flow

    rows = np.flatnonzero(~np.isnan(column))
    values = column[rows] if criterion.objective == "MAX" else -column[rows]
    finite = values[np.isfinite(values)]
    if lead == "linear" and len(finite):
        values = np.clip(values, finite.min(), finite.max())
    order = np.argsort(values, kind="stable")
    ordered, flow = values[order], np.empty(len(rows))
    if lead == "linear" and len(finite):
        linear_flow(ordered, threshold * abs(criterion.best - criterion.worst), flow)
    else:
        usual_flow(ordered, flow)
    found = np.full(len(column), np.nan)
    found[rows[order]] = flow / max(len(rows) - 1, 1)
    return found


Method = Callable[[Floats, tuple[Criterion, ...]], Preference]

METHODS: Mapping[str, tuple[Text, Method]] = MappingProxyType({
    "weighted_sum": (Text(zh="加权和", en="Weighted sum"), weighted_sum),
    "topsis": (Text(zh="TOPSIS 逼近理想解", en="TOPSIS"), topsis),
    "vikor": (Text(zh="VIKOR 折中解", en="VIKOR"), vikor),
    "promethee": (Text(zh="PROMETHEE II 优势流", en="PROMETHEE II"), promethee),
})
"""Every method by its key; the first is what recommendations rest on."""


def _require_fitting(values: Floats, criteria: tuple[Criterion, ...]) -> None:
    if values.ndim != 2 or values.shape[1] != len(criteria):
        raise UsageError(f"a matrix of shape {values.shape} does not fit {len(criteria)} criteria; give a column each",
                         f"形状为 {values.shape} 的矩阵与 {len(criteria)} 项准则不符；每项准则应有一列")


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
