"""FlatGeobuf, GeoJSON sequences and KML."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from xml.etree import ElementTree as ET

import geopandas as gpd
import pyogrio
import pytest
import shapely

from layers.exports.bundles import Bundle
from layers.exports.kml import write_kml
from layers.exports.layer_files import write_layers

Make = Callable[..., Bundle]
KML = "{http://www.opengis.net/kml/2.2}"


@pytest.mark.parametrize("crs", ["4326", "4547", "gcj02"])
def test_flatgeobuf_comes_back_equal(bundle: Make, tmp_path: Path, crs: str) -> None:
    made = bundle(crs)
    for layer, path in zip(made.layers, write_layers(made, tmp_path, "fgb"), strict=True):
        found = gpd.read_file(path).sort_values(layer.id_column, ignore_index=True)
        assert found[layer.id_column].tolist() == layer.frame[layer.id_column].tolist()
        distance = shapely.hausdorff_distance(found.geometry.to_numpy(), layer.frame.geometry.to_numpy())
        assert distance.max() < (1e-3 if crs == "4547" else 1e-8)
        assert ("gcj02" in path.name) == (crs == "gcj02")
    told = pyogrio.read_info(tmp_path / f"parcels{made.target.suffix}.fgb")["layer_metadata"]
    assert told["TITLE"] == "候选地块"
    assert "天地图" in told["DESCRIPTION"]


def test_sequence_has_one_feature_per_record(bundle: Make, tmp_path: Path) -> None:
    made = bundle("4547")
    path = write_layers(made, tmp_path, "geojsonseq")[0]
    records = path.read_text(encoding="utf-8").split("\x1e")
    assert records[0] == ""
    features = [json.loads(record) for record in records[1:]]
    assert [f["id"] for f in features] == ["P1", "P2", "P3", "P4"]
    assert features[0]["properties"]["name"] == made.layers[0].frame["name"].tolist()[0]
    assert features[1]["properties"]["large_score"] is None
    # GeoJSON is longitude and latitude whatever was asked for.
    shapes = shapely.from_geojson([json.dumps(f["geometry"]) for f in features])
    assert shapely.hausdorff_distance(shapes, bundle().layers[0].frame.geometry.to_numpy()).max() < 1e-7
    found = gpd.read_file(path)
    assert len(found) == 4
    assert found.crs.to_epsg() == 4326


def test_kml_is_valid_escaped_and_complete(bundle: Make, tmp_path: Path) -> None:
    made = bundle()
    path = write_kml(made, tmp_path / "s.kml")
    root = ET.fromstring(path.read_bytes())
    folders = root.findall(f"{KML}Document/{KML}Folder")
    assert [f.findtext(f"{KML}name") for f in folders] == ["候选地块", "边缘数据中心"]
    marks = folders[0].findall(f"{KML}Placemark")
    data = {d.get("name"): d.text for d in marks[0].iter(f"{KML}SimpleData")}
    assert data["name"] == made.layers[0].frame["name"].tolist()[0]
    assert data["large_eligible"] == "true"
    assert [m.findtext(f"{KML}styleUrl") for m in marks] == ["#parcels-2", "#parcels-0", "#parcels-1", "#parcels-2"]
    found = gpd.read_file(path, layer="候选地块")
    assert found["parcel_id"].tolist() == ["P1", "P2", "P3", "P4"]
    wanted = made.layers[0].frame.geometry.to_numpy()
    assert shapely.hausdorff_distance(found.geometry.to_numpy(), wanted).max() < 1e-8


def test_kml_holds_what_xml_cannot(bundle: Make, tmp_path: Path) -> None:
    made = bundle()
    made.layers[0].frame.loc[0, "name"] = "a\x01b\x00"
    root = ET.fromstring(write_kml(made, tmp_path / "s.kml").read_bytes())
    assert next(d.text for d in root.iter(f"{KML}SimpleData") if d.get("name") == "name") == "a\ufffdb\ufffd"


def test_kml_in_gcj02_says_so(bundle: Make, tmp_path: Path) -> None:
    text = write_kml(bundle("gcj02"), tmp_path / "s_gcj02.kml").read_text(encoding="utf-8")
    assert "GCJ-02" in text.partition("</name>")[0]
    assert text.count('<SimpleData name="datum">GCJ-02</SimpleData>') == 6
