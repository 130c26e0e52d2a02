"""The main job: exclude, measure, score, place edge centres."""

from __future__ import annotations

import difflib
import time
from collections.abc import Iterable, Mapping
from dataclasses import replace

import geopandas as gpd
import numpy as np

from gis.bilingual import Text
from gis.errors import InfeasibleError, LayerNotFoundError, UsageError
from gis.progress import Progress, silent
from layers.schemas import LAYERS
from layers.types import CityLayers, LayerSpec
from siting.candidates import find_candidates
from siting.criteria import MEASURES, Scene, measure_criteria
from siting.edge import place_edge_centres
from siting.exclusions import apply_rules
from siting.latency import latency_fact
from siting.scoring import rank_of, score_of
from siting.surroundings import Surroundings
from siting.types import CityPack, EdgePlan, SiteScores, Study, StudyResult
from siting.zones import build_units, permissions_of, place_candidates


def layer_specs(pack: CityPack, study: Study) -> tuple[LayerSpec, ...]:
    """Return the layers of a run: the study's own, and the pack's where the study names none."""
    own = {spec.name for spec in study.layer_specs} | set(study.omitted_layers)
    if study.candidates != "parcels":
        own |= {"parcels"}
    return (*(s for s in pack.layer_specs if s.name not in own), *study.layer_specs)


def applied(pack: CityPack, study: Study) -> CityPack:
    """Return the pack with the study's own weights.

    Raises
    ------
    UsageError
        The study names a class, criterion or rule that the pack does not have, or its weights do not sum to 1.
    """
    classes = [c.class_id for c in pack.site_classes]
    for class_id in (*study.classes, *(w[0] for w in study.weights)):
        _known("class", "类别", class_id, classes)
    for rule_id, _ in study.mitigations:
        _known("rule", "规则", rule_id, [r.rule_id for r in pack.rules])
    criteria = list(pack.criteria)
    for class_id in dict.fromkeys(w[0] for w in study.weights):
        own = {criterion: weight for c, criterion, weight in study.weights if c == class_id}
        for criterion_id in own:
            _known("criterion", "准则", criterion_id, [c.criterion_id for c in pack.criteria_for(class_id)])
        total = sum(own.values())
        if min(own.values()) < 0 or abs(total - 1.0) > 1e-6:
            raise UsageError(f"weights of class {class_id!r} sum to {total:g} and must sum to 1, none negative",
                             f"类别 {class_id!r} 的权重之和为 {total:g}，须为 1 且不得为负")
        criteria = [replace(c, weight=own.get(c.criterion_id, 0.0)) if c.site_class == class_id else c
                    for c in criteria]
    return replace(pack, criteria=tuple(criteria))


def _known(noun_en: str, noun_zh: str, name: str, known: Iterable[str]) -> None:
    names = list(dict.fromkeys(known))
    if name not in names:
        near = difflib.get_close_matches(name, names, n=1)
        raise UsageError(f"unknown {noun_en} {name!r}; known: {', '.join(names)}"
                         + (f"; did you mean {near[0]!r}?" if near else ""),
                         f"未知{noun_zh} {name!r}；可用：{'、'.join(names)}"
                         + (f"；是否指 {near[0]!r}？" if near else ""))


def run_study(city_layers: CityLayers, pack: CityPack, study: Study, *, progress: Progress = silent,
              timings_s: Mapping[str, float] | None = None) -> StudyResult:
    """Run a study on layers that are loaded.

    Parameters
    ----------
    city_layers
        Layers in the pack's metric CRS.
    pack
        The city's rules.
    study
        What is asked.
    progress
        Called as steps finish.
    timings_s
        Seconds of steps already done, to be kept with the result.

    Raises
    ------
    UsageError
        The study asks for something that the pack does not have.
    InfeasibleError
        No candidate is eligible for any class asked for, or the edge plan has no answer.
    """
    pack = applied(pack, study)
    timings = dict(timings_s or {})
    started = time.perf_counter()
    units = build_units(city_layers, pack)
    candidates = place_candidates(find_candidates(city_layers, pack, study), units, city_layers)
    timings["candidates"] = time.perf_counter() - started
    around = Surroundings(candidates, city_layers)
    classes = study.classes or pack.default_classes
    scores = []
    for done, class_id in enumerate(classes):
        progress(Text(zh="评价地块", en="scoring candidates"), done, len(classes))
        started = time.perf_counter()
        scores.append(score_class(around, pack, study, class_id))
        timings[f"score {class_id}"] = time.perf_counter() - started
    progress(Text(zh="评价地块", en="scoring candidates"), len(classes), len(classes))
    _require_eligible(scores)
    started = time.perf_counter()
    edge_plan = _edge_plan(city_layers, units, pack, study, classes, progress)
    timings["edge centres"] = time.perf_counter() - started
    return StudyResult(
        study=study, pack=pack, city_layers=city_layers, units=units, candidates=candidates, scores=tuple(scores),
        edge_plan=edge_plan, facts=_facts(city_layers, pack, scores, edge_plan), timings_s=timings,
    )


def score_class(around: Surroundings, pack: CityPack, study: Study, class_id: str) -> SiteScores:
    """Exclude, measure and score all candidates for one class."""
    site_class = pack.site_class(class_id)
    criteria = pack.criteria_for(class_id)
    permissions = permissions_of(around.candidates, pack, site_class.development_type)
    exclusions = apply_rules(around, pack.rules_for(class_id), permissions, dict(study.mitigations))
    raw = measure_criteria(Scene(pack, site_class, around, permissions, exclusions), criteria)
    score, coverage = score_of(raw, criteria)
    parcel_ids = around.candidates["parcel_id"].to_numpy(dtype=object)
    return SiteScores(
        site_class=site_class, criteria=criteria, permissions=permissions, exclusions=exclusions, raw=raw,
        score=score, rank=rank_of(score, exclusions.eligible, parcel_ids), data_coverage=coverage,
    )


def _require_eligible(scores: list[SiteScores]) -> None:
    if any(s.eligible.any() for s in scores):
        return
    table = scores[0].exclusions
    counts = (table.broken & table.excludes).sum(axis=0)
    worst = table.rules[int(counts.argmax())]
    n = len(scores[0].score)
    raise InfeasibleError(
        f"none of {n} candidates is eligible; most fail {worst.rule_id} ({worst.title.en}, {counts.max()} of {n}); "
        "check that layer, its datum, or state a mitigation",
        f"{n} 个候选地块均不符合条件；多数不满足 {worst.rule_id}（{worst.title.zh}，{counts.max()}/{n}）；"
        "请核对该图层及其坐标基准，或在方案中说明缓解措施",
    )


def _edge_plan(city_layers: CityLayers, units: gpd.GeoDataFrame, pack: CityPack, study: Study,
               classes: tuple[str, ...], progress: Progress) -> EdgePlan | None:
    """Place edge centres, unless neither the classes nor the study ask for them."""
    step = Text(zh="布设边缘数据中心", en="placing edge centres")
    if "edge" not in classes and study.n_facilities is None:
        return None
    if study.n_facilities == 0:
        return None
    progress(step, 0, 1)
    try:
        plan = place_edge_centres(city_layers, units, pack, study)
    except LayerNotFoundError:
        # Asked for by number, the lack is an error; by default, it is a fact of the run.
        if study.n_facilities is not None:
            raise
        return None
    progress(step, 1, 1)
    return plan


def _facts(city_layers: CityLayers, pack: CityPack, scores: list[SiteScores],
           edge_plan: EdgePlan | None) -> tuple[Text, ...]:
    """Say what is reported and not scored, and what could not be measured or tested."""
    facts = [latency_fact(city_layers.area_of_interest, pack)]
    for score in scores:
        title = score.site_class.title
        unmeasured = [MEASURES[c.criterion_id].title for c, column in zip(score.criteria, score.raw.T, strict=True)
                      if np.isnan(column).all() and c.weight > 0]
        if unmeasured:
            facts.append(Text(zh=f"{title.zh}：缺少数据而未计分的准则：{'、'.join(t.zh for t in unmeasured)}。",
                              en=f"{title.en}: criteria not scored for lack of data: "
                                 f"{', '.join(t.en for t in unmeasured)}."))
        untested = score.exclusions.untested
        if untested:
            facts.append(Text(zh=f"{title.zh}：缺少图层而未检验的规则：{'、'.join(r.title.zh for r in untested)}。",
                              en=f"{title.en}: rules not tested for lack of a layer: "
                                 f"{', '.join(r.title.en for r in untested)}."))
    if edge_plan is None and any(s.site_class.class_id == "edge" for s in scores):
        lacking = [LAYERS[n].title for n in ("substations", "demand") if not city_layers.has(n)]
        facts.append(Text(zh="未布设边缘数据中心：缺少" + "、".join(t.zh for t in lacking) + "或宿主图层。",
                          en="No edge centres were placed: missing " + ", ".join(t.en for t in lacking)
                             + " or host layers."))
    if edge_plan is not None:
        facts.extend(_idle_centres(edge_plan))
    return tuple(facts)


def _idle_centres(edge_plan: EdgePlan) -> list[Text]:
    """Name the edge centres that are nearest to no demand point."""
    is_idle = edge_plan.edge_centres["n_demand_covered"] == 0
    idle = [str(i) for i in edge_plan.edge_centres.loc[is_idle, "edge_centre_id"]]
    if not idle:
        return []
    return [Text(
        zh=f"边缘数据中心 {'、'.join(idle)} 不是任何需求点的最近中心："
           "已知需求用更少的中心即可覆盖，它们只作备用。",
        en=f"Edge centres {', '.join(idle)} are nearest to no demand point: "
           "fewer would cover the known demand, and these are a reserve.")]
