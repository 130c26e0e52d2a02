"""Bad input, and what it gets: every row of docs/errors.md, through the command, with old outputs left whole."""

from __future__ import annotations

import json
import re
import sqlite3
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
from affine import Affine
from shapely import Polygon, box
from typer.testing import CliRunner

from suanzhi.cli import app

ROOT = Path(__file__).resolve().parents[2]
TOWN = ROOT / "tests/laws/tiny.toml"
SQUARE = [[113.62, 34.72], [113.63, 34.72], [113.63, 34.73], [113.62, 34.73], [113.62, 34.72]]
OVER_TOWN = Affine(0.0075, 0, 113.5, 0, -0.0075, 34.9)
Arrange = Callable[[Path], str]
EXPORTS = {"CRS that is not offered": "2", "GeoJSON in another CRS than WGS84": "2",
           "password in `--database`": "2", "port that is taken": "2", "file of a finished study that was changed": "3",
           "layer too large for a Shapefile": "6", "package that is not installed": "6",
           "database that does not answer or refuses": "6"}
"""Rows that test_export.py holds to the command."""
SERVICES = {"password or address of a database in the study": "2",
            "database or service out of reach, busy, asking for credentials": "3", "statement that writes": "3",
            "table with SRID 0": "3", "service that gives fewer features than it states, or pages in a circle": "3"}
"""Rows that the tests of the sources hold, which need a server."""
CASES: dict[str, tuple[Arrange, int, str]] = {}


def case(key: str, code: int, sentence: str) -> Callable[[Arrange], Arrange]:
    """Register what is wrong, the exit code, and words of the sentence (or of the ledger, where the run goes on)."""
    def keep(arrange: Arrange) -> Arrange:
        CASES[key] = (arrange, code, sentence)
        return arrange
    return keep


def feature(geometry: dict[str, Any] | None, **properties: object) -> dict[str, Any]:
    return {"type": "Feature", "properties": properties, "geometry": geometry}


def polygon(ring: list[list[float]], **properties: object) -> dict[str, Any]:
    return feature({"type": "Polygon", "coordinates": [ring]}, **properties)


def parcels(folder: Path, *features: dict[str, Any], extra: str = 'datum = "wgs84"') -> str:
    """Write parcels that stand beside one good one, and the table that names them."""
    good = polygon(SQUARE, parcel_id="good")
    collection = {"type": "FeatureCollection", "features": [good, *features]}
    (folder / "parcels.geojson").write_text(json.dumps(collection), encoding="utf-8")
    return f'[layers.parcels]\npath = "parcels.geojson"\n{extra}\n'


def raster(folder: Path, values: np.ndarray, transform: Any, crs: str | None = "EPSG:4326", **profile: Any) -> str:
    with rasterio.open(folder / "flood.tif", "w", driver="GTiff", height=values.shape[0], width=values.shape[1],
                       count=1, dtype="float32", transform=transform, crs=crs, **profile) as file:
        file.write(values.astype("float32"), 1)
    return '[layers.flood_depth]\npath = "flood.tif"\ndatum = "wgs84"\n'


@case("missing file", 3, "nowhere.geojson")
def _missing_file(folder: Path) -> str:
    return '[layers.roads]\npath = "nowhere.geojson"\ndatum = "wgs84"\n'


@case("empty required layer", 3, "districts")
def _empty_layer(folder: Path) -> str:
    (folder / "d.geojson").write_text('{"type": "FeatureCollection", "features": []}')
    return '[layers.districts]\npath = "d.geojson"\ndatum = "wgs84"\n'


@case("no geometry", 0, "parcels rejected 1")
def _no_geometry(folder: Path) -> str:
    return parcels(folder, feature(None, parcel_id="bare"))


@case("mixed geometry types", 0, "parcels rejected 2")
def _mixed(folder: Path) -> str:
    return parcels(folder, feature({"type": "Point", "coordinates": [113.62, 34.72]}, parcel_id="p"),
                   feature({"type": "LineString", "coordinates": SQUARE[:3]}, parcel_id="l"))


@case("NaN or infinite coordinates", 0, "parcels rejected 1")
def _not_finite(folder: Path) -> str:
    import geopandas as gpd
    with np.errstate(invalid="ignore"):
        odd = Polygon([*SQUARE[:2], (np.inf, np.nan), *SQUARE[3:]])
        frame = gpd.GeoDataFrame({"parcel_id": ["odd", "good"]}, geometry=[odd, Polygon(SQUARE)], crs="EPSG:4326")
        frame.to_parquet(folder / "p.parquet")
    return '[layers.parcels]\npath = "p.parquet"\ndatum = "wgs84"\n'


@case("latitude and longitude swapped", 3, "swap_axes")
def _swapped(folder: Path) -> str:
    (folder / "r.csv").write_text("lon,lat\n34.72,113.62\n34.75,113.66\n")
    return '[layers.telecom_rooms]\npath = "r.csv"\ndatum = "wgs84"\n'


@case("degrees declared as metres", 3, "degrees")
def _degrees_as_metres(folder: Path) -> str:
    return parcels(folder, extra='crs = "EPSG:4547"')


@case("unknown CRS", 3, "EPSG:999999")
def _unknown_crs(folder: Path) -> str:
    return parcels(folder, extra='crs = "EPSG:999999"')


@case("missing CRS", 3, "crs")
def _missing_crs(folder: Path) -> str:
    import geopandas as gpd
    frame = gpd.GeoDataFrame({"parcel_id": ["a"]}, geometry=[box(460000, 3842000, 460200, 3842200)], crs="EPSG:4547")
    frame.to_file(folder / "p.shp")
    (folder / "p.prj").unlink()
    return '[layers.parcels]\npath = "p.shp"\n'


@case("undeclared datum", 3, "datum =")
def _undeclared_datum(folder: Path) -> str:
    return parcels(folder, extra="")


@case("wrong encoding", 0, "parcels accepted 1")
def _wrong_encoding(folder: Path) -> str:
    import geopandas as gpd
    frame = gpd.GeoDataFrame({"name": ["工业园"]}, geometry=[Polygon(SQUARE)], crs="EPSG:4326")
    frame.to_file(folder / "p.shp", encoding="GBK")
    (folder / "p.cpg").write_text("UTF-8")
    return '[layers.parcels]\npath = "p.shp"\ndatum = "wgs84"\n'


@case("missing or duplicate ids", 0, "parcels repaired")
def _duplicate_ids(folder: Path) -> str:
    shifted = [[x + 0.02, y] for x, y in SQUARE]
    return parcels(folder, polygon(shifted, parcel_id="good"), polygon([[x + 0.04, y] for x, y in SQUARE]))


@case("self-intersection", 0, "parcels repaired 1")
def _self_intersection(folder: Path) -> str:
    # A spike beyond the outline: the repair keeps the area.
    ring = [[113.64, 34.72], [113.65, 34.72], [113.65, 34.725], [113.66, 34.725], [113.65, 34.725], [113.65, 34.73],
            [113.64, 34.73], [113.64, 34.72]]
    return parcels(folder, polygon(ring, parcel_id="spike"))


@case("ring of two points", 0, "parcels rejected 1")
def _two_points(folder: Path) -> str:
    return parcels(folder, polygon([[113.64, 34.72], [113.65, 34.72], [113.64, 34.72]], parcel_id="thin"))


@case("polygon over the whole country", 0, "parcels rejected 1")
def _country(folder: Path) -> str:
    return parcels(folder, polygon([[75, 20], [130, 20], [130, 50], [75, 50], [75, 20]], parcel_id="country"))


@case("feature of a million vertices", 0, "parcels read 2")
def _million(folder: Path) -> str:
    turn = np.linspace(0, 2 * np.pi, 1_000_000)
    ring = np.column_stack([113.66 + 0.01 * np.cos(turn), 34.75 + 0.01 * np.sin(turn)]).round(9)
    ring[-1] = ring[0]
    return parcels(folder, polygon(ring.tolist(), parcel_id="round"))


@case("raster without overlap", 3, "flood")
def _no_overlap(folder: Path) -> str:
    return raster(folder, np.zeros((10, 10)), Affine(0.01, 0, 100.0, 0, -0.01, 30.0))


@case("raster without nodata", 0, "flood_depth accepted 1")
def _without_nodata(folder: Path) -> str:
    return raster(folder, np.zeros((40, 40)), OVER_TOWN)


@case("raster of nodata only", 3, "flood")
def _all_nodata(folder: Path) -> str:
    return raster(folder, np.full((40, 40), -9.0), OVER_TOWN, nodata=-9.0)


@case("rotated raster", 3, "rotated")
def _rotated(folder: Path) -> str:
    return raster(folder, np.zeros((40, 40)), Affine(0.007, 0.002, 113.5, 0.002, -0.007, 34.9))


@case("truncated GeoPackage", 3, "p.gpkg")
def _truncated(folder: Path) -> str:
    with sqlite3.connect(folder / "whole.gpkg") as database:
        database.execute("CREATE TABLE gpkg_contents (table_name TEXT)")
    database.close()
    whole = (folder / "whole.gpkg").read_bytes()
    (folder / "p.gpkg").write_bytes(whole[:700])
    return '[layers.parcels]\npath = "p.gpkg"\ndatum = "wgs84"\n'


@case("zip that unpacks to far more than it holds", 3, "p.zip")
def _zip_bomb(folder: Path) -> str:
    with zipfile.ZipFile(folder / "p.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("p.shp", b"\0" * 300_000_000)
    return '[layers.parcels]\npath = "p.zip"\ndatum = "wgs84"\n'


@case("mosaic (VRT) with a member that is missing or lies elsewhere", 3, "gone.tif")
def _mosaic(folder: Path) -> str:
    (folder / "flood.vrt").write_text(
        '<VRTDataset rasterXSize="2" rasterYSize="2"><VRTRasterBand dataType="Byte" band="1"><SimpleSource>'
        '<SourceFilename relativeToVRT="1">gone.tif</SourceFilename></SimpleSource></VRTRasterBand></VRTDataset>')
    return '[layers.flood_depth]\npath = "flood.vrt"\ndatum = "wgs84"\n'


@case("raster tiles on different grids", 3, "tile flood_2.tif")
def _tiles(folder: Path) -> str:
    for name, transform in (("flood_1", OVER_TOWN), ("flood_2", Affine(0.01, 0, 113.6, 0, -0.01, 34.9))):
        raster(folder, np.ones((4, 4)), transform)
        (folder / "flood.tif").rename(folder / f"{name}.tif")
    return '[layers.flood_depth]\npath = "flood_*.tif"\ndatum = "wgs84"\n'


@case("folder that is no file geodatabase", 3, "a00000001.gdbtable")
def _geodatabase(folder: Path) -> str:
    (folder / "x.gdb").mkdir()
    return '[layers.roads]\npath = "x.gdb"\ndatum = "wgs84"\n'


@case("path outside the study folder", 2, "allow_outside")
def _outside(folder: Path) -> str:
    return '[layers.parcels]\npath = "../../parcels.shp"\ndatum = "wgs84"\n'


@case("weights that do not sum to 1", 2, "sum to 0.7")
def _weights(folder: Path) -> str:
    return "[weights.large]\ncompactness = 0.7\n"


@case("unknown layer", 2, "did you mean 'roads'")
def _unknown_layer(folder: Path) -> str:
    return '[layers.road]\npath = "a.shp"\n'


@case("unknown criterion", 2, "unknown criterion 'beauty'")
def _unknown_criterion(folder: Path) -> str:
    return "[weights.large]\nbeauty = 1.0\n"


@case("no eligible parcel", 5, "T-area")
def _no_eligible(folder: Path) -> str:
    tiny = [[113.62 + dx, 34.72 + dy] for dx, dy in [(0, 0), (1e-4, 0), (1e-4, 1e-4), (0, 1e-4), (0, 0)]]
    (folder / "p.geojson").write_text(json.dumps({"type": "FeatureCollection", "features": [polygon(tiny)]}))
    return 'classes = ["large"]\n[layers.parcels]\npath = "p.geojson"\ndatum = "wgs84"\n'


@case("quota of an unknown zone", 2, "unknown zone 'moon'")
def _unknown_quota(folder: Path) -> str:
    return '[edge]\nn_facilities = 1\nquotas = { moon = [1, 2] }\n'


@case("second cover of an unknown demand point", 2, "unknown demand point 'nobody'")
def _unknown_backup(folder: Path) -> str:
    return '[edge]\nn_facilities = 1\nbackup = ["nobody"]\n'


@case("years of capacity that fall", 2, "rise to at most 1")
def _falling_years(folder: Path) -> str:
    return "[capacity]\nyears = { 2024 = 0.8, 2025 = 0.2 }\n"


@case("date that is none", 2, "is no date")
def _no_date(folder: Path) -> str:
    return 'date = "soon"\n'


@case("more edge centres than hosts", 5, "hosts lie within")
def _too_many(folder: Path) -> str:
    return "[edge]\nn_facilities = 50\n"


def study(folder: Path, body: str) -> Path:
    path = folder / "study.toml"
    top, rest = (body, "") if body.startswith("classes") else ("", body)
    path.write_text(f'city = "{TOWN.as_posix()}"\n{top}\n{rest}', encoding="utf-8")
    return path


def old_outputs(folder: Path) -> dict[Path, bytes]:
    out = folder / "out"
    (out / "layers").mkdir(parents=True)
    (out / "map.html").write_text("an older map")
    (out / "layers/parcels.geojson").write_text("{}")
    return contents(out)


def contents(out: Path) -> dict[Path, bytes]:
    return {p: p.read_bytes() for p in sorted(out.rglob("*")) if p.is_file()}


def run(path: Path, language: str = "en") -> Any:
    return CliRunner().invoke(app, ["run", str(path), "--out", str(path.parent / "out"), "--lang", language])


@pytest.mark.parametrize("key", CASES)
def test_bad_input(tmp_path: Path, key: str) -> None:
    arrange, code, sentence = CASES[key]
    path = study(tmp_path, arrange(tmp_path))
    before = old_outputs(tmp_path)
    found = run(path)
    assert found.exit_code == code, found.output
    if code:
        assert sentence in found.output
        assert found.output.count("\n") == 1, found.output
        assert contents(tmp_path / "out") == before
        chinese = run(path, "zh").output
        assert re.search("[\u4e00-\u9fff]{4}", chinese)
    else:
        layer, column, *number = sentence.split()
        account = json.loads((tmp_path / "out/manifest.json").read_text(encoding="utf-8"))["ledger"][layer]
        assert account[column] == int(number[0]) if number else account[column] > 0


def test_pack_with_a_typo(tmp_path: Path) -> None:
    pack = tmp_path / "town.toml"
    pack.write_text(TOWN.read_text(encoding="utf-8").replace("metric_crs", "metrc_crs"), encoding="utf-8")
    path = tmp_path / "study.toml"
    path.write_text(f'city = "{pack.as_posix()}"\n', encoding="utf-8")
    before = old_outputs(tmp_path)
    found = run(path)
    assert (found.exit_code, found.output.count("\n")) == (4, 1)
    assert "metrc_crs" in found.output
    assert contents(tmp_path / "out") == before


def test_full_disk(tmp_path: Path) -> None:
    """A limit on the size of a file stands for a full disk: writing fails in the middle."""
    path = study(tmp_path, "")
    before = old_outputs(tmp_path)
    code = ("import resource, sys\nresource.setrlimit(resource.RLIMIT_FSIZE, (60_000, 60_000))\n"
            f"sys.argv = ['suanzhi', 'run', {str(path)!r}, '--out', {str(tmp_path / 'out')!r}, '--lang', 'en']\n"
            "from suanzhi.cli import main\nmain()")
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False,
                           env={"PATH": "", "NUMBA_DISABLE_JIT": "1"})
    assert found.returncode == 6, found.stderr
    assert len(found.stderr.strip().splitlines()) == 1
    assert contents(tmp_path / "out") == before


def test_the_table_in_the_docs_is_what_is_tested() -> None:
    text = (ROOT / "docs/errors.md").read_text(encoding="utf-8")
    rows = dict(re.findall(r"^\| ([^|]+?) \| (\d+) \|", text, re.M))
    elsewhere = {"pack with a typo": "4", "full disk": "6", "output folder that is not writable": "6",
                 "interrupted (Ctrl-C)": "130", "unknown city": "4", **EXPORTS, **SERVICES}
    assert rows == {key: str(code) for key, (_, code, _) in CASES.items()} | elsewhere
