"""Puts halls and yards into the stretches of a packing.

Each module of the packing may become a hall or give its ground to yards. The number of floors asked
for decides how many halls there must be and how large the yards are; the largest number for which
everything finds its place is searched by halving.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import shapely

from siting._layout_rows import Stretch
from siting.layout_settings import LayoutSettings

YardKind = Literal["substation_yard", "cooling_yard", "diesel_yard"]

_NEAR_SHARE = 0.35
"""A substation yard lies in the nearest part of the parcel, counted by distance to the feed."""
_MAX_PLACES = 6
_MORE_SUBSTATIONS = 3
_MIN_PIECE_M2 = 120.0
_TINY_M2 = 1e-6


@dataclass(frozen=True, slots=True)
class Arrangement:
    """Where halls and yards stand."""

    halls: tuple[Any, ...]
    """Polygons on the ground, nearest to the substation first."""
    yards: tuple[tuple[YardKind, Any], ...]
    feed_distance_m: float
    """From the feed point to the substation yard; 0 where no feed point is given."""


@dataclass(slots=True)
class _Row:
    """A stretch while it is being filled: yards from one end, halls from the other."""

    stretch: Stretch
    gap_m: float
    lane_m: float
    n_halls: int
    yards: list[tuple[YardKind, float]]
    is_reversed: bool = False
    """Yards start at the far end."""

    def taken_m(self) -> float:
        """Return the length of the yards, each with the lane beyond it."""
        return sum(length + self.lane_m for _, length in self.yards)

    def free_m(self) -> float:
        """Return the length that one more yard may have."""
        used = self.n_halls * (self.stretch.module_m + self.gap_m) + self.taken_m()
        return self.stretch.length_m - used

    def hall_shapes(self) -> list[Any]:
        """Return the halls on the ground, from the outer end inward."""
        s, pitch = self.stretch, self.stretch.module_m + self.gap_m
        if self.is_reversed:
            return [s.rectangle(s.start_m + k * pitch, s.module_m) for k in range(self.n_halls)]
        return [s.rectangle(s.end_m - k * pitch - s.module_m, s.module_m) for k in range(self.n_halls)]

    def yard_shapes(self) -> list[tuple[YardKind, Any]]:
        """Return the yards on the ground."""
        s, at, shapes = self.stretch, 0.0, []
        for kind, length in self.yards:
            start = s.end_m - at - length if self.is_reversed else s.start_m + at
            shapes.append((kind, s.rectangle(start, length)))
            at += length + self.lane_m
        return shapes


@dataclass(frozen=True, slots=True)
class _Place:
    """An end of a row that can take a substation yard."""

    row: int
    is_reversed: bool
    length_m: float
    lost: int
    """Halls that it costs."""
    distance_m: float
    x_m: float
    y_m: float


def halls_for(n_floors: int, settings: LayoutSettings) -> int:
    """Return the least number of halls for so many floors."""
    return math.ceil(n_floors / settings.max_floors)


def yards_for(n_floors: int, settings: LayoutSettings) -> dict[YardKind, float]:
    """Return the ground, m2, that the yards of so many floors need."""
    mva = settings.site_mva(n_floors * settings.racks_per_floor * settings.rack_density_kw)
    substation = max(mva * settings.substation_yard_m2_per_mva, settings.min_substation_yard_m2)
    return {"substation_yard": substation, "diesel_yard": mva * settings.diesel_yard_m2_per_mva,
            "cooling_yard": mva * settings.cooling_yard_m2_per_mva}


def most_floors(stretches: tuple[Stretch, ...], settings: LayoutSettings, most: int,
                feed: tuple[float, float] | None) -> tuple[int, Arrangement | None]:
    """Find the largest number of floors, up to ``most``, for which halls and yards find their place.

    Returns
    -------
    The number and the arrangement; 0 and None where not even one floor fits.
    """
    most = min(most, sum(s.n_modules for s in stretches) * settings.max_floors)
    best, found = 0, None
    low, high = 1, most
    while low <= high:
        # The whole is tried first: where a limit binds rather than the ground, it fits at once.
        middle = high if found is None and high == most else (low + high) // 2
        arranged = arrange(stretches, halls_for(middle, settings), yards_for(middle, settings), settings, feed)
        if arranged is None:
            high = middle - 1
        else:
            best, found, low = middle, arranged, middle + 1
    return best, found


def arrange(stretches: tuple[Stretch, ...], n_halls: int, areas: dict[YardKind, float], settings: LayoutSettings,
            feed: tuple[float, float] | None) -> Arrangement | None:
    """Place so many halls and yards of these areas; None where they do not fit."""
    least = max(1, math.ceil(areas["substation_yard"] / settings.max_substation_yard_m2 - 1e-9))
    for n_substations in range(least, least + _MORE_SUBSTATIONS):
        area_m2 = areas["substation_yard"] / n_substations
        for place in _places(_empty_rows(stretches, settings), area_m2, settings, feed)[:_MAX_PLACES]:
            rows = _empty_rows(stretches, settings)
            if not _add_substations(rows, place, n_substations, area_m2, settings, feed):
                continue
            n_removable = sum(row.n_halls for row in rows) - n_halls
            if n_removable >= 0 and _fill(rows, areas, n_removable, place, settings):
                return _settled(rows, n_halls, place)
    return None


def _add_substations(rows: list[_Row], first: _Place, n_substations: int, area_m2: float,
                     settings: LayoutSettings, feed: tuple[float, float] | None) -> bool:
    """Put the first substation in its place and the others near the feed or the first; tell whether all fit."""
    _take(rows, first)
    for _ in range(1, n_substations):
        more = _places(rows, area_m2, settings, feed or (first.x_m, first.y_m))
        if not more:
            return False
        _take(rows, more[0])
    return True


def _empty_rows(stretches: tuple[Stretch, ...], settings: LayoutSettings) -> list[_Row]:
    return [_Row(s, settings.gap_m, settings.fire_lane_width_m, s.n_modules, []) for s in stretches]


def _places(rows: list[_Row], area_m2: float, settings: LayoutSettings,
            feed: tuple[float, float] | None) -> list[_Place]:
    """List where a substation yard may stand: near the feed, then by the halls it costs, then by distance."""
    places = []
    for i, row in enumerate(rows):
        s = row.stretch
        length_m = max(area_m2 / s.depth_m, settings.min_yard_side_m, s.depth_m / settings.max_yard_aspect)
        taken_m = row.taken_m()
        if length_m > min(s.length_m - taken_m, s.depth_m * settings.max_yard_aspect) + 1e-9:
            continue
        short_m = length_m - row.free_m()
        lost = max(0, math.ceil(short_m / (s.module_m + settings.gap_m) - 1e-9)) if row.n_halls else 0
        for is_reversed in (row.is_reversed,) if row.yards else (False, True):
            start = s.end_m - taken_m - length_m if is_reversed else s.start_m + taken_m
            centre = s.middle(start, length_m)
            distance = 0.0 if feed is None else math.hypot(centre[0] - feed[0], centre[1] - feed[1])
            places.append(_Place(i, is_reversed, length_m, lost, distance, *centre))
    if not places:
        return []
    nearest, farthest = (pick(p.distance_m for p in places) for pick in (min, max))
    near = nearest + _NEAR_SHARE * (farthest - nearest) + 1e-6
    places = [p for p in places if p.distance_m <= near]
    return sorted(places, key=lambda p: (p.lost, round(p.distance_m, 6), p.row, p.is_reversed))


def _take(rows: list[_Row], place: _Place) -> None:
    """Put a substation yard in its place."""
    row = rows[place.row]
    row.n_halls -= place.lost
    row.is_reversed = place.is_reversed
    row.yards.append(("substation_yard", place.length_m))


def _fill(rows: list[_Row], areas: dict[YardKind, float], n_removable: int, place: _Place,
          settings: LayoutSettings) -> bool:
    """Put the other yards into what is left, giving up to ``n_removable`` modules for them; tell whether they fit.

    Near the substation first; generators stay in one piece where some remainder holds them.
    """
    centres = [r.stretch.middle(r.stretch.start_m, r.stretch.length_m) for r in rows]
    order = sorted(range(len(rows)), key=lambda i: (round(math.hypot(centres[i][0] - place.x_m,
                                                                     centres[i][1] - place.y_m), 6), i))
    kinds: tuple[YardKind, ...] = ("diesel_yard", "cooling_yard")
    for kind in kinds:
        wanted = areas[kind]
        whole = [i for i in order if kind == "diesel_yard" and _piece_m2(rows[i], settings) >= wanted > _TINY_M2]
        for i in whole[:1] or order:
            wanted -= _add_yard(rows[i], kind, wanted, settings)
        while wanted > _TINY_M2 and n_removable > 0:
            row = _best_to_empty(rows, order, settings)
            if row is None:
                return False
            row.n_halls -= 1
            n_removable -= 1
            wanted -= _add_yard(row, kind, wanted, settings)
        if wanted > _TINY_M2:
            return False
    return True


def _piece_m2(row: _Row, settings: LayoutSettings) -> float:
    """Return the largest yard that a row still takes; 0 where it is too short or too small to be used."""
    length_m = row.free_m()
    area_m2 = length_m * row.stretch.depth_m
    return area_m2 if length_m >= settings.min_yard_side_m - 1e-9 and area_m2 >= _MIN_PIECE_M2 else 0.0


def _add_yard(row: _Row, kind: YardKind, wanted_m2: float, settings: LayoutSettings) -> float:
    """Add a yard of at most the area wanted, and not less than a usable one; return its area."""
    if wanted_m2 <= _TINY_M2 or _piece_m2(row, settings) <= 0.0:
        return 0.0
    depth_m = row.stretch.depth_m
    least_m = max(settings.min_yard_side_m, _MIN_PIECE_M2 / depth_m)
    length_m = min(row.free_m(), max(wanted_m2 / depth_m, least_m))
    row.yards.append((kind, length_m))
    return length_m * depth_m


def _best_to_empty(rows: list[_Row], order: list[int], settings: LayoutSettings) -> _Row | None:
    """Return the row that wins most ground for yards by giving up a module, the nearest among equals."""
    best, most = None, 0.0
    for i in order:
        row = rows[i]
        if row.n_halls == 0:
            continue
        row.n_halls -= 1
        piece = _piece_m2(row, settings)
        row.n_halls += 1
        if piece > most + _TINY_M2:
            best, most = row, piece
    return best


def _settled(rows: list[_Row], n_halls: int, place: _Place) -> Arrangement:
    """Keep the halls nearest to the substation; the modules beyond stay green."""
    shapes = [h for row in rows for h in row.hall_shapes()]
    yards = tuple(y for row in rows for y in row.yard_shapes())
    kept = by_distance(shapes, (place.x_m, place.y_m))[:n_halls]
    return Arrangement(tuple(shapes[i] for i in kept), yards, place.distance_m)


def by_distance(shapes: list[Any], point: tuple[float, float]) -> list[int]:
    """Sort shapes by the distance of their middle to a point."""
    if not shapes:
        return []
    at = shapely.get_coordinates(shapely.centroid(np.array(shapes, dtype=object)))
    distance = np.round(np.hypot(at[:, 0] - point[0], at[:, 1] - point[1]), 6)
    return [int(i) for i in np.argsort(distance, kind="stable")]
