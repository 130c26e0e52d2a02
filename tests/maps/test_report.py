"""The report: whole, escaped, every clause in it, and drawn from the study's own figures."""

from __future__ import annotations

import base64
import dataclasses
import re
from html import escape, unescape
from html.parser import HTMLParser
from xml.etree import ElementTree

import numpy as np
import pytest
import shapely
from rasterio.errors import NotGeoreferencedWarning
from rasterio.io import MemoryFile
from shapely import MultiPolygon, Polygon

from maps import report_sites
from maps.report import render_report
from maps.report_figures import BLUE, GREY, MapSheet, spread
from maps.report_raster import paint_parcels
from siting.census import count_all
from siting.tables import summary_by_rule, top_rows
from siting.types import SiteScores

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
    result = dataclasses.replace(small_result, scores=(none,), census=count_all(small_result.candidates, (none,)),
                                 edge_plan=None, facts=())
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


def _pixels(sheet: MapSheet) -> np.ndarray:
    """Return the colour codes of the image painted last, as another reader of PNG sees them."""
    content = base64.b64decode(re.search(r"base64,([^\"]+)", sheet.parts[-1]).group(1))
    with pytest.warns(NotGeoreferencedWarning), MemoryFile(content) as file, file.open() as image:
        assert image.colormap(1)[0][3] == 0
        assert [image.colormap(1)[i][:3] for i in (1, 2)] == [(0xC9, 0xC9, 0xC9), (0, 0x72, 0xB2)]
        return image.read(1)


def test_many_parcels_are_painted_where_they_lie_and_no_eligible_one_is_lost():
    area = shapely.box(0, 0, 10_000, 10_000)
    rng = np.random.default_rng(1)
    specks = [shapely.box(x, y, x + 1, y + 1) for x, y in rng.uniform(0, 8_500, (3000, 2))]
    holed = shapely.box(9_100, 9_100, 9_900, 9_900).difference(shapely.box(9_300, 9_300, 9_700, 9_700))
    shapes = np.array([*specks, holed, MultiPolygon([shapely.box(0, 9_500, 100, 9_600), specks[0]])], dtype=object)
    kept = np.arange(len(shapes)) % 3 == 0
    kept[-2:] = False, True
    sheet = MapSheet(area, "test")
    paint_parcels(sheet, shapes, kept, (GREY, BLUE))
    codes = _pixels(sheet)
    height, width = codes.shape
    assert (width, height) == (2000, round(2 * sheet.height))
    middles = np.floor(2 * sheet.to_sheet(shapely.get_coordinates(shapely.centroid(shapes[:3000])))).astype(int)
    found = codes[middles[:, 1], middles[:, 0]]
    assert (found[kept[:3000]] == 2).all()
    assert (found > 0).all()
    # Every pixel centre tells for itself whether it is in the ground of a larger parcel.
    centres = np.array([(column + 0.5, row + 0.5) for row in range(250) for column in range(1700, width)]) / 2
    ground = shapely.transform(holed, sheet.to_sheet)
    inside = shapely.contains_xy(ground, centres).reshape(250, -1)
    assert inside.sum() > 5000
    np.testing.assert_array_equal(codes[:250, 1700:] == 1, inside)


def test_what_was_drawn_serves_the_next_class():
    shapes = np.array([shapely.box(x, 100, x + 400, 500) for x in range(0, 5000, 500)], dtype=object)
    first, second, anew = (MapSheet(shapely.box(0, 0, 5_000, 1_000), "test") for _ in range(3))
    drawn = paint_parcels(first, shapes, np.ones(10, dtype=bool), (GREY, BLUE))
    paint_parcels(second, shapes, np.arange(10) < 4, (GREY, BLUE), drawn)
    paint_parcels(anew, shapes, np.arange(10) < 4, (GREY, BLUE))
    np.testing.assert_array_equal(_pixels(second), _pixels(anew))
    assert (_pixels(first) == 2).sum() == (_pixels(second) > 0).sum()


def test_a_parcel_that_is_missing_or_far_away_is_not_painted():
    shapes = np.array([None, shapely.box(-9e6, 0, -9e6 + 1, 1), Polygon(), shapely.box(10, 10, 20, 20)], dtype=object)
    sheet = MapSheet(shapely.box(0, 0, 1_000, 1_000), "test")
    paint_parcels(sheet, shapes, np.ones(4, dtype=bool), (GREY, BLUE))
    assert (_pixels(sheet) == 2).sum() == pytest.approx((10 * 2 * sheet.scale) ** 2, rel=0.1)


def test_a_report_of_many_parcels_is_an_image_and_says_so(small_result, monkeypatch):
    few = render_report(small_result, language="zh")
    assert "像元绘出" not in few
    assert "data:" not in few
    monkeypatch.setattr(report_sites, "MOST_SHAPES", 10)
    many = render_report(small_result, language="zh")
    assert "像元绘出" in many
    assert many.count('href="data:image/png;base64,') == len(small_result.scores)
    assert "img-src data:" in many[:many.index("<title>")]


def test_a_result_that_holds_only_its_best_reports_the_counts_of_all(small_result):
    rows = np.flatnonzero(small_result.scores[0].eligible)[:12]
    kept = dataclasses.replace(small_result, candidates=small_result.candidates.iloc[rows].reset_index(drop=True),
                               scores=tuple(_taken(scores, rows) for scores in small_result.scores))
    html = unescape(render_report(kept, language="en"))
    for scores in small_result.scores:
        assert f"{int(scores.eligible.sum())} of 32 candidates are eligible" in html
    assert "showing the 12 candidates kept in detail, of 32" in html
    everything = unescape(render_report(small_result, language="en"))
    start, end = "Eligibility</h2>", "Top parcels</h2>"
    assert html[html.index(start):html.index(end)] == everything[everything.index(start):everything.index(end)]


def _taken(scores: SiteScores, rows: np.ndarray) -> SiteScores:
    table = scores.exclusions
    return dataclasses.replace(
        scores, raw=scores.raw[rows], score=scores.score[rows], rank=scores.rank[rows],
        data_coverage=scores.data_coverage[rows], permissions=tuple(scores.permissions[i] for i in rows),
        exclusions=dataclasses.replace(table, measured=table.measured[rows], shortfall=table.shortfall[rows]))
