"""A finished study handed over through the command: every format, every CRS, and how it refuses."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import socket
import subprocess
import sys
import zipfile
from pathlib import Path

import geopandas as gpd
import numpy as np
import pandas as pd
import pyogrio
import pytest
import shapely
from typer.testing import CliRunner

from gis.crs import to_metric
from layers.exports import shapefile
from siting.finished_study import LARGE_PARCEL_LAYER, read_finished
from suanzhi import exporting
from suanzhi.cli import app
from suanzhi.exporting import ExportRequest, export_study, read_bundle
from suanzhi.finished_layers import read_layer

LAYERS = ("units", "zones", "parcels", "districts", "coverage", "fibre_routes", "demand", "substations", "feed_lines",
          "top_candidates", "edge_centres", "capacity_sites", "campus_parts")


def suanzhi(*arguments: str, cwd: Path | None = None, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-m", "suanzhi", *arguments], capture_output=True, text=True, cwd=cwd,
                          check=False, env={**os.environ, **environment})


@pytest.fixture(scope="module")
def study(finished: Path) -> Path:
    return finished


@pytest.fixture(scope="module")
def exported(study: Path) -> Path:
    found = suanzhi("export", str(study), "--to", "gpkg,shp,fgb,geojsonseq,geoparquet,kml,csv,xlsx,qgz", "--crs",
                    "4547", "--encoding",
                    "gbk", PYTHONWARNINGS="error::UserWarning")
    assert found.returncode == 0, found.stderr
    assert found.stderr == ""
    assert str(study / "export" / "zhengzhou.gpkg") in found.stdout.splitlines()
    return study / "export"


def source(study: Path, name: str) -> gpd.GeoDataFrame:
    return gpd.read_file(study / "layers" / f"{name}_zh.geojson")


def layer_names(study: Path) -> set[str]:
    """Return the layers that lie in the folder of a study."""
    return {p.stem for p in (study / "layers").glob("*.geojson") if not p.stem.endswith("_zh")}


def hashes(folder: Path) -> dict[str, str]:
    return {str(p.relative_to(folder)): hashlib.sha256(p.read_bytes()).hexdigest()
            for p in sorted(folder.rglob("*")) if p.is_file()}


@pytest.mark.parametrize("name", LAYERS)
def test_every_format_holds_the_same(study: Path, exported: Path, name: str) -> None:
    wanted = source(study, name)
    metric = to_metric(wanted, "EPSG:4547").geometry.to_numpy()
    ids = wanted["id"].astype(str).tolist()
    column = read_layer(read_finished(study), name, "zh").id_column
    named = dict(zip(wanted["id"].astype(str), metric, strict=True))
    for path in (exported / "zhengzhou.gpkg", exported / "fgb" / f"{name}.fgb", exported / "shp" / f"{name}.shp"):
        found = gpd.read_file(path, layer=name)
        # A packed R-tree puts features into its own order.
        keys = found[column if column in found.columns else found.columns[0]].astype(str).tolist()
        assert sorted(keys) == sorted(ids), path
        assert found.crs.to_epsg() == 4547 or "CGCS2000" in found.crs.name
        moved = shapely.hausdorff_distance(found.geometry.to_numpy(), np.array([named[k] for k in keys]))
        assert moved.max() < 1e-3, path
    found = gpd.read_parquet(exported / "geoparquet" / f"{name}.parquet")
    assert found[column].astype(str).tolist() == ids
    assert found.crs.to_epsg() == 4547
    assert shapely.hausdorff_distance(found.geometry.to_numpy(), metric).max() < 1e-3
    table = pd.read_csv(exported / "csv" / f"{name}.csv", encoding="utf-8-sig", dtype=str)
    assert len(table) == len(ids)
    inside = shapely.points(table[["东坐标_米（EPSG:4547）", "北坐标_米（EPSG:4547）"]].to_numpy(dtype=float))
    assert shapely.distance(inside, metric).max() < 0.01
    found = gpd.read_file(exported / "geojsonseq" / f"{name}.geojsons")
    assert found["id"].astype(str).tolist() == ids
    assert shapely.hausdorff_distance(found.geometry.to_numpy(), wanted.geometry.to_numpy()).max() <= 1e-7


def test_layers_and_tables_are_all_there(study: Path, exported: Path) -> None:
    found = dict(pyogrio.list_layers(exported / "zhengzhou.gpkg").tolist())
    assert {name for name, kind in found.items() if kind} == layer_names(study) >= set(LAYERS)
    tables = {name for name, kind in found.items() if not kind}
    assert tables >= {"summary", "rules", "criteria", "sources", "layer_styles", "ledger", "capacity_by_unit"}
    capacity = pyogrio.read_dataframe(exported / "zhengzhou.gpkg", layer="capacity_by_unit")
    assert len(capacity) == len(pd.read_csv(study / "capacity_by_unit.csv"))
    manifest = json.loads((study / "manifest.json").read_text(encoding="utf-8"))
    rules = pyogrio.read_dataframe(exported / "zhengzhou.gpkg", layer="rules")
    assert len(rules) == sum(len(c["rules"]) for c in manifest["scheme"]["classes"])
    assert rules["quote"].str.len().gt(0).any()
    sources = pyogrio.read_dataframe(exported / "zhengzhou.gpkg", layer="sources")
    assert sources["n_read"].tolist() == [r["ledger"]["read"] for r in manifest["inputs"]]
    assert "GS(2024)0650" in sources["approval_number"].tolist()


def test_values_types_and_titles(study: Path, exported: Path) -> None:
    wanted = source(study, "parcels")
    found = pyogrio.read_dataframe(exported / "zhengzhou.gpkg", layer="parcels")
    assert found["land_use"].tolist() == wanted["用地性质"].tolist()
    assert found["large_eligible"].dtype == bool
    assert np.array_equal(found["large_score"], wanted["大型_得分"], equal_nan=True)
    assert np.array_equal(found["large_rank"], wanted["大型_排名"], equal_nan=True)
    # Measures without any value are numbers all the same.
    assert found["large_reclaimed_water_distance_m"].dtype == float
    assert found["certainty"].tolist() == ["合成"] * len(found)
    titles = read_layer(read_finished(study), "parcels", "zh").titles
    assert titles["large_score"] == "大型_得分"


def test_english_values_are_codes(study: Path, tmp_path: Path) -> None:
    export_study(study, ExportRequest(formats=("gpkg",), dest=tmp_path), language="en")
    found = pyogrio.read_dataframe(tmp_path / "zhengzhou.gpkg", layer="parcels")
    assert set(found["certainty"]) == {"synthetic"}
    assert set(found["large_permission"]) <= {"favoured", "allowed", "controlled", "closed"}


def test_project_draws_parcels_by_score_and_zones_by_colour(exported: Path) -> None:
    with zipfile.ZipFile(exported / "zhengzhou.qgz") as archive:
        text = archive.read("zhengzhou.qgs").decode()
    assert "&quot;large_eligible&quot; IN (false)" in text
    assert text.count("&quot;large_score&quot;") >= 7
    assert "&quot;zone_id&quot; IN ('core')" in text
    assert "./zhengzhou.gpkg|layername=parcels" in text


@pytest.mark.parametrize("crs", ["EPSG:4326", "4490", "4526", "gcj02"])
def test_other_crs(study: Path, tmp_path: Path, crs: str) -> None:
    written = export_study(study, ExportRequest(formats=("gpkg", "kml"), crs=crs, dest=tmp_path), language="zh")
    files = [p for p in written if isinstance(p, Path)]
    found = gpd.read_file(files[0], layer="edge_centres")
    wanted = source(study, "edge_centres")
    readme = files[-1].read_text(encoding="utf-8")
    if crs == "gcj02":
        assert [p.name for p in files] == ["zhengzhou_gcj02.gpkg", "zhengzhou_gcj02.kml", "README_gcj02.txt"]
        assert "GCJ-02" in found.crs.name
        assert set(found["datum"]) == {"GCJ-02"}
        shift = shapely.distance(found.geometry.to_numpy(), wanted.geometry.to_numpy())
        assert 0.003 < shift.min() < shift.max() < 0.01
        assert readme.count("GCJ-02") > len(LAYERS)
    else:
        assert found.crs.to_epsg() == int(crs[-4:])
        assert "datum" not in found.columns
    assert "天地图" in readme


def test_same_study_gives_the_same_bytes(study: Path, tmp_path: Path) -> None:
    formats = tuple(f for f in exporting.FORMATS if f != "postgis")
    for folder in ("a", "b"):
        export_study(study, ExportRequest(formats=formats, dest=tmp_path / folder), language="zh")
    assert hashes(tmp_path / "a") == hashes(tmp_path / "b")


def test_the_study_itself_is_left_alone(study: Path, tmp_path: Path) -> None:
    before = hashes(study)
    export_study(study, ExportRequest(formats=("shp", "xlsx"), dest=tmp_path), language="zh")
    assert hashes(study) == before


@pytest.mark.parametrize(("arguments", "code", "sentence"), [
    (["--to", "dwg"], 2, "unknown format 'dwg'"), (["--to", ","], 2, "choose from: gpkg"),
    (["--crs", "3857"], 2, "EPSG:4490"), (["--crs", "4544"], 2, "use EPSG:4547"),
    (["--to", "gpkg,geojson", "--crs", "4547"], 2, "--crs EPSG:4326"), (["--to", "geojson", "--crs", "4490"], 2, "RFC"),
    (["--to", "shp", "--encoding", "big5"], 2, "gbk or utf-8"),
    (["--to", "postgis", "--database", "postgresql://u:hush@h/d"], 2, "service file"),
    (["--dest", "/proc/none"], 6, "choose another folder"),
])
def test_wrong_calls_are_one_sentence(study: Path, arguments: list[str], code: int, sentence: str) -> None:
    found = CliRunner().invoke(app, ["export", str(study), "--lang", "en", *arguments])
    assert found.exit_code == code, found.stderr
    assert sentence in found.stderr
    assert len(found.stderr.splitlines()) == 1
    assert "hush" not in found.stderr + found.stdout


def test_geojson_of_the_standard_and_in_gcj02(study: Path, tmp_path: Path) -> None:
    for crs, ending in (("EPSG:4326", ""), ("gcj02", "_gcj02")):
        written = export_study(study, ExportRequest(formats=("geojson",), crs=crs, dest=tmp_path), language="zh")
        path = tmp_path / "geojson" / f"parcels{ending}.geojson"
        assert path in written
        told = json.loads(path.read_text(encoding="utf-8"))
        assert "crs" not in told
        assert ("GCJ-02" in told["description"]) == bool(ending)
        assert len(told["features"]) == 200


def test_what_is_not_installed_is_named(study: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "xlsxwriter", None)
    found = CliRunner().invoke(app, ["export", str(study), "--lang", "en", "--to", "xlsx", "--dest", str(tmp_path)])
    assert found.exit_code == 6
    assert "pip install suanzhi[xlsx]" in found.stderr


def test_database_that_does_not_answer_is_one_sentence(study: Path, tmp_path: Path) -> None:
    pytest.importorskip("psycopg")
    found = CliRunner().invoke(app, ["export", str(study), "--lang", "en", "--to", "postgis", "--database",
                                     f"host={tmp_path} dbname=none connect_timeout=2"])
    assert found.exit_code == 6
    assert "nothing was changed there" in found.stderr
    assert len(found.stderr.splitlines()) == 1


def test_layer_too_large_for_a_shapefile(study: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(shapefile.write_shapefiles.__kwdefaults__, "largest_file", 10_000)
    found = CliRunner().invoke(app, ["export", str(study), "--lang", "en", "--to", "shp", "--dest", str(tmp_path)])
    assert found.exit_code == 6
    assert "export it as gpkg or fgb" in found.stderr


def test_port_that_is_taken(study: Path) -> None:
    pytest.importorskip("uvicorn")
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        found = CliRunner().invoke(app, ["serve", str(study), "--port", port, "--lang", "en"])
    assert found.exit_code == 2
    assert "choose another --port" in found.stderr


def test_folder_without_a_study(tmp_path: Path) -> None:
    (tmp_path / "manifest.json").write_text('{"product": "other", "files": {}}')
    for folder in (tmp_path, tmp_path / "none"):
        found = CliRunner().invoke(app, ["export", str(folder)])
        assert found.exit_code == 3
        assert "不是已完成的方案目录" in found.stderr


def test_changed_layer_is_refused(study: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(study, copy)
    path = copy / "layers" / "zones.geojson"
    path.write_text(path.read_text(encoding="utf-8").replace("core", "cord"), encoding="utf-8")
    found = CliRunner().invoke(app, ["export", str(copy), "--lang", "en"])
    assert found.exit_code == 3
    assert "run the study again" in found.stderr


def test_manifest_cannot_name_files_outside(study: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(study, copy)
    manifest = json.loads((copy / "manifest.json").read_text(encoding="utf-8"))
    manifest["files"] |= {"layers/../../evil.geojson": "0" * 64, "/etc/evil.geojson": "0" * 64}
    (copy / "manifest.json").write_text(json.dumps(manifest), encoding="utf-8")
    assert set(read_finished(copy).layer_names) == layer_names(study)


def test_large_study_is_read_from_parquet(study: Path, finished_large: Path, tmp_path: Path) -> None:
    large, small = (read_bundle(read_finished(p), "4326", language="zh") for p in (finished_large, study))
    assert LARGE_PARCEL_LAYER in read_finished(finished_large).manifest["files"]
    one, two = (next(layer for layer in b.layers if layer.name == "parcels") for b in (large, small))
    assert one.columns == two.columns
    assert one.titles == two.titles
    assert one.terms == two.terms
    for column in ("parcel_id", "land_use", "unit", "zone", "large_permission", "large_permission_clause", "certainty",
                   "large_eligible", "large_exclusion_rules", "edge_penalty_rules"):
        assert one.frame[column].astype(object).fillna("").tolist() == two.frame[column].fillna("").tolist(), column
    assert np.allclose(one.frame["large_score"], two.frame["large_score"], equal_nan=True)
    distance = shapely.hausdorff_distance(one.frame.geometry.to_numpy(), two.frame.geometry.to_numpy())
    assert distance.max() < 2e-7
    export_study(finished_large, ExportRequest(formats=("gpkg", "shp", "xlsx", "kml", "fgb", "geojsonseq"),
                                                   dest=tmp_path / "x"), language="zh")
    assert len(gpd.read_file(tmp_path / "x" / "zhengzhou.gpkg", layer="parcels")) == 200
