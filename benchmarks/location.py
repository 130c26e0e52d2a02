"""Location models on a synthetic region: our fast way against HiGHS to the same gap, and against spopt.

Run alone with ``python benchmarks/location.py [--quick]``. Every measurement is a process of its own; the
peer gets the gap that ours proved, and both sides answer the same question on the same numbers with one
thread. Where the peer ends at its time limit the ratio is only an upper bound, and the row says so. The rows of
1,000 x 20,000 have no peer but a limit of 10 s and 4 GiB.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT / "benchmarks")]

from measuring import peak_mib  # noqa: E402 - found beside this file

N_OPEN, RADIUS_M, SPACING_M = 20, 8_000.0, 6_000.0
RUNS = 3
LARGE_S, LARGE_MIB = 10.0, 4.0 * 1_024.0


def clock_s() -> float:
    """Return seconds of the processor, of this process and of the solvers that it started and that ended.

    All sides use one thread; what others do on the machine counts for less than on a clock on the wall.
    """
    both = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(used.ru_utime + used.ru_stime for used in both)


def question(n_sites: int, n_demand: int) -> dict[str, Any]:
    """Return costs, demand and sites of a region of 100 km x 100 km; the same numbers every time.

    Seven tenths of the demand lie around 25 centres, the rest anywhere; sites lie anywhere.
    """
    rng = np.random.default_rng(n_sites)
    centres, of = rng.uniform(10e3, 90e3, (25, 2)), rng.integers(0, 25, n_demand)
    around = centres[of] + rng.normal(0.0, 5e3, (n_demand, 2))
    anywhere = rng.uniform(0.0, 1e5, (n_demand, 2))
    demand_at = np.clip(np.where(rng.random(n_demand)[:, None] < 0.7, around, anywhere), 0.0, 1e5)
    sites_at, demand = rng.uniform(0.0, 1e5, (n_sites, 2)), rng.integers(1, 100, n_demand).astype(float)
    cost = np.hypot(demand_at[:, :1] - sites_at[:, 0], demand_at[:, 1:] - sites_at[:, 1])
    zone = (sites_at[:, 0] // 33_400.0).astype(int)
    return {"cost": cost, "demand": demand, "sites_at": sites_at, "zone": zone,
            "zone_min": np.array([5, 5, 5]), "zone_max": np.array([7, 7, 7])}


def ours(asked: dict[str, Any], problem: str) -> dict[str, Any]:
    """Answer the fast way; compiled code comes from its cache before the clock starts."""
    from siting.location import SideConditions, max_covering, p_median

    small = question(100, 600)

    def answer(data: dict[str, Any], n_open: int) -> Any:
        if problem == "p_median":
            return p_median(data["cost"], data["demand"], n_facilities=n_open, method="fast")
        ruled = SideConditions(min_spacing=SPACING_M, site_positions=data["sites_at"], zone_of_site=data["zone"],
                               zone_min=data["zone_min"], zone_max=data["zone_max"])
        return max_covering(data["cost"], data["demand"], n_facilities=n_open, service_radius=RADIUS_M, method="fast",
                            **({"conditions": ruled} if problem == "ruled_covering" else {}))

    answer(small | {"zone_min": np.zeros(3, dtype=int)}, 8)
    start = clock_s()
    found = answer(asked, N_OPEN)
    return {"seconds": clock_s() - start, "value": found.objective_value, "bound": found.bound,
            "gap": found.optimality_gap, "status": found.solver_status}


def highs(asked: dict[str, Any], problem: str, gap: float, limit_s: float) -> dict[str, Any]:
    """Solve the textbook model with HiGHS alone, sparse arrays straight in, to a gap."""
    import highspy

    start = clock_s()
    columns, rows = _median_model(asked) if problem == "p_median" else _covering_model(asked)
    n_sites = asked["cost"].shape[1]
    rows.append((list(range(n_sites)), [1.0] * n_sites, N_OPEN, N_OPEN))
    if problem == "ruled_covering":
        rows += _ruled_rows(asked)
    model = highspy.HighsLp()
    model.num_col_, model.num_row_ = len(columns), len(rows)
    model.col_cost_, model.col_lower_, model.col_upper_ = columns, np.zeros(len(columns)), np.ones(len(columns))
    model.row_lower_, model.row_upper_ = np.array([r[2] for r in rows]), np.array([r[3] for r in rows])
    model.a_matrix_.format_ = highspy.MatrixFormat.kRowwise
    model.a_matrix_.start_ = np.concatenate([[0], np.cumsum([len(r[0]) for r in rows])]).astype(np.int32)
    model.a_matrix_.index_ = np.concatenate([r[0] for r in rows]).astype(np.int32)
    model.a_matrix_.value_ = np.concatenate([r[1] for r in rows])
    kinds = highspy.HighsVarType
    model.integrality_ = [kinds.kInteger] * n_sites + [kinds.kContinuous] * (len(columns) - n_sites)
    solver = highspy.Highs()
    for option, setting in (("output_flag", False), ("mip_rel_gap", gap), ("time_limit", limit_s), ("threads", 1)):
        solver.setOptionValue(option, setting)
    solver.passModel(model)
    solver.run()
    seconds = clock_s() - start
    opened = np.argsort(-np.array(solver.getSolution().col_value[:n_sites]), kind="stable")[:N_OPEN]
    bound = solver.getInfo().mip_dual_bound * (1.0 if problem == "p_median" else -1.0)
    return {"seconds": seconds, "value": value_of(asked, problem, opened), "bound": bound,
            "status": solver.modelStatusToString(solver.getModelStatus())}


def _covering_model(asked: dict[str, Any]) -> tuple[np.ndarray, list[Any]]:
    """Return costs and rows: one column per site and per demand point."""
    covers, n_sites = asked["cost"] <= RADIUS_M, asked["cost"].shape[1]
    rows = [([n_sites + i, *np.flatnonzero(reach)], [1.0] + [-1.0] * int(reach.sum()), -np.inf, 0.0)
            for i, reach in enumerate(covers)]
    return np.concatenate([np.zeros(n_sites), -asked["demand"]]), rows


def _median_model(asked: dict[str, Any]) -> tuple[np.ndarray, list[Any]]:
    """Return costs and rows, of each demand point only as many nearest sites as ours looks at first."""
    n_demand, n_sites = asked["cost"].shape
    n_listed = min(n_sites, max(64, 4 * (n_sites // N_OPEN)))
    near = np.argpartition(asked["cost"], n_listed - 1, axis=1)[:, :n_listed]
    price = np.take_along_axis(asked["cost"], near, axis=1) * asked["demand"][:, None]
    first = n_sites + n_listed * np.arange(n_demand)
    rows: list[Any] = [(np.arange(a, a + n_listed), np.ones(n_listed), 1.0, 1.0) for a in first]
    rows += [([a + k, j], [1.0, -1.0], -np.inf, 0.0) for a, sites in zip(first, near, strict=True)
             for k, j in enumerate(sites)]
    return np.concatenate([np.zeros(n_sites), price.ravel()]), rows


def _ruled_rows(asked: dict[str, Any]) -> list[Any]:
    at = asked["sites_at"]
    near = np.argwhere(np.triu(np.hypot(at[:, :1] - at[:, 0], at[:, 1:] - at[:, 1]) < SPACING_M, 1))
    rows: list[Any] = [(pair, [1.0, 1.0], 0.0, 1.0) for pair in near]
    for zone, (least, most) in enumerate(zip(asked["zone_min"], asked["zone_max"], strict=True)):
        members = np.flatnonzero(asked["zone"] == zone)
        rows.append((members, np.ones(len(members)), float(least), float(most)))
    return rows


def spopt(asked: dict[str, Any], problem: str, gap: float, limit_s: float, solver_name: str) -> dict[str, Any]:
    """Answer with spopt and one of its solvers, to a gap."""
    import pulp
    from spopt.locate import MCLP, PMedian

    solver = (pulp.PULP_CBC_CMD if solver_name == "cbc" else pulp.HiGHS)(
        msg=False, timeLimit=limit_s, gapRel=gap, threads=1)
    start = clock_s()
    if problem == "p_median":
        model = PMedian.from_cost_matrix(asked["cost"], asked["demand"], p_facilities=N_OPEN)
    else:
        model = MCLP.from_cost_matrix(asked["cost"], asked["demand"], RADIUS_M, p_facilities=N_OPEN)
    try:
        model = model.solve(solver, results=False)
    except RuntimeError:  # raised where the solver ends without an optimum
        return {"seconds": clock_s() - start, "value": None, "bound": None,
                "status": pulp.LpStatus[model.problem.status]}
    seconds = clock_s() - start
    opened = np.flatnonzero([(v.value() or 0.0) > 0.5 for v in model.fac_vars])
    return {"seconds": seconds, "value": value_of(asked, problem, opened), "bound": None,
            "status": pulp.LpStatus[model.problem.status]}


def value_of(asked: dict[str, Any], problem: str, opened: Any) -> float:
    """Compute the value of a choice anew."""
    nearest = asked["cost"][:, opened].min(axis=1)
    weighed = asked["demand"] * nearest if problem == "p_median" else asked["demand"][nearest <= RADIUS_M]
    return float(weighed.sum())


def cases(quick: bool) -> list[Callable[[], dict[str, Any]]]:
    """Return the comparisons; smaller ones and shorter limits where it has to be quick."""
    size, limit_s = ((100, 1_000), 30.0) if quick else ((500, 5_000), 600.0)
    same = [partial(_compare, problem, "highs", 500, 5_000, 1.0 / 10.0, limit_s)
            for problem in ("max_covering", "p_median", "ruled_covering")]
    other = [partial(_compare, problem, peer, *size, 1.0, limit_s)
             for problem in ("max_covering", "p_median") for peer in ("spopt_cbc", "spopt_highs")]
    return [*same, *other, *(partial(_large, problem) for problem in ("max_covering", "p_median"))]


def _compare(problem: str, peer: str, n_sites: int, n_demand: int, at_most: float, limit_s: float) -> dict[str, Any]:
    """Measure ours, then the peer to the gap that ours proved; each answer must agree with the other's bound."""
    row: dict[str, Any] = {"name": f"{problem} {n_sites:,} x {n_demand:,}, p = {N_OPEN}", "ours_s": None, "peer": peer,
                           "peer_s": None, "ratio": None, "at_most": at_most, "peak_mib": None}
    try:
        mine = [_measure(sys.executable, "ours", problem, n_sites, n_demand) for _ in range(RUNS)]
        python = sys.executable if peer == "highs" else _peers_python()
        other = _measure(python, peer, problem, n_sites, n_demand, mine[0]["gap"], limit_s)
    except (RuntimeError, OSError) as error:
        return row | {"error": str(error)}
    row["ours_s"], row["peer_s"] = statistics.median(m["seconds"] for m in mine), other["seconds"]
    row["ratio"], row["peak_mib"] = row["ours_s"] / row["peer_s"], max(m["peak_mib"] for m in mine)
    row |= {"ours_value": mine[0]["value"], "ours_gap": mine[0]["gap"], "peer_value": other["value"],
            "peer_status": other["status"]}
    if other["status"] != "Optimal":
        row["name"] += " (peer stopped)"
    return row | _disagreement(problem, mine[0], other)


def _disagreement(problem: str, mine: dict[str, Any], other: dict[str, Any]) -> dict[str, str]:
    """Say where a value beats the other side's bound, or where ours is not within 1.5 % proven."""
    sign = 1.0 if problem == "p_median" else -1.0
    slack = 1e-6 * abs(mine["value"])
    if other["value"] is not None and sign * other["value"] < sign * mine["bound"] - slack:
        return {"wrong": f"the peer's value {other['value']:.1f} beats our bound {mine['bound']:.1f}"}
    if other["bound"] is not None and sign * mine["value"] < sign * other["bound"] - slack:
        return {"wrong": f"our value {mine['value']:.1f} beats the peer's bound {other['bound']:.1f}"}
    return {"wrong": f"gap {mine['gap']:.4f} is over 0.015"} if mine["gap"] > 0.015 else {}


def _large(problem: str) -> dict[str, Any]:
    """Measure 1,000 sites x 20,000 demand points against limits of time and memory."""
    row: dict[str, Any] = {"name": f"{problem} 1,000 x 20,000, p = {N_OPEN}", "ours_s": None, "peer": "10 s, 4 GiB",
                           "peer_s": LARGE_S, "ratio": None, "at_most": 1.0, "peak_mib": None}
    try:
        runs = [_measure(sys.executable, "ours", problem, 1_000, 20_000) for _ in range(RUNS)]
    except (RuntimeError, OSError) as error:
        return row | {"error": str(error)}
    row["ours_s"] = statistics.median(r["seconds"] for r in runs)
    row["ratio"], row["peak_mib"] = row["ours_s"] / LARGE_S, max(r["peak_mib"] for r in runs)
    return row | {"ours_gap": runs[0]["gap"], "most_mib": LARGE_MIB}


def _measure(python: str, method: str, problem: str, n_sites: int, n_demand: int, gap: float = 0.0,
             limit_s: float = 0.0) -> dict[str, Any]:
    """Run one method in a process of its own."""
    path = {"PYTHONPATH": str(ROOT), "PYTHONWARNINGS": "ignore"}
    asked = [method, problem, str(n_sites), str(n_demand), repr(gap), repr(limit_s)]
    done = subprocess.run([python, __file__, "--measure", *asked], capture_output=True, text=True, check=False,
                          env={**os.environ, **path})
    if done.returncode:
        raise RuntimeError(f"{method}: {(done.stderr.splitlines() or ['no message'])[-1]}")
    measured: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return measured


def _peers_python() -> str:
    return os.environ.get("SUANZHI_PEERS_PYTHON", str(ROOT / ".env-peers" / "bin" / "python"))


def measured(method: str, problem: str, n_sites: int, n_demand: int, gap: float, limit_s: float) -> dict[str, Any]:
    """Run one method here."""
    asked = question(n_sites, n_demand)
    if method == "ours":
        return ours(asked, problem)
    if method == "highs":
        return highs(asked, problem, gap, limit_s)
    return spopt(asked, problem, gap, limit_s, method.removeprefix("spopt_"))


def main() -> None:
    """Print the comparisons, or one measurement as a line of JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="smaller peers, shorter limits")
    parser.add_argument("--measure", nargs=6, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.measure:
        method, problem, n_sites, n_demand, gap, limit_s = arguments.measure
        found = measured(method, problem, int(n_sites), int(n_demand), float(gap), float(limit_s))
        found["peak_mib"] = peak_mib()
        sys.stdout.write(json.dumps(found) + "\n")
        return
    for case in cases(arguments.quick):
        sys.stdout.write(json.dumps(case()) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
