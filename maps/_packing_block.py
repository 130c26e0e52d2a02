"""A table packed small enough to travel inside a page.

A block is one gzip stream (without time stamp, so that equal data give equal bytes) in base64::

    "SZP2"  u32 length of header  header (JSON, padded with blanks to 4 bytes)  arrays

The header names each array with its types, length and place, and carries what is not numeric. Integers without sign
are held in as few bytes as they need. They are written as they are, or as differences of neighbours folded to positive
numbers (0, -1, 1, -2 ... become 0, 1, 2, 3 ...), whichever a sample of them shows to be shorter; and by byte planes
(all lowest bytes, then all second bytes, ...), which gzip shortens far better than mixed bytes. Noise is only coded by
frequency, what repeats is searched for repeats as well. Arrays are compressed side by side in threads, as pieces of
one stream.

``panel/blocks.js`` reads this. Cost: one pass to code, one to compress; about 1 s for 25 MB on two cores.
"""

from __future__ import annotations

import base64
import gzip
import json
import math
import os
import zlib
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

MAGIC = b"SZP2"
_TYPES = {"u1": "<u1", "u2": "<u2", "u4": "<u4", "i2": "<i2", "i4": "<i4", "f4": "<f4"}
_GZIP_HEAD = b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\xff"
_LAST_PIECE = b"\x03\x00"  # an empty, final block of a deflate stream
_SAMPLE = 32_768
_LEVEL = 6


@dataclass(frozen=True, slots=True)
class _Coded:
    """One array as it is written."""

    entry: dict[str, Any]
    planes: bytes
    strategy: int
    """Of zlib: the usual one, or frequencies only."""


def pack_block(meta: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]]) -> str:
    """Pack a table into base64 text.

    Parameters
    ----------
    meta
        Whatever is not numeric; anything that JSON can hold (NaN becomes null).
    arrays
        One-dimensional arrays of 1, 2 or 4-byte integers or 4-byte floats, by name; integers without sign may come
        back narrower.
    """
    with ThreadPoolExecutor(max_workers=os.cpu_count() or 1) as pool:
        coded = list(pool.map(_code, arrays, arrays.values()))
        directory, offset = [], 0
        for one in coded:
            directory.append({**one.entry, "offset": offset})
            offset += len(one.planes)
        header = json.dumps({"arrays": directory, "meta": _plain(meta)}, ensure_ascii=False, allow_nan=False,
                            separators=(",", ":")).encode("utf-8")
        header += b" " * (-len(header) % 4)
        head = MAGIC + len(header).to_bytes(4, "little") + header
        pieces = [_squeeze(head, zlib.Z_DEFAULT_STRATEGY),
                  *pool.map(_squeeze, (c.planes for c in coded), (c.strategy for c in coded))]
    check = zlib.crc32(head)
    for one in coded:
        check = zlib.crc32(one.planes, check)
    size = (len(head) + offset) & 0xFFFFFFFF
    tail = _LAST_PIECE + check.to_bytes(4, "little") + size.to_bytes(4, "little")
    return base64.b64encode(b"".join([_GZIP_HEAD, *pieces, tail])).decode("ascii")


def unpack_block(text: str) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
    """Read a block back: what ``panel/blocks.js`` does in the browser."""
    raw = gzip.decompress(base64.b64decode(text))
    if raw[:4] != MAGIC:
        raise ValueError("not a packed block")
    start = 8 + int.from_bytes(raw[4:8], "little")
    header = json.loads(raw[8:start])
    arrays: dict[str, NDArray[Any]] = {}
    for entry in header["arrays"]:
        stored, kind = np.dtype(_TYPES[entry["stored"]]), np.dtype(_TYPES[entry["type"]])
        flat = np.frombuffer(raw, np.uint8, entry["length"] * stored.itemsize, start + entry["offset"])
        values = np.ascontiguousarray(flat.reshape(stored.itemsize, entry["length"]).T).view(stored).ravel()
        arrays[entry["name"]] = _unfolded(values, kind) if entry["delta"] else values.astype(kind)
    return header["meta"], arrays


def _code(name: str, values: NDArray[Any]) -> _Coded:
    """Choose how an array is written, from a sample of it."""
    values = _narrow(values)
    kind = values.dtype.str.lstrip("<|=")
    ways = [values] if kind == "f4" else [values, _narrow(_folded(values))]
    middle = max(0, (len(values) - _SAMPLE) // 2)
    tried = [(len(_squeeze(_planes(way[middle:middle + _SAMPLE]), strategy)), at, strategy)
             for at, way in enumerate(ways) for strategy in (zlib.Z_DEFAULT_STRATEGY, zlib.Z_HUFFMAN_ONLY)]
    _, at, strategy = min(tried)
    entry = {"name": name, "type": kind, "stored": ways[at].dtype.str.lstrip("<|="), "length": len(values),
             "delta": at == 1}
    return _Coded(entry, _planes(ways[at]), strategy)


def _folded(values: NDArray[Any]) -> NDArray[np.uint32]:
    """Return the differences of neighbours, folded to positive numbers; they wrap around at 32 bits."""
    steps = np.diff(values.astype(np.int64), prepend=np.int64(0)).astype(np.int32)
    return ((steps << 1) ^ (steps >> 31)).astype(np.uint32)


def _unfolded(values: NDArray[Any], kind: np.dtype[Any]) -> NDArray[Any]:
    folded = values.astype(np.int64)
    return np.cumsum((folded >> 1) ^ -(folded & 1)).astype(np.uint32).astype(np.int32).astype(kind)


def _narrow(values: NDArray[Any]) -> NDArray[Any]:
    """Return integers without sign in as few bytes as they need; others as they are."""
    if values.dtype.kind != "u":
        return values
    top = int(values.max(initial=0))
    return values.astype(np.uint8 if top < 1 << 8 else np.uint16 if top < 1 << 16 else np.uint32)


def _planes(values: NDArray[Any]) -> bytes:
    """Return the bytes of an array, the lowest of all values first."""
    flat = np.ascontiguousarray(values, dtype=_TYPES[values.dtype.str.lstrip("<|=")])
    return flat.view(np.uint8).reshape(len(flat), flat.itemsize).T.tobytes()


def _squeeze(data: bytes, strategy: int) -> bytes:
    """Compress a piece of a deflate stream that ends at a whole byte, so that pieces can be strung together."""
    squeezer = zlib.compressobj(_LEVEL, zlib.DEFLATED, -zlib.MAX_WBITS, 9, strategy)
    return squeezer.compress(data) + squeezer.flush(zlib.Z_FULL_FLUSH)


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
