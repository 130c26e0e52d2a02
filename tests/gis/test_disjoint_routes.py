"""Two routes that share nothing, against networkx (maximum flow, cheapest flow) and by hand."""

from __future__ import annotations

import networkx as nx
import numpy as np
import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st
from shapely import LineString, Point

from gis.disjoint_routes import Diversity, disjoint_routes, length_within_m
from gis.errors import UsageError
from gis.network import build_network, insert_points, snap_points


def _array(shapes):
    found = np.empty(len(shapes), dtype=object)
    found[:] = shapes
    return found


def _lines(segments):
    return _array([LineString([(100.0 * x, 100.0 * y) for x, y in s]) for s in segments])


def _points(at):
    return _array([Point(100.0 * x, 100.0 * y) for x, y in at])


def _found(segments, sites, pops, **options):
    network = build_network(_lines(segments))
    return network, disjoint_routes(network, snap_points(network, _points(sites)), snap_points(network, _points(pops)),
                                    **options)


SQUARE = [((0, 0), (2, 0)), ((2, 0), (2, 2)), ((2, 2), (0, 2)), ((0, 2), (0, 0))]


def test_both_ways_round_a_ring() -> None:
    _, found = _found(SQUARE, [(0, 0)], [(2, 1), (1, 2)])
    assert found.is_disjoint.tolist() == [True]
    assert found.length_m.tolist() == [[300.0, 300.0]]
    assert sorted(found.point_of_presence[0].tolist()) == [0, 1]
    assert found.shared_length_m.tolist() == [0.0]
    assert found.shared[0] is None
    for route, pop in zip(found.routes[0], found.point_of_presence[0], strict=True):
        assert route.coords[0] == (0.0, 0.0)
        assert route.coords[-1] == [(200.0, 100.0), (100.0, 200.0)][pop]
        assert route.length == pytest.approx(300.0)


def test_the_stub_is_the_shared_stretch() -> None:
    _, found = _found([*SQUARE, ((0, 0), (-3, 0))], [(-2, 0)], [(2, 1), (1, 2)])
    assert found.diversity.tolist() == [Diversity.SHARED]
    assert found.shared_length_m.tolist() == [200.0]
    assert found.shared[0].equals(LineString([(-200, 0), (0, 0)]))
    assert found.length_m.tolist() == [[500.0, 500.0]]


def test_the_first_way_is_taken_back_where_it_blocks() -> None:
    # The shortest way runs S-a-b-T1; the pair must use S-a-T2 and S-b-T1, which a greedy search misses.
    segments = [((0, 0), (1, 1)), ((1, 1), (2, 0)), ((2, 0), (3, 0)), ((1, 1), (3, 3)), ((0, 0), (0, -3)),
                ((0, -3), (2, 0))]
    _, found = _found(segments, [(0, 0)], [(3, 0), (3, 3)])
    assert found.is_disjoint.all()
    expected = np.array([np.hypot(1, 1) + np.hypot(2, 2), 3 + np.hypot(2, 3) + 1]) * 100
    np.testing.assert_allclose(found.length_m[0], sorted(expected))


def test_taking_back_counts_what_it_saves() -> None:
    # S-a-b-T1 is the shortest way. With S-T3 the pair is 850 m; giving a-b back, S-a-T2 and S-b-T1 are 800 m.
    bend = np.sqrt(150.0 ** 2 - 100.0 ** 2)
    lines = _array([LineString([(0, 0), (100, 0)]), LineString([(100, 0), (200, 0)]), LineString([(200, 0), (300, 0)]),
                    LineString([(0, 0), (100, -bend), (200, 0)]), LineString([(100, 0), (100, 300)]),
                    LineString([(0, 0), (0, 550)])])
    network = build_network(lines)
    sites = snap_points(network, _array([Point(0, 0)]))
    pops = snap_points(network, _array([Point(300, 0), Point(100, 300), Point(0, 550)]))
    found = disjoint_routes(network, sites, pops)
    assert found.is_disjoint.all()
    np.testing.assert_allclose(found.length_m, [[400.0, 400.0]])
    assert sorted(found.point_of_presence[0].tolist()) == [0, 1]


def test_one_and_none() -> None:
    segments = [*SQUARE, ((9, 9), (9, 8))]
    _, found = _found(segments, [(0, 0), (9, 8.5)], [(2, 1), (2, 1)], owners=[7, 7])
    assert found.diversity.tolist() == [Diversity.ONE_ONLY, Diversity.UNREACHED]
    assert found.length_m[0, 0] == 300.0
    assert np.isnan(found.length_m[0, 1])
    assert found.point_of_presence.tolist() == [[0, -1], [-1, -1]]
    _, two = _found(segments, [(0, 0)], [(2, 1), (2, 1)])
    assert two.diversity.tolist() == [Diversity.DISJOINT]
    with pytest.raises(UsageError, match="3 owners are given for 2"):
        _found(segments, [(0, 0)], [(2, 1), (2, 1)], owners=[1, 2, 3])


def test_a_joint_that_both_routes_pass() -> None:
    bow_tie = [((0, 0), (1, 1)), ((0, 0), (0, 2)), ((0, 2), (1, 1)), ((1, 1), (2, 0)), ((1, 1), (2, 2))]
    _, by_edge = _found(bow_tie, [(0, 0)], [(2, 0), (2, 2)])
    assert by_edge.is_disjoint.all()
    _, by_node = _found(bow_tie, [(0, 0)], [(2, 0), (2, 2)], is_node_disjoint=True)
    assert by_node.diversity.tolist() == [Diversity.SHARED]
    assert by_node.n_shared_nodes.tolist() == [1]
    assert by_node.shared_length_m.tolist() == [0.0]


def test_two_ducts_between_the_same_ends_are_two_ways() -> None:
    bent = _array([LineString([(0, 0), (100, 0)]), LineString([(0, 0), (50, 40), (100, 0)]),
                   LineString([(100, 0), (130, 0)]), LineString([(100, 0), (100, 30)])])
    network = build_network(bent)
    sites, pops = (snap_points(network, _array([Point(p) for p in at])) for at in ([(0, 0)], [(130, 0), (100, 30)]))
    found = disjoint_routes(network, sites, pops)
    assert found.is_disjoint.all()
    np.testing.assert_allclose(found.length_m[0], [130.0, 30.0 + 2 * np.hypot(50, 40)])
    np.testing.assert_allclose(shapely.length(found.routes[0]), found.length_m[0])


def test_routes_side_by_side_are_told() -> None:
    one, other = LineString([(0, 0), (100, 0)]), LineString([(0, 4), (60, 4), (60, 90)])
    found = length_within_m(_array([one, None]), _array([other, one]), 5.0)
    np.testing.assert_allclose(found, [63.0, np.nan], atol=0.01)


CORNERS = st.tuples(st.integers(0, 4), st.integers(0, 4))
SEGMENTS = st.lists(st.tuples(CORNERS, CORNERS).filter(lambda s: s[0] != s[1]), min_size=3, max_size=16,
                    unique_by=lambda s: tuple(sorted(s)))


def _oracle(network, site, pops, is_node_disjoint):
    """Value of the maximum flow, least length, and least shared length, by networkx on integers (millimetres)."""
    graph = nx.MultiDiGraph()
    for v in range(len(network.node_xy)):
        graph.add_edge((v, "in"), (v, "out"), capacity=1 if is_node_disjoint else 2, weight=0)
        if is_node_disjoint:
            graph.add_edge((v, "in"), (v, "out"), capacity=1, weight=10 ** 12)
    for (a, b), length in zip(network.edge_nodes.tolist(), network.length_m, strict=True):
        weight = round(1000 * length)
        middle = ("edge", graph.number_of_edges())
        # Each edge through one gate, so that the two directions share it.
        graph.add_edge((a, "out"), (middle, 0), capacity=2, weight=0)
        graph.add_edge((b, "out"), (middle, 0), capacity=2, weight=0)
        graph.add_edge((middle, 0), (middle, 1), capacity=1, weight=weight)
        graph.add_edge((middle, 0), (middle, 1), capacity=1, weight=weight * 1_000_001)
        graph.add_edge((middle, 1), (a, "in"), capacity=2, weight=0)
        graph.add_edge((middle, 1), (b, "in"), capacity=2, weight=0)
    for pop in set(pops):
        graph.add_edge((pop, "out"), "sink", capacity=pops.count(pop), weight=0)
    graph.add_node((site, "out"), demand=-2)
    graph.add_node("sink", demand=2)
    try:
        _, flow = nx.network_simplex(graph)
    except nx.NetworkXUnfeasible:
        return None
    shared = sum(graph[u][v][k]["weight"] * f for u in flow for v in flow[u] for k, f in flow[u][v].items()
                 if graph[u][v][k]["weight"] >= 10 ** 9 and isinstance(u[0], tuple))
    n_nodes = sum(f for u in flow for v in flow[u] for k, f in flow[u][v].items()
                  if graph[u][v][k]["weight"] == 10 ** 12)
    total = sum(min(graph[u][v][k]["weight"] for k in graph[u][v]) * f for u in flow for v in flow[u]
                for k, f in flow[u][v].items())
    return shared / 1_000_001 / 1000, n_nodes, total / 1000


@settings(max_examples=120, deadline=None)
@given(SEGMENTS, CORNERS, st.lists(CORNERS, min_size=1, max_size=4, unique=True), st.booleans())
def test_pairs_agree_with_the_cheapest_flow(segments, site, pops, is_node_disjoint) -> None:
    network = build_network(_lines(segments))
    at, to = snap_points(network, _points([site]), to="node"), snap_points(network, _points(pops), to="node")
    found = disjoint_routes(network, at, to, is_node_disjoint=is_node_disjoint)
    grown, node = insert_points(network, type(at)(edge=np.concatenate([at.edge, to.edge]),
                                                  offset_m=np.concatenate([at.offset_m, to.offset_m]),
                                                  snap_distance_m=np.zeros(1 + len(pops))))
    expected = _oracle(grown, int(node[0]), [int(v) for v in node[1:]], is_node_disjoint)
    if expected is None:
        assert found.diversity[0] in (Diversity.ONE_ONLY, Diversity.UNREACHED)
        return
    shared, n_nodes, total = expected
    assert found.is_disjoint[0] == (shared == 0 and n_nodes == 0)
    assert found.shared_length_m[0] == pytest.approx(shared, abs=0.01)
    assert found.n_shared_nodes[0] == n_nodes
    assert found.length_m[0].sum() == pytest.approx(total, abs=0.05)


@settings(max_examples=80, deadline=None)
@given(SEGMENTS, st.lists(st.tuples(st.floats(0, 4), st.floats(0, 4)), min_size=1, max_size=4),
       st.lists(st.tuples(st.floats(0, 4), st.floats(0, 4)), min_size=1, max_size=3), st.booleans())
def test_routes_are_what_they_claim(segments, site_at, pop_at, is_node_disjoint) -> None:
    network = build_network(_lines(segments))
    sites, pops = snap_points(network, _points(site_at)), snap_points(network, _points(pop_at))
    found = disjoint_routes(network, sites, pops, is_node_disjoint=is_node_disjoint)
    ground = shapely.union_all(network.geometries).buffer(1e-3)

    def foot(access, i):
        return shapely.line_interpolate_point(network.geometries[access.edge[i]], access.offset_m[i])

    for i, routes in enumerate(found.routes):
        for j, route in enumerate(routes):
            if route is None:
                continue
            pop = found.point_of_presence[i, j]
            assert route.length == pytest.approx(found.length_m[i, j], abs=1e-6)
            if not route.is_empty:
                assert ground.covers(route)
                assert Point(route.coords[0]).distance(foot(sites, i)) < 1e-4
                assert Point(route.coords[-1]).distance(foot(pops, pop)) < 1e-4
        a, b = found.point_of_presence[i]
        assert a == -1 or a != b
        if found.is_disjoint[i] and not (routes[0].is_empty or routes[1].is_empty):
            assert found.length_m[i, 0] <= found.length_m[i, 1]
    alone = disjoint_routes(network, type(sites)(edge=sites.edge[:1], offset_m=sites.offset_m[:1],
                                                 snap_distance_m=sites.snap_distance_m[:1]), pops,
                            is_node_disjoint=is_node_disjoint)
    assert alone.diversity[0] == found.diversity[0]
    np.testing.assert_allclose(alone.length_m[0].sum(), found.length_m[0].sum())
    np.testing.assert_allclose(alone.shared_length_m[0], found.shared_length_m[0], atol=1e-3)
