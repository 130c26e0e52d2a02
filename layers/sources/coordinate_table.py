"""Tables with a place in each row: two columns of coordinates, or one of well-known text."""

from __future__ import annotations

import re
from pathlib import Path

import geopandas as gpd
import numpy as np
import pandas as pd
import shapely

from gis.bilingual import Text
from gis.crs import parse_crs
from gis.errors import CrsError, SchemaError
from layers.conversion import parse_number
from layers.sources.row_filter import rows_where
from layers.sources.table_file import read_cells
from layers.sources.types import RawVector
from layers.types import LayerSpec, Remark

COORDINATE_KEYS = ("lon", "lat", "x", "y", "wkt")
"""Keys of ``LayerSpec.columns`` that name coordinates rather than columns of ours."""

_SRID = re.compile(r"\s*SRID=(\d+)\s*;", re.IGNORECASE)
_NO_COORDINATES = Text(zh="没有坐标，或坐标不是数字", en="no coordinates, or they are not numbers")
_NO_TEXT = Text(zh="没有坐标串，或坐标串不是 WKT", en="no well-known text, or what stands there is none")


def read_table(path: Path, spec: LayerSpec) -> RawVector:
    """Read a CSV or XLSX file with coordinates.

    Parameters
    ----------
    path
        The file.
    spec
        ``columns`` may name the columns of ``lon`` and ``lat`` (degrees; the default names), of ``x``
        and ``y`` (easting and northing in ``crs``), or of ``wkt`` (well-known text, with or without
        ``SRID=4490;`` before it). See :mod:`layers.sources.table_file` for the rest.

    Returns
    -------
    RawVector
        Features under the file's own column names; rows without coordinates are among the remarks.

    Raises
    ------
    LayerError
        The file is no table, or the condition cannot be evaluated.
    SchemaError
        The coordinate columns are not there.
    CrsError
        ``x`` and ``y`` without a CRS, or well-known text in several.
    """
    table, notes = read_cells(path, spec)
    keys, crs = _coordinates(spec)
    names = dict(spec.columns)
    columns = [names.get(key, key) for key in keys]
    missing = [column for column in columns if column not in table.columns]
    if missing:
        raise _no_coordinates(spec.name, missing, [str(column) for column in table.columns])
    if spec.where:
        table = table[rows_where(table, spec.where, spec.name)].reset_index(drop=True)
    if keys == ("wkt",):
        return _from_text(table, columns[0], crs, path, spec.name, notes)
    points = np.column_stack([[parse_number(value) for value in table[column].tolist()] for column in columns])
    points = points.reshape(-1, 2)
    has_both = np.isfinite(points).all(axis=1)
    # A point without a number would be an empty one; it is left out, so it need not be made.
    places = np.full(len(points), None, dtype=object)
    places[has_both] = shapely.points(points[has_both])
    return _features(table, gpd.GeoSeries(places, index=table.index, crs=crs), _NO_COORDINATES, path, notes)


def _coordinates(spec: LayerSpec) -> tuple[tuple[str, ...], str]:
    """Return the keys of the coordinates and the CRS they are in."""
    named = {ours for ours, _ in spec.columns}
    declared = parse_crs(spec.crs) if spec.crs else None
    if "wkt" in named:
        return ("wkt",), spec.crs
    if not named & {"x", "y"}:
        return ("lon", "lat"), spec.crs or "EPSG:4326"
    if declared is None or declared.is_geographic:
        raise CrsError(
            f"layer {spec.name!r}: x and y need the projected CRS they are in; write crs = \"EPSG:4547\" (or the right "
            f"one) under [layers.{spec.name}] in the study file",
            f"图层 {spec.name!r}：x、y 须写明所在的投影坐标系；请在方案文件 [layers.{spec.name}] 下写明 "
            "crs = \"EPSG:4547\"（或其实际坐标系）",
        )
    return ("x", "y"), spec.crs


def _from_text(table: pd.DataFrame, column: str, crs: str, path: Path, layer: str,
               notes: tuple[Text, ...]) -> RawVector:
    """Read the column of well-known text; without a CRS the loader tells degrees from metres."""
    texts = ["" if pd.isna(text) else str(text) for text in table[column].tolist()]
    codes = sorted({match[1] for text in texts if (match := _SRID.match(text))})
    if len(codes) > 1 and not crs:
        raise CrsError(
            f"layer {layer!r}: the well-known text in column {column!r} is in several CRS (SRID {', '.join(codes)}); "
            "put all rows into one",
            f"图层 {layer!r}：字段 {column!r} 的坐标串采用多个坐标系（SRID {'、'.join(codes)}）；请统一为一个",
        )
    shapes = shapely.from_wkt([_SRID.sub("", text) or None for text in texts], on_invalid="ignore")
    known = crs or (str(parse_crs(f"EPSG:{codes[0]}").to_string()) if codes else None)
    places = gpd.GeoSeries(shapely.force_2d(np.asarray(shapes, dtype=object)), index=table.index, crs=known)
    return _features(table, places, _NO_TEXT, path, notes)


def _features(table: pd.DataFrame, places: gpd.GeoSeries, reason: Text, path: Path,
              notes: tuple[Text, ...]) -> RawVector:
    is_there = places.notna().to_numpy()
    frame = gpd.GeoDataFrame(table, geometry=places)
    return RawVector(
        frame=frame[is_there], n_read=len(table), files=(str(path),), reading_notes=notes,
        remarks=tuple(Remark(f"#{row + 1}", "rejected", reason) for row in np.flatnonzero(~is_there).tolist()),
    )


def _no_coordinates(name: str, missing: list[str], columns: list[str]) -> SchemaError:
    return SchemaError(
        f"layer {name!r}: no column {', '.join(missing)} for the coordinates; the file has: {', '.join(columns)}; "
        f"name them as lon and lat (or x and y, or wkt) under [layers.{name}.columns] in the study file",
        f"图层 {name!r}：没有坐标字段 {'、'.join(missing)}；文件的字段有：{'、'.join(columns)}；请在方案文件 "
        f"[layers.{name}.columns] 下写明 lon、lat（或 x、y，或 wkt）对应的字段",
    )
