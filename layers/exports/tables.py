"""Tables as CSV that Excel opens with Chinese text intact."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

import geopandas as gpd
import pandas as pd

from layers.exports.files import replace_file

# A spreadsheet runs a cell that begins with one of these; text from a layer is data, never a formula.
_FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r")


def write_csv(table: pd.DataFrame, path: Path | str, *,
              columns: Sequence[tuple[str, str]] | None = None) -> Path:
    """Write the attributes of a table or frame as UTF-8 CSV with a byte-order mark.

    Text that a spreadsheet would run as a formula gets a leading apostrophe; numbers written as
    text are left alone. A list becomes text joined by "; ". The same table gives the same bytes.

    Parameters
    ----------
    table
        Rows to write; the geometry of a frame is left out.
    path
        The file to write.
    columns
        Pairs of column and heading, in the order wanted; None for all columns under their names.

    Returns
    -------
    Path
        The file written.

    Raises
    ------
    ExportError
        The file cannot be written.
    """
    plain = pd.DataFrame(table.drop(columns=_geometry_columns(table)))
    if columns is not None:
        plain = plain[[column for column, _ in columns]]
        plain.columns = pd.Index([heading for _, heading in columns])
    safe = plain.apply(lambda column: column if column.dtype.kind in "biuf" else column.map(_cell))
    with replace_file(path) as partial:
        safe.to_csv(partial, index=False, encoding="utf-8-sig", lineterminator="\n", errors="replace")
    return Path(path)


def _geometry_columns(table: pd.DataFrame) -> list[str]:
    if not isinstance(table, gpd.GeoDataFrame):
        return []
    return [str(name) for name, dtype in table.dtypes.items() if str(dtype) == "geometry"]


def _cell(value: object) -> object:
    if isinstance(value, list | tuple):
        value = "; ".join(str(part) for part in value)
    if isinstance(value, str) and value.startswith(_FORMULA_STARTS) and not _is_number(value):
        return "'" + value
    return value


def _is_number(text: str) -> bool:
    try:
        return math.isfinite(float(text))
    except ValueError:
        return False
