"""The tests against what exists: worked by hand, by brute force, and on results that break what they look for."""

from __future__ import annotations

import itertools
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from siting.known_errors import ASSUMED_RADIUS_M, known_errors
from siting.presence import chance_of_as_many, presence_test
from siting.types import StudyResult
from siting.validation import empty_criteria, policy_test, share_test, validate


def test_the_chance_is_that_of_all_outcomes_counted_one_by_one() -> None:
    chances, share = [1.0, 0.3, 0.0, 0.8], 0.2
    expected = 0.0
    for seen in itertools.product([0, 1], repeat=4):
        weight = np.prod([c if s else 1 - c for c, s in zip(chances, seen, strict=True)])
        tail = sum(np.prod([share if t else 1 - share for t in drawn])
                   for drawn in itertools.product([0, 1], repeat=4) if sum(drawn) >= sum(seen))
        expected += float(weight * tail)
    assert chance_of_as_many(np.array(chances), share) == pytest.approx(expected)
    assert chance_of_as_many(np.array([1.0] * 4), 0.1) == pytest.approx(1e-4)
    assert chance_of_as_many(np.array([0.0] * 4), 0.1) == pytest.approx(1.0)


def test_data_centres_of_zhengzhou_stand_where_the_plan_favours_them(zhengzhou_result: StudyResult) -> None:
    found = presence_test(zhengzhou_result)
    assert found is not None
    # Named with their unit: eight in core units, and four that are trusted, three of them there.
    named = [p for p in zhengzhou_result.pack.places if p.kind == "data_centre" and (p.unit_id or p.lon is not None)]
    zones = {u.unit_id: u.zone_id for u in zhengzhou_result.pack.units}
    certain = sum(zones.get(p.unit_id) == "core" for p in named)
    assert found.n_places == len(named) and certain <= found.found <= certain + sum(not p.unit_id for p in named)
    assert found.chance < 0.05 and found.verdict == "agrees" and 0.0 < found.area_share < 0.5
    assert 0.0 < found.score_percentile < 1.0 and 1 / 500 <= found.score_chance <= 1.0
    assert presence_test(zhengzhou_result) == found


def test_data_centres_elsewhere_speak_against_the_plan(zhengzhou_result: StudyResult) -> None:
    away = tuple(replace(p, unit_id="dengfeng") if p.kind == "data_centre" else p for p in zhengzhou_result.pack.places)
    assert any(u.unit_id == "dengfeng" and u.zone_id != "core" for u in zhengzhou_result.pack.units)
    found = presence_test(replace(zhengzhou_result, pack=replace(zhengzhou_result.pack, places=away)))
    assert found is not None and found.found == 0.0 and found.chance == pytest.approx(1.0)
    assert found.verdict == "disagrees" and "does not agree" in found.text.en and "不符" in found.text.zh
    nowhere = replace(zhengzhou_result, pack=replace(zhengzhou_result.pack, places=()))
    assert presence_test(nowhere) is None


@pytest.mark.parametrize(("mw", "moved", "verdict"), [
    ({"gaoxin": 53.1, "airport": 24.8, "zhengdong": 13.7, "jingkai": 8.4}, 0.0, "agrees"),
    ({"gaoxin": 23.1, "airport": 54.8, "zhengdong": 13.7, "jingkai": 8.4}, 0.3, "in_part"),
    ({"jingkai": 100.0}, 0.916, "disagrees")])
def test_shares_worked_by_hand(zhengzhou_result: StudyResult, mw: dict[str, float], moved: float,
                               verdict: str) -> None:
    assert zhengzhou_result.capacity_plans
    plan = replace(zhengzhou_result.capacity_plans[0],
                   by_unit=pd.DataFrame({"unit_id": list(mw), "it_load_mw": list(mw.values())}))
    found = share_test(replace(zhengzhou_result, capacity_plans=(plan,)))
    assert found is not None and found.moved == pytest.approx(moved) and found.verdict == verdict
    assert sum(r.known for r in found.rows) == pytest.approx(1.0) == sum(r.planned for r in found.rows)
    assert sum(r.eligible for r in found.rows) == pytest.approx(1.0)
    assert share_test(replace(zhengzhou_result, capacity_plans=())) is None


def test_a_recommendation_that_breaks_a_rule_is_found(zhengzhou_result: StudyResult) -> None:
    assert policy_test(zhengzhou_result).verdict == "agrees"
    own = zhengzhou_result.scores[0]
    shortfall = own.exclusions.shortfall.copy()
    row, rule = int(np.flatnonzero(own.rank == 1)[0]), int(np.flatnonzero(own.exclusions.excludes)[0])
    shortfall[row, rule] = 0.5
    bad = replace(own, exclusions=replace(own.exclusions, shortfall=shortfall))
    found = policy_test(replace(zhengzhou_result, scores=(bad, *zhengzhou_result.scores[1:])))
    name = f"{zhengzhou_result.candidates['parcel_id'].iloc[row]}: {own.exclusions.rules[rule].rule_id}"
    assert found.verdict == "disagrees" and found.broken == (name,) and name in found.text.en
    # The same miss of a rule that the study mitigates is a condition and no breach.
    excludes = own.exclusions.excludes.copy()
    excludes[rule] = False
    mild = replace(own, exclusions=replace(own.exclusions, shortfall=shortfall, excludes=excludes))
    study = replace(zhengzhou_result.study, mitigations=((own.exclusions.rules[rule].rule_id, "measure"),))
    found = policy_test(replace(zhengzhou_result, study=study, scores=(mild, *zhengzhou_result.scores[1:])))
    assert found.verdict == "agrees" and name in found.on_condition


def test_criteria_that_tell_nothing_are_named(zhengzhou_result: StudyResult) -> None:
    own = zhengzhou_result.scores[0]
    raw = own.raw.copy()
    first, second, third = own.criteria[:3]
    raw[:, 0], raw[:, 1] = (first.worst + first.best) / 2, np.nan
    raw[:, 2] = third.best + (third.worst - third.best) * np.where(np.arange(len(raw)) % 2 == 0, 0.5, 0.52)
    found = empty_criteria(replace(own, raw=raw))
    assert (first.criterion_id, first.weight) in found.constant
    assert (second.criterion_id, second.weight) in found.unmeasured
    assert (third.criterion_id, third.weight) in found.nearly
    fine = own.raw.copy()
    for j, c in enumerate(own.criteria):
        fine[:, j] = np.linspace(c.worst, c.best, len(fine))
    clean = empty_criteria(replace(own, raw=fine))
    assert not clean.constant and not clean.nearly and not clean.unmeasured and "every criterion" in clean.text.en


def test_validation_joins_all(zhengzhou_result: StudyResult) -> None:
    found = validate(zhengzhou_result)
    assert found.shares is not None and found.presence is not None and found.policy.n_checked > 0
    assert [e.class_id for e in found.empty] == [s.site_class.class_id for s in zhengzhou_result.scores]


def test_position_errors_are_those_that_the_layers_state(zhengzhou_result: StudyResult) -> None:
    pack, layers = zhengzhou_result.pack, zhengzhou_result.city_layers
    criteria = zhengzhou_result.scores_for("large").criteria
    hub = next(c for c in criteria if c.criterion_id == "hub_distance_m")
    place = criteria.index(hub)
    found = known_errors(layers, pack, criteria)
    assert found.spread[place] == pytest.approx(ASSUMED_RADIUS_M / 2 / abs(hub.best - hub.worst))
    hubs = layers.frame("hubs").assign(error_radius_km=[3.0] + [1.0] * (len(layers.frame("hubs")) - 1))
    stated = replace(layers, frames={**layers.frames, "hubs": hubs})
    mean = np.sqrt((1500.0**2 + 500.0**2 * (len(hubs) - 1)) / len(hubs))
    assert known_errors(stated, pack, criteria).spread[place] == pytest.approx(mean / abs(hub.best - hub.worst))
    sure = replace(layers, frames={**layers.frames, "hubs": hubs.assign(certainty="real")})
    assert known_errors(sure, pack, criteria).spread[place] == 0.0
    assert any("Synthetic layers" in f.en for f in found.facts)
