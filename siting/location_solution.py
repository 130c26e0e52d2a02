"""The answer of a location model, and its check: everything is computed anew from the chosen sites."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from gis.errors import SitingToolError
from siting.location_conditions import SiteRules
from siting.location_costs import Costs, Floats, Ints

ROUNDING = 1e-6
"""Share of a value by which a bound may contradict it before it counts as wrong."""


@dataclass(frozen=True, eq=False, slots=True, kw_only=True)
class LocationSolution:
    """What a location model found."""

    chosen: tuple[int, ...]
    """Columns of the cost matrix, ascending."""

    assignment: NDArray[np.int64]
    """Per demand point the chosen column that serves it (the nearest, where capacity does not decide), -1 where none
    does; in p-dispersion, per site the nearest chosen one."""

    objective_value: float
    """Recomputed from ``chosen`` and ``assignment``, not taken from the solver."""

    bound: float
    """Proven: no answer is above it (MAX) or below it (MIN)."""

    optimality_gap: float
    """``|bound - objective_value|`` over the greater of the two; 0 where both are 0."""

    solver_status: str
    """``Optimal`` where bound and value meet within the gap asked for, ``Bounded`` where a fast answer has a wider
    one, else the solver's own word (``Time limit reached``)."""


@dataclass(frozen=True, eq=False, slots=True, kw_only=True)
class CoverageCurve:
    """Coverage by number of sites."""

    n_facilities: Ints
    """Ascending by 1."""
    covered: Floats
    """Demand covered."""
    marginal_gain: Floats
    """What the last site adds: covered less that of one site fewer."""
    bound: Floats
    """Proven: so many sites cannot cover more."""
    optimality_gap: Floats
    chosen: tuple[tuple[int, ...], ...]
    """Columns chosen for each number; they need not contain those for fewer."""
    solver_status: tuple[str, ...]
    demand_total: float


def curve_of(answers: list[LocationSolution], p_min: int, demand_total: float) -> CoverageCurve:
    """Join the answers for ``p_min`` sites and each one more."""
    covered = np.array([a.objective_value for a in answers])
    return CoverageCurve(
        n_facilities=np.arange(p_min, p_min + len(answers)), covered=covered,
        marginal_gain=np.diff(covered, prepend=0.0), bound=np.array([a.bound for a in answers]),
        optimality_gap=np.array([a.optimality_gap for a in answers]), chosen=tuple(a.chosen for a in answers),
        solver_status=tuple(a.solver_status for a in answers), demand_total=demand_total)


def check(is_right: bool, en: str, zh: str) -> None:
    """Raise where an answer contradicts its question: a fault of the product, not of the user."""
    if not is_right:
        raise SitingToolError(f"the answer of the location model failed its check: {en}; please report this case",
                              f"选址模型的结果未通过校核：{zh}；请反馈此案例")


def check_rules_kept(chosen: Ints, rules: SiteRules) -> None:
    """Check number, existing sites, spacing, quotas, budget and second cover against the conditions themselves."""
    broken = ", ".join(rules.breaches(chosen))
    check(not broken, f"it breaks {broken}", f"违反 {broken}")


def solution(chosen: Ints, assignment: Ints, value: float, bound: float, *, objective: Literal["MIN", "MAX"],
             gap: float, status: str) -> LocationSolution:
    """Build an answer; a bound that contradicts the value fails."""
    slack = ROUNDING * max(1.0, abs(value))
    ahead = value - bound if objective == "MAX" else bound - value
    check(ahead <= slack, f"bound {bound!r} contradicts value {value!r}", f"界 {bound!r} 与目标值 {value!r} 矛盾")
    bound = max(bound, value) if objective == "MAX" else min(bound, value)
    greater = max(abs(bound), abs(value))
    reached = 0.0 if greater == 0 else abs(bound - value) / greater
    word = "Optimal" if reached <= max(gap, 1e-9) * (1 + 1e-6) else status
    return LocationSolution(chosen=tuple(int(c) for c in np.sort(chosen)), assignment=assignment.astype(np.int64),
                            objective_value=value, bound=bound, optimality_gap=reached, solver_status=word)


def median_solution(costs: Costs, demand: Floats, rules: SiteRules, chosen: Ints, bound: float, *, gap: float,
                    status: str) -> LocationSolution:
    """Serve every demand point from the nearest chosen site."""
    check_rules_kept(chosen, rules)
    nearest, cost = costs.of_chosen(chosen)
    check(bool((cost[demand > 0] < np.inf).all()), "demand is not served", "有需求点未被服务")
    value = float((demand[demand > 0] * cost[demand > 0]).sum())
    return solution(chosen, nearest, value, bound, objective="MIN", gap=gap, status=status)


def center_solution(weighted: Costs, costs: Costs, rules: SiteRules, chosen: Ints, bound: float, *,
                    gap: float, status: str) -> LocationSolution:
    """Serve every demand point from the nearest chosen site; the farthest by weighted cost counts."""
    check_rules_kept(chosen, rules)
    _, cost = weighted.of_chosen(chosen)
    check(bool((cost < np.inf).all()), "demand is not served", "有需求点未被服务")
    nearest, _ = costs.of_chosen(chosen)
    return solution(chosen, nearest, float(cost.max()), bound, objective="MIN", gap=gap, status=status)


def covering_solution(costs: Costs, demand: Floats, radius: float, rules: SiteRules, chosen: Ints, bound: float, *,
                      gap: float, status: str) -> LocationSolution:
    """Serve what is within the radius of the nearest chosen site."""
    check_rules_kept(chosen, rules)
    nearest, cost = costs.of_chosen(chosen)
    served = cost <= radius
    return solution(chosen, np.where(served, nearest, -1), float(demand[served].sum()), bound, objective="MAX",
                    gap=gap, status=status)


def set_solution(costs: Costs, needed: NDArray[np.bool_], radius: float, price: Floats, rules: SiteRules,
                 chosen: Ints, bound: float, *, gap: float, status: str) -> LocationSolution:
    """Serve all that is needed within the radius; the price of the chosen sites counts."""
    check_rules_kept(chosen, rules)
    nearest, cost = costs.of_chosen(chosen)
    served = cost <= radius
    check(bool(served[needed].all()), "demand is not covered", "有需求点未被覆盖")
    return solution(chosen, np.where(served, nearest, -1), float(price[chosen].sum()), bound, objective="MIN",
                    gap=gap, status=status)


def capacitated_solution(costs: Costs, demand: Floats, capacity: Floats, rules: SiteRules, chosen: Ints,
                         assignment: Ints) -> None:
    """Check rules, that every assignment is to a chosen site that can reach, and that capacity is kept."""
    check_rules_kept(chosen, rules)
    served = np.flatnonzero(assignment >= 0)
    check(bool(np.isin(assignment[served], chosen).all()), "an assignment is to a closed site", "需求被分配到未选点位")
    load = np.bincount(assignment[served], weights=demand[served], minlength=costs.n_sites)
    check(bool((load <= capacity * (1 + 1e-9) + 1e-9).all()), "capacity is exceeded", "超出容量")
