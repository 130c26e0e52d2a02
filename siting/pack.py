"""The nouns of a city pack: zones, units, permissions, rules, criteria, targets and named places."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from gis.bilingual import Text
from layers.types import LayerSpec
from siting.citation import Citation, Document
from siting.network_settings import NetworkSettings
from siting.plan_settings import BlockSettings, CapacitySettings, EdgeSettings, HostKind, Strictness

Permission = Literal["favoured", "allowed", "controlled", "closed"]
"""What policy says of a kind of data centre in a zone, best first."""

Objective = Literal["MIN", "MAX"]
"""Whether less or more of a criterion is better."""

CandidateKind = Literal["parcels", "grid", "blocks", "districts"]
"""What is scored: given parcels, metric cells of eligible land, the blocks between streets, or whole districts."""


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
    """Names under which the layers ``districts`` and ``zones`` may hold it: a district's, its city's or province's."""

    published_area_km2: float | None = None
    """Area that its administration states."""

    land_price_level: int | None = None
    """Ordinal level, 1 low to 5 high; assumed."""

    renewable_level: int | None = None
    """Ordinal level of renewable supply, 1 poor to 5 rich; assumed."""

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
class CityPack:
    """Everything that the code knows of one city."""

    city: str
    """Key: the name of its file."""
    title: Text
    metric_crs: str
    """Projected CRS in metres: of a city its CGCS2000 3-degree Gauss-Krueger belt ("EPSG:4547")."""
    adcode: str = ""
    """Administrative code (six digits) of the city, the province or the whole country; empty outside China."""
    standard_rack_kw: float
    """kW of one standard rack."""
    candidates: CandidateKind = "parcels"
    """What a run scores unless the study says otherwise."""
    default_classes: tuple[str, ...]
    """Classes that a run scores unless asked otherwise."""
    grid_size_m: float
    """Side of a grid cell where candidates are a grid."""
    blocks: BlockSettings = field(default_factory=BlockSettings)
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
    edge: EdgeSettings | None = None
    """None where the plan is too coarse to place single edge centres."""
    capacity: CapacitySettings | None = None
    """None where the plan wants no quantity built."""
    network: NetworkSettings | None = None
    """None where the plan shares no work out to other places."""
    layer_specs: tuple[LayerSpec, ...]
    notes: tuple[Text, ...] = ()
    """Limits of the plan's text that a reader must know."""
    sha256: str = ""
    """Hash of the files that the pack was read from."""

    @property
    def host_kinds(self) -> tuple[HostKind, ...]:
        """Kinds of place that may house an edge centre."""
        return self.edge.host_kinds if self.edge else ()

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
