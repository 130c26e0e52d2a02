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

_CHUNK = 16_384
_FIRST_CHUNK = 16
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
    is_sought = _is_real(sought)
    owner = _owners(owners, len(sought))
    n_wanted = min(k, len(np.unique(owner[is_sought])))
    distance_m = np.full((len(asked), k), np.nan)
    index = np.full((len(asked), k), -1, dtype=np.int64)
    is_asked = _is_real(asked)
    rows = np.flatnonzero(is_asked) if n_wanted else np.empty(0, dtype=np.int64)
    tree, reach_m = STRtree(sought), _reach(asked[is_asked], sought[is_sought])
    radius_m = _first_radius(sought[is_sought], n_wanted)
    # Within a radius that holds k owners nothing nearer can be missing; the others ask again, wider.
    while len(rows):
        is_last = radius_m >= reach_m
        for chunk, pairs in _pairs_within(asked, rows, tree, min(radius_m, reach_m)):
            distance_m[chunk], index[chunk] = _first_owners(pairs, owner, k, len(chunk))
        rows = rows[index[rows, n_wanted - 1] < 0] if not is_last else rows[:0]
        radius_m *= 2.0
    return KNearest(distance_m, index)


def count_within(geometries: Geometries, targets: Geometries, radius_m: float, *,
                 owners: ArrayLike | None = None) -> Integers:
    """Count the distinct owners of targets within ``radius_m`` (inclusive) of each geometry.

    Parameters
    ----------
    geometries, targets, owners
        As for :func:`k_nearest`.
    radius_m
        How far, at least 0.

    Returns
    -------
    numpy.ndarray
        Counts, int64, shape (n,).

    Raises
    ------
    UsageError
        The radius is negative or NaN, or ``owners`` has another length than ``targets``.
    """
    _check_radius(radius_m)
    asked, sought = _as_array(geometries), _as_array(targets)
    names, code = np.unique(_owners(owners, len(sought)), return_inverse=True)
    tree = STRtree(sought)
    counts = np.zeros(len(asked), dtype=np.int64)
    for chunk, pairs in _pairs_within(asked, np.arange(len(asked)), tree, radius_m):
        if owners is None:
            counts[chunk] = np.bincount(pairs.geometry, minlength=len(chunk))
            continue
        # Geometry and owner as one number, so that one sort finds the distinct ones.
        distinct = np.unique(pairs.geometry * len(names) + code[pairs.target])
        counts[chunk] = np.bincount(distinct // max(len(names), 1), minlength=len(chunk))
    return counts


def decayed_sum(geometries: Geometries, targets: Geometries, weights: ArrayLike, radius_m: float) -> Floats:
    """Sum the weights around each geometry, each fading linearly to 0 at ``radius_m``.

    Parameters
    ----------
    geometries, targets
        As for :func:`nearest`.
    weights
        A number per target, shape (m,).
    radius_m
        Where a weight has faded to 0; more than 0.

    Returns
    -------
    numpy.ndarray
        Sums of ``weight * max(0, 1 - distance / radius)``, float64, shape (n,), in the unit of
        the weights; 0 where nothing is near.

    Raises
    ------
    UsageError
        The radius is not above 0, or ``weights`` has another length than ``targets``.
    """
    _check_radius(radius_m)
    asked, sought = _as_array(geometries), _as_array(targets)
    weight = np.asarray(weights, dtype=np.float64)
    if radius_m == 0.0 or weight.shape != sought.shape:
        raise UsageError(
            "a fading sum needs a radius above 0 and a weight per target; "
            f"got {radius_m:g} m and {weight.size} weights for {len(sought)} targets",
            "衰减求和要求半径大于 0，且每个目标各有一个权重；"
            f"实际半径为 {radius_m:g} 米，{len(sought)} 个目标有 {weight.size} 个权重",
        )
    tree, total = STRtree(sought), np.zeros(len(asked))
    for chunk, pairs in _pairs_within(asked, np.arange(len(asked)), tree, radius_m):
        faded = weight[pairs.target] * np.maximum(0.0, 1.0 - pairs.distance_m / radius_m)
        total[chunk] = np.bincount(pairs.geometry, weights=faded, minlength=len(chunk))
    return total


def _pairs_within(asked: Geometries, rows: Integers, tree: STRtree,
                  radius_m: float) -> Iterator[tuple[Integers, _Pairs]]:
    """Yield chunks of ``rows`` with their targets within ``radius_m``, in order of geometry and target.

    Geometries are numbered from 0 in each chunk. The order makes sums over the pairs reproducible.
    """
    start, size = 0, _FIRST_CHUNK
    while start < len(rows):
        chunk = rows[start:start + size]
        near, found = _candidates(asked[chunk], tree, radius_m)
        away_m = shapely.distance(asked[chunk][near], tree.geometries[found])
        is_within = away_m <= radius_m
        near, found, away_m = near[is_within], found[is_within], away_m[is_within]
        order = np.argsort(near * len(tree) + found)
        yield chunk, _Pairs(near[order], found[order], away_m[order])
        start += size
        size = int(np.clip(size * _PAIRS_PER_CHUNK / max(len(is_within), 1), 1, min(8 * size, _CHUNK)))


def _candidates(asked: Geometries, tree: STRtree, radius_m: float) -> tuple[Integers, Integers]:
    """Return pairs that hold all those within ``radius_m`` and few others."""
    # A hair wider than asked, so that the distance taken afterwards alone decides.
    radius_m = radius_m * (1 + 1e-9) + 1e-6
    if (shapely.get_type_id(tree.geometries) <= 0).all():
        # Around points a box is nearly as tight as the distance, and takes a tenth of the time.
        min_x, min_y, max_x, max_y = shapely.bounds(asked).T
        boxes = shapely.box(min_x - radius_m, min_y - radius_m, max_x + radius_m, max_y + radius_m)
        near, found = tree.query(boxes)
    else:
        near, found = tree.query(asked, predicate="dwithin", distance=radius_m)
    return near.astype(np.int64), found.astype(np.int64)


def _nearest_pairs(asked: Geometries, tree: STRtree,
                   max_distance_m: float | None) -> tuple[Integers, Integers, Floats]:
    """Return geometry, target and distance of every nearest target, ties included."""
    # The tree takes no distance of 0, and its own bound is left a hair wide: the filter below decides.
    bound_m = None if max_distance_m is None or np.isinf(max_distance_m) else max_distance_m * (1 + 1e-9) + 1e-6
    (near, found), away_m = tree.query_nearest(asked, max_distance=bound_m, return_distance=True)
    if max_distance_m is not None:
        is_within = away_m <= max_distance_m
        near, found, away_m = near[is_within], found[is_within], away_m[is_within]
    return near, found, away_m


def _first_owners(pairs: _Pairs, owner: Integers, k: int, n: int) -> tuple[Floats, Integers]:
    """Return the first ``k`` owners of each of ``n`` geometries, shapes (n, k)."""
    who = owner[pairs.target]
    order = np.lexsort((pairs.target, pairs.distance_m, who, pairs.geometry))
    is_first = np.ones(len(order), dtype=bool)
    is_first[1:] = (np.diff(pairs.geometry[order]) != 0) | (np.diff(who[order]) != 0)
    best = order[is_first]
    best = best[np.lexsort((pairs.target[best], pairs.distance_m[best], pairs.geometry[best]))]
    row = pairs.geometry[best]
    place = np.arange(len(best)) - np.searchsorted(row, row)
    best, row, place = best[place < k], row[place < k], place[place < k]
    distance_m, index = np.full((n, k), np.nan), np.full((n, k), -1, dtype=np.int64)
    distance_m[row, place], index[row, place] = pairs.distance_m[best], pairs.target[best]
    return distance_m, index


def _first_radius(targets: Geometries, n_wanted: int) -> float:
    """Guess the radius that holds ``n_wanted`` of the targets, were they spread evenly."""
    if not len(targets):
        return 1.0
    min_x, min_y, max_x, max_y = shapely.total_bounds(targets)
    side_m = max(max_x - min_x, max_y - min_y)
    return float(max(side_m * np.sqrt(max(n_wanted, 1) / len(targets)), 1.0))


def _reach(geometries: Geometries, targets: Geometries) -> float:
    """Return a distance that no geometry and target exceed."""
    if not len(geometries) or not len(targets):
        return 0.0
    min_x, min_y, max_x, max_y = shapely.total_bounds(np.concatenate([geometries, targets]))
    return float(np.hypot(max_x - min_x, max_y - min_y) * 1.001 + 1.0)


def _owners(owners: ArrayLike | None, n_targets: int) -> Integers:
    if owners is None:
        return np.arange(n_targets, dtype=np.int64)
    owner = np.asarray(owners, dtype=np.int64)
    if owner.shape != (n_targets,):
        raise UsageError(
            f"{owner.size} owners are given for {n_targets} targets; give one integer per target",
            f"{n_targets} 个目标给出了 {owner.size} 个归属；每个目标应有一个整数归属",
        )
    return owner


def _check_radius(radius_m: float) -> None:
    if not radius_m >= 0.0:
        raise UsageError(
            f"the distance {radius_m} m is not a number of at least 0; correct it",
            f"距离 {radius_m} 米不是不小于 0 的数；请改正",
        )


def _as_array(geometries: Geometries) -> Geometries:
    return np.asarray(geometries, dtype=object).reshape(-1)


def _is_real(geometries: Geometries) -> NDArray[np.bool_]:
    return ~(shapely.is_missing(geometries) | shapely.is_empty(geometries))
