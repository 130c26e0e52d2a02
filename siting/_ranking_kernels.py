"""Compiled loops of the ranking methods: flows over a sorted column, regrets of rows, and pairs out of order.

Called by :mod:`siting.methods` and :mod:`siting.agreement`. No loop compares every candidate with every other:
a column is sorted once, and what a candidate wins and loses against all follows from its place.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit


@njit(nogil=True, cache=True)  # type: ignore[untyped-decorator]
def regrets(raw: Any, least: Any, greatest: Any, ideal: Any, weights: Any, group: Any, single: Any,
            measured: Any) -> None:
    """Fill sum and maximum of the weighted regrets of each row, and its measured weight: O(n k).

    A regret is how far a value lies from the ideal end of its column, as a share of the column's span; the
    weights of a row are raised over what was not measured.
    """
    for i in range(raw.shape[0]):
        known = 0.0
        for j in range(raw.shape[1]):
            if not np.isnan(raw[i, j]):
                known += weights[j]
        total, most = 0.0, 0.0
        for j in range(raw.shape[1]):
            value, span = raw[i, j], greatest[j] - least[j]
            if np.isnan(value) or known <= 0.0 or not span > 0.0:
                continue
            away = weights[j] / known * (abs(ideal[j] - min(max(value, least[j]), greatest[j])) / span)
            total += away
            most = max(most, away)
        group[i], single[i], measured[i] = total, most, known


@njit(nogil=True, cache=True)  # type: ignore[untyped-decorator]
def usual_flow(ordered: Any, flow: Any) -> None:
    """Fill for each value of an ascending column how many it beats less how many beat it: O(n)."""
    n, start = len(ordered), 0
    while start < n:
        end = start + 1
        while end < n and ordered[end] == ordered[start]:
            end += 1
        for i in range(start, end):
            flow[i] = start - (n - end)
        start = end


@njit(nogil=True, cache=True)  # type: ignore[untyped-decorator]
def linear_flow(ordered: Any, threshold: Any, flow: Any) -> None:
    """Fill the net flow where a lead counts as its share of ``threshold``, and wholly beyond it: O(n).

    ``ordered`` is ascending and finite. Two pointers bound the values within the threshold on either side;
    running sums give what is between.
    """
    n = len(ordered)
    sums = np.zeros(n + 1)
    for i in range(n):
        # Counted from the least value, so that no digits go to a common offset.
        sums[i + 1] = sums[i] + (ordered[i] - ordered[0])
    low, high = 0, 0
    for i in range(n):
        here = ordered[i] - ordered[0]
        while ordered[i] - ordered[low] >= threshold:
            low += 1
        while high < n and ordered[high] - ordered[i] < threshold:
            high += 1
        won = low + ((i - low) * here - (sums[i] - sums[low])) / threshold
        lost = (n - high) + ((sums[high] - sums[i]) - (high - i) * here) / threshold
        flow[i] = won - lost


@njit(nogil=True, cache=True)  # type: ignore[untyped-decorator]
def inversions(values: Any) -> Any:
    """Count the pairs that stand in falling order, by merge sort: O(n log n). ``values`` is left sorted."""
    n, total, width = len(values), 0, 1
    other = np.empty_like(values)
    while width < n:
        for start in range(0, n, 2 * width):
            middle, end = min(start + width, n), min(start + 2 * width, n)
            a, b = start, middle
            for place in range(start, end):
                if a < middle and (b >= end or values[a] <= values[b]):
                    other[place] = values[a]
                    a += 1
                else:
                    other[place] = values[b]
                    total += middle - a
                    b += 1
        values[:] = other
        width *= 2
    return total
