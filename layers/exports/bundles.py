"""What the writers of other systems' formats are given: the layers and tables of one finished study."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import geopandas as gpd
import pandas as pd

from gis.bilingual import Language, Text
from layers.exports.layer_rows import Rows
from layers.exports.looks import Look
from layers.exports.targets import Target

Terms = Mapping[str, str]
"""Whom to name for a layer: ``layer, certainty, licence, attribution, approval_number, vintage``."""


@dataclass(frozen=True, eq=False, slots=True, kw_only=True)
class StudyLayer:
    """One layer, ready to be written."""

    name: str
    """ASCII name of the table or file."""

    title: Text
    """What a reader calls it."""

    rows: Rows
    """Features in the CRS of the bundle's target."""

    id_column: str
    """Column that names a feature."""

    titles: Mapping[str, str] = field(default_factory=dict)
    """Chinese titles of columns."""

    terms: tuple[Terms, ...] = ()
    """Sources, one record each."""

    look: Look = field(default_factory=Look)
    """How it is drawn."""

    @property
    def columns(self) -> list[str]:
        """Return the names of the columns without the geometry, in order."""
        like = self.rows.head(0)
        return [str(c) for c in like.columns if c != like.geometry.name]

    @property
    def frame(self) -> gpd.GeoDataFrame:
        """Return all features at once, for formats that cannot be written block by block."""
        return self.rows.whole


@dataclass(frozen=True, eq=False, slots=True, kw_only=True)
class StudyTable:
    """One table without geometry: what a layer's reader must know."""

    name: str
    title: Text
    frame: pd.DataFrame
    """Plain columns."""
    titles: Mapping[str, Text] = field(default_factory=dict)
    """Titles of columns."""


@dataclass(frozen=True, eq=False, slots=True, kw_only=True)
class Bundle:
    """One finished study in one CRS."""

    name: str
    """Plain name of files; says so where the coordinates are GCJ-02."""

    title: Text
    target: Target
    layers: tuple[StudyLayer, ...]
    """Drawn from the first (below) to the last (above)."""
    tables: tuple[StudyTable, ...]
    """Summary, rules, criteria and sources."""
    language: Language

    @property
    def heading(self) -> Text:
        """Return the title with the CRS, and a warning where the coordinates are GCJ-02."""
        return Text(zh=f"{self.title.zh}（{self.target.title.zh}）", en=f"{self.title.en} ({self.target.title.en})")


def described(layer: StudyLayer, target: Target) -> Text:
    """Say in one sentence what a layer is, in which CRS, how sure it is, and whom to name."""
    grades = ", ".join(dict.fromkeys(t.get("certainty", "") for t in layer.terms if t.get("certainty")))
    named = "; ".join(dict.fromkeys(_credit(t) for t in layer.terms if _credit(t)))
    zh = f"{layer.title.zh}；坐标：{target.title.zh}；来源可信度：{grades or '未注明'}"
    en = f"{layer.title.en}; coordinates: {target.title.en}; certainty of its sources: {grades or 'not stated'}"
    return Text(zh=zh + (f"；数据来源：{named}" if named else ""), en=en + (f"; data: {named}" if named else ""))


def _credit(terms: Terms) -> str:
    return ", ".join(part for part in (terms.get("attribution", ""), terms.get("approval_number", ""),
                                       terms.get("licence", "")) if part)
