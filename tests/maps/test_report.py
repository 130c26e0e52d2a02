"""The report: whole, escaped, every clause in it, and drawn from the study's own figures."""

from __future__ import annotations

import dataclasses
import re
from html import escape, unescape
from html.parser import HTMLParser
from xml.etree import ElementTree

import numpy as np
import pytest
import shapely

from maps import report_figures, report_sites
from maps.report import render_report
from maps.report_figures import MapSheet, spread
from siting.tables import summary_by_rule, top_rows

VOID = {"meta", "br", "wbr"}


class _Outline(HTMLParser):
    """Keeps the open elements, and every text by the element that holds it."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.faults: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        if not self.open or self.open.pop() != tag:
            self.faults.append(tag)


def _outline(html: str) -> _Outline:
    outline = _Outline()
    outline.feed(html)
    return outline


@pytest.mark.parametrize("language", ["zh", "en"])
def test_the_document_is_well_formed_and_alone(small_result, language):
    html = render_report(small_result, language=language)
    outline = _outline(html)
    assert outline.faults == []
    assert outline.open == []
    assert {tag for tag, _ in outline.tags}.isdisjoint({"script", "img", "iframe", "link", "object", "embed", "form"})
    assert not [name for _, attrs in outline.tags for name in attrs if name.startswith("on") or name == "src"]
    assert re.findall(r"(?:https?:)?//[a-z]", html.replace("http://www.w3.org/2000/svg", "")) == []
    for drawing in re.findall(r"<svg.*?</svg>", html, flags=re.DOTALL):
        ElementTree.fromstring(drawing)


@pytest.mark.parametrize("language", ["zh", "en"])
def test_hostile_names_are_shown_and_not_run(small_result, language):
    attack = '"><script>alert(1)</script><b onmouseover="x'
    layers = small_result.city_layers
    source = dataclasses.replace(layers.provenance[0], attribution=attack, licence=attack, datum=attack)
    pack = small_result.pack
    zones = tuple(dataclasses.replace(z, title=dataclasses.replace(z.title, zh=attack, en=attack), colour=attack)
                  for z in pack.zones)
    units = small_result.units.assign(name_zh=attack, name_en=attack)
    result = dataclasses.replace(
        small_result, units=units, pack=dataclasses.replace(pack, zones=zones),
        study=dataclasses.replace(small_result.study, name=attack),
        city_layers=dataclasses.replace(layers, provenance=(source, *layers.provenance[1:])))
    html = render_report(result, language=language)
    outline = _outline(html)
    assert outline.faults == []
    assert "script" not in {tag for tag, _ in outline.tags}
    assert not [name for _, attrs in outline.tags for name in attrs if name.startswith("on")]
    assert escape(attack) in html


def test_every_mark_leads_to_its_clause(small_result):
    html = render_report(small_result, language="zh")
    marks = set(re.findall(r'href="#(clause-\d+)"', html))
    places = re.findall(r'id="(clause-\d+)"', html)
    assert marks == set(places)
    assert len(places) == len(set(places)) == 3
    quotes = {p.citation.quote for p in small_result.pack.permissions} | {
        c.citation.quote for c in small_result.pack.criteria}
    last = unescape(html[html.index("引用条文"):])
    assert all(quote in last for quote in quotes)


def test_numbers_are_those_of_the_study(small_result):
    html = unescape(render_report(small_result, language="en"))
    for scores in small_result.scores:
        best = top_rows(small_result, scores.site_class.class_id)[0]
        assert f"{scores.score[best]:.4f}" in html
        assert f"{int(scores.eligible.sum())} of {len(scores.score)} candidates are eligible" in html
    railway = summary_by_rule(small_result, "large").set_index("rule_id").loc["GB-A-railway"]
    area_ha = f"{railway['area_m2'] / 1e4:,.2f}"
    assert f'<td class="number">{railway["n_broken"]}</td><td class="number">{area_ha}</td>' in html
    assert "15.00 / 17.50 (85.71 %), points 2 / 3" in html
    assert "proven optimal" in html


def test_what_is_lacking_is_said(small_result):
    html = render_report(small_result, language="zh")
    front = html[:html.index('id="section-2"')]
    assert "并非实测数据" in front
    assert "合成" in front
    for word in ("断裂退距", "草案，引用前须核对正式文本", "规划文本为征求意见稿。", "全市时延差异小于 0.5 毫秒。",
                 "演示数据"):
        assert word in html
    assert "未检验" in html


def test_a_study_without_edge_centres_or_sites_still_reports(small_result):
    scores = small_result.scores[0]
    none = dataclasses.replace(
        scores, rank=np.zeros_like(scores.rank),
        exclusions=dataclasses.replace(scores.exclusions, shortfall=np.ones_like(scores.exclusions.shortfall)))
    result = dataclasses.replace(small_result, scores=(none,), edge_plan=None, facts=())
    for language, sentence in (("zh", "没有合格地块。"), ("en", "No parcel is eligible.")):
        html = render_report(result, language=language)
        assert sentence in html
        assert _outline(html).faults == []
    assert "No edge centres were placed" in html


def test_one_feed_is_enough_to_report_an_edge_centre(small_result):
    plan = small_result.edge_plan
    lacking = plan.edge_centres.assign(feed_b_id=None, feed_b_distance_m=np.inf, feed_b_voltage_kv=np.nan)
    html = render_report(dataclasses.replace(
        small_result, edge_plan=dataclasses.replace(plan, edge_centres=lacking)), language="zh")
    assert '<td class="text">–</td><td class="number">–</td><td class="number">–</td>' in html


def test_the_same_study_gives_the_same_report(small_result):
    slower = dataclasses.replace(small_result, timings_s={"score": 42.0})
    assert render_report(small_result, language="zh") == render_report(slower, language="zh")


def test_a_map_keeps_shape_hole_and_scale():
    area = shapely.box(0, 0, 10_000, 5_000)
    sheet = MapSheet(area, "test")
    holed = shapely.box(2_000, 1_000, 6_000, 4_000).difference(shapely.box(3_000, 2_000, 4_000, 3_000))
    sheet.shapes([holed, shapely.box(8_000, 4_000, 8_001, 4_001)], 'fill="red"')
    path = re.search(r'd="([^"]+)"', sheet.parts[0]).group(1)
    outer, hole, speck = re.findall(r"M[^M]+z", path)

    def area_px(ring: str) -> float:
        xy = np.array(re.findall(r"([\d.]+) ([\d.]+)", ring), dtype=float)
        x, y = xy.T
        return float(np.sum(x * np.roll(y, -1) - np.roll(x, -1) * y) / 2)

    assert abs(area_px(outer)) == pytest.approx(12e6 * sheet.scale**2, rel=0.01)
    # The hole is wound against its outline, so that the fill leaves it open.
    assert area_px(hole) == pytest.approx(-area_px(outer) / 12, rel=0.01)
    assert "h2.2v2.2" in speck
    bar = re.search(r'width="([\d.]+)" height="6" fill="#222"', sheet.render("en"))
    assert 2 * float(bar.group(1)) == pytest.approx(2_000 * sheet.scale, abs=0.2)
    assert "2 km" in sheet.render("en")


def test_signs_on_one_spot_are_spread_within_the_sheet():
    moved = spread(np.array([[50.0, 50.0]] * 6 + [[300.0, 300.0]]), 20.0, (10, 400), (10, 400))
    apart = np.hypot(*(moved[:, None] - moved[None]).transpose(2, 0, 1))
    np.fill_diagonal(apart, np.inf)
    assert apart.min() > 19.5
    assert moved.min() >= 10
    assert moved.max() <= 400
    assert moved[-1].tolist() == [300.0, 300.0]


def test_many_specks_fill_the_cells_of_a_grid_and_none_is_lost(monkeypatch):
    monkeypatch.setattr(report_figures, "MOST_SHAPES", 10)
    rng = np.random.default_rng(1)
    corners = rng.uniform(0, 9_000, (3000, 2))
    specks = [shapely.box(x, y, x + 5, y + 5) for x, y in corners]
    sheet = MapSheet(shapely.box(0, 0, 10_000, 10_000), "test")
    sheet.shapes([*specks, shapely.box(9_200, 9_200, 9_800, 9_800)], 'fill="red"')
    grid, large = (re.search(r'd="([^"]*)"', part).group(1) for part in sheet.parts)
    bars = np.array(re.findall(r"M([\d.]+) ([\d.]+)h([\d.]+)v2.2", grid), dtype=float)
    assert len(bars) < 3000
    assert len(re.findall("M", large)) == 1
    for x, y in sheet.to_sheet(corners + 2.5):
        inside = (x >= bars[:, 0] - 0.1) & (x <= bars[:, 0] + bars[:, 2] + 0.1) & (y >= bars[:, 1] - 0.1)
        assert (inside & (y <= bars[:, 1] + 2.3)).any()


def test_the_caption_says_that_parcels_were_merged(small_result, monkeypatch):
    assert "合并为网格" not in render_report(small_result, language="zh")
    monkeypatch.setattr(report_sites, "MOST_SHAPES", 10)
    assert "合并为网格" in render_report(small_result, language="zh")
