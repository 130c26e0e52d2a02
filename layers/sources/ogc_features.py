"""Collections of an OGC API - Features service (parts 1 to 3), read to their end.

``table`` names the collection. The study area and a margin around it are asked for. What a service can filter itself
(CQL2) it is asked to, and the rows that come are filtered once more as those of a file are.

A service that keeps a layer in CGCS2000 is asked for it as it keeps it, and so declares its datum. It is not asked to
transform: a CGCS2000 label on what the service itself moved would prove nothing of where the data are from.

Options
-------
``url``
    Landing page, list of collections, or the collection.
``margin_km``
    How far around the study area is read (50).
``limit``
    Features that are asked for at a time (1000).
``max_features``, ``max_mb``, ``timeout_s``
    See ``layers.sources.remote`` and ``layers.sources.web_service``.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import quote, unquote, urljoin

from gis.bilingual import Text
from gis.crs import parse_crs
from gis.errors import CrsError, LayerError, LayerNotFoundError
from layers.placement import declared_datum
from layers.service_filters import FieldKind
from layers.sources.feature_pages import FeaturePages, from_geojson, mapping_of
from layers.sources.osm_shapes import window_around
from layers.sources.remote import check_settings, handed_over, narrowing, number
from layers.sources.service_address import REMEDY, with_query
from layers.sources.types import LoadContext, RawVector
from layers.sources.web_service import OPTIONS, Answer, WebService
from layers.types import LayerSpec

Document = dict[str, Any]

MARGIN_KM, LIMIT = 50.0, 1000
"""Defaults of the options ``margin_km`` and ``limit``."""

_JSON, _GEOJSON = "application/json", "application/geo+json, application/json;q=0.9"
_QUERYABLES = "http://www.opengis.net/def/rel/ogc/1.0/queryables"
_FILTERS = ("/conf/features-filter", "/conf/cql2-text")
_MOST_EMPTY = 3
"""Pages without a feature, one after another, that are borne with."""
_KINDS: Mapping[str, FieldKind] = {"string": "string", "number": "number", "integer": "integer", "boolean": "boolean"}


def read(spec: LayerSpec, context: LoadContext) -> RawVector:
    """Read a collection under our column names.

    Parameters
    ----------
    spec
        The option ``url``; ``table``, the collection; ``where``; ``columns``; the options of this module.
    context
        Study area, which limits what is asked for once it is known.

    Returns
    -------
    RawVector
        Features in the order of the service, with the id that it gives them in a column ``id``.

    Raises
    ------
    UsageError
        Options that mean nothing, or a secret in the study.
    LayerUnavailableError
        The service cannot be reached, stays busy, or asks for credentials.
    LayerNotFoundError
        There is no such collection.
    LayerError
        The service refuses, contradicts itself, or holds more than is read.
    """
    check_settings(spec, (*OPTIONS, "margin_km", "limit"), REMEDY)
    service = WebService(spec)
    pages = FeaturePages(spec, service)
    own, base = _collection(service, spec)
    parameters = {"limit": str(int(number(spec, "limit", LIMIT, 1, 1e6)))}
    if context.area_of_interest is not None:
        margin_km = number(spec, "margin_km", MARGIN_KM, 0, 1e5)
        window = window_around(context.area_of_interest, context.metric_crs, margin_km)
        parameters["bbox"] = ",".join(f"{degrees:.6f}" for degrees in window)
    wanted = _wanted_crs(own, spec)
    if wanted:
        parameters["crs"] = wanted
    parameters |= _filter(service, spec, own, base)
    _read_pages(service, with_query(_items_address(service, own, base), parameters), pages)
    frame = pages.frame(parse_crs(wanted) if wanted else None)
    return handed_over(spec, frame, f"{service.place} {own['id']}")


def _collection(service: WebService, spec: LayerSpec) -> tuple[Document, str]:
    """Return the description of the collection, and the address that it came from."""
    document, base = _json(service, service.url)
    if "collections" not in document and isinstance(document.get("id"), str) and _link(document, "items"):
        found = [document]
    else:
        if "collections" not in document:
            document, base = _json(service, urljoin(base, _link(document, "data") or base.rstrip("/") + "/collections"))
        given = document.get("collections")
        if not isinstance(given, list):
            raise service.error(Text(zh="不是 OGC API - Features 服务；请将 url 改为其首页",
                                     en="is no OGC API - Features service; give its landing page as url"))
        found = [own for own in given if isinstance(own, dict) and isinstance(own.get("id"), str)]
    known = [str(own["id"]) for own in found]
    if spec.table not in known and (spec.table or len(known) != 1):
        shown = ", ".join(known[:20]) or "-"
        raise LayerNotFoundError(
            f"layer {spec.name!r}: {service.place} has no collection {spec.table!r}; it has: {shown}; correct table "
            f"under [layers.{spec.name}] in the study file",
            f"图层 {spec.name!r}：{service.place} 没有图层集合 {spec.table!r}；现有：{shown}；"
            f"请改正方案文件 [layers.{spec.name}] 下的 table")
    return found[known.index(spec.table) if spec.table else 0], base


def _json(service: WebService, url: str) -> tuple[Document, str]:
    def parsed(answer: Answer) -> tuple[Document, str]:
        return service.json_object(answer), answer.url

    return service.get(url, _JSON, parsed)


def _link(document: Document, rel: str) -> str:
    """Return the address of a link, one to JSON before others; nothing where there is none."""
    given = document.get("links")
    links = [link for link in (given if isinstance(given, list) else ())
             if isinstance(link, dict) and link.get("rel") == rel and isinstance(link.get("href"), str)]
    links.sort(key=lambda link: "json" not in str(link.get("type", "json")))
    return str(links[0]["href"]) if links and "html" not in str(links[0].get("type", "")) else ""


def _items_address(service: WebService, own: Document, base: str) -> str:
    link = _link(own, "items")
    if not link:
        plain = base.partition("?")[0].rstrip("/")
        is_collection = unquote(plain).endswith(f"/collections/{own['id']}")
        link = f"{plain}/items" if is_collection else f"{plain}/{quote(own['id'], safe='')}/items"
    return service.within(urljoin(base, link))


def _wanted_crs(own: Document, spec: LayerSpec) -> str:
    """Return the URI of the CRS that the collection is kept in, where that says its datum."""
    kept, offered = own.get("storageCrs"), own.get("crs")
    if spec.crs or not isinstance(kept, str) or not isinstance(offered, list):
        return ""
    # "#/crs" stands for the list of all collections, to which the CRS of storage always belongs.
    if kept not in offered and "#/crs" not in offered:
        return ""
    try:
        declared_datum(parse_crs(kept), LayerSpec(name=spec.name, source=spec.source))
    except CrsError:
        return ""
    return kept


def _filter(service: WebService, spec: LayerSpec, own: Document, base: str) -> dict[str, str]:
    """Return the parameters by which the service filters, where it can and the filter is plain."""
    if not spec.where:
        return {}
    address = _link(own, _QUERYABLES) or _link(own, "queryables")
    try:
        landing, at = _json(service, service.url)
        root = at.partition("/collections")[0].rstrip("/")
        conformance, _ = _json(service, urljoin(at, _link(landing, "conformance") or f"{root}/conformance"))
        given = conformance.get("conformsTo")
        stated = tuple(str(uri) for uri in given) if isinstance(given, list) else ()
        if not address or not all(any(uri.endswith(end) for uri in stated) for end in _FILTERS):
            return {}
        properties = mapping_of(_json(service, urljoin(base, address))[0].get("properties"))
    except LayerError:
        return {}  # the filter after reading alone decides which rows are kept
    kinds = {name: str(mapping_of(about).get("type")) for name, about in properties.items()}
    fields = {name: _KINDS[kind] for name, kind in kinds.items() if kind in _KINDS}
    return {"filter": spec.where, "filter-lang": "cql2-text"} if narrowing(spec.where, fields) else {}


def _read_pages(service: WebService, url: str, pages: FeaturePages) -> None:
    seen: set[str] = set()
    stated: int | None = None
    n_empty = 0
    while url:
        if url in seen:
            raise service.error(Text(zh="的 next 链接回到已读过的一页，无法读完；请该服务的管理者检查",
                                     en="links by next to a page that was read before, so that there is no end; ask "
                                        "its operator"))
        seen.add(url)
        document, answer = service.get(url, _GEOJSON, lambda found: (service.json_object(found), found))
        try:
            frame, ids = from_geojson(document, parse_crs(answer.crs) if answer.crs else None)
        except CrsError as error:
            raise service.error(Text(zh=f"所用坐标系 {answer.crs[:80]!r} 无法识别；请将图层导出为文件",
                                     en=f"answers in a CRS that is not known, {answer.crs[:80]!r}; export the layer as "
                                        "a file")) from error
        except ValueError as error:
            raise service.error(Text(zh="的一页没有 features；请检查 url 与 table",
                                     en="sends a page without features; check url and table")) from error
        if stated is None:
            stated = _count(document, "numberMatched")
            pages.expect_few(stated)
        pages.add(frame, ids, _count(document, "numberReturned"))
        n_empty = 0 if len(frame) else n_empty + 1
        following = _link(document, "next")
        if following and n_empty >= _MOST_EMPTY:
            raise service.error(Text(zh="一再给出空页，没有结尾；请该服务的管理者检查",
                                     en="sends empty pages without an end; ask its operator"))
        url = service.within(urljoin(answer.url, following)) if following else ""
    pages.expect(stated)


def _count(document: Document, name: str) -> int | None:
    found = document.get(name)
    return found if isinstance(found, int) and not isinstance(found, bool) else None
