"""From the coordinates of a file to the metric CRS of the run, by a datum that somebody vouches for.

A label "EPSG:4326" in a file proves nothing in China: what web maps publish in GCJ-02 is labelled
so as a rule, and it is 300 to 700 m off. So longitudes and latitudes need a declared datum. A label
of CGCS2000 and a projected CRS on WGS84 or CGCS2000 count as a declaration, because nobody gets
them by accident; Web Mercator, in which web maps are drawn, does not.

Axes are taken as they are. Where they miss the study area in a way that a mistake explains (latitude
before longitude, northing before easting, degrees declared as metres or the reverse) the layer is
refused with its remedy; ``options = { swap_axes = true }`` swaps them on request, never by itself.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import geopandas as gpd
import numpy as np
import shapely
from numpy.typing import NDArray
from pyproj import CRS, Transformer

from gis.bilingual import Text
from gis.crs import axis_order_problem, parse_crs, to_metric, to_wgs84_frame
from gis.datum import to_wgs84
from gis.errors import CrsError, DatumError, UsageError
from gis.rasters import Bounds
from layers.sources.types import LoadContext
from layers.types import Datum, LayerSpec

Floats = NDArray[np.float64]
Family = Literal["wgs84", "cgcs2000", "other"]

_DEGREES = "EPSG:4326"
_LABELS = {"wgs84": "EPSG:4326", "cgcs2000": "EPSG:4490"}

SWAP_AXES = "swap_axes"
"""Option of a spec: the file holds latitude before longitude, or northing before easting."""

_FARTHEST_M = 1e8  # twice the way round the globe: no zone number before an easting reaches it


@dataclass(frozen=True, eq=False)
class Placed:
    """A frame in the metric CRS, and how it came there."""

    frame: gpd.GeoDataFrame
    """Same rows, index and order, in the metric CRS; no geometry where the coordinates are nowhere on the globe or
    farther off than the projection reaches."""

    datum_note: str
    """Datum it came in, and how that is known ("gcj02 (declared)")."""

    crs: str
    """CRS it came in."""


@dataclass(frozen=True, slots=True)
class Placing:
    """How the rows of a layer come into the metric CRS."""

    crs: CRS
    """CRS they are in."""

    datum: Datum
    """Datum they are in."""

    note: str
    """How that is known."""


def place(frame: gpd.GeoDataFrame, spec: LayerSpec, context: LoadContext, *,
          datum: Datum | None = None, area: Bounds | None = None) -> Placed:
    """Move a frame into the metric CRS of the run.

    Parameters
    ----------
    frame
        Features as read; the CRS may be missing.
    spec
        Says the datum and the CRS that override the file's, and whether to swap the axes.
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
    UsageError
        The option ``swap_axes`` is neither true nor false.
    """
    bounds = shapely.bounds(frame.geometry.to_numpy()).reshape(-1, 4)
    placing = placing_of(bounds, frame.crs, spec, context, datum=datum, area=area)
    return placed_by(placing, frame, spec, context, bounds=bounds)


def placing_of(bounds: Floats, crs: CRS | None, spec: LayerSpec, context: LoadContext, *,
               datum: Datum | None = None, area: Bounds | None = None) -> Placing:
    """Find out how a layer is placed, of the extents of its rows alone.

    Parameters
    ----------
    bounds
        Extents of rows in the file's own axes, shape (n, 4); of all rows, or of enough to speak for them.
    crs
        CRS that the file says, or None.
    spec, context, datum, area
        As for :func:`place`.

    Raises
    ------
    DatumError, CrsError, UsageError
        As for :func:`place`.
    """
    sides = [1, 0, 3, 2] if _is_swapped(spec) else [0, 1, 2, 3]
    turned = bounds[:, sides]
    known = _label(crs, turned, spec)
    _refuse_old_datum(known, spec, datum)
    _check_axes(turned, known, spec, context.metric_crs, area)
    found, note = declared_datum(known, spec, datum)
    return Placing(known, found, note + ("; axes swapped (declared)" if _is_swapped(spec) else ""))


def placed_by(placing: Placing, frame: gpd.GeoDataFrame, spec: LayerSpec, context: LoadContext, *,
              bounds: Floats | None = None, is_part: bool = False) -> Placed:
    """Move a frame, or some rows of it, as a placing says.

    Parameters
    ----------
    placing
        Of :func:`placing_of`.
    frame, spec, context
        As for :func:`place`.
    bounds
        Extents of the rows in the file's own axes, where they are known.
    is_part
        The rows are some of many: that the projection holds none of them says nothing of the others.

    Raises
    ------
    CrsError
        No row can be moved.
    """
    found, crs = placing.datum, placing.crs
    extents = shapely.bounds(frame.geometry.to_numpy()).reshape(-1, 4) if bounds is None else bounds
    labelled = _swapped(frame if frame.crs == crs else frame.set_crs(crs, allow_override=True), spec)
    possible = _without_impossible(labelled, crs, extents[:, [1, 0, 3, 2]] if _is_swapped(spec) else extents)
    if found in ("gcj02", "bd09"):
        on_ground = to_wgs84(possible, found)
    elif crs.is_geographic:
        on_ground = possible.set_crs(_LABELS[found], allow_override=True)
    else:
        on_ground = possible
    return Placed(_moved(on_ground, spec.name, context.metric_crs, is_part=is_part), placing.note, crs_label(crs))


def undeclared_degrees(frame: gpd.GeoDataFrame, spec: LayerSpec,
                       datum: Datum | None = None) -> gpd.GeoDataFrame | None:
    """Return a layer in degrees if nobody declared its datum, for those who want to find it.

    Parameters
    ----------
    frame, spec, datum
        As for :func:`place`.

    Returns
    -------
    geopandas.GeoDataFrame or None
        The rows that have a place on the globe, labelled EPSG:4326, longitude first; None where the
        datum is declared, or is an old one that no declaration mends.

    Raises
    ------
    CrsError
        The CRS is missing or unknown.
    """
    labelled = _swapped(_labelled(frame, spec), spec)
    crs = parse_crs(labelled.crs)
    if spec.datum or datum or datum_family(crs) != "wgs84" or not (crs.is_geographic or _is_web_mercator(crs)):
        return None
    possible = _without_impossible(labelled, crs, shapely.bounds(labelled.geometry.to_numpy()).reshape(-1, 4))
    return to_wgs84_frame(possible[~possible.geometry.isna()])


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
    _refuse_old_datum(crs, spec, datum)
    if spec.datum:
        return spec.datum, f"{spec.datum} (declared)"
    if datum:
        return datum, f"{datum} (known from the source)"
    family = datum_family(crs)
    if family == "cgcs2000" or (family == "wgs84" and crs.is_projected and not _is_web_mercator(crs)):
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
    bounds = shapely.bounds(frame.geometry.to_numpy()).reshape(-1, 4)
    return frame.set_crs(_label(frame.crs, bounds, spec), allow_override=True)


def _label(crs: CRS | None, bounds: Floats, spec: LayerSpec) -> CRS:
    """Return the CRS that the spec or the file says, or degrees where both are silent."""
    if spec.crs:
        return parse_crs(spec.crs)
    if crs is not None:
        return parse_crs(crs)
    if not _looks_like_degrees(bounds):
        raise CrsError(
            f"layer {spec.name!r}: the file has no CRS; write crs = \"EPSG:4547\" (or the one it is in) under "
            f"[layers.{spec.name}] in the study file",
            f"图层 {spec.name!r}：文件没有坐标参考系；请在方案文件 [layers.{spec.name}] 下写明 crs = \"EPSG:4547\""
            "（或其实际坐标系）",
        )
    return parse_crs(_DEGREES)


def _is_web_mercator(crs: CRS) -> bool:
    operation = crs.coordinate_operation
    return operation is not None and "pseudo mercator" in operation.method_name.lower().replace("-", " ")


def _refuse_old_datum(crs: CRS, spec: LayerSpec, datum: Datum | None) -> None:
    if datum_family(crs) == "other" and (crs.is_projected or not (spec.datum or datum)):
        raise _old_datum(spec.name, crs)


def _is_swapped(spec: LayerSpec) -> bool:
    wish = spec.option(SWAP_AXES, False)
    if not isinstance(wish, bool):
        raise UsageError(
            f"layer {spec.name!r}: {SWAP_AXES} is {wish!r}; write true or false under [layers.{spec.name}] options",
            f"图层 {spec.name!r}：{SWAP_AXES} 为 {wish!r}；请在 [layers.{spec.name}] 的 options 中写 true 或 false",
        )
    return wish


def _swapped(frame: gpd.GeoDataFrame, spec: LayerSpec) -> gpd.GeoDataFrame:
    """Return the frame with its axes swapped, where the spec asks for it."""
    if not _is_swapped(spec):
        return frame
    turned = shapely.transform(frame.geometry.to_numpy(), lambda coordinates: coordinates[:, ::-1])
    return frame.set_geometry(gpd.GeoSeries(turned, index=frame.index, crs=frame.crs, name=frame.geometry.name))


def _finite(bounds: Floats) -> Floats:
    """Return the bounds that are finite, shape (n, 4)."""
    is_finite = np.isfinite(bounds).all(axis=1)
    return bounds if is_finite.all() else bounds[is_finite]


def _looks_like_degrees(bounds: Floats) -> bool:
    """Tell whether most rows could be degrees, in either order: one slip must not decide for the layer."""
    found = _finite(bounds)
    return not len(found) or bool((np.abs(found) <= 180.0).all(axis=1).mean() > 0.5)


def _check_axes(bounds: Floats, crs: CRS, spec: LayerSpec, metric_crs: str, area: Bounds | None) -> None:
    """Refuse a layer that misses the area for a reason that its declaration explains.

    The middle half of the rows is asked too: a single stray row must not hide the mistake of all others.
    """
    bounds = _finite(bounds)
    if area is None or not len(bounds):
        return
    declared = parse_crs(_DEGREES) if crs.is_geographic else crs
    centres = (bounds[:, :2] + bounds[:, 2:]) / 2.0
    extents = (np.concatenate([bounds[:, :2].min(axis=0), bounds[:, 2:].max(axis=0)]),
               np.quantile(centres, (0.25, 0.75), axis=0).reshape(-1))
    for west, south, east, north in extents:
        extent = (float(west), float(south), float(east), float(north))
        problem = axis_order_problem(extent, area, metric_crs, declared)
        if problem is not None:
            raise _wrong_axes(problem, spec, is_swap=_meets_once_swapped(extent, area, declared))


def _wrong_axes(problem: Text, spec: LayerSpec, *, is_swap: bool) -> CrsError:
    where_en, where_zh = f"under [layers.{spec.name}] in the study file", f"方案文件 [layers.{spec.name}] 下"
    if not is_swap:
        en, zh = f": crs = ... {where_en}", f"：{where_zh} crs = ..."
    elif _is_swapped(spec):
        en, zh = f": remove {SWAP_AXES} {where_en}", f"：删去{where_zh}的 {SWAP_AXES}"
    else:
        option = f"options = {{ {SWAP_AXES} = true }}"
        en, zh = f": write {option} {where_en}", f"：{where_zh}写明 {option}"
    return CrsError(f"layer {spec.name!r}: {problem.en}{en}", f"图层 {spec.name!r}：{problem.zh}{zh}")


def _meets_once_swapped(extent: Bounds, area: Bounds, crs: CRS) -> bool:
    transformer = Transformer.from_crs(_DEGREES, crs, always_xy=True)
    west, south, east, north = transformer.transform_bounds(*area, densify_pts=21)
    return bool(extent[1] <= east and extent[3] >= west and extent[0] <= north and extent[2] >= south)


def _without_impossible(frame: gpd.GeoDataFrame, crs: CRS, bounds: Floats) -> gpd.GeoDataFrame:
    """Return the frame without the geometries that lie nowhere on the globe; one slip must not cost the layer."""
    limits = np.array([180.0, 90.0]) if crs.is_geographic else np.array([_FARTHEST_M, _FARTHEST_M])
    is_possible = (np.abs(bounds) <= np.tile(limits, 2)).all(axis=1)
    return frame if is_possible.all() else frame.set_geometry(frame.geometry.where(is_possible))


def _moved(frame: gpd.GeoDataFrame, name: str, metric_crs: str, *, is_part: bool = False) -> gpd.GeoDataFrame:
    """Return the frame in the metric CRS, without the rows that the projection cannot hold."""
    if frame.crs == parse_crs(metric_crs):
        return frame
    try:
        return to_metric(frame, metric_crs)
    except CrsError as error:
        is_lost = _beyond_projection(frame, metric_crs)
        if is_lost.any() and (is_part or not (is_lost | frame.geometry.isna().to_numpy()).all()):
            return to_metric(frame.set_geometry(frame.geometry.where(~is_lost)), metric_crs)
        # Not a slip of single rows: the layer as a whole is declared wrongly.
        raise CrsError(f"layer {name!r}: {error.text.en}", f"图层 {name!r}：{error.text.zh}") from error


def _beyond_projection(frame: gpd.GeoDataFrame, metric_crs: str) -> NDArray[np.bool_]:
    """Tell which rows have a vertex that is finite before the projection and not after it."""
    transformer = Transformer.from_crs(frame.crs, metric_crs, always_xy=True)
    coordinates, row = shapely.get_coordinates(frame.geometry.to_numpy(), return_index=True)
    x, y = transformer.transform(coordinates[:, 0], coordinates[:, 1])
    is_lost = np.isfinite(coordinates).all(axis=1) & ~(np.isfinite(x) & np.isfinite(y))
    return np.bincount(row[is_lost], minlength=len(frame)) > 0


def _old_datum(name: str, crs: CRS) -> DatumError:
    label = crs_label(crs)
    return DatumError(
        f"layer {name!r}: {label} ({crs.name}) rests neither on WGS84 nor on CGCS2000, and the parameters between "
        f"them are not public; have the surveying authority convert it to CGCS2000, or write the right crs under "
        f"[layers.{name}] in the study file",
        f"图层 {name!r}：{label}（{crs.name}）不是 WGS84 或 CGCS2000 基准，其转换参数不公开；请由测绘主管部门转换为 "
        f"CGCS2000，或在方案文件 [layers.{name}] 下写明正确的 crs",
    )
