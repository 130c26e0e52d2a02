"""How far to trust a study: what its recommendations stand on, joined into one noun.

Draws of weights, measured values and the strictness of rules say how far a rank can move; one weight at a time says
what it would take; other methods say whether the way of adding up matters; what exists says whether the model
describes this city at all. What is said of a site follows from that evidence alone: no site is called the best
whose rank interval another one shares.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from gis.bilingual import Text
from siting.agreement import MethodAgreement, agreement
from siting.criteria import MEASURES
from siting.edge_regret import EdgeRegret, edge_regret
from siting.known_errors import KnownErrors, known_errors
from siting.pack import ExclusionRule
from siting.robustness import TOPS, Draws, RankRobustness, broken_bits, perturbed_weights, rank_robustness, strictness
from siting.scoring import normalised_at
from siting.sensitivity import OneAtATime, one_at_a_time
from siting.types import SiteScores, StudyResult
from siting.validation import Validation, validate

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]

Firmness = Literal["robust", "depends", "not_separable"]

WEIGHT_SHARE = 0.2
"""Weights are drawn within this share of each."""

STRICT_CHANCE = 0.9
"""Chance that a rule which a measure can mitigate is strict in a draw."""

MITIGABLE_TESTS = ("setback", "corridor")
"""Distances, which walls, screens and foundations can answer for; policy, land use and water cannot be mitigated."""

FIRM_CHANCE = 0.9
"""A place on the short list is firm where it is kept in so many of the draws."""

STRONG = 0.5
"""Correlation of a rank with a weight from which the rank is said to depend on it."""

MOST_CANDIDATES = 100_000
"""Candidates that are drawn, the best by score; the others would have to pass all of these to matter."""

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
    one_at_a_time: OneAtATime
    agreement: tuple[MethodAgreement, ...]
    errors: KnownErrors
    n_varied_rules: int
    """Rules that were drawn as strict or mitigated."""
    n_candidates: int
    """Candidates that took part."""


@dataclass(frozen=True, eq=False, slots=True, kw_only=True)
class Trust:
    """How far to trust a study."""

    classes: tuple[ClassTrust, ...]
    edge: EdgeRegret | None
    validation: Validation
    n_draws: int
    seed: int
    facts: tuple[Text, ...]
    """The recommendations and the verdicts, one sentence each."""


def assess_trust(result: StudyResult, *, n_draws: int = 200, seed: int = 20260101) -> Trust:
    """Draw, vary, compare and hold against what exists.

    Costs about a second for some thousands of candidates; of more than ``MOST_CANDIDATES``, the best by score take
    part, and a quarter of a minute goes by.

    Parameters
    ----------
    result
        What a run found, or the best candidates of it.
    n_draws
        Draws of weights, values and strictness.
    seed
        The same seed gives the same answer.
    """
    classes = tuple(_class_trust(result, scores, n_draws, seed) for scores in result.scores if scores.eligible.any())
    edge = None if result.edge_plan is None else edge_regret(result.edge_plan, result.city_layers, result.pack)
    validation = validate(result, seed=seed)
    tests = [t.text for t in (validation.shares, validation.presence, validation.policy) if t is not None]
    facts = [c.recommendation for c in classes] + ([] if edge is None else [_edge_text(edge)]) + tests
    facts += [e.text for e in validation.empty]
    return Trust(classes=classes, edge=edge, validation=validation, n_draws=n_draws, seed=seed, facts=tuple(facts))


def _class_trust(result: StudyResult, scores: SiteScores, n_draws: int, seed: int) -> ClassTrust:
    eligible = scores.eligible
    varied = [_is_mitigable(rule) and bool(excludes)
              for rule, excludes in zip(scores.exclusions.rules, scores.exclusions.excludes, strict=True)]
    campuses = _capacity_rows(result, scores)
    rows, bits, strict = _rules_drawn(scores, np.array(varied, dtype=np.bool_), campuses, n_draws, seed)
    errors = known_errors(result.city_layers, result.pack, scores.criteria)
    weights = np.array([c.weight for c in scores.criteria])
    drawn = rank_robustness(normalised_at(scores, rows), bits,
                            Draws(weights=perturbed_weights(weights, WEIGHT_SHARE, n_draws, seed),
                                  spread=errors.spread, strict=strict, seed=seed))
    best = _listed(scores, result.study.n_top)
    sites = _sites(result, scores, drawn, rows, best)
    own = np.sort(rows[eligible[rows]])
    return ClassTrust(
        class_id=scores.site_class.class_id, sites=sites,
        recommendation=_cautioned(_recommendation(scores, sites, n_draws), errors),
        capacity_sites=_sites(result, scores, drawn, rows, campuses), errors=errors, n_varied_rules=sum(varied),
        one_at_a_time=one_at_a_time(normalised_at(scores, own), weights, result.study.n_top),
        agreement=agreement(scores.raw[own], scores.criteria, result.study.n_top), n_candidates=len(rows))


def _is_mitigable(rule: ExclusionRule) -> bool:
    return rule.test in MITIGABLE_TESTS


def _rules_drawn(scores: SiteScores, varied: NDArray[np.bool_], kept: Integers, n_draws: int,
                 seed: int) -> tuple[Integers, NDArray[np.uint64], NDArray[np.uint64]]:
    """Return the rows that may be eligible in some draw, what each breaks, and which rules are strict, draw by draw.

    Of too many rows the best are taken, and those that must be ``kept``.
    """
    broken, excludes = scores.exclusions.broken, scores.exclusions.excludes
    rows = np.flatnonzero(~(broken[:, excludes & ~varied]).any(axis=1))
    if len(rows) > MOST_CANDIDATES:
        best = np.argsort(-scores.score[rows], kind="stable")[:MOST_CANDIDATES]
        rows = np.union1d(rows[best], kept)
    n = int(varied.sum())
    every = np.ones(n, dtype=np.bool_)
    return rows, broken_bits(broken[np.ix_(rows, np.flatnonzero(varied))]), strictness(every, every, STRICT_CHANCE,
                                                                                    n_draws, seed)


def _listed(scores: SiteScores, n_top: int) -> Integers:
    rows = np.flatnonzero((scores.rank > 0) & (scores.rank <= n_top))
    return np.asarray(rows[np.argsort(scores.rank[rows], kind="stable")], dtype=np.int64)


def _sites(result: StudyResult, scores: SiteScores, drawn: RankRobustness, rows: Integers,
           wanted: Integers) -> tuple[SiteTrust, ...]:
    """Describe some candidates; their rivals are sought among all eligible ones."""
    ids = result.candidates["parcel_id"].to_numpy(dtype=object)
    at = np.flatnonzero(scores.rank[rows] > 0)
    at = at[np.argsort(scores.rank[rows[at]], kind="stable")]
    low, high = drawn.rank_low[at], drawn.rank_high[at]
    found = []
    for place in np.flatnonzero(np.isin(rows[at], wanted)).tolist():
        meets = np.flatnonzero((low <= high[place]) & (high >= low[place]))
        meets = meets[meets != place]
        nearest = meets[np.argsort(np.abs(meets - place), kind="stable")]
        found.append(_site(scores, drawn, ids, (int(rows[at[place]]), int(at[place])), rows[at[nearest]]))
    return tuple(found)


def _site(scores: SiteScores, drawn: RankRobustness, ids: NDArray[np.object_], where: tuple[int, int],
          rivals: Integers) -> SiteTrust:
    """Describe one candidate: its row and its place among those that were drawn, and the rows of its rivals."""
    row, at = where
    followed = int(drawn.depends_on[at])
    criterion = scores.criteria[followed].criterion_id if followed >= 0 else ""
    chances = tuple(float(p) for p in drawn.top_probability[at])
    dependence, rank, n = float(drawn.dependence[at]), int(scores.rank[row]), len(drawn.rank_low)
    firmness = _firmness(rank, chances, len(rivals), dependence, n)
    names = tuple(str(ids[r]) for r in rivals[:MOST_RIVALS].tolist())
    return SiteTrust(
        parcel_id=str(ids[row]), rank=rank, in_top=chances, rank_low=int(drawn.rank_low[at]),
        rank_high=int(drawn.rank_high[at]), depends_on=criterion, dependence=dependence, rivals=names,
        n_rivals=len(rivals), firmness=firmness,
        text=_site_text(firmness, _short_list(rank, n), chances, (criterion, dependence), (names, len(rivals))))


def _short_list(rank: int, n_candidates: int) -> int | None:
    """Return the place in ``TOPS`` of the shortest list that a rank is on, None where that would be half of all."""
    found = next((place for place, size in enumerate(TOPS) if rank <= size), None)
    return found if found is not None and 2 * TOPS[found] <= n_candidates else None


def _firmness(rank: int, chances: tuple[float, ...], n_rivals: int, dependence: float, n_candidates: int) -> Firmness:
    place = _short_list(rank, n_candidates)
    if not n_rivals or (place is not None and chances[place] >= FIRM_CHANCE):
        return "robust"
    return "depends" if abs(dependence) >= STRONG else "not_separable"


def _site_text(firmness: Firmness, place: int | None, chances: tuple[float, ...], dependence_on: tuple[str, float],
               rivals: tuple[tuple[str, ...], int]) -> Text:
    zh, en = [], []
    (criterion, dependence), (names, n_rivals) = dependence_on, rivals
    title = MEASURES[criterion].title if criterion in MEASURES else Text(zh=criterion, en=criterion)
    if firmness == "robust":
        zh.append("稳健" if place is None else f"稳健：{chances[place]:.0%} 的抽样中位列前 {TOPS[place]}")
        en.append("robust" if place is None else
                  f"robust: among the best {TOPS[place]} in {chances[place]:.0%} of draws")
    if firmness == "depends" or (criterion and abs(dependence) >= STRONG):
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
    """Return the parcels of the first capacity layout, where it is of this class."""
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
