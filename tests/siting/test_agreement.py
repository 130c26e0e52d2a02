"""VIKOR and PROMETHEE II against pymcdm and brute force, Kendall's tau against scipy, and promises about order."""

from __future__ import annotations

import itertools
import warnings
from dataclasses import replace

import numpy as np
import pytest
from scipy.stats import kendalltau

from gis.errors import UsageError
from siting.agreement import agreement, discordant_pairs, kendall_tau, moved_by_dominated, overlap_of_best
from siting.citation import Citation
from siting.methods import promethee, topsis, vikor, weighted_sum
from siting.pack import Criterion

WEIGHTS = (0.1, 0.3, 0.15, 0.25, 0.2)


def criterion(objective: str, weight: float, span: float = 100.0) -> Criterion:
    worst, best = (0.0, span) if objective == "MAX" else (span, 0.0)
    return Criterion(criterion_id="x", site_class="large", weight=weight, worst=worst, best=best, unit="m",
                     objective=objective, citation=Citation(document="engineering", heading="test"))  # type: ignore[arg-type]


MIXED = tuple(criterion("MAX" if i % 3 else "MIN", w) for i, w in enumerate(WEIGHTS))
TYPES = np.array([1 if c.objective == "MAX" else -1 for c in MIXED])


def matrix(n: int, seed: int = 5) -> np.ndarray:
    raw = np.random.default_rng(seed).uniform(1.0, 99.0, (n, len(MIXED)))
    raw[:, 1] = np.round(raw[:, 1], -1)  # many ties
    return raw


def flows_by_pairs(raw: np.ndarray, threshold: float | None) -> np.ndarray:
    """Compare everyone with everyone, skipping what was not measured."""
    n, k = raw.shape
    net, weight = np.zeros(n), np.zeros(n)
    for j in range(k):
        known = [i for i in range(n) if not np.isnan(raw[i, j])]
        for i in known:
            total = 0.0
            for other in known:
                lead = TYPES[j] * (raw[i, j] - raw[other, j])
                share = np.sign(lead) if threshold is None else np.clip(lead / threshold, -1.0, 1.0)
                total += share
            net[i] += WEIGHTS[j] * total / max(len(known) - 1, 1)
            weight[i] += WEIGHTS[j]
    return np.asarray((net / weight + 1.0) / 2.0)


def test_vikor_agrees_with_pymcdm() -> None:
    peer = pytest.importorskip("pymcdm.methods")
    raw = matrix(60)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        expected = peer.VIKOR()(raw, np.array(WEIGHTS), TYPES)
    np.testing.assert_allclose(1.0 - vikor(raw, MIXED).score, expected, atol=1e-12)


@pytest.mark.parametrize(("lead", "name"), [("usual", "usual"), ("linear", "vshape")])
def test_promethee_agrees_with_pymcdm(lead: str, name: str) -> None:
    peer = pytest.importorskip("pymcdm.methods")
    raw = matrix(60)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        expected = peer.PROMETHEE_II(name, p=np.full(5, 25.0), q=np.zeros(5))(raw, np.array(WEIGHTS), TYPES)
    found = promethee(raw, MIXED, lead=lead)  # type: ignore[arg-type]
    np.testing.assert_allclose(2.0 * found.score - 1.0, expected, atol=1e-12)


@pytest.mark.parametrize("lead", ["usual", "linear"])
def test_promethee_with_gaps_agrees_with_all_pairs(lead: str) -> None:
    raw = matrix(80)
    raw[np.random.default_rng(2).uniform(size=raw.shape) < 0.15] = np.nan
    raw[7, :4] = np.nan
    found = promethee(raw, MIXED, lead=lead)  # type: ignore[arg-type]
    expected = flows_by_pairs(raw, None if lead == "usual" else 25.0)
    np.testing.assert_allclose(found.score, expected, atol=1e-12)
    assert found.data_coverage[7] <= WEIGHTS[4] + 1e-12


def test_vikor_worked_by_hand() -> None:
    # Regrets of two equal criteria: (0, 1), (1, 0), (.5, .5), so that sums are alike and the middle has the least peak.
    raw = np.array([[4.0, 2.0], [2.0, 4.0], [3.0, 3.0], [np.nan, np.nan]])
    found = vikor(raw, (criterion("MAX", 0.5), criterion("MAX", 0.5)))
    np.testing.assert_allclose(found.score, [0.5, 0.5, 1.0, 0.0])
    np.testing.assert_allclose(found.data_coverage, [1.0, 1.0, 1.0, 0.0])


def test_what_vikor_did_not_measure_is_no_regret_and_no_gain() -> None:
    raw = np.array([[0.0, 10.0], [10.0, 0.0], [5.0, np.nan], [np.inf, 0.0]])
    found = vikor(raw, (criterion("MIN", 0.5), criterion("MAX", 0.5)), compromise=1.0)
    # Regrets: 0, 1, 0.5 of what is known, and infinity counts as 10.
    np.testing.assert_allclose(found.score, [1.0, 0.0, 0.5, 0.0])


@pytest.mark.parametrize("method", [topsis, vikor, promethee, weighted_sum])
def test_a_single_candidate_and_constant_columns_do_not_fail(method: object) -> None:
    for raw in (np.ones((1, 5)), np.ones((4, 5))):
        score = method(raw, MIXED).score  # type: ignore[operator]
        assert np.isfinite(score).all() and len(set(score.tolist())) == 1


def test_settings_that_mean_nothing_are_refused() -> None:
    with pytest.raises(UsageError, match="between 0 and 1"):
        vikor(matrix(3), MIXED, compromise=2.0)
    with pytest.raises(UsageError, match="unknown lead"):
        promethee(matrix(3), MIXED, lead="gaussian")  # type: ignore[arg-type]
    with pytest.raises(UsageError, match="does not fit"):
        promethee(matrix(3)[:, :2], MIXED)


@pytest.mark.parametrize("n", [2, 3, 17, 400])
def test_tau_agrees_with_scipy(n: int) -> None:
    rng = np.random.default_rng(n)
    for levels in (3, 10_000):
        a, b = rng.integers(0, levels, n).astype(float), rng.integers(0, levels, n).astype(float)
        expected = kendalltau(a, b).statistic if len(set(a)) > 1 and len(set(b)) > 1 else np.nan
        np.testing.assert_allclose(kendall_tau(a, b), expected, atol=1e-12)


def test_discordant_pairs_by_brute_force() -> None:
    rng = np.random.default_rng(0)
    a, b = rng.integers(0, 6, 40).astype(float), rng.integers(0, 6, 40).astype(float)
    expected = sum((a[i] - a[j]) * (b[i] - b[j]) < 0 for i, j in itertools.combinations(range(40), 2))
    assert discordant_pairs(a, b) == expected


def test_overlap_counts_the_best_of_both() -> None:
    assert overlap_of_best(np.array([3.0, 2.0, 1.0, 0.0]), np.array([0.0, 9.0, 8.0, 1.0]), 2) == 0.5


def test_a_weighted_sum_keeps_its_order_when_a_candidate_is_added_and_topsis_may_not() -> None:
    raw = np.vstack([matrix(200), [[1.0, 0.0, 0.0, 0.0, 0.0]]])
    raw[:, 2] *= 1000.0
    assert moved_by_dominated(weighted_sum, raw, MIXED) == 0.0
    assert moved_by_dominated(topsis, matrix(200), MIXED) > 0.0


def test_agreement_names_every_method_and_the_first_agrees_with_itself() -> None:
    found = agreement(matrix(150), MIXED, 10)
    assert [f.method for f in found] == ["weighted_sum", "topsis", "vikor", "promethee"]
    assert found[0].tau == pytest.approx(1.0) and found[0].overlap == 1.0 and found[0].moved == 0.0
    assert all(0.3 < f.tau < 1.0 for f in found[1:])
    turned = tuple(replace(c, objective="MIN" if c.objective == "MAX" else "MAX") for c in MIXED)
    opposed = promethee(matrix(150), turned).score
    assert kendall_tau(promethee(matrix(150), MIXED).score, opposed) < -0.999
