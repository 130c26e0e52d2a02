"""Each plan alone: what it writes, what it says, and what it refuses."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import geopandas as gpd
import pandas as pd
import pytest
from typer.testing import CliRunner

from suanzhi.cli import app

STUDY = 'city = "zhengzhou"\nname = "small"\nn_parcels = 300\nclasses = ["large"]\ndate = "2026-01-31"\n'


def call(*arguments: str) -> tuple[int, str]:
    done = CliRunner().invoke(app, list(arguments))
    return done.exit_code, done.stdout


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("parts") / "small.toml"
    path.write_text(STUDY, encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def finished(study: Path) -> Path:
    out = study.parent / "finished"
    code, _ = call("run", str(study), "--out", str(out), "--quiet")
    assert code == 0
    return out


def test_edge_alone_writes_the_plan_and_the_curve(study: Path, tmp_path: Path) -> None:
    code, said = call("edge", str(study), "--out", str(tmp_path), "--lang", "en")
    assert code == 0
    assert "demand covered" in said
    centres = gpd.read_file(tmp_path / "layers" / "edge_centres.geojson")
    assert len(centres) == 20
    curve = pd.read_csv(tmp_path / "edge_coverage_curve.csv")
    assert curve["demand_covered"].is_monotonic_increasing
    listed = json.loads((tmp_path / "edge.json").read_text(encoding="utf-8"))["files"]
    assert {p.relative_to(tmp_path).as_posix() for p in tmp_path.rglob("*") if p.is_file()} == {*listed, "edge.json"}


def test_the_plan_alone_is_the_plan_of_the_run(study: Path, finished: Path, tmp_path: Path) -> None:
    assert call("estate", str(study), "--out", str(tmp_path))[0] == 0
    assert call("capacity", str(study), "--out", str(tmp_path))[0] == 0
    for name in ("data_centre_decisions.csv", "layers/data_centre_decisions_zh.geojson", "capacity_sites.csv",
                 "capacity_by_unit_zh.csv", "layers/capacity_feeds.geojson", "layers/campus_parts.geojson"):
        assert (tmp_path / name).read_bytes() == (finished / name).read_bytes(), name


def test_a_campus_on_a_parcel_of_a_finished_study(finished: Path) -> None:
    sites = pd.read_csv(finished / "capacity_sites.csv")
    parcel = str(sites["parcel_id"].iloc[0])
    before = (finished / "manifest.json").read_bytes()
    code, said = call("layout", parcel, "--out", str(finished))
    assert code == 0
    assert "机架" in said
    parts = gpd.read_file(finished / "layouts" / parcel / "layers" / "campus_parts.geojson")
    assert {"hall", "substation_yard", "fire_lane"} <= set(parts["part_kind"])
    code, _ = call("layout", parcel, "--out", str(finished), "--it-load-kw", "1500")
    assert code == 0
    fewer = gpd.read_file(finished / "layouts" / parcel / "layers" / "campus_parts.geojson")
    assert 0 < fewer["racks"].sum() <= 250 < parts["racks"].sum()
    assert (finished / "manifest.json").read_bytes() == before


def test_what_is_not_there_is_told_in_one_sentence(finished: Path, tmp_path: Path) -> None:
    assert call("layout", "nobody", "--out", str(finished))[0] == 2
    assert call("layout", "P1", "--out", str(tmp_path))[0] == 3
    bare = tmp_path / "bare.toml"
    bare.write_text(STUDY + '[layers.data_centres]\nsource = "none"\n[layers.substations]\nsource = "none"\n',
                    encoding="utf-8")
    assert call("estate", str(bare), "--out", str(tmp_path))[0] == 3
    assert call("edge", str(bare), "--out", str(tmp_path))[0] == 3
    assert call("capacity", str(bare), "--out", str(tmp_path))[0] == 5


def test_a_layout_without_a_folder_takes_the_only_study(finished: Path, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "one").symlink_to(finished)
    parcel = str(pd.read_csv(finished / "capacity_sites.csv")["parcel_id"].iloc[1])
    suanzhi = Path(os.sys.executable).parent / "suanzhi"
    done = subprocess.run([str(suanzhi), "layout", parcel], cwd=tmp_path, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr.decode()
    (tmp_path / "out" / "two").symlink_to(finished)
    again = subprocess.run([str(suanzhi), "layout", parcel], cwd=tmp_path, capture_output=True, check=False)
    assert again.returncode == 2
