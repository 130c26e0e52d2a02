"""Exact distances from edge to edge, compiled.

The edges of the targets lie in a tree of boxes (:mod:`gis.box_tree`), eight to a leaf. Each run
of edges of a geometry goes down the tree, nearest box first, and skips every box farther than
what it has found. A geometry that meets no edge of a target may still lie inside it, or hold it:
one vertex of each part is tested against the polygons whose box it lies in, and the other way
round. Time grows with the logarithm of the number of targets per geometry, and memory with the
number of targets.

Only differences of coordinates enter a distance, never the coordinates themselves, so nothing is
lost to their size and a result does not depend on an origin. Of several candidates the one with
the least distance and then the lowest number is kept, so it does not depend on the order in which
the tree is walked either: any part of the geometries gives the same bits.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar, cast

import numpy as np
from numba import njit
from numpy.typing import NDArray

from gis.box_tree import BoxTree
from gis.ragged import Runs

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
Function = TypeVar("Function", bound=Callable[..., Any])

# Boxes this much farther than the limit are still looked into: the distance itself decides.
_SLACK, _SLACK_M = 1e-9, 1e-6
# Deeper than any tree of 2^63 boxes: 32 levels, of which each leaves 3 siblings.
_STACK = 128


def compiled(function: Function) -> Function:
    """Compile a function, once per machine where a folder can be written, else once per process."""
    try:
        return cast("Function", njit(cache=True, nogil=True, error_model="numpy")(function))
    except RuntimeError:  # numba finds no folder for its cache
        return cast("Function", njit(nogil=True, error_model="numpy")(function))


@compiled
def box_gap_m2(one: Floats, other: Floats) -> float:
    """Return the squared distance between two boxes."""
    x: float = max(0.0, one[0] - other[2], other[0] - one[2])
    y: float = max(0.0, one[1] - other[3], other[1] - one[3])
    return x * x + y * y


@compiled
def path_gap_m2(shapes: Runs, run: int, cx: float, cy: float, dx: float, dy: float) -> float:
    """Return the squared distance between a run and the edge c-d (or the point, where c is d); 0 where they meet.

    Either two edges cross, or the shortest way ends at a vertex: it joins two vertices, or a vertex
    and the foot of its perpendicular within the other edge.
    """
    least_m2 = np.inf
    ex, ey = dx - cx, dy - cy
    length_m2 = ex * ex + ey * ey
    ax, ay, a_side = 0.0, 0.0, 0.0
    first = shapes.run_first[run]
    for i in range(first, shapes.run_last[run] + 1):
        bx, by = shapes.x[i], shapes.y[i]
        px, py, qx, qy = bx - cx, by - cy, bx - dx, by - dy
        least_m2 = min(least_m2, px * px + py * py, qx * qx + qy * qy)
        along, side = px * ex + py * ey, px * ey - py * ex
        if 0.0 < along < length_m2:
            least_m2 = min(least_m2, side * side / length_m2)
        if i > first:
            fx, fy = bx - ax, by - ay
            edge_m2 = fx * fx + fy * fy
            c_along, c_side = (cx - ax) * fx + (cy - ay) * fy, (cx - ax) * fy - (cy - ay) * fx
            d_along, d_side = (dx - ax) * fx + (dy - ay) * fy, (dx - ax) * fy - (dy - ay) * fx
            if 0.0 < c_along < edge_m2:
                least_m2 = min(least_m2, c_side * c_side / edge_m2)
            if 0.0 < d_along < edge_m2:
                least_m2 = min(least_m2, d_side * d_side / edge_m2)
            if a_side * side < 0.0 and c_side * d_side < 0.0:
                return 0.0
        ax, ay, a_side = bx, by, side
    return least_m2


@compiled
def run_gap_m2(asked: Runs, run: int, sought: Runs, other: int, limit_m2: float) -> float:
    """Return the squared distance between two runs, or anything above ``limit_m2`` if it is farther."""
    least_m2, box = np.inf, asked.run_box[run]
    begin, end = sought.run_first[other], sought.run_last[other]
    for j in range(begin, max(end, begin + 1)):
        after = min(j + 1, end)
        cx, cy, dx, dy = sought.x[j], sought.y[j], sought.x[after], sought.y[after]
        x = max(0.0, min(cx, dx) - box[2], box[0] - max(cx, dx))
        y = max(0.0, min(cy, dy) - box[3], box[1] - max(cy, dy))
        if x * x + y * y <= min(limit_m2, least_m2):
            least_m2 = min(least_m2, path_gap_m2(asked, run, cx, cy, dx, dy))
    return least_m2


@compiled
def is_inside(shapes: Runs, part: int, x: float, y: float) -> bool:
    """Tell whether a point lies inside a polygon: whether a ray to the right meets its rings an odd number of times.

    A run wholly to the right of the point is met as often as its two ends say (odd if they lie on
    both sides of the ray), so only the runs whose box holds the point are looked at edge by edge.
    On the very edge either answer is possible.
    """
    is_odd = False
    for run in range(shapes.part_run[part], shapes.part_run[part + 1]):
        box = shapes.run_box[run]
        if y < box[1] or y > box[3] or x > box[2]:
            continue
        first, last = shapes.run_first[run], shapes.run_last[run]
        if x < box[0]:
            is_odd ^= (shapes.y[first] > y) != (shapes.y[last] > y)
            continue
        for i in range(first, last):
            ax, ay, bx, by = shapes.x[i], shapes.y[i], shapes.x[i + 1], shapes.y[i + 1]
            if (ay > y) != (by > y):
                is_odd ^= ((bx - ax) * (y - ay) - (by - ay) * (x - ax) > 0.0) == (by > ay)
    return is_odd


@compiled
def next_item(tree: BoxTree, box: Floats, limit_m2: float, nodes: Integers, gaps_m2: Floats,
              top: int) -> tuple[int, int]:
    """Return an item whose box is within a limit of ``box``, near ones first, and what is left to visit.

    ``nodes`` and ``gaps_m2`` hold the ``top`` nodes still to visit, the nearest last. The limit may
    shrink from call to call. The item is -1 when there is none left.
    """
    while top > 0:
        top -= 1
        node = nodes[top]
        if gaps_m2[top] > limit_m2:
            continue
        if tree.first_child[node] < 0:
            return tree.item[node], top
        bottom = top
        for child in range(tree.first_child[node], tree.last_child[node]):
            gap_m2 = box_gap_m2(box, tree.box[child])
            if gap_m2 > limit_m2:
                continue
            place = top
            while place > bottom and gaps_m2[place - 1] < gap_m2:
                nodes[place], gaps_m2[place] = nodes[place - 1], gaps_m2[place - 1]
                place -= 1
            nodes[place], gaps_m2[place] = child, gap_m2
            top += 1
    return -1, 0


@compiled
def start(tree: BoxTree, nodes: Integers, gaps_m2: Floats) -> int:
    """Put the root of a tree on the list of nodes to visit and return its length."""
    if len(tree.first_child) == 0:
        return 0
    nodes[0], gaps_m2[0] = len(tree.first_child) - 1, 0.0
    return 1


@compiled
def widened_m2(limit_m: float) -> float:
    """Return the square of a limit, a hair wider."""
    wide_m = limit_m * (1.0 + _SLACK) + _SLACK_M
    return wide_m * wide_m


@compiled
def appended(numbers: Integers, n: int, number: int) -> Integers:
    """Put a number at place ``n`` of an array, of twice the length if it is full."""
    if n == len(numbers):
        longer = np.empty(2 * n + 16, dtype=np.int64)
        for i in range(n):  # a slice would double the time to compile
            longer[i] = numbers[i]
        numbers = longer
    numbers[n] = number
    return numbers


@compiled
def overlapping(asked: Runs, sought: Runs, corners: BoxTree, polygons: BoxTree,
                polygon_part: Integers) -> tuple[Integers, Integers]:
    """Find the targets that lie inside each geometry, or hold it, judged by one vertex of each part.

    Those that merely cross are left out unless that vertex tells: their edges meet.

    Parameters
    ----------
    asked, sought
        The n geometries and the m targets.
    corners, polygons
        Trees of the first vertices of the parts of the targets, and of the boxes of those parts that
        are polygons, which ``polygon_part`` numbers.

    Returns
    -------
    Where the targets of each geometry begin, with the end, shape (n + 1,), and the targets; one may
    come several times.
    """
    nodes, gaps_m2, box = np.empty(_STACK, dtype=np.int64), np.empty(_STACK), np.empty(4)
    begins, found, n_found = np.zeros(len(asked.geometry_part), dtype=np.int64), np.empty(16, dtype=np.int64), 0
    for row in range(len(begins) - 1):
        for part in range(asked.geometry_part[row], asked.geometry_part[row + 1]):
            vertex = asked.run_first[asked.part_run[part]]
            for is_inward in (True, False):
                tree = polygons if is_inward else corners
                if not is_inward and not asked.part_is_polygon[part]:
                    continue
                x, y = asked.x[vertex], asked.y[vertex]
                for i in range(4):
                    box[i] = (x if i % 2 == 0 else y) if is_inward else asked.part_box[part, i]
                top = start(tree, nodes, gaps_m2)
                while True:
                    item, top = next_item(tree, box, 0.0, nodes, gaps_m2, top)
                    if item < 0:
                        break
                    other = polygon_part[item] if is_inward else item
                    corner = sought.run_first[sought.part_run[other]]
                    if (is_inside(sought, other, x, y) if is_inward
                            else is_inside(asked, part, sought.x[corner], sought.y[corner])):
                        found = appended(found, n_found, sought.part_geometry[other])
                        n_found += 1
        begins[row + 1] = n_found
    return begins, found[:n_found]


@compiled
def edge_meets_box(ax: float, ay: float, bx: float, by: float, box: Floats) -> bool:
    """Tell whether an edge meets a box; an edge that passes within rounding of it counts as meeting."""
    if max(ax, bx) < box[0] or min(ax, bx) > box[2] or max(ay, by) < box[1] or min(ay, by) > box[3]:
        return False
    # The box is clear of the edge's line if its middle is farther from it than any of its corners.
    dx, dy, half_x, half_y = bx - ax, by - ay, 0.5 * (box[2] - box[0]), 0.5 * (box[3] - box[1])
    aside = dx * (box[1] - ay + half_y) - dy * (box[0] - ax + half_x)
    return bool(abs(aside) <= (abs(dx) * (half_y + _SLACK_M) + abs(dy) * (half_x + _SLACK_M)) * (1.0 + _SLACK))


@compiled
def meeting(asked: Runs, sought: Runs, edges: BoxTree, polygons: BoxTree, polygon_part: Integers,
            is_clear: NDArray[np.bool_]) -> tuple[Integers, Integers]:
    """Find the areas that may share ground with each geometry.

    Parameters
    ----------
    asked, sought, edges, polygons, polygon_part
        As for :func:`overlapping`.
    is_clear
        Out, shape (n,): no edge of an area comes into the boxes of the geometry's parts, so that
        each part lies wholly inside the areas found for it, and wholly outside all others.

    Returns
    -------
    Where the areas of each geometry begin, with the end, shape (n + 1,), and the areas; one may come
    several times. Areas not found share nothing with the geometry.
    """
    nodes, gaps_m2, box = np.empty(_STACK, dtype=np.int64), np.empty(_STACK), np.empty(4)
    begins, found, n_found = np.zeros(len(asked.geometry_part), dtype=np.int64), np.empty(16, dtype=np.int64), 0
    for row in range(len(begins) - 1):
        is_clear[row] = True
        for part in range(asked.geometry_part[row], asked.geometry_part[row + 1]):
            top = start(edges, nodes, gaps_m2)
            while True:
                run, top = next_item(edges, asked.part_box[part], 0.0, nodes, gaps_m2, top)
                if run < 0:
                    break
                for i in range(sought.run_first[run], sought.run_last[run]):
                    if edge_meets_box(sought.x[i], sought.y[i], sought.x[i + 1], sought.y[i + 1], asked.part_box[part]):
                        is_clear[row] = False
                        found = appended(found, n_found, sought.part_geometry[sought.run_part[run]])
                        n_found += 1
                        break
            vertex = asked.run_first[asked.part_run[part]]
            x, y = asked.x[vertex], asked.y[vertex]
            box[0], box[1], box[2], box[3] = x, y, x, y
            top = start(polygons, nodes, gaps_m2)
            while True:
                item, top = next_item(polygons, box, 0.0, nodes, gaps_m2, top)
                if item < 0:
                    break
                if is_inside(sought, polygon_part[item], x, y):
                    found = appended(found, n_found, sought.part_geometry[polygon_part[item]])
                    n_found += 1
        begins[row + 1] = n_found
    return begins, found[:n_found]


@compiled
def keep(distance_m: Floats, index: Integers, owner: Integers, target: int, gap_m: float) -> None:
    """Put a target into a list of the nearest of distinct owners, if it belongs there."""
    k = len(index)
    if not (gap_m < distance_m[k - 1] or (gap_m == distance_m[k - 1] and (target < index[k - 1] or index[k - 1] < 0))):
        return
    place = k - 1
    for held in range(k):
        if index[held] >= 0 and owner[index[held]] == owner[target]:
            if gap_m > distance_m[held] or (gap_m == distance_m[held] and target >= index[held]):
                return
            place = held
            break
    while place > 0 and (gap_m < distance_m[place - 1] or (
            gap_m == distance_m[place - 1] and (target < index[place - 1] or index[place - 1] < 0))):
        distance_m[place], index[place] = distance_m[place - 1], index[place - 1]
        place -= 1
    distance_m[place], index[place] = gap_m, target


@compiled
def nearest_owners(asked: Runs, sought: Runs, edges: BoxTree, begins: Integers, overlaps: Integers, owner: Integers,
                   distance_m: Floats, index: Integers) -> None:
    """Find the nearest targets of distinct owners of each geometry.

    Parameters
    ----------
    asked, sought
        The n geometries and the m targets.
    edges
        Tree of the runs of the targets.
    begins, overlaps
        Of :func:`overlapping`.
    owner
        Owner of each target, shape (m,).
    distance_m, index
        In and out, shape (n, k): how far to look, and -1.
    """
    nodes, gaps_m2 = np.empty(_STACK, dtype=np.int64), np.empty(_STACK)
    k = distance_m.shape[1]
    for row in range(len(index)):
        found_m, found = distance_m[row], index[row]
        for i in range(begins[row], begins[row + 1]):
            keep(found_m, found, owner, overlaps[i], 0.0)
        for run in range(asked.part_run[asked.geometry_part[row]], asked.part_run[asked.geometry_part[row + 1]]):
            top = start(edges, nodes, gaps_m2)
            while True:
                limit_m2 = widened_m2(found_m[k - 1])
                other, top = next_item(edges, asked.run_box[run], limit_m2, nodes, gaps_m2, top)
                if other < 0:
                    break
                gap_m2 = run_gap_m2(asked, run, sought, other, limit_m2)
                if gap_m2 <= limit_m2:
                    keep(found_m, found, owner, sought.part_geometry[sought.run_part[other]], np.sqrt(gap_m2))


@compiled
def note(least_m: Floats, seen: Integers, n_seen: int, who: int, gap_m: float) -> int:
    """Keep the least distance of an owner, list it when it is new, and return the length of the list."""
    if least_m[who] == np.inf:
        seen[n_seen] = who
        n_seen += 1
    least_m[who] = min(least_m[who], gap_m)
    return n_seen


@compiled
def gather_owners(asked: Runs, sought: Runs, edges: BoxTree, begins: Integers, overlaps: Integers, owner: Integers,
                  radius_m: float, weights: Floats, counts: Integers, sums: Floats) -> None:
    """Count the owners within a radius of each geometry, and sum their fading weights.

    Parameters
    ----------
    asked, sought, edges, begins, overlaps
        As for :func:`nearest_owners`.
    owner
        Owner of each target, shape (m,), from 0 up to less than m.
    weights
        Weight of each owner, shape (m,); empty to count only.
    counts, sums
        Out, shape (n,).
    """
    nodes, gaps_m2 = np.empty(_STACK, dtype=np.int64), np.empty(_STACK)
    seen, least_m = np.empty(len(owner), dtype=np.int64), np.full(len(owner), np.inf)
    radius_m2, is_sum = widened_m2(radius_m), len(weights) > 0
    for row in range(len(counts)):
        n_seen = 0
        for i in range(begins[row], begins[row + 1]):
            n_seen = note(least_m, seen, n_seen, owner[overlaps[i]], 0.0)
        for run in range(asked.part_run[asked.geometry_part[row]], asked.part_run[asked.geometry_part[row + 1]]):
            top = start(edges, nodes, gaps_m2)
            while True:
                other, top = next_item(edges, asked.run_box[run], radius_m2, nodes, gaps_m2, top)
                if other < 0:
                    break
                who = owner[sought.part_geometry[sought.run_part[other]]]
                # To be counted it is enough to be near; a sum needs the least distance.
                if least_m[who] == 0.0 or (least_m[who] < np.inf and not is_sum):
                    continue
                gap_m = np.sqrt(run_gap_m2(asked, run, sought, other, radius_m2))
                if gap_m <= radius_m:
                    n_seen = note(least_m, seen, n_seen, who, gap_m)
        counts[row] = n_seen
        if is_sum:
            seen[:n_seen].sort()  # so that the sum does not depend on the walk
        for i in range(n_seen):
            if is_sum:
                sums[row] += weights[seen[i]] * max(0.0, 1.0 - least_m[seen[i]] / radius_m)
            least_m[seen[i]] = np.inf
