"""Compiled loops of the draws: score, rank and count, one draw at a time; called by :mod:`siting.robustness`.

A draw costs one pass over the normalised matrix (8 n k bytes), one sort of n numbers, and one pass that
adds the ranks to the counts. Noise comes from a hash of (seed, draw, row, column), so that the answer does
not depend on the number of threads or on the order of the draws.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit


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
def scores_of_draw(normalised: Any, weights: Any, spread: Any, broken: Any, strict: Any, seed: Any, draw: Any,
                   score: Any) -> None:
    """Fill the negative score of each row, infinite where a strict rule is broken: O(n k).

    Negative, so that an ascending sort puts the best first.
    """
    for i in range(normalised.shape[0]):
        if broken[i] & strict:
            score[i] = np.inf
            continue
        total, measured = 0.0, 0.0
        for j in range(normalised.shape[1]):
            value = normalised[i, j]
            if np.isnan(value):
                continue
            if spread[j] > 0.0:
                value = min(1.0, max(0.0, value + spread[j] * _normal(seed, draw, i, j)))
            total += weights[j] * value
            measured += weights[j]
        score[i] = -total / measured if measured > 0.0 else 0.0


@njit(nogil=True, cache=True)  # type: ignore[untyped-decorator]
def count_ranks(order: Any, score: Any, edges: Any, tops: Any, weights: Any, counts: Any, in_top: Any, with_rank: Any,
                rank_sums: Any) -> None:
    """Add one draw to the counts: O(n (k + log bins)).

    ``counts[i, b]`` counts draws in which row i ranks in bin b, ``in_top[i, t]`` those within the best
    ``tops[t]``; ``with_rank[i, j]`` sums log rank times weight j, ``rank_sums`` log rank and its square.
    """
    bin_of = 0
    for place in range(len(order)):
        i = order[place]
        rank = place + 1
        if not np.isfinite(score[i]):
            # Excluded in this draw: behind all others.
            rank = len(order) + 1
        while bin_of < len(edges) - 1 and rank >= edges[bin_of + 1]:
            bin_of += 1
        counts[i, bin_of] += 1
        for t in range(len(tops)):
            if rank <= tops[t]:
                in_top[i, t] += 1
        height = np.log(rank)
        rank_sums[i, 0] += height
        rank_sums[i, 1] += height * height
        for j in range(len(weights)):
            with_rank[i, j] += height * weights[j]
