"""The noun of an exported layer."""

from __future__ import annotations

from dataclasses import dataclass

import geopandas as gpd


@dataclass(frozen=True, eq=False, slots=True)
class ExportedLayer:
    """One layer of a finished study."""

    name: str
    """File name without its ending."""

    id_column: str
    """Column that names a feature."""

    frame: gpd.GeoDataFrame
    """Features in the metric CRS (links between cities in EPSG:4326), columns in the order wanted, ``certainty`` among
    them."""

    inputs: tuple[str, ...]
    """Input layers whose terms apply to it."""
