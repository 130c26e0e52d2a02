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
from pyogrio.errors import DataLayerError, DataSourceError, FeatureError, FieldError, GeometryError

from gis.errors import ExportError
from layers.exports.files import replace_file

FIXED_TIME = "2000-01-01T00:00:00.000Z"
"""What stands where a format wants a time of writing: the same study gives the same file."""

ROWS_PER_BLOCK = 100_000
_TYPES = ("Point", "LineString", "LinearRing", "Polygon", "MultiPoint", "MultiLineString", "MultiPolygon")
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


def write_frame(frame: pd.DataFrame, path: Path, *, driver: str, layer: str, appends: bool = False,
                encoding: str | None = None, options: Mapping[str, str] | None = None) -> None:
    """Write a frame or table as one layer of a file.

    Parameters
    ----------
    frame
        Features with a CRS, or a table.
    path
        The file; one that is there gets a further layer.
    driver
        GDAL's name of the format.
    layer
        Name of the layer.
    appends
        The format takes features block by block, so that copies of the whole frame are spared.
    encoding
        Text encoding, where the format leaves a choice.
    options
        Creation options of the layer.

    Raises
    ------
    ExportError
        GDAL refuses.
    """
    n_rows = ROWS_PER_BLOCK if appends else max(len(frame), 1)
    kind, is_multi = _geometry_type(frame)
    # The settings are those of the process, and so is the lock on them.
    with _SETTINGS, _fixed_date():
        for start in range(0, max(len(frame), 1), n_rows):
            keywords: dict[str, Any] = dict(options or {}) if start == 0 else {}
            if isinstance(frame, gpd.GeoDataFrame):
                keywords |= {"geometry_type": kind, "promote_to_multi": is_multi}
            if encoding:
                keywords["encoding"] = encoding
            try:
                pyogrio.write_dataframe(_plain(frame.iloc[start:start + n_rows]), path, driver=driver, layer=layer,
                                        append=start > 0, **keywords)
            except _FOREIGN as error:
                raise _refused(path, layer, error) from error


def geometry_kind(frame: gpd.GeoDataFrame) -> str:
    """Return the kind of geometry that a file's layer is declared to hold (``MultiPolygon``), ``Unknown`` if mixed."""
    return _geometry_type(frame)[0] or "Unknown"


def _geometry_type(frame: pd.DataFrame) -> tuple[str | None, bool]:
    """Return the kind of geometry of a frame, and whether single parts must be made multiple for it."""
    if not isinstance(frame, gpd.GeoDataFrame):
        return None, False
    kinds = {_TYPES[i] if 0 <= i < len(_TYPES) else "Unknown"
             for i in np.unique(shapely.get_type_id(frame.geometry.to_numpy())).tolist() if i >= 0}
    if len(kinds) == 1:
        return kinds.pop(), False
    singles = {kind.removeprefix("Multi") for kind in kinds}
    return (f"Multi{singles.pop()}", True) if len(singles) == 1 else ("Unknown", False)


def _plain(block: pd.DataFrame) -> pd.DataFrame:
    """Return a block without categories, which GDAL does not know."""
    words = [name for name, dtype in block.dtypes.items() if isinstance(dtype, pd.CategoricalDtype)]
    return block.assign(**{str(name): block[name].astype(object) for name in words}) if words else block


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
