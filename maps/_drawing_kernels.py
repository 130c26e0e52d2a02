"""Polygons painted into an image, compiled: the rows of pixel centres that each crosses, between every other crossing.

Cost: for each polygon, its edges times the rows that it reaches, and the pixels painted.
"""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]


@njit(cache=True, nogil=True)  # type: ignore[untyped-decorator]
def fill_polygons(image: NDArray[np.uint32], n_before: int, xy: Floats, path_start: Integers, part_start: Integers,
                  part_is_polygon: NDArray[np.bool_], geometry_start: Integers) -> None:
    """Write the number of each geometry where a pixel's centre lies in it; later ones over earlier ones.

    Parameters
    ----------
    image
        Shape (height, width); the centre of pixel (row, column) is at (column + 0.5, row + 0.5).
    n_before
        The first geometry has the number after this.
    xy
        Vertices in pixels, y downwards; with the other arrays, those of ``gis.ragged.Paths``.
    """
    height, width = image.shape
    crossings = np.empty(64)
    for geometry in range(len(geometry_start) - 1):
        for part in range(geometry_start[geometry], geometry_start[geometry + 1]):
            if not part_is_polygon[part]:
                continue
            first_path, end_path = part_start[part], part_start[part + 1]
            start, end = path_start[first_path], path_start[end_path]
            if len(crossings) < end - start:
                crossings = np.empty(end - start)
            low, high = np.inf, -np.inf
            for i in range(start, end):
                low, high = min(low, xy[i, 1]), max(high, xy[i, 1])
            for row in range(max(0, int(np.ceil(low - 0.5))), min(height, int(np.ceil(high - 0.5)))):
                n = _crossings(xy, path_start, first_path, end_path, row + 0.5, crossings)
                for k in range(0, n - 1, 2):
                    left = max(0, int(np.ceil(crossings[k] - 0.5)))
                    for column in range(left, min(width, int(np.ceil(crossings[k + 1] - 0.5)))):
                        image[row, column] = n_before + geometry + 1


@njit(cache=True, nogil=True)  # type: ignore[untyped-decorator]
def _crossings(xy: Floats, path_start: Integers, first_path: int, end_path: int, y: float, found: Floats) -> int:
    """Note where rings cross a row, from left to right; return how often they do."""
    n = 0
    for path in range(first_path, end_path):
        for i in range(path_start[path], path_start[path + 1] - 1):
            y0, y1 = xy[i, 1], xy[i + 1, 1]
            if (y0 <= y) == (y1 <= y):
                continue
            x = xy[i, 0] + (y - y0) * ((xy[i + 1, 0] - xy[i, 0]) / (y1 - y0))
            place = n
            while place > 0 and found[place - 1] > x:
                found[place] = found[place - 1]
                place -= 1
            found[place] = x
            n += 1
    return n
