"""The benchmark harness measures our side on a small city and refuses a wrong answer."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

FILE = Path(__file__).resolve().parents[2] / "benchmarks" / "run.py"


@pytest.fixture
def harness(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> ModuleType:
    monkeypatch.setenv("SUANZHI_BENCH_DATA", str(tmp_path))
    monkeypatch.setattr(sys, "path", list(sys.path))
    spec = importlib.util.spec_from_file_location("bench_run", FILE)
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_our_side_answers_as_geopandas_does(harness: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SUANZHI_PEERS_PYTHON", sys.executable)
    monkeypatch.setattr(harness, "RUNS", 1)
    row = harness.compare("small", "ours", "geopandas", 300, 1.0)
    assert "error" not in row and "wrong" not in row
    assert row["ratio"] == pytest.approx(row["ours_s"] / row["peer_s"])


def test_a_missing_peer_is_said(harness: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SUANZHI_PEERS_PYTHON", "/nowhere/python")
    row = harness.compare("small", "topsis_ours", "sedona", 100, 1.0)
    assert "/nowhere/python" in harness.shown(row)


def test_a_wrong_answer_is_found(harness: ModuleType) -> None:
    right = {"fibre": np.array([1.0, 2.0]), "zone": np.array([1, 2])}
    assert harness.mismatch(right, right) == ""
    assert harness.mismatch(right | {"fibre": np.array([1.0, 2.1])}, right) == "fibre differs"
    assert harness.mismatch(right | {"zone": np.array([1, 3])}, right) == "zone differs"
