from __future__ import annotations

import numpy as np
import pandas as pd

from layers.exports.looks import Look, LookRule, expression, rule_of_rows

RULES = (LookRule(column="ok", equals=(False,), colour="#000000"), LookRule(column="s", low=0.5, colour="#000000"),
         LookRule(column="s", low=0.1, high=0.5, colour="#000000"), LookRule(colour="#000000"))


def test_first_rule_that_meets_is_taken() -> None:
    frame = pd.DataFrame({"ok": [False, True, True, True], "s": [0.9, 0.5, 0.1, np.nan]})
    assert rule_of_rows(Look(rules=RULES), frame).tolist() == [0, 1, 2, 3]
    assert rule_of_rows(Look(rules=RULES[:3]), frame).tolist() == [0, 1, 2, -1]


def test_expressions_quote_names_and_values() -> None:
    rule = LookRule(column='a"b', equals=("it's",), colour="#000000")
    assert expression(rule) == "\"a\"\"b\" IN ('it''s')"
    assert [expression(r) for r in RULES] == ['"ok" IN (false)', '"s" >= 0.5', '"s" >= 0.1 AND "s" < 0.5', "ELSE"]
