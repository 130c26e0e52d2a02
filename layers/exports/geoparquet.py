"""GeoParquet 1.1 (WKB, EPSG:4326, zstd) and plain Parquet, written in row groups: memory stays that of one block."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import geopandas as gpd
import numpy as np
import pandas as pd
import shapely
from numpy.typing import NDArray

from gis.bilingual import Text
from gis.errors import ExportError
from layers.exports.files import replace_file

if TYPE_CHECKING:
    from pyproj import CRS

TITLE_KEY = b"title_zh"
"""Key of a column's Chinese title among the metadata of its Arrow field."""

_VERSION = "1.1.0"
_COMPRESSION = "zstd"
_LEVEL = 1
"""Level 3 takes a fifth more time for 6 % fewer bytes."""

_TYPE_NAMES = ("Point", "LineString", "LinearRing", "Polygon", "MultiPoint", "MultiLineString", "MultiPolygon",
               "GeometryCollection")


def require_pyarrow(what: Text) -> None:
    """Make sure that Parquet can be read and written, before the long work.

    Parameters
    ----------
    what
        What would be read or written, for the message.

    Raises
    ------
    ExportError
        The package pyarrow is not installed.
    """
    try:
        import pyarrow.parquet  # type: ignore[import-untyped]  # noqa: F401 - only whether it is there
    except ImportError as error:
        raise ExportError(
            f"{what.en}: Parquet needs the package pyarrow; run: pip install suanzhi[parquet]",
            f"{what.zh}：Parquet 需要 pyarrow；请运行 pip install suanzhi[parquet]",
        ) from error


def geometry_types(geometries: NDArray[np.object_]) -> list[str]:
    """Return the kinds of geometry that occur, as GeoParquet names them, sorted; heights are not kept."""
    found = np.unique(shapely.get_type_id(geometries))
    return sorted(_TYPE_NAMES[i] for i in found if i >= 0)


def write_parquet(blocks: Iterable[pd.DataFrame], path: Path | str, *, titles: Mapping[str, str],
                  types: Iterable[str] = (), metadata: Mapping[str, object] | None = None) -> Path:
    """Write blocks of rows as the row groups of one file: the same blocks give the same bytes.

    Frames with a geometry make GeoParquet in longitude and latitude. Text that UTF-8 cannot hold is replaced,
    NaN becomes null, infinity stays.

    Parameters
    ----------
    blocks
        Frames of equal columns and dtypes, in any CRS that is set; geometry in the column ``geometry``. At least
        one.
    path
        The file to write.
    titles
        Chinese titles of columns, kept as metadata ``title_zh`` of the Arrow fields.
    types
        Kinds of geometry that occur (see ``geometry_types``); empty where unknown.
    metadata
        Further metadata of the file, written as JSON text.

    Returns
    -------
    Path
        The file written.

    Raises
    ------
    ExportError
        The file cannot be written, or pyarrow is not installed.
    """
    with open_parquet(path, titles=titles, types=types, metadata=metadata) as write:
        for block in blocks:
            write(block)
    return Path(path)


@contextmanager
def open_parquet(path: Path | str, *, titles: Mapping[str, str], types: Iterable[str] = (),
                 metadata: Mapping[str, object] | None = None,
                 crs: CRS | None = None) -> Iterator[Callable[[pd.DataFrame], None]]:
    """Write a file block by block, as ``write_parquet`` does.

    Parameters
    ----------
    path
        The file to write; it appears when the block is left without an error.
    titles, types, metadata
        As for ``write_parquet``.
    crs
        CRS of the blocks, whose coordinates are then written as they are; None for WGS84, into which they are moved.

    Yields
    ------
    Callable
        Writes one block of rows as a row group. It may be called from any thread, by one at a time.

    Raises
    ------
    ExportError
        The file cannot be written, or pyarrow is not installed.
    """
    require_pyarrow(Text(zh=str(path), en=str(path)))
    import pyarrow as pa
    import pyarrow.parquet as pq

    with replace_file(path) as partial, ExitStack() as opened:
        writer = None

        def write(block: pd.DataFrame) -> None:
            nonlocal writer
            if writer is None:
                schema = _schema(block, titles, types, metadata or {}, crs)
                # Numbers seldom repeat: looking for repeats among them costs more time than it saves bytes.
                words = [field.name for field in schema if pa.types.is_string(field.type)]
                writer = opened.enter_context(pq.ParquetWriter(
                    partial, schema, compression=_COMPRESSION, compression_level=_LEVEL, use_dictionary=words))
            columns = [wkb_as_is(block[field.name]) if crs is not None and field.name == "geometry"
                       else arrow_column(block[field.name], field.type) for field in writer.schema]
            writer.write_table(pa.Table.from_arrays(columns, schema=writer.schema), row_group_size=max(len(block), 1))

        yield write


def _schema(block: pd.DataFrame, titles: Mapping[str, str], types: Iterable[str],
            metadata: Mapping[str, object], crs: CRS | None) -> Any:
    """Return the Arrow schema of a block: its fields with their titles, and what GeoParquet wants to know."""
    import pyarrow as pa

    fields = []
    for name, dtype in block.dtypes.items():
        title = {TITLE_KEY: titles[str(name)].encode()} if str(name) in titles else None
        fields.append(pa.field(str(name), arrow_type(dtype), metadata=title))
    members = {key: _json(value) for key, value in metadata.items()}
    if isinstance(block, gpd.GeoDataFrame):
        members["geo"] = _json(_geo(types, crs))
    return pa.schema(fields, metadata=members)


def _geo(types: Iterable[str], crs: CRS | None) -> dict[str, object]:
    from pyproj import CRS

    told = (CRS.from_epsg(4326) if crs is None else crs).to_json_dict()
    column = {"encoding": "WKB", "geometry_types": list(types), "crs": told}
    return {"version": _VERSION, "primary_column": "geometry", "columns": {"geometry": column}}


def arrow_type(dtype: Any) -> Any:
    """Return the Arrow type of a column; anything but numbers, truth values and geometry is text."""
    import pyarrow as pa

    if str(dtype) == "geometry":
        return pa.binary()
    if isinstance(dtype, pd.CategoricalDtype):
        return pa.string()
    kind = getattr(dtype, "kind", "O")
    return {"b": pa.bool_(), "i": pa.int64(), "u": pa.int64(), "f": pa.float64()}.get(kind, pa.string())


def arrow_column(column: pd.Series[Any], kind: Any) -> Any:
    """Turn a column into an Arrow array without a loop over its rows, text in odd encodings excepted.

    Geometries become WKB in longitude and latitude.
    """
    import pyarrow as pa

    if isinstance(column, gpd.GeoSeries):
        return wkb_in_degrees(column)
    if isinstance(column.dtype, pd.CategoricalDtype):
        words = arrow_column(pd.Series(column.cat.categories, dtype=object), kind)
        codes = column.cat.codes.to_numpy()
        return words.take(pa.array(codes, mask=codes < 0))
    try:
        return pa.array(column, type=kind, from_pandas=True)
    except (pa.ArrowTypeError, pa.ArrowInvalid, UnicodeEncodeError):
        said = [None if pd.isna(v) else str(v).encode("utf-8", errors="replace").decode() for v in column]
        return pa.array(said, type=kind)


def wkb_as_is(geometries: gpd.GeoSeries) -> Any:
    """Return geometries as WKB in their own coordinates, as an Arrow array of bytes; heights are dropped."""
    import pyarrow as pa

    flat = shapely.force_2d(np.asarray(geometries.array, dtype=object))
    return pa.array(shapely.to_wkb(flat, byte_order=1), type=pa.binary(), from_pandas=True)


def wkb_in_degrees(geometries: gpd.GeoSeries) -> Any:
    """Return geometries as WKB in longitude and latitude, as an Arrow array of bytes.

    The bytes are made of the geometries as they are and their coordinates replaced, which spares making each
    geometry anew: about 1.5 microseconds each, most of it GEOS writing and PROJ moving five vertices.

    Parameters
    ----------
    geometries
        In any CRS that is set; heights are dropped, a missing geometry becomes null.
    """
    import pyarrow as pa
    from pyproj import Transformer

    from layers.exports._wkb_places import put_coordinates

    given = np.asarray(geometries.array, dtype=object)
    if shapely.has_z(given).any():
        given = shapely.force_2d(given)
    held = pa.array(shapely.to_wkb(given, byte_order=1), type=pa.binary(), from_pandas=True)
    validity, offsets, data = held.buffers()
    degrees = Transformer.from_crs(geometries.crs, "EPSG:4326", always_xy=True)
    xy = shapely.get_coordinates(given)
    moved = np.column_stack(degrees.transform(xy[:, 0], xy[:, 1])).astype("<f8", copy=False)
    content = np.frombuffer(data, dtype=np.uint8).copy() if data is not None else np.empty(0, dtype=np.uint8)
    put_coordinates(content, np.ascontiguousarray(moved).view(np.uint8).reshape(-1, 16))
    return pa.Array.from_buffers(pa.binary(), len(held), [validity, offsets, pa.py_buffer(content)])


def _json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"), sort_keys=True, allow_nan=False)


def read_row(path: Path | str, column: str, key: str) -> dict[str, object] | None:
    """Read the first row whose ``column`` holds ``key``, looking only into row groups that may hold it.

    Parameters
    ----------
    path
        A file that ``write_parquet`` wrote.
    column
        Text column.
    key
        Its value.

    Returns
    -------
    The row as plain values without its geometry; None where there is none.

    Raises
    ------
    ExportError
        The package pyarrow is not installed.
    """
    require_pyarrow(Text(zh=str(path), en=str(path)))
    import pyarrow.compute as pc  # type: ignore[import-untyped]
    import pyarrow.parquet as pq

    key = key.encode("utf-8", errors="replace").decode()
    with pq.ParquetFile(path) as file:
        wanted = [name for name in file.schema_arrow.names if name != "geometry"]
        at = file.schema_arrow.get_field_index(column)
        for group in range(file.num_row_groups):
            bounds = file.metadata.row_group(group).column(at).statistics
            if bounds is not None and bounds.has_min_max and not bounds.min <= key <= bounds.max:
                continue
            keys = file.read_row_group(group, columns=[column]).column(0)
            row = pc.index(keys, key).as_py()
            if row >= 0:
                found: dict[str, object] = file.read_row_group(group, columns=wanted).slice(row, 1).to_pylist()[0]
                return found
    return None


def read_column(path: Path | str, column: str) -> list[object]:
    """Read one column of a file that ``write_parquet`` wrote."""
    require_pyarrow(Text(zh=str(path), en=str(path)))
    import pyarrow.parquet as pq

    values: list[object] = pq.read_table(path, columns=[column]).column(0).to_pylist()
    return values
