"""What each substation has to spare after the loss of one transformer (N-1), and how far that is known.

A stated headroom is taken as it is. Otherwise it is reckoned: firm capacity (what the other transformers carry)
minus peak load. What the layer does not say comes from the table of typical stations and is marked assumed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import IntEnum
from types import MappingProxyType

import geopandas as gpd
import numpy as np
import pandas as pd
from numpy.typing import NDArray

from gis.bilingual import Text
from siting.power_table import PowerTable

Floats = NDArray[np.float64]


class HeadroomBasis(IntEnum):
    """How far a headroom is known, best first."""

    STATED = 0
    COMPUTED = 1
    DERIVED = 2
    ASSUMED = 3
    UNKNOWN = 4


BASIS_TEXT: Mapping[HeadroomBasis, Text] = MappingProxyType({
    HeadroomBasis.STATED: Text(zh="图层给出", en="stated by the layer"),
    HeadroomBasis.COMPUTED: Text(zh="由给出的容量、台数与最大负荷按 N-1 计算",
                                 en="N-1 of the stated capacity, units and peak load"),
    HeadroomBasis.DERIVED: Text(zh="由给出的容量与假定的台数或容载比推算",
                                en="from the stated capacity, with assumed units or capacity-load ratio"),
    HeadroomBasis.ASSUMED: Text(zh="假定：按同电压等级典型变电站", en="assumed: a typical station of the voltage"),
    HeadroomBasis.UNKNOWN: Text(zh="未知", en="unknown"),
})
"""What a reader is told of it."""


@dataclass(frozen=True, eq=False, slots=True, kw_only=True)
class Headroom:
    """Headroom of m substations."""

    headroom_mva: Floats
    """Shape (m,), at least 0; NaN where unknown."""
    basis: NDArray[np.int8]
    """Of :class:`HeadroomBasis`, shape (m,)."""


def headroom_of(substations: gpd.GeoDataFrame, table: PowerTable, *, is_assuming: bool = True) -> Headroom:
    """Find what each substation has to spare after the loss of one transformer.

    Parameters
    ----------
    substations
        ``voltage_kv`` and, where known, ``headroom_mva`` (taken as firm, N-1), ``transformer_capacity_mva`` (of
        all transformers), ``n_transformers``, ``peak_load_mva``; NaN where a station does not say.
    table
        Typical stations.
    is_assuming
        Fill in from typical stations; otherwise what is not stated stays unknown.

    Returns
    -------
    Headroom
        ``max(0, capacity x (n - 1) / n - peak)``; one transformer alone leaves nothing.
    """
    stated, capacity, units, peak = _said(substations)
    known = np.isfinite(capacity), np.isfinite(units), np.isfinite(peak)
    kind = table.station_of(_numbers(substations, "voltage_kv"))
    if is_assuming:
        typical = (np.array([getattr(s, name) for s in table.stations], dtype=np.float64)[kind]
                   for name in ("unit_mva", "n_units", "capacity_load_ratio"))
        found = _reckoned(capacity, units, peak, *typical)
    else:
        found = np.maximum(capacity * (units - 1.0) / units - peak, 0.0)
    basis = np.where(known[0] & known[1] & known[2], HeadroomBasis.COMPUTED,
                     np.where(known[0], HeadroomBasis.DERIVED, HeadroomBasis.ASSUMED))
    is_known = np.isfinite(found) & ((kind >= 0) | (basis == HeadroomBasis.COMPUTED))
    basis = np.where(is_known, basis, HeadroomBasis.UNKNOWN)
    is_stated = np.isfinite(stated)
    return Headroom(headroom_mva=np.where(is_stated, np.maximum(stated, 0.0), np.where(is_known, found, np.nan)),
                    basis=np.where(is_stated, HeadroomBasis.STATED, basis).astype(np.int8))


def headroom_draws(substations: gpd.GeoDataFrame, table: PowerTable, n_draws: int, seed: int) -> Floats:
    """Draw the headrooms that no layer states: what a station is taken to have varies as such stations do.

    Parameters
    ----------
    substations, table
        As for :func:`headroom_of`; rating, number of transformers and capacity-load ratio are drawn, where the layer
        does not say them, from what the table says such stations have.
    n_draws, seed
        Draws; the same seed gives the same ones.

    Returns
    -------
    Draws x substations, MVA; NaN where the layer states the headroom or all that it follows from, or no typical
    station is known, and in the first draw, which is as given.
    """
    stated, capacity, units, peak = _said(substations)
    kind = table.station_of(_numbers(substations, "voltage_kv"))
    is_known = np.isfinite(stated) | (np.isfinite(capacity) & np.isfinite(units) & np.isfinite(peak)) | (kind < 0)
    uniform = np.random.default_rng([seed, 3]).random((3, n_draws, len(substations)))
    unit_mva, n_units, ratio = np.empty_like(uniform)
    for place, station in enumerate(table.stations):
        own = kind == place
        low, high = station.capacity_load_ratio_range or (station.capacity_load_ratio,) * 2
        unit_mva[:, own] = _picked(station.unit_mva_choices or (station.unit_mva,), uniform[0][:, own])
        n_units[:, own] = _picked(station.n_units_choices or (station.n_units,), uniform[1][:, own])
        ratio[:, own] = low + (high - low) * uniform[2][:, own]
    unit_mva[:, kind < 0] = n_units[:, kind < 0] = ratio[:, kind < 0] = 1.0
    drawn = _reckoned(capacity, units, peak, unit_mva, n_units, ratio)
    drawn[:, is_known] = np.nan
    drawn[:1] = np.nan
    return drawn


def _picked(choices: Sequence[float], uniform: Floats) -> Floats:
    """Turn numbers of 0 to 1 into choices of equal chance."""
    return np.array(choices, dtype=np.float64)[(uniform * len(choices)).astype(np.int64)]


def _said(substations: gpd.GeoDataFrame) -> tuple[Floats, Floats, Floats, Floats]:
    """Return stated headroom, capacity, units and peak load; NaN where a station does not say."""
    stated, capacity, units, peak = (_numbers(substations, name) for name in (
        "headroom_mva", "transformer_capacity_mva", "n_transformers", "peak_load_mva"))
    return stated, capacity, np.where(units >= 1.0, units, np.nan), peak


def _reckoned(capacity: Floats, units: Floats, peak: Floats, unit_mva: Floats, n_units: Floats,
              ratio: Floats) -> Floats:
    """Reckon headrooms, with what is taken for NaN in the first three: firm capacity less peak load, never below 0."""
    is_counted = np.isfinite(units)
    capacity = np.where(np.isfinite(capacity), capacity, np.where(is_counted, units, n_units) * unit_mva)
    # Fewer and larger units where a capacity can be read in two ways: the firm share is then the smaller one.
    units = np.where(is_counted, units, np.maximum(1.0, np.floor(capacity / unit_mva + 0.5)))
    peak = np.where(np.isfinite(peak), peak, capacity / ratio)
    return np.asarray(np.maximum(capacity * (units - 1.0) / units - peak, 0.0), dtype=np.float64)


def headroom_fact(headroom: Headroom) -> Text:
    """Say how many headrooms are known, and how."""
    counts = [(BASIS_TEXT[b], int((headroom.basis == b).sum())) for b in HeadroomBasis]
    return Text(zh="变电站可用容量的依据：" + "；".join(f"{t.zh} {n} 座" for t, n in counts if n) + "。",
                en="Headroom of substations: " + "; ".join(f"{n} {t.en}" for t, n in counts if n) + ".")


def _numbers(frame: gpd.GeoDataFrame, column: str) -> Floats:
    if column not in frame.columns:
        return np.full(len(frame), np.nan)
    # A column that no schema knows may hold words; a station whose words are no number does not say.
    return np.asarray(pd.to_numeric(frame[column], errors="coerce").to_numpy(dtype=np.float64, na_value=np.nan))
