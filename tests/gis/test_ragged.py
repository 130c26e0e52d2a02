"""Flattened geometries hold every vertex, hole and part, and their boxes hold every edge."""

from __future__ import annotations

import numpy as np
import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st
from shapely import GeometryCollection, LineString, MultiLineString, MultiPoint, MultiPolygon, Point, Polygon, box

from gis import box_tree, ragged

HOLED = Polygon([(0, 0), (30, 0), (30, 30), (0, 30)], [[(1, 1), (4, 1), (4, 4)], [(9, 9), (20, 9), (20, 20), (9, 20)]])
PIECES = [
    Point(1, 2), Point(3, 4, 5), LineString([(0, 0), (5, 1), (7, 7)]), LineString(np.arange(80.0).reshape(-1, 2)),
    box(0, 0, 2, 2), HOLED, MultiPoint([(0, 0), (1, 1)]), MultiLineString([[(0, 0), (1, 1)], [(3, 3), (4, 4), (5, 6)]]),
    MultiPolygon([box(40, 0, 41, 1), HOLED]), Point(50, 50).buffer(9),
    GeometryCollection([Point(7, 7), GeometryCollection([HOLED, MultiPoint([(8, 8)])]), LineString()]),
    None, Polygon(), Point(), GeometryCollection(),
]
MANY = st.lists(st.sampled_from(PIECES), max_size=12)


def _array(shapes):
    found = np.empty(len(shapes), dtype=object)
    found[:] = shapes
    return found


def _simple_parts(geometry):
    """Points, lines and polygons of a geometry, in order."""
    if geometry is None or geometry.is_empty:
        return []
    if hasattr(geometry, "geoms"):
        return [part for piece in geometry.geoms for part in _simple_parts(piece)]
    return [geometry]


def _rebuilt(paths, part):
    """Make a part again from its paths."""
    rings = [paths.xy[paths.path_start[p]:paths.path_start[p + 1]]
             for p in range(paths.part_start[part], paths.part_start[part + 1])]
    if paths.part_is_polygon[part]:
        return Polygon(rings[0], rings[1:])
    assert len(rings) == 1
    return Point(rings[0][0]) if len(rings[0]) == 1 else LineString(rings[0])


@settings(max_examples=150, deadline=None)
@given(MANY)
def test_parts_can_be_made_again(shapes):
    paths = ragged.flatten(_array(shapes))
    assert len(paths.geometry_start) == len(shapes) + 1
    for i, shape in enumerate(shapes):
        parts = [_rebuilt(paths, p) for p in range(paths.geometry_start[i], paths.geometry_start[i + 1])]
        assert [p.wkb for p in parts] == [shapely.force_2d(p).wkb for p in _simple_parts(shape)]


@settings(max_examples=100, deadline=None)
@given(MANY)
def test_only_polygons_drops_the_rest(shapes):
    paths = ragged.only_polygons(ragged.flatten(_array(shapes)))
    assert paths.part_is_polygon.all()
    for i, shape in enumerate(shapes):
        parts = [_rebuilt(paths, p) for p in range(paths.geometry_start[i], paths.geometry_start[i + 1])]
        assert [p.wkb for p in parts] == [p.wkb for p in _simple_parts(shape) if p.geom_type == "Polygon"]


@settings(max_examples=100, deadline=None)
@given(MANY)
def test_runs_hold_every_edge_once_and_in_their_box(shapes):
    paths = ragged.flatten(_array(shapes))
    runs = ragged.cut_into_runs(paths)
    for part in range(len(runs.part_box)):
        edges = [(i, i + 1) for run in range(runs.part_run[part], runs.part_run[part + 1])
                 for i in range(runs.run_first[run], runs.run_last[run])]
        bounds = [range(paths.path_start[p], paths.path_start[p + 1] - 1)
                  for p in range(paths.part_start[part], paths.part_start[part + 1])]
        assert edges == [(i, i + 1) for ends in bounds for i in ends]
        assert tuple(runs.part_box[part]) == _rebuilt(paths, part).bounds
    for first, last, limits, part in zip(runs.run_first, runs.run_last, runs.run_box, runs.run_part, strict=True):
        assert 0 <= last - first <= ragged.RUN_EDGES
        assert tuple(limits) == MultiPoint(np.stack([runs.x[first:last + 1], runs.y[first:last + 1]], axis=1)).bounds
        assert runs.run_first[runs.part_run[part]] <= first


def test_coordinates_that_are_not_finite_have_no_part():
    line = LineString([(0, 0), (1, 1)])
    paths = ragged.flatten(_array([line, shapely.linestrings([[0, 0], [np.inf, 1]]), line]))
    assert paths.geometry_start.tolist() == [0, 1, 1, 2]


@pytest.mark.parametrize("n", [0, 1, 4, 5, 17, 1_000])
def test_tree_holds_every_box_once_below_its_parents(n):
    rng = np.random.default_rng(n)
    low = rng.uniform(0, 100, (n, 2)) ** 3
    boxes = np.concatenate([low, low + rng.uniform(0, 5, (n, 2))], axis=1)
    tree = box_tree.build_tree(boxes)
    assert sorted(tree.item) == list(range(n))
    assert np.array_equal(tree.box[:n], boxes[tree.item])
    has_parent = np.zeros(len(tree.box), dtype=int)
    for node in range(n, len(tree.box)):
        children = tree.box[tree.first_child[node]:tree.last_child[node]]
        has_parent[tree.first_child[node]:tree.last_child[node]] += 1
        assert np.array_equal(tree.box[node], [*children[:, :2].min(axis=0), *children[:, 2:].max(axis=0)])
    assert (has_parent[:-1] == 1).all()
    assert (tree.first_child[:n] == -1).all()


def test_tree_keeps_neighbours_together():
    """Along the curve neighbours stay close: else every search would visit everything."""
    xy = np.stack(np.meshgrid(np.arange(64.0), np.arange(64.0)), axis=-1).reshape(-1, 2)
    tree = box_tree.build_tree(np.tile(xy, 2))
    step = np.abs(np.diff(xy[tree.item], axis=0)).sum(axis=1)
    assert step.max() == 1.0


def test_tree_takes_boxes_in_one_place():
    tree = box_tree.build_tree(np.tile([5.0, 5.0, 5.0, 5.0], (9, 1)))
    assert tree.item.tolist() == list(range(9))
