"""GeoJSON, GeoParquet and CSV, one file per layer; and every format written from blocks as from one frame."""

from __future__ import annotations

import csv
import dataclasses
import filecmp
import json
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import geopandas as gpd
import numpy as np
import pandas as pd
import pytest
import shapely

from layers.exports import shapefile
from layers.exports.bundles import Bundle
from layers.exports.geopackage import write_geopackage
from layers.exports.kml import write_kml
from layers.exports.layer_files import LayerForm, write_layers
from layers.exports.layer_rows import HeldRows, common_type
from layers.exports.shapefile import write_shapefiles
from layers.exports.workbook import write_workbook

Make = Callable[..., Bundle]


@dataclass(frozen=True)
class TwoByTwo:
    """Features that are never at hand whole: two at a time, whatever is asked for."""

    held: HeldRows

    def __len__(self) -> int:
        return len(self.held)

    def head(self, n_rows: int) -> gpd.GeoDataFrame:
        return self.held.head(n_rows)

    def blocks(self, n_rows: int = 2) -> Iterator[gpd.GeoDataFrame]:
        return self.held.blocks(2)

    def column(self, name: str) -> pd.Series[Any]:
        return self.held.column(name)

    @property
    def whole(self) -> gpd.GeoDataFrame:
        raise AssertionError("held whole")

    @property
    def geometry_types(self) -> frozenset[str]:
        return self.held.geometry_types

    @property
    def bounds(self) -> tuple[float, float, float, float]:
        return self.held.bounds


def in_blocks(bundle: Bundle) -> Bundle:
    layers = tuple(dataclasses.replace(layer, rows=TwoByTwo(HeldRows(layer.frame))) for layer in bundle.layers)
    return dataclasses.replace(bundle, layers=layers)


def test_geojson_is_rfc_7946(bundle: Make, tmp_path: Path) -> None:
    made = bundle()
    path = write_layers(made, tmp_path, "geojson")[0]
    found = json.loads(path.read_text(encoding="utf-8"))
    assert list(found) == ["type", "name", "title", "description", "provenance", "features"]
    assert (found["name"], found["title"]) == ("parcels", "候选地块")
    assert "天地图" in found["description"]
    assert found["provenance"][0]["approval_number"] == "GS(2024)0650"
    assert [f["id"] for f in found["features"]] == ["P1", "P2", "P3", "P4"]
    ring = found["features"][0]["geometry"]["coordinates"][0]
    assert shapely.LinearRing(ring).is_ccw
    assert len(f"{ring[0][0]}".partition(".")[2]) <= 7
    frame = gpd.read_file(path)
    assert frame.crs.to_epsg() == 4326
    assert frame["name"].tolist()[0] == made.layers[0].frame["name"].tolist()[0]


def test_geojson_in_gcj02_says_so(bundle: Make, tmp_path: Path) -> None:
    path = write_layers(bundle("gcj02"), tmp_path, "geojson")[0]
    found = json.loads(path.read_text(encoding="utf-8"))
    assert path.name == "parcels_gcj02.geojson"
    assert "GCJ-02" in found["description"]
    assert {f["properties"]["datum"] for f in found["features"]} == {"GCJ-02"}


@pytest.mark.parametrize("crs", ["4326", "4490", "4547", "4526", "gcj02"])
def test_geoparquet_comes_back_equal(bundle: Make, tmp_path: Path, crs: str) -> None:
    pq = pytest.importorskip("pyarrow.parquet")
    made = bundle(crs)
    for layer, path in zip(made.layers, write_layers(made, tmp_path, "geoparquet"), strict=True):
        found = gpd.read_parquet(path)
        assert found[layer.id_column].tolist() == layer.frame[layer.id_column].tolist()
        distance = shapely.hausdorff_distance(found.geometry.to_numpy(), layer.frame.geometry.to_numpy())
        assert distance.max() == 0.0
        assert "GCJ-02" in found.crs.name if crs == "gcj02" else found.crs.to_epsg() == int(crs)
    schema = pq.read_schema(tmp_path / f"parcels{made.target.suffix}.parquet")
    assert schema.field("name").metadata[b"title_zh"].decode() == "名称"
    assert json.loads(schema.metadata[b"geo"])["columns"]["geometry"]["geometry_types"] == ["MultiPolygon", "Polygon"]
    assert "天地图" in json.loads(schema.metadata[b"provenance"])[0]["attribution"]


@pytest.mark.parametrize(("crs", "headings"), [
    ("4326", ["经度（EPSG:4326）", "纬度（EPSG:4326）"]),
    ("4526", ["东坐标_米（EPSG:4526）", "北坐标_米（EPSG:4526）"]),
    ("gcj02", ["datum", "经度（GCJ-02）", "纬度（GCJ-02）"]),
])
def test_csv_opens_in_a_spreadsheet(bundle: Make, tmp_path: Path, crs: str, headings: list[str]) -> None:
    made = bundle(crs)
    paths = write_layers(made, tmp_path, "csv")
    assert [p.stem.removesuffix("_gcj02") for p in paths] == ["parcels", "edge_centres", "summary", "sources"]
    assert paths[0].read_bytes().startswith(b"\xef\xbb\xbf")
    with paths[0].open(encoding="utf-8-sig", newline="") as file:
        head, *rows = csv.reader(file)
    assert head[:2] == ["地块编号", "名称"]
    assert head[-len(headings):] == headings
    assert rows[2][1] == "'=1+1"
    for row, shape in zip(rows, made.layers[0].frame.geometry, strict=True):
        assert shapely.Point(float(row[-2]), float(row[-1])).within(shape)
    if crs == "4526":
        assert all(row[-2].startswith("38") and len(row[-2].partition(".")[0]) == 8 for row in rows)
    english = write_layers(bundle(crs, "en"), tmp_path / "en", "csv")[0].read_text(encoding="utf-8-sig")
    assert english.startswith("parcel_id,name,")


def test_csv_of_a_feature_without_a_place(bundle: Make, tmp_path: Path) -> None:
    made = bundle()
    made.layers[1].frame.loc[0, "geometry"] = None
    rows = write_layers(made, tmp_path, "csv")[1].read_text(encoding="utf-8-sig").splitlines()
    assert rows[1].endswith(",,")
    assert not rows[2].endswith(",")
    with zipfile.ZipFile(write_workbook(made, tmp_path / "w.xlsx", layers=["edge_centres"])) as archive:
        sheet = archive.read("xl/worksheets/sheet2.xml").decode()
    cells = [row.count("<c ") for row in sheet.split("<row ")[2:]]
    assert cells == [3, 4]  # certainty and id in both


@pytest.mark.parametrize("form", ["geojson", "geojsonseq", "csv"])
def test_text_from_blocks_is_the_same(bundle: Make, tmp_path: Path, form: LayerForm) -> None:
    whole, parts = (write_layers(b, tmp_path / str(i), form) for i, b in enumerate((bundle(), in_blocks(bundle()))))
    assert all(filecmp.cmp(a, b, shallow=False) for a, b in zip(whole, parts, strict=True))


def test_documents_from_blocks_are_the_same(bundle: Make, tmp_path: Path) -> None:
    for place, made in enumerate((bundle("4547"), in_blocks(bundle("4547")))):
        write_kml(made, tmp_path / f"{place}.kml")
        write_workbook(made, tmp_path / f"{place}.xlsx", layers=["parcels"])
    assert filecmp.cmp(tmp_path / "0.kml", tmp_path / "1.kml", shallow=False)
    assert filecmp.cmp(tmp_path / "0.xlsx", tmp_path / "1.xlsx", shallow=False)


def test_gdal_files_from_blocks_hold_the_same(bundle: Make, tmp_path: Path) -> None:
    pytest.importorskip("pyarrow")
    tables = []
    for place, made in enumerate((bundle("4547"), in_blocks(bundle("4547")))):
        folder = tmp_path / str(place)
        files = [write_geopackage(made, folder / "x.gpkg"), write_layers(made, folder, "fgb")[0],
                 write_shapefiles(made, folder / "shp", encoding="gbk")[0],
                 write_layers(made, folder, "geoparquet")[0]]
        read = [gpd.read_parquet(p) if p.suffix == ".parquet" else
                gpd.read_file(p, **({"layer": "parcels"} if p.suffix == ".gpkg" else {})) for p in files]
        tables.append([t.sort_values(t.columns[0], ignore_index=True) for t in read])
        assert [t.geom_type.unique().tolist() for t in tables[place][:2]] == [["MultiPolygon"]] * 2
    for one, other in zip(*tables, strict=True):
        pd.testing.assert_frame_equal(one, other)
    assert (tmp_path / "0/shp/fields.csv").read_bytes() == (tmp_path / "1/shp/fields.csv").read_bytes()


def test_shapefile_from_blocks_is_refused_before_it_is_written(bundle: Make, tmp_path: Path) -> None:
    with pytest.raises(shapefile.ExportError, match="as a Shapefile"):
        write_shapefiles(in_blocks(bundle()), tmp_path / "shp", largest_file=700)
    assert not (tmp_path / "shp").exists()


@pytest.mark.parametrize(("kinds", "declared"), [
    ({"Polygon"}, ("Polygon", False)), ({"Polygon", "MultiPolygon"}, ("MultiPolygon", True)),
    ({"Point", "Polygon"}, ("Unknown", False)), (set(), ("Unknown", False)),
])
def test_declared_kind_of_geometry(kinds: set[str], declared: tuple[str, bool]) -> None:
    assert common_type(frozenset(kinds)) == declared


def test_numbers_of_an_empty_layer(bundle: Make, tmp_path: Path) -> None:
    made = bundle()
    empty = dataclasses.replace(made, layers=tuple(dataclasses.replace(layer, rows=HeldRows(layer.frame.iloc[:0]))
                                                   for layer in made.layers))
    write_geopackage(empty, tmp_path / "x.gpkg")
    for form in ("fgb", "geojson", "geojsonseq", "csv"):
        assert all(p.exists() for p in write_layers(empty, tmp_path, form))  # type: ignore[arg-type]
    assert len(gpd.read_file(tmp_path / "x.gpkg", layer="parcels")) == 0
    assert np.isnan(empty.layers[0].rows.bounds[0])


def test_fields_of_a_shapefile_grow_with_later_blocks(bundle: Make, tmp_path: Path) -> None:
    made = bundle("4547")
    layer = made.layers[0]
    grown = layer.frame.assign(name=["a", "b", "郑州" * 40, "c"], large_rank=pd.array([1, 2, 123456789, None], "Int64"))
    layers = (dataclasses.replace(layer, rows=TwoByTwo(HeldRows(grown))),)
    path = write_shapefiles(dataclasses.replace(made, layers=layers), tmp_path / "shp", encoding="gbk")[0]
    found = gpd.read_file(path)
    assert found["name"].tolist() == ["a", "b", "郑州" * 40, "c"]
    assert found["large_rank"].tolist()[:3] == [1, 2, 123456789]
