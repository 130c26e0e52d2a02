"""Tables and shapes packed small enough to travel inside a page.

A block is one gzip stream (without time stamp, so that equal data give equal bytes) in base64::

    "SZP1"  u32 length of header  header (JSON, padded with blanks to 4 bytes)  arrays

The header names each array with its type, length and place, and carries what is not numeric. An array is written
by byte planes (all lowest bytes, then all second bytes, ...), which gzip shortens far better than mixed bytes;
one marked ``delta`` holds the differences of neighbours. ``panel/blocks.js`` reads this.

Shapes are paths: a feature has paths, a path has vertices. A polygon's paths are its rings (outer ones and holes,
all parts), to be filled by the even-odd rule, without the closing vertex; a line's are its parts, a point's its points.
"""

from __future__ import annotations

import base64
import gzip
import json
import math
from collections.abc import Mapping
from typing import Any

import geopandas as gpd
import numpy as np
import shapely
from numpy.typing import NDArray

MAGIC = b"SZP1"
UNITS_PER_DEGREE = 10_000_000
"""Steps of a packed coordinate in one degree: 1e-7 degree is about 1 cm."""

DELTA_ARRAYS = frozenset({"x", "y"})
"""Arrays written as differences."""

_TYPES = {"u1": "<u1", "u2": "<u2", "u4": "<u4", "i2": "<i2", "i4": "<i4", "f4": "<f4"}
_POLYGON = 3


def pack_block(meta: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]]) -> str:
    """Pack a table into base64 text.

    Parameters
    ----------
    meta
        Whatever is not numeric; anything that JSON can hold (NaN becomes null).
    arrays
        One-dimensional arrays of 1, 2 or 4-byte integers or 4-byte floats, by name.
    """
    directory, chunks, offset = [], [], 0
    for name, values in arrays.items():
        kind = values.dtype.str.lstrip("<|=")
        if name in DELTA_ARRAYS:
            values = np.diff(values, prepend=values.dtype.type(0))
        flat = np.ascontiguousarray(values, dtype=_TYPES[kind])
        planes = flat.view(np.uint8).reshape(len(flat), flat.itemsize).T
        chunk = planes.tobytes()
        directory.append({"name": name, "type": kind, "length": len(values), "offset": offset,
                          "delta": name in DELTA_ARRAYS})
        chunks.append(chunk)
        offset += len(chunk)
    header = json.dumps({"arrays": directory, "meta": _plain(meta)}, ensure_ascii=False, allow_nan=False,
                        separators=(",", ":")).encode("utf-8")
    header += b" " * (-len(header) % 4)
    raw = MAGIC + len(header).to_bytes(4, "little") + header + b"".join(chunks)
    return base64.b64encode(gzip.compress(raw, compresslevel=6, mtime=0)).decode("ascii")


def unpack_block(text: str) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
    """Read a block back: what ``panel/blocks.js`` does in the browser."""
    raw = gzip.decompress(base64.b64decode(text))
    if raw[:4] != MAGIC:
        raise ValueError("not a packed block")
    start = 8 + int.from_bytes(raw[4:8], "little")
    header = json.loads(raw[8:start])
    arrays: dict[str, NDArray[Any]] = {}
    for entry in header["arrays"]:
        kind = np.dtype(_TYPES[entry["type"]])
        flat = np.frombuffer(raw, np.uint8, entry["length"] * kind.itemsize, start + entry["offset"])
        values = np.ascontiguousarray(flat.reshape(kind.itemsize, entry["length"]).T).view(kind).ravel()
        arrays[entry["name"]] = np.cumsum(values, dtype=kind) if entry["delta"] else values
    return header["meta"], arrays


def _plain(value: Any) -> Any:
    """Turn numpy scalars into Python's and NaN into None, so that JSON can hold them."""
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple | np.ndarray):
        return [_plain(item) for item in value]
    if isinstance(value, np.generic):
        return _plain(value.item())
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value if value is None or isinstance(value, str | int | float | bool) else str(value)


def pack_geometry(geometry: gpd.GeoSeries) -> dict[str, NDArray[Any]]:
    """Turn shapes in longitude and latitude into paths.

    Parameters
    ----------
    geometry
        n shapes of any kind in EPSG:4326; a missing or empty one has no paths. Of a collection only the parts of
        the highest dimension are kept.

    Returns
    -------
    ``dimension`` (n, 0 point, 1 line, 2 polygon), ``path_count`` (n), ``vertex_count`` (per path), ``x`` and ``y``
    (per vertex, longitude and latitude in 1e-7 degree).
    """
    parts, owner = _parts(geometry.to_numpy())
    n = len(geometry)
    dimension = np.zeros(n, dtype=np.uint8)
    np.maximum.at(dimension, owner, shapely.get_dimensions(parts).astype(np.uint8))
    kept = shapely.get_dimensions(parts) == dimension[owner]
    paths, owner = _paths(parts[kept], owner[kept])
    xy, path_of = shapely.get_coordinates(paths, return_index=True)
    is_ring = dimension[owner] == 2  # a closed line keeps its last vertex
    last = np.append(path_of[1:] != path_of[:-1], True) if len(path_of) else np.zeros(0, dtype=bool)
    keep = ~(last & is_ring[path_of])
    steps = np.rint(xy[keep] * UNITS_PER_DEGREE).astype(np.int32)
    return {
        "dimension": dimension,
        "path_count": np.bincount(owner, minlength=n).astype(np.uint32),
        "vertex_count": np.bincount(path_of[keep], minlength=len(paths)).astype(np.uint32),
        "x": steps[:, 0].copy(), "y": steps[:, 1].copy(),
    }


def _parts(shapes: NDArray[np.object_]) -> tuple[NDArray[np.object_], NDArray[np.intp]]:
    """Split into points, lines and polygons, with the row of each."""
    parts, owner = shapely.get_parts(shapes, return_index=True)
    while (shapely.get_type_id(parts) > _POLYGON).any():
        parts, inner = shapely.get_parts(parts, return_index=True)
        owner = owner[inner]
    kept = ~shapely.is_empty(parts)
    return parts[kept], owner[kept]


def _paths(parts: NDArray[np.object_], owner: NDArray[np.intp]) -> tuple[NDArray[np.object_], NDArray[np.intp]]:
    """Split polygons into rings; lines and points are paths already. Paths stay in the order of their owners."""
    is_polygon = shapely.get_type_id(parts) == _POLYGON
    rings, ring_part = shapely.get_rings(parts[is_polygon], return_index=True)
    paths = np.concatenate([rings, parts[~is_polygon]])
    owners = np.concatenate([owner[is_polygon][ring_part], owner[~is_polygon]])
    order = np.argsort(owners, kind="stable")
    return paths[order], owners[order]
