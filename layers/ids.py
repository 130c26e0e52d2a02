"""Ids of which no two are the same, for rows that come all at once or part by part."""

from __future__ import annotations

from collections.abc import Collection

import numpy as np
import pandas as pd
from numpy.typing import NDArray

Objects = NDArray[np.object_]
Hashes = NDArray[np.uint64]

TAIL = "~"
"""What stands between an id that was used before and the number that makes it another one."""


class Ids:
    """Gives every row of a layer an id of its own; rows come in their order, in any number of parts.

    Only ids that occur several times are remembered by name, so that memory does not grow with the rows.

    Parameters
    ----------
    taken
        Ids that are used already.
    repeated
        Hashes (:func:`hashes_of`) of the ids that several rows have, in ascending order; one too many does no harm.
    reserved
        Ids of the layer with a tail of their own, which no other row is to be given.
    """

    def __init__(self, taken: Collection[str], repeated: Hashes, reserved: Collection[str]) -> None:
        self._taken = frozenset(taken)
        self._used = set(taken)
        self._repeated = repeated
        self._reserved = frozenset(reserved)
        self._count: dict[str, int] = {}

    def assign(self, wanted: Objects) -> Objects:
        """Return an id for each row, shape (n,); one that is free stays as it is.

        Parameters
        ----------
        wanted
            Ids in the order of the rows, those of the parts before it counted.
        """
        result = wanted.copy()
        is_watched = is_among(hashes_of(wanted), self._repeated)
        if self._taken:
            is_watched |= pd.Series(wanted, dtype=object).isin(list(self._taken)).to_numpy()
        for row in np.flatnonzero(is_watched):
            result[row] = self._free(str(wanted[row]))
        return result

    def _free(self, name: str) -> str:
        free = name
        while free in self._used or (free != name and free in self._reserved):
            self._count[name] = self._count.get(name, 1) + 1
            free = f"{name}{TAIL}{self._count[name]}"
        self._used.add(free)
        return free


def unique_ids(wanted: Objects, taken: Collection[str] = frozenset(),
               reserved: Collection[str] = frozenset()) -> Objects:
    """Return ids of which no two are the same; the second of a kind ends in ``~2``, the third in ``~3``.

    Parameters
    ----------
    wanted
        Ids of all rows, in their order.
    taken
        Ids that are used already.
    reserved
        Ids of rows that are not used, which no other row is to be given.

    Returns
    -------
    numpy.ndarray
        One per row; an id that is free stays as it is.
    """
    names = pd.Series(wanted, dtype=object)
    is_used = names.duplicated().to_numpy() | names.isin(list(taken)).to_numpy()
    if not is_used.any():
        return wanted
    ids = Ids(taken, np.unique(hashes_of(wanted[is_used])), {*reserved, *with_tail(wanted)})
    return ids.assign(wanted)


def made_ids(layer: str, numbers: NDArray[np.int64]) -> Objects:
    """Return ids made of row numbers that count from 0: ``parcels-000001`` for the first."""
    if not len(numbers):
        return np.empty(0, dtype=object)
    return np.char.add(f"{layer}-", np.char.zfill((numbers + 1).astype(str), 6)).astype(object)


def hashes_of(ids: Objects) -> Hashes:
    """Return a 64-bit number per id, the same for the same id, on every machine."""
    return np.asarray(pd.util.hash_array(np.asarray(ids, dtype=object), categorize=False), dtype=np.uint64)


def repeated_in(hashes: Hashes) -> Hashes:
    """Return the numbers that occur several times, each once, in ascending order."""
    ordered = np.sort(hashes)
    return np.unique(ordered[1:][ordered[1:] == ordered[:-1]])


def is_among(hashes: Hashes, ordered: Hashes) -> NDArray[np.bool_]:
    """Tell which numbers are among those of a list in ascending order, shape (n,)."""
    if not len(ordered):
        return np.zeros(len(hashes), dtype=np.bool_)
    place = np.minimum(np.searchsorted(ordered, hashes), len(ordered) - 1)
    return np.asarray(ordered[place] == hashes, dtype=np.bool_)


def with_tail(ids: Objects) -> list[str]:
    """Return the ids that hold a tail."""
    column = pd.Series(ids, dtype=object)
    return [str(name) for name in column[column.str.contains(TAIL, regex=False).fillna(False).to_numpy(dtype=bool)]]
