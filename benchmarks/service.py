"""Ask the service for pages of features, beside Python's own server of files with the very same page, in one run.

``service.py [--quick] [--out FILE]`` prints a table and writes it as JSON. Two clients keep a connection each and ask
for pages of 100 features all over the collection; the peer's answer is one page, written to a file, and so the least
that any server in Python can do. Memory is that of the server's process after the first pages and at the end. Exit
code 1 where an answer is not the page that was asked for.
"""

from __future__ import annotations

import argparse
import http.client
import json
import socket
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent
sys.path[:0] = [str(ROOT)]

N_FEATURES, N_PAGES, QUICK_PAGES, PAGE, N_CLIENTS = 100_000, 4_000, 1_000, 100, 2
LEAST_PAGES_PER_S = 200.0
"""What our service is held to."""

SERVER = """
import sys
from pathlib import Path
import uvicorn
from layers.service import Service, application
from layers.service_crs import offered
from layers.service_store import Store
folder, port = Path(sys.argv[1]), int(sys.argv[2])
service = Service(store=Store(folder / "store.gpkg"), title="benchmark", description="", version="1",
                  crs=offered("EPSG:4547"), map_path=folder / "page.json", fingerprint="one")
uvicorn.run(application(service, hosts=("127.0.0.1",)), port=port, log_level="error", access_log=False)
"""

Row = dict[str, Any]


def write_study(folder: Path) -> None:
    """Write a store of synthetic parcels with as many fields as a study of two classes has."""
    import geopandas as gpd
    import numpy as np
    import shapely

    from gis.bilingual import Text
    from layers.exports.bundles import Bundle, StudyLayer
    from layers.exports.targets import placed, target_of
    from layers.service_store import write_store

    rng = np.random.default_rng(1)
    x, y = rng.uniform(113.0, 114.4, N_FEATURES), rng.uniform(34.4, 34.9, N_FEATURES)
    fields = {f"criterion_{i}": rng.random(N_FEATURES).round(4) for i in range(32)}
    frame = gpd.GeoDataFrame({"parcel_id": [f"P{i:06d}" for i in range(N_FEATURES)], **fields},
                             geometry=shapely.box(x, y, x + 0.002, y + 0.0015), crs="EPSG:4326")
    title = Text(zh="地块", en="parcels")
    layer = StudyLayer(name="parcels", title=title, frame=placed(frame, target_of("4326")), id_column="parcel_id")
    write_store(Bundle(name="benchmark", title=title, target=target_of("4326"), layers=(layer,), tables=(),
                       language="en"), folder / "store.gpkg")


def resident_mb(pid: int) -> float:
    """Return the memory of a process, where the system tells."""
    status = Path(f"/proc/{pid}/status")
    lines = status.read_text().splitlines() if status.exists() else []
    return next((int(line.split()[1]) / 1024.0 for line in lines if line.startswith("VmRSS")), float("nan"))


def ask(port: int, paths: list[str], headers: dict[str, str], sizes: list[int]) -> None:
    """Ask one path after the other over one connection."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    for path in paths:
        connection.request("GET", path, headers=headers)
        answer = connection.getresponse()
        body = answer.read()
        if answer.status != 200:
            raise SystemExit(f"{path}: {answer.status}")
        sizes.append(len(body))
    connection.close()


def measure(side: str, port: int, pid: int, paths: list[str], headers: dict[str, str]) -> Row:
    """Ask for all paths by as many clients as there are; what it took."""
    sizes: list[int] = []
    ask(port, paths[:50], headers, [])
    before_mb, started = resident_mb(pid), time.perf_counter()
    clients = [threading.Thread(target=ask, args=(port, paths[i::N_CLIENTS], headers, sizes)) for i in range(N_CLIENTS)]
    for client in clients:
        client.start()
    for client in clients:
        client.join()
    took_s = time.perf_counter() - started
    if len(sizes) != len(paths):
        raise SystemExit(f"{side}: {len(sizes)} of {len(paths)} pages came")
    return {"side": side, "pages_per_s": len(paths) / took_s, "kb_per_page": sum(sizes) / len(sizes) / 1e3,
            "mb_before": before_mb, "mb_after": resident_mb(pid)}


def started(command: list[str], port: int) -> subprocess.Popen[bytes]:
    """Start a server and wait until it answers."""
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    for _ in range(300):
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return process
        time.sleep(0.1)
    raise SystemExit(f"{command[1]} does not start")


def free_port() -> int:
    """Return a port that nobody uses."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def table(rows: list[Row]) -> str:
    """Return the rows as a table of Markdown."""
    lines = ["| server | pages a second | kB a page | MB at first | MB at the end | over |",
             "|---|---|---|---|---|---|"]
    for row in rows:
        is_slow = row["side"].startswith("ours") and row["pages_per_s"] < LEAST_PAGES_PER_S
        lines.append(f"| {row['side']} | {row['pages_per_s']:.0f} | {row['kb_per_page']:.0f} | {row['mb_before']:.0f} "
                     f"| {row['mb_after']:.0f} | {'pages a second' if is_slow else '-'} |")
    return "\n".join(lines)


def main() -> int:
    """Measure ours plain and compressed, and the peer."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help=f"{QUICK_PAGES} pages instead of {N_PAGES}")
    parser.add_argument("--out", type=Path, default=HERE / "service.json")
    options = parser.parse_args()
    n_pages = QUICK_PAGES if options.quick else N_PAGES
    paths = [f"/collections/parcels/items?limit={PAGE}&offset={i * 7919 % (N_FEATURES - PAGE)}" for i in range(n_pages)]
    rows = []
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        write_study(folder)
        port = free_port()
        ours = started([sys.executable, "-c", SERVER, str(folder), str(port)], port)
        try:
            rows.append(measure("ours", port, ours.pid, paths, {}))
            rows.append(measure("ours, gzip", port, ours.pid, paths, {"Accept-Encoding": "gzip"}))
            connection = http.client.HTTPConnection("127.0.0.1", port)
            connection.request("GET", paths[0])
            page = connection.getresponse().read()
            connection.close()
        finally:
            ours.terminate()
            ours.wait(20)
        if len(json.loads(page)["features"]) != PAGE:
            raise SystemExit("a page does not hold what was asked for")
        (folder / "page.json").write_bytes(page)
        port = free_port()
        peer = started([sys.executable, "-m", "http.server", str(port), "--bind", "127.0.0.1", "--protocol", "HTTP/1.1",
                        "--directory", str(folder)], port)
        try:
            rows.append(measure("http.server, one file", port, peer.pid, ["/page.json"] * n_pages, {}))
        finally:
            peer.terminate()
            peer.wait(20)
    print(table(rows))  # noqa: T201 - a command
    options.out.write_text(json.dumps(rows, indent=1) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
