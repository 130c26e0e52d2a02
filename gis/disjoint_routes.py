"""Two routes that share nothing: from each site to two different points of presence.

The pair is the shortest of all pairs (Suurballe 1974, as a flow of two units by shortest
augmenting ways); where every pair must share a stretch, it is the pair that shares the least, and
of those the shortest. The ways of all sites to the nearest point of presence come from one run of
Dijkstra's algorithm from a sink behind all points of presence, through which each takes one route
at most; each site then needs one run more, two where routes must share.

References
----------
Suurballe, J. W. (1974), Disjoint paths in a network, Networks 4(2), 125-145.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from enum import IntEnum
from typing import Any, NamedTuple

import numpy as np
import shapely
from numpy.typing import ArrayLike, NDArray

from gis.errors import UsageError
from gis.network import Access, Network, insert_points

Geometries = NDArray[Any]
Floats = NDArray[np.float64]
Integers = NDArray[np.int64]

_SHARED_COST = 1e6
"""What a shared metre counts, in metres of detour: no city's detour outweighs one."""

_REACH_M = 1e15
_NO_EDGE = -1


class Diversity(IntEnum):
    """What was found for a site."""

    DISJOINT = 0
    """Two routes to two points of presence share nothing."""
    SHARED = 1
    """Two points of presence are reached, and every pair of routes shares a stretch (or a node)."""
    ONE_ONLY = 2
    """One point of presence only is reached."""
    UNREACHED = 3
    """No point of presence is reached."""


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class DisjointRoutes:
    """Pairs of routes of n sites; route A is the shorter one."""

    diversity: NDArray[np.int8]
    """Of :class:`Diversity`, shape (n,)."""
    point_of_presence: Integers
    """Where routes A and B end, shape (n, 2); -1 where there is none."""
    length_m: Floats
    """Of routes A and B without the ways to and from the network, shape (n, 2); NaN where there is none."""
    shared_length_m: Floats
    """Length that both routes run along, shape (n,); 0 where they are disjoint, NaN where there are no two."""
    n_shared_nodes: Integers
    """Nodes that both routes pass, counted where routes were to share none, shape (n,)."""
    routes: Geometries
    """Lines from the site, shape (n, 2); None where there is none, an empty line where it has no length."""
    shared: Geometries
    """The stretches that both routes run along (MultiLineString), shape (n,); None where there is none."""

    @property
    def is_disjoint(self) -> NDArray[np.bool_]:
        """Per site: two routes share nothing."""
        return np.asarray(self.diversity == Diversity.DISJOINT, dtype=np.bool_)


class _Flow(NamedTuple):
    """Arcs of the flow, sorted by tail and head; every arc has its reverse."""

    tail: Integers
    head: Integers
    cost: Floats
    """Infinite for an arc that is only there to take back what flows the other way."""
    edge: Integers
    """Edge of the network that the arc runs along, -1 for none."""
    is_node: NDArray[np.bool_]
    """The arc stands for passing a node, where routes must share none."""
    is_own: NDArray[np.bool_]
    """That node is one of the network's, not a place where a site or a point of presence comes to it."""
    reverse: Integers
    """Place of the reverse arc."""
    sink: int

    def arc(self, tail: int, head: int) -> int:
        """Return the place of an arc."""
        low, high = np.searchsorted(self.tail, [tail, tail + 1])
        return int(low + np.searchsorted(self.head[low:high], head))


class _Pair(NamedTuple):
    diversity: Diversity
    ways: tuple[list[int], ...] = ()
    """Arcs of each route."""
    shared: frozenset[int] = frozenset()
    """Arcs that both take."""


def disjoint_routes(network: Network, sites: Access, points_of_presence: Access, *, owners: ArrayLike | None = None,
                    is_node_disjoint: bool = False) -> DisjointRoutes:
    """Find two routes from each site to two different points of presence that share as little as possible.

    Parameters
    ----------
    network
        Fibre routes or ducts.
    sites, points_of_presence
        Where they come to the network, n and m of them. The ways to the network itself are not part of
        the routes: a site with one lateral needs a second one whatever is found here.
    owners
        An integer per point of presence, shape (m,): those of one owner (one building, one operator) count as
        one. Each is its own owner if None.
    is_node_disjoint
        Routes must not pass the same node either (a joint, a manhole); else they share no edge.

    Returns
    -------
    DisjointRoutes
        The pair of least shared length, and of those the shortest.

    Raises
    ------
    UsageError
        ``owners`` has another length than ``points_of_presence``.
    """
    owner = _owner_numbers(owners, len(points_of_presence.edge))
    both = Access(edge=np.concatenate([sites.edge, points_of_presence.edge]),
                  offset_m=np.concatenate([sites.offset_m, points_of_presence.offset_m]),
                  snap_distance_m=np.concatenate([sites.snap_distance_m, points_of_presence.snap_distance_m]))
    grown, node = insert_points(network, both)
    site_node, pop_node = np.split(node, [len(sites.edge)])
    flow, start, pop_of_arc = _flow(grown, len(network.node_xy), site_node, pop_node, owner, is_node_disjoint)
    pairs = _pairs(flow, start)
    return _described(grown, flow, pairs, pop_of_arc)


def length_within_m(routes: Geometries, others: Geometries, separation_m: float) -> Floats:
    """Measure how much of each route runs within ``separation_m`` of another.

    Two routes that share no edge may still lie in two ducts of one street. Near the site they always meet:
    compare with twice the separation.

    Returns
    -------
    numpy.ndarray
        Metres, shape (n,); NaN where either is missing.
    """
    near = shapely.intersection(routes, shapely.buffer(others, separation_m, quad_segs=64))
    return np.where(shapely.is_missing(near), np.nan, shapely.length(near))


def _owner_numbers(owners: ArrayLike | None, n: int) -> Integers:
    owner = np.arange(n, dtype=np.int64) if owners is None else np.asarray(owners)
    if owner.shape != (n,):
        raise UsageError(f"{owner.size} owners are given for {n} points of presence; give one integer per point",
                         f"{n} 个网络接入点给出了 {owner.size} 个归属；每个接入点应有一个整数归属")
    return np.unique(owner, return_inverse=True)[1].astype(np.int64)


def _flow(network: Network, n_own: int, site_node: Integers, pop_node: Integers, owner: Integers,
          is_node_disjoint: bool) -> tuple[_Flow, Integers, dict[int, int]]:
    """Lay out the flow: streets both ways, owners behind their points of presence, the sink behind the owners.

    Returns
    -------
    tuple
        The flow; where each site starts, -1 for one without the network; and the point of presence of each
        arc that leads to an owner.
    """
    n = len(network.node_xy)
    a, b, cost, edge, middle = _links(network)
    # A node is an entry and an exit where passing it counts, else both at once.
    entry, leave, top = (np.arange(n), np.arange(n) + n, 2 * n) if is_node_disjoint else (np.arange(n),) * 2 + (n,)
    spare = np.arange(top, top + middle)
    into, out = np.concatenate([entry, spare]), np.concatenate([leave, spare])
    pop = np.flatnonzero(pop_node >= 0)
    first_owner = top + middle
    sink = first_owner + int(owner.max(initial=-1)) + 1
    pairs = [(out[a], into[b], cost, edge), (out[b], into[a], cost, edge)]
    if is_node_disjoint:
        pairs.append((entry, leave, np.zeros(n), np.full(n, _NO_EDGE)))
    pairs.append((leave[pop_node[pop]], first_owner + owner[pop], np.zeros(len(pop)), np.full(len(pop), _NO_EDGE)))
    known = np.unique(owner[pop])
    pairs.append((first_owner + known, np.full(len(known), sink), np.zeros(len(known)), np.full(len(known), _NO_EDGE)))
    flow = _sorted_flow(*(np.concatenate([p[i] for p in pairs]) for i in range(4)), sink=sink,
                        n_entries=n if is_node_disjoint else 0, n_own=n_own)
    pop_of_arc = {flow.arc(int(leave[pop_node[p]]), int(first_owner + owner[p])): int(p) for p in pop[::-1]}
    return flow, np.where(site_node >= 0, leave[site_node], -1), pop_of_arc


def _links(network: Network) -> tuple[Integers, Integers, Floats, Integers, int]:
    """Return ends, cost and edge of the links, and how many nodes were added.

    A second edge between the same nodes is a way of its own: it gets a node in its middle.
    """
    edge = np.flatnonzero(network.edge_nodes[:, 0] != network.edge_nodes[:, 1])
    a, b = network.edge_nodes[edge].T
    key = np.minimum(a, b) * np.int64(len(network.node_xy)) + np.maximum(a, b)
    is_first = np.zeros(len(edge), dtype=np.bool_)
    is_first[np.unique(key, return_index=True)[1]] = True
    second = edge[~is_first]
    spare = len(network.node_xy) + np.arange(len(second))
    half = network.length_m[second] / 2.0
    return (np.concatenate([a[is_first], a[~is_first], spare]), np.concatenate([b[is_first], spare, b[~is_first]]),
            np.concatenate([network.length_m[edge[is_first]], half, half]),
            np.concatenate([edge[is_first], second, second]), len(second))


def _sorted_flow(tail: Integers, head: Integers, cost: Floats, edge: Integers, *, sink: int, n_entries: int,
                 n_own: int) -> _Flow:
    """Sort arcs, each once, and give every arc its reverse."""
    size = np.int64(sink + 1)
    n = len(tail)
    keys = np.concatenate([tail * size + head, head * size + tail])  # the given ones come first
    key, place = np.unique(keys, return_index=True)
    is_given = place < n
    tail, head = key // size, key % size
    source = np.where(is_given, place, 0)
    is_node = is_given & (tail < n_entries) & (head == tail + n_entries)
    return _Flow(tail=tail, head=head, cost=np.where(is_given, cost[source], np.inf),
                 edge=np.where(is_given, edge[source], edge[place % n]),
                 is_node=is_node, is_own=is_node & (tail < n_own),
                 reverse=np.searchsorted(key, head * size + tail), sink=sink)


def _pairs(flow: _Flow, start: Integers) -> list[_Pair]:
    """Find the pair of routes of each site."""
    from scipy.sparse import csr_array
    from scipy.sparse.csgraph import dijkstra

    size = flow.sink + 1
    row_start = np.searchsorted(flow.tail, np.arange(size + 1)).astype(np.int32)
    forward = csr_array((flow.cost, flow.head.astype(np.int32), row_start), shape=(size, size))
    to_sink, after = dijkstra(forward.T.tocsr(), indices=flow.sink, limit=_REACH_M, return_predecessors=True)
    # What a way costs more than the shortest one to the sink: never negative, so that Dijkstra's rule holds.
    reached = np.isfinite(flow.cost) & np.isfinite(to_sink[flow.head])
    extra = np.full(len(flow.cost), np.inf)
    extra[reached] = (flow.cost[reached] - to_sink[flow.tail[reached]] + to_sink[flow.head[reached]]).clip(min=0.0)
    graph = csr_array((extra, forward.indices, forward.indptr), shape=(size, size))
    found: dict[int, _Pair] = {-1: _Pair(Diversity.UNREACHED)}
    for node in np.unique(start):
        if node >= 0:
            reaches = np.isfinite(to_sink[node])
            found[int(node)] = _pair_of(flow, graph, int(node), after) if reaches else _Pair(Diversity.UNREACHED)
    return [found[int(node)] for node in start]


def _pair_of(flow: _Flow, graph: Any, start: int, after: Integers) -> _Pair:
    """Send a second unit of flow after the shortest way, where it may take the first one back."""
    first = _followed(flow, start, after)
    back = flow.reverse[first]
    kept = graph.data[first].copy(), graph.data[back].copy()
    graph.data[first], graph.data[back] = np.inf, 0.0
    diversity = Diversity.DISJOINT
    second = _second_way(flow, graph, start)
    if not second:
        diversity = Diversity.SHARED
        along, through = first[flow.edge[first] >= 0], first[flow.is_node[first]]
        graph.data[along] = _SHARED_COST * flow.cost[along]
        graph.data[through] = _SHARED_COST * flow.is_own[through]
        second = _second_way(flow, graph, start)
    graph.data[first], graph.data[back] = kept
    if not second:
        return _Pair(Diversity.ONE_ONLY, (first.tolist(),))
    return _Pair(diversity, *_untangled(flow, start, first.tolist(), second))


def _followed(flow: _Flow, start: int, after: Integers) -> Integers:
    arcs, node = [], start
    while node != flow.sink:
        arcs.append(flow.arc(node, int(after[node])))
        node = int(after[node])
    return np.array(arcs, dtype=np.int64)


def _second_way(flow: _Flow, graph: Any, start: int) -> list[int]:
    """Return the arcs of the cheapest way left to the sink; none where there is no way."""
    from scipy.sparse.csgraph import dijkstra

    reach, before = dijkstra(graph, indices=start, limit=_REACH_M, return_predecessors=True)
    if not np.isfinite(reach[flow.sink]):
        return []
    arcs, node = [], flow.sink
    while node != start:
        arcs.append(flow.arc(int(before[node]), node))
        node = int(before[node])
    return arcs[::-1]


def _untangled(flow: _Flow, start: int, first: list[int], second: list[int]) -> tuple[tuple[list[int], ...],
                                                                                    frozenset[int]]:
    """Part two units of flow into two routes: what flows both ways is taken back."""
    units = Counter([*first, *second])
    for arc in list(units):
        both = min(units[arc], units[int(flow.reverse[arc])])
        units[arc] -= both
        units[int(flow.reverse[arc])] -= both
    leaving: dict[int, list[int]] = {}
    for arc in sorted(units.elements(), reverse=True):
        leaving.setdefault(int(flow.tail[arc]), []).append(arc)
    shared = frozenset(arc for arc, n in units.items() if n > 1)
    ways = []
    for _ in range(2):
        node, way = start, []
        while node != flow.sink:
            way.append(leaving[node].pop())
            node = int(flow.head[way[-1]])
        ways.append(way)
    return tuple(ways), shared


def _described(network: Network, flow: _Flow, pairs: list[_Pair], pop_of_arc: dict[int, int]) -> DisjointRoutes:
    """Turn arcs into lengths and lines."""
    n = len(pairs)
    pop, length_m = np.full((n, 2), -1, dtype=np.int64), np.full((n, 2), np.nan)
    routes, shared = np.full((n, 2), None, dtype=object), np.full(n, None, dtype=object)
    shared_m, n_nodes = np.full(n, np.nan), np.zeros(n, dtype=np.int64)
    for i, pair in enumerate(pairs):
        ways = sorted(pair.ways, key=lambda way: (float(flow.cost[way].sum()), way))
        for j, way in enumerate(ways):
            pop[i, j] = next(pop_of_arc[arc] for arc in way if arc in pop_of_arc)
            length_m[i, j] = flow.cost[way].sum()
            routes[i, j] = _line_of(network, flow, way)
        if len(ways) == 2:
            edges = sorted({int(flow.edge[arc]) for arc in pair.shared if flow.edge[arc] >= 0})
            shared_m[i] = network.length_m[edges].sum()
            n_nodes[i] = sum(bool(flow.is_own[arc]) for arc in pair.shared)
            if edges:
                shared[i] = shapely.multilinestrings(network.geometries[edges])
    return DisjointRoutes(diversity=np.array([p.diversity for p in pairs], dtype=np.int8), point_of_presence=pop,
                          length_m=length_m, shared_length_m=shared_m, n_shared_nodes=n_nodes, routes=routes,
                          shared=shared)


def _line_of(network: Network, flow: _Flow, way: list[int]) -> shapely.LineString:
    """Join the edges of a route, each turned the way it is run."""
    xy: list[Floats] = []
    previous, node = _NO_EDGE, -1
    for arc in way:
        edge = int(flow.edge[arc])
        if edge in (_NO_EDGE, previous):  # an edge with a node in its middle is run by two arcs
            continue
        ends = network.edge_nodes[edge]
        # Entries and exits are numbered one after the other.
        node = int(flow.tail[arc]) % len(network.node_xy)
        along = shapely.get_coordinates(network.geometries[edge])
        xy.append(along if node == ends[0] else along[::-1])
        previous = edge
    return shapely.LineString(np.concatenate(xy)) if xy else shapely.LineString()
