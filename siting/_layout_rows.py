"""Rows of building modules in a polygon: which axes, which rows, what they hold.

For one axis the polygon is turned so that rows lie flat. Rows of the two depths of a module, and
shallow ones for yards, may start at any of many heights; a dynamic programme (see
:mod:`siting._layout_kernels`) chooses the rows that hold most. Each row starts its modules where
its own free stretch starts, so that a slanted or notched edge costs each row no more than it must;
that is what a regular grid, and with it any rectangle, cannot do.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import shapely
from numpy.typing import NDArray

from siting.layout_settings import LayoutSettings

Floats = NDArray[np.float64]

_STEP_M = 1.0
"""Distance between the heights at which rows may start."""
_COARSE_M = 4.0
_MAX_STEPS = 300
_N_DIRECTIONS = 6
_SAME_DIRECTION_DEG = 1.5
_COARSE_YARDS_M = (10.0, 16.0, 24.0)
_YARDS_M = (10.0, 12.0, 14.0, 16.0, 18.0, 20.0, 22.0, 24.0, 26.0, 28.0)
_DEEP_YARDS_M = (32.0, 36.0, 42.0, 50.0, 60.0)
_MAX_ANCHORS = 4


@dataclass(frozen=True, slots=True)
class Axes:
    """A turned frame: rows run along its x axis."""

    x_m: float
    y_m: float
    angle_rad: float

    def to_local(self, geometry: Any) -> Any:
        """Turn ground coordinates into the frame."""
        cos, sin = math.cos(self.angle_rad), math.sin(self.angle_rad)
        return shapely.transform(geometry, lambda xy: np.column_stack([
            (xy[:, 0] - self.x_m) * cos + (xy[:, 1] - self.y_m) * sin,
            (xy[:, 1] - self.y_m) * cos - (xy[:, 0] - self.x_m) * sin]))

    def point(self, x_m: float, y_m: float) -> tuple[float, float]:
        """Turn one point of the frame into one of the ground."""
        cos, sin = math.cos(self.angle_rad), math.sin(self.angle_rad)
        return self.x_m + x_m * cos - y_m * sin, self.y_m + x_m * sin + y_m * cos

    def to_ground(self, geometry: Any) -> Any:
        """Turn coordinates of the frame into those of the ground."""
        cos, sin = math.cos(self.angle_rad), math.sin(self.angle_rad)
        return shapely.transform(geometry, lambda xy: np.column_stack([
            self.x_m + xy[:, 0] * cos - xy[:, 1] * sin, self.y_m + xy[:, 0] * sin + xy[:, 1] * cos]))


@dataclass(frozen=True, slots=True)
class Stretch:
    """A free stretch of a row, and how many modules it holds at most."""

    axes: Axes
    y_m: float
    depth_m: float
    start_m: float
    end_m: float
    module_m: float
    """Length of a module along the row; 0 where the row is too shallow for one."""
    n_modules: int

    @property
    def length_m(self) -> float:
        """Length along the row."""
        return self.end_m - self.start_m

    def outline(self) -> Any:
        """Return the whole stretch, on the ground."""
        return self.rectangle(self.start_m, self.length_m)

    def modules(self, gap_m: float, *, from_end: bool) -> list[Any]:
        """Return its modules, pushed to one end, on the ground."""
        pitch_m = self.module_m + gap_m
        rest_m = self.length_m + gap_m - self.n_modules * pitch_m if from_end else 0.0
        return [self.rectangle(self.start_m + rest_m + k * pitch_m, self.module_m) for k in range(self.n_modules)]

    def middle(self, start_m: float, length_m: float) -> tuple[float, float]:
        """Return the middle of a part of the stretch, on the ground."""
        return self.axes.point(start_m + length_m / 2, self.y_m + self.depth_m / 2)

    def rectangle(self, start_m: float, length_m: float) -> Any:
        """Return a part of the stretch, on the ground."""
        return self.axes.to_ground(shapely.box(start_m, self.y_m, start_m + length_m, self.y_m + self.depth_m))


def worth(stretches: tuple[Stretch, ...], yard_per_hall_m2: float, settings: LayoutSettings) -> float:
    """Estimate how many halls remain where each needs a yard and a module may give up its slot for yards."""
    slot_m2 = (settings.hall_length_m + settings.gap_m) * (settings.hall_width_m + settings.gap_m)
    n_modules = sum(s.n_modules for s in stretches)
    rests = [(s.length_m - s.n_modules * (s.module_m + settings.gap_m), s.depth_m) for s in stretches]
    yard_m2 = sum(rest * depth for rest, depth in rests if rest >= settings.min_yard_side_m)
    # The whole ground bounds the halls; ground for yards beyond what they need only breaks ties.
    whole = (n_modules * slot_m2 + yard_m2) / (slot_m2 + yard_per_hall_m2)
    return min(float(n_modules), whole) + 1e-6 * whole


def directions_rad(parcel: Any) -> tuple[float, ...]:
    """List the directions along which rows may run, longest edges first.

    The directions of the parcel's edges, near ones joined and weighed by length, and that of its
    least rotated rectangle; each also turned by a right angle.
    """
    found = _edge_directions_deg(shapely.simplify(parcel, 0.5))
    found += _edge_directions_deg(shapely.minimum_rotated_rectangle(parcel))[:1]
    distinct: list[float] = []
    for angle in found:
        if all(_turn_deg(angle, other) > 0.05 for other in distinct):
            distinct.append(angle)
    return tuple(math.radians(angle + turn) for angle in distinct for turn in (0.0, 90.0))


def _turn_deg(one: float, other: float) -> float:
    """Return the angle between two directions, right angles left out."""
    turn = abs(one - other) % 90.0
    return min(turn, 90.0 - turn)


def _edge_directions_deg(polygon: Any) -> list[float]:
    edges = edges_of(polygon)
    step = edges[:, 2:] - edges[:, :2]
    length = np.hypot(step[:, 0], step[:, 1])
    angle = np.round(np.degrees(np.arctan2(step[:, 1], step[:, 0])) % 90.0, 9)
    order = np.lexsort((angle, -np.round(length, 6)))
    groups: list[tuple[float, float]] = []
    for i in order[length[order] > 0.0]:
        near = next((k for k, g in enumerate(groups) if _turn_deg(g[0], angle[i]) <= _SAME_DIRECTION_DEG), None)
        if near is None:
            groups.append((float(angle[i]), float(length[i])))
        else:
            groups[near] = (groups[near][0], groups[near][1] + float(length[i]))
    return [g[0] for g in sorted(groups, key=lambda g: -round(g[1], 6))[:_N_DIRECTIONS]]


def edges_of(polygons: Any) -> Floats:
    """Return the edges of all rings, one per row: x and y of either end."""
    rings = shapely.get_rings(shapely.get_parts(polygons))
    if not len(rings):
        return np.empty((0, 4))
    xy, ring = shapely.get_coordinates(rings, return_index=True)
    same = ring[1:] == ring[:-1]
    return np.ascontiguousarray(np.hstack([xy[:-1][same], xy[1:][same]]))


def pack_rows(area: Any, angle_rad: float, settings: LayoutSettings, yard_weights: tuple[float, ...],
              *, has_halls: bool = True, is_coarse: bool = False) -> list[tuple[Stretch, ...]]:
    """Fill an area with rows along one direction, once for each weight of yards.

    Parameters
    ----------
    area
        Polygon or MultiPolygon in which halls and yards may stand.
    yard_weights
        What ground for yards is worth against ground for halls, 0 to 1.
    has_halls
        Whether rows may hold modules; otherwise they are for yards only, a fire lane apart.
    is_coarse
        Try few heights: enough to compare directions, some per cent below the best.
    """
    from siting import _layout_kernels as kernels

    edges_ground = edges_of(area)
    if not len(edges_ground):
        return [() for _ in yard_weights]
    centre = np.round((edges_ground[:, :2].min(axis=0) + edges_ground[:, :2].max(axis=0)) / 2)
    axes = Axes(float(centre[0]), float(centre[1]), angle_rad)
    edges = _ordered(edges_of(axes.to_local(area)), kernels.MAX_RISE_M)
    depths, modules = _kinds(settings, is_coarse=is_coarse) if has_halls else _yard_kinds(settings)
    positions = _positions(edges, depths[modules > 0.0], is_coarse=is_coarse)
    gap_m = settings.gap_m if has_halls else settings.fire_lane_width_m
    n_halls = np.zeros((len(depths), len(positions)), dtype=np.int64)
    yard_length = np.zeros((len(depths), len(positions)))
    kernels.fill_table(edges, positions, depths, modules, gap_m, settings.min_yard_side_m, n_halls,
                       yard_length)
    slot_m2 = (settings.hall_length_m + settings.gap_m) * (settings.hall_width_m + settings.gap_m)
    packed = []
    for weight in yard_weights:
        values = n_halls + weight * yard_length * depths[:, None] / slot_m2
        chosen = np.empty((len(positions), 2), dtype=np.int64)
        n = kernels.best_stack(positions, values, depths, gap_m, chosen)
        rows = [(float(positions[i]), float(depths[k]), float(modules[k])) for i, k in chosen[:n]]
        packed.append(_settled(axes, edges, rows, gap_m, settings.min_yard_side_m, is_coarse=is_coarse))
    return packed


def _ordered(edges: Floats, max_rise_m: float) -> Floats:
    """Let edges go upward, cut those that rise too much, and sort them by their lower end."""
    upward = np.where((edges[:, 3] < edges[:, 1])[:, None], edges[:, [2, 3, 0, 1]], edges)
    n_pieces = np.maximum(np.ceil((upward[:, 3] - upward[:, 1]) / max_rise_m), 1).astype(np.int64)
    whole = np.repeat(upward, n_pieces, axis=0)
    number = np.arange(len(whole)) - np.repeat(np.cumsum(n_pieces) - n_pieces, n_pieces)
    parts = np.repeat(n_pieces, n_pieces)
    # Both neighbours compute their common end by the same formula, so that no slit opens between them.
    start, end = ((number + k)[:, None] / parts[:, None] for k in (0, 1))
    cut = np.hstack([whole[:, :2] + start * (whole[:, 2:] - whole[:, :2]),
                     np.where(end == 1.0, whole[:, 2:], whole[:, :2] + end * (whole[:, 2:] - whole[:, :2]))])
    return np.ascontiguousarray(cut[np.lexsort((cut[:, 0], cut[:, 1]))])


def _kinds(settings: LayoutSettings, *, is_coarse: bool) -> tuple[Floats, Floats]:
    """Return depth and length of module of each kind of row; rows that take yards only come last."""
    kinds = [(settings.hall_width_m, settings.hall_length_m)]
    if settings.hall_length_m > settings.hall_width_m:
        kinds.append((settings.hall_length_m, settings.hall_width_m))
    yards = _COARSE_YARDS_M if is_coarse else _YARDS_M
    kinds += [(depth, 0.0) for depth in yards if depth >= settings.min_yard_side_m]
    return np.array([k[0] for k in kinds]), np.array([k[1] for k in kinds])


def _yard_kinds(settings: LayoutSettings) -> tuple[Floats, Floats]:
    """Return the depths of rows that take yards only."""
    deep = [d for d in (*_YARDS_M, *_DEEP_YARDS_M) if d > settings.min_yard_side_m]
    return np.array([settings.min_yard_side_m, *deep]), np.zeros(len(deep) + 1)


def _positions(edges: Floats, depths: Floats, *, is_coarse: bool) -> Floats:
    """List the heights at which a row may start.

    Steps of a metre, once from each line that a row should touch exactly: the lowest and the highest
    point and the longest flat edges. Where modules and gaps are whole metres, stacks of rows that
    start or end at such a line are among them.
    """
    low, high = edges[:, [1, 3]].min(), edges[:, [1, 3]].max()
    if is_coarse:
        return np.asarray(np.arange(low, high, max(_COARSE_M, (high - low) / _MAX_STEPS)), dtype=np.float64)
    step_m = max(_STEP_M, float(math.floor((high - low) / _MAX_STEPS)))
    flat = np.abs(edges[:, 3] - edges[:, 1]) < 1e-6
    length = np.abs(edges[:, 2] - edges[:, 0])[flat]
    lines = edges[flat, 1][np.argsort(-np.round(length, 6), kind="stable")[:_MAX_ANCHORS]]
    anchors = np.concatenate([[low, high], lines, *(np.concatenate([[high], lines]) - d for d in depths)])
    residues = np.unique(np.round((anchors - low) % step_m, 7) % step_m)
    steps = np.arange(0.0, high - low + step_m, step_m)
    return np.asarray(low + np.unique((steps[:, None] + residues).ravel()), dtype=np.float64)


def _settled(axes: Axes, edges: Floats, rows: list[tuple[float, float, float]], gap_m: float, least_m: float,
             *, is_coarse: bool) -> tuple[Stretch, ...]:
    """Find the stretches of rows, given upward; those for yards only are made as deep as their neighbours allow."""
    found: list[Stretch] = []
    floor_m = -math.inf
    for number, (y_m, depth_m, module_m) in enumerate(rows):
        ceiling_m = rows[number + 1][0] - gap_m if number + 1 < len(rows) else math.inf
        stretches = [Stretch(axes, y_m, depth_m, start, end, module_m,
                             int((end - start + gap_m) / (module_m + gap_m) + 1e-9) if module_m > 0.0 else 0)
                     for start, end in _free(edges, y_m, depth_m, gap_m, least_m)]
        if module_m == 0.0 and not is_coarse:
            stretches = [_deepened(edges, s, floor_m, ceiling_m, gap_m, least_m) for s in stretches]
        found += stretches
        floor_m = max([y_m + depth_m, *(s.y_m + s.depth_m for s in stretches)]) + gap_m
    return tuple(found)


def _free(edges: Floats, y_m: float, depth_m: float, gap_m: float, least_m: float) -> Floats:
    """Return start and end of the free stretches of a row."""
    from siting import _layout_kernels as kernels

    out = np.empty((len(edges) + 1, 2))
    left, right = np.empty(len(edges)), np.empty(len(edges))
    return out[:kernels.free_stretches(edges, y_m, depth_m, least_m, gap_m, left, right, out)]


def _deepened(edges: Floats, stretch: Stretch, floor_m: float, ceiling_m: float, gap_m: float,
              least_m: float) -> Stretch:
    """Let a stretch grow up and down between the rows beside it while that wins ground, cut at the ends if it must."""
    best = stretch
    for step_m in (8.0, 4.0, 2.0, 1.0, 0.5, 0.25):
        for low_m, high_m in ((best.y_m, best.y_m + best.depth_m + step_m),
                              (best.y_m - step_m, best.y_m + best.depth_m)):
            if low_m < floor_m - 1e-9 or high_m > ceiling_m + 1e-9:
                continue
            free = np.clip(_free(edges, low_m, high_m - low_m, gap_m, least_m), best.start_m, best.end_m)
            if not len(free):
                continue
            start, end = free[np.argmax(free[:, 1] - free[:, 0])]
            if (end - start) * (high_m - low_m) > best.length_m * best.depth_m + 1e-6 and end - start >= least_m:
                best = replace(best, y_m=low_m, depth_m=high_m - low_m, start_m=float(start), end_m=float(end))
                break
    return best


def remaining(area: Any, taken: list[Any], gap_m: float) -> Any:
    """Return what an area still holds beside rectangles that are taken, the gap kept.

    Square corners are cut, which keeps more than the gap at a corner and never less.
    """
    if not taken:
        return area
    kept_off = shapely.buffer(np.array(taken, dtype=object), gap_m, join_style="mitre", mitre_limit=5.0)
    return shapely.difference(area, shapely.union_all(kept_off))
