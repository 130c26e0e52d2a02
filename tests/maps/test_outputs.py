"""The files of a finished study: complete, whole, the same every time, and telling nothing of the machine."""

from __future__ import annotations

import csv
import dataclasses
import hashlib
import json
import re
from pathlib import Path

import geopandas as gpd
import pandas as pd
import pytest

import maps
from gis.bilingual import Text
from gis.errors import DataError, ExportError, UsageError
from layers.types import LayerProvenance, LayerSpec, Ledger, Remark
from maps import exported_layers, outputs, parcel_files
from maps.field_names import COLUMN_NAMES, chinese_name, chinese_names, known_names
from maps.outputs import check_exportable, check_writable, write_outputs
from siting.explanation import explain, read_explanation
from siting.tables import contribution_table

HAN = re.compile(r"[一-鿿]")


@pytest.fixture(scope="module")
def page():
    """Stand in for the map, which has tests of its own."""
    return "<!DOCTYPE html><title>map</title>"


@pytest.fixture(autouse=True)
def _light_map(monkeypatch, page):
    monkeypatch.setattr(outputs, "render_map", lambda result, *, language, progress: page)


def _read(path: Path) -> dict:
    return json.loads(path.read_text(encoding="utf-8"))


def _snapshot(folder: Path) -> dict[str, bytes]:
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


def test_every_layer_is_written_under_english_and_chinese_names(small_result, tmp_path):
    written = write_outputs(small_result, tmp_path)
    names = {p.name for p in written.layer_paths}
    layers = {"parcels", "top_candidates", "units", "zones", "edge_centres", "feed_lines", "coverage", "districts",
              "substations", "fibre_routes", "demand"}
    assert names == {f"{n}.geojson" for n in layers} | {f"{n}_zh.geojson" for n in layers}
    assert {p.name for p in written.table_paths} == {f"{n}{e}.csv" for e in ("", "_zh")
                                                    for n in ("parcels", "top_candidates", "edge_centres",
                                                              "edge_coverage_curve")} | {
        "ledger.csv"}
    assert all(p.is_file() for p in written.paths)
    assert {p.name for p in tmp_path.iterdir()} == {
        "map.html", "report.html", "manifest.json", "layers", *(p.name for p in written.table_paths)}


def test_every_feature_is_on_its_ground_and_states_its_certainty(small_result, tmp_path):
    for path in write_outputs(small_result, tmp_path).layer_paths:
        collection = _read(path)
        is_chinese = path.stem.endswith("_zh")
        assert collection["features"]
        for feature in collection["features"]:
            certainty = feature["properties"]["数据可信度" if is_chinese else "certainty"]
            assert certainty in ({"实测", "近似", "假定", "合成"} if is_chinese
                                 else {"real", "approximate", "assumed", "synthetic"})
            if is_chinese:
                assert all(HAN.search(name) for name in feature["properties"])
        flat = re.findall(r"\[(-?[\d.]+),(-?[\d.]+)\]", json.dumps(collection["features"], separators=(",", ":")))
        assert all(113.4 < float(x) < 113.9 and 34.6 < float(y) < 34.9 for x, y in flat)
        assert len({f["id"] for f in collection["features"]}) == len(collection["features"])


def test_layers_carry_the_terms_of_their_sources(small_result, tmp_path):
    write_outputs(small_result, tmp_path)
    districts = _read(tmp_path / "layers/districts.geojson")["provenance"]
    assert [p["approval_number"] for p in districts] == ["GS(2024)0650"]


def test_parcels_keep_their_verdicts_in_both_languages(small_result, tmp_path):
    write_outputs(small_result, tmp_path)
    english = {f["id"]: f["properties"] for f in _read(tmp_path / "layers/parcels.geojson")["features"]}
    chinese = {f["id"]: f["properties"] for f in _read(tmp_path / "layers/parcels_zh.geojson")["features"]}
    assert len(english) == len(chinese) == 32
    for key, scores in (("large", small_result.scores[0]), ("edge", small_result.scores[1])):
        for i, parcel_id in enumerate(small_result.candidates["parcel_id"]):
            own = english[parcel_id]
            assert own[f"{key}_eligible"] == bool(scores.eligible[i])
            assert own[f"{key}_rank"] == (int(scores.rank[i]) or None)
    assert chinese["P-0000"]["大型_排除规则"] == "距铁路 GB-A-railway(250.5<800 m)"
    assert chinese["P-0004"]["大型_政策许可"] == "鼓励"
    assert chinese["P-0004"]["政策单元"] == "高新区"
    assert english["P-0004"]["unit"] == "Gaoxin"
    # Nothing in reach is no number that JSON knows.
    assert english["P-0004"]["large_power_distance_m"] is None


def test_policy_zones_are_the_union_of_their_units(small_result, tmp_path):
    write_outputs(small_result, tmp_path)
    zones = {f["id"]: f["properties"] for f in _read(tmp_path / "layers/zones.geojson")["features"]}
    assert set(zones) == {"core", "guarantee"}
    assert zones["core"]["n_units"] == 1
    assert zones["core"]["certainty"] == "approximate"
    assert zones["guarantee"]["role"] == "low latency"


def test_tables_open_in_a_spreadsheet(small_result, tmp_path):
    write_outputs(small_result, tmp_path)
    for name in ("parcels.csv", "parcels_zh.csv"):
        assert (tmp_path / name).read_bytes().startswith(b"\xef\xbb\xbf")
    with (tmp_path / "parcels_zh.csv").open(encoding="utf-8-sig", newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 32
    assert all(HAN.search(name) for name in rows[0])


def test_the_manifest_accounts_for_every_file_and_row(small_result, tmp_path):
    written = write_outputs(small_result, tmp_path)
    manifest = _read(written.manifest_path)
    files = {p.relative_to(tmp_path).as_posix(): hashlib.sha256(p.read_bytes()).hexdigest()
             for p in written.paths if p != written.manifest_path}
    assert manifest["files"] == files
    assert manifest["ledger"]["parcels"] == {"read": 32, "accepted": 32, "repaired": 0, "rejected": 0}
    assert set(manifest["ledger"]) == {p.layer for p in small_result.city_layers.provenance}
    assert [m["layer"] for m in manifest["missing_layers"]] == ["zones", "faults", "dem", "flood_depth"]
    large = manifest["results"]["classes"][0]
    assert (large["class_id"], large["n_candidates"], large["n_eligible"]) == ("large", 32, 21)
    assert len(large["top_parcel_ids"]) == 5
    coverage = small_result.scores[0].data_coverage
    assert large["data_coverage"] == pytest.approx(
        {"least": coverage.min(), "mean": coverage.mean(), "greatest": coverage.max()}, abs=1e-4)
    assert manifest["results"]["edge_plan"]["demand_covered"] == 15.0
    assert {"python", "numpy", "shapely", "geopandas"} <= set(manifest["versions"])


def test_sources_of_one_layer_are_summed(small_result, tmp_path):
    remark = Remark("#7", "rejected", Text(zh="几何为空", en="empty geometry"))
    more = LayerProvenance(layer="parcels", source="vector_file", certainty="real",
                           ledger=Ledger(read=10, accepted=7, repaired=2, rejected=1, remarks=(remark,)))
    layers = dataclasses.replace(small_result.city_layers, provenance=(*small_result.city_layers.provenance, more))
    manifest = _read(write_outputs(dataclasses.replace(small_result, city_layers=layers), tmp_path).manifest_path)
    assert manifest["ledger"]["parcels"] == {"read": 42, "accepted": 39, "repaired": 2, "rejected": 1}
    ledger = (tmp_path / "ledger.csv").read_text(encoding="utf-8-sig")
    assert "几何为空" in ledger
    for account in manifest["ledger"].values():
        assert account["read"] == account["accepted"] + account["repaired"] + account["rejected"]


def test_no_file_tells_of_the_machine_or_a_password(small_result, tmp_path):
    spec = LayerSpec(name="roads", source="postgis", path=r"C:\Users\zhangsan\roads.gpkg", options=(
        ("dsn", "postgresql://zhangsan:hunter2@10.0.0.5/gis"), ("password", "hunter2"), ("band", 3),
        ("note", "/home/zhangsan")))
    source = LayerProvenance(layer="roads", source="vector_file", certainty="real",
                             path="/home/zhangsan/data/roads.gpkg", ledger=Ledger(read=0, accepted=0))
    layers = dataclasses.replace(small_result.city_layers, provenance=(*small_result.city_layers.provenance, source))
    study = dataclasses.replace(small_result.study, path="/home/zhangsan/方案.toml", layer_specs=(spec,))
    write_outputs(dataclasses.replace(small_result, study=study, city_layers=layers), tmp_path / "out")
    content = b"".join(_snapshot(tmp_path / "out").values()).decode()
    for word in ("zhangsan", "hunter2", "10.0.0.5", str(tmp_path)):
        assert word not in content
    manifest = _read(tmp_path / "out/manifest.json")
    assert manifest["study"]["path"] == "方案.toml"
    assert manifest["study"]["layer_specs"][0]["path"] == "roads.gpkg"
    assert manifest["study"]["layer_specs"][0]["options"]["band"] == 3
    assert manifest["inputs"][-1]["file"] == "roads.gpkg"


def test_the_same_study_gives_the_same_bytes(small_result, tmp_path):
    write_outputs(small_result, tmp_path / "a")
    slower = dataclasses.replace(small_result, timings_s={"score": 9.9})
    write_outputs(slower, tmp_path / "b")
    first, second = _snapshot(tmp_path / "a"), _snapshot(tmp_path / "b")
    assert first.keys() == second.keys()
    assert {name for name in first if first[name] != second[name]} == {"manifest.json"}
    one, other = _read(tmp_path / "a/manifest.json"), _read(tmp_path / "b/manifest.json")
    assert one.pop("timings_s") != other.pop("timings_s")
    assert one == other


@pytest.mark.parametrize("step", ["write_csv", "write_geojson", "build_manifest"])
def test_a_run_that_fails_leaves_the_older_study_whole(small_result, tmp_path, monkeypatch, step):
    write_outputs(small_result, tmp_path)
    before = _snapshot(tmp_path)

    def fail(*args: object, **options: object) -> None:
        raise KeyboardInterrupt

    changed = dataclasses.replace(small_result, study=dataclasses.replace(small_result.study, n_top=3))
    monkeypatch.setattr(outputs, step, fail)
    with pytest.raises(KeyboardInterrupt):
        write_outputs(changed, tmp_path)
    assert _snapshot(tmp_path) == before


def test_files_of_an_older_study_go_and_those_of_others_stay(small_result, tmp_path):
    write_outputs(small_result, tmp_path)
    (tmp_path / "layers/mine.geojson").write_text("{}")
    (tmp_path / "notes.txt").write_text("mine")
    (tmp_path / ".draft-old").mkdir()
    (tmp_path / ".draft-old/half.csv").write_text("cut short")
    write_outputs(dataclasses.replace(small_result, edge_plan=None), tmp_path)
    left = set(_snapshot(tmp_path))
    assert {"layers/mine.geojson", "notes.txt", "layers/demand.geojson"} <= left
    assert not {n for n in left if "edge_centres" in n or "feed_lines" in n or "coverage" in n or ".draft" in n}


def test_an_older_manifest_cannot_name_files_outside_its_folder(small_result, tmp_path):
    outside = tmp_path / "precious.txt"
    outside.write_text("keep")
    folder = tmp_path / "out"
    folder.mkdir()
    (folder / "link").symlink_to(tmp_path)
    names = {"../precious.txt": "", str(outside): "", "link/precious.txt": ""}
    (folder / "manifest.json").write_text(json.dumps({"product": "suanzhi", "files": names}))
    write_outputs(small_result, folder)
    assert outside.read_text() == "keep"


def test_a_folder_that_cannot_be_written_is_an_export_error(small_result, tmp_path):
    taken = tmp_path / "taken"
    taken.write_text("a file")
    for folder in (taken, taken / "below"):
        with pytest.raises(ExportError) as caught:
            check_writable(folder)
        assert str(folder) in caught.value.text.zh
        with pytest.raises(ExportError):
            write_outputs(small_result, folder)
    assert check_writable(tmp_path / "new" / "folder").is_dir()
    assert list((tmp_path / "new" / "folder").iterdir()) == []


def test_progress_ends_at_its_total(small_result, tmp_path):
    seen: list[tuple[int, int]] = []
    write_outputs(small_result, tmp_path, progress=lambda step, done, total: seen.append((done, total)))
    assert seen[-1][0] == seen[-1][1]
    assert [done for done, _ in seen] == sorted(done for done, _ in seen)


def test_the_room_has_one_front_door():
    assert maps.write_outputs is write_outputs
    with pytest.raises(AttributeError):
        _ = maps.nothing


def test_chinese_names_never_collide(small_result):
    known = known_names(small_result)
    assert len(set(known.values())) == len(known)
    assert all(HAN.search(name) for name in known.values())
    assert len(set(COLUMN_NAMES.values())) == len(COLUMN_NAMES)
    columns = [str(c) for c in contribution_table(small_result).columns if c != "geometry"]
    assert set(columns) <= set(known)
    # A user's own column may be called like one of ours, or like what becomes of such a one.
    foreign = ["得分", "大型_得分", "得分（原字段）", "得分（原字段）（原字段）", "HEIGHT"]
    named = chinese_names([*known, *foreign], small_result)
    assert len(set(named.values())) == len(known) + len(foreign)
    assert named["HEIGHT"] == "HEIGHT"


def test_the_documentation_names_every_column():
    text = (Path(__file__).parents[2] / "docs" / "outputs.md").read_text(encoding="utf-8")
    for english, chinese in COLUMN_NAMES.items():
        assert re.search(rf"`(?:\{{c\}}_)?{english}` \| `(?:\{{类\}}_)?{chinese}` \|", text), english


def test_chinese_names_follow_class_and_criterion(small_result):
    assert chinese_name("large_score", small_result) == "大型_得分"
    assert chinese_name("edge_power_distance_m", small_result) == "边缘_供电距离"
    assert chinese_name("large_power_distance_m_contribution", small_result) == "大型_供电距离_贡献分"
    # The class "edge" does not take the columns of edge centres.
    assert chinese_name("edge_centre_id", small_result) == "边缘中心编号"


def test_criteria_of_one_title_are_told_apart(small_result):
    scores = small_result.scores[0]
    twin = dataclasses.replace(scores.criteria[0], criterion_id="供电距离")
    changed = dataclasses.replace(scores, criteria=(scores.criteria[0], twin, *scores.criteria[2:]))
    known = known_names(dataclasses.replace(small_result, scores=(changed,)))
    assert known["large_power_distance_m"] != known["large_供电距离"]
    assert len(set(known.values())) == len(known)


@pytest.fixture
def _large(monkeypatch):
    """Make thirty-two parcels a large study, of three row groups."""
    pytest.importorskip("pyarrow")
    monkeypatch.setattr(exported_layers, "LARGEST_GEOJSON", 31)
    monkeypatch.setattr(parcel_files, "_ROWS_PER_GROUP", 12)


@pytest.mark.usefixtures("_large")
def test_a_large_study_writes_its_parcels_as_parquet(small_result, tmp_path):
    written = write_outputs(small_result, tmp_path)
    names = {p.relative_to(tmp_path).as_posix() for p in written.paths}
    assert {"parcels.parquet", "layers/parcels.parquet", "layers/parcels_fields.csv"} <= names
    assert not {n for n in names if re.search(r"parcels(_zh)?\.(csv|geojson)$", n)}
    assert {"layers/top_candidates.geojson", "layers/zones_zh.geojson", "top_candidates.csv"} <= names
    layer = gpd.read_parquet(tmp_path / "layers/parcels.parquet")
    assert layer.crs.to_epsg() == 4326
    assert layer["parcel_id"].tolist() == small_result.candidates["parcel_id"].tolist()
    table = pd.read_parquet(tmp_path / "parcels.parquet")
    wanted = contribution_table(small_result)
    assert table["large_exclusion_rules"].tolist() == wanted["large_exclusion_rules"].tolist()
    assert table["large_score"].equals(wanted["large_score"])
    with (tmp_path / "layers/parcels_fields.csv").open(encoding="utf-8-sig", newline="") as file:
        titles = {row["field"]: row["title_zh"] for row in csv.DictReader(file)}
    assert set(titles) == set(table.columns)
    assert titles["large_score"] == "大型_得分"


@pytest.mark.usefixtures("_large")
def test_the_manifest_says_which_form_was_chosen_and_why(small_result, tmp_path):
    form = _read(write_outputs(small_result, tmp_path).manifest_path)["parcels_form"]
    assert (form["form"], form["n_candidates"]) == ("parquet", 32)
    assert "more than 31" in form["reason"]["en"]


def test_a_small_study_says_so_too(small_result, tmp_path):
    form = _read(write_outputs(small_result, tmp_path).manifest_path)["parcels_form"]
    assert (form["form"], form["largest_geojson"]) == ("geojson and csv", 100_000)


@pytest.mark.usefixtures("_large")
def test_a_large_study_explains_every_parcel_from_its_files(small_result, tmp_path):
    write_outputs(small_result, tmp_path)
    for i, parcel_id in enumerate(small_result.candidates["parcel_id"]):
        assert read_explanation(tmp_path, parcel_id) == tuple(explain(small_result, k, i) for k in ("large", "edge"))
    with pytest.raises(UsageError) as caught:
        read_explanation(tmp_path, "P-001")
    assert "did you mean P-00" in caught.value.text.en
    with (tmp_path / "parcels.parquet").open("ab") as file:
        file.write(b"x")
    with pytest.raises(DataError):
        read_explanation(tmp_path, "P-0001")


@pytest.mark.usefixtures("_large")
def test_a_large_study_is_the_same_every_time_and_its_progress_ends(small_result, tmp_path):
    seen: list[tuple[int, int]] = []
    write_outputs(small_result, tmp_path / "a", progress=lambda step, done, total: seen.append((done, total)))
    write_outputs(small_result, tmp_path / "b")
    assert seen[-1][0] == seen[-1][1]
    assert _snapshot(tmp_path / "a") == _snapshot(tmp_path / "b")


@pytest.mark.usefixtures("_large")
def test_what_cannot_be_exported_is_known_before_the_work(monkeypatch):
    def refuse(what: Text) -> None:
        raise ExportError(what.en, what.zh)

    check_exportable(32)
    monkeypatch.setattr(outputs, "require_pyarrow", refuse)
    check_exportable(31)
    with pytest.raises(ExportError):
        check_exportable(32)
