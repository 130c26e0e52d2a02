"""GeoJSON as RFC 7946 wants it: WGS84, right-hand rule, seven decimals, no ``crs``."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
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
from layers.exports.cell_texts import ColumnTexts, column_texts, json_text
from layers.exports.files import replace_file

_DECIMALS = 7  # about a centimetre, the digits that RFC 7946 section 11.2 finds sensible
_POLYGONS = (3, 6, 7)  # shapely type ids: Polygon, MultiPolygon, GeometryCollection
_BLOCK = 20_000  # features turned into text at a time, so that memory stays flat


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
    with open_geojson(path, [name for _, name in pairs], members) as write:
        for start in range(0, len(frame), _BLOCK):
            block = frame.iloc[start:start + _BLOCK]
            texts = column_texts(block)
            write(id_texts(block[id_column]), [texts[column] for column, _ in pairs],
                  geometry_texts(block.geometry.to_crs("EPSG:4326").to_numpy()))
    return Path(path)


@contextmanager
def open_geojson(path: Path | str, names: Sequence[str], members: Mapping[str, object] | None = None,
                 ) -> Iterator[Callable[[list[str], Sequence[ColumnTexts], list[str]], None]]:
    """Write a collection block by block, as ``write_geojson`` does a whole one.

    Parameters
    ----------
    path
        The file to write; it appears when the block is left without an error.
    names
        Names of the properties.
    members
        Further members of the collection.

    Yields
    ------
    Callable
        Writes some features: their ids (``id_texts``), their properties in the order of the names, and their
        geometries (``geometry_texts``).

    Raises
    ------
    ExportError
        The file cannot be written.
    """
    head = json_text({"type": "FeatureCollection", **(members or {})})
    template = feature_template(names)
    with replace_file(path) as partial, partial.open("w", encoding="utf-8", errors="replace", newline="\n") as file:
        file.write(head[:-1] + ',"features":[')
        before = "\n"

        def write(ids: list[str], columns: Sequence[ColumnTexts], shapes: list[str]) -> None:
            nonlocal before
            if ids:
                rows = zip(ids, *(column.for_json for column in columns), shapes, strict=True)
                file.write(before + ",\n".join([template % row for row in rows]))
                before = ",\n"

        yield write
        file.write("\n]}\n")


def feature_template(names: Sequence[str]) -> str:
    """Return the text of a feature with a place for its id, for each property and for its geometry."""
    slots = ",".join(json_text(name).replace("%", "%%") + ":%s" for name in names)
    return f'{{"type":"Feature","id":%s,"properties":{{{slots}}},"geometry":%s}}'


def id_texts(column: pd.Series[Any]) -> list[str]:
    """Return the ids of features as JSON text."""
    return [json_text(str(identity)) for identity in column]


def geometry_texts(geometries: NDArray[np.object_]) -> list[str]:
    """Return geometries in longitude and latitude as GeoJSON, as RFC 7946 wants them; ``null`` where there is none."""
    wanted = to_rfc7946(geometries)
    is_located = ~(shapely.is_missing(wanted) | shapely.is_empty(wanted))
    texts: list[str] = np.where(is_located, shapely.to_geojson(wanted), "null").tolist()
    return texts


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
