"""Compiled loops over the matrix of candidates and criteria; called by :mod:`siting.scoring` and :mod:`siting.methods`.

Every loop goes over the rows once and keeps nothing per cell, so that its cost is that of reading the
matrix: 8 n k bytes, and 16 n to write. Rows are independent; Python's lock is not held, and the
callers give blocks of rows to threads.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit

_TILE_ROWS = 16


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
def _square_tiles(raw: Any, squares: Any, least: Any, greatest: Any) -> None:
    """Do what :func:`column_extremes` does, where all values are finite, for whole tiles of rows.

    A tile is taken as one long row with sums of its own for every cell, so that the loop has neither a
    branch nor a sum that waits for the last one, and compiles to vector instructions.
    """
    n_columns = raw.shape[1]
    width = _TILE_ROWS * n_columns
    sums, low, high = np.zeros(width), np.full(width, np.inf), np.full(width, -np.inf)
    flat = raw.reshape(-1)
    for tile in range(raw.shape[0] // _TILE_ROWS):
        cells = flat[tile * width:(tile + 1) * width]
        for i in range(width):
            value = cells[i]
            sums[i] += value * value
            low[i] = value if value < low[i] else low[i]
            high[i] = value if value > high[i] else high[i]
    for i in range(width):
        j = i % n_columns
        squares[j] += sums[i]
        least[j] = min(least[j], low[i])
        greatest[j] = max(greatest[j], high[i])


@njit(nogil=True, cache=True)  # type: ignore[untyped-decorator]
def column_extremes(raw: Any, squares: Any, least: Any, greatest: Any) -> None:
    """Sum the squares of each column and find its ends, over finite values: O(n k).

    ``raw`` is contiguous by rows; the three results, shape (k,), come in as 0, infinity and minus infinity.
    """
    done = raw.shape[0] // _TILE_ROWS * _TILE_ROWS
    _square_tiles(raw[:done], squares, least, greatest)
    # A sum of squares is finite only if each value was.
    if not np.isfinite(squares.sum()):
        squares[:], least[:], greatest[:], done = 0.0, np.inf, -np.inf, 0
    for i in range(done, raw.shape[0]):
        for j in range(raw.shape[1]):
            value = raw[i, j]
            if np.isfinite(value):
                squares[j] += value * value
                least[j] = min(least[j], value)
                greatest[j] = max(greatest[j], value)


@njit(nogil=True, cache=True)  # type: ignore[untyped-decorator]
def _close_row(row: Any, least: Any, greatest: Any, ideal: Any, factor: Any, weights: Any) -> tuple[float, float]:
    """Return the closeness and the measured weight of one row, whatever is missing or infinite in it."""
    to_best, to_worst, measured = 0.0, 0.0, 0.0
    for j in range(len(row)):
        value = row[j]
        if np.isnan(value):
            continue
        measured += weights[j]
        if factor[j] > 0.0:
            held = min(max(value, least[j]), greatest[j])
            anti_ideal = least[j] if ideal[j] == greatest[j] else greatest[j]
            one, other = factor[j] * (held - ideal[j]), factor[j] * (held - anti_ideal)
            to_best += one * one
            to_worst += other * other
    near, far = np.sqrt(to_best), np.sqrt(to_worst)
    return (far / (near + far) if near + far > 0.0 else 0.0), measured


@njit(nogil=True, cache=True, error_model="numpy")  # type: ignore[untyped-decorator]
def closeness(raw: Any, least: Any, greatest: Any, ideal: Any, factor: Any, weights: Any, score: Any,
              coverage: Any) -> None:
    """Fill the relative closeness of each row to the ideal, and its measured share of weight: O(n k).

    ``raw`` is contiguous by rows; ``factor`` is weight over scale, 0 for a column that tells nothing
    apart. Tiles of rows are squared cell by cell in vector instructions, then summed row by row in the
    order of the columns; a row whose sum is not finite holds something that is not, and is done alone.
    Both ways take the same steps, so that they agree to the last bit.
    """
    n_columns = raw.shape[1]
    width, flat = _TILE_ROWS * n_columns, raw.reshape(-1)
    best, worst, scale = np.empty(width), np.empty(width), np.empty(width)
    for i in range(width):
        j = i % n_columns
        best[i], scale[i] = ideal[j], factor[j]
        worst[i] = least[j] if ideal[j] == greatest[j] else greatest[j]
    to_best, to_worst, near, far = np.zeros(width), np.zeros(width), np.empty(_TILE_ROWS), np.empty(_TILE_ROWS)
    whole = 0.0
    for j in range(n_columns):
        whole += weights[j]
    for start in range(0, raw.shape[0], _TILE_ROWS):
        end = min(start + _TILE_ROWS, raw.shape[0])
        cells = flat[start * n_columns:end * n_columns]
        for i in range(len(cells)):
            one, other = scale[i] * (cells[i] - best[i]), scale[i] * (cells[i] - worst[i])
            to_best[i], to_worst[i] = one * one, other * other
        check = 0.0
        for row in range(_TILE_ROWS):
            near_sum, far_sum = 0.0, 0.0
            one_row = to_best[row * n_columns:(row + 1) * n_columns]
            other_row = to_worst[row * n_columns:(row + 1) * n_columns]
            for j in range(n_columns):
                near_sum += one_row[j]
                far_sum += other_row[j]
            near[row], far[row] = near_sum, far_sum
            check += near_sum + far_sum
        scores, shares = score[start:end], coverage[start:end]
        for row in range(len(scores)):
            one, other = np.sqrt(near[row]), np.sqrt(far[row])
            close = other / (one + other)  # 0 / 0 only where all ends meet
            scores[row] = close if one + other > 0.0 else 0.0
        for row in range(len(shares)):
            shares[row] = 1.0 if whole > 0.0 else 0.0
        if np.isfinite(check):
            continue
        for row in range(len(scores)):
            if not np.isfinite(near[row] + far[row]):
                close, measured = _close_row(raw[start + row], least, greatest, ideal, factor, weights)
                scores[row], shares[row] = close, measured / whole if whole > 0.0 else 0.0
