"""What the draws of a class vary: headroom by the station that feeds, and who takes part."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import shapely

from siting.scoring import normalise
from siting.trust_draws import class_draws
from siting.types import StudyResult

NOBODY = np.empty(0, dtype=np.int64)


def without_headroom(result: StudyResult) -> StudyResult:
    """Return the study as if every other substation did not say what it can spare."""
    layers = result.city_layers
    frame = layers.frame("substations").copy()
    for column in ("headroom_mva", "transformer_capacity_mva", "n_transformers", "peak_load_mva"):
        frame.loc[::2, column] = np.nan
    return replace(result, city_layers=replace(layers, frames={**layers.frames, "substations": frame}))


def test_headroom_that_is_stated_stays_and_what_is_not_goes_with_the_station(zhengzhou_result: StudyResult) -> None:
    scores = zhengzhou_result.scores_for("large")
    stated = class_draws(zhengzhou_result, scores, NOBODY, 12, 1)
    assert stated.draws.shared is None and np.isnan(stated.headroom_mva).all()
    assert not any("state no headroom" in f.en for f in stated.facts)
    result = without_headroom(zhengzhou_result)
    drawn = class_draws(result, scores, NOBODY, 12, 1)
    shared, frame = drawn.draws.shared, result.city_layers.frame("substations")
    assert shared is not None and scores.criteria[shared.column].criterion_id == "headroom_mva"
    able = np.flatnonzero(frame["voltage_kv"].to_numpy() >= scores.site_class.supply_voltage_kv)
    places = np.asarray(frame.geometry.array, dtype=object)[able]
    for i in range(0, len(drawn.rows), 17):
        near = able[int(np.argmin(shapely.distance(result.candidates.geometry.iloc[drawn.rows[i]], places)))]
        if near % 2:
            assert shared.at[i] == -1
        else:
            expected = normalise(drawn.headroom_mva[:, [near]], (scores.criteria[shared.column],))[:, 0]
            np.testing.assert_array_equal(shared.values[:, shared.at[i]], expected)
    assert np.isfinite(drawn.headroom_mva[1:, ::2]).all() and np.isnan(drawn.headroom_mva[:, 1::2]).all()
    assert any(f"{len(frame[::2])} substations state no headroom" in f.en for f in drawn.facts)


def test_the_first_draw_is_the_study_as_it_is(zhengzhou_result: StudyResult) -> None:
    scores = zhengzhou_result.scores_for("large")
    drawn = class_draws(without_headroom(zhengzhou_result), scores, NOBODY, 12, 1).draws
    np.testing.assert_allclose(drawn.weights[0], [c.weight for c in scores.criteria])
    assert drawn.shared is not None and np.isnan(drawn.shared.values[0]).all()
    assert drawn.outlines is not None and (drawn.outlines.offset_m[0] == 0).all()
    assert drawn.strict[0] == np.bitwise_or.reduce(drawn.strict)


def test_the_best_take_part_and_those_that_must(zhengzhou_result: StudyResult) -> None:
    scores = zhengzhou_result.scores_for("large")
    every = class_draws(zhengzhou_result, scores, NOBODY, 2, 1).rows
    worst = every[np.argsort(scores.score[every], kind="stable")[:3]]
    rows = class_draws(zhengzhou_result, scores, worst, 2, 1, most_candidates=20).rows
    assert set(worst) <= set(rows) and len(rows) == 23 and set(rows) <= set(every)
    best = every[np.argsort(-scores.score[every], kind="stable")[:20]]
    assert set(rows) == {*worst, *best}
