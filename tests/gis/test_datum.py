"""The datum formulas against published points, their own inverses and real layers in both datums."""

from __future__ import annotations

import json
from pathlib import Path

import geopandas as gpd
import numpy as np
import pytest
import shapely
from hypothesis import given
from hypothesis import strategies as st

from gis.datum import bd09_to_wgs84, gcj02_to_wgs84, to_wgs84, wgs84_to_bd09, wgs84_to_gcj02
from gis.errors import CrsError, DatumError

DATA = Path(__file__).resolve().parents[2] / "../shared/data"
LON = st.floats(72.1, 137.7)
LAT = st.floats(0.9, 55.7)


def _need(*names: str) -> list[Path]:
    paths = [DATA / name for name in names]
    for path in paths:
        if not path.exists():
            pytest.skip(f"no {path.name} here: the real layers are not part of the product")
    return paths


# Worked examples that the authors of the well-known implementations print.
PUBLISHED_GCJ02 = [((116.404, 39.915), (116.41024449916938, 39.91640428150164))]
PUBLISHED_BD09_FROM_GCJ02 = [((116.404, 39.915), (116.41036949371029, 39.92133699351021))]


@pytest.mark.parametrize(("point", "expected"), PUBLISHED_GCJ02)
def test_forward_formula_gives_the_published_point(point, expected):
    assert np.allclose(wgs84_to_gcj02(*point), expected, rtol=0, atol=1e-9)


@pytest.mark.parametrize(("point", "expected"), PUBLISHED_BD09_FROM_GCJ02)
def test_baidu_formula_gives_the_published_point(point, expected):
    assert np.allclose(wgs84_to_bd09(*gcj02_to_wgs84(*point)), expected, rtol=0, atol=1e-9)


@given(LON, LAT)
def test_forward_of_inverse_is_identity(lon, lat):
    assert np.allclose(wgs84_to_gcj02(*gcj02_to_wgs84(lon, lat)), (lon, lat), rtol=0, atol=1e-9)
    assert np.allclose(wgs84_to_bd09(*bd09_to_wgs84(lon, lat)), (lon, lat), rtol=0, atol=1e-9)


@given(LON, LAT)
def test_inverse_of_forward_is_identity(lon, lat):
    assert np.allclose(gcj02_to_wgs84(*wgs84_to_gcj02(lon, lat)), (lon, lat), rtol=0, atol=1e-9)
    assert np.allclose(bd09_to_wgs84(*wgs84_to_bd09(lon, lat)), (lon, lat), rtol=0, atol=1e-9)


def test_both_inverses_hold_on_a_dense_grid_of_china():
    lon, lat = np.meshgrid(np.linspace(73.5, 135.2, 401), np.linspace(17.5, 53.7, 301))
    for forward, inverse in ((wgs84_to_gcj02, gcj02_to_wgs84), (wgs84_to_bd09, bd09_to_wgs84)):
        there = forward(*inverse(lon, lat))
        assert max(np.abs(there[0] - lon).max(), np.abs(there[1] - lat).max()) < 1e-9


def test_shift_is_that_of_the_city():
    lon, lat = wgs84_to_gcj02([113.65, 104.07], [34.76, 30.57])
    metres = np.hypot((lon - (113.65, 104.07)) * 111_320 * np.cos(np.radians((34.76, 30.57))),
                      (lat - (34.76, 30.57)) * 110_900)
    assert 500 < metres[0] < 620
    assert 310 < metres[1] < 410


@pytest.mark.parametrize("convert", [wgs84_to_gcj02, gcj02_to_wgs84])
def test_outside_the_box_each_point_stays(convert):
    lon, lat = np.array([71.9, 113.6, 138.0, 113.6]), np.array([34.0, 0.5, 34.0, 34.7])
    moved_lon, moved_lat = convert(lon, lat)
    assert (moved_lon[:3] == lon[:3]).all()
    assert (moved_lat[:3] == lat[:3]).all()
    assert moved_lon[3] != lon[3]


@pytest.mark.parametrize("convert", [wgs84_to_gcj02, gcj02_to_wgs84, wgs84_to_bd09, bd09_to_wgs84])
def test_odd_numbers_pass_silently(convert):
    lon, lat = convert([np.nan, np.inf, 113.6, 113.6, -1e308], [34.0, 34.0, -np.inf, 34.7, 1e308])
    assert np.isnan(lon[:3]).all()
    assert np.isnan(lat[:3]).all()
    assert np.isfinite([lon[3], lat[3]]).all()


@pytest.mark.parametrize("convert", [wgs84_to_gcj02, gcj02_to_wgs84, wgs84_to_bd09, bd09_to_wgs84])
def test_shapes_broadcast_inputs_stay_and_points_are_independent(convert):
    lon, lat = np.linspace(100, 120, 7), np.linspace(20, 40, 7)
    kept = lon.copy(), lat.copy()
    together = convert(lon, lat)
    assert (lon == kept[0]).all()
    assert (lat == kept[1]).all()
    assert all(convert(lon[i], lat[i]) == (together[0][i], together[1][i]) for i in range(7))
    assert convert(113.6, lat[:, None] * np.ones((1, 2)))[1].shape == (7, 2)
    scalar = convert(113, 34)
    assert isinstance(scalar[0], np.ndarray)
    assert scalar[0].dtype == np.float64


def test_frame_keeps_index_columns_heights_and_holes():
    hole = [(113.05, 34.01), (113.06, 34.01), (113.06, 34.02)]
    ring = shapely.Polygon([(113, 34), (113.1, 34), (113.1, 34.1)], [hole])
    frame = gpd.GeoDataFrame({"name": ["a", "b", "c", "d"]}, index=[7, 5, 3, 1], crs=4490, geometry=[
        ring, shapely.Point(113.6, 34.7, 88.0), None, shapely.LineString([(113, 34), (114, 35)])])
    moved = to_wgs84(frame, "gcj02")
    assert list(moved.index) == [7, 5, 3, 1]
    assert list(moved["name"]) == ["a", "b", "c", "d"]
    assert moved.crs.to_epsg() == 4326
    assert moved.geometry[5].z == 88.0
    assert not moved.geometry[7].has_z
    assert len(moved.geometry[7].interiors) == 1
    assert moved.geometry[3] is None
    expected = np.column_stack(gcj02_to_wgs84(*shapely.get_coordinates(frame.geometry[1]).T))
    assert (shapely.get_coordinates(moved.geometry[1]) == expected).all()
    assert frame.geometry[5].x == 113.6


@pytest.mark.parametrize("datum", ["wgs84", "cgcs2000"])
def test_satellite_datums_stay(datum):
    frame = gpd.GeoDataFrame(geometry=[shapely.Point(113.6, 34.7)], crs=4490)
    assert to_wgs84(frame, datum).geometry[0].equals(frame.geometry[0])
    assert to_wgs84(frame.set_crs(None, allow_override=True), datum).crs.to_epsg() == 4326


def test_projected_frame_in_gcj02_is_brought_back_to_degrees_first():
    degrees = gpd.GeoDataFrame(geometry=[shapely.Point(113.6, 34.7)], crs=4326)
    from_tiles = to_wgs84(degrees.to_crs(3857), "gcj02")
    assert from_tiles.crs.to_epsg() == 4326
    assert from_tiles.geometry[0].distance(to_wgs84(degrees, "gcj02").geometry[0]) < 1e-9


def test_unknown_datum_and_metres_without_crs_are_refused():
    frame = gpd.GeoDataFrame(geometry=[shapely.Point(463351, 3841384)])
    with pytest.raises(DatumError, match="gcj02"):
        to_wgs84(frame, "gcj-02")
    for datum in ("wgs84", "gcj02"):
        with pytest.raises(CrsError, match="declare"):
            to_wgs84(frame, datum)


def _translation_m(moved: gpd.GeoDataFrame, fixed: gpd.GeoDataFrame) -> float:
    """Median over districts of the shift between the centroids, in metres."""
    one, other = (f.to_crs(4547).set_index("name").geometry for f in (moved, fixed))
    names = sorted(set(one.index) & set(other.index))
    assert len(names) >= 10
    between = np.array([[other[n].centroid.x - one[n].centroid.x, other[n].centroid.y - one[n].centroid.y]
                        for n in names])
    return float(np.hypot(*np.median(between, axis=0)))


def test_real_districts_of_zhengzhou_meet_after_the_inverse():
    amap, tianditu = _need("boundaries/cnmaps_amap_410100_districts_gcj02.geojson",
                           "boundaries/tianditu_410100_districts_wgs84.geojson")
    gcj02 = gpd.read_file(amap).set_crs(4326, allow_override=True)
    fixed = gpd.read_file(tianditu).rename(columns={"district_name": "name"})
    assert _translation_m(gcj02, fixed) > 400
    assert _translation_m(to_wgs84(gcj02, "gcj02"), fixed) < 30


def test_real_metro_stations_of_chengdu_meet_after_the_inverse():
    amap, osm = _need("demand/amap_metro_5101_chengdu_gcj02.json", "osm/chengdu_metro_osm_wgs84.geojson")
    stations = {s["n"]: [float(v) for v in s["sl"].split(",")]
                for line in json.loads(amap.read_text(encoding="utf-8"))["l"] for s in line["st"]}
    features = json.loads(osm.read_text(encoding="utf-8"))["features"]
    true = {f["properties"]["name"]: f["geometry"]["coordinates"] for f in features
            if f["geometry"]["type"] == "Point" and f["properties"].get("name")}
    names = sorted(set(stations) & set(true))
    assert len(names) > 50
    given, fixed = (np.array([source[n] for n in names]) for source in (stations, true))
    moved = np.column_stack(gcj02_to_wgs84(*given.T))

    def median_m(points):
        away = (points - fixed) * 111_320 * (np.cos(np.radians(30.6)), 1.0)
        return float(np.median(np.hypot(*away.T)))

    assert median_m(moved) < 60
    assert median_m(moved) < median_m(given) / 4
