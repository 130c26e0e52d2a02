"""Which unit of the city's plan a candidate lies in; functional zones come before districts."""

from __future__ import annotations

from dataclasses import dataclass

import geopandas as gpd
import numpy as np
import pandas as pd
import shapely
from numpy.typing import NDArray

from gis import containment, proximity
from gis.errors import SchemaError
from layers.types import CityLayers
from siting.pack import CityPack, Unit

UNIT_COLUMNS = ["unit_id", "name_zh", "name_en", "zone_id", "kind", "area_km2", "certainty", "geometry"]


def build_units(city_layers: CityLayers, pack: CityPack) -> gpd.GeoDataFrame:
    """Cut the study area into units: functional zones as drawn, then what they leave of each district.

    Returns
    -------
    Frame with ``unit_id, name_zh, name_en, zone_id, kind, area_km2, certainty, geometry``; a district
    that the pack does not know, by its own name or that of its city or province, keeps its name and an empty
    ``zone_id``.

    Raises
    ------
    SchemaError
        The layer ``zones`` holds a feature that is no unit of the pack.
    """
    functional = _functional_zones(city_layers, pack)
    districts = _districts(city_layers, pack)
    if not functional.empty:
        cut = shapely.union_all(np.asarray(functional.geometry.array))
        districts = districts.set_geometry(
            gpd.GeoSeries(shapely.difference(np.asarray(districts.geometry.array), cut), crs=districts.crs,
                          index=districts.index))
        districts = districts[~districts.geometry.is_empty]
    units = pd.concat([functional, districts], ignore_index=True)
    units = gpd.GeoDataFrame(units, geometry="geometry", crs=city_layers.metric_crs)
    units["area_km2"] = (units.geometry.area / 1e6).round(3)
    return units[UNIT_COLUMNS]


def _functional_zones(city_layers: CityLayers, pack: CityPack) -> gpd.GeoDataFrame:
    if not city_layers.has("zones"):
        return gpd.GeoDataFrame({c: [] for c in UNIT_COLUMNS}, geometry="geometry", crs=city_layers.metric_crs)
    frame = city_layers.frame("zones")
    known = {key: unit for unit in pack.units if unit.kind == "functional_zone"
             for key in (unit.unit_id, unit.title.zh, unit.title.en, *unit.names)}
    rows = []
    for feature in frame.itertuples():
        unit = known.get(str(feature.unit_id)) or known.get(str(getattr(feature, "name", "")))
        if unit is None:
            names = ", ".join(sorted({u.unit_id for u in known.values()}))
            raise SchemaError(
                f"layer 'zones': {feature.unit_id!r} is no functional zone of pack {pack.city!r}; known: {names}",
                f"图层 'zones'：{feature.unit_id!r} 不是 {pack.title.zh} 的功能区；可用：{names}",
            )
        rows.append(_unit_row(unit, feature.geometry, str(feature.certainty)))
    return _dissolved(rows, city_layers.metric_crs)


def _districts(city_layers: CityLayers, pack: CityPack) -> gpd.GeoDataFrame:
    known = {key: unit for unit in pack.units if unit.kind == "district"
             for key in (unit.title.zh, *unit.names)}
    rows = []
    for feature in city_layers.frame("districts").itertuples():
        # Its own name counts before that of the city or the province it lies in: a plan may name single counties.
        names = (getattr(feature, column, "") for column in ("name", "city_name", "province_name"))
        unit = next((known[str(name)] for name in names if str(name) in known), None)
        if unit is None:
            rows.append({"unit_id": str(feature.district_id), "name_zh": str(feature.name),
                         "name_en": str(feature.name), "zone_id": "", "kind": "district",
                         "certainty": str(feature.certainty), "geometry": feature.geometry})
        else:
            rows.append(_unit_row(unit, feature.geometry, str(feature.certainty)))
    return _dissolved(rows, city_layers.metric_crs)


def _unit_row(unit: Unit, geometry: shapely.Geometry, certainty: str) -> dict[str, object]:
    return {"unit_id": unit.unit_id, "name_zh": unit.title.zh, "name_en": unit.title.en, "zone_id": unit.zone_id,
            "kind": unit.kind, "certainty": certainty, "geometry": geometry}


def _dissolved(rows: list[dict[str, object]], crs: str) -> gpd.GeoDataFrame:
    """Join the features of one unit (a zone drawn in two parts)."""
    frame = gpd.GeoDataFrame(rows, geometry="geometry", crs=crs)
    return frame.dissolve(by="unit_id", sort=False, as_index=False) if frame["unit_id"].duplicated().any() else frame


def largest_overlap(geometries: NDArray[np.object_], areas: NDArray[np.object_]) -> NDArray[np.int64]:
    """Find, for each polygon, the area that covers most of it.

    Parameters
    ----------
    geometries
        ``n`` polygons.
    areas
        Polygons that do not overlap one another.

    Returns
    -------
    Row of ``areas`` for each polygon, the lowest one among equals; -1 where none meets it.
    """
    return containment.largest_overlap(geometries, areas)


@dataclass(frozen=True, eq=False)
class Places:
    """Units and districts laid out, to place any number of candidates."""

    units: containment.Areas
    districts: containment.Areas


def lay_out_places(units: gpd.GeoDataFrame, city_layers: CityLayers) -> Places:
    """Lay out what candidates are placed by, once for all partitions of a run.

    Parameters
    ----------
    units
        Of :func:`build_units`.
    city_layers
        Holds the districts.
    """
    return Places(containment.lay_out_areas(np.asarray(units.geometry.array, dtype=object)),
                  containment.lay_out_areas(np.asarray(city_layers.frame("districts").geometry.array, dtype=object)))


def place_candidates(candidates: gpd.GeoDataFrame, units: gpd.GeoDataFrame, city_layers: CityLayers, *,
                     places: Places | None = None, laid_out: proximity.LaidOut | None = None) -> gpd.GeoDataFrame:
    """Add ``unit_id``, ``zone_id`` and ``district`` to candidates, by the largest share of their area.

    Parameters
    ----------
    candidates
        Polygons in the metric CRS.
    units
        Of :func:`build_units`.
    city_layers
        Holds the districts.
    places
        The same units and districts laid out; made here if None.
    laid_out
        The candidates' geometries laid out, where they are.
    """
    where = places or lay_out_places(units, city_layers)
    shapes = laid_out if laid_out is not None else np.asarray(candidates.geometry.array, dtype=object)
    in_unit, in_district = containment.largest_overlaps(shapes, (where.units, where.districts))
    return candidates.assign(
        unit_id=_picked(units["unit_id"], in_unit),
        zone_id=_picked(units["zone_id"], in_unit),
        district=_picked(city_layers.frame("districts")["name"], in_district),
    )


def place_districts(candidates: gpd.GeoDataFrame, units: gpd.GeoDataFrame,
                    city_layers: CityLayers) -> gpd.GeoDataFrame:
    """Add the same columns to candidates that are whole districts, which no functional zone cuts.

    A point inside tells all then; cutting every district with its own outline, as for plots, would take seconds a
    hundred.
    """
    middles = shapely.point_on_surface(np.asarray(candidates.geometry.array, dtype=object))
    in_unit, in_district = (_holding(middles, frame) for frame in (units, city_layers.frame("districts")))
    return candidates.assign(unit_id=_picked(units["unit_id"], in_unit), zone_id=_picked(units["zone_id"], in_unit),
                             district=_picked(city_layers.frame("districts")["name"], in_district))


def _holding(points: NDArray[np.object_], areas: gpd.GeoDataFrame) -> NDArray[np.int64]:
    """Return the first area that holds each point; -1 for none."""
    point, area = shapely.STRtree(np.asarray(areas.geometry.array, dtype=object)).query(points, predicate="intersects")
    found = np.full(len(points), len(areas), dtype=np.int64)
    np.minimum.at(found, point, area)
    return np.where(found < len(areas), found, -1)


def _picked(values: pd.Series[str], rows: NDArray[np.int64]) -> NDArray[np.object_]:
    # The last entry is what -1 points at.
    return np.array([*values, ""], dtype=object)[rows]
