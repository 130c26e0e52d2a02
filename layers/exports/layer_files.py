"""Formats of one file per layer: FlatGeobuf, GeoJSON (RFC 7946) and its sequences (RFC 8142), GeoParquet, CSV."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Literal

import pandas as pd

from layers.exports.bundles import Bundle, StudyLayer, described
from layers.exports.cell_texts import ColumnTexts, column_texts
from layers.exports.files import replace_file
from layers.exports.gdal_files import drafted, write_stream
from layers.exports.geojson import feature_template, geometry_texts, id_texts, open_geojson
from layers.exports.geoparquet import open_parquet
from layers.exports.tables import open_csv, write_csv
from layers.exports.targets import in_degrees, place_titles, places_of

LayerForm = Literal["fgb", "geojson", "geojsonseq", "geoparquet", "csv"]

_ROWS_PER_GROUP = 65_536
"""Rows of a row group of Parquet."""
_SEPARATOR = "\x1e"


def write_layers(bundle: Bundle, folder: Path | str, form: LayerForm) -> tuple[Path, ...]:
    """Write each layer of a study as a file of its own, block by block: the same study gives the same bytes.

    GeoJSON is in longitude and latitude, seven decimals: where an EPSG code of metres was asked for, of WGS84 all the
    same. A CSV has the columns and the coordinates of a point inside each feature, not its shape; the tables of the
    study lie beside, under the headings of the bundle's language.

    Parameters
    ----------
    bundle
        The study.
    folder
        Where to write.
    form
        Format of the files.

    Returns
    -------
    tuple of Path
        The files written.

    Raises
    ------
    ExportError
        A file cannot be written, or what the format needs is not installed.
    """
    ending, write = _FORMS[form]
    written = []
    for layer in bundle.layers:
        path = Path(folder) / f"{layer.name}{bundle.target.suffix}{ending}"
        write(bundle, layer, path)
        written.append(path)
    if form == "csv":
        written += [write_csv(table.frame, Path(folder) / f"{table.name}{bundle.target.suffix}{ending}", columns=[
            (str(c), table.titles[c].to(bundle.language) if c in table.titles else str(c)) for c in table.frame.columns
        ]) for table in bundle.tables]
    return tuple(written)


def _write_flatgeobuf(bundle: Bundle, layer: StudyLayer, path: Path) -> None:
    """Write with a packed R-tree; title and sources stand in the file's head."""
    options = {"SPATIAL_INDEX": "YES", "TITLE": layer.title.to(bundle.language),
               "DESCRIPTION": described(layer, bundle.target).to(bundle.language)}
    with drafted(path) as draft:
        write_stream(layer.rows, draft, driver="FlatGeobuf", layer=layer.name, options=options)


def _write_geojson(bundle: Bundle, layer: StudyLayer, path: Path) -> None:
    members = {"name": layer.name, **_told(bundle, layer)}
    with open_geojson(path, layer.columns, members) as write:
        for block in layer.rows.blocks():
            texts = column_texts(block)
            write(id_texts(block[layer.id_column]), [texts[name] for name in layer.columns],
                  geometry_texts(in_degrees(block, bundle.target)))


def _write_sequence(bundle: Bundle, layer: StudyLayer, path: Path) -> None:
    """Write one feature per record, for pipes and streaming readers."""
    template = f"{_SEPARATOR}{feature_template(layer.columns)}\n"
    with replace_file(path) as partial, partial.open("w", encoding="utf-8", errors="replace", newline="\n") as file:
        for block in layer.rows.blocks():
            texts = column_texts(block)
            rows = zip(id_texts(block[layer.id_column]), *(texts[name].for_json for name in layer.columns),
                       geometry_texts(in_degrees(block, bundle.target)), strict=True)
            file.write("".join([template % row for row in rows]))


def _write_geoparquet(bundle: Bundle, layer: StudyLayer, path: Path) -> None:
    with open_parquet(path, titles=layer.titles, types=sorted(layer.rows.geometry_types - {"Unknown"}),
                      metadata=_told(bundle, layer), crs=bundle.target.crs) as write:
        for block in layer.rows.blocks(_ROWS_PER_GROUP) if len(layer.rows) else [layer.rows.head(0)]:
            write(block)


def _write_csv(bundle: Bundle, layer: StudyLayer, path: Path) -> None:
    titles = layer.titles if bundle.language == "zh" else {}
    headings = [titles.get(name, name) for name in layer.columns]
    headings += [title.to(bundle.language) for title in place_titles(bundle.target)]
    with open_csv(path, headings) as write:
        for block in layer.rows.blocks():
            texts = column_texts(block)
            places = [ColumnTexts(pd.Series(axis)) for axis in places_of(block, bundle.target).T]
            write([*(texts[name] for name in layer.columns), *places], len(block))


def _told(bundle: Bundle, layer: StudyLayer) -> dict[str, object]:
    """Return what a file says of itself."""
    return {"title": layer.title.to(bundle.language),
            "description": described(layer, bundle.target).to(bundle.language), "provenance": list(layer.terms)}


_FORMS: Mapping[LayerForm, tuple[str, Callable[[Bundle, StudyLayer, Path], None]]] = MappingProxyType({
    "fgb": (".fgb", _write_flatgeobuf), "geojson": (".geojson", _write_geojson),
    "geojsonseq": (".geojsons", _write_sequence), "geoparquet": (".parquet", _write_geoparquet),
    "csv": (".csv", _write_csv),
})
