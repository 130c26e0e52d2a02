"""Tables without geometry of their own: CSV and XLSX, every cell as text.

Options
-------
``separator``
    Separator of a CSV file, where it is not a comma (a tab for .tsv).
``header_row``
    Row of the column names, where a title stands above them; 1 unless told.
"""

from __future__ import annotations

import codecs
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pandas as pd

from gis.bilingual import Text
from gis.errors import LayerError, LayerNotFoundError, UsageError
from layers.sources.archives import check_archive
from layers.sources.encodings import Choice, Claim, choose_encoding
from layers.sources.files import gdal_silence, reason_of
from layers.types import LayerSpec

_SEPARATORS = {".csv": ",", ".txt": ",", ".tsv": "\t"}
_MARKS = ((codecs.BOM_UTF8, "utf-8-sig"), (codecs.BOM_UTF16_LE, "utf-16"), (codecs.BOM_UTF16_BE, "utf-16"))

_MORE_CELLS = Text(zh="有的行单元格多于表头，多出的部分未读入",
                   en="some rows hold more cells than the heading; what is beyond it was not read")

SUFFIXES = (*_SEPARATORS, ".xlsx")
"""Ends of the file names that are read as tables."""


def read_cells(path: Path, spec: LayerSpec) -> tuple[pd.DataFrame, tuple[Text, ...]]:
    """Read a table, cell by cell as text; a cell without content is missing.

    Parameters
    ----------
    path
        A .csv, .tsv, .txt or .xlsx.
    spec
        ``table`` names the sheet where a workbook has several with content; ``encoding`` of a CSV file;
        options ``separator`` and ``header_row``.

    Returns
    -------
    tuple
        The rows under the file's column names, without blank ones, from row 0; and notes of the reading.

    Raises
    ------
    LayerError
        The file is no table.
    LayerNotFoundError
        The sheet is not there.
    """
    header_row = spec.option("header_row", 1)
    if not isinstance(header_row, int) or isinstance(header_row, bool) or header_row < 1:
        raise UsageError(f"layer {spec.name!r}: the option header_row must be 1 or more, not {header_row!r}",
                         f"图层 {spec.name!r}：选项 header_row 须为不小于 1 的整数，现为 {header_row!r}")
    if path.suffix.lower() == ".xlsx":
        return _sheet(path, spec, header_row), ()
    if spec.table and spec.table != path.stem:
        raise LayerNotFoundError(
            f"layer {spec.name!r}: {path} has no table {spec.table!r}; a CSV file holds one, leave table away",
            f"图层 {spec.name!r}：{path} 中没有表 {spec.table!r}；CSV 文件只有一个表，请删去 table",
        )
    return _csv(path, spec, header_row)


def _csv(path: Path, spec: LayerSpec, header_row: int) -> tuple[pd.DataFrame, tuple[Text, ...]]:
    separator = str(spec.option("separator", _SEPARATORS[path.suffix.lower()]))
    choice = _encoding(path.read_bytes(), spec)
    try:
        # An encoding that was judged by a part of the file is held to the whole of it.
        # Without index_col=False, pandas takes the first column for row names where rows are longer than the heading.
        with warnings.catch_warnings(record=True) as said:
            warnings.simplefilter("always", pd.errors.ParserWarning)
            table = pd.read_csv(path, sep=separator, encoding=choice.encoding or "utf-8", dtype=str,
                                keep_default_na=False, na_values=[""], skipinitialspace=True,
                                skiprows=header_row - 1, index_col=False)
    except UnicodeError as error:
        tried = ", ".join(filter(None, (spec.encoding, "UTF-8", "GB18030")))
        raise LayerError(
            f"layer {spec.name!r}: the text of {path} is not in {tried}; name its encoding under [layers.{spec.name}]",
            f"图层 {spec.name!r}：{path} 的文字不是 {tried} 编码；请在 [layers.{spec.name}] 下写明 encoding",
        ) from error
    except (ValueError, OSError) as error:
        raise LayerError(
            f"layer {spec.name!r}: {path} cannot be read as a table ({reason_of(error)}); check the "
            "separator, the header_row and the number of columns in each row",
            f"图层 {spec.name!r}：{path} 无法按表格读取（{reason_of(error)}）；请检查分隔符、header_row 和各行列数",
        ) from error
    # Only a guess that is not UTF-8 needs a word: that is what a CSV file is expected to be.
    is_plain = choice.encoding in ("utf-8", "utf-8-sig") and not spec.encoding
    notes = (choice.note,) if choice.note and not is_plain else ()
    if any(issubclass(warning.category, pd.errors.ParserWarning) for warning in said):
        notes = (*notes, _MORE_CELLS)
    return table.rename(columns=lambda column: str(column).strip()), notes


def _encoding(content: bytes, spec: LayerSpec) -> Choice:
    for mark, encoding in _MARKS:
        if content.startswith(mark):
            return Choice(encoding, None)
    claims = [Claim(spec.encoding, "方案文件", "the study file")] if spec.encoding else []
    return choose_encoding(content.splitlines(), claims)


def _sheet(path: Path, spec: LayerSpec, header_row: int) -> pd.DataFrame:
    """Read one sheet of a workbook by GDAL, which needs no further package and reads the cells as they are shown."""
    import pyogrio

    check_archive(path, spec)
    try:
        with gdal_silence(), _every_row_as_text():
            sheets = [str(name) for name, _ in pyogrio.list_layers(path)]
            filled = [name for name in sheets
                      if pyogrio.read_info(path, layer=name, force_feature_count=True)["features"] > 0]
            name = _sheet_name(path, spec, sheets, filled)
            cells = pyogrio.read_dataframe(path, layer=name, read_geometry=False)
    except (ValueError, RuntimeError) as error:
        raise LayerError(
            f"layer {spec.name!r}: {path} cannot be read as a workbook ({reason_of(error)}); open it and save it again "
            "as .xlsx",
            f"图层 {spec.name!r}：{path} 无法作为工作簿读取（{reason_of(error)}）；请打开后重新另存为 .xlsx",
        ) from error
    rows = cells.astype(object).where(cells.notna(), None)
    rows = rows.map(lambda cell: (cell.strip() or None) if isinstance(cell, str) else cell)
    if len(rows) < header_row:
        return pd.DataFrame()
    table: pd.DataFrame = rows.iloc[header_row:].dropna(how="all").reset_index(drop=True)
    table.columns = pd.Index(_unique_names(rows.iloc[header_row - 1].tolist()))
    return table


@contextmanager
def _every_row_as_text() -> Iterator[None]:
    """Have GDAL hand over every row of a sheet, the head too, and every cell as text.

    As options of the file, GDAL 3.12 forgets them from the second sheet on.
    """
    import pyogrio

    settings = {"OGR_XLSX_HEADERS": "DISABLE", "OGR_XLSX_FIELD_TYPES": "STRING"}
    before = {key: pyogrio.get_gdal_config_option(key) for key in settings}
    pyogrio.set_gdal_config_options(settings)
    try:
        yield
    finally:
        pyogrio.set_gdal_config_options(before)


def _sheet_name(path: Path, spec: LayerSpec, sheets: list[str], filled: list[str]) -> str:
    known = ", ".join(filled or sheets)
    if spec.table and spec.table not in sheets:
        raise LayerNotFoundError(
            f"layer {spec.name!r}: {path} has no sheet {spec.table!r}; it has: {known}",
            f"图层 {spec.name!r}：{path} 中没有工作表 {spec.table!r}；现有：{known}",
        )
    if not spec.table and len(filled) > 1:
        raise LayerError(
            f"layer {spec.name!r}: {path} holds several sheets ({known}); name one as table under "
            f"[layers.{spec.name}] in the study file",
            f"图层 {spec.name!r}：{path} 含多个工作表（{known}）；"
            f"请在方案文件 [layers.{spec.name}] 下用 table 指定一个",
        )
    if not sheets:
        raise LayerError(f"layer {spec.name!r}: {path} holds no sheet; save the workbook again",
                         f"图层 {spec.name!r}：{path} 没有工作表；请重新保存工作簿")
    return spec.table or (filled or sheets)[0]


def _unique_names(row: list[object]) -> list[str]:
    """Name the columns by their heads; one without a head by its place, the second of a name with a tail."""
    names: list[str] = []
    for place, cell in enumerate(row):
        name = base = str(cell) if cell is not None else f"Unnamed: {place}"
        n = 0
        while name in names:
            n += 1
            name = f"{base}.{n}"
        names.append(name)
    return names
