"""Maps of very many parcels: an image instead of outlines, so that a report of a million parcels still opens.

An outline takes some hundred bytes and a fraction of a millisecond of the reader's browser; an image takes what it has
pixels, whatever is drawn in it.
"""

from __future__ import annotations

import base64
import struct
import zlib
from collections.abc import Sequence

import numpy as np
import shapely
from numpy.typing import NDArray

from maps.report_figures import MapSheet

PIXELS_PER_UNIT = 2
"""Pixels of an image in one unit of the sheet: about 270 to the inch where it is printed as wide as a page."""

Drawn = NDArray[np.uint32]
"""Which polygon lies in each pixel of an image, counted from 1; 0 for none."""

_AT_A_TIME = 65_536
_INDEXED = 3
_BITS = 8


def pixel_size_m(sheet: MapSheet) -> float:
    """Return the side of a pixel on the ground."""
    return float(1.0 / (sheet.scale * PIXELS_PER_UNIT))


def paint_parcels(sheet: MapSheet, geometries: NDArray[np.object_], is_over: NDArray[np.bool_],
                  colours: Sequence[str], drawn: Drawn | None = None) -> Drawn:
    """Paint polygons into one image on a sheet.

    Parameters
    ----------
    sheet
        The sheet; the image covers all of it.
    geometries
        Shape (n,), in the metric CRS.
    is_over
        Shape (n,): painted in the second colour. One such polygon that no pixel shows, because it is small or another
        lies over it, gets the pixel of its middle: none is lost.
    colours
        Two colours as ``#rrggbb``.
    drawn
        Which polygon lies where, from an earlier call with the same sheet size and geometries; None for the first.

    Returns
    -------
    Which polygon lies where, for the next call.
    """
    if drawn is None:
        drawn = _drawn(sheet, geometries)
    codes = np.concatenate([[0], is_over + 1]).astype(np.uint8)[drawn]
    _, places = _unseen(sheet, geometries, drawn, is_over)
    codes.ravel()[places] = 2
    content = base64.b64encode(png(codes, colours)).decode("ascii")
    height, width = codes.shape
    sheet.parts.append(
        f'<image width="{width / PIXELS_PER_UNIT:g}" height="{height / PIXELS_PER_UNIT:g}" '
        f'style="image-rendering:pixelated" href="data:image/png;base64,{content}"/>')
    return drawn


def _unseen(sheet: MapSheet, geometries: NDArray[np.object_], drawn: Drawn, is_asked: NDArray[np.bool_]
            ) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return which of the geometries asked for have no pixel, and the pixel (row after row) of each one's middle."""
    height, width = _size(sheet)
    is_seen = np.bincount(drawn.ravel(), minlength=len(geometries) + 1)[1:] > 0
    rows = np.flatnonzero(is_asked & ~is_seen)
    boxes = shapely.bounds(geometries[rows])
    xy = sheet.to_sheet((boxes[:, :2] + boxes[:, 2:]) / 2) * PIXELS_PER_UNIT
    is_on = (xy >= 0).all(axis=1) & (xy[:, 0] < width) & (xy[:, 1] < height)
    column, row = xy[is_on].astype(np.int64).T
    return rows[is_on], row * width + column


def _size(sheet: MapSheet) -> tuple[int, int]:
    return int(np.ceil(sheet.height * PIXELS_PER_UNIT)), int(sheet.width * PIXELS_PER_UNIT)


def _drawn(sheet: MapSheet, geometries: NDArray[np.object_]) -> Drawn:
    """Write the number of each polygon into its pixels; one that holds no pixel's centre gets that of its middle."""
    from gis.ragged import flatten
    from maps._drawing_kernels import fill_polygons

    image = np.zeros(_size(sheet), dtype=np.uint32)
    for start in range(0, len(geometries), _AT_A_TIME):
        paths = flatten(geometries[start:start + _AT_A_TIME])
        fill_polygons(image, start, sheet.to_sheet(paths.xy) * PIXELS_PER_UNIT, paths.path_start, paths.part_start,
                      paths.part_is_polygon, paths.geometry_start)
    rows, places = _unseen(sheet, geometries, image, np.ones(len(geometries), dtype=np.bool_))
    is_free = image.ravel()[places] == 0
    image.ravel()[places[is_free]] = rows[is_free] + 1
    return image


def png(codes: NDArray[np.uint8], colours: Sequence[str]) -> bytes:
    """Write an image of few colours: equal images give equal bytes (PNG, third edition: indexed colour).

    Parameters
    ----------
    codes
        Shape (height, width): 0 for nothing, which is transparent; from 1 the colour of that number.
    colours
        ``#rrggbb``.
    """
    height, width = codes.shape
    palette = bytes(3) + b"".join(bytes.fromhex(colour[1:]) for colour in colours)
    rows = np.zeros((height, width + 1), dtype=np.uint8)  # each row begins with its filter: none
    rows[:, 1:] = codes
    return b"\x89PNG\r\n\x1a\n" + b"".join((
        _chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, _BITS, _INDEXED, 0, 0, 0)), _chunk(b"PLTE", palette),
        _chunk(b"tRNS", b"\0"), _chunk(b"IDAT", zlib.compress(rows.tobytes(), 6)), _chunk(b"IEND", b"")))


def _chunk(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))
