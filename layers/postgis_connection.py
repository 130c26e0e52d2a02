"""How a PostGIS database is reached: where it is, and who asks, is a matter of the machine and never of a study.

An address comes from the environment or a service file; a password from there or from ``~/.pgpass``. Nothing of it
gets into a message.
"""

from __future__ import annotations

import os
from typing import Any

from gis.errors import SitingToolError, UsageError

ADDRESS_VARIABLE = "SUANZHI_POSTGIS"
"""Environment variable that may hold the address of the database, with or without its password."""

POSTGIS_SCHEMA = ("SELECT n.nspname FROM pg_extension e JOIN pg_namespace n ON n.oid = e.extnamespace "
                  "WHERE e.extname = 'postgis'")
"""SQL that gives the schema in which PostGIS is installed; no row where it is not."""

_LIBPQ = ("PGSERVICE", "PGHOST", "PGDATABASE")
_LONGEST_REASON = 200


def driver(error: type[SitingToolError]) -> Any:
    """Return the package psycopg.

    Raises
    ------
    SitingToolError
        Of the class ``error``: the package is not installed.
    """
    try:
        import psycopg
        import psycopg.sql
    except ImportError as missing:
        raise error("PostGIS needs the package psycopg; run: pip install suanzhi[postgis]",
                    "使用 PostGIS 需要 psycopg；请运行 pip install suanzhi[postgis]") from missing
    return psycopg


def address_of(given: str, remedy_en: str, remedy_zh: str) -> str:
    """Return the connection string of the database: the one given, that of the environment, or libpq's own.

    Parameters
    ----------
    given
        Connection string or URL without a password; may be empty.
    remedy_en, remedy_zh
        How to name the database here, for the message.

    Returns
    -------
    str
        Empty where libpq finds the database by itself (``PGSERVICE``, ``PGHOST``, ``PGDATABASE``).

    Raises
    ------
    UsageError
        The address given is malformed or holds a password, or nothing says where the database is.
    """
    from psycopg import ProgrammingError
    from psycopg.conninfo import conninfo_to_dict

    try:
        has_password = bool(given) and "password" in conninfo_to_dict(given)
    except ProgrammingError as error:
        raise UsageError("the address of the database is malformed; write service=NAME or postgresql://HOST/DATABASE",
                         "数据库地址格式有误；请写 service=NAME 或 postgresql://HOST/DATABASE") from error
    if has_password:
        raise UsageError(
            f"a password on the command line can be read by others; put it into {ADDRESS_VARIABLE}, PGPASSWORD, "
            "~/.pgpass or a service file",
            f"命令行中的密码会被他人看到；请改用环境变量 {ADDRESS_VARIABLE}、PGPASSWORD、~/.pgpass 或服务文件",
        )
    found = given or os.environ.get(ADDRESS_VARIABLE, "")
    if not found and not any(os.environ.get(name) for name in _LIBPQ):
        raise UsageError(
            f"nothing says where the database is; set {ADDRESS_VARIABLE} or PGSERVICE, or {remedy_en}",
            f"未指明数据库；请设置环境变量 {ADDRESS_VARIABLE} 或 PGSERVICE，或{remedy_zh}",
        )
    return found


def reason_of(error: Exception) -> str:
    """Return what the database or its driver said, in one line that holds no password.

    Parameters
    ----------
    error
        A ``psycopg.Error``.
    """
    from psycopg import ProgrammingError

    # An address may hold a password: of what libpq says of a malformed one, nothing is repeated.
    if isinstance(error, ProgrammingError) and error.sqlstate is None:
        return "malformed address"
    return " ".join(str(error).split())[:_LONGEST_REASON]
