"""A broken rule as one phrase of a table cell, and back: ``GB-A-railway(120.5<800 m)``.

Reading the phrase back is what lets a finished study explain itself from its files alone.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from siting.pack import ExclusionRule
from siting.wording import decimals

Relation = Literal["<", ">", "=", ""]
"""How the measured value stands to the limit; empty for tests that measure nothing."""

SEPARATOR = "; "

CATEGORICAL_TESTS = frozenset({"permission", "land_use"})
"""Tests that compare a word with a list; their measured value is no quantity."""

_PHRASE = re.compile(r"^(?P<rule>.+?)(?:\((?P<measured>[-+.\deE]+)(?P<relation>[<>=])(?P<required>[-+.\deE]+) "
                     r"?(?P<unit>[^()]*)\))?$")
_MOST_DECIMALS = 9
_NEAR_HALF = 1e-3
_EXACT_BELOW = 1e9
_LEAST_SHORT, _GREATEST_SHORT = 1e-4, 1e6


@dataclass(frozen=True, slots=True)
class BrokenRule:
    """One rule that a parcel does not keep."""

    rule_id: str
    """Key of the rule."""

    measured: float | None = None
    """What was measured, in ``unit``; None for tests that measure nothing."""

    relation: Relation = ""
    """How ``measured`` stands to ``required``."""

    required: float | None = None
    """The rule's limit."""

    unit: str = ""
    """Unit of both."""


def _relation(measured: float, required: float) -> Relation:
    if measured < required:
        return "<"
    return ">" if measured > required else "="


def _shortest(value: float, required: float, unit: str) -> str:
    """Round as the unit allows, with more decimals where rounding would hide on which side of the limit it lies."""
    wanted = _relation(value, required)
    places = decimals(unit)
    while places < _MOST_DECIMALS and _relation(round(value, places), required) != wanted:
        places += 1
    return plain(round(value, places))


def plain(value: float) -> str:
    """Write a number without exponent and without needless zeros (``800``, ``0.05``)."""
    text = f"{value:.{_MOST_DECIMALS}f}".rstrip("0").rstrip(".")
    return "0" if text in ("-0", "") else text


def required_of(rule: ExclusionRule) -> float:
    """Return the limit that a rule holds the measured value against; a corridor without one asks for its length."""
    return rule.limit or rule.length_m if rule.test == "corridor" else rule.limit


def phrase(rule: ExclusionRule, measured: float) -> str:
    """Write one broken rule.

    Parameters
    ----------
    rule
        The rule.
    measured
        Its measured value in ``rule.unit``; NaN where there is none.
    """
    if rule.test in CATEGORICAL_TESTS or not math.isfinite(measured):
        return rule.rule_id
    required = required_of(rule)
    relation = _relation(measured, required)
    return f"{rule.rule_id}({_shortest(measured, required, rule.unit)}{relation}{plain(required)} {rule.unit})"


def phrases(rule: ExclusionRule, measured: NDArray[np.float64]) -> tuple[NDArray[np.int64], list[str]]:
    """Write one broken rule for many measured values: what ``phrase`` writes, each distinct phrase once.

    Values that round to the same number on the same side of the limit share a phrase. Those near the middle
    between two roundings, and those that rounding would carry to the other side, are written one by one.

    Parameters
    ----------
    rule
        The rule.
    measured
        Shape (n,), measured values in ``rule.unit``; NaN where there is none.

    Returns
    -------
    codes
        Shape (n,), index into the phrases.
    phrases
        Each phrase once for each distinct key.
    """
    if rule.test in CATEGORICAL_TESTS:
        return np.zeros(len(measured), dtype=np.int64), [rule.rule_id]
    scale = 10.0 ** decimals(rule.unit)
    required = required_of(rule)
    with np.errstate(invalid="ignore", over="ignore"):
        scaled = measured * scale
        rounded = np.rint(scaled) / scale
        is_clear = ((np.abs(np.abs(scaled - np.floor(scaled)) - 0.5) > _NEAR_HALF) & (np.abs(scaled) < _EXACT_BELOW)
                    & (np.sign(rounded - required) == np.sign(measured - required)) & (rounded != required))
    keys = np.where(is_clear, rounded, measured)
    # Keys of both kinds may be equal numbers: their phrases are then equal too.
    codes, distinct = pd.factorize(keys, use_na_sentinel=False)
    first = np.empty(len(distinct), dtype=np.int64)
    first[codes[::-1]] = np.arange(len(codes))[::-1]
    return codes.astype(np.int64), _written(rule, measured[first], distinct, is_clear[first])


def _written(rule: ExclusionRule, measured: NDArray[np.float64], rounded: NDArray[np.float64],
             is_clear: NDArray[np.bool_]) -> list[str]:
    """Write the phrases of distinct values; those that are clear need only their rounded number put in place."""
    required = required_of(rule)
    size = np.abs(rounded)
    # Within these bounds the shortest digits of a number are those that ``plain`` finds.
    is_short = is_clear & (size >= _LEAST_SHORT) & (size < _GREATEST_SHORT)
    tails = {relation: f"{relation}{plain(required)} {rule.unit})" for relation in ("<", ">")}
    head = f"{rule.rule_id}("
    return [f"{head}{repr(number).removesuffix('.0')}{tails['<' if number < required else '>']}" if short
            else phrase(rule, value)
            for number, value, short in zip(rounded.tolist(), measured.tolist(), is_short.tolist(), strict=True)]


def join(phrases: Iterable[str]) -> str:
    """Join phrases into the text of one cell."""
    return SEPARATOR.join(phrases)


def parse(text: str) -> tuple[BrokenRule, ...]:
    """Read the text of one cell back.

    Raises
    ------
    ValueError
        A phrase is not of the form that ``phrase`` writes.
    """
    return tuple(_parse_one(part) for part in text.split(SEPARATOR) if part.strip())


def _parse_one(part: str) -> BrokenRule:
    match = _PHRASE.match(part.strip())
    if match is None:
        raise ValueError(f"not a broken rule: {part!r}")
    if match["relation"] is None:
        return BrokenRule(match["rule"])
    relation: Relation = "<" if match["relation"] == "<" else ">" if match["relation"] == ">" else "="
    return BrokenRule(match["rule"], float(match["measured"]), relation, float(match["required"]), match["unit"])
