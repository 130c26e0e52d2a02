"""The report's part on campuses: halls, yards and lanes on the parcels of the best capacity sites."""

from __future__ import annotations

from gis.bilingual import Text
from maps.report_figures import MapSheet, swatch
from maps.report_page import Page, facts, hectares, whole
from siting.layout_settings import LayoutSettings
from siting.site_layout import SiteLayout

PART_WORDS = {
    "hall": Text(zh="机房楼", en="hall"), "substation_yard": Text(zh="变电站区", en="substation yard"),
    "cooling_yard": Text(zh="冷却区", en="cooling yard"), "diesel_yard": Text(zh="柴油发电区", en="diesel yard"),
    "fire_lane": Text(zh="消防车道", en="fire lane"), "setback": Text(zh="建筑退界", en="setback"),
    "green": Text(zh="绿地", en="green"),
}
"""What the parts of a campus are called."""

PART_COLOURS = {"hall": "#0072b2", "substation_yard": "#d55e00", "cooling_yard": "#56b4e9", "diesel_yard": "#8c6d31",
                "fire_lane": "#c9c9c9", "setback": "#f4f2ec", "green": "#a8ddb5"}

LIMIT_WORDS = {
    "shape": Text(zh="地块形状", en="shape of the parcel"),
    "building_density": Text(zh="建筑密度", en="building density"),
    "floor_area_ratio": Text(zh="容积率", en="floor-area ratio"), "height": Text(zh="建筑高度", en="height"),
    "power": Text(zh="分配的负荷", en="the load that it was given"),
}


def site_layouts(page: Page) -> str:
    """Return the campuses that were laid out on their parcels."""
    layouts = page.result.site_layouts
    if not layouts:
        return ""
    parts = [_statement(page, layouts[0][1].settings)]
    for parcel_id, layout in layouts:
        parts += [f"<h3>{page.say(f'地块 {parcel_id}', f'Parcel {parcel_id}')}</h3>", _facts(page, layout),
                  _figure(page, parcel_id, layout)]
    return page.section("园区布局示意", "Campus layouts", *parts)


def _statement(page: Page, settings: LayoutSettings) -> str:
    return page.paragraph(
        f"按容量布局给定的负荷在地块上排布机房楼模块（{settings.hall_length_m:g} 米 × {settings.hall_width_m:g} 米，"
        f"最高 {settings.max_floors} 层）、变电、冷却、柴油与消防车道；"
        "尺寸参数多为假定，仅表明放得下，不代替总图设计。",
        f"Hall modules ({settings.hall_length_m:g} m by {settings.hall_width_m:g} m, at most {settings.max_floors} "
        "floors), yards and fire lanes for the load of the capacity layout. Most dimensions are assumed: this shows "
        "that it fits and is no site plan.")


def _facts(page: Page, layout: SiteLayout) -> str:
    comma = page.comma
    binding = comma.join(page.text(LIMIT_WORDS[limit]) for limit in layout.binding) or "–"
    return facts([
        (page.say("地块面积", "Area"), f"{hectares(layout.parcel_area_m2)} ha"),
        (page.say("机房楼 / 总层数", "Halls / floors in all"), f"{layout.n_halls} / {layout.n_floors}"),
        (page.say("建筑面积", "Floor area"), page.amount(layout.floor_area_m2, "m2")),
        (page.say("机架", "Racks"), whole(layout.racks)),
        (page.say("IT 负荷 / 视在功率", "IT load / apparent power"),
         f"{layout.it_load_kw / 1000:,.1f} MW / {layout.site_load_mva:,.1f} MVA"),
        (page.say("建筑密度 / 容积率", "Density / floor-area ratio"),
         f"{layout.building_density:.0%} / {layout.floor_area_ratio:.2f}"),
        (page.say("限制因素", "What stops more racks"), binding),
    ])


def _figure(page: Page, parcel_id: str, layout: SiteLayout) -> str:
    caption = page.say(f"地块 {parcel_id} 园区布局", f"Campus on parcel {parcel_id}")
    sheet = MapSheet(layout.parts.geometry.union_all().buffer(6.0), caption)
    for kind, colour in PART_COLOURS.items():
        own = layout.parts[layout.parts["kind"] == kind]
        sheet.shapes(own.geometry, f'fill="{colour}" stroke="#444" stroke-width="1"')
    halls = layout.parts[layout.parts["kind"] == "hall"]
    for position, floors in zip(sheet.points(halls.geometry), halls["floors"], strict=True):
        sheet.label(position, page.say(f"{floors} 层", f"{floors} fl."), 17, "bold")
    legend = "".join(swatch(PART_COLOURS[kind], page.text(word)) for kind, word in PART_WORDS.items()
                     if (layout.parts["kind"] == kind).any())
    return page.figure(caption, sheet.render(page.language), legend)
