"""PostGIS: one schema per study with keys, spatial indexes and comments, in one transaction: all of it or nothing."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

import geopandas as gpd
import numpy as np
import pandas as pd
import shapely

from gis.errors import ExportError
from layers.exports.bundles import Bundle, StudyLayer, StudyTable, described
from layers.exports.gdal_files import made_multiple
from layers.exports.layer_rows import common_type
from layers.postgis_connection import POSTGIS_SCHEMA, address_of, driver, reason_of

if TYPE_CHECKING:
    from psycopg import Connection, Cursor
    from psycopg.sql import Identifier

_MARK = "suanzhi: "
"""What the comment of every table begins with that this product may replace."""
_LONGEST_NAME = 63
_BLOCK = 20_000
_TYPES = {"b": "boolean", "i": "bigint", "u": "bigint", "f": "double precision"}
_TABLES_THERE = """
SELECT c.relname, obj_description(c.oid, 'pg_class') FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE n.nspname = %s AND c.relkind IN ('r', 'p', 'v', 'm', 'f') ORDER BY c.relname
"""


def write_postgis(bundle: Bundle, *, address: str = "") -> tuple[str, ...]:
    """Write a study into a schema of its own, ``suanzhi_NAME``.

    Tables of an earlier export are replaced; a schema that holds anything else is refused. GCJ-02 has SRID 0.

    Parameters
    ----------
    bundle
        The study.
    address
        Connection string or URL without a password; empty for ``SUANZHI_POSTGIS``, or what libpq finds by itself
        (``PGSERVICE``, ``PGHOST``, ``PGPASSWORD``, ``~/.pgpass``).

    Returns
    -------
    tuple of str
        ``postgis:SCHEMA.TABLE`` for each table.

    Raises
    ------
    UsageError
        The address holds a password, or nothing says where the database is.
    ExportError
        psycopg is not installed, the database cannot be reached, or it refuses.
    """
    psycopg = driver(ExportError)
    target = address_of(address, "give --database", "使用 --database")
    schema = schema_name(bundle)
    try:
        with psycopg.connect(target, application_name="suanzhi") as connection:
            _write(connection, bundle, schema)
    except psycopg.Error as error:
        reason = reason_of(error)
        raise ExportError(f"cannot write to PostGIS: {reason}; nothing was changed there",
                          f"无法写入 PostGIS：{reason}；数据库未作任何改动") from error
    names = [layer.name for layer in bundle.layers] + [table.name for table in bundle.tables]
    return tuple(f"postgis:{schema}.{name}" for name in names)


def schema_name(bundle: Bundle) -> str:
    """Return the name of a study's schema, short enough for PostgreSQL not to cut it."""
    return f"suanzhi_{bundle.name}".encode()[:_LONGEST_NAME].decode(errors="ignore")


def _write(connection: Connection[Any], bundle: Bundle, schema: str) -> None:
    from psycopg import sql

    with connection.cursor() as cursor:
        home = cursor.execute(POSTGIS_SCHEMA).fetchone()
        if home is None:
            raise ExportError("the database has no PostGIS; have its administrator run: CREATE EXTENSION postgis",
                              "该数据库未启用 PostGIS；请管理员执行 CREATE EXTENSION postgis")
        cursor.execute(sql.SQL("CREATE SCHEMA IF NOT EXISTS {}").format(sql.Identifier(schema)))
        for name in _replaceable(cursor, schema):
            cursor.execute(sql.SQL("DROP TABLE {}").format(sql.Identifier(schema, name)))
        cursor.execute(sql.SQL("COMMENT ON SCHEMA {} IS {}").format(
            sql.Identifier(schema), sql.Literal(f"{_MARK}{bundle.heading.zh}; {bundle.heading.en}")))
        for layer in bundle.layers:
            _write_layer(cursor, bundle, layer, sql.Identifier(schema, layer.name), str(home[0]))
        for table in bundle.tables:
            _write_table(cursor, table, sql.Identifier(schema, table.name))


def _replaceable(cursor: Cursor[Any], schema: str) -> list[str]:
    """Return the tables of an earlier export; the schema must hold nothing else."""
    there = cursor.execute(_TABLES_THERE, (schema,)).fetchall()
    foreign = [name for name, comment in there if not str(comment or "").startswith(_MARK)]
    if foreign:
        raise ExportError(
            f"schema {schema} holds tables that this product did not write ({', '.join(foreign[:3])}); move them first",
            f"模式 {schema} 中有并非本软件写入的表（{'、'.join(foreign[:3])}）；请先移走",
        )
    return [str(name) for name, _ in there]


def _write_layer(cursor: Cursor[Any], bundle: Bundle, layer: StudyLayer, table: Identifier, home: str) -> None:
    from psycopg import sql

    (kind, is_multi), srid = common_type(layer.rows.geometry_types), bundle.target.epsg
    declared = "Geometry" if kind == "Unknown" else kind
    identity = layer.rows.column(layer.id_column)
    key = layer.id_column if identity.is_unique and identity.notna().all() else ""
    columns = _columns(layer.rows.head(1)[layer.columns], key)
    columns.append(sql.SQL("{} {}.geometry({}, {})").format(
        sql.Identifier("geom"), sql.Identifier(home), sql.SQL(declared), sql.Literal(srid)))
    cursor.execute(sql.SQL("CREATE TABLE {} ({})").format(table, sql.SQL(", ").join(columns)))
    text = described(layer, bundle.target)
    _comment(cursor, table, f"{text.zh}; {text.en}", layer.titles)
    with cursor.copy(sql.SQL("COPY {} FROM STDIN").format(table)) as copy:
        for block in layer.rows.blocks(_BLOCK):
            for row in zip(*_values(block[layer.columns]), _ewkb(block, srid, is_multi=is_multi), strict=True):
                copy.write_row(row)
    cursor.execute(sql.SQL("CREATE INDEX ON {} USING gist (geom)").format(table))
    cursor.execute(sql.SQL("ANALYZE {}").format(table))


def _write_table(cursor: Cursor[Any], table: StudyTable, place: Identifier) -> None:
    from psycopg import sql

    columns = sql.SQL(", ").join(_columns(table.frame, ""))
    cursor.execute(sql.SQL("CREATE TABLE {} ({})").format(place, columns))
    _comment(cursor, place, f"{table.title.zh}; {table.title.en}", {c: t.zh for c, t in table.titles.items()})
    with cursor.copy(sql.SQL("COPY {} FROM STDIN").format(place)) as copy:
        for row in zip(*_values(table.frame), strict=True):
            copy.write_row(row)


def _columns(frame: pd.DataFrame, key: str) -> list[Any]:
    from psycopg import sql

    found = []
    for name, dtype in frame.dtypes.items():
        declared = _TYPES.get(getattr(dtype, "kind", "O"), "text")
        suffix = " PRIMARY KEY" if name == key else ""
        found.append(sql.SQL("{} {}").format(sql.Identifier(str(name)), sql.SQL(declared + suffix)))
    return found


def _comment(cursor: Cursor[Any], table: Identifier, text: str, titles: Mapping[str, str]) -> None:
    from psycopg import sql

    cursor.execute(sql.SQL("COMMENT ON TABLE {} IS {}").format(table, sql.Literal(_MARK + text)))
    for column, title in titles.items():
        cursor.execute(sql.SQL("COMMENT ON COLUMN {}.{} IS {}").format(table, sql.Identifier(column),
                                                                     sql.Literal(title)))


def _values(frame: pd.DataFrame) -> Iterator[list[object]]:
    """Give each column as plain values; None where there is none."""
    for name in frame.columns:
        yield [_value(value) for value in frame[name].astype(object).tolist()]


def _value(value: object) -> object:
    if value is None or value is pd.NA or (isinstance(value, float) and math.isnan(value)):
        return None
    if isinstance(value, np.generic):
        return value.item()
    # PostgreSQL knows no text with a null character, nor half a surrogate pair.
    return value.replace("\0", "").encode("utf-8", "replace").decode() if isinstance(value, str) else value


def _ewkb(block: gpd.GeoDataFrame, srid: int, *, is_multi: bool) -> list[str | None]:
    given = np.asarray(block.geometry.array, dtype=object)
    given = made_multiple(given) if is_multi else given
    found: list[str | None] = shapely.to_wkb(shapely.set_srid(given, srid), hex=True, include_srid=True).tolist()
    return found
