"""The tags of OpenStreetMap that make each layer, read from ``osm_tags.toml``."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Any, cast

from gis.bilingual import Text
from gis.schemas import GeometryKind
from layers.types import Certainty

Condition = tuple[tuple[str, frozenset[str]], ...]
"""Tag keys and the values that fit; ``*`` fits any."""

TILE_KM = 150.0
"""Side of a tile of a layer with few objects."""

_ANY = "*"
_VOLTS = re.compile(r"\d+(?:\.\d+)?")


@dataclass(frozen=True, slots=True, kw_only=True)
class FeatureTags:
    """One kind of object that belongs to a layer."""

    tags: Condition
    """Every key must hold one of its values."""

    unless: Condition = ()
    """No key may hold one of its values."""

    kinds: tuple[GeometryKind, ...]
    """What it may become."""

    sets: tuple[tuple[str, str], ...] = ()
    """Columns that follow from the tags."""

    def fits(self, tags: Mapping[str, str]) -> bool:
        """Tell whether an object of these tags is of this kind."""
        return all(_holds(tags, *part) for part in self.tags) and not any(_holds(tags, *part) for part in self.unless)


@dataclass(frozen=True, slots=True, kw_only=True)
class LayerTags:
    """What of OpenStreetMap makes one layer."""

    features: tuple[FeatureTags, ...]
    """Kinds of objects; the first that fits counts."""

    columns: tuple[tuple[str, tuple[str, ...]], ...] = ()
    """Our column and the tag keys that may fill it, the best first."""

    volts: frozenset[str] = frozenset()
    """Columns in kV whose tags are in volts."""

    as_points: bool = False
    """Areas become a point inside them."""

    floor_area: str = ""
    """Column that gets footprint times storeys."""

    certainty: Certainty | None = None
    """How far the layer may be trusted, where it is not what its name says; None for the spec's word."""

    note: Text | None = None
    """What to know of it then."""

    tile_km: float = TILE_KM
    """Side of the area that a server is asked for at once."""

    def fitting(self, tags: Mapping[str, str]) -> FeatureTags | None:
        """Return the first kind that an object of these tags is of, or None."""
        return next((feature for feature in self.features if feature.fits(tags)), None)

    def asked(self) -> dict[str, list[str] | bool]:
        """Return what a server is asked for: keys and values of which each object has at least one, sorted.

        That is more than the layer, for a server is asked for one key at a time.
        """
        values: dict[str, frozenset[str]] = {}
        for feature in self.features:
            key, fitting = feature.tags[0]
            values[key] = values.get(key, frozenset()) | fitting
        return {key: True if _ANY in values[key] else sorted(values[key]) for key in sorted(values)}

    def keys(self) -> tuple[str, ...]:
        """Return the tag keys without which no object belongs to the layer, sorted."""
        return tuple(sorted({feature.tags[0][0] for feature in self.features}))

    def values(self, feature: FeatureTags, tags: Mapping[str, str]) -> dict[str, Any]:
        """Return the columns of an object."""
        found: dict[str, Any] = {}
        for column, keys in self.columns:
            text = next((tags[key] for key in keys if tags.get(key, "").strip()), None)
            found[column] = highest_kv(text) if column in self.volts else text
        return found | dict(feature.sets)


def highest_kv(volts: str | None) -> float | str | None:
    """Return the highest of some voltages in volts, in kV.

    Parameters
    ----------
    volts
        A tag such as ``"220000;110000"``, or None.

    Returns
    -------
    float, str or None
        kV; the tag itself where it holds no number, so that the account can quote it.
    """
    found = [float(number) for number in _VOLTS.findall(volts or "")]
    return max(found) / 1000.0 if found else volts


@cache
def known_layers() -> Mapping[str, LayerTags]:
    """Return what makes each layer, by the layer's name."""
    text = resources.files("layers.sources").joinpath("osm_tags.toml").read_text(encoding="utf-8")
    return {name: _layer(table) for name, table in tomllib.loads(text).items()}


def _layer(table: dict[str, Any]) -> LayerTags:
    return LayerTags(
        features=tuple(_feature(entry) for entry in table["features"]),
        columns=tuple((column, tuple(keys)) for column, keys in table.get("columns", {}).items()),
        volts=frozenset(table.get("volts", ())), as_points=table.get("as_points", False),
        floor_area=table.get("floor_area", ""), certainty=table.get("certainty"),
        note=Text(**table["note"]) if "note" in table else None, tile_km=float(table.get("tile_km", TILE_KM)),
    )


def _feature(entry: dict[str, Any]) -> FeatureTags:
    return FeatureTags(tags=_condition(entry["tags"]), unless=_condition(entry.get("unless", {})),
                       kinds=cast("tuple[GeometryKind, ...]", tuple(entry["kinds"])),
                       sets=tuple(entry.get("set", {}).items()))


def _condition(table: dict[str, list[str]]) -> Condition:
    return tuple((key, frozenset(values)) for key, values in table.items())


def _holds(tags: Mapping[str, str], key: str, values: frozenset[str]) -> bool:
    return key in tags and (_ANY in values or tags[key] in values)
