"""How firmly a capacity layout stands: laid out anew in each draw, and what of the recommended one still can be built.

The draws are those of the ranks (weights, position errors, zones, strictness of rules) with the headroom of substations
that no layer states. In each the layout is made anew by rounding its relaxation, whose prices bound what any layout
could reach; the recommended campuses are fed anew within what the draw leaves them, none beyond its planned load.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from gis.bilingual import Text
from siting.capacity import CapacityCase, capacity_case, capacity_settings
from siting.capacity_program import (
    LEAST_VALUE,
    CapacityAnswer,
    CapacityProblem,
    lay_out_quickly,
    relaxed_layout,
)
from siting.edge import reserved_by
from siting.edge_regret import WORST_SHARE
from siting.robustness import HIGH, LOW, scores_in
from siting.trust_draws import ClassDraws
from siting.types import CapacityPlan, SiteScores, StudyResult

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]

MOST_DRAWS, LEAST_DRAWS = 40, 10
"""Draws in which capacity is laid out anew: as many as ``PARCEL_DRAWS`` allows, between these."""

PARCEL_DRAWS = 1_000_000
"""Draws times parcels that hold a campus: some seconds of work."""

FIRM_SHARE = 0.9
"""Share of the draws in which a campus must be chosen, or of its load that must stand, to be called firm."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CampusStability:
    """One campus of the recommended layout over the draws."""

    capacity_site_id: str
    parcel_id: str
    unit_id: str
    it_load_mw: float
    """As planned."""
    chosen: float
    """Share of the draws in which the best layout opens it too."""
    standing: float
    """Mean share of its load that the draws leave."""


@dataclass(frozen=True, slots=True, kw_only=True)
class UnitRange:
    """What the layouts of the draws put in one unit."""

    unit_id: str
    planned_mw: float
    low_mw: float
    """In one draw of twenty it is less ..."""
    high_mw: float
    """... and in one of twenty more."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CapacityStability:
    """What the draws do to the first capacity layout."""

    campuses: tuple[CampusStability, ...]
    """In the order of the layout."""
    units: tuple[UnitRange, ...]
    """Units that take capacity as planned or in some draw, most first."""
    n_draws: int
    planned_mw: float
    standing_mw: float
    """MW that can still be built and fed where they are planned, mean over the draws ..."""
    worst_standing_mw: float
    """... and over the worst tenth of them: the difference to ``planned_mw`` is at risk."""
    regret: float
    """What the recommended layout is worth less than any layout could be, as a share, mean over the draws ..."""
    worst_regret: float
    """... and over the worst tenth: an upper bound."""
    gap: float
    """Greatest distance of a layout of the draws from its bound, as a share: part of the regret may be this."""

    @property
    def at_risk_mw(self) -> float:
        """MW that cannot stand as planned in the worst tenth of the draws."""
        return max(0.0, self.planned_mw - self.worst_standing_mw)

    @property
    def text(self) -> Text:
        """Say how much of the layout stands."""
        firm = sum(c.chosen >= FIRM_SHARE for c in self.campuses)
        stands = sum(c.standing >= FIRM_SHARE for c in self.campuses)
        n, k = self.n_draws, len(self.campuses)
        return Text(
            zh=f"容量布局：按同样的抽样重做 {n} 次，{k} 个园区中 {firm} 个在九成抽样中仍被选中，{stands} 个平均保有九成"
               f"以上负荷；最差十分之一情形下 {self.planned_mw:.0f} 兆瓦中有 {self.at_risk_mw:.0f} 兆瓦不能按规划落实，"
               f"布局价值比当时可能的最优至多低 {self.worst_regret:.1%}。",
            en=f"Capacity layout: made anew in {n} of the same draws, {firm} of its {k} campuses are chosen again in "
               f"nine draws of ten, and {stands} keep nine tenths of their load on average; in the worst tenth "
               f"{self.at_risk_mw:.0f} of {self.planned_mw:.0f} MW cannot stand as planned, and the layout is worth at "
               f"most {self.worst_regret:.1%} less than the best there could be.")


def capacity_stability(result: StudyResult, scores: SiteScores, drawn: ClassDraws) -> CapacityStability:
    """Lay the first reading's capacity out anew in some of the draws of its class.

    Parameters
    ----------
    result
        With a capacity layout.
    scores
        Of the class of that layout.
    drawn
        Draws of that class (``siting.trust_draws.class_draws``); the campuses of the layout take part in them.
    """
    plan = result.capacity_plans[0]
    candidates = result.candidates.iloc[drawn.rows]
    reserved = {} if result.edge_plan is None else reserved_by(result.edge_plan)
    case = capacity_case(candidates, scores.score[drawn.rows], result.city_layers, result.pack, plan.reading,
                         existing_mw=plan.existing_mw, reserved_mva=reserved)
    at = _places(plan, candidates["parcel_id"].astype(str).to_numpy(dtype=object))
    planned = plan.sites["it_load_mw"].to_numpy(dtype=np.float64)
    zones, units = (candidates[c].astype(str).to_numpy(dtype=object) for c in ("zone_id", "unit_id"))
    limits = tuple(limit.zone_id for limit in capacity_settings(result.pack).limits)
    roomy = int((case.problem.land_mw >= case.problem.minimum_mw).sum())
    answers, own, by_unit = [], [], []
    # The first draw is the study as it is.
    for draw in range(1, min(len(drawn.draws), 1 + _n_draws(roomy))):
        problem = _in_draw(case, drawn, draw, _beyond(drawn, draw, zones, drawn.near.other_zone), limits)
        answers.append(lay_out_quickly(problem))
        own.append(relaxed_layout(_only(problem, at, planned)))
        units_now = pd.Series(_beyond(drawn, draw, units, drawn.near.other_unit))
        by_unit.append(pd.Series(answers[-1].load_mw).groupby(units_now.to_numpy()).sum())
    return _summed(plan, at, answers, own, _units(plan, by_unit))


def _beyond(drawn: ClassDraws, draw: int, here: NDArray[np.object_],
            there: NDArray[np.object_]) -> NDArray[np.object_]:
    """Return what the candidates are in a draw: what they are here, or beyond the outline that moved."""
    outlines = drawn.draws.outlines
    return here if outlines is None else np.where(outlines.crossed(draw), there, here)


def _n_draws(n_parcels: int) -> int:
    return max(LEAST_DRAWS, min(MOST_DRAWS, PARCEL_DRAWS // max(n_parcels, 1)))


def _places(plan: CapacityPlan, ids: NDArray[np.object_]) -> Integers:
    """Return the place of each campus among the candidates that take part."""
    place = {str(key): i for i, key in enumerate(ids)}
    return np.array([place[str(key)] for key in plan.sites["parcel_id"]], dtype=np.int64)


def _in_draw(case: CapacityCase, drawn: ClassDraws, draw: int, zones: NDArray[np.object_],
             limits: tuple[str, ...]) -> CapacityProblem:
    """Return the problem as one draw has it."""
    score, is_out = scores_in(drawn.normalised, drawn.broken, drawn.draws, draw)
    headroom = drawn.headroom_mva[draw, case.stations] - case.taken_mva
    problem = case.problem
    return replace(
        problem, score=score, land_mw=np.where(is_out, 0.0, problem.land_mw),
        headroom_mva=np.where(np.isfinite(headroom), np.maximum(headroom, 0.0), problem.headroom_mva),
        in_group=np.array([zones == zone for zone in limits], dtype=np.bool_).reshape(len(limits), len(zones)))


def _only(problem: CapacityProblem, at: Integers, planned: Floats) -> CapacityProblem:
    """Return the problem of the recommended campuses alone, each with what is planned there at most."""
    return replace(problem, land_mw=np.minimum(problem.land_mw[at], planned), minimum_mw=0.0, score=problem.score[at],
                   feed=problem.feed[at], feed_km=problem.feed_km[at], in_group=problem.in_group[:, at])


def _summed(plan: CapacityPlan, at: Integers, answers: list[CapacityAnswer], own: list[tuple[Floats, float]],
            units: tuple[UnitRange, ...]) -> CapacityStability:
    planned = plan.sites["it_load_mw"].to_numpy(dtype=np.float64)
    loads = np.array([load for load, _ in own]).reshape(len(own), len(planned))
    bounds = np.array([a.bound for a in answers])
    lost = bounds - np.array([value for _, value in own])
    regret = np.maximum(lost / np.maximum(np.abs(bounds), LEAST_VALUE), 0.0)
    standing = loads.sum(axis=1)
    chosen = np.array([a.load_mw[at] > 0 for a in answers]).reshape(loads.shape).mean(axis=0)
    stands = np.divide(loads.mean(axis=0), planned, out=np.zeros(len(planned)), where=planned > 0)
    n_worst = max(1, round(WORST_SHARE * len(answers)))
    campuses = tuple(CampusStability(
        capacity_site_id=str(row["capacity_site_id"]), parcel_id=str(row["parcel_id"]), unit_id=str(row["unit_id"]),
        it_load_mw=float(row["it_load_mw"]), chosen=float(chosen[i]), standing=float(min(1.0, stands[i])))
        for i, row in enumerate(plan.sites.to_dict("records")))
    return CapacityStability(
        campuses=campuses, units=units, n_draws=len(answers), planned_mw=float(planned.sum()),
        standing_mw=float(standing.mean()), worst_standing_mw=float(np.sort(standing)[:n_worst].mean()),
        regret=float(regret.mean()), worst_regret=float(np.sort(regret)[-n_worst:].mean()),
        gap=max((a.optimality_gap for a in answers), default=0.0))


def _units(plan: CapacityPlan, by_unit: list[pd.Series[float]]) -> tuple[UnitRange, ...]:
    """Return what each unit takes as planned and in the draws, where it takes anything."""
    planned = {str(k): float(v) for k, v in zip(plan.by_unit["unit_id"], plan.by_unit["it_load_mw"], strict=True)}
    drawn = pd.DataFrame(by_unit).fillna(0.0)
    found = []
    for name in sorted({*planned, *map(str, drawn.columns)}):
        mw = drawn[name].to_numpy(dtype=np.float64) if name in drawn.columns else np.zeros(1)
        low, high = np.quantile(mw, (LOW, HIGH))
        if planned.get(name, 0.0) > 0 or high > 0:
            found.append(UnitRange(unit_id=name, planned_mw=planned.get(name, 0.0), low_mw=float(low),
                                   high_mw=float(high)))
    return tuple(sorted(found, key=lambda u: (-u.planned_mw, -u.high_mw, u.unit_id)))
