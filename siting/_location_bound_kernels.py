"""Compiled loops of the bound of location models: Lagrangian relaxation raised by subgradients.

Relaxed are "each demand point is served once" and the rules beyond number and quotas; what is left is to take
the sites of least reduced cost (Cornuejols, Fisher and Nemhauser 1977).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from siting._location_kernels import Bools, Floats, Ints, Lists, Rules, compiled

# Of the ascent, chosen by trial on instances of 100 x 100 to 500 x 5,000: how long the first step is, by how much it
# shortens after so many steps without gain, when to end, and how much of the last direction lives on.
FIRST_PACE, SLOWER, PATIENCE, LAST_PACE, MEMORY = 1.8, 0.75, 9, 2e-3, 0.7


@compiled
def select(price: Floats, rules: Rules, selected: Bools, counts: Ints) -> float:
    """Choose sites of least total reduced cost under number and quotas; return the total.

    Exact: the choices under quotas and a number are the bases of a matroid, so that taking the cheapest is best.
    """
    selected[:], counts[:] = False, 0
    total, n_left = 0.0, rules.n_open if rules.n_open >= 0 else len(price)
    order = np.argsort(price)
    for stage in range(3):  # what exists, what zones need at least, the rest
        for j in order:
            zone = rules.zone[j]
            if selected[j] or n_left == 0:
                continue
            if stage == 0:
                takes = rules.fixed[j]
            elif stage == 1:
                takes = zone >= 0 and counts[zone] < rules.zone_min[zone]
            else:
                takes = (zone < 0 or counts[zone] < rules.zone_max[zone]) and (rules.n_open >= 0 or price[j] < 0.0)
            if takes:
                selected[j] = True
                total += price[j]
                n_left -= 1
                if zone >= 0:
                    counts[zone] += 1
    return total


class Rows(NamedTuple):
    """Further rules ``sum value * site <= limit``, of which the ascent pays the breach."""

    start: Ints
    site: Ints
    value: Floats
    limit: Floats


@compiled
def reduced_costs(lists: Lists, rows: Rows, multiplier: Floats, toll: Floats, price: Floats) -> float:
    """Fill the reduced cost of every site; return the constant of the relaxed problem."""
    price[:], total = 0.0, 0.0
    for i in range(len(lists.weight)):
        total += multiplier[i]
        weight, most = lists.weight[i], multiplier[i]
        for k in range(lists.start[i], lists.start[i + 1]):
            value = weight * lists.cost[k] - most
            if value >= 0.0:
                break
            price[lists.site[k]] += value
    for r in range(len(rows.limit)):
        total -= toll[r] * rows.limit[r]
        if toll[r] > 0.0:
            for k in range(rows.start[r], rows.start[r + 1]):
                price[rows.site[k]] += toll[r] * rows.value[k]
    return total


@compiled
def _steer(lists: Lists, rows: Rows, at: Floats, at_toll: Floats, selected: Bools, way: Floats,
           way_toll: Floats) -> float:
    """Turn the direction of ascent towards the subgradient; return its squared length.

    A part that would push a multiplier over its end counts as 0.
    """
    length = 0.0
    for i in range(len(lists.weight)):
        served, weight = 0, lists.weight[i]
        for k in range(lists.start[i], lists.start[i + 1]):
            if weight * lists.cost[k] >= at[i]:
                break
            served += selected[lists.site[k]]
        slope = 1.0 - served
        if (slope > 0.0 and at[i] >= weight * lists.unserved[i]) or (slope < 0.0 and at[i] <= 0.0):
            slope = 0.0
        way[i] = slope + MEMORY * way[i]
        length += way[i] * way[i]
    for r in range(len(at_toll)):
        slope = -rows.limit[r]
        for k in range(rows.start[r], rows.start[r + 1]):
            if selected[rows.site[k]]:
                slope += rows.value[k]
        if slope < 0.0 and at_toll[r] <= 0.0:
            slope = 0.0
        way_toll[r] = slope + MEMORY * way_toll[r]
        length += way_toll[r] * way_toll[r]
    return length


@compiled
def ascend(lists: Lists, rules: Rules, rows: Rows, multiplier: Floats, toll: Floats, upper: float, enough: float,
           n_steps: int) -> float:
    """Raise the Lagrangian bound by deflected subgradients (Camerini 1975); keep the best multipliers in place.

    Relaxed are "each demand point is served once" and the further rows. Each step costs the pairs below the
    multipliers, about twice per demand point and share of a chosen site. A multiplier never exceeds the cost
    of going unserved, so that sites left out of a list are never worth taking: the bound stays proven.
    """
    n, n_sites = len(lists.weight), len(rules.fixed)
    price, selected = np.empty(n_sites), np.zeros(n_sites, dtype=np.bool_)
    counts = np.zeros(len(rules.zone_min), dtype=np.int64)
    at, at_toll = multiplier.copy(), toll.copy()
    way, way_toll = np.zeros(n), np.zeros(len(toll))
    best, pace, stalled = -np.inf, FIRST_PACE, 0
    for _ in range(n_steps):
        bound = reduced_costs(lists, rows, at, at_toll, price)
        bound += select(price, rules, selected, counts)
        stalled = 0 if bound > best + 1e-5 * abs(best) else stalled + 1
        if bound > best:
            best = bound
            multiplier[:], toll[:] = at, at_toll
        if best >= upper - enough or pace < LAST_PACE:
            break
        if stalled > PATIENCE:
            pace, stalled = SLOWER * pace, 0
            way[:], way_toll[:] = 0.0, 0.0
        length = _steer(lists, rows, at, at_toll, selected, way, way_toll)
        if length == 0.0:
            break
        step = pace * (upper - bound) / length
        for i in range(n):
            at[i] = min(max(0.0, at[i] + step * way[i]), lists.weight[i] * lists.unserved[i])
        for r in range(len(toll)):
            at_toll[r] = max(0.0, at_toll[r] + step * way_toll[r])
    return best
