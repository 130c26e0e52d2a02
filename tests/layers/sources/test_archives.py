from __future__ import annotations

import zipfile
from pathlib import Path

import geopandas as gpd
import pyogrio
import pytest

from gis.errors import LayerError, LayerNotFoundError, SchemaError, UsageError
from layers.sources.types import LoadContext, RawVector
from layers.sources.vector_file import read
from layers.types import LayerSpec

CONTEXT = LoadContext(metric_crs="EPSG:4547", frames={})
NAMES = ["嵩山站", "官渡站", "惠济站"]


def _read(path: Path, **more: object) -> RawVector:
    return read(LayerSpec(name="substations", source="vector_file", path=str(path), **more), CONTEXT)  # type: ignore[arg-type]


class _OldZip(zipfile.ZipInfo):
    """Writes its name byte for byte, as Windows does, and never sets the UTF-8 flag."""

    def _encodeFilenameFlags(self) -> tuple[bytes, int]:
        return self.filename.encode("cp437"), self.flag_bits & ~0x800


def _pack(path: Path, folder: Path, encoding: str = "", inside: str = "") -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for part in sorted(folder.iterdir()):
            if encoding:
                archive.writestr(_OldZip((inside + part.name).encode(encoding).decode("cp437")), part.read_bytes())
            else:
                archive.write(part, inside + part.name)
    return path


@pytest.fixture
def folder(tmp_path: Path, stations: gpd.GeoDataFrame) -> Path:
    folder = tmp_path / "数据"
    folder.mkdir()
    pyogrio.write_dataframe(stations, folder / "变电站.shp", encoding="GBK")
    return folder


@pytest.mark.parametrize("encoding", ["", "gbk", "utf-8"])
def test_zipped_shapefile_under_a_chinese_name(tmp_path: Path, folder: Path, encoding: str) -> None:
    path = _pack(tmp_path / "a.zip", folder, encoding, inside="郑州/2021/")
    raw = _read(path, table="变电站", where="\"站名\" <> '官渡站'")
    assert raw.frame["站名"].tolist() == ["嵩山站", "惠济站"]
    assert raw.files == (str(path),)
    assert raw.reading_notes[0].zh == "读取压缩包中的 郑州/2021/变电站.shp"


def test_one_of_several_data_sets_and_a_table_within(tmp_path: Path, folder: Path, stations: gpd.GeoDataFrame) -> None:
    pyogrio.write_dataframe(stations.iloc[:1], folder / "all.gpkg", layer="一")
    pyogrio.write_dataframe(stations.iloc[:2], folder / "all.gpkg", layer="二")
    path = _pack(tmp_path / "a.zip", folder)
    with pytest.raises(LayerNotFoundError, match=r"all\.gpkg, 变电站\.shp"):
        _read(path)
    assert _read(path, table="变电站.shp").n_read == 3
    with pytest.raises(LayerError, match=r"a\.zip/all\.gpkg holds several tables \(一, 二\)"):
        _read(path, table="all")
    for part in folder.glob("变电站.*"):
        part.unlink()
    assert _read(_pack(tmp_path / "b.zip", folder), table="二").n_read == 2


@pytest.mark.parametrize("ending", ["geojson", "csv", "kmz"])
def test_other_formats_in_an_archive(tmp_path: Path, stations: gpd.GeoDataFrame, ending: str) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    if ending == "csv":
        (folder / "s.csv").write_text("站名,lon,lat\n嵩山站,113.5,34.7\n", encoding="gbk")
    else:
        pyogrio.write_dataframe(stations.iloc[:1], folder / ("doc.kml" if ending == "kmz" else "s.geojson"),
                                driver="LIBKML" if ending == "kmz" else None)
    raw = _read(_pack(tmp_path / ("a.kmz" if ending == "kmz" else "a.zip"), folder))
    assert raw.frame["站名"].tolist() == ["嵩山站"]


def test_what_is_wrong_inside_is_told_of_the_archive(tmp_path: Path, folder: Path) -> None:
    (folder / "变电站.dbf").unlink()
    path = _pack(tmp_path / "a.zip", folder)
    with pytest.raises(LayerError) as caught:
        _read(path)
    for language in ("zh", "en"):
        assert f"{path}/变电站.shp" in caught.value.message(language)
    with pytest.raises(SchemaError, match="no column X"):
        _read(_pack(tmp_path / "b.zip", _with_csv(tmp_path)), columns=(("name", "X"),))


def _with_csv(tmp_path: Path) -> Path:
    folder = tmp_path / "csv"
    folder.mkdir()
    (folder / "s.csv").write_text("lon,lat\n113,34\n", encoding="utf-8")
    return folder


def test_archive_that_swells(tmp_path: Path) -> None:
    path = tmp_path / "bomb.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("s.csv", b"lon,lat\n" + b" " * 20_000_000)
    with pytest.raises(LayerError, match=r"would unpack to 19 MB .* unpack_ratio"):
        _read(path)
    with pytest.raises(LayerError, match=r"limit 5 MB.*unpack_limit_mb"):
        _read(path, options=(("unpack_ratio", 5000), ("unpack_limit_mb", 5)))
    assert _read(path, options=(("unpack_ratio", 5000),)).n_read == 0
    with pytest.raises(UsageError, match="positive number"):
        _read(path, options=(("unpack_ratio", "much"),))


def test_size_that_an_entry_hides_is_not_unpacked(tmp_path: Path) -> None:
    path = tmp_path / "liar.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("s.csv", b"lon,lat\n" + b" " * 20_000_000)
    content = path.read_bytes()
    true, false = (20_000_008).to_bytes(4, "little"), (100).to_bytes(4, "little")
    assert content.count(true) == 2
    path.write_bytes(content.replace(true, false))
    with pytest.raises(LayerError, match="cannot be unpacked"):
        _read(path)


@pytest.mark.parametrize("name", ["../s.csv", "a/../../s.csv", "/etc/s.csv", "..\\s.csv", "C:\\s.csv", "c:/s.csv"])
def test_entry_that_leads_out(tmp_path: Path, name: str) -> None:
    path = tmp_path / "a.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(_OldZip(name), "lon,lat\n113,34\n")
        archive.writestr("good.csv", "lon,lat\n113,34\n")
    with pytest.raises(LayerError, match="leads out of the archive"):
        _read(path, table="good")
    assert not (tmp_path.parent / "s.csv").exists()


def test_broken_locked_and_useless_archives(tmp_path: Path, folder: Path) -> None:
    path = _pack(tmp_path / "a.zip", folder)
    content = path.read_bytes()
    for cut in (content[:200], content[:-30], content[:60] + b"\0" * 40 + content[100:]):
        path.write_bytes(cut)
        with pytest.raises(LayerError, match="cannot be unpacked") as caught:
            _read(path)
        assert "\n" not in caught.value.message("zh")
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("readme.pdf", "x")
    with pytest.raises(LayerNotFoundError, match=r"no data set .* readme\.pdf"):
        _read(path)
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("s.csv", "lon,lat\n1,2\n")
    locked = bytearray(path.read_bytes())
    locked[6] |= 1
    locked[locked.index(b"PK\x01\x02") + 8] |= 1
    path.write_bytes(bytes(locked))
    with pytest.raises(LayerError, match="password"):
        _read(path)


KML = '<?xml version="1.0" encoding="UTF-8"?>\n<kml xmlns="http://www.opengis.net/kml/2.2"><Document>{}</Document></kml>'
MARK = "<Placemark><name>{}</name><Point><coordinates>113.6,34.7,0</coordinates></Point></Placemark>"
IMAGE = ("<GroundOverlay><name>图</name><Icon><href>files/图.png</href></Icon><LatLonBox><north>35</north><south>34"
         "</south><east>114</east><west>113</west></LatLonBox></GroundOverlay>")


def _kmz(path: Path, **documents: str) -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("files/图.png", b"\x89PNG")
        for name, body in documents.items():
            archive.writestr(f"{name.replace('__', '/')}.kml", KML.format(body))
    return path


@pytest.mark.parametrize("name", ["doc", "郑州__电网__doc"])
def test_kmz_with_folders_of_folders(tmp_path: Path, name: str) -> None:
    folders = (f"<Folder><name>变电站</name>{MARK.format('嵩山站')}<Folder><name>规划</name>{MARK.format('官渡站')}"
               f"{MARK.format('惠济站')}</Folder></Folder>")
    path = _kmz(tmp_path / "a.kmz", **{name: folders})
    assert _read(path, table="规划").frame["Name"].tolist() == ["官渡站", "惠济站"]
    assert _read(path, table="变电站").frame["Name"].tolist() == ["嵩山站"]
    with pytest.raises(LayerError, match="several tables") as caught:
        _read(path)
    assert "变电站, 规划" in caught.value.message("zh")


def test_kmz_of_several_documents_names_them(tmp_path: Path) -> None:
    path = _kmz(tmp_path / "a.kmz", doc=MARK.format("甲"), files__乙=MARK.format("乙"))
    with pytest.raises(LayerNotFoundError, match=r"doc\.kml, files/乙\.kml"):
        _read(path)
    assert _read(path, table="乙").frame["Name"].tolist() == ["乙"]


def test_images_in_a_kmz_are_no_features(tmp_path: Path) -> None:
    raw = _read(_kmz(tmp_path / "a.kmz", doc=IMAGE + MARK.format("甲") + IMAGE + MARK.format("乙")))
    assert raw.frame["Name"].tolist() == ["甲", "乙"]
    assert raw.n_read == 4
    assert [(r.feature_id, r.action) for r in raw.remarks] == [("#1", "rejected"), ("#3", "rejected")]
    with pytest.raises(LayerError, match="image overlays only") as caught:
        _read(_kmz(tmp_path / "b.kmz", doc=IMAGE))
    assert str(tmp_path / "b.kmz") in caught.value.message("zh")


def test_field_named_icon_is_no_image(tmp_path: Path) -> None:
    mark = MARK.replace("<Point>", '<ExtendedData><Data name="icon"><value>x</value></Data></ExtendedData><Point>')
    assert len(_read(_kmz(tmp_path / "a.kmz", doc=mark.format("甲"))).frame) == 1
