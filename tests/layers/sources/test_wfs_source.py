"""A city's WFS: versions, pages and axes, and services that do not keep their word."""

from __future__ import annotations

import dataclasses
import json
import os
import urllib.request
from typing import Any
from urllib.parse import parse_qs, urlsplit

import geopandas as gpd
import pytest
import shapely

from gis.errors import CrsError, DatumError, LayerError, LayerNotFoundError, LayerUnavailableError, UsageError
from layers.loading import load_layers
from layers.sources import web_service
from layers.sources.types import LoadContext, RawVector
from layers.sources.wfs import read
from layers.types import LayerSpec

CONTEXT = LoadContext(metric_crs="EPSG:4547", frames={})
N = 25


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(web_service, "_FIRST_WAIT_S", 0.0)
    for name in [name for name in os.environ if name.startswith("SUANZHI_SERVICE_")]:
        monkeypatch.delenv(name)


def spec(services: str, scenario: str, table: str = "市:站", *, where: str = "", datum: Any = None,
         **options: Any) -> LayerSpec:
    return LayerSpec(name="substations", source="wfs", table=table, where=where, datum=datum,
                     columns=(("voltage_kv", "电压"),),
                     options=tuple({"url": f"{services}/w/{scenario}", **options}.items()))


def got(services: str, scenario: str, table: str = "市:站", **given: Any) -> RawVector:
    return read(spec(services, scenario, table, **given), CONTEXT)


def asked(services: str, scenario: str) -> list[dict[str, list[str]]]:
    with urllib.request.urlopen(f"{services}/log", timeout=10) as answer:
        paths = [urlsplit(entry["path"]) for entry in json.load(answer)]
    return [parse_qs(parts.query) for parts in paths if parts.path == f"/w/{scenario}"]


@pytest.mark.parametrize(("scenario", "crs"), [("gml", 4490), ("json", 4490), ("belt", 4547), ("flat", 4547),
                                               ("old", 4326), ("unknown", 4490)])
def test_axes_and_pages(city_services: str, scenario: str, crs: int) -> None:
    raw = got(city_services, scenario)
    first = raw.frame.geometry.iloc[1].coords[0]
    assert raw.n_read == N
    assert raw.frame.crs.to_epsg() == crs
    assert first == ((454_900, 3_835_550) if crs == 4547 else (113.51, 34.655))
    assert raw.frame["编号"].tolist() == [f"{i:03d}" for i in range(N)]
    assert raw.reading_notes[0].en.startswith(f"read from {city_services}/w/{scenario} 市:站: 25 rows, SHA-256 ")


def test_pages_are_asked_for_one_by_one(city_services: str) -> None:
    got(city_services, "belt", limit=9)
    pages = [query for query in asked(city_services, "belt") if query.get("count") == ["9"]]
    assert [query.get("startIndex", ["0"]) for query in pages] == [["0"], ["9"], ["18"]]
    assert all(query["typeNames"] == ["市:站"] and query["tenant"] == ["7"] for query in pages)
    got(city_services, "old")
    assert asked(city_services, "old")[-1]["maxFeatures"] == [str(N)]  # 1.1.0 promises no paging


def test_datum_of_the_type(city_services: str, districts: LayerSpec) -> None:
    for scenario, note in (("gml", "cgcs2000 (from EPSG:4490)"), ("belt", "cgcs2000 (from EPSG:4547)")):
        layers = load_layers([districts, spec(city_services, scenario)], metric_crs="EPSG:4547")
        assert layers.provenance[1].datum == note
        assert layers.provenance[1].ledger.accepted == N
    wanted = gpd.GeoSeries([shapely.Point(113.5, 34.65)], crs="EPSG:4490").to_crs("EPSG:4547").iloc[0]
    layers = load_layers([districts, spec(city_services, "gml")], metric_crs="EPSG:4547")
    assert layers.frame("substations").geometry.iloc[0].distance(wanted) < 0.001
    with pytest.raises(DatumError, match="undeclared datum"):
        load_layers([districts, spec(city_services, "old")], metric_crs="EPSG:4547")


def test_geojson_in_degrees_of_a_projected_type(city_services: str, districts: LayerSpec) -> None:
    assert got(city_services, "rfc").frame.crs.to_epsg() == 4326
    with pytest.raises(DatumError):
        load_layers([districts, spec(city_services, "rfc")], metric_crs="EPSG:4547")
    assert got(city_services, "rfc", output_format="gml").frame.crs.to_epsg() == 4547


def test_longitude_first_in_gml_is_refused_with_its_remedy(city_services: str, districts: LayerSpec) -> None:
    own = spec(city_services, "wrong_axes")
    with pytest.raises(CrsError, match="swap_axes = true"):
        load_layers([districts, own], metric_crs="EPSG:4547")
    own = dataclasses.replace(own, options=(*own.options, ("swap_axes", True)))
    assert load_layers([districts, own], metric_crs="EPSG:4547").provenance[1].ledger.accepted == N


def test_study_area_is_asked_for_latitude_first(city_services: str) -> None:
    area = shapely.box(454_000, 3_835_000, 460_000, 3_839_000)
    context = dataclasses.replace(CONTEXT, area_of_interest=area)
    raw = read(spec(city_services, "json", margin_km=0), context)
    box = asked(city_services, "json")[-1]["bbox"][0].split(",")
    assert box[4] == "urn:ogc:def:crs:EPSG::4326"
    assert [round(float(v), 1) for v in box[:4]] == [34.6, 113.5, 34.7, 113.6]
    assert 0 < raw.n_read < N


def test_box_by_the_wrong_axes_does_not_lose_the_layer(city_services: str) -> None:
    area = shapely.box(454_000, 3_835_000, 460_000, 3_839_000)
    raw = read(spec(city_services, "wrong_box"), dataclasses.replace(CONTEXT, area_of_interest=area))
    assert raw.n_read == N
    assert "whole type was read" in raw.reading_notes[1].en


@pytest.mark.parametrize("scenario", ["gml", "json"])
def test_where_filters_what_comes(city_services: str, scenario: str) -> None:
    assert got(city_services, scenario, where='"电压" > 200 AND "编号" < \'010\'').frame["编号"].tolist() == [
        "000", "002", "004", "006", "008"]


@pytest.mark.parametrize(("scenario", "kind", "what"), [
    ("exception", LayerError, "reports an exception: 没有图层 <站>"),
    ("refused", LayerError, "status 400.: 没有图层 <站>"),
    ("laughs", LayerError, "declares a document type"), ("ancient", LayerError, "WFS 1.0.0 only"),
    ("page", LayerError, "login page"), ("cut", LayerUnavailableError, "cut off.*asked 5 times"),
    ("fewer", LayerError, "stated 30 features and gave 25"), ("many", LayerError, "10000000 rows"),
    ("ignores", LayerError, "feature 站.0 twice"),
])
def test_hostile_services(city_services: str, scenario: str, kind: type[LayerError], what: str) -> None:
    with pytest.raises(kind, match=what):
        got(city_services, scenario)


def test_other_services_are_no_wfs(city_services: str) -> None:
    with pytest.raises(LayerError, match="no XML"):
        read(dataclasses.replace(spec(city_services, ""), options=(("url", f"{city_services}/o/plain"),)), CONTEXT)


def test_type_by_its_local_name(city_services: str) -> None:
    assert got(city_services, "json", "站").n_read == N
    with pytest.raises(LayerNotFoundError, match="has: 市:站, 市:路"):
        got(city_services, "json", "街")


@pytest.mark.parametrize(("options", "what"), [
    ({"version": "1.0.0"}, "version is '1.0.0'; known: 2.0.0, 1.1.0"), ({"output_format": "kml"}, "output_format"),
    ({"password": "hush"}, "must not hold password"),
])
def test_spec_that_means_nothing(city_services: str, options: dict[str, Any], what: str) -> None:
    with pytest.raises(UsageError, match=what):
        got(city_services, "json", **options)
