"""Vector files: GeoJSON, GeoPackage, Shapefile, FlatGeobuf, KML, geodatabases and what else GDAL reads; GeoParquet.

Tables too. Any of them may be in a zip (``layers.sources.archives``, whose options apply). CSV and XLSX are
tables with coordinates (``layers.sources.table_file``, whose options apply).
"""

from __future__ import annotations

import dataclasses
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

import geopandas as gpd
import numpy as np
import pandas as pd

from gis.bilingual import Text
from gis.errors import DataError, LayerError, LayerNotFoundError, SchemaError, UsageError
from layers.sources import archives, table_file
from layers.sources.coordinate_table import COORDINATE_KEYS, read_table
from layers.sources.files import check_content, existing_file, gdal_silence, not_a_vector_file
from layers.sources.geodatabase import files_of, is_geodatabase
from layers.sources.geoparquet_file import GeoParquet, opened, read_geoparquet
from layers.sources.kml_overlays import without_overlays
from layers.sources.row_filter import bad_condition, rows_where
from layers.sources.shapefile import parts_of, read_shapefile
from layers.sources.text_file import in_utf8
from layers.sources.types import LoadContext, RawVector
from layers.types import LayerSpec, Remark

Frame = TypeVar("Frame", bound=pd.DataFrame)

_PARQUET = (".parquet", ".geoparquet")
_TEXT = (".geojson", ".json", ".kml")
_ALWAYS_UTF8 = (".gpkg", ".fgb", ".gdb", *_PARQUET)
_NO_ROWS = Text(zh="图层中没有要素", en="the layer holds no features")


def read(spec: LayerSpec, context: LoadContext) -> RawVector:
    """Read a vector file under our column names.

    Parameters
    ----------
    spec
        ``path``, a file or the folder of a file geodatabase; ``table`` where it holds several layers; ``where``, a
        condition on the file's own columns; ``encoding``; ``columns``, pairs of our name and the file's.
    context
        Not needed here.

    Returns
    -------
    RawVector
        Rows that meet the condition; a geometry that cannot be read is None. A layer without features
        has no rows and says so in ``reading_notes``.

    Raises
    ------
    LayerNotFoundError
        The file or the table is not there.
    LayerUnavailableError
        GeoParquet without the package that reads it.
    LayerError
        The file cannot be read, is not what its name says, or must not be unpacked.
    SchemaError
        A column that ``columns`` names is not there.
    """
    del context
    path = Path(spec.path)
    # Whether the folder is a geodatabase is found out where its files are listed.
    path = path if is_geodatabase(path) else existing_file(spec)
    raw = _from_archive(path, spec) if path.suffix.lower() in archives.SUFFIXES else _from_file(path, spec)
    if not raw.n_read:
        raw = dataclasses.replace(raw, reading_notes=(*raw.reading_notes, _NO_ROWS))
    return dataclasses.replace(raw, frame=renamed(raw.frame, spec))


def _from_archive(path: Path, spec: LayerSpec) -> RawVector:
    with archives.unpacked(path, spec) as (inner, table, note):
        shown = f"{path}/{inner.name}"
        try:
            if not inner.is_dir():
                check_content(inner, spec.name, shown)
            raw = _from_file(inner, dataclasses.replace(spec, path=str(inner), table=table))
        except DataError as error:
            # The user knows the archive, not the folder that it was unpacked to.
            text = Text(zh=error.text.zh.replace(str(inner.parent), str(path)),
                        en=error.text.en.replace(str(inner.parent), str(path)))
            raise type(error)(text.en, text.zh) from error
    return dataclasses.replace(raw, files=(str(path),), reading_notes=(note, *raw.reading_notes))


def _from_file(path: Path, spec: LayerSpec) -> RawVector:
    suffix = path.suffix.lower()
    if suffix in table_file.SUFFIXES:
        return read_table(path, spec)
    notes: tuple[Text, ...] = ()
    remarks: tuple[Remark, ...] = ()
    files: tuple[Path, ...] = (path,)
    if suffix == ".shp":
        _check_stem(path, spec)
        frame, notes = read_shapefile(path, spec)
        files = tuple(parts_of(path).values())
    elif suffix in _PARQUET:
        _check_stem(path, spec)
        frame = _read_parquet(path, spec)
    elif suffix in _TEXT:
        with tempfile.TemporaryDirectory() as folder:
            readable, notes = in_utf8(path, spec, Path(folder))
            # What an odd encoding hid shows in the copy.
            check_content(readable, spec.name, str(path))
            frame = _read_ogr(readable, dataclasses.replace(spec, encoding=""), path)
            if suffix == ".kml":
                frame, remarks = without_overlays(frame, readable, path, spec.name)
    else:
        files = files_of(path, spec) if is_geodatabase(path) else files
        frame = _read_ogr(path, spec, path)
    notes += _encoding_notes(path, spec)
    n_read = len(frame) + len(remarks)
    return RawVector(frame=frame if remarks else frame.reset_index(drop=True), n_read=n_read, remarks=remarks,
                     files=tuple(map(str, files)), reading_notes=notes)


def _encoding_notes(path: Path, spec: LayerSpec) -> tuple[Text, ...]:
    suffix = path.suffix.lower()
    if suffix not in _ALWAYS_UTF8 or not spec.encoding:
        return ()
    return (Text(zh=f"{suffix} 文件恒为 UTF-8，未采用声明的编码 {spec.encoding}",
                 en=f"a {suffix} file is always in UTF-8; the declared {spec.encoding} was not used"),)


@contextmanager
def in_parts(spec: LayerSpec) -> Iterator[GeoParquet]:
    """Open the GeoParquet file of a spec to read it in parts.

    Raises
    ------
    UsageError
        The spec names another kind of file, or one that can only be read as a whole.
    LayerNotFoundError, LayerUnavailableError, LayerError
        As for :func:`read`.
    """
    if spec.source != "vector_file":
        raise _not_in_parts(spec)
    path = existing_file(spec)
    if path.suffix.lower() not in _PARQUET:
        raise _not_in_parts(spec)
    _check_stem(path, spec)
    with opened(path, spec.name) as layer:
        if layer is None:
            raise _not_in_parts(spec)
        yield layer


def read_parts(spec: LayerSpec, rows_per_part: int, numeric: frozenset[str] = frozenset()) -> Iterator[RawVector]:
    """Read a GeoParquet file as :func:`read` does, some rows at a time.

    Parameters
    ----------
    spec
        As for :func:`read`.
    rows_per_part
        Rows of the file in a part; where a condition leaves fewer, the part has fewer.
    numeric
        Text columns that hold nothing but numbers, for the condition.

    Yields
    ------
    RawVector
        Rows in order, whose index counts on from part to part; one part without rows where there is none at all.

    Raises
    ------
    UsageError, LayerNotFoundError, LayerUnavailableError, LayerError, SchemaError
        As for :func:`in_parts` and :func:`read`.
    """
    path, start = Path(spec.path), 0
    notes = _encoding_notes(path, spec)
    with in_parts(spec) as layer:
        for part in layer.frames(rows_per_part):
            frame = with_plain_name(part)
            if spec.where:
                attributes = pd.DataFrame(frame.drop(columns="geometry"))
                frame = frame[rows_where(attributes, spec.where, spec.name, numeric)]
            if len(frame):
                frame = renamed(frame.set_axis(pd.RangeIndex(start, start + len(frame)), axis=0), spec)
                start += len(frame)
                yield RawVector(frame=frame, n_read=len(frame), files=(str(path),), reading_notes=notes)
        if not start:
            yield RawVector(frame=renamed(with_plain_name(layer.like), spec), n_read=0, files=(str(path),),
                            reading_notes=(*notes, _NO_ROWS))


def _not_in_parts(spec: LayerSpec) -> UsageError:
    what = spec.path if spec.source == "vector_file" else f"source {spec.source}"
    return UsageError(
        f"layer {spec.name!r}: only a GeoParquet file with one geometry column in WKB can be read in parts, not "
        f"{what}; export the layer as GeoParquet",
        f"图层 {spec.name!r}：只有含一个 WKB 几何列的 GeoParquet 文件可以分批读取，{what} 不可；"
        "请将图层导出为 GeoParquet")


def _read_ogr(path: Path, spec: LayerSpec, shown: Path) -> gpd.GeoDataFrame:
    import pyogrio

    # GDAL tells of unclosed rings and measured vertices; both are dealt with row by row later.
    with gdal_silence():
        table = _table(path, spec, shown)
        encoding = None if path.suffix.lower() in _ALWAYS_UTF8 else spec.encoding or None
        try:
            return pyogrio.read_dataframe(path, layer=table, encoding=encoding, where=spec.where or None,
                                          force_2d=True, on_invalid="ignore")
        except (ValueError, RuntimeError, LookupError) as error:
            raise _unreadable(path, spec, table, error, shown) from error


def _table(path: Path, spec: LayerSpec, shown: Path) -> str | None:
    """Return the one table to read, or complain of several."""
    import pyogrio

    try:
        tables = [str(table) for table, kind in pyogrio.list_layers(path) if kind is not None]
    except (ValueError, RuntimeError) as error:
        raise not_a_vector_file(shown, spec.name, error) from error
    known = ", ".join(tables)
    if spec.table and spec.table not in tables:
        raise _no_table(shown, spec, known)
    if not tables:
        raise LayerError(
            f"layer {spec.name!r}: {shown} holds no geometries; give a file with geometry",
            f"图层 {spec.name!r}：{shown} 不含几何；请提供带几何的文件",
        )
    if len(tables) > 1 and not spec.table:
        raise LayerError(
            f"layer {spec.name!r}: {shown} holds several tables ({known}); name one as table under "
            f"[layers.{spec.name}] in the study file",
            f"图层 {spec.name!r}：{shown} 含多个图层（{known}）；请在方案文件 [layers.{spec.name}] 下用 table 指定一个",
        )
    return spec.table or tables[0]


def _check_stem(path: Path, spec: LayerSpec) -> None:
    """Raise where ``table`` names another layer than the one that a file of one layer holds."""
    if spec.table and spec.table != path.stem:
        raise _no_table(path, spec, path.stem)


def _no_table(path: Path, spec: LayerSpec, known: str) -> LayerNotFoundError:
    return LayerNotFoundError(
        f"layer {spec.name!r}: {path} has no table {spec.table!r}; it has: {known}; correct table under "
        f"[layers.{spec.name}] in the study file",
        f"图层 {spec.name!r}：{path} 中没有图层 {spec.table!r}；现有：{known}；"
        f"请改正方案文件 [layers.{spec.name}] 下的 table",
    )


def _read_parquet(path: Path, spec: LayerSpec) -> gpd.GeoDataFrame:
    frame = with_plain_name(read_geoparquet(path, spec.name))
    if spec.where:
        attributes = pd.DataFrame(frame.drop(columns="geometry"))
        frame = frame[rows_where(attributes, spec.where, spec.name)]
    return frame


def with_plain_name(frame: gpd.GeoDataFrame) -> gpd.GeoDataFrame:
    """Return the frame with its geometry in the column ``geometry``."""
    return frame if frame.geometry.name == "geometry" else frame.rename_geometry("geometry")


def renamed(frame: Frame, spec: LayerSpec) -> Frame:
    """Put the file's columns under our names; a column that loses its name to another one keeps it with a tail."""
    pairs = [(ours, theirs) for ours, theirs in spec.columns if ours not in COORDINATE_KEYS]
    missing = [theirs for _, theirs in pairs if theirs not in frame.columns]
    there = [str(column) for column in frame.columns if column != "geometry"]
    if missing and (there or len(frame)):
        raise SchemaError(
            f"layer {spec.name!r}: the file has no column {', '.join(missing)}; it has: {', '.join(there)}; correct "
            f"[layers.{spec.name}.columns] in the study file",
            f"图层 {spec.name!r}：文件没有字段 {'、'.join(missing)}；现有字段：{'、'.join(there)}；请改正方案文件中的 "
            f"[layers.{spec.name}.columns]",
        )
    # A GeoJSON file without features has no columns either, which is no fault of the study.
    frame = frame.assign(**{theirs: pd.Series([], dtype=object) for theirs in missing})
    wanted = {ours: frame[theirs] for ours, theirs in pairs}
    taken = {theirs for _, theirs in pairs}
    left = frame.drop(columns=[column for column in taken if column != "geometry"])
    return left.rename(columns={ours: f"{ours}_in_file" for ours in wanted if ours in left.columns}).assign(**wanted)


def _unreadable(path: Path, spec: LayerSpec, table: str | None, error: Exception, shown: Path) -> LayerError:
    import pyogrio

    if isinstance(error, UnicodeDecodeError | LookupError):
        return LayerError(
            f"layer {spec.name!r}: the text of {shown} is not in {spec.encoding or 'the encoding it claims'}; write "
            f"encoding = \"GBK\" (or the right one) under [layers.{spec.name}] in the study file",
            f"图层 {spec.name!r}：{shown} 的文字不是 {spec.encoding or '其声称的编码'}；请在方案文件 "
            f"[layers.{spec.name}] 下写明 encoding = \"GBK\"（或其实际编码）",
        )
    if spec.where and isinstance(error, ValueError | pyogrio.errors.FeatureError):
        columns = [str(column) for column in np.asarray(pyogrio.read_info(path, layer=table)["fields"])]
        return bad_condition(spec.name, spec.where, columns)
    return not_a_vector_file(shown, spec.name, error)
