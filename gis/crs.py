"""The one metric CRS of a run: parse it, check it, bring frames into it and back.

Coordinates are always easting before northing and longitude before latitude, whatever the
authority's axis order says. CGCS2000 and WGS84 agree within a metre and are joined without a
shift. Older Chinese datums (Beijing 1954, Xian 1980) are tens of metres away by parameters that
are not public: where PROJ knows no transformation the layer is refused rather than moved wrongly.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import geopandas as gpd
import numpy as np
import shapely
from numpy.typing import NDArray
from pyproj import CRS, Transformer
from pyproj.exceptions import CRSError, ProjError

from gis.bilingual import Text
from gis.errors import CrsError
from gis.rasters import Bounds

WGS84 = "EPSG:4326"

# Semi-major axis that WGS84, CGCS2000 and every other geocentric datum of our time shares.
_GEOCENTRIC_SEMI_MAJOR_AXIS_M = 6378137.0


def parse_crs(text: str | int | CRS) -> CRS:
    """Return the CRS that ``text`` names.

    Parameters
    ----------
    text
        An authority code such as ``"EPSG:4547"``, the number alone, WKT, or a CRS.

    Raises
    ------
    CrsError
        PROJ does not know it.
    """
    try:
        return CRS.from_user_input(text.strip() if isinstance(text, str) else text)
    except CRSError as error:
        raise CrsError(
            f"unknown coordinate reference system {str(text)[:80]!r}; write an EPSG code such as EPSG:4547",
            f"无法识别的坐标系 {str(text)[:80]!r}；请填写 EPSG 代号，例如 EPSG:4547",
        ) from error


def require_metric(crs: str | int | CRS) -> CRS:
    """Return ``crs`` if lengths and areas may be measured in it, in metres.

    Raises
    ------
    CrsError
        It is not projected, its axes are not metres, or it is Web Mercator, which stretches
        lengths by 1.2 in central China.
    """
    parsed = parse_crs(crs)
    axes = parsed.axis_info[:2]
    if not parsed.is_projected or len(axes) < 2 or any(a.unit_conversion_factor != 1.0 for a in axes):
        raise CrsError(
            f"{parsed.name!r} is not a projected CRS in metres; use a CGCS2000 3-degree zone such as EPSG:4547",
            f"{parsed.name!r} 不是以米为单位的投影坐标系；请使用 CGCS2000 三度带坐标系，例如 EPSG:4547",
        )
    operation = parsed.coordinate_operation
    if operation is not None and "pseudo mercator" in operation.method_name.lower().replace("-", " "):
        raise CrsError(
            f"lengths in {parsed.name!r} (Web Mercator) are not metres on the ground; "
            "use a CGCS2000 3-degree zone such as EPSG:4547",
            f"{parsed.name!r}（网络墨卡托）中的长度不是地面上的米；请使用 CGCS2000 三度带坐标系，例如 EPSG:4547",
        )
    return parsed


def to_metric(frame: gpd.GeoDataFrame, metric_crs: str | int | CRS) -> gpd.GeoDataFrame:
    """Return ``frame`` in the metric CRS of the run.

    Parameters
    ----------
    frame
        Any geometries, with a CRS. A vertex that is not finite already stays so (its row is
        rejected by :func:`gis.vector.repair`).
    metric_crs
        Projected CRS in metres.

    Returns
    -------
    geopandas.GeoDataFrame
        A new frame; index, order and columns kept.

    Raises
    ------
    CrsError
        The frame has no CRS, the CRS is not metric, no transformation is known between the two
        datums, or finite vertices fall outside the projection (the message says how many).
    """
    return _moved(frame, require_metric(metric_crs))


def to_wgs84_frame(frame: gpd.GeoDataFrame) -> gpd.GeoDataFrame:
    """Return ``frame`` in EPSG:4326, longitude before latitude.

    Raises
    ------
    CrsError
        As for :func:`to_metric`.
    """
    return _moved(frame, parse_crs(WGS84))


def require_transformation(source: str | int | CRS, target: str | int | CRS) -> None:
    """Check that coordinates can be brought from ``source`` to ``target`` within a metre or so.

    Raises
    ------
    CrsError
        A CRS is unknown, or no transformation between the two datums is public.
    """
    _transformer(parse_crs(source), parse_crs(target))


def axis_order_problem(
    frame_bounds: Bounds,
    area_bounds_wgs84: Bounds,
    metric_crs: str | int | CRS,
    frame_crs: str | int | CRS | None = None,
) -> Text | None:
    """Say whether coordinates miss the area in a way that a mistake in their declaration explains.

    Parameters
    ----------
    frame_bounds
        Bounds of a layer, in ``frame_crs``.
    area_bounds_wgs84
        Bounds of the city: west, south, east, north in degrees.
    metric_crs
        Metric CRS of the run.
    frame_crs
        CRS that the layer is declared to be in; ``metric_crs`` if None.

    Returns
    -------
    Text or None
        What is wrong (latitude before longitude, northing before easting, degrees declared as
        metres or the reverse, a zone number before the easting) with its remedy; None where the
        layer meets the area, and where it is elsewhere for no such reason.
    """
    declared = parse_crs(metric_crs if frame_crs is None else frame_crs)
    expected = _bounds_between(area_bounds_wgs84, parse_crs(WGS84), declared)
    if not np.isfinite(frame_bounds).all() or _meets(frame_bounds, expected):
        return None
    swapped = (frame_bounds[1], frame_bounds[0], frame_bounds[3], frame_bounds[2])
    if _meets(swapped, expected):
        return _SWAPPED_DEGREES if declared.is_geographic else _SWAPPED_METRES
    if declared.is_geographic:
        metric = _bounds_between(area_bounds_wgs84, parse_crs(WGS84), parse_crs(metric_crs))
        return _METRES_AS_DEGREES if _meets(frame_bounds, metric) or _meets(swapped, metric) else None
    if _meets(frame_bounds, area_bounds_wgs84) or _meets(swapped, area_bounds_wgs84):
        return _DEGREES_AS_METRES
    return _ZONE_NUMBER if _differs_by_zone_number(frame_bounds, expected) else None


_SWAPPED_DEGREES = Text(
    zh="纬度写在了经度之前；请对调两列坐标",
    en="latitude comes before longitude; swap the two coordinates",
)
_SWAPPED_METRES = Text(
    zh="北坐标写在了东坐标之前（测量习惯的 X、Y）；请对调两列坐标",
    en="northing comes before easting (the surveyor's X and Y); swap the two coordinates",
)
_DEGREES_AS_METRES = Text(
    zh="坐标是经纬度，却声明为以米为单位的投影坐标系；请声明为 EPSG:4326 或 EPSG:4490 并写明坐标基准",
    en="the coordinates are degrees but a CRS in metres is declared; declare EPSG:4326 or EPSG:4490 and the datum",
)
_METRES_AS_DEGREES = Text(
    zh="坐标是以米为单位的投影坐标，却声明为经纬度；请声明其投影坐标系（例如 EPSG:4547）",
    en="the coordinates are metres but a CRS in degrees is declared; declare the projected CRS (such as EPSG:4547)",
)
_ZONE_NUMBER = Text(
    zh="东坐标的带号与所声明的坐标系不符；请在有带号（如 EPSG:4526）与无带号（如 EPSG:4547）的坐标系之间改换",
    en="the zone number before the easting does not fit the declared CRS; "
       "change between a CRS with zone number (such as EPSG:4526) and one without (such as EPSG:4547)",
)


def _meets(bounds: Bounds, expected: Bounds) -> bool:
    return (bounds[0] <= expected[2] and bounds[2] >= expected[0]
            and bounds[1] <= expected[3] and bounds[3] >= expected[1])


def _differs_by_zone_number(bounds: Bounds, expected: Bounds) -> bool:
    """Whether the bounds meet once both eastings are taken without their millions."""
    if max(bounds[0], expected[0]) < 1e6:
        return False
    return _meets(_without_zone(bounds), _without_zone(expected))


def _without_zone(bounds: Bounds) -> Bounds:
    millions = np.floor(bounds[0] / 1e6) * 1e6
    return (float(bounds[0] - millions), bounds[1], float(bounds[2] - millions), bounds[3])


def _bounds_between(bounds: Bounds, source: CRS, target: CRS) -> Bounds:
    moved = _transformer(source, target).transform_bounds(*bounds, densify_pts=21)
    return (float(moved[0]), float(moved[1]), float(moved[2]), float(moved[3]))


def _moved(frame: gpd.GeoDataFrame, target: CRS) -> gpd.GeoDataFrame:
    if frame.crs is None:
        raise CrsError(
            "the layer has no CRS; declare it (for example crs = \"EPSG:4547\", or datum = \"gcj02\" for degrees)",
            "图层没有坐标系；请声明坐标系（例如 crs = \"EPSG:4547\"，经纬度则声明 datum = \"gcj02\" 等）",
        )
    if frame.crs == target:
        return frame.copy()
    geometries = _transformed(frame.geometry.to_numpy(), _transformer(frame.crs, target), frame.crs, target)
    series = gpd.GeoSeries(geometries, index=frame.index, crs=target)
    return frame.set_geometry(series.rename(frame.geometry.name))


def _transformed(geometries: NDArray[Any], transformer: Transformer, source: CRS, target: CRS) -> NDArray[Any]:
    """Move the vertices of ``geometries``; heights stay as they are."""
    n_lost = 0

    def move(coordinates: NDArray[np.float64]) -> NDArray[np.float64]:
        nonlocal n_lost
        x, y = transformer.transform(coordinates[:, 0], coordinates[:, 1])
        was_finite = np.isfinite(coordinates[:, :2]).all(axis=1)
        n_lost += int((was_finite & ~(np.isfinite(x) & np.isfinite(y))).sum())
        return np.column_stack([x, y, *coordinates[:, 2:].T])

    moved = np.array(geometries, dtype=object)
    has_z = shapely.has_z(moved)
    moved[~has_z] = shapely.transform(moved[~has_z], move)
    moved[has_z] = shapely.transform(moved[has_z], move, include_z=True)
    if n_lost:
        raise CrsError(
            f"{n_lost} vertices cannot be brought from {source.name!r} to {target.name!r}; "
            "check the declared CRS and the order of the coordinates",
            f"有 {n_lost} 个顶点无法从 {source.name!r} 转换到 {target.name!r}；请检查所声明的坐标系和坐标顺序",
        )
    return moved


@lru_cache(maxsize=64)
def _transformer(source: CRS, target: CRS) -> Transformer:
    """Return the transformation, longitude or easting first."""
    axes = {crs.ellipsoid.semi_major_metre for crs in (source, target) if crs.ellipsoid is not None}
    is_null_shift = axes == {_GEOCENTRIC_SEMI_MAJOR_AXIS_M}
    try:
        return Transformer.from_crs(source, target, always_xy=True, allow_ballpark=is_null_shift)
    except ProjError as error:
        raise CrsError(
            f"no public transformation from {source.name!r} to {target.name!r} is known; "
            "have the layer converted to CGCS2000 by the survey authority first",
            f"没有公开的由 {source.name!r} 到 {target.name!r} 的转换参数；请先由测绘主管部门将图层转换为 CGCS2000",
        ) from error
