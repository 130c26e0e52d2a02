from __future__ import annotations

import geopandas as gpd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from shapely import LineString, MultiPolygon, Point, Polygon, box

from gis.bilingual import Text
from gis.errors import SchemaError
from layers.admission import admit, unique_ids
from layers.schemas import LAYERS
from layers.sources.types import LoadContext, RawVector
from layers.types import LayerSpec, Remark

AREA = box(0, 0, 1000, 1000)
CONTEXT = LoadContext(metric_crs="EPSG:4547", area_of_interest=AREA, frames={})
SPEC = LayerSpec(name="parcels", source="vector_file")


def _raw(frame: gpd.GeoDataFrame, *remarks: Remark) -> RawVector:
    return RawVector(frame=frame, n_read=len(frame) + len(remarks), remarks=remarks)


def _frame(geometries: list[object], **columns: list[object]) -> gpd.GeoDataFrame:
    return gpd.GeoDataFrame(columns, geometry=geometries, crs="EPSG:4547")


def test_every_row_of_damaged_data_is_accounted_for(shapes: gpd.GeoDataFrame) -> None:
    left_out = Remark("#9", "rejected", Text(zh="无", en="none"))
    admitted = admit(_raw(shapes, left_out), SPEC, LAYERS["parcels"], CONTEXT)
    ledger = admitted.ledger
    assert (ledger.read, ledger.accepted, ledger.repaired, ledger.rejected) == (6, 1, 0, 5)
    assert [remark.feature_id for remark in ledger.remarks] == ["#9", "b", "c", "d", "e"]
    assert all(remark.reason.zh and remark.reason.en for remark in ledger.remarks)
    assert "LineString" in ledger.remarks[2].reason.en
    assert admitted.frame["parcel_id"].tolist() == ["a"]


def test_columns_come_in_the_order_of_the_schema_and_all_are_there() -> None:
    frame = _frame([box(0, 0, 9, 9)], zeta=[1], name=["n"], alpha=[2])
    admitted = admit(_raw(frame), SPEC, LAYERS["parcels"], CONTEXT).frame
    assert admitted.columns.tolist() == ["parcel_id", "name", "land_use", "building_area_m2", "land_price_level",
                                         "certainty", "zeta", "alpha", "geometry"]
    assert admitted["building_area_m2"].dtype == float
    assert admitted["certainty"].tolist() == ["real"]
    assert isinstance(admitted.index, type(gpd.GeoDataFrame({"a": [1]}).index))


def test_ids_are_made_kept_and_made_unique() -> None:
    frame = _frame([box(i, 0, i + 1, 1) for i in range(5)], parcel_id=["a", None, "a", 7, "a"])
    admitted = admit(_raw(frame), SPEC, LAYERS["parcels"], CONTEXT, taken={"7"}, n_before=10)
    assert admitted.frame["parcel_id"].tolist() == ["a", "parcels-000012", "a~2", "7~2", "a~3"]
    assert (admitted.ledger.accepted, admitted.ledger.repaired) == (2, 3)
    assert [remark.feature_id for remark in admitted.ledger.remarks] == ["a~2", "7~2", "a~3"]


@given(st.lists(st.sampled_from(["a", "a~2", "a~3", "b", "a~2~2"]), max_size=12),
       st.sets(st.sampled_from(["a", "a~2"])))
def test_made_ids_are_unique_and_the_first_of_a_kind_keeps_its_own(wanted: list[str], taken: set[str]) -> None:
    found = unique_ids(wanted, taken)
    assert len({*found, *taken}) == len(found) + len(taken)
    for name in set(wanted) - taken:
        assert found[wanted.index(name)] == name
    assert all(new.startswith(old) for old, new in zip(wanted, found, strict=True))


def test_parcels_outside_are_rejected_and_other_layers_kept() -> None:
    there = [box(0, 0, 9, 9), box(990, 990, 1100, 1100), box(2000, 0, 2100, 9)]
    parcels = admit(_raw(_frame(there)), SPEC, LAYERS["parcels"], CONTEXT)
    assert len(parcels.frame) == 2
    assert parcels.ledger.remarks[0].reason.en == "outside the study area"
    land = LayerSpec(name="protected_land", source="vector_file")
    assert len(admit(_raw(_frame(there)), land, LAYERS["protected_land"], CONTEXT).frame) == 3


def test_missing_required_column_and_unknown_words_are_told_at_once() -> None:
    hazards = LayerSpec(name="hazards", source="vector_file")
    with pytest.raises(SchemaError, match="hazard_class"):
        admit(_raw(_frame([Point(1, 1)])), hazards, LAYERS["hazards"], CONTEXT)
    with pytest.raises(SchemaError, match=r"\['fireworks'\]"):
        admit(_raw(_frame([Point(1, 1)], hazard_class=["fireworks"])), hazards, LAYERS["hazards"], CONTEXT)
    with pytest.raises(SchemaError, match="certainty"):
        admit(_raw(_frame([box(0, 0, 1, 1)], certainty=["high"])), SPEC, LAYERS["parcels"], CONTEXT)


def test_constant_fills_a_required_column() -> None:
    spec = LayerSpec(name="hazards", source="vector_file", constants=(("hazard_class", "petrol_station"),))
    admitted = admit(_raw(_frame([Point(1, 1)])), spec, LAYERS["hazards"], CONTEXT)
    assert admitted.frame["hazard_class"].tolist() == ["petrol_station"]


def test_certainty_of_a_row_goes_before_that_of_the_layer() -> None:
    frame = _frame([box(0, 0, 1, 1), box(2, 0, 3, 1)], certainty=["approximate", None])
    spec = LayerSpec(name="parcels", source="vector_file", certainty="assumed")
    assert admit(_raw(frame), spec, LAYERS["parcels"], CONTEXT).frame["certainty"].tolist() == [
        "approximate", "assumed"]


_NUMBER = st.integers(-50, 1500)
_COORDINATE = st.one_of(_NUMBER, st.sampled_from([float("nan"), float("inf"), 1e12]))
_RING = st.tuples(st.tuples(_NUMBER, _NUMBER), st.lists(st.tuples(_COORDINATE, _COORDINATE), min_size=2, max_size=6)
                  ).map(lambda parts: [parts[0], *parts[1], parts[0]])
_SHAPE = st.one_of(
    st.none(), st.just(Polygon()), st.just(Point(5, 5)), st.just(LineString([(0, 0), (9, 9)])),
    _RING.map(Polygon), st.tuples(_RING, _RING).map(lambda rings: MultiPolygon([Polygon(ring) for ring in rings])),
)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(_SHAPE, max_size=8), st.lists(st.sampled_from(["x", "y", None, "50 ha"]), min_size=8, max_size=8))
@pytest.mark.filterwarnings("ignore:invalid value encountered:RuntimeWarning")
def test_ledger_balances_for_any_damage(geometries: list[object], words: list[object]) -> None:
    n = len(geometries)
    frame = _frame(geometries, parcel_id=words[:n], building_area_m2=words[::-1][:n])
    admitted = admit(_raw(frame), SPEC, LAYERS["parcels"], CONTEXT)
    ledger = admitted.ledger
    assert ledger.read == n == ledger.accepted + ledger.repaired + ledger.rejected
    assert len(admitted.frame) == ledger.accepted + ledger.repaired
    assert len(ledger.remarks) == ledger.repaired + ledger.rejected
    assert sum(remark.action == "repaired" for remark in ledger.remarks) == ledger.repaired
    assert admitted.frame.geometry.is_valid.all()
    assert admitted.frame["parcel_id"].is_unique
    assert admitted.frame.geometry.geom_type.isin(["Polygon", "MultiPolygon"]).all()
