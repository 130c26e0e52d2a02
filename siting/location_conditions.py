"""Side conditions of a location model: what exists, spacing, quotas by zone, second cover, budget."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from gis.bilingual import Text
from gis.errors import UsageError
from siting.location_costs import Bools, Costs, Floats, Ints

Scalar = TypeVar("Scalar", bound=np.generic)

BUDGET_SLACK = 1e-9
"""Share of the budget by which rounding may exceed it."""


@dataclass(frozen=True, eq=False, slots=True, kw_only=True)
class SideConditions:
    """What a choice of sites must keep to beside the model itself; each is off unless given."""

    existing_facilities: Bools | None = None
    """Per site: it stands already, stays open and counts among the facilities chosen."""

    min_spacing: float | None = None
    """Two chosen sites lie at least this far apart; existing ones among themselves are taken as they are."""

    site_positions: Floats | None = None
    """Easting and northing per site, shape (n_sites, 2), from which spacing is measured."""

    site_distances: Floats | None = None
    """Distances between sites, shape (n_sites, n_sites), where spacing is not the straight line."""

    zone_of_site: Ints | None = None
    """Zone per site, 0 to n_zones - 1; -1 for none."""

    zone_min: Ints | None = None
    """Fewest chosen sites per zone, shape (n_zones,)."""

    zone_max: Ints | None = None
    """Most chosen sites per zone, shape (n_zones,)."""

    needs_backup: Bools | None = None
    """Per demand point: two chosen sites must be within ``backup_radius``."""

    backup_radius: float | None = None
    """In the unit of the cost matrix; the service radius of covering models where this is None."""

    site_costs: Floats | None = None
    """Price per site; what exists is already paid for."""

    budget: float | None = None
    """The chosen sites cost no more than this together; without a number of sites, at least one is chosen."""


NO_CONDITIONS = SideConditions()
"""No side condition."""


@dataclass(frozen=True, eq=False, slots=True)
class RuleRow:
    """One linear rule ``lower <= sum value * site <= upper`` and what it says."""

    family: str
    """number, spacing, quota, budget, backup or cover."""
    site: Ints
    value: Floats
    lower: float
    upper: float


@dataclass(frozen=True, eq=False, slots=True, kw_only=True)
class SiteRules:
    """Conditions made ready for solvers."""

    n_sites: int
    n_open: int | None
    """How many sites to choose; None where the budget decides."""
    existing: Bools
    spacing: float
    distances: Floats
    """Between sites; of shape (0, 0) where there is no spacing."""
    conflicts: Bools
    """Pairs of sites that are too close; of shape (0, 0) where there are none."""
    zone: Ints
    zone_min: Ints
    zone_max: Ints
    price: Floats
    budget: float
    backup_rows: Ints
    """Demand points that need a second cover."""
    backup: Bools
    """These demand points x sites: covers."""
    backup_radius: float

    @property
    def is_plain(self) -> bool:
        """Whether a choice is bound by number and quotas alone."""
        return not (self.conflicts.size or len(self.backup_rows) or self.budget < np.inf)

    def rows(self) -> list[RuleRow]:
        """Return the rules as linear rows."""
        return [*self._number(), *self._spacing(), *self._quotas(), *self._budget(), *self._backup()]

    def _number(self) -> Iterator[RuleRow]:
        every, ones = np.arange(self.n_sites), np.ones(self.n_sites)
        if self.n_open is not None:
            yield RuleRow("number", every, ones, self.n_open, self.n_open)
        elif self.budget < np.inf:
            yield RuleRow("number", every, ones, 1.0, np.inf)

    def _spacing(self) -> Iterator[RuleRow]:
        for clique in cliques(self.conflicts):
            yield RuleRow("spacing", clique, np.ones(len(clique)), 0.0, 1.0)

    def _quotas(self) -> Iterator[RuleRow]:
        for zone, (least, most) in enumerate(zip(self.zone_min, self.zone_max, strict=True)):
            members = np.flatnonzero(self.zone == zone)
            yield RuleRow(f"quota {zone}", members, np.ones(len(members)), float(least), float(most))

    def _budget(self) -> Iterator[RuleRow]:
        if self.budget < np.inf:
            paid = np.flatnonzero(self.price)
            yield RuleRow("budget", paid, self.price[paid], 0.0, self.budget * (1 + BUDGET_SLACK))

    def _backup(self) -> Iterator[RuleRow]:
        for covers in np.unique(self.backup, axis=0):
            site = np.flatnonzero(covers)
            yield RuleRow("backup", site, np.ones(len(site)), 2.0, np.inf)

    def breaches(self, chosen: Ints) -> list[str]:
        """Name the rules that a choice breaks; independent of any solver's rows."""
        found = []
        if len(chosen) != self.n_open and not (self.n_open is None and (len(chosen) or np.isinf(self.budget))):
            found.append("number")
        if len(np.unique(chosen)) != len(chosen) or not set(np.flatnonzero(self.existing)) <= set(chosen.tolist()):
            found.append("existing")
        if self.conflicts.size:
            close = self.distances[np.ix_(chosen, chosen)] < self.spacing
            stand = self.existing[chosen]
            np.fill_diagonal(close, val=False)
            if (close & ~(stand[:, None] & stand)).any():
                found.append("spacing")
        zone = self.zone[chosen]
        held = np.bincount(zone[zone >= 0], minlength=len(self.zone_min))
        if (held < self.zone_min).any() or (held > self.zone_max).any():
            found.append("quota")
        if self.price[chosen].sum() > self.budget * (1 + 2 * BUDGET_SLACK):
            found.append("budget")
        if (self.backup[:, chosen].sum(axis=1) < 2).any():
            found.append("backup")
        return found


def cliques(conflicts: Bools) -> list[Ints]:
    """Cover every conflicting pair by sets of sites that conflict with each other, greedily.

    One row per set says more than one per pair: of the whole set at most one is chosen.
    """
    found: list[Ints] = []
    left = np.triu(conflicts, 1)
    for one in range(len(conflicts)):
        while left[one].any():
            member = [one]
            common = conflicts[one].copy()
            # Pairs that are still uncovered first, then whoever fits as well.
            for pool in (left[one], conflicts[one]):
                for other in np.flatnonzero(pool):
                    if common[other] and other not in member:
                        member.append(int(other))
                        common &= conflicts[other]
            sites = np.sort(np.array(member))
            left[np.ix_(sites, sites)] = False
            found.append(sites)
    return found


def site_rules(conditions: SideConditions, costs: Costs, n_facilities: int | None,
               service_radius: float | None = None) -> SiteRules:
    """Check conditions against the matrix and make them ready.

    Raises
    ------
    UsageError
        An array has the wrong shape, or a condition lacks what it needs.
    """
    n_sites = costs.n_sites
    existing = _per(conditions.existing_facilities, n_sites, "existing_facilities", np.zeros(n_sites, dtype=np.bool_))
    distances = _distances(conditions, n_sites)
    too_close = distances < (conditions.min_spacing or 0.0)
    if too_close.size:
        np.fill_diagonal(too_close, val=False)
        too_close &= ~(existing[:, None] & existing)
    zone, zone_min, zone_max = _quotas(conditions, n_sites)
    rows, backup, radius = _backup(conditions, costs, service_radius)
    price = _per(conditions.site_costs, n_sites, "site_costs", np.zeros(n_sites))
    if conditions.budget is not None and conditions.site_costs is None:
        raise _missing("budget", "site_costs")
    return SiteRules(
        n_sites=n_sites, n_open=n_facilities, existing=existing, spacing=conditions.min_spacing or 0.0,
        distances=distances, conflicts=too_close if too_close.any() else np.zeros((0, 0), dtype=np.bool_),
        zone=zone, zone_min=zone_min, zone_max=zone_max, price=np.where(existing, 0.0, price),
        budget=np.inf if conditions.budget is None else float(conditions.budget),
        backup_rows=rows, backup=backup, backup_radius=radius)


def _per(given: NDArray[Scalar] | None, count: int, name: str, otherwise: NDArray[Scalar]) -> NDArray[Scalar]:
    if given is None:
        return otherwise
    array = np.asarray(given).astype(otherwise.dtype)
    if array.shape != (count,):
        raise UsageError(
            f"{name} needs {count} values, one per row or column of the cost matrix; it has shape {array.shape}",
            f"{name} 应有 {count} 个值，与成本矩阵的行或列一一对应；实际形状为 {array.shape}")
    return array


def _missing(condition: str, needed: str) -> UsageError:
    return UsageError(f"the condition {condition} needs {needed}; give it too",
                      f"条件 {condition} 需要 {needed}，请一并给出")


def _distances(conditions: SideConditions, n_sites: int) -> Floats:
    if conditions.min_spacing is None:
        return np.zeros((0, 0))
    if conditions.site_distances is not None:
        found = np.asarray(conditions.site_distances, dtype=np.float64)
        found = np.minimum(found, found.T)
    elif conditions.site_positions is not None:
        at = np.asarray(conditions.site_positions, dtype=np.float64)
        found = np.hypot(at[:, :1] - at[:, 0], at[:, 1:] - at[:, 1])
    else:
        raise _missing("min_spacing", "site_positions / site_distances")
    if found.shape != (n_sites, n_sites):
        raise UsageError(f"distances between {n_sites} sites are needed, and the shape given is {found.shape}",
                         f"需要 {n_sites} 个候选点之间的距离，实际形状为 {found.shape}")
    return found


def _quotas(conditions: SideConditions, n_sites: int) -> tuple[Ints, Ints, Ints]:
    none = np.zeros(0, dtype=np.int64)
    if conditions.zone_min is None and conditions.zone_max is None:
        return np.full(n_sites, -1), none, none
    if conditions.zone_of_site is None:
        raise _missing("zone_min / zone_max", "zone_of_site")
    zone = _per(conditions.zone_of_site, n_sites, "zone_of_site", np.full(n_sites, -1))
    given = conditions.zone_max if conditions.zone_min is None else conditions.zone_min
    n_zones = max(len(given) if given is not None else 0, int(zone.max(initial=-1)) + 1)
    least = _per(conditions.zone_min, n_zones, "zone_min", np.zeros(n_zones, dtype=np.int64))
    most = _per(conditions.zone_max, n_zones, "zone_max", np.full(n_zones, n_sites))
    return zone, np.maximum(least, 0), most


def _backup(conditions: SideConditions, costs: Costs,
            service_radius: float | None) -> tuple[Ints, Bools, float]:
    radius = service_radius if conditions.backup_radius is None else conditions.backup_radius
    none = np.zeros((0, costs.n_sites), dtype=np.bool_)
    if conditions.needs_backup is None:
        return np.zeros(0, dtype=np.int64), none, radius or 0.0
    if radius is None:
        raise _missing("needs_backup", "backup_radius")
    wanted = _per(conditions.needs_backup, costs.n_demand, "needs_backup", np.zeros(costs.n_demand, dtype=np.bool_))
    rows = np.flatnonzero(wanted)
    near = costs.of_rows(rows).within(np.full(len(rows), radius))
    covers = np.zeros((len(rows), costs.n_sites), dtype=np.bool_)
    covers[near.row, near.site] = True
    return rows, covers, radius


def described(family: str, rules: SiteRules) -> Text:
    """Say in a planner's words what a family of rules asks for."""
    if family.startswith("quota "):
        zone = int(family.split()[1])
        least, most = rules.zone_min[zone], rules.zone_max[zone]
        return Text(zh=f"分区 {zone} 设 {least} 至 {most} 个", en=f"{least} to {most} sites in zone {zone}")
    k = len(rules.backup_rows)
    return {
        "number": (Text(zh="至少选一个", en="at least one site") if rules.n_open is None else
                   Text(zh=f"恰好选 {rules.n_open} 个", en=f"exactly {rules.n_open} sites")),
        "spacing": Text(zh=f"选址间距不小于 {rules.spacing:g}", en=f"a spacing of at least {rules.spacing:g}"),
        "budget": Text(zh=f"总费用不超过 {rules.budget:g}", en=f"a cost of at most {rules.budget:g}"),
        "backup": Text(zh=f"{k} 个需求点在 {rules.backup_radius:g} 内有两处覆盖",
                       en=f"a second cover within {rules.backup_radius:g} for {k} demand points"),
        "existing": Text(zh=f"保留 {int(rules.existing.sum())} 个既有设施",
                         en=f"{int(rules.existing.sum())} existing facilities that stay"),
        "cover": Text(zh="每个需求点都要有服务", en="every demand point served"),
    }[family]
