"""What is odd about rows that are used all the same: exact duplicates and slivers."""

from __future__ import annotations

from hashlib import blake2b
from typing import Any

import geopandas as gpd
import numpy as np
import pandas as pd
import shapely
from numpy.typing import NDArray

from gis.bilingual import Text
from layers.types import Remark

SLIVER_AREA_M2 = 1.0
"""A polygon smaller than this is noted as a sliver."""

SLIVER_WIDTH_M = 0.5
"""So is one narrower than this: twice the area over the perimeter, which is the width of a long strip. Of a square
it is half the side, so that both limits agree there."""

_DIGEST_BYTES = 16
_ODD_NUMBER = np.uint64(0x9E3779B97F4A7C15)  # 2^64 over the golden ratio, which spreads neighbouring numbers


def noted(frame: gpd.GeoDataFrame, id_column: str, repeats: Repeats | None = None) -> tuple[Remark, ...]:
    """Note the duplicates and slivers of a layer, row by row; nothing is changed.

    Parameters
    ----------
    frame
        Rows in use, in the metric CRS, geometries valid; every row has an id.
    id_column
        Column that names a row. It is no part of the comparison: two rows that differ in nothing but
        their number are duplicates.
    repeats
        Knows the rows before these, where a layer comes in parts; the index is then the row in the source.

    Returns
    -------
    tuple of Remark
        Duplicates (all but the first of a kind), then slivers, each in the order of the rows.
    """
    ids = frame[id_column].to_numpy(dtype=object)
    if repeats is None:
        rows, first = duplicates(frame, id_column)
        originals = [str(name) for name in ids[first]]
    else:
        rows, originals = repeats.among(frame, id_column)
    twice = [Remark(str(ids[row]), "noted", Text(zh=f"与 {original} 的几何和属性完全相同",
                                                 en=f"same geometry and attributes as {original}"))
             for row, original in zip(rows, originals, strict=True)]
    geometries = frame.geometry.to_numpy()
    thin = np.flatnonzero(is_sliver(geometries))
    narrow = [Remark(str(ids[row]), "noted", _sliver_text(area, length_m))
              for row, area, length_m in zip(thin, shapely.area(geometries[thin]), shapely.length(geometries[thin]),
                                             strict=True)]
    return (*twice, *narrow)


def duplicates(frame: gpd.GeoDataFrame, id_column: str) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Find the rows that repeat an earlier one in geometry and in all columns but the id.

    Returns
    -------
    rows, first : numpy.ndarray
        Positions of the repeated rows, and for each the position of the first of its kind; shape (n,).
        Rings that start at another vertex are the same geometry.
    """
    geometries = frame.geometry.to_numpy()
    # Equal extents and counts are cheap to find; only those rows are compared in full.
    hashes = extent_hashes(shapely.bounds(geometries), shapely.get_num_coordinates(geometries))
    alike = np.flatnonzero(pd.Series(hashes).duplicated(keep=False).to_numpy())
    table = _compared(frame.iloc[alike], id_column)
    group = table.groupby(list(table.columns), sort=False, dropna=False).ngroup().to_numpy()
    _, start, inverse = np.unique(group, return_index=True, return_inverse=True)
    is_repeat = start[inverse] != np.arange(len(alike))
    return alike[is_repeat], alike[start[inverse][is_repeat]]


class Repeats:
    """Finds rows that repeat an earlier one, as :func:`duplicates` does, in rows that come part by part.

    Parameters
    ----------
    is_alike
        Which rows of the source have the extent and the number of vertices of another one, by row number;
        only these are looked at, and what is kept of each is a digest and an id.
    """

    def __init__(self, is_alike: NDArray[np.bool_]) -> None:
        self._is_alike = is_alike
        self._first: dict[bytes, str] = {}

    def among(self, frame: gpd.GeoDataFrame, id_column: str) -> tuple[NDArray[np.intp], list[str]]:
        """Return the positions of rows that repeat an earlier one of this or another part, and the ids of those.

        Parameters
        ----------
        frame, id_column
            As for :func:`noted`; the index is the row in the source.
        """
        alike = np.flatnonzero(self._is_alike[frame.index.to_numpy()])
        rows, originals = [], []
        some = frame.iloc[alike]
        for row, name, cells in zip(alike, some[id_column], _compared(some, id_column).itertuples(index=False),
                                    strict=True):
            told = repr([cell if isinstance(cell, bytes | str) else None for cell in cells])
            digest = blake2b(told.encode(), digest_size=_DIGEST_BYTES).digest()
            first = self._first.setdefault(digest, str(name))
            if first != str(name):
                rows.append(row)
                originals.append(first)
        return np.array(rows, dtype=np.intp), originals


def _compared(frame: gpd.GeoDataFrame, id_column: str) -> pd.DataFrame:
    """Return what two rows must share to be the same: geometry, wherever its rings begin, and all words but the id."""
    columns = [column for column in frame.columns if column not in {id_column, "geometry"}]
    words = [frame[column].astype(str).to_numpy(dtype=object) for column in columns]
    return pd.DataFrame(dict(enumerate([shapely.to_wkb(shapely.normalize(frame.geometry.to_numpy())), *words])))


def extent_hashes(bounds: NDArray[np.float64], n_vertices: NDArray[np.integer[Any]]) -> NDArray[np.uint64]:
    """Return a number per geometry that is the same for those of the same extent and as many vertices.

    Parameters
    ----------
    bounds
        Shape (n, 4).
    n_vertices
        Shape (n,).
    """
    # Adding nothing makes -0.0 to 0.0, which is equal to it and has other bits.
    extents = bounds.reshape(-1, 4) + 0.0
    mixed = n_vertices.astype(np.uint64)
    for side in extents.view(np.uint64).T:
        mixed = (mixed ^ side) * _ODD_NUMBER
        mixed ^= mixed >> np.uint64(29)
    return mixed


def is_sliver(geometries: NDArray[np.object_]) -> NDArray[np.bool_]:
    """Tell which polygons are smaller than ``SLIVER_AREA_M2`` or narrower than ``SLIVER_WIDTH_M``, shape (n,)."""
    area, length_m = shapely.area(geometries), shapely.length(geometries)
    is_small = (area < SLIVER_AREA_M2) | (2.0 * area < SLIVER_WIDTH_M * length_m)
    return np.asarray((shapely.get_dimensions(geometries) == 2) & is_small, dtype=bool)


def _sliver_text(area_m2: float, length_m: float) -> Text:
    width_m = 2.0 * area_m2 / length_m
    return Text(zh=f"细碎面：面积 {area_m2:.2f} 平方米，平均宽 {width_m:.2f} 米",
                en=f"sliver: {area_m2:.2f} m2, {width_m:.2f} m wide on average")
