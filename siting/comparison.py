"""Compares two finished studies of one city: what entered and left the top lists, what moved, and why.

Both are read from their folders alone (:mod:`siting.finished_study`); the reasons come from the explanations that each
study gives of the same parcel (:mod:`siting.comparison_causes`).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import pandas as pd

from gis.bilingual import Text
from gis.errors import UsageError
from siting.comparison_causes import Cause, cause_of
from siting.comparison_differences import Difference, differences
from siting.explanation import Cells
from siting.finished_study import FinishedStudy
from siting.scheme import Record

ChangeKind = Literal["entered", "left", "up", "down", "same", "now_eligible", "now_excluded", "added", "removed"]

CHANGE_WORDS: Mapping[ChangeKind, Text] = {
    "entered": Text(zh="进入前列", en="entered the top list"), "left": Text(zh="退出前列", en="left the top list"),
    "up": Text(zh="前列中上升", en="moved up in the top list"),
    "down": Text(zh="前列中下降", en="moved down in the top list"),
    "same": Text(zh="前列中不变", en="kept its place in the top list"),
    "now_eligible": Text(zh="转为合格", en="became eligible"),
    "now_excluded": Text(zh="转为排除", en="became excluded"),
    "added": Text(zh="新增候选", en="new candidate"), "removed": Text(zh="候选取消", en="no candidate any more"),
}
"""What a reader is told; in the order of lists."""

_TOP_KINDS = ("entered", "left", "up", "down", "same")

MOST_EXPLAINED = 2_000
"""Changes outside the top lists that are explained one by one; the others are told by kind."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """What became of one parcel for one class."""

    class_id: str
    parcel_id: str
    kind: ChangeKind
    rank_before: int | None
    """1 for the best; None where excluded or no candidate."""
    rank_after: int | None
    score_before: float | None
    score_after: float | None
    cause: Cause


@dataclass(frozen=True, slots=True, kw_only=True)
class ClassComparison:
    """One class in both studies."""

    class_id: str
    title: Text
    changes: tuple[Change, ...]
    n_eligible_before: int
    n_eligible_after: int
    n_now_eligible: int
    n_now_excluded: int


@dataclass(frozen=True, eq=False, kw_only=True)
class Comparison:
    """Two studies of one city side by side."""

    before: FinishedStudy
    after: FinishedStudy
    classes: tuple[ClassComparison, ...]
    differences: tuple[Difference, ...]


def compare_studies(before: FinishedStudy, after: FinishedStudy) -> Comparison:
    """Compare two finished studies.

    Raises
    ------
    UsageError
        They are of different cities, CRS or kinds of candidates, or share no class.
    """
    _check_comparable(before, after)
    shared = [key for key in before.classes if key in after.classes]
    kinds = {key: _kinds(_verdicts(before, key), _verdicts(after, key), before.top(key), after.top(key))
             for key in shared}
    wanted = {parcel for own in kinds.values() for parcel in _explained(own)}
    rows = before.rows(wanted), after.rows(wanted)
    return Comparison(before=before, after=after, differences=tuple(differences(before, after)),
                      classes=tuple(_class(before, after, key, kinds[key], rows) for key in shared))


def _check_comparable(before: FinishedStudy, after: FinishedStudy) -> None:
    kinds = (before.manifest["study"]["candidates"], after.manifest["study"]["candidates"])
    for zh, en, old, new in (("城市", "cities", before.city, after.city),
                             ("计算坐标系", "coordinate systems", before.metric_crs, after.metric_crs),
                             ("候选对象类型", "kinds of candidates", *kinds)):
        if old != new:
            raise UsageError(
                f"{before.folder} and {after.folder} cannot be compared: their {en} differ ({old} and {new}); "
                "give two studies of one city",
                f"{before.folder} 与 {after.folder} 不能比较：{zh}不同（{old} 与 {new}）；请给出同一城市的两个方案")
    if not set(before.classes) & set(after.classes):
        raise UsageError(f"{before.folder} and {after.folder} cannot be compared: they score no class in common "
                         f"({', '.join(before.classes)}; {', '.join(after.classes)})",
                         f"{before.folder} 与 {after.folder} 不能比较：没有共同的规模类别"
                         f"（{'、'.join(before.classes)}；{'、'.join(after.classes)}）")


def _explained(kinds: Mapping[str, ChangeKind]) -> list[str]:
    """Return the parcels of the top lists, and as many of the others as are explained one by one."""
    others = [key for key, kind in kinds.items() if kind not in _TOP_KINDS]
    return [*(key for key, kind in kinds.items() if kind in _TOP_KINDS), *others[:MOST_EXPLAINED]]


def _class(before: FinishedStudy, after: FinishedStudy, class_id: str, kinds: Mapping[str, ChangeKind],
           rows: tuple[Mapping[str, Cells], Mapping[str, Cells]]) -> ClassComparison:
    old, new = _verdicts(before, class_id), _verdicts(after, class_id)
    explained = set(_explained(kinds))
    was, now = (study.explanations(class_id, {key: cells for key, cells in own.items() if key in explained})
                for study, own in zip((before, after), rows, strict=True))
    rules = (_rules(before, class_id), _rules(after, class_id))
    order = (_in_order(old), _in_order(new))
    changes = []
    for key in sorted(kinds, key=lambda k: kinds[k] not in _TOP_KINDS):
        a, b = _numbers(old, key), _numbers(new, key)
        changes.append(Change(
            class_id=class_id, parcel_id=key, kind=kinds[key], rank_before=a[0], rank_after=b[0], score_before=a[1],
            score_after=b[1], cause=cause_of(was.get(key), now.get(key), rules, order)))
    both = old.add_suffix("_before").join(new.add_suffix("_after"), how="inner")
    was_eligible, is_eligible = both["eligible_before"].to_numpy(), both["eligible_after"].to_numpy()
    title = after.classes[class_id]["title"]
    return ClassComparison(
        class_id=class_id, title=Text(zh=title["zh"], en=title["en"]), changes=tuple(changes),
        n_eligible_before=int(before.classes[class_id]["n_eligible"]),
        n_eligible_after=int(after.classes[class_id]["n_eligible"]),
        n_now_eligible=int((~was_eligible & is_eligible).sum()),
        n_now_excluded=int((was_eligible & ~is_eligible).sum()))


def _verdicts(study: FinishedStudy, class_id: str) -> pd.DataFrame:
    """Return eligibility, score and rank of one class by parcel; the first of ids that occur twice."""
    own = study.verdicts[[f"{class_id}_{key}" for key in ("eligible", "score", "rank")]]
    own = own.set_axis(["eligible", "score", "rank"], axis=1)
    return own[~own.index.duplicated()]


def _kinds(old: pd.DataFrame, new: pd.DataFrame, top_before: list[str], top_after: list[str]
           ) -> dict[str, ChangeKind]:
    """Tell for every parcel that changed, and for all of both top lists, how: those of the later list first."""
    rank_before, rank_after = {k: i for i, k in enumerate(top_before)}, {k: i for i, k in enumerate(top_after)}
    kinds: dict[str, ChangeKind] = {}
    for key, place in rank_after.items():
        was = rank_before.get(key)
        kinds[key] = "entered" if was is None else "up" if place < was else "down" if place > was else "same"
    for key in top_before:
        kinds.setdefault(key, "left")
    for key, kind in _outside(old, new):
        kinds.setdefault(key, kind)
    return kinds


def _outside(old: pd.DataFrame, new: pd.DataFrame) -> Iterator[tuple[str, ChangeKind]]:
    """Give what changed its verdict, in the order of the parcels."""
    both = old.add_suffix("_before").join(new.add_suffix("_after"), how="inner")
    changed = both["eligible_before"] != both["eligible_after"]
    for key, eligible in both.loc[changed, "eligible_after"].items():
        yield str(key), "now_eligible" if eligible else "now_excluded"
    for key in new.index.difference(old.index, sort=False):
        yield str(key), "added"
    for key in old.index.difference(new.index, sort=False):
        yield str(key), "removed"


def _numbers(verdicts: pd.DataFrame, key: str) -> tuple[int | None, float | None]:
    if key not in verdicts.index:
        return None, None
    row = verdicts.index.get_loc(key)
    rank, score = (verdicts[column].to_numpy(dtype=float)[row] for column in ("rank", "score"))
    return (None if np.isnan(rank) else int(rank)), (None if np.isnan(score) else float(score))


def _in_order(verdicts: pd.DataFrame) -> dict[str, int]:
    """Return the ranks of the eligible parcels, best first."""
    ranked = verdicts.loc[verdicts["rank"].notna(), "rank"].sort_values(kind="stable")
    return {str(key): int(rank) for key, rank in ranked.items()}


def _rules(study: FinishedStudy, class_id: str) -> dict[str, Record]:
    own: list[dict[str, Any]] = study.classes[class_id]["rules"]
    return {str(rule["rule_id"]): rule for rule in own}
