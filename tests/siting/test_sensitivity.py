"""One weight at a time, against scoring everything anew."""

from __future__ import annotations

import numpy as np
import pytest

from siting.scoring import contributions_of
from siting.sensitivity import one_at_a_time


def scored(normalised: np.ndarray, weights: np.ndarray) -> np.ndarray:
    return np.asarray(contributions_of(normalised, weights)[0].sum(axis=1))


def test_every_step_agrees_with_scoring_anew() -> None:
    rng = np.random.default_rng(3)
    values = rng.uniform(size=(300, 5))
    values[rng.uniform(size=values.shape) < 0.1] = np.nan
    weights = np.array([0.4, 0.3, 0.15, 0.1, 0.05])
    found = one_at_a_time(values, weights, 20)
    assert found.steps[0] == -0.2 and found.steps[-1] == 0.2 and len(found.steps) == 41
    best = np.argsort(-scored(values, weights), kind="stable")[:20]
    for j in range(5):
        for s in (0, 7, 20, 33, 40):
            own = weights[j] * (1.0 + found.steps[s])
            moved = weights * (1.0 - own) / (1.0 - weights[j])
            moved[j] = own
            after = np.argsort(-scored(values, moved), kind="stable")
            assert found.kept[j, s] == np.isin(best, after[:20]).mean()
            assert found.first_stays[j, s] == (after[0] == best[0])
            places = np.argsort(after)[best]
            assert found.shift[j, s] == pytest.approx(np.abs(places - np.arange(20)).mean())
    np.testing.assert_array_equal(found.kept[:, 20], 1.0)
    assert found.kept.min() < 1.0


def test_the_tolerance_is_where_the_first_changes() -> None:
    # Equal at w = 0.5 + 1/18 of the first criterion: from weight 0.5, eleven or twelve per cent more.
    values = np.array([[0.5, 1.0], [0.9, 0.5]])
    found = one_at_a_time(values, np.array([0.5, 0.5]), 1)
    # 0.5 w + (1 - w) < 0.9 w + 0.5 (1 - w) from w = 5/9.
    assert found.tolerance[0] == pytest.approx(0.12) and found.tolerance[1] == pytest.approx(0.12)


def test_criteria_of_no_weight_or_all_of_it_move_nothing() -> None:
    values = np.random.default_rng(1).uniform(size=(30, 3))
    for weights in ([0.0, 0.5, 0.5], [1.0, 0.0, 0.0]):
        found = one_at_a_time(values, np.array(weights), 5)
        assert (found.kept[0] == 1.0).all() and np.isnan(found.tolerance[0])
