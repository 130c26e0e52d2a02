"""Where demand for edge computing is: the layer ``demand``, or people counted from a raster."""

from __future__ import annotations

import geopandas as gpd
import numpy as np
import shapely
from numpy.typing import NDArray

from gis.rasters import Raster
from layers.types import CityLayers

Floats = NDArray[np.float64]

CELL_M = 1000.0
"""Side of the cells over which people are summed into one demand point."""

STRIP_CELLS = 4_000_000
"""Raster cells read at a time."""


def demand_points(city_layers: CityLayers) -> gpd.GeoDataFrame | None:
    """Return the demand points of a run, or None where nothing tells of demand.

    Returns
    -------
    Frame with ``demand_id, name, demand, certainty`` and points; demand is 1 each where the layer
    states none, 0 where one is unknown. Without a layer ``demand``, people of the raster
    ``population``, summed over cells of ``CELL_M``.
    """
    if city_layers.has("demand"):
        return _stated(city_layers.frame("demand"))
    if "population" in city_layers.rasters:
        return _counted(city_layers)
    return None


def _stated(frame: gpd.GeoDataFrame) -> gpd.GeoDataFrame:
    ids = frame["demand_id"].astype(str)
    return gpd.GeoDataFrame({
        "demand_id": ids, "name": frame["name"].fillna(ids) if "name" in frame.columns else ids,
        "demand": _weights(frame), "certainty": frame["certainty"],
    }, geometry=frame.geometry.representative_point(), crs=frame.crs)


def _weights(frame: gpd.GeoDataFrame) -> Floats:
    if "demand" not in frame.columns or frame["demand"].isna().all():
        return np.ones(len(frame))
    return np.asarray(np.nan_to_num(frame["demand"].to_numpy(dtype=np.float64), nan=0.0).clip(min=0.0))


def _counted(city_layers: CityLayers) -> gpd.GeoDataFrame:
    column, row, people = _sums(city_layers.rasters["population"])
    points = np.asarray(shapely.points((column + 0.5) * CELL_M, (row + 0.5) * CELL_M), dtype=object)
    inside = shapely.intersects(points, city_layers.area_of_interest) & (people > 0)
    ids = np.array([f"N{r}E{c}" for r, c in zip(row[inside], column[inside], strict=True)], dtype=object)
    return gpd.GeoDataFrame({"demand_id": ids, "name": ids, "demand": people[inside],
                             "certainty": city_layers.certainty_of("population")},
                            geometry=points[inside], crs=city_layers.metric_crs)


def _sums(raster: Raster) -> tuple[NDArray[np.int64], NDArray[np.int64], Floats]:
    """Sum a raster over cells aligned to multiples of ``CELL_M``; return their column, row and sum."""
    n_rows, n_columns = raster.shape
    xs = raster.transform.c + (np.arange(n_columns) + 0.5) * raster.transform.a
    ys = raster.transform.f + (np.arange(n_rows) + 0.5) * raster.transform.e
    columns, rows = (np.floor(at / CELL_M).astype(np.int64) for at in (xs, ys))
    first_column, first_row = int(columns.min()), int(rows.min())
    width = int(columns.max()) - first_column + 1
    height = int(rows.max()) - first_row + 1
    total = np.zeros(width * height)
    strip = max(1, STRIP_CELLS // max(n_columns, 1))
    for start in range(0, n_rows, strip):
        stop = min(start + strip, n_rows)
        values = np.nan_to_num(raster.read_cells(start, 0, stop - start, n_columns)).clip(min=0.0)
        cell = (rows[start:stop, None] - first_row) * width + (columns[None, :] - first_column)
        total += np.bincount(cell.ravel(), weights=values.ravel(), minlength=len(total))
    found = np.flatnonzero(total)
    return found % width + first_column, found // width + first_row, total[found]
