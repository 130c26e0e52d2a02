"""What is packed for the browser comes back as it was: shapes, scores, reasons."""

from __future__ import annotations

import geopandas as gpd
import numpy as np
import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st
from shapely import GeometryCollection, LineString, MultiPoint, MultiPolygon, Point, Polygon, box
from shapely.geometry import LinearRing

from maps.packed_geometry import UNITS_PER_DEGREE, pack_block, pack_geometry, unpack_block
from maps.packed_parcels import SHARE_STEPS, main_reason, pack_parcels, permissions_of, unchecked_rules
from siting.scoring import contributions_at

STEP_DEG = 1.0 / UNITS_PER_DEGREE


def _rebuilt(arrays: dict[str, np.ndarray], row: int) -> list[np.ndarray]:
    """Return the paths of one feature in degrees."""
    path_start = np.concatenate([[0], np.cumsum(arrays["path_count"], dtype=int)])
    vertex_start = np.concatenate([[0], np.cumsum(arrays["vertex_count"], dtype=int)])
    xy = np.column_stack([arrays["x"], arrays["y"]]) / UNITS_PER_DEGREE
    return [xy[vertex_start[p]:vertex_start[p + 1]] for p in range(path_start[row], path_start[row + 1])]


def _even_odd(paths: list[np.ndarray]) -> shapely.Geometry:
    """Combine rings as the browser fills them."""
    shape: shapely.Geometry = Polygon()
    for path in paths:
        shape = shape.symmetric_difference(Polygon(path))
    return shape


SHAPES = [
    box(113.5, 34.5, 113.6, 34.6),
    box(113.5, 34.5, 113.6, 34.6).difference(box(113.52, 34.52, 113.55, 34.56)),
    MultiPolygon([box(113.7, 34.5, 113.8, 34.6), box(113.9, 34.5, 114.0, 34.7).difference(
        box(113.95, 34.55, 113.97, 34.6))]),
]


def test_polygons_with_holes_and_parts_survive_packing():
    _, arrays = unpack_block(pack_block({}, pack_geometry(gpd.GeoSeries(SHAPES, crs=4326))))
    assert list(arrays["path_count"]) == [1, 2, 3]
    for row, shape in enumerate(SHAPES):
        again = _even_odd(_rebuilt(arrays, row))
        assert again.symmetric_difference(shape).area < 1e-10
        assert again.area == pytest.approx(shape.area, abs=1e-8)


def test_rings_lose_their_closing_vertex_and_closed_lines_keep_it():
    ring = [(113.0, 34.0), (113.1, 34.0), (113.1, 34.1), (113.0, 34.0)]
    arrays = pack_geometry(gpd.GeoSeries([Polygon(ring), LineString(ring), LinearRing(ring)], crs=4326))
    assert list(arrays["vertex_count"]) == [3, 4, 4]
    assert list(arrays["dimension"]) == [2, 1, 1]


def test_points_lines_collections_and_gaps_keep_their_rows():
    shapes = [Point(1, 2), None, MultiPoint([(1, 2), (3, 4)]), Polygon(),
              GeometryCollection([Point(0, 0), box(5, 5, 6, 6)]), LineString([(0, 0), (1, 1)])]
    arrays = pack_geometry(gpd.GeoSeries(shapes, crs=4326))
    assert list(arrays["path_count"]) == [1, 0, 2, 0, 1, 1]
    assert list(arrays["dimension"]) == [0, 0, 0, 0, 2, 1]
    assert len(_rebuilt(arrays, 4)[0]) == 4


def test_layer_of_nothing_packs():
    _, arrays = unpack_block(pack_block({}, pack_geometry(gpd.GeoSeries([], crs=4326))))
    assert len(arrays["x"]) == 0


@settings(max_examples=40, deadline=None)
@given(st.lists(st.tuples(st.floats(-180, 180), st.floats(-85, 85)), min_size=2, max_size=40))
def test_coordinates_come_back_to_a_centimetre(points):
    arrays = pack_geometry(gpd.GeoSeries([LineString(points)], crs=4326))
    _, again = unpack_block(pack_block({}, arrays))
    assert np.abs(_rebuilt(again, 0)[0] - np.array(points)).max() <= STEP_DEG / 2 * 1.001


@settings(max_examples=40, deadline=None)
@given(st.lists(st.floats(width=32), max_size=30), st.lists(st.integers(-2**31, 2**31 - 1), max_size=30))
def test_arrays_of_every_type_come_back(floats, integers):
    arrays = {"a": np.array(floats, dtype=np.float32), "x": np.array(integers, dtype=np.int32),
              "b": np.array(integers, dtype=np.int64).astype(np.uint16), "c": np.zeros(3, dtype=np.uint8)}
    meta, again = unpack_block(pack_block({"k": [1, "二", float("nan"), None]}, arrays))
    assert meta == {"k": [1, "二", None, None]}
    for name, values in arrays.items():
        np.testing.assert_array_equal(again[name], values)


def test_equal_data_give_equal_text(small_result):
    assert pack_parcels(small_result, "zh") == pack_parcels(small_result, "zh")


def test_block_that_is_not_one_is_refused():
    import base64
    import gzip
    with pytest.raises(ValueError, match="packed"):
        unpack_block(base64.b64encode(gzip.compress(b"none")).decode())


def test_scores_ranks_and_contributions_come_back(small_result):
    meta, arrays = unpack_block(pack_parcels(small_result, "zh"))
    assert meta["ids"] == list(small_result.candidates["parcel_id"])
    for k, scores in enumerate(small_result.scores):
        np.testing.assert_allclose(arrays[f"score_{k}"], scores.score, atol=1e-7)
        np.testing.assert_array_equal(arrays[f"rank_{k}"], scores.rank)
        np.testing.assert_allclose(arrays[f"coverage_{k}"] / SHARE_STEPS, scores.data_coverage, atol=1e-5)
        for j in range(len(scores.criteria)):
            column = arrays[f"raw_{meta['raw_columns'][k][j]}"]
            np.testing.assert_allclose(column, scores.raw[:, j], rtol=1e-6)
            added = contributions_at(scores, slice(None))[:, j]
            np.testing.assert_allclose(arrays[f"share_{j}_{k}"] / SHARE_STEPS, added, atol=1e-5)


def test_columns_that_classes_share_are_packed_once(small_result):
    meta, arrays = unpack_block(pack_parcels(small_result, "zh"))
    assert meta["raw_columns"][0] == meta["raw_columns"][1]
    assert sum(name.startswith("raw_") for name in arrays) == 4


def test_broken_rules_are_listed_per_parcel(small_result):
    _, arrays = unpack_block(pack_parcels(small_result, "zh"))
    table = small_result.scores[0].exclusions
    start = np.concatenate([[0], np.cumsum(arrays["broken_count_0"], dtype=int)])
    for row in range(len(table.broken)):
        rules = arrays["broken_rule_0"][start[row]:start[row + 1]]
        np.testing.assert_array_equal(rules, np.flatnonzero(table.broken[row]))
        np.testing.assert_allclose(arrays["broken_value_0"][start[row]:start[row + 1]],
                                   table.measured[row, rules], rtol=1e-6)


def test_rule_that_could_not_be_tested_here_is_told_apart_from_one_that_holds(small_result):
    table = small_result.scores[0].exclusions
    table.shortfall[31, 2] = np.nan
    _, arrays = unpack_block(pack_parcels(small_result, "zh"))
    assert arrays["broken_count_0"][31] == 1
    assert (arrays["broken_rule_0"][-1], arrays["broken_state_0"][-1]) == (2, 0)


def test_main_reason_is_the_worst_excluding_rule(small_result):
    table = small_result.scores[0].exclusions
    table.shortfall[22, 2] = 1.0  # advice, does not exclude
    reasons = main_reason(table)
    np.testing.assert_array_equal(reasons >= 0, ~table.eligible)
    assert reasons[22] == -1
    assert reasons[2] == 0  # closed by policy (1.0) outweighs the railway (0.69)
    assert reasons[3] == 1


def test_rules_without_any_measurement_are_unchecked(small_result):
    assert unchecked_rules(small_result.scores[0].exclusions) == [4]


def test_permissions_point_at_the_right_clause(small_result):
    _, arrays = unpack_block(pack_parcels(small_result, "zh"))
    listed = permissions_of(small_result)
    for k, scores in enumerate(small_result.scores):
        found = [listed[i] if i >= 0 else None for i in arrays[f"permission_{k}"]]
        assert found == list(scores.permissions)
    assert arrays["permission_0"][31] == -1
