"""Extracts of OpenStreetMap: ``.osm.pbf``, ``.osm``, ``.osm.bz2``.

Which objects make which layer stands in ``osm_tags.toml``. The file is streamed: the objects of the
layer and the nodes they rest on go to a temporary file first, so that memory grows with the layer
and not with the extract.

Options
-------
``margin_km``
    Objects farther than this from the bounds of the study area are not read (50). Extracts are
    often provinces; no rule and no criterion reaches farther.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

from gis.bilingual import Text
from gis.errors import LayerError, UsageError
from layers.sources.files import existing_file
from layers.sources.osm_shapes import Harvest, raw_rows, read_part, require_osmium, tags_of, window_around
from layers.sources.osm_tags import LayerTags
from layers.sources.types import LoadContext, RawVector
from layers.types import LayerSpec

MARGIN_KM = 50.0
"""Default of the option ``margin_km``."""


def read(spec: LayerSpec, context: LoadContext) -> RawVector:
    """Read one layer from an extract of OpenStreetMap.

    Parameters
    ----------
    spec
        ``path``; ``columns``, pairs of our column and the tag key that fills it, beside those of
        ``osm_tags.toml``; ``where``, a condition on our columns; the option ``margin_km``.
    context
        Study area and metric CRS of the run.

    Returns
    -------
    RawVector
        One row per object, nodes before ways before relations, by id; ids like ``way/123``; WGS84. An
        object without a geometry of the right kind (a relation that the extract cuts) is a remark.

    Raises
    ------
    UsageError
        OpenStreetMap does not hold this layer, or the margin is no distance.
    LayerNotFoundError
        There is no such file.
    LayerUnavailableError
        The package osmium is not installed.
    LayerError
        The file cannot be read.
    """
    tags = tags_of(spec)
    margin_km = _margin_km(spec)
    path = existing_file(spec)
    harvest, vintage = _harvested(path, spec, tags)
    area = context.area_of_interest
    window = None if area is None else window_around(area, context.metric_crs, margin_km)
    return raw_rows(harvest, spec, tags, metric_crs=context.metric_crs, window=window, files=(str(path),),
                    vintage=vintage)


def _margin_km(spec: LayerSpec) -> float:
    given = spec.option("margin_km", MARGIN_KM)
    if isinstance(given, bool | str) or not 0.0 <= given < 1e5:
        raise UsageError(f"layer {spec.name!r}: margin_km is {given!r}; give kilometres, 0 or more",
                         f"图层 {spec.name!r}：margin_km 为 {given!r}；请给出不小于 0 的公里数")
    return float(given)


def _harvested(path: Path, spec: LayerSpec, tags: LayerTags) -> tuple[Harvest, str]:
    """Collect the objects of the layer, and the date that the file states."""
    require_osmium(Text(zh=f"图层 {spec.name!r}：读取 OpenStreetMap 文件",
                        en=f"layer {spec.name!r}: files of OpenStreetMap"))
    import osmium

    try:
        header = osmium.FileProcessor(path).header
        vintage = str(header.get("osmosis_replication_timestamp") or header.get("timestamp"))[:10]
        with tempfile.TemporaryDirectory() as folder:
            part = Path(folder) / "layer.osm.pbf"
            _write_part(path, part, tags)
            return read_part(part, tags), vintage
    except (RuntimeError, ValueError, OSError) as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0][:200]
        raise LayerError(
            f"layer {spec.name!r}: {path} cannot be read as an OpenStreetMap file ({reason}); check that it is "
            ".osm.pbf or .osm and complete",
            f"图层 {spec.name!r}：{path} 无法作为 OpenStreetMap 文件读取（{reason}）；"
            "请检查是否为完整的 .osm.pbf 或 .osm",
        ) from error


def _write_part(path: Path, part: Path, tags: LayerTags) -> None:
    """Write the objects of the layer, and what they refer to without its tags."""
    import osmium

    wanted = (thing for thing in osmium.FileProcessor(path).with_filter(osmium.filter.KeyFilter(*tags.keys()))
              if tags.fitting(dict(thing.tags)))
    # The first object is fetched before the writer opens its own files: a broken extract fails here.
    first = next(wanted, None)
    with osmium.BackReferenceWriter(part, path) as writer:
        if first is not None:
            writer.add(first)
        for thing in wanted:
            writer.add(thing)


