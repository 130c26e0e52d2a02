"""Units: functional zones cut districts, and a candidate belongs where most of it lies."""

from __future__ import annotations

import geopandas as gpd
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from shapely import box

from gis import proximity
from gis.errors import SchemaError
from layers.types import CityLayers
from siting.city_pack import load_pack
from siting.zones import build_units, largest_overlap, lay_out_places, place_candidates

CRS = "EPSG:4547"


def city(zone_ids: list[str]) -> CityLayers:
    districts = gpd.GeoDataFrame({"district_id": ["410102", "410104", "999999"],
                                  "name": ["中原区", "管城回族区", "外县"], "certainty": "real"},
                                 geometry=[box(0, 0, 1000, 1000), box(1000, 0, 2000, 1000), box(2000, 0, 3000, 1000)],
                                 crs=CRS)
    zones = gpd.GeoDataFrame({"unit_id": zone_ids, "certainty": "approximate"},
                             geometry=[box(0, 500, 500, 1000) for _ in zone_ids], crs=CRS)
    return CityLayers(metric_crs=CRS, frames={"districts": districts, "zones": zones}, rasters={}, provenance=(),
                      area_of_interest=box(0, 0, 3000, 1000))


def test_a_district_goes_by_its_own_name_then_its_city_then_its_province() -> None:
    pack = load_pack("shanxi")
    names = [("榆次区", "晋中市", "山西省"), ("祁县", "晋中市", "山西省"), ("城区", "阳泉市", "山西省"),
             ("某县", "某市", "大同市"), ("外县", "外市", "外省")]
    districts = gpd.GeoDataFrame(names, columns=["name", "city_name", "province_name"],
                                 geometry=[box(i, 0, i + 1, 1) for i in range(5)], crs="EPSG:4546")
    districts = districts.assign(district_id=[f"D{i}" for i in range(5)], certainty="real")
    layers = CityLayers(metric_crs="EPSG:4546", frames={"districts": districts}, rasters={}, provenance=(),
                        area_of_interest=box(0, 0, 5, 1))
    units = build_units(layers, pack)
    assert units["unit_id"].tolist() == ["taiyuan_metro", "jinzhong", "yangquan", "datong", "D4"]
    assert units["zone_id"].tolist() == ["core", "edge_node", "city_hub", "city_hub", ""]


def test_functional_zone_is_cut_out_of_its_district() -> None:
    units = build_units(city(["gaoxin"]), load_pack("zhengzhou")).set_index("unit_id")
    assert units.loc["gaoxin", "zone_id"] == "core"
    assert units.loc["gaoxin", "area_km2"] == 0.25
    assert units.loc["zhongyuan", "area_km2"] == 0.75
    assert units.loc["zhongyuan", "zone_id"] == "guarantee"
    assert units.area_km2.sum() == pytest.approx(3.0)


def test_district_outside_the_plan_has_no_zone() -> None:
    units = build_units(city(["gaoxin"]), load_pack("zhengzhou")).set_index("unit_id")
    assert units.loc["999999", "zone_id"] == ""


def test_zone_may_be_named_in_chinese() -> None:
    title = next(u for u in load_pack("zhengzhou").units if u.unit_id == "gaoxin").title.zh
    assert "gaoxin" in set(build_units(city([title]), load_pack("zhengzhou"))["unit_id"])


def test_unknown_zone_names_the_known_ones() -> None:
    with pytest.raises(SchemaError, match="gaoxin"):
        build_units(city(["gaoxing"]), load_pack("zhengzhou"))


def test_candidate_belongs_where_most_of_it_lies() -> None:
    layers = city(["gaoxin"])
    candidates = gpd.GeoDataFrame({"parcel_id": ["a", "b", "c", "d"]}, crs=CRS, geometry=[
        box(400, 600, 520, 700), box(480, 600, 600, 700), box(980, 0, 1100, 100), box(5000, 0, 5100, 100)])
    placed = place_candidates(candidates, build_units(layers, load_pack("zhengzhou")), layers)
    assert placed["unit_id"].tolist() == ["gaoxin", "zhongyuan", "guancheng", ""]
    assert placed["zone_id"].tolist() == ["core", "guarantee", "guarantee", ""]
    assert placed["district"].tolist() == ["中原区", "中原区", "管城回族区", ""]


@given(st.lists(st.tuples(st.integers(0, 28), st.integers(0, 8), st.integers(1, 9)), min_size=1, max_size=20))
def test_largest_overlap_equals_brute_force(rows: list[tuple[int, int, int]]) -> None:
    polygons = np.array([box(x + 0.5, y + 0.5, x + 0.5 + s, y + 0.5 + s) for x, y, s in rows], dtype=object)
    areas = np.array([box(i * 10, 0, i * 10 + 10, 10) for i in range(3)], dtype=object)
    found = largest_overlap(polygons, areas)
    for polygon, index in zip(polygons, found, strict=True):
        shares = [polygon.intersection(a).area for a in areas]
        if max(shares) == 0:
            assert index == -1
        else:
            assert shares[index] == pytest.approx(max(shares))


def test_places_may_be_laid_out_once_for_many_candidates() -> None:
    layers = city(["gaoxin"])
    candidates = gpd.GeoDataFrame({"parcel_id": ["a", "b"]}, crs=CRS, geometry=[
        box(400, 600, 520, 700), box(1980, 0, 2100, 100)])
    units = build_units(layers, load_pack("zhengzhou"))
    alone = place_candidates(candidates, units, layers)
    laid_out = proximity.lay_out(np.asarray(candidates.geometry.array, dtype=object))
    shared = place_candidates(candidates, units, layers, places=lay_out_places(units, layers), laid_out=laid_out)
    assert shared.drop(columns="geometry").equals(alone.drop(columns="geometry"))
    assert alone["unit_id"].tolist() == ["gaoxin", "999999"]
    assert alone["district"].tolist() == ["中原区", "外县"]
