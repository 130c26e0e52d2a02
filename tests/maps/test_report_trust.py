"""The chapter on trust: what it shows is what was found, in both languages, and names are shown and not run."""

from __future__ import annotations

import dataclasses
from html import unescape
from html.parser import HTMLParser
from xml.etree import ElementTree

import numpy as np
import pytest

from maps.report_charts import interval_chart, lines_chart
from maps.report_page import Page
from maps.report_trust import trust
from siting.trust import assess_trust
from siting.types import StudyResult, Weighting
from siting.validation import ShareRow, ShareTest
from siting.weighting import chosen_weights

SVG = "{http://www.w3.org/2000/svg}"


class _Rows(HTMLParser):
    """Keeps the cells of every row, and the elements left open."""

    def __init__(self) -> None:
        super().__init__()
        self.rows: list[list[str]] = []
        self.open: list[str] = []

    def handle_starttag(self, tag, attrs):
        if tag not in ("br", "wbr", "meta"):
            self.open.append(tag)
        if tag == "tr":
            self.rows.append([])
        if tag in ("td", "th"):
            self.rows[-1].append("")

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if {"td", "th"} & set(self.open):
            self.rows[-1][-1] += data


@pytest.fixture
def assessed(small_result) -> StudyResult:
    result = dataclasses.replace(small_result, edge_plan=None)
    study = dataclasses.replace(result.study, weighting=(
        Weighting(class_id="large", method="mix", shares=(("pack", 1.0), ("best_worst", 1.0)), best="power_distance_m",
                  worst="policy_fit", best_over=(("policy_fit", 4.0),), over_worst=(("power_distance_m", 4.0),)),))
    choices = (chosen_weights(result.pack, study, "large"), chosen_weights(result.pack, study, "edge"))
    return dataclasses.replace(result, trust=assess_trust(result, n_draws=30), weight_choices=choices)


@pytest.mark.parametrize("language", ["zh", "en"])
def test_the_chapter_says_what_was_found(assessed, language):
    html = trust(Page(assessed, language))
    found = _Rows()
    found.feed(html)
    assert found.open == []
    text = unescape(html)
    for fact in assessed.trust.facts:
        assert fact.to(language) in text
    for own in assessed.trust.classes:
        for site in own.sites:
            row = next(r for r in found.rows if len(r) > 5 and r[1] == site.parcel_id
                       and r[5] == f"{site.rank_low}–{site.rank_high}" and r[-1] == site.text.to(language))
            assert row[2:5] == [f"{p:.0%}" for p in site.in_top]
    for choice in assessed.weight_choices:
        assert choice.text.to(language) in text
    heads = [r for r in found.rows if any("best-worst" in c or "最优最劣" in c for c in r)]
    assert heads


@pytest.mark.parametrize("language", ["zh", "en"])
def test_drawings_are_whole_and_hostile_names_are_shown(assessed, language):
    html = trust(Page(assessed, language))
    assert "<script" not in html and "onerror=alert" not in html.replace("&lt;img src=x onerror=alert(1)&gt;", "")
    start = 0
    n_drawings = 0
    while (start := html.find('<svg class="map"', start)) >= 0:
        ElementTree.fromstring(html[start:html.index("</svg>", start) + 6])
        n_drawings, start = n_drawings + 1, start + 1
    assert n_drawings >= 2 * len(assessed.trust.classes)


def test_nothing_is_written_where_nothing_was_assessed(small_result):
    assert trust(Page(dataclasses.replace(small_result, trust=None, weight_choices=()), "zh")) == ""


def test_weights_are_shown_without_draws(assessed):
    html = trust(Page(dataclasses.replace(assessed, trust=None), "en"))
    assert "Weights: " in html and "Rank interval" not in html


def test_shares_and_regret_are_drawn(assessed):
    clause = assessed.pack.zones[0].citation
    test = ShareTest(rows=(ShareRow(unit_id="gaoxin", known=0.6, planned=0.25, eligible=0.5),
                           ShareRow(unit_id="", known=0.4, planned=0.75, eligible=0.5)),
                     moved=0.35, moved_by_area=0.1, verdict="in_part", text=assessed.trust.facts[0], citation=clause)
    found = dataclasses.replace(assessed.trust, validation=dataclasses.replace(assessed.trust.validation, shares=test))
    page = Page(dataclasses.replace(assessed, trust=found), "en")
    html = trust(page)
    assert "Gaoxin" in html and ">25.0%<" in html and "agrees in part" in html
    assert (clause.document, clause.heading, clause.quote) in page.clauses


def test_intervals_are_drawn_to_scale():
    drawing = ElementTree.fromstring(interval_chart("t", "rank", [("a<b", 1, 2, 10), ("c", 5, 5, 100)], "#000"))
    places = [float(c.get("cx", "nan")) for c in drawing.iter(f"{SVG}circle")]
    assert places[0] < places[1]
    texts = [t.text for t in drawing.iter(f"{SVG}text")]
    assert "a<b" in texts and "100" in texts
    ticks = {t.text: float(t.get("x", "nan")) for t in drawing.iter(f"{SVG}text")}
    assert ticks["100"] - ticks["10"] == pytest.approx(ticks["10"] - ticks["1"], abs=0.3)


def test_lines_end_where_their_shares_are():
    steps = np.linspace(-0.2, 0.2, 5).tolist()
    drawing = ElementTree.fromstring(lines_chart("t", "x", "y", steps, [("one", [1.0, 1, 1, 1, 1], "#111"),
                                                                        ("two", [0.5, 0.75, 1, 0.75, 0.5], "#222")]))
    lines = [[tuple(map(float, p.split(","))) for p in (line.get("points") or "").split()]
             for line in drawing.iter(f"{SVG}polyline")]
    assert len({y for _, y in lines[0]}) == 1 and lines[1][0][1] > lines[1][1][1] > lines[1][2][1] == lines[0][0][1]
    assert [x for x, _ in lines[0]] == sorted(x for x, _ in lines[0])
