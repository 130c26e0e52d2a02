"""Two finished studies compared: kinds of change, causes, differences, and what is refused."""

from __future__ import annotations

import csv
import dataclasses
import importlib.util
import json
import shutil
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest

from gis.errors import DataError, UsageError
from maps.outputs import write_outputs
from siting.census import count_all
from siting.comparison import Change, compare_studies
from siting.finished_study import read_finished
from siting.scoring import rank_of, score_of
from siting.types import StudyResult

HOLED, PARTED = "<img src=x onerror=alert(1)>", "</script><script>alert(1)</script>"
WEIGHTS = {"power_distance_m": 0.1, "fibre_distance_m": 0.55, "policy_fit": 0.2, "flood_depth_m": 0.15}


def build_small() -> StudyResult:
    path = Path(__file__).resolve().parents[1] / "maps" / "conftest.py"
    spec = importlib.util.spec_from_file_location("small_study_of_maps", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.build_small_result()


def changed(result: StudyResult, *, weights: Mapping[str, float] | None = None, mitigated: str = "",
            raw: Mapping[tuple[int, int], float] | None = None, limit: tuple[str, float] | None = None) -> StudyResult:
    """Return the study with other weights, a mitigation, other raw values (row, column), or another limit."""
    scores = []
    for own in result.scores:
        criteria = tuple(dataclasses.replace(c, weight=(weights or {}).get(c.criterion_id, c.weight))
                         if own.site_class.class_id == "large" else c for c in own.criteria)
        values = own.raw.copy()
        for (row, column), value in (raw or {}).items():
            values[row, column] = value
        table = own.exclusions
        excludes = table.excludes.copy()
        excludes[[r.rule_id == mitigated for r in table.rules]] = False
        table = dataclasses.replace(table, excludes=excludes)
        if limit is not None:
            k = [r.rule_id for r in table.rules].index(limit[0])
            shortfall = table.shortfall.copy()
            shortfall[:, k] = np.clip(1 - table.measured[:, k] / limit[1], 0, 1)
            rules = tuple(dataclasses.replace(r, limit=limit[1]) if r.rule_id == limit[0] else r for r in table.rules)
            table = dataclasses.replace(table, shortfall=shortfall, rules=rules)
        score, coverage = score_of(values, criteria)
        ids = result.candidates["parcel_id"].to_numpy(dtype=object)
        scores.append(dataclasses.replace(own, criteria=criteria, raw=values, exclusions=table, score=score,
                                          data_coverage=coverage, rank=rank_of(score, table.eligible, ids)))
    study = dataclasses.replace(result.study, name="changed",
                                mitigations=((mitigated, "绕开水面 <b>"),) if mitigated else ())
    return dataclasses.replace(result, study=study, scores=tuple(scores),
                               census=count_all(result.candidates, tuple(scores)))


@pytest.fixture(scope="module")
def folders(tmp_path_factory) -> Path:
    root = tmp_path_factory.mktemp("studies")
    base = changed(build_small())
    write_outputs(base, root / "base")
    write_outputs(changed(base, weights=WEIGHTS, mitigated="water-overlap"), root / "other")
    write_outputs(changed(base, limit=("GB-A-railway", 200.0)), root / "data")
    best = int(np.flatnonzero(base.scores[0].rank == 1)[0])
    write_outputs(changed(base, raw={(best, 0): 4900.0}), root / "value")
    return root


def compared(folders: Path, before: str, after: str, class_id: str = "large") -> dict[str, Change]:
    found = compare_studies(read_finished(folders / before), read_finished(folders / after))
    own = next(c for c in found.classes if c.class_id == class_id)
    return {change.parcel_id: change for change in own.changes}


def test_study_beside_itself_has_not_changed(folders):
    found = compare_studies(read_finished(folders / "base"), read_finished(folders / "base"))
    assert found.differences == ()
    for own in found.classes:
        assert {c.kind for c in own.changes} == {"same"}
        assert {c.cause.kind for c in own.changes} == {"none"}
        assert len(own.changes) == 5


def test_lists_agree_with_the_ranks_of_both_studies(folders):
    changes = compared(folders, "base", "other")
    old, new = read_finished(folders / "base"), read_finished(folders / "other")
    assert {k for k, c in changes.items() if c.kind in ("up", "down", "same", "left")} == set(old.top("large"))
    assert {k for k, c in changes.items() if c.kind in ("up", "down", "same", "entered")} == set(new.top("large"))
    for key, change in changes.items():
        for study, rank, score in ((old, change.rank_before, change.score_before),
                                   (new, change.rank_after, change.score_after)):
            row = study.verdicts.loc[key]
            assert (rank is None) == bool(np.isnan(row["large_rank"]))
            assert rank is None or rank == row["large_rank"]
            assert score is None or score == row["large_score"]
    assert any(c.kind == "entered" for c in changes.values())
    assert any(c.kind == "left" for c in changes.values())


def test_mitigated_rule_is_why_a_parcel_became_eligible(folders):
    changes = compared(folders, "base", "other")
    for key in (HOLED, PARTED):
        assert changes[key].rank_before is None
        assert changes[key].cause.kind == "rule"
        assert changes[key].cause.keys == ("water-overlap",)
        assert "绕开水面 <b>" in changes[key].cause.text.zh
    back = compared(folders, "other", "base")
    assert {back[key].kind for key in (HOLED, PARTED)} <= {"now_excluded", "left"}
    assert "breaks share of water" in back[HOLED].cause.text.en
    assert "mitigated in the first study" in back[HOLED].cause.text.en
    assert "21 % > 5 %" in back[HOLED].cause.text.en


def test_weight_is_why_a_score_moved(folders):
    changes = compared(folders, "base", "other")
    by_weight = [c for c in changes.values() if c.cause.kind == "weight"]
    assert by_weight
    for change in by_weight:
        (key,) = change.cause.keys
        gained = change.score_after - change.score_before
        assert (change.rank_after <= change.rank_before) == (gained > 0) or change.rank_after == change.rank_before
        # Fibre weighs more and power less: one of them is the reason either way.
        assert key in ("power_distance_m", "fibre_distance_m")
        assert f"权重 {'25.00% → 55.00%' if key == 'fibre_distance_m' else '40.00% → 10.00%'}" in change.cause.text.zh


def test_raw_value_is_why_one_parcel_fell_and_others_rose(folders):
    changes = compared(folders, "base", "value")
    best = read_finished(folders / "base").top("large")[0]
    fallen = changes.pop(best)
    assert fallen.kind in ("left", "down")
    assert fallen.cause.kind == "value"
    assert fallen.cause.keys == ("power_distance_m",)
    assert "→ 4,900 m" in fallen.cause.text.en
    assert [c.kind for c in changes.values()] == ["up"] * 4 + ["entered"]
    for change in changes.values():
        assert change.score_before == change.score_after
        assert change.cause.kind == "others"
        assert change.cause.text.en == f"those before it left or fell behind: {best}"
    back = compared(folders, "value", "base")
    assert all(c.cause.text.zh == f"被超过：{best}" for key, c in back.items() if key != best)


def test_limit_is_why_parcels_became_eligible(folders):
    changes = compared(folders, "base", "data")
    own = [c for c in changes.values() if c.cause.keys == ("GB-A-railway",)]
    assert len(own) >= 6
    assert all("limit 800 m → 200 m" in c.cause.text.en for c in own)
    assert all("250.5 m < 800 m" in c.cause.text.en for c in own)


def test_class_that_nothing_touched_stays(folders):
    assert {c.kind for c in compared(folders, "base", "other", "edge").values()} >= {"same"}
    own = compared(folders, "base", "other", "edge")
    assert not [c for c in own.values() if c.cause.kind == "weight"]


def test_differences_name_weights_rules_and_mitigations(folders):
    found = compare_studies(read_finished(folders / "base"), read_finished(folders / "other")).differences
    weights = {(d.class_id, d.title.en): (d.before, d.after) for d in found if d.group == "weight"}
    assert weights == {("large", "Distance to supply"): ("40.00%", "10.00%"),
                       ("large", "Distance to fibre"): ("25.00%", "55.00%")}
    rules = [(d.class_id, d.title.zh, d.before, d.after) for d in found if d.group == "rule"]
    assert rules == [(k, "水面占比 water-overlap", "shall 5 %", "shall 5 % *") for k in ("large", "edge")]
    assert [(d.before, d.after) for d in found if d.group == "mitigation"] == [("–", "绕开水面 <b>")]


def test_differences_name_inputs_edge_centres_and_capacity(folders, tmp_path):
    for name in ("one", "two"):
        shutil.copytree(folders / "base", tmp_path / name)
    path = tmp_path / "two" / "manifest.json"
    manifest = json.loads(path.read_text(encoding="utf-8"))
    power = next(entry for entry in manifest["inputs"] if entry["layer"] == "substations")
    power |= {"file": "power.gpkg", "sha256": "ab" * 32, "certainty": "real"}
    manifest["results"]["edge_plan"] |= {"host_ids": ["SUB2", "ROOM1"], "demand_covered": 10.0}
    path.write_text(json.dumps(manifest, ensure_ascii=False), encoding="utf-8")
    found = compare_studies(read_finished(tmp_path / "one"), read_finished(tmp_path / "two")).differences
    assert [(d.group, d.title.zh) for d in found] == [
        ("input", "变电站"), ("edge", "覆盖需求"), ("edge", "只在一个方案中入选的宿主")]
    assert found[0].after == "power.gpkg abababababab real (5)"
    assert (found[1].before, found[1].after) == ("85.7%", "57.1%")
    assert (found[2].before, found[2].after) == ("ROOM0", "ROOM1")


@pytest.mark.parametrize(("change", "zh", "en"), [
    (("pack", "city", "tianfu"), "城市不同（zhengzhou 与 tianfu）", "cities differ"),
    (("pack", "metric_crs", "EPSG:4544"), "计算坐标系不同（EPSG:4547 与 EPSG:4544）", "coordinate systems differ"),
    (("study", "candidates", "grid"), "候选对象类型不同", "kinds of candidates differ"),
])
def test_studies_that_cannot_be_compared_are_refused_in_one_sentence(folders, tmp_path, change, zh, en):
    shutil.copytree(folders / "base", tmp_path / "other")
    path = tmp_path / "other" / "manifest.json"
    manifest = json.loads(path.read_text(encoding="utf-8"))
    manifest[change[0]][change[1]] = change[2]
    path.write_text(json.dumps(manifest), encoding="utf-8")
    with pytest.raises(UsageError) as caught:
        compare_studies(read_finished(folders / "base"), read_finished(tmp_path / "other"))
    assert zh in caught.value.message("zh")
    assert en in caught.value.message("en")
    assert "\n" not in str(caught.value)


def test_folder_without_a_study_or_with_an_edited_table_is_refused(folders, tmp_path):
    with pytest.raises(DataError, match="not a finished study"):
        read_finished(tmp_path)
    shutil.copytree(folders / "base", tmp_path / "edited")
    table = tmp_path / "edited" / "parcels.csv"
    rows = list(csv.reader(table.read_text(encoding="utf-8-sig").splitlines()))
    rows[1][0] = "P-9999"
    table.write_text("\n".join(",".join(row) for row in rows), encoding="utf-8")
    with pytest.raises(DataError, match="not what its manifest describes"):
        _ = read_finished(tmp_path / "edited").verdicts


def test_candidates_of_one_study_only_are_named(folders, tmp_path):
    base = changed(build_small())
    keep = np.arange(30)
    scores = tuple(dataclasses.replace(
        s, raw=s.raw[keep], score=s.score[keep], rank=s.rank[keep], data_coverage=s.data_coverage[keep],
        permissions=tuple(s.permissions[i] for i in keep), exclusions=dataclasses.replace(
            s.exclusions, measured=s.exclusions.measured[keep], shortfall=s.exclusions.shortfall[keep]))
        for s in base.scores)
    ids = base.candidates["parcel_id"].to_numpy(dtype=object)[keep]
    scores = tuple(dataclasses.replace(s, rank=rank_of(s.score, s.eligible, ids)) for s in scores)
    fewer = base.candidates.iloc[keep].reset_index(drop=True)
    write_outputs(dataclasses.replace(base, candidates=fewer, scores=scores, census=count_all(fewer, scores)),
                  tmp_path / "fewer")
    found = compare_studies(read_finished(folders / "base"), read_finished(tmp_path / "fewer"))
    gone = {c.parcel_id: c for c in found.classes[0].changes if c.cause.kind == "candidate"}
    assert set(gone) == {"P-0030", "P-0031"}
    assert {c.kind for c in gone.values()} <= {"removed", "left"}


def test_large_studies_are_compared_from_their_parquet_files(folders, tmp_path, monkeypatch):
    pytest.importorskip("pyarrow")
    monkeypatch.setattr("maps.exported_layers.LARGEST_GEOJSON", 10)
    base = changed(build_small())
    write_outputs(base, tmp_path / "base")
    write_outputs(changed(base, weights=WEIGHTS, mitigated="water-overlap"), tmp_path / "other")
    assert read_finished(tmp_path / "base").is_large
    assert not (tmp_path / "base" / "parcels.csv").exists()
    text, parquet = compared(folders, "base", "other"), compared(tmp_path, "base", "other")
    assert {k: (c.kind, c.rank_before, c.rank_after, c.cause.kind, c.cause.keys) for k, c in text.items()} == {
        k: (c.kind, c.rank_before, c.rank_after, c.cause.kind, c.cause.keys) for k, c in parquet.items()}
    one, two = (read_finished(root / "base").shapes({"P-0013", HOLED}) for root in (folders, tmp_path))
    assert set(one.index) == set(two.index) == {"P-0013", HOLED}
    assert all(one[key].symmetric_difference(two[key]).area < 1e-4 * one[key].area for key in one.index)
