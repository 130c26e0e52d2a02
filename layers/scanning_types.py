"""The nouns of a look through a folder: what was found, what it may be, and what was left over."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import geopandas as gpd

from gis.bilingual import Text
from gis.rasters import Bounds
from layers.types import LayerSpec

ACTIVE_SCORE = 0.5
"""A proposal from here on is written into the study; below it is written as a comment."""

MENTIONED_SCORE = 0.25
"""A file below this fits no layer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ScanLimits:
    """How far a look through a folder goes."""

    max_files: int = 2000
    """Data sets looked at; the others are listed as left over."""

    max_file_mb: float = 512.0
    """Files larger than this are not opened."""

    max_depth: int = 8
    """Folders below the first one."""

    max_members: int = 50
    """Data sets of one archive, tables of one file."""


@dataclass(frozen=True, slots=True)
class Place:
    """One data set in a folder."""

    path: Path
    """File."""

    table: str = ""
    """Table, sheet or member inside it, where it holds several."""


@dataclass(frozen=True, slots=True)
class Leftover:
    """A data set that is not proposed as a layer."""

    place: Place
    """Where it is."""

    reason: Text
    """Why not."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RasterLook:
    """What the header of a raster and a few of its cells say."""

    crs: str
    """Well-known text; empty where the file has none."""

    bounds_wgs84: Bounds | None
    """West, south, east, north in degrees; None without a CRS."""

    is_integer: bool
    """Cells are whole numbers."""

    lowest: float
    """Lowest of the cells that were read; NaN where none holds a value."""

    highest: float
    """Highest of the cells that were read."""

    n_values: int
    """How many different values they hold."""


@dataclass(frozen=True, eq=False, kw_only=True)
class FoundTable:
    """A data set that could be read."""

    place: Place
    """Where it is."""

    frame: gpd.GeoDataFrame | None = None
    """Its rows under the file's own column names, in its own CRS; None for a raster."""

    raster: RasterLook | None = None
    """What its raster is like."""

    columns: tuple[tuple[str, str], ...] = ()
    """Columns of its coordinates, where it is a table: ``lon`` and ``lat``, or ``x`` and ``y``."""

    crs: str = ""
    """CRS to declare, where the file does not say it."""

    encoding: str = ""
    """Encoding to declare, where the file does not say it."""

    evidence: tuple[Text, ...] = ()
    """How these are known."""


@dataclass(frozen=True, eq=False, kw_only=True)
class Proposal:
    """A data set and the layer that it may be."""

    spec: LayerSpec
    """What a study would say of it. Its datum is what a comparison found, or nothing."""

    score: float
    """How well it fits, 0 to 1."""

    evidence: tuple[Text, ...]
    """Why it is taken to be that, piece by piece."""

    hints: tuple[Text, ...] = ()
    """What the planner must still decide."""

    @property
    def is_active(self) -> bool:
        """Tell whether it fits well enough to be written into a study, to be confirmed."""
        return self.score >= ACTIVE_SCORE


@dataclass(frozen=True, eq=False, kw_only=True)
class ScanReport:
    """What a folder holds."""

    proposals: tuple[Proposal, ...]
    """By layer in reading order, the best first."""

    leftovers: tuple[Leftover, ...]
    """What fits no layer or cannot be read, by path."""
