"""What the page must know of a study besides shapes: classes, rules, clauses, edge centres, provenance."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import geopandas as gpd
import numpy as np
import pandas as pd
from pyproj import CRS

from gis.bilingual import Language, Text
from gis.errors import SitingToolError
from layers.schemas import LAYERS
from maps import styles
from maps._packing_rules import unchecked_rules
from maps.manifest import lacking_layers
from maps.map_basemaps import basemap_data
from maps.map_phrases import PHRASES, phrases_in
from maps.map_plans import capacity_readings, place_titles, station_names
from maps.packed_parcels import permissions_of
from siting.broken_rules import CATEGORICAL_TESTS
from siting.census import Census
from siting.citation import Citation
from siting.city_pack import load_pack
from siting.connections import DIVERSITY_TEXT
from siting.criteria import MEASURES
from siting.pack import CityPack, Criterion, ExclusionRule, ZonePermission
from siting.power_words import LIMIT_TEXT
from siting.study import noun_of
from siting.types import EdgePlan, SiteScores, StudyResult
from siting.wording import CERTAINTY_WORDS, PERMISSION_WORDS, crs_label, unit_word, word

WGS84 = "EPSG:4326"
_POWER_WORDS = {limit.name.lower(): text for limit, text in LIMIT_TEXT.items()}
_FIBRE_WORDS = {verdict.name.lower(): text for verdict, text in DIVERSITY_TEXT.items()}
_DATUMS = {"China Geodetic Coordinate System 2000": "CGCS2000", "WGS 84": "WGS84"}


def study_data(result: StudyResult, language: Language) -> dict[str, Any]:
    """Return the study as plain data for the page, all phrases in ``language``."""
    other: Language = "en" if language == "zh" else "zh"
    pack = result.pack
    permissions, noun = permissions_of(result), noun_of(pack, result.study)
    weights = _pack_weights(result)
    return {
        "language": language,
        "title": pack.title.to(language),
        "study": result.study.name,
        "phrases": phrases_in(language, noun),
        "phrases_minor": {key: noun.fill(PHRASES[key].to(other), other) for key in (
            "layers", "legend", "weights", "filters", "draw", "edge_number", "capacity", "basemap", "site_class",
            "top_candidates", "parcels_by_score", "parcels_excluded", "edge_centres", "data")},
        "groups": [{"key": key, "title": text.to(language), "title_minor": text.to(other)}
                   for key, text in styles.GROUPS.items()],
        "bounds": _bounds(result),
        "grid": _grid(result.city_layers.metric_crs),
        "n_top": result.study.n_top,
        "ramp": list(styles.SCORE_RAMP),
        "ramp_edges": [styles.darker(colour) for colour in styles.SCORE_RAMP],
        "reason_looks": [{"title": look.title.to(language), "colour": look.colour, "hatch_deg": look.hatch_deg}
                         for look in styles.REASON_LOOKS],
        "permissions": [_permission(p, pack, language) for p in permissions],
        "classes": [_site_class(scores, census, pack, weights, language)
                    for scores, census in zip(result.scores, result.census, strict=True)],
        "edge": _edge(result, language),
        "hosts": _hosts(result, language),
        "basemap": basemap_data(language),
        "capacity": capacity_readings(result, language),
        "banner": banner_lines(result, language),
        "footer": _footer(result, language),
        "about": _about(result, language),
    }


def banner_lines(result: StudyResult, language: Language) -> list[dict[str, str]]:
    """Name the layers that are synthetic, assumed or approximate, worst first; empty where all is real."""
    lines = []
    for certainty in ("synthetic", "assumed", "approximate"):
        named = dict.fromkeys(p.layer for p in result.city_layers.provenance
                              if p.certainty == certainty and p.ledger.read > p.ledger.rejected)
        titles = [LAYERS[name].title.to(language) if name in LAYERS else name for name in named]
        if titles:
            joined = ("、" if language == "zh" else ", ").join(titles)
            lines.append({"kind": certainty,
                          "text": PHRASES[f"{certainty}_banner"].to(language).replace("{layers}", joined)})
    return lines


def _bounds(result: StudyResult) -> list[list[float]]:
    """Return the study area as [[south, west], [north, east]]."""
    area = gpd.GeoSeries([result.city_layers.area_of_interest], crs=result.city_layers.metric_crs)
    west, south, east, north = (round(float(v), 6) for v in area.to_crs(WGS84).total_bounds)
    return [[south, west], [north, east]]


def _grid(metric_crs: str) -> dict[str, Any] | None:
    """Return the constants of a transverse Mercator grid, so that the page can tell its coordinates; else None."""
    crs = CRS.from_user_input(metric_crs)
    operation = crs.coordinate_operation
    if operation is None or operation.method_name != "Transverse Mercator" or crs.ellipsoid is None:
        return None
    values = {p.name: p.value for p in operation.params}
    return {
        "name": f"{_DATUMS.get(crs.geodetic_crs.name, '') if crs.geodetic_crs else ''} {metric_crs}".strip(),
        "central_meridian": values["Longitude of natural origin"],
        "scale": values["Scale factor at natural origin"], "false_easting": values["False easting"],
        "false_northing": values["False northing"], "a": crs.ellipsoid.semi_major_metre,
        "f": 1.0 / crs.ellipsoid.inverse_flattening,
    }


def _citation(citation: Citation, pack: CityPack, language: Language) -> dict[str, Any]:
    document = next((d for d in pack.documents if d.document_id == citation.document), None)
    return {"document": document.title.to(language) if document else citation.document,
            "status": document.status.to(language) if document else "",
            "heading": citation.heading, "quote": citation.quote, "ids": "、".join(citation.ids)}


def _permission(permission: ZonePermission, pack: CityPack, language: Language) -> dict[str, Any]:
    return {
        "zone": pack.zone(permission.zone_id).title.to(language), "verdict": permission.permission,
        "word": word(PERMISSION_WORDS, permission.permission, language),
        "condition": permission.condition.to(language) if permission.condition else "",
        "assumed": permission.assumed, "citation": _citation(permission.citation, pack, language),
    }


def _criterion(criterion: Criterion, pack_weight: float | None, language: Language) -> dict[str, Any]:
    measure = MEASURES.get(criterion.criterion_id)
    title = measure.title.to(language) if measure else criterion.criterion_id
    return {"id": criterion.criterion_id, "title": title, "weight": criterion.weight, "pack_weight": pack_weight,
            "worst": criterion.worst, "best": criterion.best,
            "unit": criterion.unit, "unit_word": unit_word(criterion.unit, language), "assumed": criterion.assumed}


def _rule(rule: ExclusionRule, is_excluding: bool, pack: CityPack, language: Language) -> dict[str, Any]:
    return {
        "id": rule.rule_id, "title": rule.title.to(language), "strictness": rule.strictness,
        "excludes": is_excluding, "limit": rule.limit, "unit": rule.unit,
        "unit_word": unit_word(rule.unit, language), "is_categorical": rule.test in CATEGORICAL_TESTS,
        "assumed": rule.assumed, "note": rule.note.to(language) if rule.note else "",
        "reason": styles.reason_of(rule.test, rule.layer), "citation": _citation(rule.citation, pack, language),
    }


def _pack_weights(result: StudyResult) -> dict[tuple[str, str], float]:
    """Return the weights of the pack itself, by class and criterion; a study's own have taken their place in it."""
    try:
        pack = load_pack(result.study.city) if result.study.weights else result.pack
    except SitingToolError:  # the pack's file has moved since
        return {}
    return {(c.site_class, c.criterion_id): c.weight for c in pack.criteria}


def _site_class(scores: SiteScores, census: Census, pack: CityPack, pack_weights: dict[tuple[str, str], float],
                language: Language) -> dict[str, Any]:
    table = scores.exclusions
    eligible = scores.score[scores.eligible]
    low, high = (float(np.quantile(eligible, q)) for q in (0.05, 0.95)) if len(eligible) else (0.0, 1.0)
    return {
        "id": scores.site_class.class_id, "title": scores.site_class.title.to(language),
        "citation": _citation(scores.site_class.citation, pack, language),
        "criteria": [_criterion(c, pack_weights.get((c.site_class, c.criterion_id)), language)
                     for c in scores.criteria],
        "rules": [_rule(rule, bool(excludes), pack, language)
                  for rule, excludes in zip(table.rules, table.excludes, strict=True)],
        "unchecked": unchecked_rules(table),
        "supply_voltage_kv": scores.site_class.supply_voltage_kv,
        "breaks": styles.score_breaks(low, high),
        "n_eligible": census.n_eligible, "n": census.n_candidates, "n_held": len(eligible),
        "is_partial": census.n_candidates > len(scores.score),
    }


def _edge(result: StudyResult, language: Language) -> dict[str, Any] | None:
    plan = result.edge_plan
    if plan is None or plan.edge_centres.empty:
        return None
    places = plan.edge_centres.geometry.to_crs(WGS84)
    titles, stations = place_titles(result), station_names(result)
    centres = []
    for row, place in zip(plan.edge_centres.itertuples(), places, strict=True):
        centres.append({
            "id": str(row.edge_centre_id), "name": _plain(row.name), "host": _plain(row.host_kind),
            "lon": round(place.x, 7), "lat": round(place.y, 7),
            "zone": _title(titles, row.zone_id, language), "unit": _title(titles, row.unit_id, language),
            "demand": float(row.demand_covered), "n_demand": int(row.n_demand_covered),
            "certainty": word(CERTAINTY_WORDS, _plain(row.certainty), language),
            "feeds": [_feed(row, feed, stations) for feed in "ab"],
            "power_limit": _code_word(_POWER_WORDS, getattr(row, "power_limit", None), language),
            "fibre_diversity": _code_word(_FIBRE_WORDS, getattr(row, "fibre_diversity", None), language),
            "fibre_shared_m": _number(getattr(row, "fibre_shared_m", None)),
            "stability": _number(getattr(row, "stability", None)),
            "runner_up": _plain(getattr(row, "runner_up_name", None)) or _plain(getattr(row, "runner_up_id", None)),
            "runner_up_loss": _number(getattr(row, "runner_up_loss", None)),
        })
    share = plan.demand_covered / plan.demand_total if plan.demand_total else 0.0
    return {"centres": centres, "share": share, "service_radius_m": plan.service_radius_m,
            "curve": _curve(plan, result)}


def _curve(plan: EdgePlan, result: StudyResult) -> list[dict[str, Any]]:
    """Return the best plan for every number of centres, each with the places of its hosts; empty if one is unknown."""
    places = _host_places(result)
    steps = zip(plan.curve["n_facilities"].tolist(), plan.curve["share"].tolist(), plan.curve["host_ids"], strict=True)
    curve = []
    for n, share, joined in steps:
        hosts = str(joined).split(" ")
        if any(host not in places for host in hosts):
            return []  # an id that holds a space, or that two layers have, cannot be told
        curve.append({"n": int(n), "share": float(share), "hosts": [places[host] for host in hosts]})
    return curve


def _host_places(result: StudyResult) -> dict[str, dict[str, Any]]:
    """Return id, name, kind and place of everything that may house an edge centre, by ids that only one layer has."""
    places: dict[str, dict[str, Any]] = {}
    twice: set[str] = set()
    for layer in _host_kinds(result):
        frame = result.city_layers.frames.get(layer)
        if frame is None or layer not in LAYERS or LAYERS[layer].id_column not in frame.columns:
            continue
        points = frame.geometry.representative_point().to_crs(WGS84)
        names = frame["name"] if "name" in frame.columns else [None] * len(frame)
        for key, name, place in zip(frame[LAYERS[layer].id_column].astype(str), names, points, strict=True):
            if key in places:
                twice.add(key)
            places[key] = {"id": key, "name": _plain(name), "host": layer,
                           "lon": round(place.x, 7), "lat": round(place.y, 7)}
    return {key: place for key, place in places.items() if key not in twice}


def _host_kinds(result: StudyResult) -> list[str]:
    """Return the layers that may house an edge centre, and those that do."""
    if result.edge_plan is None:
        return []
    return sorted({_plain(k) for k in result.edge_plan.edge_centres["host_kind"]}
                  | {kind.layer for kind in result.pack.host_kinds})


def _feed(row: Any, feed: str, stations: Mapping[str, str]) -> dict[str, Any]:
    station = _plain(getattr(row, f"feed_{feed}_id"))
    return {"id": station, "name": stations.get(station, ""),
            "distance_m": _number(getattr(row, f"feed_{feed}_distance_m")),
            "voltage_kv": _number(getattr(row, f"feed_{feed}_voltage_kv"))}


def _hosts(result: StudyResult, language: Language) -> dict[str, dict[str, str]]:
    looks = {kind: styles.HOST_LOOKS.get(kind, styles.OTHER_HOST) for kind in _host_kinds(result)}
    return {kind: {"title": look.title.to(language), "glyph": look.glyph.to(language), "colour": look.colour}
            for kind, look in looks.items()}


def _footer(result: StudyResult, language: Language) -> list[str]:
    """Name the source of the boundaries with its map approval number, and the other sources that want naming."""
    lines = []
    for p in result.city_layers.provenance:
        named = p.attribution or (p.source if p.approval_number else "")
        if p.layer == "districts" and named:
            approval = f" {PHRASES['approval_number'].to(language)} {p.approval_number}" if p.approval_number else ""
            lines.append(f"{PHRASES['borders'].to(language)}: {named}{approval}")
    others = dict.fromkeys(p.attribution for p in result.city_layers.provenance
                           if p.attribution and p.layer not in ("districts", "boundary_lines"))
    n, held = result.census[0].n_candidates, len(result.candidates)
    if n > held:
        lines.insert(0, _named(result, "partial", language).replace("{held}", f"{held:,}").replace("{n}", f"{n:,}"))
    return [*lines, *others, PHRASES["crs_note"].to(language).replace(
        "{crs}", crs_label(result.city_layers.metric_crs).to(language))]


def _named(result: StudyResult, key: str, language: Language) -> str:
    """Return a phrase that names the candidates."""
    return noun_of(result.pack, result.study).fill(PHRASES[key].to(language), language)


def _about(result: StudyResult, language: Language) -> dict[str, Any]:
    sources = []
    for p in result.city_layers.provenance:
        title = LAYERS[p.layer].title if p.layer in LAYERS else Text(zh=p.layer, en=p.layer)
        ledger = p.ledger
        sources.append({
            "layer": title.to(language), "kind": p.certainty,
            "certainty": word(CERTAINTY_WORDS, p.certainty, language),
            "source": _joined([p.attribution, p.source, p.path.replace("\\", "/").rpartition("/")[2]]),
            "rows": f"{ledger.read} / {ledger.accepted} / {ledger.repaired} / {ledger.rejected}",
            "more": _joined([p.approval_number, p.vintage, p.licence, p.note.to(language) if p.note else ""]),
        })
    missing = [{"layer": LAYERS[name].title.to(language), "purpose": LAYERS[name].purpose.to(language)}
               for name in lacking_layers(result)]
    return {
        "sources": sources, "missing": missing,
        "notes": [note.to(language) for note in result.pack.notes],
        "facts": [fact.to(language) for fact in result.facts],
        "trust": [] if result.trust is None else [fact.to(language) for fact in result.trust.facts],
        "trust_sites": _trusted_sites(result, language),
        "documents": [{"title": d.title.to(language), "status": d.status.to(language)}
                      for d in result.pack.documents],
    }


def _trusted_sites(result: StudyResult, language: Language) -> list[str]:
    """Say of every site on a list how firmly it stands there."""
    if result.trust is None:
        return []
    titles = {c.class_id: c.title.to(language) for c in result.pack.site_classes}
    told = PHRASES["trust_site"].to(language)
    return [told.replace("{class}", titles[own.class_id]).replace("{rank}", str(s.rank))
            .replace("{low}", str(s.rank_low)).replace("{high}", str(s.rank_high))
            .replace("{text}", s.text.to(language)).replace("{site}", s.parcel_id)
            for own in result.trust.classes for s in own.sites]


def _joined(parts: Iterable[str]) -> str:
    return " · ".join(dict.fromkeys(part for part in parts if part))


def _title(titles: dict[str, Text], key: object, language: Language) -> str:
    return titles[_plain(key)].to(language) if _plain(key) in titles else _plain(key)


def _plain(value: Any) -> str:
    """Return text for a cell that may be missing."""
    return "" if pd.isna(value) else str(value)


def _code_word(words: Mapping[str, Text], code: Any, language: Language) -> str:
    """Return the words for a code; empty where there is none."""
    return word(words, _plain(code), language) if _plain(code) else ""


def _number(value: Any) -> float | None:
    return None if pd.isna(value) else float(value)
