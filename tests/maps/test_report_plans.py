"""Chapters and layers of the plans: figures of the plans, escaped names, each clause cited."""

from __future__ import annotations

import dataclasses
import re
from datetime import date
from pathlib import Path

import geopandas as gpd
import numpy as np
import pandas as pd
import pytest
from shapely import Point, box
from shapely.geometry import LineString

from gis.bilingual import Text
from maps import outputs
from maps.outputs import write_outputs, write_plans
from maps.plan_layers import plan_layers
from maps.report import render_report
from maps.report_charts import bar_chart, curve_chart
from siting.citation import Citation
from siting.estate import LIST_COLUMNS, PLAN_COLUMNS, EstatePlan
from siting.layout_settings import load_layout_settings
from siting.plan_settings import CapacityReading
from siting.site_layout import lay_out_site
from siting.types import Bottleneck, CapacityPlan, StudyResult

ATTACK = '<img src=x onerror="document.title=1">'
HERE = Citation(document="000", heading="发展目标", quote="可用机架规模达到9万架")


def capacity_plan(result: StudyResult, reading_id: str = "one") -> CapacityPlan:
    crs, parcels = result.candidates.crs, result.candidates.iloc[:2]
    sites = gpd.GeoDataFrame({
        "capacity_site_id": ["K001", "K002"], "parcel_id": [ATTACK, "P2"], "unit_id": parcels["unit_id"].to_list(),
        "zone_id": parcels["zone_id"].to_list(), "rack_count": [2000, 1500], "it_load_mw": [12.0, 9.0],
        "facility_load_mw": [15.6, 11.7], "load_mva": [16.4, 12.3], "score": [0.9, 0.8], "area_m2": [2e4, 1.5e4],
        "permission": ["favoured", None], "n_substations": [2, 2], "connection_km": [3.5, 4.25], "year": [2024, 2025],
        "certainty": ["real", "synthetic"]}, geometry=parcels.geometry.to_list(), crs=crs)
    stations = result.city_layers.frame("substations")
    line = LineString([parcels.geometry.iloc[0].centroid, stations.geometry.iloc[0]])
    feeds = gpd.GeoDataFrame({"capacity_site_id": ["K001"], "substation_id": [str(stations["substation_id"].iloc[0])],
                              "voltage_kv": [110.0], "load_mva": [16.4], "distance_m": [1750.0],
                              "certainty": ["synthetic"]}, geometry=[line], crs=crs)
    units = result.units
    return CapacityPlan(
        reading=CapacityReading(reading_id=reading_id, title=Text(zh=f"读法{reading_id}", en=f"reading {reading_id}"),
                                target_id="t", rack_count=5000, rack_kw=6.0, use_rate=0.7, citation=HERE),
        sites=sites, feeds=feeds,
        by_unit=pd.DataFrame({"unit_id": units["unit_id"], "zone_id": units["zone_id"], "n_sites": 1,
                              "rack_count": 1750, "it_load_mw": 10.5, "share": 0.5, "known_share": np.nan}),
        by_substation=pd.DataFrame({"substation_id": ["S1"], "name": [ATTACK], "voltage_kv": [110.0],
                                    "headroom_mva": [20.0], "headroom_assumed": [True], "load_mva": [16.4]}),
        target_mw=30.0, existing_mw=2.0, it_load_mw=21.0, facility_load_mw=27.3, load_mva=28.7, energy_gwh=167.4,
        water_m3=128_772.0, renewable_gwh=41.85,
        bottlenecks=(Bottleneck(title=Text(zh="可用容量", en="substation headroom"), it_load_mw=4.5, score=0.02),),
        substation_prices=(("S1", 20.0, 0.61),), optimality_gap=0.001, solver_status="Optimal",
        facts=(Text(zh="有一条说明。", en="There is a note."),))


def estate_plan(result: StudyResult) -> EstatePlan:
    row = dict.fromkeys(PLAN_COLUMNS, "")
    row |= {"data_centre_id": "D1", "name": ATTACK, "decision": "retrofit", "rule_id": "R", "is_voluntary": True,
            "deadline": "2025-12-31", "is_overdue": True, "pue": 1.8, "pue_target": 1.3, "reasons_zh": ATTACK,
            "reasons_en": ATTACK, "certainty": "approximate", "geometry": result.candidates.geometry.iloc[0].centroid}
    for number in ("racks_released", "it_load_released_kw", "site_load_released_kw", "target_distance_m",
                   "rack_count", "it_load_kw"):
        if number in PLAN_COLUMNS:
            row[number] = 120.0
    centres = gpd.GeoDataFrame(pd.DataFrame([row], columns=PLAN_COLUMNS), geometry="geometry",
                               crs=result.candidates.crs)
    lists = pd.DataFrame([["L", "list", "x", "D1", ATTACK, "listed", ""]], columns=LIST_COLUMNS)
    totals = pd.DataFrame([{"decision": "retrofit", "n_centres": 1, "racks": 120.0, "n_racks_unknown": 0,
                            "it_load_kw": 720.0, "n_it_load_unknown": 0, "racks_released": 120.0,
                            "it_load_released_kw": 120.0, "site_load_released_kw": 120.0}])
    return EstatePlan(on=date(2026, 1, 31), centres=centres, lists=lists, totals=totals)


@pytest.fixture
def planned(small_result: StudyResult) -> StudyResult:
    x, y = small_result.candidates.geometry.iloc[0].centroid.coords[0]
    layout = lay_out_site(box(x, y, x + 200, y + 160), load_layout_settings(), feed_point=Point(x, y),
                          crs=small_result.candidates.crs)
    return dataclasses.replace(
        small_result, capacity_plans=(capacity_plan(small_result),), estate_plan=estate_plan(small_result),
        site_layouts=((ATTACK, layout),))


@pytest.mark.parametrize("language", ["zh", "en"])
def test_the_plans_have_their_chapters_and_names_stay_text(planned: StudyResult, language) -> None:
    html = render_report(planned, language=language)
    for title in (("容量布局", "园区布局示意", "现有数据中心") if language == "zh"
                  else ("Capacity layout", "Campus layouts", "Existing data centres")):
        assert title in html
    assert ATTACK not in html
    assert html.count("&lt;img src=x") >= 4
    assert "5,000 × 6 kW = 30.0 MW" in html
    assert "21.0 MW" in html
    assert "7.0 MW" in html  # no place found: 30 wanted, 2 stand, 21 laid out
    assert "2026-01-31" in html
    assert re.search(r"\[\d+\]", html)


def test_readings_of_one_layout_are_drawn_once(planned: StudyResult) -> None:
    again = dataclasses.replace(planned.capacity_plans[0], reading=dataclasses.replace(
        planned.capacity_plans[0].reading, reading_id="two", title=Text(zh="读法two", en="reading two")))
    both = dataclasses.replace(planned, capacity_plans=(planned.capacity_plans[0], again))
    html = render_report(both, language="zh")
    assert "读法two" in html
    assert html.count("容量布局：园区与供电变电站") == render_report(planned, language="zh").count(
        "容量布局：园区与供电变电站")


def test_every_plan_is_a_layer_and_a_table(planned: StudyResult, tmp_path: Path,
                                           monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(outputs, "render_map", lambda result, *, language, progress: "<!DOCTYPE html>")
    written = write_outputs(planned, tmp_path)
    names = {p.name for p in (*written.layer_paths, *written.table_paths)}
    for name in ("capacity_sites", "capacity_feeds", "data_centre_decisions", "campus_parts"):
        assert {f"{name}.geojson", f"{name}_zh.geojson"} <= names
    assert {"capacity_by_unit.csv", "capacity_by_substation_zh.csv", "data_centre_lists.csv"} <= names
    chinese = gpd.read_file(tmp_path / "layers" / "data_centre_decisions_zh.geojson")
    assert chinese["处置"].tolist() == ["改造"]
    assert chinese["名称"].tolist() == [ATTACK]
    parts = gpd.read_file(tmp_path / "layers" / "campus_parts_zh.geojson")
    assert "机房楼" in set(parts["部件类型"])


def test_a_plan_alone_lists_what_it_wrote(planned: StudyResult, tmp_path: Path) -> None:
    paths = write_plans(dataclasses.replace(planned, edge_plan=None, estate_plan=None), tmp_path, "capacity")
    assert paths[-1] == tmp_path / "capacity.json"
    assert all(p.is_file() for p in paths)
    assert not list(tmp_path.glob("*edge*"))
    assert not [p for p in tmp_path.iterdir() if p.name.startswith(".")]


def test_layers_of_plans_have_unique_ids_and_a_certainty(planned: StudyResult) -> None:
    for layer in plan_layers(planned, "zh"):
        assert layer.frame[layer.id_column].is_unique, layer.name
        assert "certainty" in layer.frame.columns, layer.name


def test_charts_are_drawn_to_scale_and_escaped() -> None:
    curve = curve_chart(ATTACK, "x", "y", [(1, 0.0), (2, 0.5), (4, 1.0)], "#000", 2)
    assert ATTACK not in curve
    points = [tuple(map(float, p.split(","))) for p in re.search(r'points="([^"]+)"', curve).group(1).split()]
    assert points[1][0] - points[0][0] == pytest.approx((points[2][0] - points[1][0]) / 2, abs=0.11)
    assert points[0][1] - points[1][1] == pytest.approx(points[1][1] - points[2][1], abs=0.11)
    bars = bar_chart("t", [(ATTACK, 0.5, 0.25), ("b", 0.25, None)], ("#111", "#222"))
    assert ATTACK not in bars
    widths = [float(w) for w in re.findall(r'width="([\d.]+)" height="14"', bars)]
    assert widths[0] == pytest.approx(2 * widths[1], abs=0.11)
