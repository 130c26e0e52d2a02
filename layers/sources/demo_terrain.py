"""Synthetic terrain: a plain with hills on one side, rivers that cross it, and the land that they flood."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import shapely
from affine import Affine

from gis.errors import UsageError
from gis.rasters import Raster
from layers.sources.demo_city import Array, City
from layers.types import LayerSpec

CELL_M = 90.0
"""Cell size, as that of the usual open elevation models."""

MAX_CELLS = 4_000_000
"""More cells than this are made coarser."""

BORDER_M = 2_000.0
"""How far the terrain reaches beyond the study area."""

DEPTH_LIMIT_M = 3.0
"""Deepest flood."""

WET_SHARE = 0.045
"""Share of the study area that is flooded."""

SIDES = {"west": (-1.0, 0.0), "east": (1.0, 0.0), "south": (0.0, -1.0), "north": (0.0, 1.0)}
"""Where hills may stand, as a direction."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Relief:
    """Options of the sources ``dem`` and ``flood_depth``; give both layers the same."""

    base_m: float = 110.0
    """Level of the plain at its middle, m."""

    relief_m: float = 250.0
    """Height of the hills above the plain, m; 0 for none."""

    ridge_azimuth_deg: float = 20.0
    """Direction in which the ridges run, degrees clockwise from north."""

    ridge_side: str = "west"
    """Side of the city on which they stand: west, east, south or north."""

    @classmethod
    def of(cls, spec: LayerSpec) -> Relief:
        """Read the options of a layer.

        Raises
        ------
        UsageError
            An option is not a number, or the side is unknown.
        """
        plain = cls()
        try:
            base_m = float(spec.option("base_m", plain.base_m))
            relief_m = float(spec.option("relief_m", plain.relief_m))
            azimuth_deg = float(spec.option("ridge_azimuth_deg", plain.ridge_azimuth_deg))
        except ValueError as error:
            raise UsageError(f"layer {spec.name!r}: an option of the demo terrain is not a number ({error})",
                             f"图层 {spec.name!r}：演示地形的选项不是数字（{error}）") from error
        side = str(spec.option("ridge_side", plain.ridge_side))
        if side not in SIDES or relief_m < 0:
            raise UsageError(
                f"layer {spec.name!r}: ridge_side {side!r} or relief_m {relief_m:g} is not possible; "
                f"the side is one of {', '.join(SIDES)}, the relief at least 0",
                f"图层 {spec.name!r}：ridge_side {side!r} 或 relief_m {relief_m:g} 不可用；"
                f"方位可取 {'、'.join(SIDES)}，起伏不小于 0")
        return cls(base_m=base_m, relief_m=relief_m, ridge_azimuth_deg=azimuth_deg, ridge_side=side)


@dataclass(frozen=True, eq=False)
class _Grid:
    """Centres of the cells, north row first."""

    transform: Affine
    x: Array
    y: Array


def dem(city: City, relief: Relief) -> Raster:
    """Make the elevation, m, on cells of 90 m (coarser over large areas) without a gap."""
    grid = _grid(city)
    elevation, _ = _terrain(city, relief)
    return _raster(city, grid, np.round(elevation, 2))


def flood_depth(city: City, relief: Relief) -> Raster:
    """Make the flood depth, m, 0 to 3: land that lies less above its river than the flood rises.

    The flood's stage is the one that wets ``WET_SHARE`` of the study area.
    """
    grid = _grid(city)
    _, above_river = _terrain(city, relief)
    # A coarse sample of the area decides the stage: 1 cell in 16 is plenty.
    sample = above_river[::4, ::4]
    inside = shapely.contains_xy(city.area, *np.meshgrid(grid.x[::4], grid.y[::4]))
    heights = np.sort(sample[inside]) if inside.any() else np.sort(sample.ravel())
    stage_m = heights[min(int(WET_SHARE * len(heights)), len(heights) - 1)]
    depth = np.clip(stage_m - above_river, 0.0, DEPTH_LIMIT_M) if np.isfinite(stage_m) else np.zeros_like(above_river)
    return _raster(city, grid, np.round(depth, 2))


def _grid(city: City) -> _Grid:
    min_x, min_y, max_x, max_y = city.area.bounds
    width, height = max_x - min_x + 2 * BORDER_M, max_y - min_y + 2 * BORDER_M
    cell_m = max(CELL_M, float(np.ceil(np.sqrt(width * height / MAX_CELLS))))
    columns, rows = int(np.ceil(width / cell_m)), int(np.ceil(height / cell_m))
    west = np.floor((min_x - BORDER_M) / cell_m) * cell_m
    north = np.ceil((max_y + BORDER_M) / cell_m) * cell_m
    return _Grid(transform=Affine(cell_m, 0.0, float(west), 0.0, -cell_m, float(north)),
                 x=west + (np.arange(columns + 1) + 0.5) * cell_m, y=north - (np.arange(rows + 1) + 0.5) * cell_m)


def _raster(city: City, grid: _Grid, values: Array) -> Raster:
    return Raster(crs=city.crs, transform=grid.transform, shape=(len(grid.y), len(grid.x)), unit="m", values=values)


# Elevation and flood depth come from one terrain.
@lru_cache(maxsize=1)
def _terrain(city: City, relief: Relief) -> tuple[Array, Array]:
    """Return the elevation and the height above the nearest river, infinite away from rivers; not to be changed."""
    grid = _grid(city)
    rng = city.generator("terrain")
    along, outward = _axes(relief)
    x, y = grid.x - city.core[0], grid.y - city.core[1]
    towards = x[None, :] * outward[0] + y[:, None] * outward[1]
    inside = _shape_points(city) @ outward
    # The plain reaches to where three fifths of the study area lie behind; hills stand full at the rim.
    low, high = np.quantile(inside, [0.60, 0.93])
    width = max(high - low, 1.0)
    hilly = _smooth((towards + 0.05 * width * _noise(grid, 0.5 * width, rng) - low) / width)
    urban = city.basins.at(*np.broadcast_arrays(grid.x[None, :], grid.y[:, None]))
    # Towns among hills lie in wide valleys of no regular outline.
    hilly = hilly * _smooth((0.62 - np.sqrt(urban) * (1 + 0.35 * _noise(grid, 9_000.0, rng))) / 0.6)
    level = relief.base_m + _fall(relief, city) * towards + 1.5 * _noise(grid, 6_000.0, rng)
    plain = level + 1.0 * (1 - urban) * _noise(grid, 1_700.0, rng)
    elevation = plain + relief.relief_m * hilly * _hills(relief, grid, towards, rng)
    return _with_rivers(city, grid, elevation, level, hilly, along, outward, rng)


def _axes(relief: Relief) -> tuple[Array, Array]:
    """Return the direction of the ridges and the one from the plain to the hills, as unit vectors."""
    azimuth = np.radians(relief.ridge_azimuth_deg)
    along = np.array([np.sin(azimuth), np.cos(azimuth)])
    outward = np.array([along[1], -along[0]])
    wanted = np.array(SIDES[relief.ridge_side])
    return along, outward if outward @ wanted >= 0 else -outward


def _fall(relief: Relief, city: City) -> float:
    """Return how much the plain falls away from the hills, m per m: a few tens of metres over a city."""
    return 0.1 * min(relief.relief_m, 500.0) / city.radius_m if relief.relief_m else 2e-4


def _hills(relief: Relief, grid: _Grid, towards: Array, rng: np.random.Generator) -> Array:
    """Return the shape of the hills, about 0 to 1: ridges in parallel, broken by noise."""
    # Higher hills are broader, so that slopes stay those of hills and not of walls.
    wavelength_m = max(5_000.0, 26.0 * relief.relief_m)
    wander = 0.45 * wavelength_m * _noise(grid, 1.6 * wavelength_m, rng)
    ridges = 0.5 + 0.5 * np.cos(2 * np.pi * (towards + wander) / wavelength_m)
    shape = 0.35 + 0.33 * ridges * (1 + 0.5 * _noise(grid, 1.2 * wavelength_m, rng))
    for octave, share in ((0.5, 0.18), (0.22, 0.10), (0.1, 0.045)):
        shape = shape + share * _noise(grid, octave * wavelength_m, rng)
    return np.maximum(shape, 0.0)


def _with_rivers(city: City, grid: _Grid, elevation: Array, level: Array, hilly: Array, along: Array, outward: Array,
                 rng: np.random.Generator) -> tuple[Array, Array]:
    """Lay two shallow valleys from the hills across the plain, one on each side of the city's core."""
    x, y = grid.x - city.core[0], grid.y - city.core[1]
    towards = x[None, :] * outward[0] + y[:, None] * outward[1]
    aside = x[None, :] * along[0] + y[:, None] * along[1]
    across = np.quantile(_shape_points(city) @ along, [0.2, 0.8])
    above = np.full(elevation.shape, np.inf)
    for offset in across:
        drift = rng.uniform(-0.35, 0.35)  # rivers are not parallel
        phases = rng.uniform(0, 2 * np.pi, 3)
        winding = sum(np.sin(towards * 2 * np.pi / length + phase) * swing for length, phase, swing in zip(
            (31_000.0, 13_000.0, 5_200.0), phases, (2_900.0, 900.0, 200.0), strict=True))
        scale = min(1.0, city.radius_m / 20_000.0)
        reach = 1_300.0 * scale * (1 + 0.35 * np.sin(towards / 7_100.0 + phases[1]))
        nearness = np.exp(-(((aside - offset - drift * towards - winding * scale) / reach) ** 2)) * (1 - hilly) ** 2
        bed = level - 4.5
        elevation = elevation + nearness * (bed - elevation)
        near = (nearness > 0.02) & (hilly < 0.3)
        above = np.where(near, np.minimum(above, elevation - bed), above)
    return elevation, above


def _shape_points(city: City) -> Array:
    """Return a few thousand places all over the study area, from its core."""
    min_x, min_y, max_x, max_y = city.area.bounds
    x, y = np.meshgrid(np.linspace(min_x, max_x, 80), np.linspace(min_y, max_y, 80))
    places = np.stack([x.ravel(), y.ravel()], axis=1)
    inside = places[shapely.contains_xy(city.area, places)]
    return (inside if len(inside) else places) - city.core


def _smooth(value: Array) -> Array:
    """Return the smooth step of a value: 0 below 0, 1 above 1, level at both."""
    t = np.clip(value, 0.0, 1.0)
    result: Array = t * t * (3 - 2 * t)
    return result


def _noise(grid: _Grid, wavelength_m: float, rng: np.random.Generator) -> Array:
    """Return smooth value noise, about -1 to 1: random values on a coarse lattice, joined by cubic B-splines."""
    rows = _spline_weights(grid.y[0] - grid.y, wavelength_m / 2)
    columns = _spline_weights(grid.x - grid.x[0], wavelength_m / 2)
    lattice = rng.uniform(-1.0, 1.0, (rows.shape[1], columns.shape[1]))
    smooth: Array = rows @ lattice @ columns.T
    return smooth / 0.55  # the spline flattens random values by about this


def _spline_weights(distance_m: Array, step_m: float) -> Array:
    """Return the weight of each lattice value for each place, shape (places, lattice values)."""
    position = distance_m / step_m
    first = np.floor(position).astype(np.int64)
    t = position - first
    weights = np.zeros((len(distance_m), int(first.max()) + 4))
    at = np.arange(len(distance_m))
    for k, weight in enumerate(((1 - t) ** 3, 3 * t**3 - 6 * t**2 + 4, -3 * t**3 + 3 * t**2 + 3 * t + 1, t**3)):
        weights[at, first + k] = weight / 6
    return weights
