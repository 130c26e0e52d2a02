"""``suanzhi fetch``: a store that a later run uses without any network, with its terms in every output."""

from __future__ import annotations

import base64
import contextlib
import csv
import gzip
import json
import re
import shutil
import socket
import subprocess
import sys
import tomllib
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result
from typer.testing import CliRunner

pytest.importorskip("osmium", reason="the extra [osm] is not installed")

from gis.errors import UsageError
from siting.study_file import read_study
from suanzhi.cli import app
from suanzhi.fetching import layers_of

PROGRAM = Path(__file__).resolve().parents[1] / "layers" / "overpass_server.py"
ODBL, NAME = "ODbL 1.0", "© OpenStreetMap contributors"
LAYERS = "parcels,substations,roads,hazards"


def city_xml() -> str:
    """Return some land, streets and two substations in the city proper; one pond is an open line."""
    nodes, ways = [], []

    def way(points: list[tuple[float, float]], is_closed: bool, **tags: str) -> None:
        first = len(nodes) + 1
        nodes.extend(points)
        refs = [*range(first, first + len(points)), *([first] if is_closed else [])]
        ways.append("".join(f'<nd ref="{ref}"/>' for ref in refs)
                    + "".join(f'<tag k="{key}" v="{value}"/>' for key, value in tags.items()))

    def square(lon: float, lat: float, side: float) -> list[tuple[float, float]]:
        return [(lon, lat), (lon + side, lat), (lon + side, lat + side), (lon, lat + side)]

    for i in range(5):
        for j in range(4):
            way(square(113.56 + 0.02 * i, 34.76 + 0.02 * j, 0.006), True, landuse="industrial", name=f"园区{i}{j}")
        way([(113.558 + 0.02 * i, 34.74), (113.558 + 0.02 * i, 34.86)], False, highway="primary")
    for j in range(4):
        way([(113.54, 34.758 + 0.02 * j), (113.70, 34.758 + 0.02 * j)], False, highway="secondary")
    for i, volts in enumerate(("220000;110000", "110000")):
        way(square(113.575 + 0.04 * i, 34.79, 0.001), True, power="substation", voltage=volts, name=f"变电站{i}")
    way([(113.6, 34.8), (113.61, 34.81)], False, landuse="industrial")
    points = "".join(f'<node id="{i}" lon="{x:.7f}" lat="{y:.7f}"/>' for i, (x, y) in enumerate(nodes, 1))
    return ('<osm version="0.6">' + points
            + "".join(f'<way id="{i}">{inner}</way>' for i, inner in enumerate(ways, 1)) + "</osm>")


@pytest.fixture(scope="module")
def endpoint(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    extract = tmp_path_factory.mktemp("osm") / "city.osm"
    extract.write_text(city_xml(), encoding="utf-8")
    with subprocess.Popen([sys.executable, str(PROGRAM), str(extract)], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                          text=True) as process:
        assert process.stdout is not None
        yield f"http://127.0.0.1:{int(process.stdout.readline())}/api"
        process.communicate()


def call(endpoint: str, path: str, content: Any = None) -> Any:
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    body = None if content is None else json.dumps(content).encode()
    with opener.open(endpoint.removesuffix("/api") + path, body, timeout=10) as answer:
        return json.load(answer)


def n_queries(endpoint: str) -> int:
    return sum(entry["what"] == "query" for entry in call(endpoint, "/log"))


def suanzhi(*arguments: str, cwd: Path, **env: str) -> Result:
    """Call the command in this process, which has loaded everything once."""
    with contextlib.chdir(cwd):
        return CliRunner(env={"NO_PROXY": "127.0.0.1", **env}).invoke(app, arguments)


@pytest.fixture(scope="module")
def home(endpoint: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with a store that was fetched in two goes, the first of which failed."""
    folder = tmp_path_factory.mktemp("home")
    arguments = ("fetch", "zhengzhou", "--from", "osm", "--layers", LAYERS, "--tile-km", "150", "--lang", "en")
    call(endpoint, "/plan", {"next": [{}, {}, {}, {"status": 429}, {"status": 429}]})
    failed = suanzhi(*arguments, "--attempts", "2", "--wait", "0", cwd=folder, SUANZHI_OVERPASS=endpoint)
    assert failed.exit_code == 3
    assert "Traceback" not in failed.stderr
    assert "the same command goes on from here" in failed.stderr
    call(endpoint, "/plan", {})
    found = suanzhi(*arguments, cwd=folder, SUANZHI_OVERPASS=endpoint)
    assert (found.exit_code, found.stdout.strip()) == (0, str(Path("store/zhengzhou/study.toml"))), found.stderr
    assert "parcels (Parcels): 20 features (1 rejected, data of 2026-11-20)" in found.stderr
    assert "hazards (Hazards): nothing there" in found.stderr
    return folder


def test_interrupted_fetch_went_on_and_a_finished_one_asks_nothing(home, endpoint):
    # 4 layers of 2 tiles each, 3 of which were there already.
    before = n_queries(endpoint)
    study = (home / "store/zhengzhou/study.toml").read_bytes()
    package = (home / "store/zhengzhou/osm/parcels.gpkg").read_bytes()
    again = suanzhi("fetch", "zhengzhou", "--layers", LAYERS, "--tile-km", "150", "--endpoint", endpoint, "--lang",
                    "en", cwd=home)
    assert again.exit_code == 0, again.stderr
    assert (before, n_queries(endpoint)) == (5, 5)
    assert (home / "store/zhengzhou/study.toml").read_bytes() == study
    assert (home / "store/zhengzhou/osm/parcels.gpkg").read_bytes() == package


def test_study_names_the_layers_that_hold_something(home):
    path = home / "store/zhengzhou/study.toml"
    study = read_study(path)
    assert (study.name, study.city) == ("zhengzhou_osm", "zhengzhou")
    assert [(spec.name, spec.source) for spec in study.layer_specs] == [
        ("parcels", "osm_store"), ("substations", "osm_store"), ("roads", "osm_store")]
    assert "# [layers.hazards]" in path.read_text(encoding="utf-8")


def test_study_that_was_changed_by_hand_is_kept(home, endpoint, tmp_path):
    store = tmp_path / "store"
    shutil.copytree(home / "store/zhengzhou", store)
    with (store / "study.toml").open("a", encoding="utf-8") as file:
        file.write("n_top = 5\n")
    mine = (store / "study.toml").read_bytes()
    found = suanzhi("fetch", "zhengzhou", "--layers", "roads", "--tile-km", "150", "--out", str(store), "--lang", "en",
                    cwd=tmp_path, SUANZHI_OVERPASS=endpoint)
    assert found.exit_code == 0, found.stderr
    assert "was changed and is kept" in found.stderr
    assert found.stdout.strip().endswith("study.fetched.toml")
    assert (store / "study.toml").read_bytes() == mine
    assert set(tomllib.loads((store / "study.fetched.toml").read_text(encoding="utf-8"))["layers"]) == {
        "parcels", "substations", "roads"}


def test_refresh_asks_again_and_leaves_the_other_layers(home, endpoint, tmp_path):
    store = tmp_path / "store"
    shutil.copytree(home / "store/zhengzhou", store)
    call(endpoint, "/plan", {})
    found = suanzhi("fetch", "zhengzhou", "--layers", "roads", "--tile-km", "150", "--refresh", "--out", str(store),
                    "--quiet", cwd=tmp_path, SUANZHI_OVERPASS=endpoint)
    assert (found.exit_code, found.stderr) == (0, "")
    assert n_queries(endpoint) == 2
    assert len(read_study(store / "study.toml").layer_specs) == 3


def test_run_works_offline_and_carries_the_terms_into_the_outputs(home, monkeypatch):
    from suanzhi.console import Console
    from suanzhi.running import run_and_write

    def refuse(*_: object, **__: object) -> None:
        raise OSError("no network")

    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    monkeypatch.setattr(socket.socket, "connect", refuse)
    out = home / "out"
    run_and_write(str(home / "store/zhengzhou/study.toml"), out, None, Console("en", True, True))
    manifest = json.loads((out / "manifest.json").read_text(encoding="utf-8"))
    layers = {entry["layer"]: entry for entry in manifest["inputs"] if entry["source"] == "osm_store"}
    assert set(layers) == {"parcels", "substations", "roads"}
    for entry in layers.values():
        assert (entry["licence"], entry["attribution"], entry["vintage"]) == (ODBL, NAME, "2026-11-20")
    assert (layers["parcels"]["certainty"], layers["roads"]["certainty"]) == ("approximate", "real")
    ledger = layers["parcels"]["ledger"]
    assert (ledger["read"], ledger["rejected"]) == (21, 1)
    assert NAME in (out / "report.html").read_text(encoding="utf-8")
    blobs = re.findall(r"H4sI[A-Za-z0-9+/=]+", (out / "map.html").read_text(encoding="utf-8"))
    assert any(NAME in gzip.decompress(base64.b64decode(blob)).decode("utf-8", "replace") for blob in blobs)
    terms, = json.loads((out / "layers/substations.geojson").read_text(encoding="utf-8"))["provenance"]
    assert (terms["licence"], terms["attribution"], terms["certainty"]) == (ODBL, NAME, "real")
    with (out / "ledger.csv").open(encoding="utf-8-sig", newline="") as file:
        assert any("way/32" in row for row in csv.reader(file))


@pytest.mark.parametrize(("arguments", "code", "sentence"), [
    (["zhengzhou", "--from", "google"], 2, "--from osm"),
    (["zhengzhou", "--layers", "roads,districts"], 2, "'districts' is not taken from OpenStreetMap; choose from: "),
    (["atlantis"], 4, "known: "),
    (["zhengzhou", "--endpoint", "ftp://x"], 2, "no address of an Overpass API"),
    (["zhengzhou", "--margin-km", "-3"], 2, "--margin-km"),
    (["zhengzhou", "--endpoint", "http://127.0.0.1:9/api"], 3, "cannot be reached")])
def test_wrong_call_is_one_sentence_and_its_code(tmp_path, arguments, code, sentence):
    found = suanzhi("fetch", *arguments, "--lang", "en", cwd=tmp_path)
    assert found.exit_code == code, found.stderr
    assert sentence in found.stderr
    assert "Traceback" not in found.stderr
    assert list(tmp_path.rglob("*.toml")) == []


def test_layers_come_once_in_the_order_of_reading():
    assert layers_of(" roads, substations ,roads") == ("substations", "roads")
    assert "parcels" in layers_of("")
    assert "districts" not in layers_of("")
    with pytest.raises(UsageError, match="choose from"):
        layers_of("road")
