"""Scores: fixed anchors, contributions that add up, and the laws that a planner takes for granted."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from siting.citation import Citation
from siting.pack import Criterion
from siting.scoring import contributions_of, normalise, rank_of, score_of

CITATION = Citation(document="engineering", heading="test")


def criterion(worst: float, best: float, weight: float = 0.5) -> Criterion:
    return Criterion(criterion_id="x", site_class="large", weight=weight, worst=worst, best=best, unit="m",
                     objective="MAX" if best > worst else "MIN", citation=CITATION)


DISTANCE = criterion(worst=15_000.0, best=500.0)
AREA = criterion(worst=1.0, best=5.0)
PAIR = (DISTANCE, AREA)
WEIGHTS = np.array([0.5, 0.5])

raw_values = st.floats(-1e6, 1e6) | st.just(np.nan) | st.just(np.inf)


def test_anchors_are_the_ends_of_the_scale() -> None:
    raw = np.array([[15_000.0, 1.0], [500.0, 5.0], [7_750.0, 3.0], [20_000.0, 9.0], [np.inf, 0.0]])
    expected = [[0.0, 0.0], [1.0, 1.0], [0.5, 0.5], [0.0, 1.0], [0.0, 0.0]]
    np.testing.assert_allclose(normalise(raw, PAIR), expected)


def test_missing_criterion_lowers_coverage_and_is_not_filled_in() -> None:
    contributions, coverage = contributions_of(np.array([[0.8, np.nan], [0.8, 0.2], [np.nan, np.nan]]), WEIGHTS)
    np.testing.assert_allclose(contributions, [[0.8, 0.0], [0.4, 0.1], [0.0, 0.0]])
    np.testing.assert_allclose(coverage, [0.5, 1.0, 0.0])


@given(arrays(float, st.tuples(st.integers(1, 8), st.just(2)), elements=raw_values))
def test_scores_stay_in_range_and_add_up(raw: np.ndarray) -> None:
    contributions, coverage = contributions_of(normalise(raw, PAIR), WEIGHTS)
    score = contributions.sum(axis=1)
    assert ((score >= 0) & (score <= 1 + 1e-12)).all()
    assert ((coverage >= 0) & (coverage <= 1)).all()
    np.testing.assert_allclose(coverage, (~np.isnan(raw)).mean(axis=1))


@given(st.floats(0, 1e5), st.floats(0, 1e5), raw_values)
def test_nearer_never_scores_lower(one_m: float, other_m: float, area: float) -> None:
    near, far = sorted((one_m, other_m))
    contributions, _ = contributions_of(normalise(np.array([[near, area], [far, area]]), PAIR), WEIGHTS)
    score = contributions.sum(axis=1)
    assert score[0] >= score[1] - 1e-12


@given(arrays(float, st.tuples(st.integers(2, 8), st.just(2)), elements=raw_values))
def test_a_candidate_more_changes_no_other_score(raw: np.ndarray) -> None:
    with_all, _ = contributions_of(normalise(raw, PAIR), WEIGHTS)
    without_last, _ = contributions_of(normalise(raw[:-1], PAIR), WEIGHTS)
    np.testing.assert_array_equal(with_all[:-1], without_last)


@given(st.lists(st.tuples(st.floats(0, 1), st.booleans()), min_size=1, max_size=12), st.randoms())
def test_rank_does_not_depend_on_the_order_of_rows(rows: list[tuple[float, bool]], random: object) -> None:
    score = np.array([r[0] for r in rows])
    eligible = np.array([r[1] for r in rows])
    ids = np.array([f"P{i:03d}" for i in range(len(rows))], dtype=object)
    order = np.array(random.sample(range(len(rows)), len(rows)))  # type: ignore[attr-defined]
    ranked = rank_of(score, eligible, ids)
    np.testing.assert_array_equal(rank_of(score[order], eligible[order], ids[order]), ranked[order])
    assert sorted(ranked[eligible]) == list(range(1, eligible.sum() + 1))
    assert (ranked[~eligible] == 0).all()


def test_best_score_has_rank_one() -> None:
    ids = np.array(["a", "b", "c", "d"], dtype=object)
    ranked = rank_of(np.array([0.3, 0.9, 0.3, 1.0]), np.array([True, True, True, False]), ids)
    assert ranked.tolist() == [2, 1, 3, 0]


@given(st.lists(st.tuples(st.sampled_from([0.0, 0.5, 0.5 + 1e-15, 0.75, 1.0]), st.booleans(),
                          st.text(alphabet="aZ1郑\u00e9", min_size=1, max_size=3)), max_size=40))
def test_ties_go_by_id_as_text_or_as_bytes(rows: list[tuple[float, bool, str]]) -> None:
    score, eligible = np.array([r[0] for r in rows]), np.array([r[1] for r in rows], dtype=bool)
    texts = np.array([r[2] for r in rows], dtype=object)
    best_first = sorted((i for i in range(len(rows)) if eligible[i]), key=lambda i: (-round(score[i], 12), texts[i], i))
    expected = [best_first.index(i) + 1 if eligible[i] else 0 for i in range(len(rows))]
    as_bytes = np.array([text.encode() for text in texts], dtype="S")
    assert rank_of(score, eligible, texts).tolist() == expected
    assert rank_of(score, eligible, as_bytes).tolist() == expected


def test_zero_weights_are_allowed() -> None:
    contributions, coverage = contributions_of(np.array([[0.5, 0.25]]), np.array([1.0, 0.0]))
    assert contributions.tolist() == [[0.5, 0.0]]
    assert coverage == pytest.approx(1.0)


@settings(deadline=None)  # The first example compiles or loads the compiled code.
@given(arrays(float, st.tuples(st.integers(0, 12), st.just(2)), elements=raw_values | st.just(-np.inf)))
def test_one_pass_agrees_with_the_contributions(raw: np.ndarray) -> None:
    contributions, coverage = contributions_of(normalise(raw, PAIR), WEIGHTS)
    score, share = score_of(raw, PAIR)
    np.testing.assert_allclose(score, contributions.sum(axis=1), rtol=0.0, atol=1e-12)
    np.testing.assert_array_equal(share, coverage)


def test_one_pass_over_many_blocks_and_criteria() -> None:
    rng = np.random.default_rng(5)
    criteria = tuple(criterion(*ends, weight) for ends, weight in
                     zip(rng.normal(0.0, 1.0, (12, 2)), rng.uniform(0.0, 1.0, 12), strict=True))
    raw = rng.normal(0.0, 1.0, (70_000, 12))
    raw[rng.random(raw.shape) < 0.1] = np.nan
    raw[rng.random(raw.shape) < 0.01] = np.inf
    contributions, coverage = contributions_of(normalise(raw, criteria), np.array([c.weight for c in criteria]))
    score, share = score_of(raw, criteria)
    np.testing.assert_allclose(score, contributions.sum(axis=1), rtol=0.0, atol=1e-12)
    np.testing.assert_allclose(share, coverage, rtol=0.0, atol=1e-12)
    np.testing.assert_array_equal(score_of(raw[::-1], criteria)[0], score[::-1])
