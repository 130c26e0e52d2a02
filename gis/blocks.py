"""From street lines to the blocks of land between them.

The method is that of Liu and Long (2016): dead ends are taken off the street network, what the
streets enclose is taken for land, and the streets' own space is taken from it by the width of their
class. Streets that leave the area close blocks with its boundary.

References
----------
Liu, X. and Long, Y. (2016), Automated identification and characterization of parcels with
OpenStreetMap and points of interest, Environment and Planning B 43(2), 341-360.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import geopandas as gpd
import numpy as np
import shapely
from numpy.typing import NDArray
from shapely import Geometry, STRtree

from gis.errors import UsageError
from gis.vector import Floats, Geometries, grid_cells, subtract

Ints = NDArray[np.int64]

SNAP_M = 0.001
"""Vertices nearer than this are one; below what any map of streets is worth."""

_ON_LINE_M = 5 * SNAP_M
_SHORTEST_EDGE_M = 0.1
_ARC_SEGMENTS = 16
_FEW_STREETS = 16
_HILBERT_LEVEL = 16


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Blocks:
    """Land blocks, and what became of the rest: areas of blocks, streets and dropped pieces make the area."""

    geometries: Geometries
    """Polygons, shape (n,), along a Hilbert curve over the area; they do not overlap."""

    dropped: Geometries
    """Pieces that are too small or too narrow and have no neighbour to join."""

    street_area_m2: float
    """Ground of the streets inside the area."""

    n_lines: int
    """Lines of a class with a setback that meet the area."""

    n_lines_ignored: int
    """Lines of other classes, and lines elsewhere."""

    n_dead_ends: int
    """Pieces of street taken off because they end nowhere."""

    n_merged: int
    """Slivers joined to a neighbour."""

    n_too_small: int
    """Dropped pieces below the smallest area."""

    n_too_narrow: int
    """Dropped pieces that are large enough and too narrow."""


def street_blocks(lines: Geometries, road_classes: NDArray[np.object_], area: Geometry, *,
                  setback_m: Mapping[str, float], min_area_m2: float, min_width_m: float,
                  dead_end_m: float) -> Blocks:
    """Cut ``area`` into the blocks between streets.

    Parameters
    ----------
    lines
        Street lines in the metric CRS, shape (n,); they need not be split at crossings.
    road_classes
        Class of each line, shape (n,).
    area
        Polygon or multipolygon that is cut.
    setback_m
        Per class, the distance from the line to the block: half of the street's space. A line whose
        class is not here is no street. With 0 a street parts blocks and takes no ground.
    min_area_m2
        Smaller pieces are slivers.
    min_width_m
        Pieces into which no disc of this diameter fits are slivers.
    dead_end_m
        Streets that end nowhere and are shorter than this are no streets; longer ones keep their
        space and part nothing.

    Returns
    -------
    Blocks
        Blocks and the account.

    Raises
    ------
    UsageError
        A distance or an area is negative, or the area is empty.
    """
    _check(area, setback_m, min_area_m2=min_area_m2, min_width_m=min_width_m, dead_end_m=dead_end_m)
    streets, setbacks = _near_streets(lines, road_classes, area, setback_m)
    edges, reach_m = _network(streets, setbacks, area)
    kept = _without_dead_ends(edges, reach_m, area, dead_end_m)
    faces = _faces(edges[kept], area)
    land = _parts(_less_streets(faces, _street_space(edges[kept], reach_m[kept])))
    merged, n_merged = merge_slivers(land, min_area_m2=min_area_m2, min_width_m=min_width_m)
    small, narrow = slivers(merged, min_area_m2=min_area_m2, min_width_m=min_width_m)
    good = merged[~(small | narrow)]
    return Blocks(
        geometries=good[hilbert_order(good, area)], dropped=merged[small | narrow],
        street_area_m2=max(0.0, float(shapely.area(area) - shapely.area(land).sum())), n_lines=len(streets),
        n_lines_ignored=len(lines) - len(streets), n_dead_ends=int((~kept).sum()), n_merged=n_merged,
        n_too_small=int(small.sum()), n_too_narrow=int((narrow & ~small).sum()),
    )


def slivers(polygons: Geometries, *, min_area_m2: float,
            min_width_m: float) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Tell which polygons are too small, and which are too narrow.

    Parameters
    ----------
    polygons
        Shape (n,).
    min_area_m2
        Smallest area.
    min_width_m
        Diameter of the disc that has to fit in.

    Returns
    -------
    tuple of ndarray of bool
        Each of shape (n,).
    """
    small = shapely.area(polygons) < min_area_m2
    narrow = np.zeros(len(polygons), dtype=np.bool_)
    if min_width_m > 0.0:
        # A hair less than half, so that a strip of exactly the width counts as wide enough.
        narrow = shapely.is_empty(shapely.buffer(polygons, -min_width_m / 2.0 + SNAP_M, quad_segs=4))
    return np.asarray(small, dtype=np.bool_), np.asarray(narrow, dtype=np.bool_)


def hilbert_order(polygons: Geometries, area: Geometry) -> Ints:
    """Return the order of polygons along a Hilbert curve over ``area``, int64, shape (n,).

    The curve depends on the bounds of the area alone; among equals the south-western one comes first.
    """
    if not len(polygons):
        return np.empty(0, dtype=np.int64)
    centres = shapely.get_coordinates(shapely.centroid(polygons))
    along = gpd.GeoSeries(polygons).hilbert_distance(total_bounds=shapely.bounds(area), level=_HILBERT_LEVEL)
    return np.lexsort((centres[:, 0], centres[:, 1], along.to_numpy())).astype(np.int64)


def merge_slivers(polygons: Geometries, *, min_area_m2: float, min_width_m: float) -> tuple[Geometries, int]:
    """Join each sliver to the neighbour with which it shares the longest edge.

    Only pieces that touch along an edge are neighbours: a sliver between two streets has none and
    stays, because joining it would build over a street.

    Parameters
    ----------
    polygons
        Polygons that do not overlap, shape (n,).
    min_area_m2, min_width_m
        As for :func:`slivers`.

    Returns
    -------
    polygons : numpy.ndarray
        The others, some of them larger.
    n_merged : int
        How many were joined.
    """
    left, n_merged = polygons.copy(), 0
    while len(left) > 1:
        small, narrow = slivers(left, min_area_m2=min_area_m2, min_width_m=min_width_m)
        into = _longest_neighbours(left, np.flatnonzero(small | narrow))
        if not (into >= 0).any():
            break
        # A chain of slivers joins from its end: a sliver that receives another waits for the next round.
        givers = np.flatnonzero(into >= 0)
        order = givers[np.lexsort((givers, shapely.area(left[givers])))]
        target = np.arange(len(left))
        receives = np.zeros(len(left), dtype=np.bool_)
        gone = np.zeros(len(left), dtype=np.bool_)
        for giver in order:
            if not receives[giver] and not gone[into[giver]]:
                target[giver], gone[giver], receives[into[giver]] = into[giver], True, True
        n_merged += int(gone.sum())
        for row in np.flatnonzero(receives):
            # Edges that agree to rounding only are joined on a grid, or a slit would stay between them.
            left[row] = shapely.union_all(left[target == row], grid_size=SNAP_M)
        left = left[~gone]
    return left, n_merged


def split_large(polygons: Geometries, max_area_m2: float) -> Geometries:
    """Cut polygons above an area along a metric grid, so that the open country does not count as one plot.

    Parameters
    ----------
    polygons
        Shape (n,).
    max_area_m2
        Larger ones are cut into cells of this area, whose corners are multiples of their side; pieces
        below a quarter of a cell join the neighbour with the longest shared edge.

    Returns
    -------
    numpy.ndarray
        The pieces, those of one polygon together; a polygon may end a little above the limit.
    """
    side_m = float(np.sqrt(max_area_m2))
    pieces: list[Geometries] = []
    for polygon in polygons:
        if shapely.area(polygon) <= max_area_m2:
            pieces.append(np.array([polygon], dtype=object))
            continue
        cells, _ = grid_cells(polygon, side_m)
        parts = _parts(shapely.intersection(cells, polygon))
        pieces.append(merge_slivers(parts, min_area_m2=max_area_m2 / 4.0, min_width_m=0.0)[0])
    return np.concatenate(pieces) if pieces else polygons


def _check(area: Geometry, setback_m: Mapping[str, float], **limits: float) -> None:
    named = {**limits, **{f"setback_m.{name}": value for name, value in setback_m.items()}}
    bad = [f"{name} = {value:g}" for name, value in named.items() if not (np.isfinite(value) and value >= 0.0)]
    if bad:
        raise UsageError(f"street blocks: {', '.join(bad)}; give 0 or more",
                         f"道路街块：{'、'.join(bad)}；应不小于 0")
    if shapely.is_empty(area) or shapely.get_dimensions(area) != 2:
        raise UsageError("street blocks need an area to cut; the study area is empty",
                         "道路街块需要研究范围；研究范围为空")


def _near_streets(lines: Geometries, road_classes: NDArray[np.object_], area: Geometry,
                  setback_m: Mapping[str, float]) -> tuple[Geometries, Floats]:
    """Return the streets within reach of the area, cut to it, and the setback of each."""
    setbacks = np.array([setback_m.get(str(name), np.nan) for name in road_classes], dtype=np.float64)
    given = np.asarray(lines, dtype=object)
    reach_m = max(setback_m.values(), default=0.0) + 1.0
    around = shapely.box(*shapely.bounds(area)) if not len(given) else shapely.buffer(area, reach_m, quad_segs=4)
    shapely.prepare(around)
    is_street = ~np.isnan(setbacks) & ~shapely.is_missing(given)
    is_street[is_street] = shapely.intersects(around, given[is_street])
    streets, setbacks = given[is_street].copy(), setbacks[is_street]
    leaves = ~np.asarray(shapely.covers(around, streets), dtype=np.bool_)
    streets[leaves] = shapely.intersection(streets[leaves], around)
    return streets, setbacks


def _network(streets: Geometries, setbacks: Floats, area: Geometry) -> tuple[Geometries, Floats]:
    """Split streets and the boundary of the area where they meet.

    Returns the edges, and the setback of the widest street on each; -1 for edges of the boundary alone.
    """
    border = np.array([shapely.boundary(area)], dtype=object)
    union = shapely.union_all(np.concatenate([streets, border]), grid_size=SNAP_M)
    edges = shapely.get_parts(union)
    edges = edges[shapely.get_dimensions(edges) == 1]
    middles = shapely.line_interpolate_point(edges, 0.5, normalized=True)
    reach_m = np.full(len(edges), -1.0)
    edge, street = STRtree(streets).query(middles, predicate="dwithin", distance=_ON_LINE_M)
    np.maximum.at(reach_m, edge, setbacks[street])
    return edges, reach_m


def _without_dead_ends(edges: Geometries, reach_m: Floats, area: Geometry, dead_end_m: float) -> NDArray[np.bool_]:
    """Tell which edges stay once short streets that end nowhere are taken off, again and again."""
    nodes = _end_nodes(edges)
    length_m = shapely.length(edges)
    shapely.prepare(area)
    # Outside the area nothing is known of how a street goes on.
    is_inside = (reach_m >= 0.0) & np.asarray(
        shapely.intersects(area, shapely.line_interpolate_point(edges, 0.5, normalized=True)), dtype=np.bool_)
    alive = np.ones(len(edges), dtype=np.bool_)
    n_nodes = int(nodes.max()) + 1 if len(nodes) else 0
    while True:
        degree = np.bincount(nodes[alive].ravel(), minlength=n_nodes)
        short = _short_chains(nodes, length_m, alive, degree, is_inside, dead_end_m)
        if not short:
            return alive
        alive[short] = False


def _end_nodes(edges: Geometries) -> Ints:
    """Give the ends of edges numbers: int64, shape (n, 2); edges that meet share one."""
    ends = np.concatenate([shapely.get_coordinates(shapely.get_point(edges, place)) for place in (0, -1)])
    _, number = np.unique(np.round(ends / SNAP_M).astype(np.int64), axis=0, return_inverse=True)
    return np.asarray(number.reshape(2, -1).T, dtype=np.int64)


def _short_chains(nodes: Ints, length_m: Floats, alive: NDArray[np.bool_], degree: Ints,
                  is_inside: NDArray[np.bool_], dead_end_m: float) -> list[int]:
    """Walk from each loose end to the next junction; return the edges of the walks shorter than the limit."""
    at_node: dict[int, list[int]] = {}
    for edge in np.flatnonzero(alive):
        for node in nodes[edge]:
            if degree[node] <= 2:
                at_node.setdefault(int(node), []).append(int(edge))
    found: list[int] = []
    for start in np.flatnonzero(degree == 1):
        chain: list[int] = []
        node, total_m = int(start), 0.0
        while degree[node] <= 2:
            onward = [edge for edge in at_node[node] if edge not in chain[-1:]]
            if not onward or not is_inside[onward[0]]:
                break
            chain.append(onward[0])
            total_m += float(length_m[onward[0]])
            if total_m >= dead_end_m:
                break
            first, second = nodes[onward[0]]
            node = int(second if first == node else first)
        if total_m < dead_end_m:
            found += chain
    return found


def _faces(edges: Geometries, area: Geometry) -> Geometries:
    """Return what the edges enclose of the area."""
    faces = shapely.get_parts(shapely.polygonize(edges))
    shapely.prepare(area)
    faces = faces[shapely.intersects(area, shapely.point_on_surface(faces))]
    # Snapping moves the boundary by a hair; blocks must not stand out.
    loose = ~np.asarray(shapely.covers(area, faces), dtype=np.bool_)
    faces[loose] = shapely.intersection(faces[loose], area)
    return faces


def _street_space(edges: Geometries, reach_m: Floats) -> Geometries:
    """Return the ground of the streets; pieces of one width are joined first, so that blocks have fewer corners."""
    spaces = [np.empty(0, dtype=object)]
    for width_m in np.unique(reach_m[reach_m > 0.0]):
        joined = shapely.get_parts(shapely.line_merge(shapely.multilinestrings(edges[reach_m == width_m])))
        spaces.append(shapely.buffer(joined, width_m, quad_segs=_ARC_SEGMENTS))
    return np.concatenate(spaces)


def _less_streets(faces: Geometries, spaces: Geometries) -> Geometries:
    """Return the faces without the ground of the streets.

    A face between a few streets loses them one by one, which is faster than joining them first; for
    one among many streets it is the other way round.
    """
    left = faces.copy()
    face, space = STRtree(spaces).query(faces, predicate="intersects")
    order = np.lexsort((space, face))
    face, space = face[order], space[order]
    _, first, count = np.unique(face, return_index=True, return_counts=True)
    turn = np.arange(len(face)) - np.repeat(first, count)
    is_few = np.repeat(count <= _FEW_STREETS, count)
    for number in range(_FEW_STREETS):
        now = is_few & (turn == number)
        left[face[now]] = shapely.difference(left[face[now]], spaces[space[now]])
    busy = np.unique(face[~is_few])
    left[busy] = subtract(faces[busy], spaces)
    return left


def _parts(geometries: Geometries) -> Geometries:
    """Return the polygons among the parts of geometries."""
    parts = shapely.get_parts(geometries)
    parts = parts[(shapely.get_dimensions(parts) == 2) & ~shapely.is_empty(parts)]
    return np.asarray(shapely.get_parts(parts), dtype=object)


def _longest_neighbours(polygons: Geometries, rows: Ints) -> Ints:
    """Return, for each polygon, the one it shares the longest edge with; -1 for those not in ``rows`` or alone."""
    into = np.full(len(polygons), -1, dtype=np.int64)
    which, other = STRtree(polygons).query(polygons[rows], predicate="dwithin", distance=SNAP_M)
    own = rows[which]
    which, other = own[own != other], other[own != other]
    # Differences leave edges that agree to rounding only, so edges are compared with some room.
    shared_m = shapely.length(shapely.intersection(
        shapely.boundary(polygons[which]), shapely.buffer(polygons[other], SNAP_M, quad_segs=1)))
    is_edge = shared_m > _SHORTEST_EDGE_M
    which, other, shared_m = which[is_edge], other[is_edge], shared_m[is_edge]
    order = np.lexsort((other, -shared_m, which))
    first = np.unique(which[order], return_index=True)[1]
    into[which[order][first]] = other[order][first]
    return into
