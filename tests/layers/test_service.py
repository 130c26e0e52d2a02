"""The service itself, run in a process of its own: GDAL keeps the interpreter while it waits for an answer."""

from __future__ import annotations

import gzip
import http.client
import json
import shutil
import socket
import subprocess
import sys
import time
import urllib.parse
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import geopandas as gpd
import numpy as np
import pyogrio
import pytest
import shapely

from gis.bilingual import Text
from layers.exports.bundles import Bundle, StudyLayer
from layers.exports.layer_rows import HeldRows
from layers.exports.targets import placed, target_of
from layers.service_store import write_store

N = 1_234
CRS84 = "http://www.opengis.net/def/crs/OGC/1.3/CRS84"
EPSG = "http://www.opengis.net/def/crs/EPSG/0/"
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


def parcels() -> gpd.GeoDataFrame:
    rng = np.random.default_rng(7)
    x, y, side = rng.uniform(113.4, 113.9, N), rng.uniform(34.6, 34.9, N), rng.uniform(0.002, 0.009, N)
    # Diamonds: a box around one meets more than the diamond does.
    shapes = [shapely.orient_polygons(shapely.Polygon([(a - s, b), (a, b - s), (a + s, b), (a, b + s)]))
              for a, b, s in zip(x.round(6), y.round(6), side.round(6), strict=True)]
    return gpd.GeoDataFrame({
        "parcel_id": [f"地块/{i}" if i == 5 else f"P{i:05d}" for i in range(N)],
        "name": [None if i % 7 == 0 else f'<b>{i}"&' for i in range(N)], "ok": rng.random(N) < 0.6,
        "score": np.where(rng.random(N) < 0.2, np.nan, rng.random(N).round(6)), "rank": np.arange(N),
        "district": rng.choice(["中原区", "金水区", "二七区"], N),
    }, geometry=shapes, crs="EPSG:4326")


@dataclass
class Client:
    port: int
    folder: Path
    pid: int

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def get(self, path: str, *, method: str = "GET", **headers: str) -> tuple[int, dict[str, str], bytes]:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        try:
            named = {k.replace("_", "-"): v for k, v in headers.items()}
            connection.putrequest(method, path, skip_host="Host" in named, skip_accept_encoding=True)
            for name, value in named.items():
                connection.putheader(name, value)
            connection.endheaders()
            answer = connection.getresponse()
            return answer.status, {k.lower(): v for k, v in answer.getheaders()}, answer.read()
        finally:
            connection.close()

    def json(self, path: str, **query: object) -> Any:
        asked = urllib.parse.urlencode({name.replace("_", "-"): value for name, value in query.items()})
        text = path + (f"?{asked}" if asked else "")
        status, _, body = self.get(text)
        assert status == 200, body
        return json.loads(body)

    def ids(self, **query: object) -> list[str]:
        return [f["id"] for f in self.json("/collections/parcels/items", limit=10_000, **query)["features"]]


@pytest.fixture(scope="module")
def frame() -> gpd.GeoDataFrame:
    return parcels()


@pytest.fixture(scope="module")
def client(frame: gpd.GeoDataFrame, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Client]:
    folder = tmp_path_factory.mktemp("service")
    target = target_of("4326")
    layers = (StudyLayer(name="parcels", title=Text(zh="候选地块", en="candidates"),
                         rows=HeldRows(placed(frame, target)), id_column="parcel_id", titles={"score": "得分"}),
              StudyLayer(name="points", title=Text(zh="点", en="points"), id_column="k",
                         rows=HeldRows(gpd.GeoDataFrame({"k": ["a", "a", None]}, crs="EPSG:4326",
                                                        geometry=[shapely.Point(113.5, 34.7)] * 3))))
    write_store(Bundle(name="s", title=Text(zh="郑州", en="Z"), target=target, layers=layers, tables=(), language="zh"),
                folder / "store.gpkg")
    (folder / "map.html").write_text("<!DOCTYPE html><title>地图</title>", encoding="utf-8")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    log = (folder / "log").open("wb")
    process = subprocess.Popen([sys.executable, "-c", SERVER, str(folder), str(port)], stdout=log, stderr=log,
                               cwd=Path(__file__).resolve().parents[2])
    try:
        for _ in range(150):
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", port)) == 0:
                    break
            assert process.poll() is None, (folder / "log").read_text()
            time.sleep(0.1)
        yield Client(port, folder, process.pid)
    finally:
        process.terminate()
        process.wait(20)
        log.close()
    assert b"Traceback" not in (folder / "log").read_bytes()


def test_landing_page_leads_everywhere(client: Client) -> None:
    landing = client.json("/")
    links = {link["rel"]: link for link in landing["links"]}
    assert {"self", "service-desc", "conformance", "data", "alternate"} <= set(links)
    for link in links.values():
        status, headers, _ = client.get(link["href"].removeprefix(client.url))
        assert status == 200
        assert headers["content-type"].split("; charset")[0] == link["type"].split("; charset")[0]
    declared = client.json("/conformance")["conformsTo"]
    assert "http://www.opengis.net/spec/ogcapi-features-1/1.0/conf/core" in declared
    assert "http://www.opengis.net/spec/cql2/1.0/conf/cql2-text" in declared


def test_browser_gets_the_map(client: Client) -> None:
    browser = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"
    assert "地图" in client.get("/", Accept=browser)[2].decode()
    assert client.get("/?f=json", Accept=browser)[1]["content-type"] == "application/json"
    assert client.get("/", Accept="*/*")[1]["content-type"] == "application/json"
    assert client.get("/", Accept="application/json, text/html")[1]["content-type"] == "application/json"


def test_openapi_declares_the_largest_page(client: Client) -> None:
    api = client.json("/api")
    parameters = {p["name"]: p["schema"] for p in api["paths"]["/collections/parcels/items"]["get"]["parameters"]}
    assert parameters["limit"]["maximum"] == 10_000
    assert {"bbox", "datetime", "crs", "bbox-crs", "filter", "offset", "score"} <= set(parameters)
    described = {path.replace("{featureId}", "P00001") for path in api["paths"]}
    assert all(client.get(path)[0] == 200 for path in described if "/points/" not in path)


def test_collections_are_described(client: Client, frame: gpd.GeoDataFrame) -> None:
    found = client.json("/collections")
    assert [c["id"] for c in found["collections"]] == ["parcels", "points"]
    own = client.json("/collections/parcels")
    assert own["title"] == "候选地块"
    assert own["extent"]["spatial"]["bbox"][0] == pytest.approx(frame.total_bounds.tolist(), abs=1e-6)
    assert own["crs"] == [CRS84, f"{EPSG}4326", f"{EPSG}4490", f"{EPSG}4547", f"{EPSG}4526"]
    assert own["storageCrs"] == CRS84
    fields = client.json("/collections/parcels/queryables")["properties"]
    assert {name: f["type"] for name, f in fields.items()} == {
        "parcel_id": "string", "name": "string", "ok": "boolean", "score": "number", "rank": "integer",
        "district": "string"}
    assert fields["score"]["title"] == "得分"


def test_pages_follow_each_other_and_hold_all(client: Client, frame: gpd.GeoDataFrame) -> None:
    path, found, n_pages = "/collections/parcels/items?limit=500", [], 0
    while path:
        page = client.json(path)
        assert page["numberMatched"] == N
        assert page["numberReturned"] == len(page["features"]) <= 500
        found += page["features"]
        n_pages += 1
        nexts = [link["href"] for link in page["links"] if link["rel"] == "next"]
        path = nexts[0].removeprefix(client.url) if nexts else ""
    assert n_pages == 3
    assert [f["id"] for f in found] == frame["parcel_id"].tolist()
    for i in (1, 2, 5, N - 1):
        row, properties = frame.iloc[i], found[i]["properties"]
        assert properties["name"] == row["name"]
        assert properties["ok"] is bool(row["ok"])
        assert properties["score"] == (None if np.isnan(row["score"]) else row["score"])
    shapes = shapely.from_geojson([json.dumps(f["geometry"]) for f in found])
    assert shapely.hausdorff_distance(shapes, frame.geometry.to_numpy()).max() < 1e-7
    assert shapely.is_ccw(shapely.get_exterior_ring(shapes)).all()


def test_limit_above_the_maximum_is_the_maximum(client: Client) -> None:
    assert client.json("/collections/parcels/items", limit=999_999)["numberReturned"] == N
    assert client.json("/collections/parcels/items")["numberReturned"] == 100
    assert client.json("/collections/parcels/items", offset=N + 5)["features"] == []


def test_one_feature(client: Client, frame: gpd.GeoDataFrame) -> None:
    for i in (1, 5):
        identity = frame["parcel_id"].iloc[i]
        found = client.json("/collections/parcels/items/" + urllib.parse.quote(identity, safe=""))
        assert found["id"] == identity
        assert found["properties"]["rank"] == i
        own = next(link["href"] for link in found["links"] if link["rel"] == "self")
        assert client.json(own.removeprefix(client.url)) == found
    assert client.get("/collections/parcels/items/P99999")[0] == 404
    # Keys that are not unique are replaced by numbers.
    assert [f["id"] for f in client.json("/collections/points/items")["features"]] == ["1", "2", "3"]


def test_bbox_is_exact(client: Client, frame: gpd.GeoDataFrame) -> None:
    corners = (113.5, 34.65, 113.6, 34.7)
    wanted = frame["parcel_id"][frame.intersects(shapely.box(*corners))].tolist()
    assert client.ids(bbox="113.5,34.65,113.6,34.7") == wanted
    west, south, east, north = frame.geometry.iloc[0].bounds
    corner = (west, south, west + (east - west) / 9, south + (north - south) / 9)
    assert frame.geometry.iloc[0].envelope.intersects(shapely.box(*corner))
    found = client.ids(bbox=",".join(map(repr, corner)))
    assert frame["parcel_id"].iloc[0] not in found
    assert found == frame["parcel_id"][frame.intersects(shapely.box(*corner))].tolist()
    assert client.ids(bbox="113.5,34.65,0,113.6,34.7,9") == wanted
    swapped = client.ids(bbox="34.65,113.5,34.7,113.6", bbox_crs=f"{EPSG}4326")
    assert swapped == wanted
    assert client.ids(bbox="170,34,-170,35") == []
    assert len(client.ids(bbox="113,34,-170,35")) == N


def test_bbox_in_metres(client: Client, frame: gpd.GeoDataFrame) -> None:
    metric = placed(frame, target_of("4547"))
    west, south, east, north = 455_000.0, 3_830_000.0, 470_000.0, 3_845_000.0
    wanted = frame["parcel_id"][metric.intersects(shapely.box(west, south, east, north))].tolist()
    assert wanted
    assert client.ids(bbox=f"{south},{west},{north},{east}", bbox_crs=f"{EPSG}4547") == wanted


@pytest.mark.parametrize(("code", "is_north_first"), [(4326, True), (4490, True), (4547, True), (4526, True)])
def test_other_crs_in_the_axis_order_of_their_authority(client: Client, frame: gpd.GeoDataFrame, code: int,
                                                        is_north_first: bool) -> None:
    status, headers, body = client.get(f"/collections/parcels/items?limit=50&crs={EPSG}{code}")
    assert status == 200
    assert headers["content-crs"] == f"<{EPSG}{code}>"
    shapes = shapely.from_geojson([json.dumps(f["geometry"]) for f in json.loads(body)["features"]])
    if is_north_first:
        shapes = shapely.transform(shapes, lambda xy: xy[:, ::-1])
    wanted = placed(frame.head(50), target_of(str(code))).geometry.to_numpy()
    assert shapely.hausdorff_distance(shapes, wanted).max() < (1e-7 if code in (4326, 4490) else 1e-3)


def test_filters(client: Client, frame: gpd.GeoDataFrame) -> None:
    wanted = frame["parcel_id"][(frame["score"] > 0.8) & (frame["district"] == "中原区") & frame["ok"]].tolist()
    assert wanted
    assert client.ids(filter="score > 0.8 AND district = '中原区' AND ok = TRUE") == wanted
    assert client.ids(filter="score > 0.8", district="中原区", ok="true") == wanted
    corner = frame.intersects(shapely.box(113.5, 34.65, 113.6, 34.7))
    both = frame["parcel_id"][corner & (frame["rank"] < 600)].tolist()
    assert client.ids(filter="rank < 600", bbox="113.5,34.65,113.6,34.7") == both
    page = client.json("/collections/parcels/items", filter="rank BETWEEN 10 AND 19", limit=4, offset=8)
    assert (page["numberMatched"], page["numberReturned"]) == (10, 2)
    assert client.ids(filter="parcel_id LIKE 'P0000_'", datetime="2026-01-01T00:00:00Z/..") == [
        i for i in frame["parcel_id"] if i.startswith("P0000")]


HOSTILE = [
    "limit=0", "limit=-1", "limit=1;DROP TABLE parcels", "limit=1e3", "limit=", "limit=１", "limit=1&limit=2",
    "limit=99999999999999999999", "offset=-1", "offset=1 OR 1=1", "offset=99999999999999999999", "bbox=1,2,3",
    "bbox=1,2,3,4,5", "bbox=1,2,3,4);DROP TABLE parcels;--", "bbox=nan,nan,nan,nan", "bbox=1e999,2,3,4",
    "bbox=0,50,1,40", "bbox=-200,0,0,1", "bbox=0,0,1,1&bbox-crs=EPSG:4326", "bbox-crs=x", "crs=x", "crs=",
    "crs=" + EPSG + "3857", "filter=1=1", "filter=score > 0 OR 1=1", "filter=score; DROP TABLE parcels",
    "filter=fid IN (SELECT 1)", "filter=score > 'x'", "filter=" + "(" * 500, "filter=a%00b", "filter-lang=sql",
    "filter-lang=cql2-json&filter={}", "datetime=yesterday", "datetime=2026-13-01", "datetime=../..",
    "datetime=2026-02-01/2026-01-01", "unknown=1", "score=x", "ok=1", "f=html", "f=../../etc/passwd", "'=1",
    "filter=" + "x" * 9_000, "district=%0d%0aSet-Cookie:x", "bbox=0,0,1,1,", "limit=0x10",
]


@pytest.mark.parametrize("query", HOSTILE)
def test_hostile_queries_get_400_and_nothing_else(client: Client, query: str) -> None:
    quoted = urllib.parse.quote(query, safe="=&%,:/")
    status, headers, body = client.get(f"/collections/parcels/items?{quoted}")
    assert status == 400, body
    assert headers["content-type"] == "application/json"
    told = json.loads(body)
    assert set(told) == {"code", "description"}
    assert "sqlite" not in told["description"].lower()
    assert "set-cookie" not in headers


@pytest.mark.parametrize(("path", "status"), [
    ("/collections/parcels'%20OR%201=1/items", 400), ("/collections/par%00cels/items", 400),
    ("/collections/..%2f..%2fetc/items", 404), ("/collections/gpkg_contents/items", 404), ("/collections/nothing", 404),
    ("/collections/served_parcels/items", 404), ("/../store.gpkg", 404), ("/store.gpkg", 404), ("/nothing", 404),
    ("/collections/parcels/items/%00", 400), ("/collections/parcels/items/" + "x" * 300, 400),
    ("/collections/parcels/items/P00001'%20OR%20'1'='1", 404), ("/?x=1", 400), ("/conformance?limit=1", 400),
])
def test_hostile_paths_lead_nowhere(client: Client, path: str, status: int) -> None:
    found, headers, body = client.get(path)
    assert found == status, body
    assert headers["content-type"] == "application/json"
    assert "code" in json.loads(body)


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "OPTIONS"])
def test_nothing_is_written(client: Client, method: str) -> None:
    assert client.get("/collections/parcels/items", method=method)[0] == 405


def test_other_names_are_refused(client: Client) -> None:
    assert client.get("/collections", Host="evil.example")[0] == 400
    assert client.get("/collections", Host=f"127.0.0.1:{client.port}")[0] == 200


def test_entity_tags(client: Client) -> None:
    path = "/collections/parcels/items?limit=3"
    _, headers, _ = client.get(path)
    status, again, body = client.get(path, If_None_Match=headers["etag"])
    assert (status, body) == (304, b"")
    assert again["etag"] == headers["etag"]
    assert client.get(path + "&offset=3", If_None_Match=headers["etag"])[0] == 200
    assert client.get(path, If_None_Match='"other"')[0] == 200


def test_gzip(client: Client) -> None:
    path = "/collections/parcels/items?limit=200"
    plain, (_, headers, body) = client.get(path), client.get(path, Accept_Encoding="gzip")
    assert headers["content-encoding"] == "gzip"
    assert gzip.decompress(body) == plain[2]
    assert len(body) < len(plain[2]) / 3
    assert "content-encoding" not in plain[1]


def test_head_has_no_body(client: Client) -> None:
    status, headers, body = client.get("/collections/parcels/items?limit=10", method="HEAD")
    assert (status, body) == (200, b"")
    assert int(headers["content-length"]) > 1_000


def test_debian_gdal_copies_it_whole_and_equal(client: Client, frame: gpd.GeoDataFrame, tmp_path: Path) -> None:
    if shutil.which("ogr2ogr") is None:
        pytest.skip("gdal-bin is not installed")
    path = tmp_path / "copy.gpkg"
    subprocess.run(["ogr2ogr", "-f", "GPKG", "-oo", "PAGE_SIZE=1000", str(path), f"OAPIF:{client.url}", "parcels"],
                   check=True, timeout=120, capture_output=True)
    found = pyogrio.read_dataframe(path)
    assert found["parcel_id"].tolist() == frame["parcel_id"].tolist()
    assert found["district"].tolist() == frame["district"].tolist()
    assert np.array_equal(found["score"], frame["score"], equal_nan=True)
    assert shapely.hausdorff_distance(found.geometry.to_numpy(), frame.geometry.to_numpy()).max() < 1e-7


def test_newer_gdal_reads_pages_filters_and_boxes(client: Client, frame: gpd.GeoDataFrame) -> None:
    source = f"OAPIF:{client.url}"
    whole = pyogrio.read_dataframe(source, layer="parcels")
    assert whole["parcel_id"].tolist() == frame["parcel_id"].tolist()
    boxed = pyogrio.read_dataframe(source, layer="parcels", bbox=(113.5, 34.65, 113.6, 34.7))
    assert len(boxed) == int(frame.intersects(shapely.box(113.5, 34.65, 113.6, 34.7)).sum())
    chosen = pyogrio.read_dataframe(source, layer="parcels", where="score > 0.8 AND district = '中原区'")
    assert len(chosen) == int(((frame["score"] > 0.8) & (frame["district"] == "中原区")).sum())
    metric = pyogrio.read_dataframe(source, layer="parcels", CRS="EPSG:4547")
    wanted = placed(frame, target_of("4547")).geometry.to_numpy()
    assert shapely.hausdorff_distance(metric.geometry.to_numpy(), wanted).max() < 2e-3


def test_memory_stays_flat(client: Client) -> None:
    status = Path(f"/proc/{client.pid}/status")
    if not status.exists():
        pytest.skip("no /proc here")

    def resident_kb() -> int:
        return next(int(line.split()[1]) for line in status.read_text().splitlines() if line.startswith("VmRSS"))

    def ask(n: int) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", client.port, timeout=30)
        for i in range(n):
            query = f"limit=100&offset={i * 13 % N}&filter=rank%20%3E%20{i % 97}"
            connection.request("GET", f"/collections/parcels/items?{query}")
            assert connection.getresponse().read()
        connection.close()

    ask(300)
    before = resident_kb()
    ask(900)
    assert resident_kb() - before < 20_000


def test_ideographic_space_is_text_like_any_other(client: Client) -> None:
    assert client.ids(district="中原区\u3000") == []
    assert client.ids(filter="district = '中原区\u3000'") == []


def test_refusal_to_write_names_what_is_allowed(client: Client) -> None:
    assert "GET" in client.get("/collections", method="POST")[1]["allow"]


def test_every_answer_is_as_the_description_says(client: Client) -> None:
    """Schemathesis reads the served description and asks what it allows, and what it does not."""
    pytest.importorskip("schemathesis", reason="schemathesis is not installed")
    checks = "not_a_server_error,status_code_conformance,content_type_conformance,response_schema_conformance"
    asked = subprocess.run(
        [sys.executable, "-m", "schemathesis.cli", "run", client.url + "/api", "--checks", checks, "--seed", "1",
         "--max-examples", "10", "--phases", "coverage,fuzzing", "--generation-database", "none", "--no-color"],
        capture_output=True, text=True, cwd=client.folder, timeout=300)
    assert asked.returncode == 0, asked.stdout
    assert "failed" not in asked.stdout


def test_descriptions_are_strict_enough_to_refuse(client: Client) -> None:
    schemas = client.json("/api")["components"]["schemas"]
    page = schemas["parcels_page"]
    assert set(page["required"]) == {"type", "features", "links", "numberMatched", "numberReturned"}
    assert schemas["parcels_feature"]["properties"]["properties"]["properties"]["rank"]["type"] == "integer"
    answered = client.json("/collections/parcels/items", limit=3)
    assert set(page["properties"]) == set(answered)
    assert set(schemas["parcels_feature"]["properties"]) == {*answered["features"][0], "links"}


def test_a_box_without_extent_is_a_point(client: Client, frame: gpd.GeoDataFrame) -> None:
    inside = frame.geometry.iloc[3].representative_point()
    expected = set(frame.loc[frame.intersects(inside), "parcel_id"])
    assert set(client.ids(bbox=f"{inside.x!r},{inside.y!r},{inside.x!r},{inside.y!r}")) == expected != set()
    assert client.ids(bbox="0,0,0,0", bbox_crs=EPSG + "4547") == []
