"""How firmly an edge plan stands: what stays when demand is counted otherwise, and who is next in line."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from siting.location import max_covering
from siting.location_conditions import SideConditions, site_rules
from siting.location_costs import costs_of

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
Booleans = NDArray[np.bool_]

N_DRAWS = 40
"""Draws of the demand; the standard error of a share is then at most 8 %."""

JITTER = 0.2
"""Spread of the logarithm of a demand weight: two thirds of the draws lie within a fifth."""

LARGE_CASE = 500_000
"""Demand points times sites above which plans of equal coverage are not told apart in the draws."""

SEED = 20260101


def stability(cost_matrix: Floats, demand: Floats, chosen: Integers, tie_break: Floats, service_radius: float,
              conditions: SideConditions) -> Floats:
    """Count how often each chosen site stays when every demand weight is jittered.

    Parameters
    ----------
    cost_matrix
        Demand points x sites.
    demand
        Weights.
    chosen
        Columns that the plan chose.
    tie_break
        Costs by which plans of equal coverage are told apart, shaped like ``cost_matrix``.
    service_radius
        In the unit of the costs.
    conditions
        Side conditions of the plan.

    Returns
    -------
    Per chosen site the share of ``N_DRAWS`` plans that hold it, or a site that covers the same demand points.
    """
    factors = np.exp(np.random.default_rng(SEED).normal(0.0, JITTER, (N_DRAWS, len(demand))))
    covers = cost_matrix <= service_radius
    # A host across the street serves the same points: choosing it is choosing the same place.
    _, alike = np.unique(covers, axis=1, return_inverse=True)
    alike = alike.ravel()
    kept = np.zeros(len(chosen))
    for factor in factors:
        drawn = max_covering(cost_matrix, demand * factor, n_facilities=len(chosen), service_radius=service_radius,
                             method="quick", conditions=conditions,
                             # With thousands of demand points no site is idle: there is nothing to tell apart.
                             tie_break=tie_break if cost_matrix.size <= LARGE_CASE else None)
        kept += np.isin(alike[chosen], alike[list(drawn.chosen)])
    return np.asarray(kept / N_DRAWS, dtype=np.float64)


def alternatives(cost_matrix: Floats, demand: Floats, chosen: Integers, tie_break: Floats, service_radius: float,
                 conditions: SideConditions) -> tuple[Integers, Floats]:
    """Find for each chosen site the one that would best take its place.

    Of those that keep the conditions, it is the one with which the least demand is lost; of equals, the nearest
    to the demand that the site left.

    Parameters
    ----------
    cost_matrix, demand, chosen, tie_break, service_radius, conditions
        As for :func:`stability`.

    Returns
    -------
    Column per chosen site, -1 where none is allowed; and the demand lost with it.
    """
    covers = cost_matrix <= service_radius
    n_sites = covers.shape[1]
    rules = site_rules(conditions, costs_of(cost_matrix), len(chosen), service_radius)
    whole = float(demand[covers[:, chosen].any(axis=1)].sum())
    other, loss = np.full(len(chosen), -1, dtype=np.int64), np.zeros(len(chosen))
    for place, site in enumerate(chosen.tolist()):
        rest = np.delete(chosen, place)
        left = demand * ~covers[:, rest].any(axis=1)
        lost = whole - (float(demand.sum() - left.sum()) + left @ covers)
        nearness = (demand * covers[:, site]) @ tie_break
        is_free = np.ones(n_sites, dtype=np.bool_)
        is_free[chosen] = False
        for candidate in np.lexsort((nearness, np.round(lost, 9))).tolist():
            if is_free[candidate] and not rules.breaches(np.sort(np.append(rest, candidate))):
                other[place], loss[place] = candidate, max(0.0, float(lost[candidate]))
                break
    return other, loss
