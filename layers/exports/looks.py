"""How a layer is drawn, said once for every format: rules over a column, of which at most one meets a feature."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from gis.bilingual import Text

Shape = Literal["circle", "square", "triangle", "diamond", "cross"]
Value = str | bool

_PLAIN = Text(zh="", en="")


@dataclass(frozen=True, slots=True, kw_only=True)
class LookRule:
    """The look of some features."""

    title: Text = _PLAIN
    """Line of the legend; empty for the layer's own title."""
    column: str = ""
    """Column that decides; empty for all features that no other rule meets."""
    equals: tuple[Value, ...] = ()
    """It is for these values."""
    low: float | None = None
    """It is for values from here on."""
    high: float | None = None
    """It is for values below this."""
    colour: str
    """Line or outline, ``#rrggbb``."""
    fill: str = ""
    """Inside of areas and symbols; empty for none."""
    fill_opacity: float = 0.85
    width_mm: float = 0.3
    size_mm: float = 2.6
    shape: Shape = "circle"
    dash_mm: tuple[float, ...] = ()

    @property
    def is_rest(self) -> bool:
        """Tell whether it is for what is left."""
        return not self.column


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """The look of a layer."""

    rules: tuple[LookRule, ...] = (LookRule(colour="#616161", fill="#bdbdbd"),)
    is_shown: bool = True
    """Drawn when a project opens."""
    label_column: str = ""
    """Column that a feature is named by."""


def expression(rule: LookRule) -> str:
    """Return the QGIS filter expression of a rule; ``ELSE`` for what is left."""
    if rule.is_rest:
        return "ELSE"
    column = '"' + rule.column.replace('"', '""') + '"'
    parts = []
    if rule.equals:
        parts.append(f"{column} IN ({', '.join(_literal(v) for v in rule.equals)})")
    if rule.low is not None:
        parts.append(f"{column} >= {rule.low:g}")
    if rule.high is not None:
        parts.append(f"{column} < {rule.high:g}")
    return " AND ".join(parts)


def rule_of_rows(look: Look, frame: pd.DataFrame) -> NDArray[np.int64]:
    """Return for each row the position of the rule that meets it; -1 where none does."""
    found = np.full(len(frame), -1, dtype=np.int64)
    for place, rule in enumerate(look.rules):
        is_met = np.ones(len(frame), dtype=bool) if rule.is_rest else _meets(rule, frame[rule.column])
        found[(found < 0) & is_met] = place
    return found


def _meets(rule: LookRule, column: pd.Series[Any]) -> NDArray[np.bool_]:
    is_met = np.ones(len(column), dtype=bool)
    if rule.equals:
        is_met &= column.isin(list(rule.equals)).to_numpy(dtype=bool)
    if rule.low is not None or rule.high is not None:
        numbers = pd.to_numeric(column, errors="coerce").to_numpy(dtype=np.float64, na_value=np.nan)
        is_met &= numbers >= (-np.inf if rule.low is None else rule.low)
        is_met &= numbers < (np.inf if rule.high is None else rule.high)
    return is_met


def _literal(value: Value) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return "'" + value.replace("'", "''") + "'"
