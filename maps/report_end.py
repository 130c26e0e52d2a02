"""The report's last parts: edge centres, what is not scored, limits, and the clauses cited."""

from __future__ import annotations

from html import escape

import numpy as np
import pandas as pd

from gis.bilingual import Text
from maps.report_basis import source_line
from maps.report_figures import BLACK, BLUE, GREEN, ORANGE, PALE, MapSheet, swatch
from maps.report_page import Page, facts, items, whole
from siting.types import EdgePlan
from siting.wording import CERTAINTY_WORDS, quantity

_SOLVER_WORDS = {"optimal": Text(zh="已证最优", en="proven optimal"),
                 "time limit reached": Text(zh="达到时限，为可行解", en="feasible, time limit reached")}


def edge_centres(page: Page) -> str:
    """Return the edge plan: map, table of hosts with their feeds, coverage, and what the solver says."""
    plan = page.result.edge_plan
    if plan is None:
        return ""
    return page.section("边缘数据中心布局", "Edge centres", _statement(page, plan), _figure(page, plan),
                        _table(page, plan), _uncovered(page, plan))


def _statement(page: Page, plan: EdgePlan) -> str:
    share = quantity(plan.demand_covered / plan.demand_total if plan.demand_total else 0.0, "share", page.language)
    n_covered = int(plan.demand["covered"].astype(bool).sum())
    settings = page.result.pack.edge
    gap = quantity(plan.optimality_gap, "share", page.language)
    pairs = [
        (page.say("布设数 / 可选宿主", "Placed / hosts"), f"{plan.n_facilities:,} / {plan.n_hosts:,}"),
        (page.say("服务半径（直线）", "Reach (straight line)"), page.amount(plan.service_radius_m, "m")),
        (page.say("覆盖需求", "Demand covered"),
         f"{plan.demand_covered:,.2f} / {plan.demand_total:,.2f}{page.bracketed(share)}" + page.say(
             f"，需求点 {n_covered} / {len(plan.demand)}", f", points {n_covered} / {len(plan.demand)}")),
        (page.say("求解状态", "Solver"),
         page.word(_SOLVER_WORDS, plan.solver_status.lower()) + page.say(f"，最优间隙 {gap}", f", gap {gap}")),
        (page.say("单点 IT 负荷上限", "IT load of one centre at most"), page.amount(settings.it_load_kw, "kW")),
        (page.say("依据", "Clause"), page.cite(settings.citation, assumed=bool(settings.assumed))),
    ]
    return facts(pairs)


def _figure(page: Page, plan: EdgePlan) -> str:
    caption = page.say("边缘数据中心、供电连线与覆盖范围", "Edge centres, feeds and coverage")
    sheet = MapSheet(page.result.city_layers.area_of_interest, caption)
    sheet.shapes(page.result.units.geometry, f'fill="{PALE}" stroke="#999" stroke-width="1"')
    sheet.shapes(plan.coverage.geometry, f'fill="{BLUE}" fill-opacity="0.13" stroke="{BLUE}" stroke-width="1"')
    first = plan.feed_lines["feed"].astype(str) == "A"
    sheet.shapes(plan.feed_lines.geometry[first], f'fill="none" stroke="{BLACK}" stroke-width="1.6"')
    sheet.shapes(plan.feed_lines.geometry[~first],
                 f'fill="none" stroke="{BLACK}" stroke-width="1.4" stroke-dasharray="5 3"')
    covered = plan.demand["covered"].astype(bool).to_numpy()
    for position, is_covered in zip(sheet.points(plan.demand.geometry), covered, strict=True):
        shape, colour = ("circle", GREEN) if is_covered else ("triangle", ORANGE)
        sheet.mark(position, shape, 5.0, f'fill="{colour}" stroke="#fff" stroke-width="1"')
    if page.result.city_layers.has("substations"):
        used = page.result.city_layers.frame("substations")
        used = used[used["substation_id"].isin(plan.feed_lines["substation_id"])]
        for position in sheet.points(used.geometry):
            sheet.mark(position, "square", 4.5, f'fill="{BLACK}" stroke="#fff" stroke-width="1"')
    numbers = [str(i + 1) for i in range(len(plan.edge_centres))]
    sheet.numbered(sheet.points(plan.edge_centres.geometry), numbers, BLUE)
    legend = "".join((
        swatch(BLUE, page.say("边缘数据中心（编号见表）", "edge centre (numbers: see table)"), "circle"),
        swatch("#dbe9f3", page.say("服务范围", "reach")), swatch(BLACK, page.say("变电站", "substation"), "square"),
        swatch(BLACK, page.say("主供（示意直线）", "feed A (straight line, no route)"), "line"),
        swatch(BLACK, page.say("备供（示意直线）", "feed B (straight line, no route)"), "dashed"),
        swatch(GREEN, page.say("被覆盖需求点", "demand covered"), "circle"),
        swatch(ORANGE, page.say("未覆盖需求点", "demand not covered"), "triangle")))
    return page.figure(caption + source_line(page, "demand", "substations", "districts"),
                       sheet.render(page.language), legend)


def _table(page: Page, plan: EdgePlan) -> str:
    headings = page.headings("#图号|No.", "!编号|Key", "宿主|Host", "政策单元|Unit", "主供变电站|Feed A",
                             "#距离（米）|Distance (m)", "#电压（千伏）|Voltage (kV)", "备供变电站|Feed B",
                             "#距离（米）|Distance (m)", "#电压（千伏）|Voltage (kV)", "#覆盖需求|Demand",
                             "#需求点|Points", "!可信度|Certainty")
    names = "name_zh" if page.language == "zh" else "name_en"
    units = dict(zip(page.result.units["unit_id"], page.result.units[names], strict=True))
    stations = _station_names(page)
    rows = []
    for i, row in enumerate(plan.edge_centres.to_dict("records")):
        feeds: list[str] = []
        for feed in "ab":
            key = row[f"feed_{feed}_id"]
            feeds += ["–" if pd.isna(key) else escape(stations.get(str(key), str(key))),
                      _number(row[f"feed_{feed}_distance_m"], 0), _number(row[f"feed_{feed}_voltage_kv"], 0)]
        rows.append([whole(i + 1), escape(str(row["edge_centre_id"])),
                     f"{escape(str(row['name']))}<br><small>{page.layer(str(row['host_kind']))}</small>",
                     escape(str(units.get(row["unit_id"], ""))) or "–", *feeds, _number(row["demand_covered"], 2),
                     whole(row["n_demand_covered"]), page.word(CERTAINTY_WORDS, row["certainty"])])
    caption = page.say("边缘数据中心及其双路电源", "Edge centres and their two feeds")
    return page.table(caption, headings, rows, kind="wide")


def _station_names(page: Page) -> dict[str, str]:
    if not page.result.city_layers.has("substations"):
        return {}
    frame = page.result.city_layers.frame("substations")
    named = frame["name"].where(frame["name"].notna(), frame["substation_id"]) if "name" in frame.columns else (
        frame["substation_id"])
    return {str(key): str(name) for key, name in zip(frame["substation_id"], named, strict=True)}


def _number(value: float, places: int) -> str:
    return "–" if pd.isna(value) or not np.isfinite(value) else f"{value:,.{places}f}"


def _uncovered(page: Page, plan: EdgePlan) -> str:
    left = plan.demand[~plan.demand["covered"].astype(bool)]
    if left.empty:
        return page.paragraph("全部需求点均被覆盖。", "Every demand point is covered.")
    left = left.sort_values(["demand", "demand_id"], ascending=[False, True], kind="stable").head(20)
    names = page.comma.join(str(row["name"] or row["demand_id"]) + page.bracketed(f"{row['demand']:g}")
                            for row in left.fillna({"name": ""}).to_dict("records"))
    return page.paragraph(f"未覆盖的需求点（需求量大者在前，至多 20 个）：{names}",
                          f"Demand not covered (largest first, at most 20): {names}")


def not_scored(page: Page) -> str:
    """Return what is reported and not scored."""
    if not page.result.facts:
        return ""
    return page.section("只报告、不计分的事项", "Reported, not scored", items(page.text(f) for f in page.result.facts))


def limits(page: Page) -> str:
    """Return how far the findings may be trusted."""
    result = page.result
    standing = [
        page.say("直线距离不等于线路长度；供电连线仅示意归属，不是路径方案。",
                 "A straight line is no route: feeds show which substation, not where the cable runs."),
        page.say("变电站可用容量、光缆芯数等须由供电公司与运营商书面确认。",
                 "Headroom of substations and spare fibre must be confirmed by their operators in writing."),
        page.say("得分用于同类地块的比较，不是绝对优劣；标注“假定”的刻度与权重属于判断，可在方案文件中修改。",
                 "Scores compare parcels of one class; scales and weights marked assumed are a judgement and can be "
                 "changed in the study file."),
    ]
    notes = [page.text(note) for note in result.pack.notes]
    documents = [f"<b>{page.text(d.title)}</b> [{escape(d.document_id)}]{'：' if page.language == 'zh' else ': '}"
                 f"{page.text(d.status)}" for d in result.pack.documents]
    layers = [f"<b>{page.layer(p.layer)}</b> ({page.word(CERTAINTY_WORDS, p.certainty)})"
              f"{'：' if page.language == 'zh' else ': '}{page.text(p.note)}"
              for p in result.city_layers.provenance if p.note and p.certainty != "real"]
    return page.section(
        "局限", "Limits", items([*standing, *notes]),
        f"<h3>{page.say('依据文件的效力', 'Standing of the documents')}</h3>", items(documents),
        f"<h3>{page.say('非实测图层', 'Layers that are not surveyed')}</h3>" + items(dict.fromkeys(layers))
        if layers else "")


def clauses(page: Page) -> str:
    """Return every clause cited, in the order of its number; to be written last."""
    titles = {d.document_id: page.text(d.title) for d in page.result.pack.documents}
    rows = []
    for (document, heading, quote), place in page.clauses.items():
        shown = f"<q>{escape(quote)}</q>" if quote else page.say("（无原文摘录）", "(no excerpt)")
        rows.append([f'<span id="clause-{place}">[{place}]</span>', titles.get(document, escape(document)),
                     escape(heading), shown])
    headings = page.headings("编号|No.", "文件|Document", "条目|Heading", "原文|Text")
    caption = page.say("本报告引用的全部条文", "Every clause that this report cites")
    return page.section("引用条文", "Clauses cited", page.table(caption, headings, rows, kind="clauses"))
