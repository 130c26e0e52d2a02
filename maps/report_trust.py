"""The report's part on trust: why these weights, what if they are wrong, and whether the model fits what exists."""

from __future__ import annotations

from collections.abc import Mapping
from html import escape

import numpy as np

from maps.report_charts import bar_chart, interval_chart, lines_chart
from maps.report_figures import BLACK, BLUE, GREEN, ORANGE, swatch
from maps.report_page import Page, facts, items, whole
from siting.capacity_stability import CapacityStability
from siting.criteria import MEASURES
from siting.edge_stability import JITTER
from siting.known_errors import ASSUMED_RADIUS_M
from siting.outline_errors import AREA_ERROR
from siting.robustness import TOPS
from siting.tables import unit_titles
from siting.trust import FIRM_CHANCE, STRONG, ClassTrust, SiteTrust, Trust
from siting.trust_draws import STRICT_CHANCE, WEIGHT_SHARE
from siting.validation import CLOSE, FAR, NEARLY, SIGNIFICANT, ShareTest, Validation
from siting.verdicts import VERDICT_TEXT
from siting.weighting import ORIGIN_TEXT, WeightChoice

N_LINES = 5
"""Criteria whose curve is drawn: those that change the list most."""

N_SITES = 20
"""Parcels of the capacity layout that are listed, the best ones."""

N_CAMPUSES = 40
"""Campuses of the capacity layout whose stability is listed; capacity_stability.csv holds all."""

_PURPLE = "#cc79a7"
_COLOURS = (BLUE, ORANGE, GREEN, BLACK, _PURPLE)


def trust(page: Page) -> str:
    """Return the chapter on how far to trust the study; nothing where that was not assessed."""
    found, choices = page.result.trust, page.result.weight_choices
    if found is None and not choices:
        return ""
    parts = [_weights(page, choice) for choice in choices]
    if found is not None:
        parts = [_statement(page, found), *parts]
        parts += [part for own in found.classes for part in _class(page, own, found)]
        parts += [_capacity(page, found), _edge(page, found), *_validation(page, found.validation), _assumptions(page)]
    return page.section("结果可信度", "How far to trust this", *parts)


def _statement(page: Page, found: Trust) -> str:
    n = found.n_draws
    told = page.paragraph(
        f"以下结论由 {n} 次抽样得出：各准则权重在 ±{WEIGHT_SHARE:.0%} 内变动；到位置有误差的要素的距离、图层未给出的"
        "变电站可用容量、近似的功能区界线随其误差变动；"
        f"可用工程措施缓解的距离规定以 {STRICT_CHANCE:.0%} 的概率从严。"
        "名次区间含抽样的 90%；区间重叠的{one}不可区分。",
        f"What follows rests on {n} draws: weights vary within ±{WEIGHT_SHARE:.0%}; distances to features of known "
        "position error, the headroom of substations that no layer states, and approximate outlines of functional "
        "zones vary with their error; distance rules that a measure can answer for are strict with a chance of "
        f"{STRICT_CHANCE:.0%}. A rank interval holds 90 % of the draws; sites whose intervals meet are not separable.")
    return told + items(page.text(fact) for fact in found.facts)


def _title(page: Page, class_id: str) -> str:
    return page.text(page.result.pack.site_class(class_id).title)


def _criterion(page: Page, key: str) -> str:
    return page.text(MEASURES[key].title) if key in MEASURES else escape(key)


def _weights(page: Page, choice: WeightChoice) -> str:
    if choice.method == "pack":
        # Listed with the method already, where every criterion stands with its clause.
        return f"<p>{_title(page, choice.class_id)}{page.say('——', ': ')}{page.text(choice.text)}</p>"
    headings = page.headings("准则|Criterion", "#采用权重|Weight used", "#规则包权重|Pack's weight")
    for method, share, _ in choice.parts:
        origin = ORIGIN_TEXT[method]
        headings += page.headings(f"#{origin.zh}（{share:g}）|{origin.en} ({share:g})")
    order = np.argsort(-np.array(choice.weights), kind="stable").tolist()
    rows = [[_criterion(page, choice.criteria[j]), f"{choice.weights[j]:.3f}", f"{choice.pack_weights[j]:.3f}",
             *(f"{part[j]:.3f}" for _, _, part in choice.parts)] for j in order
            if choice.weights[j] > 0 or choice.pack_weights[j] > 0]
    caption = page.say("权重：", "Weights: ") + _title(page, choice.class_id)
    return page.table(caption, headings, rows) + f"<p>{page.text(choice.text)}</p>"


def _class(page: Page, own: ClassTrust, found: Trust) -> list[str]:
    title = _title(page, own.class_id)
    parts = [f"<h3>{title}</h3>", f"<p><b>{page.text(own.recommendation)}</b></p>",
             _intervals(page, own, title), _sites(page, own.sites, page.say("推荐名单：", "The list: ") + title)]
    if own.capacity_sites:
        parts.append(_sites(page, own.capacity_sites[:N_SITES], page.say(f"容量布局所选地块（至多 {N_SITES} 处）：",
                                     f"Parcels of the capacity layout (at most {N_SITES}): ")
                            + title))
    parts += [_one_at_a_time(page, own, title), _criteria(page, own, title), _methods(page, own, title)]
    note = page.paragraph(
        f"参与抽样的候选{{one}} {own.n_candidates:,} 个；变动宽严的规则 {own.n_varied_rules} 条；"
        f"抽样 {found.n_draws} 次。",
        f"{own.n_candidates:,} candidates took part; {own.n_varied_rules} rules were drawn as strict or mitigated; "
        f"{found.n_draws} draws.")
    return [*parts, note, items(page.text(fact) for fact in own.facts)]


def _intervals(page: Page, own: ClassTrust, title: str) -> str:
    caption = page.say("名次区间（点为名次，条为抽样的 90%）：",
                       "Rank intervals (dot: rank; bar: 90 % of the draws): ") + title
    chart = interval_chart(page.say("名次区间", "Rank intervals"), page.say("名次（对数）", "rank (logarithm)"),
                           [(s.parcel_id, s.rank_low, s.rank, s.rank_high) for s in own.sites], BLUE)
    return page.figure(caption, chart, swatch(BLUE, page.say("名次区间", "interval"), "line"))


def _sites(page: Page, sites: tuple[SiteTrust, ...], caption: str) -> str:
    headings = page.headings("#名次|Rank", "!{one}|{One}", *(f"#前 {n}|Best {n}" for n in TOPS),
                             "!名次区间|Rank interval", "主要取决于|Depends most on", "结论|What to make of it")
    rows = [[whole(s.rank), escape(s.parcel_id), *(f"{p:.0%}" for p in s.in_top),
             f"{s.rank_low}–{s.rank_high}", _criterion(page, s.depends_on) if s.depends_on else "–",
             page.text(s.text)] for s in sites]
    return page.table(caption, headings, rows, kind="wide")


def _one_at_a_time(page: Page, own: ClassTrust, title: str) -> str:
    found, criteria = own.one_at_a_time, own.criteria
    # Those that change the list most; where none does, the first say so with a flat line.
    order = np.lexsort((np.arange(len(criteria)), -found.shift.max(axis=1), found.kept.min(axis=1)))[:N_LINES].tolist()
    caption = page.say(f"单个权重变动时名单前 {found.n_top} 处的保留比例：",
                       f"Share of the best {found.n_top} that stays when one weight moves: ") + title
    lines = [(criteria[j], [float(share) for share in found.kept[j]], _COLOURS[place])
             for place, j in enumerate(order)]
    chart = lines_chart(page.say("单个权重变动", "One weight at a time"), page.say("权重变动", "change of the weight"),
                        page.say("名单保留比例", "share of the list kept"), [float(s) for s in found.steps], lines)
    legend = "".join(swatch(colour, _criterion(page, key), "line") for key, _, colour in lines)
    turns = [(j, float(found.tolerance[j])) for j in range(len(criteria)) if not np.isnan(found.tolerance[j])]
    if turns:
        told = page.semicolon.join(f"{_criterion(page, criteria[j])} {change:.0%}"
                                   for j, change in sorted(turns, key=lambda t: (t[1], t[0])))
        heading = page.say("使首位易主的最小权重变动：", "Smallest change of a weight that puts another first: ")
        note = f"<p>{heading}{told}</p>"
    else:
        note = page.paragraph(f"任何单个权重在 ±{WEIGHT_SHARE:.0%} 内变动都不改变首位。",
                              f"No single weight within ±{WEIGHT_SHARE:.0%} puts another site first.")
    return page.figure(caption, chart, legend) + note


def _criteria(page: Page, own: ClassTrust, title: str) -> str:
    """Tabulate how much hangs on each weight: alone, and among all that the draws vary."""
    found = own.one_at_a_time
    weight = {c.criterion_id: c.weight for c in page.result.scores_for(own.class_id).criteria}
    order = np.lexsort((np.arange(len(own.criteria)), -own.first_order)).tolist()
    down, up = f"−{WEIGHT_SHARE:.0%}", f"+{WEIGHT_SHARE:.0%}"
    headings = page.headings("准则|Criterion", "#权重|Weight", "#单独解释的名次变动|Spread of ranks it explains alone",
                             f"#权重 {down} 时保留|Kept at {down}", f"#权重 {up} 时保留|Kept at {up}",
                             "#平均名次变动（最大）|Mean change of rank (most)")
    rows = [[_criterion(page, own.criteria[j]), f"{weight[own.criteria[j]]:.3f}", f"{own.first_order[j]:.1%}",
             f"{found.kept[j, 0]:.0%}", f"{found.kept[j, -1]:.0%}", f"{found.shift[j].max():.1f}"]
            for j in order if weight[own.criteria[j]] > 0]
    rest = max(0.0, 1.0 - float(own.first_order.sum()))
    note = page.paragraph(
        f"“单独解释”为名单各{{one}}名次（对数）的变动中由该权重一阶解释的部分，取平均；其余 {rest:.0%} "
        "来自数据误差、界线、规则宽严及多项权重的共同作用。",
        "What a weight explains alone is its first-order share of the spread of the ranks (logarithm) of the listed "
        f"sites, their mean; the other {rest:.0%} come from errors of the data, outlines, rules, and weights that act "
        "together.")
    return page.table(page.say("各准则的敏感性：", "Sensitivity by criterion: ") + title, headings, rows) + note


def _methods(page: Page, own: ClassTrust, title: str) -> str:
    headings = page.headings("方法|Method", "#与加权和的一致性（τ）|Agreement with the weighted sum (tau)",
                             f"#前 {own.agreement[0].n_top} 重合|Overlap of the best {own.agreement[0].n_top}",
                             "#加入劣势{one}后换序的对数|Pairs reordered by adding a dominated {one}")
    rows = [[page.text(m.title), "–" if np.isnan(m.tau) else f"{m.tau:.3f}", f"{m.overlap:.0%}", f"{m.moved:.3%}"]
            for m in own.agreement]
    return page.table(page.say("不同评价方法的一致性：", "Agreement between methods: ") + title, headings, rows)


def _capacity(page: Page, found: Trust) -> str:
    own = found.capacity
    if own is None:
        return ""
    told = page.paragraph(
        f"容量布局（第一种口径）在 {own.n_draws} 次相同抽样中重做，以松弛解取整并给出上界（最大差距 {own.gap:.2%}）；"
        "“再次入选”为重做的布局也启用该园区的比例，临界的最小园区可能因取整而落选；"
        "“仍可落实”为其规划负荷在该抽样的许可、分区份额与供电条件下平均可保留的比例。",
        f"The capacity layout (first reading) was made anew in {own.n_draws} of the same draws, by rounding the "
        f"relaxation, with a bound (greatest distance to it {own.gap:.2%}). Chosen again: share of those layouts that "
        "open the campus too; rounding may leave out marginal campuses of the smallest size. Still stands: mean share "
        "of its planned load that permission, shares of zones and power leave it.")
    pairs = [(page.say("规划 IT 负荷", "IT load as planned"), f"{own.planned_mw:,.1f} MW"),
             (page.say("抽样中平均仍可落实", "Still stands, mean of the draws"), f"{own.standing_mw:,.1f} MW"),
             (page.say("最差十分之一中有风险的负荷", "At risk in the worst tenth"), f"{own.at_risk_mw:,.1f} MW"),
             (page.say("布局价值低于最优（平均 / 最差十分之一，上界）",
                       "Worth less than the best layout (mean / worst tenth, upper bound)"),
              f"{own.regret:.1%} / {own.worst_regret:.1%}")]
    titles = unit_titles(page.result, page.language)
    headings = page.headings("!园区|Campus", "!地块|Parcel", "单元|Unit", "#IT 负荷（MW）|IT load (MW)",
                             "#再次入选|Chosen again", "#仍可落实|Still stands")
    rows = [[escape(c.capacity_site_id), escape(c.parcel_id), escape(titles.get(c.unit_id, c.unit_id)),
             f"{c.it_load_mw:,.1f}", f"{c.chosen:.0%}", f"{c.standing:.0%}"] for c in own.campuses[:N_CAMPUSES]]
    return (f"<h3>{page.say('容量布局的稳健性', 'How firmly the capacity layout stands')}</h3>" + told + facts(pairs)
            + _units(page, own, titles)
            + page.table(page.say(f"各园区（至多 {N_CAMPUSES} 处）", f"The campuses (at most {N_CAMPUSES})"), headings,
                         rows))


def _units(page: Page, own: CapacityStability, titles: Mapping[str, str]) -> str:
    headings = page.headings("单元|Unit", "#规划（MW）|Planned (MW)", "#抽样的 5%–95%（MW）|5–95 % of the draws (MW)")
    rows = [[escape(titles.get(u.unit_id, u.unit_id)), f"{u.planned_mw:,.1f}", f"{u.low_mw:,.1f}–{u.high_mw:,.1f}"]
            for u in own.units]
    return page.table(page.say("各单元容量的变动", "Capacity by unit over the draws"), headings, rows)


def _assumptions(page: Page) -> str:
    """List the judgements that the verdicts rest on: a reader must be able to dispute them."""
    pairs = [
        (page.say("权重变动幅度", "Reach of the weights"), f"±{WEIGHT_SHARE:.0%}"),
        (page.say("可缓解规定从严的概率", "Chance that a rule which can be mitigated is strict"),
         f"{STRICT_CHANCE:.0%}"),
        (page.say("近似要素未给出误差时的误差半径", "Error radius of an approximate feature that states none"),
         f"{ASSUMED_RADIUS_M:.0f} m"),
        (page.say("近似界线的面积误差（标准误差）", "Area error of an approximate outline (standard error)"),
         f"{AREA_ERROR:.0%}"),
        (page.say("“稳健”：抽样中保持在短名单的比例", "Robust: share of draws on the short list"),
         f"{FIRM_CHANCE:.0%}"),
        (page.say("“取决于”：与权重的相关系数", "Depends on: correlation with the weight"), f"{STRONG:g}"),
        (page.say("份额检验：相符 / 部分相符的上限", "Share test: agrees / agrees in part up to"),
         f"{CLOSE:.0%} / {FAR:.0%}"),
        (page.say("存在检验：显著水平", "Presence test: level of significance"), f"{SIGNIFICANT:.0%}"),
        (page.say("“几乎相同”：归一化标准差", "Nearly the same: spread of the normalised value"), f"{NEARLY:g}"),
        (page.say("边缘需求波动（对数标准差）", "Jitter of edge demand (spread of the logarithm)"), f"{JITTER:g}"),
    ]
    return (f"<h3>{page.say('本章所用的判断', 'Judgements of this chapter')}</h3>"
            + page.paragraph("下列数值为本工具的判断，并非公布标准；改变它们会改变上述措辞。",
                             "These figures are judgements of the product and no published values; others would change "
                             "the words above.") + facts(pairs))


def _edge(page: Page, found: Trust) -> str:
    if found.edge is None:
        return ""
    edge = found.edge
    weak = page.comma.join(f"{escape(key)} {share:.0%}" for key, share in edge.least_stable)
    pairs = [(page.say("按给定需求（附加条件的代价）", "Demand as stated (what the conditions cost)"),
              f"{edge.as_planned:.2%}"),
             (page.say(f"{edge.n_draws} 次抽样平均", f"Mean of {edge.n_draws} draws"), f"{edge.mean:.2%}"),
             (page.say("最差十分之一的平均", "Mean of the worst tenth"), f"{edge.worst_tenth:.2%}"),
             (page.say("不到一半抽样中保留的点", "Centres kept in fewer than half"), weak or page.say("无", "none"))]
    return (f"<h3>{page.say('边缘布局的后悔值', 'Regret of the edge plan')}</h3>"
            + page.paragraph("需求权重随机波动后，比当时最优方案少覆盖的需求占比（上界）。",
                             "Share of the demand that the plan reaches less than the best plan would, when the demand "
                             "weights vary (upper bound).") + facts(pairs))


def _validation(page: Page, found: Validation) -> list[str]:
    parts = [f"<h3>{page.say('与现状对照', 'Against what exists')}</h3>"]
    if found.shares is not None:
        parts.append(_shares(page, found.shares))
    tests = [(page.say("份额检验", "Share test"), found.shares),
             (page.say("存在检验", "Presence test"), found.presence),
             (page.say("政策检验", "Policy test"), found.policy)]
    lacking = page.say("缺少公布的数据或相应布局。", "No published data, or no plan.")
    rows = [[name, page.text(VERDICT_TEXT[test.verdict]), page.text(test.text)] if test is not None else
            [name, page.text(VERDICT_TEXT["untested"]), lacking] for name, test in tests]
    rows += [[page.say("空准则检验", "Empty criteria"),
              page.text(VERDICT_TEXT["in_part" if own.constant or own.nearly or own.unmeasured else "agrees"]),
              page.text(own.text)] for own in found.empty]
    headings = page.headings("检验|Test", "!结论|Verdict", "依据|What it rests on")
    return [*parts, page.table(page.say("检验结论", "What the tests found"), headings, rows, kind="wide")]


def _shares(page: Page, test: ShareTest) -> str:
    names = {u.unit_id: page.text(u.title) for u in page.result.pack.units}
    titles = {u.unit_id: u.title.to(page.language) for u in page.result.pack.units}
    other = page.say("其他", "Others")
    caption = page.say("机架份额：规划（粗）与现状（细）", "Shares of the racks: planned (wide) and existing (thin)")
    chart = bar_chart(caption, [(titles.get(r.unit_id, other), r.planned, r.known) for r in test.rows], (BLUE, ORANGE))
    legend = swatch(BLUE, page.say("规划", "planned")) + swatch(ORANGE, page.say("现状", "existing"))
    headings = page.headings("单元|Unit", "#现状|Existing", "#规划|Planned", "#可用面积|Eligible area")
    rows = [[names.get(r.unit_id, other), f"{r.known:.1%}", f"{r.planned:.1%}", f"{r.eligible:.1%}"] for r in test.rows]
    return page.figure(caption, chart, legend) + page.table(
        page.say("机架份额", "Shares of the racks") + page.cite(test.citation), headings, rows)
