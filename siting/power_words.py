"""What a reader is told of the power of a site: the codes in words, one site in a sentence, all sites in one."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

import geopandas as gpd
import numpy as np

from gis.bilingual import Text
from siting.headroom import BASIS_TEXT, HeadroomBasis
from siting.power import Feeds, PowerLimit

LIMIT_TEXT: Mapping[PowerLimit, Text] = MappingProxyType({
    PowerLimit.NOT_KNOWN: Text(zh="满足；可用容量未知，先受何限未知",
                               en="supplied; headroom is not known, so neither is what fails first"),
    PowerLimit.DISTANCE: Text(zh="供电半径内没有变电站", en="no substation within reach"),
    PowerLimit.VOLTAGE: Text(zh="供电半径内的变电站电压等级不适配", en="no substation within reach has the voltage"),
    PowerLimit.HEADROOM: Text(zh="供电半径内的变电站容量均不足", en="no substation within reach has the load to spare"),
    PowerLimit.SECOND_FEED: Text(zh="缺第二路电源", en="no second feed"),
    PowerLimit.COMMON_PARENT: Text(zh="两路电源同属一个上级变电站", en="both feeds hang on one parent station"),
    PowerLimit.FEED_A: Text(zh="满足；负荷增长时第一路容量先不足", en="supplied; headroom of feed A gives way first"),
    PowerLimit.FEED_B: Text(zh="满足；负荷增长时第二路容量先不足", en="supplied; headroom of feed B gives way first"),
    PowerLimit.VOLTAGE_STEP: Text(zh="满足；负荷增长时先超出本电压档", en="supplied; the voltage step gives way first"),
})
"""What a reader is told."""

INDEPENDENCE_TEXT: Mapping[str, Text] = MappingProxyType({
    "independent": Text(zh="上级电源不同", en="different parents"),
    "common_parent": Text(zh="同属一个上级", en="one parent"),
    "unknown": Text(zh="上级电源未知", en="parents unknown"),
    "none": Text(zh="不足两路", en="fewer than two feeds"),
})
"""Whether two feeds are independent beyond starting at different substations."""


def feeds_fact(feeds: Feeds) -> Text:
    """Say how many sites can be supplied, each alone, and what keeps the others."""
    n, supplied = len(feeds.load_mva), int(feeds.is_supplied.sum())
    counts = [(LIMIT_TEXT[limit], int((feeds.fails_first == limit).sum())) for limit in PowerLimit
              if PowerLimit.DISTANCE <= limit <= PowerLimit.COMMON_PARENT]
    zh = f"供电：{n} 处中 {supplied} 处单独接入时可引 {feeds.n_feeds} 路电源"
    en = f"Power: {supplied} of {n} sites, each alone, can have {feeds.n_feeds} feeds"
    for text, count in counts:
        if count:
            zh, en = f"{zh}；{text.zh} {count} 处", f"{en}; {text.en}: {count}"
    unknown = int((feeds.independence == "unknown").sum())
    if unknown:
        zh, en = f"{zh}；两路电源的上级未知 {unknown} 处", f"{en}; parents of the two feeds unknown: {unknown}"
    return Text(zh=zh + "。", en=en + ".")


def explain_feeds(feeds: Feeds, site: int, substations: gpd.GeoDataFrame) -> Text:
    """Tell the power of one site: its load, its feeds, whether they are independent, and what fails first."""
    zh = f"负荷 {feeds.load_mva[site]:.2f} 兆伏安，以 {feeds.supply_voltage_kv[site]:g} 千伏供电"
    en = f"Load {feeds.load_mva[site]:.2f} MVA, supplied at {feeds.supply_voltage_kv[site]:g} kV"
    for place, (letter, number) in enumerate(zip("AB", "一二", strict=True)):
        if feeds.feed[site, place] >= 0:
            told = _feed(feeds, site, place, substations)
            zh, en = f"{zh}；第{number}路：{told.zh}", f"{en}; feed {letter}: {told.en}"
    if feeds.feed[site, 1] >= 0:
        independence = INDEPENDENCE_TEXT[str(feeds.independence[site])]
        zh, en = f"{zh}；{independence.zh}", f"{en}; {independence.en}"
    limit, growth_mva = LIMIT_TEXT[PowerLimit(int(feeds.fails_first[site]))], feeds.growth_mva[site]
    zh, en = f"{zh}；{limit.zh}", f"{en}; {limit.en}"
    if np.isfinite(growth_mva):
        zh += f"（余 {growth_mva:.1f} 兆伏安）" if growth_mva >= 0 else f"（缺 {-growth_mva:.1f} 兆伏安）"
        en += f" ({abs(growth_mva):.1f} MVA {'to spare' if growth_mva >= 0 else 'missing'})"
    return Text(zh=zh + "。", en=en + ".")


def _feed(feeds: Feeds, site: int, place: int, substations: gpd.GeoDataFrame) -> Text:
    row = int(feeds.feed[site, place])
    station = substations.iloc[row]
    basis = BASIS_TEXT[HeadroomBasis(int(feeds.headroom_basis[row]))]
    km, mva = feeds.connection_m[site, place] / 1000.0, feeds.headroom_mva[row]
    free = Text(zh=f"可用 {mva:.1f} 兆伏安（{basis.zh}）", en=f"{mva:.1f} MVA free ({basis.en})")
    if np.isnan(mva):
        free = Text(zh="可用容量未知", en="headroom unknown")
    name = str(station["substation_id"])
    return Text(zh=f"{name}（{station['voltage_kv']:g} 千伏），线路约 {km:.1f} 公里，{free.zh}",
                en=f"{name} ({station['voltage_kv']:g} kV), about {km:.1f} km of line, {free.en}")
