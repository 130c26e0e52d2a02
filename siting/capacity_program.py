"""How much load stands where: the mixed-integer program behind a capacity layout, on plain arrays.

Each parcel ``i`` may open (``z_i``) and take ``x_i`` MW of IT between the smallest campus and what its land
holds. Its load is fed from substations ``j`` by ``x_ij``, with ``x_ij <= x_i`` and ``sum_j x_ij = n_feeds x_i``:
with any ``n_feeds - 1`` of its substations lost, the others still carry the whole load. Substations have
headroom, zones have least and greatest loads, and the total has a target. Load placed comes first
(``PLACED`` is far above any score), then the score of the parcels less the cost of their connections.

Parcels are many and those worth opening few, so that the program holds a working set that grows by the
shadow prices: a parcel enters where its merit at these prices is positive. The same prices bound the
answer over *all* parcels (Lagrangian duality: any prices give a valid bound), which is the stated gap.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from siting.linear_programs import LinearProgram, Optimum, solve

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
Booleans = NDArray[np.bool_]

PLACED = 10.0
"""What a MW placed earns before its score, which is at most 1."""

UNMET = 20.0
"""What a MW costs that a zone must take and cannot."""

LEAST_VALUE = 1e-6
"""A bound below this is nothing: shares of it would be shares of rounding."""

GAP = 5e-4
"""Relative gap at which the search among campuses stops: a quarter of a MW in 500."""

MOST_NODES = 20_000
"""Nodes after which the search among campuses stops with its bound, so that a loaded machine gives the same layout."""

_FIRST = 1500
_ENTERING = 1000
_QUICK = (300, 200)
_ROUNDS = 30
_ROUNDINGS = (0.0, 0.5, 1.0)


@dataclass(frozen=True, eq=False, slots=True, kw_only=True)
class CapacityProblem:
    """``n`` parcels, ``m`` substations, ``g`` groups of parcels."""

    land_mw: Floats
    """What each parcel holds, shape (n,)."""
    minimum_mw: float
    """Smallest campus."""
    score: Floats
    """Shape (n,)."""
    feed: Integers
    """Substations within reach of each parcel, nearest first, -1 for none, shape (n, k)."""
    feed_km: Floats
    """Length of each connection, shape (n, k)."""
    headroom_mva: Floats
    """Shape (m,)."""
    mva_per_mw: float
    """Apparent power at the substation per MW of IT."""
    n_feeds: int
    in_group: Booleans
    """Shape (g, n)."""
    group_least_mw: Floats
    group_most_mw: Floats
    target_mw: float
    score_per_km: float
    """Score that a kilometre of connection costs per MW."""


@dataclass(frozen=True, eq=False, slots=True, kw_only=True)
class CapacityAnswer:
    """What goes where."""

    load_mw: Floats
    """IT load of each parcel, shape (n,)."""
    feed_mw: Floats
    """IT load that each connection must be able to carry, shape (n, k)."""
    objective_value: float
    bound: float
    """No layout is above it."""
    optimality_gap: float
    headroom_price: Floats
    """What one more MVA at a substation would add to the objective, shape (m,)."""
    solver_status: str


@dataclass(frozen=True, eq=False, slots=True)
class _Prices:
    target: float
    group: Floats
    headroom: Floats


def lay_out_capacity(problem: CapacityProblem, *, time_limit_s: float = 600.0) -> CapacityAnswer:
    """Find the best layout among campuses of at least the smallest size, with a bound over all parcels."""
    usable = usable_parcels(problem)
    if not usable.any() or problem.target_mw <= 0:
        return _nothing(problem)
    columns, relaxed, prices = _relaxation(problem, usable)
    bound = _bound(problem, prices, usable)
    kept = _worth_opening(problem, columns, relaxed, prices)
    program, layout = _program(problem, kept, is_mixed=True)
    found = solve(program, gap=GAP, time_limit_s=time_limit_s, most_nodes=MOST_NODES)
    opened = np.round(found.x[layout.opened]) if len(found.x) else np.zeros(len(kept))
    answer = _settled(problem, kept, opened, found.solver_status)
    return _bounded(answer, min(bound, found.bound) if len(kept) == int(usable.sum()) else bound)


def lay_out_quickly(problem: CapacityProblem) -> CapacityAnswer:
    """Find a good layout without a search: campuses are rounded from the relaxation, and the rest is linear.

    Whatever the relaxation uses is opened, or what it gives at least half the smallest campus, or at least the whole
    of it; the best of the three is taken. The last is always possible. The bound is that of :func:`lay_out_capacity`.
    """
    usable = usable_parcels(problem)
    if not usable.any() or problem.target_mw <= 0:
        return _nothing(problem)
    columns, relaxed, prices = _relaxation(problem, usable, *_QUICK)
    load = relaxed.x[:len(columns)]
    least = [max(1e-9, share * problem.minimum_mw - 1e-9) for share in _ROUNDINGS]
    answers = [_settled(problem, columns[load >= x], np.ones(int((load >= x).sum())), "Rounded") for x in least]
    return _bounded(max(answers, key=lambda a: a.objective_value), _bound(problem, prices, usable))


def _settled(problem: CapacityProblem, kept: Integers, opened: Floats, solver_status: str) -> CapacityAnswer:
    """Load and feed the campuses that are opened among some parcels; worth less than anything where that cannot be."""
    if not len(kept):
        return _nothing(problem)
    settled, layout = _program(problem, kept, is_mixed=True)
    lower, upper = settled.lower.copy(), settled.upper.copy()
    lower[layout.opened] = upper[layout.opened] = opened
    # With the campuses settled the rest is linear, and its shadow prices say what binds.
    final = solve(replace(settled, lower=lower, upper=upper, is_integer=np.zeros_like(settled.is_integer)))
    if not len(final.x) or final.solver_status != "Optimal":
        return replace(_nothing(problem), objective_value=-np.inf)
    load, feed = np.zeros(len(problem.land_mw)), np.zeros(problem.feed.shape)
    load[kept] = np.where(opened > 0, final.x[layout.load], 0.0)
    feed[kept[layout.feed_row], layout.feed_place] = final.x[layout.feed]
    return replace(_nothing(problem), load_mw=load, feed_mw=feed, objective_value=final.objective_value,
                   headroom_price=final.row_prices[layout.headroom_rows], solver_status=solver_status)


def _bounded(answer: CapacityAnswer, bound: float) -> CapacityAnswer:
    gap = max(0.0, bound - answer.objective_value) / max(abs(bound), LEAST_VALUE)
    return replace(answer, bound=bound, optimality_gap=gap)


def relaxed_load(problem: CapacityProblem) -> tuple[float, float]:
    """Solve without the smallest size of a campus.

    Returns
    -------
    MW placed, and the sum of score times MW: what constraints are compared by.
    """
    load, _ = relaxed_layout(problem)
    return float(load.sum()), float(load @ problem.score)


def relaxed_layout(problem: CapacityProblem) -> tuple[Floats, float]:
    """Solve without the smallest size of a campus.

    Returns
    -------
    IT load of each parcel, shape (n,), and the objective value, which no layout of campuses exceeds.
    """
    load = np.zeros(len(problem.land_mw))
    usable = usable_parcels(problem)
    if not usable.any() or problem.target_mw <= 0:
        return load, 0.0
    columns, found, _ = _relaxation(problem, usable)
    _, layout = _program(problem, columns, is_mixed=False)
    load[columns] = found.x[layout.load]
    return load, found.objective_value


def usable_parcels(problem: CapacityProblem) -> Booleans:
    """Tell which parcels hold the smallest campus and have substations enough."""
    n_reached = (problem.feed >= 0).sum(axis=1)
    return np.asarray((problem.land_mw >= problem.minimum_mw) & (problem.land_mw > 0)
                      & (n_reached >= problem.n_feeds), dtype=np.bool_)


def _nothing(problem: CapacityProblem) -> CapacityAnswer:
    return CapacityAnswer(load_mw=np.zeros(len(problem.land_mw)), feed_mw=np.zeros(problem.feed.shape),
                          objective_value=0.0, bound=0.0, optimality_gap=0.0,
                          headroom_price=np.zeros(len(problem.headroom_mva)), solver_status="Empty")


def _relaxation(problem: CapacityProblem, usable: Booleans, first: int = _FIRST,
                entering: int = _ENTERING) -> tuple[Integers, Optimum, _Prices]:
    """Solve the linear relaxation by letting parcels in as the prices ask for them."""
    free = _Prices(0.0, np.zeros(len(problem.in_group)), np.zeros(len(problem.headroom_mva)))
    columns = _best(_value(problem, free), usable, first)
    for _ in range(_ROUNDS):
        program, layout = _program(problem, columns, is_mixed=False)
        found = solve(program)
        prices = _Prices(float(found.row_prices[0]), found.row_prices[layout.group_rows],
                         np.maximum(found.row_prices[layout.headroom_rows], 0.0))
        outside = usable.copy()
        outside[columns] = False
        value = _value(problem, prices)
        asked = _best(value, outside & (value > 1e-7), entering)
        if not len(asked):
            break
        columns = np.union1d(columns, asked)
    return columns, found, prices


def _best(value: Floats, allowed: Booleans, n: int) -> Integers:
    rows = np.flatnonzero(allowed)
    return np.sort(rows[np.argsort(-value[rows], kind="stable")[:n]])


def _value(problem: CapacityProblem, prices: _Prices) -> Floats:
    """Value a MW on each parcel at the prices, on its cheapest connections."""
    known = np.maximum(problem.feed, 0)
    cost = problem.score_per_km * problem.feed_km + problem.mva_per_mw * prices.headroom[known]
    cheapest = np.sort(np.where(problem.feed >= 0, cost, np.inf), axis=1)[:, :problem.n_feeds].sum(axis=1)
    return np.asarray(PLACED + problem.score - prices.target - prices.group @ problem.in_group - cheapest,
                      dtype=np.float64)


def _bound(problem: CapacityProblem, prices: _Prices, usable: Booleans) -> float:
    target = max(prices.target, 0.0)
    value = _value(problem, replace(prices, target=target))
    of_groups = np.where(prices.group > 0, prices.group * np.where(np.isfinite(problem.group_most_mw),
                                                                   problem.group_most_mw, 0.0),
                         prices.group * problem.group_least_mw)
    return float(target * problem.target_mw + of_groups.sum() + prices.headroom @ problem.headroom_mva
                 + (np.maximum(value, 0.0) * problem.land_mw)[usable].sum())


def _worth_opening(problem: CapacityProblem, columns: Integers, relaxed: Optimum, prices: _Prices) -> Integers:
    """Keep what the relaxation uses and the next best: campuses must have somewhere to go when they round up."""
    used = columns[relaxed.x[:len(columns)] > 1e-9]
    value = _value(problem, prices)
    others = np.setdiff1d(columns, used)
    extra = others[np.argsort(-value[others], kind="stable")[:max(200, len(used))]]
    return np.union1d(used, extra)


@dataclass(frozen=True, eq=False, slots=True)
class _Layout:
    """Where the columns and rows of the program are."""

    load: slice
    feed: slice
    opened: slice
    feed_row: Integers
    """Of each feed column, the place of its parcel in the working set."""
    feed_place: Integers
    """Of each feed column, its column in ``problem.feed``."""
    group_rows: slice
    headroom_rows: slice


def _program(problem: CapacityProblem, rows: Integers, *, is_mixed: bool) -> tuple[LinearProgram, _Layout]:
    """Write the program of a working set; the columns are loads, feeds, slacks of the groups, and openings."""
    n, g, m = len(rows), len(problem.in_group), len(problem.headroom_mva)
    parcel, place = np.nonzero(problem.feed[rows] >= 0)
    station = problem.feed[rows][parcel, place]
    f = len(parcel)
    x, y, slack, z = (np.arange(n), n + np.arange(f), n + f + np.arange(g), n + f + g + np.arange(n))
    n_columns = n + f + g + (n if is_mixed else 0)
    land = problem.land_mw[rows]
    group, member = np.nonzero(problem.in_group[:, rows])
    r_group, r_head = 1 + np.arange(g), 1 + g + np.arange(m)
    r_feeds, r_each = 1 + g + m + np.arange(n), 1 + g + m + n + np.arange(f)
    entries = [
        (np.zeros(n, dtype=np.int64), x, np.ones(n)),
        (r_group[group], x[member], np.ones(len(group))), (r_group, slack, np.ones(g)),
        (r_head[station], y, np.full(f, problem.mva_per_mw)),
        (r_feeds[parcel], y, np.ones(f)), (r_feeds, x, np.full(n, -float(problem.n_feeds))),
        (r_each, y, np.ones(f)), (r_each, x[parcel], -np.ones(f)),
    ]
    lower_rows = [-np.inf * np.ones(1), problem.group_least_mw, np.full(m, -np.inf), np.zeros(n), np.full(f, -np.inf)]
    upper_rows = [np.array([problem.target_mw]), problem.group_most_mw, problem.headroom_mva, np.zeros(n), np.zeros(f)]
    if is_mixed:
        r_most = 1 + g + m + n + f + np.arange(n)
        r_least = r_most + n
        entries += [(r_most, x, np.ones(n)), (r_most, z, -land),
                    (r_least, x, np.ones(n)), (r_least, z, np.full(n, -problem.minimum_mw))]
        lower_rows += [np.full(n, -np.inf), np.zeros(n)]
        upper_rows += [np.zeros(n), np.full(n, np.inf)]
    reward = np.zeros(n_columns)
    reward[x] = PLACED + problem.score[rows]
    reward[y] = -problem.score_per_km * problem.feed_km[rows][parcel, place]
    reward[slack] = -UNMET
    upper = np.full(n_columns, np.inf)
    upper[x], upper[y] = land, land[parcel]
    is_integer = np.zeros(n_columns, dtype=np.bool_)
    if is_mixed:
        upper[z], is_integer[z] = 1.0, True
    program = LinearProgram(
        reward=reward, lower=np.zeros(n_columns), upper=upper, row_lower=np.concatenate(lower_rows),
        row_upper=np.concatenate(upper_rows), rows=np.concatenate([e[0] for e in entries]),
        columns=np.concatenate([e[1] for e in entries]), values=np.concatenate([e[2] for e in entries]),
        is_integer=is_integer)
    layout = _Layout(slice(0, n), slice(n, n + f), slice(n + f + g, n_columns), parcel, place,
                     slice(1, 1 + g), slice(1 + g, 1 + g + m))
    return program, layout
