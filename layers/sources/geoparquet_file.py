"""GeoParquet read a few rows at a time, so that little memory is needed beside the frame itself.

The bytes of a geometry are turned into an object while the next rows are decoded by another thread,
and are then let go: of a million polygons they would take as much memory as the polygons. What the
file means (CRS, index, types of columns) is what geopandas makes of a file of the same schema
without rows. Files that it reads in other ways (several geometry columns, GeoArrow) are left to it.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any, TypeVar

import geopandas as gpd
import numpy as np
import pandas as pd
import shapely

from gis.errors import LayerError, LayerUnavailableError
from gis.vector import flat
from layers.sources.files import gdal_silence, not_a_vector_file

Item = TypeVar("Item")

_ROWS = 32_768
_BUFFER_BYTES = 1 << 20


@dataclass(frozen=True, eq=False)
class GeoParquet:
    """An open file with one column of geometries in well-known binary."""

    file: Any
    """``pyarrow.parquet.ParquetFile``."""

    like: gpd.GeoDataFrame
    """The frame of such a file without rows."""

    path: Path
    """Where it lies, for messages."""

    name: str
    """Layer, for messages."""

    @property
    def n_rows(self) -> int:
        """Rows in the file."""
        return int(self.file.metadata.num_rows)

    def tables(self, columns: Sequence[str], rows: int) -> Iterator[Any]:
        """Yield Arrow tables of ``rows`` rows in order, the last one shorter; the next is decoded meanwhile."""
        import pyarrow as pa  # type: ignore[import-untyped]

        found: list[Any] = []
        n_found = 0
        with _foreign_errors(self.path, self.name):
            # The reader may cut where row groups end.
            for batch in ahead(self.file.iter_batches(min(rows, _ROWS), columns=list(columns))):
                found.append(batch)
                n_found += batch.num_rows
                while n_found >= rows:
                    table = pa.Table.from_batches(found)
                    yield table.slice(0, rows)
                    found, n_found = table.slice(rows).to_batches(), n_found - rows
            if n_found:
                yield pa.Table.from_batches(found)

    @property
    def attributes(self) -> list[str]:
        """Columns but that of the geometries."""
        return [str(name) for name in self.like.columns if name != self.like.geometry.name]

    def parts(self, rows: int, columns: Sequence[str], *,
              with_geometry: bool = True) -> Iterator[tuple[pd.DataFrame, Any]]:
        """Yield some attributes of ``rows`` rows in order, and the Arrow column of geometries beside them.

        A column is of the same type in every part, whether or not the part has missing values in it.
        """
        geometry = str(self.like.geometry.name)
        with_gaps = self._with_gaps(columns)
        for table in self.tables([*columns, geometry] if with_geometry or not columns else columns, rows):
            frame = self._attributes(table.select(list(columns)))
            # A file may name another type for pandas, which has room for gaps.
            plain = {name: kind for name, kind in with_gaps.items() if isinstance(frame[name].dtype, np.dtype)}
            yield frame.astype(plain), table[geometry] if with_geometry else None

    def frames(self, rows: int) -> Iterator[gpd.GeoDataFrame]:
        """Yield frames of ``rows`` rows in order, the last one shorter, each with a RangeIndex from 0."""
        for attributes, column in self.parts(rows, self.attributes):
            yield self._frame(attributes, _decoded(column))

    def whole(self) -> gpd.GeoDataFrame:
        """Return all rows, with a RangeIndex."""
        import pyarrow as pa

        geometry = str(self.like.geometry.name)
        shapes, parts, row = np.empty(self.n_rows, dtype=object), [], 0
        for table in self.tables([*self.attributes, geometry], _ROWS):
            shapes[row:row + len(table)] = _decoded(table[geometry])
            row += len(table)
            parts.append(table.drop_columns([geometry]))
        return self._frame(self._attributes(pa.concat_tables(parts)), shapes) if parts else self.like.copy()

    def _attributes(self, table: Any) -> pd.DataFrame:
        if not table.num_columns:
            return pd.DataFrame(index=pd.RangeIndex(len(table)))
        with _foreign_errors(self.path, self.name):
            found: pd.DataFrame = table.replace_schema_metadata(self.file.schema_arrow.metadata).to_pandas()
        return found.reset_index(drop=True)

    def _frame(self, attributes: pd.DataFrame, shapes: Any) -> gpd.GeoDataFrame:
        name = str(self.like.geometry.name)
        attributes.insert(list(self.like.columns).index(name), name, gpd.GeoSeries(shapes, crs=self.like.crs))
        return gpd.GeoDataFrame(attributes, geometry=name)

    def _with_gaps(self, columns: Sequence[str]) -> dict[str, str]:
        """Return the type that a column of whole numbers or truth values has, where the file has gaps in it."""
        import pyarrow as pa

        types = {name: self.file.schema_arrow.field(name).type for name in columns}
        whole = [name for name, kind in types.items() if pa.types.is_integer(kind) or pa.types.is_boolean(kind)]
        n_gaps = dict.fromkeys(whole, 0)
        for table in self.tables(whole, _ROWS) if whole else ():
            for name in whole:
                n_gaps[name] += table[name].null_count
        return {name: "object" if pa.types.is_boolean(types[name]) else "float64" for name in whole if n_gaps[name]}


def read_geoparquet(path: Path, name: str) -> gpd.GeoDataFrame:
    """Read a whole GeoParquet file.

    Parameters
    ----------
    path
        The file.
    name
        Layer, for the messages.

    Returns
    -------
    geopandas.GeoDataFrame
        As geopandas reads it, with a RangeIndex and without heights; a geometry that cannot be read is None.

    Raises
    ------
    LayerUnavailableError
        The package pyarrow is not installed.
    LayerError
        The file cannot be read, or is a table without geometry.
    """
    with opened(path, name) as layer:
        if layer is not None:
            return layer.whole()
    with _foreign_errors(path, name), gdal_silence():
        frame = gpd.read_parquet(path).reset_index(drop=True)
        plane = gpd.GeoSeries(flat(frame.geometry.to_numpy()), crs=frame.crs, name=frame.geometry.name)
        return frame.set_geometry(plane)


@contextmanager
def opened(path: Path, name: str) -> Iterator[GeoParquet | None]:
    """Open a GeoParquet file to read it in parts; None where only geopandas can read it, as a whole.

    Parameters
    ----------
    path, name
        As for :func:`read_geoparquet`.

    Raises
    ------
    LayerUnavailableError, LayerError
        As for :func:`read_geoparquet`.
    """
    with ExitStack() as stack:
        with _foreign_errors(path, name):
            import pyarrow.parquet as pq  # type: ignore[import-untyped]

            file = stack.enter_context(pq.ParquetFile(path, buffer_size=_BUFFER_BYTES, pre_buffer=False))
            layer = GeoParquet(file, _like(file.schema_arrow), path, name) if _is_plain(file.schema_arrow) else None
        yield layer


@contextmanager
def _foreign_errors(path: Path, name: str) -> Iterator[None]:
    """Say what pyarrow and geopandas complain of in our words."""
    try:
        yield
    except ImportError as error:
        raise LayerUnavailableError(
            f"layer {name!r}: GeoParquet needs the package pyarrow; run: pip install suanzhi[parquet]",
            f"图层 {name!r}：读取 GeoParquet 需要 pyarrow；请运行 pip install suanzhi[parquet]",
        ) from error
    except (ValueError, OSError, TypeError) as error:
        if "geo metadata" in str(error):
            raise LayerError(
                f"layer {name!r}: {path} is a Parquet table without a geometry column; export it as GeoParquet",
                f"图层 {name!r}：{path} 是没有几何列的 Parquet 表；请导出为 GeoParquet",
            ) from error
        raise not_a_vector_file(path, name, error) from error


def _is_plain(schema: Any) -> bool:
    """Tell whether the file has one column of geometries, in well-known binary."""
    import pyarrow as pa

    try:
        columns = json.loads((schema.metadata or {})[b"geo"])["columns"]
        (name, about), = columns.items()
        return bool(about["encoding"] == "WKB" and schema.field(name).type in (pa.binary(), pa.large_binary()))
    except (KeyError, TypeError, ValueError):
        return False


def _like(schema: Any) -> gpd.GeoDataFrame:
    """Return the frame of a file of that schema without rows."""
    import pyarrow.parquet as pq

    empty = BytesIO()
    pq.write_table(schema.empty_table(), empty)
    with gdal_silence():
        return gpd.read_parquet(BytesIO(empty.getvalue())).reset_index(drop=True)


def _decoded(column: Any) -> Any:
    """Return the geometries of an Arrow column, without heights; None for bytes that are none."""
    # Numpy warns of a coordinate that is not a number, which is dealt with row by row later.
    with np.errstate(invalid="ignore"):
        return flat(shapely.from_wkb(column.to_numpy(), on_invalid="ignore"))


def ahead(items: Iterator[Item]) -> Iterator[Item]:
    """Yield the items, the next one being made by another thread meanwhile.

    Parameters
    ----------
    items
        Whatever makes them lets go of Python's lock, or nothing is won.
    """
    end = object()
    with ThreadPoolExecutor(1) as thread:
        coming = thread.submit(next, items, end)
        while (item := coming.result()) is not end:
            coming = thread.submit(next, items, end)
            yield item  # type: ignore[misc]
