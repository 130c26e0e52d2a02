"""GCJ-02 and BD-09 to WGS84 and back, for arrays and frames.

Chinese web maps publish longitudes and latitudes in GCJ-02 (Amap, Tencent, DataV) or in BD-09
(Baidu), 300 to 700 m away from WGS84, which is more than most of the distances that a siting rule
demands. Neither datum has an EPSG code.

The forward formulas are those that the public has known since 2013 (the "eviltransform" of
the Krasovsky 1940 ellipsoid, and Baidu's polar shift on top of it). They have no closed inverse;
here the inverse is the fixed point of the forward formula, found by a fixed number of steps so
that a point's result never depends on the other points of the array. Both inverses meet the
forward formula within 1e-9 degrees (0.1 mm). How well the public formula itself meets the
official one is not published; against matched OpenStreetMap stations it is at the metre level.

CGCS2000 and WGS84 differ by less than a metre and are taken as one.
"""

from __future__ import annotations

from typing import Any, Literal, get_args

import geopandas as gpd
import numpy as np
import shapely
from numpy.typing import ArrayLike, NDArray

from gis.errors import CrsError, DatumError

Datum = Literal["wgs84", "cgcs2000", "gcj02", "bd09"]
"""What longitudes and latitudes refer to."""

Floats = NDArray[np.float64]
LonLat = tuple[Floats, Floats]

_SEMI_MAJOR_AXIS_M = 6378245.0
_ECCENTRICITY_SQUARED = 0.00669342162296594323
_CHINA = (72.004, 0.8293, 137.8347, 55.8271)
_BAIDU_ANGLE = np.pi * 3000.0 / 180.0
# Each GCJ-02 step divides the error by 300 or more, each BD-09 step by 50 or more.
_GCJ02_STEPS = 5
_BD09_STEPS = 9


def wgs84_to_gcj02(lon: ArrayLike, lat: ArrayLike) -> LonLat:
    """Return the GCJ-02 position of WGS84 points.

    Parameters
    ----------
    lon, lat
        Degrees, scalars or arrays that broadcast. A point outside China's rough box
        (72.004 to 137.8347 E, 0.8293 to 55.8271 N) stays where it is; NaN and infinity give NaN.

    Returns
    -------
    tuple of numpy.ndarray
        Longitudes and latitudes, float64, in the broadcast shape.
    """
    moved_lon, moved_lat = _clean(lon, lat)
    is_inside = _is_in_china(moved_lon, moved_lat)
    inside_lon, inside_lat = moved_lon[is_inside], moved_lat[is_inside]
    shift_lon, shift_lat = _gcj02_shift(inside_lon, inside_lat)
    moved_lon[is_inside], moved_lat[is_inside] = inside_lon + shift_lon, inside_lat + shift_lat
    return moved_lon, moved_lat


def gcj02_to_wgs84(lon: ArrayLike, lat: ArrayLike) -> LonLat:
    """Return the WGS84 position of GCJ-02 points; the inverse of :func:`wgs84_to_gcj02`.

    Takes and returns what :func:`wgs84_to_gcj02` does. Within a kilometre of the edge of China's
    rough box (all of it abroad or at sea) the forward formula jumps and has no inverse.
    """
    moved_lon, moved_lat = _clean(lon, lat)
    is_inside = _is_in_china(moved_lon, moved_lat)
    inside_lon, inside_lat = moved_lon[is_inside], moved_lat[is_inside]
    guess_lon, guess_lat = inside_lon, inside_lat
    for _ in range(_GCJ02_STEPS):
        shift_lon, shift_lat = _gcj02_shift(guess_lon, guess_lat)
        guess_lon, guess_lat = inside_lon - shift_lon, inside_lat - shift_lat
    moved_lon[is_inside], moved_lat[is_inside] = guess_lon, guess_lat
    return moved_lon, moved_lat


def wgs84_to_bd09(lon: ArrayLike, lat: ArrayLike) -> LonLat:
    """Return the BD-09 position of WGS84 points (GCJ-02, then Baidu's own shift, which has no box).

    Takes and returns what :func:`wgs84_to_gcj02` does.
    """
    return _gcj02_to_bd09(*wgs84_to_gcj02(lon, lat))


def bd09_to_wgs84(lon: ArrayLike, lat: ArrayLike) -> LonLat:
    """Return the WGS84 position of BD-09 points; the inverse of :func:`wgs84_to_bd09`.

    Takes and returns what :func:`wgs84_to_gcj02` does. Baidu's shift is undone by iteration too:
    the closed form that is often seen leaves up to 0.5 m.
    """
    bd_lon, bd_lat = _clean(lon, lat)
    guess_lon, guess_lat = bd_lon - 0.0065, bd_lat - 0.006
    for _ in range(_BD09_STEPS):
        found_lon, found_lat = _gcj02_to_bd09(guess_lon, guess_lat)
        guess_lon, guess_lat = guess_lon + (bd_lon - found_lon), guess_lat + (bd_lat - found_lat)
    return gcj02_to_wgs84(guess_lon, guess_lat)


def to_wgs84(frame: gpd.GeoDataFrame, datum: Datum | str) -> gpd.GeoDataFrame:
    """Move every vertex of ``frame`` from ``datum`` to WGS84.

    Parameters
    ----------
    frame
        Any geometries, 2-D or 3-D (heights are kept). Without a CRS it must hold degrees. A
        projected frame in GCJ-02 or BD-09 is first brought back to degrees.
    datum
        ``"wgs84"`` and ``"cgcs2000"`` are left as they are; ``"gcj02"`` and ``"bd09"`` are moved.

    Returns
    -------
    geopandas.GeoDataFrame
        A new frame, index, order and columns kept; in EPSG:4326 where it was moved or had no CRS.

    Raises
    ------
    DatumError
        The datum is not one of the four.
    CrsError
        The frame has no CRS and its coordinates are not degrees.
    """
    if datum not in get_args(Datum):
        known = ", ".join(get_args(Datum))
        raise DatumError(
            f"unknown datum {datum!r}; declare one of: {known}",
            f"未知的坐标基准 {datum!r}；请声明以下之一：{known}",
        )
    moved = _in_degrees(frame) if frame.crs is None or datum in ("gcj02", "bd09") else frame.copy()
    if datum in ("gcj02", "bd09"):
        inverse = gcj02_to_wgs84 if datum == "gcj02" else bd09_to_wgs84

        def move(coordinates: Floats) -> Floats:
            lon, lat = inverse(coordinates[:, 0], coordinates[:, 1])
            return np.column_stack([lon, lat, *coordinates[:, 2:].T])

        moved = moved.set_geometry(gpd.GeoSeries(
            _transformed(moved.geometry.to_numpy(), move), index=moved.index, crs=moved.crs,
            name=moved.geometry.name))
    return moved


def _in_degrees(frame: gpd.GeoDataFrame) -> gpd.GeoDataFrame:
    """Return ``frame`` in EPSG:4326, which it is taken to be in where it does not say."""
    if frame.crs is not None:
        # EPSG:4490 is brought over by name only: a shift of zero.
        return frame.to_crs(4326) if frame.crs.is_projected else frame.set_crs(4326, allow_override=True)
    coordinates = shapely.get_coordinates(frame.geometry.to_numpy())
    finite = coordinates[np.isfinite(coordinates).all(axis=1)]
    if (np.abs(finite) > (360.0, 180.0)).any():
        raise CrsError(
            "the layer has no CRS and its coordinates are not degrees; declare its CRS (for example EPSG:4547)",
            "图层没有坐标系，且坐标不是经纬度；请声明其坐标系（例如 EPSG:4547）",
        )
    return frame.set_crs(4326)


def _transformed(geometries: NDArray[Any], move: Any) -> NDArray[Any]:
    """Move the vertices of ``geometries``, each in the dimension that it has."""
    moved = np.array(geometries, dtype=object)
    has_z = shapely.has_z(moved)
    moved[~has_z] = shapely.transform(moved[~has_z], move)
    moved[has_z] = shapely.transform(moved[has_z], move, include_z=True)
    return moved


def _clean(lon: ArrayLike, lat: ArrayLike) -> LonLat:
    """Return both as float64 of one shape, with NaN in both where either is not finite."""
    both = np.broadcast_arrays(np.asarray(lon, dtype=np.float64), np.asarray(lat, dtype=np.float64))
    is_finite = np.isfinite(both[0]) & np.isfinite(both[1])
    return np.array(np.where(is_finite, both[0], np.nan)), np.array(np.where(is_finite, both[1], np.nan))


def _is_in_china(lon: Floats, lat: Floats) -> NDArray[np.bool_]:
    west, south, east, north = _CHINA
    return np.asarray((lon >= west) & (lon <= east) & (lat >= south) & (lat <= north))


def _gcj02_shift(lon: Floats, lat: Floats) -> LonLat:
    """Return GCJ-02 minus WGS84 in degrees at WGS84 points."""
    x, y = lon - 105.0, lat - 35.0
    root, product = np.sqrt(np.abs(x)), x * y
    wave = np.sin(2.0 * np.pi * x)
    # The formula's sin(6 pi x) is sin(3 a) = sin a (3 - 4 sin^2 a) with a = 2 pi x.
    ripple = (20.0 * wave * (3.0 - 4.0 * wave * wave) + 20.0 * wave) * 2.0 / 3.0
    north_m = (-100.0 + 2.0 * x + 3.0 * y + 0.2 * y * y + 0.1 * product + 0.2 * root + ripple
               + (20.0 * np.sin(np.pi * y) + 40.0 * np.sin(np.pi / 3.0 * y)) * 2.0 / 3.0
               + (160.0 * np.sin(np.pi / 12.0 * y) + 320.0 * np.sin(np.pi / 30.0 * y)) * 2.0 / 3.0)
    east_m = (300.0 + x + 2.0 * y + 0.1 * x * x + 0.1 * product + 0.1 * root + ripple
              + (20.0 * np.sin(np.pi * x) + 40.0 * np.sin(np.pi / 3.0 * x)) * 2.0 / 3.0
              + (150.0 * np.sin(np.pi / 12.0 * x) + 300.0 * np.sin(np.pi / 30.0 * x)) * 2.0 / 3.0)
    latitude = np.radians(lat)
    flattening = 1.0 - _ECCENTRICITY_SQUARED * np.sin(latitude) ** 2
    meridian_m = _SEMI_MAJOR_AXIS_M * (1.0 - _ECCENTRICITY_SQUARED) / (flattening * np.sqrt(flattening))
    parallel_m = _SEMI_MAJOR_AXIS_M / np.sqrt(flattening) * np.cos(latitude)
    return np.degrees(east_m / parallel_m), np.degrees(north_m / meridian_m)


def _gcj02_to_bd09(lon: Floats, lat: Floats) -> LonLat:
    """Return the BD-09 position of GCJ-02 points."""
    # Numbers that are no degrees at all may overflow on the way; they come out as NaN or infinity.
    with np.errstate(over="ignore", invalid="ignore"):
        radius = np.hypot(lon, lat) + 0.00002 * np.sin(lat * _BAIDU_ANGLE)
        angle = np.arctan2(lat, lon) + 0.000003 * np.cos(lon * _BAIDU_ANGLE)
    return np.asarray(radius * np.cos(angle) + 0.0065), np.asarray(radius * np.sin(angle) + 0.006)
