from __future__ import annotations

import datetime
import math

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from layers.dates import parse_date


@pytest.mark.parametrize(("cell", "iso"), [
    (2021, "2021"), ("2021", "2021"), ("2021年", "2021"), (2021.0, "2021"), ("2021-04", "2021-04"),
    ("2021年4月", "2021-04"),
    ("202104", "2021-04"), ("2021/4/3", "2021-04-03"), ("2021.4.3", "2021-04-03"), ("2021年4月3日", "2021-04-03"),
    ("２０２１年４月３日", "2021-04-03"), ("20210403", "2021-04-03"), (20210403, "2021-04-03"), (44289, "2021-04-03"),
    ("44289", "2021-04-03"), (np.float64(44289.5), "2021-04-03"), ("2021/04/03 00:00:00", "2021-04-03"),
    ("2021-04-03T01:02:03+08:00", "2021-04-03"), (pd.Timestamp("2021-04-03 05:00"), "2021-04-03"),
    (datetime.date(2021, 4, 3), "2021-04-03"), (61, None), ("2021-13", None), ("2021-02-30", None), ("999", None),
    ("2301", None), ("计划2025年", None), ("", None), (None, None), (math.nan, None), (math.inf, None), (pd.NaT, None),
])
def test_dates_keep_their_precision(cell: object, iso: str | None) -> None:
    assert parse_date(cell) == iso


@given(st.dates(datetime.date(1950, 1, 1), datetime.date(2099, 12, 31)))
def test_every_writing_of_a_day_agrees(day: datetime.date) -> None:
    serial = (day - datetime.date(1899, 12, 30)).days
    writings = [day, day.isoformat(), f"{day.year}/{day.month}/{day.day}", f"{day.year}年{day.month}月{day.day}日",
                day.strftime("%Y%m%d"), serial, str(serial), pd.Timestamp(day)]
    assert {parse_date(writing) for writing in writings} == {day.isoformat()}
