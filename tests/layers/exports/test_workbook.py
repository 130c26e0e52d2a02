from __future__ import annotations

import sys
import zipfile
from collections.abc import Callable
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from gis.errors import ExportError
from layers.exports.bundles import Bundle
from layers.exports.workbook import write_workbook

Make = Callable[..., Bundle]
MAIN = "{http://schemas.openxmlformats.org/spreadsheetml/2006/main}"


def sheets(path: Path) -> dict[str, list[list[str | float | None]]]:
    """Read a workbook by its XML alone, formulas and links refused."""
    with zipfile.ZipFile(path) as archive:
        assert archive.testzip() is None
        names = [s.get("name") or "" for s in ET.fromstring(archive.read("xl/workbook.xml")).iter(f"{MAIN}sheet")]
        found = {}
        for number, name in enumerate(names, 1):
            root = ET.fromstring(archive.read(f"xl/worksheets/sheet{number}.xml"))
            assert not list(root.iter(f"{MAIN}f"))
            assert not list(root.iter(f"{MAIN}hyperlink"))
            found[name] = [[cell(c) for c in row] for row in root.iter(f"{MAIN}row")]
    return found


def cell(element: ET.Element) -> str | float | None:
    if element.get("t") == "inlineStr":
        return "".join(t.text or "" for t in element.iter(f"{MAIN}t"))
    text = element.findtext(f"{MAIN}v")
    return None if text is None else float(text)


def test_sheets_hold_values_and_no_formulas(bundle: Make, tmp_path: Path) -> None:
    made = bundle("4547")
    found = sheets(write_workbook(made, tmp_path / "s.xlsx", layers=["parcels", "edge_centres", "absent"]))
    assert list(found) == ["概要", "候选地块", "边缘数据中心", "数据"]
    heading, *rows = found["候选地块"]
    assert heading[:2] == ["地块编号", "名称"]
    assert heading[-2:] == ["东坐标_米（EPSG:4547）", "北坐标_米（EPSG:4547）"]
    assert [row[0] for row in rows] == ["P1", "P2", "P3", "P4"]
    assert rows[2][1] == "=1+1"
    assert rows[0][1] == made.layers[0].frame["name"].tolist()[0]
    assert "是" in rows[0]
    assert "否" in rows[1]
    assert 0.123456 in rows[3]
    easting = rows[0][-2]
    assert isinstance(easting, float)
    assert 4e5 < easting < 6e5
    assert found["概要"][1] == ["=2+2", 1.0]


def test_same_study_gives_the_same_bytes(bundle: Make, tmp_path: Path) -> None:
    one, two = (write_workbook(bundle(), tmp_path / f / "s.xlsx", layers=["parcels"]).read_bytes() for f in "ab")
    assert one == two


def test_more_rows_than_a_sheet_are_refused(bundle: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("layers.exports.workbook.MOST_ROWS", 3)
    with pytest.raises(ExportError, match="export it as gpkg"):
        write_workbook(bundle(), tmp_path / "s.xlsx", layers=["parcels"])
    assert list(tmp_path.iterdir()) == []


def test_missing_package_is_named(bundle: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "xlsxwriter", None)
    with pytest.raises(ExportError, match=r"pip install suanzhi\[xlsx\]"):
        write_workbook(bundle(), tmp_path / "s.xlsx", layers=["parcels"])
