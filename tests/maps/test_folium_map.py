"""The map page: what is in it, in both languages, and what must never be."""

from __future__ import annotations

import dataclasses
import re

import geopandas as gpd
import numpy as np
import pytest
from shapely.geometry import LineString

from gis.bilingual import Text
from layers.schemas import LAYERS
from maps import styles
from maps._packing_block import unpack_block
from maps._packing_ids import unpack_ids
from maps.folium_map import PANEL_SCRIPTS, PANEL_STYLES, render_map
from maps.map_layers import MOST_LINE_VERTICES, map_layers, pack_layer, thin_lines, variant_of
from maps.map_phrases import PHRASES
from maps.map_study import banner_lines, study_data
from siting.city_pack import load_pack

BLOCK = re.compile(r'<script type="application/octet-stream" id="suanzhi-([\w-]+)" data-kind="\w+">([^<]*)</script>')


@pytest.fixture
def page(small_result):
    return render_map(small_result)


def blocks(html: str) -> dict[str, tuple]:
    return {name: unpack_block(text) for name, text in BLOCK.findall(html)}


def test_page_asks_for_nothing(page):
    assert not re.search(r"<(?:script|link|img|iframe)\b[^>]*(?:src|href)\s*=", page)
    assert not re.search(r"url\((?!\"data:|#)", page)
    assert "default-src 'none'" in page


def test_page_states_language_charset_and_title(small_result):
    head = render_map(small_result, language="en")[:4000]
    assert '<html lang="en">' in head
    assert "charset" in head[:200]
    assert "<title>Suanzhi · Zhengzhou · small</title>" in head
    assert '<html lang="zh-CN">' in render_map(small_result)[:200]


def test_two_renders_are_equal_byte_for_byte(small_result, page):
    assert render_map(small_result) == page


def test_study_name_cannot_end_the_title(small_result):
    study = dataclasses.replace(small_result.study, name="</title><script>alert(1)</script>")
    html = render_map(dataclasses.replace(small_result, study=study))
    assert "<script>alert(1)" not in html


def test_text_of_layers_never_stands_in_the_page_as_markup(page):
    assert "src=x" not in page
    assert "alert(1)" not in page
    assert "7*7" not in page
    packed, arrays = blocks(page)["parcels"]
    assert "<img src=x onerror=alert(1)>" in unpack_ids(packed["beginnings"], arrays)
    assert "{{ 7*7 }}{% raw %}" in packed["words"]["district"]


def test_every_panel_file_is_in_the_page():
    from importlib.resources import files
    there = {path.name for path in (files("maps") / "panel").iterdir() if path.name[-3:] in (".js", "css")}
    assert there == {*PANEL_SCRIPTS, *PANEL_STYLES}


def test_browser_code_asks_for_phrases_that_are_there():
    from importlib.resources import files
    code = "".join((files("maps") / "panel" / name).read_text(encoding="utf-8") for name in PANEL_SCRIPTS)
    asked = set(re.findall(r'(?:phrase|card|list)\("(\w+)"', code))
    assert {"rank_of", "layers", "missing_layers"} <= asked
    assert asked | {"shall", "should", "would_score"} <= set(PHRASES)


def test_browser_code_never_writes_markup():
    from importlib.resources import files
    for name in PANEL_SCRIPTS:
        code = (files("maps") / "panel" / name).read_text(encoding="utf-8")
        assert not re.search(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|eval\(", code), name


def test_every_vector_layer_that_is_there_is_drawn(small_result, page):
    drawn = {meta["name"]: meta for name, (meta, _) in blocks(page).items() if name.startswith("layer-")}
    wanted = set(small_result.city_layers.frames) - {"parcels"} | {"policy_zones", "feed_lines", "coverage"}
    assert set(drawn) == wanted
    assert drawn["substations"]["title"] == "变电站"
    assert drawn["substations"]["title_minor"] == "Substations"


def test_layer_without_a_style_is_drawn_all_the_same(small_result):
    assert set(styles.LAYER_STYLES) == {name for name, schema in LAYERS.items() if not schema.is_raster}
    frame = small_result.city_layers.frames["substations"]
    chosen = variant_of(frame, styles.LAYER_STYLES["substations"])
    assert [styles.LAYER_STYLES["substations"].variants[i].title.en for i in chosen] == [
        "500 kV and above", "220 kV", "110 kV", "110 kV", "35 kV and below"]


def test_parcels_are_a_layer_of_their_own_where_a_grid_is_scored(small_result):
    study = dataclasses.replace(small_result.study, candidates="grid")
    assert "parcels" in {layer.name for layer in map_layers(dataclasses.replace(small_result, study=study))}


def test_study_without_edge_plan_has_a_map(small_result):
    result = dataclasses.replace(small_result, edge_plan=None)
    assert study_data(result, "zh")["edge"] is None
    assert "feed_lines" not in {layer.name for layer in map_layers(result)}
    assert render_map(result)


def test_names_of_units_follow_the_language(small_result):
    layer = next(item for item in map_layers(small_result) if item.name == "policy_zones")
    assert unpack_block(pack_layer(layer, "zh"))[0]["names"] == ["高新区", "金水区"]
    assert unpack_block(pack_layer(layer, "en"))[0]["names"] == ["Gaoxin", "Jinshui"]


def test_name_of_an_area_is_written_inside_it(small_result):
    layer = next(item for item in map_layers(small_result) if item.name == "policy_zones")
    arrays = unpack_block(pack_layer(layer, "zh"))[1]
    points = gpd.points_from_xy(arrays["anchor_x"], arrays["anchor_y"], crs=4326).to_crs(layer.frame.crs)
    assert layer.frame.geometry.contains(gpd.GeoSeries(points, index=layer.frame.index)).all()


def test_banner_names_what_is_synthetic(small_result):
    zh = banner_lines(small_result, "zh")
    assert [line["kind"] for line in zh] == ["synthetic"]
    assert "地块" in zh[0]["text"]
    assert "不得用于决策" in zh[0]["text"]
    assert "行政区" not in zh[0]["text"]
    assert "Parcels" in banner_lines(small_result, "en")[0]["text"]


def test_banner_is_empty_where_all_is_real(small_result):
    real = tuple(dataclasses.replace(p, certainty="real") for p in small_result.city_layers.provenance)
    layers = dataclasses.replace(small_result.city_layers, provenance=real)
    assert banner_lines(dataclasses.replace(small_result, city_layers=layers), "zh") == []


def test_footer_gives_the_map_approval_number(small_result):
    assert study_data(small_result, "zh")["footer"][0] == "行政区划: 天地图 审图号 GS(2024)0650"


def test_missing_layers_and_notes_are_told(small_result):
    about = study_data(small_result, "en")["about"]
    assert [m["layer"] for m in about["missing"]] == ["Functional zones", "Faults", "Elevation", "Flood depth"]
    assert about["notes"] == ["The plan is a draft."]
    assert about["facts"] == ["Latency differs by under 0.5 ms."]


def test_each_rule_carries_its_clause(small_result):
    rules = {r["id"]: r for r in study_data(small_result, "zh")["classes"][0]["rules"]}
    assert rules["POL-closed"]["citation"]["quote"].startswith("加强大型")
    assert rules["POL-closed"]["is_categorical"]
    assert rules["GB-A-railway"]["limit"] == 800.0
    assert not rules["GB-A-petrol"]["excludes"]


def test_score_ramp_grows_darker_all_the_way():
    channels = np.array([[int(c[i:i + 2], 16) / 255 for i in (1, 3, 5)] for c in styles.SCORE_RAMP])
    linear = np.where(channels <= 0.04045, channels / 12.92, ((channels + 0.055) / 1.055) ** 2.4)
    luminance = linear @ [0.2126, 0.7152, 0.0722]
    assert (np.diff(luminance) < -0.02).all()


@pytest.mark.parametrize(("low", "high"), [(0.0, 1.0), (0.42, 0.79), (0.6, 0.6), (0.0, 0.05), (0.95, 1.0)])
def test_score_breaks_are_round_rising_and_inside(low, high):
    breaks = styles.score_breaks(low, high)
    assert len(breaks) == len(styles.SCORE_RAMP) - 1
    assert (np.diff(breaks) > 0).all()
    assert breaks[0] > 0.0
    assert breaks[-1] <= 1.0
    assert all(abs(b * 1000 - round(b * 1000)) < 1e-9 for b in breaks)


def test_reasons_are_sorted_by_kind():
    keys = [look.key for look in styles.REASON_LOOKS]
    assert keys[styles.reason_of("permission", "")] == "policy"
    assert keys[styles.reason_of("overlap", "water")] == "terrain"
    assert keys[styles.reason_of("overlap", "protected_land")] == "protected"
    assert keys[styles.reason_of("setback", "railways")] == "setback"
    assert keys[styles.reason_of("corridor", "runways")] == "flight"
    assert len({look.hatch_deg for look in styles.REASON_LOOKS}) == len(styles.REASON_LOOKS)


def test_layer_of_too_many_lines_is_thinned_and_says_so():
    ways = [LineString([(40.0 * i, y + (i % 2) * 30.0) for i in range(100)]) for y in range(2000)]
    frame = gpd.GeoDataFrame({"road_id": [str(i) for i in range(len(ways))]}, geometry=ways, crs="EPSG:4547")
    light = thin_lines(frame)
    assert 0 < sum(len(way.coords) for way in light.geometry) <= MOST_LINE_VERTICES
    assert len(light) < len(frame)
    small = frame.iloc[:10]
    assert thin_lines(small) is small


def test_progress_counts_to_the_end(small_result):
    told: list[tuple[int, int]] = []

    def note(step: Text, done: int, total: int) -> None:
        told.append((done, total))

    render_map(small_result, progress=note)
    assert told[-1][0] == told[-1][1]
    assert [done for done, _ in told] == sorted(done for done, _ in told)


def test_weights_of_the_pack_stand_beside_those_of_the_study(small_result):
    own = dataclasses.replace(small_result.study, weights=(("large", "power_distance_m", 1.0),))
    criteria = study_data(dataclasses.replace(small_result, study=own), "zh")["classes"][0]["criteria"]
    shipped = {c.criterion_id: c.weight for c in load_pack("zhengzhou").criteria_for("large")}
    assert {c["id"]: c["pack_weight"] for c in criteria} == {c["id"]: shipped.get(c["id"]) for c in criteria}
    assert criteria[0]["pack_weight"] not in (None, criteria[0]["weight"])
    lost = dataclasses.replace(own, city="/nowhere/pack.toml")
    criteria = study_data(dataclasses.replace(small_result, study=lost), "zh")["classes"][0]["criteria"]
    assert {c["pack_weight"] for c in criteria} == {None}


def test_grid_of_the_run_is_told_where_it_is_transverse_mercator(small_result):
    grid = study_data(small_result, "zh")["grid"]
    assert grid["name"] == "CGCS2000 EPSG:4547"
    assert (grid["central_meridian"], grid["false_easting"], grid["scale"]) == (114.0, 500_000.0, 1.0)
    layers = dataclasses.replace(small_result.city_layers, metric_crs="EPSG:3857")
    assert study_data(dataclasses.replace(small_result, city_layers=layers), "zh")["grid"] is None


def test_curve_without_known_hosts_is_left_out(small_result):
    assert [step["n"] for step in study_data(small_result, "zh")["edge"]["curve"]] == [1, 2, 3]
    small_result.edge_plan.curve["host_ids"] = ["SUB2", "SUB2 nowhere", "SUB2 ROOM0 ROOM1"]
    assert study_data(small_result, "zh")["edge"]["curve"] == []


def test_study_that_holds_only_its_best_says_so(small_result):
    kept = np.flatnonzero((small_result.scores[0].rank > 0) & (small_result.scores[0].rank < 6))
    scores = tuple(dataclasses.replace(
        own, raw=own.raw[kept], score=own.score[kept], rank=own.rank[kept], data_coverage=own.data_coverage[kept],
        permissions=tuple(own.permissions[row] for row in kept), exclusions=dataclasses.replace(
            own.exclusions, measured=own.exclusions.measured[kept], shortfall=own.exclusions.shortfall[kept]))
        for own in small_result.scores)
    part = dataclasses.replace(small_result, candidates=small_result.candidates.iloc[kept], scores=scores)
    data = study_data(part, "en")
    assert data["footer"][0] == "The best 5 of 32 candidates are on this map"
    assert (data["classes"][0]["n_eligible"], data["classes"][0]["is_partial"]) == (21, True)
    assert "best 5" not in " ".join(study_data(small_result, "en")["footer"])
    assert render_map(part)


def test_parcels_are_in_the_page_once(page):
    assert page.count('id="suanzhi-parcels"') == 1
    assert len(dict(BLOCK.findall(page))["parcels"]) > 1_000
