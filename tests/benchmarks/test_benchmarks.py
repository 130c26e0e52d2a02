"""The benchmark harness measures our side on a small city and refuses a wrong answer."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

FILE = Path(__file__).resolve().parents[2] / "benchmarks" / "run.py"


@pytest.fixture
def harness(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> ModuleType:
    monkeypatch.setenv("SUANZHI_BENCH_DATA", str(tmp_path))
    monkeypatch.setattr(sys, "path", list(sys.path))
    spec = importlib.util.spec_from_file_location("bench_run", FILE)
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_our_side_answers_as_geopandas_does(harness: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SUANZHI_PEERS_PYTHON", sys.executable)
    monkeypatch.setattr(harness, "RUNS", 1)
    row = harness.compare("small", "ours", "geopandas", 300, 1.0)
    assert "error" not in row and "wrong" not in row
    assert row["ratio"] == pytest.approx(row["ours_s"] / row["peer_s"])


def test_a_missing_peer_is_said(harness: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SUANZHI_PEERS_PYTHON", "/nowhere/python")
    row = harness.compare("small", "topsis_ours", "sedona", 100, 1.0)
    assert "/nowhere/python" in harness.shown(row)


def test_a_wrong_answer_is_found(harness: ModuleType) -> None:
    right = {"fibre": np.array([1.0, 2.0]), "zone": np.array([1, 2])}
    assert harness.mismatch(right, right) == ""
    assert harness.mismatch(right | {"fibre": np.array([1.0, 2.1])}, right) == "fibre differs"
    assert harness.mismatch(right | {"zone": np.array([1, 3])}, right) == "zone differs"


def test_memory_and_over_limits_are_said(harness: ModuleType) -> None:
    row = {"name": "x", "peer": "y", "ours_s": 1.0, "peer_s": 1.0, "ratio": 1.0, "at_most": 2.0, "peak_mib": 9.0}
    assert "over" not in harness.shown(row | {"most_mib": None})
    assert harness.shown(row | {"most_mib": 8.0}).endswith("over (memory)")
    assert harness.shown(row | {"at_most": 0.5, "most_mib": 8.0}).endswith("over (time, memory)")


def test_a_command_is_measured_with_what_it_starts(harness: ModuleType) -> None:
    from measuring import measure_command, peak_mib

    held = np.ones(40_000_000)  # 305 MiB, which a child must not inherit as its own peak
    assert peak_mib() > 300
    hold = "import time; a = bytearray(120 * 2**20); a[::4096] = a[::4096].replace(b'\\0', b'x'); time.sleep(0.6)"
    both = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {hold!r}])"
    seconds, mib, failure = measure_command([sys.executable, "-c", both])
    assert (failure, held[0]) == ("", 1.0)
    assert seconds > 0.6
    assert 120 < mib < 260
    assert "SystemExit" not in measure_command([sys.executable, "-c", "import sys; sys.exit('no such file')"])[2]
    assert "no such file" in measure_command([sys.executable, "-c", "import sys; sys.exit('no such file')"])[2]


def test_parcels_of_the_whole_run_fill_the_city_without_overlap(harness: ModuleType, tmp_path: Path,
                                                               monkeypatch: pytest.MonkeyPatch) -> None:
    import geopandas as gpd
    import shapely

    whole_run = harness.whole_run
    monkeypatch.setattr(whole_run, "ROW_GROUP", 100)
    monkeypatch.setattr(whole_run, "CELL_M", 1_000.0)
    study = whole_run.generate(tmp_path / "whole", 700)
    parcels = gpd.read_parquet(study.parent / "parcels_700.parquet")
    assert len(parcels) == parcels["parcel_id"].nunique() == 700
    assert parcels.crs.to_epsg() == 4547
    shapes = parcels.geometry.to_numpy()
    one, other = shapely.STRtree(shapes).query(shapes, predicate="intersects")
    assert (one == other).all()
    assert shapely.intersects(whole_run._outline(), shapes).all()
    # The table of a run is compared with GEOS, all of it here.
    fibre = gpd.read_parquet(study.parent / "fibre.parquet").geometry.to_numpy()
    assert len(fibre) == 5_000
    out = study.parent / "out_study_700"
    out.mkdir()
    table = parcels[["parcel_id"]].assign(large_fibre_distance_m=shapely.distance(shapes[:, None], fibre).min(axis=1))
    table.to_csv(out / "parcels.csv", index=False)
    assert whole_run.mismatch(study, 700) == ""
    table.assign(large_fibre_distance_m=table["large_fibre_distance_m"] + 0.1).to_csv(out / "parcels.csv", index=False)
    assert whole_run.mismatch(study, 700) == "fibre distance differs"
    table[1:].to_csv(out / "parcels.csv", index=False)
    assert whole_run.mismatch(study, 700) == "699 rows for 700 parcels"


def test_a_mode_that_is_not_there_is_said(harness: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(harness.whole_run, "PARTITIONS_OPTIONS", None)
    row = harness.whole_run.partitions(tmp_path, 1_000, 100, 1)
    assert "not measured: suanzhi run holds all parcels at once" in harness.shown(row)
    assert not list(tmp_path.iterdir())
