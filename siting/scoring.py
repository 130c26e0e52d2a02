"""From measured criteria to scores and ranks, with fixed anchors: no candidate's score depends on another."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from gis.proximity import in_chunks
from siting.pack import Criterion
from siting.types import SiteScores

Floats = NDArray[np.float64]


def normalise(raw: Floats, criteria: tuple[Criterion, ...]) -> Floats:
    """Bring every criterion to [0, 1] by its anchors: 0 at ``worst`` or beyond, 1 at ``best`` or beyond.

    Parameters
    ----------
    raw
        Candidates x criteria, in the criteria's units; NaN where not measured.
    criteria
        One per column.

    Returns
    -------
    Candidates x criteria; NaN stays NaN, an infinite distance scores 0.
    """
    worst = np.array([c.worst for c in criteria])
    best = np.array([c.best for c in criteria])
    # Clipping the raw value first keeps infinities out of the division.
    held = np.clip(raw, np.minimum(worst, best), np.maximum(worst, best))
    return np.asarray((held - worst) / (best - worst), dtype=np.float64)


def contributions_of(normalised: Floats, weights: Floats) -> tuple[Floats, Floats]:
    """Weigh normalised criteria over what was measured.

    A criterion that was not measured earns nothing and costs nothing: the weights of the others
    are raised in proportion, and the share of weight that was measured is returned beside.

    Returns
    -------
    contributions
        Candidates x criteria; a row sums to the candidate's score.
    data_coverage
        Share of weight measured, per candidate.
    """
    measured = ~np.isnan(normalised)
    effective = np.where(measured, weights, 0.0)
    data_coverage = effective.sum(axis=1)
    share = np.divide(effective, data_coverage[:, None], out=np.zeros_like(effective),
                      where=data_coverage[:, None] > 0)
    total = float(weights.sum())
    coverage = np.asarray(data_coverage / total if total > 0 else data_coverage, dtype=np.float64)
    return share * np.where(measured, normalised, 0.0), coverage


def score_of(raw: Floats, criteria: tuple[Criterion, ...]) -> tuple[Floats, Floats]:
    """Score candidates in one pass, without the contributions: what :func:`contributions_of` sums to.

    Reads 8 bytes per cell once, in threads over blocks of rows, and holds nothing of the size of the
    matrix. A row's score does not depend on the other rows.

    Parameters
    ----------
    raw
        Candidates x criteria, shape (n, k), in the criteria's units; NaN where not measured.
    criteria
        One per column.

    Returns
    -------
    score
        Shape (n,), 0 to 1; 0 where nothing was measured.
    data_coverage
        Share of weight measured, shape (n,).
    """
    from siting._scoring_kernels import weigh

    values = np.asarray(raw, dtype=np.float64)
    worst, best, weights = (np.array([getattr(c, name) for c in criteria], dtype=np.float64)
                            for name in ("worst", "best", "weight"))
    score, coverage = np.empty(len(values)), np.empty(len(values))
    in_chunks(lambda rows: weigh(values[rows], worst, best, weights, score[rows], coverage[rows]), len(values))
    # Added one by one, as the kernel does: what is wholly measured is 1 to the last bit.
    total = float(sum(weights.tolist()))
    if total > 0:
        coverage /= total
    return score, coverage


def normalised_at(scores: SiteScores, rows: NDArray[np.int64] | slice) -> Floats:
    """Return the normalised criteria of some candidates, rows x criteria; NaN where not measured."""
    return normalise(scores.raw[rows], scores.criteria)


def contributions_at(scores: SiteScores, rows: NDArray[np.int64] | slice) -> Floats:
    """Return what each criterion adds to the score of some candidates, rows x criteria; 0 where not measured.

    Made when asked for: at a million candidates the matrix would hold as much as all that was measured.
    """
    return contributions_of(normalised_at(scores, rows), np.array([c.weight for c in scores.criteria]))[0]


def rank_of(score: Floats, eligible: NDArray[np.bool_], parcel_ids: NDArray[Any]) -> NDArray[np.int64]:
    """Rank eligible candidates, 1 for the best; ties go by parcel id; an excluded candidate gets 0.

    One sort of the scores; ids are compared only among ties.

    Parameters
    ----------
    score, eligible
        Per candidate, shape (n,).
    parcel_ids
        Texts as objects, or UTF-8 as bytes of fixed width, which sort alike; shape (n,).
    """
    rows = np.flatnonzero(eligible)
    # Twelve digits: sums that differ only by the order of rounding are ties.
    falling = -np.round(score[rows], 12)
    order = np.argsort(falling, kind="stable")
    is_first = np.diff(falling[order], prepend=-np.inf) > 0
    tied = np.flatnonzero(~(is_first & np.append(is_first[1:], True)))
    if len(tied):
        members = order[tied]
        ids = parcel_ids[rows[members]]
        ids = ids if ids.dtype.kind == "S" else ids.astype(str)
        order[tied] = members[np.lexsort((ids, np.cumsum(is_first)[tied]))]
    rank = np.zeros(len(score), dtype=np.int64)
    rank[rows[order]] = np.arange(1, len(rows) + 1)
    return rank
