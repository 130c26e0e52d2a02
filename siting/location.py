"""Facility-location models: arrays in, a checked answer with its proven bound out.

Rows of a cost matrix are demand points, columns are candidate sites; the matrix is dense or scipy sparse, and
a pair that is not stored, or costs infinity, cannot serve. Every model takes :class:`SideConditions`.

``method="fast"`` constructs, swaps and bounds by Lagrangian relaxation; ``"exact"`` begins from that and has HiGHS
prove the rest; ``"auto"`` is exact where little is left to prove, and fast beyond.
"""

from __future__ import annotations

from typing import Any, Literal

import numpy as np

from gis.errors import UsageError
from siting.location_capacity import capacitated_covering, capacitated_median, capacitated_set
from siting.location_conditions import NO_CONDITIONS, SideConditions, SiteRules, site_rules
from siting.location_costs import Costs, Floats, Ints, costs_of, covering_reach, median_reach
from siting.location_exact import ExactAnswer, best_choice, core_of, cover_rows, solve_core
from siting.location_fast import (
    LEAST_LISTED,
    LISTED_PER_SHARE,
    FastAnswer,
    FastSearch,
    Relaxation,
    search,
)
from siting.location_infeasible import check_backup, check_reach, check_rules, explained
from siting.location_solution import CoverageCurve, LocationSolution, covering_solution, curve_of, median_solution
from siting.location_thresholds import center, dispersion, set_cover

__all__ = ["NO_CONDITIONS", "CoverageCurve", "LocationSolution", "SideConditions", "capacitated_max_covering",
           "capacitated_p_median", "capacitated_set_covering", "coverage_curve", "max_covering", "p_center",
           "p_dispersion", "p_median", "set_covering"]

Method = Literal["exact", "fast", "auto", "quick"]

MIP_GAP = 1e-9
"""Relative gap at which the exact mode stops: the answer is then the best to nine digits."""

FAST_GAP = 1e-3
"""Relative gap at which the fast mode leaves off."""

AUTO_SIZE = 250_000
"""Sites times levels of cost left to prove, above which ``auto`` stays with the fast answer: seconds for HiGHS."""

AUTO_CENTER, AUTO_SET, AUTO_DISPERSION, AUTO_CAPACITY = 150_000, 1_000_000, 90_000, 10_000
"""The same for the other models, in pairs of the matrix."""


def max_covering(cost_matrix: Any, demand: Floats, *, n_facilities: int | None = None, service_radius: float,
                 method: Method = "auto", conditions: SideConditions = NO_CONDITIONS, tie_break: Floats | None = None,
                 gap: float = MIP_GAP, time_limit_s: float = 600.0) -> LocationSolution:
    """Choose sites that cover the most demand within a radius (MCLP; Church and ReVelle 1974).

    Among answers of equal coverage, one with a lower demand-weighted cost to the nearest chosen site
    is sought by swapping single sites: the coverage is proven, the tie-break is not.

    Parameters
    ----------
    cost_matrix
        Demand points x candidate sites, in the unit of ``service_radius``.
    demand
        Weight per demand point, not negative.
    n_facilities
        How many sites are open in all, existing ones among them. None where ``conditions.budget`` decides.
    service_radius
        A site covers the demand points at this cost or less.
    method
        exact, fast or auto.
    conditions
        Existing sites, spacing, quotas, second cover, budget.
    tie_break
        Costs for the tie-break, shaped like ``cost_matrix``, which serves where this is None.
    gap
        Relative gap at which the answer is good enough.
    time_limit_s
        When the exact mode stops with what was proven so far.

    Raises
    ------
    InfeasibleError
        No choice keeps to the conditions; the sentence says why and what would.
    UsageError
        Arrays do not fit together.
    """
    costs, demand, rules = _question(cost_matrix, demand, n_facilities, conditions, service_radius)
    fast = FastSearch(covering_reach(costs, demand, service_radius), rules)
    found = _solved(fast, method, gap, time_limit_s)
    is_rough = method == "quick" and tie_break is None
    chosen = found.chosen if is_rough else _shortened(fast, found.chosen, costs if tie_break is None
                                                      else costs_of(tie_break), demand)
    return covering_solution(costs, demand, service_radius, rules, chosen, fast.reach.total - found.bound, gap=gap,
                             status=found.status)


def p_median(cost_matrix: Any, demand: Floats, *, n_facilities: int | None = None, method: Method = "auto",
             conditions: SideConditions = NO_CONDITIONS, gap: float = MIP_GAP,
             time_limit_s: float = 600.0) -> LocationSolution:
    """Choose sites of least total demand-weighted cost to the nearest one (Hakimi 1964).

    Parameters
    ----------
    cost_matrix
        Demand points x candidate sites, per unit of demand.
    demand
        Weight per demand point, not negative; a point of weight 0 need not be reachable.
    n_facilities, method, conditions, gap, time_limit_s
        As for :func:`max_covering`.

    Raises
    ------
    InfeasibleError
        A demand point has no site that can serve it, or no choice keeps to the conditions.
    UsageError
        Arrays do not fit together.
    """
    costs, demand, rules = _question(cost_matrix, demand, n_facilities, conditions, None)
    check_reach(costs, demand)
    share = costs.n_sites // (n_facilities or max(1, costs.n_sites // LEAST_LISTED))
    n_listed = min(costs.n_sites, max(LEAST_LISTED, LISTED_PER_SHARE * share))
    fast = FastSearch(median_reach(costs, demand, n_listed), rules)
    found = _solved(fast, method, gap, time_limit_s, (costs, demand))
    return median_solution(costs, demand, rules, found.chosen, found.bound, gap=gap, status=found.status)


def coverage_curve(cost_matrix: Any, demand: Floats, *, p_max: int, service_radius: float, method: Method = "auto",
                   conditions: SideConditions = NO_CONDITIONS, gap: float = MIP_GAP,
                   time_limit_s: float = 600.0) -> CoverageCurve:
    """Return the best coverage for every number of sites up to ``p_max``.

    Each number begins from the choice and the multipliers of one fewer, so that the curve never falls. It begins
    at the least number that existing sites and quotas ask for.

    Parameters
    ----------
    cost_matrix, demand, service_radius, method, conditions, gap
        As for :func:`max_covering`.
    p_max
        Greatest number of sites.
    time_limit_s
        For each number.
    """
    costs, demand, rules = _question(cost_matrix, demand, p_max, conditions, service_radius)
    stand = np.bincount(rules.zone[rules.existing & (rules.zone >= 0)], minlength=len(rules.zone_min))
    p_min = max(1, int(rules.existing.sum() + np.maximum(rules.zone_min - stand, 0).sum()))
    reach = covering_reach(costs, demand, service_radius)
    answers: list[LocationSolution] = []
    start: Ints | None = None
    known: Relaxation | None = None
    for p in range(p_min, p_max + 1):
        ruled = site_rules(conditions, costs, p, service_radius)
        fast = FastSearch(reach, ruled)
        if start is not None:
            start = fast.construct(start)
        found, known = _searched(fast, method, gap, time_limit_s, None, start, known)
        start = found.chosen
        answers.append(covering_solution(costs, demand, service_radius, ruled, found.chosen,
                                         reach.total - found.bound, gap=gap, status=found.status))
    return curve_of(answers, p_min, float(demand.sum()))


def p_center(cost_matrix: Any, demand: Floats | None = None, *, n_facilities: int | None = None,
             method: Method = "auto", conditions: SideConditions = NO_CONDITIONS, gap: float = MIP_GAP,
             time_limit_s: float = 600.0) -> LocationSolution:
    """Choose sites so that the farthest demand point is as near as can be (Hakimi 1964).

    Bisection over the distinct costs; each step asks whether so many sites cover everything (Minieka 1970), of
    which heuristic and Lagrangian bound decide most and HiGHS the rest.

    Parameters
    ----------
    cost_matrix
        Demand points x candidate sites.
    demand
        Weights by which costs are multiplied; None for 1. A point of weight 0 does not count.
    n_facilities, method, conditions, gap, time_limit_s
        As for :func:`max_covering`; the time limit holds for each step.
    """
    weights = np.ones(costs_of(cost_matrix).n_demand) if demand is None else demand
    costs, weights, rules = _question(cost_matrix, weights, n_facilities, conditions, None)
    check_reach(costs, weights)
    return center(costs.of_rows(np.flatnonzero(weights > 0)).scaled(weights[weights > 0]), costs, rules,
                  is_exact=_is_exact(method, costs, AUTO_CENTER), gap=gap, time_limit_s=time_limit_s)


def set_covering(cost_matrix: Any, *, service_radius: float, demand: Floats | None = None, method: Method = "auto",
                 conditions: SideConditions = NO_CONDITIONS, gap: float = MIP_GAP,
                 time_limit_s: float = 600.0) -> LocationSolution:
    """Choose the fewest sites that cover every demand point (LSCP; Toregas 1971), or the cheapest ones.

    Parameters
    ----------
    cost_matrix, service_radius, method, conditions, gap, time_limit_s
        As for :func:`max_covering`. Where ``conditions.site_costs`` is given, the price of new sites is least;
        else their number, existing ones among them.
    demand
        A point of demand 0 need not be covered; None where all must be.

    Raises
    ------
    InfeasibleError
        A demand point has no site within the radius (with the radius that would do), or conditions clash.
    """
    wanted = np.ones(costs_of(cost_matrix).n_demand) if demand is None else demand
    costs, wanted, rules = _question(cost_matrix, wanted, None, conditions, service_radius, needs_number=False)
    check_reach(costs, wanted, service_radius)
    price = np.ones(costs.n_sites) if conditions.site_costs is None else rules.price
    return set_cover(costs, wanted > 0, service_radius, price, rules,
                     is_exact=_is_exact(method, costs, AUTO_SET), gap=gap, time_limit_s=time_limit_s)


def p_dispersion(site_distances: Floats, *, n_facilities: int, method: Method = "auto",
                 conditions: SideConditions = NO_CONDITIONS, gap: float = MIP_GAP,
                 time_limit_s: float = 600.0) -> LocationSolution:
    """Choose sites whose nearest two are as far apart as can be (Kuby 1987).

    Parameters
    ----------
    site_distances
        Sites x sites; the lesser of both directions counts.
    n_facilities
        At least 2.
    method, conditions, gap, time_limit_s
        As for :func:`max_covering`; second cover does not apply.
    """
    between = np.asarray(site_distances, dtype=np.float64)
    if between.ndim != 2 or between.shape[0] != between.shape[1] or n_facilities < 2:
        raise UsageError(
            f"p-dispersion needs a square matrix of distances and 2 sites or more, not {between.shape}, {n_facilities}",
            f"最大分散模型需要距离方阵且至少 2 个点；当前为 {between.shape} 与 {n_facilities}")
    between = np.minimum(between, between.T)
    costs, _, rules = _question(between, np.ones(len(between)), n_facilities, conditions, None)
    return dispersion(between, costs, rules, is_exact=_is_exact(method, costs, AUTO_DISPERSION), gap=gap,
                      time_limit_s=time_limit_s)


def capacitated_p_median(cost_matrix: Any, demand: Floats, *, capacity: Floats, n_facilities: int | None = None,
                         method: Method = "auto", conditions: SideConditions = NO_CONDITIONS, gap: float = 1e-6,
                         time_limit_s: float = 600.0) -> LocationSolution:
    """Choose sites of least total cost where no site serves more demand than it holds; each point has one site.

    Parameters
    ----------
    capacity
        Most demand per site, in the unit of ``demand``.
    cost_matrix, demand, n_facilities, method, conditions, gap, time_limit_s
        As for :func:`p_median`. ``fast`` chooses sites without regard to who fits where, then assigns exactly.

    Raises
    ------
    InfeasibleError
        Capacity is too small (with how much is missing and how many sites would do), or conditions clash.
    """
    costs, demand, rules = _question(cost_matrix, demand, n_facilities, conditions, None)
    check_reach(costs, demand)
    return capacitated_median(costs, demand, _capacity(capacity, costs), rules,
                              is_exact=_is_exact(method, costs, AUTO_CAPACITY), gap=gap, time_limit_s=time_limit_s)


def capacitated_max_covering(cost_matrix: Any, demand: Floats, *, capacity: Floats, service_radius: float,
                             n_facilities: int | None = None, method: Method = "auto",
                             conditions: SideConditions = NO_CONDITIONS, gap: float = 1e-6,
                             time_limit_s: float = 600.0) -> LocationSolution:
    """Choose sites that cover the most demand where no site serves more than it holds; each point has one site.

    Parameters
    ----------
    capacity
        Most demand per site, in the unit of ``demand``.
    cost_matrix, demand, service_radius, n_facilities, method, conditions, gap, time_limit_s
        As for :func:`max_covering`.
    """
    costs, demand, rules = _question(cost_matrix, demand, n_facilities, conditions, service_radius)
    return capacitated_covering(costs, demand, service_radius, _capacity(capacity, costs), rules,
                                is_exact=_is_exact(method, costs, AUTO_CAPACITY), gap=gap, time_limit_s=time_limit_s)


def capacitated_set_covering(cost_matrix: Any, demand: Floats, *, capacity: Floats, service_radius: float,
                             conditions: SideConditions = NO_CONDITIONS, gap: float = 1e-6,
                             time_limit_s: float = 600.0) -> LocationSolution:
    """Choose the fewest (or cheapest) sites that serve all demand within a radius and hold it.

    Parameters
    ----------
    capacity
        Most demand per site, in the unit of ``demand``.
    cost_matrix, demand, service_radius, conditions, gap, time_limit_s
        As for :func:`set_covering`; there is one way only, the exact one.
    """
    costs, demand, rules = _question(cost_matrix, demand, None, conditions, service_radius, needs_number=False)
    check_reach(costs, demand, service_radius)
    price = np.ones(costs.n_sites) if conditions.site_costs is None else rules.price
    return capacitated_set(costs, demand, service_radius, _capacity(capacity, costs), price, rules, gap=gap,
                           time_limit_s=time_limit_s)


def _is_exact(method: Method, costs: Costs, most: int) -> bool:
    return method == "exact" or (method == "auto" and costs.n_demand * costs.n_sites <= most)


def _capacity(capacity: Floats, costs: Costs) -> Floats:
    array = np.asarray(capacity, dtype=np.float64)
    if array.shape != (costs.n_sites,) or not (array >= 0).all():
        raise UsageError(f"capacity needs {costs.n_sites} values of 0 or more, one per site",
                         f"容量应为 {costs.n_sites} 个不小于 0 的值，每个候选点一个")
    return array


def _question(cost_matrix: Any, demand: Floats, n_facilities: int | None, conditions: SideConditions,
              service_radius: float | None, *, needs_number: bool = True) -> tuple[Costs, Floats, SiteRules]:
    """Check what the caller gives."""
    costs = costs_of(cost_matrix)
    weights = np.asarray(demand, dtype=np.float64)
    if weights.shape != (costs.n_demand,) or not ((weights >= 0) & (weights < np.inf)).all():
        raise UsageError(f"demand needs {costs.n_demand} finite values of 0 or more, one per row of the cost matrix",
                         f"需求量应为 {costs.n_demand} 个不小于 0 的有限值，与成本矩阵的行一一对应")
    if needs_number and n_facilities is None and conditions.budget is None:
        raise UsageError("give n_facilities, or a budget with the cost of each site",
                         "请给出 n_facilities，或预算与各点费用")
    rules = site_rules(conditions, costs, n_facilities, service_radius)
    check_rules(rules)
    check_backup(rules, costs)
    return costs, weights, rules


def _solved(fast: FastSearch, method: Method, gap: float, time_limit_s: float,
            median: tuple[Costs, Floats] | None = None) -> ExactAnswer:
    return _searched(fast, method, gap, time_limit_s, median, None, None)[0]


def _searched(fast: FastSearch, method: Method, gap: float, time_limit_s: float,
              median: tuple[Costs, Floats] | None, start: Ints | None,
              known: Relaxation | None) -> tuple[ExactAnswer, Relaxation | None]:
    """Search, and prove the rest where the method asks for it."""
    if method == "quick":
        begun = fast.construct(start)
        chosen, value = fast.improved(_any_choice(fast) if begun is None else begun)
        # Nothing can be better than to leave nothing open: the bound that costs nothing.
        return ExactAnswer(chosen, value, 0.0, "Heuristic"), known
    enough = max(gap, FAST_GAP) if method == "fast" else gap
    answer = search(fast, enough, _any_choice, start, known)
    if median is not None and not (median[0].of_chosen(answer.chosen)[1][median[1] > 0] < np.inf).all():
        answer = search(fast, enough, _serving_choice, _serving_choice(fast), answer.relaxation)
    proven = answer.value - answer.relaxation.bound <= fast.gap_of(answer.value, gap)
    if not proven and method != "fast":
        core = core_of(fast, answer, median)
        if method == "exact" or core.size <= AUTO_SIZE:
            found = solve_core(fast, core, answer, fast.gap_of(answer.value, gap), time_limit_s)
            return found, answer.relaxation
    return _as_it_is(answer), answer.relaxation


def _as_it_is(answer: FastAnswer) -> ExactAnswer:
    return ExactAnswer(answer.chosen, answer.value, answer.relaxation.bound, "Bounded")


def _any_choice(fast: FastSearch) -> Ints:
    """Choose under the rules alone, by what each site saves on its own."""
    return _ruled_choice(fast, covers_all=False)


def _serving_choice(fast: FastSearch) -> Ints:
    """Choose so that every demand point is served."""
    return _ruled_choice(fast, covers_all=True)


def _ruled_choice(fast: FastSearch, *, covers_all: bool) -> Ints:
    further = cover_rows(fast.reach) if covers_all else []
    gain = fast.state(np.zeros(0, dtype=np.int64)).gain
    found = best_choice(fast.rules.rows() + further, fast.rules, gain / max(float(gain.max(initial=0.0)), 1e-300),
                        gap=0.05)
    if not len(found.x):
        raise explained(fast.rules, further)
    return np.flatnonzero(found.x > 0.5)


def _shortened(fast: FastSearch, chosen: Ints, costs: Costs, demand: Floats) -> Ints:
    """Lower the demand-weighted cost by swaps that keep the coverage."""
    share = fast.reach.n_sites // len(chosen)
    reach = median_reach(costs, demand, min(fast.reach.n_sites, max(LEAST_LISTED, LISTED_PER_SHARE * share)))
    return fast.shortened(chosen, FastSearch(reach, fast.rules))
