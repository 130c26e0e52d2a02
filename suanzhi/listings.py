"""What ``suanzhi rules`` and ``suanzhi layers`` print."""

from __future__ import annotations

from collections.abc import Iterator

from gis.bilingual import Language, Text
from layers.schemas import LAYERS, LayerSchema
from layers.types import LayerSpec
from siting.citation import Citation
from siting.criteria import MEASURES
from siting.pack import CityPack, ExclusionRule, RetrofitRule
from siting.wording import CERTAINTY_WORDS, PERMISSION_WORDS, crs_label, word

STRICTNESS_WORDS = {"shall": Text(zh="不应", en="shall"), "should": Text(zh="不宜", en="should")}
ASSUMED = Text(zh="〔假定值〕", en=" [assumed]")


def rule_lines(pack: CityPack, language: Language) -> Iterator[str]:
    """Yield every rule of a pack with its clause, by chapter."""
    def to(zh: str, en: str) -> str:
        return Text(zh=zh, en=en).to(language)

    yield f"# {pack.title.to(language)} ({pack.city}) · {crs_label(pack.metric_crs).to(language)}"
    yield to("## 依据文件", "## Documents")
    for document in pack.documents:
        yield f"{document.document_id}\t{document.title.to(language)}\t{document.status.to(language)}"
    yield to("## 政策分区", "## Policy zones")
    for zone in pack.zones:
        members = "、".join(u.title.to(language) for u in pack.units if u.zone_id == zone.zone_id)
        title, role = zone.title.to(language), zone.role.to(language)
        yield f"{zone.zone_id}\t{title}：{role}（{members}）\t{clause(zone.citation)}"
    yield to("## 政策单元", "## Units")
    for unit in pack.units:
        level = unit.land_price_level
        price = "" if level is None else to(f"，地价等级 {level}", f", land price level {level}")
        yield (f"{unit.unit_id}\t{unit.title.to(language)} → {unit.zone_id}{price}"
               f"{_assumed('land_price_level' in unit.assumed, language)}\t{clause(unit.citation)}")
    yield to("## 准入", "## Permissions")
    for permission in pack.permissions:
        condition = f"（{permission.condition.to(language)}）" if permission.condition else ""
        yield (f"{permission.zone_id} × {permission.development_type}\t"
               f"{word(PERMISSION_WORDS, permission.permission, language)}{condition}"
               f"{_assumed(permission.assumed, language)}\t{clause(permission.citation)}")
    yield to("## 规模类别", "## Site classes")
    for site_class in pack.site_classes:
        yield (f"{site_class.class_id}\t{site_class.title.to(language)} PUE ≤ {site_class.pue_max:g}\t"
               f"{clause(site_class.citation)}；{clause(site_class.pue_citation)}")
    yield to("## 排除与退距", "## Exclusions and setbacks")
    for rule in pack.rules:
        yield _rule_line(rule, language)
    yield to("## 评价准则", "## Criteria")
    for criterion in pack.criteria:
        title = MEASURES[criterion.criterion_id].title.to(language)
        yield (f"{criterion.site_class}\t{criterion.criterion_id}\t{title} "
               f"{criterion.worst:g} → {criterion.best:g} {criterion.unit}, w = {criterion.weight:g}"
               f"{_assumed(criterion.assumed, language)}\t{clause(criterion.citation)}")
    yield to("## 目标", "## Targets")
    for target in pack.targets:
        year = f" ({target.year})" if target.year else ""
        yield (f"{target.target_id}\t{target.title.to(language)} {target.value:g} {target.unit}{year}\t"
               f"{clause(target.citation)}")
    yield to("## 存量改造", "## Retrofit")
    for retrofit in pack.retrofit_rules:
        yield _retrofit_line(retrofit, language)


def _rule_line(rule: ExclusionRule, language: Language) -> str:
    scope = "/".join((*rule.site_classes, *(f"GB-{c}" for c in rule.gb50174_classes))) or "*"
    limit = f" {rule.limit:g} {rule.unit}" if rule.limit else ""
    return (f"{rule.rule_id}\t[{scope}] {rule.title.to(language)}：{STRICTNESS_WORDS[rule.strictness].to(language)}"
            f"{limit}{_assumed(rule.assumed, language)}\t{clause(rule.citation)}")


def _retrofit_line(rule: RetrofitRule, language: Language) -> str:
    target = f" PUE ≤ {rule.pue_target:g}" if rule.pue_target else ""
    deadline = f" {rule.deadline}" if rule.deadline else ""
    return f"{rule.rule_id}\t{rule.title.to(language)} → {rule.action}{target}{deadline}\t{clause(rule.citation)}"


def _assumed(is_assumed: bool, language: Language) -> str:
    return ASSUMED.to(language) if is_assumed else ""


def clause(citation: Citation) -> str:
    """Put a citation into one phrase: document, heading, quote."""
    quote = f"“{citation.quote}”" if citation.quote else ""
    return f"{citation.document}《{citation.heading}》{quote}"


def layer_lines(pack: CityPack, language: Language) -> Iterator[str]:
    """Yield, per layer, what it needs and which source of the pack serves it now."""
    for schema in LAYERS.values():
        specs = [s for s in pack.layer_specs if s.name == schema.name]
        yield f"{schema.name}\t{schema.title.to(language)}\t{_need(schema, specs, language)}"
        yield "    " + Text(zh="用途：", en="for: ").to(language) + schema.purpose.to(language)
        yield from (f"    {line}" for line in _fields(schema, language))
        yield from (f"    {_source(spec, language)}" for spec in specs)


def _need(schema: LayerSchema, specs: list[LayerSpec], language: Language) -> str:
    need = Text(zh="必需", en="required") if schema.is_required else Text(zh="可选", en="optional")
    state = Text(zh="", en="") if specs else Text(zh="，缺数据", en=", no data")
    return need.to(language) + state.to(language)


def _fields(schema: LayerSchema, language: Language) -> Iterator[str]:
    if schema.frame is None:
        yield Text(zh=f"栅格，单位 {schema.unit}", en=f"raster, unit {schema.unit}").to(language)
        return
    yield Text(zh="几何：", en="geometry: ").to(language) + " / ".join(schema.frame.geometries)
    for field in schema.frame.fields:
        unit = f" [{field.unit}]" if field.unit else ""
        needed = Text(zh="（必需）", en=" (required)").to(language) if field.is_required else ""
        values = f" {{{', '.join(field.values)}}}" if field.values else ""
        yield f"- {field.name}{unit} {field.title.to(language)}{needed}{values}"


def _source(spec: LayerSpec, language: Language) -> str:
    parts = [spec.source, word(CERTAINTY_WORDS, spec.certainty, language), spec.attribution, spec.approval_number,
             spec.vintage]
    return Text(zh="来源：", en="source: ").to(language) + " · ".join(p for p in parts if p)
