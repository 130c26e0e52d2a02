"""The metric CRS: what is accepted, what is moved and what mistakes are named."""

from __future__ import annotations

import geopandas as gpd
import numpy as np
import pytest
import shapely
from hypothesis import given
from hypothesis import strategies as st
from pyproj import CRS, Geod

from gis.crs import axis_order_problem, parse_crs, require_metric, to_metric, to_wgs84_frame
from gis.errors import CrsError

AREA = (112.7, 34.2, 114.3, 35.0)
METRES = (400_000.0, 3_790_000.0, 460_000.0, 3_850_000.0)


def _swapped(bounds):
    return (bounds[1], bounds[0], bounds[3], bounds[2])


def _points(*points, crs=4326):
    return gpd.GeoDataFrame({"n": range(len(points))}, geometry=list(points), crs=crs)


@pytest.mark.parametrize("text", ["EPSG:4547", " epsg:4547 ", 4547, CRS.from_epsg(4547), CRS.from_epsg(4547).to_wkt()])
def test_crs_is_parsed(text):
    assert parse_crs(text).to_epsg() == 4547


@pytest.mark.parametrize("text", ["", "EPSG:0", "CGCS2000-ish"])
def test_unknown_crs_is_refused_in_both_languages(text):
    with pytest.raises(CrsError, match="EPSG:4547") as caught:
        parse_crs(text)
    assert "坐标系" in caught.value.message("zh")


@pytest.mark.parametrize("crs", [4326, 4490, 4479, 2264, 3857])
def test_degrees_geocentric_feet_and_web_mercator_are_no_metric_crs(crs):
    with pytest.raises(CrsError):
        require_metric(crs)


@pytest.mark.parametrize("crs", [4547, 4544, 4526, 32649])
def test_gauss_krueger_and_utm_are_metric(crs):
    assert require_metric(crs).to_epsg() == crs


@pytest.mark.parametrize("source", [4326, 4490])
@pytest.mark.parametrize(("target", "zone_m"), [(4547, 0), (4526, 38_000_000)])
def test_distance_from_the_central_meridian_is_that_of_the_ellipsoid(source, target, zone_m):
    moved = to_metric(_points(shapely.Point(113.99, 34.7), crs=source), target)
    arc_m = Geod(ellps="GRS80").inv(113.99, 34.7, 114.0, 34.7)[2]
    assert moved.crs.to_epsg() == target
    assert moved.geometry[0].x == pytest.approx(zone_m + 500_000 - arc_m, abs=0.01)
    assert 3.84e6 < moved.geometry[0].y < 3.845e6


@given(st.floats(112.7, 114.3), st.floats(34.2, 35.0))
def test_there_and_back_is_identity(lon, lat):
    frame = _points(shapely.Point(lon, lat))
    back = to_wgs84_frame(to_metric(frame, 4547))
    assert back.geometry[0].distance(frame.geometry[0]) < 1e-10


def test_frame_keeps_index_columns_name_and_heights():
    frame = _points(shapely.Point(113.6, 34.7, 90.0), None, shapely.Point(), shapely.Point(113.6, 34.7))
    frame = frame.set_index([[9, 8, 7, 6]]).rename_geometry("place")
    moved = to_metric(frame, 4547)
    assert list(moved.index) == [9, 8, 7, 6]
    assert list(moved.columns) == ["n", "place"]
    assert moved.geometry.name == "place"
    assert moved.place.iloc[0].z == 90.0
    assert moved.place.iloc[1] is None
    assert not moved.place.iloc[3].has_z
    assert frame.place.iloc[0].x == 113.6


def test_frame_without_crs_and_lost_vertices_are_refused():
    with pytest.raises(CrsError, match="no CRS"):
        to_metric(_points(shapely.Point(113.6, 34.7), crs=None), 4547)
    with pytest.raises(CrsError, match="2 vertices"):
        to_metric(_points(shapely.LineString([(34.7, 113.6), (34.8, 113.7)]), shapely.Point(113.6, 34.7)), 4547)


def test_vertices_that_were_not_finite_are_left_to_the_repair():
    moved = to_metric(_points(shapely.Point(np.inf, 34.7), shapely.Point(113.6, 34.7)), 4547)
    assert not np.isfinite(shapely.get_coordinates(moved.geometry[0])).all()
    assert np.isfinite(shapely.get_coordinates(moved.geometry[1])).all()


@pytest.mark.parametrize("source", [4610, 2383, 4214, 2433])
def test_old_datums_are_refused_rather_than_moved_by_nothing(source):
    place = shapely.Point(113.6, 34.7) if source > 4000 else shapely.Point(500_000, 3.8e6)
    with pytest.raises(CrsError, match="CGCS2000"):
        to_metric(_points(place, crs=source), 4547)


def test_good_bounds_and_far_away_bounds_are_no_axis_problem():
    assert axis_order_problem(METRES, AREA, "EPSG:4547") is None
    assert axis_order_problem(AREA, AREA, "EPSG:4547", 4490) is None
    assert axis_order_problem((0.0, 0.0, 1.0, 1.0), AREA, "EPSG:4547", 4326) is None
    assert axis_order_problem((np.nan,) * 4, AREA, "EPSG:4547") is None


@pytest.mark.parametrize(("bounds", "crs", "word"), [
    (_swapped(AREA), 4326, "latitude comes before"),
    (_swapped(METRES), None, "northing comes before"),
    (AREA, None, "degrees but a CRS in metres"),
    (_swapped(AREA), None, "degrees but a CRS in metres"),
    (METRES, 4490, "metres but a CRS in degrees"),
    ((38_400_000.0, METRES[1], 38_460_000.0, METRES[3]), None, "zone number"),
    (METRES, 4526, "zone number"),
])
def test_mistakes_are_named(bounds, crs, word):
    problem = axis_order_problem(bounds, AREA, "EPSG:4547", crs)
    assert problem is not None
    assert word in problem.en
    assert "请" in problem.zh
