"""From the coordinates of a file to the metric CRS of the run, by a datum that somebody vouches for.

A label "EPSG:4326" in a file proves nothing in China: what web maps publish in GCJ-02 is labelled
so as a rule, and it is 300 to 700 m off. So longitudes and latitudes need a declared datum. A label
of CGCS2000 and a projected CRS on WGS84 or CGCS2000 count as a declaration, because nobody gets
them by accident; Web Mercator, in which web maps are drawn, does not.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import geopandas as gpd
import numpy as np
from pyproj import CRS

from gis.crs import axis_order_problem, parse_crs, to_metric
from gis.datum import to_wgs84
from gis.errors import CrsError, DatumError
from gis.rasters import Bounds
from layers.sources.types import LoadContext
from layers.types import Datum, LayerSpec

Family = Literal["wgs84", "cgcs2000", "other"]

_DEGREES = "EPSG:4326"
_LABELS = {"wgs84": "EPSG:4326", "cgcs2000": "EPSG:4490"}
_FARTHEST_M = 1e8  # twice the way round the globe: no zone number before an easting reaches it


@dataclass(frozen=True, eq=False)
class Placed:
    """A frame in the metric CRS, and how it came there."""

    frame: gpd.GeoDataFrame
    """Same rows, index and order, in the metric CRS; no geometry where the coordinates are nowhere on the globe."""

    datum_note: str
    """Datum it came in, and how that is known ("gcj02 (declared)")."""

    crs: str
    """CRS it came in."""


def place(frame: gpd.GeoDataFrame, spec: LayerSpec, context: LoadContext, *,
          datum: Datum | None = None, area: Bounds | None = None) -> Placed:
    """Move a frame into the metric CRS of the run.

    Parameters
    ----------
    frame
        Features as read; the CRS may be missing.
    spec
        Says the datum and the CRS that override the file's.
    context
        Names the metric CRS.
    datum
        Datum that the source itself vouches for; the spec's goes before it.
    area
        Bounds of the study area in WGS84 degrees, to notice swapped axes; None where there is none.

    Returns
    -------
    Placed
        The frame in the metric CRS.

    Raises
    ------
    DatumError
        Nobody declared the datum, or it is neither WGS84 nor CGCS2000 nor one that can be undone.
    CrsError
        The CRS is missing or unknown, or the axes are swapped.
    """
    labelled = _labelled(frame, spec)
    crs = parse_crs(labelled.crs)
    _check_axes(labelled, crs, spec.name, context.metric_crs, area)
    found, note = declared_datum(crs, spec, datum)
    possible = _without_impossible(labelled, crs)
    if found in ("gcj02", "bd09"):
        on_ground = to_wgs84(possible, found)
    elif crs.is_geographic:
        on_ground = possible.set_crs(_LABELS[found], allow_override=True)
    else:
        on_ground = possible
    try:
        return Placed(to_metric(on_ground, context.metric_crs), note, crs_label(crs))
    except CrsError as error:
        raise CrsError(f"layer {spec.name!r}: {error.text.en}", f"图层 {spec.name!r}：{error.text.zh}") from error


def declared_datum(crs: CRS, spec: LayerSpec, datum: Datum | None = None) -> tuple[Datum, str]:
    """Return the datum of a layer and how it is known.

    Parameters
    ----------
    crs
        CRS of the layer, from the file or the spec.
    spec
        Says the datum that goes before all others.
    datum
        Datum that the source vouches for.

    Returns
    -------
    tuple
        The datum, and a note for the provenance.

    Raises
    ------
    DatumError
        Nobody declared it, or the CRS rests on an older datum (Beijing 1954, Xian 1980).
    """
    family = datum_family(crs)
    if family == "other" and (crs.is_projected or not (spec.datum or datum)):
        raise _old_datum(spec.name, crs)
    if spec.datum:
        return spec.datum, f"{spec.datum} (declared)"
    if datum:
        return datum, f"{datum} (known from the source)"
    operation = crs.coordinate_operation
    is_web_mercator = operation is not None and "pseudo mercator" in operation.method_name.lower().replace("-", " ")
    if family == "cgcs2000" or (family == "wgs84" and crs.is_projected and not is_web_mercator):
        return family, f"{family} (from {crs_label(crs)})"
    raise undeclared(spec.name)


def datum_family(crs: CRS) -> Family:
    """Tell on which of the two modern datums a CRS rests, or that it is another one."""
    geodetic = crs.geodetic_crs
    name = "" if geodetic is None or geodetic.datum is None else geodetic.datum.name
    plain = name.lower().replace("_", " ").removeprefix("d ")
    if plain in ("china 2000", "cgcs2000", "china geodetic coordinate system 2000", "cgcs 2000"):
        return "cgcs2000"
    return "wgs84" if plain.startswith(("world geodetic system 1984", "wgs 1984", "wgs 84", "wgs84")) else "other"


def crs_label(crs: CRS) -> str:
    """Return "EPSG:4547" where the CRS has a code, else its name."""
    authority = crs.to_authority()
    return ":".join(authority) if authority else str(crs.name)


def undeclared(name: str) -> DatumError:
    """Return the error of a layer whose datum nobody declared, with the line to write."""
    return DatumError(
        f"layer {name!r}: coordinates are longitude and latitude of an undeclared datum (a WGS84 label does not prove "
        f"it: data from Chinese web maps is GCJ-02, 300 to 700 m off); write datum = \"gcj02\" (or wgs84, cgcs2000, "
        f"bd09) under [layers.{name}] in the study file",
        f"图层 {name!r}：坐标是经纬度，但没有声明坐标基准（文件里的 WGS84 标识不足为凭：国内网络地图的数据是 GCJ-02，"
        f"偏移 300 至 700 米）；请在方案文件 [layers.{name}] 下写明 datum = \"gcj02\"（或 wgs84、cgcs2000、bd09）",
    )


def _labelled(frame: gpd.GeoDataFrame, spec: LayerSpec) -> gpd.GeoDataFrame:
    """Return the frame with the CRS that the spec or the file says, or degrees where both are silent."""
    if spec.crs:
        return frame.set_crs(parse_crs(spec.crs), allow_override=True)
    if frame.crs is not None:
        return frame
    if not _looks_like_degrees(frame):
        raise CrsError(
            f"layer {spec.name!r}: the file has no CRS; write crs = \"EPSG:4547\" (or the one it is in) under "
            f"[layers.{spec.name}] in the study file",
            f"图层 {spec.name!r}：文件没有坐标参考系；请在方案文件 [layers.{spec.name}] 下写明 crs = \"EPSG:4547\""
            "（或其实际坐标系）",
        )
    return frame.set_crs(_DEGREES)


def _looks_like_degrees(frame: gpd.GeoDataFrame) -> bool:
    if frame.empty:
        return True
    min_x, min_y, max_x, max_y = frame.total_bounds
    return bool(np.all(np.isfinite(frame.total_bounds)) and min_x >= -180.0 and max_x <= 180.0
                and min_y >= -180.0 and max_y <= 180.0)


def _check_axes(frame: gpd.GeoDataFrame, crs: CRS, name: str, metric_crs: str, area: Bounds | None) -> None:
    if area is None or frame.empty or not np.isfinite(frame.total_bounds).all():
        return
    min_x, min_y, max_x, max_y = (float(value) for value in frame.total_bounds)
    problem = axis_order_problem((min_x, min_y, max_x, max_y), area, metric_crs, crs)
    if problem is not None:
        raise CrsError(f"layer {name!r}: {problem.en}", f"图层 {name!r}：{problem.zh}")


def _without_impossible(frame: gpd.GeoDataFrame, crs: CRS) -> gpd.GeoDataFrame:
    """Return the frame without the geometries that lie nowhere on the globe; one slip must not cost the layer."""
    limits = np.array([180.0, 90.0]) if crs.is_geographic else np.array([_FARTHEST_M, _FARTHEST_M])
    bounds = np.abs(frame.geometry.bounds.to_numpy()) <= np.tile(limits, 2)
    return frame if bounds.all() else frame.set_geometry(frame.geometry.where(bounds.all(axis=1)))


def _old_datum(name: str, crs: CRS) -> DatumError:
    label = crs_label(crs)
    return DatumError(
        f"layer {name!r}: {label} ({crs.name}) rests neither on WGS84 nor on CGCS2000, and the parameters between "
        f"them are not public; have the surveying authority convert it to CGCS2000, or write the right crs under "
        f"[layers.{name}] in the study file",
        f"图层 {name!r}：{label}（{crs.name}）不是 WGS84 或 CGCS2000 基准，其转换参数不公开；请由测绘主管部门转换为 "
        f"CGCS2000，或在方案文件 [layers.{name}] 下写明正确的 crs",
    )
