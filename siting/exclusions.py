"""Every test that a rule can put to a candidate.

A test returns what was measured (in the rule's unit) and by how much the rule is missed, from 0
(kept) to 1 (wholly broken); both NaN where the layer is missing. Whether a miss excludes or only
penalises is for the rule's strictness to say, not for the test. Add a test here as a function and a
line of ``TESTS``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from siting.pack import ExclusionRule, ZonePermission
from siting.permissions import Permissions
from siting.surroundings import Surroundings
from siting.types import ExclusionTable

Floats = NDArray[np.float64]
Outcome = tuple[Floats, Floats]
Test = Callable[[Surroundings, ExclusionRule, Permissions], Outcome]


def _setback(around: Surroundings, rule: ExclusionRule, permissions: Permissions) -> Outcome:
    distance = around.distance_m(rule.layer, rule.where_column, rule.where_values)
    return distance, _missing_share(distance, rule.limit)


def _corridor(around: Surroundings, rule: ExclusionRule, permissions: Permissions) -> Outcome:
    """Distance to the runway, for candidates under the flight path; outside it there is no limit."""
    if not around.city_layers.has(rule.layer):
        return around.unknown(), around.unknown()
    distance = around.distance_m(rule.layer)
    under_path = around.touches_corridor(rule.layer, rule.length_m, rule.half_width_m)
    required = rule.limit or rule.length_m
    return distance, np.where(under_path, _missing_share(distance, required), 0.0)


def _overlap(around: Surroundings, rule: ExclusionRule, permissions: Permissions) -> Outcome:
    share = around.overlap_share(rule.layer, rule.where_column, rule.where_values)
    return share, _excess_share(share, rule.limit)


def _raster_above(around: Surroundings, rule: ExclusionRule, permissions: Permissions) -> Outcome:
    share = around.share_above(rule.layer, rule.threshold)
    return share, _excess_share(share, rule.limit)


def _raster_codes(around: Surroundings, rule: ExclusionRule, permissions: Permissions) -> Outcome:
    share = around.share_of_codes(rule.layer, tuple(float(code) for code in rule.where_values))
    return share, _excess_share(share, rule.limit)


def _slope_above(around: Surroundings, rule: ExclusionRule, permissions: Permissions) -> Outcome:
    slope = around.slope_percent()
    return slope, np.clip((slope - rule.limit) / rule.limit, 0.0, 1.0)


def _land_use(around: Surroundings, rule: ExclusionRule, permissions: Permissions) -> Outcome:
    """1 where the parcel's land use is among those that fail, 0 where it is another, NaN where unknown."""
    if "land_use" not in around.candidates.columns:
        return around.unknown(), around.unknown()
    use = around.candidates["land_use"]
    fails = use.astype("string").isin(rule.where_values).to_numpy(dtype=bool, na_value=False)
    value = np.where(use.isna().to_numpy(), np.nan, fails.astype(np.float64))
    return value, value


def _min_area(around: Surroundings, rule: ExclusionRule, permissions: Permissions) -> Outcome:
    area = around.candidates["area_m2"].to_numpy(dtype=np.float64)
    return area, _missing_share(area, rule.limit)


def _permission(around: Surroundings, rule: ExclusionRule, permissions: Permissions) -> Outcome:
    """1 where policy closes the zone to this type, or where the candidate lies in no zone of the plan."""
    closed = permissions.looked_up([p.permission == "closed" for p in permissions.table], missing=1.0)
    return closed, closed


def _missing_share(value: Floats, required: float) -> Floats:
    return np.clip((required - value) / required, 0.0, 1.0)


def _excess_share(share: Floats, allowed: float) -> Floats:
    # Shares come out of exact areas; a sliver of rounding is not an overlap.
    return np.where(share > allowed + 1e-9, np.clip(share, 1e-6, 1.0), np.where(np.isnan(share), np.nan, 0.0))


TESTS: Mapping[str, Test] = MappingProxyType({
    "setback": _setback,
    "corridor": _corridor,
    "overlap": _overlap,
    "raster_above": _raster_above,
    "raster_codes": _raster_codes,
    "slope_above": _slope_above,
    "land_use": _land_use,
    "min_area": _min_area,
    "permission": _permission,
})
"""Every test by its key."""

TESTS_WITHOUT_LAYER = frozenset({"land_use", "min_area", "permission"})
"""Tests that look at the candidate alone."""


def apply_rules(around: Surroundings, rules: tuple[ExclusionRule, ...], permissions: Sequence[ZonePermission | None],
                mitigations: Mapping[str, str]) -> ExclusionTable:
    """Put every rule of a class to every candidate.

    Parameters
    ----------
    around
        The ``n`` candidates and what lies around them.
    rules
        Rules of the class.
    permissions
        What policy says of the class, per candidate.
    mitigations
        Rules whose breach the study mitigates: rule id to the measure taken. They penalise instead
        of excluding.
    """
    said = Permissions.of(permissions)
    outcomes = [TESTS[rule.test](around, rule, said) for rule in rules]
    n = len(around)
    return ExclusionTable(
        rules=rules,
        measured=np.column_stack([o[0] for o in outcomes]) if outcomes else np.empty((n, 0)),
        shortfall=np.column_stack([o[1] for o in outcomes]) if outcomes else np.empty((n, 0)),
        excludes=excludes_of(rules, mitigations),
    )


def excludes_of(rules: tuple[ExclusionRule, ...], mitigations: Mapping[str, str]) -> NDArray[np.bool_]:
    """Tell which rules exclude: those that shall be kept and whose breach the study does not mitigate."""
    return np.array([r.strictness == "shall" and r.rule_id not in mitigations for r in rules], dtype=np.bool_)
