"""Images that lie in a KML among its features: GDAL hands over their outlines, which are no features."""

from __future__ import annotations

from pathlib import Path

import geopandas as gpd
import numpy as np

from gis.bilingual import Text
from gis.errors import LayerError
from layers.types import Remark

_ICON = "icon"
"""Column that GDAL fills for an image overlay; features may have one of that name of their own."""

_OVERLAY = b"<GroundOverlay"

_REASON = Text(zh="是叠加图片，不是要素", en="an image overlay, no feature")


def without_overlays(frame: gpd.GeoDataFrame, file: Path, shown: Path,
                     layer: str) -> tuple[gpd.GeoDataFrame, tuple[Remark, ...]]:
    """Leave out the outlines of images.

    Parameters
    ----------
    frame
        Rows of a KML as GDAL reads them.
    file
        That KML.
    shown
        What the user calls it.
    layer
        Name of the layer, for the message.

    Returns
    -------
    tuple
        The features under their row numbers, and a remark for each image.

    Raises
    ------
    LayerError
        There is nothing but images.
    """
    is_image = frame[_ICON].notna().to_numpy() if _ICON in frame.columns else np.zeros(len(frame), dtype=bool)
    if not is_image.any() or _OVERLAY not in file.read_bytes():
        return frame, ()
    if is_image.all():
        raise LayerError(
            f"layer {layer!r}: {shown} holds image overlays only and no features; ask for the data as vectors, or "
            "georeference the image and give it as a raster",
            f"图层 {layer!r}：{shown} 只有叠加图片，没有矢量要素；请索取矢量数据，或将图片配准后作为栅格提供",
        )
    kept = frame.reset_index(drop=True)[~is_image]
    return kept, tuple(Remark(f"#{row + 1}", "rejected", _REASON) for row in np.flatnonzero(is_image).tolist())
