"""Where ground is eligible: every reason against a cell burned into one array, a bit per reason.

A cell belongs to a reason where its centre lies in a feature of the layer or within the buffer of
it, measured exactly; no feature is approximated by a polygon of its buffer and none is burned
before it is buffered, so that grids of any resolution agree wherever they share a centre. Features
and raster cells beyond the grid count as far as their buffer reaches in: nothing stops at the rim.

The work is cut into strips of rows, which are burned side by side in threads and write no common
cell; the answer does not depend on their number. Memory is the mask, the tables of segments and
rings, and one window of a raster per thread.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property, partial
from threading import Lock
from typing import Any

import numpy as np
from affine import Affine
from numpy.typing import NDArray

from gis import _eligibility_tables as tables
from gis.bilingual import Text
from gis.eligible_areas import EligibleAreas, ReasonShares, connected_areas, shares_by_reason
from gis.errors import CrsError, UsageError
from gis.progress import Progress, silent
from gis.rasters import Bounds, Raster

Geometries = NDArray[Any]
Integers = NDArray[np.int64]
Columns = NDArray[np.int32]
Mask = NDArray[np.unsignedinteger]
Frame = tuple[float, float, float, float]

OUTSIDE_BIT = 0
"""The bit of cells whose centre lies outside the area; layers and rules take 1 to 63."""

_FEWEST_BITS, _MOST_BITS = 16, 64
_STRIP_ROWS = 256
# Windows of about this size are read into memory that is used again; larger ones take it anew each time.
_WINDOW_CELLS = 2_097_152
_TILE_CELLS = 512
_BURNING = Text(zh="叠加排除图层", en="burning exclusion layers")


@dataclass(frozen=True, eq=False)
class EligibilityGrid:
    """A north-up grid in the metric CRS of the run."""

    transform: Affine
    """From column and row to coordinates."""

    shape: tuple[int, int]
    """Rows and columns."""

    crs: str
    """Metric CRS."""

    def __post_init__(self) -> None:
        grid = self.transform
        if grid.a <= 0.0 or grid.e >= 0.0 or grid.b != 0.0 or grid.d != 0.0 or min(self.shape) < 1:
            raise UsageError("the eligibility grid is empty, rotated or upside down; give a north-up grid",
                             "适宜性网格为空、有旋转或上下颠倒；请给出正北朝上的网格")

    @property
    def bounds(self) -> Bounds:
        """West, south, east and north edge."""
        west, north = self.transform.c, self.transform.f
        return (west, north + self.transform.e * self.shape[0], west + self.transform.a * self.shape[1], north)

    @property
    def cell_area_m2(self) -> float:
        """Area of one cell."""
        return float(-self.transform.a * self.transform.e)

    def reach(self, layers: Iterable[BufferedLayer | RasterRule]) -> Bounds:
        """Return the bounds widened by the largest buffer: what must be read of every layer."""
        west, south, east, north = self.bounds
        widest_m = max((layer.buffer_m for layer in layers), default=0.0)
        return (west - widest_m, south - widest_m, east + widest_m, north + widest_m)


@dataclass(frozen=True, eq=False)
class BufferedLayer:
    """Features that exclude the ground within a distance of them."""

    bit: int
    """Bit of the reason, 1 to 63."""

    geometries: Geometries
    """Points, lines and polygons in the CRS of the grid, also from beyond it (see ``reach``)."""

    buffer_m: float = 0.0
    """Distance from the feature, inclusive; 0 excludes a polygon itself."""


@dataclass(frozen=True, eq=False, kw_only=True)
class RasterRule:
    """Raster cells that exclude their ground: above or below a threshold, or by code."""

    bit: int
    """Bit of the reason, 1 to 63."""

    raster: Raster
    """In the CRS of the grid, of any resolution; a centre takes the raster cell that holds it."""

    above: float | None = None
    """Exclude greater values."""

    below: float | None = None
    """Exclude lesser values."""

    codes: Sequence[float] = ()
    """Exclude these values."""

    is_missing_excluded: bool = False
    """Exclude centres without data too, in the raster or beyond it (never buffered)."""

    buffer_m: float = 0.0
    """Distance from the ground (not the centre) of an excluded raster cell, inclusive."""


@dataclass(frozen=True, eq=False)
class Eligibility:
    """Reasons against every cell of a grid."""

    mask: Mask
    """Bits of the reasons, uint16, uint32 or uint64, shape of the grid; 0 where the ground is eligible."""

    grid: EligibilityGrid
    """Where the cells lie."""

    reasons: tuple[int, ...]
    """Bits that were burned, ascending; OUTSIDE_BIT always."""

    @cached_property
    def n_eligible(self) -> int:
        """Number of eligible cells."""
        return int(self.mask.size - np.count_nonzero(self.mask))

    @property
    def eligible_area_m2(self) -> float:
        """Area of the eligible cells."""
        return self.n_eligible * self.grid.cell_area_m2

    def share_by_reason(self, polygons: Geometries) -> ReasonShares:
        """Return the share of each polygon's area that each reason takes, and the eligible share.

        Each cell counts by its exact share inside the polygon, so that parcels smaller than a cell
        have shares too; ground beyond the grid counts as outside. Reasons overlap: their shares
        need not add up to 1. See :func:`gis.eligible_areas.shares_by_reason`.
        """
        return shares_by_reason(self.mask, self.grid.transform, self.reasons, OUTSIDE_BIT, polygons)

    def areas(self, min_area_m2: float, *, connectivity: int = 4) -> EligibleAreas:
        """Return contiguous eligible ground of at least ``min_area_m2`` as polygons along the edges of cells.

        See :func:`gis.eligible_areas.connected_areas`.
        """
        return connected_areas(self.mask, self.grid.transform, min_area_m2, connectivity)


def grid_over(bounds: Bounds, cell_m: float, crs: str) -> EligibilityGrid:
    """Return a grid of square cells over ``bounds`` whose edges lie at multiples of the cell size.

    The centres of a grid of 30 m are thus centres of the grid of 10 m.

    Raises
    ------
    UsageError
        The bounds are empty or the cell size is not positive.
    """
    west, south, east, north = bounds
    if not (cell_m > 0.0 and east > west and north > south and np.isfinite([cell_m, *bounds]).all()):
        raise UsageError(f"a grid needs a positive cell size and an area; got {cell_m} m over {bounds}",
                         f"网格需要正的像元尺寸与非空范围；得到 {cell_m} 米、范围 {bounds}")
    left, top = np.floor(west / cell_m), np.ceil(north / cell_m)
    shape = (int(top - np.floor(south / cell_m)), int(np.ceil(east / cell_m) - left))
    return EligibilityGrid(Affine(cell_m, 0.0, float(left * cell_m), 0.0, -cell_m, float(top * cell_m)), shape, crs)


def burn(grid: EligibilityGrid, layers: Sequence[BufferedLayer], raster_rules: Sequence[RasterRule] = (),
         area: Any = None, *, progress: Progress = silent) -> Eligibility:
    """Burn all layers and rules into one mask.

    Parameters
    ----------
    grid
        Grid of the mask.
    layers
        Buffered features; those of one bit are taken together.
    raster_rules
        Rules on rasters, which are read by windows.
    area
        Polygon or polygons of the study area; the cells whose centre is outside have OUTSIDE_BIT.
        No cell is outside if None.
    progress
        Told of each strip and window.

    Returns
    -------
    Eligibility
        The mask is uint16 where all bits are below 16, uint32 below 32, else uint64.

    Raises
    ------
    UsageError
        A bit is not 1 to 63, a buffer negative, or a rule asks for nothing.
    CrsError
        A raster has another CRS than the grid.
    LayerError
        A raster cannot be read, or a geometry has a coordinate that is not finite.
    """
    everything: list[BufferedLayer | RasterRule] = [*layers, *raster_rules]
    for layer in everything:
        _check(layer.bit, layer.buffer_m)
    for rule in raster_rules:
        _check_rule(rule, grid)
    reasons = tuple(sorted({OUTSIDE_BIT, *(layer.bit for layer in everything)}))
    mask = np.zeros(grid.shape, dtype=np.min_scalar_type(1 << max(reasons[-1], _FEWEST_BITS - 1)))
    painters = [] if area is None else [_area_painter(area, grid)]
    painters += _each(partial(_layer_painter, grid=grid), layers)
    strips = [(row, min(row + _STRIP_ROWS, grid.shape[0])) for row in range(0, grid.shape[0], _STRIP_ROWS)]
    windows = [(rule, window) for rule in raster_rules for window in _windows(rule, grid)]
    done, total = 0, len(strips) + len(windows)

    def paint(strip: tuple[int, int]) -> None:
        for painter in painters:
            painter(mask, *strip, _frame(grid.transform))

    for _ in _each(paint, strips):
        progress(_BURNING, done := done + 1, total)
    painters = []
    for painter in _each(partial(_burn_window, grid, mask, Lock()), windows):
        painters += [painter] if painter else []
        progress(_BURNING, done := done + 1, total)
    list(_each(paint, strips if painters else []))
    return Eligibility(mask, grid, reasons)


_Painter = Callable[[Mask, int, int, Frame], None]


def _check(bit: int, buffer_m: float) -> None:
    """Raise where a layer cannot be burned."""
    if not 0 < bit < _MOST_BITS:
        raise UsageError(f"the bit of a reason is 1 to 63, not {bit}; number the reasons again",
                         f"原因的位号应为 1 至 63，而非 {bit}；请重新编号")
    if not 0.0 <= buffer_m < np.inf:
        raise UsageError(f"the buffer of reason {bit} is {buffer_m} m; give a distance of 0 or more",
                         f"原因 {bit} 的缓冲距离为 {buffer_m} 米；请给出不小于 0 的距离")


def _check_rule(rule: RasterRule, grid: EligibilityGrid) -> None:
    """Raise where a rule asks for nothing or its raster lies elsewhere."""
    from gis.crs import parse_crs

    if rule.above is None and rule.below is None and not len(rule.codes) and not rule.is_missing_excluded:
        raise UsageError(f"the raster rule of reason {rule.bit} excludes nothing; give a threshold or codes",
                         f"原因 {rule.bit} 的栅格规则未排除任何值；请给出阈值或代码")
    if not parse_crs(rule.raster.crs).equals(parse_crs(grid.crs), ignore_axis_order=True):
        raise CrsError(f"the raster of reason {rule.bit} is in {rule.raster.crs}, the grid in {grid.crs}; "
                       "read the raster in the CRS of the grid",
                       f"原因 {rule.bit} 的栅格坐标系为 {rule.raster.crs}，网格为 {grid.crs}；请按网格坐标系读取栅格")


def _frame(transform: Affine) -> Frame:
    """Return west, top (as depth), width and height of a cell."""
    return (float(transform.c), float(-transform.f), float(transform.a), float(-transform.e))


def _each(task: Callable[[Any], Any], items: Sequence[Any]) -> Iterable[Any]:
    """Yield the results of a task, in order, from as many threads as numba may use (the lock is released)."""
    from numba import config

    n_threads = min(config.NUMBA_NUM_THREADS, len(items))
    if n_threads <= 1:
        yield from map(task, items)
        return
    with ThreadPoolExecutor(n_threads) as pool:
        yield from pool.map(task, items)


def _area_painter(area: Any, grid: EligibilityGrid) -> _Painter:
    """Return what sets the outside bit of a strip and clears it inside the area."""
    from gis._eligibility_kernels import burn_polygons

    rings = tables.rings_of(tables.polygons_of(tables.near(tables.simple_parts(area), grid.bounds, 0.0)))

    def paint(mask: Mask, row_from: int, row_to: int, frame: Frame) -> None:
        bit = mask.dtype.type(1 << OUTSIDE_BIT)
        mask[row_from:row_to] = bit
        burn_polygons(mask, row_from, row_to, frame, rings.vertices, rings.ring_start, rings.part_start,
                      rings.part_depths, ~bit, mask.dtype.type(0))

    return paint


def _layer_painter(layer: BufferedLayer, grid: EligibilityGrid) -> _Painter:
    """Return what burns the features of a layer, inside and within the buffer, into a strip."""
    from gis._eligibility_kernels import burn_polygons, burn_segments

    parts = tables.near(tables.simple_parts(layer.geometries), grid.bounds, layer.buffer_m)
    rings = tables.rings_of(tables.polygons_of(parts))
    segments = tables.segments_of(parts, rings)

    def paint(mask: Mask, row_from: int, row_to: int, frame: Frame) -> None:
        bit = mask.dtype.type(1 << layer.bit)
        burn_polygons(mask, row_from, row_to, frame, rings.vertices, rings.ring_start, rings.part_start,
                      rings.part_depths, ~mask.dtype.type(0), bit)
        # With a buffer of 0 too: a centre on the edge of a polygon is at distance 0 of it.
        burn_segments(mask, row_from, row_to, frame, segments, float(layer.buffer_m), bit)

    return paint


def _window_size(raster: Raster) -> tuple[int, int]:
    """Return rows and columns of a window: whole tiles of the file, so that each is unpacked once."""
    import rasterio

    rows = columns = _TILE_CELLS
    if raster.path and raster.values is None:
        # A file that cannot be opened is refused in both languages where it is read.
        with suppress(rasterio.errors.RasterioError), rasterio.open(raster.path) as file:
            rows, columns = file.block_shapes[0]
    columns *= max(1, min(-(-raster.shape[1] // columns), _WINDOW_CELLS // (rows * columns)))
    return rows * max(1, _WINDOW_CELLS // (rows * columns)), columns


def _windows(rule: RasterRule, grid: EligibilityGrid) -> list[tuple[int, int, int, int]]:
    """Return first row, first column, rows and columns of the windows of a raster that may matter."""
    raster, (west, south, east, north) = rule.raster, grid.reach([rule])
    cells, (n_rows, n_columns) = raster.transform, _window_size(rule.raster)
    top, bottom = (int(np.floor((y - cells.f) / cells.e)) for y in (north, south))
    left, right = (int(np.floor((x - cells.c) / cells.a)) for x in (west, east))
    found = []
    for row in range(0, raster.shape[0], n_rows):
        first, end = max(row, top - 1), min(row + n_rows, raster.shape[0], bottom + 2)
        for column in range(0, raster.shape[1], n_columns):
            start, stop = max(column, left - 1), min(column + n_columns, raster.shape[1], right + 2)
            if first < end and start < stop:
                found.append((first, start, end - first, stop - start))
    # Ground beyond the raster is one more window, without cells.
    return [*found, (0, 0, 0, 0)] if rule.is_missing_excluded else found


def _burn_window(grid: EligibilityGrid, mask: Mask, writing: Lock,
                 task: tuple[RasterRule, tuple[int, int, int, int]]) -> _Painter | None:
    """Burn one window of a raster; of a rule with a buffer, return what burns it widened into a strip."""
    from gis._eligibility_kernels import burn_cells, find_runs

    rule, (row, column, n_rows, n_columns) = task
    bit = mask.dtype.type(1 << rule.bit)
    row_of, column_of = _cells_of(rule.raster, grid)
    if not n_rows:
        with writing:
            mask[(row_of < 0) | (row_of >= rule.raster.shape[0])] |= bit
            mask[:, (column_of < 0) | (column_of >= rule.raster.shape[1])] |= bit
        return None
    above = np.inf if rule.above is None else float(rule.above)
    below = -np.inf if rule.below is None else float(rule.below)
    codes = np.array(sorted(rule.codes), dtype=np.float64)
    values = np.ascontiguousarray(rule.raster.read_cells(row, column, n_rows, n_columns))
    if not rule.buffer_m or rule.is_missing_excluded:
        first, end = np.searchsorted(row_of, [row, row + n_rows])
        start, stop = np.searchsorted(column_of, [column, column + n_columns])
        # Windows of two rules may meet in a cell. To read takes long, to write does not.
        with writing:
            burn_cells(mask, int(first), int(start), row_of[first:end] - row, column_of[start:stop] - column, values,
                       below, above, codes, rule.is_missing_excluded, bit)
    if not rule.buffer_m:
        return None
    return _runs_painter(rule, row, find_runs(values, column, below, above, codes))


def _cells_of(raster: Raster, grid: EligibilityGrid) -> tuple[Integers, Integers]:
    """Return the row and column of the raster that hold each row and column of centres; they may lie beyond it."""
    ours, theirs = grid.transform, raster.transform
    y = ours.f + (np.arange(grid.shape[0]) + 0.5) * ours.e
    x = ours.c + (np.arange(grid.shape[1]) + 0.5) * ours.a
    return (np.floor((y - theirs.f) / theirs.e).astype(np.int64), np.floor((x - theirs.c) / theirs.a).astype(np.int64))


def _runs_painter(rule: RasterRule, row: int, runs: tuple[Integers, Columns, Columns]) -> _Painter:
    """Return what burns the widened runs of a window into a strip."""
    from gis._eligibility_kernels import burn_runs, find_held

    raster_frame, held = _frame(rule.raster.transform), (find_held(*runs, -1), find_held(*runs, 1))

    def paint(mask: Mask, row_from: int, row_to: int, frame: Frame) -> None:
        burn_runs(mask, row_from, row_to, frame, raster_frame, row, *runs, held, float(rule.buffer_m),
                  mask.dtype.type(1 << rule.bit))

    return paint
