"""Costs read from dense and from sparse matrices say the same."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from scipy import sparse

from siting.location_costs import costs_of


@given(st.integers(1, 12), st.integers(1, 8), st.integers(0, 2**32 - 1), st.floats(0.0, 1.0))
def test_pairs_by_site_are_the_pairs_within_the_limit(n_demand: int, n_sites: int, seed: int, share: float) -> None:
    rng = np.random.default_rng(seed)
    cost = np.where(rng.random((n_demand, n_sites)) < share, rng.integers(1, 9, (n_demand, n_sites)) * 1.0, np.inf)
    limit = rng.uniform(-1.0, 9.0, n_demand)
    wanted = [(row, site, cost[row, site]) for row in range(n_demand) for site in range(n_sites)
              if cost[row, site] <= limit[row] and np.isfinite(cost[row, site])]
    for matrix in (cost, sparse.csr_array(np.where(np.isfinite(cost), cost, 0.0))):
        found = costs_of(matrix).within_by_site(limit)
        assert list(zip(found.row.tolist(), found.site.tolist(), found.cost.tolist(), strict=True)) == wanted
        by_cost = costs_of(matrix).within(limit)
        assert sorted(zip(by_cost.row, by_cost.site, by_cost.cost, strict=True)) == wanted
