"""Eligibility of a synthetic city of 7,500 km2, from files: ours against atlite with circular buffers.

Run alone with ``python benchmarks/eligibility.py [--quick]``. Every measurement is a process of its own, three
of each; the peer lives in its own environment (``.venv-peers``, made from ``requirements-peers.txt``
on first use; another interpreter is named by ``SUANZHI_PEERS_PYTHON``). The inputs are written once
to ``SUANZHI_BENCH_DATA`` (a folder below the system's temporary one by default).

Both sides read the same files and answer the same question: 10 buffered vector layers, a slope
limit and a land-cover rule with a buffer. The peer widens the centres of land-cover cells by 90 m; ours
widens their ground, so that half a cell less is the same ring of cells.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from measuring import peak_mib

ROOT = Path(__file__).resolve().parents[1]
CRS = "EPSG:4547"
CENTRE = (500_000.0, 3_840_000.0)
AREA_KM2, QUICK_AREA_KM2 = 7_500.0, 1_500.0
SLOPE_LIMIT, CODES, CODE_BUFFER_M = 15.0, (1, 7), 90.0
RUNS = 3
# The peer's circles are polygons of 64 sides: up to 0.5 % less area each.
TOLERANCE = 0.01

# Layer: kind, number at full size, shape, buffer in metres.
LAYERS: dict[str, tuple[str, int, tuple[float, ...], float]] = {
    "river": ("line", 300, (120, 120.0, 0.35), 200.0),
    "lake": ("blob", 500, (40, 350.0), 300.0),
    "motorway": ("line", 200, (200, 150.0, 0.06), 100.0),
    "railway": ("line", 60, (300, 200.0, 0.03), 150.0),
    "housing": ("blob", 5_000, (14, 220.0), 200.0),
    "reserve": ("blob", 60, (90, 3_000.0), 0.0),
    "farmland": ("blob", 8_000, (12, 260.0), 0.0),
    "airport": ("blob", 3, (12, 1_500.0), 3_000.0),
    "heritage": ("point", 800, (), 500.0),
    "hazard": ("point", 1_500, (), 150.0),
}


def generate(folder: Path, area_km2: float) -> None:
    """Write the city, its layers and its rasters at 30 m and 10 m; the same bytes of ground every time."""
    import geopandas as gpd
    import shapely

    rng = np.random.default_rng(2026)
    angle = np.linspace(0.0, 2.0 * np.pi, 720, endpoint=False)
    waves = sum(a * np.cos(k * angle + p) for k, a, p in
                zip(range(2, 14), rng.normal(0.0, 0.05, 12), rng.uniform(0.0, 6.28, 12), strict=True))
    outline = np.stack([1.25 * np.cos(angle), 0.8 * np.sin(angle)], axis=1) * (1.0 + waves)[:, None]
    outline *= np.sqrt(area_km2 * 1e6 / shapely.area(shapely.polygons(outline)))
    city = shapely.polygons(outline + CENTRE)
    gpd.GeoDataFrame(geometry=[city], crs=CRS).to_file(folder / "city.gpkg")
    bounds = np.array(shapely.bounds(city))
    for name, (kind, count, form, _) in LAYERS.items():
        shapes = _SHAPES[kind](rng, bounds, max(1, round(count * area_km2 / AREA_KM2)), *form)
        gpd.GeoDataFrame(geometry=shapes, crs=CRS).to_file(folder / f"{name}.gpkg")
    for cell_m in (30, 10):
        _write_rasters(folder, bounds, cell_m)
    (folder / "complete").touch()


def _places(rng: np.random.Generator, bounds: Any, count: int) -> Any:
    return rng.uniform(bounds[:2], bounds[2:], (count, 2))


def _points(rng: np.random.Generator, bounds: Any, count: int) -> Any:
    import shapely

    return shapely.points(_places(rng, bounds, count))


def _lines(rng: np.random.Generator, bounds: Any, count: int, n_vertices: float, step_m: float, turn: float) -> Any:
    import shapely

    heading = rng.uniform(0.0, 6.28, (count, 1)) + np.cumsum(rng.normal(0.0, turn, (count, int(n_vertices))), axis=1)
    steps = step_m * np.stack([np.cos(heading), np.sin(heading)], axis=-1)
    return shapely.linestrings(_places(rng, bounds, count)[:, None, :] + np.cumsum(steps, axis=1))


def _blobs(rng: np.random.Generator, bounds: Any, count: int, n_vertices: float, radius_m: float) -> Any:
    import shapely

    angle = np.sort(rng.uniform(0.0, 2.0 * np.pi, (count, int(n_vertices))), axis=1)
    radius = radius_m * rng.lognormal(0.0, 0.5, (count, 1)) * rng.uniform(0.7, 1.3, angle.shape)
    around = radius[..., None] * np.stack([np.cos(angle), np.sin(angle)], axis=-1)
    return shapely.polygons(_places(rng, bounds, count)[:, None, :] + around)


_SHAPES: dict[str, Callable[..., Any]] = {"point": _points, "line": _lines, "blob": _blobs}


def _field(rng: np.random.Generator, rows_m: Any, columns_m: Any, spacing_m: float) -> Any:
    """Return smooth noise at metres from a corner: values at knots, joined linearly; float32."""
    n_knots = [int(places[-1] / spacing_m) + 2 for places in (rows_m, columns_m)]
    field = rng.standard_normal(n_knots).astype(np.float32)
    field /= field.std()
    for axis, places in enumerate((rows_m, columns_m)):
        low = (places / spacing_m).astype(int)
        part = np.expand_dims((places / spacing_m - low).astype(np.float32), 1 - axis)
        field = field.take(low, axis) * (1.0 - part) + field.take(low + 1, axis) * part
    return field


def _write_rasters(folder: Path, bounds: Any, cell_m: int) -> None:
    """Write slope (float32) and land cover (uint8) of one and the same ground, with a margin of 600 m."""
    import rasterio
    from affine import Affine

    west, north = (np.floor(bounds[0] / 30.0) - 20.0) * 30.0, (np.ceil(bounds[3] / 30.0) + 20.0) * 30.0
    shape = [int(np.ceil((length + 1_200.0) / 30.0)) * 30 // cell_m + 60 // cell_m for length in
             (bounds[3] - bounds[1], bounds[2] - bounds[0])]
    places = [(np.arange(n) + 0.5) * cell_m for n in shape]
    slope = np.abs(_field(np.random.default_rng(1), *places, 1_200.0)) * np.float32(10.0)
    cover = np.digitize(_field(np.random.default_rng(2), *places, 400.0),
                        [-1.0, -0.5, -0.2, 0.0, 0.2, 0.5, 1.0]).astype(np.uint8) + np.uint8(1)
    for name, values, nodata in (("slope", slope, -9999), ("cover", cover, 255)):
        with rasterio.open(folder / f"{name}_{cell_m}.tif", "w", driver="GTiff", width=shape[1], height=shape[0],
                           count=1, dtype=values.dtype, crs=CRS, nodata=nodata, tiled=True, blockxsize=512,
                           blockysize=512, compress="deflate",
                           transform=Affine(cell_m, 0.0, west, 0.0, -cell_m, north)) as file:
            file.write(values, 1)


def ours(folder: Path, cell_m: int) -> tuple[float, float]:
    """Return seconds and eligible square kilometres of our way, from files."""
    import pyogrio
    import rasterio.vrt
    import rasterio.windows  # noqa: F401 - imported before the clock starts, as on the other side
    import shapely
    from affine import Affine

    from gis.eligibility import BufferedLayer, EligibilityGrid, RasterRule, burn, grid_over
    from gis.rasters import raster_from_array, raster_from_file

    def read(name: str) -> Any:
        return shapely.from_wkb(pyogrio.raw.read(folder / f"{name}.gpkg", columns=[])[2])

    # Compiled code comes from its cache before the clock starts, as the imports of the peer do.
    tiny, square = Affine(1.0, 0.0, 0.0, 0.0, -1.0, 2.0), np.array([shapely.box(0.0, 0.0, 1.0, 1.0)])
    raster = raster_from_array(np.ones((2, 2)), tiny, CRS, "")
    burn(EligibilityGrid(tiny, (2, 2), CRS), [BufferedLayer(1, square, 1.0)],
         [RasterRule(bit=2, raster=raster, codes=(1,), buffer_m=1.0), RasterRule(bit=3, raster=raster, above=1.0)])
    start = time.perf_counter()
    city = read("city")
    grid = grid_over(tuple(shapely.total_bounds(city)), float(cell_m), CRS)
    layers = [BufferedLayer(bit, read(name), LAYERS[name][3]) for bit, name in enumerate(LAYERS, 1)]
    slope = raster_from_file(folder / f"slope_{cell_m}.tif", CRS, unit="%")
    cover = raster_from_file(folder / f"cover_{cell_m}.tif", CRS, unit="", is_categorical=True)
    rules = [RasterRule(bit=11, raster=slope, above=SLOPE_LIMIT),
             RasterRule(bit=12, raster=cover, codes=CODES, buffer_m=CODE_BUFFER_M - cell_m / 2.0)]
    area_m2 = burn(grid, layers, rules, city).eligible_area_m2
    return time.perf_counter() - start, area_m2 / 1e6


def too_steep(slope: Any) -> Any:
    """Return where the slope is above the limit (the peer wants a function that has a name)."""
    return slope > SLOPE_LIMIT


def atlite(folder: Path, cell_m: int) -> tuple[float, float]:
    """Return seconds and eligible square kilometres of the peer, from files."""
    import geopandas as gpd
    from atlite.gis import ExclusionContainer

    start = time.perf_counter()
    container = ExclusionContainer(crs=4547, res=cell_m)
    for name, (_, _, _, buffer_m) in LAYERS.items():
        container.add_geometry(folder / f"{name}.gpkg", buffer=buffer_m)
    container.add_raster(folder / f"slope_{cell_m}.tif", codes=too_steep, nodata=-9999, crs=4547)
    container.add_raster(folder / f"cover_{cell_m}.tif", codes=list(CODES), buffer=CODE_BUFFER_M, crs=4547,
                         buffer_geometry="circular")
    mask, _ = container.compute_shape_availability(gpd.read_file(folder / "city.gpkg"))
    return time.perf_counter() - start, float(mask.sum()) * cell_m * cell_m / 1e6


def cases(quick: bool) -> list[Callable[[], dict[str, Any]]]:
    """Return the comparisons: 30 m, and 10 m; a smaller city where it has to be quick."""
    return [partial(_compare, 30, 1.0 / 5.0, None, quick), partial(_compare, 10, 1.0 / 8.0, 1.6 * 1_024.0, quick)]


def _compare(cell_m: int, at_most: float, most_mib: float | None, quick: bool) -> dict[str, Any]:
    """Measure both sides in turn and check that their answers agree."""
    area_km2 = QUICK_AREA_KM2 if quick else AREA_KM2
    folder = _data(area_km2)
    found: dict[str, list[dict[str, float]]] = {"ours": [], "atlite": []}
    for _ in range(RUNS):
        for method, python in (("ours", sys.executable), ("atlite", _peers_python())):
            try:
                found[method].append(_measure(python, method, cell_m, folder))
            except (subprocess.CalledProcessError, OSError) as error:
                return {"name": f"eligibility of {area_km2:,.0f} km2 at {cell_m} m", "ours_s": None, "peer": "atlite",
                        "peer_s": None, "ratio": None, "at_most": at_most, "peak_mib": None,
                        "error": f"{method}: {error}"}
    seconds = {method: statistics.median(run["seconds"] for run in runs) for method, runs in found.items()}
    ours_km2, peer_km2 = (found[method][0]["km2"] for method in ("ours", "atlite"))
    row = {"name": f"eligibility of {area_km2:,.0f} km2 at {cell_m} m", "ours_s": seconds["ours"],
           "peer": "atlite", "peer_s": seconds["atlite"], "ratio": seconds["ours"] / seconds["atlite"],
           "at_most": at_most, "peak_mib": max(run["peak_mib"] for run in found["ours"]), "most_mib": most_mib,
           "ours_km2": ours_km2, "peer_km2": peer_km2,
           "peer_peak_mib": max(run["peak_mib"] for run in found["atlite"])}
    if abs(ours_km2 - peer_km2) > TOLERANCE * peer_km2:
        row["wrong"] = f"{ours_km2:.2f} and {peer_km2:.2f} km2"
    return row


def _measure(python: str, method: str, cell_m: int, folder: Path) -> dict[str, float]:
    """Run one method in a process of its own."""
    paths = {"PYTHONPATH": str(ROOT)} if method == "ours" else {}
    done = subprocess.run([python, __file__, "--measure", method, str(cell_m), str(folder)], check=True,
                          stdout=subprocess.PIPE, text=True, env={**os.environ, **paths})
    measured: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return measured


def _data(area_km2: float) -> Path:
    """Return the folder of the inputs, which are written on first use."""
    base = Path(os.environ.get("SUANZHI_BENCH_DATA", Path(tempfile.gettempdir()) / "suanzhi-bench"))
    folder = base / f"eligibility-{area_km2:.0f}"
    if not (folder / "complete").exists():
        folder.mkdir(parents=True, exist_ok=True)
        generate(folder, area_km2)
    return folder


def _peers_python() -> str:
    """Return the interpreter of the peers; their environment is made on first use."""
    if named := os.environ.get("SUANZHI_PEERS_PYTHON"):
        return named
    python = ROOT / ".venv-peers" / "bin" / "python"
    if not python.exists():
        subprocess.run([sys.executable, "-m", "venv", str(python.parents[1])], check=True)
        subprocess.run([str(python), "-m", "pip", "install", "--quiet", "-r",
                        str(ROOT / "benchmarks" / "requirements-peers.txt")], check=True)
    return str(python)


def main() -> None:
    """Print the comparisons, or one measurement as a line of JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a smaller city")
    parser.add_argument("--measure", nargs=3, metavar=("METHOD", "CELL_M", "FOLDER"), help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.measure:
        method, cell_m, folder = arguments.measure
        seconds, km2 = {"ours": ours, "atlite": atlite}[method](Path(folder), int(cell_m))
        sys.stdout.write(json.dumps({"seconds": seconds, "km2": km2, "peak_mib": peak_mib()}) + "\n")
        return
    for case in cases(arguments.quick):
        sys.stdout.write(json.dumps(case()) + "\n")


if __name__ == "__main__":
    main()
