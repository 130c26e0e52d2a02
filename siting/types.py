"""The nouns of siting: a city pack and its rules, a study, and what came of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import geopandas as gpd
import numpy as np
import pandas as pd
from numpy.typing import NDArray

from gis.bilingual import Text
from layers.types import CityLayers, LayerSpec

if TYPE_CHECKING:
    from siting.census import Census
    from siting.estate import EstatePlan
    from siting.site_layout import SiteLayout
    from siting.trust import Trust
    from siting.weighting import WeightChoice

Permission = Literal["favoured", "allowed", "controlled", "closed"]
"""What policy says of a kind of data centre in a zone, best first."""

Strictness = Literal["shall", "should"]
"""``shall`` excludes unless the study states a mitigation; ``should`` is a graded penalty."""

Objective = Literal["MIN", "MAX"]
"""Whether less or more of a criterion is better."""

CandidateKind = Literal["parcels", "grid", "blocks"]
"""What is scored: given parcels, metric cells of eligible land, or the blocks between streets."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Document:
    """A document that rules cite."""

    document_id: str
    """Short key used in citations ("000", "GB50174-2017")."""

    title: Text
    """Its full title."""

    status: Text
    """Draft or in force, and what to check before citing it as law."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Citation:
    """The place in a document on which a rule rests."""

    document: str
    """Key of the document."""

    heading: str
    """Heading or clause inside it."""

    quote: str = ""
    """The sentence itself, Chinese; empty only where the rule is assumed."""

    ids: tuple[str, ...] = ()
    """Ids of the rule in the project's list of facts ("Z-10")."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PolicyZone:
    """A zone of the city's plan; several units belong to it."""

    zone_id: str
    """Key."""

    title: Text
    """Name."""

    role: Text
    """What the plan wants there."""

    citation: Citation
    """The clause."""

    colour: str = "#888888"
    """Fill on maps."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Unit:
    """A functional zone or a district; functional zones come before districts."""

    unit_id: str
    """Key; for a functional zone, the ``unit_id`` of its outline in the layer ``zones``."""

    title: Text
    """Name."""

    zone_id: str
    """Policy zone that it belongs to."""

    kind: Literal["functional_zone", "district"]
    """Functional zones are outlines that cut districts."""

    names: tuple[str, ...] = ()
    """Names under which the layers ``districts`` and ``zones`` may hold it."""

    published_area_km2: float | None = None
    """Area that its administration states."""

    land_price_level: int | None = None
    """Ordinal level, 1 low to 5 high; assumed."""

    citation: Citation
    """The clause that puts it in its zone."""

    assumed: tuple[str, ...] = ()
    """Names of the fields above that nobody published."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DevelopmentType:
    """A kind of data centre that the permission matrix tells apart."""

    type_id: str
    """Key: large_compute, storage_telco, storage_third_party, small_medium, edge, enterprise_legacy."""

    title: Text
    """Name."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ZonePermission:
    """What policy says of one development type in one zone."""

    zone_id: str
    """Zone."""

    development_type: str
    """Type."""

    permission: Permission
    """Verdict."""

    condition: Text | None = None
    """Under what condition."""

    citation: Citation
    """The clause."""

    assumed: bool = False
    """Nobody published it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SiteClass:
    """A size class of data centre that a run can score."""

    class_id: str
    """Key: hyperscale, large, small_medium, edge."""

    title: Text
    """Name."""

    development_type: str
    """Row of the permission matrix that applies."""

    min_standard_racks: float
    """Lower bound of the class, standard racks."""

    max_standard_racks: float | None = None
    """Upper bound (exclusive), standard racks; None for no bound."""

    it_load_kw: float
    """IT load of the reference project of the class."""

    rack_density_kw: float
    """kW of one physical rack of the reference project."""

    pue_max: float
    """Limit for new building."""

    supply_voltage_kv: float
    """Highest voltage that a substation must have to feed the class."""

    feed_radius_m: float
    """How far from a substation a feed may start."""

    min_plot_m2: float
    """Smallest plot of the class."""

    gb50174_class: Literal["A", "B", "C"]
    """Column of GB 50174-2017 annex A that applies."""

    citation: Citation
    """The clause that defines the class."""

    pue_citation: Citation
    """The clause of the PUE limit."""

    assumed: tuple[str, ...] = ()
    """Names of the fields above that nobody published."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ExclusionRule:
    """A test that every candidate passes or fails."""

    rule_id: str
    """Key ("GB-A-railway")."""

    title: Text
    """What a reader calls it."""

    test: str
    """Key of ``siting.exclusions.TESTS``: setback, overlap, corridor, raster_above, raster_codes, slope_above,
    land_use, min_area, permission."""

    layer: str = ""
    """Layer that the test looks at."""

    where_column: str = ""
    """Only features whose column ..."""

    where_values: tuple[str, ...] = ()
    """... holds one of these values (for land_use: the uses that fail)."""

    site_classes: tuple[str, ...] = ()
    """Classes it applies to; empty for all."""

    gb50174_classes: tuple[Literal["A", "B", "C"], ...] = ()
    """Grades of GB 50174-2017 it applies to; empty for all."""

    strictness: Strictness
    """Exclude, or penalise by degree."""

    limit: float = 0.0
    """Required distance (setback), share of the parcel allowed (overlap, raster_above), or area (min_area)."""

    threshold: float = 0.0
    """Value of the raster above which a cell counts (raster_above)."""

    length_m: float = 0.0
    """How far a corridor runs beyond the runway's end (corridor)."""

    half_width_m: float = 0.0
    """Half the width of a corridor (corridor)."""

    unit: str = "m"
    """Unit of ``limit`` and of the measured value."""

    citation: Citation
    """The clause."""

    assumed: bool = False
    """The value is nobody's published one."""

    note: Text | None = None
    """How a contradiction was resolved, how far to trust it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Criterion:
    """A measured quantity of a candidate, with fixed anchors."""

    criterion_id: str
    """Key of ``siting.criteria.MEASURES``; ends in its unit where it has one."""

    site_class: str
    """Class that it is for."""

    weight: float
    """Share of the score; the weights of a class sum to 1."""

    worst: float
    """Raw value that scores 0."""

    best: float
    """Raw value that scores 1."""

    unit: str
    """Unit of the raw value."""

    objective: Objective
    """Whether less or more is better; agrees with worst and best."""

    radius_m: float = 0.0
    """Reach of criteria that count or decay."""

    citation: Citation
    """Why it counts."""

    assumed: bool = False
    """Anchors or weight are a judgement."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """A quantity that the plan wants."""

    target_id: str
    title: Text
    value: float
    unit: str
    year: int | None = None
    zone_id: str = ""
    citation: Citation
    note: Text | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RetrofitRule:
    """What must become of existing data centres."""

    rule_id: str
    title: Text
    zone_ids: tuple[str, ...] = ()
    """Zones it applies to; empty for the whole city."""
    kinds: tuple[str, ...] = ()
    """Kinds of data centre it applies to; empty for all."""
    pue_above: float | None = None
    """Applies where PUE is above this (or equal, see ``pue_at_least``)."""
    pue_at_least: float | None = None
    racks_below: float | None = None
    racks_above: float | None = None
    action: Literal["retrofit", "close", "migrate", "merge", "convert_to_edge", "assess", "audit", "list"]
    pue_target: float | None = None
    deadline: str = ""
    """ISO date."""
    rack_unit: Literal["physical", "standard"] = "physical"
    """What ``racks_below`` and ``racks_above`` count."""
    servers_above: float | None = None
    """Applies above so many servers; with ``energy_tce_above``, either is enough."""
    energy_tce_above: float | None = None
    """Applies above so much energy a year, tonnes of coal equivalent."""
    place_ids: tuple[str, ...] = ()
    """Data centres that the clause names: it is about them alone, and states a PUE beyond its limit for them."""
    after_deadline: bool = False
    """Applies only once the deadline has passed."""
    is_voluntary: bool = False
    """The clause supports or encourages, and forces nobody."""
    is_standard: bool = False
    """The clause says what a retrofit must reach, and not who must retrofit."""
    citation: Citation
    note: Text | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class NamedPlace:
    """A facility, park, hub or anchor that the plan names, at a point of stated error."""

    place_id: str
    title: Text
    kind: Literal["data_centre", "demand", "park", "hub", "zone", "substation", "converter", "power_plant"]
    lon: float | None = None
    """WGS84; None where the place is unknown."""
    lat: float | None = None
    error_radius_km: float | None = None
    confidence: Literal["high", "medium", "low", "very_low", "unknown"]
    unit_id: str = ""
    """Unit that the plan puts it in."""
    demand: float | None = None
    """Weight as an anchor of edge demand."""
    demand_basis: str = ""
    """Where the weight comes from."""
    racks: float | None = None
    """Physical racks by design, where published."""
    source: str
    """Where the position comes from."""
    citation: Citation | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class HostKind:
    """A kind of place that can house an edge centre."""

    layer: str
    """Layer that holds the hosts."""
    preference: float
    """How much it is preferred among equals, 0 to 1."""
    max_voltage_kv: float | None = None
    """Substations above this voltage do not host."""
    min_voltage_kv: float | None = None
    """Substations below this voltage do not host."""
    citation: Citation
    assumed: bool = False

    def admits(self, frame: gpd.GeoDataFrame) -> NDArray[np.bool_]:
        """Tell which features of the layer may host: those of a fitting voltage, where the layer has voltages."""
        if "voltage_kv" not in frame.columns:
            return np.ones(len(frame), dtype=np.bool_)
        voltage = frame["voltage_kv"].to_numpy(dtype=np.float64)
        lowest = -np.inf if self.min_voltage_kv is None else self.min_voltage_kv
        highest = np.inf if self.max_voltage_kv is None else self.max_voltage_kv
        return np.asarray((voltage >= lowest) & (voltage <= highest), dtype=np.bool_)


@dataclass(frozen=True, slots=True, kw_only=True)
class ZoneQuota:
    """How many edge centres a zone must or may have."""

    zone_id: str
    min_sites: int = 0
    max_sites: int | None = None
    """None for no limit."""
    citation: Citation | None = None
    """None where the study says so."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HostSetback:
    """How far a host must be from features of a layer (noise, magnetic field)."""

    layer: str
    distance_m: float
    title: Text
    """Why."""
    strictness: Strictness = "shall"
    """``shall`` leaves the host out, ``should`` makes it second choice."""
    citation: Citation
    assumed: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class EdgeSettings:
    """How edge centres are placed."""

    n_facilities: int
    service_radius_m: float
    """Reach of one edge centre."""
    feed_radius_m: float
    """A host needs a substation with room for it within this distance; a second one counts in its favour."""
    spacing_m: float = 0.0
    """Two chosen hosts lie at least this far apart."""
    quotas: tuple[ZoneQuota, ...] = ()
    setbacks: tuple[HostSetback, ...] = ()
    three_in_one: Citation | None = None
    """Clause that wants substations with storage and a data centre; None where the plan has none."""
    min_host_area_m2: float = 0.0
    """Smallest host drawn as an outline; a host that is a point has no known area."""
    it_load_kw: float
    """Largest IT load of one edge centre."""
    host_kinds: tuple[HostKind, ...]
    citation: Citation
    assumed: tuple[str, ...] = ()
    """Names of the fields above that nobody published."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CapacityReading:
    """One way to read what the plan wants built."""

    reading_id: str
    """Key."""
    title: Text
    """What a reader calls it."""
    target_id: str
    """Target of the pack that it reads."""
    rack_count: float
    """Racks wanted."""
    rack_kw: float
    """IT power of one of them."""
    use_rate: float
    """Share of the design power that is drawn over a year."""
    citation: Citation
    """The clause."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CapacityLimit:
    """What share of the capacity a zone may or must take."""

    zone_id: str
    min_share: float = 0.0
    max_share: float = 1.0
    citation: Citation
    assumed: bool = False
    """The plan gives the direction, not the figure."""


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownShare:
    """What share of the racks a unit has today, for comparison."""

    unit_id: str
    share: float
    citation: Citation


@dataclass(frozen=True, slots=True, kw_only=True)
class CapacitySettings:
    """How capacity is laid out over parcels and zones."""

    site_class: str
    """Class whose scores and exclusions apply."""
    readings: tuple[CapacityReading, ...]
    """Ways to read the target; the first is the default."""
    limits: tuple[CapacityLimit, ...] = ()
    known_shares: tuple[KnownShare, ...] = ()
    racks_per_ha: float
    """Racks that a hectare of plot holds."""
    racks_per_ha_max: float
    """The densest built; what more land would win is measured against it."""
    max_it_load_kw: float
    """Largest campus."""
    n_feeds: int = 2
    """The load must be fed whole with all substations but ``n_feeds - 1`` in service."""
    max_voltage_kv: float
    """Substations above this voltage feed no campus directly."""
    water_l_per_kwh: float
    """Water per kWh of IT energy."""
    renewable_share: float = 0.0
    """Share of the energy that must be renewable."""
    score_per_km: float
    """Score that a kilometre of connection costs."""
    citation: Citation
    assumed: tuple[str, ...] = ()
    """Names of the fields above that nobody published."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BlockSettings:
    """How streets part land into blocks; None for the pack's value, and there for the default."""

    min_area_m2: float | None = None
    """Smaller blocks are left out."""
    max_area_m2: float | None = None
    """Larger blocks are cut along a grid into pieces of about this area; 0 for no limit."""
    min_width_m: float | None = None
    """Blocks into which no disc of this diameter fits are left out."""
    dead_end_m: float | None = None
    """Streets that end nowhere and are shorter than this part nothing and take no land."""
    setback_m: tuple[tuple[str, float], ...] = ()
    """Per road class, the distance from the middle of the street to the block; others keep theirs."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CityPack:
    """Everything that the code knows of one city."""

    city: str
    """Key: the name of its file."""
    title: Text
    metric_crs: str
    """Projected CRS of the city in metres: its CGCS2000 3-degree Gauss-Krueger belt ("EPSG:4547")."""
    adcode: str = ""
    """Administrative code of the city (six digits); empty outside China."""
    standard_rack_kw: float
    """kW of one standard rack."""
    default_classes: tuple[str, ...]
    """Classes that a run scores unless asked otherwise."""
    grid_size_m: float
    """Side of a grid cell where candidates are a grid."""
    blocks: BlockSettings = BlockSettings()
    """How streets part land where candidates are blocks."""
    standards: tuple[str, ...] = ()
    """Shared rule files of ``siting/standards``."""
    documents: tuple[Document, ...]
    zones: tuple[PolicyZone, ...]
    units: tuple[Unit, ...]
    development_types: tuple[DevelopmentType, ...]
    permissions: tuple[ZonePermission, ...]
    site_classes: tuple[SiteClass, ...]
    rules: tuple[ExclusionRule, ...]
    criteria: tuple[Criterion, ...]
    targets: tuple[Target, ...] = ()
    retrofit_rules: tuple[RetrofitRule, ...] = ()
    places: tuple[NamedPlace, ...] = ()
    edge: EdgeSettings
    capacity: CapacitySettings | None = None
    """None where the plan wants no quantity built."""
    layer_specs: tuple[LayerSpec, ...]
    notes: tuple[Text, ...] = ()
    """Limits of the plan's text that a reader must know."""
    sha256: str = ""
    """Hash of the files that the pack was read from."""

    def site_class(self, class_id: str) -> SiteClass:
        """Return the class of that key."""
        return next(c for c in self.site_classes if c.class_id == class_id)

    def zone(self, zone_id: str) -> PolicyZone:
        """Return the zone of that key."""
        return next(z for z in self.zones if z.zone_id == zone_id)

    def criteria_for(self, class_id: str) -> tuple[Criterion, ...]:
        """Return the criteria of a class."""
        return tuple(c for c in self.criteria if c.site_class == class_id)

    def rules_for(self, class_id: str) -> tuple[ExclusionRule, ...]:
        """Return the exclusion rules of a class."""
        grade = self.site_class(class_id).gb50174_class
        return tuple(r for r in self.rules
                     if (not r.site_classes or class_id in r.site_classes)
                     and (not r.gb50174_classes or grade in r.gb50174_classes))

    def permission(self, zone_id: str, development_type: str) -> ZonePermission:
        """Return what policy says of a type in a zone."""
        return next(p for p in self.permissions
                    if p.zone_id == zone_id and p.development_type == development_type)


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
    blocks: BlockSettings = BlockSettings()
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
