"""Propagation delay along fibre. Inside one city it separates nothing, so it is reported and not scored."""

from __future__ import annotations

import shapely

from gis.bilingual import Text
from siting.types import CityPack

FIBRE_DELAY_US_PER_KM = 4.9
"""One-way delay of standard fibre at 1310-1550 nm (4.895-4.897 us/km)."""

CITY_ROUTE_FACTOR = 1.5
"""Fibre route over straight line inside a city, upper end of the usual 1.3-1.7 (judgement)."""


def one_way_latency_ms(distance_m: float, route_factor: float = CITY_ROUTE_FACTOR) -> float:
    """Return the one-way propagation delay over a straight-line distance, in ms."""
    return distance_m / 1000.0 * route_factor * FIBRE_DELAY_US_PER_KM / 1000.0


def widest_distance_m(area: shapely.Geometry) -> float:
    """Return the diameter of the smallest circle around an area, in its metric CRS."""
    return 2.0 * float(shapely.minimum_bounding_radius(area))


def latency_fact(area: shapely.Geometry, pack: CityPack) -> Text:
    """Say how large the delay across the study area is, and whether the plan's limit binds."""
    width_m = widest_distance_m(area)
    delay_ms = one_way_latency_ms(width_m)
    limits = sorted(t.value for t in pack.targets if t.unit == "ms")
    zh = (f"时延：研究范围最远约 {width_m / 1000:.0f} 公里，按路由系数 {CITY_ROUTE_FACTOR:g} 单向传播时延约 "
          f"{delay_ms:.2f} 毫秒")
    en = (f"Latency: the study area is about {width_m / 1000:.0f} km wide; at a route factor of "
          f"{CITY_ROUTE_FACTOR:g} that is {delay_ms:.2f} ms one way")
    if limits and delay_ms < limits[0]:
        zh += f"，低于 {limits[0]:g} 毫秒的限值，市内任何位置均满足"
        en += f", below the limit of {limits[0]:g} ms everywhere"
    return Text(zh=zh + "；仅列示，不参与评分。", en=en + "; it is reported and not scored.")
