"""Features that a pack or study states itself: named places, runways."""

from __future__ import annotations

import geopandas as gpd
import shapely

from gis.errors import LayerError
from layers.sources.types import LoadContext, RawVector
from layers.types import LayerSpec


def read(spec: LayerSpec, context: LoadContext) -> RawVector:
    """Return the features of the spec.

    Parameters
    ----------
    spec
        ``features`` holds well-known text in WGS84, longitude before latitude, and the properties.
    context
        Not needed here.

    Returns
    -------
    RawVector
        One row per feature, in EPSG:4326.

    Raises
    ------
    LayerError
        A geometry is not well-known text.
    """
    del context
    geometries = [_geometry(spec.name, number, feature.geometry)
                  for number, feature in enumerate(spec.features, start=1)]
    rows = [{**dict(feature.properties), "certainty": feature.certainty} for feature in spec.features]
    frame = gpd.GeoDataFrame(rows, geometry=geometries, crs="EPSG:4326")
    return RawVector(frame=frame, n_read=len(frame), datum="wgs84", datum_note="wgs84 (stated inline)")


def _geometry(name: str, number: int, text: str) -> shapely.Geometry:
    try:
        return shapely.from_wkt(text)
    except shapely.errors.ShapelyError as error:
        raise LayerError(
            f"layer {name!r}: geometry of feature {number} is not well-known text: {text[:60]!r}; write it like "
            "POINT (113.62 34.75)",
            f"图层 {name!r}：第 {number} 个要素的几何不是 WKT：{text[:60]!r}；写法如 POINT (113.62 34.75)",
        ) from error
