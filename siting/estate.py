"""What must become of the data centres that exist: by clause, by date, and what it releases.

For each centre the clauses of the pack (``retrofit_rules``) are asked one by one
(:func:`siting.estate_rules.match`). Of those that hold, a clause that names the centre comes first,
then closing, moving away, turning into an edge centre, merging, retrofitting. A clause that is open for want of
a value and would come before the one that holds leaves the centre undecided, and the value is named.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any, Literal

import geopandas as gpd
import numpy as np
import pandas as pd
import shapely

from gis.bilingual import Text
from gis.errors import SchemaError
from siting.estate_rules import Centre, Match, match
from siting.pack import CityPack, NamedPlace, RetrofitRule

Decision = Literal["keep", "retrofit", "migrate", "merge", "convert_to_edge", "close", "undecided"]

DECISIONS: tuple[Decision, ...] = ("keep", "retrofit", "migrate", "merge", "convert_to_edge", "close", "undecided")
"""In the order of tables."""

PLAN_COLUMNS = ["data_centre_id", "name", "decision", "rule_id", "clause", "is_voluntary", "deadline", "is_overdue",
                "zone_id", "rack_count", "it_load_kw", "pue", "pue_target", "racks_released", "it_load_released_kw",
                "site_load_released_kw", "target_zone", "target_unit", "target_distance_m", "missing", "reasons_zh",
                "reasons_en", "certainty", "geometry"]
LIST_COLUMNS = ["rule_id", "action", "clause", "data_centre_id", "name", "status", "missing"]

_PRECEDENCE: tuple[Decision, ...] = ("close", "migrate", "convert_to_edge", "merge", "retrofit")
_LISTING = ("list", "assess", "audit")
_FREEING = ("close", "migrate", "merge")
_PERMITTED = ("favoured", "allowed")
_MOVES_TO: Mapping[str, str] = {"enterprise_legacy": "large_compute"}
"""Type that takes over the load of one that moves; others stay what they are (Z-26: to internet data centres)."""

DECISION_WORDS: Mapping[str, Text] = {
    "keep": Text(zh="保留", en="keep"), "retrofit": Text(zh="改造", en="retrofit"),
    "migrate": Text(zh="业务迁移后关闭", en="move its load and close"), "merge": Text(zh="整合", en="merge"),
    "convert_to_edge": Text(zh="转为边缘数据中心", en="turn into an edge centre"),
    "close": Text(zh="关闭", en="close"), "undecided": Text(zh="无法判定", en="cannot be decided"),
}
_FIELDS: Mapping[str, Text] = {
    "position": Text(zh="准确位置", en="an exact position"),
    "development_type": Text(zh="数据中心类型", en="the kind of data centre"), "pue": Text(zh="PUE", en="the PUE"),
    "rack_count": Text(zh="机架数", en="the racks"), "it_load_kw": Text(zh="IT设计功率", en="the IT load by design"),
    "server_count": Text(zh="服务器数", en="the servers"),
    "energy_tce": Text(zh="年综合能耗（吨标准煤）", en="the energy of a year (tonnes of coal equivalent)"),
}


@dataclass(frozen=True, eq=False, kw_only=True)
class EstatePlan:
    """What must become of each existing data centre."""

    on: date
    """Date at which deadlines are judged."""
    centres: gpd.GeoDataFrame
    """data_centre_id, name, decision, rule_id, clause, is_voluntary, deadline (ISO date or empty), is_overdue, zone_id
    (where one is certain), rack_count, it_load_kw, pue, pue_target, racks_released, it_load_released_kw,
    site_load_released_kw (NaN where unknown), target_zone, target_unit, target_distance_m, missing (fields, by
    comma), reasons_zh, reasons_en, certainty, geometry."""
    lists: pd.DataFrame
    """rule_id, action (list, assess, audit), clause, data_centre_id, name, status (listed, undecided), missing."""
    totals: pd.DataFrame
    """decision, n_centres, racks, n_racks_unknown, it_load_kw, n_it_load_unknown, racks_released,
    it_load_released_kw, site_load_released_kw: sums over what is known."""

    def list_of(self, rule_id: str) -> pd.DataFrame:
        """Return one list: the centres that stand on it and those that cannot be told."""
        return self.lists[self.lists["rule_id"] == rule_id].reset_index(drop=True)


@dataclass(frozen=True, slots=True)
class _Verdict:
    decision: Decision
    rule: RetrofitRule | None = None
    held: tuple[RetrofitRule, ...] = ()
    """Clauses of the same action that hold as well; the rule among them."""
    open_rules: tuple[RetrofitRule, ...] = ()
    missing: tuple[str, ...] = ()
    note: Text | None = None


@dataclass(frozen=True, slots=True)
class _Target:
    zone_id: str = ""
    unit_id: str = ""
    distance_m: float = math.nan


def assess_estate(data_centres: gpd.GeoDataFrame, units: gpd.GeoDataFrame, pack: CityPack, *,
                  on: date) -> EstatePlan:
    """Decide what must become of each existing data centre.

    Parameters
    ----------
    data_centres
        Layer ``data_centres`` in the metric CRS. Columns used where they are there: ``name``,
        ``development_type``, ``pue``, ``rack_count`` (physical racks), ``it_load_kw`` (by design),
        ``server_count``, ``energy_tce`` (a year), ``error_radius_km``, ``commissioned``, ``certainty``.
    units
        Units of the plan (:func:`siting.zones.build_units`).
    pack
        City pack with its ``retrofit_rules``.
    on
        Date of the study: deadlines before it have passed.

    Raises
    ------
    SchemaError
        The layer has no ids, or a type that the pack does not know.
    """
    _check(data_centres, pack)
    rows, listed = [], []
    records = data_centres.drop(columns=data_centres.geometry.name).to_dict("records")
    for record, geometry in zip(records, data_centres.geometry, strict=True):
        point = geometry.representative_point()
        centre = _centre(record, point, units, pack)
        matches = [(rule, match(rule, centre, on)) for rule in pack.retrofit_rules]
        listed += list(_listed(record, matches))
        verdict = _decide(record, centre, matches, pack, on)
        target = _target(verdict, centre, point, units, pack)
        rows.append(_row(record, centre, verdict, target, on) | {"geometry": geometry})
    frame = gpd.GeoDataFrame(pd.DataFrame(rows, columns=PLAN_COLUMNS), geometry="geometry", crs=data_centres.crs)
    lists = pd.DataFrame(listed, columns=LIST_COLUMNS).sort_values("rule_id", kind="stable", ignore_index=True)
    return EstatePlan(on=on, centres=frame, lists=lists, totals=_totals(frame))


def _check(data_centres: gpd.GeoDataFrame, pack: CityPack) -> None:
    if "data_centre_id" not in data_centres.columns:
        raise SchemaError("layer 'data_centres' has no column data_centre_id",
                          "图层 'data_centres' 缺少字段 data_centre_id")
    known = {t.type_id for t in pack.development_types}
    given = {_text(v) for v in data_centres.get("development_type", pd.Series(dtype=object))} - {""}
    if given - known:
        odd, names = ", ".join(sorted(given - known)), ", ".join(sorted(known))
        raise SchemaError(f"layer 'data_centres': unknown development_type {odd}; known: {names}",
                          f"图层 'data_centres'：未知的 development_type {odd}；可用：{names}")


def _text(value: Any) -> str:
    return "" if value is None or value is pd.NaT or (isinstance(value, float) and math.isnan(value)) else str(value)


def _number(record: Mapping[str, Any], name: str) -> float:
    """Return a quantity; NaN where it is missing or no possible one."""
    given: Any = record.get(name)
    value = math.nan if given is None else pd.to_numeric(given, errors="coerce")
    known = not pd.isna(value) and value >= (1.0 if name == "pue" else 0.0)
    return float(value) if known else math.nan


def _centre(record: Mapping[str, Any], point: shapely.Point, units: gpd.GeoDataFrame, pack: CityPack) -> Centre:
    place = next((p for p in pack.places if p.place_id == _text(record["data_centre_id"])), None)
    racks = _number(record, "rack_count")
    if math.isnan(racks) and place is not None and place.racks is not None:
        racks = place.racks  # the plan publishes them
    return Centre(
        data_centre_id=_text(record["data_centre_id"]), zone_ids=_zones(record, place, point, units, pack),
        development_type=_text(record.get("development_type")), pue=_number(record, "pue"),
        rack_count=racks, it_load_kw=_number(record, "it_load_kw"),
        server_count=_number(record, "server_count"), energy_tce=_number(record, "energy_tce"),
        standard_rack_kw=pack.standard_rack_kw,
    )


def _zones(record: Mapping[str, Any], place: NamedPlace | None, point: shapely.Point, units: gpd.GeoDataFrame,
           pack: CityPack) -> tuple[str, ...]:
    """Return the zones that a centre may lie in: the one that the plan states, else all within its error."""
    stated = next((u.zone_id for u in pack.units if place is not None and u.unit_id == place.unit_id), None)
    if stated is not None:
        return (stated,)
    error_m = _number(record, "error_radius_km") * 1e3
    reach = point if math.isnan(error_m) or error_m == 0.0 else point.buffer(error_m)
    met = shapely.intersects(np.asarray(units.geometry.array, dtype=object), reach)
    return tuple(dict.fromkeys(str(z) for z in units["zone_id"][met]))


def _listed(record: Mapping[str, Any], matches: list[tuple[RetrofitRule, Match]]) -> Iterator[dict[str, Any]]:
    for rule, found in matches:
        if rule.action in _LISTING and found.holds is not False:
            yield {"rule_id": rule.rule_id, "action": rule.action, "clause": _clause(rule),
                   "data_centre_id": _text(record["data_centre_id"]), "name": _text(record.get("name")),
                   "status": "listed" if found.holds else "undecided", "missing": ",".join(found.missing)}


def _clause(rule: RetrofitRule) -> str:
    ids = f" ({', '.join(rule.citation.ids)})" if rule.citation.ids else ""
    return f"{rule.citation.document} {rule.citation.heading}{ids}"


def _decide(record: Mapping[str, Any], centre: Centre, matches: list[tuple[RetrofitRule, Match]], pack: CityPack,
            on: date) -> _Verdict:
    given: Any = record.get("commissioned")
    commissioned = pd.to_datetime(given, errors="coerce")
    if not pd.isna(commissioned) and commissioned.date() > on:
        return _Verdict("keep", note=Text(zh="尚未投运，按新建要求执行",
                                          en="not in use yet: the limits of new building apply"))
    if not centre.zone_ids:
        return _Verdict("undecided", missing=("position",), note=Text(
            zh="位置不在规划的任何单元内", en="it lies in no unit of the plan"))
    acting = [(rule, _edge_fits(rule, found, centre, pack)) for rule, found in matches
              if rule.action in _PRECEDENCE and not rule.is_standard]
    named = [rule for rule, found in acting if found.holds and found.is_named]
    held = [rule for rule, found in acting if found.holds]
    first = min([*named, *([] if named else held)], key=_rank, default=None)
    # A named centre is settled by its own clause; else any open clause that would come first leaves it open.
    open_rules = [] if named else [(rule, found) for rule, found in acting if found.holds is None
                                   and (first is None or _rank(rule) < _rank(first))]
    if open_rules:
        missing = tuple(dict.fromkeys(field for _, found in open_rules for field in found.missing))
        otherwise = DECISION_WORDS[_as_decision(first) if first else "keep"]
        return _Verdict("undecided", open_rules=tuple(r for r, _ in open_rules), missing=missing, note=Text(
            zh=f"若均不适用：{otherwise.zh}", en=f"if none of these holds: {otherwise.en}"))
    if first is None:
        return _Verdict("keep")
    same = tuple(rule for rule in held if rule.action == first.action)
    return _Verdict(_as_decision(first), _soonest(first, same), same)


def _as_decision(rule: RetrofitRule) -> Decision:
    return next(d for d in _PRECEDENCE if d == rule.action)


def _rank(rule: RetrofitRule) -> int:
    return _PRECEDENCE.index(_as_decision(rule))


def _soonest(first: RetrofitRule, same: tuple[RetrofitRule, ...]) -> RetrofitRule:
    """Return the clause with the first deadline; one that forces comes before one that encourages."""
    return min(same, key=lambda r: (r.is_voluntary, r.deadline or "9999", r is not first))


def _edge_fits(rule: RetrofitRule, found: Match, centre: Centre, pack: CityPack) -> Match:
    """Narrow a clause on turning into an edge centre: permitted in every zone it may lie in, and not above its size."""
    if rule.action != "convert_to_edge" or found.holds is False:
        return found
    permitted = [_is_permitted(pack, zone, "edge") for zone in centre.zone_ids]
    too_large = pack.edge is not None and centre.it_load_kw > pack.edge.it_load_kw
    if not any(permitted) or too_large:
        return Match(False)
    missing = (*(() if all(permitted) else ("position",)),
               *(("it_load_kw",) if math.isnan(centre.it_load_kw) else ()))
    return Match(None, (*found.missing, *missing)) if missing or found.holds is None else found


def _is_permitted(pack: CityPack, zone_id: str, development_type: str) -> bool:
    return any(p.zone_id == zone_id and p.development_type == development_type and p.permission in _PERMITTED
               for p in pack.permissions)


def _target(verdict: _Verdict, centre: Centre, point: shapely.Point, units: gpd.GeoDataFrame,
            pack: CityPack) -> _Target:
    """Find the nearest unit whose zone permits the load that moves; none where no zone does."""
    if verdict.decision not in _FREEING or not centre.development_type:
        return _Target()
    moved = _MOVES_TO.get(centre.development_type, centre.development_type)
    permitted = np.array([_is_permitted(pack, str(zone), moved) for zone in units["zone_id"]], dtype=bool)
    if not permitted.any():
        return _Target()
    distance = np.where(permitted, np.round(shapely.distance(np.asarray(units.geometry.array, dtype=object), point), 1),
                        np.inf)
    nearest = int(np.argmin(distance))
    return _Target(str(units["zone_id"].iloc[nearest]), str(units["unit_id"].iloc[nearest]), float(distance[nearest]))


def _row(record: Mapping[str, Any], centre: Centre, verdict: _Verdict, target: _Target,
         on: date) -> dict[str, Any]:
    rule, decision = verdict.rule, verdict.decision
    targets = [r.pue_target for r in verdict.held if r.pue_target is not None]
    pue_target = min(targets) if targets else math.nan
    frees = decision in _FREEING
    unknown_or_none = math.nan if decision == "undecided" else 0.0
    saved = centre.it_load_kw * max(centre.pue - pue_target, 0.0) if decision == "retrofit" and targets else math.nan
    deadline = rule.deadline if rule is not None else ""
    reasons = list(_reasons(centre, verdict, target, on))
    return {
        "data_centre_id": centre.data_centre_id, "name": _text(record.get("name")), "decision": decision,
        "rule_id": rule.rule_id if rule else "", "clause": _clause(rule) if rule else "",
        "is_voluntary": bool(rule and rule.is_voluntary), "deadline": deadline,
        "is_overdue": bool(deadline) and date.fromisoformat(deadline) < on,
        "zone_id": centre.zone_ids[0] if len(centre.zone_ids) == 1 else "",
        "rack_count": centre.rack_count, "it_load_kw": centre.it_load_kw, "pue": centre.pue,
        "pue_target": pue_target, "racks_released": centre.rack_count if frees else unknown_or_none,
        "it_load_released_kw": centre.it_load_kw if frees else unknown_or_none,
        "site_load_released_kw": round(centre.it_load_kw * centre.pue, 3) if frees else (
            round(saved, 3) if decision == "retrofit" else unknown_or_none),
        "target_zone": target.zone_id, "target_unit": target.unit_id, "target_distance_m": target.distance_m,
        "missing": ",".join(verdict.missing), "reasons_zh": "；".join(r.zh for r in reasons),
        "reasons_en": "; ".join(r.en for r in reasons), "certainty": _text(record.get("certainty")) or "approximate",
    }


def _reasons(centre: Centre, verdict: _Verdict, target: _Target, on: date) -> Iterator[Text]:
    title = DECISION_WORDS[verdict.decision]
    yield title
    for rule in verdict.held:
        quote = f"“{rule.citation.quote}”"
        yield Text(zh=f"{rule.title.zh}：{quote}（{_clause(rule)}）", en=f"{rule.title.en}: {quote} ({_clause(rule)})")
    if verdict.missing:
        yield Text(zh="缺少" + "、".join(_FIELDS[m].zh for m in verdict.missing),
                   en="missing: " + ", ".join(_FIELDS[m].en for m in verdict.missing))
    for rule in verdict.open_rules:
        yield Text(zh=f"未能排除：{rule.title.zh}（{_clause(rule)}）",
                   en=f"cannot be ruled out: {rule.title.en} ({_clause(rule)})")
    if verdict.note is not None:
        yield verdict.note
    if verdict.rule is not None and verdict.rule.is_voluntary:
        yield Text(zh="条文为支持、鼓励，非强制", en="the clause supports or encourages and forces nobody")
    if verdict.rule is not None and verdict.rule.deadline and date.fromisoformat(verdict.rule.deadline) < on:
        yield Text(zh=f"期限 {verdict.rule.deadline} 已过", en=f"the deadline {verdict.rule.deadline} has passed")
    if verdict.decision in _FREEING and centre.development_type and not target.zone_id:
        yield Text(zh="市内没有允许承接的分区", en="no zone of the city permits what moves")
    if verdict.decision == "keep" and verdict.note is None:
        yield Text(zh="没有适用的处置条款", en="no clause asks for a change")


def _totals(frame: gpd.GeoDataFrame) -> pd.DataFrame:
    """Sum by decision over what is known, and count what is not."""
    rows: list[dict[str, Any]] = []
    for decision in DECISIONS:
        mine = frame[frame["decision"] == decision]
        sums = {name: float(np.nansum(mine[name].to_numpy(dtype=np.float64)))
                for name in ("rack_count", "it_load_kw", "racks_released", "it_load_released_kw",
                             "site_load_released_kw")}
        rows.append({"decision": decision, "n_centres": len(mine), "racks": sums.pop("rack_count"),
                     "n_racks_unknown": int(mine["rack_count"].isna().sum()), "it_load_kw": sums.pop("it_load_kw"),
                     "n_it_load_unknown": int(mine["it_load_kw"].isna().sum()), **sums})
    return pd.DataFrame(rows)
