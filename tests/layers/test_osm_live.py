"""Live OpenStreetMap: through osmnx against a server on 127.0.0.1 that answers from an extract, and fails on demand."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import geopandas as gpd
import numpy as np
import pandas as pd
import pytest
import shapely
from geopandas.testing import assert_geodataframe_equal

pytest.importorskip("osmium", reason="the extra [osm] is not installed")

from gis.errors import ExportError, LayerError, LayerNotFoundError, LayerUnavailableError, UsageError
from layers.loading import load_layers
from layers.sources import osm_file, osm_store
from layers.sources.osm_live import Answer, Manners, Overpass, TooBigError, shown, slot_wait_s
from layers.sources.osm_shapes import window_around
from layers.sources.osm_store import stored_layers, write_layer
from layers.sources.osm_tags import known_layers
from layers.sources.osm_tiles import LiveLayer, TileStore, boxes_of
from layers.sources.types import LoadContext, RawVector
from layers.types import LayerSpec

PROGRAM = Path(__file__).with_name("overpass_server.py")
SHARED = (Path(__file__).resolve().parents[2] / "../shared/data/osm").resolve()
KOTKA, HELSINKI = SHARED / "helsinki_small.osm.pbf", SHARED / "helsinki.osm.pbf"
METRIC_CRS = "EPSG:4547"
WINDOW = (113.58, 34.73, 113.72, 34.82)

SQUARE = {1: (113.600, 34.750), 2: (113.6011, 34.750), 3: (113.6011, 34.7509), 4: (113.600, 34.7509),
          5: (113.6004, 34.7503), 6: (113.6007, 34.7503), 7: (113.6007, 34.7506), 8: (113.6004, 34.7506),
          9: (113.700, 34.800), 10: (113.640, 34.760)}
TAGGED = {9: {"power": "substation", "voltage": "high"},
          10: {"power": "substation", "voltage": "35000", "name": "'); DROP TABLE x; -- <b>&{0}", "rating": "2x50 MVA"}}
WAYS: dict[int, tuple[list[int], dict[str, str]]] = {
    20: ([1, 2, 3, 4, 1], {"power": "substation", "voltage": "220000;110000", "name": "柳林变"}),
    21: ([1, 2, 3, 9], {"highway": "primary", "name": "中原路"}),
    26: ([1, 2, 3, 4, 1], {}),
    27: ([5, 6, 7, 8, 5], {}),
    29: ([1, 2, 3], {"natural": "water"}),
    33: ([5, 6, 7, 8, 5], {"landuse": "industrial", "industrial": "warehouse"}),
}
RELATIONS = {40: ([(26, "outer"), (27, "inner")], {"type": "multipolygon", "natural": "water", "name": "lake"}),
             41: ([(26, "outer"), (98, "outer")], {"type": "multipolygon", "natural": "water"})}


def city_xml() -> str:
    escape = str.maketrans({"<": "&lt;", ">": "&gt;", "&": "&amp;", '"': "&quot;"})

    def tags(given: dict[str, str]) -> str:
        return "".join(f'<tag k="{k}" v="{v.translate(escape)}"/>' for k, v in given.items())

    parts = [f'<node id="{i}" lon="{x}" lat="{y}">{tags(TAGGED.get(i, {}))}</node>' for i, (x, y) in SQUARE.items()]
    parts += [f'<way id="{i}">' + "".join(f'<nd ref="{n}"/>' for n in nodes) + tags(own) + "</way>"
              for i, (nodes, own) in WAYS.items()]
    parts += [f'<relation id="{i}">' + "".join(f'<member type="way" ref="{w}" role="{r}"/>' for w, r in members)
              + tags(own) + "</relation>" for i, (members, own) in RELATIONS.items()]
    return '<osm version="0.6">' + "".join(parts) + "</osm>"


@dataclass
class Server:
    """The server, and what it was asked."""

    port: int

    @property
    def endpoint(self) -> str:
        return f"http://127.0.0.1:{self.port}/api"

    def plan(self, *deeds: dict[str, Any], **more: Any) -> None:
        self._call("/plan", {"next": list(deeds), **more})

    def log(self, what: str) -> list[dict[str, str]]:
        return [entry for entry in self._call("/log") if entry["what"] == what]

    def _call(self, path: str, content: Any = None) -> Any:
        body = None if content is None else json.dumps(content).encode()
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        with opener.open(f"http://127.0.0.1:{self.port}{path}", body, timeout=10) as answer:
            return json.load(answer)


@contextmanager
def serving(extract: Path) -> Iterator[Server]:
    with subprocess.Popen([sys.executable, str(PROGRAM), str(extract)], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                          text=True) as process:
        assert process.stdout is not None
        yield Server(int(process.stdout.readline()))
        process.communicate()


@pytest.fixture(scope="module")
def extract(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("osm") / "city.osm"
    path.write_text(city_xml(), encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def running(extract: Path) -> Iterator[Server]:
    with serving(extract) as server:
        yield server


@pytest.fixture
def server(running: Server, monkeypatch: pytest.MonkeyPatch) -> Server:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    running.plan()
    return running


@dataclass
class Asked:
    """A client whose waits are noted and not waited for."""

    overpass: Overpass
    waits: list[float] = field(default_factory=list)


def client(endpoint: str, **manners: Any) -> Asked:
    waits: list[float] = []
    return Asked(Overpass(Manners(endpoint=endpoint, user_agent="suanzhi/test", **manners), wait=waits.append), waits)


def store(folder: Path, overpass: Overpass, tile_km: float | None = None) -> TileStore:
    return TileStore(folder=folder, server=overpass, tile_km=tile_km, now=lambda: "2026-11-21T01:02:03Z")


def from_file(name: str, path: Path, area: shapely.Geometry | None = None, crs: str = METRIC_CRS,
              **options: Any) -> RawVector:
    return osm_file.read(LayerSpec(name=name, source="osm_file", path=str(path), options=tuple(options.items())),
                         LoadContext(metric_crs=crs, frames={}, area_of_interest=area))


def assert_same(live: RawVector, filed: RawVector) -> None:
    assert_geodataframe_equal(live.frame, filed.frame)
    # The order of points and rings too, which equality of geometries leaves open.
    assert live.frame.geometry.to_wkb().equals(filed.frame.geometry.to_wkb())
    assert live.remarks == filed.remarks
    assert (live.n_read, live.licence, live.attribution, live.certainty, live.note) == (
        filed.n_read, filed.licence, filed.attribution, filed.certainty, filed.note)


ASK = {"power": ["substation"]}


# ---------------------------------------------------------------- the same rows as from a file


@pytest.mark.skipif(not KOTKA.is_file(), reason="real data (../shared/data) is not beside this checkout")
def test_real_extract_gives_the_same_rows_live_as_from_its_file(tmp_path, monkeypatch):
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    window, n_rows = (26.92, 60.51, 26.98, 60.55), 0
    with serving(KOTKA) as server:
        tiles = store(tmp_path, client(server.endpoint).overpass, tile_km=4)
        for name in ("roads", "housing", "buildings", "hazards", "substations"):
            live = tiles.fetch(name, window, "EPSG:3067")
            assert len(live.tiles) == 2
            assert_same(live.raw, from_file(name, KOTKA, crs="EPSG:3067"))
            n_rows += len(live.raw.frame)
    assert n_rows == 171 + 17 + 28 + 2


@pytest.mark.skipif(not HELSINKI.is_file(), reason="real data (../shared/data) is not beside this checkout")
def test_real_multipolygons_and_what_crosses_the_window(tmp_path, monkeypatch):
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    corner = gpd.GeoSeries([shapely.box(24.938, 60.166, 24.948, 60.175)], crs=4326).to_crs(3067).iloc[0]
    window = window_around(corner, "EPSG:3067", 0.1)
    with serving(HELSINKI) as server:
        tiles = store(tmp_path, client(server.endpoint).overpass, tile_km=1)
        live = tiles.fetch("protected_land", window, "EPSG:3067")
    filed = from_file("protected_land", HELSINKI, corner, "EPSG:3067", margin_km=0.1)
    parks = live.raw.frame
    assert len(live.tiles) == 2
    assert_geodataframe_equal(parks, filed.frame.set_index(parks.index))
    # A file keeps every object that has no outline; a server tells of those in the window alone.
    assert {one.feature_id for one in live.raw.remarks} <= {one.feature_id for one in filed.remarks}
    assert parks["protected_id"].str.startswith("relation/").any()
    assert not shapely.box(*window).contains(shapely.union_all(parks.geometry))


@pytest.mark.parametrize("tile_km", [None, 8.0])
def test_relations_tags_and_rejected_objects_are_those_of_the_file(server, extract, tmp_path, tile_km):
    tiles = store(tmp_path, client(server.endpoint).overpass, tile_km)
    for name in ("water", "roads") if tile_km else ("water", "substations", "roads", "parcels"):
        live = tiles.fetch(name, WINDOW, METRIC_CRS)
        assert len(live.tiles) == (4 if tile_km else 1)
        assert_same(live.raw, from_file(name, extract))
        assert live.raw.vintage == "2026-11-20"
    lake = tiles.fetch("water", WINDOW, METRIC_CRS).raw
    assert lake.frame["water_id"].tolist() == ["relation/40"]
    assert len(lake.frame.geometry.iloc[0].interiors) == 1
    assert {one.feature_id for one in lake.remarks} == {"way/29", "relation/41"}
    assert lake.n_read == 3


def test_land_use_stands_for_parcels_as_approximate(server, tmp_path):
    live = store(tmp_path, client(server.endpoint).overpass).fetch("parcels", WINDOW, METRIC_CRS).raw
    assert live.frame[["parcel_id", "land_use"]].to_numpy().tolist() == [["way/33", "warehouse"]]
    assert live.certainty == "approximate"
    assert "no cadastral parcels" in live.note.en


def test_nothing_there_is_an_answer(server, tmp_path):
    asked = client(server.endpoint)
    live = store(tmp_path, asked.overpass).fetch("hazards", WINDOW, METRIC_CRS)
    assert (live.raw.n_read, len(live.raw.frame), asked.waits) == (0, 0, [])
    assert "hazard_class" in live.raw.frame.columns


def test_every_layer_is_asked_for_by_its_mapping():
    for name, tags in known_layers().items():
        asked = tags.asked()
        for feature in tags.features:
            key, values = feature.tags[0]
            assert asked[key] is True or values <= set(asked[key]), name


# ---------------------------------------------------------------- manners


def test_server_is_asked_politely_and_the_process_left_as_it_was(server):
    from osmnx import settings

    before = {name: value for name, value in vars(settings).items() if not name.startswith("_")}
    resolver = socket.getaddrinfo
    client(server.endpoint + "/interpreter/").overpass.ask(WINDOW, ASK)
    assert {name: vars(settings)[name] for name in before} == before
    assert socket.getaddrinfo is resolver
    (query,), (status,) = server.log("query"), server.log("status")
    assert query["agent"] == status["agent"] == query["referer"] == "suanzhi/test"
    assert query["query"].startswith("[out:json][timeout:180];((node['power'='substation'](poly:'34.")


def test_server_without_a_free_place_is_waited_for(server):
    server.plan(status="Rate limit: 2\nSlot available after: 2026-11-20T08:00:12Z, in 12 seconds.\n")
    asked = client(server.endpoint)
    asked.overpass.ask(WINDOW, ASK)
    assert asked.waits == [12.0]
    with pytest.raises(LayerUnavailableError, match="no place for us for 12 s"):
        client(server.endpoint, longest_wait_s=5.0).overpass.ask(WINDOW, ASK)


@pytest.mark.parametrize(("status", "seconds"), [
    ("Rate limit: 2\n2 slots available now.", 0.0), ("Rate limit: 0\nSlot available after: x, in 9 seconds.", 0.0),
    ("Slot available after: a, in 30 seconds.\nSlot available after: b, in 7 seconds.", 7.0),
    ("Slot available after: a, in -1 seconds.", 1.0), ("<html>in 5 seconds</html>", 0.0), ("", 0.0)])
def test_slot_wait(status, seconds):
    assert slot_wait_s(status) == seconds


def test_busy_server_is_asked_again_later_by_its_own_word(server):
    server.plan({"status": 429, "headers": {"Retry-After": "7"}}, {"status": 504}, {"status": 503})
    asked = client(server.endpoint)
    assert len(asked.overpass.ask(WINDOW, ASK).elements) == 7
    assert asked.waits == [7.0, 10.0, 20.0]


def test_busy_server_is_given_up_after_so_many_attempts(server):
    server.plan(*[{"status": 429}] * 9)
    asked = client(server.endpoint, n_attempts=3)
    with pytest.raises(LayerUnavailableError, match=r"after 3 attempts: it is busy \(HTTP 429\); .*--endp") as caught:
        asked.overpass.ask(WINDOW, ASK)
    assert (asked.waits, len(server.log("query"))) == ([5.0, 10.0], 3)
    assert "服务器繁忙（HTTP 429）" in caught.value.message("zh")
    assert caught.value.exit_code == 3


@pytest.mark.parametrize("wish", ["301", "Fri, 31 Dec 2100 23:59:59 GMT"])
def test_server_that_wants_more_patience_than_allowed_is_given_up_at_once(server, wish):
    server.plan({"status": 429, "headers": {"Retry-After": wish}})
    asked = client(server.endpoint)
    with pytest.raises(LayerUnavailableError, match="busy"):
        asked.overpass.ask(WINDOW, ASK)
    assert asked.waits == []


@pytest.mark.parametrize("deed", [{"cut": True}, {"break": True}, {"more": {"remark": "runtime error: open64: busy"}},
                                  {"sleep_s": 1.5}, {"status": 502}])
def test_answer_that_is_not_whole_is_asked_for_again(server, deed):
    server.plan(deed)
    asked = client(server.endpoint, timeout_s=1.0)
    assert len(asked.overpass.ask(WINDOW, ASK).elements) == 7
    assert asked.waits == [5.0]


@pytest.mark.parametrize(("deed", "sentence"), [
    ({"html": True}, r"sends text/html, not JSON \(a login page or a proxy\?\); check the network"),
    ({"status": 400}, r"refuses with HTTP 400 \(no data\)"),
    ({"status": 302, "headers": {"Location": "http://me:secret@127.0.0.1:1/x"}}, r"on to http://127.0.0.1:1/x; if you"),
    ({"garbage": [1]}, "no elements"), ({"garbage": {"elements": 3}}, "no elements")])
def test_answer_of_the_wrong_kind_is_not_asked_for_again(server, deed, sentence):
    server.plan(deed)
    asked = client(server.endpoint)
    with pytest.raises(LayerUnavailableError, match=sentence):
        asked.overpass.ask(WINDOW, ASK)
    assert (asked.waits, len(server.log("query"))) == ([], 1)


@pytest.mark.parametrize(("deed", "sentence"), [
    ({"drip_s": 3}, r"no whole answer within 1 s \(--timeout\)"), ({"cut": True}, "JSON is cut short"),
    ({"break": True}, "the transfer broke off"), ({"more": {"remark": "runtime error: <b>x</b>"}}, "runtime error: x")])
def test_each_failure_has_its_sentence(server, deed, sentence):
    server.plan(deed)
    with pytest.raises(LayerUnavailableError, match=sentence):
        client(server.endpoint, timeout_s=1.0, n_attempts=1).overpass.ask(WINDOW, ASK)


def test_server_that_is_not_there_is_not_waited_for(monkeypatch):
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with socket.socket() as place:
        place.bind(("127.0.0.1", 0))
        asked = client(f"http://user:secret@127.0.0.1:{place.getsockname()[1]}/api")
        with pytest.raises(LayerUnavailableError, match=r"cannot be reached.*check the network.*\.osm\.pbf") as caught:
            asked.overpass.ask(WINDOW, ASK)
    assert asked.waits == []
    assert "secret" not in str(caught.value)


def test_server_that_goes_away_in_the_middle_is_waited_for(extract, monkeypatch):
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with serving(extract) as server:
        asked = client(server.endpoint, n_attempts=3)
        asked.overpass.ask(WINDOW, ASK)
    with pytest.raises(LayerUnavailableError, match=r"after 3 attempts: it cannot be reached"):
        asked.overpass.ask(WINDOW, ASK)
    assert asked.waits == [5.0, 10.0]


def test_host_that_is_no_host_is_one_sentence():
    for host in ("exa mple", "a" * 300, "nowhere.invalid"):
        with pytest.raises(LayerUnavailableError, match="cannot be reached"):
            client(f"http://{host}/api").overpass.ask(WINDOW, ASK)


@pytest.mark.parametrize("wrong", [
    {"endpoint": "file:///etc/passwd"}, {"endpoint": "http://[::1"}, {"endpoint": "overpass"}, {"n_attempts": 0},
    {"timeout_s": 0.0}, {"timeout_s": float("nan")}, {"first_wait_s": -1.0}, {"longest_wait_s": float("inf")}])
def test_manners_that_make_no_sense_are_refused(wrong):
    with pytest.raises(UsageError):
        Manners(**wrong)


def test_shown_address_has_no_password():
    assert shown("https://me:pass@server.cn/api") == "https://server.cn/api"
    assert shown("https://server.cn/a@b") == "https://server.cn/a@b"


# ---------------------------------------------------------------- tiles


def test_tiles_cover_the_window_without_gaps():
    boxes = boxes_of(WINDOW, 4.0)
    assert len(boxes) == 12
    assert shapely.union_all([shapely.box(*box) for box in boxes]).equals(shapely.box(*WINDOW))
    assert sum(shapely.box(*box).area for box in boxes) == pytest.approx(shapely.box(*WINDOW).area)
    assert boxes_of(WINDOW, 500.0) == [WINDOW]


def test_interrupted_fetch_goes_on_and_finished_tiles_are_not_asked_again(server, extract, tmp_path):
    tiles = store(tmp_path, client(server.endpoint).overpass, tile_km=8)
    server.plan({}, {}, {"status": 400})
    with pytest.raises(LayerUnavailableError, match=r"layer 'roads', tile 3 of 4: .* the same command goes on"):
        tiles.fetch("roads", WINDOW, METRIC_CRS)
    server.plan()
    assert_same(tiles.fetch("roads", WINDOW, METRIC_CRS).raw, from_file("roads", extract))
    assert len(server.log("query")) == 2
    tiles.fetch("roads", WINDOW, METRIC_CRS)
    assert len(server.log("query")) == 2
    next(tmp_path.glob("*.osm.pbf")).write_bytes(b"half a fi")
    assert_same(tiles.fetch("roads", WINDOW, METRIC_CRS).raw, from_file("roads", extract))
    assert len(server.log("query")) == 3
    tiles.forget("roads", WINDOW)
    tiles.fetch("roads", WINDOW, METRIC_CRS)
    assert len(server.log("query")) == 7
    assert [path.name for path in tmp_path.iterdir() if path.suffix not in (".json", ".pbf")] == []


def test_tile_that_is_too_much_is_parted(server, extract, tmp_path):
    remark = {"more": {"remark": 'runtime error: Query timed out in "query" at line 1 after 2 seconds.'}}
    asked = client(server.endpoint)
    tiles = store(tmp_path, asked.overpass)
    server.plan(remark, {}, remark)
    live = tiles.fetch("roads", WINDOW, METRIC_CRS)
    assert (len(live.tiles), asked.waits) == (7, [])
    assert_same(live.raw, from_file("roads", extract))
    server.plan()
    assert len(tiles.fetch("roads", WINDOW, METRIC_CRS).tiles) == 7
    assert server.log("query") == []
    tiles.forget("roads", WINDOW)
    assert len(tiles.fetch("roads", WINDOW, METRIC_CRS).tiles) == 1


class Fake(Overpass):
    """Answers without a network."""

    def __init__(self, *answers: Answer) -> None:
        super().__init__(Manners(endpoint="https://osm.example/api"))
        self.answers = list(answers)

    def ask(self, box: Any, tags: Any) -> Answer:
        if not self.answers:
            raise TooBigError("too big")
        return self.answers.pop(0)


def node(number: Any = 7, name: str = "x", lon: float = 113.6, **more: Any) -> dict[str, Any]:
    tags = {"power": "substation", "name": name}
    return {"type": "node", "id": number, "lon": lon, "lat": 34.75, "tags": tags, **more}


@pytest.mark.parametrize("is_first_newer", [True, False])
def test_object_of_two_tiles_is_one_row_of_its_newest_state(tmp_path, is_first_newer):
    old, new = Answer([node(name="old")], "2026-11-18T00:00:00Z"), Answer([node(name="new")], "2026-11-20T00:00:00Z")
    fake = Fake(*((new, old) if is_first_newer else (old, new)))
    live = store(tmp_path, fake, tile_km=12).fetch("substations", WINDOW, METRIC_CRS)
    assert live.raw.frame[["substation_id", "name"]].to_numpy().tolist() == [["node/7", "new"]]
    assert live.raw.vintage == "2026-11-18/2026-11-20"


def test_tile_that_stays_too_much_is_said(tmp_path):
    with pytest.raises(LayerUnavailableError, match=r"even a small tile \(too big\); raise --timeout"):
        store(tmp_path, Fake()).fetch("roads", WINDOW, METRIC_CRS)


@pytest.mark.parametrize("element", [
    "text", {"type": "node"}, {"type": "area", "id": 1}, node("1; DROP"), node(lon=999.0), node(lon=float("nan")),
    node(tags="no"), node(tags={"power": 3}), node(10 ** 30), {"type": "way", "id": 1, "nodes": ["a"]},
    {"type": "relation", "id": 1, "members": [{"type": "x", "ref": 1, "role": ""}]}])
def test_objects_that_are_none_are_refused(tmp_path, element):
    with pytest.raises(LayerUnavailableError, match="objects that cannot be read"):
        store(tmp_path, Fake(Answer([element], ""))).fetch("substations", WINDOW, METRIC_CRS)
    assert list(tmp_path.glob("*.json")) == []


def test_tile_that_cannot_be_written_is_said(tmp_path):
    (tmp_path / "tiles").write_text("a file is in the way")
    with pytest.raises(ExportError, match=r"cannot write .*tiles.*another folder"):
        store(tmp_path / "tiles", Fake(Answer([node()], ""))).fetch("substations", WINDOW, METRIC_CRS)


# ---------------------------------------------------------------- the store


@pytest.fixture(scope="module")
def fetched(running: Server, tmp_path_factory: pytest.TempPathFactory) -> dict[str, LiveLayer]:
    running.plan()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("NO_PROXY", "127.0.0.1")
        tiles = store(tmp_path_factory.mktemp("tiles"), client(running.endpoint).overpass)
        return {name: tiles.fetch(name, WINDOW, METRIC_CRS) for name in ("substations", "water", "parcels", "hazards")}


def stored(folder: Path, name: str, **more: Any) -> RawVector:
    return osm_store.read(LayerSpec(name=name, source="osm_store", path=str(folder / f"{name}.gpkg"), **more),
                          LoadContext(metric_crs=METRIC_CRS, frames={}))


def test_store_gives_back_rows_account_and_terms(fetched, tmp_path):
    for name, live in fetched.items():
        write_layer(tmp_path, name, live)
        back, raw = stored(tmp_path, name), live.raw
        assert back.frame.iloc[:, 0].tolist() == raw.frame.iloc[:, 0].tolist()
        assert back.frame.geometry.to_wkb().tolist() == raw.frame.geometry.to_wkb().tolist()
        assert (back.n_read, back.remarks, back.datum, back.licence, back.attribution, back.vintage, back.certainty,
                back.note) == (raw.n_read, raw.remarks, "wgs84", "ODbL 1.0", "© OpenStreetMap contributors",
                               "2026-11-20", raw.certainty, raw.note)
        assert "fetched on 2026-11-21 from http://127.0.0.1" in back.reading_notes[-1].en
        assert [Path(file).name for file in back.files] == [f"{name}.gpkg", f"{name}.provenance.json"]
    assert [(s.name, s.n_rows, s.n_rejected) for s in stored_layers(tmp_path)] == [
        ("parcels", 1, 0), ("substations", 3, 0), ("water", 1, 2), ("hazards", 0, 0)]
    assert stored(tmp_path, "substations", where="voltage_kv = 'high'").frame["substation_id"].tolist() == ["node/9"]


def test_store_is_the_same_bytes_for_the_same_answers(fetched, tmp_path):
    for folder in ("a", "b"):
        write_layer(tmp_path / folder, "water", fetched["water"])
    for name in ("water.gpkg", "water.provenance.json"):
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()


def test_run_reads_the_store_as_it_reads_the_extract(fetched, extract, tmp_path, districts):
    write_layer(tmp_path, "substations", fetched["substations"])
    write_layer(tmp_path, "water", fetched["water"])
    cities = [load_layers([districts, *(LayerSpec(name=name, source=source, path=str(path)) for name, path in paths)],
                          metric_crs=METRIC_CRS)
              for source, paths in (("osm_store", [(n, tmp_path / f"{n}.gpkg") for n in ("substations", "water")]),
                                    ("osm_file", [(n, extract) for n in ("substations", "water")]))]
    for name in ("substations", "water"):
        ours, theirs = (city.frame(name) for city in cities)
        pd.testing.assert_frame_equal(ours.drop(columns="geometry"), theirs.drop(columns="geometry"))
        assert np.array_equal(ours.geometry.to_wkb(), theirs.geometry.to_wkb())
        ledgers = [next(p.ledger for p in city.provenance if p.layer == name) for city in cities]
        assert ledgers[0] == ledgers[1]
    frame = cities[0].frame("substations").set_index("substation_id")
    assert frame.loc["node/10", ["voltage_kv", "transformer_capacity_mva"]].tolist() == [35.0, 100.0]
    assert frame.loc["node/10", "name"] == "'); DROP TABLE x; -- <b>&{0}"


def test_store_that_was_tampered_with_is_refused(fetched, tmp_path):
    write_layer(tmp_path, "water", fetched["water"])
    package, sidecar = tmp_path / "water.gpkg", tmp_path / "water.provenance.json"
    good = sidecar.read_text(encoding="utf-8")
    with package.open("ab") as file:
        file.write(b"\0")
    with pytest.raises(LayerError, match=r"was changed after it was fetched.*suanzhi fetch"):
        stored(tmp_path, "water")
    write_layer(tmp_path, "water", fetched["water"])
    for bad in ("", "[]", "{", good.replace('"water"', '"roads"'), good.replace('"remarks": [', '"remarks": [3, '),
                good.replace('"certainty": null', '"certainty": "sure"'), good.replace('"ODbL 1.0"', "3")):
        assert bad != good
        sidecar.write_text(bad, encoding="utf-8")
        with pytest.raises(LayerError, match=r"cannot be read as provenance.*fetch the layer again"):
            stored(tmp_path, "water")
    sidecar.unlink()
    with pytest.raises(LayerNotFoundError, match=r"no water\.provenance\.json beside"):
        stored(tmp_path, "water")
