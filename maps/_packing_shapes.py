"""The outlines of many parcels as small whole numbers, in an order in which neighbours stand together.

Parcels are sorted along a Hilbert curve: everything that varies over the ground then differs little from one row to
the next, and the browser can pass over whole runs of rows that lie outside its window.

Vertices are whole steps of the Web Mercator square, so that the browser need not project. Of each ring the first
vertex is written as it is (the block takes differences between rings), every other one as its step from the vertex
before; the last of a ring of four as what it is off from closing a parallelogram, which most such parcels nearly are.

Cost: one sort of n and a few passes over the vertices, nothing per parcel in Python; a million parcels take 2 s, of
which one and a half are the projection.
"""

from __future__ import annotations

from typing import Any

import geopandas as gpd
import numpy as np
import shapely
from numpy.typing import NDArray

from gis.box_tree import along_curve
from gis.ragged import flatten, only_polygons

Integers = NDArray[np.int64]

FINE_BITS, COARSE_BITS = 30, 28
"""Bits of a coordinate: 3.7 cm (15 cm) at the equator, 3 cm (12 cm) at 35 degrees of latitude."""

FINE_UP_TO = 200_000
"""More parcels are packed in the coarse steps, a quarter of a pixel at zoom 18."""

_QUAD = 4


def curve_order(geometry: gpd.GeoSeries) -> Integers:
    """Return the rows of shapes in their order along a Hilbert curve, shape (n,)."""
    boxes = shapely.bounds(geometry.to_numpy())
    is_there = np.isfinite(boxes).all(axis=1)
    boxes[~is_there] = boxes[is_there].min(axis=0, initial=0.0) if is_there.any() else 0.0
    return np.asarray(np.argsort(along_curve(boxes), kind="stable"), dtype=np.int64)


def pack_outlines(geometry: gpd.GeoSeries, order: Integers) -> tuple[int, dict[str, NDArray[Any]]]:
    """Pack polygons in a given order.

    Parameters
    ----------
    geometry
        n polygons, with holes and several parts or without, in any CRS; what is not a polygon has no ring.
    order
        Rows as they are to follow one another, shape (n,).

    Returns
    -------
    bits
        A coordinate counts steps of the Mercator square divided by 2 to the power of ``bits``.
    arrays
        ``path_count`` (n, rings of each), ``vertex_count`` (per ring, without the closing vertex), ``first_x``,
        ``first_y`` (per ring), ``step_x``, ``step_y`` (every other vertex, folded to positive numbers).
    """
    bits = FINE_BITS if len(geometry) <= FINE_UP_TO else COARSE_BITS
    paths = only_polygons(flatten(geometry.to_numpy()))
    rings_before = paths.part_start[paths.geometry_start]
    path_count = np.diff(rings_before)[order]
    ring = _runs(rings_before[:-1][order], path_count)
    size = np.diff(paths.path_start)[ring] - 1
    vertex = _runs(paths.path_start[:-1][ring], size)
    first = np.concatenate([[0], np.cumsum(size)[:-1]]).astype(np.int64) if len(size) else np.zeros(0, dtype=np.int64)
    is_first = np.zeros(len(vertex), dtype=np.bool_)
    is_first[first] = True
    arrays: dict[str, NDArray[Any]] = {"path_count": path_count.astype(np.uint32),
                                       "vertex_count": size.astype(np.uint32)}
    for axis, places in zip("xy", _mercator_steps(paths.xy, geometry.crs, bits), strict=True):
        along = places[vertex]
        arrays[f"first_{axis}"] = along[first].astype(np.uint32)
        arrays[f"step_{axis}"] = _steps(along, first, size)[~is_first]
    return bits, arrays


def unpack_outlines(bits: int, arrays: dict[str, NDArray[Any]]) -> tuple[NDArray[np.float64], Integers, Integers]:
    """Read outlines back: what ``panel/shapes.js`` does.

    Returns
    -------
    xy
        Places in the Mercator square (0 to 1, y south), shape (vertices, 2).
    ring_start, path_start
        First vertex of each ring and first ring of each parcel, with the ends.
    """
    size = arrays["vertex_count"].astype(np.int64)
    start = np.concatenate([[0], np.cumsum(size)])
    is_first = np.zeros(start[-1], dtype=np.bool_)
    is_first[start[:-1]] = True
    columns = []
    for axis in "xy":
        folded = arrays[f"step_{axis}"].astype(np.int64)
        steps = np.zeros(start[-1], dtype=np.int64)
        steps[~is_first] = (folded >> 1) ^ -(folded & 1)
        # The last of four is off from first - second + third.
        fourth = start[:-1][size == _QUAD] + 3
        steps[fourth] -= steps[fourth - 2]
        total = np.cumsum(steps)
        before = np.repeat(total[start[:-1]], size)
        columns.append(np.repeat(arrays[f"first_{axis}"].astype(np.int64), size) + total - before)
    path_start = np.concatenate([[0], np.cumsum(arrays["path_count"].astype(np.int64))])
    return np.column_stack(columns) / 2.0 ** bits, start, path_start


def _steps(along: Integers, first: Integers, size: Integers) -> NDArray[np.uint32]:
    """Return each vertex's step from the one before, folded to positive numbers."""
    steps = np.diff(along, prepend=0)
    fourth = first[size == _QUAD] + 3
    # Off from first - second + third: the step back along the side opposite.
    steps[fourth] += along[fourth - 2] - along[fourth - 3]
    return np.asarray((steps << 1) ^ (steps >> 63), dtype=np.uint32)


def _mercator_steps(xy: NDArray[np.float64], crs: Any, bits: int) -> tuple[Integers, Integers]:
    """Project to whole steps of the Mercator square: x east, y south."""
    from pyproj import Transformer

    lon, lat = Transformer.from_crs(crs, "EPSG:4326", always_xy=True).transform(xy[:, 0], xy[:, 1])
    north = np.log(np.tan(np.pi / 4.0 + np.asarray(lat) * (np.pi / 360.0)))
    whole = 2.0 ** bits
    return (np.rint((np.asarray(lon) / 360.0 + 0.5) * whole).astype(np.int64),
            np.rint((0.5 - north / (2.0 * np.pi)) * whole).astype(np.int64))


def _runs(start: Integers, count: Integers) -> Integers:
    """Return start[0], start[0] + 1, ... of count[0] numbers, then those of the next run, and so on."""
    before = np.cumsum(count) - count
    return np.repeat(start - before, count) + np.arange(int(count.sum()))
