"""The report's part on trust: why these weights, what if they are wrong, and whether the model fits what exists."""

from __future__ import annotations

from html import escape

import numpy as np

from maps.report_charts import bar_chart, interval_chart, lines_chart
from maps.report_figures import BLACK, BLUE, GREEN, ORANGE, swatch
from maps.report_page import Page, facts, items, whole
from siting.criteria import MEASURES
from siting.robustness import TOPS
from siting.trust import STRICT_CHANCE, WEIGHT_SHARE, ClassTrust, SiteTrust, Trust
from siting.validation import ShareTest, Validation
from siting.verdicts import VERDICT_TEXT
from siting.weighting import ORIGIN_TEXT, WeightChoice

N_LINES = 5
"""Criteria whose curve is drawn: those that change the list most."""

N_SITES = 20
"""Parcels of the capacity layout that are listed, the best ones."""

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
        parts += [_edge(page, found), *_validation(page, found.validation)]
    return page.section("结果可信度", "How far to trust this", *parts)


def _statement(page: Page, found: Trust) -> str:
    n = found.n_draws
    told = page.paragraph(
        f"以下结论由 {n} 次抽样得出：各准则权重在 ±{WEIGHT_SHARE:.0%} 内变动，已知位置误差的距离随误差变动，"
        f"可用工程措施缓解的距离规定以 {STRICT_CHANCE:.0%} 的概率从严。名次区间含抽样的 90%；区间重叠的地块不可区分。",
        f"What follows rests on {n} draws: weights vary within ±{WEIGHT_SHARE:.0%}, distances to features of known "
        f"position error vary with it, and distance rules that a measure can answer for are strict with a chance of "
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
    parts += [_one_at_a_time(page, own, title), _methods(page, own, title)]
    note = page.paragraph(
        f"参与抽样的候选地块 {own.n_candidates:,} 个；变动宽严的规则 {own.n_varied_rules} 条；"
        f"抽样 {found.n_draws} 次。",
        f"{own.n_candidates:,} candidates took part; {own.n_varied_rules} rules were drawn as strict or mitigated; "
        f"{found.n_draws} draws.")
    return [*parts, note, items(page.text(fact) for fact in own.errors.facts)]


def _intervals(page: Page, own: ClassTrust, title: str) -> str:
    caption = page.say("名次区间（点为名次，条为抽样的 90%）：",
                       "Rank intervals (dot: rank; bar: 90 % of the draws): ") + title
    chart = interval_chart(page.say("名次区间", "Rank intervals"), page.say("名次（对数）", "rank (logarithm)"),
                           [(s.parcel_id, s.rank_low, s.rank, s.rank_high) for s in own.sites], BLUE)
    return page.figure(caption, chart, swatch(BLUE, page.say("名次区间", "interval"), "line"))


def _sites(page: Page, sites: tuple[SiteTrust, ...], caption: str) -> str:
    headings = page.headings("#名次|Rank", "!地块|Parcel", *(f"#前 {n}|Best {n}" for n in TOPS),
                             "!名次区间|Rank interval", "主要取决于|Depends most on", "结论|What to make of it")
    rows = [[whole(s.rank), escape(s.parcel_id), *(f"{p:.0%}" for p in s.in_top),
             f"{s.rank_low}–{s.rank_high}", _criterion(page, s.depends_on) if s.depends_on else "–",
             page.text(s.text)] for s in sites]
    return page.table(caption, headings, rows, kind="wide")


def _one_at_a_time(page: Page, own: ClassTrust, title: str) -> str:
    found, criteria = own.one_at_a_time, [c.criterion_id for c in page.result.scores_for(own.class_id).criteria]
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


def _methods(page: Page, own: ClassTrust, title: str) -> str:
    headings = page.headings("方法|Method", "#与加权和的一致性（τ）|Agreement with the weighted sum (tau)",
                             f"#前 {own.agreement[0].n_top} 重合|Overlap of the best {own.agreement[0].n_top}",
                             "#加入劣势地块后换序的对数|Pairs reordered by adding a dominated parcel")
    rows = [[page.text(m.title), "–" if np.isnan(m.tau) else f"{m.tau:.3f}", f"{m.overlap:.0%}", f"{m.moved:.3%}"]
            for m in own.agreement]
    return page.table(page.say("不同评价方法的一致性：", "Agreement between methods: ") + title, headings, rows)


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
