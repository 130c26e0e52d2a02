"""What a mask of reasons says of parcels, and its contiguous eligible ground."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import shapely
from affine import Affine
from numpy.typing import NDArray

from gis.errors import UsageError

Geometries = NDArray[Any]
Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
Mask = NDArray[np.unsignedinteger]


@dataclass(frozen=True, slots=True, eq=False)
class ReasonShares:
    """Shares of the area of each of n polygons, by each of k reasons."""

    reasons: tuple[int, ...]
    """Bits of the reasons, length k."""

    share: Floats
    """Share that each reason takes, 0 to 1, shape (n, k); NaN for whatever has no area."""

    eligible: Floats
    """Share without any reason, 0 to 1, shape (n,); NaN for whatever has no area."""


@dataclass(frozen=True, slots=True, eq=False)
class EligibleAreas:
    """Contiguous eligible areas, in the order of their first cell (by rows from the north-west)."""

    geometries: Geometries
    """Valid polygons along the edges of cells, holes left out, shape (n,)."""

    area_m2: Floats
    """Their areas, shape (n,)."""


def shares_by_reason(mask: Mask, transform: Affine, reasons: Sequence[int], outside_bit: int,
                     polygons: Geometries) -> ReasonShares:
    """Return the shares of each polygon's area, each cell weighted by its exact share inside.

    Parameters
    ----------
    mask
        Bits of the reasons.
    transform
        From column and row of ``mask`` to coordinates; north up.
    reasons
        Bits to be told apart.
    outside_bit
        The one of them that takes the ground beyond the mask.
    polygons
        Valid polygons, shape (n,).

    Returns
    -------
    ReasonShares
        One row per polygon.
    """
    from gis._eligible_area_kernels import sum_bits

    given = np.asarray(polygons, dtype=object).reshape(-1)
    area_cells = shapely.area(given) / abs(transform.a * transform.e)
    area_cells = np.where(np.isfinite(area_cells), area_cells, 0.0)
    bits = np.array([1 << bit for bit in reasons], dtype=mask.dtype)
    sums = np.zeros((len(given), 2 + len(reasons)))
    parts, zone_of_part = shapely.get_parts(given, return_index=True)
    rings, part_of_ring = shapely.get_rings(parts, return_index=True)
    vertices, ring_of_vertex = shapely.get_coordinates(rings, return_index=True)
    is_hole = np.ones(len(rings), dtype=np.bool_)
    is_hole[np.unique(part_of_ring, return_index=True)[1]] = False
    inverse = ~transform
    sum_bits(mask, vertices[:, 0] * inverse.a + inverse.c, vertices[:, 1] * inverse.e + inverse.f,
             np.searchsorted(ring_of_vertex, np.arange(len(rings) + 1)).astype(np.int64), is_hole,
             np.searchsorted(zone_of_part[part_of_ring], np.arange(len(given) + 1)).astype(np.int64),
             _windows(given, transform, mask.shape, area_cells), area_cells, bits, sums)
    beyond = np.clip(area_cells - sums[:, 0], 0.0, None)
    sums[:, 2 + list(reasons).index(outside_bit)] += beyond
    has_area = area_cells > 0.0
    shares = np.full_like(sums, np.nan)
    np.divide(sums, area_cells[:, None], out=shares, where=has_area[:, None])
    shares = np.clip(shares, 0.0, 1.0)
    return ReasonShares(tuple(reasons), shares[:, 2:], shares[:, 1])


def connected_areas(mask: Mask, transform: Affine, min_area_m2: float, connectivity: int) -> EligibleAreas:
    """Return the connected parts of the cells that are 0, as polygons.

    Runs of free cells are joined row by row (union and find), parts that are too small are dropped,
    and each that stays is traced within its own window. Memory is the runs and one window.

    Parameters
    ----------
    mask
        Bits of the reasons.
    transform
        From column and row of ``mask`` to coordinates; north up.
    min_area_m2
        Least area, inclusive.
    connectivity
        4: cells are neighbours by an edge. 8: by a corner too; such an area may be a MultiPolygon.

    Raises
    ------
    UsageError
        The least area is negative or NaN, or the connectivity neither 4 nor 8.
    """
    from gis._eligible_area_kernels import free_runs, join_runs

    if not min_area_m2 >= 0.0 or connectivity not in (4, 8):
        raise UsageError(
            f"eligible areas need a least area of 0 or more and a connectivity of 4 or 8; "
            f"got {min_area_m2} m2 and {connectivity}",
            f"适宜地块需要不小于 0 的最小面积与 4 或 8 邻接；得到 {min_area_m2} 平方米与 {connectivity}")
    row_start, first, end = free_runs(mask)
    root = join_runs(row_start, first, end, 1 if connectivity == 8 else 0)
    row = np.repeat(np.arange(mask.shape[0]), np.diff(row_start))
    cells = np.bincount(root, weights=end - first, minlength=len(root))
    area_m2 = np.asarray(cells * abs(transform.a * transform.e), dtype=np.float64)
    kept = np.flatnonzero((np.bincount(root, minlength=len(root)) > 0) & (area_m2 >= min_area_m2))
    runs = np.flatnonzero(np.isin(root, kept))
    runs = runs[np.argsort(root[runs], kind="stable")]
    starts = np.searchsorted(root[runs], kept)
    found = np.empty(len(kept), dtype=object)
    for i, members in enumerate(np.split(runs, starts[1:]) if len(kept) else []):
        found[i] = _trace(row[members], first[members], end[members], transform)
    return EligibleAreas(found, area_m2[kept])


def _trace(rows: Integers, first: NDArray[np.int32], end: NDArray[np.int32], transform: Affine) -> Any:
    """Return the outline of runs of cells as a polygon, or as several that touch at corners."""
    from rasterio.features import shapes

    from gis._eligible_area_kernels import paint_runs

    top, left = int(rows.min()), int(first.min())
    window = np.zeros((int(rows.max()) - top + 1, int(end.max()) - left), dtype=np.uint8)
    paint_runs(window, rows - top, first - np.int32(left), end - np.int32(left))
    west, north = transform.c + left * transform.a, transform.f + top * transform.e
    moved = Affine(transform.a, 0.0, west, 0.0, transform.e, north)
    outlines = shapes(window, mask=window.view(np.bool_), connectivity=4, transform=moved)
    parts = [shapely.Polygon(shape["coordinates"][0], shape["coordinates"][1:]) for shape, _ in outlines]
    return shapely.make_valid(parts[0] if len(parts) == 1 else shapely.MultiPolygon(parts))


def _windows(polygons: Geometries, transform: Affine, shape: tuple[int, ...], area_cells: Floats) -> Integers:
    """Return first row, first column, rows and columns of the cells that each polygon may meet."""
    bounds, inverse = shapely.bounds(polygons).reshape(-1, 4), ~transform
    left, right = (bounds[:, i] * inverse.a + inverse.c for i in (0, 2))
    top, bottom = (bounds[:, i] * inverse.e + inverse.f for i in (3, 1))
    edges = np.stack([np.floor(top), np.floor(left), np.ceil(bottom), np.ceil(right)], axis=1)
    edges[~(np.isfinite(edges).all(axis=1) & (area_cells > 0.0))] = 0.0
    clipped = np.clip(edges, 0, np.tile(shape, 2)).astype(np.int64)
    return np.concatenate([clipped[:, :2], clipped[:, 2:] - clipped[:, :2]], axis=1)
