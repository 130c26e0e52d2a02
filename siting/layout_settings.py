"""What a campus is made of: modules, limits and yards, read from data and checked whole."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, fields
from importlib import resources
from pathlib import Path
from typing import Any

from pydantic import ConfigDict, TypeAdapter, ValidationError

from gis.bilingual import Text
from gis.errors import PackError
from siting.citation import Citation
from siting.city_pack import describe

_PLAIN = ("citations", "basis", "assumed")
_MAY_BE_ZERO = ("setback_m", "substation_yard_m2_per_mva", "min_substation_yard_m2", "cooling_yard_m2_per_mva",
                "diesel_yard_m2_per_mva")


@dataclass(frozen=True, slots=True, kw_only=True)
class LayoutSettings:
    """Modules, limits and yards of a campus."""

    __pydantic_config__ = ConfigDict(extra="forbid")

    hall_length_m: float
    """Long side of a building module."""
    hall_width_m: float
    """Short side of a building module."""
    floor_height_m: float
    """Height of one floor."""
    max_height_m: float
    """Highest building allowed."""
    max_floor_area_ratio: float
    """Floor area above ground over the area of the parcel."""
    max_building_density: float
    """Share of the parcel that halls may cover."""
    setback_m: float
    """From the edge of the parcel, holes included, to any hall or yard."""
    fire_lane_width_m: float
    """Lane around every hall and yard, and along the setback; the setback is never less than one."""
    building_gap_m: float
    """Between two halls and between a hall and a yard; never less than a fire lane. Two yards keep a fire lane."""
    gross_floor_m2_per_rack: float
    """Floor area of a hall per physical rack, support rooms included."""
    rack_density_kw: float
    """IT load of one physical rack."""
    pue: float
    """Load of the site over the IT load."""
    power_factor: float
    """MW over MVA of the site."""
    substation_yard_m2_per_mva: float
    min_substation_yard_m2: float
    max_substation_yard_m2: float
    """A load that needs more is served by several substations."""
    cooling_yard_m2_per_mva: float
    diesel_yard_m2_per_mva: float
    min_yard_side_m: float
    """Narrower strips are not used for a yard."""
    max_yard_aspect: float
    """Longest substation yard, length over width."""
    citations: tuple[tuple[str, Citation], ...] = field(default=(), repr=False)
    """Clause of each field that one gives."""
    basis: tuple[tuple[str, Text], ...] = field(default=(), repr=False)
    """What each assumed field rests on."""
    assumed: tuple[str, ...] = field(default=(), repr=False)
    """Names of the fields above that nobody published."""

    @property
    def hall_area_m2(self) -> float:
        """Footprint of one module."""
        return self.hall_length_m * self.hall_width_m

    @property
    def max_floors(self) -> int:
        """Floors under the limit of height."""
        return int(self.max_height_m / self.floor_height_m + 1e-9)

    @property
    def racks_per_floor(self) -> int:
        """Physical racks on one floor of a module."""
        return int(self.hall_area_m2 / self.gross_floor_m2_per_rack + 1e-9)

    @property
    def gap_m(self) -> float:
        """Least distance from a hall to another hall or a yard."""
        return max(self.building_gap_m, self.fire_lane_width_m)

    @property
    def clearance_m(self) -> float:
        """Least distance from a hall or yard to the edge of the parcel."""
        return max(self.setback_m, self.fire_lane_width_m)

    def site_mva(self, it_load_kw: float) -> float:
        """Return the load of the site in MVA."""
        return it_load_kw / 1e3 * self.pue / self.power_factor


def load_layout_settings(overrides: Mapping[str, Any] | None = None) -> LayoutSettings:
    """Load the shipped settings of a campus, with a pack's own on top.

    Parameters
    ----------
    overrides
        A table ``[layout]``: fields to replace, and under ``citations``, ``basis`` and ``assumed``
        what they rest on. A field replaced without either is marked assumed.

    Raises
    ------
    PackError
        A key is unknown, a value is out of range, or a value rests on nothing.
    """
    path = Path(str(resources.files("siting"))) / "standards" / "campus.toml"
    shipped = tomllib.loads(path.read_text(encoding="utf-8"))["layout"]
    return settings_from_table(_merged(shipped, dict(overrides or {})))


def settings_from_table(table: Mapping[str, Any]) -> LayoutSettings:
    """Check a whole table ``[layout]``.

    Raises
    ------
    PackError
        As :func:`load_layout_settings`.
    """
    rows = {key: list(value.items()) if key in ("citations", "basis") and isinstance(value, Mapping) else value
            for key, value in table.items()}
    try:
        settings = TypeAdapter(LayoutSettings).validate_python(rows)
    except ValidationError as error:
        found = describe(error)
        raise PackError(f"[layout]: {found}", f"[layout] 有误：{found}") from error
    problems = [*_out_of_range(settings), *_unfounded(settings)]
    if problems:
        raise PackError("[layout]: " + "; ".join(p.en for p in problems),
                        "[layout] 有误：" + "；".join(p.zh for p in problems))
    return settings


def _merged(shipped: dict[str, Any], own: dict[str, Any]) -> dict[str, Any]:
    """Lay a pack's table over the shipped one; what a replaced value rested on goes with it."""
    replaced = set(own) - set(_PLAIN)
    merged = {**shipped, **{key: own[key] for key in replaced}}
    for key in ("citations", "basis"):
        kept = {k: v for k, v in shipped.get(key, {}).items() if k not in replaced}
        merged[key] = {**kept, **own.get(key, {})}
    unfounded = {k for k in replaced if k not in own.get("citations", {})}
    kept_marks = {k for k in shipped.get("assumed", ()) if k not in merged["citations"]}
    merged["assumed"] = sorted(kept_marks | unfounded | set(own.get("assumed", ())))
    return merged


def _out_of_range(settings: LayoutSettings) -> Iterator[Text]:
    for entry in fields(settings):
        value = getattr(settings, entry.name)
        if entry.name in _PLAIN:
            continue
        least = 0.0 if entry.name in _MAY_BE_ZERO else 1e-9
        if not least <= value < float("inf"):
            yield Text(zh=f"{entry.name} = {value:g} 超出范围", en=f"{entry.name} = {value:g} is out of range")
    if not settings.max_building_density <= 1.0:
        yield Text(zh="max_building_density 不能大于 1", en="max_building_density cannot be above 1")
    if settings.hall_length_m < settings.hall_width_m:
        yield Text(zh="hall_length_m 小于 hall_width_m", en="hall_length_m is less than hall_width_m")
    for name, least in (("pue", 1.0), ("max_yard_aspect", 1.0)):
        if getattr(settings, name) < least:
            yield Text(zh=f"{name} 不能小于 {least:g}", en=f"{name} cannot be below {least:g}")
    if settings.power_factor > 1.0:
        yield Text(zh="power_factor 不能大于 1", en="power_factor cannot be above 1")


def _unfounded(settings: LayoutSettings) -> Iterator[Text]:
    names = [f.name for f in fields(settings) if f.name not in _PLAIN]
    cited = {name for name, _ in settings.citations}
    for name in sorted((cited | {n for n, _ in settings.basis} | set(settings.assumed)) - set(names)):
        yield Text(zh=f"依据所指的 {name} 不存在", en=f"{name} rests on something and is no setting")
    for name in names:
        if (name in cited) == (name in settings.assumed):
            yield Text(zh=f"{name} 须有且仅有条文依据或标注为假定",
                       en=f"{name} needs either a citation or the mark assumed, and not both")
