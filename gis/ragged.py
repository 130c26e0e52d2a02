"""Shapely geometries as flat arrays of coordinates, for compiled code.

A geometry is a list of parts (points, lines, polygons), a part a list of paths (the first of a
polygon is its shell, the others are its holes), a path a list of vertices. Paths are cut into
runs of at most ``RUN_EDGES`` edges with a box each: whoever looks for the edges near a place
skips the runs whose box is far, so an outline of thousands of vertices costs little.

Geometries of one path, as most parcels are, take about 0.15 microseconds each; no Python object
is made for them.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import shapely
from numpy.typing import NDArray

Geometries = NDArray[Any]
Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
Booleans = NDArray[np.bool_]

RUN_EDGES = 8
_POLYGON, _MULTIPOINT, _COLLECTION = 3, 4, 7


class Paths(NamedTuple):
    """Vertices of n geometries, path after path."""

    xy: Floats
    """Coordinates, shape (vertices, 2)."""
    path_start: Integers
    """First vertex of each path, with the end; shape (paths + 1,)."""
    part_start: Integers
    """First path of each part, with the end; shape (parts + 1,)."""
    part_is_polygon: Booleans
    """Shape (parts,)."""
    geometry_start: Integers
    """First part of each geometry, with the end; shape (n + 1,)."""


class Runs(NamedTuple):
    """Edges of n geometries, in runs; a named tuple, because compiled code takes these."""

    x: Floats
    """Shape (vertices,)."""
    y: Floats
    """Shape (vertices,)."""
    run_first: Integers
    """First vertex of each run, shape (runs,)."""
    run_last: Integers
    """Last vertex of each run, itself in the run; equal to the first for a point. Shape (runs,)."""
    run_box: Floats
    """Least x, least y, greatest x, greatest y; shape (runs, 4)."""
    run_part: Integers
    """Part of each run, shape (runs,)."""
    part_run: Integers
    """First run of each part, with the end; shape (parts + 1,)."""
    part_box: Floats
    """Shape (parts, 4)."""
    part_is_polygon: Booleans
    """Shape (parts,)."""
    part_geometry: Integers
    """Geometry of each part, shape (parts,)."""
    geometry_part: Integers
    """First part of each geometry, with the end; shape (n + 1,)."""


def flatten(geometries: Geometries) -> Paths:
    """Take geometries apart.

    Parameters
    ----------
    geometries
        Shapely geometries of any type, shape (n,). Heights are dropped; a missing or empty one, or
        one with a coordinate that is not finite, has no part.

    Returns
    -------
    Paths
        Parts, paths and vertices in the order of :func:`shapely.get_coordinates`.
    """
    given = np.asarray(geometries, dtype=object).reshape(-1)
    xy = shapely.get_coordinates(given)
    if not np.isfinite(xy).all():
        xy, of_geometry = shapely.get_coordinates(given, return_index=True)
        given = given.copy()
        given[of_geometry[~np.isfinite(xy).all(axis=1)]] = None
        xy = shapely.get_coordinates(given)
    kind, n_vertices = shapely.get_type_id(given), shapely.get_num_coordinates(given).astype(np.int64)
    is_complex = (kind >= _MULTIPOINT) | ((kind == _POLYGON) & (shapely.get_num_interior_rings(given) > 0))
    if not is_complex.any():
        is_there = n_vertices > 0
        one_each = np.arange(np.count_nonzero(is_there) + 1)
        return Paths(xy, _starts(n_vertices[is_there]), one_each, kind[is_there] == _POLYGON, _starts(is_there))
    return _with_complex(given, xy, n_vertices, kind == _POLYGON, is_complex)


def _with_complex(given: Geometries, xy: Floats, n_vertices: Integers, is_polygon: Booleans,
                  is_complex: Booleans) -> Paths:
    """Take apart geometries of which some have several paths."""
    rows = np.flatnonzero(is_complex)
    size, begins_part, in_polygon, whose = _paths_of(given[rows])
    paths = np.where(is_complex, 0, n_vertices > 0)
    paths[rows] = np.bincount(whose, minlength=len(rows))
    geometry = np.repeat(np.arange(len(given)), paths)
    belongs = is_complex[geometry]
    path_size, path_begins = n_vertices[geometry], np.ones(len(geometry), dtype=np.bool_)
    path_in_polygon = is_polygon[geometry]
    path_size[belongs], path_begins[belongs], path_in_polygon[belongs] = size, begins_part, in_polygon
    first = np.flatnonzero(path_begins)
    return Paths(xy, _starts(path_size), np.append(first, len(path_begins)), path_in_polygon[first],
                 _starts(np.bincount(geometry[first], minlength=len(given))))


def _paths_of(given: Geometries) -> tuple[Integers, Booleans, Booleans, Integers]:
    """Return size, whether it begins a part, whether it is a ring of a polygon, and geometry of each path."""
    parts, whose = shapely.get_parts(given, return_index=True)
    while (shapely.get_type_id(parts) >= _MULTIPOINT).any():  # collections in collections
        parts, outer = shapely.get_parts(parts, return_index=True)
        whose = whose[outer]
    is_polygon = shapely.get_type_id(parts) == _POLYGON
    rings, ring_of = shapely.get_rings(parts[is_polygon], return_index=True)
    n_paths = np.where(is_polygon, 0, ~shapely.is_empty(parts))
    n_paths[is_polygon] = np.bincount(ring_of, minlength=np.count_nonzero(is_polygon))
    part = np.repeat(np.arange(len(parts)), n_paths)
    size, in_polygon = shapely.get_num_coordinates(parts).astype(np.int64)[part], is_polygon[part]
    size[in_polygon] = shapely.get_num_coordinates(rings)
    has_any = size > 0
    part, size, in_polygon = part[has_any], size[has_any], in_polygon[has_any]
    begins_part = np.ones(len(part), dtype=np.bool_)
    begins_part[1:] = np.diff(part) != 0
    return size, begins_part, in_polygon, whose[part]


def only_polygons(paths: Paths) -> Paths:
    """Return the same geometries without their points and lines.

    Parameters
    ----------
    paths
        Of :func:`flatten`.
    """
    if paths.part_is_polygon.all():
        return paths
    n_paths, n_vertices = np.diff(paths.part_start), np.diff(paths.path_start)
    is_ring = np.repeat(paths.part_is_polygon, n_paths)
    polygons_before = _starts(paths.part_is_polygon)
    return Paths(paths.xy[np.repeat(is_ring, n_vertices)], _starts(n_vertices[is_ring]),
                 _starts(n_paths[paths.part_is_polygon]), np.ones(polygons_before[-1], dtype=np.bool_),
                 polygons_before[paths.geometry_start])


def cut_into_runs(paths: Paths) -> Runs:
    """Cut paths into runs of at most ``RUN_EDGES`` edges, each with its box.

    Parameters
    ----------
    paths
        Of :func:`flatten`.

    Returns
    -------
    Runs
        Runs in the order of the paths; a point is a run of one vertex.
    """
    size = np.diff(paths.path_start)
    n_runs = np.maximum(-(-(size - 1) // RUN_EDGES), 1)
    run_start = _starts(n_runs)
    path = np.repeat(np.arange(len(size)), n_runs)
    run_first = paths.path_start[path] + RUN_EDGES * (np.arange(len(path)) - run_start[path])
    run_last = np.minimum(run_first + RUN_EDGES, paths.path_start[path + 1] - 1)
    part_run = run_start[paths.part_start]
    run_box = _boxes(paths.xy, run_first, run_last)
    n_parts = np.diff(paths.geometry_start)
    return Runs(
        x=np.ascontiguousarray(paths.xy[:, 0]), y=np.ascontiguousarray(paths.xy[:, 1]),
        run_first=run_first, run_last=run_last, run_box=run_box,
        run_part=np.repeat(np.arange(len(part_run) - 1), np.diff(part_run)), part_run=part_run,
        part_box=_joined(run_box, part_run), part_is_polygon=paths.part_is_polygon,
        part_geometry=np.repeat(np.arange(len(n_parts)), n_parts), geometry_part=paths.geometry_start,
    )


def _boxes(xy: Floats, first: Integers, last: Integers) -> Floats:
    """Return the boxes of runs of vertices that share at most their ends."""
    if not len(first):
        return np.empty((0, 4))
    low, high = np.minimum.reduceat(xy, first), np.maximum.reduceat(xy, first)
    # The last vertex of a run may be the first of the next, where reduceat has not counted it.
    return np.concatenate([np.minimum(low, xy[last]), np.maximum(high, xy[last])], axis=1)


def _joined(boxes: Floats, start: Integers) -> Floats:
    """Return the boxes of consecutive, non-empty groups of boxes."""
    if not len(boxes):
        return np.empty((0, 4))
    return np.concatenate([np.minimum.reduceat(boxes[:, :2], start[:-1]),
                           np.maximum.reduceat(boxes[:, 2:], start[:-1])], axis=1)


def _starts(sizes: NDArray[Any]) -> Integers:
    starts = np.zeros(len(sizes) + 1, dtype=np.int64)
    np.cumsum(sizes, out=starts[1:])
    return starts
