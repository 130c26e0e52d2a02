"""From what a file holds to what a column means: text, quantities, voltages, dates and words."""

from __future__ import annotations

import math
import re
import unicodedata
from collections.abc import Callable, Mapping
from typing import Any

import geopandas as gpd
import numpy as np
import pandas as pd
from numpy.typing import NDArray

from gis.bilingual import Text
from gis.errors import UsageError
from gis.schemas import Field
from layers.cells import is_arrow_text, parsed, trimmed
from layers.dates import parse_date
from layers.intake import Intake
from layers.quantities import check_unit, parse_quantity
from layers.schemas import LayerSchema
from layers.types import LayerSpec
from layers.value_mapping import map_values

_NUMBER = re.compile(r"[-+]?\d+(?:\.\d*)?(?:[eE][-+]?\d+)?")
_GROUPED = re.compile(r"[-+]?\d{1,3}(?:,\d{3})+(?:\.\d+)?")
_THOUSANDS = re.compile(r"(?<!\d)\d{1,3}(?:,\d{3})*,000(?!\d)")
_VOLTAGE = re.compile(r"(\d+(?:\.\d+)?)\s*(kv|千伏|v|伏)?")
_TRUE, _FALSE = frozenset({"1", "true", "yes", "y", "t", "是"}), frozenset({"0", "false", "no", "n", "f", "否"})

# Ultra-high voltage ends at 1100 kV, so a bare number above this can only be volts, as in
# OpenStreetMap. The smallest voltages in volts (1000 V and less) feed no data centre.
_HIGHEST_BARE_KV = 1200.0


def parse_number(value: object, unit: str = "") -> float:
    """Return the one number that a cell holds, or NaN.

    Parameters
    ----------
    value
        A cell: a number, or text such as ``"1,200"``, ``"５０"`` or ``"50 MVA"``.
    unit
        Unit that may follow the number; another one makes the value unreadable.

    Returns
    -------
    float
        The number; NaN for nothing, for infinity, and for what is not exactly one number.
    """
    if isinstance(value, int | float | np.number):
        number = float(value)
        return number if math.isfinite(number) else math.nan
    if not isinstance(value, str):
        return math.nan
    text = unicodedata.normalize("NFKC", value).strip()
    if unit and text.lower().endswith(unit.lower()):
        text = text[: -len(unit)].rstrip()
    if _GROUPED.fullmatch(text):
        text = text.replace(",", "")
    return float(text) if _NUMBER.fullmatch(text) and math.isfinite(float(text)) else math.nan


def parse_voltage_kv(value: object, given: str = "") -> float:
    """Return the highest voltage that a cell names, in kV, or NaN.

    Parameters
    ----------
    value
        A number or text: ``"220000;110000"`` (volts, OpenStreetMap), ``"220kV"``, ``"110/35/10"``,
        ``"±800 kV"``, ``"500千伏"``. A bare number above 1200 is volts, else kilovolts.
    given
        ``"V"`` or ``"kV"``, where the unit of bare numbers is known.

    Returns
    -------
    float
        kV; NaN where there is no positive number.
    """
    if isinstance(value, int | float | np.number):
        found = [_voltage_kv(float(value), given.lower())]
    elif isinstance(value, str):
        text = unicodedata.normalize("NFKC", value).lower()
        text = _THOUSANDS.sub(lambda group: group[0].replace(",", ""), text)
        found = [_voltage_kv(float(number), unit or given.lower()) for number, unit in _VOLTAGE.findall(text)]
    else:
        found = []
    usable = [kv for kv in found if math.isfinite(kv) and kv > 0.0]
    return max(usable, default=math.nan)


def parse_text(value: object) -> str | None:
    """Return a cell as text without blanks at its ends, or None for nothing.

    Parameters
    ----------
    value
        A cell; a whole number stored as a float loses its ``.0`` (codes in tables often have one).

    Returns
    -------
    str or None
        The text; None for a missing value and for blanks.
    """
    if isinstance(value, str):
        return value.strip() or None
    if value is None or value is pd.NA or value is pd.NaT:
        return None
    if isinstance(value, float | np.floating):
        if not math.isfinite(value):
            return None
        return str(int(value)) if float(value).is_integer() else str(float(value))
    return str(value).strip() or None


def parse_flag(value: object) -> bool | None:
    """Return a cell as a truth value, or None where it is none.

    Parameters
    ----------
    value
        A cell: ``True``, ``1``, ``"yes"``, ``"是"`` and their opposites.

    Returns
    -------
    bool or None
        The truth value.
    """
    word = (parse_text(value) or "").lower()
    if word in _TRUE:
        return True
    return False if word in _FALSE else None


def with_constants(frame: gpd.GeoDataFrame, spec: LayerSpec) -> gpd.GeoDataFrame:
    """Return ``frame`` with the columns that the spec states for every row."""
    return frame.assign(**dict(spec.constants)) if spec.constants else frame


def convert_fields(intake: Intake, schema: LayerSchema, spec: LayerSpec | None = None) -> Intake:
    """Give every column that the layer knows its type and words, and account for values that are lost.

    Words and codes are mapped first (see :mod:`layers.value_mapping`). Text stays text, numbers become
    float64 in the unit of the field, voltages kV, dates ISO 8601 text. A value that cannot be read
    becomes empty and is noted as a repair; a row whose required field is empty is rejected.

    Parameters
    ----------
    intake
        Rows under way.
    schema
        What the layer holds.
    spec
        ``values``, ``units`` and the options of the mapping; no mapping if None.

    Returns
    -------
    Intake
        The rows that are left, converted. A date column is always there, empty where the source has none.

    Raises
    ------
    UsageError
        ``values`` or ``units`` name a column, word or unit that does not fit the layer.
    SchemaError
        A land-use code has several meanings and the study does not say which.
    """
    fields = {field.name: field for field in (schema.frame.fields if schema.frame else ())}
    given = dict(spec.units) if spec else {}
    for column, unit in given.items():
        _check_units(column, unit, fields, schema.name)
    if spec is not None:
        intake = map_values(intake, schema, spec)
    absent = [name for name, field in fields.items() if field.kind == "date" and name not in intake.frame.columns]
    if absent:
        nothing = pd.Series([None] * len(intake.frame), index=intake.frame.index, dtype=object)
        intake = intake.with_frame(intake.frame.assign(**dict.fromkeys(absent, nothing)))
    for field in fields.values():
        if field.name in intake.frame.columns:
            is_identity = field.name == schema.id_column
            intake = _convert(intake, field, given.get(field.name, ""), is_identity=is_identity)
    return intake


def _check_units(column: str, unit: str, fields: Mapping[str, Field], layer: str) -> None:
    """Raise where ``units`` names what is no number of the layer, or a unit that does not fit it."""
    field = fields.get(column)
    if field is not None and field.kind == "number":
        return check_unit(unit, field.unit, layer, column)
    known = [field.name for field in fields.values() if field.kind == "number"]
    raise UsageError(
        f"layer {layer!r}: [layers.{layer}.units] names {column!r}, which is no number of this layer; it has: "
        f"{', '.join(known) or 'none'}",
        f"图层 {layer!r}：[layers.{layer}.units] 中的 {column!r} 不是该图层的数值字段；现有："
        f"{'、'.join(known) or '无'}",
    )


def _convert(intake: Intake, field: Field, given: str, *, is_identity: bool) -> Intake:
    before = intake.frame[field.name]
    after = _converted(before, field, given)
    # A parsed text can only be empty where the cell was blank, which loses nothing.
    is_lost = np.zeros(len(before), dtype=bool) if field.kind == "text" else _is_filled(before) & ~_is_filled(after)
    intake = intake.with_frame(intake.frame.assign(**{field.name: after}))
    if field.is_required and not is_identity:
        is_empty = ~_is_filled(after)
        intake = intake.reject(is_empty, [_empty(field, value) for value in before[is_empty]])
        is_lost = is_lost[~is_empty]
        before = before[~is_empty]
    return intake.repair(is_lost, [_unreadable(field, value) for value in before[is_lost]])


def as_texts(column: pd.Series[Any]) -> NDArray[np.object_]:
    """Return the cells of a column as :func:`parse_text` reads them, shape (rows,)."""
    if is_arrow_text(column):
        return trimmed(column)
    # Texts mostly differ from row to row, so that looking for equal ones would cost more than it saves.
    texts = [value.strip() or None if type(value) is str else parse_text(value) for value in column.tolist()]
    return np.array([*texts, None], dtype=object)[:-1]


def _converted(column: pd.Series[Any], field: Field, given: str) -> pd.Series[Any]:
    if field.kind == "number":
        return pd.Series(_numbers(column, field, given), index=column.index, dtype=np.float64)
    if field.kind == "text":
        return pd.Series(as_texts(column), index=column.index, dtype=object)
    parsers: Mapping[str, Callable[[Any], object]] = {"flag": parse_flag, "date": parse_date}
    return pd.Series(parsed(column, parsers[field.kind]), index=column.index, dtype=object)


def _numbers(column: pd.Series[Any], field: Field, given: str) -> NDArray[np.float64]:
    """Return the quantities of a column, NaN where a cell holds none; plain numbers in one pass."""
    if field.unit == "kV":
        return parsed(column, lambda value: parse_voltage_kv(value, given)).astype(np.float64)
    if isinstance(column.dtype, np.dtype) and column.dtype.kind in "iuf":
        factor = parse_quantity(1.0, field.unit, given)
        numbers = column.to_numpy(dtype=np.float64)
        with np.errstate(over="ignore", invalid="ignore"):
            return np.where(np.isfinite(numbers), numbers * factor, np.nan)
    return parsed(column, lambda value: parse_quantity(value, field.unit, given)).astype(np.float64)


def _is_filled(column: pd.Series[Any]) -> NDArray[np.bool_]:
    if column.dtype.kind in "biuf":
        return np.asarray(column.notna(), dtype=bool)
    return parsed(column, lambda value: parse_text(value) is not None).astype(bool)


def _unreadable(field: Field, value: object) -> Text:
    return Text(
        zh=f"字段 {field.name} 的取值 {str(value)!r} 无法识别，按空值处理",
        en=f"column {field.name!r} holds {str(value)!r}, which cannot be read; left empty",
    )


def _empty(field: Field, value: object) -> Text:
    if parse_text(value) is None:
        return Text(zh=f"必填字段 {field.name}（{field.title.zh}）为空",
                    en=f"required column {field.name!r} ({field.title.en}) is empty")
    return Text(zh=f"必填字段 {field.name}（{field.title.zh}）的取值 {str(value)!r} 无法识别",
                en=f"required column {field.name!r} ({field.title.en}) holds {str(value)!r}, which cannot be read")


def _voltage_kv(number: float, unit: str) -> float:
    if unit in ("kv", "千伏"):
        return number
    return number / 1000.0 if unit in ("v", "伏") else _bare_voltage_kv(number)


def _bare_voltage_kv(number: float) -> float:
    return number / 1000.0 if number > _HIGHEST_BARE_KV else number
