"""Clusters of hub regions: never more than the plan allows, never two that are one, and what parts them is told."""

from __future__ import annotations

from dataclasses import replace

import geopandas as gpd
import numpy as np
import pandas as pd
import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st

from gis.bilingual import Text
from layers.types import CityLayers
from siting.citation import Citation
from siting.city_pack import load_pack
from siting.clusters import TABLE_COLUMNS, apart, plan_clusters
from siting.network_settings import HubRegion
from siting.pack import CityPack
from siting.scoring import normalise, rank_of
from siting.types import ExclusionTable, SiteScores

CRS = "EPSG:4546"
PACK = load_pack("shanxi")
CRITERIA = tuple(replace(c, weight=w) for c, w in zip(PACK.criteria_for("large")[:2], (0.6, 0.4), strict=True))
CITATION = Citation(document="002", heading="", quote="原文")


def squares(places: list[tuple[int, int]]) -> list[shapely.Polygon]:
    return [shapely.box(10_000 * x, 10_000 * y, 10_000 * (x + 1), 10_000 * (y + 1)) for x, y in places]


def scored(places: list[tuple[int, int]], values: list[tuple[float, float]], units: list[str],
           eligible: list[bool] | None = None) -> tuple[gpd.GeoDataFrame, SiteScores]:
    """Return squares of ten kilometres with two measured criteria each (policy fit 0 to 1, renewable level 1 to 5)."""
    n = len(places)
    names = [f"N{i}" for i in range(n)]
    frame = gpd.GeoDataFrame({"parcel_id": names, "name": names, "unit_id": units, "certainty": "real"},
                             geometry=squares(places), crs=CRS)
    raw = np.array(values, dtype=np.float64).reshape(n, 2)
    score = normalise(raw, CRITERIA) @ np.array([c.weight for c in CRITERIA])
    kept = np.ones(n, dtype=np.bool_) if eligible is None else np.array(eligible, dtype=np.bool_)
    rules = PACK.rules_for("large")
    broken = np.where(kept, 0.0, 1.0)[:, None]
    table = ExclusionTable(rules=rules, measured=broken, shortfall=broken, excludes=np.ones(1, dtype=np.bool_))
    return frame, SiteScores(
        site_class=PACK.site_class("large"), criteria=CRITERIA, permissions=[None] * n, exclusions=table, raw=raw,
        score=score, rank=rank_of(score, kept, frame["parcel_id"].to_numpy(dtype=object)), data_coverage=np.ones(n))


def with_regions(*regions: tuple[str, tuple[str, ...], int, bool]) -> CityPack:
    assert PACK.network is not None
    nouns = tuple(HubRegion(region_id=key, title=Text(zh=key, en=key), unit_ids=units, max_clusters=most,
                            one_per_unit=one, citation=CITATION) for key, units, most, one in regions)
    return replace(PACK, network=replace(PACK.network, regions=nouns, hubs=()))


def no_layers() -> CityLayers:
    return CityLayers(metric_crs=CRS, frames={}, rasters={}, provenance=(), area_of_interest=shapely.box(0, 0, 1, 1))


@st.composite
def cases(draw: st.DrawFn) -> tuple[gpd.GeoDataFrame, SiteScores, CityPack]:
    places = draw(st.lists(st.tuples(st.integers(0, 6), st.integers(0, 6)), min_size=1, max_size=14, unique=True))
    n = len(places)
    values = draw(st.lists(st.tuples(st.sampled_from([0.0, 0.3, 0.7, 1.0]), st.integers(1, 5).map(float)),
                           min_size=n, max_size=n))
    units = draw(st.lists(st.sampled_from(["datong", "lvliang", "yangquan", "shuozhou"]), min_size=n, max_size=n))
    eligible = draw(st.lists(st.booleans(), min_size=n, max_size=n))
    regions = [("first", ("datong", "lvliang"), draw(st.integers(1, 3)), draw(st.booleans())),
               ("second", ("yangquan",), draw(st.integers(1, 2)), False)]
    return (*scored(places, values, units, eligible), with_regions(*regions))


@settings(max_examples=60, deadline=None)
@given(cases())
def test_no_region_has_more_clusters_than_the_plan_allows(case: tuple[gpd.GeoDataFrame, SiteScores, CityPack]) -> None:
    candidates, scores, pack = case
    plan = plan_clusters(candidates, [scores], no_layers(), pack, n_draws=8)
    assert plan is not None
    assert pack.network is not None
    assert [f.region for f in plan.regions] == list(pack.network.regions)
    for found in plan.regions:
        region, rows = found.region, [s.row for s in found.sites]
        assert len(found.chosen) <= region.max_clusters
        assert set(candidates["unit_id"].iloc[rows]) <= set(region.unit_ids)
        assert all(scores.rank[row] > 0 for row in rows)
        assert [s.rank for s in found.sites] == sorted(s.rank for s in found.sites)
        shapes = candidates.geometry.iloc[rows].tolist()
        assert not any(a.intersects(b) for i, a in enumerate(shapes) for b in shapes[:i])
        if region.one_per_unit:
            assert len({s.unit_id for s in found.sites}) == len(found.sites)
        is_best = candidates["unit_id"].isin(region.unit_ids).to_numpy() & (scores.rank > 0)
        assert found.n_eligible == is_best.sum()
        assert bool(found.chosen) == bool(is_best.any())
        if found.chosen:
            assert found.chosen[0].rank == scores.rank[is_best].min()
        if len(found.chosen) < region.max_clusters:
            assert found.runner_up is None
    table = plan.table(candidates)
    assert list(table.columns) == list(TABLE_COLUMNS)
    assert len(table) == sum(len(f.sites) for f in plan.regions)
    assert (table.groupby("region_id")["is_chosen"].sum() <= table.groupby("region_id")["max_clusters"].first()).all()


def test_neighbours_are_one_cluster() -> None:
    shapes = np.array(squares([(0, 0), (1, 1), (3, 0), (2, 0), (6, 6)]), dtype=object)
    # The second touches the first at a corner, the fourth touches the third.
    assert apart(shapes, 5).tolist() == [0, 2, 4]
    assert apart(shapes, 2).tolist() == [0, 2]
    groups = np.array(["a", "b", "a", "b", "c"], dtype=object)
    assert apart(shapes, 5, groups).tolist() == [0, 3, 4]


def test_the_best_stands_apart_only_where_its_interval_does() -> None:
    far = [(0, 0), (3, 0), (6, 0)]
    pack = with_regions(("all", ("datong",), 1, False))
    clear = plan_clusters(*_given(far, [(1.0, 5.0), (0.3, 2.0), (0.0, 1.0)]), pack, n_draws=100)
    assert clear is not None
    assert clear.regions[0].is_separated is True
    assert "在其后" in clear.facts[0].zh
    # Better policy against better renewables: the order turns with the weights.
    close = plan_clusters(*_given(far, [(1.0, 1.0), (0.4, 4.55), (0.0, 1.0)]), pack, n_draws=100)
    assert close is not None
    found = close.regions[0]
    assert found.runner_up is not None
    assert found.is_separated is False
    assert found.runner_up.rank_low == 1
    assert "不可区分" in close.facts[0].zh
    assert "not separable" in close.facts[0].en


def _given(places: list[tuple[int, int]],
           values: list[tuple[float, float]]) -> tuple[gpd.GeoDataFrame, list[SiteScores], CityLayers]:
    candidates, scores = scored(places, values, ["datong"] * len(places))
    return candidates, [scores], no_layers()


def test_clusters_are_those_of_the_largest_class_and_not_of_edge_centres() -> None:
    candidates, scores = scored([(0, 0), (3, 3)], [(1.0, 5.0), (0.7, 5.0)], ["datong"] * 2)
    edge = replace(scores, site_class=PACK.site_class("edge"))
    hyper = replace(scores, site_class=PACK.site_class("hyperscale"))
    pack = with_regions(("all", ("datong",), 1, False))
    assert plan_clusters(candidates, [edge], no_layers(), pack, n_draws=4) is None
    both = plan_clusters(candidates, [edge, scores, hyper], no_layers(), pack, n_draws=4)
    assert both is not None
    assert both.class_id == "hyperscale"
    assert plan_clusters(candidates, [scores], no_layers(), replace(pack, network=None), n_draws=4) is None


def test_a_hub_is_found_on_the_list_of_its_region() -> None:
    assert PACK.network is not None
    pack = with_regions(("all", ("datong",), 1, False))
    assert pack.network is not None
    hub = replace(PACK.network.hubs[0], region_id="all", lon=113.0, lat=40.0)
    pack = replace(pack, network=replace(pack.network, hubs=(hub,)))
    point = gpd.GeoSeries.from_xy([113.0], [40.0], crs="EPSG:4326").to_crs(CRS).iloc[0]
    candidates, scores = scored([(0, 0), (3, 3)], [(1.0, 5.0), (0.7, 5.0)], ["datong"] * 2)
    candidates = candidates.set_geometry([candidates.geometry.iloc[0], point.buffer(3_000)], crs=CRS)
    plan = plan_clusters(candidates, [scores], no_layers(), pack, n_draws=4)
    assert plan is not None
    held = plan.regions[0].named_hubs[0]
    assert (held.region_rank, held.is_met, held.place.zh) == (2, False, "N1（大同市）")
    assert plan.regions[0].chosen[0].name == Text(zh="N0（大同市）", en="N0 (Datong)")


def test_a_region_elsewhere_has_no_list_here() -> None:
    frame, scores = scored([(0, 0), (3, 0)], [(1.0, 5.0), (0.3, 1.0)], ["datong", "lvliang"])
    elsewhere = ("gansu", (), 1, False)
    assert plan_clusters(frame, [scores], no_layers(), with_regions(elsewhere)) is None
    found = plan_clusters(frame, [scores], no_layers(), with_regions(elsewhere, ("shanxi", ("datong",), 1, False)))
    assert found is not None
    assert [own.region.region_id for own in found.regions] == ["shanxi"]


def test_a_region_without_eligible_candidates_says_so() -> None:
    candidates, scores = scored([(0, 0)], [(1.0, 5.0)], ["datong"], [False])
    plan = plan_clusters(candidates, [scores], no_layers(), with_regions(("all", ("datong",), 2, False)), n_draws=4)
    assert plan is not None
    assert plan.regions[0].is_separated is None
    assert plan.table(candidates).empty
    assert "没有合格" in plan.facts[0].zh


@pytest.mark.parametrize("language", ["zh", "en"])
def test_the_table_names_sites_in_its_language(language: str) -> None:
    candidates, scores = scored([(0, 0)], [(1.0, 5.0)], ["datong"])
    plan = plan_clusters(candidates, [scores], no_layers(), with_regions(("all", ("datong",), 2, False)), n_draws=4)
    assert plan is not None
    table: pd.DataFrame = plan.table(candidates, language="zh" if language == "zh" else "en")
    assert table["name"].tolist() == (["N0（大同市）"] if language == "zh" else ["N0 (Datong)"])
