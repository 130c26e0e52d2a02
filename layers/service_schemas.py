"""What each answer of the service looks like, as schemas of its OpenAPI description.

The members and what is required follow OGC 17-069r4 (Features, Part 1) and 18-058r1 (Part 2), and RFC 7946 for
geometries and features.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from layers.service_filters import FieldKind

Schema = dict[str, Any]

_TEXT: Schema = {"type": "string"}
_URI: Schema = {"type": "string", "format": "uri"}
_COUNT: Schema = {"type": "integer", "minimum": 0}


def reference(name: str) -> Schema:
    """Return a reference to a schema of the description."""
    return {"$ref": f"#/components/schemas/{name}"}


def _object(required: str, **properties: Schema) -> Schema:
    return {"type": "object", "required": required.split(), "properties": properties}


def _list(of: Schema, **more: Any) -> Schema:
    return {"type": "array", "items": of, **more}


_LINKS = _list(reference("link"))
_POSITION = _list({"type": "number"}, minItems=2, maxItems=2)
_LINE = _list(_POSITION, minItems=2)
_RING = _list(_POSITION, minItems=4)
_COORDINATES: Mapping[str, Schema] = {
    "Point": _POSITION, "MultiPoint": _list(_POSITION), "LineString": _LINE, "MultiLineString": _list(_LINE),
    "Polygon": _list(_RING, minItems=1), "MultiPolygon": _list(_list(_RING, minItems=1)),
}


def _geometry() -> Schema:
    return {"oneOf": [_object("type coordinates", type={"type": "string", "enum": [kind]}, coordinates=coordinates)
                      for kind, coordinates in _COORDINATES.items()]}


def shared_schemas() -> dict[str, Schema]:
    """Return the schemas that hold for every study."""
    box = _list({"type": "number"}, minItems=4, maxItems=6)
    extent = _object("spatial", spatial=_object("bbox", bbox=_list(box, minItems=1), crs=_URI))
    return {
        "link": _object("href rel", href=_URI, rel=_TEXT, type=_TEXT, title=_TEXT),
        "landingPage": _object("links", title=_TEXT, description=_TEXT, links=_LINKS),
        "confClasses": _object("conformsTo", conformsTo=_list(_URI, minItems=1)),
        "collection": _object("id links extent crs", id=_TEXT, title=_TEXT, description=_TEXT, links=_LINKS,
                              extent=extent, itemType={"type": "string", "enum": ["feature"]}, crs=_list(_TEXT),
                              storageCrs=_URI),
        "collections": _object("links collections", links=_LINKS, crs=_list(_URI),
                               collections=_list(reference("collection"))),
        "queryables": _object("$schema $id type properties", **{
            "$schema": _URI, "$id": _URI, "type": {"type": "string", "enum": ["object"]}, "title": _TEXT,
            "additionalProperties": {"type": "boolean"},
            "properties": {"type": "object", "additionalProperties": _object("type", type=_TEXT, title=_TEXT)}}),
        "geometry": _geometry(),
        "exception": _object("code", code=_TEXT, description=_TEXT),
    }


def feature_schemas(name: str, fields: Mapping[str, FieldKind]) -> dict[str, Schema]:
    """Return the schemas of one collection: ``NAME_feature`` and ``NAME_page``.

    Parameters
    ----------
    name
        The collection.
    fields
        Its plain fields and their kinds; any of them may be empty.
    """
    properties = {field: {"type": kind, "nullable": True} for field, kind in fields.items()}
    feature = _object(
        "type id geometry properties", type={"type": "string", "enum": ["Feature"]}, id=_TEXT,
        geometry=reference("geometry"), properties={"type": "object", "properties": properties}, links=_LINKS)
    page = _object(
        "type features links numberMatched numberReturned", type={"type": "string", "enum": ["FeatureCollection"]},
        features=_list(reference(f"{name}_feature")), links=_LINKS, numberMatched=_COUNT, numberReturned=_COUNT)
    return {f"{name}_feature": feature, f"{name}_page": page}
