from __future__ import annotations

import geopandas as gpd
import numpy as np
import pytest
import shapely

from gis.datum import gcj02_to_wgs84
from gis.errors import UsageError
from layers.exports.targets import DATUM_COLUMN, in_degrees, placed, require_near, target_of


def frame() -> gpd.GeoDataFrame:
    return gpd.GeoDataFrame({"k": ["a"]}, geometry=[shapely.Point(113.625, 34.746)], crs="EPSG:4326")


@pytest.mark.parametrize(("word", "key"), [
    ("4326", "EPSG:4326"), ("epsg:4490", "EPSG:4490"), (" EPSG:4547 ", "EPSG:4547"), ("GCJ-02", "gcj02"),
    ("4526", "EPSG:4526"),
])
def test_words_for_a_crs(word: str, key: str) -> None:
    assert target_of(word).key == key


def test_belt_of_chengdu_with_its_number() -> None:
    there = gpd.GeoDataFrame({"a": [1]}, geometry=[shapely.Point(104.07, 30.5)], crs="EPSG:4326")
    plain, numbered = (placed(there, target_of(code)).geometry.iloc[0] for code in ("4544", "4523"))
    assert numbered.x - plain.x == pytest.approx(35e6, abs=1e-3)
    assert f"{numbered.x:.0f}".startswith("354")


@pytest.mark.parametrize("word", ["", "EPSG:3857", "bd09", "32650", "EPSG:4547; DROP TABLE", "九"])
def test_other_crs_are_refused(word: str) -> None:
    with pytest.raises(UsageError, match="EPSG:4490"):
        target_of(word)


def test_zone_number_stands_before_the_easting() -> None:
    plain, numbered = (placed(frame(), target_of(code)).geometry.iloc[0] for code in ("4547", "4526"))
    assert numbered.x - plain.x == pytest.approx(38e6, abs=1e-3)
    assert numbered.y == pytest.approx(plain.y, abs=1e-3)
    assert 4e5 < plain.x < 6e5
    assert 3.8e6 < plain.y < 3.9e6


def test_cgcs2000_degrees_are_those_of_wgs84() -> None:
    found = placed(frame(), target_of("4490"))
    assert found.crs.to_epsg() == 4490
    assert found.geometry.iloc[0] == frame().geometry.iloc[0]


def test_gcj02_is_shifted_and_says_so() -> None:
    target = target_of("gcj02")
    found = placed(frame(), target)
    point = found.geometry.iloc[0]
    assert found[DATUM_COLUMN].tolist() == ["GCJ-02"]
    assert "GCJ-02" in found.crs.name
    assert found.crs.to_epsg() is None
    shift_m = np.hypot((point.x - 113.625) * 91_400, (point.y - 34.746) * 110_900)
    assert 300 < shift_m < 800
    assert np.allclose(gcj02_to_wgs84(point.x, point.y), (113.625, 34.746), atol=1e-9)
    assert in_degrees(found, target)[0] == point


def test_degrees_come_back_from_metres() -> None:
    target = target_of("4547")
    assert shapely.distance(in_degrees(placed(frame(), target), target)[0], frame().geometry.iloc[0]) < 1e-9


def test_belt_of_another_city_is_refused() -> None:
    require_near(target_of("4547"), 113.6)
    require_near(target_of("4490"), 60.0)
    with pytest.raises(UsageError, match="use EPSG:4544"):
        require_near(target_of("4547"), 104.06)
