from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import geopandas as gpd
import pandas as pd
import pyogrio
import pytest

from gis.errors import LayerError
from layers.sources.types import LoadContext, RawVector
from layers.sources.vector_file import read
from layers.types import LayerSpec

CONTEXT = LoadContext(metric_crs="EPSG:4547", frames={})
NAMES = ["嵩山站", "官渡站", "惠济站"]
SHORT = {"电压等级": "电压"}  # a field name has ten bytes


def _read(path: Path, **more: str) -> RawVector:
    return read(LayerSpec(name="substations", source="vector_file", path=str(path), **more), CONTEXT)  # type: ignore[arg-type]


@pytest.fixture
def write(tmp_path: Path, stations: gpd.GeoDataFrame) -> Callable[..., Path]:
    def write(encoding: str, cpg: str | None = None) -> Path:
        path = tmp_path / "s.shp"
        pyogrio.write_dataframe(stations.rename(columns=SHORT), path, encoding=encoding)
        if cpg is None:
            path.with_suffix(".cpg").unlink()
        else:
            path.with_suffix(".cpg").write_text(cpg, encoding="ascii")
        return path

    return write


@pytest.mark.parametrize("cpg", [None, "", "UTF-8", "GBK", "936", "GB18030", "ISO-8859-1", "1252", "what"])
@pytest.mark.parametrize("declared", ["", "UTF-8", "GBK", "ISO-8859-1"])
@pytest.mark.parametrize("encoding", ["UTF-8", "GBK", "GB18030"])
def test_no_declaration_garbles(write: Callable[..., Path], encoding: str, declared: str, cpg: str | None) -> None:
    raw = _read(write(encoding, cpg), encoding=declared)
    assert raw.frame["站名"].tolist() == NAMES
    assert raw.frame["电压"].tolist() == ["500kV", "220000;110000", "110/35/10"]


def test_note_names_the_wrong_cpg(write: Callable[..., Path]) -> None:
    note = _read(write("GBK", "UTF-8")).reading_notes[0]
    assert note.zh == "按 GB18030 读取文字：.cpg 文件声明 UTF-8，与实际字节不符"
    assert note.en == "text read as GB18030: the .cpg says UTF-8, which the bytes are not"
    assert _read(write("GBK", "GBK")).reading_notes == ()


def test_field_that_is_cut_within_a_character(tmp_path: Path, stations: gpd.GeoDataFrame) -> None:
    path = tmp_path / "s.shp"
    # 254 bytes are 84 characters and two thirds of one in UTF-8; GDAL would cut well, other writers do not.
    pyogrio.write_dataframe(stations.rename(columns=SHORT).assign(站名="郑" * 84 + "xy"), path, encoding="UTF-8")
    table = path.with_suffix(".dbf")
    table.write_bytes(table.read_bytes().replace(("郑" * 84 + "xy").encode(), ("郑" * 85).encode()[:254]))
    assert _read(path).frame["站名"].tolist() == ["郑" * 84] * 3


def test_broken_bytes_are_counted(tmp_path: Path, stations: gpd.GeoDataFrame) -> None:
    path = tmp_path / "s.shp"
    many = pd.concat([stations.rename(columns=SHORT)] * 20_000, ignore_index=True)
    pyogrio.write_dataframe(many, path, encoding="UTF-8")
    table = path.with_suffix(".dbf")
    content = table.read_bytes()
    last = content.rindex("惠济站".encode())
    table.write_bytes(content[:last] + b"\xff" + content[last + 1:])
    assert [note.en for note in _read(path).reading_notes] == ["1 text values hold broken bytes"]


@pytest.mark.parametrize(("end", "word"), [(".shx", "lacks its .shx"), (".dbf", "lacks its .dbf")])
def test_missing_part(write: Callable[..., Path], end: str, word: str) -> None:
    path = write("GBK")
    path.with_suffix(end).unlink()
    with pytest.raises(LayerError, match=word):
        _read(path)


@pytest.mark.parametrize(("end", "n_bytes"), [(".shp", 100), (".shp", 120), (".dbf", 20), (".dbf", 300), (".shx", 40)])
def test_cut_part(write: Callable[..., Path], end: str, n_bytes: int, capfd: pytest.CaptureFixture[str]) -> None:
    path = write("GBK")
    part = path.with_suffix(end)
    part.write_bytes(part.read_bytes()[:n_bytes])
    with pytest.raises(LayerError, match="cut off") as caught:
        _read(path)
    assert str(part) in caught.value.message("zh")
    assert capfd.readouterr() == ("", "")


def test_parts_of_two_exports(write: Callable[..., Path], tmp_path: Path, stations: gpd.GeoDataFrame) -> None:
    path = write("GBK")
    other = tmp_path / "other.shp"
    pyogrio.write_dataframe(stations.rename(columns=SHORT).iloc[:2], other, encoding="GBK")
    path.with_suffix(".dbf").write_bytes(other.with_suffix(".dbf").read_bytes())
    with pytest.raises(LayerError, match="3 shapes and 2 rows"):
        _read(path)


def test_endings_in_capitals(write: Callable[..., Path]) -> None:
    path = write("GBK")
    for part in [*path.parent.iterdir()]:
        part.rename(part.with_suffix(part.suffix.upper()))
    raw = _read(path.with_suffix(".SHP"))
    assert raw.frame["站名"].tolist() == NAMES
    assert [Path(name).suffix for name in raw.files] == [".SHP", ".SHX", ".DBF", ".PRJ"]
