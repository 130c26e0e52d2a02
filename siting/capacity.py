"""Lays the capacity that the plan wants out over parcels and zones, under land, power and policy."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType

import geopandas as gpd
import numpy as np
import pandas as pd
import shapely
from numpy.typing import NDArray

from gis import proximity
from gis.bilingual import Text
from gis.errors import InfeasibleError, LayerNotFoundError
from layers.types import CERTAINTIES, CityLayers
from siting.capacity_program import (
    PLACED,
    CapacityAnswer,
    CapacityProblem,
    lay_out_capacity,
    relaxed_load,
    usable_parcels,
)
from siting.headroom import HeadroomBasis, headroom_of
from siting.pack import CityPack, Permission
from siting.plan_settings import CapacityReading, CapacitySettings
from siting.power import site_load_mva
from siting.power_table import load_power_table
from siting.types import Bottleneck, CapacityPlan, SiteScores

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]

N_SUBSTATIONS = 6
"""Substations that a parcel may be fed from: the nearest ones within the feed radius of its class."""

HOURS = 8760.0

SETTING_WORDS: Mapping[str, Text] = MappingProxyType({
    "racks_per_ha": Text(zh="每公顷机架数", en="racks per hectare"),
    "racks_per_ha_max": Text(zh="每公顷机架数上限", en="most racks per hectare"),
    "max_it_load_kw": Text(zh="园区最大 IT 负荷", en="largest campus"),
    "max_voltage_kv": Text(zh="直接供电的最高电压", en="highest voltage that feeds a campus"),
    "n_feeds": Text(zh="电源数", en="number of feeds"),
    "water_l_per_kwh": Text(zh="单位电量用水", en="water per kWh"),
    "renewable_share": Text(zh="可再生能源占比", en="renewable share"),
    "score_per_km": Text(zh="每公里接入折减得分", en="score that a kilometre of connection costs"),
})
"""What a reader calls the settings that may be assumed."""


@dataclass(frozen=True, eq=False, slots=True, kw_only=True)
class _Grid:
    """Substations that can feed a campus."""

    frame: gpd.GeoDataFrame
    headroom_mva: Floats
    is_assumed: NDArray[np.bool_]
    """The layer does not say what is free there: it was reckoned from typical stations of the voltage."""


def plan_capacity(candidates: gpd.GeoDataFrame, scores: SiteScores, units: gpd.GeoDataFrame, city_layers: CityLayers,
                  pack: CityPack, reading: CapacityReading, *, existing_mw: float = 0.0,
                  reserved_mva: dict[str, float] | None = None, years: tuple[tuple[int, float], ...] = (),
                  time_limit_s: float = 600.0) -> CapacityPlan:
    """Choose campuses and their loads for one reading of the plan's target.

    Parameters
    ----------
    candidates
        Frame of ``n`` candidates with ``parcel_id, unit_id, zone_id, area_m2, certainty`` in the metric CRS.
    scores
        Their scores for the class of the pack's capacity settings; excluded candidates take nothing.
    units
        Units of the city's plan.
    city_layers
        Holds ``substations``.
    pack
        With capacity settings.
    reading
        What the target is taken to mean.
    existing_mw
        MW of IT that stand already and count towards the target.
    reserved_mva
        MVA that other plans take, by substation id (edge centres).
    years
        Years and the share of the target to be reached by each, rising to 1; campuses of greater merit come first.
    time_limit_s
        When the search among campuses stops with what was proven so far.

    Raises
    ------
    LayerNotFoundError
        There are no substations, or none of a fitting voltage.
    InfeasibleError
        No eligible candidate holds a campus of the class and reaches enough substations.
    """
    settings = capacity_settings(pack)
    site_class = pack.site_class(settings.site_class)
    grid = _grid(city_layers, pack, settings, reserved_mva or {})
    land_mw = _land_mw(candidates, settings, reading)
    minimum_mw = site_class.min_standard_racks * pack.standard_rack_kw / 1000.0
    # What is excluded or too small is no column of the program: of a million parcels some thousands are left.
    rows = np.flatnonzero(scores.eligible & (land_mw >= minimum_mw) & (land_mw > 0))
    own = candidates.iloc[rows]
    problem = _problem(own, scores.score[rows], land_mw[rows], minimum_mw, grid, pack, reading, existing_mw)
    _require_usable(problem, int(scores.eligible.sum()), settings)
    answer = lay_out_capacity(problem, time_limit_s=time_limit_s)
    chosen = np.flatnonzero(answer.load_mw > 0)
    chosen = chosen[np.argsort(-problem.score[chosen], kind="stable")]
    it_load_mw = float(answer.load_mw.sum())
    energy_gwh = it_load_mw * reading.use_rate * site_class.pue_max * HOURS / 1000.0
    permissions = [None if (p := scores.permissions[i]) is None else p.permission for i in rows[chosen].tolist()]
    sites = _sites(own.iloc[chosen], permissions, chosen, answer, problem, grid, site_class.pue_max, reading).assign(
        year=_years(answer.load_mw[chosen], years, problem.target_mw, existing_mw))
    return CapacityPlan(
        reading=reading, sites=sites, feeds=_feeds(sites, chosen, answer, problem, grid),
        by_unit=_by_unit(sites, units, settings), by_substation=_by_substation(chosen, answer, problem, grid),
        target_mw=problem.target_mw + existing_mw, existing_mw=existing_mw, it_load_mw=it_load_mw,
        facility_load_mw=it_load_mw * site_class.pue_max, load_mva=it_load_mw * problem.mva_per_mw,
        energy_gwh=energy_gwh,
        water_m3=it_load_mw * reading.use_rate * HOURS * 1000.0 * settings.water_l_per_kwh / 1000.0,
        renewable_gwh=energy_gwh * settings.renewable_share,
        bottlenecks=_bottlenecks(problem, settings), substation_prices=_used_up(answer, problem, grid),
        optimality_gap=answer.optimality_gap, solver_status=answer.solver_status,
        facts=_facts(problem, answer, grid, settings, existing_mw),
    )


@dataclass(frozen=True, eq=False, slots=True, kw_only=True)
class CapacityCase:
    """A capacity layout to be made, and where its substations are in their layer."""

    problem: CapacityProblem
    stations: Integers
    """Row of the layer ``substations`` of each substation of the problem, shape (m,)."""
    taken_mva: Floats
    """What other plans take of each, shape (m,)."""


def capacity_case(candidates: gpd.GeoDataFrame, score: Floats, city_layers: CityLayers, pack: CityPack,
                  reading: CapacityReading, *, existing_mw: float = 0.0,
                  reserved_mva: dict[str, float] | None = None) -> CapacityCase:
    """Return the problem that :func:`plan_capacity` solves, with every candidate allowed.

    Parameters
    ----------
    candidates
        As for :func:`plan_capacity`, eligible or not; ``land_mw`` of those that are not must be set to 0.
    score
        Per candidate.
    city_layers, pack, reading, existing_mw, reserved_mva
        As for :func:`plan_capacity`.
    """
    settings, reserved = capacity_settings(pack), reserved_mva or {}
    site_class = pack.site_class(settings.site_class)
    grid = _grid(city_layers, pack, settings, reserved)
    minimum_mw = site_class.min_standard_racks * pack.standard_rack_kw / 1000.0
    problem = _problem(candidates, score, _land_mw(candidates, settings, reading), minimum_mw, grid, pack, reading,
                       existing_mw)
    rows = np.flatnonzero(_can_feed(city_layers.frame("substations"), site_class.supply_voltage_kv, settings))
    return CapacityCase(problem=problem, stations=rows, taken_mva=_taken(grid.frame, reserved))


def capacity_settings(pack: CityPack) -> CapacitySettings:
    """Return how the pack lays out capacity.

    Raises
    ------
    InfeasibleError
        The pack wants no quantity built.
    """
    if pack.capacity is None:
        raise InfeasibleError(f"pack {pack.city!r} states no capacity to lay out; add a table [capacity]",
                              f"城市包 {pack.city!r} 没有容量目标；请补充 [capacity] 表")
    return pack.capacity


def _grid(city_layers: CityLayers, pack: CityPack, settings: CapacitySettings, reserved: dict[str, float]) -> _Grid:
    lowest = pack.site_class(settings.site_class).supply_voltage_kv
    if not city_layers.has("substations"):
        raise LayerNotFoundError("a capacity layout needs the layer substations", "容量布局需要变电站图层")
    frame = city_layers.frame("substations")
    frame = frame[_can_feed(frame, lowest, settings)].reset_index(drop=True)
    if frame.empty:
        raise LayerNotFoundError(
            f"no substation has {lowest:g} to {settings.max_voltage_kv:g} kV; add them to the layer substations",
            f"变电站图层中没有 {lowest:g}–{settings.max_voltage_kv:g} 千伏的变电站；请补充")
    headroom = headroom_of(frame, load_power_table())
    free = np.maximum(0.0, np.nan_to_num(headroom.headroom_mva) - _taken(frame, reserved))
    return _Grid(frame=frame, headroom_mva=free, is_assumed=headroom.basis > HeadroomBasis.COMPUTED)


def _can_feed(substations: gpd.GeoDataFrame, lowest_kv: float, settings: CapacitySettings) -> NDArray[np.bool_]:
    voltage = substations["voltage_kv"].to_numpy(dtype=np.float64)
    return np.asarray((voltage >= lowest_kv) & (voltage <= settings.max_voltage_kv), dtype=np.bool_)


def _taken(substations: gpd.GeoDataFrame, reserved: dict[str, float]) -> Floats:
    return np.array([reserved.get(str(key), 0.0) for key in substations["substation_id"]], dtype=np.float64)


def _land_mw(candidates: gpd.GeoDataFrame, settings: CapacitySettings, reading: CapacityReading) -> Floats:
    """Return the IT load that each plot holds, up to the largest campus."""
    racks = candidates["area_m2"].to_numpy(dtype=np.float64) / 1e4 * settings.racks_per_ha
    return np.asarray(np.minimum(racks * reading.rack_kw, settings.max_it_load_kw) / 1000.0, dtype=np.float64)


def _problem(own: gpd.GeoDataFrame, score: Floats, land_mw: Floats, minimum_mw: float, grid: _Grid, pack: CityPack,
             reading: CapacityReading, existing_mw: float) -> CapacityProblem:
    settings = capacity_settings(pack)
    site_class = pack.site_class(settings.site_class)
    near = proximity.k_nearest(np.asarray(own.geometry.array, dtype=object),
                               np.asarray(grid.frame.geometry.array), min(N_SUBSTATIONS, len(grid.frame)))
    reached = (near.index >= 0) & (near.distance_m <= site_class.feed_radius_m)
    target_mw = max(0.0, reading.rack_count * reading.rack_kw / 1000.0 - existing_mw)
    zones = own["zone_id"].to_numpy(dtype=object)
    return CapacityProblem(
        land_mw=land_mw, minimum_mw=minimum_mw, score=score,
        feed=np.where(reached, near.index, -1), feed_km=np.where(reached, near.distance_m / 1000.0, 0.0),
        headroom_mva=grid.headroom_mva, mva_per_mw=float(site_load_mva(1000.0, site_class.pue_max,
                                                                       load_power_table().power_factor)),
        n_feeds=settings.n_feeds,
        in_group=np.array([zones == limit.zone_id for limit in settings.limits], dtype=np.bool_).reshape(
            len(settings.limits), len(zones)),
        group_least_mw=np.array([limit.min_share * target_mw for limit in settings.limits]),
        group_most_mw=np.array([limit.max_share * target_mw for limit in settings.limits]),
        target_mw=target_mw, score_per_km=settings.score_per_km,
    )


def _require_usable(problem: CapacityProblem, n_eligible: int, settings: CapacitySettings) -> None:
    if usable_parcels(problem).any() or problem.target_mw <= 0:
        return
    n_roomy = len(problem.land_mw)
    raise InfeasibleError(
        f"no candidate can take a campus: {n_eligible} are eligible, {n_roomy} of them hold the smallest campus of "
        f"{problem.minimum_mw:g} MW, and none of those reaches {settings.n_feeds} substations; add substations or "
        "parcels, or lower n_feeds",
        f"没有可布置园区的地块：{n_eligible} 个地块符合条件，其中 {n_roomy} 个能容纳最小园区 "
        f"{problem.minimum_mw:g} 兆瓦，但均不能由 {settings.n_feeds} 座变电站供电；请补充变电站或地块，或降低 n_feeds")


def _sites(own: gpd.GeoDataFrame, permissions: list[Permission | None], chosen: Integers, answer: CapacityAnswer,
           problem: CapacityProblem, grid: _Grid, pue: float, reading: CapacityReading) -> gpd.GeoDataFrame:
    load = answer.load_mw[chosen]
    used = answer.feed_mw[chosen] > 1e-9
    columns = {
        "capacity_site_id": np.array([f"K{i:03d}" for i in range(1, len(chosen) + 1)], dtype=object),
        "parcel_id": own["parcel_id"].astype(str).to_numpy(dtype=object),
        "unit_id": own["unit_id"].to_numpy(dtype=object), "zone_id": own["zone_id"].to_numpy(dtype=object),
        "rack_count": np.floor(load * 1000.0 / reading.rack_kw + 1e-6).astype(np.int64),
        "it_load_mw": np.round(load, 3), "facility_load_mw": np.round(load * pue, 3),
        "load_mva": np.round(load * problem.mva_per_mw, 3), "score": np.round(problem.score[chosen], 6),
        "area_m2": own["area_m2"].to_numpy(dtype=np.float64), "permission": np.array(permissions, dtype=object),
        "n_substations": used.sum(axis=1),
        "connection_km": np.round(np.where(used, problem.feed_km[chosen], 0.0).sum(axis=1), 3),
        "certainty": np.array(_least_certain(own, problem.feed[chosen], used, grid), dtype=object),
    }
    return gpd.GeoDataFrame(columns, geometry=own.geometry.array, crs=own.crs)


def _years(load: Floats, years: tuple[tuple[int, float], ...], target_mw: float,
           existing_mw: float) -> NDArray[np.object_]:
    """Give each campus, best first, the year by which the load before it falls short of the share wanted."""
    if not years:
        return np.full(len(load), None, dtype=object)
    whole = target_mw + existing_mw
    before = existing_mw + np.concatenate([[0.0], np.cumsum(load)[:-1]]) if len(load) else np.empty(0)
    wanted = np.array([share * whole for _, share in sorted(years)])
    when = np.minimum(np.searchsorted(wanted, before + 1e-9, side="left"), len(wanted) - 1)
    return np.array([sorted(years)[int(i)][0] for i in when], dtype=object)


def _least_certain(own: gpd.GeoDataFrame, feed: Integers, used: NDArray[np.bool_], grid: _Grid) -> list[str]:
    """Return the certainty of each site: that of the least certain of its parcel and the substations it uses."""
    order: list[str] = list(CERTAINTIES)
    of_station = [max(str(c), "assumed", key=order.index) if assumed else str(c)
                  for c, assumed in zip(grid.frame["certainty"], grid.is_assumed, strict=True)]
    return [max([str(c), *(of_station[j] for j in stations[flags])], key=order.index)
            for c, stations, flags in zip(own["certainty"], feed, used, strict=True)]


def _feeds(sites: gpd.GeoDataFrame, chosen: Integers, answer: CapacityAnswer, problem: CapacityProblem,
           grid: _Grid) -> gpd.GeoDataFrame:
    """Straight connections from each campus to the substations that must be able to carry its load."""
    row, place = np.nonzero(answer.feed_mw[chosen] > 1e-9)
    station = problem.feed[chosen][row, place]
    stations = grid.frame.iloc[station]
    lines = shapely.shortest_line(np.asarray(sites.geometry.array)[row], np.asarray(stations.geometry.array))
    return gpd.GeoDataFrame({
        "capacity_site_id": sites["capacity_site_id"].to_numpy(dtype=object)[row],
        "substation_id": stations["substation_id"].astype(str).to_numpy(dtype=object),
        "voltage_kv": stations["voltage_kv"].to_numpy(dtype=np.float64),
        "load_mva": np.round(answer.feed_mw[chosen][row, place] * problem.mva_per_mw, 3),
        "distance_m": np.round(problem.feed_km[chosen][row, place] * 1000.0, 1),
        "certainty": sites["certainty"].to_numpy(dtype=object)[row],
    }, geometry=lines, crs=sites.crs)


def _by_unit(sites: gpd.GeoDataFrame, units: gpd.GeoDataFrame, settings: CapacitySettings) -> pd.DataFrame:
    known = {k.unit_id: k.share for k in settings.known_shares}
    total = float(sites["it_load_mw"].sum())
    grouped = sites.groupby("unit_id").agg(n_sites=("rack_count", "size"), rack_count=("rack_count", "sum"),
                                           it_load_mw=("it_load_mw", "sum"))
    frame = pd.DataFrame({"unit_id": units["unit_id"].to_numpy(dtype=object),
                          "zone_id": units["zone_id"].to_numpy(dtype=object)}).join(grouped, on="unit_id")
    counts = {c: frame[c].fillna(0).astype(np.int64) for c in ("n_sites", "rack_count")}
    load = frame["it_load_mw"].fillna(0.0)
    return frame.assign(**counts, it_load_mw=load.round(3), share=(load / total if total > 0 else load).round(4),
                        known_share=[known.get(str(u), np.nan) for u in frame["unit_id"]])


def _by_substation(chosen: Integers, answer: CapacityAnswer, problem: CapacityProblem, grid: _Grid) -> pd.DataFrame:
    carried = answer.feed_mw[chosen]
    load = np.bincount(np.maximum(problem.feed[chosen], 0).ravel(), weights=carried.ravel(),
                       minlength=len(grid.frame)) * problem.mva_per_mw
    used = np.flatnonzero(load > 1e-9)
    frame = grid.frame.iloc[used]
    return pd.DataFrame({
        "substation_id": frame["substation_id"].astype(str).to_numpy(dtype=object),
        "name": frame["name"].to_numpy(dtype=object) if "name" in frame.columns else np.full(len(used), None, object),
        "voltage_kv": frame["voltage_kv"].to_numpy(dtype=np.float64),
        "headroom_mva": grid.headroom_mva[used].round(3), "headroom_assumed": grid.is_assumed[used],
        "load_mva": load[used].round(3),
    }).sort_values("load_mva", ascending=False, kind="stable", ignore_index=True)


def _bottlenecks(problem: CapacityProblem, settings: CapacitySettings) -> tuple[Bottleneck, ...]:
    """Say what each constraint costs: what the layout would gain without it, before campuses are rounded."""
    placed, merit = relaxed_load(problem)
    denser = settings.racks_per_ha_max / settings.racks_per_ha
    unlimited = np.full(len(problem.headroom_mva), 1e9)
    without = (
        (Text(zh="变电站可用容量", en="substation headroom"), replace(problem, headroom_mva=unlimited)),
        (Text(zh="双电源（任一变电站停运仍可全额供电）", en="two feeds (whole load with any one substation out)"),
         replace(problem, n_feeds=1)),
        (Text(zh="各区容量占比限制", en="limits on the shares of zones"),
         replace(problem, group_least_mw=np.zeros_like(problem.group_least_mw),
                 group_most_mw=np.full_like(problem.group_most_mw, 1e9))),
        (Text(zh=f"用地强度（每公顷 {settings.racks_per_ha:g} 架提高到 {settings.racks_per_ha_max:g} 架）",
              en=f"density of plots ({settings.racks_per_ha:g} racks per ha raised to {settings.racks_per_ha_max:g})"),
         replace(problem, land_mw=problem.land_mw * denser)),
    )
    found = []
    for title, freed in without:
        more, better = relaxed_load(freed)
        gained = (better / more if more > 0 else 0.0) - (merit / placed if placed > 0 else 0.0)
        found.append(Bottleneck(title=title, it_load_mw=round(more - placed, 3), score=round(gained, 6)))
    return tuple(found)


def _used_up(answer: CapacityAnswer, problem: CapacityProblem, grid: _Grid) -> tuple[tuple[str, float, float], ...]:
    """List the substations with a price, dearest first, with the MW that one more MVA would add."""
    order = np.argsort(-answer.headroom_price, kind="stable")
    is_short = float(answer.load_mw.sum()) < problem.target_mw - 1e-6
    return tuple((str(grid.frame["substation_id"].iloc[j]), float(grid.headroom_mva[j]),
                  round(float(answer.headroom_price[j]) / (PLACED + 1.0), 4) if is_short else 0.0)
                 for j in order.tolist() if answer.headroom_price[j] > 1e-6)


def _facts(problem: CapacityProblem, answer: CapacityAnswer, grid: _Grid, settings: CapacitySettings,
           existing_mw: float) -> tuple[Text, ...]:
    facts = []
    missing = problem.target_mw - float(answer.load_mw.sum())
    if missing > 0.05:
        facts.append(Text(zh=f"目标中有 {missing:.1f} 兆瓦 IT 负荷无处可放。",
                          en=f"{missing:.1f} MW of IT load of the target found no place."))
    n_assumed = int(grid.is_assumed.sum())
    if n_assumed:
        facts.append(Text(zh=f"{n_assumed}/{len(grid.frame)} 座变电站未给出可用容量，按典型变电站推算。",
                          en=f"{n_assumed} of {len(grid.frame)} substations state no headroom; it was reckoned from "
                             "typical stations."))
    if existing_mw == 0:
        facts.append(Text(zh="现有数据中心的机架规模未知，未从目标中扣除。",
                          en="The size of existing data centres is not known and is not taken off the target."))
    if settings.assumed:
        names = [SETTING_WORDS[name] for name in settings.assumed]
        facts.append(Text(zh="容量参数中属假定的有：" + "、".join(n.zh for n in names) + "。",
                          en="Assumed among the capacity settings: " + ", ".join(n.en for n in names) + "."))
    return tuple(facts)
