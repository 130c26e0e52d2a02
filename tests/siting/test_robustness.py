"""The counts of the draws equal those of a plain loop, whatever the number of threads."""

from __future__ import annotations

import numpy as np
import pytest

from gis.errors import UsageError
from siting.robustness import (
    HIGH,
    LOW,
    Draws,
    RankRobustness,
    broken_bits,
    dirichlet_weights,
    perturbed_weights,
    rank_robustness,
    strictness,
)

N, K, N_DRAWS = 300, 6, 120


def matrix_of(seed: int = 3) -> np.ndarray:
    rng = np.random.default_rng(seed)
    matrix = rng.random((N, K))
    matrix[rng.random((N, K)) < 0.05] = np.nan
    return matrix


def plain_ranks(matrix: np.ndarray, broken: np.ndarray, draws: Draws) -> np.ndarray:
    ranks = np.empty((len(draws), len(matrix)), dtype=int)
    for d, weights in enumerate(draws.weights):
        measured = np.where(np.isnan(matrix), 0.0, weights)
        score = (np.nan_to_num(matrix) * measured).sum(axis=1) / measured.sum(axis=1)
        is_out = (broken & draws.strict[d]) > 0
        order = np.lexsort((np.arange(len(matrix)), -np.round(score, 12), is_out))
        ranks[d, order] = np.arange(1, len(matrix) + 1)
        ranks[d, is_out] = len(matrix) + 1
    return ranks


def draws_of(weights: np.ndarray, strict: np.ndarray, spread: float = 0.0) -> Draws:
    return Draws(weights=perturbed_weights(weights, 0.2, N_DRAWS, 11), spread=np.full(K, spread), strict=strict)


WEIGHTS = np.array([0.3, 0.2, 0.2, 0.1, 0.1, 0.1])


def counted(**options: object) -> tuple[RankRobustness, np.ndarray]:
    matrix = matrix_of()
    rng = np.random.default_rng(8)
    broken = broken_bits(rng.random((N, 3)) < 0.2)
    strict = strictness(np.array([True, True, False]), np.array([False, True, False]), 0.5, N_DRAWS, 5)
    draws = draws_of(WEIGHTS, strict)
    return rank_robustness(matrix, broken, draws, **options), plain_ranks(matrix, broken, draws)


def test_chances_of_the_short_lists_equal_a_plain_loop() -> None:
    found, ranks = counted()
    for t, top in enumerate((10, 20, 50)):
        np.testing.assert_allclose(found.top_probability[:, t], (ranks <= top).mean(axis=0))


def test_rank_intervals_equal_quantiles_within_a_bin() -> None:
    found, ranks = counted()
    ordered = np.sort(ranks, axis=0)
    low = ordered[int(np.ceil(LOW * N_DRAWS)) - 1]
    high = ordered[int(np.ceil(HIGH * N_DRAWS)) - 1]
    for stated, exact in ((found.rank_low, low), (found.rank_high, high)):
        near = exact <= 64
        np.testing.assert_array_equal(stated[near], exact[near])
        assert (stated <= exact).all()
        assert (exact < stated * 1.08 + 1).all()
    assert (found.rank_low <= found.rank_high).all()


def test_the_strongest_weight_is_the_one_that_correlates_most() -> None:
    found, ranks = counted()
    weights = perturbed_weights(WEIGHTS, 0.2, N_DRAWS, 11)
    for row in range(0, N, 29):
        height = np.log(ranks[:, row])
        if height.std() < 1e-9:
            assert found.depends_on[row] == -1
            continue
        correlation = [np.corrcoef(height, weights[:, j])[0, 1] for j in range(K)]
        strongest = int(np.argmax(np.abs(correlation)))
        assert found.dependence[row] == pytest.approx(correlation[strongest], abs=1e-6)


def test_threads_change_nothing() -> None:
    one, _ = counted(n_threads=1)
    four, _ = counted(n_threads=4)
    for name in ("top_probability", "rank_low", "rank_high", "depends_on", "dependence"):
        np.testing.assert_array_equal(getattr(one, name), getattr(four, name))


def test_nothing_varied_leaves_the_rank_alone() -> None:
    matrix = matrix_of()
    draws = Draws(weights=np.tile(WEIGHTS, (20, 1)), spread=np.zeros(K), strict=np.zeros(20, dtype=np.uint64))
    found = rank_robustness(matrix, np.zeros(N, dtype=np.uint64), draws)
    assert set(np.unique(found.top_probability)) <= {0.0, 1.0}
    np.testing.assert_array_equal(found.rank_low, found.rank_high)
    assert (found.depends_on == -1).all()


def test_an_error_of_measurement_widens_the_intervals() -> None:
    matrix, none = matrix_of(), np.zeros(N, dtype=np.uint64)
    strict = np.zeros(N_DRAWS, dtype=np.uint64)
    sure = rank_robustness(matrix, none, draws_of(WEIGHTS, strict))
    unsure = rank_robustness(matrix, none, draws_of(WEIGHTS, strict, spread=0.1))
    assert (unsure.rank_high - unsure.rank_low).mean() > 2 * (sure.rank_high - sure.rank_low).mean()


def test_draws_of_weights_are_shares_around_the_given_ones() -> None:
    for drawn in (perturbed_weights(WEIGHTS, 0.2, 500, 1), dirichlet_weights(WEIGHTS, 100.0, 500, 1)):
        np.testing.assert_allclose(drawn.sum(axis=1), 1.0)
        np.testing.assert_array_equal(drawn[0], WEIGHTS)
        np.testing.assert_allclose(drawn.mean(axis=0), WEIGHTS, atol=0.02)
    zero = dirichlet_weights(np.array([0.5, 0.5, 0.0]), 50.0, 10, 1)
    assert (zero[:, 2] == 0).all()


def test_only_rules_that_can_be_mitigated_vary() -> None:
    drawn = strictness(np.array([True, True, False]), np.array([False, True, True]), 0.5, 200, 2)
    assert ((drawn & np.uint64(1)) > 0).all()
    share = ((drawn & np.uint64(2)) > 0).mean()
    assert 0.35 < share < 0.65
    assert ((drawn & np.uint64(4)) == 0).all()
    with pytest.raises(UsageError, match="64"):
        strictness(np.ones(65, dtype=bool), np.ones(65, dtype=bool), 0.5, 2, 1)


def test_what_nobody_measured_is_never_what_a_rank_depends_on() -> None:
    matrix = matrix_of()
    matrix[:, 2] = np.nan
    nothing = strictness(np.zeros(0, dtype=bool), np.zeros(0, dtype=bool), 1.0, N_DRAWS, 5)
    found = rank_robustness(matrix, np.zeros(N, dtype=np.uint64), draws_of(WEIGHTS, nothing))
    assert not found.correlation[:, 2].any()
    assert not (found.depends_on == 2).any()
    assert (found.depends_on >= 0).any()
