"""What policy says of every candidate, kept as a small number each."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import overload

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from siting.pack import CityPack, ZonePermission


class Permissions(Sequence["ZonePermission | None"]):
    """The permission of each candidate, None where it lies in no zone of the plan.

    A sequence like any other, of two bytes an entry; whoever looks at many entries looks at ``codes``
    and ``table`` instead.

    Parameters
    ----------
    table
        The permissions that there are.
    codes
        Per candidate its place in ``table``, -1 for None.
    """

    def __init__(self, table: Sequence[ZonePermission], codes: NDArray[np.int16]) -> None:
        self.table = tuple(table)
        self.codes = codes

    @classmethod
    def of(cls, permissions: Sequence[ZonePermission | None]) -> Permissions:
        """Return permissions as such, whatever sequence they come in."""
        if isinstance(permissions, Permissions):
            return permissions
        table = list(dict.fromkeys(p for p in permissions if p is not None))
        place = {permission: code for code, permission in enumerate(table)}
        return cls(table, np.array([-1 if p is None else place[p] for p in permissions], dtype=np.int16))

    def __len__(self) -> int:
        return len(self.codes)

    @overload
    def __getitem__(self, index: int) -> ZonePermission | None: ...

    @overload
    def __getitem__(self, index: slice) -> Permissions: ...

    def __getitem__(self, index: int | slice) -> ZonePermission | Permissions | None:
        if isinstance(index, slice):
            return Permissions(self.table, self.codes[index])
        code = int(self.codes[index])
        return None if code < 0 else self.table[code]

    def __iter__(self) -> Iterator[ZonePermission | None]:
        # The last entry is what -1 points at.
        return map((*self.table, None).__getitem__, self.codes.tolist())

    def looked_up(self, values: Sequence[float], missing: float) -> NDArray[np.float64]:
        """Return a number per candidate: that of its permission in ``table``, ``missing`` for None."""
        return np.array([*values, missing], dtype=np.float64)[self.codes]


def table_of(pack: CityPack, development_type: str) -> tuple[ZonePermission, ...]:
    """Return the permissions of a development type, in the order of the pack; the last of a zone counts."""
    by_zone = {p.zone_id: p for p in pack.permissions if p.development_type == development_type}
    return tuple(by_zone.values())


def permissions_in(zone_ids: pd.Series[str], pack: CityPack, development_type: str) -> Permissions:
    """Return what policy says of a development type, per candidate; None outside every zone of the plan."""
    table = table_of(pack, development_type)
    codes = pd.Index([p.zone_id for p in table], dtype=object).get_indexer(pd.Index(zone_ids, dtype=object))
    return Permissions(table, codes.astype(np.int16))
