"""What is scored: the parcels that were given, or a metric grid over the land that can be built on."""

from __future__ import annotations

import geopandas as gpd
import numpy as np
import shapely

from gis import vector
from gis.errors import InfeasibleError, LayerNotFoundError
from layers.types import CityLayers
from siting.types import CityPack, Study

SMALLEST_SHARE_OF_CELL = 0.5
"""A grid cell that keeps less than this share of its land is no candidate."""


def find_candidates(city_layers: CityLayers, pack: CityPack, study: Study) -> gpd.GeoDataFrame:
    """Return the candidates of a study, with their shape measured.

    Returns
    -------
    Frame with at least ``parcel_id, land_use, area_m2, compactness, certainty, geometry``.

    Raises
    ------
    LayerNotFoundError
        The study wants parcels and has none.
    InfeasibleError
        No grid cell keeps enough land.
    """
    if study.candidates == "grid":
        frame = _grid(city_layers, pack, study.grid_size_m or pack.grid_size_m)
    elif city_layers.has("parcels"):
        frame = city_layers.frame("parcels")
    else:
        raise LayerNotFoundError(
            'layer "parcels" has no rows; name a file for it under [layers.parcels] or set candidates = "grid"',
            '图层 "parcels" 没有数据；请在 [layers.parcels] 中指定文件，或设置 candidates = "grid"',
        )
    geometries = np.asarray(frame.geometry.array, dtype=object)
    known = {} if "land_use" in frame.columns else {"land_use": None}
    return frame.assign(**known, area_m2=np.round(vector.area_m2(geometries), 2),
                        compactness=np.round(vector.compactness(geometries), 6)).reset_index(drop=True)


def _grid(city_layers: CityLayers, pack: CityPack, size_m: float) -> gpd.GeoDataFrame:
    cells, names = vector.grid_cells(city_layers.area_of_interest, size_m)
    kept = shapely.intersection(cells, city_layers.area_of_interest)
    for layer in _layers_that_take_land(pack):
        if city_layers.has(layer):
            taken = np.asarray(city_layers.frame(layer).geometry.array, dtype=object)
            kept = vector.subtract(kept, taken[np.isin(shapely.get_dimensions(taken), (2,))])
    enough = shapely.area(kept) >= SMALLEST_SHARE_OF_CELL * size_m**2
    if not enough.any():
        raise InfeasibleError(
            f"no grid cell of {size_m:g} m keeps half of its land; choose a smaller grid_size_m",
            f"没有任何 {size_m:g} 米网格保留一半以上的用地；请减小 grid_size_m",
        )
    ids = np.array([f"G{row:+06d}{column:+06d}" for row, column in names[enough]], dtype=object)
    return gpd.GeoDataFrame({"parcel_id": ids, "certainty": "approximate"}, geometry=kept[enough],
                            crs=city_layers.metric_crs)


def _layers_that_take_land(pack: CityPack) -> tuple[str, ...]:
    """Return the polygon layers on which a rule forbids every class to build."""
    return tuple(dict.fromkeys(r.layer for r in pack.rules if r.test == "overlap" and r.strictness == "shall"
                               and not r.site_classes and not r.gb50174_classes and not r.where_column))
