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

_SAMPLE_ROWS = 10_000


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
    places, results = coded(column, parse)
    return np.asarray(results[places], dtype=object)


def coded(column: pd.Series[Any], parse: Callable[[Any], object]) -> tuple[NDArray[np.intp], NDArray[np.object_]]:
    """Return what ``parse`` makes of every cell as a list of results and the place of each cell in it.

    Parameters
    ----------
    column, parse
        As for :func:`parsed`.

    Returns
    -------
    places : numpy.ndarray
        Shape (rows,).
    results : numpy.ndarray
        Objects; the last is that of a missing cell. Two of them may be equal.
    """
    if not _is_of_one_type(column):
        return np.arange(len(column)), _as_objects([*(parse(value) for value in column.tolist()), parse(None)])
    numbers, distinct = pd.factorize(column)
    results = _as_objects([*(parse(value) for value in distinct.tolist()), parse(None)])
    return np.where(numbers < 0, len(results) - 1, numbers), results


def trimmed(column: pd.Series[Any]) -> NDArray[np.object_]:
    """Return the cells of a text column without blanks at their ends; None for blanks and missing cells.

    A column that repeats itself is taken by distinct value, so that equal cells are one object.

    Parameters
    ----------
    column
        Text in Arrow's memory (see :func:`is_arrow_text`).

    Returns
    -------
    numpy.ndarray
        Text or None, shape (rows,).
    """
    import pyarrow as pa  # type: ignore[import-untyped]
    import pyarrow.compute as pc  # type: ignore[import-untyped]

    given = pa.array(column.array)
    text = pc.utf8_trim_whitespace(pa.chunked_array([given]) if isinstance(given, pa.Array) else given)
    text = pc.if_else(pc.equal(text, ""), pa.scalar(None, text.type), text)
    head = text.slice(0, _SAMPLE_ROWS)
    if pc.count_distinct(head).as_py() * 2 > len(head):
        return np.asarray(text.to_numpy(zero_copy_only=False), dtype=object)
    codes = text.combine_chunks().dictionary_encode()
    words = _as_objects([*codes.dictionary.to_pylist(), None])
    return np.asarray(words[codes.indices.fill_null(len(words) - 1).to_numpy(zero_copy_only=False)], dtype=object)


def is_arrow_text(column: pd.Series[Any]) -> bool:
    """Tell whether a column is text in Arrow's memory, as files of many rows are read."""
    return isinstance(column.dtype, pd.StringDtype) and column.dtype.storage == "pyarrow"


def _is_of_one_type(column: pd.Series[Any]) -> bool:
    if isinstance(column.dtype, np.dtype) and column.dtype.kind in "iuf":
        # Negative zero equals zero but is written otherwise.
        return column.dtype.kind != "f" or not bool((np.signbit(column.to_numpy()) & (column.to_numpy() == 0.0)).any())
    return is_arrow_text(column) or pd.api.types.infer_dtype(column, skipna=True) in ("string", "empty")


def _as_objects(values: list[object]) -> NDArray[np.object_]:
    return np.fromiter(values, dtype=object, count=len(values))
