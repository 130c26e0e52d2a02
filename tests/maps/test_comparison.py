"""The files of a comparison: nothing from data runs, every change is written, equal inputs give equal bytes."""

from __future__ import annotations

import csv
import dataclasses
import json
import re

import geopandas as gpd
import numpy as np
import pytest

from maps._packing_block import unpack_block
from maps.comparison import MOST_DRAWN, SHARED_SCRIPTS, change_table, render_comparison, write_comparison
from maps.comparison_phrases import PHRASES
from maps.outputs import write_outputs
from siting.comparison import CHANGE_WORDS, Comparison, compare_studies
from siting.finished_study import read_finished

BLOCK = re.compile(r'<script type="application/octet-stream" id="suanzhi-([\w-]+)" data-kind="\w+">([^<]*)</script>')


@pytest.fixture
def comparison(small_result, tmp_path) -> Comparison:
    """Two studies of which the later leaves the rule on water out; the parcels that it frees have hostile ids."""
    scores = []
    for own in small_result.scores:
        excludes = own.exclusions.excludes & np.array([r.rule_id != "water-overlap" for r in own.exclusions.rules])
        table = dataclasses.replace(own.exclusions, excludes=excludes)
        rank = np.zeros(len(own.rank), dtype=np.int64)
        order = np.argsort(-own.score, kind="stable")
        order = order[table.eligible[order]]
        rank[order] = np.arange(1, len(order) + 1)
        scores.append(dataclasses.replace(own, exclusions=table, rank=rank))
    study = dataclasses.replace(small_result.study, name="<b>later</b>",
                                mitigations=(("water-overlap", "<script>alert(3)</script>"),))
    write_outputs(small_result, tmp_path / "one")
    write_outputs(dataclasses.replace(small_result, study=study, scores=tuple(scores)), tmp_path / "two")
    return compare_studies(read_finished(tmp_path / "one"), read_finished(tmp_path / "two"))


def test_page_asks_for_nothing_and_runs_no_text_of_data(comparison):
    page = render_comparison(comparison, language="en")
    assert not re.search(r"<(?:script|link|img|iframe)\b[^>]*(?:src|href)\s*=", page)
    assert "default-src 'none'" in page
    assert "<script>alert" not in page
    assert "<img src=x" not in page
    assert "<b>later</b>" not in page
    assert "&lt;b&gt;later&lt;/b&gt;" in page
    assert "mitigated (&lt;script&gt;alert(3)&lt;/script&gt;)" in page
    assert '<html lang="en">' in page
    assert "<td>shall 5 % *</td>" in page
    assert "<td>必须 5 % *</td>" in render_comparison(comparison, language="zh")


def test_files_hold_every_change_with_its_shape(comparison, tmp_path):
    written = write_comparison(comparison, tmp_path / "out")
    table = change_table(comparison)
    with written.table_path.open(encoding="utf-8-sig", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["change_id"] for row in rows] == table["change_id"].tolist()
    assert {row["change"] for row in rows} <= set(CHANGE_WORDS)
    frame = gpd.read_file(written.layer_path)
    assert frame.crs.to_epsg() == 4326
    assert frame["parcel_id"].tolist() == table["parcel_id"].tolist()
    assert not frame.geometry.is_empty.any()
    freed = frame[(frame["cause"] == "rule") & (frame["site_class"] == "large")]
    assert set(freed["parcel_id"]) == {"<img src=x onerror=alert(1)>", "</script><script>alert(1)</script>"}
    collection = json.loads(written.layer_path.read_text(encoding="utf-8"))
    assert len({feature["id"] for feature in collection["features"]}) == len(rows)


def test_two_writes_are_equal_byte_for_byte(comparison, tmp_path):
    one, two = (write_comparison(comparison, tmp_path / name) for name in ("a", "b"))
    for name in ("page_path", "table_path", "layer_path"):
        assert getattr(one, name).read_bytes() == getattr(two, name).read_bytes()


def test_scores_on_the_page_are_those_of_the_studies(comparison):
    page = render_comparison(comparison)
    found = {name: unpack_block(text) for name, text in BLOCK.findall(page)}
    ids = found["study"][0]["ids"]
    arrays = found["parcels"][1]
    for side, study in enumerate((comparison.before, comparison.after)):
        for k, key in enumerate(study.classes):
            wanted = study.verdicts[f"{key}_score"].reindex(ids).fillna(-1.0).to_numpy()
            np.testing.assert_allclose(arrays[f"score_{side}_{k}"], wanted, atol=1e-6)


def test_very_many_parcels_are_drawn_only_where_they_matter(comparison, monkeypatch):
    assert MOST_DRAWN > 100_000
    monkeypatch.setattr("maps.comparison.MOST_DRAWN", 10)
    page = render_comparison(comparison)
    data = dict(BLOCK.findall(page))
    meta, _ = unpack_block(data["study"])
    told = {c.parcel_id for own in comparison.classes for c in own.changes}
    assert meta["is_partial"] is True
    assert set(meta["ids"]) == told


def test_browser_code_asks_for_phrases_that_are_there():
    from importlib.resources import files
    code = (files("maps") / "compare_panel" / "compare.js").read_text(encoding="utf-8")
    asked = set(re.findall(r'phrase\("(\w+)"', code)) | set(re.findall(r': "(layer_\w+)"', code))
    assert {"excluded", "layer_edge"} <= asked
    assert asked <= set(PHRASES)
    assert len(set(SHARED_SCRIPTS)) == len(SHARED_SCRIPTS)
