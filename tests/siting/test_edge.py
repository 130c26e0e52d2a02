"""The edge plan keeps what the study asks of it, and says how firmly it stands."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import shapely

from gis.errors import InfeasibleError, LayerNotFoundError, UsageError
from layers.types import CityLayers
from siting.citation import Citation
from siting.city_pack import load_pack
from siting.edge import place_edge_centres, reserved_by
from siting.edge_hosts import edge_pue, find_hosts
from siting.edge_stability import alternatives
from siting.location_conditions import NO_CONDITIONS
from siting.plan_settings import HostSetback, ZoneQuota
from siting.study_file import default_study
from siting.types import EdgePlan, StudyResult
from siting.zones import build_units

PACK, STUDY = load_pack("zhengzhou"), default_study("zhengzhou")


def planned(layers: CityLayers, **asked: object) -> EdgePlan:
    return place_edge_centres(layers, build_units(layers, PACK), PACK, replace(STUDY, **asked))


@pytest.fixture(scope="module")
def plan(zhengzhou_result: StudyResult) -> EdgePlan:
    assert zhengzhou_result.edge_plan is not None
    return zhengzhou_result.edge_plan


def test_hosts_can_be_fed_by_a_substation_with_room_in_reach(zhengzhou_layers: CityLayers) -> None:
    hosts = find_hosts(zhengzhou_layers, PACK)
    first = hosts.feeds.feed[:, 0]
    assert (first >= 0).all()
    stations = np.asarray(hosts.substations.geometry.array)[first]
    gap = shapely.distance(np.asarray(hosts.frame.geometry.array), stations)
    assert (gap <= PACK.edge.feed_radius_m).all()
    room = hosts.substations["headroom_mva"].to_numpy()[first]
    assert (room >= PACK.edge.it_load_kw * edge_pue(PACK) / 0.95 / 1000 - 1e-9).all()
    assert any("余量" in fact.zh for fact in hosts.facts)


def test_no_substation_is_promised_more_than_it_has(plan: EdgePlan, zhengzhou_layers: CityLayers) -> None:
    room = zhengzhou_layers.frame("substations").set_index("substation_id")["headroom_mva"]
    reserved = reserved_by(plan)
    assert sum(reserved.values()) == pytest.approx(
        (plan.edge_centres[["feed_a_id", "feed_b_id"]].notna().sum(axis=1) * plan.edge_centres["load_mva"]).sum())
    for key, load in reserved.items():
        assert load <= room[key] + 1e-9


def test_the_curve_rises_and_its_gains_fall(plan: EdgePlan) -> None:
    curve = plan.curve
    assert curve["n_facilities"].tolist() == list(range(1, 31))
    assert curve["demand_covered"].is_monotonic_increasing
    assert (np.diff(curve["gain"]) <= 1e-6).all()
    at = curve.set_index("n_facilities").loc[plan.n_facilities]
    assert at["demand_covered"] == pytest.approx(plan.demand_covered)
    assert len(at["host_ids"].split()) == plan.n_facilities


def test_stability_and_runner_ups_are_shares(plan: EdgePlan) -> None:
    centres = plan.edge_centres
    assert centres["stability"].between(0, 1).all()
    assert centres["stability"].mean() > 0.5
    other = centres["runner_up_id"].dropna()
    assert not set(other) & set(centres["host_id"])
    assert (centres["runner_up_loss"].dropna() >= 0).all()


def test_the_runner_up_loses_least_of_all_replacements() -> None:
    rng = np.random.default_rng(2)
    distance = rng.uniform(0, 10, (30, 12))
    demand = rng.uniform(1, 5, 30)
    chosen = np.array([1, 4, 9])
    other, loss = alternatives(distance, demand, chosen, distance, 4.0, NO_CONDITIONS)
    covers = distance <= 4.0
    whole = demand[covers[:, chosen].any(axis=1)].sum()
    for place in range(3):
        rest = np.delete(chosen, place)
        with_each = [demand[covers[:, [*rest, c]].any(axis=1)].sum() for c in range(12) if c not in chosen]
        assert loss[place] == pytest.approx(max(0.0, whole - max(with_each)))
        assert other[place] not in chosen


def test_spacing_quotas_and_second_cover_are_kept(zhengzhou_layers: CityLayers) -> None:
    units = build_units(zhengzhou_layers, PACK)
    demand = planned(zhengzhou_layers).demand.sort_values("demand", ascending=False)
    hosts = np.asarray(find_hosts(zhengzhou_layers, PACK).frame.geometry.array)
    n_near = (shapely.distance(np.asarray(demand.geometry.array)[:, None], hosts[None, :]) <= 5000).sum(axis=1)
    wanted = str(demand["demand_id"].iloc[int(np.argmax(n_near > 4))])
    plan = planned(zhengzhou_layers, n_facilities=12, edge_spacing_m=2500.0, backup_demand=(wanted,),
                   edge_quotas=(ZoneQuota(zone_id="core", min_sites=3, max_sites=4),
                                ZoneQuota(zone_id="guarantee", max_sites=2)))
    points = np.asarray(plan.edge_centres.geometry.array)
    gaps = shapely.distance(points[:, None], points[None, :]) + np.eye(len(points)) * 1e9
    assert gaps.min() >= 2500.0
    count = plan.edge_centres["zone_id"].value_counts()
    assert 3 <= count["core"] <= 4
    assert count.get("guarantee", 0) <= 2
    point = plan.demand.set_index("demand_id").geometry[wanted]
    assert (shapely.distance(points, point) <= plan.service_radius_m).sum() >= 2
    assert len(units) == 16


def test_hosts_too_near_to_housing_are_left_out(zhengzhou_layers: CityLayers) -> None:
    near = HostSetback(layer="hubs", distance_m=3000.0, title=PACK.title, citation=Citation(document="x", heading="y"))
    absent = replace(near, layer="housing")
    pack = replace(PACK, edge=replace(PACK.edge, setbacks=(near, absent)))
    hosts = find_hosts(zhengzhou_layers, pack)
    hubs = np.asarray(zhengzhou_layers.frame("hubs").geometry.array)
    gap = shapely.distance(np.asarray(hosts.frame.geometry.array)[:, None], hubs[None, :]).min(axis=1)
    assert (gap >= 3000.0 - 1e-6).all()
    assert len(hosts.frame) < len(find_hosts(zhengzhou_layers, PACK).frame)
    assert any("未检验宿主退距" in fact.zh for fact in hosts.facts)


def test_headroom_that_nobody_states_leaves_no_host_out(zhengzhou_layers: CityLayers) -> None:
    stations = zhengzhou_layers.frame("substations").drop(columns=["headroom_mva", "transformer_capacity_mva"])
    blind = replace(zhengzhou_layers, frames={**zhengzhou_layers.frames, "substations": stations})
    hosts = find_hosts(blind, PACK)
    assert len(hosts.frame) > len(find_hosts(zhengzhou_layers, PACK).frame)
    assert set(planned(blind).edge_centres["power_limit"]) <= {"not_known", "second_feed", "voltage_step"}


def test_an_advised_setback_makes_a_host_second_choice(zhengzhou_layers: CityLayers) -> None:
    advised = HostSetback(layer="hubs", distance_m=3000.0, strictness="should", title=PACK.title,
                          citation=Citation(document="x", heading="y"))
    pack = replace(PACK, edge=replace(PACK.edge, setbacks=(advised,)))
    hosts, plain = find_hosts(zhengzhou_layers, pack), find_hosts(zhengzhou_layers, PACK)
    assert len(hosts.frame) == len(plain.frame)
    assert 0 < hosts.frame["is_too_near"].sum() < len(hosts.frame)
    units = build_units(zhengzhou_layers, PACK)
    shy, bold = (place_edge_centres(zhengzhou_layers, units, p, STUDY) for p in (pack, PACK))
    near = set(hosts.frame.loc[hosts.frame["is_too_near"], "host_id"])
    assert shy.demand_covered == pytest.approx(bold.demand_covered)
    assert len(near & set(shy.edge_centres["host_id"])) <= len(near & set(bold.edge_centres["host_id"]))


def test_reach_along_roads_is_longer_than_the_straight_line(zhengzhou_layers: CityLayers) -> None:
    straight, along = planned(zhengzhou_layers), planned(zhengzhou_layers, edge_distance="roads")
    assert along.distance_kind == "roads"
    assert along.demand_covered <= straight.demand_covered + 1e-9
    reached = along.demand[along.demand["covered"]]
    at = along.edge_centres.set_index("edge_centre_id").geometry
    gap = shapely.distance(np.asarray(reached.geometry.array), np.asarray(at.loc[reached["edge_centre_id"]].array))
    assert (reached["distance_m"].to_numpy() >= gap - 0.1).all()


def test_what_cannot_be_is_told(zhengzhou_layers: CityLayers) -> None:
    with pytest.raises(UsageError, match="unknown zone"):
        planned(zhengzhou_layers, edge_quotas=(ZoneQuota(zone_id="moon"),))
    with pytest.raises(UsageError, match="unknown demand point"):
        planned(zhengzhou_layers, backup_demand=("nobody",))
    with pytest.raises(InfeasibleError):
        planned(zhengzhou_layers, n_facilities=2, edge_spacing_m=200_000.0)
    everyone = tuple(planned(zhengzhou_layers).demand["demand_id"].astype(str))
    with pytest.raises(InfeasibleError, match="second nearest host"):
        planned(zhengzhou_layers, backup_demand=everyone)
    with pytest.raises(LayerNotFoundError, match="roads"):
        planned(replace(zhengzhou_layers, frames={k: v for k, v in zhengzhou_layers.frames.items() if k != "roads"}),
                edge_distance="roads")
