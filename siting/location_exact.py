"""The exact way: the radius formulation cut down by reduced costs, straight into HiGHS.

Of each demand point only the levels of cost that a better answer can use become variables (Cornuejols, Nemhauser
and Wolsey 1980; Elloumi 2010): one per distinct cost, true where no site at that cost or less is chosen. Sites whose
reduced cost alone lifts the Lagrangian bound over the best known value are left out, and those that cannot
be missed are fixed.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from siting.linear_programs import LinearProgram, Optimum, solve
from siting.location_conditions import RuleRow, SiteRules
from siting.location_costs import Bools, Costs, Entries, Floats, Ints, Reach
from siting.location_fast import FastAnswer, FastSearch

ROUNDING = 1e-7
"""Share of a value by which rounding may move it; nothing is left out within this."""


@dataclass(frozen=True, eq=False, slots=True)
class Core:
    """What is left of a model: every answer better than the known one is in it."""

    entries: Entries
    """Pairs of demand points and sites, by cost."""
    weight: Floats
    may_miss: Bools
    """Per demand point: it may go unserved, at ``unserved``."""
    unserved: Floats
    closed: Bools
    """Per site: no better answer opens it."""
    opened: Bools
    """Per site: every better answer opens it."""

    @property
    def size(self) -> int:
        """Sites left times levels of cost left: how hard it looks."""
        row, cost = self.entries.row, self.entries.cost
        levels = int(((row[1:] != row[:-1]) | (cost[1:] != cost[:-1])).sum()) + 1
        return int((~self.closed & ~self.opened).sum()) * levels


@dataclass(frozen=True, eq=False, slots=True)
class ExactAnswer:
    """A choice with its proven bound and the solver's word."""

    chosen: Ints
    value: float
    bound: float
    status: str


def core_of(fast: FastSearch, answer: FastAnswer, median: tuple[Costs, Floats] | None) -> Core:
    """Leave out what no better answer can use.

    Parameters
    ----------
    fast, answer
        The model and what is known of it.
    median
        Costs and demand where everything must be served (p-median), from which lists that were cut are made
        long enough; None for covering.
    """
    bound, price, selected = fast.reduced_costs(answer.relaxation)
    room = max(answer.value - bound, 0.0) + ROUNDING * max(1.0, abs(answer.value))
    free = selected & ~fast.rules.existing
    highest, lowest = price[free].max(initial=-np.inf), price[~selected].min(initial=np.inf)
    if fast.rules.n_open is None:
        highest, lowest = max(highest, 0.0), min(lowest, 0.0)
    closed = ~selected & (price - highest > room)
    opened = fast.rules.existing | (free & (lowest - price > room))
    limit = answer.relaxation.multiplier + room
    reach = fast.reach
    if median is None:
        entries, may_miss = reach.entries, reach.weight * reach.unserved <= limit
    else:
        costs, demand = median
        entries = costs.of_rows(np.flatnonzero(demand > 0)).within(limit / reach.weight)
        may_miss = np.zeros(len(reach.weight), dtype=np.bool_)
    return Core(entries.where(~closed[entries.site]), reach.weight, may_miss, reach.unserved, closed, opened)


def solve_core(fast: FastSearch, core: Core, answer: FastAnswer, gap: float, time_limit_s: float) -> ExactAnswer:
    """Solve what is left, beginning from the known answer.

    Parameters
    ----------
    gap
        How far from proven the answer may be, in the unit of the value.
    """
    program, fixed_value, scale, start = radius_program(core, fast.rules, answer.chosen)
    left = max(answer.value - fixed_value, 1e-300)
    found = solve(program, gap=min(gap / left, 1.0), time_limit_s=time_limit_s, start=start)
    chosen, value = answer.chosen, answer.value
    if len(found.x):
        other = chosen_sites(found, fast.rules)
        other_value = fast.value_of(fast.state(other))
        if other_value < value and not fast.rules.breaches(other):
            chosen, value = other, other_value
    proven = answer.relaxation.bound
    if np.isfinite(found.bound):
        slack = 1e-9 * max(1.0, abs(value))
        proven = max(proven, min(value, fast.rounded(fixed_value - found.bound * scale - slack, value)))
    return ExactAnswer(chosen, value, proven, found.solver_status)


def chosen_sites(found: Optimum, rules: SiteRules) -> Ints:
    """Return the sites that a solver opened, ascending."""
    y = found.x[:rules.n_sites]
    if rules.n_open is None:
        return np.flatnonzero(y > 0.5)
    return np.sort(np.argsort(-y, kind="stable")[:rules.n_open])


def radius_program(core: Core, rules: SiteRules, known: Ints) -> tuple[LinearProgram, float, float, Floats]:
    """Return the program, the value outside it, the scale of its objective, and the known answer in its columns."""
    entries, n_sites = core.entries, rules.n_sites
    row, starts = entries.row, np.zeros(len(entries.site), dtype=np.bool_)
    starts[entries.start[:-1][entries.counts > 0]] = True
    new = starts.copy()
    new[1:] |= entries.cost[1:] != entries.cost[:-1]
    level = np.cumsum(new) - 1
    of_row, cost, is_first = row[new], entries.cost[new], starts[new]
    is_last = np.append(is_first[1:], True)[:len(cost)]
    has_miss = ~is_last | core.may_miss[of_row]
    after = np.where(is_last, core.unserved[of_row], np.append(cost[1:], 0.0)[:len(cost)])
    column = np.where(has_miss, n_sites + np.cumsum(has_miss) - 1, -1)
    price = (core.weight[of_row] * (after - cost))[has_miss]
    scale = float(price.max(initial=1.0))
    own, chained = np.flatnonzero(has_miss), np.flatnonzero(~is_first)
    matrix = (np.concatenate([level, own, chained]), np.concatenate([entries.site, column[own], column[chained - 1]]),
              np.concatenate([np.ones(len(level) + len(own)), np.full(len(chained), -1.0)]))
    lower, upper = np.zeros(n_sites + len(own)), np.ones(n_sites + len(own))
    lower[:n_sites], upper[:n_sites] = core.opened, ~core.closed
    program = program_of(rules.rows(), np.concatenate([np.zeros(n_sites), -price / scale]), lower, upper, n_sites,
                         (*matrix, is_first.astype(np.float64), np.full(len(cost), np.inf)))
    is_open = np.zeros(n_sites, dtype=np.bool_)
    is_open[known] = True
    met = np.bincount(level, weights=is_open[entries.site], minlength=len(cost)) > 0
    before = np.cumsum(met)
    base = np.where(is_first, before - met, 0)
    missed: Bools = before == np.maximum.accumulate(base)
    start = np.concatenate([is_open, missed[has_miss]]).astype(np.float64)
    unlisted = entries.counts == 0
    fixed_value = float((core.weight[of_row] * cost)[is_first].sum() + (core.weight * core.unserved)[unlisted].sum())
    return program, fixed_value, scale, start


def program_of(rule_rows: list[RuleRow], reward: Floats, lower: Floats, upper: Floats, n_integer: int,
               matrix: tuple[Ints, Ints, Floats, Floats, Floats] | None = None) -> LinearProgram:
    """Join rules over the first columns with the rows of a model.

    Parameters
    ----------
    n_integer
        How many columns, from the first, are whole.
    matrix
        Row, column and value of each entry, lower and upper bound of each row.
    """
    rows, columns, values, row_lower, row_upper = matrix or (
        np.zeros(0, dtype=np.int64), np.zeros(0, dtype=np.int64), np.zeros(0), np.zeros(0), np.zeros(0))
    at = len(row_lower) + np.arange(len(rule_rows))
    return LinearProgram(
        reward=reward, lower=lower, upper=upper,
        row_lower=np.concatenate([row_lower, [r.lower for r in rule_rows]]),
        row_upper=np.concatenate([row_upper, [r.upper for r in rule_rows]]),
        rows=np.concatenate([rows, *(np.full(len(r.site), i) for i, r in zip(at, rule_rows, strict=True))]).astype(int),
        columns=np.concatenate([columns, *(r.site for r in rule_rows)]).astype(int),
        values=np.concatenate([values, *(r.value for r in rule_rows)]).astype(np.float64),
        is_integer=np.arange(len(reward)) < n_integer)


def cover_rows(reach: Reach) -> list[RuleRow]:
    """Return the rule that each demand point has a chosen site on its list."""
    start = reach.entries.start
    return [RuleRow("cover", reach.entries.site[a:b], np.ones(b - a), 1.0, np.inf)
            for a, b in pairwise(start)]


def best_choice(rows: list[RuleRow], rules: SiteRules, reward: Floats, time_limit_s: float = 600.0, gap: float = 1e-9,
                start: Floats | None = None, is_integer: bool = True) -> Optimum:
    """Choose sites of the greatest total reward under rules alone; ``x`` is empty where there is no choice."""
    n = rules.n_sites
    program = program_of(rows, reward, rules.existing.astype(np.float64), np.ones(n), n if is_integer else 0)
    return solve(program, gap=gap, time_limit_s=time_limit_s, start=start)
