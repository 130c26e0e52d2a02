from __future__ import annotations

import geopandas as gpd
import numpy as np
import pytest
import shapely
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from shapely import GeometryCollection, LineString, MultiPolygon, Point, Polygon, box

from gis.bilingual import Text
from gis.errors import SchemaError, SitingToolError
from layers import admission
from layers.admission import CITY_WIDE_LAYERS, MAX_VERTICES, admit, problems
from layers.ids import unique_ids
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
    found = unique_ids(np.array(wanted, dtype=object), taken).tolist()
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


def _admit(layer: str, *geometries: object, **columns: list[object]) -> admission.Admitted:
    return admit(_raw(_frame(list(geometries), **columns)), LayerSpec(name=layer, source="vector_file"), LAYERS[layer],
                 CONTEXT)


def test_rows_outside_are_counted_for_every_layer() -> None:
    there = [box(0, 0, 9, 9), box(2000, 0, 2100, 9), box(-500, -500, -1, -1)]
    assert _admit("parcels", *there).n_outside == 2
    land = _admit("protected_land", *there)
    assert (land.n_outside, land.ledger.accepted) == (2, 3)
    nowhere_known = LoadContext(metric_crs="EPSG:4547", frames={})
    assert admit(_raw(_frame(there)), SPEC, LAYERS["parcels"], nowhere_known).n_outside == 0


def test_duplicates_and_slivers_are_noted_and_used() -> None:
    same, turned = [(0, 0), (9, 0), (9, 9), (0, 9)], [(9, 0), (9, 9), (0, 9), (0, 0)]
    frame = _frame([Polygon(same), Polygon(turned), Polygon(same), box(20, 0, 120, 0.4), box(0, 20, 0.9, 20.9),
                    box(0, 40, 100, 41)],
                   parcel_id=["a", "b", "c", "strip", "crumb", "lane"], owner=["x", "x", "y", None, None, None])
    ledger = admit(_raw(frame), SPEC, LAYERS["parcels"], CONTEXT).ledger
    assert (ledger.accepted, ledger.remarks) == (6, ())
    assert [(note.feature_id, note.action) for note in ledger.notes] == [
        ("b", "noted"), ("strip", "noted"), ("crumb", "noted")]
    assert ledger.notes[0].reason.en.endswith("attributes as a")
    assert "0.40 m2" not in ledger.notes[1].reason.en
    assert "40.00 m2, 0.40 m wide" in ledger.notes[1].reason.en


def test_a_repeated_row_under_a_repeated_id_is_repaired_and_noted() -> None:
    ledger = _admit("parcels", box(0, 0, 9, 9), box(0, 0, 9, 9), parcel_id=["a", "a"]).ledger
    assert [(r.feature_id, r.action) for r in (*ledger.remarks, *ledger.notes)] == [
        ("a~2", "repaired"), ("a~2", "noted")]
    assert (ledger.accepted, ledger.repaired) == (1, 1)


@pytest.mark.parametrize("name", ["parcels", "hazards", "housing", "zones", *CITY_WIDE_LAYERS])
def test_outline_of_a_country_is_no_parcel(name: str) -> None:
    province, country = box(-1000, -1000, 3400, 3400), box(-2000, -2000, 3000, 3000)  # 19.4 and 25 km2 of 1 km2
    columns: dict[str, list[object]] = {"name": ["p", "c"]}
    if name == "hazards":
        columns["hazard_class"] = ["landfill", "landfill"]
    ledger = _admit(name, province, country, **columns).ledger
    if name in CITY_WIDE_LAYERS:
        assert ledger.accepted == 2
    else:
        assert (ledger.accepted, ledger.rejected) == (1, 1)
        assert "25 km2, more than 20 times" in ledger.remarks[0].reason.en
        assert "25 平方公里" in ledger.remarks[0].reason.zh


def test_a_feature_of_a_million_vertices_is_admitted() -> None:
    angle = np.linspace(0, 2 * np.pi, 1_000_001)
    circle = Polygon(np.column_stack([500 + 400 * np.cos(angle), 500 + 400 * np.sin(angle)]))
    assert MAX_VERTICES > shapely.get_num_coordinates(circle) > 1_000_000
    assert _admit("parcels", circle).ledger.accepted == 1


def test_a_feature_of_too_many_vertices_is_rejected_and_says_how_many(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(admission, "MAX_VERTICES", 50)
    ledger = _admit("parcels", Point(500, 500).buffer(100, quad_segs=20), box(0, 0, 9, 9)).ledger
    assert (ledger.accepted, ledger.rejected) == (1, 1)
    assert ledger.remarks[0].reason.en == "has 81 vertices, more than 50; split or simplify it first"


def test_closed_lines_of_a_drawing_are_outlines_where_the_layer_has_no_lines() -> None:
    ring, open_line = LineString([(0, 0), (9, 0), (9, 9), (0, 0)]), LineString([(0, 0), (9, 0), (9, 9)])
    bow_tie = LineString([(0, 0), (100, 100), (100, 0), (0, 100), (0, 0)])
    parcels = _admit("parcels", ring, open_line, bow_tie)
    assert (parcels.ledger.repaired, parcels.ledger.rejected) == (1, 2)
    assert parcels.frame.geometry.iloc[0].equals(Polygon(ring.coords))
    assert [remark.reason.en.split(",")[0] for remark in parcels.ledger.remarks] == [
        "a closed line", "geometry is a LineString", "a repair would change the area by more than 1 %"]
    assert _admit("roads", ring).frame.geometry.iloc[0].equals(ring)


def test_of_a_mixed_collection_the_parts_stay_that_the_layer_takes() -> None:
    mixed = GeometryCollection([box(0, 0, 9, 9), LineString([(0, 0), (50, 0)]), Point(1, 1)])
    road = _admit("roads", mixed)
    assert (road.ledger.repaired, road.frame.geometry.iloc[0].geom_type) == (1, "LineString")
    parcel = _admit("parcels", mixed)
    assert parcel.frame.geometry.iloc[0].area == 81
    station = _admit("base_stations", GeometryCollection([box(0, 0, 9, 9), LineString([(0, 0), (50, 0)])]))
    assert station.ledger.rejected == 1


def test_every_problem_of_a_layer_is_told() -> None:
    frame = gpd.GeoDataFrame({"name": ["x"]}, geometry=[Point(113.6, 34.7)], crs="EPSG:4326")
    spec = LayerSpec(name="hazards", source="vector_file")
    found = problems(_raw(frame), spec, LAYERS["hazards"], CONTEXT)
    assert [type(error).__name__ for error in found] == ["SchemaError", "DatumError"]
    assert problems(_raw(_frame([box(0, 0, 9, 9)])), SPEC, LAYERS["parcels"], CONTEXT) == ()


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


GROUND = gpd.GeoSeries([box(113.5, 34.6, 113.7, 34.8)], crs="EPSG:4326").to_crs("EPSG:4547").iloc[0]
CITY = LoadContext(metric_crs="EPSG:4547", area_of_interest=GROUND, frames={})
EXTENT = (113.5, 34.6, 113.7, 34.8)

_GOOD = st.tuples(st.floats(113.4, 113.8), st.floats(34.5, 34.9))
_BAD = st.one_of(st.tuples(st.floats(-200, 200), st.floats(-100, 100)),
                 st.sampled_from([(float("nan"), 34.7), (113.6, float("inf")), (1e300, -1e300), (-113.6, 34.7)]))
_LON_LAT = st.tuples(_GOOD, _BAD, st.integers(0, 15)).map(lambda drawn: drawn[1] if drawn[2] == 15 else drawn[0])
_LINE = st.lists(_LON_LAT, min_size=2, max_size=6)


def _polygon(ring: list[tuple[float, float]]) -> Polygon | None:
    """Return the polygon, or None where not even that can be made of a ring, as a reader does."""
    try:
        return Polygon(ring)
    except shapely.errors.GEOSException:
        return None


def _square(at: tuple[float, float]) -> Polygon | None:
    (x, y), side = at, 0.01
    return _polygon([at, (x + side, y), (x + side, y + side), (x, y + side)])


_LINE = st.lists(_LON_LAT, min_size=2, max_size=6)
_DAMAGED = st.one_of(
    _LON_LAT.map(_square), _LON_LAT.map(Point), _LINE.map(LineString),
    st.sampled_from([None, Point(), Polygon(), LineString(), GeometryCollection()]),
    _LON_LAT.map(lambda at: LineString([at, at])),
    st.lists(_LON_LAT, min_size=3, max_size=8).map(_polygon),
    _LON_LAT.map(lambda at: _polygon([at, at, at])),
    st.tuples(_LINE.map(LineString), st.lists(_LON_LAT, min_size=3, max_size=5).map(_polygon)).map(
        lambda parts: GeometryCollection([part for part in parts if part is not None])),
)
_ABSURD = st.one_of(st.none(), st.booleans(), st.integers(-10**20, 10**20), st.floats(), st.binary(max_size=3),
                    st.sampled_from(["", " ", "220kV", "50 MVA", "1e999", "9" * 400, "=1+1", "\x1b[2J", "数"]))


@st.composite
def _damaged_rows(draw: st.DrawFn) -> tuple[str, gpd.GeoDataFrame]:
    """Rows of any vector layer, with whatever a file may do to them."""
    name = draw(st.sampled_from([name for name, schema in LAYERS.items() if not schema.is_raster]))
    schema = LAYERS[name]
    assert schema.frame is not None
    geometries = draw(st.lists(_DAMAGED, max_size=6))
    columns = {}
    for field in schema.frame.fields:
        if not field.is_required and draw(st.integers(0, 3)) == 0:
            continue
        fitting = st.sampled_from(field.values or ["220", "a"])
        columns[field.name] = draw(st.lists(st.one_of(fitting, fitting, _ABSURD), min_size=len(geometries),
                                            max_size=len(geometries)))
    frame = gpd.GeoDataFrame({key: np.array([*values, None], dtype=object)[:-1] for key, values in columns.items()},
                             geometry=geometries, crs="EPSG:4326")
    repeated = draw(st.lists(st.integers(0, max(len(frame) - 1, 0)), max_size=3)) if len(frame) else []
    rows = [*range(len(frame)), *repeated]
    return name, frame.iloc[rows].reset_index(drop=True)


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(_damaged_rows(), st.sampled_from(["wgs84", "gcj02", "bd09", "cgcs2000"]), st.booleans())
@pytest.mark.filterwarnings("ignore:invalid value encountered:RuntimeWarning")
def test_any_damage_to_any_layer_is_accounted_for(
        damaged: tuple[str, gpd.GeoDataFrame], datum: str, is_swapped: bool) -> None:
    name, frame = damaged
    spec = LayerSpec(name=name, source="vector_file", datum=datum,  # type: ignore[arg-type]
                     options=(("swap_axes", True),) if is_swapped else ())
    left_out = Remark("#99", "rejected", Text(zh="无", en="none"))
    try:
        admitted = admit(_raw(frame, left_out), spec, LAYERS[name], CITY, area=EXTENT)
    except SitingToolError as error:
        assert error.text.zh
        assert f"{name!r}" in error.text.en
        return
    ledger, made = admitted.ledger, admitted.frame
    assert ledger.read == len(frame) + 1 == ledger.accepted + ledger.repaired + ledger.rejected
    assert len(made) == ledger.accepted + ledger.repaired
    for action, count in (("repaired", ledger.repaired), ("rejected", ledger.rejected)):
        assert sum(remark.action == action for remark in ledger.remarks) == count
    used = set(made[LAYERS[name].id_column])
    assert len(used) == len(made)
    assert {note.feature_id for note in ledger.notes} <= used
    assert {remark.feature_id for remark in ledger.remarks if remark.action == "repaired"} <= used
    assert all(remark.reason.zh and remark.reason.en for remark in (*ledger.remarks, *ledger.notes))
    assert made.geometry.is_valid.all()
    assert np.isfinite(made.geometry.bounds.to_numpy()).all()
    assert admitted.n_outside <= ledger.read


def test_heights_are_dropped_and_count_as_no_repair() -> None:
    high = shapely.force_3d(box(0, 0, 9, 9), 100.0)
    admitted = _admit("parcels", high, box(20, 0, 29, 9))
    assert not shapely.has_z(admitted.frame.geometry.to_numpy()).any()
    assert admitted.ledger.accepted == 2
