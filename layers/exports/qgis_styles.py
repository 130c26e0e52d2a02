"""QGIS's own words for how a layer is drawn: rule-based renderers, aliases, and whole style documents (QML)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Literal
from xml.etree import ElementTree as ET

from gis.bilingual import Language
from layers.exports.bundles import StudyLayer
from layers.exports.layer_rows import common_type
from layers.exports.looks import LookRule, expression

QGIS_VERSION = "3.22.0"
"""The oldest that the documents are written for; later ones read them too."""

Kind = Literal["marker", "line", "fill"]
_NOT_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_SAMPLE = 200
_GEOMETRIES: Mapping[Kind, tuple[str, str]] = {
    "marker": ("Point", "0"), "line": ("Line", "1"), "fill": ("Polygon", "2"),
}


def xml_text(value: object) -> str:
    """Return text without the characters that no XML may hold."""
    return _NOT_XML.sub("\ufffd", str(value))


def symbol_kind(layer: StudyLayer) -> Kind:
    """Return what kind of symbol the features of a layer need."""
    declared, _ = common_type(layer.rows.geometry_types)
    if declared == "Unknown":
        declared = next((g.geom_type for g in layer.rows.head(_SAMPLE).geometry if g is not None), "Point")
    if declared.endswith("Polygon"):
        return "fill"
    return "line" if "Line" in declared else "marker"


def geometry_words(layer: StudyLayer) -> tuple[str, str]:
    """Return the geometry of a layer as QGIS writes it in a project and in a style."""
    return _GEOMETRIES[symbol_kind(layer)]


def renderer(layer: StudyLayer, language: Language) -> ET.Element:
    """Return the rule-based renderer of a layer."""
    kind = symbol_kind(layer)
    found = ET.Element("renderer-v2", type="RuleRenderer", symbollevels="0", enableorderby="0", forceraster="0")
    rules = ET.SubElement(found, "rules", key=_key(0))
    symbols = ET.SubElement(found, "symbols")
    for place, rule in enumerate(layer.look.rules):
        title = rule.title.to(language) or layer.title.to(language)
        ET.SubElement(rules, "rule", key=_key(place + 1), filter=xml_text(expression(rule)), symbol=str(place),
                      label=xml_text(title))
        symbols.append(_symbol(place, rule, kind))
    return found


def aliases(layer: StudyLayer, language: Language) -> ET.Element:
    """Return the titles of a layer's fields: Chinese ones in Chinese, the names themselves in English."""
    found = ET.Element("aliases")
    for place, column in enumerate(layer.columns):
        title = layer.titles.get(column, "") if language == "zh" else ""
        ET.SubElement(found, "alias", index=str(place), field=column, name=xml_text(title))
    return found


def style_document(layer: StudyLayer, language: Language) -> str:
    """Return the style of a layer as a QML document."""
    root = ET.Element("qgis", version=QGIS_VERSION, styleCategories="Symbology|Fields|Forms|MapTips")
    root.append(renderer(layer, language))
    root.append(aliases(layer, language))
    _preview(root, layer)
    ET.SubElement(root, "layerGeometryType").text = geometry_words(layer)[1]
    return "<!DOCTYPE qgis PUBLIC 'http://mrcc.com/qgis.dtd' 'SYSTEM'>\n" + ET.tostring(root, encoding="unicode")


def _preview(parent: ET.Element, layer: StudyLayer) -> None:
    column = layer.look.label_column or layer.id_column
    ET.SubElement(parent, "previewExpression").text = '"' + column.replace('"', '""') + '"'


def _symbol(place: int, rule: LookRule, kind: Kind) -> ET.Element:
    found = ET.Element("symbol", type=kind, name=str(place), alpha="1", clip_to_extent="1", force_rhr="0")
    classes = {"marker": "SimpleMarker", "line": "SimpleLine", "fill": "SimpleFill"}
    layer = ET.SubElement(found, "layer", {"class": classes[kind], "enabled": "1", "locked": "0", "pass": "0"})
    properties = {"marker": _marker, "line": _line, "fill": _fill}[kind](rule)
    options = ET.SubElement(layer, "Option", type="Map")
    for name, value in properties.items():
        ET.SubElement(options, "Option", type="QString", name=name, value=value)
    # QGIS before 3.26 reads the same as "prop".
    for name, value in properties.items():
        ET.SubElement(layer, "prop", k=name, v=value)
    return found


def _marker(rule: LookRule) -> dict[str, str]:
    return {"name": rule.shape, "color": _rgba(rule.fill or rule.colour, rule.fill_opacity),
            "outline_color": _rgba(rule.colour, 1.0), "outline_style": "solid", "outline_width": f"{rule.width_mm:g}",
            "outline_width_unit": "MM", "size": f"{rule.size_mm:g}", "size_unit": "MM", "angle": "0", "offset": "0,0"}


def _line(rule: LookRule) -> dict[str, str]:
    return {"line_color": _rgba(rule.colour, 1.0), "line_style": "solid", "line_width": f"{rule.width_mm:g}",
            "line_width_unit": "MM", "capstyle": "round", "joinstyle": "round",
            "use_customdash": "1" if rule.dash_mm else "0", "customdash_unit": "MM",
            "customdash": ";".join(f"{d:g}" for d in rule.dash_mm) or "5;2"}


def _fill(rule: LookRule) -> dict[str, str]:
    return {"color": _rgba(rule.fill or rule.colour, rule.fill_opacity if rule.fill else 0.0),
            "style": "solid" if rule.fill and rule.fill_opacity > 0 else "no", "outline_color": _rgba(rule.colour, 1.0),
            "outline_style": "dash" if rule.dash_mm else "solid", "outline_width": f"{rule.width_mm:g}",
            "outline_width_unit": "MM", "joinstyle": "round", "offset": "0,0"}


def _rgba(colour: str, opacity: float) -> str:
    parts = [int(colour[at:at + 2], 16) for at in (1, 3, 5)]
    return ",".join(map(str, [*parts, round(255 * opacity)]))


def _key(number: int) -> str:
    return f"{{00000000-0000-4000-8000-{number:012d}}}"
