"""A workbook (.xlsx) for the office: summary, parcels, sites, edge centres, rules and data, each on its sheet."""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from gis.errors import ExportError
from layers.exports.bundles import Bundle, StudyLayer, StudyTable
from layers.exports.files import replace_file
from layers.exports.targets import place_titles, places_of

if TYPE_CHECKING:
    from xlsxwriter.format import Format
    from xlsxwriter.workbook import Workbook
    from xlsxwriter.worksheet import Worksheet

MOST_ROWS = 1_048_575
"""Rows of a sheet below its heading."""

_LONGEST_CELL = 32_767
_WIDEST = 48
_SAMPLE = 200
_CREATED = dt.datetime(2000, 1, 1, tzinfo=dt.UTC).replace(tzinfo=None)
_BLOCK = 50_000
_YES = {"zh": ("否", "是"), "en": ("no", "yes")}
_FORBIDDEN = str.maketrans(dict.fromkeys("[]:*?/\\'", "_"))


def write_workbook(bundle: Bundle, path: Path | str, *, layers: Sequence[str]) -> Path:
    """Write a study as a workbook: the same study gives the same bytes.

    Numbers are numbers, truth values are words, and text is text: none is ever run as a formula or made a link. Each
    layer's sheet ends with the coordinates of a point inside each feature, in the bundle's CRS.

    Parameters
    ----------
    bundle
        The study.
    path
        The file to write.
    layers
        Names of the layers that get a sheet, in order; those that the study lacks are passed over.

    Returns
    -------
    Path
        The file written.

    Raises
    ------
    ExportError
        XlsxWriter is not installed, a layer has more rows than a sheet, or the file cannot be written.
    """
    wanted = [layer for name in layers for layer in bundle.layers if layer.name == name]
    _check_rows(wanted)
    xlsxwriter = _xlsxwriter()
    with replace_file(path) as partial:
        options = {"constant_memory": True, "strings_to_formulas": False, "strings_to_urls": False,
                   "strings_to_numbers": False, "default_date_format": "yyyy-mm-dd"}
        book = xlsxwriter.Workbook(str(partial), options)
        title = bundle.heading.to(bundle.language)
        book.set_properties({"title": title[:255], "created": _CREATED})
        first, *rest = bundle.tables
        _write_table(book, bundle, first)
        for layer in wanted:
            _write_layer(book, bundle, layer)
        for table in rest:
            _write_table(book, bundle, table)
        try:
            book.close()
        except xlsxwriter.exceptions.XlsxFileError as error:
            raise ExportError(f"cannot write {path}: {error}; choose another folder",
                              f"无法写入 {path}：{error}；请换一个输出目录") from error
    return Path(path)


def _xlsxwriter() -> Any:
    try:
        import xlsxwriter
    except ImportError as error:
        raise ExportError("a workbook needs the package XlsxWriter; run: pip install suanzhi[xlsx]",
                          "输出 Excel 工作簿需要 XlsxWriter；请运行 pip install suanzhi[xlsx]") from error
    return xlsxwriter


def _check_rows(layers: Sequence[StudyLayer]) -> None:
    for layer in layers:
        if len(layer.rows) > MOST_ROWS:
            raise ExportError(
                f"layer {layer.name} has {len(layer.rows)} rows and a sheet holds {MOST_ROWS}; export it as gpkg",
                f"图层 {layer.name} 有 {len(layer.rows)} 行，而一张工作表最多 {MOST_ROWS} 行；请改用 gpkg",
            )


def _write_layer(book: Workbook, bundle: Bundle, layer: StudyLayer) -> None:
    language = bundle.language
    headings = [layer.titles.get(c, c) if language == "zh" else c for c in layer.columns]
    headings += [title.to(language) for title in place_titles(bundle.target)]
    sheet = _sheet(book, layer.title.to(language), headings, _widths(layer.rows.head(_SAMPLE)[layer.columns]))
    first = 1
    for block in layer.rows.blocks(_BLOCK):
        places = [pd.Series(axis) for axis in places_of(block, bundle.target).T]
        columns = [_cells(column, bundle) for column in (*(block[name] for name in layer.columns), *places)]
        _write_rows(sheet, first, columns, {})
        first += len(block)
    sheet.autofilter(0, 0, max(len(layer.rows), 1), len(headings) - 1)


def _write_table(book: Workbook, bundle: Bundle, table: StudyTable) -> None:
    language = bundle.language
    columns = [str(c) for c in table.frame.columns]
    headings = [table.titles[c].to(language) if c in table.titles else c for c in columns]
    sheet = _sheet(book, table.title.to(language), headings, _widths(table.frame))
    wrapped = book.add_format({"text_wrap": True, "valign": "top"})
    _write_rows(sheet, 1, [_cells(table.frame[name], bundle) for name in columns],
                dict.fromkeys(range(len(columns)), wrapped))


def _sheet(book: Workbook, title: str, headings: Sequence[str], widths: Sequence[float]) -> Worksheet:
    taken = {sheet.get_name().lower() for sheet in book.worksheets()}
    name = base = title.translate(_FORBIDDEN)[:31] or "_"
    number = 1
    while name.lower() in taken:
        number += 1
        name = f"{base[:28]} {number}"
    sheet = book.add_worksheet(name)
    head = book.add_format({"bold": True, "text_wrap": True, "valign": "top", "bg_color": "#e3ecf4", "border": 1})
    sheet.freeze_panes(1, 1)
    for place, heading in enumerate(headings):
        # Coordinates stand after the columns whose widths were measured.
        width = widths[place] if place < len(widths) else 14.0
        sheet.set_column(place, place, max(width, min(_width(heading) / 2 + 2, 24)))
        sheet.write_string(0, place, heading, head)
    return sheet


def _write_rows(sheet: Worksheet, first: int, columns: Sequence[Sequence[object]],
                formats: Mapping[int, Format]) -> None:
    """Write row by row, which is the order that spares memory."""
    for at, row in enumerate(zip(*columns, strict=True), first):
        for place, value in enumerate(row):
            if value is None:
                continue
            if isinstance(value, str):
                sheet.write_string(at, place, value, formats.get(place))
            else:
                sheet.write_number(at, place, value, formats.get(place))


def _cells(column: pd.Series[Any], bundle: Bundle) -> list[object]:
    """Return the values of a column as plain numbers and text; None where there is none."""
    no, yes = _YES[bundle.language]
    found: list[object] = []
    for value in column.astype(object).tolist():
        if value is None or value is pd.NA or (isinstance(value, float) and math.isnan(value)):
            found.append(None)
        elif isinstance(value, bool | np.bool_):
            found.append(yes if value else no)
        elif isinstance(value, int | np.integer):
            found.append(int(value))
        elif isinstance(value, float | np.floating):
            # Excel has no infinity.
            found.append(float(value) if math.isfinite(value) else str(value))
        else:
            found.append(str(value)[:_LONGEST_CELL])
    return found


def _widths(frame: pd.DataFrame) -> list[float]:
    return [min(max((_width(str(v)) for v in frame[c].astype(object).tolist()), default=4) + 2.0, float(_WIDEST))
            for c in frame.columns]


def _width(text: str) -> int:
    return sum(2 if ord(letter) > 0x2E7F else 1 for letter in text)
