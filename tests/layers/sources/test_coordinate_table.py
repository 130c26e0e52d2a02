from __future__ import annotations

from pathlib import Path

import pytest

from gis.errors import CrsError, LayerError, SchemaError
from layers.sources.types import LoadContext, RawVector
from layers.sources.vector_file import read
from layers.types import LayerSpec

CONTEXT = LoadContext(metric_crs="EPSG:4547", frames={})
TEXT = "编号,站名,lon,lat,等级\n010,嵩山,113.5,34.7,3\n011,,113.6,34.8,12\n012,无坐标,,,5\n013,坏,东,34.8,\n"


def _read(path: Path, **more: object) -> RawVector:
    return read(LayerSpec(name="substations", source="vector_file", path=str(path), **more), CONTEXT)  # type: ignore[arg-type]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "gb18030"])
def test_points_and_rows_without_coordinates(tmp_path: Path, encoding: str) -> None:
    path = tmp_path / "s.csv"
    path.write_text(TEXT, encoding=encoding)
    raw = _read(path, columns=(("name", "站名"), ("substation_id", "编号")))
    assert raw.n_read == 4
    assert raw.frame["substation_id"].tolist() == ["010", "011"]  # a code keeps its zeros
    assert raw.frame["name"].isna().tolist() == [False, True]
    assert [(p.x, p.y) for p in raw.frame.geometry] == [(113.5, 34.7), (113.6, 34.8)]
    assert [(r.feature_id, r.action) for r in raw.remarks] == [("#3", "rejected"), ("#4", "rejected")]


def test_easting_and_northing_in_a_declared_crs(tmp_path: Path) -> None:
    path = tmp_path / "s.tsv"
    path.write_text("东坐标\t北坐标\n460000\t3840000\n", encoding="utf-8")
    columns = (("x", "东坐标"), ("y", "北坐标"))
    raw = _read(path, columns=columns, crs="EPSG:4547")
    assert raw.frame.crs.to_epsg() == 4547
    assert raw.frame.geometry.iloc[0].wkt == "POINT (460000 3840000)"
    for crs in ("", "EPSG:4490"):
        with pytest.raises(CrsError, match="EPSG:4547"):
            _read(path, columns=columns, crs=crs)


@pytest.mark.parametrize(("where", "ids"), [
    ("等级 > 2", ["010", "011"]), ("\"等级\" > 4", ["011"]),
    ("\"编号\" = '010'", ["010"]), ("\"站名\" IS NULL", ["011"]),
    ("\"站名\" LIKE '嵩%' OR \"等级\" = 12", ["010", "011"]), ("1 = 0", []),
])
def test_condition_compares_numbers_as_numbers(tmp_path: Path, where: str, ids: list[str]) -> None:
    path = tmp_path / "s.csv"
    path.write_text(TEXT, encoding="utf-8")
    raw = _read(path, where=where)
    assert raw.frame["编号"].tolist() == ids


def test_condition_with_an_unknown_column(tmp_path: Path) -> None:
    path = tmp_path / "s.csv"
    path.write_text(TEXT, encoding="utf-8")
    with pytest.raises(LayerError, match="编号, 站名, lon, lat, 等级"):
        _read(path, where="class > 2")


def test_missing_coordinate_columns_and_other_complaints(tmp_path: Path) -> None:
    path = tmp_path / "s.csv"
    path.write_text("a,b\n1,2\n", encoding="utf-8")
    with pytest.raises(SchemaError, match=r"no column lon, lat .* has: a, b"):
        _read(path)
    path.write_text("lon,lat\n1,2\n3,4,5\n", encoding="utf-8")
    with pytest.raises(LayerError, match="cannot be read as a table"):
        _read(path)
    path.write_bytes(b"lon,lat,n\n1,2,\xff\xff\n")
    with pytest.raises(LayerError, match="UTF-8, GB18030"):
        _read(path)
    path.write_text("", encoding="utf-8")
    with pytest.raises(LayerError, match="empty"):
        _read(path)
    path.write_text("\n", encoding="utf-8")
    with pytest.raises(LayerError, match="table"):
        _read(path)


def test_separator_option(tmp_path: Path) -> None:
    path = tmp_path / "s.csv"
    path.write_text("lon#lat\n113#34\n", encoding="utf-8")
    assert len(_read(path, options=(("separator", "#"),)).frame) == 1


def test_real_points_of_interest(shared_data: Path) -> None:
    path = shared_data / "demand" / "zhengzhou_food_poi_gcj02.csv"
    raw = _read(path, where="\"district\" = '中原区'")
    assert raw.n_read == len(raw.frame) + len(raw.remarks) > 500
    assert set(raw.frame["district"]) == {"中原区"}
