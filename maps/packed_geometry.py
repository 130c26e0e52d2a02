"""Shapes as plain arrays of whole numbers, to be packed into a page.

Shapes are paths: a feature has paths, a path has vertices. A polygon's paths are its rings (outer ones and holes,
all parts), to be filled by the even-odd rule, without the closing vertex; a line's are its parts, a point's its points.
"""

from __future__ import annotations

from typing import Any

import geopandas as gpd
import numpy as np
import shapely
from numpy.typing import NDArray

UNITS_PER_DEGREE = 10_000_000
"""Steps of a packed coordinate in one degree: 1e-7 degree is about 1 cm."""

_POLYGON = 3


def pack_geometry(geometry: gpd.GeoSeries) -> dict[str, NDArray[Any]]:
    """Turn shapes in longitude and latitude into paths.

    Parameters
    ----------
    geometry
        n shapes of any kind in EPSG:4326; a missing or empty one has no paths. Of a collection only the parts of
        the highest dimension are kept.

    Returns
    -------
    ``dimension`` (n, 0 point, 1 line, 2 polygon), ``path_count`` (n), ``vertex_count`` (per path), ``x`` and ``y``
    (per vertex, longitude and latitude in 1e-7 degree).
    """
    parts, owner = _parts(geometry.to_numpy())
    n = len(geometry)
    dimension = np.zeros(n, dtype=np.uint8)
    np.maximum.at(dimension, owner, shapely.get_dimensions(parts).astype(np.uint8))
    kept = shapely.get_dimensions(parts) == dimension[owner]
    paths, owner = _paths(parts[kept], owner[kept])
    xy, path_of = shapely.get_coordinates(paths, return_index=True)
    is_ring = dimension[owner] == 2  # a closed line keeps its last vertex
    last = np.append(path_of[1:] != path_of[:-1], True) if len(path_of) else np.zeros(0, dtype=bool)
    keep = ~(last & is_ring[path_of])
    steps = np.rint(xy[keep] * UNITS_PER_DEGREE).astype(np.int32)
    return {
        "dimension": dimension,
        "path_count": np.bincount(owner, minlength=n).astype(np.uint32),
        "vertex_count": np.bincount(path_of[keep], minlength=len(paths)).astype(np.uint32),
        "x": steps[:, 0].copy(), "y": steps[:, 1].copy(),
    }


def _parts(shapes: NDArray[np.object_]) -> tuple[NDArray[np.object_], NDArray[np.intp]]:
    """Split into points, lines and polygons, with the row of each."""
    parts, owner = shapely.get_parts(shapes, return_index=True)
    while (shapely.get_type_id(parts) > _POLYGON).any():
        parts, inner = shapely.get_parts(parts, return_index=True)
        owner = owner[inner]
    kept = ~shapely.is_empty(parts)
    return parts[kept], owner[kept]


def _paths(parts: NDArray[np.object_], owner: NDArray[np.intp]) -> tuple[NDArray[np.object_], NDArray[np.intp]]:
    """Split polygons into rings; lines and points are paths already. Paths stay in the order of their owners."""
    is_polygon = shapely.get_type_id(parts) == _POLYGON
    rings, ring_part = shapely.get_rings(parts[is_polygon], return_index=True)
    paths = np.concatenate([rings, parts[~is_polygon]])
    owners = np.concatenate([owner[is_polygon][ring_part], owner[~is_polygon]])
    order = np.argsort(owners, kind="stable")
    return paths[order], owners[order]
