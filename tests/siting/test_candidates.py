"""What is scored: grid cells and blocks between streets, less the land on which nobody may build."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import geopandas as gpd
import numpy as np
import pytest
import shapely

from gis.errors import InfeasibleError, LayerNotFoundError, UsageError
from layers.types import CityLayers
from siting.candidates import MIN_BLOCK_AREA_M2, SETBACK_M, block_settings, find_candidates
from siting.city_pack import load_pack
from siting.pack import CityPack
from siting.plan_settings import BlockSettings
from siting.study_file import read_study
from siting.types import Study

CRS = "EPSG:4547"
EAST, NORTH = 500_000.0, 3_800_000.0
BLOCKS = Study(name="trial", city="zhengzhou", candidates="blocks")


def box(a: float, b: float, c: float, d: float) -> shapely.Polygon:
    return shapely.box(EAST + a, NORTH + b, EAST + c, NORTH + d)


def street(*points: tuple[float, float]) -> shapely.LineString:
    return shapely.LineString([(EAST + x, NORTH + y) for x, y in points])


AREA = box(0, 0, 600, 400)
CROSS = [("local", street((300, -50), (300, 450))), (None, street((-50, 200), (650, 200)))]


@pytest.fixture(scope="module")
def pack() -> CityPack:
    return load_pack("zhengzhou")


def city(roads: list[tuple[str | None, shapely.Geometry]], **layers: list[shapely.Geometry]) -> CityLayers:
    frames = {name: gpd.GeoDataFrame({"certainty": "real"}, index=range(len(shapes)), geometry=shapes, crs=CRS)
              for name, shapes in layers.items()}
    if roads:
        frames["roads"] = gpd.GeoDataFrame({"road_class": [c for c, _ in roads]}, geometry=[g for _, g in roads],
                                           crs=CRS)
    return CityLayers(metric_crs=CRS, frames=frames, rasters={}, provenance=(), area_of_interest=AREA)


def areas(frame: gpd.GeoDataFrame) -> list[int]:
    return sorted(round(a) for a in frame.geometry.area)


def test_blocks_are_candidates_with_the_usual_columns(pack):
    found = find_candidates(city(CROSS), pack, BLOCKS)
    assert found["parcel_id"].tolist() == ["B000001", "B000002", "B000003", "B000004"]
    assert set(found["certainty"]) == {"approximate"}
    assert found["land_use"].isna().all()
    assert found["area_m2"].tolist() == pytest.approx([292 * 192] * 4, abs=1)
    assert found["compactness"].between(0.7, np.pi / 4).all()
    assert found.crs == CRS


def test_road_without_a_class_counts_as_local(pack):
    found = find_candidates(city(CROSS), pack, BLOCKS)
    assert found.geometry.distance(CROSS[1][1]).min() == pytest.approx(SETBACK_M["local"], abs=0.01)


def test_railways_part_land_too(pack):
    layers = city(CROSS, railways=[street((150, -50), (150, 450))])
    found = find_candidates(layers, pack, BLOCKS)
    assert len(found) == 6
    assert found.geometry.distance(layers.frame("railways").geometry.iloc[0]).min() == pytest.approx(
        SETBACK_M["railway"], abs=0.01)


def test_water_takes_land_and_cuts_blocks(pack):
    river = box(100, -10, 140, 410)
    found = find_candidates(city(CROSS, water=[river]), pack, BLOCKS)
    assert len(found) == 6
    assert shapely.area(shapely.intersection(np.asarray(found.geometry.array), river)).max() < 1e-6
    assert found["parcel_id"].is_unique


def test_island_in_a_lake_has_no_way_in(pack):
    lake = box(20, 20, 270, 170).difference(box(100, 60, 200, 130))
    found = find_candidates(city(CROSS, water=[lake]), pack, BLOCKS)
    assert len(found) == 4
    assert not found.geometry.intersects(box(110, 70, 190, 120)).any()


def test_blocks_need_roads_and_say_so(pack):
    with pytest.raises(LayerNotFoundError, match=r'layer "roads".*\[layers.roads\]'):
        find_candidates(city([]), pack, BLOCKS)


def test_open_country_is_cut_into_pieces(pack):
    whole = replace(BLOCKS, blocks=BlockSettings(max_area_m2=0.0))
    pieces = replace(BLOCKS, blocks=BlockSettings(max_area_m2=20_000.0))
    roads = [("local", street((300, -50), (300, 450)))]
    few, many = (find_candidates(city(roads), pack, study) for study in (whole, pieces))
    assert len(few) == 2
    assert len(many) > 8
    assert many["area_m2"].max() < 40_000
    assert many["area_m2"].sum() == pytest.approx(few["area_m2"].sum(), abs=1)


@pytest.mark.parametrize("largest", [5_000.0, float("inf"), -1.0])
def test_largest_block_must_make_sense(pack, largest):
    study = replace(BLOCKS, blocks=BlockSettings(max_area_m2=largest))
    with pytest.raises(UsageError, match="max_area_m2"):
        find_candidates(city(CROSS), pack, study)


def test_no_block_is_large_enough(pack):
    study = replace(BLOCKS, blocks=BlockSettings(min_area_m2=1e6, max_area_m2=0.0))
    with pytest.raises(InfeasibleError, match="min_area_m2"):
        find_candidates(city(CROSS), pack, study)


def test_study_goes_before_pack_and_pack_before_default(pack):
    of_pack = replace(pack, blocks=BlockSettings(min_width_m=33.0, dead_end_m=0.0, setback_m=(("local", 5.0),)))
    study = replace(BLOCKS, blocks=BlockSettings(min_width_m=44.0, setback_m=(("primary", 50.0),)))
    found = block_settings(of_pack, study)
    assert (found.min_width_m, found.dead_end_m, found.min_area_m2) == (44.0, 0.0, MIN_BLOCK_AREA_M2)
    assert dict(found.setback_m) == {**SETBACK_M, "local": 5.0, "primary": 50.0}


def test_unknown_road_class_is_named(pack):
    study = replace(BLOCKS, blocks=BlockSettings(setback_m=(("lane", 4.0),)))
    with pytest.raises(UsageError, match="'lane'; known: motorway"):
        find_candidates(city(CROSS), pack, study)


def test_study_file_sets_blocks_and_names_a_pack_of_its_own(tmp_path: Path):
    path = tmp_path / "own.toml"
    path.write_text('city = "packs/mine.toml"\ncandidates = "blocks"\n[blocks]\nmin_area_m2 = 500\n'
                    "setback_m = { local = 6, railway = 20 }\n", encoding="utf-8")
    study = read_study(path)
    assert study.blocks == BlockSettings(min_area_m2=500.0, setback_m=(("local", 6.0), ("railway", 20.0)))
    assert Path(study.city) == tmp_path / "packs/mine.toml"


def test_unknown_block_setting_is_an_error(tmp_path: Path):
    path = tmp_path / "typo.toml"
    path.write_text('city = "zhengzhou"\n[blocks]\nmin_aera_m2 = 500\n', encoding="utf-8")
    with pytest.raises(UsageError, match="min_aera_m2"):
        read_study(path)


def test_grid_keeps_cells_with_half_of_their_land(pack):
    found = find_candidates(city([], water=[box(0, 0, 70, 400)]), pack,
                            replace(BLOCKS, candidates="grid", grid_size_m=100.0))
    assert len(found) == 20
    assert areas(found) == [10_000] * 20


def test_parcels_are_asked_for_by_name(pack):
    with pytest.raises(LayerNotFoundError, match='"grid" or "blocks"'):
        find_candidates(city([]), pack, replace(BLOCKS, candidates="parcels"))
