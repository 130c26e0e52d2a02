"""The map in the frame of a notebook: it opens there, asked of nobody, and cannot reach the page around it."""

from __future__ import annotations

import pytest

from maps.notebook import show

pytestmark = pytest.mark.browser


def test_map_opens_inside_the_frame(pages, tmp_path, small_study):
    path = tmp_path / "cell.html"
    html = show(small_study.build_small_result())._repr_html_()
    path.write_text(f"<!DOCTYPE html><meta charset='utf-8'><body>{html}</body>", encoding="utf-8")
    seen = pages.open(path, ready="() => true")
    frame = next(f for f in seen.page.frames if f != seen.page.main_frame)
    frame.wait_for_function("() => window.suanzhi")
    frame.evaluate("() => window.suanzhi.ready")
    assert frame.evaluate("() => suanzhi.stats().parcels") == 32
    assert frame.evaluate("() => { try { return Boolean(window.parent.document); } catch { return false; } }") is False
    assert seen.complaints == []
    assert [url for url in seen.requests if url.startswith("http")] == []
