"""The example notebook runs, and a study in a notebook is a map and a table in which nothing of a layer runs."""

from __future__ import annotations

import ast
import json
import re
from html import unescape
from pathlib import Path
from typing import Any

from maps.folium_map import render_map
from maps.notebook import best_table, show

NOTEBOOK = Path(__file__).resolve().parents[2] / "docs" / "example.ipynb"


def run_cell(source: str, names: dict[str, Any]) -> Any:
    """Run a cell as a notebook does: the value of its last expression is what it shows."""
    body = ast.parse(source)
    last = body.body.pop() if body.body and isinstance(body.body[-1], ast.Expr) else None
    exec(compile(body, str(NOTEBOOK), "exec"), names)
    return None if last is None else eval(compile(ast.Expression(last.value), str(NOTEBOOK), "eval"), names)


def test_example_notebook_runs_and_shows_a_map_and_a_table():
    cells = json.loads(NOTEBOOK.read_text(encoding="utf-8"))["cells"]
    names: dict[str, Any] = {}
    shown = [run_cell("".join(cell["source"]), names) for cell in cells if cell["cell_type"] == "code"]
    assert all(cell.get("outputs", []) == [] for cell in cells)
    html = next(value for value in shown if hasattr(value, "_repr_html_") and "iframe" in value._repr_html_()
                )._repr_html_()
    best = names["result"].scores[0]
    first = names["result"].candidates["parcel_id"].iloc[int((best.rank == 1).nonzero()[0][0])]
    assert first in html[html.rindex("</iframe>"):]
    counts = next(value for value in shown if isinstance(value, dict))
    assert counts == {s.site_class.class_id: int(s.eligible.sum()) for s in names["result"].scores}
    assert len(shown[-1]) == 5


def test_frame_holds_the_map_itself(small_result):
    html = show(small_result, language="en", height_px=500)._repr_html_()
    (page,) = re.findall(r'srcdoc="([^"]*)"', html)
    assert unescape(page) == render_map(small_result, language="en")
    assert 'sandbox="allow-scripts' in html
    assert "allow-same-origin" not in html
    assert 'height="500"' in html


def test_table_lists_the_best_and_escapes_what_layers_say(small_result):
    small_result.candidates.loc[:, "parcel_id"] = [f"<b>{i}</b>" for i in range(len(small_result.candidates))]
    html = best_table(small_result, language="zh", n_best=3)
    assert html.count("<tr>") == 2 * (1 + 3)
    assert "<b>0" not in html
    assert "&lt;b&gt;" in html
    assert "大型数据中心" in html
