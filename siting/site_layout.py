"""Lays a campus out on one parcel: halls, yards, fire lanes, and the racks and load that fit.

The method, in the order of the code:

1. The ground for building is the parcel without its setback (:func:`siting._layout_parts.inset`).
2. Rows of modules are packed along every direction that the parcel offers
   (:func:`siting._layout_rows.pack_rows`, an exact choice of rows by a dynamic programme), the best
   of them are filled up in what they leave, and parcels of several arms are also cut at their
   inward corners, each arm with its own direction (:func:`siting._layout_search.packings`).
3. For each packing the largest number of floors is searched for which halls and all yards find
   their place (:func:`siting._layout_programme.most_floors`), under the limits of floor area,
   density, height and load.
4. Fire lanes and green fill the rest; the parts tile the parcel (:func:`siting._layout_parts.build_parts`).

Everything is deterministic. A parcel of ordinary size takes some hundredths of a second.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Literal

import geopandas as gpd
from shapely.geometry import MultiPolygon, Point, Polygon

from gis.errors import DataError
from siting._layout_parts import build_parts
from siting._layout_search import best_arrangement
from siting.layout_settings import LayoutSettings

Limit = Literal["shape", "building_density", "floor_area_ratio", "height", "power"]


@dataclass(frozen=True, eq=False, kw_only=True)
class SiteLayout:
    """A campus on one parcel."""

    settings: LayoutSettings
    parts: gpd.GeoDataFrame
    """part_id, kind, floors, area_m2, floor_area_m2, racks, it_load_kw, certainty, geometry (polygons in the CRS of
    the parcel). kind: hall, substation_yard, cooling_yard, diesel_yard, fire_lane, setback, green. The parts tile
    the parcel and do not overlap."""
    parcel_area_m2: float
    n_halls: int
    n_floors: int
    """Floors of all halls together."""
    hall_area_m2: float
    """Ground that halls cover."""
    floor_area_m2: float
    racks: int
    it_load_kw: float
    site_load_mva: float
    building_density: float
    floor_area_ratio: float
    binding: tuple[Limit, ...]
    """What stops more racks: relaxing any other limit alone wins none, relaxing one of these may win some."""
    feed_distance_m: float | None
    """From the feed point to the middle of the nearest substation yard; None without either."""

    def area_of(self, kind: str) -> float:
        """Return the ground of the parts of one kind, m2."""
        return float(self.parts.loc[self.parts["kind"] == kind, "area_m2"].sum())


@dataclass(frozen=True, slots=True)
class _Limits:
    """Largest number of floors under each limit that is not the ground itself."""

    floor_area_ratio: int
    building_density: int
    power: int | None
    racks: int | None

    @property
    def least(self) -> int:
        """The limit that comes first."""
        by_plan = min(self.floor_area_ratio, self.building_density)
        return by_plan if self.power is None else min(by_plan, self.power)


def lay_out_site(parcel: Polygon | MultiPolygon, settings: LayoutSettings, *, feed_point: Point | None = None,
                 it_load_kw: float | None = None, crs: Any = None) -> SiteLayout:
    """Lay a campus out on a parcel.

    Parameters
    ----------
    parcel
        Outline in metric coordinates; concave outlines, holes and several parts are allowed.
    settings
        Modules, limits and yards.
    feed_point
        Where power comes from; the substation yard is put on its side of the parcel.
    it_load_kw
        IT load that is wanted or that power allows; None for as much as fits.
    crs
        CRS of the frame of parts.

    Returns
    -------
    SiteLayout
        Without halls where not even one fits with its yards; the whole parcel is then green.

    Raises
    ------
    DataError
        The parcel is no valid polygon, or the load is not a positive number.
    """
    _check(parcel, it_load_kw)
    limits = _limits(parcel.area, settings, it_load_kw)
    feed = None if feed_point is None else (feed_point.x, feed_point.y)
    n_floors, arrangement = best_arrangement(parcel, settings, limits.least, feed)
    n_racks = n_floors * settings.racks_per_floor
    if limits.racks is not None:
        n_racks = min(n_racks, limits.racks)
    parts = build_parts(parcel, arrangement, n_floors, n_racks, settings, crs)
    return _summed(parcel, parts, settings, n_floors, _binding(n_floors, limits), feed_point)


def _check(parcel: Any, it_load_kw: float | None) -> None:
    if not isinstance(parcel, Polygon | MultiPolygon) or parcel.is_empty or not parcel.is_valid:
        raise DataError("the parcel to lay out is empty, invalid or no polygon; repair its outline",
                        "待布局地块为空、无效或不是面；请先修复其边界")
    if it_load_kw is not None and not 0.0 < it_load_kw < math.inf:
        raise DataError(f"the IT load asked for is {it_load_kw:g} kW; give a number above 0",
                        f"要求的 IT 负荷为 {it_load_kw:g} kW；请给出大于 0 的数")


def _limits(area_m2: float, settings: LayoutSettings, it_load_kw: float | None) -> _Limits:
    by_ratio = int(settings.max_floor_area_ratio * area_m2 / settings.hall_area_m2 + 1e-9)
    n_halls = int(settings.max_building_density * area_m2 / settings.hall_area_m2 + 1e-9)
    racks = None if it_load_kw is None else int(it_load_kw / settings.rack_density_kw + 1e-9)
    by_power = None if racks is None else math.ceil(racks / max(settings.racks_per_floor, 1))
    return _Limits(by_ratio, n_halls * settings.max_floors, by_power, racks)


def _binding(n_floors: int, limits: _Limits) -> tuple[Limit, ...]:
    """Name the limits of which each, relaxed alone, may win racks."""
    if n_floors < limits.least:
        # A hall that is higher needs no more ground for itself, only larger yards.
        return ("shape", "height") if n_floors else ("shape",)
    found: list[Limit] = []
    if limits.building_density == n_floors:
        found += ["building_density", "height"]
    if limits.floor_area_ratio == n_floors:
        found.append("floor_area_ratio")
    if limits.power == n_floors:
        found.append("power")
    return tuple(found)


def _summed(parcel: Any, parts: gpd.GeoDataFrame, settings: LayoutSettings, n_floors: int,
            binding: tuple[Limit, ...], feed_point: Point | None) -> SiteLayout:
    halls = parts[parts["kind"] == "hall"]
    hall_area_m2 = len(halls) * settings.hall_area_m2
    floor_area_m2 = n_floors * settings.hall_area_m2
    racks = int(halls["racks"].sum())
    it_load_kw = racks * settings.rack_density_kw
    substations = parts.geometry[parts["kind"] == "substation_yard"]
    feed_distance_m = None
    if feed_point is not None and len(substations):
        feed_distance_m = round(float(substations.centroid.distance(feed_point).min()), 3)
    return SiteLayout(
        settings=settings, parts=parts, parcel_area_m2=float(parcel.area), n_halls=len(halls), n_floors=n_floors,
        hall_area_m2=hall_area_m2, floor_area_m2=floor_area_m2, racks=racks, it_load_kw=it_load_kw,
        site_load_mva=settings.site_mva(it_load_kw), building_density=hall_area_m2 / parcel.area,
        floor_area_ratio=floor_area_m2 / parcel.area, binding=binding, feed_distance_m=feed_distance_m,
    )
