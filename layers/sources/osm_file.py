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
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import geopandas as gpd
import numpy as np
import pandas as pd
import shapely
from pyproj import Transformer

from gis.bilingual import Text
from gis.crs import WGS84, to_metric
from gis.errors import LayerError, LayerUnavailableError, UsageError
from gis.vector import Floats, area_m2
from layers.schemas import LAYERS
from layers.sources.files import existing_file
from layers.sources.osm_tags import FeatureTags, LayerTags, known_layers
from layers.sources.row_filter import rows_where
from layers.sources.types import LoadContext, RawVector
from layers.types import LayerSpec, Remark

if TYPE_CHECKING:
    import osmium

    _Thing = osmium.osm.Node | osmium.osm.Way | osmium.osm.Relation

LICENCE = "ODbL 1.0"
ATTRIBUTION = "© OpenStreetMap contributors"
MARGIN_KM = 50.0
"""Default of the option ``margin_km``."""

_KINDS = {"n": "node", "w": "way", "r": "relation"}
_ORDER = {"n": 0, "w": 1, "r": 2}
_Key = tuple[str, int]

_NOT_ASSEMBLED = Text(
    zh="面无法拼合：关系的部分成员不在文件中（截取的范围），或其环不闭合",
    en="the outline cannot be assembled: members of the relation are not in the file (a clipped extract), or its "
       "rings are not closed")
_OPEN = Text(zh="线未闭合，该要素须为面", en="an open line where an outline is needed")
_CUT_OUTLINE = Text(zh="轮廓的部分节点不在文件中（截取的范围）",
                    en="nodes of the outline are not in the file (a clipped extract)")
_NO_LINE = Text(zh="文件中的节点不足两个，不成线（截取的范围）",
                en="fewer than two of its nodes are in the file (a clipped extract)")
_NO_OUTLINE = Text(zh="该类关系没有自身的轮廓", en="a relation of this type has no outline of its own")
_NO_POINT = Text(zh="该要素须为线或面，文件中只有一个点", en="a node where a line or an outline is needed")


@dataclass(slots=True)
class _Found:
    """One object of the layer on its way to a row."""

    feature: FeatureTags
    columns: dict[str, Any]
    geometry: shapely.Geometry | None = None
    reason: Text = _NOT_ASSEMBLED
    """Why it has no geometry."""
    storeys: float = 1.0
    is_cut: bool = False
    """A line of which a part lies outside the extract."""


@dataclass(slots=True)
class _Harvest:
    """All objects of the layer, and the newest edit among them."""

    rows: dict[_Key, _Found] = field(default_factory=dict)
    newest: str = ""


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
    tags = _tags_of(spec)
    margin_km = _margin_km(spec)
    path = existing_file(spec)
    harvest, vintage = _harvested(path, spec, tags)
    ordered = sorted(harvest.rows.items(), key=lambda item: (_ORDER[item[0][0]], item[0][1]))
    near = _near(ordered, context, margin_km)
    frame = _frame(near, spec, tags, context)
    if spec.where:
        frame = frame[rows_where(pd.DataFrame(frame.drop(columns="geometry")), spec.where, spec.name)]
    remarks = tuple(Remark(_name(key), "rejected", found.reason) for key, found in near if found.geometry is None)
    return RawVector(
        frame=frame, n_read=len(frame) + len(remarks), remarks=remarks, datum="wgs84",
        datum_note="wgs84 (OpenStreetMap)", files=(str(path),), licence=LICENCE, attribution=ATTRIBUTION,
        vintage=vintage or harvest.newest, note=_note(near, tags),
    )


def _tags_of(spec: LayerSpec) -> LayerTags:
    known = known_layers()
    if spec.name not in known:
        names = [name for name in LAYERS if name in known]
        raise UsageError(
            f"layer {spec.name!r} is not taken from OpenStreetMap; the source osm_file gives: {', '.join(names)}",
            f"图层 {spec.name!r} 不取自 OpenStreetMap；来源 osm_file 可提供：{'、'.join(names)}")
    tags = known[spec.name]
    own = tuple((ours, (key,)) for ours, key in spec.columns)
    kept = tuple(pair for pair in tags.columns if pair[0] not in dict(own))
    return LayerTags(features=tags.features, columns=(*kept, *own), volts=tags.volts, as_points=tags.as_points,
                     floor_area=tags.floor_area)


def _margin_km(spec: LayerSpec) -> float:
    given = spec.option("margin_km", MARGIN_KM)
    if isinstance(given, bool | str) or not 0.0 <= given < 1e5:
        raise UsageError(f"layer {spec.name!r}: margin_km is {given!r}; give kilometres, 0 or more",
                         f"图层 {spec.name!r}：margin_km 为 {given!r}；请给出不小于 0 的公里数")
    return float(given)


def _harvested(path: Path, spec: LayerSpec, tags: LayerTags) -> tuple[_Harvest, str]:
    """Collect the objects of the layer, and the date that the file states."""
    try:
        import osmium
    except ImportError as error:
        raise LayerUnavailableError(
            f"layer {spec.name!r}: files of OpenStreetMap need the package osmium; run: pip install suanzhi[osm]",
            f"图层 {spec.name!r}：读取 OpenStreetMap 文件需要 osmium；请运行 pip install suanzhi[osm]",
        ) from error
    try:
        header = osmium.FileProcessor(path).header
        vintage = str(header.get("osmosis_replication_timestamp") or header.get("timestamp"))[:10]
        with tempfile.TemporaryDirectory() as folder:
            part = Path(folder) / "layer.osm.pbf"
            _write_part(path, part, tags)
            return _read_part(part, tags), vintage
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


def _read_part(part: Path, tags: LayerTags) -> _Harvest:
    """Turn the objects into geometries; areas follow the ways and relations that they are made of."""
    import osmium

    harvest = _Harvest()
    factory = osmium.geom.WKBFactory()
    for thing in osmium.FileProcessor(part).with_areas():
        if isinstance(thing, osmium.osm.Area):
            found = harvest.rows.get(("w" if thing.from_way() else "r", thing.orig_id()))
            if found is not None and found.reason is _NOT_ASSEMBLED and "polygon" in found.feature.kinds:
                found.geometry = _outline(thing, factory)
            continue
        words = dict(thing.tags)
        feature = tags.fitting(words)
        if feature is None or isinstance(thing, osmium.osm.Changeset):
            continue
        found = _Found(feature, tags.values(feature, words), storeys=_storeys(words))
        harvest.rows[(thing.type_str(), thing.id)] = found
        harvest.newest = max(harvest.newest, thing.timestamp.strftime("%Y-%m-%d"))
        _shape(thing, found)
    return harvest


def _shape(thing: _Thing, found: _Found) -> None:
    """Give an object its geometry, or the reason why it has none; outlines are assembled later."""
    import osmium

    kinds = found.feature.kinds
    if isinstance(thing, osmium.osm.Node):
        if "point" in kinds:
            found.geometry = shapely.Point(thing.location.lon, thing.location.lat)
        else:
            found.reason = _NO_POINT
    elif isinstance(thing, osmium.osm.Relation):
        if thing.tags.get("type") not in ("multipolygon", "boundary") or "polygon" not in kinds:
            found.reason = _NO_OUTLINE
    elif "line" in kinds:
        found.geometry, found.is_cut = _line(thing)
        found.reason = _NO_LINE
    elif not thing.is_closed():
        found.reason = _OPEN
    elif not all(node.location.valid() for node in thing.nodes):
        found.reason = _CUT_OUTLINE


def _line(way: osmium.osm.Way) -> tuple[shapely.Geometry | None, bool]:
    """Return the parts of a way whose nodes are in the file, and whether others are not."""
    nodes = [(node.location.lon, node.location.lat) if node.location.valid() else None for node in way.nodes]
    runs: list[list[tuple[float, float]]] = [[]]
    for node in nodes:
        if node is None:
            runs.append([])
        elif not runs[-1] or runs[-1][-1] != node:
            runs[-1].append(node)
    parts = [shapely.LineString(run) for run in runs if len(run) > 1]
    if not parts:
        return None, False
    return (parts[0] if len(parts) == 1 else shapely.MultiLineString(parts)), None in nodes


def _outline(area: osmium.osm.Area, factory: osmium.geom.WKBFactory) -> shapely.Geometry | None:
    try:
        outline = shapely.from_wkb(factory.create_multipolygon(area))
    except RuntimeError:  # no ring could be closed
        return None
    parts = shapely.get_parts(outline)
    simple: shapely.Geometry = parts[0] if len(parts) == 1 else outline
    return simple


def _storeys(words: dict[str, str]) -> float:
    try:
        stated = float(words.get("building:levels", ""))
    except ValueError:
        return 1.0
    return stated if 1.0 <= stated < 200.0 else 1.0


def _near(rows: list[tuple[_Key, _Found]], context: LoadContext, margin_km: float) -> list[tuple[_Key, _Found]]:
    """Keep the objects near the study area; one without geometry may be anywhere and is kept for the account."""
    if context.area_of_interest is None:
        return rows
    grown = shapely.box(*context.area_of_interest.bounds).buffer(margin_km * 1000.0, join_style="mitre")
    transformer = Transformer.from_crs(context.metric_crs, WGS84, always_xy=True)
    window = shapely.box(*transformer.transform_bounds(*grown.bounds, densify_pts=21))
    return [(key, found) for key, found in rows if found.geometry is None or window.intersects(found.geometry)]


def _frame(rows: list[tuple[_Key, _Found]], spec: LayerSpec, tags: LayerTags, context: LoadContext) -> gpd.GeoDataFrame:
    kept = [(number, key, found) for number, (key, found) in enumerate(rows) if found.geometry is not None]
    geometries = np.array([found.geometry for _, _, found in kept], dtype=object)
    columns = list(dict.fromkeys([*(c for c, _ in tags.columns),
                                  *(c for f in tags.features for c, _ in f.sets)]))
    table: dict[str, Any] = {LAYERS[spec.name].id_column: [_name(key) for _, key, _ in kept]}
    table |= {column: [found.columns.get(column) for _, _, found in kept] for column in columns}
    frame = gpd.GeoDataFrame(table, geometry=geometries, crs=WGS84, index=[number for number, _, _ in kept])
    if tags.floor_area:
        storeys = np.array([found.storeys for _, _, found in kept], dtype=np.float64)
        frame = frame.assign(**{tags.floor_area: np.round(_footprint_m2(frame, context) * storeys, 1)})
    if tags.as_points and len(frame):
        frame = frame.set_geometry(frame.geometry.representative_point())
    return frame


def _footprint_m2(frame: gpd.GeoDataFrame, context: LoadContext) -> Floats:
    return area_m2(to_metric(frame, context.metric_crs).geometry.to_numpy())


def _note(rows: list[tuple[_Key, _Found]], tags: LayerTags) -> Text | None:
    """Say what was made of the objects beside their own tags."""
    said = list(_said(sum(found.is_cut for _, found in rows), tags))
    return Text(zh="；".join(t.zh for t in said), en="; ".join(t.en for t in said)) if said else None


def _said(n_cut: int, tags: LayerTags) -> Iterator[Text]:
    if n_cut:
        yield Text(zh=f"{n_cut} 条线在数据范围边缘被截断", en=f"{n_cut} lines are cut at the edge of the extract")
    if tags.floor_area:
        yield Text(zh="建筑面积为占地面积乘层数，未注层数按一层计",
                   en="floor area is footprint times storeys, one where none is stated")


def _name(key: _Key) -> str:
    return f"{_KINDS[key[0]]}/{key[1]}"
