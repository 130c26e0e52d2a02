"""The basemaps that a reader may choose in the page. None is asked for before: the page opens without network.

The key of Tianditu stays out of the file: the page asks for it and holds it in memory. Only where both
``SUANZHI_TIANDITU_KEY`` and ``SUANZHI_TIANDITU_IN_FILE=yes`` are set is it written into the page.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from gis.bilingual import Language, Text
from gis.errors import UsageError

KEY_VARIABLE = "SUANZHI_TIANDITU_KEY"
IN_FILE_VARIABLE = "SUANZHI_TIANDITU_IN_FILE"

_TIANDITU = ("https://t{s}.tianditu.gov.cn/%s_w/wmts?SERVICE=WMTS&REQUEST=GetTile&VERSION=1.0.0&LAYER=%s&STYLE=default"
             "&TILEMATRIXSET=w&FORMAT=tiles&TILEMATRIX={z}&TILEROW={y}&TILECOL={x}&tk={key}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Basemap:
    """Tiles of a web map in Web Mercator."""

    key: str
    title: Text
    urls: tuple[str, ...]
    """Addresses of the tiles, lowest first; ``{key}`` stands for the reader's key."""
    subdomains: str = ""
    datum: Literal["wgs84", "gcj02"] = "wgs84"
    """What the tiles refer to; those in GCJ-02 are moved under the overlays."""
    attribution: str
    hosts: tuple[str, ...]
    """Where its tiles may come from."""

    @property
    def needs_key(self) -> bool:
        """Whether its provider asks for a key."""
        return any("{key}" in url for url in self.urls)


BASEMAPS = (
    Basemap(key="osm", title=Text(zh="OpenStreetMap", en="OpenStreetMap"),
            urls=("https://tile.openstreetmap.org/{z}/{x}/{y}.png",), attribution="© OpenStreetMap contributors",
            hosts=("https://tile.openstreetmap.org",)),
    Basemap(key="tianditu", title=Text(zh="天地图", en="Tianditu"),
            urls=(_TIANDITU % ("vec", "vec"), _TIANDITU % ("cva", "cva")), subdomains="01234567",
            attribution="© 天地图 Tianditu", hosts=("https://*.tianditu.gov.cn",)),
    Basemap(key="amap", title=Text(zh="高德地图", en="Amap"), subdomains="1234", datum="gcj02",
            attribution="© 高德 Amap",
            urls=("https://webrd0{s}.is.autonavi.com/appmaptile?lang=zh_cn&size=1&scale=1&style=8&x={x}&y={y}&z={z}",),
            hosts=("https://*.is.autonavi.com",)),
)
"""What a reader may choose; nothing is the default."""

PICTURE_HOSTS = tuple(host for basemap in BASEMAPS for host in basemap.hosts)
"""The only places that the page may load pictures from."""


def basemap_data(language: Language, environment: Mapping[str, str] | None = None) -> dict[str, Any]:
    """Return the basemaps for the page, and the key of Tianditu where it is to be written into the file.

    Raises
    ------
    UsageError
        The key that is to be written is none.
    """
    maps = [{"key": b.key, "title": b.title.to(language), "urls": list(b.urls), "subdomains": b.subdomains,
             "datum": b.datum, "attribution": b.attribution, "needs_key": b.needs_key} for b in BASEMAPS]
    return {"maps": maps, "tianditu_key": _key_in_file(os.environ if environment is None else environment)}


def _key_in_file(environment: Mapping[str, str]) -> str:
    if environment.get(IN_FILE_VARIABLE, "").lower() not in ("1", "yes", "true"):
        return ""
    key = environment.get(KEY_VARIABLE, "").strip()
    if not re.fullmatch(r"[0-9A-Za-z]{8,64}", key):
        raise UsageError(
            f"{IN_FILE_VARIABLE} asks for the Tianditu key in the map, but {KEY_VARIABLE} holds none (letters and "
            f"digits); set it, or leave {IN_FILE_VARIABLE} out and type the key in the page",
            f"{IN_FILE_VARIABLE} 要求把天地图密钥写入地图，但 {KEY_VARIABLE} 中没有有效密钥（字母与数字）；请设定，"
            f"或不设 {IN_FILE_VARIABLE} 而在页面中输入")
    return key
