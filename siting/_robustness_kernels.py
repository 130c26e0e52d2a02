"""Compiled loops of the draws: score, rank and count; called by :mod:`siting.robustness`.

A draw costs one pass over the normalised matrix (8 n k bytes) and one radix sort of n scores; the ranks of some
draws are then added to the counts row by row, so that the counts, which no cache holds, are gone through once for all
of them. Noise comes from a hash of (seed, draw, row, column), so that the answer does not depend on the number of
threads or on the order of the draws.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit

SCALE = 1e12
"""Scores are compared by twelve digits, as the ranks of a run: sums that differ by rounding are ties."""

_DIGITS, _BITS = 4, 10
"""The radix sort goes over four digits of ten bits: 2**40 is just above ``SCALE``."""


@njit(nogil=True, cache=True)  # type: ignore[untyped-decorator]
def _mixed(x: Any) -> Any:
    """Scramble 64 bits (the finaliser of splitmix64)."""
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return x ^ (x >> np.uint64(31))


@njit(nogil=True, cache=True)  # type: ignore[untyped-decorator]
def _normal(seed: Any, draw: Any, row: Any, column: Any) -> Any:
    """Return a number of nearly normal distribution: the sum of four uniforms, mean 0 and spread 1."""
    key = np.uint64(seed) * np.uint64(0x9E3779B97F4A7C15) + np.uint64(draw) * np.uint64(0xD1342543DE82EF95)
    bits = _mixed(_mixed(key + np.uint64(row) * np.uint64(0x2545F4914F6CDD1D)) + np.uint64(column))
    mask = np.uint64(0xFFFF)
    total = 0.0
    for k in range(4):
        total += float((bits >> np.uint64(16 * k)) & mask) / 65535.0
    return (total - 2.0) * 1.7320508075688772


@njit(nogil=True, cache=True)  # type: ignore[untyped-decorator]
def scores_of_draw(normalised: Any, weights: Any, spread: Any, is_crossed: Any, other_of: Any, other_values: Any,
                   shared_column: Any, shared_at: Any, shared_now: Any, seed: Any, draw: Any, score: Any) -> None:
    """Fill the score of each row, 0 to 1; 0 where nothing was measured: O(n k).

    A row that ``is_crossed`` takes column ``j`` from ``other_values[:, other_of[j]]``, and the column that is shared
    from ``shared_now[shared_at]``; ``spread`` is added to what is taken, whence ever it comes.
    """
    for i in range(normalised.shape[0]):
        total, measured = 0.0, 0.0
        for j in range(normalised.shape[1]):
            value = normalised[i, j]
            if is_crossed[i] and other_of[j] >= 0:
                value = other_values[i, other_of[j]]
            if j == shared_column and shared_at[i] >= 0 and not np.isnan(shared_now[shared_at[i]]):
                value = shared_now[shared_at[i]]
            if np.isnan(value):
                continue
            if spread[j] > 0.0:
                value = min(1.0, max(0.0, value + spread[j] * _normal(seed, draw, i, j)))
            total += weights[j] * value
            measured += weights[j]
        score[i] = total / measured if measured > 0.0 else 0.0


@njit(nogil=True, cache=True)  # type: ignore[untyped-decorator]
def fill_ranks(score: Any, is_out: Any, ranks: Any) -> None:
    """Rank by score, 1 for the best, ties by row; n + 1 for rows that are out: O(n).

    Least significant digit first, on the scores as whole numbers; each pass keeps the order of equal digits.
    """
    n, n_in = len(score), 0
    keys, rows = np.empty(n, dtype=np.int64), np.empty(n, dtype=np.int32)
    for i in range(n):
        ranks[i] = n + 1
        if not is_out[i]:
            # Turned round, so that the best has the least key.
            keys[n_in] = np.int64(SCALE) - np.int64(np.rint(score[i] * SCALE))
            rows[n_in] = i
            n_in += 1
    next_keys, next_rows = np.empty(n_in, dtype=np.int64), np.empty(n_in, dtype=np.int32)
    mask = (1 << _BITS) - 1
    for digit in range(_DIGITS):
        starts = np.zeros((1 << _BITS) + 1, dtype=np.int64)
        for p in range(n_in):
            starts[((keys[p] >> (digit * _BITS)) & mask) + 1] += 1
        for b in range(1 << _BITS):
            starts[b + 1] += starts[b]
        for p in range(n_in):
            bucket = (keys[p] >> (digit * _BITS)) & mask
            next_keys[starts[bucket]], next_rows[starts[bucket]] = keys[p], rows[p]
            starts[bucket] += 1
        keys, next_keys = next_keys, keys
        rows, next_rows = next_rows, rows
    for p in range(n_in):
        ranks[rows[p]] = p + 1


@njit(nogil=True, cache=True)  # type: ignore[untyped-decorator]
def count_ranks(ranks: Any, weights: Any, bin_of: Any, heights: Any, tops: Any, counts: Any, in_top: Any,
                with_rank: Any, rank_sums: Any) -> None:
    """Add some draws to the counts of some rows: O(draws x rows x k).

    ``ranks`` is draws x rows. ``counts[i, b]`` counts draws in which row i ranks in bin b, ``in_top[i, t]`` those
    within the best ``tops[t]``; ``with_rank[i, j]`` sums log rank times weight j, ``rank_sums`` log rank and its
    square, each in the order of the draws.
    """
    for i in range(ranks.shape[1]):
        for d in range(ranks.shape[0]):
            rank = ranks[d, i]
            counts[i, bin_of[rank]] += 1
            for t in range(len(tops)):
                if rank <= tops[t]:
                    in_top[i, t] += 1
            height = heights[rank]
            rank_sums[i, 0] += height
            rank_sums[i, 1] += height * height
            for j in range(weights.shape[1]):
                with_rank[i, j] += height * weights[d, j]


@njit(nogil=True, cache=True)  # type: ignore[untyped-decorator]
def fill_bins(counts: Any, wanted: Any, found: Any) -> None:
    """Fill the first bin of each row up to which so many draws are counted: O(n bins)."""
    for i in range(counts.shape[0]):
        seen, b = np.int64(counts[i, 0]), 0
        while seen < wanted:
            b += 1
            seen += counts[i, b]
        found[i] = b
