"""One layer of the map, before it is packed."""

from __future__ import annotations

from dataclasses import dataclass

import geopandas as gpd

from gis.bilingual import Text
from gis.schemas import Field
from maps.styles import LayerStyle


@dataclass(frozen=True, eq=False, kw_only=True)
class MapLayer:
    """One layer as it is handed to the page."""

    name: str
    title: Text
    style: LayerStyle
    frame: gpd.GeoDataFrame
    """In the metric CRS of the run, or in EPSG:4326 what no metric CRS holds."""
    fields: tuple[Field, ...] = ()
    """Columns that a click tells."""
    name_column: str = "name"
    """Column written as a label and found by search."""
    switch: str = ""
    """Layers of one switch are shown and hidden together; empty for one of its own."""
    reading: int | None = None
    """Shown only while this reading of the capacity target is chosen; None for always."""
