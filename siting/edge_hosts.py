"""Places that may house an edge centre, and the substations that could feed them."""

from __future__ import annotations

from dataclasses import dataclass, replace

import geopandas as gpd
import numpy as np
import pandas as pd
import shapely
from numpy.typing import NDArray

from gis import proximity
from gis.bilingual import Text
from gis.errors import InfeasibleError, LayerNotFoundError
from layers.schemas import LAYERS
from layers.types import CityLayers
from siting.pack import CityPack
from siting.plan_settings import EdgeSettings, HostKind
from siting.power import Feeds, PowerRules, feeds_for
from siting.power_table import load_power_table

EDGE_PUE = 1.5
"""PUE by which an edge centre is fed where the pack has no class ``edge``: the limit of both plans (Z-22, C-9)."""


@dataclass(frozen=True, eq=False, slots=True)
class EdgeHosts:
    """Places that may house an edge centre."""

    frame: gpd.GeoDataFrame
    """host_id, host_kind, name, preference, is_too_near (a ``should`` setback is missed), certainty, geometry
    (point)."""
    substations: gpd.GeoDataFrame
    """Those of the layer that can feed one."""
    feeds: Feeds
    """Of each host, as if it were alone."""
    facts: tuple[Text, ...] = ()
    """Which hosts were left out, and which tests could not be made."""


def edge_settings(pack: CityPack) -> EdgeSettings:
    """Return how the pack places edge centres.

    Raises
    ------
    InfeasibleError
        Its plan is too coarse for single edge centres.
    """
    if pack.edge is None:
        raise InfeasibleError(
            f"pack {pack.city!r} places no single edge centres; run the pack of a city, or add a table [edge]",
            f"城市包 {pack.city!r} 不布设单个边缘数据中心；请使用城市的规则包，或补充 [edge] 表")
    return pack.edge


def edge_pue(pack: CityPack) -> float:
    """Return the PUE limit of the pack's edge class."""
    return next((c.pue_max for c in pack.site_classes if c.class_id == "edge"), EDGE_PUE)


def find_hosts(city_layers: CityLayers, pack: CityPack) -> EdgeHosts:
    """Return the hosts of all kinds in the study area that a substation within the feed radius can supply.

    Raises
    ------
    LayerNotFoundError
        There is no substation layer, or no host layer.
    InfeasibleError
        The pack places no edge centres.
    """
    settings = edge_settings(pack)
    kinds = [kind for kind in settings.host_kinds if city_layers.has(kind.layer)]
    if not kinds or not city_layers.has("substations"):
        names = ", ".join(k.layer for k in settings.host_kinds)
        raise LayerNotFoundError(
            f"edge centres need the layer substations and one of: {names}",
            f"布设边缘数据中心需要变电站图层以及以下任一图层：{names}",
        )
    substations = _feeding(city_layers, settings)
    frame = gpd.GeoDataFrame(pd.concat([_hosts_of(city_layers, kind) for kind in kinds], ignore_index=True),
                             geometry="outline", crs=city_layers.metric_crs)
    frame = frame[shapely.intersects(np.asarray(frame["outline"].array), city_layers.area_of_interest)]
    frame, facts = _kept(frame.reset_index(drop=True), city_layers, settings)
    points = frame.drop(columns="outline").set_geometry(gpd.GeoSeries(
        shapely.point_on_surface(np.asarray(frame["outline"].array)), crs=city_layers.metric_crs))
    if substations.empty:
        raise LayerNotFoundError("no substation has a voltage that can feed an edge centre; check voltage_kv",
                                 "没有电压等级适合为边缘数据中心供电的变电站；请检查 voltage_kv 字段")
    # A third of a MVA is no reason to leave a host out on a guess: headroom that no layer states hinders nothing.
    rules = PowerRules(table=load_power_table(), reach_m=settings.feed_radius_m, is_assuming=False)
    feeds = feeds_for(np.asarray(points.geometry.array), settings.it_load_kw, edge_pue(pack), substations, rules)
    return _supplied(EdgeHosts(points, substations, feeds, facts))


def _supplied(hosts: EdgeHosts) -> EdgeHosts:
    """Leave out the hosts that no substation in reach can feed; those with one feed alone stay."""
    is_fed = hosts.feeds.feed[:, 0] >= 0
    n_dark = int((~is_fed).sum())
    told = Text(zh=f"{n_dark} 个宿主在供电半径内没有余量足够的变电站，未参与布设。",
                en=f"{n_dark} hosts have no substation with room for them within the feed radius and were left out.")
    return replace(select(hosts, np.flatnonzero(is_fed)), facts=(*hosts.facts, *([told] if n_dark else [])))


def select(hosts: EdgeHosts, rows: NDArray[np.int64]) -> EdgeHosts:
    """Return some of the hosts, with their feeds."""
    return EdgeHosts(hosts.frame.iloc[rows].reset_index(drop=True), hosts.substations, hosts.feeds.at(rows),
                     hosts.facts)


def _feeding(city_layers: CityLayers, settings: EdgeSettings) -> gpd.GeoDataFrame:
    """Substations of a voltage that can feed an edge centre (those that may host one)."""
    kind = next((k for k in settings.host_kinds if k.layer == "substations"), None)
    frame = city_layers.frame("substations")
    return frame if kind is None else frame[kind.admits(frame)].reset_index(drop=True)


def _hosts_of(city_layers: CityLayers, kind: HostKind) -> pd.DataFrame:
    frame = city_layers.frame(kind.layer)
    frame = frame[kind.admits(frame)]
    ids = frame[LAYERS[kind.layer].id_column].astype(str)
    return pd.DataFrame({
        "host_id": ids, "host_kind": kind.layer, "preference": kind.preference,
        "name": frame["name"].fillna(ids) if "name" in frame.columns else ids, "certainty": frame["certainty"],
        "outline": frame.geometry,
    })


def _kept(frame: gpd.GeoDataFrame, city_layers: CityLayers,
          settings: EdgeSettings) -> tuple[gpd.GeoDataFrame, tuple[Text, ...]]:
    """Leave out hosts that are too small or too near to what they would disturb."""
    facts: list[Text] = []
    area = shapely.area(np.asarray(frame["outline"].array))
    small = (area > 0) & (area < settings.min_host_area_m2)
    if small.any():
        facts.append(Text(zh=f"{int(small.sum())} 个宿主面积不足 {settings.min_host_area_m2:g} 平方米，未参与布设。",
                          en=f"{int(small.sum())} hosts are smaller than {settings.min_host_area_m2:g} m² and were "
                             "left out."))
    keep, second = ~small, np.zeros(len(frame), dtype=np.bool_)
    for setback in settings.setbacks:
        title = LAYERS[setback.layer].title
        if not city_layers.has(setback.layer):
            facts.append(Text(zh=f"缺少图层{title.zh}，未检验宿主退距：{setback.title.zh}。",
                              en=f"No layer {title.en}: the setback of hosts was not tested "
                                 f"({setback.title.en})."))
            continue
        features = np.asarray(city_layers.frame(setback.layer).geometry.array)
        near = proximity.nearest(np.asarray(frame["outline"].array), features).distance_m < setback.distance_m
        is_binding = setback.strictness == "shall"
        if near.any():
            then = (Text(zh="未参与布设", en="were left out") if is_binding
                    else Text(zh="仅在没有更合适宿主时选用", en="are second choice"))
            facts.append(Text(
                zh=f"{int(near.sum())} 个宿主距{title.zh}不足 {setback.distance_m:g} 米"
                   f"（{setback.title.zh}），{then.zh}。",
                en=f"{int(near.sum())} hosts lie within {setback.distance_m:g} m of {title.en.lower()} "
                   f"({setback.title.en}) and {then.en}."))
        keep, second = (keep & ~near, second) if is_binding else (keep, second | near)
    return frame.assign(is_too_near=second)[keep].reset_index(drop=True), tuple(facts)
