"""Places edge centres: real hosts that a substation can feed, chosen to cover the most demand."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import geopandas as gpd
import numpy as np
import pandas as pd
import shapely
from numpy.typing import NDArray

from gis.bilingual import Text
from gis.disjoint_routes import Diversity
from gis.errors import InfeasibleError, LayerNotFoundError, UsageError
from gis.network import straight_cost_matrix
from layers.types import CERTAINTIES, CityLayers
from siting.connections import fibre_diversity, network_distances
from siting.demand import demand_points
from siting.edge_hosts import EdgeHosts, edge_settings, find_hosts, select
from siting.edge_stability import alternatives, stability
from siting.location import LocationSolution, coverage_curve, max_covering
from siting.location_conditions import SideConditions
from siting.pack import CityPack
from siting.power import PowerLimit
from siting.power_allocation import HeadroomAllocation, allocate_headroom
from siting.types import EdgePlan, Study
from siting.zones import largest_overlap

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]

LESS_PREFERRED_M = 3000.0
"""A host kind of preference 0 counts as this much farther than one of preference 1, among equal coverage."""

SINGLE_FED_M = 3000.0
"""A host with one feed counts as this much farther than one with two, among equal coverage."""

TOO_NEAR_M = 2000.0
"""A host that misses an advised setback counts as this much farther, among equal coverage."""

LARGE_CASE = 500_000
"""Demand points times hosts above which the points of the curve are good plans and not proven the best."""

CURVE_MARGIN = 1.5
"""The curve goes on to this many times the number of centres asked for."""


@dataclass(frozen=True, eq=False, slots=True)
class _Question:
    """What is asked of the location model."""

    demand: gpd.GeoDataFrame
    hosts: EdgeHosts
    distance_m: Floats
    """Demand points x hosts, along the way that counts."""
    n_facilities: int
    radius_m: float
    conditions: SideConditions
    facts: tuple[Text, ...]
    """How distances came about."""

    @property
    def weights(self) -> Floats:
        return np.asarray(self.demand["demand"], dtype=np.float64)

    @property
    def tie_break(self) -> Floats:
        """Distances by which plans of equal coverage are told apart."""
        preference = self.hosts.frame["preference"].to_numpy(dtype=np.float64)
        is_single = self.hosts.feeds.feed[:, 1] < 0
        is_near = self.hosts.frame["is_too_near"].to_numpy(dtype=np.bool_)
        longer = (1.0 - preference) * LESS_PREFERRED_M + is_single * SINGLE_FED_M + is_near * TOO_NEAR_M
        return np.asarray(np.where(np.isfinite(self.distance_m), self.distance_m, 1e9) + longer, dtype=np.float64)


def place_edge_centres(city_layers: CityLayers, units: gpd.GeoDataFrame, pack: CityPack, study: Study) -> EdgePlan:
    """Choose edge centres among the hosts of a city.

    Raises
    ------
    LayerNotFoundError
        There is no demand, no substation or no host layer, or no lines to measure reach along.
    UsageError
        The study names a demand point or a zone that there is not.
    InfeasibleError
        More edge centres are asked for than there are hosts, or the conditions contradict one another.
    """
    question = _question(city_layers, units, pack, study)
    solution = max_covering(question.distance_m, question.weights, n_facilities=question.n_facilities,
                            service_radius=question.radius_m, conditions=question.conditions,
                            tie_break=question.tie_break)
    return _plan(solution, question, units, city_layers, pack, study)


def _question(city_layers: CityLayers, units: gpd.GeoDataFrame, pack: CityPack, study: Study) -> _Question:
    settings = edge_settings(pack)
    n_facilities = settings.n_facilities if study.n_facilities is None else study.n_facilities
    radius_m = settings.service_radius_m if study.service_radius_m is None else study.service_radius_m
    demand = _demand_points(city_layers)
    hosts = find_hosts(city_layers, pack)
    if not 1 <= n_facilities <= len(hosts.frame):
        raise InfeasibleError(
            f"{n_facilities} edge centres were asked for, and {len(hosts.frame)} hosts lie within "
            f"{settings.feed_radius_m:g} m of a substation that can feed them; ask for fewer or add hosts",
            f"要求布设 {n_facilities} 个边缘数据中心，但变电站 {settings.feed_radius_m:g} 米内可供电的只有 "
            f"{len(hosts.frame)} 个宿主；请减少数量或补充宿主图层",
        )
    distance_m, facts = _distances(demand, hosts.frame, city_layers, study.edge_distance)
    return _Question(demand, hosts, distance_m, n_facilities, radius_m,
                     _conditions(demand, hosts, distance_m, radius_m, units, pack, study), facts)


def _conditions(demand: gpd.GeoDataFrame, hosts: EdgeHosts, distance_m: Floats, radius_m: float,
                units: gpd.GeoDataFrame, pack: CityPack, study: Study) -> SideConditions:
    settings = edge_settings(pack)
    spacing_m = settings.spacing_m if study.edge_spacing_m is None else study.edge_spacing_m
    quotas = settings.quotas if study.edge_quotas is None else study.edge_quotas
    zones = [z.zone_id for z in pack.zones]
    given: dict[str, Any] = {}
    if spacing_m > 0:
        given |= {"min_spacing": spacing_m,
                  "site_positions": shapely.get_coordinates(np.asarray(hosts.frame.geometry.array))}
    if quotas:
        unknown = [q.zone_id for q in quotas if q.zone_id not in zones]
        if unknown:
            raise UsageError(f"quota of unknown zone {unknown[0]!r}; known: {', '.join(zones)}",
                             f"配额所指分区 {unknown[0]!r} 不存在；可用：{'、'.join(zones)}")
        by_zone = {q.zone_id: q for q in quotas}
        unit = largest_overlap(np.asarray(hosts.frame.geometry.array, dtype=object),
                               np.asarray(units.geometry.array, dtype=object))
        own = np.where(unit >= 0, units["zone_id"].to_numpy(dtype=object)[np.maximum(unit, 0)], "")
        n = len(hosts.frame)
        given |= {
            "zone_of_site": np.array([zones.index(z) if z in zones else -1 for z in own], dtype=np.int64),
            "zone_min": np.array([by_zone[z].min_sites if z in by_zone else 0 for z in zones], dtype=np.int64),
            "zone_max": np.array([n if z not in by_zone or (most := by_zone[z].max_sites) is None else most
                                  for z in zones], dtype=np.int64)}
    if study.backup_demand:
        ids = demand["demand_id"].astype(str).to_numpy(dtype=object)
        lost = sorted(set(study.backup_demand) - set(ids.tolist()))
        if lost:
            raise UsageError(f"second cover is asked for unknown demand point {lost[0]!r}; see the layer demand",
                             f"要求二次覆盖的需求点 {lost[0]!r} 不存在；请见需求图层")
        given["needs_backup"] = np.isin(ids, list(study.backup_demand))
        _require_second_host(demand, distance_m, given["needs_backup"], radius_m)
    return SideConditions(**given)


def _require_second_host(demand: gpd.GeoDataFrame, distance_m: Floats, wanted: NDArray[np.bool_],
                         radius_m: float) -> None:
    second_m = np.sort(distance_m, axis=1)[:, 1] if distance_m.shape[1] > 1 else np.full(len(demand), np.inf)
    for row in np.flatnonzero(wanted & (second_m > radius_m)):
        name = str(demand["name"].iloc[row])
        raise InfeasibleError(
            f"demand point {name!r} cannot have a second cover: its second nearest host is "
            f"{second_m[row] / 1000:.1f} km away and an edge centre reaches {radius_m / 1000:g} km; add hosts or widen "
            "the reach",
            f"需求点 {name!r} 无法二次覆盖：第二近的宿主相距 {second_m[row] / 1000:.1f} 公里，"
            f"服务半径为 {radius_m / 1000:g} 公里；请补充宿主或扩大半径")


def _demand_points(city_layers: CityLayers) -> gpd.GeoDataFrame:
    points = demand_points(city_layers)
    if points is None:
        raise LayerNotFoundError("edge centres need the layer demand or population; name a source for one of them",
                                 "布设边缘数据中心需要需求或人口图层；请在 [layers.demand] 中指定来源")
    inside = shapely.intersects(np.asarray(points.geometry.array), city_layers.area_of_interest)
    points = points[inside].reset_index(drop=True)
    if not points["demand"].sum() > 0:
        raise InfeasibleError("no demand above 0 lies in the study area; check the column demand of layer demand",
                              "研究范围内没有大于 0 的需求量；请检查需求图层的 demand 字段")
    return points


def _distances(demand: gpd.GeoDataFrame, hosts: gpd.GeoDataFrame, city_layers: CityLayers,
               along: str) -> tuple[Floats, tuple[Text, ...]]:
    """Distance, demand points x hosts: the straight line, or the shortest way along a layer of lines."""
    if along == "straight":
        here, there = (np.asarray(f.geometry.array, dtype=object) for f in (demand, hosts))
        return straight_cost_matrix(here, there), ()
    if not city_layers.has(along):
        raise LayerNotFoundError(f"reach along {along} needs that layer; name a source for it, or measure straight",
                                 f"沿 {along} 计算服务距离需要该图层；请指定来源，或改用直线距离")
    # Survey and synthetic lines cross without a common vertex: taken as joined wherever they meet.
    found = network_distances(demand, hosts, city_layers.frame(along), noding="crossings")
    return found.distance_m, found.facts


def _plan(solution: LocationSolution, question: _Question, units: gpd.GeoDataFrame, city_layers: CityLayers,
          pack: CityPack, study: Study) -> EdgePlan:
    rows = np.array(solution.chosen)
    ids = np.array([f"E{i:03d}" for i in range(1, len(rows) + 1)], dtype=object)
    served = solution.assignment >= 0
    place = np.searchsorted(rows, solution.assignment)
    covering = np.full(len(question.demand), "", dtype=object)
    covering[served] = ids[place[served]]
    nearest_m = question.distance_m[:, rows].min(axis=1)
    reached = question.demand.assign(covered=served, edge_centre_id=covering, distance_m=np.round(nearest_m, 1))
    chosen = select(question.hosts, rows)
    total = np.bincount(place[served], weights=question.weights[served], minlength=len(rows)).astype(np.float64)
    # Those that serve most are fed first.
    allocation = allocate_headroom(chosen.feeds, np.argsort(-total, kind="stable"))
    centres = _centres(ids, chosen, units, total, np.bincount(place[served], minlength=len(rows)), allocation, pack)
    routes, told = _fibre(chosen, city_layers)
    centres = centres.assign(**routes, **_hold(solution, question))
    curve = _curve(question)
    return EdgePlan(
        edge_centres=_columns_first(centres), feed_lines=_feed_lines(ids, chosen, _feeds(chosen, allocation)),
        coverage=_coverage(centres, question.radius_m, city_layers), demand=reached,
        n_hosts=question.distance_m.shape[1], n_facilities=len(rows), service_radius_m=question.radius_m,
        demand_total=float(question.weights.sum()), demand_covered=solution.objective_value,
        solver_status=solution.solver_status, optimality_gap=solution.optimality_gap, curve=curve,
        distance_kind=study.edge_distance,
        facts=(*question.hosts.facts, *question.facts, *_facts(curve, question, centres), *told),
    )


def _columns_first(centres: gpd.GeoDataFrame) -> gpd.GeoDataFrame:
    return centres[[*(c for c in centres.columns if c not in ("certainty", "geometry")), "certainty", "geometry"]]


def _fibre(chosen: EdgeHosts, city_layers: CityLayers) -> tuple[dict[str, object], tuple[Text, ...]]:
    """Tell which centres two fibre routes reach that share nothing, where fibre and points of presence are known."""
    n = len(chosen.frame)
    if not (city_layers.has("fibre_routes") and city_layers.has("telecom_rooms")):
        return {"fibre_diversity": np.full(n, None, dtype=object), "fibre_shared_m": np.full(n, np.nan)}, ()
    found = fibre_diversity(chosen.frame, city_layers.frame("telecom_rooms"), city_layers.frame("fibre_routes"))
    codes = [Diversity(int(code)).name.lower() for code in found.routes.diversity]
    return {"fibre_diversity": np.array(codes, dtype=object),
            "fibre_shared_m": np.round(found.routes.shared_length_m, 1)}, found.facts[:1]


def _hold(solution: LocationSolution, question: _Question) -> dict[str, object]:
    """How firmly each centre is chosen, and who would take its place."""
    rows = np.array(solution.chosen)
    other, loss = alternatives(question.distance_m, question.weights, rows, question.tie_break, question.radius_m,
                               question.conditions)
    found = other >= 0
    frame = question.hosts.frame
    names = {c: np.where(found, frame[c].to_numpy(dtype=object)[np.maximum(other, 0)], None)
             for c in ("host_id", "name")}
    stays = stability(question.distance_m, question.weights, rows, question.tie_break, question.radius_m,
                      question.conditions)
    return {"stability": np.round(stays, 3), "runner_up_id": names["host_id"], "runner_up_name": names["name"],
            "runner_up_loss": np.where(found, np.round(loss / question.weights.sum(), 6), np.nan)}


def _curve(question: _Question) -> pd.DataFrame:
    """Find the best plan for every number of centres.

    Spacing is kept; quotas and second cover ask for a number of their own and have no meaning below it.
    """
    conditions = replace(question.conditions, zone_of_site=None, zone_min=None, zone_max=None, needs_backup=None)
    n_most = min(len(question.hosts.frame), max(question.n_facilities + 1, int(question.n_facilities * CURVE_MARGIN)))
    # Thirty questions of a size at which each takes seconds to prove: built and improved, not proven.
    is_large = question.distance_m.size > LARGE_CASE
    curve = coverage_curve(question.distance_m, question.weights, p_max=n_most, service_radius=question.radius_m,
                           conditions=conditions, method="quick" if is_large else "auto")
    ids = question.hosts.frame["host_id"].to_numpy(dtype=object)
    return pd.DataFrame({
        "n_facilities": curve.n_facilities, "demand_covered": np.round(curve.covered, 3),
        "share": np.round(curve.covered / curve.demand_total, 6), "gain": np.round(curve.marginal_gain, 3),
        "optimality_gap": np.full(len(curve.covered), np.nan) if is_large else curve.optimality_gap,
        "host_ids": np.array([" ".join(str(i) for i in ids[list(c)]) for c in curve.chosen], dtype=object)})


def _facts(curve: pd.DataFrame, question: _Question, centres: gpd.GeoDataFrame) -> list[Text]:
    """Say how many centres the known demand needs, and which are fed from one side."""
    facts = []
    most = float(curve["demand_covered"].max())
    enough = int(curve.loc[curve["demand_covered"] >= most - 1e-9, "n_facilities"].iloc[0])
    share = most / float(question.weights.sum())
    if enough < question.n_facilities:
        facts.append(Text(zh=f"覆盖-数量曲线：{enough} 个中心即可覆盖已知需求的 {share:.1%}，再增加不提高覆盖。",
                          en=f"Coverage curve: {enough} centres cover {share:.1%} of the known demand, and more cover "
                             "no more."))
    single = [str(i) for i in centres.loc[centres["feed_b_id"].isna(), "edge_centre_id"]]
    if single:
        facts.append(Text(zh=f"边缘数据中心 {'、'.join(single)} 在供电半径内只有一路电源。",
                          en=f"Edge centres {', '.join(single)} have one feed only within the feed radius."))
    return facts


def _centres(ids: NDArray[np.object_], chosen: EdgeHosts, units: gpd.GeoDataFrame, total: Floats, count: Integers,
             allocation: HeadroomAllocation, pack: CityPack) -> gpd.GeoDataFrame:
    geometry = np.asarray(chosen.frame.geometry.array, dtype=object)
    unit = largest_overlap(geometry, np.asarray(units.geometry.array, dtype=object))
    columns: dict[str, object] = {
        "edge_centre_id": ids, "host_id": chosen.frame["host_id"].to_numpy(),
        "host_kind": chosen.frame["host_kind"].to_numpy(), "name": chosen.frame["name"].to_numpy(),
        "zone_id": [units["zone_id"].iloc[u] if u >= 0 else "" for u in unit],
        "unit_id": [units["unit_id"].iloc[u] if u >= 0 else "" for u in unit],
        "demand_covered": np.round(total, 3), "n_demand_covered": count, "it_load_kw": edge_settings(pack).it_load_kw,
        "load_mva": np.round(chosen.feeds.load_mva, 4),
    }
    feeds = _feeds(chosen, allocation)
    for place, feed in enumerate("ab"):
        columns |= {
            f"feed_{feed}_id": _of_feed(chosen, feeds[:, place],
                                        lambda s: s["substation_id"].to_numpy(dtype=object), None),
            f"feed_{feed}_distance_m": np.round(_feed_distance_m(chosen, feeds[:, place]), 1),
            f"feed_{feed}_voltage_kv": _of_feed(chosen, feeds[:, place], lambda s: s["voltage_kv"].to_numpy(), np.nan),
        }
    limit = np.empty(len(ids), dtype=object)
    limit[allocation.order] = [PowerLimit(int(code)).name.lower() for code in allocation.fails_first]
    columns |= {"power_limit": limit, "certainty": _least_certain(chosen, feeds)}
    return gpd.GeoDataFrame(columns, geometry=geometry, crs=chosen.frame.crs)


def _feeds(chosen: EdgeHosts, allocation: HeadroomAllocation) -> Integers:
    """Substations of feeds A and B: what was allocated, else the one feed that the host has by itself."""
    feeds = np.full((len(chosen.frame), 2), -1, dtype=np.int64)
    feeds[allocation.order] = allocation.feed
    single = feeds[:, 0] < 0
    feeds[single, 0] = chosen.feeds.feed[single, 0]
    return feeds


def _feed_distance_m(chosen: EdgeHosts, station: Integers) -> Floats:
    """Straight-line distance from each host to a substation; NaN for none."""
    to = np.asarray(chosen.substations.geometry.array, dtype=object)[np.maximum(station, 0)]
    return np.where(station >= 0, shapely.distance(np.asarray(chosen.frame.geometry.array, dtype=object), to), np.nan)


def _of_feed(chosen: EdgeHosts, station: Integers, values: Callable[[gpd.GeoDataFrame], NDArray[np.generic]],
             unknown: float | None) -> list[object]:
    """Look up a value of a feed; ``unknown`` where there is no such feed."""
    known = values(chosen.substations)
    return [known[i] if i >= 0 else unknown for i in station]


def _least_certain(chosen: EdgeHosts, feeds: Integers) -> list[str]:
    """Return the certainty of each edge centre: that of the least certain of its host and its feeds."""
    of_substation = chosen.substations["certainty"].to_numpy(dtype=object)
    order: list[str] = list(CERTAINTIES)
    return [max([str(own), *(str(of_substation[f]) for f in both if f >= 0)], key=order.index)
            for own, both in zip(chosen.frame["certainty"], feeds, strict=True)]


def _feed_lines(ids: NDArray[np.object_], chosen: EdgeHosts, feeds: Integers) -> gpd.GeoDataFrame:
    """Straight connections from each edge centre to its substations, not routes; none where it stands in one."""
    rows = []
    for place, feed in enumerate("AB"):
        distance_m = _feed_distance_m(chosen, feeds[:, place])
        for i in np.flatnonzero(distance_m > 0):
            substation = chosen.substations.iloc[feeds[i, place]]
            line = shapely.shortest_line(chosen.frame.geometry.iloc[i], substation.geometry)
            rows.append({"edge_centre_id": ids[i], "feed": feed, "substation_id": substation["substation_id"],
                         "voltage_kv": substation["voltage_kv"], "distance_m": round(float(distance_m[i]), 1),
                         "certainty": substation["certainty"], "geometry": line})
    columns = ["edge_centre_id", "feed", "substation_id", "voltage_kv", "distance_m", "certainty", "geometry"]
    frame = gpd.GeoDataFrame(rows, columns=columns, geometry="geometry", crs=chosen.frame.crs)
    return frame.sort_values(["edge_centre_id", "feed"], ignore_index=True)


def _coverage(centres: gpd.GeoDataFrame, radius_m: float, city_layers: CityLayers) -> gpd.GeoDataFrame:
    circles = shapely.intersection(shapely.buffer(np.asarray(centres.geometry.array), radius_m, quad_segs=16),
                                   city_layers.area_of_interest)
    return gpd.GeoDataFrame({"edge_centre_id": centres["edge_centre_id"], "service_radius_m": radius_m,
                             "certainty": centres["certainty"]}, geometry=circles, crs=centres.crs)


def reserved_by(plan: EdgePlan) -> dict[str, float]:
    """Return the MVA that the edge centres reserve, by substation id."""
    reserved: dict[str, float] = {}
    for feed in ("feed_a_id", "feed_b_id"):
        for key, load in zip(plan.edge_centres[feed], plan.edge_centres["load_mva"], strict=True):
            if key is not None and key == key:
                reserved[str(key)] = reserved.get(str(key), 0.0) + float(load)
    return reserved
