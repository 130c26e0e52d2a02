"""Zonal statistics against exactextract, against plain overlays of every cell, and their laws."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import geopandas as gpd
import numpy as np
import pytest
import shapely
from affine import Affine
from hypothesis import given, settings
from hypothesis import strategies as st
from shapely import LineString, MultiPolygon, Point, Polygon, box

from gis import zonal
from gis.rasters import Raster, raster_from_array, raster_from_file
from gis.zonal import slope_percent, zonal_statistics

WEST, NORTH, WIDTH, HEIGHT = 460_000.0, 3_850_000.0, 20.0, 10.0
GRID = Affine(WIDTH, 0.0, WEST, 0.0, -HEIGHT, NORTH)


def _raster(values, **options) -> Raster:
    return raster_from_array(values, GRID, "EPSG:4547", "m", **options)


def _array(*shapes):
    found = np.empty(len(shapes), dtype=object)
    found[:] = shapes
    return found


def _field(shape=(30, 25), missing=0.1, seed=0):
    rng = np.random.default_rng(seed)
    values = rng.normal(size=shape)
    values[rng.random(shape) < missing] = np.nan
    return values


def _by_overlay(geometry, values, threshold):
    """Overlay every cell with shapely."""
    rows, columns = np.indices(values.shape)
    cells = shapely.box(WEST + columns * WIDTH, NORTH - (rows + 1) * HEIGHT,
                        WEST + (columns + 1) * WIDTH, NORTH - rows * HEIGHT)
    share = shapely.area(shapely.intersection(cells, geometry))
    share[np.isnan(values) | (share < 1e-6)] = 0.0
    inside = share > 0
    total = share.sum()
    if not inside.any():
        return np.nan, np.nan, np.nan, 0.0, np.nan
    return ((share[inside] * values[inside]).sum() / total, values[inside].min(), values[inside].max(),
            total / geometry.area, share[inside & (np.nan_to_num(values) > threshold)].sum() / total)


def _compare(geometries, values, threshold=0.3):
    found = zonal_statistics(_array(*geometries), _raster(values), threshold=threshold)
    for i, geometry in enumerate(geometries):
        mine = (found.mean[i], found.minimum[i], found.maximum[i], found.coverage[i], found.share_above[i])
        assert mine == pytest.approx(_by_overlay(geometry, values, threshold), rel=1e-7, abs=1e-9, nan_ok=True)


def _at(*points):
    return [(WEST + x, NORTH - y) for x, y in points]


HOLED = Polygon(_at((31, 33), (333, 47), (290, 210), (60, 180)), [_at((90, 70), (200, 80), (120, 150)),
                                                                  _at((220, 120), (240, 125), (230, 160))])
STAR = Polygon(_at((50, 50), (250, 60), (100, 120), (260, 200), (70, 190), (90, 110)))
CASES = {
    "inside one cell": box(WEST + 42, NORTH - 17, WEST + 47, NORTH - 13),
    "exactly one cell": box(WEST + 40, NORTH - 20, WEST + 60, NORTH - 10),
    "holes": HOLED,
    "holes, turned the other way": shapely.reverse(HOLED),
    "concave": STAR,
    "parts": MultiPolygon([HOLED, box(WEST + 400, NORTH - 250, WEST + 431, NORTH - 222)]),
    "island in a hole": MultiPolygon([Polygon(_at((0, 0), (300, 0), (300, 300), (0, 300)),
                                              [_at((50, 50), (250, 50), (250, 250), (50, 250))]),
                                      Polygon(_at((110, 110), (190, 110), (150, 190)))]),
    "beyond every edge": box(WEST - 55, NORTH - 777, WEST + 900, NORTH + 33),
    "over the left edge": Polygon(_at((-70, 40), (90, 20), (60, 200), (-30, 90))),
    "over the right edge": Polygon(_at((430, 40), (720, 120), (470, 260))),
    "over a corner": Point(WEST, NORTH).buffer(77),
    "elsewhere": box(WEST + 5_000, NORTH, WEST + 5_100, NORTH + 100),
    "only touching": box(WEST - 50, NORTH - 100, WEST, NORTH),
    "sliver": Polygon(_at((3, 3), (490, 290), (490, 290.02))),
}


@pytest.mark.parametrize("name", CASES)
def test_each_shape_equals_the_overlay_of_every_cell(name):
    _compare([CASES[name]], _field())


@settings(max_examples=80, deadline=None)
@given(st.lists(st.lists(st.tuples(st.integers(-60, 560), st.integers(-40, 340)), min_size=3, max_size=8),
                min_size=1, max_size=4), st.integers(0, 5))
def test_random_polygons_equal_the_overlay(rings, seed):
    shapes = [g for g in (shapely.make_valid(Polygon(_at(*r))).buffer(0) for r in rings) if g.area > 1.0]
    if shapes:
        _compare(shapes, _field(seed=seed))


@pytest.mark.parametrize("missing", [0.0, 0.2])
def test_equals_exactextract(missing):
    exactextract = pytest.importorskip("exactextract")
    from exactextract.raster import NumPyRasterSource

    values = _field((200, 150), missing, seed=4)
    rng = np.random.default_rng(5)
    at = np.column_stack([rng.uniform(WEST, WEST + 3_000, 300), rng.uniform(NORTH - 2_000, NORTH, 300)])
    parcels = shapely.difference(shapely.buffer(shapely.points(at), rng.uniform(5, 200, 300), quad_segs=5),
                                 shapely.buffer(shapely.points(at + 3.0), 2.0))
    source = NumPyRasterSource(values, xmin=WEST, xmax=WEST + 150 * WIDTH, ymin=NORTH - 200 * HEIGHT, ymax=NORTH,
                               nodata=np.nan)
    frame = gpd.GeoDataFrame({"n": range(300)}, geometry=parcels, crs=4547)
    theirs = exactextract.exact_extract(source, frame, ["mean", "min", "max", "count"], output="pandas")
    mine = zonal_statistics(parcels, _raster(values))
    # Their shares are single precision.
    assert np.allclose(mine.mean, theirs["mean"], rtol=1e-6, atol=1e-6, equal_nan=True)
    assert np.array_equal(mine.minimum, theirs["min"].to_numpy(dtype=float), equal_nan=True)
    assert np.array_equal(mine.maximum, theirs["max"].to_numpy(dtype=float), equal_nan=True)
    covered = theirs["count"].to_numpy(dtype=float) * WIDTH * HEIGHT / shapely.area(parcels)
    assert np.allclose(mine.coverage, np.minimum(covered, 1.0), rtol=1e-6)


def test_what_has_no_area_has_no_data():
    found = zonal_statistics(_array(None, Polygon(), Point(WEST + 5, NORTH - 5), LineString(_at((0, 0), (99, 99)))),
                             _raster(_field()), threshold=0.0)
    for column in (found.mean, found.minimum, found.maximum, found.share_above):
        assert np.isnan(column).all()
    assert (found.coverage == 0.0).all()
    assert len(zonal_statistics(np.empty(0, dtype=object), _raster(_field())).mean) == 0


def test_threshold_is_strict_and_optional():
    raster = _raster([[1.0, 2.0], [2.0, 3.0]])
    whole = _array(box(WEST, NORTH - 20, WEST + 40, NORTH))
    assert zonal_statistics(whole, raster, threshold=2.0).share_above[0] == 0.25
    assert zonal_statistics(whole, raster, threshold=1.5).share_above[0] == 0.75
    assert np.isnan(zonal_statistics(whole, raster).share_above[0])


def test_codes_have_no_mean_but_shares():
    found = zonal_statistics(_array(box(WEST, NORTH - 20, WEST + 40, NORTH)),
                             _raster([[1.0, 4.0], [4.0, 4.0]], is_categorical=True), threshold=3.0)
    assert np.isnan(found.mean[0])
    assert (found.share_above[0], found.minimum[0], found.maximum[0]) == (0.75, 1.0, 4.0)


def _majority_by_overlay(geometry, values):
    rows, columns = np.indices(values.shape)
    cells = shapely.box(WEST + columns * WIDTH, NORTH - (rows + 1) * HEIGHT,
                        WEST + (columns + 1) * WIDTH, NORTH - rows * HEIGHT)
    share = shapely.area(shapely.intersection(cells, geometry)).round(6)
    held = {v: share[values == v].sum() for v in np.unique(values[~np.isnan(values)])}
    best = max(held.values(), default=0.0)
    return min((v for v, area in held.items() if area > best - 1e-3), default=np.nan) if best > 0 else np.nan


@pytest.mark.parametrize("tile_cells", [1_024, 4])
def test_majority_is_the_value_with_the_most_ground(monkeypatch, tile_cells):
    monkeypatch.setattr(zonal, "_BLOCK_CELLS", tile_cells)
    values = np.random.default_rng(3).integers(0, 5, (30, 25)).astype(float)
    values[np.random.default_rng(4).random(values.shape) < 0.1] = np.nan
    places = np.random.default_rng(5).uniform((WEST, NORTH - 300), (WEST + 500, NORTH), (20, 2))
    shapes = [*(g for g in CASES.values() if g.area > 5.0), *shapely.buffer(shapely.points(places), 27.0)]
    found = zonal_statistics(_array(*shapes), _raster(values, is_categorical=True), with_majority=True).majority
    expected = [_majority_by_overlay(g, values) for g in shapes]
    np.testing.assert_array_equal(found, expected)
    assert len(set(expected)) > 3


@pytest.mark.parametrize("tile_cells", [1_024, 1])
def test_majority_takes_the_lowest_of_equals(monkeypatch, tile_cells):
    monkeypatch.setattr(zonal, "_BLOCK_CELLS", tile_cells)
    raster = _raster([[7.0, 3.0, 3.0], [np.nan, -1.0, 7.0]])
    parcels = _array(
        box(WEST, NORTH - 20, WEST + 60, NORTH),           # two cells of 3, two of 7
        box(WEST + 0.1, NORTH - 9.7, WEST + 39.9, NORTH),  # as much of 7 as of 3, up to rounding
        box(WEST, NORTH - 9, WEST + 30, NORTH),            # twice as much of 7
        box(WEST, NORTH - 20, WEST + 20, NORTH - 10),      # nothing known
        Point(WEST + 1, NORTH - 1),
    )
    found = zonal_statistics(parcels, raster, with_majority=True)
    np.testing.assert_array_equal(found.majority, [3.0, 3.0, 7.0, np.nan, np.nan])
    assert np.isnan(zonal_statistics(parcels, raster).majority).all()
    assert zonal_statistics(_array(), raster, with_majority=True).majority.shape == (0,)


LARGE = """
import sys
import numpy as np, shapely
from gis.rasters import raster_from_file
from gis.zonal import zonal_statistics

def peak_mib():
    return int(next(line for line in open("/proc/self/status") if line.startswith("VmHWM")).split()[1]) / 1024

raster = raster_from_file(sys.argv[1], "EPSG:4547", unit="m")
west, south, east, north = raster.bounds
at = np.random.default_rng(1).uniform((west, south), (east, north), (60, 2))
small = shapely.buffer(shapely.points(at), 200.0)
zonal_statistics(small[:1], raster, with_majority=True)
before = peak_mib()
large = shapely.box(west + 5.0, north - 30_000.0, west + 30_000.0, north - 5.0)
found = zonal_statistics(np.append(small, large), raster, threshold=1.0, with_majority=True)
print(peak_mib() - before, found.mean[-1], found.share_above[-1], found.majority[-1], found.coverage.min())
"""


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="the peak of memory is read from /proc")
def test_a_raster_larger_than_memory_is_read_by_windows(tmp_path):
    import rasterio
    from rasterio.windows import Window

    grid = Affine(10.0, 0.0, 400_000.0, 0.0, -10.0, 3_900_000.0)
    with rasterio.open(tmp_path / "large.tif", "w", driver="GTiff", height=20_000, width=20_000, count=1, tiled=True,
                       dtype="float32", transform=grid, crs="EPSG:4547", sparse_ok=True) as file:
        file.write(np.full((256, 256), 9.0, dtype=np.float32), 1, window=Window(512, 512, 256, 256))
    done = subprocess.run([sys.executable, "-c", LARGE, str(tmp_path / "large.tif")], capture_output=True, text=True,
                          check=True, cwd=Path(__file__).resolve().parents[2])
    grown_mib, mean, share, majority, coverage = (float(word) for word in done.stdout.split())
    # As float64 the whole would take 3,052 MiB, and the large polygon alone 69.
    assert grown_mib < 200
    part = 256 * 256 / (2_999.5 * 2_999.5)
    assert (mean, share, majority) == (pytest.approx(9.0 * part), pytest.approx(part), 0.0)
    assert coverage > 0.2


def test_infinite_cells_count_as_values():
    found = zonal_statistics(_array(box(WEST, NORTH - 10, WEST + 40, NORTH)), _raster([[1.0, np.inf]]), threshold=2.0)
    assert (found.share_above[0], found.maximum[0], found.mean[0]) == (0.5, np.inf, np.inf)


def test_polygons_do_not_depend_on_each_other_or_on_blocks(monkeypatch):
    values = _field((90, 70), seed=2)
    rng = np.random.default_rng(1)
    parcels = shapely.buffer(shapely.points(rng.uniform((WEST, NORTH - 900), (WEST + 1_400, NORTH), (60, 2))), 77)
    whole = zonal_statistics(parcels, _raster(values), threshold=0.1, derive=slope_percent)
    for part in (slice(0, 1), slice(7, 31)):
        alone = zonal_statistics(parcels[part], _raster(values), threshold=0.1, derive=slope_percent)
        for name in ("mean", "minimum", "maximum", "coverage", "share_above"):
            assert np.array_equal(getattr(alone, name), getattr(whole, name)[part], equal_nan=True)
    # Tiles smaller than a parcel: the same up to the order of the sums.
    monkeypatch.setattr(zonal, "_BLOCK_CELLS", 3)
    tiled = zonal_statistics(parcels, _raster(values), threshold=0.1, derive=slope_percent)
    for name in ("mean", "minimum", "maximum", "coverage", "share_above"):
        assert np.allclose(getattr(tiled, name), getattr(whole, name), rtol=1e-12, atol=1e-12, equal_nan=True)


def test_parts_of_a_parcel_add_up():
    values = _field(missing=0.0)
    raster = _raster(values)
    left, right = (shapely.intersection(STAR, box(WEST + a, NORTH - 300, WEST + b, NORTH))
                   for a, b in ((0, 133), (133, 500)))
    found = zonal_statistics(_array(STAR, left, right), raster)
    assert found.mean[0] * STAR.area == pytest.approx(found.mean[1] * left.area + found.mean[2] * right.area)


def test_file_and_array_agree(tmp_path):
    import rasterio

    values = _field((60, 50))
    with rasterio.open(tmp_path / "a.tif", "w", driver="GTiff", height=60, width=50, count=1, dtype="float64",
                       nodata=-9999.0, transform=GRID, crs="EPSG:4547") as file:
        file.write(np.nan_to_num(values, nan=-9999.0), 1)
    one = zonal_statistics(_array(HOLED, STAR), raster_from_file(tmp_path / "a.tif", "EPSG:4547", unit="m"))
    other = zonal_statistics(_array(HOLED, STAR), _raster(values))
    assert np.array_equal(one.mean, other.mean)
    assert np.array_equal(one.coverage, other.coverage)


@pytest.mark.parametrize(("east", "north"), [(0.0, 0.0), (0.03, 0.04), (-0.2, 0.1)])
def test_slope_of_a_plane_is_exact_inside(east, north):
    rows, columns = np.indices((6, 8))
    plane = 100.0 + east * columns * WIDTH - north * rows * HEIGHT
    assert np.allclose(slope_percent(plane, WIDTH, HEIGHT)[1:-1, 1:-1], 100 * np.hypot(east, north))


def test_slope_equals_horn_cell_by_cell():
    z = np.random.default_rng(0).normal(size=(5, 6))
    found = slope_percent(z, 30.0, 20.0)
    for i in range(1, 4):
        for j in range(1, 5):
            k = z[i - 1:i + 2, j - 1:j + 2]
            dx = ((k[0, 2] + 2 * k[1, 2] + k[2, 2]) - (k[0, 0] + 2 * k[1, 0] + k[2, 0])) / (8 * 30)
            dy = ((k[0, 0] + 2 * k[0, 1] + k[0, 2]) - (k[2, 0] + 2 * k[2, 1] + k[2, 2])) / (8 * 20)
            assert found[i, j] == pytest.approx(100 * np.hypot(dx, dy))


def test_slope_keeps_unknown_cells_unknown_and_their_neighbours_finite():
    z = np.full((5, 5), 7.0)
    z[2, 2] = np.nan
    found = slope_percent(z, 10.0, 10.0)
    assert np.isnan(found[2, 2])
    assert np.isnan(found).sum() == 1
    assert np.nanmax(found) == 0.0


def test_derived_cells_see_their_neighbours_across_windows():
    rows, columns = np.indices((40, 40))
    plane = _raster(3.0 * columns * WIDTH / 100.0 + 0.0 * rows)
    small = _array(*(box(WEST + x, NORTH - 205, WEST + x + 30, NORTH - 185) for x in (45.0, 333.0, 700.0)))
    found = zonal_statistics(small, plane, derive=slope_percent, threshold=2.9)
    assert np.allclose(found.mean, 3.0)
    assert np.allclose(found.share_above, 1.0)
