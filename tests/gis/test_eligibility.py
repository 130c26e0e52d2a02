import numpy as np
import pytest
import shapely
from affine import Affine
from hypothesis import given, settings
from hypothesis import strategies as st
from shapely import LineString, MultiPolygon, Point, Polygon, box

from gis.eligibility import (
    OUTSIDE_BIT,
    BufferedLayer,
    Eligibility,
    EligibilityGrid,
    RasterRule,
    burn,
    grid_over,
)
from gis.errors import CrsError, LayerError, UsageError
from gis.rasters import raster_from_array, raster_from_file

CRS = "EPSG:4547"
EAST, NORTH = 501_000.0, 3_840_000.0


def centres(grid):
    columns, rows = np.meshgrid(np.arange(grid.shape[1]) + 0.5, np.arange(grid.shape[0]) + 0.5)
    cells = grid.transform
    return shapely.points(cells.c + columns * cells.a, cells.f + rows * cells.e)


def squares_of(transform, shape):
    columns, rows = np.meshgrid(np.arange(shape[1]), np.arange(shape[0]))
    west, north = transform.c + columns * transform.a, transform.f + rows * transform.e
    return shapely.box(west, north + transform.e, west + transform.a, north)


def layer(*geometries, bit=1, buffer_m=0.0):
    return BufferedLayer(bit, np.array(geometries, dtype=object), buffer_m)


def has(eligibility, bit=1):
    return (eligibility.mask >> bit) & 1 == 1


def small_grid(cell_m=10.0, size_m=600.0):
    return grid_over((EAST, NORTH, EAST + size_m, NORTH + size_m), cell_m, CRS)


coordinate = st.floats(-150.0, 750.0)
position = st.tuples(coordinate, coordinate).map(lambda xy: (EAST + xy[0], NORTH + xy[1]))
lines = st.lists(position, min_size=2, max_size=5, unique=True).map(LineString)
stars = st.lists(position, min_size=3, max_size=7, unique=True).map(lambda xy: shapely.MultiPoint(xy).convex_hull)
rings = st.tuples(position, st.floats(30.0, 300.0)).map(
    lambda c: Point(c[0]).buffer(c[1], quad_segs=3).difference(Point(c[0]).buffer(c[1] / 2.0, quad_segs=2)))
shapes = st.one_of(position.map(Point), lines, stars, rings)


@settings(max_examples=150, deadline=None)
@given(st.lists(shapes, min_size=1, max_size=4), st.floats(0.0, 200.0), st.sampled_from([7.5, 20.0, 30.0]))
def test_a_cell_is_excluded_exactly_where_geos_measures_its_centre_within_the_buffer(geometries, buffer_m, cell_m):
    grid = small_grid(cell_m)
    distance_m = shapely.distance(np.array(geometries, dtype=object)[:, None, None], centres(grid)).min(axis=0)
    burnt = has(burn(grid, [layer(*geometries, buffer_m=buffer_m)]))
    # GEOS itself rounds; whoever is nearer to the limit than that cannot be told by it.
    is_clear = np.abs(distance_m - buffer_m) > 1e-7
    assert (burnt == (distance_m <= buffer_m))[is_clear].all()


@pytest.mark.parametrize(("radius", "inside"), [(0, 1), (1, 5), (2, 13), (5, 81), (10, 317), (25, 1961)])
def test_a_circle_holds_its_lattice_points_with_those_on_the_rim(radius, inside):
    # The numbers of Gauss's circle problem, OEIS A000328.
    grid = small_grid(10.0, 610.0)
    burnt = burn(grid, [layer(Point(EAST + 305.0, NORTH + 305.0), buffer_m=10.0 * radius)])
    assert has(burnt).sum() == inside


def test_a_capsule_along_an_axis_holds_its_rim():
    grid = small_grid()
    line = LineString([(EAST + 105.0, NORTH + 105.0), (EAST + 205.0, NORTH + 105.0)])
    upright = LineString([(EAST + 405.0, NORTH + 305.0), (EAST + 405.0, NORTH + 405.0)])
    # 11 x 5 in the rectangle, the rim included, and half a circle of radius 2 at each end.
    for one in (line, upright):
        assert has(burn(grid, [layer(one, buffer_m=20.0)])).sum() == 11 * 5 + 13 - 5


@settings(max_examples=60, deadline=None)
@given(st.lists(shapes, min_size=1, max_size=4), st.sampled_from([0.0, 30.0, 90.0, 123.4]))
def test_grids_of_10_and_30_m_agree_on_their_common_centres(geometries, buffer_m):
    cells = np.random.default_rng(4).integers(0, 9, (13, 17)).astype(float)
    raster = raster_from_array(cells, Affine(50.0, 0.0, EAST - 40.0, 0.0, -50.0, NORTH + 610.0), CRS, "")
    rules = [RasterRule(bit=2, raster=raster, codes=(3,), buffer_m=buffer_m), RasterRule(bit=3, raster=raster, above=7)]
    layers, area = [layer(*geometries, buffer_m=buffer_m)], Point(EAST + 290.0, NORTH + 310.0).buffer(250.0)
    fine, coarse = (burn(small_grid(cell_m), layers, rules, area) for cell_m in (10.0, 30.0))
    assert (fine.mask[1::3, 1::3] == coarse.mask).all()


@pytest.mark.parametrize("feature", [
    Point(EAST - 55.0, NORTH + 305.0),
    LineString([(EAST - 55.0, NORTH - 500.0), (EAST - 55.0, NORTH + 900.0)]),
    box(EAST - 400.0, NORTH - 100.0, EAST - 55.0, NORTH + 700.0),
])
def test_a_feature_beyond_the_grid_reaches_in(feature):
    grid = small_grid()
    narrow = burn(grid, [layer(feature, buffer_m=59.0)])
    wide = burn(grid, [layer(feature, buffer_m=60.0)])
    assert has(narrow).sum() == 0
    assert has(wide)[:, 0].any()
    assert grid.reach([layer(feature, buffer_m=60.0), layer(feature, buffer_m=9.0)])[0] == EAST - 60.0


@settings(max_examples=40, deadline=None)
@given(st.lists(shapes, min_size=1, max_size=3), st.floats(0.0, 200.0))
def test_a_part_of_a_grid_has_the_mask_of_the_whole(geometries, buffer_m):
    whole = small_grid(30.0)
    part = EligibilityGrid(Affine(30.0, 0.0, EAST + 7 * 30.0, 0.0, -30.0, NORTH + 600.0 - 5 * 30.0), (6, 8), CRS)
    values = np.random.default_rng(1).random((20, 20))
    rule = RasterRule(bit=2, raster=raster_from_array(values, whole.transform, CRS, ""), above=0.9, buffer_m=buffer_m)
    layers = [layer(*geometries, buffer_m=buffer_m)]
    assert (burn(whole, layers, [rule]).mask[5:11, 7:15] == burn(part, layers, [rule]).mask).all()


def test_holes_stay_free_beyond_the_buffer_of_their_edge():
    hole = box(EAST + 150.0, NORTH + 150.0, EAST + 450.0, NORTH + 450.0)
    ring = box(EAST + 50.0, NORTH + 50.0, EAST + 550.0, NORTH + 550.0).difference(hole)
    assert (~has(burn(small_grid(), [layer(ring)]))).sum() == 30 * 30 + 60 * 60 - 50 * 50
    assert (~has(burn(small_grid(), [layer(ring, buffer_m=50.0)]))[10:50, 10:50]).sum() == 20 * 20


def test_a_comb_is_crossed_many_times_by_a_row():
    teeth = [(EAST + x, NORTH + (550.0 if i % 4 in (1, 2) else 50.0)) for i, x in enumerate(np.arange(0.0, 590.0, 3.7))]
    comb = Polygon([*teeth, (EAST + 590.0, NORTH + 10.0), (EAST, NORTH + 10.0)])
    grid = small_grid(2.5)
    is_clear = shapely.distance(comb.exterior, centres(grid)) > 1e-6
    assert (has(burn(grid, [layer(comb)])) == shapely.intersects(comb, centres(grid)))[is_clear].all()


def test_few_reasons_take_two_bytes_a_cell():
    spot = Point(EAST + 45.0, NORTH + 45.0)
    for bit, kind in ((1, np.uint16), (15, np.uint16), (16, np.uint32), (31, np.uint32), (32, np.uint64)):
        found = burn(small_grid(), [layer(spot, bit=bit, buffer_m=1.0)])
        assert found.mask.dtype == kind
        assert found.mask[55, 4] == 1 << bit and np.count_nonzero(found.mask) == 1
        assert found.share_by_reason([box(EAST + 40.0, NORTH + 40.0, EAST + 50.0, NORTH + 50.0)]).share[0, 1] == 1.0


def test_neighbours_share_the_centres_on_their_common_edge():
    left, right = box(EAST, NORTH, EAST + 305.0, NORTH + 600.0), box(EAST + 305.0, NORTH, EAST + 600.0, NORTH + 600.0)
    inside = [(burn(small_grid(), [], area=one).mask == 0).astype(int) for one in (left, right)]
    assert (sum(inside) == 1).all()
    # A layer is closed: a centre on the edge is at distance 0 of both.
    assert sum(has(burn(small_grid(), [layer(one)])).sum() for one in (left, right)) == 60 * 60 + 60


def test_bits_are_kept_apart_and_the_area_has_its_own():
    grid = small_grid()
    area = MultiPolygon([box(EAST, NORTH, EAST + 100.0, NORTH + 100.0),
                         box(EAST + 300.0, NORTH, EAST + 400.0, NORTH + 100.0)])
    layers = [layer(box(EAST, NORTH, EAST + 50.0, NORTH + 600.0), bit=4),
              layer(Point(EAST + 45.0, NORTH + 45.0), bit=31),
              layer(box(EAST + 20.0, NORTH, EAST + 30.0, NORTH + 600.0), bit=4)]
    burnt = burn(grid, layers, area=area)
    assert burnt.mask.dtype == np.uint32
    assert burnt.reasons == (OUTSIDE_BIT, 4, 31)
    assert (~has(burnt, OUTSIDE_BIT)).sum() == 200
    assert burnt.mask[55, 4] == (1 << 4) | (1 << 31)
    assert burnt.n_eligible == 150
    assert burnt.eligible_area_m2 == 150 * 100.0
    wide = burn(grid, [*layers, layer(Point(EAST + 45.0, NORTH + 45.0), bit=63)], area=area)
    assert wide.mask.dtype == np.uint64
    assert wide.mask[55, 4] == (1 << 4) | (1 << 31) | (1 << 63)


def test_the_number_of_strips_and_threads_changes_nothing(monkeypatch):
    rng = np.random.default_rng(3)
    points = shapely.points(EAST + 600.0 * rng.random(40), NORTH + 600.0 * rng.random(40))
    cells = rng.random((200, 200))
    rules = [RasterRule(bit=2, raster=raster_from_array(cells, small_grid(3.0).transform, CRS, ""), above=0.99,
                        buffer_m=25.0)]
    layers = [BufferedLayer(1, shapely.buffer(points, 30.0), 20.0)]
    area = Point(EAST + 300.0, NORTH + 300.0).buffer(200.0)
    whole = burn(small_grid(1.0), layers, rules, area)
    monkeypatch.setattr("gis.eligibility._STRIP_ROWS", 37)
    monkeypatch.setattr("gis.eligibility._TILE_CELLS", 23)
    monkeypatch.setattr("gis.eligibility._WINDOW_CELLS", 23 * 23 * 3)
    assert (burn(small_grid(1.0), layers, rules, area).mask == whole.mask).all()
    monkeypatch.setattr("numba.config.NUMBA_NUM_THREADS", 1)
    assert (burn(small_grid(1.0), layers, rules, area).mask == whole.mask).all()


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**32 - 1), st.floats(0.1, 120.0), st.sampled_from([12.5, 30.0]),
       st.sampled_from([(2, 5), (1, 2, 3, 5, 6, 7, 8)]))
def test_a_raster_rule_with_a_buffer_measures_from_the_ground_of_its_cells(seed, buffer_m, cell_m, codes):
    cells = np.random.default_rng(seed).integers(0, 12, (14, 16)).astype(float)
    transform = Affine(45.0, 0.0, EAST - 60.0, 0.0, -50.0, NORTH + 650.0)
    grid = small_grid(cell_m)
    burnt = has(burn(grid, [], [RasterRule(bit=1, raster=raster_from_array(cells, transform, CRS, ""), codes=codes,
                                           buffer_m=buffer_m)]))
    squares = squares_of(transform, cells.shape)[np.isin(cells, codes)]
    distance_m = shapely.distance(shapely.union_all(squares), centres(grid))
    is_clear = np.abs(distance_m - buffer_m) > 1e-7
    assert (burnt == (distance_m <= buffer_m))[is_clear].all()


def test_rules_look_up_the_raster_cell_that_holds_the_centre():
    values = np.array([[1.0, 2.0, np.nan], [3.0, 4.0, 5.0]])
    raster = raster_from_array(values, Affine(200.0, 0.0, EAST, 0.0, -200.0, NORTH + 600.0), CRS, "")
    grid = small_grid(100.0)
    held = np.vstack([np.kron(values, np.ones((2, 2))), np.full((2, 6), np.nan)])

    def taken(**rule):
        return has(burn(grid, [], [RasterRule(bit=1, raster=raster, **rule)]))

    assert (taken(above=3.0) == (held > 3.0)).all()
    assert (taken(below=3.0) == (held < 3.0)).all()
    assert (taken(codes=(2, 5)) == np.isin(held, (2, 5))).all()
    assert (taken(above=4.0, below=2.0) == ((held > 4.0) | (held < 2.0))).all()
    assert (taken(above=3.0, is_missing_excluded=True) == ~(held <= 3.0)).all()
    assert (taken(is_missing_excluded=True) == np.isnan(held)).all()
    # The buffer widens cells with the value, never those without any.
    buffered = taken(codes=(1,), is_missing_excluded=True, buffer_m=60.0)
    assert buffered[0].tolist() == [True, True, True, False, True, True]
    assert buffered[3].tolist() == [False] * 6


@pytest.mark.parametrize("tiling", [{}, {"tiled": True, "blockxsize": 16, "blockysize": 32}])
def test_a_file_gives_what_its_array_gives(tmp_path, monkeypatch, tiling):
    import rasterio

    monkeypatch.setattr("gis.eligibility._WINDOW_CELLS", 1_024)

    values = np.random.default_rng(9).random((700, 40)).astype(np.float32)
    values[100:120] = -9999.0
    transform = Affine(10.0, 0.0, EAST - 100.0, 0.0, -10.0, NORTH + 6_500.0)
    with rasterio.open(tmp_path / "slope.tif", "w", driver="GTiff", width=40, height=700, count=1, dtype="float32",
                       crs=CRS, transform=transform, nodata=-9999.0, **tiling) as file:
        file.write(values, 1)
    array = raster_from_array(np.where(values < 0.0, np.nan, values), transform, CRS, "%")
    grid = small_grid(10.0)
    for raster in (array, raster_from_file(tmp_path / "slope.tif", CRS, unit="%")):
        rules = [RasterRule(bit=1, raster=raster, above=0.95, buffer_m=15.0),
                 RasterRule(bit=2, raster=raster, below=0.2)]
        burnt = burn(grid, [], rules)
        if raster is array:
            expected = burnt.mask
    assert (burnt.mask == expected).all()
    assert has(burnt, 2).any()


@settings(max_examples=60, deadline=None)
@given(st.lists(st.one_of(stars, rings), min_size=1, max_size=4), st.integers(0, 999))
def test_shares_of_parcels_are_those_of_an_exact_overlay(polygons, seed):
    grid = small_grid(100.0)
    mask = np.random.default_rng(seed).choice(np.array([0, 1, 2, 6, 2**40], dtype=np.uint64), grid.shape)
    parcels = np.array([*polygons, Polygon(), Point(EAST, NORTH).buffer(2.0), None], dtype=object)
    shares = Eligibility(mask, grid, (0, 1, 2, 40)).share_by_reason(parcels)
    overlay = shapely.area(shapely.intersection(parcels[:, None, None], squares_of(grid.transform, grid.shape)))
    area = shapely.area(parcels)
    for parcel in range(len(parcels)):
        if not area[parcel] > 0.0:
            assert np.isnan(shares.eligible[parcel])
            continue
        beyond = 1.0 - overlay[parcel].sum() / area[parcel]
        by_hand = [overlay[parcel][(mask >> b) & 1 == 1].sum() / area[parcel] for b in (0, 1, 2, 40)]
        by_hand[0] += beyond
        # Coordinates of this size are rounded to about 1e-9 m, which a sliver feels along all its edge.
        rounding = 1e-7 + 1e-9 * shapely.length(parcels[parcel]) / area[parcel]
        assert shares.share[parcel] == pytest.approx(by_hand, abs=rounding)
        assert shares.eligible[parcel] == pytest.approx(overlay[parcel][mask == 0].sum() / area[parcel],
                                                          abs=rounding)


def test_a_large_parcel_is_summed_in_blocks():
    grid = grid_over((EAST, NORTH, EAST + 30_000.0, NORTH + 30_000.0), 10.0, CRS)
    burnt = burn(grid, [layer(box(EAST, NORTH, EAST + 7_500.0, NORTH + 30_000.0))])
    parcel = box(EAST, NORTH, EAST + 30_000.0, NORTH + 30_000.0)
    shares = burnt.share_by_reason(np.array([parcel], dtype=object))
    assert shares.reasons == (OUTSIDE_BIT, 1)
    assert shares.share[0] == pytest.approx([0.0, 0.25])
    assert shares.eligible[0] == pytest.approx(0.75)


def flood(free, offsets):
    """Label by walking from cell to cell; the oracle."""
    label, n = np.zeros(free.shape, dtype=int), 0
    for start in np.argwhere(free):
        if label[tuple(start)]:
            continue
        n += 1
        todo = [tuple(start)]
        label[todo[0]] = n
        while todo:
            i, j = todo.pop()
            for di, dj in offsets:
                at = (i + di, j + dj)
                if 0 <= at[0] < free.shape[0] and 0 <= at[1] < free.shape[1] and free[at] and not label[at]:
                    label[at] = n
                    todo.append(at)
    return label, n


EDGES = [(0, 1), (1, 0), (0, -1), (-1, 0)]
CORNERS = [(1, 1), (1, -1), (-1, 1), (-1, -1)]


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 9999), st.sampled_from([4, 8]), st.floats(0.2, 0.8), st.sampled_from([0.0, 300.0, 400.0]))
def test_areas_are_the_connected_cells_of_at_least_the_size(seed, connectivity, density, min_area_m2):
    grid = EligibilityGrid(Affine(10.0, 0.0, EAST, 0.0, -10.0, NORTH), (15, 18), CRS)
    free = np.random.default_rng(seed).random(grid.shape) < density
    areas = Eligibility(np.where(free, 0, 5).astype(np.uint32), grid, (0, 2)).areas(min_area_m2,
                                                                                     connectivity=connectivity)
    label, n = flood(free, EDGES + (CORNERS if connectivity == 8 else []))
    sizes = [int((label == i).sum()) for i in range(1, n + 1)]
    kept = [i + 1 for i, size in enumerate(sizes) if size * 100.0 >= min_area_m2]
    assert areas.area_m2.tolist() == [sizes[i - 1] * 100.0 for i in kept]
    assert shapely.is_valid(areas.geometries).all()
    assert set(shapely.get_type_id(areas.geometries)) <= {3, 6} if connectivity == 8 else {3}
    assert np.allclose(shapely.area(areas.geometries), areas.area_m2, atol=0.0)
    for i, geometry in zip(kept, areas.geometries, strict=True):
        assert (shapely.contains(geometry, centres(grid)) == (label == i)).all()


def test_a_mask_without_eligible_ground_has_no_areas():
    burnt = burn(small_grid(), [layer(box(EAST - 1.0, NORTH - 1.0, EAST + 601.0, NORTH + 601.0))])
    assert burnt.n_eligible == 0
    assert len(burnt.areas(0.0).geometries) == 0


def test_nothing_to_burn_leaves_all_eligible():
    empty = BufferedLayer(1, np.array([None, Polygon(), Point()], dtype=object), 50.0)
    assert not burn(small_grid(), [empty, BufferedLayer(2, np.array([], dtype=object), 10.0)]).mask.any()


def test_progress_reaches_its_total():
    told = []
    raster = raster_from_array(np.ones((5, 5)), Affine(100.0, 0.0, EAST, 0.0, -100.0, NORTH + 500.0), CRS, "")
    burn(small_grid(), [layer(Point(EAST, NORTH))], [RasterRule(bit=2, raster=raster, above=0.5, buffer_m=10.0)],
         progress=lambda step, done, total: told.append((done, total)))
    assert told[-1][0] == told[-1][1] == len(told)


def test_a_raster_file_that_is_gone_is_refused_in_both_languages(tmp_path):
    import rasterio

    path, transform = tmp_path / "slope.tif", Affine(10.0, 0.0, EAST, 0.0, -10.0, NORTH + 600.0)
    with rasterio.open(path, "w", driver="GTiff", width=60, height=60, count=1, dtype="float32", crs=CRS,
                       transform=transform) as file:
        file.write(np.ones((60, 60), dtype=np.float32), 1)
    raster = raster_from_file(path, CRS, unit="%")
    path.unlink()
    with pytest.raises(LayerError, match="cannot be read"):
        burn(small_grid(), [], [RasterRule(bit=1, raster=raster, above=0.5)])


def test_what_cannot_be_burned_is_refused():
    grid, raster = small_grid(), raster_from_array(np.ones((3, 3)), Affine(10.0, 0.0, 0.0, 0.0, -10.0, 0.0), CRS, "")
    elsewhere = raster_from_array(np.ones((3, 3)), Affine(10.0, 0.0, 0.0, 0.0, -10.0, 0.0), "EPSG:4544", "")
    for bit in (-1, OUTSIDE_BIT, 64):
        with pytest.raises(UsageError):
            burn(grid, [layer(Point(EAST, NORTH), bit=bit)])
    for buffer_m in (-1.0, float("nan"), float("inf")):
        with pytest.raises(UsageError):
            burn(grid, [layer(Point(EAST, NORTH), buffer_m=buffer_m)])
    with pytest.raises(UsageError):
        burn(grid, [], [RasterRule(bit=1, raster=raster)])
    with pytest.raises(CrsError):
        burn(grid, [], [RasterRule(bit=1, raster=elsewhere, above=0.0)])
    with pytest.raises(LayerError):
        burn(grid, [layer(shapely.points(np.nan, NORTH))])
    with pytest.raises(UsageError):
        grid_over((0.0, 0.0, 0.0, 1.0), 10.0, CRS)
    with pytest.raises(UsageError):
        grid_over((0.0, 0.0, 1.0, 1.0), 0.0, CRS)
    with pytest.raises(UsageError):
        EligibilityGrid(Affine(10.0, 0.0, 0.0, 0.0, 10.0, 0.0), (3, 3), CRS)
    burnt = burn(grid, [])
    for arguments in ({"min_area_m2": -1.0}, {"min_area_m2": float("nan")}, {"min_area_m2": 0.0, "connectivity": 6}):
        with pytest.raises(UsageError):
            burnt.areas(**arguments)
