"""Several rasters as one: folders and patterns of tiles, and VRT files, honest and otherwise."""

from __future__ import annotations

import pickle
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import rasterio
import rasterio.shutil
from affine import Affine
from shapely import box

from gis.errors import LayerError, LayerNotFoundError, UsageError
from layers.sources.raster_file import read
from layers.sources.types import LoadContext, RawRaster
from layers.types import LayerSpec

CONTEXT = LoadContext(metric_crs="EPSG:4547", frames={})
WEST, NORTH, CELL = 470000.0, 3850000.0, 30.0
WHOLE = np.arange(12 * 20, dtype=np.float32).reshape(12, 20)


def _write(path: Path, cells: np.ndarray, column: float = 0, row: float = 0, *, nodata: float | None = -9.0,
           crs: str | None = "EPSG:4547", cell: float = CELL, skew: float = 0.0, scale: float = 1.0) -> Path:
    bands = cells if cells.ndim == 3 else cells[None]
    with rasterio.open(path, "w", driver="GTiff", count=len(bands), height=bands.shape[1], width=bands.shape[2],
                       dtype=cells.dtype, crs=crs, nodata=nodata,
                       transform=Affine(cell, skew, WEST + column * CELL, skew, -cell, NORTH - row * CELL)) as file:
        file.write(bands)
        file.scales = (scale,) * len(bands)
    return path


@pytest.fixture
def tiles(tmp_path: Path) -> Path:
    """A folder of three tiles: the lower right quarter of the whole is missing."""
    folder = tmp_path / "高程 [1]"
    folder.mkdir()
    _write(folder / "b.tif", WHOLE[:6, 10:], column=10)
    _write(folder / "a.TIF", WHOLE[:6, :10])
    _write(folder / "c.tif", WHOLE[6:, :10], row=6)
    (folder / "说明.txt").write_text("x")
    return folder


def _read(path: Path | str, context: LoadContext = CONTEXT, **more: object) -> RawRaster:
    spec = LayerSpec(name="dem", source="raster_file", path=str(path), **more)  # type: ignore[arg-type]
    return read(spec, context)


def test_folder_of_tiles_is_one_raster(tiles: Path) -> None:
    raw = _read(tiles)
    cells, transform = raw.raster.read()
    wanted = WHOLE.astype(float)
    wanted[6:, 10:] = np.nan
    np.testing.assert_array_equal(cells, wanted)
    assert transform == Affine(CELL, 0, WEST, 0, -CELL, NORTH)
    assert raw.files == tuple(str(tiles / name) for name in ("a.TIF", "b.tif", "c.tif"))
    assert raw.reading_notes[0].zh.startswith("3 个分幅")
    # A window over the seam, and the raster as a worker process gets it.
    window, _ = pickle.loads(pickle.dumps(raw.raster)).read((WEST + 240, NORTH - 210, WEST + 360, NORTH - 150))
    np.testing.assert_array_equal(window, wanted[5:7, 8:12])


def test_pattern_names_some_of_them(tiles: Path) -> None:
    raw = _read(f"{tiles}/[ab].*".replace("[ab]", "?"))
    assert len(raw.files) == 3
    assert [Path(name).name for name in _read(f"{tiles}/*.tif").files] == ["b.tif", "c.tif"]
    assert [Path(name).name for name in _read(f"{tiles.parent}/高程*/c.*").files] == ["c.tif"]
    for nothing in ("*.asc", "?.png"):
        with pytest.raises(LayerNotFoundError, match="names no raster file"):
            _read(f"{tiles}/{nothing}")


def test_each_tile_has_its_own_value_for_no_data_its_own_type_and_scale(tmp_path: Path) -> None:
    folder = tmp_path / "t"
    folder.mkdir()
    _write(folder / "1.tif", np.array([[1.5, -9.0]], dtype=np.float32))
    _write(folder / "2.tif", np.array([[70, -32768]], dtype=np.int16), column=2, nodata=-32768.0, scale=0.1)
    _write(folder / "3.tif", np.array([[0, 255]], dtype=np.uint8), column=4, nodata=None)
    _write(folder / "4.tif", np.array([[4, np.finfo(np.float32).min]], dtype=np.float32), column=6,
           nodata=float(np.finfo(np.float32).min))
    _write(folder / "5.tif", np.array([[np.nan, 5]], dtype=np.float32), column=9, nodata=float("nan"))
    raw = _read(folder)
    nan = np.nan
    np.testing.assert_allclose(raw.raster.read()[0], [[1.5, nan, 7, nan, 0, 255, 4, nan, nan, nan, 5]], rtol=1e-12)
    assert any("1 个分幅未声明无数据值" in note.zh for note in raw.reading_notes)


def test_last_by_name_lies_on_top_but_its_gaps_do_not(tmp_path: Path) -> None:
    _write(tmp_path / "1.tif", np.full((1, 4), 1, dtype=np.int16))
    _write(tmp_path / "2.tif", np.array([[2, -9, 2]], dtype=np.int16), column=2)
    for _ in range(2):
        assert _read(tmp_path).raster.read()[0].tolist() == [[1, 1, 2, 1, 2]]


def test_tiles_in_degrees_are_moved_like_one_file(tmp_path: Path) -> None:
    cells = np.random.default_rng(1).uniform(0, 100, (40, 60)).astype(np.float32)
    parts = tmp_path / "parts"
    parts.mkdir()
    for name, start, stop in (("whole", 0, 60), ("parts/1", 0, 25), ("parts/2", 25, 60)):
        place = Affine(0.001, 0, 113.5 + 0.001 * start, 0, -0.001, 34.8)
        with rasterio.open(tmp_path / f"{name}.tif", "w", driver="GTiff", count=1, height=40, width=stop - start,
                           dtype="float32", crs="EPSG:4490", transform=place) as file:
            file.write(cells[:, start:stop], 1)
    one, many = _read(tmp_path / "whole.tif").raster, _read(parts).raster
    assert one.shape == many.shape
    np.testing.assert_allclose(many.read()[0], one.read()[0], rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize(("odd", "said"), [
    ({"crs": "EPSG:4546"}, "EPSG:4546"), ({"cell": 25.0}, "cells of 25 x 25"), ({"column": 20.5}, "0.50 cells off"),
    ({"skew": 3.0}, "rotated"), ({"crs": None}, "is in -"),
])
def test_odd_tile_is_named_with_the_remedy(tiles: Path, odd: dict[str, float], said: str) -> None:
    _write(tiles / "0 异.tif", WHOLE[:3, :3], **{"column": 20, **odd})  # type: ignore[arg-type]
    with pytest.raises(LayerError, match=r"tile 0 异\.tif .*gdalwarp") as caught:
        _read(tiles)
    assert said in caught.value.message("en")


def test_tiles_with_bands(tmp_path: Path) -> None:
    both = np.stack([WHOLE, WHOLE + 1000])
    _write(tmp_path / "1.tif", both[:, :, :10])
    _write(tmp_path / "2.tif", both[:, :, 10:], column=10)
    raw = _read(tmp_path, options=(("band", 2),))
    np.testing.assert_array_equal(raw.raster.read()[0], both[1])
    with pytest.raises(UsageError, match="no band 3"):
        _read(tmp_path, options=(("band", 3),))
    _write(tmp_path / "3.tif", WHOLE, column=20)
    with pytest.raises(LayerError, match=r"tile 3\.tif has 1 bands"):
        _read(tmp_path)


def test_tile_that_cannot_be_read_or_leads_away(tiles: Path, tmp_path: Path) -> None:
    (tiles / "d.tif").write_bytes(b"II*\x00" + b"\x00" * 40)
    with pytest.raises(LayerError, match=r"tile .*d\.tif cannot be read"):
        _read(tiles)
    (tiles / "d.tif").unlink()
    (tiles / "d.tif").symlink_to(_write(tmp_path / "elsewhere.tif", WHOLE))
    with pytest.raises(LayerError, match="leads outside"):
        _read(tiles)


def test_tiles_outside_the_study_area_and_without_data(tiles: Path, tmp_path: Path) -> None:
    far = LoadContext(metric_crs="EPSG:4547", frames={}, area_of_interest=box(0, 0, 1, 1))
    with pytest.raises(LayerError, match="outside the study area") as caught:
        _read(tiles, far)
    assert str(tiles) in caught.value.message("en")
    assert "<VRT" not in caught.value.message("en")
    empty = tmp_path / "empty"
    empty.mkdir()
    _write(empty / "1.tif", np.full((2, 2), -9, dtype=np.int16))
    with pytest.raises(LayerError, match="holds no data"):
        _read(empty)


def test_tile_that_vanishes_is_one_sentence(tiles: Path) -> None:
    raster = _read(tiles).raster
    (tiles / "b.tif").unlink()
    with pytest.raises(LayerError) as caught:
        raster.read()
    assert "VRTDataset" not in caught.value.message("en")


def test_masked_tiles(tmp_path: Path) -> None:
    path = _write(tmp_path / "1.tif", np.array([[1, 2]], dtype=np.uint8), nodata=None)
    with rasterio.Env(GDAL_TIFF_INTERNAL_MASK=True), rasterio.open(path, "r+") as file:
        file.write_mask(np.array([[255, 0]], dtype=np.uint8))
    _write(tmp_path / "2.tif", np.array([[3]], dtype=np.uint8), column=2, nodata=None)
    np.testing.assert_array_equal(_read(tmp_path).raster.read()[0], [[1, np.nan, 3]])


def _vrt(folder: Path, *members: str, band: str = "", source: str = "SimpleSource", head: str = "",
         inside: str = "", relative: int = 1) -> Path:
    sources = "".join(
        f'<{source}><SourceFilename relativeToVRT="{relative}">{member}</SourceFilename><SourceBand>1</SourceBand>'
        f'<SrcRect xOff="0" yOff="0" xSize="10" ySize="6"/><DstRect xOff="{10 * i}" yOff="0" xSize="10" ySize="6"/>'
        f"{inside}</{source}>" for i, member in enumerate(members))
    path = folder / "全市.vrt"
    path.write_text(
        f'<VRTDataset rasterXSize="20" rasterYSize="6"{head}><SRS>EPSG:4547</SRS><GeoTransform>470000,30,0,3850000,0,'
        f'-30</GeoTransform><VRTRasterBand dataType="Float32" band="1"{band}><NoDataValue>-9</NoDataValue>{sources}'
        "</VRTRasterBand></VRTDataset>", encoding="utf-8")
    return path


def test_vrt_of_relative_members(tiles: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = _vrt(tiles, "a.TIF", "b.tif")
    raw = _read(path)
    assert raw.files == (str(path), str(tiles / "a.TIF"), str(tiles / "b.tif"))
    monkeypatch.chdir(tiles.parent)
    np.testing.assert_array_equal(_read(f"{tiles.name}/全市.vrt").raster.read()[0], WHOLE[:6])
    assert _read(_vrt(tiles, str(tiles / "a.TIF"), relative=0)).files[1] == str(tiles / "a.TIF")


def test_vrt_as_gdal_writes_it(tiles: Path) -> None:
    rasterio.shutil.copy(tiles / "a.TIF", tiles / "x.vrt", driver="VRT")
    np.testing.assert_array_equal(_read(tiles / "x.vrt").raster.read()[0], WHOLE[:6, :10])


@pytest.mark.parametrize(("member", "said"), [
    ("gone.tif", "missing: gone.tif"), ("../elsewhere.tif", "outside its own folder"), ("link.tif", "outside its own"),
    ("/vsicurl/http://127.0.0.1:9/x.tif", "outside its own"), ("http://127.0.0.1:9/x.tif", "outside its own"),
    ("/vsizip/a.zip/x.tif", "outside its own"), ("GTIFF_DIR:1:a.TIF", "missing"), ("inner.vrt", "another VRT"),
    ("wms.xml", "where other data lie"),
])
@pytest.mark.parametrize("tag", ["SourceFilename", "sourcefilename"])
def test_members_that_are_not_there_or_lead_away(tiles: Path, tmp_path: Path, member: str, said: str, tag: str) -> None:
    _write(tmp_path / "elsewhere.tif", WHOLE)
    (tiles / "link.tif").symlink_to(tmp_path / "elsewhere.tif")
    (tiles / "inner.vrt").write_text("<VRTDataset/>")
    (tiles / "wms.xml").write_text("<GDAL_WMS><Service/></GDAL_WMS>")
    path = _vrt(tiles, "a.TIF", member)
    path.write_text(path.read_text(encoding="utf-8").replace("SourceFilename", tag), encoding="utf-8")
    with pytest.raises(LayerError) as caught:
        _read(path)
    assert said in caught.value.message("en")
    assert "全市.vrt" in caught.value.message("zh") or "wms.xml" in caught.value.message("zh")


@pytest.mark.parametrize("change", [
    {"head": ' subClass="VRTWarpedDataset"'}, {"band": ' subClass="VRTDerivedRasterBand"'},
    {"band": ' SUBCLASS="VRTRawRasterBand"'}, {"source": "ArraySource"},
    {"inside": '<OpenOptions><OOI key="X">y</OOI></OpenOptions>'},
])
def test_vrt_that_is_more_than_a_mosaic(tiles: Path, change: dict[str, str]) -> None:
    with pytest.raises(LayerError, match=r"more than a mosaic.*gdal_translate"):
        _read(_vrt(tiles, "a.TIF", **change))  # type: ignore[arg-type]


def test_vrt_with_entities_or_broken(tiles: Path) -> None:
    for text in ('<!DOCTYPE x [<!ENTITY a SYSTEM "/etc/passwd">]><VRTDataset>&a;</VRTDataset>', "<VRTDataset>"):
        (tiles / "x.vrt").write_text(text)
        with pytest.raises(LayerError, match="no readable VRT"):
            _read(tiles / "x.vrt")


def test_cloud_optimised_file(tmp_path: Path) -> None:
    cells = np.random.default_rng(2).uniform(0, 9, (600, 700)).astype(np.float32)
    plain, cog = _write(tmp_path / "plain.tif", cells), tmp_path / "cog.tif"
    rasterio.shutil.copy(plain, cog, driver="COG", BLOCKSIZE=256, COMPRESS="DEFLATE")
    with rasterio.open(cog) as file:
        assert file.tags(ns="IMAGE_STRUCTURE")["LAYOUT"] == "COG"
        assert file.overviews(1)
    np.testing.assert_array_equal(_read(cog).raster.read()[0], _read(plain).raster.read()[0])


def test_memory_is_that_of_a_window(tmp_path: Path) -> None:
    """Sixteen tiles of 8 MB are opened and a window of them read in less than half their size."""
    for i in range(16):
        with rasterio.open(tmp_path / f"{i:02d}.tif", "w", driver="GTiff", count=1, height=2048, width=1024,
                           dtype="float32", crs="EPSG:4547", compress="deflate", tiled=True,
                           transform=Affine(30, 0, 400000 + i % 4 * 30720, 0, -30, 4000000 - i // 4 * 61440)) as file:
            file.write(np.full((2048, 1024), i, dtype=np.float32), 1)
    script = (
        "import resource, sys; from layers.sources.raster_file import read; from layers.types import LayerSpec; "
        "from layers.sources.types import LoadContext; c = LoadContext(metric_crs='EPSG:4547', frames={}); "
        "import rasterio, gis.crs; gis.crs.parse_crs('EPSG:4547'); "
        "before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss; "
        "r = read(LayerSpec(name='dem', source='raster_file', path=sys.argv[1]), c).raster; "
        "b = r.bounds; v, _ = r.read((b[0] + 30000, b[3] - 70000, b[0] + 32000, b[3] - 60000)); "
        "assert set(v.ravel().tolist()) == {0.0, 1.0, 4.0, 5.0}, set(v.ravel().tolist()); "
        "print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) // 1024)")
    found = subprocess.run([sys.executable, "-c", script, str(tmp_path)], capture_output=True, text=True, check=False,
                           env={"GDAL_CACHEMAX": "16", "PATH": ""})
    assert found.returncode == 0, found.stderr
    assert int(found.stdout) < 64
