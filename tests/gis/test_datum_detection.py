"""Which datum degrees are in: found back on made-up places and on real pairs, and never guessed."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import geopandas as gpd
import numpy as np
import pandas as pd
import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st

from gis.datum import Datum, gcj02_to_wgs84, to_wgs84, wgs84_to_bd09, wgs84_to_gcj02
from gis.datum_detection import (
    DatumFinding,
    combined,
    compare_districts,
    compare_lines,
    compare_named,
    no_reference,
)

SHARED = Path(__file__).resolve().parents[3] / "shared" / "data"
FORWARD: dict[Datum, Callable[..., Any]] = {
    "wgs84": lambda lon, lat: (lon, lat), "gcj02": wgs84_to_gcj02, "bd09": wgs84_to_bd09}
DATUMS = tuple(FORWARD)
CENTRES = ((113.65, 34.75), (104.06, 30.57), (112.55, 37.87), (107.64, 35.71), (116.4, 39.9), (87.6, 43.8))


def moved(geometries: Any, datum: Datum) -> Any:
    return shapely.transform(geometries, lambda c: np.column_stack(FORWARD[datum](c[:, 0], c[:, 1])))


def blobs(centre: tuple[float, float], n: int, seed: int) -> Any:
    """Return ragged polygons, about 10 km across, whose outlines share nothing with each other."""
    random = np.random.default_rng(seed)
    middles = np.array(centre) + random.uniform(-0.15, 0.15, (n, 2))
    angles = np.linspace(0.0, 2.0 * np.pi, 30, endpoint=False)
    return np.array([shapely.Polygon(middle + np.column_stack([np.cos(angles), np.sin(angles)])
                                     * random.uniform(0.03, 0.06, (30, 1))) for middle in middles], dtype=object)


@pytest.fixture
def shared() -> Path:
    if not SHARED.is_dir():
        pytest.skip("the folder of open data is not beside the project")
    return SHARED


@settings(max_examples=8, deadline=None)
@given(centre=st.sampled_from(CENTRES), seed=st.integers(0, 10_000), datum=st.sampled_from(DATUMS))
def test_outlines_moved_by_a_datum_are_found_back(centre: tuple[float, float], seed: int, datum: Datum) -> None:
    outlines = blobs(centre, 6, seed)
    found = compare_lines(moved(outlines, datum), outlines)
    assert (found.likely, found.confidence) == (datum, "sure")
    assert found.residuals_m[datum] < 20.0
    assert sorted(found.residuals_m.values())[1] > 250.0


@settings(max_examples=8, deadline=None)
@given(centre=st.sampled_from(CENTRES), seed=st.integers(0, 10_000), datum=st.sampled_from(DATUMS))
def test_outlines_are_found_back_beside_a_reference_simplified_by_100_m(
        centre: tuple[float, float], seed: int, datum: Datum) -> None:
    outlines = blobs(centre, 8, seed)
    rough = shapely.simplify(outlines, 0.0015)
    found = compare_lines(moved(outlines, datum), rough)
    assert found.likely == datum
    assert found.residuals_m[datum] < 100.0


@settings(max_examples=15, deadline=None)
@given(centre=st.sampled_from(CENTRES), seed=st.integers(0, 10_000), datum=st.sampled_from(DATUMS))
def test_names_decide_although_publishers_put_a_station_100_m_apart(
        centre: tuple[float, float], seed: int, datum: Datum) -> None:
    random = np.random.default_rng(seed)
    reference = np.array(centre) + random.uniform(-0.2, 0.2, (30, 2))
    mine = reference + random.normal(0.0, 0.0005, (30, 2))
    mine[:2] += 0.5  # two pairs that share a name by accident
    found = compare_named(*FORWARD[datum](mine[:, 0], mine[:, 1]), reference[:, 0], reference[:, 1])
    assert (found.likely, found.confidence) == (datum, "sure")
    assert found.hypotheses[0].n_used == 28


def test_few_names_decide_nothing() -> None:
    found = compare_named([113.6, 113.7], [34.7, 34.8], [113.6, 113.7], [34.7, 34.8])
    assert (found.likely, found.confidence) == (None, "unclear")
    assert all(np.isnan(one.residual_m) for one in found.hypotheses)


@pytest.mark.parametrize("datum", DATUMS)
def test_points_that_state_their_district_decide(datum: Datum) -> None:
    random = np.random.default_rng(5)
    west, east = shapely.box(113.4, 34.6, 113.6, 34.8), shapely.box(113.6, 34.6, 113.8, 34.8)
    points = random.uniform([113.402, 34.602], [113.798, 34.798], (3000, 2))
    home = (points[:, 0] > 113.6).astype(int)
    found = compare_districts(*FORWARD[datum](points[:, 0], points[:, 1]), home, [west, east])
    assert (found.likely, found.confidence) == (datum, "sure")
    assert found.residuals_m[datum] == 0.0


def test_points_far_from_every_border_decide_nothing() -> None:
    random = np.random.default_rng(6)
    points = random.uniform([113.55, 34.65], [113.65, 34.75], (500, 2))
    found = compare_districts(points[:, 0], points[:, 1], np.zeros(500, dtype=int), [shapely.box(113, 34, 114.2, 35.4)])
    assert (found.likely, found.confidence) == (None, "unclear")


def test_addresses_that_do_not_match_the_districts_decide_nothing() -> None:
    random = np.random.default_rng(7)
    west, east = shapely.box(113.4, 34.6, 113.6, 34.8), shapely.box(113.6, 34.6, 113.8, 34.8)
    points = random.uniform([113.4, 34.6], [113.8, 34.8], (800, 2))
    found = compare_districts(points[:, 0], points[:, 1], random.integers(0, 2, 800), [west, east])
    assert found.likely is None


@pytest.mark.parametrize("seed", range(6))
def test_points_that_have_nothing_to_do_with_the_lines_decide_nothing(seed: int) -> None:
    random = np.random.default_rng(seed)
    xs, ys = np.arange(113.5, 113.7, 0.004), np.arange(34.6, 34.8, 0.004)
    streets = np.array([*(shapely.LineString([(x, 34.6), (x, 34.8)]) for x in xs),
                        *(shapely.LineString([(113.5, y), (113.7, y)]) for y in ys)], dtype=object)
    points = shapely.points(random.uniform([113.5, 34.6], [113.7, 34.8], (200, 2)))
    assert compare_lines(points, streets).likely is None


def test_one_straight_line_cannot_tell_shifts_along_itself() -> None:
    line = shapely.LineString([(113.2, 34.7), (114.2, 34.7)])
    found = compare_lines([shapely.LineString([(113.6, 34.7), (113.8, 34.7)])], [line])
    assert found.likely in (None, "wgs84")  # never a datum that it is not in
    assert compare_lines([shapely.Point(113.6, 34.7)], [line]).likely is None


def test_nothing_near_the_reference_decides_nothing() -> None:
    outlines = blobs((113.65, 34.75), 4, 1)
    assert compare_lines(shapely.transform(outlines, lambda c: c + 3.0), outlines).likely is None
    assert compare_lines([], outlines).likely is None
    assert compare_lines(outlines, []).likely is None
    assert compare_lines([None, shapely.Polygon()], outlines).likely is None


def test_findings_that_contradict_each_other_name_no_datum() -> None:
    outlines = blobs((113.65, 34.75), 5, 2)
    one, other = compare_lines(moved(outlines, "gcj02"), outlines), compare_lines(outlines, outlines)
    both = combined([one, other])
    assert (both.likely, both.confidence) == (None, "unclear")
    assert one.text.zh in both.text.zh
    assert other.text.en in both.text.en
    assert combined([no_reference(), one]) == one
    with pytest.raises(ValueError, match="no finding"):
        combined([])


def test_the_sentence_gives_the_figures_and_the_verdict() -> None:
    outlines = blobs((113.65, 34.75), 5, 3)
    found = compare_lines(moved(outlines, "bd09"), outlines)
    assert "可确定为 BD-09" in found.text.zh
    assert "it is BD-09" in found.text.en
    for one in found.hypotheses:
        assert f"{one.residual_m:.0f} m" in found.text.en


REAL_OUTLINES = [
    (layer, reference) for code, reference in (
        ("410100", "tianditu_410100_districts_wgs84"), ("510100", "tianditu_510100_districts_wgs84"),
        ("140000", "tianditu_140000_cities_wgs84"), ("621000", "tianditu_621000_districts_wgs84"))
    for layer in (f"datav_{code}_full_gcj02.json", f"cnmaps_amap_{code}_districts_gcj02.geojson")
    if layer not in ("cnmaps_amap_140000_districts_gcj02.geojson", "cnmaps_amap_621000_districts_gcj02.geojson")]


@pytest.mark.parametrize(("layer", "reference"), REAL_OUTLINES)
def test_real_districts_are_told_apart_in_every_datum(shared: Path, layer: str, reference: str) -> None:
    amap = gpd.read_file(shared / "boundaries" / layer)
    tianditu = gpd.read_file(shared / "boundaries" / f"{reference}.geojson").geometry.to_numpy()
    on_ground = to_wgs84(amap, "gcj02").geometry.to_numpy()
    raw = amap.geometry.to_numpy()
    for mine, datum in ((raw, "gcj02"), (moved(on_ground, "bd09"), "bd09"), (on_ground, "wgs84")):
        found = compare_lines(mine, tianditu)
        assert (found.likely, found.confidence) == (datum, "sure"), found.text.en
        assert found.residuals_m[datum] < 50.0
    back = compare_lines(tianditu, on_ground)
    assert back.likely == "wgs84", back.text.en
    assert back.residuals_m["wgs84"] < 50.0


def amap_stations(shared: Path) -> pd.DataFrame:
    lines = json.loads((shared / "demand" / "amap_metro_5101_chengdu_gcj02.json").read_text(encoding="utf-8"))["l"]
    places = {stop["n"]: [float(part) for part in stop["sl"].split(",")] for line in lines for stop in line["st"]}
    return pd.DataFrame.from_dict(places, orient="index", columns=["lon", "lat"])


def osm_metro(shared: Path) -> gpd.GeoDataFrame:
    return gpd.read_file(shared / "osm" / "chengdu_metro_osm_wgs84.geojson")


def test_amap_and_openstreetmap_stations_by_name_both_ways(shared: Path) -> None:
    amap, metro = amap_stations(shared), osm_metro(shared)
    stations = metro[metro.geom_type == "Point"].drop_duplicates("name").set_index("name").geometry
    pairs = amap.join(stations.get_coordinates(), how="inner")
    assert len(pairs) > 70
    there = compare_named(pairs["lon"], pairs["lat"], pairs["x"], pairs["y"])
    back = compare_named(pairs["x"], pairs["y"], *gcj02_to_wgs84(pairs["lon"], pairs["lat"]))
    assert (there.likely, there.confidence) == ("gcj02", "sure")
    assert (back.likely, back.confidence) == ("wgs84", "sure")
    assert there.residuals_m["gcj02"] < 60.0 < 300.0 < there.residuals_m["wgs84"]


def test_stations_lie_on_the_metro_lines(shared: Path) -> None:
    amap, metro = amap_stations(shared), osm_metro(shared)
    lines = metro[metro.geom_type != "Point"].geometry.to_numpy()
    for points, datum in ((shapely.points(amap.to_numpy()), "gcj02"),
                          (metro[metro.geom_type == "Point"].geometry.to_numpy(), "wgs84")):
        found = compare_lines(points, lines)
        assert (found.likely, found.confidence) == (datum, "sure"), found.text.en


def test_a_few_streets_beside_a_few_metro_lines_stay_unclear(shared: Path) -> None:
    roads = gpd.read_file(shared / "osm" / "chengdu_sumo_osm_roads_wgs84.geojson")
    metro = osm_metro(shared)
    found = compare_lines(roads.geometry.to_numpy(), metro[metro.geom_type != "Point"].geometry.to_numpy())
    assert (found.likely, found.confidence) == (None, "unclear")


@pytest.mark.parametrize(("table", "column", "districts", "key", "datum"), [
    ("demand/zhengzhou_food_poi_gcj02.csv", "district", "tianditu_410100_districts_wgs84", "district_name", "gcj02"),
    ("demand/chengdu_supply_facilities_CLEAN.csv", "district", "tianditu_510100_districts_wgs84", "district_name",
     "wgs84"),
    ("townships/vonng_towns_2016_zz_cd_gcj02.csv", "county", "tianditu_510100_districts_wgs84", "district_name",
     "gcj02"),
])
def test_real_points_that_state_their_district(shared: Path, table: str, column: str, districts: str, key: str,
                                               datum: Datum) -> None:
    rows = pd.read_csv(shared / table).rename(columns={"longitude": "lon", "latitude": "lat"})
    areas = gpd.read_file(shared / "boundaries" / f"{districts}.geojson")
    order = {name: k for k, name in enumerate(areas[key])}
    home = [order.get(name, -1) for name in rows[column]]
    found: DatumFinding = compare_districts(rows["lon"], rows["lat"], home, areas.geometry.to_numpy())
    assert (found.likely, found.confidence) == (datum, "sure"), found.text.en
