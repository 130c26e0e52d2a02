"""Location models as a caller meets them: ties, sparse costs, existing sites, the curve, a large question."""

from __future__ import annotations

import numpy as np
import pytest

from gis.errors import InfeasibleError
from siting.location import SideConditions, coverage_curve, max_covering, p_center, p_median, set_covering


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


def region(n_sites: int, n_demand: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(n_sites)
    sites, points = rng.uniform(0, 100, (n_sites, 2)), rng.uniform(0, 100, (n_demand, 2))
    return np.hypot(*(points[:, None] - sites).transpose(2, 0, 1)), rng.integers(1, 50, n_demand).astype(float), sites


@pytest.mark.parametrize("format_name", ["csr_matrix", "csc_array", "coo_array"])
def test_sparse_costs_are_those_of_the_dense_ones(format_name: str) -> None:
    sparse = pytest.importorskip("scipy.sparse")
    cost, demand, _ = region(40, 200)
    cost = np.where(cost <= 40, cost, np.inf)
    cost[3, 5] = 0.0  # stored, and no gap
    row, column = np.nonzero(cost < np.inf)
    stored = getattr(sparse, format_name)((cost[row, column], (row, column)), shape=cost.shape)
    for ask in (lambda c: p_median(c, demand, n_facilities=12), lambda c: p_center(c, n_facilities=12),
                lambda c: max_covering(c, demand, n_facilities=4, service_radius=15.0),
                lambda c: set_covering(c, service_radius=30.0)):
        one, other = ask(cost), ask(stored)
        assert one.objective_value == pytest.approx(other.objective_value)
        assert one.bound == pytest.approx(other.bound)
        assert (cost[np.arange(200), one.assignment][one.assignment >= 0] < np.inf).all()


@pytest.mark.parametrize("method", ["fast", "exact"])
def test_runs_agree_to_the_last_bit(method: str) -> None:
    cost, demand, sites = region(60, 300)
    asked = SideConditions(min_spacing=8.0, site_positions=sites, zone_of_site=(sites[:, 0] > 50).astype(int),
                           zone_min=np.array([2, 2]), zone_max=np.array([4, 4]))
    first, second = (max_covering(cost, demand, n_facilities=6, service_radius=12.0, conditions=asked, method=method)
                     for _ in range(2))
    assert (first.chosen, first.objective_value, first.bound) == (second.chosen, second.objective_value, second.bound)


def test_fast_proves_how_near_it_is() -> None:
    cost, demand, _ = region(150, 1_500)
    covering = max_covering(cost, demand, n_facilities=12, service_radius=10.0, method="fast")
    median = p_median(cost, demand, n_facilities=12, method="fast")
    assert covering.objective_value <= covering.bound <= covering.objective_value * 1.015
    assert median.objective_value * 0.985 <= median.bound <= median.objective_value


def test_existing_facilities_count_and_stay() -> None:
    cost, demand, _ = region(30, 100)
    stands = np.zeros(30, dtype=bool)
    stands[[4, 9]] = True
    found = p_median(cost, demand, n_facilities=5, conditions=SideConditions(existing_facilities=stands))
    free = p_median(cost, demand, n_facilities=5)
    assert {4, 9} <= set(found.chosen) and len(found.chosen) == 5
    assert found.objective_value >= free.objective_value


def test_curve_begins_where_conditions_allow_and_never_falls() -> None:
    cost, demand, sites = region(50, 300)
    stands = np.zeros(50, dtype=bool)
    stands[[1, 2]] = True
    asked = SideConditions(existing_facilities=stands, zone_of_site=(sites[:, 1] > 50).astype(int),
                           zone_min=np.array([2, 2]))
    curve = coverage_curve(cost, demand, p_max=9, service_radius=10.0, conditions=asked)
    first = 2 + sum(max(0, 2 - int((stands & (asked.zone_of_site == z)).sum())) for z in (0, 1))
    assert curve.n_facilities.tolist() == list(range(first, 10))
    assert (np.diff(curve.covered) >= 0).all() and (curve.covered <= curve.bound + 1e-6).all()
    assert [len(c) for c in curve.chosen] == curve.n_facilities.tolist()
    for p, covered in zip(curve.n_facilities, curve.covered, strict=True):
        alone = max_covering(cost, demand, n_facilities=int(p), service_radius=10.0, conditions=asked)
        assert covered == pytest.approx(alone.objective_value)


def test_no_demand_at_all() -> None:
    found = max_covering(np.ones((3, 4)), np.zeros(3), n_facilities=2, service_radius=1.0)
    assert found.objective_value == found.bound == 0.0
    assert len(found.chosen) == 2
    assert p_median(np.ones((3, 4)), np.zeros(3), n_facilities=2).objective_value == 0.0


def test_the_quick_mode_builds_and_improves_without_a_proof() -> None:
    rng = np.random.default_rng(12)
    at, to = rng.random((400, 2)) * 20, rng.random((60, 2)) * 20
    cost, demand = np.hypot(*(at[:, None] - to[None]).transpose(2, 0, 1)), rng.uniform(1, 9, 400)
    quick = max_covering(cost, demand, n_facilities=8, service_radius=3.0, method="quick")
    exact = max_covering(cost, demand, n_facilities=8, service_radius=3.0)
    assert 0.9 * exact.objective_value <= quick.objective_value <= exact.objective_value + 1e-9
    assert exact.objective_value - 1e-9 <= quick.bound <= demand.sum() + 1e-9
    assert len(quick.chosen) == 8
