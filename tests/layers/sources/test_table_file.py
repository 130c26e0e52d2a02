from __future__ import annotations

import zipfile
from pathlib import Path

import pandas as pd
import pyogrio
import pytest

from gis.errors import CrsError, LayerError, LayerNotFoundError, SchemaError, UsageError
from layers.sources.table_file import read_cells
from layers.sources.types import LoadContext, RawVector
from layers.sources.vector_file import read
from layers.types import LayerSpec

CONTEXT = LoadContext(metric_crs="EPSG:4547", frames={})
ROWS = pd.DataFrame({"编号": ["0101", "0102", None, "0104"], "站名": ["嵩山站", "官渡站", None, "惠济站"],
                     "经度": [113.123456789, 113.5, None, None], "纬度": [34.7, 34.8, None, 34.9],
                     "投运": pd.to_datetime(["2021-04-03", None, None, None]),
                     "容量": ["2×63MVA", "50", None, "1.2万千伏安"]})
DEGREES = (("lon", "经度"), ("lat", "纬度"), ("name", "站名"))
ZONES = "SRID=4490;POLYGON ((113 34, 113.1 34, 113.1 34.1, 113 34))"


def _read(path: Path, **more: object) -> RawVector:
    return read(LayerSpec(name="substations", source="vector_file", path=str(path), **more), CONTEXT)  # type: ignore[arg-type]


@pytest.fixture
def workbook(tmp_path: Path) -> Path:
    path = tmp_path / "表.xlsx"
    pyogrio.write_dataframe(ROWS, path, layer="变电站")
    return path


def test_workbook_with_coordinates(workbook: Path) -> None:
    raw = _read(workbook, columns=DEGREES)
    assert raw.n_read == 3  # the blank row is no row
    assert raw.frame["编号"].tolist() == ["0101", "0102"]  # a code keeps its zeros
    assert raw.frame["name"].tolist() == ["嵩山站", "官渡站"]
    assert raw.frame["容量"].tolist() == ["2×63MVA", "50"]
    assert raw.frame["投运"].iloc[0].startswith("2021/04/03")
    assert raw.frame.geometry.x.tolist() == [113.123456789, 113.5]
    assert [remark.feature_id for remark in raw.remarks] == ["#3"]
    assert raw.files == (str(workbook),)


def test_condition_and_sheet(workbook: Path) -> None:
    assert _read(workbook, columns=DEGREES, where="\"编号\" = '0102'").frame["name"].tolist() == ["官渡站"]
    pyogrio.write_dataframe(ROWS.iloc[:1], workbook, layer="第二", append=True)
    with pytest.raises(LayerError, match="变电站, 第二"):
        _read(workbook, columns=DEGREES)
    assert _read(workbook, columns=DEGREES, table="第二").n_read == 1
    with pytest.raises(LayerNotFoundError, match="no sheet '第三'"):
        _read(workbook, columns=DEGREES, table="第三")


def test_all_cells_text_and_a_title_above_the_names(tmp_path: Path) -> None:
    path = tmp_path / "t.xlsx"
    rows = [["郑州市变电站一览表", None, None], ["lon", "lat", "lat"], ["113.5", "34.7", "a"]]
    pyogrio.write_dataframe(pd.DataFrame(rows[1:], columns=["郑州市变电站一览表", "b", "c"]), path)
    with pytest.raises(SchemaError, match="郑州市变电站一览表"):
        _read(path)
    raw = _read(path, options=(("header_row", 2),))
    assert raw.n_read == 1
    assert raw.frame["lat.1"].tolist() == ["a"]
    csv = tmp_path / "t.csv"
    csv.write_text("一览表,,\nlon,lat,n\n113.5,34.7,a\n", encoding="gbk")
    assert _read(csv, options=(("header_row", 2),)).frame["n"].tolist() == ["a"]
    with pytest.raises(UsageError, match="header_row"):
        _read(csv, options=(("header_row", 0),))


@pytest.mark.parametrize("ending", [".csv", ".xlsx"])
def test_well_known_text(tmp_path: Path, ending: str) -> None:
    path = tmp_path / f"t{ending}"
    table = pd.DataFrame({"坐标串": ["POLYGON ((113 34, 113.1 34, 113.1 34.1, 113 34))", ZONES, "没有", None,
                                  "POINT Z (113 34 5)"], "名称": list("abcde")})
    if ending == ".csv":
        table.to_csv(path, index=False, encoding="gb18030")
    else:
        pyogrio.write_dataframe(table, path)
    raw = _read(path, columns=(("wkt", "坐标串"), ("name", "名称")))
    assert raw.n_read == 5
    assert raw.frame["name"].tolist() == ["a", "b", "e"]
    assert raw.frame.geom_type.tolist() == ["Polygon", "Polygon", "Point"]
    assert not raw.frame.geometry.has_z.any()
    assert raw.frame.crs.to_epsg() == 4490
    assert [(remark.feature_id, remark.action) for remark in raw.remarks] == [("#3", "rejected"), ("#4", "rejected")]
    assert _read(path, columns=(("wkt", "坐标串"),), crs="EPSG:4547").frame.crs.to_epsg() == 4547


def test_well_known_text_without_or_with_several_crs(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text('wkt\n"POINT (460000 3840000)"\n', encoding="utf-8")
    assert _read(path, columns=(("wkt", "wkt"),)).frame.crs is None  # the loader asks for it
    path.write_text('wkt\n"SRID=4547;POINT (460000 3840000)"\n"SRID=4490;POINT (113 34)"\n', encoding="utf-8")
    with pytest.raises(CrsError, match="4490, 4547"):
        _read(path, columns=(("wkt", "wkt"),))


@pytest.mark.parametrize(("encoding", "declared", "said"), [
    ("utf-8-sig", "", ""), ("utf-8", "", ""), ("gbk", "", "GB18030"), ("utf-16", "", ""), ("utf-8", "GBK", "UTF-8"),
    ("gbk", "UTF-8", "GB18030"), ("gbk", "GBK", ""),
])
def test_encoding_of_a_table(tmp_path: Path, encoding: str, declared: str, said: str) -> None:
    path = tmp_path / "t.csv"
    path.write_text("站名,lon,lat\n嵩山站,113.5,34.7\n官渡,113.5,34.7\n", encoding=encoding)
    raw = _read(path, encoding=declared)
    assert raw.frame["站名"].tolist() == ["嵩山站", "官渡"]
    assert [said in note.en for note in raw.reading_notes] == ([True] if said else [])


def test_broken_workbooks(tmp_path: Path, workbook: Path) -> None:
    cut = tmp_path / "cut.xlsx"
    cut.write_bytes(workbook.read_bytes()[:-200])
    with pytest.raises(LayerError, match="cannot be unpacked"):
        _read(cut)
    with zipfile.ZipFile(cut, "w") as archive:
        archive.writestr("[Content_Types].xml", "no")
    with pytest.raises(LayerError, match="workbook"):
        _read(cut)
    with zipfile.ZipFile(cut, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("xl/worksheets/sheet1.xml", b" " * 5_000_000)
    with pytest.raises(LayerError, match="unpack_ratio"):
        _read(cut)


def test_real_power_plants(shared_data: Path) -> None:
    raw = _read(shared_data / "national" / "wri_china_power_plants.csv", where="Fuel = 'Wind'",
                columns=(("lon", "Longitude"), ("lat", "Latitude"), ("name", "Name")))
    assert raw.n_read > 100
    assert raw.reading_notes == ()


@pytest.mark.parametrize(("end", "is_told"), [("", False), ("多余", True)])
def test_rows_longer_than_the_heading_keep_their_columns(tmp_path: Path, end: str, is_told: bool) -> None:
    path = tmp_path / "long.csv"
    path.write_text(f"lon,lat,name\n113.6,34.7,甲,{end}\n113.7,34.8,乙,{end}\n", encoding="utf-8")
    table, notes = read_cells(path, LayerSpec(name="demand", source="vector_file", path=str(path)))
    assert table["lon"].tolist() == ["113.6", "113.7"]
    assert table["name"].tolist() == ["甲", "乙"]
    assert any("more cells" in note.en for note in notes) == is_told
