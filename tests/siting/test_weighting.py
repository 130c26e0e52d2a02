"""Weights that a study file asks for: judgements before scoring, data after it, and what is refused."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from gis.errors import UsageError
from siting.city_pack import load_pack
from siting.scoring import contributions_of, normalise
from siting.study_file import default_study, read_study
from siting.types import ExpertJudgements, StudyResult, Weighting
from siting.weighting import chosen_weights, judged_pack, pack_as_scored, rescored, weight_choices
from siting.weights import critic_weights, entropy_weights

AHP = """
city = "zhengzhou"
[weighting.large]
method = "ahp"
strict = {strict}
reason = "供电优先"
[weighting.large.judgements.li]
"power_distance_m / fibre_distance_m" = 3
"fibre_distance_m / policy_fit" = {second}
"power_distance_m / policy_fit" = {third}
"""


def study_of(folder: Path, text: str):  # type: ignore[no-untyped-def]
    path = folder / "study.toml"
    path.write_text(text, encoding="utf-8")
    return read_study(path)


def test_judgements_of_a_study_file_weigh_what_they_name(tmp_path: Path) -> None:
    study = study_of(tmp_path, AHP.format(strict="true", second=2, third=6))
    pack = load_pack("zhengzhou")
    choice = chosen_weights(pack, study, "large")
    found = dict(zip(choice.criteria, choice.weights, strict=True))
    # Ratios 3 and 2 that agree: 6 to 2 to 1.
    assert {k: w for k, w in found.items() if w > 0} == pytest.approx(
        {"power_distance_m": 6 / 9, "fibre_distance_m": 2 / 9, "policy_fit": 1 / 9})
    assert choice.pack_weights == tuple(c.weight for c in pack.criteria_for("large"))
    assert choice.is_consistent and "供电优先" in choice.text.zh and "供电优先" in choice.text.en
    weighed = judged_pack(pack, study)
    assert [c.weight for c in weighed.criteria_for("large")] == pytest.approx(list(choice.weights))
    assert weighed.criteria_for("edge") == pack.criteria_for("edge")


def test_contradictions_are_reported_with_what_would_mend_them_and_stop_a_strict_study(tmp_path: Path) -> None:
    wild = AHP.format(strict="false", second=4, third='"1/5"')
    choice = chosen_weights(load_pack("zhengzhou"), study_of(tmp_path, wild), "large")
    assert not choice.is_consistent and choice.worst_pair is not None
    a, b = choice.worst_pair
    assert a in choice.text.en and b in choice.text.zh and "would fit the others" in choice.text.en
    mended = study_of(tmp_path, AHP.format(strict="false", second=4, third=9))
    fixed = chosen_weights(load_pack("zhengzhou"), mended, "large")
    assert fixed.consistency_ratio is not None and choice.consistency_ratio is not None
    assert fixed.consistency_ratio < choice.consistency_ratio
    with pytest.raises(UsageError, match="contradict"):
        chosen_weights(load_pack("zhengzhou"), study_of(tmp_path, wild.replace("false", "true")), "large")


def test_several_experts_are_joined_by_the_geometric_mean(tmp_path: Path) -> None:
    study = study_of(tmp_path, """
city = "zhengzhou"
[weighting.large]
method = "ahp"
[weighting.large.judgements.li]
"power_distance_m / policy_fit" = 8
[weighting.large.judgements.wang]
"power_distance_m / policy_fit" = 2
""")
    choice = chosen_weights(load_pack("zhengzhou"), study, "large")
    found = dict(zip(choice.criteria, choice.weights, strict=True))
    assert found["power_distance_m"] == pytest.approx(0.8) and choice.n_experts == 2


def test_best_and_worst_of_a_study_file(tmp_path: Path) -> None:
    study = study_of(tmp_path, """
city = "zhengzhou"
[weighting.large]
method = "best_worst"
best = "power_distance_m"
worst = "policy_fit"
best_over = { fibre_distance_m = 2, policy_fit = 4 }
over_worst = { power_distance_m = 4, fibre_distance_m = 2 }
""")
    choice = chosen_weights(load_pack("zhengzhou"), study, "large")
    found = {k: w for k, w in zip(choice.criteria, choice.weights, strict=True) if w > 0}
    assert found == pytest.approx({"power_distance_m": 4 / 7, "fibre_distance_m": 2 / 7, "policy_fit": 1 / 7})


@pytest.mark.parametrize("method", ["entropy", "critic"])
def test_weights_from_the_data_score_anew(zhengzhou_result: StudyResult, method: str) -> None:
    pack = load_pack("zhengzhou")
    study = replace(default_study("zhengzhou"), weighting=(Weighting(class_id="large", method=method),))  # type: ignore[arg-type]
    first = zhengzhou_result.scores_for("large")
    ids = zhengzhou_result.candidates["parcel_id"].to_numpy(dtype=object)
    scores = rescored(zhengzhou_result.scores, pack, study, ids)
    own = next(s for s in scores if s.site_class.class_id == "large")
    normalised = normalise(first.raw, first.criteria)
    weights = (entropy_weights if method == "entropy" else critic_weights)(normalised[first.eligible])
    np.testing.assert_allclose([c.weight for c in own.criteria], weights)
    np.testing.assert_allclose(own.score, contributions_of(normalised, weights)[0].sum(axis=1), atol=1e-12)
    assert own.raw is first.raw and (own.rank > 0).sum() == first.eligible.sum()
    assert not np.array_equal(own.rank, first.rank)
    assert all(s is t for s, t in zip(scores, zhengzhou_result.scores, strict=True) if s is not own)
    assert pack_as_scored(pack, scores).criteria_for("large") == own.criteria
    choices = {c.class_id: c for c in weight_choices(pack, study, scores)}
    assert choices["large"].method == method and choices["large"].weights == pytest.approx(tuple(weights))
    assert all(c.method == "pack" for k, c in choices.items() if k != "large")


def test_a_mix_states_its_parts_and_needs_the_data_it_names(zhengzhou_result: StudyResult) -> None:
    pack = load_pack("zhengzhou")
    study = replace(default_study("zhengzhou"), weighting=(
        Weighting(class_id="large", method="mix", shares=(("pack", 3.0), ("entropy", 1.0))),))
    own = zhengzhou_result.scores_for("large")
    normalised = normalise(own.raw, own.criteria)[own.eligible]
    choice = chosen_weights(pack, study, "large", normalised)
    expected = 0.75 * np.array(choice.pack_weights) + 0.25 * entropy_weights(normalised)
    np.testing.assert_allclose(choice.weights, expected / expected.sum())
    assert [p[0] for p in choice.parts] == ["pack", "entropy"]
    assert judged_pack(pack, study).criteria == pack.criteria
    with pytest.raises(UsageError, match="not at hand"):
        judged_pack(pack, study, is_final=True)


def test_direct_weights_are_shown_beside_the_pack_s() -> None:
    study = replace(default_study("zhengzhou"), weights=(("large", "policy_fit", 1.0),))
    choice = chosen_weights(load_pack("zhengzhou"), study, "large")
    assert choice.method == "direct" and sum(choice.weights) == 1.0 and sum(choice.pack_weights) == pytest.approx(1.0)


@pytest.mark.parametrize(("weighting", "sentence"), [
    (Weighting(class_id="huge", method="entropy"), "unknown class"),
    (Weighting(class_id="large", method="ahp"), "two criteria or more"),
    (Weighting(class_id="large", method="mix"), "give shares"),
    (Weighting(class_id="large", method="mix", shares=(("guess", 1.0),)), "guess"),
    (Weighting(class_id="large", method="ahp", experts=(
        ExpertJudgements(expert="li", pairs=(("power_distance_m", "nothing", 2.0),)),)), "nothing"),
])
def test_what_cannot_be_weighed_is_refused(weighting: Weighting, sentence: str) -> None:
    study = replace(default_study("zhengzhou"), weighting=(weighting,))
    with pytest.raises(UsageError, match=sentence):
        judged_pack(load_pack("zhengzhou"), study)


@pytest.mark.parametrize(("text", "sentence"), [
    ('[weighting.large]\nmethod = "ahp"\n[weighting.large.judgements.li]\n"power" = 3', "cannot be read"),
    ('[weighting.large]\nmethod = "ahp"\n[weighting.large.judgements.li]\n"a / b" = "3/0"', "cannot be read"),
    ('[weighting.large]\nmethod = "guess"', "guess|ahp"),
    ('[weighting.large]\nmethod = "entropy"\n[weights.large]\npolicy_fit = 1.0', "both"),
])
def test_a_study_file_that_cannot_be_read_says_where(tmp_path: Path, text: str, sentence: str) -> None:
    with pytest.raises(UsageError, match=sentence):
        study_of(tmp_path, 'city = "zhengzhou"\n' + text)


def test_the_examples_of_the_documentation_can_be_read(tmp_path: Path) -> None:
    text = (Path(__file__).resolve().parents[2] / "docs" / "weights.md").read_text(encoding="utf-8")
    blocks = [part.split("```")[0] for part in text.split("```toml")[1:]]
    assert len(blocks) == 3
    pack = load_pack("zhengzhou")
    for block in blocks:
        study = study_of(tmp_path, 'city = "zhengzhou"\n' + block)
        asked = study.weighting[0]
        normalised = np.random.default_rng(1).uniform(size=(30, len(pack.criteria_for(asked.class_id))))
        assert sum(chosen_weights(pack, study, asked.class_id, normalised).weights) == pytest.approx(1.0)
