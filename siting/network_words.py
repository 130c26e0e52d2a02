"""What a reader is told of a computing network: why a hub may take work or not, and which goes first."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from types import MappingProxyType

import pandas as pd

from gis.bilingual import Text
from siting.latency import FIBRE_DELAY_US_PER_KM, HOP_DELAY_US
from siting.network_settings import ComputeHub, NetworkSettings, Preference, WorkloadClass

LINK_VERDICT_WORDS: Mapping[str, Text] = MappingProxyType({
    "fits": Text(zh="满足", en="fits"),
    "fits_unless_poor_route": Text(zh="满足（较差路由除外）", en="fits, but for a poor route"),
    "fits_on_good_route": Text(zh="仅良好路由满足", en="fits on a good route alone"),
    "too_far": Text(zh="时延超限", en="too far"),
    "not_admitted": Text(zh="条文未列", en="not listed by its clause"),
    "stays": Text(zh="留在本地", en="stays"),
})
"""Verdicts on work of an origin at a hub."""

HUB_KIND_WORDS: Mapping[str, Text] = MappingProxyType({
    "cluster": Text(zh="国家枢纽数据中心集群", en="cluster of a hub region"),
    "core_hub": Text(zh="省级核心枢纽", en="provincial core hub"),
    "city_hub": Text(zh="城市枢纽", en="city hub"),
    "partner": Text(zh="协议合作城市", en="partner by agreement"),
})
"""Kinds of hubs."""

PREFERENCE_WORDS: Mapping[Preference, Text] = MappingProxyType({
    "renewable": Text(zh="可再生能源等级", en="renewable level"),
    "priority": Text(zh="条文承接次序", en="order in the hub's clause"),
    "delay": Text(zh="时延", en="delay"),
})
"""What puts hubs in order."""

_ORDER_WORDS: Mapping[Preference, Text] = MappingProxyType({
    "renewable": Text(zh="可再生能源等级较低", en="lower renewable level"),
    "priority": Text(zh="条文中承接次序较后", en="its clause lists the work later"),
    "delay": Text(zh="时延较长", en="longer delay"),
})
LEVEL_REASON = Text(zh="；可再生能源等级为判断值，相差一级即改选他处",
                    en="; renewable levels are a judgement, and one level more or less would choose another hub")
"""Of a choice that hinges on a judged level."""
MOST_NAMED = 6
"""Origins that a sentence names; the table holds all."""


def joined(*parts: Text) -> Text:
    """Put phrases behind one another."""
    return Text(zh="".join(p.zh for p in parts), en="".join(p.en for p in parts))


def listed(titles: Iterable[Text], most: int | None = None) -> Text:
    """List names, the rest as a number where there are more than ``most``."""
    names = list(titles)
    shown, n_more = names[:most], len(names) - len(names[:most])
    zh, en = "、".join(t.zh for t in shown), ", ".join(t.en for t in shown)
    return Text(zh=f"{zh}等 {len(names)} 处", en=f"{en} and {n_more} more") if n_more else Text(zh=zh, en=en)


def milliseconds(value_ms: float, limit_ms: float | None = None) -> str:
    """Write a delay with one decimal, or as many more as show on which side of the limit it lies."""
    for places in range(1, 7):
        text = f"{value_ms:.{places}f}"
        if limit_ms is None or (float(text) <= limit_ms) == (value_ms <= limit_ms):
            break
    return text


def delay_reason(settings: NetworkSettings, work: WorkloadClass, hub: ComputeHub, latency_ms: Sequence[float], *,
                 is_admitted: bool, others: Sequence[str], error_km: float) -> Text:
    """Say whether clause and delay let a hub take work.

    Parameters
    ----------
    settings
        Titles of the kinds of work.
    work, hub
        What is judged.
    latency_ms
        On a good, a usual and a poor route.
    is_admitted
        The clause lists the work.
    others
        Other verdicts that are possible within the position error.
    error_km
        Position error of both ends.
    """
    said = [_by_delay(latency_ms, work.max_latency_ms)]
    if others:
        words = [LINK_VERDICT_WORDS[key] for key in others]
        said.append(Text(zh=f"；位置误差（±{error_km:g} 公里）之内也可能为：{'、'.join(t.zh for t in words)}",
                         en=f"; within the position error of ±{error_km:g} km it could be: "
                            f"{', '.join(t.en for t in words)}"))
    return joined(*said) if is_admitted else joined(_not_listed(settings, work, hub), *said)


def _not_listed(settings: NetworkSettings, work: WorkloadClass, hub: ComputeHub) -> Text:
    titles = {w.workload_id: w.title for w in settings.workloads}
    zh, en = "、".join(titles[k].zh for k in hub.workloads), ", ".join(_lower(titles[k].en) for k in hub.workloads)
    if "workloads" in hub.assumed:
        return Text(zh=f"其条文未列业务类别，假定为{zh}，不含{work.title.zh}；仅就时延而言：",
                    en=f"its clause names no work; assumed are {en}, not {_lower(work.title.en)}; by delay alone: ")
    return Text(zh=f"其条文所列为{zh}，不含{work.title.zh}；仅就时延而言：",
                en=f"its clause lists {en}, not {_lower(work.title.en)}; by delay alone: ")


def _lower(title: str) -> str:
    """Return a title as it stands inside a sentence."""
    return title[:1].lower() + title[1:] if title[1:2].islower() else title


def _by_delay(latency_ms: Sequence[float], limit_ms: float | None) -> Text:
    low, usual, high = (milliseconds(value, limit_ms) for value in latency_ms)
    if limit_ms is None:
        return Text(zh=f"无时延限值（通常路由 {usual} 毫秒）",
                    en=f"no limit on the delay ({usual} ms on a usual route)")
    limit_zh, limit_en = f"限值 {limit_ms:g} 毫秒", f"limit {limit_ms:g} ms"
    n_within = sum(value <= limit_ms for value in latency_ms)
    if n_within == 3:
        return Text(zh=f"通常路由 {usual} 毫秒，较差路由 {high} 毫秒，均不超过{limit_zh}",
                    en=f"{usual} ms on a usual and {high} ms on a poor route ({limit_en})")
    if n_within == 2:
        return Text(zh=f"通常路由 {usual} 毫秒不超过{limit_zh}，较差路由 {high} 毫秒超过",
                    en=f"{usual} ms on a usual route ({limit_en}), but {high} ms on a poor one")
    if n_within == 1:
        return Text(zh=f"仅良好路由 {low} 毫秒不超过{limit_zh}，通常路由 {usual} 毫秒超过",
                    en=f"{low} ms on a good route alone ({limit_en}), {usual} ms on a usual one")
    return Text(zh=f"良好路由也需 {low} 毫秒，超过{limit_zh}", en=f"{low} ms even on a good route ({limit_en})")


def order_reason(work: WorkloadClass, hub: ComputeHub, chosen: ComputeHub, latency_ms: tuple[float, float]) -> Text:
    """Say by what a hub that may take work stands behind the one chosen; ``latency_ms`` is that of both."""
    places: dict[Preference, tuple[object, object]] = {
        "renewable": (hub.renewable_level, chosen.renewable_level), "delay": latency_ms,
        "priority": (hub.workloads.index(work.workload_id), chosen.workloads.index(work.workload_id))}
    by = next((name for name in work.preference if places[name][0] != places[name][1]), None)
    said = _ORDER_WORDS[by] if by else Text(zh="条件相同，按编号排序", en="equal, sorted by key")
    return Text(zh=f"；次于{chosen.title.zh}：{said.zh}", en=f"; behind {chosen.title.en}: {said.en}")


def stays_reason(*, is_admitted: bool) -> Text:
    """Say why work stays with its origin: no clause lists it, or no hub that may take it is near enough."""
    if is_admitted:
        return Text(zh="允许承接的枢纽在通常路由上均超过时延限值，由本地的数据中心（含边缘）承担",
                    en="on a usual route no hub that may take it is within the limit; it stays with the data centres "
                       "of its city, edge centres included")
    return Text(zh="没有枢纽的条文列出此类业务，由本地的数据中心（含边缘）承担",
                en="no hub's clause lists such work; it stays with the data centres of its city, edge centres included")


def network_facts(settings: NetworkSettings, assignments: pd.DataFrame) -> tuple[Text, ...]:
    """Say where each kind of work goes, what the answer hangs on, and what it rests on."""
    return (*_destinations(settings, assignments), *_cautions(settings, assignments), _basis(settings))


def _destinations(settings: NetworkSettings, assignments: pd.DataFrame) -> Iterator[Text]:
    origins, hubs = ({getattr(n, key): n.title for n in nouns} for nouns, key in
                     ((settings.origins, "origin_id"), (settings.hubs, "hub_id")))
    chosen = assignments[assignments["is_chosen"]]
    for work in settings.workloads:
        own = chosen[chosen["workload_id"] == work.workload_id]
        parts = []
        for hub_id, group in own.groupby("hub_id", sort=False):
            names = listed((origins[key] for key in group["origin_id"]), MOST_NAMED)
            parts.append(Text(zh=f"{names.zh}→{hubs[hub_id].zh}", en=f"{names.en} to {hubs[hub_id].en}") if hub_id else
                         Text(zh=f"{names.zh}留在本地", en=f"{names.en} keeps it" if len(group) == 1 else
                              f"{names.en} keep it"))
        if parts:
            limit = ("", "") if work.max_latency_ms is None else (
                f"（限值 {work.max_latency_ms:g} 毫秒）", f" (limit {work.max_latency_ms:g} ms)")
            yield Text(zh=f"算力网络：{work.title.zh}{limit[0]}：{'；'.join(p.zh for p in parts)}。",
                       en=f"Computing network, {_lower(work.title.en)}{limit[1]}: {'; '.join(p.en for p in parts)}.")


def _links_named(settings: NetworkSettings, rows: pd.DataFrame) -> Text:
    """List origin, hub and work of some rows."""
    hubs, works = ({h.hub_id: h.title for h in settings.hubs}, {w.workload_id: w.title for w in settings.workloads})
    origins = {o.origin_id: o.title for o in settings.origins}
    named = []
    for origin_id, hub_id, workload_id in zip(rows["origin_id"], rows["hub_id"], rows["workload_id"], strict=True):
        origin, hub, work = origins[origin_id], hubs[hub_id], works[workload_id]
        named.append(Text(zh=f"{origin.zh}→{hub.zh}（{work.zh}）", en=f"{origin.en} to {hub.en} ({_lower(work.en)})"))
    return listed(named, MOST_NAMED)


def _cautions(settings: NetworkSettings, assignments: pd.DataFrame) -> Iterator[Text]:
    poor = assignments[assignments["verdict"] == "fits_unless_poor_route"]
    if len(poor):
        yield joined(Text(zh="算力网络：以下链路在较差路由上超过时延限值，须先落实路由：",
                          en="Computing network: on a poor route these exceed the limit, so that the route must be "
                             "secured first: "), _links_named(settings, poor), Text(zh="。", en="."))
    unsure = assignments[~assignments["is_firm"] & assignments["hub_id"].astype(bool)]
    if len(unsure):
        yield joined(Text(zh="算力网络：在位置误差之内，以下时延结论会改变：",
                          en="Computing network: within the position errors these verdicts on the delay could turn out "
                             "otherwise: "), _links_named(settings, unsure), Text(zh="。", en="."))
    judged = assignments[~assignments["is_level_firm"]]
    if len(judged):
        yield joined(Text(zh="算力网络：以下去向取决于判断得出的可再生能源等级，相差一级即改选他处：",
                          en="Computing network: these choices hang on renewable levels that are a judgement, and one "
                             "level more or less would choose another hub: "),
                     _links_named(settings, judged), Text(zh="。", en="."))
    outside = [h.title for h in settings.hubs if not h.region_id] if settings.regions else []
    if outside:
        yield joined(Text(zh="算力网络：不属于任何国家枢纽区域的承接地：",
                          en="Computing network: these lie in no hub region: "), listed(outside), Text(zh="。", en="."))


def _basis(settings: NetworkSettings) -> Text:
    low, usual, high = settings.route_factors
    hops_ms = settings.n_hops * HOP_DELAY_US / 1000.0
    hops = Text(zh=f"，另计 {settings.n_hops} 跳设备时延 {hops_ms:g} 毫秒",
                en=f", plus {hops_ms:g} ms for {settings.n_hops} switches and routers") if settings.n_hops else Text(
        zh="，未计设备与接入时延", en="; switches, routers and access are not counted")
    return Text(
        zh=f"算力网络的时延为单向传播时延：大地线长度×路由系数（良好 {low:g}、通常 {usual:g}、较差 {high:g}，工程取值）"
           f"×{FIBRE_DELAY_US_PER_KM:g} 微秒/公里{hops.zh}。",
        en=f"Delays of the computing network are one-way propagation: geodesic x route factor ({low:g} good, {usual:g} "
           f"usual, {high:g} poor; engineering values) x {FIBRE_DELAY_US_PER_KM:g} us/km{hops.en}.")
