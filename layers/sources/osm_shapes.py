"""What extracts of OpenStreetMap and its live servers share: objects of a layer become rows, by one mapping.

Whatever the objects came from, they lie in an OSM file of the layer's objects and all that these rest on; from
there ids, columns, geometries and remarks are made here and nowhere else, so that the same objects give the same rows.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import geopandas as gpd
import numpy as np
import pandas as pd
import shapely
from pyproj import Transformer

from gis.bilingual import Text
from gis.crs import WGS84, to_metric
from gis.errors import LayerUnavailableError, UsageError
from gis.rasters import Bounds
from gis.vector import Floats, area_m2
from layers.schemas import LAYERS
from layers.sources.osm_tags import FeatureTags, LayerTags, known_layers
from layers.sources.row_filter import rows_where
from layers.sources.types import RawVector
from layers.types import LayerSpec, Remark

if TYPE_CHECKING:
    import osmium

    _Thing = osmium.osm.Node | osmium.osm.Way | osmium.osm.Relation

LICENCE = "ODbL 1.0"
ATTRIBUTION = "© OpenStreetMap contributors"

_KINDS = {"n": "node", "w": "way", "r": "relation"}
_ORDER = {"n": 0, "w": 1, "r": 2}
Key = tuple[str, int]

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
class Found:
    """One object of the layer on its way to a row."""

    feature: FeatureTags
    """Why it belongs to the layer."""
    columns: dict[str, Any]
    """What its tags fill."""
    geometry: shapely.Geometry | None = None
    """Longitude and latitude."""
    reason: Text = _NOT_ASSEMBLED
    """Why it has no geometry."""
    storeys: float = 1.0
    """Of a building."""
    is_cut: bool = False
    """A line of which a part lies outside the extract."""


@dataclass(slots=True)
class Harvest:
    """All objects of the layer, and the newest edit among them."""

    rows: dict[Key, Found] = field(default_factory=dict)
    """By kind (n, w, r) and number."""
    newest: str = ""
    """Date of the newest edit."""


def tags_of(spec: LayerSpec) -> LayerTags:
    """Return what of OpenStreetMap makes the layer, with the spec's own columns.

    Raises
    ------
    UsageError
        OpenStreetMap does not hold this layer.
    """
    known = known_layers()
    if spec.name not in known:
        names = [name for name in LAYERS if name in known]
        raise UsageError(
            f"layer {spec.name!r} is not taken from OpenStreetMap; it gives: {', '.join(names)}",
            f"图层 {spec.name!r} 不取自 OpenStreetMap；可取自它的图层：{'、'.join(names)}")
    tags = known[spec.name]
    own = tuple((ours, (key,)) for ours, key in spec.columns)
    kept = tuple(pair for pair in tags.columns if pair[0] not in dict(own))
    return replace(tags, columns=(*kept, *own))


def require_osmium(what: Text) -> None:
    """Make sure that the package osmium is here.

    Raises
    ------
    LayerUnavailableError
        It is not; ``what`` needs it.
    """
    try:
        import osmium
    except ImportError as error:
        raise LayerUnavailableError(f"{what.en} need the package osmium; run: pip install suanzhi[osm]",
                                    f"{what.zh}需要 osmium；请运行 pip install suanzhi[osm]") from error
    del osmium


def window_around(area: shapely.Geometry, metric_crs: str, margin_km: float) -> Bounds:
    """Return the bounds of an area, grown by a margin, in longitude and latitude.

    Parameters
    ----------
    area
        Study area in the metric CRS.
    metric_crs
        The CRS of the run.
    margin_km
        Margin on each side.
    """
    grown = shapely.box(*shapely.bounds(area)).buffer(margin_km * 1000.0, join_style="mitre")
    transformer = Transformer.from_crs(metric_crs, WGS84, always_xy=True)
    west, south, east, north = transformer.transform_bounds(*grown.bounds, densify_pts=21)
    return west, south, east, north


def raw_rows(harvest: Harvest, spec: LayerSpec, tags: LayerTags, *, metric_crs: str, window: Bounds | None,
             files: tuple[str, ...], vintage: str) -> RawVector:
    """Return the rows of a layer and the account of what is no row.

    Parameters
    ----------
    harvest
        Objects of the layer.
    spec
        Names the layer; ``where``, a condition on our columns.
    tags
        What makes the layer.
    metric_crs
        For floor areas.
    window
        Objects outside of it are not read; None for no limit. One without a geometry may be anywhere and is kept
        for the account.
    files
        What was read.
    vintage
        Date of the data; that of the newest edit if empty.
    """
    ordered = sorted(harvest.rows.items(), key=lambda item: (_ORDER[item[0][0]], item[0][1]))
    near = ordered if window is None else _near(ordered, window)
    frame = _frame(near, spec, tags, metric_crs)
    if spec.where:
        frame = frame[rows_where(pd.DataFrame(frame.drop(columns="geometry")), spec.where, spec.name)]
    remarks = tuple(Remark(_name(key), "rejected", found.reason) for key, found in near if found.geometry is None)
    return RawVector(
        frame=frame, n_read=len(frame) + len(remarks), remarks=remarks, datum="wgs84",
        datum_note="wgs84 (OpenStreetMap)", files=files, certainty=tags.certainty, licence=LICENCE,
        attribution=ATTRIBUTION, vintage=vintage or harvest.newest, note=_note(near, tags),
    )


def read_part(part: Path, tags: LayerTags) -> Harvest:
    """Turn the objects of a layer into geometries; areas follow the ways and relations that they are made of.

    Parameters
    ----------
    part
        OSM file, sorted by kind and id: the objects of the layer, and the nodes and ways that they rest on.
    tags
        What makes the layer; objects that do not fit are passed over.
    """
    import osmium

    harvest = Harvest()
    factory = osmium.geom.WKBFactory()
    for thing in osmium.FileProcessor(part).with_areas().with_filter(osmium.filter.KeyFilter(*tags.keys())):
        if isinstance(thing, osmium.osm.Area):
            found = harvest.rows.get(("w" if thing.from_way() else "r", thing.orig_id()))
            if found is not None and found.reason is _NOT_ASSEMBLED and "polygon" in found.feature.kinds:
                found.geometry = _outline(thing, factory)
            continue
        words = dict(thing.tags)
        feature = tags.fitting(words)
        if feature is None or isinstance(thing, osmium.osm.Changeset):
            continue
        found = Found(feature, tags.values(feature, words), storeys=_storeys(words))
        harvest.rows[(thing.type_str(), thing.id)] = found
        harvest.newest = max(harvest.newest, thing.timestamp.strftime("%Y-%m-%d"))
        _shape(thing, found)
    return harvest


def _shape(thing: _Thing, found: Found) -> None:
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


def _near(rows: list[tuple[Key, Found]], window: Bounds) -> list[tuple[Key, Found]]:
    box = shapely.box(*window)
    return [(key, found) for key, found in rows if found.geometry is None or box.intersects(found.geometry)]


def _frame(rows: list[tuple[Key, Found]], spec: LayerSpec, tags: LayerTags, metric_crs: str) -> gpd.GeoDataFrame:
    kept = [(number, key, found) for number, (key, found) in enumerate(rows) if found.geometry is not None]
    geometries = np.array([found.geometry for _, _, found in kept], dtype=object)
    columns = list(dict.fromkeys([*(c for c, _ in tags.columns),
                                  *(c for f in tags.features for c, _ in f.sets)]))
    table: dict[str, Any] = {LAYERS[spec.name].id_column: [_name(key) for _, key, _ in kept]}
    table |= {column: [found.columns.get(column) for _, _, found in kept] for column in columns}
    frame = gpd.GeoDataFrame(table, geometry=geometries, crs=WGS84, index=[number for number, _, _ in kept])
    if tags.floor_area:
        storeys = np.array([found.storeys for _, _, found in kept], dtype=np.float64)
        frame = frame.assign(**{tags.floor_area: np.round(_footprint_m2(frame, metric_crs) * storeys, 1)})
    if tags.as_points and len(frame):
        frame = frame.set_geometry(frame.geometry.representative_point())
    return frame


def _footprint_m2(frame: gpd.GeoDataFrame, metric_crs: str) -> Floats:
    return area_m2(to_metric(frame, metric_crs).geometry.to_numpy())


def _note(rows: list[tuple[Key, Found]], tags: LayerTags) -> Text | None:
    """Say what was made of the objects beside their own tags."""
    said = list(_said(sum(found.is_cut for _, found in rows), tags))
    return Text(zh="；".join(t.zh for t in said), en="; ".join(t.en for t in said)) if said else None


def _said(n_cut: int, tags: LayerTags) -> Iterator[Text]:
    if n_cut:
        yield Text(zh=f"{n_cut} 条线在数据范围边缘被截断", en=f"{n_cut} lines are cut at the edge of the extract")
    if tags.floor_area:
        yield Text(zh="建筑面积为占地面积乘层数，未注层数按一层计",
                   en="floor area is footprint times storeys, one where none is stated")
    if tags.note is not None:
        yield tags.note


def _name(key: Key) -> str:
    return f"{_KINDS[key[0]]}/{key[1]}"
