"""A finished study served through the command."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import geopandas as gpd
import pytest
from typer.testing import CliRunner

from suanzhi.cli import app


@contextlib.contextmanager
def served(out: Path, *arguments: str) -> Iterator[str]:
    """Serve a study on a free port; yield its address."""
    process = subprocess.Popen([sys.executable, "-m", "suanzhi", "serve", str(out), "--port", "0", *arguments],
                               stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                               env={**os.environ, "PYTHONWARNINGS": "default"})
    try:
        assert process.stdout is not None
        address = process.stdout.readline().strip()
        assert address.startswith("http://127.0.0.1:"), process.communicate(timeout=20)
        yield address
    finally:
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=30)
    assert errors == "", errors


def get(url: str, **headers: str) -> tuple[Any, bytes]:
    with urllib.request.urlopen(urllib.request.Request(url, headers=headers), timeout=30) as answer:
        return answer.headers, answer.read()


@pytest.fixture(scope="module")
def study(finished: Path) -> Path:
    return finished


def test_collections_map_and_filters(study: Path) -> None:
    with served(study) as address:
        names = [c["id"] for c in json.loads(get(f"{address}collections")[1])["collections"]]
        wanted = gpd.read_file(study / "layers" / "parcels.geojson")
        assert {"parcels", "zones", "edge_centres", "units"} <= set(names)
        page = json.loads(get(f"{address}collections/parcels/items?limit=1000")[1])
        assert [f["id"] for f in page["features"]] == wanted["id"].tolist()
        some = json.loads(get(f"{address}collections/parcels/items?filter=large_score%20%3E%200.5&limit=1000")[1])
        assert some["numberMatched"] == int((wanted["large_score"] > 0.5).sum())
        assert get(address, Accept="text/html")[1] == (study / "map.html").read_bytes()
        assert "郑州" in json.loads(get(address)[1])["title"]
        crs = json.loads(get(f"{address}collections/parcels")[1])["crs"]
        assert [uri.rpartition("/")[2] for uri in crs] == ["CRS84", "4326", "4490", "4547", "4526"]


def test_second_start_uses_the_same_store(study: Path) -> None:
    with served(study) as address:
        assert get(f"{address}conformance")[1]
    stores = {p.name: p.stat().st_mtime_ns for p in (study / ".serve").iterdir()}
    # Other tests may have served the same study in English.
    assert len([name for name in stores if "-zh-" in name]) == 1
    with served(study) as address:
        assert get(f"{address}conformance")[1]
    assert {p.name: p.stat().st_mtime_ns for p in (study / ".serve").iterdir()} == stores


def test_tags_tell_studies_apart(study: Path, tmp_path: Path) -> None:
    with served(study) as address:
        one = get(f"{address}collections/zones/items")[0]["ETag"]
    shutil.copytree(study, tmp_path / "other")
    manifest = json.loads((study / "manifest.json").read_text(encoding="utf-8"))
    manifest["study"]["seed"] += 1
    (tmp_path / "other" / "manifest.json").write_text(json.dumps(manifest), encoding="utf-8")
    with served(tmp_path / "other") as address:
        assert get(f"{address}collections/zones/items")[0]["ETag"] != one


def test_english(study: Path) -> None:
    with served(study, "--lang", "en") as address:
        found = json.loads(get(f"{address}collections/zones/items")[1])
    assert "Core development zone" in [f["properties"]["zone"] for f in found["features"]]


def test_taken_port_is_one_sentence(study: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        found = CliRunner().invoke(app, ["serve", str(study), "--port", str(taken.getsockname()[1]), "--lang", "en"])
    assert found.exit_code == 2
    assert "choose another --port" in found.stderr
    assert len(found.stderr.splitlines()) == 1


@pytest.mark.parametrize(("arguments", "code"), [(["--port", "70000"], 2), (["--host", "256.1.1.1"], 2)])
def test_wrong_address(study: Path, arguments: list[str], code: int) -> None:
    assert CliRunner().invoke(app, ["serve", str(study), *arguments]).exit_code == code


def test_folder_without_a_study(tmp_path: Path) -> None:
    found = CliRunner().invoke(app, ["serve", str(tmp_path)])
    assert found.exit_code == 3
    assert "请先运行方案" in found.stderr


def test_changed_map_is_not_served(study: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(study, copy)
    (copy / "map.html").write_text("<script>alert(1)</script>")
    assert CliRunner().invoke(app, ["serve", str(copy), "--port", "0"]).exit_code == 3


def test_read_only_study_is_served_all_the_same(study: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(study, copy)
    shutil.rmtree(copy / ".serve", ignore_errors=True)
    # A file in the way of the store's folder keeps even the super-user from writing there.
    (copy / ".serve").write_text("")
    before = hashlib.sha256((copy / "manifest.json").read_bytes()).hexdigest()
    with served(copy) as address:
        assert json.loads(get(f"{address}collections/zones/items")[1])["numberMatched"] == 3
        with pytest.raises(urllib.error.HTTPError):
            get(f"{address}../manifest.json")
    assert hashlib.sha256((copy / "manifest.json").read_bytes()).hexdigest() == before
