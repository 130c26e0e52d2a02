"""What columns a frame must have; every problem is reported at once."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import geopandas as gpd

from gis.bilingual import Text
from gis.errors import SchemaError

Kind = Literal["text", "number", "flag", "date"]
GeometryKind = Literal["point", "line", "polygon"]

GEOMETRY_TYPES: Mapping[GeometryKind, tuple[str, ...]] = {
    "point": ("Point", "MultiPoint"),
    "line": ("LineString", "MultiLineString", "LinearRing"),
    "polygon": ("Polygon", "MultiPolygon"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Field:
    """One column."""

    name: str
    """Column name; a quantity ends in its unit."""

    title: Text
    """What a reader calls it."""

    kind: Kind = "text"
    """Type of its values."""

    unit: str = ""
    """Unit of its values."""

    is_required: bool = False
    """The layer is useless without it."""

    values: tuple[str, ...] = ()
    """The only values allowed, where they are few."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FrameSchema:
    """Columns and geometry types of a frame."""

    name: str
    """Name of the layer."""

    geometries: tuple[GeometryKind, ...]
    """Geometry kinds allowed."""

    fields: tuple[Field, ...]
    """Its columns; others are kept as they are."""

    def problems(self, frame: gpd.GeoDataFrame) -> list[Text]:
        """List everything that is wrong with the columns of ``frame``."""
        found: list[Text] = []
        for field in self.fields:
            if field.name not in frame.columns:
                if field.is_required:
                    found.append(Text(
                        zh=f"缺少字段 {field.name}（{field.title.zh}）",
                        en=f"column {field.name!r} ({field.title.en}) is missing",
                    ))
                continue
            column = frame[field.name]
            if field.values:
                odd = sorted({str(v) for v in column.dropna().unique()} - set(field.values))
                if odd:
                    found.append(Text(
                        zh=f"字段 {field.name} 有未知取值 {odd[:5]}，可用：{'、'.join(field.values)}",
                        en=f"column {field.name!r} holds unknown values {odd[:5]}; known: {', '.join(field.values)}",
                    ))
        return found

    def check(self, frame: gpd.GeoDataFrame) -> gpd.GeoDataFrame:
        """Return ``frame`` as it is, or raise with every problem in one message.

        Raises
        ------
        SchemaError
            A required column is missing, or a value is not among those allowed.
        """
        found = self.problems(frame)
        if found:
            raise SchemaError(
                f"layer {self.name!r}: " + "; ".join(t.en for t in found)
                + "; map the columns in the study file under [layers." + self.name + ".columns]",
                f"图层 {self.name!r}：" + "；".join(t.zh for t in found)
                + "；请在方案文件 [layers." + self.name + ".columns] 中写明字段对应关系",
            )
        return frame
