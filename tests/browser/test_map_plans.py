"""The plans of a study on the map: capacity campuses and their feeds, decisions, campuses laid out, edge centres."""

from __future__ import annotations

import pytest

from maps.folium_map import render_map

pytestmark = pytest.mark.browser

HEADING = """(told) => [...document.querySelectorAll(".leaflet-popup-content h3")].pop().innerText.includes(told)"""
CLICK_ON = """([name, row]) => {
    const { map, layers } = suanzhiPanel.state, layer = layers.find((l) => l.name === name);
    const where = suanzhiPanel.centreLatLng(layer.shapes, row);
    map.setView(where, 15, { animate: false });
    map.fire("click", { latlng: where });
}"""


@pytest.fixture
def plan_map(pages, planned_files):
    seen = pages.open(planned_files / "zh.html")
    yield seen
    seen.checked()


def test_campus_tells_parcel_load_and_substations(plan_map):
    plan_map.page.evaluate(CLICK_ON, ["capacity_sites", 1])
    text = plan_map.popup()
    for told in ("K002 · 24.0 MW", "P-0005", "高新区", "4,000", "24 MW", "32.88 MVA", "220千伏柳林变 · 220 kV", "鼓励",
                 "3.25 km", "合成"):
        assert told in text
    assert "<img src=x onerror=alert(1)> · 110 kV" in text
    assert plan_map.page.locator(".leaflet-popup-content img").count() == 0
    plan_map.page.locator(".parcel-link").click()
    plan_map.page.wait_for_function(HEADING, arg="P-0005")
    selected = "() => suanzhiPanel.state.parcels.ids.at(suanzhiPanel.state.parcels.selected)"
    assert plan_map.page.evaluate(selected) == "P-0005"


def test_circle_is_drawn_by_load(plan_map):
    sizes = plan_map.page.evaluate("""() => {
        const layer = suanzhiPanel.state.layers.find((l) => l.name === "capacity_sites");
        return [...layer.arrays.variant].map((v) => layer.variants[v].radius_px);
    }""")
    assert sizes == sorted(sizes)
    assert len(set(sizes)) == 3
    yellow = plan_map.page.evaluate("""() => {
        const { map, layers, aboveCanvas } = suanzhiPanel.state;
        const layer = layers.find((l) => l.name === "capacity_sites");
        const where = suanzhiPanel.centreLatLng(layer.shapes, 2);
        map.setView(where, 13, { animate: false });
        suanzhiPanel.showLayer("campus_parts", false);
        const p = map.latLngToLayerPoint(where).subtract(aboveCanvas._bounds.min);
        const drawn = aboveCanvas._container, copy = document.createElement("canvas");
        [copy.width, copy.height] = [drawn.width, drawn.height];
        const context = copy.getContext("2d", { willReadFrequently: true });
        context.drawImage(drawn, 0, 0);
        const at = (x, y) => [...context.getImageData(Math.round(x), Math.round(y), 1, 1).data];
        return [at(p.x + 8, p.y), at(p.x + 20, p.y + 11)];
    }""")
    assert yellow[0][0] > 200
    assert yellow[0][1] > 190
    assert yellow[0][2] < 110
    assert yellow[1][3] == 0


def test_reading_of_the_target_switches_campuses_and_figures(plan_map):
    page = plan_map.page
    shown = """() => suanzhiPanel.state.layers.filter((l) => l.name.startsWith("capacity") && suanzhiPanel.isShown(l))
        .map((l) => l.name)"""
    assert page.evaluate(shown) == ["capacity_feeds", "capacity_sites"]
    page.locator(".card.capacity summary").click()
    body = page.locator(".capacity-body")
    assert "77.5 MW · 3 个园区" in body.inner_text()
    assert "12.5 MW" in body.inner_text()
    assert "在用机架 <i>" in body.inner_text()
    page.locator("input[name='reading'][value='in_use']").check()
    assert page.evaluate(shown) == ["capacity_feeds_1", "capacity_sites_1"]
    assert "8 MW · 1 个园区" in body.inner_text()
    page.evaluate(CLICK_ON, ["capacity_sites_1", 0])
    assert "2025" in plan_map.popup()
    assert [h["name"] for h in page.evaluate("() => suanzhiPanel.find('k00', 9)")] == ["K001 · 8.0 MW"]
    page.locator("input[data-layer='capacity_sites']").uncheck()
    assert page.evaluate(shown) == ["capacity_feeds_1"]
    assert page.locator("input[data-layer='capacity_sites']").count() == 1


def test_feed_line_tells_its_load(plan_map):
    plan_map.page.evaluate("""() => {
        const { map, layers } = suanzhiPanel.state, layer = layers.find((l) => l.name === "capacity_feeds");
        const [a, b] = suanzhiPanel.vertexRange(layer.shapes, 2);
        const [[x0, y0], [x1, y1]] = [a, b - 1].map((v) => suanzhiPanel.placeOf(layer.shapes, v));
        const [x, y] = [x0 + 0.43 * (x1 - x0), y0 + 0.43 * (y1 - y0)];
        for (const name of ["parcels_by_score", "policy_zones", "districts", "roads", "fibre_routes"])
            suanzhiPanel.showLayer(name, false);
        const where = L.latLng(suanzhiPanel.latOf(y), suanzhiPanel.lonOf(x));
        map.setView(where, 15, { animate: false });
        map.fire("click", { latlng: where });
    }""")
    text = plan_map.popup()
    assert "园区接入线路" in text
    assert "K002" in text
    assert "32.88 MVA" in text


def test_data_centres_are_drawn_by_decision_and_say_why(plan_map):
    looks = plan_map.page.evaluate("""() => {
        const layer = suanzhiPanel.state.layers.find((l) => l.name === "data_centres");
        return [...layer.arrays.variant].map((v) => [layer.variants[v].title, layer.variants[v].shape]);
    }""")
    assert looks == [["关闭", "cross"], ["无法判定", "diamond"]]
    plan_map.page.evaluate(CLICK_ON, ["data_centres", 0])
    text = plan_map.popup()
    for told in ("中原数据基地", "关闭", "高能耗关闭", "对小散老旧数据中心实施整合改造 <b>", "2025-12-31",
                 "已逾期", "120", "大型计算"):
        assert told in text
    plan_map.page.evaluate(CLICK_ON, ["data_centres", 1])
    plan_map.page.wait_for_function(HEADING, arg="script")
    text = plan_map.popup()
    assert "</script><script>alert(2)</script>" in text
    assert "无法判定" in text
    assert "缺少数据\nPUE" in text


def test_parts_of_a_campus_are_drawn_when_zoomed_in(plan_map):
    page = plan_map.page
    place = """(zoom) => {
        const { map, layers } = suanzhiPanel.state, layer = layers.find((l) => l.name === "campus_parts");
        const hall = [...layer.names].indexOf("机房楼"), where = suanzhiPanel.centreLatLng(layer.shapes, hall);
        map.setView(where, zoom, { animate: false });
        suanzhiPanel.showLayer("capacity_sites", false);
        map.fire("click", { latlng: where });
    }"""
    page.evaluate(place, 17)
    text = plan_map.popup()
    assert "机房楼" in text
    assert "P-0005" in text
    assert "层数" in text
    page.evaluate(place, 12)
    page.wait_for_function("() => document.querySelector('.leaflet-popup-content').innerText.includes('名次')"
                           " || document.querySelector('.leaflet-popup-content').innerText.includes('排除')")
    legend = page.locator(".legend-body").inner_text()
    assert "园区平面 · 放大可见" in legend
    assert "消防车道" in legend


def test_edge_centre_tells_power_fibre_stability_and_runner_up(plan_map):
    plan_map.page.evaluate("() => { const { study } = suanzhiPanel.state, c = study.edge.centres[0];"
                           "suanzhiPanel.openPopup(L.latLng(c.lat, c.lon), suanzhiPanel.explainEdgeCentre(c)); }")
    text = plan_map.popup()
    for told in ("负荷增长时第一路容量先不足", "必有共用段", "至少共用 120 m", "100 % 的抽样中仍入选",
                 "改用后覆盖减少 12 %"):
        assert told in text


def test_plans_stand_in_the_list_and_the_legend_in_english(pages, planned_files):
    seen = pages.open(planned_files / "en.html")
    results = seen.page.locator(".layer-list fieldset").first.inner_text()
    for title in ("Capacity campuses", "Capacity connections", "Campus layouts"):
        assert title.replace("Capacity connections", "Campus connections") in results
    legend = seen.page.locator(".legend-body").inner_text()
    for said in ("40-80 MW", "below 10 MW", "cannot be decided", "close", "substation yard"):
        assert said in legend
    seen.checked()


def test_study_without_plans_has_no_switch_for_them(pages, tmp_path, small_study):
    path = tmp_path / "map.html"
    path.write_text(render_map(small_study.build_small_result()), encoding="utf-8")
    seen = pages.open(path)
    assert seen.page.locator(".card.capacity").count() == 0
    assert seen.page.locator("input[data-layer='capacity_sites']").count() == 0
    seen.checked()
