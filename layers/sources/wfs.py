"""Feature types of a Web Feature Service, versions 2.0.0 and 1.1.0, read to their end.

``table`` names the type. The study area and a margin around it are asked for; ``where`` filters what comes, as it does
for a file. The service is first asked for its count, and the features that come are compared with it.

The type is taken in the CRS that it is kept in. In GML the axes follow the authority (latitude first for EPSG:4490 and
4326, northing first for CGCS2000 belts), and GDAL turns them; GeoJSON has easting and longitude first whatever the CRS.
What a service does otherwise shows in coordinates that miss the study area, and is refused with its remedy.

Options
-------
``url``
    Address of the service.
``version``
    ``"2.0.0"`` or ``"1.1.0"``, where the newest that the service offers does not work.
``output_format``
    ``"gml"``, where the GeoJSON that the service offers does not work.
``margin_km``
    How far around the study area is read (50).
``limit``
    Features that are asked for at a time (1000), where the service can page.
``max_features``, ``max_mb``, ``timeout_s``
    See ``layers.sources.remote`` and ``layers.sources.web_service``.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

import geopandas as gpd
import numpy as np
import shapely
from pyproj import CRS

from gis.bilingual import Text
from gis.crs import WGS84, parse_crs
from gis.errors import CrsError, LayerNotFoundError, UsageError
from gis.rasters import Bounds
from layers.sources.feature_pages import FeaturePages, from_geojson
from layers.sources.files import reason_of
from layers.sources.ogc_features import LIMIT, MARGIN_KM
from layers.sources.osm_shapes import window_around
from layers.sources.remote import check_settings, handed_over, most_features, number
from layers.sources.service_address import REMEDY, is_same_host, with_query
from layers.sources.types import LoadContext, RawVector
from layers.sources.web_service import OPTIONS, Answer, MayPassError, WebService, said
from layers.sources.wfs_documents import (
    Capabilities,
    FeatureType,
    capabilities_of,
    check_whole,
    from_gml,
    n_matched,
    n_returned,
    root_name,
)
from layers.types import LayerSpec

_VERSIONS = ("2.0.0", "1.1.0")
_XML = "application/gml+xml, application/xml;q=0.9, text/xml;q=0.9"
_OWN_PARAMETERS = {"service", "request", "version", "typename", "typenames"}
_OLD_CRS = re.compile(r"gml/srs/epsg\.xml#(\d+)$")
_URN = "urn:ogc:def:crs:EPSG::4326"
_NO_BBOX = Text(zh="服务按研究范围查询得到 0 个要素，因此读取了整个图层",
                en="asked for the study area, the service gave nothing, so that the whole type was read")


@dataclass(frozen=True, kw_only=True)
class _Question:
    """What features are asked for."""

    service: WebService
    address: str
    kind: FeatureType
    version: str
    json_format: str
    window: Bounds | None = None

    def url(self, **more: str) -> str:
        """Return the address of a request for features."""
        names, count = ("typeNames", "count") if self.version == "2.0.0" else ("typeName", "maxFeatures")
        parameters = {"service": "WFS", "version": self.version, "request": "GetFeature", names: self.kind.name}
        if self.kind.crs:
            parameters["srsName"] = self.kind.crs
        if self.window is not None:
            west, south, east, north = self.window
            # By its URN, EPSG:4326 is latitude first: the one way to say a box that every version agrees on.
            parameters["bbox"] = f"{south:.6f},{west:.6f},{north:.6f},{east:.6f},{_URN}"
        if "count" in more:
            more[count] = more.pop("count")
        return with_query(self.address, parameters | more)


def read(spec: LayerSpec, context: LoadContext) -> RawVector:
    """Read a feature type under our column names.

    Parameters
    ----------
    spec
        The option ``url``; ``table``, the feature type; ``where``; ``columns``; the options of this module.
    context
        Study area, which limits what is asked for once it is known.

    Returns
    -------
    RawVector
        Features in the order of the service.

    Raises
    ------
    UsageError
        Options that mean nothing, or a secret in the study.
    LayerUnavailableError
        The service cannot be reached, stays busy, or asks for credentials.
    LayerNotFoundError
        There is no such feature type.
    LayerError
        The service refuses, reports an exception, contradicts itself, or holds more than is read.
    """
    check_settings(spec, (*OPTIONS, "version", "output_format", "margin_km", "limit"), REMEDY)
    margin_km = number(spec, "margin_km", MARGIN_KM, 0, 1e5)
    service = WebService(spec)
    capabilities = _capabilities(service, spec)
    question = _question(service, capabilities, spec, context, margin_km)
    pages, notes = FeaturePages(spec, service), []
    stated = _hits(question)
    if stated == 0 and question.window is not None:
        # Nothing there, or a service that takes the box by the wrong axes: only the whole type tells.
        question = _question(service, capabilities, spec, None, margin_km)
        stated = _hits(question)
        notes = [_NO_BBOX] if stated else []
    pages.expect_few(stated)
    limit = int(number(spec, "limit", LIMIT, 1, 1e6))
    if not capabilities.has_paging and "limit" not in dict(spec.options):
        limit = most_features(spec) if stated is None else max(stated, 1)
    _read_pages(question, pages, stated, limit)
    return handed_over(spec, pages.frame(_parsed(question.kind.crs)), f"{service.place} {question.kind.name}", notes,
                       is_typed=bool(question.json_format))


def _capabilities(service: WebService, spec: LayerSpec) -> Capabilities:
    wanted = str(spec.option("version", ""))
    if wanted and wanted not in _VERSIONS:
        raise UsageError(f"layer {spec.name!r}: version is {wanted!r}; known: {', '.join(_VERSIONS)}",
                         f"图层 {spec.name!r}：version 为 {wanted!r}；可用：{'、'.join(_VERSIONS)}")
    asked = {"version": wanted} if wanted else {"acceptVersions": ",".join(_VERSIONS)}
    url = with_query(service.url, {"service": "WFS", "request": "GetCapabilities", **asked}, _OWN_PARAMETERS)
    content = service.get(url, _XML, lambda answer: _document(service, answer))
    if root_name(content) != "WFS_Capabilities":
        raise service.error(Text(zh="不是 WFS 服务；请检查 url", en="is no Web Feature Service; check url"))
    found = capabilities_of(content)
    if found.version not in _VERSIONS:
        raise service.error(Text(
            zh=f"只提供 WFS {found.version or '（未说明版本）'}；需要 2.0.0 或 1.1.0，或将图层导出为文件",
            en=f"speaks WFS {found.version or '(no version)'} only; 2.0.0 or 1.1.0 is needed, or export the layer as a "
               "file"))
    return found


def _document(service: WebService, answer: Answer) -> bytes:
    """Return an XML document that is whole and reports no exception."""
    if answer.kind == "HTML":
        raise service.web_page()
    content = answer.content.lstrip()
    if not content.startswith(b"<") and not content.startswith(b"\xef\xbb\xbf<"):
        raise service.error(Text(zh="返回的不是 XML；请检查 url",
                                 en="answers with something that is no XML; check url"))
    try:
        check_whole(content)
    except ValueError as error:
        if "document type" in str(error):
            raise service.error(Text(zh="返回的 XML 声明了文档类型，未予读取；请检查 url",
                                     en="answers with XML that declares a document type, which is not read; check url")
                                ) from error
        raise MayPassError(Text(zh="返回的 XML 不完整或有误",
                                en="answers with XML that is cut off or broken")) from error
    if root_name(content) in ("ExceptionReport", "ServiceExceptionReport"):
        reason = said(content) or "-"
        raise service.error(Text(zh=f"报告错误：{reason}；请检查 table 与 options",
                                 en=f"reports an exception: {reason}; check table and options"))
    return content


def _question(service: WebService, capabilities: Capabilities, spec: LayerSpec, context: LoadContext | None,
              margin_km: float) -> _Question:
    """Return what is asked for; without a context, the whole type."""
    kind = _type_of(service, capabilities, spec)
    wish = str(spec.option("output_format", ""))
    if wish not in ("", "gml"):
        raise UsageError(f"layer {spec.name!r}: output_format is {wish!r}; write \"gml\" or leave it out",
                         f"图层 {spec.name!r}：output_format 为 {wish!r}；请写 \"gml\" 或不写")
    # Many services name an address that is right inside their own network alone.
    address = capabilities.address if is_same_host(service.url, capabilities.address) else service.url
    window = None
    if context is not None and context.area_of_interest is not None:
        window = window_around(context.area_of_interest, context.metric_crs, margin_km)
    return _Question(service=service, kind=kind, version=capabilities.version, window=window,
                     address=with_query(address, {}, _OWN_PARAMETERS),
                     json_format="" if wish else capabilities.json_format)


def _type_of(service: WebService, capabilities: Capabilities, spec: LayerSpec) -> FeatureType:
    """Return the type that the spec names, with its prefix or, where that is enough, without."""
    exact = [kind for kind in capabilities.types if kind.name == spec.table]
    local = [kind for kind in capabilities.types if kind.name.rpartition(":")[2] == spec.table or not spec.table]
    found = exact or local
    if len(found) == 1:
        return found[0]
    shown = ", ".join(kind.name for kind in (found or capabilities.types)[:20]) or "-"
    raise LayerNotFoundError(
        f"layer {spec.name!r}: {service.place} has no single type {spec.table!r}; it has: {shown}; correct table under "
        f"[layers.{spec.name}] in the study file",
        f"图层 {spec.name!r}：{service.place} 中名为 {spec.table!r} 的要素类型不存在或不唯一；现有：{shown}；"
        f"请改正方案文件 [layers.{spec.name}] 下的 table")


def _hits(question: _Question) -> int | None:
    """Return how many features the service states, None where it does not say."""
    url = question.url(resultType="hits")
    return n_matched(question.service.get(url, _XML, lambda answer: _document(question.service, answer)))


def _read_pages(question: _Question, pages: FeaturePages, stated: int | None, limit: int) -> None:
    while stated is None or pages.n_features < stated:
        more = {"count": str(limit)}
        if pages.n_features:
            more["startIndex"] = str(pages.n_features)
        n_before = pages.n_features
        frame, ids, returned = _page(question, question.url(**more))
        pages.add(frame, ids, returned)
        if pages.n_features == n_before:
            break
    pages.expect(stated)


def _page(question: _Question, url: str) -> tuple[gpd.GeoDataFrame, list[str | None], int | None]:
    service = question.service
    if question.json_format:
        document = service.get(with_query(url, {"outputFormat": question.json_format}), "application/json",
                               service.json_object)
        try:
            frame, ids = from_geojson(document, None)
        except ValueError as error:
            raise service.error(Text(zh="的一页没有 features；请在 options 中写 output_format = \"gml\"",
                                     en="sends a page without features; write output_format = \"gml\" in options")
                                ) from error
        returned = document.get("numberReturned")
        return (frame.set_crs(_geojson_crs(document, frame, question.kind), allow_override=True), ids,
                returned if isinstance(returned, int) else None)
    content = service.get(url, _XML, lambda answer: _document(service, answer))
    try:
        frame, ids = from_gml(content)
    except (ValueError, RuntimeError) as error:
        reason = reason_of(error)
        raise service.error(Text(zh=f"的 GML 无法读取（{reason}）；请将图层导出为文件",
                                 en=f"sends GML that cannot be read ({reason}); export the layer as a file")) from error
    if frame.crs is None and len(frame):
        frame = frame.set_crs(_parsed(question.kind.crs))
    return frame, ids, n_returned(content)


def _geojson_crs(document: dict[str, Any], frame: gpd.GeoDataFrame, kind: FeatureType) -> CRS:
    """Return the CRS of a page of GeoJSON, which the page itself need not say."""
    try:
        member = document["crs"]["properties"]["name"]
    except (KeyError, TypeError):
        member = ""
    found = _parsed(str(member)) or _parsed(kind.crs) or parse_crs(WGS84)
    bounds = shapely.bounds(frame.geometry.to_numpy()).reshape(-1, 4)
    if not member and found.is_projected and bool((np.abs(bounds) <= 180.0).any()):
        # As RFC 7946 wants it: moved to longitude and latitude, whatever the type is kept in.
        return parse_crs(WGS84)
    return found


def _parsed(text: str) -> CRS | None:
    """Return the CRS of a URI or a code; None where it is unknown."""
    old = _OLD_CRS.search(text)
    try:
        return parse_crs(f"EPSG:{old[1]}" if old else text) if text else None
    except CrsError:
        return None
