"""Facility-location models: arrays in, a checked answer with its bound out.

Rows of a cost matrix are demand points, columns are candidate sites.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gis.errors import InfeasibleError

Floats = NDArray[np.float64]

MIP_GAP = 1e-9
"""Relative gap at which the exact mode stops: coverage is then the maximum to nine digits."""


@dataclass(frozen=True, eq=False, slots=True, kw_only=True)
class LocationSolution:
    """What a location model found."""

    chosen: tuple[int, ...]
    """Columns of the cost matrix, ascending."""

    assignment: NDArray[np.int64]
    """Per demand point the nearest chosen column that serves it, -1 where none does."""

    objective_value: float
    """Recomputed from ``chosen``, not taken from the solver."""

    bound: float
    """Proven: no answer is above it (MAX) or below it (MIN)."""

    optimality_gap: float
    """``|bound - objective_value| / max(|bound|, 1e-12)``."""

    solver_status: str
    """The solver's own word ("Optimal")."""


def max_covering(cost_matrix: Floats, demand: Floats, *, n_facilities: int, service_radius: float,
                 tie_break: Floats | None = None, time_limit_s: float = 600.0) -> LocationSolution:
    """Choose ``n_facilities`` sites that cover the most demand (MCLP; Church and ReVelle 1974), exactly.

    Among answers of equal coverage, one with a lower demand-weighted cost to the nearest chosen site
    is sought by swapping single sites: the coverage is proven, the tie-break is not.

    Parameters
    ----------
    cost_matrix
        Demand points x candidate sites, in the unit of ``service_radius``.
    demand
        Weight per demand point, not negative.
    n_facilities
        How many sites to open.
    service_radius
        A site covers the demand points at this cost or less.
    tie_break
        Costs for the tie-break, shaped like ``cost_matrix``, which serves where this is None.
    time_limit_s
        When to stop with what was proven so far.

    Raises
    ------
    InfeasibleError
        More facilities are asked for than there are candidate sites, or less than one.
    """
    n_sites = cost_matrix.shape[1]
    if not 1 <= n_facilities <= n_sites:
        raise InfeasibleError(
            f"{n_facilities} facilities cannot be chosen among {n_sites} candidate sites; "
            f"ask for 1 to {n_sites}, or add hosts",
            f"无法从 {n_sites} 个候选点中选出 {n_facilities} 个；请将数量设为 1 至 {n_sites}，或补充宿主点位",
        )
    covers = cost_matrix <= service_radius
    chosen, bound, status = _solve_covering(covers, demand, n_facilities, time_limit_s)
    chosen = _shorten(cost_matrix if tie_break is None else tie_break, covers, demand, chosen)
    return _checked(cost_matrix, covers, demand, chosen, bound, status)


def _solve_covering(covers: NDArray[np.bool_], demand: Floats, n_facilities: int,
                    time_limit_s: float) -> tuple[NDArray[np.int64], float, str]:
    """Solve the reduced model; return chosen columns, the upper bound and the solver's word.

    Demand points covered by the same sites are joined, points that nobody covers are left out, and so
    are sites that cover nothing: the maximum does not change.
    """
    patterns, group = np.unique(covers, axis=0, return_inverse=True)
    weights = np.bincount(group.ravel(), weights=demand, minlength=len(patterns)).astype(np.float64)
    useful = patterns.any(axis=1) & (weights > 0)
    patterns, weights = patterns[useful], weights[useful]
    sites = np.flatnonzero(patterns.any(axis=0))
    n_open = min(n_facilities, len(sites))
    if n_open == len(sites):
        found, bound, status = sites, float(weights.sum()), "Optimal"
    else:
        opened, bound, status = _run_highs(patterns[:, sites], weights, n_open, time_limit_s)
        found = sites[opened]
    spare = np.setdiff1d(np.arange(covers.shape[1]), found)[:n_facilities - len(found)]
    return np.sort(np.concatenate([found, spare])), bound, status


def _run_highs(patterns: NDArray[np.bool_], weights: Floats, n_open: int,
               time_limit_s: float) -> tuple[NDArray[np.int64], float, str]:
    """Maximise ``sum w_i x_i`` with ``x_i <= sum_{j covers i} y_j``, ``sum y = n_open``, y binary.

    ``x`` needs no integrality: with y whole and w positive, each x is 0 or 1 at the optimum.
    """
    import highspy

    n_groups, n_sites = patterns.shape
    scale = float(weights.max())
    row, column = np.nonzero(patterns)
    starts = np.concatenate([[0], np.cumsum(np.bincount(row, minlength=n_groups) + 1)])
    index = np.empty(starts[-1] + n_sites, dtype=np.int32)
    value = np.ones(len(index))
    at_x = starts[:-1]
    index[at_x] = n_sites + np.arange(n_groups)
    rest = np.ones(starts[-1], dtype=bool)
    rest[at_x] = False
    index[:starts[-1]][rest] = column
    value[:starts[-1]][rest] = -1.0
    index[starts[-1]:] = np.arange(n_sites)

    model = highspy.HighsLp()
    model.num_col_, model.num_row_ = n_sites + n_groups, n_groups + 1
    model.sense_ = highspy.ObjSense.kMaximize
    model.col_cost_ = np.concatenate([np.zeros(n_sites), weights / scale])
    model.col_lower_, model.col_upper_ = np.zeros(n_sites + n_groups), np.ones(n_sites + n_groups)
    model.row_lower_ = np.concatenate([np.full(n_groups, -highspy.kHighsInf), [n_open]])
    model.row_upper_ = np.concatenate([np.zeros(n_groups), [n_open]])
    model.a_matrix_.format_ = highspy.MatrixFormat.kRowwise
    model.a_matrix_.start_ = np.concatenate([starts, [len(index)]]).astype(np.int32)
    model.a_matrix_.index_, model.a_matrix_.value_ = index, value
    model.integrality_ = [highspy.HighsVarType.kInteger] * n_sites + [highspy.HighsVarType.kContinuous] * n_groups

    solver = highspy.Highs()  # type: ignore[no-untyped-call]
    # One thread: the same input must give the same answer.
    for option, setting in (("output_flag", False), ("mip_rel_gap", MIP_GAP), ("time_limit", time_limit_s),
                            ("threads", 1)):
        solver.setOptionValue(option, setting)
    solver.passModel(model)
    solver.run()
    status = str(solver.modelStatusToString(solver.getModelStatus()))
    opened = np.argsort(-np.asarray(solver.getSolution().col_value[:n_sites]), kind="stable")[:n_open]
    return np.sort(opened), float(solver.getInfo().mip_dual_bound) * scale, status


def _shorten(cost_matrix: Floats, covers: NDArray[np.bool_], demand: Floats,
             chosen: NDArray[np.int64]) -> NDArray[np.int64]:
    """Swap single sites as long as the demand-weighted distance falls and coverage does not."""
    is_open = np.zeros(cost_matrix.shape[1], dtype=bool)
    is_open[chosen] = True
    target = _covered(covers, demand, np.flatnonzero(is_open)) * (1 - 1e-12)
    best = _weighted_distance(cost_matrix, demand, np.flatnonzero(is_open))
    improved = True
    while improved:
        improved = False
        for leaving in np.flatnonzero(is_open):
            kept = np.flatnonzero(is_open & (np.arange(len(is_open)) != leaving))
            costs = _cost_with_one_more(cost_matrix, demand, kept)
            costs[_coverage_with_one_more(covers, demand, kept) < target] = np.inf
            costs[is_open] = np.inf
            entering = int(np.argmin(costs))
            if costs[entering] < best * (1 - 1e-9):
                is_open[leaving], is_open[entering], best, improved = False, True, float(costs[entering]), True
    return np.flatnonzero(is_open)


def _weighted_distance(cost_matrix: Floats, demand: Floats, sites: NDArray[np.int64]) -> float:
    return float((demand * cost_matrix[:, sites].min(axis=1)).sum())


def _cost_with_one_more(cost_matrix: Floats, demand: Floats, sites: NDArray[np.int64]) -> Floats:
    """Demand-weighted distance of ``sites`` plus each column in turn."""
    nearest = cost_matrix[:, sites].min(axis=1, initial=np.inf)
    return np.asarray(demand @ np.minimum(cost_matrix, nearest[:, None]), dtype=np.float64)


def _coverage_with_one_more(covers: NDArray[np.bool_], demand: Floats, sites: NDArray[np.int64]) -> Floats:
    open_demand = demand * ~covers[:, sites].any(axis=1)
    return np.asarray(float(demand.sum() - open_demand.sum()) + open_demand @ covers, dtype=np.float64)


def _covered(covers: NDArray[np.bool_], demand: Floats, sites: NDArray[np.int64]) -> float:
    return float(demand[covers[:, sites].any(axis=1)].sum())


def _checked(cost_matrix: Floats, covers: NDArray[np.bool_], demand: Floats, chosen: NDArray[np.int64],
             bound: float, status: str) -> LocationSolution:
    """Recompute assignment and objective from the chosen sites alone."""
    nearest = chosen[np.argmin(cost_matrix[:, chosen], axis=1)]
    served = covers[np.arange(len(demand)), nearest]
    objective = float(demand[served].sum())
    return LocationSolution(
        chosen=tuple(int(c) for c in chosen),
        assignment=np.where(served, nearest, -1),
        objective_value=objective,
        bound=bound,
        optimality_gap=abs(bound - objective) / max(abs(bound), 1e-12),
        solver_status=status,
    )
