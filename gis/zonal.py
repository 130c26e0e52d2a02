"""Raster statistics of polygons, each cell weighted by its exact share inside the polygon.

Polygons that lie together are taken together, so that their part of the raster is read once, as a
window of about a million cells; a polygon larger than that is summed tile by tile. Time is the
reading, plus one step for each cell in the box of each polygon; memory is a window per thread.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import shapely
from numpy.typing import NDArray

from gis import ragged
from gis.proximity import in_threads
from gis.rasters import Raster

Geometries = NDArray[Any]
Floats = NDArray[np.float64]
Integers = NDArray[np.int64]

Derivation = Callable[[Floats, float, float], Floats]
"""From cells with a margin of one, cell width and cell height to derived cells of the same shape."""

_BLOCK_CELLS = 1_024
# Equal shares differ by rounding; this part of a polygon's cells is no difference.
_TIE = 1e-9


@dataclass(frozen=True, slots=True, eq=False)
class ZonalStatistics:
    """Statistics of one raster over each of n polygons."""

    mean: Floats
    """Mean of the cells, weighted by their share inside; NaN without data and for codes."""

    minimum: Floats
    """Least value of a cell that is inside at least in part; NaN without data."""

    maximum: Floats
    """Greatest value of such a cell; NaN without data."""

    coverage: Floats
    """Share of the polygon's area that has data, 0 to 1."""

    share_above: Floats
    """Share of the area with data whose value is above the threshold; NaN without data or threshold."""

    majority: Floats
    """Value that holds most of the area with data, the lowest among equals; NaN without data or unless asked for."""


def zonal_statistics(geometries: Geometries, raster: Raster, *, threshold: float | None = None,
                     derive: Derivation | None = None, with_majority: bool = False) -> ZonalStatistics:
    """Summarise a raster over polygons; all statistics come from one reading of it.

    The raster is read in windows of about a million cells, one per thread, so that neither it nor
    the polygons need to fit in memory at once. A polygon's result does not depend on the other
    polygons, nor on the threads.

    Parameters
    ----------
    geometries
        Valid polygons in the CRS of the raster, shape (n,). Whatever has no area has no data.
    raster
        Where a cell is NaN there is no data.
    threshold
        In the unit of the raster (or of what ``derive`` makes of it).
    derive
        Makes other cells of each window first, for example :func:`slope_percent`.
    with_majority
        Find the most frequent value too, which takes a sort of the cells of each polygon. Of values
        that differ by less than a billionth of the polygon's cells the lowest is taken.

    Returns
    -------
    ZonalStatistics
        One entry per polygon, in order.

    Raises
    ------
    LayerError
        The raster cannot be read.
    """
    from gis._zonal_kernels import accumulate, tally

    given = np.asarray(geometries, dtype=object).reshape(-1)
    area_cells = shapely.area(given) / abs(raster.transform.a * raster.transform.e)
    area_cells = np.where(np.isfinite(area_cells), area_cells, 0.0)
    sums = np.tile([0.0, 0.0, np.inf, -np.inf, 0.0], (len(given), 1))
    majority = np.full(len(given), np.nan)
    limit = np.nan if threshold is None else float(threshold)

    def work(block: tuple[Integers, list[Integers]]) -> None:
        rows, tiles = block
        flat, some, tallies = _flat(given[rows], raster), sums[rows], []
        for windows in tiles:
            origin = windows[:, :2].min(axis=0)
            size = (windows[:, :2] + windows[:, 2:]).max(axis=0) - origin
            values = _read(raster, int(origin[0]), int(origin[1]), int(size[0]), int(size[1]), derive)
            accumulate(*flat, windows, area_cells[rows], values, origin, limit, some)
            if with_majority:
                tallies.append(tally(*flat, windows, area_cells[rows], values, origin))
        sums[rows] = some
        if with_majority:
            majority[rows] = _most_frequent(tallies)

    in_threads(work, _blocks(_windows(given, raster, area_cells)))
    return _statistics(sums, area_cells, majority, has_threshold=threshold is not None,
                       is_categorical=raster.is_categorical)


def slope_percent(values: Floats, cell_width_m: float, cell_height_m: float) -> Floats:
    """Return the slope of a terrain in per cent (rise over run), by Horn's method.

    Parameters
    ----------
    values
        Elevation in metres, shape (rows, columns), north up; NaN where unknown.
    cell_width_m, cell_height_m
        Size of a cell.

    Returns
    -------
    numpy.ndarray
        Slope in per cent, same shape; NaN where the elevation is NaN. At the rim the outermost
        cells are repeated; an unknown neighbour takes the elevation of the cell itself.

    References
    ----------
    Horn, B. K. P. (1981), Hill shading and the reflectance map, Proc. IEEE 69, 14-47.
    """
    n_rows, n_columns = values.shape
    if values.size == 0:
        return values.copy()
    wide = np.pad(values, 1, mode="edge")

    def neighbour(down: int, right: int) -> Floats:
        cells = wide[1 + down:1 + down + n_rows, 1 + right:1 + right + n_columns]
        return np.asarray(np.where(np.isfinite(cells), cells, values))

    nw, n, ne = neighbour(-1, -1), neighbour(-1, 0), neighbour(-1, 1)
    w, e = neighbour(0, -1), neighbour(0, 1)
    sw, s, se = neighbour(1, -1), neighbour(1, 0), neighbour(1, 1)
    with np.errstate(invalid="ignore"):
        eastward = ((ne + 2.0 * e + se) - (nw + 2.0 * w + sw)) / (8.0 * cell_width_m)
        northward = ((nw + 2.0 * n + ne) - (sw + 2.0 * s + se)) / (8.0 * cell_height_m)
        return np.asarray(np.where(np.isfinite(values), 100.0 * np.hypot(eastward, northward), np.nan))


def _windows(geometries: Geometries, raster: Raster, area_cells: Floats) -> Integers:
    """Return first row, first column, rows and columns of the cells that each polygon may meet."""
    bounds = shapely.bounds(geometries)
    inverse = ~raster.transform
    with np.errstate(invalid="ignore"):
        left, right = (bounds[:, i] * inverse.a + inverse.c for i in (0, 2))
        top, bottom = (bounds[:, i] * inverse.e + inverse.f for i in (3, 1))
        edges = np.stack([np.floor(top), np.floor(left), np.ceil(bottom), np.ceil(right)], axis=1)
    edges[~(np.isfinite(edges).all(axis=1) & (area_cells > 0.0))] = 0.0
    size = np.tile(raster.shape, 2)
    clipped = np.clip(edges, 0, size).astype(np.int64)
    return np.concatenate([clipped[:, :2], clipped[:, 2:] - clipped[:, :2]], axis=1)


def _blocks(windows: Integers) -> list[tuple[Integers, list[Integers]]]:
    """Return rows of polygons that lie together, with their windows; a large polygon alone, with one for each tile."""
    is_there = (windows[:, 2:] > 0).all(axis=1)
    is_large = is_there & (windows[:, 2:] > _BLOCK_CELLS).any(axis=1)
    small = np.flatnonzero(is_there & ~is_large)
    tile = windows[small, :2] // _BLOCK_CELLS
    order = np.lexsort((small, tile[:, 1], tile[:, 0]))
    is_new = (np.diff(tile[order], axis=0) != 0).any(axis=1)
    blocks = [(rows, [windows[rows]]) for rows in np.split(small[order], np.flatnonzero(is_new) + 1) if len(rows)]
    return blocks + [(np.array([row]), _tiles(*windows[row])) for row in np.flatnonzero(is_large)]


def _tiles(top: int, left: int, n_rows: int, n_columns: int) -> list[Integers]:
    """Cut one window into tiles, each as a table of one window."""
    return [np.array([[top + down, left + aside, min(_BLOCK_CELLS, n_rows - down),
                       min(_BLOCK_CELLS, n_columns - aside)]], dtype=np.int64)
            for down in range(0, n_rows, _BLOCK_CELLS) for aside in range(0, n_columns, _BLOCK_CELLS)]


def _most_frequent(tallies: list[tuple[Integers, Floats, Floats]]) -> Floats:
    """Return the most frequent value of each polygon of a block, from one tally for each tile."""
    n = len(tallies[0][0]) - 1
    row = np.concatenate([np.repeat(np.arange(n), np.diff(begins)) for begins, _, _ in tallies])
    value, cells = (np.concatenate([tally[i] for tally in tallies]) for i in (1, 2))
    order = np.lexsort((value, row))
    is_first = np.ones(len(row), dtype=np.bool_)
    is_first[1:] = (np.diff(row[order]) != 0) | (value[order][1:] != value[order][:-1])
    row, value = row[order][is_first], value[order][is_first]
    cells = np.bincount(np.cumsum(is_first) - 1, weights=cells[order], minlength=len(row))
    most = np.zeros(n)
    np.maximum.at(most, row, cells)
    is_most = cells >= (most - _TIE * np.bincount(row, weights=cells, minlength=n))[row]
    found = np.full(n, np.nan)
    # Values ascend within a row: from the last to the first, so that the lowest stays.
    found[row[is_most][::-1]] = value[is_most][::-1]
    return found


def _read(raster: Raster, row: int, column: int, n_rows: int, n_columns: int, derive: Derivation | None) -> Floats:
    """Read a window; for ``derive`` with a margin of one cell, repeated at the rim of the raster."""
    if derive is None:
        return np.ascontiguousarray(raster.read_cells(row, column, n_rows, n_columns))
    top, left = max(row - 1, 0), max(column - 1, 0)
    bottom, right = min(row + n_rows + 1, raster.shape[0]), min(column + n_columns + 1, raster.shape[1])
    cells = raster.read_cells(top, left, bottom - top, right - left)
    missing = ((top - (row - 1), row + n_rows + 1 - bottom), (left - (column - 1), column + n_columns + 1 - right))
    derived = derive(np.pad(cells, missing, mode="edge"), raster.transform.a, -raster.transform.e)
    return np.ascontiguousarray(derived[1:-1, 1:-1], dtype=np.float64)


def _flat(geometries: Geometries, raster: Raster) -> tuple[Floats, Floats, Integers, NDArray[np.bool_], Integers]:
    """Return the vertices in columns and rows of the raster, and where rings and polygons begin."""
    paths = ragged.only_polygons(ragged.flatten(geometries))
    inverse = ~raster.transform
    ring_is_hole = np.ones(len(paths.path_start) - 1, dtype=np.bool_)
    ring_is_hole[paths.part_start[:-1]] = False
    return (paths.xy[:, 0] * inverse.a + inverse.c, paths.xy[:, 1] * inverse.e + inverse.f,
            paths.path_start, ring_is_hole, paths.part_start[paths.geometry_start])


def _statistics(sums: Floats, area_cells: Floats, majority: Floats, *, has_threshold: bool,
                is_categorical: bool) -> ZonalStatistics:
    cells, total, minimum, maximum, above = sums.T
    has_data = cells > 0.0

    def share(part: Floats, whole: Floats) -> Floats:
        return np.asarray(np.divide(part, whole, out=np.full(len(part), np.nan), where=has_data))

    nothing = np.full(len(cells), np.nan)
    # Rounding may lift a mean out of the range of its cells by its last digit.
    mean = np.clip(share(total, cells), np.where(has_data, minimum, np.nan), np.where(has_data, maximum, np.nan))
    return ZonalStatistics(
        mean=nothing if is_categorical else mean,
        minimum=np.where(has_data, minimum, np.nan),
        maximum=np.where(has_data, maximum, np.nan),
        coverage=np.where(has_data, np.clip(share(cells, area_cells), 0.0, 1.0), 0.0),
        share_above=np.clip(share(above, cells), 0.0, 1.0) if has_threshold else nothing,
        majority=majority,
    )
