"""The pack of Zhengzhou: its quotes, outlines, weights and matrix."""

from __future__ import annotations

import dataclasses
import itertools
import json
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import geopandas as gpd
import pytest
import shapely

from layers.types import LayerSpec
from siting.citation import Citation
from siting.city_pack import load_pack
from siting.pack import CityPack, NamedPlace

ROOT = Path(__file__).resolve().parents[2]
SEEDS = ROOT / "../shared/seeds"
OUTLINES = ROOT / "siting/cities/zhengzhou_zones.geojson"
FUNCTIONAL_ZONES = {"gaoxin", "zhengdong", "jingkai", "airport"}

# Points that the four zones must hold (longitude, latitude), whatever the pack says of them.
INSIDE = {
    "gaoxin": [(113.55, 34.815), (113.53, 34.812), (113.555, 34.805), (113.51, 34.81)],
    "zhengdong": [(113.80, 34.79), (113.805, 34.796), (113.73, 34.775), (113.728, 34.772), (113.77, 34.815),
                  (113.875, 34.762), (113.88, 34.765), (113.745, 34.815), (113.7735, 34.7595)],
    "jingkai": [(113.79, 34.70), (113.735, 34.72)],
    "airport": [(113.831, 34.533), (113.85, 34.5265), (113.89, 34.485)],
}


@pytest.fixture(scope="module")
def pack() -> CityPack:
    return load_pack("zhengzhou")


@pytest.fixture(scope="module")
def outlines() -> gpd.GeoDataFrame:
    features = json.loads(OUTLINES.read_text(encoding="utf-8"))["features"]
    return gpd.GeoDataFrame.from_features(features, crs="EPSG:4326").set_index("unit_id")


def _citations(noun: object, where: str = "") -> Iterator[tuple[str, Citation]]:
    """Walk through every citation of a pack, wherever it stands."""
    if isinstance(noun, Citation):
        yield where, noun
    elif dataclasses.is_dataclass(noun) and not isinstance(noun, type):
        for field in dataclasses.fields(noun):
            yield from _citations(getattr(noun, field.name), f"{where}.{field.name}")
    elif isinstance(noun, tuple):
        for number, part in enumerate(noun):
            yield from _citations(part, f"{where}[{number}]")


def _squeezed(text: str) -> str:
    return re.sub(r"\s+", "", text)


@cache
def _seed(document: str) -> str | None:
    """Return the text of a document without white space; None where no text of it is there."""
    found = sorted(SEEDS.glob(f"{document}_*.txt"))
    return _squeezed(found[0].read_text(encoding="utf-8")) if found else None


@pytest.mark.skipif(not SEEDS.is_dir(), reason="the texts of the plans are not beside the project")
def test_quotes_are_verbatim(pack: CityPack) -> None:
    checked = 0
    for where, citation in _citations(pack):
        text = _seed(citation.document)
        if text is None:
            continue
        checked += 1
        assert citation.quote, f"{where}: a plan is cited without its words"
        assert _squeezed(citation.heading) in text, f"{where}: no heading {citation.heading!r}"
        for piece in citation.quote.split("…"):
            assert _squeezed(piece) in text, f"{where}: {piece!r} is not in document {citation.document}"
    assert checked > 100


@pytest.mark.skipif(not SEEDS.is_dir(), reason="the texts of the plans are not beside the project")
def test_every_plan_cited_has_its_text(pack: CityPack) -> None:
    plans = {c.document for _, c in _citations(pack) if c.document.isdecimal()}
    assert plans == {"000", "001", "003", "004"}
    assert all(_seed(plan) for plan in plans)


def test_citations_name_declared_documents(pack: CityPack) -> None:
    declared = [d.document_id for d in pack.documents]
    assert len(declared) == len(set(declared))
    assert {c.document for _, c in _citations(pack)} <= set(declared)


def test_standard_is_part_of_the_pack(pack: CityPack) -> None:
    by_id = {r.rule_id: r for r in pack.rules}
    assert by_id["GB-A-railway"].limit == 800.0
    assert by_id["GB-A-railway"].strictness == "shall"
    assert by_id["GB-B-railway"].limit == 100.0
    assert by_id["GB-B-railway"].strictness == "should"
    assert by_id["GB-A-airport"].length_m == 8000.0
    assert by_id["GB-AB-explosives"].limit == 3000.0
    assert by_id["GB-ABC-nuclear"].limit == 40000.0


def test_clause_on_estates_spares_edge_centres(pack: CityPack) -> None:
    assert "GB-4.1-estate" in {r.rule_id for r in pack.rules_for("large")}
    assert "GB-4.1-estate" not in {r.rule_id for r in pack.rules_for("edge")}


def test_each_class_has_its_own_smallest_plot(pack: CityPack) -> None:
    for site_class in pack.site_classes:
        limits = [r.limit for r in pack.rules_for(site_class.class_id) if r.test == "min_area"]
        assert limits == [site_class.min_plot_m2]


def test_class_bounds_join(pack: CityPack) -> None:
    ordered = sorted(pack.site_classes, key=lambda c: c.min_standard_racks)
    assert [c.class_id for c in ordered] == ["edge", "small_medium", "large", "hyperscale"]
    for below, above in itertools.pairwise(ordered):
        assert below.max_standard_racks == above.min_standard_racks
    for site_class in ordered:
        racks = site_class.it_load_kw / pack.standard_rack_kw
        highest = site_class.max_standard_racks or float("inf")
        assert site_class.min_standard_racks <= racks <= highest


@pytest.mark.parametrize(("class_id", "at_least"), [("hyperscale", 16), ("large", 16), ("small_medium", 16),
                                                    ("edge", 14)])
def test_weights(pack: CityPack, class_id: str, at_least: int) -> None:
    criteria = pack.criteria_for(class_id)
    assert len(criteria) >= at_least
    assert len({c.criterion_id for c in criteria}) == len(criteria)
    assert sum(c.weight for c in criteria) == pytest.approx(1.0, abs=1e-9)
    assert all(c.weight > 0 for c in criteria)


def test_no_criterion_is_constant_within_the_city(pack: CityPack) -> None:
    assert not [c for c in pack.criteria if "latency" in c.criterion_id or "climate" in c.criterion_id]


def test_matrix_is_complete_and_follows_the_plan(pack: CityPack) -> None:
    zones, kinds = [z.zone_id for z in pack.zones], [t.type_id for t in pack.development_types]
    assert len(zones) == 3
    assert len(kinds) == 6
    assert len(pack.permissions) == 18
    verdicts = {(z, t): pack.permission(z, t).permission for z, t in itertools.product(zones, kinds)}
    assert [pair for pair, verdict in verdicts.items() if verdict == "closed"] == [("guarantee", "storage_third_party")]
    assert all(verdicts[zone, "edge"] == "favoured" for zone in zones)
    assert [verdicts[zone, "large_compute"] for zone in ("guarantee", "core", "transfer")] \
        == ["controlled", "favoured", "allowed"]


def test_every_unit_has_one_zone(pack: CityPack) -> None:
    members = {zone.zone_id: {u.unit_id for u in pack.units if u.zone_id == zone.zone_id} for zone in pack.zones}
    assert members["guarantee"] == {"jinshui", "erqi", "zhongyuan", "guancheng"}
    assert members["core"] == FUNCTIONAL_ZONES
    assert len(members["transfer"]) == 8
    kinds = [u.kind for u in pack.units]
    assert kinds == sorted(kinds, reverse=True), "functional zones come first"


def test_districts_of_the_boundary_source_are_all_known(pack: CityPack) -> None:
    from layers.sources.boundaries import read
    from layers.sources.types import LoadContext

    spec = next(s for s in pack.layer_specs if s.name == "districts")
    found = read(spec, LoadContext(metric_crs=pack.metric_crs, frames={})).frame
    known = {n for u in pack.units if u.kind == "district" for n in (u.title.zh, *u.names)}
    assert len(found) == 12
    assert set(found["name"]) <= known


def test_outlines_match_the_units(pack: CityPack, outlines: gpd.GeoDataFrame) -> None:
    assert set(outlines.index) == FUNCTIONAL_ZONES
    assert set(outlines["certainty"]) == {"approximate"}
    assert outlines.geometry.is_valid.all()
    for unit_id, area_m2 in outlines.to_crs(pack.metric_crs).area.items():
        unit = next(u for u in pack.units if u.unit_id == unit_id)
        assert unit.published_area_km2 is not None
        assert area_m2 / 1e6 == pytest.approx(unit.published_area_km2, rel=0.10), unit_id


def test_outlines_are_coarse_and_do_not_overlap(pack: CityPack, outlines: gpd.GeoDataFrame) -> None:
    for outline in outlines.geometry:
        assert 12 <= len(outline.exterior.coords) - 1 <= 40
        assert all(round(value, 3) == value for point in outline.exterior.coords for value in point)
    metric = outlines.to_crs(pack.metric_crs).geometry
    for one, other in itertools.combinations(metric, 2):
        assert one.intersection(other).area < 1.0


@pytest.mark.parametrize("unit_id", sorted(INSIDE))
def test_outlines_hold_their_landmarks(outlines: gpd.GeoDataFrame, unit_id: str) -> None:
    for point in INSIDE[unit_id]:
        holders = [key for key, outline in outlines.geometry.items() if outline.contains(shapely.Point(point))]
        assert holders == [unit_id], point


def test_trusted_places_lie_in_their_unit(pack: CityPack, outlines: gpd.GeoDataFrame) -> None:
    checked = 0
    for place in pack.places:
        if place.confidence not in ("high", "medium"):
            continue
        point = shapely.Point(place.lon, place.lat)
        holders = [key for key, outline in outlines.geometry.items() if outline.contains(point)]
        assert holders == ([place.unit_id] if place.unit_id in FUNCTIONAL_ZONES else []), place.place_id
        checked += 1
    assert checked > 25


def test_places_say_how_far_they_may_be_trusted(pack: CityPack) -> None:
    for place in pack.places:
        located = place.lon is not None and place.lat is not None
        assert located == (place.confidence != "unknown") == (place.error_radius_km is not None), place.place_id
        assert (place.demand is None) == (not place.demand_basis), place.place_id
        assert place.unit_id in {"", *(u.unit_id for u in pack.units)}


def _spec(pack: CityPack, name: str) -> LayerSpec:
    return next(s for s in pack.layer_specs if s.name == name)


def _features(pack: CityPack, name: str, identity: str) -> dict[str, tuple[shapely.Geometry, dict[str, object]]]:
    return {str(dict(f.properties)[identity]): (shapely.from_wkt(f.geometry), dict(f.properties))
            for f in _spec(pack, name).features}


def test_demand_layer_holds_the_trusted_anchors(pack: CityPack) -> None:
    found = _features(pack, "demand", "demand_id")
    wanted: dict[str, NamedPlace] = {p.place_id: p for p in pack.places
                                     if p.demand and p.confidence in ("high", "medium")}
    hubs = set(_features(pack, "hubs", "hub_id"))
    seats = {f"seat_{u.unit_id}" for u in pack.units if u.kind == "district"}
    assert set(found) == set(wanted) | hubs | seats
    for key in wanted:
        point, properties = found[key]
        assert (point.x, point.y, properties["demand"]) == (wanted[key].lon, wanted[key].lat, wanted[key].demand)


def test_assumed_demand_is_marked_feature_by_feature(pack: CityPack) -> None:
    assumed = {str(dict(f.properties)["demand_id"]) for f in _spec(pack, "demand").features
               if f.certainty == "assumed"}
    named = {p.place_id for p in pack.places if p.demand}
    assert assumed
    assert not assumed & named


def test_data_centre_layer_holds_all_located_ones(pack: CityPack) -> None:
    found = _features(pack, "data_centres", "data_centre_id")
    wanted = {p.place_id: p for p in pack.places if p.kind == "data_centre" and p.lon is not None}
    assert set(found) == set(wanted)
    for key, (point, properties) in found.items():
        place = wanted[key]
        assert (point.x, point.y) == (place.lon, place.lat)
        assert (properties["error_radius_km"], properties["confidence"]) == (place.error_radius_km, place.confidence)


def test_hubs_are_trusted_ones_only(pack: CityPack) -> None:
    trusted = {p.place_id for p in pack.places if p.kind == "hub" and p.confidence in ("high", "medium")}
    assert set(_features(pack, "hubs", "hub_id")) == trusted


def test_runways_are_as_long_as_runways(pack: CityPack) -> None:
    lines = [geometry for geometry, _ in _features(pack, "runways", "runway_id").values()]
    lengths = gpd.GeoSeries(lines, crs="EPSG:4326").to_crs(pack.metric_crs).length
    assert len(lengths) == 2
    assert lengths.between(3000.0, 4000.0).all()


def test_synthetic_layers_say_so(pack: CityPack) -> None:
    demo = [s for s in pack.layer_specs if s.source == "demo"]
    assert {s.name for s in demo} >= {"parcels", "substations", "fibre_routes", "telecom_rooms", "base_stations",
                                      "roads", "dem", "flood_depth"}
    assert all(s.certainty == "synthetic" and s.note is not None for s in demo)
    assert all(s.certainty != "synthetic" for s in pack.layer_specs if s.source != "demo")


def test_what_nobody_published_is_marked(pack: CityPack) -> None:
    """Engineering judgement and laws quoted from memory never pass for published values."""
    doubtful = {"engineering", "land-law", "water-law", "green-line", "three-lines"}
    cited = [n for n in (*pack.rules, *pack.criteria) if n.citation.document in doubtful]
    assert cited
    assert all(n.assumed for n in cited)
    assert set(pack.edge.assumed) == {"service_radius_m", "feed_radius_m", "it_load_kw"}
