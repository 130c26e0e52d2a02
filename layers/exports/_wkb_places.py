"""Coordinates inside well-known binary, replaced where they stand: no geometry is made anew for a change of CRS.

One walk over the bytes by the structure of OGC 06-103r4, clause 8.2: byte order, type, counts, coordinates. What holds
other geometries (collections of any depth) is a count and then those geometries, one after another, so that the walk
needs no stack. The cost is that of the bytes: O(vertices).
"""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

_POINT, _LINE, _POLYGON = 1, 2, 3
_HEAD, _COUNT, _NUMBER = 5, 4, 8  # bytes of byte order and type, of a count, of a coordinate


@njit(cache=True, nogil=True)  # type: ignore[untyped-decorator]
def _word(data: NDArray[np.uint8], at: int) -> int:
    """Return the little-endian 32-bit number at a place."""
    word = np.int64(0)
    for i in range(_COUNT):
        word |= np.int64(data[at + i]) << 8 * i
    return word  # type: ignore[return-value]


@njit(cache=True, nogil=True)  # type: ignore[untyped-decorator]
def put_coordinates(data: NDArray[np.uint8], xy: NDArray[np.uint8]) -> int:
    """Overwrite the coordinates of geometries.

    Parameters
    ----------
    data
        Little-endian geometries of two dimensions, one after another.
    xy
        The bytes of their new coordinates in the order of :func:`shapely.get_coordinates`, shape (vertices, 16). An
        empty point, which has no vertex there, stays as it is.

    Returns
    -------
    int
        Vertices written.
    """
    at, vertex, end = 0, 0, len(data)
    while at < end:
        kind = _word(data, at + 1)
        at += _HEAD
        n_paths = 1
        if kind == _POLYGON:
            n_paths = _word(data, at)
            at += _COUNT
        elif kind > _POLYGON:
            at += _COUNT
            continue
        for _ in range(n_paths):
            size = 1
            if kind == _POINT:
                if _is_nan(data, at):
                    size = 0
                    at += 2 * _NUMBER
            else:
                size = _word(data, at)
                at += _COUNT
            for _ in range(size):
                for i in range(2 * _NUMBER):
                    data[at + i] = xy[vertex, i]
                at += 2 * _NUMBER
                vertex += 1
    return vertex


@njit(cache=True, nogil=True)  # type: ignore[untyped-decorator]
def _is_nan(data: NDArray[np.uint8], at: int) -> bool:
    """Tell whether the number at a place is none, as both of an empty point are."""
    exponent = (np.int64(data[at + 7]) & 0x7F) << 4 | np.int64(data[at + 6]) >> 4
    fraction = np.int64(data[at + 6]) & 0x0F
    for i in range(6):
        fraction |= np.int64(data[at + i])
    return bool(exponent == 0x7FF and fraction != 0)
