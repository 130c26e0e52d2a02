"""The values of a column as text, for JSON and for CSV: each distinct word is written once, each number once for both.

A study is written as several text files that hold the same numbers under different headings. Writing a number in
the fewest digits that read back the same takes longer than anything else, so that ``ColumnTexts`` keeps them.
"""

from __future__ import annotations

import csv
import io
import json
import math
import re
from collections.abc import Callable, Mapping
from functools import cached_property
from json.encoder import encode_basestring
from typing import Any

import numpy as np
import pandas as pd

# One for all values: json.dumps would make a new one for each.
_ENCODER = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), allow_nan=False)
# A spreadsheet runs a cell that begins with one of these; text from a layer is data, never a formula.
_FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r")
_ODD = re.compile(r'^[=+@\t\r-]|[,"\n\r]').search
"""Tells text that is written otherwise than as it stands."""

_FEW = 4
"""A column of which each number occurs so often on average is written number by number."""


class ColumnTexts:
    """One column as text."""

    def __init__(self, column: pd.Series[Any]) -> None:
        """Take a column of any type."""
        self._column = column

    @cached_property
    def for_json(self) -> list[str]:
        """Each value as JSON; what JSON cannot write (missing, NaN, infinity) as ``null``."""
        if isinstance(self._column.dtype, pd.CategoricalDtype):
            return self._words(json_text, "null")
        if self._kind == "b":
            return ["true" if value else "false" for value in self._column.tolist()]
        if self._kind in "iuf":
            return self._with("null", np.isfinite(self._values))
        return [json_text(value) for value in self._column.tolist()]

    @cached_property
    def for_csv(self) -> list[str]:
        """Each value as a cell of a comma-separated table, quoted where it must be; what is missing is empty."""
        if isinstance(self._column.dtype, pd.CategoricalDtype):
            return self._words(csv_text, "")
        if self._kind == "b":
            return ["True" if value else "False" for value in self._column.tolist()]
        if self._kind in "iuf":
            return self._with("", ~np.isnan(self._values))
        if getattr(self._column.dtype, "kind", "O") in "mM":
            return [csv_text(text) for text in self._column.astype(str).where(self._column.notna(), "")]
        return [csv_text(value) for value in self._column.tolist()]

    @property
    def _kind(self) -> str:
        """Return the kind of a column of plain numbers or truth values, nullable whole numbers among them; else O."""
        dtype = self._column.dtype
        if isinstance(dtype, np.dtype):
            return dtype.kind
        return "i" if isinstance(dtype, pd.Int64Dtype) else "O"

    @cached_property
    def _values(self) -> Any:
        return self._column.to_numpy(dtype=np.float64, na_value=np.nan)

    @cached_property
    def _numbers(self) -> list[str]:
        """Return every number in the fewest digits that read back the same."""
        values: list[Any] = (self._column.tolist() if isinstance(self._column.dtype, np.dtype)
                             else self._column.to_numpy(dtype=np.int64, na_value=0).tolist())
        if self._kind != "f":
            return list(map(int.__repr__, values))
        codes, distinct = pd.factorize(self._column.to_numpy())
        if len(distinct) * _FEW > len(values) or 0.0 in distinct:  # 0.0 and -0.0 are equal and written differently
            return list(map(float.__repr__, values))
        written = [*map(float.__repr__, distinct.tolist()), "nan"]
        return [written[code] for code in codes.tolist()]

    def _with(self, missing: str, is_there: Any) -> list[str]:
        if is_there.all():
            return self._numbers
        found = self._numbers.copy()
        for row in np.flatnonzero(~is_there).tolist():
            found[row] = missing
        return found

    def _words(self, write: Callable[[object], str], missing: str) -> list[str]:
        written = [*map(write, self._column.cat.categories.tolist()), missing]
        return [written[code] for code in self._column.cat.codes.tolist()]


def column_texts(frame: pd.DataFrame) -> dict[str, ColumnTexts]:
    """Return the columns of a frame as text, its geometry left out."""
    return {str(name): ColumnTexts(frame[name]) for name, dtype in frame.dtypes.items() if str(dtype) != "geometry"}


def json_text(value: object) -> str:
    """Return one value as JSON; a mapping or a list as such, a time as ISO 8601, anything else by its text."""
    return encode_basestring(value) if type(value) is str else _ENCODER.encode(_plain(value))


def _plain(value: object) -> object:
    if value is None or isinstance(value, str | bool | int):
        return value
    if isinstance(value, np.ndarray | np.generic):
        return _plain(value.tolist())
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {str(key): _plain(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(inner) for inner in value]
    if value is pd.NaT or value is pd.NA:
        return None
    isoformat = getattr(value, "isoformat", None)
    return isoformat() if callable(isoformat) else str(value)


def csv_text(value: object) -> str:
    """Return one value as a cell: quoted where it must be, never a formula, a list joined by "; "."""
    if type(value) is str and not _ODD(value):
        return value
    if isinstance(value, list | tuple):
        value = "; ".join(str(part) for part in value)
    if value is None or value is pd.NA or value is pd.NaT or (isinstance(value, float) and math.isnan(value)):
        return ""
    if isinstance(value, str) and value.startswith(_FORMULA_STARTS) and not _is_number(value):
        value = "'" + value
    held = io.StringIO()
    # A second cell, because a row of one empty cell is written unlike an empty cell among others.
    csv.writer(held, lineterminator="\n").writerow([value, 0])
    return held.getvalue().removesuffix(",0\n")


def _is_number(text: str) -> bool:
    try:
        return math.isfinite(float(text))
    except ValueError:
        return False
