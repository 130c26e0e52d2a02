"""The features of a layer as writers take them: whole in memory, or block by block from where they lie."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Protocol

import geopandas as gpd
import numpy as np
import pandas as pd
import shapely

BLOCK = 5_000
"""Features turned into text at a time, so that memory stays flat."""

_TYPES = ("Point", "LineString", "LinearRing", "Polygon", "MultiPoint", "MultiLineString", "MultiPolygon")


class Features(Protocol):
    """What can be written block by block: features in one CRS, plain columns, no lists.

    Text that repeats may be categorical.
    """

    def __len__(self) -> int:
        """Return how many features there are."""

    def head(self, n_rows: int) -> gpd.GeoDataFrame:
        """Return the first features, which tell columns and dtypes."""

    def blocks(self, n_rows: int = BLOCK) -> Iterator[gpd.GeoDataFrame]:
        """Give all features in order, at most so many at a time; each call begins anew."""

    @property
    def geometry_types(self) -> frozenset[str]:
        """Kinds of geometry that occur."""


class Rows(Features, Protocol):
    """The features of a layer."""

    def column(self, name: str) -> pd.Series[Any]:
        """Return one column of all features."""

    @property
    def whole(self) -> gpd.GeoDataFrame:
        """All features at once."""

    @property
    def bounds(self) -> tuple[float, float, float, float]:
        """West, south, east and north in the CRS of the features."""


@dataclass(frozen=True, eq=False, slots=True)
class HeldRows:
    """Features in memory."""

    whole: gpd.GeoDataFrame

    def __len__(self) -> int:
        """Return how many there are."""
        return len(self.whole)

    def head(self, n_rows: int) -> gpd.GeoDataFrame:
        """Return the first features."""
        return self.whole.head(n_rows)

    def blocks(self, n_rows: int = BLOCK) -> Iterator[gpd.GeoDataFrame]:
        """Give slices of the frame."""
        for start in range(0, len(self.whole), n_rows):
            yield self.whole.iloc[start:start + n_rows]

    def column(self, name: str) -> pd.Series[Any]:
        """Return one column of the frame."""
        column: pd.Series[Any] = self.whole[name]
        return column

    @property
    def geometry_types(self) -> frozenset[str]:
        """Kinds of geometry that occur."""
        return types_in(self.whole)

    @property
    def bounds(self) -> tuple[float, float, float, float]:
        """Bounds of the frame."""
        west, south, east, north = self.whole.total_bounds.tolist()
        return west, south, east, north


def types_in(frame: gpd.GeoDataFrame) -> frozenset[str]:
    """Return the kinds of geometry in a frame; ``Unknown`` for collections."""
    found = np.unique(shapely.get_type_id(np.asarray(frame.geometry.array, dtype=object))).tolist()
    return frozenset(_TYPES[i] if i < len(_TYPES) else "Unknown" for i in found if i >= 0)


def common_type(kinds: frozenset[str]) -> tuple[str, bool]:
    """Return the one kind of geometry that a file can declare, and whether single parts must be made multiple for it.

    ``Unknown`` where there is none.
    """
    if len(kinds) == 1:
        return next(iter(kinds)), False
    singles = {kind.removeprefix("Multi") for kind in kinds}
    return (f"Multi{singles.pop()}", True) if len(singles) == 1 else ("Unknown", False)
