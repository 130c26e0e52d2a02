"""Which layers a finished study writes, and with which columns."""

from __future__ import annotations

from collections.abc import Sequence

import geopandas as gpd
import numpy as np
import shapely

from gis.bilingual import Language
from layers.schemas import LAYERS
from layers.types import CERTAINTIES
from maps.exported_layer import ExportedLayer
from maps.plan_layers import plan_layers
from siting.tables import citation_text, top_candidates, unit_titles, zone_titles
from siting.types import StudyResult

INPUT_LAYERS = ("districts", "boundary_lines", "substations", "fibre_routes")
"""Layers that are written as they were read, without columns that the product does not know."""


LARGEST_GEOJSON = 100_000
"""Most candidates that are written as GeoJSON and CSV; above it, as Parquet, which opens at that size."""


def is_large(n_candidates: int) -> bool:
    """Tell whether so many candidates are written as Parquet."""
    return n_candidates > LARGEST_GEOJSON


def exported_layers(result: StudyResult, *, language: Language) -> tuple[ExportedLayer, ...]:
    """Return the layers to write as GeoJSON, besides the parcels; a layer without features is left out.

    Parameters
    ----------
    result
        The study.
    language
        Language of the titles of units and zones.
    """
    own_parcels = parcel_inputs(result)
    layers = [
        ExportedLayer("top_candidates", "candidate_id", top_candidates(result, language=language), own_parcels),
        ExportedLayer("units", "unit_id", units_frame(result, language), ("districts", "zones")),
        ExportedLayer("zones", "zone_id", zones_frame(result, language), ("districts", "zones")),
        *plan_layers(result, language),
        *(ExportedLayer(name, LAYERS[name].id_column, _input_frame(result, name), (name,))
          for name in INPUT_LAYERS if result.city_layers.has(name)),
        *_demand_layer(result),
    ]
    return tuple(layer for layer in layers if len(layer.frame))


def terms_of(result: StudyResult, inputs: tuple[str, ...]) -> list[dict[str, str]]:
    """Return whom to name for a layer made of these input layers, and how far its sources may be trusted."""
    return [{"layer": p.layer, "certainty": p.certainty, "licence": p.licence, "attribution": p.attribution,
             "approval_number": p.approval_number, "vintage": p.vintage}
            for p in result.city_layers.provenance if p.layer in inputs]


def parcel_inputs(result: StudyResult) -> tuple[str, ...]:
    """Return the input layers whose terms apply to the candidates."""
    return ("parcels",) if result.study.candidates == "parcels" else ("districts",)


def units_frame(result: StudyResult, language: Language) -> gpd.GeoDataFrame:
    """Return the units: ``unit_id, unit, zone_id, zone, kind, area_km2, certainty, geometry``."""
    units, titles, zones = result.units, unit_titles(result, language), zone_titles(result, language)
    return units.assign(unit=units["unit_id"].map(titles), zone=units["zone_id"].map(lambda k: zones.get(k, "")))[
        ["unit_id", "unit", "zone_id", "zone", "kind", "area_km2", "certainty", "geometry"]]


def zones_frame(result: StudyResult, language: Language) -> gpd.GeoDataFrame:
    """Join the units of each policy zone.

    Returns
    -------
    ``zone_id, zone, role, clause, n_units, area_km2, certainty`` (the least certain of its units) and geometry,
    in the order of the pack.
    """
    rows = []
    for zone in result.pack.zones:
        members = result.units[result.units["zone_id"] == zone.zone_id]
        if len(members):
            area = shapely.union_all(np.asarray(members.geometry.array))
            rows.append({"zone_id": zone.zone_id, "zone": zone.title.to(language), "role": zone.role.to(language),
                         "clause": citation_text(result.pack, zone.citation, language), "n_units": len(members),
                         "area_km2": round(float(members["area_km2"].sum()), 3),
                         "certainty": least_certain(members["certainty"].tolist()), "geometry": area})
    columns = ["zone_id", "zone", "role", "clause", "n_units", "area_km2", "certainty", "geometry"]
    return gpd.GeoDataFrame(rows, columns=columns, geometry="geometry", crs=result.units.crs)


def least_certain(certainties: Sequence[object]) -> str:
    """Return the least certain of several grades."""
    grades: list[str] = list(CERTAINTIES)
    return grades[max(grades.index(str(c)) for c in certainties)]


def _input_frame(result: StudyResult, name: str) -> gpd.GeoDataFrame:
    frame = result.city_layers.frame(name)
    schema = LAYERS[name].frame
    known = [field.name for field in schema.fields] if schema else []
    return frame[[*(c for c in known if c in frame.columns), "certainty", "geometry"]]


def _demand_layer(result: StudyResult) -> tuple[ExportedLayer, ...]:
    if result.edge_plan is None:
        if not result.city_layers.has("demand"):
            return ()
        return (ExportedLayer("demand", "demand_id", _input_frame(result, "demand"), ("demand",)),)
    frame = result.edge_plan.demand
    if "certainty" not in frame.columns:
        frame = frame.assign(certainty=result.city_layers.certainty_of("demand"))
    columns = ["demand_id", "name", "demand", "covered", "edge_centre_id", "distance_m", "certainty", "geometry"]
    distance = frame["distance_m"].astype(float).round(1)
    return (ExportedLayer("demand", "demand_id", frame.assign(distance_m=distance)[columns], ("demand",)),)
