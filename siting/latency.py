"""Propagation delay along fibre. Inside one city it separates nothing, so it is reported and not scored.

Where a limit of a plan does not bind, the tool says from which distance it would, and offers one that does.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import shapely
from numpy.typing import ArrayLike, NDArray

from gis.bilingual import Text
from gis.errors import UsageError
from siting.pack import CityPack

Floats = NDArray[np.float64]

FIBRE_DELAY_US_PER_KM = 4.9
"""One-way delay of standard fibre at 1310-1550 nm (4.895-4.897 us/km)."""

CITY_ROUTE_FACTOR = 1.5
"""Fibre route over straight line inside a city, upper end of the usual 1.3-1.7 (judgement)."""

HOP_DELAY_US = 50.0
"""One switch or router, lightly loaded: 5-50 us, the upper end is taken (not verified)."""

SCORED_DELAYS = ("demand_latency_ms", "hub_latency_ms")
"""Criteria by which a plan as wide as a province or a country scores delay."""

_ROUND_LIMITS_MS = tuple(m * 10.0 ** e for e in range(3, -5, -1) for m in (5.0, 2.0, 1.0))
"""Limits worth writing into a plan, descending."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LimitVerdict:
    """Whether a limit on the one-way delay tells places of a study area apart."""

    limit_ms: float
    """The limit, one way."""
    widest_ms: float
    """Largest delay in the area, one way."""
    reach_m: float
    """Straight-line distance from which the limit would bind; 0 where hops alone use it up."""
    offered_ms: float | None
    """The largest round limit that binds in the area; None where the delay is that of the hops alone."""
    offered_reach_m: float | None
    """Straight-line radius that the offered limit amounts to."""

    @property
    def is_binding(self) -> bool:
        """Some pair of places in the area breaks the limit."""
        return self.widest_ms > self.limit_ms


def one_way_latency_ms(distance_m: float, route_factor: float = CITY_ROUTE_FACTOR, *, n_hops: int = 0,
                       hop_delay_us: float = HOP_DELAY_US) -> float:
    """Return the one-way delay over a straight-line distance, in ms: propagation, and so many switches or routers."""
    return float(latencies_ms(distance_m * route_factor, n_hops=n_hops, hop_delay_us=hop_delay_us))


def latencies_ms(route_m: ArrayLike, *, n_hops: ArrayLike = 0, hop_delay_us: float = HOP_DELAY_US) -> Floats:
    """Return one-way delays of routes.

    Parameters
    ----------
    route_m
        Lengths of routes (not of straight lines), metres, any shape; infinite where there is no way.
    n_hops
        Switches and routers on each, of a shape that fits.
    hop_delay_us
        Delay of one of them.

    Returns
    -------
    numpy.ndarray
        ``4.9 us/km x route + hops x delay``, ms, float64.

    Raises
    ------
    UsageError
        A length, a number of hops or the delay is negative.
    """
    route, hops = np.asarray(route_m, dtype=np.float64), np.asarray(n_hops, dtype=np.float64)
    if (route < 0.0).any() or (hops < 0.0).any() or hop_delay_us < 0.0:
        raise UsageError("a delay needs lengths, hops and a delay per hop of at least 0; correct the negative one",
                         "时延计算要求路由长度、跳数和单跳时延均不小于 0；请改正负值")
    return np.asarray(route / 1000.0 * FIBRE_DELAY_US_PER_KM / 1000.0 + hops * hop_delay_us / 1000.0)


def reach_m(limit_ms: float, route_factor: float = CITY_ROUTE_FACTOR, *, n_hops: int = 0,
            hop_delay_us: float = HOP_DELAY_US) -> float:
    """Return the straight-line distance at which a one-way limit is used up; 0 where the hops alone exceed it."""
    left_ms = limit_ms - n_hops * hop_delay_us / 1000.0
    return max(0.0, left_ms * 1000.0 / FIBRE_DELAY_US_PER_KM * 1000.0 / route_factor)


def check_limit(limit_ms: float, widest_m: float, route_factor: float = CITY_ROUTE_FACTOR, *, n_hops: int = 0,
                hop_delay_us: float = HOP_DELAY_US) -> LimitVerdict:
    """Tell whether a one-way limit binds in an area of a given width, and offer one that does.

    Parameters
    ----------
    limit_ms
        The limit of the plan, one way.
    widest_m
        Largest straight-line distance in the area.
    route_factor, n_hops, hop_delay_us
        As for :func:`one_way_latency_ms`.
    """
    hops_ms = n_hops * hop_delay_us / 1000.0
    widest_ms = one_way_latency_ms(widest_m, route_factor, n_hops=n_hops, hop_delay_us=hop_delay_us)
    # Strictly between: at the width itself a limit binds nowhere, and below the hops it binds everywhere.
    offered = next((v for v in _ROUND_LIMITS_MS if hops_ms < v < min(widest_ms, limit_ms * (1 + 1e-9))), None)
    reach = reach_m(limit_ms, route_factor, n_hops=n_hops, hop_delay_us=hop_delay_us)
    at = None if offered is None else reach_m(offered, route_factor, n_hops=n_hops, hop_delay_us=hop_delay_us)
    return LimitVerdict(limit_ms=limit_ms, widest_ms=widest_ms, reach_m=reach, offered_ms=offered, offered_reach_m=at)


def limit_fact(verdict: LimitVerdict) -> Text:
    """Say whether a limit binds, from where it would, and which limit does."""
    if verdict.is_binding:
        return Text(zh=f"{verdict.limit_ms:g} 毫秒的限值起约束：直线距离超过 {verdict.reach_m / 1000:.0f} 公里即超限",
                    en=f"the limit of {verdict.limit_ms:g} ms binds: beyond {verdict.reach_m / 1000:.0f} km of "
                       "straight line it is broken")
    zh = (f"{verdict.limit_ms:g} 毫秒的限值不起约束，直线距离达到 {verdict.reach_m / 1000:.0f} 公里才会超限")
    en = (f"the limit of {verdict.limit_ms:g} ms does not bind, it would take {verdict.reach_m / 1000:.0f} km of "
          "straight line")
    if verdict.offered_ms is not None and verdict.offered_reach_m is not None:
        km = f"{verdict.offered_reach_m / 1000:.3g}"
        zh += f"；{verdict.offered_ms:g} 毫秒的限值才起约束，相当于 {km} 公里的服务半径"
        en += f"; a limit of {verdict.offered_ms:g} ms would, which is a service radius of {km} km"
    return Text(zh=zh, en=en)


def widest_distance_m(area: shapely.Geometry) -> float:
    """Return the diameter of the smallest circle around an area, in its metric CRS."""
    return 2.0 * float(shapely.minimum_bounding_radius(area))


def latency_fact(area: shapely.Geometry, pack: CityPack) -> Text:
    """Say how large the delay across the study area is, whether the plan's limits bind, and which one would."""
    width_m = widest_distance_m(area)
    delay_ms = one_way_latency_ms(width_m)
    zh = (f"时延：研究范围最远约 {width_m / 1000:.0f} 公里，按路由系数 {CITY_ROUTE_FACTOR:g} 单向传播时延约 "
          f"{delay_ms:.2f} 毫秒")
    en = (f"Latency: the study area is about {width_m / 1000:.0f} km wide; at a route factor of "
          f"{CITY_ROUTE_FACTOR:g} that is {delay_ms:.2f} ms one way")
    limits = sorted({t.value for t in pack.targets if t.unit == "ms"})
    for place, limit_ms in enumerate(limits):
        verdict = check_limit(limit_ms, width_m)
        said = limit_fact(verdict if place == 0 or verdict.is_binding else _without_offer(verdict))
        zh, en = f"{zh}；{said.zh}", f"{en}; {said.en}"
    if any(c.criterion_id in SCORED_DELAYS for c in pack.criteria):
        return Text(zh=zh + "；时延参与评分，按大地线计算。", en=en + "; delay is scored, over the geodesic.")
    return Text(zh=zh + "；仅列示，不参与评分。", en=en + "; it is reported and not scored.")


def _without_offer(verdict: LimitVerdict) -> LimitVerdict:
    """Drop the offer: one sentence makes it once."""
    return LimitVerdict(limit_ms=verdict.limit_ms, widest_ms=verdict.widest_ms, reach_m=verdict.reach_m,
                        offered_ms=None, offered_reach_m=None)
