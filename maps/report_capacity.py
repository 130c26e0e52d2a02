"""The report's part on capacity: which reading of the target, what goes where, and what stands in the way."""

from __future__ import annotations

from html import escape

import numpy as np
import pandas as pd

from maps.report_basis import source_line
from maps.report_charts import bar_chart
from maps.report_edge import SOLVER_WORDS
from maps.report_figures import BLACK, BLUE, ORANGE, PALE, study_sheet, swatch
from maps.report_page import Page, facts, hectares, items, score_text, whole
from siting.tables import unit_titles
from siting.types import CapacityPlan
from siting.wording import CERTAINTY_WORDS, PERMISSION_WORDS

N_SITES = 40
"""Campuses listed for each reading; the layer holds all."""

N_SUBSTATIONS = 20


def capacity(page: Page) -> str:
    """Return the capacity layout of every reading of the target."""
    plans = page.result.capacity_plans
    if not plans:
        return ""
    parts = []
    for plan in plans:
        parts += [f"<h3>{page.text(plan.reading.title)}</h3>", _statement(page, plan), _shares(page, plan)]
        # Readings of one quantity have one layout: it is drawn and listed once.
        if plan.sites.equals(plans[0].sites) and plan is not plans[0]:
            parts.append(page.paragraph("园区、分区与变电站负荷同上。", "Campuses, zones and substations as above."))
            continue
        parts += [_figure(page, plan), _sites(page, plan), _substations(page, plan), _bottlenecks(page, plan),
                  items(page.text(fact) for fact in plan.facts)]
    return page.section("容量布局", "Capacity layout", *parts)


def _statement(page: Page, plan: CapacityPlan) -> str:
    reading = plan.reading
    wanted = f"{reading.rack_count:,.0f} × {reading.rack_kw:g} kW = {plan.target_mw:,.1f} MW"
    share = f"{plan.it_load_mw / plan.target_mw:.1%}" if plan.target_mw else "–"
    settings = page.result.pack.capacity
    rows = [
        (page.say("目标", "Target"), escape(wanted) + page.cite(reading.citation)),
        (page.say("布局 IT 负荷", "IT load laid out"),
         escape(f"{plan.it_load_mw:,.1f} MW") + page.bracketed(escape(share)) + page.say(
             f"，{len(plan.sites)} 个园区", f", {len(plan.sites)} campuses")),
        (page.say("未能安排", "No place found for"), escape(f"{plan.shortfall_mw:,.1f} MW")),
        (page.say("设施负荷 / 视在功率", "Site load / apparent power"),
         escape(f"{plan.facility_load_mw:,.1f} MW / {plan.load_mva:,.1f} MVA")),
        (page.say(f"年用电量（利用率 {reading.use_rate:.0%}）", f"Energy a year ({reading.use_rate:.0%} in use)"),
         escape(f"{plan.energy_gwh:,.0f} GWh")),
        (page.say("其中须为可再生能源", "Of which renewable"), escape(f"{plan.renewable_gwh:,.0f} GWh")),
        (page.say("年用水量", "Water a year"), escape(f"{plan.water_m3 / 1e4:,.0f} ") + page.say("万立方米", "× 10⁴ m³")
         + page.cite(settings.citation if settings else None, assumed=True)),
        (page.say("求解状态", "Solver"), page.word(SOLVER_WORDS, plan.solver_status.lower()) + page.say(
            f"，与上界的间隙 {plan.optimality_gap:.3%}", f", gap to the bound {plan.optimality_gap:.3%}")),
    ]
    return facts(rows)


def _shares(page: Page, plan: CapacityPlan) -> str:
    titles = unit_titles(page.result, page.language)
    frame = plan.by_unit[(plan.by_unit["rack_count"] > 0) | plan.by_unit["known_share"].notna()]
    frame = frame.sort_values("share", ascending=False, kind="stable")
    if frame.empty:
        return ""
    rows = [(titles.get(str(r["unit_id"]), str(r["unit_id"])), float(r["share"]),
             None if pd.isna(r["known_share"]) else float(r["known_share"])) for r in frame.to_dict("records")]
    caption = page.say("各单元 IT 负荷占比", "Shares of IT load by unit")
    legend = swatch(BLUE, page.say("本布局", "this layout"))
    citation = ""
    settings = page.result.pack.capacity
    if settings and settings.known_shares:
        legend += swatch(ORANGE, page.say("规划公布的现状设计机架占比", "design racks today, as the plan states"))
        citation = page.cite(settings.known_shares[0].citation)
    return page.figure(caption + citation, bar_chart(caption, rows, (BLUE, ORANGE)), legend)


def _figure(page: Page, plan: CapacityPlan) -> str:
    caption = page.say("容量布局：园区与供电变电站", "Capacity layout: campuses and their substations")
    sheet = study_sheet(page.result.city_layers, caption)
    sheet.shapes(page.result.units.geometry, f'fill="{PALE}" stroke="#999" stroke-width="1"')
    sheet.shapes(plan.feeds.geometry, f'fill="none" stroke="{BLACK}" stroke-width="1" stroke-opacity="0.6"')
    stations = page.result.city_layers.frame("substations")
    used = stations[stations["substation_id"].astype(str).isin(plan.feeds["substation_id"])]
    for position in sheet.points(used.geometry):
        sheet.mark(position, "square", 4.0, f'fill="{BLACK}" stroke="#fff" stroke-width="1"')
    radius = np.sqrt(plan.sites["it_load_mw"].to_numpy(dtype=np.float64)) * 2.2
    for position, size in zip(sheet.points(plan.sites.geometry), radius, strict=True):
        sheet.mark(position, "circle", float(size),
                   f'fill="{BLUE}" fill-opacity="0.75" stroke="#fff" stroke-width="1"')
    legend = "".join((
        swatch(BLUE, page.say("园区（面积与 IT 负荷成正比）", "campus (its area follows the IT load)"), "circle"),
        swatch(BLACK, page.say("供电变电站", "substation"), "square"),
        swatch(BLACK, page.say("供电关系（示意直线）", "feed (straight line, no route)"), "line")))
    return page.figure(caption + source_line(page, "substations", "districts"), sheet.render(page.language), legend)


def _sites(page: Page, plan: CapacityPlan) -> str:
    titles = unit_titles(page.result, page.language)
    has_years = plan.sites["year"].notna().any()
    headings = page.headings("!编号|Key", "!地块|Parcel", "政策单元|Unit", "!政策|Policy", "#面积（公顷）|Area (ha)",
                             "#机架（架）|Racks", "#IT 负荷（MW）|IT load (MW)", "#视在功率（MVA）|MVA",
                             "#变电站（座）|Substations", "#接入（公里）|Connections (km)", "#得分|Score",
                             *(["#年份|Year"] if has_years else []), "!可信度|Certainty")
    rows = []
    for r in plan.sites.head(N_SITES).drop(columns="geometry").to_dict("records"):
        said = page.word(PERMISSION_WORDS, r["permission"])
        verdict = f'<span class="verdict {escape(str(r["permission"]))}">{said}</span>' if said else "–"
        rows.append([escape(str(r["capacity_site_id"])), escape(str(r["parcel_id"])),
                     escape(titles.get(str(r["unit_id"]), str(r["unit_id"]))), verdict, hectares(r["area_m2"]),
                     whole(r["rack_count"]), f"{r['it_load_mw']:,.1f}", f"{r['load_mva']:,.1f}",
                     whole(r["n_substations"]), f"{r['connection_km']:,.1f}", score_text(r["score"]),
                     *([str(r["year"])] if has_years else []), page.word(CERTAINTY_WORDS, r["certainty"])])
    more = len(plan.sites) - len(rows)
    caption = page.say("园区（得分高者在前）", "Campuses (best score first)") + (
        page.say(f"，另有 {more} 个见图层", f"; {more} more in the layer") if more > 0 else "")
    return page.table(caption, headings, rows, kind="wide")


def _substations(page: Page, plan: CapacityPlan) -> str:
    headings = page.headings("变电站|Substation", "#电压（千伏）|kV", "#可用容量（MVA）|Headroom (MVA)",
                             "#占用（MVA）|Taken (MVA)", "#占用率|Share")
    rows = []
    for r in plan.by_substation.head(N_SUBSTATIONS).to_dict("records"):
        name = r["substation_id"] if pd.isna(r["name"]) else r["name"]
        mark = f'<span class="assumed">{page.say("假定", "assumed")}</span>' if r["headroom_assumed"] else ""
        share = r["load_mva"] / r["headroom_mva"] if r["headroom_mva"] > 0 else 0.0
        rows.append([escape(str(name)), f"{r['voltage_kv']:g}", f"{r['headroom_mva']:,.1f}{mark}",
                     f"{r['load_mva']:,.1f}", f"{share:.0%}"])
    caption = page.say("变电站占用容量（大者在前；任一座停运时其余仍可带全部负荷，故两侧均全额计入）",
                       "Load by substation (largest first; counted whole at each, so that any one may be lost)")
    return page.table(caption, headings, rows)


def _bottlenecks(page: Page, plan: CapacityPlan) -> str:
    headings = page.headings("若放开该约束|Without this constraint", "#可多布局（MW）|More load (MW)",
                             "#平均得分变化|Change of mean score")
    rows = [[page.text(b.title), f"{max(b.it_load_mw, 0.0):,.1f}", f"{b.score:+.4f}"] for b in plan.bottlenecks]
    table = page.table(page.say("起约束作用的因素", "What binds"), headings, rows)
    scarce = [(key, gain) for key, _, gain in plan.substation_prices if gain > 0][:8]
    if not scarce:
        return table
    listed = page.comma.join(f"{key}{'（' if page.language == 'zh' else ' ('}+{gain:.2f} MW"
                             f"{'）' if page.language == 'zh' else ')'}" for key, gain in scarce)
    return table + page.paragraph(f"最值得扩容的变电站（每增加 1 MVA 约可多布局，限于小幅变化）：{listed}",
                                  f"Substations worth extending first (per MVA added, for small changes): {listed}")
