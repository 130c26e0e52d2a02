"""Which rules each candidate breaks, and by how much: a bit per candidate and rule, and a number where it is broken.

Classes share most rules; a rule that gives the same answer for the same candidates is packed once.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from siting.broken_rules import CATEGORICAL_TESTS
from siting.pack import ExclusionRule
from siting.types import ExclusionTable

Floats = NDArray[np.float64]

STEPS_PER_LIMIT = 10_000
"""A measured value is held to a ten-thousandth of the rule's limit."""

_MOST_STEPS = 1 << 30
_ROWS = 1 << 16


def pack_rules(tables: Sequence[ExclusionTable], area_m2: Floats, order: NDArray[np.int64]
               ) -> tuple[list[list[int]], list[dict[str, Any]], dict[str, NDArray[Any]]]:
    """Pack the broken rules of all classes.

    Parameters
    ----------
    tables
        One per class; rows are the n candidates.
    area_m2
        Area of each candidate, shape (n,): a rule that measures just this needs no values of its own.
    order
        Rows as they are to follow one another, shape (n,).

    Returns
    -------
    column_of
        Per class and rule, its column; -1 for one that all candidates keep, or none could be tested for.
    columns
        Per column: ``origin`` and ``step`` of its values (code 0 is none), ``values`` (own, area or none).
    arrays
        ``broken_d`` and ``untested_d`` (n bits, lowest first; absent where none is set), ``measured_d`` (codes of
        the broken ones, in order).
    """
    column_of: list[list[int]] = []
    columns: list[dict[str, Any]] = []
    arrays: dict[str, NDArray[Any]] = {}
    known: dict[bytes, int] = {}
    for table in tables:
        row = []
        for j, rule in enumerate(table.rules):
            shortfall = table.shortfall[:, j][order]
            untested = np.isnan(shortfall)
            broken = ~untested & (shortfall > 0.0)
            if untested.all() or not (broken.any() or untested.any()):
                row.append(-1)
                continue
            measured = np.zeros(0) if rule.test in CATEGORICAL_TESTS else table.measured[:, j][order][broken]
            key = _digest(np.packbits(broken), np.packbits(untested), measured, np.array([rule.limit]))
            if key not in known:
                known[key] = len(columns)
                columns.append(_column(known[key], rule, measured, area_m2[order][broken], arrays))
                arrays |= {f"{name}_{known[key]}": np.packbits(bits, bitorder="little")
                           for name, bits in (("broken", broken), ("untested", untested)) if bits.any()}
            row.append(known[key])
        column_of.append(row)
    return column_of, columns, arrays


def measured_values(column: dict[str, Any], codes: NDArray[Any]) -> Floats:
    """Read measured values back: what ``panel/rules.js`` does."""
    return np.where(codes > 0, column["origin"] + codes.astype(np.float64) * column["step"], np.nan)


def main_reason(table: ExclusionTable) -> NDArray[np.int16]:
    """Return for each candidate the excluding rule that is broken worst (the first of equals); -1 for an eligible."""
    reason = np.full(len(table.shortfall), -1, dtype=np.int16)
    if not len(table.rules):
        return reason
    for first in range(0, len(reason), _ROWS):
        rows = slice(first, first + _ROWS)
        worst = np.where(table.excludes, np.nan_to_num(table.shortfall[rows], nan=0.0), 0.0)
        reason[rows] = np.where(worst.max(axis=1) > 0.0, worst.argmax(axis=1), -1)
    return reason


def unchecked_rules(table: ExclusionTable) -> list[int]:
    """Return the rules of which no candidate could be tested."""
    return [int(j) for j in np.flatnonzero(np.isnan(table.shortfall).all(axis=0))] if len(table.shortfall) else []


def _digest(*parts: NDArray[Any]) -> bytes:
    found = hashlib.sha256()
    for part in parts:
        found.update(str(len(part)).encode())
        found.update(np.ascontiguousarray(part).data)
    return found.digest()


def _column(d: int, rule: ExclusionRule, measured: Floats, area_m2: Floats, arrays: dict[str, NDArray[Any]]
            ) -> dict[str, Any]:
    """Describe a column, and put its values into ``arrays`` where it has any of its own."""
    if not np.isfinite(measured).any():
        return {"values": "none", "origin": 0.0, "step": 0.0}
    if rule.limit > 0.0 and np.array_equal(measured, area_m2):
        return {"values": "area", "origin": 0.0, "step": 0.0}
    finite = np.isfinite(measured)
    least, greatest = float(measured[finite].min()), float(measured[finite].max())
    step = max((abs(rule.limit) or greatest or 1.0) / STEPS_PER_LIMIT, (greatest - least) / _MOST_STEPS)
    origin = least - 2.0 * step
    codes = np.zeros(len(measured), dtype=np.int64)
    codes[finite] = np.rint((measured[finite] - origin) / step)
    # Rounding must not carry a value onto the limit that it breaks, nor across.
    held = origin + codes * step
    codes -= finite & (measured < rule.limit) & (held >= rule.limit)
    codes += finite & (measured > rule.limit) & (held <= rule.limit)
    arrays[f"measured_{d}"] = codes.astype(np.uint32)
    return {"values": "own", "origin": origin, "step": step}
