"""OGC API - Features over a finished study: read-only, small, and nothing behind it but one SQLite file.

Parts 1 (core, GeoJSON, OpenAPI 3.0), 2 (CRS) and 3 (CQL2 text over plain fields). A request that is wrong in any way
gets 400 and a sentence; nothing of it reaches SQL but as a bound value.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.gzip import GZipMiddleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.requests import Request
from starlette.responses import FileResponse, Response
from starlette.routing import Route

from gis.bilingual import Text
from gis.errors import SitingToolError, UsageError
from layers import service_documents as documents
from layers.service_crs import moved
from layers.service_documents import GEOJSON, JSON
from layers.service_filters import Condition
from layers.service_requests import PageRequest, check_plain, feature_crs, has_control, page_request
from layers.service_store import Collection, Store

_LONGEST_QUERY = 8_192
_NAME = re.compile(r"[A-Za-z0-9_]{1,100}")
_GZIP_LEVEL = 1
"""A page of features shrinks to a fifth; the next levels take twice the time for a tenth more."""
_HEADERS = {"X-Content-Type-Options": "nosniff", "Cache-Control": "no-cache", "Vary": "Accept, Accept-Encoding"}
Handler = Callable[[Request], Response]


@dataclass(frozen=True, eq=False, slots=True, kw_only=True)
class Service:
    """What is served."""

    store: Store
    title: str
    description: str
    version: str
    crs: tuple[str, ...]
    """URIs of the CRSs offered, CRS84 first."""
    map_path: Path
    """Page that people get at ``/``."""
    fingerprint: str
    """Changes when the study does."""


def application(service: Service, *, hosts: tuple[str, ...] = ("*",)) -> Starlette:
    """Return the service as an ASGI application.

    Parameters
    ----------
    service
        What is served.
    hosts
        Names by which it may be called; on a loopback address its own, so that no web page elsewhere reads it
        through a name that it made point here.
    """
    endpoints: Mapping[str, Callable[[Service, Request], Response]] = {
        "/": _landing, "/api": _openapi, "/conformance": _conformance, "/collections": _collections,
        "/collections/{name}": _collection, "/collections/{name}/queryables": _queryables,
        "/collections/{name}/items": _items, "/collections/{name}/items/{identity:path}": _item,
        "/map.html": _map,
    }
    routes = [Route(path, _answered(service, endpoint), methods=["GET"]) for path, endpoint in endpoints.items()]
    return Starlette(routes=routes, exception_handlers={HTTPException: _not_there}, middleware=[
        Middleware(TrustedHostMiddleware, allowed_hosts=list(hosts), www_redirect=False),
        Middleware(GZipMiddleware, minimum_size=1_000, compresslevel=_GZIP_LEVEL)])


def _answered(service: Service, endpoint: Callable[[Service, Request], Response]) -> Handler:
    """Wrap an endpoint with what all of them share: limits, entity tags, and errors as documents."""

    def answer(request: Request) -> Response:
        try:
            if len(request.url.query) > _LONGEST_QUERY:
                raise UsageError(f"the query is longer than {_LONGEST_QUERY} characters",
                                 f"查询串超过 {_LONGEST_QUERY} 个字符")
            response = endpoint(service, request)
        except SitingToolError as error:
            return _problem(400, "InvalidParameterValue", error.text)
        except TimeoutError:
            return _problem(503, "QueryTooCostly", Text(zh="查询耗时过长；请缩小范围或简化条件。",
                                                        en="The query takes too long; narrow it."))
        if response.status_code != 200:
            return response
        tag = _tag(service, request)
        if tag in {part.strip() for part in request.headers.get("if-none-match", "").split(",")}:
            response = Response(status_code=304)
        response.headers["ETag"] = tag
        response.headers.update(_HEADERS)
        return response

    return answer


def _tag(service: Service, request: Request) -> str:
    asked = [service.fingerprint, str(request.base_url), request.url.path, request.url.query,
             str(_wants_page(request))]
    # Weak: the same page may come compressed or not.
    return f'W/"{hashlib.sha256(json.dumps(asked).encode()).hexdigest()[:32]}"'


def _landing(service: Service, request: Request) -> Response:
    check_plain(request.query_params.multi_items())
    if _wants_page(request):
        return FileResponse(service.map_path, media_type="text/html")
    return _json(documents.landing(_base(request), service.title, service.description))


def _map(service: Service, _request: Request) -> Response:
    return FileResponse(service.map_path, media_type="text/html")


def _conformance(_service: Service, request: Request) -> Response:
    check_plain(request.query_params.multi_items())
    return _json(documents.conformance())


def _openapi(service: Service, request: Request) -> Response:
    check_plain(request.query_params.multi_items())
    served = service.store.collections
    return _json(documents.openapi(_base(request), service.title, service.version, served, service.crs),
                 documents.OPENAPI)


def _collections(service: Service, request: Request) -> Response:
    check_plain(request.query_params.multi_items())
    return _json(documents.collections(_base(request), service.store.collections, service.crs))


def _collection(service: Service, request: Request) -> Response:
    check_plain(request.query_params.multi_items())
    return _json(documents.collection(_base(request), _named(service, request), service.crs))


def _queryables(service: Service, request: Request) -> Response:
    check_plain(request.query_params.multi_items())
    return _json(documents.queryables(_base(request), _named(service, request)), documents.SCHEMA)


def _items(service: Service, request: Request) -> Response:
    own = _named(service, request)
    wanted = page_request(request.query_params.multi_items(), own.fields, service.crs)
    conditions: list[Condition] = list(wanted.conditions)
    if wanted.area is not None:
        conditions.append(service.store.within(own.name, wanted.area))
    page = service.store.page(own.name, conditions, wanted.limit, wanted.offset)
    shapes = moved([shape for _, shape in page.rows], wanted.crs)
    features = ",\n".join([f"{head}{shape}}}" for (head, _), shape in zip(page.rows, shapes, strict=True)])
    members = {"type": "FeatureCollection", "numberMatched": page.n_matched, "numberReturned": len(page.rows),
               "links": _page_links(request, own, wanted, page.n_matched, len(page.rows))}
    text = f'{_text(members)[:-1]},"features":[\n{features}\n]}}'
    return Response(text, media_type=GEOJSON, headers={"Content-Crs": f"<{wanted.crs}>"})


def _item(service: Service, request: Request) -> Response:
    own = _named(service, request)
    crs = feature_crs(request.query_params.multi_items(), service.crs)
    identity = str(request.path_params["identity"])
    if len(identity) > documents.LONGEST_ID or has_control(identity):
        raise UsageError("that is no id of a feature", "要素编号无效")
    found = service.store.feature(own.name, identity)
    if found is None:
        return _problem(404, "NotFound", Text(zh="没有该要素。", en="There is no such feature."))
    path = f"/collections/{own.name}/items/{quote(identity, safe='')}"
    links = _text([documents.link(_base(request), path, "self", GEOJSON),
                   documents.link(_base(request), f"/collections/{own.name}", "collection", JSON)])
    text = f'{found[0]}{moved([found[1]], crs)[0]},"links":{links}}}'
    return Response(text, media_type=GEOJSON, headers={"Content-Crs": f"<{crs}>"})


def _page_links(request: Request, own: Collection, wanted: PageRequest, n_matched: int,
                n_returned: int) -> list[documents.Document]:
    path = f"/collections/{own.name}/items"
    asked = request.query_params.multi_items()
    links = [documents.link(_base(request), path + ("?" + urlencode(asked) if asked else ""), "self", GEOJSON),
             documents.link(_base(request), f"/collections/{own.name}", "collection", JSON)]
    kept = [(name, value) for name, value in asked if name not in ("offset", "limit")]

    def page(offset: int, rel: str) -> documents.Document:
        query = urlencode([*kept, ("limit", str(wanted.limit)), ("offset", str(offset))])
        return documents.link(_base(request), f"{path}?{query}", rel, GEOJSON)

    if wanted.offset + n_returned < n_matched and n_returned:
        links.append(page(wanted.offset + n_returned, "next"))
    if wanted.offset:
        links.append(page(max(wanted.offset - wanted.limit, 0), "prev"))
    return links


def _named(service: Service, request: Request) -> Collection:
    name = str(request.path_params["name"])
    if not _NAME.fullmatch(name):
        raise UsageError("that is no name of a collection", "图层名称无效")
    if name not in service.store.collections:
        raise HTTPException(404)
    return service.store.collections[name]


def _wants_page(request: Request) -> bool:
    """Tell whether a person's browser asks; what asks for JSON, or does not say, gets JSON."""
    kinds = [part.partition(";")[0].strip() for part in request.headers.get("accept", "").lower().split(",")]
    return "text/html" in kinds and "f" not in request.query_params and JSON not in kinds[:kinds.index("text/html")]


def _base(request: Request) -> str:
    return str(request.base_url).rstrip("/")


def _json(document: documents.Document, media: str = JSON) -> Response:
    return Response(_text(document), media_type=media)


def _text(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False)


def _problem(status: int, code: str, text: Text) -> Response:
    return Response(_text(documents.problem(code, text)), status_code=status, media_type=documents.PROBLEM,
                    headers={"X-Content-Type-Options": "nosniff"})


def _not_there(_request: Request, error: Exception) -> Response:
    status = error.status_code if isinstance(error, HTTPException) else 404
    allowed = dict(error.headers or {}) if isinstance(error, HTTPException) else {}
    if status == 405:
        refused = _problem(405, "MethodNotAllowed", Text(zh="本服务只读。", en="The service is read-only."))
        refused.headers.update(allowed)
        return refused
    return _problem(status, "NotFound", Text(zh="没有该资源。", en="There is no such resource."))
