"""Demand points: from the layer as it is stated, else people counted from a raster."""

from __future__ import annotations

import geopandas as gpd
import numpy as np
import pytest
from affine import Affine
from shapely import Point, box

from gis.rasters import raster_from_array
from layers.types import CityLayers
from siting import demand as demand_module
from siting.demand import demand_points

CRS = "EPSG:4547"
AREA = box(450_000, 3_840_000, 454_000, 3_844_000)


def city(frame: gpd.GeoDataFrame | None = None, people: np.ndarray | None = None) -> CityLayers:
    rasters = {} if people is None else {"population": raster_from_array(
        people, Affine(250, 0, 449_000, 0, -250, 3_845_000), CRS, "people per cell")}
    return CityLayers(metric_crs=CRS, frames={} if frame is None else {"demand": frame}, rasters=rasters,
                      provenance=(), area_of_interest=AREA)


def stated(demand: list[float | None]) -> gpd.GeoDataFrame:
    return gpd.GeoDataFrame({"demand_id": [str(i) for i in range(len(demand))], "name": None, "demand": demand,
                             "certainty": "real"}, geometry=[Point(451_000, 3_841_000)] * len(demand), crs=CRS)


def test_nobody_tells_of_demand() -> None:
    assert demand_points(city()) is None


@pytest.mark.parametrize(("given", "weights"), [([3.0, None, -2.0], [3, 0, 0]), ([None, None], [1, 1])])
def test_stated_demand(given: list[float | None], weights: list[float]) -> None:
    frame = stated(given)
    frame["demand"] = frame["demand"].astype(float)
    points = demand_points(city(frame))
    assert points is not None
    assert points["demand"].tolist() == weights
    assert points["name"].tolist() == points["demand_id"].tolist()


def test_people_are_summed_over_square_kilometres(monkeypatch: pytest.MonkeyPatch) -> None:
    people = np.random.default_rng(1).integers(0, 50, (24, 24)).astype(float)
    people[0, 0] = np.nan
    whole = demand_points(city(people=people))
    assert whole is not None
    assert len(whole) == 16
    assert whole["demand"].sum() == pytest.approx(np.nansum(people[4:20, 4:20]))
    south_west = whole[whole.geometry == Point(450_500, 3_840_500)]
    assert south_west["demand"].item() == people[16:20, 4:8].sum()
    monkeypatch.setattr(demand_module, "STRIP_CELLS", 50)
    by_strips = demand_points(city(people=people))
    assert by_strips is not None
    assert by_strips["demand"].tolist() == whole["demand"].tolist()


def test_a_layer_comes_before_the_raster() -> None:
    points = demand_points(city(stated([5.0]), np.ones((24, 24))))
    assert points is not None
    assert len(points) == 1
