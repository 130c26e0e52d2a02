"""The report's part on edge centres: the plan, how firmly it stands, and what each further centre would win."""

from __future__ import annotations

from html import escape
from typing import Any

import numpy as np
import pandas as pd

from gis.bilingual import Text
from gis.disjoint_routes import Diversity
from maps.report_basis import source_line
from maps.report_charts import curve_chart
from maps.report_figures import BLACK, BLUE, GREEN, ORANGE, PALE, study_sheet, swatch
from maps.report_page import Page, facts, whole
from siting.connections import DIVERSITY_TEXT
from siting.edge_hosts import edge_settings
from siting.power import PowerLimit
from siting.power_words import INDEPENDENCE_TEXT, LIMIT_TEXT
from siting.three_in_one import VERDICT_TEXT
from siting.types import EdgePlan
from siting.wording import CERTAINTY_WORDS, quantity

N_THREE_IN_ONE = 15
"""Stations listed; the layer holds all."""

SOLVER_WORDS = {"optimal": Text(zh="已证最优", en="proven optimal"),
                "bounded": Text(zh="可行解，间隙已证", en="feasible, gap proven"),
                "time limit reached": Text(zh="达到时限，为可行解", en="feasible, time limit reached")}


def edge_centres(page: Page) -> str:
    """Return the edge plan: map, table of hosts with their feeds, coverage, and what the solver says."""
    plan = page.result.edge_plan
    if plan is None:
        return ""
    return page.section("边缘数据中心布局", "Edge centres", _statement(page, plan), _figure(page, plan),
                        _table(page, plan), _firmness(page, plan), _curve(page, plan), _uncovered(page, plan),
                        _three_in_one(page))


def _statement(page: Page, plan: EdgePlan) -> str:
    share = quantity(plan.demand_covered / plan.demand_total if plan.demand_total else 0.0, "share", page.language)
    n_covered = int(plan.demand["covered"].astype(bool).sum())
    settings = edge_settings(page.result.pack)
    gap = quantity(plan.optimality_gap, "share", page.language)
    pairs = [
        (page.say("布设数 / 可选宿主", "Placed / hosts"), f"{plan.n_facilities:,} / {plan.n_hosts:,}"),
        (_reach_title(page, plan), page.amount(plan.service_radius_m, "m")),
        (page.say("覆盖需求", "Demand covered"),
         f"{plan.demand_covered:,.2f} / {plan.demand_total:,.2f}{page.bracketed(share)}" + page.say(
             f"，需求点 {n_covered} / {len(plan.demand)}", f", points {n_covered} / {len(plan.demand)}")),
        (page.say("求解状态", "Solver"),
         page.word(SOLVER_WORDS, plan.solver_status.lower()) + page.say(f"，最优间隙 {gap}", f", gap {gap}")),
        (page.say("单点 IT 负荷上限", "IT load of one centre at most"), page.amount(settings.it_load_kw, "kW")),
        (page.say("依据", "Clause"), page.cite(settings.citation, assumed=bool(settings.assumed))),
    ]
    return facts(pairs)


def _reach_title(page: Page, plan: EdgePlan) -> str:
    if plan.distance_kind == "straight":
        return page.say("服务半径（直线）", "Reach (straight line)")
    return page.say("服务距离（沿", "Reach (along ") + page.layer(plan.distance_kind) + page.say("）", ")")


def _figure(page: Page, plan: EdgePlan) -> str:
    caption = page.say("边缘数据中心、供电连线与覆盖范围", "Edge centres, feeds and coverage")
    sheet = study_sheet(page.result.city_layers, caption)
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


def _firmness(page: Page, plan: EdgePlan) -> str:
    headings = page.headings("!编号|Key", "宿主|Host", "供电：先受限于|Power: gives way first",
                             "光缆双路由|Two fibre routes",
                             "#稳定性|Stability", "候补宿主|Runner-up", "#改用候补损失的需求|Demand lost with it")
    rows = []
    for row in plan.edge_centres.drop(columns="geometry").to_dict("records"):
        other = row["runner_up_name"] if row["runner_up_name"] is not None else row["runner_up_id"]
        lost = row["runner_up_loss"]
        rows.append([escape(str(row["edge_centre_id"])), escape(str(row["name"])),
                     page.text(LIMIT_TEXT.get(PowerLimit[str(row["power_limit"]).upper()])),
                     page.text(_fibre_word(row)), f"{row['stability']:.0%}",
                     escape(str(other)) if other is not None else "–", "–" if pd.isna(lost) else f"{lost:.1%}"])
    caption = page.say("方案的可靠程度（稳定性：需求权重随机波动 40 次，仍选中该点或等效宿主的比例）",
                       "How firmly the plan stands (stability: share of 40 plans with jittered demand that hold the "
                       "host or one that reaches the same points)")
    return page.table(caption, headings, rows, kind="wide")


def _fibre_word(row: dict[str, Any]) -> Text:
    code = row.get("fibre_diversity")
    if code is None or pd.isna(code):
        return Text(zh="光缆资料不足", en="fibre not known")
    found = DIVERSITY_TEXT[Diversity[str(code).upper()]]
    if str(code) != "shared":
        return found
    return Text(zh=f"{found.zh}（约 {row['fibre_shared_m']:.0f} 米）", en=f"{found.en} ({row['fibre_shared_m']:.0f} m)")


def _curve(page: Page, plan: EdgePlan) -> str:
    if len(plan.curve) < 2:
        return ""
    caption = page.say("覆盖率与布设数量（每一点为该数量下的最优方案）",
                       "Coverage by number of centres (each point is the best plan of that number)")
    values = [(int(n), float(share)) for n, share in zip(plan.curve["n_facilities"], plan.curve["share"], strict=True)]
    chart = curve_chart(caption, page.say("布设数量（个）", "number of centres"),
                        page.say("覆盖需求占比", "demand covered"), values, BLUE, plan.n_facilities)
    gains = plan.curve.set_index("n_facilities")["gain"]
    asked = float(gains.get(plan.n_facilities, 0.0))
    more = float(gains.get(plan.n_facilities + 1, 0.0))
    note = page.paragraph(f"第 {plan.n_facilities} 个中心新增覆盖需求 {asked:g}，再增加一个新增 {more:g}。",
                          f"The last of the {plan.n_facilities} centres adds {asked:g} of demand; one more would add "
                          f"{more:g}.")
    return page.figure(caption, chart, swatch(BLUE, page.say("最优覆盖", "best coverage"), "line")) + note


def _three_in_one(page: Page) -> str:
    """Return the substations that could hold storage and a data centre, the fittest first."""
    own = page.result.pack.edge
    frame, clause = page.result.three_in_one, None if own is None else own.three_in_one
    if frame is None or frame.empty or clause is None:
        return ""
    counts = frame["verdict"].value_counts()
    told = page.semicolon.join(f"{page.text(text)} {counts[key]}" for key, text in VERDICT_TEXT.items()
                               if key in counts)
    headings = page.headings("变电站|Substation", "#电压（千伏）|kV", "判定|Verdict", "#可用容量（MVA）|Headroom (MVA)",
                             "#场地余量（平方米）|Room (m²)", "#所需场地（平方米）|Needed (m²)",
                             "电源独立性|Independence", "!可信度|Certainty")
    rows = []
    for r in frame.drop(columns="geometry").head(N_THREE_IN_ONE).to_dict("records"):
        name = r["substation_id"] if pd.isna(r["name"]) else r["name"]
        rows.append([escape(str(name)), _number(r["voltage_kv"], 0), page.text(VERDICT_TEXT[str(r["verdict"])]),
                     _number(r["headroom_mva"], 1), _number(r["room_m2"], 0), _number(r["required_area_m2"], 0),
                     page.text(INDEPENDENCE_TEXT[str(r["independence"])]),
                     page.word(CERTAINTY_WORDS, r["certainty"])])
    caption = page.say("“变电站+储能站+数据中心”三站合一备选变电站（最合适者在前）",
                       "Substations for substation + storage + data centre (the fittest first)")
    return (page.table(caption + page.cite(clause), headings, rows, kind="wide")
            + f"<p>{page.say('汇总：', 'In all: ')}{told}</p>")


def _uncovered(page: Page, plan: EdgePlan) -> str:
    left = plan.demand[~plan.demand["covered"].astype(bool)]
    if left.empty:
        return page.paragraph("全部需求点均被覆盖。", "Every demand point is covered.")
    left = left.sort_values(["demand", "demand_id"], ascending=[False, True], kind="stable").head(20)
    names = page.comma.join(str(row["name"] or row["demand_id"]) + page.bracketed(f"{row['demand']:g}")
                            for row in left.fillna({"name": ""}).to_dict("records"))
    return page.paragraph(f"未覆盖的需求点（需求量大者在前，至多 20 个）：{names}",
                          f"Demand not covered (largest first, at most 20): {names}")
