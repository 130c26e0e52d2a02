"""The census: what it counts is what the matrices hold, and the census of a whole is that of its parts merged."""

from __future__ import annotations

import dataclasses
import math
import runpy
from pathlib import Path

import geopandas as gpd
import numpy as np
import pytest
import shapely
from hypothesis import given
from hypothesis import strategies as st

from siting.census import SCORE_BINS, Census, census_of, count_all, merged
from siting.scoring import rank_of
from siting.types import SiteScores, StudyResult

BUILD = runpy.run_path(str(Path(__file__).parents[1] / "maps" / "conftest.py"))["build_small_result"]
RESULT: StudyResult = BUILD()
N_RULES, N_CRITERIA = len(RESULT.scores[0].exclusions.rules), len(RESULT.scores[0].criteria)


def _part(candidates: gpd.GeoDataFrame, scores: SiteScores, rows: np.ndarray) -> Census:
    table = scores.exclusions
    own = dataclasses.replace(
        scores, raw=scores.raw[rows], score=scores.score[rows], rank=np.zeros(len(rows), dtype=np.int64),
        data_coverage=scores.data_coverage[rows], permissions=tuple(scores.permissions[i] for i in rows),
        exclusions=dataclasses.replace(table, measured=table.measured[rows], shortfall=table.shortfall[rows]))
    return census_of(candidates.iloc[rows], own)


@st.composite
def _studies(draw: st.DrawFn) -> tuple[gpd.GeoDataFrame, SiteScores]:
    """Draw candidates with ties, gaps and places outside the plan; the study is not consistent, nor need it be."""
    n = draw(st.integers(1, 30))
    random = np.random.default_rng(draw(st.integers(0, 2**32)))
    places = [("core", "gaoxin"), ("core", "other"), ("guarantee", "jinshui"), ("", ""), ("", "foreign")]
    at = random.integers(0, len(places), n)
    ids = draw(st.lists(st.text("ab-9地", min_size=1, max_size=4), min_size=n, max_size=n, unique=True))
    candidates = gpd.GeoDataFrame({
        "parcel_id": ids, "area_m2": random.choice([0.1, 1234.5678, 1e9 / 3, math.pi], n) * random.random(n),
        "zone_id": [places[i][0] for i in at], "unit_id": [places[i][1] for i in at]},
        geometry=shapely.points(np.zeros((n, 2))), crs="EPSG:4547")
    table = RESULT.scores[0].exclusions
    shortfall = random.choice([0.0, 0.0, 0.0, 0.5, 0.5, 1.0, np.nan], (n, N_RULES))
    by_zone = {p.zone_id: p for p in RESULT.pack.permissions if p.development_type == "large_compute"}
    scores = dataclasses.replace(
        RESULT.scores[0], raw=random.choice([1.0, np.nan, np.inf], (n, N_CRITERIA)),
        # Scores that differ by the order of rounding alone are ties.
        score=random.choice([0.0, 0.25, 0.25 + 1e-15, 0.9999, 1.0], n), rank=np.zeros(n, dtype=np.int64),
        data_coverage=random.choice([0.0, 1 / 3, 1.0], n),
        permissions=tuple(by_zone.get(zone) for zone in candidates["zone_id"]),
        exclusions=dataclasses.replace(table, shortfall=shortfall, measured=shortfall))
    return candidates, scores


@given(_studies(), st.data())
def test_the_census_of_a_whole_is_that_of_its_parts_in_any_order(study, data):
    candidates, scores = study
    n = len(candidates)
    order = np.array(data.draw(st.permutations(range(n))))
    cuts = sorted(data.draw(st.lists(st.integers(0, n), max_size=4)))
    parts = [_part(candidates, scores, rows) for rows in np.split(order, cuts)]
    whole = census_of(candidates, scores)
    assert merged(parts) == whole
    middle = data.draw(st.integers(0, len(parts)))
    nested = [merged(some) for some in (parts[:middle], parts[middle:]) if some]
    assert merged(nested) == whole
    assert merged(reversed(nested)) == whole


@given(_studies())
def test_it_counts_what_the_matrices_hold(study):
    candidates, scores = study
    census, table = census_of(candidates, scores), scores.exclusions
    area = candidates["area_m2"].to_numpy()
    assert (census.n_candidates, census.n_eligible) == (len(candidates), int(scores.eligible.sum()))
    assert census.area_m2 == pytest.approx(math.fsum(area), abs=1e-6 * len(area))
    assert census.eligible_area_m2 == pytest.approx(math.fsum(area[scores.eligible]), abs=1e-6 * len(area))
    assert census.untested_rules == tuple(r.rule_id for r in table.untested)
    assert sum(census.score_counts) == census.n_eligible
    assert census.mean_coverage == pytest.approx(scores.data_coverage.mean(), abs=1e-9)
    for i, rule in enumerate(census.rules):
        alone = table.broken[:, i] & table.excludes[i] & ((table.broken & table.excludes).sum(axis=1) == 1)
        assert rule.n_tested == np.isfinite(table.shortfall[:, i]).sum()
        assert (rule.n_broken, rule.n_only) == (table.broken[:, i].sum(), alone.sum())
        assert rule.broken_area_m2 == pytest.approx(math.fsum(area[table.broken[:, i]]), abs=1e-6 * len(area))
    for unit in census.units:
        assert sum(unit.main_reasons) == unit.n_candidates - unit.n_eligible


@given(_studies())
def test_the_best_of_a_unit_is_the_one_that_ranks_first(study):
    candidates, scores = study
    ids = candidates["parcel_id"].to_numpy(dtype=object)
    rank = rank_of(scores.score, scores.eligible, ids)
    for unit in census_of(candidates, scores).units:
        members = np.flatnonzero((candidates["unit_id"] == unit.unit_id) & (candidates["zone_id"] == unit.zone_id))
        kept = members[rank[members] > 0]
        if not len(kept):
            assert (unit.best_score, unit.best_parcel_id) == (None, "")
            continue
        best = kept[np.argmin(rank[kept])]
        assert (unit.best_score, unit.best_parcel_id) == (scores.score[best], ids[best])


def test_the_small_study_counted_by_hand():
    census = RESULT.census_for("large")
    assert (census.n_candidates, census.n_eligible) == (32, 21)
    assert [(u.unit_id, u.n_candidates, u.permission) for u in census.units] == [
        ("", 1, None), ("gaoxin", 15, "favoured"), ("jinshui", 16, "controlled")]
    rules = {r.rule_id: r for r in census.rules}
    assert (rules["GB-A-railway"].n_broken, rules["POL-closed"].n_only) == (8, 1)
    assert census.untested_rules == ("fault",)
    assert count_all(RESULT.candidates, RESULT.scores) == RESULT.census


def test_scores_by_share():
    scores = RESULT.scores[0]
    census = census_of(RESULT.candidates, scores)
    own = np.sort(scores.score[scores.eligible])
    for share in (0.05, 0.5, 0.95, 1.0):
        assert abs(census.score_at(share) - np.quantile(own, share, method="inverted_cdf")) <= 0.5 / SCORE_BINS + 1e-12
    nobody = _part(RESULT.candidates, scores, np.flatnonzero(~scores.eligible))
    with pytest.raises(ValueError, match="no candidate is eligible"):
        nobody.score_at(0.5)


def test_parts_of_different_classes_are_refused():
    with pytest.raises(ValueError, match="different classes"):
        merged(RESULT.census)
    with pytest.raises(ValueError, match="no part"):
        merged([])
