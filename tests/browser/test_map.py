"""The map in Chromium: opened from a file, without network."""

from __future__ import annotations

import importlib.util
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType

import pytest

from maps.folium_map import render_map

pytestmark = pytest.mark.browser

sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")

CHROMIUM = next((found for name in ("chromium", "chromium-browser", "google-chrome") if (found := shutil.which(name))),
                None)
IMAGE_ATTACK = "<img src=x onerror=alert(1)>"
SCRIPT_ATTACK = "</script><script>alert(1)</script>"


def _small_study() -> ModuleType:
    """Load the hand-made study of the tests of maps, which live in another folder."""
    path = Path(__file__).resolve().parents[1] / "maps" / "conftest.py"
    spec = importlib.util.spec_from_file_location("small_study", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@dataclass
class OpenMap:
    """A page with everything that it asked for and complained of."""

    page: sync_api.Page
    requests: list[str] = field(default_factory=list)
    complaints: list[str] = field(default_factory=list)

    def popup(self) -> str:
        self.page.wait_for_selector(".leaflet-popup-content .explain")
        # One that is being closed fades away beside the new one.
        return self.page.locator(".leaflet-popup-content").last.inner_text()

    def checked(self) -> None:
        """Assert that nothing was asked of the network and nothing went wrong."""
        assert [url for url in self.requests if not url.startswith("file://")] == []
        assert len(self.requests) == 1
        assert self.complaints == []


@pytest.fixture(scope="module")
def browser() -> Iterator[sync_api.Browser]:
    if CHROMIUM is None:
        pytest.skip("no Chromium on this machine")
    with sync_api.sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu"])
        yield chromium
        chromium.close()


@pytest.fixture(scope="module")
def files(tmp_path_factory) -> dict[str, Path]:
    """Write the page in both languages."""
    folder = tmp_path_factory.mktemp("maps")
    result = _small_study().build_small_result()
    written = {}
    for language in ("zh", "en"):
        written[language] = folder / f"map_{language}.html"
        written[language].write_text(render_map(result, language=language), encoding="utf-8")
    return written


def _opened(browser: sync_api.Browser, path: Path, width: int = 1400, height: int = 900) -> OpenMap:
    context = browser.new_context(offline=True, viewport={"width": width, "height": height})
    seen = OpenMap(context.new_page())
    seen.page.on("request", lambda request: seen.requests.append(request.url))
    seen.page.on("console", lambda message: seen.complaints.append(message.text))
    seen.page.on("pageerror", lambda error: seen.complaints.append(str(error)))
    seen.page.on("dialog", lambda dialog: (seen.complaints.append("dialog " + dialog.message), dialog.dismiss()))
    seen.page.goto(path.as_uri())
    seen.page.evaluate("() => window.suanzhi.ready")
    return seen


@pytest.fixture
def zh_map(browser, files) -> Iterator[OpenMap]:
    seen = _opened(browser, files["zh"])
    yield seen
    seen.checked()
    seen.page.context.close()


@pytest.mark.parametrize("language", ["zh", "en"])
def test_page_draws_from_a_file_and_asks_for_nothing(browser, files, language):
    seen = _opened(browser, files[language])
    stats = seen.page.evaluate("() => window.suanzhi.stats()")
    assert stats["parcels"] == 32
    assert 0 < stats["load_ms"] < 20_000
    heading = seen.page.locator(".card.layers summary").inner_text()
    assert heading.startswith("图层" if language == "zh" else "Layers")
    banner = seen.page.locator(".banner").inner_text()
    assert ("不得用于决策" if language == "zh" else "not for decisions") in banner
    assert "GS(2024)0650" in seen.page.locator(".footer").inner_text()
    seen.checked()
    seen.page.context.close()


def test_canvas_shows_each_parcel_in_its_class_colour_and_the_hole_empty(zh_map):
    """Read pixels of the parcel canvas: the middle of an eligible parcel, and of the hole of number 9."""
    colours = zh_map.page.evaluate("""() => {
        const { parcels, map, parcelCanvas } = suanzhiPanel.state;
        const drawn = parcelCanvas._container, copy = document.createElement("canvas");
        [copy.width, copy.height] = [drawn.width, drawn.height];
        const context = copy.getContext("2d", { willReadFrequently: true });
        context.drawImage(drawn, 0, 0);
        const at = (i) => {
            const where = suanzhiPanel.centreLatLng(parcels.shapes, i);
            const p = map.latLngToLayerPoint(where).subtract(parcelCanvas._bounds.min);
            return [...context.getImageData(Math.round(p.x), Math.round(p.y), 1, 1).data];
        };
        return { best: at(parcels.best[0]), hole: at(9) };
    }""")
    assert colours["best"] == [0x17, 0x2F, 0x78, 255]
    assert colours["hole"][3] == 0


def test_click_on_a_parcel_explains_it(zh_map):
    place = zh_map.page.evaluate("""() => {
        const { parcels, map } = suanzhiPanel.state;
        const p = map.latLngToContainerPoint(suanzhiPanel.centreLatLng(parcels.shapes, parcels.ids.indexOf("P-0013")));
        const box = map.getContainer().getBoundingClientRect();
        return [p.x + box.left, p.y + box.top];
    }""")
    zh_map.page.mouse.click(*place)
    text = zh_map.popup()
    assert "P-0013" in text
    assert "供电距离" in text
    assert "面向5G+工业互联网" in text  # the clause of the zone's permission
    assert "缺数据" in text  # flooding was not measured
    assert "距断裂" in text  # a rule that could not be checked


def test_hostile_names_are_text(zh_map):
    assert zh_map.page.evaluate("(id) => suanzhi.select(id)", IMAGE_ATTACK) is True
    text = zh_map.popup()
    assert IMAGE_ATTACK in text
    assert "21 %" in text
    assert "5 %" in text
    assert zh_map.page.evaluate("(id) => suanzhi.select(id)", SCRIPT_ATTACK) is True
    assert SCRIPT_ATTACK in zh_map.popup()
    assert zh_map.page.locator(".leaflet-popup-content img").count() == 0
    assert zh_map.page.locator(".folium-map script").count() == 0


def test_excluded_parcel_names_measure_limit_and_strictness(zh_map):
    zh_map.page.evaluate("() => suanzhi.select('P-0003')")
    text = zh_map.popup()
    assert "250.5 m < 要求 800 m" in text
    assert "必须" in text
    assert "附录A" in text


def test_parcel_outside_every_zone_says_so(zh_map):
    zh_map.page.evaluate("() => suanzhi.select('P-0031')")
    assert "不在任何政策分区内" in zh_map.popup()


def test_tiny_parcel_is_visible_and_can_be_hit(zh_map):
    hit = zh_map.page.evaluate("""() => {
        const { parcels, map } = suanzhiPanel.state;
        map.setZoom(10, { animate: false });
        const [x, y] = suanzhiPanel.centre(parcels.shapes, 31), scale = 256 * 2 ** 10;
        return suanzhiPanel.parcelAt(x + 1.5 / scale, y, scale);
    }""")
    assert hit == 31


def test_click_hits_every_part_and_no_hole(zh_map):
    hits = zh_map.page.evaluate("""() => {
        const { parcels } = suanzhiPanel.state, s = parcels.shapes, far = 256 * 2 ** 16;
        const first = s.vertexStart[s.pathStart[18]], last = s.vertexStart[s.pathStart[19]] - 1;
        const inside = (v, other) => suanzhiPanel.parcelAt(
            s.x[v] * 0.9 + s.x[other] * 0.1, s.y[v] * 0.9 + s.y[other] * 0.1, far);
        const inHole = suanzhiPanel.parcelAt(...suanzhiPanel.centre(s, 9), far);
        return [inside(first, first + 2), inside(last, last - 2), inHole];
    }""")
    assert hits == [18, 18, -1]


def test_search_finds_parcels_and_names(zh_map):
    box = zh_map.page.locator(".search input")
    box.fill("p-0020")
    assert zh_map.page.locator(".hits li").first.inner_text().startswith("P-0020")
    box.press("Enter")
    assert "P-0020" in zh_map.popup()
    box.fill("柳林")
    zh_map.page.locator(".hits button").first.click()
    assert "220 kV" in zh_map.popup()
    box.fill("nowhere at all")
    assert zh_map.page.locator(".hits").inner_text() == "没有找到"


def test_class_switch_changes_ranks_and_explanation(zh_map):
    before = zh_map.page.evaluate("() => suanzhi.top(40)")
    zh_map.page.evaluate("() => suanzhi.select('P-0010')")
    assert "政策不允许" in zh_map.popup()
    zh_map.page.locator(".classes label", has_text="边缘数据中心").click()
    after = zh_map.page.evaluate("() => suanzhi.top(40)")
    assert [len(before), len(after)] == [21, 22]
    assert "政策不允许" not in zh_map.popup()
    assert zh_map.page.evaluate("() => suanzhiPanel.state.parcels.selected") == 10
    assert [row["rank"] for row in after] == list(range(1, 23))


def test_layers_can_be_switched(zh_map):
    switch = zh_map.page.locator("input[data-layer='edge_centres']")
    assert zh_map.page.locator(".badge-holder").count() == 2
    switch.uncheck()
    assert zh_map.page.locator(".badge-holder").count() == 0
    for box in zh_map.page.locator("input[data-layer]").all():
        box.set_checked(True)
    assert "服务范围" in zh_map.page.locator(".legend-body").inner_text()


def test_pins_that_would_hide_better_ones_become_dots(zh_map):
    crowded = """(zoom) => {
        suanzhiPanel.state.map.setZoom(zoom, { animate: false });
        return [...document.querySelectorAll(".pin")].map((pin) => pin.classList.contains("is-crowded"));
    }"""
    assert zh_map.page.evaluate(crowded, 7) == [False, True, True, True, True]
    assert zh_map.page.evaluate(crowded, 13) == [False] * 5


def test_edge_centre_tells_of_host_and_two_feeds(zh_map):
    zh_map.page.locator(".badge-holder").first.click()
    text = zh_map.popup()
    assert "EC-01" in text
    assert "变电站" in text
    assert text.count(" kV · ") == 2
    assert IMAGE_ATTACK in text


def test_data_sheet_lists_sources_and_what_is_missing(zh_map):
    zh_map.page.locator(".data-button").click()
    text = zh_map.page.locator(".sheet").inner_text()
    assert "淹没水深" in text
    assert "32 / 32 / 0 / 0" in text


def test_page_fits_a_phone(browser, files):
    seen = _opened(browser, files["zh"], width=390, height=780)
    assert seen.page.evaluate("() => document.documentElement.scrollWidth") <= 390
    seen.page.evaluate("() => suanzhi.select('P-0020')")
    assert "P-0020" in seen.popup()
    seen.page.wait_for_timeout(400)
    box = seen.page.locator(".leaflet-popup").bounding_box()
    assert box is not None
    assert box["x"] >= 0
    assert box["x"] + box["width"] <= 390
    seen.checked()
    seen.page.context.close()
