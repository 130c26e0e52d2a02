"""Extracts of OpenStreetMap: a small one written here, and a real one where it lies beside the checkout."""

from __future__ import annotations

import sys
from pathlib import Path

import geopandas as gpd
import pytest
import shapely

pytest.importorskip("osmium", reason="the extra [osm] is not installed")

from gis.errors import LayerError, LayerNotFoundError, LayerUnavailableError, UsageError
from layers.loading import load_layers
from layers.schemas import LAYERS
from layers.sources.osm_file import read
from layers.sources.osm_tags import highest_kv, known_layers
from layers.sources.types import LoadContext, RawVector
from layers.types import LayerSpec

HELSINKI = (Path(__file__).resolve().parents[2] / "../shared/data/osm/helsinki.osm.pbf").resolve()

# Nodes 1-4 are a square of about 100 m, 5-8 a smaller one in it; 99 is in no file.
NODES = {1: (113.600, 34.750), 2: (113.6011, 34.750), 3: (113.6011, 34.7509), 4: (113.600, 34.7509),
         5: (113.6004, 34.7503), 6: (113.6007, 34.7503), 7: (113.6007, 34.7506), 8: (113.6004, 34.7506),
         9: (113.700, 34.800), 10: (116.400, 39.900)}
WAYS: dict[int, tuple[list[int], dict[str, str]]] = {
    20: ([1, 2, 3, 4, 1], {"power": "substation", "voltage": "220000;110000", "name": "柳林变 <b>"}),
    21: ([1, 2, 3], {"highway": "primary", "name": "中原路"}),
    22: ([3, 4], {"highway": "motorway_link"}),
    23: ([4, 1], {"highway": "footway"}),
    24: ([1, 3], {"highway": "primary", "tunnel": "yes"}),
    25: ([1, 99, 2, 3], {"highway": "residential"}),
    26: ([1, 2, 3, 4, 1], {}),
    27: ([5, 6, 7, 8, 5], {}),
    28: ([1, 2, 99, 1], {"natural": "water", "name": "clipped pond"}),
    29: ([1, 2, 3], {"natural": "water"}),
    30: ([5, 6, 7, 8, 5], {"building": "warehouse", "building:levels": "3"}),
    31: ([1, 2], {"waterway": "river"}),
    32: ([99, 1], {"highway": "primary"}),
}
RELATIONS: dict[int, tuple[list[tuple[int, str]], dict[str, str]]] = {
    40: ([(26, "outer"), (27, "inner")], {"type": "multipolygon", "natural": "water", "name": "lake"}),
    41: ([(26, "outer"), (98, "outer")], {"type": "multipolygon", "natural": "water", "name": "clipped lake"}),
    42: ([(26, "outline")], {"type": "site", "natural": "water"}),
}
POINTS = {9: {"power": "substation", "voltage": "high"}, 10: {"power": "substation", "voltage": "35000"}}


def tags_xml(tags: dict[str, str]) -> str:
    escape = str.maketrans({"<": "&lt;", ">": "&gt;", "&": "&amp;"})
    return "".join(f'<tag k="{k}" v="{v.translate(escape)}"/>' for k, v in tags.items())


@pytest.fixture(scope="module")
def extract(tmp_path_factory: pytest.TempPathFactory) -> Path:
    stamp = 'version="1" timestamp="2024-05-06T00:00:00Z"'
    parts = [f'<node id="{i}" lon="{x}" lat="{y}" {stamp}>{tags_xml(POINTS.get(i, {}))}</node>'
             for i, (x, y) in NODES.items()]
    parts += [f'<way id="{i}" {stamp}>' + "".join(f'<nd ref="{n}"/>' for n in nodes) + tags_xml(tags) + "</way>"
              for i, (nodes, tags) in WAYS.items()]
    parts += [f'<relation id="{i}" {stamp}>' + "".join(f'<member type="way" ref="{w}" role="{r}"/>' for w, r in members)
              + tags_xml(tags) + "</relation>" for i, (members, tags) in RELATIONS.items()]
    path = tmp_path_factory.mktemp("osm") / "city.osm"
    path.write_text('<osm version="0.6">' + "".join(parts) + "</osm>", encoding="utf-8")
    return path


def raw(name: str, path: Path, area: shapely.Geometry | None = None, **more: object) -> RawVector:
    spec = LayerSpec(name=name, source="osm_file", path=str(path), **more)  # type: ignore[arg-type]
    return read(spec, LoadContext(metric_crs="EPSG:4547", frames={}, area_of_interest=area))


def reasons(found: RawVector) -> dict[str, str]:
    return {remark.feature_id: remark.reason.en for remark in found.remarks}


def test_substations_have_their_highest_voltage_in_kv(extract):
    found = raw("substations", extract)
    assert found.frame["substation_id"].tolist() == ["node/9", "node/10", "way/20"]
    assert found.frame["voltage_kv"].tolist() == ["high", 35.0, 220.0]
    assert found.frame["name"].tolist()[-1] == "柳林变 <b>"
    assert found.frame.geometry.geom_type.tolist() == ["Point", "Point", "Polygon"]


def test_terms_come_with_the_data(extract):
    found = raw("substations", extract)
    assert (found.datum, found.licence, found.attribution) == ("wgs84", "ODbL 1.0", "© OpenStreetMap contributors")
    assert found.vintage == "2024-05-06"


def test_roads_are_classed_and_tunnels_and_paths_are_none(extract):
    found = raw("roads", extract)
    classes = dict(zip(found.frame["road_id"], found.frame["road_class"], strict=True))
    assert classes == {"way/21": "primary", "way/22": "motorway", "way/25": "local"}


def test_clipped_line_keeps_what_is_there_and_says_so(extract):
    found = raw("roads", extract)
    clipped = found.frame.set_index("road_id").geometry["way/25"]
    assert clipped.equals(shapely.LineString([NODES[2], NODES[3]]))
    assert "1 lines are cut" in found.note.en
    assert list(reasons(found)) == ["way/32"]


def test_water_that_cannot_be_drawn_is_accounted_for(extract):
    found = raw("water", extract)
    assert found.frame["water_id"].tolist() == ["way/31", "relation/40"]
    lake = found.frame.set_index("water_id").geometry["relation/40"]
    assert lake.geom_type == "Polygon"
    assert len(lake.interiors) == 1
    why = reasons(found)
    assert set(why) == {"way/28", "way/29", "relation/41", "relation/42"}
    assert "nodes of the outline are not in the file" in why["way/28"]
    assert "open line" in why["way/29"]
    assert "cannot be assembled" in why["relation/41"]
    assert "no outline of its own" in why["relation/42"]
    assert found.n_read == 6


def test_floor_area_is_footprint_times_storeys(extract):
    found = raw("buildings", extract)
    footprint = found.frame.to_crs(4547).area.iloc[0]
    assert found.frame["floor_area_m2"].tolist() == [pytest.approx(3 * footprint, abs=0.1)]
    assert "storeys" in found.note.en


def test_only_what_lies_near_the_study_area_is_read(extract):
    area = gpd.GeoSeries([shapely.box(113.59, 34.74, 113.61, 34.76)], crs=4326).to_crs(4547).iloc[0]
    near = raw("substations", extract, area)
    assert near.frame["substation_id"].tolist() == ["node/9", "way/20"]
    assert raw("substations", extract, area, options=(("margin_km", 1),)).frame["substation_id"].tolist() == ["way/20"]


def test_condition_and_own_columns(extract):
    found = raw("roads", extract, where="road_class = 'primary'", columns=(("surface", "highway"),))
    assert found.frame["road_id"].tolist() == ["way/21"]
    assert found.frame["surface"].tolist() == ["primary"]


def test_unreadable_voltage_is_rejected_by_the_loader_with_its_words(extract, tmp_path):
    district = gpd.GeoDataFrame({"district_id": ["1"], "name": ["d"]},
                                geometry=[shapely.box(113.5, 34.7, 113.8, 34.9)], crs=4326)
    district.to_file(tmp_path / "d.geojson")
    specs = [LayerSpec(name="districts", source="vector_file", path=str(tmp_path / "d.geojson"), datum="wgs84"),
             LayerSpec(name="substations", source="osm_file", path=str(extract))]
    city = load_layers(specs, metric_crs="EPSG:4547")
    assert city.frame("substations")["voltage_kv"].tolist() == [220.0]
    record = next(p for p in city.provenance if p.layer == "substations")
    assert (record.ledger.read, record.ledger.accepted, record.ledger.rejected) == (2, 1, 1)
    assert "'high'" in record.ledger.remarks[0].reason.en
    assert len(record.sha256) == 64


@pytest.mark.parametrize(("volts", "kv"), [("220000;110000", 220.0), ("400", 0.4), ("10 kV?", 0.01), ("high", "high"),
                                           (None, None)])
def test_highest_kv(volts, kv):
    assert highest_kv(volts) == kv


def test_every_mapping_fits_its_layer():
    for name, tags in known_layers().items():
        frame = LAYERS[name].frame
        assert frame is not None, name
        known = {f.name: f for f in frame.fields}
        assert tags.features, name
        assert set(tags.volts) <= set(known)
        assert not tags.floor_area or tags.floor_area in known
        for feature in tags.features:
            kinds = {"point"} if tags.as_points else set(feature.kinds)
            assert kinds <= set(frame.geometries), (name, feature)
            for column, value in feature.sets:
                assert not known[column].values or value in known[column].values, (name, column, value)


def test_districts_and_faults_are_not_taken_from_there(extract):
    for name in ("districts", "faults"):
        with pytest.raises(UsageError, match=r"not taken from OpenStreetMap.*substations"):
            raw(name, extract)


def test_errors_name_the_remedy(extract, tmp_path, monkeypatch):
    with pytest.raises(LayerNotFoundError, match="no file"):
        raw("roads", tmp_path / "none.osm.pbf")
    broken = tmp_path / "broken.osm.pbf"
    broken.write_bytes(b"no protocol buffer at all")
    with pytest.raises(LayerError, match="cannot be read as an OpenStreetMap file"):
        raw("roads", broken)
    with pytest.raises(UsageError, match="margin_km"):
        raw("roads", extract, options=(("margin_km", -1),))
    monkeypatch.setitem(sys.modules, "osmium", None)
    with pytest.raises(LayerUnavailableError, match=r"pip install suanzhi\[osm\]"):
        raw("roads", extract)


@pytest.mark.skipif(not HELSINKI.is_file(), reason="real data (../shared/data) is not beside this checkout")
def test_real_extract_as_gdal_reads_it():
    """GDAL's own reader of OpenStreetMap finds the same streets, as long as the extract holds all of their nodes."""
    import pyogrio

    found = raw("roads", HELSINKI).frame.set_index("road_id")
    lines = pyogrio.read_dataframe(HELSINKI, layer="lines", columns=["osm_id", "highway"],
                                   where="highway IN ('primary', 'secondary', 'tertiary')")
    theirs = lines.set_index("way/" + lines["osm_id"])
    both = theirs.index.intersection(found.index)
    assert len(both) > 250
    assert (found.loc[both, "road_class"] == theirs.loc[both, "highway"]).all()
    gap = shapely.hausdorff_distance(found.loc[both].geometry.array, theirs.loc[both].geometry.array)
    assert (gap < 1e-6).mean() > 0.95


@pytest.mark.skipif(not HELSINKI.is_file(), reason="real data (../shared/data) is not beside this checkout")
def test_real_extract_accounts_for_clipped_outlines():
    found = raw("housing", HELSINKI)
    assert found.n_read == len(found.frame) + len(found.remarks) == 26
    assert len(found.remarks) == 13
    assert all("clipped" in reason for reason in reasons(found).values())
