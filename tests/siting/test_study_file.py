"""Study files: what they may say, and the sentence for what they may not."""

from __future__ import annotations

from pathlib import Path

import pytest

from gis.errors import UsageError
from siting.study_file import default_study, read_study, read_weights

STUDY = """
name = "trial"
city = "zhengzhou"
candidates = "grid"
grid_size_m = 800
classes = ["large"]
n_top = 5

[layers.substations]
path = "stations.gpkg"
table = "stations"
datum = "gcj02"
columns = { substation_id = "编号", voltage_kv = "电压等级" }

[[layers.roads]]
path = "roads.shp"
crs = "EPSG:4547"

[[layers.roads]]
source = "demo"
certainty = "synthetic"

[layers.dem]
path = "dem.tif"
datum = "cgcs2000"

[layers.fibre_routes]
source = "none"

[mitigations]
"GB-railway-A" = "隔振与防撞墙"

[weights.large]
power_distance_m = 0.6
policy_fit = 0.4

[edge]
n_facilities = 7
service_radius_m = 3000
"""


def write(folder: Path, text: str) -> Path:
    path = folder / "study.toml"
    path.write_text(text, encoding="utf-8")
    return path


def test_everything_that_a_study_may_say(tmp_path: Path) -> None:
    study = read_study(write(tmp_path, STUDY))
    assert (study.name, study.city, study.candidates, study.grid_size_m) == ("trial", "zhengzhou", "grid", 800)
    assert [(s.name, s.source) for s in study.layer_specs] == [
        ("substations", "vector_file"), ("roads", "vector_file"), ("roads", "demo"), ("dem", "raster_file")]
    stations = study.layer_specs[0]
    assert stations.path == str(tmp_path / "stations.gpkg")
    assert dict(stations.columns) == {"substation_id": "编号", "voltage_kv": "电压等级"}
    assert study.omitted_layers == ("fibre_routes",)
    assert study.weights == (("large", "power_distance_m", 0.6), ("large", "policy_fit", 0.4))
    assert study.mitigations == (("GB-railway-A", "隔振与防撞墙"),)
    assert (study.n_facilities, study.service_radius_m) == (7, 3000)
    hash(study)


def test_a_city_alone_is_a_study() -> None:
    assert default_study("zhengzhou").name == "zhengzhou"


def test_byte_order_mark_of_windows_editors_is_no_error(tmp_path: Path) -> None:
    path = tmp_path / "bom.toml"
    path.write_bytes(b"\xef\xbb\xbfcity = 'zhengzhou'\n")
    assert read_study(path).name == "bom"


@pytest.mark.parametrize(("text", "sentence"), [
    ("city = ", "not valid TOML"),
    ("name = 'x'", "city"),
    ("city = 'zhengzhou'\ncandidates = 'blobs'", "candidates"),
    ("city = 'zhengzhou'\nn_tops = 3", "n_tops"),
    ("city = 'zhengzhou'\n[layers.substation]\npath = 'a.shp'", "did you mean 'substations'"),
    ("city = 'zhengzhou'\n[layers.roads]\npth = 'a.shp'", "did you mean 'path'"),
    ("city = 'zhengzhou'\n[layers.roads]\ndatum = 'wgs84'", "needs a path"),
    ("city = 'zhengzhou'\n[layers.roads]\npath = 'a.shp'\ndatum = 'gcj'", "datum"),
    ("city = 'zhengzhou'\n[layers]\nroads = 3", "must be a table"),
    ("city = 'zhengzhou'\n[edge]\nn_facility = 3", "n_facility"),
])
def test_what_it_may_not_say(tmp_path: Path, text: str, sentence: str) -> None:
    with pytest.raises(UsageError, match=sentence) as caught:
        read_study(write(tmp_path, text))
    assert "\n" not in str(caught.value)
    assert caught.value.message("zh") != caught.value.message("en")


def test_missing_file() -> None:
    with pytest.raises(UsageError, match="no study file"):
        read_study(Path("nowhere.toml"))


@pytest.mark.parametrize("way", ["../roads.shp", "inside/../../roads.shp", "/roads.shp", "link/roads.shp"])
def test_layers_outside_the_folder_must_be_allowed(tmp_path: Path, way: str) -> None:
    folder, elsewhere = tmp_path / "study", tmp_path / "elsewhere"
    folder.mkdir()
    elsewhere.mkdir()
    (folder / "link").symlink_to(elsewhere, target_is_directory=True)
    text = f'city = "zhengzhou"\n[layers.roads]\npath = "{way}"\ndatum = "wgs84"\n'
    with pytest.raises(UsageError, match="allow_outside"):
        read_study(write(folder, text))
    assert read_study(write(folder, "allow_outside = true\n" + text)).layer_specs[0].path.endswith("roads.shp")


def test_conditions_of_the_edge_plan_and_years_of_the_capacity_are_read(tmp_path: Path) -> None:
    path = tmp_path / "s.toml"
    path.write_text('city = "zhengzhou"\n[edge]\nspacing_m = 1500\nquotas = { core = [2, 9] }\nbackup = ["d1"]\n'
                    'distance = "roads"\n[capacity]\nyears = { 2025 = 1.0, 2023 = 0.3 }\n', encoding="utf-8")
    study = read_study(path)
    assert study.edge_spacing_m == 1500
    assert study.edge_quotas is not None
    assert [(q.zone_id, q.min_sites, q.max_sites) for q in study.edge_quotas] == [("core", 2, 9)]
    assert study.backup_demand == ("d1",)
    assert study.edge_distance == "roads"
    assert study.capacity_years == ((2023, 0.3), (2025, 1.0))
    path.write_text('city = "zhengzhou"\n[capacity]\nyears = { 2023 = 0.9, 2025 = 0.3 }\n', encoding="utf-8")
    with pytest.raises(UsageError, match="rise"):
        read_study(path)


def test_weights_of_the_map_are_read_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "w.toml"
    path.write_text("[weights.large]\npower_distance_m = 0.25\npolicy_fit = 0.75\n", encoding="utf-8")
    assert read_weights(path) == (("large", "power_distance_m", 0.25), ("large", "policy_fit", 0.75))
    for text, message in (("city = 1\n", "nothing else"), ("[weights.large]\nx = 'a'\n", "weights"),
                          ("[weights", "TOML")):
        path.write_text(text, encoding="utf-8")
        with pytest.raises(UsageError, match=message):
            read_weights(path)
    with pytest.raises(UsageError, match="no file"):
        read_weights(tmp_path / "absent.toml")
