"""Compare with peers on the same data in the same run; print a table and write ``benchmarks/results.json``.

Each measurement is a fresh process, each figure the median of three, both sides in turn. A wrong
answer ends with exit code 1; a slow one, or a peer that is not installed, is only said.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent)]

import eligibility  # noqa: E402 - found beside this file
import location  # noqa: E402
import whole_run  # noqa: E402
from generate import generate  # noqa: E402

RUNS = 3
Row = dict[str, Any]


def folder_of_data() -> Path:
    """Return where the data of the run lie."""
    return Path(os.environ.get("SUANZHI_BENCH_DATA", Path(tempfile.gettempdir()) / "suanzhi-bench")) / "criteria"


def peers_python() -> str:
    """Return the interpreter of the peers' environment."""
    return os.environ.get("SUANZHI_PEERS_PYTHON", str(HERE.parent / ".env-peers" / "bin" / "python"))


def measure(python: str, method: str, n: int) -> tuple[dict[str, float], dict[str, Any]]:
    """Run one method in a fresh process; its figures and its answer."""
    path = os.environ | {"PYTHONPATH": str(HERE.parent), "PYTHONWARNINGS": "ignore"}
    with tempfile.TemporaryDirectory() as scratch:
        answer = f"{scratch}/answer.npz"
        done = subprocess.run([python, str(HERE / "work.py"), method, str(folder_of_data()), str(n), answer],
                              capture_output=True, text=True, check=False, env=path)
        if done.returncode:
            said = [line for line in done.stderr.splitlines() if "Error" in line] or done.stderr.splitlines()
            raise RuntimeError(f"{method}: {(said or ['no message'])[-1]}")
        with np.load(answer) as stored:
            return json.loads(done.stdout.splitlines()[-1]), dict(stored)


def compare(name: str, mine: str, peer: str, n: int, at_most: float, peer_n: int | None = None) -> Row:
    """Measure both sides in turn; per parcel where the two have different numbers of them."""
    python = sys.executable if peer in ("ours", "pass_numpy", "draws_numpy") else peers_python()
    row: Row = {"name": name, "ours_s": None, "peer": peer, "peer_s": None, "ratio": None, "at_most": at_most,
                "peak_mib": None}
    for count in {n, peer_n or n}:
        generate(folder_of_data(), count)
    figures: list[tuple[dict[str, float], dict[str, float]]] = []
    for _ in range(RUNS):
        try:
            one, answer = measure(sys.executable, mine, n)
            other, expected = measure(python, peer, peer_n or n)
        except (RuntimeError, OSError) as error:
            return row | {"error": str(error)}
        figures.append((one, other))
    row["ours_s"], row["peer_s"] = (statistics.median(f[side]["seconds"] for f in figures) for side in (0, 1))
    row["ratio"] = row["ours_s"] / row["peer_s"] * ((peer_n or n) / n)
    row["peak_mib"] = max(one["peak_mib"] for one, _ in figures)
    wrong = mismatch(answer, expected) if not peer_n else ""
    return row | ({"wrong": wrong} if wrong else {})


def mismatch(answer: dict[str, Any], expected: dict[str, Any]) -> str:
    """Say where two answers differ, or nothing.

    Coordinates and distances must agree to a micrometre and a score to 1e-9. The peers take the zone of a
    centroid and the mean of cell centres: at most 0.5 % of zones and 5 m of elevation may differ.
    """
    for name, other in expected.items():
        one = answer[name]
        if one.shape != other.shape:
            return f"{name}: {one.shape} and {other.shape} answers"
        if name == "zone":
            is_wrong = np.mean(one != other) > 0.005
        elif name == "dem":
            is_wrong = bool(np.nanmax(np.abs(one - other)) > 5.0)
        else:
            is_wrong = not np.allclose(one, other, rtol=0.0, atol=1e-9 if name == "score" else 1e-6)
        if is_wrong:
            return f"{name} differs"
    return ""


def comparisons(quick: bool) -> list[Callable[[], Row]]:
    """Return all rows; fewer parcels where it has to be quick."""
    some, many = (10_000, 100_000) if quick else (100_000, 1_000_000)
    with_dem = 2_000 if quick else some  # the peer reads the raster anew for every parcel
    rows: list[Callable[[], Row]] = [
        lambda: compare(f"criteria with DEM, {with_dem:,}", "ours_dem", "geopandas_dem", with_dem, 1 / 50),
        lambda: compare(f"criteria, {some:,}", "ours", "sedona", some, 1 / 8),
        lambda: compare(f"criteria, {some:,}", "ours", "duckdb", some, 1 / 8),
        lambda: compare(f"criteria per parcel, {many:,} on {some:,}", "ours", "ours", many, 1.1, some),
        lambda: compare(f"reading {many:,}", "read_ours", "read_geopandas", many, 1 / 4),
        lambda: compare(f"criteria, {many:,}", "ours", "geopandas", many, 1 / 6),
        lambda: compare("TOPSIS 1 M x 12", "topsis_ours", "pass_numpy", 1_000_000, 2.0),
        lambda: compare(f"16 draws of {many:,} x 16", "draws_ours", "draws_numpy", many, 1.0),
    ]
    os.environ.setdefault("SUANZHI_PEERS_PYTHON", peers_python())
    rows += eligibility.cases(quick)
    rows += location.cases(quick)
    folder = folder_of_data().parent / "whole"
    city, province, runs = (150_000, 600_000, 1) if quick else (1_000_000, 10_000_000, RUNS)
    rows += [lambda: whole_run.whole(folder, city, runs),
             lambda: whole_run.partitions(folder, province, city, 1)]
    return rows


def shown(row: Row) -> str:
    """Return a row of the table."""
    if row.get("error"):
        return f"{row['name']:<42} {row['peer']:<14} not measured: {row['error']}"
    over = [what for what, is_over in (("time", row["ratio"] > row["at_most"]),
                                       ("memory", row["peak_mib"] > (row.get("most_mib") or np.inf))) if is_over]
    verdict = f"WRONG: {row['wrong']}" if row.get("wrong") else f"over ({', '.join(over)})" if over else ""
    return (f"{row['name']:<42} {row['peer']:<14} {row['ours_s']:8.3f} {row['peer_s']:8.3f} {row['ratio']:8.4f} "
            f"{row['at_most']:8.4f} {row['peak_mib']:7.0f} {verdict}")


def main() -> int:
    """Print the table; 1 where an answer is wrong."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="fewer parcels, a smaller city")
    quick = parser.parse_args().quick
    print(f"load {os.getloadavg()[0]:.1f}\n{'work':<42} {'peer':<14}     ours     peer    ratio  at most     MiB")  # noqa: T201 - a command
    rows = []
    for ask in comparisons(quick):
        rows.append(ask())
        print(shown(rows[-1]), flush=True)  # noqa: T201 - a command
        (HERE / "results.json").write_text(json.dumps(rows, indent=1, default=float) + "\n", encoding="utf-8")
    return 1 if any(row.get("wrong") for row in rows) else 0


if __name__ == "__main__":
    sys.exit(main())
