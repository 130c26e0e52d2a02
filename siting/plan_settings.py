"""How a city's plan wants things built: edge centres and their hosts, capacity and its limits, blocks of land."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import geopandas as gpd
import numpy as np
from numpy.typing import NDArray

from gis.bilingual import Text
from siting.citation import Citation

Strictness = Literal["shall", "should"]
"""``shall`` excludes unless the study states a mitigation; ``should`` is a graded penalty."""


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
