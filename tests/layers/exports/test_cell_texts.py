"""Values as text: what the JSON encoder and the CSV writer of the standard library write, value by value."""

from __future__ import annotations

import csv
import io
import json
import math

import numpy as np
import pandas as pd
from hypothesis import given
from hypothesis import strategies as st

from layers.exports.cell_texts import ColumnTexts, column_texts

NUMBERS = st.one_of(st.floats(), st.sampled_from([0.0, -0.0, 1e-7, 1e16, 0.1, math.nan, math.inf, -math.inf]))


def _json(value: object) -> str:
    is_none = value is None or (isinstance(value, float) and not math.isfinite(value))
    return "null" if is_none else json.dumps(value, ensure_ascii=False)


def _cell(value: object) -> str:
    held = io.StringIO()
    csv.writer(held, lineterminator="\n").writerow(["" if value is None or value != value else value, "x"])
    return held.getvalue().removesuffix(",x\n")


@given(st.lists(NUMBERS))
def test_numbers_read_back_the_same(values):
    texts = ColumnTexts(pd.Series(values, dtype=np.float64))
    assert texts.for_json == [_json(v) for v in values]
    assert texts.for_csv == [_cell(v) for v in values]


@given(st.lists(st.sampled_from([0.5, 1 / 3, math.nan, 7.0, 0.0, -0.0]), min_size=20))
def test_numbers_that_repeat_are_written_as_any(values):
    texts = ColumnTexts(pd.Series(values, dtype=np.float64))
    assert texts.for_json == [_json(v) for v in values]
    assert texts.for_csv == [_cell(v) for v in values]


@given(st.lists(st.one_of(st.none(), st.text(alphabet=st.characters(exclude_categories=["Cs"]), max_size=8))))
def test_words_are_written_alike_whether_each_is_held_once_or_often(words):
    column = pd.Series(words, dtype=object)
    often, once = ColumnTexts(column), ColumnTexts(column.astype("category"))
    assert often.for_json == once.for_json == [_json(w) for w in words]
    assert often.for_csv == once.for_csv
    safe = [w for w in words if w is None or not w.startswith(("=", "+", "-", "@", "\t", "\r"))]
    assert ColumnTexts(pd.Series(safe, dtype=object)).for_csv == [_cell(w) for w in safe]


def test_truth_ranks_lists_and_times():
    frame = pd.DataFrame({
        "ok": [True, False], "rank": pd.array([3, None], dtype="Int64"), "n": [1, -2], "list": [("a", "b,c"), None],
        "when": pd.to_datetime(["2026-01-02", None])})
    texts = column_texts(frame)
    assert {c: t.for_json for c, t in texts.items()} == {
        "ok": ["true", "false"], "rank": ["3", "null"], "n": ["1", "-2"], "list": ['["a","b,c"]', "null"],
        "when": ['"2026-01-02T00:00:00"', "null"]}
    assert {c: t.for_csv for c, t in texts.items()} == {
        "ok": ["True", "False"], "rank": ["3", ""], "n": ["1", "-2"], "list": ['"a; b,c"', ""],
        "when": ["2026-01-02", ""]}
