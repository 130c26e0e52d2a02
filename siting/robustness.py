"""What if we are wrong: how ranks hold up when weights, measured values and the strictness of rules vary.

Every draw changes the weights, adds the known error to the measured values and decides which rules are strict,
then scores and ranks all candidates. Only counts are kept (per candidate: how often within the best few, and a
histogram of its rank on a scale of fixed ratio), so that memory does not grow with the number of draws.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gis.errors import UsageError

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]

TOPS = (10, 20, 50)
"""Lengths of the short lists for which the chance of a place is counted."""

LOW, HIGH = 0.05, 0.95
"""Ends of the rank interval, as shares of the draws."""

_EXACT = 64
"""Ranks counted one by one; beyond, a bin spans a fixed ratio."""

_RATIO = 1.08
"""Ratio of the ends of a bin: the stated interval is right to about 8 % of a rank beyond 64."""


@dataclass(frozen=True, eq=False, slots=True, kw_only=True)
class Draws:
    """What is varied, draw by draw."""

    weights: Floats
    """Draws x criteria; each row sums to 1."""
    spread: Floats
    """Per criterion, the standard error of the normalised value; 0 where it is known."""
    strict: NDArray[np.uint64]
    """Per draw, the rules that exclude, one bit each."""
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
    depends_on: Integers
    """Criterion whose weight its rank follows most closely; -1 where the rank never moves."""
    dependence: Floats
    """Correlation of that weight with the logarithm of the rank: negative where more weight betters it."""
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
    keeps = np.random.default_rng(seed).random((n_draws, len(excludes))) < probability
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

    Cost per draw: one pass over the matrix and one sort of n; two threads take 1,000 draws of 10^6 candidates in
    some minutes. Memory: about 700 bytes per candidate, whatever the number of draws.

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
    from siting._robustness_kernels import count_ranks, scores_of_draw

    values = np.ascontiguousarray(normalised, dtype=np.float64)
    n, k = values.shape
    edges = _bin_edges(n + 1)
    counts = np.zeros((n, len(edges)), dtype=np.uint16 if len(draws) < 2**16 else np.uint32)
    in_top = np.zeros((n, len(tops)), dtype=np.uint32)
    with_rank, rank_sums = np.zeros((n, k)), np.zeros((n, 2))
    limits = np.array(tops, dtype=np.int64)

    def ranked(draw: int) -> tuple[NDArray[np.int64], Floats]:
        score = np.empty(n)
        scores_of_draw(values, draws.weights[draw], draws.spread, broken, draws.strict[draw], draws.seed, draw, score)
        # Twelve digits, as the ranks of a run: sums that differ by rounding are ties, which go by row.
        return np.argsort(np.round(score, 12), kind="stable"), score

    def added(draw: int, found: tuple[NDArray[np.int64], Floats]) -> None:
        count_ranks(*found, edges, limits, draws.weights[draw], counts, in_top, with_rank, rank_sums)

    _in_order(ranked, added, len(draws), n_threads or os.cpu_count() or 1)
    depends_on, dependence = _dependence(with_rank, rank_sums, draws.weights)
    return RankRobustness(
        top_probability=in_top / len(draws), rank_low=_quantile(counts, edges, LOW, len(draws)),
        rank_high=_quantile(counts, edges, HIGH, len(draws)), depends_on=depends_on, dependence=dependence,
        n_draws=len(draws))


def _in_order(work: Callable[[int], tuple[NDArray[np.int64], Floats]],
              take: Callable[[int, tuple[NDArray[np.int64], Floats]], None], n: int, n_threads: int) -> None:
    """Work in threads and take the results in order, so that sums of rounded numbers are always the same."""
    waiting: deque[tuple[int, Future[tuple[NDArray[np.int64], Floats]]]] = deque()
    with ThreadPoolExecutor(n_threads) as pool:
        for draw in range(n):
            waiting.append((draw, pool.submit(work, draw)))
            # A window of draws, not all of them: each holds two columns of the length of the candidates.
            if len(waiting) > n_threads:
                first, found = waiting.popleft()
                take(first, found.result())
        for first, found in waiting:
            take(first, found.result())


def _bin_edges(n: int) -> Integers:
    """First rank of each bin: one by one up to ``_EXACT``, then by a fixed ratio."""
    edges = list(range(1, min(n, _EXACT) + 1))
    while edges[-1] < n:
        edges.append(max(edges[-1] + 1, int(edges[-1] * _RATIO)))
    return np.array(edges, dtype=np.int64)


def _quantile(counts: NDArray[np.unsignedinteger], edges: Integers, share: float, n_draws: int) -> Integers:
    """Return the first rank of the bin in which the given share of the draws is reached."""
    wanted = max(1, int(np.ceil(share * n_draws)))
    found = np.empty(len(counts), dtype=np.int64)
    for start in range(0, len(counts), 65_536):
        block = np.cumsum(counts[start:start + 65_536], axis=1, dtype=np.int64)
        found[start:start + 65_536] = edges[np.argmax(block >= wanted, axis=1)]
    return found


def _dependence(with_rank: Floats, rank_sums: Floats, weights: Floats) -> tuple[Integers, Floats]:
    """Correlate the logarithm of each rank with each weight over the draws; return the strongest."""
    n = len(weights)
    mean, spread = weights.mean(axis=0), weights.std(axis=0)
    rank_mean = rank_sums[:, 0] / n
    rank_spread = np.sqrt(np.maximum(0.0, rank_sums[:, 1] / n - rank_mean**2))
    covariance = with_rank / n - rank_mean[:, None] * mean
    # A rank that never moves has a spread of what rounding leaves of its square.
    scale = np.where(rank_spread > 1e-6, rank_spread, 0.0)[:, None] * spread
    correlation = np.divide(covariance, scale, out=np.zeros_like(covariance), where=scale > 0)
    strongest = np.abs(correlation).argmax(axis=1)
    value = correlation[np.arange(len(correlation)), strongest]
    return np.where(np.abs(value) > 1e-9, strongest, -1).astype(np.int64), np.clip(value, -1.0, 1.0)
