"""Cells parsed by distinct value are what parsing each of them would give."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from layers.cells import coded, is_arrow_text, parsed, trimmed
from layers.conversion import parse_text


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


WORDS = st.sampled_from(["", " ", "\u3000甲 ", "甲", "\x1cb\x85", "b"])
WORDS = st.sampled_from(["", " ", "\u3000甲 ", "甲", "\x1cb\x85", "b"])
CELLS = st.lists(st.one_of(st.none(), st.text(max_size=4), WORDS))


@given(CELLS)
def test_trimmed_text_is_what_parsing_each_cell_gives(cells: list[str | None]) -> None:
    column = pd.Series(cells, dtype="str")
    assert is_arrow_text(column)
    assert trimmed(column).tolist() == [parse_text(cell) for cell in cells]


@given(CELLS)
def test_trimmed_text_that_repeats_itself_is_one_object(cells: list[str | None]) -> None:
    column = pd.Series([cell for cell in cells for _ in range(3)], dtype="str")
    found = trimmed(column).tolist()
    assert found == [parse_text(cell) for cell in cells for _ in range(3)]
    if cells:
        assert all(one is other for one, other in zip(found[::3], found[1::3], strict=True))


def test_coded_cells_point_at_their_results() -> None:
    places, results = coded(pd.Series(["a", None, "b", "a"], dtype="str"), lambda value: f"<{value}>")
    assert results[places].tolist() == ["<a>", "<None>", "<b>", "<a>"]
    assert len(results) == 3
