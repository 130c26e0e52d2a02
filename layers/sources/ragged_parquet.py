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

from gis.errors import LayerError, LayerUnavailableError
from gis.ragged import Paths, flatten


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
        with pq.ParquetFile(path, memory_map=True) as file:
            name = _geometry_column(file.schema_arrow, path)
            _check_columns([name, *columns], file.schema_arrow.names, path)
            table = file.read(columns=[*columns, name])
    except (OSError, ValueError, pa.ArrowException) as error:
        raise LayerError(f"{path} cannot be read as GeoParquet ({error}); check that the file is complete",
                         f"{path} 无法作为 GeoParquet 读取（{error}）；请检查文件是否完整") from error
    attributes = table.drop_columns([name]).to_pandas(ignore_metadata=True)
    return RaggedLayer(_decoded(table[name].chunks), attributes[list(columns)])


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


def _decoded(chunks: Sequence[Any]) -> Paths:
    """Take the geometries of an Arrow column apart, chunk after chunk."""
    return _one_after_another([_decoded_chunk(chunk) for chunk in chunks])


def _decoded_chunk(chunk: Any) -> Paths:
    import pyarrow as pa

    from gis import _wkb_kernels as kernels

    binary = chunk.cast(pa.large_binary())
    _, offsets, bytes_of = binary.buffers()
    start = np.frombuffer(offsets, dtype=np.int64)[binary.offset:binary.offset + len(binary) + 1] if len(binary) \
        else np.zeros(1, dtype=np.int64)
    data = np.frombuffer(bytes_of, dtype=np.uint8) if bytes_of is not None else np.empty(0, dtype=np.uint8)
    is_there = binary.is_valid().to_numpy(zero_copy_only=False)
    n_parts, n_paths, n_vertices = kernels.measure(data, start, is_there)
    if n_parts != kernels.OTHER:
        paths = Paths(np.empty((n_vertices, 2)), np.empty(n_paths + 1, dtype=np.int64),
                      np.empty(n_parts + 1, dtype=np.int64), np.empty(n_parts, dtype=np.bool_),
                      np.empty(len(binary) + 1, dtype=np.int64))
        if kernels.unpack(data, start, is_there, *paths):
            return paths
    return _by_objects(binary)


def _by_objects(binary: Any) -> Paths:
    """Take apart what the kernel leaves: collections, the other byte order, points of NaN, broken bytes."""
    import shapely

    # Numpy warns of a coordinate that is not a number; flatten leaves such a geometry out.
    with np.errstate(invalid="ignore"):
        return flatten(shapely.from_wkb(binary.to_numpy(zero_copy_only=False), on_invalid="ignore"))


def _one_after_another(parts: Sequence[Paths]) -> Paths:
    if len(parts) == 1:
        return parts[0]
    if not parts:
        return flatten(np.empty(0, dtype=object))
    return Paths(np.concatenate([part.xy for part in parts]), _joined_starts([part.path_start for part in parts]),
                 _joined_starts([part.part_start for part in parts]),
                 np.concatenate([part.part_is_polygon for part in parts]),
                 _joined_starts([part.geometry_start for part in parts]))


def _joined_starts(starts: Sequence[Any]) -> Any:
    """Join lists of starts, each with its end, into one that counts on."""
    return np.concatenate([np.zeros(1, dtype=np.int64), np.cumsum(np.concatenate([np.diff(s) for s in starts]))])
