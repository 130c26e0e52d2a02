"""What the service reads: a GeoPackage of the study, with each feature's GeoJSON text beside it.

The text is written once, when the store is made; a page of features is then no more than rows joined by commas.
"""

from __future__ import annotations

import sqlite3
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import shapely
from shapely import Geometry

from gis.errors import ExportError
from layers.exports.bundles import Bundle, StudyLayer
from layers.exports.cell_texts import column_texts
from layers.exports.gdal_files import drafted
from layers.exports.geojson import feature_template, geometry_texts, id_texts
from layers.exports.geopackage import GEOMETRY_COLUMN, write_geopackage
from layers.service_filters import Condition, FieldKind, quoted

FORM = 1
"""Version of the store's own form; part of its file name."""

_KINDS: Mapping[str, FieldKind] = {"BOOLEAN": "boolean", "REAL": "number", "DOUBLE": "number", "FLOAT": "number"}
_LONGEST_QUERY_S = 20.0
_STEPS = 50_000
_ENVELOPES = {0: 0, 1: 32, 2: 48, 3: 48, 4: 64}


@dataclass(frozen=True, slots=True, kw_only=True)
class Collection:
    """One layer that is served."""

    name: str
    title: str
    description: str
    bbox: tuple[float, float, float, float]
    fields: Mapping[str, FieldKind]
    """In order, ``fid`` and geometry left out."""
    field_titles: Mapping[str, str]
    n_features: int


@dataclass(frozen=True, slots=True)
class Page:
    """Some features of a collection."""

    n_matched: int
    rows: tuple[tuple[str, str], ...]
    """Head of each feature up to its geometry, and the geometry, both GeoJSON text in longitude and latitude."""


def write_store(bundle: Bundle, path: Path | str) -> Path:
    """Write the store of a study.

    Parameters
    ----------
    bundle
        The study, in EPSG:4326.
    path
        The file to write.

    Raises
    ------
    ExportError
        The file cannot be written.
    """
    with drafted(path) as draft:
        write_geopackage(bundle, draft)
        try:
            with closing(sqlite3.connect(draft)) as connection, connection:
                for layer in bundle.layers:
                    _write_texts(connection, layer)
        except sqlite3.Error as error:
            raise ExportError(f"cannot write {path}: {error}; free some space",
                              f"无法写入 {path}：{error}；请清理空间") from error
    return Path(path)


def _write_texts(connection: sqlite3.Connection, layer: StudyLayer) -> None:
    table = quoted(_text_table(layer.name))
    template = feature_template(layer.columns).removesuffix("%s}")
    # Features are numbered from 1 in the order in which they were written.
    connection.execute(f"CREATE TABLE {table} (fid INTEGER PRIMARY KEY, id TEXT NOT NULL, head TEXT NOT NULL, "
                       "geometry TEXT NOT NULL)")
    given = layer.rows.column(layer.id_column)
    has_key, first = bool(given.is_unique and given.notna().all()), 1
    for block in layer.rows.blocks():
        numbers = range(first, first + len(block))
        first += len(block)
        keys = [str(key) for key in block[layer.id_column]] if has_key else [str(number) for number in numbers]
        ids = id_texts(block[layer.id_column]) if has_key else [f'"{key}"' for key in keys]
        texts = column_texts(block)
        heads = [template % row for row in
                 zip(ids, *(texts[name].for_json for name in layer.columns), strict=True)]
        shapes = geometry_texts(block.geometry.to_numpy())
        connection.executemany(f"INSERT INTO {table} VALUES (?, ?, ?, ?)",
                               zip(numbers, keys, heads, shapes, strict=True))
    connection.execute(f"CREATE UNIQUE INDEX {quoted(_text_table(layer.name) + '_id')} ON {table} (id)")


def _text_table(name: str) -> str:
    return f"served_{name}"


class Store:
    """An open store: read-only, one connection per thread."""

    def __init__(self, path: Path) -> None:
        """Open a store that ``write_store`` made."""
        self._uri = path.resolve().as_uri() + "?mode=ro&immutable=1"
        self._local = threading.local()
        self.collections: Mapping[str, Collection] = {c.name: c for c in self._read_collections()}
        self._count = lru_cache(maxsize=1024)(self._counted)

    def page(self, name: str, conditions: Sequence[Condition], limit: int, offset: int) -> Page:
        """Return the features of a collection that meet all conditions, in their order.

        Raises
        ------
        TimeoutError
            The query takes too long.
        """
        where, values = _joined(conditions)
        matched = self._count(name, where, values) if conditions else self.collections[name].n_features
        texts = quoted(_text_table(name))
        if conditions:
            sql = (f"SELECT j.head, j.geometry FROM {quoted(name)} t JOIN {texts} j ON j.fid = t.fid WHERE {where} "
                   "ORDER BY t.fid LIMIT ? OFFSET ?")
            rows = self._fetch(sql, (*values, limit, offset))
        else:
            # Numbers have no gaps: no row is skipped one by one.
            sql = f"SELECT head, geometry FROM {texts} WHERE fid > ? ORDER BY fid LIMIT ?"
            rows = self._fetch(sql, (offset, limit))
        return Page(matched, tuple(rows))

    def feature(self, name: str, identity: str) -> tuple[str, str] | None:
        """Return one feature as its head and geometry; None where there is none."""
        rows = self._fetch(f"SELECT head, geometry FROM {quoted(_text_table(name))} WHERE id = ?", (identity,))
        return rows[0] if rows else None

    def within(self, name: str, area: Geometry) -> Condition:
        """Return the condition that a feature meets an area given in longitude and latitude."""
        west, south, east, north = shapely.bounds(area).tolist()
        tree = quoted(f"rtree_{name}_{GEOMETRY_COLUMN}")
        near = f"SELECT id FROM {tree} WHERE maxx >= ? AND minx <= ? AND maxy >= ? AND miny <= ?"
        return Condition(f"t.fid IN ({near}) AND meets(t.{quoted(GEOMETRY_COLUMN)}, ?)",
                         (west, east, south, north, shapely.to_wkb(area, hex=True)))

    def _counted(self, name: str, where: str, values: tuple[Any, ...]) -> int:
        return int(self._fetch(f"SELECT count(*) FROM {quoted(name)} t WHERE {where}", values)[0][0])

    def _fetch(self, sql: str, values: Sequence[Any]) -> list[Any]:
        connection = self._connection()
        ends = time.monotonic() + _LONGEST_QUERY_S
        connection.set_progress_handler(lambda: time.monotonic() > ends, _STEPS)
        try:
            return connection.execute(sql, tuple(values)).fetchall()
        except sqlite3.OperationalError as error:
            if "interrupted" in str(error):
                raise TimeoutError(f"more than {_LONGEST_QUERY_S:g} s") from error
            raise

    def _connection(self) -> sqlite3.Connection:
        found: sqlite3.Connection | None = getattr(self._local, "connection", None)
        if found is None:
            found = sqlite3.connect(self._uri, uri=True)
            # In CQL2, unlike in SQLite, LIKE tells A from a.
            found.execute("PRAGMA case_sensitive_like = ON")
            found.execute("PRAGMA query_only = ON")
            found.create_function("meets", 2, _meets, deterministic=True)
            self._local.connection = found
        return found

    def _read_collections(self) -> Iterator[Collection]:
        titles = {(row[0], row[1]): str(row[2]) for row in
                  self._fetch("SELECT table_name, column_name, title FROM gpkg_data_columns", ())}
        contents = self._fetch("SELECT table_name, identifier, description, min_x, min_y, max_x, max_y "
                               "FROM gpkg_contents WHERE data_type = 'features' ORDER BY rowid", ())
        for name, title, description, *bbox in contents:
            columns = self._fetch(f"PRAGMA table_info({quoted(name)})", ())
            fields = {str(c[1]): _kind(str(c[2])) for c in columns if c[1] not in ("fid", GEOMETRY_COLUMN)}
            count = int(self._fetch(f"SELECT count(*) FROM {quoted(_text_table(name))}", ())[0][0])
            west, south, east, north = (0.0 if v is None else float(v) for v in bbox)
            yield Collection(name=str(name), title=str(title), description=str(description),
                             bbox=(west, south, east, north), fields=fields, n_features=count,
                             field_titles={c: titles[name, c] for c in fields if (name, c) in titles})


def _joined(conditions: Sequence[Condition]) -> tuple[str, tuple[Any, ...]]:
    return (" AND ".join(f"({c.sql})" for c in conditions), tuple(v for c in conditions for v in c.values))


def _kind(declared: str) -> FieldKind:
    word = declared.upper().partition("(")[0]
    return _KINDS.get(word, "integer" if "INT" in word else "string")


@lru_cache(maxsize=256)
def _area(wkb: str) -> Any:
    area = shapely.from_wkb(wkb)
    shapely.prepare(area)
    return area


def _meets(blob: bytes | None, area: str) -> bool:
    """Tell whether a geometry of a GeoPackage meets an area."""
    if blob is None:
        return False
    start = 8 + _ENVELOPES[(blob[3] >> 1) & 7]
    return bool(shapely.intersects(_area(area), shapely.from_wkb(blob[start:])))
