"""Why a location question has no answer, in a planner's words, and what would give it one."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from gis.bilingual import Text
from gis.errors import InfeasibleError
from siting.location_conditions import RuleRow, SiteRules, described
from siting.location_costs import Costs, Floats, Ints
from siting.location_exact import best_choice

SHOWN = 8
"""Row or column numbers that a message lists at most."""


def numbers(indices: Ints) -> Text:
    """List a few numbers and how many more there are."""
    shown = ", ".join(str(int(i)) for i in indices[:SHOWN])
    more = len(indices) - SHOWN
    return Text(zh=shown.replace(", ", "、") + (f" 等共 {len(indices)} 个" if more > 0 else ""),
                en=shown + (f" and {more} more" if more > 0 else ""))


def check_rules(rules: SiteRules) -> None:
    """Raise where number, quotas, spacing or budget cannot be met for a reason that shows at once."""
    _check_number(rules)
    _check_quotas(rules)
    if rules.budget < 0:
        raise InfeasibleError(f"the budget {rules.budget:g} is below 0; give what may be spent on new sites",
                              f"预算 {rules.budget:g} 小于 0；请给出可用于新建的金额")


def _check_number(rules: SiteRules) -> None:
    n, n_sites, stand = rules.n_open, rules.n_sites, int(rules.existing.sum())
    if n is None:
        return
    if not 1 <= n <= n_sites:
        raise InfeasibleError(
            f"{n} facilities cannot be chosen among {n_sites} candidate sites; ask for 1 to {n_sites}, or add hosts",
            f"无法从 {n_sites} 个候选点中选出 {n} 个；请将数量设为 1 至 {n_sites}，或补充宿主点位")
    if stand > n:
        raise InfeasibleError(
            f"{stand} facilities exist and stay, and {n} are asked for in all; ask for at least {stand}",
            f"既有设施 {stand} 个须保留，而总数只要求 {n} 个；请将总数设为至少 {stand}")


def _check_quotas(rules: SiteRules) -> None:
    for zone, (least, most) in enumerate(zip(rules.zone_min, rules.zone_max, strict=True)):
        inside = rules.zone == zone
        stand, count = int((rules.existing & inside).sum()), int(inside.sum())
        if least > most:
            raise InfeasibleError(f"zone {zone} must hold at least {least} and at most {most} sites; change either",
                                  f"分区 {zone} 要求至少 {least} 个且至多 {most} 个，互相矛盾；请修改其一")
        if least > count:
            raise InfeasibleError(
                f"zone {zone} must hold {least} sites and has {count} candidates; lower its quota or add candidates",
                f"分区 {zone} 要求 {least} 个，但只有 {count} 个候选点；请降低配额或补充候选点")
        if stand > most:
            raise InfeasibleError(
                f"zone {zone} may hold {most} sites and {stand} exist there; raise its quota to {stand}",
                f"分区 {zone} 至多 {most} 个，但已有 {stand} 个既有设施；请将上限提高到 {stand}")
    if rules.n_open is None or not len(rules.zone_min):
        return
    owed = int(rules.zone_min.sum())
    held = np.bincount(rules.zone[rules.zone >= 0], minlength=len(rules.zone_max))
    room = int(np.minimum(rules.zone_max, held).sum() + (rules.zone < 0).sum())
    if owed > rules.n_open:
        raise InfeasibleError(
            f"the zones ask for {owed} sites at least and only {rules.n_open} are to be chosen; choose {owed} or lower "
            "the quotas", f"各分区下限合计 {owed} 个，而总数只有 {rules.n_open} 个；请将总数设为 {owed} 或降低下限")
    if room < rules.n_open:
        raise InfeasibleError(
            f"the zones allow {room} sites and {rules.n_open} are to be chosen; choose {room} or raise the quotas",
            f"各分区上限合计只容纳 {room} 个，而要选 {rules.n_open} 个；请将总数设为 {room} 或提高上限")


def check_backup(rules: SiteRules, costs: Costs) -> None:
    """Raise where a demand point has not two sites in reach."""
    short = rules.backup_rows[rules.backup.sum(axis=1) < 2]
    if not len(short):
        return
    needed = float(costs.of_rows(short).cheapest(1).max())
    rows = numbers(short)
    raise InfeasibleError(
        f"demand points (rows) {rows.en} have no second site within {rules.backup_radius:g}; "
        + _radius_or_sites(needed).en,
        f"需求点（行号）{rows.zh} 在 {rules.backup_radius:g} 内没有第二个候选点；" + _radius_or_sites(needed).zh)


def check_reach(costs: Costs, demand: Floats, radius: float = np.inf) -> None:
    """Raise where demand has no site in reach."""
    nearest = costs.cheapest(0)
    short = np.flatnonzero((demand > 0) & ~((nearest <= radius) & (nearest < np.inf)))
    if not len(short):
        return
    rows, needed = numbers(short), float(nearest[short].max())
    within = Text(zh="", en="") if np.isinf(radius) else Text(zh=f"在 {radius:g} 内", en=f" within {radius:g}")
    raise InfeasibleError(f"no candidate site serves demand points (rows) {rows.en}{within.en}; "
                          + _radius_or_sites(needed).en,
                          f"需求点（行号）{rows.zh} {within.zh}没有候选点可服务；" + _radius_or_sites(needed).zh)


def _radius_or_sites(needed: float) -> Text:
    if np.isinf(needed):
        return Text(zh="请补充可达的候选点", en="add sites that can reach them")
    return Text(zh=f"半径 {needed:g} 可以满足，或补充候选点", en=f"a radius of {needed:g} would do, or add sites")


def explained(rules: SiteRules, further: list[RuleRow]) -> InfeasibleError:
    """Find a smallest set of rules that contradict each other, and what each would have to be.

    Parameters
    ----------
    further
        Rows of the model itself that must hold too (every demand point covered).
    """
    rows = rules.rows() + further
    families = list(dict.fromkeys(r.family for r in rows)) + (["existing"] if rules.existing.any() else [])
    clash = list(families)
    for family in families:
        without = [f for f in clash if f != family]
        if not _has_choice(rules, rows, without):
            clash = without
    said = [described(f, rules) for f in clash]
    remedies = [r for f in clash if (r := _remedy(rules, rows, clash, f)) is not None]
    en = f"no choice of sites meets all of these together: {'; '.join(t.en for t in said)}"
    zh = f"没有选址方案能同时满足：{'；'.join(t.zh for t in said)}"
    return InfeasibleError(f"{en}. {'; '.join(t.en for t in remedies) or 'Relax one of them'}",
                           f"{zh}。{'；'.join(t.zh for t in remedies) or '请放宽其中一项'}")


def _has_choice(rules: SiteRules, rows: list[RuleRow], families: list[str]) -> bool:
    return len(_best(rules, rows, families, np.zeros(rules.n_sites))) > 0


def _best(rules: SiteRules, rows: list[RuleRow], families: list[str], reward: Floats) -> Floats:
    kept = [r for r in rows if r.family in families]
    freed = rules if "existing" in families else replace(rules, existing=np.zeros_like(rules.existing))
    return best_choice(kept, freed, reward, time_limit_s=60.0).x


def _remedy(rules: SiteRules, rows: list[RuleRow], clash: list[str], family: str) -> Text | None:
    """Say what value of one rule would agree with the others of the clash; None where none would."""
    others, ones = [f for f in clash if f != family], np.ones(rules.n_sites)
    if family == "number" and rules.n_open is not None:
        fewest, most = (_best(rules, rows, others, sign * ones) for sign in (-1.0, 1.0))
        if not len(fewest) or not len(most):
            return None
        low, high = round(float(fewest.sum())), round(float(most.sum()))
        return Text(zh=f"选 {low} 至 {high} 个可以满足", en=f"{low} to {high} sites would do")
    if family == "budget":
        cheapest = _best(rules, rows, others, -rules.price)
        if not len(cheapest):
            return None
        least = float(rules.price @ np.round(cheapest))
        return Text(zh=f"预算至少需要 {least:g}", en=f"a budget of {least:g} would do")
    if family == "spacing":
        widest = _widest_spacing(rules, rows, others)
        return None if widest is None else Text(zh=f"间距 {widest:g} 可以满足", en=f"a spacing of {widest:g} would do")
    return None


def _widest_spacing(rules: SiteRules, rows: list[RuleRow], others: list[str]) -> float | None:
    """Return the greatest spacing that agrees with the other rules, by bisection over the distances between sites."""
    kept = [r for r in rows if r.family in others]
    values = np.unique(rules.distances[rules.distances < rules.spacing])
    low, high = 0, len(values)
    best: float | None = None
    while low < high:
        middle = (low + high) // 2
        close = rules.distances < values[middle]
        np.fill_diagonal(close, val=False)
        close &= ~(rules.existing[:, None] & rules.existing)
        trial = replace(rules, conflicts=close if close.any() else np.zeros((0, 0), dtype=np.bool_))
        spaced = [r for r in trial.rows() if r.family == "spacing"]
        freed = trial if "existing" in others else replace(trial, existing=np.zeros_like(rules.existing))
        if len(best_choice([*kept, *spaced], freed, np.zeros(rules.n_sites), time_limit_s=60.0).x):
            low, best = middle + 1, float(values[middle])
        else:
            high = middle
    return best
