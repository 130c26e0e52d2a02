"""Compiled loops over the matrix of candidates and criteria; called by :mod:`siting.scoring` and :mod:`siting.methods`.

Every loop goes over the rows once and keeps nothing per cell, so that its cost is that of reading the
matrix: 8 n k bytes, and 16 n to write. Rows are independent; Python's lock is not held, and the
callers give blocks of rows to threads.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit


@njit(nogil=True, cache=True)  # type: ignore[untyped-decorator]
def weigh(raw: Any, worst: Any, best: Any, weights: Any, score: Any, coverage: Any) -> None:
    """Fill score and measured weight of each row: O(n k).

    The order of operations is that of ``normalise`` and ``contributions_of``, so that the answers agree.
    """
    for i in range(raw.shape[0]):
        measured = 0.0
        for j in range(raw.shape[1]):
            if not np.isnan(raw[i, j]):
                measured += weights[j]
        total = 0.0
        if measured > 0.0:
            for j in range(raw.shape[1]):
                value = raw[i, j]
                if not np.isnan(value):
                    held = min(max(value, min(worst[j], best[j])), max(worst[j], best[j]))
                    total += weights[j] / measured * ((held - worst[j]) / (best[j] - worst[j]))
        score[i] = total
        coverage[i] = measured


@njit(nogil=True, cache=True)  # type: ignore[untyped-decorator]
def column_extremes(raw: Any, squares: Any, least: Any, greatest: Any) -> None:
    """Sum the squares of each column and find its ends, over finite values: O(n k)."""
    for i in range(raw.shape[0]):
        for j in range(raw.shape[1]):
            value = raw[i, j]
            if np.isfinite(value):
                squares[j] += value * value
                least[j] = min(least[j], value)
                greatest[j] = max(greatest[j], value)


@njit(nogil=True, cache=True)  # type: ignore[untyped-decorator]
def closeness(raw: Any, least: Any, greatest: Any, ideal: Any, factor: Any, weights: Any, score: Any,
              coverage: Any) -> None:
    """Fill the relative closeness of each row to the ideal, and its measured weight: O(n k).

    ``factor`` is weight over scale, 0 for a column that tells nothing apart.
    """
    for i in range(raw.shape[0]):
        to_best, to_worst, measured = 0.0, 0.0, 0.0
        for j in range(raw.shape[1]):
            value = raw[i, j]
            if np.isnan(value):
                continue
            measured += weights[j]
            if factor[j] > 0.0:
                held = min(max(value, least[j]), greatest[j])
                anti_ideal = least[j] if ideal[j] == greatest[j] else greatest[j]
                to_best += (factor[j] * (held - ideal[j])) ** 2
                to_worst += (factor[j] * (held - anti_ideal)) ** 2
        near, far = np.sqrt(to_best), np.sqrt(to_worst)
        score[i] = far / (near + far) if near + far > 0.0 else 0.0
        coverage[i] = measured
