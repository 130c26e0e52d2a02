"""The whole line on real open data, for both cities."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import geopandas as gpd
import pandas as pd
import pyogrio
import pytest

ENGLISH = ["--lang", "en", "--quiet"]


def run(study: Path, out: Path) -> Path:
    found = subprocess.run([sys.executable, "-m", "suanzhi", "run", str(study), "--out", str(out), *ENGLISH],
                           capture_output=True, text=True, check=False)
    assert found.returncode == 0, found.stderr
    assert found.stdout.strip() == str(out / "map.html")
    return out


@pytest.fixture(scope="session")
def zhengzhou(zhengzhou_study: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return run(zhengzhou_study, tmp_path_factory.mktemp("out") / "zhengzhou")


@pytest.fixture(scope="session")
def tianfu(tianfu_study: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return run(tianfu_study, tmp_path_factory.mktemp("out") / "tianfu")


@pytest.fixture(params=["zhengzhou", "tianfu"])
def out(request: pytest.FixtureRequest) -> Path:
    folder: Path = request.getfixturevalue(request.param)
    return folder


def manifest(out: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((out / "manifest.json").read_text(encoding="utf-8"))
    return found


def test_every_row_is_accounted_for(out: Path) -> None:
    ledger = manifest(out)["ledger"]
    assert {"districts", "substations", "demand", "metro", "power_lines"} <= set(ledger)
    for name, account in ledger.items():
        assert account["read"] == account["accepted"] + account["repaired"] + account["rejected"], name


def test_every_input_has_its_origin(out: Path) -> None:
    for entry in manifest(out)["inputs"]:
        assert entry["certainty"] in ("real", "approximate", "assumed", "synthetic")
        if entry["source"] in ("vector_file", "raster_file"):
            assert len(entry["sha256"]) == 64
            assert entry["datum"]
        assert "/" not in entry.get("path", "")


def test_excluded_candidates_are_never_chosen(out: Path) -> None:
    parcels = pd.read_csv(out / "parcels.csv", encoding="utf-8-sig", dtype={"parcel_id": str})
    for name in ("large", "edge"):
        eligible = parcels[f"{name}_eligible"].astype(bool)
        assert parcels.loc[~eligible, f"{name}_rank"].isna().all()
        assert parcels.loc[~eligible, f"{name}_exclusion_rules"].notna().all()
        ranks = parcels.loc[eligible, f"{name}_rank"].astype(int).sort_values()
        assert ranks.tolist() == list(range(1, eligible.sum() + 1))
        top = pd.read_csv(out / "top_candidates.csv", encoding="utf-8-sig", dtype=str)
        assert set(top["parcel_id"]) <= set(parcels["parcel_id"])


def test_layers_read_back_with_the_same_ids(out: Path) -> None:
    table = pd.read_csv(out / "parcels.csv", encoding="utf-8-sig", dtype={"parcel_id": str})
    for name, column in (("parcels.geojson", "parcel_id"), ("parcels_zh.geojson", "地块编号")):
        layer = pyogrio.read_dataframe(out / "layers" / name)
        assert layer[column].astype(str).tolist() == table["parcel_id"].tolist()
        assert layer.crs.to_epsg() == 4326
        assert layer.geometry.is_valid.all()


def test_zhengzhou_lies_where_it_is(zhengzhou: Path) -> None:
    districts = gpd.read_file(zhengzhou / "layers/districts.geojson")
    assert len(districts) == 12
    assert districts.to_crs(4547).area.sum() / 1e6 == pytest.approx(7_550, rel=0.02)
    west, south, east, north = districts.total_bounds
    assert 112.6 < west < 112.8
    assert 114.1 < east < 114.3
    assert 34.2 < south < 34.4
    assert 34.9 < north < 35.1


def test_no_large_site_outside_the_start_area(tianfu: Path) -> None:
    parcels = pd.read_csv(tianfu / "parcels.csv", encoding="utf-8-sig")
    eligible = parcels[parcels["large_eligible"].astype(bool)]
    assert len(eligible)
    assert "outside" not in set(eligible["zone_id"])
    assert set(eligible["zone_id"]) <= {"supercomputing", "ai_computing", "cloud"}


def test_edge_centres_have_two_feeds_and_stated_coverage(out: Path) -> None:
    centres = gpd.read_file(out / "layers/edge_centres.geojson")
    assert len(centres) == manifest(out)["results"]["edge_plan"]["n_facilities"]
    assert (centres["feed_a_id"] != centres["feed_b_id"]).all()
    # A second feed counts only within the feed radius; a centre without one says so.
    both = centres["feed_b_id"].notna()
    assert both.any()
    assert (centres["power_limit"][~both] == "second_feed").all()
    assert (centres["feed_a_distance_m"][both] <= centres["feed_b_distance_m"][both]).all()
    assert centres["feed_a_distance_m"].max() <= 3_000
    assert (centres["feed_a_voltage_kv"] >= 35).all()


def test_explains_any_candidate(zhengzhou: Path) -> None:
    parcels = pd.read_csv(zhengzhou / "parcels.csv", encoding="utf-8-sig", dtype={"parcel_id": str})
    best = parcels.loc[parcels["large_rank"].idxmin(), "parcel_id"]
    excluded = parcels.loc[~parcels["large_eligible"].astype(bool), "parcel_id"].iloc[0]
    for parcel_id in (best, excluded):
        found = subprocess.run([sys.executable, "-m", "suanzhi", "explain", str(zhengzhou), parcel_id],
                               capture_output=True, text=True, check=False)
        assert found.returncode == 0, found.stderr
        assert parcel_id in found.stdout


def test_second_source_of_districts_gives_the_same_city(zhengzhou: Path, zhengzhou_study: Path, shared_data: Path,
                                                        tmp_path: Path) -> None:
    """Amap's districts (GCJ-02) and Tianditu's (CGCS2000, simplified) put the candidates into the same districts."""
    text = zhengzhou_study.read_text(encoding="utf-8")
    start = text.index("[layers.districts]")
    end = text.index("[[layers.substations]]")
    amap = (shared_data / "boundaries/cnmaps_amap_410100_districts_gcj02.geojson").as_posix()
    own = (f'[layers.districts]\npath = "{amap}"\ndatum = "gcj02"\n'
           'columns = { district_id = "adcode", name = "name" }\n\n')
    study = tmp_path / "amap.toml"
    # Which district a candidate lies in hangs on no class and no edge centre: one class is enough, and none of these.
    less = 'classes = ["large"]\nedge = { n_facilities = 0 }\n'
    study.write_text(less + text[:start] + own + text[end:], encoding="utf-8")
    other = run(study, tmp_path / "out")
    columns = ["parcel_id", "district"]
    one, two = (pd.read_csv(folder / "parcels.csv", encoding="utf-8-sig", usecols=columns).set_index("parcel_id")
                for folder in (zhengzhou, other))
    both = one.join(two.add_suffix("_amap"), how="inner")
    assert len(both) > 0.97 * len(one)
    assert (both["district"] == both["district_amap"]).mean() > 0.97
