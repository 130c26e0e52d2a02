"""The computing network in the report, on the map, in layers, tables and the manifest: right, bilingual and escaped."""

from __future__ import annotations

import csv
import json
import re
from dataclasses import replace
from pathlib import Path

import geopandas as gpd
import numpy as np
import pytest
import shapely
from pyproj import Geod

from gis.bilingual import Language, Text
from layers.exports.targets import placed, target_of
from maps import outputs
from maps._packing_block import unpack_block
from maps.field_names import COLUMN_NAMES
from maps.map_layers import map_layers, pack_layer, thin_lines
from maps.map_network import network_layers
from maps.outputs import write_outputs
from maps.plan_layers import plan_layers, plan_tables
from maps.report_network import network
from maps.report_page import Page
from siting.citation import Citation
from siting.compute_network import plan_network
from siting.network_settings import ComputeHub, HubRegion, NetworkSettings, WorkloadClass, WorkOrigin
from siting.types import StudyResult

ATTACK = "<img src=x onerror=alert(1)>"
WANTS = Citation(document="000", heading="节点定位", quote="加强与邻近国家枢纽节点的网络联通")
LIMITS = Citation(document="000", heading="城市内部", quote="时延原则上在10毫秒范围内")
TAKES = Citation(document="000", heading="集群", quote="优先承接非实时算力需求")


def _settings(n_more_origins: int = 0) -> NetworkSettings:
    """One city, a cluster 490 km west of it, and a partner so far away that only a good route keeps 20 ms."""
    hubs = (
        ComputeHub(hub_id="west", title=Text(zh="西部集群", en="West"), kind="cluster", lon=108.3, lat=34.76,
                   error_radius_km=5.0, region_id="r", renewable_level=5, workloads=("offline", "medium"),
                   citation=WANTS, workloads_citation=TAKES, source="a gazetteer", assumed=("renewable_level",)),
        ComputeHub(hub_id="far", title=Text(zh=ATTACK, en=ATTACK), kind="partner", lon=83.0, lat=40.0,
                   error_radius_km=5.0, workloads=("medium",), citation=TAKES, source=ATTACK, assumed=("workloads",)))
    works = (
        WorkloadClass(workload_id="real_time", title=Text(zh="实时业务", en="Real-time work"), max_latency_ms=10.0,
                      examples=Text(zh="车联网", en="connected vehicles"), citation=LIMITS),
        WorkloadClass(workload_id="medium", title=Text(zh="中时延业务", en="Medium work"), max_latency_ms=20.0,
                      citation=TAKES),
        WorkloadClass(workload_id="offline", title=Text(zh="离线业务", en="Offline work"), citation=TAKES))
    origins = tuple(WorkOrigin(origin_id=f"city{n}", title=Text(zh=f"城市{n}", en=f"City {n}"), lon=113.66 + n / 10,
                               lat=34.76, error_radius_km=2.0, citation=WANTS, source="centre")
                    for n in range(1 + n_more_origins))
    return NetworkSettings(
        route_factors=(1.3, 1.5, 2.1), workloads=works, hubs=hubs, origins=origins, citation=WANTS,
        assumed=("route_factors",),
        regions=(HubRegion(region_id="r", title=Text(zh="西部枢纽", en="West hub"), unit_ids=(), max_clusters=1,
                           citation=WANTS),))


def _networked(result: StudyResult, settings: NetworkSettings) -> StudyResult:
    return replace(result, pack=replace(result.pack, network=settings), network_plan=plan_network(settings))


@pytest.fixture
def networked(small_result: StudyResult) -> StudyResult:
    return _networked(small_result, _settings())


def _rows(html: str) -> list[str]:
    return [re.sub(r"<[^>]+>", " ", row) for row in re.findall(r"<tr>(.*?)</tr>", html, re.DOTALL)]


# ------------------------------------------------------------------ the report


def test_study_without_a_network_has_no_chapter_layer_or_table(small_result: StudyResult) -> None:
    assert network(Page(small_result, "zh")) == ""
    assert not list(network_layers(small_result))
    assert not [layer for layer in plan_layers(small_result, "zh") if layer.name.startswith("network")]
    assert not [name for name in plan_tables(small_result, "zh") if name.startswith("network")]


@pytest.mark.parametrize(("language", "words"), [
    ("en", ("Computing network: which work goes where", "stays", "West", "compared: renewable level")),
    ("zh", ("算力网络：业务去向", "留在本地", "西部集群", "比较次序：可再生能源等级"))])
def test_chapter_says_where_each_kind_of_work_goes(networked: StudyResult, language: Language,
                                                  words: tuple[str, ...]) -> None:
    page = Page(networked, language)
    html = network(page)
    assert all(word in html for word in words)
    assert {heading for _, heading, _ in page.clauses} == {"节点定位", "城市内部", "集群"}


def test_tables_hold_the_figures_of_the_plan(networked: StudyResult) -> None:
    rows = _rows(network(Page(networked, "en")))
    west = next(row for row in rows if "City 0 → West" in row)
    km = Geod(ellps="WGS84").inv(113.66, 34.76, 108.3, 34.76)[2] / 1000
    assert f"{km:,.0f} ± 7" in west
    for factor in (1.3, 1.5, 2.1):
        assert f" {km * factor * 4.9e-3:.1f} " in west
    far = next(row for row in rows if "City 0 → " in row and "West" not in row)
    assert "in no hub region" in far
    assert "on a good route alone" in far
    refused = next(row for row in rows if "not listed by its clause" in row and "West" in row)
    assert "its clause lists offline work, medium work, not real-time work; by delay alone: 3.6 ms" in refused


def test_names_from_a_pack_are_text_and_nothing_else(networked: StudyResult) -> None:
    for language in ("zh", "en"):
        html = network(Page(networked, language))  # type: ignore[arg-type]
        assert ATTACK not in html
        assert "&lt;img src=x onerror=alert(1)&gt;" in html


def test_long_networks_list_what_was_chosen(small_result: StudyResult) -> None:
    many = _networked(small_result, _settings(n_more_origins=40))
    html = network(Page(many, "en"))
    assert "those chosen of 82; the layer holds all" in html
    assert "network_assignments.csv" in html
    assert "and 35 more" in html
    assert len(_rows(html)) < 100
    assert not re.search(r">\d\.\d ms</text>", html)
    few = network(Page(_networked(small_result, _settings()), "en"))
    assert len(re.findall(r">\d+\.\d ms</text>", few)) == 2


def test_figure_shows_only_kinds_of_links_that_are_there(networked: StudyResult) -> None:
    html = network(Page(networked, "en"))
    assert "work assigned" in html
    assert "may take none" in html
    assert "may take work, not chosen" not in html


# ------------------------------------------------------------------ the map


def _told(layer, language: Language):  # type: ignore[no-untyped-def]
    meta, arrays = unpack_block(pack_layer(layer, language))
    return meta, {field["name"]: field["values"] for field in meta["fields"]}, arrays


def test_links_far_out_of_the_study_area_are_hidden_at_first(networked: StudyResult) -> None:
    layers = {layer.name: layer for layer in map_layers(networked) if layer.name.startswith("network")}
    assert set(layers) == {"network_links", "network_places"}
    assert not any(layer.style.is_shown for layer in layers.values())
    x, y = 113.66, 34.76
    near = replace(_settings(), hubs=tuple(replace(h, lon=x + 0.03, lat=y) for h in _settings().hubs))
    shown = list(network_layers(_networked(networked, near)))
    assert all(layer.style.is_shown for layer in shown)


def test_of_many_links_those_that_carry_work_are_seen_first(small_result: StudyResult) -> None:
    def zooms(result: StudyResult) -> list[float]:
        layer = next(layer for layer in network_layers(result) if layer.name == "network_links")
        return [variant.min_zoom for variant in layer.style.variants]

    assert zooms(_networked(small_result, _settings())) == [0.0, 0.0, 0.0]
    many = zooms(_networked(small_result, _settings(n_more_origins=20)))
    assert many[0] == 0.0
    assert min(many[1:]) > 5.0


def test_popups_tell_distance_delays_and_verdicts_in_both_languages(networked: StudyResult) -> None:
    layer = next(layer for layer in network_layers(networked) if layer.name == "network_links")
    meta, fields, arrays = _told(layer, "zh")
    assert meta["names"] == ["城市0 → 西部集群", f"城市0 → {ATTACK}"]
    assert fields["assigned"] == ["中时延业务、离线业务", "无"]
    assert fields["good_route_only"] == [None, "中时延业务"]
    assert fields["latency_low_ms"][0] < fields["latency_ms"][0] < fields["latency_high_ms"][0]
    assert fields["work:real_time"][0].startswith("条文未列：其条文所列为离线业务、中时延业务，不含实时业务")
    assert "集群" in fields["clause"][0]
    assert arrays["dimension"].tolist() == [1, 1]
    assert len(set(arrays["variant"].tolist())) == 2
    english = _told(layer, "en")[1]
    assert english["work:real_time"][0].startswith("not listed by its clause: its clause lists offline work")
    assert english["work:medium"][1].startswith("fits on a good route alone: ")


def test_places_have_their_kind_and_position_error(networked: StudyResult) -> None:
    layer = next(layer for layer in network_layers(networked) if layer.name == "network_places")
    meta, fields, arrays = _told(layer, "en")
    assert fields["kind_word"] == ["cluster of a hub region", "partner by agreement", "origin of work"]
    assert fields["region"] == ["West hub", "none", None]
    assert fields["renewable_level"] == [5, None, None]
    assert meta["error_radius_km"] == [5.0, 5.0, 2.0]
    assert meta["certainty"] == ["approximate"] * 3
    assert len(set(arrays["variant"].tolist())) == 3
    assert arrays["x"].tolist() == [1083000000, 830000000, 1136600000]


def test_links_in_degrees_are_never_simplified_as_if_they_were_metres() -> None:
    x = np.linspace(80.0, 115.0, 200_000)
    line = gpd.GeoDataFrame(geometry=[shapely.LineString(np.column_stack([x, 35 + np.sin(x)]))], crs="EPSG:4326")
    assert thin_lines(line) is line


# ------------------------------------------------------------------ layers, tables, manifest


def test_layer_table_and_manifest_hold_the_plan(networked: StudyResult, tmp_path: Path,
                                               monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(outputs, "render_map", lambda result, *, language, progress: "<!DOCTYPE html>")
    write_outputs(networked, tmp_path, language="en")
    report = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert "Computing network: which work goes where" in report
    assert ATTACK not in report
    links = gpd.read_file(tmp_path / "layers" / "network_links.geojson")
    assert links["hub"].tolist() == ["West", ATTACK]
    assert links["workloads"].tolist() == ["medium offline", ""]
    # On the ground: the written line is the geodesic, to the centimetre of its seven decimals.
    geod = Geod(ellps="WGS84")
    lengths = [geod.geometry_length(line) / 1000 for line in links.geometry]
    np.testing.assert_allclose(lengths, links["distance_km"], atol=0.06)
    chinese = gpd.read_file(tmp_path / "layers" / "network_links_zh.geojson")
    assert set(chinese.columns) >= {"枢纽", "时延_通常路由_毫秒", "可承接业务", "位置来源"}
    assert chinese["可承接业务"].tolist()[0] == "中时延业务、离线业务"
    assert chinese["枢纽类型"].tolist() == ["国家枢纽数据中心集群", "协议合作城市"]
    with (tmp_path / "network_assignments_zh.csv").open(encoding="utf-8-sig", newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 3 * 2 + 1
    assert [r["判定"] for r in rows if r["业务编号"] == "real_time"] == ["条文未列", "条文未列", "留在本地"]
    assert [r["是否选定"] for r in rows].count("True") == 3
    found = json.loads((tmp_path / "manifest.json").read_text(encoding="utf-8"))["plans"]["network"]
    assert [(a["workload_id"], a["hub_id"], a["verdict"]) for a in found["assignments"]] == [
        ("real_time", "", "stays"), ("medium", "west", "fits"), ("offline", "west", "fits")]
    assert [(h["hub_id"], h["error_radius_km"], h["source"]) for h in found["hubs"]] == [
        ("west", 5.0, "a gazetteer"), ("far", 5.0, ATTACK)]
    assert found["hubs"][0]["workloads_citation"]["quote"] == TAKES.quote
    assert found["origins"][0]["error_radius_km"] == 2.0
    assert found["route_factors"] == [1.3, 1.5, 2.1]


def test_links_are_handed_over_in_the_belt_of_the_city_and_come_back_unbent(networked: StudyResult) -> None:
    """A guard looks at where the study lies; the links that leave the belt by thirty degrees go with it."""
    frame = next(layer for layer in plan_layers(networked, "zh") if layer.name == "network_links").frame
    moved = placed(frame, target_of("EPSG:4547"))
    back = shapely.get_coordinates(moved.geometry.to_crs("EPSG:4326").to_numpy())
    np.testing.assert_allclose(back, shapely.get_coordinates(frame.geometry.to_numpy()), atol=1e-9)


def test_every_column_has_a_chinese_name(networked: StudyResult) -> None:
    layer = next(layer for layer in plan_layers(networked, "zh") if layer.name == "network_links")
    table = plan_tables(networked, "zh")["network_assignments.csv"]
    assert {str(c) for c in (*layer.frame.columns, *table.columns)} - {"geometry"} <= set(COLUMN_NAMES)


def test_hub_of_a_foreign_kind_of_work_keeps_its_key(networked: StudyResult) -> None:
    from maps.field_names import chinese_words
    frame = plan_layers(networked, "zh")[-1].frame.assign(workloads=["medium unknown_kind", ""])
    assert chinese_words(frame, networked)["workloads"].tolist() == ["中时延业务、unknown_kind", ""]
