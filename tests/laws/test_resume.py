"""A run that is killed and resumed writes what a run in one go writes, and never reuses what is stale."""

from __future__ import annotations

import hashlib
import json
import random
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from gis.partitions import partitions_of
from layers.loading import load_layers
from layers.types import CityLayers, LayerSpec
from siting.city_pack import load_pack
from siting.pack import CityPack
from siting.partition_key import run_key
from siting.partition_scores import scoring_job
from siting.study import layer_specs, run_study
from siting.study_file import default_study
from siting.types import Study
from siting.zones import build_units

ROWS = 40
N_PARCELS = 320
PARTS = N_PARCELS // ROWS
TOWN = Path(__file__).resolve().parent / "tiny.toml"

RUN = f"""
import sys
from pathlib import Path
from suanzhi.console import Console
from suanzhi.running import run_and_write
print("ready", flush=True)
console = Console(language="zh", is_quiet=True, shows_traceback=False)
run_and_write(sys.argv[2], Path(sys.argv[1]), {N_PARCELS}, console, is_resumable=True, rows_per_partition={ROWS},
              largest_in_memory=int(sys.argv[3]))
"""


@pytest.fixture
def study(tmp_path: Path) -> Path:
    path = tmp_path / "study.toml"
    path.write_text('name = "resumed"\ncity = "zhengzhou"\nclasses = ["large"]\n[edge]\nn_facilities = 0\n')
    return path


@pytest.fixture
def town_study(tmp_path: Path) -> Path:
    """Write a study of some 400 cells, whose run takes a second or two: it is killed again and again."""
    path = tmp_path / "town.toml"
    path.write_text(f'name = "town"\ncity = "{TOWN.as_posix()}"\ncandidates = "grid"\ngrid_size_m = 500\n')
    return path


@contextmanager
def started(study: Path, out: Path, largest_in_memory: int = 10_000) -> Iterator[subprocess.Popen[str]]:
    """Run until the end of the block at most."""
    command = [sys.executable, "-c", RUN, str(out), str(study), str(largest_in_memory)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            ready = process.stdout.readline()
            assert ready == "ready\n" or process.communicate()[1] == ""
            yield process
        finally:
            process.kill()
            process.communicate()


def run(study: Path, out: Path, largest_in_memory: int = 10_000) -> float:
    """Run to the end; return how long it took, s, from when all was imported."""
    with started(study, out, largest_in_memory) as process:
        began = time.perf_counter()
        _, complaint = process.communicate(timeout=300)
        assert process.returncode == 0, complaint
        return time.perf_counter() - began


def contents(out: Path) -> dict[str, str]:
    """Return the hash of every file; of the manifest without the seconds that steps took."""
    found = {str(path.relative_to(out)): path.read_bytes() for path in sorted(out.rglob("*")) if path.is_file()}
    manifest = json.loads(found["manifest.json"])
    assert manifest.pop("timings_s")
    found["manifest.json"] = json.dumps(manifest).encode()
    return {name: hashlib.sha256(content).hexdigest() for name, content in found.items()}


def kept(out: Path) -> list[Path]:
    return sorted(out.glob(".parts/*/*.part"))


def wait_for(out: Path, n_parts: int, process: subprocess.Popen[str]) -> None:
    """Wait until so many parts are kept; the parts are removed when the run ends."""
    while len(kept(out)) < n_parts and process.poll() is None:
        time.sleep(0.002)


@pytest.mark.slow
def test_killed_at_random_and_resumed(town_study: Path, tmp_path: Path) -> None:
    """Each run goes on from what the one before it left, wherever that one was killed."""
    seconds = run(town_study, tmp_path / "whole")
    lot = random.Random(20261121)
    for _ in range(4):
        with started(town_study, tmp_path / "out"):
            time.sleep(lot.uniform(0.1, 0.8) * seconds)
    run(town_study, tmp_path / "out")
    assert contents(tmp_path / "out") == contents(tmp_path / "whole")


def test_killed_between_parts_and_resumed(study: Path, tmp_path: Path) -> None:
    run(study, tmp_path / "whole")
    out = tmp_path / "out"
    for n_parts in (1, 4):
        with started(study, out) as process:
            wait_for(out, n_parts, process)
        assert n_parts <= len(kept(out)) < PARTS
    before = {path: path.stat().st_mtime_ns for path in kept(out)}
    with started(study, out) as process:
        wait_for(out, PARTS, process)
        after = {path: path.stat().st_mtime_ns for path in before if path.exists()}
        assert after == {path: before[path] for path in after}, "a finished part was scored again"
        _, complaint = process.communicate(timeout=300)
        assert process.returncode == 0, complaint
    assert contents(out) == contents(tmp_path / "whole")
    assert not (out / ".parts").exists()


def test_batch_by_batch_killed_and_resumed(tmp_path: Path) -> None:
    """What is said of every parcel is said in the same bytes, whether they are held whole or read in batches."""
    parcels = load_layers(layer_specs(PACK, STUDY), metric_crs=PACK.metric_crs, n_parcels=N_PARCELS,
                          seed=STUDY.seed).frame("parcels")
    parcels.drop(columns="certainty").to_parquet(tmp_path / "parcels.parquet", row_group_size=70)
    study = tmp_path / "study.toml"
    study.write_text('name = "large"\ncity = "zhengzhou"\nclasses = ["large"]\n[edge]\nn_facilities = 0\n'
                     '[layers.parcels]\npath = "parcels.parquet"\n')
    run(study, tmp_path / "whole")
    run(study, tmp_path / "batches", largest_in_memory=100)
    with started(study, tmp_path / "killed", largest_in_memory=100) as process:
        wait_for(tmp_path / "killed", 1, process)
    assert 1 <= len(kept(tmp_path / "killed")) <= 2
    run(study, tmp_path / "killed", largest_in_memory=100)
    whole, batches, killed = (contents(tmp_path / name) for name in ("whole", "batches", "killed"))
    assert killed == batches
    same = {"parcels.csv", "parcels_zh.csv", "layers/parcels.geojson", "layers/parcels_zh.geojson",
            "top_candidates.csv", "layers/top_candidates.geojson", "ledger.csv"}
    assert {name: batches[name] for name in same} == {name: whole[name] for name in same}


PACK = load_pack("zhengzhou")
STUDY = replace(default_study("zhengzhou"), classes=("large",), n_facilities=0)


@pytest.fixture(scope="module")
def layers() -> CityLayers:
    return load_layers(layer_specs(PACK, STUDY), metric_crs=PACK.metric_crs, n_parcels=80, seed=STUDY.seed)


def key_for(layers: CityLayers, pack: CityPack, study: Study, rows: int = ROWS) -> str:
    job = scoring_job(layers, build_units(layers, pack), pack, study, ("large",))
    partitions = partitions_of(np.asarray(layers.frame("parcels").geometry.array), rows)
    return run_key(job, layers, partitions)


def test_key_is_the_same_only_for_the_same_run(layers: CityLayers, monkeypatch: pytest.MonkeyPatch) -> None:
    own = layers.provenance[0]
    other_file = replace(layers, provenance=(replace(own, sha256="0" * 64), *layers.provenance[1:]))
    weights = (("large", "power_distance_m", 0.75), ("large", "policy_fit", 0.25))
    criterion = PACK.criteria[0]
    other_pack = replace(PACK, criteria=(replace(criterion, best=criterion.best + 1.0), *PACK.criteria[1:]))
    keys = [key_for(layers, PACK, STUDY), key_for(other_file, PACK, STUDY), key_for(layers, other_pack, STUDY),
            key_for(layers, replace(PACK, sha256="1"), STUDY), key_for(layers, PACK, replace(STUDY, weights=weights)),
            key_for(layers, PACK, replace(STUDY, seed=1)), key_for(layers, PACK, STUDY, rows=30),
            key_for(layers, PACK, replace(STUDY, mitigations=(("GB-A-motorway", "x"),)))]
    monkeypatch.setattr("siting.partition_key._version", lambda package: "99")
    keys.append(key_for(layers, PACK, STUDY))
    monkeypatch.setattr("siting.partition_key._code_hash", lambda: "other code")
    keys.append(key_for(layers, PACK, STUDY))
    assert len(set(keys)) == len(keys)
    monkeypatch.undo()
    again = load_layers(layer_specs(PACK, STUDY), metric_crs=PACK.metric_crs, n_parcels=80, seed=STUDY.seed)
    assert key_for(again, PACK, STUDY) == keys[0]


def test_a_changed_file_is_scored_anew(layers: CityLayers, tmp_path: Path) -> None:
    """The parts of a run are poisoned; a run that reused one would show it."""
    path = tmp_path / "stations.geojson"
    specs = [spec for spec in layer_specs(PACK, STUDY) if spec.name != "substations"]
    own = LayerSpec(name="substations", source="vector_file", path=str(path), datum="wgs84")
    parts = tmp_path / "parts"

    def run(lon: float, *, keeps: bool) -> np.ndarray:
        path.write_text(json.dumps({"type": "FeatureCollection", "features": [{
            "type": "Feature", "properties": {"substation_id": "s", "voltage_kv": 220.0},
            "geometry": {"type": "Point", "coordinates": [lon, 34.75]}}]}))
        loaded = load_layers([*specs, own], metric_crs=PACK.metric_crs, n_parcels=80, seed=STUDY.seed)
        result = run_study(loaded, PACK, STUDY, parts_folder=parts if keeps else None, rows_per_partition=ROWS)
        return result.scores[0].raw

    first = run(113.60, keeps=True)
    assert len(list(parts.glob("*/*.part"))) == 2
    moved = run(113.70, keeps=True)
    assert moved.tobytes() == run(113.70, keeps=False).tobytes()
    assert moved.tobytes() != first.tobytes()
    assert len(list(parts.glob("*"))) == 1
