"""The whole ``suanzhi run``, files to files: a city of Zhengzhou's outline with parcels that fill it.

Parcels lie on a lattice, so that any number of them fills the same ground without overlap; they are
written row group by row group, so that ten million need no more memory than one. Substations, fibre
segments and rasters are the same whatever their number; all other layers are the embedded default.
"""

from __future__ import annotations

import json
import shutil
import statistics
import sys
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from measuring import measure_command

CRS, N_SUBSTATIONS, N_FIBRE_SEGMENTS, CELL_M = "EPSG:4547", 500, 5_000, 30.0
LIMIT_S, LIMIT_MIB = 45.0, 3_072.0
PARTITIONS_LIMIT_MIB, PARTITIONS_LIMIT = 4_096.0, 1.2
PARTITIONS_OPTIONS: tuple[str, ...] | None = ()
"""Options with which so many parcels are read, scored and written in batches: a run does so by itself."""
ROW_GROUP = 250_000
LAND_USES = np.array(["industrial", "warehouse", "research", "commercial", "residential", "vacant", "farmland"])
CHECKED, TOLERANCE_M = 500, 0.06

STUDY = """name = "bench"
city = "zhengzhou"

[layers.parcels]
path = "parcels_{n}.parquet"
[layers.substations]
path = "substations.parquet"
[layers.fibre_routes]
path = "fibre.parquet"
[layers.dem]
path = "dem.tif"
[layers.flood_depth]
path = "flood.tif"

# Ten million parcels on the ground of one city are smaller than any plot; the rule is still tested.
[mitigations]
"ZZ-min_area-large" = "bench"
"ZZ-min_area-edge" = "bench"
"""

Row = dict[str, Any]


@cache
def _outline() -> Any:
    """Return the ground of the embedded city, as one geometry in metres."""
    import shapely

    from layers.loading import load_layers
    from siting.city_pack import load_pack

    districts = tuple(spec for spec in load_pack("zhengzhou").layer_specs if spec.name == "districts")
    loaded = load_layers(districts, metric_crs=CRS, n_parcels=10, seed=1)
    return shapely.union_all(loaded.frame("districts").geometry.to_numpy())


def generate(folder: Path, n: int) -> Path:
    """Write what is not there yet and return the study file."""
    folder.mkdir(parents=True, exist_ok=True)
    if not (folder / "complete").exists():
        _write_surroundings(folder, np.random.default_rng(7))
        (folder / "complete").touch()
    parcels, study = folder / f"parcels_{n}.parquet", folder / f"study_{n}.toml"
    if not parcels.exists():
        begun = parcels.with_suffix(".part")
        _write_parcels(begun, n)
        begun.rename(parcels)
    study.write_text(STUDY.format(n=n), encoding="utf-8")
    return study


def _write_surroundings(folder: Path, rng: np.random.Generator) -> None:
    """Write substations, fibre segments, elevation and flood depth."""
    import geopandas as gpd
    import rasterio
    import shapely
    from affine import Affine

    west, south, east, north = _outline().bounds
    voltage_kv = rng.choice([35.0, 110.0, 220.0, 500.0], N_SUBSTATIONS, p=[0.3, 0.45, 0.2, 0.05])
    capacity_mva = 0.9 * voltage_kv
    gpd.GeoDataFrame({"substation_id": [f"S{i:04d}" for i in range(N_SUBSTATIONS)], "voltage_kv": voltage_kv,
                      "transformer_capacity_mva": capacity_mva,
                      "headroom_mva": capacity_mva * rng.uniform(0.2, 0.6, N_SUBSTATIONS)},
                     geometry=shapely.points(_inside(rng, N_SUBSTATIONS)), crs=CRS
                     ).to_parquet(folder / "substations.parquet")
    start = _inside(rng, N_FIBRE_SEGMENTS)
    heading, length_m = rng.uniform(0.0, 2.0 * np.pi, N_FIBRE_SEGMENTS), rng.uniform(200.0, 900.0, N_FIBRE_SEGMENTS)
    end = start + length_m[:, None] * np.stack([np.cos(heading), np.sin(heading)], axis=1)
    gpd.GeoDataFrame({"route_id": [f"F{i:05d}" for i in range(N_FIBRE_SEGMENTS)],
                      "operator": rng.choice(["A", "B", "C"], N_FIBRE_SEGMENTS)},
                     geometry=shapely.linestrings(np.stack([start, end], axis=1)), crs=CRS
                     ).to_parquet(folder / "fibre.parquet")
    shape = int((north - south) / CELL_M) + 1, int((east - west) / CELL_M) + 1
    down, across = (np.arange(n, dtype=np.float32) * CELL_M for n in shape)
    height_m = 110.0 + 60.0 * np.outer(np.sin(down / 9_000.0), np.cos(across / 7_000.0)) + across * 1e-3
    depth_m = np.clip(np.outer(np.sin(down / 2_500.0), np.sin(across / 3_100.0)) - 0.9, 0.0, None) * 20.0
    for name, values in (("dem", height_m), ("flood", depth_m)):
        with rasterio.open(folder / f"{name}.tif", "w", driver="GTiff", width=shape[1], height=shape[0], count=1,
                           dtype="float32", crs=CRS, nodata=-9999, tiled=True, compress="deflate",
                           transform=Affine(CELL_M, 0.0, west, 0.0, -CELL_M, north)) as file:
            file.write(values.astype(np.float32), 1)


def _inside(rng: np.random.Generator, n: int) -> Any:
    """Return n random places inside the city."""
    import shapely

    west, south, east, north = _outline().bounds
    places = rng.uniform((west, south), (east, north), (4 * n, 2))
    return places[shapely.contains_xy(_outline(), *places.T)][:n]


def _write_parcels(path: Path, n: int) -> None:
    """Write n hexagons on a lattice, row group by row group."""
    import pyarrow as pa
    import pyarrow.parquet as pq
    import pyproj
    import shapely

    outline = _outline()
    shapely.prepare(outline)
    west, south, east, north = outline.bounds
    spacing_m = np.sqrt(outline.area / n) * 0.99  # a few places too many, the last of which are left out
    across = np.arange(west, east, spacing_m)
    about = {"version": "1.1.0", "primary_column": "geometry", "columns": {"geometry": {
        "encoding": "WKB", "geometry_types": ["Polygon"], "crs": json.loads(pyproj.CRS(CRS).to_json())}}}
    schema = pa.schema([("parcel_id", pa.string()), ("land_use", pa.string()), ("land_price_level", pa.int8()),
                        ("geometry", pa.binary())], metadata={b"geo": json.dumps(about).encode()})
    rng, held, n_held, n_written = np.random.default_rng(n), [], 0, 0
    with pq.ParquetWriter(path, schema) as file:
        for y in np.arange(south, north, spacing_m):
            row = across[shapely.contains_xy(outline, across, np.full(len(across), y))]
            held.append(np.stack([row, np.full(len(row), y)], axis=1))
            n_held += len(row)
            is_last = y + spacing_m >= north
            if n_held >= ROW_GROUP or is_last:
                places = np.concatenate(held)[:n - n_written]
                file.write_table(_table(places, spacing_m, n_written, rng, schema))
                n_written, held, n_held = n_written + len(places), [], 0
    if n_written != n:
        raise AssertionError(f"{n_written} parcels were laid out, not {n}")


def _table(places: Any, spacing_m: float, first: int, rng: np.random.Generator, schema: Any) -> Any:
    """Return parcels at places as an Arrow table."""
    import pyarrow as pa
    import shapely

    n, names = len(places), [f"P{i:08d}" for i in range(first, first + len(places))]
    angle = np.arange(6) * np.pi / 3.0 + rng.uniform(-0.3, 0.3, (n, 6))
    radius_m = spacing_m * rng.uniform(0.25, 0.48, (n, 1))
    around = radius_m[..., None] * np.stack([np.cos(angle), np.sin(angle)], axis=-1)
    shapes = shapely.to_wkb(shapely.polygons(places[:, None] + around))
    return pa.table([names, rng.choice(LAND_USES, n), rng.integers(1, 6, n).astype(np.int8), shapes], schema=schema)


def run_study(study: Path, *options: str) -> tuple[float, float, str]:
    """Run a study in a fresh process; return seconds, peak MiB and why it failed, if it did."""
    out = study.parent / f"out_{study.stem}"
    shutil.rmtree(out, ignore_errors=True)
    command = [sys.executable, "-m", "suanzhi", "run", str(study), "--out", str(out), "--quiet", *options]
    return measure_command(command)


def mismatch(study: Path, n: int) -> str:
    """Say where the table of a run differs from GEOS on a sample of its parcels, or nothing."""
    import geopandas as gpd
    import pandas as pd
    import shapely

    out = study.parent / f"out_{study.stem}"
    columns = ["parcel_id", "large_fibre_distance_m"]
    as_parquet = out / "parcels.parquet"
    table = (pd.read_parquet(as_parquet, columns=columns) if as_parquet.exists()
             else pd.read_csv(out / "parcels.csv", usecols=columns))
    if len(table) != n or table["parcel_id"].nunique() != n:
        return f"{len(table)} rows for {n} parcels"
    names = [f"P{i:08d}" for i in np.random.default_rng(n).choice(n, min(CHECKED, n), replace=False)]
    given = gpd.read_parquet(study.parent / f"parcels_{n}.parquet", columns=["parcel_id", "geometry"],
                             filters=[("parcel_id", "in", names)]).set_index("parcel_id").loc[names]
    fibre = gpd.read_parquet(study.parent / "fibre.parquet").geometry.to_numpy()
    shapes = given.geometry.to_numpy()
    nearest_m = shapely.distance(shapes, fibre[shapely.STRtree(fibre).nearest(shapes)])
    found_m = table.set_index("parcel_id").loc[names, "large_fibre_distance_m"].to_numpy(dtype=float)
    return "" if np.allclose(found_m, nearest_m, rtol=0.0, atol=TOLERANCE_M) else "fibre distance differs"


def whole(folder: Path, n: int, runs: int) -> Row:
    """Measure the whole run against its limits of time and memory."""
    row: Row = {"name": f"whole run, {n:,} parcels", "ours_s": None, "peer": f"limit of {LIMIT_S:.0f} s",
                "peer_s": LIMIT_S, "ratio": None, "at_most": 1.0, "peak_mib": None, "most_mib": LIMIT_MIB}
    found = _measured(folder, n, runs)
    if isinstance(found, str):
        return row | {"error": found}
    seconds, peak_mib, wrong = found
    return row | {"ours_s": seconds, "ratio": seconds / LIMIT_S, "peak_mib": peak_mib} | wrong


def partitions(folder: Path, n: int, base: int, runs: int) -> Row:
    """Measure a run by partitions per parcel against one of fewer parcels."""
    row: Row = {"name": f"by partitions, {n:,} on {base:,}", "ours_s": None, "peer": "ours, per parcel", "peer_s": None,
                "ratio": None, "at_most": PARTITIONS_LIMIT, "peak_mib": None, "most_mib": PARTITIONS_LIMIT_MIB}
    if PARTITIONS_OPTIONS is None:
        return row | {"error": "suanzhi run holds all parcels at once; it has no way yet to take them by partitions"}
    few = _measured(folder, base, runs, *PARTITIONS_OPTIONS)
    many = few if isinstance(few, str) else _measured(folder, n, runs, *PARTITIONS_OPTIONS)
    if isinstance(few, str) or isinstance(many, str):
        return row | {"error": str(many)}
    return row | {"ours_s": many[0], "peer_s": few[0], "ratio": many[0] / few[0] * base / n,
                  "peak_mib": many[1]} | few[2] | many[2]


def _measured(folder: Path, n: int, runs: int, *options: str) -> tuple[float, float, Row] | str:
    """Return the median of seconds, the peak MiB and what is wrong; or why there is nothing."""
    study, figures = generate(folder, n), []
    for _ in range(runs):
        seconds, peak_mib, failure = run_study(study, *options)
        if failure:
            return f"suanzhi run: {failure}"
        figures.append((seconds, peak_mib))
    wrong = mismatch(study, n)
    shutil.rmtree(study.parent / f"out_{study.stem}")
    return statistics.median(s for s, _ in figures), max(m for _, m in figures), {"wrong": wrong} if wrong else {}
