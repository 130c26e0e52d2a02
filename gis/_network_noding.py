"""Cuts lines where they meet and joins their ends; called by :mod:`gis.network`.

Everything works on whole arrays: no loop goes over lines. A *position* is a distance along a line
from its first vertex, in metres.
"""

from __future__ import annotations

from typing import Any, Literal, NamedTuple

import numpy as np
import shapely
from numpy.typing import NDArray

Geometries = NDArray[Any]
Floats = NDArray[np.float64]
Integers = NDArray[np.int64]

Noding = Literal["ends", "vertices", "crossings"]
"""Where lines meet: where one ends at another; also at vertices in common; also wherever they cross."""

SAME_PLACE_M = 1e-6
"""Positions and vertices nearer than this are one: far below any survey, far above rounding."""

_LINE, _RING, _MULTILINE = 1, 2, 5


class Cuts(NamedTuple):
    """Places where lines are to be cut, each once, by line and position."""

    line: Integers
    """Shape (cuts,), ascending."""
    position_m: Floats
    """Shape (cuts,), ascending within a line; never at an end of it."""
    of_given: Integers
    """Per given place: its cut, -1 at the first and -2 at the last vertex of the line."""


def line_parts(lines: Geometries) -> tuple[Geometries, Integers]:
    """Return the plain lines of geometries and the row of each; what is no line, or has no length, is left out."""
    kind = shapely.get_type_id(lines)
    rows = np.flatnonzero(np.isin(kind, (_LINE, _RING, _MULTILINE)))
    parts, whose = shapely.get_parts(shapely.force_2d(lines[rows]), return_index=True)
    length_m = shapely.length(parts)
    is_good = np.isfinite(length_m) & (length_m > SAME_PLACE_M)
    parts = shapely.remove_repeated_points(parts[is_good])
    xy, index = shapely.get_coordinates(parts, return_index=True)
    return np.asarray(shapely.linestrings(xy, indices=index)) if len(xy) else parts, rows[whose[is_good]]


def distinct_cuts(length_m: Floats, line: Integers, position_m: Floats) -> Cuts:
    """Sort places along lines and join those that are the same.

    Parameters
    ----------
    length_m
        Length of each line, shape (n,).
    line, position_m
        Line and position of each place, shape (places,), in any order.
    """
    order = np.lexsort((position_m, line))
    sorted_line, at = line[order], position_m[order]
    which = np.where(at <= SAME_PLACE_M, -1, np.where(at >= length_m[sorted_line] - SAME_PLACE_M, -2, 0))
    inner = which == 0
    on, where = sorted_line[inner], at[inner]
    is_new = np.ones(len(on), dtype=np.bool_)
    is_new[1:] = (on[1:] != on[:-1]) | (where[1:] - where[:-1] > SAME_PLACE_M)
    which[inner] = np.cumsum(is_new) - 1
    of_given = np.empty(len(line), dtype=np.int64)
    of_given[order] = which
    return Cuts(on[is_new], where[is_new], of_given)


def cut_lines(lines: Geometries, cuts: Cuts) -> tuple[Geometries, Integers]:
    """Cut lines.

    Returns
    -------
    tuple
        The pieces, in the order and direction of their lines, and the line of each.
    """
    xy, of_vertex = shapely.get_coordinates(lines, return_index=True)
    if not len(xy):
        return lines, np.empty(0, dtype=np.int64)
    line = np.concatenate([of_vertex, cuts.line])
    position_m = np.concatenate([vertex_positions(xy, of_vertex), cuts.position_m])
    foot = shapely.get_coordinates(shapely.line_interpolate_point(lines[cuts.line], cuts.position_m))
    is_cut = np.repeat([False, True], [len(xy), len(foot)])
    order = np.lexsort((is_cut, position_m, line))
    line, position_m, is_cut, xy = line[order], position_m[order], is_cut[order], np.concatenate([xy, foot])[order]
    for shift in (1, -1):  # a cut at a vertex takes the vertex's own coordinates
        beside = np.roll(np.arange(len(line)), shift)
        at_vertex = is_cut & ~is_cut[beside] & (line[beside] == line) & (
            np.abs(position_m - position_m[beside]) <= SAME_PLACE_M)
        xy[at_vertex] = xy[beside[at_vertex]]
    twice = np.repeat(np.arange(len(line)), 1 + is_cut)
    begins = np.ones(len(twice), dtype=np.bool_)
    begins[1:] = (line[twice[1:]] != line[twice[:-1]]) | (twice[1:] == twice[:-1])
    pieces = shapely.linestrings(xy[twice], indices=np.cumsum(begins) - 1)
    return np.asarray(shapely.remove_repeated_points(pieces)), line[twice[begins]]


def vertex_positions(xy: Floats, of_line: Integers) -> Floats:
    """Return the position of each vertex along its line; vertices lie line after line."""
    step = np.zeros(len(xy))
    step[1:] = np.where(of_line[1:] == of_line[:-1], np.hypot(*(xy[1:] - xy[:-1]).T), 0.0)
    along = np.cumsum(step)
    first = np.flatnonzero(np.diff(of_line, prepend=-1))
    return np.asarray(along - np.repeat(along[first], np.diff(np.append(first, len(xy)))), dtype=np.float64)


def meetings(lines: Geometries, snap_m: float, noding: Noding) -> tuple[Integers, Floats]:
    """Find the places, line and position, where lines are to be cut because they meet."""
    found = [_ends_on_lines(lines, snap_m)]
    if noding == "vertices":
        found.append(_shared_vertices(lines))
    elif noding == "crossings":
        found.append(_crossings(lines))
    return np.concatenate([f[0] for f in found]), np.concatenate([f[1] for f in found])


def _ends_on_lines(lines: Geometries, snap_m: float) -> tuple[Integers, Floats]:
    """Places within ``snap_m`` of an end of another line, other than at ends, which are joined as nodes."""
    ends_xy = line_ends(lines)
    both_xy = ends_xy.reshape(-1, 2)
    place_xy = both_xy[np.unique(same_places(both_xy), return_index=True)[1]]
    places = np.asarray(shapely.points(place_xy))
    place, line = shapely.STRtree(lines).query(places, predicate="dwithin", distance=max(snap_m, SAME_PLACE_M))
    way = ends_xy[line] - place_xy[place, None]
    inner = (np.hypot(way[..., 0], way[..., 1]) > snap_m).all(axis=1)
    place, line = place[inner], line[inner]
    return line, shapely.line_locate_point(lines[line], places[place])


def line_ends(lines: Geometries) -> Floats:
    """Return the first and the last vertex of each line, shape (n, 2, 2)."""
    xy, index = shapely.get_coordinates(lines, return_index=True)
    first, last = np.flatnonzero(np.diff(index, prepend=-1)), np.flatnonzero(np.diff(index, append=-1))
    return np.asarray(np.stack([xy[first], xy[last]], axis=1), dtype=np.float64)


def _shared_vertices(lines: Geometries) -> tuple[Integers, Floats]:
    """Vertices that occur more than once, in one line or several."""
    xy, line = shapely.get_coordinates(lines, return_index=True)
    of_place = same_places(np.round(xy / SAME_PLACE_M))
    is_shared = np.bincount(of_place)[of_place] > 1
    return line[is_shared], vertex_positions(xy, line)[is_shared]


def _crossings(lines: Geometries) -> tuple[Integers, Floats]:
    """Points where two lines cross or touch, and the ends of stretches that they share."""
    left, right = shapely.STRtree(lines).query(lines, predicate="intersects")
    pair = left < right
    left, right = left[pair], right[pair]
    pieces, whose = shapely.get_parts(shapely.intersection(lines[left], lines[right]), return_index=True)
    is_line = shapely.get_type_id(pieces) == _LINE
    bundles = _bundled(pieces[is_line], whose[is_line]) if is_line.any() else pieces[:0]
    stretches = shapely.line_merge(bundles)
    stretch, of_stretch = shapely.get_parts(stretches, return_index=True)
    of_pair = np.unique(whose[is_line])[of_stretch]
    points = np.concatenate([pieces[~is_line], shapely.get_point(stretch, 0), shapely.get_point(stretch, -1)])
    pairs = np.concatenate([whose[~is_line], of_pair, of_pair])
    line = np.concatenate([left[pairs], right[pairs]])
    return line, shapely.line_locate_point(lines[line], np.concatenate([points, points]))


def _bundled(pieces: Geometries, group: Integers) -> Geometries:
    """Join the lines of each group, in ascending order, into one geometry."""
    return np.asarray(shapely.multilinestrings(pieces, indices=np.unique(group, return_inverse=True)[1]))


def same_places(xy: Floats) -> Integers:
    """Give equal points one number; numbers follow the first occurrence."""
    order = np.lexsort((xy[:, 1], xy[:, 0]))
    is_new = np.ones(len(xy), dtype=np.bool_)
    is_new[1:] = (xy[order[1:]] != xy[order[:-1]]).any(axis=1)
    label = np.empty(len(xy), dtype=np.int64)
    label[order] = np.cumsum(is_new) - 1
    return _by_first(label)


def _by_first(label: Integers) -> Integers:
    _, first, inverse = np.unique(label, return_index=True, return_inverse=True)
    rank = np.empty(len(first), dtype=np.int64)
    rank[np.argsort(first)] = np.arange(len(first))
    return np.asarray(rank[inverse], dtype=np.int64)


def join_ends(xy: Floats, snap_m: float) -> tuple[Integers, Floats]:
    """Join points that lie within ``snap_m`` of each other, also by way of others.

    Returns
    -------
    tuple
        Node of each point, numbered by first occurrence; and the place of each node, that of its first point.
    """
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components
    from scipy.spatial import cKDTree

    place = same_places(xy)
    first = np.unique(place, return_index=True)[1]
    near = cKDTree(xy[first]).query_pairs(snap_m, output_type="ndarray").astype(np.int32)
    links = coo_array((np.ones(len(near), dtype=np.int8), (near[:, 0], near[:, 1])), shape=(len(first), len(first)))
    node = _by_first(connected_components(links, directed=False)[1][place])
    return node, xy[np.unique(node, return_index=True)[1]]
