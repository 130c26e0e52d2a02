"""Split many geometries into partitions that lie together, and put what came of each back in its place.

A partition is a run along a Hilbert curve, so that its geometries have the same neighbours, and one
worker, one block of a raster and one branch of a tree serve them all. How many there are depends on
the number of geometries alone, never on who works on them: the same input gives the same partitions
on one core and on a cluster.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import shapely
from numpy.typing import NDArray

from gis.box_tree import along_curve

ROWS_PER_PARTITION = 65_536
"""Large enough that laying out the targets anew costs little, small enough for a hundred MB a worker."""

Integers = NDArray[np.int64]
Columns = Mapping[str, NDArray[Any]]
"""Arrays by name, all of one length."""


def partitions_of(geometries: NDArray[Any], rows_per_partition: int = ROWS_PER_PARTITION) -> tuple[Integers, ...]:
    """Split geometries into runs along a Hilbert curve through the middles of their boxes.

    Parameters
    ----------
    geometries
        Shapely geometries, shape (n,). A missing or empty one comes last.
    rows_per_partition
        At most so many in each, at least 1.

    Returns
    -------
    tuple of numpy.ndarray
        Rows of each partition, int64, in the order of the curve; every row is in exactly one, and the
        sizes differ by one at most. Empty for no geometry.
    """
    n = len(geometries)
    if not n:
        return ()
    boxes = shapely.bounds(np.asarray(geometries, dtype=object))
    is_there = np.isfinite(boxes).all(axis=1)
    there = np.flatnonzero(is_there)
    order = np.concatenate([there[np.argsort(along_curve(boxes[there]), kind="stable")], np.flatnonzero(~is_there)])
    return tuple(np.array_split(order.astype(np.int64), -(-n // rows_per_partition)))


def joined(parts: Iterable[tuple[int, Columns]], partitions: Sequence[Integers], n: int) -> dict[str, NDArray[Any]]:
    """Put the columns of the parts back in the order of the input.

    Each part is copied into arrays of full length as it comes and then let go, so that no more than
    one is held beside them.

    Parameters
    ----------
    parts
        Number of the partition and its columns, in any order; all with the same names and types.
    partitions
        Rows of each partition.
    n
        Number of rows in all.

    Returns
    -------
    dict
        Columns of length ``n``; none where there is no part.

    Raises
    ------
    ValueError
        A part is missing, comes twice, has another length than its partition, or other columns.
    """
    whole: dict[str, NDArray[Any]] = {}
    seen: set[int] = set()
    for number, columns in parts:
        if number in seen:
            raise ValueError(f"partition {number} came twice")
        seen.add(number)
        if not whole:
            whole = {name: np.empty((n, *values.shape[1:]), dtype=values.dtype) for name, values in columns.items()}
        if whole.keys() != columns.keys():
            raise ValueError(f"partition {number} has other columns than the one before it")
        rows = partitions[number]
        for name, values in columns.items():
            if len(values) != len(rows):
                raise ValueError(f"partition {number}: {len(values)} values of {name!r} for {len(rows)} rows")
            whole[name][rows] = values
    if len(seen) != len(partitions):
        raise ValueError(f"{len(partitions) - len(seen)} of {len(partitions)} partitions are missing")
    return whole
