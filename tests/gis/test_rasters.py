"""Rasters from arrays and files: windows, other coordinate systems, and files that cannot be used."""

from __future__ import annotations

import pickle
from pathlib import Path

import numpy as np
import pytest
import rasterio
from affine import Affine
from pyproj import Transformer

from gis.errors import CrsError, LayerError, LayerNotFoundError
from gis.rasters import raster_from_array, raster_from_file

GRID = Affine(20.0, 0.0, 460_000.0, 0.0, -10.0, 3_850_000.0)
DEGREES = Affine(0.001, 0.0, 113.5, 0.0, -0.001, 34.8)
DATA = Path(__file__).resolve().parents[2] / "../shared/data"


def _write(path, values, transform=GRID, crs="EPSG:4547", **options):
    values = np.asarray(values)
    with rasterio.open(path, "w", driver="GTiff", height=values.shape[0], width=values.shape[1], count=1,
                       dtype=values.dtype, transform=transform, crs=crs, **options) as file:
        file.write(values, 1)
    return path


@pytest.fixture()
def cells():
    return np.arange(35, dtype=np.float32).reshape(5, 7)


def test_window_of_an_array(cells):
    raster = raster_from_array(cells, GRID, "EPSG:4547", "m")
    assert raster.bounds == (460_000.0, 3_849_950.0, 460_140.0, 3_850_000.0)
    values, transform = raster.read((460_025.0, 3_849_975.0, 460_060.0, 3_849_985.0))
    assert values.tolist() == [[8.0, 9.0], [15.0, 16.0]]
    assert (transform.c, transform.f) == (460_020.0, 3_849_990.0)
    assert raster.read()[0].shape == (5, 7)
    assert raster.read((0.0, 0.0, 1.0, 1.0))[0].size == 0
    values[:] = -1
    assert raster.values[1, 1] == 8.0


def test_file_on_the_metric_grid_reads_as_it_is(tmp_path, cells):
    cells[2, 3] = -9
    raster = raster_from_file(_write(tmp_path / "a.tif", cells, nodata=-9), "EPSG:4547", unit="m")
    assert (raster.shape, raster.transform, raster.values) == ((5, 7), GRID, None)
    expected = np.where(cells == -9, np.nan, cells)
    assert np.array_equal(raster.read()[0], expected, equal_nan=True)
    assert raster.read()[0].dtype == np.float64
    west, south, east, north = raster.bounds
    part, transform = raster.read((west + 30, south + 1, east - 30, north - 11))
    assert np.array_equal(part, expected[1:, 1:6], equal_nan=True)
    assert transform.c == west + 20
    again = pickle.loads(pickle.dumps(raster))
    assert np.array_equal(again.read()[0], expected, equal_nan=True)


def test_scale_and_offset_of_the_file_are_applied(tmp_path):
    path = _write(tmp_path / "a.tif", np.array([[10, 20], [30, -1]], dtype=np.int16), nodata=-1)
    with rasterio.open(path, "r+") as file:
        file.scales, file.offsets = (0.1,), (5.0,)
    values = raster_from_file(path, "EPSG:4547", unit="°C").read()[0]
    assert np.allclose(values, [[6.0, 7.0], [8.0, np.nan]], equal_nan=True)


@pytest.mark.parametrize(("kind", "nodata", "held"), [
    ("float32", -3.40282346638529e+38, -3.4028235e38), ("float32", 0.1, 0.1), ("float64", -9999.0, -9999.0),
    ("float32", np.nan, np.nan), ("uint8", 255, 255), ("int16", -32768, -32768), ("int32", -2147483648, -2147483648),
    ("uint32", 4294967295, 4294967295), ("float32", None, 7.0),
])
def test_what_is_missing_is_what_gdal_masks(tmp_path, kind, nodata, held):
    values = np.array([[1, 2, 3], [4, 5, 6]]).astype(kind)
    values[1, 1] = held
    path = _write(tmp_path / "a.tif", values, nodata=nodata)
    with rasterio.open(path) as file:
        masked = np.ma.filled(file.read(1, masked=True).astype(np.float64), np.nan)
    assert np.isnan(masked[1, 1]) == (nodata is not None)
    np.testing.assert_array_equal(raster_from_file(path, "EPSG:4547", unit="").read()[0], masked)


def test_a_mask_of_its_own_is_respected(tmp_path, cells):
    path = _write(tmp_path / "a.tif", cells)
    with rasterio.open(path, "r+") as file:
        file.write_mask(cells % 4 != 1)
    values = raster_from_file(path, "EPSG:4547", unit="m").read()[0]
    np.testing.assert_array_equal(values, np.where(cells % 4 == 1, np.nan, cells))


@pytest.mark.parametrize("crs", ["EPSG:4326", "EPSG:4490"])
def test_file_in_degrees_is_moved_to_the_right_place(tmp_path, crs):
    # A field that is linear in longitude and latitude: bilinear resampling keeps it.
    lon, lat = np.meshgrid(112.7 + 0.001 * (np.arange(200) + 0.5), 34.8 - 0.001 * (np.arange(150) + 0.5))
    path = _write(tmp_path / "a.tif", 1000 + (lon - 112.7) * 1000 + (lat - 34.7) * 3000,
                  Affine(0.001, 0.0, 112.7, 0.0, -0.001, 34.8), crs)
    raster = raster_from_file(path, "EPSG:4547", unit="m")
    values, grid = raster.read()
    rows, columns = np.meshgrid(np.arange(20, 120), np.arange(20, 160))
    x, y = grid.c + (columns + 0.5) * grid.a, grid.f + (rows + 0.5) * grid.e
    true_lon, true_lat = Transformer.from_crs(4547, 4326, always_xy=True).transform(x, y)
    expected = 1000 + (true_lon - 112.7) * 1000 + (true_lat - 34.7) * 3000
    # A cell is worth 1 eastward and 3 northward: GDAL's widened kernel may be off by a twentieth of one.
    assert np.abs(values[rows, columns] - expected).max() < 0.15
    # Corners of the turned image lie outside the file, which has no nodata value.
    assert np.isnan(values[0, -1]) or np.isnan(values[0, 0])
    assert np.nanmin(values) > 800.0


def test_moved_cells_do_not_depend_on_the_window(tmp_path):
    rng = np.random.default_rng(0)
    path = _write(tmp_path / "a.tif", rng.normal(size=(300, 400)).astype(np.float32), DEGREES, "EPSG:4326")
    raster = raster_from_file(path, "EPSG:4547", unit="m")
    whole = raster.read()[0]
    for row, column, n_rows, n_columns in ((0, 0, 7, 9), (111, 205, 40, 33), (raster.shape[0] - 5, 3, 5, 100)):
        part = raster.read_cells(row, column, n_rows, n_columns)
        assert np.array_equal(part, whole[row:row + n_rows, column:column + n_columns], equal_nan=True)


def test_codes_are_never_blended(tmp_path):
    codes = np.random.default_rng(0).choice(np.array([11, 42, 90], dtype=np.uint8), (80, 80))
    path = _write(tmp_path / "a.tif", codes, DEGREES, "EPSG:4326", nodata=90)
    raster = raster_from_file(path, "EPSG:4547", unit="", is_categorical=True)
    values = raster.read()[0]
    assert set(np.unique(values[~np.isnan(values)])) == {11.0, 42.0}


def test_south_up_file_is_turned(tmp_path):
    cells = np.arange(12, dtype=np.float64).reshape(3, 4)
    path = _write(tmp_path / "a.tif", cells, Affine(10.0, 0.0, 460_000.0, 0.0, 10.0, 3_850_000.0))
    raster = raster_from_file(path, "EPSG:4547", unit="m")
    assert raster.transform.e < 0
    assert np.allclose(raster.read()[0], cells[::-1])


def test_declared_crs_serves_a_file_that_does_not_say(tmp_path, cells):
    path = _write(tmp_path / "a.tif", cells, crs=None)
    with pytest.raises(CrsError, match="declare"):
        raster_from_file(path, "EPSG:4547", unit="m")
    raster = raster_from_file(path, "EPSG:4547", unit="m", source_crs="EPSG:4547")
    assert np.array_equal(raster.read()[0], cells)


def test_files_that_cannot_be_used_are_refused(tmp_path, cells):
    with pytest.raises(LayerNotFoundError, match=r"none\.tif"):
        raster_from_file(tmp_path / "none.tif", "EPSG:4547", unit="m")
    (tmp_path / "text.tif").write_text("not a raster")
    with pytest.raises(LayerError, match="cannot be read"):
        raster_from_file(tmp_path / "text.tif", "EPSG:4547", unit="m")
    rotated = _write(tmp_path / "r.tif", cells, Affine(9.0, 3.0, 460_000.0, 3.0, -9.0, 3_850_000.0))
    with pytest.raises(LayerError, match="rotated"):
        raster_from_file(rotated, "EPSG:4547", unit="m")
    with pytest.raises(CrsError):
        raster_from_file(_write(tmp_path / "a.tif", cells), "EPSG:4326", unit="m")


def test_old_datum_is_refused(tmp_path, cells):
    path = _write(tmp_path / "a.tif", cells, DEGREES, "EPSG:4610")
    with pytest.raises(CrsError, match="CGCS2000"):
        raster_from_file(path, "EPSG:4547", unit="m")


def test_truncated_file_is_a_layer_error(tmp_path):
    path = _write(tmp_path / "a.tif", np.random.default_rng(0).normal(size=(500, 500)))
    raster = raster_from_file(path, "EPSG:4547", unit="m")
    path.write_bytes(path.read_bytes()[:400_000])
    with pytest.raises(LayerError, match="cannot be read"):
        raster.read()


def test_file_without_any_place_is_refused(tmp_path, cells):
    path = tmp_path / "plain.tif"
    with pytest.warns(rasterio.errors.NotGeoreferencedWarning):
        _write(path, cells, Affine.identity(), None)
    for declared in ("", "EPSG:4547"):
        with pytest.raises(CrsError, match="where it lies"):
            raster_from_file(path, "EPSG:4547", unit="m", source_crs=declared)


def test_bad_arrays_are_refused(cells):
    with pytest.raises(LayerError):
        raster_from_array(cells[0], GRID, "EPSG:4547", "m")
    with pytest.raises(LayerError):
        raster_from_array(cells, Affine(10, 0, 0, 0, 10, 0), "EPSG:4547", "m")
    with pytest.raises(CrsError):
        raster_from_array(cells, GRID, "EPSG:4326", "m")


def test_real_stream_raster_of_zhengzhou_lies_in_zhengzhou():
    path = DATA / "raster/msn_raster.tif"
    if not path.exists():
        pytest.skip("no msn_raster.tif here: the real layers are not part of the product")
    raster = raster_from_file(path, "EPSG:4547", unit="", is_categorical=True)
    lon, lat = Transformer.from_crs(4547, 4326, always_xy=True).transform(*raster.bounds[:2])
    assert (lon, lat) == pytest.approx((113.549, 34.398), abs=0.01)
    values = raster.read_cells(500, 500, 400, 400)
    assert set(np.unique(values[~np.isnan(values)])) <= {0.0, 255.0}
