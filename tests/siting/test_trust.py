"""How far to trust a study: intervals, what is said of sites, and what an edge plan may lose."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from siting.edge_regret import edge_regret
from siting.robustness import TOPS
from siting.scoring import rank_of
from siting.trust import ClassTrust, Trust, assess_trust
from siting.types import SiteScores, StudyResult


@pytest.fixture(scope="module")
def trust(zhengzhou_result: StudyResult) -> Trust:
    return assess_trust(zhengzhou_result, n_draws=60)


def test_every_listed_site_has_an_interval_around_its_rank(trust: Trust, zhengzhou_result: StudyResult) -> None:
    assert [c.class_id for c in trust.classes] == [s.site_class.class_id for s in zhengzhou_result.scores]
    for own in trust.classes:
        assert [s.rank for s in own.sites] == list(range(1, zhengzhou_result.study.n_top + 1))
        for site in own.sites:
            assert site.rank_low <= site.rank_high and site.in_top == tuple(sorted(site.in_top))
            assert site.text.zh and site.text.en and site.firmness in ("robust", "depends", "not_separable")
            if site.firmness == "robust" and site.rivals:
                assert site.in_top[next(i for i, size in enumerate(TOPS) if site.rank <= size)] >= 0.9
        listed = {s.parcel_id: s for s in own.sites}
        for site in own.sites:
            for rival in (listed[r] for r in site.rivals if r in listed):
                assert rival.rank_low <= site.rank_high and site.rank_low <= rival.rank_high
                assert site.parcel_id in rival.rivals or rival.n_rivals > len(rival.rivals)
            assert len(site.rivals) == min(site.n_rivals, 50)


def test_no_single_site_is_recommended_where_intervals_meet(trust: Trust) -> None:
    for own in trust.classes:
        first = own.sites[0]
        assert first.parcel_id in own.recommendation.zh and first.parcel_id in own.recommendation.en
        if first.rivals:
            assert first.rivals[0] in own.recommendation.en and "not separable" in own.recommendation.en
            assert "不可区分" in own.recommendation.zh and "called the first" not in own.recommendation.en
        else:
            assert "may be called the first" in own.recommendation.en and "首选" in own.recommendation.zh


def rebuilt(result: StudyResult, change: np.ndarray) -> StudyResult:
    """Set the normalised values of the first class, all weight on what is measured."""
    own = result.scores[0]
    raw = np.column_stack([c.worst + (c.best - c.worst) * change for c in own.criteria])
    ids = result.candidates["parcel_id"].to_numpy(dtype=object)
    made: SiteScores = replace(own, raw=raw, score=change, rank=rank_of(change, own.eligible, ids))
    return replace(result, scores=(made,), edge_plan=None, capacity_plans=())


def first_class(result: StudyResult) -> ClassTrust:
    return assess_trust(result, n_draws=40).classes[0]


def test_a_site_that_is_best_in_everything_is_robust_and_twins_are_not_separable(zhengzhou_result: StudyResult) -> None:
    own = zhengzhou_result.scores[0]
    rows = np.flatnonzero(own.eligible)
    values = np.linspace(0.1, 0.5, len(own.score))
    values[rows[0]] = 1.0
    # Hub distances are known to a few per cent of their span: what differs by more in all criteria stands firm.
    alone = first_class(rebuilt(zhengzhou_result, values))
    name = str(zhengzhou_result.candidates["parcel_id"].iloc[rows[0]])
    assert alone.sites[0].parcel_id == name and alone.sites[0].rivals == () and alone.sites[0].firmness == "robust"
    assert alone.sites[0].rank_low == alone.sites[0].rank_high == 1 and "called the first" in alone.recommendation.en
    values[rows[1]] = 0.9999
    twins = first_class(rebuilt(zhengzhou_result, values))
    assert twins.sites[0].rivals and "not separable" in twins.recommendation.en


def test_a_list_of_one_still_sees_its_rivals(zhengzhou_result: StudyResult) -> None:
    short = replace(zhengzhou_result, study=replace(zhengzhou_result.study, n_top=1))
    whole = {c.class_id: c for c in assess_trust(zhengzhou_result, n_draws=40).classes}
    for own in assess_trust(short, n_draws=40).classes:
        assert len(own.sites) == 1 and own.sites[0].rivals == whole[own.class_id].sites[0].rivals


def test_rules_that_a_measure_can_answer_for_let_candidates_in(zhengzhou_result: StudyResult) -> None:
    own = next(c for c in assess_trust(zhengzhou_result, n_draws=40).classes if c.class_id == "large")
    scores = zhengzhou_result.scores_for("large")
    broken, excludes = scores.exclusions.broken, scores.exclusions.excludes
    is_distance = np.array([r.test in ("setback", "corridor") for r in scores.exclusions.rules])
    fixed = broken[:, excludes & ~is_distance].any(axis=1)
    assert own.n_candidates == int((~fixed).sum()) > int(scores.eligible.sum())
    assert own.n_varied_rules == int((excludes & is_distance).sum()) > 0


def test_capacity_sites_and_methods_are_told(trust: Trust, zhengzhou_result: StudyResult) -> None:
    own = next(c for c in trust.classes if c.class_id == "large")
    sites = zhengzhou_result.capacity_plans[0].sites["parcel_id"].astype(str)
    assert {s.parcel_id for s in own.capacity_sites} == set(sites)
    # Far down the ranking intervals are wide: such a parcel is not called firm for want of a neighbour on the list.
    assert all(s.n_rivals > 0 for s in own.capacity_sites if s.rank_high - s.rank_low > 20)
    assert [m.method for m in own.agreement] == ["weighted_sum", "topsis", "vikor", "promethee"]
    assert own.agreement[0].tau == pytest.approx(1.0) and own.agreement[0].moved == 0.0
    facts = " ".join(f.en for f in trust.facts)
    for word in ("Share test", "Presence test", "Policy test", "Edge plan", "tell"):
        assert word in facts


def test_intervals_on_synthetic_layers_are_called_too_narrow(zhengzhou_result: StudyResult) -> None:
    layers = zhengzhou_result.city_layers
    sure = replace(layers, frames={k: f.assign(certainty="real") for k, f in layers.frames.items()})
    for given, is_warned in ((layers, True), (sure, False)):
        found = assess_trust(replace(zhengzhou_result, city_layers=given), n_draws=20)
        for own in found.classes:
            assert ("true intervals are wider" in own.recommendation.en) is is_warned
            assert ("实际区间更宽" in own.recommendation.zh) is is_warned


def test_of_too_many_candidates_the_best_and_the_campuses_take_part(zhengzhou_result: StudyResult,
                                                                    monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("siting.trust.MOST_CANDIDATES", 60)
    own = next(c for c in assess_trust(zhengzhou_result, n_draws=20).classes if c.class_id == "large")
    sites = zhengzhou_result.capacity_plans[0].sites["parcel_id"].astype(str)
    assert {s.parcel_id for s in own.capacity_sites} == set(sites)
    assert 60 <= own.n_candidates <= 60 + len(sites)


def test_the_same_seed_gives_the_same_answer(trust: Trust, zhengzhou_result: StudyResult) -> None:
    again = assess_trust(zhengzhou_result, n_draws=60)
    assert [c.sites for c in again.classes] == [c.sites for c in trust.classes] and again.facts == trust.facts
    other = assess_trust(zhengzhou_result, n_draws=60, seed=7)
    assert [c.sites for c in other.classes] != [c.sites for c in trust.classes]


def test_a_plan_that_reaches_nobody_regrets_what_the_best_would_reach(zhengzhou_result: StudyResult) -> None:
    plan = zhengzhou_result.edge_plan
    assert plan is not None
    good = edge_regret(plan, zhengzhou_result.city_layers, zhengzhou_result.pack)
    assert 0.0 <= good.mean <= good.worst_tenth < 0.2
    idle = replace(plan, demand=plan.demand.assign(covered=False),
                   edge_centres=plan.edge_centres.assign(stability=np.r_[0.2, np.ones(len(plan.edge_centres) - 1)]))
    bad = edge_regret(idle, zhengzhou_result.city_layers, zhengzhou_result.pack)
    assert bad.as_planned >= plan.demand_covered / plan.demand_total - 1e-9
    assert bad.worst_tenth >= bad.mean > 0.3
    assert bad.least_stable == ((str(plan.edge_centres["edge_centre_id"].iloc[0]), 0.2),)
    assert isinstance(plan.demand, pd.DataFrame)
