"""Blocks between streets: plain cases by hand, laws on random streets."""

from __future__ import annotations

import numpy as np
import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st

from gis.blocks import Blocks, hilbert_order, merge_slivers, slivers, split_large, street_blocks
from gis.errors import UsageError

AREA = shapely.box(0, 0, 1000, 1000)
SETBACKS = {"primary": 20.0, "local": 8.0, "path": 0.0}


def line(*points: tuple[float, float]) -> shapely.LineString:
    return shapely.LineString(points)


def cut(streets: list[tuple[str, shapely.Geometry]], area: shapely.Geometry = AREA, *, min_area_m2: float = 100.0,
        min_width_m: float = 5.0, dead_end_m: float = 100.0) -> Blocks:
    lines = np.array([geometry for _, geometry in streets], dtype=object)
    classes = np.array([name for name, _ in streets], dtype=object)
    return street_blocks(lines, classes, area, setback_m=SETBACKS, min_area_m2=min_area_m2, min_width_m=min_width_m,
                         dead_end_m=dead_end_m)


def is_same(one: shapely.Geometry, other: shapely.Geometry, tolerance_m2: float = 1.0) -> bool:
    return bool(shapely.symmetric_difference(one, other).area < tolerance_m2)


def test_plain_grid_gives_the_plain_rectangles():
    streets = [("local", line((x, -50), (x, 1050))) for x in (250, 500, 750)]
    streets += [("local", line((-50, y), (1050, y))) for y in (500,)]
    found = cut(streets)
    edges_x = [(0, 242), (258, 492), (508, 742), (758, 1000)]
    wanted = [shapely.box(a, c, b, d) for a, b in edges_x for c, d in ((0, 492), (508, 1000))]
    assert len(found.geometries) == 8
    for rectangle in wanted:
        assert sum(is_same(rectangle, block) for block in found.geometries) == 1
    assert found.n_lines == 4
    assert found.n_lines_ignored == 0
    assert found.street_area_m2 == pytest.approx(1e6 - sum(w.area for w in wanted), abs=1)


def test_without_streets_the_area_is_the_block():
    found = cut([])
    assert is_same(found.geometries[0], AREA)
    assert len(found.geometries) == 1
    assert found.street_area_m2 == pytest.approx(0, abs=1e-6)


def test_each_class_keeps_its_own_setback():
    found = cut([("primary", line((500, 0), (500, 1000))), ("local", line((0, 400), (500, 400)))])
    assert len(found.geometries) == 3
    west_south = next(b for b in found.geometries if b.centroid.x < 480 and b.centroid.y < 400)
    assert is_same(west_south, shapely.box(0, 0, 480, 392))


def test_short_dead_end_is_no_street_and_a_long_one_keeps_its_space():
    short = cut([("local", line((500, 0), (500, 1000))), ("local", line((500, 300), (590, 300)))])
    assert len(short.geometries) == 2
    assert short.n_dead_ends == 1
    assert is_same(max(short.geometries, key=lambda b: b.centroid.x), shapely.box(508, 0, 1000, 1000))
    long = cut([("local", line((500, 0), (500, 1000))), ("local", line((500, 300), (800, 300)))])
    east = max(long.geometries, key=lambda b: b.centroid.x)
    assert long.n_dead_ends == 0
    assert shapely.distance(east, line((500, 300), (800, 300))) == pytest.approx(8, abs=0.02)


def test_dead_ends_are_taken_off_until_none_is_left():
    """A stem of 60 m with two prongs of 60 m: the prongs go first, then the stem, which ends nowhere now."""
    stem = line((500, 500), (560, 500))
    prongs = [line((560, 500), (600, 540)), line((560, 500), (600, 460))]
    found = cut([("local", line((500, 0), (500, 1000))), *(("local", s) for s in (stem, *prongs))])
    assert found.n_dead_ends == 3
    assert is_same(max(found.geometries, key=lambda b: b.centroid.x), shapely.box(508, 0, 1000, 1000))


def test_dead_end_is_as_long_as_all_its_pieces():
    pieces = [line((500 + 40 * i, 300), (540 + 40 * i, 300)) for i in range(5)]
    found = cut([("local", line((500, 0), (500, 1000))), *(("local", p) for p in pieces)])
    assert found.n_dead_ends == 0


def test_street_that_leaves_the_area_is_no_dead_end():
    found = cut([("local", line((-20, 500), (1020, 500)))], dead_end_m=5000)
    assert len(found.geometries) == 2


def test_street_outside_the_border_keeps_its_setback():
    found = cut([("primary", line((1010, -100), (1010, 1100)))])
    assert shapely.bounds(found.geometries[0])[2] == pytest.approx(990, abs=0.02)


def test_ring_road_leaves_a_hole():
    ring = shapely.box(400, 400, 600, 600).exterior
    found = cut([("local", ring)])
    outer, inner = sorted(found.geometries, key=lambda b: -b.area)
    assert len(outer.interiors) == 1
    assert is_same(inner, shapely.box(408, 408, 592, 592))


def test_median_of_a_wide_road_is_dropped_and_counted():
    found = cut([("local", line((490, 0), (490, 1000))), ("local", line((510, 0), (510, 1000)))], min_width_m=20)
    assert len(found.geometries) == 2
    assert (found.n_too_narrow, found.n_too_small) == (1, 0)
    assert is_same(found.dropped[0], shapely.box(498, 0, 502, 1000))


def test_sliver_joins_the_neighbour_with_the_longest_edge_across_a_path():
    """A path takes no ground: the strip beside it joins the block that it shares 1000 m with, not the one of 10 m."""
    paths = [("path", line((10, 0), (10, 1000))), ("path", line((0, 700), (10, 700)))]
    found = cut(paths, min_width_m=20)
    assert len(found.geometries) == 1
    assert found.n_merged == 2
    assert is_same(found.geometries[0], AREA)


def test_merging_keeps_the_ground():
    strip, block, far = shapely.box(0, 0, 10, 100), shapely.box(10, 0, 200, 100), shapely.box(300, 0, 305, 100)
    polygons = np.array([strip, block, far], dtype=object)
    merged, n = merge_slivers(polygons, min_area_m2=0, min_width_m=20)
    assert n == 1
    assert shapely.area(merged).sum() == pytest.approx(shapely.area(polygons).sum(), rel=1e-6)
    assert is_same(merged[0], shapely.box(0, 0, 200, 100))


def test_slivers_are_small_or_narrow():
    polygons = np.array([shapely.box(0, 0, 5, 5), shapely.box(0, 0, 10, 500), shapely.box(0, 0, 20, 500)], dtype=object)
    small, narrow = slivers(polygons, min_area_m2=100, min_width_m=20)
    assert small.tolist() == [True, False, False]
    assert narrow.tolist() == [True, True, False]


def test_large_blocks_are_cut_along_a_grid_and_small_ones_stay():
    small, large = shapely.box(0, 0, 90, 90), shapely.box(200, 0, 510, 200)
    pieces = split_large(np.array([small, large], dtype=object), 10_000.0)
    assert pieces[0] is small
    # Columns of 100, 100 and 100 m and a last one of 10 m, which joins its neighbour.
    assert sorted(round(a) for a in shapely.area(pieces[1:])) == [10_000] * 4 + [11_000] * 2
    assert is_same(shapely.union_all(pieces[1:]), large)
    assert shapely.area(pieces[1:]).sum() == pytest.approx(large.area, abs=0.1)


def test_order_follows_the_area_and_not_the_batch():
    centres = [(100, 100), (900, 900), (120, 130), (880, 870), (110, 900)]
    polygons = np.array([shapely.Point(p).buffer(5) for p in centres], dtype=object)
    order = hilbert_order(polygons, AREA).tolist()
    assert abs(order.index(0) - order.index(2)) == 1
    assert abs(order.index(1) - order.index(3)) == 1
    without_last = [row for row in order if row != 4]
    assert hilbert_order(polygons[:4], AREA).tolist() == without_last


def test_lines_without_a_setback_are_no_streets():
    found = cut([("track", line((500, 0), (500, 1000)))])
    assert (found.n_lines, found.n_lines_ignored, len(found.geometries)) == (0, 1, 1)


@pytest.mark.parametrize("limits", [{"min_area_m2": -1.0}, {"dead_end_m": float("nan")}, {"min_width_m": -5.0}])
def test_negative_limits_are_refused_by_name(limits):
    with pytest.raises(UsageError, match=next(iter(limits))):
        cut([], **limits)


def test_empty_area_is_refused():
    with pytest.raises(UsageError, match="empty"):
        cut([], shapely.Polygon())


ends = st.integers(-100, 1100)
random_streets = st.lists(
    st.tuples(st.sampled_from(["primary", "local"]), st.tuples(ends, ends), st.tuples(ends, ends))
    .filter(lambda s: s[1] != s[2]), max_size=12)
ROUND = shapely.Point(500, 500).buffer(450)


@settings(max_examples=60, deadline=None)
@given(streets=random_streets, area=st.sampled_from([AREA, ROUND]))
def test_laws_of_blocks(streets, area):
    given_lines = [(name, line(a, b)) for name, a, b in streets]
    found = cut(given_lines, area, dead_end_m=0.0)
    blocks = found.geometries
    assert shapely.is_valid(blocks).all()
    # In the area, and apart from one another.
    assert shapely.area(shapely.difference(blocks, area)).sum() < 0.5
    assert shapely.area(shapely.union_all(blocks)) == pytest.approx(shapely.area(blocks).sum(), abs=0.5)
    # No dead end is taken off here, so every street keeps its setback (chords of arcs: 0.2 %).
    for name, street in given_lines:
        for block in blocks:
            assert shapely.distance(block, street) >= SETBACKS[name] * 0.998 - 0.02
    # What is neither block nor dropped is the ground of the streets, measured on its own.
    space = shapely.union_all([shapely.buffer(s, SETBACKS[n], quad_segs=64) for n, s in given_lines])
    on_area = shapely.area(shapely.intersection(space, area))
    assert found.street_area_m2 == pytest.approx(on_area, abs=0.002 * on_area + 2.0)
    total = shapely.area(blocks).sum() + shapely.area(found.dropped).sum() + found.street_area_m2
    assert total == pytest.approx(area.area, abs=0.5)
    small, narrow = slivers(blocks, min_area_m2=100.0, min_width_m=5.0)
    assert not (small | narrow).any()


@settings(max_examples=30, deadline=None)
@given(streets=random_streets, seed=st.integers(0, 1000))
def test_same_streets_in_another_order_give_the_same_blocks(streets, seed):
    given_lines = [(name, line(a, b)) for name, a, b in streets]
    shuffled = [given_lines[i] for i in np.random.default_rng(seed).permutation(len(given_lines))]
    one, other = cut(given_lines), cut(shuffled)
    assert len(one.geometries) == len(other.geometries)
    for a, b in zip(one.geometries, other.geometries, strict=True):
        assert is_same(a, b)
