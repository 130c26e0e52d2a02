"""Turns an arrangement of halls and yards into parts that tile the parcel: lanes, setback and green included."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import geopandas as gpd
import numpy as np
import pandas as pd
import shapely
from shapely.geometry import MultiPolygon

from siting._layout_programme import Arrangement
from siting.layout_settings import LayoutSettings

PartKind = Literal["hall", "substation_yard", "cooling_yard", "diesel_yard", "fire_lane", "setback", "green"]

PART_COLUMNS = ["part_id", "kind", "floors", "area_m2", "floor_area_m2", "racks", "it_load_kw", "certainty",
                "geometry"]

_PREFIXES: dict[str, str] = {"hall": "H", "substation_yard": "S", "cooling_yard": "C", "diesel_yard": "D",
                             "fire_lane": "F", "setback": "B", "green": "G"}
_YARDS = ("substation_yard", "cooling_yard", "diesel_yard")
_MITRE_LIMIT = 5.0
_SLIVER_M2 = 1e-3
"""Smaller pieces come from rounding and are no lanes."""


@dataclass(frozen=True, slots=True)
class _Part:
    kind: PartKind
    geometry: Any
    floors: int = 0
    racks: int = 0


def inset(parcel: Any, distance_m: float) -> Any:
    """Return the part of a parcel that is at least so far from its edge, holes included.

    Corners of the outline that point inward are cut square rather than round: never nearer than asked.
    """
    return _grown(parcel, -distance_m) if distance_m > 0.0 else parcel


def _grown(geometry: Any, distance_m: float) -> Any:
    return shapely.buffer(geometry, distance_m, join_style="mitre", mitre_limit=_MITRE_LIMIT)


def build_parts(parcel: Any, arrangement: Arrangement | None, n_floors: int, n_racks: int,
                settings: LayoutSettings, crs: Any) -> gpd.GeoDataFrame:
    """Build the frame of parts; they tile the parcel."""
    if arrangement is None:
        return _frame([_Part("green", parcel)], settings, crs)
    built = [*_halls(arrangement, n_floors, n_racks, settings)]
    for wanted in _YARDS:
        built += [_Part(kind, shape) for kind, shape in arrangement.yards if kind == wanted]
    inner = inset(parcel, settings.clearance_m - settings.fire_lane_width_m)
    shapes = np.array([p.geometry for p in built], dtype=object)
    net = fire_lanes(inner, inset(parcel, settings.clearance_m), shapes, settings.fire_lane_width_m)
    lanes = MultiPolygon(_pieces(net, _SLIVER_M2))
    used = shapely.union_all([*shapes, lanes])
    built += [_Part("fire_lane", lane) for lane in _pieces(lanes)]
    for kind, ground in (("setback", shapely.difference(parcel, inner)), ("green", shapely.difference(inner, used))):
        ground = MultiPolygon(_pieces(ground))
        if ground.area > 0.0:
            built.append(_Part(kind, ground))  # type: ignore[arg-type]
    return _frame(built, settings, crs)


def _halls(arrangement: Arrangement, n_floors: int, n_racks: int, settings: LayoutSettings) -> list[_Part]:
    """Give floors and racks to the halls, the nearest to the substation first; the last may be lower."""
    parts = []
    for shape in arrangement.halls:
        floors = min(settings.max_floors, n_floors)
        racks = min(floors * settings.racks_per_floor, n_racks)
        n_floors, n_racks = n_floors - floors, n_racks - racks
        parts.append(_Part("hall", shape, floors, racks))
    return parts


def fire_lanes(inner: Any, buildable: Any, shapes: Any, width_m: float) -> Any:
    """Lay a lane around every hall and yard and along the setback, and join what does not meet.

    Each piece of the ground within the setback has one connected net of lanes: halls and yards keep a
    gap of at least a lane, so that the shortest way between two parts of the net meets none of them.
    """
    around = shapely.union_all(_grown(shapes, width_m))
    taken = shapely.union_all(shapes)
    nets = []
    for ground in _pieces(inner):
        if not shapely.intersects(ground, taken):
            continue
        loop = shapely.difference(ground, buildable)
        lanes = shapely.difference(shapely.intersection(shapely.union(loop, around), ground), taken)
        nets.append(shapely.difference(_joined(MultiPolygon(_pieces(lanes)), width_m), taken))
    return shapely.intersection(shapely.union_all(nets), inner)


def _joined(lanes: Any, width_m: float) -> Any:
    """Join the parts of a net of lanes by the shortest ways, the nearest part first."""
    for _ in range(len(_pieces(lanes, _SLIVER_M2))):
        parts = sorted(_pieces(lanes, _SLIVER_M2), key=lambda p: -p.area)
        if len(parts) <= 1:
            break
        rest = np.array(parts[1:], dtype=object)
        nearest = rest[int(np.argmin(np.round(shapely.distance(parts[0], rest), 6)))]
        way = shapely.shortest_line(parts[0], nearest)
        # Parts that touch in a point have a way without length, of which a buffer may be empty.
        core = way if way.length > 0.0 else shapely.get_point(way, 0)
        lanes = shapely.union(lanes, shapely.buffer(core, width_m / 2))
    return lanes


def _pieces(geometry: Any, least_m2: float = 0.0) -> list[Any]:
    """Return the polygons of a geometry larger than a limit, in the order of their bounds."""
    parts = [p for p in shapely.get_parts(geometry) if p.geom_type == "Polygon" and p.area > least_m2]
    return sorted(parts, key=lambda p: p.bounds)


def _frame(parts: list[_Part], settings: LayoutSettings, crs: Any) -> gpd.GeoDataFrame:
    counts: dict[str, int] = {}
    rows = []
    for part in parts:
        counts[part.kind] = counts.get(part.kind, 0) + 1
        area_m2 = part.geometry.area
        rows.append({
            "part_id": f"{_PREFIXES[part.kind]}{counts[part.kind]:03d}", "kind": part.kind, "floors": part.floors,
            "area_m2": round(area_m2, 3), "floor_area_m2": round(area_m2 * part.floors, 3), "racks": part.racks,
            "it_load_kw": round(part.racks * settings.rack_density_kw, 6),
            "certainty": "assumed" if settings.assumed else "real",
        })
    return gpd.GeoDataFrame(pd.DataFrame(rows, columns=PART_COLUMNS[:-1]),
                            geometry=[p.geometry for p in parts], crs=crs)
