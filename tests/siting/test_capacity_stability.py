"""The capacity layout over the draws: what is varied is felt where it must be, and nowhere else."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from siting.capacity_stability import MOST_DRAWS, CapacityStability, capacity_stability
from siting.trust_draws import ClassDraws, class_draws
from siting.types import SiteScores, StudyResult

N_DRAWS = 9


@pytest.fixture(scope="module")
def still(zhengzhou_result: StudyResult) -> ClassDraws:
    """Return draws in which nothing varies."""
    scores = zhengzhou_result.scores_for("large")
    drawn = class_draws(zhengzhou_result, scores, np.empty(0, dtype=np.int64), N_DRAWS, 1)
    weights = np.tile([c.weight for c in scores.criteria], (N_DRAWS, 1))
    every = np.full(N_DRAWS, 2**20 - 1, dtype=np.uint64)
    return replace(drawn, draws=replace(drawn.draws, weights=weights, spread=np.zeros(weights.shape[1]), outlines=None,
                                        strict=every), headroom_mva=np.full_like(drawn.headroom_mva, np.nan))


def stability(result: StudyResult, drawn: ClassDraws) -> CapacityStability:
    scores: SiteScores = result.scores_for("large")
    return capacity_stability(result, scores, drawn)


def rows_of(result: StudyResult, drawn: ClassDraws, campus: int) -> np.ndarray:
    key = str(result.capacity_plans[0].sites["parcel_id"].iloc[campus])
    return np.flatnonzero(result.candidates["parcel_id"].astype(str).to_numpy()[drawn.rows] == key)


def test_where_nothing_varies_the_layout_stands(zhengzhou_result: StudyResult, still: ClassDraws) -> None:
    found = stability(zhengzhou_result, still)
    plan = zhengzhou_result.capacity_plans[0]
    assert found.n_draws == N_DRAWS - 1 and found.planned_mw == pytest.approx(plan.it_load_mw, abs=0.05)
    assert found.standing_mw == pytest.approx(found.planned_mw, abs=0.05) and found.at_risk_mw < 0.05
    assert all(c.standing == pytest.approx(1.0, abs=1e-3) for c in found.campuses)
    assert {c.chosen for c in found.campuses} <= {0.0, 1.0}
    # Optimal: the bound leaves the gap of the layout itself, and the rounded ones are no better.
    assert found.regret == pytest.approx(found.worst_regret) and found.regret <= plan.optimality_gap + 2e-3
    assert found.gap >= found.regret - 2e-3
    assert all(u.low_mw == pytest.approx(u.high_mw) for u in found.units)
    assert "cannot stand as planned" in found.text.en and "不能按规划落实" in found.text.zh


def test_a_campus_that_some_draws_exclude_falls_there(zhengzhou_result: StudyResult, still: ClassDraws) -> None:
    rows = rows_of(zhengzhou_result, still, 0)
    broken = still.broken.copy()
    broken[rows] |= np.uint64(2**40)
    strict = still.draws.strict.copy()
    strict[1::2] |= np.uint64(2**40)
    found = stability(zhengzhou_result, replace(still, broken=broken, draws=replace(still.draws, strict=strict)))
    first = found.campuses[0]
    assert first.chosen == pytest.approx(0.5) and first.standing == pytest.approx(0.5, abs=1e-3)
    # What it leaves to the substations may feed others; those planned keep what they had.
    assert all(c.standing == pytest.approx(1.0, abs=1e-3) for c in found.campuses[1:])
    assert found.at_risk_mw == pytest.approx(first.it_load_mw, abs=0.1)
    assert found.worst_regret > found.regret > 0


def test_a_substation_that_has_nothing_to_spare_feeds_nothing(zhengzhou_result: StudyResult,
                                                              still: ClassDraws) -> None:
    plan = zhengzhou_result.capacity_plans[0]
    campus = str(plan.sites["capacity_site_id"].iloc[0])
    stations = zhengzhou_result.city_layers.frame("substations")["substation_id"].astype(str).to_numpy()
    headroom = still.headroom_mva.copy()
    headroom[1:] = 0.0
    none = stability(zhengzhou_result, replace(still, headroom_mva=headroom))
    assert none.worst_standing_mw == 0.0 and none.at_risk_mw == pytest.approx(none.planned_mw)
    assert all(c.chosen == 0.0 and c.standing == 0.0 for c in none.campuses)
    assert none.worst_regret == pytest.approx(0.0, abs=1e-4)  # no layout could do better
    feeds = plan.feeds.loc[plan.feeds["capacity_site_id"] == campus, "substation_id"].astype(str)
    headroom = still.headroom_mva.copy()
    headroom[1:, np.isin(stations, feeds)] = 0.0
    some = stability(zhengzhou_result, replace(still, headroom_mva=headroom))
    assert 0.0 < some.worst_standing_mw < some.planned_mw and some.campuses[0].standing < 1.0


def test_zones_that_move_change_what_a_share_limits(zhengzhou_result: StudyResult) -> None:
    scores = zhengzhou_result.scores_for("large")
    drawn = class_draws(zhengzhou_result, scores, np.empty(0, dtype=np.int64), MOST_DRAWS + 20, 1)
    found = stability(zhengzhou_result, drawn)
    assert found.n_draws == MOST_DRAWS
    assert found.standing_mw <= found.planned_mw + 0.05 and found.worst_standing_mw <= found.standing_mw
    assert 0.0 <= found.regret <= found.worst_regret < 1.0
    assert sum(u.planned_mw for u in found.units) == pytest.approx(found.planned_mw, abs=0.05)
    assert any(u.high_mw > u.low_mw for u in found.units)
    assert stability(zhengzhou_result, drawn) == found
