"""What the report rests on: the data and its account, the policy zones, and the permission matrix."""

from __future__ import annotations

from html import escape

from layers.types import LayerProvenance
from maps.manifest import missing_layers
from maps.report_figures import study_sheet, swatch
from maps.report_page import Heading, Page, items
from siting.pack import ZonePermission
from siting.wording import CERTAINTY_WORDS, KIND_WORDS, PERMISSION_WORDS, datum_word

ZONE_OPACITY = 0.7


def data(page: Page) -> str:
    """Return where every layer came from, what became of its rows, and what is missing."""
    say = page.say
    headings = page.headings("!图层|Layer", "来源|Source", "!可信度|Certainty", "坐标基准|Datum", "#读入|Read",
                             "#采用|Accepted", "#修复|Repaired", "#舍弃|Rejected",
                             "许可、署名、审图号、说明|Licence, attribution, approval, note")
    rows = [_source_row(page, p) for p in page.result.city_layers.provenance]
    return page.section(
        "数据", "Data",
        page.table(say("图层来源与逐行账目（读入＝采用＋修复＋舍弃）",
                       "Sources and accounts (read = accepted + repaired + rejected)"), headings, rows, kind="wide"),
        _missing(page))


def _source_row(page: Page, source: LayerProvenance) -> list[str]:
    ledger = source.ledger
    terms = [source.licence, source.attribution, source.approval_number, source.vintage]
    said = page.semicolon.join(escape(t) for t in terms if t)
    note = page.text(source.note)
    hashed = f' <span class="hash">{escape(source.sha256[:8])}</span>' if source.sha256 else ""
    reader = escape(source.source) + hashed
    return [page.layer(source.layer), reader, page.word(CERTAINTY_WORDS, source.certainty),
            escape(datum_word(source.datum, page.language)) or "–",
            f"{ledger.read:,}", f"{ledger.accepted:,}", f"{ledger.repaired:,}",
            f"{ledger.rejected:,}", "<br>".join(t for t in (said, note) if t) or "–"]


def _missing(page: Page) -> str:
    lacking = missing_layers(page.result)
    if not lacking:
        return ""
    lead = page.paragraph("本次运行没有下列图层，因此缺少相应的检验或评分：",
                          "These layers were not given, so that the run lacks:")
    colon = "：" if page.language == "zh" else ": "
    return lead + items(f"<b>{page.layer(m['layer'])}</b>{colon}{escape(m['purpose'][page.language])}" for m in lacking)


def zones(page: Page) -> str:
    """Return the policy zones, their units and the permission matrix, each with its clause."""
    return page.section("政策分区与许可", "Policy zones and permissions", _zones_figure(page), _zones_table(page),
                        _units_table(page), _matrix(page))


def _zones_figure(page: Page) -> str:
    units = page.result.units
    title = page.say("政策分区与政策单元", "Policy zones and their units")
    sheet = study_sheet(page.result.city_layers, title)
    colours = {z.zone_id: z.colour for z in page.result.pack.zones}
    for zone_id in dict.fromkeys(units["zone_id"]):
        colour = escape(colours.get(zone_id, "#dddddd"), quote=True)
        sheet.shapes(units.geometry[units["zone_id"] == zone_id],
                     f'fill="{colour}" fill-opacity="{ZONE_OPACITY}" stroke="#333" stroke-width="1.2"')
    names = units["name_zh" if page.language == "zh" else "name_en"]
    for position, name in zip(sheet.points(units.geometry), names, strict=True):
        sheet.label(position, str(name), 17.0, "bold")
    legend = "".join(swatch(z.colour, page.text(z.title), opacity=ZONE_OPACITY) for z in page.result.pack.zones)
    return page.figure(title + source_line(page, "districts", "zones"), sheet.render(page.language), legend)


def source_line(page: Page, *layers: str) -> str:
    """Return, for a figure's caption, whom its layers come from and how certain they are (HTML)."""
    parts = []
    for source in page.result.city_layers.provenance:
        if source.layer in layers:
            sure = page.word(CERTAINTY_WORDS, source.certainty)
            terms = [escape(t) for t in (source.attribution, source.approval_number) if t]
            parts.append(page.comma.join([page.layer(source.layer) + page.bracketed(sure), *terms]))
    shown = page.semicolon.join(dict.fromkeys(parts))
    return f'<span class="source">{page.say("资料：", "Data: ")}{shown}</span>' if shown else ""


def _zones_table(page: Page) -> str:
    say = page.say
    areas = page.result.units.groupby("zone_id")["area_km2"].sum().to_dict()
    headings = page.headings("分区|Zone", "功能定位|Role", "#面积（平方公里）|Area (km²)", "依据|Clause")
    rows = [[page.text(z.title), page.text(z.role), f"{areas.get(z.zone_id, 0.0):,.1f}", page.cite(z.citation)]
            for z in page.result.pack.zones]
    return page.table(say("政策分区", "Policy zones"), headings, rows)


def _units_table(page: Page) -> str:
    say = page.say
    titles = {z.zone_id: page.text(z.title) for z in page.result.pack.zones}
    known = {u.unit_id: u for u in page.result.pack.units}
    headings = page.headings("政策单元|Unit", "!类型|Kind", "所属分区|Zone", "#图上面积（平方公里）|Drawn (km²)",
                             "#公布面积（平方公里）|Published (km²)", "!边界可信度|Outline", "依据|Clause")
    rows = []
    for row in page.result.units.itertuples():
        unit = known.get(str(row.unit_id))
        published = unit.published_area_km2 if unit else None
        rows.append([escape(str(row.name_zh if page.language == "zh" else row.name_en)),
                     page.word(KIND_WORDS, row.kind),
                     titles.get(row.zone_id, page.say("规划未列入", "not in the plan")),
                     f"{row.area_km2:,.1f}", "–" if published is None else f"{published:,.1f}",
                     page.word(CERTAINTY_WORDS, row.certainty), page.cite(unit.citation if unit else None)])
    return page.table(say("政策单元（功能区优先于区县，区县为扣除功能区后的剩余部分）",
                          "Units (functional zones first; a district is what they leave of it)"), headings, rows)


def _matrix(page: Page) -> str:
    pack = page.result.pack
    headings: list[Heading] = [(page.say("类型", "Type"), "text"), *((page.text(z.title), "text") for z in pack.zones)]
    found = {(p.zone_id, p.development_type): p for p in pack.permissions}
    scored = {s.site_class.development_type for s in page.result.scores}
    rows = []
    for kind in pack.development_types:
        title = page.text(kind.title)
        rows.append([f"<b>{title}</b>" if kind.type_id in scored else title,
                     *(_verdict(page, found.get((z.zone_id, kind.type_id))) for z in pack.zones)])
    caption = page.say("许可矩阵（粗体为本次评价的类型）", "Permission matrix (bold: types of this run)")
    return page.table(caption, headings, rows, kind="matrix")


def _verdict(page: Page, permission: ZonePermission | None) -> str:
    if permission is None:
        return "–"
    condition = f"<br><small>{page.text(permission.condition)}</small>" if permission.condition else ""
    word = page.word(PERMISSION_WORDS, permission.permission)
    return (f'<span class="verdict {escape(permission.permission)}">{word}</span> '
            f"{page.cite(permission.citation, assumed=permission.assumed)}{condition}")
