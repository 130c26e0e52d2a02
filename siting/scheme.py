"""The rules of a run as plain data: what a reader needs to check a verdict, fit for a JSON file.

A finished study carries it in its manifest, so that it can explain itself without the pack or the layers.
"""

from __future__ import annotations

from typing import Any

from gis.bilingual import Text
from siting.broken_rules import CATEGORICAL_TESTS, required_of
from siting.census import Census
from siting.citation import Citation
from siting.pack import CityPack, Criterion, ExclusionRule, ZonePermission
from siting.tables import criterion_title
from siting.types import SiteScores, StudyResult

Record = dict[str, Any]
"""A JSON object."""


def scheme_of(result: StudyResult) -> Record:
    """Describe the rules of a run.

    Returns
    -------
    ``documents, zones, units, development_types, permissions, classes``; each class holds its ``criteria``
    (with the weights of the run), ``rules`` (with what the study mitigates), ``untested_rules`` and counts.
    """
    pack = result.pack
    mitigations = dict(result.study.mitigations)
    names = {str(u.unit_id): Text(zh=str(u.name_zh), en=str(u.name_en)) for u in result.units.itertuples()}
    names |= {u.unit_id: u.title for u in pack.units}
    citations = {u.unit_id: u.citation for u in pack.units}
    zone_of = {str(u.unit_id): str(u.zone_id) for u in result.units.itertuples()}
    return {
        "documents": [{"document_id": d.document_id, "title": text(d.title), "status": text(d.status)}
                      for d in pack.documents],
        "zones": [{"zone_id": z.zone_id, "title": text(z.title), "role": text(z.role), "citation": cited(z.citation)}
                  for z in pack.zones],
        "units": [{"unit_id": key, "title": text(title), "zone_id": zone_of.get(key, _pack_zone(pack, key)),
                   "citation": cited(citations.get(key))} for key, title in names.items()],
        "development_types": [{"type_id": d.type_id, "title": text(d.title)} for d in pack.development_types],
        "permissions": [_permission(p) for p in pack.permissions],
        "classes": [_site_class(s, c, mitigations) for s, c in zip(result.scores, result.census, strict=True)],
    }


def _pack_zone(pack: CityPack, unit_id: str) -> str:
    return next((u.zone_id for u in pack.units if u.unit_id == unit_id), "")


def text(value: Text | None) -> Record | None:
    """Return a phrase as a JSON object."""
    return None if value is None else {"zh": value.zh, "en": value.en}


def cited(citation: Citation | None) -> Record | None:
    """Return a citation as a JSON object."""
    if citation is None:
        return None
    return {"document": citation.document, "heading": citation.heading, "quote": citation.quote,
            "ids": list(citation.ids)}


def _permission(permission: ZonePermission) -> Record:
    return {"zone_id": permission.zone_id, "development_type": permission.development_type,
            "permission": permission.permission, "condition": text(permission.condition),
            "citation": cited(permission.citation), "assumed": permission.assumed}


def _site_class(scores: SiteScores, census: Census, mitigations: dict[str, str]) -> Record:
    own, table = scores.site_class, scores.exclusions
    return {
        "class_id": own.class_id, "title": text(own.title), "development_type": own.development_type,
        "it_load_kw": own.it_load_kw, "supply_voltage_kv": own.supply_voltage_kv, "pue_max": own.pue_max,
        "min_plot_m2": own.min_plot_m2, "gb50174_class": own.gb50174_class, "citation": cited(own.citation),
        "assumed": list(own.assumed), "n_candidates": census.n_candidates, "n_eligible": census.n_eligible,
        "criteria": [_criterion(c) for c in scores.criteria],
        "rules": [_rule(r, bool(x), mitigations) for r, x in zip(table.rules, table.excludes, strict=True)],
        "untested_rules": list(census.untested_rules),
    }


def _criterion(criterion: Criterion) -> Record:
    return {"criterion_id": criterion.criterion_id, "title": text(criterion_title(criterion.criterion_id)),
            "weight": criterion.weight, "worst": criterion.worst, "best": criterion.best, "unit": criterion.unit,
            "objective": criterion.objective, "radius_m": criterion.radius_m, "citation": cited(criterion.citation),
            "assumed": criterion.assumed}


def _rule(rule: ExclusionRule, excludes: bool, mitigations: dict[str, str]) -> Record:
    return {"rule_id": rule.rule_id, "title": text(rule.title), "test": rule.test, "layer": rule.layer,
            "strictness": rule.strictness, "excludes": excludes, "mitigation": mitigations.get(rule.rule_id, ""),
            "limit": None if rule.test in CATEGORICAL_TESTS else required_of(rule), "unit": rule.unit,
            "citation": cited(rule.citation), "assumed": rule.assumed, "note": text(rule.note)}
