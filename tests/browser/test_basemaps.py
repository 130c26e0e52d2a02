"""Basemaps: nothing is asked of the network before a reader chooses, and tiles in GCJ-02 lie under the overlays."""

from __future__ import annotations

import base64
import re
from urllib.parse import parse_qs, urlsplit

import pytest

from gis.datum import gcj02_to_wgs84
from gis.errors import UsageError
from maps.folium_map import render_map
from maps.map_basemaps import IN_FILE_VARIABLE, KEY_VARIABLE, basemap_data

pytestmark = pytest.mark.browser

PNG = base64.b64decode("iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mP8z8BQDwAEhQGAhKmMIQAAAABJRU5ErkJg"
                       "gg==")
TYPED = "0123456789abcdef0123456789abcdef"

RESIDUALS = """() => {
    const { map } = suanzhiPanel.state, z = Math.round(map.getZoom()), found = [];
    const home = map.getContainer().getBoundingClientRect();
    const tiles = [...document.querySelectorAll(".leaflet-tile-pane img")].map((img) => {
        const query = new URL(img.src).searchParams;
        return { x: +query.get("x"), y: +query.get("y"), z: +query.get("z"), box: img.getBoundingClientRect() };
    });
    let covered = 0;
    for (let i = 1; i < 12; i++) for (let j = 1; j < 12; j++) {
        const at = L.point(home.width * i / 12, home.height * j / 12), place = map.containerPointToLatLng(at);
        const [lon, lat] = suanzhiPanel.toGcj02(place.lng, place.lat);
        const p = map.project([lat, lon], z);
        const tile = tiles.find((t) => t.z === z && t.x === Math.floor(p.x / 256) && t.y === Math.floor(p.y / 256));
        if (!tile) continue;
        covered++;
        const scale = tile.box.width / 256;
        found.push(Math.hypot(tile.box.x + (p.x - 256 * tile.x) * scale - home.x - at.x,
                              tile.box.y + (p.y - 256 * tile.y) * scale - home.y - at.y) / scale);
    }
    return { worst: Math.max(...found), covered };
}"""


@pytest.fixture(scope="module")
def page_file(tmp_path_factory, small_study):
    path = tmp_path_factory.mktemp("basemap") / "map.html"
    path.write_text(render_map(small_study.build_small_result()), encoding="utf-8")
    return path


@pytest.fixture
def tiled(pages, page_file):
    """A map whose tiles are answered here: no request leaves the machine."""
    seen = pages.open(page_file, offline=False)
    seen.page.route(re.compile("^https?:"), lambda route: route.fulfill(body=PNG, content_type="image/png"))
    yield seen
    assert seen.complaints == []


def asked(seen) -> list[str]:
    return [url for url in seen.requests if url.startswith("http")]


def test_nothing_is_asked_for_until_a_basemap_is_chosen_and_after_it_is_put_away(tiled):
    page = tiled.page
    page.evaluate("() => suanzhiPanel.state.map.setZoom(13, { animate: false })")
    assert asked(tiled) == []
    page.locator("input[name='basemap'][value='osm']").check()
    page.wait_for_selector("img.leaflet-tile-loaded")
    assert asked(tiled)
    assert {urlsplit(url).netloc for url in asked(tiled)} == {"tile.openstreetmap.org"}
    assert "© OpenStreetMap contributors" in page.locator(".footer").inner_text()
    page.locator("input[name='basemap'][value='']").check()
    n = len(asked(tiled))
    page.evaluate("() => suanzhiPanel.state.map.setZoom(11, { animate: false })")
    page.wait_for_timeout(200)
    assert len(asked(tiled)) == n
    assert page.locator(".leaflet-tile-pane img").count() == 0
    assert "OpenStreetMap" not in page.locator(".footer").inner_text()


def test_tianditu_asks_for_a_key_and_keeps_it_in_memory(tiled, page_file):
    page = tiled.page
    page.locator("input[name='basemap'][value='tianditu']").check()
    page.wait_for_timeout(150)
    assert asked(tiled) == []
    page.locator("input.key").fill(TYPED)
    page.locator(".key-part button").click()
    page.wait_for_selector("img.leaflet-tile-loaded")
    assert {parse_qs(urlsplit(url).query)["tk"][0] for url in asked(tiled)} == {TYPED}
    assert {parse_qs(urlsplit(url).query)["LAYER"][0] for url in asked(tiled)} == {"vec", "cva"}
    assert all(urlsplit(url).netloc.endswith(".tianditu.gov.cn") for url in asked(tiled))
    assert page.evaluate("() => [localStorage.length, document.cookie]") == [0, ""]
    page.reload()
    page.evaluate("() => window.suanzhi.ready")
    n = len(asked(tiled))
    page.locator("input[name='basemap'][value='tianditu']").check()
    page.wait_for_timeout(150)
    assert len(asked(tiled)) == n


def test_other_places_stay_forbidden(tiled):
    """The page's own policy lets pictures come from the chosen providers alone."""
    page = tiled.page
    answer = page.evaluate("() => new Promise((done) => { const i = new Image();"
                           " i.onload = i.onerror = (event) => done(event.type);"
                           " i.src = 'https://example.org/spy.png'; })")
    assert answer == "error"
    assert any("Content Security Policy" in told for told in tiled.complaints)
    tiled.complaints.clear()


@pytest.mark.parametrize("zoom", [9, 10, 11, 12, 12.5, 13, 14, 15, 16, 17, 18])
def test_tiles_in_gcj02_lie_within_a_pixel_of_the_overlays(tiled, zoom):
    page = tiled.page
    page.evaluate("(zoom) => { suanzhiPanel.state.map.setView([34.75, 113.65], zoom, { animate: false });"
                  " suanzhi.setBasemap('amap'); }", zoom)
    page.wait_for_selector("img.leaflet-tile-loaded")
    found = page.evaluate(RESIDUALS)
    assert found["covered"] == 121
    assert found["worst"] <= 1.0
    # Without the shift they would lie some hundred metres off.
    metres_per_pixel = 156543.03 * 0.8216 / 2 ** round(zoom)
    assert 500 / metres_per_pixel > 1.0


def test_tiles_follow_a_map_that_is_dragged_far(tiled):
    page = tiled.page
    page.evaluate("() => { suanzhiPanel.state.map.setView([34.75, 113.65], 17, { animate: false });"
                  " suanzhi.setBasemap('amap'); suanzhiPanel.state.map.panBy([2300, -1700], { animate: false }); }")
    page.wait_for_selector("img.leaflet-tile-loaded")
    found = page.evaluate(RESIDUALS)
    assert found["covered"] == 121
    assert found["worst"] <= 1.0


def test_inverse_shift_is_that_of_python(tiled):
    lon, lat = (float(v) for v in gcj02_to_wgs84(113.66, 34.75))
    found = tiled.page.evaluate("() => suanzhiPanel.fromGcj02(113.66, 34.75)")
    assert found == pytest.approx([lon, lat], abs=1e-9)


def test_key_is_written_only_where_it_is_asked_for(monkeypatch, small_study):
    assert basemap_data("zh", {KEY_VARIABLE: TYPED})["tianditu_key"] == ""
    assert basemap_data("zh", {KEY_VARIABLE: TYPED, IN_FILE_VARIABLE: "yes"})["tianditu_key"] == TYPED
    with pytest.raises(UsageError, match="holds none"):
        basemap_data("zh", {KEY_VARIABLE: "<script>", IN_FILE_VARIABLE: "yes"})
    result = small_study.build_small_result()
    plain = render_map(result)
    monkeypatch.setenv(KEY_VARIABLE, TYPED)
    assert render_map(result) == plain


def test_key_in_the_file_is_used(pages, tmp_path, monkeypatch, small_study):
    monkeypatch.setenv(KEY_VARIABLE, TYPED)
    monkeypatch.setenv(IN_FILE_VARIABLE, "yes")
    path = tmp_path / "map.html"
    path.write_text(render_map(small_study.build_small_result()), encoding="utf-8")
    seen = pages.open(path, offline=False)
    seen.page.route(re.compile("^https?:"), lambda route: route.fulfill(body=PNG, content_type="image/png"))
    seen.page.locator("input[name='basemap'][value='tianditu']").check()
    seen.page.wait_for_selector("img.leaflet-tile-loaded")
    assert {parse_qs(urlsplit(url).query)["tk"][0] for url in asked(seen)} == {TYPED}
