"""A small study with all that formats stumble over."""

from __future__ import annotations

from collections.abc import Callable

import geopandas as gpd
import numpy as np
import pandas as pd
import pytest
import shapely

from gis.bilingual import Text
from layers.exports.bundles import Bundle, StudyLayer, StudyTable
from layers.exports.layer_rows import HeldRows
from layers.exports.looks import Look, LookRule
from layers.exports.targets import placed, target_of

ODD = "<b>&\"'郑州=1+1\u0001"
"""Text that must come back as it went, the control character at its end at least not as a broken file."""

LONG = "中原区" * 60
"""More bytes than a Shapefile holds."""


def square(x: float, y: float, size: float = 0.001) -> shapely.Polygon:
    return shapely.box(x, y, x + size, y + size)


def parcels() -> gpd.GeoDataFrame:
    shapes = [square(113.6 + i / 500, 34.7) for i in range(4)]
    shapes[1] = shapely.MultiPolygon([square(113.7, 34.75), square(113.71, 34.75)])
    return gpd.GeoDataFrame({
        "parcel_id": ["P1", "P2", "P3", "P4"], "name": [ODD.rstrip("\u0001"), None, "=1+1", "高新区²"],
        "large_eligible": [True, False, True, True], "large_score": [0.25, np.nan, 0.75, 0.123456],
        "large_rank": pd.array([2, None, 1, 3], dtype="Int64"), "large_permission_clause": [LONG, "", "《规划》", None],
        "large_reclaimed_water_distance_m": [np.nan] * 4, "certainty": pd.Categorical(["synthetic"] * 4),
    }, geometry=[orient(s) for s in shapes], crs="EPSG:4326")


def orient(shape: shapely.Geometry) -> shapely.Geometry:
    return shapely.orient_polygons(shape)


def points() -> gpd.GeoDataFrame:
    return gpd.GeoDataFrame({"edge_centre_id": ["E1", "E2"], "feed": ["A", None], "certainty": ["real", "assumed"]},
                            geometry=[shapely.Point(113.65, 34.72), shapely.Point(113.66, 34.73)], crs="EPSG:4326")


@pytest.fixture
def bundle() -> Callable[..., Bundle]:
    """Return what makes the study in a CRS."""
    def make(crs: str = "EPSG:4326", language: str = "zh") -> Bundle:
        target = target_of(crs)
        terms = ({"layer": "parcels", "certainty": "synthetic", "licence": "ODbL", "attribution": "© 天地图",
                  "approval_number": "GS(2024)0650", "vintage": ""},)
        look = Look(rules=(LookRule(column="large_eligible", equals=(False,), colour="#8c8c8c", fill="#b5b5b5"),
                           LookRule(column="large_score", low=0.5, colour="#000000", fill="#172f78"),
                           LookRule(column="large_score", high=0.5, colour="#000000", fill="#fcfbd2")))
        tables = tuple(StudyTable(name=name, title=Text(zh=zh, en=name), titles={"item": Text(zh="项目", en="item")},
                                  frame=pd.DataFrame({"item": ["=2+2", ODD.rstrip("\u0001")], "n": [1, 2]}))
                       for name, zh in (("summary", "概要"), ("sources", "数据")))
        return Bundle(
            name=f"study{target.suffix}", title=Text(zh="郑州", en="Zhengzhou"), target=target, tables=tables,
            language="en" if language == "en" else "zh", layers=(
                StudyLayer(name="parcels", title=Text(zh="候选地块", en="candidates"),
                           rows=HeldRows(placed(parcels(), target)),
                           id_column="parcel_id", look=look, terms=terms,
                           titles={"parcel_id": "地块编号", "name": "名称", "certainty": "数据可信度"}),
                StudyLayer(name="edge_centres", title=Text(zh="边缘数据中心", en="edge centres"),
                           rows=HeldRows(placed(points(), target)), id_column="edge_centre_id",
                           titles={"edge_centre_id": "边缘中心编号"})))
    return make
