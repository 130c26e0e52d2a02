"""A raster of a run: a file or an array, read by windows in the metric CRS."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from affine import Affine
from numpy.typing import NDArray

Bounds = tuple[float, float, float, float]


@dataclass(frozen=True, eq=False)
class Raster:
    """One band on a north-up grid of square or rectangular cells in the metric CRS of the run.

    Either ``values`` holds the cells, or ``path`` names a file that is read by windows (and moved
    into ``crs`` on the way, where the file has another one).
    """

    crs: str
    """Metric CRS of the run."""

    transform: Affine
    """From column and row to coordinates in ``crs``; north up."""

    shape: tuple[int, int]
    """Rows and columns."""

    unit: str
    """Unit of a cell's value."""

    values: NDArray[np.float64] | None = None
    """The cells, NaN where there is no data; or None for a file."""

    path: str = ""
    """File that holds the cells."""

    source_crs: str = ""
    """CRS of the file, where it was declared rather than read from it."""

    is_categorical: bool = False
    """Cells are codes: never averaged, resampled by the nearest."""
