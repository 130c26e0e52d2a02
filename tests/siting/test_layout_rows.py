"""Rows of a layout against plain geometry and plain search: free stretches, the choice of rows, directions."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st

from siting import _layout_kernels as kernels
from siting._layout_rows import _free, _ordered, directions_rad, edges_of, pack_rows, remaining
from siting.layout_settings import load_layout_settings

BASE = load_layout_settings()


@st.composite
def grounds(draw: st.DrawFn) -> shapely.Geometry:
    """Unions and differences of triangles and boxes: concave, with holes, in parts; empty now and then."""
    numbers = st.integers(0, 60)
    ground = shapely.Polygon()
    for add in draw(st.lists(st.booleans(), min_size=1, max_size=5)):
        points = np.array(draw(st.lists(st.tuples(numbers, numbers), min_size=3, max_size=3)), dtype=float)
        shape = shapely.Polygon(points).buffer(0)
        ground = ground.union(shape) if add else ground.difference(shape)
    return shapely.union_all([p for p in shapely.get_parts(ground) if p.geom_type == "Polygon"])


@settings(max_examples=300, deadline=None)
@given(ground=grounds(), y=st.floats(-5, 60), depth=st.floats(0.5, 30))
def test_free_stretches_are_those_that_plain_geometry_finds(ground: shapely.Geometry, y: float, depth: float) -> None:
    edges = edges_of(ground)
    found = _free(_ordered(edges, kernels.MAX_RISE_M), y, depth, 0.0, 0.5) if len(edges) else np.empty((0, 2))
    for start, end in found:
        assert ground.buffer(1e-5).covers(shapely.box(start, y, end, y + depth))
    # What the ground lacks in the strip, thrown down upon the row, leaves exactly the free stretches.
    strip = shapely.box(-100, y + 1e-6, 200, y + depth - 1e-6)
    lacking = shapely.get_parts(strip.difference(ground))
    blocked = shapely.union_all([shapely.box(p.bounds[0], 0, p.bounds[2], 1) for p in lacking if p.area > 0])
    free = [p.bounds for p in shapely.get_parts(shapely.box(-100, 0, 200, 1).difference(blocked)) if p.area > 0]
    expected = sum(b[2] - b[0] for b in free if b[2] - b[0] >= 0.5 + 1e-3)
    most = sum(b[2] - b[0] for b in free if b[2] - b[0] >= 0.5 - 1e-3)
    assert expected - 1e-2 <= float((found[:, 1] - found[:, 0]).sum()) <= most + 1e-2


def test_stretches_beside_a_thin_spike_keep_the_gap() -> None:
    ground = shapely.box(0, 0, 100, 20).difference(shapely.Polygon([(49.9, 20), (50.1, 20), (50, 5)]))
    edges = _ordered(edges_of(ground), kernels.MAX_RISE_M)
    (first_start, first_end), (second_start, second_end) = _free(edges, 0.0, 20.0, 13.0, 5.0)
    assert (first_start, second_end) == pytest.approx((0.0, 100.0))
    assert second_start - first_end == pytest.approx(13.0)


@settings(max_examples=150, deadline=None)
@given(data=st.data())
def test_the_choice_of_rows_is_the_best_of_all(data: st.DataObject) -> None:
    positions = np.array(sorted(data.draw(st.sets(st.integers(0, 40), min_size=1, max_size=7))), dtype=np.float64)
    depths = np.array(data.draw(st.lists(st.integers(1, 12), min_size=1, max_size=2)), dtype=np.float64)
    gap = float(data.draw(st.integers(0, 6)))
    values = np.array(data.draw(st.lists(st.lists(st.integers(0, 9), min_size=len(positions), max_size=len(positions)),
                                         min_size=len(depths), max_size=len(depths))), dtype=np.float64)
    chosen = np.empty((len(positions), 2), dtype=np.int64)
    n = kernels.best_stack(positions, values, depths, gap, chosen)
    rows = [(positions[i], depths[t]) for i, t in chosen[:n]]
    assert all(b[0] >= a[0] + a[1] + gap - 1e-9 for a, b in itertools.pairwise(rows))
    best = 0.0
    for kinds in itertools.product(range(-1, len(depths)), repeat=len(positions)):
        used = [(positions[i], depths[t], values[t, i]) for i, t in enumerate(kinds) if t >= 0]
        if all(b[0] >= a[0] + a[1] + gap - 1e-9 for a, b in itertools.pairwise(used)):
            best = max(best, sum(u[2] for u in used))
    assert sum(values[t, i] for i, t in chosen[:n]) == pytest.approx(best)


def test_directions_follow_the_longest_edges_and_turn_by_right_angles() -> None:
    parcel = shapely.Polygon([(0, 0), (200, 0), (300, 100), (0, 100)])
    degrees = [round(math.degrees(d), 6) for d in directions_rad(parcel)]
    # 600 m of edges lie flat or upright, 141 m at 45 degrees.
    assert degrees[:4] == [0.0, 90.0, 45.0, 135.0]


def test_near_directions_are_joined() -> None:
    bent = shapely.Polygon([(0, 0), (60, 0), (120, 0.6), (180, 1.9), (240, 2.2), (240, 90), (0, 90)])
    # Five directions within 1.5 degrees make one, to which only that of the least rectangle may come.
    assert len([d for d in directions_rad(bent) if math.degrees(d) < 45]) <= 2


def test_each_row_starts_where_its_own_stretch_does() -> None:
    # Two modules are 133 m long; a row of 30 m loses 29 m to the slant, and 150 m are too few for two.
    ground = shapely.Polygon([(0, 0), (150, 0), (220, 73), (70, 73)])
    stretches = pack_rows(ground, 0.0, BASE, (1e-3,))[0]
    assert sum(s.n_modules for s in stretches) == 2
    # With 165 m both rows hold two, although the upper one starts 41 m farther on: no rectangle holds all four.
    wide = shapely.Polygon([(0, 0), (165, 0), (235, 73), (70, 73)])
    rows = [s for s in pack_rows(wide, 0.0, BASE, (1e-3,))[0] if s.n_modules]
    assert [s.n_modules for s in rows] == [2, 2]
    assert rows[1].start_m - rows[0].start_m == pytest.approx(70 * 43 / 73, abs=1.0)


def test_what_remains_keeps_the_gap() -> None:
    taken = shapely.box(40, 40, 60, 60)
    left = remaining(shapely.box(0, 0, 100, 100), [taken], 13.0)
    assert left.distance(taken) == pytest.approx(13.0)
    assert remaining(taken, [], 13.0) is taken


def test_long_edges_are_cut_without_a_slit() -> None:
    edges = _ordered(np.array([[0.0, 100.0, 33.3, 0.0]]), 25.0)
    assert (edges[:, 3] - edges[:, 1]).max() <= 25.0 + 1e-9
    assert np.array_equal(edges[1:, :2], edges[:-1, 2:])
    assert edges[0, :2].tolist() == [33.3, 0.0]
    assert edges[-1, 2:].tolist() == [0.0, 100.0]
