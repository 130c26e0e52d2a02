"""What a source is told, and what it hands back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

import geopandas as gpd
from shapely import MultiPolygon, Polygon

from gis.bilingual import Text
from gis.rasters import Raster
from layers.types import Certainty, Datum, LayerSpec, Remark


@dataclass(frozen=True, eq=False, kw_only=True)
class LoadContext:
    """What is known of the run while one layer is read."""

    metric_crs: str
    """CRS of the run ("EPSG:4547")."""

    area_of_interest: Polygon | MultiPolygon | None = None
    """Study area in the metric CRS; None while districts are read."""

    frames: Mapping[str, gpd.GeoDataFrame]
    """Layers read so far, in the metric CRS."""

    n_parcels: int = 4000
    """How many parcels a source that makes them is asked for."""

    seed: int = 20260101
    """Seed of every random number."""


@dataclass(frozen=True, eq=False, kw_only=True)
class RawLayer:
    """What any source says of what it hands over."""

    datum_note: str = ""
    """How the datum is known, for the provenance; empty for the loader's own words."""

    files: tuple[str, ...] = ()
    """Every file that was read (a shapefile's parts), to be hashed; the first one names the layer."""

    origin: str = ""
    """What names the layer where it is no file: table of a database, collection of a service; without secrets."""

    digest: str = ""
    """SHA-256 of the content where there is no file to be hashed."""

    reading_notes: tuple[Text, ...] = ()
    """How it was read, where that was not plain: encoding, member of an archive, which of several bands, no rows."""

    certainty: Certainty | None = None
    """Certainty of the layer where it is not the spec's."""

    licence: str = ""
    """Terms, where the spec names none."""

    attribution: str = ""
    """Whom to name, where the spec names none."""

    approval_number: str = ""
    """Map approval number, where the spec names none."""

    vintage: str = ""
    """Date of the data, where the spec names none."""

    note: Text | None = None
    """What to know of the layer, where the spec has no note."""

    @property
    def path(self) -> str:
        """File, table or collection that names the layer, or nothing."""
        return self.files[0] if self.files else self.origin


@dataclass(frozen=True, eq=False, kw_only=True)
class RawVector(RawLayer):
    """Features as a source hands them over: our column names, its own CRS and datum.

    A row that the reader itself had to leave out (a table row without coordinates) is not in
    ``frame`` but in ``remarks``.

    Raises
    ------
    ValueError
        ``n_read`` is not the rows of ``frame`` plus the rejected rows of ``remarks``.
    """

    frame: gpd.GeoDataFrame
    """Features; the index is the row number in the source, from 0. A column ``certainty`` overrides the
    certainty of the layer row by row."""

    n_read: int
    """Rows in the source, those left out included."""

    remarks: tuple[Remark, ...] = ()
    """One per row that the reader left out (action ``rejected``)."""

    datum: Datum | None = None
    """Datum that the source vouches for; None where the spec must declare it."""

    def __post_init__(self) -> None:
        if self.n_read != len(self.frame) + len(self.remarks):
            raise ValueError(f"{self.n_read} rows read, {len(self.frame)} handed over, {len(self.remarks)} left out")


@dataclass(frozen=True, eq=False, kw_only=True)
class RawRaster(RawLayer):
    """A raster as a source hands it over, already readable in the metric CRS."""

    raster: Raster
    """The raster."""

    crs: str = ""
    """CRS it came in."""


class Source(Protocol):
    """One way to get a layer."""

    def __call__(self, spec: LayerSpec, context: LoadContext) -> RawVector | RawRaster:
        """Read the layer that ``spec`` asks for."""
