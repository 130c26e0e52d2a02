"""Damaged studies and layers: a run ends with every row accounted for, or with one sentence. Nothing else.

``SUANZHI_FUZZ_CASES`` sets how many are tried (``make nightly`` tries 10,000).
"""

from __future__ import annotations

import json
import os
import tempfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner

from gis.errors import SitingToolError
from layers.loading import load_layers
from layers.schemas import LAYERS
from siting.city_pack import load_pack
from siting.study import applied, layer_specs, run_study
from siting.study_file import read_study
from suanzhi.cli import app

CASES = int(os.environ.get("SUANZHI_FUZZ_CASES", "300"))
TOWN = Path(__file__).resolve().parent / "tiny.toml"

VECTORS = [name for name, schema in LAYERS.items() if not schema.is_raster]
RASTERS = [name for name, schema in LAYERS.items() if schema.is_raster]
JUNK = st.sampled_from(["", "x", "-", "NaN", "1e400", "0", "-1", "220kV", "35亩", "工业用地", "0601", "\u202e", "\x00",
                        "<script>alert(1)</script>", "' OR 1=1 --", "=cmd()", "🏭", "None", "true", "9" * 40])
VALUES = JUNK | st.integers(-10, 10**12) | st.floats(allow_nan=False, allow_infinity=False) | st.booleans() | st.none()
ON_THE_GROUND = st.tuples(st.floats(113.55, 113.75), st.floats(34.65, 34.85))
ANYWHERE = ON_THE_GROUND | st.tuples(st.floats(-200, 200), st.floats(-100, 100)) | ON_THE_GROUND.map(
    lambda at: (at[1], at[0])) | st.tuples(st.floats(3e5, 7e5), st.floats(3.5e6, 4e6))
GROUND = st.sampled_from([ON_THE_GROUND, ON_THE_GROUND, ANYWHERE])


@st.composite
def geometries(draw: st.DrawFn) -> object:
    """A GeoJSON geometry that may be broken in any of the usual ways."""
    points = draw(GROUND)
    ring = draw(st.lists(points, min_size=0, max_size=7))
    closed = [*ring, ring[0]] if ring and draw(st.booleans()) else ring
    return draw(st.sampled_from([
        None,
        {"type": "Point", "coordinates": draw(points)},
        {"type": "LineString", "coordinates": ring},
        {"type": "Polygon", "coordinates": [closed]},
        {"type": "Polygon", "coordinates": [closed, closed]},
        {"type": "MultiPolygon", "coordinates": [[closed], [closed]]},
        {"type": "MultiPoint", "coordinates": ring},
        {"type": "GeometryCollection", "geometries": [{"type": "Point", "coordinates": draw(points)}]},
        {"type": "Polygon", "coordinates": []},
        {"type": "Dodecahedron", "coordinates": ring},
    ]))


@st.composite
def collections(draw: st.DrawFn, layer: str) -> bytes:
    """A GeoJSON file of a layer, with damaged rows."""
    frame = LAYERS[layer].frame
    names = [f.name for f in frame.fields] if frame else ["value"]
    properties = st.dictionaries(st.sampled_from([*names, "NAME", "编号"]), VALUES, max_size=4)
    features = draw(st.lists(st.fixed_dictionaries({"type": st.just("Feature"), "properties": properties,
                                                    "geometry": geometries()}), max_size=5))
    if features and draw(st.booleans()):
        features.append(features[0])
    text = json.dumps({"type": "FeatureCollection", "features": features}, ensure_ascii=draw(st.booleans()))
    content = text.encode(draw(st.sampled_from(["utf-8", "utf-8-sig", "gb18030"])), errors="replace")
    return content[: draw(st.integers(0, len(content)))] if draw(st.integers(0, 9)) == 0 else content


@st.composite
def tables(draw: st.DrawFn) -> bytes:
    """A CSV file with columns lon and lat, more or less."""
    header = draw(st.sampled_from(["lon,lat,name", "经度,纬度,名称", "x,y,z", "lon,lat", "", "lon;lat;name"]))
    rows = draw(st.lists(st.lists(JUNK | ON_THE_GROUND.map(lambda at: str(at[0])), min_size=0, max_size=4), max_size=6))
    text = "\n".join([header, *(",".join(row) for row in rows)])
    return text.encode(draw(st.sampled_from(["utf-8", "gb18030", "utf-16"])), errors="replace")


@st.composite
def studies(draw: st.DrawFn, folder: Path) -> Path:
    """A study file in ``folder``, with its layer files."""
    lines = [f'city = "{TOWN.as_posix()}"']
    lines += draw(st.lists(st.sampled_from([
        'candidates = "grid"', 'candidates = "parcels"', "grid_size_m = 2500", "grid_size_m = -1", "n_top = 3",
        'classes = ["edge"]', 'classes = ["huge"]', "classes = []", "n_parcels = 5", "seed = 1", "colour = 3",
        'name = "../x"', 'name = "试验"', "city = 4", "[edge]\nn_facilities = 1", "[edge]\nn_facilities = 99",
        "[weights.large]\ncompactness = 1.0", "[weights.large]\ncompactness = 2", "[weights.large]\nbeauty = 1",
        '[mitigations]\nT-railway = "墙"', "[mitigations]\nT-nothing = 'x'", "= =", "[layers]", "\x01",
    ]), max_size=2, unique=True))
    for number, layer in enumerate(draw(st.lists(st.sampled_from([*VECTORS, *RASTERS]), max_size=2, unique=True))):
        suffix = draw(st.sampled_from(["geojson", "geojson", "csv", "gpkg", "shp", "zip", "tif", "parquet", "kml"]))
        path = folder / f"{number}.{suffix}"
        content = {"geojson": collections(layer), "csv": tables()}.get(suffix, st.binary(max_size=60))
        if draw(st.integers(0, 9)):
            path.write_bytes(draw(content))
        lines.append(f"[layers.{layer}]\npath = \"{path.name}\"")
        lines += draw(st.lists(st.sampled_from([
            'datum = "wgs84"', 'datum = "wgs84"', 'datum = "gcj02"', 'datum = "mars"', 'crs = "EPSG:4547"',
            'crs = "EPSG:0"', 'where = "1 = 0"', 'where = "oops("', 'encoding = "gbk"', 'table = "t"',
            'columns = { name = "NAME" }', 'columns = { name = "missing" }', 'certainty = "maybe"',
        ]), max_size=3, unique=True))
    path = folder / "study.toml"
    text = "\n".join(lines)
    path.write_text(text[: draw(st.integers(1, len(text)))] if draw(st.integers(0, 19)) == 0 else text,
                    encoding="utf-8")
    return path


def assert_one_sentence(error: SitingToolError) -> None:
    for language in ("zh", "en"):
        text = error.message(language)  # type: ignore[arg-type]
        assert text
        assert "\n" not in text, text
        assert "Traceback" not in text
        assert len(text) < 2_000
    assert error.exit_code in (2, 3, 4, 5, 6)


@settings(max_examples=CASES, deadline=None, suppress_health_check=list(HealthCheck), print_blob=True)
@given(st.data())
def test_a_run_accounts_for_every_row_or_says_one_sentence(data: st.DataObject) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = data.draw(studies(Path(folder)))
        try:
            study = read_study(path)
            pack = load_pack(study.city)
            applied(pack, study)
            city_layers = load_layers(layer_specs(pack, study), metric_crs=pack.metric_crs,
                                      n_parcels=study.n_parcels, seed=study.seed)
            for entry in city_layers.provenance:
                account = entry.ledger
                assert account.read == account.accepted + account.repaired + account.rejected
            result = run_study(city_layers, pack, study)
        except SitingToolError as error:
            assert_one_sentence(error)
            return
        for scores in result.scores:
            assert len(scores.score) == len(result.candidates)
            assert (scores.rank[~scores.eligible] == 0).all()


@settings(max_examples=max(10, CASES // 20), deadline=None, suppress_health_check=list(HealthCheck), print_blob=True)
@given(st.data())
def test_the_command_leaves_no_partial_output(data: st.DataObject) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = data.draw(studies(Path(folder)))
        out = Path(folder) / "out"
        found = CliRunner().invoke(app, ["run", str(path), "--out", str(out), "--lang", "en"])
        assert found.exit_code in (0, 2, 3, 4, 5, 6), found.exception
        if found.exit_code == 0:
            manifest = json.loads((out / "manifest.json").read_text(encoding="utf-8"))
            for account in manifest["ledger"].values():
                assert account["read"] == account["accepted"] + account["repaired"] + account["rejected"]
        else:
            assert "Traceback" not in found.output
            assert found.output.count("\n") == 1, found.output
            assert not out.exists() or not [p for p in out.rglob("*") if p.is_file()]


@pytest.mark.parametrize("city", [str(TOWN)])
def test_the_town_itself_runs(city: str) -> None:
    from siting.study_file import default_study
    pack = load_pack(city)
    result = run_study(load_layers(layer_specs(pack, default_study(city)), metric_crs=pack.metric_crs), pack,
                       default_study(city))
    assert result.scores_for("large").eligible.tolist() == [True, True, False]
