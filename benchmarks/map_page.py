"""Open the map of a study beside a plain folium map of the same parcels: load, memory and frames, in the same run.

``map_page.py [--quick] [--out FILE]`` prints a table and writes it as JSON. Pages are opened from files in a fresh
Chromium each, without network and without a graphics card. A page that asks for anything ends with exit code 1.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import shutil
import statistics
import sys
import tempfile
import time
from pathlib import Path
from types import ModuleType
from typing import Any

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent
sys.path[:0] = [str(ROOT)]

SIZES = {"ours": (1_000, 10_000, 100_000, 1_000_000), "folium": (1_000, 10_000, 100_000)}
QUICK_SIZES = {"ours": (1_000, 10_000, 100_000), "folium": (1_000, 10_000)}
RUNS = 3
LONGEST_MS = 600_000
LIMITS = {100_000: {"load_s": 2.5, "heap_mb": 100.0, "file_mb": 10.0, "frame_ms": 1000 / 30},
          1_000_000: {"load_s": 6.0, "heap_mb": 300.0}}
"""What our page is held to, by parcels."""

# Frames while the map is dragged (Leaflet moves the pane and says so at each step, and at the end that it is done), and
# the longest wait for the picture after a step of zoom.
FRAMES = """async (mapName) => {
    const map = mapName ? window[mapName] : suanzhiPanel.state.map;
    const frame = () => new Promise((done) => requestAnimationFrame(done));
    const start = map.getZoom(), frames = [], zooms = [], began = performance.now();
    // A page that takes seconds for a frame is not moved two hundred times.
    const isLate = () => performance.now() - began > 20000;
    for (let step = 0; step < 4 && !isLate(); step++) {
        const asked = performance.now();
        map.setZoom(start + step, { animate: false });
        await frame();
        await frame();
        zooms.push(performance.now() - asked);
        map.fire("movestart");
        let last = performance.now();
        for (let k = 0; k < 40 && !isLate(); k++) {
            map._rawPanBy(L.point(k < 20 ? 24 : -24, k % 2 ? 9 : -9));
            map.fire("move").fire("drag");
            await frame();
            const now = performance.now();
            frames.push(now - last);
            last = now;
        }
        map.fire("moveend");
        await frame();
    }
    frames.sort((a, b) => a - b);
    const share = (part) => frames[Math.floor(part * frames.length)];
    return { frame_ms: share(0.5), slow_frame_ms: share(0.95), zoom_ms: Math.max(...zooms) };
}"""

Row = dict[str, Any]


def load(path: Path) -> ModuleType:
    """Load a module by its file."""
    spec = importlib.util.spec_from_file_location(path.stem, path)
    if spec is None or spec.loader is None:
        raise ImportError(str(path))
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def write_ours(result: Any, path: Path) -> None:
    """Write our map: every criterion and rule of two classes in it."""
    from maps.folium_map import render_map

    path.write_text(render_map(result, language="en"), encoding="utf-8")


def write_folium(result: Any, path: Path) -> str:
    """Write a folium map of the same parcels, coloured by score, with id and score as tooltip; return its name."""
    import folium

    from maps.offline_page import inline_assets
    from maps.styles import SCORE_RAMP

    own = result.scores[0]
    frame = result.candidates[["parcel_id", "geometry"]].assign(score=own.score.round(4)).to_crs("EPSG:4326")
    west, south, east, north = frame.total_bounds
    plain = folium.Map(location=[(south + north) / 2, (west + east) / 2], tiles=None, zoom_start=10)

    def look(feature: Any) -> dict[str, Any]:
        bucket = min(int(feature["properties"]["score"] * len(SCORE_RAMP)), len(SCORE_RAMP) - 1)
        return {"fillColor": SCORE_RAMP[bucket], "color": "#333333", "weight": 0.5, "fillOpacity": 0.8}

    folium.GeoJson(frame, style_function=look,
                   tooltip=folium.GeoJsonTooltip(fields=["parcel_id", "score"])).add_to(plain)
    plain.fit_bounds([[south, west], [north, east]])
    path.write_text(inline_assets(plain.get_root().render()), encoding="utf-8")
    return str(plain.get_name())


def open_page(chromium: str, path: Path, map_name: str) -> Row:
    """Open a page once in a fresh browser; what it took, and how many requests left it."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox", "--disable-gpu"])
        context = browser.new_context(offline=True, viewport={"width": 1400, "height": 900})
        page = context.new_page()
        page.set_default_timeout(LONGEST_MS)
        asked: list[str] = []
        page.on("request", lambda request: asked.append(request.url))
        page.goto(path.as_uri(), wait_until="commit")
        page.wait_for_function("(name) => document.readyState === 'complete' && (!name || window[name])", arg=map_name)
        load_ms = page.evaluate("""async (name) => {
            if (!name) await window.suanzhi.ready;
            await new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)));
            return performance.now();
        }""", map_name)
        session = context.new_cdp_session(page)
        session.send("HeapProfiler.collectGarbage")
        # What scripts hold: objects, typed arrays beside them, and the elements that they made.
        heap = session.send("Runtime.getHeapUsage")
        held = sum(heap.get(part, 0.0) for part in ("usedSize", "backingStorageSize", "embedderHeapUsedSize"))
        frames = page.evaluate(FRAMES, map_name)
        browser.close()
    left = [url for url in asked if not url.startswith(("file:", "data:"))]
    return {"load_s": load_ms / 1000.0, "heap_mb": held / 1e6, **frames, "n_requests": len(left)}


def measure(chromium: str, side: str, result: Any, n: int, folder: Path) -> Row:
    """Write the page of one side and open it several times; medians."""
    path = folder / f"{side}_{n}.html"
    started = time.perf_counter()
    name = write_folium(result, path) if side == "folium" else ""
    if side == "ours":
        write_ours(result, path)
    made_s = time.perf_counter() - started
    # The largest plain map takes minutes to open: once must do.
    runs = [open_page(chromium, path, name) for _ in range(1 if side == "folium" and n >= 100_000 else RUNS)]
    row = {key: statistics.median(run[key] for run in runs) for key in runs[0]}
    row |= {"side": side, "n": n, "made_s": made_s, "file_mb": path.stat().st_size / 1e6}
    path.unlink()
    return row


def over(row: Row) -> list[str]:
    """Name the limits that our page does not keep."""
    limits = LIMITS.get(row["n"], {}) if row["side"] == "ours" else {}
    return [key for key, most in limits.items() if row[key] > most]


def table(rows: list[Row]) -> str:
    """Return the rows as a table of Markdown."""
    heads = ("page", "parcels", "made in s", "file MB", "opens in s", "heap MB", "frame ms, dragged: median",
             "95 of 100 below", "slowest zoom step ms", "over")
    lines = ["| " + " | ".join(heads) + " |", "|" + "---|" * len(heads)]
    lines += [f"| {r['side']} | {r['n']:,} | {r['made_s']:.1f} | {r['file_mb']:.1f} | {r['load_s']:.1f} "
              f"| {r['heap_mb']:.0f} "
              f"| {r['frame_ms']:.0f} | {r['slow_frame_ms']:,.0f} | {r['zoom_ms']:,.0f} | {', '.join(over(r)) or '-'} |"
              for r in rows]
    return "\n".join(lines)


def main() -> int:
    """Measure all sizes, the smaller first, both sides in turn."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="up to 100,000 parcels, plain folium up to 10,000")
    parser.add_argument("--out", type=Path, default=HERE / "map_page.json")
    options = parser.parse_args()
    chromium = next((found for name in ("chromium", "chromium-browser", "google-chrome")
                     if (found := shutil.which(name))), None)
    if chromium is None:
        print("no Chromium on this machine")  # noqa: T201 - a command
        return 0
    small = load(ROOT / "tests" / "maps" / "conftest.py").build_small_result()
    many = load(ROOT / "tests" / "browser" / "many_parcels.py")
    sizes = QUICK_SIZES if options.quick else SIZES
    rows: list[Row] = []
    with tempfile.TemporaryDirectory() as scratch:
        for n in sizes["ours"]:
            result = many.repeated(small, n)
            for side in ("ours", "folium"):
                if n in sizes[side]:
                    rows.append(measure(chromium, side, result, n, Path(scratch)))
                    print(json.dumps(rows[-1]), file=sys.stderr, flush=True)  # noqa: T201 - a command
    print(table(rows))  # noqa: T201 - a command
    options.out.write_text(json.dumps(rows, indent=1) + "\n", encoding="utf-8")
    return 1 if any(r["n_requests"] for r in rows if r["side"] == "ours") else 0


if __name__ == "__main__":
    sys.exit(main())
