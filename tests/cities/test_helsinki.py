"""A city that the product does not ship, on real streets: the whole line runs, because the code knows no city."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import geopandas as gpd
import numpy as np
import pandas as pd
import pytest
import shapely

from layers.loading import load_layers
from maps.outputs import write_outputs
from siting.candidates import block_settings
from siting.city_pack import list_packs, load_pack
from siting.study import layer_specs, run_study
from siting.study_file import read_study
from siting.types import StudyResult

pytest.importorskip("osmium", reason="the extra [osm] is not installed")

HERE = Path(__file__).resolve().parent
STUDY = HERE / "helsinki_study.toml"

if not (HERE / "../../../shared/data/osm/helsinki.osm.pbf").is_file():
    pytest.skip("real data (../shared/data) is not beside this checkout", allow_module_level=True)


@pytest.fixture(scope="module")
def result() -> StudyResult:
    study = read_study(STUDY)
    pack = load_pack(study.city)
    return run_study(load_layers(layer_specs(pack, study), metric_crs=pack.metric_crs), pack, study)


@pytest.fixture(scope="module")
def out(result: StudyResult, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("out") / "helsinki"
    write_outputs(result, folder, language="en")
    return folder


@pytest.fixture(scope="module")
def manifest(out: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((out / "manifest.json").read_text(encoding="utf-8"))
    return found


def test_it_is_no_shipped_city(result: StudyResult) -> None:
    assert result.pack.city not in list_packs()
    assert result.pack.metric_crs == "EPSG:3067"
    assert {d.document_id for d in result.pack.documents} == {"engineering"}


def test_every_class_is_scored_by_at_least_14_criteria(result: StudyResult) -> None:
    for scores in result.scores:
        measured = ~np.isnan(scores.raw).all(axis=0)
        assert measured.sum() >= 14, [c.criterion_id for c, m in zip(scores.criteria, measured, strict=True) if not m]
        assert scores.eligible.any()
        assert not scores.eligible.all() or scores.site_class.class_id == "edge"


def test_blocks_lie_between_the_streets(result: StudyResult) -> None:
    blocks = np.asarray(result.candidates.geometry.array, dtype=object)
    assert 40 <= len(blocks) <= 80
    assert shapely.area(shapely.union_all(blocks)) == pytest.approx(shapely.area(blocks).sum(), abs=1.0)
    assert shapely.difference(shapely.union_all(blocks), result.city_layers.area_of_interest).area < 1.0
    roads = result.city_layers.frame("roads")
    setback_m = dict(block_settings(result.pack, result.study).setback_m)
    # Short dead ends belong to the block they serve; the wider streets here have none inside the study area.
    wide = roads[roads["road_class"].isin(["primary", "secondary"])]
    for name, group in wide.groupby("road_class"):
        inside = shapely.intersection(group.geometry.union_all(), result.city_layers.area_of_interest)
        assert shapely.distance(inside, shapely.union_all(blocks)) >= setback_m[str(name)] - 0.05


def test_parks_and_water_are_no_candidates(result: StudyResult) -> None:
    land = shapely.union_all(np.asarray(result.candidates.geometry.array))
    for layer in ("protected_land", "water"):
        taken = result.city_layers.frame(layer)
        polygons = taken[taken.geom_type.isin(["Polygon", "MultiPolygon"])].geometry.union_all()
        assert polygons.area > 1000
        assert shapely.intersection(land, polygons).area < 0.1


def test_every_row_is_accounted_for_and_the_clipped_ones_are_named(result: StudyResult,
                                                                   manifest: dict[str, Any]) -> None:
    for name, account in manifest["ledger"].items():
        assert account["read"] == account["accepted"] + account["repaired"] + account["rejected"], name
    housing = next(p.ledger for p in result.city_layers.provenance if p.layer == "housing")
    assert housing.rejected == len(housing.remarks) > 0
    assert {r.feature_id.split("/")[0] for r in housing.remarks} <= {"node", "way", "relation"}
    # The one substation of the extract states no voltage: it is refused, not guessed.
    assert manifest["ledger"]["substations"] == {"read": 3, "accepted": 2, "repaired": 0, "rejected": 1}


def test_terms_of_the_data_reach_every_output(out: Path, manifest: dict[str, Any]) -> None:
    roads = next(entry for entry in manifest["inputs"] if entry["layer"] == "roads")
    assert (roads["licence"], roads["attribution"]) == ("ODbL 1.0", "© OpenStreetMap contributors")
    assert "ODbL" in (out / "report.html").read_text(encoding="utf-8")


def test_manifest_says_how_blocks_were_made_and_no_path(manifest: dict[str, Any]) -> None:
    study = manifest["study"]
    assert (study["city"], study["candidates"]) == ("helsinki", "blocks")
    assert study["blocks"]["setback_m"]["local"] == 6
    assert study["blocks"]["setback_m"]["motorway"] == 30
    assert str(HERE) not in json.dumps(manifest)


def test_report_speaks_of_blocks(out: Path) -> None:
    report = (out / "report.html").read_text(encoding="utf-8")
    assert "blocks between streets" in report
    assert "grid of" not in report


def test_outputs_lie_in_helsinki(out: Path) -> None:
    parcels = gpd.read_file(out / "layers/parcels.geojson")
    west, south, east, north = parcels.total_bounds
    assert 24.93 < west < east < 24.96
    assert 60.16 < south < north < 60.18
    assert parcels["parcel_id"].tolist() == [f"B{i:06d}" for i in range(1, len(parcels) + 1)]


def test_same_study_gives_the_same_blocks(result: StudyResult) -> None:
    again = run_study(result.city_layers, result.pack, replace(result.study, classes=("edge",)))
    assert again.candidates.geometry.to_wkb().tolist() == result.candidates.geometry.to_wkb().tolist()


def test_command_runs_the_study_from_anywhere(tmp_path: Path, out: Path) -> None:
    found = subprocess.run([sys.executable, "-m", "suanzhi", "run", str(STUDY), "--out", str(tmp_path / "out"),
                            "--lang", "en", "--quiet"], capture_output=True, text=True, check=False)
    assert found.returncode == 0, found.stderr
    one, two = (pd.read_csv(folder / "parcels.csv", encoding="utf-8-sig") for folder in (out, tmp_path / "out"))
    pd.testing.assert_frame_equal(one, two)


@pytest.mark.browser
def test_map_opens_without_network(out: Path) -> None:
    sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    chromium = next((found for name in ("chromium", "google-chrome") if (found := shutil.which(name))), None)
    if chromium is None:
        pytest.skip("no Chromium on this machine")
    complaints: list[str] = []
    requests: list[str] = []
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox", "--disable-gpu"])
        page = browser.new_context(offline=True).new_page()
        page.on("request", lambda request: requests.append(request.url))
        page.on("console", lambda message: complaints.append(message.text))
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.goto((out / "map.html").as_uri())
        page.evaluate("() => window.suanzhi.ready")
        n_parcels = page.evaluate("() => window.suanzhi.stats().parcels")
        assert page.evaluate("() => suanzhi.select('B000001')") is True
        assert "© OpenStreetMap contributors" in page.locator(".footer").inner_text()
        browser.close()
    assert complaints == []
    assert len(requests) == 1
    assert n_parcels == len(pd.read_csv(out / "parcels.csv", encoding="utf-8-sig"))
