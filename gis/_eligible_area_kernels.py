"""Connected eligible cells and shares of parcels, from a bit mask of reasons, compiled."""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

from gis._zonal_kernels import add_edge, ring_sign

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
Columns = NDArray[np.int32]
Mask = NDArray[np.unsignedinteger]

# A share below this part of a cell (or of a smaller polygon) is rounding and not ground.
_ROUNDING = 1e-9
_BLOCK_CELLS = 4_194_304


def _free_runs(mask: Mask) -> tuple[Integers, Columns, Columns]:
    """Return the runs of cells without a reason: first run of each row with the end, first and end column."""
    n_rows, n_columns = mask.shape
    row_start = np.zeros(n_rows + 1, dtype=np.int64)
    for row in range(n_rows):
        n_runs = 0
        for i in range(n_columns):
            n_runs += mask[row, i] == 0 and (i == 0 or mask[row, i - 1] != 0)
        row_start[row + 1] = row_start[row] + n_runs
    first, end = np.empty(row_start[-1], dtype=np.int32), np.empty(row_start[-1], dtype=np.int32)
    run = 0
    for row in range(n_rows):
        for i in range(n_columns):
            if mask[row, i] != 0:
                continue
            if i == 0 or mask[row, i - 1] != 0:
                first[run] = i
            if i + 1 == n_columns or mask[row, i + 1] != 0:
                end[run] = i + 1
                run += 1
    return row_start, first, end


def _root_of(parent: Integers, run: int) -> int:
    """Return the first run of a component, halving the path on the way."""
    while parent[run] != run:
        parent[run] = parent[parent[run]]
        run = parent[run]
    return run


def _join_runs(row_start: Integers, first: Columns, end: Columns, slack: int) -> Integers:
    """Return for each run the first run of its component, in one pass over neighbouring rows.

    Parameters
    ----------
    row_start, first, end
        Runs, as :func:`_free_runs` returns them.
    slack
        0 where cells are neighbours by an edge only (4 of them), 1 by a corner too (8).
    """
    parent = np.arange(len(first))
    for row in range(1, row_start.shape[0] - 1):
        upper, lower = row_start[row - 1], row_start[row]
        while upper < row_start[row] and lower < row_start[row + 1]:
            if first[upper] < end[lower] + slack and first[lower] < end[upper] + slack:
                one, other = root_of(parent, upper), root_of(parent, lower)
                parent[max(one, other)] = min(one, other)
            if end[upper] < end[lower]:
                upper += 1
            else:
                lower += 1
    for run in range(len(parent)):
        parent[run] = root_of(parent, run)
    return parent


def _paint_runs(window: NDArray[np.uint8], rows: Integers, first: Columns, end: Columns) -> None:
    """Set the cells of runs, given in rows and columns of the window, to 1."""
    for run in range(len(rows)):
        for column in range(first[run], end[run]):
            window[rows[run], column] = 1


def _add_bits(shares: Floats, mask: Mask, row: int, column: int, smallest: float, bits: Mask, sums: Floats) -> None:
    """Add the cells of one window to the sums of its polygon (see :func:`sum_bits`)."""
    for i in range(shares.shape[0]):
        share = 0.0
        for j in range(shares.shape[1] - 1):
            share += shares[i, j]
            if share <= smallest:
                continue
            reasons = mask[row + i, column + j]
            sums[0] += share
            if reasons == 0:
                sums[1] += share
                continue
            for k in range(bits.shape[0]):
                if reasons & bits[k]:
                    sums[2 + k] += share


def _sum_bits(mask: Mask, x: Floats, y: Floats, ring_start: Integers, ring_is_hole: NDArray[np.bool_],
              zone_start: Integers, windows: Integers, area_cells: Floats, bits: Mask, sums: Floats) -> None:
    """Sum the cells of each of n polygons by reason, each weighted by its exact share inside.

    A large polygon is summed in blocks of rows, so that memory stays bounded.

    Parameters
    ----------
    x, y
        Column and row coordinates of all vertices on the grid of ``mask``.
    ring_start, ring_is_hole
        First vertex of each ring, with the end, shape (rings + 1,); whether it bounds a hole.
    zone_start
        First ring of each polygon, with the end; shape (n + 1,).
    windows
        First row, first column, rows and columns of each polygon, inside ``mask``; shape (n, 4).
    area_cells
        Area of each polygon in cells, shape (n,).
    bits
        One reason each, shape (k,), of the type of ``mask``.
    sums
        In and out, shape (n, 2 + k): cells, cells without a reason, cells with each reason.
    """
    for zone in range(zone_start.shape[0] - 1):
        top, column, n_rows, n_columns = windows[zone]
        smallest = _ROUNDING * min(1.0, area_cells[zone])
        step = max(1, _BLOCK_CELLS // (n_columns + 1))
        for row in range(top, top + n_rows, step):
            shares = np.zeros((min(step, top + n_rows - row), n_columns + 1))
            for ring in range(zone_start[zone], zone_start[zone + 1]):
                start, end = ring_start[ring], ring_start[ring + 1]
                sign = ring_sign(x, y, start, end, ring_is_hole[ring])
                for i in range(start, end - 1):
                    add_edge(shares, x[i] - column, y[i] - row, x[i + 1] - column, y[i + 1] - row, sign)
            add_bits(shares, mask, row, column, smallest, bits, sums[zone])


_compiled = njit(cache=True, nogil=True)
free_runs = _compiled(_free_runs)
root_of = _compiled(_root_of)
join_runs = _compiled(_join_runs)
paint_runs = _compiled(_paint_runs)
add_bits = _compiled(_add_bits)
sum_bits = _compiled(_sum_bits)
