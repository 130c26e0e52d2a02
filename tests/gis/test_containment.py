"""The area that holds most of a polygon, against exact cutting by GEOS of every pair."""

from __future__ import annotations

import numpy as np
import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st
from shapely import MultiPolygon, Point, Polygon, box

from gis import containment, proximity

ORIGIN = np.array([443_000.0, 3_845_000.0])


def _array(shapes):
    found = np.empty(len(shapes), dtype=object)
    found[:] = shapes
    return found


def _wavy_zones(n_vertices):
    """Nine zones that share winding borders, the middle one with a hole and that hole filled by a tenth."""
    def wind(xy):
        x, y = xy.T
        return ORIGIN + np.stack([x + 150 * np.sin(y / 400) + 9 * np.sin(y / 31), y + 130 * np.sin(x / 350)], axis=1)

    made = [shapely.transform(shapely.segmentize(box(i, j, i + 3_000, j + 3_000), 12_000 / n_vertices), wind)
            for i in range(0, 9_000, 3_000) for j in range(0, 9_000, 3_000)]
    lake = Point(ORIGIN + 4_500).buffer(700, quad_segs=n_vertices // 4)
    made[4] = made[4].difference(lake)
    return _array([*made, lake])


def _parcels(n, seed, size_m):
    rng = np.random.default_rng(seed)
    middle = ORIGIN + rng.uniform(-500, 9_500, (n, 2))
    made = shapely.buffer(shapely.points(middle), rng.uniform(0.2, 1.0, n) * size_m, quad_segs=2)
    made[::7] = _array([MultiPolygon([g, shapely.affinity.translate(g, 0.0, 3 * size_m)]) for g in made[::7]])
    return made


def _check(polygons, areas):
    found = containment.largest_overlap(polygons, areas)
    for polygon, index in zip(polygons, found, strict=True):
        shared_m2 = shapely.area(shapely.intersection(polygon, areas))
        meets = shapely.intersects(polygon, areas)
        if not meets.any():
            assert index == -1
        else:
            assert meets[index]
            assert shared_m2[index] >= shared_m2.max() - 2e-9 * max(polygon.area, 1e-9)
    return found


@pytest.mark.parametrize("n_vertices", [40, 2_000])
@pytest.mark.parametrize("size_m", [15.0, 400.0])
def test_parcels_among_winding_zones_equal_geos(n_vertices, size_m):
    zones = _wavy_zones(n_vertices)
    found = _check(_parcels(120, 3, size_m), zones)
    assert set(found) == {-1, *range(10)}


def test_parcel_larger_than_the_zones():
    _check(_array([box(*ORIGIN - 1_000, *ORIGIN + 12_000), box(*ORIGIN + 3_400, *ORIGIN + 5_600)]), _wavy_zones(400))


CELLS = st.builds(lambda x, y, w, h: box(x, y, x + w, y + h), *[st.integers(-2, 32)] * 2, *[st.integers(1, 12)] * 2)
PLACED = st.one_of(CELLS, st.builds(lambda *boxes: shapely.union_all(boxes), CELLS, CELLS), st.just(None),
                   st.just(Polygon()), st.builds(Point, st.integers(0, 30), st.integers(0, 30)))


@settings(max_examples=150, deadline=None)
@given(st.lists(PLACED, max_size=8), st.integers(0, 511))
def test_shared_borders_and_equal_halves(shapes, chosen):
    """Whole numbers: borders fall together, and many polygons lie half in one area and half in another."""
    areas = [box(x, y, x + 10, y + 10) for x in (0, 10, 20) for y in (0, 10, 20)]
    areas = _array([a for i, a in enumerate(areas) if chosen >> i & 1])
    found = containment.largest_overlap(_array(shapes), areas)
    for shape, index in zip(shapes, found, strict=True):
        meets = [i for i, a in enumerate(areas) if shape is not None and shape.intersects(a)]
        best = max(meets, key=lambda i: (shape.intersection(areas[i]).area, -i), default=-1)
        assert index == best


def test_parts_in_different_areas_are_weighed():
    """No border comes near either part, yet no area holds the whole."""
    areas = _array([box(0, 0, 100, 100), box(100, 0, 200, 100)])
    parcel = MultiPolygon([box(10, 10, 12, 12), box(150, 10, 153, 13)])
    assert containment.largest_overlap(_array([parcel]), areas).tolist() == [1]


def test_long_border_does_not_send_everything_to_be_cut(monkeypatch):
    """The box of a slanting border holds most parcels; the border itself meets few."""
    areas = _array([Polygon([(0, 0), (9_000, 9_000), (0, 9_000)]), Polygon([(0, 0), (9_000, 0), (9_000, 9_000)])])
    rng = np.random.default_rng(1)
    low = rng.uniform(0, 8_900, (1_000, 2))
    parcels = shapely.box(*low.T, *(low + 40.0).T)
    cut = []
    shares = containment._shares
    monkeypatch.setattr(containment, "_shares", lambda *given: cut.append(len(given[2])) or shares(*given))
    found = containment.largest_overlap(parcels, areas)
    middle = low + 20.0
    assert (found == (middle[:, 1] < middle[:, 0])).all()
    assert 0 < sum(cut) < 40


def test_chunks_agree_with_one_piece(monkeypatch):
    zones, parcels = _wavy_zones(400), _parcels(200, 9, 90.0)
    whole = containment.largest_overlap(parcels, zones)
    monkeypatch.setattr(proximity, "_CHUNK", 11)
    assert np.array_equal(containment.largest_overlap(parcels, zones), whole)


def test_nothing_to_place_and_nowhere_to_place_it():
    assert containment.largest_overlap(_array([]), _array([box(0, 0, 1, 1)])).tolist() == []
    assert containment.largest_overlap(_array([box(0, 0, 1, 1)]), _array([])).tolist() == [-1]
    assert containment.largest_overlap(_array([box(0, 0, 1, 1)]), _array([None, Polygon()])).tolist() == [-1]


def test_laid_out_or_not_one_set_or_several_the_answer_is_the_same():
    parcels, zones = _parcels(150, 5, 200.0), _wavy_zones(200)
    halves = _array([box(*ORIGIN - 2_000, ORIGIN[0] + 4_000, ORIGIN[1] + 12_000),
                     box(ORIGIN[0] + 4_000, ORIGIN[1] - 2_000, *ORIGIN + 12_000)])
    expected = [containment.largest_overlap(parcels, areas) for areas in (zones, halves)]
    areas = [containment.lay_out_areas(areas) for areas in (zones, halves)]
    for given_ in (parcels, proximity.lay_out(parcels)):
        for found in (containment.largest_overlaps(given_, areas),
                      [containment.largest_overlap(given_, one) for one in areas]):
            assert [rows.tolist() for rows in found] == [rows.tolist() for rows in expected]
    assert len(set(expected[0])) > 8
