"""The nouns of a study: what is asked, and what came of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

import geopandas as gpd
import numpy as np
import pandas as pd
from numpy.typing import NDArray

from gis.bilingual import Text
from layers.types import CityLayers, LayerSpec
from siting.pack import CandidateKind, CityPack, Criterion, ExclusionRule, SiteClass, ZonePermission
from siting.plan_settings import BlockSettings, CapacityReading, ZoneQuota

if TYPE_CHECKING:
    from siting.census import Census
    from siting.clusters import ClusterPlan
    from siting.estate import EstatePlan
    from siting.site_layout import SiteLayout
    from siting.trust import Trust
    from siting.weighting import WeightChoice

@dataclass(frozen=True, slots=True, kw_only=True)
class ExpertJudgements:
    """What one expert says of pairs of criteria."""

    expert: str
    """Name under which the study lists them."""
    pairs: tuple[tuple[str, str, float], ...]
    """Criterion a, criterion b, and how many times more a matters than b (1/9 to 9)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Weighting:
    """How the study finds the weights of a class."""

    class_id: str
    method: Literal["ahp", "best_worst", "entropy", "critic", "mix"]
    experts: tuple[ExpertJudgements, ...] = ()
    """Pairwise judgements (ahp)."""
    best: str = ""
    """Criterion that matters most (best_worst)."""
    worst: str = ""
    """Criterion that matters least."""
    best_over: tuple[tuple[str, float], ...] = ()
    """How many times the best matters more than each criterion."""
    over_worst: tuple[tuple[str, float], ...] = ()
    """How many times each criterion matters more than the worst."""
    shares: tuple[tuple[str, float], ...] = ()
    """Of a mix: "pack" or a method, and its share."""
    strict: bool = False
    """Judgements that contradict one another stop the run; else they are reported."""
    reason: str = ""
    """Why these weights, in the planner's words."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Study:
    """What a run is asked."""

    name: str
    """Names the output folder."""
    city: str
    """Key of the pack, or path of its TOML file."""
    candidates: CandidateKind = "parcels"
    grid_size_m: float | None = None
    """Side of a grid cell; None for the pack's."""
    blocks: BlockSettings = field(default_factory=BlockSettings)
    """How streets part land where candidates are blocks."""
    classes: tuple[str, ...] = ()
    """Classes to score; empty for the pack's default."""
    n_top: int = 20
    """Length of the list of top candidates per class."""
    n_parcels: int = 4000
    """Size of the synthetic parcel layer, where it is used."""
    seed: int = 20260101
    """Seed of synthetic layers."""
    layer_specs: tuple[LayerSpec, ...] = ()
    """The study's own layers; each name replaces the pack's."""
    omitted_layers: tuple[str, ...] = ()
    """Layers of the pack that the study does not want."""
    weights: tuple[tuple[str, str, float], ...] = ()
    """Own weights: class, criterion, weight."""
    weighting: tuple[Weighting, ...] = ()
    """Weights from judgements or from the data, by class."""
    mitigations: tuple[tuple[str, str], ...] = ()
    """Rules of strictness ``shall`` that count as ``should``: rule id and the measure taken."""
    n_facilities: int | None = None
    """Edge centres to place; None for the pack's."""
    service_radius_m: float | None = None
    """Reach of an edge centre; None for the pack's."""
    edge_spacing_m: float | None = None
    """Least distance between edge centres; None for the pack's."""
    edge_quotas: tuple[ZoneQuota, ...] | None = None
    """Edge centres by zone; None for the pack's."""
    backup_demand: tuple[str, ...] = ()
    """Ids of demand points that two centres must reach."""
    edge_distance: Literal["straight", "roads", "fibre_routes"] = "straight"
    """How reach is measured: the straight line, or the shortest way along a layer."""
    date: str = ""
    """Date at which deadlines are judged (ISO); empty for the day of the run."""
    capacity_years: tuple[tuple[int, float], ...] = ()
    """Years, and the share of the target that must stand by each."""
    path: str = ""
    """File that it was read from."""
    sha256: str = ""
    """Hash of that file."""


@dataclass(frozen=True, eq=False, kw_only=True)
class ExclusionTable:
    """All candidates against all rules of one class."""

    rules: tuple[ExclusionRule, ...]
    """Columns."""
    measured: NDArray[np.float64]
    """Candidates x rules, in each rule's unit; NaN where the layer is missing."""
    shortfall: NDArray[np.float64]
    """Candidates x rules, 0 (kept) to 1 (wholly broken); NaN where not measured."""
    excludes: NDArray[np.bool_]
    """Per rule: it excludes (strictness shall, not mitigated)."""

    @property
    def untested(self) -> tuple[ExclusionRule, ...]:
        """Rules that no candidate could be tested for."""
        return tuple(r for r, column in zip(self.rules, self.shortfall.T, strict=True) if np.isnan(column).all())

    @property
    def broken(self) -> NDArray[np.bool_]:
        """Candidates x rules: the rule is not kept."""
        # NaN, what was not measured, is not above 0.
        return np.asarray(self.shortfall > 0.0, dtype=np.bool_)

    @property
    def eligible(self) -> NDArray[np.bool_]:
        """Per candidate: no excluding rule is broken."""
        return np.asarray(~(self.broken & self.excludes).any(axis=1), dtype=np.bool_)


@dataclass(frozen=True, eq=False, kw_only=True)
class SiteScores:
    """All candidates scored for one class; rows are in the order of ``StudyResult.candidates``."""

    site_class: SiteClass
    criteria: tuple[Criterion, ...]
    """Columns of the matrices."""
    permissions: Sequence[ZonePermission | None]
    """Per candidate; None where it lies in no zone. A run gives ``siting.permissions.Permissions``."""
    exclusions: ExclusionTable
    raw: NDArray[np.float64]
    """Candidates x criteria, in the criterion's unit; NaN where not measured."""
    score: NDArray[np.float64]
    """Per candidate, 0 to 1; excluded candidates too (what they would score)."""
    rank: NDArray[np.int64]
    """1 for the best eligible candidate; 0 for an excluded one."""
    data_coverage: NDArray[np.float64]
    """Share of weight that was measured."""

    @property
    def eligible(self) -> NDArray[np.bool_]:
        """Per candidate: no excluding rule is broken."""
        return self.exclusions.eligible


@dataclass(frozen=True, eq=False, kw_only=True)
class EdgePlan:
    """Edge centres chosen among hosts."""

    edge_centres: gpd.GeoDataFrame
    """edge_centre_id, host_id, host_kind, name, zone_id, unit_id, demand_covered, n_demand_covered, it_load_kw,
    load_mva, feed_a_id, feed_a_distance_m, feed_a_voltage_kv, feed_b_id, feed_b_distance_m, feed_b_voltage_kv,
    power_limit (what gives way first), fibre_diversity (disjoint, shared, one_only, unreached; None where fibre is not
    known), fibre_shared_m, stability (share of draws in which it stays), runner_up_id, runner_up_name,
    runner_up_loss (share of demand lost with it instead), certainty, geometry (point)."""
    feed_lines: gpd.GeoDataFrame
    """edge_centre_id, feed ("A" or "B"), substation_id, voltage_kv, distance_m, certainty, geometry (line)."""
    coverage: gpd.GeoDataFrame
    """edge_centre_id, service_radius_m, geometry (circle cut to the study area)."""
    demand: gpd.GeoDataFrame
    """demand_id, name, demand, covered, edge_centre_id (nearest that covers it), distance_m, geometry (point)."""
    n_hosts: int
    n_facilities: int
    service_radius_m: float
    demand_total: float
    demand_covered: float
    solver_status: str
    optimality_gap: float
    curve: pd.DataFrame
    """n_facilities, demand_covered, share, gain (of the last one added), optimality_gap, host_ids (joined by a
    space): the best plan for every number of centres."""
    distance_kind: str = "straight"
    """"straight", or the layer along which reach was measured."""
    facts: tuple[Text, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Bottleneck:
    """What keeps a capacity plan from being better."""

    title: Text
    """The constraint, in a planner's words."""
    it_load_mw: float
    """MW of IT that taking it away would add."""
    score: float
    """What it would add to the mean score of the MW placed."""


@dataclass(frozen=True, eq=False, kw_only=True)
class CapacityPlan:
    """Capacity laid out over parcels, under land, power and policy."""

    reading: CapacityReading
    sites: gpd.GeoDataFrame
    """capacity_site_id, parcel_id, unit_id, zone_id, rack_count, it_load_mw, facility_load_mw, load_mva, score,
    area_m2, permission, n_substations, connection_km (sum over its substations), year, certainty, geometry."""
    feeds: gpd.GeoDataFrame
    """capacity_site_id, substation_id, voltage_kv, load_mva, distance_m, certainty, geometry (line)."""
    by_unit: pd.DataFrame
    """unit_id, zone_id, n_sites, rack_count, it_load_mw, share, known_share (NaN where none is published)."""
    by_substation: pd.DataFrame
    """substation_id, name, voltage_kv, headroom_mva, headroom_assumed, load_mva."""
    target_mw: float
    existing_mw: float
    """Part of the target that stands already."""
    it_load_mw: float
    facility_load_mw: float
    load_mva: float
    energy_gwh: float
    """Of a year, at the use rate and the PUE limit of the class."""
    water_m3: float
    renewable_gwh: float
    bottlenecks: tuple[Bottleneck, ...]
    substation_prices: tuple[tuple[str, float, float], ...]
    """Substations that are used up, dearest first: id, headroom in MVA, and MW of IT that one more MVA would add
    (0 where the target is met: then it would only move load to a better place)."""
    optimality_gap: float
    solver_status: str
    facts: tuple[Text, ...] = ()

    @property
    def shortfall_mw(self) -> float:
        """MW of the target that found no place."""
        return max(0.0, self.target_mw - self.existing_mw - self.it_load_mw)


@dataclass(frozen=True, eq=False, kw_only=True)
class NetworkPlan:
    """Which work may go to which hub, over links of which delay."""

    links: gpd.GeoDataFrame
    """link_id, origin_id, hub_id, hub_kind, distance_km (geodesic), distance_error_km (both ends), latency_low_ms,
    latency_ms, latency_high_ms (one way, on a good, a usual and a poor route), workloads (keys that the hub may take
    within the limit on the usual route, joined by a space), workloads_low (on a good route alone), workloads_assigned,
    renewable_level, certainty, geometry (geodesic line). In EPSG:4326: no metric CRS of a city holds such lengths. An
    origin at the very place of a hub has no link to it."""
    assignments: pd.DataFrame
    """origin_id, workload_id, hub_id, latency_ms, limit_ms (NaN for none), verdict ("fits" on every route,
    "fits_unless_poor_route", "fits_on_good_route", "too_far", "not_admitted"), is_firm (position errors cannot change
    how many routes keep the limit), is_level_firm (a judged renewable level off by one would not change this choice),
    choice (1 is the hub chosen, 0 for one that may not take it), is_chosen,
    reasons_zh, reasons_en: a row for every origin, kind of its work and hub. Work that no hub may take on a usual route
    has one more row, of verdict "stays" and without a hub, which is its chosen one."""
    facts: tuple[Text, ...] = ()


@dataclass(frozen=True, eq=False, kw_only=True)
class StudyResult:
    """What a run found."""

    study: Study
    pack: CityPack
    city_layers: CityLayers
    units: gpd.GeoDataFrame
    """unit_id, name_zh, name_en, zone_id, kind, area_km2, certainty, geometry: functional zones, then what is left of
    the districts."""
    candidates: gpd.GeoDataFrame
    """parcel_id, land_use, area_m2, compactness, unit_id, zone_id, district, certainty, geometry."""
    scores: tuple[SiteScores, ...]
    """One per class asked for."""
    census: tuple[Census, ...]
    """Per class, in the order of ``scores``: what summaries say of all candidates, also where ``candidates`` holds only
    the best of them."""
    edge_plan: EdgePlan | None
    """None where edge centres were not asked for."""
    capacity_plans: tuple[CapacityPlan, ...] = ()
    """One per reading of the target; empty where capacity was not asked for."""
    estate_plan: EstatePlan | None = None
    """None where no layer holds existing data centres."""
    three_in_one: gpd.GeoDataFrame | None = None
    """Substations that could hold storage and a data centre (``siting.three_in_one``); None where no clause asks."""
    site_layouts: tuple[tuple[str, SiteLayout], ...] = ()
    """Parcel id and campus of the best campuses of the first capacity layout."""
    network_plan: NetworkPlan | None = None
    """None where the pack shares no work out to other places."""
    cluster_plan: ClusterPlan | None = None
    """None where the pack names no hub regions."""
    weight_choices: tuple[WeightChoice, ...] = ()
    """Per class: the weights used, how they were found, and the pack's beside them."""
    trust: Trust | None = None
    """How far to trust the recommendations; None where it was not assessed."""
    facts: tuple[Text, ...] = ()
    """What is reported and not scored (latency, climate), and what was not measured."""
    timings_s: Mapping[str, float]
    """Seconds by step."""

    def scores_for(self, class_id: str) -> SiteScores:
        """Return the scores of a class."""
        return next(s for s in self.scores if s.site_class.class_id == class_id)

    def census_for(self, class_id: str) -> Census:
        """Return the census of a class."""
        return next(c for c in self.census if c.class_id == class_id)
