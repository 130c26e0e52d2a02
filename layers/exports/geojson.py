"""GeoJSON as RFC 7946 wants it: WGS84, right-hand rule, seven decimals, no ``crs``."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import geopandas as gpd
import numpy as np
import pandas as pd
import shapely
from numpy.typing import NDArray
from shapely import Geometry, GeometryCollection, MultiPolygon, Polygon
from shapely.geometry.polygon import orient

from gis.errors import ExportError
from layers.exports.files import replace_file

_DECIMALS = 7  # about a centimetre, the digits that RFC 7946 section 11.2 finds sensible
_POLYGONS = (3, 6, 7)  # shapely type ids: Polygon, MultiPolygon, GeometryCollection
_BLOCK = 20_000  # features turned into text at a time, so that memory stays flat
# One for all features: json.dumps would make a new one for each.
_ENCODER = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), allow_nan=False)


def write_geojson(frame: gpd.GeoDataFrame, path: Path | str, *, id_column: str,
                  fields: Sequence[tuple[str, str]] | None = None,
                  members: Mapping[str, object] | None = None) -> Path:
    """Write a frame as GeoJSON (RFC 7946): the same frame gives the same bytes.

    Exterior rings run counter-clockwise, holes clockwise; heights are dropped; an empty geometry,
    NaN, infinity and a missing value become ``null``; text stays as it is, Chinese not escaped.

    Parameters
    ----------
    frame
        Features in any CRS that is set.
    path
        The file to write.
    id_column
        Column that becomes the ``id`` of each feature, as text.
    fields
        Pairs of column and property name, in the order wanted; None for every column.
    members
        Further members of the collection (a note on where the data came from), written before
        ``features``.

    Returns
    -------
    Path
        The file written.

    Raises
    ------
    ExportError
        The file cannot be written, the frame has no CRS, or a column named here is not in it.
    """
    pairs = _pairs(frame, fields)
    _check(frame, path, [id_column, *(column for column, _ in pairs)])
    head = {"type": "FeatureCollection", **(members or {})}
    with replace_file(path) as partial, partial.open("w", encoding="utf-8", errors="replace", newline="\n") as file:
        file.write(_json(head)[:-1] + ',"features":[')
        for number, feature in enumerate(_features(frame, id_column, pairs)):
            file.write((",\n" if number else "\n") + feature)
        file.write("\n]}\n")
    return Path(path)


def to_rfc7946(geometries: NDArray[np.object_]) -> NDArray[np.object_]:
    """Round, flatten and wind geometries in longitude and latitude as RFC 7946 wants them.

    Parameters
    ----------
    geometries
        Shape (n,), shapely geometries or None, degrees.

    Returns
    -------
    ndarray
        Shape (n,): two dimensions, seven decimals, exterior rings counter-clockwise, holes
        clockwise. A polygon that rounding would make cross itself is snapped to the grid of the
        last decimal instead, unless nothing would be left of it.
    """
    flat = shapely.force_2d(geometries)
    rounded = _round(flat)
    is_polygon = np.isin(shapely.get_type_id(rounded), _POLYGONS)
    is_spoilt = is_polygon & ~shapely.is_valid(rounded)
    is_spoilt[is_spoilt] = shapely.is_valid(flat[is_spoilt])
    if is_spoilt.any():
        snapped = _round(shapely.set_precision(flat[is_spoilt], 10.0 ** -_DECIMALS))
        rounded[is_spoilt] = np.where(shapely.is_empty(snapped), rounded[is_spoilt], snapped)
    is_sound = is_polygon & shapely.is_valid(rounded)
    # normalize winds exteriors clockwise and holes the other way, so that reversing gives both as wanted.
    # Lines keep the direction they were drawn in.
    rounded[is_sound] = shapely.reverse(shapely.normalize(rounded[is_sound]))
    for row in np.flatnonzero(is_polygon & ~is_sound):
        rounded[row] = _wound(rounded[row])
    return rounded


def _wound(geometry: Geometry) -> Geometry:
    """Wind the rings of a geometry that GEOS would refuse to normalize (a sliver that fell into one point)."""
    if isinstance(geometry, Polygon):
        return orient(geometry, 1.0)
    if isinstance(geometry, MultiPolygon):
        return MultiPolygon([orient(part, 1.0) for part in geometry.geoms])
    if isinstance(geometry, GeometryCollection):
        return GeometryCollection([_wound(part) for part in geometry.geoms])
    return geometry


def _round(geometries: NDArray[np.object_]) -> NDArray[np.object_]:
    # Adding zero turns -0.0 into 0.0.
    return np.asarray(shapely.transform(geometries, lambda xy: np.round(xy, _DECIMALS) + 0.0), dtype=object)


def _pairs(frame: gpd.GeoDataFrame, fields: Sequence[tuple[str, str]] | None) -> list[tuple[str, str]]:
    if fields is not None:
        return list(fields)
    return [(name, name) for name, dtype in frame.dtypes.items() if str(dtype) != "geometry"]


def _check(frame: gpd.GeoDataFrame, path: Path | str, columns: Sequence[str]) -> None:
    missing = [column for column in columns if column not in frame.columns]
    if missing:
        raise ExportError(
            f"cannot write {path}: the frame has no column {', '.join(missing)}",
            f"无法写入 {path}：数据没有字段 {'、'.join(missing)}",
        )
    if frame.crs is None:
        raise ExportError(
            f"cannot write {path}: the frame has no CRS; set one before writing",
            f"无法写入 {path}：数据没有坐标参考系；请先设定",
        )


def _features(frame: gpd.GeoDataFrame, id_column: str, pairs: Sequence[tuple[str, str]]) -> Iterator[str]:
    """Yield each feature as one line of JSON."""
    names = [name for _, name in pairs]
    for start in range(0, len(frame), _BLOCK):
        block = frame.iloc[start:start + _BLOCK]
        geometries = to_rfc7946(np.asarray(block.geometry.to_crs("EPSG:4326").array, dtype=object))
        is_located = ~(shapely.is_missing(geometries) | shapely.is_empty(geometries))
        shapes = np.where(is_located, shapely.to_geojson(geometries), "null")
        columns = [_plain_values(block[column]) for column, _ in pairs]
        rows = zip(*columns, strict=True) if columns else ((),) * len(block)
        for identity, shape, row in zip(block[id_column], shapes, rows, strict=True):
            properties = _json(dict(zip(names, row, strict=True)))
            yield (f'{{"type":"Feature","id":{_json(str(identity))},'
                   f'"properties":{properties},"geometry":{shape}}}')


def _plain_values(column: pd.Series[Any]) -> list[object]:
    """Return the values of a column as JSON knows them."""
    # pandas' own nullable types have the same kinds and may hold NA: they go value by value.
    is_plain = isinstance(column.dtype, np.dtype)
    if is_plain and column.dtype.kind in "biu":
        return list(column.tolist())
    if is_plain and column.dtype.kind == "f":
        return [value if math.isfinite(value) else None for value in column.tolist()]
    return [_plain(value) for value in column.tolist()]


def _plain(value: object) -> object:
    if value is None or isinstance(value, str | bool | int):
        return value
    if isinstance(value, np.ndarray | np.generic):
        return _plain(value.tolist())
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {str(key): _plain(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(inner) for inner in value]
    if value is pd.NaT or value is pd.NA:
        return None
    isoformat = getattr(value, "isoformat", None)
    return isoformat() if callable(isoformat) else str(value)


def _json(value: object) -> str:
    return _ENCODER.encode(value)
