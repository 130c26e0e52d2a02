"""Which substations can carry a site: voltage, distance, headroom, a second feed, and what fails first.

Every feed must carry the whole load. Two feeds start at different substations; whether they hang on one parent is
told where the layer has a column ``parent_id``, and unknown otherwise. Nothing here loops over sites in Python.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import IntEnum
from typing import Any, NamedTuple

import geopandas as gpd
import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from gis import proximity
from gis.errors import LayerNotFoundError, UsageError
from siting.headroom import HeadroomBasis, headroom_of
from siting.pack import SiteClass
from siting.power_table import PowerTable, load_power_table

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
Booleans = NDArray[np.bool_]
Geometries = NDArray[Any]

N_NEAREST = 4
"""Substations that are looked at per site."""

LEAST_LOAD_MVA = 1e-3
"""Stations that cannot spare this much are full: nobody looks at them."""


class PowerLimit(IntEnum):
    """What keeps a site from power, or, where nothing does, what gives way first when its load grows."""

    NOT_KNOWN = 0
    DISTANCE = 1
    VOLTAGE = 2
    HEADROOM = 3
    SECOND_FEED = 4
    COMMON_PARENT = 5
    FEED_A = 6
    FEED_B = 7
    VOLTAGE_STEP = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class PowerRules:
    """How sites are to be supplied."""

    table: PowerTable
    """Voltage steps and typical stations."""
    min_substation_kv: float | None = None
    """Least highest voltage of a station; None for what the load's voltage step asks for."""
    reach_m: float | None = None
    """Straight-line distance from which a station can feed; None for that of the step."""
    n_feeds: int = 2
    """1 or 2; each carries the whole load."""
    is_assuming: bool = True
    """Reckon headroom that no layer states from typical stations; otherwise it stays unknown and hinders nothing."""

    def __post_init__(self) -> None:
        if self.n_feeds not in (1, 2):
            raise UsageError(f"{self.n_feeds} feeds are asked for; ask for 1 or 2",
                             f"要求 {self.n_feeds} 路电源；只支持 1 路或 2 路")


@dataclass(frozen=True, eq=False, slots=True, kw_only=True)
class Feeds:
    """What substations can do for each of n sites, each site alone.

    Of m substations; "station" is always a row of the substations frame, -1 for none.
    """

    load_mva: Floats
    """Apparent power of each site, shape (n,)."""
    supply_voltage_kv: Floats
    """Voltage step of each site, shape (n,)."""
    station: Integers
    """The k nearest stations that can offer the step and have about the load to spare, nearest first, shape (n, k)."""
    distance_m: Floats
    """Straight-line distance to them, edge to edge, shape (n, k); NaN where there is none."""
    reach_m: Floats
    """From how far a station can feed each site, shape (n,)."""
    step_max_mva: Floats
    """Largest load of the step of each site, shape (n,); infinite for the highest."""
    beyond: NDArray[np.int8]
    """What is wrong where none of them is in reach, of :class:`PowerLimit`, shape (n,)."""
    headroom_mva: Floats
    """Of each substation, after the loss of one transformer, shape (m,); NaN where unknown."""
    headroom_basis: NDArray[np.int8]
    """How it is known, of :class:`siting.headroom.HeadroomBasis`, shape (m,)."""
    own: Integers
    """Number of each substation, by its id, shape (m,)."""
    parent: Integers
    """Number of its parent, shape (m,); -1 where unknown."""
    detour_factor: float
    """Length of a connection over the straight line."""
    n_feeds: int
    """Feeds asked for."""
    feed: Integers
    """Stations of feeds A and B, shape (n, 2)."""
    feed_distance_m: Floats
    """Straight-line distance of feeds A and B, shape (n, 2)."""
    n_independent: Integers
    """Stations among the k that could each carry the site and hang on no common parent, shape (n,)."""
    fails_first: NDArray[np.int8]
    """Of :class:`PowerLimit`, shape (n,)."""
    growth_mva: Floats
    """By how much the load may grow until that fails; negative: what is missing. NaN where no number says it."""

    def at(self, rows: ArrayLike) -> Feeds:
        """Return the feeds of some of the sites."""
        picked = np.asarray(rows)
        return replace(self, **{name: getattr(self, name)[picked] for name in _OF_SITES})

    @property
    def is_supplied(self) -> Booleans:
        """Per site: it has the feeds asked for (they may hang on one parent, see ``fails_first``)."""
        return np.asarray(self.feed[:, self.n_feeds - 1] >= 0, dtype=np.bool_)

    @property
    def connection_m(self) -> Floats:
        """Length of the connections of feeds A and B, shape (n, 2): straight line times detour factor."""
        return np.asarray(self.feed_distance_m * self.detour_factor, dtype=np.float64)

    @property
    def is_in_reach(self) -> Booleans:
        """Whether each of the k stations is near enough, shape (n, k)."""
        return np.asarray((self.station >= 0) & (self.distance_m <= self.reach_m[:, None]), dtype=np.bool_)

    @property
    def independence(self) -> NDArray[np.object_]:
        """Per site: a key of ``siting.power_words.INDEPENDENCE_TEXT``."""
        a, b = self.feed.T
        is_known = (self.parent[a] >= 0) & (self.parent[b] >= 0)
        is_common = self.fails_first == PowerLimit.COMMON_PARENT
        return np.select([b < 0, is_common, is_known], ["none", "common_parent", "independent"],
                         "unknown").astype(object)


_OF_SITES = ("load_mva", "supply_voltage_kv", "station", "distance_m", "reach_m", "step_max_mva", "beyond", "feed",
             "feed_distance_m", "n_independent", "fails_first", "growth_mva")
"""Fields of :class:`Feeds` with a row per site."""


def rules_of_class(site_class: SiteClass, *, n_feeds: int = 2, is_assuming: bool = True) -> PowerRules:
    """Return the rules of a class of a pack: its own supply voltage and reach, the shared steps for the rest."""
    return PowerRules(table=load_power_table(), min_substation_kv=site_class.supply_voltage_kv,
                      reach_m=site_class.feed_radius_m, n_feeds=n_feeds, is_assuming=is_assuming)


def site_load_mva(it_load_kw: ArrayLike, pue: ArrayLike, power_factor: float = 0.95) -> Floats:
    """Return the apparent power of sites: IT load x PUE / power factor, MVA.

    Raises
    ------
    UsageError
        A load is negative, a PUE below 1, or the power factor not in (0, 1].
    """
    it_kw, ratio = np.asarray(it_load_kw, dtype=np.float64), np.asarray(pue, dtype=np.float64)
    if not ((it_kw >= 0.0).all() and (ratio >= 1.0).all() and 0.0 < power_factor <= 1.0):
        raise UsageError("a site load needs an IT load of at least 0 kW, a PUE of at least 1 and a power factor "
                         "between 0 and 1; correct the one that is not",
                         "负荷计算要求 IT 负荷不小于 0 千瓦、PUE 不小于 1、功率因数在 0 与 1 之间；请改正不符的一项")
    return np.asarray(it_kw * ratio / power_factor / 1000.0, dtype=np.float64)


def feeds_for(geometries: ArrayLike, it_load_kw: ArrayLike, pue: ArrayLike, substations: gpd.GeoDataFrame,
              rules: PowerRules, *, k: int = N_NEAREST) -> Feeds:
    """Find the feeds of each site, each as if it were alone.

    Parameters
    ----------
    geometries
        Sites in the metric CRS, shape (n,); polygons are measured from their edge.
    it_load_kw, pue
        One for all, or one per site, shape (n,).
    substations
        The layer: ``substation_id, voltage_kv``; where known ``headroom_mva``, ``transformer_capacity_mva`` and
        ``parent_id`` (see :func:`siting.headroom.headroom_of`). Rows of one id are one station.
    rules
        Voltage, reach and number of feeds.
    k
        Stations looked at per site: the nearest that can offer its voltage step and have its load to spare, rounded
        down to a tenth of a decade; at least 1.

    Returns
    -------
    Feeds
        Of all pairs with the load to spare, the one of least total distance; a pair on one parent only where
        there is no other.

    Raises
    ------
    LayerNotFoundError
        There is no substation.
    UsageError
        A load, a PUE or ``k`` is out of range.
    """
    if substations.empty:
        raise LayerNotFoundError("no substation is given; name a source of the layer substations",
                                 "没有变电站；请指定变电站图层的来源")
    sites = np.asarray(geometries, dtype=object).reshape(-1)
    load_mva = np.broadcast_to(site_load_mva(it_load_kw, pue, rules.table.power_factor), sites.shape).copy()
    step = rules.table.step_of(load_mva)
    headroom = headroom_of(substations, rules.table, is_assuming=rules.is_assuming)
    reach_m = np.array([s.reach_m if rules.reach_m is None else rules.reach_m for s in rules.table.steps])[step]
    step_max_mva = np.array([np.inf if s.max_mva is None else s.max_mva for s in rules.table.steps])[step]
    found = _nearest_able(sites, step, load_mva, substations, headroom.headroom_mva, rules, k)
    station, distance_m, fitting_m = found.station, found.distance_m, found.fitting_m
    any_m = proximity.nearest(sites, _shapes(substations)).distance_m
    beyond = np.select([fitting_m <= reach_m, any_m <= reach_m], [PowerLimit.HEADROOM, PowerLimit.VOLTAGE],
                       PowerLimit.DISTANCE).astype(np.int8)
    nearest_mva = np.where(fitting_m <= reach_m, headroom.headroom_mva[found.fitting], np.nan)
    own, parent = station_numbers(substations)
    feed, fails_first, growth_mva, n_independent = chosen_feeds(
        np.arange(len(sites)), station, distance_m, reach_m, load_mva, step_max_mva, beyond, nearest_mva,
        headroom.headroom_mva.copy(), own, parent, rules.n_feeds, is_consuming=False)
    return Feeds(
        load_mva=load_mva, supply_voltage_kv=np.array([s.voltage_kv for s in rules.table.steps])[step],
        station=station, distance_m=distance_m, reach_m=reach_m, step_max_mva=step_max_mva, beyond=beyond,
        headroom_mva=headroom.headroom_mva, headroom_basis=headroom.basis,
        own=own, parent=parent,
        detour_factor=rules.table.detour_factor, n_feeds=rules.n_feeds, feed=_picked(station, feed, -1),
        feed_distance_m=_picked(distance_m, feed, np.nan), n_independent=n_independent, fails_first=fails_first,
        growth_mva=growth_mva)


def chosen_feeds(order: Integers, station: Integers, distance_m: Floats, reach_m: Floats, load_mva: Floats,
                 step_max_mva: Floats, beyond: NDArray[np.int8], nearest_mva: Floats, left_mva: Floats, own: Integers,
                 parent: Integers, n_feeds: int, *,
                 is_consuming: bool) -> tuple[Integers, NDArray[np.int8], Floats, Integers]:
    """Choose feeds site after site in ``order``; see :mod:`siting._power_kernels`.

    Parameters
    ----------
    order
        Sites, best first, shape (q,).
    nearest_mva
        Headroom of the nearest station in reach whose voltage fits, NaN where there is none, shape (n,): what is
        missing of a load is reckoned from it where no station in ``station`` is in reach.
    left_mva
        Headroom of each substation, shape (m,); changed where ``is_consuming``.
    station, distance_m, reach_m, load_mva, step_max_mva, beyond, own, parent, n_feeds
        As in :class:`Feeds`.

    Returns
    -------
    tuple
        Of each site of ``order``: columns of ``station`` of its feeds (-1 for none), what fails first, by how
        much the load may grow, and the number of independent feeds.
    """
    from siting._power_kernels import choose_feeds

    n = len(order)
    feed, n_independent = np.full((n, 2), -1, dtype=np.int64), np.zeros(n, dtype=np.int64)
    limit, growth_mva = np.zeros(n, dtype=np.int8), np.full(n, np.nan)
    choose_feeds(order, station, distance_m, reach_m, load_mva, step_max_mva, beyond, nearest_mva, left_mva, own,
                 parent, n_feeds, is_consuming, feed, limit, growth_mva, n_independent)
    return feed, limit, growth_mva, n_independent


def _picked(values: NDArray[Any], column: Integers, none: float) -> NDArray[Any]:
    """Return the values of the columns of each row, ``none`` for column -1."""
    found = np.take_along_axis(values, np.maximum(column, 0), axis=1)
    return np.where(column >= 0, found, none).astype(values.dtype)


class _Near(NamedTuple):
    """Stations near n sites, rows of the substations frame (-1 for none)."""

    station: Integers
    """The k nearest that can offer the step and have the load, shape (n, k)."""
    distance_m: Floats
    """Shape (n, k)."""
    fitting: Integers
    """The nearest that can offer the step, whatever it has to spare, shape (n,)."""
    fitting_m: Floats
    """Shape (n,)."""


def _nearest_able(sites: Geometries, step: Integers, load_mva: Floats, substations: gpd.GeoDataFrame,
                  headroom_mva: Floats, rules: PowerRules, k: int) -> _Near:
    """Find the nearest stations of each site, for all sites of one voltage step and about one load at once.

    Loads are rounded down on a fixed scale, not to the least of the batch: no site's answer depends on another's.
    """
    n = len(sites)
    near = _Near(np.full((n, k), -1, dtype=np.int64), np.full((n, k), np.nan), np.full(n, -1, dtype=np.int64),
                 np.full(n, np.nan))
    voltage_kv = substations["voltage_kv"].to_numpy(dtype=np.float64, na_value=np.nan)
    shapes, owner = _shapes(substations), station_numbers(substations)[0]
    tenth = np.floor(10.0 * np.log10(np.maximum(load_mva, LEAST_LOAD_MVA))).astype(np.int64)
    kind = tenth * len(rules.table.steps) + step
    for key in np.unique(kind):
        size, number = divmod(int(key), len(rules.table.steps))
        rows, offered = np.flatnonzero(kind == key), rules.table.steps[number]
        lowest_kv = offered.min_substation_kv
        if rules.min_substation_kv is not None:
            lowest_kv = max(rules.min_substation_kv, offered.voltage_kv)
        # A class that asks for more than the step's stations are gets those it asks for.
        is_fitting = (voltage_kv >= lowest_kv) & (voltage_kv <= max(lowest_kv, offered.max_substation_kv))
        fitting = np.flatnonzero(is_fitting)
        able = np.flatnonzero(is_fitting & ~(headroom_mva < 10.0 ** (size / 10.0) * (1.0 - 1e-9)))
        found = proximity.k_nearest(sites[rows], shapes[able], k, owners=owner[able])
        near.station[rows], near.distance_m[rows] = _rows_of(able, found.index), found.distance_m
        nearest = proximity.nearest(sites[rows], shapes[fitting])
        near.fitting[rows], near.fitting_m[rows] = _rows_of(fitting, nearest.index), nearest.distance_m
    return near


def _rows_of(rows: Integers, index: Integers) -> Integers:
    """Return ``rows[index]``, -1 where the index is -1."""
    return np.append(rows, -1)[index]


def station_numbers(substations: gpd.GeoDataFrame) -> tuple[Integers, Integers]:
    """Return the number of each substation, by its id, and that of its parent (-1 where unknown), shapes (m,)."""
    ids = _words(substations["substation_id"])
    if "parent_id" in substations.columns:
        parents = _words(substations["parent_id"]).replace("", pd.NA)
    else:
        parents = pd.Series(pd.NA, index=substations.index, dtype="string")
    numbers, _ = pd.factorize(pd.concat([ids, parents]))
    own, parent = np.split(np.asarray(numbers, dtype=np.int64), 2)
    return own, parent


def _words(column: pd.Series[Any]) -> pd.Series[Any]:
    """Return ids as words; a column of whole numbers with gaps is one of floats, and 7.0 is the id 7."""
    if pd.api.types.is_float_dtype(column) and (column.dropna() % 1 == 0).all():
        column = column.astype("Int64")
    return column.astype("string").str.strip()


def feeds_table(feeds: Feeds, substations: gpd.GeoDataFrame) -> pd.DataFrame:
    """Return the feeds of each site as a table, one row per site.

    Returns
    -------
    pandas.DataFrame
        ``load_mva, supply_voltage_kv``; for feeds a and b ``feed_a_id, feed_a_voltage_kv, feed_a_distance_m,
        feed_a_connection_m, feed_a_headroom_mva, feed_a_headroom_basis``; ``n_independent_feeds, independence,
        is_supplied, power_limit, growth_mva`` (codes are the names of the enumerations, in lower case).
    """
    columns: dict[str, Any] = {"load_mva": feeds.load_mva, "supply_voltage_kv": feeds.supply_voltage_kv}
    ids, voltage_kv = substations["substation_id"].to_numpy(dtype=object), substations["voltage_kv"].to_numpy()
    bases = np.array([b.name.lower() for b in HeadroomBasis], dtype=object)[feeds.headroom_basis]
    for place, letter in enumerate("ab"):
        row = feeds.feed[:, place]
        none = row < 0
        columns |= {
            f"feed_{letter}_id": _unless(none, ids[row]),
            f"feed_{letter}_voltage_kv": np.where(none, np.nan, voltage_kv[row]),
            f"feed_{letter}_distance_m": feeds.feed_distance_m[:, place],
            f"feed_{letter}_connection_m": feeds.connection_m[:, place],
            f"feed_{letter}_headroom_mva": np.where(none, np.nan, feeds.headroom_mva[row]),
            f"feed_{letter}_headroom_basis": _unless(none, bases[row]),
        }
    limits = np.array([limit.name.lower() for limit in PowerLimit], dtype=object)
    return pd.DataFrame({**columns, "n_independent_feeds": feeds.n_independent, "independence": feeds.independence,
                         "is_supplied": feeds.is_supplied, "power_limit": limits[feeds.fails_first],
                         "growth_mva": feeds.growth_mva})


def _unless(none: Booleans, values: NDArray[np.object_]) -> NDArray[np.object_]:
    found = values.copy()
    found[none] = None
    return found


def _shapes(frame: gpd.GeoDataFrame) -> Geometries:
    return np.asarray(frame.geometry.array, dtype=object)
