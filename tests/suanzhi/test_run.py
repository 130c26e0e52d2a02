"""The whole line through the command: what it writes, twice the same, and old outputs intact when it fails."""

from __future__ import annotations

import hashlib
import json
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pandas as pd
import pyogrio
import pytest

LAYERS = ("parcels", "top_candidates", "edge_centres", "feed_lines", "coverage", "zones", "units", "districts",
          "substations", "fibre_routes")


def suanzhi(*arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-m", "suanzhi", *arguments], capture_output=True, text=True, cwd=cwd,
                          check=False)


def hashes(folder: Path) -> dict[str, str]:
    return {str(p.relative_to(folder)): hashlib.sha256(p.read_bytes()).hexdigest()
            for p in sorted(folder.rglob("*")) if p.is_file()}


@pytest.fixture(scope="session")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("home")
    found = suanzhi("run", "zhengzhou", "--n-parcels", "300", cwd=folder)
    assert found.returncode == 0, found.stderr
    assert found.stderr == ""
    assert str(Path("out/zhengzhou/map.html")) in found.stdout
    return folder


@pytest.fixture(scope="session")
def out(home: Path) -> Path:
    return home / "out/zhengzhou"


def test_everything_is_written(out: Path) -> None:
    names = {p.name for p in out.rglob("*") if p.is_file()}
    assert {"map.html", "report.html", "parcels.csv", "manifest.json"} <= names
    assert {f"{layer}{suffix}.geojson" for layer in LAYERS for suffix in ("", "_zh")} <= names
    assert not [n for n in names if n.startswith(".") or n.endswith(".partial")]


def test_manifest_accounts_for_every_file_and_row(out: Path) -> None:
    manifest = json.loads((out / "manifest.json").read_text(encoding="utf-8"))
    listed = {entry["path"]: entry["sha256"] for entry in manifest["files"]} if isinstance(
        manifest["files"], list) else {k: v["sha256"] if isinstance(v, dict) else v
                                       for k, v in manifest["files"].items()}
    written = hashes(out)
    written.pop("manifest.json")
    assert listed == written
    assert manifest["ledger"]["parcels"] == {"read": 300, "accepted": 300, "repaired": 0, "rejected": 0}
    assert manifest["pack"]["sha256"]
    text = json.dumps(manifest)
    assert str(Path.home()) not in text


def test_second_run_gives_the_same_bytes(home: Path, out: Path, tmp_path: Path) -> None:
    found = suanzhi("run", "zhengzhou", "--n-parcels", "300", "--out", str(tmp_path / "again"), cwd=home)
    assert found.returncode == 0, found.stderr
    first, second = hashes(out), hashes(tmp_path / "again")
    for written in (first, second):
        written.pop("manifest.json")
    assert first == second


@pytest.mark.parametrize("layer", LAYERS)
def test_layer_reads_back(out: Path, layer: str) -> None:
    english, chinese = (pyogrio.read_dataframe(out / "layers" / f"{layer}{suffix}.geojson") for suffix in ("", "_zh"))
    assert len(english) == len(chinese) > 0
    assert english.geometry.is_valid.all()
    assert english.crs.to_epsg() == 4326
    raw = json.loads((out / "layers" / f"{layer}.geojson").read_text(encoding="utf-8"))
    assert "crs" not in raw
    assert all(f["properties"]["certainty"] for f in raw["features"])
    assert any("\u4e00" <= c <= "\u9fff" for name in chinese.columns for c in name)
    assert not any("\u4e00" <= c <= "\u9fff" for name in english.columns for c in name)


def test_table_and_layer_agree(out: Path) -> None:
    table = pd.read_csv(out / "parcels.csv", encoding="utf-8-sig", dtype={"parcel_id": str})
    layer = pyogrio.read_dataframe(out / "layers/parcels.geojson")
    assert layer["parcel_id"].tolist() == table["parcel_id"].tolist()
    assert layer["large_score"].tolist() == pytest.approx(table["large_score"].tolist(), nan_ok=True)


def test_ogrinfo_reads_the_layers(out: Path) -> None:
    if shutil.which("ogrinfo") is None:
        pytest.skip("ogrinfo (gdal-bin) is not installed")
    for path in sorted((out / "layers").glob("*.geojson")):
        found = subprocess.run(["ogrinfo", "-ro", "-so", "-al", str(path)], capture_output=True, text=True, check=True)
        assert "Feature Count" in found.stdout
        assert "Warning" not in found.stderr


def test_explains_every_kind_of_parcel(home: Path, out: Path) -> None:
    table = pd.read_csv(out / "parcels.csv", encoding="utf-8-sig", dtype={"parcel_id": str})
    excluded = table.loc[~table["large_eligible"].astype(bool), "parcel_id"].iloc[0]
    best = table.loc[table["large_rank"].idxmin(), "parcel_id"]
    for parcel_id in (excluded, best):
        found = suanzhi("explain", str(out), parcel_id, "--lang", "en", cwd=home)
        assert found.returncode == 0, found.stderr
        assert parcel_id in found.stdout
    found = suanzhi("explain", str(out), best + "x", "--lang", "en", cwd=home)
    assert found.returncode == 2
    assert best in found.stderr


STUDIES = {
    "undeclared_datum": ('[layers.roads]\npath = "roads.geojson"', 3, "datum ="),
    "missing_file": ('[layers.roads]\npath = "nowhere.shp"\ndatum = "wgs84"', 3, "nowhere.shp"),
    "unreadable": ('[layers.roads]\npath = "broken.gpkg"\ndatum = "wgs84"', 3, "broken.gpkg"),
    "unknown_layer": ('[layers.rivers]\npath = "a.shp"', 2, "unknown layer 'rivers'"),
    "unknown_criterion": ("[weights.large]\nbeauty = 1.0", 2, "unknown criterion 'beauty'"),
    "weights": ("[weights.large]\npolicy_fit = 0.5", 2, "sum to 0.5"),
    "too_many": ("[edge]\nn_facilities = 5000", 5, "hosts lie within"),
    "unknown_city": (None, 4, "no pack 'atlantis'"),
}


@pytest.mark.parametrize("case", STUDIES)
def test_user_error_is_one_sentence_and_old_outputs_stay(out: Path, tmp_path: Path, case: str) -> None:
    body, code, sentence = STUDIES[case]
    city = "zhengzhou" if body is not None else "atlantis"
    (tmp_path / "roads.geojson").write_text(
        '{"type": "FeatureCollection", "features": [{"type": "Feature", "properties": {}, "geometry": '
        '{"type": "LineString", "coordinates": [[113.6, 34.7], [113.7, 34.7]]}}]}')
    (tmp_path / "broken.gpkg").write_bytes(b"SQLite format 3\x00 and nothing else")
    study = tmp_path / "study.toml"
    study.write_text(f'city = "{city}"\nn_parcels = 200\n{body or ""}\n', encoding="utf-8")
    old = tmp_path / "old"
    shutil.copytree(out, old)
    before = hashes(old)
    found = suanzhi("run", str(study), "--out", str(old), "--lang", "en", cwd=tmp_path)
    assert found.returncode == code, found.stderr
    assert sentence in found.stderr
    assert "Traceback" not in found.stderr
    assert len(found.stderr.strip().splitlines()) == 1
    assert hashes(old) == before


@pytest.mark.parametrize("options", [("--engine", "processes"), ("--engine", "dask"), ("--resume",)])
def test_who_works_changes_no_byte(home: Path, out: Path, tmp_path: Path, options: tuple[str, ...]) -> None:
    found = suanzhi("run", "zhengzhou", "--n-parcels", "300", "--out", str(tmp_path / "again"), *options, cwd=home)
    assert found.returncode == 0, found.stderr
    assert found.stderr == ""
    first, second = hashes(out), hashes(tmp_path / "again")
    for written in (first, second):
        written.pop("manifest.json")
    assert first == second


@pytest.mark.parametrize(("options", "sentence"), [
    (("--engine", "spark"), "unknown engine 'spark'; known: serial, processes, dask"),
    (("--scheduler", "tcp://127.0.0.1:1"), "no Dask scheduler answers at tcp://127.0.0.1:1"),
    (("--engine", "processes", "--scheduler", "tcp://127.0.0.1:1"), "engine processes has no scheduler"),
])
def test_engine_that_cannot_work_is_one_sentence(tmp_path: Path, options: tuple[str, ...], sentence: str) -> None:
    found = suanzhi("run", "zhengzhou", "--out", str(tmp_path / "new"), "--lang", "en", *options, cwd=tmp_path)
    assert found.returncode == 2, found.stderr
    assert sentence in found.stderr
    assert len(found.stderr.strip().splitlines()) == 1
    assert not (tmp_path / "new").exists()


def test_unwritable_output(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    found = suanzhi("run", "zhengzhou", "--out", str(tmp_path / "file" / "out"), "--lang", "en", cwd=tmp_path)
    assert found.returncode == 6
    assert len(found.stderr.strip().splitlines()) == 1


def test_interrupted_run_leaves_old_outputs(out: Path, tmp_path: Path) -> None:
    old = tmp_path / "old"
    shutil.copytree(out, old)
    before = hashes(old)
    # The signal may come at any step of the run, once the command itself has started.
    start = "import sys, suanzhi.cli; print('ready', flush=True); suanzhi.cli.main()"
    for wait_s in (0.5, 2.0, 4.0):
        process = subprocess.Popen([sys.executable, "-c", start, "run", "zhengzhou", "--out", str(old)],
                                   stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=tmp_path,
                                   # A shell that starts the tests behind it (&) hands down that SIGINT is ignored.
                                   preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL))
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        time.sleep(wait_s)
        process.send_signal(signal.SIGINT)
        _, complaint = process.communicate(timeout=60)
        assert process.returncode == 130, complaint
        assert "Traceback" not in complaint
        assert hashes(old) == before
