"""What an edge plan may lose when demand turns out otherwise: its regret against the best plan for that demand."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gis.network import straight_cost_matrix
from layers.types import CityLayers
from siting.connections import network_distances
from siting.edge_hosts import find_hosts
from siting.edge_stability import JITTER, N_DRAWS, SEED
from siting.location import max_covering
from siting.pack import CityPack
from siting.types import EdgePlan

Floats = NDArray[np.float64]

LARGE_CASE = 500_000
"""Demand points times hosts above which a draw is compared with a good plan, and not with the best there can be."""

WORST_SHARE = 0.1
"""Part of the draws that the bad case is the mean of."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EdgeRegret:
    """Share of the demand that the plan leaves out and the best plan for that demand would reach."""

    as_planned: float
    """With the demand as stated: what spacing, quotas and second cover cost."""
    mean: float
    """Over the draws."""
    worst_tenth: float
    """Mean over the worst tenth of the draws."""
    n_draws: int
    least_stable: tuple[tuple[str, float], ...]
    """Edge centres that stay in fewer than half of the draws, least first: id and share."""


def edge_regret(plan: EdgePlan, city_layers: CityLayers, pack: CityPack, *, n_draws: int = N_DRAWS,
                seed: int = SEED) -> EdgeRegret:
    """Jitter the demand, solve anew, and compare with what the plan reaches.

    The best plan is free of spacing, quotas and second cover, so that the regret is at most what is said; of more
    than ``LARGE_CASE`` pairs of demand and hosts the best plan found stands for the best there can be.

    Parameters
    ----------
    plan
        The edge plan of a run.
    city_layers, pack
        What it was made of.
    n_draws, seed
        Draws of the demand: each weight by a factor of log-normal spread ``JITTER``.
    """
    hosts = find_hosts(city_layers, pack).frame
    if plan.distance_kind == "straight":
        distance_m = straight_cost_matrix(np.asarray(plan.demand.geometry.array, dtype=object),
                                          np.asarray(hosts.geometry.array, dtype=object))
    else:
        distance_m = network_distances(plan.demand, hosts, city_layers.frame(plan.distance_kind),
                                       noding="crossings").distance_m
    demand = plan.demand["demand"].to_numpy(dtype=np.float64)
    reached = plan.demand["covered"].to_numpy(dtype=np.bool_)
    factors = np.exp(np.random.default_rng(seed).normal(0.0, JITTER, (n_draws, len(demand))))
    lost = np.array([_lost(distance_m, demand * factor, reached, plan) for factor in (np.ones(len(demand)), *factors)])
    drawn = np.sort(lost[1:])
    n_worst = max(1, round(WORST_SHARE * n_draws))
    stays = plan.edge_centres[["edge_centre_id", "stability"]].sort_values(["stability", "edge_centre_id"])
    return EdgeRegret(as_planned=float(lost[0]), mean=float(drawn.mean()), worst_tenth=float(drawn[-n_worst:].mean()),
                      n_draws=n_draws, least_stable=tuple((str(k), float(s)) for k, s in stays.to_numpy() if s < 0.5))


def _lost(distance_m: Floats, demand: Floats, reached: NDArray[np.bool_], plan: EdgePlan) -> float:
    is_large = distance_m.size > LARGE_CASE
    best = max_covering(distance_m, demand, n_facilities=plan.n_facilities, service_radius=plan.service_radius_m,
                        method="quick" if is_large else "fast")
    # What no plan can exceed where that is proven in time; for a large case the best that was found.
    most = best.objective_value if is_large else best.bound
    return max(0.0, float(most - demand[reached].sum()) / float(demand.sum()))
