"""The vector layers of a study as packed blocks: shapes, a look for each feature, and what a click tells."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict
from typing import Any

import geopandas as gpd
import numpy as np
import pandas as pd
import shapely
from numpy.typing import NDArray
from shapely.ops import polylabel

from gis.bilingual import Language, Text
from gis.schemas import Field
from layers.schemas import LAYERS
from maps import styles
from maps._packing_block import pack_block
from maps.map_layer import MapLayer
from maps.map_network import network_layers
from maps.map_phrases import PHRASES
from maps.map_plans import campus_layer, capacity_layers, estate_layer
from maps.packed_geometry import pack_geometry
from maps.styles import LAYER_STYLES, OTHER_LAYER, LayerStyle, Variant
from siting.pack import PolicyZone
from siting.types import StudyResult
from siting.wording import CERTAINTY_WORDS, unit_word, word

WGS84 = "EPSG:4326"
MOST_LINE_VERTICES = 150_000
"""A layer of lines with more vertices is simplified, and then thinned, before it is drawn."""
MOST_DEEP_POINTS = 100
"""A layer of more areas has its names at any point inside."""
LINE_TOLERANCE_M = 8.0
"""How far a simplified line may stray: less than a pixel up to zoom 14."""


def map_layers(result: StudyResult) -> Iterator[MapLayer]:
    """List the layers of a study, lowest first: units, every vector layer that is there, and the plans."""
    campus = campus_layer(result)
    found = [*_policy_layers(result), *_city_layers(result), *_edge_layers(result), *capacity_layers(result),
             *([] if campus is None else [campus]), *network_layers(result), *_cluster_layers(result)]
    return iter(sorted(found, key=lambda layer: (layer.style.order, layer.name)))


def pack_layer(layer: MapLayer, language: Language) -> str:
    """Pack one layer for the page.

    Parameters
    ----------
    layer
        The layer; its frame has been checked against its schema when it was read.
    language
        Language of titles, units and names.
    """
    frame = thin_lines(layer.frame.reset_index(drop=True))
    shapes = pack_geometry(frame.geometry.to_crs(WGS84))
    arrays: dict[str, NDArray[Any]] = {**shapes, "variant": variant_of(frame, layer.style)}
    if (shapes["dimension"] == 2).any() and layer.style.label_zoom is not None:
        anchors = _anchors(frame.geometry)
        arrays |= {"anchor_x": anchors[0], "anchor_y": anchors[1]}
    meta = {
        "name": layer.name, "title": layer.title.to(language), "title_minor": layer.title.to(_other(language)),
        "group": layer.style.group, "order": layer.style.order, "is_shown": layer.style.is_shown,
        "label_zoom": layer.style.label_zoom, "label_priority": layer.style.label_priority,
        "is_clickable": layer.style.is_clickable, "wins_over_parcels": layer.style.wins_over_parcels,
        "is_found": layer.style.is_found, "switch": layer.switch or layer.name, "reading": layer.reading,
        "variants": [_variant(v, layer.title, language) for v in layer.style.variants],
        "is_thinned": len(frame) < len(layer.frame),
        "names": _column(frame, layer.name_column, language),
        "fields": [_field(frame, field, language) for field in layer.fields if field.name in frame.columns],
        "certainty": _words(frame, "certainty", language),
        "error_radius_km": _column(frame, layer.style.error_radius_column, language),
    }
    return pack_block(meta, arrays)


def _other(language: Language) -> Language:
    return "en" if language == "zh" else "zh"


def _policy_layers(result: StudyResult) -> Iterator[MapLayer]:
    """Give the units, filled in the colour of their zone and named in the page's language."""
    if result.units.empty:
        return
    looks = tuple(_zone_look(zone) for zone in result.pack.zones)
    rest = Variant(title=Text(zh="未分区", en="no zone"), colour="#9e9e9e", fill_opacity=0.0, width_px=0.8)
    style = LayerStyle(group="policy", order=2, variants=(*looks, rest), variant_column="zone_id", label_zoom=9.0,
                       label_priority=90)
    zones = [next((z for z in result.pack.zones if z.zone_id == key), None) for key in result.units["zone_id"]]
    frame = result.units.assign(
        name=[Text(zh=str(zh), en=str(en)) for zh, en in
              zip(result.units["name_zh"], result.units["name_en"], strict=True)],
        zone=[z and z.title for z in zones], role=[z and z.role for z in zones],
        clause=[z and f"{z.citation.heading}：{z.citation.quote}" for z in zones])
    fields = (Field(name="zone", title=PHRASES["zone"]), Field(name="role", title=PHRASES["role"]),
              Field(name="clause", title=PHRASES["clause"]),
              Field(name="area_km2", title=PHRASES["area"], kind="number", unit="km²"))
    yield MapLayer(name="policy_zones", title=PHRASES["policy_zones"], style=style, frame=frame, fields=fields)


def _zone_look(zone: PolicyZone) -> Variant:
    return Variant(title=zone.title, values=(zone.zone_id,), colour=zone.colour, fill=zone.colour, fill_opacity=0.2,
                   width_px=1.4)


def _city_layers(result: StudyResult) -> Iterator[MapLayer]:
    """Give every vector layer of the city that has features; parcels only where they are not what is scored."""
    for name, schema in LAYERS.items():
        if schema.frame is None or not result.city_layers.has(name):
            continue
        if name == "parcels" and result.study.candidates == "parcels":
            continue
        stock = estate_layer(result) if name == "data_centres" else None
        if stock is not None:
            yield stock
            continue
        frame = result.city_layers.frame(name)
        if name == "demand" and result.edge_plan is not None and len(result.edge_plan.demand):
            frame = result.edge_plan.demand
        told = tuple(f for f in schema.frame.fields if f.name not in (schema.id_column, "name"))
        yield MapLayer(name=name, title=schema.title, style=LAYER_STYLES.get(name, OTHER_LAYER), frame=frame,
                       fields=told)


def _edge_layers(result: StudyResult) -> Iterator[MapLayer]:
    """Give the lines to the substations and the service areas; the edge centres themselves are markers."""
    plan = result.edge_plan
    if plan is None:
        return
    if len(plan.feed_lines):
        fields = (Field(name="feed", title=PHRASES["feed_lines"]),
                  Field(name="voltage_kv", title=LAYERS["substations"].title, kind="number", unit="kV"),
                  Field(name="distance_m", title=PHRASES["measured"], kind="number", unit="m"))
        yield MapLayer(name="feed_lines", title=PHRASES["feed_lines"], style=styles.FEED_LINES,
                       frame=plan.feed_lines, fields=fields, name_column="edge_centre_id")
    if len(plan.coverage):
        yield MapLayer(name="coverage", title=PHRASES["coverage"], style=styles.COVERAGE, frame=plan.coverage,
                       name_column="edge_centre_id")


def _cluster_layers(result: StudyResult) -> Iterator[MapLayer]:
    """Give the outlines of the clusters listed for each hub region, and of the runners-up."""
    plan = result.cluster_plan
    if plan is None:
        return
    table = plan.table(result.candidates)
    sites = [site for found in plan.regions for site in found.sites]
    regions = {found.region.region_id: found.region for found in plan.regions}
    rows = result.candidates.iloc[[site.row for site in sites]]
    titles = pd.Series([regions[key].title for key in table["region_id"]], dtype=object)
    frame = gpd.GeoDataFrame(table.assign(
        name=(rows["name"] if "name" in rows.columns else rows["parcel_id"]).to_numpy(), region=titles,
        clause=[f"{regions[key].citation.heading}：{regions[key].citation.quote}" for key in table["region_id"]]),
        geometry=rows.geometry.to_numpy(), crs=rows.crs)
    fields = (Field(name="region", title=PHRASES["cluster_region"]), Field(name="clause", title=PHRASES["clause"]),
              Field(name="score", title=PHRASES["score"], kind="number"))
    yield MapLayer(name="clusters", title=PHRASES["clusters"], style=styles.CLUSTERS, frame=frame, fields=fields)


def variant_of(frame: gpd.GeoDataFrame, style: LayerStyle) -> NDArray[np.uint8]:
    """Choose the look of each feature: the first variant whose values or lower bound it meets, else the last."""
    chosen = np.full(len(frame), len(style.variants) - 1, dtype=np.uint8)
    if style.variant_column not in frame.columns:
        return chosen
    column = frame[style.variant_column]
    as_number = pd.to_numeric(column, errors="coerce").to_numpy(dtype=float)
    as_text = column.astype(str).to_numpy()
    for i, variant in reversed(list(enumerate(style.variants[:-1]))):
        if variant.at_least is not None:
            chosen[as_number >= variant.at_least] = i
        else:
            chosen[np.isin(as_text, variant.values)] = i
    return chosen


def thin_lines(frame: gpd.GeoDataFrame) -> gpd.GeoDataFrame:
    """Lighten a layer of too many vertices for drawing: simplify, and where that is not enough keep every n-th line.

    Parameters
    ----------
    frame
        A layer in a metric CRS; layers of points or areas, and layers in degrees, come back as they are.
    """
    shapes = frame.geometry.to_numpy()
    if frame.crs is not None and frame.crs.is_geographic:  # links between cities: few, and their lengths no metres
        return frame
    if not (shapely.get_dimensions(shapes) == 1).all() or _n_vertices(shapes) <= MOST_LINE_VERTICES:
        return frame
    light = frame.set_geometry(frame.geometry.simplify(LINE_TOLERANCE_M, preserve_topology=False))
    every = -(-_n_vertices(light.geometry.to_numpy()) // MOST_LINE_VERTICES)
    if every == 1:
        return light
    # The longest lines carry the picture.
    order = np.argsort(-light.geometry.length.to_numpy(), kind="stable")
    return light.iloc[np.sort(order[: max(1, len(order) // every)])].reset_index(drop=True)


def _n_vertices(shapes: NDArray[np.object_]) -> int:
    return int(shapely.get_num_coordinates(shapes).sum())


def _anchors(geometry: gpd.GeoSeries) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Find where the name of each area is written (longitude, latitude)."""
    if len(geometry) > MOST_DEEP_POINTS:
        points = geometry.representative_point()
    else:
        points = gpd.GeoSeries([_deep_point(shape) for shape in geometry], crs=geometry.crs)
    placed = points.to_crs(WGS84)
    return placed.x.to_numpy(dtype=np.float32), placed.y.to_numpy(dtype=np.float32)


def _deep_point(shape: shapely.Geometry) -> shapely.Point:
    """Return the point farthest from the outline of the largest part, to a hundredth of its size."""
    parts = shapely.get_parts(shape)
    if not len(parts) or shapely.get_dimensions(shape) < 2:
        return shapely.point_on_surface(shape)
    largest = parts[int(np.argmax(shapely.area(parts)))]
    west, south, east, north = largest.bounds
    point: shapely.Point = polylabel(largest, tolerance=max(float(np.hypot(east - west, north - south)) / 100, 1e-6))
    return point


def _column(frame: gpd.GeoDataFrame, name: str, language: Language) -> list[Any]:
    """Return a column with None for what is missing; empty where there is no such column."""
    if not name or name not in frame.columns:
        return []
    return [value.to(language) if isinstance(value, Text) else None if pd.isna(value) else value
            for value in frame[name]]


def _words(frame: gpd.GeoDataFrame, name: str, language: Language) -> list[str]:
    return [word(CERTAINTY_WORDS, str(value), language) for value in _column(frame, name, language)]


def _field(frame: gpd.GeoDataFrame, field: Field, language: Language) -> dict[str, Any]:
    return {"name": field.name, "title": field.title.to(language), "unit": unit_word(field.unit, language),
            "code": field.unit,
            "values": _column(frame, field.name, language)}


def _variant(variant: Variant, layer_title: Text, language: Language) -> dict[str, Any]:
    plain = {key: value for key, value in asdict(variant).items() if key not in ("values", "at_least", "title")}
    return {**plain, "fill": variant.fill or variant.colour,
            "title": (variant.title if variant.title.to(language) else layer_title).to(language)}
