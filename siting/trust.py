"""How far to trust a study: what its recommendations stand on, joined into one noun.

Draws of weights, measured values and the strictness of rules say how far a rank can move; one weight at a time says
what it would take; other methods say whether the way of adding up matters; what exists says whether the model
describes this city at all. What is said of a site follows from that evidence alone: no site is called the best
whose rank interval another one shares.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from gis.bilingual import Text
from siting.agreement import MethodAgreement, agreement
from siting.capacity_stability import CapacityStability, capacity_stability
from siting.criteria import MEASURES
from siting.edge_regret import EdgeRegret, edge_regret
from siting.known_errors import KnownErrors
from siting.robustness import TOPS, RankRobustness, rank_robustness
from siting.scoring import normalised_at
from siting.sensitivity import OneAtATime, one_at_a_time
from siting.trust_draws import MOST_CANDIDATES, ClassDraws, class_draws
from siting.types import SiteScores, StudyResult
from siting.validation import Validation, validate

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]

Firmness = Literal["robust", "depends", "not_separable"]

FIRMNESS_TEXT: Mapping[str, Text] = MappingProxyType({
    "robust": Text(zh="稳健", en="robust"), "depends": Text(zh="取决于某一因素", en="depends on one thing"),
    "not_separable": Text(zh="不可区分", en="not separable"),
})
"""What a reader is told of each."""

FIRM_CHANCE = 0.9
"""A place on the short list is firm where it is kept in so many of the draws."""

STRONG = 0.5
"""Correlation of a rank with a weight from which the rank is said to depend on it."""

ZONE_DOUBT = 0.05
"""Share of the draws in the neighbouring zone from which it is said of a site."""

MOST_RIVALS = 50
"""Rivals of a site that are named; all are counted."""

_SHOWN_RIVALS = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class SiteTrust:
    """How firmly one site stands on the list of its class."""

    parcel_id: str
    rank: int
    in_top: tuple[float, ...]
    """Share of the draws in which it is among the best ``TOPS``."""
    rank_low: int
    rank_high: int
    """Ranks that it has in nine draws of ten."""
    depends_on: str
    """Criterion whose weight its rank follows most closely; empty where the rank never moves."""
    dependence: float
    """Correlation of that weight with the logarithm of the rank; negative where more weight betters it."""
    other_zone: str
    """Zone beyond an approximate outline that it lies near; empty for none."""
    in_other_zone: float
    """Share of the draws in which it lies there."""
    rivals: tuple[str, ...]
    """Sites whose rank intervals meet its own, nearest in rank first; at most ``MOST_RIVALS``."""
    n_rivals: int
    """How many there are."""
    firmness: Firmness
    text: Text
    """What to make of it."""


@dataclass(frozen=True, eq=False, slots=True, kw_only=True)
class ClassTrust:
    """How far the list of one class may be trusted."""

    class_id: str
    sites: tuple[SiteTrust, ...]
    """In the order of the list."""
    capacity_sites: tuple[SiteTrust, ...]
    """Parcels of the first capacity layout, where it is of this class."""
    recommendation: Text
    """What the evidence allows to recommend."""
    criteria: tuple[str, ...]
    """Criteria of the class, in the order of all that is said per criterion."""
    one_at_a_time: OneAtATime
    first_order: Floats
    """Per criterion, the share of the spread of the listed sites' ranks that its weight alone explains (their mean)."""
    agreement: tuple[MethodAgreement, ...]
    errors: KnownErrors
    n_varied_rules: int
    """Rules that were drawn as strict or mitigated."""
    n_candidates: int
    """Candidates that took part."""
    facts: tuple[Text, ...]
    """What was varied, and what was not."""


@dataclass(frozen=True, eq=False, slots=True, kw_only=True)
class Trust:
    """How far to trust a study."""

    classes: tuple[ClassTrust, ...]
    edge: EdgeRegret | None
    capacity: CapacityStability | None
    """The first capacity layout under the same draws."""
    validation: Validation
    n_draws: int
    seed: int
    facts: tuple[Text, ...]
    """The recommendations and the verdicts, one sentence each."""


def assess_trust(result: StudyResult, *, n_draws: int = 200, seed: int = 20260101,
                 most_candidates: int | None = None) -> Trust:
    """Draw, vary, compare and hold against what exists.

    Costs a few seconds for some thousands of candidates, most of them for laying capacity out anew; of more than
    ``siting.trust_draws.MOST_CANDIDATES``, the best by score take part.

    Parameters
    ----------
    result
        What a run found, or the best candidates of it.
    n_draws
        Draws of weights, values, zones and strictness; the first is the study as it is.
    seed
        The same seed gives the same answer.
    most_candidates
        Candidates of a class that take part, the best by score; ``MOST_CANDIDATES`` if None.
    """
    classes, capacity = [], None
    for scores in result.scores:
        if not scores.eligible.any():
            continue
        campuses = _capacity_rows(result, scores)
        drawn = class_draws(result, scores, campuses, n_draws, seed, most_candidates=most_candidates)
        classes.append(_class_trust(result, scores, drawn, campuses))
        if len(campuses):
            capacity = capacity_stability(result, scores, drawn)
    plan = result.edge_plan
    edge = None if plan is None else edge_regret(plan, result.city_layers, result.pack, seed=seed)
    validation = validate(result, seed=seed)
    tests = [t.text for t in (validation.shares, validation.presence, validation.policy) if t is not None]
    facts = [c.recommendation for c in classes] + ([] if capacity is None else [capacity.text])
    facts += ([] if edge is None else [_edge_text(edge)]) + tests + [e.text for e in validation.empty]
    facts += _of_the_best(result, most_candidates)
    return Trust(classes=tuple(classes), edge=edge, capacity=capacity, validation=validation, n_draws=n_draws,
                 seed=seed, facts=tuple(facts))


def _of_the_best(result: StudyResult, most_candidates: int | None) -> list[Text]:
    """Say that the best candidates alone were looked at, where they were."""
    n, held = max((c.n_candidates for c in result.census), default=0), len(result.candidates)
    most = MOST_CANDIDATES if most_candidates is None else most_candidates
    if n <= held <= most:
        return []
    shown = min(held, most)
    beyond = Text(zh="；因规定被排除者不在其中，规定放宽时也未参与" if n > held else "",
                  en="; those that a rule excludes are not among them, also where a draw mitigates it" if n > held
                  else "")
    return [Text(zh=f"可信度仅就得分最高的至多 {shown:,} 个候选对象评估（全部 {n:,} 个）{beyond.zh}。",
                 en=f"Trust was assessed on the best {shown:,} candidates by score at most, of {n:,} in "
                    f"all{beyond.en}.")]


def _class_trust(result: StudyResult, scores: SiteScores, drawn: ClassDraws, campuses: Integers) -> ClassTrust:
    found = rank_robustness(drawn.normalised, drawn.broken, drawn.draws)
    listed = _listed(scores, result.study.n_top)
    sites = _sites(result, scores, drawn, found, listed)
    own = drawn.rows[scores.eligible[drawn.rows]]
    weights = np.array([c.weight for c in scores.criteria])
    return ClassTrust(
        class_id=scores.site_class.class_id, sites=sites, criteria=tuple(c.criterion_id for c in scores.criteria),
        recommendation=_cautioned(_recommendation(scores, sites, len(drawn.draws)), drawn.errors),
        capacity_sites=_sites(result, scores, drawn, found, campuses), errors=drawn.errors,
        n_varied_rules=drawn.n_varied_rules, n_candidates=len(drawn.rows), facts=drawn.facts,
        first_order=_first_order(found.correlation[np.isin(drawn.rows, listed)], len(drawn.draws)),
        one_at_a_time=one_at_a_time(normalised_at(scores, own), weights, result.study.n_top),
        agreement=agreement(scores.raw[own], scores.criteria, result.study.n_top))


def _first_order(correlation: Floats, n_draws: int) -> Floats:
    """Return the mean share of the spread of ranks that each weight alone explains, over ranks that move."""
    moves = correlation[np.abs(correlation).max(axis=1) > 0]
    if not len(moves):
        return np.zeros(correlation.shape[1])
    # So many draws of a weight that explains nothing would still explain one part in n - 1.
    explained = (moves**2 * (n_draws - 1) - 1.0) / max(n_draws - 2, 1)
    return np.asarray(np.maximum(explained.mean(axis=0), 0.0), dtype=np.float64)


def _listed(scores: SiteScores, n_top: int) -> Integers:
    rows = np.flatnonzero((scores.rank > 0) & (scores.rank <= n_top))
    return np.asarray(rows[np.argsort(scores.rank[rows], kind="stable")], dtype=np.int64)


def _sites(result: StudyResult, scores: SiteScores, drawn: ClassDraws, found: RankRobustness,
           wanted: Integers) -> tuple[SiteTrust, ...]:
    """Describe some candidates; their rivals are sought among all eligible ones."""
    ids = result.candidates["parcel_id"].to_numpy(dtype=object)
    rows = drawn.rows
    at = np.flatnonzero(scores.rank[rows] > 0)
    at = at[np.argsort(scores.rank[rows[at]], kind="stable")]
    low, high = found.rank_low[at], found.rank_high[at]
    told = []
    for place in np.flatnonzero(np.isin(rows[at], wanted)).tolist():
        meets = np.flatnonzero((low <= high[place]) & (high >= low[place]))
        meets = meets[meets != place]
        nearest = meets[np.argsort(np.abs(meets - place), kind="stable")]
        told.append(_site(result, scores, drawn, found, int(at[place]), ids[rows[at[nearest]]]))
    return tuple(told)


def _site(result: StudyResult, scores: SiteScores, drawn: ClassDraws, found: RankRobustness, at: int,
          rivals: NDArray[np.object_]) -> SiteTrust:
    """Describe one candidate: its place among those that were drawn, and the ids of its rivals, nearest first."""
    row, followed = int(drawn.rows[at]), int(found.depends_on[at])
    criterion = scores.criteria[followed].criterion_id if followed >= 0 else ""
    chances = tuple(float(p) for p in found.top_probability[at])
    dependence, rank, n = float(found.dependence[at]), int(scores.rank[row]), len(drawn.rows)
    names = tuple(str(key) for key in rivals[:MOST_RIVALS].tolist())
    beyond, share = _zone_beyond(result, drawn, at, row)
    firmness = _firmness(_short_list(rank, n), chances, len(rivals), dependence, share)
    text = _site_text(firmness, _short_list(rank, n), chances, (criterion, dependence), (names, len(rivals)))
    if share >= ZONE_DOUBT:
        text = _with_zone(text, result, beyond, share)
    return SiteTrust(
        parcel_id=str(result.candidates["parcel_id"].iloc[row]), rank=rank, in_top=chances,
        rank_low=int(found.rank_low[at]), rank_high=int(found.rank_high[at]), depends_on=criterion,
        dependence=dependence, other_zone=beyond, in_other_zone=share, rivals=names, n_rivals=len(rivals),
        firmness=firmness, text=text)


def _zone_beyond(result: StudyResult, drawn: ClassDraws, at: int, row: int) -> tuple[str, float]:
    """Return the other zone that a candidate may belong to, and in what share of the draws; none within one zone."""
    outlines, zone = drawn.draws.outlines, str(drawn.near.other_zone[at])
    if outlines is None or drawn.near.outline[at] < 0 or zone == str(result.candidates["zone_id"].iloc[row]):
        return "", 0.0
    return zone, float(outlines.share_crossed(np.array([at]))[0])


def _with_zone(text: Text, result: StudyResult, zone_id: str, share: float) -> Text:
    """Add that a site may belong to the neighbouring zone."""
    zone = next((z.title for z in result.pack.zones if z.zone_id == zone_id), Text(zh="规划分区之外", en="no zone"))
    zh = f"取决于近似的分区界线：{share:.0%} 的抽样中属于“{zone.zh}”，须以正式边界复核"
    en = (f"depends on an approximate outline: in {share:.0%} of draws it belongs to {zone.en.lower()}; check it "
          "against the official boundary")
    return Text(zh="；".join(filter(None, (text.zh, zh))), en="; ".join(filter(None, (text.en, en))))


def _short_list(rank: int, n_candidates: int) -> int | None:
    """Return the place in ``TOPS`` of the shortest list that a rank is on, None where that would be half of all."""
    found = next((place for place, size in enumerate(TOPS) if rank <= size), None)
    return found if found is not None and 2 * TOPS[found] <= n_candidates else None


def _firmness(place: int | None, chances: tuple[float, ...], n_rivals: int, dependence: float,
              in_other_zone: float) -> Firmness:
    is_in_doubt = in_other_zone >= ZONE_DOUBT
    if not n_rivals or (place is not None and chances[place] >= FIRM_CHANCE and not is_in_doubt):
        return "robust"
    return "depends" if is_in_doubt or abs(dependence) >= STRONG else "not_separable"


def _site_text(firmness: Firmness, place: int | None, chances: tuple[float, ...], dependence_on: tuple[str, float],
               rivals: tuple[tuple[str, ...], int]) -> Text:
    zh, en = [], []
    (criterion, dependence), (names, n_rivals) = dependence_on, rivals
    title = MEASURES[criterion].title if criterion in MEASURES else Text(zh=criterion, en=criterion)
    if firmness == "robust":
        zh.append("稳健" if place is None else f"稳健：{chances[place]:.0%} 的抽样中位列前 {TOPS[place]}")
        en.append("robust" if place is None else
                  f"robust: among the best {TOPS[place]} in {chances[place]:.0%} of draws")
    if criterion and abs(dependence) >= STRONG:
        zh.append(f"取决于“{title.zh}”的权重（权重越大名次越{'前' if dependence < 0 else '后'}）")
        en.append(f"depends on the weight of {title.en.lower()} "
                  f"(more weight {'betters' if dependence < 0 else 'lowers'} it)")
    if names:
        shown, more = names[:_SHOWN_RIVALS], n_rivals - _SHOWN_RIVALS
        zh.append(f"与 {'、'.join(shown)} {f'等 {n_rivals} 处' if more > 0 else ''}不可区分")
        en.append(f"not separable from {', '.join(shown)}{f' and {more} more' if more > 0 else ''}")
    return Text(zh="；".join(zh), en="; ".join(en))


def _recommendation(scores: SiteScores, sites: Sequence[SiteTrust], n_draws: int) -> Text:
    """Say whom the evidence allows to put first: one site only where no interval meets its own."""
    title, first = scores.site_class.title, sites[0]
    firm = sum(s.firmness == "robust" for s in sites)
    of_list = Text(zh=f"名单 {len(sites)} 处中 {firm} 处稳健",
                   en=f"{firm} of the {len(sites)} on the list stand firmly")
    if not first.rivals:
        return Text(
            zh=f"{title.zh}：{first.parcel_id} 在 {n_draws} 次抽样中名次区间为 {first.rank_low}–{first.rank_high}，"
               f"与其他候选地块不重叠，可推荐为首选；{of_list.zh}。",
            en=f"{title.en}: {first.parcel_id} ranks {first.rank_low} to {first.rank_high} over {n_draws} draws and "
               f"shares that interval with no other: it may be called the first; {of_list.en}.")
    shown, n_group = [first.parcel_id, *first.rivals][:6], first.n_rivals + 1
    rest = f"等 {n_group} 处" if n_group > len(shown) else ""
    rest_en = f" and {n_group - len(shown)} more" if n_group > len(shown) else ""
    return Text(
        zh=f"{title.zh}：{'、'.join(shown)} {rest}的名次区间重叠，不可区分，不应只推荐一处；"
           f"请按评分之外的理由（意愿、工期、地价谈判）选择；{of_list.zh}。",
        en=f"{title.en}: the rank intervals of {', '.join(shown)}{rest_en} overlap; they are not separable, and no "
           f"single one should be recommended: choose among them on grounds beyond the score; {of_list.en}.")


def _cautioned(recommendation: Text, errors: KnownErrors) -> Text:
    """Add that intervals are too narrow where the data under them could not be varied."""
    if not errors.unvaried:
        return recommendation
    return Text(zh=recommendation.zh + "依据中有合成图层，其误差未计入，实际区间更宽。",
                en=recommendation.en + " Synthetic layers are among what this rests on; their error is not drawn, and "
                                       "true intervals are wider.")


def _capacity_rows(result: StudyResult, scores: SiteScores) -> Integers:
    """Return the candidates of the first capacity layout, where it is of this class."""
    settings = result.pack.capacity
    if settings is None or settings.site_class != scores.site_class.class_id or not result.capacity_plans:
        return np.empty(0, dtype=np.int64)
    chosen = result.capacity_plans[0].sites["parcel_id"].astype(str)
    return np.flatnonzero(result.candidates["parcel_id"].astype(str).isin(chosen).to_numpy())


def _edge_text(edge: EdgeRegret) -> Text:
    weak = ", ".join(key for key, _ in edge.least_stable)
    zh = (f"边缘布局：需求随机波动 {edge.n_draws} 次，最差十分之一情形下比当时最优方案至多少覆盖 "
          f"{edge.worst_tenth:.1%} 的需求")
    en = (f"Edge plan: over {edge.n_draws} draws of the demand, the plan reaches at most {edge.worst_tenth:.1%} of it "
          "less than the best plan in the worst tenth")
    if weak:
        zh, en = f"{zh}；不到一半情形保留的点：{weak}", f"{en}; kept in fewer than half of them: {weak}"
    return Text(zh=zh + "。", en=en + ".")
