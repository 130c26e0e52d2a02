"""Scores one partition of the candidates, and makes the scores of all out of those of the partitions.

All that is measured of a candidate depends on the candidate and on what is there, never on another
candidate; so partitions are scored apart, in any order and anywhere, and what depends on all (ranks,
what no candidate could be tested for) is found out afterwards.

There is no halo: the layers that candidates are measured against go to every worker whole. How far the
nearest substation is has no bound that is known before the search, and all substations, fibre routes,
roads and hazards of a city are a few hundred megabytes at most, once per worker; so the search is exact
without any margin. What does not fit in memory are rasters and parcels: rasters are read by windows
around the partition, and parcels come by partitions.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import geopandas as gpd
import numpy as np
import pandas as pd
from numpy.typing import NDArray

from gis import proximity
from gis.engines import Engine
from layers.cache import PartStore
from layers.types import CityLayers
from siting.criteria import Scene, measure_criteria
from siting.exclusions import apply_rules, excludes_of
from siting.pack import CityPack
from siting.permissions import Permissions, permissions_in, table_of
from siting.scoring import rank_of, score_of
from siting.surroundings import Infrastructure, Surroundings
from siting.types import ExclusionTable, SiteScores, Study
from siting.zones import Places, lay_out_places, place_candidates, place_districts

Columns = dict[str, NDArray[Any]]

_PARCELS = "parcels"


@dataclass(frozen=True, eq=False, kw_only=True)
class ScoringJob:
    """What every partition of a run needs; sent to each worker once."""

    city_layers: CityLayers
    """What candidates are measured against: the layers of the run, in general without its parcels."""
    units: gpd.GeoDataFrame
    """Units of the plan (``siting.zones.build_units``)."""
    pack: CityPack
    """Rules, with the study's weights applied."""
    study: Study
    """What is asked."""
    classes: tuple[str, ...]
    """Classes to score."""

    @cached_property
    def infrastructure(self) -> Infrastructure:
        """What is there, looked up once per process."""
        return Infrastructure(self.city_layers)

    @cached_property
    def places(self) -> Places:
        """Units and districts, taken apart once per process."""
        return lay_out_places(self.units, self.city_layers)

    def __getstate__(self) -> dict[str, Any]:
        # What one process has looked up is not sent to another.
        return {name: value for name, value in self.__dict__.items() if name not in ("infrastructure", "places")}


def scoring_job(city_layers: CityLayers, units: gpd.GeoDataFrame, pack: CityPack, study: Study,
                classes: tuple[str, ...]) -> ScoringJob:
    """Return the job of a run, without the parcels where nothing is measured against them."""
    if _PARCELS not in measured_against(pack, classes):
        others = {name: frame for name, frame in city_layers.frames.items() if name != _PARCELS}
        city_layers = replace(city_layers, frames=others)
    return ScoringJob(city_layers=city_layers, units=units, pack=pack, study=study, classes=classes)


def measured_against(pack: CityPack, classes: tuple[str, ...]) -> set[str]:
    """Return the layers that rules and hosts name; a rule of land use looks at the candidate alone."""
    return {kind.layer for kind in pack.host_kinds} | {
        rule.layer for class_id in classes for rule in pack.rules_for(class_id) if rule.test != "land_use"}


def score_partition(job: ScoringJob, candidates: gpd.GeoDataFrame) -> Columns:
    """Place, exclude, measure and score the candidates of one partition.

    Parameters
    ----------
    job
        What all partitions share.
    candidates
        Frame of ``n`` candidates as ``siting.candidates.find_candidates`` gives them.

    Returns
    -------
    dict
        Arrays of length ``n``: ``unit`` and ``district`` (row of the frame of units and of districts,
        -1 for none), and for each class ``c``: ``c/permission`` (place in ``table_of``, -1 for none),
        ``c/measured`` and ``c/shortfall`` (n x rules), ``c/raw`` (n x criteria), ``c/score``,
        ``c/coverage``.
    """
    laid_out = proximity.lay_out(np.asarray(candidates.geometry.array, dtype=object))
    numbered = candidates.reset_index(drop=True)
    if job.study.candidates == "districts" and not job.city_layers.has("zones"):
        placed = place_districts(numbered, job.units, job.city_layers)
    else:
        placed = place_candidates(numbered, job.units, job.city_layers, places=job.places, laid_out=laid_out)
    around = Surroundings(placed, job.infrastructure, laid_out)
    columns: Columns = {"unit": _rows_of(placed["unit_id"], job.units["unit_id"]),
                        "district": _rows_of(placed["district"], job.city_layers.frame("districts")["name"])}
    for class_id in job.classes:
        columns |= {f"{class_id}/{name}": values for name, values in _score_class(around, job, class_id).items()}
    return columns


def _score_class(around: Surroundings, job: ScoringJob, class_id: str) -> Columns:
    pack, site_class = job.pack, job.pack.site_class(class_id)
    criteria = pack.criteria_for(class_id)
    permissions = permissions_in(around.candidates["zone_id"], pack, site_class.development_type)
    exclusions = apply_rules(around, pack.rules_for(class_id), permissions, dict(job.study.mitigations))
    raw = measure_criteria(Scene(pack, site_class, around, permissions, exclusions), criteria)
    score, coverage = score_of(raw, criteria)
    return {"permission": permissions.codes, "measured": exclusions.measured, "shortfall": exclusions.shortfall,
            "raw": raw, "score": score, "coverage": coverage}


def _rows_of(values: pd.Series[str], among: pd.Series[str]) -> NDArray[np.int32]:
    """Return the first row of ``among`` that holds each value; -1 for none."""
    first = among[~among.duplicated()].astype(object)
    found = pd.Index(first).get_indexer(pd.Index(values, dtype=object))
    return np.where(found >= 0, np.flatnonzero(~among.duplicated())[found], -1).astype(np.int32)


def score_partitions(job: ScoringJob, candidates: gpd.GeoDataFrame, partitions: Sequence[NDArray[np.int64]],
                     engine: Engine, store: PartStore | None = None) -> Iterator[tuple[int, Columns]]:
    """Score all partitions, but those that a store holds already.

    Parameters
    ----------
    job
        What all partitions share.
    candidates
        All candidates.
    partitions
        Rows of each partition.
    engine
        Who works on them.
    store
        Holds finished partitions of this very run, and is given those that are finished now.

    Yields
    ------
    tuple
        Number of the partition and its columns (:func:`score_partition`), in any order, each number once.
    """
    numbers = []
    for number in range(len(partitions)):
        kept = None if store is None else store.get(number)
        if kept is None:
            numbers.append(number)
        else:
            yield number, kept
    frames = (candidates.iloc[partitions[number]] for number in numbers)
    with closing(engine.run(score_partition, frames, job)) as parts:
        for place, columns in parts:
            if store is not None:
                store.put(numbers[place], columns)
            yield numbers[place], columns


def placed_by(candidates: gpd.GeoDataFrame, columns: Columns, job: ScoringJob) -> gpd.GeoDataFrame:
    """Return the candidates with ``unit_id``, ``zone_id`` and ``district``, empty where they lie in none."""
    districts = job.city_layers.frame("districts")
    return candidates.assign(
        unit_id=_picked(job.units["unit_id"], columns["unit"]), zone_id=_picked(job.units["zone_id"], columns["unit"]),
        district=_picked(districts["name"], columns["district"]))


def _picked(values: pd.Series[str], rows: NDArray[np.int32]) -> NDArray[np.object_]:
    # The last entry is what -1 points at.
    return np.array([*values, ""], dtype=object)[rows]


def scores_of(columns: Columns, job: ScoringJob, class_id: str) -> SiteScores:
    """Return the scores of a class from columns as :func:`score_partition` returns them, without ranks (all 0).

    The arrays are those of ``columns``, not copies.
    """
    pack, site_class = job.pack, job.pack.site_class(class_id)
    rules = pack.rules_for(class_id)
    own = {name: columns[f"{class_id}/{name}"] for name in ("permission", "measured", "shortfall", "raw", "score",
                                                            "coverage")}
    exclusions = ExclusionTable(rules=rules, measured=own["measured"], shortfall=own["shortfall"],
                                excludes=excludes_of(rules, dict(job.study.mitigations)))
    return SiteScores(
        site_class=site_class, criteria=pack.criteria_for(class_id),
        permissions=Permissions(table_of(pack, site_class.development_type), own["permission"]), exclusions=exclusions,
        raw=own["raw"], score=own["score"], rank=np.zeros(len(own["score"]), dtype=np.int64),
        data_coverage=own["coverage"])


def ranked(scores: SiteScores, parcel_ids: NDArray[np.object_]) -> SiteScores:
    """Return the scores of all candidates with their ranks."""
    return replace(scores, rank=rank_of(scores.score, scores.eligible, parcel_ids))
