"""Synthetic substations: number, spacing, transformers and headroom of a Chinese city's grid."""

from __future__ import annotations

from dataclasses import dataclass

import geopandas as gpd
import numpy as np
import shapely

from layers.sources.demo_city import Array, City, points_inside, thin


@dataclass(frozen=True, slots=True, kw_only=True)
class _Level:
    """How the stations of one voltage are spread and built."""

    voltage_kv: float
    km2_per_station: float
    preference: tuple[float, float]
    """Density in the countryside and in the centre."""
    spacing_m: tuple[float, float]
    """Least distance of two stations in the countryside and in the centre."""
    units: tuple[int, ...]
    """Numbers of transformers, drawn evenly; in dense parts never fewer than the last but one."""
    ratings_mva: tuple[float, ...]
    ratio: tuple[float, float]
    """Capacity-load ratio (容载比): nameplate over peak load."""


_LEVELS = (
    _Level(voltage_kv=220.0, km2_per_station=250.0, preference=(0.25, 1.0), spacing_m=(9_000.0, 6_000.0),
           units=(2, 3), ratings_mva=(180.0, 240.0), ratio=(1.6, 1.9)),
    _Level(voltage_kv=110.0, km2_per_station=62.0, preference=(0.10, 1.0), spacing_m=(5_000.0, 2_000.0),
           units=(2, 3), ratings_mva=(50.0, 63.0), ratio=(1.8, 2.2)),
    _Level(voltage_kv=35.0, km2_per_station=95.0, preference=(1.0, 0.0), spacing_m=(4_500.0, 4_500.0),
           units=(2,), ratings_mva=(10.0, 20.0), ratio=(1.8, 2.1)),
)
"""Sizes: 110 kV 2-3 x 50 or 63 MVA, 220 kV 2-3 x 180 or 240 MVA (planning practice); capacity-load ratios of
cities 1.6-1.9 (220 kV) and 1.8-2.2 (110 kV), of the countryside 1.8-2.1 (DL/T 5131-2015, 4.3.1)."""

GAP_M = 1_000.0
"""Least distance of two stations of different voltage."""


def substations(city: City) -> gpd.GeoDataFrame:
    """Make the 220, 110 and 35 kV substations.

    Headroom is what is free after the loss of one transformer: ``max(0, nameplate * (n - 1) / n - peak)``
    with ``peak = nameplate / ratio``, MVA.

    Returns
    -------
    geopandas.GeoDataFrame
        Points in the metric CRS with ``substation_id``, ``name``, ``voltage_kv``,
        ``transformer_capacity_mva``, ``headroom_mva``.
    """
    frames: list[dict[str, list[object]]] = []
    taken = np.empty((0, 2))
    for level in _LEVELS:
        rng = city.generator(f"substations {level.voltage_kv:.0f}")
        places = _places(city, level, taken, rng)
        frames.append(_equipment(city, level, places, rng))
        taken = np.vstack([taken, places])
    columns = {name: [value for frame in frames for value in frame[name]] for name in frames[0]}
    identity = {"substation_id": [f"S{i:04d}" for i in range(1, len(taken) + 1)]}
    return gpd.GeoDataFrame({**identity, **columns}, geometry=shapely.points(np.round(taken, 1)), crs=city.crs)


def _places(city: City, level: _Level, taken: Array, rng: np.random.Generator) -> Array:
    """Spread one voltage's stations over the study area."""
    n = max(1, round(city.area_km2 / level.km2_per_station))
    points = points_inside(city.area, 60 * n, rng)
    intensity = city.field.at(points[:, 0], points[:, 1])
    density = level.preference[0] + (level.preference[1] - level.preference[0]) * np.clip(1.6 * intensity, 0, 1)
    order = np.argsort(rng.standard_exponential(len(points)) / np.maximum(density, 1e-3), kind="stable")
    points, intensity = points[order], intensity[order]
    # Fewer dense places than wished for: the spacing decides, not the number.
    spacing_m = level.spacing_m[0] + (level.spacing_m[1] - level.spacing_m[0]) * np.clip(1.6 * intensity, 0, 1)
    return points[thin(points, spacing_m, n, taken, GAP_M)]


def _equipment(city: City, level: _Level, places: Array, rng: np.random.Generator) -> dict[str, list[object]]:
    """Draw the transformers of one voltage's stations and what they leave free."""
    n = len(places)
    intensity = city.field.at(places[:, 0], places[:, 1])
    units = np.array(level.units)[np.minimum(
        (rng.random(n) < 0.35 + 0.5 * intensity).astype(np.int64), len(level.units) - 1)]
    rating_mva = np.array(level.ratings_mva)[(rng.random(n) < 0.4 + 0.4 * intensity).astype(np.int64)]
    nameplate_mva = units * rating_mva
    peak_mva = nameplate_mva / rng.uniform(*level.ratio, n)
    headroom_mva = np.maximum(0.0, nameplate_mva * (units - 1) / units - peak_mva)
    return {
        "name": [f"合成{level.voltage_kv:.0f}kV变{i:03d}" for i in range(1, n + 1)],
        "voltage_kv": [level.voltage_kv] * n,
        "transformer_capacity_mva": [float(v) for v in nameplate_mva],
        "headroom_mva": [float(v) for v in np.floor(headroom_mva * 10) / 10],
    }
