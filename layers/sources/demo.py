"""A deterministic generator of the layers that no open source has.

Parcels, substations, fibre, telecom rooms, base stations, roads, elevation and flood depth: plausible in
number, size and place inside the real boundaries, and every one marked synthetic. The same boundaries,
seed and options give the same bytes.

Options: ``dem`` and ``flood_depth`` take ``base_m``, ``relief_m``, ``ridge_azimuth_deg`` and
``ridge_side`` (see ``demo_terrain.Relief``); ``parcels`` takes ``n_parcels``, which overrides the run's.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType

import geopandas as gpd
import numpy as np

from gis.bilingual import Text
from gis.errors import UsageError
from gis.rasters import Raster
from layers.sources.demo_city import City, build_city
from layers.sources.demo_parcels import parcels
from layers.sources.demo_power import substations
from layers.sources.demo_roads import roads_of
from layers.sources.demo_telecom import base_stations, fibre_routes, telecom_rooms
from layers.sources.demo_terrain import Relief, dem, flood_depth
from layers.sources.types import LoadContext, RawRaster, RawVector
from layers.types import LayerSpec

NOTE = Text(zh="合成数据，仅供演示，不得用于决策", en="synthetic, for demonstration only")
"""What every map and report says of these layers."""

DATUM_NOTE = "made in the metric CRS of the run; no datum to convert"
"""For the provenance."""

Generator = Callable[[City, LayerSpec, LoadContext], gpd.GeoDataFrame | Raster]


def _n_parcels(spec: LayerSpec, context: LoadContext) -> int:
    """Return how many parcels are asked for."""
    asked = spec.option("n_parcels", context.n_parcels)
    if isinstance(asked, bool) or not isinstance(asked, int) or asked < 0:
        raise UsageError(f"layer 'parcels': n_parcels is {asked!r}; give a whole number, at least 0",
                         f"图层 parcels：n_parcels 为 {asked!r}；请给出不小于 0 的整数")
    return asked


GENERATORS: Mapping[str, Generator] = MappingProxyType({
    "parcels": lambda city, spec, context: parcels(city, _n_parcels(spec, context)),
    "substations": lambda city, _spec, _context: substations(city),
    "fibre_routes": lambda city, _spec, _context: fibre_routes(city),
    "telecom_rooms": lambda city, _spec, _context: telecom_rooms(city),
    "base_stations": lambda city, _spec, _context: base_stations(city),
    "roads": lambda city, _spec, _context: roads_of(city),
    "dem": lambda city, spec, _context: dem(city, Relief.of(spec)),
    "flood_depth": lambda city, spec, _context: flood_depth(city, Relief.of(spec)),
})
"""Maker of each layer by its name."""


def read(spec: LayerSpec, context: LoadContext) -> RawVector | RawRaster:
    """Make the layer that ``spec`` names.

    Parameters
    ----------
    spec
        Name and options of the layer.
    context
        Study area and districts (and functional zones, where read), seed and number of parcels.

    Returns
    -------
    RawVector or RawRaster
        Features in the metric CRS with a column ``certainty`` of ``synthetic``, or a raster.

    Raises
    ------
    UsageError
        No generator makes this layer, or an option is out of range.
    LayerError
        There is no study area, or it is too small for the parcels.
    """
    generator = GENERATORS.get(spec.name)
    if generator is None:
        raise UsageError(f"the source 'demo' does not make the layer {spec.name!r}; it makes {', '.join(GENERATORS)}",
                         f"来源 demo 不能生成图层 {spec.name!r}；可生成：{'、'.join(GENERATORS)}")
    made = generator(build_city(context), spec, context)
    if isinstance(made, Raster):
        return RawRaster(raster=made, datum_note=DATUM_NOTE, certainty="synthetic", note=NOTE)
    made["certainty"] = np.full(len(made), "synthetic", dtype=object)
    return RawVector(frame=made, n_read=len(made), datum="cgcs2000", datum_note=DATUM_NOTE, certainty="synthetic",
                     note=NOTE)
