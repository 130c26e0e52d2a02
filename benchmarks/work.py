"""One measurement in this process: ``work.py METHOD FOLDER N ANSWER``; prints seconds and peak MiB as JSON.

Imports and, for ours, loading of compiled code (a first question of 50 parcels) stay outside the clock.
"""

from __future__ import annotations

import json
import statistics
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
from measuring import peak_mib

LAYERS = ("substations", "fibre", "zones")
PASSES = 7
"""How often a few milliseconds of memory bandwidth are measured, on both sides; the median counts."""


def _frames(folder: Path, n: int) -> list[Any]:
    import geopandas as gpd

    return [gpd.read_parquet(folder / f"{name}.parquet") for name in (f"parcels_{n}", *LAYERS)]


def ours(folder: Path, n: int, *, with_dem: bool) -> Any:
    """Lay out our own side."""
    from gis.containment import largest_overlap
    from gis.proximity import lay_out, nearest
    from gis.rasters import raster_from_file
    from gis.zonal import zonal_statistics

    parcels, *around = (frame.geometry.to_numpy() for frame in _frames(folder, n))
    raster = raster_from_file(folder / "dem.tif", "EPSG:4547", unit="m")

    def ask(shapes: Any) -> dict[str, Any]:
        laid_out = lay_out(shapes)
        found = {"substation": nearest(laid_out, around[0]).distance_m,
                 "fibre": nearest(laid_out, around[1]).distance_m,
                 "zone": largest_overlap(laid_out, around[2])}
        return found | ({"dem": zonal_statistics(shapes, raster).mean} if with_dem else {})

    ask(parcels[:50])
    return lambda: ask(parcels)


def geopandas(folder: Path, n: int, *, with_dem: bool) -> Any:
    """Lay out geopandas, and rasterstats for the elevation."""
    parcels, substations, fibre, zones = _frames(folder, n)

    def near(other: Any) -> Any:
        joined = parcels.sjoin_nearest(other[["geometry"]], distance_col="distance_m")
        return joined.loc[~joined.index.duplicated(), "distance_m"].to_numpy()

    def ask() -> dict[str, Any]:
        inside = parcels.set_geometry(parcels.centroid)[["geometry"]].sjoin(zones[["geometry"]], predicate="within")
        zone = inside.loc[~inside.index.duplicated(), "index_right"].reindex(parcels.index).fillna(-1).to_numpy()
        found = {"substation": near(substations), "fibre": near(fibre), "zone": zone}
        if with_dem:
            from rasterstats import zonal_stats

            means = zonal_stats(parcels, str(folder / "dem.tif"), stats=["mean"])
            found["dem"] = np.array([np.nan if m["mean"] is None else m["mean"] for m in means], dtype=float)
        return found

    return ask


def sedona(folder: Path, n: int) -> Any:
    """Lay out SedonaDB."""
    import sedonadb

    session = sedonadb.connect()
    for view, name in zip("psfz", (f"parcels_{n}", *LAYERS), strict=True):
        session.read_parquet(str(folder / f"{name}.parquet")).to_memtable().to_view(view)

    def near(view: str) -> Any:
        frame = session.sql(f"select p.id, ST_Distance(p.geometry, t.geometry) d from p join {view} t "
                            "on ST_KNN(p.geometry, t.geometry, 1, false)").to_pandas()
        return frame.groupby("id")["d"].min().to_numpy()

    def ask() -> dict[str, Any]:
        zone = session.sql("select p.id, z.id as zone from p join z "
                           "on ST_Intersects(ST_Centroid(p.geometry), z.geometry)").to_pandas()
        return {"substation": near("s"), "fibre": near("f"), "zone": zone.groupby("id")["zone"].min().to_numpy()}

    return ask


def duckdb(folder: Path, n: int) -> Any:
    """Lay out DuckDB spatial."""
    import duckdb as engine
    from duckdb_extensions import import_extension

    import_extension("spatial")
    session = engine.connect()
    session.execute("load spatial")
    for table, name in zip("psfz", (f"parcels_{n}", *LAYERS), strict=True):
        session.execute(f"create table {table} as select * from '{folder / name}.parquet'")

    def near(table: str) -> Any:
        # No nearest-neighbour join: a growing radius, over those that found nothing yet.
        session.execute("create or replace temp table open as select id, geometry from p")
        session.execute("create or replace temp table found(id bigint, d double)")
        for radius_m in (2_000, 8_000, 40_000, 160_000):
            session.execute(f"insert into found select o.id, min(ST_Distance(o.geometry, t.geometry)) from open o "
                            f"join {table} t on ST_DWithin(o.geometry, t.geometry, {radius_m}) group by o.id")
            session.execute("create or replace temp table open as select id, geometry from p anti join found using(id)")
        return session.execute("select d from found order by id").fetchnumpy()["d"]

    def ask() -> dict[str, Any]:
        zone = session.execute("select min(z.id) as zone from p join z on ST_Intersects(ST_Centroid(p.geometry), "
                               "z.geometry) group by p.id order by p.id").fetchnumpy()["zone"]
        return {"substation": near("s"), "fibre": near("f"), "zone": zone}

    return ask


def read_ours(folder: Path, n: int) -> Any:
    """Lay out our reader."""
    from layers.sources.ragged_parquet import read_ragged

    read_ragged(folder / "substations.parquet", ["id"])
    read_ragged(folder / "zones.parquet", ["id"])

    def ask() -> dict[str, Any]:
        layer = read_ragged(folder / f"parcels_{n}.parquet", ["id"])
        return {"id": layer.attributes["id"].to_numpy(), "x": layer.paths.xy[:, 0], "y": layer.paths.xy[:, 1]}

    return ask


def read_geopandas(folder: Path, n: int) -> Any:
    """Lay out the reader of geopandas."""
    import geopandas as gpd
    import shapely

    def ask() -> Any:
        return gpd.read_parquet(folder / f"parcels_{n}.parquet")

    def answer(frame: Any) -> dict[str, Any]:
        xy = shapely.get_coordinates(frame.geometry.to_numpy())
        return {"id": frame["id"].to_numpy(), "x": xy[:, 0], "y": xy[:, 1]}

    ask.answer = answer  # type: ignore[attr-defined]
    return ask


def matrix(n: int) -> Any:
    """Return n x 12 numbers, the same every time."""
    return np.random.default_rng(12).uniform(1.0, 100.0, (n, 12))


def topsis_ours(_: Path, n: int) -> Any:
    """Lay out our TOPSIS."""
    from siting.citation import Citation
    from siting.methods import topsis
    from siting.pack import Criterion

    source = Citation(document="benchmark", heading="TOPSIS")
    criteria = tuple(Criterion(criterion_id=f"c{i}", site_class="large", weight=(i + 1) / 78.0, worst=0.0, best=1.0,
                               unit="", objective="MAX" if i % 3 else "MIN", citation=source) for i in range(12))
    raw = matrix(n)
    topsis(raw[:100], criteria)

    def ask() -> Any:
        return {"score": topsis(raw, criteria).score}

    ask.times = PASSES  # type: ignore[attr-defined]
    return ask


def pass_numpy(_: Path, n: int) -> Any:
    """Lay out one pass over the matrix; its answer is TOPSIS written out."""
    raw = matrix(n)

    def ask() -> Any:
        return raw.sum()

    def answer(_: Any) -> dict[str, Any]:
        weights, more = np.arange(1, 13) / 78.0, np.arange(12) % 3 > 0
        value = raw / np.sqrt((raw**2).sum(axis=0)) * weights
        best = np.where(more, value.max(axis=0), value.min(axis=0))
        worst = np.where(more, value.min(axis=0), value.max(axis=0))
        near, far = (np.sqrt(((value - end) ** 2).sum(axis=1)) for end in (best, worst))
        return {"score": far / (near + far)}

    ask.answer, ask.times = answer, PASSES  # type: ignore[attr-defined]
    return ask


N_DRAWS = 16
"""Draws of weights that are measured; their cost is alike."""


def draws_of(n: int) -> Any:
    """Return n x 16 normalised criteria and draws of their weights, the same every time."""
    from siting.robustness import perturbed_weights

    return np.random.default_rng(16).random((n, 16)), perturbed_weights(np.full(16, 1 / 16), 0.2, N_DRAWS, 1)


def draws_ours(_: Path, n: int) -> Any:
    """Lay out our draws: ranks, short lists, intervals and correlations."""
    from siting.robustness import Draws, rank_robustness

    values, weights = draws_of(n)
    strict, broken = np.zeros(N_DRAWS, dtype=np.uint64), np.zeros(n, dtype=np.uint64)
    draws = Draws(weights=weights, spread=np.zeros(16), strict=strict)
    rank_robustness(values[:100], broken[:100], draws)
    return lambda: {"score": rank_robustness(values, broken, draws).top_probability}


def draws_numpy(_: Path, n: int) -> Any:
    """Lay out the same draws written out: scores and ranks, and of what is counted the short lists alone."""
    values, weights = draws_of(n)

    def ask() -> Any:
        counts = np.zeros((n, 3))
        for own in weights:
            rank = np.empty(n, dtype=np.int64)
            rank[np.argsort(-np.round(values @ own, 12), kind="stable")] = np.arange(1, n + 1)
            counts += rank[:, None] <= np.array([10, 20, 50])
        return {"score": counts / N_DRAWS}

    return ask


METHODS: dict[str, Any] = {
    "ours": lambda f, n: ours(f, n, with_dem=False), "ours_dem": lambda f, n: ours(f, n, with_dem=True),
    "geopandas": lambda f, n: geopandas(f, n, with_dem=False),
    "geopandas_dem": lambda f, n: geopandas(f, n, with_dem=True),
    "sedona": sedona, "duckdb": duckdb, "read_ours": read_ours, "read_geopandas": read_geopandas,
    "topsis_ours": topsis_ours, "pass_numpy": pass_numpy, "draws_ours": draws_ours, "draws_numpy": draws_numpy,
}


def main(method: str, folder: str, n: str, answer: str) -> None:
    """Measure one method and print its figures."""
    ask = METHODS[method](Path(folder), int(n))
    taken = []
    for _ in range(getattr(ask, "times", 1)):
        started = time.perf_counter()
        found = ask()
        taken.append(time.perf_counter() - started)
    seconds = statistics.median(taken)
    peak = peak_mib()
    np.savez(answer, **getattr(ask, "answer", lambda same: same)(found))
    print(json.dumps({"seconds": seconds, "peak_mib": peak}))  # noqa: T201 - a command


if __name__ == "__main__":
    main(*sys.argv[1:])
