"""Exact distances between two sets of geometries, measured from edge to edge.

A distance is 0 where two geometries touch or one holds the other. All functions take arrays of
shapely geometries in the metric CRS of the run and answer for each geometry on its own: the
answer never depends on which other geometries are asked about, so that partitions agree to the
last bit. A missing or empty geometry is near to nothing. The targets are laid out once; the
geometries are taken in chunks, by as many threads as numba may use (``NUMBA_NUM_THREADS``), so
memory stays bounded whatever their number. To take shapely geometries apart is a good part of each
answer (a third of a microsecond each): who asks several questions of the same geometries lays them
out once, by :func:`lay_out`. The method is told in :mod:`gis._proximity_kernels`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from gis import box_tree, ragged
from gis.errors import UsageError

Geometries = NDArray[Any]
Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
Item = TypeVar("Item")
Answer = TypeVar("Answer")

_CHUNK = 32_768
# Below this a thread costs more than it brings.
_LEAST_CHUNK = 2_048


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
class LaidOut:
    """Geometries taken apart, for any number of questions; about 230 bytes each of seven vertices."""

    geometries: Geometries
    """The geometries themselves, shape (n,); not to be changed as long as this is asked."""

    chunks: tuple[tuple[slice, ragged.Runs], ...]
    """Consecutive rows, and what they are made of."""

    def __len__(self) -> int:
        return len(self.geometries)


Asked = Geometries | LaidOut


class _Trees(NamedTuple):
    """Targets laid out for a search (see :mod:`gis._proximity_kernels`)."""

    runs: ragged.Runs
    edges: box_tree.BoxTree
    corners: box_tree.BoxTree
    polygons: box_tree.BoxTree
    polygon_part: Integers


@dataclass(frozen=True, slots=True, eq=False)
class Targets:
    """Geometries to be found, put into trees once for any number of questions."""

    n: int
    """How many geometries."""

    trees: _Trees
    """What a search goes through."""


Sought = Geometries | Targets


def is_compiled() -> bool:
    """Tell whether the compiled code is ready on this machine, so that the next question need not wait for it.

    The first question ever asked compiles for a few seconds; later ones, in any process, load the
    result from beside the module or, where that folder cannot be written, from the user's cache.
    Judged by the presence of files as young as the source; nothing is compiled or loaded.
    """
    from gis import _proximity_kernels as kernels

    written_s = Path(kernels.__file__).stat().st_mtime
    asked: tuple[Any, ...] = (kernels.overlapping, kernels.nearest_owners, kernels.gather_owners)
    return all(kernel.signatures or any(
        file.stat().st_mtime >= written_s
        for file in Path(kernel.stats.cache_path or ".").glob(f"_proximity_kernels.{kernel.__name__}-*.nbi"))
        for kernel in asked)


def lay_out(geometries: Geometries) -> LaidOut:
    """Take geometries apart once, for several questions.

    Parameters
    ----------
    geometries
        Shapely geometries of any type, shape (n,), in metres.
    """
    given = _as_array(geometries)
    rows = _chunks(len(given))
    runs = in_threads(lambda some: ragged.cut_into_runs(ragged.flatten(given[some])), rows)
    return LaidOut(given, tuple(zip(rows, runs, strict=True)))


def lay_out_targets(targets: Geometries) -> Targets:
    """Put geometries to be found into trees, for several questions: two microseconds for each line of twelve vertices.

    Parameters
    ----------
    targets
        Shapely geometries of any type, shape (m,), in metres.
    """
    runs = ragged.cut_into_runs(ragged.flatten(_as_array(targets)))
    corner = runs.run_first[runs.part_run[:-1]]
    corner_xy = np.stack([runs.x[corner], runs.y[corner]], axis=1)
    polygon_part = np.flatnonzero(runs.part_is_polygon)
    edges, corners = box_tree.build_tree(runs.run_box), box_tree.build_tree(np.tile(corner_xy, 2))
    trees = _Trees(runs, edges, corners, box_tree.build_tree(runs.part_box[polygon_part]), polygon_part)
    return Targets(len(targets), trees)


def nearest(geometries: Asked, targets: Sought, *, max_distance_m: float | None = None) -> Nearest:
    """Find the nearest target of each geometry.

    Parameters
    ----------
    geometries, targets
        Shapely geometries of any type, shapes (n,) and (m,), in metres; either may be laid out.
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
    if max_distance_m is not None:
        _check_radius(max_distance_m)
    sought = targets if isinstance(targets, Targets) else lay_out_targets(targets)
    reach_m = np.inf if max_distance_m is None else max_distance_m
    distance_m, index = _search(geometries, sought, _owners(None, sought.n), 1, reach_m)
    return Nearest(distance_m[:, 0], index[:, 0])


def k_nearest(geometries: Asked, targets: Sought, k: int, *, owners: ArrayLike | None = None) -> KNearest:
    """Find the ``k`` nearest distinct owners of each geometry.

    Parameters
    ----------
    geometries, targets
        Shapely geometries of any type, shapes (n,) and (m,), in metres; either may be laid out.
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
    sought = targets if isinstance(targets, Targets) else lay_out_targets(targets)
    return KNearest(*_search(geometries, sought, _owners(owners, sought.n), k, np.inf))


def count_within(geometries: Asked, targets: Sought, radius_m: float, *,
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
    sought = targets if isinstance(targets, Targets) else lay_out_targets(targets)
    # Numbered without gaps: a list of owners is kept per thread.
    owner = np.unique(_owners(owners, sought.n), return_inverse=True)[1].astype(np.int64)
    return _gather(geometries, sought, owner, radius_m, np.empty(0))[0]


def decayed_sum(geometries: Asked, targets: Sought, weights: ArrayLike, radius_m: float) -> Floats:
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
    sought = targets if isinstance(targets, Targets) else lay_out_targets(targets)
    weight = np.asarray(weights, dtype=np.float64)
    if radius_m == 0.0 or weight.shape != (sought.n,):
        raise UsageError(
            "a fading sum needs a radius above 0 and a weight per target; "
            f"got {radius_m:g} m and {weight.size} weights for {sought.n} targets",
            "衰减求和要求半径大于 0，且每个目标各有一个权重；"
            f"实际半径为 {radius_m:g} 米，{sought.n} 个目标有 {weight.size} 个权重",
        )
    return _gather(geometries, sought, _owners(None, sought.n), radius_m, weight)[1]


def _search(asked: Asked, sought: Targets, owner: Integers, k: int, reach_m: float) -> tuple[Floats, Integers]:
    """Return distance and position of the nearest targets of ``k`` distinct owners, shapes (n, k)."""
    from gis._proximity_kernels import nearest_owners, overlapping

    targets = sought.trees
    given = asked if isinstance(asked, LaidOut) else _as_array(asked)
    distance_m = np.full((len(given), k), float(reach_m))
    index = np.full((len(given), k), -1, dtype=np.int64)

    def work(rows: slice, runs: ragged.Runs) -> None:
        overlaps = overlapping(runs, targets.runs, targets.corners, targets.polygons, targets.polygon_part)
        nearest_owners(runs, targets.runs, targets.edges, *overlaps, owner, distance_m[rows], index[rows])
        distance_m[rows][index[rows] < 0] = np.nan

    for_runs(work, given)
    return distance_m, index


def _gather(asked: Asked, sought: Targets, owner: Integers, radius_m: float,
            weight: Floats) -> tuple[Integers, Floats]:
    """Return the number of owners within the radius and the sum of their fading weights, shapes (n,)."""
    from gis._proximity_kernels import gather_owners, overlapping

    targets = sought.trees
    given = asked if isinstance(asked, LaidOut) else _as_array(asked)
    counts, sums = np.zeros(len(given), dtype=np.int64), np.zeros(len(given))

    def work(rows: slice, runs: ragged.Runs) -> None:
        overlaps = overlapping(runs, targets.runs, targets.corners, targets.polygons, targets.polygon_part)
        gather_owners(runs, targets.runs, targets.edges, *overlaps, owner, float(radius_m), weight,
                      counts[rows], sums[rows])

    for_runs(work, given)
    return counts, sums


def for_runs(work: Callable[[slice, ragged.Runs], None], asked: Asked) -> None:
    """Do the work on all geometries, chunk by chunk, in threads.

    Parameters
    ----------
    work
        Called once for each chunk, in any order, with its rows and what they are made of.
    asked
        Shapely geometries, which are taken apart on the way and not kept, or laid out before.
    """
    if isinstance(asked, LaidOut):
        in_threads(lambda chunk: work(*chunk), asked.chunks)
    else:
        in_chunks(lambda rows: work(rows, ragged.cut_into_runs(ragged.flatten(asked[rows]))), len(asked))


def in_chunks(work: Callable[[slice], None], n: int) -> None:
    """Do the work on all rows, chunk by chunk, in threads.

    Parameters
    ----------
    work
        Called once for each chunk of rows, in any order; writes its answers where no other does.
    n
        Number of rows.
    """
    in_threads(work, _chunks(n))


def in_threads(work: Callable[[Item], Answer], items: Sequence[Item]) -> list[Answer]:
    """Do the work on all items, in threads: neither shapely nor the compiled code holds Python's lock.

    Numba's own parallel loops are not used: they take longer to compile, their threads die with a
    forked process, and one of their backends ends a process that asks from two threads.

    Parameters
    ----------
    work
        Called once for each item, in any order.
    items
        Any number.

    Returns
    -------
    What the work returned, in the order of the items.
    """
    n_threads = min(_n_threads(), len(items))
    if n_threads <= 1:
        return [work(item) for item in items]
    with ThreadPoolExecutor(n_threads) as threads:
        return list(threads.map(work, items))


def _chunks(n: int) -> list[slice]:
    """Return consecutive slices of n rows: few enough to stay cheap, enough to keep every thread busy."""
    size = min(_CHUNK, max(_LEAST_CHUNK, -(-n // (2 * _n_threads()))))
    return [slice(start, min(start + size, n)) for start in range(0, n, size)]


def _n_threads() -> int:
    from numba import config  # numba.get_num_threads would start numba's own threads

    return max(int(config.NUMBA_NUM_THREADS), 1)


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
