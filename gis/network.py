"""Graphs of lines: streets or fibre routes, distances along them, and where they hang together.

Lines are cut where they meet and joined there (*noding*); what lies between two nodes is an edge.
Points are put on the nearest place of the nearest edge, or on the nearest node, and how far they
had to move is part of the answer. Distances are shortest ways by Dijkstra's algorithm
(``scipy.sparse.csgraph``), from edge place to edge place, exact to rounding.

All geometry is in the metric CRS of the run. Edges run both ways: one-way streets are not known.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

import numpy as np
import shapely
from numpy.typing import NDArray

from gis import proximity
from gis._network_noding import Noding as Noding
from gis._network_noding import cut_lines, distinct_cuts, join_ends, line_ends, line_parts, meetings
from gis.errors import DataError, UsageError

Geometries = NDArray[Any]
Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
Booleans = NDArray[np.bool_]

SNAP_M = 1.0
"""Ends nearer than this are one node, unless the caller says otherwise; about what city surveys draw."""

_BLOCK_CELLS = 2_000_000


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Network:
    """A graph of lines.

    Components, the parts that hang together, are numbered by length: 0 is the main one.
    """

    node_xy: Floats
    """Places of the nodes, shape (nodes, 2)."""
    edge_nodes: Integers
    """First and last node of each edge, shape (edges, 2)."""
    length_m: Floats
    """Shape (edges,)."""
    geometries: Geometries
    """Lines from the first node to the last, shape (edges,)."""
    line: Integers
    """Row of the given line that each edge is of, shape (edges,)."""
    component: Integers
    """Component of each node, shape (nodes,)."""
    component_length_m: Floats
    """Length of each component, descending, shape (components,)."""
    snap_m: float
    """Ends nearer than this were joined."""
    n_lines: int
    """Lines given."""
    n_ignored: int
    """Of them: no lines, or without length, or shorter than the snap distance."""
    n_merged: int
    """Edges left out because another runs the same way between the same nodes (two cables in one duct)."""

    @property
    def component_share(self) -> Floats:
        """Share of the length in each component, shape (components,)."""
        return np.asarray(self.component_length_m / max(float(self.component_length_m.sum()), 1e-300))


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Access:
    """Where n geometries come to a network."""

    edge: Integers
    """Edge, shape (n,); -1 where none is near enough."""
    offset_m: Floats
    """How far along the edge from its first node, shape (n,); NaN where there is none."""
    snap_distance_m: Floats
    """How far from the geometry to that place, shape (n,); NaN where there is none."""

    @property
    def is_reached(self) -> Booleans:
        """Per geometry: it has come to the network."""
        return np.asarray(self.edge >= 0, dtype=np.bool_)


class _Ends(NamedTuple):
    """Ways from each place on an edge to the two nodes of the edge."""

    node: Integers
    """Shape (n, 2)."""
    cost_m: Floats
    """Shape (n, 2), with the snap distance; infinite where the network is not reached."""


def build_network(lines: Geometries, *, snap_m: float = SNAP_M, noding: Noding = "ends") -> Network:
    """Make a graph of lines.

    Parameters
    ----------
    lines
        LineStrings or MultiLineStrings in metres, shape (n,); anything else is ignored and counted.
    snap_m
        Ends within this distance of each other are one node, also by way of others; an end within it
        of another line is joined there. At least 0.
    noding
        ``"ends"``: lines meet where one of them ends (survey layers cut at junctions; fibre routes).
        ``"vertices"``: also at vertices in common (streets of OpenStreetMap, where a bridge shares no
        vertex with what it crosses). ``"crossings"``: also wherever two lines cross, touch or begin
        to share their course (plans drawn without junctions; wrong where bridges are drawn). A line
        that crosses itself is not cut there.

    Returns
    -------
    Network
        Edges in the order of the lines. Edges that run the same way between the same nodes, within
        ``snap_m``, count once: two cables in one duct are one way.

    Raises
    ------
    UsageError
        ``snap_m`` is negative or not a number.
    DataError
        There is no line with a length.
    """
    if not 0.0 <= snap_m < np.inf:
        raise UsageError(f"the snap distance {snap_m} m is not a number of at least 0; correct it",
                         f"捕捉距离 {snap_m} 米不是不小于 0 的数；请改正")
    given = np.asarray(lines, dtype=object).reshape(-1)
    parts, row = line_parts(given)
    _require(len(parts), len(given))
    cuts = distinct_cuts(shapely.length(parts), *meetings(parts, snap_m, noding))
    pieces, of_part = cut_lines(parts, cuts)
    node, node_xy = join_ends(line_ends(pieces).reshape(-1, 2), snap_m)
    nodes = node.reshape(-1, 2)
    pieces = _moved_to(pieces, node_xy[nodes])
    # What shrinks to a node is no edge; a loop that is longer than the snap distance is one.
    kept = (nodes[:, 0] != nodes[:, 1]) | (shapely.length(pieces) > 2.0 * snap_m + 1e-6)
    pieces, nodes, line = pieces[kept], nodes[kept], row[of_part][kept]
    _require(len(pieces), len(given))
    is_first = _first_of_same(pieces, nodes, max(snap_m, 1e-6))
    return _assembled(pieces[is_first], nodes[is_first], line[is_first], node_xy, snap_m=snap_m, n_lines=len(given),
                      n_ignored=len(given) - len(np.unique(line)), n_merged=int((~is_first).sum()))


def snap_points(network: Network, geometries: Geometries, *, max_snap_m: float | None = None,
                to: Literal["edge", "node"] = "edge") -> Access:
    """Put geometries on a network.

    Parameters
    ----------
    geometries
        Shapely geometries of any type, shape (n,); a polygon comes from its edge.
    max_snap_m
        Farther ones do not come to the network; None for no limit.
    to
        The nearest place of the nearest edge, or the nearest node.

    Returns
    -------
    Access
        With the distance that each had to move.
    """
    given = np.asarray(geometries, dtype=object).reshape(-1)
    targets = network.geometries if to == "edge" else np.asarray(shapely.points(network.node_xy), dtype=object)
    found = proximity.nearest(given, targets, max_distance_m=max_snap_m)
    offset_m = np.full(len(given), np.nan)
    edge, near = found.index.copy(), found.index >= 0
    if to == "edge":
        target = targets[edge[near]]
        foot = shapely.get_point(shapely.shortest_line(given[near], target), 1)
        offset_m[near] = shapely.line_locate_point(target, foot)
    else:
        place = np.unique(network.edge_nodes, return_index=True)[1]  # every node is an end of some edge
        edge[near] = place[found.index[near]] // 2
        offset_m[near] = np.where(place[found.index[near]] % 2 == 0, 0.0, network.length_m[edge[near]])
    return Access(edge=edge, offset_m=offset_m, snap_distance_m=found.distance_m)


def component_of(network: Network, access: Access) -> Integers:
    """Return the component that each geometry comes to, shape (n,); -1 where it comes to none."""
    return np.where(access.is_reached, network.component[network.edge_nodes[access.edge, 0]], -1)


def cost_matrix(network: Network, demand: Access, sites: Access, *, limit_m: float | None = None) -> Floats:
    """Measure the shortest way along a network from each demand point to each site.

    Parameters
    ----------
    demand, sites
        Of :func:`snap_points`, n and m of them.
    limit_m
        Longer ways count as none, which saves time; None for no limit.

    Returns
    -------
    numpy.ndarray
        Metres, float64, shape (n, m): rows are demand points. The ways to and from the network (the
        snap distances) are part of it. Infinite where there is no way.

    Notes
    -----
    One run of Dijkstra's algorithm per place of the smaller side: O(min(n, m) E log V). Memory is the
    matrix and about 100 MB.
    """
    limit = np.inf if limit_m is None else float(limit_m)
    if len(sites.edge) > len(demand.edge):
        return np.ascontiguousarray(_ways(network, demand, sites, limit))
    return np.ascontiguousarray(_ways(network, sites, demand, limit).T)


def straight_cost_matrix(demand: Geometries, sites: Geometries, *, detour_factor: float = 1.0) -> Floats:
    """Measure straight lines from each demand point to each site, longer by a factor.

    Parameters
    ----------
    demand, sites
        Shapely geometries in metres, n and m; of lines and polygons a point inside is taken.
    detour_factor
        Length of the way over that of the straight line, at least 1.

    Returns
    -------
    numpy.ndarray
        Metres, float64, shape (n, m).

    Raises
    ------
    UsageError
        The factor is below 1.
    """
    if not detour_factor >= 1.0:
        raise UsageError(f"the detour factor is {detour_factor}; no way beats the straight line, give 1 or more",
                         f"绕行系数为 {detour_factor}；路径不可能短于直线，请给出不小于 1 的值")
    at, to = (shapely.get_coordinates(shapely.point_on_surface(np.asarray(g, dtype=object).reshape(-1)))
              for g in (demand, sites))
    return np.asarray(np.hypot(at[:, :1] - to[:, 0], at[:, 1:] - to[:, 1]) * detour_factor, dtype=np.float64)


def insert_points(network: Network, access: Access) -> tuple[Network, Integers]:
    """Make nodes of the places where geometries come to a network.

    Returns
    -------
    tuple
        The network with those nodes after its own, and the node of each geometry (-1 where it comes to none).
    """
    rows = np.flatnonzero(access.is_reached)
    edge = access.edge[rows]
    cuts = distinct_cuts(network.length_m, edge, access.offset_m[rows])
    pieces, of_edge = cut_lines(network.geometries, cuts)
    own = len(network.node_xy)
    begins = np.diff(of_edge, prepend=-1) != 0
    ends = np.diff(of_edge, append=len(network.geometries)) != 0
    nodes = network.edge_nodes[of_edge].copy()
    nodes[~begins, 0] = nodes[~ends, 1] = own + np.arange(len(cuts.line))
    places = line_ends(pieces[~begins])[:, 0]
    node = np.full(len(access.edge), -1, dtype=np.int64)
    at_own = network.edge_nodes[edge, np.where(cuts.of_given == -1, 0, 1)]
    node[rows] = np.where(cuts.of_given >= 0, own + cuts.of_given, at_own)
    grown = _assembled(pieces, nodes, network.line[of_edge], np.concatenate([network.node_xy, places]),
                       snap_m=network.snap_m, n_lines=network.n_lines, n_ignored=network.n_ignored,
                       n_merged=network.n_merged)
    return grown, node


def _require(n_edges: int, n_lines: int) -> None:
    if not n_edges:
        raise DataError(f"none of {n_lines} features is a line with a length; a network needs a line layer",
                        f"{n_lines} 个要素中没有一条有长度的线；构建网络需要线图层")


def _moved_to(pieces: Geometries, ends_xy: Floats) -> Geometries:
    """Return lines with their ends at ``ends_xy``, shape (n, 2, 2)."""
    xy, index = shapely.get_coordinates(pieces, return_index=True)
    first = np.flatnonzero(np.diff(index, prepend=-1))
    xy[first] = ends_xy[:, 0]
    xy[np.append(first[1:], len(xy)) - 1] = ends_xy[:, 1]
    return np.asarray(shapely.linestrings(xy, indices=index))


def _first_of_same(pieces: Geometries, nodes: Integers, tolerance_m: float) -> Booleans:
    """Tell which edges are the first of those between the same nodes that run the same way."""
    low, high = nodes.min(axis=1), nodes.max(axis=1)
    length_m = shapely.length(pieces)
    order = np.lexsort((np.arange(len(pieces)), high, low))
    is_first = np.ones(len(pieces), dtype=np.bool_)
    for apart in range(1, len(pieces)):
        one, other = order[:-apart], order[apart:]
        same = (low[one] == low[other]) & (high[one] == high[other])
        if not same.any():
            break
        same &= np.abs(length_m[one] - length_m[other]) <= 2.0 * tolerance_m + 0.01 * length_m[one]
        one, other = one[same], other[same]
        is_close = shapely.hausdorff_distance(pieces[one], pieces[other]) <= tolerance_m
        is_first[other[is_close & is_first[one]]] = False
    return is_first


def _assembled(pieces: Geometries, nodes: Integers, line: Integers, node_xy: Floats, *, snap_m: float, n_lines: int,
               n_ignored: int, n_merged: int) -> Network:
    """Leave out nodes without an edge and number the components by length."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    used, renumbered = np.unique(nodes, return_inverse=True)
    # Nodes keep their numbers where all are used, as they are after points were inserted.
    edge_nodes = renumbered.reshape(-1, 2).astype(np.int64)
    length_m = shapely.length(pieces)
    ends = tuple(edge_nodes.T.astype(np.int32))  # which every release of scipy.sparse.csgraph takes
    links = coo_array((np.ones(len(pieces), dtype=np.int8), ends), shape=(len(used), len(used)))
    count, label = connected_components(links, directed=False)
    of_component = np.bincount(label[edge_nodes[:, 0]], weights=length_m, minlength=count).astype(np.float64)
    order = np.argsort(-of_component, kind="stable")
    rank = np.empty(count, dtype=np.int64)
    rank[order] = np.arange(count)
    return Network(node_xy=node_xy[used], edge_nodes=edge_nodes, length_m=length_m, geometries=pieces, line=line,
                   component=rank[label], component_length_m=of_component[order], snap_m=snap_m, n_lines=n_lines,
                   n_ignored=n_ignored, n_merged=n_merged)


def _to_ends(network: Network, access: Access) -> _Ends:
    edge = np.where(access.is_reached, access.edge, 0)
    offset_m = np.where(access.is_reached, access.offset_m, 0.0)
    way_m = np.stack([offset_m, network.length_m[edge] - offset_m], axis=1).clip(min=0.0)
    way_m += access.snap_distance_m[:, None]
    return _Ends(network.edge_nodes[edge], np.where(access.is_reached[:, None], way_m, np.inf))


def _ways(network: Network, sources: Access, targets: Access, limit_m: float) -> Floats:
    """Shortest ways from sources to targets, shape (sources, targets)."""
    from scipy.sparse.csgraph import dijkstra

    start, end = _to_ends(network, sources), _to_ends(network, targets)
    graph, n_nodes = _graph(network, start), len(network.node_xy)
    found = np.empty((len(sources.edge), len(targets.edge)))
    step = max(1, _BLOCK_CELLS // max(graph.shape[0], len(targets.edge)))
    for first in range(0, len(found), step):
        rows = slice(first, min(first + step, len(found)))
        indices = np.arange(rows.start, rows.stop) + n_nodes
        # Finite, so that sources that do not reach the network are not followed.
        reach = dijkstra(graph, indices=indices, limit=min(limit_m, 1e300))
        way = np.minimum(reach[:, end.node[:, 0]] + end.cost_m[:, 0], reach[:, end.node[:, 1]] + end.cost_m[:, 1])
        straight = _along_one_edge(sources, targets, rows)
        found[rows] = np.minimum(way, straight)
    found[found > limit_m] = np.inf
    return found


def _along_one_edge(sources: Access, targets: Access, rows: slice) -> Floats:
    """Ways between places on one edge that do not leave it; infinite for the others."""
    same = (sources.edge[rows, None] == targets.edge) & sources.is_reached[rows, None]
    along = np.abs(sources.offset_m[rows, None] - targets.offset_m)
    return np.where(same, along + sources.snap_distance_m[rows, None] + targets.snap_distance_m, np.inf)


def _graph(network: Network, start: _Ends) -> Any:
    """Sparse matrix of the edges, both ways, and of ways from the sources, which come after the nodes."""
    from scipy.sparse import csr_array

    n_nodes, n_sources = len(network.node_xy), len(start.node)
    source = np.repeat(np.arange(n_sources) + n_nodes, 2)
    tail = np.concatenate([network.edge_nodes[:, 0], network.edge_nodes[:, 1], source])
    head = np.concatenate([network.edge_nodes[:, 1], network.edge_nodes[:, 0], start.node.ravel()])
    cost_m = np.concatenate([network.length_m, network.length_m, start.cost_m.ravel()])
    order = np.lexsort((cost_m, head, tail))
    tail, head, cost_m = tail[order], head[order], cost_m[order]
    shortest = np.ones(len(tail), dtype=np.bool_)  # of edges between the same nodes; a matrix would add them up
    shortest[1:] = (tail[1:] != tail[:-1]) | (head[1:] != head[:-1])
    size = n_nodes + n_sources
    start_of = np.searchsorted(tail[shortest], np.arange(size + 1))
    return csr_array((cost_m[shortest], head[shortest].astype(np.int32), start_of.astype(np.int32)), shape=(size, size))
