"""Small files and specs that the tests of this room share."""

from __future__ import annotations

from pathlib import Path

import geopandas as gpd
import pytest
from shapely import LineString, Point, Polygon, box

from layers.types import InlineFeature, LayerSpec

METRIC_CRS = "EPSG:4547"
SHARED = Path(__file__).resolve().parents[3] / "shared" / "data"


@pytest.fixture
def shared_data() -> Path:
    if not SHARED.is_dir():
        pytest.skip("the folder of open data is not beside the project")
    return SHARED


@pytest.fixture
def metric_crs() -> str:
    return METRIC_CRS


@pytest.fixture
def districts() -> LayerSpec:
    """Two districts side by side, about 18 km x 22 km each."""
    west, east = box(113.4, 34.6, 113.6, 34.8), box(113.6, 34.6, 113.8, 34.8)
    return LayerSpec(name="districts", source="inline", features=(
        InlineFeature(geometry=west.wkt, properties=(("district_id", "1"), ("name", "西区"))),
        InlineFeature(geometry=east.wkt, properties=(("district_id", "2"), ("name", "东区"))),
    ))


@pytest.fixture
def stations() -> gpd.GeoDataFrame:
    """Three substations under Chinese column names, in degrees."""
    return gpd.GeoDataFrame(
        {"编号": ["S1", "S2", "S3"], "站名": ["嵩山站", "官渡站", "惠济站"],
         "电压等级": ["500kV", "220000;110000", "110/35/10"]},
        geometry=[Point(113.5, 34.7), Point(113.61, 34.71), Point(113.7, 34.65)], crs="EPSG:4326",
    )


@pytest.fixture
def station_columns() -> tuple[tuple[str, str], ...]:
    return (("substation_id", "编号"), ("name", "站名"), ("voltage_kv", "电压等级"))


@pytest.fixture
def shapes() -> gpd.GeoDataFrame:
    """A good square, a bow-tie with unequal wings, a line, an empty geometry and a missing one."""
    bow_tie = Polygon([(0, 0), (100, 100), (100, 0), (0, 100)])
    return gpd.GeoDataFrame(
        {"parcel_id": ["a", "b", "c", "d", "e"]},
        geometry=[box(0, 0, 50, 50), bow_tie, LineString([(0, 0), (9, 9)]), Polygon(), None], crs=METRIC_CRS,
    )
