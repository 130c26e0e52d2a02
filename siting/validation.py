"""Does the model agree with what exists: shares of racks, places of data centres, clauses, and empty criteria.

The tests are few and weak, as the published facts are: shares of three units, a dozen data centres whose positions
are known to kilometres. Each says what it found, also where it speaks against the model.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gis.bilingual import Text
from siting.citation import Citation
from siting.criteria import MEASURES
from siting.presence import PresenceTest, presence_test
from siting.scoring import normalise
from siting.types import CapacityPlan, SiteScores, StudyResult
from siting.verdicts import VERDICT_TEXT, Verdict

CLOSE, FAR = 0.2, 0.4
"""Parts of the capacity that would have to move to another unit: up to the first the shares agree, up to the second
in part."""

SIGNIFICANT = 0.05
"""Chance below which a placement is not put down to luck."""

CONSTANT, NEARLY = 1e-9, 0.02
"""Spread of a normalised criterion over the eligible candidates at which it tells nothing, or next to nothing."""

@dataclass(frozen=True, slots=True, kw_only=True)
class ShareRow:
    """One unit in the share test."""

    unit_id: str
    """Empty for all other units together."""
    known: float
    """Published share of the racks."""
    planned: float
    """Share of the capacity layout."""
    eligible: float
    """Share of the eligible area."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ShareTest:
    """Where the racks are, against where the model would put them."""

    rows: tuple[ShareRow, ...]
    moved: float
    """Part of the planned capacity that would have to move to another unit to match."""
    moved_by_area: float
    """The same for capacity spread by eligible area: what no model at all would say."""
    verdict: Verdict
    text: Text
    citation: Citation


@dataclass(frozen=True, slots=True, kw_only=True)
class PolicyTest:
    """Whether any recommended site breaks a clause."""

    n_checked: int
    broken: tuple[str, ...]
    """Site and clause, for each breach."""
    on_condition: tuple[str, ...]
    """Recommended sites that stand on a stated measure instead of a distance, with the rule."""
    verdict: Verdict
    text: Text


@dataclass(frozen=True, slots=True, kw_only=True)
class EmptyCriteria:
    """Criteria of a class that separate no candidates."""

    class_id: str
    constant: tuple[tuple[str, float], ...]
    """Criterion and the weight it was given: the same for every eligible candidate that it was measured for."""
    nearly: tuple[tuple[str, float], ...]
    """The same where the spread is below ``NEARLY``."""
    unmeasured: tuple[tuple[str, float], ...]
    """Criteria that were measured nowhere."""
    text: Text


@dataclass(frozen=True, slots=True, kw_only=True)
class Validation:
    """What the tests found."""

    shares: ShareTest | None
    """None where no share is published or no capacity was laid out."""
    presence: PresenceTest | None
    """None where no data centre is named or policy favours every zone alike."""
    policy: PolicyTest
    empty: tuple[EmptyCriteria, ...]


def validate(result: StudyResult, *, seed: int = 20260101) -> Validation:
    """Hold a result against what is known.

    Parameters
    ----------
    result
        What a run found.
    seed
        Of the random placements of the presence test.
    """
    return Validation(shares=share_test(result), presence=presence_test(result, seed=seed), policy=policy_test(result),
                      empty=tuple(empty_criteria(s) for s in result.scores))


def share_test(result: StudyResult) -> ShareTest | None:
    """Compare the first capacity layout with the published shares of the racks."""
    settings = result.pack.capacity
    if settings is None or not settings.known_shares or not result.capacity_plans:
        return None
    plan = result.capacity_plans[0]
    planned = _shares(dict(zip(plan.by_unit["unit_id"], plan.by_unit["it_load_mw"], strict=True)))
    census = result.census_for(settings.site_class)
    eligible = _shares({u.unit_id: u.eligible_area_m2 for u in census.units})
    rows = [ShareRow(unit_id=k.unit_id, known=k.share, planned=planned.get(k.unit_id, 0.0),
                     eligible=eligible.get(k.unit_id, 0.0)) for k in settings.known_shares]
    rows.append(ShareRow(unit_id="", known=max(0.0, 1.0 - sum(r.known for r in rows)),
                         planned=max(0.0, 1.0 - sum(r.planned for r in rows)),
                         eligible=max(0.0, 1.0 - sum(r.eligible for r in rows))))
    moved, by_area = (sum(abs(r.known - getattr(r, of)) for r in rows) / 2.0 for of in ("planned", "eligible"))
    verdict: Verdict = "agrees" if moved <= CLOSE else "in_part" if moved <= FAR else "disagrees"
    text = Text(
        zh=f"份额检验：{VERDICT_TEXT[verdict].zh}。规划容量中有 {moved:.0%} 须换到其他单元才与现有机架分布一致"
           f"（若仅按可用面积分摊为 {by_area:.0%}）。新增容量不必重复现状，故不符不等于错误，但须能说明原因。",
        en=f"Share test: {VERDICT_TEXT[verdict].en}. {moved:.0%} of the planned capacity would have to move to another "
           f"unit to match the racks that exist ({by_area:.0%} if spread by eligible area alone). New capacity need "
           "not repeat the old, so disagreement is no error, but it has to be explained.")
    return ShareTest(rows=tuple(rows), moved=moved, moved_by_area=by_area, verdict=verdict, text=text,
                     citation=settings.known_shares[0].citation)


def _shares(values: Mapping[str, float]) -> dict[str, float]:
    total = sum(values.values())
    return {str(k): (float(v) / total if total > 0 else 0.0) for k, v in values.items()}


def policy_test(result: StudyResult) -> PolicyTest:
    """Look for a recommended site that breaks an excluding rule or stands where policy closes its class."""
    broken, conditions = [], []
    checked = 0
    mitigated = {rule_id for rule_id, _ in result.study.mitigations}
    ids = result.candidates["parcel_id"].astype(str).to_numpy(dtype=object)
    listed = [(s, np.flatnonzero((s.rank > 0) & (s.rank <= result.study.n_top))) for s in result.scores]
    listed += [(result.scores_for(_capacity_class(result)), _rows_of(plan, ids)) for plan in result.capacity_plans]
    for scores, rows in listed:
        missed = scores.exclusions.broken
        for row in rows.tolist():
            checked += 1
            permission = scores.permissions[row]
            if permission is not None and permission.permission == "closed":
                broken.append(f"{ids[row]}: {permission.zone_id}")
            for place in np.flatnonzero(missed[row]).tolist():
                rule = scores.exclusions.rules[place]
                if scores.exclusions.excludes[place]:
                    broken.append(f"{ids[row]}: {rule.rule_id}")
                elif rule.rule_id in mitigated:
                    conditions.append(f"{ids[row]}: {rule.rule_id}")
    if result.edge_plan is not None and any(c.class_id == "edge" for c in result.pack.site_classes):
        kind = result.pack.site_class("edge").development_type
        for key, zone in zip(result.edge_plan.edge_centres["edge_centre_id"], result.edge_plan.edge_centres["zone_id"],
                             strict=True):
            checked += 1
            if zone and result.pack.permission(str(zone), kind).permission == "closed":
                broken.append(f"{key}: {zone}")
    broken, conditions = list(dict.fromkeys(broken)), list(dict.fromkeys(conditions))
    verdict: Verdict = "untested" if not checked else "disagrees" if broken else "agrees"
    return PolicyTest(n_checked=checked, broken=tuple(broken), on_condition=tuple(conditions), verdict=verdict,
                      text=Text(
        zh=f"政策检验：{VERDICT_TEXT[verdict].zh}。核对推荐 {checked} 处，违反条款 {len(broken)} 处"
           + (f"（{'；'.join(broken[:5])}）" if broken else "")
           + (f"；{len(conditions)} 处以所列缓解措施为前提" if conditions else "") + "。",
        en=f"Policy test: {VERDICT_TEXT[verdict].en}. {checked} recommendations checked, {len(broken)} breaches"
           + (f" ({'; '.join(broken[:5])})" if broken else "")
           + (f"; {len(conditions)} rest on a stated measure" if conditions else "") + "."))


def _capacity_class(result: StudyResult) -> str:
    assert result.pack.capacity is not None  # there are capacity plans
    return result.pack.capacity.site_class


def _rows_of(plan: CapacityPlan, ids: NDArray[np.object_]) -> NDArray[np.int64]:
    return np.flatnonzero(np.isin(ids.astype(str), plan.sites["parcel_id"].astype(str).to_numpy(dtype=str)))


def empty_criteria(scores: SiteScores) -> EmptyCriteria:
    """Name the criteria that separate no candidates: their weight says nothing, whatever it is."""
    rows = np.flatnonzero(scores.eligible)
    if not len(rows):
        rows = np.arange(len(scores.score))
    groups: dict[str, list[tuple[str, float]]] = {"constant": [], "nearly": [], "unmeasured": []}
    for j, criterion in enumerate(scores.criteria):
        if criterion.weight <= 0:
            continue
        column = normalise(scores.raw[rows, j, None], (criterion,))[:, 0]
        column = column[~np.isnan(column)]
        kind = "unmeasured" if not len(column) else "constant" if np.ptp(column) <= CONSTANT else (
            "nearly" if column.std() <= NEARLY else "")
        if kind:
            groups[kind].append((criterion.criterion_id, criterion.weight))
    return EmptyCriteria(class_id=scores.site_class.class_id, text=_empty_text(scores, groups),
                         **{k: tuple(v) for k, v in groups.items()})


def _empty_text(scores: SiteScores, groups: Mapping[str, Sequence[tuple[str, float]]]) -> Text:
    words = {"constant": Text(zh="取值处处相同", en="the same everywhere"),
             "nearly": Text(zh="取值几乎相同", en="nearly the same everywhere"),
             "unmeasured": Text(zh="未测得", en="measured nowhere")}
    title = scores.site_class.title
    if not any(groups.values()):
        return Text(zh=f"{title.zh}：每项准则都能区分候选对象。",
                    en=f"{title.en}: every criterion tells candidates apart.")
    zh = "；".join(f"{words[k].zh}：" + "、".join(f"{MEASURES[c].title.zh}（权重 {w:.3f}）" for c, w in v)
                  for k, v in groups.items() if v)
    en = "; ".join(f"{words[k].en}: " + ", ".join(f"{MEASURES[c].title.en} (weight {w:.3f})" for c, w in v)
                   for k, v in groups.items() if v)
    return Text(zh=f"{title.zh}：不区分候选对象的准则——{zh}。",
                en=f"{title.en}: criteria that tell nothing apart: {en}.")
