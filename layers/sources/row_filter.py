"""OGR conditions on tables that OGR does not read itself (CSV with coordinates, GeoParquet)."""

from __future__ import annotations

import tempfile
from collections.abc import Collection
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from gis.errors import LayerError
from layers.sources.files import gdal_silence

_ROW_NUMBER = "__row_number__"


def rows_where(table: pd.DataFrame, where: str, name: str,
               numeric: Collection[str] | None = None) -> NDArray[np.bool_]:
    """Tell which rows meet a condition, by the SQL of a temporary GeoPackage.

    Parameters
    ----------
    table
        Attributes, without geometry. A text column that holds nothing but numbers is compared as
        numbers with a number and as text with a text.
    where
        SQL condition on the columns; a Chinese column name goes in double quotes.
    name
        Layer, for the message.
    numeric
        The text columns that hold nothing but numbers, where ``table`` holds some rows of many; judged by ``table``
        alone if None.

    Returns
    -------
    ndarray of bool
        Shape (rows,).

    Raises
    ------
    LayerError
        The condition is not one, or names a column that is not there.
    """
    import pyogrio

    numbers = numeric_columns(table) if numeric is None else frozenset(numeric)
    typed = pd.DataFrame({str(column): _typed(table[column], is_number=str(column) in numbers)
                          for column in table.columns}).reset_index(drop=True)
    with tempfile.TemporaryDirectory() as folder:
        path = str(Path(folder) / "rows.gpkg")
        try:
            with gdal_silence():
                pyogrio.write_dataframe(typed, path, layer="rows", FID=_ROW_NUMBER)
                found = pyogrio.read_dataframe(path, where=where, read_geometry=False, fid_as_index=True)
        except (ValueError, RuntimeError) as error:
            raise bad_condition(name, where, list(typed.columns)) from error
    return np.isin(np.arange(1, len(typed) + 1), found.index.to_numpy())


def bad_condition(name: str, where: str, columns: list[str]) -> LayerError:
    """Return the error of a condition that cannot be evaluated, with the columns that are there."""
    return LayerError(
        f"layer {name!r}: the condition where = {where!r} cannot be evaluated; columns of the file: "
        f"{', '.join(columns)} (put a Chinese name in double quotes)",
        f"图层 {name!r}：条件 where = {where!r} 无法执行；文件的字段有：{'、'.join(columns)}（中文字段名须加双引号）",
    )


def numeric_columns(table: pd.DataFrame) -> frozenset[str]:
    """Return the columns of text that hold nothing but numbers."""
    # A date is no number, although it can be counted in nanoseconds.
    texts = [column for column in table.columns if table[column].dtype.kind in "OTU"]
    return frozenset(str(column) for column in texts if len(table) == 0 or bool(
        (pd.to_numeric(table[column], errors="coerce").notna() == table[column].notna()).all()))


def _typed(column: pd.Series[Any], *, is_number: bool) -> pd.Series[Any]:
    if column.dtype.kind in "biuf":
        return column
    if is_number and len(column):
        return pd.to_numeric(column, errors="coerce")
    return pd.Series([None if value is None or value is pd.NA or value != value else str(value)
                      for value in column.tolist()], index=column.index, dtype=object)
