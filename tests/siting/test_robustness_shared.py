"""Draws with shared headrooms, outlines that move and measured errors equal a plain loop in NumPy."""

from __future__ import annotations

from dataclasses import replace

import geopandas as gpd
import numpy as np
import pytest

from siting.headroom import headroom_draws, headroom_of
from siting.power_table import load_power_table
from siting.robustness import (
    HIGH,
    LOW,
    Draws,
    Outlines,
    SharedValues,
    broken_bits,
    perturbed_weights,
    rank_robustness,
    scores_in,
    strictness,
)

N, K, N_DRAWS, SEED = 200, 5, 50, 17
WEIGHTS = np.array([0.3, 0.25, 0.2, 0.15, 0.1])


def noise(seed: int, draw: int, n: int, column: int) -> np.ndarray:
    """Write the hash of the kernel with whole numbers of Python."""
    def mixed(x: int) -> int:
        x = ((x ^ (x >> 30)) * 0xBF58476D1CE4E5B9) % 2**64
        x = ((x ^ (x >> 27)) * 0x94D049BB133111EB) % 2**64
        return x ^ (x >> 31)

    key = (seed * 0x9E3779B97F4A7C15 + draw * 0xD1342543DE82EF95) % 2**64
    found = []
    for row in range(n):
        bits = mixed((mixed((key + row * 0x2545F4914F6CDD1D) % 2**64) + column) % 2**64)
        found.append((sum(((bits >> 16 * k) & 0xFFFF) / 65535.0 for k in range(4)) - 2.0) * 1.7320508075688772)
    return np.array(found)


def case() -> tuple[np.ndarray, np.ndarray, Draws]:
    rng = np.random.default_rng(6)
    matrix = rng.random((N, K))
    matrix[rng.random((N, K)) < 0.1] = np.nan
    here, there = broken_bits(rng.random((N, 3)) < 0.15), broken_bits(rng.random((N, 3)) < 0.15)
    values = rng.random((N_DRAWS, 7))
    values[0] = np.nan
    values[:, 3] = np.nan
    offset = rng.normal(0.0, 200.0, (N_DRAWS, 2))
    offset[0] = 0.0
    draws = Draws(
        weights=perturbed_weights(WEIGHTS, 0.2, N_DRAWS, SEED), spread=np.array([0.05, 0.0, 0.0, 0.1, 0.0]), seed=SEED,
        strict=strictness(np.ones(3, dtype=bool), np.array([True, False, True]), 0.6, N_DRAWS, SEED),
        shared=SharedValues(column=3, at=rng.integers(-1, 7, N), values=values),
        outlines=Outlines(outline=rng.integers(-1, 2, N), away_m=rng.choice([-1.0, 1.0], N) * rng.uniform(1, 500, N),
                          offset_m=offset, columns=(1, 4), values=rng.random((N, 2)), broken=there))
    return matrix, here, draws


def plain_draw(matrix: np.ndarray, broken: np.ndarray, draws: Draws, d: int) -> tuple[np.ndarray, np.ndarray]:
    outlines, shared = draws.outlines, draws.shared
    assert outlines is not None and shared is not None
    values, bits = matrix.copy(), broken.copy()
    for i in range(N):
        if outlines.outline[i] >= 0:
            moved = outlines.offset_m[d, outlines.outline[i]]
            if (outlines.away_m[i] > 0 and moved > outlines.away_m[i]) or (
                    outlines.away_m[i] < 0 and moved < outlines.away_m[i]):
                values[i, list(outlines.columns)] = outlines.values[i]
                bits[i] = outlines.broken[i]
        if shared.at[i] >= 0 and not np.isnan(shared.values[d, shared.at[i]]):
            values[i, shared.column] = shared.values[d, shared.at[i]]
    for j in np.flatnonzero(draws.spread):
        values[:, j] = np.clip(values[:, j] + draws.spread[j] * noise(draws.seed, d, N, int(j)), 0.0, 1.0)
    known = ~np.isnan(values)
    measured = known @ draws.weights[d]
    score = np.divide(np.where(known, values, 0.0) @ draws.weights[d], measured, out=np.zeros(N), where=measured > 0)
    return score, (bits & draws.strict[d]) != 0


def test_every_draw_scores_as_a_plain_loop() -> None:
    matrix, broken, draws = case()
    for d in range(N_DRAWS):
        score, is_out = scores_in(matrix, broken, draws, d)
        expected, out = plain_draw(matrix, broken, draws, d)
        np.testing.assert_allclose(score, expected, atol=1e-12)
        np.testing.assert_array_equal(is_out, out)
    first, _ = scores_in(matrix, broken, Draws(weights=draws.weights, spread=np.zeros(K), strict=draws.strict), 0)
    as_given, _ = scores_in(matrix, broken, replace(draws, spread=np.zeros(K)), 0)
    np.testing.assert_array_equal(first, as_given)


def test_ranks_are_counted_as_a_plain_loop_counts_them() -> None:
    matrix, broken, draws = case()
    found = rank_robustness(matrix, broken, draws, n_threads=3)
    ranks = np.empty((N_DRAWS, N), dtype=int)
    for d in range(N_DRAWS):
        score, is_out = plain_draw(matrix, broken, draws, d)
        order = np.lexsort((np.arange(N), -np.round(score, 12), is_out))
        ranks[d, order] = np.arange(1, N + 1)
        ranks[d, is_out] = N + 1
    for t, top in enumerate((10, 20, 50)):
        np.testing.assert_allclose(found.top_probability[:, t], (ranks <= top).mean(axis=0))
    ordered = np.sort(ranks, axis=0)
    for stated, share in ((found.rank_low, LOW), (found.rank_high, HIGH)):
        exact = ordered[int(np.ceil(share * N_DRAWS)) - 1]
        np.testing.assert_array_equal(stated[exact <= 64], exact[exact <= 64])
        assert ((stated <= exact) & (exact < stated * 1.08 + 1)).all()
    heights, weights = np.log(ranks), draws.weights
    for row in range(0, N, 13):
        if heights[:, row].std() > 1e-6:
            expected = [np.corrcoef(heights[:, row], weights[:, j])[0, 1] for j in range(K)]
            np.testing.assert_allclose(found.correlation[row], expected, atol=1e-6)


def test_equal_scores_rank_by_row_and_the_excluded_last() -> None:
    matrix = np.repeat([[0.5], [0.9], [0.5], [0.1]], [3, 1, 2, 1], axis=0)
    draws = Draws(weights=np.ones((4, 1)), spread=np.zeros(1), strict=np.full(4, 1, dtype=np.uint64))
    broken = np.array([0, 1, 0, 0, 0, 0, 0], dtype=np.uint64)
    found = rank_robustness(matrix, broken, draws)
    np.testing.assert_array_equal(found.rank_high, [2, 8, 3, 1, 4, 5, 6])


def test_candidates_on_one_substation_move_together() -> None:
    values = np.array([[np.nan, np.nan], [0.1, 0.9], [0.7, 0.2]])
    draws = Draws(weights=np.full((3, 2), 0.5), spread=np.zeros(2), strict=np.zeros(3, dtype=np.uint64),
                  shared=SharedValues(column=1, at=np.array([0, 0, 1, -1]), values=values))
    matrix = np.array([[0.4, np.nan], [0.4, np.nan], [0.4, np.nan], [0.4, 0.6]])
    for d, expected in enumerate(([0.4, 0.4, 0.4, 0.5], [0.25, 0.25, 0.65, 0.5], [0.55, 0.55, 0.3, 0.5])):
        np.testing.assert_allclose(scores_in(matrix, np.zeros(4, dtype=np.uint64), draws, d)[0], expected)


def stations() -> gpd.GeoDataFrame:
    return gpd.GeoDataFrame({
        "substation_id": list("abcdef"), "voltage_kv": [110.0, 110.0, 220.0, 220.0, 110.0, np.nan],
        "headroom_mva": [12.0, np.nan, np.nan, np.nan, np.nan, np.nan],
        "transformer_capacity_mva": [np.nan, np.nan, np.nan, 720.0, 126.0, np.nan],
        "n_transformers": [np.nan, np.nan, np.nan, 3, 2, np.nan],
        "peak_load_mva": [np.nan, np.nan, np.nan, np.nan, 50.0, np.nan],
    }, geometry=gpd.points_from_xy(range(6), range(6)), crs="EPSG:4547")


def test_headroom_that_nobody_states_varies_as_typical_stations_do() -> None:
    frame, table = stations(), load_power_table()
    drawn = headroom_draws(frame, table, 2000, 3)
    # Stated, reckoned from stated figures, of no known voltage, and the study as it is: left alone.
    assert np.isnan(drawn[:, [0, 4, 5]]).all() and np.isnan(drawn[0]).all()
    given = headroom_of(frame, table).headroom_mva
    for place in (1, 2, 3):
        own = drawn[1:, place]
        assert np.isfinite(own).all() and own.min() <= given[place] <= own.max()
    # 2 or 3 units of 50 or 63 MVA, ratio 1.8 to 2.2: from nothing to 126 - 189/2.2.
    assert drawn[1:, 1].min() == 0.0 and drawn[1:, 1].max() == pytest.approx(126.0 - 189.0 / 2.2, abs=0.2)
    # The layer states 3 x 240 MVA: only the peak is in doubt.
    assert drawn[1:, 3].min() == pytest.approx(480.0 - 720.0 / 1.6, abs=0.5)
    assert drawn[1:, 3].max() == pytest.approx(480.0 - 720.0 / 1.9, abs=0.5)
    np.testing.assert_array_equal(drawn, headroom_draws(frame, table, 2000, 3))
