"""How far it is from demand to sites, by straight line or along a network, and whether two routes part.

Says in words what a reader must know of the numbers: how far points had to move to the network, which lie
in a part of their own, and which stretch two routes to a site share.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import geopandas as gpd
import numpy as np
from numpy.typing import NDArray

from gis.bilingual import Text
from gis.disjoint_routes import DisjointRoutes, Diversity, disjoint_routes
from gis.network import (
    SNAP_M,
    Access,
    Network,
    Noding,
    build_network,
    component_of,
    cost_matrix,
    snap_points,
    straight_cost_matrix,
)

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]

CITY_DETOUR_FACTOR = 1.4
"""Route over straight line inside a city: 1.324 on average on the streets of 25 Chinese cities
(doi 10.1080/19475683.2021.1966503), 1.3-1.7 for cables; the value between is a judgement."""

FAR_SNAP_M = 500.0
"""Points farther from the network than this are named: their way there is a guess."""

N_NAMED = 8
"""Longest list of names in a sentence."""

DIVERSITY_TEXT = {
    Diversity.DISJOINT: Text(zh="可引两条互不共用的光缆路由至两个接入点",
                             en="two fibre routes to two points of presence share nothing"),
    Diversity.SHARED: Text(zh="至两个接入点的光缆路由必有共用段",
                           en="every two fibre routes to two points of presence share a stretch or a joint"),
    Diversity.ONE_ONLY: Text(zh="光缆网只通向一个接入点", en="the fibre network leads to one point of presence only"),
    Diversity.UNREACHED: Text(zh="光缆网不通向任何接入点", en="the fibre network leads to no point of presence"),
}
"""What each verdict means."""


@dataclass(frozen=True, eq=False, slots=True, kw_only=True)
class Distances:
    """Distances from demand points to sites, and how they came about."""

    distance_m: Floats
    """Shape (demand points, sites); infinite where there is no way."""
    network: Network | None
    """None for straight lines."""
    demand_access: Access | None
    """Where the demand points come to the network."""
    site_access: Access | None
    """Where the sites do."""
    facts: tuple[Text, ...]
    """What a reader must know: method, snapping, parts that hang together."""


@dataclass(frozen=True, eq=False, slots=True, kw_only=True)
class FibreDiversity:
    """Whether each site can be reached by two fibre routes that share nothing."""

    routes: DisjointRoutes
    """Per site."""
    access: Access
    """Where the sites come to the fibre; its snap distances are the laterals, which the routes do not hold."""
    facts: tuple[Text, ...]
    """Verdict in sum, snapping, parts that hang together."""

    def verdict(self, site: int) -> Text:
        """Say what was found for one site, with the shared stretch."""
        found = DIVERSITY_TEXT[Diversity(int(self.routes.diversity[site]))]
        if self.routes.diversity[site] != Diversity.SHARED:
            return found
        length_m, n_nodes = self.routes.shared_length_m[site], int(self.routes.n_shared_nodes[site])
        zh, en = f"{found.zh}，至少共用 {length_m:.0f} 米", f"{found.en}, {length_m:.0f} m at least"
        if n_nodes:
            zh, en = f"{zh}、{n_nodes} 处接头", f"{en}, and {n_nodes} joints"
        return Text(zh=zh, en=en)


def straight_distances(demand: gpd.GeoDataFrame, sites: gpd.GeoDataFrame, *,
                       detour_factor: float = CITY_DETOUR_FACTOR) -> Distances:
    """Measure straight lines, longer by the city's detour factor.

    Raises
    ------
    UsageError
        The factor is below 1.
    """
    distance_m = straight_cost_matrix(_shapes(demand), _shapes(sites), detour_factor=detour_factor)
    fact = Text(zh=f"距离为直线距离乘以绕行系数 {detour_factor:g}。",
                en=f"Distances are straight lines times a detour factor of {detour_factor:g}.")
    return Distances(distance_m=distance_m, network=None, demand_access=None, site_access=None, facts=(fact,))


def network_distances(demand: gpd.GeoDataFrame, sites: gpd.GeoDataFrame, lines: gpd.GeoDataFrame, *,
                      demand_id: str = "demand_id", site_id: str = "host_id", snap_m: float = SNAP_M,
                      noding: Noding = "vertices", max_snap_m: float | None = None,
                      limit_m: float | None = None) -> Distances:
    """Measure the shortest ways along a layer of lines.

    Parameters
    ----------
    demand, sites, lines
        Frames in one metric CRS.
    demand_id, site_id
        Columns that name the points.
    snap_m, noding
        How lines are joined, see :func:`gis.network.build_network`.
    max_snap_m
        Farther points do not come to the network; None for no limit.
    limit_m
        Longer ways count as none; None for no limit.

    Returns
    -------
    Distances
        With the ways to and from the network.

    Raises
    ------
    DataError
        The layer holds no line.
    """
    network = build_network(_shapes(lines), snap_m=snap_m, noding=noding)
    at, to = (snap_points(network, _shapes(f), max_snap_m=max_snap_m) for f in (demand, sites))
    distance_m = cost_matrix(network, at, to, limit_m=limit_m)
    method = Text(zh=f"距离沿线路网络量取（{len(network.length_m)} 段、{network.length_m.sum() / 1000:.0f} 公里），"
                     f"端点相距 {snap_m:g} 米以内视为相接，含点至线路的连接距离。",
                  en=f"Distances run along the lines ({len(network.length_m)} edges, "
                     f"{network.length_m.sum() / 1000:.0f} km); ends within {snap_m:g} m are joined; the ways from "
                     "the points to the lines are counted.")
    demand_words, site_words = Text(zh="需求点", en="demand points"), Text(zh="宿主", en="sites")
    facts = (method, *snapping_facts(at, _names(demand, demand_id), demand_words),
             *snapping_facts(to, _names(sites, site_id), site_words),
             *_parts_facts(network, at, _names(demand, demand_id), demand_words),
             *_parts_facts(network, to, _names(sites, site_id), site_words))
    return Distances(distance_m=distance_m, network=network, demand_access=at, site_access=to, facts=facts)


def fibre_diversity(sites: gpd.GeoDataFrame, points_of_presence: gpd.GeoDataFrame, fibre_routes: gpd.GeoDataFrame, *,
                    site_id: str = "host_id", owner_column: str = "", snap_m: float = SNAP_M,
                    noding: Noding = "crossings", max_snap_m: float | None = None,
                    is_node_disjoint: bool = False) -> FibreDiversity:
    """Tell which sites two fibre routes reach that share nothing, each from another point of presence.

    Parameters
    ----------
    sites, points_of_presence, fibre_routes
        Frames in one metric CRS.
    site_id
        Column that names the sites.
    owner_column
        Points of presence that agree in it count as one (one building, one operator); empty: each is its own.
    snap_m, noding
        See :func:`gis.network.build_network`. By default cables are taken to be joined wherever they meet,
        and cables in one duct are one way.
    max_snap_m
        Sites and points of presence farther from the fibre do not come to it; None for no limit.
    is_node_disjoint
        Routes must not pass the same joint either.

    Raises
    ------
    DataError
        The layer holds no line.
    """
    network = build_network(_shapes(fibre_routes), snap_m=snap_m, noding=noding)
    at, to = (snap_points(network, _shapes(f), max_snap_m=max_snap_m) for f in (sites, points_of_presence))
    owners = points_of_presence[owner_column].astype("category").cat.codes.to_numpy() if owner_column else None
    routes = disjoint_routes(network, at, to, owners=owners, is_node_disjoint=is_node_disjoint)
    count = {d: int((routes.diversity == d).sum()) for d in Diversity}
    total = Text(
        zh=f"光缆双路由：{len(sites)} 个宿主中，{count[Diversity.DISJOINT]} 个可引两条互不共用的路由，"
           f"{count[Diversity.SHARED]} 个必有共用段，{count[Diversity.ONE_ONLY]} 个只通一个接入点，"
           f"{count[Diversity.UNREACHED]} 个不通。",
        en=f"Two fibre routes: of {len(sites)} sites, {count[Diversity.DISJOINT]} have two that share nothing, "
           f"{count[Diversity.SHARED]} must share a stretch, {count[Diversity.ONE_ONLY]} reach one point of "
           f"presence only, {count[Diversity.UNREACHED]} none.")
    words = Text(zh="宿主", en="sites")
    names = _names(sites, site_id)
    return FibreDiversity(routes=routes, access=at, facts=(total, *snapping_facts(at, names, words),
                                                           *_parts_facts(network, at, names, words)))


def snapping_facts(access: Access, names: Sequence[str], what: Text) -> tuple[Text, ...]:
    """Say how far points had to move to the network, and which were too far."""
    facts = []
    moved = access.snap_distance_m[access.is_reached]
    if len(moved):
        facts.append(Text(zh=f"{what.zh}至线路的距离：中位数 {np.median(moved):.0f} 米，最远 {moved.max():.0f} 米。",
                          en=f"From the {what.en} to the lines: {np.median(moved):.0f} m in the median, "
                             f"{moved.max():.0f} m at most."))
    far = np.flatnonzero(access.is_reached & (access.snap_distance_m > FAR_SNAP_M))
    if len(far):
        facts.append(Text(zh=f"距线路超过 {FAR_SNAP_M:g} 米的{what.zh}：{_listed(names, far).zh}。",
                          en=f"{what.en.capitalize()} more than {FAR_SNAP_M:g} m from the lines: "
                             f"{_listed(names, far).en}."))
    lost = np.flatnonzero(~access.is_reached)
    if len(lost):
        facts.append(Text(zh=f"未接入线路的{what.zh}：{_listed(names, lost).zh}。",
                          en=f"{what.en.capitalize()} that do not come to the lines: {_listed(names, lost).en}."))
    return tuple(facts)


def _parts_facts(network: Network, access: Access, names: Sequence[str], what: Text) -> tuple[Text, ...]:
    """Name the points that lie in a part of the network of their own."""
    n_parts = len(network.component_length_m)
    if n_parts == 1:
        return ()
    component = component_of(network, access)
    facts = [Text(zh=f"线路分为互不相连的 {n_parts} 片，最大一片占总长 {network.component_share[0]:.1%}。",
                  en=f"The lines fall into {n_parts} parts that do not meet; the largest holds "
                     f"{network.component_share[0]:.1%} of the length.")]
    for part in np.unique(component[component > 0])[:N_NAMED]:
        rows = np.flatnonzero(component == part)
        share = network.component_share[part]
        facts.append(Text(zh=f"位于第 {part + 1} 片（占总长 {share:.1%}）的{what.zh}：{_listed(names, rows).zh}。",
                          en=f"{what.en.capitalize()} in part {part + 1} ({share:.1%} of the length): "
                             f"{_listed(names, rows).en}."))
    return tuple(facts)


def _listed(names: Sequence[str], rows: Integers) -> Text:
    shown = [names[i] for i in rows[:N_NAMED]]
    more = len(rows) - len(shown)
    return Text(zh="、".join(shown) + (f" 等 {len(rows)} 个" if more else ""),
                en=", ".join(shown) + (f" and {more} more" if more else ""))


def _names(frame: gpd.GeoDataFrame, column: str) -> list[str]:
    return [str(v) for v in (frame[column] if column in frame.columns else frame.index)]


def _shapes(frame: gpd.GeoDataFrame) -> NDArray[np.object_]:
    return np.asarray(frame.geometry.array, dtype=object)
