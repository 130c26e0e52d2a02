"""Repair, measures and overlays of arrays of shapely geometries in a metric CRS."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import shapely
from numpy.typing import ArrayLike, NDArray
from shapely import Geometry, STRtree

from gis.bilingual import Text
from gis.errors import UsageError
from gis.proximity import in_threads

Geometries = NDArray[Any]
Floats = NDArray[np.float64]
Status = Literal["accepted", "repaired", "rejected"]

AREA_TOLERANCE = 0.01
"""A repair may change the area of a polygon by this share at most."""

_CELLS_PER_CHUNK = 200_000
_ROWS_PER_CHUNK = 32_768


@dataclass(frozen=True, slots=True, eq=False)
class Repair:
    """What became of each of n geometries."""

    geometries: Geometries
    """Geometries, shape (n,), two-dimensional and valid; None where rejected."""

    status: NDArray[np.str_]
    """``accepted``, ``repaired`` or ``rejected``, shape (n,)."""

    reasons: tuple[Text | None, ...]
    """Why a geometry was repaired or rejected; None where it was accepted."""


def repair(geometries: Geometries, dimensions: Collection[int] = (0, 1, 2)) -> Repair:
    """Make geometries valid without changing what they say, and reject those that say nothing.

    Rejected are missing and empty geometries, coordinates that are not finite, lines without
    length, polygons without area, and polygons whose area a repair would change by more than 1 %.
    Of a mixed collection the parts of the highest dimension that is wanted stay. Heights are dropped, which does
    not count as a repair.

    Parameters
    ----------
    geometries
        Shapely geometries, shape (n,).
    dimensions
        Dimensions wanted (0 points, 1 lines, 2 polygons). They choose among the parts of a
        collection; a geometry that holds none of them keeps what it has.

    Returns
    -------
    Repair
        One entry per geometry, in order.
    """
    given = _as_array(geometries)
    # Chunk after chunk: a few thousand geometries stay near the processor through all questions.
    chunks = [given[start:start + _ROWS_PER_CHUNK] for start in range(0, max(len(given), 1), _ROWS_PER_CHUNK)]

    def work(chunk: Geometries) -> Repair:
        return _repair(chunk, dimensions)

    parts = in_threads(work, chunks) if len(chunks) > 1 else [work(given)]
    return Repair(np.concatenate([part.geometries for part in parts]), np.concatenate([part.status for part in parts]),
                  tuple(reason for part in parts for reason in part.reasons))


def _repair(given: Geometries, dimensions: Collection[int]) -> Repair:
    reasons: list[Text | None] = [None] * len(given)
    made = flat(given)
    is_nothing = shapely.is_missing(made) | shapely.is_empty(made)
    _tell(reasons, is_nothing, _NOTHING)
    # What is valid is finite, so that only the others need be looked at.
    is_faulty = ~shapely.is_valid(made) & ~is_nothing
    is_infinite = np.zeros(len(made), dtype=np.bool_)
    is_infinite[is_faulty] = _has_infinite(made[is_faulty])
    _tell(reasons, is_infinite, _INFINITE)
    is_rejected = is_nothing | is_infinite
    is_odd = ~is_rejected & (is_faulty | (shapely.get_type_id(made) == _COLLECTION))
    for row in np.flatnonzero(is_odd):
        made[row], reasons[row], is_rejected[row] = _repaired(made[row], dimensions)
    is_flat = ~is_rejected & (_size(made) <= 0.0)
    _tell(reasons, is_flat, _FLAT)
    is_rejected |= is_flat
    made[is_rejected] = None
    status = np.full(len(given), "accepted")
    status[is_odd] = "repaired"
    status[is_rejected] = "rejected"
    return Repair(made, status, tuple(reasons))


def flat(geometries: Geometries) -> Geometries:
    """Return geometries without heights and measures, shape (n,); those that have none are not made anew."""
    made = np.array(geometries, dtype=object)
    is_high = shapely.get_coordinate_dimension(made) > 2
    if is_high.any():
        made[is_high] = shapely.force_2d(made[is_high])
    return made


def area_m2(geometries: Geometries) -> Floats:
    """Return areas in square metres, float64, shape (n,); NaN where a geometry is missing."""
    return np.asarray(shapely.area(_as_array(geometries)), dtype=np.float64)


def compactness(geometries: Geometries) -> Floats:
    """Return the Polsby-Popper compactness ``4 pi A / P^2``: 1 for a disc, near 0 for a sliver.

    Parameters
    ----------
    geometries
        Polygons, shape (n,). The perimeter counts holes too.

    Returns
    -------
    numpy.ndarray
        Float64 in [0, 1], shape (n,); 0 without area, NaN where a geometry is missing.

    References
    ----------
    Polsby, D. D. and Popper, R. D. (1991), Yale Law & Policy Review 9, 301-353.
    """
    given = _as_array(geometries)
    area, perimeter_m = shapely.area(given), shapely.length(given)
    is_polygon = shapely.get_dimensions(given) == 2
    shares = np.where(shapely.is_missing(given), np.nan, 0.0)
    has_area = is_polygon & (perimeter_m > 0.0)
    shares[has_area] = 4.0 * np.pi * area[has_area] / perimeter_m[has_area] ** 2
    return np.asarray(shares, dtype=np.float64)


def overlap_share(geometries: Geometries, mask: Geometries) -> Floats:
    """Return the share of each polygon's area that lies in the union of ``mask``.

    Parameters
    ----------
    geometries
        Valid polygons, shape (n,). A geometry without area counts as wholly inside where it meets
        the mask.
    mask
        Valid polygons, shape (m,); where they overlap, ground counts once.

    Returns
    -------
    numpy.ndarray
        Float64 in [0, 1], shape (n,); 0 for a missing geometry.
    """
    given, shares = _as_array(geometries), np.zeros(len(geometries))
    hits = _meetings(given, mask)
    shares[hits.covered] = 1.0
    area = shapely.area(given)
    rows, pieces = _unions(hits.rows, shapely.intersection(given[hits.rows], hits.masks))
    has_area = area[rows] > 0.0
    shares[rows[has_area]] = np.clip(shapely.area(pieces[has_area]) / area[rows[has_area]], 0.0, 1.0)
    shares[rows[~has_area]] = 1.0
    return shares


def subtract(geometries: Geometries, mask: Geometries) -> Geometries:
    """Return what of each polygon lies outside the union of ``mask``.

    Parameters
    ----------
    geometries, mask
        Valid polygons, shapes (n,) and (m,).

    Returns
    -------
    numpy.ndarray
        Geometries, shape (n,); an empty polygon where nothing is left, None where one is missing.
    """
    left = _as_array(geometries).copy()
    hits = _meetings(left, mask)
    left[hits.covered] = shapely.Polygon()
    rows, taken = _unions(hits.rows, hits.masks)
    left[rows] = shapely.difference(left[rows], taken)
    return left


def grid_cells(area: Geometry, size_m: float) -> tuple[Geometries, NDArray[np.int64]]:
    """Cover ``area`` with square cells whose corners are multiples of ``size_m``.

    The grid belongs to the CRS and not to the area: two areas share the cells where they meet.

    Parameters
    ----------
    area
        Polygon in the metric CRS.
    size_m
        Side of a cell.

    Returns
    -------
    cells : numpy.ndarray
        The cells that share ground with ``area``, shape (n,), from south to north and west to east.
    ids : numpy.ndarray
        Row and column of each cell, int64, shape (n, 2): its south-west corner is at
        ``column * size_m``, ``row * size_m``.

    Raises
    ------
    UsageError
        ``size_m`` is not above 0.
    """
    if not (np.isfinite(size_m) and size_m > 0.0):
        raise UsageError(
            f"a grid cell of {size_m} m has no size; give more than 0",
            f"网格边长 {size_m} 米无效；应大于 0",
        )
    if shapely.is_empty(area):
        return np.empty(0, dtype=object), np.empty((0, 2), dtype=np.int64)
    min_x, min_y, max_x, max_y = shapely.bounds(area)
    columns = np.arange(np.floor(min_x / size_m), np.ceil(max_x / size_m), dtype=np.int64)
    rows = np.arange(np.floor(min_y / size_m), np.ceil(max_y / size_m), dtype=np.int64)
    shapely.prepare(area)
    step = max(1, _CELLS_PER_CHUNK // max(len(columns), 1))
    found = [_cells_of(area, rows[start:start + step], columns, size_m) for start in range(0, len(rows), step)]
    return np.concatenate([cells for cells, _ in found]), np.concatenate([ids for _, ids in found])


def corridors(lines: Geometries, length_m: ArrayLike, half_width_m: ArrayLike) -> Geometries:
    """Return the rectangle around each runway and the extension of its centre line at both ends.

    Parameters
    ----------
    lines
        Centre lines, shape (n,); the direction is that from the first vertex to the last.
    length_m
        How far beyond each end, a number or shape (n,).
    half_width_m
        How far to each side, a number or shape (n,).

    Returns
    -------
    numpy.ndarray
        Rectangles, shape (n,); None where a line is missing or has no direction.
    """
    given = _as_array(lines)
    found = np.full(len(given), None, dtype=object)
    coordinates, row = shapely.get_coordinates(given, return_index=True)
    rows, first = np.unique(row, return_index=True)
    last = np.append(first[1:], len(row)) - 1
    start, end = coordinates[first], coordinates[last]
    span_m = np.hypot(*(end - start).T)
    has_direction = span_m > 0.0
    rows, start, end, span_m = rows[has_direction], start[has_direction], end[has_direction], span_m[has_direction]
    along = (end - start) / span_m[:, None]
    beyond = along * np.broadcast_to(np.asarray(length_m, dtype=np.float64), given.shape)[rows, None]
    aside = along[:, ::-1] * (-1.0, 1.0) * np.broadcast_to(np.asarray(half_width_m, float), given.shape)[rows, None]
    tail, head = start - beyond, end + beyond
    corners = np.stack([tail - aside, head - aside, head + aside, tail + aside], axis=1)
    found[rows] = shapely.polygons(corners)
    return found


_COLLECTION = 7

_NOTHING = Text(zh="几何为空", en="the geometry is missing or empty")
_INFINITE = Text(zh="坐标含无效数值（NaN 或无穷大）", en="a coordinate is NaN or infinite")
_FLAT = Text(zh="线长度为零或面面积为零", en="a line without length or a polygon without area")
_AREA_CHANGED = Text(zh="修复会使面积变化超过 1%", en="a repair would change the area by more than 1 %")
_MIXED = Text(
    zh="混合几何，仅保留最高维度的部分",
    en="a mixed collection, of which the parts of the highest dimension stay",
)

# What GEOS calls a fault, and the Chinese for it.
_FAULTS = {
    "Ring Self-intersection": "环自相交",
    "Self-intersection": "自相交",
    "Too few points in geometry component": "顶点过少",
    "Hole lies outside shell": "内环位于外环之外",
    "Nested holes": "内环嵌套",
    "Nested shells": "外环嵌套",
    "Interior is disconnected": "内部不连通",
    "Duplicate Rings": "重复的环",
}


@dataclass(frozen=True, slots=True, eq=False)
class _Meetings:
    """Which geometries a mask covers, and which it only meets."""

    covered: NDArray[np.int64]
    rows: NDArray[np.int64]
    masks: Geometries


def _repaired(geometry: Geometry, dimensions: Collection[int]) -> tuple[Geometry, Text, bool]:
    """Return the repaired geometry, the reason, and whether it has to be rejected."""
    fault = shapely.is_valid_reason(geometry)
    reason = _MIXED if fault == "Valid Geometry" else _fault(fault)
    dimension, area = _wanted_dimension(geometry, dimensions), float(shapely.area(geometry))
    valid = _parts_of_dimension(shapely.make_valid(geometry), dimension)
    if dimension == 2 and abs(shapely.area(valid) - area) > AREA_TOLERANCE * area:
        return valid, _AREA_CHANGED, True
    return (valid, _FLAT, True) if shapely.is_empty(valid) else (valid, reason, False)


def _wanted_dimension(geometry: Geometry, wanted: Collection[int]) -> int:
    """Return the highest dimension of the parts that is wanted, or the highest of all."""
    parts = shapely.get_parts(geometry)
    while (shapely.get_type_id(parts) == _COLLECTION).any():
        parts = shapely.get_parts(parts)
    found = {int(dimension) for dimension in shapely.get_dimensions(parts[~shapely.is_empty(parts)])}
    return max(found & set(wanted) or found)


def _fault(fault: str) -> Text:
    """Translate GEOS's sentence ``Self-intersection[1 2]``."""
    kind, _, place = fault.partition("[")
    where = f" ({place.rstrip(']')})" if place else ""
    return Text(
        zh=f"几何无效：{_FAULTS.get(kind, kind)}{where}，已修复",
        en=f"invalid geometry: {kind.lower()}{where}, repaired",
    )


def _parts_of_dimension(geometry: Geometry, dimension: int) -> Geometry:
    """Return the parts of ``dimension``, as one geometry."""
    parts = shapely.get_parts(geometry)
    while (shapely.get_type_id(parts) >= 4).any():
        parts = shapely.get_parts(parts)
    kept = parts[shapely.get_dimensions(parts) == dimension]
    join = (shapely.multipoints, shapely.multilinestrings, shapely.multipolygons)[dimension]
    joined: Geometry = kept[0] if len(kept) == 1 else join(kept)
    return joined if shapely.is_valid(joined) else shapely.union_all(kept)


def _tell(reasons: list[Text | None], rows: NDArray[np.bool_], reason: Text) -> None:
    for row in np.flatnonzero(rows):
        reasons[row] = reason


def _has_infinite(geometries: Geometries) -> NDArray[np.bool_]:
    found = np.zeros(len(geometries), dtype=np.bool_)
    is_finite = np.isfinite(shapely.get_coordinates(geometries))
    if is_finite.all():
        return found
    row = np.repeat(np.arange(len(geometries)), shapely.get_num_coordinates(geometries))
    found[row[~is_finite.all(axis=1)]] = True
    return found


def _size(geometries: Geometries) -> Floats:
    """Return the area of polygons and the length of lines; infinity for what has neither."""
    dimension = shapely.get_dimensions(geometries)
    size = np.where(dimension == 2, shapely.area(geometries), np.inf)
    size[dimension == 1] = shapely.length(geometries[dimension == 1])
    return size


def _meetings(geometries: Geometries, mask: Geometries) -> _Meetings:
    """Find what ``mask`` covers and meets; each mask polygon is prepared once and asked of many."""
    masks = _as_array(mask)
    masks = masks[~(shapely.is_missing(masks) | shapely.is_empty(masks))]
    tree = STRtree(geometries)
    covered = np.unique(tree.query(masks, predicate="covers")[1])
    which, rows = tree.query(masks, predicate="intersects")
    is_open = ~np.isin(rows, covered)
    which, rows = which[is_open], rows[is_open]
    order = np.lexsort((which, rows))
    return _Meetings(covered.astype(np.int64), rows[order].astype(np.int64), masks[which[order]])


def _unions(rows: NDArray[np.int64], pieces: Geometries) -> tuple[NDArray[np.int64], Geometries]:
    """Join the pieces of each row; ``rows`` is sorted. Returns the distinct rows and their unions."""
    distinct, first, count = np.unique(rows, return_index=True, return_counts=True)
    joined = pieces[first]
    for n in np.unique(count[count > 1]):
        # Rows with as many pieces go to GEOS as one table.
        of_n = np.flatnonzero(count == n)
        joined[of_n] = shapely.union_all(pieces[first[of_n][:, None] + np.arange(n)], axis=1)
    return distinct, joined


def _cells_of(area: Geometry, rows: NDArray[np.int64], columns: NDArray[np.int64],
              size_m: float) -> tuple[Geometries, NDArray[np.int64]]:
    """Return the cells of some rows that share ground with ``area``, and their rows and columns."""
    row, column = (a.reshape(-1) for a in np.meshgrid(rows, columns, indexing="ij"))
    cells = shapely.box(column * size_m, row * size_m, (column + 1) * size_m, (row + 1) * size_m)
    is_kept = shapely.contains_properly(area, cells)
    edge = np.flatnonzero(~is_kept)
    edge = edge[shapely.intersects(area, cells[edge])]
    is_kept[edge] = ~shapely.touches(area, cells[edge])
    return cells[is_kept], np.column_stack([row[is_kept], column[is_kept]])


def _as_array(geometries: Geometries) -> Geometries:
    return np.asarray(geometries, dtype=object).reshape(-1)
