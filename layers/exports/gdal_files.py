"""The one place where GDAL writes: whole or not at all, the same bytes for the same input, errors in one sentence."""

from __future__ import annotations

import tempfile
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import geopandas as gpd
import numpy as np
import pandas as pd
import pyogrio
import shapely
from numpy.typing import NDArray
from pyogrio.errors import DataLayerError, DataSourceError, FeatureError, FieldError, GeometryError

from gis.errors import ExportError
from layers.exports.files import replace_file
from layers.exports.geoparquet import arrow_column, arrow_type, wkb_as_is
from layers.exports.layer_rows import Features, HeldRows, Rows, common_type

FIXED_TIME = "2000-01-01T00:00:00.000Z"
"""What stands where a format wants a time of writing: the same study gives the same file."""

ROWS_PER_BLOCK = 100_000
_FOREIGN = (DataSourceError, DataLayerError, FeatureError, FieldError, GeometryError)
_SETTINGS = threading.Lock()


@contextmanager
def drafted(path: Path | str) -> Iterator[Path]:
    """Let the block write a file of the same name in a folder beside, and put it in its place when the block is done.

    GDAL looks at the ending of a name, and keeps journals beside its file; both want a folder of their own.

    Parameters
    ----------
    path
        The file to write.

    Yields
    ------
    Path
        The file that the block must write.

    Raises
    ------
    ExportError
        The file cannot be written.
    """
    target = Path(path)
    with (replace_file(target) as partial,
          tempfile.TemporaryDirectory(prefix=".draft-", dir=target.parent) as folder):
        draft = Path(folder) / target.name
        yield draft
        draft.replace(partial)


def write_rows(rows: Features, path: Path, *, driver: str, layer: str, encoding: str | None = None,
               options: Mapping[str, str] | None = None, n_rows: int = ROWS_PER_BLOCK) -> None:
    """Write features block by block as one layer of a file, in a format that takes further ones at any time.

    Parameters
    ----------
    rows
        Features with a CRS.
    path
        The file; one that is there gets a further layer.
    driver
        GDAL's name of the format.
    layer
        Name of the layer.
    encoding
        Text encoding, where the format leaves a choice.
    options
        Creation options of the layer.
    n_rows
        Features handed over at a time.

    Raises
    ------
    ExportError
        GDAL refuses.
    """
    kind, is_multi = common_type(rows.geometry_types)
    keywords: dict[str, Any] = {"driver": driver, "layer": layer, "geometry_type": kind, "promote_to_multi": is_multi}
    if encoding:
        keywords["encoding"] = encoding
    with _writing(path, layer):
        for place, block in enumerate(rows.blocks(n_rows) if len(rows) else [rows.head(0)]):
            more = {"append": True} if place else dict(options or {})
            pyogrio.write_dataframe(_plain(block), path, **keywords, **more)


def write_stream(rows: Rows, path: Path, *, driver: str, layer: str, options: Mapping[str, str]) -> None:
    """Write features as a file of one layer, in a format that is written in one go.

    What is not in memory is handed over as a stream of blocks, by pyarrow, which read it.

    Parameters
    ----------
    rows, path, driver, layer, options
        As for ``write_rows``.

    Raises
    ------
    ExportError
        GDAL refuses.
    """
    if isinstance(rows, HeldRows):
        write_rows(rows, path, driver=driver, layer=layer, options=options, n_rows=max(len(rows), 1))
        return
    import pyarrow as pa  # type: ignore[import-untyped]

    kind, is_multi = common_type(rows.geometry_types)
    schema = pa.schema([pa.field(str(name), arrow_type(dtype)) for name, dtype in rows.head(1).dtypes.items()])
    crs = rows.head(1).crs

    def batches() -> Iterator[Any]:
        for block in rows.blocks(ROWS_PER_BLOCK):
            shapes = block.geometry
            if is_multi:
                shapes = gpd.GeoSeries(made_multiple(np.asarray(shapes.array, dtype=object)), crs=crs)
            columns = [wkb_as_is(shapes) if field.name == block.geometry.name
                       else arrow_column(block[field.name], field.type) for field in schema]
            yield pa.RecordBatch.from_arrays(columns, schema=schema)

    with _writing(path, layer):
        pyogrio.write_arrow(pa.RecordBatchReader.from_batches(schema, batches()), path, driver=driver, layer=layer,
                            geometry_name="geometry", geometry_type=kind, crs=crs.to_wkt(), **options)


def write_table(table: pd.DataFrame, path: Path, *, driver: str, layer: str, options: Mapping[str, str]) -> None:
    """Write a table without geometry as a further layer of a file.

    Raises
    ------
    ExportError
        GDAL refuses.
    """
    with _writing(path, layer):
        pyogrio.write_dataframe(_plain(table), path, driver=driver, layer=layer, append=False, **options)


def made_multiple(shapes: NDArray[np.object_]) -> NDArray[np.object_]:
    """Return geometries with single ones as multiple ones of one part."""
    found = shapes.copy()
    singles = np.isin(shapely.get_type_id(shapes), (0, 1, 3))
    makers: dict[int, Any] = {0: shapely.multipoints, 1: shapely.multilinestrings, 3: shapely.multipolygons}
    for row in np.flatnonzero(singles):
        found[row] = makers[int(shapely.get_type_id(shapes[row]))]([shapes[row]])
    return found


def _plain(block: pd.DataFrame) -> pd.DataFrame:
    """Return a block without categories, which GDAL does not know."""
    words = [name for name, dtype in block.dtypes.items() if isinstance(dtype, pd.CategoricalDtype)]
    return block.assign(**{str(name): block[name].astype(object) for name in words}) if words else block


@contextmanager
def _writing(path: Path, layer: str) -> Iterator[None]:
    """Let the block write with GDAL's clock stopped; what GDAL refuses becomes a sentence."""
    # The settings are those of the process, and so is the lock on them.
    with _SETTINGS, _fixed_date():
        try:
            yield
        except _FOREIGN as error:
            raise _refused(path, layer, error) from error


@contextmanager
def _fixed_date() -> Iterator[None]:
    before = pyogrio.get_gdal_config_option("OGR_CURRENT_DATE")
    pyogrio.set_gdal_config_options({"OGR_CURRENT_DATE": FIXED_TIME})
    try:
        yield
    finally:
        pyogrio.set_gdal_config_options({"OGR_CURRENT_DATE": before})


def _refused(path: Path, layer: str, error: Exception) -> ExportError:
    reason = " ".join(str(error).split())[:200]
    return ExportError(
        f"cannot write layer {layer} to {path.name}: {reason}; free some space or choose another format",
        f"无法将图层 {layer} 写入 {path.name}：{reason}；请清理磁盘空间或换一种格式",
    )
