"""GeoParquet read into flat arrays of coordinates, without a Python object for a geometry.

For work that needs coordinates and attributes alone (distances, shares of cells), where a million parcels
must come in at the speed of the file. What needs a frame reads through ``layers.sources.vector_file``.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from gis.errors import LayerError, LayerUnavailableError
from gis.ragged import Paths, flatten
from layers.sources.geoparquet_file import ahead

_ROWS = 65_536
_BUFFER_BYTES = 1 << 20
_VERTEX_BYTES = 16


@dataclass(frozen=True, eq=False)
class RaggedLayer:
    """Rows of a GeoParquet file."""

    paths: Paths
    """Vertices, path after path, in the CRS of the file; a missing or empty geometry has no part."""

    attributes: pd.DataFrame
    """The columns asked for, a row per geometry, with a RangeIndex."""


def read_ragged(path: Path | str, columns: Sequence[str] = ()) -> RaggedLayer:
    """Read the geometries of a GeoParquet file, and some of its columns.

    Parameters
    ----------
    path
        File with its geometry in well-known binary, as GeoParquet 1.0 has it.
    columns
        Attributes to read; the others are not touched.

    Returns
    -------
    RaggedLayer
        What ``gis.ragged.flatten`` makes of the geometries that ``geopandas.read_parquet`` returns. Files
        of collections, or in the other byte order, are read that way too, and slowly; bytes that are no
        geometry count as a missing one.

    Raises
    ------
    LayerUnavailableError
        The package pyarrow is not installed.
    LayerError
        The file cannot be read, has no such column, or its geometry is in another encoding.
    """
    try:
        import pyarrow as pa  # type: ignore[import-untyped]
        import pyarrow.parquet as pq  # type: ignore[import-untyped]
    except ImportError as error:
        raise LayerUnavailableError(
            f"{path}: GeoParquet needs the package pyarrow; run: pip install suanzhi[parquet]",
            f"{path}：读取 GeoParquet 需要 pyarrow；请运行 pip install suanzhi[parquet]") from error
    try:
        with pq.ParquetFile(path, buffer_size=_BUFFER_BYTES, pre_buffer=False) as file:
            name = _geometry_column(file.schema_arrow, path)
            _check_columns([name, *columns], file.schema_arrow.names, path)
            room = _Room(file.metadata.num_rows, _bytes_in(file, name) // _VERTEX_BYTES)
            parts = []
            for batch in ahead(file.iter_batches(_ROWS, columns=[*columns, name])):
                room.add(batch.column(batch.schema.get_field_index(name)))
                parts.append(batch.drop_columns([name]))
            table = pa.Table.from_batches(parts, schema=_without(file.schema_arrow, columns))
    except (OSError, ValueError, pa.ArrowException) as error:
        raise LayerError(f"{path} cannot be read as GeoParquet ({error}); check that the file is complete",
                         f"{path} 无法作为 GeoParquet 读取（{error}）；请检查文件是否完整") from error
    attributes = table.to_pandas(ignore_metadata=True) if columns else pd.DataFrame(index=pd.RangeIndex(room.n_rows))
    return RaggedLayer(room.paths(), attributes[list(columns)])


class _Room:
    """Arrays that grow at their end. Room is taken in advance: what is never written costs no memory."""

    def __init__(self, n_rows: int, n_vertices: int) -> None:
        self.n_rows = 0
        self._n = (0, 0, 0)
        self._paths = Paths(np.empty((n_vertices + 1, 2)), np.empty(n_vertices + 1, dtype=np.int64),
                            np.empty(n_vertices + 1, dtype=np.int64), np.empty(n_vertices + 1, dtype=np.bool_),
                            np.zeros(n_rows + 1, dtype=np.int64))

    def add(self, column: Any) -> None:
        """Take the geometries of an Arrow array apart, and write them behind those that are there."""
        from gis import _wkb_kernels as kernels

        data, start, is_there = _bytes_of(column)
        self._make_room(int(start[-1] - start[0]) // _VERTEX_BYTES)
        found = kernels.unpack(data, start, is_there, *self._paths, np.array([*self._n, self.n_rows]))
        if found[0] == kernels.OTHER:
            found = self._write(_by_objects(column))
        self._n = found
        self.n_rows += len(column)

    def paths(self) -> Paths:
        """Return what has been written."""
        n_vertices, n_paths, n_parts = self._n
        room = self._paths
        room.path_start[n_paths], room.part_start[n_parts] = n_vertices, n_paths
        return Paths(room.xy[:n_vertices], room.path_start[:n_paths + 1], room.part_start[:n_parts + 1],
                     room.part_is_polygon[:n_parts], room.geometry_start[:self.n_rows + 1])

    def _make_room(self, n_more: int) -> None:
        """Make the arrays longer, where a column that repeats itself was stored shorter than it is."""
        lacking = self._n[0] + n_more + 1 - len(self._paths.xy)
        if lacking > 0:
            xy, *others, geometry_start = (_longer(old, lacking) for old in self._paths)
            path_start, part_start, part_is_polygon = others
            self._paths = Paths(xy, path_start, part_start, part_is_polygon, geometry_start)

    def _write(self, more: Paths) -> tuple[int, int, int]:
        before = self._n
        self._make_room(len(more.xy))
        sizes = (len(more.xy), len(more.path_start) - 1, len(more.part_is_polygon))
        vertex, path, part = (n + size for n, size in zip(before, sizes, strict=True))
        room = self._paths
        room.xy[before[0]:vertex] = more.xy
        room.path_start[before[1]:path + 1] = more.path_start + before[0]
        room.part_start[before[2]:part + 1] = more.part_start + before[1]
        room.part_is_polygon[before[2]:part] = more.part_is_polygon
        room.geometry_start[self.n_rows:self.n_rows + len(more.geometry_start)] = more.geometry_start + before[2]
        return vertex, path, part


def _longer(old: NDArray[Any], lacking: int) -> NDArray[Any]:
    """Return an array with at least as much room again."""
    return np.concatenate([old, np.empty((len(old) + lacking, *old.shape[1:]), dtype=old.dtype)])


def _bytes_in(file: Any, name: str) -> int:
    """Return the bytes of a column before compression."""
    groups = (file.metadata.row_group(i) for i in range(file.metadata.num_row_groups))
    chunks = (group.column(i) for group in groups for i in range(group.num_columns))
    return sum(int(chunk.total_uncompressed_size) for chunk in chunks if chunk.path_in_schema == name)


def _without(schema: Any, columns: Sequence[str]) -> Any:
    """Return a schema of those columns alone."""
    import pyarrow as pa

    return pa.schema([schema.field(name) for name in columns])


def _bytes_of(array: Any) -> tuple[NDArray[np.uint8], NDArray[np.int64], NDArray[np.bool_]]:
    """Return the bytes of an Arrow array, where each value begins, with the end, and whether it is there."""
    import pyarrow as pa

    binary = array.cast(pa.large_binary())
    _, offsets, content = binary.buffers()
    data = np.frombuffer(content, dtype=np.uint8) if content is not None else np.empty(0, dtype=np.uint8)
    if not len(binary):
        return data, np.zeros(1, dtype=np.int64), np.empty(0, dtype=np.bool_)
    start = np.frombuffer(offsets, dtype=np.int64)[binary.offset:binary.offset + len(binary) + 1]
    if not binary.null_count:
        return data, start, np.ones(len(binary), dtype=np.bool_)
    return data, start, binary.is_valid().to_numpy(zero_copy_only=False)


def _geometry_column(schema: Any, path: Path | str) -> str:
    """Return the column of geometries that the file names first."""
    try:
        geo = json.loads((schema.metadata or {})[b"geo"])
        name = str(geo["primary_column"])
        encoding = str(geo["columns"][name]["encoding"])
    except (KeyError, TypeError, ValueError) as error:
        raise LayerError(f"{path} is a Parquet table without a geometry column; export it as GeoParquet",
                         f"{path} 是没有几何列的 Parquet 表；请导出为 GeoParquet") from error
    if encoding != "WKB":
        raise LayerError(f"{path}: the geometry is encoded as {encoding}; write it as WKB",
                         f"{path}：几何编码为 {encoding}；请改以 WKB 写出")
    return name


def _check_columns(wanted: Sequence[str], known: Sequence[str], path: Path | str) -> None:
    missing = [column for column in wanted if column not in known]
    if missing:
        raise LayerError(f"{path} has no column {', '.join(missing)}; it has: {', '.join(known)}",
                         f"{path} 没有字段 {'、'.join(missing)}；现有字段：{'、'.join(known)}")


def boxes_of(column: Any) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Return the boxes of the geometries of an Arrow column, and how many vertices they have.

    Parameters
    ----------
    column
        Chunked column of well-known binary, n rows.

    Returns
    -------
    boxes : numpy.ndarray
        Least x, least y, greatest x, greatest y, shape (n, 4); NaN where there is no geometry.
    n_vertices : numpy.ndarray
        Shape (n,).
    """
    found = [_boxes_of_chunk(chunk) for chunk in column.chunks]
    return (np.concatenate([np.empty((0, 4)), *(box for box, _ in found)]),
            np.concatenate([np.empty(0, dtype=np.int64), *(count for _, count in found)]))


def _boxes_of_chunk(chunk: Any) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    import shapely

    from gis import _wkb_kernels as kernels

    given = _bytes_of(chunk)
    box, n_vertices = np.empty((len(chunk), 4)), np.empty(len(chunk), dtype=np.int64)
    if kernels.measure(*given)[0] == kernels.OTHER or not kernels.boxes(*given, box, n_vertices):
        with np.errstate(invalid="ignore"):
            shapes = shapely.from_wkb(chunk.to_numpy(zero_copy_only=False), on_invalid="ignore")
        return shapely.bounds(shapes).reshape(-1, 4), shapely.get_num_coordinates(shapes).astype(np.int64)
    return box, n_vertices


def _by_objects(binary: Any) -> Paths:
    """Take apart what the kernel leaves: collections, the other byte order, points of NaN, broken bytes."""
    import shapely

    # Numpy warns of a coordinate that is not a number; flatten leaves such a geometry out.
    with np.errstate(invalid="ignore"):
        return flatten(shapely.from_wkb(binary.to_numpy(zero_copy_only=False), on_invalid="ignore"))
