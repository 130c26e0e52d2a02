"""GeoPackage: one file with every layer and table, styles by which QGIS draws it, and titles of the fields."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable
from contextlib import closing
from pathlib import Path

from gis.errors import ExportError
from layers.exports.bundles import Bundle, StudyLayer, described
from layers.exports.gdal_files import FIXED_TIME, drafted, write_rows, write_table
from layers.exports.qgis_styles import style_document

_SCHEMA_EXTENSION = """
CREATE TABLE gpkg_data_columns (
  table_name TEXT NOT NULL, column_name TEXT NOT NULL, name TEXT, title TEXT, description TEXT, mime_type TEXT,
  constraint_name TEXT, CONSTRAINT pk_gdc PRIMARY KEY (table_name, column_name),
  CONSTRAINT gdc_tn UNIQUE (table_name, name));
CREATE TABLE gpkg_data_column_constraints (
  constraint_name TEXT NOT NULL, constraint_type TEXT NOT NULL, value TEXT, min NUMERIC, min_is_inclusive BOOLEAN,
  max NUMERIC, max_is_inclusive BOOLEAN, description TEXT,
  CONSTRAINT gdcc_ntv UNIQUE (constraint_name, constraint_type, value));
"""
_STYLES = """
CREATE TABLE layer_styles (
  id INTEGER PRIMARY KEY AUTOINCREMENT NOT NULL, f_table_catalog TEXT, f_table_schema TEXT, f_table_name TEXT,
  f_geometry_column TEXT, styleName TEXT, styleQML TEXT, styleSLD TEXT, useAsDefault BOOLEAN, description TEXT,
  owner TEXT, ui TEXT, update_time DATETIME);
"""
_VERSION = "1.2"
"""What ten years of GIS read; nothing of later versions is used."""
_EXTENSION_PAGE = "http://www.geopackage.org/spec121/#extension_schema"
GEOMETRY_COLUMN = "geom"


def write_geopackage(bundle: Bundle, path: Path | str) -> Path:
    """Write a study as one GeoPackage: the same study gives the same bytes.

    Layers become feature tables with a spatial index; tables (sources, rules, summary) become attribute tables.
    ``layer_styles`` holds a QML style for each layer, ``gpkg_data_columns`` the Chinese title of each field.

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
    with drafted(path) as draft:
        for layer in bundle.layers:
            options = {"VERSION": _VERSION, "SPATIAL_INDEX": "YES", "GEOMETRY_NAME": GEOMETRY_COLUMN,
                       "IDENTIFIER": layer.title.to(bundle.language),
                       "DESCRIPTION": described(layer, bundle.target).to(bundle.language)}
            write_rows(layer.rows, draft, driver="GPKG", layer=layer.name, options=options)
        for table in bundle.tables:
            write_table(table.frame, draft, driver="GPKG", layer=table.name,
                        options={"IDENTIFIER": table.title.to(bundle.language)})
        try:
            _tell_more(bundle, draft)
        except sqlite3.Error as error:
            raise ExportError(f"cannot write {path}: {error}; free some space or choose another folder",
                              f"无法写入 {path}：{error}；请清理空间或换一个输出目录") from error
    return Path(path)


def _tell_more(bundle: Bundle, draft: Path) -> None:
    """Add titles of fields and styles of layers."""
    with closing(sqlite3.connect(draft)) as connection, connection:
        connection.executescript(_SCHEMA_EXTENSION + _STYLES)
        _extend(connection)
        titles = [(layer.name, column, layer.titles[column])
                  for layer in bundle.layers for column in layer.columns if layer.titles.get(column)]
        titles += [(table.name, column, title.zh) for table in bundle.tables for column, title in table.titles.items()]
        connection.executemany("INSERT INTO gpkg_data_columns (table_name, column_name, name, title) "
                               "VALUES (?1, ?2, ?3, ?3)", titles)
        _add_styles(connection, bundle.layers, bundle)


def _extend(connection: sqlite3.Connection) -> None:
    connection.execute("CREATE TABLE IF NOT EXISTS gpkg_extensions (table_name TEXT, column_name TEXT, "
                       "extension_name TEXT NOT NULL, definition TEXT NOT NULL, scope TEXT NOT NULL, "
                       "CONSTRAINT ge_tce UNIQUE (table_name, column_name, extension_name))")
    connection.executemany(
        "INSERT INTO gpkg_extensions VALUES (?, NULL, 'gpkg_schema', ?, 'read-write')",
        [(name, _EXTENSION_PAGE) for name in ("gpkg_data_columns", "gpkg_data_column_constraints")])


def _add_styles(connection: sqlite3.Connection, layers: Iterable[StudyLayer], bundle: Bundle) -> None:
    connection.execute("INSERT INTO gpkg_contents (table_name, data_type, identifier, description, last_change) "
                       "VALUES ('layer_styles', 'attributes', 'layer_styles', '', ?)", (FIXED_TIME,))
    connection.executemany(
        "INSERT INTO layer_styles (f_table_catalog, f_table_schema, f_table_name, f_geometry_column, styleName, "
        "styleQML, styleSLD, useAsDefault, description, owner, ui, update_time) "
        "VALUES ('', '', ?, ?, ?, ?, '', 1, ?, '', NULL, ?)",
        [(layer.name, GEOMETRY_COLUMN, layer.name, style_document(layer, bundle.language),
          layer.title.to(bundle.language), FIXED_TIME) for layer in layers])
