"""Tables of a finished study, on the hand-made study of thirty-two parcels."""

from __future__ import annotations

import dataclasses
import math
import runpy
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gis.bilingual import Text
from siting import broken_rules, tables
from siting.census import count_all
from siting.citation import Citation
from siting.pack import ExclusionRule
from siting.scoring import contributions_at
from siting.types import StudyResult
from siting.wording import number, quantity

BUILD = runpy.run_path(str(Path(__file__).parents[1] / "maps" / "conftest.py"))["build_small_result"]


@pytest.fixture(scope="module")
def result() -> StudyResult:
    return BUILD()


def _rule(**changes: object) -> ExclusionRule:
    settings: dict[str, object] = {
        "rule_id": "R", "title": Text(zh="规则", en="rule"), "test": "setback", "strictness": "shall", "limit": 800.0,
        "citation": Citation(document="000", heading="一"), **changes}
    return ExclusionRule(**settings)


def test_every_candidate_has_its_row_and_excluded_ones_have_no_score(result):
    table = tables.parcel_table(result)
    assert len(table) == len(result.candidates)
    for key in ("large", "edge"):
        excluded = ~table[f"{key}_eligible"]
        assert 0 < excluded.sum() < len(table)
        assert table.loc[excluded, [f"{key}_score", f"{key}_rank"]].isna().all().all()
        assert table.loc[~excluded, [f"{key}_score", f"{key}_rank"]].notna().all().all()
        assert (table.loc[excluded, f"{key}_exclusion_rules"] != "").all()
        assert (table.loc[~excluded, f"{key}_exclusion_rules"] == "").all()


def test_contributions_of_a_row_sum_to_its_score(result):
    table = tables.contribution_table(result)
    for key in ("large", "edge"):
        columns = [c for c in table.columns if c.startswith(f"{key}_") and c.endswith("_contribution")]
        eligible = table[f"{key}_eligible"]
        assert len(columns) == 4
        np.testing.assert_allclose(table.loc[eligible, columns].sum(axis=1), table.loc[eligible, f"{key}_score"],
                                   atol=5e-6)


def test_broken_rules_state_measure_and_limit(result):
    table = tables.parcel_table(result).set_index("parcel_id")
    assert table.loc["P-0000", "large_exclusion_rules"] == "GB-A-railway(250.5<800 m)"
    # A closed zone measures nothing, and a mitigated or advised rule stands in the other column.
    assert table.loc["P-0002", "large_exclusion_rules"] == "POL-closed; GB-A-railway(250.5<800 m)"
    assert table.loc["P-0022", "large_penalty_rules"] == "GB-A-petrol(310<400 m)"
    assert table.loc["P-0022", "large_exclusion_rules"] == ""
    assert table.loc["<img src=x onerror=alert(1)>", "large_exclusion_rules"] == "water-overlap(0.21>0.05 share)"


def test_a_permission_names_its_clause_in_the_language_of_the_table(result):
    zh = tables.parcel_table(result, language="zh").iloc[4]
    en = tables.parcel_table(result, language="en").iloc[4]
    assert zh["large_permission"] == en["large_permission"] == "favoured"
    assert zh["large_permission_clause"].startswith("《郑州市数据中心产业发展规划》“积极发展产业核心发展区”：“面向5G")
    assert en["large_permission_clause"].startswith("Zhengzhou plan, “积极发展产业核心发展区”: “面向5G")
    assert (zh["unit"], en["unit"]) == ("高新区", "Gaoxin")
    outside = tables.parcel_table(result).iloc[31]
    assert pd.isna(outside["large_permission"])
    assert outside["zone"] == ""


def test_rows_that_are_asked_for_equal_those_of_the_whole_table(result):
    whole = tables.contribution_table(result)
    some = tables.contribution_table(result, rows=[22, 4, 31])
    pd.testing.assert_frame_equal(pd.DataFrame(some.drop(columns="geometry")),
                                  pd.DataFrame(whole.drop(columns="geometry")).iloc[[22, 4, 31]].reset_index(drop=True),
                                  check_categorical=False)


def test_top_candidates_follow_rank_and_say_why(result):
    table = tables.top_candidates(result)
    assert table["candidate_id"].is_unique
    for key in ("large", "edge"):
        own = table[table["site_class"] == key]
        assert own["rank"].tolist() == [1, 2, 3, 4, 5]
        assert own["score"].is_monotonic_decreasing
        scores = result.scores_for(key)
        best = int(np.flatnonzero(scores.rank == 1)[0])
        assert own["parcel_id"].iloc[0] == result.candidates["parcel_id"].iloc[best]
        most = scores.criteria[int(np.argmax(contributions_at(scores, slice(best, best + 1))))].criterion_id
        assert own["why_zh"].iloc[0].startswith(tables.criterion_title(most).zh)
        assert own["why_en"].iloc[0].startswith(tables.criterion_title(most).en)
    assert (table["certainty"] == "synthetic").all()


def test_a_class_without_eligible_candidates_has_no_top(result):
    scores = result.scores[0]
    shortfall = np.ones_like(scores.exclusions.shortfall)
    none = dataclasses.replace(scores, exclusions=dataclasses.replace(scores.exclusions, shortfall=shortfall),
                               rank=np.zeros_like(scores.rank))
    scores = (none, result.scores[1])
    changed = dataclasses.replace(result, scores=scores, census=count_all(result.candidates, scores))
    assert len(tables.top_rows(changed, "large")) == 0
    assert set(tables.top_candidates(changed)["site_class"]) == {"edge"}


def test_zone_summary_accounts_for_every_candidate_and_every_reason(result):
    for key in ("large", "edge"):
        scores = result.scores_for(key)
        summary = tables.summary_by_zone(result, key)
        assert summary["n_candidates"].sum() == len(scores.score)
        assert summary["n_eligible"].sum() == scores.eligible.sum()
        for row in summary.to_dict("records"):
            counts = [int(part.rpartition(": ")[2]) for part in row["excluded_by"].split("; ") if part]
            assert sum(counts) == row["n_excluded"] == row["n_candidates"] - row["n_eligible"]
            assert counts == sorted(counts, reverse=True)
        assert summary["best_score"].max() == pytest.approx(scores.score[scores.eligible].max(), abs=1e-6)
    assert summary.iloc[-1][["zone_id", "unit_id", "n_candidates"]].tolist() == ["", "", 1]


def test_rule_summary_counts_sole_reasons(result):
    summary = tables.summary_by_rule(result, "large").set_index("rule_id")
    assert summary["n_broken"].to_dict() == {"POL-closed": 2, "GB-A-railway": 8, "GB-A-petrol": 1, "water-overlap": 2,
                                             "fault": 0}
    # Parcel 2 is closed and beside the railway; parcel 10 is only closed.
    assert summary.loc["POL-closed", "n_only"] == 1
    assert summary.loc["GB-A-petrol", "n_only"] == 0
    assert summary.loc["fault", "n_tested"] == 0


@given(limit=st.floats(0.01, 50_000), measured=st.floats(0, 60_000), unit=st.sampled_from(["m", "share", "%", "m2"]),
       rule_id=st.sampled_from(["GB-A-railway", "odd (1)", "a<b 3 m", "规则-甲"]))
def test_a_phrase_reads_back_on_the_same_side_of_its_limit(limit, measured, unit, rule_id):
    limit = round(limit, 4)
    rule = _rule(rule_id=rule_id, limit=limit, unit=unit)
    (back,) = broken_rules.parse(broken_rules.phrase(rule, measured))
    assert (back.rule_id, back.required, back.unit) == (rule_id, limit, unit)
    assert back.measured == pytest.approx(measured, abs=0.051)
    if abs(measured - limit) > 1e-8:
        assert (back.measured < limit, back.measured > limit) == (measured < limit, measured > limit)


def test_phrases_without_a_measure_and_corridors():
    permission = _rule(rule_id="P(x)", test="permission", unit="")
    assert broken_rules.phrase(permission, 1.0) == "P(x)"
    assert broken_rules.phrase(_rule(), math.nan) == "R"
    corridor = _rule(test="corridor", limit=0.0, length_m=8000.0)
    assert broken_rules.phrase(corridor, 1250.04) == "R(1250<8000 m)"
    two = broken_rules.parse("P(x); R(1250<8000 m)")
    assert [(b.rule_id, b.measured, b.relation) for b in two] == [("P(x)", None, ""), ("R", 1250.0, "<")]
    assert broken_rules.parse("") == ()


def test_a_measure_just_short_of_its_limit_is_not_rounded_up_to_it():
    assert broken_rules.phrase(_rule(), 799.97) == "R(799.97<800 m)"
    assert broken_rules.phrase(_rule(test="overlap", limit=0.05, unit="share"), 0.0500004) == "R(0.0500004>0.05 share)"


def test_quantities_are_written_for_a_reader():
    assert quantity(1234.56, "m", "zh") == "1,234.6 m"
    assert quantity(0.4567, "share", "en") == "45.67 %"
    assert quantity(3.0, "level", "en") == "3"
    assert quantity(3.0, "level", "zh") == "3 级"
    assert quantity(None, "m", "en") == "not measured"
    assert quantity(math.inf, "m", "zh") == "范围内没有"
    assert number(-0.0001, 2) == "0"


@given(st.lists(st.one_of(st.floats(-2000, 2000), st.floats(799.9, 800.1), st.sampled_from(
    [800.0, 800.05, 0.25, 0.35, -0.0, 1e12, float("nan"), float("inf"), 799.95, 800.049999])), min_size=1),
    st.sampled_from([("setback", "m"), ("overlap", "share"), ("min_area", "m2"), ("land_use", "")]))
def test_phrases_of_many_values_are_those_of_each(values, kind):
    rule = _rule(test=kind[0], unit=kind[1])
    codes, said = broken_rules.phrases(rule, np.array(values))
    assert [said[c] for c in codes] == [broken_rules.phrase(rule, v) for v in values]


def test_a_table_of_some_rows_is_those_rows_of_the_whole(result):
    rows = np.array([31, 3, 9, 22, 2, 0])
    some, whole = tables.contribution_table(result, rows=rows), tables.contribution_table(result)
    pd.testing.assert_frame_equal(pd.DataFrame(some), pd.DataFrame(whole.iloc[rows].reset_index(drop=True)),
                                  check_categorical=False)
