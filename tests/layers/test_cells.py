"""Cells parsed by distinct value are what parsing each of them would give."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

from layers.cells import parsed


def shown(value: Any) -> str | None:
    return None if value is None or value is pd.NA or value != value else f"{type(value).__name__}:{value}"


@pytest.mark.parametrize("column", [
    pd.Series(["a", "b", None, "a", np.nan, ""], dtype=object),
    pd.Series(["a", None, "a"], dtype="str"),
    pd.Series([None, None], dtype=object),
    pd.Series([], dtype=object),
    pd.Series([1, 1.0, True, "1", None, False, 0], dtype=object),
    pd.Series([["x"], {"y": 1}, None], dtype=object),
    pd.Series([0.0, -0.0, np.nan, np.inf, 2.5]),
    pd.Series([1, 2, 1]),
    pd.Series([True, False, True]),
    pd.Series([1, None, 3], dtype="Int64"),
], ids=["object", "str", "nothing", "no rows", "mixed", "lists", "signed zero", "integers", "flags", "nullable"])
def test_every_cell_is_parsed_as_if_alone(column: pd.Series[Any]) -> None:
    assert parsed(column, shown).tolist() == [shown(value) for value in column.tolist()]


def test_a_word_that_comes_often_is_parsed_once() -> None:
    asked: list[object] = []

    def parse(value: object) -> object:
        asked.append(value)
        return value

    parsed(pd.Series(["工业", "商业", None] * 1000, dtype=object), parse)
    assert asked == ["工业", "商业", None]


def test_results_that_are_lists_stay_one_per_cell() -> None:
    found = parsed(pd.Series(["ab", "cd", None], dtype=object), lambda value: list(value or "--"))
    assert found.tolist() == [["a", "b"], ["c", "d"], ["-", "-"]]
    assert found.shape == (3,)
