"""Substations that could hold storage and a data centre as well (三站合一).

The clause wants such stations; it names no size. What a station is rated for follows from its headroom and a
second feed, what it has room for from what the layers say of its ground, and where they say nothing, nothing is
claimed.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

import geopandas as gpd
import numpy as np
import shapely
from numpy.typing import NDArray

from gis.bilingual import Text
from siting.headroom import HeadroomBasis
from siting.power import Feeds, PowerRules, feeds_for
from siting.power_table import ThreeInOne, load_power_table

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]

FREE_LAND_USES = ("utility", "vacant", "industrial", "warehouse")
"""Land beside a station that may be its room."""

VERDICT_TEXT: Mapping[str, Text] = MappingProxyType({
    "fit": Text(zh="有余地、容量与第二电源，可三站合一", en="room, headroom and a second feed: fit"),
    "room_unknown": Text(zh="容量与第二电源具备，用地余量未知", en="headroom and a second feed; its room is unknown"),
    "no_room": Text(zh="用地余量不足", en="too little room"),
    "no_headroom": Text(zh="自身容量不足", en="too little headroom of its own"),
    "no_second_feed": Text(zh="缺第二路电源", en="no second feed"),
})
"""What a reader is told of each station, best first."""

ROOM_TEXT: Mapping[str, Text] = MappingProxyType({
    "stated": Text(zh="图层给出", en="stated by the layer"),
    "adjoining": Text(zh="毗邻可用地块", en="free land adjoining"),
    "outline": Text(zh="站界面积减去同电压等级典型站区（假定）",
                    en="outline less a typical yard of the voltage (assumed)"),
    "unknown": Text(zh="未知", en="unknown"),
})
"""How the room is known."""


def required_area_m2(it_load_kw: float, pue: float, wanted: ThreeInOne) -> float:
    """Return the ground that a data centre and its storage take, m2."""
    storage_mwh = it_load_kw * pue * wanted.storage_hours / 1000.0
    return it_load_kw / 100.0 * wanted.data_centre_m2_per_100_kw + storage_mwh * wanted.storage_m2_per_mwh


def three_in_one_hosts(substations: gpd.GeoDataFrame, pue: float, *, it_load_kw: float | None = None,
                       parcels: gpd.GeoDataFrame | None = None, rules: PowerRules | None = None) -> gpd.GeoDataFrame:
    """Find the substations that could hold storage and a data centre.

    Parameters
    ----------
    substations
        The layer; where known with ``free_area_m2`` (room that its owner states).
    pue
        Of the data centre.
    it_load_kw
        Its IT load; None for the table's (an edge centre, 250 kW). Never more than that.
    parcels
        Land; vacant, utility, industrial and warehouse parcels beside a station count as its room (the largest).
    rules
        How it is supplied; None for the shared table. Two feeds are always asked for: its own and another.

    Returns
    -------
    geopandas.GeoDataFrame
        Stations of a fitting voltage, the fittest first: ``substation_id, name, voltage_kv, verdict`` (a key of
        ``VERDICT_TEXT``), ``load_mva, headroom_mva, headroom_basis, room_m2, room_basis`` (of ``ROOM_TEXT``),
        ``required_area_m2, storage_mwh, it_capacity_kw`` (what headroom and room allow, at most the limit; NaN where
        the room is unknown), ``second_feed_id, second_feed_connection_m, independence, certainty, geometry``.
    """
    asked = rules or PowerRules(table=load_power_table())
    wanted = asked.table.three_in_one
    load_kw = min(it_load_kw or wanted.it_load_kw, wanted.it_load_kw)
    voltage_kv = substations["voltage_kv"].to_numpy(dtype=np.float64, na_value=np.nan)
    rows = np.flatnonzero((voltage_kv >= wanted.min_voltage_kv) & (voltage_kv <= wanted.max_voltage_kv))
    hosts = substations.iloc[rows].reset_index(drop=True)
    if hosts.empty:
        return gpd.GeoDataFrame({"substation_id": [], "verdict": []}, geometry=[], crs=substations.crs)
    feeds = feeds_for(np.asarray(hosts.geometry.array, dtype=object), load_kw, pue, substations, asked)
    second = _second_feed(feeds, rows)
    found = gpd.GeoDataFrame({
        "substation_id": hosts["substation_id"], "name": hosts.get("name", hosts["substation_id"]),
        "voltage_kv": voltage_kv[rows], **_fitness(feeds, rows, second, hosts, load_kw, pue, asked, parcels),
        **_second_feed_columns(feeds, rows, second, hosts, substations), "certainty": hosts.get("certainty", "assumed"),
    }, geometry=hosts.geometry.to_numpy(), crs=substations.crs)
    rank = found["verdict"].map({key: place for place, key in enumerate(VERDICT_TEXT)})
    return found.assign(_rank=rank).sort_values(
        ["_rank", "headroom_mva", "substation_id"], ascending=[True, False, True], ignore_index=True,
    ).drop(columns="_rank")


def _fitness(feeds: Feeds, rows: Integers, second: Integers, hosts: gpd.GeoDataFrame, load_kw: float, pue: float,
             asked: PowerRules, parcels: gpd.GeoDataFrame | None) -> dict[str, Any]:
    """Columns that say what each station has, what is asked, and the verdict."""
    wanted = asked.table.three_in_one
    room_m2, room_basis = room_of(hosts, asked, parcels)
    area_m2, headroom_mva = required_area_m2(load_kw, pue, wanted), feeds.headroom_mva[rows]
    rated_kw = headroom_mva * asked.table.power_factor / pue * 1000.0
    bases = np.array([b.name.lower() for b in HeadroomBasis], dtype=object)
    return {
        "verdict": np.select([headroom_mva < feeds.load_mva, second < 0, np.isnan(room_m2), room_m2 < area_m2],
                             ["no_headroom", "no_second_feed", "room_unknown", "no_room"], "fit"),
        "load_mva": feeds.load_mva, "headroom_mva": headroom_mva, "headroom_basis": bases[feeds.headroom_basis[rows]],
        "room_m2": room_m2, "room_basis": room_basis, "required_area_m2": area_m2,
        "storage_mwh": load_kw * pue * wanted.storage_hours / 1000.0,
        "it_capacity_kw": np.minimum(np.minimum(rated_kw, room_m2 / area_m2 * load_kw), load_kw),
    }


def _second_feed_columns(feeds: Feeds, rows: Integers, second: Integers, hosts: gpd.GeoDataFrame,
                         substations: gpd.GeoDataFrame) -> dict[str, Any]:
    ids, shapes = substations["substation_id"].to_numpy(dtype=object), np.asarray(substations.geometry.array)
    distance_m = shapely.distance(np.asarray(hosts.geometry.array), shapes[second])
    is_known = (feeds.parent[rows] >= 0) & (feeds.parent[second] >= 0)
    independence = np.select([second < 0, _hang_together(feeds, rows, second), is_known],
                             ["none", "common_parent", "independent"], "unknown")
    return {"second_feed_id": [ids[s] if s >= 0 else None for s in second],
            "second_feed_connection_m": np.where(second >= 0, distance_m * feeds.detour_factor, np.nan),
            "independence": independence.astype(object)}


def room_of(hosts: gpd.GeoDataFrame, rules: PowerRules,
            parcels: gpd.GeoDataFrame | None) -> tuple[Floats, NDArray[np.object_]]:
    """Return the room of each station, m2 (NaN where unknown), and how it is known (a key of ``ROOM_TEXT``)."""
    shapes = np.asarray(hosts.geometry.array, dtype=object)
    room_m2, basis = np.full(len(hosts), np.nan), np.full(len(hosts), "unknown", dtype=object)
    kind = rules.table.station_of(hosts["voltage_kv"].to_numpy(dtype=np.float64))
    yard_m2 = np.array([s.yard_m2 for s in rules.table.stations])[kind]
    has_outline = shapely.area(shapes) > 0.0
    room_m2[has_outline] = np.maximum(shapely.area(shapes) - yard_m2, 0.0)[has_outline]
    basis[has_outline] = "outline"
    beside_m2 = _adjoining(shapes, parcels, rules.table.three_in_one.adjoining_m)
    is_larger = beside_m2 > np.nan_to_num(room_m2, nan=0.0)
    room_m2[is_larger], basis[is_larger] = beside_m2[is_larger], "adjoining"
    if "free_area_m2" in hosts.columns:
        stated = hosts["free_area_m2"].to_numpy(dtype=np.float64, na_value=np.nan)
        is_stated = np.isfinite(stated)
        room_m2[is_stated], basis[is_stated] = stated[is_stated], "stated"
    return room_m2, basis


def _adjoining(shapes: NDArray[Any], parcels: gpd.GeoDataFrame | None, adjoining_m: float) -> Floats:
    """Area of the largest free parcel beside each station, m2; NaN where there is none."""
    found = np.full(len(shapes), np.nan)
    if parcels is None or "land_use" not in parcels.columns:
        return found
    free = np.asarray(parcels.geometry.array, dtype=object)[parcels["land_use"].isin(FREE_LAND_USES).to_numpy()]
    station, parcel = shapely.STRtree(free).query(shapes, predicate="dwithin", distance=adjoining_m)
    largest = np.full(len(shapes), -np.inf)
    np.maximum.at(largest, station, shapely.area(free[parcel]))
    return np.where(np.isfinite(largest), largest, np.nan)


def _second_feed(feeds: Feeds, rows: Integers) -> Integers:
    """Return the nearest other station with the load to spare, on another parent where there is one; -1 for none."""
    other = feeds.station
    is_able = feeds.is_in_reach & ~(feeds.headroom_mva[other] < feeds.load_mva[:, None])
    is_able &= feeds.own[other] != feeds.own[rows, None]
    is_apart = is_able & ~_hang_together(feeds, rows[:, None], other)
    liked = np.where(is_apart.any(axis=1, keepdims=True), is_apart, is_able)
    nearest = np.take_along_axis(other, liked.argmax(axis=1)[:, None], axis=1)[:, 0]
    return np.where(liked.any(axis=1), nearest, -1)


def _hang_together(feeds: Feeds, a: Integers, b: Integers) -> NDArray[np.bool_]:
    parent_a, parent_b = feeds.parent[a], feeds.parent[b]
    return np.asarray(((parent_a >= 0) & (parent_a == parent_b)) | (parent_a == feeds.own[b])
                      | (parent_b == feeds.own[a]), dtype=np.bool_)
