"""Synthetic telecom rooms, base stations and the fibre routes that link the rooms along roads."""

from __future__ import annotations

import heapq

import geopandas as gpd
import numpy as np
import shapely
from numpy.typing import NDArray
from shapely import LineString

from layers.sources.demo_city import Array, City, points_inside, thin
from layers.sources.demo_roads import neighbours, roads_of

OPERATORS = ("合成运营商甲", "合成运营商乙", "合成运营商丙")
"""Operators; invented, like all that they own."""

OPERATOR_SHARES = (0.4, 0.33, 0.27)
"""Their shares of rooms and stations."""

FIBRE_CLASSES = ("trunk", "primary", "secondary", "tertiary")
"""Roads that fibre follows (ducts are seldom laid along motorways)."""

ROOM_OFFSET_M = (25.0, 90.0)
"""How far a room stands from its road."""


def telecom_rooms(city: City) -> gpd.GeoDataFrame:
    """Make the telecom rooms: points beside main roads with ``room_id``, ``name``, ``operator``."""
    rng = city.generator("telecom_rooms")
    n = max(3, round(1.03 * np.sqrt(city.area_km2)))
    points = _spread(city, n, (0.06, 1.0), (5_000.0, 1_800.0), rng)
    points = _beside_roads(city, points, rng)
    return _owned(city, points, "room_id", "T", "合成机房", 3, rng)


def base_stations(city: City) -> gpd.GeoDataFrame:
    """Make the base stations that could host an edge centre: points with ``station_id``, ``name``, ``operator``."""
    rng = city.generator("base_stations")
    n = max(6, round(6.8 * np.sqrt(city.area_km2)))
    points = _spread(city, n, (0.05, 1.0), (2_200.0, 500.0), rng)
    return _owned(city, points, "station_id", "B", "合成基站", 4, rng)


def fibre_routes(city: City) -> gpd.GeoDataFrame:
    """Make fibre routes: each links two neighbouring rooms of one operator by the shortest way along roads.

    Returns
    -------
    geopandas.GeoDataFrame
        Lines in the metric CRS with ``route_id``, ``name``, ``operator``.
    """
    rooms = telecom_rooms(city)
    nodes, links = _road_graph(city, rooms)
    routes: list[LineString] = []
    owners: list[str] = []
    for operator in OPERATORS:
        places = shapely.get_coordinates(rooms.geometry.to_numpy()[(rooms["operator"] == operator).to_numpy()])
        gates = [int(np.hypot(*(nodes - place).T).argmin()) for place in places]
        for i, j in neighbours(places):
            way = _shortest_way(links, gates[i], gates[j])
            if way:
                routes.append(LineString(_joined(way)))
                owners.append(operator)
    inside = shapely.intersection(np.array(routes, dtype=object), city.area)
    whole = shapely.get_type_id(inside) == 1  # a lateral that leaves the study area makes several lines
    kept, operators = inside[whole], np.array(owners, dtype=object)[whole]
    return gpd.GeoDataFrame(
        {"route_id": [f"F{i:04d}" for i in range(1, len(kept) + 1)],
         "name": [f"{operator}光缆{i:03d}" for i, operator in enumerate(operators, start=1)], "operator": operators},
        geometry=kept, crs=city.crs)


def _spread(city: City, n: int, preference: tuple[float, float], spacing_m: tuple[float, float],
            rng: np.random.Generator) -> Array:
    """Spread places by urban intensity, apart from each other."""
    points = points_inside(city.area, 50 * n, rng)
    intensity = np.clip(1.3 * city.field.at(points[:, 0], points[:, 1]), 0, 1)
    density = preference[0] + (preference[1] - preference[0]) * intensity
    order = np.argsort(rng.standard_exponential(len(points)) / density, kind="stable")
    limit = 0.25 * city.radius_m / np.sqrt(n)  # in a small study area places stand closer
    apart = np.minimum(spacing_m[0] + (spacing_m[1] - spacing_m[0]) * intensity, 3 * limit)
    kept = thin(points[order], apart[order], n, np.empty((0, 2)), 0.0)
    return points[order][kept]


def _fibre_roads(city: City) -> NDArray[np.object_]:
    """Return the lines of the roads that fibre may follow."""
    roads = roads_of(city)
    return np.asarray(roads.geometry.to_numpy()[roads["road_class"].isin(FIBRE_CLASSES).to_numpy()], dtype=object)


def _on_road(lines: NDArray[np.object_], points: Array) -> tuple[Array, Array]:
    """Return places as they are, and for each the spot of its nearest road; nothing where there are no roads."""
    if not len(lines):
        return points[:0], points[:0]
    at = shapely.points(points)
    nearest = lines[shapely.STRtree(lines).nearest(at)]
    spots = shapely.line_interpolate_point(nearest, shapely.line_locate_point(nearest, at))
    return points, shapely.get_coordinates(spots)


def _beside_roads(city: City, points: Array, rng: np.random.Generator) -> Array:
    """Move places to the side of the nearest main road, where that keeps them in the study area."""
    offset_m = rng.uniform(*ROOM_OFFSET_M, len(points))
    found, on_road = _on_road(_fibre_roads(city), points)
    if not len(found):
        return points
    away = points - on_road
    distance = np.hypot(*away.T)
    moved = on_road + away / np.maximum(distance, 1e-9)[:, None] * offset_m[:, None]
    fits = shapely.contains_xy(city.area, moved) & (distance > 1.0)
    return np.asarray(np.where(fits[:, None], moved, points))


def _owned(city: City, points: Array, id_column: str, letter: str, name: str, digits: int,
           rng: np.random.Generator) -> gpd.GeoDataFrame:
    """Give places an id, a name and an operator."""
    owners = np.array(OPERATORS, dtype=object)[rng.choice(len(OPERATORS), len(points), p=OPERATOR_SHARES)]
    numbers = range(1, len(points) + 1)
    return gpd.GeoDataFrame(
        {id_column: [f"{letter}{i:0{digits + 1}d}" for i in numbers],
         "name": [f"{name}{i:0{digits}d}" for i in numbers], "operator": owners},
        geometry=shapely.points(np.round(points, 1)), crs=city.crs)


_Link = tuple[int, float, Array]


def _road_graph(city: City, rooms: gpd.GeoDataFrame) -> tuple[Array, list[list[_Link]]]:
    """Cut the main roads, and a spur from each room to its road, at their crossings.

    Returns
    -------
    tuple
        The crossings and ends, shape (n, 2), and for each of them where its pieces lead.
    """
    lines = _fibre_roads(city)
    spurs = []
    for room, on_road in zip(*_on_road(lines, shapely.get_coordinates(rooms.geometry.to_numpy())), strict=True):
        length = max(float(np.hypot(*(on_road - room))), 1e-9)
        spurs.append(LineString([room, on_road + (on_road - room) / length]))  # a metre across, so that they cross
    pieces = shapely.get_parts(shapely.line_merge(shapely.union_all(np.array([*lines, *spurs]), grid_size=0.1)))
    ends = np.array([shapely.get_coordinates(piece)[[0, -1]] for piece in pieces]).reshape(-1, 2)
    nodes, index = np.unique(np.round(ends, 1), axis=0, return_inverse=True)
    links: list[list[_Link]] = [[] for _ in nodes]
    for piece, (i, j) in zip(pieces, np.asarray(index).reshape(-1, 2).tolist(), strict=True):
        line, length = shapely.get_coordinates(piece), float(shapely.length(piece))
        links[i].append((j, length, line))
        links[j].append((i, length, line[::-1]))
    return np.asarray(nodes, dtype=np.float64), links


def _shortest_way(links: list[list[_Link]], start: int, end: int) -> list[Array]:
    """Return the lines of the shortest way (Dijkstra), none where there is no way."""
    best = {start: 0.0}
    came: dict[int, tuple[int, Array]] = {}
    queue = [(0.0, start)]
    while queue:
        distance, node = heapq.heappop(queue)
        if node == end:
            break
        if distance > best[node]:
            continue
        for other, length, line in links[node]:
            if distance + length < best.get(other, np.inf):
                best[other] = distance + length
                came[other] = (node, line)
                heapq.heappush(queue, (distance + length, other))
    way: list[Array] = []
    while end != start and end in came:
        end, line = came[end]
        way.append(line)
    return way[::-1]


def _joined(lines: list[Array]) -> Array:
    """Join lines that follow each other into one, without repeated points."""
    path = np.vstack(lines)
    moved = np.concatenate([[True], np.hypot(*np.diff(path, axis=0).T) > 0.2])
    return np.asarray(path[moved])
