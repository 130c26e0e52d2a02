"""Raster files: GeoTIFF, COG and what else GDAL reads, one or several; they stay on the disk and are read by windows.

Options
-------
``band``
    Band to read, where the file has several; the first unless told.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from pyproj import CRS

from gis.bilingual import Text
from gis.crs import parse_crs
from gis.errors import CrsError, DatumError, LayerError, UsageError
from gis.rasters import Bounds, Raster, raster_from_file
from layers.placement import crs_label, declared_datum
from layers.schemas import LAYERS
from layers.sources.files import existing_file, gdal_silence, reason_of
from layers.sources.raster_tiles import is_several, mosaic_in, mosaic_of, only_band, tiles_of
from layers.sources.types import LoadContext, RawRaster
from layers.types import LayerSpec

_PROBE_CELLS = 512


@dataclass(frozen=True, slots=True, kw_only=True)
class _Readable:
    """What a spec's path comes to."""

    path: str
    """What GDAL opens: a file, or the document of a mosaic."""
    shown: str
    """What the user calls it."""
    band: int
    crs: CRS
    files: tuple[Path, ...]
    notes: tuple[Text, ...]


def read(spec: LayerSpec, context: LoadContext) -> RawRaster:
    """Open a raster for reading in the metric CRS.

    Parameters
    ----------
    spec
        ``path``: a file, a ``.vrt``, a folder of tiles or a pattern ("dem/*.tif"); ``crs`` overrides what the file
        says; ``datum`` (wgs84 or cgcs2000) for a grid in longitude and latitude; the option ``band``.
    context
        Names the metric CRS, and the study area that the raster must meet.

    Returns
    -------
    RawRaster
        The raster, in the unit of the layer; ``reading_notes`` say which of several bands was taken, of how many
        files it is, and that a file names no value for missing data.

    Raises
    ------
    LayerNotFoundError
        The file is not there.
    LayerError
        It is not a raster, is rotated, holds no data, or lies outside the study area; tiles do not fit together; a
        member of a mosaic is missing or leads elsewhere.
    CrsError
        Neither the file nor the spec says the CRS.
    DatumError
        The datum is undeclared, or one that cells cannot be moved out of.
    UsageError
        There is no such band.
    """
    if spec.datum in ("gcj02", "bd09"):
        raise DatumError(
            f"layer {spec.name!r}: a raster in {spec.datum} cannot be moved cell by cell; warp it to WGS84 or CGCS2000 "
            "first",
            f"图层 {spec.name!r}：{spec.datum} 栅格无法逐格纠偏；请先重采样到 WGS84 或 CGCS2000",
        )
    with gdal_silence():
        found = _readable(spec)
        _, note = declared_datum(found.crs, spec)
        # A declared datum says what the degrees refer to, whatever an old label in the file says.
        source_crs = spec.crs or ("EPSG:4326" if found.crs.is_geographic else "")
        schema = LAYERS[spec.name]
        raster = raster_from_file(found.path, context.metric_crs, unit=schema.unit, source_crs=source_crs,
                                  is_categorical=schema.is_categorical)
        _check_overlap(raster, context, found.shown, spec.name)
        _check_data(found, spec.name)
    if found.band > 1:
        # GDAL's own way to name one band of a file; the grid is that of the file.
        raster = dataclasses.replace(raster, path=f"vrt://{found.path}?bands={found.band}")
    return RawRaster(raster=raster, datum_note=note, crs=crs_label(found.crs), files=tuple(map(str, found.files)),
                     reading_notes=found.notes)


def _readable(spec: LayerSpec) -> _Readable:
    if is_several(spec.path):
        mosaic = mosaic_of(tiles_of(spec))
    else:
        path = existing_file(spec)
        if path.suffix.lower() != ".vrt":
            return _opened(spec, str(path), (path,))
        mosaic = mosaic_in(path, spec)
    found = _opened(spec, mosaic.document, mosaic.files)
    return dataclasses.replace(found, path=only_band(mosaic.document, found.band), band=1,
                               notes=(*found.notes, *mosaic.notes))


def _opened(spec: LayerSpec, path: str, files: tuple[Path, ...]) -> _Readable:
    """Return what the head of a file, or of a mosaic, says."""
    import rasterio
    from rasterio.errors import RasterioError

    try:
        with rasterio.open(path) as dataset:
            crs, n_bands, has_nodata = dataset.crs, dataset.count, dataset.nodata is not None
            is_float = dataset.dtypes[0].startswith("float") if n_bands else False
    except RasterioError as error:
        raise _unreadable(spec.path, spec.name, error) from error
    if not spec.crs and not crs:
        raise CrsError(
            f"layer {spec.name!r}: the raster has no CRS; write crs = \"EPSG:4547\" (or the one it is in) under "
            f"[layers.{spec.name}] in the study file",
            f"图层 {spec.name!r}：栅格没有坐标参考系；请在方案文件 [layers.{spec.name}] 下写明 crs = \"EPSG:4547\""
            "（或其实际坐标系）",
        )
    band = _band(spec, n_bands, spec.path)
    notes: tuple[Text, ...] = ()
    if n_bands > 1:
        notes += (Text(zh=f"文件有 {n_bands} 个波段，读取第 {band} 个",
                       en=f"the file has {n_bands} bands; band {band} was read"),)
    if not has_nodata and not is_float:
        notes += (Text(zh="文件未声明无数据值，每个像元都按有效值处理",
                       en="the file names no value for missing data; every cell counts as data"),)
    return _Readable(path=path, shown=spec.path, band=band, files=files, notes=notes,
                     crs=parse_crs(spec.crs) if spec.crs else parse_crs(crs.to_wkt()))


def _band(spec: LayerSpec, n_bands: int, path: str) -> int:
    band = spec.option("band", 1)
    if isinstance(band, int) and not isinstance(band, bool) and 1 <= band <= n_bands:
        return band
    raise UsageError(
        f"layer {spec.name!r}: {path} has no band {band!r}; write a number from 1 to {n_bands} as band in options "
        f"under [layers.{spec.name}]",
        f"图层 {spec.name!r}：{path} 没有波段 {band!r}；请在 [layers.{spec.name}] 的 options 中"
        f"将 band 写为 1 至 {n_bands}",
    )


def _check_overlap(raster: Raster, context: LoadContext, path: str, layer: str) -> None:
    """Raise where a raster misses the study area; all its cells would be empty."""
    if context.area_of_interest is None:
        return
    area: Bounds = context.area_of_interest.bounds
    own = raster.bounds
    if own[0] < area[2] and area[0] < own[2] and own[1] < area[3] and area[1] < own[3]:
        return
    raise LayerError(
        f"layer {layer!r}: {path} lies outside the study area: it covers {_extent(own)}, the study area "
        f"{_extent(area)} (west, south, east, north in {context.metric_crs}); give the file of this city or correct "
        f"its crs under [layers.{layer}]",
        f"图层 {layer!r}：{path} 与研究范围没有重叠：其范围为 {_extent(own)}，研究范围为 {_extent(area)}"
        f"（西、南、东、北，{context.metric_crs}）；请提供本市的文件，或在 [layers.{layer}] 下改正 crs",
    )


def _extent(bounds: Bounds) -> str:
    return ", ".join(f"{value:.0f}" for value in bounds)


def _check_data(found: _Readable, layer: str) -> None:
    """Raise where no cell holds a value. A thinned-out view finds one at once in any file that is of use."""
    import rasterio
    from rasterio.errors import RasterioError

    try:
        with rasterio.open(found.path) as dataset:
            size = min(dataset.height, _PROBE_CELLS), min(dataset.width, _PROBE_CELLS)
            if _has_value(dataset.read(found.band, masked=True, out_shape=size)):
                return
            if any(_has_value(dataset.read(found.band, masked=True, window=window))
                   for _, window in dataset.block_windows(found.band)):
                return
    except RasterioError as error:
        raise _unreadable(found.shown, layer, error) from error
    raise LayerError(
        f"layer {layer!r}: {found.shown} holds no data, every cell is empty; export the raster again or leave "
        "the layer out",
        f"图层 {layer!r}：{found.shown} 全部为无数据像元；请重新导出该栅格，或不提供该图层",
    )


def _has_value(cells: Any) -> bool:
    values = np.ma.compressed(cells)
    return bool(values.size) and (values.dtype.kind != "f" or bool(np.isfinite(values).any()))


def _unreadable(path: str, layer: str, error: Exception) -> LayerError:
    return LayerError(
        f"layer {layer!r}: {path} cannot be read as a raster ({reason_of(error)}); check that the file is complete",
        f"图层 {layer!r}：{path} 无法作为栅格读取（{reason_of(error)}）；请检查文件是否完整",
    )
