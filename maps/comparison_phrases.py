"""Every phrase that the page of two studies says, in both languages."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from gis.bilingual import Language, Text

PHRASES: Mapping[str, Text] = MappingProxyType({
    "product": Text(zh="算址", en="Suanzhi"),
    "title": Text(zh="方案比较", en="Two studies compared"),
    "before": Text(zh="前一方案", en="First study"),
    "after": Text(zh="后一方案", en="Second study"),
    "site_class": Text(zh="规模类别", en="Size class"),
    "layer_changes": Text(zh="变化", en="Changes"),
    "layer_edge": Text(zh="边缘数据中心", en="Edge centres"),
    "layer_capacity": Text(zh="容量布局园区", en="Capacity campuses"),
    "eligible": Text(zh="合格（按得分）", en="eligible, by score"),
    "excluded": Text(zh="排除", en="excluded"),
    "excluded_count": Text(zh="合格 {before} → {after}；转为合格 {gained}，转为排除 {lost}",
                           en="eligible {before} → {after}; {gained} became eligible, {lost} became excluded"),
    "changes": Text(zh="前列变化", en="Changes of the top list"),
    "outside": Text(zh="前列之外的变化", en="Changes outside the top list"),
    "outside_more": Text(zh="另有 {n} 项，见 changes.csv。", en="{n} more are in changes.csv."),
    "parcel": Text(zh="候选", en="Candidate"),
    "change": Text(zh="变化", en="Change"),
    "rank": Text(zh="名次", en="Rank"),
    "score": Text(zh="得分", en="Score"),
    "why": Text(zh="原因", en="Why"),
    "nothing": Text(zh="没有变化", en="no change"),
    "no_candidate": Text(zh="不是候选", en="no candidate"),
    "partial": Text(zh="候选过多，图上只画前列与有变化的地块。",
                    en="Too many candidates: the map shows those of the top lists and those that changed."),
    "group_setting": Text(zh="设置", en="Settings"),
    "group_weight": Text(zh="权重与计分区间", en="Weights and anchors"),
    "group_rule": Text(zh="规定（* 表示不作排除）", en="Rules (* does not exclude)"),
    "group_mitigation": Text(zh="缓解措施", en="Mitigations"),
    "group_input": Text(zh="输入数据", en="Inputs"),
    "group_edge": Text(zh="边缘数据中心", en="Edge centres"),
    "group_capacity": Text(zh="容量布局", en="Capacity layout"),
    "item": Text(zh="项目", en="Item"),
    "class": Text(zh="类别", en="Class"),
    "colon": Text(zh="：", en=": "),
    "no_data": Text(zh="缺数据", en="no data"),
    "beyond": Text(zh="超出量算范围", en="beyond reach"),
    "certainty": Text(zh="数据性质", en="Certainty"),
    "data_statement": Text(zh="数据性质：{words}。界线与坐标系 {crs}；图面 WGS84。",
                           en="Certainty of the data: {words}. Computed in {crs}; drawn in WGS84."),
    "linked": Text(zh="两图联动：移动或缩放一图，另一图随之。",
                   en="The maps are linked: move or zoom one and the other follows."),
})
"""Phrases by key."""


def phrases_in(language: Language) -> dict[str, str]:
    """Return all phrases in one language."""
    return {key: text.to(language) for key, text in PHRASES.items()}
