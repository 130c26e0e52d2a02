"""Services of an imaginary city, good and bad, on a free port of 127.0.0.1; run as a program by the tests.

``/o/SCENARIO`` speaks OGC API - Features, ``/w/SCENARIO`` WFS, and ``/log`` tells what was asked. It is a program of
its own, because GDAL keeps the interpreter while it reads.
"""

from __future__ import annotations

import json
import sys
import time
from collections import Counter
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, urlsplit

N = 25
CRS84 = "http://www.opengis.net/def/crs/OGC/1.3/CRS84"
EPSG = "http://www.opengis.net/def/crs/EPSG/0/"
URN = "urn:ogc:def:crs:EPSG::"
PLACES = [(round(113.5 + i / 100, 6), round(34.65 + i / 200, 6)) for i in range(N)]
BELT = [(round(454000.0 + 900 * i, 3), round(3835000.0 + 550 * i, 3)) for i in range(N)]
SEEN: list[dict[str, str]] = []
TIMES: Counter[str] = Counter()


def feature(i: int, point: tuple[float, float]) -> dict[str, Any]:
    return {"type": "Feature", "id": f"站.{i}", "geometry": {"type": "Point", "coordinates": point},
            "properties": {"编号": f"{i:03d}", "电压": 110 if i % 2 else 220, "备注": {"甲": i},
                           "ok": None if i == 3 else True}}


class Service(BaseHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        pass

    def do_GET(self) -> None:
        parts = urlsplit(self.path)
        self.query = dict(parse_qsl(parts.query, keep_blank_values=True))
        self.asked = {name.lower(): value for name, value in self.query.items()}
        self.base = f"http://127.0.0.1:{self.server.server_address[1]}"
        if parts.path == "/log":
            return self.send(json.dumps(SEEN))
        SEEN.append({"path": self.path, "authorization": self.headers.get("Authorization", "")})
        _, kind, self.scenario, *rest = parts.path.split("/")
        TIMES[f"{kind}/{self.scenario}/{len(rest)}"] += 1
        self.n_asked = TIMES[f"{kind}/{self.scenario}/{len(rest)}"]
        try:
            return (self.features if kind == "o" else self.wfs)("/".join(rest))
        except (BrokenPipeError, ConnectionResetError):
            return None

    def send(self, text: str, status: int = 200, kind: str = "application/json", **headers: str) -> None:
        body = text.encode()
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", headers.pop("length", str(len(body))))
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        self.wfile.write(body)

    # OGC API - Features

    def features(self, path: str) -> None:
        root, s = f"{self.base}/o/{self.scenario}", self.scenario
        code = {"cgcs": 4490, "empty": 4490, "belt": 4547, "mercator": 3857}.get(s)
        kept = f"{EPSG}{code}" if code else CRS84
        own = {"id": "站", "crs": [CRS84, f"{EPSG}4490", f"{EPSG}4547"], "storageCrs": kept,
               "links": [{"rel": "items", "type": "text/html", "href": f"{root}/collections/站/items?f=html"},
                         {"rel": "items", "type": "application/geo+json", "href": f"{root}/collections/站/items"},
                         {"rel": "http://www.opengis.net/def/rel/ogc/1.0/queryables", "href": "站/queryables"}]}
        if s == "silent":
            own["links"] = []
        if s == "login" and self.headers.get("Authorization") not in ("Bearer sesame", "Basic dTpzZXNhbWU="):
            return self.send('{"title": "sesame is the word"}', 401)
        if s == "key" and self.asked.get("tk") != "sesame":
            return self.send(json.dumps({"detail": f"bad {self.path}"}), 403)
        if s == "moved" and not self.asked.get("there"):
            return self.send("", 302, Location=f"{self.base}{self.path}{'&' if self.query else '?'}there=1")
        if s == "round":
            return self.send("", 302, Location=self.path)
        if s == "redirected":
            return self.send("", 302, Location=f"http://localhost:{self.server.server_address[1]}/o/plain")
        if s == "page":
            return self.send("<!DOCTYPE html><title>登录</title>", 200, "text/html")
        if not path:
            return self.send(json.dumps({"links": [{"rel": "data", "href": "/o/" + s + "/collections"},
                                                   {"rel": "conformance", "href": f"{root}/conformance"}]}))
        if path == "conformance":
            return self.send(json.dumps({"conformsTo": ["http://x/conf/features-filter", "http://x/conf/cql2-text"]}))
        if path == "collections":
            return self.send(json.dumps({"collections": [own, {"id": "other"}]}))
        if path.endswith("queryables"):
            if s == "garbage":
                return self.send('{"properties": [{"type": ["string"]}]}')
            return self.send(json.dumps({"properties": {"电压": {"type": "integer"}, "编号": {"type": "string"}}}))
        return self.items() if path.endswith("items") else self.send(json.dumps(own))

    def items(self) -> None:
        s, start = self.scenario, int(self.asked.get("offset", 0))
        limit = min(int(self.asked.get("limit", 10)), 10)
        if s in ("busy", "cut", "short_body") and self.n_asked <= 2:
            if s == "busy":
                return self.send("{}", 429 if self.n_asked == 1 else 503, Retry_After="0")
            return self.send('{"type": "FeatureCollection", "feat', **({"length": "500"} if s == "short_body" else {}))
        if s in ("down", "come_back"):
            return self.send("{}", 503, Retry_After="0" if s == "down" else "3600")
        if s == "always_cut":
            return self.send('{"type": "FeatureCollection", "features": [')
        if s == "slow":
            time.sleep(1.5)
        if s == "bad":
            return self.send('{"code": "InvalidParameterValue", "description": "limit 过大"}', 400)
        if s == "broken":
            return self.send("<html><body>Traceback</body></html>", 500, "text/html")
        if s == "no_features":
            return self.send('{"type": "FeatureCollection"}')
        asked_crs = self.asked.get("crs", CRS84)
        crs = f"{EPSG}4490" if s == "mixed" and start else asked_crs
        places = [(y, x) for x, y in (BELT if crs.endswith("4547") else PLACES)] if crs != CRS84 else PLACES
        found = [feature(i, places[i]) for i in range(N)][0 if s == "ignores" else start:][:limit]
        if s == "odd":
            found[0]["geometry"], found[1]["geometry"] = None, {"type": "Polygon", "coordinates": "?"}
        if s == "nameless":
            for own in found:
                del own["id"]
        if s in ("endless", "loop", "empty"):
            found = []
        stated = {"fewer": N + 5, "many": 10**7, "silent": None, "empty": 0}.get(s, N)
        document: dict[str, Any] = {"type": "FeatureCollection", "features": found, "links": [],
                                    "numberReturned": len(found) + (s == "short_page")}
        if stated is not None:
            document["numberMatched"] = stated
        if (start + limit < N and s != "empty") or s in ("loop", "endless", "ignores"):
            following = {**self.query, "offset": str(0 if s == "loop" else start + limit)}
            text = "&".join(f"{name}={value}" for name, value in following.items())
            host = f"http://localhost:{self.server.server_address[1]}" if s == "elsewhere" else ""
            document["links"].append({"rel": "next", "type": "application/geo+json",
                                      "href": f"{host}{urlsplit(self.path).path}?{text}"})
        if s == "strange":
            crs = "http://city/def/crs/own"
        if s == "garbage":
            found[0] = {"properties": [1], "geometry": {"type": "Point", "coordinates": [None]}, "id": {"a": start}}
            found[1]["geometry"] = "POINT (1 2)"
            document["links"] += [None, {"rel": "next", "href": 7}, "next"]
        return self.send(json.dumps(document), kind="application/geo+json", Content_Crs=f"<{crs}>")

    # WFS

    def wfs(self, _: str) -> None:
        s, request = self.scenario, self.asked.get("request", "")
        if s == "page":
            return self.send("<html><title>登录</title></html>", 200, "text/html")
        if request == "GetCapabilities":
            return self.send(self.capabilities(), kind="text/xml")
        if s == "exception":
            return self.send(REPORT, 200, "text/xml")
        if s == "refused":
            return self.send(REPORT, 400, "text/xml")
        if s == "laughs":
            return self.send('<!DOCTYPE x [<!ENTITY a "ha"><!ENTITY b "&a;&a;">]><x>&b;</x>', kind="text/xml")
        if self.asked.get("version") not in ("2.0.0", "1.1.0"):
            return self.send(REPORT, 400, "text/xml")
        numbers = range(0 if s == "empty" else N)
        if "bbox" in self.asked:
            south, west, north, east = (float(v) for v in self.asked["bbox"].split(",")[:4])
            if s == "wrong_box":
                south, west, north, east = west, south, east, north
            numbers = [i for i in numbers if west <= PLACES[i][0] <= east and south <= PLACES[i][1] <= north]
        name = "numberMatched" if self.asked["version"] == "2.0.0" else "numberOfFeatures"
        matched = "unknown" if s == "unknown" else str({"fewer": N + 5, "many": 10**7}.get(s, len(numbers)))
        if self.asked.get("resulttype") == "hits":
            return self.send(f'<wfs:FeatureCollection xmlns:wfs="w" {name}="{matched}" numberReturned="0"/>')
        start = 0 if s in ("old", "ignores") else int(self.asked.get("startindex", 0))
        count = int(self.asked.get("count", self.asked.get("maxfeatures", 10**6)))
        chosen = list(numbers)[start:][:min(count, 1000 if s in ("old", "gml") else 10)]
        if "json" in self.asked.get("outputformat", ""):
            return self.json_page(chosen)
        text = self.gml(chosen, f'{name}="{matched}" numberReturned="{len(chosen)}"')
        return self.send(text[:-40] if s == "cut" else text, kind="application/gml+xml")

    def crs(self) -> str:
        return URN + {"belt": "4547", "rfc": "4547", "old": "4326", "flat": "4547"}.get(self.scenario, "4490")

    def capabilities(self) -> str:
        s = self.scenario
        formats = "".join(f"<ows:Value>{name}</ows:Value>" for name in (
            ["application/gml+xml; version=3.2"] + (["application/json"] if s in ("json", "rfc") else [])))
        version = {"old": "1.1.0", "ancient": "1.0.0"}.get(s, "2.0.0")
        address = "http://internal:8080/wfs" if s == "gml" else f"{self.base}/w/{s}?tenant=7&amp;"
        label = "DefaultSRS" if version == "1.1.0" else "DefaultCRS"
        return f"""<?xml version="1.0"?><wfs:WFS_Capabilities version="{version}" xmlns:wfs="w" xmlns:ows="o"
            xmlns:xlink="http://www.w3.org/1999/xlink"><ows:OperationsMetadata><ows:Operation name="GetFeature">
            <ows:DCP><ows:HTTP><ows:Get xlink:href="{address}"/></ows:HTTP></ows:DCP><ows:Parameter name="outputFormat">
            <ows:AllowedValues>{formats}</ows:AllowedValues></ows:Parameter></ows:Operation><ows:Constraint
            name="ImplementsResultPaging"><ows:DefaultValue>{'FALSE' if s == 'flat' else 'TRUE'}</ows:DefaultValue>
            </ows:Constraint></ows:OperationsMetadata><wfs:FeatureTypeList>
            <wfs:FeatureType><wfs:Name>市:站</wfs:Name><wfs:{label}>{self.crs()}</wfs:{label}></wfs:FeatureType>
            <wfs:FeatureType><wfs:Name>市:路</wfs:Name></wfs:FeatureType></wfs:FeatureTypeList></wfs:WFS_Capabilities>"""

    def json_page(self, chosen: list[int]) -> None:
        document: dict[str, Any] = {"type": "FeatureCollection", "features": [feature(i, PLACES[i]) for i in chosen],
                                    "numberReturned": len(chosen)}
        if self.scenario == "json":
            document["crs"] = {"type": "name", "properties": {"name": self.crs()}}
        self.send(json.dumps(document))

    def gml(self, chosen: list[int], counts: str) -> str:
        is_old = self.asked["version"] == "1.1.0"
        gml = "http://www.opengis.net/gml" + ("" if is_old else "/3.2")
        wfs = "http://www.opengis.net/wfs" + ("" if is_old else "/2.0")
        places = BELT if self.crs().endswith("4547") else PLACES
        ordered = places if self.scenario == "wrong_axes" else [(y, x) for x, y in places]
        member = "gml:featureMember" if is_old else "wfs:member"
        features = "".join(
            f'<{member}><c:站 gml:id="站.{i}"><c:编号>{i:03d}</c:编号>'
            f"<c:电压>{110 if i % 2 else 220}</c:电压>"
            f'<c:形状><gml:Point srsName="{self.crs()}" gml:id="g{i}">'
            f"<gml:pos>{ordered[i][0]} {ordered[i][1]}</gml:pos></gml:Point></c:形状></c:站></{member}>"
            for i in chosen)
        return (f'<?xml version="1.0" encoding="UTF-8"?><wfs:FeatureCollection xmlns:wfs="{wfs}" xmlns:gml="{gml}" '
                f'xmlns:c="http://city" {counts}>{features}</wfs:FeatureCollection>')


REPORT = ('<?xml version="1.0"?><ows:ExceptionReport xmlns:ows="o"><ows:Exception exceptionCode="NoApplicableCode">'
          "<ows:ExceptionText>没有图层 &lt;站&gt;</ows:ExceptionText></ows:Exception></ows:ExceptionReport>")


if __name__ == "__main__":
    server = ThreadingHTTPServer(("127.0.0.1", 0), Service)
    sys.stdout.write(f"{server.server_address[1]}\n")
    sys.stdout.flush()
    server.serve_forever()
