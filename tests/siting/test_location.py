"""Maximal covering: brute force on small cases, published optima on real demand."""

from __future__ import annotations

from itertools import combinations
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gis.errors import InfeasibleError
from siting.location import max_covering

INSTANCES = Path(__file__).resolve().parents[2] / "../shared/benchmarks/location"
SJC324 = {1: 5461, 2: 8790, 3: 11604, 4: 12106, 5: 12152}


def brute_force(cost: np.ndarray, demand: np.ndarray, p: int, radius: float) -> float:
    covers = cost <= radius
    return max(float(demand[covers[:, list(sites)].any(axis=1)].sum())
               for sites in combinations(range(cost.shape[1]), p))


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_equals_brute_force(data: st.DataObject) -> None:
    n_demand, n_sites = data.draw(st.integers(1, 12)), data.draw(st.integers(1, 7))
    points = st.tuples(st.integers(0, 20), st.integers(0, 20))
    demand_at = np.array(data.draw(st.lists(points, min_size=n_demand, max_size=n_demand)), dtype=float)
    sites_at = np.array(data.draw(st.lists(points, min_size=n_sites, max_size=n_sites)), dtype=float)
    demand = np.array(data.draw(st.lists(st.integers(0, 9), min_size=n_demand, max_size=n_demand)), dtype=float)
    p, radius = data.draw(st.integers(1, n_sites)), data.draw(st.floats(0, 15))
    cost = np.hypot(*(demand_at[:, None] - sites_at).transpose(2, 0, 1))
    found = max_covering(cost, demand, n_facilities=p, service_radius=radius)
    assert found.objective_value == pytest.approx(brute_force(cost, demand, p, radius))
    assert found.bound >= found.objective_value - 1e-6
    assert len(found.chosen) == len(set(found.chosen)) == p
    served = found.assignment >= 0
    assert set(found.assignment[served]) <= set(found.chosen)
    assert (cost[served, found.assignment[served]] <= radius).all()
    assert demand[served].sum() == pytest.approx(found.objective_value)


@pytest.mark.parametrize(("p", "optimum"), SJC324.items())
def test_published_optima(p: int, optimum: int) -> None:
    path = INSTANCES / "SJC324.txt"
    if not path.exists():
        pytest.skip("published instances are not beside this checkout")
    table = np.array([line.split() for line in path.read_text().splitlines()[1:] if line.strip()], dtype=float)
    cost = np.hypot(*(table[:, None, :2] - table[:, :2]).transpose(2, 0, 1))
    found = max_covering(cost, table[:, 2], n_facilities=p, service_radius=800.0)
    assert found.objective_value == optimum
    assert found.optimality_gap < 1e-6
    assert found.solver_status == "Optimal"


def test_tie_is_broken_by_shorter_distance() -> None:
    cost = np.array([[5.0, 1.0, 9.0], [5.0, 2.0, 9.0]])
    assert max_covering(cost, np.ones(2), n_facilities=1, service_radius=6.0).chosen == (1,)


def test_two_runs_agree() -> None:
    rng = np.random.default_rng(5)
    cost, demand = rng.uniform(0, 10, (60, 25)), rng.integers(1, 9, 60).astype(float)
    first, second = (max_covering(cost, demand, n_facilities=4, service_radius=1.5) for _ in range(2))
    assert first.chosen == second.chosen


@pytest.mark.parametrize("p", [0, 4])
def test_more_facilities_than_sites_is_one_sentence(p: int) -> None:
    with pytest.raises(InfeasibleError, match="ask for 1 to 3"):
        max_covering(np.ones((2, 3)), np.ones(2), n_facilities=p, service_radius=1.0)


def test_demand_out_of_reach_is_not_served() -> None:
    found = max_covering(np.array([[9.0, 9.0], [1.0, 9.0]]), np.array([7.0, 1.0]), n_facilities=1, service_radius=2.0)
    assert found.chosen == (0,)
    assert found.assignment.tolist() == [-1, 0]
    assert found.objective_value == 1.0
