"""Reads a city pack: one TOML file per city, checked whole and frozen."""

from __future__ import annotations

import difflib
import hashlib
import math
import tomllib
from collections.abc import Iterator, Mapping
from functools import cache
from importlib import resources
from pathlib import Path
from types import ModuleType
from typing import Any

from pydantic import ConfigDict, TypeAdapter, ValidationError

import layers.types
import siting.citation
import siting.network_settings
import siting.pack
import siting.plan_settings
from gis.errors import PackError
from layers.schemas import LAYERS
from siting.citation import Citation
from siting.network_settings import HIGHEST_LEVEL, LOWEST_LEVEL, ComputeHub, NetworkSettings, WorkOrigin
from siting.pack import CityPack
from siting.plan_settings import EdgeSettings

PAIR_TABLES = ("columns", "constants", "options", "properties", "setback_m", "units")
"""Keys whose TOML table becomes a tuple of pairs."""

NESTED_TABLES = ("values",)
"""Keys whose TOML table of tables becomes a tuple of pairs of a key and pairs."""

_SHARED_KEYS = ("documents", "rules")


def _folder(name: str) -> Path:
    return Path(str(resources.files("siting"))) / name


def list_packs() -> tuple[str, ...]:
    """Return the keys of the shipped packs, sorted."""
    return tuple(sorted(p.stem for p in _folder("cities").glob("*.toml")))


@cache
def load_pack(city: str) -> CityPack:
    """Load a shipped pack by its key, or any pack by the path of its TOML file.

    Raises
    ------
    PackError
        The pack is unknown, is not TOML, or breaks its rules; every problem is named.
    """
    path = Path(city) if city.endswith(".toml") else _folder("cities") / f"{city}.toml"
    if not path.is_file():
        near = difflib.get_close_matches(city, list_packs(), n=1)
        hint_en, hint_zh = (f"; did you mean {near[0]!r}?", f"；是否指 {near[0]!r}？") if near else ("", "")
        raise PackError(f"no pack {city!r}; known: {', '.join(list_packs())}{hint_en}",
                        f"没有城市包 {city!r}；可用：{'、'.join(list_packs())}{hint_zh}")
    table, digest = _read(path), hashlib.sha256(path.read_bytes())
    for standard in table.get("standards", []):
        shared = _folder("standards") / f"{standard}.toml"
        if not shared.is_file():
            raise PackError(f"pack {city!r} names an unknown standard {standard!r}",
                            f"城市包 {city!r} 引用了未知标准 {standard!r}")
        digest.update(shared.read_bytes())
        extra = _read(shared)
        for key in _SHARED_KEYS:
            table[key] = [*table.get(key, []), *extra.get(key, [])]
    for spec in table.get("layer_specs", []):
        if spec.get("path"):
            spec["path"] = str(path.parent / spec["path"])
    pack = _validated({**table, "sha256": digest.hexdigest()}, path)
    problems = list(_contradictions(pack))
    if problems:
        raise PackError(f"pack {city!r}: " + "; ".join(problems), f"城市包 {city!r} 有误：" + "；".join(problems))
    return pack


def _read(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise PackError(f"{path.name} is not valid TOML: {error}", f"{path.name} 不是有效的 TOML：{error}") from error


def paired(value: Any) -> Any:
    """Turn the tables named in ``PAIR_TABLES`` and ``NESTED_TABLES`` into lists of pairs, at any depth."""
    if isinstance(value, Mapping):
        return {key: _pairs(key, inner) for key, inner in value.items()}
    return [paired(v) for v in value] if isinstance(value, list) else value


def _pairs(key: str, value: Any) -> Any:
    if not isinstance(value, Mapping):
        return paired(value)
    if key in PAIR_TABLES:
        return list(value.items())
    if key in NESTED_TABLES:
        return [(k, list(v.items()) if isinstance(v, Mapping) else v) for k, v in value.items()]
    return paired(value)


def _validated(table: dict[str, Any], path: Path) -> CityPack:
    try:
        return pack_adapter().validate_python(paired(table))
    except ValidationError as error:
        found = describe(error)
        raise PackError(f"{path.name}: {found}", f"{path.name} 有误：{found}") from error


def describe(error: ValidationError) -> str:
    """Put every problem of a validation into one line: where, then what."""
    return "; ".join(f"{'.'.join(str(p) for p in e['loc'])}: {e['msg']}" for e in error.errors()[:20])


@cache
def pack_adapter() -> TypeAdapter[CityPack]:
    """Return the checker of packs; a key that no type knows is an error."""
    forbid_extra_keys(siting.citation, siting.network_settings, siting.pack, siting.plan_settings, layers.types)
    return TypeAdapter(CityPack)


def forbid_extra_keys(*modules: ModuleType) -> None:
    """Make the checker refuse unknown keys in every dataclass that the modules hold."""
    for noun in (value for module in modules for value in vars(module).values()):
        if isinstance(noun, type) and hasattr(noun, "__dataclass_fields__"):
            setattr(noun, "__pydantic_config__", ConfigDict(extra="forbid"))  # noqa: B010 - no type declares it


def _contradictions(pack: CityPack) -> Iterator[str]:
    yield from _unknown_names(pack)
    if pack.network is not None:
        yield from _bad_network(pack.network)
    yield from _bad_criteria(pack)
    zones = {z.zone_id for z in pack.zones}
    types_known = {t.type_id for t in pack.development_types}
    given = {(p.zone_id, p.development_type) for p in pack.permissions}
    for zone in sorted(zones):
        yield from (f"permission of {kind!r} in zone {zone!r} is missing"
                    for kind in sorted(types_known) if (zone, kind) not in given)
    for name, keys in (("rule", [r.rule_id for r in pack.rules]), ("unit", [u.unit_id for u in pack.units]),
                       ("place", [p.place_id for p in pack.places])):
        yield from (f"{name} {key!r} is there twice" for key in sorted({k for k in keys if keys.count(k) > 1}))
    documents = {d.document_id for d in pack.documents}
    for where, citation, assumed in _citations(pack):
        if citation.document not in documents:
            yield f"{where} cites {citation.document!r}, which is no document of the pack"
        if not citation.quote and not assumed:
            yield f"{where} has no quote and is not marked assumed"


def _unknown_names(pack: CityPack) -> Iterator[str]:
    from siting.exclusions import TESTS, TESTS_WITHOUT_LAYER
    zones = {z.zone_id for z in pack.zones}
    classes = {c.class_id for c in pack.site_classes}
    kinds = {t.type_id for t in pack.development_types}
    yield from (f"unit {u.unit_id!r} is in unknown zone {u.zone_id!r}" for u in pack.units if u.zone_id not in zones)
    yield from (f"class {c.class_id!r} has unknown type {c.development_type!r}" for c in pack.site_classes
                if c.development_type not in kinds)
    yield from (f"default class {c!r} is unknown" for c in pack.default_classes if c not in classes)
    for rule in pack.rules:
        if rule.test not in TESTS:
            yield f"rule {rule.rule_id!r}: unknown test {rule.test!r}; known: {', '.join(TESTS)}"
        elif rule.test not in TESTS_WITHOUT_LAYER and rule.layer not in LAYERS:
            yield f"rule {rule.rule_id!r}: unknown layer {rule.layer!r}"
        yield from (f"rule {rule.rule_id!r}: unknown class {c!r}" for c in rule.site_classes if c not in classes)
    yield from (f"unknown layer {s.name!r}" for s in pack.layer_specs if s.name not in LAYERS)
    if pack.edge is not None:
        yield from (f"unknown host layer {h.layer!r}" for h in pack.edge.host_kinds if h.layer not in LAYERS)
        yield from (f"setback of hosts from unknown layer {s.layer!r}" for s in pack.edge.setbacks
                    if s.layer not in LAYERS)
    if pack.network is not None:
        yield from _unknown_in_network(pack.network, {u.unit_id for u in pack.units})
    if pack.capacity is not None:
        targets, units = {t.target_id for t in pack.targets}, {u.unit_id for u in pack.units}
        yield from (f"capacity is for unknown class {c!r}" for c in [pack.capacity.site_class] if c not in classes)
        yield from (f"reading {r.reading_id!r} is of unknown target {r.target_id!r}" for r in pack.capacity.readings
                    if r.target_id not in targets)
        yield from (f"capacity limit of unknown zone {m.zone_id!r}" for m in pack.capacity.limits
                    if m.zone_id not in zones)
        yield from (f"known share of unknown unit {k.unit_id!r}" for k in pack.capacity.known_shares
                    if k.unit_id not in units)


def _unknown_in_network(network: NetworkSettings, units: set[str]) -> Iterator[str]:
    kinds, regions = {w.workload_id for w in network.workloads}, {r.region_id for r in network.regions}
    for hub in network.hubs:
        yield from (f"hub {hub.hub_id!r} takes unknown work {w!r}" for w in hub.workloads if w not in kinds)
        if hub.region_id and hub.region_id not in regions:
            yield f"hub {hub.hub_id!r} is in unknown region {hub.region_id!r}"
    for region in network.regions:
        yield from (f"region {region.region_id!r} has unknown unit {u!r}" for u in region.unit_ids if u not in units)
        if region.max_clusters < 1:
            yield f"region {region.region_id!r} may have {region.max_clusters} clusters; at least 1 is meant"
    for origin in network.origins:
        yield from (f"origin {origin.origin_id!r} has unknown work {w!r}" for w in origin.workloads if w not in kinds)
    claimed = [u for r in network.regions for u in r.unit_ids]
    yield from (f"unit {u!r} is in two regions" for u in sorted({u for u in claimed if claimed.count(u) > 1}))


def _bad_network(network: NetworkSettings) -> Iterator[str]:
    nouns: tuple[tuple[str, list[str]], ...] = (
        ("kind of work", [w.workload_id for w in network.workloads]), ("hub", [h.hub_id for h in network.hubs]),
        ("origin", [o.origin_id for o in network.origins]), ("region", [r.region_id for r in network.regions]))
    for noun, keys in nouns:
        yield from (f"{noun} {key!r} is there twice" for key in sorted({k for k in keys if keys.count(k) > 1}))
    yield from (f"the network has no {noun}" for noun, keys in nouns[:3] if not keys)
    low, usual, high = network.route_factors
    if not 1.0 <= low <= usual <= high:
        yield "route factors of the network must rise from the good route to the poor one, none below 1"
    if network.n_hops < 0:
        yield f"the network has {network.n_hops} hops; 0 is the least"
    limits = [math.inf if w.max_latency_ms is None else w.max_latency_ms for w in network.workloads]
    if limits != sorted(limits) or min(limits, default=1.0) <= 0.0:
        yield "limits of the kinds of work must be above 0 ms and rise: the most urgent work comes first"
    places: tuple[ComputeHub | WorkOrigin, ...] = (*network.hubs, *network.origins)
    for place in places:
        if not (abs(place.lon) <= 180.0 and abs(place.lat) <= 90.0 and place.error_radius_km >= 0.0):
            yield f"{place.title.en!r} of the network has no place on earth, or a negative error radius"
    for hub in network.hubs:
        if hub.renewable_level is not None and not LOWEST_LEVEL <= hub.renewable_level <= HIGHEST_LEVEL:
            yield (f"hub {hub.hub_id!r} has renewable level {hub.renewable_level}; "
                   f"it runs from {LOWEST_LEVEL} to {HIGHEST_LEVEL}")
        if hub.kind == "cluster" and network.regions and not hub.region_id:
            yield f"hub {hub.hub_id!r} is a cluster and names no region"
    for region in network.regions:
        n_clusters = sum(h.kind == "cluster" and h.region_id == region.region_id for h in network.hubs)
        if n_clusters > region.max_clusters:
            yield f"region {region.region_id!r} has {n_clusters} clusters and may have {region.max_clusters}"


def _bad_criteria(pack: CityPack) -> Iterator[str]:
    from siting.criteria import MEASURES
    for criterion in pack.criteria:
        where = f"criterion {criterion.criterion_id!r} of class {criterion.site_class!r}"
        measure = MEASURES.get(criterion.criterion_id)
        if measure is None:
            yield f"{where} is unknown; known: {', '.join(MEASURES)}"
            continue
        if (criterion.unit, criterion.objective) != (measure.unit, measure.objective):
            yield f"{where} must be {measure.objective} in {measure.unit!r}"
        if criterion.worst == criterion.best or (criterion.best > criterion.worst) != (criterion.objective == "MAX"):
            yield f"{where}: worst and best disagree with {criterion.objective}"
    for site_class in pack.site_classes:
        weights = [c.weight for c in pack.criteria_for(site_class.class_id)]
        if min(weights, default=0.0) < 0 or abs(sum(weights) - 1.0) > 1e-9:
            yield f"weights of class {site_class.class_id!r} sum to {sum(weights):.6f}, not 1"


def _citations(pack: CityPack) -> Iterator[tuple[str, Citation, bool]]:
    """Yield every citation of a pack: where it stands, itself, and whether its rule is marked assumed."""
    for zone in pack.zones:
        yield f"zone {zone.zone_id!r}", zone.citation, False
    for unit in pack.units:
        yield f"unit {unit.unit_id!r}", unit.citation, False
    for permission in pack.permissions:
        where = f"permission of {permission.development_type!r} in {permission.zone_id!r}"
        yield where, permission.citation, permission.assumed
    for rule in pack.rules:
        yield f"rule {rule.rule_id!r}", rule.citation, rule.assumed
    for criterion in pack.criteria:
        where = f"criterion {criterion.criterion_id!r} of {criterion.site_class!r}"
        yield where, criterion.citation, criterion.assumed
    for site_class in pack.site_classes:
        yield f"class {site_class.class_id!r}", site_class.citation, bool(site_class.assumed)
        yield f"PUE of class {site_class.class_id!r}", site_class.pue_citation, "pue_max" in site_class.assumed
    for target in pack.targets:
        yield f"target {target.target_id!r}", target.citation, False
    for retrofit in pack.retrofit_rules:
        yield f"retrofit rule {retrofit.rule_id!r}", retrofit.citation, False
    if pack.edge is not None:
        yield from _edge_citations(pack.edge)
    if pack.network is not None:
        yield from _network_citations(pack.network)
    if pack.capacity is not None:
        yield "capacity settings", pack.capacity.citation, False
        for reading in pack.capacity.readings:
            yield f"reading {reading.reading_id!r}", reading.citation, False
        for limit in pack.capacity.limits:
            yield f"capacity limit of {limit.zone_id!r}", limit.citation, limit.assumed
        for known in pack.capacity.known_shares:
            yield f"known share of {known.unit_id!r}", known.citation, False


def _edge_citations(edge: EdgeSettings) -> Iterator[tuple[str, Citation, bool]]:
    for host in edge.host_kinds:
        yield f"host {host.layer!r}", host.citation, host.assumed
    for setback in edge.setbacks:
        yield f"setback of hosts from {setback.layer!r}", setback.citation, setback.assumed
    yield "edge settings", edge.citation, bool(edge.assumed)
    if edge.three_in_one is not None:
        yield "three-in-one stations", edge.three_in_one, False


def _network_citations(network: NetworkSettings) -> Iterator[tuple[str, Citation, bool]]:
    yield "network", network.citation, False
    for work in network.workloads:
        yield f"work {work.workload_id!r}", work.citation, work.assumed
    for hub in network.hubs:
        yield f"hub {hub.hub_id!r}", hub.citation, bool(hub.assumed)
        yield f"work of hub {hub.hub_id!r}", hub.clause, "workloads" in hub.assumed
    for origin in network.origins:
        yield f"origin {origin.origin_id!r}", origin.citation, bool(origin.assumed)
    for region in network.regions:
        yield f"region {region.region_id!r}", region.citation, bool(region.assumed)
