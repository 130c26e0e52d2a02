"""The weights that a study uses: the pack's, its own, or found from judgements and data as it asks.

Judgements (AHP, best-worst) need no data and are applied to the pack before anything is scored. Entropy and CRITIC
look at the candidates themselves: they are scored once with the pack's weights, the weights are found from the
normalised criteria of the eligible ones, and the scores are made again from the raw values, which are kept.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from gis.bilingual import Text
from gis.errors import UsageError
from siting.pack import CityPack, Criterion
from siting.scoring import normalised_at, rank_of, score_of
from siting.types import SiteScores, Study, Weighting
from siting.weights import (
    ACCEPTABLE_CONSISTENCY,
    JudgedWeights,
    analytic_hierarchy,
    best_worst,
    critic_weights,
    entropy_weights,
    mixed_weights,
    pairwise_matrix,
)

Floats = NDArray[np.float64]

Origin = Literal["pack", "direct", "ahp", "best_worst", "entropy", "critic", "mix"]

FROM_DATA = ("entropy", "critic")
"""Methods that look at the candidates."""

ORIGIN_TEXT: dict[str, Text] = {
    "pack": Text(zh="城市规则包", en="the city's pack"),
    "direct": Text(zh="方案直接给出", en="stated by the study"),
    "ahp": Text(zh="层次分析法（两两判断）", en="pairwise judgements (AHP)"),
    "best_worst": Text(zh="最优最劣法", en="best-worst comparisons"),
    "entropy": Text(zh="熵权法（由数据得出）", en="entropy of the data"),
    "critic": Text(zh="CRITIC 法（由数据得出）", en="contrast and conflict of the data (CRITIC)"),
    "mix": Text(zh="组合权重", en="a stated mix"),
}
"""Where weights come from, in a planner's words."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WeightChoice:
    """The weights of one class as used, beside the pack's."""

    class_id: str
    method: Origin
    criteria: tuple[str, ...]
    weights: tuple[float, ...]
    """As used, per criterion; they sum to 1."""
    pack_weights: tuple[float, ...]
    """The pack's."""
    parts: tuple[tuple[str, float, tuple[float, ...]], ...] = ()
    """Of a mix: where each part comes from, its share, and its weights."""
    n_experts: int = 0
    consistency_ratio: float | None = None
    """Of judgements: 0 where all agree; above ``ACCEPTABLE_CONSISTENCY`` they should be made again."""
    worst_pair: tuple[str, str] | None = None
    """The judgement that fits the others least."""
    judged: float = 1.0
    """What was said of that pair."""
    mended: float = 1.0
    """What the other judgements imply."""
    mended_ratio: float | None = None
    """Consistency ratio with that judgement instead."""
    reason: str = ""
    """Why, in the planner's words."""

    @property
    def is_consistent(self) -> bool:
        """Tell whether the judgements agree well enough; true where there were none."""
        return self.consistency_ratio is None or self.consistency_ratio <= ACCEPTABLE_CONSISTENCY

    @property
    def text(self) -> Text:
        """Say which weights were used, why, and what is wrong with them."""
        origin = ORIGIN_TEXT[self.method]
        zh, en = f"权重来源：{origin.zh}", f"weights: {origin.en}"
        if self.reason:
            zh, en = f"{zh}；理由：{self.reason}", f"{en}; reason: {self.reason}"
        if self.consistency_ratio is not None:
            zh += f"；一致性比率 {self.consistency_ratio:.3f}"
            en += f"; consistency ratio {self.consistency_ratio:.3f}"
        if not self.is_consistent and self.worst_pair is not None:
            a, b = self.worst_pair
            zh += f"（高于 {ACCEPTABLE_CONSISTENCY:g}，判断相互矛盾）；最不一致的判断为 {a} 对 {b} = " \
                  f"{_ratio(self.judged)}，改为 {_ratio(self.mended)} 可与其余判断相符"
            en += f" (above {ACCEPTABLE_CONSISTENCY:g}: the judgements contradict one another); the worst is {a} " \
                  f"over {b} = {_ratio(self.judged)}, and {_ratio(self.mended)} would fit the others"
            if self.mended_ratio is not None:
                zh += f"，一致性比率将为 {self.mended_ratio:.3f}"
                en += f", for a ratio of {self.mended_ratio:.3f}"
        return Text(zh=zh + "。", en=en[0].upper() + en[1:] + ".")


def _ratio(value: float) -> str:
    """Write 0.333 as 1/3."""
    return f"1/{1 / value:.3g}" if 0 < value < 1 else f"{value:.3g}"


def chosen_weights(pack: CityPack, study: Study, class_id: str, normalised: Floats | None = None) -> WeightChoice:
    """Find the weights that a study uses for a class.

    Parameters
    ----------
    pack
        The city's rules as shipped: its weights are shown beside.
    study
        What is asked.
    class_id
        The class.
    normalised
        Candidates x criteria of that class, 0 to 1, NaN where not measured; needed by weights from the data.

    Raises
    ------
    UsageError
        The judgements cannot be used, contradict one another where the study is strict, or the data are needed
        and not given.
    """
    criteria = pack.criteria_for(class_id)
    ids = tuple(c.criterion_id for c in criteria)
    own = np.array([c.weight for c in criteria])
    asked = next((w for w in study.weighting if w.class_id == class_id), None)
    base: dict[str, Any] = {"class_id": class_id, "criteria": ids, "pack_weights": tuple(own.tolist())}
    if asked is None:
        direct = {k: w for c, k, w in study.weights if c == class_id}
        weights = np.array([direct.get(k, 0.0) for k in ids]) if direct else own
        return WeightChoice(**base, method="direct" if direct else "pack", weights=tuple(weights.tolist()))
    wanted: dict[str, float] = dict(asked.shares) if asked.method == "mix" else {str(asked.method): 1.0}
    _require_known_shares(asked, wanted)
    found: dict[str, Floats] = {}
    told: JudgedWeights | None = None
    for method in wanted:
        if method in ("ahp", "best_worst"):
            judged = _judged(asked, method, ids)
            told = judged if told is None or judged.consistency_ratio > told.consistency_ratio else told
            found[method] = judged.weights
        else:
            found[method] = own if method == "pack" else _from_data(asked, method, normalised)
    mixed = mixed_weights([(share, found[m]) for m, share in wanted.items()])
    parts = tuple((m, share, tuple(found[m].tolist())) for m, share in wanted.items()) if asked.method == "mix" else ()
    choice = WeightChoice(
        **base, method=asked.method, weights=tuple(mixed.tolist()), parts=parts, n_experts=len(asked.experts),
        reason=asked.reason, consistency_ratio=told.consistency_ratio if told else None,
        worst_pair=told.worst_pair if told else None, judged=told.judged if told else 1.0,
        mended=told.mended if told else 1.0, mended_ratio=told.mended_ratio if told else None)
    if asked.strict and not choice.is_consistent:
        raise UsageError(f"weighting.{class_id}: {choice.text.en} Mend the judgement, or leave out strict.",
                         f"weighting.{class_id}：{choice.text.zh}请修正该判断，或去掉 strict。")
    return choice


def _require_known_shares(asked: Weighting, wanted: dict[str, float]) -> None:
    known = ("pack", "ahp", "best_worst", *FROM_DATA)
    odd = [m for m in wanted if m not in known]
    if odd or not wanted:
        name = odd[0] if odd else ""
        raise UsageError(f"weighting.{asked.class_id}: the mix names {name!r}; give shares of {', '.join(known)}",
                         f"weighting.{asked.class_id}：组合中的 {name!r} 无效；可用方法：{'、'.join(known)}")


def _judged(asked: Weighting, method: str, ids: tuple[str, ...]) -> JudgedWeights:
    """Weigh the criteria that the judgements name; the others get nothing, as in a table of weights."""
    if method == "ahp":
        named = {name for expert in asked.experts for a, b, _ in expert.pairs for name in (a, b)}
    else:
        named = {asked.best, asked.worst, *(k for k, _ in asked.best_over), *(k for k, _ in asked.over_worst)} - {""}
    _require_criteria(asked, named, ids)
    own = [k for k in ids if k in named]
    if method == "ahp":
        judged = analytic_hierarchy(own, [pairwise_matrix(own, expert.pairs) for expert in asked.experts])
    else:
        judged = best_worst(own, asked.best, asked.worst, dict(asked.best_over), dict(asked.over_worst))
    weights = np.zeros(len(ids))
    weights[[ids.index(k) for k in own]] = judged.weights
    return replace(judged, weights=weights)


def _require_criteria(asked: Weighting, named: set[str], ids: tuple[str, ...]) -> None:
    odd = sorted(named - set(ids))
    if odd:
        raise UsageError(f"weighting.{asked.class_id} judges unknown criterion {odd[0]!r}; known: {', '.join(ids)}",
                         f"weighting.{asked.class_id} 中有未知准则 {odd[0]!r}；可用：{'、'.join(ids)}")
    if len(named) < 2:
        raise UsageError(f"weighting.{asked.class_id} needs judgements of two criteria or more; add them",
                         f"weighting.{asked.class_id} 至少需要对两项准则的判断；请补充")


def _from_data(asked: Weighting, method: str, normalised: Floats | None) -> Floats:
    if normalised is None:
        raise UsageError(f"weighting.{asked.class_id}: {method} weighs by the data of all candidates, which are not at "
                         "hand (a study too large for memory); state the weights or judge pairs",
                         f"weighting.{asked.class_id}：{method} 需要全部候选地块的数据，而本次数据不在内存中；"
                         "请直接给出权重或两两判断")
    return entropy_weights(normalised) if method == "entropy" else critic_weights(normalised)


def needs_data(weighting: Weighting) -> bool:
    """Tell whether the weights are found from the candidates."""
    return weighting.method in FROM_DATA or any(m in FROM_DATA for m, _ in weighting.shares)


def judged_pack(pack: CityPack, study: Study, *, is_final: bool = False) -> CityPack:
    """Return the pack with the weights that the study's judgements give.

    Parameters
    ----------
    pack, study
        As for :func:`chosen_weights`.
    is_final
        There will be no data to weigh by: a study that asks for it is refused.

    Raises
    ------
    UsageError
        As for :func:`chosen_weights`; or the study weighs a class that the pack does not have.
    """
    known = [c.class_id for c in pack.site_classes]
    criteria = pack.criteria
    for asked in study.weighting:
        if asked.class_id not in known:
            raise UsageError(f"weighting of unknown class {asked.class_id!r}; known: {', '.join(known)}",
                             f"weighting 中有未知类别 {asked.class_id!r}；可用：{'、'.join(known)}")
        if is_final or not needs_data(asked):
            choice = chosen_weights(pack, study, asked.class_id)
            criteria = tuple(_weighed(criteria, asked.class_id, choice.weights))
    return replace(pack, criteria=criteria)


def _weighed(criteria: Iterable[Criterion], class_id: str, weights: Sequence[float]) -> Iterable[Criterion]:
    own = iter(weights)
    return [replace(c, weight=next(own)) if c.site_class == class_id else c for c in criteria]


def rescored(scores: Sequence[SiteScores], pack: CityPack, study: Study,
             parcel_ids: NDArray[Any]) -> tuple[SiteScores, ...]:
    """Score anew the classes whose weights come from the data; the others are returned as they are.

    Parameters
    ----------
    scores
        Scored with the pack's weights.
    pack, study
        As for :func:`chosen_weights`.
    parcel_ids
        Per candidate; equal scores rank by it.

    Raises
    ------
    UsageError
        No criterion differs between the candidates.
    """
    found = []
    for own in scores:
        asked = next((w for w in study.weighting if w.class_id == own.site_class.class_id), None)
        if asked is None or not needs_data(asked):
            found.append(own)
            continue
        choice = chosen_weights(pack, study, asked.class_id, normalised_eligible(own))
        criteria = tuple(_weighed(own.criteria, asked.class_id, choice.weights))
        score, coverage = score_of(own.raw, criteria)
        found.append(replace(own, criteria=criteria, score=score, data_coverage=coverage,
                             rank=rank_of(score, own.eligible, parcel_ids)))
    return tuple(found)


def normalised_eligible(scores: SiteScores) -> Floats:
    """Return the normalised criteria of the eligible candidates, of all where none is."""
    rows = np.flatnonzero(scores.eligible)
    return normalised_at(scores, rows if len(rows) else slice(None))


def pack_as_scored(pack: CityPack, scores: Sequence[SiteScores]) -> CityPack:
    """Return the pack with the criteria as they were weighed."""
    own = {(c.site_class, c.criterion_id): c for s in scores for c in s.criteria}
    return replace(pack, criteria=tuple(own.get((c.site_class, c.criterion_id), c) for c in pack.criteria))


def weight_choices(pack: CityPack, study: Study, scores: Sequence[SiteScores]) -> tuple[WeightChoice, ...]:
    """Tell for every class that was scored which weights were used and why.

    Parameters
    ----------
    pack
        As shipped, before the study's weights.
    study
        What was asked.
    scores
        What was scored.
    """
    asked = {w.class_id: w for w in study.weighting}
    found = []
    for own in scores:
        class_id = own.site_class.class_id
        data = class_id in asked and needs_data(asked[class_id])
        found.append(chosen_weights(pack, study, class_id, normalised_eligible(own) if data else None))
    return tuple(found)
