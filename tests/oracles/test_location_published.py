"""Published optima, proven: OR-Library p-median (Beasley 1985) and maximal covering of Sao Jose dos Campos."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from siting.location import LocationSolution, coverage_curve, max_covering, p_center, p_median, set_covering

INSTANCES = Path(__file__).resolve().parents[2] / "../shared/benchmarks/location"
PMED = {1: (5819, 127), 2: (4093, 98), 3: (4250, 93), 4: (3034, 74), 5: (1355, 48), 6: (7824, 84), 7: (5631, 64),
        8: (4445, 55), 9: (2734, 37), 10: (1255, 20)}
SJC = {"SJC324": (5461, 8790, 11604, 12106, 12152), "SJC402": (6555, 11339, 14690, 15658, 15970, 15984),
       "SJC500": (7944, 12454, 15730, 17794, 18859, 19525, 19692, 19707)}


def lines_of(name: str) -> list[list[str]]:
    path = INSTANCES / f"{name}.txt"
    if not path.exists():
        pytest.skip("published instances are not beside this checkout")
    return [line.split() for line in path.read_text().splitlines() if line.strip()]


def pmed(number: int) -> tuple[np.ndarray, int]:
    """All-pairs shortest paths (Floyd 1962) and the number of facilities."""
    lines = lines_of(f"pmed{number}")
    n, _, p = (int(word) for word in lines[0])
    cost = np.where(np.eye(n, dtype=bool), 0.0, np.inf)
    for line in lines[1:]:
        i, j = int(line[0]) - 1, int(line[1]) - 1
        cost[i, j] = cost[j, i] = float(line[2])
    for k in range(n):
        cost = np.minimum(cost, cost[:, [k]] + cost[[k]])
    return cost, p


def sjc(name: str) -> tuple[np.ndarray, np.ndarray]:
    table = np.array([line[:3] for line in lines_of(name)[1:]], dtype=float)
    return np.hypot(*(table[:, None, :2] - table[:, :2]).transpose(2, 0, 1)), table[:, 2]


def assert_proven(found: LocationSolution, optimum: float) -> None:
    assert found.objective_value == optimum
    assert found.bound == pytest.approx(optimum, rel=1e-9)
    assert found.solver_status == "Optimal"


@pytest.mark.parametrize("number", PMED)
def test_p_median(number: int) -> None:
    cost, p = pmed(number)
    found = p_median(cost, np.ones(len(cost)), n_facilities=p, method="exact")
    assert_proven(found, PMED[number][0])
    assert cost[np.arange(len(cost)), found.assignment].sum() == PMED[number][0]


@pytest.mark.parametrize("number", PMED)
def test_p_center(number: int) -> None:
    cost, p = pmed(number)
    found = p_center(cost, n_facilities=p, method="exact")
    assert_proven(found, PMED[number][1])
    assert cost[np.arange(len(cost)), found.assignment].max() == PMED[number][1]


@pytest.mark.parametrize(("name", "p", "optimum"), [(n, p, v) for n, of in SJC.items() for p, v in enumerate(of, 1)])
def test_max_covering(name: str, p: int, optimum: int) -> None:
    cost, demand = sjc(name)
    found = max_covering(cost, demand, n_facilities=p, service_radius=800.0, method="exact")
    assert_proven(found, optimum)
    assert demand[found.assignment >= 0].sum() == optimum


@pytest.mark.parametrize("name", SJC)
def test_fewest_sites_that_cover_all_agree_with_the_end_of_the_curve(name: str) -> None:
    cost, _ = sjc(name)
    found = set_covering(cost, service_radius=800.0)
    assert_proven(found, len(SJC[name]))


def test_curve() -> None:
    cost, demand = sjc("SJC402")
    curve = coverage_curve(cost, demand, p_max=6, service_radius=800.0)
    assert tuple(curve.covered) == SJC["SJC402"]
    assert tuple(curve.bound) == SJC["SJC402"]
    assert tuple(curve.marginal_gain[1:]) == tuple(np.diff(SJC["SJC402"]))


@pytest.mark.parametrize("number", [1, 6, 10])
def test_fast_is_near_and_says_how_near(number: int) -> None:
    cost, p = pmed(number)
    found = p_median(cost, np.ones(len(cost)), n_facilities=p, method="fast")
    assert found.bound <= PMED[number][0] <= found.objective_value
    assert found.optimality_gap < 0.015
