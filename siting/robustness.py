"""What if we are wrong: how ranks hold up when weights, measured values, zones and the strictness of rules vary.

Every draw changes the weights, adds the known error to the measured values, moves the outlines of zones that are
approximate and decides which rules are strict, then scores and ranks all candidates. Only counts are kept (per
candidate: how often within the best few, and a histogram of its rank on a scale of fixed ratio), so that memory does
not grow with the number of draws.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gis.errors import UsageError

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
Booleans = NDArray[np.bool_]

TOPS = (10, 20, 50)
"""Lengths of the short lists for which the chance of a place is counted."""

LOW, HIGH = 0.05, 0.95
"""Ends of the rank interval, as shares of the draws."""

_EXACT = 64
"""Ranks counted one by one; beyond, a bin spans a fixed ratio."""

_RATIO = 1.08
"""Ratio of the ends of a bin: the stated interval is right to about 8 % of a rank beyond 64."""

_DRAWS_AT_A_TIME = 16
"""Draws whose ranks are held together, so that the counts are gone through once for all of them."""

_ROWS_AT_A_TIME = 65_536


@dataclass(frozen=True, eq=False, slots=True, kw_only=True)
class SharedValues:
    """A criterion whose value hangs on something that several candidates share: the headroom of a substation."""

    column: int
    """Of the criterion."""
    at: Integers
    """Per candidate the column of ``values``, -1 where its own value stands; shape (n,)."""
    values: Floats
    """Draws x things shared, normalised; NaN in a draw that leaves the candidate's own value."""


@dataclass(frozen=True, eq=False, slots=True, kw_only=True)
class Outlines:
    """Outlines of zones that are approximate, and what a candidate would be on their other side."""

    outline: Integers
    """Per candidate the outline that may part it wrongly, -1 for none; shape (n,)."""
    away_m: Floats
    """How far that outline would have to move, outwards positive, for the candidate to change sides; shape (n,)."""
    offset_m: Floats
    """Draws x outlines: how far each is moved, outwards positive."""
    columns: tuple[int, ...]
    """Criteria that depend on the zone."""
    values: Floats
    """Their normalised values on the other side, candidates x ``columns``."""
    broken: NDArray[np.uint64]
    """Rules that the candidate would break there, of :func:`broken_bits`; shape (n,)."""

    def crossed(self, draw: int) -> Booleans:
        """Tell which candidates are on the other side in a draw."""
        offset = np.append(self.offset_m[draw], 0.0)[self.outline]
        return np.asarray((self.outline >= 0) & (np.sign(self.away_m) * offset > np.abs(self.away_m)), dtype=np.bool_)

    def share_crossed(self, rows: Integers) -> Floats:
        """Return the share of the draws in which each of some candidates is on the other side."""
        offset = np.column_stack([self.offset_m, np.zeros(len(self.offset_m))])[:, self.outline[rows]]
        beyond = np.sign(self.away_m[rows]) * offset > np.abs(self.away_m[rows])
        return np.asarray((beyond & (self.outline[rows] >= 0)).mean(axis=0), dtype=np.float64)


@dataclass(frozen=True, eq=False, slots=True, kw_only=True)
class Draws:
    """What is varied, draw by draw."""

    weights: Floats
    """Draws x criteria; each row sums to 1."""
    spread: Floats
    """Per criterion, the standard error of the normalised value; 0 where it is known."""
    strict: NDArray[np.uint64]
    """Per draw, the rules that exclude, one bit each."""
    shared: SharedValues | None = None
    outlines: Outlines | None = None
    seed: int = 20260101

    def __len__(self) -> int:
        return len(self.weights)


@dataclass(frozen=True, eq=False, slots=True, kw_only=True)
class RankRobustness:
    """How each candidate's rank held up."""

    top_probability: Floats
    """Candidates x ``TOPS``: share of the draws in which it is among the best 10, 20, 50."""
    rank_low: Integers
    """Rank that it does not beat in ``1 - LOW`` of the draws; excluded counts as last."""
    rank_high: Integers
    """Rank that it keeps in ``HIGH`` of the draws."""
    correlation: Floats
    """Candidates x criteria: of each weight with the logarithm of the rank, negative where more weight betters it.
    Its square is the share of the spread of the rank that the weight alone explains."""
    depends_on: Integers
    """Criterion whose weight its rank follows most closely; -1 where the rank never moves."""
    dependence: Floats
    """Correlation of that weight."""
    n_draws: int


def perturbed_weights(weights: Floats, share: float, n_draws: int, seed: int) -> Floats:
    """Draw weights within ``share`` of each (0.2 for 20 %), brought back to a sum of 1; the first row is as given."""
    factors = np.random.default_rng(seed).uniform(1.0 - share, 1.0 + share, (n_draws, len(weights)))
    drawn = weights * factors
    drawn /= drawn.sum(axis=1, keepdims=True)
    drawn[:1] = weights
    return np.asarray(drawn, dtype=np.float64)


def dirichlet_weights(weights: Floats, concentration: float, n_draws: int, seed: int) -> Floats:
    """Draw weights from a Dirichlet distribution around the given ones; the first row is as given.

    Parameters
    ----------
    weights
        Shape (k,), sum 1.
    concentration
        The larger, the closer: a weight w varies by about sqrt(w (1 - w) / (concentration + 1)).
    n_draws
        Rows.
    seed
        The same seed gives the same draws.
    """
    positive = weights > 0
    drawn = np.zeros((n_draws, len(weights)))
    drawn[:, positive] = np.random.default_rng(seed).dirichlet(weights[positive] * concentration, n_draws)
    drawn[:1] = weights
    return drawn


def strictness(excludes: NDArray[np.bool_], mitigable: NDArray[np.bool_], probability: float, n_draws: int,
               seed: int) -> NDArray[np.uint64]:
    """Draw which rules exclude: those that a measure can mitigate are strict with ``probability``, the others always.

    Raises
    ------
    UsageError
        There are more than 64 rules.
    """
    if len(excludes) > 64:
        raise UsageError(f"{len(excludes)} rules are more than the 64 that draws can vary",
                         f"规则共 {len(excludes)} 条，超过随机检验可处理的 64 条")
    bits = np.left_shift(np.uint64(1), np.arange(len(excludes), dtype=np.uint64))
    keeps = np.random.default_rng([seed, 1]).random((n_draws, len(excludes))) < probability
    keeps[:1] = True
    is_strict = excludes & (keeps | ~mitigable)
    return np.asarray((is_strict * bits).sum(axis=1, dtype=np.uint64), dtype=np.uint64)


def broken_bits(broken: NDArray[np.bool_]) -> NDArray[np.uint64]:
    """Write the rules that each candidate breaks into one word, a bit per rule."""
    bits = np.left_shift(np.uint64(1), np.arange(broken.shape[1], dtype=np.uint64))
    words = np.zeros(len(broken), dtype=np.uint64)
    for column, bit in zip(broken.T, bits, strict=True):
        words[column] |= bit
    return words


def rank_robustness(normalised: Floats, broken: NDArray[np.uint64], draws: Draws, *, tops: Sequence[int] = TOPS,
                    n_threads: int | None = None) -> RankRobustness:
    """Rank all candidates in every draw and count.

    Cost per draw: one pass over the matrix, one radix sort of n scores, and a sixteenth of a pass over the counts.
    Memory: about a kilobyte per candidate, whatever the number of draws.

    Parameters
    ----------
    normalised
        Candidates x criteria, shape (n, k), 0 to 1; NaN where not measured.
    broken
        Rules that each candidate breaks, of :func:`broken_bits`.
    draws
        What varies.
    tops
        Lengths of the short lists.
    n_threads
        Draws in work at a time; the processors if None.

    Returns
    -------
    The same for any number of threads: counts are whole numbers, and sums go in the order of the draws.
    """
    from siting._robustness_kernels import count_ranks

    values = np.ascontiguousarray(normalised, dtype=np.float64)
    n, k = values.shape
    edges = _bin_edges(n + 1)
    bin_of = np.searchsorted(edges, np.arange(n + 2), side="right") - 1
    heights = np.log(np.maximum(np.arange(n + 2), 1))
    counts = np.zeros((n, len(edges)), dtype=np.uint16 if len(draws) < 2**16 else np.uint32)
    in_top = np.zeros((n, len(tops)), dtype=np.uint32)
    with_rank, rank_sums = np.zeros((n, k)), np.zeros((n, 2))
    limits = np.array(tops, dtype=np.int64)
    ranks = np.empty((min(_DRAWS_AT_A_TIME, len(draws)), n), dtype=np.int32)
    blocks = [slice(start, start + _ROWS_AT_A_TIME) for start in range(0, n, _ROWS_AT_A_TIME)]
    with ThreadPoolExecutor(n_threads or os.cpu_count() or 1) as pool:
        for first in range(0, len(draws), len(ranks)):
            held = ranks[:len(draws) - first]
            weights = draws.weights[first:first + len(held)]

            def ranked(place: int, into: NDArray[np.int32] = held, first: int = first) -> None:
                _rank(values, broken, draws, first + place, into[place])

            def counted(rows: slice, of: NDArray[np.int32] = held, weights: Floats = weights) -> None:
                count_ranks(of[:, rows], weights, bin_of, heights, limits, counts[rows], in_top[rows], with_rank[rows],
                            rank_sums[rows])

            list(pool.map(ranked, range(len(held))))
            list(pool.map(counted, blocks))
    # What nobody measured moves no rank; that its weight goes along with one is chance.
    correlation = np.where(_is_measured(values, draws.shared), _correlations(with_rank, rank_sums, draws.weights), 0.0)
    strongest = np.abs(correlation).argmax(axis=1)
    dependence = correlation[np.arange(n), strongest]
    return RankRobustness(
        top_probability=in_top / len(draws), rank_low=_quantile(counts, edges, LOW, len(draws)),
        rank_high=_quantile(counts, edges, HIGH, len(draws)), correlation=correlation,
        depends_on=np.where(np.abs(dependence) > 1e-9, strongest, -1).astype(np.int64), dependence=dependence,
        n_draws=len(draws))


def _is_measured(values: Floats, shared: SharedValues | None) -> Booleans:
    """Tell which criteria hold a value for any candidate, in the study or in a draw."""
    found: Booleans = np.asarray(np.isfinite(values).any(axis=0), dtype=np.bool_)
    if shared is not None and np.isfinite(shared.values[:, np.unique(shared.at[shared.at >= 0])]).any():
        found[shared.column] = True
    return found


def scores_in(normalised: Floats, broken: NDArray[np.uint64], draws: Draws, draw: int) -> tuple[Floats, Booleans]:
    """Score all candidates in one draw.

    Parameters
    ----------
    normalised, broken, draws
        As for :func:`rank_robustness`.
    draw
        Which one.

    Returns
    -------
    Score, 0 to 1, and whether a strict rule excludes the candidate, shapes (n,).
    """
    from siting._robustness_kernels import scores_of_draw

    n, k = normalised.shape
    outlines, shared = draws.outlines, draws.shared
    is_crossed = outlines.crossed(draw) if outlines else np.zeros(n, dtype=np.bool_)
    bits = np.where(is_crossed, outlines.broken, broken) if outlines else broken
    other_of = np.full(k, -1, dtype=np.int64)
    if outlines:
        other_of[list(outlines.columns)] = np.arange(len(outlines.columns))
    score = np.empty(n)
    scores_of_draw(
        np.ascontiguousarray(normalised, dtype=np.float64), draws.weights[draw], draws.spread, is_crossed, other_of,
        outlines.values if outlines else np.empty((n, 0)), shared.column if shared else -1,
        shared.at if shared else np.empty(0, dtype=np.int64), shared.values[draw] if shared else np.empty(0),
        draws.seed, draw, score)
    return score, np.asarray((bits & draws.strict[draw]) != 0, dtype=np.bool_)


def _rank(normalised: Floats, broken: NDArray[np.uint64], draws: Draws, draw: int, ranks: NDArray[np.int32]) -> None:
    """Fill the rank of each candidate in one draw; n + 1 for the excluded."""
    from siting._robustness_kernels import fill_ranks

    fill_ranks(*scores_in(normalised, broken, draws, draw), ranks)


def _bin_edges(n: int) -> Integers:
    """First rank of each bin: one by one up to ``_EXACT``, then by a fixed ratio."""
    edges = list(range(1, min(n, _EXACT) + 1))
    while edges[-1] < n:
        edges.append(max(edges[-1] + 1, int(edges[-1] * _RATIO)))
    return np.array(edges, dtype=np.int64)


def _quantile(counts: NDArray[np.unsignedinteger], edges: Integers, share: float, n_draws: int) -> Integers:
    """Return the first rank of the bin in which the given share of the draws is reached."""
    from siting._robustness_kernels import fill_bins

    found = np.empty(len(counts), dtype=np.int64)
    fill_bins(counts, max(1, int(np.ceil(share * n_draws))), found)
    return np.asarray(edges[found], dtype=np.int64)


def _correlations(with_rank: Floats, rank_sums: Floats, weights: Floats) -> Floats:
    """Correlate the logarithm of each rank with each weight over the draws; takes the place of ``with_rank``."""
    n = len(weights)
    mean, spread = weights.mean(axis=0), weights.std(axis=0)
    for start in range(0, len(with_rank), _ROWS_AT_A_TIME):
        rows = slice(start, start + _ROWS_AT_A_TIME)
        rank_mean = rank_sums[rows, 0] / n
        rank_spread = np.sqrt(np.maximum(0.0, rank_sums[rows, 1] / n - rank_mean**2))
        covariance = with_rank[rows] / n - rank_mean[:, None] * mean
        # A rank that never moves has a spread of what rounding leaves of its square.
        scale = np.where(rank_spread > 1e-6, rank_spread, 0.0)[:, None] * np.where(spread > 1e-12, spread, 0.0)
        found = np.divide(covariance, scale, out=np.zeros_like(covariance), where=scale > 0)
        with_rank[rows] = np.clip(found, -1.0, 1.0)
    return with_rank
