"""A QGIS project (.qgz): the layers of a GeoPackage beside it, drawn, titled and in order."""

from __future__ import annotations

import zipfile
from collections.abc import Sequence
from pathlib import Path
from xml.etree import ElementTree as ET

import numpy as np
from pyproj import CRS

from layers.exports.bundles import Bundle, StudyLayer, described
from layers.exports.files import replace_file
from layers.exports.qgis_styles import QGIS_VERSION, aliases, geometry_words, renderer, xml_text
from layers.exports.targets import Target

_ZIP_TIME = (1980, 1, 1, 0, 0, 0)
_MARGIN = 0.03


def write_qgis_project(bundle: Bundle, path: Path | str, *, geopackage: str) -> Path:
    """Write a project over a GeoPackage that ``write_geopackage`` made of the same bundle.

    Parameters
    ----------
    bundle
        The study.
    path
        The file to write.
    geopackage
        Name of the GeoPackage in the same folder; the project finds it wherever both are moved.

    Returns
    -------
    Path
        The file written.

    Raises
    ------
    ExportError
        The file cannot be written.
    """
    name = Path(path).stem
    with replace_file(path) as partial, zipfile.ZipFile(partial, "w", zipfile.ZIP_DEFLATED) as archive:
        entry = zipfile.ZipInfo(f"{name}.qgs", date_time=_ZIP_TIME)
        entry.compress_type = zipfile.ZIP_DEFLATED
        entry.external_attr = 0o644 << 16
        archive.writestr(entry, project_document(bundle, geopackage))
    return Path(path)


def project_document(bundle: Bundle, geopackage: str) -> str:
    """Return the project as XML.

    Parameters
    ----------
    bundle
        The study.
    geopackage
        Name of the GeoPackage in the same folder.
    """
    title = xml_text(bundle.heading.to(bundle.language))
    root = ET.Element("qgis", version=QGIS_VERSION, projectname=title)
    ET.SubElement(root, "homePath", path="")
    ET.SubElement(root, "title").text = title
    ET.SubElement(root, "projectCrs").append(_crs(bundle.target))
    root.append(_tree(bundle, geopackage))
    root.append(_canvas(bundle))
    layers = ET.SubElement(root, "projectlayers")
    for layer in bundle.layers:
        layers.append(_layer(bundle, layer, geopackage))
    order = ET.SubElement(root, "layerorder")
    for layer in reversed(bundle.layers):
        ET.SubElement(order, "layer", id=_layer_id(layer))
    paths = ET.SubElement(ET.SubElement(root, "properties"), "Paths")
    ET.SubElement(paths, "Absolute", type="bool").text = "false"
    return "<!DOCTYPE qgis PUBLIC 'http://mrcc.com/qgis.dtd' 'SYSTEM'>\n" + ET.tostring(root, encoding="unicode")


def _tree(bundle: Bundle, geopackage: str) -> ET.Element:
    """Return the list of layers, what is drawn above first."""
    tree = ET.Element("layer-tree-group")
    ET.SubElement(tree, "customproperties")
    for layer in reversed(bundle.layers):
        ET.SubElement(tree, "layer-tree-layer", id=_layer_id(layer), name=xml_text(layer.title.to(bundle.language)),
                      checked="Qt::Checked" if layer.look.is_shown else "Qt::Unchecked", expanded="0",
                      providerKey="ogr", source=_source(layer, geopackage), legend_exp="", patch_size="-1,-1")
    return tree


def _canvas(bundle: Bundle) -> ET.Element:
    canvas = ET.Element("mapcanvas", name="theMapCanvas", annotationsVisible="1")
    ET.SubElement(canvas, "units").text = "degrees" if bundle.target.has_degrees else "meters"
    # What is hidden at first (links to far cities) must not shrink what is seen.
    _box(ET.SubElement(canvas, "extent"), _bounds([own for own in bundle.layers if own.look.is_shown] or bundle.layers))
    ET.SubElement(canvas, "rotation").text = "0"
    ET.SubElement(canvas, "destinationsrs").append(_crs(bundle.target))
    return canvas


def _layer(bundle: Bundle, layer: StudyLayer, geopackage: str) -> ET.Element:
    language = bundle.language
    found = ET.Element("maplayer", type="vector", geometry=geometry_words(layer)[0], autoRefreshEnabled="0",
                       hasScaleBasedVisibilityFlag="0", simplifyDrawingHints="1", simplifyMaxScale="1",
                       labelsEnabled="0", readOnly="0")
    _box(ET.SubElement(found, "extent"), layer.rows.bounds)
    ET.SubElement(found, "id").text = _layer_id(layer)
    ET.SubElement(found, "datasource").text = _source(layer, geopackage)
    ET.SubElement(found, "layername").text = xml_text(layer.title.to(language))
    ET.SubElement(found, "title").text = xml_text(layer.title.to(language))
    ET.SubElement(found, "abstract").text = xml_text(described(layer, bundle.target).to(language))
    ET.SubElement(found, "srs").append(_crs(bundle.target))
    ET.SubElement(found, "provider", encoding="UTF-8").text = "ogr"
    found.append(aliases(layer, language))
    found.append(renderer(layer, language))
    ET.SubElement(found, "blendMode").text = "0"
    ET.SubElement(found, "layerOpacity").text = "1"
    column = layer.look.label_column or layer.id_column
    ET.SubElement(found, "previewExpression").text = '"' + column.replace('"', '""') + '"'
    return found


def _source(layer: StudyLayer, geopackage: str) -> str:
    return f"./{geopackage}|layername={layer.name}"


def _layer_id(layer: StudyLayer) -> str:
    return f"suanzhi_{layer.name}"


def _bounds(layers: Sequence[StudyLayer]) -> list[float]:
    boxes = np.array([layer.rows.bounds for layer in layers])
    low, high = np.nanmin(boxes[:, :2], axis=0), np.nanmax(boxes[:, 2:], axis=0)
    margin = (high - low) * _MARGIN
    return [*(low - margin).tolist(), *(high + margin).tolist()]


def _box(parent: ET.Element, bounds: Sequence[float]) -> None:
    for name, value in zip(("xmin", "ymin", "xmax", "ymax"), bounds, strict=True):
        ET.SubElement(parent, name).text = repr(float(value))


def _crs(target: Target) -> ET.Element:
    crs: CRS = target.crs
    found = ET.Element("spatialrefsys", nativeFormat="Wkt")
    parts = {
        "wkt": crs.to_wkt(), "proj4": "", "srsid": "0", "srid": str(target.epsg),
        "authid": "" if target.is_gcj02 else target.key, "description": crs.name, "projectionacronym": "",
        "ellipsoidacronym": "", "geographicflag": str(crs.is_geographic).lower(),
    }
    for name, value in parts.items():
        ET.SubElement(found, name).text = value
    return found
