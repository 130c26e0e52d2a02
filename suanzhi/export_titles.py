"""What a reader calls exported layers and tables, and their order from below to above."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from gis.bilingual import Text
from layers.schemas import LAYERS

_TITLES: Mapping[str, Text] = MappingProxyType({
    "units": Text(zh="政策单元", en="policy units"), "zones": Text(zh="政策分区", en="policy zones"),
    "parcels": Text(zh="候选地块", en="candidates"), "coverage": Text(zh="服务范围", en="reach of edge centres"),
    "capacity_feeds": Text(zh="园区接入线路", en="campus connections"),
    "feed_lines": Text(zh="供电连线", en="feed lines"), "campus_parts": Text(zh="园区平面", en="campus layouts"),
    "capacity_sites": Text(zh="容量布局园区", en="capacity campuses"),
    "top_candidates": Text(zh="推荐地块", en="top candidates"),
    "data_centre_decisions": Text(zh="存量数据中心处置", en="decisions on existing data centres"),
    "three_in_one_hosts": Text(zh="三站合一站点", en="three-in-one stations"),
    "edge_centres": Text(zh="边缘数据中心", en="edge centres"),
    "edge_coverage_curve": Text(zh="边缘覆盖曲线", en="edge coverage curve"),
    "capacity_by_unit": Text(zh="各政策单元容量", en="capacity by unit"),
    "capacity_by_substation": Text(zh="各变电站容量", en="capacity by substation"),
    "data_centre_lists": Text(zh="存量数据中心清单", en="lists of existing data centres"),
    "ledger": Text(zh="数据台账", en="ledger of rows"),
})
_ENDINGS: Mapping[str, Text] = MappingProxyType({"in_use": Text(zh="在用口径", en="in use")})
_ORDER = ("units", "zones", "parcels", "districts", "coverage", "fibre_routes", "demand", "substations", "",
          "capacity_feeds", "feed_lines", "campus_parts", "capacity_sites", "top_candidates", "data_centre_decisions",
          "three_in_one_hosts", "edge_centres")
"""Layers from below to above; one that is not named stands where the empty name does."""


def title_of(name: str) -> Text:
    """Return the title of a layer or table; one more reading of the same (``capacity_sites_in_use``) says which."""
    base, ending = _parted(name)
    found = _TITLES.get(base) or (LAYERS[base].title if base in LAYERS else Text(zh=base, en=base.replace("_", " ")))
    if not ending:
        return found
    word = _ENDINGS.get(ending, Text(zh=ending, en=ending.replace("_", " ")))
    return Text(zh=f"{found.zh}（{word.zh}）", en=f"{found.en} ({word.en})")


def rank_of(name: str) -> tuple[int, str]:
    """Return what layers are sorted by, below first."""
    base, ending = _parted(name)
    return (_ORDER.index(base if base in _ORDER else ""), f"{base}_{ending}")


def _parted(name: str) -> tuple[str, str]:
    """Return the longest known name that a name begins with, and what follows it."""
    if name in _TITLES or name in LAYERS:
        return name, ""
    bases = sorted((base for base in (*_TITLES, *LAYERS) if name.startswith(f"{base}_")), key=len)
    return (bases[-1], name.removeprefix(f"{bases[-1]}_")) if bases else (name, "")
