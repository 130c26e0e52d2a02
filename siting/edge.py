"""Places edge centres: real hosts within reach of a substation, chosen to cover the most demand."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import geopandas as gpd
import numpy as np
import pandas as pd
import shapely
from numpy.typing import NDArray

from gis import proximity
from gis.errors import InfeasibleError, LayerNotFoundError
from layers.schemas import LAYERS
from layers.types import CERTAINTIES, CityLayers
from siting.demand import demand_points
from siting.location import LocationSolution, max_covering
from siting.types import CityPack, EdgePlan, EdgeSettings, HostKind, Study
from siting.zones import largest_overlap

LESS_PREFERRED_M = 500.0
"""A host kind of preference 0 counts as this much farther than one of preference 1, among equal coverage."""


@dataclass(frozen=True, eq=False, slots=True)
class _Hosts:
    """Places that may house an edge centre, with their two feeds."""

    frame: gpd.GeoDataFrame
    """host_id, host_kind, name, preference, certainty, geometry (point)."""
    substations: gpd.GeoDataFrame
    feeds: proximity.KNearest
    """Two nearest substations, rows of ``substations``."""

    def __getitem__(self, rows: NDArray[np.int64] | NDArray[np.bool_]) -> _Hosts:
        feeds = proximity.KNearest(self.feeds.distance_m[rows], self.feeds.index[rows])
        return _Hosts(self.frame[rows] if rows.dtype == bool else self.frame.iloc[rows], self.substations, feeds)


def place_edge_centres(city_layers: CityLayers, units: gpd.GeoDataFrame, pack: CityPack, study: Study) -> EdgePlan:
    """Choose edge centres among the hosts of a city.

    Raises
    ------
    LayerNotFoundError
        There is no demand, no substation or no host layer.
    InfeasibleError
        More edge centres are asked for than there are hosts with a feed.
    """
    settings = pack.edge
    n_facilities = settings.n_facilities if study.n_facilities is None else study.n_facilities
    radius_m = settings.service_radius_m if study.service_radius_m is None else study.service_radius_m
    demand = _demand_points(city_layers)
    hosts = find_hosts(city_layers, settings)
    if not 1 <= n_facilities <= len(hosts.frame):
        raise InfeasibleError(
            f"{n_facilities} edge centres were asked for, and {len(hosts.frame)} hosts lie within "
            f"{settings.feed_radius_m:g} m of a substation; ask for fewer or add hosts",
            f"要求布设 {n_facilities} 个边缘数据中心，但变电站 {settings.feed_radius_m:g} 米内只有 "
            f"{len(hosts.frame)} 个宿主；请减少数量或补充宿主图层",
        )
    distance_m = _distances_m(demand, hosts.frame)
    # The preference moves a host outward only in the tie-break, so coverage is kept on true distance.
    solution = max_covering(distance_m, demand["demand"].to_numpy(), n_facilities=n_facilities,
                            service_radius=radius_m, tie_break=_tie_break(distance_m, hosts.frame))
    return _plan(solution, distance_m, demand, hosts, units, city_layers, radius_m)


def find_hosts(city_layers: CityLayers, settings: EdgeSettings) -> _Hosts:
    """Return the hosts of all kinds whose nearest substation is within the feed radius."""
    kinds = [kind for kind in settings.host_kinds if city_layers.has(kind.layer)]
    if not kinds or not city_layers.has("substations"):
        names = ", ".join(k.layer for k in settings.host_kinds)
        raise LayerNotFoundError(
            f"edge centres need the layer substations and one of: {names}",
            f"布设边缘数据中心需要变电站图层以及以下任一图层：{names}",
        )
    substations = _feeding(city_layers, settings)
    frame = pd.concat([_hosts_of(city_layers, kind) for kind in kinds], ignore_index=True)
    hosts = gpd.GeoDataFrame(frame, geometry="geometry", crs=city_layers.metric_crs)
    feeds = proximity.k_nearest(np.asarray(hosts.geometry.array), np.asarray(substations.geometry.array), 2)
    found = _Hosts(hosts, substations, feeds)
    inside = shapely.intersects(np.asarray(hosts.geometry.array), city_layers.area_of_interest)
    return found[(feeds.distance_m[:, 0] <= settings.feed_radius_m) & inside]


def _feeding(city_layers: CityLayers, settings: EdgeSettings) -> gpd.GeoDataFrame:
    """Substations of a voltage that can feed an edge centre (those that may host one)."""
    kind = next((k for k in settings.host_kinds if k.layer == "substations"), None)
    frame = city_layers.frame("substations")
    return frame if kind is None else frame[kind.admits(frame)].reset_index(drop=True)


def _hosts_of(city_layers: CityLayers, kind: HostKind) -> gpd.GeoDataFrame:
    frame = city_layers.frame(kind.layer)
    frame = frame[kind.admits(frame)]
    ids = frame[LAYERS[kind.layer].id_column].astype(str)
    return gpd.GeoDataFrame({
        "host_id": ids, "host_kind": kind.layer, "preference": kind.preference,
        "name": frame["name"].fillna(ids) if "name" in frame.columns else ids, "certainty": frame["certainty"],
    }, geometry=frame.geometry.representative_point(), crs=frame.crs)


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


def _distances_m(demand: gpd.GeoDataFrame, hosts: gpd.GeoDataFrame) -> NDArray[np.float64]:
    """Straight-line distance, demand points x hosts."""
    at, to = (shapely.get_coordinates(np.asarray(f.geometry.array)) for f in (demand, hosts))
    return np.asarray(np.hypot(at[:, :1] - to[:, 0], at[:, 1:] - to[:, 1]), dtype=np.float64)


def _tie_break(distance_m: NDArray[np.float64], hosts: gpd.GeoDataFrame) -> NDArray[np.float64]:
    return np.asarray(distance_m + (1.0 - hosts["preference"].to_numpy(dtype=np.float64)) * LESS_PREFERRED_M,
                      dtype=np.float64)


def _plan(solution: LocationSolution, distance_m: NDArray[np.float64], demand: gpd.GeoDataFrame, hosts: _Hosts,
          units: gpd.GeoDataFrame, city_layers: CityLayers, radius_m: float) -> EdgePlan:
    rows = np.array(solution.chosen)
    ids = np.array([f"E{i:03d}" for i in range(1, len(rows) + 1)], dtype=object)
    served = solution.assignment >= 0
    place = np.searchsorted(rows, solution.assignment)
    covering = np.full(len(demand), "", dtype=object)
    covering[served] = ids[place[served]]
    reached = demand.assign(covered=served, edge_centre_id=covering,
                            distance_m=np.round(distance_m[:, rows].min(axis=1), 1))
    chosen = hosts[rows]
    weights = demand["demand"].to_numpy(dtype=np.float64)
    total = np.bincount(place[served], weights=weights[served], minlength=len(rows)).astype(np.float64)
    centres = _centres(ids, chosen, units, total, np.bincount(place[served], minlength=len(rows)))
    return EdgePlan(
        edge_centres=centres, feed_lines=_feed_lines(ids, chosen),
        coverage=_coverage(centres, radius_m, city_layers), demand=reached, n_hosts=distance_m.shape[1],
        n_facilities=len(rows), service_radius_m=radius_m, demand_total=float(demand["demand"].sum()),
        demand_covered=solution.objective_value, solver_status=solution.solver_status,
        optimality_gap=solution.optimality_gap,
    )


def _centres(ids: NDArray[np.object_], chosen: _Hosts, units: gpd.GeoDataFrame, total: NDArray[np.float64],
             count: NDArray[np.int64]) -> gpd.GeoDataFrame:
    geometry = np.asarray(chosen.frame.geometry.array, dtype=object)
    unit = largest_overlap(geometry, np.asarray(units.geometry.array, dtype=object))
    columns: dict[str, object] = {
        "edge_centre_id": ids, "host_id": chosen.frame["host_id"].to_numpy(),
        "host_kind": chosen.frame["host_kind"].to_numpy(), "name": chosen.frame["name"].to_numpy(),
        "zone_id": [units["zone_id"].iloc[u] if u >= 0 else "" for u in unit],
        "unit_id": [units["unit_id"].iloc[u] if u >= 0 else "" for u in unit],
        "demand_covered": np.round(total, 3), "n_demand_covered": count,
    }
    for place, feed in enumerate("ab"):
        columns |= {
            f"feed_{feed}_id": _of_feed(chosen, place, lambda s: s["substation_id"].to_numpy(dtype=object), None),
            f"feed_{feed}_distance_m": np.round(chosen.feeds.distance_m[:, place], 1),
            f"feed_{feed}_voltage_kv": _of_feed(chosen, place, lambda s: s["voltage_kv"].to_numpy(), np.nan),
        }
    columns["certainty"] = _least_certain(chosen)
    return gpd.GeoDataFrame(columns, geometry=geometry, crs=chosen.frame.crs)


def _of_feed(chosen: _Hosts, place: int, values: Callable[[gpd.GeoDataFrame], NDArray[np.generic]],
             unknown: float | None) -> list[object]:
    """Look up a value of the ``place``-th feed; ``unknown`` where there is no such feed."""
    known = values(chosen.substations)
    return [known[i] if i >= 0 else unknown for i in chosen.feeds.index[:, place]]


def _least_certain(chosen: _Hosts) -> list[str]:
    """Return the certainty of each edge centre: that of the least certain of its host and its feeds."""
    of_substation = chosen.substations["certainty"].to_numpy(dtype=object)
    order: list[str] = list(CERTAINTIES)
    return [max([str(own), *(str(of_substation[f]) for f in feeds if f >= 0)], key=order.index)
            for own, feeds in zip(chosen.frame["certainty"], chosen.feeds.index, strict=True)]


def _feed_lines(ids: NDArray[np.object_], chosen: _Hosts) -> gpd.GeoDataFrame:
    """Straight connections from each edge centre to its substations, not routes; none where it stands in one."""
    rows = []
    for place, feed in enumerate("AB"):
        for i in np.flatnonzero(chosen.feeds.distance_m[:, place] > 0):
            substation = chosen.substations.iloc[chosen.feeds.index[i, place]]
            line = shapely.shortest_line(chosen.frame.geometry.iloc[i], substation.geometry)
            rows.append({"edge_centre_id": ids[i], "feed": feed, "substation_id": substation["substation_id"],
                         "voltage_kv": substation["voltage_kv"],
                         "distance_m": round(float(chosen.feeds.distance_m[i, place]), 1),
                         "certainty": substation["certainty"], "geometry": line})
    frame = gpd.GeoDataFrame(rows, geometry="geometry", crs=chosen.frame.crs)
    return frame.sort_values(["edge_centre_id", "feed"], ignore_index=True)


def _coverage(centres: gpd.GeoDataFrame, radius_m: float, city_layers: CityLayers) -> gpd.GeoDataFrame:
    circles = shapely.intersection(shapely.buffer(np.asarray(centres.geometry.array), radius_m, quad_segs=16),
                                   city_layers.area_of_interest)
    return gpd.GeoDataFrame({"edge_centre_id": centres["edge_centre_id"], "service_radius_m": radius_m,
                             "certainty": centres["certainty"]}, geometry=circles, crs=centres.crs)
