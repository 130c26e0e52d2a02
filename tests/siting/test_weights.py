"""Weights from judgements and from data: published examples, peers, and what no set of weights may break."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from gis.errors import UsageError
from siting.weights import (
    ACCEPTABLE_CONSISTENCY,
    SAATY_SCALE,
    analytic_hierarchy,
    best_worst,
    critic_weights,
    entropy_weights,
    mixed_weights,
    pairwise_matrix,
)

NAMES = ("power", "network", "land", "water")
JUDGED = (("power", "network", 3.0), ("power", "land", 5.0), ("power", "water", 7.0), ("network", "land", 2.0),
          ("network", "water", 4.0), ("land", "water", 3.0))


def test_ahp_of_judgements_that_agree_gives_their_ratios_back() -> None:
    true = np.array([0.5, 0.25, 0.15, 0.1])
    judged = [(NAMES[i], NAMES[j], float(true[i] / true[j])) for i in range(4) for j in range(i + 1, 4)]
    found = analytic_hierarchy(NAMES, [pairwise_matrix(NAMES, judged)])
    np.testing.assert_allclose(found.weights, true, atol=1e-12)
    assert found.consistency_ratio == pytest.approx(0.0, abs=1e-9)
    assert found.worst_pair is None


def test_ahp_agrees_with_ahpy() -> None:
    ahpy = pytest.importorskip("ahpy")
    peer = ahpy.Compare("goal", {(a, b): r for a, b, r in JUDGED}, precision=8)
    found = analytic_hierarchy(NAMES, [pairwise_matrix(NAMES, JUDGED)])
    np.testing.assert_allclose(found.weights, [peer.local_weights[n] for n in NAMES], atol=1e-6)


def test_ahp_of_the_published_choice_of_a_house() -> None:
    # Saaty, How to make a decision (1990), buying a house: eight criteria, lambda_max = 9.669, CR = 0.169.
    names = [f"c{i}" for i in range(8)]
    upper = [[5, 3, 7, 6, 6, 1 / 3, 1 / 4], [1 / 3, 5, 3, 3, 1 / 5, 1 / 7], [6, 3, 4, 6, 1 / 5],
             [1 / 3, 1 / 4, 1 / 7, 1 / 8], [1 / 2, 1 / 5, 1 / 6], [1 / 5, 1 / 6], [1 / 2]]
    judged = [(names[i], names[i + 1 + k], float(v)) for i, row in enumerate(upper) for k, v in enumerate(row)]
    found = analytic_hierarchy(names, [pairwise_matrix(names, judged)])
    np.testing.assert_allclose(found.weights, [0.173, 0.054, 0.188, 0.018, 0.031, 0.036, 0.167, 0.333], atol=6e-4)
    assert found.consistency_ratio > ACCEPTABLE_CONSISTENCY
    assert not found.is_consistent
    # Of all steps of the scale, no other in the place of that judgement makes the whole as consistent.
    assert found.worst_pair == ("c2", "c6") and found.judged == 6.0
    ratios = {}
    for step in SAATY_SCALE:
        tried = [(a, b, step if (a, b) == found.worst_pair else r) for a, b, r in judged]
        ratios[step] = analytic_hierarchy(names, [pairwise_matrix(names, tried)]).consistency_ratio
    assert min(ratios, key=lambda s: ratios[s]) == found.mended == 0.5
    assert ratios[0.5] == pytest.approx(found.mended_ratio) and ratios[0.5] < ACCEPTABLE_CONSISTENCY


def test_a_wild_judgement_is_named_and_mending_it_helps() -> None:
    true = {"power": 8.0, "network": 4.0, "land": 2.0, "water": 1.0}
    judged = [(a, b, true[a] / true[b]) for i, a in enumerate(NAMES) for b in NAMES[i + 1:]]
    wild = [(a, b, 1 / 3 if (a, b) == ("power", "land") else r) for a, b, r in judged]
    found = analytic_hierarchy(NAMES, [pairwise_matrix(NAMES, wild)])
    assert found.worst_pair == ("power", "land")
    assert found.judged == pytest.approx(1 / 3)
    mended = [(a, b, found.mended if (a, b) == found.worst_pair else r) for a, b, r in wild]
    again = analytic_hierarchy(NAMES, [pairwise_matrix(NAMES, mended)])
    # All others agree: what they imply is the true ratio, and nothing is left to mend.
    assert found.mended == pytest.approx(4.0) and again.worst_pair is None
    assert again.consistency_ratio == pytest.approx(found.mended_ratio, abs=1e-12) == pytest.approx(0.0, abs=1e-9)


def test_a_pair_that_nothing_else_joins_is_not_to_blame() -> None:
    judged = [("power", "network", 3.0), ("network", "land", 2.0), ("land", "water", 2.0), ("network", "water", 9.0)]
    found = analytic_hierarchy(NAMES, [pairwise_matrix(NAMES, judged)])
    assert found.worst_pair is not None and "power" not in found.worst_pair
    assert found.mended_ratio is not None and found.mended_ratio < found.consistency_ratio


def test_experts_are_joined_by_the_geometric_mean() -> None:
    pair = ("a", "b")
    both = analytic_hierarchy(pair, [pairwise_matrix(pair, [("a", "b", ratio)]) for ratio in (9.0, 1.0)])
    assert both.weights[0] / both.weights[1] == pytest.approx(3.0)


def test_pairs_that_nobody_judged_follow_from_the_others() -> None:
    found = analytic_hierarchy(NAMES, [pairwise_matrix(NAMES, [("power", "network", 2.0), ("network", "land", 2.0),
                                                               ("land", "water", 2.0)])])
    np.testing.assert_allclose(found.weights, np.array([8, 4, 2, 1]) / 15, atol=1e-9)


@pytest.mark.parametrize(("judged", "message"), [
    ([("power", "sun", 3.0)], "unknown criterion"), ([("power", "power", 3.0)], "twice or against itself"),
    ([("power", "network", 3.0), ("network", "power", 2.0)], "twice"), ([("power", "network", 12.0)], "1/9 and 9"),
    ([("power", "network", 3.0)], "no chain of judgements"),
])
def test_judgements_that_cannot_be_used_are_refused(judged, message) -> None:
    with pytest.raises(UsageError, match=message):
        pairwise_matrix(NAMES, judged)


def test_best_worst_of_the_published_example() -> None:
    # Rezaei (2016), buying a car: quality, price, comfort, safety, style; the linear model.
    names = ("quality", "price", "comfort", "safety", "style")
    found = best_worst(names, "price", "style", {"quality": 2, "comfort": 4, "safety": 3, "style": 8},
                       {"quality": 4, "price": 8, "comfort": 4, "safety": 2})
    assert found.weights.sum() == pytest.approx(1.0)
    assert np.argmax(found.weights) == 1
    assert np.argmin(found.weights) == 4
    # No weights of five numbers do better than the deviation found.
    rng = np.random.default_rng(4)
    ratios = [(1, 0, 2), (1, 2, 4), (1, 3, 3), (1, 4, 8), (0, 4, 4), (2, 4, 4), (3, 4, 2)]
    for w in rng.dirichlet(np.ones(5), 4000):
        assert max(abs(w[a] - r * w[b]) for a, b, r in ratios) >= found.consistency_ratio - 1e-9


def test_best_worst_that_agrees_has_no_deviation() -> None:
    found = best_worst(NAMES, "power", "water", {"network": 2, "land": 4, "water": 8},
                       {"power": 8, "network": 4, "land": 2})
    np.testing.assert_allclose(found.weights, np.array([8, 4, 2, 1]) / 15, atol=1e-9)
    assert found.consistency_ratio == pytest.approx(0, abs=1e-9)
    assert found.worst_pair is None
    with pytest.raises(UsageError, match="1 to 9"):
        best_worst(NAMES, "power", "water", {"network": 2, "water": 8}, {"power": 8, "network": 4, "land": 2})
    with pytest.raises(UsageError, match="unknown criterion"):
        best_worst(NAMES, "sun", "water", {}, {})


def test_data_weights_agree_with_pymcdm() -> None:
    peer = pytest.importorskip("pymcdm.weights")
    matrix = np.random.default_rng(0).random((60, 5))
    np.testing.assert_allclose(entropy_weights(matrix), peer.entropy_weights(matrix), atol=1e-12)
    ranged = (matrix - matrix.min(axis=0)) / (matrix.max(axis=0) - matrix.min(axis=0))
    np.testing.assert_allclose(critic_weights(ranged), peer.critic_weights(matrix), atol=1e-12)


@settings(max_examples=60, deadline=None)
@given(arrays(np.float64, st.tuples(st.integers(2, 20), st.integers(2, 5)),
              elements=st.one_of(st.floats(0, 1), st.just(np.nan))))
def test_data_weights_are_shares_and_constants_get_none(matrix: np.ndarray) -> None:
    matrix = np.column_stack([matrix, np.full(len(matrix), 0.5)])
    for method in (entropy_weights, critic_weights):
        try:
            weights = method(matrix)
        except UsageError:
            continue
        assert weights.sum() == pytest.approx(1.0)
        assert (weights >= 0).all()
        assert weights[-1] == pytest.approx(0.0, abs=1e-9)


def test_a_mix_is_a_mean_by_shares() -> None:
    mixed = mixed_weights([(3.0, np.array([1.0, 0.0])), (1.0, np.array([0.0, 1.0]))])
    np.testing.assert_allclose(mixed, [0.75, 0.25])
    with pytest.raises(UsageError):
        mixed_weights([])
    with pytest.raises(UsageError):
        mixed_weights([(-1.0, np.array([1.0]))])
