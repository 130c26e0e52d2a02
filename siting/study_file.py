"""Reads a study file: what a planner asks, in TOML."""

from __future__ import annotations

import difflib
import hashlib
import sys
import tomllib
from dataclasses import dataclass, field, fields
from datetime import date as dates
from fractions import Fraction
from functools import cache
from pathlib import Path
from typing import Any, Literal

from pydantic import TypeAdapter, ValidationError

import layers.types
import siting.citation
import siting.pack
import siting.plan_settings
import siting.types
from gis.errors import UsageError
from layers.schemas import LAYERS
from layers.types import LayerSpec
from siting.city_pack import describe, forbid_extra_keys, load_pack, paired
from siting.pack import CandidateKind
from siting.plan_settings import BlockSettings, ZoneQuota
from siting.types import ExpertJudgements, Study, Weighting

ABSENT = "none"
"""The source of a layer that the study does not want."""


@dataclass(frozen=True, slots=True)
class EdgeTable:
    """Table ``[edge]`` of a study file."""

    n_facilities: int | None = None
    service_radius_m: float | None = None
    spacing_m: float | None = None
    quotas: dict[str, tuple[int, int]] | None = None
    """Fewest and most edge centres by zone."""
    backup: tuple[str, ...] = ()
    """Demand points that two centres must reach."""
    distance: Literal["straight", "roads", "fibre_routes"] = "straight"


@dataclass(frozen=True, slots=True)
class CapacityTable:
    """Table ``[capacity]`` of a study file."""

    years: dict[str, float] = field(default_factory=dict)
    """Year to the share of the target that must stand by then."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WeightingTable:
    """Table ``[weighting.CLASS]`` of a study file."""

    method: Literal["ahp", "best_worst", "entropy", "critic", "mix"]
    judgements: dict[str, dict[str, float | str]] = field(default_factory=dict)
    """Expert to "a / b" to how many times more a matters than b."""
    best: str = ""
    worst: str = ""
    best_over: dict[str, float] = field(default_factory=dict)
    over_worst: dict[str, float] = field(default_factory=dict)
    shares: dict[str, float] = field(default_factory=dict)
    strict: bool = False
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class StudyTable:
    """A study file as it is written."""

    city: str
    name: str = ""
    candidates: CandidateKind | None = None
    """None for what the pack scores."""
    grid_size_m: float | None = None
    blocks: BlockSettings = field(default_factory=BlockSettings)
    classes: tuple[str, ...] = ()
    n_top: int = 20
    n_parcels: int = 4000
    seed: int = 20260101
    date: str = ""
    layers: dict[str, Any] = field(default_factory=dict)
    weights: dict[str, dict[str, float]] = field(default_factory=dict)
    weighting: dict[str, WeightingTable] = field(default_factory=dict)
    mitigations: dict[str, str] = field(default_factory=dict)
    edge: EdgeTable = field(default_factory=EdgeTable)
    capacity: CapacityTable = field(default_factory=CapacityTable)
    allow_outside: bool = False
    """Layers may lie outside the study's folder."""


@cache
def _adapters() -> tuple[TypeAdapter[StudyTable], TypeAdapter[LayerSpec]]:
    forbid_extra_keys(layers.types, siting.plan_settings, siting.types, sys.modules[__name__])
    return TypeAdapter(StudyTable), TypeAdapter(LayerSpec)


def default_study(city: str) -> Study:
    """Return the study that runs a city on its embedded default.

    Raises
    ------
    PackError
        No such city.
    """
    return Study(name=city, city=city, candidates=load_pack(city).candidates)


def read_study(path: Path) -> Study:
    """Read a study file; paths in it count from its folder.

    Raises
    ------
    UsageError
        The file is missing, is not TOML, or holds keys or values that mean nothing; all are named.
    PackError
        The city is unknown, and the study leaves to it what is scored.
    """
    if not path.is_file():
        raise UsageError(f"no study file {path}; write one or name a city (suanzhi cities)",
                         f"没有方案文件 {path}；请编写方案文件或直接给出城市名（见 suanzhi cities）")
    content = path.read_bytes()
    try:
        raw = tomllib.loads(content.decode("utf-8-sig"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UsageError(f"{path.name} is not valid TOML in UTF-8: {error}",
                         f"{path.name} 不是有效的 UTF-8 TOML 文件：{error}") from error
    table = _checked(_adapters()[0], {**raw, "blocks": paired(raw.get("blocks", {}))}, path)
    specs, omitted = _specs(table, path)
    city = _city(table.city, path)
    return Study(
        name=table.name or path.stem, city=city, candidates=table.candidates or load_pack(city).candidates,
        grid_size_m=table.grid_size_m, blocks=table.blocks,
        classes=table.classes, n_top=table.n_top, n_parcels=table.n_parcels, seed=table.seed, layer_specs=specs,
        omitted_layers=omitted,
        weights=tuple((c, k, w) for c, own in table.weights.items() for k, w in own.items()),
        weighting=_weighting(table, path), mitigations=tuple(table.mitigations.items()),
        n_facilities=table.edge.n_facilities,
        service_radius_m=table.edge.service_radius_m, edge_spacing_m=table.edge.spacing_m,
        edge_quotas=_quotas(table.edge), backup_demand=table.edge.backup, edge_distance=table.edge.distance,
        capacity_years=_years(table.capacity, path), date=_date(table.date, path), path=str(path),
        sha256=hashlib.sha256(content).hexdigest(),
    )


def _weighting(table: StudyTable, path: Path) -> tuple[Weighting, ...]:
    twice = sorted(set(table.weights) & set(table.weighting))
    if twice:
        raise UsageError(f"{path.name}: class {twice[0]!r} has both [weights] and [weighting]; keep one",
                         f"{path.name}：类别 {twice[0]!r} 同时有 [weights] 与 [weighting]；请只保留一个")
    return tuple(Weighting(
        class_id=class_id, method=own.method,
        experts=tuple(ExpertJudgements(expert=name, pairs=tuple(_judgement(pair, ratio, path)
                                                                for pair, ratio in judged.items()))
                      for name, judged in own.judgements.items()),
        best=own.best, worst=own.worst, best_over=tuple(own.best_over.items()),
        over_worst=tuple(own.over_worst.items()), shares=tuple(own.shares.items()), strict=own.strict,
        reason=own.reason) for class_id, own in table.weighting.items())


def _judgement(pair: str, ratio: float | str, path: Path) -> tuple[str, str, float]:
    """Read ``"a / b" = 3`` or ``"a / b" = "1/3"``."""
    names = [name.strip() for name in pair.split("/")]
    try:
        value = float(Fraction(ratio))
    except (ValueError, ZeroDivisionError):
        value = 0.0
    if len(names) != 2 or not all(names) or value <= 0:
        raise UsageError(f'{path.name}: judgement {pair!r} = {ratio!r} cannot be read; write "a / b" = 3 or "1/3"',
                         f'{path.name}：判断 {pair!r} = {ratio!r} 无法识别；写法如 "a / b" = 3 或 "1/3"')
    return names[0], names[1], value


def _date(given: str, path: Path) -> str:
    try:
        return dates.fromisoformat(given).isoformat() if given else ""
    except ValueError as error:
        raise UsageError(f'{path.name}: date {given!r} is no date; write it like date = "2026-03-31"',
                         f'{path.name}：date {given!r} 不是日期；写法如 date = "2026-03-31"') from error


def _quotas(table: EdgeTable) -> tuple[ZoneQuota, ...] | None:
    if table.quotas is None:
        return None
    return tuple(ZoneQuota(zone_id=zone, min_sites=least, max_sites=most)
                 for zone, (least, most) in table.quotas.items())


def _years(table: CapacityTable, path: Path) -> tuple[tuple[int, float], ...]:
    years = sorted((int(year), share) for year, share in table.years.items() if year.isdigit())
    shares = [share for _, share in years]
    if len(years) != len(table.years) or shares != sorted(shares) or (shares and not 0 < shares[-1] <= 1):
        raise UsageError(f"{path.name}: capacity.years must give shares of the target that rise to at most 1, such as "
                         "2024 = 0.5, 2025 = 1.0",
                         f"{path.name}：capacity.years 应按年份给出逐年上升、不超过 1 的目标占比，"
                         "如 2024 = 0.5，2025 = 1.0")
    return tuple(years)


def read_weights(path: Path) -> tuple[tuple[str, str, float], ...]:
    """Read a file of weights alone, as the map's weight panel saves it: tables ``[weights.CLASS]``.

    Raises
    ------
    UsageError
        The file is missing, is not TOML, or holds anything else.
    """
    try:
        raw = tomllib.loads(path.read_text(encoding="utf-8-sig"))
    except OSError as error:
        raise UsageError(f"no file of weights {path}", f"没有权重文件 {path}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UsageError(f"{path.name} is not valid TOML in UTF-8: {error}",
                         f"{path.name} 不是有效的 UTF-8 TOML 文件：{error}") from error
    if set(raw) != {"weights"} or not raw["weights"]:
        raise UsageError(f"{path.name} must hold tables [weights.CLASS] and nothing else",
                         f"{path.name} 只能包含 [weights.类别] 表")
    table = _checked(TypeAdapter(dict[str, dict[str, float]]), raw["weights"], path, "weights.")
    return tuple((c, k, w) for c, own in table.items() for k, w in own.items())


def _city(given: str, path: Path) -> str:
    """Return the key of a shipped pack, or the path of an own one, which counts from the study's folder."""
    return str(path.parent / given) if given.endswith(".toml") else given


def _checked(adapter: TypeAdapter[Any], value: Any, path: Path, where: str = "") -> Any:
    try:
        return adapter.validate_python(value)
    except ValidationError as error:
        found = where + describe(error)
        raise UsageError(f"{path.name}: {found}", f"{path.name} 有误：{found}") from error


def _specs(table: StudyTable, path: Path) -> tuple[tuple[LayerSpec, ...], tuple[str, ...]]:
    """Turn ``[layers.X]`` (or ``[[layers.X]]`` for several sources) into specs and the names not wanted."""
    specs: list[LayerSpec] = []
    omitted: list[str] = []
    for name, given in table.layers.items():
        if name not in LAYERS:
            near = difflib.get_close_matches(name, LAYERS, n=1)
            raise UsageError(
                f"{path.name}: unknown layer {name!r}" + (f"; did you mean {near[0]!r}?" if near else "")
                + f" Known: {', '.join(LAYERS)}",
                f"{path.name}：未知图层 {name!r}" + (f"；是否指 {near[0]!r}？" if near else "")
                + f" 可用：{'、'.join(LAYERS)}")
        for part in given if isinstance(given, list) else [given]:
            spec = _spec(name, part, path, table.allow_outside)
            if spec.source == ABSENT:
                omitted.append(name)
            else:
                specs.append(spec)
    return tuple(specs), tuple(omitted)


def _spec(name: str, part: Any, path: Path, allow_outside: bool) -> LayerSpec:
    if not isinstance(part, dict):
        raise UsageError(f"{path.name}: layers.{name} must be a table",
                         f"{path.name}：layers.{name} 必须是一个表")
    known = {f.name for f in fields(LayerSpec)}
    odd = [key for key in part if key not in known or key == "name"]
    if odd:
        near = difflib.get_close_matches(odd[0], known - {"name"}, n=1)
        raise UsageError(
            f"{path.name}: layers.{name} has unknown key {odd[0]!r}" + (f"; did you mean {near[0]!r}?" if near else ""),
            f"{path.name}：layers.{name} 有未知键 {odd[0]!r}" + (f"；是否指 {near[0]!r}？" if near else ""))
    table = {"source": "raster_file" if LAYERS[name].is_raster else "vector_file", **part, "name": name}
    if table.get("path"):
        table["path"] = str(_inside(path.parent / str(table["path"]), path, name, allow_outside))
    elif table["source"] in ("vector_file", "raster_file"):
        raise UsageError(f'{path.name}: layers.{name} needs a path (or source = "demo", "none")',
                         f'{path.name}：layers.{name} 缺少 path（或写 source = "demo"、"none"）')
    spec: LayerSpec = _checked(_adapters()[1], paired(table), path, f"layers.{name}: ")
    return spec


def _inside(file: Path, study: Path, layer: str, allow_outside: bool) -> Path:
    """Return ``file`` unless it leads out of the study's folder, by ``..``, a link or an absolute path.

    A study that is handed on must not quietly read what lies elsewhere on the machine that runs it.
    """
    if not allow_outside and not file.resolve().is_relative_to(study.parent.resolve()):
        raise UsageError(
            f"{study.name}: layers.{layer}.path leads outside the folder of the study ({file.name}); "
            "move the file there, or write allow_outside = true at the top of the study",
            f"{study.name}：layers.{layer}.path 指向方案文件夹之外（{file.name}）；"
            "请把文件移入该文件夹，或在方案开头写 allow_outside = true")
    return file
