"""What is packed for the browser comes back as it was: shapes, scores, reasons."""

from __future__ import annotations

import dataclasses
import importlib.util
from pathlib import Path
from types import ModuleType

import geopandas as gpd
import numpy as np
import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st
from shapely import GeometryCollection, LineString, MultiPoint, MultiPolygon, Point, Polygon, box
from shapely.geometry import LinearRing

from maps._packing_block import pack_block, unpack_block
from maps._packing_ids import pack_ids, unpack_ids
from maps._packing_rules import main_reason, measured_values, unchecked_rules
from maps._packing_shapes import COARSE_BITS, FINE_BITS, curve_order, pack_outlines, unpack_outlines
from maps._packing_values import Scale, pack_values, score_error, values_of
from maps.packed_geometry import UNITS_PER_DEGREE, pack_geometry
from maps.packed_parcels import best_rows, pack_parcels, permissions_of
from siting.scoring import contributions_of, normalise

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


@pytest.fixture
def packed(small_result):
    meta, arrays = unpack_block(pack_parcels(small_result, "zh"))
    for name, first in meta["same"].items():
        arrays[name] = arrays[first]
    return meta, arrays, curve_order(small_result.candidates.geometry)


def packed_raw(meta: dict, arrays: dict[str, np.ndarray], k: int, j: int) -> np.ndarray:
    """Return raw values as the browser reads them."""
    c = meta["value_column"][k][j]
    if meta["scales"][c] is None:
        return np.full(meta["n"], np.nan)
    return values_of(Scale(**meta["scales"][c]))[arrays[f"raw_{c}"]]


def test_rows_follow_the_curve_and_keep_their_ids(small_result, packed):
    meta, arrays, order = packed
    assert sorted(order) == list(range(32))
    assert unpack_ids(meta["beginnings"], arrays) == [str(i) for i in small_result.candidates["parcel_id"].iloc[order]]


def test_outlines_come_back_to_three_centimetres(small_result):
    shapes = small_result.candidates.geometry
    order = curve_order(shapes)
    bits, arrays = pack_outlines(shapes, order)
    xy, ring_start, path_start = unpack_outlines(bits, arrays)
    lon = (xy[:, 0] - 0.5) * 360.0
    lat = np.degrees(2.0 * np.arctan(np.exp((0.5 - xy[:, 1]) * 2.0 * np.pi)) - np.pi / 2.0)
    metric = shapely.points(lon, lat)
    metric = gpd.GeoSeries(metric, crs=4326).to_crs(shapes.crs)
    at = np.column_stack([metric.x, metric.y])
    for place, row in enumerate(order):
        again = _even_odd([at[ring_start[r]:ring_start[r + 1]]
                           for r in range(path_start[place], path_start[place + 1])])
        assert shapely.hausdorff_distance(again, shapes.iloc[row]) < 0.04
        assert again.area == pytest.approx(shapes.iloc[row].area, abs=0.03 * shapes.iloc[row].length)
    assert arrays["path_count"][list(order).index(9)] == 2
    assert arrays["path_count"][list(order).index(18)] == 2


@settings(max_examples=30, deadline=None)
@given(st.lists(st.integers(3, 7), min_size=1, max_size=12), st.integers(0, 2**32 - 1))
def test_rings_of_any_size_come_back(sizes, seed):
    rng = np.random.default_rng(seed)
    shapes = []
    for size in sizes:
        angle = np.sort(rng.uniform(0.0, 2.0 * np.pi, size))
        middle = rng.uniform((300_000.0, 3_500_000.0), (700_000.0, 4_000_000.0))
        shapes.append(Polygon(middle + rng.uniform(50.0, 5_000.0) * np.column_stack([np.cos(angle), np.sin(angle)])))
    given = gpd.GeoSeries(shapes, crs="EPSG:4547")
    order = curve_order(given)
    bits, arrays = pack_outlines(given, order)
    xy, ring_start, _ = unpack_outlines(bits, arrays)
    wanted = given.iloc[order].to_crs(4326)
    for place, shape in enumerate(wanted):
        own = xy[ring_start[place]:ring_start[place + 1]]
        lon, lat = np.array(shape.exterior.coords)[:-1].T
        north = np.log(np.tan(np.pi / 4.0 + np.radians(lat) / 2.0))
        np.testing.assert_allclose(own, np.column_stack([lon / 360.0 + 0.5, 0.5 - north / (2.0 * np.pi)]),
                                   atol=0.51 / 2**bits)


def test_many_parcels_are_packed_in_coarser_steps(monkeypatch, small_result):
    shapes = small_result.candidates.geometry
    assert pack_outlines(shapes, curve_order(shapes))[0] == FINE_BITS
    monkeypatch.setattr("maps._packing_shapes.FINE_UP_TO", 10)
    assert pack_outlines(shapes, curve_order(shapes))[0] == COARSE_BITS


def test_parcel_without_a_shape_keeps_its_row():
    given = gpd.GeoSeries([box(0, 0, 1, 1), None, Polygon(), box(5, 5, 6, 6)], crs="EPSG:4547")
    order = curve_order(given)
    _, arrays = pack_outlines(given, order)
    np.testing.assert_array_equal(arrays["path_count"], np.array([1, 0, 0, 1])[order])


@pytest.mark.parametrize("ids", [
    ["P0001", "P0002", "P0010"], ["410105-7", "410105-07", "410102-7"], ["7", "07", "007"], ["a", "b2", ""],
    ["地块1", "地块2"], ["P123456789012", "P123456789013"], ["x\x001", "x1"], [], ["1\n", "2\n"], ["<b>1", "</b>1"],
])
def test_ids_come_back(ids):
    beginnings, arrays = pack_ids(np.array(ids, dtype=object))
    _, again = unpack_block(pack_block({}, arrays))
    assert unpack_ids(beginnings, again) == ids


@settings(max_examples=60, deadline=None)
@given(st.lists(st.text(max_size=12), max_size=20))
def test_any_ids_come_back(ids):
    ids = [text.encode("utf-8", "ignore").decode() for text in ids]
    beginnings, arrays = pack_ids(ids)
    assert unpack_ids(beginnings, arrays) == ids


def test_numbered_ids_take_no_text():
    beginnings, arrays = pack_ids([f"DK{i:06d}" for i in range(500)])
    assert beginnings == ["DK"]
    assert "id_text" not in arrays


def test_raw_values_come_back_between_the_anchors_and_nearly_so_beyond(small_result, packed):
    meta, arrays, order = packed
    for k, scores in enumerate(small_result.scores):
        for j, criterion in enumerate(scores.criteria):
            raw, again = scores.raw[order, j], packed_raw(meta, arrays, k, j)
            span = abs(criterion.best - criterion.worst)
            np.testing.assert_array_equal(np.isnan(again), np.isnan(raw))
            np.testing.assert_array_equal(np.isposinf(again), np.isposinf(raw))
            known = np.isfinite(raw)
            low, high = sorted((criterion.worst, criterion.best))
            beyond = np.maximum(np.maximum(raw - high, low - raw), 0.0)
            allowed = span * score_error(32) + 0.003 * (beyond + span) * (beyond > 0)
            assert (np.abs(again[known] - raw[known]) <= allowed[known] * 1.001).all()


@pytest.mark.parametrize("n", [50, 200_001])
def test_scores_under_any_weights_are_within_the_stated_error(monkeypatch, small_result, n):
    """Weigh packed values as the browser does and compare with the exact ones."""
    if n > 32:
        monkeypatch.setattr("maps._packing_values.FINE_UP_TO", 10 if n > 200_000 else 200_000)
    order = np.arange(32)
    column_of, scales, arrays = pack_values(small_result.scores, order)
    meta = {"n": 32, "value_column": column_of, "scales": [s and dataclasses.asdict(s) for s in scales]}
    error = score_error(32)
    rng = np.random.default_rng(4)
    for k, scores in enumerate(small_result.scores):
        raw = np.column_stack([packed_raw(meta, arrays, k, j) for j in range(len(scores.criteria))])
        for _ in range(20):
            weights = rng.dirichlet(np.full(len(scores.criteria), 0.4))
            exact = contributions_of(normalise(scores.raw, scores.criteria), weights)[0].sum(axis=1)
            packed_score = contributions_of(normalise(raw, scores.criteria), weights)[0].sum(axis=1)
            assert np.abs(exact - packed_score).max() <= error * 1.001


def test_counts_come_back_whole(small_result):
    first, _ = small_result.scores
    first.raw[:, 3] = np.arange(32.0) * 3.0
    order = np.arange(32)
    _, scales, arrays = pack_values((first,), order)
    assert scales[3].is_whole
    assert not scales[0].is_whole
    np.testing.assert_array_equal(values_of(scales[3])[arrays["raw_3"]], first.raw[:, 3])


def test_columns_that_classes_share_are_packed_once(small_result, packed):
    meta, arrays, _ = packed
    assert meta["value_column"][0] == meta["value_column"][1]
    assert sum(name.startswith("raw_") for name in arrays) == 3  # the fourth was measured nowhere
    assert meta["scales"][3] is None


def test_classes_with_anchors_far_apart_have_columns_of_their_own(small_result):
    first, second = small_result.scores
    near = tuple(dataclasses.replace(c, worst=5.0) if c.criterion_id == "power_distance_m" else c
                 for c in second.criteria)
    column_of, scales, _ = pack_values((first, dataclasses.replace(second, criteria=near)), np.arange(32))
    assert column_of[0][0] != column_of[1][0]
    assert column_of[0][1:] == column_of[1][1:]
    assert scales[column_of[1][0]].step == pytest.approx(5.0 / 50_000)


def test_broken_rules_are_listed_per_parcel(small_result, packed):
    meta, arrays, order = packed
    for k, scores in enumerate(small_result.scores):
        table = scores.exclusions
        for j in range(len(table.rules)):
            d = meta["rule_column"][k][j]
            bits = np.zeros(32, dtype=bool)
            if d >= 0 and f"broken_{d}" in arrays:
                bits = np.unpackbits(arrays[f"broken_{d}"], bitorder="little")[:32].astype(bool)
            np.testing.assert_array_equal(bits, table.broken[order, j])
            if d >= 0 and meta["rule_columns"][d]["values"] == "own":
                held = measured_values(meta["rule_columns"][d], arrays[f"measured_{d}"])
                measured, limit = table.measured[order, j][bits], table.rules[j].limit
                np.testing.assert_allclose(held, measured, atol=max(limit, 1e-3) / 5_000)
                np.testing.assert_array_equal(held < limit, measured < limit)


def test_equal_rules_of_two_classes_are_packed_once(packed):
    meta, _, _ = packed
    assert meta["rule_column"][0][1] == meta["rule_column"][1][1] >= 0
    assert meta["rule_column"][0][0] >= 0 > meta["rule_column"][1][0]


def test_rule_that_measures_the_area_needs_no_values(small_result):
    table = small_result.scores[0].exclusions
    table.measured[:, 1] = small_result.candidates["area_m2"]
    meta, arrays = unpack_block(pack_parcels(small_result, "zh"))
    d = meta["rule_column"][0][1]
    assert meta["rule_columns"][d]["values"] == "area"
    assert f"measured_{d}" not in arrays


def test_rule_that_could_not_be_tested_here_is_told_apart_from_one_that_holds(small_result):
    table = small_result.scores[0].exclusions
    table.shortfall[31, 2] = np.nan
    meta, arrays = unpack_block(pack_parcels(small_result, "zh"))
    place = list(curve_order(small_result.candidates.geometry)).index(31)
    d = meta["rule_column"][0][2]
    assert np.flatnonzero(np.unpackbits(arrays[f"untested_{d}"], bitorder="little")).tolist() == [place]
    assert not np.unpackbits(arrays[f"broken_{d}"], bitorder="little")[place]


def test_best_rows_are_the_ranks_of_the_study(small_result, packed):
    _, arrays, order = packed
    for k, scores in enumerate(small_result.scores):
        again = order[arrays[f"best_{k}"]]
        np.testing.assert_array_equal(scores.rank[again], np.arange(1, len(again) + 1))
        assert len(again) == scores.eligible.sum() == len(best_rows(scores))


def test_ranks_end_where_a_candidate_is_not_there(small_result):
    scores = small_result.scores[0]
    kept = np.flatnonzero(scores.rank != 4)
    part = dataclasses.replace(scores, rank=scores.rank[kept])
    np.testing.assert_array_equal(part.rank[best_rows(part)], [1, 2, 3])


def test_words_and_areas_come_back(small_result, packed):
    meta, arrays, order = packed
    districts = [meta["words"]["district"][i] for i in arrays["district"]]
    assert districts == list(small_result.candidates["district"].iloc[order])
    np.testing.assert_allclose(arrays["area"] * meta["area_step_m2"], small_result.candidates["area_m2"].iloc[order],
                               atol=0.006)


def _many_parcels() -> ModuleType:
    path = Path(__file__).resolve().parents[1] / "browser" / "many_parcels.py"
    spec = importlib.util.spec_from_file_location("many_parcels", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_hundred_thousand_parcels_stay_within_their_room(small_result):
    """A page of 100 000 parcels may weigh 10 MB: the part of it that grows is measured on 20 000."""
    result = _many_parcels().repeated(small_result, 20_000)
    assert len(pack_parcels(result, "zh")) / 20_000 < 70


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


def test_permissions_point_at_the_right_clause(small_result, packed):
    _, arrays, order = packed
    listed = permissions_of(small_result)
    for k, scores in enumerate(small_result.scores):
        found = [listed[i - 1] if i > 0 else None for i in arrays[f"permission_{k}"].astype(int)]
        assert found == [scores.permissions[row] for row in order]
    assert arrays["permission_0"][list(order).index(31)] == 0
