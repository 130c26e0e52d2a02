"""The coordinate systems that the service answers in, by their URIs, each in the axis order of its authority."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache

import numpy as np
import shapely
from numpy.typing import NDArray
from pyproj import CRS, Transformer
from shapely import Geometry, MultiPolygon

from gis.crs import parse_crs
from gis.errors import UsageError

CRS84 = "http://www.opengis.net/def/crs/OGC/1.3/CRS84"
"""Longitude and latitude in WGS84: what GeoJSON is in unless asked otherwise."""

_EPSG = "http://www.opengis.net/def/crs/EPSG/0/"
_NUMBERED, _PLAIN = 4513, 4534
"""First CGCS2000 3-degree belts with and without zone number."""
_BELTS = 21
_DEGREE_DECIMALS, _METRE_DECIMALS = 9, 4


def offered(metric_crs: str) -> tuple[str, ...]:
    """Return the URIs of the CRSs offered: WGS84, CGCS2000, and the study's own belt with and without zone number.

    Parameters
    ----------
    metric_crs
        Metric CRS of the study, such as ``EPSG:4547``.
    """
    code = parse_crs(metric_crs).to_epsg() or 0
    codes = [4326, 4490, *([code] if code else [])]
    if _PLAIN <= code < _PLAIN + _BELTS:
        codes.append(code - _PLAIN + _NUMBERED)
    elif _NUMBERED <= code < _NUMBERED + _BELTS:
        codes.append(code - _NUMBERED + _PLAIN)
    return (CRS84, *(f"{_EPSG}{code}" for code in codes))


def moved(shapes: Sequence[str], uri: str) -> list[str]:
    """Return geometries of longitude and latitude in another CRS, as GeoJSON text.

    Parameters
    ----------
    shapes
        GeoJSON text, or ``null``.
    uri
        One of the URIs offered.
    """
    if uri == CRS84:
        return list(shapes)
    geometries = shapely.from_geojson([None if shape == "null" else shape for shape in shapes])
    transformer, is_north_first, decimals = _way(uri)

    def move(coordinates: NDArray[np.float64]) -> NDArray[np.float64]:
        x, y = transformer.transform(coordinates[:, 0], coordinates[:, 1])
        pair = (y, x) if is_north_first else (x, y)
        return np.round(np.column_stack(pair), decimals)

    texts = shapely.to_geojson(shapely.transform(np.asarray(geometries, dtype=object), move))
    return ["null" if text is None else text for text in texts.tolist()]


def box(numbers: Sequence[float], uri: str) -> Geometry:
    """Return a bounding box as an area in longitude and latitude.

    Parameters
    ----------
    numbers
        Two corners, lower one first, in the axis order of the CRS; heights between are passed over. In
        degrees, a box may cross the antimeridian.
    uri
        Its CRS.

    Raises
    ------
    UsageError
        There are not four or six finite numbers, or the corners are not in order.
    """
    if len(numbers) not in (4, 6) or not np.isfinite(numbers).all():
        raise UsageError("bbox needs four or six finite numbers", "bbox 需要四个或六个有限数值")
    half = len(numbers) // 2
    low, high = list(numbers[:2]), list(numbers[half:half + 2])
    if uri == CRS84:
        return _degrees_box(low, high)
    transformer, is_north_first, _ = _way(uri)
    if is_north_first:
        low, high = low[::-1], high[::-1]
    _in_order(low[1] <= high[1] and low[0] <= high[0])
    area = _corners_box(low, high)
    longest = max(high[0] - low[0], high[1] - low[1])
    # A box without any extent is a point, which has no edge to bend.
    area = shapely.segmentize(area, longest / 20) if longest > 0 else area

    def back(coordinates: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.column_stack(transformer.transform(coordinates[:, 0], coordinates[:, 1], direction="INVERSE"))

    found: Geometry = shapely.transform(area, back)
    if not np.isfinite(shapely.get_coordinates(found)).all():
        raise UsageError("bbox lies outside its CRS", "bbox 超出其坐标系的范围")
    return found


def _degrees_box(low: Sequence[float], high: Sequence[float]) -> Geometry:
    _in_order(low[1] <= high[1])
    if not (low[1] >= -90 and high[1] <= 90 and max(abs(low[0]), abs(high[0])) <= 180):
        raise UsageError("bbox is not longitude and latitude in degrees", "bbox 不是以度为单位的经纬度")
    if low[0] <= high[0]:
        return _corners_box(low, high)
    return MultiPolygon([shapely.box(low[0], low[1], 180, high[1]), shapely.box(-180, low[1], high[0], high[1])])


def _corners_box(low: Sequence[float], high: Sequence[float]) -> Geometry:
    """Return a box, or the line or point that it is where it has no width."""
    found: Geometry = shapely.convex_hull(shapely.box(low[0], low[1], high[0], high[1]))
    return found


def _in_order(is_so: bool) -> None:
    if not is_so:
        raise UsageError("bbox: the lower corner must come first", "bbox：请先写左下角，再写右上角")


@lru_cache(maxsize=16)
def _way(uri: str) -> tuple[Transformer, bool, int]:
    """Return the way from longitude and latitude, whether the CRS puts north first, and the digits worth writing."""
    match = re.fullmatch(re.escape(_EPSG) + r"(\d+)", uri)
    crs = CRS.from_epsg(int(match[1])) if match else CRS.from_user_input("OGC:CRS84")
    # WGS84 and CGCS2000 are taken as one: the shift between them that PROJ offers is none.
    transformer = Transformer.from_crs("EPSG:4326", crs, always_xy=True)
    is_north_first = crs.axis_info[0].direction == "north"
    return transformer, is_north_first, _DEGREE_DECIMALS if crs.is_geographic else _METRE_DECIMALS
