"""A packed tree of boxes, for compiled searches.

Boxes are sorted along a Hilbert curve and joined four by four, level by level, as in a packed
Hilbert R-tree (Kamel and Faloutsos 1993, On packing R-trees, CIKM). Unlike a uniform grid it has
no cell size to choose: clustered boxes, one far outlier or a few very long edges leave a search
logarithmic, and memory is always 4/3 of a node per box. Building costs one sort.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]

_FANOUT = 4
_CURVE_BITS = 16


class BoxTree(NamedTuple):
    """Nodes of a tree, leaves first, root last; without boxes it has no node."""

    box: Floats
    """Least x, least y, greatest x, greatest y of each node, shape (nodes, 4)."""
    first_child: Integers
    """First child of each node, shape (nodes,); -1 for a leaf."""
    last_child: Integers
    """One past its last child, shape (nodes,)."""
    item: Integers
    """Position of each leaf among the given boxes, shape (n,)."""


def build_tree(boxes: Floats) -> BoxTree:
    """Build the tree over n boxes.

    Parameters
    ----------
    boxes
        Finite, shape (n, 4): least x, least y, greatest x, greatest y.
    """
    item = np.argsort(along_curve(boxes), kind="stable")
    levels, first, last = [boxes[item]], [np.full(len(boxes), -1)], [np.full(len(boxes), -1)]
    below = 0
    while len(levels[-1]) > 1:
        children = levels[-1]
        start = np.arange(0, len(children), _FANOUT)
        levels.append(np.concatenate([np.minimum.reduceat(children[:, :2], start),
                                      np.maximum.reduceat(children[:, 2:], start)], axis=1))
        first.append(below + start)
        last.append(below + np.minimum(start + _FANOUT, len(children)))
        below += len(children)
    return BoxTree(np.concatenate(levels), np.concatenate(first), np.concatenate(last), item)


def along_curve(boxes: Floats) -> Integers:
    """Return the place of each box's middle on a Hilbert curve over all of them.

    Parameters
    ----------
    boxes
        Finite, shape (n, 4): least x, least y, greatest x, greatest y.
    """
    if not len(boxes):
        return np.empty(0, dtype=np.int64)
    middle = 0.5 * (boxes[:, :2] + boxes[:, 2:])
    low = middle.min(axis=0)
    side = float((middle.max(axis=0) - low).max()) or 1.0
    x, y = ((middle - low) / side * (2 ** _CURVE_BITS - 1)).astype(np.int64).T
    place = np.zeros(len(boxes), dtype=np.int64)
    # From the coarsest quadrant to the finest, each turned as the curve is (Hamilton's and Warren's form).
    for bit in range(_CURVE_BITS - 1, -1, -1):
        right, up = (x >> bit) & 1, (y >> bit) & 1
        place = (place << 2) | ((3 * right) ^ up)
        swaps, flips = up == 0, (up == 0) & (right == 1)
        whole = 2 ** _CURVE_BITS - 1
        x, y = np.where(flips, whole - x, x), np.where(flips, whole - y, y)
        x, y = np.where(swaps, y, x), np.where(swaps, x, y)
    return place
