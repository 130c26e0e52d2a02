"""Capacity over parcels and zones: every MW has land, power, permission and a place in the account."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from gis.errors import InfeasibleError, LayerNotFoundError
from siting.capacity import SETTING_WORDS, capacity_settings, plan_capacity
from siting.city_pack import list_packs, load_pack
from siting.types import CapacityPlan, StudyResult


@pytest.fixture(scope="module")
def plan(zhengzhou_result: StudyResult) -> CapacityPlan:
    result = zhengzhou_result
    return plan_capacity(result.candidates, result.scores_for("large"), result.units, result.city_layers, result.pack,
                         capacity_settings(result.pack).readings[0],
                         years=((2023, 0.2), (2024, 0.4), (2025, 1.0)))


def test_every_campus_stands_on_an_eligible_parcel_that_holds_it(zhengzhou_result, plan) -> None:
    settings = capacity_settings(zhengzhou_result.pack)
    scores = zhengzhou_result.scores_for("large")
    row = {p: i for i, p in enumerate(zhengzhou_result.candidates["parcel_id"])}
    at = np.array([row[p] for p in plan.sites["parcel_id"]])
    assert len(at) > 3
    assert scores.eligible[at].all()
    held = plan.sites["area_m2"] / 1e4 * settings.racks_per_ha * plan.reading.rack_kw / 1000
    assert (plan.sites["it_load_mw"] <= np.minimum(held, settings.max_it_load_kw / 1000) + 1e-3).all()
    assert (plan.sites["it_load_mw"] >= 7.5 - 1e-3).all()
    assert (plan.sites["rack_count"] <= plan.sites["it_load_mw"] * 1000 / 6 + 1).all()


def test_the_accounts_add_up(plan) -> None:
    assert plan.by_unit["it_load_mw"].sum() == pytest.approx(plan.it_load_mw, abs=0.05)
    assert plan.by_unit["share"].sum() == pytest.approx(1.0, abs=1e-3)
    # Each MVA stands at two substations: one may be lost.
    assert plan.by_substation["load_mva"].sum() == pytest.approx(2 * plan.load_mva, abs=0.05)
    assert (plan.by_substation["load_mva"] <= plan.by_substation["headroom_mva"] + 1e-3).all()
    assert plan.feeds["load_mva"].sum() == pytest.approx(2 * plan.load_mva, abs=0.1)
    assert plan.energy_gwh == pytest.approx(plan.it_load_mw * 0.7 * 1.3 * 8.76)
    assert plan.renewable_gwh == pytest.approx(plan.energy_gwh / 4)
    assert plan.target_mw == 540.0
    assert plan.shortfall_mw == pytest.approx(540.0 - plan.it_load_mw)


def test_shares_of_zones_are_kept_and_compared(zhengzhou_result, plan) -> None:
    share = plan.by_unit.groupby("zone_id")["it_load_mw"].sum() / plan.target_mw
    limits = {limit.zone_id: limit.max_share for limit in capacity_settings(zhengzhou_result.pack).limits}
    for zone, most in limits.items():
        assert share[zone] <= most + 1e-3
    known = plan.by_unit.set_index("unit_id")["known_share"].dropna().to_dict()
    assert known == {"gaoxin": 0.531, "airport": 0.248, "zhengdong": 0.137}


def test_better_campuses_come_first_in_the_years(plan) -> None:
    years = plan.sites["year"].astype(int).tolist()
    assert years == sorted(years)
    built = plan.sites[plan.sites["year"] == 2023]["it_load_mw"].sum()
    last = plan.sites[plan.sites["year"] == 2023]["it_load_mw"].iloc[-1]
    assert built - last < 0.2 * plan.target_mw <= built


def test_reserved_headroom_is_not_used_twice(zhengzhou_result, plan) -> None:
    result = zhengzhou_result
    reserved = {str(i): 1e9 for i in plan.by_substation["substation_id"].iloc[:3]}
    other = plan_capacity(result.candidates, result.scores_for("large"), result.units, result.city_layers, result.pack,
                          plan.reading, reserved_mva=reserved)
    assert not set(other.by_substation["substation_id"]) & set(reserved)


def test_what_stands_already_counts(zhengzhou_result, plan) -> None:
    result = zhengzhou_result
    rest = plan_capacity(result.candidates, result.scores_for("large"), result.units, result.city_layers, result.pack,
                         plan.reading, existing_mw=500.0)
    assert rest.it_load_mw == pytest.approx(40.0, abs=0.1)
    assert rest.target_mw == 540.0


def test_unknown_headroom_is_assumed_and_said(zhengzhou_result, plan) -> None:
    result = zhengzhou_result
    layers = result.city_layers
    stations = layers.frame("substations").assign(headroom_mva=np.nan)
    blind = replace(layers, frames={**layers.frames, "substations": stations})
    other = plan_capacity(result.candidates, result.scores_for("large"), result.units, blind, result.pack, plan.reading)
    assert other.by_substation["headroom_assumed"].all()
    assert other.by_substation["headroom_mva"].nunique() < 20
    assert other.it_load_mw > 0
    assert any("可用容量" in fact.zh for fact in other.facts)


def test_a_lack_is_told_in_one_sentence(zhengzhou_result, plan) -> None:
    result = zhengzhou_result
    layers = result.city_layers
    bare = replace(layers, frames={k: v for k, v in layers.frames.items() if k != "substations"})
    with pytest.raises(LayerNotFoundError, match="substations"):
        plan_capacity(result.candidates, result.scores_for("large"), result.units, bare, result.pack, plan.reading)
    one = replace(layers, frames={**layers.frames, "substations": layers.frame("substations").iloc[:1]})
    with pytest.raises((InfeasibleError, LayerNotFoundError)):
        plan_capacity(result.candidates, result.scores_for("large"), result.units, one, result.pack, plan.reading)
    with pytest.raises(InfeasibleError, match="capacity"):
        capacity_settings(replace(result.pack, capacity=None))


def test_the_two_readings_of_tianfu_differ_by_their_unit() -> None:
    readings = capacity_settings(load_pack("tianfu")).readings
    assert [r.rack_count * r.rack_kw / 1000 for r in readings] == [750.0, 1800.0]


def test_assumed_settings_have_words() -> None:
    for city in list_packs():
        capacity = load_pack(city).capacity
        if capacity is not None:
            assert set(capacity.assumed) <= set(SETTING_WORDS)
