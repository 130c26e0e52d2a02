from __future__ import annotations

from pathlib import Path

import geopandas as gpd
import numpy as np
import pandas as pd
from shapely import Point

from layers.exports.tables import write_csv


def test_excel_opens_it_with_chinese_intact(tmp_path: Path) -> None:
    frame = gpd.GeoDataFrame({"parcel_id": ["甲", "乙"], "area_m2": [1.5, np.nan], "ok": [True, False]},
                             geometry=[Point(0, 0), Point(1, 1)], crs="EPSG:4547")
    path = write_csv(frame, tmp_path / "t.csv")
    assert path.read_bytes().decode("utf-8") == "\ufeffparcel_id,area_m2,ok\n甲,1.5,True\n乙,,False\n"


def test_headings_and_order(tmp_path: Path) -> None:
    table = pd.DataFrame({"a": [1], "b": ["x,y"], "c": [("p", "q")]})
    path = write_csv(table, tmp_path / "t.csv", columns=[("c", "原因"), ("b", "名称")])
    assert path.read_text(encoding="utf-8-sig") == "原因,名称\np; q,\"x,y\"\n"


def test_text_is_never_a_formula(tmp_path: Path) -> None:
    cells = ["=HYPERLINK(\"x\")", "+1+1", "@SUM(A1)", "-2", "-a", "\tx", "plain", None]
    path = write_csv(pd.DataFrame({"name": cells, "n": range(-1, 7)}), tmp_path / "t.csv")
    back = pd.read_csv(path, encoding="utf-8-sig")
    assert back["name"].tolist()[:7] == ["'=HYPERLINK(\"x\")", "'+1+1", "'@SUM(A1)", "-2", "'-a", "'\tx", "plain"]
    assert back["n"].tolist() == list(range(-1, 7))


def test_same_table_gives_the_same_bytes_and_an_empty_one_its_heading(tmp_path: Path) -> None:
    table = pd.DataFrame({"a": [0.1, 1 / 3], "b": ["x", None]})
    assert write_csv(table, tmp_path / "1.csv").read_bytes() == write_csv(table, tmp_path / "2.csv").read_bytes()
    assert write_csv(table.iloc[:0], tmp_path / "3.csv").read_text(encoding="utf-8-sig") == "a,b\n"
