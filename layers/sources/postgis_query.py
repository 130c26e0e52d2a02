"""What is asked of a PostGIS database: the relation that a spec names, its columns, and one SELECT over them.

Names are identifiers bound by psycopg, values are literals quoted by it; only the query that a study writes itself
(the option ``sql``) is passed on as it stands.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from gis.errors import LayerError, LayerNotFoundError, UsageError
from layers.service_filters import Condition, FieldKind
from layers.types import LayerSpec

if TYPE_CHECKING:
    from psycopg import Connection
    from psycopg.sql import SQL, Composable, Composed

_NAME = re.compile(r'"((?:[^"]|"")+)"|([^".]+)')
_KINDS: dict[int, tuple[FieldKind, str]] = {
    16: ("boolean", "bool"), 20: ("integer", "int8"), 21: ("integer", "int8"), 23: ("integer", "int8"),
    700: ("number", "float8"), 701: ("number", "float8"), 1700: ("number", "float8")}
"""Kind and SQL type by the number of a PostgreSQL type; every other one is read as text."""
_BYTES = 17
_SPATIAL = "SELECT oid, typname FROM pg_type WHERE oid = ANY(%s) AND typname IN ('geometry', 'geography', 'raster')"
_RELATION = """
SELECT c.oid, n.nspname, c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE c.relname = %s AND c.relkind IN ('r', 'p', 'v', 'm', 'f')
  AND CASE WHEN %s::text IS NULL THEN pg_table_is_visible(c.oid) ELSE n.nspname = %s::text END
"""
_KEY = """
SELECT a.attname FROM pg_index i CROSS JOIN LATERAL unnest(i.indkey::int[]) WITH ORDINALITY AS k(number, place)
JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = k.number
WHERE i.indrelid = %s AND i.indisprimary ORDER BY k.place
"""


@dataclass(frozen=True, kw_only=True)
class Relation:
    """What is read from."""

    shown: str
    """How messages and notes call it."""
    query: Composable
    """What stands after FROM."""
    key: tuple[str, ...]
    """Columns of its primary key."""


@dataclass(frozen=True, kw_only=True)
class Plan:
    """Which columns are read, and how."""

    columns: tuple[tuple[str, FieldKind, str], ...]
    """Name, kind and SQL type."""
    geometry: str
    """Column of geometries."""
    srid: int
    """SRID that the column declares, 0 where it declares none."""
    left_out: tuple[str, ...]
    """Columns that are not read."""


def relation_of(connection: Connection[Any], spec: LayerSpec) -> Relation:
    """Return what a spec reads from.

    Raises
    ------
    UsageError
        ``table`` is no name.
    LayerNotFoundError
        There is no such table.
    """
    from psycopg import sql

    if not spec.table:
        query = str(spec.option("sql", "")).strip().rstrip(";")
        # On lines of its own: a comment at the end of the query must not swallow the bracket.
        return Relation(shown="sql", key=(), query=sql.SQL("(\n{}\n)").format(_verbatim(query)))
    parts = _name_parts(spec)
    schema, name = (parts[0] if len(parts) == 2 else None), parts[-1]
    found = connection.execute(_RELATION, (name, schema, schema)).fetchone()
    if found is None:
        raise _no_table(connection, spec)
    key = tuple(str(row[0]) for row in connection.execute(_KEY, (found[0],)))
    return Relation(shown=f"{found[1]}.{found[2]}", key=key, query=sql.Identifier(str(found[1]), str(found[2])))


def _verbatim(text: str) -> SQL:
    """Return text that is no literal of this module: the study's own query, or a condition that a parser built."""
    from psycopg import sql

    return sql.SQL(text)


def _name_parts(spec: LayerSpec) -> list[str]:
    """Return schema and table, or the table alone; a name with a dot stands in double quotes."""
    parts, at = [], 0
    while match := _NAME.match(spec.table, at):
        parts.append(match[2] if match[1] is None else match[1].replace('""', '"'))
        at = match.end()
        if at == len(spec.table) or spec.table[at] != ".":
            break
        at += 1
    if at != len(spec.table) or len(parts) not in (1, 2) or "\0" in spec.table:
        raise UsageError(f"layer {spec.name!r}: table = {spec.table!r} is no name; write table = \"schema.table\"",
                         f"图层 {spec.name!r}：table = {spec.table!r} 不是表名；写法如 table = \"模式.表\"")
    return parts


def _no_table(connection: Connection[Any], spec: LayerSpec) -> LayerNotFoundError:
    there = [f"{row[0]}.{row[1]}" for row in connection.execute(
        "SELECT DISTINCT n.nspname, c.relname FROM pg_attribute a JOIN pg_type t ON t.oid = a.atttypid "
        "JOIN pg_class c ON c.oid = a.attrelid JOIN pg_namespace n ON n.oid = c.relnamespace "
        "WHERE t.typname IN ('geometry', 'geography') AND c.relkind IN ('r', 'p', 'v', 'm', 'f') "
        "AND NOT a.attisdropped AND has_table_privilege(c.oid, 'SELECT') ORDER BY 1, 2")]
    near = difflib.get_close_matches(spec.table, there, n=1)
    shown = ", ".join([*near, *(name for name in there if name not in near)][:10]) or "-"
    return LayerNotFoundError(
        f"layer {spec.name!r}: the database has no table {spec.table!r} that may be seen; it has: {shown}; correct "
        f"table under [layers.{spec.name}] in the study file",
        f"图层 {spec.name!r}：数据库中没有可见的表 {spec.table!r}；现有：{shown}；"
        f"请改正方案文件 [layers.{spec.name}] 下的 table")


@contextmanager
def declared(connection: Connection[Any], query: Composed) -> Iterator[Any]:
    """Open a cursor on the server, which keeps there what is not fetched yet.

    psycopg declares it by the extended protocol, which takes one statement alone: no second one, and so no COMMIT, can
    be smuggled in behind it.
    """
    with connection.cursor(name="suanzhi", binary=True) as cursor:
        yield cursor.execute(query)


def plan_of(connection: Connection[Any], spec: LayerSpec, relation: Relation, home: str) -> Plan:
    """Return which columns of a relation are read.

    Parameters
    ----------
    connection
        Open transaction.
    spec
        May name the column of geometries.
    relation
        What is read from.
    home
        Schema in which PostGIS is installed.

    Raises
    ------
    LayerError
        There is no column of geometries, or several and none is named, or two columns of one name.
    """
    from psycopg import sql

    with declared(connection, sql.SQL("SELECT * FROM {} AS t").format(relation.query)) as cursor:
        described = [(str(c.name), int(c.type_code)) for c in cursor.description or ()]
        modifiers = [cursor.pgresult.fmod(place) for place in range(len(described))]
    kinds = dict(connection.execute(_SPATIAL, ([code for _, code in described],)).fetchall())
    spatial = [name for name, code in described if kinds.get(code) in ("geometry", "geography")]
    geometry = _geometry_column(spec, relation, spatial, [name for name, _ in described])
    modifier = modifiers[[name for name, _ in described].index(geometry)]
    found = connection.execute(sql.SQL("SELECT {}.postgis_typmod_srid(%s)").format(sql.Identifier(home)), (modifier,))
    columns = tuple((name, *_KINDS.get(code, ("string", "text"))) for name, code in described
                    if code not in kinds and code != _BYTES)
    twice = sorted({name for name, _, _ in columns if [n for n, _, _ in columns].count(name) > 1})
    if twice:
        raise LayerError(f"layer {spec.name!r}: the query gives the column {twice[0]!r} twice; name each by AS",
                         f"图层 {spec.name!r}：查询结果中字段 {twice[0]!r} 重复；请用 AS 分别命名")
    kept = {name for name, _, _ in columns}
    return Plan(columns=columns, geometry=geometry, srid=int((found.fetchone() or (0,))[0] or 0),
                 left_out=tuple(name for name, _ in described if name not in kept and name != geometry))


def _geometry_column(spec: LayerSpec, relation: Relation, spatial: list[str], everything: list[str]) -> str:
    wanted = str(spec.option("geometry", ""))
    if wanted in spatial:
        return wanted
    if len(spatial) == 1 and not wanted:
        return spatial[0]
    if not spatial:
        raise LayerError(
            f"layer {spec.name!r}: {relation.shown} has no column of geometry, only: {', '.join(everything)}; name "
            "another table, or make points of coordinates by ST_MakePoint in sql",
            f"图层 {spec.name!r}：{relation.shown} 没有几何列，只有：{'、'.join(everything)}；"
            "请改用其他表，或在 sql 中用 ST_MakePoint 由坐标生成点")
    shown = ", ".join(spatial)
    raise LayerError(
        f"layer {spec.name!r}: name the column of geometry by options = {{ geometry = ... }}, one of: {shown}",
        f"图层 {spec.name!r}：请用 options = {{ geometry = ... }} 指明几何列，可选：{shown}")


def query_of(relation: Relation, plan: Plan, home: str, condition: Condition | None) -> Composed:
    """Return the query, every column as a type that is the same everywhere, in an order that is always the same.

    Parameters
    ----------
    relation, plan
        What is read.
    home
        Schema in which PostGIS is installed.
    condition
        What rows must meet; None for all.

    Returns
    -------
    Composed
        A SELECT that gives the columns of the plan, the geometry as WKB, and its SRID.
    """
    from psycopg import sql

    own: list[Composable] = [
        sql.SQL("t.{}::{}{} AS {}").format(
            sql.Identifier(name), sql.Identifier(kind), sql.SQL(' COLLATE "C"' if kind == "text" else ""),
            sql.Identifier(name))
        for name, _, kind in plan.columns]
    schema, column = sql.Identifier(home), sql.Identifier(plan.geometry)
    own.append(sql.SQL("{0}.ST_AsBinary({0}.ST_CurveToLine({0}.ST_Force2D(t.{1}::{0}.geometry)))").format(
        schema, column))
    own.append(sql.SQL("{0}.ST_SRID(t.{1}::{0}.geometry)").format(schema, column))
    inner = sql.SQL("SELECT {} FROM {} AS t").format(sql.SQL(", ").join(own), relation.query)
    has_key = bool(relation.key) and {*relation.key} <= {name for name, _, _ in plan.columns}
    order: list[Composable] = [sql.Identifier(name) for name in relation.key]
    if not has_key:
        order = [sql.Literal(place) for place in range(1, len(own) + 1)]
    return sql.SQL("SELECT * FROM ({}) AS t{} ORDER BY {}").format(inner, _bound(condition), sql.SQL(", ").join(order))


def _bound(condition: Condition | None) -> Composable:
    """Return a condition as a WHERE clause, its values quoted by the driver."""
    from psycopg import sql

    pieces = condition.sql.split("?") if condition else []
    # A name with a question mark in it cannot be told from the place of a value; the filter after reading decides.
    if condition is None or len(pieces) != len(condition.values) + 1:
        return sql.SQL("")
    found: list[Composable] = [sql.SQL(" WHERE "), _verbatim(pieces[0])]
    for value, piece in zip(condition.values, pieces[1:], strict=True):
        found += [sql.Literal(value), _verbatim(piece)]
    return sql.Composed(found)


