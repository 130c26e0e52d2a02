"""A GeoParquet layer read in batches is the layer read at once: rows, ids, accounts, notes and refusals."""

from __future__ import annotations

import dataclasses
import warnings
from pathlib import Path

import geopandas as gpd
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import shapely
from pandas.testing import assert_frame_equal
from shapely.geometry import Polygon, box

from gis.errors import CrsError, LayerError, LayerNotFoundError, SchemaError, UsageError
from layers import load_layers
from layers.loading import LoadedBatch, iter_layer
from layers.sources.row_filter import numeric_columns, rows_where
from layers.types import CityLayers, LayerSpec

CRS = "EPSG:4547"
OPTIONS = (("land_use_scheme", "guide2023"),)
WEST, SOUTH = 460_000.0, 3_840_000.0


def odd_frame(n: int = 400, seed: int = 3) -> gpd.GeoDataFrame:
    """Parcels with everything that a column, an id or a geometry can have wrong, spread over all rows."""
    rng = np.random.default_rng(seed)
    x, y = WEST + 120.0 * np.arange(n), SOUTH + 50.0 * rng.integers(0, 9, n)
    shapes = shapely.box(x, y, x + 100.0, y + 40.0)
    # Invalid, but of the same area once repaired.
    spiked = shapely.polygons(np.stack([np.stack([x, y], 1), np.stack([x + 100, y], 1), np.stack([x + 100, y + 20], 1),
                                        np.stack([x + 110, y + 20], 1), np.stack([x + 100, y + 20], 1),
                                        np.stack([x + 100, y + 40], 1), np.stack([x, y + 40], 1)], axis=1))
    kind = rng.integers(0, 30, n)
    shapes = np.where(kind == 1, spiked, shapes)
    for number, other in enumerate([None, Polygon(), box(9e5, 2e6, 9.1e5, 2.1e6), shapely.Point(WEST, SOUTH),
                                    box(WEST, SOUTH, WEST + 0.1, SOUTH + 40.0), box(-2e7, -2e7, 2e7, 2e7)], start=2):
        shapes[kind == number] = other
    closed = shapely.linestrings([[WEST, SOUTH], [WEST + 9, SOUTH], [WEST + 9, SOUTH + 9], [WEST, SOUTH]])
    shapes[kind == 8] = closed
    shapes[kind == 9] = shapely.force_3d(shapes[0], 7.0)
    ids = np.array([f"P{number:04d}" for number in range(n)], dtype=object)
    ids[rng.integers(0, n, 30)] = ids[rng.integers(0, n, 30)]
    ids[rng.integers(0, n, 8)] = None
    ids[rng.integers(0, n, 8)] = " \u3000P0001\t"
    ids[n - 5], ids[n - 2] = "P0001~2", "parcels-000011"
    uses = np.array(["1001", "industrial", "工业用地", "gibberish", None, " ", "0701"], dtype=object)
    frame = gpd.GeoDataFrame({
        "parcel_id": ids, "land_use": uses[rng.integers(0, 7, n)], "name": rng.choice(["甲", " 乙 ", "", "丙"], n),
        "building_area_m2": rng.choice(["12.5", "35亩", "abc", "1,200 m²"], n),
        "certainty": rng.choice(np.array(["real", "assumed", None], dtype=object), n),
        "floors": np.where(np.arange(n) == n - 1, np.nan, rng.integers(1, 9, n)),
        "kind": pd.Categorical(rng.choice(["a", "b"], n)),
    }, geometry=shapes, crs=CRS)
    frame["floors"] = frame["floors"].astype("Int64")
    rows = np.arange(n)
    again = rng.integers(0, n, n // 10)
    rows[again] = (again + 7) % n
    return frame.iloc[rows].reset_index(drop=True)


def written(frame: gpd.GeoDataFrame, path: Path, row_group: int = 64) -> LayerSpec:
    frame.to_parquet(path, row_group_size=row_group)
    return LayerSpec(name="parcels", source="vector_file", path=str(path), options=OPTIONS)


def whole_of(districts: LayerSpec, spec: LayerSpec) -> CityLayers:
    return load_layers([districts, spec], metric_crs=CRS)


def batches_of(city: CityLayers, spec: LayerSpec, rows: int) -> list[LoadedBatch]:
    return list(iter_layer(spec, metric_crs=CRS, area_of_interest=city.area_of_interest, rows_per_batch=rows))


def check_same(city: CityLayers, batches: list[LoadedBatch]) -> None:
    joined = pd.concat([batch.frame for batch in batches], ignore_index=True)
    assert_frame_equal(city.frame("parcels"), joined)
    record, parts = city.provenance[1], [batch.provenance for batch in batches]
    for name in ("read", "accepted", "repaired", "rejected"):
        assert sum(getattr(part.ledger, name) for part in parts) == getattr(record.ledger, name), name
    assert tuple(remark for part in parts for remark in part.ledger.remarks) == record.ledger.remarks
    assert sorted(str(note) for part in parts for note in part.ledger.notes) == sorted(map(str, record.ledger.notes))
    assert sum(part.n_outside for part in parts) == record.n_outside
    assert {(part.sha256, part.crs, part.datum, part.path) for part in parts} == {
        (record.sha256, record.crs, record.datum, record.path)}
    n_read = np.cumsum([0, *(part.ledger.read for part in parts)])
    assert [batch.first_row for batch in batches] == n_read[:-1].tolist()


@pytest.mark.parametrize("rows", [1, 37, 64, 150, 1_000])
def test_batches_joined_are_the_whole(tmp_path: Path, districts: LayerSpec, rows: int) -> None:
    frame = odd_frame()
    spec = written(frame.iloc[:40] if rows == 1 else frame, tmp_path / "parcels.parquet")
    city = whole_of(districts, spec)
    ledger = city.provenance[1].ledger
    if rows > 1:
        assert min(ledger.accepted, ledger.repaired, ledger.rejected) > 20
        assert any("same geometry and attributes" in note.reason.en for note in ledger.notes)
        assert any("sliver" in note.reason.en for note in ledger.notes)
        assert city.frame("parcels")["parcel_id"].str.contains("~").any()
    batches = batches_of(city, spec, rows)
    assert len(batches) >= city.provenance[1].ledger.read // rows
    check_same(city, batches)


@pytest.mark.parametrize("seed", range(6))
def test_any_layer_in_any_batches(tmp_path: Path, districts: LayerSpec, seed: int) -> None:
    spec = written(odd_frame(150, seed), tmp_path / "parcels.parquet", row_group=int(10 + seed))
    city = whole_of(districts, spec)
    check_same(city, batches_of(city, spec, 11 + 7 * seed))


def test_condition_columns_values_and_constants(tmp_path: Path, districts: LayerSpec) -> None:
    plain = written(odd_frame(), tmp_path / "parcels.parquet")
    for spec in (dataclasses.replace(plain, where="land_use = '1001' OR floors > 4"),
                 dataclasses.replace(plain, columns=(("name", "parcel_id"), ("parcel_id", "floors"))),
                 dataclasses.replace(plain, values=(("land_use", (("gibberish", "green"),)),),
                                     constants=(("note", 3),))):
        city = whole_of(districts, spec)
        check_same(city, batches_of(city, spec, 50))


def test_column_of_codes_is_there_in_every_batch(tmp_path: Path, districts: LayerSpec) -> None:
    frame = odd_frame()
    frame["land_use"] = ["industrial"] * 399 + ["1001"]
    spec = written(frame, tmp_path / "parcels.parquet")
    city = whole_of(districts, spec)
    batches = batches_of(city, spec, 100)
    assert all(batch.frame.columns.equals(city.frame("parcels").columns) for batch in batches)
    check_same(city, batches)


def test_an_id_is_used_once_whatever_the_batch(tmp_path: Path, districts: LayerSpec) -> None:
    x = WEST + 10.0 * np.arange(9)
    shapes = shapely.box(x, SOUTH, x + 8, SOUTH + 8)
    shapes[7] = None
    ids = ["a", "b", "a", "a~3", "c", "a", "b", "a~2", None]
    frame = gpd.GeoDataFrame({"parcel_id": ids}, geometry=shapes, crs=CRS)
    spec = written(frame, tmp_path / "parcels.parquet")
    city = whole_of(districts, spec)
    # The row a~2 is rejected; the account names it, and so no other row does.
    assert city.frame("parcels")["parcel_id"].tolist() == ["a", "b", "a~4", "a~3", "c", "a~5", "b~2", "parcels-000009"]
    for rows in (1, 2, 4):
        check_same(city, batches_of(city, spec, rows))


def test_type_of_a_column_does_not_depend_on_the_batch(tmp_path: Path, districts: LayerSpec) -> None:
    frame = odd_frame().drop(columns=["floors"])
    frame.to_parquet(tmp_path / "parcels.parquet")
    table, n = pq.read_table(tmp_path / "parcels.parquet"), len(frame)
    # As other programs write them: numbers and truth values with a gap, and no word of pandas.
    table = table.append_column("count", pa.array([None, *range(1, n)])).append_column(
        "is_new", pa.array([None, *[True] * (n - 1)])).replace_schema_metadata({b"geo": table.schema.metadata[b"geo"]})
    pq.write_table(table, tmp_path / "parcels.parquet")
    spec = LayerSpec(name="parcels", source="vector_file", path=str(tmp_path / "parcels.parquet"), options=OPTIONS)
    city = whole_of(districts, spec)
    whole = city.frame("parcels")
    batches = batches_of(city, spec, 90)
    for batch in batches:
        assert batch.frame.dtypes.astype(str).tolist() == whole.dtypes.astype(str).tolist()
    check_same(city, batches)


def test_layer_without_rows_is_one_batch_without_rows(tmp_path: Path, districts: LayerSpec) -> None:
    spec = written(odd_frame().iloc[:0], tmp_path / "parcels.parquet")
    city = whole_of(districts, spec)
    batch, = batches_of(city, spec, 10)
    assert len(batch.frame) == 0
    assert batch.frame.columns.tolist() == city.frame("parcels").columns.tolist()
    assert batch.provenance.reading_notes == city.provenance[1].reading_notes
    assert batch.provenance.ledger.read == 0


def test_degrees_and_declared_datum(tmp_path: Path, districts: LayerSpec) -> None:
    frame = odd_frame(200).to_crs("EPSG:4326")
    spec = dataclasses.replace(written(frame, tmp_path / "parcels.parquet"), datum="gcj02")
    city = whole_of(districts, spec)
    batches = batches_of(city, spec, 60)
    assert batches[0].provenance.datum == "gcj02 (declared)"
    check_same(city, batches)


def test_refusals_are_those_of_the_whole(tmp_path: Path, districts: LayerSpec) -> None:
    good = odd_frame(60).iloc[:30]
    area = whole_of(districts, written(good, tmp_path / "good.parquet")).area_of_interest

    def first(spec: LayerSpec, rows: int = 10) -> LoadedBatch:
        return next(iter(iter_layer(spec, metric_crs=CRS, area_of_interest=area, rows_per_batch=rows)))

    turned = good.set_geometry(shapely.transform(good.geometry.to_numpy(), lambda xy: xy[:, ::-1]), crs=CRS)
    with pytest.raises(CrsError, match="northing comes before easting"):
        first(written(turned, tmp_path / "turned.parquet"))
    odd = good.assign(certainty="sure")
    with pytest.raises(SchemaError, match="unknown values"):
        first(written(odd, tmp_path / "odd.parquet"))
    with pytest.raises(LayerNotFoundError, match=r"gone\.parquet"):
        first(LayerSpec(name="parcels", source="vector_file", path=str(tmp_path / "gone.parquet")))
    good.to_file(tmp_path / "good.gpkg")
    for spec in (LayerSpec(name="parcels", source="vector_file", path=str(tmp_path / "good.gpkg")),
                 LayerSpec(name="parcels", source="demo"), LayerSpec(name="parcel", source="demo")):
        with pytest.raises(UsageError):
            first(spec)
    with pytest.raises(UsageError, match="batches of 0 rows"):
        first(written(good, tmp_path / "good.parquet"), 0)
    (tmp_path / "cut.parquet").write_bytes((tmp_path / "good.parquet").read_bytes()[:-9])
    with pytest.raises(LayerError, match="cannot be read as vector data"):
        first(LayerSpec(name="parcels", source="vector_file", path=str(tmp_path / "cut.parquet")))


def test_warnings_of_others_are_heard_while_a_file_is_open(tmp_path: Path, districts: LayerSpec) -> None:
    spec = written(odd_frame(), tmp_path / "parcels.parquet")
    city = whole_of(districts, spec)
    for _ in iter_layer(spec, metric_crs=CRS, area_of_interest=city.area_of_interest, rows_per_batch=100):
        with pytest.warns(UserWarning, match="here"):
            warnings.warn("here", UserWarning, stacklevel=1)


def test_a_condition_compares_alike_in_every_part() -> None:
    table = pd.DataFrame({"code": ["9", "10", "x"], "n": [1, 2, 3]})
    assert numeric_columns(table) == frozenset()
    assert numeric_columns(table.iloc[:2]) == {"code"}
    # As text "9" is above "10", as a number it is not.
    whole = rows_where(table, "code > '10'", "parcels")
    parts = [rows_where(table.iloc[part], "code > '10'", "parcels", numeric_columns(table))
             for part in (slice(0, 2), slice(2, 3))]
    assert np.concatenate(parts).tolist() == whole.tolist() == [True, False, True]
