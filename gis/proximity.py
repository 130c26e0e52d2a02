"""Exact distances between two sets of geometries, measured from edge to edge.

A distance is 0 where two geometries touch or one holds the other. All functions take arrays of
shapely geometries in the metric CRS of the run and answer for each geometry on its own: the
answer never depends on which other geometries are asked about, so that partitions agree. A
missing or empty geometry is near to nothing. Memory stays bounded whatever the number of
geometries: the work is cut into chunks by the number of pairs that the last chunk met.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import shapely
from numpy.typing import ArrayLike, NDArray
from shapely import STRtree

from gis.errors import UsageError

Geometries = NDArray[Any]
Floats = NDArray[np.float64]
Integers = NDArray[np.int64]

_CHUNK = 65_536
_FIRST_CHUNK = 1_024
_PAIRS_PER_CHUNK = 2_000_000


@dataclass(frozen=True, slots=True, eq=False)
class Nearest:
    """The nearest target of each of n geometries."""

    distance_m: Floats
    """Distance, shape (n,); NaN where there is none."""

    index: Integers
    """Position of the target, shape (n,); -1 where there is none."""


@dataclass(frozen=True, slots=True, eq=False)
class KNearest:
    """The k nearest targets of each of n geometries, each of another owner, nearest first."""

    distance_m: Floats
    """Distances, shape (n, k); NaN where there are fewer."""

    index: Integers
    """Positions of the targets, shape (n, k); -1 where there are fewer."""


@dataclass(frozen=True, slots=True, eq=False)
class _Pairs:
    """Geometries and targets that are near each other, by geometry and then by target."""

    geometry: Integers
    target: Integers
    distance_m: Floats


def nearest(geometries: Geometries, targets: Geometries, *, max_distance_m: float | None = None) -> Nearest:
    """Find the nearest target of each geometry.

    Parameters
    ----------
    geometries, targets
        Shapely geometries of any type, shapes (n,) and (m,), in metres.
    max_distance_m
        Look no further than this (inclusive; 0 asks which target is touched).

    Returns
    -------
    Nearest
        Of targets at the same distance, the one that comes first.

    Raises
    ------
    UsageError
        ``max_distance_m`` is negative or NaN.
    """
    asked, tree = _as_array(geometries), STRtree(_as_array(targets))
    if max_distance_m is not None:
        _check_radius(max_distance_m)
    distance_m, index = np.full(len(asked), np.nan), np.full(len(asked), -1, dtype=np.int64)
    for start in range(0, len(asked), _CHUNK):
        chunk = asked[start:start + _CHUNK]
        rows, found, away_m = _nearest_pairs(chunk, tree, max_distance_m)
        # Written from the last target to the first, so that the first of a tie stays.
        order = np.argsort(-found, kind="stable")
        distance_m[start + rows[order]] = away_m[order]
        index[start + rows[order]] = found[order]
    return Nearest(distance_m, index)


def k_nearest(geometries: Geometries, targets: Geometries, k: int, *, owners: ArrayLike | None = None) -> KNearest:
    """Find the ``k`` nearest distinct owners of each geometry.

    Parameters
    ----------
    geometries, targets
        Shapely geometries of any type, shapes (n,) and (m,), in metres.
    k
        How many owners, at least 1.
    owners
        An integer per target, shape (m,): targets of one owner count once, by their nearest. Each
        target is its own owner if None.

    Returns
    -------
    KNearest
        Sorted by distance and then by position of the target.

    Raises
    ------
    UsageError
        ``k`` is below 1, or ``owners`` has another length than ``targets``.
    """
    if k < 1:
        raise UsageError(f"k is {k}; ask for at least one target", f"k 为 {k}；至少应查询一个目标")
    asked, sought = _as_array(geometries), _as_array(targets)
    is_real = _is_real(sought)
    owner = _owners(owners, len(sought))
    n_owners = len(np.unique(owner[is_real]))
    distance_m = np.full((len(asked), k), np.nan)
    index = np.full((len(asked), k), -1, dtype=np.int64)
    open_rows = np.flatnonzero(_is_real(asked)) if n_owners else np.empty(0, dtype=np.int64)
    radius_m, reach_m = _first_radius(sought[is_real], min(k, n_owners)), _reach(asked, sought)
    tree = STRtree(sought)
    while len(open_rows):
        is_last = radius_m >= reach_m
        still_open = []
        for rows, pairs in _near(asked, open_rows, tree, reach_m if is_last else radius_m):
            ranked = _ranked(pairs, owner, k)
            distance_m[rows], index[rows] = ranked.distance_m[rows - rows[0]], ranked.index[rows - rows[0]]
            still_open.append(rows)
        open_rows = np.concatenate(still_open)
        if is_last:
            break
        open_rows = open_rows[index[open_rows, min(k, n_owners) - 1] < 0]
        radius_m *= 2.0
    return KNearest(distance_m, index)
