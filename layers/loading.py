"""From layer specs to the layers of a city: read, datum, metric CRS, repair, schema, account."""

from __future__ import annotations

import difflib
import hashlib
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import geopandas as gpd
import pandas as pd
import shapely
from pyproj import Transformer
from shapely import Geometry, MultiPolygon, Polygon

from gis.bilingual import Text
from gis.crs import require_metric
from gis.errors import LayerError, LayerNotFoundError, SchemaError, UsageError
from gis.progress import Progress, silent
from gis.rasters import Bounds, Raster
from layers.admission import admit
from layers.schemas import LAYERS
from layers.sources import SOURCES
from layers.sources.types import LoadContext, RawRaster, RawVector
from layers.types import CERTAINTIES, CityLayers, LayerProvenance, LayerSpec, Ledger

ABSENT = "none"
"""Source of a layer that is left out on purpose."""

_STEP = Text(zh="读取图层", en="Reading layers")
_BLOCK_BYTES = 1 << 20


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
    wanted = _by_layer(specs)
    context = LoadContext(metric_crs=metric_crs, frames={}, n_parcels=n_parcels, seed=seed)
    rasters: dict[str, Raster] = {}
    provenance: list[LayerProvenance] = []
    total = sum(len(group) for group in wanted.values())
    for name, group in wanted.items():
        frames: list[gpd.GeoDataFrame] = []
        for spec in group:
            progress(_STEP, len(provenance), total)
            raw = _read(spec, context)
            if isinstance(raw, RawRaster):
                rasters[name] = raw.raster
                provenance.append(_provenance(spec, raw, Ledger(1, 1)))
                continue
            frame, record = _admit(spec, raw, context, frames, provenance)
            frames.append(frame)
            provenance.append(record)
        if frames:
            context = _with_layer(context, name, _joined(frames))
    progress(_STEP, total, total)
    return CityLayers(
        metric_crs=metric_crs, frames=context.frames, rasters=rasters, provenance=tuple(provenance),
        area_of_interest=_known_area(context), missing=tuple(name for name in LAYERS if name not in wanted),
    )


def sha256_of(files: Sequence[str]) -> str:
    """Return the SHA-256 of files read one after another, in hexadecimal.

    Parameters
    ----------
    files
        Paths; for one file this is what ``sha256sum`` prints, for the parts of a shapefile what
        ``cat`` of them in this order would give.

    Returns
    -------
    str
        64 digits; empty for no file.

    Raises
    ------
    LayerError
        A file cannot be read.
    """
    if not files:
        return ""
    digest = hashlib.sha256()
    for name in files:
        try:
            with Path(name).open("rb") as file:
                while block := file.read(_BLOCK_BYTES):
                    digest.update(block)
        except OSError as error:
            raise LayerError(f"cannot read {name}: {error.strerror}; check the permission of the file",
                             f"无法读取 {name}：{error.strerror}；请检查文件权限") from error
    return digest.hexdigest()


def _by_layer(specs: Sequence[LayerSpec]) -> dict[str, list[LayerSpec]]:
    """Group the specs in reading order, without the layers left out, or complain."""
    for spec in specs:
        _check_known(spec.name, list(LAYERS), "layer", "图层")
        _check_known(spec.source, [*SOURCES, ABSENT], "source", "数据来源")
    groups: dict[str, list[LayerSpec]] = {}
    for name, schema in LAYERS.items():
        group = [spec for spec in specs if spec.name == name]
        given = [spec for spec in group if spec.source != ABSENT]
        if given and len(given) < len(group):
            raise UsageError(f"layer {name!r}: one source says none and another gives data; remove one of them",
                             f"图层 {name!r}：既声明为 none，又给出了数据来源；请删去其一")
        if schema.is_raster and len(given) > 1:
            raise UsageError(f"layer {name!r}: a raster layer takes one source; merge the files first",
                             f"图层 {name!r}：栅格图层只能有一个来源；请先合并文件")
        if schema.is_required and not given:
            raise LayerNotFoundError(
                f"no run without the layer {name!r} ({schema.purpose.en}); name a source under [layers.{name}] in the "
                "study file",
                f"缺少必需的图层 {name!r}（{schema.purpose.zh}）；请在方案文件 [layers.{name}] 下写明来源",
            )
        if given:
            groups[name] = given
    return groups


def _check_known(word: str, known: list[str], what_en: str, what_zh: str) -> None:
    if word in known:
        return
    near = difflib.get_close_matches(word, known, n=1)
    hint_en = f"did you mean {near[0]!r}? " if near else ""
    hint_zh = f"是否为 {near[0]!r}？" if near else ""
    raise UsageError(f"unknown {what_en} {word!r}; {hint_en}known: {', '.join(known)}",
                     f"未知的{what_zh} {word!r}；{hint_zh}可用：{'、'.join(known)}")


def _read(spec: LayerSpec, context: LoadContext) -> RawVector | RawRaster:
    raw = SOURCES[spec.source](spec, context)
    if isinstance(raw, RawRaster) != LAYERS[spec.name].is_raster:
        kind_en, kind_zh = ("raster", "栅格") if LAYERS[spec.name].is_raster else ("vector", "矢量")
        raise UsageError(
            f"layer {spec.name!r} is a {kind_en} layer, which the source {spec.source!r} does not give; use "
            f"{kind_en}_file",
            f"图层 {spec.name!r} 是{kind_zh}图层，来源 {spec.source!r} 不提供；请改用 {kind_en}_file",
        )
    return raw


def _admit(spec: LayerSpec, raw: RawVector, context: LoadContext, earlier: Sequence[gpd.GeoDataFrame],
           provenance: Sequence[LayerProvenance]) -> tuple[gpd.GeoDataFrame, LayerProvenance]:
    """Admit the rows of one source beside those of the sources before it."""
    schema = LAYERS[spec.name]
    taken = frozenset(str(name) for frame in earlier for name in frame[schema.id_column])
    n_before = sum(record.ledger.read for record in provenance if record.layer == spec.name)
    admitted = admit(raw, spec, schema, context, area=_area_bounds(context), taken=taken, n_before=n_before)
    record = _provenance(spec, raw, admitted.ledger)
    certainties = {record.certainty, *admitted.frame["certainty"]}
    worst = max(certainties, key=CERTAINTIES.index) if len(admitted.frame) else record.certainty
    return admitted.frame, replace(record, datum=admitted.datum_note, crs=admitted.crs, certainty=worst)


def _provenance(spec: LayerSpec, raw: RawVector | RawRaster, ledger: Ledger) -> LayerProvenance:
    return LayerProvenance(
        layer=spec.name, source=spec.source, certainty=raw.certainty or spec.certainty, ledger=ledger,
        path=raw.path, sha256=sha256_of(raw.files), datum=raw.datum_note,
        crs=raw.crs if isinstance(raw, RawRaster) else "",
        licence=spec.licence or raw.licence, attribution=spec.attribution or raw.attribution,
        approval_number=spec.approval_number or raw.approval_number, vintage=spec.vintage or raw.vintage,
        note=spec.note or raw.note,
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


def _with_layer(context: LoadContext, name: str, frame: gpd.GeoDataFrame) -> LoadContext:
    """Return the context with one more layer; districts and zones also make the study area."""
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


def _area_bounds(context: LoadContext) -> Bounds | None:
    """Return the bounds of the study area in degrees."""
    if context.area_of_interest is None:
        return None
    transformer = Transformer.from_crs(context.metric_crs, "EPSG:4326", always_xy=True)
    west, south, east, north = transformer.transform_bounds(*context.area_of_interest.bounds)
    return west, south, east, north
