from __future__ import annotations

import dataclasses
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path
from xml.etree import ElementTree as ET

import pyogrio
import pytest

from gis.bilingual import Text
from layers.exports.bundles import Bundle
from layers.exports.geopackage import write_geopackage
from layers.exports.layer_rows import HeldRows
from layers.exports.qgis_project import write_qgis_project

Make = Callable[..., Bundle]
QGIS_PYTHON = "/usr/bin/python3"
READ = """
import os, sys
os.environ["QT_QPA_PLATFORM"] = "offscreen"
from qgis.core import QgsApplication, QgsExpression, QgsProject
app = QgsApplication([], False); app.initQgis()
project = QgsProject.instance()
print("read", project.read(sys.argv[1]))
for layer in sorted(project.mapLayers().values(), key=lambda l: l.id()):
    children = layer.renderer().rootRule().children()
    faults = [c.label() for c in children if not c.isElse() and QgsExpression(c.filterExpression()).hasParserError()]
    print(layer.id(), layer.isValid(), layer.featureCount(), layer.crs().isValid(), len(children), faults,
          layer.attributeAlias(1))
sys.stdout.flush(); os._exit(0)
"""


def write(made: Bundle, folder: Path) -> Path:
    write_geopackage(made, folder / f"{made.name}.gpkg")
    return write_qgis_project(made, folder / f"{made.name}.qgz", geopackage=f"{made.name}.gpkg")


def document(path: Path) -> ET.Element:
    with zipfile.ZipFile(path) as archive:
        assert archive.testzip() is None
        assert archive.namelist() == [f"{path.stem}.qgs"]
        return ET.fromstring(archive.read(f"{path.stem}.qgs"))


@pytest.mark.parametrize("crs", ["4326", "4547", "gcj02"])
def test_sources_are_found_wherever_the_folder_is(bundle: Make, tmp_path: Path, crs: str) -> None:
    (tmp_path / "one").mkdir()
    path = write(bundle(crs), tmp_path / "one")
    path = (tmp_path / "one").rename(tmp_path / "two") / path.name
    root = document(path)
    ids = [e.text for e in root.iterfind("projectlayers/maplayer/id")]
    assert ids == [e.get("id") for e in reversed(root.findall("layer-tree-group/layer-tree-layer"))]
    for source in root.iterfind("projectlayers/maplayer/datasource"):
        file, layer = str(source.text).split("|layername=")
        assert file.startswith("./")
        assert pyogrio.read_info(path.parent / file, layer=layer)["features"] > 0


def test_every_symbol_of_a_rule_is_there(bundle: Make, tmp_path: Path) -> None:
    root = document(write(bundle(), tmp_path))
    for renderer in root.iterfind("projectlayers/maplayer/renderer-v2"):
        symbols = {s.get("name") for s in renderer.iterfind("symbols/symbol")}
        assert [r.get("symbol") in symbols for r in renderer.iterfind("rules/rule")].count(False) == 0
    assert root.findtext("projectCrs/spatialrefsys/authid") == "EPSG:4326"


def test_same_study_gives_the_same_bytes(bundle: Make, tmp_path: Path) -> None:
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
    assert write(bundle(), tmp_path / "a").read_bytes() == write(bundle(), tmp_path / "b").read_bytes()


@pytest.mark.parametrize("crs", ["4547", "gcj02"])
def test_qgis_itself_opens_it(bundle: Make, tmp_path: Path, crs: str) -> None:
    has_qgis = Path(QGIS_PYTHON).exists() and subprocess.run(
        [QGIS_PYTHON, "-c", "import qgis.core"], capture_output=True, check=False).returncode == 0
    if not has_qgis or sys.platform != "linux":
        pytest.skip("QGIS is not installed (apt-get install python3-qgis)")
    path = write(bundle(crs), tmp_path)
    found = subprocess.run([QGIS_PYTHON, "-c", READ, str(path)], capture_output=True, text=True, check=True,
                           timeout=120, env={"HOME": str(tmp_path), "PATH": "/usr/bin:/bin", "LANG": "C.UTF-8"})
    assert found.stdout.splitlines() == [
        "read True", "suanzhi_edge_centres True 2 True 1 [] 边缘中心编号", "suanzhi_parcels True 4 True 3 [] 地块编号"]


def test_the_first_view_is_that_of_the_layers_that_are_shown(bundle: Make, tmp_path: Path) -> None:
    made = bundle("4326")
    near = made.layers[0]
    moved = near.frame.set_geometry(near.frame.geometry.translate(20.0, 5.0))
    far = dataclasses.replace(near, name="far", title=Text(zh="远处", en="far"), rows=HeldRows(moved),
                              look=dataclasses.replace(near.look, is_shown=False))
    extent = document(write(dataclasses.replace(made, layers=(near, far)), tmp_path)).find("mapcanvas/extent")
    assert extent is not None
    west, south, east, north = near.rows.bounds
    given = {e.tag: float(str(e.text)) for e in extent}
    assert given["xmin"] <= west < east <= given["xmax"] < west + 10
    assert given["ymin"] <= south < north <= given["ymax"]
