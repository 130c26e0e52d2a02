"""The layout of capacity equals brute force on small cases, keeps every limit, and knows how good it is."""

from __future__ import annotations

from dataclasses import replace
from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from siting.capacity_program import (
    PLACED,
    UNMET,
    CapacityAnswer,
    CapacityProblem,
    lay_out_capacity,
    lay_out_quickly,
    relaxed_layout,
    relaxed_load,
)
from siting.linear_programs import LinearProgram, solve


def problem_of(seed: int, *, n: int = 6, m: int = 4, k: int = 3, n_feeds: int = 2, target_mw: float = 40.0,
               headroom: float = 25.0) -> CapacityProblem:
    rng = np.random.default_rng(seed)
    distance = rng.uniform(0.5, 12.0, (n, m))
    feed = np.argsort(distance, axis=1)[:, :k]
    feed_km = np.take_along_axis(distance, feed, axis=1)
    zone = rng.integers(0, 2, n)
    return CapacityProblem(
        land_mw=rng.uniform(2.0, 20.0, n), minimum_mw=5.0, score=rng.random(n), feed=np.where(feed_km < 9, feed, -1),
        feed_km=feed_km, headroom_mva=rng.uniform(0.0, headroom, m), mva_per_mw=1.3 / 0.95, n_feeds=n_feeds,
        in_group=np.array([zone == 0, zone == 1]), group_least_mw=np.array([0.0, 4.0]),
        group_most_mw=np.array([15.0, np.inf]), target_mw=target_mw, score_per_km=0.01)


def written_out(problem: CapacityProblem, opened: tuple[int, ...]) -> float:
    """Solve for one set of open campuses with the model written row by row; -inf where they cannot all open."""
    n, k = problem.feed.shape
    n_columns = n + n * k + len(problem.in_group)
    rows: list[tuple[np.ndarray, float, float]] = []

    def row(entries: dict[int, float], low: float, high: float) -> None:
        line = np.zeros(n_columns)
        for column, value in entries.items():
            line[column] += value
        rows.append((line, low, high))

    def y(i: int, p: int) -> int:
        return n + i * k + p

    row(dict.fromkeys(range(n), 1.0), -np.inf, problem.target_mw)
    for g, members in enumerate(problem.in_group):
        row({**dict.fromkeys(np.flatnonzero(members), 1.0), n + n * k + g: 1.0}, problem.group_least_mw[g],
            problem.group_most_mw[g])
    for j in range(len(problem.headroom_mva)):
        row({y(i, p): problem.mva_per_mw for i in range(n) for p in range(k) if problem.feed[i, p] == j},
            -np.inf, problem.headroom_mva[j])
    for i in range(n):
        row({**{y(i, p): 1.0 for p in range(k)}, i: -float(problem.n_feeds)}, 0.0, 0.0)
        for p in range(k):
            row({y(i, p): 1.0, i: -1.0}, -np.inf, 0.0)
    lower, upper = np.zeros(n_columns), np.full(n_columns, np.inf)
    for i in range(n):
        lower[i] = problem.minimum_mw if opened[i] else 0.0
        upper[i] = problem.land_mw[i] if opened[i] else 0.0
        for p in range(k):
            upper[y(i, p)] = np.inf if problem.feed[i, p] >= 0 else 0.0
    if (lower > upper).any():
        return -np.inf
    reward = np.concatenate([PLACED + problem.score, -problem.score_per_km * problem.feed_km.ravel(),
                             np.full(len(problem.in_group), -UNMET)])
    matrix = np.array([r[0] for r in rows])
    at = np.nonzero(matrix)
    found = solve(LinearProgram(
        reward=reward, lower=lower, upper=upper, row_lower=np.array([r[1] for r in rows]),
        row_upper=np.array([r[2] for r in rows]), rows=at[0], columns=at[1], values=matrix[at],
        is_integer=np.zeros(n_columns, dtype=bool)))
    return found.objective_value if found.solver_status == "Optimal" else -np.inf


def assert_kept(problem: CapacityProblem, answer: CapacityAnswer) -> None:
    load, feed = answer.load_mw, answer.feed_mw
    is_open = load > 0
    assert (load[is_open] >= problem.minimum_mw - 1e-6).all()
    assert (load <= problem.land_mw + 1e-6).all()
    assert load.sum() <= problem.target_mw + 1e-6
    assert (feed[problem.feed < 0] == 0).all()
    np.testing.assert_allclose(feed.sum(axis=1), problem.n_feeds * load, atol=1e-6)
    # With any one connection lost the others carry the whole load.
    if problem.n_feeds == 2:
        assert (feed.sum(axis=1)[:, None] - feed >= load[:, None] - 1e-6).all()
    used = np.bincount(np.maximum(problem.feed, 0).ravel(), weights=feed.ravel(), minlength=len(problem.headroom_mva))
    assert (used * problem.mva_per_mw <= problem.headroom_mva + 1e-6).all()
    assert (problem.in_group @ load <= problem.group_most_mw + 1e-6).all()
    assert answer.objective_value <= answer.bound + 1e-6 * max(1.0, abs(answer.bound))


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 10_000), n_feeds=st.sampled_from([1, 2]), target_mw=st.sampled_from([8.0, 25.0, 60.0]))
def test_the_layout_is_the_best_of_all_sets_of_campuses(seed: int, n_feeds: int, target_mw: float) -> None:
    problem = problem_of(seed, n_feeds=n_feeds, target_mw=target_mw)
    answer = lay_out_capacity(problem)
    best = max(written_out(problem, opened) for opened in product((0, 1), repeat=len(problem.land_mw)))
    assert_kept(problem, answer)
    # An empty answer leaves out what a zone must take: its slack is all that the best one can have.
    if answer.solver_status == "Empty":
        assert best <= 1e-9
        return
    assert answer.objective_value == pytest.approx(best, rel=1e-3)
    assert answer.bound >= best - 1e-6 * max(1.0, abs(best))


def test_a_large_case_is_laid_out_with_a_small_gap_over_all_parcels() -> None:
    problem = problem_of(7, n=20_000, m=60, k=5, target_mw=500.0, headroom=80.0)
    answer = lay_out_capacity(problem)
    assert_kept(problem, answer)
    assert answer.load_mw.sum() == pytest.approx(500.0) or answer.load_mw.sum() < 500.0
    assert answer.optimality_gap < 0.01


def test_power_binds_and_its_price_says_so() -> None:
    problem = replace(problem_of(3, n=40, m=4, target_mw=1e4), group_least_mw=np.zeros(2),
                      group_most_mw=np.full(2, 1e9))
    answer = lay_out_capacity(problem)
    assert_kept(problem, answer)
    assert answer.headroom_price.max() > 1.0
    placed, _ = relaxed_load(problem)
    more, _ = relaxed_load(replace(problem, headroom_mva=problem.headroom_mva * 2))
    assert more > placed > 0


def test_nothing_fits_where_no_parcel_reaches_two_substations() -> None:
    problem = problem_of(1)
    lonely = replace(problem, feed=np.where(np.arange(3) == 0, problem.feed, -1))
    answer = lay_out_capacity(lonely)
    assert answer.load_mw.sum() == 0
    assert relaxed_load(lonely) == (0.0, 0.0)


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10_000))
def test_a_layout_without_search_keeps_the_limits_and_knows_its_gap(seed: int) -> None:
    problem = problem_of(seed, n=12, m=5, k=4, target_mw=60.0)
    quick, searched = lay_out_quickly(problem), lay_out_capacity(problem)
    assert_kept(problem, quick)
    # No better than the search, within its own tolerance, and neither is above the bound.
    assert quick.objective_value <= searched.objective_value + 5e-4 * abs(searched.objective_value) + 1e-6
    assert max(quick.objective_value, searched.objective_value) <= quick.bound + 1e-6


def test_the_relaxation_tells_loads_and_what_no_layout_exceeds() -> None:
    problem = problem_of(3, n=12, m=5, k=4, target_mw=60.0)
    load, most = relaxed_layout(problem)
    assert (float(load.sum()), float(load @ problem.score)) == relaxed_load(problem)
    assert most >= lay_out_capacity(problem).objective_value - 1e-9
    nothing = replace(problem, land_mw=np.zeros_like(problem.land_mw))
    assert relaxed_layout(nothing)[0].sum() == 0.0 and lay_out_quickly(nothing).load_mw.sum() == 0.0
