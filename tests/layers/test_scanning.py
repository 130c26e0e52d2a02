"""A folder of files as planners have them: what is proposed, on what evidence, and what is left over."""

from __future__ import annotations

import shutil
import zipfile
from pathlib import Path

import geopandas as gpd
import numpy as np
import pandas as pd
import pytest
import rasterio
import rasterio.shutil
import shapely
from affine import Affine

from gis.datum import wgs84_to_gcj02
from gis.errors import UsageError
from layers.datum_finding import city_districts
from layers.scanning import scan_folder
from layers.scanning_types import Proposal, ScanLimits, ScanReport
from layers.scanning_words import certainty_in, coordinate_words, plain, tokens_in, voltage_in, words_of
from layers.schemas import LAYERS

pytest.importorskip("frykit")

PLACES = np.random.default_rng(1).uniform([113.55, 34.65], [113.75, 34.85], (40, 2))


def scan(folder: Path, limits: ScanLimits | None = None) -> ScanReport:
    return scan_folder(folder, adcode="410100", metric_crs="EPSG:4547", limits=limits)


def proposals(report: ScanReport) -> dict[str, list[Proposal]]:
    found: dict[str, list[Proposal]] = {}
    for one in report.proposals:
        found.setdefault(one.spec.name, []).append(one)
    return found


def reasons(report: ScanReport) -> dict[str, str]:
    return {left.place.path.name: left.reason.en for left in report.leftovers}


def points(crs: str = "EPSG:4326", **columns: object) -> gpd.GeoDataFrame:
    return gpd.GeoDataFrame(columns, geometry=gpd.points_from_xy(*PLACES.T), crs="EPSG:4326").to_crs(crs)


def write_parcels(path: Path, crs: str = "EPSG:4547") -> None:
    """Write a shapefile as a planning office exports it: GBK, Chinese columns, no .cpg."""
    squares = gpd.GeoDataFrame(
        {"地块编号": [f"DK-{k:03d}" for k in range(40)], "用地性质": ["M1", "工业用地", "0601", "R2"] * 10,
         "建筑面积": np.arange(40.0)},
        geometry=[shapely.box(x, y, x + 0.003, y + 0.002) for x, y in PLACES], crs="EPSG:4490").to_crs(crs)
    squares.to_file(path, encoding="GBK")
    path.with_suffix(".cpg").unlink(missing_ok=True)


def write_raster(path: Path, cells: np.ndarray) -> None:
    transform = Affine(0.5 / cells.shape[1], 0.0, 113.4, 0.0, -0.5 / cells.shape[0], 35.0)
    with rasterio.open(path, "w", driver="GTiff", height=cells.shape[0], width=cells.shape[1], count=1,
                       dtype=cells.dtype, crs="EPSG:4326", transform=transform) as dataset:
        dataset.write(cells, 1)


def test_a_shapefile_of_a_planning_office(tmp_path: Path) -> None:
    write_parcels(tmp_path / "现状图斑.shp")
    (one,) = scan(tmp_path).proposals
    assert (one.spec.name, one.is_active, one.spec.encoding, one.spec.datum) == ("parcels", True, "GB18030", None)
    assert dict(one.spec.columns) == {"parcel_id": "地块编号", "land_use": "用地性质", "building_area_m2": "建筑面积"}
    assert any("EPSG:4547" in said.zh for said in one.evidence)
    assert any("工业用地×10" in hint.zh for hint in one.hints)


def test_tables_of_one_geopackage_are_told_apart(tmp_path: Path) -> None:
    names = [f"{k}号变电站" for k in range(40)]
    voltage = ["220kV", "110kV"] * 20
    path = tmp_path / "电力.gpkg"
    points(变电站名称=names, 电压等级=voltage, 主变容量=[63] * 40).to_file(path, layer="站点", driver="GPKG")
    lines = gpd.GeoDataFrame({"线路名称": ["甲线"], "电压等级": ["110kV"]}, geometry=[shapely.LineString(PLACES[:2])],
                             crs="EPSG:4490")
    lines.to_file(path, layer="线路", driver="GPKG")
    found = proposals(scan(tmp_path))
    assert list(found) == ["substations", "power_lines"]
    (station,), (line,) = found["substations"], found["power_lines"]
    assert (station.spec.table, line.spec.table) == ("站点", "线路")
    assert dict(station.spec.columns) == {"name": "变电站名称", "voltage_kv": "电压等级",
                                          "transformer_capacity_mva": "主变容量"}
    assert station.spec.datum is None
    assert any("datum" in hint.en for hint in station.hints)
    assert not any("datum" in hint.en for hint in line.hints)


def test_what_a_file_lacks_may_stand_in_its_name_or_header(tmp_path: Path) -> None:
    points(站名=[f"站{k}" for k in range(40)], **{"主变容量(kVA)": [63000] * 40}).to_file(
        tmp_path / "110kV变电站.gpkg", driver="GPKG")
    points(名称=[f"中石化{k}" for k in range(40)]).to_file(tmp_path / "加油站.geojson", driver="GeoJSON")
    found = proposals(scan(tmp_path))
    (station,), (petrol,) = found["substations"], found["hazards"]
    assert dict(station.spec.constants) == {"voltage_kv": 110}
    assert dict(station.spec.units) == {"transformer_capacity_mva": "kVA"}
    assert dict(petrol.spec.constants) == {"hazard_class": "petrol_station"}
    assert station.is_active
    assert petrol.is_active


def test_without_a_required_column_a_proposal_is_not_active(tmp_path: Path) -> None:
    points(变电站名称=[f"{k}号变电站" for k in range(40)]).to_file(tmp_path / "变电站.geojson", driver="GeoJSON")
    (one,) = scan(tmp_path).proposals
    assert (one.spec.name, one.is_active) == ("substations", False)
    assert any("voltage_kv" in hint.en for hint in one.hints)


def test_a_voltage_column_without_voltages_is_none(tmp_path: Path) -> None:
    frame = points(变电站名称=[f"{k}号" for k in range(40)], 电压等级=["一级"] * 40)
    frame.to_file(tmp_path / "变电站.geojson", driver="GeoJSON")
    (one,) = scan(tmp_path).proposals
    assert "voltage_kv" not in dict(one.spec.columns)


def test_an_id_that_is_used_twice_is_no_id(tmp_path: Path) -> None:
    frame = points(基站编号=["A"] * 40, 基站名称=[f"基站{k}" for k in range(40)])
    frame.to_file(tmp_path / "基站.geojson", driver="GeoJSON")
    (one,) = scan(tmp_path).proposals
    assert dict(one.spec.columns) == {"name": "基站名称"}


@pytest.mark.parametrize(("header", "encoding", "declared"), [
    (("经度", "纬度"), "utf-8-sig", ""), (("lng", "lat"), "gb18030", "GB18030"), (("纬度", "经度"), "utf-8", "")])
def test_tables_with_degrees(tmp_path: Path, header: tuple[str, str], encoding: str, declared: str) -> None:
    order = PLACES if header[0] != "纬度" else PLACES[:, ::-1]
    pd.DataFrame({header[0]: order[:, 0], header[1]: order[:, 1], "机房名称": [f"{k}机房" for k in range(40)]}).to_csv(
        tmp_path / "通信机房.csv", index=False, encoding=encoding)
    (one,) = scan(tmp_path).proposals
    assert (one.spec.name, one.spec.encoding) == ("telecom_rooms", declared)
    assert dict(one.spec.columns) == {"lon": next(h for h in header if h in ("经度", "lng")),
                                      "lat": next(h for h in header if h in ("纬度", "lat")), "name": "机房名称"}


@pytest.mark.parametrize("is_north_first", [False, True])
def test_plane_coordinates_are_tried_in_the_crs_of_the_run(tmp_path: Path, is_north_first: bool) -> None:
    places = points("EPSG:4547").get_coordinates()
    east, north = ("Y", "X") if is_north_first else ("X", "Y")  # surveyors call the northing X
    pd.DataFrame({east: places["x"], north: places["y"], "基站名称": [f"{k}基站" for k in range(40)]}).to_csv(
        tmp_path / "基站.csv", index=False)
    (one,) = scan(tmp_path).proposals
    assert one.spec.crs == "EPSG:4547"
    assert dict(one.spec.columns)["x"] == east
    assert dict(one.spec.columns)["y"] == north
    assert not any("datum" in hint.en for hint in one.hints)


def test_a_datum_is_proposed_with_its_evidence_and_only_then(tmp_path: Path) -> None:
    districts = city_districts("410100")
    assert districts is not None
    frame = districts[1]
    moved = shapely.transform(frame.geometry.to_numpy(), lambda c: np.column_stack(wgs84_to_gcj02(c[:, 0], c[:, 1])))
    gpd.GeoDataFrame({"NAME": frame["name"], "adcode": frame["district_id"]}, geometry=moved, crs="EPSG:4326").to_file(
        tmp_path / "boundary.geojson", driver="GeoJSON")
    points(基站名称=[f"基站{k}" for k in range(40)]).to_file(tmp_path / "基站.geojson", driver="GeoJSON")
    found = proposals(scan(tmp_path))
    (outline,), (station,) = found["districts"], found["base_stations"]
    assert outline.spec.datum == "gcj02"
    assert dict(outline.spec.columns) == {"district_id": "adcode", "name": "NAME"}
    assert any("可确定为 GCJ-02" in said.zh for said in outline.evidence)
    assert station.spec.datum is None


def test_a_layer_of_declared_datum_is_the_reference_of_another_one(tmp_path: Path) -> None:
    names = [f"第{k}站点" for k in range(40)]
    points("EPSG:4547", 站名=names).to_file(tmp_path / "地铁一.gpkg", driver="GPKG")
    lon, lat = wgs84_to_gcj02(*PLACES.T)
    gpd.GeoDataFrame({"站名": names}, geometry=gpd.points_from_xy(lon, lat), crs=4326).to_file(
        tmp_path / "地铁二.geojson", driver="GeoJSON")
    found = {Path(one.spec.path).name: one for one in scan(tmp_path).proposals}
    assert found["地铁一.gpkg"].spec.datum is None
    assert found["地铁二.geojson"].spec.datum == "gcj02"
    assert all(any("合并" in hint.zh for hint in one.hints) for one in found.values())


def test_a_crs_that_its_place_contradicts_is_questioned(tmp_path: Path) -> None:
    districts = city_districts("410100")
    assert districts is not None
    frame = districts[1]
    moved = shapely.transform(frame.geometry.to_numpy(), lambda c: np.column_stack(wgs84_to_gcj02(c[:, 0], c[:, 1])))
    gpd.GeoDataFrame({"name": frame["name"]}, geometry=moved, crs="EPSG:4490").to_file(
        tmp_path / "districts.gpkg", driver="GPKG")
    (one,) = scan(tmp_path).proposals
    assert one.spec.datum is None
    assert any('datum = "gcj02"' in hint.en for hint in one.hints)


def test_rasters_by_name_and_cells(tmp_path: Path) -> None:
    random = np.random.default_rng(2)
    write_raster(tmp_path / "dem_zz.tif", random.uniform(80.0, 900.0, (60, 60)).astype("float32"))
    write_raster(tmp_path / "dem_old.tif", random.integers(0, 3, (60, 60)).astype("uint8"))
    write_raster(tmp_path / "water.tif", random.integers(0, 2, (60, 60)).astype("uint8"))
    write_raster(tmp_path / "worldcover.tif", (random.integers(1, 9, (60, 60)) * 10).astype("uint8"))
    write_raster(tmp_path / "worldpop.tif", random.uniform(0.0, 40.0, (60, 60)).astype("float32"))
    write_raster(tmp_path / "image.tif", random.integers(0, 255, (60, 60)).astype("uint8"))
    report = scan(tmp_path)
    found = {name: [Path(one.spec.path).name for one in ones if one.is_active]
             for name, ones in proposals(report).items()}
    assert found == {"dem": ["dem_zz.tif"], "water_mask": ["water.tif"], "land_cover": ["worldcover.tif"],
                     "population": []}
    assert [Path(one.spec.path).name for one in proposals(report)["dem"]] == ["dem_zz.tif", "dem_old.tif"]
    assert list(reasons(report)) == ["image.tif"]


def test_archives_are_looked_into(tmp_path: Path) -> None:
    inside = tmp_path / "inside"
    inside.mkdir()
    write_parcels(inside / "地块.shp")
    with zipfile.ZipFile(tmp_path / "交付.zip", "w") as archive:
        for part in sorted(inside.iterdir()):
            archive.write(part, part.name)
    shutil.rmtree(inside)
    (one,) = scan(tmp_path).proposals
    assert (one.spec.name, Path(one.spec.path).name) == ("parcels", "交付.zip")


def test_feature_classes_are_told_apart_in_a_folder_and_in_an_archive(tmp_path: Path) -> None:
    database = tmp_path / "现状.gdb"
    for name, columns in (("通信基站", {"基站名称": [f"基站{n}" for n in range(40)]}),
                          ("变电站", {"站名": [f"站{n}" for n in range(40)], "电压等级": ["220kV", "110kV"] * 20})):
        points(**columns).to_file(database, driver="OpenFileGDB", layer=name)
    with zipfile.ZipFile(tmp_path / "交付.zip", "w") as archive:
        for part in sorted(database.iterdir()):
            archive.write(part, f"现状.gdb/{part.name}")
    report = scan(tmp_path)
    assert report.leftovers == ()
    found = {(one.spec.name, Path(one.spec.path).name, one.spec.table) for one in report.proposals}
    assert found >= {(layer, file, table) for file in ("现状.gdb", "交付.zip")
                     for layer, table in (("base_stations", "通信基站"), ("substations", "变电站"))}


def test_mosaic_is_looked_at_and_one_that_leads_away_is_left(tmp_path: Path) -> None:
    write_raster(tmp_path / "dem.tif", np.random.default_rng(3).uniform(80, 300, (40, 40)).astype(np.float32))
    rasterio.shutil.copy(tmp_path / "dem.tif", tmp_path / "高程.vrt", driver="VRT")
    text = (tmp_path / "高程.vrt").read_text(encoding="utf-8")
    (tmp_path / "远.vrt").write_text(text.replace("dem.tif", "/vsicurl/http://127.0.0.1:9/dem.tif"), encoding="utf-8")
    (tmp_path / "wms.tif").write_text("<GDAL_WMS></GDAL_WMS>", encoding="utf-8")
    report = scan(tmp_path)
    assert {Path(one.spec.path).name for one in report.proposals} == {"dem.tif", "高程.vrt"}
    assert "outside its own folder" in reasons(report)["远.vrt"]
    assert "other data lie" in reasons(report)["wms.tif"]


def test_every_file_is_proposed_or_left_over_with_a_reason(tmp_path: Path) -> None:
    (tmp_path / "说明.docx").write_bytes(b"PK")
    (tmp_path / "broken.shp").write_bytes(b"nonsense")
    (tmp_path / "empty.geojson").write_text('{"type": "FeatureCollection", "features": []}')
    (tmp_path / "names.csv").write_text("编号,名称\n1,甲\n")
    (tmp_path / "binary.csv").write_bytes(bytes(range(128, 256)) * 4)
    (tmp_path / "extract.osm.pbf").write_bytes(b"x")
    (tmp_path / ".hidden.csv").write_text("lon,lat\n113,34\n")
    (tmp_path / "数据.gdb").mkdir()
    (tmp_path / "数据.gdb" / "a00000001.gdbtable").write_bytes(b"x")
    elsewhere = points(名称=["x"] * 40)
    elsewhere.set_geometry(elsewhere.translate(5.0)).to_file(tmp_path / "基站.geojson", driver="GeoJSON")
    points(value=[1] * 40).to_file(tmp_path / "misc.geojson", driver="GeoJSON")
    (tmp_path / "link.csv").symlink_to(tmp_path / "names.csv")
    report = scan(tmp_path)
    assert report.proposals == ()
    why = reasons(report)
    assert set(why) == {"说明.docx", "broken.shp", "empty.geojson", "names.csv", "binary.csv", "extract.osm.pbf",
                        "数据.gdb", "基站.geojson", "misc.geojson", "link.csv"}
    assert "outside" in why["基站.geojson"]
    assert "coordinates" in why["names.csv"]
    assert "osm_file" in why["extract.osm.pbf"]
    assert "fit no layer" in why["misc.geojson"]
    assert "link" in why["link.csv"]
    assert all("NAME'" not in reason for reason in why.values())


def test_limits_are_kept_and_said(tmp_path: Path) -> None:
    for k in range(4):
        points(基站名称=[f"基站{n}" for n in range(40)]).to_file(tmp_path / f"基站{k}.geojson", driver="GeoJSON")
    report = scan(tmp_path, ScanLimits(max_files=3))
    assert len(report.proposals) == 3
    assert "limit of 3" in reasons(report)["基站3.geojson"]
    assert "too big" in reasons(scan(tmp_path, ScanLimits(max_file_mb=0.0001)))["基站0.geojson"]
    deep = tmp_path / "a" / "b"
    deep.mkdir(parents=True)
    shutil.copy(tmp_path / "基站0.geojson", deep / "deep.geojson")
    assert len(scan(tmp_path, ScanLimits(max_depth=1)).proposals) == 4


def test_the_same_files_give_the_same_report(tmp_path: Path) -> None:
    write_parcels(tmp_path / "地块.shp")
    points(基站名称=[f"基站{n}" for n in range(40)]).to_file(tmp_path / "基站.geojson", driver="GeoJSON")
    first, second = scan(tmp_path), scan(tmp_path)
    assert [(one.spec, one.score, one.evidence, one.hints) for one in first.proposals] \
        == [(one.spec, one.score, one.evidence, one.hints) for one in second.proposals]


def test_no_folder_and_no_city_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no folder"):
        scan(tmp_path / "nowhere")
    with pytest.raises(UsageError, match="999900"):
        scan_folder(tmp_path, adcode="999900", metric_crs="EPSG:4547")


def test_every_word_belongs_to_a_layer_and_column_that_exist() -> None:
    for name, schema in LAYERS.items():
        words = words_of(name)
        assert words.tokens, name
        columns = {field.name for field in schema.frame.fields} if schema.frame else set()
        assert set(words.fields) <= columns
        assert set(words.constants) <= columns
        for column, table in words.constants.items():
            field = next(field for field in schema.frame.fields if field.name == column) if schema.frame else None
            assert field is not None
            assert set(table) <= set(field.values)


def test_words() -> None:
    assert plain("主变容量（MVA）") == plain("主变容量") == "主变容量"
    assert plain(" Land_Use ") == "landuse"
    assert tokens_in("郑州110kV变电站2023", ["变电站", "变电所"]) == ["变电站"]
    assert tokens_in("hv_substations2017", ["substations", "sub"]) == ["substations"]
    assert tokens_in("demolished", ["dem"]) == []
    assert (voltage_in("220千伏及110kV站"), voltage_in("110kV与35kV"), voltage_in("站")) == (110.0, None, None)
    assert certainty_in("光缆示意图") == "approximate"
    assert certainty_in("光缆") == "real"
    assert certainty_in("合成_示意") == "synthetic"
    pairs = coordinate_words()
    assert pairs.index(("lon", "lat")) < pairs.index(("lon", "y"))
    assert pairs.index(("经度", "纬度")) < pairs.index(("经度", "lat"))


def test_a_folder_of_open_data(tmp_path: Path, shared_data: Path) -> None:
    """What lies about on the open web for Zhengzhou, beside a parcel layer of an office."""
    for name in ("osm/china_osm_hv_substations_2017_wgs84.geojson", "boundaries/datav_410100_full_gcj02.json",
                 "boundaries/tianditu_410100_districts_wgs84.geojson", "raster/msn_raster.tif",
                 "raster/zhengzhou_river.shp", "raster/zhengzhou_river.shx", "raster/zhengzhou_river.dbf",
                 "raster/zhengzhou_river.prj", "demand/zhengzhou_food_poi_gcj02.csv",
                 "osm/chengdu_metro_osm_wgs84.geojson", "demand/amap_metro_4101_zhengzhou_gcj02.json",
                 "demand/igdb_InternetAtlas_edges_CN.csv"):
        shutil.copy(shared_data / name, tmp_path / Path(name).name)
    write_parcels(tmp_path / "控规地块.shp")
    report = scan(tmp_path)
    active = {(one.spec.name, Path(one.spec.path).name): one.spec for one in report.proposals if one.is_active}
    assert {key: spec.datum for key, spec in active.items()} == {
        ("districts", "tianditu_410100_districts_wgs84.geojson"): "wgs84", ("parcels", "控规地块.shp"): None,
        ("substations", "china_osm_hv_substations_2017_wgs84.geojson"): None, ("water", "zhengzhou_river.shp"): None,
        ("demand", "zhengzhou_food_poi_gcj02.csv"): "gcj02", ("water_mask", "msn_raster.tif"): None}
    (second,) = [one for one in report.proposals if Path(one.spec.path).name == "datav_410100_full_gcj02.json"]
    assert (second.spec.datum, second.is_active) == ("gcj02", False)
    assert dict(active["substations", "china_osm_hv_substations_2017_wgs84.geojson"].columns)["voltage_kv"] == "voltage"
    assert list(reasons(report)) == ["amap_metro_4101_zhengzhou_gcj02.json", "chengdu_metro_osm_wgs84.geojson",
                                     "igdb_InternetAtlas_edges_CN.csv"]
