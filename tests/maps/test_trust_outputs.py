"""Trust beside the report: in tables, in the manifest and on the map's sheet on the data, in both languages."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import pandas as pd
import pytest

from maps import outputs
from maps.manifest import build_manifest
from maps.map_study import study_data
from maps.outputs import write_outputs
from siting.study_file import read_study
from siting.trust import FIRMNESS_TEXT, assess_trust
from siting.types import StudyResult
from siting.verdicts import VERDICT_TEXT


@pytest.fixture(scope="module")
def assessed() -> StudyResult:
    from tests.maps.conftest import build_small_result

    result = dataclasses.replace(build_small_result(), edge_plan=None)
    return dataclasses.replace(result, trust=assess_trust(result, n_draws=30))


@pytest.fixture(autouse=True)
def _light_pages(monkeypatch):
    monkeypatch.setattr(outputs, "render_map", lambda result, *, language, progress: "<!DOCTYPE html>")
    monkeypatch.setattr(outputs, "render_report", lambda result, *, language: "<!DOCTYPE html>")


def test_the_table_of_trust_is_written_and_named(assessed, tmp_path):
    write_outputs(assessed, tmp_path)
    manifest = json.loads((tmp_path / "manifest.json").read_text(encoding="utf-8"))
    assert {"trust.csv", "trust_zh.csv"} <= set(manifest["files"])
    table = pd.read_csv(tmp_path / "trust.csv", encoding="utf-8-sig", dtype=str, keep_default_na=False)
    sites = [s for c in assessed.trust.classes for s in c.sites]
    assert table["rank_low"].tolist() == [str(s.rank_low) for s in sites]
    assert table["text_en"].tolist() == [s.text.en for s in sites]
    chinese = pd.read_csv(tmp_path / "trust_zh.csv", encoding="utf-8-sig", dtype=str, keep_default_na=False)
    assert chinese["可信判定"].tolist() == [FIRMNESS_TEXT[s.firmness].zh for s in sites]
    assert set(chinese["数据中心类别"]) == {"大型数据中心", "边缘数据中心"}
    without = dataclasses.replace(assessed, trust=None)
    write_outputs(without, tmp_path)
    assert not (tmp_path / "trust.csv").exists()


@pytest.mark.parametrize("language", ["zh", "en"])
def test_the_sheet_on_the_data_says_how_far_to_trust(assessed, language):
    about = study_data(assessed, language)["about"]
    assert about["trust"] == [f.to(language) for f in assessed.trust.facts]
    sites = [s for c in assessed.trust.classes for s in c.sites]
    assert len(about["trust_sites"]) == len(sites)
    for line, site in zip(about["trust_sites"], sites, strict=True):
        assert site.parcel_id in line and line.endswith(site.text.to(language))
        assert f"{site.rank_low}–{site.rank_high}" in line or f"{site.rank_low} to {site.rank_high}" in line
    told = " ".join(about["trust"])
    assert VERDICT_TEXT[assessed.trust.validation.policy.verdict].to(language) in told
    nothing = study_data(dataclasses.replace(assessed, trust=None), language)["about"]
    assert nothing["trust"] == nothing["trust_sites"] == []


def test_quotas_of_a_study_file_reach_the_manifest(assessed, tmp_path):
    path = Path(tmp_path / "s.toml")
    path.write_text('city = "zhengzhou"\n[edge]\nquotas = { core = [5, 12], guarantee = [0, 8] }\n', encoding="utf-8")
    study = dataclasses.replace(assessed.study, edge_quotas=read_study(path).edge_quotas)
    written = build_manifest(dataclasses.replace(assessed, study=study), {})["study"]["edge_quotas"]
    assert json.loads(json.dumps(written)) == [
        {"zone_id": "core", "min_sites": 5, "max_sites": 12, "citation": None},
        {"zone_id": "guarantee", "min_sites": 0, "max_sites": 8, "citation": None}]
    assert build_manifest(assessed, {})["study"]["edge_quotas"] is None
