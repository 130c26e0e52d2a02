"""Rules put to candidates: what is measured, what excludes, what only penalises, what stays unknown."""

from __future__ import annotations

import geopandas as gpd
import numpy as np
import pytest
from affine import Affine
from shapely import box
from shapely.affinity import translate
from shapely.geometry import LineString, Point

from gis.rasters import Raster
from layers.types import CityLayers
from siting.citation import Citation
from siting.exclusions import apply_rules
from siting.pack import ExclusionRule, ZonePermission
from siting.surroundings import Surroundings

CRS = "EPSG:4547"
X0, Y0 = 450_000.0, 3_840_000.0
CITATION = Citation(document="GB50174-2017", heading="附录A")


def rule(test: str, **settings: object) -> ExclusionRule:
    return ExclusionRule(**{"rule_id": test, "title": None, "test": test, "strictness": "shall",
                            "citation": CITATION, **settings})  # type: ignore[arg-type]


def square(x: float, y: float, side: float = 100.0) -> object:
    return box(X0 + x, Y0 + y, X0 + x + side, Y0 + y + side)


def frame(geometries: list[object], **columns: object) -> gpd.GeoDataFrame:
    return gpd.GeoDataFrame({**columns}, geometry=geometries, crs=CRS)


def surroundings(candidates: gpd.GeoDataFrame, rasters: dict[str, Raster] | None = None,
                 **frames: gpd.GeoDataFrame) -> Surroundings:
    candidates = candidates.assign(area_m2=candidates.area)
    layers = CityLayers(metric_crs=CRS, frames=frames, rasters=rasters or {}, provenance=(),
                        area_of_interest=box(X0, Y0, X0 + 20_000, Y0 + 20_000))
    return Surroundings(candidates, layers)


def shortfall(around: Surroundings, one: ExclusionRule, permissions: tuple[ZonePermission | None, ...] = ()) -> list:
    return apply_rules(around, (one,), permissions, {}).shortfall[:, 0].tolist()


def test_setback_counts_from_the_edge_of_the_parcel() -> None:
    railway = frame([LineString([(X0 - 500, Y0), (X0 - 500, Y0 + 9_000)])], railway_id=["r"])
    around = surroundings(frame([square(0, 0), square(300, 0), square(-550, 0)]), railways=railway)
    table = apply_rules(around, (rule("setback", layer="railways", limit=800.0),), (), {})
    assert table.measured[:, 0].tolist() == [500.0, 800.0, 0.0]
    assert table.shortfall[:, 0].tolist() == [0.375, 0.0, 1.0]
    assert table.eligible.tolist() == [False, True, False]


def test_setback_looks_at_the_named_features_only() -> None:
    hazards = frame([Point(X0, Y0 - 10), Point(X0, Y0 - 1_500)], hazard_class=["petrol_station", "landfill"])
    around = surroundings(frame([square(0, 0)]), hazards=hazards)
    landfill = rule("setback", layer="hazards", where_column="hazard_class", where_values=("landfill",), limit=2_000.0)
    assert shortfall(around, landfill) == [0.25]
    explosives = rule("setback", layer="hazards", where_column="hazard_class", where_values=("explosives",),
                      limit=3_000.0)
    assert shortfall(around, explosives) == [0.0]


def test_missing_layer_is_unknown_and_named() -> None:
    around = surroundings(frame([square(0, 0)]))
    table = apply_rules(around, (rule("setback", layer="railways", limit=800.0),), (), {})
    assert np.isnan(table.shortfall).all()
    assert table.eligible.tolist() == [True]
    assert [r.rule_id for r in table.untested] == ["setback"]


def test_only_the_flight_path_counts_near_an_airport() -> None:
    runway = frame([LineString([(X0, Y0), (X0 + 3_000, Y0)])], runway_id=["12L"])
    around = surroundings(frame([square(5_000, 0), square(1_000, 2_500), square(12_500, 0)]), runways=runway)
    path = rule("corridor", layer="runways", limit=8_000.0, length_m=8_000.0, half_width_m=1_000.0,
                strictness="should")
    assert shortfall(around, path) == [pytest.approx(0.75), 0.0, 0.0]


def test_overlap_counts_the_union_once() -> None:
    water = frame([square(50, 0), square(50, 0)], water_id=["a", "b"])
    around = surroundings(frame([square(0, 0), square(400, 0)]), water=water)
    table = apply_rules(around, (rule("overlap", layer="water", limit=0.02),), (), {})
    assert table.measured[:, 0] == pytest.approx([0.5, 0.0])
    assert table.eligible.tolist() == [False, True]


def test_flood_counts_the_share_of_the_parcel() -> None:
    depth = np.zeros((10, 10))
    depth[:, 5:] = 1.0
    flood = Raster(crs=CRS, transform=Affine(20, 0, X0, 0, -20, Y0 + 200), shape=(10, 10), unit="m", values=depth)
    around = surroundings(frame([square(0, 0, 50), square(90, 0, 20), square(120, 0, 50)]), {"flood_depth": flood})
    table = apply_rules(around, (rule("raster_above", layer="flood_depth", threshold=0.15, limit=0.05),), (), {})
    assert table.measured[:, 0] == pytest.approx([0.0, 0.5, 1.0])
    assert table.eligible.tolist() == [True, False, False]


def test_land_use_that_nobody_states_is_unknown() -> None:
    around = surroundings(frame([square(0, 0), square(200, 0), square(400, 0)],
                                land_use=["industrial", "basic_farmland", None]))
    found = shortfall(around, rule("land_use", where_values=("basic_farmland",)))
    assert found[:2] == [0.0, 1.0]
    assert np.isnan(found[2])


def test_plot_below_the_minimum() -> None:
    around = surroundings(frame([square(0, 0), square(200, 0, 200)]))
    assert shortfall(around, rule("min_area", limit=20_000.0, unit="m2")) == [0.5, 0.0]


def test_closed_zone_and_no_zone_exclude() -> None:
    def permit(verdict: str) -> ZonePermission:
        return ZonePermission(zone_id="z", development_type="t", permission=verdict,  # type: ignore[arg-type]
                              citation=CITATION)
    around = surroundings(frame([square(0, 0), square(200, 0), square(400, 0)]))
    permissions = (permit("closed"), permit("controlled"), None)
    assert shortfall(around, rule("permission"), permissions) == [1.0, 0.0, 1.0]


def test_should_and_mitigated_rules_penalise_and_do_not_exclude() -> None:
    around = surroundings(frame([square(0, 0)]))
    rules = (rule("min_area", limit=20_000.0), rule("min_area", rule_id="soft", limit=20_000.0, strictness="should"))
    assert apply_rules(around, rules, (), {}).eligible.tolist() == [False]
    eased = apply_rules(around, rules, (), {"min_area": "多层机房"})
    assert eased.eligible.tolist() == [True]
    assert eased.excludes.tolist() == [False, False]


def test_moving_everything_changes_nothing() -> None:
    candidates = [square(0, 0), square(300, 0), square(900, 700)]
    railway = LineString([(X0 - 500, Y0), (X0 - 500, Y0 + 9_000)])
    one = rule("setback", layer="railways", limit=1_000.0)
    here = shortfall(surroundings(frame(candidates), railways=frame([railway])), one)
    there = shortfall(surroundings(frame([translate(c, 4_096, -2_048) for c in candidates]),
                                   railways=frame([translate(railway, 4_096, -2_048)])), one)
    assert there == pytest.approx(here)


def test_land_cover_counts_the_named_codes() -> None:
    codes = np.full((10, 10), 10.0)
    codes[:, 5:] = 60.0
    codes[0, :] = np.nan
    cover = Raster(crs=CRS, transform=Affine(20, 0, X0, 0, -20, Y0 + 200), shape=(10, 10), unit="code", values=codes,
                   is_categorical=True)
    around = surroundings(frame([square(0, 0, 50), square(90, 0, 20), square(120, 0, 50)]), {"land_cover": cover})
    table = apply_rules(around, (rule("raster_codes", layer="land_cover", where_values=("60", "80"), limit=0.05),),
                        (), {})
    assert table.measured[:, 0] == pytest.approx([0.0, 0.5, 1.0])
    assert table.eligible.tolist() == [True, False, False]
