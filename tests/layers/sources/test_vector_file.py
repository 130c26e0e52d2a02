from __future__ import annotations

import builtins
from pathlib import Path

import geopandas as gpd
import pyogrio
import pytest
from shapely import LineString, Point

from gis.errors import LayerError, LayerNotFoundError, LayerUnavailableError, SchemaError
from layers.sources.types import LoadContext, RawVector
from layers.sources.vector_file import read
from layers.types import LayerSpec

CONTEXT = LoadContext(metric_crs="EPSG:4547", frames={})
Columns = tuple[tuple[str, str], ...]


def _read(path: Path, columns: Columns = (), **more: str) -> RawVector:
    return read(LayerSpec(name="substations", source="vector_file", path=str(path), columns=columns, **more), CONTEXT)


def test_address_of_data_elsewhere_in_another_encoding(tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    gpd.GeoDataFrame({"a": [1]}, geometry=[Point(113, 34)], crs="EPSG:4326").to_file(tmp_path / "other/x.gpkg")
    text = (f'<OGRVRTDataSource><OGRVRTLayer name="x"><SrcDataSource>{tmp_path}/other/x.gpkg</SrcDataSource>'
            "</OGRVRTLayer></OGRVRTDataSource>")
    for ending in ("kml", "geojson"):
        path = tmp_path / f"s.{ending}"
        path.write_text(text, encoding="utf-16")
        with pytest.raises(LayerError, match="where other data lie"):
            _read(path)


@pytest.mark.parametrize("file_name", ["s.geojson", "s.gpkg", "s.fgb", "s.shp", "s.kml"])
def test_every_format_gives_the_same_rows(tmp_path: Path, stations: gpd.GeoDataFrame, station_columns: Columns,
                                          file_name: str) -> None:
    path = tmp_path / file_name
    pyogrio.write_dataframe(stations, path, encoding="GBK" if file_name.endswith("shp") else None,
                            driver="LIBKML" if file_name.endswith("kml") else None)
    raw = _read(path, station_columns)
    rows = raw.frame.sort_values("substation_id")
    assert raw.n_read == 3
    assert rows["substation_id"].tolist() == ["S1", "S2", "S3"]
    assert rows["name"].tolist() == ["嵩山站", "官渡站", "惠济站"]
    assert rows["voltage_kv"].tolist() == ["500kV", "220000;110000", "110/35/10"]
    assert rows.geometry.x.tolist() == [113.5, 113.61, 113.7]
    assert rows.crs.to_epsg() == 4326
    assert raw.path == str(path)


def test_geoparquet(tmp_path: Path, stations: gpd.GeoDataFrame, station_columns: Columns) -> None:
    path = tmp_path / "s.parquet"
    stations.rename_geometry("几何").to_parquet(path)
    raw = _read(path, station_columns, where="\"编号\" <> 'S2'")
    assert raw.frame["name"].tolist() == ["嵩山站", "惠济站"]
    assert raw.n_read == 2
    assert raw.frame.geometry.name == "geometry"


def test_geoparquet_without_its_package_names_the_remedy(tmp_path: Path, stations: gpd.GeoDataFrame,
                                                         monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "s.parquet"
    stations.to_parquet(path)
    real_import = builtins.__import__

    def without_pyarrow(name: str, *rest: object) -> object:
        if name.startswith("pyarrow"):
            raise ImportError(name)
        return real_import(name, *rest)  # type: ignore[arg-type]

    monkeypatch.setattr(builtins, "__import__", without_pyarrow)
    with pytest.raises(LayerUnavailableError, match=r"pip install suanzhi\[parquet\]"):
        _read(path)


@pytest.mark.parametrize("code_page", [0, 0x57])
@pytest.mark.parametrize("encoding", ["GBK", "UTF-8"])
def test_shapefile_that_lost_its_code_page_file(tmp_path: Path, stations: gpd.GeoDataFrame, encoding: str,
                                                code_page: int) -> None:
    path = tmp_path / "s.shp"
    pyogrio.write_dataframe(stations.rename(columns={"编号": "id", "站名": "mc", "电压等级": "dy"}), path,
                            encoding=encoding)
    path.with_suffix(".cpg").unlink()
    content = bytearray(path.with_suffix(".dbf").read_bytes())
    content[29] = code_page
    path.with_suffix(".dbf").write_bytes(bytes(content))
    assert _read(path).frame["mc"].tolist() == ["嵩山站", "官渡站", "惠济站"]


def test_parts_of_a_shapefile_are_all_named(tmp_path: Path, stations: gpd.GeoDataFrame) -> None:
    path = tmp_path / "s.shp"
    pyogrio.write_dataframe(stations, path, encoding="GBK")
    assert [Path(part).suffix for part in _read(path).files] == [".shp", ".shx", ".dbf", ".prj", ".cpg"]
    assert _read(path).reading_notes == ()


def test_table_and_condition(tmp_path: Path, stations: gpd.GeoDataFrame, station_columns: Columns) -> None:
    path = tmp_path / "all.gpkg"
    lines = gpd.GeoDataFrame(geometry=[LineString([(0, 0), (1, 1)])], crs="EPSG:4326")
    pyogrio.write_dataframe(stations, path, layer="stations")
    pyogrio.write_dataframe(lines, path, layer="lines")
    raw = _read(path, station_columns, table="stations", where="\"站名\" LIKE '官%'")
    assert raw.frame["substation_id"].tolist() == ["S2"]
    assert raw.frame.index.tolist() == [0]
    with pytest.raises(LayerError, match="stations, lines"):
        _read(path)
    with pytest.raises(LayerNotFoundError, match="stations, lines"):
        _read(path, table="station")


def test_condition_that_is_none_names_the_columns(tmp_path: Path, stations: gpd.GeoDataFrame) -> None:
    for name in ("s.gpkg", "s.geojson", "s.parquet"):
        path = tmp_path / name
        if name.endswith("parquet"):
            stations.to_parquet(path)
        else:
            pyogrio.write_dataframe(stations, path)
        with pytest.raises(LayerError, match="编号, 站名, 电压等级") as caught:
            _read(path, where="nothing = 1")
        assert "双引号" in caught.value.message("zh")


def test_missing_column_names_those_that_are_there(tmp_path: Path, stations: gpd.GeoDataFrame) -> None:
    path = tmp_path / "s.gpkg"
    pyogrio.write_dataframe(stations, path)
    with pytest.raises(SchemaError, match="no column NAME; it has: 编号, 站名, 电压等级"):
        _read(path, (("name", "NAME"),))


def test_column_of_the_file_that_is_in_the_way_keeps_a_name(tmp_path: Path) -> None:
    path = tmp_path / "s.gpkg"
    frame = gpd.GeoDataFrame({"name": ["old"], "NAME_CN": ["新"]}, geometry=[Point(1, 2)], crs="EPSG:4326")
    pyogrio.write_dataframe(frame[["NAME_CN", "geometry"]].assign(title="old"), path)
    raw = _read(path, (("title", "NAME_CN"), ("name", "NAME_CN")))
    assert raw.frame["title"].tolist() == raw.frame["name"].tolist() == ["新"]
    assert raw.frame["title_in_file"].tolist() == ["old"]


def test_bad_features_are_handed_on_for_the_account(tmp_path: Path) -> None:
    path = tmp_path / "s.geojson"
    path.write_text(
        '{"type":"FeatureCollection","features":['
        '{"type":"Feature","properties":{"a":1},"geometry":{"type":"Polygon","coordinates":[[[0,0],[1,1]]]}},'
        '{"type":"Feature","properties":{"a":2},"geometry":null},'
        '{"type":"Feature","properties":{"a":3},"geometry":{"type":"Point","coordinates":[1,2,3]}}]}', encoding="utf-8")
    raw = _read(path)
    assert raw.n_read == 3
    assert raw.frame.geometry.isna().tolist() == [True, True, False]
    assert not raw.frame.geometry.iloc[2].has_z


@pytest.mark.parametrize(("name", "content"), [
    ("s.geojson", b'{"type":"FeatureCollection","features":[{"type":"Fea'), ("s.gpkg", b"hello"), ("s.shp", b""),
    ("s.parquet", b"PAR1 no"), ("s.fgb", b"\x00" * 40),
])
def test_broken_file_is_one_sentence(tmp_path: Path, name: str, content: bytes) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(LayerError) as caught:
        _read(path)
    for language in ("zh", "en"):
        assert str(path) in caught.value.message(language)
        assert "\n" not in caught.value.message(language)


def test_missing_file(tmp_path: Path) -> None:
    with pytest.raises(LayerNotFoundError, match=r"gone\.gpkg"):
        _read(tmp_path / "gone.gpkg")
    with pytest.raises(LayerNotFoundError, match="no path given"):
        read(LayerSpec(name="roads", source="vector_file"), CONTEXT)


@pytest.mark.parametrize("file_name", ["e.geojson", "e.gpkg", "e.fgb", "e.shp", "e.parquet", "e.csv"])
def test_layer_without_features_is_read_and_says_so(tmp_path: Path, stations: gpd.GeoDataFrame, file_name: str) -> None:
    path = tmp_path / file_name
    if file_name == "e.parquet":
        stations.iloc[:0].to_parquet(path)
    elif file_name == "e.csv":
        path.write_text("编号,站名,电压等级,lon,lat\n", encoding="utf-8")
    elif file_name == "e.geojson":
        path.write_text('{"type":"FeatureCollection","features":[]}', encoding="utf-8")
    else:
        pyogrio.write_dataframe(stations.iloc[:0], path, geometry_type="Point",
                                encoding="GBK" if file_name == "e.shp" else None)
    raw = _read(path, (("substation_id", "编号"), ("voltage_kv", "电压等级")))
    assert (raw.n_read, len(raw.frame)) == (0, 0)
    assert {"substation_id", "voltage_kv"} <= set(raw.frame.columns)
    assert [note.zh for note in raw.reading_notes] == ["图层中没有要素"]


@pytest.mark.parametrize("name", ["s.parquet", "s.shp", "s.csv"])
def test_table_of_a_file_that_holds_one_must_be_its_own(tmp_path: Path, stations: gpd.GeoDataFrame, name: str) -> None:
    path = tmp_path / name
    if name == "s.parquet":
        stations.to_parquet(path)
    elif name == "s.csv":
        path.write_text("lon,lat\n113,34\n", encoding="utf-8")
    else:
        pyogrio.write_dataframe(stations, path, encoding="GBK")
    assert _read(path, table="s").n_read > 0
    with pytest.raises(LayerNotFoundError, match="no table 'other'"):
        _read(path, table="other")


def test_condition_on_a_shapefile_in_chinese(tmp_path: Path, stations: gpd.GeoDataFrame) -> None:
    path = tmp_path / "s.shp"
    pyogrio.write_dataframe(stations, path, encoding="GBK")
    assert _read(path, where="\"站名\" LIKE '官%'").frame["编号"].tolist() == ["S2"]
    with pytest.raises(LayerError, match="编号, 站名, 电压等级"):
        _read(path, where="nothing = 1")


@pytest.mark.parametrize("encoding", ["gbk", "utf-16", "utf-8-sig"])
@pytest.mark.parametrize("declared", ["", "GBK"])
def test_geojson_in_a_chinese_encoding(tmp_path: Path, encoding: str, declared: str) -> None:
    path = tmp_path / "s.geojson"
    # The second byte of 乗 in GBK is a backslash, which JSON would take for an escape.
    path.write_text('{"type":"FeatureCollection","features":[{"type":"Feature","properties":{"站名":"嵩山乗站"},'
                    '"geometry":{"type":"Point","coordinates":[113.5,34.7]}}]}', encoding=encoding)
    raw = _read(path, (("name", "站名"),), encoding=declared)
    assert raw.frame["name"].tolist() == ["嵩山乗站"]
    assert bool(raw.reading_notes) == (encoding != "gbk" if declared else encoding != "utf-8-sig")


def test_kml_with_a_chinese_head(tmp_path: Path) -> None:
    path = tmp_path / "s.kml"
    path.write_text('<?xml version="1.0" encoding="GBK"?><kml xmlns="http://www.opengis.net/kml/2.2"><Document>'
                    "<Folder><name>变电站</name><Placemark><name>嵩山站</name><Point><coordinates>113.5,34.7,100"
                    "</coordinates></Point></Placemark></Folder><Folder><name>线路</name><Placemark><LineString>"
                    "<coordinates>113,34 114,35</coordinates></LineString></Placemark></Folder></Document></kml>",
                    encoding="gbk")
    raw = _read(path, (("name", "Name"),), table="变电站")
    assert raw.frame["name"].tolist() == ["嵩山站"]
    assert raw.frame.geometry.iloc[0].wkt == "POINT (113.5 34.7)"
    with pytest.raises(LayerError, match="变电站, 线路"):
        _read(path)


def test_declared_encoding_of_a_format_that_is_always_utf8_does_no_harm(tmp_path: Path,
                                                                        stations: gpd.GeoDataFrame) -> None:
    path = tmp_path / "s.gpkg"
    pyogrio.write_dataframe(stations, path)
    raw = _read(path, encoding="GBK")
    assert raw.frame["站名"].tolist() == ["嵩山站", "官渡站", "惠济站"]
    assert "GBK" in raw.reading_notes[0].en


def test_tables_without_geometry(tmp_path: Path, stations: gpd.GeoDataFrame) -> None:
    bare = stations.drop(columns="geometry")
    pyogrio.write_dataframe(bare, tmp_path / "t.gpkg")
    bare.to_parquet(tmp_path / "t.parquet")
    with pytest.raises(LayerError, match="holds no geometries"):
        _read(tmp_path / "t.gpkg")
    with pytest.raises(LayerError, match="without a geometry column"):
        _read(tmp_path / "t.parquet")


@pytest.mark.parametrize("n_bytes", [200, 5_000, 40_000, 90_000])
def test_cut_geopackage(tmp_path: Path, stations: gpd.GeoDataFrame, n_bytes: int,
                        capfd: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "s.gpkg"
    pyogrio.write_dataframe(stations, path)
    path.write_bytes(path.read_bytes()[:n_bytes])
    with pytest.raises(LayerError) as caught:
        _read(path)
    assert "\n" not in caught.value.message("en") + caught.value.message("zh")
    assert capfd.readouterr() == ("", "")


def test_gdal_keeps_its_voice_down(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "s.geojson"
    path.write_text('{"type":"FeatureCollection","features":[{"type":"Feature","properties":{},"geometry":'
                    '{"type":"Polygon","coordinates":[[[0,0],[1,1],[1,0]]]}}]}', encoding="utf-8")
    assert _read(path).n_read == 1
    assert capfd.readouterr() == ("", "")


def test_real_rivers_and_a_layer_of_points_and_lines(shared_data: Path) -> None:
    rivers = _read(shared_data / "raster" / "zhengzhou_river.shp", (("name", "NAM"),))
    assert (rivers.n_read, rivers.frame.crs.to_epsg()) == (23, 4326)
    metro = _read(shared_data / "osm" / "chengdu_metro_osm_wgs84.geojson")
    assert {"Point"} < set(metro.frame.geom_type)
    assert metro.n_read > 364
