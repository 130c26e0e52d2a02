"""A city's OGC API - Features: read whole and rightly placed, or refused with a sentence."""

from __future__ import annotations

import dataclasses
import json
import os
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import geopandas as gpd
import numpy as np
import pytest
import shapely

from gis.bilingual import Text
from gis.errors import DatumError, LayerError, LayerNotFoundError, LayerUnavailableError, UsageError
from layers.exports.bundles import Bundle, StudyLayer
from layers.exports.layer_rows import HeldRows
from layers.exports.targets import placed, target_of
from layers.loading import load_layers
from layers.sources import web_service
from layers.sources.ogc_features import read
from layers.sources.types import LoadContext, RawVector
from layers.types import LayerSpec

CONTEXT = LoadContext(metric_crs="EPSG:4547", frames={})
N = 25
SERVER = """
import sys
from pathlib import Path
import uvicorn
from layers.service import Service, application
from layers.service_crs import offered
from layers.service_store import Store
folder, port = Path(sys.argv[1]), int(sys.argv[2])
service = Service(store=Store(folder / "store.gpkg"), title="郑州", description="只读", version="1",
                  crs=offered("EPSG:4547"), map_path=folder / "map.html", fingerprint="one")
uvicorn.run(application(service, hosts=("127.0.0.1",)), port=port, log_level="warning", timeout_graceful_shutdown=1)
"""


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(web_service, "_FIRST_WAIT_S", 0.0)
    for name in [name for name in os.environ if name.startswith("SUANZHI_SERVICE_")]:
        monkeypatch.delenv(name)


def spec(url: str, table: str = "站", *, name: str = "substations", where: str = "", datum: Any = None,
         columns: tuple[tuple[str, str], ...] = (), **options: Any) -> LayerSpec:
    return LayerSpec(name=name, source="ogc_features", table=table, where=where, datum=datum, columns=columns,
                     options=tuple({"url": url, **options}.items()))


def got(services: str, scenario: str, **given: Any) -> RawVector:
    return read(spec(f"{services}/o/{scenario}", **given), CONTEXT)


def asked(services: str, scenario: str) -> list[dict[str, str]]:
    with urllib.request.urlopen(f"{services}/log", timeout=10) as answer:
        return [entry for entry in json.load(answer) if entry["path"].startswith(f"/o/{scenario}")]


def test_read_to_the_end(city_services: str) -> None:
    raw = got(city_services, "plain")
    assert raw.n_read == len(raw.frame) == N
    assert raw.frame["id"].tolist() == [f"站.{i}" for i in range(N)]
    assert raw.frame["编号"].tolist()[:2] == ["000", "001"]
    assert raw.frame["备注"].iloc[1] == '{"甲": 1}'
    assert raw.frame.geometry.iloc[2].coords[0] == (113.52, 34.66)
    assert raw.reading_notes[0].en.startswith(f"read from {city_services}/o/plain 站: 25 rows, SHA-256 of their ")
    again = got(city_services, "silent", limit=4)
    assert again.reading_notes[0].en.rpartition(" ")[2] == raw.reading_notes[0].en.rpartition(" ")[2]


@pytest.mark.parametrize("end", ["plain", "plain/", "plain/collections", "plain/collections/站", "silent"])
def test_any_address_of_the_service(city_services: str, end: str) -> None:
    assert got(city_services, end).n_read == N


@pytest.mark.parametrize(("scenario", "crs"), [("cgcs", "EPSG:4490"), ("belt", "EPSG:4547")])
def test_layer_kept_in_cgcs2000_declares_its_datum(city_services: str, districts: LayerSpec, scenario: str,
                                                   crs: str) -> None:
    own = dataclasses.replace(spec(f"{city_services}/o/{scenario}"), columns=(("voltage_kv", "电压"),))
    layers = load_layers([districts, own], metric_crs="EPSG:4547")
    provenance = layers.provenance[1]
    assert (provenance.crs, provenance.datum) == (crs, f"cgcs2000 (from {crs})")
    assert provenance.ledger.accepted == N
    degrees = gpd.GeoSeries([shapely.Point(113.5, 34.65)], crs="EPSG:4490")
    wanted = degrees.to_crs("EPSG:4547").iloc[0] if scenario == "cgcs" else shapely.Point(454_000, 3_835_000)
    assert layers.frame("substations").geometry.iloc[0].distance(wanted) < 0.001


@pytest.mark.parametrize("scenario", ["plain", "mercator"])
def test_longitude_and_latitude_prove_no_datum(city_services: str, districts: LayerSpec, scenario: str) -> None:
    own = dataclasses.replace(spec(f"{city_services}/o/{scenario}"), columns=(("voltage_kv", "电压"),))
    with pytest.raises(DatumError, match="undeclared datum"):
        load_layers([districts, own], metric_crs="EPSG:4547")
    layers = load_layers([districts, dataclasses.replace(own, datum="gcj02")], metric_crs="EPSG:4547")
    assert layers.provenance[1].datum == "gcj02 (declared)"
    assert all("crs=" not in entry["path"] for entry in asked(city_services, scenario))


def test_study_area_and_margin_are_asked_for(city_services: str, districts: LayerSpec) -> None:
    own = dataclasses.replace(spec(f"{city_services}/o/cgcs", margin_km=1, limit=7), columns=(("voltage_kv", "电压"),))
    load_layers([districts, own], metric_crs="EPSG:4547")
    query = parse_qs(urlsplit(asked(city_services, "cgcs")[-1]["path"]).query)
    west, south, east, north = (float(degrees) for degrees in query["bbox"][0].split(","))
    assert query["limit"] == ["7"]
    assert 113.38 < west < 113.4 < 113.8 < east < 113.82
    assert 34.58 < south < 34.6 < 34.8 < north < 34.82


@pytest.mark.parametrize(("where", "n", "is_asked"), [
    ('"电压" = 110', 12, True), ("\"编号\" IN ('003', '004')", 2, True), ('"编号" LIKE \'00%\'', 10, False),
    ('"电压" * 2 = 220', 12, False), ("ok IS NULL", 1, False), ('"电压" = \'a\' OR 1=1', N, False),
])
def test_where_means_what_it_means_for_files(city_services: str, where: str, n: int, is_asked: bool) -> None:
    # This service knows filters by its own word, and gives everything all the same.
    before = len(asked(city_services, "plain"))
    assert got(city_services, "plain", where=where).n_read == n
    assert any("filter=" in entry["path"] for entry in asked(city_services, "plain")[before:]) == is_asked


def test_wrong_condition_names_the_columns(city_services: str) -> None:
    with pytest.raises(LayerError, match="columns of the file: id, 编号, 电压"):
        got(city_services, "plain", where='"级别" == = 3')


@pytest.mark.parametrize("scenario", ["busy", "cut", "short_body", "moved"])
def test_what_passes_is_asked_again(city_services: str, scenario: str) -> None:
    assert got(city_services, scenario).n_read == N


@pytest.mark.parametrize(("scenario", "kind", "what"), [
    ("down", LayerUnavailableError, "status 503 .asked 5 times"),
    ("come_back", LayerUnavailableError, "back in 3600 s"),
    ("always_cut", LayerUnavailableError, "cut off"), ("page", LayerError, "login page"),
    ("bad", LayerError, "refuses .status 400.: limit 过大"), ("broken", LayerError, "status 500"),
    ("loop", LayerError, "no end"), ("endless", LayerError, "without an end"),
    ("ignores", LayerError, "feature 站.0 twice"),
    ("elsewhere", LayerError, "another host, localhost"), ("redirected", LayerError, "another host, localhost"),
    ("round", LayerError, "redirects more than"), ("fewer", LayerError, "stated 30 features and gave 25"),
    ("many", LayerError, "10000000 rows.*max_features"),
    ("short_page", LayerError, "holds 11 features, and it holds 10"),
    ("mixed", LayerError, "another CRS from page to page"), ("no_features", LayerError, "without features"),
    ("login", LayerUnavailableError, "SUANZHI_SERVICE_TOKEN"), ("strange", LayerError, "CRS that is not known"),
])
def test_hostile_services(city_services: str, scenario: str, kind: type[LayerError], what: str) -> None:
    with pytest.raises(kind, match=what) as raised:
        got(city_services, scenario)
    assert f"{city_services}/o/{scenario}" in raised.value.text.en or "rows" in raised.value.text.en
    assert "substations" in raised.value.text.zh


def test_slow_service(city_services: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(web_service, "_ATTEMPTS", 1)
    with pytest.raises(LayerUnavailableError, match="no answer within 1 s"):
        got(city_services, "slow", timeout_s=1)


def test_nobody_there() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        with pytest.raises(LayerUnavailableError, match="cannot be reached"):
            got(f"http://127.0.0.1:{taken.getsockname()[1]}", "plain")


@pytest.mark.parametrize(("options", "what"), [({"max_features": 12}, "at most 12 are read"),
                                               ({"max_mb": 0.002}, "more than 0.002 MB")])
def test_bounds(city_services: str, options: dict[str, Any], what: str) -> None:
    with pytest.raises(LayerError, match=what):
        got(city_services, "silent", **options)


def test_odd_geometries_are_accounted_for(city_services: str, districts: LayerSpec) -> None:
    own = dataclasses.replace(spec(f"{city_services}/o/odd", datum="wgs84"), columns=(("voltage_kv", "电压"),))
    ledger = load_layers([districts, own], metric_crs="EPSG:4547").provenance[1].ledger
    assert (ledger.read, ledger.accepted, ledger.rejected) == (N, N - 6, 6)  # two of each of three pages


@pytest.mark.parametrize("source", ["o", "w"])
def test_layer_without_features(city_services: str, districts: LayerSpec, source: str) -> None:
    own = spec(f"{city_services}/{source}/empty", "市:站" if source == "w" else "站")
    own = dataclasses.replace(own, source="wfs" if source == "w" else "ogc_features", constants=(("voltage_kv", 1),))
    provenance = load_layers([districts, own], metric_crs="EPSG:4547").provenance[1]
    assert (provenance.ledger.read, provenance.crs) == (0, "EPSG:4490")
    assert "holds no features" in provenance.reading_notes[1].en


def test_members_of_wrong_types_are_borne_with(city_services: str) -> None:
    raw = got(city_services, "garbage", where='"电压" > 0 OR "电压" IS NULL')
    assert raw.n_read == N
    assert raw.frame.geometry.isna().sum() == 6


def test_features_without_ids(city_services: str) -> None:
    assert "id" not in got(city_services, "nameless").frame.columns


def test_unknown_collection_names_those_there(city_services: str) -> None:
    with pytest.raises(LayerNotFoundError, match="no collection '街'; it has: 站, other"):
        got(city_services, "plain", table="街")


@pytest.mark.parametrize("variables", [{"TOKEN": "sesame"}, {"USER": "u", "PASSWORD": "sesame"}])
def test_credentials_go_to_their_host_alone(city_services: str, variables: dict[str, str],
                                            monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(f"SUANZHI_SERVICE_{name}", value)
    monkeypatch.setenv("SUANZHI_SERVICE_HOST", "gis.city.gov.cn")
    with pytest.raises(LayerUnavailableError, match="SUANZHI_SERVICE_HOST") as raised:
        got(city_services, "login")
    assert asked(city_services, "login")[-1]["authorization"] == ""
    monkeypatch.setenv("SUANZHI_SERVICE_HOST", "127.0.0.1")
    raw = got(city_services, "login")
    assert raw.n_read == N
    assert "sesame" not in repr(raw.reading_notes) + raised.value.text.zh
    monkeypatch.setenv("SUANZHI_SERVICE_TOKEN", "wrong")
    with pytest.raises(LayerUnavailableError):
        got(city_services, "login")


def test_key_in_every_address(city_services: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SUANZHI_SERVICE_HOST", urlsplit(city_services).netloc)
    monkeypatch.setenv("SUANZHI_SERVICE_QUERY", "tk=hush")
    with pytest.raises(LayerUnavailableError) as raised:
        got(city_services, "key")
    assert "hush" not in raised.value.text.en + raised.value.text.zh
    monkeypatch.setenv("SUANZHI_SERVICE_QUERY", "tk=sesame")
    assert got(city_services, "key").n_read == N
    assert asked(city_services, "key")[-1]["path"].count("sesame") == 1


@pytest.mark.parametrize(("options", "what"), [
    ({"url": ""}, "needs options"), ({"url": "file:///etc/passwd"}, "needs options"), ({"url": "http://[::1"}, "needs"),
    ({"url": "https://u:hush@h/"}, "must not hold user and password"), ({"url": "https://h/?tk=hush"}, "not hold tk"),
    ({"token": "hush"}, "must not hold token.*SUANZHI_SERVICE_TOKEN"), ({"limits": 3}, "did you mean 'limit'"),
    ({"limit": 0}, "limit is 0"), ({"margin_km": "far"}, "margin_km is 'far'"),
])
def test_spec_that_means_nothing(options: dict[str, Any], what: str, city_services: str) -> None:
    context = dataclasses.replace(CONTEXT, area_of_interest=shapely.box(450_000, 3_835_000, 470_000, 3_850_000))
    with pytest.raises(UsageError, match=what) as raised:
        read(spec(**{"url": f"{city_services}/o/plain", **options}), context)
    assert "hush" not in raised.value.text.en + raised.value.text.zh


@pytest.fixture(scope="module")
def own_service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, gpd.GeoDataFrame]]:
    """Serve a layer by the product's own service."""
    pytest.importorskip("uvicorn")
    from layers.service_store import write_store

    folder, target = tmp_path_factory.mktemp("own"), target_of("4326")
    rng = np.random.default_rng(7)
    points = shapely.points(rng.uniform(113.42, 113.78, 3000).round(6), rng.uniform(34.62, 34.78, 3000).round(6))
    frame = gpd.GeoDataFrame({"parcel_id": [f"P{i:04d}" for i in range(3000)], "score": rng.random(3000).round(6),
                              "district": rng.choice(["中原区", "金水区"], 3000)}, crs="EPSG:4326",
                             geometry=shapely.buffer(points, 0.001, quad_segs=1))
    layer = StudyLayer(name="parcels", title=Text(zh="地块", en="parcels"), rows=HeldRows(placed(frame, target)),
                       id_column="parcel_id", titles={})
    write_store(Bundle(name="s", title=Text(zh="郑州", en="Z"), target=target, layers=(layer,), tables=(),
                       language="zh"), folder / "store.gpkg")
    (folder / "map.html").write_text("<!DOCTYPE html>")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with subprocess.Popen([sys.executable, "-c", SERVER, str(folder), str(port)],
                          cwd=Path(__file__).resolve().parents[3]) as process:
        try:
            for _ in range(150):
                with socket.socket() as probe:
                    if probe.connect_ex(("127.0.0.1", port)) == 0:
                        break
                time.sleep(0.1)
            yield f"http://127.0.0.1:{port}", frame
        finally:
            process.terminate()


@pytest.mark.parametrize("where", ["", "score > 0.5 AND district = '金水区'"])
def test_own_service_comes_back_equal(own_service: tuple[str, gpd.GeoDataFrame], where: str) -> None:
    address, frame = own_service
    raw = read(spec(address, "parcels", name="parcels", where=where, max_features=3000 if not where else 1000), CONTEXT)
    wanted = frame.query("score > 0.5 and district == '金水区'") if where else frame
    assert raw.frame["parcel_id"].tolist() == wanted["parcel_id"].tolist()
    assert raw.frame["score"].tolist() == wanted["score"].tolist()
    assert shapely.hausdorff_distance(raw.frame.geometry.to_numpy(), wanted.geometry.to_numpy()).max() < 1e-8
