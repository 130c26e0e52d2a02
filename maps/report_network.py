"""The report's chapter on the computing network: which work goes to which hub, over which links, by which clause."""

from __future__ import annotations

from collections.abc import Mapping
from html import escape
from typing import Any

import geopandas as gpd
import numpy as np
import pandas as pd
import shapely

from gis.bilingual import Text
from maps.report_figures import BLUE, GREEN, GREY, ORANGE, MapSheet, swatch
from maps.report_page import Page, facts
from siting.compute_network import WGS84
from siting.network_settings import ComputeHub, NetworkSettings, WorkloadClass, WorkOrigin
from siting.network_words import HUB_KIND_WORDS, LINK_VERDICT_WORDS, MOST_NAMED, PREFERENCE_WORDS, listed
from siting.types import NetworkPlan
from siting.wording import CERTAINTY_WORDS

MOST_ROWS = 30
"""Rows of a table of links or verdicts, and links of the figure; above it, those of the hubs chosen alone."""
MOST_LABELLED = 12
"""Links of the figure that have their delay written beside them; more would hide one another."""
_SHEET_MARGIN = 0.06
"""Room around the places of the figure, as a share of its size: for their names."""


def network(page: Page) -> str:
    """Return the chapter; nothing where the pack shares no work out."""
    plan, settings = page.result.network_plan, page.result.pack.network
    if plan is None or settings is None:
        return ""
    return page.section("算力网络：业务去向", "Computing network: which work goes where",
                        _statement(page, plan, settings), _destinations(page, plan, settings),
                        _figure(page, plan, settings), _links(page, plan, settings), _verdicts(page, plan, settings),
                        _reading(page))


def _statement(page: Page, plan: NetworkPlan, settings: NetworkSettings) -> str:
    low, usual, high = settings.route_factors
    chosen = plan.assignments[plan.assignments["is_chosen"]]
    n_stays = int((chosen["verdict"] == "stays").sum())
    hops = page.say(f"，每条链路另计 {settings.n_hops} 跳", f", and {settings.n_hops} hops on each link") \
        if settings.n_hops else page.say("，未计设备与接入", "; equipment and access are not counted")
    pairs = [
        (page.say("需求地 / 业务类别 / 枢纽", "Origins / kinds of work / hubs"),
         f"{len(settings.origins)} / {len(settings.workloads)} / {len(settings.hubs)}"),
        (page.say("有去向 / 留在本地（需求地×业务）", "Find a hub / stay (origin x kind)"),
         f"{len(chosen) - n_stays} / {n_stays}"),
        (page.say("路由系数：良好 / 通常 / 较差", "Route factor: good / usual / poor"),
         f"{low:g} / {usual:g} / {high:g}" + hops + page.cite(None, assumed="route_factors" in settings.assumed)),
        (page.say("依据", "Clause"), page.cite(settings.citation)),
    ]
    return facts(pairs)


def _destinations(page: Page, plan: NetworkPlan, settings: NetworkSettings) -> str:
    """Tell of each kind of work where it goes, origins with the same answer together."""
    headings = page.headings("业务|Work", "#限值（毫秒）|Limit (ms)", "需求地|From", "去向|To", "理由|Why")
    origins, hubs = {o.origin_id: o.title for o in settings.origins}, {h.hub_id: h for h in settings.hubs}
    chosen = plan.assignments[plan.assignments["is_chosen"]]
    rows = []
    for work in settings.workloads:
        own = chosen[chosen["workload_id"] == work.workload_id]
        for place, (hub_id, group) in enumerate(own.groupby("hub_id", sort=False)):
            named = page.text(listed((origins[key] for key in group["origin_id"]), MOST_NAMED))
            goes = page.text(hubs[str(hub_id)].title) if hub_id else page.word(LINK_VERDICT_WORDS, "stays")
            title = page.text(work.title) if place else _work(page, work)
            rows.append([title, _limit(work), named, f"<b>{goes}</b>",
                         _why(page, group, work, hubs.get(str(hub_id)))])
    caption = page.say("各类业务的去向", "Where each kind of work goes")
    return page.table(caption, headings, rows, kind="wide")


def _work(page: Page, work: WorkloadClass) -> str:
    named = page.text(work.title) + page.cite(work.citation, assumed=work.assumed)
    told = [page.text(work.examples)] if work.examples else []
    if work.preference:
        told.append(page.say("比较次序：", "compared: ") + page.comma.join(page.text(PREFERENCE_WORDS[p])
                                                                     for p in work.preference))
    return named + "".join(f"<br><small>{line}</small>" for line in told)


def _limit(work: WorkloadClass) -> str:
    return "–" if work.max_latency_ms is None else f"{work.max_latency_ms:g}"


def _why(page: Page, group: pd.DataFrame, work: WorkloadClass, hub: ComputeHub | None) -> str:
    """Give the reason of one origin; of several, the range of their delays."""
    mark = page.cite(work.citation) if hub is None else page.cite(hub.clause, assumed="workloads" in hub.assumed)
    if len(group) == 1 or hub is None:
        return escape(str(group["reasons_zh" if page.language == "zh" else "reasons_en"].iloc[0])) + mark
    least, most = float(group["latency_ms"].min()), float(group["latency_ms"].max())
    return page.say(f"通常路由 {least:.1f}–{most:.1f} 毫秒", f"{least:.1f} to {most:.1f} ms on a usual route") + mark


def _figure(page: Page, plan: NetworkPlan, settings: NetworkSettings) -> str:
    """Draw places and links on a plane around their middle; no coast and no border, which need a map approval."""
    if plan.links.empty:
        return ""
    caption = page.say("算力网络链路（大地线；等积方位投影示意）",
                       "Links of the computing network (geodesics, equal-area azimuthal projection)")
    nouns: tuple[WorkOrigin | ComputeHub, ...] = (*settings.origins, *settings.hubs)
    lon, lat = np.array([n.lon for n in nouns]), np.array([n.lat for n in nouns])
    crs = f"+proj=laea +lat_0={(lat.min() + lat.max()) / 2:.6f} +lon_0={(lon.min() + lon.max()) / 2:.6f} +ellps=WGS84"
    places, lines = gpd.GeoSeries.from_xy(lon, lat, crs=WGS84).to_crs(crs), plan.links.geometry.to_crs(crs)
    area = shapely.box(*lines.total_bounds).union(shapely.box(*places.total_bounds)).envelope
    sheet = MapSheet(area.buffer(_SHEET_MARGIN * max(np.ptp(places.x), np.ptp(places.y))), caption)
    legend = _draw_links(page, sheet, plan, lines)
    for noun, position in zip(nouns, sheet.points(places), strict=True):
        shape, colour = ("square", GREEN) if isinstance(noun, ComputeHub) else ("circle", ORANGE)
        sheet.mark(position, shape, 7.0, f'fill="{colour}" stroke="#fff" stroke-width="1.5"')
        sheet.label((position[0], position[1] - 16.0), noun.title.to(page.language), weight="bold")
    return page.figure(caption, sheet.render(page.language), "".join((
        swatch(ORANGE, page.say("需求地", "origin of work"), "circle"),
        swatch(GREEN, page.say("枢纽", "hub"), "square"), legend)))


def _draw_links(page: Page, sheet: MapSheet, plan: NetworkPlan, lines: gpd.GeoSeries) -> str:
    """Draw the links, of many those chosen alone, and return the legend of what was drawn."""
    is_assigned, may_take = plan.links["workloads_assigned"] != "", plan.links["workloads"] != ""
    legend = ""
    for title, drawn_so, shape, colour, width in (
            (page.say("不可承接", "may take none"), ~may_take, "line", GREY, 1.2),
            (page.say("可承接，未选定", "may take work, not chosen"), may_take & ~is_assigned, "dashed", BLUE, 1.6),
            (page.say("选定承接业务", "work assigned"), is_assigned, "line", BLUE, 3.0)):
        if not drawn_so.any() or (len(lines) > MOST_ROWS and drawn_so is not is_assigned):
            continue
        dash = ' stroke-dasharray="6 4"' if shape == "dashed" else ""
        sheet.shapes(lines[drawn_so], f'fill="none" stroke="{colour}" stroke-width="{width:g}"{dash}')
        legend = swatch(colour, title, shape) + legend
    if len(lines) <= MOST_LABELLED:
        middles = sheet.points(lines.interpolate(0.5, normalized=True))
        for position, delay_ms in zip(middles, plan.links["latency_ms"], strict=True):
            sheet.label((position[0], position[1] - 10.0), page.say(f"{delay_ms:.1f} 毫秒", f"{delay_ms:.1f} ms"))
    return legend


def _links(page: Page, plan: NetworkPlan, settings: NetworkSettings) -> str:
    frame = plan.links.drop(columns="geometry")
    is_cut = len(frame) > MOST_ROWS
    if is_cut:
        frame = frame[frame["workloads_assigned"] != ""]
    headings = page.headings("链路|Link", "枢纽类型|Kind of hub", "#距离（公里）|Distance (km)",
                             "#良好路由（毫秒）|Good route (ms)", "#通常路由（毫秒）|Usual route (ms)",
                             "#较差路由（毫秒）|Poor route (ms)", "可承接业务|May take",
                             "#可再生能源等级|Renewable level", "依据|Clause", "!可信度|Certainty")
    origins, hubs = {o.origin_id: o for o in settings.origins}, {h.hub_id: h for h in settings.hubs}
    works = {w.workload_id: w.title for w in settings.workloads}
    rows = [_link_row(page, r, origins[str(r["origin_id"])].title, hubs[str(r["hub_id"])], works, settings)
            for r in frame.to_dict("records")]
    caption = page.say("链路的距离与单向时延（± 为两端位置误差之和）",
                       "Links: distance and one-way delay (±: position errors of both ends together)")
    if is_cut:
        caption += page.bracketed(page.say(f"共 {len(plan.links)} 条，仅列选定者，其余见图层",
                                           f"those chosen of {len(plan.links)}; the layer holds all"))
    return page.table(caption, headings, rows, kind="wide")


def _link_row(page: Page, row: dict[Any, Any], origin: Text, hub: ComputeHub, works: Mapping[str, Text],
              settings: NetworkSettings) -> list[str]:
    region = next((r for r in settings.regions if r.region_id == hub.region_id), None)
    kind = page.word(HUB_KIND_WORDS, hub.kind)
    if region is not None:
        kind += f"<br><small>{page.text(region.title)}{page.cite(region.citation)}</small>"
    elif settings.regions:
        kind += f"<br><small>{page.say('不属于任何国家枢纽区域', 'in no hub region')}</small>"
    taken = page.comma.join(page.text(works[key]) for key in str(row["workloads"]).split()) or "–"
    for key in str(row["workloads_low"]).split():
        taken += f"<br><small>{page.text(works[key])}{page.say('：仅良好路由', ': on a good route alone')}</small>"
    level = "–" if hub.renewable_level is None else str(hub.renewable_level)
    clauses = page.cite(hub.citation) + (page.cite(hub.workloads_citation) if hub.workloads_citation else "")
    return [page.text(origin) + " → " + page.text(hub.title), kind,
            f"{row['distance_km']:,.0f} ± {row['distance_error_km']:,.0f}",
            *(f"{row[column]:.1f}" for column in ("latency_low_ms", "latency_ms", "latency_high_ms")),
            taken + page.cite(None, assumed="workloads" in hub.assumed),
            level + page.cite(None, assumed="renewable_level" in hub.assumed), clauses,
            page.word(CERTAINTY_WORDS, row["certainty"])]


def _verdicts(page: Page, plan: NetworkPlan, settings: NetworkSettings) -> str:
    """Tell of every kind of work at every hub what policy and delay say."""
    frame = plan.assignments[plan.assignments["hub_id"] != ""]
    if len(frame) > MOST_ROWS:
        return page.paragraph(f"逐项结论共 {len(frame)} 行，见 network_assignments.csv。",
                              f"The verdicts on every origin, kind of work and hub ({len(frame)} rows) are in "
                              "network_assignments.csv.")
    headings = page.headings("业务|Work", "需求地|From", "枢纽|Hub", "!结论|Verdict", "理由|Why")
    origins, hubs = {o.origin_id: o.title for o in settings.origins}, {h.hub_id: h for h in settings.hubs}
    works = {w.workload_id: w for w in settings.workloads}
    rows = []
    for r in frame.to_dict("records"):
        hub, work = hubs[str(r["hub_id"])], works[str(r["workload_id"])]
        verdict = page.word(LINK_VERDICT_WORDS, r["verdict"])
        rows.append([page.text(work.title), page.text(origins[str(r["origin_id"])]), page.text(hub.title),
                     f"<b>{verdict}</b>" if r["is_chosen"] else verdict,
                     escape(str(r["reasons_zh" if page.language == "zh" else "reasons_en"])) + page.cite(work.citation)
                     + page.cite(hub.clause, assumed="workloads" in hub.assumed)])
    caption = page.say("每类业务在每个枢纽的结论（粗体为选定）", "Every kind of work at every hub (bold: chosen)")
    return page.table(caption, headings, rows, kind="wide")


def _reading(page: Page) -> str:
    return page.paragraph(
        "枢纽可以承接某类业务，须同时满足两条：其条文列出该类业务；通常路由的单向时延不超过该类业务的限值。有多个枢纽时，"
        "按各类业务所列的比较次序选定。时延结论不考虑带宽、费用与数据安全要求。",
        "A hub may take work where its clause lists the work and the one-way delay on a usual route keeps the limit. "
        "Of several, what is compared for the work decides, in its order. Bandwidth, cost and data security are not "
        "considered.")
