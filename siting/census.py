"""What summaries need to know of all candidates of a class, counted block by block.

A study of a whole country holds only its best candidates in memory; what the report, the manifest and the summary
tables say of all of them comes from the census. A census adds up: that of a whole is the merged census of its parts,
to the last digit, in whatever order and however the whole was parted. To make it so, areas are whole square
millimetres (integers), and data coverage is whole billionths; nothing is a sum of rounded numbers.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

import geopandas as gpd
import numpy as np
import pandas as pd
from numpy.typing import NDArray

from siting.types import SiteScores

SCORE_BINS = 1000
"""Cells of the histogram of scores between 0 and 1."""

RANK_DECIMALS = 12
"""Scores that agree in so many decimals are equal in rank; the lesser parcel id then comes first."""

_MM2 = 1_000_000
_BILLIONTHS = 1_000_000_000
_ROWS_AT_A_TIME = 65_536

Integers = NDArray[np.int64]
Key = tuple[str, str]
"""Policy zone and unit."""


@dataclass(frozen=True, slots=True, kw_only=True)
class UnitCensus:
    """The candidates of one class in one unit of the plan."""

    zone_id: str
    unit_id: str
    """Both empty for candidates outside every unit."""
    permission: str | None
    """What policy says of the class here; None outside every zone."""
    n_candidates: int
    n_eligible: int
    area_mm2: int
    eligible_area_mm2: int
    main_reasons: tuple[int, ...]
    """Per rule of the class, the candidates of which it is the main reason of exclusion."""
    best_score: float | None
    """Score of the best eligible candidate; None where none is eligible."""
    best_parcel_id: str
    """Its key; empty where none is eligible."""

    @property
    def eligible_area_m2(self) -> float:
        """Area of the eligible candidates, to the square millimetre."""
        return self.eligible_area_mm2 / _MM2

    @property
    def area_m2(self) -> float:
        """Area of all candidates, to the square millimetre."""
        return self.area_mm2 / _MM2


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleCensus:
    """All candidates of one class against one rule."""

    rule_id: str
    excludes: bool
    n_tested: int
    n_broken: int
    n_only: int
    """Candidates that this rule alone excludes."""
    broken_area_mm2: int

    @property
    def broken_area_m2(self) -> float:
        """Area of the candidates that break the rule, to the square millimetre."""
        return self.broken_area_mm2 / _MM2


@dataclass(frozen=True, slots=True, kw_only=True)
class Census:
    """All candidates of one class, counted."""

    class_id: str
    units: tuple[UnitCensus, ...]
    """Units that hold a candidate, by zone and unit."""
    rules: tuple[RuleCensus, ...]
    """In the order of the class's rules."""
    n_measured: tuple[int, ...]
    """Per criterion of the class, the candidates that it was measured for."""
    score_counts: tuple[int, ...]
    """Eligible candidates by score, ``SCORE_BINS`` cells of equal width from 0 to 1; the last one holds 1 too."""
    coverage_billionths: int
    """Sum of the candidates' data coverage."""
    least_coverage: float
    """Least data coverage of a candidate; 1 where there is none."""
    greatest_coverage: float
    """Greatest data coverage of a candidate; 0 where there is none."""

    @property
    def n_candidates(self) -> int:
        """All candidates."""
        return sum(u.n_candidates for u in self.units)

    @property
    def n_eligible(self) -> int:
        """Candidates that break no excluding rule."""
        return sum(u.n_eligible for u in self.units)

    @property
    def area_m2(self) -> float:
        """Area of all candidates, to the square millimetre."""
        return sum(u.area_mm2 for u in self.units) / _MM2

    @property
    def eligible_area_m2(self) -> float:
        """Area of the eligible candidates, to the square millimetre."""
        return sum(u.eligible_area_mm2 for u in self.units) / _MM2

    @property
    def mean_coverage(self) -> float:
        """Mean data coverage of the candidates, to a billionth; 0 where there is none."""
        return self.coverage_billionths / _BILLIONTHS / self.n_candidates if self.n_candidates else 0.0

    @property
    def untested_rules(self) -> tuple[str, ...]:
        """Keys of the rules that no candidate could be tested for."""
        return tuple(r.rule_id for r in self.rules if not r.n_tested)

    def score_at(self, share: float) -> float:
        """Return the score below which ``share`` of the eligible candidates lie, to one cell of the histogram.

        Parameters
        ----------
        share
            Between 0 and 1.

        Raises
        ------
        ValueError
            No candidate is eligible.
        """
        if not self.n_eligible:
            raise ValueError("no candidate is eligible")
        reached = np.cumsum(self.score_counts)
        cell = int(np.searchsorted(reached, share * self.n_eligible))
        return (min(cell, SCORE_BINS - 1) + 0.5) / SCORE_BINS


def census_of(candidates: gpd.GeoDataFrame, scores: SiteScores) -> Census:
    """Count the candidates of a class; O(rows x (rules + criteria)), nothing as large as the matrices is held.

    Parameters
    ----------
    candidates
        All candidates or a part of them, with ``parcel_id, area_m2, zone_id, unit_id``.
    scores
        Their scores, row by row. Ranks are not looked at: those of a part are not those of the whole.

    Returns
    -------
    Census
        Merges with that of other parts to that of the whole (see ``merged``).
    """
    keys, place = _places(candidates)
    area = _whole(candidates["area_m2"].to_numpy(dtype=np.float64), _MM2)
    counts = _Counts(len(keys), scores)
    for start in range(0, len(area), _ROWS_AT_A_TIME):
        counts.add(slice(start, start + _ROWS_AT_A_TIME), place, area)
    coverage = scores.data_coverage
    return Census(
        class_id=scores.site_class.class_id, units=tuple(_units(candidates, keys, place, counts)),
        rules=tuple(_rules(counts)), n_measured=_ints(counts.measured), score_counts=_ints(counts.bins),
        coverage_billionths=int(_whole(coverage, _BILLIONTHS).sum()),
        least_coverage=float(coverage.min()) if len(coverage) else 1.0,
        greatest_coverage=float(coverage.max()) if len(coverage) else 0.0,
    )


def count_all(candidates: gpd.GeoDataFrame, scores: Iterable[SiteScores]) -> tuple[Census, ...]:
    """Count the candidates for each class in turn."""
    return tuple(census_of(candidates, own) for own in scores)


def merged(parts: Iterable[Census]) -> Census:
    """Add up the censuses of the parts of one whole.

    Parameters
    ----------
    parts
        At least one; all of one class, with the same rules and criteria. Their order does not matter.

    Returns
    -------
    Census
        Equal, field by field, to the census of all candidates at once, provided that parcel ids are unique.

    Raises
    ------
    ValueError
        There is no part, or the parts are of different classes, rules or criteria.
    """
    given = list(parts)
    if not given:
        raise ValueError("no part to merge")
    first = given[0]
    schemes = {(c.class_id, tuple((r.rule_id, r.excludes) for r in c.rules), len(c.n_measured)) for c in given}
    if len(schemes) > 1:
        raise ValueError("parts of different classes, rules or criteria")
    units: dict[Key, UnitCensus] = {}
    for unit in (u for c in given for u in c.units):
        key = (unit.zone_id, unit.unit_id)
        units[key] = _joined(units[key], unit) if key in units else unit
    return Census(
        class_id=first.class_id, units=tuple(units[key] for key in sorted(units)),
        rules=tuple(_added([c.rules[i] for c in given]) for i in range(len(first.rules))),
        n_measured=_sums(c.n_measured for c in given), score_counts=_sums(c.score_counts for c in given),
        coverage_billionths=sum(c.coverage_billionths for c in given),
        least_coverage=min(c.least_coverage for c in given),
        greatest_coverage=max(c.greatest_coverage for c in given),
    )


class _Counts:
    """The sums of a census while its rows pass by."""

    def __init__(self, n_places: int, scores: SiteScores) -> None:
        n_rules, n_rows = len(scores.exclusions.rules), len(scores.score)
        self.scores = scores
        self.n_places = n_places
        self.eligible = np.zeros(n_rows, dtype=np.bool_)
        self.by_place = {name: np.zeros(n_places, dtype=np.int64) for name in ("n", "kept", "area", "kept_area")}
        self.reasons = np.zeros((n_places, n_rules), dtype=np.int64)
        self.by_rule = {name: np.zeros(n_rules, dtype=np.int64) for name in ("tested", "broken", "only", "area")}
        self.measured = np.zeros(len(scores.criteria), dtype=np.int64)
        self.bins = np.zeros(SCORE_BINS, dtype=np.int64)

    def add(self, rows: slice, places: Integers, areas: Integers) -> None:
        """Count some rows."""
        table, place, area = self.scores.exclusions, places[rows], areas[rows]
        shortfall = table.shortfall[rows]
        broken = shortfall > 0.0  # false where not tested
        excluding = broken & table.excludes
        n_excluding = excluding.sum(axis=1)
        kept = n_excluding == 0
        self.eligible[rows] = kept
        self._add_places(place, area, kept)
        main = np.where(excluding, shortfall, 0.0).argmax(axis=1) if len(table.rules) else np.zeros(0, dtype=np.int64)
        np.add.at(self.reasons, (place[~kept], main[~kept] if len(table.rules) else main), 1)
        self.by_rule["tested"] += len(area) - np.isnan(shortfall).sum(axis=0)
        self.by_rule["broken"] += broken.sum(axis=0)
        self.by_rule["only"] += excluding[n_excluding == 1].sum(axis=0)
        self.by_rule["area"] += area @ broken.astype(np.int64)
        self.measured += len(area) - np.isnan(self.scores.raw[rows]).sum(axis=0)
        cells = np.minimum(self.scores.score[rows][kept] * SCORE_BINS, SCORE_BINS - 1).astype(np.int64)
        self.bins += np.bincount(cells, minlength=SCORE_BINS)

    def _add_places(self, place: Integers, area: Integers, kept: NDArray[np.bool_]) -> None:
        self.by_place["n"] += np.bincount(place, minlength=self.n_places)
        self.by_place["kept"] += np.bincount(place[kept], minlength=self.n_places)
        np.add.at(self.by_place["area"], place, area)
        np.add.at(self.by_place["kept_area"], place[kept], area[kept])


def _places(candidates: gpd.GeoDataFrame) -> tuple[list[Key], Integers]:
    """Return zone and unit of every place that holds a candidate, sorted, and the place of each candidate."""
    zone, zones = pd.factorize(candidates["zone_id"].fillna("").astype(str), sort=True)
    unit, units = pd.factorize(candidates["unit_id"].fillna("").astype(str), sort=True)
    codes, place = np.unique(zone.astype(np.int64) * max(len(units), 1) + unit, return_inverse=True)
    pairs = (divmod(code, max(len(units), 1)) for code in codes.tolist())
    return [(str(zones[z]), str(units[u])) for z, u in pairs], place.astype(np.int64)


def _whole(values: NDArray[np.float64], per_unit: int) -> Integers:
    """Return values as whole parts of a unit; what is no number counts nothing."""
    return np.rint(np.nan_to_num(values, nan=0.0, posinf=0.0, neginf=0.0) * per_unit).astype(np.int64)


def _best(candidates: gpd.GeoDataFrame, scores: SiteScores, eligible: NDArray[np.bool_], place: Integers,
          n_places: int) -> dict[int, int]:
    """Return the row of the best eligible candidate of each place, ties to the lesser id."""
    rows = np.flatnonzero(eligible)
    rounded = np.round(scores.score[rows], RANK_DECIMALS)
    highest = np.full(n_places, -np.inf)
    np.maximum.at(highest, place[rows], rounded)
    ids = candidates["parcel_id"].to_numpy(dtype=object)
    best: dict[int, tuple[str, int]] = {}
    for row in rows[rounded == highest[place[rows]]].tolist():
        key, at = (str(ids[row]), row), int(place[row])
        best[at] = min(best.get(at, key), key)
    return {at: row for at, (_, row) in best.items()}


def _units(candidates: gpd.GeoDataFrame, keys: list[Key], place: Integers, counts: _Counts) -> Iterator[UnitCensus]:
    scores = counts.scores
    _, first = np.unique(place, return_index=True)
    best = _best(candidates, scores, counts.eligible, place, len(keys))
    for at, (zone_id, unit_id) in enumerate(keys):
        verdict, row = scores.permissions[int(first[at])], best.get(at)
        own = {name: int(values[at]) for name, values in counts.by_place.items()}
        yield UnitCensus(
            zone_id=zone_id, unit_id=unit_id, permission=None if verdict is None else verdict.permission,
            n_candidates=own["n"], n_eligible=own["kept"], area_mm2=own["area"], eligible_area_mm2=own["kept_area"],
            main_reasons=_ints(counts.reasons[at]), best_score=None if row is None else float(scores.score[row]),
            best_parcel_id="" if row is None else str(candidates["parcel_id"].iloc[row]))


def _rules(counts: _Counts) -> Iterator[RuleCensus]:
    table, by_rule = counts.scores.exclusions, counts.by_rule
    for i, rule in enumerate(table.rules):
        yield RuleCensus(rule_id=rule.rule_id, excludes=bool(table.excludes[i]), n_tested=int(by_rule["tested"][i]),
                         n_broken=int(by_rule["broken"][i]), n_only=int(by_rule["only"][i]),
                         broken_area_mm2=int(by_rule["area"][i]))


def _joined(a: UnitCensus, b: UnitCensus) -> UnitCensus:
    """Add up the candidates of one unit."""
    first = min((u for u in (a, b) if u.best_score is not None), key=_standing, default=a)
    return UnitCensus(
        zone_id=a.zone_id, unit_id=a.unit_id, permission=a.permission, n_candidates=a.n_candidates + b.n_candidates,
        n_eligible=a.n_eligible + b.n_eligible, area_mm2=a.area_mm2 + b.area_mm2,
        eligible_area_mm2=a.eligible_area_mm2 + b.eligible_area_mm2,
        main_reasons=_sums((a.main_reasons, b.main_reasons)), best_score=first.best_score,
        best_parcel_id=first.best_parcel_id)


def _standing(unit: UnitCensus) -> tuple[float, str]:
    """Return what the best candidates of two parts are compared by, as ranks are given."""
    return -round(unit.best_score or 0.0, RANK_DECIMALS), unit.best_parcel_id


def _added(parts: list[RuleCensus]) -> RuleCensus:
    """Add up the candidates that one rule was put to."""
    return replace(parts[0], n_tested=sum(p.n_tested for p in parts), n_broken=sum(p.n_broken for p in parts),
                   n_only=sum(p.n_only for p in parts), broken_area_mm2=sum(p.broken_area_mm2 for p in parts))


def _ints(values: Integers) -> tuple[int, ...]:
    return tuple(values.tolist())


def _sums(rows: Iterable[tuple[int, ...]]) -> tuple[int, ...]:
    return tuple(sum(column) for column in zip(*rows, strict=True))
