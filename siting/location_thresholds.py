"""Models that are a chain of yes-or-no questions: p-center and p-dispersion by bisection, and set covering."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from siting.linear_programs import Optimum
from siting.location_conditions import SiteRules
from siting.location_costs import Bools, Costs, Floats, Ints, covering_reach
from siting.location_exact import best_choice, cover_rows
from siting.location_fast import FastSearch
from siting.location_infeasible import explained
from siting.location_solution import (
    LocationSolution,
    center_solution,
    check_rules_kept,
    set_solution,
    solution,
)

Verdict = tuple[bool | None, Ints]
"""Whether a threshold can be met (None: not decided), and the choice that meets it."""

NOBODY = np.zeros(0, dtype=np.int64)


def center(weighted: Costs, costs: Costs, rules: SiteRules, *, is_exact: bool, gap: float,
           time_limit_s: float) -> LocationSolution:
    """Solve p-center over the weighted costs of the demand points that count."""

    def ask(radius: float) -> Verdict:
        return _covers_all(weighted, rules, radius, is_exact=is_exact, time_limit_s=time_limit_s)

    cheapest = float(weighted.cheapest(0).max())
    values = _distinct(weighted, cheapest)
    found = ask(float(values[-1]))
    if found[0] is not True:
        found = _anywhere(weighted, rules, float(values[-1]))
    values = values[values <= _worst(weighted, found[1])]
    low, chosen = _bisected(values, ask, found[1], lambda c: _worst(weighted, c), gap)
    return center_solution(weighted, costs, rules, chosen, low, gap=gap, status="Bounded")


def _distinct(weighted: Costs, least: float) -> Floats:
    """Return the distinct finite costs not below ``least``, ascending."""
    entries = weighted.dense if weighted.dense is not None else weighted.within(np.full(weighted.n_demand, np.inf)).cost
    return np.unique(entries[(entries >= least) & (entries < np.inf)])


def _worst(weighted: Costs, chosen: Ints) -> float:
    return float(weighted.of_chosen(chosen)[1].max())


def _anywhere(weighted: Costs, rules: SiteRules, radius: float) -> Verdict:
    """Find any choice that reaches all demand, or raise with the reason why there is none."""
    further = cover_rows(covering_reach(weighted, np.ones(weighted.n_demand), radius))
    found = best_choice(rules.rows() + further, rules, np.zeros(rules.n_sites))
    if not len(found.x):
        raise explained(rules, further)
    return True, np.flatnonzero(found.x > 0.5)


def _covers_all(weighted: Costs, rules: SiteRules, radius: float, *, is_exact: bool, time_limit_s: float) -> Verdict:
    """Decide whether a choice covers every demand point within the radius.

    Maximal covering answers first: nothing left uncovered is a yes, and a bound above nothing is a no.
    """
    fast = FastSearch(covering_reach(weighted, np.ones(weighted.n_demand), radius), rules)
    if fast.reach.weight.sum() < weighted.n_demand:
        return False, NOBODY
    chosen = fast.construct()
    if chosen is not None:
        chosen, missed = fast.improved(chosen)
        if missed > 0.5:
            relaxation = fast.raised(fast.first_relaxation(chosen), missed, missed - 0.5)
            if relaxation.bound > 0.5:
                return False, NOBODY
            chosen, missed = fast.wandered(chosen, missed)
        if missed < 0.5:
            return True, chosen
    if not is_exact:
        return None, NOBODY
    return _decided(best_choice(rules.rows() + cover_rows(fast.reach), rules, np.zeros(rules.n_sites),
                                time_limit_s=time_limit_s))


def _decided(found: Optimum) -> Verdict:
    if len(found.x):
        return True, np.flatnonzero(found.x > 0.5)
    return (False if found.solver_status == "Infeasible" else None), NOBODY


def _bisected(values: Floats, ask: Callable[[float], Verdict], chosen: Ints, worst: Callable[[Ints], float],
              gap: float) -> tuple[float, Ints]:
    """Find the least value that can be met: the least one not proven impossible, and the best choice.

    Two searches: one for the least value met, one for the greatest proven impossible. They meet where every
    question is decided.
    """
    impossible, met = 0, int(np.searchsorted(values, worst(chosen)))
    undecided = met
    low = 0
    while low < met and values[met] > values[impossible] * (1 + gap):
        middle = (low + met) // 2
        verdict, found = ask(float(values[middle]))
        if verdict is True:
            chosen = found
            met = min(middle, int(np.searchsorted(values, worst(found))))
            undecided = min(undecided, met)
        else:
            low = middle + 1
            if verdict is False:
                impossible = low
            else:
                undecided = min(undecided, middle)
    while impossible < undecided:
        middle = (impossible + undecided) // 2
        if ask(float(values[middle]))[0] is False:
            impossible = middle + 1
        else:
            undecided = middle
    return float(values[min(impossible, len(values) - 1)]), chosen


def set_cover(costs: Costs, needed: Bools, radius: float, price: Floats, rules: SiteRules, *, is_exact: bool,
              gap: float, time_limit_s: float) -> LocationSolution:
    """Cover all that is needed at the least price."""
    reach = covering_reach(costs, needed.astype(np.float64), radius)
    rows = rules.rows() + cover_rows(reach)
    scale = float(price.max(initial=0.0)) or 1.0
    greedy = _greedy_cover(reach.entries.row, reach.entries.site, len(reach.weight), price, rules)
    start = None if rules.breaches(greedy) else np.isin(np.arange(rules.n_sites), greedy).astype(np.float64)
    whole = bool((price == np.round(price)).all())
    found = best_choice(rows, rules, -price / scale, time_limit_s=time_limit_s, gap=gap, start=start,
                        is_integer=is_exact)
    if found.solver_status == "Infeasible":
        raise explained(rules, cover_rows(reach))
    bound, status = -found.bound * scale, found.solver_status
    if is_exact and len(found.x):
        chosen = np.flatnonzero(found.x > 0.5)
    elif start is not None:
        chosen, status = greedy, "Bounded"
    else:
        mixed = best_choice(rows, rules, -price / scale, time_limit_s=time_limit_s, gap=0.05)
        if not len(mixed.x):
            raise explained(rules, cover_rows(reach))
        chosen, status = np.flatnonzero(mixed.x > 0.5), "Bounded"
    bound = float(np.ceil(bound - 1e-6)) if whole else bound - 1e-9 * max(1.0, abs(bound))
    return set_solution(costs, needed, radius, price, rules, chosen, max(bound, 0.0), gap=gap, status=status)


def _greedy_cover(row: Ints, site: Ints, n_rows: int, price: Floats, rules: SiteRules) -> Ints:
    """Open what covers most per price until all is covered, then close what is not needed (Chvatal 1979)."""
    is_open, uncovered = rules.existing.copy(), np.ones(n_rows, dtype=np.bool_)
    uncovered[row[is_open[site]]] = False
    while uncovered.any():
        gain = np.bincount(site[uncovered[row]], minlength=rules.n_sites) / np.maximum(price, 1e-12)
        best = int(np.argmax(gain))
        is_open[best] = True
        uncovered[row[site == best]] = False
    covers = np.bincount(row[is_open[site]], minlength=n_rows)
    for one in np.flatnonzero(is_open & ~rules.existing)[::-1]:
        of_one = row[site == one]
        if (covers[of_one] > 1).all():
            is_open[one] = False
            covers[of_one] -= 1
    return np.flatnonzero(is_open)


def dispersion(between: Floats, costs: Costs, rules: SiteRules, *, is_exact: bool, gap: float,
               time_limit_s: float) -> LocationSolution:
    """Solve p-dispersion: the greatest threshold under which enough sites are pairwise apart."""

    def ask(threshold: float) -> Verdict:
        return _apart(between, rules, -threshold, is_exact=is_exact, time_limit_s=time_limit_s)

    def worst(chosen: Ints) -> float:
        return -_least_distance(between, chosen)

    first = best_choice(rules.rows(), rules, np.zeros(rules.n_sites))
    if not len(first.x):
        raise explained(rules, [])
    chosen = np.flatnonzero(first.x > 0.5)
    values = np.unique(-between[np.triu_indices(len(between), 1)])
    low, chosen = _bisected(values[values <= worst(chosen)], ask, chosen, worst, 0.0)
    value = _least_distance(between, chosen)
    check_rules_kept(chosen, rules)
    nearest, _ = costs.of_chosen(chosen)
    return solution(chosen, nearest, value, -low, objective="MAX", gap=gap, status="Bounded")


def _least_distance(between: Floats, chosen: Ints) -> float:
    return float(between[np.ix_(chosen, chosen)][np.triu_indices(len(chosen), 1)].min())


def _apart(between: Floats, rules: SiteRules, threshold: float, *, is_exact: bool, time_limit_s: float) -> Verdict:
    """Decide whether a choice keeps every two sites at least a threshold apart.

    Of a set of sites that are all too close to each other at most one is chosen, so that fewer sets than sites
    to choose are a no.
    """
    close = between < threshold
    np.fill_diagonal(close, val=False)
    spread = _spread(between, rules)
    if spread is not None and _least_distance(between, spread) >= threshold:
        return True, spread
    if rules.n_open is not None and _n_groups(close) < rules.n_open:
        return False, NOBODY
    if not is_exact:
        return None, NOBODY
    trial = replace(rules, conflicts=close | rules.conflicts if rules.conflicts.size else close)
    return _decided(best_choice(trial.rows(), rules, np.zeros(rules.n_sites), time_limit_s=time_limit_s))


def _spread(between: Floats, rules: SiteRules) -> Ints | None:
    """Add the site farthest from the chosen ones until there are enough; None where that breaks a rule."""
    chosen = np.flatnonzero(rules.existing)
    if not len(chosen):
        chosen = np.array([int(np.argmax(between.sum(axis=1)))])
    while len(chosen) < (rules.n_open or 0):
        apart = between[chosen].min(axis=0)
        apart[chosen] = -1.0
        chosen = np.append(chosen, int(np.argmax(apart)))
    return None if rules.breaches(chosen) else chosen


def _n_groups(close: Bools) -> int:
    """Count the sets of pairwise close sites of a greedy partition."""
    left, count = np.ones(len(close), dtype=np.bool_), 0
    for one in range(len(close)):
        if left[one]:
            common = close[one] & left
            left[one] = False
            while common.any():
                other = int(np.argmax(common))
                left[other] = False
                common &= close[other]
            count += 1
    return count
