"""Existing data centres: each clause of both cities, dates, unknown values, lists, and where load can go."""

from __future__ import annotations

import math
from datetime import date
from typing import Any

import geopandas as gpd
import pandas as pd
import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st

from gis.errors import SchemaError
from layers.types import CityLayers
from siting.city_pack import load_pack
from siting.estate import DECISIONS, EstatePlan, assess_estate
from siting.pack import CityPack
from siting.types import StudyResult

CRS = "EPSG:4547"
ON = date(2024, 6, 30)
SPOTS = {"guarantee": (500, 500), "core": (1500, 500), "transfer": (2500, 500), "nowhere": (9000, 9000)}


@pytest.fixture(scope="module")
def pack() -> CityPack:
    return load_pack("zhengzhou")


@pytest.fixture(scope="module")
def tianfu() -> CityPack:
    return load_pack("tianfu")


@pytest.fixture(scope="module")
def units() -> gpd.GeoDataFrame:
    """Three squares of 1 km side by side: a district of each zone."""
    return gpd.GeoDataFrame(
        {"unit_id": ["jinshui", "gaoxin", "xingyang"], "zone_id": ["guarantee", "core", "transfer"]},
        geometry=[shapely.box(1000 * k, 0, 1000 * k + 1000, 1000) for k in range(3)], crs=CRS)


@pytest.fixture(scope="module")
def tianfu_units() -> gpd.GeoDataFrame:
    return gpd.GeoDataFrame(
        {"unit_id": ["tianfu_new_area", "outer"], "zone_id": ["supercomputing", "outside"]},
        geometry=[shapely.box(1000 * k, 0, 1000 * k + 1000, 1000) for k in range(2)], crs="EPSG:4544")


def centres(*rows: dict[str, Any]) -> gpd.GeoDataFrame:
    """Build a layer; ``at`` names the zone a centre lies in."""
    points = [shapely.Point(SPOTS[row.get("at", "guarantee")]) for row in rows]
    columns = {name: [row.get(name) for row in rows] for name in dict.fromkeys(k for row in rows for k in row)
               if name != "at"}
    columns.setdefault("data_centre_id", [f"x{i}" for i in range(len(rows))])
    return gpd.GeoDataFrame(columns, geometry=points, crs=CRS)


def one(pack: CityPack, units: gpd.GeoDataFrame, on: date = ON, **row: Any) -> pd.Series:
    return assess_estate(centres(row), units, pack, on=on).centres.iloc[0]


# ---------------------------------------------------------------- Zhengzhou, clause by clause


@pytest.mark.parametrize(("at", "kind", "pue", "decision", "rule"), [
    ("guarantee", "small_medium", 1.5, "retrofit", "ZZ-R-guarantee-2023"),
    ("guarantee", "small_medium", 1.49, "retrofit", "ZZ-R-guarantee-2025"),
    ("guarantee", "small_medium", 1.31, "retrofit", "ZZ-R-guarantee-2025"),
    ("guarantee", "small_medium", 1.3, "keep", ""),
    ("guarantee", "small_medium", 2.0, "retrofit", "ZZ-R-guarantee-2023"),
    ("guarantee", "small_medium", 2.01, "close", "ZZ-R-close-pue2"),
    ("guarantee", "storage_third_party", 1.2, "close", "ZZ-R-close-storage"),
    ("guarantee", "storage_telco", 1.2, "keep", ""),  # telecom operators are exempt
    ("guarantee", "enterprise_legacy", 1.51, "migrate", "ZZ-R-enterprise-cloud"),
    ("guarantee", "enterprise_legacy", 1.5, "merge", "ZZ-R-enterprise-merge"),
    ("core", "storage_telco", 1.9, "retrofit", "ZZ-R-storage-upgrade"),
    ("core", "small_medium", 1.9, "keep", ""),  # the standard of retrofits obliges nobody
    ("core", "large_compute", 1.4, "retrofit", "ZZ-R-large-2025"),
    ("transfer", "large_compute", 1.3, "keep", ""),
    ("transfer", "storage_third_party", 2.5, "keep", ""),
    ("core", "enterprise_legacy", 2.1, "keep", ""),
])
def test_each_clause_of_zhengzhou(pack: CityPack, units: gpd.GeoDataFrame, at: str, kind: str, pue: float,
                                  decision: str, rule: str) -> None:
    row = one(pack, units, at=at, development_type=kind, pue=pue, rack_count=400.0, it_load_kw=1000.0)
    assert (row["decision"], row["rule_id"]) == (decision, rule)
    assert row["zone_id"] == at
    assert bool(row["clause"]) == bool(rule)


def test_deadlines_follow_the_date_of_the_study(pack: CityPack, units: gpd.GeoDataFrame) -> None:
    known = {"at": "guarantee", "development_type": "small_medium", "pue": 1.6}
    before, after = (one(pack, units, on, **known) for on in (date(2023, 12, 31), date(2024, 1, 1)))
    assert (before["deadline"], before["is_overdue"]) == ("2023-12-31", False)
    assert (after["deadline"], after["is_overdue"]) == ("2023-12-31", True)
    assert "期限 2023-12-31 已过" in after["reasons_zh"]
    assert "1.5及以上" in after["reasons_zh"]  # the sentence of the clause itself


def test_a_centre_that_is_not_in_use_yet_is_no_stock(pack: CityPack, units: gpd.GeoDataFrame) -> None:
    row = one(pack, units, development_type="storage_third_party", pue=2.5, commissioned=pd.Timestamp("2024-07-01"))
    assert row["decision"] == "keep"
    assert one(pack, units, date(2024, 7, 1), development_type="storage_third_party", pue=2.5,
               commissioned=pd.Timestamp("2024-07-01"))["decision"] == "close"


# ---------------------------------------------------------------- what is not known


@pytest.mark.parametrize(("given", "decision", "missing"), [
    ({"development_type": "small_medium"}, "undecided", "pue"),
    ({"pue": 1.8}, "undecided", "development_type"),
    ({}, "undecided", "development_type,pue"),
    ({"development_type": "storage_third_party"}, "close", ""),  # closes whatever its PUE
    ({"development_type": "small_medium", "pue": 0.4}, "undecided", "pue"),  # below 1 is no PUE
    ({"development_type": "small_medium", "pue": 1.2, "at": "nowhere"}, "undecided", "position"),
    ({"development_type": "storage_telco", "at": "transfer"}, "keep", ""),
    ({"development_type": "large_compute", "at": "transfer"}, "undecided", "pue"),
])
def test_what_is_missing_is_named_and_never_guessed(pack: CityPack, units: gpd.GeoDataFrame, given: dict[str, Any],
                                                    decision: str, missing: str) -> None:
    row = one(pack, units, **given)
    assert row["decision"] == decision
    assert sorted(row["missing"].split(",")) == sorted(missing.split(","))
    if decision == "undecided":
        assert math.isnan(row["racks_released"])
        assert row["rule_id"] == ""


def test_an_uncertain_position_decides_only_what_is_the_same_everywhere(pack: CityPack,
                                                                        units: gpd.GeoDataFrame) -> None:
    far = one(pack, units, development_type="small_medium", pue=1.7, error_radius_km=0.6)
    near = one(pack, units, development_type="small_medium", pue=1.7, error_radius_km=0.4)
    assert (far["decision"], far["missing"], far["zone_id"]) == ("undecided", "position", "")
    assert near["decision"] == "retrofit"
    # PUE above 1.3 of a large centre is a matter of the whole city; only below 2.0 is closing out of the question.
    assert one(pack, units, development_type="large_compute", pue=1.7, error_radius_km=9.0)["decision"] == "retrofit"
    assert one(pack, units, development_type="large_compute", pue=2.1, error_radius_km=9.0)["missing"] == "position"


def test_the_plan_states_where_and_of_what_pue_the_named_ones_are(pack: CityPack, units: gpd.GeoDataFrame) -> None:
    named = one(pack, units, data_centre_id="dc_unicom_erchang", at="transfer", error_radius_km=4.0,
                development_type="large_compute")
    assert (named["decision"], named["zone_id"]) == ("retrofit", "guarantee")
    assert "Z-27" in named["reasons_en"]
    assert named["pue_target"] == 1.3
    done = one(pack, units, data_centre_id="dc_mobile_changchun", development_type="small_medium", pue=1.25)
    assert done["decision"] == "keep"  # a PUE that is given comes before the list of 2021
    both = one(pack, units, data_centre_id="dc_unicom_zhongyuan", development_type="large_compute")
    assert (both["decision"], both["missing"]) == ("undecided", "pue")  # it stands on two lists that contradict


# ---------------------------------------------------------------- what is released, and where it goes


def test_released_load_and_its_way(pack: CityPack, units: gpd.GeoDataFrame) -> None:
    plan = assess_estate(centres(
        {"development_type": "storage_third_party", "pue": 1.9, "rack_count": 300.0, "it_load_kw": 900.0},
        {"development_type": "enterprise_legacy", "pue": 2.1, "rack_count": 40.0, "it_load_kw": 100.0},
        {"development_type": "small_medium", "pue": 1.6, "rack_count": 200.0, "it_load_kw": 800.0},
        {"development_type": "storage_third_party", "pue": 1.9},
    ), units, pack, on=ON)
    stored, owned, fitted, unknown = (plan.centres.iloc[i] for i in range(4))
    # Storage of third parties has no clean home but the transfer zone, 1.5 km away; business moves to the core zone.
    assert (stored["target_zone"], stored["target_unit"]) == ("transfer", "xingyang")
    assert stored["target_distance_m"] == 1500.0
    assert (owned["target_zone"], owned["target_distance_m"]) == ("core", 500.0)
    assert (stored["racks_released"], stored["it_load_released_kw"]) == (300.0, 900.0)
    assert stored["site_load_released_kw"] == pytest.approx(900 * 1.9)
    assert (fitted["racks_released"], fitted["site_load_released_kw"]) == (0.0, pytest.approx(800 * 0.3))
    assert fitted["target_zone"] == ""
    assert unknown["decision"] == "close"
    assert math.isnan(unknown["racks_released"])
    totals = plan.totals.set_index("decision")
    assert list(totals.index) == list(DECISIONS)
    assert totals.loc["close", ["n_centres", "racks", "n_racks_unknown"]].tolist() == [2, 300.0, 1]
    assert totals.loc["close", "it_load_released_kw"] == 900.0
    assert totals["n_centres"].sum() == 4


# ---------------------------------------------------------------- Chengdu


@pytest.mark.parametrize(("on", "given", "decision", "rule"), [
    (date(2024, 1, 1), {"pue": 1.51, "rack_count": 900.0}, "retrofit", "CD-retrofit-pue"),
    (date(2025, 12, 31), {"pue": 1.51, "rack_count": 900.0}, "retrofit", "CD-retrofit-pue"),
    (date(2026, 1, 1), {"pue": 1.51, "rack_count": 900.0}, "close", "CD-leave"),
    (date(2026, 1, 1), {"pue": 1.5, "rack_count": 900.0}, "keep", ""),
    (date(2024, 1, 1), {"pue": 1.4, "rack_count": 49.0, "it_load_kw": 200.0}, "convert_to_edge", "CD-small-to-edge"),
    (date(2024, 1, 1), {"pue": 1.4, "rack_count": 49.0, "it_load_kw": 260.0}, "merge", "CD-small-merge"),
    (date(2024, 1, 1), {"pue": 1.4, "rack_count": 50.0, "it_load_kw": 200.0}, "keep", ""),
    (date(2024, 1, 1), {"pue": 1.4, "rack_count": 49.0}, "undecided", ""),
    (date(2024, 1, 1), {"pue": 1.4}, "undecided", ""),
])
def test_each_clause_of_chengdu(tianfu: CityPack, tianfu_units: gpd.GeoDataFrame, on: date, given: dict[str, Any],
                                decision: str, rule: str) -> None:
    row = one(tianfu, tianfu_units, on, development_type="small_medium", **given)
    assert (row["decision"], row["rule_id"]) == (decision, rule)


def test_storage_that_must_leave_chengdu_has_no_place_in_it(tianfu: CityPack, tianfu_units: gpd.GeoDataFrame) -> None:
    row = one(tianfu, tianfu_units, date(2026, 1, 1), development_type="storage_third_party", pue=1.8, rack_count=900.0)
    assert (row["decision"], row["target_zone"]) == ("close", "")
    assert "no zone of the city permits" in row["reasons_en"]


# ---------------------------------------------------------------- lists


def _status(plan: EstatePlan, rule_id: str) -> dict[str, str]:
    found = plan.list_of(rule_id)
    return dict(zip(found["data_centre_id"], found["status"], strict=True))


def test_chengdu_lists_what_is_above_a_hundred_standard_racks(tianfu: CityPack,
                                                              tianfu_units: gpd.GeoDataFrame) -> None:
    layer = centres({"it_load_kw": 250.0, "rack_count": 400.0}, {"it_load_kw": 250.1}, {"rack_count": 400.0})
    plan = assess_estate(layer, tianfu_units, tianfu, on=ON)
    # 100 standard racks are 250 kW; physical racks say nothing of them.
    assert _status(plan, "CD-register") == {"x1": "listed", "x2": "undecided"}
    assert plan.list_of("CD-register")["missing"].tolist() == ["", "it_load_kw"]


def test_zhengzhou_lists_for_assessment_and_audit(pack: CityPack, units: gpd.GeoDataFrame) -> None:
    plan = assess_estate(centres(
        {"development_type": "small_medium", "server_count": 10_000.0, "energy_tce": 10_000.0},
        {"development_type": "edge", "rack_count": 51.0, "server_count": 10_001.0},
        {"development_type": "edge", "rack_count": 50.0, "energy_tce": 10_000.5},
        # 5 MW at PUE 1.5 all year: 65.7 GWh or 8,075 tce at most, so that energy is ruled out without being given.
        {"development_type": "edge", "rack_count": 9.0, "server_count": 9.0, "it_load_kw": 5_000.0, "pue": 1.5},
        {"development_type": "edge", "rack_count": 9.0, "server_count": 9.0, "it_load_kw": 9_000.0, "pue": 1.5},
        {"development_type": "edge", "it_load_kw": 5_000.0, "pue": 1.5},
    ), units, pack, on=ON)
    assert _status(plan, "ZZ-R-assess-idc") == {"x0": "listed"}
    assert _status(plan, "ZZ-R-assess-edge") == {"x1": "listed", "x5": "undecided"}
    assert _status(plan, "ZZ-R-audit") == {"x1": "listed", "x2": "listed", "x4": "undecided", "x5": "undecided"}
    audit = plan.list_of("ZZ-R-audit").set_index("data_centre_id")["missing"]
    assert (audit["x4"], audit["x5"]) == ("energy_tce", "server_count")


# ---------------------------------------------------------------- laws and errors


@settings(max_examples=80, deadline=None)
@given(rows=st.lists(st.fixed_dictionaries({
    "at": st.sampled_from(list(SPOTS)),
    "development_type": st.sampled_from(["large_compute", "storage_telco", "storage_third_party", "small_medium",
                                         "edge", "enterprise_legacy", None]),
    "pue": st.one_of(st.none(), st.floats(1.0, 3.0)), "rack_count": st.one_of(st.none(), st.floats(1, 9_000)),
    "it_load_kw": st.one_of(st.none(), st.floats(1, 90_000)), "error_radius_km": st.one_of(st.none(), st.floats(0, 3)),
}), min_size=1, max_size=6), on=st.dates(date(2021, 1, 1), date(2027, 1, 1)))
def test_every_centre_is_accounted_for_and_what_is_decided_rests_on_a_clause(
        pack: CityPack, units: gpd.GeoDataFrame, rows: list[dict[str, Any]], on: date) -> None:
    layer = centres(*rows)
    plan = assess_estate(layer, units, pack, on=on)
    assert plan.centres["data_centre_id"].tolist() == layer["data_centre_id"].tolist()
    assert plan.totals["n_centres"].sum() == len(rows)
    known = {r.rule_id for r in pack.retrofit_rules}
    for row in plan.centres.itertuples():
        assert row.decision in DECISIONS
        assert (row.decision == "undecided") == bool(row.missing)
        assert (row.rule_id in known) == (row.decision not in ("keep", "undecided"))
        assert row.reasons_zh and row.reasons_en


@settings(max_examples=40, deadline=None)
@given(kind=st.sampled_from(["large_compute", "storage_telco", "small_medium", "enterprise_legacy"]),
       at=st.sampled_from(["guarantee", "core", "transfer"]), pue=st.floats(1.0, 3.0))
def test_learning_a_value_never_changes_what_was_decided_without_it(pack: CityPack, units: gpd.GeoDataFrame,
                                                                    kind: str, at: str, pue: float) -> None:
    blind = one(pack, units, development_type=kind, at=at)
    if blind["decision"] != "undecided":
        assert one(pack, units, development_type=kind, at=at, pue=pue)["decision"] == blind["decision"]


def test_the_pack_s_own_stock(pack: CityPack, units: gpd.GeoDataFrame) -> None:
    spec = next(s for s in pack.layer_specs if s.name == "data_centres")
    ids = [dict(f.properties)["data_centre_id"] for f in spec.features]
    plan = assess_estate(centres(*({"data_centre_id": i, "at": "nowhere"} for i in ids)), units, pack, on=ON)
    decided = plan.centres.set_index("data_centre_id")["decision"]
    assert decided["dc_mobile_yingxie"] == "retrofit"
    assert decided["dc_nscc"] == "undecided"
    # The plan publishes 20,000 racks for it, and the layer says nothing of racks.
    assert plan.centres.set_index("data_centre_id").loc["dc_mobile_airport", "rack_count"] == 20_000


def test_what_holds_otherwise_is_told(pack: CityPack, units: gpd.GeoDataFrame) -> None:
    row = one(pack, units, development_type="enterprise_legacy")
    assert (row["decision"], row["missing"]) == ("undecided", "pue")
    assert "if none of these holds: merge" in row["reasons_en"]


def test_the_stock_of_a_run(pack: CityPack, zhengzhou_layers: CityLayers, zhengzhou_result: StudyResult) -> None:
    layer = zhengzhou_layers.frame("data_centres")
    plan = assess_estate(layer, zhengzhou_result.units, pack, on=ON)
    assert len(plan.centres) == len(layer)
    zones = plan.centres.set_index("data_centre_id")["zone_id"]
    assert (zones["dc_nscc"], zones["dc_unicom_erchang"]) == ("core", "guarantee")
    assert plan.centres.crs == layer.crs


def test_bad_layers_are_refused(pack: CityPack, units: gpd.GeoDataFrame) -> None:
    with pytest.raises(SchemaError, match="unknown development_type colo"):
        assess_estate(centres({"development_type": "colo"}), units, pack, on=ON)
    with pytest.raises(SchemaError, match="data_centre_id"):
        assess_estate(centres({"pue": 1.2}).drop(columns="data_centre_id"), units, pack, on=ON)


def test_an_empty_layer_is_no_stock(pack: CityPack, units: gpd.GeoDataFrame) -> None:
    plan = assess_estate(centres({"pue": 1.2}).iloc[:0], units, pack, on=ON)
    assert len(plan.centres) == 0
    assert plan.totals["n_centres"].sum() == 0
