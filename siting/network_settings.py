"""How a plan wants computing work shared out: kinds of work, the hubs that may take them, and where the work arises."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from gis.bilingual import Text
from siting.citation import Citation

Preference = Literal["renewable", "priority", "delay"]
"""What puts hubs in order: renewable supply, how far up a hub lists the work, or the delay."""

LOWEST_LEVEL, HIGHEST_LEVEL = 1, 5
"""Levels of renewable supply, poor to rich."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkloadClass:
    """A kind of computing work that latency and policy tell apart (real time, medium, offline)."""

    workload_id: str
    """Key."""
    title: Text
    """Name, short: it stands in every sentence."""
    examples: Text | None = None
    """Work of the kind."""
    max_latency_ms: float | None = None
    """Largest one-way delay that it bears; None for no limit."""
    preference: tuple[Preference, ...] = ("renewable", "priority", "delay")
    """What puts the hubs that may take it in order, the first first."""
    citation: Citation
    """The clause of the limit."""
    assumed: bool = False
    """Nobody published the limit."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ComputeHub:
    """A place whose data centres take work from elsewhere."""

    hub_id: str
    """Key."""
    title: Text
    """Name."""
    kind: Literal["cluster", "core_hub", "city_hub", "partner"]
    """Cluster of a national hub, provincial core, hub of a city, or a city that signed an agreement."""
    lon: float
    """WGS84."""
    lat: float
    error_radius_km: float
    """How far the point may be off."""
    region_id: str = ""
    """Hub region that it belongs to; empty for none."""
    renewable_level: int | None = None
    """Ordinal level of renewable supply, 1 poor to 5 rich; a judgement."""
    workloads: tuple[str, ...]
    """Kinds of work that the clause lets it take, those it is to take first at the head."""
    citation: Citation
    """The clause that makes it a hub."""
    workloads_citation: Citation | None = None
    """The clause on the work that it takes, where that is another one."""
    source: str
    """Where the position comes from."""
    assumed: tuple[str, ...] = ()
    """Names of the fields above that nobody published."""

    @property
    def clause(self) -> Citation:
        """Return the clause on the work that it takes."""
        return self.workloads_citation or self.citation


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkOrigin:
    """A place where computing work arises that it does not want to hold whole itself."""

    origin_id: str
    title: Text
    lon: float
    """WGS84."""
    lat: float
    error_radius_km: float
    citation: Citation
    """Why its work may go elsewhere."""
    workloads: tuple[str, ...] = ()
    """Kinds of work that arise there and may go elsewhere; empty for all."""
    source: str
    """Where the position comes from."""
    assumed: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class HubRegion:
    """A region with a hub of its own, and how many clusters it may have."""

    region_id: str
    title: Text
    unit_ids: tuple[str, ...]
    """Units of the pack that make it up; empty for a region elsewhere, which is named for its hubs alone."""
    max_clusters: int
    """Most clusters of data centres in it."""
    one_per_unit: bool = False
    """No two of its clusters stand in one unit."""
    citation: Citation
    assumed: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class NetworkSettings:
    """How work is shared out between places that are far apart."""

    route_factors: tuple[float, float, float]
    """Fibre route over straight line: of a good, a usual and a poor route."""
    n_hops: int = 0
    """Switches and routers on a link."""
    workloads: tuple[WorkloadClass, ...]
    """The most urgent first."""
    hubs: tuple[ComputeHub, ...]
    origins: tuple[WorkOrigin, ...]
    regions: tuple[HubRegion, ...] = ()
    citation: Citation
    """The clause that wants work shared out."""
    assumed: tuple[str, ...] = ()
    """Names of the fields above that nobody published (route factors are an engineering constant)."""
