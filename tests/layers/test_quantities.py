from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gis.errors import UsageError
from layers.quantities import UNITS, check_unit, parse_quantity


@pytest.mark.parametrize(("cell", "unit", "given_unit", "expected"), [
    ("1.2公顷", "m2", "", 12_000), ("15亩", "m2", "", 10_000),
    (15, "m2", "mu", 10_000), ("15", "m2", "亩", 10_000),
    ("1,200 m²", "m2", "", 1_200), ("1200㎡", "m2", "ha", 1_200), ("3.5万平方米", "m2", "", 35_000),
    ("２ ㎢", "m2", "", 2e6),
    ("0.5 km", "m", "", 500), ("5公里", "km", "", 5), (500, "km", "m", 0.5), ("1.5E3", "m2", "", 1_500),
    ("2×63MVA", "MVA", "", 126), ("3x240", "MVA", "", 720), ("3*240 MVA", "MVA", "", 720),
    ("2x50+31.5", "MVA", "", 131.5),
    ("2×63+50MVA", "MVA", "", 176), ("180000kVA", "MVA", "", 180), ("18万千伏安", "MVA", "", 180),
    ("12万千瓦", "MW", "", 120), (1.2, "MW", "万千瓦", 12),
    ("300 kW", "MW", "", 0.3), ("1e+3", "MW", "", 1_000),
    ("3", "level", "", 3), (7.5, "weight", "", 7.5), ("-3.5", "km", "", -3.5),
])
def test_quantity_is_read(cell: object, unit: str, given_unit: str, expected: float) -> None:
    assert parse_quantity(cell, unit, given_unit) == pytest.approx(expected, rel=1e-12)


def test_a_mu_is_a_fifteenth_of_a_hectare() -> None:
    assert parse_quantity("1亩", "m2") == pytest.approx(666.6667, abs=1e-4)


@pytest.mark.parametrize(("cell", "unit"), [
    ("50 km", "MVA"), ("126 MW", "MVA"), ("约50", "MVA"), ("10-20", "m2"), ("1 2", "m2"), ("1,2", "m2"), ("2x3", "m2"),
    ("", "m2"), (None, "m2"), (math.inf, "m2"), ("inf", "m2"), ("nan", "m2"), ("3级", "level"), ("+", "MVA"),
    ("50++50", "MVA"), ("x63", "MVA"), ([1], "m2"), ("35亩/12公顷", "m2"),
])
def test_what_is_not_one_quantity_is_nothing(cell: object, unit: str) -> None:
    assert math.isnan(parse_quantity(cell, unit))


@given(st.floats(0.001, 1e6), st.sampled_from(["mu", "ha", "km2", "m2"]))
def test_unit_beside_the_number_and_unit_of_the_column_agree(number: float, unit: str) -> None:
    beside = parse_quantity(f"{number!r}{unit}", "m2", "km2")
    assert beside == pytest.approx(parse_quantity(number, "m2", unit), rel=1e-12)
    assert parse_quantity(beside, unit, "m2") == pytest.approx(number, rel=1e-9)


@pytest.mark.parametrize("unit", UNITS)
def test_every_named_unit_fits_itself_and_no_other_kind(unit: str) -> None:
    check_unit(unit, unit, "parcels", "x")
    for other in ("level", ""):
        with pytest.raises(UsageError, match=r"write one of none under \[layers.parcels.units\]"):
            check_unit(unit, other, "parcels", "x")


def test_unit_of_another_kind_names_those_that_fit() -> None:
    with pytest.raises(UsageError, match="mu, ha, km2, m2") as caught:
        check_unit("MW", "m2", "parcels", "building_area_m2")
    assert "building_area_m2" in caught.value.message("zh")
