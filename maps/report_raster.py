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
        Shape (n,): painted in the second colour. A pixel in which one such polygon has its middle has that colour,
        however small the polygon, whatever else lies there.
    colours
        Two colours as ``#rrggbb``.
    drawn
        Which polygon lies where, from an earlier call with the same sheet size and geometries; None for the first.

    Returns
    -------
    Which polygon lies where, for the next call.
    """
    places = _pixels_of(sheet, geometries)
    if drawn is None:
        drawn = _drawn(sheet, geometries, places)
    codes = np.concatenate([[0], is_over + 1]).astype(np.uint8)[drawn]
    codes.ravel()[places[is_over & (places >= 0)]] = 2
    content = base64.b64encode(png(codes, colours)).decode("ascii")
    height, width = codes.shape
    sheet.parts.append(
        f'<image width="{width / PIXELS_PER_UNIT:g}" height="{height / PIXELS_PER_UNIT:g}" '
        f'style="image-rendering:pixelated" href="data:image/png;base64,{content}"/>')
    return drawn


def _pixels_of(sheet: MapSheet, geometries: NDArray[np.object_]) -> NDArray[np.int64]:
    """Return the pixel of the middle of each geometry's box, row after row; -1 where it is empty or off the sheet."""
    height, width = _size(sheet)
    boxes = shapely.bounds(geometries)
    xy = sheet.to_sheet((boxes[:, :2] + boxes[:, 2:]) / 2) * PIXELS_PER_UNIT
    is_on = (xy >= 0).all(axis=1) & (xy[:, 0] < width) & (xy[:, 1] < height)
    held = np.where(is_on[:, None], xy, 0.0).astype(np.int64)
    return np.where(is_on, held[:, 1] * width + held[:, 0], -1)


def _size(sheet: MapSheet) -> tuple[int, int]:
    return int(np.ceil(sheet.height * PIXELS_PER_UNIT)), int(sheet.width * PIXELS_PER_UNIT)


def _drawn(sheet: MapSheet, geometries: NDArray[np.object_], places: NDArray[np.int64]) -> Drawn:
    """Write the number of each polygon into its pixels; one too small for a pixel's centre gets that of its middle."""
    from gis.ragged import flatten
    from maps._drawing_kernels import fill_polygons

    image = np.zeros(_size(sheet), dtype=np.uint32)
    is_on = np.flatnonzero(places >= 0)
    image.ravel()[places[is_on]] = is_on + 1
    paths = flatten(geometries)
    fill_polygons(image, sheet.to_sheet(paths.xy) * PIXELS_PER_UNIT, paths.path_start, paths.part_start,
                  paths.part_is_polygon, paths.geometry_start)
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
