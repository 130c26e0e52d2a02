"""The report's first pages: title, what came out, what was asked, and how it was judged."""

from __future__ import annotations

from html import escape

from gis.bilingual import Language
from layers.types import CERTAINTIES
from maps.manifest import file_name, product_version
from maps.report_page import Page, facts, items, score_text, whole
from siting.pack import Criterion, SiteClass
from siting.tables import criterion_title, top_rows
from siting.types import SiteScores, StudyResult
from siting.wording import CERTAINTY_WORDS, crs_label, quantity


def title_block(page: Page) -> str:
    """Return the head of the report: what it is of, by which rules, and room for signatures."""
    result, say = page.result, page.say
    vintages = sorted({p.vintage for p in result.city_layers.provenance if p.vintage})
    roles = (say("编制", "Prepared"), say("校核", "Checked"), say("审定", "Approved"), say("日期", "Date"))
    signatures = "".join(f"<th>{role}</th><td></td>" for role in roles)
    pairs = [
        (say("研究范围", "City"), page.text(result.pack.title)
         + (page.bracketed(escape(result.pack.adcode)) if result.pack.adcode else "")),
        (say("方案文件", "Study file"),
         _hashed(file_name(result.study.path) or result.study.name, result.study.sha256)),
        (say("城市规则包", "City pack"), _hashed(result.pack.city, result.pack.sha256)),
        (say("坐标参考系", "Metric CRS"), page.text(crs_label(result.pack.metric_crs))),
        (say("数据截至", "Data up to"),
         escape(page.comma.join(vintages)) or say("各图层均未注明", "not stated by any layer")),
        (say("软件版本", "Software"), "算址 suanzhi " + escape(product_version())),
    ]
    return (f'<header><p class="kind">{say("数据中心与边缘数据中心选址研究报告", "Siting study of data centres")}</p>'
            f"<h1>{heading(result, page.language)}</h1>{facts(pairs)}"
            f'<table class="signatures"><tbody><tr>{signatures}</tr></tbody></table></header>')


def heading(result: StudyResult, language: Language) -> str:
    """Return the name of the study, escaped: the city's, and the study's own where it has one."""
    city = result.pack.title.to(language)
    return escape(city if result.study.name == result.pack.city else f"{city} · {result.study.name}")


def _hashed(name: str, sha256: str) -> str:
    return escape(name) + (f' <span class="hash">SHA-256 {escape(sha256[:16])}…</span>' if sha256 else "")


def summary(page: Page) -> str:
    """Return the main findings, and a warning where they rest on data that is not real."""
    say = page.say
    headings = page.headings("!类别|Class", "#候选{one}（个）|Candidates", "#合格（个）|Eligible",
                             "#合格面积（{area_unit}）|Eligible area ({area_unit})", "!首选{one}|Best {one}",
                             "#得分|Score", "#数据覆盖|Data coverage")
    rows = [_summary_row(page, scores) for scores in page.result.scores]
    return page.section("主要结论", "Main findings", _warning(page),
                        page.table(say("各类数据中心的选址结果", "Result by class"), headings, rows), _edge_line(page),
                        _clusters(page))


def _summary_row(page: Page, scores: SiteScores) -> list[str]:
    census = page.result.census_for(scores.site_class.class_id)
    rows = top_rows(page.result, scores.site_class.class_id)
    best = [page.say("无", "none"), "–", "–"]
    if len(rows):
        parcel = escape(str(page.result.candidates["parcel_id"].iloc[rows[0]]))
        best = [parcel, score_text(float(scores.score[rows[0]])),
                page.amount(float(scores.data_coverage[rows[0]]), "share")]
    return [page.text(scores.site_class.title), whole(census.n_candidates), whole(census.n_eligible),
            page.area(census.eligible_area_m2), *best]


def _clusters(page: Page) -> str:
    """Name the clusters listed for each hub region."""
    plan = page.result.cluster_plan
    if plan is None:
        return ""
    lead = page.paragraph(
        "各枢纽区域的集群入围名单（只按已测的准则，供比选，不代替批复）：",
        "Clusters listed for each hub region (by what was measured; for comparison, no approval):")
    return lead + items(page.text(fact) for fact in plan.facts)


def _edge_line(page: Page) -> str:
    plan = page.result.edge_plan
    if plan is None and page.result.pack.edge is None:
        return ""
    if plan is None:
        return page.paragraph("本次运行未布设边缘数据中心。", "No edge centres were placed in this run.")
    share = quantity(plan.demand_covered / plan.demand_total if plan.demand_total else 0.0, "share", page.language)
    return page.paragraph(
        f"在 {plan.n_hosts} 个具备供电条件的宿主中布设 {plan.n_facilities} 个边缘数据中心，服务半径 "
        f"{plan.service_radius_m:,.0f} 米，覆盖需求的 {share}。",
        f"{plan.n_facilities} edge centres among {plan.n_hosts} hosts with a feed cover {share} of demand within "
        f"{plan.service_radius_m:,.0f} m.")


def _warning(page: Page) -> str:
    """Name the layers that are less than real, worst first."""
    layers = page.result.city_layers
    names = dict.fromkeys(p.layer for p in layers.provenance)
    parts = []
    for grade in reversed(CERTAINTIES[1:]):
        found = [page.layer(name) for name in names if layers.certainty_of(name) == grade]
        if found:
            colon = "：" if page.language == "zh" else ": "
            parts.append(f"<b>{page.word(CERTAINTY_WORDS, grade)}</b>{colon}{page.comma.join(found)}")
    if not parts:
        return ""
    lead = page.say("本报告的下列图层并非实测数据，据此得出的具体{one}结论只供演练与比选，须以权属和现状资料复核：",
                    "These layers are not surveyed data. What follows from them on a particular {one} is for trial "
                    "and comparison only and must be checked against the record:")
    return f'<div class="warning"><p>{lead}</p>{items(parts)}</div>'


def request(page: Page) -> str:
    """Return what the study asked for."""
    study, pack, say = page.result.study, page.result.pack, page.say
    grid = study.grid_size_m or pack.grid_size_m
    candidates = {"parcels": say("给定地块", "given parcels"), "grid": say(f"{grid:g} 米网格", f"grid of {grid:g} m"),
                  "blocks": say("道路围合的街块", "blocks between streets"),
                  "districts": say("整个{one}", "whole {many}")}
    pairs = [
        (say("评价类别", "Classes"), page.comma.join(page.text(s.site_class.title) for s in page.result.scores)),
        (say("候选对象", "Candidates"), candidates[study.candidates]),
        (say("每类推荐数", "Sites listed per class"), whole(study.n_top)),
        (say("权重", "Weights"), say("方案自定", "the study's own") if study.weights
         else say("城市规则包的默认值", "the pack's")),
        (say("缓解措施", "Mitigations"), _mitigations(page)),
        (say("不采用的图层", "Layers left out"), page.comma.join(page.layer(n) for n in study.omitted_layers)
         or say("无", "none")),
        (say("合成图层随机种子", "Seed of synthetic layers"), str(study.seed)),
    ]
    return page.section(
        "任务与条件", "What was asked",
        page.paragraph("按城市规划文本与国家标准，对全部候选{one}逐条检验强制规则，对合格{one}按固定刻度打分排序；"
                       "每一结论均附条文出处。",
                       "Every candidate is put to every binding rule of the city's plan and the national standards; "
                       "the eligible ones are scored on fixed scales and ranked. Each verdict names its clause."),
        facts(pairs), _classes_table(page))


def _mitigations(page: Page) -> str:
    titles = {r.rule_id: page.text(r.title) for r in page.result.pack.rules}
    return items(f"{titles.get(key, '')} [{escape(key)}]：{escape(measure)}"
                 for key, measure in page.result.study.mitigations) or page.say("无", "none")


def _classes_table(page: Page) -> str:
    say = page.say
    headings = page.headings("!类别|Class", "#标准机架（架）|Standard racks", "#IT 负荷（千瓦）|IT load (kW)",
                             "#PUE 上限|PUE at most", "#供电电压（千伏）|Supply (kV)",
                             "#供电半径（米）|Feed radius (m)", "#最小用地（平方米）|Least plot (m²)",
                             "GB 50174|GB 50174", "依据|Clauses")
    rows = [_class_row(page, s.site_class) for s in page.result.scores]
    return page.table(say("类别及其参照项目（带“*”的数值为假定）", "Classes and their reference projects (* assumed)"),
                      headings, rows)


def _class_row(page: Page, own: SiteClass) -> list[str]:
    def shown(name: str, places: int = 0) -> str:
        return f"{getattr(own, name):,.{places}f}" + ("*" if name in own.assumed else "")

    upper = f"–{own.max_standard_racks:,.0f}" if own.max_standard_racks is not None else "+"
    return [page.text(own.title), shown("min_standard_racks") + upper, shown("it_load_kw"), shown("pue_max", 2),
            shown("supply_voltage_kv"), shown("feed_radius_m"), shown("min_plot_m2"), escape(own.gb50174_class),
            "".join(dict.fromkeys([page.cite(own.citation), page.cite(own.pue_citation)]))]


def method(page: Page) -> str:
    """Return how a verdict comes about, on one page, with the criteria of every class."""
    steps = (
        page.say("读入：各图层统一到同一平面坐标系，逐行记账（读入＝采用＋修复＋舍弃），坐标基准按声明或来源纠正。",
                 "Reading: every layer is brought to one metric CRS; each row is accounted for (read = accepted + "
                 "repaired + rejected), and datums are put right as declared."),
        page.say("归属：{one}按面积最大者归入政策单元，功能区优先于区县；政策单元决定各类数据中心的许可。",
                 "Placing: a {one} belongs to the unit that holds most of it, functional zones before districts; "
                 "the unit decides what policy permits."),
        page.say("排除：违反任何一条强制规则的{one}即排除，但保留在全部成果中并列明原因；方案声明缓解措施的规则改为扣分。",
                 "Exclusion: a {one} that breaks one binding rule is excluded, yet stays in every output with its "
                 "reasons; a rule for which the study states a mitigation penalises instead."),
        page.say("打分：每项准则按固定的 0 分值与满分值线性归一到 0–1，乘权重后相加；刻度不随候选集合变化，"
                 "增减{one}不改变他者得分。",
                 "Scoring: each criterion is brought to 0–1 between fixed values of no and of full points, weighted "
                 "and summed; scales do not depend on the batch, so adding a {one} changes no other score."),
        page.say("缺测：未测到的准则不计分，其权重按比例分给已测准则，并给出“数据覆盖”（已测权重之和）。",
                 "Gaps: a criterion that could not be measured earns nothing, its weight is shared out among the "
                 "measured ones, and data coverage (the weight measured) is stated."),
        page.say("边缘布局：在有供电条件的真实宿主中求最大覆盖（MCLP），整数规划求解，报告求解状态与最优间隙。",
                 "Edge layout: maximal covering (MCLP) over real hosts with a feed, solved as an integer programme; "
                 "solver status and gap are reported."),
    )
    told = steps if page.result.pack.edge is not None else steps[:-1]
    listed = "".join(f"<li>{step}</li>" for step in told)
    return page.section("方法", "Method", f'<ol class="steps">{listed}</ol>',
                        *(_criteria_table(page, s) for s in page.result.scores))


def _criteria_table(page: Page, scores: SiteScores) -> str:
    say = page.say
    headings = page.headings("!准则|Criterion", "#权重|Weight", "#0 分值|No points at", "#满分值|Full points at",
                             "#已测候选|Measured", "依据|Clause")
    census = page.result.census_for(scores.site_class.class_id)
    rows = [_criterion_row(page, c, n / max(census.n_candidates, 1))
            for c, n in zip(scores.criteria, census.n_measured, strict=True)]
    title = page.text(scores.site_class.title)
    return page.table(say("评分准则：", "Criteria: ") + title, headings, rows)


def _criterion_row(page: Page, criterion: Criterion, measured: float) -> list[str]:
    return [page.text(criterion_title(criterion.criterion_id)), f"{criterion.weight:.3f}",
            page.amount(criterion.worst, criterion.unit), page.amount(criterion.best, criterion.unit),
            page.amount(measured, "share"), page.cite(criterion.citation, assumed=criterion.assumed)]
