"""An explanation in plain words, for the terminal."""

from __future__ import annotations

from gis.bilingual import Language, Text
from siting.explanation import CriterionLine, Explanation, ReasonLine
from siting.wording import CERTAINTY_WORDS, LAND_USE_WORDS, PERMISSION_WORDS, clause, quantity, word

_HEADINGS = {
    "exclusions": Text(zh="排除依据：", en="Excluded by:"),
    "penalties": Text(zh="扣分项（不排除）：", en="Penalised by (not excluded):"),
    "criteria": Text(zh="得分构成（得分/满分；实测值；0 分与满分的取值）：",
                     en="Score by criterion (points / most; measured; values of 0 and of full points):"),
    "untested": Text(zh="因缺少数据而未检验：", en="Not tested for lack of data:"),
}
_DEMANDS = {"<": Text(zh="不小于", en="at least"), ">": Text(zh="不大于", en="at most"),
            "=": Text(zh="须优于", en="better than")}


def lines(explanation: Explanation, language: Language) -> tuple[str, ...]:
    """Write an explanation: title, place, policy, verdict, broken rules, criteria, what was not tested."""
    found = [_title(explanation, language), _place(explanation, language), *_policy(explanation, language),
             verdict(explanation, language)]
    for key, reasons in (("exclusions", explanation.exclusions), ("penalties", explanation.penalties)):
        if reasons:
            found.append(_HEADINGS[key].to(language))
            for reason in reasons:
                found += [f"  - {reason_text(reason, language)}", f"    {_reason_clause(reason, language)}"]
    found.append(_HEADINGS["criteria"].to(language))
    ordered = sorted(explanation.criteria, key=lambda line: -line.contribution)
    found += [f"  - {criterion_text(line, explanation.data_coverage, language)}" for line in ordered]
    if explanation.untested:
        found.append(_HEADINGS["untested"].to(language))
        found += [f"  - {reason.title.to(language)} [{reason.rule_id}]" for reason in explanation.untested]
    return tuple(_printable(line) for line in found)


def _printable(line: str) -> str:
    """Names come from layers: a control character in one must not reach the terminal."""
    return "".join(c if c.isprintable() else " " for c in line)


def _title(explanation: Explanation, language: Language) -> str:
    name = f" {explanation.name}" if explanation.name and explanation.name != explanation.parcel_id else ""
    parcel = "候选" if language == "zh" else "Candidate"
    return f"{parcel} {explanation.parcel_id}{name} | {explanation.class_title.to(language)}"


def _place(explanation: Explanation, language: Language) -> str:
    zh = language == "zh"
    outside = "规划分区之外" if zh else "outside every zone of the plan"
    zone = explanation.zone.to(language) or outside
    use = word(LAND_USE_WORDS, explanation.land_use, language) or ("未知" if zh else "unknown")
    sure = word(CERTAINTY_WORDS, explanation.certainty, language)
    unit = explanation.unit.to(language) or explanation.district
    area = quantity(explanation.area_m2, "m2", language)
    if zh:
        return f"位置：{unit}（{zone}），行政区 {explanation.district}；面积 {area}；用地 {use}；数据可信度：{sure}"
    return f"Place: {unit} ({zone}), district {explanation.district}; area {area}; land use {use}; data: {sure}"


def _policy(explanation: Explanation, language: Language) -> list[str]:
    zh = language == "zh"
    if explanation.permission_citation is None:
        return ["政策：不在任何规划分区内" if zh else "Policy: in no zone of the plan"]
    said = word(PERMISSION_WORDS, explanation.permission, language)
    if explanation.condition:
        said += f"（{explanation.condition.zh}）" if zh else f" ({explanation.condition.to(language)})"
    if explanation.permission_assumed:
        said += "［假定］" if zh else " [assumed]"
    cited = explanation.permission_citation
    written = clause(explanation.permission_document.to(language), cited.heading, cited.quote, language)
    return [f"政策：{said}" if zh else f"Policy: {said}", f"  {written}"]


def verdict(explanation: Explanation, language: Language) -> str:
    """Say in one line whether the parcel is eligible, and how it ranks."""
    zh = language == "zh"
    coverage = quantity(explanation.data_coverage, "share", language)
    if explanation.score is None:
        n = len(explanation.exclusions)
        return (f"结论：排除，违反 {n} 条强制规则；数据覆盖 {coverage}" if zh
                else f"Verdict: excluded, {n} binding rule(s) broken; data coverage {coverage}")
    if zh:
        return (f"结论：符合，得分 {explanation.score:.4f}，在 {explanation.n_eligible} 个合格候选"
                f"（共 {explanation.n_candidates} 个）中排第 {explanation.rank}；数据覆盖 {coverage}")
    return (f"Verdict: eligible, score {explanation.score:.4f}, rank {explanation.rank} of "
            f"{explanation.n_eligible} eligible ({explanation.n_candidates} in all); data coverage {coverage}")


def reason_text(reason: ReasonLine, language: Language) -> str:
    """Say which rule is broken, what was measured and what is required."""
    zh = language == "zh"
    said = f"{reason.title.to(language)} [{reason.rule_id}]"
    if reason.measured is not None and reason.relation and reason.required is not None:
        measured, required = (quantity(v, reason.unit, language) for v in (reason.measured, reason.required))
        demand = _DEMANDS[reason.relation].to(language)
        said += (f"：实测 {measured}，要求{demand} {required}" if zh
                 else f": measured {measured}, required {demand} {required}")
    if reason.mitigation:
        said += f"；缓解措施：{reason.mitigation}" if zh else f"; mitigation: {reason.mitigation}"
    return said


def _reason_clause(reason: ReasonLine, language: Language) -> str:
    written = clause(reason.document.to(language), reason.citation.heading, reason.citation.quote, language)
    return written + (("［限值为假定］" if language == "zh" else " [limit assumed]") if reason.assumed else "")


def criterion_text(line: CriterionLine, data_coverage: float, language: Language) -> str:
    """Say what one criterion adds, of how much, and what was measured."""
    value = quantity(line.raw, line.unit, language)
    if line.raw is None:
        most = "权重" if language == "zh" else "weight"
        return f"{line.title.to(language)}: {value} ({most} {line.weight:.3f})"
    most_points = line.weight / data_coverage if data_coverage > 0 else 0.0
    worst, best = (quantity(v, line.unit, language) for v in (line.worst, line.best))
    return f"{line.title.to(language)}: {line.contribution:.4f} / {most_points:.4f}; {value}; {worst} … {best}"
