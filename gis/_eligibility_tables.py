"""Geometries as flat tables of vertices, rings and segments, in x and depth (the negative of y)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import shapely
from numpy.typing import NDArray

from gis.errors import LayerError
from gis.rasters import Bounds

Geometries = NDArray[Any]
Floats = NDArray[np.float64]
Integers = NDArray[np.int64]

_POLYGON = 3
_FIRST_COLLECTION = 4


@dataclass(frozen=True, slots=True, eq=False)
class Rings:
    """The rings of n polygons."""

    vertices: Floats
    """x and depth, shape (vertices, 2)."""

    ring_start: Integers
    """First vertex of each ring, with the end; shape (rings + 1,)."""

    part_start: Integers
    """First ring of each polygon, with the end; shape (n + 1,)."""

    part_depths: Floats
    """Least and greatest depth of each polygon, shape (n, 2)."""

    ring_is_hole: NDArray[np.bool_]
    """Whether a ring bounds a hole, shape (rings,)."""


def simple_parts(geometries: Geometries) -> Geometries:
    """Return the points, lines and polygons of geometries, collections taken apart.

    Raises
    ------
    LayerError
        A coordinate is not finite.
    """
    parts = np.asarray(geometries, dtype=object).reshape(-1)
    parts = parts[~(shapely.is_missing(parts) | shapely.is_empty(parts))]
    while (shapely.get_type_id(parts) >= _FIRST_COLLECTION).any():
        parts = shapely.get_parts(parts)
        parts = parts[~shapely.is_empty(parts)]
    if len(parts) and not np.isfinite(shapely.bounds(parts)).all():
        raise LayerError("a geometry has a coordinate that is not a number; repair the layer first",
                         "有要素的坐标不是有效数字；请先修复该图层")
    return parts


def near(parts: Geometries, bounds: Bounds, reach_m: float) -> Geometries:
    """Return the parts whose bounding box is within ``reach_m`` of ``bounds`` in x and y."""
    west, south, east, north = bounds
    box = shapely.bounds(parts).reshape(-1, 4)
    margin = reach_m + 1.0
    is_near = ((box[:, 0] <= east + margin) & (box[:, 2] >= west - margin)
               & (box[:, 1] <= north + margin) & (box[:, 3] >= south - margin))
    return np.asarray(parts[is_near], dtype=object)


def polygons_of(parts: Geometries) -> Geometries:
    """Return the polygons among simple parts."""
    return np.asarray(parts[shapely.get_type_id(parts) == _POLYGON], dtype=object)


def rings_of(polygons: Geometries) -> Rings:
    """Return the rings of simple polygons."""
    rings, part_of_ring = shapely.get_rings(polygons, return_index=True)
    vertices, ring_of_vertex = _vertices(rings)
    part_start = np.searchsorted(part_of_ring, np.arange(len(polygons) + 1)).astype(np.int64)
    is_hole = np.ones(len(rings), dtype=np.bool_)
    is_hole[part_start[:-1]] = False
    box = shapely.bounds(polygons).reshape(-1, 4)
    return Rings(vertices, np.searchsorted(ring_of_vertex, np.arange(len(rings) + 1)).astype(np.int64), part_start,
                 np.ascontiguousarray(np.stack([-box[:, 3], -box[:, 1]], axis=1)), is_hole)


def segments_of(parts: Geometries, rings: Rings) -> Floats:
    """Return x and depth of both ends of all segments, shape (n, 4); a point is its own segment.

    Parameters
    ----------
    parts
        Simple parts.
    rings
        Those of the polygons among them.
    """
    kind = shapely.get_type_id(parts)
    points, _ = _vertices(parts[kind == 0])
    vertices, line = _vertices(parts[(kind != 0) & (kind != _POLYGON)])
    ring = np.repeat(np.arange(len(rings.ring_start) - 1), np.diff(rings.ring_start))
    return np.concatenate([np.concatenate([points, points], axis=1), _joined(vertices, line),
                           _joined(rings.vertices, ring)])


def _joined(vertices: Floats, chain: Integers) -> Floats:
    """Return the segments between neighbouring vertices of the same chain."""
    is_joined = chain[1:] == chain[:-1]
    return np.concatenate([vertices[:-1][is_joined], vertices[1:][is_joined]], axis=1)


def _vertices(geometries: Geometries) -> tuple[Floats, Integers]:
    """Return x and depth of all vertices, and the geometry that each belongs to."""
    coordinates, index = shapely.get_coordinates(geometries, return_index=True)
    # Adding zero turns the negative zero of a vertex at y = 0 into zero.
    coordinates[:, 1] = -coordinates[:, 1] + 0.0
    return np.asarray(coordinates, dtype=np.float64), np.asarray(index, dtype=np.int64)
