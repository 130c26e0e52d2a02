"""What a WFS says of itself, and its pages in GML."""

from __future__ import annotations

import re
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree
from xml.parsers import expat

import geopandas as gpd

from layers.sources.files import gdal_silence
from layers.sources.vector_file import with_plain_name

_OUTPUTS = ("application/json", "application/geo+json", "geojson", "json")
"""Names that services give to GeoJSON."""
_MATCHED = re.compile(rb"\b(?:numberMatched|numberOfFeatures)\s*=\s*[\"'](\d+)[\"']")
_RETURNED = re.compile(rb"\bnumberReturned\s*=\s*[\"'](\d+)[\"']")
_HEAD_BYTES = 8192


@dataclass(frozen=True, kw_only=True)
class FeatureType:
    """One layer of a service."""

    name: str
    """As the service calls it, with its prefix."""

    crs: str
    """URI or code of the CRS that it is kept in."""


@dataclass(frozen=True, kw_only=True)
class Capabilities:
    """What a service can do."""

    version: str
    """``2.0.0`` or ``1.1.0``; what else it says, as it says it."""

    types: tuple[FeatureType, ...]
    """Its layers."""

    address: str
    """Where features are asked for; empty where it does not say."""

    json_format: str
    """What it calls GeoJSON; empty where it gives none."""

    has_paging: bool
    """It promises to page."""


def check_whole(content: bytes) -> None:
    """Read an XML document to its end.

    Raises
    ------
    ValueError
        It breaks off, is broken, or declares a document type: entities could make it grow without bounds.
    """
    parser = expat.ParserCreate()

    def refuse(*_: object) -> None:
        raise ValueError("a document type is declared")

    parser.StartDoctypeDeclHandler = refuse
    try:
        parser.Parse(content, True)
    except expat.ExpatError as error:
        raise ValueError(str(error)) from error


def root_name(content: bytes) -> str:
    """Return the name of the root element without its prefix; nothing where there is none."""
    match = re.search(rb"<(?:[\w.-]+:)?([A-Za-z][\w.-]*)", content[:_HEAD_BYTES])
    return match[1].decode() if match else ""


def capabilities_of(content: bytes) -> Capabilities:
    """Return what a capabilities document says.

    Parameters
    ----------
    content
        XML that :func:`check_whole` let pass.
    """
    root = ElementTree.fromstring(content)
    found = [FeatureType(name=_text(own, "Name"), crs=_text(own, "DefaultCRS") or _text(own, "DefaultSRS")
                         or _text(own, "SRS")) for own in _all(root, "FeatureType")]
    operation = next((own for own in _all(root, "Operation") if own.get("name") == "GetFeature"), None)
    gets = [] if operation is None else list(_all(operation, "Get"))
    address = next((value for own in gets for key, value in own.attrib.items() if key.rpartition("}")[2] == "href"), "")
    formats = [] if operation is None else [
        (value.text or "").strip() for parameter in _all(operation, "Parameter")
        if parameter.get("name", "").lower() == "outputformat" for value in _all(parameter, "Value")]
    named = {name.lower().partition(";")[0]: name for name in reversed(formats)}
    paging = next((own for own in _all(root, "Constraint") if own.get("name") == "ImplementsResultPaging"), None)
    said = "" if paging is None else _text(paging, "DefaultValue") or _text(paging, "Value")
    version = root.get("version", "")
    return Capabilities(
        version="2.0.0" if version.startswith("2.0") else "1.1.0" if version.startswith("1.1") else version,
        types=tuple(own for own in found if own.name), address=address,
        json_format=next((named[name] for name in _OUTPUTS if name in named), ""),
        has_paging=version.startswith("2.0") and said.lower() != "false")


def n_matched(content: bytes) -> int | None:
    """Return how many features a GML page says that there are, None where it does not say."""
    match = _MATCHED.search(content[:_HEAD_BYTES])
    return int(match[1]) if match else None


def n_returned(content: bytes) -> int | None:
    """Return how many features a GML page says that it holds, None where it does not say."""
    match = _RETURNED.search(content[:_HEAD_BYTES])
    return int(match[1]) if match else None


def from_gml(content: bytes) -> tuple[gpd.GeoDataFrame, list[str | None]]:
    """Return the features of a GML page, easting before northing, and what the service calls them.

    GDAL turns the axes of what is named by a URN. Every value stays text, as in a CSV: a page alone does not tell
    whether 001 is a number.

    Parameters
    ----------
    content
        The page.

    Raises
    ------
    ValueError, RuntimeError
        GDAL cannot read it.
    """
    import pyogrio

    with tempfile.TemporaryDirectory() as folder, _every_value_as_text(), gdal_silence():
        path = Path(folder) / "page.gml"
        path.write_bytes(content)
        if not len(pyogrio.list_layers(path)):
            return gpd.GeoDataFrame(geometry=[], crs=None), []
        frame = with_plain_name(pyogrio.read_dataframe(path, force_2d=True, on_invalid="ignore", DOWNLOAD_SCHEMA="NO"))
    ids: list[str | None] = [None] * len(frame)
    if "gml_id" in frame.columns:
        ids = [None if key is None else str(key) for key in frame["gml_id"].astype(object).tolist()]
    return frame, ids


@contextmanager
def _every_value_as_text() -> Iterator[None]:
    import pyogrio

    before = pyogrio.get_gdal_config_option("GML_FIELDTYPES")
    pyogrio.set_gdal_config_options({"GML_FIELDTYPES": "ALWAYS_STRING"})
    try:
        yield
    finally:
        pyogrio.set_gdal_config_options({"GML_FIELDTYPES": before})


def _all(element: ElementTree.Element, name: str) -> Iterator[ElementTree.Element]:
    """Yield the elements of that name in any namespace."""
    return element.iterfind(f".//{{*}}{name}")


def _text(element: ElementTree.Element, name: str) -> str:
    found = next(_all(element, name), None)
    return "" if found is None else (found.text or "").strip()
