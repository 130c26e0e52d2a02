"""Synthetic parcels: each in its own cell of the city's street lattice, so that none can overlap."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

import geopandas as gpd
import numpy as np
import shapely
from numpy.typing import NDArray

from gis.errors import LayerError
from layers.sources.demo_city import Array, City
from layers.sources.demo_roads import roads_of

BLOCK_M = 1_200.0
"""Pitch of the street lattice; parcel cells divide it, so that streets run between parcels."""

AREA_RANGES_HA: Mapping[str, tuple[float, float]] = MappingProxyType({
    "industrial": (1.5, 12.0),
    "warehouse": (1.0, 8.0),
    "utility": (0.3, 2.0),
    "research": (1.0, 6.0),
    "commercial": (0.3, 2.0),
    "residential": (1.0, 6.0),
    "public_service": (0.5, 5.0),
    "green": (0.5, 15.0),
    "farmland": (4.0, 30.0),
    "vacant": (1.0, 20.0),
})
"""Smallest and largest area by land use, hectares; cells set a further limit where parcels are many."""

USE_SHARES: Mapping[str, tuple[float, float, float]] = MappingProxyType({
    "industrial": (0.05, 0.26, 0.05),
    "warehouse": (0.03, 0.12, 0.02),
    "utility": (0.02, 0.03, 0.02),
    "research": (0.00, 0.06, 0.09),
    "commercial": (0.00, 0.06, 0.22),
    "residential": (0.05, 0.18, 0.34),
    "public_service": (0.01, 0.06, 0.12),
    "green": (0.12, 0.06, 0.08),
    "farmland": (0.62, 0.07, 0.00),
    "vacant": (0.10, 0.10, 0.06),
})
"""Share of parcels by land use in the countryside, at the edge of a city and in its centre."""

INTENSITIES = (0.08, 0.40, 0.85)
"""Urban intensities at which ``USE_SHARES`` holds; between them it is interpolated."""

MARGIN = 0.05
"""Strip of a cell's side that stays free on each of its edges: it takes up the lattice's bend."""

MIN_CELL_M = 1.0
"""Cells smaller than this hold no parcel that anyone could draw."""


def parcels(city: City, n_parcels: int) -> gpd.GeoDataFrame:
    """Make exactly ``n_parcels`` parcels inside the study area.

    Parameters
    ----------
    city
        The synthetic city.
    n_parcels
        How many; more parcels are smaller ones. Memory grows with it, about 1 kB each.

    Returns
    -------
    geopandas.GeoDataFrame
        Polygons in the metric CRS with ``parcel_id``, ``land_use``, ``building_area_m2`` (0: none,
        NaN: not surveyed), in the order of the lattice's rows.

    Raises
    ------
    LayerError
        The study area is too small for so many.
    """
    rng = city.generator("parcels")
    a, b, side_m = _cells(city, n_parcels)
    intensity = city.field.at(*city.lattice.to_ground(a, b))
    # Exponential keys: the n smallest are a sample without replacement by weight.
    keys = rng.standard_exponential(len(a)) / ((0.05 + intensity) * side_m)
    chosen = np.argpartition(keys, n_parcels - 1)[:n_parcels] if n_parcels else np.empty(0, dtype=np.int64)
    chosen.sort()
    a, b, side_m, intensity = a[chosen], b[chosen], side_m[chosen], intensity[chosen]
    uses = _land_uses(city, a, b, intensity, rng)
    width_m, height_m = _sides(uses, side_m, rng)
    geometry = _shapes(city, a, b, side_m, width_m, height_m, rng)
    names = np.array(list(AREA_RANGES_HA), dtype=object)
    return gpd.GeoDataFrame(
        {"parcel_id": [f"P{i:08d}" for i in range(1, n_parcels + 1)], "land_use": names[uses],
         "building_area_m2": _building_areas(names[uses], shapely.area(geometry), rng)},
        geometry=geometry, crs=city.crs)


def _cells(city: City, n_parcels: int) -> tuple[Array, Array, Array]:
    """Divide the lattice until it has a quarter more free cells than there are parcels.

    Returns
    -------
    tuple of numpy.ndarray
        Lattice coordinates of the cells' centres and their sides, m, sorted by row and column.
    """
    roads = shapely.get_parts(roads_of(city).geometry.to_numpy())
    division = 2
    while True:
        side_m = BLOCK_M / division
        if side_m < MIN_CELL_M:
            raise LayerError(
                f"{n_parcels} parcels do not fit into a study area of {city.area_km2:.3f} km2; ask for fewer",
                f"{city.area_km2:.3f} 平方公里的研究范围容纳不下 {n_parcels} 个地块；请减少数量")
        a, b, sides = _free_cells(city, side_m, roads)
        if len(a) >= 1.25 * n_parcels:
            return a, b, sides
        grown = np.sqrt(1.3 * n_parcels / max(len(a), 1))
        division = max(division + 1, int(np.ceil(division * min(grown, 4.0 if len(a) < 50 else np.inf))))


def _free_cells(city: City, side_m: float, roads: NDArray[np.object_]) -> tuple[Array, Array, Array]:
    """List the cells that are inside the study area and that no road crosses.

    Where the city is dense or a road passes, a cell is split into four.
    """
    columns, rows = _cells_inside(city, side_m)
    if not len(columns):
        return np.empty(0), np.empty(0), np.empty(0)
    low_column, low_row = int(columns.min()), int(rows.min())
    n_columns, n_rows = int(columns.max()) - low_column + 1, int(rows.max()) - low_row + 1
    crossed = np.zeros((2 * n_rows, 2 * n_columns), dtype=bool)
    half_m = side_m / 2
    for line in roads:
        a, b = city.lattice.from_ground(*shapely.get_coordinates(shapely.segmentize(line, half_m / 4)).T)
        # A road along a line of the lattice is a street between cells, not one across them.
        on_line = np.minimum(_off_street(a), _off_street(b)) < min(2.0, 0.5 * MARGIN * side_m)
        column = np.floor(a / half_m).astype(np.int64) - 2 * low_column
        row = np.floor(b / half_m).astype(np.int64) - 2 * low_row
        inside = ~on_line & (column >= 0) & (column < 2 * n_columns) & (row >= 0) & (row < 2 * n_rows)
        crossed[row[inside], column[inside]] = True
    quarters = crossed.reshape(n_rows, 2, n_columns, 2).any(axis=(1, 3))
    a = np.asarray((columns + 0.5) * side_m, dtype=np.float64)
    b = np.asarray((rows + 0.5) * side_m, dtype=np.float64)
    is_dense = np.asarray(city.field.at(*city.lattice.to_ground(a, b)) > 0.33)
    split = is_dense | np.asarray(quarters)[rows - low_row, columns - low_column]
    parts: list[tuple[Array, Array, Array]] = [(a[~split], b[~split], np.full(int((~split).sum()), side_m))]
    for dy in (0, 1):
        for dx in (0, 1):
            column, row = 2 * columns[split] + dx, 2 * rows[split] + dy
            free = ~crossed[row - 2 * low_row, column - 2 * low_column]
            middle = np.asarray((np.stack([column[free], row[free]]) + 0.5) * half_m, dtype=np.float64)
            parts.append((middle[0], middle[1], np.full(int(free.sum()), half_m)))
    a, b, sides = (np.concatenate([part[k] for part in parts]) for k in range(3))
    order = np.lexsort((a, b, np.floor(b / side_m)))
    return a[order], b[order], sides[order]


def _off_street(lattice_m: Array) -> Array:
    """Return how far coordinates lie from the nearest line of the street lattice, m."""
    return np.asarray(np.abs(lattice_m - np.round(lattice_m / BLOCK_M) * BLOCK_M))


def _cells_inside(city: City, side_m: float) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the columns and rows of the lattice's cells that lie wholly inside the study area."""
    # A cell's corner is at most 0.71 sides from its centre, and the bend stretches by a fifth.
    inset = city.area.buffer(-0.9 * side_m)
    if inset.is_empty:
        return np.empty(0, dtype=np.int64), np.empty(0, dtype=np.int64)
    shapely.prepare(inset)
    outline = shapely.segmentize(shapely.box(*city.area.bounds).exterior, city.radius_m / 10)
    a, b = city.lattice.from_ground(*shapely.get_coordinates(outline).T)
    low = np.floor(np.array([a.min(), b.min()]) / side_m).astype(np.int64) - 1
    high = np.ceil(np.array([a.max(), b.max()]) / side_m).astype(np.int64) + 1
    columns = np.arange(low[0], high[0])
    found: list[tuple[NDArray[np.int64], NDArray[np.int64]]] = []
    band = max(1, 2_000_000 // len(columns))  # rows at a time, so that memory follows the cells inside
    for first in range(int(low[1]), int(high[1]), band):
        rows = np.arange(first, min(first + band, int(high[1])))
        column, row = np.tile(columns, len(rows)), np.repeat(rows, len(columns))
        x, y = city.lattice.to_ground(*np.asarray((np.stack([column, row]) + 0.5) * side_m, dtype=np.float64))
        inside = shapely.contains_xy(inset, x, y)
        found.append((column[inside], row[inside]))
    return np.concatenate([c for c, _ in found]), np.concatenate([r for _, r in found])


def _land_uses(city: City, a: Array, b: Array, intensity: Array, rng: np.random.Generator) -> NDArray[np.int64]:
    """Draw a land use for each cell: by urban intensity, and with industry gathered into parks."""
    shares = np.array([[use[k] for use in USE_SHARES.values()] for k in range(3)])
    phases = city.generator("parks").uniform(0, 2 * np.pi, 4)
    waves = (np.sin(a / 900 + phases[0]) * np.sin(b / 1_100 + phases[1])
             + 0.6 * np.sin(a / 2_300 + phases[2]) * np.sin(b / 1_900 + phases[3]))
    park = np.exp(1.3 * waves)  # some neighbourhoods are industrial, others have none
    cumulated = np.zeros((len(AREA_RANGES_HA), len(a)))
    total = np.zeros(len(a))
    for k, use in enumerate(AREA_RANGES_HA):
        share = np.interp(intensity, INTENSITIES, shares[:, k])
        total += share * park if use in ("industrial", "warehouse") else share
        cumulated[k] = total
    draw = rng.random(len(a)) * total
    return np.asarray(np.minimum((cumulated <= draw).sum(axis=0), len(AREA_RANGES_HA) - 1), dtype=np.int64)


def _sides(uses: NDArray[np.int64], side_m: Array, rng: np.random.Generator) -> tuple[Array, Array]:
    """Draw the width and height of each parcel, m, to its land use and within its cell."""
    ranges = np.array(list(AREA_RANGES_HA.values())) * 1e4
    low, high = ranges[uses, 0], ranges[uses, 1]
    usable_m = (1 - 2 * MARGIN) * side_m
    # Small parcels are commoner than large ones: the draw is even in the logarithm.
    area_m2 = low * (high / low) ** rng.random(len(uses))
    area_m2 = np.minimum(area_m2, usable_m**2 * rng.uniform(0.55, 0.95, len(uses)))
    aspect = rng.uniform(1.0, 2.2, len(uses))
    longer_m = np.minimum(np.sqrt(area_m2 * aspect), usable_m)
    shorter_m = area_m2 / longer_m
    lies = rng.random(len(uses)) < 0.6
    return np.where(lies, longer_m, shorter_m), np.where(lies, shorter_m, longer_m)


def _shapes(city: City, a: Array, b: Array, side_m: Array, width_m: Array, height_m: Array,
            rng: np.random.Generator) -> NDArray[np.object_]:
    """Draw rectangles, trapezia and L-shapes somewhere in their cells, bent with the lattice."""
    n = len(a)
    room_m = (0.5 - MARGIN) * side_m
    # To the street rather than to the middle: parcels stand in rows.
    left = a - room_m + rng.choice([0.0, 0.25, 1.0], n, p=[0.45, 0.2, 0.35]) * (2 * room_m - width_m)
    low = b - room_m + rng.choice([0.0, 0.25, 1.0], n, p=[0.45, 0.2, 0.35]) * (2 * room_m - height_m)
    kind = rng.choice(3, n, p=[0.55, 0.27, 0.18])
    cut, cut_too = rng.uniform(0.04, 0.28, n), rng.uniform(0.25, 0.6, n)
    flip = rng.random(n) < 0.5
    one, zero = np.ones(n), np.zeros(n)
    outlines = (
        ([zero, one, one, zero], [zero, zero, one, one]),
        ([zero, one, 1 - cut, cut * 0.3], [zero, zero, one, one]),
        ([zero, one, one, 1 - cut_too, 1 - cut_too, zero], [zero, zero, 1 - cut - 0.2, 1 - cut - 0.2, one, one]),
    )
    made = np.empty(n, dtype=object)
    for k, (u, v) in enumerate(outlines):
        rows = np.flatnonzero(kind == k)
        corners_u, corners_v = np.stack(u, axis=1)[rows], np.stack(v, axis=1)[rows]
        corners_v = np.where(flip[rows, None], 1 - corners_v, corners_v)
        x, y = city.lattice.to_ground(left[rows, None] + corners_u * width_m[rows, None],
                                      low[rows, None] + corners_v * height_m[rows, None])
        # To the centimetre: a file keeps the same corners, and no sliver is left between neighbours.
        made[rows] = shapely.polygons(np.round(np.stack([x, y], axis=-1), 2))
    return made


def _building_areas(uses: NDArray[np.object_], area_m2: Array, rng: np.random.Generator) -> Array:
    """Draw the reusable floor: some in one of twelve industrial parcels; one parcel in ten is not surveyed."""
    n = len(uses)
    reusable = np.isin(uses.astype(str), ("industrial", "warehouse")) & (rng.random(n) < 0.08)
    floor_m2 = np.where(reusable, np.floor(area_m2 * rng.uniform(0.15, 0.6, n)), 0.0)
    unknown = ~reusable & (rng.random(n) < 0.10)
    return np.where(unknown, np.nan, floor_m2)
