"""KML 2.2: one document with a folder per layer, drawn as elsewhere, every value escaped."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, TextIO
from xml.sax.saxutils import escape, quoteattr

import numpy as np
import shapely

from gis.bilingual import Language
from layers.exports.bundles import Bundle, StudyLayer, described
from layers.exports.cell_texts import ColumnTexts, column_texts
from layers.exports.files import replace_file
from layers.exports.looks import LookRule, rule_of_rows
from layers.exports.qgis_styles import xml_text
from layers.exports.targets import in_degrees

_PX_PER_MM = 3.78
_ICON = "http://maps.google.com/mapfiles/kml/shapes/placemark_circle.png"
_TYPES = {"b": "bool", "i": "int", "u": "int", "f": "double"}


def write_kml(bundle: Bundle, path: Path | str) -> Path:
    """Write a study as one KML document in longitude and latitude, nine decimals.

    KML knows WGS84 alone: where another EPSG code was asked for, the file is in WGS84 all the same; where GCJ-02 was
    asked for, its name, its title and every feature say so.

    Parameters
    ----------
    bundle
        The study.
    path
        The file to write.

    Returns
    -------
    Path
        The file written.

    Raises
    ------
    ExportError
        The file cannot be written.
    """
    language = bundle.language
    with replace_file(path) as partial, partial.open("w", encoding="utf-8", errors="replace", newline="\n") as file:
        file.write('<?xml version="1.0" encoding="UTF-8"?>\n<kml xmlns="http://www.opengis.net/kml/2.2">\n<Document>\n')
        title = bundle.heading if bundle.target.is_gcj02 else bundle.title
        file.write(f"<name>{_text(title.to(language))}</name>\n<open>1</open>\n")
        for layer in bundle.layers:
            file.writelines(_styles(layer))
            file.writelines(_schema(layer, language))
        for layer in bundle.layers:
            _write_folder(file, bundle, layer)
        file.write("</Document>\n</kml>\n")
    return Path(path)


def _write_folder(file: TextIO, bundle: Bundle, layer: StudyLayer) -> None:
    language = bundle.language
    file.write(f"<Folder><name>{_text(layer.title.to(language))}</name>"
               f"<visibility>{int(layer.look.is_shown)}</visibility>"
               f"<description>{_text(described(layer, bundle.target).to(language))}</description>\n")
    for block in layer.rows.blocks():
        texts, rules = column_texts(block), rule_of_rows(layer.look, block)
        cells = [_cells(name, texts[name]) for name in layer.columns]
        labels = column_texts(block)[layer.look.label_column or layer.id_column].for_csv
        ids = texts[layer.id_column].for_csv
        head = f'<ExtendedData><SchemaData schemaUrl="#schema-{layer.name}">'
        shapes = in_degrees(block, bundle.target)
        for row, (label, identity) in enumerate(zip(labels, ids, strict=True)):
            style = f"<styleUrl>#{layer.name}-{rules[row]}</styleUrl>" if rules[row] >= 0 else ""
            data = "".join([column[row] for column in cells])
            file.write(f"<Placemark><name>{_text(label or identity)}</name>"
                       f"<visibility>{int(layer.look.is_shown)}</visibility>{style}"
                       f"{head}{data}</SchemaData></ExtendedData>{_geometry(shapes[row])}</Placemark>\n")
    file.write("</Folder>\n")


def _cells(name: str, column: ColumnTexts) -> list[str]:
    """Return each value of a column as an element; nothing where there is none."""
    # A cell of CSV may be quoted and guarded against spreadsheets; JSON says the value itself.
    head = f"<SimpleData name={quoteattr(name)}>"
    return ["" if said == "null" else f"{head}{_text(_unquoted(said))}</SimpleData>" for said in column.for_json]


def _unquoted(said: str) -> str:
    return str(json.loads(said)) if said.startswith('"') else said


def _schema(layer: StudyLayer, language: Language) -> Iterator[str]:
    dtypes = layer.rows.head(1).dtypes
    yield f'<Schema name="{layer.name}" id="schema-{layer.name}">\n'
    for name in layer.columns:
        kind = _TYPES.get(getattr(dtypes[name], "kind", "O"), "string")
        title = layer.titles.get(name, "") if language == "zh" else ""
        shown = f"<displayName>{_text(title)}</displayName>" if title else ""
        yield f'<SimpleField type="{kind}" name={quoteattr(name)}>{shown}</SimpleField>\n'
    yield "</Schema>\n"


def _styles(layer: StudyLayer) -> Iterator[str]:
    for place, rule in enumerate(layer.look.rules):
        fill = _colour(rule.fill, rule.fill_opacity) if rule.fill else "00ffffff"
        yield (f'<Style id="{layer.name}-{place}">'
               f"<IconStyle><color>{_colour(rule.fill or rule.colour, 1.0)}</color><scale>{_scale(rule):g}</scale>"
               f"<Icon><href>{_ICON}</href></Icon></IconStyle>"
               f"<LineStyle><color>{_colour(rule.colour, 1.0)}</color><width>{rule.width_mm * _PX_PER_MM:.1f}</width>"
               f"</LineStyle><PolyStyle><color>{fill}</color></PolyStyle></Style>\n")


def _scale(rule: LookRule) -> float:
    return round(rule.size_mm / 4.0, 2)


def _colour(colour: str, opacity: float) -> str:
    """Return a colour as KML writes it: alpha, blue, green, red."""
    return f"{round(255 * opacity):02x}{colour[5:7]}{colour[3:5]}{colour[1:3]}"


def _text(value: object) -> str:
    return escape(xml_text(value))


def _geometry(geometry: Any) -> str:
    if geometry is None or geometry.is_empty:
        return ""
    if hasattr(geometry, "geoms"):
        return f"<MultiGeometry>{''.join(_geometry(part) for part in geometry.geoms)}</MultiGeometry>"
    if geometry.geom_type == "Polygon":
        inner = "".join(f"<innerBoundaryIs>{_ring(ring)}</innerBoundaryIs>" for ring in geometry.interiors)
        outer = _ring(geometry.exterior)
        return f"<Polygon><outerBoundaryIs>{outer}</outerBoundaryIs>{inner}</Polygon>"
    name = "Point" if geometry.geom_type == "Point" else "LineString"
    return f"<{name}><coordinates>{_coordinates(geometry)}</coordinates></{name}>"


def _ring(ring: Any) -> str:
    return f"<LinearRing><coordinates>{_coordinates(ring)}</coordinates></LinearRing>"


def _coordinates(geometry: Any) -> str:
    pairs: Sequence[Sequence[float]] = np.round(shapely.get_coordinates(geometry), 9).tolist()
    return " ".join([f"{x!r},{y!r}" for x, y in pairs])
