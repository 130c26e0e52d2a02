"""The nouns of this room: what a layer is asked to be, and what it turned out to be."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import geopandas as gpd
from shapely import Geometry

from gis.bilingual import Text
from gis.errors import LayerNotFoundError
from gis.rasters import Raster

Certainty = Literal["real", "approximate", "assumed", "synthetic"]
"""How far the features of a layer may be trusted, best first."""

CERTAINTIES: tuple[Certainty, ...] = ("real", "approximate", "assumed", "synthetic")

Datum = Literal["wgs84", "cgcs2000", "gcj02", "bd09"]
"""What the longitudes and latitudes of a layer refer to."""

Scalar = str | int | float | bool


@dataclass(frozen=True, slots=True, kw_only=True)
class InlineFeature:
    """A feature that a pack states itself (a named place, a runway)."""

    geometry: str
    """Well-known text, WGS84, longitude before latitude."""

    properties: tuple[tuple[str, Scalar], ...] = ()
    """Column and value pairs."""

    certainty: Certainty | None = None
    """Overrides the certainty of the layer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LayerSpec:
    """Where one layer comes from. Several specs of one name are read one after another and joined."""

    name: str
    """Which layer: a key of ``layers.schemas.LAYERS``."""

    source: str
    """Which reader: a key of ``layers.sources.SOURCES``."""

    path: str = ""
    """File to read, absolute (the reader of a study or pack resolves it)."""

    table: str = ""
    """Layer inside the file, where the file holds several."""

    where: str = ""
    """Rows to read, as an OGR SQL condition on the file's own columns."""

    datum: Datum | None = None
    """Declared datum; needed for files in longitude and latitude."""

    crs: str = ""
    """Declared CRS ("EPSG:4547"); overrides what the file says."""

    columns: tuple[tuple[str, str], ...] = ()
    """Pairs of our column and the file's column."""

    constants: tuple[tuple[str, Scalar], ...] = ()
    """Pairs of our column and a value that every row gets."""

    values: tuple[tuple[str, tuple[tuple[str, str], ...]], ...] = ()
    """Pairs of our column and its table: pairs of a value of the file and a word of ours."""

    units: tuple[tuple[str, str], ...] = ()
    """Pairs of our column and the unit of its bare numbers in the file (``layers.quantities.UNITS``)."""

    encoding: str = ""
    """Text encoding of the file, where it is not what the file says."""

    certainty: Certainty = "real"
    """How far the features may be trusted."""

    licence: str = ""
    """Terms of the data."""

    attribution: str = ""
    """Whom to name on the map."""

    approval_number: str = ""
    """Map approval number (审图号), where the data carries one."""

    vintage: str = ""
    """Date of the data."""

    note: Text | None = None
    """What the reader of a map should know of this layer."""

    features: tuple[InlineFeature, ...] = ()
    """The features themselves, for the source ``inline``."""

    options: tuple[tuple[str, Scalar], ...] = ()
    """Settings of the source (see each module of ``layers.sources``)."""

    def option(self, key: str, default: Scalar) -> Scalar:
        """Return the source's setting ``key``."""
        return dict(self.options).get(key, default)


@dataclass(frozen=True, slots=True)
class Remark:
    """What happened to one row that was not accepted as it came, or what is odd about one that was."""

    feature_id: str
    """Id of the feature, or its row number as ``#12``."""

    action: Literal["repaired", "rejected", "noted"]
    """What was done; ``noted`` changes nothing: the row is used as it is."""

    reason: Text
    """Why."""


@dataclass(frozen=True, slots=True)
class Ledger:
    """Account of the rows of one layer: ``read == accepted + repaired + rejected``."""

    read: int
    """Rows in the source."""

    accepted: int
    """Rows used as they came."""

    repaired: int = 0
    """Rows used after a repair."""

    rejected: int = 0
    """Rows not used."""

    remarks: tuple[Remark, ...] = ()
    """One per repaired or rejected row."""

    notes: tuple[Remark, ...] = ()
    """Odd rows that are used all the same (action ``noted``): duplicates, slivers. They count as accepted or
    repaired, whichever they are."""

    def __post_init__(self) -> None:
        if self.read != self.accepted + self.repaired + self.rejected:
            raise ValueError(f"ledger does not balance: {self.read} read, {self.accepted} accepted, "
                             f"{self.repaired} repaired, {self.rejected} rejected")


@dataclass(frozen=True, slots=True, kw_only=True)
class LayerProvenance:
    """Where one source of a layer came from and what became of its rows."""

    layer: str
    """Which layer."""

    source: str
    """Which reader."""

    certainty: Certainty
    """How far it may be trusted."""

    ledger: Ledger
    """What became of its rows."""

    path: str = ""
    """File, table or collection it was read from."""

    sha256: str = ""
    """Hash of that file, or of the content of that table or collection."""

    datum: str = ""
    """Datum it came in, and how that is known."""

    crs: str = ""
    """CRS it came in."""

    licence: str = ""
    """Terms of the data."""

    attribution: str = ""
    """Whom to name on the map."""

    approval_number: str = ""
    """Map approval number (审图号)."""

    vintage: str = ""
    """Date of the data."""

    note: Text | None = None
    """What the reader of a map should know."""

    reading_notes: tuple[Text, ...] = ()
    """How the file was read, where that was not plain: its encoding, the band of a raster, a zip's member."""

    n_outside: int = 0
    """Rows wholly outside the study area; of parcels these are among the rejected, of other layers among the used."""


@dataclass(frozen=True, eq=False)
class CityLayers:
    """All layers of a run, in its metric CRS."""

    metric_crs: str
    """CRS of every frame here."""

    frames: Mapping[str, gpd.GeoDataFrame]
    """Vector layers by name, each checked against its schema."""

    rasters: Mapping[str, Raster]
    """Rasters by name; they are read by windows in the metric CRS."""

    provenance: tuple[LayerProvenance, ...]
    """One per source that was read."""

    area_of_interest: Geometry
    """Polygon that limits the run."""

    missing: tuple[str, ...] = ()
    """Optional layers that nobody gave, in the order of ``layers.schemas.LAYERS``."""


    def has(self, name: str) -> bool:
        """Tell whether the layer is there and has features."""
        return name in self.rasters or (name in self.frames and len(self.frames[name]) > 0)

    def frame(self, name: str) -> gpd.GeoDataFrame:
        """Return a vector layer.

        Raises
        ------
        LayerNotFoundError
            Nobody gave that layer.
        """
        if name not in self.frames:
            raise LayerNotFoundError(
                f"layer {name!r} is not in this run; name a source for it in the study file",
                f"本次运行没有图层 {name!r}；请在方案文件中为它指定来源",
            )
        return self.frames[name]

    def certainty_of(self, name: str) -> Certainty:
        """Return the least certain source of a layer."""
        found = [p.certainty for p in self.provenance if p.layer == name]
        return max(found, key=CERTAINTIES.index) if found else "assumed"
