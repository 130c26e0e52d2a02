"""Voltage steps, typical stations and the like: one shared table, read once and frozen.

The values are data with their citation (``siting/standards/power-supply.toml``); what nobody published is
named in ``assumed``.
"""

from __future__ import annotations

import sys
import tomllib
from dataclasses import dataclass
from functools import cache
from importlib import resources
from itertools import pairwise
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from pydantic import TypeAdapter, ValidationError

import siting.citation
import siting.pack
from gis.bilingual import Text
from gis.errors import PackError
from siting.citation import Citation, Document
from siting.city_pack import describe, forbid_extra_keys, paired

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]


@dataclass(frozen=True, slots=True, kw_only=True)
class VoltageStep:
    """A voltage at which a load can be supplied."""

    voltage_kv: float
    """At the customer."""
    min_mva: float
    """Smallest load that opens the step."""
    max_mva: float | None = None
    """Largest load that the step carries; None for no bound."""
    min_substation_kv: float
    """Highest voltage of a station that can offer the step: at least this ..."""
    max_substation_kv: float
    """... and at most this."""
    reach_m: float
    """Straight-line distance from which a station can offer it."""
    citation: Citation
    """Where the bounds come from."""
    assumed: tuple[str, ...] = ()
    """Names of the fields above that nobody published."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TypicalStation:
    """What a substation of a voltage is, where its layer does not say."""

    voltage_kv: float
    """Highest voltage."""
    unit_mva: float
    """Rating of one transformer."""
    n_units: int
    """Number of transformers."""
    capacity_load_ratio: float
    """Capacity over peak load (容载比)."""
    unit_mva_choices: tuple[float, ...] = ()
    """Ratings that such transformers have; empty for ``unit_mva`` alone."""
    n_units_choices: tuple[int, ...] = ()
    """Numbers of transformers that such stations have; empty for ``n_units`` alone."""
    capacity_load_ratio_range: tuple[float, float] | None = None
    """Least and greatest ratio that such stations have; None for ``capacity_load_ratio`` alone."""
    yard_m2: float
    """Ground that the station itself takes."""
    citation: Citation
    """Where the values come from."""
    assumed: tuple[str, ...] = ()
    """Names of the fields above that nobody published."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ThreeInOne:
    """Substation, storage and data centre on one site (三站合一)."""

    it_load_kw: float
    """Largest IT load of the data centre."""
    min_voltage_kv: float
    """Stations below this do not host."""
    max_voltage_kv: float
    """Stations above this do not host."""
    storage_hours: float
    """How long the storage carries the whole site."""
    storage_m2_per_mwh: float
    """Ground of the storage."""
    data_centre_m2_per_100_kw: float
    """Ground of the data centre."""
    adjoining_m: float
    """Free land this near to the station counts as its room."""
    citation: Citation
    """The clause that wants such sites."""
    assumed: tuple[str, ...] = ()
    """Names of the fields above that nobody published."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PowerTable:
    """How loads are supplied."""

    power_factor: float
    """MW over MVA."""
    power_factor_citation: Citation
    detour_factor: float
    """Length of a cable route over the straight line."""
    detour_citation: Citation
    documents: tuple[Document, ...]
    steps: tuple[VoltageStep, ...]
    """By voltage, ascending."""
    stations: tuple[TypicalStation, ...]
    """By voltage, ascending."""
    three_in_one: ThreeInOne

    def step_of(self, load_mva: Floats) -> Integers:
        """Return the step of each load: the highest that its size opens; row of ``steps``, same shape."""
        opens = np.array([s.min_mva for s in self.steps])
        return np.asarray(np.maximum(np.searchsorted(opens, load_mva, side="right") - 1, 0), dtype=np.int64)

    def station_of(self, voltage_kv: Floats) -> Integers:
        """Return the kind of each station: of the nearest voltage by ratio; row of ``stations``, -1 where unknown."""
        known = np.isfinite(voltage_kv) & (voltage_kv > 0.0)
        apart = np.abs(np.log(np.where(known, voltage_kv, 1.0))[..., None]
                       - np.log([s.voltage_kv for s in self.stations]))
        return np.where(known, apart.argmin(axis=-1), -1)


@cache
def load_power_table(path: str = "") -> PowerTable:
    """Load the shared table, or another one by its path.

    Raises
    ------
    PackError
        The file is not TOML or breaks its rules; every problem is named.
    """
    file = Path(path) if path else Path(str(resources.files("siting"))) / "standards" / "power-supply.toml"
    try:
        table = tomllib.loads(file.read_text(encoding="utf-8"))
        forbid_extra_keys(siting.citation, siting.pack, sys.modules[__name__])
        found = TypeAdapter(PowerTable).validate_python(paired(table))
    except (OSError, tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise PackError(f"{file.name} cannot be read: {error}", f"{file.name} 无法读取：{error}") from error
    except ValidationError as error:
        raise PackError(f"{file.name}: {describe(error)}", f"{file.name} 有误：{describe(error)}") from error
    problems = _contradictions(found)
    if problems:
        raise PackError(f"{file.name}: " + "; ".join(p.en for p in problems),
                        f"{file.name} 有误：" + "；".join(p.zh for p in problems))
    return found


def _contradictions(table: PowerTable) -> list[Text]:
    problems = []
    if not 0.0 < table.power_factor <= 1.0:
        problems.append(Text(zh="power_factor 须在 0 与 1 之间", en="power_factor must lie between 0 and 1"))
    voltages = {"steps": [s.voltage_kv for s in table.steps], "stations": [s.voltage_kv for s in table.stations]}
    problems += [Text(zh=f"{name} 须按电压递增且不为空", en=f"{name} must ascend by voltage and not be empty")
                 for name, kv in voltages.items() if not kv or any(a >= b for a, b in pairwise(kv))]
    for lower, upper in pairwise(table.steps):
        if lower.max_mva is None or lower.max_mva < upper.min_mva or lower.min_mva >= upper.min_mva:
            problems.append(Text(zh=f"{lower.voltage_kv:g} 与 {upper.voltage_kv:g} 千伏两档之间有空缺或次序颠倒",
                                 en=f"between the steps of {lower.voltage_kv:g} and {upper.voltage_kv:g} kV there is "
                                    "a gap, or their order is wrong"))
    problems += [Text(zh=f"{s.voltage_kv:g} 千伏站的台数须不少于 1、容载比须大于 1",
                      en=f"a {s.voltage_kv:g} kV station needs at least one unit and a capacity-load ratio above 1")
                 for s in table.stations if s.n_units < 1 or not s.capacity_load_ratio > 1.0]
    problems += [Text(zh=f"{s.voltage_kv:g} 千伏站的取值范围须包含其典型值",
                      en=f"the ranges of a {s.voltage_kv:g} kV station must hold its typical values")
                 for s in table.stations if not _holds_typical(s)]
    return problems


def _holds_typical(station: TypicalStation) -> bool:
    low, high = station.capacity_load_ratio_range or (station.capacity_load_ratio,) * 2
    return (station.unit_mva in (station.unit_mva_choices or (station.unit_mva,))
            and station.n_units in (station.n_units_choices or (station.n_units,))
            and 1.0 < low <= station.capacity_load_ratio <= high)
