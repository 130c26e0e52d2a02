"""What two studies were asked and given differently: settings, weights, rules, inputs; and how their plans differ."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal

import geopandas as gpd

from gis.bilingual import Text
from layers.schemas import LAYERS
from siting.finished_study import FinishedStudy
from siting.scheme import Record
from siting.wording import quantity

_NOT_SETTINGS = ("name", "path", "sha256", "weights", "mitigations", "layer_specs", "classes")
_SETTING_TITLES = {
    "n_top": Text(zh="前列长度", en="length of the top list"),
    "n_parcels": Text(zh="合成地块数量", en="synthetic parcels"),
    "seed": Text(zh="随机种子", en="seed"), "grid_size_m": Text(zh="网格边长", en="side of a grid cell"),
    "omitted_layers": Text(zh="不用的图层", en="layers left out"),
    "n_facilities": Text(zh="边缘中心数量", en="edge centres"),
    "service_radius_m": Text(zh="服务半径", en="service radius"),
    "date": Text(zh="判断期限的日期", en="date of deadlines"),
    "capacity_years": Text(zh="容量分年", en="capacity by year"),
}
_INPUT_PARTS = ("file", "sha256", "source", "certainty", "datum")
_NONE = "–"


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """One setting, rule, weight or input that the two studies do not share, or a figure of their plans."""

    group: Literal["setting", "weight", "rule", "mitigation", "input", "edge", "capacity"]
    title: Text
    before: str
    after: str
    class_id: str = ""
    """Class that it is about; empty for all."""


def differences(before: FinishedStudy, after: FinishedStudy) -> Iterator[Difference]:
    """Give everything that the two studies do not share, in the order in which a reader asks."""
    yield from _settings(before, after)
    for class_id in before.classes:
        if class_id in after.classes:
            yield from _weights(before, after, class_id)
            yield from _rules(before, after, class_id)
    yield from _mitigations(before, after)
    yield from _inputs(before, after)
    yield from _edge(before, after)
    yield from _capacity(before, after)


def _settings(before: FinishedStudy, after: FinishedStudy) -> Iterator[Difference]:
    old, new = before.manifest["study"], after.manifest["study"]
    for key in {**old, **new}:
        told = _shown(old.get(key)), _shown(new.get(key))
        if key not in _NOT_SETTINGS and told[0] != told[1]:
            yield Difference(group="setting", title=_SETTING_TITLES.get(key, Text(zh=key, en=key)), before=told[0],
                             after=told[1])
    classes = (list(before.classes), list(after.classes))
    if classes[0] != classes[1]:
        yield Difference(group="setting", title=Text(zh="规模类别", en="size classes"), before=_shown(classes[0]),
                         after=_shown(classes[1]))
    hashes = (before.manifest["pack"]["sha256"], after.manifest["pack"]["sha256"])
    if hashes[0] != hashes[1]:
        yield Difference(group="setting", title=Text(zh="城市包（哈希）", en="city pack (hash)"),
                         before=hashes[0][:12], after=hashes[1][:12])


def _weights(before: FinishedStudy, after: FinishedStudy, class_id: str) -> Iterator[Difference]:
    old, new = (_by(study.classes[class_id]["criteria"], "criterion_id") for study in (before, after))
    for key in {**old, **new}:
        a, b = old.get(key), new.get(key)
        title = _title(b or a)
        weights = [None if c is None else c["weight"] for c in (a, b)]
        if weights[0] != weights[1]:
            yield Difference(group="weight", class_id=class_id, title=title,
                             before=_share(weights[0]), after=_share(weights[1]))
        if a and b and (a["worst"], a["best"]) != (b["worst"], b["best"]):
            yield Difference(group="weight", class_id=class_id,
                             title=Text(zh=f"{title.zh}（计分区间）", en=f"{title.en} (anchors)"),
                             before=f"{a['worst']:g} → {a['best']:g} {a['unit']}",
                             after=f"{b['worst']:g} → {b['best']:g} {b['unit']}")


def _rules(before: FinishedStudy, after: FinishedStudy, class_id: str) -> Iterator[Difference]:
    old, new = (_by(study.classes[class_id]["rules"], "rule_id") for study in (before, after))
    for key in {**old, **new}:
        a, b = (None if r is None else (r["strictness"], r["excludes"], r["limit"], r["unit"])
                for r in (old.get(key), new.get(key)))
        if a != b:
            title = _title(new.get(key) or old.get(key))
            yield Difference(group="rule", class_id=class_id, before=_rule(old.get(key)), after=_rule(new.get(key)),
                             title=Text(zh=f"{title.zh} {key}", en=f"{title.en} {key}"))


def _rule(rule: Record | None) -> str:
    if rule is None:
        return _NONE
    limit = "" if rule["limit"] is None else " " + quantity(rule["limit"], rule["unit"], "en")
    return f"{rule['strictness']}{limit}{'' if rule['excludes'] else ' *'}"


def _mitigations(before: FinishedStudy, after: FinishedStudy) -> Iterator[Difference]:
    old, new = before.manifest["study"]["mitigations"], after.manifest["study"]["mitigations"]
    for key in {**old, **new}:
        if old.get(key) != new.get(key):
            yield Difference(group="mitigation", title=Text(zh=key, en=key), before=old.get(key) or _NONE,
                             after=new.get(key) or _NONE)


def _inputs(before: FinishedStudy, after: FinishedStudy) -> Iterator[Difference]:
    old, new = _sources(before), _sources(after)
    for layer in {**old, **new}:
        if old.get(layer) != new.get(layer):
            title = LAYERS[layer].title if layer in LAYERS else Text(zh=layer, en=layer)
            yield Difference(group="input", title=title, before=_source(old.get(layer)),
                             after=_source(new.get(layer)))


def _sources(study: FinishedStudy) -> dict[str, list[Record]]:
    """Return what is known of each layer's sources: files by hash, and how many rows were taken."""
    found: dict[str, list[Record]] = {}
    for entry in study.manifest["inputs"]:
        own = {part: entry.get(part, "") for part in _INPUT_PARTS}
        found.setdefault(str(entry["layer"]), []).append(own | {"rows": entry["ledger"]["accepted"]
                                                                 + entry["ledger"]["repaired"]})
    return found


def _source(sources: list[Record] | None) -> str:
    if sources is None:
        return _NONE
    told = [(s["file"] or s["source"], s["sha256"][:12], s["certainty"], f"({s['rows']})") for s in sources]
    return "; ".join(" ".join(filter(None, parts)) for parts in told)


def _edge(before: FinishedStudy, after: FinishedStudy) -> Iterator[Difference]:
    old, new = (study.manifest["results"].get("edge_plan") for study in (before, after))
    if old is None and new is None:
        return
    for key, zh, en in (("n_facilities", "边缘中心数量", "edge centres"),
                        ("service_radius_m", "服务半径 (m)", "service radius (m)"),
                        ("n_hosts", "可用宿主", "hosts")):
        a, b = (_shown(None if plan is None else plan[key]) for plan in (old, new))
        if a != b:
            yield Difference(group="edge", title=Text(zh=zh, en=en), before=a, after=b)
    shares = [_covered(plan) for plan in (old, new)]
    if shares[0] != shares[1]:
        yield Difference(group="edge", title=Text(zh="覆盖需求", en="demand covered"), before=shares[0],
                         after=shares[1])
    hosts = [[] if plan is None else [str(h) for h in plan["host_ids"]] for plan in (old, new)]
    gone, come = [h for h in hosts[0] if h not in hosts[1]], [h for h in hosts[1] if h not in hosts[0]]
    if gone or come:
        yield Difference(group="edge", title=Text(zh="只在一个方案中入选的宿主", en="hosts chosen in one study only"),
                         before=_shown(gone), after=_shown(come))


def _covered(plan: Record | None) -> str:
    if plan is None or not plan["demand_total"]:
        return _NONE
    return f"{plan['demand_covered'] / plan['demand_total']:.1%}"


def _capacity(before: FinishedStudy, after: FinishedStudy) -> Iterator[Difference]:
    names = sorted(n for study in (before, after) for n in study.manifest["files"]
                   if n.startswith("layers/capacity_sites") and not n.endswith("_zh.geojson"))
    for name in dict.fromkeys(n.removeprefix("layers/").removesuffix(".geojson") for n in names):
        sites = [study.layer(name) for study in (before, after)]
        tail = name.removeprefix("capacity_sites").strip("_")
        mark = Text(zh=f"（{tail}）", en=f" ({tail})") if tail else Text(zh="", en="")
        sums = [_NONE if s is None else f"{s['it_load_mw'].sum():,.1f} MW / {len(s)}" for s in sites]
        if sums[0] != sums[1]:
            yield Difference(group="capacity", before=sums[0], after=sums[1], title=Text(
                zh=f"布局 IT 负荷 / 园区数{mark.zh}", en=f"IT load laid out / campuses{mark.en}"))
        keys = [_parcels(s) for s in sites]
        gone, come = [k for k in keys[0] if k not in keys[1]], [k for k in keys[1] if k not in keys[0]]
        if gone or come:
            yield Difference(group="capacity", before=_shown(gone), after=_shown(come), title=Text(
                zh=f"只在一个方案中的园区地块{mark.zh}", en=f"parcels with a campus in one study only{mark.en}"))


def _parcels(sites: gpd.GeoDataFrame | None) -> dict[str, None]:
    return {} if sites is None else dict.fromkeys(sites["parcel_id"].astype(str))


def _by(records: list[Record], key: str) -> dict[str, Record]:
    return {str(record[key]): record for record in records}


def _title(record: Record | None) -> Text:
    return Text(zh="", en="") if record is None else Text(zh=record["title"]["zh"], en=record["title"]["en"])


def _share(weight: float | None) -> str:
    return _NONE if weight is None else f"{weight:.2%}"


def _shown(value: Any) -> str:
    if isinstance(value, list):
        return ", ".join(str(item) for item in value) or _NONE
    return _NONE if value is None or value == "" else str(value)
