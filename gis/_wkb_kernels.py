"""Well-known binary read into flat arrays, compiled.

One walk over the bytes, by the structure of OGC 06-103r4, clause 8.2: byte order, type, counts, coordinates.
The cost is that of reading them and writing the coordinates (a tenth of a second per 100 MB), because no object
is made for a geometry. Numbers are read where they lie, at any address.
"""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

Bytes = NDArray[np.uint8]
Integers = NDArray[np.int64]
Floats = NDArray[np.float64]
Booleans = NDArray[np.bool_]

OTHER = -1
"""What :func:`measure` says of bytes that are not little-endian points, lines, polygons or several of a kind."""

_POINT, _LINE, _POLYGON, _MULTIPOINT, _MULTIPOLYGON = 1, 2, 3, 4, 6
_HEAD, _COUNT, _NUMBER = 5, 4, 8  # bytes of byte order and type, of a count, of a coordinate


@njit(cache=True, nogil=True)  # type: ignore[untyped-decorator]
def _word(data: Bytes, at: int) -> int:
    """Return the little-endian 32-bit number at a place."""
    word = np.int64(0)
    for i in range(_COUNT):
        word |= np.int64(data[at + i]) << 8 * i
    return word  # type: ignore[return-value]


@njit(cache=True, nogil=True)  # type: ignore[untyped-decorator]
def _kind(data: Bytes, at: int, end: int) -> tuple[int, int]:
    """Return the type number without its dimensions, and the numbers per vertex; type -1 for what is not read."""
    if at + _HEAD > end or data[at] != 1:
        return OTHER, 0
    word = _word(data, at + 1)
    # Heights and measures are flags in the old way of writing and thousands in that of ISO.
    n_more = (word >> 31 & 1) + (word >> 30 & 1)
    kind = word & 0x0FFFFFFF
    n_more += (0, 1, 1, 2)[kind // 1000] if kind < 4000 else 0
    kind %= 1000
    if kind < _POINT or kind > _MULTIPOLYGON or word >> 29 & 1:
        return OTHER, 0
    return kind, 2 + n_more


@njit(cache=True, nogil=True)  # type: ignore[untyped-decorator]
def _members(data: Bytes, at: int, end: int) -> tuple[int, int]:
    """Return how many members a geometry has, itself alone or those of a collection, and where the first begins."""
    kind, _ = _kind(data, at, end)
    if kind == OTHER:
        return OTHER, at
    if kind < _MULTIPOINT:
        return 1, at
    if at + _HEAD + _COUNT > end:
        return OTHER, at
    return _word(data, at + _HEAD), at + _HEAD + _COUNT


@njit(cache=True, nogil=True)  # type: ignore[untyped-decorator]
def _rings(data: Bytes, at: int, end: int) -> tuple[int, int, int, int]:
    """Return kind and width of a member, how many paths it has, and where the first begins."""
    kind, width = _kind(data, at, end)
    if kind == OTHER or kind >= _MULTIPOINT:
        return OTHER, width, 0, at
    if kind != _POLYGON:
        return kind, width, 1, at + _HEAD
    if at + _HEAD + _COUNT > end:
        return OTHER, width, 0, at
    return kind, width, _word(data, at + _HEAD), at + _HEAD + _COUNT


@njit(cache=True, nogil=True)  # type: ignore[untyped-decorator]
def _vertices(data: Bytes, at: int, end: int, kind: int, width: int) -> tuple[int, int]:
    """Return how many vertices a path has, all of them in the bytes, and where the first lies."""
    size = 1
    if kind != _POINT:
        if at + _COUNT > end:
            return OTHER, at
        size = _word(data, at)
        at += _COUNT
    return (OTHER, at) if at + size * width * _NUMBER > end else (size, at)


@njit(cache=True, nogil=True)  # type: ignore[untyped-decorator]
def measure(data: Bytes, start: Integers, is_there: Booleans) -> tuple[int, int, int]:
    """Count the parts, paths and vertices of all geometries.

    Parameters
    ----------
    data
        Bytes of the geometries, one after another.
    start
        First byte of each, with the end; shape (n + 1,).
    is_there
        Whether there is a geometry; shape (n,).

    Returns
    -------
    tuple
        Parts, paths, vertices; all ``OTHER`` where one is of another kind or its bytes end too early.
    """
    n_parts, n_paths, n_vertices = 0, 0, 0
    for row in range(len(is_there)):
        if not is_there[row]:
            continue
        end = start[row + 1]
        n_members, at = _members(data, start[row], end)
        if n_members == OTHER:
            return OTHER, OTHER, OTHER
        for _ in range(n_members):
            kind, width, n_rings, at = _rings(data, at, end)
            if kind == OTHER:
                return OTHER, OTHER, OTHER
            before = n_paths
            for _ in range(n_rings):
                size, at = _vertices(data, at, end, kind, width)
                if size == OTHER:
                    return OTHER, OTHER, OTHER
                at += size * width * _NUMBER
                n_vertices += size
                n_paths += size > 0
            n_parts += n_paths > before
    return n_parts, n_paths, n_vertices


@njit(cache=True, nogil=True)  # type: ignore[untyped-decorator]
def unpack(data: Bytes, start: Integers, is_there: Booleans, xy: Floats, path_start: Integers, part_start: Integers,
           part_is_polygon: Booleans, geometry_start: Integers, n_before: Integers) -> tuple[int, int, int]:
    """Write geometries into the arrays of ``gis.ragged.Paths``, behind those that are there.

    One walk over the bytes. What has been written beyond ``n_before`` means nothing unless the whole is read.

    Parameters
    ----------
    data, start, is_there
        As for :func:`measure`.
    xy, path_start, part_start, part_is_polygon, geometry_start
        Arrays with room for a vertex per 16 bytes of ``data``, as many paths and parts, and all rows; the
        entries for the end of each, too.
    n_before
        Vertices, paths, parts and rows that are there already, shape (4,).

    Returns
    -------
    tuple
        Vertices, paths and parts that are there now; all ``OTHER`` where a geometry is of another kind, its bytes
        end too early, or a coordinate is not finite.
    """
    vertex, path, part = n_before[0], n_before[1], n_before[2]
    for row in range(len(is_there)):
        geometry_start[n_before[3] + row] = part
        if not is_there[row]:
            continue
        end = start[row + 1]
        n_members, at = _members(data, start[row], end)
        if n_members == OTHER:
            return OTHER, OTHER, OTHER
        for _ in range(n_members):
            kind, width, n_rings, at = _rings(data, at, end)
            if kind == OTHER:
                return OTHER, OTHER, OTHER
            first = path
            for _ in range(n_rings):
                size, at = _vertices(data, at, end, kind, width)
                if size == OTHER:
                    return OTHER, OTHER, OTHER
                if size == 0:
                    continue
                path_start[path] = vertex
                path += 1
                if not _copy(data[at:at + size * width * _NUMBER].view(np.float64), width, xy[vertex:vertex + size]):
                    return OTHER, OTHER, OTHER
                at += size * width * _NUMBER
                vertex += size
            if path > first:
                part_start[part] = first
                part_is_polygon[part] = kind == _POLYGON
                part += 1
    geometry_start[n_before[3] + len(is_there)] = part
    path_start[path], part_start[part] = vertex, path
    return vertex, path, part


@njit(cache=True, nogil=True)  # type: ignore[untyped-decorator]
def _copy(numbers: Floats, width: int, xy: Floats) -> bool:
    """Write the first two of every ``width`` numbers, and tell whether all of them are finite."""
    total = 0.0
    for i in range(len(xy)):
        x, y = numbers[i * width], numbers[i * width + 1]
        xy[i, 0], xy[i, 1] = x, y
        # Nothing times a number is nothing, unless it is not finite.
        total += 0.0 * x + 0.0 * y
    return total == 0.0


@njit(cache=True, nogil=True)  # type: ignore[untyped-decorator]
def boxes(data: Bytes, start: Integers, is_there: Booleans, box: Floats, n_vertices: Integers) -> bool:
    """Write the box and the number of vertices of each geometry that :func:`measure` has passed.

    Parameters
    ----------
    data, start, is_there
        As for :func:`measure`.
    box
        Least x, least y, greatest x, greatest y, shape (n, 4); NaN for a geometry without vertices.
    n_vertices
        Shape (n,).

    Returns
    -------
    bool
        Whether every coordinate is finite.
    """
    is_finite = True
    for row in range(len(is_there)):
        box[row], n_vertices[row] = np.nan, 0
        if not is_there[row]:
            continue
        end = start[row + 1]
        n_members, at = _members(data, start[row], end)
        low_x, low_y, high_x, high_y = np.inf, np.inf, -np.inf, -np.inf
        for _ in range(n_members):
            kind, width, n_rings, at = _rings(data, at, end)
            for _ in range(n_rings):
                size, at = _vertices(data, at, end, kind, width)
                numbers = data[at:at + size * width * _NUMBER].view(np.float64)
                for i in range(size):
                    x, y = numbers[i * width], numbers[i * width + 1]
                    is_finite = is_finite and np.isfinite(x) and np.isfinite(y)
                    low_x, low_y = min(low_x, x), min(low_y, y)
                    high_x, high_y = max(high_x, x), max(high_y, y)
                at += size * width * _NUMBER
                n_vertices[row] += size
        if n_vertices[row]:
            box[row, 0], box[row, 1], box[row, 2], box[row, 3] = low_x, low_y, high_x, high_y
    return is_finite
