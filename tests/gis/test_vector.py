"""Repair, measures and overlays against plain shapely, one geometry at a time."""

from __future__ import annotations

import numpy as np
import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st
from shapely import LineString, MultiPolygon, Point, Polygon, box

from gis import vector
from gis.errors import UsageError

BOW_TIE = Polygon([(0, 0), (10, 10), (10, 0), (0, 10)])
# A square with a spike of no width: invalid, of the same area once repaired.
SPIKED = Polygon([(0, 0), (10, 0), (10, 5), (15, 5), (10, 5), (10, 10), (0, 10)])
SQUARES = st.builds(lambda x, y, s: box(x, y, x + s, y + s), st.integers(0, 40), st.integers(0, 40), st.integers(1, 20))


def _array(*geometries):
    found = np.empty(len(geometries), dtype=object)
    found[:] = geometries
    return found


@pytest.mark.parametrize(("geometry", "status", "word"), [
    (box(0, 0, 1, 1), "accepted", None),
    (shapely.force_3d(box(0, 0, 1, 1), 7.0), "accepted", None),
    (Point(1, 2), "accepted", None),
    (LineString([(0, 0), (1, 1)]), "accepted", None),
    (SPIKED, "repaired", "invalid"),
    (shapely.GeometryCollection([box(0, 0, 1, 1), Point(5, 5)]), "repaired", "collection"),
    (None, "rejected", "missing"),
    (Polygon(), "rejected", "missing"),
    (Point(np.nan, 1), "rejected", "missing|NaN"),
    (LineString([(0, 0), (np.inf, 1)]), "rejected", "NaN"),
    (BOW_TIE, "rejected", "1 %"),
    (LineString([(3, 3), (3, 3)]), "rejected", "length"),
    (Polygon([(0, 0), (1, 1), (2, 2)]), "rejected", "without|1 %"),
])
def test_each_case_has_its_status_and_reason(geometry, status, word):
    found = vector.repair(_array(geometry))
    assert found.status[0] == status
    if word is None:
        assert found.reasons[0] is None
    else:
        assert any(w in found.reasons[0].en for w in word.split("|"))
        assert found.reasons[0].zh
    if status == "rejected":
        assert found.geometries[0] is None
    else:
        assert shapely.is_valid(found.geometries[0])
        assert not shapely.has_z(found.geometries[0])


@pytest.mark.parametrize("rows", [1, 2, 5])
def test_repair_does_not_depend_on_its_chunks(monkeypatch, rows):
    given_ = _array(box(0, 0, 2, 2), SPIKED, None, LineString([(0, 0), (np.inf, 1)]), BOW_TIE, box(5, 5, 6, 6), SPIKED)
    whole = vector.repair(given_)
    monkeypatch.setattr(vector, "_ROWS_PER_CHUNK", rows)
    parts = vector.repair(given_)
    assert parts.status.tolist() == whole.status.tolist()
    assert parts.reasons == whole.reasons
    assert shapely.to_wkt(parts.geometries).tolist() == shapely.to_wkt(whole.geometries).tolist()


def test_repair_keeps_area_dimension_and_order():
    found = vector.repair(_array(box(0, 0, 2, 2), SPIKED, None, LineString([(0, 0), (0, 5)])))
    assert list(found.status) == ["accepted", "repaired", "rejected", "accepted"]
    assert found.geometries[1].geom_type == "Polygon"
    assert found.geometries[1].area == pytest.approx(100.0)
    assert found.geometries[0].equals(box(0, 0, 2, 2))


def test_lopsided_bow_tie_within_the_tolerance_is_repaired():
    sliver = Polygon([(0, 0), (1000, 0), (1000, 100), (0.01, 100), (0, 100.01), (0.01, 100.01), (0, 99.99)])
    found = vector.repair(_array(sliver))
    assert found.status[0] == "repaired"
    assert shapely.area(found.geometries)[0] == pytest.approx(sliver.area, rel=0.01)


def test_repair_of_nothing():
    found = vector.repair(np.empty(0, dtype=object))
    assert (len(found.geometries), len(found.status), found.reasons) == (0, 0, ())


@given(st.lists(st.lists(st.tuples(st.integers(0, 8), st.integers(0, 8)), min_size=3, max_size=7), max_size=6))
def test_every_row_is_accounted_for_and_valid(rings):
    given_ = _array(*(Polygon(r) for r in rings))
    found = vector.repair(given_)
    for before, after, status, reason in zip(given_, found.geometries, found.status, found.reasons, strict=True):
        assert (after is None) == (status == "rejected")
        assert (reason is None) == (status == "accepted")
        if after is not None:
            assert after.is_valid
            assert after.geom_type in ("Polygon", "MultiPolygon")
            assert abs(after.area - before.area) <= 0.01 * before.area + 1e-9


def test_compactness_of_known_shapes():
    disc = Point(0, 0).buffer(100, quad_segs=256)
    holed = Polygon([(0, 0), (4, 0), (4, 4), (0, 4)], [[(1, 1), (3, 1), (3, 3), (1, 3)]])
    found = vector.compactness(_array(disc, box(0, 0, 3, 3), box(0, 0, 1, 4), holed, Point(0, 0), None,
                                      LineString([(0, 0), (1, 1)])))
    expected = [1, np.pi / 4, 4 * np.pi * 4 / 100, 4 * np.pi * 12 / 24**2, 0, np.nan, 0]
    assert np.allclose(found, expected, rtol=1e-4, equal_nan=True)


def test_area_of_missing_is_nan():
    assert np.allclose(vector.area_m2(_array(box(0, 0, 2, 3), None)), [6, np.nan], equal_nan=True)


@settings(max_examples=60, deadline=None)
@given(st.lists(SQUARES, max_size=8), st.lists(SQUARES, max_size=8))
def test_overlap_and_subtract_equal_the_plain_overlay(parcels, masks):
    parcels_, masks_ = _array(*parcels), _array(*masks)
    union = shapely.union_all(masks) if masks else Polygon()
    share = vector.overlap_share(parcels_, masks_)
    left = vector.subtract(parcels_, masks_)
    for parcel, s, rest in zip(parcels, share, left, strict=True):
        assert s == pytest.approx(parcel.intersection(union).area / parcel.area, abs=1e-12)
        assert rest.area == pytest.approx(parcel.difference(union).area, abs=1e-9)
        assert s * parcel.area + rest.area == pytest.approx(parcel.area)


def test_overlapping_masks_count_once_and_gaps_are_kept():
    masks = _array(box(0, 0, 6, 10), box(4, 0, 8, 10), box(4, 0, 8, 10), None, Polygon(), box(50, 50, 51, 51))
    parcels = _array(box(0, 0, 10, 10), None, box(1, 1, 2, 2), Point(5, 5), Point(30, 30))
    assert np.allclose(vector.overlap_share(parcels, masks), [0.8, 0, 1, 1, 0])
    left = vector.subtract(parcels, masks)
    assert left[0].equals(box(8, 0, 10, 10))
    assert left[1] is None
    assert left[2].is_empty
    assert parcels[2].area == 1


def test_holes_of_the_mask_are_free():
    ring = Polygon([(0, 0), (10, 0), (10, 10), (0, 10)], [[(2, 2), (8, 2), (8, 8), (2, 8)]])
    parcels = _array(box(3, 3, 4, 4), box(0, 0, 10, 10))
    assert np.allclose(vector.overlap_share(parcels, _array(ring)), [0, 0.64])


def test_grid_covers_the_area_with_aligned_cells():
    area = Point(1_234, 567).buffer(777)
    cells, ids = vector.grid_cells(area, 100)
    assert shapely.union_all(cells).buffer(1e-6).covers(area)
    assert (shapely.area(shapely.intersection(cells, area)) > 0).all()
    assert np.allclose(shapely.bounds(cells)[:, :2], ids[:, ::-1] * 100)
    assert np.allclose(shapely.area(cells), 10_000)
    assert len({tuple(i) for i in ids}) == len(ids)
    assert ids.tolist() == sorted(ids.tolist())


def test_aligned_area_gets_no_cells_that_only_touch():
    cells, ids = vector.grid_cells(box(-200, 300, 100, 500), 100)
    assert len(cells) == 6
    assert sorted(set(ids[:, 1])) == [-2, -1, 0]


def test_two_areas_share_cells(monkeypatch):
    one, ids_one = vector.grid_cells(box(0, 0, 550, 550), 100)
    monkeypatch.setattr(vector, "_CELLS_PER_CHUNK", 5)
    two, ids_two = vector.grid_cells(box(0, 0, 550, 550), 100)
    assert (ids_one == ids_two).all()
    assert shapely.equals(one, two).all()
    _, shifted = vector.grid_cells(MultiPolygon([box(333, 0, 777, 1), box(0, 0, 5, 5)]), 100)
    assert {tuple(i) for i in shifted} == {(0, 0), *((0, c) for c in range(3, 8))}


def test_grid_of_nothing_and_of_no_size():
    assert len(vector.grid_cells(Polygon(), 100)[0]) == 0
    for size_m in (0, -5, np.nan, np.inf):
        with pytest.raises(UsageError):
            vector.grid_cells(box(0, 0, 1, 1), size_m)


@given(st.floats(0, 2 * np.pi), st.floats(100, 4_000), st.floats(0, 15_000), st.floats(1, 2_000))
def test_corridor_is_a_rectangle_about_the_extended_line(angle, span_m, beyond_m, half_m):
    along = np.array([np.cos(angle), np.sin(angle)])
    start = np.array([5_000.0, 7_000.0])
    line = LineString([start, start + along * span_m])
    corridor = vector.corridors(_array(line), beyond_m, half_m)[0]
    assert corridor.area == pytest.approx((span_m + 2 * beyond_m) * 2 * half_m, rel=1e-9)
    assert corridor.buffer(1e-6).covers(line)
    far = Point(start - along * (beyond_m - 1e-3) + np.array([-along[1], along[0]]) * (half_m - 1e-3))
    assert corridor.buffer(1e-6).covers(far)
    assert corridor.distance(Point(start - along * (beyond_m + 50))) == pytest.approx(50, abs=1e-6)


def test_corridors_take_numbers_per_line_and_skip_what_has_no_direction():
    lines = _array(LineString([(0, 0), (100, 0)]), None, LineString([(0, 0), (1, 1), (0, 0)]),
                   LineString([(0, 0), (0, 50), (0, 100)]))
    found = vector.corridors(lines, [10, 10, 10, 20], [5, 5, 5, 1])
    assert found[0].equals(box(-10, -5, 110, 5))
    assert found[1] is None
    assert found[2] is None
    assert found[3].equals(box(-1, -20, 1, 120))
