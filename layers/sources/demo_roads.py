"""Synthetic roads: motorway rings, trunk roads between centres, roads between towns, streets in built-up areas."""

from __future__ import annotations

import geopandas as gpd
import numpy as np
import shapely
from numpy.typing import NDArray
from shapely import LineString

from layers.sources.demo_city import Array, City

STREET_M = 1_200.0
"""Pitch of the street lattice."""

STREET_INTENSITY = 0.42
"""Urban intensity from which there are streets."""

SHORTEST_M = 250.0
"""Pieces shorter than this are dropped."""

CLASS_NAMES = {"motorway": "高速", "trunk": "干道", "primary": "主路", "secondary": "次路", "tertiary": "支路"}


def roads_of(city: City) -> gpd.GeoDataFrame:
    """Make the roads of the city.

    Returns
    -------
    geopandas.GeoDataFrame
        Lines in the metric CRS, clipped to the study area, with ``road_id``, ``name``, ``road_class``.
    """
    drawn = [*_rings(city), *_radials(city), *_links(city), *_streets(city)]
    classes = np.array([road_class for road_class, _ in drawn], dtype=object)
    lines = np.array([line for _, line in drawn], dtype=object)
    clipped = shapely.intersection(lines, city.area)
    parts, index = shapely.get_parts(clipped, return_index=True)
    keep = (shapely.get_dimensions(parts) == 1) & (shapely.length(parts) >= min(SHORTEST_M, 0.05 * city.radius_m))
    parts, classes = parts[keep], classes[index[keep]]
    return gpd.GeoDataFrame(
        {"road_id": [f"R{i:05d}" for i in range(1, len(parts) + 1)],
         "name": [f"合成{CLASS_NAMES[road_class]}{i:04d}" for i, road_class in enumerate(classes, start=1)],
         "road_class": classes},
        geometry=parts, crs=city.crs)


def neighbours(points: Array) -> list[tuple[int, int]]:
    """Return the pairs of points with no third one in the circle between them (Gabriel graph), sorted."""
    if len(points) < 3:
        return [(0, 1)] if len(points) == 2 else []
    edges = shapely.get_parts(shapely.delaunay_triangles(shapely.multipoints(points), only_edges=True))
    ends = shapely.get_coordinates(edges).reshape(-1, 2, 2)
    squared = ((ends[:, :, None, :] - points[None, None]) ** 2).sum(axis=-1)
    pairs = np.sort(squared.argmin(axis=2), axis=1)
    span = ((ends[:, 0] - ends[:, 1]) ** 2).sum(axis=1)
    free = ~(squared.sum(axis=1) < span[:, None] * (1 - 1e-9)).any(axis=1)
    return sorted({(int(i), int(j)) for i, j in pairs[free]})


def _bent(start: Array, end: Array, rng: np.random.Generator, share: float) -> LineString:
    """Draw a gently winding line between two places; ``share`` of its length is how far it strays."""
    length = float(np.hypot(*(end - start)))
    t = np.linspace(0, 1, max(3, int(length / 600) + 2))
    strength = rng.normal(0, share * length, 3) / [1.0, 2.0, 3.0]
    aside = sum(strength[k] * np.sin((k + 1) * np.pi * t) for k in range(3))
    normal = np.array([start[1] - end[1], end[0] - start[0]]) / max(length, 1e-9)
    return LineString(start + t[:, None] * (end - start) + np.asarray(aside)[:, None] * normal)


def _rings(city: City) -> list[tuple[str, LineString]]:
    """Draw the city's two ring roads about the core."""
    rng = city.generator("rings")
    rings = []
    for road_class, share in (("trunk", 0.13), ("motorway", 0.27)):
        t = np.linspace(0, 2 * np.pi, 181)
        phases = rng.uniform(0, 2 * np.pi, 3)
        wave = sum(np.sin((k + 2) * t + phases[k]) * 0.05 / (k + 1) for k in range(3))
        squarish = 1 + 0.06 * np.cos(4 * (t - city.lattice.angle - np.pi / 4))
        radius = share * city.radius_m * squarish * (1 + np.asarray(wave))
        ring = np.stack([city.core[0] + 1.12 * radius * np.cos(t), city.core[1] + radius * np.sin(t)], axis=1)
        ring[-1] = ring[0]
        rings.append((road_class, LineString(ring)))
    return rings


def _radials(city: City) -> list[tuple[str, LineString]]:
    """Draw motorways from the trunk ring out over the border."""
    rng = city.generator("radials")
    start = rng.uniform(0, np.pi / 2)
    found = []
    for k in range(6):
        angle = start + k * np.pi / 3 + rng.normal(0, 0.09)
        direction = np.array([np.cos(angle), np.sin(angle)])
        found.append(("motorway", _bent(city.core + 0.27 * city.radius_m * direction,
                                        city.core + 2.6 * city.radius_m * direction, rng, 0.018)))
    return found


def _links(city: City) -> list[tuple[str, LineString]]:
    """Link the centres by trunk and primary roads, and the towns by secondary and tertiary ones."""
    rng = city.generator("links")
    found = []
    for i, j in neighbours(city.centres):
        weight = min(city.weights[i], city.weights[j])
        line = _bent(city.centres[i], city.centres[j], rng, 0.025)
        found.append(("trunk" if weight > 0.5 else "primary", line))
    places = np.vstack([city.centres, city.towns])
    for i, j in neighbours(places):
        middle = (places[i] + places[j]) / 2
        draw = rng.random()
        line = _bent(places[i], places[j], rng, 0.04)
        dense = city.field.at(*middle[:, None])[0] > STREET_INTENSITY
        if j >= len(city.centres) and not dense:  # streets serve the dense parts
            found.append(("secondary" if draw < 0.45 else "tertiary", line))
    return found


def _streets(city: City) -> list[tuple[str, LineString]]:
    """Draw the lattice's streets where the city is built up; every fourth one is a primary road."""
    x, y = shapely.get_coordinates(shapely.segmentize(shapely.box(*city.area.bounds).exterior, city.radius_m / 10)).T
    extent = city.lattice.from_ground(x, y)
    found = []
    for across in (0, 1):
        low, high = (int(f(extent[across] / STREET_M)) for f in (np.min, np.max))
        along = np.arange(extent[1 - across].min(), extent[1 - across].max(), STREET_M / 6)
        along = np.round(along / (STREET_M / 6)) * (STREET_M / 6)
        for line in range(low, high + 1):
            fixed = np.full(len(along), line * STREET_M)
            px, py = city.lattice.to_ground(*((fixed, along) if across == 0 else (along, fixed)))
            needed = STREET_INTENSITY if line % 2 == 0 else STREET_INTENSITY + 0.13
            for first, last in _runs(city.field.at(px, py) > needed):
                if last - first >= 6:
                    road_class = "primary" if line % 4 == 0 else "secondary" if line % 2 == 0 else "tertiary"
                    found.append((road_class, LineString(np.stack([px[first:last], py[first:last]], axis=1))))
    return found


def _runs(flags: NDArray[np.bool_]) -> list[tuple[int, int]]:
    """Return the first and one past the last position of each run of True."""
    steps = np.flatnonzero(np.diff(np.concatenate([[False], flags, [False]]).astype(np.int8)))
    return [(int(first), int(last)) for first, last in steps.reshape(-1, 2)]
