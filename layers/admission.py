"""The steps between what a source hands over and a frame of the run, every row accounted for."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass

import geopandas as gpd
import numpy as np
import pandas as pd
import shapely

from gis.bilingual import Text
from gis.errors import SchemaError
from gis.rasters import Bounds
from gis.schemas import GEOMETRY_TYPES, FrameSchema, Kind
from gis.vector import repair
from layers.conversion import convert_fields, with_constants
from layers.intake import Intake
from layers.placement import Placed, place
from layers.schemas import LayerSchema
from layers.sources.types import LoadContext, RawVector
from layers.types import CERTAINTIES, Certainty, LayerSpec, Ledger

_NO_GEOMETRY = Text(zh="没有几何，或几何无法读取", en="no geometry, or one that cannot be read")
_NOWHERE = Text(zh="坐标不在地球上", en="coordinates lie nowhere on the globe")
_OUTSIDE = Text(zh="整体位于研究范围之外", en="outside the study area")
_UNKNOWN_REPAIR = Text(zh="几何已修复", en="geometry repaired")

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


def admit(raw: RawVector, spec: LayerSpec, schema: LayerSchema, context: LoadContext, *,
          area: Bounds | None = None, taken: Collection[str] = frozenset(), n_before: int = 0) -> Admitted:
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
    intake = Intake(frame=_plain_frame(raw, spec), n_read=raw.n_read, id_column=schema.id_column,
                    left_out=raw.remarks)
    _check_required(intake.frame, frame_schema)
    intake = convert_fields(intake, schema)
    intake = _with_known_certainty(intake, raw.certainty or spec.certainty, spec.name)
    intake = intake.reject(_is_nothing(intake.frame), _NO_GEOMETRY)
    placed = place(intake.frame, spec, context, datum=raw.datum, area=area)
    intake = _placed(intake, placed)
    intake = _repaired(intake)
    intake = _of_right_kind(intake, frame_schema)
    if schema.name == "parcels":
        intake = _inside(intake, context)
    intake = _identified(intake, spec.name, taken, n_before)
    frame = _in_order(_with_all_columns(intake.frame, frame_schema), frame_schema)
    frame_schema.check(frame)
    return Admitted(frame.reset_index(drop=True), intake.ledger(), raw.datum_note or placed.datum_note, placed.crs)


def _frame_schema(schema: LayerSchema) -> FrameSchema:
    if schema.frame is None:
        raise ValueError(f"{schema.name} is a raster layer")
    return schema.frame


def _plain_frame(raw: RawVector, spec: LayerSpec) -> gpd.GeoDataFrame:
    frame = raw.frame if raw.frame.geometry.name == "geometry" else raw.frame.rename_geometry("geometry")
    flat = frame.set_geometry(frame.geometry.force_2d())
    return with_constants(flat, spec)


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
    odd = sorted({str(value) for value in filled} - set(CERTAINTIES))
    if odd:
        known = ", ".join(CERTAINTIES)
        raise SchemaError(
            f"layer {name!r}: column 'certainty' holds unknown values {odd[:5]}; known: {known}; map another column "
            f"to it under [layers.{name}.columns] or correct the file",
            f"图层 {name!r}：字段 certainty 有未知取值 {odd[:5]}，可用：{known}；请改正文件或在 "
            f"[layers.{name}.columns] 中改用其他字段",
        )
    return intake.with_frame(intake.frame.assign(certainty=filled))


def _is_nothing(frame: gpd.GeoDataFrame) -> np.ndarray:
    geometries = frame.geometry.to_numpy()
    return np.asarray(shapely.is_missing(geometries) | shapely.is_empty(geometries))


def _placed(intake: Intake, placed: Placed) -> Intake:
    moved = intake.with_frame(placed.frame)
    return moved.reject(_is_nothing(moved.frame), _NOWHERE)


def _of_right_kind(intake: Intake, frame_schema: FrameSchema) -> Intake:
    """Reject the rows whose geometry is not of a kind that the layer takes."""
    allowed = [name for kind in frame_schema.geometries for name in GEOMETRY_TYPES[kind]]
    types = intake.frame.geometry.geom_type
    is_wrong = ~types.isin(allowed).to_numpy()
    reasons = [Text(zh=f"几何类型为 {found}，该图层须为 {'、'.join(allowed)}",
                    en=f"geometry is a {found}, the layer takes {', '.join(allowed)}") for found in types[is_wrong]]
    return intake.reject(is_wrong, reasons)


def _repaired(intake: Intake) -> Intake:
    """Repair geometries, and note or reject the rows concerned."""
    result = repair(intake.frame.geometry.to_numpy())
    geometry = gpd.GeoSeries(result.geometries, index=intake.frame.index, crs=intake.frame.crs)
    status = np.asarray(result.status)
    reasons = np.array([reason or _UNKNOWN_REPAIR for reason in result.reasons], dtype=object)
    is_repaired, is_rejected = status == "repaired", status == "rejected"
    intake = intake.with_frame(intake.frame.set_geometry(geometry.rename("geometry")))
    return intake.repair(is_repaired, list(reasons[is_repaired])).reject(is_rejected, list(reasons[is_rejected]))


def _inside(intake: Intake, context: LoadContext) -> Intake:
    area = context.area_of_interest
    if area is None:
        return intake
    shapely.prepare(area)
    is_outside = ~shapely.intersects(area, intake.frame.geometry.to_numpy())
    return intake.reject(np.asarray(is_outside), _OUTSIDE)


def _identified(intake: Intake, name: str, taken: Collection[str], n_before: int) -> Intake:
    """Give every row an id of its own: made from the row number where there is none, with a tail where it is used."""
    made = [f"{name}-{n_before + int(row) + 1:06d}" for row in intake.frame.index]
    if intake.id_column in intake.frame.columns:
        given = intake.frame[intake.id_column]
        wanted = [own if pd.isna(found) else str(found) for own, found in zip(made, given, strict=True)]
    else:
        wanted = made
    unique = unique_ids(wanted, taken)
    is_changed = np.array([old != new for old, new in zip(wanted, unique, strict=True)], dtype=bool)
    changes = [(old, new) for old, new in zip(wanted, unique, strict=True) if old != new]
    column = pd.Series(unique, index=intake.frame.index, dtype=object)
    return intake.with_frame(intake.frame.assign(**{intake.id_column: column})).repair(is_changed, [
        Text(zh=f"编号 {old} 重复，改为 {new}", en=f"id {old!r} was used before, changed to {new!r}")
        for old, new in changes
    ])


def unique_ids(wanted: list[str], taken: Collection[str] = frozenset()) -> list[str]:
    """Return ids of which no two are the same; the second of a kind ends in ``~2``, the third in ``~3``.

    Parameters
    ----------
    wanted
        Ids in the order of the rows.
    taken
        Ids that are used already.

    Returns
    -------
    list of str
        One per row; an id that is free stays as it is.
    """
    used = set(taken)
    originals = used | set(wanted)
    count: dict[str, int] = {}
    result: list[str] = []
    for name in wanted:
        free = name
        while free in used or (free != name and free in originals):
            count[name] = count.get(name, 1) + 1
            free = f"{name}~{count[name]}"
        used.add(free)
        result.append(free)
    return result


def _with_all_columns(frame: gpd.GeoDataFrame, frame_schema: FrameSchema) -> gpd.GeoDataFrame:
    """Add the columns of the schema that the source has not, empty, so that nobody need ask for them."""
    absent = {field.name: _EMPTY_COLUMNS[field.kind](frame.index)
              for field in frame_schema.fields if field.name not in frame.columns}
    return frame.assign(**absent) if absent else frame


def _in_order(frame: gpd.GeoDataFrame, frame_schema: FrameSchema) -> gpd.GeoDataFrame:
    first = [*(field.name for field in frame_schema.fields), "certainty"]
    others = [column for column in frame.columns if column not in {*first, "geometry"}]
    return frame[[*first, *others, "geometry"]]
