"""Exact distances against brute force, and the laws that distances obey."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st
from shapely import GeometryCollection, LineString, MultiPoint, MultiPolygon, Point, Polygon, affinity, box

from gis import proximity
from gis.errors import UsageError


def _square(x, y, half):
    return box(x - half, y - half, x + half, y + half)


def _snapped(shape):
    """Put vertices on a grid of binary fractions: what mirrors itself is then as far from both sides, to the bit.

    A circle off the shelf is not: its vertices are rounded, and of two points that look equally far one is nearer.
    """
    return shapely.transform(shape, lambda xy: np.round(xy * 1024) / 1024)


INTEGERS = st.integers(-30, 30)
SHAPES = st.one_of(
    st.builds(Point, INTEGERS, INTEGERS),
    st.builds(lambda x, y, w, h: box(x, y, x + w, y + h), INTEGERS, INTEGERS, st.integers(1, 9), st.integers(1, 9)),
    st.builds(lambda x, y, u, v: LineString([(x, y), (x + u, y + v), (x + v, y + u + 1)]),
              INTEGERS, INTEGERS, st.integers(1, 9), st.integers(1, 9)),
    # A square ring of ground around a hole, and one with ground again in the hole.
    st.builds(lambda x, y, s: _square(x, y, s).difference(box(x - s + 2, y - s + 2, x + s - 2, y + s - 1)),
              INTEGERS, INTEGERS, st.integers(3, 20)),
    st.builds(lambda x, y, s: MultiPolygon([_square(x, y, s).difference(_square(x, y, s - 1)),
                                            box(x - 1, y - 1, x, y + 1), box(x + s + 3, y, x + s + 4, y + 2)]),
              INTEGERS, INTEGERS, st.integers(4, 20)),
    st.builds(lambda x, y, s, n: _snapped(Point(x, y).buffer(s, quad_segs=n)), INTEGERS, INTEGERS, st.integers(1, 20),
              st.integers(1, 12)),
    st.builds(lambda x, y, s: LineString([(x + i, y + (i * s) % 7) for i in range(20)]), INTEGERS, INTEGERS,
              st.integers(0, 6)),
    st.builds(lambda x, y, s: GeometryCollection([Point(x, y), MultiPoint([(x + s, y), (x, y + s)]),
                                                  box(x, y - s, x + s, y - 1)]), INTEGERS, INTEGERS, st.integers(2, 9)),
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
                # Distances that are equal come out of different sums; rounding makes them ties again.
                found[i, j] = round(g.distance(t), 10)
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
        assert distance == pytest.approx(expected, rel=1e-9, abs=1e-9, nan_ok=True)


@settings(max_examples=150, deadline=None)
@given(MANY, TARGETS, st.integers(1, 4), st.data())
def test_k_nearest_equals_brute_force(geometries, targets, k, data):
    owners = data.draw(st.one_of(st.none(), st.lists(st.integers(-3, 3), min_size=len(targets), max_size=len(targets))))
    found = proximity.k_nearest(_array(geometries), _array(targets), k, owners=owners)
    assert found.distance_m.shape == found.index.shape == (len(geometries), k)
    for row, distances, indices in zip(_matrix(geometries, targets), found.distance_m, found.index, strict=True):
        expected = _sorted_owners(row, owners if owners is not None else range(len(row)), k)
        assert list(indices) == [j for _, j in expected]
        assert list(distances) == pytest.approx([d for d, _ in expected], rel=1e-9, abs=1e-9, nan_ok=True)


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
        assert np.allclose(sums, expected, rtol=1e-9, atol=1e-9)


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


def test_a_difference_of_the_last_digit_is_no_tie():
    """In exact arithmetic the second point is nearer by 6e-16 m2; GEOS measures it so too."""
    circle, points = Point(6, -2).buffer(1, quad_segs=3), _array([Point(5, 0), Point(7, 0)])
    first_m, second_m = shapely.distance(circle, points)
    assert second_m < first_m
    assert proximity.nearest(_array([circle]), points).index.tolist() == [1]
    mirrored = proximity.nearest(_array([_snapped(circle)]), points)
    assert mirrored.index.tolist() == [0]


def test_radius_is_inclusive():
    parcel, target = _array([box(0, 0, 10, 10)]), _array([Point(13, 14)])
    assert proximity.count_within(parcel, target, 5.0)[0] == 1
    assert proximity.count_within(parcel, target, np.nextafter(5.0, 0.0))[0] == 0
    assert proximity.nearest(parcel, target, max_distance_m=5.0).index[0] == 0


def _answers(geometries, targets, owners):
    """Everything that can be asked, as arrays."""
    one, many = proximity.nearest(geometries, targets), proximity.k_nearest(geometries, targets, 3, owners=owners)
    return (one.distance_m, one.index, many.distance_m, many.index,
            proximity.count_within(geometries, targets, 900.0, owners=owners),
            proximity.decayed_sum(geometries, targets, np.sqrt(np.arange(len(targets)) + 2.0), 900.0))


def _towns(n, seed, centre=(443_000.0, 3_845_000.0), side_m=6_000.0):
    """Polygons of random outline, some with holes, some in two parts, crowded in places."""
    rng = np.random.default_rng(seed)
    middle = np.asarray(centre) + side_m * rng.normal(size=(n, 2)) ** 3 / 4
    radius_m = rng.lognormal(3.5, 0.8, n)
    made = shapely.buffer(shapely.points(middle), radius_m, quad_segs=6)
    made[::3] = shapely.difference(made[::3], shapely.buffer(shapely.points(middle[::3]), 0.5 * radius_m[::3]))
    made[1::5] = shapely.union(made[1::5], shapely.buffer(shapely.points(middle[1::5] + 300.0), 20.0, quad_segs=2))
    return made


def _wires(n, seed):
    """Lines, some across the whole city, some of many vertices."""
    rng = np.random.default_rng(seed)
    start = np.array([443_000.0, 3_845_000.0]) + rng.normal(size=(n, 1, 2)) * 4_000
    step = rng.normal(size=(n, 25, 2)) * np.where(rng.uniform(size=(n, 1, 1)) < 0.1, 4_000, 40)
    return shapely.linestrings(np.concatenate([start, start + np.cumsum(step, axis=1)], axis=1))


TARGETS_AT_SCALE = {
    "points": lambda: shapely.points(np.random.default_rng(5).normal(size=(400, 2)) * 3_000 + [443_000.0, 3_845_000.0]),
    "lines": lambda: _wires(150, 6),
    "polygons": lambda: _towns(200, 7),
    "one outlier": lambda: np.append(_towns(99, 8, side_m=50.0), Point(900_000, 3_000_000).buffer(50)),
}


@pytest.mark.parametrize("kind", TARGETS_AT_SCALE)
def test_large_cases_equal_geos(kind):
    targets = TARGETS_AT_SCALE[kind]()
    owners = np.arange(len(targets)) // 3
    for asked in (_towns(150, 1), _wires(60, 2), shapely.points(shapely.get_coordinates(_towns(9, 3)))):
        matrix = shapely.distance(asked[:, None], targets[None, :])
        one_m, one, many_m, many, counts, sums = _answers(asked, targets, owners)
        assert np.allclose(one_m, matrix.min(axis=1), rtol=1e-9, atol=1e-6)
        assert np.allclose(matrix[np.arange(len(asked)), one], one_m, rtol=1e-9, atol=1e-6)
        by_owner = np.minimum.reduceat(matrix, np.flatnonzero(np.diff(owners, prepend=-1)), axis=1)
        assert np.allclose(many_m, np.sort(by_owner, axis=1)[:, :3], rtol=1e-9, atol=1e-6)
        assert np.allclose(np.take_along_axis(matrix, many, axis=1), many_m, rtol=1e-9, atol=1e-6)
        assert all(len({owners[t] for t in row}) == 3 for row in many)
        assert (counts == (by_owner <= 900.0).sum(axis=1)).all()
        weights = np.sqrt(np.arange(len(targets)) + 2.0)
        assert np.allclose(sums, (weights * np.maximum(0.0, 1.0 - matrix / 900.0)).sum(axis=1), rtol=1e-9, atol=1e-9)


def test_touching_neighbours_are_at_no_distance():
    """Parcels share corners and edges: not a rounding away from each other, but 0."""
    rng = np.random.default_rng(11)
    xy = rng.uniform(0, 50, (12, 12, 2)) + 100.0 * np.stack(np.meshgrid(np.arange(12), np.arange(12)), axis=-1)
    xy += [443_000.123, 3_845_000.456]
    parcels = shapely.polygons(np.stack([xy[:-1, :-1], xy[:-1, 1:], xy[1:, 1:], xy[1:, :-1]], axis=2).reshape(-1, 4, 2))
    assert (proximity.count_within(parcels, parcels, 0.0).reshape(11, 11)[1:-1, 1:-1] == 9).all()
    assert (proximity.nearest(parcels, parcels[::-1], max_distance_m=0.0).distance_m == 0.0).all()


def test_target_in_a_hole_is_as_far_as_the_rim_of_the_hole():
    yard = box(0, 0, 100, 100).difference(box(20, 20, 80, 80))
    island = MultiPolygon([yard, box(45, 45, 55, 55)])
    targets = _array([Point(50, 30), box(30, 40, 36, 44), LineString([(50, 50), (51, 51)])])
    from_yard = proximity.k_nearest(_array([yard]), targets, 3)
    assert from_yard.index.tolist() == [[0, 1, 2]]
    assert from_yard.distance_m.tolist() == [[10.0, 10.0, 29.0]]
    assert proximity.nearest(_array([island]), targets).index.tolist() == [2]
    assert proximity.nearest(targets, _array([yard])).distance_m.tolist() == [10.0, 10.0, 29.0]


def test_whoever_holds_the_other_is_at_no_distance():
    large = Point(0, 0).buffer(1_000, quad_segs=500)
    small = _array([Point(3, 4), LineString([(9, 9), (10, 12)]), box(-5, -5, -4, -4), MultiPoint([(5e3, 0), (0, 9)])])
    assert (proximity.nearest(small, _array([large])).distance_m == 0.0).all()
    assert proximity.count_within(_array([large]), small, 0.0).tolist() == [4]
    assert proximity.decayed_sum(_array([large]), small, [1, 2, 4, 8], 10.0).tolist() == [15.0]


def test_chunks_threads_and_partitions_agree_to_the_last_bit(monkeypatch):
    parcels, targets = _towns(300, 21), np.concatenate([_towns(40, 22), _wires(40, 23)])
    owners = np.arange(len(targets)) % 30
    whole = _answers(parcels, targets, owners)
    monkeypatch.setattr(proximity, "_CHUNK", 7)
    for one, other in zip(whole, _answers(parcels, targets, owners), strict=True):
        assert one.tobytes() == other.tobytes()
    parts = [_answers(parcels[rows], targets, owners) for rows in (slice(0, 13), slice(13, 300))]
    for one, *others in zip(whole, *parts, strict=True):
        assert one.tobytes() == np.concatenate(others).tobytes()


def test_geometries_laid_out_once_get_the_same_answers():
    parcels, targets = np.append(_towns(5_000, 24), [None, Polygon()]), _wires(40, 23)
    owners = np.arange(len(targets)) % 30
    laid_out = proximity.lay_out(parcels)
    assert len(laid_out) == len(parcels) and len(laid_out.chunks) > 1
    for one, other in zip(_answers(parcels, targets, owners), _answers(laid_out, targets, owners), strict=True):
        assert one.tobytes() == other.tobytes()
    assert proximity.nearest(proximity.lay_out(parcels[:0]), targets).distance_m.shape == (0,)


@pytest.mark.parametrize("n", [0, 1, 2_048, 2_049, 100_000, 1_000_003])
def test_chunks_hold_every_row_once(n):
    rows = []
    proximity.in_chunks(rows.append, n)
    assert sorted(i for some in rows for i in (some.start, some.stop)) == sorted(
        [*range(0, n, rows[0].stop if rows else 1)][1:] * 2 + ([0, n] if n else []))


def test_threads_answer_in_the_order_of_the_items():
    assert proximity.in_threads(lambda i: i * i, range(99)) == [i * i for i in range(99)]
    with pytest.raises(ZeroDivisionError):
        proximity.in_threads(lambda i: 1 // (i - 7), range(9))


def test_targets_out_of_reach_change_no_bit():
    """A partition may leave out whatever is farther than the radius."""
    parcels, targets = _towns(100, 31, side_m=500.0), _towns(300, 32)
    weights = np.sqrt(np.arange(300) + 2.0)
    near = np.flatnonzero(shapely.distance(targets, shapely.union_all(parcels)) <= 900.0)
    assert 0 < len(near) < 300
    assert (proximity.decayed_sum(parcels, targets, weights, 900.0).tobytes()
            == proximity.decayed_sum(parcels, targets[near], weights[near], 900.0).tobytes())


def test_size_of_the_coordinates_costs_no_precision():
    one, other = box(0, 0, 1, 1), LineString([(1.0 + 2.0 ** -20, -4e4), (1.0 + 2.0 ** -20, 5e4)])
    far = [affinity.translate(g, 443_000.0, 3_845_000.0) for g in (one, other)]
    assert proximity.nearest(_array(far[:1]), _array(far[1:])).distance_m.tolist() == [2.0 ** -20]


@pytest.mark.slow
@pytest.mark.parametrize("can_cache", [True, False])
def test_code_is_compiled_once_even_where_the_package_cannot_be_written(tmp_path, can_cache):
    """An installed package is often read-only: the user's cache is used, and the second process loads from it."""
    room = tmp_path / "installed" / "gis"
    shutil.copytree(Path(proximity.__file__).parent, room, ignore=shutil.ignore_patterns("__pycache__"))
    # A file in the place of the folder: nobody, not even root, can write there.
    (room / "__pycache__").touch()
    cache = tmp_path / "cache"
    if not can_cache:
        cache.touch()
    ask = ("from gis import proximity; import shapely, sys; p = shapely.points([[0, 0], [3, 4]]); "
           "before = proximity.is_compiled(); proximity.nearest(p, p); proximity.decayed_sum(p, p, [1, 1], 9.0); "
           "print(proximity.__file__, before)")
    environment = {"PATH": os.environ["PATH"], "HOME": str(tmp_path), "XDG_CACHE_HOME": str(cache),
                   "PYTHONPATH": str(tmp_path / "installed"), "PYTHONDONTWRITEBYTECODE": "1"}

    def run():
        return subprocess.run([sys.executable, "-P", "-c", ask], env=environment, cwd=tmp_path, text=True,
                              capture_output=True, check=True).stdout.split()

    assert run() == [str(room / "proximity.py"), "False"]
    if can_cache:
        assert list(cache.rglob("_proximity_kernels.nearest_owners-*.nbi"))
        assert run()[1] == "True"


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


def test_targets_laid_out_answer_as_they_are() -> None:
    rng = np.random.default_rng(11)
    asked = shapely.buffer(shapely.points(rng.uniform(0.0, 1_000.0, (50, 2))), 9.0)
    lines = shapely.linestrings(rng.uniform(0.0, 1_000.0, (40, 3, 2)))
    laid_out = proximity.lay_out_targets(lines)
    assert laid_out.n == 40
    plain, again = (proximity.k_nearest(asked, targets, 3) for targets in (lines, laid_out))
    assert plain.distance_m.tobytes() == again.distance_m.tobytes()
    assert plain.index.tolist() == again.index.tolist()
    assert (proximity.nearest(asked, laid_out).index == plain.index[:, 0]).all()
    assert (proximity.count_within(asked, laid_out, 80.0) == proximity.count_within(asked, lines, 80.0)).all()
    weights = rng.random(40)
    sums = [proximity.decayed_sum(asked, targets, weights, 90.0).tobytes() for targets in (lines, laid_out)]
    assert sums[0] == sums[1]
    with pytest.raises(UsageError, match="owners are given for 40 targets"):
        proximity.k_nearest(asked, laid_out, 1, owners=[1, 2])
