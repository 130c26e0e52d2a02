"""The printed sheet, the page on a phone, and what those have who use keys or hear the page."""

from __future__ import annotations

import re

import pytest

pytestmark = pytest.mark.browser

PRINT = "() => window.dispatchEvent(new Event('beforeprint'))"
AFTER = "() => window.dispatchEvent(new Event('afterprint'))"
BOXES = """() => Object.fromEntries(["html", ".folium-map", ".print-side", ".print-foot", ".north", ".print-scale i",
    ".legend-body"].map((name) => {
        const { x, y, right, bottom } = document.querySelector(name).getBoundingClientRect();
        return [name, [x, y, right, bottom]];
    }))"""


@pytest.fixture
def printed(pages, planned_files):
    seen = pages.open(planned_files / "zh.html")
    seen.page.emulate_media(media="print")
    yield seen
    seen.checked()


def test_sheet_is_one_page_of_a3_landscape(pages, planned_files):
    seen = pages.open(planned_files / "en.html")
    pdf = seen.page.pdf(prefer_css_page_size=True, print_background=True)
    (width, height), = {(float(w), float(h)) for w, h in re.findall(rb"/MediaBox ?\[0 0 ([\d.]+) ([\d.]+)\]", pdf)}
    assert width == pytest.approx(420 / 25.4 * 72, abs=1.0)
    assert height == pytest.approx(297 / 25.4 * 72, abs=1.0)
    assert len(re.findall(rb"/Type ?/Page\b(?!s)", pdf)) == 1
    # Afterwards the page is as it was.
    assert seen.page.evaluate("() => document.documentElement.className") == ""
    assert seen.page.locator(".card.legend .legend-body").count() == 1
    seen.checked()


def test_sheet_has_title_legend_north_scale_and_data_statement(printed):
    page = printed.page
    page.evaluate(PRINT)
    side = page.locator(".print-side").inner_text()
    for said in ("郑州市", "small · 大型数据中心", "北", "图例", "合格地块（按得分）", "容量布局园区", "1 : "):
        assert said in side
    foot = page.locator(".print-foot").inner_text()
    for said in ("数据说明", "地块 合成", "GS(2024)0650", "EPSG:4547"):
        assert said in foot
    boxes = page.evaluate(BOXES)
    right, bottom = boxes["html"][2:]
    assert (right, bottom) == (1520, 1050)
    for name, box in boxes.items():
        assert box[2] <= right, name
        assert box[3] <= bottom, name
        assert box[2] > box[0], name
        assert box[3] > box[1], name
    assert boxes[".folium-map"][2] <= boxes[".print-side"][0]
    assert boxes[".folium-map"][3] <= boxes[".print-foot"][1]
    for hidden in (".search", ".tools", ".card.layers", ".leaflet-control-zoom"):
        assert not page.locator(hidden).is_visible()
    assert page.evaluate("() => suanzhiPanel.state.parcelCanvas._container.width > 2000")
    page.evaluate(AFTER)


def test_scale_bar_is_as_long_on_the_map_as_it_says(printed):
    page = printed.page
    page.evaluate(PRINT)
    told = page.locator(".print-scale span").inner_text()
    number, unit, ratio = re.fullmatch(r"([\d.]+) (k?m) · 1 : ([\d,]+)", told).groups()
    metres = float(number) * (1000 if unit == "km" else 1)
    width_px, measured = page.evaluate("""() => {
        const { map } = suanzhiPanel.state;
        const { width } = document.querySelector(".print-scale i").getBoundingClientRect();
        const middle = map.latLngToContainerPoint(map.getCenter());
        return [width, map.distance(map.getCenter(), map.containerPointToLatLng([middle.x + width, middle.y]))];
    }""")
    assert measured == pytest.approx(metres, rel=0.02)
    assert metres / (width_px * 0.0254 / 96) == pytest.approx(float(ratio.replace(",", "")), rel=0.05)
    page.evaluate(AFTER)


def test_what_was_in_sight_is_printed_and_comes_back(printed):
    page = printed.page
    page.evaluate("() => suanzhi.select('P-0013')")
    page.wait_for_timeout(500)  # the map makes room for the popup
    view = ("() => { const { map } = suanzhiPanel.state;"
            " return [map.getCenter().lat, map.getCenter().lng, map.getZoom()]; }")
    before = page.evaluate(view)
    page.evaluate(PRINT)
    assert page.evaluate("""() => { const { map, parcels } = suanzhiPanel.state;
        return map.getBounds().contains(suanzhiPanel.centreLatLng(parcels.shapes, parcels.ids.rowOf("P-0013"))); }""")
    page.evaluate(AFTER)
    assert page.evaluate(view) == pytest.approx(before, abs=1e-3)


def test_everything_that_takes_input_has_a_name(pages, planned_files):
    seen = pages.open(planned_files / "zh.html")
    nameless = seen.page.evaluate("""() => {
        document.querySelectorAll("details").forEach((part) => { part.open = true; });
        return [...document.querySelectorAll("input, select, button, summary, a[href], .leaflet-marker-icon")]
            .filter((part) => !(part.getAttribute("aria-label") || part.title || part.innerText.trim()
                || (part.labels && [...part.labels].some((label) => label.innerText.trim()))))
            .map((part) => part.outerHTML.slice(0, 120));
    }""")
    assert nameless == []
    seen.checked()


def test_keys_reach_the_map_search_and_close_a_popup(pages, planned_files):
    seen = pages.open(planned_files / "zh.html")
    page = seen.page
    page.keyboard.press("Tab")
    assert page.evaluate("() => document.activeElement.className") == "skip"
    page.locator(".search input").fill("P-0013")
    page.locator(".search input").press("Enter")
    assert "P-0013" in seen.popup()
    assert "P-0013" in page.locator(".unseen").inner_text()
    page.locator(".folium-map").focus()
    page.keyboard.press("Escape")
    page.wait_for_function("() => !document.querySelector('.leaflet-popup')")
    centre = "() => suanzhiPanel.state.map.getCenter().lng"
    before = page.evaluate(centre)
    page.keyboard.press("ArrowRight")
    page.wait_for_function("(lng) => suanzhiPanel.state.map.getCenter().lng > lng", arg=before)
    seen.checked()


@pytest.mark.parametrize("language", ["zh", "en"])
def test_phone_shows_the_map_and_every_card_fits(pages, planned_files, language):
    seen = pages.open(planned_files / f"{language}.html", width=390, height=780)
    page = seen.page
    assert page.evaluate("() => document.documentElement.scrollWidth") <= 390
    box = page.locator(".folium-map").bounding_box()
    assert box["height"] > 350
    for name in ("weights", "filters", "draw", "edge_number", "capacity", "layers", "legend"):
        page.evaluate("(name) => document.querySelectorAll('.card').forEach((card) => "
                      "{ card.open = card.classList.contains(name); })", name)
        card = page.locator(f".card.{name}").bounding_box()
        assert card["x"] >= 0, name
        assert card["x"] + card["width"] <= 390, name
        assert card["y"] >= box["y"], name
        assert card["y"] + card["height"] <= box["y"] + box["height"] + 1, name
    page.evaluate("() => suanzhi.select('P-0013')")
    assert "P-0013" in seen.popup()
    assert not page.locator(".tools").is_visible()
    # The map still pans to make room: a click of the mouse at a place may find the button gone from there.
    page.locator(".leaflet-popup-close-button").last.dispatch_event("click")
    page.locator(".tools").wait_for(state="visible")
    seen.checked()
