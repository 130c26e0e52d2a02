"""Tables of points: CSV with two columns of coordinates."""

from __future__ import annotations

from pathlib import Path

import geopandas as gpd
import numpy as np
import pandas as pd
import shapely
from numpy.typing import NDArray

from gis.bilingual import Text
from gis.crs import parse_crs
from gis.errors import CrsError, LayerError, SchemaError
from layers.conversion import parse_number
from layers.sources.row_filter import rows_where
from layers.sources.types import RawVector
from layers.types import LayerSpec, Remark

_ENCODINGS = ("utf-8-sig", "gb18030")
_SEPARATORS = {".csv": ",", ".txt": ",", ".tsv": "\t"}

SUFFIXES = tuple(_SEPARATORS)
"""Ends of the file names that are read as tables."""

COORDINATE_KEYS = ("lon", "lat", "x", "y")
"""Keys of ``LayerSpec.columns`` that name coordinates rather than columns of ours."""


def read_table(spec: LayerSpec) -> RawVector:
    """Read a CSV file with coordinates.

    Parameters
    ----------
    spec
        ``columns`` may name the columns of ``lon`` and ``lat`` (degrees; the default names), or of
        ``x`` and ``y`` (easting and northing in ``crs``). The option ``separator`` overrides the comma.
        Without ``encoding``, UTF-8 is tried and then GB18030.

    Returns
    -------
    RawVector
        Points under the file's own column names; rows without coordinates are among the remarks.

    Raises
    ------
    LayerError
        The file is no table, or the condition cannot be evaluated.
    SchemaError
        The coordinate columns are not there.
    CrsError
        ``x`` and ``y`` without a CRS.
    """
    path = Path(spec.path)
    table = _read(path, spec)
    if spec.where:
        table = table[rows_where(table, spec.where, spec.name)].reset_index(drop=True)
    keys, crs = _coordinates(spec)
    names = dict(spec.columns)
    columns = [names.get(key, key) for key in keys]
    missing = [column for column in columns if column not in table.columns]
    if missing:
        raise _no_coordinates(spec.name, missing, list(table.columns))
    points = np.column_stack([[parse_number(value) for value in table[column].tolist()] for column in columns])
    return _points(table, points.reshape(-1, 2), crs, str(path))


def _read(path: Path, spec: LayerSpec) -> pd.DataFrame:
    separator = str(spec.option("separator", _SEPARATORS.get(path.suffix.lower(), ",")))
    for encoding in (spec.encoding,) if spec.encoding else _ENCODINGS:
        try:
            table = pd.read_csv(path, sep=separator, encoding=encoding, dtype=str, keep_default_na=False,
                                na_values=[""], skipinitialspace=True)
        except (UnicodeDecodeError, LookupError):
            continue
        except (ValueError, OSError) as error:
            raise LayerError(
                f"layer {spec.name!r}: {path} cannot be read as a table ({str(error).splitlines()[0]}); check the "
                "separator and the number of columns in each row",
                f"图层 {spec.name!r}：{path} 无法按表格读取（{str(error).splitlines()[0]}）；请检查分隔符和各行列数",
            ) from error
        return table.rename(columns=lambda column: str(column).strip())
    tried = spec.encoding or "UTF-8, GB18030"
    raise LayerError(
        f"layer {spec.name!r}: the text of {path} is not in {tried}; name its encoding under [layers.{spec.name}]",
        f"图层 {spec.name!r}：{path} 的文字不是 {tried} 编码；请在 [layers.{spec.name}] 下写明 encoding",
    )


def _coordinates(spec: LayerSpec) -> tuple[tuple[str, str], str]:
    """Return the keys of the two coordinates and the CRS they are in."""
    named = {ours for ours, _ in spec.columns}
    if not named & {"x", "y"}:
        return ("lon", "lat"), spec.crs or "EPSG:4326"
    if not spec.crs or parse_crs(spec.crs).is_geographic:
        raise CrsError(
            f"layer {spec.name!r}: x and y need the projected CRS they are in; write crs = \"EPSG:4547\" (or the right "
            f"one) under [layers.{spec.name}] in the study file",
            f"图层 {spec.name!r}：x、y 须写明所在的投影坐标系；请在方案文件 [layers.{spec.name}] 下写明 "
            "crs = \"EPSG:4547\"（或其实际坐标系）",
        )
    return ("x", "y"), spec.crs


def _points(table: pd.DataFrame, points: NDArray[np.float64], crs: str, path: str) -> RawVector:
    has_both = np.isfinite(points).all(axis=1)
    reason = Text(zh="没有坐标，或坐标不是数字", en="no coordinates, or they are not numbers")
    frame = gpd.GeoDataFrame(table, geometry=gpd.GeoSeries(shapely.points(points), index=table.index, crs=crs))
    return RawVector(
        frame=frame[has_both], n_read=len(table), files=(path,),
        remarks=tuple(Remark(f"#{row + 1}", "rejected", reason) for row in np.flatnonzero(~has_both).tolist()),
    )


def _no_coordinates(name: str, missing: list[str], columns: list[str]) -> SchemaError:
    return SchemaError(
        f"layer {name!r}: no column {', '.join(missing)} for the coordinates; the file has: {', '.join(columns)}; "
        f"name them as lon and lat (or x and y) under [layers.{name}.columns] in the study file",
        f"图层 {name!r}：没有坐标字段 {'、'.join(missing)}；文件的字段有：{'、'.join(columns)}；请在方案文件 "
        f"[layers.{name}.columns] 下写明 lon、lat（或 x、y）对应的字段",
    )
