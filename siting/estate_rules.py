"""Whether a clause on existing data centres holds for one of them: yes, no, or not to be told, and what is missing.

Every condition is answered in three values. One "no" settles a clause; otherwise one unknown leaves
it open and names the field that would decide it. Nothing is filled in by a guess; two things are
known without being given: a clause that names a data centre states its PUE, and a design load at
full use all year bounds the energy from above.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date

from siting.pack import RetrofitRule

KGCE_PER_KWH = 0.1229
"""Coal equivalent of electricity, kg per kWh (GB/T 2589, by its heat value). Assumed."""
HOURS_PER_YEAR = 8760.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Centre:
    """What is known of one data centre; NaN and empty for what is not."""

    data_centre_id: str
    zone_ids: tuple[str, ...]
    """Zones that it may lie in, given the error of its position; empty where it lies in no unit of the plan."""
    development_type: str
    pue: float
    rack_count: float
    """Physical racks."""
    it_load_kw: float
    server_count: float
    energy_tce: float
    standard_rack_kw: float

    @property
    def standard_racks(self) -> float:
        """IT load by design in standard racks."""
        return self.it_load_kw / self.standard_rack_kw

    @property
    def most_energy_tce(self) -> float:
        """Energy of a year, or what it cannot be above."""
        if not math.isnan(self.energy_tce):
            return self.energy_tce
        return self.it_load_kw * self.pue * HOURS_PER_YEAR * KGCE_PER_KWH / 1e3


@dataclass(frozen=True, slots=True)
class Match:
    """Whether a clause holds."""

    holds: bool | None
    """None where it cannot be told."""
    missing: tuple[str, ...] = ()
    """Fields that would tell."""
    is_named: bool = False
    """The clause names this data centre."""


def match(rule: RetrofitRule, centre: Centre, on: date) -> Match:
    """Tell whether a clause holds for a data centre at a date."""
    is_named = centre.data_centre_id in rule.place_ids
    missing: list[str] = []
    for holds, field in _conditions(rule, centre, on, is_named=is_named):
        if holds is False:
            return Match(False)
        if holds is None:
            missing.append(field)
    if missing:
        return Match(None, tuple(dict.fromkeys(missing)))
    return Match(True, is_named=is_named)


def _conditions(rule: RetrofitRule, centre: Centre, on: date, *,
                is_named: bool) -> Iterator[tuple[bool | None, str]]:
    if rule.place_ids:
        yield is_named, ""
    if rule.after_deadline:
        yield on > date.fromisoformat(rule.deadline), ""
    if rule.zone_ids:
        yield _among(centre.zone_ids, rule.zone_ids), "position"
    if rule.kinds:
        yield (centre.development_type in rule.kinds) if centre.development_type else None, "development_type"
    if not (is_named and math.isnan(centre.pue)):
        # A clause that names a data centre says that its PUE is beyond the limit; a PUE that is given comes first.
        yield _above(centre.pue, rule.pue_above), "pue"
        yield _at_least(centre.pue, rule.pue_at_least), "pue"
    racks, field = ((centre.standard_racks, "it_load_kw") if rule.rack_unit == "standard"
                    else (centre.rack_count, "rack_count"))
    yield _above(racks, rule.racks_above), field
    yield _negated(_at_least(racks, rule.racks_below), rule.racks_below), field
    if rule.servers_above is not None or rule.energy_tce_above is not None:
        yield from _size(rule, centre)


def _size(rule: RetrofitRule, centre: Centre) -> Iterator[tuple[bool | None, str]]:
    """Either limit is enough: servers, or energy of a year."""
    by_servers = False if rule.servers_above is None else _above(centre.server_count, rule.servers_above)
    by_energy = False if rule.energy_tce_above is None else _energy_above(centre, rule.energy_tce_above)
    if by_servers or by_energy:
        yield True, ""
        return
    if by_servers is None:
        yield None, "server_count"
    if by_energy is None:
        yield None, "energy_tce"
    if by_servers is False and by_energy is False:
        yield False, ""


def _energy_above(centre: Centre, limit_tce: float) -> bool | None:
    """Compare the energy with a limit; without one given, only "no" can be told, from its upper bound."""
    if not math.isnan(centre.energy_tce):
        return centre.energy_tce > limit_tce
    return False if centre.most_energy_tce <= limit_tce else None


def _among(possible: tuple[str, ...], wanted: tuple[str, ...]) -> bool | None:
    inside = [zone in wanted for zone in possible]
    if not inside:
        return None
    return inside[0] if all(i == inside[0] for i in inside) else None


def _above(value: float, limit: float | None) -> bool | None:
    if limit is None:
        return True
    return None if math.isnan(value) else value > limit


def _at_least(value: float, limit: float | None) -> bool | None:
    if limit is None:
        return True
    return None if math.isnan(value) else value >= limit


def _negated(holds: bool | None, limit: float | None) -> bool | None:
    """Turn "at least" into "below", where there is a limit."""
    return True if limit is None else None if holds is None else not holds
