"""Deterministic data: parcels, 500 substations, 5,000 fibre segments, 20 zones and one elevation raster."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

CRS, WEST, SOUTH, SIDE_M, CELL_M = "EPSG:4547", 450_000.0, 3_790_000.0, 100_000.0, 40.0


def generate(folder: Path, n_parcels: int) -> None:
    """Write what is not there yet; the same ground every time."""
    folder.mkdir(parents=True, exist_ok=True)
    if not (folder / "dem.tif").exists():
        _write_surroundings(folder, np.random.default_rng(3))
    parcels = folder / f"parcels_{n_parcels}.parquet"
    if not parcels.exists():
        _write(parcels, _parcels(np.random.default_rng(n_parcels), n_parcels))


def _write(path: Path, shapes: Any) -> None:
    import geopandas as gpd

    gpd.GeoDataFrame({"id": np.arange(len(shapes))}, geometry=shapes, crs=CRS).to_parquet(path)


def _parcels(rng: np.random.Generator, n: int) -> Any:
    """Return convex hexagons, median radius 60 m."""
    import shapely

    centre = np.array([WEST, SOUTH]) + rng.uniform(500.0, SIDE_M - 500.0, (n, 2))
    angle = np.arange(6) * np.pi / 3.0 + rng.uniform(-0.3, 0.3, (n, 6))
    radius = np.clip(rng.lognormal(4.1, 0.5, (n, 1)), 15.0, 300.0)
    return shapely.polygons(centre[:, None] + radius[..., None] * np.stack([np.cos(angle), np.sin(angle)], axis=-1))


def _write_surroundings(folder: Path, rng: np.random.Generator) -> None:
    import rasterio
    import shapely
    from affine import Affine

    corner = np.array([WEST, SOUTH])
    _write(folder / "substations.parquet", shapely.points(corner + rng.uniform(0.0, SIDE_M, (500, 2))))
    heading = rng.uniform(0.0, 6.28, (50, 1)) + np.cumsum(rng.normal(0.0, 0.15, (50, 101)), axis=1)
    steps = rng.uniform(200.0, 900.0, (50, 101, 1)) * np.stack([np.cos(heading), np.sin(heading)], axis=-1)
    track = corner + rng.uniform(0.0, SIDE_M, (50, 1, 2)) + np.cumsum(steps, axis=1)
    _write(folder / "fibre.parquet", shapely.linestrings(np.stack([track[:, :-1], track[:, 1:]], 2).reshape(-1, 2, 2)))
    box = shapely.box(*(corner - 1_000.0), *(corner + SIDE_M + 1_000.0))
    seeds = shapely.multipoints(corner + rng.uniform(0.0, SIDE_M, (20, 2)))
    cells = shapely.get_parts(shapely.voronoi_polygons(seeds, extend_to=box))
    _write(folder / "zones.parquet", shapely.segmentize(shapely.intersection(cells, box), 400.0))
    n = int(SIDE_M / CELL_M)
    across = np.linspace(0.0, 40.0, n)
    phase = rng.uniform(0.0, 6.28, (6, 2))
    dem = sum(100.0 / k * np.outer(np.sin(k * across + a), np.cos(k * across + b))
              for k, (a, b) in enumerate(phase, start=1)) + 300.0
    with rasterio.open(folder / "dem.tif", "w", driver="GTiff", width=n, height=n, count=1, dtype="float32", crs=CRS,
                       nodata=-9999, tiled=True, transform=Affine(CELL_M, 0.0, WEST, 0.0, -CELL_M, SOUTH + SIDE_M)
                       ) as file:
        file.write(np.asarray(dem, dtype=np.float32), 1)
