"""The fast way: construction, vertex substitution, tabu search, and a Lagrangian bound that proves how far it is.

All work is counted in steps, not in seconds, so that the same question has the same answer everywhere.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from siting.location_conditions import RuleRow, SiteRules
from siting.location_costs import Bools, Floats, Ints, Reach

ASCENT_WORK, LEAST_ASCENT, MOST_ASCENT = 40_000_000, 100, 600
"""Pairs per chosen site that the Lagrangian ascent may look at, and bounds on its steps; it ends where it stands."""

SEARCH_WORK, LEAST_SEARCH, MOST_SEARCH = 60_000_000, 60, 2_000
"""Swaps and pairs that the search through worse choices may look at, and bounds on its steps."""

LISTED_PER_SHARE, LEAST_LISTED = 4, 64
"""How many nearest sites a demand point lists: some times as many as there are per chosen site, not fewer than that."""


@dataclass(frozen=True, eq=False, slots=True)
class Relaxation:
    """What the Lagrangian ascent found: a bound and the prices behind it."""

    bound: float
    """No choice has a lower value."""
    multiplier: Floats
    """Per demand point."""
    toll: Floats
    """Per further rule."""


@dataclass(frozen=True, eq=False, slots=True)
class FastAnswer:
    """A choice with its value, and the relaxation that bounds it; values are what goes unserved or is travelled."""

    chosen: Ints
    value: float
    relaxation: Relaxation


class FastSearch:
    """One model with its lists and rules in compiled form; all methods are deterministic."""

    def __init__(self, reach: Reach, rules: SiteRules) -> None:
        self.reach, self.rules = reach, rules
        # Imported when they are needed: numba takes a second.
        from siting import _location_bound_kernels, _location_kernels

        self._do, self._bind = _location_kernels, _location_bound_kernels
        entries = reach.entries
        by_site = self._do.transpose(entries.start, entries.site, entries.cost, reach.n_sites)
        self.lists = self._do.Lists(entries.start, entries.site, entries.cost, reach.weight, reach.unserved, *by_site)
        self.compiled_rules = self._do.Rules(
            rules.existing, rules.conflicts.astype(np.uint8), rules.zone, rules.zone_min, rules.zone_max, rules.price,
            float(rules.budget), rules.backup.astype(np.uint8), np.full(len(rules.backup_rows), 2),
            -1 if rules.n_open is None else rules.n_open)

    @cached_property
    def n_slots(self) -> int:
        """How many sites can be open at most."""
        if self.rules.n_open is not None:
            return self.rules.n_open
        cheapest = np.cumsum(np.sort(self.rules.price))
        return max(1, int(np.searchsorted(cheapest, self.rules.budget * (1 + 1e-9), side="right")))

    @cached_property
    def _pairs_per_slot(self) -> int:
        return 1 + len(self.reach.entries.site) // self.n_slots

    @cached_property
    def tolled(self) -> list[RuleRow]:
        """Rules beyond number and quotas as rows ``sum value * site <= upper``."""
        found = []
        for row in self.rules.rows():
            if row.family in ("spacing", "budget"):
                found.append(row)
            elif row.family == "backup":
                found.append(RuleRow(row.family, row.site, -row.value, -np.inf, -row.lower))
        return found

    @cached_property
    def least(self) -> float:
        """Savings below this are rounding."""
        return 1e-10 * max(self.reach.total, 1e-300)

    def state(self, chosen: Ints) -> Any:
        """Return the tables of a choice."""
        n, n_sites, n_slots = len(self.reach.weight), self.reach.n_sites, self.n_slots
        slots = np.full(n_slots, -1)
        slots[:len(chosen)] = chosen
        state = self._do.State(
            slots, np.full(n_sites, -1), np.full(n, -1), np.full(n, -1), np.empty(n), np.empty(n), np.empty(n_sites),
            np.empty(n_slots), np.empty((n_sites, n_slots)), np.zeros(len(self.rules.zone_min), dtype=np.int64),
            np.zeros(n_sites, dtype=np.int64), np.zeros(len(self.rules.backup_rows), dtype=np.int64), np.zeros(1))
        self._do.reset(self.lists, self.compiled_rules, state)
        return state

    def value_of(self, state: Any) -> float:
        """Return the value of the choice that a state holds."""
        return float((self.reach.weight * state.first).sum())

    def gap_of(self, value: float, gap: float) -> float:
        """Return a relative gap of what is reported in the unit of the value."""
        return gap * (self.reach.total - value if self.reach.is_covering else value)

    def construct(self, start: Ints | None = None) -> Ints | None:
        """Open what saves most, one by one, from a start or what exists; None where the rules end it too early."""
        state = self.state(np.flatnonzero(self.rules.existing) if start is None else start)
        return chosen_of(state) if self._do.construct(self.lists, self.compiled_rules, state) else None

    def improved(self, chosen: Ints) -> tuple[Ints, float]:
        """Swap single sites as long as that saves; the choice must keep to the rules."""
        state = self.state(chosen)
        self._do.improve(self.lists, self.compiled_rules, state, self.least)
        return chosen_of(state), self.value_of(state)

    def wandered(self, chosen: Ints, value: float) -> tuple[Ints, float]:
        """Search on from a choice through worse ones; return the best choice seen."""
        of_one = self.reach.n_sites * self.n_slots + 4 * self._pairs_per_slot
        n_steps = steps(SEARCH_WORK, of_one, LEAST_SEARCH, MOST_SEARCH)
        state = self.state(chosen)
        best = state.slots.copy()
        self._do.wander(self.lists, self.compiled_rules, state, n_steps, value, self.least, best)
        return self.improved(np.sort(best[best >= 0]))

    def shortened(self, chosen: Ints, second: FastSearch) -> Ints:
        """Swap single sites where the second model saves and this one loses nothing."""
        state, second_state = self.state(chosen), second.state(chosen)
        self._do.shorten(self.lists, state, second.lists, second_state, self.compiled_rules, self.least, second.least)
        return chosen_of(state)

    def first_relaxation(self, chosen: Ints) -> Relaxation:
        """Start multipliers halfway between the costs of the nearest and the second chosen site."""
        state = self.state(chosen)
        return Relaxation(0.0, self.reach.weight * (state.first + state.second) / 2.0, np.zeros(len(self.tolled)))

    def raised(self, relaxation: Relaxation, value: float, gap: float) -> Relaxation:
        """Raise the bound until it is as near to ``value`` as ``gap`` (in its unit) or stands still."""
        if value <= gap:
            return Relaxation(0.0, relaxation.multiplier, relaxation.toll)
        multiplier, toll = relaxation.multiplier.copy(), relaxation.toll.copy()
        n_steps = steps(ASCENT_WORK, self._pairs_per_slot, LEAST_ASCENT, MOST_ASCENT)
        enough = max(gap, 1.0 - 1e-6) if self.reach.is_whole else gap
        bound = self._bind.ascend(self.lists, self.compiled_rules, self._rows, multiplier, toll, value, enough, n_steps)
        return Relaxation(max(0.0, self.rounded(bound, value)), multiplier, toll)

    def rounded(self, bound: float, value: float) -> float:
        """Round a bound up where every value is whole; never above a value that was reached."""
        slack = 1e-9 * max(1.0, abs(bound))
        return min(value, float(np.ceil(bound - 1e-6)) if self.reach.is_whole else bound - slack)

    def reduced_costs(self, relaxation: Relaxation) -> tuple[float, Floats, Bools]:
        """Return the plain bound of given multipliers, the reduced cost of each site and the sites it takes."""
        n_sites = self.reach.n_sites
        price, selected = np.empty(n_sites), np.zeros(n_sites, dtype=np.bool_)
        bound = self._bind.reduced_costs(self.lists, self._rows, relaxation.multiplier, relaxation.toll, price)
        counts = np.zeros(len(self.rules.zone_min), dtype=np.int64)
        return bound + self._bind.select(price, self.compiled_rules, selected, counts), price, selected

    @cached_property
    def _rows(self) -> Any:
        rows = self.tolled
        site, value = (np.concatenate([np.zeros(0), *(getattr(r, name) for r in rows)]) for name in ("site", "value"))
        start = np.concatenate([[0], np.cumsum([len(r.site) for r in rows])]).astype(np.int64)
        limits = np.array([r.upper for r in rows], dtype=np.float64)
        return self._bind.Rows(start, site.astype(np.int64), value, limits)


def steps(work: int, work_of_one: int, least: int, most: int) -> int:
    """Return how many steps fit in an amount of work, within bounds."""
    return min(max(work // work_of_one, least), most)


def chosen_of(state: Any) -> Ints:
    """Return the chosen columns of a state, ascending."""
    return np.sort(state.slots[state.slots >= 0])


def search(fast: FastSearch, gap: float, feasible: Callable[[FastSearch], Ints], start: Ints | None = None,
           known: Relaxation | None = None) -> FastAnswer:
    """Find a good choice and bound it.

    Parameters
    ----------
    fast
        The model.
    gap
        Relative gap, of what is reported, that is good enough.
    feasible
        Finds a choice that keeps to the rules where construction does not (or tells why there is none).
    start
        A choice to improve in place of construction.
    known
        Multipliers of a similar question to begin with.
    """
    chosen = fast.construct() if start is None else start
    chosen, value = fast.improved(feasible(fast) if chosen is None else chosen)
    relaxation = fast.first_relaxation(chosen) if known is None else known
    relaxation = fast.raised(relaxation, value, fast.gap_of(value, gap))
    for _ in range(2):
        if value - relaxation.bound <= fast.gap_of(value, gap):
            break
        _, _, selected = fast.reduced_costs(relaxation)
        taken = np.flatnonzero(selected)
        if not fast.rules.breaches(taken):
            other, other_value = fast.improved(taken)
            if other_value < value:
                chosen, value = other, other_value
        chosen, value = fast.wandered(chosen, value)
        before = relaxation.bound
        relaxation = fast.raised(relaxation, value, fast.gap_of(value, gap))
        if relaxation.bound <= before + fast.gap_of(value, gap):
            break
    return FastAnswer(chosen, value, relaxation)
