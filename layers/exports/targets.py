"""The coordinate systems that results are handed over in.

Degrees in WGS84 or CGCS2000, the CGCS2000 3-degree belts with and without a zone number before the easting, and, on
explicit request alone, GCJ-02. WGS84 and CGCS2000 agree within a metre and are taken as one, as they are on the way in.

GCJ-02 has no EPSG code. Files in it carry a CRS of that name, which no GIS will mistake for WGS84, the suffix
``_gcj02`` in their name, and a column ``datum`` in each feature.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

import geopandas as gpd
import numpy as np
import shapely
from numpy.typing import NDArray
from pyproj import CRS

from gis.bilingual import Text
from gis.crs import WGS84, parse_crs, to_metric, to_wgs84_frame
from gis.datum import wgs84_to_gcj02
from gis.errors import UsageError

GCJ02 = "gcj02"
DATUM_COLUMN = "datum"
"""Column of every feature in GCJ-02."""

_CGCS2000 = 4490
_NUMBERED_BELTS = range(4513, 4534)
"""CGCS2000 3-degree zones 25 to 45, the zone's number before the easting."""
_BELTS = range(4534, 4555)
"""CGCS2000 3-degree zones by central meridian, 75 to 135 degrees east."""
_FIRST_MERIDIAN = 75
_WIDEST_DEG = 3.0
"""How far from the central meridian a study may lie: beyond, lengths are off by more than a thousandth."""

_GCJ02_WKT = (
    'GEOGCRS["GCJ-02 (not WGS 84: shifted 300 to 700 m)",DATUM["GCJ-02",ELLIPSOID["GCJ-02 published as degrees",'
    '6378137,298.257223563]],PRIMEM["Greenwich",0],CS[ellipsoidal,2],AXIS["longitude",east],AXIS["latitude",north],'
    'ANGLEUNIT["degree",0.0174532925199433]]'
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """One CRS of exports."""

    key: str
    """``EPSG:4547`` and the like, or ``gcj02``."""

    title: Text
    """What a reader calls it."""

    crs: CRS
    """The CRS that files carry; coordinates are easting or longitude first."""

    @property
    def is_gcj02(self) -> bool:
        """Tell whether the coordinates are shifted."""
        return self.key == GCJ02

    @property
    def suffix(self) -> str:
        """Return what file names end in."""
        return f"_{GCJ02}" if self.is_gcj02 else ""

    @property
    def epsg(self) -> int:
        """Return the EPSG code; 0 for GCJ-02, which has none."""
        return 0 if self.is_gcj02 else int(self.key.partition(":")[2])

    @property
    def has_degrees(self) -> bool:
        """Tell whether coordinates are degrees."""
        return self.epsg in (0, 4326, _CGCS2000)


def target_of(text: str) -> Target:
    """Return the CRS that exports were asked to be in.

    Parameters
    ----------
    text
        ``EPSG:4326``, ``EPSG:4490``, a CGCS2000 3-degree belt (``EPSG:4513`` to ``EPSG:4554``), the number
        alone, or ``gcj02``.

    Raises
    ------
    UsageError
        It is none of these.
    """
    word = text.strip().lower().replace("-", "")
    if word == GCJ02:
        return Target(key=GCJ02, crs=CRS.from_wkt(_GCJ02_WKT), title=Text(
            zh="GCJ-02 偏移坐标（非 WGS84、非 CGCS2000，偏移 300 至 700 米，仅供叠加国内互联网地图）",
            en="GCJ-02, shifted by 300 to 700 m (neither WGS84 nor CGCS2000; only to lie on Chinese web maps)"))
    match = re.fullmatch(r"(?:epsg:)?(\d{4})", word)
    code = int(match[1]) if match else 0
    if code not in (4326, _CGCS2000, *_NUMBERED_BELTS, *_BELTS):
        raise UsageError(
            f"results cannot be exported in {text[:60]!r}; choose EPSG:4326, EPSG:4490, a CGCS2000 3-degree belt "
            "(EPSG:4513 to EPSG:4554, such as EPSG:4547 or EPSG:4526), or gcj02",
            f"不支持以 {text[:60]!r} 输出；请选择 EPSG:4326、EPSG:4490、CGCS2000 三度带（EPSG:4513 至 EPSG:4554，"
            "例如 EPSG:4547 或 EPSG:4526）或 gcj02",
        )
    crs = parse_crs(code)
    return Target(key=f"EPSG:{code}", crs=crs, title=Text(zh=f"{crs.name}（EPSG:{code}）",
                                                          en=f"{crs.name} (EPSG:{code})"))


def require_near(target: Target, longitude: float) -> None:
    """Make sure that a study at this longitude may be drawn in a belt.

    Raises
    ------
    UsageError
        It lies more than three degrees from the belt's central meridian; the message names the right one.
    """
    meridian = _meridian(target.epsg)
    if meridian is None or abs(longitude - meridian) <= _WIDEST_DEG:
        return
    zone = int(np.clip(round(longitude / 3.0), 25, 45))
    fitting = f"EPSG:{_BELTS[zone - 25]}"
    raise UsageError(
        f"the study lies at {longitude:.1f} E, too far from the central meridian {meridian} E of {target.key}; "
        f"use {fitting}",
        f"方案位于东经 {longitude:.1f} 度，离 {target.key} 的中央经线 {meridian} 度过远；请使用 {fitting}",
    )


def placed(frame: gpd.GeoDataFrame, target: Target) -> gpd.GeoDataFrame:
    """Return a frame in the target's CRS; in GCJ-02 with a column that says so.

    Parameters
    ----------
    frame
        In EPSG:4326.
    target
        The CRS wanted.
    """
    degrees = to_wgs84_frame(frame)
    if target.is_gcj02:
        moved = shapely.transform(degrees.geometry.to_numpy(), _gcj02)
        frame = degrees.set_geometry(gpd.GeoSeries(moved, index=degrees.index, crs=target.crs, name="geometry"))
        return frame.assign(**{DATUM_COLUMN: "GCJ-02"})[[*degrees.columns.drop("geometry"), DATUM_COLUMN, "geometry"]]
    if target.epsg == _CGCS2000:
        return degrees.set_crs(target.crs, allow_override=True)
    return degrees if target.key == WGS84 else to_metric(degrees, target.crs)


def _gcj02(coordinates: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.column_stack(wgs84_to_gcj02(coordinates[:, 0], coordinates[:, 1]))


def _meridian(epsg: int) -> int | None:
    for belts in (_NUMBERED_BELTS, _BELTS):
        if epsg in belts:
            return _FIRST_MERIDIAN + 3 * (epsg - belts[0])
    return None


def longitude_of(bounds: Any) -> float:
    """Return the middle longitude of bounds in degrees (west, south, east, north)."""
    return float((bounds[0] + bounds[2]) / 2)


def in_degrees(frame: gpd.GeoDataFrame, target: Target) -> NDArray[np.object_]:
    """Return the geometries of a placed frame in degrees: of WGS84, or of GCJ-02 where that was asked for.

    Formats that know degrees alone (GeoJSON, KML) hold these.

    Parameters
    ----------
    frame
        In the target's CRS.
    target
        That CRS.
    """
    geometries = frame.geometry if target.has_degrees else to_wgs84_frame(frame).geometry
    return np.asarray(geometries.array, dtype=object)


def place_titles(target: Target) -> tuple[Text, Text]:
    """Return the headings of the coordinates of a feature in a table, which name their CRS."""
    titles = (Text(zh="经度", en="longitude"), Text(zh="纬度", en="latitude")) if target.has_degrees else (
        Text(zh="东坐标_米", en="easting_m"), Text(zh="北坐标_米", en="northing_m"))
    crs = "GCJ-02" if target.is_gcj02 else target.key
    first, second = (Text(zh=f"{title.zh}（{crs}）", en=f"{title.en} ({crs})") for title in titles)
    return first, second


def places_of(frame: gpd.GeoDataFrame, target: Target) -> NDArray[np.float64]:
    """Return a point inside each feature of a placed frame, for a table: seven decimals of a degree, or centimetres.

    Returns
    -------
    ndarray
        Shape (rows, 2), easting or longitude first; NaN where there is no geometry.
    """
    points = shapely.point_on_surface(np.asarray(frame.geometry.array, dtype=object))
    return np.round(np.column_stack([shapely.get_x(points), shapely.get_y(points)]), 7 if target.has_degrees else 2)
