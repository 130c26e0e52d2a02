"""File geodatabases: as a folder, in a zip, under Chinese names, and what only looks like one."""

from __future__ import annotations

import hashlib
import zipfile
from pathlib import Path

import geopandas as gpd
import pyogrio
import pytest

from gis.errors import LayerError, LayerNotFoundError
from layers.sources.files import sha256_of
from layers.sources.types import LoadContext, RawVector
from layers.sources.vector_file import read
from layers.types import LayerSpec

CONTEXT = LoadContext(metric_crs="EPSG:4547", frames={})
NAMES = ["嵩山站", "官渡站", "惠济站"]


def _read(path: Path, **more: object) -> RawVector:
    return read(LayerSpec(name="substations", source="vector_file", path=str(path), **more), CONTEXT)  # type: ignore[arg-type]


@pytest.fixture
def geodatabase(tmp_path: Path, stations: gpd.GeoDataFrame) -> Path:
    """Two feature classes and a table without geometry."""
    path = tmp_path / "现状.gdb"
    pyogrio.write_dataframe(stations, path, driver="OpenFileGDB", layer="变电站")
    pyogrio.write_dataframe(stations.iloc[:1], path, driver="OpenFileGDB", layer="开闭所")
    pyogrio.write_dataframe(stations.drop(columns="geometry"), path, driver="OpenFileGDB", layer="台账")
    return path


def _zip(path: Path, folder: Path, inside: str) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for part in sorted(folder.iterdir()):
            archive.write(part, inside + part.name)
    return path


def test_feature_class_by_its_chinese_name(geodatabase: Path) -> None:
    raw = _read(geodatabase, table="变电站", columns=(("name", "站名"),), where="\"站名\" <> '官渡站'")
    assert raw.frame["name"].tolist() == ["嵩山站", "惠济站"]
    assert raw.frame.crs.to_epsg() == 4326
    assert len(_read(geodatabase, table="开闭所").frame) == 1


def test_several_feature_classes_are_named_and_tables_are_not(geodatabase: Path) -> None:
    with pytest.raises(LayerError, match="several tables") as caught:
        _read(geodatabase)
    assert "变电站, 开闭所" in caught.value.message("zh")
    assert "台账" not in caught.value.message("zh")
    with pytest.raises(LayerNotFoundError, match="no table '铁塔'"):
        _read(geodatabase, table="铁塔")


def test_every_file_is_hashed_but_for_locks(geodatabase: Path) -> None:
    before = _read(geodatabase, table="变电站")
    there = sorted(p for p in geodatabase.iterdir() if p.suffix != ".lock")
    assert before.files == tuple(map(str, there))
    assert sha256_of(before.files) == hashlib.sha256(b"".join(p.read_bytes() for p in there)).hexdigest()
    (geodatabase / "_gdb.PC.4711.sr.lock").touch()
    assert _read(geodatabase, table="变电站").files == before.files


@pytest.mark.parametrize("inside", ["郑州/现状.gdb/", "交付/", ""])
def test_zipped(tmp_path: Path, geodatabase: Path, inside: str) -> None:
    path = _zip(tmp_path / "a.zip", geodatabase, inside)
    raw = _read(path, table="变电站")
    assert raw.frame["站名"].tolist() == NAMES
    assert raw.files == (str(path),)
    with pytest.raises(LayerError, match="several tables") as caught:
        _read(path)
    assert str(path) in caught.value.message("en")
    assert "/tmp/tmp" not in caught.value.message("en")


def test_zipped_beside_another_data_set(tmp_path: Path, geodatabase: Path, stations: gpd.GeoDataFrame) -> None:
    stations.to_file(tmp_path / "铁塔.geojson", driver="GeoJSON")
    path = _zip(tmp_path / "a.zip", geodatabase, "现状.gdb/")
    with zipfile.ZipFile(path, "a") as archive:
        archive.write(tmp_path / "铁塔.geojson", "铁塔.geojson")
    assert len(_read(path, table="铁塔").frame) == 3
    assert len(_read(path, table="现状.gdb/开闭所").frame) == 1
    with pytest.raises(LayerNotFoundError, match=r"铁塔\.geojson, 现状\.gdb"):
        _read(path)


def test_folder_that_is_no_geodatabase(tmp_path: Path) -> None:
    folder = tmp_path / "x.gdb"
    folder.mkdir()
    with pytest.raises(LayerError, match="copy the whole folder"):
        _read(folder)
    (folder / "a00000001.gdbtable").write_bytes(b"nonsense")
    with pytest.raises(LayerError, match="cannot be read as vector data"):
        _read(folder)


def test_links_out_of_a_geodatabase_are_refused(tmp_path: Path, geodatabase: Path) -> None:
    part = geodatabase / "a00000001.gdbtable"
    part.rename(tmp_path / "elsewhere")
    part.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(LayerError, match="a link to somewhere else"):
        _read(geodatabase, table="变电站")
