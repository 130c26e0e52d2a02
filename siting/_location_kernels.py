"""Compiled loops of the fast location models: construction, vertex substitution and tabu search.

Substitution is the fast interchange of Whitaker (1983) with the tables of Resende and Werneck (2007): for
each site what it would save (``gain``), for each chosen site what its closing would cost (``loss``), and for
each pair what of both happens twice (``extra``), so that the change of any swap is ``loss - gain - extra``. After
a swap only the demand points whose two nearest chosen sites changed are counted anew.

Lists are those of :class:`siting.location_costs.Reach`. Memory: O(pairs + sites x chosen).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple, TypeVar, cast

import numpy as np
from numba import njit
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]
Bytes = NDArray[np.uint8]

Function = TypeVar("Function", bound=Callable[..., Any])


def compiled(function: Function) -> Function:
    """Compile a function, once per machine where a folder can be written, else once per process."""
    try:
        return cast("Function", njit(cache=True, nogil=True)(function))
    except RuntimeError:  # numba finds no folder for its cache
        return cast("Function", njit(nogil=True)(function))


class Lists(NamedTuple):
    """Demand points with their sites, nearest first, and the same pairs by site."""

    start: Ints
    site: Ints
    cost: Floats
    weight: Floats
    unserved: Floats
    column_start: Ints
    column_row: Ints
    column_cost: Floats


class Rules(NamedTuple):
    """What a choice of sites must keep to."""

    fixed: Bools
    """Per site: it stays open."""
    conflicts: Bytes
    """Sites x sites: not both; of shape (0, 0) where there is no such rule."""
    zone: Ints
    """Zone per site, -1 for none."""
    zone_min: Ints
    zone_max: Ints
    price: Floats
    budget: float
    backup: Bytes
    """Demand points that need several covers x sites: covers."""
    need: Ints
    """Covers that each of them needs."""
    n_open: int
    """How many sites to choose; -1 where the budget decides."""


class State(NamedTuple):
    """A choice of sites with the tables of every swap from it."""

    slots: Ints
    """Chosen site per slot, -1 where free."""
    slot_of: Ints
    """Slot per site, -1 where closed."""
    first_slot: Ints
    """Per demand point, slot of its nearest chosen site; -1 where none is listed."""
    second_slot: Ints
    first: Floats
    second: Floats
    """Per demand point, cost of the nearest and the second chosen site."""
    gain: Floats
    loss: Floats
    extra: Floats
    zone_open: Ints
    n_conflicts: Ints
    covers: Ints
    spent: Floats
    """One number: price of the chosen sites."""


@compiled
def transpose(start: Ints, site: Ints, cost: Floats, n_sites: int) -> tuple[Ints, Ints, Floats]:
    """Return the same pairs by site: O(pairs)."""
    column_start = np.zeros(n_sites + 1, dtype=np.int64)
    for j in site:
        column_start[j + 1] += 1
    column_start = np.cumsum(column_start)
    at = column_start[:-1].copy()
    row, by_site = np.empty(len(site), dtype=np.int64), np.empty(len(site))
    for i in range(len(start) - 1):
        for k in range(start[i], start[i + 1]):
            j = site[k]
            row[at[j]], by_site[at[j]] = i, cost[k]
            at[j] += 1
    return column_start, row, by_site


@compiled
def _rescan(lists: Lists, state: State, i: int) -> None:
    """Find the two nearest chosen sites of demand point ``i``."""
    first_slot, second_slot, first, second = -1, -1, lists.unserved[i], lists.unserved[i]
    for k in range(lists.start[i], lists.start[i + 1]):
        q = state.slot_of[lists.site[k]]
        if q < 0:
            continue
        if first_slot < 0:
            first_slot, first = q, min(lists.cost[k], first)
        else:
            second_slot, second = q, min(lists.cost[k], second)
            break
    state.first_slot[i], state.second_slot[i], state.first[i], state.second[i] = first_slot, second_slot, first, second


@compiled
def _contribute(lists: Lists, state: State, i: int, sign: float) -> None:
    """Add (or take back) what demand point ``i`` means for every swap."""
    weight, q, first, second = sign * lists.weight[i], state.first_slot[i], state.first[i], state.second[i]
    if q >= 0:
        state.loss[q] += weight * (second - first)
    for k in range(lists.start[i], lists.start[i + 1]):
        cost = lists.cost[k]
        if cost >= second:
            break
        j = lists.site[k]
        if cost < first:
            state.gain[j] += weight * (first - cost)
            if q >= 0:
                state.extra[j, q] += weight * (second - first)
        elif q >= 0:
            state.extra[j, q] += weight * (second - cost)


@compiled
def _count(rules: Rules, state: State, j: int, sign: int) -> None:
    """Count an opened (or closed) site for the rules."""
    if rules.zone[j] >= 0:
        state.zone_open[rules.zone[j]] += sign
    state.spent[0] += sign * rules.price[j]
    for other in range(rules.conflicts.shape[0]):
        state.n_conflicts[other] += sign * rules.conflicts[j, other]
    for b in range(len(rules.need)):
        state.covers[b] += sign * rules.backup[b, j]


@compiled
def reset(lists: Lists, rules: Rules, state: State) -> None:
    """Fill every table from the chosen slots: O(pairs nearer than the second chosen site)."""
    state.slot_of[:] = -1
    state.gain[:], state.loss[:], state.extra[:] = 0.0, 0.0, 0.0
    state.zone_open[:], state.n_conflicts[:], state.covers[:], state.spent[0] = 0, 0, 0, 0.0
    for q in range(len(state.slots)):
        if state.slots[q] >= 0:
            state.slot_of[state.slots[q]] = q
            _count(rules, state, state.slots[q], 1)
    for i in range(len(lists.weight)):
        _rescan(lists, state, i)
        _contribute(lists, state, i, 1.0)


@compiled
def replace(lists: Lists, rules: Rules, state: State, q: int, entering: int) -> None:
    """Give slot ``q`` to the site ``entering``; what held it, if anything, closes."""
    leaving = state.slots[q]
    affected = [np.int64(0) for _ in range(0)]
    if leaving >= 0:
        for k in range(lists.column_start[leaving], lists.column_start[leaving + 1]):
            i = lists.column_row[k]
            if state.first_slot[i] == q or state.second_slot[i] == q:
                affected.append(i)
                _contribute(lists, state, i, -1.0)
                state.first_slot[i] = -2  # counted out: not to be counted out again below
        state.slot_of[leaving] = -1
        _count(rules, state, leaving, -1)
    for k in range(lists.column_start[entering], lists.column_start[entering + 1]):
        i = lists.column_row[k]
        if state.first_slot[i] != -2 and (lists.column_cost[k] < state.second[i] or state.second_slot[i] < 0):
            affected.append(i)
            _contribute(lists, state, i, -1.0)
    state.slots[q], state.slot_of[entering] = entering, q
    _count(rules, state, entering, 1)
    for row in affected:
        _rescan(lists, state, int(row))
        _contribute(lists, state, int(row), 1.0)


@compiled
def is_allowed(rules: Rules, state: State, q: int, j: int) -> bool:
    """Tell whether site ``j`` may take slot ``q`` (which may be free) under the rules."""
    leaving = state.slots[q]
    if state.slot_of[j] >= 0 or (leaving >= 0 and rules.fixed[leaving]):
        return False
    zone, left = rules.zone[j], -1 if leaving < 0 else rules.zone[leaving]
    if zone != left:
        if zone >= 0 and state.zone_open[zone] >= rules.zone_max[zone]:
            return False
        if left >= 0 and state.zone_open[left] <= rules.zone_min[left]:
            return False
    paid = state.spent[0] + rules.price[j] - (rules.price[leaving] if leaving >= 0 else 0.0)
    if paid > rules.budget:
        return False
    if rules.conflicts.shape[0] and state.n_conflicts[j] - (rules.conflicts[leaving, j] if leaving >= 0 else 0) > 0:
        return False
    if leaving >= 0:
        for b in range(len(rules.need)):
            if rules.backup[b, leaving] and not rules.backup[b, j] and state.covers[b] <= rules.need[b]:
                return False
    return True


@compiled
def construct(lists: Lists, rules: Rules, state: State) -> bool:
    """Open the site that saves most until all slots are held; False where the rules leave no site or no answer.

    Slots that the least numbers of zones still need are kept for them.
    """
    n_fixed = 0
    for q in range(len(state.slots)):
        n_fixed += state.slots[q] >= 0
    for q in range(n_fixed, len(state.slots)):
        owed = 0
        for z in range(len(rules.zone_min)):
            owed += max(0, rules.zone_min[z] - state.zone_open[z])
        best, chosen = -1.0, -1
        for j in range(len(state.slot_of)):
            zone = rules.zone[j]
            pays = zone >= 0 and state.zone_open[zone] < rules.zone_min[zone]
            if owed >= len(state.slots) - q and not pays:
                continue
            if state.gain[j] > best and is_allowed(rules, state, q, j):
                best, chosen = state.gain[j], j
        if chosen < 0:
            if rules.n_open >= 0:
                return False
            break
        replace(lists, rules, state, q, chosen)
    for b in range(len(rules.need)):
        if state.covers[b] < rules.need[b]:
            return False
    return not np.any(state.zone_open < rules.zone_min) and state.slots[0] >= 0


@compiled
def _best_swap(rules: Rules, state: State, below: float, away: Ints, stays: Ints, step: int,
               aspired: float) -> tuple[float, int, int]:
    """Find the allowed swap (or opening in a free slot) of least change below a limit: O(sites x chosen).

    Tabu until a step are sites in ``away`` for entering and in ``stays`` for leaving, unless the change is
    below ``aspired``.
    """
    # Arrays by themselves: taken out of the tuple in the loop, they cost more than the sums.
    slots, slot_of, gain, loss, extra = state.slots, state.slot_of, state.gain, state.loss, state.extra
    best, slot, entering = below, -1, -1
    for j in range(len(slot_of)):
        if slot_of[j] >= 0:
            continue
        own, is_away = gain[j], away[j] >= step
        for q in range(len(slots)):
            leaving = slots[q]
            change = -own if leaving < 0 else loss[q] - own - extra[j, q]
            if change < best:
                is_tabu = is_away or (leaving >= 0 and stays[leaving] >= step)
                if (not is_tabu or change < aspired) and is_allowed(rules, state, q, j):
                    best, slot, entering = change, q, j
            if leaving < 0:
                break  # free slots are alike
    return best, slot, entering


@compiled
def improve(lists: Lists, rules: Rules, state: State, least: float) -> None:
    """Make the best swap (or the best opening in a free slot) until none saves more than ``least``."""
    free = np.zeros(len(state.slot_of), dtype=np.int64)
    while True:
        _, slot, entering = _best_swap(rules, state, -least, free, free, 1, 0.0)
        if slot < 0:
            return
        replace(lists, rules, state, slot, entering)


@compiled
def shorten(lists: Lists, state: State, second: Lists, second_state: State, rules: Rules, slack: float,
            least: float) -> None:
    """Make swaps that save most in the second model as long as the first does not lose more than ``slack``."""
    lost = 0.0
    while True:
        best, slot, entering = -least, -1, -1
        for j in range(len(state.slot_of)):
            if state.slot_of[j] >= 0:
                continue
            for q in range(len(state.slots)):
                if state.slots[q] < 0:
                    continue
                change = second_state.loss[q] - second_state.gain[j] - second_state.extra[j, q]
                if change < best and (lost + state.loss[q] - state.gain[j] - state.extra[j, q] <= slack
                                      and is_allowed(rules, state, q, j)):
                    best, slot, entering = change, q, j
        if slot < 0:
            return
        lost += state.loss[slot] - state.gain[entering] - state.extra[entering, slot]
        replace(lists, rules, state, slot, entering)
        replace(second, rules, second_state, slot, entering)


@compiled
def wander(lists: Lists, rules: Rules, state: State, n_steps: int, value: float, least: float,
           best_slots: Ints) -> float:
    """Tabu search (Glover 1989): make the best swap even where it loses, and keep the best choice on the way.

    A site that left stays away for a while, and one that entered stays for a while; how long changes from step to
    step by a linear congruential generator, the same on every machine. Each step costs sites x chosen.
    """
    n_sites, n_slots = len(state.slot_of), len(state.slots)
    away, stays = np.zeros(n_sites, dtype=np.int64), np.zeros(n_sites, dtype=np.int64)
    number, best = np.uint64(20260101), value
    for step in range(1, n_steps + 1):
        change, slot, entering = _best_swap(rules, state, np.inf, away, stays, step, best - least - value)
        if slot < 0:
            continue
        number = number * np.uint64(6364136223846793005) + np.uint64(1442695040888963407)
        if state.slots[slot] >= 0:
            away[state.slots[slot]] = step + 5 + np.int64((number >> np.uint64(33)) % np.uint64(10))
        stays[entering] = step + 1 + np.int64((number >> np.uint64(43)) % np.uint64(1 + n_slots // 3))
        replace(lists, rules, state, slot, entering)
        value += change
        if value < best - least:
            best = value
            best_slots[:] = state.slots
    return best
