"""The check reads what a run would read, by the same path, and never stops at the first error."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import geopandas as gpd
import pytest
from shapely import Point, box

from gis.bilingual import Text
from gis.errors import LayerError, SitingToolError
from layers.checking import CheckReport, check_layers
from layers.loading import Reading, load_layers
from layers.schemas import LAYERS
from layers.types import InlineFeature, LayerSpec

NO_FILE = LayerSpec(name="districts", source="vector_file", path="nowhere.gpkg")
DEMO = LayerSpec(name="base_stations", source="demo", certainty="synthetic")


def _check(*specs: LayerSpec, **more: object) -> CheckReport:
    return check_layers(specs, metric_crs="EPSG:4547", **more)  # type: ignore[arg-type]


def _hubs(*places: str, name: str = "hubs", **more: object) -> LayerSpec:
    return LayerSpec(name=name, source="inline", features=tuple(InlineFeature(geometry=p) for p in places),
                     **more)  # type: ignore[arg-type]


@pytest.fixture
def degrees(tmp_path: Path) -> LayerSpec:
    """Base stations in a table whose datum nobody declares."""
    path = tmp_path / "b.csv"
    path.write_text("lon,lat\n113.5,34.7\n113.6,34.7\n", encoding="utf-8")
    return LayerSpec(name="base_stations", source="vector_file", path=str(path))


def test_a_good_study_is_described_as_the_run_reads_it(districts: LayerSpec) -> None:
    hubs = _hubs("POINT (113.5 34.65)", "POINT (113.6 34.75)", "POINT (115 34.7)", "POINT EMPTY")
    report = _check(hubs, districts, DEMO)
    city = load_layers([hubs, districts, DEMO], metric_crs="EPSG:4547")
    assert report.can_run
    assert report.exit_code == 0
    assert [layer.name for layer in report.layers] == list(LAYERS)
    read = {layer.name: source for layer in report.layers for source in layer.sources}
    assert {record.layer: record.ledger for record in city.provenance} == {
        name: source.ledger for name, source in read.items()}
    found = read["hubs"]
    assert (found.state, found.n_inside, found.n_outside, found.datum, found.crs) == (
        "ready", 2, 1, "wgs84 (stated inline)", "EPSG:4326")
    assert found.missing_fields == ("name", "kind")
    assert report.layer("hubs").n_used == 3
    assert read["base_stations"].certainty == "synthetic"
    assert not report.layer("roads").sources


def test_extent_is_the_share_of_the_study_areas_bounding_box(districts: LayerSpec) -> None:
    def share(*places: str) -> float | None:
        return _check(districts, _hubs(*places)).layer("hubs").sources[0].area_share

    assert share("POINT (113.4 34.6)", "POINT (113.6 34.8)") == pytest.approx(0.5, abs=0.02)
    assert share("POINT (100 20)", "POINT (120 50)") == 1.0
    assert share("POINT (120 30)", "POINT (121 31)") == 0.0
    assert share() == 0.0


def test_every_layer_is_read_whatever_is_wrong_with_others(districts: LayerSpec, degrees: LayerSpec) -> None:
    broken = _hubs("nonsense", name="runways")
    report = _check(districts, degrees, broken, _hubs("POINT (113.5 34.7)"), LayerSpec(name="rods", source="inline"),
                    LayerSpec(name="water", source="cvs"))
    assert [problem.layer for problem in report.all_problems] == ["rods", "base_stations", "runways", "water"]
    assert [problem.exit_code for problem in report.all_problems] == [2, 3, 3, 2]
    assert report.exit_code == 2
    assert not report.can_run
    assert report.layer("hubs").sources[0].state == "ready"
    assert report.layer("runways").sources[0].state == "failed"
    assert all(problem.text.zh and problem.text.en for problem in report.all_problems)


def test_each_error_is_the_one_that_the_run_stops_at(districts: LayerSpec, degrees: LayerSpec) -> None:
    for spec in (degrees, _hubs("nonsense"), _hubs("POINT (34.7 113.5)")):
        with pytest.raises(SitingToolError) as caught:
            load_layers([districts, spec], metric_crs="EPSG:4547")
        report = _check(districts, spec)
        assert [problem.text for problem in report.all_problems] == [caught.value.text]
        assert report.exit_code == caught.value.exit_code


def test_without_districts_the_others_are_read_without_the_area(districts: LayerSpec) -> None:
    zone = LayerSpec(name="zones", source="inline", features=(
        InlineFeature(geometry=box(113.5, 34.6, 113.6, 34.7).wkt, properties=(("name", "区"),)),))
    report = _check(NO_FILE, zone, DEMO, _hubs("POINT (113.5 34.7)", "POINT (10 10)"))
    assert [problem.layer for problem in report.all_problems] == ["districts"]
    found = report.layer("hubs").sources[0]
    assert (found.state, found.n_inside, found.n_outside, found.area_share) == ("ready", None, None, None)
    assert report.layer("zones").sources[0].state == "ready"
    assert report.layer("base_stations").sources[0].state == "waiting"
    half = _check(districts, NO_FILE, _hubs("POINT (113.5 34.7)"))
    assert [source.state for source in half.layer("districts").sources] == ["ready", "failed"]
    assert half.layer("hubs").sources[0].n_outside is None


def test_missing_districts_and_a_wrong_crs_are_problems_not_errors() -> None:
    report = _check(_hubs("POINT (113.5 34.7)"))
    assert [problem.layer for problem in report.all_problems] == ["districts"]
    assert report.layer("hubs").n_used == 1
    report = check_layers([], metric_crs="EPSG:4326")
    assert "EPSG:4547" in report.problems[0].text.en
    assert report.exit_code == 3


@dataclasses.dataclass(frozen=True)
class _Likely:
    text: Text = Text(zh="很可能是 gcj02", en="likely gcj02")  # noqa: RUF009


def test_what_is_found_of_the_datum_is_shown_and_not_applied(districts: LayerSpec, degrees: LayerSpec) -> None:
    asked: list[tuple[str, gpd.GeoDataFrame]] = []

    def find(spec: LayerSpec, frame: gpd.GeoDataFrame) -> _Likely:
        asked.append((spec.name, frame))
        return _Likely()

    report = _check(districts, degrees, _hubs("POINT (113.5 34.7)"), find_datum=find)
    (name, frame), = asked
    assert (name, frame.geometry.iloc[0]) == ("base_stations", Point(113.5, 34.7))
    assert report.all_problems[0].text.en.endswith("; likely gcj02")
    assert report.all_problems[0].text.zh.endswith("；很可能是 gcj02")
    assert report.layer("base_stations").sources[0].state == "failed"
    assert _check(districts, dataclasses.replace(degrees, datum="gcj02"), find_datum=find).can_run
    assert len(asked) == 1


def test_a_finder_that_fails_or_finds_nothing_leaves_the_complaint(districts: LayerSpec, degrees: LayerSpec) -> None:
    def fail(spec: LayerSpec, frame: gpd.GeoDataFrame) -> None:
        raise LayerError("no reference", "无参照")

    plain = _check(districts, degrees).all_problems
    assert _check(districts, degrees, find_datum=fail).all_problems == plain
    assert _check(districts, degrees, find_datum=lambda spec, frame: None).all_problems == plain


def test_columns_and_datum_are_both_complained_of(tmp_path: Path, districts: LayerSpec) -> None:
    path = tmp_path / "s.csv"
    path.write_text("lon,lat\n113.5,34.7\n", encoding="utf-8")
    report = _check(districts, LayerSpec(name="substations", source="vector_file", path=str(path)))
    first, second = report.all_problems
    assert "voltage_kv" in first.text.en
    assert "[layers.substations]" in second.text.en


def test_progress_and_readings_are_told(districts: LayerSpec) -> None:
    told: list[tuple[int, int]] = []
    kept: list[Reading] = []
    _check(districts, NO_FILE, _hubs("POINT (113.5 34.7)"), on_reading=kept.append,
           progress=lambda step, done, total: told.append((done, total)))
    assert told == [(0, 3), (1, 3), (2, 3), (3, 3)]
    assert [reading.spec.name for reading in kept] == ["districts", "hubs"]
