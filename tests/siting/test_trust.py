"""How far to trust a study: intervals, what is said of sites, and what an edge plan may lose."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from siting.edge_regret import edge_regret
from siting.robustness import TOPS
from siting.scoring import rank_of
from siting.trust import STRONG, ZONE_DOUBT, ClassTrust, Trust, assess_trust
from siting.trust_draws import STRICT_CHANCE
from siting.trust_tables import trust_document, trust_tables
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
                assert site.in_other_zone < ZONE_DOUBT
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
    for used, is_warned in ((layers, True), (sure, False)):
        found = assess_trust(replace(zhengzhou_result, city_layers=used), n_draws=20)
        for own in found.classes:
            assert ("true intervals are wider" in own.recommendation.en) is is_warned
            assert ("实际区间更宽" in own.recommendation.zh) is is_warned


def test_of_too_many_candidates_the_best_and_the_campuses_take_part(trust: Trust,
                                                                    zhengzhou_result: StudyResult) -> None:
    found = assess_trust(zhengzhou_result, n_draws=20, most_candidates=60)
    own = next(c for c in found.classes if c.class_id == "large")
    sites = zhengzhou_result.capacity_plans[0].sites["parcel_id"].astype(str)
    assert {s.parcel_id for s in own.capacity_sites} == set(sites)
    assert 60 <= own.n_candidates <= 60 + len(sites)
    assert "best 60 candidates by score" in found.facts[-1].en and "至多 60 个" in found.facts[-1].zh
    assert not any("by score at most" in f.en for f in trust.facts)


def test_the_best_of_a_large_study_are_not_taken_for_all(zhengzhou_result: StudyResult) -> None:
    census = tuple(replace(c, units=(replace(c.units[0], n_candidates=5_000_000), *c.units[1:]))
                   for c in zhengzhou_result.census)
    n = census[0].n_candidates
    found = assess_trust(replace(zhengzhou_result, census=census), n_draws=20)
    assert f"of {n:,} in all; those that a rule excludes are not among them" in found.facts[-1].en
    presence = found.validation.presence
    assert presence is not None and np.isnan(presence.score_percentile) and "Scores around" not in presence.text.en


@settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(seed=st.integers(0, 1_000), spread=st.sampled_from([0.0, 0.002, 0.05, 0.5]))
def test_words_follow_the_intervals_whatever_the_scores(zhengzhou_result: StudyResult, seed: int,
                                                        spread: float) -> None:
    values = 0.4 + spread * np.random.default_rng(seed).random(len(zhengzhou_result.candidates))
    own = first_class(rebuilt(zhengzhou_result, values))
    first, others = own.sites[0], own.sites[1:]
    meets = [s for s in others if s.rank_low <= first.rank_high and s.rank_high >= first.rank_low]
    is_alone = "called the first" in own.recommendation.en
    assert is_alone == (first.n_rivals == 0) and is_alone == ("首选" in own.recommendation.zh)
    assert not (is_alone and meets), "a winner was named whose interval another one shares"
    assert is_alone != ("not separable" in own.recommendation.en) and is_alone != ("不可区分" in own.recommendation.zh)
    for site in own.sites:
        assert ("robust" in site.text.en) == ("稳健" in site.text.zh) == (site.firmness == "robust")
        assert ("not separable from" in site.text.en) == (site.n_rivals > 0) == ("不可区分" in site.text.zh)
        assert all(name in site.text.en and name in site.text.zh for name in site.rivals[:3])
        if site.firmness == "depends":
            assert "depends on" in site.text.en and "取决于" in site.text.zh
            assert abs(site.dependence) >= STRONG or site.in_other_zone >= ZONE_DOUBT
        if site.firmness == "robust" and site.rivals:
            assert site.in_other_zone < ZONE_DOUBT


def test_a_site_near_an_approximate_line_is_told_of_the_other_zone(trust: Trust,
                                                                   zhengzhou_result: StudyResult) -> None:
    sites = [s for c in trust.classes for s in (*c.sites, *c.capacity_sites)]
    zones = dict(zip(zhengzhou_result.candidates["parcel_id"].astype(str), zhengzhou_result.candidates["zone_id"],
                     strict=True))
    assert any(s.in_other_zone >= ZONE_DOUBT for s in sites)
    for site in sites:
        assert ("check it against the official boundary" in site.text.en) == (site.in_other_zone >= ZONE_DOUBT)
        assert site.other_zone != zones[site.parcel_id]
        assert bool(site.other_zone) or site.in_other_zone == 0.0


def test_what_the_weights_explain_alone_is_a_share(trust: Trust) -> None:
    for own in trust.classes:
        assert own.first_order.shape == (len(own.criteria),) and (own.first_order >= 0).all()
        assert 0.0 < own.first_order.sum() < 1.3
        told = trust_document(trust)
        assert json.dumps(told, allow_nan=False)
    assert told["assumptions"]["strict_chance"] == STRICT_CHANCE and told["capacity"]["n_draws"] == 40
    tables = trust_tables(trust)
    assert list(tables) == ["trust.csv", "capacity_stability.csv"]
    assert len(tables["trust.csv"]) == sum(len(c.sites) for c in trust.classes)
    assert len(tables["capacity_stability.csv"]) == len(trust.capacity.campuses) > 0  # type: ignore[union-attr]


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
