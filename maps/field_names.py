"""Chinese names of every exported column, and Chinese words for the codes in them.

One English name always has the same Chinese one, and no two English names share a Chinese one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from types import MappingProxyType
from typing import Any

import geopandas as gpd
import pandas as pd

from gis.bilingual import Text
from layers.schemas import LAYERS
from maps.report_layout import PART_WORDS
from siting.connections import DIVERSITY_TEXT
from siting.criteria import MEASURES
from siting.estate import DECISION_WORDS
from siting.headroom import BASIS_TEXT
from siting.network_words import HUB_KIND_WORDS, LINK_VERDICT_WORDS
from siting.power_words import INDEPENDENCE_TEXT, LIMIT_TEXT
from siting.study import noun_of
from siting.tables import categorical, criterion_title
from siting.three_in_one import ROOM_TEXT, VERDICT_TEXT
from siting.trust import FIRMNESS_TEXT
from siting.types import StudyResult
from siting.wording import CERTAINTY_WORDS, KIND_WORDS, LAND_USE_WORDS, PERMISSION_WORDS

COLUMN_NAMES: Mapping[str, str] = MappingProxyType({
    "parcel_id": "地块编号", "name": "名称", "land_use": "用地性质", "area_m2": "面积_平方米", "compactness": "紧凑度",
    "district": "行政区", "unit_id": "政策单元编号", "unit": "政策单元", "zone_id": "政策分区编号", "zone": "政策分区",
    "certainty": "数据可信度", "candidate_id": "推荐编号", "site_class": "数据中心类别", "rank": "排名",
    "score": "得分", "eligible": "是否合格", "data_coverage": "数据覆盖率", "permission": "政策许可",
    "permission_clause": "许可依据",
    "exclusion_rules": "排除规则", "penalty_rules": "扣分规则", "untested_rules": "未检验规则", "why_zh": "优势",
    "why_en": "优势_英文", "weakest_zh": "短板", "weakest_en": "短板_英文", "edge_centre_id": "边缘中心编号",
    "host_id": "宿主编号", "host_kind": "宿主类型", "demand_covered": "覆盖需求量", "n_demand_covered": "覆盖需求点数",
    "feed_a_id": "主供变电站编号", "feed_a_distance_m": "主供距离_米", "feed_a_voltage_kv": "主供电压_千伏",
    "feed_b_id": "备供变电站编号", "feed_b_distance_m": "备供距离_米", "feed_b_voltage_kv": "备供电压_千伏",
    "feed_line_id": "供电线编号", "line_id": "境界线编号",
    "feed": "供电回路", "substation_id": "变电站编号", "voltage_kv": "电压_千伏",
    "distance_m": "距离_米", "service_radius_m": "服务半径_米", "role": "功能定位", "clause": "政策依据",
    "n_units": "政策单元数", "kind": "单元类型", "area_km2": "面积_平方公里", "district_id": "行政区编号",
    "transformer_capacity_mva": "主变容量_兆伏安", "headroom_mva": "可用容量_兆伏安", "route_id": "光缆路由编号",
    "operator": "运营商", "demand_id": "需求点编号", "demand": "需求量", "covered": "是否被覆盖",
    "supply_voltage_kv": "供电电压_千伏", "it_load_kw": "IT负荷_千瓦", "load_mva": "视在功率_兆伏安",
    "power_limit": "供电先受限于", "verdict": "判定", "headroom_basis": "可用容量依据", "room_m2": "场地余量_平方米",
    "room_basis": "场地依据", "required_area_m2": "所需场地_平方米", "storage_mwh": "储能_兆瓦时",
    "it_capacity_kw": "可承载IT负荷_千瓦", "second_feed_id": "第二电源编号", "independence": "电源独立性",
    "second_feed_connection_m": "第二电源接入长度_米",
    "fibre_diversity": "光缆双路由", "fibre_shared_m": "光缆共用段_米", "stability": "稳定性",
    "runner_up_id": "候补宿主编号", "runner_up_name": "候补宿主", "runner_up_loss": "改用候补损失的需求占比",
    "n_facilities": "布设数量", "share": "占比", "gain": "新增覆盖", "optimality_gap": "最优间隙",
    "host_ids": "宿主编号列表", "capacity_site_id": "园区编号", "capacity_feed_id": "园区供电编号",
    "rack_count": "机架数", "it_load_mw": "IT负荷_兆瓦", "facility_load_mw": "设施负荷_兆瓦",
    "n_substations": "供电变电站数", "connection_km": "接入长度_公里", "year": "年份", "n_sites": "园区数",
    "known_share": "现状占比", "headroom_assumed": "可用容量为假定", "data_centre_id": "数据中心编号",
    "decision": "处置", "rule_id": "规则编号", "is_voluntary": "是否鼓励性", "deadline": "期限",
    "is_overdue": "是否逾期", "pue": "电能利用效率PUE", "pue_target": "PUE目标", "racks_released": "释放机架数",
    "it_load_released_kw": "释放IT负荷_千瓦", "site_load_released_kw": "释放设施负荷_千瓦", "target_zone": "去向分区",
    "target_unit": "去向单元", "target_distance_m": "去向距离_米", "missing": "缺少数据", "reasons_zh": "理由",
    "reasons_en": "理由_英文", "action": "要求", "status": "状态", "campus_part_id": "园区部件编号",
    "in_top_10": "前10名比例", "in_top_20": "前20名比例", "in_top_50": "前50名比例", "rank_low": "名次区间下限",
    "rank_high": "名次区间上限", "depends_on": "主要取决于", "dependence": "与权重的相关系数",
    "other_zone": "界线另一侧分区", "in_other_zone": "属于另一侧的比例", "n_rivals": "不可区分地块数",
    "rivals": "不可区分地块", "firmness": "可信判定", "text_zh": "结论", "text_en": "结论_英文",
    "chosen": "再次入选比例", "standing": "仍可落实比例",
    "region_id": "枢纽区域编号", "region": "枢纽区域", "max_clusters": "集群上限", "region_rank": "区域内排名",
    "region_rank_low": "区域内名次_最好", "region_rank_high": "区域内名次_最差",
    "is_separated": "与候补可否区分",
    "part_kind": "部件类型", "floors": "层数", "floor_area_m2": "建筑面积_平方米", "racks": "机架",
    "link_id": "链路编号", "origin_id": "需求地编号", "origin": "需求地", "hub_id": "枢纽编号", "hub": "枢纽",
    "hub_kind": "枢纽类型", "distance_km": "距离_公里", "distance_error_km": "距离误差_公里",
    "latency_low_ms": "时延_良好路由_毫秒", "latency_ms": "时延_通常路由_毫秒", "latency_high_ms": "时延_较差路由_毫秒",
    "workloads": "可承接业务", "workloads_low": "仅良好路由可承接业务", "workloads_assigned": "选定承接业务",
    "renewable_level": "可再生能源等级", "workload_id": "业务编号", "workload": "业务", "limit_ms": "时延限值_毫秒",
    "is_firm": "位置误差内不变", "is_level_firm": "等级差一级不改选", "choice": "选择次序", "is_chosen": "是否选定",
    "position_source": "位置来源",
})
"""Columns that no class owns, and what follows the key of a class in a column that one owns."""

_CLASS_COLUMNS = ("eligible", "score", "rank", "permission", "permission_clause", "data_coverage", "exclusion_rules",
                  "penalty_rules", "untested_rules")
_CONTRIBUTION = "贡献分"
_FOREIGN = "（原字段）"


def class_word(result: StudyResult, class_id: str) -> str:
    """Return the Chinese word for a class that begins its columns ("大型")."""
    titles = {c.class_id: c.title.zh for c in result.pack.site_classes}
    short = {key: title.removesuffix("数据中心") for key, title in titles.items()}
    word = short.get(class_id, "")
    is_clear = word and list(short.values()).count(word) == 1
    return word if is_clear else f"{titles.get(class_id, '')}{class_id}"


def known_names(result: StudyResult) -> Mapping[str, str]:
    """Return the Chinese name of every column that the product itself makes."""
    # Cells and blocks stand in for parcels and keep their heading; districts are another thing.
    names = dict(COLUMN_NAMES)
    if result.study.candidates == "districts":
        names["parcel_id"] = f"{noun_of(result.pack, result.study).one.zh}编号"
    for scores in result.scores:
        key, word = scores.site_class.class_id, class_word(result, scores.site_class.class_id)
        own = {f"{key}_{column}": f"{word}_{COLUMN_NAMES[column]}" for column in _CLASS_COLUMNS}
        for criterion in scores.criteria:
            title = f"{word}_{criterion_title(criterion.criterion_id).zh}"
            own[f"{key}_{criterion.criterion_id}"] = title
            own[f"{key}_{criterion.criterion_id}_contribution"] = f"{title}_{_CONTRIBUTION}"
        names |= {column: name for column, name in own.items() if column not in names}
    return _distinct(names)


def _distinct(names: Mapping[str, str]) -> dict[str, str]:
    """Tell apart what two columns would share, by the English name behind it."""
    taken: set[str] = set()
    found = {}
    for column, name in names.items():
        unique = name
        while unique in taken:
            unique = f"{unique}（{column}）"
        taken.add(unique)
        found[column] = unique
    return found


def chinese_name(column: str, result: StudyResult) -> str:
    """Return the Chinese name of a column; a column of a user's own keeps its name.

    A foreign column that is already called like one of ours gets a mark, so that it does not take its place.
    """
    return _named(column, known_names(result))


def chinese_names(columns: Iterable[str], result: StudyResult) -> dict[str, str]:
    """Return the Chinese names of several columns, all different."""
    known = known_names(result)
    return {column: _named(column, known) for column in columns}


def _named(column: str, known: Mapping[str, str]) -> str:
    if column in known:
        return known[column]
    bare = column
    while bare.endswith(_FOREIGN):
        bare = bare.removesuffix(_FOREIGN)
    return column + _FOREIGN if bare in known.values() else column


def chinese_values(frame: gpd.GeoDataFrame, result: StudyResult) -> gpd.GeoDataFrame:
    """Return ``frame`` with Chinese words instead of the product's codes; columns keep their names."""
    return frame.assign(**chinese_words(frame, result))


def chinese_words(frame: pd.DataFrame, result: StudyResult) -> pd.DataFrame:
    """Return the columns of ``frame`` that hold codes of the product, in Chinese words."""
    changed: dict[str, object] = {}
    for column in map(str, frame.columns):
        translate = _translation(column, result)
        if translate is not None:
            changed[column] = _translated(frame[column], translate)
    return pd.DataFrame(changed, index=frame.index)


def _translated(column: pd.Series[Any], say: Callable[[str], str]) -> object:
    """Put each word of a column through ``say``, each of a categorical one once; what is no text stays."""
    if isinstance(column.dtype, pd.CategoricalDtype):
        words = column.cat.categories.tolist()
        return categorical(column.cat.codes.to_numpy(), [say(w) if isinstance(w, str) else w for w in words])
    return column.map(lambda value: say(value) if isinstance(value, str) else value)


def _translation(column: str, result: StudyResult) -> Callable[[str], str] | None:
    """Return what turns the codes of a column into Chinese; None where it holds none."""
    of_class = {f"{s.site_class.class_id}_{key}": key for s in result.scores
                for key in ("permission", "exclusion_rules", "penalty_rules", "untested_rules")}
    kind = of_class.get(column, column)
    if kind in ("exclusion_rules", "penalty_rules", "untested_rules"):
        titles = {r.rule_id: r.title.zh for s in result.scores for r in s.exclusions.rules}
        return lambda cell: titled_rules(cell, titles)
    if column in ("workloads", "workloads_low", "workloads_assigned") and result.pack.network is not None:
        works = {w.workload_id: w.title.zh for w in result.pack.network.workloads}
        return lambda cell: "、".join(works.get(key, key) for key in cell.split())
    words: Mapping[str, Mapping[str, Text]] = {
        "permission": PERMISSION_WORDS, "land_use": LAND_USE_WORDS, "certainty": CERTAINTY_WORDS, "kind": KIND_WORDS,
        "host_kind": {key: schema.title for key, schema in LAYERS.items()},
        "verdict": {**VERDICT_TEXT, **LINK_VERDICT_WORDS}, "hub_kind": HUB_KIND_WORDS,
        "room_basis": ROOM_TEXT, "independence": INDEPENDENCE_TEXT,
        "headroom_basis": {basis.name.lower(): text for basis, text in BASIS_TEXT.items()},
        "decision": DECISION_WORDS, "part_kind": PART_WORDS,
        "power_limit": {limit.name.lower(): text for limit, text in LIMIT_TEXT.items()},
        "fibre_diversity": {verdict.name.lower(): text for verdict, text in DIVERSITY_TEXT.items()},
        "site_class": {c.class_id: c.title for c in result.pack.site_classes},
        "firmness": FIRMNESS_TEXT, "depends_on": {key: measure.title for key, measure in MEASURES.items()},
        "other_zone": {zone.zone_id: zone.title for zone in result.pack.zones},
    }
    if kind not in words:
        return None
    return lambda code: words[kind][code].zh if code in words[kind] else code


def titled_rules(cell: str, titles: Mapping[str, str]) -> str:
    """Put the title of each rule of a list (``GB-A-railway(120.5<800 m); Z-10``) before its key."""
    return "；".join(_titled(part, titles) for part in cell.split("; ")) if cell else cell


def _titled(part: str, titles: Mapping[str, str]) -> str:
    """Put a rule's title before its key (``距铁路 GB-A-railway(120.5<800 m)``)."""
    rule_id = part if part in titles else part.rsplit("(", 1)[0]
    return f"{titles[rule_id]} {part}" if rule_id in titles else part
