"""Which of a few areas holds most of each of many polygons.

Most polygons lie far from every outline: for these it is enough that no edge of an area comes
into their box and that one vertex lies inside the area (:func:`gis._proximity_kernels.meeting`),
about a microsecond each, however many vertices the outlines have. Only those on a boundary are cut
exactly, by GEOS, against outlines that were quartered beforehand until they are short.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import shapely
from numpy.typing import NDArray

from gis import box_tree, proximity, ragged

Geometries = NDArray[Any]
Integers = NDArray[np.int64]

_SHORT_OUTLINE = 128
_QUARTERINGS = 12
_SHARE_DECIMALS = 9


class _Pieces(NamedTuple):
    """Areas cut into pieces of short outline."""

    geometry: Geometries
    area: Integers
    """Row of the area that a piece belongs to."""
    tree: shapely.STRtree


class Areas(NamedTuple):
    """Areas laid out for any number of questions."""

    geometry: Geometries
    runs: ragged.Runs
    edges: box_tree.BoxTree
    polygons: box_tree.BoxTree
    polygon_part: Integers
    pieces: _Pieces


def lay_out_areas(areas: Geometries) -> Areas:
    """Take areas apart and put their edges into trees, once for several questions.

    Parameters
    ----------
    areas
        Valid polygons, shape (m,), that do not overlap one another.
    """
    among = np.asarray(areas, dtype=object).reshape(-1)
    runs = ragged.cut_into_runs(ragged.flatten(among))
    polygon_part = np.flatnonzero(runs.part_is_polygon)
    return Areas(among, runs, box_tree.build_tree(runs.run_box), box_tree.build_tree(runs.part_box[polygon_part]),
                 polygon_part, _quartered(among))


def largest_overlap(geometries: proximity.Asked, areas: Geometries | Areas) -> Integers:
    """Find, for each polygon, the area that covers most of it.

    Parameters
    ----------
    geometries
        Valid polygons, shape (n,), or the same laid out (:func:`gis.proximity.lay_out`).
    areas
        Valid polygons, shape (m,), that do not overlap one another, or the same laid out.

    Returns
    -------
    numpy.ndarray
        Row of ``areas`` for each polygon, int64, shape (n,): the lowest one among equals (to a
        billionth of the polygon); -1 where none meets it.
    """
    among = areas if isinstance(areas, Areas) else lay_out_areas(areas)
    return largest_overlaps(geometries, (among,))[0]


def largest_overlaps(geometries: proximity.Asked, several: Sequence[Areas]) -> tuple[Integers, ...]:
    """Find the same in several sets of areas; the polygons are taken apart once.

    Parameters
    ----------
    geometries
        As for :func:`largest_overlap`.
    several
        Sets of areas, each laid out.

    Returns
    -------
    tuple of numpy.ndarray
        What :func:`largest_overlap` returns, for each set.
    """
    given = (geometries if isinstance(geometries, proximity.LaidOut)
             else np.asarray(geometries, dtype=object).reshape(-1))
    shapes = given.geometries if isinstance(given, proximity.LaidOut) else given
    found = tuple(np.full(len(given), -1, dtype=np.int64) for _ in several)

    def work(rows: slice, asked: ragged.Runs) -> None:
        for rows_found, among in zip(found, several, strict=True):
            rows_found[rows] = _overlaps(shapes[rows], asked, among)

    proximity.for_runs(work, given)
    return found


def _overlaps(geometries: Geometries, asked: ragged.Runs, among: Areas) -> Integers:
    """Return the row of the area that covers most of each geometry, which is also given in runs."""
    from gis._proximity_kernels import meeting

    n_areas = len(among.geometry)
    is_clear = np.zeros(len(asked.geometry_part) - 1, dtype=np.bool_)
    begins, area = meeting(asked, among.runs, among.edges, among.polygons, among.polygon_part, is_clear)
    row = np.repeat(np.arange(len(is_clear)), np.diff(begins))
    is_clear &= np.diff(asked.geometry_part) == 1
    is_held = is_clear[row]
    # A parcel in the clear lies wholly in what was found; of areas that overlap, the lowest.
    lowest = np.full(len(is_clear), n_areas, dtype=np.int64)
    np.minimum.at(lowest, row[is_held], area[is_held])
    picked = _cut(geometries, among.geometry, among.pieces, np.unique(row[~is_held] * n_areas + area[~is_held]))
    return np.where(lowest < n_areas, lowest, picked)


def _cut(geometries: Geometries, areas: Geometries, pieces: _Pieces, pairs: Integers) -> Integers:
    """Pick the area of each geometry among those that may meet it (``row * len(areas) + area``, sorted)."""
    row, area = np.divmod(pairs, max(len(areas), 1))
    share = _shares(geometries, pieces, pairs, len(areas))
    # Whoever shares no ground may still be touched.
    meets, bare = np.ones(len(row), dtype=np.bool_), share <= 0.0
    meets[bare] = shapely.intersects(geometries[row[bare]], areas[area[bare]])
    row, area, share = row[meets], area[meets], share[meets]
    order = np.lexsort((area, -share, row))
    rows, first = np.unique(row[order], return_index=True)
    picked = np.full(len(geometries), -1, dtype=np.int64)
    picked[rows] = area[order][first]
    return picked


def _shares(geometries: Geometries, pieces: _Pieces, pairs: Integers, n_areas: int) -> NDArray[np.float64]:
    """Return the share of the geometry that the area of each pair covers."""
    if not len(pairs):
        return np.empty(0)
    rows = np.unique(pairs // n_areas)
    near, piece = pieces.tree.query(geometries[rows])
    key = rows[near] * n_areas + pieces.area[piece]
    place = np.minimum(np.searchsorted(pairs, key), len(pairs) - 1)
    is_pair = pairs[place] == key
    near, piece, place = near[is_pair], piece[is_pair], place[is_pair]
    shared_m2 = shapely.area(shapely.intersection(geometries[rows[near]], pieces.geometry[piece]))
    covered_m2 = np.bincount(place, weights=shared_m2, minlength=len(pairs))
    whole_m2 = shapely.area(geometries[pairs // n_areas])
    shares = np.divide(covered_m2, whole_m2, out=np.zeros(len(pairs)), where=whole_m2 > 0.0)
    return np.asarray(shares.round(_SHARE_DECIMALS))


def _quartered(areas: Geometries) -> _Pieces:
    """Cut areas of long outline into quarters of their boxes, again and again."""
    row = np.flatnonzero(~(shapely.is_missing(areas) | shapely.is_empty(areas)))
    piece = areas[row]
    for _ in range(_QUARTERINGS):
        is_long = shapely.get_num_coordinates(piece) > _SHORT_OUTLINE
        if not is_long.any():
            break
        low_x, low_y, high_x, high_y = shapely.bounds(piece[is_long]).T
        x, y = 0.5 * (low_x + high_x), 0.5 * (low_y + high_y)
        boxes = np.concatenate([shapely.box(low_x, low_y, x, y), shapely.box(x, low_y, high_x, y),
                                shapely.box(low_x, y, x, high_y), shapely.box(x, y, high_x, high_y)])
        quarters = shapely.intersection(np.tile(piece[is_long], 4), boxes)
        has_ground = shapely.area(quarters) > 0.0
        piece = np.concatenate([piece[~is_long], quarters[has_ground]])
        row = np.concatenate([row[~is_long], np.tile(row[is_long], 4)[has_ground]])
    return _Pieces(piece, row, shapely.STRtree(piece))
