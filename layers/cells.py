"""The cells of a column, every distinct text looked at once.

A column of a million rows holds a few hundred different words at most where words have a meaning, so that
parsing the distinct ones and handing the results out by number costs one pass of a hash table.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray


def parsed(column: pd.Series[Any], parse: Callable[[Any], object]) -> NDArray[np.object_]:
    """Return what ``parse`` makes of every cell.

    Parameters
    ----------
    column
        Cells of any type. A column of nothing but text and missing cells, or of plain numbers, is parsed by
        distinct value; in any other column each cell is parsed, because 1, 1.0 and True are equal there and do
        not mean the same.
    parse
        A function of the cell alone, which makes the same of every missing cell.

    Returns
    -------
    numpy.ndarray
        Results, shape (rows,), in the order of the rows.
    """
    if not _is_of_one_type(column):
        return _as_objects([parse(value) for value in column.tolist()])
    numbers, distinct = pd.factorize(column)
    # A missing cell has the number -1, which is the last entry.
    return _as_objects([*(parse(value) for value in distinct.tolist()), parse(None)])[numbers]


def _is_of_one_type(column: pd.Series[Any]) -> bool:
    if isinstance(column.dtype, np.dtype) and column.dtype.kind in "iuf":
        # Negative zero equals zero but is written otherwise.
        return column.dtype.kind != "f" or not bool((np.signbit(column.to_numpy()) & (column.to_numpy() == 0.0)).any())
    return pd.api.types.infer_dtype(column, skipna=True) in ("string", "empty")


def _as_objects(values: list[object]) -> NDArray[np.object_]:
    return np.fromiter(values, dtype=object, count=len(values))
