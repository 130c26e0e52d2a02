"""Location models in which a site serves no more demand than it holds and each demand point has one site."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from gis.errors import InfeasibleError, SitingToolError
from siting.linear_programs import LinearProgram, solve
from siting.location_conditions import SiteRules
from siting.location_costs import Costs, Entries, Floats, Ints, covering_reach, median_reach
from siting.location_exact import best_choice, program_of
from siting.location_fast import FastSearch, search
from siting.location_infeasible import explained
from siting.location_solution import LocationSolution, capacitated_solution, check, solution


@dataclass(frozen=True, eq=False, slots=True)
class _Assigned:
    """Chosen sites, the site of each demand point, a bound on the reward and the solver's word."""

    chosen: Ints
    assignment: Ints
    bound: float
    status: str


def capacitated_median(costs: Costs, demand: Floats, capacity: Floats, rules: SiteRules, *, is_exact: bool,
                       gap: float, time_limit_s: float) -> LocationSolution:
    """Serve all demand at least cost."""
    _check_capacity(demand, capacity, rules)
    pairs = costs.within(np.where(demand > 0, np.inf, -1.0)).where_fits(demand, capacity)
    _check_fit(pairs, demand, capacity)
    fast = FastSearch(median_reach(costs, demand, costs.n_sites), rules)
    answer = search(fast, gap, lambda f: _choice_with_room(f, capacity))
    reward = -pairs.cost * demand[pairs.row]
    found = _assign(pairs, demand, capacity, rules, reward, answer.chosen, must_serve=True, is_exact=is_exact,
                    gap=gap, time_limit_s=time_limit_s)
    capacitated_solution(costs, demand, capacity, rules, found.chosen, found.assignment)
    served = np.flatnonzero(found.assignment >= 0)
    check(len(served) == int((demand > 0).sum()), "demand is not served", "有需求点未被服务")
    value = float((demand[served] * _cost_at(pairs, found.assignment)[served]).sum())
    bound = max(answer.relaxation.bound, -found.bound)
    return solution(found.chosen, found.assignment, value, bound, objective="MIN", gap=gap, status=found.status)


def capacitated_covering(costs: Costs, demand: Floats, radius: float, capacity: Floats, rules: SiteRules, *,
                         is_exact: bool, gap: float, time_limit_s: float) -> LocationSolution:
    """Serve the most demand within the radius."""
    pairs = costs.within(np.where(demand > 0, radius, -1.0)).where_fits(demand, capacity)
    fast = FastSearch(covering_reach(costs, demand, radius), rules)
    answer = search(fast, gap, lambda f: _choice_with_room(f, capacity))
    found = _assign(pairs, demand, capacity, rules, demand[pairs.row], answer.chosen, must_serve=False,
                    is_exact=is_exact, gap=gap, time_limit_s=time_limit_s)
    capacitated_solution(costs, demand, capacity, rules, found.chosen, found.assignment)
    served = np.flatnonzero(found.assignment >= 0)
    check(bool((_cost_at(pairs, found.assignment)[served] <= radius).all()), "a site serves beyond the radius",
          "有点位超出服务半径")
    bound = min(fast.reach.total - answer.relaxation.bound, found.bound)
    return solution(found.chosen, found.assignment, float(demand[served].sum()), bound, objective="MAX", gap=gap,
                    status=found.status)


def capacitated_set(costs: Costs, needed: Floats, radius: float, capacity: Floats, price: Floats, rules: SiteRules, *,
                    gap: float, time_limit_s: float) -> LocationSolution:
    """Serve all demand within the radius at the least price of sites."""
    _check_capacity(needed, capacity, rules)
    pairs = costs.within(np.where(needed > 0, radius, -1.0)).where_fits(needed, capacity)
    _check_fit(pairs, needed, capacity)
    found = _assign(pairs, needed, capacity, rules, np.zeros(len(pairs.site)), np.zeros(0, dtype=np.int64),
                    must_serve=True, is_exact=True, gap=gap, time_limit_s=time_limit_s, site_reward=-price)
    capacitated_solution(costs, needed, capacity, rules, found.chosen, found.assignment)
    served = np.flatnonzero(found.assignment >= 0)
    check(len(served) == int((needed > 0).sum()), "demand is not served", "有需求点未被服务")
    return solution(found.chosen, found.assignment, float(price[found.chosen].sum()), max(0.0, -found.bound),
                    objective="MIN", gap=gap, status=found.status)


def _assign(pairs: Entries, demand: Floats, capacity: Floats, rules: SiteRules, reward: Floats, known: Ints, *,
            must_serve: bool, is_exact: bool, gap: float, time_limit_s: float,
            site_reward: Floats | None = None) -> _Assigned:
    """Choose sites and assign demand for the greatest reward.

    The fast way keeps the known sites and assigns exactly; where demand does not fit there, all is solved.
    """
    of_sites = np.zeros(rules.n_sites) if site_reward is None else site_reward
    every = np.concatenate([of_sites, reward])
    scale = float(np.abs(every).max(initial=0.0)) or 1.0
    start: Floats | None = None
    if len(pairs.site) and len(known):
        fixed = _program(pairs, demand, capacity, rules, every / scale, must_serve=must_serve, known=known)
        kept = solve(fixed, gap=gap, time_limit_s=time_limit_s)
        if len(kept.x):
            start = kept.x
            if not is_exact:
                return _read(kept.x, pairs, rules, np.inf, "Bounded")
    found = solve(_program(pairs, demand, capacity, rules, every / scale, must_serve=must_serve), gap=gap,
                  time_limit_s=time_limit_s, start=start)
    if not len(found.x):
        if found.solver_status != "Infeasible":
            raise SitingToolError("no answer was found within the time limit; allow more time or a smaller question",
                                  "在时限内未找到可行解；请延长时限或缩小问题规模")
        raise _clash(pairs, demand, capacity, rules)
    return _read(found.x, pairs, rules, found.bound * scale, found.solver_status)


def _program(pairs: Entries, demand: Floats, capacity: Floats, rules: SiteRules, reward: Floats, *,
             must_serve: bool, known: Ints | None = None) -> LinearProgram:
    """Return the model: one column per site, then one per pair; rows per demand point, per pair and per site.

    ``reward`` is per column.
    """
    n_sites, n_pairs, n_points = rules.n_sites, len(pairs.site), len(pairs.start) - 1
    row, column = pairs.row, n_sites + np.arange(n_pairs)
    used = np.flatnonzero(pairs.counts > 0)
    place = np.zeros(n_points, dtype=np.int64)
    place[used] = np.arange(len(used))
    at_pair, at_site = len(used) + np.arange(n_pairs), len(used) + n_pairs + np.arange(n_sites)
    matrix = (
        np.concatenate([place[row], at_pair, at_pair, at_site[pairs.site], at_site]),
        np.concatenate([column, column, pairs.site, column, np.arange(n_sites)]),
        np.concatenate([np.ones(2 * n_pairs), np.full(n_pairs, -1.0), demand[row], -capacity]),
        np.concatenate([np.full(len(used), 1.0 if must_serve else 0.0), np.full(n_pairs + n_sites, -np.inf)]),
        np.concatenate([np.ones(len(used)), np.zeros(n_pairs + n_sites)]))
    lower = np.concatenate([rules.existing, np.zeros(n_pairs)]).astype(np.float64)
    upper = np.ones(n_sites + n_pairs)
    if known is not None:
        lower[known] = 1.0
        upper[:n_sites] = lower[:n_sites]
    return program_of(rules.rows(), reward, lower, upper, n_sites + n_pairs,
                      matrix)


def _read(x: Floats, pairs: Entries, rules: SiteRules, bound: float, status: str) -> _Assigned:
    taken = x[rules.n_sites:] > 0.5
    assignment = np.full(len(pairs.start) - 1, -1)
    assignment[pairs.row[taken]] = pairs.site[taken]
    return _Assigned(np.flatnonzero(x[:rules.n_sites] > 0.5), assignment, bound, status)


def _cost_at(pairs: Entries, assignment: Ints) -> Floats:
    """Return the cost of each demand point at its site; infinity where it has none."""
    cost = np.full(len(assignment), np.inf)
    taken = assignment[pairs.row] == pairs.site
    cost[pairs.row[taken]] = pairs.cost[taken]
    return cost


def _check_capacity(demand: Floats, capacity: Floats, rules: SiteRules) -> None:
    """Raise where the largest sites together hold less than the demand."""
    total, largest = float(demand.sum()), np.sort(capacity)[::-1]
    n = rules.n_sites if rules.n_open is None else rules.n_open
    held = float(largest[:n].sum())
    if held >= total * (1 - 1e-12):
        return
    enough = np.flatnonzero(np.cumsum(largest) >= total)
    if len(enough):
        remedy_en, remedy_zh = f"{enough[0] + 1} sites would do", f"{enough[0] + 1} 个可以满足"
    else:
        remedy_en, remedy_zh = "add sites or capacity", "请补充点位或扩容"
    raise InfeasibleError(
        f"demand is {total:g} and the {n} largest sites hold {held:g}: {total - held:g} too little; {remedy_en}",
        f"需求合计 {total:g}，最大的 {n} 个点位合计容量 {held:g}，缺 {total - held:g}；{remedy_zh}")


def _check_fit(pairs: Entries, demand: Floats, capacity: Floats) -> None:
    """Raise where a demand point is larger than every site that can reach it."""
    short = np.flatnonzero((demand > 0) & (pairs.counts == 0))
    if len(short):
        worst = int(short[np.argmax(demand[short])])
        raise InfeasibleError(
            f"the demand {demand[worst]:g} of demand point (row) {worst} is more than any site that reaches it holds "
            f"({capacity.max():g} at most anywhere); split the demand point or raise capacity",
            f"需求点（行号 {worst}）的需求 {demand[worst]:g} 超过任何可达点位的容量（最大 {capacity.max():g}）；"
            "请拆分该需求点或扩容")


def _choice_with_room(fast: FastSearch, capacity: Floats) -> Ints:
    """Choose the largest sites that the rules allow."""
    found = best_choice(fast.rules.rows(), fast.rules, capacity / max(float(capacity.max()), 1e-300), gap=1e-6)
    if not len(found.x):
        raise explained(fast.rules, [])
    return np.flatnonzero(found.x > 0.5)


def _clash(pairs: Entries, demand: Floats, capacity: Floats, rules: SiteRules) -> InfeasibleError:
    """Tell what is in the way where the totals would do: capacity where the demand lies, under the rules."""
    if rules.n_open is not None:
        freed = replace(rules, n_open=None)
        fewest = np.concatenate([np.full(rules.n_sites, -1.0), np.zeros(len(pairs.site))])
        found = solve(_program(pairs, demand, capacity, freed, fewest, must_serve=True), gap=1e-6, time_limit_s=60.0)
        if len(found.x):
            least = round(float(found.x[:rules.n_sites].sum()))
            if least > rules.n_open:
                return InfeasibleError(
                    f"{rules.n_open} sites cannot serve all demand without splitting a demand point; {least} would do",
                    f"{rules.n_open} 个点位无法在不拆分需求点的前提下满足全部需求；{least} 个可以满足")
    return InfeasibleError(
        "demand does not fit: each demand point has one site, and the sites that the conditions allow hold too little "
        "where it lies; raise capacity, split large demand points or relax a condition",
        "需求无法安排：每个需求点只归一个点位，而条件允许的点位在需求所在处容量不足；请扩容、拆分大需求点或放宽条件")
