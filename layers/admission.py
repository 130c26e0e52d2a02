"""The steps between what a source hands over and a frame of the run, every row accounted for."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass, replace

import geopandas as gpd
import numpy as np
import pandas as pd
import shapely
from numpy.typing import NDArray

from gis.bilingual import Text
from gis.errors import SchemaError, SitingToolError
from gis.rasters import Bounds
from gis.schemas import GEOMETRY_TYPES, FrameSchema, GeometryKind, Kind
from gis.vector import flat, repair
from layers.conversion import convert_fields, with_constants
from layers.ids import TAIL, Ids, made_ids, unique_ids
from layers.intake import Intake
from layers.oddities import Repeats, noted
from layers.placement import Placed, Placing, place, placed_by
from layers.schemas import LayerSchema
from layers.sources.types import LoadContext, RawVector
from layers.types import CERTAINTIES, Certainty, LayerSpec, Ledger
from layers.value_mapping import CODE_COLUMN, LAND_USE

Mask = NDArray[np.bool_]

MAX_VERTICES = 5_000_000
"""A feature with more vertices is rejected: its repair alone would need gigabytes."""

MAX_EXTENTS = 20.0
"""A polygon larger than so many times the bounding box of the study area says nothing of a place in it (the outline
of a country among parcels) and is rejected."""

CITY_WIDE_LAYERS = ("districts", "water", "protected_land")
"""Layers whose polygons may be of any size: a sea, a national park, the district that a city lies in."""

_NO_GEOMETRY = Text(zh="没有几何，或几何无法读取", en="no geometry, or one that cannot be read")
_NOWHERE = Text(zh="坐标不在地球上，或超出投影坐标系的范围",
                en="coordinates lie nowhere on the globe, or beyond the reach of the projection")
_OUTSIDE = Text(zh="整体位于研究范围之外", en="outside the study area")
_CLOSED_LINE = Text(zh="闭合线，按其围成的面处理", en="a closed line, taken as the outline of a polygon")
_UNKNOWN_REPAIR = Text(zh="几何已修复", en="geometry repaired")

_DIMENSIONS: dict[GeometryKind, int] = {"point": 0, "line": 1, "polygon": 2}
_LINE, _RING = 1, 2  # type numbers of GEOS

_EMPTY_COLUMNS: dict[Kind, Callable[[pd.Index], pd.Series]] = {
    "text": lambda index: pd.Series([None] * len(index), index=index, dtype=object),
    "flag": lambda index: pd.Series([None] * len(index), index=index, dtype=object),
    "number": lambda index: pd.Series(np.nan, index=index, dtype=np.float64),
}


@dataclass(frozen=True, eq=False)
class Admitted:
    """Rows of one source, ready for the run."""

    frame: gpd.GeoDataFrame
    """RangeIndex; columns of the schema, ``certainty``, others, ``geometry``; metric CRS."""

    ledger: Ledger
    """What became of every row."""

    datum_note: str
    """Datum it came in, and how that is known."""

    crs: str
    """CRS it came in."""

    n_outside: int = 0
    """Rows wholly outside the study area; of parcels they are rejected."""


@dataclass(frozen=True, eq=False, kw_only=True)
class Overview:
    """What has to be known of all rows of a layer before some of them can be admitted (``layers.survey``)."""

    placing: Placing
    """How they come into the metric CRS."""

    ids: Ids
    """Gives them ids, part after part."""

    repeats: Repeats
    """Finds the rows that repeat an earlier one, part after part."""

    has_codes: bool = False
    """The land use of some row is a code or a word of its own, so that all parts have a column for it."""

    numeric: frozenset[str] = frozenset()
    """Text columns of the file that hold nothing but numbers, for the condition ``where``."""


def admit(raw: RawVector, spec: LayerSpec, schema: LayerSchema, context: LoadContext, *,
          area: Bounds | None = None, taken: Collection[str] = frozenset(), n_before: int = 0,
          overview: Overview | None = None) -> Admitted:
    """Turn what a source handed over into a frame of the run.

    Parameters
    ----------
    raw
        Rows as read.
    spec
        What the study says of them.
    schema
        What the layer must hold.
    context
        Metric CRS and study area.
    area
        Bounds of the study area in WGS84 degrees, or None.
    taken
        Ids that earlier sources of the layer use.
    n_before
        Rows that earlier sources of the layer held; ids that must be made count on from there.
    overview
        What all rows of the layer have in common, where ``raw`` holds only some of them.

    Returns
    -------
    Admitted
        The frame and the account.

    Raises
    ------
    SchemaError
        A required column is missing, or a column holds a word that the layer does not know.
    DatumError, CrsError
        The coordinates cannot be placed.
    """
    frame_schema = _frame_schema(schema)
    intake = _typed(raw, spec, schema)
    intake = intake.reject(_is_nothing(intake.frame), _NO_GEOMETRY)
    intake = _of_bearable_size(intake)
    if overview is None:
        placed = place(intake.frame, spec, context, datum=raw.datum, area=area)
    else:
        intake = _with_codes(intake, overview)
        placed = placed_by(overview.placing, intake.frame, spec, context, is_part=True)
    intake = _placed(intake, placed)
    intake = _repaired(_outlined(intake, frame_schema), frame_schema)
    intake = _of_right_kind(intake, frame_schema)
    if schema.name not in CITY_WIDE_LAYERS:
        intake = _of_city_size(intake, context)
    is_outside = _is_outside(intake.frame, context)
    if schema.name == "parcels":
        intake = intake.reject(is_outside, _OUTSIDE)
    intake = _identified(intake, spec.name, taken, n_before, overview.ids if overview else None)
    frame = _in_order(_with_all_columns(intake.frame, frame_schema), frame_schema)
    frame_schema.check(frame)
    ledger = replace(intake.ledger(), notes=noted(frame, schema.id_column, overview.repeats if overview else None))
    return Admitted(frame.reset_index(drop=True), ledger, raw.datum_note or placed.datum_note, placed.crs,
                    int(is_outside.sum()))


def problems(raw: RawVector, spec: LayerSpec, schema: LayerSchema, context: LoadContext, *,
             area: Bounds | None = None) -> tuple[SitingToolError, ...]:
    """Return everything that keeps a layer from being admitted, where :func:`admit` stops at the first.

    Columns, words and coordinates are tried one by one, each whatever the others hold.

    Parameters
    ----------
    raw, spec, schema, context, area
        As for :func:`admit`.

    Returns
    -------
    tuple of SitingToolError
        At most one for the columns, one for the words in them and one for the coordinates.
    """
    found: list[SitingToolError] = []
    try:
        _frame_schema(schema).check(_typed(raw, spec, schema).frame)
    except SitingToolError as error:
        found.append(error)
    try:
        place(_plain_frame(raw, spec), spec, context, datum=raw.datum, area=area)
    except SitingToolError as error:
        found.append(error)
    return tuple(found)


def _typed(raw: RawVector, spec: LayerSpec, schema: LayerSchema) -> Intake:
    """Take the rows of a source in, every column as the layer wants it."""
    intake = Intake(frame=_plain_frame(raw, spec), n_read=raw.n_read, id_column=schema.id_column,
                    left_out=raw.remarks)
    _check_required(intake.frame, _frame_schema(schema))
    intake = convert_fields(intake, schema, spec)
    return _with_known_certainty(intake, raw.certainty or spec.certainty, spec.name)


def _frame_schema(schema: LayerSchema) -> FrameSchema:
    if schema.frame is None:
        raise ValueError(f"{schema.name} is a raster layer")
    return schema.frame


def _plain_frame(raw: RawVector, spec: LayerSpec) -> gpd.GeoDataFrame:
    frame = raw.frame if raw.frame.geometry.name == "geometry" else raw.frame.rename_geometry("geometry")
    geometries = frame.geometry.to_numpy()
    if (shapely.get_coordinate_dimension(geometries) > 2).any():
        plane = gpd.GeoSeries(flat(geometries), index=frame.index, crs=frame.crs, name="geometry")
        frame = frame.set_geometry(plane)
    return with_constants(frame, spec)


def _check_required(frame: gpd.GeoDataFrame, frame_schema: FrameSchema) -> None:
    """Complain of missing columns before a row is touched; values are checked once they are converted."""
    columns = [field.name for field in frame_schema.fields if field.name in frame.columns]
    frame_schema.check(frame.iloc[:0][[*columns, "geometry"]])


def _with_known_certainty(intake: Intake, default: Certainty, name: str) -> Intake:
    """Give every row a certainty: its own where it has one, else that of the layer."""
    if "certainty" not in intake.frame.columns:
        return intake.with_frame(intake.frame.assign(certainty=default))
    given = intake.frame["certainty"]
    filled = given.astype(object).where(given.notna(), default)
    words = filled.astype(str)
    odd = sorted(set(words[~words.isin(CERTAINTIES)]))
    if odd:
        known = ", ".join(CERTAINTIES)
        raise SchemaError(
            f"layer {name!r}: column 'certainty' holds unknown values {odd[:5]}; known: {known}; map another column "
            f"to it under [layers.{name}.columns] or correct the file",
            f"图层 {name!r}：字段 certainty 有未知取值 {odd[:5]}，可用：{known}；请改正文件或在 "
            f"[layers.{name}.columns] 中改用其他字段",
        )
    return intake.with_frame(intake.frame.assign(certainty=filled))


def _is_nothing(frame: gpd.GeoDataFrame) -> Mask:
    geometries = frame.geometry.to_numpy()
    return np.asarray(shapely.is_missing(geometries) | shapely.is_empty(geometries))


def _of_bearable_size(intake: Intake) -> Intake:
    """Reject features of more vertices than can be handled within a bounded memory."""
    n_vertices = shapely.get_num_coordinates(intake.frame.geometry.to_numpy())
    is_heavy = np.asarray(n_vertices > MAX_VERTICES)
    return intake.reject(is_heavy, [
        Text(zh=f"有 {n} 个顶点，超过上限 {MAX_VERTICES}；请先拆分或简化",
             en=f"has {n} vertices, more than {MAX_VERTICES}; split or simplify it first")
        for n in n_vertices[is_heavy]])


def _outlined(intake: Intake, frame_schema: FrameSchema) -> Intake:
    """Take closed lines as polygons where the layer takes polygons and no lines, as drawings have them."""
    if "polygon" not in frame_schema.geometries or "line" in frame_schema.geometries:
        return intake
    geometries = intake.frame.geometry.to_numpy()
    is_line = np.isin(shapely.get_type_id(geometries), (_LINE, _RING))
    is_ring = np.asarray(is_line & shapely.is_closed(geometries) & (shapely.get_num_coordinates(geometries) > 3))
    if not is_ring.any():
        return intake
    coordinates, indices = shapely.get_coordinates(geometries[is_ring], return_index=True)
    made = geometries.copy()
    made[is_ring] = shapely.polygons(shapely.linearrings(coordinates, indices=indices))
    series = gpd.GeoSeries(made, index=intake.frame.index, crs=intake.frame.crs, name="geometry")
    return intake.with_frame(intake.frame.set_geometry(series)).repair(is_ring, _CLOSED_LINE)


def _of_city_size(intake: Intake, context: LoadContext) -> Intake:
    """Reject polygons far larger than the study area."""
    if context.area_of_interest is None:
        return intake
    west, south, east, north = context.area_of_interest.bounds
    area_m2 = shapely.area(intake.frame.geometry.to_numpy())
    is_huge = np.asarray(area_m2 > MAX_EXTENTS * (east - west) * (north - south))
    return intake.reject(is_huge, [
        Text(zh=f"面积 {found / 1e6:.0f} 平方公里，超过研究范围外接矩形的 {MAX_EXTENTS:g} 倍",
             en=f"covers {found / 1e6:.0f} km2, more than {MAX_EXTENTS:g} times the bounding box of the study area")
        for found in area_m2[is_huge]])


def _is_outside(frame: gpd.GeoDataFrame, context: LoadContext) -> Mask:
    """Tell which rows share no point with the study area; none while it is not known."""
    area = context.area_of_interest
    if area is None:
        return np.zeros(len(frame), dtype=bool)
    shapely.prepare(area)
    return np.asarray(~shapely.intersects(area, frame.geometry.to_numpy()), dtype=bool)


def _with_codes(intake: Intake, overview: Overview) -> Intake:
    """Add the column of land-use codes to rows that hold nothing but words of the product."""
    frame = intake.frame
    if not overview.has_codes or CODE_COLUMN in frame.columns:
        return intake
    return intake.with_frame(frame.assign(**{CODE_COLUMN: frame[LAND_USE]}))


def _placed(intake: Intake, placed: Placed) -> Intake:
    moved = intake.with_frame(placed.frame)
    return moved.reject(_is_nothing(moved.frame), _NOWHERE)


def _of_right_kind(intake: Intake, frame_schema: FrameSchema) -> Intake:
    """Reject the rows whose geometry is not of a kind that the layer takes."""
    allowed = [name for kind in frame_schema.geometries for name in GEOMETRY_TYPES[kind]]
    numbers = [shapely.GeometryType[name.upper()].value for name in allowed]
    is_wrong = ~np.isin(shapely.get_type_id(intake.frame.geometry.to_numpy()), numbers)
    if not is_wrong.any():
        return intake
    found = intake.frame.geometry[is_wrong].geom_type
    reasons = [Text(zh=f"几何类型为 {kind}，该图层须为 {'、'.join(allowed)}",
                    en=f"geometry is a {kind}, the layer takes {', '.join(allowed)}") for kind in found]
    return intake.reject(is_wrong, reasons)


def _repaired(intake: Intake, frame_schema: FrameSchema) -> Intake:
    """Repair geometries, and note or reject the rows concerned."""
    result = repair(intake.frame.geometry.to_numpy(), [_DIMENSIONS[kind] for kind in frame_schema.geometries])
    geometry = gpd.GeoSeries(result.geometries, index=intake.frame.index, crs=intake.frame.crs)
    is_repaired, is_rejected = result.status == "repaired", result.status == "rejected"

    def reasons(mask: Mask) -> list[Text]:
        return [result.reasons[row] or _UNKNOWN_REPAIR for row in np.flatnonzero(mask)]

    intake = intake.with_frame(intake.frame.set_geometry(geometry.rename("geometry")))
    return intake.repair(is_repaired, reasons(is_repaired)).reject(is_rejected, reasons(is_rejected))


def _identified(intake: Intake, name: str, taken: Collection[str], n_before: int, ids: Ids | None) -> Intake:
    """Give every row an id of its own: made from the row number where there is none, with a tail where it is used."""
    frame = intake.frame
    has_ids = intake.id_column in frame.columns
    wanted = np.array(frame[intake.id_column] if has_ids else [None] * len(frame), dtype=object)
    is_bare = pd.isna(wanted)
    if is_bare.any():
        wanted[is_bare] = made_ids(name, frame.index.to_numpy(dtype=np.int64)[is_bare] + n_before)
    if ids is None:
        # The account names rejected rows by their ids, so that these must not become those of others.
        reserved = {remark.feature_id for remark in intake.rejected.values() if TAIL in remark.feature_id}
        unique = unique_ids(wanted, taken, reserved)
    else:
        unique = ids.assign(wanted)
    is_changed = np.asarray(wanted != unique, dtype=bool)
    column = pd.Series(unique, index=intake.frame.index, dtype=object)
    return intake.with_frame(intake.frame.assign(**{intake.id_column: column})).repair(is_changed, [
        Text(zh=f"编号 {old} 重复，改为 {new}", en=f"id {old!r} was used before, changed to {new!r}")
        for old, new in zip(wanted[is_changed], unique[is_changed], strict=True)
    ])


def _with_all_columns(frame: gpd.GeoDataFrame, frame_schema: FrameSchema) -> gpd.GeoDataFrame:
    """Add the columns of the schema that the source has not, empty, so that nobody need ask for them."""
    absent = {field.name: _EMPTY_COLUMNS[field.kind](frame.index)
              for field in frame_schema.fields if field.name not in frame.columns}
    return frame.assign(**absent) if absent else frame


def _in_order(frame: gpd.GeoDataFrame, frame_schema: FrameSchema) -> gpd.GeoDataFrame:
    first = [*(field.name for field in frame_schema.fields), "certainty"]
    others = [column for column in frame.columns if column not in {*first, "geometry"}]
    return frame[[*first, *others, "geometry"]]
