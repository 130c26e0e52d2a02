from __future__ import annotations

import dataclasses
import hashlib
from pathlib import Path

import geopandas as gpd
import numpy as np
import pyogrio
import pytest
import rasterio
from affine import Affine
from shapely import box

from gis.bilingual import Text
from gis.errors import CrsError, DatumError, LayerNotFoundError, UsageError
from layers import load_layers
from layers.loading import group_specs
from layers.schemas import LAYERS
from layers.sources import SOURCES
from layers.sources.files import sha256_of
from layers.types import CityLayers, InlineFeature, LayerSpec

Columns = tuple[tuple[str, str], ...]


def _load(*specs: LayerSpec) -> CityLayers:
    return load_layers(specs, metric_crs="EPSG:4547")


def test_layers_come_in_schema_order_whatever_the_order_of_the_specs(
        tmp_path: Path, districts: LayerSpec, stations: gpd.GeoDataFrame, station_columns: Columns) -> None:
    path = tmp_path / "s.gpkg"
    pyogrio.write_dataframe(stations, path)
    substations = LayerSpec(name="substations", source="vector_file", path=str(path), columns=station_columns,
                            datum="wgs84", licence="内部资料", vintage="2025", note=Text(zh="注", en="note"))
    city = _load(substations, districts)
    assert list(city.frames) == ["districts", "substations"]
    assert city.frame("substations")["voltage_kv"].tolist() == [500.0, 220.0, 110.0]
    assert all(frame.crs.to_epsg() == 4547 for frame in city.frames.values())
    assert city.missing == tuple(name for name in LAYERS if name not in city.frames)
    record = city.provenance[1]
    assert (record.layer, record.path, record.licence, record.vintage) == ("substations", str(path), "内部资料", "2025")
    assert record.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()
    assert (record.datum, record.crs, record.certainty) == ("wgs84 (declared)", "EPSG:4326", "real")
    assert (record.ledger.read, record.ledger.accepted) == (3, 3)


def test_study_area_is_the_districts_and_what_zones_add(districts: LayerSpec) -> None:
    alone = _load(districts).area_of_interest
    expected = gpd.GeoSeries([box(113.4, 34.6, 113.8, 34.8)], crs="EPSG:4326").to_crs("EPSG:4547").iloc[0]
    assert alone.symmetric_difference(expected).area < 1e-3 * expected.area
    zone = LayerSpec(name="zones", source="inline", features=(InlineFeature(
        geometry=box(113.75, 34.65, 113.85, 34.7).wkt, properties=(("unit_id", "port"), ("name", "航空港"))),))
    wider = _load(zone, districts).area_of_interest
    assert wider.area > alone.area
    assert wider.buffer(1).contains(alone)


def test_several_sources_of_one_layer_are_joined_with_their_own_ids_and_accounts(districts: LayerSpec) -> None:
    def plants(certainty: str, *names: str) -> LayerSpec:
        return LayerSpec(name="reclaimed_water_plants", source="inline", certainty=certainty,  # type: ignore[arg-type]
                         features=tuple(InlineFeature(geometry="POINT (113.5 34.7)", properties=(("plant_id", n),))
                                        for n in names))

    bare = LayerSpec(name="reclaimed_water_plants", source="inline",
                     features=(InlineFeature(geometry="POINT (113.5 34.7)"), InlineFeature(geometry="POINT EMPTY")))
    city = _load(districts, plants("real", "w1", "w2"), plants("assumed", "w1"), bare)
    frame = city.frame("reclaimed_water_plants")
    assert frame["plant_id"].tolist() == ["w1", "w2", "w1~2", "reclaimed_water_plants-000004"]
    assert frame["certainty"].tolist() == ["real", "real", "assumed", "real"]
    assert frame.index.tolist() == [0, 1, 2, 3]
    assert city.certainty_of("reclaimed_water_plants") == "assumed"
    accounts = [(r.ledger.read, r.ledger.accepted, r.ledger.repaired, r.ledger.rejected) for r in city.provenance[1:]]
    assert accounts == [(2, 2, 0, 0), (1, 0, 1, 0), (2, 1, 0, 1)]


def test_worst_certainty_of_the_features_is_that_of_the_layer(districts: LayerSpec) -> None:
    hubs = LayerSpec(name="hubs", source="inline", features=(
        InlineFeature(geometry="POINT (113.7 34.7)", properties=(("name", "东站"), ("kind", "rail"))),
        InlineFeature(geometry="POINT (113.6 34.7)", certainty="approximate")))
    city = _load(districts, hubs)
    assert city.certainty_of("hubs") == "approximate"
    assert city.frame("hubs")["kind"].tolist()[0] == "rail"


def test_raster_is_opened_and_recorded(tmp_path: Path, districts: LayerSpec) -> None:
    path = tmp_path / "dem.tif"
    with rasterio.open(path, "w", driver="GTiff", width=40, height=20, count=1, dtype="float32", crs="EPSG:4490",
                       transform=Affine(0.01, 0, 113.4, 0, -0.01, 34.8)) as dataset:
        dataset.write(np.ones((1, 20, 40), dtype=np.float32))
    city = _load(districts, LayerSpec(name="dem", source="raster_file", path=str(path)))
    assert city.has("dem")
    assert city.rasters["dem"].unit == "m"
    assert city.provenance[1].sha256 == hashlib.sha256(path.read_bytes()).hexdigest()
    assert city.provenance[1].crs == "EPSG:4490"


def test_undeclared_datum_stops_the_run(tmp_path: Path, districts: LayerSpec, stations: gpd.GeoDataFrame,
                                        station_columns: Columns) -> None:
    path = tmp_path / "s.geojson"
    pyogrio.write_dataframe(stations, path)
    spec = LayerSpec(name="substations", source="vector_file", path=str(path), columns=station_columns)
    with pytest.raises(DatumError, match=r"\[layers.substations\]"):
        _load(districts, spec)
    moved = _load(districts, dataclasses.replace(spec, datum="gcj02")).frame("substations")
    kept = _load(districts, dataclasses.replace(spec, datum="wgs84")).frame("substations")
    shift_m = moved.distance(kept)
    assert ((shift_m > 300) & (shift_m < 800)).all()


def test_swapped_axes_stop_the_run(tmp_path: Path, districts: LayerSpec) -> None:
    path = tmp_path / "b.csv"
    path.write_text("lon,lat\n34.7,113.5\n34.72,113.6\n", encoding="utf-8")
    with pytest.raises(CrsError, match="latitude comes before longitude"):
        _load(districts, LayerSpec(name="base_stations", source="vector_file", path=str(path), datum="wgs84"))


def test_unknown_names_get_a_hint(districts: LayerSpec) -> None:
    with pytest.raises(UsageError, match=r"unknown layer 'substation'; did you mean 'substations'\?.*districts, zones"):
        _load(districts, LayerSpec(name="substation", source="inline"))
    with pytest.raises(UsageError, match=r"unknown source 'vectorfile'; did you mean 'vector_file'\?"):
        _load(districts, LayerSpec(name="roads", source="vectorfile"))


def test_required_and_absent_layers(districts: LayerSpec) -> None:
    absent = LayerSpec(name="roads", source="none")
    with pytest.raises(LayerNotFoundError, match="districts"):
        _load(absent)
    with pytest.raises(LayerNotFoundError, match="districts"):
        _load(LayerSpec(name="districts", source="none"))
    city = _load(districts, absent)
    assert "roads" in city.missing
    assert not city.has("roads")
    with pytest.raises(UsageError, match="none"):
        _load(districts, absent, LayerSpec(name="roads", source="inline"))


def test_source_of_the_wrong_kind_and_two_rasters(districts: LayerSpec) -> None:
    with pytest.raises(UsageError, match="raster_file"):
        _load(districts, LayerSpec(name="dem", source="inline"))
    dem = LayerSpec(name="dem", source="raster_file", path="x.tif")
    with pytest.raises(UsageError, match="merge"):
        _load(districts, dem, dem)


def test_metric_crs_is_checked_first(districts: LayerSpec) -> None:
    with pytest.raises(CrsError):
        load_layers([districts], metric_crs="EPSG:4326")


def test_progress_is_told(districts: LayerSpec) -> None:
    told: list[tuple[str, int, int]] = []
    hubs = LayerSpec(name="hubs", source="inline", features=(InlineFeature(geometry="POINT (113.7 34.7)"),))
    load_layers([hubs, districts], metric_crs="EPSG:4547", progress=lambda step, done, total: told.append(
        (step.en, done, total)))
    assert told == [("Reading layers", 0, 2), ("Reading layers", 1, 2), ("Reading layers", 2, 2)]


def test_optional_layer_without_a_row_is_there_but_has_nothing(districts: LayerSpec) -> None:
    city = _load(districts, LayerSpec(name="hubs", source="inline"))
    assert len(city.frame("hubs")) == 0
    assert not city.has("hubs")
    assert city.frame("hubs").columns.tolist() == ["hub_id", "name", "kind", "certainty", "geometry"]


def test_same_input_gives_the_same_layers(districts: LayerSpec) -> None:
    first, second = _load(districts), _load(districts)
    assert first.frame("districts").to_wkb().equals(second.frame("districts").to_wkb())
    assert first.provenance == second.provenance


def test_every_module_of_a_source_is_registered() -> None:
    folder = Path(__file__).resolve().parents[2] / "layers" / "sources"
    readers = {path.stem for path in folder.glob("*.py") if "\ndef read(" in path.read_text(encoding="utf-8")}
    assert readers == set(SOURCES)


def test_hash_of_several_files_is_that_of_their_contents_in_turn(tmp_path: Path) -> None:
    for name, content in (("a", b"one"), ("b", b"two")):
        (tmp_path / name).write_bytes(content)
    assert sha256_of([str(tmp_path / "a"), str(tmp_path / "b")]) == hashlib.sha256(b"onetwo").hexdigest()
    assert sha256_of([]) == ""


def test_real_districts_with_invalid_polygons(shared_data: Path) -> None:
    spec = LayerSpec(name="districts", source="vector_file", datum="gcj02", columns=(("district_id", "adcode"),),
                     path=str(shared_data / "boundaries" / "datav_510100_full_gcj02.json"))
    city = load_layers([spec], metric_crs="EPSG:4544")
    ledger = city.provenance[0].ledger
    assert (ledger.read, ledger.accepted, ledger.repaired, ledger.rejected) == (20, 16, 4, 0)
    frame = city.frame("districts")
    assert frame.geometry.is_valid.all()
    repaired = frame[frame["district_id"].isin([remark.feature_id for remark in ledger.remarks])]
    assert set(repaired["name"]) == {"郫都区", "蒲江县", "彭州市", "简阳市"}
    assert city.area_of_interest.area / 1e6 == pytest.approx(14335, rel=0.005)  # the city's own figure, km2


def test_real_substations_and_their_voltages(shared_data: Path, districts: LayerSpec) -> None:
    spec = LayerSpec(name="substations", source="vector_file", datum="wgs84", columns=(("voltage_kv", "voltage"),),
                     where="typ = 'substation'", path=str(shared_data / "osm" /
                                                          "china_osm_hv_substations_2017_wgs84.geojson"))
    city = _load(districts, spec)
    ledger = city.provenance[1].ledger
    assert ledger.read == ledger.accepted + ledger.repaired + ledger.rejected
    voltages = city.frame("substations")["voltage_kv"]
    source = gpd.read_file(spec.path)
    has_voltage = source["voltage"].fillna("").str.contains(r"[1-9]")
    assert len(voltages) == int((has_voltage & (source["typ"] == "substation")).sum())
    assert ledger.rejected == ledger.read - len(voltages) > 0
    assert voltages.between(35, 1100).all()
    assert {220.0, 500.0} <= set(voltages)


def test_districts_with_swapped_axes_stop_the_run_though_nothing_is_known_yet() -> None:
    turned = box(34.6, 113.4, 34.8, 113.6)
    spec = LayerSpec(name="districts", source="inline",
                     features=(InlineFeature(geometry=turned.wkt, properties=(("name", "西区"),)),))
    with pytest.raises(CrsError, match="latitude comes before longitude"):
        _load(spec)
    assert len(_load(dataclasses.replace(spec, options=(("swap_axes", True),))).frame("districts")) == 1


def test_rows_outside_the_study_area_are_counted_per_source(districts: LayerSpec) -> None:
    hubs = LayerSpec(name="hubs", source="inline", features=tuple(
        InlineFeature(geometry=f"POINT ({lon} 34.7)") for lon in (113.5, 114.5, 115.0)))
    city = _load(districts, hubs)
    assert [record.n_outside for record in city.provenance] == [0, 2]
    assert city.provenance[1].ledger.accepted == 3


def test_rings_that_are_none_in_a_file_are_accounted_for(tmp_path: Path, districts: LayerSpec) -> None:
    square = "[113.5,34.7],[113.51,34.7],[113.51,34.71],[113.5,34.71]"
    rings = ["[113.5,34.7],[113.51,34.7]", square + ",[113.5,34.7]", "", "[113.5,34.7],[113.5,34.7],[113.5,34.7]"]
    rows = [f'{{"type":"Feature","properties":{{"parcel_id":"p{i}"}},"geometry":{{"type":"Polygon",'
            f'"coordinates":[[{ring}]]}}}}' for i, ring in enumerate(rings)]
    path = tmp_path / "p.geojson"
    path.write_text('{"type":"FeatureCollection","features":[' + ",".join(rows) + "]}", encoding="utf-8")
    city = _load(districts, LayerSpec(name="parcels", source="vector_file", path=str(path), datum="wgs84"))
    ledger = city.provenance[1].ledger
    assert (ledger.read, ledger.accepted, ledger.rejected) == (4, 1, 3)
    assert {remark.feature_id for remark in ledger.remarks} == {"p0", "p2", "p3"}


def test_everything_wrong_with_the_specs_is_found_at_once(districts: LayerSpec) -> None:
    dem = LayerSpec(name="dem", source="raster_file", path="x.tif")
    grouped = group_specs([dem, dem, LayerSpec(name="rods", source="inline"), LayerSpec(name="roads", source="cvs")])
    assert sorted(layer for layer, _ in grouped.problems) == ["dem", "districts", "roads", "rods"]
    assert list(group_specs([districts, dem]).groups) == ["districts", "dem"]
