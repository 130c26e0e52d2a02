from __future__ import annotations

import json
import shutil
import sqlite3
import subprocess
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from xml.etree import ElementTree as ET

import geopandas as gpd
import numpy as np
import pytest
import shapely

from gis.errors import ExportError
from layers.exports.bundles import Bundle
from layers.exports.geopackage import write_geopackage

Make = Callable[..., Bundle]


def rows(path: Path, sql: str) -> list[tuple[object, ...]]:
    with closing(sqlite3.connect(path)) as connection:
        return connection.execute(sql).fetchall()


@pytest.mark.parametrize("crs", ["EPSG:4326", "EPSG:4490", "EPSG:4547", "EPSG:4526", "gcj02"])
def test_layers_come_back_equal(bundle: Make, tmp_path: Path, crs: str) -> None:
    given = bundle(crs)
    path = write_geopackage(given, tmp_path / f"{given.name}.gpkg")
    for layer in given.layers:
        found = gpd.read_file(path, layer=layer.name)
        assert found.crs == layer.frame.crs or "GCJ-02" in found.crs.name
        assert found[layer.id_column].tolist() == layer.frame[layer.id_column].tolist()
        moved = shapely.hausdorff_distance(found.geometry.to_numpy(), layer.frame.geometry.to_numpy())
        assert moved.max() < (1e-3 if layer.frame.crs.is_projected else 1e-8)
    found = gpd.read_file(path, layer="parcels")
    wanted = given.layers[0].frame
    assert found["name"].tolist()[0] == wanted["name"].tolist()[0]
    assert found["name"].isna().tolist() == [False, True, False, False]
    assert found["large_permission_clause"].tolist()[0] == wanted["large_permission_clause"].tolist()[0]
    assert found["large_eligible"].tolist() == [True, False, True, True]
    assert found["large_rank"].fillna(0).tolist() == [2, 0, 1, 3]
    assert np.array_equal(found["large_score"], wanted["large_score"], equal_nan=True)
    assert found["certainty"].tolist() == ["synthetic"] * 4


def test_same_study_gives_the_same_bytes(bundle: Make, tmp_path: Path) -> None:
    one, two = (write_geopackage(bundle(), tmp_path / folder / "s.gpkg").read_bytes() for folder in ("a", "b"))
    assert one == two


def test_styles_titles_and_tables_are_inside(bundle: Make, tmp_path: Path) -> None:
    path = write_geopackage(bundle(), tmp_path / "s.gpkg")
    styles = rows(path, "SELECT f_table_name, f_geometry_column, styleQML, useAsDefault FROM layer_styles")
    assert [(s[0], s[1], s[3]) for s in styles] == [("parcels", "geom", 1), ("edge_centres", "geom", 1)]
    root = ET.fromstring(str(styles[0][2]).partition("\n")[2])
    assert [r.get("filter") for r in root.iterfind("renderer-v2/rules/rule")] == [
        '"large_eligible" IN (false)', '"large_score" >= 0.5', '"large_score" < 0.5']
    symbols = {s.get("type") for s in root.iterfind("renderer-v2/symbols/symbol")}
    assert symbols == {"fill"}
    assert {a.get("field"): a.get("name") for a in root.iterfind("aliases/alias")}["parcel_id"] == "地块编号"
    titles = rows(path, "SELECT column_name, name FROM gpkg_data_columns WHERE table_name = 'parcels'")
    assert ("parcel_id", "地块编号") in titles
    assert rows(path, "SELECT item FROM summary")[0] == ("=2+2",)
    assert rows(path, "SELECT table_name FROM gpkg_contents WHERE data_type = 'attributes' ORDER BY 1") == [
        ("layer_styles",), ("sources",), ("summary",)]
    described = rows(path, "SELECT description FROM gpkg_contents WHERE table_name = 'parcels'")[0][0]
    assert "GS(2024)0650" in str(described)
    assert "ODbL" in str(described)


def test_sqlite_finds_no_fault(bundle: Make, tmp_path: Path) -> None:
    path = write_geopackage(bundle(), tmp_path / "s.gpkg")
    assert rows(path, "PRAGMA integrity_check") == [("ok",)]
    assert rows(path, "PRAGMA foreign_key_check") == []
    assert rows(path, "PRAGMA user_version") == [(10200,)]


def test_debian_gdal_reads_it(bundle: Make, tmp_path: Path) -> None:
    if shutil.which("ogr2ogr") is None:
        pytest.skip("gdal-bin is not installed")
    path = write_geopackage(bundle("4547"), tmp_path / "s.gpkg")
    found = subprocess.run(["ogr2ogr", "-f", "GeoJSON", "/vsistdout/", str(path), "parcels"], capture_output=True,
                           text=True, check=True)
    assert "Warning" not in found.stderr
    features = json.loads(found.stdout)["features"]
    assert [f["properties"]["parcel_id"] for f in features] == ["P1", "P2", "P3", "P4"]
    assert features[2]["properties"]["large_permission_clause"] == "《规划》"


def test_older_file_stays_when_writing_fails(bundle: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "s.gpkg"
    path.write_bytes(b"older")

    def fail(*_: object, **__: object) -> None:
        raise ExportError("no", "否")

    monkeypatch.setattr("layers.exports.geopackage._tell_more", fail)
    with pytest.raises(ExportError):
        write_geopackage(bundle(), path)
    assert path.read_bytes() == b"older"
    assert [p.name for p in tmp_path.iterdir()] == ["s.gpkg"]


def test_folder_that_is_a_file_is_one_sentence(bundle: Make, tmp_path: Path) -> None:
    (tmp_path / "f").write_text("")
    with pytest.raises(ExportError, match="choose another folder"):
        write_geopackage(bundle(), tmp_path / "f" / "s.gpkg")
