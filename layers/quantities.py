"""Numbers with units, as planners write them: ``1.2公顷``, ``35亩``, ``2×63MVA``, ``12万千瓦``."""

from __future__ import annotations

import math
import re
import unicodedata
from collections.abc import Mapping
from types import MappingProxyType

from gis.errors import UsageError

# The mu is 10 000 / 15 m2 exactly (State Council, 1990: 15 mu to the hectare).
_MU_M2 = 10_000.0 / 15.0

_SIZES: Mapping[str, tuple[str, float]] = MappingProxyType({
    "m2": ("area", 1.0), "ha": ("area", 1e4), "km2": ("area", 1e6), "mu": ("area", _MU_M2),
    "m": ("length", 1.0), "km": ("length", 1e3),
    "kw": ("power", 1.0), "mw": ("power", 1e3), "gw": ("power", 1e6), "万千瓦": ("power", 1e4),
    "kva": ("apparent power", 1.0), "mva": ("apparent power", 1e3), "万千伏安": ("apparent power", 1e4),
    "v": ("voltage", 1.0), "kv": ("voltage", 1e3),
})
_OTHER_NAMES: Mapping[str, str] = MappingProxyType({
    "平方米": "m2", "平米": "m2", "公顷": "ha", "平方公里": "km2", "平方千米": "km2", "亩": "mu",
    "米": "m", "公里": "km", "千米": "km", "千瓦": "kw", "兆瓦": "mw", "千伏安": "kva", "兆伏安": "mva",
    "伏": "v", "千伏": "kv", "sqm": "m2", "hectare": "ha", "hectares": "ha",
})
_TENS: Mapping[str, float] = MappingProxyType({"": 1.0, "万": 1e4, "亿": 1e8})
_COUNTED = frozenset({"power", "apparent power"})

UNITS = ("mu", "ha", "km2", "m2", "m", "km", "kW", "MW", "万千瓦", "kVA", "MVA", "V", "kV")
"""Units that ``units`` of a layer may name."""

_NUMBER = r"[-+]?(?:\d{1,3}(?:,\d{3})+|\d+)(?:\.\d*)?(?:e[-+]?\d+)?"
_TERM = re.compile(rf"(?:(\d+)[x×*])?({_NUMBER})([万亿]?)([^\d+万亿]*?\d?)")


def parse_quantity(value: object, unit: str, given: str = "") -> float:
    """Return the quantity that a cell holds, in ``unit``, or NaN.

    Parameters
    ----------
    value
        A number, or text: ``"1.2公顷"``, ``"35亩"``, ``"1,200 m²"``, ``"3.5万平方米"``; for power also
        sums and multiples such as ``"2×63MVA"`` (126) and ``"2x50+31.5"``.
    unit
        Unit of the result, as the layer's column has it (``"m2"``, ``"MVA"``, ``"level"``).
    given
        Unit of a number without one; ``unit`` if empty. A unit beside the number goes before it.

    Returns
    -------
    float
        The quantity; NaN for nothing, for what is not exactly one quantity, and for a unit of
        another kind.
    """
    if isinstance(value, str):
        text = unicodedata.normalize("NFKC", value).strip().lower()
        # A blank between two digits may part two numbers, so it stays and makes the text unreadable.
        return _from_text(re.sub(r"(?<!\d)\s+|\s+(?!\d)", "", text), unit, given or unit)
    try:
        number = float(value)  # type: ignore[arg-type]
    except (TypeError, ValueError):
        return math.nan
    return number * _factor(given or unit, unit) if math.isfinite(number) else math.nan


def check_unit(given: str, unit: str, layer: str, column: str) -> None:
    """Raise where a number in ``given`` cannot be turned into ``unit``.

    Raises
    ------
    UsageError
        The unit is not known, or measures something else.
    """
    if math.isfinite(_factor(given, unit)):
        return
    fitting = [name for name in UNITS if math.isfinite(_factor(name, unit))]
    known = ", ".join(fitting) or "none"
    raise UsageError(
        f"layer {layer!r}: column {column!r} is in {unit or 'no unit'} and cannot be read from {given!r}; write one of "
        f"{known} under [layers.{layer}.units] in the study file",
        f"图层 {layer!r}：字段 {column!r} 的单位是 {unit or '（无单位）'}，无法由 {given!r} 换算；请在方案文件 "
        f"[layers.{layer}.units] 下写明 {known} 之一",
    )


def _from_text(text: str, unit: str, given: str) -> float:
    """Add up the terms of a text; only power may come in several."""
    dimension = _size(unit)[0]
    terms = re.split(r"(?<=[^e])\+", text) if dimension in _COUNTED else [text]
    found = [_TERM.fullmatch(term) for term in terms]
    if not text or not all(found):
        return math.nan
    units = [match[4] for match in found if match]
    # In "2×63+50MVA" the unit of the last term is that of all; elsewhere each has its own.
    tail = units[-1] or given
    total = 0.0
    for match in found:
        if match is None or (match[1] and dimension not in _COUNTED):
            return math.nan
        number = float(match[2].replace(",", "")) * _TENS[match[3]]
        total += number * int(match[1] or 1) * _factor(match[4] or tail, unit)
    return total if math.isfinite(total) else math.nan


def _factor(given: str, unit: str) -> float:
    """Return what a number in ``given`` is multiplied with to be in ``unit``; NaN where it cannot be."""
    if given.lower() == unit.lower():
        return 1.0
    (kind, size), (wanted, base) = _size(given), _size(unit)
    return size / base if kind and kind == wanted else math.nan


def _size(unit: str) -> tuple[str, float]:
    plain = unicodedata.normalize("NFKC", unit).strip().lower()
    return _SIZES.get(_OTHER_NAMES.get(plain, plain), ("", math.nan))
