from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import geopandas as gpd
import pandas as pd
import pytest
import shapely
from hypothesis import given
from hypothesis import strategies as st

from gis.errors import ExportError
from layers.exports.bundles import Bundle
from layers.exports.shapefile import short_names, write_shapefiles

Make = Callable[..., Bundle]


@pytest.mark.parametrize(("encoding", "name"), [("gbk", "GBK"), ("utf-8", "UTF-8")])
@pytest.mark.parametrize("crs", ["4326", "4547"])
def test_layers_come_back_equal(bundle: Make, tmp_path: Path, encoding: str, name: str, crs: str) -> None:
    made = bundle(crs)
    *shapes, fields = write_shapefiles(made, tmp_path, encoding=encoding)  # type: ignore[arg-type]
    assert [p.name for p in shapes] == ["parcels.shp", "edge_centres.shp"]
    assert shapes[0].with_suffix(".cpg").read_text().strip() == name
    found, wanted = gpd.read_file(shapes[0]), made.layers[0].frame
    assert found.crs.to_epsg() == wanted.crs.to_epsg() or found.crs.is_exact_same(wanted.crs)
    assert found["parcel_id"].tolist() == ["P1", "P2", "P3", "P4"]
    table = pd.read_csv(fields, dtype=str, keep_default_na=False)
    short = dict(zip(table["name"], table["field"], strict=True))
    assert found[short["name"]].tolist()[0] == wanted["name"].tolist()[0]
    assert found[short["large_permission_clause"]].tolist()[2] == "《规划》"
    assert found[short["large_score"]].tolist()[3] == pytest.approx(0.123456)
    distance = shapely.hausdorff_distance(found.geometry.to_numpy(), wanted.geometry.to_numpy())
    assert distance.max() < (1e-3 if crs == "4547" else 1e-8)
    cut = table[table["name"] == "large_permission_clause"].iloc[0]
    assert cut["n_cut"] == "1"
    text = found[short["large_permission_clause"]].tolist()[0]
    assert set(text) == set("中原区")
    assert 250 <= len(text.encode(encoding)) <= 254


def test_lost_characters_are_counted(bundle: Make, tmp_path: Path) -> None:
    table = pd.read_csv(write_shapefiles(bundle(), tmp_path, encoding="gbk")[-1], keep_default_na=False)
    row = table[(table["file"] == "parcels.shp") & (table["name"] == "name")].iloc[0]
    assert row["n_unencodable"] == 1
    assert row["title_zh"] == "名称"


def test_debian_gdal_reads_gbk(bundle: Make, tmp_path: Path) -> None:
    if shutil.which("ogrinfo") is None:
        pytest.skip("gdal-bin is not installed")
    path = write_shapefiles(bundle(), tmp_path, encoding="gbk")[0]
    found = subprocess.run(["ogrinfo", "-ro", "-al", str(path)], capture_output=True, text=True, check=True).stdout
    assert "《规划》" in found
    assert "Feature Count: 4" in found


def test_too_large_is_refused_before_writing(bundle: Make, tmp_path: Path) -> None:
    with pytest.raises(ExportError, match="as gpkg or fgb"):
        write_shapefiles(bundle(), tmp_path, largest_file=600)
    assert list(tmp_path.iterdir()) == []


def test_same_study_gives_the_same_bytes(bundle: Make, tmp_path: Path) -> None:
    for folder in ("a", "b"):
        write_shapefiles(bundle(), tmp_path / folder)
    for path in sorted((tmp_path / "a").iterdir()):
        assert path.read_bytes() == (tmp_path / "b" / path.name).read_bytes(), path.name


def test_gcj02_is_said_in_name_crs_and_features(bundle: Make, tmp_path: Path) -> None:
    path = write_shapefiles(bundle("gcj02"), tmp_path)[0]
    assert path.name == "parcels_gcj02.shp"
    assert "GCJ-02" in path.with_suffix(".prj").read_text()
    assert set(gpd.read_file(path)["datum"]) == {"GCJ-02"}


@given(st.lists(st.text(min_size=1, max_size=30), max_size=60, unique=True))
def test_short_names_are_short_plain_and_different(columns: list[str]) -> None:
    names = short_names(columns)
    assert list(names) == columns
    assert len({name.lower() for name in names.values()}) == len(columns)
    assert all(1 <= len(name) <= 10 and name.isascii() for name in names.values())


def test_short_names_stay_readable() -> None:
    found = short_names(["parcel_id", "large_permission_clause", "large_permission", "edge_score", "面积"])
    assert found["parcel_id"] == "parcel_id"
    assert found["edge_score"] == "edge_score"
    assert found["面积"] == "F5"
    assert found["large_permission"].startswith("lrg")
