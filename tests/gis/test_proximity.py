"""Exact distances against brute force, and the laws that distances obey."""

from __future__ import annotations

import numpy as np
import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st
from shapely import LineString, Point, Polygon, affinity, box

from gis import proximity
from gis.errors import UsageError

INTEGERS = st.integers(-30, 30)
SHAPES = st.one_of(
    st.builds(Point, INTEGERS, INTEGERS),
    st.builds(lambda x, y, w, h: box(x, y, x + w, y + h), INTEGERS, INTEGERS, st.integers(1, 9), st.integers(1, 9)),
    st.builds(lambda x, y, u, v: LineString([(x, y), (x + u, y + v), (x + v, y + u + 1)]),
              INTEGERS, INTEGERS, st.integers(1, 9), st.integers(1, 9)),
    st.just(None),
    st.just(Polygon()),
)
MANY = st.lists(SHAPES, max_size=9)
POINTS = st.lists(st.builds(Point, INTEGERS, INTEGERS), max_size=9)
TARGETS = st.one_of(MANY, POINTS)


def _array(shapes):
    found = np.empty(len(shapes), dtype=object)
    found[:] = shapes
    return found


def _matrix(geometries, targets):
    """All distances, NaN for what is missing or empty."""
    found = np.full((len(geometries), len(targets)), np.nan)
    for i, g in enumerate(geometries):
        for j, t in enumerate(targets):
            if g is not None and t is not None and not g.is_empty and not t.is_empty:
                found[i, j] = g.distance(t)
    return found


def _sorted_owners(row, owners, k):
    """Distance and target of the first k owners, by distance and then by target."""
    seen, found = set(), []
    for distance, j in sorted((d, j) for j, d in enumerate(row) if not np.isnan(d)):
        if owners[j] not in seen:
            seen.add(owners[j])
            found.append((distance, j))
    return found[:k] + [(np.nan, -1)] * (k - len(found[:k]))


@settings(max_examples=150, deadline=None)
@given(MANY, TARGETS, st.sampled_from([None, 0.0, 5.0, 12.5]))
def test_nearest_equals_brute_force(geometries, targets, limit):
    matrix = _matrix(geometries, targets)
    if limit is not None:
        matrix[matrix > limit] = np.nan
    found = proximity.nearest(_array(geometries), _array(targets), max_distance_m=limit)
    for row, distance, index in zip(matrix, found.distance_m, found.index, strict=True):
        (expected, first), = _sorted_owners(row, range(len(row)), 1)
        assert index == first
        assert distance == pytest.approx(expected, nan_ok=True)


@settings(max_examples=150, deadline=None)
@given(MANY, TARGETS, st.integers(1, 4), st.data())
def test_k_nearest_equals_brute_force(geometries, targets, k, data):
    owners = data.draw(st.one_of(st.none(), st.lists(st.integers(-3, 3), min_size=len(targets), max_size=len(targets))))
    found = proximity.k_nearest(_array(geometries), _array(targets), k, owners=owners)
    assert found.distance_m.shape == found.index.shape == (len(geometries), k)
    for row, distances, indices in zip(_matrix(geometries, targets), found.distance_m, found.index, strict=True):
        expected = _sorted_owners(row, owners if owners is not None else range(len(row)), k)
        assert list(indices) == [j for _, j in expected]
        assert list(distances) == pytest.approx([d for d, _ in expected], nan_ok=True)


@settings(max_examples=150, deadline=None)
@given(MANY, TARGETS, st.sampled_from([0.0, 5.0, 13.0, 200.0]), st.data())
def test_counts_and_sums_equal_brute_force(geometries, targets, radius_m, data):
    owners = data.draw(st.lists(st.integers(0, 3), min_size=len(targets), max_size=len(targets)))
    weights = np.arange(len(targets)) - 1.5
    matrix = _matrix(geometries, targets)
    counts = proximity.count_within(_array(geometries), _array(targets), radius_m, owners=owners)
    plain = proximity.count_within(_array(geometries), _array(targets), radius_m)
    assert counts.dtype == np.int64
    assert list(plain) == list((matrix <= radius_m).sum(axis=1))
    assert list(counts) == [len({o for o, d in zip(owners, row, strict=True) if d <= radius_m}) for row in matrix]
    if radius_m > 0:
        sums = proximity.decayed_sum(_array(geometries), _array(targets), weights, radius_m)
        expected = [np.nansum(weights * np.maximum(0, 1 - row / radius_m)) for row in matrix]
        assert np.allclose(sums, expected, rtol=1e-12, atol=1e-12)


@settings(max_examples=60, deadline=None)
@given(MANY, MANY, st.integers(-1000, 1000), st.integers(-1000, 1000))
def test_translation_changes_nothing(geometries, targets, dx, dy):
    def moved(shapes):
        return _array([s if s is None or s.is_empty else affinity.translate(s, dx, dy) for s in shapes])

    one = proximity.k_nearest(_array(geometries), _array(targets), 2)
    other = proximity.k_nearest(moved(geometries), moved(targets), 2)
    assert np.allclose(one.distance_m, other.distance_m, atol=1e-9, equal_nan=True)


@settings(max_examples=60, deadline=None)
@given(MANY, MANY, SHAPES)
def test_another_target_never_makes_the_nearest_farther(geometries, targets, extra):
    before = proximity.nearest(_array(geometries), _array(targets)).distance_m
    after = proximity.nearest(_array(geometries), _array([*targets, extra])).distance_m
    is_known = ~np.isnan(before)
    assert (after[is_known] <= before[is_known]).all()


@settings(max_examples=60, deadline=None)
@given(MANY, MANY, st.randoms(use_true_random=False))
def test_order_of_the_geometries_does_not_matter(geometries, targets, random):
    order = list(range(len(geometries)))
    random.shuffle(order)
    one, other = (_array(geometries), _array([geometries[i] for i in order]))
    for ask in (lambda g: proximity.nearest(g, _array(targets)).index,
                lambda g: proximity.k_nearest(g, _array(targets), 3).distance_m,
                lambda g: proximity.decayed_sum(g, _array(targets), np.ones(len(targets)), 20.0)):
        assert np.array_equal(ask(one)[order], ask(other), equal_nan=True)


def test_distance_is_from_the_edge_and_zero_inside():
    parcel = box(0, 0, 10, 10)
    found = proximity.nearest(_array([parcel, parcel]), _array([Point(13, 14)]))
    assert list(found.distance_m) == [5.0, 5.0]
    assert proximity.nearest(_array([parcel]), _array([Point(5, 5)])).distance_m[0] == 0.0
    assert proximity.nearest(_array([parcel]), _array([Point(10, 3)]), max_distance_m=0.0).index[0] == 0


def test_radius_is_inclusive():
    parcel, target = _array([box(0, 0, 10, 10)]), _array([Point(13, 14)])
    assert proximity.count_within(parcel, target, 5.0)[0] == 1
    assert proximity.count_within(parcel, target, np.nextafter(5.0, 0.0))[0] == 0
    assert proximity.nearest(parcel, target, max_distance_m=5.0).index[0] == 0


def test_chunks_agree_with_one_piece(monkeypatch):
    rng = np.random.default_rng(3)
    parcels = shapely.buffer(shapely.points(rng.uniform(0, 5_000, (300, 2))), 40)
    targets = shapely.points(rng.uniform(0, 5_000, (80, 2)))
    weights = rng.uniform(size=80)

    def ask():
        return (proximity.nearest(parcels, targets).index, proximity.k_nearest(parcels, targets, 5).index,
                proximity.count_within(parcels, targets, 900.0),
                proximity.decayed_sum(parcels, targets, weights, 900.0))

    whole = ask()
    monkeypatch.setattr(proximity, "_CHUNK", 7)
    monkeypatch.setattr(proximity, "_PAIRS_PER_CHUNK", 20)
    assert all(np.array_equal(one, other) for one, other in zip(whole, ask(), strict=True))


def test_far_away_geometry_finds_its_neighbours():
    targets = shapely.points([(0, 0), (1, 0), (2, 0), (3, 0)])
    found = proximity.k_nearest(_array([Point(1e6, 0), Point(0.2, 0)]), targets, 2)
    assert found.index.tolist() == [[3, 2], [0, 1]]


def test_wrong_requests_are_refused():
    points = _array([Point(0, 0)])
    for wrong in (lambda: proximity.nearest(points, points, max_distance_m=-1.0),
                  lambda: proximity.k_nearest(points, points, 0),
                  lambda: proximity.k_nearest(points, points, 1, owners=[1, 2]),
                  lambda: proximity.count_within(points, points, float("nan")),
                  lambda: proximity.decayed_sum(points, points, [1.0], 0.0),
                  lambda: proximity.decayed_sum(points, points, [1.0, 2.0], 5.0)):
        with pytest.raises(UsageError):
            wrong()
