"""Compiled loops of the layout of a campus: free stretches of rows, and the best stack of rows.

A row is a strip of the plane between two heights of the rotated frame. A position along it is free
where the whole depth of the strip lies in the polygon: no edge of the polygon comes there, and the
middle of the strip is inside by the even-odd rule. Edges are projected upon the row, the projections
are sorted and swept, so that one row costs O(E log E) for the E edges near it.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit

TOLERANCE_M = 1e-7
"""Edges that reach so little into a row do not block it (rounding of the rotation)."""

MAX_RISE_M = 25.0
"""No edge rises more; longer ones are cut (see ``free_stretches``)."""


@njit(nogil=True, cache=True)  # type: ignore[untyped-decorator]
def _is_inside(edges: Any, first: int, last: int, x: float, y: float) -> bool:
    """Tell whether a point lies inside by the even-odd rule; only edges of the range can come to its height."""
    inside = False
    for i in range(first, last):
        if edges[i, 1] <= y < edges[i, 3]:
            share = (y - edges[i, 1]) / (edges[i, 3] - edges[i, 1])
            if edges[i, 0] + share * (edges[i, 2] - edges[i, 0]) > x:
                inside = not inside
    return inside


@njit(nogil=True, cache=True)  # type: ignore[untyped-decorator]
def _project(edges: Any, first: int, last: int, low: float, high: float, left: Any, right: Any) -> int:
    """Fill the stretches of a row that edges come to; return how many."""
    n = 0
    for i in range(first, last):
        ax, ay, bx, by = edges[i, 0], edges[i, 1], edges[i, 2], edges[i, 3]
        if by <= low or ay >= high:
            continue
        if by > ay:
            slope = (bx - ax) / (by - ay)
            if ay < low:
                ax, ay = ax + slope * (low - ay), low
            if by > high:
                bx, by = ax + slope * (high - ay), high
        left[n], right[n] = min(ax, bx), max(ax, bx)
        n += 1
    return n


@njit(nogil=True, cache=True)  # type: ignore[untyped-decorator]
def _sort(left: Any, right: Any, n: int) -> None:
    """Sort stretches by their start: by insertion while they are few, as they nearly always are."""
    if n > 64:
        order = np.argsort(left[:n])
        left[:n], right[:n] = left[:n][order], right[:n][order]
        return
    for i in range(1, n):
        start, end, k = left[i], right[i], i - 1
        while k >= 0 and left[k] > start:
            left[k + 1], right[k + 1] = left[k], right[k]
            k -= 1
        left[k + 1], right[k + 1] = start, end


@njit(nogil=True, cache=True)  # type: ignore[untyped-decorator]
def free_stretches(edges: Any, y: float, height: float, least: float, gap: float, left: Any, right: Any,
                   out: Any) -> int:
    """Fill ``out`` with the free stretches of a row, at least ``least`` long and ``gap`` apart; return how many.

    Edges go upward, rise at most ``MAX_RISE_M`` and are sorted by their lower end, so that those that
    come to a row stand together.
    """
    first = np.searchsorted(edges[:, 1], y - MAX_RISE_M - 1.0)
    last = np.searchsorted(edges[:, 1], y + height)
    n = _project(edges, first, last, y + TOLERANCE_M, y + height - TOLERANCE_M, left, right)
    if n == 0:
        return 0
    _sort(left, right, n)
    found = 0
    reach = right[0]
    last_end = -np.inf
    for i in range(1, n):
        start = max(reach, last_end + gap)
        if left[i] - start >= least and _is_inside(edges, first, last, 0.5 * (reach + left[i]), y + 0.5 * height):
            out[found, 0], out[found, 1] = start, left[i]
            last_end = left[i]
            found += 1
        reach = max(reach, right[i])
    return found


@njit(nogil=True, cache=True)  # type: ignore[untyped-decorator]
def fill_table(edges: Any, positions: Any, heights: Any, lengths: Any, gap: float, least: float, n_halls: Any,
               yard_length: Any) -> None:
    """Count the modules that fit into the row at each position, per kind of row, and what length they leave.

    ``heights`` and ``lengths`` are the depth of a row and the length of a module along it, 0 for a row
    that takes yards only. Remainders shorter than ``least`` are lost.
    """
    left, right = np.empty(edges.shape[0]), np.empty(edges.shape[0])
    out = np.empty((edges.shape[0] + 1, 2))
    for t in range(heights.shape[0]):
        for i in range(positions.shape[0]):
            found = free_stretches(edges, positions[i], heights[t], least, gap, left, right, out)
            for k in range(found):
                rest = out[k, 1] - out[k, 0]
                if lengths[t] > 0.0:
                    n = int((rest + gap) / (lengths[t] + gap) + 1e-9)
                    n_halls[t, i] += n
                    rest -= n * (lengths[t] + gap)
                if rest >= least:
                    yard_length[t, i] += rest


@njit(nogil=True, cache=True)  # type: ignore[untyped-decorator]
def best_stack(positions: Any, values: Any, heights: Any, gap: float, chosen: Any) -> int:
    """Choose rows that keep their gap and are worth most together; return how many.

    Exact over the given positions: going down, the best from a position on is that of the next one,
    or a row here and the best beyond it. O(n t) for n positions and t kinds of rows.
    """
    n, n_kinds = positions.shape[0], values.shape[0]
    best = np.zeros(n + 1)
    kind = np.full(n, -1)
    following = np.zeros((n_kinds, n), dtype=np.int64)
    for t in range(n_kinds):
        for i in range(n):
            following[t, i] = np.searchsorted(positions, positions[i] + heights[t] + gap - 1e-9)
    for i in range(n - 1, -1, -1):
        best[i] = best[i + 1]
        for t in range(n_kinds):
            worth = values[t, i] + best[following[t, i]]
            if values[t, i] > 0.0 and worth > best[i] + 1e-12:
                best[i], kind[i] = worth, t
    found, i = 0, 0
    while i < n:
        t = kind[i]
        if t < 0:
            i += 1
            continue
        chosen[found, 0], chosen[found, 1] = i, t
        found += 1
        i = following[t, i]
    return found
