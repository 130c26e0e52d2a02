"""What the draws of a study vary for one class, over the candidates that may be eligible in some of them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gis import proximity
from gis.bilingual import Text
from siting.headroom import headroom_draws
from siting.known_errors import KnownErrors, known_errors
from siting.outline_errors import NearOutlines, near_outlines, values_beyond
from siting.pack import ExclusionRule
from siting.power_table import load_power_table
from siting.robustness import Draws, Outlines, SharedValues, broken_bits, perturbed_weights, strictness
from siting.scoring import normalise, normalised_at
from siting.types import SiteScores, StudyResult

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
Booleans = NDArray[np.bool_]

WEIGHT_SHARE = 0.2
"""Weights are drawn within this share of each."""

STRICT_CHANCE = 0.9
"""Chance that a rule which a measure can mitigate is strict in a draw."""

MITIGABLE_TESTS = ("setback", "corridor")
"""Distances, which walls, screens and foundations can answer for; policy, land use and water cannot be mitigated."""

MOST_CANDIDATES = 50_000
"""Candidates that are drawn, the best by score; the others would have to pass all of these to matter."""


@dataclass(frozen=True, eq=False, slots=True, kw_only=True)
class ClassDraws:
    """Everything that the draws of a class need."""

    rows: Integers
    """Candidates that may be eligible in some draw, ascending; shape (n,)."""
    normalised: Floats
    """Their normalised criteria, n x k."""
    broken: NDArray[np.uint64]
    """Rules that they break, among those that the draws decide; shape (n,)."""
    draws: Draws
    near: NearOutlines
    errors: KnownErrors
    headroom_mva: Floats
    """Draws x substations of the layer; NaN where what the layer says stands."""
    n_varied_rules: int
    """Rules that are drawn as strict or mitigated."""

    @property
    def facts(self) -> tuple[Text, ...]:
        """Say what was varied, and what was not."""
        n_drawn = int(np.isfinite(self.headroom_mva).any(axis=0).sum()) if self.headroom_mva.size else 0
        drawn = (Text(zh=f"{n_drawn} 座变电站未给出可用容量，按典型变电站的单台容量、台数与容载比范围逐站抽取，"
                         "由同一变电站供电的候选对象同时变动；图层给出的可用容量未变动。",
                      en=f"{n_drawn} substations state no headroom; it is drawn for each from the ratings, numbers of "
                         "transformers and capacity-load ratios of typical stations, alike for all candidates that "
                         "share it. Headroom that a layer states was not varied."),) if n_drawn else ()
        return (*self.errors.facts, *drawn, *self.near.facts)


def class_draws(result: StudyResult, scores: SiteScores, kept: Integers, n_draws: int, seed: int, *,
                most_candidates: int | None = None) -> ClassDraws:
    """Settle what varies for one class.

    Parameters
    ----------
    result
        What a run found.
    scores
        Of the class.
    kept
        Candidates that must take part, whatever their score.
    n_draws, seed
        Draws; the first is the study as it is.
    most_candidates
        Candidates that take part, the best by score; ``MOST_CANDIDATES`` if None.
    """
    rules, excludes, broken = scores.exclusions.rules, scores.exclusions.excludes, scores.exclusions.broken
    varied = np.array([_is_mitigable(r) for r in rules], dtype=np.bool_) & excludes
    by_zone = np.array([r.test == "permission" for r in rules], dtype=np.bool_) & excludes
    most = MOST_CANDIDATES if most_candidates is None else most_candidates
    may = np.flatnonzero(~broken[:, excludes & ~varied & ~by_zone].any(axis=1))
    is_open = ~broken[np.ix_(may, np.flatnonzero(by_zone))].any(axis=1)
    rows = np.union1d(_best(scores, may[is_open], kept, most), _best(scores, may[~is_open], kept, most))
    candidates = result.candidates.iloc[rows]
    near = near_outlines(candidates, result.units, result.city_layers)
    columns, beyond, is_closed = values_beyond(near, candidates, result.pack, scores.site_class, scores.criteria)
    # What policy closes takes part where the line may be drawn wrongly and the zone beyond it is open.
    takes_part = ~broken[np.ix_(rows, np.flatnonzero(by_zone))].any(axis=1) | ((near.outline >= 0) & ~is_closed)
    at = np.flatnonzero(takes_part & np.isin(rows, _best(scores, rows[takes_part], kept, most)))
    rows, near = rows[at], _of(near, at)
    drawn = np.flatnonzero(varied | by_zone)
    here = broken[np.ix_(rows, drawn)]
    there = np.where(by_zone[drawn], is_closed[at, None], here)
    errors = known_errors(result.city_layers, result.pack, scores.criteria)
    headroom_mva = _headrooms(result, n_draws, seed)
    own = [scores.criteria[j] for j in columns]
    draws = Draws(
        weights=perturbed_weights(np.array([c.weight for c in scores.criteria]), WEIGHT_SHARE, n_draws, seed),
        spread=errors.spread, shared=_shared(result, scores, rows, headroom_mva), seed=seed,
        strict=strictness(np.ones(len(drawn), dtype=np.bool_), varied[drawn], STRICT_CHANCE, n_draws, seed),
        outlines=None if not (near.outline >= 0).any() else Outlines(
            outline=near.outline, away_m=near.away_m, offset_m=near.offsets(n_draws, seed), columns=columns,
            values=normalise(beyond[at], tuple(own)), broken=broken_bits(there)))
    return ClassDraws(rows=rows, normalised=normalised_at(scores, rows), broken=broken_bits(here), draws=draws,
                      near=near, errors=errors, headroom_mva=headroom_mva, n_varied_rules=int(varied.sum()))


def _is_mitigable(rule: ExclusionRule) -> bool:
    return rule.test in MITIGABLE_TESTS


def _best(scores: SiteScores, rows: Integers, kept: Integers, most: int) -> Integers:
    """Return the best of some candidates, and those that must be kept."""
    if len(rows) <= most:
        return rows
    best = rows[np.argsort(-scores.score[rows], kind="stable")[:most]]
    return np.union1d(best, kept[np.isin(kept, rows, kind="table")])


def _of(near: NearOutlines, at: Integers) -> NearOutlines:
    return NearOutlines(units=near.units, error_m=near.error_m, outline=near.outline[at], away_m=near.away_m[at],
                        other_zone=near.other_zone[at], other_unit=near.other_unit[at])


def _headrooms(result: StudyResult, n_draws: int, seed: int) -> Floats:
    if not result.city_layers.has("substations"):
        return np.empty((n_draws, 0))
    return headroom_draws(result.city_layers.frame("substations"), load_power_table(), n_draws, seed)


def _shared(result: StudyResult, scores: SiteScores, rows: Integers, headroom_mva: Floats) -> SharedValues | None:
    """Return the headroom of the substation that feeds each candidate, where the layer does not state it."""
    column = next((j for j, c in enumerate(scores.criteria) if c.criterion_id == "headroom_mva"), None)
    if column is None or not np.isfinite(headroom_mva).any():
        return None
    frame = result.city_layers.frame("substations")
    able = np.flatnonzero(frame["voltage_kv"].to_numpy(dtype=np.float64) >= scores.site_class.supply_voltage_kv)
    if not len(able):
        return None
    near = proximity.nearest(np.asarray(result.candidates.geometry.array[rows], dtype=object),
                             np.asarray(frame.geometry.array[able], dtype=object))
    values = headroom_mva[:, able]
    is_drawn = np.asarray(np.isfinite(values).any(axis=0), dtype=np.bool_)
    at = np.where((near.index >= 0) & is_drawn[near.index], near.index, -1)
    return SharedValues(column=column, at=at, values=normalise(values, (scores.criteria[column],)))
