"""Vector files: GeoJSON, GeoPackage, Shapefile, FlatGeobuf and what else GDAL reads; GeoParquet; CSV points.

Options
-------
``separator``
    Separator of a CSV file, where it is not a comma.
"""

from __future__ import annotations

import dataclasses
import warnings
from pathlib import Path

import geopandas as gpd
import numpy as np

from gis.errors import LayerError, LayerNotFoundError, LayerUnavailableError, SchemaError
from layers.sources.coordinate_table import COORDINATE_KEYS, SUFFIXES, read_table
from layers.sources.files import existing_file
from layers.sources.row_filter import bad_condition, rows_where
from layers.sources.types import LoadContext, RawVector
from layers.types import LayerSpec

_PARQUET = (".parquet", ".geoparquet")
_SHAPEFILE_PARTS = (".shp", ".shx", ".dbf", ".prj", ".cpg")


def read(spec: LayerSpec, context: LoadContext) -> RawVector:
    """Read a vector file under our column names.

    Parameters
    ----------
    spec
        ``path``; ``table`` where the file holds several layers; ``where``, a condition on the file's
        own columns; ``encoding``; ``columns``, pairs of our name and the file's.
    context
        Not needed here.

    Returns
    -------
    RawVector
        Rows that meet the condition; a geometry that cannot be read is None.

    Raises
    ------
    LayerNotFoundError
        The file or the table is not there.
    LayerUnavailableError
        GeoParquet without the package that reads it.
    LayerError
        The file cannot be read.
    SchemaError
        A column that ``columns`` names is not there.
    """
    del context
    path = existing_file(spec)
    if path.suffix.lower() in SUFFIXES:
        raw = read_table(spec)
    else:
        frame = _read_parquet(path, spec) if path.suffix.lower() in _PARQUET else _read_ogr(path, spec)
        raw = RawVector(frame=frame.reset_index(drop=True), n_read=len(frame), files=_files(path))
    return dataclasses.replace(raw, frame=_renamed(raw.frame, spec))


def _read_ogr(path: Path, spec: LayerSpec) -> gpd.GeoDataFrame:
    import pyogrio

    table = _table(path, spec)
    encoding = spec.encoding or _shapefile_encoding(path)
    with warnings.catch_warnings():
        # GDAL tells of unclosed rings and measured vertices; both are dealt with row by row later.
        warnings.simplefilter("ignore")
        try:
            frame = pyogrio.read_dataframe(path, layer=table, encoding=encoding, where=spec.where or None,
                                           force_2d=True, on_invalid="ignore")
        except (ValueError, RuntimeError, LookupError) as error:
            raise _unreadable(path, spec, table, error) from error
    return frame


def _table(path: Path, spec: LayerSpec) -> str | None:
    """Return the one table to read, or complain of several."""
    import pyogrio

    try:
        tables = [str(table) for table, kind in pyogrio.list_layers(path) if kind is not None]
    except RuntimeError as error:
        raise _not_a_vector_file(path, spec.name, error) from error
    known = ", ".join(tables)
    if spec.table and spec.table not in tables:
        raise LayerNotFoundError(
            f"layer {spec.name!r}: {path} has no table {spec.table!r}; it has: {known}",
            f"图层 {spec.name!r}：{path} 中没有图层 {spec.table!r}；现有：{known}",
        )
    if not tables:
        raise LayerError(
            f"layer {spec.name!r}: {path} holds no geometries; give a file with geometry",
            f"图层 {spec.name!r}：{path} 不含几何；请提供带几何的文件",
        )
    if len(tables) > 1 and not spec.table:
        raise LayerError(
            f"layer {spec.name!r}: {path} holds several tables ({known}); name one as table under "
            f"[layers.{spec.name}] in the study file",
            f"图层 {spec.name!r}：{path} 含多个图层（{known}）；请在方案文件 [layers.{spec.name}] 下用 table 指定一个",
        )
    return spec.table or tables[0]


def _read_parquet(path: Path, spec: LayerSpec) -> gpd.GeoDataFrame:
    try:
        frame = gpd.read_parquet(path)
    except ImportError as error:
        raise LayerUnavailableError(
            f"layer {spec.name!r}: GeoParquet needs the package pyarrow; run: pip install suanzhi[parquet]",
            f"图层 {spec.name!r}：读取 GeoParquet 需要 pyarrow；请运行 pip install suanzhi[parquet]",
        ) from error
    except (ValueError, OSError, TypeError) as error:
        raise _not_a_vector_file(path, spec.name, error) from error
    if frame.geometry.name != "geometry":
        frame = frame.rename_geometry("geometry")
    frame = frame.set_geometry(frame.geometry.force_2d())
    if spec.where:
        attributes = frame.drop(columns="geometry")
        frame = frame[rows_where(attributes, spec.where, spec.name)]
    return frame


def _renamed(frame: gpd.GeoDataFrame, spec: LayerSpec) -> gpd.GeoDataFrame:
    """Put the file's columns under our names; a column that loses its name to another one keeps it with a tail."""
    pairs = [(ours, theirs) for ours, theirs in spec.columns if ours not in COORDINATE_KEYS]
    missing = [theirs for _, theirs in pairs if theirs not in frame.columns]
    if missing:
        there = [str(column) for column in frame.columns if column != "geometry"]
        raise SchemaError(
            f"layer {spec.name!r}: the file has no column {', '.join(missing)}; it has: {', '.join(there)}; correct "
            f"[layers.{spec.name}.columns] in the study file",
            f"图层 {spec.name!r}：文件没有字段 {'、'.join(missing)}；现有字段：{'、'.join(there)}；请改正方案文件中的 "
            f"[layers.{spec.name}.columns]",
        )
    wanted = {ours: frame[theirs] for ours, theirs in pairs}
    taken = {theirs for _, theirs in pairs}
    left = frame.drop(columns=[column for column in taken if column != "geometry"])
    return left.rename(columns={ours: f"{ours}_in_file" for ours in wanted if ours in left.columns}).assign(**wanted)


def _shapefile_encoding(path: Path) -> str | None:
    """Guess the encoding of a shapefile that does not say it: UTF-8 if its text is that, else GB18030."""
    table = path.with_suffix(".dbf")
    if path.suffix.lower() != ".shp" or path.with_suffix(".cpg").exists() or not table.exists():
        return None
    content = table.read_bytes()
    if len(content) < 32 or content[29] not in (0, 0x57):  # a code page that says something
        return None
    header = int.from_bytes(content[8:10], "little")
    names = b"".join(content[start:start + 11] for start in range(32, header - 1, 32))
    try:
        (names + content[header:]).decode("utf-8")
    except UnicodeDecodeError:
        return "gb18030"
    return "utf-8"


def _files(path: Path) -> tuple[str, ...]:
    if path.suffix.lower() != ".shp":
        return (str(path),)
    parts = [path, *(path.with_suffix(end) for end in _SHAPEFILE_PARTS if end != path.suffix.lower())]
    return tuple(str(part) for part in parts if part.exists())


def _unreadable(path: Path, spec: LayerSpec, table: str | None, error: Exception) -> LayerError:
    import pyogrio

    if isinstance(error, UnicodeDecodeError | LookupError):
        return LayerError(
            f"layer {spec.name!r}: the text of {path} is not in {spec.encoding or 'the encoding it claims'}; write "
            f"encoding = \"GBK\" (or the right one) under [layers.{spec.name}] in the study file",
            f"图层 {spec.name!r}：{path} 的文字不是 {spec.encoding or '其声称的编码'}；请在方案文件 "
            f"[layers.{spec.name}] 下写明 encoding = \"GBK\"（或其实际编码）",
        )
    if spec.where and isinstance(error, ValueError | pyogrio.errors.FeatureError):
        columns = [str(column) for column in np.asarray(pyogrio.read_info(path, layer=table)["fields"])]
        return bad_condition(spec.name, spec.where, columns)
    return _not_a_vector_file(path, spec.name, error)


def _not_a_vector_file(path: Path, name: str, error: Exception) -> LayerError:
    reason = (str(error).splitlines() or [type(error).__name__])[0][:200]
    return LayerError(
        f"layer {name!r}: {path} cannot be read as vector data ({reason}); check that the file is complete",
        f"图层 {name!r}：{path} 无法作为矢量数据读取（{reason}）；请检查文件是否完整",
    )
