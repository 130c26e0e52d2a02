"""Weights and rankings of published worked examples, and of peers on the same numbers."""

from __future__ import annotations

import warnings

import numpy as np
import pytest

from siting.citation import Citation
from siting.methods import promethee, topsis, vikor
from siting.pack import Criterion
from siting.weights import best_worst, critic_weights, entropy_weights


def criterion(objective: str, weight: float, worst: float, best: float) -> Criterion:
    return Criterion(criterion_id="x", site_class="large", weight=weight, worst=worst, best=best, unit="m",
                     objective=objective, citation=Citation(document="engineering", heading="test"))  # type: ignore[arg-type]


def test_best_worst_of_buying_a_car() -> None:
    # Comparisons of a car buyer that agree wholly: 2, 1, 4, 2, 8 over the best and 4, 8, 2, 4, 1 over the worst.
    names = ("quality", "price", "comfort", "safety", "style")
    found = best_worst(names, "price", "style", dict(zip(names, (2, 1, 4, 2, 8), strict=True)),
                       dict(zip(names, (4, 8, 2, 4, 1), strict=True)))
    np.testing.assert_allclose(found.weights, [0.2105, 0.4211, 0.1053, 0.2105, 0.0526], atol=5e-5)
    assert found.consistency_ratio == pytest.approx(0.0, abs=1e-9)


def test_vikor_of_the_mountain_climber() -> None:
    # Opricovic and Tzeng (2004): risk and altitude of three mountains, of equal weight; the middle is the compromise.
    raw = np.array([[1.0, 3000.0], [2.0, 3750.0], [5.0, 4500.0]])
    found = vikor(raw, (criterion("MIN", 0.5, 5, 1), criterion("MAX", 0.5, 3000, 4500)))
    np.testing.assert_allclose(found.score, [0.0, 1.0, 0.0], atol=1e-12)


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_rankings_agree_with_pymcdm_on_decision_tables(seed: int) -> None:
    peer = pytest.importorskip("pymcdm.methods")
    rng = np.random.default_rng(seed)
    raw = rng.uniform(1.0, 1000.0, (40, 7))
    types = rng.choice([-1, 1], 7)
    weights = rng.dirichlet(np.ones(7))
    own = tuple(criterion("MAX" if t > 0 else "MIN", float(w), *((0.0, 1000.0) if t > 0 else (1000.0, 0.0)))
                for t, w in zip(types, weights, strict=True))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        compromise = 1.0 - peer.VIKOR()(raw, weights, types)
        flow = (peer.PROMETHEE_II("usual")(raw, weights, types) + 1.0) / 2.0
    np.testing.assert_allclose(vikor(raw, own).score, compromise, atol=1e-10)
    np.testing.assert_allclose(promethee(raw, own).score, flow, atol=1e-10)


# The peer turns costs round before it scales them, so that TOPSIS is compared on profits.
def test_topsis_of_profits_agrees_with_pymcdm() -> None:
    peer = pytest.importorskip("pymcdm.methods")
    normalisations = pytest.importorskip("pymcdm.normalizations")
    raw = np.random.default_rng(4).uniform(1.0, 9.0, (30, 5))
    weights = np.array([0.4, 0.3, 0.1, 0.1, 0.1])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        expected = peer.TOPSIS(normalisations.vector_normalization)(raw, weights, np.ones(5, dtype=int))
    found = topsis(raw, tuple(criterion("MAX", float(w), 0.0, 10.0) for w in weights))
    np.testing.assert_allclose(found.score, expected, atol=1e-12)


def test_weights_from_data_agree_with_pymcdm() -> None:
    peer = pytest.importorskip("pymcdm.weights")
    raw = np.random.default_rng(9).uniform(0.01, 1.0, (50, 6))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        expected_entropy = peer.entropy_weights(raw)
        # The peer stretches each column to 0-1 before CRITIC; it is given what that leaves as it is.
        stretched = (raw - raw.min(axis=0)) / np.ptp(raw, axis=0)
        expected_critic = peer.critic_weights(stretched)
    np.testing.assert_allclose(entropy_weights(raw), expected_entropy, atol=1e-9)
    np.testing.assert_allclose(critic_weights(stretched), expected_critic, atol=1e-9)
