"""What is eligible and why not, and the best sites of every class with their explanations."""

from __future__ import annotations

from html import escape

import numpy as np
from numpy.typing import NDArray

from gis.bilingual import Text
from maps.report_basis import source_line
from maps.report_figures import BLUE, GREY, MOST_SHAPES, ORANGE, PALE, MapSheet, study_sheet, swatch
from maps.report_page import Page, items, score_text, whole
from maps.report_raster import Drawn, paint_parcels, pixel_size_m
from maps.styles import SCORE_RAMP, score_breaks
from siting.broken_rules import CATEGORICAL_TESTS, required_of
from siting.explanation import CriterionLine, Explanation, ReasonLine, explain_rows
from siting.explanation_text import reason_text
from siting.pack import ExclusionRule
from siting.power_words import explain_feeds
from siting.site_power import feeds_of
from siting.tables import strengths, summary_by_rule, summary_by_zone, top_rows, weakness
from siting.types import SiteScores
from siting.wording import CERTAINTY_WORDS, LAND_USE_WORDS, PERMISSION_WORDS

N_EXPLAINED = 5
"""Sites per class that get a block of their own."""

_DEMANDS = {"overlap": "≤", "raster_above": "≤", "slope_above": "≤", "setback": "≥", "corridor": "≥", "min_area": "≥"}


def eligibility(page: Page) -> str:
    """Return, per class, how many candidates each rule excludes, and how the units fare."""
    parts = []
    for scores in page.result.scores:
        title = page.text(scores.site_class.title)
        census = page.result.census_for(scores.site_class.class_id)
        n, kept = census.n_candidates, census.n_eligible
        parts += [f"<h3>{title}</h3>",
                  page.paragraph(f"{n:,} 个候选{{one}}中 {kept:,} 个合格，{n - kept:,} 个被排除。"
                                 "同一{one}可违反多条规则。",
                                 f"{kept:,} of {n:,} candidates are eligible, {n - kept:,} are excluded. A {{one}} may "
                                 "break several rules."),
                  _rules_table(page, scores, title), _units_table(page, scores, title)]
    return page.section("合格性", "Eligibility", *parts)


def _rules_table(page: Page, scores: SiteScores, title: str) -> str:
    headings = page.headings("规则|Rule", "!性质|Effect", "#限值|Limit", "#已检验|Tested", "#违反|Broken",
                             "#违反面积（{area_unit}）|Area ({area_unit})", "#唯一原因|Sole reason", "依据|Clause")
    counts = summary_by_rule(page.result, scores.site_class.class_id)
    rows = []
    for rule, count in zip(scores.exclusions.rules, counts.to_dict("records"), strict=True):
        tested = f"{count['n_tested']:,}" if count["n_tested"] else page.say("未检验", "not tested")
        note = f"<br><small>{page.text(rule.note)}</small>" if rule.note else ""
        rows.append([f"{page.text(rule.title)} <code>{escape(rule.rule_id)}</code>{note}", _effect(page, rule),
                     _limit(page, rule), tested, f"{count['n_broken']:,}", page.area(count["area_m2"]),
                     f"{count['n_only']:,}", page.cite(rule.citation, assumed=rule.assumed)])
    return page.table(title + page.say("：逐条规则的检验结果", ": result by rule"), headings, rows, kind="wide")


def _effect(page: Page, rule: ExclusionRule) -> str:
    measure = dict(page.result.study.mitigations).get(rule.rule_id)
    if rule.strictness == "shall" and measure is not None:
        return page.say("强制，已缓解为扣分：", "binding, mitigated: ") + escape(measure)
    return page.say("强制", "binding") if rule.strictness == "shall" else page.say("建议（扣分）", "advised (penalty)")


def _limit(page: Page, rule: ExclusionRule) -> str:
    if rule.test in CATEGORICAL_TESTS:
        return "–"
    return f"{_DEMANDS.get(rule.test, '')} {page.amount(required_of(rule), rule.unit)}"


def _units_table(page: Page, scores: SiteScores, title: str) -> str:
    headings = page.headings("分区|Zone", "政策单元|Unit", "!许可|Policy", "#候选|Candidates", "#合格|Eligible",
                             "#合格面积（{area_unit}）|Eligible ({area_unit})",
                             "主要排除原因|Main reasons of exclusion",
                             "#最高得分|Best score", "!最佳{one}|Best {one}")
    names = {r.rule_id: page.text(r.title) for r in scores.exclusions.rules}
    rows = []
    table = summary_by_zone(page.result, scores.site_class.class_id, language=page.language)
    for row in table.to_dict("records"):
        outside = page.say("规划分区之外", "outside the plan")
        reasons = [part.rpartition(": ") for part in row["excluded_by"].split("; ") if part][:3]
        rows.append([escape(str(row["zone"])) or outside, escape(str(row["unit"])) or "–",
                     page.word(PERMISSION_WORDS, row["permission"]) if isinstance(row["permission"], str) else "–",
                     f"{row['n_candidates']:,}", f"{row['n_eligible']:,}", page.area(row["eligible_area_m2"]),
                     page.semicolon.join(f"{names.get(key, '')} {count}" for key, _, count in reasons) or "–",
                     score_text(None if np.isnan(row["best_score"]) else row["best_score"]),
                     escape(row["best_parcel_id"]) or "–"])
    return page.table(title + page.say("：各政策单元的结果", ": result by unit"), headings, rows, kind="wide")


def top_sites(page: Page) -> str:
    """Return the best sites of each class: a map, a table, and an explanation of the first few."""
    parts = []
    drawn: Drawn | None = None
    for scores in page.result.scores:
        title = page.text(scores.site_class.title)
        rows = top_rows(page.result, scores.site_class.class_id)
        parts.append(f"<h3>{title}</h3>")
        if not len(rows):
            parts.append(page.paragraph("没有合格{one}。", "No {one} is eligible."))
            continue
        figure, drawn = _sites_figure(page, scores, title, drawn)
        parts += [figure, _sites_table(page, scores, title)]
        told = explain_rows(page.result, scores.site_class.class_id, rows[:N_EXPLAINED])
        power = feeds_of(page.result, scores.site_class, rows[:N_EXPLAINED])
        parts += [_block(page, e, None if power is None else explain_feeds(power[0], i, power[1]))
                  for i, e in enumerate(told)]
    return page.section("推荐{one}", "Top {many}", *parts)


def _sites_figure(page: Page, scores: SiteScores, title: str, drawn: Drawn | None) -> tuple[str, Drawn | None]:
    """Return the map of a class, and what was drawn where, for the next class."""
    result = page.result
    caption = title + page.say("：合格{one}与推荐{one}", ": eligible and top {many}")
    shapes, kept = np.asarray(result.candidates.geometry.array, dtype=object), scores.rank > 0
    # Plots are too many and too small for shades; districts fill the sheet.
    is_wide = result.study.candidates == "districts"
    sheet = study_sheet(result.city_layers, caption)
    sheet.shapes(result.units.geometry, f'fill="{PALE}" stroke="#999" stroke-width="1"')
    if len(shapes) > MOST_SHAPES:
        drawn = paint_parcels(sheet, shapes, kept, (GREY, BLUE), drawn)
        size = f"{pixel_size_m(sheet):.0f}"
        caption += page.say(f"（{{one}}过多：以约 {size} 米的像元绘出，过小的合格{{one}}占其中心所在的像元）",
                            f" (many {{many}}: drawn in pixels of about {size} m; eligible ones too small for it "
                            "take the pixel of their middle)")
    else:
        sheet.shapes(shapes[~kept], f'fill="{GREY}"')
        if not is_wide:
            sheet.shapes(shapes[kept], f'fill="{BLUE}"')
    eligible = swatch(BLUE, page.say("合格", "eligible"))
    if is_wide:
        eligible = _by_score(sheet, scores, shapes)
        sheet.shapes(result.units.geometry, 'fill="none" stroke="#333" stroke-width="1.2"')
    rows = top_rows(result, scores.site_class.class_id)
    sheet.numbered(sheet.points(shapes[rows]), [str(scores.rank[i]) for i in rows], ORANGE)
    names = result.units["name_zh" if page.language == "zh" else "name_en"]
    for position, name in zip(sheet.points(result.units.geometry), names, strict=True):
        sheet.label(position, str(name))
    legend = (eligible + swatch(GREY, page.say("被排除", "excluded"))
              + swatch(ORANGE, page.say("推荐{one}及其名次", "top {one} and rank"), "circle"))
    caption += _held(page, scores) + source_line(page, "parcels", "districts", "zones")
    return page.figure(caption, sheet.render(page.language), legend), drawn


def _by_score(sheet: MapSheet, scores: SiteScores, shapes: NDArray[np.object_]) -> str:
    """Paint the eligible candidates in the shades of the map; return their legend."""
    kept = scores.rank > 0
    low, high = (float(np.quantile(scores.score[kept], share)) for share in (0.05, 0.95))
    breaks = score_breaks(low, high)
    shade = np.searchsorted(breaks, scores.score, side="right")
    places = max(2, *(len(f"{b:g}".partition(".")[2]) for b in breaks))
    legend = []
    for number, colour in enumerate(SCORE_RAMP):
        sheet.shapes(shapes[kept & (shade == number)], f'fill="{colour}" stroke="#777" stroke-width=".4"')
        above = f"≥ {breaks[number - 1]:.{places}f}" if number else f"< {breaks[0]:.{places}f}"
        legend.append(swatch(colour, escape(above)))
    return "".join(reversed(legend))


def _held(page: Page, scores: SiteScores) -> str:
    """Say how many candidates a map shows, where it cannot show all."""
    held, counted = len(scores.score), page.result.census_for(scores.site_class.class_id).n_candidates
    if held == counted:
        return ""
    return page.say(f"（图中为保留明细的 {held:,} 个候选{{one}}，共 {counted:,} 个）",
                    f" (showing the {held:,} candidates kept in detail, of {counted:,})")


def _sites_table(page: Page, scores: SiteScores, title: str) -> str:
    headings = page.headings("#名次|Rank", "!{one}|{One}", "政策单元 / 分区|Unit / zone", "!许可|Policy", "!用地|Use",
                             "#面积（{area_unit}）|Area ({area_unit})", "#得分|Score", "#数据覆盖|Coverage",
                             "得分最多的准则|Earns most by", "失分最多|Loses most by")
    zones = {z.zone_id: page.text(z.title) for z in page.result.pack.zones}
    names = "name_zh" if page.language == "zh" else "name_en"
    units = dict(zip(page.result.units["unit_id"], page.result.units[names], strict=True))
    rows = []
    for i in top_rows(page.result, scores.site_class.class_id):
        parcel, permission = page.result.candidates.iloc[i], scores.permissions[i]
        policy = "–" if permission is None else (page.word(PERMISSION_WORDS, permission.permission)
                                                 + page.cite(permission.citation, assumed=permission.assumed))
        rows.append([whole(scores.rank[i]), escape(str(parcel["parcel_id"])),
                     f"{escape(str(units.get(parcel['unit_id'], parcel['district'])))}<br>"
                     f"<small>{zones.get(parcel['zone_id'], page.say('规划分区之外', 'outside the plan'))}</small>",
                     policy, page.word(LAND_USE_WORDS, parcel["land_use"]), page.area(float(parcel["area_m2"])),
                     score_text(float(scores.score[i])), page.amount(float(scores.data_coverage[i]), "share"),
                     escape(strengths(scores, i, page.language)), escape(weakness(scores, i, page.language))])
    return page.table(title + page.say("：推荐{one}", ": top {many}"), headings, rows, kind="wide")


def _block(page: Page, explained: Explanation, power: Text | None) -> str:
    """Return one site's explanation: verdict, bars of its criteria, penalties, and the clauses word by word."""
    condition = page.bracketed(page.text(explained.condition)) if explained.condition else ""
    outside = page.say("规划分区之外", "outside the plan")
    place = " · ".join(part for part in (
        page.text(explained.unit), page.text(explained.zone) or outside, page.amount(explained.area_m2, "m2"),
        page.word(LAND_USE_WORDS, explained.land_use), page.word(CERTAINTY_WORDS, explained.certainty)) if part)
    most = max((_most_points(c, explained) for c in explained.criteria), default=0.0)
    measured = sorted((c for c in explained.criteria if c.raw is not None), key=lambda c: -c.contribution)
    bars = "".join(_bar_row(page, c, explained, most) for c in measured)
    heads = "".join(f'<th class="{align}">{title}</th>' for title, align in page.headings(
        "!准则|Criterion", "#实测|Measured", "得分 / 满分|Points / most", "#得分|Points", "#满分|Most"))
    return (f'<div class="site"><h4><span class="rank">{explained.rank}</span> {escape(explained.parcel_id)}'
            f'<span class="score">{score_text(explained.score)}</span></h4><p class="place">{place}</p>'
            f'<table class="bars"><thead><tr>{heads}</tr></thead><tbody>{bars}</tbody></table>'
            f"<p><b>{page.say('政策：', 'Policy: ')}</b>{page.word(PERMISSION_WORDS, explained.permission) or outside}"
            f"{condition} {_quote(page, explained)}</p>{_power(page, power)}"
            f"{_penalties(page, explained.penalties)}{_unknown(page, explained)}</div>")


def _power(page: Page, power: Text | None) -> str:
    if power is None:
        return ""
    title = page.say("供电（按该类参考规模，单独接入）：", "Power (reference project, alone): ")
    return f"<p><b>{title}</b>{page.text(power)}</p>"


def _most_points(line: CriterionLine, explained: Explanation) -> float:
    is_measured = line.raw is not None and explained.data_coverage > 0
    return line.weight / explained.data_coverage if is_measured else 0.0


def _bar_row(page: Page, line: CriterionLine, explained: Explanation, most: float) -> str:
    points = _most_points(line, explained)
    width, filled = (200 * value / most if most > 0 else 0.0 for value in (points, line.contribution))
    bar = (f'<svg class="bar" viewBox="0 0 202 12" width="202" height="12"><rect x="1" y="1" width="{width:.1f}" '
           f'height="10" fill="#e4e4e4" stroke="#888" stroke-width=".6"/><rect x="1" y="1" width="{filled:.1f}" '
           f'height="10" fill="{BLUE}"/></svg>')
    return (f'<tr><td>{page.text(line.title)} {page.cite(line.citation, assumed=line.assumed)}</td>'
            f'<td class="number">{page.amount(line.raw, line.unit)}</td><td>{bar}</td>'
            f'<td class="number">{line.contribution:.4f}</td><td class="number">{points:.4f}</td></tr>')


def _quote(page: Page, explained: Explanation) -> str:
    cited = explained.permission_citation
    if cited is None:
        return ""
    quote = f"<q>{escape(cited.quote)}</q>" if cited.quote else ""
    return quote + page.cite(cited, assumed=explained.permission_assumed)


def _penalties(page: Page, reasons: tuple[ReasonLine, ...]) -> str:
    if not reasons:
        return ""
    said = (f"{escape(reason_text(r, page.language))} {page.cite(r.citation, assumed=r.assumed)}"
            + (f" <q>{escape(r.citation.quote)}</q>" if r.citation.quote else "") for r in reasons)
    lead = page.say("未满足的建议性规则（扣分）：", "Advised rules not kept (penalised):")
    return f"<p><b>{lead}</b></p>" + items(said)


def _unknown(page: Page, explained: Explanation) -> str:
    """Name the criteria that were not measured and the rules that were not tested."""
    unmeasured = page.comma.join(page.text(c.title) for c in explained.criteria if c.raw is None and c.weight > 0)
    untested = page.comma.join(page.text(r.title) for r in explained.untested)
    parts = ((page.say("未测准则：", "Not measured: "), unmeasured),
             (page.say("未检验规则：", "Not tested: "), untested))
    return "".join(f'<p class="unknown"><b>{lead}</b>{names}</p>' for lead, names in parts if names)
