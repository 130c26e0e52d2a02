"""Raster files: GeoTIFF and what else GDAL reads; they stay on the disk and are read by windows."""

from __future__ import annotations

import warnings
from pathlib import Path

from pyproj import CRS

from gis.crs import parse_crs
from gis.errors import CrsError, DatumError, LayerError
from gis.rasters import raster_from_file
from layers.placement import crs_label, declared_datum
from layers.schemas import LAYERS
from layers.sources.files import existing_file
from layers.sources.types import LoadContext, RawRaster
from layers.types import LayerSpec


def read(spec: LayerSpec, context: LoadContext) -> RawRaster:
    """Open a raster for reading in the metric CRS.

    Parameters
    ----------
    spec
        ``path``; ``crs`` overrides what the file says; ``datum`` (wgs84 or cgcs2000) for a grid in
        longitude and latitude.
    context
        Names the metric CRS.

    Returns
    -------
    RawRaster
        The raster, in the unit of the layer.

    Raises
    ------
    LayerNotFoundError
        The file is not there.
    LayerError
        It is not a raster.
    CrsError
        Neither the file nor the spec says the CRS.
    DatumError
        The datum is undeclared, or one that cells cannot be moved out of.
    """
    path = existing_file(spec)
    if spec.datum in ("gcj02", "bd09"):
        raise DatumError(
            f"layer {spec.name!r}: a raster in {spec.datum} cannot be moved cell by cell; warp it to WGS84 or CGCS2000 "
            "first",
            f"图层 {spec.name!r}：{spec.datum} 栅格无法逐格纠偏；请先重采样到 WGS84 或 CGCS2000",
        )
    crs = _crs(path, spec)
    _, note = declared_datum(crs, spec)
    # A declared datum says what the degrees refer to, whatever an old label in the file says.
    source_crs = spec.crs or ("EPSG:4326" if crs.is_geographic else "")
    schema = LAYERS[spec.name]
    raster = raster_from_file(str(path), context.metric_crs, unit=schema.unit, source_crs=source_crs,
                              is_categorical=schema.is_categorical)
    return RawRaster(raster=raster, datum_note=note, crs=crs_label(crs), files=(str(path),))


def _crs(path: Path, spec: LayerSpec) -> CRS:
    import rasterio
    from rasterio.errors import RasterioError

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # a raster without a place on the ground is dealt with below
            with rasterio.open(path) as dataset:
                crs = dataset.crs
    except RasterioError as error:
        raise LayerError(
            f"layer {spec.name!r}: {path} cannot be read as a raster ({error}); check that the file is complete",
            f"图层 {spec.name!r}：{path} 无法作为栅格读取（{error}）；请检查文件是否完整",
        ) from error
    if not spec.crs and not crs:
        raise CrsError(
            f"layer {spec.name!r}: the raster has no CRS; write crs = \"EPSG:4547\" (or the one it is in) under "
            f"[layers.{spec.name}] in the study file",
            f"图层 {spec.name!r}：栅格没有坐标参考系；请在方案文件 [layers.{spec.name}] 下写明 crs = \"EPSG:4547\""
            "（或其实际坐标系）",
        )
    return parse_crs(spec.crs) if spec.crs else parse_crs(crs.to_wkt())
