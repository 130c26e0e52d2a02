"""Our answers against the textbook models, written out apart from ours and given to HiGHS whole."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from siting.location import SideConditions, max_covering, p_median

FILE = Path(__file__).resolve().parents[2] / "benchmarks" / "location.py"


@pytest.fixture(scope="module")
def textbook() -> ModuleType:
    path = list(sys.path)
    spec = importlib.util.spec_from_file_location("bench_location", FILE)
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    sys.path[:] = path
    return module


@pytest.mark.parametrize("problem", ["max_covering", "p_median", "ruled_covering"])
def test_exact_answers_agree(textbook: ModuleType, problem: str) -> None:
    asked = textbook.question(60, 300)
    ruled = SideConditions(min_spacing=textbook.SPACING_M, site_positions=asked["sites_at"], zone_of_site=asked["zone"],
                           zone_min=asked["zone_min"], zone_max=asked["zone_max"])
    if problem == "p_median":
        found = p_median(asked["cost"], asked["demand"], n_facilities=20, method="exact")
    else:
        found = max_covering(asked["cost"], asked["demand"], n_facilities=20, service_radius=textbook.RADIUS_M,
                             method="exact", conditions=ruled if problem == "ruled_covering" else SideConditions())
    expected = textbook.highs(asked, problem, 0.0, 60.0)
    assert expected["status"] == "Optimal"
    assert found.objective_value == pytest.approx(expected["value"], rel=1e-9)
    assert found.bound == pytest.approx(expected["bound"], rel=1e-6)


def test_the_benchmark_refuses_an_answer_that_beats_a_bound(textbook: ModuleType) -> None:
    mine = {"value": 100.0, "bound": 101.0, "gap": 0.01}
    assert textbook._disagreement("max_covering", mine, {"value": 100.5, "bound": 100.5}) == {}
    assert "beats our bound" in textbook._disagreement("max_covering", mine, {"value": 102.0, "bound": None})["wrong"]
    assert "beats the peer's" in textbook._disagreement("max_covering", mine, {"value": 99.0, "bound": 99.5})["wrong"]
    assert "over 0.015" in textbook._disagreement("max_covering", mine | {"gap": 0.02},
                                                  {"value": None, "bound": None})["wrong"]


def test_choices_are_valued_by_their_meaning(textbook: ModuleType) -> None:
    asked = {"cost": np.array([[1.0, 9e9], [9e9, 2.0]]), "demand": np.array([3.0, 4.0])}
    assert textbook.value_of(asked, "max_covering", [0]) == 3.0
    assert textbook.value_of(asked, "p_median", [0, 1]) == 11.0
