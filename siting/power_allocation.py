"""Consumes headroom as sites are chosen, so that no two of them use the same megavolt-amperes.

Sites come in the order of their rank. Each reserves its whole load at both of its stations: when one feed is
lost, the other carries all of it. A site that finds no two stations with its load left is passed over, and a
later, smaller one may still be supplied.
"""

from __future__ import annotations

from dataclasses import dataclass

import geopandas as gpd
import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from gis.bilingual import Text
from gis.errors import UsageError
from siting.headroom import HeadroomBasis
from siting.power import Feeds, PowerLimit, chosen_feeds

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
Booleans = NDArray[np.bool_]


@dataclass(frozen=True, eq=False, slots=True, kw_only=True)
class HeadroomAllocation:
    """What each chosen site takes from which substation; of q sites and m substations."""

    order: Integers
    """Sites, rows of the feeds, best first, shape (q,)."""
    load_mva: Floats
    """Of each of them, shape (q,)."""
    feed: Integers
    """Substations of feeds A and B, shape (q, 2); -1 for none."""
    connection_m: Floats
    """Length of the connections, shape (q, 2); NaN for none."""
    fails_first: NDArray[np.int8]
    """What keeps the site from power, or what gives way first, of :class:`PowerLimit`, shape (q,)."""
    growth_mva: Floats
    """By how much the load may grow until that fails; negative: what is missing. Shape (q,)."""
    is_supplied: Booleans
    """Shape (q,)."""
    is_displaced: Booleans
    """It would be supplied alone, and sites before it have taken the headroom, shape (q,)."""
    headroom_mva: Floats
    """Of each substation before any site, shape (m,); NaN where unknown."""
    headroom_basis: NDArray[np.int8]
    """How it is known, shape (m,)."""
    reserved_mva: Floats
    """What the sites reserve at each substation, shape (m,)."""
    n_feeds: Integers
    """Feeds that start at each substation, shape (m,)."""

    @property
    def left_mva(self) -> Floats:
        """Headroom of each substation after all sites, shape (m,); NaN where unknown."""
        return np.asarray(self.headroom_mva - self.reserved_mva, dtype=np.float64)


def allocate_headroom(feeds: Feeds, order: ArrayLike, load_mva: ArrayLike | None = None) -> HeadroomAllocation:
    """Give sites their feeds in rank order, each from what the ones before it have left.

    Parameters
    ----------
    feeds
        Of :func:`siting.power.feeds_for`.
    order
        Rows of ``feeds``, best first, each at most once, shape (q,).
    load_mva
        Load of each site of ``feeds`` where it differs from that of ``feeds``, shape (n,).

    Returns
    -------
    HeadroomAllocation
        No known headroom is ever exceeded.

    Raises
    ------
    UsageError
        ``order`` names a row twice or one that is not there, or a load is negative or not a number.
    """
    rows = np.asarray(order, dtype=np.int64).reshape(-1)
    loads = feeds.load_mva if load_mva is None else np.asarray(load_mva, dtype=np.float64)
    _check(rows, loads, len(feeds.load_mva))
    left_mva = feeds.headroom_mva.copy()
    column, fails_first, growth_mva, _ = chosen_feeds(
        rows, feeds.station, feeds.distance_m, feeds.reach_m, loads, feeds.step_max_mva, feeds.beyond,
        np.full(len(loads), np.nan), left_mva, feeds.own, feeds.parent, feeds.n_feeds, is_consuming=True)
    # Where no station was ever in question, nothing is missing but what was missing of the site alone.
    lacking = feeds.growth_mva[rows] + feeds.load_mva[rows] - loads[rows]
    is_beyond = (fails_first == feeds.beyond[rows]) & np.isnan(growth_mva) & (feeds.fails_first[rows] == fails_first)
    growth_mva = np.where(is_beyond, lacking, growth_mva)
    at = np.maximum(column, 0)
    station = np.where(column >= 0, np.take_along_axis(feeds.station[rows], at, axis=1), -1)
    distance_m = np.where(column >= 0, np.take_along_axis(feeds.distance_m[rows], at, axis=1), np.nan)
    is_supplied = column[:, feeds.n_feeds - 1] >= 0
    taken = station[is_supplied][:, :feeds.n_feeds]
    m = len(feeds.headroom_mva)
    alone = feeds.feed[rows, feeds.n_feeds - 1] >= 0
    return HeadroomAllocation(
        order=rows, load_mva=loads[rows], feed=np.where(is_supplied[:, None], station, -1),
        connection_m=np.where(is_supplied[:, None], distance_m, np.nan) * feeds.detour_factor, fails_first=fails_first,
        growth_mva=growth_mva, is_supplied=is_supplied, is_displaced=alone & ~is_supplied,
        headroom_mva=feeds.headroom_mva, headroom_basis=feeds.headroom_basis,
        reserved_mva=np.bincount(taken.ravel(), weights=np.repeat(loads[rows][is_supplied], feeds.n_feeds),
                                 minlength=m).astype(np.float64),
        n_feeds=np.bincount(taken.ravel(), minlength=m).astype(np.int64))


def substation_loads(allocation: HeadroomAllocation, substations: gpd.GeoDataFrame) -> pd.DataFrame:
    """Return what the sites reserve at each substation that feeds one, the fullest first.

    Returns
    -------
    pandas.DataFrame
        ``substation_id, name, voltage_kv, n_feeds, headroom_mva, headroom_basis, reserved_mva, left_mva``.
    """
    rows = np.flatnonzero(allocation.n_feeds > 0)
    bases = np.array([b.name.lower() for b in HeadroomBasis], dtype=object)
    names = substations["name"] if "name" in substations.columns else substations["substation_id"]
    table = pd.DataFrame({
        "substation_id": substations["substation_id"].to_numpy()[rows], "name": names.to_numpy()[rows],
        "voltage_kv": substations["voltage_kv"].to_numpy()[rows], "n_feeds": allocation.n_feeds[rows],
        "headroom_mva": allocation.headroom_mva[rows], "headroom_basis": bases[allocation.headroom_basis[rows]],
        "reserved_mva": allocation.reserved_mva[rows], "left_mva": allocation.left_mva[rows],
    })
    return table.sort_values(["left_mva", "substation_id"], ignore_index=True)


def allocation_fact(allocation: HeadroomAllocation) -> Text:
    """Say how many of the chosen sites can be supplied together, and what keeps the others."""
    n, supplied, displaced = (len(allocation.order), int(allocation.is_supplied.sum()),
                              int(allocation.is_displaced.sum()))
    common = int((allocation.fails_first == PowerLimit.COMMON_PARENT).sum())
    zh = f"供电：所选 {n} 处合计 {allocation.load_mva.sum():.1f} 兆伏安，同时可供 {supplied} 处"
    en = f"Power: of {n} chosen sites ({allocation.load_mva.sum():.1f} MVA) {supplied} can be supplied together"
    if displaced:
        zh, en = f"{zh}；{displaced} 处单独可供，但容量已被排名在前者占用", (
            f"{en}; {displaced} could be supplied alone, but sites before them have taken the headroom")
    if common:
        zh, en = f"{zh}；{common} 处两路电源同属一个上级", f"{en}; both feeds of {common} hang on one parent"
    known = np.isfinite(allocation.headroom_mva) & (allocation.n_feeds > 0)
    assumed = int((known & (allocation.headroom_basis >= HeadroomBasis.DERIVED)).sum())
    if assumed:
        zh, en = (f"{zh}；其中 {assumed} 座变电站的可用容量含假定值",
                  f"{en}; the headroom of {assumed} of the substations rests on assumptions")
    return Text(zh=zh + "。", en=en + ".")


def _check(rows: Integers, loads: Floats, n: int) -> None:
    if len(np.unique(rows)) < len(rows) or (len(rows) and (rows.min() < 0 or rows.max() >= n)):
        raise UsageError(f"the order names a site twice or one that is not among {n}; give each row once",
                         f"次序中有重复或不在 {n} 处之内的行；每行只应出现一次")
    if loads.shape != (n,) or not (loads >= 0.0).all():
        raise UsageError(f"loads of {n} sites must be {n} numbers of at least 0 MVA",
                         f"{n} 处的负荷须为 {n} 个不小于 0 的兆伏安数")
