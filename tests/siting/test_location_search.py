"""The fast search: its tables are those of the choice they stand for, its bounds hold, and it breaks no rule."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gis.errors import SitingToolError
from siting.location_conditions import NO_CONDITIONS, SideConditions, cliques, site_rules
from siting.location_costs import Reach, costs_of, covering_reach, median_reach
from siting.location_fast import FastSearch
from siting.location_solution import capacitated_solution, check_rules_kept, solution

SETTINGS = settings(max_examples=60, deadline=None, derandomize=True)


def value_of(reach: Reach, chosen: list[int]) -> float:
    """The value by its definition."""
    total = 0.0
    for i in range(len(reach.weight)):
        a, b = reach.entries.start[i], reach.entries.start[i + 1]
        open_costs = [c for j, c in zip(reach.entries.site[a:b], reach.entries.cost[a:b], strict=True) if j in chosen]
        total += reach.weight[i] * min([*open_costs, reach.unserved[i]])
    return total


def search_of(seed: int, is_covering: bool, p: int) -> FastSearch:
    rng = np.random.default_rng(seed)
    cost = rng.integers(0, 12, (14, 9)).astype(float)
    costs, demand = costs_of(cost), rng.integers(1, 9, 14).astype(float)
    reach = covering_reach(costs, demand, 3.0) if is_covering else median_reach(costs, demand, int(rng.integers(3, 10)))
    return FastSearch(reach, site_rules(NO_CONDITIONS, costs, p))


@SETTINGS
@given(st.integers(0, 10**6), st.booleans(), st.integers(1, 5), st.lists(st.integers(0, 8), max_size=12))
def test_tables_stay_those_of_the_choice(seed: int, is_covering: bool, p: int, entering: list[int]) -> None:
    from siting import _location_kernels as kernels

    fast = search_of(seed, is_covering, p)
    state = fast.state(np.arange(p))
    for step, j in enumerate(entering):
        if state.slot_of[j] < 0:
            kernels.replace(fast.lists, fast.compiled_rules, state, step % p, j)
    chosen = [int(j) for j in state.slots]
    assert fast.value_of(state) == pytest.approx(value_of(fast.reach, chosen))
    for j in set(range(9)) - set(chosen):
        for q in range(p):
            swapped = [*chosen[:q], j, *chosen[q + 1:]]
            change = state.loss[q] - state.gain[j] - state.extra[j, q]
            assert change == pytest.approx(value_of(fast.reach, swapped) - value_of(fast.reach, chosen), abs=1e-9)


@SETTINGS
@given(st.integers(0, 10**6), st.booleans(), st.integers(1, 5))
def test_no_single_swap_betters_what_was_improved(seed: int, is_covering: bool, p: int) -> None:
    fast = search_of(seed, is_covering, p)
    start = fast.construct()
    assert start is not None
    chosen, value = fast.improved(start)
    for j in set(range(9)) - set(chosen.tolist()):
        for q in range(p):
            assert value_of(fast.reach, [*chosen[:q], j, *chosen[q + 1:]]) >= value - 1e-9


@SETTINGS
@given(st.integers(0, 10**6), st.booleans(), st.integers(1, 4))
def test_any_multipliers_bound_every_choice(seed: int, is_covering: bool, p: int) -> None:
    from itertools import combinations

    fast = search_of(seed, is_covering, p)
    start = fast.construct()
    assert start is not None
    raised = fast.raised(fast.first_relaxation(start), value_of(fast.reach, start.tolist()), 0.0)
    best = min(value_of(fast.reach, list(c)) for c in combinations(range(9), p))
    assert raised.bound <= best + 1e-9
    assert fast.reduced_costs(raised)[0] <= best + 1e-6


@SETTINGS
@given(st.integers(0, 10**6), st.floats(0.0, 0.8))
def test_cliques_cover_every_pair_and_nothing_else(seed: int, density: float) -> None:
    rng = np.random.default_rng(seed)
    close = np.triu(rng.random((9, 9)) < density, 1)
    close |= close.T
    covered = np.zeros_like(close)
    for members in cliques(close):
        assert all(close[a, b] for a in members for b in members if a != b)
        covered[np.ix_(members, members)] = True
    np.fill_diagonal(covered, val=False)
    assert (covered == close).all()


def test_joined_demand_points_are_those_of_equal_cover() -> None:
    cost = np.array([[1.0, 9.0], [1.0, 9.0], [9.0, 1.0], [9.0, 9.0], [1.0, 1.0]])
    reach = covering_reach(costs_of(cost), np.array([2.0, 3.0, 4.0, 5.0, 0.0]), 2.0)
    assert sorted(reach.weight) == [4.0, 5.0]
    assert reach.entries.site.tolist() in ([0, 1], [1, 0])


def test_bounds_are_rounded_only_where_every_value_is_whole() -> None:
    cost = np.arange(200.0)[None, :].repeat(3, axis=0)
    assert median_reach(costs_of(cost), np.ones(3), 64).is_whole
    cost[0, 199] += 0.5  # not on the list of the nearest, and a value all the same
    assert not median_reach(costs_of(cost), np.ones(3), 64).is_whole
    assert not median_reach(costs_of(np.round(cost)), np.full(3, 0.5), 64).is_whole


def test_a_wrong_answer_does_not_pass() -> None:
    costs = costs_of(np.ones((3, 4)))
    rules = site_rules(SideConditions(min_spacing=2.0, site_positions=np.zeros((4, 2))), costs, 2)
    with pytest.raises(SitingToolError, match="it breaks number"):
        check_rules_kept(np.array([0]), rules)
    with pytest.raises(SitingToolError, match="it breaks spacing"):
        check_rules_kept(np.array([0, 1]), rules)
    free = site_rules(NO_CONDITIONS, costs, 1)
    with pytest.raises(SitingToolError, match="closed site"):
        capacitated_solution(costs, np.ones(3), np.full(4, 9.0), free, np.array([0]), np.array([0, 1, 0]))
    with pytest.raises(SitingToolError, match="capacity is exceeded"):
        capacitated_solution(costs, np.ones(3), np.full(4, 2.0), free, np.array([0]), np.zeros(3, dtype=int))
    with pytest.raises(SitingToolError, match="contradicts"):
        solution(np.array([0]), np.zeros(3, dtype=int), 5.0, 6.0, objective="MIN", gap=0.0, status="")
