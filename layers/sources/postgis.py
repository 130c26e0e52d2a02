"""Tables, views and queries of a PostGIS database, read and never written.

``table`` names a table or view (``"schema.table"``), or the option ``sql`` holds a query. The database is found as
libpq finds it: ``SUANZHI_POSTGIS``, ``PGSERVICE``, ``PGHOST``, ``~/.pgpass``, or the service that the option names. A
study holds neither its address nor a password.

Whatever a study asks, it is asked inside a READ ONLY transaction, as one statement, within a time limit. ``where`` is
never passed on as it stands: what can be said with quoted values narrows the query, and the rows that come are filtered
as those of a file are. What a function that ``sql`` calls does beyond the transaction (dblink) is for the role to bar.

Options
-------
``sql``
    A query (SELECT) in place of ``table``.
``service``
    Section of the service file (``~/.pg_service.conf``).
``geometry``
    Column to take, where there are several of geometry.
``timeout_s``
    Seconds that one statement may take (300).
``max_features``
    See ``layers.sources.remote``.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import geopandas as gpd
import numpy as np
import pandas as pd
import shapely
from numpy.typing import NDArray
from pyproj import CRS

from gis.bilingual import Text
from gis.crs import parse_crs
from gis.errors import CrsError, LayerError, LayerUnavailableError, UsageError
from layers.postgis_connection import ADDRESS_VARIABLE, POSTGIS_SCHEMA, address_of, driver, reason_of
from layers.service_filters import FieldKind
from layers.sources.postgis_query import Plan, Relation, declared, plan_of, query_of, relation_of
from layers.sources.remote import check_settings, handed_over, most_features, narrowing, number, too_many
from layers.sources.types import LoadContext, RawVector
from layers.types import LayerSpec

if TYPE_CHECKING:
    from psycopg import Connection

_BATCH = 5_000
_CONNECT_S, _STATEMENT_S = 10, 300.0
_ELSEWHERE = ("host", "hostaddr", "port", "database", "dbname", "address", "dsn", "url", "conninfo")
_REMEDY = Text(
    zh=f"请使用环境变量 {ADDRESS_VARIABLE}、PGSERVICE 或 PGHOST，密码放在 PGPASSWORD、~/.pgpass 或服务文件；"
       "方案中可写 options 的 service",
    en=f"use {ADDRESS_VARIABLE}, PGSERVICE or PGHOST, with the password in PGPASSWORD, ~/.pgpass or a service file; "
       "options may name a service")
_SERVICE = re.compile(r"[\w.-]{1,100}")


def read(spec: LayerSpec, context: LoadContext) -> RawVector:
    """Read a table, a view or a query under our column names.

    Parameters
    ----------
    spec
        ``table`` or the option ``sql``; ``where``, a condition on the columns there; ``columns``; the options of this
        module.
    context
        Not needed here.

    Returns
    -------
    RawVector
        Rows in the order of the primary key, or of their values where there is none; geometries in the plane, curves
        as lines. The note tells server, table, number of rows and digest.

    Raises
    ------
    UsageError
        Options that mean nothing, a password in the study, or nothing says where the database is.
    LayerUnavailableError
        psycopg is not installed, or the database cannot be reached.
    LayerNotFoundError
        There is no such table.
    CrsError
        The geometries have no SRID, or several.
    LayerError
        The database refuses, or the query is none.
    """
    del context
    check_settings(spec, ("sql", "service", "geometry", "timeout_s"), _REMEDY, _ELSEWHERE)
    _check_question(spec)
    with _connected(spec) as connection:
        home = connection.execute(POSTGIS_SCHEMA).fetchone()
        if home is None:
            raise LayerError(f"layer {spec.name!r}: the database has no PostGIS; name the right one",
                             f"图层 {spec.name!r}：该数据库未启用 PostGIS；请指明正确的数据库")
        relation = relation_of(connection, spec)
        plan = plan_of(connection, spec, relation, str(home[0]))
        frame, notes = _rows(connection, spec, relation, plan, str(home[0]))
        place = f"{_server(connection)} {relation.shown}"
    return handed_over(spec, frame, place, notes)


def _check_question(spec: LayerSpec) -> None:
    has_query = bool(str(spec.option("sql", "")).strip())
    if has_query == bool(spec.table):
        raise UsageError(
            f"layer {spec.name!r}: the source postgis needs either table = \"schema.table\" or options = {{ sql = "
            f"\"SELECT ...\" }} under [layers.{spec.name}]",
            f"图层 {spec.name!r}：来源 postgis 须在 [layers.{spec.name}] 下写 table = \"模式.表\" 或 "
            "options = { sql = \"SELECT ...\" }，二者选一")


@contextmanager
def _connected(spec: LayerSpec) -> Iterator[Connection[Any]]:
    """Open a read-only transaction; what the database complains of becomes a sentence."""
    psycopg = driver(LayerUnavailableError)
    service = str(spec.option("service", ""))
    if service and not _SERVICE.fullmatch(service):
        raise UsageError(f"layer {spec.name!r}: service names a section of the service file, nothing else",
                         f"图层 {spec.name!r}：service 只能是服务文件中的一节名称")
    given = f"service={service}" if service else ""
    address = address_of(given, "name a service in options", "在 options 中写 service")
    seconds = number(spec, "timeout_s", _STATEMENT_S, 1, 86_400)
    try:
        connection = psycopg.connect(address, application_name="suanzhi", client_encoding="UTF8",
                                     connect_timeout=_CONNECT_S)
    except psycopg.Error as error:
        # What libpq says may hold the address with its password, so that no trace of it is kept.
        raise _unreachable(spec, _without_secrets(reason_of(error), address)) from None
    try:
        connection.read_only = True
        connection.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
        connection.execute("SELECT set_config('statement_timeout', %s, true)", (f"{seconds * 1000:.0f}",))
        yield connection
    except psycopg.Error as error:
        raise _refused(spec, error, seconds) from error
    finally:
        # Closed without COMMIT: before PostgreSQL 16 a READ ONLY transaction could still make large objects.
        connection.close()


def _without_secrets(reason: str, address: str) -> str:
    from psycopg import ProgrammingError
    from psycopg.conninfo import conninfo_to_dict

    try:
        known = [conninfo_to_dict(address).get("password"), os.environ.get("PGPASSWORD")]
    except ProgrammingError:
        known = [os.environ.get("PGPASSWORD")]
    for secret in known:
        reason = reason.replace(str(secret), "***") if secret else reason
    return reason


def _unreachable(spec: LayerSpec, reason: str) -> LayerUnavailableError:
    return LayerUnavailableError(
        f"layer {spec.name!r}: the database cannot be reached: {reason}; check {ADDRESS_VARIABLE} or the service file",
        f"图层 {spec.name!r}：无法连接数据库：{reason}；请检查环境变量 {ADDRESS_VARIABLE} 或服务文件")


def _refused(spec: LayerSpec, error: Any, seconds: float) -> LayerError:
    """Return our words for what the database refused."""
    import psycopg.errors as states

    reason = reason_of(error)
    if isinstance(error, states.QueryCanceled):
        remedy = Text(zh=f"超过 {seconds:g} 秒；请缩小范围，或在 options 中调高 timeout_s",
                      en=f"it takes more than {seconds:g} s; narrow it, or raise timeout_s in options")
    elif isinstance(error, states.InsufficientPrivilege):
        remedy = Text(zh=f"没有读取权限（{reason}）；请管理员执行 GRANT SELECT",
                      en=f"it may not be read ({reason}); have its administrator GRANT SELECT")
    elif isinstance(error, states.ReadOnlySqlTransaction | states.ActiveSqlTransaction):
        remedy = Text(zh=f"语句试图写入（{reason}）；只允许读取，数据库未作任何改动",
                      en=f"the statement writes ({reason}); only reading is allowed, and nothing was changed")
    else:
        remedy = Text(zh=f"数据库拒绝：{reason}；请改正 table、sql 或 geometry",
                      en=f"the database refuses: {reason}; correct table, sql or geometry")
    return LayerError(f"layer {spec.name!r}: {remedy.en}", f"图层 {spec.name!r}：{remedy.zh}")


def _server(connection: Connection[Any]) -> str:
    info = connection.info
    # A socket is a path of this machine, which says nothing of the data.
    host = "localhost" if not info.host or info.host.startswith(("/", "@")) else info.host
    return f"{host}:{info.port}/{info.dbname}"


def _rows(connection: Connection[Any], spec: LayerSpec, relation: Relation, plan: Plan,
          home: str) -> tuple[gpd.GeoDataFrame, tuple[Text, ...]]:
    condition = narrowing(spec.where, {name: kind for name, kind, _ in plan.columns})
    query = query_of(relation, plan, home, condition)
    most, n_read, srids = most_features(spec), 0, set[int]()
    parts: list[list[Any]] = []
    shapes: list[NDArray[np.object_]] = []
    with declared(connection, query) as cursor:
        while batch := cursor.fetchmany(_BATCH):
            n_read += len(batch)
            if n_read > most:
                raise too_many(spec, f"> {most}")
            *own, wkb, found = zip(*batch, strict=True)
            srids |= {srid for srid in found if srid is not None}
            parts.append([_column(values, kind) for values, (_, kind, _) in zip(own, plan.columns, strict=True)])
            # Numpy warns of a coordinate that is not a number, which is dealt with row by row later.
            with np.errstate(invalid="ignore"):
                shapes.append(shapely.from_wkb(np.array(wkb, dtype=object), on_invalid="ignore"))
    table = {name: pd.Series(_joined([part[place] for part in parts], kind))
             for place, (name, kind, _) in enumerate(plan.columns)}
    crs = _crs(connection, spec, relation, srids or {plan.srid}, home)
    attributes = pd.DataFrame(table, index=pd.RangeIndex(n_read))
    if "geometry" in attributes.columns:
        attributes = attributes.rename(columns={"geometry": "geometry_in_table"})
    geometries = np.concatenate(shapes) if shapes else np.array([], dtype=object)
    return gpd.GeoDataFrame(attributes, geometry=geometries, crs=crs), _notes(plan)


def _column(values: Sequence[Any], kind: FieldKind) -> NDArray[Any]:
    """Return what one column holds in a batch, as a file of the same types would give it."""
    if kind == "integer" and None not in values:
        return np.array(values, dtype=np.int64)
    if kind in ("integer", "number"):
        return np.array([np.nan if value is None else value for value in values], dtype=np.float64)
    found = np.empty(len(values), dtype=object)
    found[:] = values
    return found


def _joined(parts: list[NDArray[Any]], kind: FieldKind) -> NDArray[Any]:
    found = np.concatenate(parts) if parts else _column((), kind)
    return found.astype(bool) if kind == "boolean" and not (found == None).any() else found  # noqa: E711


def _crs(connection: Connection[Any], spec: LayerSpec, relation: Relation, srids: set[int], home: str) -> CRS | None:
    """Return the CRS of the geometries; None where the study declares it."""
    from psycopg import sql

    where_en, where_zh = f"under [layers.{spec.name}] in the study file", f"方案文件 [layers.{spec.name}] 下"
    if len(srids) > 1:
        shown = ", ".join(str(srid) for srid in sorted(srids))
        raise CrsError(
            f"layer {spec.name!r}: the geometries of {relation.shown} have several SRIDs ({shown}); read one at a "
            "time, or unite them by ST_Transform in sql",
            f"图层 {spec.name!r}：{relation.shown} 的几何有多个 SRID（{shown}）；"
            "请分别读取，或在 sql 中用 ST_Transform 统一")
    srid = next(iter(srids))
    if srid == 0:
        if spec.crs or spec.datum:
            return None
        raise CrsError(
            f"layer {spec.name!r}: the geometries of {relation.shown} have SRID 0, which says no CRS; write crs = "
            f"\"EPSG:4547\" (or the one they are in) {where_en}",
            f"图层 {spec.name!r}：{relation.shown} 的几何 SRID 为 0，没有坐标系；请在{where_zh}写明 crs = \"EPSG:4547\""
            "（或其实际坐标系）")
    found = connection.execute(sql.SQL("SELECT auth_name, auth_srid, srtext FROM {}.spatial_ref_sys WHERE srid = %s")
                               .format(sql.Identifier(home)), (srid,)).fetchone()
    authority, code, text = found or ("EPSG", srid, "")
    for written in (f"{authority}:{code}" if authority and code else "", text or ""):
        try:
            return parse_crs(written)
        except CrsError:
            continue
    if spec.crs:
        return None
    raise CrsError(f"layer {spec.name!r}: SRID {srid} of {relation.shown} is not known; write crs = ... {where_en}",
                   f"图层 {spec.name!r}：{relation.shown} 的 SRID {srid} 无法识别；请在{where_zh}写明 crs")


def _notes(plan: Plan) -> tuple[Text, ...]:
    if not plan.left_out:
        return ()
    return (Text(zh=f"未读取的字段（二进制、栅格或其他几何列）：{'、'.join(plan.left_out)}",
                 en=f"columns not read (bytes, rasters or further geometries): {', '.join(plan.left_out)}"),)
