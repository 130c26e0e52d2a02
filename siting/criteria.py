"""Every criterion that a pack can weigh: how it is measured, in which unit, and what it needs.

A measure returns one value per candidate in its own unit, NaN where it could not be measured.
Add one here as a function and a line of ``MEASURES``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

import geopandas as gpd
import numpy as np
import pandas as pd
import shapely
from numpy.typing import NDArray
from pyproj import Geod

from gis import proximity
from gis.bilingual import Text
from gis.crs import WGS84
from siting.latency import CITY_ROUTE_FACTOR, latencies_ms
from siting.pack import CityPack, Criterion, Objective, Permission, SiteClass
from siting.permissions import Permissions
from siting.plan_settings import HostKind
from siting.surroundings import Surroundings
from siting.types import ExclusionTable

Floats = NDArray[np.float64]

PERMISSION_FIT: Mapping[Permission, float] = MappingProxyType(
    {"favoured": 1.0, "allowed": 0.7, "controlled": 0.3, "closed": 0.0})
"""How far a permission fits the plan; ordinal steps, a judgement of the product."""


@dataclass(frozen=True, slots=True)
class Scene:
    """What a measure may look at."""

    pack: CityPack
    site_class: SiteClass
    surroundings: Surroundings
    permissions: Permissions
    """Per candidate."""
    exclusions: ExclusionTable


Function = Callable[[Scene, Criterion], Floats]


@dataclass(frozen=True, slots=True)
class Measure:
    """One way of measuring a candidate."""

    title: Text
    unit: str
    objective: Objective
    layers: tuple[str, ...]
    """Layers without which it stays unknown."""
    function: Function


def _power_distance(scene: Scene, criterion: Criterion) -> Floats:
    return _feed_distance(scene, 0)


def _second_feed_distance(scene: Scene, criterion: Criterion) -> Floats:
    return _feed_distance(scene, 1)


def _feed_distance(scene: Scene, place: int) -> Floats:
    found = scene.surroundings.feeding_substations(scene.site_class.supply_voltage_kv)
    return scene.surroundings.unknown() if found is None else found[1].distance_m[:, place]


def _headroom(scene: Scene, criterion: Criterion) -> Floats:
    """Headroom of the nearest substation that can feed the class; NaN where nobody states it."""
    found = scene.surroundings.feeding_substations(scene.site_class.supply_voltage_kv)
    if found is None or "headroom_mva" not in found[0].columns:
        return scene.surroundings.unknown()
    headroom = found[0]["headroom_mva"].to_numpy(dtype=np.float64)
    nearest = found[1].index[:, 0]
    return np.asarray(np.where(nearest >= 0, headroom[nearest], np.nan), dtype=np.float64)


def _distance_to(layer: str) -> Function:
    def measure(scene: Scene, criterion: Criterion) -> Floats:
        return scene.surroundings.distance_m(layer)
    return measure


def _route_diversity(scene: Scene, criterion: Criterion) -> Floats:
    return scene.surroundings.count_within("fibre_routes", criterion.radius_m, "route_id")


def _road_access(scene: Scene, criterion: Criterion) -> Floats:
    return scene.surroundings.count_within("roads", criterion.radius_m, "road_id")


def _plot_area_ratio(scene: Scene, criterion: Criterion) -> Floats:
    area = scene.surroundings.candidates["area_m2"].to_numpy(dtype=np.float64)
    return np.asarray(area / scene.site_class.min_plot_m2, dtype=np.float64)


def _compactness(scene: Scene, criterion: Criterion) -> Floats:
    return np.asarray(scene.surroundings.candidates["compactness"], dtype=np.float64)


def _slope(scene: Scene, criterion: Criterion) -> Floats:
    return scene.surroundings.slope_percent()


def _flood_depth(scene: Scene, criterion: Criterion) -> Floats:
    return scene.surroundings.raster_mean("flood_depth")


def _hazard_shortfall(scene: Scene, criterion: Criterion) -> Floats:
    """Joint shortfall ``1 - prod(1 - s)`` over the rules that penalise; NaN where none could be tested."""
    graded = scene.exclusions.shortfall[:, ~scene.exclusions.excludes]
    tested = ~np.isnan(graded)
    joint = 1.0 - np.prod(1.0 - np.where(tested, graded, 0.0), axis=1)
    return np.where(tested.any(axis=1), joint, np.nan)


def _demand_reach(scene: Scene, criterion: Criterion) -> Floats:
    return scene.surroundings.demand_share(criterion.radius_m)


def _policy_fit(scene: Scene, criterion: Criterion) -> Floats:
    fits = [PERMISSION_FIT[p.permission] for p in scene.permissions.table]
    return scene.permissions.looked_up(fits, missing=np.nan)


def _reusable_building_area(scene: Scene, criterion: Criterion) -> Floats:
    """Reusable floor that the parcel states; else the floor of the buildings whose middle stands on it."""
    around = scene.surroundings
    floor = around.floor_standing_on()
    if "building_area_m2" not in around.candidates.columns:
        return floor
    stated = around.candidates["building_area_m2"].to_numpy(dtype=np.float64)
    return np.where(np.isnan(stated), floor, stated)


def _land_price_level(scene: Scene, criterion: Criterion) -> Floats:
    """Level that the parcel states, else the level of its unit."""
    candidates = scene.surroundings.candidates
    by_unit = {u.unit_id: u.land_price_level for u in scene.pack.units}
    level = pd.to_numeric(candidates["unit_id"].map(by_unit), errors="coerce")
    if "land_price_level" in candidates.columns:
        level = candidates["land_price_level"].astype("float64").fillna(level)
    return np.asarray(level, dtype=np.float64)


def _renewable_level(scene: Scene, criterion: Criterion) -> Floats:
    """Level of the unit that the candidate lies in."""
    by_unit = {u.unit_id: u.renewable_level for u in scene.pack.units}
    level = pd.to_numeric(scene.surroundings.candidates["unit_id"].map(by_unit), errors="coerce")
    return np.asarray(level, dtype=np.float64)


def _demand_latency(scene: Scene, criterion: Criterion) -> Floats:
    """Delay to the nearest demand point, on a usual route."""
    points = scene.surroundings.infrastructure.demand()
    if points is None:
        return scene.surroundings.unknown()
    return _latency_to(scene, shapely.get_coordinates(np.asarray(points.geometry.to_crs(WGS84).array)))


def _hub_latency(scene: Scene, criterion: Criterion) -> Floats:
    """Delay to the nearest hub of the plan's network, on a usual route; not measured where the plan has none."""
    hubs = () if scene.pack.network is None else scene.pack.network.hubs
    return _latency_to(scene, np.array([(hub.lon, hub.lat) for hub in hubs]).reshape(-1, 2))


def route_factor(pack: CityPack) -> float:
    """Return fibre route over straight line on a usual route."""
    return CITY_ROUTE_FACTOR if pack.network is None else pack.network.route_factors[1]


def _latency_to(scene: Scene, places: Floats) -> Floats:
    """Return the one-way delay from the middle of each candidate to the nearest of some places (lon, lat), ms.

    Geodesic, since a plan that weighs delay may be as wide as a country, where no plane holds distances.
    """
    if not len(places):
        return scene.surroundings.unknown()
    crs = scene.surroundings.candidates.crs
    middles = gpd.GeoSeries(shapely.point_on_surface(scene.surroundings.geometries), crs=crs).to_crs(WGS84)
    start = shapely.get_coordinates(np.asarray(middles.array))
    network = scene.pack.network
    earth = Geod(ellps="GRS80")
    nearest_m = np.min([earth.inv(*start.T, *(np.full(len(start), v) for v in place))[2] for place in places], axis=0)
    return latencies_ms(nearest_m * route_factor(scene.pack), n_hops=0 if network is None else network.n_hops)


def _host_distance(scene: Scene, criterion: Criterion) -> Floats:
    """Distance to the nearest place of any kind that may house an edge centre."""
    distances = [_distance_to_hosts(scene.surroundings, kind) for kind in scene.pack.host_kinds
                 if scene.surroundings.city_layers.has(kind.layer)]
    return np.min(distances, axis=0) if distances else scene.surroundings.unknown()


def _distance_to_hosts(around: Surroundings, kind: HostKind) -> Floats:
    if kind.min_voltage_kv is None and kind.max_voltage_kv is None:
        return around.distance_m(kind.layer)
    frame = around.city_layers.frame(kind.layer)
    able = frame[kind.admits(frame)]
    if able.empty:
        return np.full(len(around), np.inf)
    return proximity.nearest(around.laid_out, np.asarray(able.geometry.array)).distance_m


def _measure(zh: str, en: str, unit: str, objective: Objective, layers: tuple[str, ...],
             function: Function) -> Measure:
    return Measure(Text(zh=zh, en=en), unit, objective, layers, function)


MEASURES: Mapping[str, Measure] = MappingProxyType({
    "power_distance_m": _measure("供电距离", "Distance to supply", "m", "MIN", ("substations",), _power_distance),
    "second_feed_distance_m": _measure("第二电源距离", "Distance to second feed", "m", "MIN", ("substations",),
                                       _second_feed_distance),
    "headroom_mva": _measure("变电站可用容量", "Substation headroom", "MVA", "MAX", ("substations",), _headroom),
    "fibre_distance_m": _measure("光缆距离", "Distance to fibre", "m", "MIN", ("fibre_routes",),
                                 _distance_to("fibre_routes")),
    "route_diversity": _measure("光缆路由数", "Fibre routes in reach", "routes", "MAX", ("fibre_routes",),
                                _route_diversity),
    "point_of_presence_distance_m": _measure("网络接入点距离", "Distance to point of presence", "m", "MIN",
                                             ("telecom_rooms",), _distance_to("telecom_rooms")),
    "plot_area_ratio": _measure("面积与最小用地之比", "Plot area over the minimum", "ratio", "MAX", (),
                                _plot_area_ratio),
    "compactness": _measure("地块紧凑度", "Compactness", "ratio", "MAX", (), _compactness),
    "slope_percent": _measure("坡度", "Slope", "%", "MIN", ("dem",), _slope),
    "flood_depth_m": _measure("淹没水深", "Flood depth", "m", "MIN", ("flood_depth",), _flood_depth),
    "hazard_shortfall": _measure("安全距离不足程度", "Shortfall of advised distances", "ratio", "MIN", (),
                                 _hazard_shortfall),
    "road_access": _measure("可达道路数", "Roads in reach", "roads", "MAX", ("roads",), _road_access),
    "hub_distance_m": _measure("交通枢纽距离", "Distance to transport hub", "m", "MIN", ("hubs",),
                               _distance_to("hubs")),
    "water_distance_m": _measure("水源距离", "Distance to water", "m", "MIN", ("water",), _distance_to("water")),
    "reclaimed_water_distance_m": _measure("再生水距离", "Distance to reclaimed water", "m", "MIN",
                                           ("reclaimed_water_plants",), _distance_to("reclaimed_water_plants")),
    "demand_reach": _measure("可及需求占比", "Share of demand in reach", "share", "MAX", ("demand",), _demand_reach),
    "policy_fit": _measure("政策契合度", "Policy fit", "ratio", "MAX", (), _policy_fit),
    "reusable_building_area_m2": _measure("可再利用建筑面积", "Reusable floor", "m2", "MAX", (),
                                          _reusable_building_area),
    "land_price_level": _measure("地价等级", "Land price level", "level", "MIN", (), _land_price_level),
    "green_power_distance_m": _measure("绿电距离", "Distance to renewable plant", "m", "MIN", ("renewable_plants",),
                                       _distance_to("renewable_plants")),
    "renewable_level": _measure("可再生能源等级", "Level of renewable supply", "level", "MAX", (), _renewable_level),
    "demand_latency_ms": _measure("至最近需求中心的时延", "Delay to the nearest centre of demand", "ms", "MIN",
                                  ("demand",), _demand_latency),
    "hub_latency_ms": _measure("至最近枢纽的时延", "Delay to the nearest hub", "ms", "MIN", (), _hub_latency),
    "data_centre_distance_m": _measure("现有数据中心距离", "Distance to existing data centres", "m", "MIN",
                                       ("data_centres",), _distance_to("data_centres")),
    "host_distance_m": _measure("边缘宿主距离", "Distance to edge host", "m", "MIN", (), _host_distance),
})
"""Every criterion by its key."""


def measure_criteria(scene: Scene, criteria: tuple[Criterion, ...]) -> Floats:
    """Measure all candidates by all criteria of a class.

    Returns
    -------
    Candidates x criteria, each column in its criterion's unit, NaN where not measured.
    """
    columns = [MEASURES[c.criterion_id].function(scene, c) for c in criteria]
    return np.column_stack(columns) if columns else np.empty((len(scene.surroundings), 0))
