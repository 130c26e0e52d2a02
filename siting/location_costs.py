"""What it costs to serve each demand point from each candidate site, dense or sparse, as short sorted lists.

The models read costs through :class:`Costs`, so that a dense matrix and a compressed sparse one give the
same answers. A solver sees :class:`Reach`: per demand point the sites worth considering, nearest first.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gis.errors import UsageError

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]

ROWS_AT_ONCE = 2_048
"""Rows of a dense matrix that are sorted at once, to bound memory."""


@dataclass(frozen=True, eq=False, slots=True)
class Entries:
    """Pairs of a demand point and a site, by demand point and then by cost and column."""

    start: Ints
    """Where each demand point begins, shape (n_demand + 1,)."""
    site: Ints
    cost: Floats

    @property
    def row(self) -> Ints:
        """Demand point of each pair."""
        return np.repeat(np.arange(len(self.start) - 1), np.diff(self.start))

    @property
    def counts(self) -> Ints:
        """Pairs per demand point."""
        return np.diff(self.start)

    def of_rows(self, rows: Ints) -> Entries:
        """Return the pairs of some demand points, renumbered."""
        start = np.concatenate([[0], np.cumsum(self.counts[rows])])
        take = np.repeat(self.start[:-1][rows] - start[:-1], np.diff(start)) + np.arange(start[-1])
        return Entries(start, self.site[take], self.cost[take])

    def where(self, keep: Bools) -> Entries:
        """Return the pairs where ``keep`` holds."""
        kept = np.concatenate([[0], np.cumsum(keep)])
        return Entries(kept[self.start], self.site[keep], self.cost[keep])

    def where_fits(self, demand: Floats, capacity: Floats) -> Entries:
        """Return the pairs whose site holds the whole demand of the point."""
        return self.where(demand[self.row] <= capacity[self.site] * (1 + 1e-12))


@dataclass(frozen=True, eq=False, slots=True)
class Costs:
    """A cost matrix; a pair that a sparse matrix does not store, or of infinite cost, cannot serve."""

    shape: tuple[int, int]
    dense: Floats | None
    stored: Entries | None
    """The pairs of a sparse matrix; None where it is dense."""

    @property
    def n_demand(self) -> int:
        """Rows."""
        return self.shape[0]

    @property
    def n_sites(self) -> int:
        """Columns."""
        return self.shape[1]

    def within(self, limit: Floats) -> Entries:
        """Return the pairs whose finite cost is at most the limit of their demand point, sorted."""
        if self.dense is None:
            stored = self._stored()
            return stored.where(stored.cost <= np.repeat(limit, stored.counts))
        row, site = np.nonzero((self.dense <= limit[:, None]) & (self.dense < np.inf))
        return _sorted(row, site, self.dense[row, site], self.n_demand)

    def within_by_site(self, limit: Floats) -> Entries:
        """Return the same pairs as :meth:`within`, sites in their own order: a dense matrix need not be sorted."""
        if self.dense is None:
            found = self.within(limit)
            order = np.lexsort((found.site, found.row))
            return Entries(found.start, found.site[order], found.cost[order])
        row, site = np.nonzero((self.dense <= limit[:, None]) & (self.dense < np.inf))
        return Entries(_starts(row, self.n_demand), site, self.dense[row, site])

    def nearest(self, count: int) -> Entries:
        """Return the ``count`` cheapest pairs of each demand point (fewer where fewer can serve), sorted."""
        if self.dense is None:
            stored = self._stored()
            return stored.where(np.arange(len(stored.site)) - np.repeat(stored.start[:-1], stored.counts) < count)
        parts = [_nearest_of(self.dense[at:at + ROWS_AT_ONCE], min(count, self.n_sites))
                 for at in range(0, self.n_demand, ROWS_AT_ONCE)]
        site = np.concatenate([p[0] for p in parts]).ravel()
        cost = np.concatenate([p[1] for p in parts]).ravel()
        start = np.arange(self.n_demand + 1) * min(count, self.n_sites)
        found = Entries(start, site, cost)
        finite = cost < np.inf
        return found if finite.all() else found.where(finite)

    def of_chosen(self, chosen: Ints) -> tuple[Ints, Floats]:
        """Return each demand point's cheapest chosen column and its cost; -1 and infinity where none serves."""
        if self.dense is not None:
            part = self.dense[:, chosen]
            at = np.argmin(part, axis=1)
            cost = part[np.arange(self.n_demand), at]
            return np.where(cost < np.inf, chosen[at], -1), cost
        stored = self._stored()
        is_open = np.zeros(self.n_sites, dtype=np.bool_)
        is_open[chosen] = True
        kept = stored.where(is_open[stored.site])
        served = kept.counts > 0
        nearest, cost = np.full(self.n_demand, -1), np.full(self.n_demand, np.inf)
        first = kept.start[:-1][served]
        nearest[served], cost[served] = kept.site[first], kept.cost[first]
        return nearest, cost

    def cheapest(self, place: int) -> Floats:
        """Return each demand point's cost to its ``place``-th cheapest site (0 is the cheapest), or infinity."""
        if self.dense is not None:
            return (np.partition(self.dense, place, axis=1)[:, place] if place < self.n_sites
                    else np.full(self.n_demand, np.inf))
        stored, found = self._stored(), np.full(self.n_demand, np.inf)
        has = stored.counts > place
        found[has] = stored.cost[stored.start[:-1][has] + place]
        return found

    def is_whole(self) -> bool:
        """Tell whether every finite cost is a whole number."""
        blocks = ([self._stored().cost] if self.dense is None else
                  (self.dense[at:at + ROWS_AT_ONCE] for at in range(0, self.n_demand, ROWS_AT_ONCE)))
        return all(_is_whole(block) for block in blocks)

    def scaled(self, weights: Floats) -> Costs:
        """Return the costs times the weight of their demand point; a weight of 0 makes even the unreachable 0."""
        if self.dense is not None:
            with np.errstate(invalid="ignore"):
                return Costs(self.shape, np.where(weights[:, None] > 0, self.dense * weights[:, None], 0.0), None)
        stored = self._stored()
        return Costs(self.shape, None, Entries(stored.start, stored.site,
                                               stored.cost * np.repeat(weights, stored.counts)))

    def of_rows(self, rows: Ints) -> Costs:
        """Return the costs of some demand points."""
        shape = (len(rows), self.n_sites)
        if self.dense is not None:
            return Costs(shape, self.dense[rows], None)
        return Costs(shape, None, self._stored().of_rows(rows))

    def _stored(self) -> Entries:
        if self.stored is None:
            raise AssertionError("a dense matrix stores no pairs")
        return self.stored


def costs_of(cost_matrix: Any) -> Costs:
    """Read a dense array or anything with ``tocsr()`` (a scipy sparse matrix or array).

    Raises
    ------
    UsageError
        The matrix has not two dimensions, no row or no column, or holds NaN or a negative cost.
    """
    is_sparse = hasattr(cost_matrix, "tocsr")
    matrix: Any = cost_matrix.tocsr() if is_sparse else np.asarray(cost_matrix, dtype=np.float64)
    if len(matrix.shape) != 2 or 0 in matrix.shape:
        raise UsageError(f"a cost matrix needs demand points as rows and sites as columns; this one is {matrix.shape}",
                         f"成本矩阵应以需求点为行、候选点为列；当前形状为 {matrix.shape}")
    shape = (int(matrix.shape[0]), int(matrix.shape[1]))
    values = np.asarray(matrix.data, dtype=np.float64) if is_sparse else matrix
    if not (values >= 0).all():
        raise UsageError("the cost matrix holds a negative cost or NaN; leave infinity where a site cannot serve",
                         "成本矩阵含负值或 NaN；不能服务的组合请填无穷大")
    if not is_sparse:
        return Costs(shape, matrix, None)
    if not matrix.has_canonical_format:
        # scipy adds doubled entries up; a copy, so that the caller's matrix stays as it is.
        matrix = matrix.copy()
        matrix.sum_duplicates()
        values = np.asarray(matrix.data, dtype=np.float64)
    row = np.repeat(np.arange(shape[0]), np.diff(matrix.indptr))
    keep = values < np.inf
    return Costs(shape, None, _sorted(row[keep], np.asarray(matrix.indices)[keep], values[keep], shape[0]))


def _is_whole(values: Floats) -> bool:
    return bool((values == np.round(values)).all())


def _sorted(row: NDArray[Any], site: NDArray[Any], cost: Floats, n_demand: int) -> Entries:
    order = np.lexsort((site, cost, row))
    return Entries(_starts(row, n_demand), site[order].astype(np.int64), cost[order])


def _starts(row: NDArray[Any], n_demand: int) -> Ints:
    return np.concatenate([[0], np.cumsum(np.bincount(row, minlength=n_demand))]).astype(np.int64)


def _nearest_of(block: Floats, count: int) -> tuple[Ints, Floats]:
    """Sort the cheapest ``count`` columns of each row; equal costs by column."""
    if count < block.shape[1]:
        site = np.sort(np.argpartition(block, count - 1, axis=1)[:, :count], axis=1)
    else:
        site = np.broadcast_to(np.arange(block.shape[1]), block.shape)
    cost = np.take_along_axis(block, site, axis=1)
    order = np.argsort(cost, axis=1, kind="stable")
    return np.take_along_axis(site, order, axis=1), np.take_along_axis(cost, order, axis=1)


@dataclass(frozen=True, eq=False, slots=True)
class Reach:
    """Demand to be served at least cost: ``sum_i weight_i * min(unserved_i, cheapest chosen listed site)``.

    p-median and maximal covering are both of this form. In p-median the list holds nearest sites and
    ``unserved`` is no more than any site left out costs; in maximal covering every listed site costs
    0 and to go unserved costs 1 (the equivalence is Church and ReVelle's, 1976).
    """

    n_sites: int
    entries: Entries
    weight: Floats
    """Per demand point, above 0."""
    unserved: Floats
    """Cost of one unit of demand that no chosen listed site serves."""
    is_whole: bool
    """Every possible value is a whole number, so that bounds may be rounded."""
    is_covering: bool
    """What is reported is the weight that is served, not the value."""

    @property
    def total(self) -> float:
        """Value where nothing is chosen."""
        return float((self.weight * self.unserved).sum())


def covering_reach(costs: Costs, demand: Floats, service_radius: float) -> Reach:
    """Return the covering model; demand points that the same sites cover are joined, idle ones left out."""
    entries = costs.within_by_site(np.where(demand > 0, service_radius, -1.0))
    used = np.flatnonzero(entries.counts > 0)
    entries = entries.of_rows(used)
    site = entries.site
    group, leader = _same_rows(entries.start, site, costs.n_sites)
    weight = np.bincount(group, weights=demand[used], minlength=len(leader)).astype(np.float64)
    joined = Entries(entries.start, site, np.zeros(len(site))).of_rows(leader)
    return Reach(costs.n_sites, joined, weight, np.ones(len(leader)), _is_whole(weight), True)


def _same_rows(start: Ints, site: Ints, n_sites: int) -> tuple[Ints, Ints]:
    """Group rows of equal site sets: group of each row, and the first row of each group.

    Rows are grouped by a sum of random numbers and then compared, so that chance decides the speed only.
    """
    if len(start) == 1:
        return np.zeros(0, dtype=np.int64), np.zeros(0, dtype=np.int64)
    keys = np.random.default_rng(7).integers(0, 2**63, n_sites, dtype=np.uint64)
    sums = np.add.reduceat(keys[site], start[:-1])
    _, leader, group = np.unique(sums, return_index=True, return_inverse=True)
    counts = np.diff(start)
    led = leader[group]
    if (counts[led] == counts).all():
        take = np.repeat(start[:-1][led] - start[:-1], counts) + np.arange(len(site))
        if (site[take] == site).all():
            return group.astype(np.int64), leader.astype(np.int64)
    return np.arange(len(counts)), np.arange(len(counts))


def median_reach(costs: Costs, demand: Floats, n_nearest: int) -> Reach:
    """Return the p-median model over the nearest sites of each demand point that has weight and a site."""
    entries = costs.nearest(n_nearest)
    rows = np.flatnonzero((demand > 0) & (entries.counts > 0))
    if len(rows) < len(demand):
        entries = entries.of_rows(rows)
    weight, counts, n_sites = demand[rows], entries.counts, costs.n_sites
    last = entries.cost[entries.start[1:] - 1]
    # A site left out of a cut list costs at least the last one; where all that can serve are listed, going
    # unserved must never pay.
    lacking = (counts < n_nearest) & (counts < n_sites)
    never = (float((weight * last).sum()) + 1.0) / weight
    unserved = np.where(lacking, np.maximum(last, never), last)
    return Reach(n_sites, entries, weight, unserved, _is_whole(weight) and costs.is_whole(), False)
