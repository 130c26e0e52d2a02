"""The report is printed by a real browser, fetches nothing, and a failed print leaves the old file whole."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest

from gis.errors import ExportError
from maps import report_pdf
from maps.report import render_report
from maps.report_pdf import find_browser, print_pdf

needs_browser = pytest.mark.skipif(shutil.which("chromium") is None, reason="chromium is not installed")


@needs_browser
def test_the_report_becomes_a_pdf_of_several_a4_pages(small_result, tmp_path: Path) -> None:
    page = tmp_path / "报告.html"
    page.write_text(render_report(small_result, language="zh"), encoding="utf-8")
    written = print_pdf(page, tmp_path / "report.pdf")
    content = written.read_bytes()
    assert content.startswith(b"%PDF-")
    assert content.rstrip().endswith(b"%%EOF")
    sizes = [tuple(round(float(v)) for v in m) for m in re.findall(
        rb"/MediaBox\s*\[\s*0\s+0\s+([\d.]+)\s+([\d.]+)\s*\]", content)]
    assert len(sizes) >= 3
    assert all(abs(w - 595) <= 2 and abs(h - 842) <= 2 for w, h in sizes)
    # Chinese text is set with an embedded font, not left to the reader's machine.
    assert b"/FontFile" in content


def test_a_failed_print_leaves_the_old_file(tmp_path: Path) -> None:
    page, old = tmp_path / "report.html", tmp_path / "report.pdf"
    page.write_text("<p>x</p>", encoding="utf-8")
    old.write_bytes(b"old")
    with pytest.raises(ExportError, match="wrote no PDF"):
        print_pdf(page, old, browser=Path(shutil.which("true") or "/bin/true"))
    with pytest.raises(ExportError, match="cannot be started"):
        print_pdf(page, old, browser=tmp_path / "nothing")
    with pytest.raises(ExportError, match="run the study first"):
        print_pdf(tmp_path / "absent.html", old)
    assert old.read_bytes() == b"old"


def test_a_machine_without_a_browser_is_told_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(report_pdf.shutil, "which", lambda name: None)
    monkeypatch.setattr(report_pdf, "_PLACES", ())
    with pytest.raises(ExportError, match="install one"):
        find_browser()
