"""The synthetic city that every layer of the demo is drawn from: its centres, towns and urban intensity.

The real boundaries say where a city is dense: its inner districts are small and stand together. From
them come a core, one centre for each district and functional zone, and small towns between them. All
of it follows from the boundaries and the seed alone, so that layers do not depend on the order in
which they are read.
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from functools import lru_cache

import geopandas as gpd
import numpy as np
import shapely
from numpy.typing import NDArray
from shapely import Geometry, MultiPolygon, Polygon

from gis.errors import LayerError
from layers.sources.types import LoadContext

Array = NDArray[np.float64]

FIELD_CELLS = 160_000
"""Cells of the grid that keeps the urban intensity."""

TOWN_AREA_M2 = 42e6
"""Land for one town (Zhengzhou: 181 towns and streets on 7,500 km2)."""

WARP_M = 480.0
"""How far the street lattice is bent at most, in each direction."""

WARP_WAVELENGTH_M = 17_000.0
"""Length of one bend; with ``WARP_M`` it keeps the bend of a direction under about 12 degrees."""


@dataclass(frozen=True, eq=False)
class City:
    """What the layers of the demo share."""

    area: Polygon | MultiPolygon
    """Study area in the metric CRS."""

    crs: str
    """Metric CRS."""

    seed: int
    """Seed of the run."""

    core: Array
    """Easting and northing of the city's centre, m, shape (2,)."""

    radius_m: float
    """Radius of a circle as large as the study area."""

    centres: Array
    """Urban centres, m, shape (n, 2)."""

    reach_m: Array
    """Standard deviation of each centre's built-up area, shape (n,)."""

    weights: Array
    """Urban intensity at each centre, 0 to 1, shape (n,)."""

    towns: Array
    """Small towns, m, shape (m, 2)."""

    field: Field
    """Urban intensity."""

    basins: Field
    """Urban intensity of the centres alone: where no hill may stand."""

    lattice: Lattice
    """Street lattice."""

    @property
    def area_km2(self) -> float:
        """Size of the study area."""
        return float(self.area.area) / 1e6

    def generator(self, name: str) -> np.random.Generator:
        """Return the random numbers of one layer; no other layer moves them."""
        return random_numbers(self.seed, name)


@dataclass(frozen=True, eq=False)
class Field:
    """Urban intensity on a grid, 0 (fields) to 1 (city centre)."""

    origin: Array
    """Easting and northing of the first node, shape (2,)."""

    step_m: float
    """Distance of nodes."""

    values: Array
    """Intensity at the nodes, rows to the north, columns to the east."""

    def at(self, x: Array, y: Array) -> Array:
        """Return the intensity at places, interpolated linearly; outside the grid that of its edge."""
        rows, columns = self.values.shape
        u = np.clip((x - self.origin[0]) / self.step_m, 0, columns - 1.001)
        v = np.clip((y - self.origin[1]) / self.step_m, 0, rows - 1.001)
        column, row = u.astype(np.int64), v.astype(np.int64)
        u, v = u - column, v - row
        lower = self.values[row, column] * (1 - u) + self.values[row, column + 1] * u
        upper = self.values[row + 1, column] * (1 - u) + self.values[row + 1, column + 1] * u
        result: Array = lower * (1 - v) + upper * v
        return result


@dataclass(frozen=True, eq=False)
class Lattice:
    """A square street lattice, turned a little and gently bent: the local directions of the city.

    The bend is one to one (its gradient stays under 0.2), so that cells which do not overlap on the
    lattice do not overlap on the ground.
    """

    origin: Array
    """Where lattice coordinates (0, 0) lie, m."""

    angle: float
    """Turn of the lattice, radians."""

    phases: Array
    """Phases of the bend, shape (4,)."""

    def to_ground(self, a: Array, b: Array) -> tuple[Array, Array]:
        """Return easting and northing of lattice coordinates in metres."""
        da, db = self._bend(a, b)
        p, q = a + da, b + db
        cos, sin = np.cos(self.angle), np.sin(self.angle)
        return self.origin[0] + cos * p - sin * q, self.origin[1] + sin * p + cos * q

    def from_ground(self, x: Array, y: Array) -> tuple[Array, Array]:
        """Return the lattice coordinates of places, to within a millimetre."""
        cos, sin = np.cos(self.angle), np.sin(self.angle)
        p = cos * (x - self.origin[0]) + sin * (y - self.origin[1])
        q = -sin * (x - self.origin[0]) + cos * (y - self.origin[1])
        a, b = p, q
        for _ in range(12):  # a contraction by 0.2: twelve steps leave 480 m * 0.2**12
            da, db = self._bend(a, b)
            a, b = p - da, q - db
        return a, b

    def _bend(self, a: Array, b: Array) -> tuple[Array, Array]:
        k = 2 * np.pi / WARP_WAVELENGTH_M
        da = WARP_M * 0.5 * (np.sin(k * b + self.phases[0]) + np.sin(0.6 * k * (a + b) + self.phases[1]))
        db = WARP_M * 0.5 * (np.sin(k * a + self.phases[2]) + np.sin(0.6 * k * (a - b) + self.phases[3]))
        return da, db


def random_numbers(seed: int, name: str) -> np.random.Generator:
    """Return the random numbers that belong to a seed and a name."""
    return np.random.default_rng([abs(seed), zlib.crc32(name.encode("utf-8"))])


def build_city(context: LoadContext) -> City:
    """Derive the synthetic city from the boundaries of the run.

    Parameters
    ----------
    context
        Its study area, and its ``districts`` and ``zones`` where they were read.

    Raises
    ------
    LayerError
        There is no study area yet.
    """
    area = context.area_of_interest
    if area is None or area.is_empty:
        raise LayerError("the demo layers need a study area; read the layer 'districts' before them",
                         "演示图层需要研究范围；请先读取图层 districts")
    districts = _outlines(context.frames.get("districts"), area)
    zones = _outlines(context.frames.get("zones"), area, whole=False)
    return _city(area, tuple(districts), tuple(zones), context.seed, context.metric_crs)


# Every layer of a run is made from the same city.
@lru_cache(maxsize=1)
def _city(area: Polygon | MultiPolygon, districts: tuple[Geometry, ...], zones: tuple[Geometry, ...], seed: int,
          metric_crs: str) -> City:
    shapely.prepare(area)
    radius_m = float(np.sqrt(area.area / np.pi))
    shapes = _array_of(districts)
    core = _core_of(shapes, radius_m)
    centres, reach_m, weights = _centres_of(shapes, core, radius_m)
    if zones:
        outlines = _array_of(zones)
        centres = np.vstack([centres, _inner_points(outlines)])
        reach_m = np.concatenate([reach_m, np.clip(0.35 * np.sqrt(shapely.area(outlines) / np.pi), 1_000, 5_000)])
        weights = np.concatenate([weights, np.full(len(zones), 0.7)])
    reach_m = np.minimum(reach_m, 0.3 * radius_m)
    plain = _field_of(area, centres, reach_m, weights)
    towns = _towns_of(seed, area, plain, centres)
    with_towns = _field_of(area, np.vstack([centres, towns]),
                           np.concatenate([reach_m, np.full(len(towns), min(900.0, 0.1 * radius_m))]),
                           np.concatenate([weights, np.full(len(towns), 0.38)]))
    return City(area=area, crs=metric_crs, seed=seed, core=core, radius_m=radius_m, centres=centres,
                reach_m=reach_m, weights=weights, towns=towns, field=with_towns, basins=plain,
                lattice=_lattice_of(seed, core))


def _array_of(shapes: tuple[Geometry, ...]) -> NDArray[np.object_]:
    found = np.empty(len(shapes), dtype=object)
    found[:] = shapes
    return found


def points_inside(area: Polygon | MultiPolygon, n: int, rng: np.random.Generator) -> Array:
    """Draw ``n`` places evenly from a polygon, shape (n, 2)."""
    min_x, min_y, max_x, max_y = area.bounds
    found: list[Array] = []
    n_found = 0
    while n_found < n:
        drawn = rng.random((2 * n + 64, 2)) * [max_x - min_x, max_y - min_y] + [min_x, min_y]
        inside = drawn[shapely.contains_xy(area, drawn)]
        found.append(inside)
        n_found += len(inside)
    return np.vstack(found)[:n]


def thin(points: Array, spacing_m: Array, n: int, taken: Array, gap_m: float) -> NDArray[np.int64]:
    """Keep places that stand apart, first come first kept (blue noise).

    Parameters
    ----------
    points
        Candidates in the order of preference, shape (m, 2).
    spacing_m
        Distance that each candidate keeps from those already kept, shape (m,).
    n
        How many to keep at most.
    taken
        Places of other kinds, shape (k, 2), from which ``gap_m`` is kept.

    Returns
    -------
    numpy.ndarray
        Positions of those kept, at most ``n``.
    """
    if len(taken):
        near = np.zeros(len(points), dtype=bool)
        for place in taken:
            near |= np.hypot(*(points - place).T) < gap_m
        order = np.flatnonzero(~near)
    else:
        order = np.arange(len(points))
    kept: list[int] = []
    held = np.empty((n, 2))
    for index in order:
        count = len(kept)
        if count == n:
            break
        if not count or np.hypot(*(held[:count] - points[index]).T).min() >= spacing_m[index]:
            held[count] = points[index]
            kept.append(int(index))
    return np.array(kept, dtype=np.int64)


def _outlines(frame: gpd.GeoDataFrame | None, area: Polygon | MultiPolygon, *, whole: bool = True,
              ) -> NDArray[np.object_]:
    """Return the polygons of a frame inside the study area; its parts where there are none and ``whole``."""
    if frame is not None and len(frame):
        shapes = np.asarray(frame.geometry.array, dtype=object)
        shapes = shapes[~(shapely.is_missing(shapes) | shapely.is_empty(shapes))]
        shapes = shapely.intersection(shapely.make_valid(shapes), area)
        shapes = shapes[shapely.area(shapes) > 1e-6 * area.area]
        if len(shapes):
            return np.asarray(shapes, dtype=object)
    return np.asarray(shapely.get_parts(area), dtype=object) if whole else np.empty(0, dtype=object)


def _inner_points(shapes: NDArray[np.object_]) -> Array:
    """Return the centroid of each shape, or a point surely inside where the centroid lies without."""
    centroids = shapely.centroid(shapes)
    inner = np.where(shapely.contains(shapes, centroids), centroids, shapely.point_on_surface(shapes))
    return np.asarray(shapely.get_coordinates(inner), dtype=np.float64)


def _core_of(shapes: NDArray[np.object_], radius_m: float) -> Array:
    """Find where small districts stand together."""
    points = _inner_points(shapes)
    areas = shapely.area(shapes)
    # Company counts, not smallness alone: a lone tiny district far out is not the core.
    density = 1 / np.sqrt(np.maximum(areas, np.quantile(areas, 0.3)))
    distance = np.hypot(points[:, None, 0] - points[None, :, 0], points[:, None, 1] - points[None, :, 1])
    near = np.exp(-((distance / (0.35 * radius_m)) ** 2)) * density
    company = (near.sum(axis=1) - np.diag(near)) * density
    share = near[int(np.argmax(company))] * density
    core: Array = share @ points / share.sum()
    return core


def _centres_of(shapes: NDArray[np.object_], core: Array, radius_m: float) -> tuple[Array, Array, Array]:
    """Place the centre of each district, and say how far and how densely it is built."""
    points = _inner_points(shapes)
    away = np.hypot(*(points - core).T)
    closeness = np.exp(-((away / (0.4 * radius_m)) ** 2))
    for pull in (0.35, 0.2, 0.1):  # as far towards the core as the district allows
        pulled = points + pull * (core - points)
        moves = shapely.contains_xy(shapes, pulled) & (closeness > 0.02) & (away > 1.0)
        points = np.where(moves[:, None], pulled, points)
        closeness = np.where(moves, 0.0, closeness)  # moved once, moved for good
    closeness = np.exp(-((away / (0.4 * radius_m)) ** 2))
    areas = shapely.area(shapes)
    density = np.sqrt(areas.min() / areas)  # inverse area: small districts are the dense inner ones
    weights = np.clip(0.42 + 0.35 * closeness + 0.18 * density, 0, 0.92)
    reach_m = np.clip(0.3 * np.sqrt(areas / np.pi), 1_200, 2_600 + 2_600 * closeness)
    inner = max(3_000.0, float(np.median(away[closeness > 0.5])) if np.any(closeness > 0.5) else 0.0)
    return (np.vstack([core, points]), np.concatenate([[0.8 * inner], reach_m]), np.concatenate([[0.95], weights]))


def _field_of(area: Polygon | MultiPolygon, centres: Array, reach_m: Array, weights: Array) -> Field:
    """Lay the intensity on a grid: 1 minus the product of what each centre leaves rural."""
    min_x, min_y, max_x, max_y = area.bounds
    step_m = max(np.sqrt((max_x - min_x) * (max_y - min_y) / FIELD_CELLS), 1.0)
    x = np.arange(min_x, max_x + 2 * step_m, step_m)
    y = np.arange(min_y, max_y + 2 * step_m, step_m)
    rural = np.ones((len(y), len(x)))
    for (cx, cy), sigma, weight in zip(centres, reach_m, weights, strict=True):
        # A Gaussian is a product of its two directions.
        rural *= 1 - weight * np.outer(np.exp(-(((y - cy) / sigma) ** 2) / 2), np.exp(-(((x - cx) / sigma) ** 2) / 2))
    return Field(origin=np.array([min_x, min_y]), step_m=float(step_m), values=1 - rural)


def _towns_of(seed: int, area: Polygon | MultiPolygon, field: Field, centres: Array) -> Array:
    """Scatter towns outside the built-up areas, apart from each other."""
    rng = random_numbers(seed, "towns")
    n = max(round(area.area / TOWN_AREA_M2), 4)
    spacing_m = 0.62 * np.sqrt(area.area / n)
    points = points_inside(area, 30 * n, rng)
    # A town does not stand on the city's border line, nor inside a bigger place.
    inset = area.buffer(-0.15 * spacing_m)
    fits = (field.at(points[:, 0], points[:, 1]) < 0.5) & shapely.contains_xy(inset, points)
    points = points[fits]
    return points[thin(points, np.full(len(points), spacing_m), n, centres, 0.7 * spacing_m)]


def _lattice_of(seed: int, core: Array) -> Lattice:
    rng = random_numbers(seed, "lattice")
    return Lattice(origin=core, angle=float(rng.uniform(-0.14, 0.14)), phases=rng.uniform(0, 2 * np.pi, 4))
