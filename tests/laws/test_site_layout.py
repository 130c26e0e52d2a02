"""Laws of site layout, on random parcels: nothing leaves the parcel, nothing overlaps, no limit is passed."""

from __future__ import annotations

import dataclasses
import math

import numpy as np
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st

from siting._layout_parts import inset
from siting.layout_settings import LayoutSettings, load_layout_settings
from siting.site_layout import SiteLayout, lay_out_site

BASE = load_layout_settings()
YARDS = ("substation_yard", "cooling_yard", "diesel_yard")


@st.composite
def parcels(draw: st.DrawFn) -> shapely.Polygon:
    """Star-shaped outlines, mostly concave, of 0.5 to 30 ha, some with a hole, at coordinates of a real city."""
    n = draw(st.integers(3, 12))
    gaps = np.array(draw(st.lists(st.floats(0.2, 1.0), min_size=n, max_size=n)))
    angles = 2 * np.pi * np.cumsum(gaps) / gaps.sum() + draw(st.floats(0, 3))
    radius = draw(st.floats(60, 330))
    radii = radius * np.array(draw(st.lists(st.floats(0.25, 1.0), min_size=n, max_size=n)))
    points = np.column_stack([464_000 + radii * np.cos(angles), 3_846_000 + radii * np.sin(angles)])
    outline = shapely.Polygon(points).buffer(0)
    outline = max(shapely.get_parts(outline), key=lambda p: p.area)
    if draw(st.booleans()):
        centre = outline.representative_point()
        outline = outline.difference(shapely.box(centre.x - 15, centre.y - 9, centre.x + 15, centre.y + 9))
        outline = max(shapely.get_parts(outline), key=lambda p: p.area)
    return shapely.Polygon(outline.exterior, outline.interiors)


@st.composite
def choices(draw: st.DrawFn) -> LayoutSettings:
    return dataclasses.replace(
        BASE, hall_length_m=draw(st.sampled_from([36.0, 60.0, 81.5])), hall_width_m=draw(st.sampled_from([18.0, 30.0])),
        setback_m=draw(st.sampled_from([0.0, 5.0, 10.0, 24.5])), building_gap_m=draw(st.sampled_from([6.0, 13.0])),
        max_floor_area_ratio=draw(st.sampled_from([0.5, 1.2, 3.0])), max_height_m=draw(st.sampled_from([7.0, 24.0])),
        max_building_density=draw(st.sampled_from([0.15, 0.4, 1.0])),
    )


def _check_places(layout: SiteLayout, parcel: shapely.Polygon) -> None:
    rules, parts = layout.settings, layout.parts
    built = parts[parts["kind"].isin(("hall", *YARDS))]
    shapes = np.asarray(built.geometry.array, dtype=object)
    is_hall = (built["kind"] == "hall").to_numpy()
    if len(shapes):
        assert shapely.contains(parcel, shapes).all()
        assert shapely.distance(parcel.boundary, shapes).min() >= rules.clearance_m - 1e-6
    for i, one in enumerate(shapes):
        for j in range(i):
            least = rules.gap_m if is_hall[i] or is_hall[j] else rules.fire_lane_width_m
            assert one.distance(shapes[j]) >= least - 1e-6
    halls = shapes[is_hall]
    if len(halls):
        assert np.allclose(shapely.area(halls), rules.hall_area_m2)
        assert np.allclose(shapely.length(halls), 2 * (rules.hall_length_m + rules.hall_width_m))
        corners = shapely.get_coordinates(halls).reshape(len(halls), 5, 2)
        assert np.allclose(*(np.hypot(*(corners[:, a] - corners[:, b]).T) for a, b in ((0, 2), (1, 3))))


def _check_tiling(layout: SiteLayout, parcel: shapely.Polygon) -> None:
    shapes = np.asarray(layout.parts.geometry.array, dtype=object)
    assert shapely.is_valid(shapes).all()
    assert math.isclose(shapely.area(shapes).sum(), parcel.area, rel_tol=1e-9, abs_tol=1e-3)
    assert shapely.difference(shapely.union_all(shapes), parcel).area < 1e-3
    tree = shapely.STRtree(shapes)
    one, other = tree.query(shapes, predicate="intersects")
    overlap = shapely.area(shapely.intersection(shapes[one[one < other]], shapes[other[one < other]]))
    assert overlap.sum() < 1e-3


def _check_lanes(layout: SiteLayout, parcel: shapely.Polygon) -> None:
    rules, parts = layout.settings, layout.parts
    lanes = shapely.union_all(np.asarray(parts.geometry[parts["kind"] == "fire_lane"].array))
    built = parts.geometry[parts["kind"].isin(("hall", *YARDS))]
    taken = shapely.union_all(np.asarray(built.array))
    for shape in built:
        # The lane runs along the whole outline, and is as wide as asked but where the setback begins.
        ring = shape.buffer(rules.fire_lane_width_m, join_style="mitre").difference(taken)
        ring = ring.intersection(inset(parcel, rules.clearance_m - rules.fire_lane_width_m))
        assert ring.difference(lanes).area < 1e-3
    for piece in shapely.get_parts(inset(parcel, rules.clearance_m - rules.fire_lane_width_m)):
        if any(piece.intersects(shape) for shape in built):
            net = [p for p in shapely.get_parts(lanes.intersection(piece)) if p.area > 1e-2]
            assert len(net) == 1


def _check_limits(layout: SiteLayout, parcel: shapely.Polygon, it_load_kw: float | None) -> None:
    rules, parts = layout.settings, layout.parts
    halls = parts[parts["kind"] == "hall"]
    assert layout.building_density <= rules.max_building_density + 1e-9
    assert layout.floor_area_ratio <= rules.max_floor_area_ratio + 1e-9
    assert (halls["floors"] * rules.floor_height_m <= rules.max_height_m + 1e-9).all()
    assert (halls["floors"] >= 1).all()
    assert (halls["racks"] <= halls["floors"] * rules.racks_per_floor).all()
    assert it_load_kw is None or layout.it_load_kw <= it_load_kw + 1e-6
    assert layout.racks == parts["racks"].sum()
    assert math.isclose(layout.floor_area_m2, halls["floor_area_m2"].sum(), abs_tol=0.1)
    if len(halls):
        mva = layout.site_load_mva
        for kind, per_mva in (("cooling_yard", rules.cooling_yard_m2_per_mva),
                              ("diesel_yard", rules.diesel_yard_m2_per_mva)):
            assert layout.area_of(kind) >= mva * per_mva - 1.0
        assert layout.area_of("substation_yard") >= max(mva * rules.substation_yard_m2_per_mva,
                                                        rules.min_substation_yard_m2) - 1.0
        assert layout.binding
    else:
        assert layout.racks == 0


@settings(max_examples=40, deadline=None)
@given(parcel=parcels(), rules=choices(), it_load_kw=st.sampled_from([None, 2_000.0, 33_333.0]))
def test_a_campus_keeps_every_rule(parcel: shapely.Polygon, rules: LayoutSettings, it_load_kw: float | None) -> None:
    layout = lay_out_site(parcel, rules, it_load_kw=it_load_kw)
    _check_places(layout, parcel)
    _check_tiling(layout, parcel)
    _check_lanes(layout, parcel)
    _check_limits(layout, parcel, it_load_kw)


@settings(max_examples=10, deadline=None)
@given(parcel=parcels(), rules=choices())
def test_relaxing_a_limit_that_does_not_bind_wins_nothing(parcel: shapely.Polygon, rules: LayoutSettings) -> None:
    layout = lay_out_site(parcel, rules)
    if "floor_area_ratio" not in layout.binding:
        relaxed = dataclasses.replace(rules, max_floor_area_ratio=9.0)
        assert lay_out_site(parcel, relaxed).racks == layout.racks
    if "building_density" not in layout.binding:
        relaxed = dataclasses.replace(rules, max_building_density=1.0)
        assert lay_out_site(parcel, relaxed).racks == layout.racks
    if "height" not in layout.binding and layout.n_floors:
        relaxed = dataclasses.replace(rules, max_height_m=60.0)
        assert lay_out_site(parcel, relaxed).racks <= layout.racks


@settings(max_examples=5, deadline=None)
@given(parcel=parcels())
def test_same_parcel_same_bytes(parcel: shapely.Polygon) -> None:
    one, other = (lay_out_site(parcel, BASE).parts for _ in range(2))
    assert list(one.geometry.to_wkb()) == list(other.geometry.to_wkb())
    assert one.drop(columns="geometry").equals(other.drop(columns="geometry"))
