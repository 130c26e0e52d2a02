"""The page of two studies in Chromium: linked views, the change layer, and nothing from data that runs."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest

from maps.comparison import write_comparison
from maps.outputs import write_outputs
from siting.comparison import compare_studies
from siting.finished_study import read_finished

pytestmark = pytest.mark.browser

HOLED = "<img src=x onerror=alert(1)>"
VIEWS = "() => suanzhi.views()"


@pytest.fixture(scope="module")
def pages_of_two(tmp_path_factory, small_study) -> Path:
    root = tmp_path_factory.mktemp("compared")
    result = small_study.build_small_result()
    scores = []
    for own in result.scores:
        excludes = own.exclusions.excludes & np.array([r.rule_id != "water-overlap" for r in own.exclusions.rules])
        table = dataclasses.replace(own.exclusions, excludes=excludes)
        order = np.argsort(-own.score, kind="stable")
        order = order[table.eligible[order]]
        rank = np.zeros(len(own.rank), dtype=np.int64)
        rank[order] = np.arange(1, len(order) + 1)
        scores.append(dataclasses.replace(own, exclusions=table, rank=rank))
    write_outputs(result, root / "one")
    study = dataclasses.replace(result.study, name=HOLED, mitigations=(("water-overlap", "<b>绕开</b>"),))
    write_outputs(dataclasses.replace(result, study=study, scores=tuple(scores)), root / "two")
    found = compare_studies(read_finished(root / "one"), read_finished(root / "two"))
    for language in ("zh", "en"):
        write_comparison(found, root / language, language=language)
    return root


@pytest.fixture
def two(pages, pages_of_two):
    seen = pages.open(pages_of_two / "zh" / "compare.html")
    yield seen
    seen.checked()


def same(views) -> bool:
    return all(abs(a - b) < 1e-9 for a, b in zip(*views, strict=True))


def test_maps_move_and_zoom_together(two):
    page = two.page
    start = page.evaluate(VIEWS)
    assert same(start)
    box = page.locator("#map-before").bounding_box()
    page.mouse.move(box["x"] + 200, box["y"] + 200)
    page.mouse.down()
    page.mouse.move(box["x"] + 120, box["y"] + 150, steps=4)
    assert same(page.evaluate(VIEWS))
    page.mouse.up()
    moved = page.evaluate(VIEWS)
    assert same(moved)
    assert moved[0] != start[0]
    other = page.locator("#map-after").bounding_box()
    page.mouse.move(other["x"] + 150, other["y"] + 150)
    page.mouse.wheel(0, -400)
    page.wait_for_function("(zoom) => suanzhi.views()[0][2] > zoom", arg=moved[0][2])
    zoomed = page.evaluate(VIEWS)
    assert same(zoomed)
    assert zoomed[0][2] > moved[0][2]


def test_parcel_that_was_freed_is_told_on_both_sides(two):
    page = two.page
    page.locator("section[data-class='large'] button[data-parcel]").first.wait_for()
    assert page.evaluate("(id) => suanzhi.select(id)", HOLED) is True
    detail = page.locator(".detail").inner_text()
    assert HOLED in detail
    assert "前一方案：排除" in detail
    assert "已列缓解措施（<b>绕开</b>）" in detail
    assert page.locator(".detail img, .detail b b, .tables img, .side h2 img").count() == 0
    assert page.evaluate("() => suanzhi.select('nothing like it')") is False


def test_each_side_is_coloured_by_its_own_scores(two):
    """Read a pixel of the ring of number 9: excluded before, scored after."""
    two.page.evaluate("(id) => suanzhi.select(id)", HOLED)
    colours = two.page.evaluate("""(id) => {
        const { sides, shapes, rows } = suanzhiPanel.state, i = rows.get(id);
        return sides.map(({ map, canvases }) => {
            const drawn = canvases[1]._container, copy = document.createElement("canvas");
            [copy.width, copy.height] = [drawn.width, drawn.height];
            const context = copy.getContext("2d", { willReadFrequently: true });
            context.drawImage(drawn, 0, 0);
            const at = (share) => {
                const box = suanzhiPanel.boundsLatLng(shapes, i);
                const where = L.latLng(box.getSouth() + share * (box.getNorth() - box.getSouth()),
                    box.getWest() + share * (box.getEast() - box.getWest()));
                const p = map.latLngToLayerPoint(where).subtract(canvases[1]._bounds.min);
                return [...context.getImageData(Math.round(p.x), Math.round(p.y), 1, 1).data];
            };
            return [at(0.1), at(0.5)];
        });
    }""", HOLED)
    (ring_before, hole_before), (ring_after, hole_after) = colours
    assert hole_before[3] == hole_after[3] == 0
    assert 100 < ring_before[3] < 160
    assert ring_after[3] == 255


def test_change_layer_can_be_switched_off(two):
    painted = """() => {
        const drawn = suanzhiPanel.state.sides[1].canvases[2]._container, copy = document.createElement("canvas");
        [copy.width, copy.height] = [drawn.width, drawn.height];
        const context = copy.getContext("2d", { willReadFrequently: true });
        context.drawImage(drawn, 0, 0);
        return context.getImageData(0, 0, copy.width, copy.height).data.some((v) => v > 0);
    }"""
    two.page.locator("input[data-layer='edge_centres']").uncheck()
    assert two.page.evaluate(painted) is True
    two.page.locator("input[data-layer='changes']").uncheck()
    assert two.page.evaluate(painted) is False


def test_tables_follow_the_class(two):
    page = two.page
    assert page.locator("section[data-class='large']").is_visible()
    assert not page.locator("section[data-class='edge']").is_visible()
    page.locator("input[name='site-class'][value='edge']").check(force=True)
    assert page.locator("section[data-class='edge']").is_visible()
    assert not page.locator("section[data-class='large']").is_visible()
    page.locator("section[data-class='edge'] button[data-parcel]").first.click()
    assert page.locator(".detail").is_visible()


def test_english_page_fits_a_phone(pages, pages_of_two):
    seen = pages.open(pages_of_two / "en" / "compare.html", width=390, height=800)
    assert "became eligible" in seen.page.locator(".tables").inner_text()
    assert seen.page.evaluate("() => document.documentElement.scrollWidth <= window.innerWidth + 1")
    seen.checked()
