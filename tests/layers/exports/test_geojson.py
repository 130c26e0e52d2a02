from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import geopandas as gpd
import numpy as np
import pandas as pd
import pyogrio
import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st
from shapely import GeometryCollection, LineString, MultiPolygon, Point, Polygon, box

from gis.errors import ExportError
from layers.exports.geojson import to_rfc7946, write_geojson

HOLED = Polygon(box(460000, 3840000, 461000, 3841000).exterior.coords,
                [box(460100, 3840100, 460200, 3840200).exterior.coords[::-1]])


@pytest.fixture
def frame() -> gpd.GeoDataFrame:
    return gpd.GeoDataFrame({
        "parcel_id": ["甲-1", "b\"2", "c", "d"], "score": [0.5, np.nan, np.inf, 1 / 3], "rank": [1, 2, 3, 4],
        "is_eligible": [True, False, True, False], "name": ["中原<b>", None, "", "x"],
        "reasons": [("a", "b"), [], ["c"], np.array([1.5, 2.5])],
        "when": pd.to_datetime(["2026-01-02", None, None, None]),
    }, geometry=[HOLED, MultiPolygon([box(462000, 3840000, 462500, 3840500), box(463000, 3840000, 463500, 3840500)]),
                 Point(460000, 3840000, 12), None], crs="EPSG:4547")


def _numbers(coordinates: Any) -> list[float]:
    if isinstance(coordinates, list):
        return [number for part in coordinates for number in _numbers(part)]
    return [coordinates]


def test_collection_follows_rfc_7946(tmp_path: Path, frame: gpd.GeoDataFrame) -> None:
    path = write_geojson(frame, tmp_path / "p.geojson", id_column="parcel_id", members={"licence": "仅供内部使用"})
    text = path.read_text(encoding="utf-8")
    collection = json.loads(text)
    assert list(collection) == ["type", "licence", "features"]
    assert "仅供内部使用" in text
    features = collection["features"]
    assert [feature["id"] for feature in features] == ["甲-1", "b\"2", "c", "d"]
    for feature in features[:3]:
        for number in _numbers(feature["geometry"]["coordinates"]):
            assert len(repr(number).partition(".")[2]) <= 7
    assert len(features[2]["geometry"]["coordinates"]) == 2
    assert features[3]["geometry"] is None
    outer, hole = features[0]["geometry"]["coordinates"]
    assert shapely.is_ccw(shapely.linearrings(outer))
    assert not shapely.is_ccw(shapely.linearrings(hole))
    for polygon in features[1]["geometry"]["coordinates"]:
        assert shapely.is_ccw(shapely.linearrings(polygon[0]))


def test_properties_are_plain_values(tmp_path: Path, frame: gpd.GeoDataFrame) -> None:
    path = write_geojson(frame, tmp_path / "p.geojson", id_column="parcel_id")
    properties = [feature["properties"] for feature in json.loads(path.read_text(encoding="utf-8"))["features"]]
    assert properties[0] == {"parcel_id": "甲-1", "score": 0.5, "rank": 1, "is_eligible": True, "name": "中原<b>",
                             "reasons": ["a", "b"], "when": "2026-01-02T00:00:00"}
    assert [row["score"] for row in properties] == [0.5, None, None, 1 / 3]
    assert [row["name"] for row in properties] == ["中原<b>", None, "", "x"]
    assert properties[1]["is_eligible"] is False
    assert properties[1]["when"] is None
    assert properties[3]["reasons"] == [1.5, 2.5]


def test_fields_choose_rename_and_order(tmp_path: Path, frame: gpd.GeoDataFrame) -> None:
    path = write_geojson(frame, tmp_path / "p.geojson", id_column="parcel_id",
                         fields=[("rank", "名次"), ("score", "得分")])
    first = json.loads(path.read_text(encoding="utf-8"))["features"][0]
    assert list(first["properties"].items()) == [("名次", 1), ("得分", 0.5)]
    bare = write_geojson(frame, tmp_path / "q.geojson", id_column="parcel_id", fields=[])
    assert json.loads(bare.read_text(encoding="utf-8"))["features"][0]["properties"] == {}


def test_gdal_reads_the_same_ids_and_places(tmp_path: Path, frame: gpd.GeoDataFrame) -> None:
    path = write_geojson(frame, tmp_path / "p.geojson", id_column="parcel_id", fields=[("rank", "rank")])
    back = pyogrio.read_dataframe(path)
    assert back["id"].tolist() == frame["parcel_id"].tolist()
    assert back.crs.to_epsg() == 4326
    for found, expected in zip(back.to_crs("EPSG:4547").geometry[:2], frame.geometry[:2], strict=True):
        assert found.hausdorff_distance(expected) < 0.02


def test_same_frame_gives_the_same_bytes_and_leaves_no_other_file(tmp_path: Path, frame: gpd.GeoDataFrame) -> None:
    first = write_geojson(frame, tmp_path / "a.geojson", id_column="parcel_id").read_bytes()
    again = write_geojson(frame, tmp_path / "a.geojson", id_column="parcel_id").read_bytes()
    assert first == again
    assert [path.name for path in tmp_path.iterdir()] == ["a.geojson"]


def test_empty_frame_is_a_collection(tmp_path: Path, frame: gpd.GeoDataFrame) -> None:
    path = write_geojson(frame.iloc[:0], tmp_path / "e.geojson", id_column="parcel_id")
    assert json.loads(path.read_text(encoding="utf-8")) == {"type": "FeatureCollection", "features": []}


def test_more_features_than_one_block(tmp_path: Path) -> None:
    n = 20_003
    ids = [f"p{row}" for row in range(n)]
    many = gpd.GeoDataFrame({"i": ids}, geometry=shapely.points(np.linspace(113, 114, n), 34.0), crs="EPSG:4326")
    path = write_geojson(many, tmp_path / "m.geojson", id_column="i", fields=[])
    assert [feature["id"] for feature in json.loads(path.read_text(encoding="utf-8"))["features"]] == ids


def test_frame_without_crs_or_column_is_refused(tmp_path: Path, frame: gpd.GeoDataFrame) -> None:
    with pytest.raises(ExportError, match="no CRS"):
        write_geojson(frame.set_crs(None, allow_override=True), tmp_path / "x.geojson", id_column="parcel_id")
    with pytest.raises(ExportError, match="no column nothing"):
        write_geojson(frame, tmp_path / "x.geojson", id_column="nothing")
    assert list(tmp_path.iterdir()) == []


def test_lines_keep_their_direction() -> None:
    lines = np.array([LineString([(114, 35), (113, 34)]), LineString([(113, 34), (114, 35)])], dtype=object)
    assert [line.coords[0] for line in to_rfc7946(lines)] == [(114.0, 35.0), (113.0, 34.0)]


@settings(max_examples=200, deadline=None)
@given(st.lists(st.tuples(st.floats(0.2, 1.0), st.floats(0.0, 1.0)), min_size=3, max_size=12),
       st.floats(1e-7, 1e-3))
def test_rounding_keeps_polygons_valid_and_in_place(spokes: list[tuple[float, float]], size: float) -> None:
    angles = np.sort([2 * np.pi * turn for _, turn in spokes])
    radii = np.array([radius for radius, _ in spokes]) * size
    star = Polygon(np.column_stack([113.6 + radii * np.cos(angles), 34.7 + radii * np.sin(angles)]))
    given_array = np.array([star], dtype=object)
    written = to_rfc7946(given_array)[0]
    assert json.loads(shapely.to_geojson(written))["type"] in ("Polygon", "MultiPolygon", "GeometryCollection")
    assert np.array_equal(shapely.get_coordinates(written), np.round(shapely.get_coordinates(written), 7))
    if star.is_valid and not shapely.set_precision(star, 1e-7).is_empty:
        assert written.is_valid
        # A spike thinner than the last decimal may go, but no ground beyond a rounded outline.
        assert written.symmetric_difference(star).area <= star.length * 1e-7
        assert all(shapely.is_ccw(part.exterior) for part in shapely.get_parts(written)
                   if part.geom_type == "Polygon")


def test_polygon_that_is_broken_or_falls_into_a_point_is_written_all_the_same() -> None:
    point_like = Polygon([(113.0, 34.0)] * 4)
    bow_tie = Polygon([(0, 0), (2, 2), (3, 0), (0, 2)])
    mixed = GeometryCollection([Point(1, 1), point_like])
    written = to_rfc7946(np.array([point_like, bow_tie, MultiPolygon([bow_tie, box(5, 5, 6, 6)]), mixed], dtype=object))
    assert [geometry.geom_type for geometry in written] == ["Polygon", "Polygon", "MultiPolygon", "GeometryCollection"]
    assert len(written[0].exterior.coords) == 4
    assert shapely.is_ccw(written[2].geoms[1].exterior)


def test_nullable_columns_become_null(tmp_path: Path) -> None:
    frame = gpd.GeoDataFrame({
        "id": ["a", "b"], "count": pd.array([3, None], dtype="Int64"), "depth": pd.array([0.5, None], dtype="Float64"),
        "flag": pd.array([True, None], dtype="boolean"),
    }, geometry=[Point(460000, 3840000), Point(460001, 3840001)], crs="EPSG:4547")
    path = write_geojson(frame, tmp_path / "n.geojson", id_column="id")
    found = [f["properties"] for f in json.loads(path.read_text(encoding="utf-8"))["features"]]
    assert found[0] == {"id": "a", "count": 3, "depth": 0.5, "flag": True}
    assert found[1] == {"id": "b", "count": None, "depth": None, "flag": None}
