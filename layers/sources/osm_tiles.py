"""Answers of a live server of OpenStreetMap, tile by tile, kept so that nothing finished is asked for again.

Each tile is a small ``.osm.pbf`` with a record beside it, both named by what was asked. A tile counts as finished once
its record is there and fits the file; an interrupted fetch goes on with the first tile that is not. A tile that is too
much for the server is parted in four, which its record says. A finished layer is read from all of its tiles as one OSM
file, so that an object that lies in several of them is one row.
"""

from __future__ import annotations

import hashlib
import json
import math
import tempfile
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from gis.bilingual import Text
from gis.errors import ExportError, LayerUnavailableError
from gis.progress import Progress, silent
from gis.rasters import Bounds
from layers.exports.files import write_text
from layers.exports.gdal_files import drafted
from layers.sources.files import reason_of, sha256_of
from layers.sources.osm_live import Answer, Overpass, TooBigError, shown
from layers.sources.osm_shapes import raw_rows, read_part, require_osmium, tags_of
from layers.sources.osm_tags import LayerTags
from layers.sources.types import RawVector
from layers.types import LayerSpec

_FORM = 1
"""Version of what a tile holds; part of its name."""

_MOST_PARTINGS = 4
"""A tile is parted this often at most: to a sixteenth of its side."""

_OVERLAP_DEGREES = 1e-5
"""By which tiles reach into each other: osmnx rounds its corners, and no object may fall between two tiles."""

_KM_PER_DEGREE = 111.2
_LETTERS = {"node": "n", "way": "w", "relation": "r"}
_ORDER = {"node": 0, "way": 1, "relation": 2}


@dataclass(frozen=True, slots=True, kw_only=True)
class Tile:
    """A finished tile."""

    path: Path
    """OSM file."""

    sha256: str
    """Of that file."""

    endpoint: str
    """Server that answered, without name and password."""

    data_time: str
    """State of the data; empty where the server does not say."""

    asked_at: str
    """When it was asked (UTC)."""

    n_elements: int
    """Objects in the answer, nodes of ways included."""


@dataclass(frozen=True, eq=False, kw_only=True)
class LiveLayer:
    """A layer that was fetched."""

    raw: RawVector
    """Its rows and the account of what is none, as an extract would give them."""

    window: Bounds
    """Area that was asked for: west, south, east, north."""

    tags: LayerTags
    """What makes the layer."""

    tiles: tuple[Tile, ...]
    """Where it came from."""


@dataclass(frozen=True, kw_only=True)
class TileStore:
    """Finished tiles of a server, and how to get those that are missing."""

    folder: Path
    """Where they are kept."""

    server: Overpass
    """Whom to ask."""

    tile_km: float | None = None
    """Side of a tile; None for what suits the layer."""

    now: Callable[[], str] = field(default=lambda: datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"))
    """Tells the time."""

    def fetch(self, name: str, window: Bounds, metric_crs: str, *, progress: Progress = silent) -> LiveLayer:
        """Fetch a layer, as far as it is not here already.

        Parameters
        ----------
        name
            Layer of ``osm_tags.toml``.
        window
            Longitude and latitude: west, south, east, north.
        metric_crs
            For floor areas.
        progress
            Told of each tile.

        Raises
        ------
        UsageError
            OpenStreetMap does not hold this layer.
        LayerUnavailableError
            The server gives no data; tiles that are finished are kept.
        ExportError
            The folder cannot be written.
        """
        require_osmium(Text(zh="OpenStreetMap 在线数据", en="live data of OpenStreetMap"))
        spec = LayerSpec(name=name, source="osm_store")
        tags = tags_of(spec)
        tiles = tuple(self._tiles(name, window, tags, progress))
        times = sorted({tile.data_time[:10] for tile in tiles if tile.data_time})
        with tempfile.TemporaryDirectory() as folder:
            part = Path(folder) / "layer.osm.pbf"
            _join(tiles, part)
            raw = raw_rows(read_part(part, tags), spec, tags, metric_crs=metric_crs, window=window, files=(),
                           vintage="/".join(times[:1] + times[1:][-1:]))
        return LiveLayer(raw=raw, window=window, tags=tags, tiles=tiles)

    def forget(self, name: str, window: Bounds) -> None:
        """Forget the tiles of a layer, so that they are asked for again.

        Raises
        ------
        ExportError
            The folder cannot be written.
        """
        tags = tags_of(LayerSpec(name=name, source="osm_store"))
        for box in boxes_of(window, self.tile_km or tags.tile_km):
            self._forget(box, tags, _MOST_PARTINGS)

    def _forget(self, box: Bounds, tags: LayerTags, partings: int) -> None:
        path = self._path(box, tags)
        if partings and _record(path).get("is_parted"):
            for quarter in _quarters(box):
                self._forget(quarter, tags, partings - 1)
        try:
            _beside(path).unlink(missing_ok=True)
        except OSError as error:
            raise _cannot_write(_beside(path), error) from error

    def _tiles(self, name: str, window: Bounds, tags: LayerTags, progress: Progress) -> Iterator[Tile]:
        boxes = boxes_of(window, self.tile_km or tags.tile_km)
        step = Text(zh=f"获取 {name}", en=f"fetching {name}")
        progress(step, 0, len(boxes))
        for done, box in enumerate(boxes, start=1):
            try:
                yield from self._leaves(box, tags, _MOST_PARTINGS)
            except LayerUnavailableError as error:
                raise LayerUnavailableError(
                    f"layer {name!r}, tile {done} of {len(boxes)}: {error.text.en}; what is finished is kept: the same "
                    "command goes on from here",
                    f"图层 {name!r} 第 {done}/{len(boxes)} 块：{error.text.zh}；"
                    "已完成的部分已保留，重新执行同一命令即可继续") from error
            progress(step, done, len(boxes))

    def _leaves(self, box: Bounds, tags: LayerTags, partings: int) -> Iterator[Tile]:
        """Return the tile, or the tiles that it had to be parted in."""
        path = self._path(box, tags)
        record = _record(path)
        if not record:
            try:
                record = self._asked(box, tags, path)
            except TooBigError as error:
                if not partings:
                    raise LayerUnavailableError(
                        f"{shown(self.server.manners.base)} cannot work through even a small tile ({error}); raise "
                        "--timeout or name another server (--endpoint)",
                        f"{shown(self.server.manners.base)} 连很小的一块也无法处理（{error}）；"
                        "请增大 --timeout 或改用其他服务器（--endpoint）") from error
                record = {"is_parted": True}
                write_text(_beside(path), json.dumps(record) + "\n")
        if record.get("is_parted"):
            for quarter in _quarters(box):
                yield from self._leaves(quarter, tags, partings - 1)
        else:
            yield Tile(path=path, **record)

    def _asked(self, box: Bounds, tags: LayerTags, path: Path) -> dict[str, Any]:
        asked_at = self.now()
        west, south, east, north = box
        answer = self.server.ask((west - _OVERLAP_DEGREES, south - _OVERLAP_DEGREES, east + _OVERLAP_DEGREES,
                                  north + _OVERLAP_DEGREES), tags.asked())
        _write(path, answer, asked_at)
        record = {"sha256": sha256_of([str(path)]), "endpoint": shown(self.server.manners.base),
                  "data_time": answer.data_time, "asked_at": asked_at, "n_elements": len(answer.elements)}
        write_text(_beside(path), json.dumps(record, indent=1) + "\n")
        return record

    def _path(self, box: Bounds, tags: LayerTags) -> Path:
        asked = json.dumps([_FORM, tags.asked(), [f"{value:.6f}" for value in box]])
        return self.folder / f"{hashlib.sha256(asked.encode()).hexdigest()[:40]}.osm.pbf"


def boxes_of(window: Bounds, side_km: float) -> list[Bounds]:
    """Return the tiles of a window: equal, without gaps, of at most a given side.

    Parameters
    ----------
    window
        Longitude and latitude: west, south, east, north.
    side_km
        Longest side of a tile, above 0.
    """
    west, south, east, north = window
    width_km = (east - west) * _KM_PER_DEGREE * math.cos(math.radians((south + north) / 2.0))
    columns = max(math.ceil(width_km / side_km), 1)
    rows = max(math.ceil((north - south) * _KM_PER_DEGREE / side_km), 1)
    xs = [west + (east - west) * i / columns for i in range(columns)] + [east]
    ys = [south + (north - south) * i / rows for i in range(rows)] + [north]
    return [(xs[i], ys[j], xs[i + 1], ys[j + 1]) for j in range(rows) for i in range(columns)]


def _quarters(box: Bounds) -> list[Bounds]:
    west, south, east, north = box
    x, y = (west + east) / 2.0, (south + north) / 2.0
    return [(west, south, x, y), (x, south, east, y), (west, y, x, north), (x, y, east, north)]


def _beside(path: Path) -> Path:
    return path.with_name(path.name.removesuffix(".osm.pbf") + ".json")


def _record(path: Path) -> dict[str, Any]:
    """Return the record of a finished tile; nothing where there is none, or it does not fit the file."""
    try:
        record = json.loads(_beside(path).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    if not isinstance(record, dict):
        return {}
    if record.get("is_parted") is True:
        return {"is_parted": True}
    fits = set(record) == {"sha256", "endpoint", "data_time", "asked_at", "n_elements"} and path.is_file()
    return record if fits and sha256_of([str(path)]) == record["sha256"] else {}


def _write(path: Path, answer: Answer, asked_at: str) -> None:
    """Write an answer as an OSM file; each object bears the time of the data, by which the newest is told."""
    import osmium

    stamp = answer.data_time or asked_at
    try:
        things = [_thing(element, stamp) for element in _sorted(answer.elements)]
        with drafted(path) as draft, osmium.SimpleWriter(str(draft)) as writer:
            for thing in things:
                writer.add(thing)
    except RuntimeError as error:  # of osmium's writer
        raise _cannot_write(path, error) from error
    except (LookupError, AttributeError, TypeError, ValueError, OverflowError) as error:
        reason = reason_of(error)
        raise LayerUnavailableError(
            f"the server sends objects that cannot be read ({type(error).__name__}: {reason}); name another server "
            "(--endpoint)",
            f"服务器返回的对象无法读取（{type(error).__name__}：{reason}）；请改用其他服务器（--endpoint）") from error


def _sorted(elements: Iterable[Any]) -> list[Any]:
    found = {(_ORDER[element["type"]], element["id"]): element for element in elements}
    return [found[key] for key in sorted(found)]


def _thing(element: dict[str, Any], stamp: str) -> Any:
    """Return an object as osmium writes it; whatever osmium could not write is refused here."""
    from osmium.osm import mutable

    tags = {_text(key): _text(value) for key, value in element.get("tags", {}).items()}
    known: dict[str, Any] = {"id": _number(element["id"]), "tags": tags, "timestamp": stamp}
    if element["type"] == "node":
        lon, lat = float(element["lon"]), float(element["lat"])
        if not (-180.0 <= lon <= 180.0 and -90.0 <= lat <= 90.0):
            raise ValueError(f"node {element['id']} lies at {lon}, {lat}")
        return mutable.Node(location=(lon, lat), **known)
    if element["type"] == "way":
        return mutable.Way(nodes=[_number(node) for node in element["nodes"]], **known)
    return mutable.Relation(members=[(_LETTERS[member["type"]], _number(member["ref"]), _text(member["role"]))
                                     for member in element["members"]], **known)


def _number(value: Any) -> int:
    if type(value) is not int or not 0 < value < 1 << 62:
        raise ValueError(f"{value!r} is no number of an object")
    return value


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError(f"{value!r} is no text")
    return value


def _join(tiles: Iterable[Tile], part: Path) -> None:
    """Write one OSM file of all tiles: each object once, its newest version."""
    import osmium

    try:
        merged = osmium.MergeInputReader()
        for tile in tiles:
            merged.add_file(str(tile.path))
        with osmium.SimpleWriter(str(part)) as writer:
            merged.apply(writer, simplify=True)
    except (RuntimeError, OSError) as error:
        raise _cannot_write(part, error) from error


def _cannot_write(path: Path, error: Exception) -> ExportError:
    reason = reason_of(error)
    return ExportError(f"cannot write {path}: {reason}; free some space or name another folder (--cache, TMPDIR)",
                       f"无法写入 {path}：{reason}；请清理空间，或另选目录（--cache、TMPDIR）")
