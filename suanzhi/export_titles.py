"""What a reader calls exported layers and tables, and their order from below to above."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from gis.bilingual import Text
from layers.schemas import LAYERS
from maps.map_phrases import PHRASES
from siting.wording import CANDIDATE_NOUNS

_ON_THE_MAP: Mapping[str, str] = MappingProxyType({
    "zones": "policy_zones", **{name: name for name in (
        "coverage", "capacity_feeds", "feed_lines", "campus_parts", "capacity_sites", "top_candidates", "edge_centres",
        "network_links", "clusters")},
})
"""What the map names as well, by the key of its phrase: one thing has one name."""
_TITLES: Mapping[str, Text] = MappingProxyType({
    **{name: PHRASES[key] for name, key in _ON_THE_MAP.items()},
    "units": Text(zh="政策单元", en="Policy units"), "parcels": Text(zh="候选{one}", en="Candidates"),
    "data_centre_decisions": Text(zh="存量数据中心处置", en="Decisions on existing data centres"),
    "three_in_one_hosts": Text(zh="三站合一备选变电站", en="Three-in-one substations"),
    "edge_coverage_curve": Text(zh="边缘覆盖曲线", en="Edge coverage curve"),
    "capacity_by_unit": Text(zh="各政策单元容量", en="Capacity by unit"),
    "capacity_by_substation": Text(zh="各变电站容量", en="Capacity by substation"),
    "data_centre_lists": Text(zh="存量数据中心清单", en="Lists of existing data centres"),
    "network_assignments": Text(zh="算力业务去向", en="Work at hubs"),
    "trust": Text(zh="推荐名单可信度", en="How far to trust the lists"),
    "capacity_stability": Text(zh="容量布局稳健性", en="Stability of the capacity layout"),
    "ledger": Text(zh="数据台账", en="Ledger of rows"),
})
_ENDINGS: Mapping[str, Text] = MappingProxyType({"in_use": Text(zh="在用口径", en="in use")})
_ORDER = ("units", "zones", "parcels", "districts", "boundary_lines", "coverage", "fibre_routes", "demand",
          "substations", "", "capacity_feeds", "feed_lines", "campus_parts", "capacity_sites", "top_candidates",
          "data_centre_decisions", "three_in_one_hosts", "edge_centres")
"""Layers from below to above; one that is not named stands where the empty name does."""


def title_of(name: str, candidates: str = "parcels") -> Text:
    """Return the title of a layer or table; one more reading of the same (``capacity_sites_in_use``) says which.

    Parameters
    ----------
    name
        Of the layer or table.
    candidates
        Kind of candidate that the study scored (``siting.types.Study``), which some titles name.
    """
    base, ending = _parted(name)
    given = _TITLES.get(base) or (LAYERS[base].title if base in LAYERS else Text(zh=base, en=base.replace("_", " ")))
    noun = CANDIDATE_NOUNS[candidates]
    found = Text(zh=noun.fill(given.zh, "zh"), en=noun.fill(given.en, "en"))
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
