from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import rasterio
from affine import Affine
from shapely import box

from gis.errors import CrsError, DatumError, LayerError, LayerNotFoundError, UsageError
from layers.sources.raster_file import read
from layers.sources.types import LoadContext, RawRaster
from layers.types import LayerSpec

CONTEXT = LoadContext(metric_crs="EPSG:4547", frames={})


def _write(path: Path, crs: str | None, west: float = 113.5, north: float = 34.8, cell: float = 0.01) -> Path:
    with rasterio.open(path, "w", driver="GTiff", width=20, height=10, count=1, dtype="float32", crs=crs,
                       transform=Affine(cell, 0, west, 0, -cell, north)) as dataset:
        dataset.write(np.arange(200, dtype=np.float32).reshape(1, 10, 20))
    return path


def _read(path: Path, name: str = "dem", **more: object) -> RawRaster:
    return read(LayerSpec(name=name, source="raster_file", path=str(path), **more), CONTEXT)  # type: ignore[arg-type]


def test_grid_in_degrees_needs_a_datum(tmp_path: Path) -> None:
    path = _write(tmp_path / "d.tif", "EPSG:4326")
    with pytest.raises(DatumError, match=r"datum = .* under \[layers.dem\]"):
        _read(path)
    raw = _read(path, datum="wgs84")
    assert raw.datum_note == "wgs84 (declared)"
    assert raw.raster.crs == "EPSG:4547"
    assert raw.raster.unit == "m"
    assert raw.files == (str(path),)
    with pytest.raises(DatumError, match="warp it"):
        _read(path, datum="gcj02")


def test_label_of_cgcs2000_and_a_metric_crs_are_declarations(tmp_path: Path) -> None:
    assert _read(_write(tmp_path / "a.tif", "EPSG:4490")).datum_note == "cgcs2000 (from EPSG:4490)"
    metric = _write(tmp_path / "b.tif", "EPSG:4547", 450000, 3860000, 30)
    assert _read(metric).datum_note == "cgcs2000 (from EPSG:4547)"
    assert _read(metric, name="land_cover").raster.is_categorical


def test_old_datum_is_refused(tmp_path: Path) -> None:
    path = _write(tmp_path / "x.tif", "EPSG:2383", 450000, 3860000, 30)  # Xian 1980
    with pytest.raises(DatumError, match="CGCS2000"):
        _read(path)
    assert _read(path, crs="EPSG:4547").crs == "EPSG:4547"


def _grid(path: Path, cells: np.ndarray, nodata: float | None = -9.0, rotation: float = 0.0) -> Path:
    """Write a grid of 30 m cells in the middle of the city, one band per first axis."""
    with rasterio.open(path, "w", driver="GTiff", width=cells.shape[2], height=cells.shape[1], count=cells.shape[0],
                       dtype=cells.dtype, crs="EPSG:4547", nodata=nodata,
                       transform=Affine(30, rotation, 470000, rotation, -30, 3850000)) as dataset:
        dataset.write(cells)
    return path


def _area(west: float, south: float, east: float, north: float) -> LoadContext:
    return LoadContext(metric_crs="EPSG:4547", frames={}, area_of_interest=box(west, south, east, north))


def test_bands(tmp_path: Path) -> None:
    cells = np.arange(24, dtype=np.float32).reshape(3, 2, 4)
    path = _grid(tmp_path / "三 波段.tif", cells)
    first = _read(path)
    assert [note.zh for note in first.reading_notes] == ["文件有 3 个波段，读取第 1 个"]
    np.testing.assert_array_equal(first.raster.read()[0], cells[0])
    second = _read(path, options=(("band", 2),))
    np.testing.assert_array_equal(second.raster.read()[0], cells[1])
    assert second.files == (str(path),)
    for band in (0, 4, "two", True):
        with pytest.raises(UsageError, match="from 1 to 3"):
            _read(path, options=(("band", band),))


def test_band_of_a_raster_that_is_moved(tmp_path: Path) -> None:
    path = tmp_path / "d.tif"
    with rasterio.open(path, "w", driver="GTiff", width=20, height=10, count=2, dtype="float32", crs="EPSG:4326",
                       transform=Affine(0.01, 0, 113.5, 0, -0.01, 34.8)) as dataset:
        dataset.write(np.stack([np.full((10, 20), 1.0), np.full((10, 20), 2.0)]).astype(np.float32))
    values = _read(path, datum="wgs84", options=(("band", 2),)).raster.read()[0]
    assert np.nanmin(values) == np.nanmax(values) == 2.0


def test_missing_data(tmp_path: Path) -> None:
    some = np.full((1, 4, 4), -9.0, dtype=np.float32)
    with pytest.raises(LayerError, match="every cell is empty") as caught:
        _read(_grid(tmp_path / "none.tif", some))
    assert "none.tif" in caught.value.message("zh")
    with pytest.raises(LayerError, match="every cell is empty"):
        _read(_grid(tmp_path / "nan.tif", some * np.nan, nodata=None))
    some[0, 3, 3] = 1.0
    assert _read(_grid(tmp_path / "one.tif", some)).reading_notes == ()
    bare = _read(_grid(tmp_path / "bare.tif", np.zeros((1, 2, 2), dtype=np.int16), nodata=None))
    assert ["no value for missing data" in note.en for note in bare.reading_notes] == [True]


def test_one_cell_with_data_is_found_in_a_big_raster(tmp_path: Path) -> None:
    cells = np.full((1, 1300, 1300), -9.0, dtype=np.float32)
    cells[0, 777, 778] = 1.0
    assert _read(_grid(tmp_path / "big.tif", cells)).raster.shape == (1300, 1300)


def test_raster_of_another_city_and_a_rotated_one(tmp_path: Path) -> None:
    path = _grid(tmp_path / "a.tif", np.ones((1, 10, 10), dtype=np.float32))
    spec = LayerSpec(name="dem", source="raster_file", path=str(path))
    assert read(spec, _area(470_200, 3_849_000, 480_000, 3_850_000)).raster.shape == (10, 10)
    with pytest.raises(LayerError) as caught:
        read(spec, _area(500_000, 3_800_000, 510_000, 3_810_000))
    for language in ("zh", "en"):
        message = caught.value.message(language)
        assert "470000, 3849700, 470300, 3850000" in message
        assert "500000, 3800000, 510000, 3810000" in message
        assert "\n" not in message
    with pytest.raises(LayerError, match="rotated"):
        _read(_grid(tmp_path / "r.tif", np.ones((1, 3, 3), dtype=np.float32), rotation=5.0))


def test_gdal_keeps_its_voice_down(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    path = _grid(tmp_path / "cut.tif", np.ones((1, 300, 300), dtype=np.float32))
    path.write_bytes(path.read_bytes()[:9000])
    with pytest.raises(LayerError, match=r"cut\.tif") as caught:
        _read(path)
    assert "\n" not in caught.value.message("zh")
    assert capfd.readouterr() == ("", "")


@pytest.mark.filterwarnings("ignore::rasterio.errors.NotGeoreferencedWarning")
def test_complaints(tmp_path: Path) -> None:
    with pytest.raises(LayerNotFoundError, match=r"gone\.tif"):
        _read(tmp_path / "gone.tif")
    broken = tmp_path / "broken.tif"
    broken.write_bytes(b"II*\x00 no")
    with pytest.raises(LayerError, match=r"broken\.tif"):
        _read(broken)
    with pytest.raises(CrsError, match="EPSG:4547"):
        _read(_write(tmp_path / "bare.tif", None))


def test_real_stream_mask(shared_data: Path) -> None:
    raw = _read(shared_data / "raster" / "msn_raster.tif", name="water_mask", datum="wgs84")
    assert raw.raster.crs == "EPSG:4547"
    assert raw.crs == "EPSG:4326"
