"""The documents of the service: landing page, conformance, collections, queryables, and its OpenAPI description."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from gis.bilingual import Text
from layers.service_crs import CRS84
from layers.service_filters import FieldKind
from layers.service_schemas import feature_schemas, reference, shared_schemas
from layers.service_store import Collection

Document = dict[str, Any]

JSON, GEOJSON = "application/json", "application/geo+json"
OPENAPI = "application/vnd.oai.openapi+json;version=3.0"
SCHEMA = "application/schema+json"
PROBLEM = "application/json"
LARGEST_PAGE, USUAL_PAGE = 10_000, 100
LARGEST_OFFSET = 2**53
LONGEST_ID = 256

_FEATURES = "http://www.opengis.net/spec/ogcapi-features"
CONFORMANCE = (
    f"{_FEATURES}-1/1.0/conf/core", f"{_FEATURES}-1/1.0/conf/geojson", f"{_FEATURES}-1/1.0/conf/oas30",
    f"{_FEATURES}-2/1.0/conf/crs", f"{_FEATURES}-3/1.0/conf/queryables",
    f"{_FEATURES}-3/1.0/conf/queryables-query-parameters", f"{_FEATURES}-3/1.0/conf/filter",
    f"{_FEATURES}-3/1.0/conf/features-filter", "http://www.opengis.net/spec/cql2/1.0/conf/cql2-text",
    "http://www.opengis.net/spec/cql2/1.0/conf/basic-cql2",
    "http://www.opengis.net/spec/cql2/1.0/conf/advanced-comparison-operators",
)
_QUERYABLES_REL = "http://www.opengis.net/def/rel/ogc/1.0/queryables"


def link(base: str, path: str, rel: str, media: str, title: str = "") -> Document:
    """Return a link of a document."""
    return {"href": base + path, "rel": rel, "type": media} | ({"title": title} if title else {})


def landing(base: str, title: str, description: str) -> Document:
    """Return the landing page."""
    return {"title": title, "description": description, "links": [
        link(base, "/?f=json", "self", JSON), link(base, "/map.html", "alternate", "text/html", "地图 map"),
        link(base, "/api", "service-desc", OPENAPI), link(base, "/conformance", "conformance", JSON),
        link(base, "/collections", "data", JSON)]}


def conformance() -> Document:
    """Return the conformance classes."""
    return {"conformsTo": list(CONFORMANCE)}


def collections(base: str, served: Mapping[str, Collection], crs: Sequence[str]) -> Document:
    """Return all collections."""
    return {"links": [link(base, "/collections", "self", JSON)], "crs": list(crs),
            "collections": [collection(base, own, ["#/crs"]) for own in served.values()]}


def collection(base: str, own: Collection, crs: Sequence[str]) -> Document:
    """Return one collection."""
    path = f"/collections/{own.name}"
    return {
        "id": own.name, "title": own.title, "description": own.description, "itemType": "feature",
        "extent": {"spatial": {"bbox": [list(own.bbox)], "crs": CRS84}}, "crs": list(crs), "storageCrs": CRS84,
        "links": [link(base, path, "self", JSON), link(base, f"{path}/items", "items", GEOJSON, own.title),
                  link(base, f"{path}/queryables", _QUERYABLES_REL, SCHEMA)],
    }


def queryables(base: str, own: Collection) -> Document:
    """Return the fields of a collection that a filter may name, as a JSON Schema."""
    return {"$schema": "https://json-schema.org/draft/2020-12/schema",
            "$id": f"{base}/collections/{own.name}/queryables", "type": "object", "title": own.title,
            "additionalProperties": False,
            "properties": {name: {"type": kind, "title": own.field_titles.get(name, name)}
                           for name, kind in own.fields.items()}}


def problem(code: str, text: Text) -> Document:
    """Return what is said of a request that is refused."""
    return {"code": code, "description": f"{text.zh} {text.en}"}


def openapi(base: str, title: str, version: str, served: Mapping[str, Collection], crs: Sequence[str]) -> Document:
    """Return the OpenAPI 3.0 description; GDAL reads the largest page from it."""
    paths: Document = {
        "/": {"get": _operation("landing", "Landing page", JSON, reference("landingPage"), [_format()])},
        "/conformance": {"get": _operation("conformance", "Conformance classes", JSON, reference("confClasses"),
                                            [_format()])},
        "/api": {"get": _operation("api", "This description", OPENAPI, {"type": "object"}, [_format()])},
        "/collections": {"get": _operation("collections", "Collections", JSON, reference("collections"), [_format()])},
    }
    schemas = shared_schemas()
    for own in served.values():
        path = f"/collections/{own.name}"
        schemas |= feature_schemas(own.name, own.fields)
        paths[path] = {"get": _operation(f"{own.name}.collection", own.title, JSON, reference("collection"),
                                         [_format()])}
        paths[f"{path}/queryables"] = {"get": _operation(f"{own.name}.queryables", own.title, SCHEMA,
                                                         reference("queryables"), [_format()])}
        paths[f"{path}/items"] = {"get": _operation(
            f"{own.name}.items", own.title, GEOJSON, reference(f"{own.name}_page"),
            [*_page_parameters(crs), *_field_parameters(own.fields)])}
        paths[f"{path}/items/{{featureId}}"] = {"get": _operation(
            f"{own.name}.item", own.title, GEOJSON, reference(f"{own.name}_feature"),
            [{"name": "featureId", "in": "path", "required": True,
              "schema": {"type": "string", "minLength": 1, "maxLength": LONGEST_ID}},
             _crs_parameter("crs", crs), _format()], may_be_missing=True)}
    return {"openapi": "3.0.3", "info": {"title": title, "version": version}, "servers": [{"url": base or "/"}],
            "paths": paths, "components": {"schemas": schemas}}


def _operation(identity: str, summary: str, media: str, schema: Document, parameters: list[Document], *,
               may_be_missing: bool = False) -> Document:
    refused = {"content": {PROBLEM: {"schema": reference("exception")}}}
    answers: Document = {
        "200": {"description": "OK", "content": {media: {"schema": schema}}},
        "400": {"description": "A parameter is wrong", **refused}}
    if may_be_missing:
        answers["404"] = {"description": "No such feature", **refused}
    answers["503"] = {"description": "The query takes too long", **refused}
    return {"operationId": identity, "summary": summary, "parameters": parameters, "responses": answers}


def _page_parameters(crs: Sequence[str]) -> list[Document]:
    numbers = {"type": "array", "minItems": 4, "maxItems": 6, "items": {"type": "number"}}
    whole = {"type": "integer", "minimum": 0, "maximum": LARGEST_OFFSET, "default": 0}
    return [
        _parameter("limit", {"type": "integer", "minimum": 1, "maximum": LARGEST_PAGE, "default": USUAL_PAGE}),
        _parameter("offset", whole), _parameter("bbox", numbers) | {"style": "form", "explode": False},
        _crs_parameter("bbox-crs", crs), _crs_parameter("crs", crs), _parameter("datetime", {"type": "string"}),
        _parameter("filter", {"type": "string"}),
        _parameter("filter-lang", {"type": "string", "enum": ["cql2-text"], "default": "cql2-text"}), _format()]


def _field_parameters(fields: Mapping[str, FieldKind]) -> list[Document]:
    reserved = {"limit", "offset", "bbox", "bbox-crs", "crs", "datetime", "filter", "filter-lang", "f"}
    return [_parameter(name, {"type": kind}) for name, kind in fields.items() if name not in reserved]


def _crs_parameter(name: str, crs: Sequence[str]) -> Document:
    return _parameter(name, {"type": "string", "format": "uri", "enum": list(crs), "default": CRS84})


def _format() -> Document:
    return _parameter("f", {"type": "string", "enum": ["json"]})


def _parameter(name: str, schema: Document) -> Document:
    return {"name": name, "in": "query", "required": False, "schema": schema}
