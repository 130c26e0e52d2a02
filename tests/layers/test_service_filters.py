"""Filters: what they mean, checked by SQLite itself, and that nothing else ever gets through."""

from __future__ import annotations

import sqlite3

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gis.errors import UsageError
from layers.service_filters import FieldKind, equal_to, parse_filter

FIELDS: dict[str, FieldKind] = {"s": "string", "n": "number", "i": "integer", "b": "boolean", "地": "string",
                                'a"b': "string", "select": "number"}
ROWS = [("x", 0.5, 1, True, "甲", "q", 1.0), ("y%", 0.7, 2, False, "乙", "it's", 2.0),
        (None, None, None, None, None, None, 3.0)]


def matching(text: str) -> list[int]:
    """Return the numbers of the rows that meet a filter."""
    connection = sqlite3.connect(":memory:")
    names = ", ".join('"' + name.replace('"', '""') + '"' for name in FIELDS)
    connection.execute("PRAGMA case_sensitive_like = ON")
    connection.execute(f"CREATE TABLE rows ({names})")
    connection.executemany(f"INSERT INTO rows VALUES ({', '.join('?' * len(FIELDS))})", ROWS)
    condition = parse_filter(text, FIELDS)
    found = connection.execute(f"SELECT rowid FROM rows t WHERE {condition.sql} ORDER BY rowid", condition.values)
    return [row[0] for row in found]


@pytest.mark.parametrize(("text", "rows"), [
    ("s = 'x'", [1]), ("s <> 'x'", [2]), ("n > 0.5", [2]), ("n >= 0.5 AND i < 2", [1]), ("i = 1 OR i = 2", [1, 2]),
    ("NOT i = 1", [2]), ("NOT (i = 1 OR b = FALSE)", []), ("b = true", [1]), ("b", [1]), ("b = FALSE", [2]),
    ("s IS NULL", [3]), ("s is not null", [1, 2]), ("s LIKE 'y%'", [2]), ("s LIKE 'Y%'", []), ("s LIKE 'y\\%'", [2]),
    ("s LIKE 'x\\%'", []), ("s NOT LIKE 'x'", [2]), ("n BETWEEN 0.6 AND 0.8", [2]), ("n NOT BETWEEN 0.6 AND 0.8", [1]),
    ("i IN (1, 2, 9)", [1, 2]), ("i NOT IN (1)", [2]), ("地 = '甲'", [1]), ('"a""b" = \'it\'\'s\'', [2]),
    ("0.6 < n", [2]),
    ('"select" > 1', [2, 3]), ("n = i", []), ("i > -1e0", [1, 2]), ("(((i = 1)))", [1]), ("i=1 and(i=1)", [1]),
    ("i = 1 OR i = 2 AND i = 3", [1]), ("TRUE", [1, 2, 3]), ("s = 'x''; DROP TABLE rows; --'", []),
    ("s < DATE('2026-01-01')", []),
])
def test_meaning(text: str, rows: list[int]) -> None:
    assert matching(text) == rows


@pytest.mark.parametrize("text", [
    "", " ", "s", "s =", "= 'x'", "s = x", "s = 'x", "s == 'x'", "s = 'x';", "1 = 1", "'a' = 'a'", "s = 1", "n = 'x'",
    "b = 1", "n LIKE 'x'", "s IN ()", "s IN ('a'", "n BETWEEN 1", "s IS 'x'", "NOT", "(", "s = 'x')", "unknown = 1",
    "s = 'x' -- comment", "s = 'x' UNION SELECT 1", "s = (SELECT 1)", "load_extension('x')", "s || 'x' = 'x'",
    "n = 1e999999x", "rowid = 1", "fid = 1", '"t"."s" = \'x\'', "s = \"x\" OR", "\x00", "n > 0x10", "s = 'x' OR 1",
    "(" * 60 + "i = 1" + ")" * 60, "NOT " * 60 + "i = 1", "i IN (" + ",".join(["1"] * 300) + ")",
    "s = '" + "x" * 2_000 + "'",
])
def test_anything_else_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="CQL2"):
        parse_filter(text, FIELDS)


WORDS = st.sampled_from(["s", "n", "i", "b", "'x'", "1", "0.5", "=", "<>", "(", ")", "AND", "OR", "NOT", "LIKE", "IN",
                         ",", "IS", "NULL", "BETWEEN", "TRUE", ";", "--", "'", '"', "地", "DATE", "UNION SELECT"])


@given(st.one_of(st.text(max_size=60), st.lists(WORDS, max_size=14).map(" ".join)))
def test_whatever_is_asked_is_run_or_refused(text: str) -> None:
    try:
        condition = parse_filter(text, FIELDS)
    except UsageError:
        return
    matching(text)
    assert condition.sql.count("?") == len(condition.values)
    # Of the text, names of fields alone stand in the SQL; values are bound.
    assert "'" not in condition.sql.replace("ESCAPE '\\'", "")


def test_parameter_of_a_field_has_its_kind() -> None:
    assert equal_to("b", "true", FIELDS).values == (True,)
    assert equal_to("i", "3", FIELDS).values == (3,)
    assert equal_to("s", "' OR 1=1 --", FIELDS).values == ("' OR 1=1 --",)
    for name, text in (("b", "1"), ("i", "x"), ("n", "1;2"), ("n", "nan"), ("n", "inf")):
        with pytest.raises(UsageError):
            equal_to(name, text, FIELDS)
