"""Outlines that are approximate: how far they may be off, who lies near, and what lies beyond; worked by hand."""

from __future__ import annotations

from dataclasses import replace
from types import MappingProxyType

import geopandas as gpd
import numpy as np
import pytest
from shapely.geometry import box

from layers.types import CityLayers
from siting.outline_errors import AREA_ERROR, FARTHEST, near_outlines, values_beyond
from siting.robustness import Outlines
from siting.trust_draws import class_draws
from siting.types import StudyResult

CRS = "EPSG:4547"

# A square zone of 10 km in a strip of two districts: its outline is 40 km long and may be off by 250 m.
ZONE = box(10_000, 0, 20_000, 10_000)


def units(certainty: str = "approximate") -> gpd.GeoDataFrame:
    return gpd.GeoDataFrame({
        "unit_id": ["gaoxin", "west", "east"], "zone_id": ["core", "guarantee", "transfer"],
        "kind": ["functional_zone", "district", "district"], "certainty": [certainty, "real", "real"],
    }, geometry=[ZONE, box(0, 0, 10_000, 10_000), box(20_000, 0, 30_000, 10_000)], crs=CRS)


def plots(*middles: tuple[float, float, str]) -> gpd.GeoDataFrame:
    return gpd.GeoDataFrame({"unit_id": [u for _, _, u in middles]}, crs=CRS,
                            geometry=[box(x - 50, y - 50, x + 50, y + 50) for x, y, _ in middles])


def layers(**zones: list[float]) -> CityLayers:
    frame = gpd.GeoDataFrame({"unit_id": ["gaoxin"], "certainty": ["approximate"], **zones}, geometry=[ZONE], crs=CRS)
    return CityLayers(metric_crs=CRS, frames=MappingProxyType({"zones": frame}), rasters=MappingProxyType({}),
                      area_of_interest=box(0, 0, 30_000, 10_000), provenance=(), missing=())


CANDIDATES = plots((10_300, 5_000, "gaoxin"), (19_900, 5_000, "gaoxin"), (15_000, 60, "gaoxin"), (9_600, 5_000, "west"),
                   (20_500, 2_000, "east"), (5_000, 5_000, "west"))


def test_only_lines_with_something_beyond_count_and_the_error_follows_from_the_area() -> None:
    found = near_outlines(CANDIDATES, units(), layers())
    assert found.units == ("gaoxin",)
    assert found.error_m[0] == pytest.approx(AREA_ERROR * 1e8 / 40_000)
    # The third lies at the edge of the study area, where nothing lies beyond; the last is far from any line.
    np.testing.assert_array_equal(found.outline, [0, 0, -1, 0, 0, -1])
    np.testing.assert_allclose(found.away_m, [-300, -100, 0, 400, 500, 0])
    assert found.other_unit.tolist() == ["west", "east", "", "gaoxin", "gaoxin", ""]
    assert found.other_zone.tolist() == ["guarantee", "transfer", "", "core", "core", ""]


def test_a_stated_radius_comes_first_and_a_real_outline_stays() -> None:
    assert near_outlines(CANDIDATES, units(), layers(error_radius_km=[0.1])).error_m[0] == pytest.approx(50.0)
    near = near_outlines(CANDIDATES, units(), layers(error_radius_km=[0.1])).outline
    np.testing.assert_array_equal(near, [-1, 0, -1, -1, -1, -1])
    sure = near_outlines(CANDIDATES, units("real"), layers())
    assert sure.units == () and (sure.outline == -1).all() and sure.facts == ()
    assert len(near_outlines(CANDIDATES.iloc[:0], units(), layers()).outline) == 0


def test_a_plot_beyond_its_own_line_changes_sides_with_the_least_move() -> None:
    found = near_outlines(plots((20_040, 5_000, "gaoxin"), (19_960, 5_000, "east")), units(), layers())
    np.testing.assert_array_equal(found.outline, [0, 0])
    np.testing.assert_allclose(found.away_m, [-1e-3, 1e-3])


def test_the_chance_to_lie_beyond_is_that_of_the_normal_law() -> None:
    found = near_outlines(CANDIDATES, units(), layers())
    offset = found.offsets(20_000, 5)
    assert (offset[0] == 0).all() and offset[1:].std() == pytest.approx(found.error_m[0], rel=0.03)
    outlines = Outlines(outline=found.outline, away_m=found.away_m, offset_m=offset, columns=(),
                        values=np.empty((6, 0)), broken=np.zeros(6, dtype=np.uint64))
    # Phi(-300/250), Phi(-100/250), none, Phi(-400/250), Phi(-2), none.
    share = outlines.share_crossed(np.arange(6))
    np.testing.assert_allclose(share, [0.1151, 0.3446, 0.0, 0.0548, 0.0228, 0.0], atol=0.012)
    counted = np.mean([outlines.crossed(d) for d in range(500)], axis=0)
    short = replace(outlines, offset_m=offset[:500])
    np.testing.assert_allclose(counted, short.share_crossed(np.arange(6)))


def test_policy_and_price_are_those_of_the_other_side(zhengzhou_result: StudyResult) -> None:
    pack, scores = zhengzhou_result.pack, zhengzhou_result.scores_for("large")
    near = near_outlines(zhengzhou_result.candidates, zhengzhou_result.units, zhengzhou_result.city_layers)
    assert set(near.units) == {"gaoxin", "zhengdong", "jingkai", "airport"} and (near.outline >= 0).any()
    assert (np.abs(near.away_m) <= FARTHEST * near.error_m.max()).all()
    columns, raw, is_closed = values_beyond(near, zhengzhou_result.candidates, pack, scores.site_class, scores.criteria)
    assert [scores.criteria[j].criterion_id for j in columns] == ["policy_fit", "land_price_level"]
    levels = {u.unit_id: u.land_price_level for u in pack.units}
    for row in np.flatnonzero(near.outline >= 0)[:40].tolist():
        permission = pack.permission(str(near.other_zone[row]), scores.site_class.development_type)
        fit = {"favoured": 1.0, "allowed": 0.7, "controlled": 0.3, "closed": 0.0}[permission.permission]
        assert raw[row, 0] == fit and is_closed[row] == (permission.permission == "closed")
        stated = zhengzhou_result.candidates.get("land_price_level")
        if stated is None or np.isnan(float(stated.iloc[row])):
            assert raw[row, 1] == levels[str(near.other_unit[row])]


def test_what_policy_closes_takes_part_where_the_line_is_in_doubt(zhengzhou_result: StudyResult) -> None:
    kind = zhengzhou_result.scores_for("large").site_class.development_type
    shut = tuple(replace(p, permission="closed") if (p.zone_id, p.development_type) == ("guarantee", kind) else p
                 for p in zhengzhou_result.pack.permissions)
    pack = replace(zhengzhou_result.pack, permissions=shut)
    own = zhengzhou_result.scores_for("large")
    zones = zhengzhou_result.candidates["zone_id"].to_numpy()
    place = next(i for i, r in enumerate(own.exclusions.rules) if r.test == "permission")
    assert own.exclusions.excludes[place]
    shortfall = own.exclusions.shortfall.copy()
    shortfall[:, place] = zones == "guarantee"
    scores = replace(own, exclusions=replace(own.exclusions, shortfall=shortfall))
    result = replace(zhengzhou_result, pack=pack, scores=(scores,))
    drawn = class_draws(result, scores, np.empty(0, dtype=np.int64), 30, 1)
    closed = zones[drawn.rows] == "guarantee"
    outlines = drawn.draws.outlines
    assert outlines is not None and closed.any() and (outlines.outline[closed] >= 0).all()
    bits = drawn.broken[closed]
    # Closed here whatever is mitigated, and open beyond the line.
    assert (bits & drawn.draws.strict[3]).all()
    assert ((outlines.broken[closed] & ~bits) == 0).all() and (outlines.broken[closed] != bits).all()
    assert (zones == "guarantee").sum() > closed.sum()
