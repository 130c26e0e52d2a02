"""Why a parcel stands differently in two studies: a rule, a criterion, or others that overtook it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from gis.bilingual import Language, Text
from siting.explanation import CriterionLine, Explanation, ReasonLine
from siting.scheme import Record
from siting.wording import quantity

CauseKind = Literal["none", "rule", "weight", "value", "anchors", "coverage", "others", "candidate", "not_told"]

SAME_SCORE = 5e-7
"""Scores are written with six decimals."""

MOST_NAMED = 3

Rules = tuple[Mapping[str, Record], Mapping[str, Record]]
Order = tuple[Mapping[str, int], Mapping[str, int]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Cause:
    """Why something changed."""

    kind: CauseKind
    keys: tuple[str, ...] = ()
    """Rules, criterion, or parcels that it rests on."""
    text: Text


_LANGUAGES: tuple[Language, Language] = ("zh", "en")
_MITIGATED = Text(zh="前一方案列有缓解措施，不作排除", en="mitigated in the first study")
_DID_NOT_EXCLUDE = Text(zh="前一方案中不作排除", en="did not exclude in the first study")
_NOTHING = Cause(kind="none", text=Text(zh="未变", en="unchanged"))
_NEW = Cause(kind="candidate", text=Text(zh="前一方案中没有此候选", en="no candidate in the first study"))
_GONE = Cause(kind="candidate", text=Text(zh="后一方案中没有此候选", en="no candidate in the second study"))
_NOT_TOLD = Cause(kind="not_told", text=Text(zh="变动数量过多，未逐一说明", en="too many changes to explain each"))


def cause_of(was: Explanation | None, now: Explanation | None, rules: Rules, order: Order) -> Cause:
    """Say why a parcel stands differently.

    Parameters
    ----------
    was, now
        What each study says of it for one class; None where the study does not hold it (or was not asked).
    rules
        Rules of the class in each study, by id.
    order
        Ranks of the eligible parcels in each study.
    """
    if was is None and now is None:
        return _NOT_TOLD
    if was is None:
        return _NEW
    if now is None:
        return _GONE
    if was.eligible != now.eligible:
        return _by_rules(was, now, rules)
    if not now.eligible:
        return _NOTHING
    return _by_score(was, now, order)


def _by_rules(was: Explanation, now: Explanation, rules: Rules) -> Cause:
    """Name the excluding rules that are broken in one study only."""
    old, new = {r.rule_id: r for r in was.exclusions}, {r.rule_id: r for r in now.exclusions}
    changed = [key for key in {**old, **new} if (key in old) != (key in new)]
    if was.eligible:
        said = [_now_excludes(new[key], rules) for key in changed if key in new]
    else:
        said = [_excludes_no_more(old[key], now, rules) for key in changed if key in old]
    if not said:
        return Cause(kind="rule", text=Text(zh="排除规定有变", en="the excluding rules changed"))
    return Cause(kind="rule", keys=tuple(changed),
                 text=Text(zh="；".join(t.zh for t in said), en="; ".join(t.en for t in said)))


def _now_excludes(reason: ReasonLine, rules: Rules) -> Text:
    before = rules[0].get(reason.rule_id)
    figures = _figures(reason)
    if before is None:
        why = Text(zh="前一方案没有此规定", en="the first study did not have the rule")
    elif not before["excludes"]:
        why = _MITIGATED if before["mitigation"] else _DID_NOT_EXCLUDE
    elif before["limit"] != reason.required:
        why = _limits(before["limit"], reason.required, reason.unit)
    else:
        why = Text(zh="数据有变", en="the data changed")
    return Text(zh=f"触犯 {reason.title.zh}（{reason.rule_id}{figures.zh}）：{why.zh}",
                en=f"breaks {reason.title.en} ({reason.rule_id}{figures.en}): {why.en}")


def _excludes_no_more(reason: ReasonLine, now: Explanation, rules: Rules) -> Text:
    after = rules[1].get(reason.rule_id)
    figures = _figures(reason)
    if after is None:
        why = Text(zh="后一方案没有此规定", en="the second study does not have the rule")
    elif after["mitigation"] and not after["excludes"]:
        why = Text(zh=f"已列缓解措施（{after['mitigation']}）", en=f"mitigated ({after['mitigation']})")
    elif not after["excludes"]:
        why = Text(zh="不再作排除", en="excludes no more")
    elif any(r.rule_id == reason.rule_id for r in now.untested):
        why = Text(zh="后一方案缺数据，未核查", en="not checked in the second study for want of data")
    elif after["limit"] != reason.required:
        why = _limits(reason.required, after["limit"], reason.unit)
    else:
        why = Text(zh="数据有变，已满足", en="the data changed and it is kept now")
    return Text(zh=f"不再因 {reason.title.zh}（{reason.rule_id}{figures.zh}）排除：{why.zh}",
                en=f"no longer excluded by {reason.title.en} ({reason.rule_id}{figures.en}): {why.en}")


def _figures(reason: ReasonLine) -> Text:
    if reason.measured is None or reason.required is None:
        return Text(zh="", en="")
    return Text(*(f" {quantity(reason.measured, reason.unit, lang)} {reason.relation} "
                  f"{quantity(reason.required, reason.unit, lang)}" for lang in _LANGUAGES))


def _limits(before: float | None, after: float | None, unit: str) -> Text:
    return Text(zh=f"限值 {quantity(before, unit, 'zh')} → {quantity(after, unit, 'zh')}",
                en=f"limit {quantity(before, unit, 'en')} → {quantity(after, unit, 'en')}")


def _by_score(was: Explanation, now: Explanation, order: Order) -> Cause:
    """Explain a move among the eligible: its own score, or the others."""
    old_score, new_score = was.score or 0.0, now.score or 0.0
    moved = (was.rank or 0) - (now.rank or 0)
    gained = new_score - old_score
    if moved == 0 and abs(gained) <= SAME_SCORE:
        return _NOTHING
    own = None if abs(gained) <= SAME_SCORE else _by_criterion(was, now, gained)
    if own is not None and (moved == 0 or (moved > 0) == (gained > 0)):
        return own
    others = _by_others(now.parcel_id, moved, order)
    if own is None:
        return others
    if others.kind == "none":
        return own
    return Cause(kind="others", keys=others.keys, text=Text(
        zh=f"{others.text.zh}；自身得分变化：{own.text.zh}", en=f"{others.text.en}; its own score: {own.text.en}"))


def _by_criterion(was: Explanation, now: Explanation, gained: float) -> Cause:
    """Name the criterion whose contribution changed most in the direction of the score."""
    old, new = {c.criterion_id: c for c in was.criteria}, {c.criterion_id: c for c in now.criteria}
    change = {key: (new[key].contribution if key in new else 0.0) - (old[key].contribution if key in old else 0.0)
              for key in {**old, **new}}
    key = max(change, key=lambda k: change[k] if gained > 0 else -change[k])
    before, after = old.get(key), new.get(key)
    kind, why = _criterion_change(before, after)
    known = after or before
    assert known is not None
    shares = [0.0 if line is None else line.contribution for line in (before, after)]
    total = f"{was.score or 0.0:.4f} → {now.score or 0.0:.4f}"
    return Cause(kind=kind, keys=(key,), text=Text(
        zh=f"得分 {total}；{known.title.zh}贡献 {shares[0]:.4f} → {shares[1]:.4f}（{why.zh}）",
        en=f"score {total}; {known.title.en} contributes {shares[0]:.4f} → {shares[1]:.4f} ({why.en})"))


def _criterion_change(before: CriterionLine | None, after: CriterionLine | None) -> tuple[CauseKind, Text]:
    if before is None:
        return "weight", Text(zh="新增指标", en="new criterion")
    if after is None:
        return "weight", Text(zh="指标取消", en="criterion dropped")
    parts: list[tuple[CauseKind, Text]] = []
    if before.weight != after.weight:
        parts.append(("weight", Text(zh=f"权重 {before.weight:.2%} → {after.weight:.2%}",
                                     en=f"weight {before.weight:.2%} → {after.weight:.2%}")))
    if before.raw != after.raw:
        said = [f"{quantity(before.raw, before.unit, lang)} → {quantity(after.raw, after.unit, lang)}"
                for lang in _LANGUAGES]
        parts.append(("value", Text(zh=f"实测 {said[0]}", en=f"measured {said[1]}")))
    if (before.worst, before.best) != (after.worst, after.best):
        parts.append(("anchors", Text(zh="计分区间有变", en="its anchors changed")))
    if not parts:
        return "coverage", Text(zh="缺数据指标的权重重新分摊", en="the weight of unmeasured criteria is shared anew")
    return parts[0][0], Text(zh="，".join(t.zh for _, t in parts), en=", ".join(t.en for _, t in parts))


def _by_others(parcel_id: str, moved: int, order: Order) -> Cause:
    """Name the parcels that passed this one, or that it passed."""
    old, new = order
    was, now = old.get(parcel_id, 0), new.get(parcel_id, 0)
    if moved < 0:
        passed = [key for key, rank in new.items() if rank < now and old.get(key, was + 1) > was]
        text = ("被超过", "overtaken by")
    elif moved > 0:
        passed = [key for key, rank in old.items() if rank < was and new.get(key, now + 1) > now]
        text = ("超过的候选退出或后移", "those before it left or fell behind")
    else:
        return _NOTHING
    named = "、".join(passed[:MOST_NAMED]), ", ".join(passed[:MOST_NAMED])
    more = len(passed) - MOST_NAMED
    tail = (f" 等 {len(passed)} 个", f" and {more} more") if more > 0 else ("", "")
    return Cause(kind="others", keys=tuple(passed[:MOST_NAMED]),
                 text=Text(zh=f"{text[0]}：{named[0]}{tail[0]}", en=f"{text[1]}: {named[1]}{tail[1]}"))
