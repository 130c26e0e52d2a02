"""Exact shares of raster cells inside polygons, compiled.

Every edge of a ring adds the signed ground to its right, cell by cell, as font renderers do; a
running sum along each row then gives the share of every cell inside the polygon. Nothing is
sampled: up to rounding the shares are those of an exact overlay, for holes and parts alike.
"""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]

# A share below this part of a cell (or of a smaller polygon) is rounding and not ground.
_ROUNDING = 1e-9


def _ring_sign(x: Floats, y: Floats, start: int, end: int, is_hole: bool) -> float:
    """Return the factor that makes a shell add ground and a hole take it, whatever its direction."""
    doubled = 0.0
    for i in range(start, end - 1):
        doubled += (x[i] - x[start]) * (y[i + 1] - y[start]) - (x[i + 1] - x[start]) * (y[i] - y[start])
    # Rows count downwards, so a ring that is anticlockwise on the map has a negative area here.
    sign = 1.0 if doubled < 0.0 else -1.0
    return -sign if is_hole else sign


def _add_span(shares: Floats, row: int, left: float, right: float, height: float) -> None:
    """Add the ground to the right of an edge that crosses one row from ``left`` to ``right``."""
    n_columns = shares.shape[1] - 1
    if left >= n_columns:
        return
    if right <= 0.0:
        shares[row, 0] += height
        return
    if right <= left:
        column = int(left)
        shares[row, column] += height * (column + 1 - left)
        shares[row, column + 1] += height * (left - column)
        return
    per_cell = height / (right - left)
    if left < 0.0:
        shares[row, 0] -= left * per_cell
        left = 0.0
    end = min(right, float(n_columns))
    column = int(left)
    while left < end:
        cut = min(column + 1.0, end)
        part, middle = (cut - left) * per_cell, 0.5 * (left + cut) - column
        shares[row, column] += part * (1.0 - middle)
        shares[row, column + 1] += part * middle
        left = cut
        column += 1


def _add_edge(shares: Floats, x0: float, y0: float, x1: float, y1: float, sign: float) -> None:
    """Add the ground to the right of one edge, in columns and rows of the window."""
    if y0 == y1:
        return
    if y0 > y1:
        x0, y0, x1, y1, sign = x1, y1, x0, y0, -sign
    n_rows = shares.shape[0]
    if y1 <= 0.0 or y0 >= n_rows:
        return
    low, high = min(x0, x1), max(x0, x1)
    slope = (x1 - x0) / (y1 - y0)
    for row in range(int(max(y0, 0.0)), int(np.ceil(min(y1, float(n_rows))))):
        top, bottom = max(y0, float(row)), min(y1, row + 1.0)
        xa = min(max(x0 + (top - y0) * slope, low), high)
        xb = min(max(x0 + (bottom - y0) * slope, low), high)
        _add_span(shares, row, min(xa, xb), max(xa, xb), (bottom - top) * sign)


def _add_cells(shares: Floats, values: Floats, row: int, column: int, smallest: float,
               threshold: float, sums: Floats) -> None:
    """Add the cells of one window to the sums of its polygon (see :func:`accumulate`)."""
    for i in range(shares.shape[0]):
        share = 0.0
        for j in range(shares.shape[1] - 1):
            share += shares[i, j]
            if share <= smallest:
                continue
            value = values[row + i, column + j]
            if np.isnan(value):
                continue
            sums[0] += share
            sums[1] += share * value
            sums[2] = min(sums[2], value)
            sums[3] = max(sums[3], value)
            if value > threshold:
                sums[4] += share


def _accumulate(x: Floats, y: Floats, ring_start: Integers, ring_is_hole: NDArray[np.bool_], zone_start: Integers,
                windows: Integers, area_cells: Floats, values: Floats, origin: Integers, threshold: float,
                sums: Floats) -> None:
    """Add one window of a raster to the sums of each of n polygons.

    Parameters
    ----------
    x, y
        Column and row coordinates of all vertices on the raster.
    ring_start
        First vertex of each ring, with the end; shape (rings + 1,).
    ring_is_hole
        Whether a ring bounds a hole, shape (rings,).
    zone_start
        First ring of each polygon, with the end; shape (n + 1,).
    windows
        First row, first column, rows and columns of each polygon, inside ``values``; shape (n, 4).
    area_cells
        Area of each polygon in cells, shape (n,).
    values
        Cells of the window, NaN without data.
    origin
        Row and column of the first cell of ``values`` on the raster.
    threshold
        A value above it counts towards the last sum.
    sums
        In and out, shape (n, 5): cells with data, their sum of values, least and greatest value,
        cells above the threshold.
    """
    for zone in range(zone_start.shape[0] - 1):
        shares = shares_of(x, y, ring_start, ring_is_hole, zone_start, zone, windows[zone])
        row, column = windows[zone, 0], windows[zone, 1]
        smallest = _ROUNDING * min(1.0, area_cells[zone])
        add_cells(shares, values, row - origin[0], column - origin[1], smallest, threshold, sums[zone])


def _shares_of(x: Floats, y: Floats, ring_start: Integers, ring_is_hole: NDArray[np.bool_], zone_start: Integers,
               zone: int, window: Integers) -> Floats:
    """Return what a running sum along each row of one polygon's window turns into shares of its cells."""
    row, column, n_rows, n_columns = window
    shares = np.zeros((n_rows, n_columns + 1))
    for ring in range(zone_start[zone], zone_start[zone + 1]):
        start, end = ring_start[ring], ring_start[ring + 1]
        sign = ring_sign(x, y, start, end, ring_is_hole[ring])
        for i in range(start, end - 1):
            add_edge(shares, x[i] - column, y[i] - row, x[i + 1] - column, y[i + 1] - row, sign)
    return shares


def _tally(x: Floats, y: Floats, ring_start: Integers, ring_is_hole: NDArray[np.bool_], zone_start: Integers,
           windows: Integers, area_cells: Floats, values: Floats,
           origin: Integers) -> tuple[Integers, Floats, Floats]:
    """Sum the cells of each polygon by value: a sort of its cells, O(c log c) for c of them.

    Parameters
    ----------
    x, y, ring_start, ring_is_hole, zone_start, windows, area_cells, values, origin
        As for :func:`_accumulate`.

    Returns
    -------
    First entry of each polygon with the end, shape (n + 1,); its values, ascending; the cells of each.
    """
    n_zones, most, room = zone_start.shape[0] - 1, 0, 0
    for zone in range(n_zones):
        most, room = max(most, windows[zone, 2] * windows[zone, 3]), room + windows[zone, 2] * windows[zone, 3]
    value, share, begins = np.empty(most), np.empty(most), np.zeros(n_zones + 1, dtype=np.int64)
    found, cells, n_found = np.empty(room), np.empty(room), 0
    for zone in range(n_zones):
        shares = shares_of(x, y, ring_start, ring_is_hole, zone_start, zone, windows[zone])
        row, column = windows[zone, 0] - origin[0], windows[zone, 1] - origin[1]
        smallest, n_cells = _ROUNDING * min(1.0, area_cells[zone]), 0
        for i in range(shares.shape[0]):
            inside = 0.0
            for j in range(shares.shape[1] - 1):
                inside += shares[i, j]
                if inside > smallest and not np.isnan(values[row + i, column + j]):
                    value[n_cells], share[n_cells] = values[row + i, column + j], inside
                    n_cells += 1
        order = np.argsort(value[:n_cells], kind="mergesort")  # stable, so that sums do not depend on the sort
        for i in order:
            if n_found == begins[zone] or found[n_found - 1] != value[i]:
                found[n_found], cells[n_found] = value[i], 0.0
                n_found += 1
            cells[n_found - 1] += share[i]
        begins[zone + 1] = n_found
    return begins, found[:n_found].copy(), cells[:n_found].copy()


_compiled = njit(cache=True, nogil=True)
ring_sign = _compiled(_ring_sign)
_add_span = _compiled(_add_span)
add_edge = _compiled(_add_edge)
shares_of = _compiled(_shares_of)
add_cells = _compiled(_add_cells)
accumulate = _compiled(_accumulate)
tally = _compiled(_tally)
