"""The main job: exclude, measure, score, place edge centres.

Candidates are scored by partitions, whichever engine works on them and however many there are; one core is
the case of one worker.
"""

from __future__ import annotations

import difflib
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

import geopandas as gpd
import numpy as np

from gis.bilingual import Text
from gis.engines import Engine, SerialEngine
from gis.errors import InfeasibleError, UsageError
from gis.partitions import ROWS_PER_PARTITION, joined, partitions_of
from gis.progress import Progress, silent
from layers.cache import PartStore
from layers.schemas import LAYERS
from layers.types import CityLayers, LayerSpec
from siting.candidates import find_candidates
from siting.census import Census, count_all
from siting.clusters import plan_clusters
from siting.criteria import MEASURES
from siting.latency import latency_fact
from siting.pack import CityPack
from siting.partition_key import run_key
from siting.partition_scores import ScoringJob, placed_by, ranked, score_partitions, scores_of, scoring_job
from siting.plans import make_plans
from siting.trust import assess_trust
from siting.types import EdgePlan, SiteScores, Study, StudyResult
from siting.weighting import WeightChoice, judged_pack, pack_as_scored, rescored, weight_choices
from siting.wording import Noun, candidate_noun
from siting.zones import build_units

Part = TypeVar("Part")


def layer_specs(pack: CityPack, study: Study) -> tuple[LayerSpec, ...]:
    """Return the layers of a run: the study's own, and the pack's where the study names none."""
    own = {spec.name for spec in study.layer_specs} | set(study.omitted_layers)
    if study.candidates != "parcels":
        own |= {"parcels"}
    return (*(s for s in pack.layer_specs if s.name not in own), *study.layer_specs)


def noun_of(pack: CityPack, study: Study) -> Noun:
    """Return what the candidates of a study are called."""
    return candidate_noun(study.candidates, layer_specs(pack, study))


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
              timings_s: Mapping[str, float] | None = None, engine: Engine | None = None,
              parts_folder: Path | None = None, rows_per_partition: int = ROWS_PER_PARTITION) -> StudyResult:
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
    engine
        Who scores the partitions; this process if None. The result is the same to the last bit.
    parts_folder
        Keeps the partitions that are finished, for when the run is stopped, and may hold those of this very
        run that was; whatever else it holds is removed. None to keep nothing and reuse nothing.
    rows_per_partition
        Candidates in a partition, at most.

    Raises
    ------
    UsageError
        The study asks for something that the pack does not have, or the engine cannot work.
    InfeasibleError
        No candidate is eligible for any class asked for, or the edge plan has no answer.
    """
    shipped, pack = pack, judged_pack(applied(pack, study), study)
    timings = dict(timings_s or {})
    started = time.perf_counter()
    units = build_units(city_layers, pack)
    candidates = find_candidates(city_layers, pack, study)
    geometries = np.asarray(candidates.geometry.array, dtype=object)
    partitions = partitions_of(geometries, rows_per_partition)
    timings["candidates"] = time.perf_counter() - started
    started = time.perf_counter()
    classes = study.classes or pack.default_classes
    job = scoring_job(city_layers, units, pack, study, classes)
    store = None if parts_folder is None else PartStore(parts_folder, run_key(job, city_layers, partitions))
    parts = score_partitions(job, candidates, partitions, engine or SerialEngine(), store)
    columns = joined(_counted(parts, progress, len(partitions)), partitions, len(candidates))
    candidates = placed_by(candidates, columns, job)
    parcel_ids = candidates["parcel_id"].to_numpy(dtype=object)
    scores = rescored([ranked(scores_of(columns, job, class_id), parcel_ids) for class_id in classes], shipped, study,
                      parcel_ids)
    job = replace(job, pack=pack_as_scored(job.pack, scores))
    timings["scores"] = time.perf_counter() - started
    return concluded(job, city_layers, candidates, scores, count_all(candidates, scores), timings, progress=progress,
                     choices=weight_choices(shipped, study, scores))


def concluded(job: ScoringJob, city_layers: CityLayers, candidates: gpd.GeoDataFrame, scores: Sequence[SiteScores],
              census: Sequence[Census], timings_s: Mapping[str, float], *, progress: Progress = silent,
              facts: tuple[Text, ...] = (), choices: tuple[WeightChoice, ...] = ()) -> StudyResult:
    """Make the plans on candidates that are scored, and say what the run found.

    Parameters
    ----------
    job
        What was scored, with the pack as applied.
    city_layers
        All layers, with the provenance of each.
    candidates, scores
        All candidates, or the best of them; row by row.
    census
        Of all candidates, per class.
    timings_s
        Seconds of the steps so far.
    progress
        Called as steps finish.
    facts
        What is to be said besides.
    choices
        The weights of each class, and how they were found.

    Raises
    ------
    InfeasibleError
        No candidate is eligible for any class asked for, or the edge plan has no answer.
    """
    timings, pack, study = dict(timings_s), job.pack, job.study
    _require_eligible(scores, census)
    started = time.perf_counter()
    plans = make_plans(candidates, scores, job.units, city_layers, pack, study, job.classes, progress=progress)
    clusters = plan_clusters(candidates, scores, city_layers, pack)
    timings["plans"] = time.perf_counter() - started
    result = StudyResult(
        study=study, pack=pack, city_layers=city_layers, units=job.units, candidates=candidates, scores=tuple(scores),
        weight_choices=choices,
        census=tuple(census), edge_plan=plans.edge, capacity_plans=plans.capacity, estate_plan=plans.estate,
        three_in_one=plans.three_in_one, site_layouts=plans.layouts, network_plan=plans.network, cluster_plan=clusters,
        facts=(*_facts(city_layers, pack, scores, census, plans.edge), *facts, *plans.facts,
               *(clusters.facts if clusters else ())), timings_s=timings,
    )
    started = time.perf_counter()
    step = Text(zh="评估可信度", en="assessing trust")
    progress(step, 0, 1)
    result = replace(result, trust=assess_trust(result))
    progress(step, 1, 1)
    timings["trust"] = time.perf_counter() - started
    return result


def _counted(parts: Iterable[Part], progress: Progress, total: int) -> Iterator[Part]:
    """Tell of each part that is finished."""
    step = Text(zh="评价候选对象", en="scoring candidates")
    progress(step, 0, total)
    for done, part in enumerate(parts, start=1):
        yield part
        progress(step, done, total)


def _require_eligible(scores: Sequence[SiteScores], census: Sequence[Census]) -> None:
    if any(c.n_eligible for c in census):
        return
    rules, n = scores[0].exclusions.rules, census[0].n_candidates
    counts = np.array([r.n_broken if r.excludes else 0 for r in census[0].rules])
    worst = rules[int(counts.argmax())]
    raise InfeasibleError(
        f"none of {n} candidates is eligible; most fail {worst.rule_id} ({worst.title.en}, {counts.max()} of {n}); "
        "check that layer, its datum, or state a mitigation",
        f"{n} 个候选对象均不符合条件；多数不满足 {worst.rule_id}（{worst.title.zh}，{counts.max()}/{n}）；"
        "请核对该图层及其坐标基准，或在方案中说明缓解措施",
    )


def _facts(city_layers: CityLayers, pack: CityPack, scores: Sequence[SiteScores], census: Sequence[Census],
           edge_plan: EdgePlan | None) -> tuple[Text, ...]:
    """Say what is reported and not scored, and what could not be measured or tested."""
    facts = [latency_fact(city_layers.area_of_interest, pack)]
    for score, counted in zip(scores, census, strict=True):
        title = score.site_class.title
        unmeasured = [MEASURES[c.criterion_id].title for c, n in zip(score.criteria, counted.n_measured, strict=True)
                      if not n and c.weight > 0]
        if unmeasured:
            facts.append(Text(zh=f"{title.zh}：缺少数据而未计分的准则：{'、'.join(t.zh for t in unmeasured)}。",
                              en=f"{title.en}: criteria not scored for lack of data: "
                                 f"{', '.join(t.en for t in unmeasured)}."))
        untested = [rule for rule in score.exclusions.rules if rule.rule_id in counted.untested_rules]
        if untested:
            facts.append(Text(zh=f"{title.zh}：缺少图层而未检验的规则：{'、'.join(r.title.zh for r in untested)}。",
                              en=f"{title.en}: rules not tested for lack of a layer: "
                                 f"{', '.join(r.title.en for r in untested)}."))
    if edge_plan is None and pack.edge is None:
        facts.append(Text(zh="本规则包的范围不布设单个边缘数据中心；请用城市规则包布设。",
                          en="At the scale of this pack no single edge centres are placed; the pack of a city does."))
    elif edge_plan is None and any(s.site_class.class_id == "edge" for s in scores):
        lacking = [LAYERS[n].title for n in ("substations", "demand") if not city_layers.has(n)]
        facts.append(Text(zh="未布设边缘数据中心：缺少" + "、".join(t.zh for t in lacking) + "或宿主图层。",
                          en="No edge centres were placed: missing " + ", ".join(t.en for t in lacking)
                             + " or host layers."))
    if edge_plan is not None:
        facts.extend([*_idle_centres(edge_plan), *edge_plan.facts])
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
