"""A server on 127.0.0.1 that speaks as much of the Overpass API as osmnx asks, from an OSM file; it fails on demand.

Run as a program: ``python overpass_server.py EXTRACT``. It prints its port and serves until its input is closed.
``POST /plan`` takes a list of what to do with the next queries, one entry each; ``GET /log`` tells what was asked.
"""

from __future__ import annotations

import gzip
import json
import re
import sys
import threading
import time
import urllib.parse
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import osmium
import shapely

DATA_TIME = "2026-11-20T08:00:00Z"
_KINDS = {"n": "node", "w": "way", "r": "relation"}
_STATEMENT = re.compile(r"(node|way|relation)\['([^']+)'(?:='([^']*)')?\]\(poly:'([^']+)'\);\(\._;>;\);")
_FORM = re.compile(r"\[out:json\]\[timeout:\d+\];\((\((?:node|way|relation).*\);)\);out;", re.DOTALL)


class Extract:
    """Objects of a file, as Overpass finds them."""

    def __init__(self, path: Path) -> None:
        self.elements: dict[tuple[str, int], dict[str, Any]] = {}
        self.shapes: dict[tuple[str, int], shapely.Geometry] = {}
        self.tagged: dict[tuple[str, str], list[dict[str, Any]]] = {}
        for thing in osmium.FileProcessor(path):
            kind = _KINDS[thing.type_str()]
            element: dict[str, Any] = {"type": kind, "id": thing.id}
            if kind == "node":
                element |= {"lat": thing.location.lat, "lon": thing.location.lon}
                self.shapes[kind, thing.id] = shapely.Point(thing.location.lon, thing.location.lat)
            elif kind == "way":
                element["nodes"] = [node.ref for node in thing.nodes]
                points = [self.shapes["node", n] for n in element["nodes"] if ("node", n) in self.shapes]
                self.shapes[kind, thing.id] = (shapely.LineString(points) if len(points) > 1
                                               else shapely.MultiPoint(points))
            else:
                element["members"] = [{"type": _KINDS[m.type], "ref": m.ref, "role": m.role} for m in thing.members]
            if len(thing.tags):
                element["tags"] = dict(thing.tags)
                for key in element["tags"]:
                    self.tagged.setdefault((kind, key), []).append(element)
            self.elements[kind, thing.id] = element

    def answer(self, query: str) -> list[dict[str, Any]]:
        form = _FORM.fullmatch(query)
        statements = _STATEMENT.findall(form[1]) if form else []
        if not statements or len(statements) != query.count("(poly:"):
            raise ValueError("parse error: this is no query of osmnx")
        found: set[tuple[str, int]] = set()
        for kind, key, value, poly in statements:
            numbers = [float(number) for number in poly.split()]
            area = shapely.Polygon(list(zip(numbers[1::2], numbers[0::2], strict=True)))
            shapely.prepare(area)
            found |= {(kind, element["id"]) for element in self.tagged.get((kind, key), ())
                      if value in ("", element["tags"][key]) and self._meets(element, area)}
        return [self.elements[key] for key in sorted(self._with_parts(found))]

    def _meets(self, element: dict[str, Any], area: shapely.Geometry) -> bool:
        own = [(element["type"], element["id"])]
        parts = [(m["type"], m["ref"]) for m in element["members"]] if element["type"] == "relation" else own
        return any(key in self.shapes and area.intersects(self.shapes[key]) for key in parts)

    def _with_parts(self, found: set[tuple[str, int]]) -> set[tuple[str, int]]:
        ways = found | {(m["type"], m["ref"]) for key in found if key[0] == "relation"
                        for m in self.elements[key]["members"] if m["type"] != "relation"}
        nodes = {("node", n) for key in ways if key[0] == "way" and key in self.elements
                 for n in self.elements[key]["nodes"]}
        return {key for key in ways | nodes if key in self.elements}


class Handler(BaseHTTPRequestHandler):
    """Answers queries, or does what the plan says."""

    extract: Extract
    plan: list[dict[str, Any]] = []  # noqa: RUF012 - one server, one plan
    log: list[dict[str, Any]] = []  # noqa: RUF012
    status = "Connected as: 1\nCurrent time: 2026-11-20T08:00:00Z\nRate limit: 2\n2 slots available now.\n"

    def log_message(self, *_: object) -> None:
        """Say nothing."""

    def do_GET(self) -> None:
        if self.path == "/log":
            self.send(200, json.dumps(self.log).encode())
        elif self.path == "/api/status":
            self.note("status", "")
            self.send(200, Handler.status.encode(), "text/plain")
        else:
            self.send(404, b"not here", "text/plain")

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"])).decode()
        if self.path == "/plan":
            given = json.loads(body)
            Handler.plan, Handler.log = given.get("next", []), []
            Handler.status = given.get("status", "Rate limit: 2\n2 slots available now.\n")
            return self.send(200, b"{}")
        query = urllib.parse.parse_qs(body)["data"][0]
        self.note("query", query)
        try:
            return self.act(self.plan.pop(0) if self.plan else {}, query)
        except ValueError as error:
            return self.send(400, f"<html><body><p>Error: {error}</p></body></html>".encode(), "text/html")

    def act(self, deed: dict[str, Any], query: str) -> None:
        if "status" in deed:
            return self.send(deed["status"], b"<html><b>no</b> data</html>", "text/html", deed.get("headers", {}))
        if "sleep_s" in deed:
            time.sleep(deed["sleep_s"])
        content = {"version": 0.6, "osm3s": {"timestamp_osm_base": deed.get("data_time", DATA_TIME)},
                   "elements": self.extract.answer(query), **deed.get("more", {})}
        body = json.dumps(content).encode()
        if "html" in deed:
            return self.send(200, b"<!DOCTYPE html><title>sign in</title>", "text/html")
        if "cut" in deed:
            return self.send(200, body[:len(body) // 2])
        if "break" in deed:
            return self.send(200, body[:len(body) // 2], announced=len(body))
        if "drip_s" in deed:
            return self.drip(deed["drip_s"])
        if "garbage" in deed:
            return self.send(200, json.dumps(deed["garbage"]).encode())
        return self.send(200, gzip.compress(body), headers={"Content-Encoding": "gzip"})

    def drip(self, seconds: float) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.end_headers()
        ends = time.monotonic() + seconds
        while time.monotonic() < ends:
            self.wfile.write(b" ")
            self.wfile.flush()
            time.sleep(0.05)

    def note(self, what: str, query: str) -> None:
        self.log.append({"what": what, "query": query, "agent": self.headers.get("User-Agent", ""),
                         "referer": self.headers.get("Referer", "")})

    def send(self, code: int, body: bytes, kind: str = "application/json", headers: dict[str, str] | None = None,
             announced: int | None = None) -> None:
        self.send_response(code)
        for name, value in {"Content-Type": kind, "Content-Length": str(announced or len(body)),
                            **(headers or {})}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)


def main(path: Path) -> None:
    """Serve until the input is closed."""
    Handler.extract = Extract(path)
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    sys.stdout.write(f"{server.server_port}\n")
    sys.stdout.flush()
    threading.Thread(target=server.serve_forever, daemon=True).start()
    sys.stdin.read()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
