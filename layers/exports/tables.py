"""Tables as CSV that Excel opens with Chinese text intact."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pandas as pd

from layers.exports.cell_texts import ColumnTexts, column_texts
from layers.exports.files import replace_file


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
    texts = column_texts(table)
    pairs = [(name, name) for name in texts] if columns is None else columns
    with open_csv(path, [heading for _, heading in pairs]) as write:
        write([texts[column] for column, _ in pairs], len(table))
    return Path(path)


@contextmanager
def open_csv(path: Path | str, headings: Sequence[str]) -> Iterator[Callable[[Sequence[ColumnTexts], int], None]]:
    """Write a table block by block, as ``write_csv`` does a whole one.

    Parameters
    ----------
    path
        The file to write; it appears when the block is left without an error.
    headings
        First line.

    Yields
    ------
    Callable
        Writes some rows: their columns in the order of the headings, and how many they are.

    Raises
    ------
    ExportError
        The file cannot be written.
    """
    with replace_file(path) as partial, partial.open("w", encoding="utf-8-sig", errors="replace", newline="") as file:
        file.write(_line([_quoted(heading) for heading in headings]))

        def write(columns: Sequence[ColumnTexts], n_rows: int) -> None:
            rows = zip(*(column.for_csv for column in columns), strict=True) if columns else [()] * n_rows
            file.write("".join(map(_line, rows)))

        yield write


def _line(cells: Sequence[str]) -> str:
    # A row of one empty cell would read back as no row.
    return ",".join(cells) + "\n" if len(cells) != 1 or cells[0] else '""\n'


def _quoted(heading: str) -> str:
    # A heading is the product's or the user's own word for a column, and kept as it is.
    return '"' + heading.replace('"', '""') + '"' if any(mark in heading for mark in ',"\n\r') else heading
