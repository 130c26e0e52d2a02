"""Networks of lines: noding, snapping, distances and components, against networkx and by hand."""

from __future__ import annotations

import warnings
from itertools import pairwise
from pathlib import Path
from random import Random

import geopandas as gpd
import networkx as nx
import numpy as np
import pytest
import shapely
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st
from shapely import LineString, MultiLineString, Point, box

from gis.errors import DataError, UsageError
from gis.network import (
    build_network,
    component_of,
    cost_matrix,
    insert_points,
    snap_points,
    straight_cost_matrix,
)


def _array(shapes):
    found = np.empty(len(shapes), dtype=object)
    found[:] = shapes
    return found


def _graph(network):
    graph = nx.MultiGraph()
    graph.add_nodes_from(range(len(network.node_xy)))
    for (a, b), length in zip(network.edge_nodes, network.length_m, strict=True):
        graph.add_edge(int(a), int(b), length=float(length))
    return graph


CORNERS = st.tuples(st.integers(0, 6), st.integers(0, 6))
SEGMENTS = st.lists(st.tuples(CORNERS, CORNERS).filter(lambda s: s[0] != s[1]), min_size=1, max_size=14)


def _lines(segments):
    return _array([LineString([(100.0 * x, 100.0 * y) for x, y in s]) for s in segments])


def test_lines_that_end_together_are_joined_and_crossings_are_not() -> None:
    lines = _array([LineString([(0, 0), (100, 0)]), LineString([(100, 0), (100, 80)]),
                    LineString([(50, -50), (50, 50)])])
    network = build_network(lines)
    assert len(network.length_m) == 3
    assert network.component_length_m.tolist() == [180.0, 100.0]
    np.testing.assert_allclose(network.component_share, [180 / 280, 100 / 280])
    crossed = build_network(lines, noding="crossings")
    assert sorted(crossed.length_m.tolist()) == [50.0, 50.0, 50.0, 50.0, 80.0]
    assert len(crossed.component_length_m) == 1
    assert crossed.line.tolist() == [0, 0, 1, 2, 2]


def test_ends_within_the_snap_distance_meet() -> None:
    lines = _array([LineString([(0, 0), (100, 0)]), LineString([(100.8, 0), (200, 0)]),
                    LineString([(60, 0.9), (60, 70)])])
    joined = build_network(lines, snap_m=1.0)
    assert len(joined.component_length_m) == 1
    assert len(joined.length_m) == 4  # the first line is cut where the third one ends
    assert len(build_network(lines, snap_m=0.5).component_length_m) == 3
    drawn = shapely.get_coordinates(joined.geometries)
    assert {tuple(p) for p in joined.node_xy} <= {tuple(p) for p in drawn}


def test_vertices_in_common_join_streets_and_bridges_do_not() -> None:
    street = LineString([(0, 0), (50, 0), (100, 0)])
    crossing, bridge = LineString([(50, -40), (50, 0), (50, 40)]), LineString([(70, -40), (70, 40)])
    network = build_network(_array([street, crossing, bridge]), noding="vertices")
    assert sorted(network.length_m.tolist()) == [40.0, 40.0, 50.0, 50.0, 80.0]
    assert component_of(network, snap_points(network, _array([Point(70, 39), Point(1, 0)]))).tolist() == [1, 0]


def test_two_cables_in_one_duct_are_one_way() -> None:
    duct = [(0, 0), (40, 30), (100, 0)]
    around = LineString([(0, 0), (50, -90), (100, 0)])
    network = build_network(_array([LineString(duct), LineString(duct[::-1]), around]))
    assert (len(network.length_m), network.n_merged) == (2, 1)
    shifted = _array([LineString([(0, 0), (100, 0)]), LineString([(40, 0), (160, 0)])])
    overlap = build_network(shifted, noding="crossings")
    assert sorted(overlap.length_m.tolist()) == [40.0, 60.0, 60.0]
    assert overlap.n_merged == 1


def test_a_course_shared_between_lines_that_end_elsewhere_is_one_edge() -> None:
    lines = _array([LineString([(0, 50), (40, 0), (70, 5), (100, 0), (140, 50)]),
                    LineString([(140, -50), (100, 0), (70, 5), (40, 0), (0, -50)])])
    network = build_network(lines, noding="crossings")
    assert (len(network.length_m), network.n_merged, len(network.node_xy)) == (5, 1, 6)
    assert network.length_m.sum() == pytest.approx(4 * np.hypot(40, 50) + 2 * np.hypot(30, 5))


@given(st.lists(st.tuples(st.floats(0, 1e5), st.floats(0, 1e5)), min_size=5, max_size=5, unique=True),
       st.sampled_from(["ends", "vertices", "crossings"]))
def test_lines_that_share_a_vertex_meet_there_without_any_snapping(places, noding) -> None:
    a, b, c, d, middle = places
    lines = _array([LineString([a, middle, b]), LineString([c, middle] if noding == "ends" else [c, middle, d])])
    apart = [lines[1].distance(Point(p)) for p in (a, b)] + [lines[0].distance(Point(p)) for p in (c, d)]
    assume(min(apart) > 1.0 and all(line.is_simple and line.length > 1.0 for line in lines))
    network = build_network(lines, snap_m=0.0, noding=noding)
    at = np.flatnonzero((network.node_xy == middle).all(axis=1))
    assert len(at) == 1
    assert (network.edge_nodes == at[0]).sum() >= 3
    assert len(network.component_length_m) == 1


def test_every_line_is_accounted_for() -> None:
    lines = _array([LineString([(0, 0), (100, 0)]), Point(3, 3), None, LineString(), LineString([(5, 5), (5, 5)]),
                    MultiLineString([[(0, 0), (0, 9)], [(100, 0), (100, 9)]]), LineString([(0, 0), (0.1, 0)])])
    network = build_network(lines)
    assert (network.n_lines, network.n_ignored) == (7, 5)
    assert network.line.tolist() == [0, 5, 5]


def test_refusals() -> None:
    with pytest.raises(DataError, match="none of 1 features"):
        build_network(_array([Point(0, 0)]))
    with pytest.raises(DataError):
        build_network(_array([]))
    with pytest.raises(UsageError, match="snap distance -1"):
        build_network(_lines([((0, 0), (1, 0))]), snap_m=-1)
    with pytest.raises(UsageError, match="detour factor"):
        straight_cost_matrix(_array([Point(0, 0)]), _array([Point(0, 0)]), detour_factor=0.9)


def test_snapping_reports_how_far() -> None:
    network = build_network(_array([LineString([(0, 0), (100, 0)]), LineString([(100, 0), (100, 100)])]))
    places = _array([Point(30, 40), box(80, 10, 95, 20), Point(500, 0), None])
    found = snap_points(network, places, max_snap_m=100.0)
    assert found.edge.tolist() == [0, 1, -1, -1]
    np.testing.assert_allclose(found.offset_m, [30.0, 10.0, np.nan, np.nan])
    np.testing.assert_allclose(found.snap_distance_m, [40.0, 5.0, np.nan, np.nan])
    at_node = snap_points(network, places[:2], to="node")
    np.testing.assert_allclose(at_node.snap_distance_m, [50.0, np.hypot(5, 10)])
    feet = shapely.line_interpolate_point(network.geometries[at_node.edge], at_node.offset_m)
    assert [(p.x, p.y) for p in feet] == [(0.0, 0.0), (100.0, 0.0)]


def test_distances_by_hand() -> None:
    lines = _array([LineString([(0, 0), (100, 0)]), LineString([(100, 0), (100, 100)]),
                    LineString([(400, 0), (500, 0)])])
    network = build_network(lines)
    demand = snap_points(network, _array([Point(10, 3), Point(90, 0), Point(450, 0)]))
    sites = snap_points(network, _array([Point(30, -4), Point(102, 60)]))
    expected = np.array([[20 + 3 + 4, 90 + 60 + 3 + 2], [60 + 4, 10 + 60 + 2], [np.inf, np.inf]], dtype=float)
    np.testing.assert_allclose(cost_matrix(network, demand, sites), expected)
    limited = np.where(expected > 70.0, np.inf, expected)
    np.testing.assert_allclose(cost_matrix(network, demand, sites, limit_m=70.0), limited)
    nowhere = snap_points(network, _array([Point(0, 900)]), max_snap_m=10.0)
    assert np.isinf(cost_matrix(network, nowhere, sites)).all()
    assert np.isinf(cost_matrix(network, demand, nowhere)).all()


def test_straight_lines_are_longer_by_the_factor() -> None:
    found = straight_cost_matrix(_array([Point(0, 0), Point(3, 0)]), _array([Point(3, 4)]), detour_factor=1.4)
    np.testing.assert_allclose(found, [[7.0], [5.6]])


@settings(max_examples=60, deadline=None)
@given(SEGMENTS, st.lists(CORNERS, min_size=1, max_size=4), st.lists(CORNERS, min_size=1, max_size=5),
       st.sampled_from(["ends", "vertices", "crossings"]))
def test_distances_agree_with_networkx(segments, demand_at, site_at, noding) -> None:
    network = build_network(_lines(segments), noding=noding)
    demand, sites = (snap_points(network, _array([Point(100 * x + 31, 100 * y + 17) for x, y in at]))
                     for at in (demand_at, site_at))
    found = cost_matrix(network, demand, sites)
    both = np.concatenate([demand.edge, sites.edge]), np.concatenate([demand.offset_m, sites.offset_m])
    grown, node = insert_points(network, type(demand)(edge=both[0], offset_m=both[1], snap_distance_m=both[1] * 0))
    graph = _graph(grown)
    for i, start in enumerate(node[:len(demand_at)]):
        ways = nx.single_source_dijkstra_path_length(graph, int(start), weight="length")
        expected = [ways.get(int(end), np.inf) for end in node[len(demand_at):]]
        np.testing.assert_allclose(found[i] - demand.snap_distance_m[i] - sites.snap_distance_m, expected, atol=1e-6)
    np.testing.assert_allclose(cost_matrix(network, sites, demand).T, found)


# Crossings that lie within the snapping distance become one node, and the ground moves that far: here it is far below
# the bound, so that the bound is that of the noding alone. The example's crossings are 0.8 m apart.
@settings(max_examples=60, deadline=None)
@given(SEGMENTS, st.sampled_from(["ends", "vertices", "crossings"]), st.randoms(use_true_random=False))
@example([((1, 0), (6, 4)), ((1, 5), (5, 0)), ((1, 6), (4, 1))], "crossings", Random(1))
def test_noding_keeps_all_ground_and_does_not_depend_on_the_order(segments, noding, random) -> None:
    lines = _lines(segments)
    network = build_network(lines, noding=noding, snap_m=1e-4)
    drawn = shapely.union_all(lines)
    kept = shapely.union_all(network.geometries)
    assert drawn.difference(kept.buffer(1e-3)).is_empty
    assert kept.difference(drawn.buffer(1e-3)).is_empty
    ends = shapely.get_coordinates([shapely.get_point(network.geometries, place) for place in (0, -1)])
    np.testing.assert_allclose(ends, network.node_xy[network.edge_nodes.T.ravel()])
    assert network.component_length_m.sum() == pytest.approx(network.length_m.sum())
    shuffled = list(lines)
    random.shuffle(shuffled)
    other = build_network(_array(shuffled), noding=noding, snap_m=1e-4)
    np.testing.assert_allclose(other.component_length_m, network.component_length_m)
    in_order = [xy[np.lexsort(np.round(xy).T)] for xy in (network.node_xy, other.node_xy)]
    np.testing.assert_allclose(*in_order, atol=1e-5)


@settings(max_examples=60, deadline=None)
@given(SEGMENTS)
def test_crossings_agree_with_the_noding_of_geos(segments) -> None:
    lines = _lines(segments)
    network = build_network(lines, noding="crossings", snap_m=0.001)
    noded = shapely.get_parts(shapely.node(shapely.multilinestrings(lines)))
    assert network.length_m.sum() == pytest.approx(shapely.length(noded).sum(), abs=0.1)
    graph = nx.Graph()
    for piece in noded:
        a, b = (tuple(np.round(c, 3)) for c in (piece.coords[0], piece.coords[-1]))
        graph.add_edge(a, b)
    assert nx.number_connected_components(graph) == len(network.component_length_m)


@settings(max_examples=40, deadline=None)
@given(SEGMENTS, st.lists(st.tuples(st.floats(0, 600), st.floats(0, 600)), min_size=1, max_size=6))
def test_inserted_points_are_nodes_and_nothing_else_moves(segments, at) -> None:
    network = build_network(_lines(segments))
    places = snap_points(network, _array([Point(p) for p in at]))
    grown, node = insert_points(network, places)
    feet = shapely.line_interpolate_point(network.geometries[places.edge], places.offset_m)
    np.testing.assert_allclose(grown.node_xy[node], shapely.get_coordinates(feet), atol=1e-5)
    assert grown.length_m.sum() == pytest.approx(network.length_m.sum())
    np.testing.assert_array_equal(grown.node_xy[:len(network.node_xy)], network.node_xy)
    np.testing.assert_allclose(grown.component_length_m, network.component_length_m)


DATA = Path(__file__).resolve().parents[2] / "../shared/data/osm"


@pytest.mark.skipif(not DATA.is_dir(), reason="the open data for trials is not beside the project")
def test_real_streets_agree_with_the_graph_of_their_vertices() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # clipped relations of the extract, none of them streets
        frame = gpd.read_file(DATA / "helsinki_small.osm.pbf", layer="lines")
    lines = np.asarray(frame[frame["highway"].notna()].to_crs("EPSG:3879").geometry.array)
    network = build_network(lines, snap_m=0.0, noding="vertices")
    graph = nx.Graph()
    for line in lines:
        at = [tuple(np.round(c, 6)) for c in line.coords]
        for a, b in pairwise(at):
            graph.add_edge(a, b, length=float(np.hypot(a[0] - b[0], a[1] - b[1])))
    assert nx.number_connected_components(graph) == len(network.component_length_m)
    assert network.length_m.sum() == pytest.approx(sum(d for *_, d in graph.edges(data="length")), rel=1e-3)
    ends = shapely.get_point(lines, 0)
    starts, targets = ends[:200:40], ends[:300]
    found = cost_matrix(network, snap_points(network, starts, to="node"), snap_points(network, targets, to="node"))
    for i, start in enumerate(starts):
        ways = nx.single_source_dijkstra_path_length(graph, tuple(np.round(start.coords[0], 6)), weight="length")
        expected = [ways.get(tuple(np.round(t.coords[0], 6)), np.inf) for t in targets]
        np.testing.assert_allclose(found[i], expected, atol=1e-3)


@pytest.mark.skipif(not DATA.is_dir(), reason="the open data for trials is not beside the project")
def test_real_streets_cut_back_at_junctions_need_a_larger_snap_distance() -> None:
    frame = gpd.read_file(DATA / "chengdu_sumo_osm_roads_wgs84.geojson").to_crs("EPSG:4544")
    lines = np.asarray(frame.geometry.array)
    small, large = build_network(lines, snap_m=1.0), build_network(lines, snap_m=20.0)
    assert len(small.component_length_m) > 300
    assert (large.component_share[0], large.n_lines) == (1.0, 852)
    assert large.n_ignored < 0.1 * large.n_lines
