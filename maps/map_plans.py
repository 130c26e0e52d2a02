"""The plans of a study as layers of the map: capacity, what becomes of existing data centres, and campuses."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import geopandas as gpd
import pandas as pd

from gis.bilingual import Language, Text
from gis.schemas import Field
from layers.schemas import LAYERS
from maps import styles
from maps.map_layer import MapLayer
from maps.map_phrases import PHRASES
from maps.report_layout import PART_WORDS
from siting.estate import DECISION_WORDS
from siting.pack import CityPack, RetrofitRule
from siting.types import CapacityPlan, StudyResult
from siting.wording import PERMISSION_WORDS

_EXACT_POSITION = Text(zh="准确位置", en="an exact position")
_YES = Text(zh="是", en="yes")


def _number(name: str, zh: str, en: str, unit: str = "") -> Field:
    return Field(name=name, title=Text(zh=zh, en=en), kind="number", unit=unit)


def _said(name: str, zh: str, en: str) -> Field:
    return Field(name=name, title=Text(zh=zh, en=en))


_PARCEL = Field(name="parcel_id", title=Text(zh="地块", en="Parcel"))
_UNIT = Field(name="unit", title=PHRASES["unit"])
_ZONE = Field(name="zone", title=PHRASES["zone"])

CAPACITY_FIELDS = (
    _PARCEL, _UNIT, _ZONE, _number("rack_count", "机架", "racks"), _number("it_load_mw", "IT 负荷", "IT load", "MW"),
    _number("facility_load_mw", "设施负荷", "site load", "MW"),
    _number("load_mva", "视在功率", "apparent power", "MVA"),
    _number("n_substations", "供电变电站数", "substations"), _said("stations", "供电变电站", "fed by"),
    _number("connection_km", "接入长度合计", "connections in all", "km"), _said("year", "投运年份", "year"),
    _number("score", "得分", "score"), _said("policy", "分区政策", "zone policy"),
    _number("area_m2", "面积", "area", "m2"))
FEED_FIELDS = (
    _said("capacity_site_id", "园区", "campus"), _said("station", "变电站", "substation"),
    _number("voltage_kv", "电压", "voltage", "kV"), _number("load_mva", "承担负荷", "load", "MVA"),
    _number("distance_m", "线路长度", "length", "m"))
PART_FIELDS = (
    _PARCEL, _number("floors", "层数", "floors"), _number("area_m2", "占地", "ground", "m2"),
    _number("floor_area_m2", "建筑面积", "floor area", "m2"), _number("racks", "机架", "racks"),
    _number("it_load_kw", "IT 负荷", "IT load", "kW"))
DECISION_FIELDS = (
    _said("decision_word", "处置", "decision"), _said("clause_text", "依据", "clause"),
    _said("reasons", "理由", "reasons"),
    _said("missing_words", "缺少数据", "missing"), _said("deadline", "期限", "deadline"),
    _said("overdue", "已逾期", "overdue"), _said("voluntary", "鼓励性条款", "supported, not forced"),
    _number("pue_target", "PUE 目标", "PUE to reach"), _number("racks_released", "释放机架", "racks released"),
    _number("it_load_released_kw", "释放 IT 负荷", "IT load released", "kW"),
    _said("moves_to", "去向", "moves to"), _number("target_distance_m", "去向距离", "distance there", "m"))


def capacity_layers(result: StudyResult) -> Iterator[MapLayer]:
    """Give the campuses of each reading of the target, sized by their load, and the lines that feed them."""
    for k, plan in enumerate(result.capacity_plans):
        tail = "" if k == 0 else f"_{k}"
        if len(plan.feeds):
            yield MapLayer(name=f"capacity_feeds{tail}", title=PHRASES["capacity_feeds"], style=styles.CAPACITY_FEEDS,
                           frame=_feeds(plan, result), fields=FEED_FIELDS, name_column="", switch="capacity_feeds",
                           reading=k)
        if len(plan.sites):
            yield MapLayer(name=f"capacity_sites{tail}", title=PHRASES["capacity_sites"], style=styles.CAPACITY_SITES,
                           frame=_sites(plan, result), fields=CAPACITY_FIELDS, switch="capacity_sites", reading=k)


def _sites(plan: CapacityPlan, result: StudyResult) -> gpd.GeoDataFrame:
    frame = plan.sites
    fed = _feeds(plan, result).groupby("capacity_site_id", sort=False)
    stations = {key: [f"{s} · {kv:g} kV · {mva:,.1f} MVA" for s, kv, mva in
                      zip(own["station"], own["voltage_kv"], own["load_mva"], strict=True)] for key, own in fed}
    titles = place_titles(result)
    return frame.set_geometry(frame.geometry.representative_point()).assign(
        name=[f"{key} · {mw:,.1f} MW" for key, mw in zip(frame["capacity_site_id"], frame["it_load_mw"], strict=True)],
        unit=_titled(frame["unit_id"], titles), zone=_titled(frame["zone_id"], titles),
        policy=_titled(frame["permission"], PERMISSION_WORDS),
        stations=[_listed(stations.get(key, [])) for key in frame["capacity_site_id"]],
        # A year is written without a thousands separator.
        year=["" if pd.isna(year) else str(int(year)) for year in frame["year"]])


def _listed(said: list[str]) -> Text:
    return Text(zh="；".join(said), en="; ".join(said))


def _feeds(plan: CapacityPlan, result: StudyResult) -> gpd.GeoDataFrame:
    names = station_names(result)
    return plan.feeds.assign(station=[names.get(str(key)) or str(key) for key in plan.feeds["substation_id"]])


def station_names(result: StudyResult) -> dict[str, str]:
    """Return the names of the substations that have one, by id."""
    frame = result.city_layers.frames.get("substations")
    if frame is None or not {"name", "substation_id"} <= set(frame.columns):
        return {}
    return {str(key): str(name) for key, name in zip(frame["substation_id"], frame["name"], strict=True)
            if not pd.isna(name)}


def place_titles(result: StudyResult) -> dict[str, Text]:
    """Return the names of units and policy zones by key."""
    units = {str(key): Text(zh=str(zh), en=str(en)) for key, zh, en in
             zip(result.units["unit_id"], result.units["name_zh"], result.units["name_en"], strict=True)}
    pack = result.pack
    return units | {z.zone_id: z.title for z in pack.zones} | {u.unit_id: u.title for u in pack.units}


def _titled(keys: pd.Series[Any], titles: Mapping[str, Text]) -> list[Text]:
    """Put titles in the place of keys; what has none stays as it is."""
    known = ["" if pd.isna(key) else str(key) for key in keys]
    return [titles.get(key, Text(zh=key, en=key)) for key in known]


def capacity_readings(result: StudyResult, language: Language) -> list[dict[str, Any]]:
    """Return what the page tells of each reading of the target: load wanted, laid out and without a place."""
    return [{
        "id": plan.reading.reading_id, "title": plan.reading.title.to(language), "n_sites": len(plan.sites),
        "target_mw": plan.target_mw, "existing_mw": plan.existing_mw, "it_load_mw": plan.it_load_mw,
        "shortfall_mw": plan.shortfall_mw, "load_mva": plan.load_mva, "energy_gwh": plan.energy_gwh,
        "racks": float(plan.sites["rack_count"].sum()), "facts": [fact.to(language) for fact in plan.facts],
        "quote": f"{plan.reading.citation.heading}：{plan.reading.citation.quote}",
    } for plan in result.capacity_plans]


def estate_layer(result: StudyResult) -> MapLayer | None:
    """Give the existing data centres by what must become of them; None where nobody asked."""
    plan = result.estate_plan
    if plan is None or plan.centres.empty:
        return None
    pack, centres = result.pack, plan.centres
    rules = {rule.rule_id: rule for rule in pack.retrofit_rules}
    titles = place_titles(result)
    frame = centres.assign(
        decision_word=_titled(centres["decision"], DECISION_WORDS),
        clause_text=[_clause(rules.get(str(key)), pack) for key in centres["rule_id"]],
        reasons=[Text(zh=str(zh), en=str(en)) for zh, en in
                 zip(centres["reasons_zh"], centres["reasons_en"], strict=True)],
        missing_words=[_missing(str(cell)) for cell in centres["missing"].fillna("")],
        overdue=[_YES if flag else None for flag in centres["is_overdue"]],
        voluntary=[_YES if flag else None for flag in centres["is_voluntary"]],
        moves_to=[_place(str(unit), str(zone), titles) for unit, zone in
                  zip(centres["target_unit"].fillna(""), centres["target_zone"].fillna(""), strict=True)])
    frame = _with_stock(frame, result)
    if "development_type" in frame.columns:
        kinds = {kind.type_id: kind.title for kind in pack.development_types}
        frame = frame.assign(development_type=_titled(frame["development_type"], kinds))
    return MapLayer(name="data_centres", title=LAYERS["data_centres"].title, style=styles.DECISIONS, frame=frame,
                    fields=(*DECISION_FIELDS, *_stock_fields()))


def _stock_fields() -> tuple[Field, ...]:
    """Return what the layer itself says of a data centre."""
    schema = LAYERS["data_centres"].frame
    return () if schema is None else tuple(f for f in schema.fields if f.name not in ("data_centre_id", "name"))


def _with_stock(frame: gpd.GeoDataFrame, result: StudyResult) -> gpd.GeoDataFrame:
    """Put the columns of the layer beside the decisions, by id; the decision's own stay."""
    stock = result.city_layers.frame("data_centres")
    more = [c for c in stock.columns if c not in frame.columns]
    if not more or stock["data_centre_id"].duplicated().any():
        return frame
    by_id = stock.set_index("data_centre_id")[more]
    return frame.join(by_id, on="data_centre_id")


def _clause(rule: RetrofitRule | None, pack: CityPack) -> Text | None:
    """Return a rule with the sentence that it rests on."""
    if rule is None:
        return None
    cited = rule.citation
    document = next((d.title for d in pack.documents if d.document_id == cited.document),
                    Text(zh=cited.document, en=cited.document))
    place = f"“{cited.heading}” {cited.quote}".strip()
    return Text(zh=f"{rule.title.zh}——《{document.zh}》{place}", en=f"{rule.title.en} - {document.en}, {place}")


def _missing(cell: str) -> Text | None:
    """Name the fields that a decision lacks."""
    if not cell:
        return None
    named = {f.name: f.title for f in _stock_fields()} | {"position": _EXACT_POSITION}
    said = [named.get(key, Text(zh=key, en=key)) for key in cell.split(",")]
    return Text(zh="、".join(t.zh for t in said), en=", ".join(t.en for t in said))


def _place(unit: str, zone: str, titles: Mapping[str, Text]) -> Text | None:
    said = [titles.get(key, Text(zh=key, en=key)) for key in (unit, zone) if key]
    return Text(zh=" / ".join(t.zh for t in said), en=" / ".join(t.en for t in said)) if said else None


def campus_layer(result: StudyResult) -> MapLayer | None:
    """Give halls, yards and lanes of the campuses that were laid out; None where none was."""
    if not result.site_layouts:
        return None
    parts = [layout.parts.assign(parcel_id=parcel_id) for parcel_id, layout in result.site_layouts]
    joined = gpd.GeoDataFrame(pd.concat(parts, ignore_index=True), geometry="geometry", crs=parts[0].crs)
    named = joined.assign(name=_titled(joined["kind"], PART_WORDS))
    for column in ("floors", "floor_area_m2", "racks", "it_load_kw"):
        # Ground without floors has no count of them.
        named[column] = named[column].astype(float).where(named[column] > 0)
    return MapLayer(name="campus_parts", title=PHRASES["campus_parts"], style=styles.CAMPUS_PARTS, frame=named,
                    fields=PART_FIELDS)
