"""From layer specs to the layers of a city: read, datum, metric CRS, repair, schema, account."""

from __future__ import annotations

import difflib
import warnings
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

import geopandas as gpd
import pandas as pd
import shapely
from pyproj import Transformer
from shapely import Geometry, MultiPolygon, Polygon

from gis.bilingual import Text
from gis.crs import parse_crs, require_metric
from gis.errors import LayerNotFoundError, SchemaError, SitingToolError, UsageError
from gis.progress import Progress, silent
from gis.rasters import Bounds
from layers.admission import Admitted, admit
from layers.schemas import LAYERS
from layers.sources import SOURCES
from layers.sources.files import sha256_of
from layers.sources.types import LoadContext, RawRaster, RawVector
from layers.types import CERTAINTIES, CityLayers, LayerProvenance, LayerSpec, Ledger

ABSENT = "none"
"""Source of a layer that is left out on purpose."""

STEP = Text(zh="读取图层", en="Reading layers")
"""What progress is told while layers are read."""


@dataclass(frozen=True, eq=False, kw_only=True)
class Reading:
    """What came of one spec."""

    spec: LayerSpec
    """What was asked for."""

    content: gpd.GeoDataFrame | RawRaster
    """Rows of a vector layer as the run uses them, or a raster."""

    provenance: LayerProvenance
    """Where it came from and what became of its rows."""


@dataclass(frozen=True, eq=False, kw_only=True)
class LoadedBatch:
    """Some rows of a layer, ready for the run."""

    frame: gpd.GeoDataFrame
    """Rows as :func:`load_layers` gives them, with a RangeIndex from 0."""

    first_row: int
    """Row of the source with which the batch begins, from 0, counted among those that meet the condition."""

    provenance: LayerProvenance
    """That of the layer, with the ledger, the certainty and the rows outside of this batch alone."""


@dataclass(frozen=True, eq=False)
class Grouped:
    """Specs by layer, and those that make no sense."""

    groups: Mapping[str, tuple[LayerSpec, ...]]
    """Specs of each layer that is given, in the order of ``layers.schemas.LAYERS``."""

    problems: tuple[tuple[str, SitingToolError], ...]
    """Layer and complaint; empty where a run may begin."""


def load_layers(specs: Sequence[LayerSpec], *, metric_crs: str, n_parcels: int = 4000, seed: int = 20260101,
                progress: Progress = silent) -> CityLayers:
    """Read, place, repair and check every layer of a run.

    Layers are read in the order of ``layers.schemas.LAYERS``; districts come first and limit the
    study area, which the outlines of functional zones may widen. Several specs of one layer are
    joined in the order given. Features outside the study area are kept, because the distance to a
    substation beyond the border counts; only parcels wholly outside are rejected.

    Parameters
    ----------
    specs
        What to read. The source ``none`` leaves a layer out on purpose.
    metric_crs
        Projected CRS of the run, in metres.
    n_parcels
        How many parcels a source that makes them is asked for.
    seed
        Seed of every random number.
    progress
        Told once per spec.

    Returns
    -------
    CityLayers
        Frames with a RangeIndex, in ``metric_crs``: the columns of the layer's schema first (all of
        them, empty where the source has none), then ``certainty``, then the source's others.

    Raises
    ------
    UsageError
        A layer or source that is not known, or specs that contradict each other.
    LayerNotFoundError
        A required layer or a file is missing.
    DataError
        Whatever a source, the datum or the schema of a layer complains of.
    """
    require_metric(metric_crs)
    grouped = group_specs(specs)
    for _, problem in grouped.problems:
        raise problem
    context = LoadContext(metric_crs=metric_crs, frames={}, n_parcels=n_parcels, seed=seed)
    readings: list[Reading] = []
    total = sum(len(group) for group in grouped.groups.values())
    for name, group in grouped.groups.items():
        of_layer: list[Reading] = []
        for spec in group:
            progress(STEP, len(readings), total)
            of_layer.append(take_in(spec, read_source(spec, context), context, of_layer))
            readings.append(of_layer[-1])
        context = with_layer(context, name, of_layer)
    progress(STEP, total, total)
    return CityLayers(
        metric_crs=metric_crs, frames=context.frames,
        rasters={r.spec.name: r.content.raster for r in readings if isinstance(r.content, RawRaster)},
        provenance=tuple(r.provenance for r in readings), area_of_interest=_known_area(context),
        missing=tuple(name for name in LAYERS if name not in grouped.groups),
    )


def iter_layer(spec: LayerSpec, *, metric_crs: str, area_of_interest: Polygon | MultiPolygon | None,
               rows_per_batch: int = 50_000) -> Iterator[LoadedBatch]:
    """Read, place, repair and check a GeoParquet layer some rows at a time, within a memory that does not grow.

    The batches joined are what :func:`load_layers` makes of the whole file, and their ledgers add up to its
    ledger: ids are unique and duplicates noted across batches, CRS and datum decided once. For this the file is
    looked through before the first batch (:mod:`layers.survey`).

    Parameters
    ----------
    spec
        A vector layer of the source ``vector_file`` whose path is a GeoParquet file.
    metric_crs
        Projected CRS of the run, in metres.
    area_of_interest
        Study area in the metric CRS; None while it is not known.
    rows_per_batch
        Rows of the file in a batch, at least 1; a batch holds fewer where rows are rejected or left out by the
        condition ``where``.

    Yields
    ------
    LoadedBatch
        At least one, in the order of the file.

    Raises
    ------
    UsageError
        The layer is unknown, a raster, or no file that can be read in parts.
    LayerNotFoundError, DataError
        As for :func:`load_layers`.
    """
    require_metric(metric_crs)
    for _, problem in group_specs([spec]).problems[:1]:
        if isinstance(problem, UsageError):
            raise problem
    if LAYERS[spec.name].is_raster or rows_per_batch < 1:
        raise UsageError(f"layer {spec.name!r} cannot be read in batches of {rows_per_batch} rows; name a vector layer "
                         "and at least 1 row",
                         f"图层 {spec.name!r} 无法按每批 {rows_per_batch} 行读取；请指定矢量图层，且每批至少 1 行")
    context = LoadContext(metric_crs=metric_crs, frames={}, area_of_interest=area_of_interest)
    return _batches(spec, context, rows_per_batch)


def _batches(spec: LayerSpec, context: LoadContext, rows_per_batch: int) -> Iterator[LoadedBatch]:
    from layers.sources.vector_file import read_parts
    from layers.survey import survey

    schema, area = LAYERS[spec.name], area_bounds(context)
    overview = survey(spec, schema, context, area=area)
    digest, first_row = sha256_of([spec.path]), 0
    for raw in read_parts(spec, rows_per_batch, overview.numeric):
        admitted = admit(raw, spec, schema, context, area=area, overview=overview)
        yield LoadedBatch(frame=admitted.frame, first_row=first_row, provenance=_account(spec, raw, admitted, digest))
        first_row += raw.n_read


def group_specs(specs: Sequence[LayerSpec]) -> Grouped:
    """Group specs by layer in reading order, without the layers left out, and list what contradicts itself.

    Parameters
    ----------
    specs
        In any order.

    Returns
    -------
    Grouped
        The groups without the specs complained of, and every complaint: unknown layers and sources,
        sources that exclude each other, required layers that nobody gives.
    """
    problems: list[tuple[str, SitingToolError]] = []
    known: list[LayerSpec] = []
    for spec in specs:
        found = [error for error in (_unknown(spec.name, list(LAYERS), "layer", "图层"),
                                     _unknown(spec.source, [*SOURCES, ABSENT], "source", "数据来源")) if error]
        problems += [(spec.name, error) for error in found]
        known += [] if found else [spec]
    misread = {name for name, _ in problems}
    groups: dict[str, tuple[LayerSpec, ...]] = {}
    for name in LAYERS:
        group = tuple(spec for spec in known if spec.name == name)
        given = tuple(spec for spec in group if spec.source != ABSENT)
        problem = _contradiction(name, group, given, is_misread=name in misread)
        if problem is not None:
            problems.append((name, problem))
        elif given:
            groups[name] = given
    return Grouped(groups, tuple(problems))


def _contradiction(name: str, group: Sequence[LayerSpec], given: Sequence[LayerSpec], *,
                   is_misread: bool) -> SitingToolError | None:
    schema = LAYERS[name]
    if given and len(given) < len(group):
        return UsageError(f"layer {name!r}: one source says none and another gives data; remove one of them",
                          f"图层 {name!r}：既声明为 none，又给出了数据来源；请删去其一")
    if schema.is_raster and len(given) > 1:
        return UsageError(f"layer {name!r}: a raster layer takes one source; merge the files first",
                          f"图层 {name!r}：栅格图层只能有一个来源；请先合并文件")
    if schema.is_required and not given and not is_misread:
        return LayerNotFoundError(
            f"no run without the layer {name!r} ({schema.purpose.en}); name a source under [layers.{name}] in the "
            "study file",
            f"缺少必需的图层 {name!r}（{schema.purpose.zh}）；请在方案文件 [layers.{name}] 下写明来源",
        )
    return None


def _unknown(word: str, known: list[str], what_en: str, what_zh: str) -> UsageError | None:
    if word in known:
        return None
    near = difflib.get_close_matches(word, known, n=1)
    hint_en = f"did you mean {near[0]!r}? " if near else ""
    hint_zh = f"是否为 {near[0]!r}？" if near else ""
    return UsageError(f"unknown {what_en} {word!r}; {hint_en}known: {', '.join(known)}",
                      f"未知的{what_zh} {word!r}；{hint_zh}可用：{'、'.join(known)}")


def read_source(spec: LayerSpec, context: LoadContext) -> RawVector | RawRaster:
    """Read what one spec names, as its source hands it over.

    Raises
    ------
    UsageError
        The source does not give the kind of layer that is asked for.
    DataError
        Whatever the source complains of.
    """
    raw = SOURCES[spec.source](spec, context)
    if isinstance(raw, RawRaster) != LAYERS[spec.name].is_raster:
        kind_en, kind_zh = ("raster", "栅格") if LAYERS[spec.name].is_raster else ("vector", "矢量")
        raise UsageError(
            f"layer {spec.name!r} is a {kind_en} layer, which the source {spec.source!r} does not give; use "
            f"{kind_en}_file",
            f"图层 {spec.name!r} 是{kind_zh}图层，来源 {spec.source!r} 不提供；请改用 {kind_en}_file",
        )
    return raw


def take_in(spec: LayerSpec, raw: RawVector | RawRaster, context: LoadContext,
            earlier: Sequence[Reading] = ()) -> Reading:
    """Place, repair and check what one source handed over, and account for its rows.

    Parameters
    ----------
    spec
        What was asked for.
    raw
        What the source handed over.
    context
        Layers read so far.
    earlier
        Sources of the same layer that were read before; ids stay unique across them.

    Raises
    ------
    DataError
        Whatever the datum or the schema of the layer complains of.
    """
    if isinstance(raw, RawRaster):
        return Reading(spec=spec, content=raw, provenance=_provenance(spec, raw, Ledger(1, 1), sha256_of(raw.files)))
    schema = LAYERS[spec.name]
    frames = [reading.content for reading in earlier if isinstance(reading.content, gpd.GeoDataFrame)]
    taken = frozenset[str]().union(*(frame[schema.id_column] for frame in frames))
    n_before = sum(reading.provenance.ledger.read for reading in earlier)
    admitted = admit(raw, spec, schema, context, area=area_bounds(context), taken=taken, n_before=n_before)
    digest = raw.digest or sha256_of(raw.files)
    return Reading(spec=spec, content=admitted.frame, provenance=_account(spec, raw, admitted, digest))


def _account(spec: LayerSpec, raw: RawVector, admitted: Admitted, digest: str) -> LayerProvenance:
    record = _provenance(spec, raw, admitted.ledger, digest)
    certainties = {record.certainty, *admitted.frame["certainty"].unique()}
    worst = max(certainties, key=CERTAINTIES.index) if len(admitted.frame) else record.certainty
    return replace(record, datum=admitted.datum_note, crs=admitted.crs, certainty=worst, n_outside=admitted.n_outside)


def _provenance(spec: LayerSpec, raw: RawVector | RawRaster, ledger: Ledger, digest: str) -> LayerProvenance:
    return LayerProvenance(
        layer=spec.name, source=spec.source, certainty=raw.certainty or spec.certainty, ledger=ledger,
        path=raw.path, sha256=digest, datum=raw.datum_note,
        crs=raw.crs if isinstance(raw, RawRaster) else "",
        licence=spec.licence or raw.licence, attribution=spec.attribution or raw.attribution,
        approval_number=spec.approval_number or raw.approval_number, vintage=spec.vintage or raw.vintage,
        note=spec.note or raw.note, reading_notes=raw.reading_notes,
    )


def _joined(frames: Sequence[gpd.GeoDataFrame]) -> gpd.GeoDataFrame:
    filled = [frame for frame in frames if len(frame)] or [frames[0]]
    if len(filled) == 1:
        return filled[0]
    with warnings.catch_warnings():
        # Some pandas releases warn of columns that are empty in one part; the types here agree.
        warnings.simplefilter("ignore", FutureWarning)
        joined = pd.concat(filled, ignore_index=True)
    others = [column for column in joined.columns if column != "geometry"]
    return joined[[*others, "geometry"]]


def with_layer(context: LoadContext, name: str, readings: Sequence[Reading]) -> LoadContext:
    """Return the context with one more layer; districts and zones also make the study area.

    Parameters
    ----------
    context
        Layers read so far.
    name
        The layer.
    readings
        Its sources; those of a raster change nothing.

    Raises
    ------
    SchemaError
        Districts or zones without one usable outline.
    """
    parts = [reading.content for reading in readings if isinstance(reading.content, gpd.GeoDataFrame)]
    if not parts:
        return context
    frame = _joined(parts)
    frames: Mapping[str, gpd.GeoDataFrame] = {**context.frames, name: frame}
    if name not in ("districts", "zones"):
        return replace(context, frames=frames)
    outlines: list[Geometry] = [*frame.geometry]
    if context.area_of_interest is not None:
        outlines.append(context.area_of_interest)
    area = shapely.union_all(outlines)
    if not isinstance(area, Polygon | MultiPolygon) or area.is_empty:
        raise SchemaError(f"layer {name!r}: not one usable outline is left; see its file",
                          f"图层 {name!r}：没有可用的边界；请检查文件")
    return replace(context, frames=frames, area_of_interest=area)


def _known_area(context: LoadContext) -> Polygon | MultiPolygon:
    # Districts are required, so there is an area once all layers are read.
    assert context.area_of_interest is not None
    return context.area_of_interest


def area_bounds(context: LoadContext) -> Bounds | None:
    """Return the bounds of the study area in degrees; while it is not known, where the metric CRS may be used."""
    if context.area_of_interest is None:
        use = parse_crs(context.metric_crs).area_of_use
        return None if use is None else (use.west, use.south, use.east, use.north)
    return _in_degrees(context.metric_crs, context.area_of_interest.bounds)


@lru_cache(maxsize=8)
def _in_degrees(metric_crs: str, bounds: Bounds) -> Bounds:
    # Every layer asks for the same bounds, and PROJ takes a while to find a way between two CRSs.
    transformer = Transformer.from_crs(metric_crs, "EPSG:4326", always_xy=True)
    west, south, east, north = transformer.transform_bounds(*bounds)
    return west, south, east, north
