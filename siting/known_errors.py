"""How far measured values may be off: position errors that layers state, as a share of each criterion's anchors."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import geopandas as gpd
import numpy as np
from numpy.typing import NDArray

from gis.bilingual import Text
from layers.schemas import LAYERS
from layers.types import CityLayers
from siting.criteria import MEASURES, route_factor
from siting.latency import one_way_latency_ms
from siting.outline_errors import RADIUS_SPREADS
from siting.pack import CityPack, Criterion

Floats = NDArray[np.float64]

ASSUMED_RADIUS_M = 500.0
"""Error radius of a feature that is called approximate and states none."""


@dataclass(frozen=True, eq=False, slots=True, kw_only=True)
class KnownErrors:
    """Standard errors of the normalised criteria."""

    spread: Floats
    """Per criterion, as a share of the span of its anchors; 0 where no error is known."""
    unvaried: tuple[str, ...]
    """Layers under the criteria whose features are all synthetic: no error is known, and none was drawn."""
    facts: tuple[Text, ...]
    """Where the errors come from, and what could not be varied."""


def known_errors(city_layers: CityLayers, pack: CityPack, criteria: Sequence[Criterion]) -> KnownErrors:
    """Find the errors of distances from the layers that they are measured to.

    A distance or a delay moves with the position of the feature at its end: where features are approximate, its
    standard error is the root mean square over the features of half their error radius. Synthetic features have no
    true position; they are not varied, and the facts say so.
    """
    spread = np.zeros(len(criteria))
    varied: dict[str, float] = {}
    invented: list[str] = []
    for place, criterion in enumerate(criteria):
        for name in _layers_of(criterion, pack):
            if not city_layers.has(name) or LAYERS[name].is_raster:
                continue
            frame = city_layers.frame(name)
            if len(frame) and (frame["certainty"].astype(str) == "synthetic").all():
                invented.append(name)
            error_m = _position_error_m(frame)
            error = {"m": error_m, "ms": one_way_latency_ms(error_m, route_factor(pack))}.get(criterion.unit, 0.0)
            if error > 0:
                varied[name] = error_m
                spread[place] = max(spread[place], error / abs(criterion.best - criterion.worst))
    facts = [Text(zh=f"{LAYERS[name].title.zh}的位置误差：距离的标准误差约 {error_m:.0f} 米。",
                  en=f"Position error of {LAYERS[name].title.en}: distances have a standard error of about "
                     f"{error_m:.0f} m.") for name, error_m in sorted(varied.items())]
    if invented:
        titles = [LAYERS[name].title for name in sorted(set(invented))]
        facts.append(Text(
            zh=f"合成图层没有真实位置，其误差无从变动，结论仅适用于演示数据：{'、'.join(t.zh for t in titles)}。",
            en="Synthetic layers have no true position and were not varied; what rests on them holds for the "
               f"demonstration data alone: {', '.join(t.en for t in titles)}."))
    return KnownErrors(spread=spread, unvaried=tuple(sorted(set(invented))), facts=tuple(facts))


def _layers_of(criterion: Criterion, pack: CityPack) -> tuple[str, ...]:
    if criterion.criterion_id == "host_distance_m":
        return tuple(kind.layer for kind in pack.host_kinds)
    return MEASURES[criterion.criterion_id].layers


def _position_error_m(frame: gpd.GeoDataFrame) -> float:
    """Return the root mean square of the standard errors of the positions, metres."""
    if frame.empty:
        return 0.0
    approximate = (frame["certainty"].astype(str) == "approximate").to_numpy()
    radius_m = np.full(len(frame), np.nan)
    if "error_radius_km" in frame.columns:
        radius_m = frame["error_radius_km"].to_numpy(dtype=np.float64) * 1e3
    radius_m = np.where(np.isnan(radius_m), ASSUMED_RADIUS_M, radius_m)
    return float(np.sqrt(np.mean(np.where(approximate, radius_m / RADIUS_SPREADS, 0.0) ** 2)))
