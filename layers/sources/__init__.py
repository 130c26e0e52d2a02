"""Every source a layer can come from; a new one is a module here and a line in ``SOURCES``."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from layers.sources.types import LoadContext, RawRaster, RawVector, Source
from layers.types import LayerSpec


# Each reader is imported when it is first asked for, so that naming the sources costs nothing.
def _vector_file(spec: LayerSpec, context: LoadContext) -> RawVector:
    from layers.sources.vector_file import read

    return read(spec, context)


def _raster_file(spec: LayerSpec, context: LoadContext) -> RawRaster:
    from layers.sources.raster_file import read

    return read(spec, context)


def _boundaries(spec: LayerSpec, context: LoadContext) -> RawVector:
    from layers.sources.boundaries import read

    return read(spec, context)


def _inline(spec: LayerSpec, context: LoadContext) -> RawVector:
    from layers.sources.inline import read

    return read(spec, context)


def _postgis(spec: LayerSpec, context: LoadContext) -> RawVector:
    from layers.sources.postgis import read

    return read(spec, context)


def _ogc_features(spec: LayerSpec, context: LoadContext) -> RawVector:
    from layers.sources.ogc_features import read

    return read(spec, context)


def _wfs(spec: LayerSpec, context: LoadContext) -> RawVector:
    from layers.sources.wfs import read

    return read(spec, context)


def _osm_file(spec: LayerSpec, context: LoadContext) -> RawVector:
    from layers.sources.osm_file import read

    return read(spec, context)


def _osm_store(spec: LayerSpec, context: LoadContext) -> RawVector:
    from layers.sources.osm_store import read

    return read(spec, context)


def _demo(spec: LayerSpec, context: LoadContext) -> RawVector | RawRaster:
    from layers.sources.demo import read

    return read(spec, context)


SOURCES: Mapping[str, Source] = MappingProxyType({
    "vector_file": _vector_file,
    "raster_file": _raster_file,
    "boundaries": _boundaries,
    "inline": _inline,
    "osm_file": _osm_file,
    "postgis": _postgis,
    "ogc_features": _ogc_features,
    "wfs": _wfs,
    "osm_store": _osm_store,
    "demo": _demo,
})
"""Readers by name. A spec with the source ``none`` says that the layer is left out on purpose."""
