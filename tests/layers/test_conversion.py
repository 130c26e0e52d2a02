from __future__ import annotations

import math

import geopandas as gpd
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from shapely import Point

from gis.errors import UsageError
from layers.conversion import convert_fields, parse_flag, parse_number, parse_text, parse_voltage_kv
from layers.intake import Intake
from layers.schemas import LAYERS
from layers.types import LayerSpec


@pytest.mark.parametrize(("cell", "kv"), [
    ("220000;220000", 220.0), ("110000;500000", 500.0), ("220kV", 220.0), ("220 KV", 220.0), ("110/35/10", 110.0),
    ("110/35/10kV", 110.0), ("±800 kV", 800.0), ("500千伏", 500.0), ("1000kV", 1000.0), ("1000", 1000.0),
    ("1000000", 1000.0), ("10000", 10.0), ("380 V", 0.38), ("２２０ｋＶ", 220.0), ("220,000", 220.0),
    ("220,110", 220.0), ("1,100,000", 1100.0), (220000, 220.0), (35.0, 35.0), (np.int64(110000), 110.0),
    ("35.5kV", 35.5),
])
def test_highest_voltage_is_found(cell: object, kv: float) -> None:
    assert parse_voltage_kv(cell) == pytest.approx(kv)


@pytest.mark.parametrize("cell", ["", "unknown", "高压", None, math.nan, 0, "0", -1, math.inf, [220]])
def test_no_voltage_is_invented(cell: object) -> None:
    assert math.isnan(parse_voltage_kv(cell))


@given(st.lists(st.sampled_from([10, 35, 66, 110, 220, 330, 500, 750, 1000]), min_size=1), st.sampled_from(";/、 |"))
def test_volts_and_kilovolts_of_one_list_agree(voltages: list[int], separator: str) -> None:
    in_kv = separator.join(str(kv) for kv in voltages)
    in_volts = separator.join(str(kv * 1000) for kv in voltages)
    assert parse_voltage_kv(in_kv) == parse_voltage_kv(in_volts) == max(voltages)


@pytest.mark.parametrize(("cell", "unit", "number"), [
    ("1,200", "", 1200.0), ("1,234,567.5", "", 1234567.5), ("５０", "MVA", 50.0), ("50 MVA", "MVA", 50.0),
    ("50mva", "MVA", 50.0), (" -3.5 ", "", -3.5), ("1e3", "", 1000.0), (7, "", 7.0), (np.float32(2.5), "m", 2.5),
])
def test_one_number_is_read(cell: object, unit: str, number: float) -> None:
    assert parse_number(cell, unit) == number


@pytest.mark.parametrize("cell", ["", "约50", "50 km", "1;2", "1,2", "12,34", "nan", "inf", None, math.inf, "1 2"])
def test_what_is_not_one_number_is_nothing(cell: object) -> None:
    assert math.isnan(parse_number(cell, "MVA"))


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_number_survives_being_text(number: float) -> None:
    assert parse_number(repr(number)) == number


def test_text_loses_blanks_and_the_tail_of_whole_floats() -> None:
    assert [parse_text(cell) for cell in ["  a ", "", "  ", None, math.nan, 410102.0, 1.5, 7, True]] == [
        "a", None, None, None, None, "410102", "1.5", "7", "True"]


def test_flags() -> None:
    assert [parse_flag(cell) for cell in [True, "是", "Yes", 1, 1.0, False, "否", "0", "maybe", None]] == [
        True, True, True, True, True, False, False, False, None, None]


def _intake(**columns: list[object]) -> Intake:
    n = len(next(iter(columns.values())))
    frame = gpd.GeoDataFrame(columns, geometry=[Point(0, 0)] * n, crs="EPSG:4547")
    return Intake(frame=frame, n_read=n, id_column="substation_id")


def test_row_without_its_required_value_is_rejected_and_a_lost_optional_value_is_noted() -> None:
    before = _intake(substation_id=[1.0, 2.0, 3.0, 4.0], voltage_kv=["110", "?", None, "35"],
                     headroom_mva=["约50", "1", "1", None])
    after = convert_fields(before, LAYERS["substations"])
    assert after.frame["substation_id"].tolist() == ["1", "4"]
    assert after.frame["voltage_kv"].dtype == np.float64
    assert after.frame["headroom_mva"].isna().all()
    ledger = after.ledger()
    assert (ledger.read, ledger.accepted, ledger.repaired, ledger.rejected) == (4, 1, 1, 2)
    assert [(remark.feature_id, remark.action) for remark in ledger.remarks] == [
        ("1", "repaired"), ("2", "rejected"), ("3", "rejected")]
    assert "'?'" in ledger.remarks[1].reason.en
    assert "empty" in ledger.remarks[2].reason.en


def test_columns_the_layer_does_not_know_are_left_alone() -> None:
    after = convert_fields(_intake(voltage_kv=[110], height=["12 m"]), LAYERS["substations"])
    assert after.frame["height"].tolist() == ["12 m"]


def _spec(**units: str) -> LayerSpec:
    return LayerSpec(name="substations", source="vector_file", units=tuple(units.items()))


def test_units_of_the_study_and_those_beside_a_number() -> None:
    before = _intake(substation_id=["a", "b", "c", "d"], voltage_kv=["220000;110000", "110/35/10", "220kV", 110],
                     headroom_mva=["18", "2×63MVA", "3x240", "50 km"])
    after = convert_fields(before, LAYERS["substations"], _spec(headroom_mva="万千伏安"))
    assert after.frame["voltage_kv"].tolist() == [220.0, 110.0, 220.0, 110.0]
    assert after.frame["headroom_mva"].tolist()[:3] == [180.0, 126.0, 7200.0]
    assert [remark.feature_id for remark in after.ledger().remarks] == ["d"]
    cells: list[object] = ["800", "1000/400", "10 kV"]
    volts = convert_fields(_intake(voltage_kv=cells), LAYERS["substations"], _spec(voltage_kv="V"))
    assert volts.frame["voltage_kv"].tolist() == [0.8, 1.0, 10.0]


def test_units_that_do_not_fit() -> None:
    before = _intake(voltage_kv=["110"])
    with pytest.raises(UsageError, match="V, kV"):
        convert_fields(before, LAYERS["substations"], _spec(voltage_kv="mu"))
    with pytest.raises(UsageError, match="has: voltage_kv, transformer_capacity_mva, n_transformers"):
        convert_fields(before, LAYERS["substations"], _spec(name="m"))


def test_dates_are_iso_text_and_what_is_none_is_noted() -> None:
    before = _intake(substation_id=["a", "b", "c", "d"], voltage_kv=[110] * 4,
                     commissioned=["2021年4月3日", 44289, None, "待定"])
    after = convert_fields(before, LAYERS["substations"])
    assert after.frame["commissioned"].tolist() == ["2021-04-03", "2021-04-03", None, None]
    assert [remark.feature_id for remark in after.ledger().remarks] == ["d"]
    without = convert_fields(_intake(voltage_kv=[110]), LAYERS["substations"])
    assert without.frame["commissioned"].tolist() == [None]
