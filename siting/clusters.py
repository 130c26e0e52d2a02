"""Where the clusters of each hub region may stand: the best eligible candidates, never more than the plan allows.

A cluster is one candidate with what touches it: two districts side by side would be one cluster and not two. Beside
the best stands the runner-up, and whether draws of the weights and of the measured values part the two.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import geopandas as gpd
import numpy as np
import pandas as pd
import shapely
from numpy.typing import NDArray

from gis.bilingual import Language, Text
from gis.crs import WGS84
from layers.types import CityLayers
from siting.known_errors import known_errors
from siting.network_settings import ComputeHub, HubRegion
from siting.pack import CityPack
from siting.robustness import Draws, perturbed_weights, rank_robustness
from siting.scoring import normalised_at
from siting.trust_draws import WEIGHT_SHARE
from siting.types import SiteScores

Integers = NDArray[np.int64]

N_DRAWS = 200
SEED = 20260101

TABLE_COLUMNS = ("region_id", "max_clusters", "site_class", "region_rank", "is_chosen", "parcel_id", "name", "unit_id",
                 "score", "rank", "region_rank_low", "region_rank_high", "is_separated", "certainty")


@dataclass(frozen=True, slots=True, kw_only=True)
class ClusterSite:
    """A candidate for a cluster of a region."""

    row: int
    """Row of ``StudyResult.candidates``."""
    parcel_id: str
    name: Text
    """Its own name and, in brackets, that of its unit."""
    unit_id: str
    score: float
    rank: int
    """Among all candidates of the class."""
    region_rank: int
    """Among those of its region that touch none before it: 1 for the best."""
    rank_low: int
    """Rank among the eligible candidates of its region, at best and at worst, in nine draws of ten."""
    rank_high: int


@dataclass(frozen=True, slots=True, kw_only=True)
class NamedHub:
    """Where a hub that the pack names stands on the list of its region: what the choice is held against."""

    title: Text
    place: Text
    """The candidate that holds its point."""
    region_rank: int
    """Among the eligible candidates of the region, neighbours counted; 0 where it is not among them."""
    is_met: bool
    """A chosen cluster is that candidate or touches it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RegionShortlist:
    """The clusters of one region."""

    region: HubRegion
    chosen: tuple[ClusterSite, ...]
    """The best first; at most ``region.max_clusters``."""
    runner_up: ClusterSite | None
    """Who would follow; None where nobody is left."""
    n_eligible: int
    """Eligible candidates of the region."""
    named_hubs: tuple[NamedHub, ...]
    """Of the region, in the order of the pack."""

    @property
    def sites(self) -> tuple[ClusterSite, ...]:
        """The chosen ones and the runner-up."""
        return (*self.chosen, *([] if self.runner_up is None else [self.runner_up]))

    @property
    def is_separated(self) -> bool | None:
        """Tell whether all chosen stay before the runner-up in nine draws of ten; None without a runner-up."""
        if self.runner_up is None or not self.chosen:
            return None
        return max(site.rank_high for site in self.chosen) < self.runner_up.rank_low


@dataclass(frozen=True, eq=False, slots=True, kw_only=True)
class ClusterPlan:
    """The clusters of every region, for one class."""

    class_id: str
    regions: tuple[RegionShortlist, ...]
    """In the order of the pack."""
    n_draws: int
    facts: tuple[Text, ...]

    def table(self, candidates: gpd.GeoDataFrame, *, language: Language = "zh") -> pd.DataFrame:
        """Tabulate chosen sites and runners-up (``TABLE_COLUMNS``)."""
        rows = [{
            "region_id": found.region.region_id, "max_clusters": found.region.max_clusters,
            "site_class": self.class_id, "region_rank": site.region_rank, "is_chosen": site in found.chosen,
            "parcel_id": site.parcel_id, "name": site.name.to(language), "unit_id": site.unit_id,
            "score": round(site.score, 6), "rank": site.rank, "region_rank_low": site.rank_low,
            "region_rank_high": site.rank_high, "is_separated": found.is_separated,
            "certainty": str(candidates["certainty"].iloc[site.row]),
        } for found in self.regions for site in found.sites]
        return pd.DataFrame(rows, columns=list(TABLE_COLUMNS))


def plan_clusters(candidates: gpd.GeoDataFrame, scores: Sequence[SiteScores], city_layers: CityLayers, pack: CityPack,
                  *, n_draws: int = N_DRAWS, seed: int = SEED) -> ClusterPlan | None:
    """Choose the clusters of every hub region of the pack.

    Parameters
    ----------
    candidates, scores
        Of a run, row by row; the class of the largest centres counts, since clusters are of their kind.
    city_layers
        Whose known position errors are drawn.
    pack
        Its network names the regions.
    n_draws, seed
        Draws of weights and values; the same seed gives the same answer.

    Returns
    -------
    None where no region has units of the pack, or no class of the kind of its largest was scored.
    """
    largest = max(pack.site_classes, key=lambda c: c.min_standard_racks)
    own = max((s for s in scores if s.site_class.development_type == largest.development_type), default=None,
              key=lambda s: s.site_class.min_standard_racks)
    # A region without units lies elsewhere: it is there for the hubs that work may go to.
    regions_here = tuple(r for r in pack.network.regions if r.unit_ids) if pack.network is not None else ()
    if pack.network is None or not regions_here or own is None:
        return None
    spread = known_errors(city_layers, pack, own.criteria).spread
    weights = perturbed_weights(np.array([c.weight for c in own.criteria]), WEIGHT_SHARE, n_draws, seed)
    draws = Draws(weights=weights, spread=spread, strict=np.zeros(n_draws, dtype=np.uint64), seed=seed)
    scene = _Scene(candidates, own, draws, {unit.unit_id: unit.title for unit in pack.units}, pack.network.hubs)
    regions = tuple(_shortlist(region, scene) for region in regions_here)
    return ClusterPlan(class_id=own.site_class.class_id, regions=regions, n_draws=n_draws,
                       facts=tuple(_told(found) for found in regions))


@dataclass(frozen=True, eq=False, slots=True)
class _Scene:
    """What every region is chosen from."""

    candidates: gpd.GeoDataFrame
    scores: SiteScores
    draws: Draws
    titles: Mapping[str, Text]
    """Of the units."""
    hubs: tuple[ComputeHub, ...]

    def name(self, row: int) -> Text:
        """Return what a reader calls a candidate: its own name and, in brackets, that of its unit."""
        own = self.candidates.iloc[row]
        has_name = "name" in self.candidates.columns and not pd.isna(own["name"])
        name, unit = str(own["name"] if has_name else own["parcel_id"]), self.titles.get(str(own["unit_id"]))
        if unit is None:
            return Text(zh=name, en=name)
        # A municipality is its own unit, and is not said twice.
        return Text(zh=name if name == unit.zh else f"{name}（{unit.zh}）", en=f"{name} ({unit.en})")


def _shortlist(region: HubRegion, scene: _Scene) -> RegionShortlist:
    candidates, scores = scene.candidates, scene.scores
    is_inside = candidates["unit_id"].isin(region.unit_ids).to_numpy() & (scores.rank > 0)
    rows = np.flatnonzero(is_inside)
    rows = rows[np.argsort(scores.rank[rows], kind="stable")]
    if not len(rows):
        return RegionShortlist(region=region, chosen=(), runner_up=None, n_eligible=0,
                               named_hubs=_named_hubs(region, scene, rows, ()))
    units = candidates["unit_id"].to_numpy(dtype=object)[rows] if region.one_per_unit else None
    taken = apart(np.asarray(candidates.geometry.array, dtype=object)[rows], region.max_clusters + 1, units)
    drawn = rank_robustness(normalised_at(scores, rows), np.zeros(len(rows), dtype=np.uint64), scene.draws)
    sites = tuple(_site(scene, int(rows[place]), number, (int(drawn.rank_low[place]), int(drawn.rank_high[place])))
                  for number, place in enumerate(taken.tolist(), start=1))
    chosen, rest = sites[:region.max_clusters], sites[region.max_clusters:]
    return RegionShortlist(region=region, chosen=chosen, runner_up=rest[0] if rest else None, n_eligible=len(rows),
                           named_hubs=_named_hubs(region, scene, rows, chosen))


def _named_hubs(region: HubRegion, scene: _Scene, rows: Integers,
                chosen: Sequence[ClusterSite]) -> tuple[NamedHub, ...]:
    own = [hub for hub in scene.hubs if hub.region_id == region.region_id]
    points = gpd.GeoSeries.from_xy([h.lon for h in own], [h.lat for h in own], crs=WGS84).to_crs(scene.candidates.crs)
    shapes = np.asarray(scene.candidates.geometry.array, dtype=object)
    found = []
    for hub, point in zip(own, points, strict=True):
        holding = np.flatnonzero(shapely.intersects(shapes, point))
        if not len(holding):
            continue
        row = int(holding[0])
        at = np.flatnonzero(rows == row)
        is_met = any(bool(shapely.intersects(shapes[site.row], shapes[row])) for site in chosen)
        found.append(NamedHub(title=hub.title, place=scene.name(row), region_rank=int(at[0]) + 1 if len(at) else 0,
                              is_met=is_met))
    return tuple(found)


def apart(shapes: NDArray[np.object_], most: int, groups: NDArray[np.object_] | None = None) -> Integers:
    """Return the places of the first shapes that touch none before them, at most so many.

    Parameters
    ----------
    shapes
        Polygons, the best first; shape (n,).
    most
        How many are wanted.
    groups
        Of which only one member may be taken, shape (n,); None where that does not matter.
    """
    found: list[int] = []
    is_free = np.ones(len(shapes), dtype=np.bool_)
    while len(found) < most and is_free.any():
        best = int(np.argmax(is_free))
        found.append(best)
        # Its own place is not free any more, nor is that of its neighbours.
        is_free[is_free] = ~shapely.intersects(shapes[is_free], shapes[best])
        is_free[best] = False
        if groups is not None:
            is_free &= groups != groups[best]
    return np.array(found, dtype=np.int64)


def _site(scene: _Scene, row: int, number: int, interval: tuple[int, int]) -> ClusterSite:
    own = scene.candidates.iloc[row]
    return ClusterSite(row=row, parcel_id=str(own["parcel_id"]), name=scene.name(row), unit_id=str(own["unit_id"]),
                       score=float(scene.scores.score[row]), rank=int(scene.scores.rank[row]), region_rank=number,
                       rank_low=interval[0], rank_high=interval[1])


def _told(found: RegionShortlist) -> Text:
    title, n = found.region.title, found.region.max_clusters
    if not found.chosen:
        return Text(zh=f"{title.zh}：没有合格的候选，未列集群。",
                    en=f"{title.en}: no candidate is eligible, no cluster listed.")
    names = [site.name for site in found.chosen]
    zh = f"{title.zh}（至多 {n} 个集群）：{'、'.join(name.zh for name in names)}"
    en = f"{title.en} (at most {n} cluster{'s' if n > 1 else ''}): {', '.join(name.en for name in names)}"
    if found.runner_up is None:
        return Text(zh=zh + "；没有候补。", en=en + "; nobody is left to follow.")
    if found.is_separated:
        return Text(zh=f"{zh}；候补{found.runner_up.name.zh}的名次区间在其后。",
                    en=f"{en}; the rank interval of the runner-up {found.runner_up.name.en} lies behind.")
    return Text(zh=f"{zh}；与候补{found.runner_up.name.zh}的名次区间重叠，不可区分，应按评分之外的理由选择。",
                en=f"{en}; not separable from the runner-up {found.runner_up.name.en}: choose on grounds beyond the "
                   "score.")
