"""What is odd about rows that are used all the same: exact duplicates and slivers."""

from __future__ import annotations

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


def noted(frame: gpd.GeoDataFrame, id_column: str) -> tuple[Remark, ...]:
    """Note the duplicates and slivers of a layer, row by row; nothing is changed.

    Parameters
    ----------
    frame
        Rows in use, in the metric CRS, geometries valid; every row has an id.
    id_column
        Column that names a row. It is no part of the comparison: two rows that differ in nothing but
        their number are duplicates.

    Returns
    -------
    tuple of Remark
        Duplicates (all but the first of a kind), then slivers, each in the order of the rows.
    """
    ids = frame[id_column].to_numpy(dtype=object)
    rows, first = duplicates(frame, id_column)
    twice = [Remark(str(ids[row]), "noted", Text(zh=f"与 {ids[original]} 的几何和属性完全相同",
                                                 en=f"same geometry and attributes as {ids[original]}"))
             for row, original in zip(rows, first, strict=True)]
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
    outline = np.column_stack([shapely.bounds(geometries).reshape(-1, 4), shapely.get_num_coordinates(geometries)])
    alike = np.flatnonzero(pd.DataFrame(outline).duplicated(keep=False).to_numpy())
    columns = [column for column in frame.columns if column not in {id_column, "geometry"}]
    words = [frame[column].iloc[alike].astype(str).to_numpy(dtype=object) for column in columns]
    shapes = shapely.to_wkb(shapely.normalize(geometries[alike]))
    table = pd.DataFrame(dict(enumerate([shapes, *words])))
    group = table.groupby(list(table.columns), sort=False, dropna=False).ngroup().to_numpy()
    _, start, inverse = np.unique(group, return_index=True, return_inverse=True)
    is_repeat = start[inverse] != np.arange(len(alike))
    return alike[is_repeat], alike[start[inverse][is_repeat]]


def is_sliver(geometries: NDArray[np.object_]) -> NDArray[np.bool_]:
    """Tell which polygons are smaller than ``SLIVER_AREA_M2`` or narrower than ``SLIVER_WIDTH_M``, shape (n,)."""
    area, length_m = shapely.area(geometries), shapely.length(geometries)
    is_small = (area < SLIVER_AREA_M2) | (2.0 * area < SLIVER_WIDTH_M * length_m)
    return np.asarray((shapely.get_dimensions(geometries) == 2) & is_small, dtype=bool)


def _sliver_text(area_m2: float, length_m: float) -> Text:
    width_m = 2.0 * area_m2 / length_m
    return Text(zh=f"细碎面：面积 {area_m2:.2f} 平方米，平均宽 {width_m:.2f} 米",
                en=f"sliver: {area_m2:.2f} m2, {width_m:.2f} m wide on average")
