"""How exported layers are drawn: as on the map, in the words of every format."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import numpy as np

from gis.bilingual import Language, Text
from gis.errors import PackError
from layers.exports.layer_rows import Rows
from layers.exports.looks import Look, LookRule, Shape
from layers.schemas import LAYERS
from maps.styles import (
    COVERAGE,
    FEED_LINES,
    HOST_LOOKS,
    LAYER_STYLES,
    OTHER_HOST,
    OTHER_LAYER,
    SCORE_RAMP,
    LayerStyle,
    Variant,
    score_breaks,
)
from siting.finished_study import FinishedStudy, said

if TYPE_CHECKING:
    import geopandas as gpd

_MM_PER_PX = 0.26
_EXCLUDED = "#b5b5b5"
_SPARE_ZONE_COLOURS = ("#c0504d", "#4f81bd", "#9bbb59", "#8064a2", "#f79646")
_STYLES: Mapping[str, LayerStyle] = MappingProxyType({"feed_lines": FEED_LINES, "coverage": COVERAGE})
_SHAPES: Mapping[str, Shape] = MappingProxyType({
    "circle": "circle", "square": "square", "double_square": "square", "triangle": "triangle", "diamond": "diamond",
    "cross": "cross",
})


def look_of(study: FinishedStudy, name: str, rows: Rows, language: Language) -> Look:
    """Return the look of one layer.

    Parameters
    ----------
    study
        The study; its first class colours the parcels, its city the zones.
    name
        Name of the layer.
    rows
        Its features.
    language
        Language of their values.
    """
    if name == "parcels":
        return Look(rules=tuple(_parcel_rules(study, rows)), label_column="parcel_id")
    if name in ("zones", "units"):
        return Look(rules=tuple(_zone_rules(study)), is_shown=name == "zones", label_column=name[:-1])
    if name == "top_candidates":
        return Look(rules=(LookRule(colour="#d7191c", width_mm=0.7),), label_column="candidate_id")
    frame = rows.whole
    label = "name" if "name" in frame.columns and frame["name"].notna().any() else ""
    if name == "edge_centres":
        return Look(rules=tuple(_host_rules(language)), label_column=label)
    style = _STYLES.get(name) or LAYER_STYLES.get(name, OTHER_LAYER)
    return Look(rules=tuple(_variant_rules(style, frame)), is_shown=style.is_shown, label_column=label)


def _parcel_rules(study: FinishedStudy, rows: Rows) -> Iterator[LookRule]:
    """Give excluded parcels in grey and the others by their score for the first class."""
    first = study.manifest["scheme"]["classes"][0]
    key, title = first["class_id"], said(first["title"])
    scores = rows.column(f"{key}_score").to_numpy(dtype=np.float64, na_value=np.nan)
    yield LookRule(title=Text(zh=f"{title.zh}：被排除", en=f"{title.en}: excluded"), column=f"{key}_eligible",
                   equals=(False,), colour="#8c8c8c", fill=_EXCLUDED, fill_opacity=0.6, width_mm=0.1)
    known = scores[np.isfinite(scores)]
    if not len(known):
        return
    breaks = score_breaks(float(known.min()), float(known.max()))
    bounds = [None, *breaks, None]
    for colour, (low, high) in zip(SCORE_RAMP, pairwise(bounds), strict=True):
        shown = (f"< {high:g}" if low is None else f"≥ {low:g}" if high is None else f"{low:g} – {high:g}")
        yield LookRule(title=Text(zh=f"{title.zh}得分 {shown}", en=f"{title.en}, score {shown}"),
                       column=f"{key}_score", low=low if low is not None else 0.0, high=high, colour="#6b6b6b",
                       fill=colour, width_mm=0.1)


def _zone_rules(study: FinishedStudy) -> Iterator[LookRule]:
    colours = _zone_colours(study)
    for place, zone in enumerate(study.manifest["scheme"]["zones"]):
        colour = colours.get(zone["zone_id"], _SPARE_ZONE_COLOURS[place % len(_SPARE_ZONE_COLOURS)])
        yield LookRule(title=said(zone["title"]), column="zone_id", equals=(zone["zone_id"],), colour=colour,
                       fill=colour, fill_opacity=0.25, width_mm=0.4)
    yield LookRule(title=Text(zh="未分区", en="no zone"), colour="#9e9e9e", width_mm=0.2)


def _zone_colours(study: FinishedStudy) -> dict[str, str]:
    """Return the colours of the map; a city whose pack is not at hand gets others."""
    from siting.city_pack import load_pack

    try:
        return {zone.zone_id: zone.colour for zone in load_pack(study.city).zones}
    except PackError:
        return {}


def _host_rules(language: Language) -> Iterator[LookRule]:
    for kind, look in HOST_LOOKS.items():
        value = LAYERS[kind].title.zh if language == "zh" else kind
        yield LookRule(title=look.title, column="host_kind", equals=(value,), colour="#ffffff", fill=look.colour,
                       fill_opacity=1.0, size_mm=4.2, width_mm=0.4)
    yield LookRule(title=OTHER_HOST.title, colour="#ffffff", fill=OTHER_HOST.colour, fill_opacity=1.0, size_mm=4.2)


def _variant_rules(style: LayerStyle, frame: gpd.GeoDataFrame) -> Iterator[LookRule]:
    """Turn the variants of a style, of which the first that meets counts, into rules of which only one meets."""
    column = style.variant_column if style.variant_column in frame.columns else ""
    variants: Sequence[Variant] = style.variants if column else style.variants[-1:]
    above: float | None = None
    for variant in variants:
        own: dict[str, Any] = {}
        if column and variant.values:
            is_truth = frame[column].dtype == bool
            own = {"column": column,
                   "equals": tuple(v == "True" if is_truth else v for v in variant.values)}
        elif column and variant.at_least is not None:
            own = {"column": column, "low": variant.at_least, "high": above}
            above = variant.at_least
        yield LookRule(title=variant.title, colour=variant.colour, fill=variant.fill,
                       fill_opacity=variant.fill_opacity, width_mm=round(variant.width_px * _MM_PER_PX, 2),
                       size_mm=round(2 * variant.radius_px * _MM_PER_PX, 2), shape=_SHAPES[variant.shape],
                       dash_mm=tuple(round(d * _MM_PER_PX, 2) for d in variant.dash), **own)
