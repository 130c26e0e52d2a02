from __future__ import annotations

import geopandas as gpd
import pytest
from shapely import Point

from gis.errors import SchemaError, UsageError
from layers.conversion import convert_fields
from layers.intake import Intake
from layers.schemas import HAZARD_CLASSES, LAND_USES, LAYERS
from layers.types import LayerSpec
from layers.value_mapping import land_use_names, land_use_schemes, land_use_word, map_values


def _intake(name: str, **columns: list[object]) -> Intake:
    n = len(next(iter(columns.values())))
    frame = gpd.GeoDataFrame(columns, geometry=[Point(0, 0)] * n, crs="EPSG:4547")
    return Intake(frame=frame, n_read=n, id_column=LAYERS[name].id_column)


def _spec(name: str = "parcels", scheme: str = "", **values: dict[str, str]) -> LayerSpec:
    return LayerSpec(name=name, source="vector_file", options=(("land_use_scheme", scheme),) if scheme else (),
                     values=tuple((column, tuple(table.items())) for column, table in values.items()))


def test_tables_hold_words_of_the_product_and_names_without_contradiction() -> None:
    meant: dict[str, set[str]] = {}
    for scheme in land_use_schemes().values():
        assert scheme.citation
        for code, (name, word) in scheme.codes.items():
            assert word in LAND_USES
            meant.setdefault(name, set()).add(word)
            assert land_use_names()[name] == word
            assert scheme.word(code) == word
    assert all(len(words) == 1 for words in meant.values())
    assert set(land_use_names().values()) <= set(LAND_USES)
    assert {key: len(scheme.codes) for key, scheme in land_use_schemes().items()} == {
        "gb21010": 90, "guide2023": 152, "gb50137": 96}


@pytest.mark.parametrize(("scheme", "code", "word"), [
    ("gb21010", "0601", "industrial"), ("gb21010", "0602", "industrial"), ("gb21010", "0604", "warehouse"),
    ("gb21010", "0701", "residential"), ("gb21010", "0301", "green"), ("gb21010", "0101", "farmland"),
    ("gb21010", "0804", "research"), ("gb21010", "1001", "transport"), ("gb21010", "1101", "water"),
    ("gb21010", "1201", "vacant"), ("gb21010", "05H1", "commercial"), ("gb21010", "0810A", "green"),
    ("guide2023", "0601", "transport"), ("guide2023", "1001", "industrial"), ("guide2023", "100102", "industrial"),
    ("guide2023", "1101", "warehouse"), ("guide2023", "0901", "commercial"), ("guide2023", "0801", "public_service"),
    ("guide2023", "0802", "research"), ("guide2023", "13", "utility"), ("guide2023", "1303", "utility"),
    ("guide2023", "12", "transport"), ("guide2023", "14", "green"), ("guide2023", "16", "vacant"),
    ("guide2023", "0701", "residential"), ("guide2023", "17", "water"),
    ("gb50137", "M1", "industrial"), ("gb50137", "W1", "warehouse"), ("gb50137", "R2", "residential"),
    ("gb50137", "B1", "commercial"), ("gb50137", "A3", "public_service"), ("gb50137", "A35", "research"),
    ("gb50137", "U12", "utility"), ("gb50137", "S4", "transport"), ("gb50137", "G1", "green"),
    ("gb50137", "E1", "water"),
])
def test_codes_of_the_classifications(scheme: str, code: str, word: str) -> None:
    assert land_use_word(code, scheme) == word


@pytest.mark.parametrize(("value", "scheme", "word"), [
    ("060101", "gb21010", "industrial"), ("0699", "gb21010", "industrial"), ("0201K", "gb21010", "farmland"),
    ("100199", "guide2023", "industrial"), ("R21", "", "residential"), ("r2", "", "residential"),
    ("M0", "", "industrial"),
    ("B1a", "", "commercial"), ("工业用地", "", "industrial"), ("永久基本农田", "", "basic_farmland"),
    ("M2 二类工业用地", "", "industrial"), ("二类工业用地(M2)", "", "industrial"),
    ("二类工业用地（100102）", "", "industrial"),
    ("1001工业用地", "", "industrial"), ("0601-工业用地", "", "industrial"), ("industrial", "", "industrial"),
    ("０１０１", "", "farmland"), ("0101", "", "farmland"), ("0701", "", "residential"), ("1301", "", "utility"),
])
def test_longest_beginning_names_and_combinations(value: str, scheme: str, word: str) -> None:
    assert land_use_word(value, scheme) == word


@pytest.mark.parametrize(("value", "scheme"), [
    ("9901", ""), ("601", ""), ("0601", "gb50137"), ("M1", "gb21010"), ("05H1", "guide2023"), ("R2B1", ""),
    ("B1/R2", ""),
    ("E", ""), ("H11", ""), ("某用地", ""), ("1101工业用地", "guide2023"), ("0601工业用地", "guide2023"),
    ("X1", ""), ("", ""),
])
def test_nothing_is_guessed(value: str, scheme: str) -> None:
    assert land_use_word(value, scheme) is None


@pytest.mark.parametrize("code", ["0601", "1001", "1101", "060101", "0901", "1201", "0303", "05"])
def test_code_with_two_meanings_stops_the_layer_with_the_remedy(code: str) -> None:
    with pytest.raises(SchemaError) as caught:
        convert_fields(_intake("parcels", land_use=["0101", code]), LAYERS["parcels"], _spec())
    for language in ("zh", "en"):
        message = caught.value.message(language)
        assert code in message
        assert 'options = { land_use_scheme = "gb21010" / "guide2023" }' in message
        assert "\n" not in message
    for scheme in ("gb21010", "guide2023"):
        convert_fields(_intake("parcels", land_use=["0101", code]), LAYERS["parcels"], _spec(scheme=scheme))


def test_unknown_code_is_empty_and_counted() -> None:
    before = _intake("parcels", parcel_id=["a", "b", "c", "d"], land_use=["0601", "9999", None, "industrial"])
    after = convert_fields(before, LAYERS["parcels"], _spec(scheme="gb21010"))
    assert after.frame["land_use"].tolist() == ["industrial", None, None, "industrial"]
    assert after.frame["land_use_code"].tolist() == ["0601", "9999", None, "industrial"]
    ledger = after.ledger()
    assert (ledger.accepted, ledger.repaired, ledger.rejected) == (3, 1, 0)
    assert ledger.remarks[0].feature_id == "b"
    assert "'9999'" in ledger.remarks[0].reason.en
    assert "layers.parcels.values.land_use" in ledger.remarks[0].reason.zh


def test_study_goes_before_the_table() -> None:
    spec = _spec(land_use={"0601": "research", "自用": "vacant", "0901": ""})
    after = convert_fields(_intake("parcels", land_use=["0601", "自用 ", "0101", "0901"]), LAYERS["parcels"], spec)
    assert after.frame["land_use"].tolist() == ["research", "vacant", "farmland", None]
    assert after.ledger().repaired == 0


def test_codes_stored_as_numbers() -> None:
    after = convert_fields(_intake("parcels", land_use=[1301.0, 1401.0, float("nan")]), LAYERS["parcels"], _spec())
    assert after.frame["land_use"].tolist() == ["utility", "green", None]
    assert after.frame["land_use_code"].tolist() == ["1301", "1401", None]


def test_words_of_the_product_pass_untouched() -> None:
    after = map_values(_intake("parcels", land_use=list(LAND_USES)), LAYERS["parcels"], _spec())
    assert after.frame["land_use"].tolist() == list(LAND_USES)
    assert "land_use_code" not in after.frame.columns


def test_other_columns_by_the_table_of_the_study() -> None:
    hazards = _intake("hazards", hazard_id=["1", "2", "3"], hazard_class=["甲类仓库", "加油站", "其他"])
    spec = _spec("hazards", hazard_class={"甲类仓库": "chemical", "加油站": "petrol_station"})
    after = convert_fields(hazards, LAYERS["hazards"], spec)
    assert after.frame["hazard_class"].tolist() == ["chemical", "petrol_station"]
    ledger = after.ledger()
    assert (ledger.read, ledger.accepted, ledger.rejected) == (3, 2, 1)
    assert "'其他'" in ledger.remarks[0].reason.en
    rooms = _intake("telecom_rooms", operator=["CM", "CT", "自建"])
    free = convert_fields(rooms, LAYERS["telecom_rooms"], _spec("telecom_rooms", operator={"CM": "中国移动"}))
    assert free.frame["operator"].tolist() == ["中国移动", "CT", "自建"]


def test_complaints() -> None:
    parcels = _intake("parcels", land_use=["0101"])
    with pytest.raises(UsageError, match="unknown words factory; use: industrial"):
        map_values(parcels, LAYERS["parcels"], _spec(land_use={"0101": "factory"}))
    with pytest.raises(UsageError, match="maps a column that is not there; there are: land_use"):
        map_values(parcels, LAYERS["parcels"], _spec(landuse={"0101": "farmland"}))
    with pytest.raises(UsageError, match="gb21010, guide2023, gb50137"):
        map_values(parcels, LAYERS["parcels"], _spec(scheme="gb2017"))
    with pytest.raises(UsageError, match=", ".join(HAZARD_CLASSES)):
        map_values(_intake("hazards", hazard_class=["x"]), LAYERS["hazards"], _spec("hazards", hazard_class={"x": "y"}))
