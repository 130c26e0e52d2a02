"""What is scored: the parcels that were given, a metric grid, the blocks between streets, or whole districts."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

import geopandas as gpd
import numpy as np
import shapely
from numpy.typing import NDArray

from gis import blocks, vector
from gis.errors import InfeasibleError, LayerNotFoundError, UsageError
from layers.types import CityLayers
from siting.pack import CityPack
from siting.plan_settings import BlockSettings
from siting.types import Study

SMALLEST_SHARE_OF_CELL = 0.5
"""A grid cell that keeps less than this share of its land is no candidate."""

MIN_BLOCK_AREA_M2 = 2000.0
"""Smallest block, where neither pack nor study says: below it no class but an edge centre has room."""

MAX_BLOCK_AREA_M2 = 1_000_000.0
"""Largest block: what streets enclose in the open country is no plot, and a giant is near to everything."""

MIN_BLOCK_WIDTH_M = 20.0
"""Narrowest block: a machine hall with its clearance."""

MIN_FRONTAGE_M = 6.0
"""A piece that water or protected land cuts off its block's edge has no way in; as wide as a fire lane with kerbs."""

DEAD_END_M = 200.0
"""Shortest street that ends nowhere and still takes land: shorter ones belong to the block they serve."""

SETBACK_M: Mapping[str, float] = MappingProxyType({
    "motorway": 30.0, "trunk": 25.0, "primary": 20.0, "secondary": 15.0, "tertiary": 12.0, "local": 8.0,
    "railway": 15.0})
"""Half of the space between the red lines of a street by class (the usual widths of 60, 50, 40, 30, 24 and 16 m), and
that of a railway's own land; a judgement of the product."""

RAILWAY = "railway"
"""Class of the lines of the layer ``railways``, which part land as streets do."""

UNKNOWN_CLASS = "local"
"""Class of a road that states none."""


def find_candidates(city_layers: CityLayers, pack: CityPack, study: Study) -> gpd.GeoDataFrame:
    """Return the candidates of a study, with their shape measured.

    Returns
    -------
    Frame with at least ``parcel_id, land_use, area_m2, compactness, certainty, geometry``.

    Raises
    ------
    LayerNotFoundError
        The study wants parcels and has none, or blocks and has no roads.
    UsageError
        A setting of the blocks means nothing.
    InfeasibleError
        No grid cell keeps enough land, or no block is large enough.
    """
    if study.candidates == "grid":
        frame = _grid(city_layers, pack, study.grid_size_m or pack.grid_size_m)
    elif study.candidates == "blocks":
        frame = _blocks(city_layers, pack, study)
    elif study.candidates == "districts":
        frame = _whole_districts(city_layers)
    elif city_layers.has("parcels"):
        frame = city_layers.frame("parcels")
    else:
        raise LayerNotFoundError(
            'layer "parcels" has no rows; name a file for it under [layers.parcels] or set candidates = "grid" or '
            '"blocks"',
            '图层 "parcels" 没有数据；请在 [layers.parcels] 中指定文件，或设置 candidates = "grid" 或 "blocks"',
        )
    geometries = np.asarray(frame.geometry.array, dtype=object)
    known = {} if "land_use" in frame.columns else {"land_use": None}
    return frame.assign(**known, area_m2=np.round(vector.area_m2(geometries), 2),
                        compactness=np.round(vector.compactness(geometries), 6)).reset_index(drop=True)


def _whole_districts(city_layers: CityLayers) -> gpd.GeoDataFrame:
    """Return the districts themselves, each under its code and name, for a screening before any plot is known.

    A code alone tells a reader nothing, and names repeat: two cities of a province may each have an inner district.
    """
    districts = city_layers.frame("districts")
    kept = [c for c in ("name", "certainty", "geometry") if c in districts.columns]
    ids = districts["district_id"].astype(str) + "-" + districts["name"].astype(str)
    return districts[kept].assign(parcel_id=ids)


def block_settings(pack: CityPack, study: Study) -> BlockSettings:
    """Return how streets part land in a run, nothing left open: the study's words, then the pack's, then the default.

    Raises
    ------
    UsageError
        A setback is given for a road class that is none, or no block can be both small and large enough.
    """
    own, city = study.blocks, pack.blocks
    setbacks = {**SETBACK_M, **dict(city.setback_m), **dict(own.setback_m)}
    odd = sorted(setbacks.keys() - SETBACK_M.keys())
    if odd:
        raise UsageError(f"blocks.setback_m: unknown class {odd[0]!r}; known: {', '.join(SETBACK_M)}",
                         f"blocks.setback_m：未知等级 {odd[0]!r}；可用：{'、'.join(SETBACK_M)}")
    smallest = _first(own.min_area_m2, city.min_area_m2, MIN_BLOCK_AREA_M2)
    largest = _first(own.max_area_m2, city.max_area_m2, MAX_BLOCK_AREA_M2)
    if largest and not 4.0 * smallest <= largest < np.inf:
        raise UsageError(
            f"blocks: max_area_m2 = {largest:g} must be at least four times min_area_m2 = {smallest:g}, or 0 for no "
            "limit",
            f"blocks：max_area_m2 = {largest:g} 应不小于 min_area_m2 = {smallest:g} 的四倍，或为 0（不限）")
    return BlockSettings(
        min_area_m2=smallest, max_area_m2=largest,
        min_width_m=_first(own.min_width_m, city.min_width_m, MIN_BLOCK_WIDTH_M),
        dead_end_m=_first(own.dead_end_m, city.dead_end_m, DEAD_END_M), setback_m=tuple(setbacks.items()))


def _first(own: float | None, city: float | None, default: float) -> float:
    return own if own is not None else default if city is None else city


def _blocks(city_layers: CityLayers, pack: CityPack, study: Study) -> gpd.GeoDataFrame:
    """Return the blocks between streets, less the land on which nobody may build."""
    if not city_layers.has("roads"):
        raise LayerNotFoundError(
            'candidates = "blocks" needs the layer "roads", which has no rows; name a file for it under '
            '[layers.roads] or set candidates = "grid"',
            'candidates = "blocks" 需要图层 "roads"，现无数据；请在 [layers.roads] 中指定文件，'
            '或设置 candidates = "grid"',
        )
    settings = block_settings(pack, study)
    limits = {"min_area_m2": settings.min_area_m2 or 0.0, "min_width_m": settings.min_width_m or 0.0}
    lines, classes = _parting_lines(city_layers)
    found = blocks.street_blocks(lines, classes, city_layers.area_of_interest, setback_m=dict(settings.setback_m),
                                 dead_end_m=settings.dead_end_m or 0.0, **limits)
    land = _reachable_parts(found.geometries, _less_taken_land(found.geometries, city_layers, pack))
    land = blocks.split_large(land, settings.max_area_m2 or np.inf)
    small, narrow = blocks.slivers(land, **limits)
    land = land[~(small | narrow)]
    if not len(land):
        raise InfeasibleError(
            f"the streets leave no block of {limits['min_area_m2']:g} m2 and {limits['min_width_m']:g} m width; lower "
            "min_area_m2 or min_width_m under [blocks], or check the layer roads",
            f"道路之间没有面积不小于 {limits['min_area_m2']:g} 平方米、宽度不小于 {limits['min_width_m']:g} 米的街块；"
            "请在 [blocks] 中减小 min_area_m2 或 min_width_m，或核对道路图层")
    land = land[blocks.hilbert_order(land, city_layers.area_of_interest)]
    ids = np.array([f"B{number:06d}" for number in range(1, len(land) + 1)], dtype=object)
    return gpd.GeoDataFrame({"parcel_id": ids, "certainty": "approximate"}, geometry=land, crs=city_layers.metric_crs)


def _reachable_parts(whole: vector.Geometries, left: vector.Geometries) -> vector.Geometries:
    """Return the parts of what is left of each block that still reach the block's edge, as wide as a way in."""
    parts, block = shapely.get_parts(left, return_index=True)
    is_cut = left[block] != whole[block]
    # Cutting moves corners on the edge by rounding, so the edge is given some room.
    edges = shapely.buffer(shapely.boundary(whole[block[is_cut]]), blocks.SNAP_M, quad_segs=1)
    frontage_m = np.full(len(parts), np.inf)
    frontage_m[is_cut] = shapely.length(shapely.intersection(shapely.boundary(parts[is_cut]), edges))
    reachable: vector.Geometries = parts[(frontage_m >= MIN_FRONTAGE_M) & ~shapely.is_empty(parts)]
    return reachable


def _parting_lines(city_layers: CityLayers) -> tuple[vector.Geometries, NDArray[np.object_]]:
    """Return the lines that part land, and the class of each."""
    roads = city_layers.frame("roads")
    lines = [np.asarray(roads.geometry.array, dtype=object)]
    classes = [roads["road_class"].fillna(UNKNOWN_CLASS).to_numpy(dtype=object)]
    if city_layers.has("railways"):
        lines.append(np.asarray(city_layers.frame("railways").geometry.array, dtype=object))
        classes.append(np.full(len(lines[-1]), RAILWAY, dtype=object))
    return np.concatenate(lines), np.concatenate(classes)


def _grid(city_layers: CityLayers, pack: CityPack, size_m: float) -> gpd.GeoDataFrame:
    cells, names = vector.grid_cells(city_layers.area_of_interest, size_m)
    kept = _less_taken_land(shapely.intersection(cells, city_layers.area_of_interest), city_layers, pack)
    enough = shapely.area(kept) >= SMALLEST_SHARE_OF_CELL * size_m**2
    if not enough.any():
        raise InfeasibleError(
            f"no grid cell of {size_m:g} m keeps half of its land; choose a smaller grid_size_m",
            f"没有任何 {size_m:g} 米网格保留一半以上的用地；请减小 grid_size_m",
        )
    ids = np.array([f"G{row:+06d}{column:+06d}" for row, column in names[enough]], dtype=object)
    return gpd.GeoDataFrame({"parcel_id": ids, "certainty": "approximate"}, geometry=kept[enough],
                            crs=city_layers.metric_crs)


def _less_taken_land(geometries: vector.Geometries, city_layers: CityLayers, pack: CityPack) -> vector.Geometries:
    """Return what of each polygon lies outside the layers on which a rule forbids every class to build."""
    kept = geometries
    for layer in _layers_that_take_land(pack):
        if city_layers.has(layer):
            taken = np.asarray(city_layers.frame(layer).geometry.array, dtype=object)
            kept = vector.subtract(kept, taken[np.isin(shapely.get_dimensions(taken), (2,))])
    return kept


def _layers_that_take_land(pack: CityPack) -> tuple[str, ...]:
    """Return the polygon layers on which a rule forbids every class to build."""
    return tuple(dict.fromkeys(r.layer for r in pack.rules if r.test == "overlap" and r.strictness == "shall"
                               and not r.site_classes and not r.gb50174_classes and not r.where_column))
