"""Distances from demand to sites and fibre diversity, with what a reader is told of them."""

from __future__ import annotations

import geopandas as gpd
import numpy as np
import pytest
import shapely
from shapely import LineString, Point

from gis.disjoint_routes import Diversity
from gis.errors import DataError
from layers.types import CityLayers
from siting.connections import (
    CITY_DETOUR_FACTOR,
    DIVERSITY_TEXT,
    fibre_diversity,
    network_distances,
    straight_distances,
)

CRS = "EPSG:4547"


def _frame(column, names, shapes, **columns):
    return gpd.GeoDataFrame({column: names, **columns}, geometry=list(shapes), crs=CRS)


DEMAND = _frame("demand_id", ["D1", "D2", "D3", "D4"], [Point(0, 3), Point(200, 0), Point(900, 900), Point(0, 5000)])
SITES = _frame("host_id", ["H1", "H2"], [Point(200, 100), Point(1000, 900)])
STREETS = _frame("road_id", ["a", "b", "c"], [LineString([(0, 0), (200, 0)]), LineString([(200, 0), (200, 100)]),
                                              LineString([(800, 900), (1000, 900)])])


def test_straight_lines_times_the_factor() -> None:
    found = straight_distances(DEMAND, SITES)
    np.testing.assert_allclose(found.distance_m[1], CITY_DETOUR_FACTOR * np.array([100.0, np.hypot(800, 900)]))
    assert "1.4" in found.facts[0].zh
    assert found.network is None


def test_network_distances_say_what_was_snapped_and_what_hangs_apart() -> None:
    found = network_distances(DEMAND, SITES, STREETS, max_snap_m=2000.0)
    np.testing.assert_allclose(found.distance_m, [[303.0, np.inf], [100.0, np.inf], [np.inf, 100.0], [np.inf, np.inf]])
    told = " ".join(f.en for f in found.facts)
    assert "Demand points that do not come to the lines: D4." in told
    assert "The lines fall into 2 parts that do not meet; the largest holds 60.0% of the length." in told
    assert "Demand points in part 2 (40.0% of the length): D3." in told
    assert "Sites in part 2 (40.0% of the length): H2." in told
    assert "3 m at most" in told
    assert all(f.zh and f.en for f in found.facts)
    far = network_distances(DEMAND, SITES, STREETS)
    assert any("more than 500 m from the lines: D4" in f.en for f in far.facts)
    with pytest.raises(DataError):
        network_distances(DEMAND, SITES, DEMAND)


def test_long_lists_are_cut() -> None:
    many = _frame("demand_id", [f"D{i}" for i in range(20)], [Point(i, 9000) for i in range(20)])
    facts = network_distances(many, SITES, STREETS, max_snap_m=10.0).facts
    assert any("D7 and 12 more." in f.en and "等 20 个" in f.zh for f in facts)


def test_fibre_diversity_tells_the_shared_stretch() -> None:
    ring = [LineString([(0, 0), (300, 0), (300, 300), (0, 300), (0, 0)]), LineString([(0, 0), (-80, 0)])]
    fibre = _frame("route_id", ["r", "s"], ring)
    pops = _frame("room_id", ["T1", "T2"], [Point(300, 100), Point(100, 300)], operator=["one", "one"])
    sites = _frame("host_id", ["H1", "H2"], [Point(150, 20), Point(-80, 0)])
    found = fibre_diversity(sites, pops, fibre)
    assert found.routes.diversity.tolist() == [Diversity.DISJOINT, Diversity.SHARED]
    assert found.verdict(0) == DIVERSITY_TEXT[Diversity.DISJOINT]
    assert "80 m at least" in found.verdict(1).en
    assert "至少共用 80 米" in found.verdict(1).zh
    assert found.routes.shared[1].length == pytest.approx(80.0)
    np.testing.assert_allclose(found.access.snap_distance_m, [20.0, 0.0])
    assert "of 2 sites, 1 have two that share nothing, 1 must share a stretch" in found.facts[0].en
    same = fibre_diversity(sites, pops, fibre, owner_column="operator")
    assert same.routes.diversity.tolist() == [Diversity.ONE_ONLY] * 2
    assert set(DIVERSITY_TEXT) == set(Diversity)


def test_a_city_of_fibre(zhengzhou_layers: CityLayers) -> None:
    rooms, fibre = zhengzhou_layers.frame("telecom_rooms"), zhengzhou_layers.frame("fibre_routes")
    hosts = zhengzhou_layers.frame("base_stations").iloc[:60]
    found = fibre_diversity(hosts, rooms.iloc[:20], fibre, site_id="station_id")
    assert set(np.unique(found.routes.diversity)) <= {Diversity.DISJOINT, Diversity.SHARED}
    pairs = found.routes.routes[found.routes.is_disjoint]
    shared = shapely.length(shapely.intersection(pairs[:, 0], shapely.buffer(pairs[:, 1], 1e-4)))
    assert (shared < 0.05 * shapely.length(pairs[:, 0]) + 1.0).all()
    # Along the streets is farther than the straight line, and about as much as the factor says.
    along = network_distances(hosts, rooms, zhengzhou_layers.frame("roads"), demand_id="station_id", site_id="room_id",
                              noding="crossings", max_snap_m=1_000.0)
    straight = straight_distances(hosts, rooms, detour_factor=1.0).distance_m
    ratio = (along.distance_m / straight)[np.isfinite(along.distance_m) & (straight > 5_000.0)]
    assert ratio.min() > 0.999
    assert 1.1 < np.median(ratio) < 1.7
