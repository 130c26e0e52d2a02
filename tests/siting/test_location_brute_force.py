"""Every location model under every side condition equals trying all choices, on random small cases."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import combinations, product
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gis.errors import InfeasibleError
from siting import location
from siting.location import LocationSolution, SideConditions


@dataclass
class Case:
    cost: np.ndarray
    demand: np.ndarray
    at: np.ndarray
    p: int | None
    radius: float
    conditions: SideConditions
    sparse: bool

    @property
    def n_sites(self) -> int:
        return self.cost.shape[1]

    @property
    def matrix(self) -> Any:
        if not self.sparse:
            return self.cost
        import scipy.sparse

        row, column = np.nonzero(self.cost < np.inf)
        return scipy.sparse.csr_array((self.cost[row, column], (row, column)), shape=self.cost.shape)

    def choices(self) -> list[tuple[int, ...]]:
        """All choices that keep to the conditions, read from their meaning."""
        sizes = range(1, self.n_sites + 1) if self.p is None else [self.p]
        return [c for size in sizes for c in combinations(range(self.n_sites), size) if self.keeps(c)]

    def keeps(self, chosen: tuple[int, ...]) -> bool:
        asked = self.conditions
        stand = np.zeros(self.n_sites, bool) if asked.existing_facilities is None else asked.existing_facilities
        if any(stand[j] and j not in chosen for j in range(self.n_sites)):
            return False
        for one, other in combinations(chosen, 2):
            close = asked.min_spacing is not None and np.hypot(*(self.at[one] - self.at[other])) < asked.min_spacing
            if close and not (stand[one] and stand[other]):
                return False
        if asked.zone_of_site is not None:
            for zone in range(len(asked.zone_min)):
                count = sum(asked.zone_of_site[j] == zone for j in chosen)
                if not asked.zone_min[zone] <= count <= asked.zone_max[zone]:
                    return False
        if asked.needs_backup is not None:
            radius = self.radius if asked.backup_radius is None else asked.backup_radius
            for i in np.flatnonzero(asked.needs_backup):
                if sum(self.cost[i, j] <= radius for j in chosen) < 2:
                    return False
        if asked.budget is not None:
            return sum(asked.site_costs[j] for j in chosen if not stand[j]) <= asked.budget
        return True


@st.composite
def cases(draw: Any, with_number: bool = True, max_demand: int = 9, max_sites: int = 7, with_gaps: bool = True) -> Case:
    n_demand, n_sites = draw(st.integers(1, max_demand)), draw(st.integers(2, max_sites))
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    demand_at, at = rng.integers(0, 20, (n_demand, 2)).astype(float), rng.integers(0, 20, (n_sites, 2)).astype(float)
    cost = np.hypot(*(demand_at[:, None] - at).transpose(2, 0, 1))
    if draw(st.booleans()):
        cost = np.round(cost)
    if with_gaps and draw(st.integers(0, 3)) == 0:
        cost[rng.random(cost.shape) < 0.3] = np.inf
    demand = rng.integers(0 if draw(st.booleans()) else 1, 9, n_demand).astype(float)
    if draw(st.booleans()):
        demand += rng.random(n_demand).round(2)
    radius = draw(st.sampled_from([3.0, 6.0, 9.0, 14.0]))
    wanted = draw(st.sets(st.sampled_from(["existing", "spacing", "quota", "backup", "budget"]), max_size=3))
    given_by: dict[str, Any] = {}
    if "existing" in wanted:
        given_by["existing_facilities"] = rng.random(n_sites) < 0.3
    if "spacing" in wanted:
        given_by |= {"min_spacing": draw(st.sampled_from([3.0, 5.0, 8.0])), "site_positions": at}
    if "quota" in wanted:
        zone_min = rng.integers(0, 2, 2)
        given_by |= {"zone_of_site": rng.integers(-1, 2, n_sites), "zone_min": zone_min,
                     "zone_max": zone_min + rng.integers(0, 3, 2)}
    if "backup" in wanted:
        given_by |= {"needs_backup": rng.random(n_demand) < 0.4, "backup_radius": draw(st.sampled_from([6.0, 12.0]))}
    p: int | None = draw(st.integers(1, min(4, n_sites))) if with_number else None
    if "budget" in wanted:
        given_by |= {"site_costs": rng.integers(1, 9, n_sites).astype(float), "budget": float(rng.integers(4, 30))}
        p = p if draw(st.booleans()) else None
    return Case(cost, demand, at, p, radius, SideConditions(**given_by), draw(st.booleans()))


def compare(case: Case, value_of: Callable[[tuple[int, ...]], float], is_least: bool,
            ask: Callable[[str], LocationSolution]) -> None:
    """Both methods against trying all choices; a value of infinity is no answer."""
    sign = 1.0 if is_least else -1.0
    values = [v for c in case.choices() if np.isfinite(v := value_of(c))]
    if not values:
        for method in ("exact", "fast"):
            with pytest.raises(InfeasibleError) as caught:
                ask(method)
            assert caught.value.text.zh and caught.value.text.en
        return
    best = min(sign * v for v in values) * sign
    exact = ask("exact")
    assert exact.objective_value == pytest.approx(best, abs=1e-6)
    assert exact.bound == pytest.approx(best, rel=1e-6, abs=1e-6)
    assert exact.solver_status == "Optimal"
    assert case.keeps(exact.chosen)
    fast = ask("fast")
    assert case.keeps(fast.chosen)
    assert value_of(fast.chosen) == pytest.approx(fast.objective_value) or "capacity" in ask.__name__
    assert sign * fast.bound <= sign * best + 1e-6 <= sign * fast.objective_value + 2e-6


MANY = settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.too_slow], derandomize=True)
FEWER = settings(MANY, max_examples=30)


@MANY
@given(cases())
def test_max_covering(case: Case) -> None:
    def value(chosen: tuple[int, ...]) -> float:
        return float(case.demand[(case.cost[:, chosen] <= case.radius).any(axis=1)].sum())

    compare(case, value, False, lambda method: location.max_covering(
        case.matrix, case.demand, n_facilities=case.p, service_radius=case.radius, method=method,
        conditions=case.conditions))


@MANY
@given(cases())
def test_p_median(case: Case) -> None:
    def value(chosen: tuple[int, ...]) -> float:
        counts = case.demand > 0
        return float((case.demand[counts] * case.cost[counts][:, chosen].min(axis=1)).sum())

    compare(case, value, True, lambda method: location.p_median(
        case.matrix, case.demand, n_facilities=case.p, method=method, conditions=case.conditions))


@MANY
@given(cases(), st.booleans())
def test_p_center(case: Case, is_weighted: bool) -> None:
    weights = case.demand if is_weighted and case.demand.any() else np.ones(len(case.demand))

    def value(chosen: tuple[int, ...]) -> float:
        counts = weights > 0
        return float((weights[counts] * case.cost[counts][:, chosen].min(axis=1)).max())

    compare(case, value, True, lambda method: location.p_center(
        case.matrix, weights, n_facilities=case.p, method=method, conditions=case.conditions))


@MANY
@given(cases(with_number=False))
def test_set_covering(case: Case) -> None:
    price = case.conditions.site_costs
    stand = case.conditions.existing_facilities

    def value(chosen: tuple[int, ...]) -> float:
        if not (case.cost[:, chosen] <= case.radius).any(axis=1).all():
            return np.inf
        if price is None:
            return float(len(chosen))
        return float(sum(price[j] for j in chosen if stand is None or not stand[j]))

    compare(case, value, True, lambda method: location.set_covering(
        case.matrix, service_radius=case.radius, method=method, conditions=case.conditions))


@MANY
@given(cases(with_gaps=False))
def test_p_dispersion(case: Case) -> None:
    case.p = max(2, case.p or 2)
    if case.conditions.needs_backup is not None:
        case.conditions = SideConditions()
    between = np.hypot(*(case.at[:, None] - case.at).transpose(2, 0, 1))

    def value(chosen: tuple[int, ...]) -> float:
        return min(float(between[a, b]) for a, b in combinations(chosen, 2))

    compare(case, value, False, lambda method: location.p_dispersion(
        between, n_facilities=case.p or 2, method=method, conditions=case.conditions))


def assignments(case: Case, chosen: tuple[int, ...], capacity: np.ndarray, may_miss: bool,
                radius: float) -> list[tuple[int, ...]]:
    missed = [-1] if may_miss else []
    options = [[*(j for j in chosen if case.cost[i, j] <= min(radius, 1e9)), *missed] if case.demand[i] > 0 else [-1]
               for i in range(len(case.demand))]
    kept = []
    for sites in product(*options):
        load = np.zeros(case.n_sites)
        for i, j in enumerate(sites):
            if j >= 0:
                load[j] += case.demand[i]
        if (load <= capacity + 1e-9).all():
            kept.append(sites)
    return kept


@FEWER
@given(cases(max_demand=4, max_sites=4), st.integers(0, 2**32))
def test_capacitated_p_median(case: Case, seed: int) -> None:
    capacity = np.random.default_rng(seed).integers(3, 16, case.n_sites).astype(float)

    def value(chosen: tuple[int, ...]) -> float:
        found = assignments(case, chosen, capacity, False, np.inf)
        return min((sum(case.demand[i] * case.cost[i, j] for i, j in enumerate(s) if j >= 0) for s in found),
                   default=np.inf)

    def ask_capacity(method: str) -> LocationSolution:
        found = location.capacitated_p_median(case.matrix, case.demand, capacity=capacity, n_facilities=case.p,
                                              method=method, conditions=case.conditions, gap=1e-9)
        check_load(case, capacity, found)
        return found

    compare(case, value, True, ask_capacity)


@FEWER
@given(cases(max_demand=4, max_sites=4), st.integers(0, 2**32))
def test_capacitated_max_covering(case: Case, seed: int) -> None:
    capacity = np.random.default_rng(seed).integers(2, 16, case.n_sites).astype(float)

    def value(chosen: tuple[int, ...]) -> float:
        found = assignments(case, chosen, capacity, True, case.radius)
        return max(float(sum(case.demand[i] for i, j in enumerate(s) if j >= 0)) for s in found)

    def ask_capacity(method: str) -> LocationSolution:
        found = location.capacitated_max_covering(
            case.matrix, case.demand, capacity=capacity, n_facilities=case.p, service_radius=case.radius,
            method=method, conditions=case.conditions, gap=1e-9)
        check_load(case, capacity, found)
        return found

    compare(case, value, False, ask_capacity)


@FEWER
@given(cases(max_demand=4, max_sites=4, with_number=False), st.integers(0, 2**32))
def test_capacitated_set_covering(case: Case, seed: int) -> None:
    capacity = np.random.default_rng(seed).integers(3, 16, case.n_sites).astype(float)
    price, stand = case.conditions.site_costs, case.conditions.existing_facilities

    def value(chosen: tuple[int, ...]) -> float:
        if not assignments(case, chosen, capacity, False, case.radius):
            return np.inf
        return float(len(chosen) if price is None else
                     sum(price[j] for j in chosen if stand is None or not stand[j]))

    def ask_capacity(method: str) -> LocationSolution:
        found = location.capacitated_set_covering(case.matrix, case.demand, capacity=capacity, gap=1e-9,
                                                  service_radius=case.radius, conditions=case.conditions)
        check_load(case, capacity, found)
        return found

    if case.demand.any():
        compare(case, value, True, ask_capacity)


def check_load(case: Case, capacity: np.ndarray, found: LocationSolution) -> None:
    served = found.assignment >= 0
    assert set(found.assignment[served]) <= set(found.chosen)
    load = np.bincount(found.assignment[served], weights=case.demand[served], minlength=case.n_sites)
    assert (load <= capacity + 1e-6).all()


@MANY
@given(cases())
def test_coverage_curve(case: Case) -> None:
    bare = Case(case.cost, case.demand, case.at, None, case.radius, SideConditions(), case.sparse)
    curve = location.coverage_curve(bare.matrix, bare.demand, p_max=bare.n_sites, service_radius=bare.radius)
    for p, covered, chosen in zip(curve.n_facilities, curve.covered, curve.chosen, strict=True):
        best = max(float(bare.demand[(bare.cost[:, c] <= bare.radius).any(axis=1)].sum())
                   for c in combinations(range(bare.n_sites), int(p)))
        assert covered == pytest.approx(best)
        assert len(chosen) == p
    assert curve.bound == pytest.approx(curve.covered)
    assert curve.marginal_gain.sum() == pytest.approx(curve.covered[-1])
    assert (curve.marginal_gain >= -1e-9).all()
